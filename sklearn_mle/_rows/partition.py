"""One partition of a Dask collection: where it stands, how it is read, and its part of a pass.

What is computed on it is a small object that can be pickled, and is sent to where the partition is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle._numerics.finite import NotFiniteError
from sklearn_mle._rows.data import Block, Data, TargetMap
from sklearn_mle._rows.dense import COPY_ELEMENTS, DenseRows
from sklearn_mle._rows.sparse import SparseRows

__all__ = [
    "Along",
    "BlockResults",
    "BlockSums",
    "Partition",
    "Place",
    "Reading",
    "Standardization",
    "TargetSums",
]

Array = NDArray[Any]

# So many rows are not copied.
_NEVER_COPIED = 1 << 62


@dataclass(frozen=True)
class Place:
    """Where a partition's rows are among the caller's: for checks, and the texts of errors.

    Attributes
    ----------
    number : int
        Of the partition in the caller's collections.
    first_row, n_rows : int
        The caller's number of its first row, and how many it has.
    first_present : int
        How many rows of positive weight come before it.
    """

    number: int
    first_row: int
    n_rows: int
    first_present: int

    def __str__(self) -> str:
        return f"block {self.number} (rows {self.first_row} to {self.first_row + self.n_rows - 1})"


@dataclass(frozen=True)
class Partition:
    """One partition of a fit, as the client knows it.

    Attributes
    ----------
    pieces : tuple
        Delayed X, y, weight and offset; None for what was not given.
    place : Place
    n_present : int
        How many rows have a positive weight.
    weight : float
        The sum of their weights, in the unit of the fit.
    class_counts : ndarray of int, shape (K,), or None
        How many of these rows each class has, where y holds classes.
    class_weights : ndarray of shape (K,) or None
        The sum of their weights.
    """

    pieces: tuple[Any, ...]
    place: Place
    n_present: int
    weight: float
    class_counts: Array | None = None
    class_weights: Array | None = None


@dataclass(frozen=True)
class Standardization:
    """What is made of the columns: (X - shift) / scale, by a copy where all rows together (``of_rows``) are few."""

    shift: Array | None
    scale: Array | None
    of_rows: int

    def __call__(self, X: Any) -> DenseRows | SparseRows:
        """Return the rows of X, standardized."""
        if sp.issparse(X):
            return SparseRows(X, self.shift, self.scale)
        rows = DenseRows(X, self.shift, self.scale)
        return rows.copied(self.of_rows) if self.of_rows * rows.n_columns <= COPY_ELEMENTS else rows


@dataclass(frozen=True)
class Reading:
    """How the pieces of a partition become row blocks; it is sent along with every pass.

    Attributes
    ----------
    read : callable
        (n_rows, X, y, weight, offset) as the partition holds them -> the last four as arrays, rows of y and offset
        last; X may be None.
    largest, mean, least : float
        The largest weight, and the mean and the least of the weights over it: they bring the weights to a mean of one.
    weighted : bool
        Whether weights differ.
    n_predictors : int
    block_rows : int
        How many rows a block has: as many as if all rows were in memory.
    standardization : Standardization
    targets : tuple of TargetMap
        What becomes of y and offset, one after the other.
    """

    read: Callable[..., tuple[Any, Array, Array | None, Array | None]]
    largest: float
    mean: float
    least: float
    weighted: bool
    n_predictors: int
    block_rows: int | None
    standardization: Standardization = Standardization(None, None, _NEVER_COPIED)
    targets: tuple[TargetMap, ...] = ()

    def arrays(self, place: Place, *pieces: Any) -> tuple[Any, Array, Array | None, Array | None]:
        """Return X, y, weight and offset of the partition's rows of positive weight, weights of mean one."""
        X, y, weight, offset = self.read(place.n_rows, *pieces)
        for name, n_rows in (("X", place.n_rows if X is None else X.shape[0]), ("y", y.shape[-1])):
            if n_rows != place.n_rows:
                raise ValueError(
                    f"{name}: {place} has {n_rows} rows now, and had {place.n_rows} when it was first read. Every pass "
                    "must see the same rows: persist the data, or read them from where they do not change."
                )
        if weight is None:
            return X, y, None, offset
        present = weight > 0
        if not present.all():
            if X is not None:
                refuse_not_finite(X[~present], place)
                X = X[present]
            y, weight = y[..., present], weight[present]
            offset = None if offset is None else offset[..., present]
        return X, y, weight / self.largest / self.mean if self.weighted else None, offset

    def blocks(self, place: Place, *pieces: Any) -> Data:
        """Return the partition's rows of positive weight as the fit sees them."""
        return self.assembled(*self.arrays(place, *pieces))

    def targeted(self, place: Place, *pieces: Any) -> tuple[Array, Array | None, Array | None]:
        """Return y, weight and offset as the fit sees them, without X."""
        _, y, weight, offset = self.arrays(place, None, *pieces)
        for target in self.targets:
            y, offset = target(y, offset)
        return y, weight, offset

    def assembled(self, X: Any, y: Array, weight: Array | None, offset: Array | None) -> Data:
        """Return what ``arrays`` returned as row blocks, their columns standardized, their targets as the fit sees."""
        for target in self.targets:
            y, offset = target(y, offset)
        return Data(self.standardization(X), y, weight, offset, self.n_predictors, self.block_rows)


def refuse_not_finite(X: Any, place: Place) -> None:
    """Raise ValueError where X has an entry that is NaN or infinite, naming the block and its rows."""
    entries = X.data if sp.issparse(X) else X
    if not np.isfinite(entries).all():
        raise ValueError(f"X contains NaN or infinity in {place}. Remove or repair such rows.")


@dataclass(frozen=True)
class BlockSums:
    """A partition's part of a pass: the sum of what a function returns of its blocks."""

    reading: Reading
    function: Callable[[Block], tuple[Any, ...]]

    def __call__(self, place: Place, *pieces: Any) -> tuple[Any, ...]:
        try:
            return tuple(self.reading.blocks(place, *pieces).sum_in_order(self.function))
        except NotFiniteError:
            refuse_not_finite(self.reading.read(place.n_rows, *pieces)[0], place)
            raise


@dataclass(frozen=True)
class BlockResults:
    """A partition's part of a pass: what a function returns of each block."""

    reading: Reading
    function: Callable[[Block], Any]

    def __call__(self, place: Place, *pieces: Any) -> list[Any]:
        return self.reading.blocks(place, *pieces).each(self.function)


@dataclass(frozen=True)
class TargetSums:
    """A partition's part of a sum over y, weight and offset."""

    reading: Reading
    function: Callable[..., tuple[Any, ...]]

    def __call__(self, place: Place, *pieces: Any) -> tuple[Any, ...]:
        return self.function(*self.reading.targeted(place, *pieces))


@dataclass(frozen=True)
class Along:
    """A function of a block and of what another makes of it, as one of the block alone."""

    function: Callable[[Block, Any], tuple[Any, ...]]
    kept: Callable[[Block], Any]

    def __call__(self, block: Block) -> tuple[Any, ...]:
        return self.function(block, self.kept(block))
