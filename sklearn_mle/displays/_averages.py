"""Where averages along a column are drawn, and how the picture is labelled."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sklearn_mle._numerics.arguments import argument_name, check_count
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.displays._base import percent
from sklearn_mle.inference import Effects
from sklearn_mle.inference.tables import Table

# A column of numbers with so many different values or fewer is drawn at each of them; a curve needs more.
_FEW = 10
_MOST_LEVELS = 40
_MOST_CURVES = 10


def values_of(
    table: Table, column: Any, values: Any, grid_resolution: Any, weight: Array | None
) -> tuple[list[Any], Array | None]:
    """Return the values to draw at, and those that occur where a curve is drawn."""
    check_count("grid_resolution", grid_resolution, 2)
    if weight is not None and weight.shape != (len(table),):
        weight = None  # refused where the averages are taken
    observed = None
    levels = table.levels(column, weight)
    if table.is_numeric(column):
        levels = [level for level in levels if np.isfinite(level)]
        if len(levels) > _FEW:
            present = table.numbers(column)[slice(None) if weight is None else weight > 0]
            observed = present[np.isfinite(present)]
    if values is not None:
        with argument_name("values"):
            levels = [values] if np.ndim(values) == 0 else list(values)
        if observed is not None:
            with argument_name("values"):
                levels = np.unique(np.asarray(levels, dtype=np.float64)).tolist()
            if not np.isfinite(levels).all():
                raise ValueError("values: a numeric column can be set to finite numbers only.")
        elif len({*map(str, levels)}) < len(levels):
            raise ValueError(f"values must be different; got {levels!r}.")
    elif observed is not None:
        return np.linspace(levels[0], levels[-1], grid_resolution).tolist(), observed
    if not levels:
        raise ValueError(f"values: none is given, and X[{column!r}] has none; give at least one.")
    if observed is None and len(levels) > _MOST_LEVELS:
        raise ValueError(
            f"column: {column!r} has {len(levels)} levels, and at most {_MOST_LEVELS} can be drawn; choose them "
            "by values=."
        )
    return levels, observed


def curves_of(effects: Effects, column: str, m: int, at: Mapping[Any, Any]) -> list[str]:
    """Return the names of the averages at one value of the column: by what their labels differ."""
    n = len(effects) // m
    labels = {name: values[:n] for name, values in effects.labels.items() if name != column}
    fixed = {str(name) for name, values in at.items() if np.ndim(values) == 0 or len(values) == 1}
    names = [
        ", ".join(f"{name} {value}" for name, value in zip(labels, row, strict=True) if name not in fixed)
        for row in (zip(*labels.values(), strict=True) if labels else [()] * n)
    ]
    if n > _MOST_CURVES:
        raise ValueError(
            f"at, by: the plot would have {n} curves, and at most {_MOST_CURVES} can be drawn; ask for fewer "
            "groups or values, or for one class by of=Probability(label)."
        )
    return names


def quantity_of(of: str) -> str:
    """Return what is averaged, with its unit."""
    if of.startswith(("probability", "P(")):
        return of
    if of.startswith("linear predictor"):
        return f"{of}, no unit" if "logit" not in of else of
    return f"{of} (in the unit of y)" if of.startswith(("mean", "quantile")) else of


def note_of(rows: int, at: Mapping[Any, Any], n_columns: int, confidence_level: float, adjust: str | None) -> str:
    fixed = ", ".join(
        f"{name} = {values if np.ndim(values) == 0 else values[0]}"
        for name, values in at.items()
        if np.ndim(values) == 0 or len(values) == 1
    )
    others = n_columns - 1 - len(at)
    parts = [f"averages over {rows} rows"]
    if fixed:
        parts.append(fixed)
    if others > 0:
        parts.append("other columns as they are")
    at_once = "" if adjust is None else ", all at once"
    return f"{', '.join(parts)}; {percent(confidence_level)} intervals{at_once}"
