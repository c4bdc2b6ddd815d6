"""Rows in the partitions of Dask collections: a pass is a task on each partition, and its sums are a tree of tasks.

Partitions stay where Dask keeps them, persisted or read anew at every pass, as the user chose. What is sent to them is
what is computed on a block (parameters, no data); what comes back are sums, and a sample of bounded size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.partitions import Partitions
from sklearn_mle._rows.data import (
    Block,
    Data,
    Drawn,
    PassCounter,
    TargetMap,
    TargetSum,
    choose_members,
    class_weights,
    rows_of_block,
)
from sklearn_mle._rows.partition import NEVER_COPIED, Arrays, Reading, Wanted
from sklearn_mle._rows.sample import LEAST_PER_CLASS, sample_size, weighted_sample
from sklearn_mle.exceptions import NotSupportedError

# The most that comes to the client as a sample of the rows.
_MOST_BYTES = 64e6
# Classes are fetched beforehand where their share of a sample is below so many times what it must hold of them.
_MAY_BE_RARE = 4
_REMEDY = "Pass arrays in memory (X.compute(), y.compute()), or fit a sample of the rows."
# What rows in memory have as a whole.
_WHOLE = frozenset({"rows", "y", "weight", "offset", "_segments"})


def name_of(function: Any) -> str:
    """Return a function's own name, whatever arguments it has been given already."""
    return name_of(function.func) if isinstance(function, partial) else str(function.__name__)


class RowsElsewhereError(NotSupportedError):
    """What was asked for needs all rows in one place, and they are in the partitions of a Dask collection."""


@dataclass(frozen=True)
class Census:
    """What is known on the client about the rows of positive weight, partition by partition.

    Attributes
    ----------
    counts : ndarray of int, shape (n_partitions,)
    weights : ndarray of shape (n_partitions,)
        The sums of their weights, which have a mean of one.
    least_weight : float
    class_counts, class_weights : ndarray of shape (n_partitions, K) or None
        The same of each class, where y holds classes.
    entries_per_row : float or None
        Of sparse rows.
    """

    counts: Array
    weights: Array
    least_weight: float = 1.0
    class_counts: Array | None = None
    class_weights: Array | None = None
    entries_per_row: float | None = None


@dataclass(frozen=True)
class _Fetched:
    """Rows that have come from the partitions, as these hold them, in order and each once; and which they are.

    ``numbers`` are the rows' own among those of positive weight; ``drawn`` and ``of_class`` are numbers of that kind.
    """

    numbers: Array
    arrays: Arrays
    drawn: Array
    of_class: dict[int, Array]


class DistributedData(Data):
    """All rows of a fit, in partitions; the verbs are those of rows in memory.

    What needs all rows in one place raises ``RowsElsewhereError``.

    Parameters
    ----------
    partitions : Partitions
        Of X, y, sample_weight and offset: those with rows of positive weight, in the order of the rows.
    reading : Reading
    census : Census
    n_columns : int
    no_rows : tuple of ndarray
        y and offset (or None) of no rows: their shapes.
    passes : PassCounter or None
        As in Data.
    fetched : dict or None
        The rows that were drawn, which all views share; None starts with none.
    """

    in_one_place = False
    whole = None

    def __init__(
        self,
        partitions: Partitions,
        reading: Reading,
        census: Census,
        n_columns: int,
        *,
        no_rows: tuple[Array, Array | None],
        passes: PassCounter | None = None,
        fetched: dict[tuple[bytes, int], _Fetched] | None = None,
    ) -> None:
        self.partitions, self.reading, self.census = partitions, reading, census
        self.n_columns, self.n_predictors = n_columns, reading.n_predictors
        self._starts = np.cumsum([0, *census.counts])
        self.n_rows = int(self._starts[-1])
        self.passes = PassCounter() if passes is None else passes
        self._no_rows = no_rows
        self._fetched = {} if fetched is None else fetched
        self.n_offsets = 0 if no_rows[1] is None else len(no_rows[1])
        self.is_sparse = census.entries_per_row is not None
        self.entries_per_row = float(n_columns) if census.entries_per_row is None else census.entries_per_row
        self.largest_sample = _MOST_BYTES / (8 * (n_columns + 1))

    def __getattr__(self, name: str) -> Any:
        if name in _WHOLE:
            self.require_one_place("For this fit of all rows")
        raise AttributeError(name)

    def require_one_place(self, why: str) -> None:
        """Raise RowsElsewhereError, its text beginning with ``why``."""
        raise RowsElsewhereError(f"{why} they must be in one place, but X comes from Dask. {_REMEDY}")

    @property
    def least_weight(self) -> float:
        """The least weight."""
        return self.census.least_weight

    @property
    def longest_sum(self) -> int:
        """The largest number of terms that a sum over rows adds one after the other."""
        step = rows_of_block(self.n_rows, self.n_columns, self.n_predictors)
        most = int(self.census.counts.max())
        return min(step, most) + -(-most // step) + len(self.census.counts).bit_length()

    @property
    def weight_sum(self) -> float:
        """The sum of the weights: the number of rows, for they have a mean of one."""
        return float(self.n_rows)

    def standardize(self, shift: Array | None, scale: Array | None) -> "DistributedData":
        """Return the same data with columns (X - shift) / scale of X as it is."""
        reading = replace(self.reading, shift=shift, scale=scale, of_rows=self.n_rows)
        return self._view(reading, self.census, self._no_rows)

    def with_target(self, target: TargetMap, n_predictors: int | None = None) -> "DistributedData":
        """Return the same rows with another y and offset: what ``target`` makes of them, in every partition."""
        n_predictors = self.n_predictors if n_predictors is None else n_predictors
        block_rows = rows_of_block(self.n_rows, self.n_columns, n_predictors)
        targets = (*self.reading.targets, target)
        reading = replace(self.reading, targets=targets, n_predictors=n_predictors, block_rows=block_rows)
        # What is known of y is of another y now.
        census = replace(self.census, class_counts=None, class_weights=None)
        return self._view(reading, census, target(*self._no_rows))

    def _view(self, reading: Reading, census: Census, no_rows: tuple[Array, Array | None]) -> "DistributedData":
        shared: dict[str, Any] = {"passes": self.passes, "fetched": self._fetched}
        return DistributedData(self.partitions, reading, census, self.n_columns, no_rows=no_rows, **shared)

    def reduce_rows(self, function: Callable[..., tuple[Any, ...]], mapped: Any = None) -> tuple[Any, ...]:
        """Return the sum over blocks of the tuples that ``function(block)`` returns: one pass over the data.

        With ``mapped``, what ``map_rows`` returned, it is that of ``function(block, entry)``.
        """
        return self._pass(partial(self.reading.sums, function, mapped), f"mle-{name_of(function).replace('_', '-')}")

    def map_rows(self, function: Callable[[Block], Any]) -> Any:
        """Return ``function``: ``reduce_rows`` calls it anew each time, for the workers' memory is not ours."""
        return function

    def reduce_target(self, function: TargetSum) -> tuple[Any, ...]:
        """Return the sum over rows that ``function(y, weight, offset)`` is: X is not read for it."""
        total = self.partitions.without_X.reduce_rows(partial(self.reading.target_sums, function), "mle-targets")
        assert total is not None
        return total

    def _pass(self, work: Callable[..., tuple[Any, ...]], name: str, own: Any = None) -> tuple[Any, ...]:
        self.passes.count += 1
        total = self.partitions.reduce_rows(work, name, own)
        assert total is not None  # every partition has rows of positive weight
        return total

    def class_weights(self, n_classes: int) -> Array:
        """Return the total weight of every class: known since the labels were read, or else in a pass."""
        known = self.census.class_weights
        if known is None:
            return np.asarray(self.reduce_rows(partial(class_weights, n_classes))[0])
        return known.sum(axis=0)

    def take(self, indices: Array) -> Data:
        """Return the given rows as data of their own, in memory: a pass."""
        fetched = self._fetch([Wanted(own, None, {}) for own in self._split(np.unique(indices))])
        return self._in_memory(fetched).take(np.searchsorted(fetched.numbers, indices))

    def sample_rows(self, least: int) -> Data:
        """Return about so many rows: the sample that the fit will ask for, if it has at least half as many."""
        size = sample_size(self)
        return weighted_sample(self, size if size >= least // 2 else least, least_per_class=LEAST_PER_CLASS)

    def draw(self, share: Array, least_per_class: int = 0) -> Drawn:
        """Return the rows at which these shares of the total weight, in rising order, are reached; they are fetched.

        So are, in the same pass, ``least_per_class`` rows of each class that may be rare among them.
        """
        asked = (share.tobytes(), 0 if self.census.class_counts is None else least_per_class)
        if asked not in self._fetched:
            of_class = self._of_rare_classes(len(share), least_per_class)
            self._fetched[asked] = self._fetch(
                [Wanted(rows, reached, of) for (rows, reached), of in zip(self._reached(share), of_class, strict=True)]
            )
        fetched = self._fetched[asked]

        def members(code: int) -> tuple[Array, float]:
            rows = fetched.of_class.get(code, np.zeros(0, dtype=np.intp))
            known = self.census.class_weights
            return np.searchsorted(fetched.numbers, rows), 0.0 if known is None else float(known.sum(axis=0)[code])

        return Drawn(self._in_memory(fetched), np.searchsorted(fetched.numbers, fetched.drawn), members)

    def _in_memory(self, fetched: _Fetched) -> Data:
        return replace(self.reading, of_rows=NEVER_COPIED, block_rows=None).data(*fetched.arrays)

    def _reached(self, share: Array) -> list[tuple[Array | None, Array | None]]:
        """Return, for each partition, the rows at which these shares of the total weight are reached."""
        if not self.reading.weighted:
            drawn = np.minimum((share * self.n_rows).astype(np.intp), self.n_rows - 1)
            return [(own, None) for own in self._split(drawn)]
        mass = np.cumsum([0.0, *self.census.weights])
        position = share * mass[-1]
        bounds = np.searchsorted(position, mass)
        bounds[-1] = len(position)
        return [(None, position[a:b] - before) for (a, b), before in zip(pairwise(bounds), mass, strict=False)]

    def _split(self, rows: Array) -> list[Array]:
        """Return, for each partition, the numbers of the given rows, in rising order, within it."""
        bounds = np.searchsorted(rows, self._starts)
        return [rows[a:b] - start for (a, b), start in zip(pairwise(bounds), self._starts, strict=False)]

    def _of_rare_classes(self, size: int, least: int) -> list[dict[int, Array]]:
        """Return, for each partition, the members of classes to fetch along with a sample of this size."""
        counts, weights = self.census.class_counts, self.census.class_weights
        wanted: list[dict[int, Array]] = [{} for _ in self.census.counts]
        if not least or counts is None or weights is None:
            return wanted
        of_class = weights.sum(axis=0)
        for code in np.flatnonzero(size * of_class < _MAY_BE_RARE * least * of_class.sum()).tolist():
            before = np.cumsum([0, *counts[:, code]])
            if before[-1]:
                chosen = choose_members(code, int(before[-1]), least)
                bounds = np.searchsorted(chosen, before)
                for own, (a, b), first in zip(wanted, pairwise(bounds), before, strict=False):
                    own[code] = chosen[a:b] - first
        return wanted

    def _fetch(self, wanted: Sequence[Wanted]) -> _Fetched:
        drawn, members, every, arrays = self._pass(self.reading.fetch, "mle-sample", wanted)
        starts = self._starts[:-1]
        of_class = {
            code: np.concatenate([own[code] + start for own, start in zip(members, starts, strict=True)])
            for code in members[0]
        }
        numbers = np.concatenate([rows + start for rows, start in zip(every, starts, strict=True)])
        chosen = np.concatenate([rows + start for rows, start in zip(drawn, starts, strict=True)])
        X, *of_target = zip(*arrays, strict=True)
        rows = sp.vstack(X, format="csr") if sp.issparse(X[0]) else np.concatenate(X)
        joined: Any = [None if parts[0] is None else np.concatenate(parts, axis=-1) for parts in of_target]
        return _Fetched(numbers, (rows, *joined), chosen, of_class)
