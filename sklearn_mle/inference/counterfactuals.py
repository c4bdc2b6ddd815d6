"""Which values a column is set to and compared at, and which columns the model takes notice of."""

import itertools
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle.inference.averages import BlockOfRows, Prediction, Task, taken
from sklearn_mle.inference.comparing import Comparison
from sklearn_mle.inference.estimating import Result, Rows
from sklearn_mle.inference.quantities import SmoothFunction
from sklearn_mle.inference.result import Inference
from sklearn_mle.inference.slopes import Slope, probed_values, step_of
from sklearn_mle.inference.tables import Table

Array = NDArray[Any]

_LEVELS = ("reference", "pairwise", "sequential")
# A column with more levels than this identifies rows.
_MOST_LEVELS = 100


def _values_of(table: Table, weight: Array | None, name: Any, how: Any) -> tuple[list[tuple[str, Any]], list[Any]]:
    """Return labelled values of a column, and which pairs of them (high, low) are compared.

    Raises
    ------
    ValueError
        If it is not said how, or there is nothing to compare.
    """
    if isinstance(how, str):
        if how not in _LEVELS:
            raise ValueError(
                f"columns: {name!r} must be compared by one of {list(_LEVELS)}, a number or values; got {how!r}."
            )
        levels = table.levels(name, weight)
        if len(levels) > _MOST_LEVELS:
            raise ValueError(
                f"columns: {name!r} has {len(levels)} levels; say which to compare, columns={{{name!r}: [...]}}, or "
                "name the columns of interest."
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
        raise ValueError(f"columns: {name!r} has {len(values)} value, but a contrast needs two; leave the column out.")
    places = range(len(values))
    if how == "pairwise":
        return values, [(high, low) for low, high in itertools.combinations(places, 2)]
    return values, [(k, k - 1 if how == "sequential" else 0) for k in places[1:]]


def add_contrasts(
    tasks: list[Task], results: list[Result], rows: Rows, name: Any, how: Any, comparison: Comparison
) -> None:
    """Add the averages at the values of a column to the tasks, and their comparisons to the results."""
    values, pairs = _values_of(rows.given, rows.given_weight, name, how)
    first = len(tasks)
    tasks += [Prediction(None if value is None else partial(_changed, name, value)) for _, value in values]
    for high, low in pairs:
        labels = {"column": name, "contrast": f"{values[high][0]} {comparison.symbol} {values[low][0]}"}
        results.append(Result(labels, first + high, first + low, comparison))


def _changed(name: Any, value: Any, table: Table) -> Table:
    """Return the rows with a column set to a value, or to a function of it."""
    if not callable(value):
        return table.replaced(name, value)
    with argument_name("columns"):
        new = np.asarray(value(table.numbers(name)))
        if new.shape != (len(table),):
            raise ValueError(
                f"columns: a function of {name!r} must return a value for each row; got shape {new.shape}."
            )
    return table.replaced(name, new)


def slope_in(
    inference: Inference, function: SmoothFunction, rows: Rows, name: Any, relative: bool
) -> tuple[Slope, bool]:
    """Return the slope in a column of numbers, and whether the model takes notice of the column."""
    present = slice(None) if rows.given_weight is None else rows.given_weight > 0
    values = rows.given.numbers(name)[present]
    slope, probed = Slope(name, step_of(values), relative), probed_values(values)
    if not len(probed):
        return slope, False
    first = np.full(len(probed), 0 if rows.given_weight is None else int(np.argmax(rows.given_weight > 0)))
    table = rows.given.take(first).replaced(name, probed)
    return slope, slope.probe(BlockOfRows(inference.model, function, table, taken(rows.offset, first)))


def is_unused(inference: Inference, rows: Rows, name: Any) -> bool:
    """Return whether the model takes no notice of a column of many levels."""
    levels = rows.given.levels(name, rows.given_weight)
    if len(levels) <= _MOST_LEVELS:
        return len(levels) < 2
    row, offset = rows.given.take(np.array([0])), taken(rows.offset, np.array([0]))
    seen = [inference.model.read_features(row.replaced(name, level).X, offset)[0] for level in levels[:_MOST_LEVELS]]
    return all((other != seen[0]).sum() == 0 for other in seen[1:])
