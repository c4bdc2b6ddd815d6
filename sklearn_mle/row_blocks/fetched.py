"""Rows that have travelled from their partitions to the client: kept, so that none travels twice."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["FetchedRows"]

Array = NDArray[Any]
# X, y, weight and offset of some rows; the last two may be absent, and but for X rows are the last dimension.
Arrays = tuple[Any, Array, Array | None, Array | None]


class FetchedRows:
    """Rows by their number among those of positive weight, their columns and targets as the partitions hold them."""

    def __init__(self) -> None:
        self._numbers: Array = np.zeros(0, dtype=np.intp)
        self._arrays: Arrays | None = None
        # The rows of classes, and the samples, that were fetched.
        self.of_class: dict[int, Array] = {}
        self.drawn: dict[tuple[bytes, int], Array] = {}

    def holds(self, numbers: Array) -> bool:
        """Return whether all these rows are here."""
        return bool(np.isin(numbers, self._numbers).all())

    def add(self, numbers: Array, arrays: list[Arrays]) -> None:
        """Add rows, in the order of ``numbers``; those that are here already are passed over."""
        joined = _joined(arrays if self._arrays is None else [self._arrays, *arrays])
        every, first = np.unique(np.concatenate([self._numbers, numbers]), return_index=True)
        self._numbers, self._arrays = every, _some(joined, first)

    def take(self, numbers: Array) -> Arrays:
        """Return the arrays of some of the rows."""
        assert self._arrays is not None
        return _some(self._arrays, np.searchsorted(self._numbers, numbers))


def _joined(pieces: list[Arrays]) -> Arrays:
    X, y, weight, offset = zip(*pieces, strict=True)
    return (
        sp.vstack(X, format="csr") if sp.issparse(X[0]) else np.concatenate(X),
        np.concatenate(y, axis=-1),
        None if weight[0] is None else np.concatenate(weight),
        None if offset[0] is None else np.concatenate(offset, axis=-1),
    )


def _some(arrays: Arrays, rows: Array) -> Arrays:
    X, y, weight, offset = arrays
    return (
        X[rows],
        np.ascontiguousarray(y[..., rows]),
        None if weight is None else weight[rows],
        None if offset is None else np.ascontiguousarray(offset[..., rows]),
    )
