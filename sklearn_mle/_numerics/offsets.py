"""Offsets as users give them, of one predictor or of several: errors name the rows and columns that are wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_mle._numerics.arguments import argument_name, listed, refuse_masked
from sklearn_mle._numerics.frames import column_names
from sklearn_mle._numerics.partitions import is_dask
from sklearn_mle._numerics.stored import in_memory

_MOST_NAMED = 5


def by_parameter(offset: Any, parameters: Sequence[str]) -> Any:
    """Return a frame whose columns are parameters as an array with a column for each of them; anything else as it is.

    Raises
    ------
    ValueError
        If the frame has other columns.
    """
    columns = column_names(offset)
    if columns is None or is_dask(offset):
        return offset
    if len(set(columns)) < len(columns) or not set(columns) <= set(parameters):
        raise ValueError(
            f"offset has the columns {columns}, but the parameters are {list(parameters)}: name each column of "
            "a frame after the parameter to whose linear predictor it is added (parameters left out get no "
            "offset), or pass an array."
        )
    with argument_name("offset"):
        given = np.asarray(in_memory(offset))
    table = np.zeros((len(given), len(parameters)), dtype=given.dtype if given.dtype.kind in "biuf" else object)
    table[:, [list(parameters).index(name) for name in columns]] = given
    return table


def offset_of_present(offset: Any, sample_weight: Any) -> Any:
    """Return the offset with zeros in rows of weight zero, which are absent; as it is where it has no such rows.

    A frame stays one, for its columns are found by their names.
    """
    if offset is None or sample_weight is None:
        return offset
    if type(sample_weight) is np.ndarray and sample_weight.dtype == np.float64 and sample_weight.all():
        return offset
    if is_dask(offset, sample_weight):
        return offset
    refuse_masked(offset=offset, sample_weight=sample_weight)
    with argument_name("sample_weight"):
        absent = np.asarray(np.asarray(in_memory(sample_weight)) == 0)  # numpy 2.0 answers text by a bool
    if absent.ndim != 1 or not absent.any():
        return offset
    with argument_name("offset"):
        given = np.asarray(in_memory(offset))
        if given.shape[: absent.ndim] != absent.shape or given.dtype.kind not in "biufO":
            return offset  # its own check says what is wrong with it
        values = given.astype(np.float64)
    values[absent] = 0
    names = column_names(offset)
    if names is None:
        return values
    if len(set(names)) < len(names):
        return offset
    return type(offset)(dict(zip(names, values.T, strict=True)))


def refuse_infinite_offset(offset: Any) -> None:
    """Raise ValueError where an offset, with one or several entries per row or a single one, is not finite."""
    offset = np.asarray(offset)
    if np.isfinite(offset).all():
        return
    kind, bad = "infinity", np.isinf(offset)
    if np.isnan(offset).any():
        kind, bad = "NaN", np.isnan(offset)
    where = ""
    if offset.ndim:
        rows = np.flatnonzero(bad.reshape(len(offset), -1).any(axis=1))
        where = f" in row{'s' if len(rows) > 1 else ''} {listed([str(row) for row in rows[:_MOST_NAMED]], len(rows))}"
    why = ""
    if kind == "infinity" and (offset[bad] < 0).all():
        why = " (-inf is the logarithm of an exposure of zero, in which nothing can happen)"
    raise ValueError(
        f"Input offset contains {kind}{where}{why}, but it must be finite. Leave such rows out, or give them "
        "sample_weight 0."
    )
