"""Entries that are not finite, found where the rows are looked at anyway."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BeyondFloatError", "NotFiniteError", "first_not_finite", "first_true"]


class NotFiniteError(ValueError):
    """An entry of X is NaN or infinite.

    Parameters
    ----------
    row : int
        The first row that holds one, in the numbers of the rows at hand.
    """

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row

    def __str__(self) -> str:
        return f"X contains NaN or infinity in row {self.row}. Drop such rows, or impute their entries."


class BeyondFloatError(ValueError):
    """What was to be computed is beyond the range of float64."""


def first_true(rows: NDArray[np.bool_]) -> int | None:
    """Return the number of the first true row, or None."""
    return int(np.argmax(rows)) if rows.any() else None


def first_not_finite(X: NDArray[Any]) -> int | None:
    """Return the first row of a dense X with an entry that is NaN or infinite, or None."""
    return first_true(np.logical_not(np.isfinite(X).all(axis=1)))
