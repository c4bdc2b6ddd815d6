"""Rows that travel from their partitions to the client: which are wanted, and those that came, none of them twice."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle._rows.partition import Place, Reading

__all__ = ["Fetch", "FetchedRows", "Wanted"]

Array = NDArray[Any]
# X, y, weight and offset of some rows; the last two may be absent, and but for X rows are the last dimension.
Arrays = tuple[Any, Array, Array | None, Array | None]


@dataclass(frozen=True)
class Wanted:
    """Which rows of a partition are fetched.

    Attributes
    ----------
    indices : ndarray of int or None
        By their number among the partition's rows of positive weight.
    reached : ndarray or None
        In place of that: where the weights, summed row by row, reach these numbers.
    of_class : dict
        Class code -> the numbers, among the rows of the class, of those that are wanted, too.
    """

    indices: Array | None
    reached: Array | None
    of_class: dict[int, Array]


@dataclass(frozen=True)
class Fetch:
    """A partition's rows that are to travel."""

    reading: Reading

    def __call__(self, place: Place, wanted: Wanted, *pieces: Any) -> tuple[Array, dict[int, Array], tuple[Any, ...]]:
        """Return which rows are drawn (repeated where they are), those of each class, and all of them in order."""
        X, y, weight, offset = self.reading.arrays(place, *pieces)
        if wanted.reached is None or weight is None:
            drawn = np.zeros(0, dtype=np.intp) if wanted.indices is None else wanted.indices
        else:
            drawn = np.minimum(np.searchsorted(np.cumsum(weight), wanted.reached, side="right"), X.shape[0] - 1)
        of_class = {code: np.flatnonzero(y == code)[ranks] for code, ranks in wanted.of_class.items()}
        every = np.unique(np.concatenate([drawn, *of_class.values()]))
        arrays = (
            X[every],
            y[..., every],
            None if weight is None else weight[every],
            None if offset is None else offset[..., every],
        )
        first = place.first_present
        return drawn + first, {code: rows + first for code, rows in of_class.items()}, (every + first, *arrays)


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
