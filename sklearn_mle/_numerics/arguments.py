"""Arguments of users: real numbers, or errors that name what was expected, what came and where."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from sklearn_mle.exceptions import NotSupportedError


class NotFiniteError(ValueError):
    """An entry of X is NaN or infinite; ``row`` is the first that holds one, in the numbers of the rows at hand."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row

    def __str__(self) -> str:
        return f"X contains NaN or infinity in row {self.row}. Drop such rows, or impute their entries."


class BeyondFloatError(ValueError):
    """A result is beyond the range of float64."""


@contextmanager
def argument_name(name: str) -> Iterator[None]:
    """Let errors raised inside name the argument, where they do not.

    numpy and scikit-learn complain of "array", of what could not be converted, and of an integer beyond float64 with an
    OverflowError. TypeErrors stay TypeErrors, all others become ValueErrors, or NotSupportedErrors as they were.

    Examples
    --------
    >>> from sklearn_mle._numerics.arguments import argument_name
    >>> with argument_name("offset"):
    ...     float("abc")
    Traceback (most recent call last):
    ...
    ValueError: offset: could not convert string to float: 'abc'
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        named = re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z])", str(error)) is not None
        if named and isinstance(error, ValueError | TypeError):
            raise
        kind: type[Exception] = TypeError if isinstance(error, TypeError) else ValueError
        kind = NotSupportedError if isinstance(error, NotSupportedError) else kind
        raise kind(f"{name}: {error}") from error


def as_floats(values: Any, name: str) -> NDArray[np.floating]:
    """Return dense real numbers, in their own float type if they have one (float64 otherwise)."""
    if issparse(values):
        raise ValueError(f"{name} is sparse; pass {name}.toarray().")
    refuse_masked(**{name: values})
    with argument_name(name):
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
    """Raise ValueError unless the value is a whole number from ``least`` to ``most``: more would never end."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} must be a whole number of at least {least}; got {value!r}.")
    if int(value) > most:
        raise ValueError(f"{name} must be at most {most}; got a larger number.")


def as_bool(name: str, value: Any) -> bool:
    """Return the truth of an argument; an array, which has none, is an error that names it."""
    with argument_name(name):
        return bool(value)


def check_choice(name: str, value: Any, choices: Sequence[str | None]) -> None:
    """Raise ValueError unless the value is one of the choices."""
    if not (value is None or isinstance(value, str)) or value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}; got {value!r}.")


def refuse_masked(**arguments: Any) -> None:
    """Raise ValueError for masked arrays, numpy's and Dask's: results computed from them would ignore the mask."""
    for name, value in arguments.items():
        if isinstance(getattr(value, "_meta", value), np.ma.MaskedArray):
            raise ValueError(
                f"{name} is a masked array, but masks are ignored, so that masked entries would count. Drop the "
                f"masked rows from all arguments, or impute them; if nothing is masked, pass {name}.data."
            )


def check_weight(sample_weight: Any, n: int, *, some_positive: bool = True) -> NDArray[np.float64] | None:
    """Return weights (n,), finite and not negative, with a positive sum unless they are of a part of the rows."""
    if sample_weight is None:
        return None
    weight = as_floats(sample_weight, "sample_weight").astype(np.float64, copy=False)
    if weight.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), one weight per row; got {weight.shape}.")
    if (row := first_true(~(np.isfinite(weight) & (weight >= 0)))) is not None:
        raise ValueError(f"sample_weight[{row}] is {weight[row]}: weights are finite and not negative (0 drops a row).")
    if some_positive and not weight.any():
        raise ValueError("sample_weight sums to zero: at least one row must have a positive weight.")
    return weight


def is_missing(label: Any) -> bool:
    """Return whether a label is None, NaN, or what pandas puts in its place."""
    if isinstance(label, float | np.floating):
        return label != label
    return label is None or type(label).__name__ in {"NAType", "NaTType"}


def refuse_missing_labels(name: str, labels: NDArray[Any], rows: Any = slice(None)) -> None:
    """Raise ValueError where one of some rows' labels, objects, is missing: it has no order among the others."""
    if labels.dtype.kind != "O":
        return
    row = next((k for k in np.arange(len(labels))[rows].tolist() if is_missing(labels[k])), None)
    if row is not None:
        raise ValueError(
            f"{name}: row {row} has no label ({labels[row]!r}). Leave such rows out, or give each of them a label."
        )


def as_labels(name: str, values: Any, n: int, rows: Any = slice(None)) -> NDArray[Any]:
    """Return labels (n,) of any kind that can be sorted; those of some rows must not be missing."""
    refuse_masked(**{name: values})
    with argument_name(name):
        check_consistent_length(values, np.empty(n))
        refuse_missing_labels(name, np.asarray(values), rows)
        return column_or_1d(check_array(values, ensure_2d=False, dtype=None, input_name=name))


def label_codes(name: str, values: Any, n: int, rows: Any = slice(None)) -> NDArray[np.intp]:
    """Return the labels of some rows as codes 0, 1, ... in their order."""
    labels = as_labels(name, values, n, rows)
    with argument_name(name):
        return np.unique(labels[rows], return_inverse=True)[1].astype(np.intp, copy=False)


def refuse_times(values: Any, name: str) -> None:
    """Raise ValueError for dates and durations, which numpy would count in a unit of its own, missing ones too."""
    dtypes = [values.dtype] if hasattr(values, "dtype") else getattr(values, "dtypes", [])
    for dtype in dtypes:
        # Kinds are numpy's and pandas'; polars has names, which numpy is slow to tell.
        kind = getattr(dtype, "kind", None)
        if kind in ("m", "M") or (kind is None and str(dtype).startswith(("Date", "Duration"))):
            raise ValueError(
                f"{name} holds {dtype}, which is not numeric: convert it to numbers with a unit and an origin, such as "
                "(time - start) / np.timedelta64(1, 'D')."
            )


def listed(first: Sequence[str], n: int) -> str:
    """Return the first of n names as a list for a message, and how many more there are."""
    return ", ".join(first) + (f" and {n - len(first)} more" if n > len(first) else "")


def first_true(rows: NDArray[np.bool_]) -> int | None:
    """Return the number of the first true row, or None."""
    return int(np.argmax(rows)) if rows.any() else None


def first_not_finite(X: NDArray[Any]) -> int | None:
    """Return the first row of a dense X with an entry that is NaN or infinite, or None."""
    return first_true(np.logical_not(np.isfinite(X).all(axis=1)))
