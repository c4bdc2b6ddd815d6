"""Arguments that are to be real numbers, read as such or refused by name."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from sklearn_mle._numerics.naming import naming

__all__ = ["as_floats", "check_count", "refuse_masked", "refuse_times"]


def as_floats(values: Any, name: str) -> NDArray[np.floating]:
    """Dense real numbers, in their own float type if they have one (float64 otherwise)."""
    if issparse(values):
        raise ValueError(f"{name} is sparse; pass {name}.toarray().")
    refuse_masked(**{name: values})
    with naming(name):
        array = np.asarray(values)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return array
    if array.dtype.kind in "biufO":
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            pass
    raise ValueError(f"{name} must hold real numbers; got dtype {array.dtype}.")


def check_count(name: str, value: Any, least: int, most: int = 1_000_000) -> None:
    """Raise ValueError for what is no whole number from ``least`` to ``most``: more would never end."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    if int(value) > most:
        raise ValueError(f"{name} must be at most {most}; got a larger number.")


def refuse_masked(**arguments: Any) -> None:
    """Raise ValueError for masked arrays, numpy's and Dask's: what is computed from them would not see the mask."""
    for name, value in arguments.items():
        if isinstance(getattr(value, "_meta", value), np.ma.MaskedArray):
            raise ValueError(
                f"{name} is a masked array, and masks are not read: the entries below would count. Leave masked rows "
                f"out of all arguments, or impute them; where nothing is masked, pass {name}.data."
            )


def refuse_times(values: Any, name: str) -> None:
    """Raise ValueError for dates and durations, which numpy would count in a unit of its own, missing ones too."""
    dtypes = [values.dtype] if hasattr(values, "dtype") else getattr(values, "dtypes", [])
    for dtype in dtypes:
        # Kinds are numpy's and pandas'; polars has names.
        if getattr(dtype, "kind", "") in ("m", "M") or str(dtype).startswith(("Date", "Duration")):
            raise ValueError(
                f"{name} holds {dtype}, which is no number: say in which unit and since when, such as "
                "(time - start) / np.timedelta64(1, 'D')."
            )
