"""The rows of a fit: blocks of them, and the passes over them, each one map over blocks and one ordered sum."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice, starmap
from typing import Any

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.sums import sum_in_order, tree_sum
from sklearn_mle._numerics.threads import iterate_in_threads, map_in_threads, n_threads
from sklearn_mle._rows.dense import DenseRows, StoredRows
from sklearn_mle._rows.sparse import SparseRows

# (y, offset) of some rows, rows last -> (y, offset): what a fit makes of them. It can be pickled.
TargetMap = Callable[[Array, Array | None], tuple[Array, Array | None]]
# (y, weight, offset) of some rows -> the summands of their sums. It can be pickled.
TargetSum = Callable[[Array, Array | None, Array | None], tuple[Any, ...]]

# Long blocks hand the interpreter's lock over less often (a gradient of 1,000,000 x 20 takes 37 ms in blocks of 4096
# rows, 20 in those of 26,214; of 400,000 x 100 25 ms in blocks of 4 MB, 24 in those of 8, 43 in those of 1), and add
# fewer curvatures (116 and 105 ms with a gradient, in blocks of 4 and 8 MB); but there must be several for each thread.
_LONG_ELEMENTS, _MOST_ROWS = 1 << 20, 1 << 16
# Of many columns a block's curvature costs several sweeps of its own, so that blocks are wanted with four times as many
# rows as columns (20,000 x 800: 0.97 s a fit in blocks of 2 MB, 0.75 in those of 1024 rows), up to 16 MB.
_WIDE_ROWS, _WIDE_ELEMENTS = 1 << 10, 1 << 21
# Blocks of few rows in all are no shorter than 2 MB; fewer than 64 rows would be all overhead.
_BLOCK_ELEMENTS = 1 << 18
_LEAST_ROWS = 64
_MANY_BLOCKS = 16
# Products of fewer sparse entries take no longer than calling for them: 48,842 rows of 12 take 2.6 ms a pass in eight
# blocks, 0.9 in two. And each block's product with a residual is as long as X is wide.
_SPARSE_ENTRIES, _ENTRIES_A_COLUMN = 1 << 18, 16
# A class of less than this part of the weight is summed by itself.
_LITTLE = 1e-3
# Sums are kept per segment and added in a fixed tree: a fixed number, so that the bits do not depend on the threads.
_SEGMENTS = 8
SEED = 20583


@dataclass(frozen=True)
class Block:
    """Some rows: X behind its verbs, and y, sample_weight and offset.

    y has shape (n,) or (K, n), the weights (n,), or None where each is one; the offset has shape (k, n), of the first k
    linear predictors, or is None. ``start`` is the number of the first row.
    """

    rows: DenseRows | SparseRows
    y: Array
    weight: Array | None
    offset: Array | None
    start: int = 0

    def weighted(self, rowwise: Array) -> Array:
        """Return numbers of the rows, on the last axis, times their weights."""
        return rowwise if self.weight is None else rowwise * self.weight


class PassCounter:
    """The number of passes over the rows of a fit: all views of its ``Data`` share one.

    It is raised when a reduction over X starts, in the process that starts it; it is not sent to the rows.
    """

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count


def class_weights(n_classes: int, block: Block) -> tuple[Array]:
    """Return the weight of every class among the rows of a block."""
    y, weight = block.y, block.weight
    if n_classes == 2:
        second = float(y.sum() if weight is None else weight @ y)
        whole = float(len(y) if weight is None else weight.sum())
        first = whole - second
        if first < _LITTLE * whole:
            # Exact zeros matter: little or nothing is not to be what rounding leaves of a difference.
            first = float((1 - y).sum() if weight is None else weight @ (1 - y))
        return (np.array([first, second]),)
    if y.ndim == 2:
        return (y.sum(axis=1) if weight is None else y @ weight,)
    return (np.bincount(y, weights=weight, minlength=n_classes).astype(np.float64),)


def _column_sums(block: Block) -> tuple[Array]:
    """Return the weighted sums of a block's standardized columns, and of the weights."""
    weight = np.ones(block.rows.n_rows) if block.weight is None else block.weight
    return (block.rows.transpose_matvec(weight[None])[0],)


@dataclass(frozen=True)
class Drawn:
    """Rows drawn at random.

    Attributes
    ----------
    pool : Data
        In memory; it holds these rows at least.
    rows : ndarray of int
        Their numbers in the pool, in rising order, repeated where they were drawn repeatedly.
    members : callable
        The code of a class of hard labels -> a seeded choice of its rows, by their numbers in the pool, and the total
        weight of the class.
    """

    pool: "Data"
    rows: Array
    members: Callable[[int], tuple[Array, float]]


class Data:
    """All rows of a fit, cut into fixed blocks that depend on the shape alone. It is not changed, once it is made.

    Parameters
    ----------
    rows : DenseRows (StoredRows among them) or SparseRows
    y, weight, offset
        As in Block, for all rows.
    n_predictors : int
        The number of linear predictors of the fit: it bounds the size of the blocks.
    block_rows : int or None
        The number of dense rows of a block, where these are a part of more rows and are cut as all of them would be.
    passes : PassCounter or None
        The counter of all views of the same rows; None starts one.
    """

    # Whether all rows are here, so that they can be compared with one another.
    in_one_place = True
    # The largest sample that may be drawn.
    largest_sample: float = math.inf

    def __init__(
        self,
        rows: DenseRows | SparseRows,
        y: Array,
        weight: Array | None = None,
        offset: Array | None = None,
        n_predictors: int = 1,
        block_rows: int | None = None,
        passes: PassCounter | None = None,
    ) -> None:
        self.rows = rows
        self.y, self.weight, self.offset = y, weight, offset
        self.n_predictors = n_predictors
        self.n_rows, self.n_columns = rows.n_rows, rows.n_columns
        self.n_offsets = 0 if offset is None else len(offset)
        # Of sparse rows only the entries that are not zero are held: fewer than there are columns.
        self.is_sparse, self.entries_per_row = isinstance(rows, SparseRows), rows.entries_per_row
        self.passes = PassCounter() if passes is None else passes
        self._segments = self._cut(block_rows)

    def _cut(self, block_rows: int | None) -> list[list[tuple[int, int]]]:
        n = self.n_rows
        if isinstance(self.rows, SparseRows):
            entries = max(_SPARSE_ENTRIES, _ENTRIES_A_COLUMN * self.n_columns)
            n_blocks = min(_SEGMENTS, max(2, int(n * self.rows.entries_per_row) // entries))
            step = max(_LEAST_ROWS, -(-n // n_blocks)) if n * 8 > 4096 else n
        else:
            step = block_rows or rows_of_block(n, self.n_columns, self.n_predictors)
        blocks = [(start, min(start + step, n)) for start in range(0, n, step)]
        per_segment = max(1, -(-len(blocks) // _SEGMENTS))
        return [blocks[first : first + per_segment] for first in range(0, len(blocks), per_segment)]

    @property
    def n_passes(self) -> int:
        """The number of passes over the rows so far, through any view of them."""
        return self.passes.count

    @property
    def least_weight(self) -> float:
        """The least weight."""
        return 1.0 if self.weight is None else float(self.weight.min())

    @property
    def weight_sum(self) -> float:
        """The sum of the weights."""
        return float(self.n_rows if self.weight is None else self.weight.sum())

    @property
    def longest_sum(self) -> int:
        """The largest number of terms that a sum over rows adds one after the other."""
        blocks = self.blocks
        return max(stop - start for start, stop in blocks) + len(blocks)

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """The first row of each block and the row after its last."""
        return [bounds for segment in self._segments for bounds in segment]

    @cached_property
    def whole(self) -> Block | None:
        """All rows, where they are so few that they are one block."""
        if len(self._segments) != 1 or len(self._segments[0]) != 1:
            return None
        return Block(self.rows.block(0, self.n_rows), self.y, self.weight, self.offset)

    def require_one_place(self, why: str) -> None:
        """Raise NotSupportedError, its text beginning with ``why``, where the rows are not in one place."""

    def block(self, start: int, stop: int) -> Block:
        """Return the rows from start to stop."""
        return Block(self.rows.block(start, stop), *self._of_rows(slice(start, stop)), start)

    def _of_rows(self, rows: slice | Array) -> tuple[Array, Array | None, Array | None]:
        """Return y, weight and offset of some rows."""
        weight, offset = self.weight, self.offset
        return (
            self.y[..., rows],
            None if weight is None else weight[rows],
            None if offset is None else offset[:, rows],
        )

    def standardize(self, shift: Array | None, scale: Array | None) -> "Data":
        """Return the same data with columns (X - shift) / scale of X as it is."""
        rows = self.rows.standardize(shift, scale)
        return Data(rows, self.y, self.weight, self.offset, self.n_predictors, passes=self.passes)

    def with_target(self, target: TargetMap, n_predictors: int | None = None) -> "Data":
        """Return the same rows with another y and offset: what ``target`` makes of them."""
        y, offset = target(self.y, self.offset)
        return self.with_values(y, self.weight, offset, self.n_predictors if n_predictors is None else n_predictors)

    def with_values(self, y: Array, weight: Array | None, offset: Array | None = None, n_predictors: int = 1) -> "Data":
        """Return the same rows with another y, weight and offset."""
        return Data(self.rows, y, weight, offset, n_predictors, passes=self.passes)

    def take(self, indices: Array) -> "Data":
        """Return the given rows as data of their own: a pass, if they are stored in chunks and most had to be read."""
        before = self.rows.n_read if isinstance(self.rows, StoredRows) else 0
        rows = self.rows.take(indices)
        if isinstance(self.rows, StoredRows) and self.rows.n_read - before > self.n_rows // 2:
            self.passes.count += 1
        y, weight, offset = self._of_rows(indices)
        offset = None if offset is None else np.ascontiguousarray(offset)
        return Data(rows, np.ascontiguousarray(y), weight, offset, self.n_predictors)

    def sample_rows(self, least: int) -> "Data":
        """Return at least so many rows from everywhere, as data of their own."""
        return self.take(np.arange(0, self.n_rows, self.n_rows // least))

    def draw(self, share: Array, least_per_class: int = 0) -> Drawn:
        """Return the rows at which these shares of the total weight, in rising order, are reached.

        ``least_per_class`` says how many rows of each class of hard labels may be asked for as well.
        """
        if self.weight is None:
            rows = (share * self.n_rows).astype(np.intp)
        else:
            cumulative = np.cumsum(self.weight)
            rows = np.searchsorted(cumulative, share * cumulative[-1], side="right")

        def members(code: int) -> tuple[Array, float]:
            every = np.flatnonzero(self.y == code)
            total = float(len(every) if self.weight is None else self.weight[every].sum())
            return every[choose_members(code, len(every), least_per_class)], total

        return Drawn(self, np.minimum(rows, self.n_rows - 1), members)

    def class_weights(self, n_classes: int) -> Array:
        """Return the total weight of every class, from hard or soft labels; of two classes y is that of the second."""
        return class_weights(n_classes, Block(self.rows, self.y, self.weight, None))[0]

    def mean_offset(self, k: int) -> float:
        """Return the weighted mean of a predictor's offset."""
        return self.reduce_target(partial(_sum_of_offset, k))[0] / self.weight_sum if self.n_offsets > k else 0.0

    def column_means(self) -> Array:
        """Return the weighted means of the standardized columns, shape (p,): one pass over the data."""
        sums = self.reduce_rows(_column_sums)[0]
        return sums[:-1] / sums[-1]

    def reduce_target(self, function: TargetSum) -> tuple[Any, ...]:
        """Return the sum over rows that ``function(y, weight, offset)`` is: X is not read for it."""
        if not self._segments or self.n_rows <= self._segments[0][0][1]:  # one block at most
            return function(self.y, self.weight, self.offset)

        def part(bounds: tuple[int, int]) -> tuple[Any, ...]:
            return function(*self._of_rows(slice(*bounds)))

        return tree_sum(iterate_in_threads(lambda blocks: sum_in_order(map(part, blocks)), self._segments, n_threads()))

    def reduce_rows(self, function: Callable[..., tuple[Any, ...]], mapped: Any = None) -> tuple[Any, ...]:
        """Return the sum over blocks of the tuples that ``function(block)`` returns: one pass over the data.

        With ``mapped``, what ``map_rows`` returned (or a list of one entry per block), it is that of
        ``function(block, entry)``.
        """
        self.passes.count += 1
        whole = self.whole
        if whole is not None:
            return function(whole, *(mapped or ()))
        arguments: dict[int, tuple[Any, ...]] = {}
        if mapped is not None:
            arguments = {start: (entry,) for (start, _), entry in zip(self.blocks, mapped, strict=True)}

        def work(blocks: list[tuple[int, int]]) -> Iterator[tuple[Any, ...]]:
            return ((self.block(*bounds), *arguments.get(bounds[0], ())) for bounds in blocks)

        if isinstance(self.rows, StoredRows):
            # This thread reads storage from its beginning to its end, and the others compute; the sums are the same.
            parts = iterate_in_threads(lambda given: function(*given), work(self.blocks), n_threads())
            return tree_sum(sum_in_order(islice(parts, len(segment))) for segment in self._segments)
        sums = iterate_in_threads(
            lambda blocks: sum_in_order(starmap(function, work(blocks))), self._segments, n_threads()
        )
        return tree_sum(sums)

    def map_rows(self, function: Callable[[Block], Any]) -> Any:
        """Return ``function(block)`` of every block, in the order of the rows: one pass over the data.

        If the rows are elsewhere, it is computed only when ``reduce_rows`` needs it.
        """
        self.passes.count += 1
        whole = self.whole
        if whole is not None:
            return [function(whole)]
        return map_in_threads(function, (self.block(*bounds) for bounds in self.blocks), n_threads())


def _sum_of_offset(k: int, y: Array, weight: Array | None, offset: Array | None) -> tuple[float]:
    assert offset is not None
    return (float(offset[k].sum() if weight is None else weight @ offset[k]),)


def choose_members(code: int, count: int, least: int) -> Array:
    """Return at most ``least`` of a class's rows, by their numbers among its ``count`` rows, in rising order.

    Each class has a generator of its own, so that its choice does not depend on what other classes need.
    """
    return np.sort(np.random.default_rng([SEED, code]).choice(count, min(least, count), replace=False))


def rows_of_block(n_rows: int, n_columns: int, n_predictors: int) -> int:
    """Return the number of rows of every block but the last one, where so many are dense."""
    # What a block computes has as many entries per row as a Hessian in the predictors, q^2.
    width, square = max(n_columns, 1), n_predictors**2
    step = max(_LEAST_ROWS, _BLOCK_ELEMENTS // max(width, square))
    wide = min(4 * width, _WIDE_ELEMENTS // width)
    longest = min(max(_LONG_ELEMENTS // width, _WIDE_ROWS, wide), max(_BLOCK_ELEMENTS // square, _LEAST_ROWS))
    return min(max(step, min(longest, max(-(-n_rows // _MANY_BLOCKS), wide))), _MOST_ROWS)
