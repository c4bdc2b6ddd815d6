"""The rows that averages are taken over: their weights, groups and sampling units, and the settings of columns."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arguments import argument_name, as_labels, check_weight, label_codes, refuse_missing_labels
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.inference.tables import Table


@dataclass(frozen=True)
class Rows:
    """Over which rows averages are taken, with what weights, and at which settings."""

    table: Table
    weight: Array
    offset: Any
    # X as it was given, whose levels and spreads count, its weights and its offset.
    given: Table
    given_weight: Array
    given_offset: Any
    # Labels of each group by name, and each row's group as a position there.
    group_labels: Mapping[str, tuple[Any, ...]]
    groups: NDArray[np.intp]
    # Columns set to a value for all rows: one mapping per setting.
    settings: tuple[Mapping[Any, Any], ...]
    # None, or the sampling units of the rows.
    units: NDArray[np.intp] | None

    @classmethod
    def of(cls, X: Any, at: Any, by: Any, sample_weight: Any, offset: Any, population: Any) -> "Rows":
        """Return the rows as the arguments say; raise ValueError where one is not valid, or not beside another."""
        given = table = Table.of(X)
        n = len(table)
        read = check_weight(sample_weight, n)
        given_weight = weight = np.ones(n) if read is None else read
        given_offset = offset
        labels, groups = _groups(table, by, weight)
        units = _units(population, n)
        settings: tuple[Mapping[Any, Any], ...] = ({},)
        if isinstance(at, str) and at == "means":
            if by is not None or population is not None:
                raise ValueError("at='means' evaluates one row: by and population are for averages over rows.")
            offset = _mean_offset(offset, weight)
            table, weight, groups = table.typical(weight), np.ones(1), np.zeros(1, dtype=np.intp)
        elif isinstance(at, Mapping):
            with argument_name("at"):
                for name in at:
                    table.place(name)
            choices = [[values] if np.ndim(values) == 0 else list(values) for values in at.values()]
            if not all(choices):
                raise ValueError("at: a column needs at least one value.")
            settings = tuple(dict(zip(at, chosen, strict=True)) for chosen in itertools.product(*choices))
        elif at is not None:
            raise ValueError(f"at must be 'means' or a mapping from columns to values; got {at!r}.")
        return cls(table, weight, offset, given, given_weight, given_offset, labels, groups, settings, units)


def _mean_offset(offset: Any, weight: Array) -> Any:
    """Return the offset of the mean row; a frame keeps the names of its columns."""
    if offset is None or not np.ndim(offset):
        return offset
    present = weight > 0
    mean = np.average(np.asarray(offset)[present], axis=0, weights=weight[present])
    if np.ndim(mean) and hasattr(offset, "columns"):
        return type(offset)({name: [value] for name, value in zip(offset.columns, mean, strict=True)})
    return mean[None]


def _groups(table: Table, by: Any, weight: Array) -> tuple[dict[str, tuple[Any, ...]], NDArray[np.intp]]:
    """Return the groups' labels, and each row's group; groups without weight are left out."""
    n, present = len(table), weight > 0
    groups = np.zeros(n, dtype=np.intp)
    if by is None:
        return {}, groups
    if isinstance(by, np.ndarray) or hasattr(by, "to_numpy"):
        named: list[tuple[str, Array, list[Any] | None]] = [("group", as_labels("by", by, n), None)]
    else:
        names = [by] if isinstance(by, str) or np.ndim(by) == 0 else list(by)
        with argument_name("by"):
            named = [(str(name), table.column(table.place(name)), table.levels(name, weight)) for name in names]
    codes, choices = [], []
    for name, values, levels in named:
        refuse_missing_labels(f"by: {name!r}", values, present)  # those among objects, which have no order
        found, inverse = np.unique(values[present], return_inverse=True)
        choices.append(found.tolist() if levels is None else levels)
        place = {level: k for k, level in enumerate(choices[-1])}
        if not all(value in place for value in found.tolist()):
            raise ValueError(f"by: {name!r} has missing values; leave out such rows, or give them a label.")
        codes.append(np.array([place[value] for value in found.tolist()])[inverse.ravel()])
    combined, members = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    groups[present] = members.ravel()
    labels = [tuple(levels[code] for code in column) for levels, column in zip(choices, combined.T, strict=True)]
    return {name: found for (name, _, _), found in zip(named, labels, strict=True)}, groups


def _units(population: Any, n: int) -> NDArray[np.intp] | None:
    if population is None:
        return None
    if isinstance(population, str):
        if population != "rows":
            raise ValueError(f"population must be None, 'rows' or labels of clusters; got {population!r}.")
        return np.arange(n)
    return label_codes("population", population, n)
