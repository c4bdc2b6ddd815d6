"""Offsets as users give them: they must be finite in every row that counts, and errors name the rows that are not."""

from typing import Any

import numpy as np

from sklearn_mle._numerics.arguments import argument_name, refuse_masked
from sklearn_mle._numerics.partitions import is_dask
from sklearn_mle._numerics.stored import in_memory

__all__ = ["offset_of_present", "refuse_infinite_offset"]

_MOST_NAMED = 5


def offset_of_present(offset: Any, sample_weight: Any) -> Any:
    """Return the offset with zeros in rows of weight zero, which are absent; as it is where it has no such rows."""
    if offset is None or sample_weight is None or is_dask(offset, sample_weight):
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
    return values


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
        listed = ", ".join(str(row) for row in rows[:_MOST_NAMED])
        more = f" and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else ""
        where = f" in row{'s' if len(rows) > 1 else ''} {listed}{more}"
    why = ""
    if kind == "infinity" and (offset[bad] < 0).all():
        why = " (-inf is the logarithm of an exposure of zero, in which nothing can happen)"
    raise ValueError(
        f"Input offset contains {kind}{where}{why}, but it must be finite. Leave such rows out, or give them "
        "sample_weight 0."
    )
