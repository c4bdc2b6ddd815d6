"""From averages over rows to estimates with a joint covariance: settings, groups, and the sampling of the rows."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from sklearn_mle._numerics.arguments import argument_name, as_floats, refuse_masked
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.inference.averages import Task, means_of
from sklearn_mle.inference.comparing import Comparison
from sklearn_mle.inference.quantities import SmoothFunction
from sklearn_mle.inference.result import Inference
from sklearn_mle.inference.tables import Table

Array = NDArray[Any]


@dataclass(frozen=True)
class Result:
    """What is reported: one task's average (``low`` is None), or two compared; with labels."""

    labels: Mapping[str, Any]
    high: int
    low: int | None = None
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Rows:
    """Over which rows averages are taken, with what weights, and at which settings."""

    table: Table
    weight: Array | None
    offset: Any
    # X as it was given, whose levels and spreads count, and its weights.
    given: Table
    given_weight: Array | None
    # Labels of each group by name, and the rows' groups as positions there.
    group_labels: Mapping[str, tuple[Any, ...]]
    groups: NDArray[np.intp]
    # Columns set to a value for all rows, one dict a setting.
    settings: tuple[Mapping[Any, Any], ...]
    # None, or the sampling units of the rows.
    units: NDArray[np.intp] | None

    @classmethod
    def of(cls, X: Any, at: Any, by: Any, sample_weight: Any, offset: Any, population: Any) -> "Rows":
        """Return the rows as the arguments say.

        Raises
        ------
        ValueError
            If an argument is not valid, or not beside another.
        """
        given = table = Table.of(X)
        n = len(table)
        given_weight = weight = _weights(sample_weight, n)
        labels, groups = _groups(table, by, weight)
        units = _units(population, n)
        settings: tuple[Mapping[Any, Any], ...] = ({},)
        if isinstance(at, str) and at == "means":
            if by is not None or population is not None:
                raise ValueError("at='means' evaluates one row: by and population are for averages over rows.")
            offset = _mean_offset(offset, weight)
            table, weight, groups = table.typical(weight), None, np.zeros(1, dtype=np.intp)
        elif isinstance(at, Mapping):
            for name in at:
                with argument_name("at"):
                    table.place(name)
            choices = [_values(values) for values in at.values()]
            settings = tuple(dict(zip(at, chosen, strict=True)) for chosen in itertools.product(*choices))
        elif at is not None:
            raise ValueError(f"at must be 'means' or a mapping from columns to values; got {at!r}.")
        return cls(table, weight, offset, given, given_weight, labels, groups, settings, units)

    @property
    def n_present(self) -> int:
        """Number of rows of positive weight."""
        return len(self.table) if self.weight is None else int(np.count_nonzero(self.weight))


def _values(values: Any) -> list[Any]:
    listed = [values] if np.ndim(values) == 0 else list(values)
    if not listed:
        raise ValueError("at: a column needs at least one value.")
    return listed


def _weights(sample_weight: Any, n: int) -> Array | None:
    if sample_weight is None:
        return None
    weight = as_floats(sample_weight, "sample_weight").astype(np.float64, copy=False)
    if weight.shape != (n,) or not (np.isfinite(weight) & (weight >= 0)).all() or not weight.any():
        raise ValueError(
            f"sample_weight must be {n} finite numbers >= 0, one for each row of X, not all of them zero; got shape "
            f"{weight.shape}."
        )
    return weight


def _mean_offset(offset: Any, weight: Array | None) -> Any:
    if isinstance(offset, dict):
        return {name: _mean_offset(value, weight) for name, value in offset.items()}
    return offset if offset is None or not np.ndim(offset) else np.average(offset, axis=0, weights=weight)[None]


def _groups(table: Table, by: Any, weight: Array | None) -> tuple[dict[str, tuple[Any, ...]], NDArray[np.intp]]:
    """Return the groups' labels, and each row's group; groups without weight are left out."""
    n = len(table)
    present = np.ones(n, dtype=bool) if weight is None else weight > 0
    if by is None:
        return {}, np.zeros(n, dtype=np.intp)
    if isinstance(by, np.ndarray) or hasattr(by, "to_numpy"):
        named: list[tuple[str, Array, list[Any] | None]] = [("group", _labels("by", by, n), None)]
    else:
        names = [by] if isinstance(by, str) or np.ndim(by) == 0 else list(by)
        with argument_name("by"):
            named = [(str(name), table.column(table.place(name)), table.levels(name, weight)) for name in names]
    codes, choices = [], []
    for name, values, levels in named:
        found, inverse = np.unique(values[present], return_inverse=True)
        levels = found.tolist() if levels is None else levels
        place = {level: k for k, level in enumerate(levels)}
        if not all(value in place for value in found.tolist()):
            raise ValueError(f"by: {name!r} has missing values; leave out such rows, or give them a label.")
        codes.append(np.array([place[value] for value in found.tolist()])[inverse.ravel()])
        choices.append(levels)
    combined, members = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    groups = np.zeros(n, dtype=np.intp)
    groups[present] = members.ravel()
    columns = {name: tuple(choices[k][code] for code in combined[:, k]) for k, (name, _, _) in enumerate(named)}
    return columns, groups


def _labels(argument: str, values: Any, n: int) -> Array:
    refuse_masked(**{argument: values})
    with argument_name(argument):
        labels = column_or_1d(check_array(values, ensure_2d=False, dtype=None, input_name=argument))
        check_consistent_length(labels, np.empty(n))
    return labels


def _units(population: Any, n: int) -> NDArray[np.intp] | None:
    if population is None:
        return None
    if isinstance(population, str):
        if population != "rows":
            raise ValueError(f"population must be None, 'rows' or labels of clusters; got {population!r}.")
        return np.arange(n)
    return np.unique(_labels("population", population, n), return_inverse=True)[1].astype(np.intp)


@np.errstate(all="ignore")
def estimate(
    inference: Inference, function: SmoothFunction, rows: Rows, tasks: Sequence[Task], results: Sequence[Result]
) -> tuple[dict[str, tuple[Any, ...]], Array, Array, Array]:
    """Return labels, values, covariance and gradients of the results at each setting, in each group, for each output.

    The covariance is G V G', with G the gradient in the coefficients and V their covariance. Rows that are a sample
    add the covariance of the averages over other such samples at the same coefficients: the two are uncorrelated, for
    the scores of the coefficients have mean zero at each row where the model's mean is right.
    """
    found = [
        means_of(
            inference.model,
            function,
            rows.table,
            tasks,
            rows.weight,
            rows.groups,
            rows.offset,
            partial(_set, setting),
            keep_rows=rows.units is not None,
        )
        for setting in rows.settings
    ]
    n_groups, outputs = found[0].values.shape[1:]
    labels, values, gradients, sampled = [], [], [], []
    for result in results:
        for setting, means in zip(rows.settings, found, strict=True):
            value, parts = _value(result, means.values)
            gradient = sum(slope[..., None] * means.gradients[task] for task, slope in parts)
            for g, k in itertools.product(range(n_groups), range(outputs)):
                of_group = {name: choices[g] for name, choices in rows.group_labels.items()}
                of_class = {"class": function.classes[k]} if function.classes is not None else {}
                labels.append(
                    {**result.labels, **{str(name): at for name, at in setting.items()}, **of_group, **of_class}
                )
                values.append(value[g, k])
                gradients.append(gradient[g, k])
                if means.rows is not None:
                    deviation = sum(
                        slope[g, k] * (means.rows[task, k] - means.values[task, g, k]) for task, slope in parts
                    )
                    weight = np.ones(len(rows.table)) if rows.weight is None else rows.weight
                    sampled.append(np.where((rows.groups == g) & (weight > 0), deviation, 0.0) / means.mass[g])
    matrix = np.stack(gradients)
    covariance = _of_coefficients(inference, matrix)
    if rows.units is not None:
        covariance = covariance + _of_samples(inference, rows, np.stack(sampled))
    columns = {name: tuple(label[name] for label in labels) for name in labels[0]}
    return columns, np.array(values), covariance, matrix


def _set(setting: Mapping[Any, Any], table: Table) -> Table:
    for name, value in setting.items():
        table = table.replaced(name, value)
    return table


def _value(result: Result, means: Array) -> tuple[Array, list[tuple[int, Array]]]:
    """Return the value of a result in every group, for every output; and its derivatives in the tasks' means."""
    high = means[result.high]
    if result.low is None or result.comparison is None:
        return high, [(result.high, np.ones_like(high))]
    value, of_high, of_low = result.comparison.evaluate(high, means[result.low])
    return value, [(result.high, of_high), (result.low, of_low)]


def _of_coefficients(inference: Inference, gradients: Array) -> Array:
    """Return G V G', nan for what the data do not determine."""
    absent = np.ones(gradients.shape[1], dtype=bool)
    absent[inference.model.entries] = False
    gradients = np.where(absent, 0.0, gradients)
    finite = np.asarray(np.isfinite(gradients).all(axis=1))
    covariance = inference.curvature.covariance(np.where(finite[:, None], gradients, 0.0))
    covariance[~finite] = covariance[:, ~finite] = np.nan
    return covariance


def _of_samples(inference: Inference, rows: Rows, sampled: Array) -> Array:
    """Return the covariance of averages over samples of the units, from the deviation of each row."""
    assert rows.units is not None
    weight = np.ones(len(rows.table)) if rows.weight is None else rows.weight
    copies = rows.weight is not None and inference.model.weight_type == "frequency"
    n_units = int(rows.units.max()) + 1
    with single_threaded_blas:
        if copies and n_units == len(rows.table):
            # A row of weight w is w units.
            sums, n = sampled * np.sqrt(weight), float(weight.sum())
        else:
            members = sp.csr_array((weight, (np.arange(len(weight)), rows.units)), (len(weight), n_units))
            sums, n = np.asarray(sampled @ members), float(len(np.unique(rows.units[weight > 0])))
        if n <= 1:
            raise ValueError("population: all rows form a single unit; at least two are needed to estimate a variance.")
        return np.asarray(sums @ sums.T) * n / (n - 1)
