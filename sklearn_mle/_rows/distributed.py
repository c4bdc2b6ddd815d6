"""Rows in the partitions of Dask collections: a pass is a task on each partition, and its sums are a tree of tasks.

Partitions stay where Dask keeps them, persisted or read anew at every pass, as the user chose. What travels to them is
what is computed on a block (parameters, no data); what comes back are sums, and a sample of bounded size. Dask is the
engine: the client that is active, or else its threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._rows.data import Block, ClassWeights, Data, TargetMap, TargetSum, rows_of_block
from sklearn_mle._rows.fetched import Fetch, FetchedRows, Wanted
from sklearn_mle._rows.members import choose_members
from sklearn_mle._rows.partition import (
    Along,
    BlockResults,
    BlockSums,
    Partition,
    Reading,
    Standardization,
    TargetSums,
)
from sklearn_mle._rows.passes import Passes
from sklearn_mle._rows.sample import LEAST_PER_CLASS, sample_size, weighted_sample
from sklearn_mle._rows.tasks import compute, tasks_of, tree_of
from sklearn_mle.exceptions import NotSupportedError

__all__ = ["DistributedData", "RowsElsewhereError", "refuse_elsewhere"]

Array = NDArray[Any]

# What may travel to the client as a sample of the rows.
_MOST_BYTES = 64e6
# Classes are fetched beforehand where their share of a sample is below so many times what it must hold of them.
_MAY_BE_RARE = 4
_REMEDY = "Pass arrays in memory (X.compute(), y.compute()), or fit a sample of the rows."
# What rows in memory have as a whole.
_WHOLE = frozenset({"rows", "y", "weight", "offset", "_segments"})


def refuse_elsewhere(data: Data, why: str) -> None:
    """Raise RowsElsewhereError, its text beginning with ``why``, where the rows are not in one place."""
    if isinstance(data, DistributedData):
        raise RowsElsewhereError(f"{why} they must be in one place, but X comes from Dask. {_REMEDY}")


class RowsElsewhereError(NotSupportedError):
    """What was asked for needs all rows in one place, and they are in the partitions of a Dask collection."""


class DistributedData(Data):
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
    passes : Passes or None
        As in Data.
    """

    def __init__(
        self,
        partitions: Sequence[Partition],
        reading: Reading,
        n_columns: int,
        *,
        nothing: tuple[Array, Array | None],
        entries_per_row: float | None = None,
        passes: Passes | None = None,
    ) -> None:
        self.partitions, self.reading = tuple(partitions), reading
        self.n_columns, self.n_predictors = n_columns, reading.n_predictors
        self._nothing, self._entries_per_row = nothing, entries_per_row
        self._starts = np.cumsum([0, *(part.n_present for part in partitions)])
        self.n_rows = int(self._starts[-1])
        self.passes = Passes() if passes is None else passes
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

    def standardize(self, shift: Array | None, scale: Array | None) -> "DistributedData":
        """Return the same data with columns (X - shift) / scale of X as it is."""
        return self._with(replace(self.reading, standardization=Standardization(shift, scale, self.n_rows)))

    def with_target(self, target: TargetMap, n_predictors: int | None = None) -> "DistributedData":
        """Return the same rows with another y and offset: what ``target`` makes of them, in every partition."""
        n_predictors = self.n_predictors if n_predictors is None else n_predictors
        targets = (*self.reading.targets, target)
        block_rows = rows_of_block(self.n_rows, self.n_columns, n_predictors)
        data = self._with(replace(self.reading, targets=targets, n_predictors=n_predictors, block_rows=block_rows))
        data._nothing = target(*self._nothing)
        # What was learned of y is of another y now.
        data.partitions = tuple(replace(part, class_counts=None, class_weights=None) for part in self.partitions)
        return data

    def _with(self, reading: Reading) -> "DistributedData":
        data = DistributedData(
            self.partitions,
            reading,
            self.n_columns,
            nothing=self._nothing,
            entries_per_row=self._entries_per_row,
            passes=self.passes,
        )
        data._pool = self._pool
        return data

    def reduce_rows(self, function: Callable[..., tuple[Any, ...]], extras: Any = None) -> tuple[Any, ...]:
        """Return the sum over blocks of the tuples that ``function(block)`` returns: one pass over the data.

        With ``extras``, what ``keep`` returned, it is ``function(block, extra)``.
        """
        work = BlockSums(self.reading, function if extras is None else Along(function, extras))
        return compute([tree_of(self._tasks(work, function))])[0]

    def map_rows(self, function: Callable[[Block], Any]) -> list[Any]:
        """Return ``function(block)`` of every block, in the order of the rows: one pass; for results that are small."""
        return list(chain.from_iterable(compute(self._tasks(BlockResults(self.reading, function), function))))

    def reduce_target(self, function: TargetSum) -> tuple[Any, ...]:
        """Return the sum over rows that ``function(y, weight, offset)`` is: X is not read for it."""
        arguments = [(part.place, *part.pieces[1:]) for part in self.partitions]
        return compute([tree_of(tasks_of("mle-targets", TargetSums(self.reading, function), arguments))])[0]

    def keep(self, function: Callable[[Block], Any]) -> Any:
        """Return ``function``: ``reduce_rows`` calls it anew each time, for the workers' memory is not ours."""
        return function

    def _tasks(self, work: Any, function: Any) -> list[Any]:
        self.passes.count += 1
        name = getattr(function, "task_name", "mle-pass")
        return tasks_of(name, work, [(part.place, *part.pieces) for part in self.partitions])

    def take(self, indices: Array) -> Data:
        """Return the given rows as data of their own, in memory: a pass, unless they have all been fetched before."""
        if not self._pool.holds(indices):
            self._fetch([Wanted(own, None, {}) for own in self._split(indices)])
        # Copied, as rows taken in memory are.
        standardization = replace(self.reading.standardization, of_rows=0)
        reading = replace(self.reading, standardization=standardization, block_rows=None)
        return reading.assembled(*self._pool.take(indices))

    def sample_rows(self, least: int) -> Data:
        """Return about so many rows from everywhere: the sample that the fit will ask for, if it has half as many."""
        size = sample_size(self)
        return weighted_sample(self, size if size >= least // 2 else least, least_per_class=LEAST_PER_CLASS)

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
            return np.asarray(self.reduce_rows(ClassWeights(n_classes))[0])
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
        self.passes.count += 1
        asked = zip(self.partitions, wanted, strict=True)
        tasks = tasks_of("mle-sample", Fetch(self.reading), [(part.place, own, *part.pieces) for part, own in asked])
        drawn, members, arrays = zip(*compute(tasks), strict=True)
        for code in members[0]:
            self._pool.of_class[code] = np.concatenate([own[code] for own in members])
        self._pool.add(np.concatenate([numbers for numbers, *_ in arrays]), [rows for _, *rows in arrays])
        return np.concatenate(drawn)
