"""From averages over rows to effects with their joint covariance: what is averaged, compared and reported."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import logit

from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.inference.averaged_rows import Rows
from sklearn_mle.inference.averages import BlockOfRows, Prediction, Task, means_of
from sklearn_mle.inference.column_terms import telling_rows
from sklearn_mle.inference.effects_result import Effects
from sklearn_mle.inference.hypotheses import five_point_slope
from sklearn_mle.inference.quantities import SmoothFunction, smooth_function
from sklearn_mle.inference.result import Inference, check_inference, df_of
from sklearn_mle.inference.slopes import Slope, probed_values, step_of
from sklearn_mle.inference.tables import taken

_LEVELS = ("reference", "pairwise", "sequential")
# A column with more levels than this identifies rows.
_MOST_LEVELS = 100
# The step of derivatives of a comparison, relative to the averages.
_STEP = 1e-3


@dataclass(frozen=True)
class Comparison:
    """A function of two averages, high and low, of any shape, with its derivatives in both."""

    # Between the two in the label of a contrast.
    symbol: str
    # (high, low) -> the value and its two derivatives.
    evaluate: Callable[[Array, Array], tuple[Array, Array, Array]]
    # The value where the two are equal.
    null: float = 0.0
    # Whether the value is the logarithm of what is reported.
    exponentiated: bool = False


@np.errstate(all="ignore")
def _log_ratio(high: Array, low: Array) -> tuple[Array, Array, Array]:
    sign = np.where((high < 0) & (low < 0), -1, 1)  # of two negative averages the ratio is positive
    return np.log(sign * high) - np.log(sign * low), 1 / high, -1 / low


@np.errstate(all="ignore")
def _log_odds_ratio(high: Array, low: Array) -> tuple[Array, Array, Array]:
    return logit(high) - logit(low), 1 / (high * (1 - high)), -1 / (low * (1 - low))


COMPARISONS = {
    "difference": Comparison("-", lambda high, low: (high - low, np.ones_like(high), -np.ones_like(low))),
    "ratio": Comparison("/", _log_ratio, exponentiated=True),
    "log_ratio": Comparison("/", _log_ratio),
    "odds_ratio": Comparison("/", _log_odds_ratio, exponentiated=True),
    "log_odds_ratio": Comparison("/", _log_odds_ratio),
}


def compare_by(compare: Any) -> Comparison:
    """Return the comparison that an argument means: a name, or a function of two arrays."""
    if isinstance(compare, str) and compare in COMPARISONS:
        return COMPARISONS[compare]
    if not callable(compare):
        raise ValueError(f"compare must be one of {list(COMPARISONS)} or a function of two arrays; got {compare!r}.")

    def value(pair: Array) -> Array:
        with argument_name("compare"):
            out = np.asarray(compare(pair[0].copy(), pair[1].copy()), dtype=np.float64)
        if out.shape != pair[0].shape:
            raise ValueError(
                f"compare must return an array of the shape of its arguments, {pair[0].shape}; got {out.shape}."
            )
        return out

    def evaluate(high: Array, low: Array) -> tuple[Array, Array, Array]:
        pair = np.stack([high, low])
        # Steps are relative to the averages themselves.
        size = np.where(pair != 0, np.abs(pair), 1.0)
        slopes = [five_point_slope(lambda t: value(pair + t * size), np.zeros_like(pair), k, _STEP) for k in (0, 1)]
        return value(pair), slopes[0] / size[0], slopes[1] / size[1]

    with np.errstate(all="ignore"):
        one = np.full(1, 0.5)
        null = float(value(np.stack([one, one]))[0])
    return Comparison("and", evaluate, null if np.isfinite(null) else 0.0)


@dataclass(frozen=True)
class Result:
    """What is reported: one task's average (``low`` is None), or two compared; with labels."""

    labels: Mapping[str, Any]
    high: int
    low: int | None = None
    comparison: Comparison | None = None

    def of(self, means: Array) -> tuple[Array, list[tuple[int, Array]]]:
        """Return the value in every group, for every output; and its derivatives in the tasks' means."""
        high = means[self.high]
        if self.low is None or self.comparison is None:
            return high, [(self.high, np.ones_like(high))]
        value, of_high, of_low = self.comparison.evaluate(high, means[self.low])
        return value, [(self.high, of_high), (self.low, of_low)]


@dataclass
class AskedAverages:
    """The averages over rows that are asked for (tasks), and what is reported of them (results)."""

    inference: Inference
    function: SmoothFunction
    rows: Rows
    tasks: list[Task] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    @classmethod
    def of(
        cls, inference: Any, X: Any, of: Any, at: Any, by: Any, sample_weight: Any, offset: Any, population: Any
    ) -> "AskedAverages":
        """Return the arguments of the public functions, checked; nothing is asked for yet."""
        function = smooth_function(of, check_inference(inference).model)
        return cls(inference, function, Rows.of(X, at, by, sample_weight, offset, population))

    def add(self, task: Task, labels: Mapping[str, Any]) -> None:
        """Ask for one average, and report it."""
        self.tasks.append(task)
        self.results.append(Result(labels, len(self.tasks) - 1))

    def add_contrasts(self, name: Any, how: Any, comparison: Comparison) -> None:
        """Ask for the averages at the values of a column, and report how they compare."""
        values, pairs = self._values_of(name, how)
        first = len(self.tasks)
        self.tasks += [Prediction(name, value) for _, value in values]
        for high, low in pairs:
            labels = {"column": name, "contrast": f"{values[high][0]} {comparison.symbol} {values[low][0]}"}
            self.results.append(Result(labels, first + high, first + low, comparison))

    def _values_of(self, name: Any, how: Any) -> tuple[list[tuple[str, Any]], list[tuple[int, int]]]:
        """Return labelled values of a column, and which pairs of them (high, low) are compared."""
        if isinstance(how, str) and how in _LEVELS:
            levels = self.rows.given.levels(name, self.rows.given_weight)
            if len(levels) > _MOST_LEVELS:
                raise ValueError(
                    f"columns: {name!r} has {len(levels)} levels; say which to compare, columns={{{name!r}: [...]}}, "
                    "or name the columns of interest."
                )
            values = [(str(level), level) for level in levels]
        elif isinstance(how, Real) and not isinstance(how, bool):
            values = [("x", None), (f"x{how:+g}", lambda x: x + float(how))]
        elif not callable(how) and np.ndim(how) == 1:
            values = [(f"f{k}(x)" if callable(value) else str(value), value) for k, value in enumerate(how)]
        else:
            raise ValueError(
                f"columns: {name!r} must be compared by one of {list(_LEVELS)}, a number or values; got {how!r}."
            )
        if len(values) < 2:
            raise ValueError(
                f"columns: {name!r} has {len(values)} value, but a contrast needs two; leave the column out."
            )
        places = range(len(values))
        if how == "pairwise":
            return values, [(high, low) for low, high in itertools.combinations(places, 2)]
        return values, [(k, k - 1 if how == "sequential" else 0) for k in places[1:]]

    def slope_in(self, name: Any, relative: bool) -> tuple[Slope, bool]:
        """Return the slope in a column of numbers, and whether the model depends on the column."""
        given, present = self.rows.given, self.rows.given_weight > 0
        values = given.numbers(name)[present]
        slope, probed = Slope(name, step_of(values), relative), probed_values(values)
        if not len(probed):
            return slope, False

        def matters(row: int) -> bool:
            same = np.full(len(probed), row)
            table, offset = given.take(same).replaced(name, probed), taken(self.rows.given_offset, same)
            return slope.probe(BlockOfRows(self.inference.model, self.function, table, offset))

        if matters(int(np.argmax(present))):
            return slope, True
        other = self._row_that_moves(name, probed[[0, -1]])
        return slope, other is not None and matters(other)

    def _row_that_moves(self, name: Any, values: Any) -> int | None:
        """Return a row in which one of the values of a column changes what the model sees; None if it does in none.

        Where a product with another column is zero, nothing that is changed in the one column moves it.
        """
        columns, present = self.inference.model.columns, np.flatnonzero(self.rows.given_weight > 0)
        table = self.rows.given if len(present) == len(self.rows.given) else self.rows.given.take(present)
        rows = telling_rows(self.inference.model, table)
        some = table.take(rows)
        base = columns(some.X)
        for value in values:
            moved = np.asarray((columns(some.replaced(name, value).X) != base).sum(axis=1)).ravel() > 0
            if moved.any():
                return int(present[rows[np.argmax(moved)]])
        return None

    def is_unused(self, name: Any) -> bool:
        """Return whether the model does not depend on a column that does not hold numbers."""
        levels = self.rows.given.levels(name, self.rows.given_weight)
        if len(levels) <= _MOST_LEVELS:
            return len(levels) < 2
        return self._row_that_moves(name, [levels[0], levels[-1]]) is None

    @np.errstate(all="ignore")
    def effects(
        self, title: str, null: float | None = 0.0, exponentiated: bool = False, *, skip_unaffected: bool = False
    ) -> Effects:
        """Return the results at each setting, in each group, for each output.

        The covariance is G V G', with G the gradient in the coefficients and V their covariance. Rows that are a sample
        add the covariance of the averages over other such samples at the same coefficients: the two are uncorrelated,
        for the scores of the coefficients have mean zero at each row where the model's mean is right. With
        ``skip_unaffected`` effects that are zero whatever the coefficients are left out.
        """
        inference, function, rows = self.inference, self.function, self.rows
        with single_threaded_blas:  # the same bits for any number of threads
            found = [means_of(inference.model, function, rows, setting, self.tasks) for setting in rows.settings]
        labels, values, gradients, sampled = [], [], [], []
        for result, (setting, means) in itertools.product(self.results, zip(rows.settings, found, strict=True)):
            value, parts = result.of(means.values)
            gradient = sum(slope[..., None] * means.gradients[task] for task, slope in parts)
            for g, k in np.ndindex(*value.shape):
                of_group = {name: choices[g] for name, choices in rows.group_labels.items()}
                of_class = {"class": function.classes[k]} if function.classes is not None else {}
                at = {str(name): to for name, to in setting.items()}
                labels.append({**result.labels, **at, **of_group, **of_class})
                values.append(value[g, k])
                gradients.append(gradient[g, k])
                if means.rows is not None:
                    deviation = sum(
                        slope[g, k] * (means.rows[task, k] - means.values[task, g, k]) for task, slope in parts
                    )
                    present = (rows.groups == g) & (rows.weight > 0)
                    sampled.append(np.where(present, deviation, 0.0) / means.mass[g])
        matrix = np.stack(gradients)
        covariance = _of_coefficients(inference, matrix)
        if sampled:
            covariance = covariance + _of_samples(rows, np.stack(sampled), inference.model.weight_type == "frequency")
        df = inference.df
        if inference.shares is not None:
            # There is one number for all: the least, with which no interval is too short.
            df = float(np.nanmin(df_of(inference, matrix), initial=np.inf))
        header = {
            "model": inference.model.name,
            "of": function.name,
            "covariance": inference.header.get("covariance", ""),
            "rows": int(np.count_nonzero(rows.weight)),
        }
        columns = {name: tuple(label[name] for label in labels) for name in labels[0]}
        effects = Effects(title, header, columns, np.array(values), covariance, df, null, exponentiated)
        affected = (matrix != 0).any(axis=1) | (effects.values != 0)
        return effects.of(np.flatnonzero(affected)) if skip_unaffected else effects


# A variance that is right is the square of its standard error to some roundings.
_ROUNDING = 1e-9


def _of_coefficients(inference: Inference, gradients: Array) -> Array:
    """Return G V G', nan for what the data do not determine."""
    gradients = np.where(np.isin(np.arange(gradients.shape[1]), inference.model.entries), gradients, 0.0)
    finite = np.asarray(np.isfinite(gradients).all(axis=1))
    gradients = np.where(finite[:, None], gradients, 0.0)
    covariance = inference.curvature.covariance(gradients)
    errors = inference.curvature.standard_errors(gradients)
    if not np.allclose(np.sqrt(covariance.diagonal()), errors, rtol=_ROUNDING, atol=0.0, equal_nan=True):
        raise ValueError(
            "y, or X, holds numbers so large (or so small) that variances of these estimates leave the range of "
            "float64; change their units."
        )
    covariance[~finite] = covariance[:, ~finite] = np.nan
    return covariance


def _of_samples(rows: Rows, sampled: Array, copies: bool) -> Array:
    """Return the covariance of averages over samples of the units, from the deviation of each row."""
    assert rows.units is not None
    weight, n_units = rows.weight, int(rows.units.max()) + 1
    with single_threaded_blas:
        if copies and n_units == len(rows.table):
            # A row of weight w counts as w units.
            sums, n = sampled * np.sqrt(weight), float(weight.sum())
        else:
            members = sp.csr_array((weight, (np.arange(len(weight)), rows.units)), (len(weight), n_units))
            sums, n = np.asarray(sampled @ members), float(len(np.unique(rows.units[weight > 0])))
        if n <= 1:
            raise ValueError("population: all rows form a single unit; at least two are needed to estimate a variance.")
        return np.asarray(sums @ sums.T) * n / (n - 1)
