"""Rows in the partitions of Dask collections: a pass is a task on each partition, and its sums are a tree of tasks.

Partitions stay where Dask keeps them, persisted or read anew at every pass, as the user chose. What travels to them is
what is computed on a block (parameters, no data); what comes back are sums, and a sample of bounded size. Dask is the
engine: the client that is active, or else its threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle.numerics.finite import NotFiniteError
from sklearn_mle.row_blocks.data import ClassWeights, RowBlock, RowBlocks, Target, rows_of_block
from sklearn_mle.row_blocks.dense import COPY_ELEMENTS, DenseRows
from sklearn_mle.row_blocks.fetched import FetchedRows
from sklearn_mle.row_blocks.members import choose_members
from sklearn_mle.row_blocks.sample import LEAST_PER_CLASS, sample_rows, sample_size
from sklearn_mle.row_blocks.sparse import SparseRows
from sklearn_mle.row_blocks.tasks import compute, tasks_of, tree_of

__all__ = ["DistributedRowBlocks", "Partition", "Place", "Reading", "RowsElsewhereError", "refuse_elsewhere"]

Array = NDArray[Any]

# What may travel to the client as a sample of the rows.
_MOST_BYTES = 64e6
# Classes are fetched beforehand where their share of a sample is below so many times what it must hold of them.
_MAY_BE_RARE = 4
_REMEDY = "Pass arrays in memory (X.compute(), y.compute()), or fit a sample of the rows."
# So many rows are not copied.
_NEVER_COPIED = 1 << 62
# What rows in memory have as a whole.
_WHOLE = frozenset({"rows", "y", "weight", "offset", "_segments"})


def refuse_elsewhere(data: RowBlocks, why: str) -> None:
    """Raise RowsElsewhereError, its text beginning with ``why``, where the rows are not in one place."""
    if isinstance(data, DistributedRowBlocks):
        raise RowsElsewhereError(f"{why} they must be in one place, but X comes from Dask. {_REMEDY}")


class RowsElsewhereError(ValueError):
    """What was asked for needs all rows in one place, and they are in the partitions of a Dask collection."""


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
    targets : tuple of Target
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
    targets: tuple[Target, ...] = ()

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

    def blocks(self, place: Place, *pieces: Any) -> RowBlocks:
        """Return the partition's rows of positive weight as the fit sees them."""
        return self.assembled(*self.arrays(place, *pieces))

    def targeted(self, place: Place, *pieces: Any) -> tuple[Array, Array | None, Array | None]:
        """Return y, weight and offset as the fit sees them, without X."""
        _, y, weight, offset = self.arrays(place, None, *pieces)
        for target in self.targets:
            y, offset = target(y, offset)
        return y, weight, offset

    def assembled(self, X: Any, y: Array, weight: Array | None, offset: Array | None) -> RowBlocks:
        """Return what ``arrays`` returned as row blocks, their columns standardized, their targets as the fit sees."""
        for target in self.targets:
            y, offset = target(y, offset)
        return RowBlocks(self.standardization(X), y, weight, offset, self.n_predictors, self.block_rows)


def refuse_not_finite(X: Any, place: Place) -> None:
    """Raise ValueError where X has an entry that is NaN or infinite, naming the block and its rows."""
    entries = X.data if sp.issparse(X) else X
    if not np.isfinite(entries).all():
        raise ValueError(f"X contains NaN or infinity in {place}. Remove or repair such rows.")


@dataclass(frozen=True)
class BlockSums:
    """A partition's part of a pass: the sum of what a function returns of its blocks."""

    reading: Reading
    function: Callable[[RowBlock], tuple[Any, ...]]

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
    function: Callable[[RowBlock], Any]

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

    function: Callable[[RowBlock, Any], tuple[Any, ...]]
    kept: Callable[[RowBlock], Any]

    def __call__(self, block: RowBlock) -> tuple[Any, ...]:
        return self.function(block, self.kept(block))


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


class DistributedRowBlocks(RowBlocks):
    """All rows of a fit, in partitions; the verbs are those of rows in memory.

    What needs all rows in one place raises ``RowsElsewhereError``.

    Parameters
    ----------
    partitions : sequence of Partition
        Those with rows of positive weight, in the order of the rows.
    reading : Reading
    n_columns : int
    nothing : tuple of ndarray
        y and offset (or None) of no rows: their shapes.
    entries_per_row : float or None
        Of sparse rows.
    """

    def __init__(
        self,
        partitions: Sequence[Partition],
        reading: Reading,
        n_columns: int,
        *,
        nothing: tuple[Array, Array | None],
        entries_per_row: float | None = None,
    ) -> None:
        self.partitions, self.reading = tuple(partitions), reading
        self.n_columns, self.n_predictors = n_columns, reading.n_predictors
        self._nothing, self._entries_per_row = nothing, entries_per_row
        self._starts = np.cumsum([0, *(part.n_present for part in partitions)])
        self.n_rows = int(self._starts[-1])
        self.n_passes = 0
        self._pool = FetchedRows()

    def __getattr__(self, name: str) -> Any:
        if name in _WHOLE:
            refuse_elsewhere(self, "For this fit of all rows")
        raise AttributeError(name)

    @property
    def has_offset(self) -> bool:
        """Whether there is an offset."""
        return self._nothing[1] is not None

    @property
    def is_sparse(self) -> bool:
        """Whether only the entries of X that are not zero are held."""
        return self._entries_per_row is not None

    @property
    def least_weight(self) -> float:
        """The least weight."""
        return self.reading.least / self.reading.mean if self.reading.weighted else 1.0

    @property
    def longest_sum(self) -> int:
        """How many terms a sum over rows adds one after the other, at most."""
        step = rows_of_block(self.n_rows, self.n_columns, self.n_predictors)
        most = max(part.n_present for part in self.partitions)
        return min(step, most) + -(-most // step) + len(self.partitions).bit_length()

    @property
    def weight_sum(self) -> float:
        """The sum of the weights: their number, for they have a mean of one."""
        return float(self.n_rows)

    @property
    def entries_per_row(self) -> float:
        """How many entries a row holds: fewer than there are columns where rows are sparse."""
        return float(self.n_columns) if self._entries_per_row is None else self._entries_per_row

    @property
    def most_taken(self) -> float:  # type: ignore[override]
        """How many rows may travel to the client."""
        return _MOST_BYTES / (8 * (self.n_columns + 1))

    @property
    def whole(self) -> None:
        """None: the rows are elsewhere."""
        return None

    def standardize(self, shift: Array | None, scale: Array | None) -> "DistributedRowBlocks":
        """Return the same data with columns (X - shift) / scale of X as it is; the passes so far are counted on."""
        data = self._with(replace(self.reading, standardization=Standardization(shift, scale, self.n_rows)))
        data.n_passes = self.n_passes
        return data

    def with_target(self, target: Target, n_predictors: int | None = None) -> "DistributedRowBlocks":
        """Return the same rows with another y and offset: what ``target`` makes of them, in every partition."""
        n_predictors = self.n_predictors if n_predictors is None else n_predictors
        targets = (*self.reading.targets, target)
        block_rows = rows_of_block(self.n_rows, self.n_columns, n_predictors)
        data = self._with(replace(self.reading, targets=targets, n_predictors=n_predictors, block_rows=block_rows))
        data._nothing = target(*self._nothing)
        # What was learned of y is of another y now.
        data.partitions = tuple(replace(part, class_counts=None, class_weights=None) for part in self.partitions)
        return data

    def _with(self, reading: Reading) -> "DistributedRowBlocks":
        data = DistributedRowBlocks(
            self.partitions,
            reading,
            self.n_columns,
            nothing=self._nothing,
            entries_per_row=self._entries_per_row,
        )
        data._pool = self._pool
        return data

    def sum(self, function: Callable[..., tuple[Any, ...]], extras: Any = None) -> tuple[Any, ...]:
        """Return the sum over blocks of the tuples that ``function(block)`` returns: one pass over the data.

        With ``extras``, what ``keep`` returned, it is ``function(block, extra)``.
        """
        work = BlockSums(self.reading, function if extras is None else Along(function, extras))
        return compute([tree_of(self._tasks(work, function))])[0]

    def map(self, function: Callable[[RowBlock], Any]) -> list[Any]:
        """Return ``function(block)`` of every block, in the order of the rows: one pass; for results that are small."""
        return list(chain.from_iterable(compute(self._tasks(BlockResults(self.reading, function), function))))

    def total(self, function: Callable[[Array, Array | None, Array | None], tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return the sum over rows that ``function(y, weight, offset)`` is: X is not read for it."""
        arguments = [(part.place, *part.pieces[1:]) for part in self.partitions]
        return compute([tree_of(tasks_of("mle-targets", TargetSums(self.reading, function), arguments))])[0]

    def keep(self, function: Callable[[RowBlock], Any]) -> Any:
        """Return ``function``: ``sum`` calls it anew whenever it needs it, for the workers' memory is not ours."""
        return function

    def _tasks(self, work: Any, function: Any) -> list[Any]:
        self.n_passes += 1
        name = getattr(function, "task_name", "mle-pass")
        return tasks_of(name, work, [(part.place, *part.pieces) for part in self.partitions])

    def take(self, indices: Array) -> RowBlocks:
        """Return the given rows as data of their own, in memory: a pass, unless they have all been fetched before."""
        if not self._pool.holds(indices):
            self._fetch([Wanted(own, None, {}) for own in self._split(indices)])
        # Copied, as rows taken in memory are.
        standardization = replace(self.reading.standardization, of_rows=0)
        reading = replace(self.reading, standardization=standardization, block_rows=None)
        return reading.assembled(*self._pool.take(indices))

    def some(self, least: int) -> RowBlocks:
        """Return about so many rows from everywhere: the sample that the fit will ask for, if it has half as many."""
        size = sample_size(self)
        return sample_rows(self, size if size >= least // 2 else least, least_per_class=LEAST_PER_CLASS)

    def targets(self, indices: Array) -> Array:
        """Return y of the given rows."""
        return self.take(indices).y

    def at_shares(self, share: Array, least_per_class: int = 0) -> Array:
        """Return the rows at which these shares of the total weight are reached, in rising order; they are fetched.

        ``least_per_class`` says how many rows of each class ``members`` may be asked for afterwards: those of classes
        that may be rare among the drawn are fetched in the same pass.
        """
        asked = (share.tobytes(), least_per_class if self._has_classes else 0)
        if asked not in self._pool.drawn:
            self._pool.drawn[asked] = self._draw(share, self._of_rare_classes(len(share), least_per_class))
        return self._pool.drawn[asked]

    def _draw(self, share: Array, of_class: list[dict[int, Array]]) -> Array:
        if not self.reading.weighted:
            drawn = np.minimum((share * self.n_rows).astype(np.intp), self.n_rows - 1)
            return self._fetch([Wanted(own, None, of) for own, of in zip(self._split(drawn), of_class, strict=True)])
        mass = np.cumsum([0.0, *(part.weight for part in self.partitions)])
        position = share * mass[-1]
        bounds = np.searchsorted(position, mass)
        bounds[-1] = len(position)
        reached = [position[a:b] - before for (a, b), before in zip(pairwise(bounds), mass, strict=False)]
        return self._fetch([Wanted(None, own, of) for own, of in zip(reached, of_class, strict=True)])

    @property
    def _has_classes(self) -> bool:
        return self.partitions[0].class_counts is not None

    def _of_rare_classes(self, size: int, least: int) -> list[dict[int, Array]]:
        """Return, a partition each, which members of classes to fetch along with a sample of this size."""
        wanted: list[dict[int, Array]] = [{} for _ in self.partitions]
        if not least or not self._has_classes:
            return wanted
        counts = np.stack([part.class_counts for part in self.partitions if part.class_counts is not None])
        weights = self._class_weights()
        for code in np.flatnonzero(size * weights < _MAY_BE_RARE * least * weights.sum()):
            before = np.cumsum([0, *counts[:, code]])
            if before[-1]:
                chosen = choose_members(int(code), int(before[-1]), least)
                bounds = np.searchsorted(chosen, before)
                for own, (a, b), first in zip(wanted, pairwise(bounds), before, strict=False):
                    own[int(code)] = chosen[a:b] - first
        return wanted

    def _class_weights(self) -> Array:
        return np.sum([part.class_weights for part in self.partitions if part.class_weights is not None], axis=0)

    def class_weights(self, n_classes: int) -> Array:
        """Return the total weight of every class: known since the labels were read, or else in a pass."""
        if self.partitions[0].class_weights is None:
            return np.asarray(self.sum(ClassWeights(n_classes))[0])
        return self._class_weights()

    def members(self, code: int, least: int) -> tuple[Array, Array, float]:
        """Return at most so many rows of a class of hard labels, their weights, and the total weight of the class.

        Of the classes that ``at_shares`` fetched; of others, none.
        """
        numbers = self._pool.of_class.get(code, np.zeros(0, dtype=np.intp))
        if not len(numbers):
            return numbers, np.ones(0), 0.0
        own = self._pool.take(numbers)[2]
        return numbers, np.ones(len(numbers)) if own is None else own, float(self._class_weights()[code])

    def _split(self, indices: Array) -> list[Array]:
        """Return, a partition each, the numbers of the given rows within it."""
        order = np.sort(indices, kind="stable")
        bounds = np.searchsorted(order, self._starts)
        return [order[a:b] - start for (a, b), start in zip(pairwise(bounds), self._starts, strict=False)]

    def _fetch(self, wanted: Sequence[Wanted]) -> Array:
        """Fetch rows into the pool, in one pass; return those drawn."""
        self.n_passes += 1
        asked = zip(self.partitions, wanted, strict=True)
        tasks = tasks_of("mle-sample", Fetch(self.reading), [(part.place, own, *part.pieces) for part, own in asked])
        drawn, members, arrays = zip(*compute(tasks), strict=True)
        for code in members[0]:
            self._pool.of_class[code] = np.concatenate([own[code] for own in members])
        self._pool.add(np.concatenate([numbers for numbers, *_ in arrays]), [rows for _, *rows in arrays])
        return np.concatenate(drawn)
