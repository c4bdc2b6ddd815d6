"""Rows in storage: blocks of them are dense rows, read when asked for; nothing is asked of all of them at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.stored import StoredArray
from sklearn_mle._rows.dense import DenseRows, few_copied

__all__ = ["StoredRows"]

Array = NDArray[Any]


class StoredRows:
    """The rows of an array in storage, seen as the standardized columns (X - shift) / scale in float64.

    Parameters
    ----------
    X : StoredArray of shape (n, p)
    shift, scale : ndarray of shape (p,) or None
    """

    def __init__(self, X: StoredArray, shift: Array | None = None, scale: Array | None = None) -> None:
        self._X, self._shift, self._scale = X, shift, scale
        self.n_rows, self.n_columns = X.shape
        self.entries_per_row = float(self.n_columns)

    def standardize(self, shift: Array | None, scale: Array | None) -> "StoredRows":
        """Return the same rows, of X as it is, seen as (X - shift) / scale."""
        return StoredRows(self._X, shift, scale)

    def block(self, start: int, stop: int) -> DenseRows:
        """Return the rows from start to stop, read."""
        return DenseRows(self._X[start:stop], self._shift, self._scale)

    def take(self, indices: Array) -> DenseRows:
        """Return the given rows, read; few are kept standardized."""
        return few_copied(DenseRows(self._X[indices], self._shift, self._scale))

    @property
    def n_read(self) -> int:
        """How many rows of chunks were read so far."""
        return self._X.n_read

    def uncentred(self, indices: Array) -> tuple[Array, Array]:
        """Return (rows, centre) of the given rows, whose difference is their standardized columns."""
        return self.take(indices).standardized, np.zeros(self.n_columns)
