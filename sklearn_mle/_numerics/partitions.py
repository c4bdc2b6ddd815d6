"""Rows that Dask keeps, in partitions, and the two things that are done with them: ``map_rows`` and ``reduce_rows``.

A map is lazy, a reduction is computed. Dask is the engine: the client that is active, or else its threads. It is
imported where one of its collections has come in, and nowhere else: whoever made it has paid for the import. The blocks
of a Dask array reach a function as they are (dense or sparse), those of a Dask dataframe as pandas objects.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from sklearn_mle._numerics.frames import column_names, rows_of
from sklearn_mle._numerics.sums import tree_sum
from sklearn_mle._numerics.threads import single_threaded_blas

# Sums of so many neighbours are one task: an aligned part of the tree that sums them all.
_GROUP = 8


def is_dask(*values: Any) -> bool:
    """Tell whether any of the values is an object of Dask's; Dask is not imported for that."""
    return any(type(value).__module__.startswith("dask") for value in values)


def refuse_lazy(X: Any) -> None:
    """Raise TypeError for rows that Dask keeps, which would all be brought into this process, and for lazy frames."""
    if type(X).__name__ == "LazyFrame":
        raise TypeError("X is a LazyFrame, but this needs its rows in memory: pass X.collect().")
    if is_dask(X):
        raise TypeError(
            f"X is a Dask {type(X).__name__}, but this needs its rows in memory: pass the rows of interest, "
            "such as X[:1000].compute() for an array or X.head(1000) for a dataframe."
        )


def one_row_like(value: Any) -> Any:
    """Return one row of harmless entries with the columns, names and types of the argument; a scalar or None as it is.

    A function that refuses such a row would refuse all rows: so errors come at the call, not with the first block.
    """
    if _is_same_for_all(value):
        return value
    rows = getattr(value, "_meta_nonempty", value)
    if column_names(rows) is not None or hasattr(rows, "iloc"):
        return rows_of(rows, 0, 1)
    return np.zeros((1, *value.shape[1:]), dtype=value.dtype) if is_dask(value) else np.asarray(value)[:1]


@dataclass(frozen=True, eq=False)
class Partitions:
    """Arguments with one entry per row, cut into the same partitions, and those that are the same for every row.

    Attributes
    ----------
    rows : dict of str to dask.array.Array
        By name; of shape (n,) or (n, k), with as many blocks of rows each, and one of columns. Lengths may be unknown.
    same : dict of str to object
        Scalars and None.
    places : ndarray of int, shape (n_partitions, 3)
        Of each partition its number and its first row among the caller's, for errors, and the number of rows that it
        must have; -1 where these are not known.
    n_all : int
        The number of partitions that the caller's collections have.
    """

    rows: dict[str, Any]
    same: dict[str, Any]
    places: NDArray[np.int64]
    n_all: int

    @classmethod
    def of(cls, **arguments: Any) -> Partitions:
        """Read the arguments: Dask arrays, dataframes or series, arrays in memory beside them, scalars, None.

        The first one whose lengths are known has its partitions kept, and the others follow.

        Raises
        ------
        TypeError
            If one is another kind of Dask object.
        ValueError
            If their numbers of rows differ, or partitions of unknown lengths cannot be brought together.
        """
        same = {name: value for name, value in arguments.items() if _is_same_for_all(value)}
        read = {name: _read(name, value) for name, value in arguments.items() if name not in same}
        known = {name: array for name, array in read.items() if _lengths(array) is not None}
        in_dask = [name for name in read if is_dask(arguments[name])]
        first = next((name for name in in_dask if name in known), None)
        if first is None:
            for name in known:
                raise ValueError(
                    f"{name} is in memory, but the partitions of {in_dask[0]} have unknown lengths: pass {name} "
                    f"as a dask array with the same partitions, or {in_dask[0]} with its lengths "
                    "(compute_chunk_sizes() for an array, to_dask_array(lengths=True) for a dataframe)."
                )
        else:
            for name, array in known.items():
                if array.shape[0] != read[first].shape[0]:
                    raise ValueError(
                        f"{name} has {array.shape[0]} rows and {first} {read[first].shape[0]}: inconsistent numbers of "
                        "samples."
                    )
                lengths = read[first].chunks[0]
                framed = name not in in_dask and column_names(arguments[name]) is not None
                read[name] = _blocks_of_frame(arguments[name], lengths) if framed else array.rechunk({0: lengths})
        n_blocks = read[first or in_dask[0]].numblocks[0]
        for name, array in read.items():
            if array.numblocks[0] != n_blocks:
                raise ValueError(
                    f"{name} has {array.numblocks[0]} partition(s) and {first or in_dask[0]} {n_blocks}; if "
                    "lengths are unknown, both must have the same partitions: repartition one of them."
                )
        places = np.full((n_blocks, 3), -1)
        places[:, 0] = np.arange(n_blocks)
        if first is not None:
            places[:, 1] = np.cumsum([0, *read[first].chunks[0]])[:-1]
        return cls(read, same, places, n_blocks)

    @cached_property
    def _columns(self) -> dict[str, tuple[int, ...]]:
        """The shape of a row of each argument."""
        return {name: tuple(array.shape[1:]) for name, array in self.rows.items()}

    @cached_property
    def without_X(self) -> Partitions:  # noqa: N802
        """The same partitions of all arguments but X."""
        return replace(self, rows={name: array for name, array in self.rows.items() if name != "X"})

    def known(self, lengths: NDArray[np.int64], wanted: NDArray[np.bool_]) -> Partitions:
        """Return the wanted partitions, all of whose numbers of rows are known now, and may not change any more."""
        firsts = np.cumsum([0, *lengths])[:-1]
        places = np.column_stack([self.places[:, 0], firsts, lengths])[wanted]
        numbers = np.flatnonzero(wanted).tolist()
        everything = len(numbers) == len(wanted)
        rows = self.rows if everything else {name: array.blocks[numbers] for name, array in self.rows.items()}
        return replace(self, rows=rows, places=places)

    def map_rows(self, function: Callable[..., Any], like: NDArray[Any], name: str) -> Any:
        """Return the Dask array of ``function(**arguments)`` over the partitions, uncomputed.

        Parameters
        ----------
        function : callable
            Gives an array of shape (n_rows of the partition, k). It is sent to the workers once each.
        like : ndarray of shape (any, k)
            The dtype and the columns of the results.
        name : str
            The name of the tasks on Dask's dashboard.

        Returns
        -------
        dask.array.Array of shape (n, k)
            In the partitions of the first argument.
        """
        import dask

        empty = like[:0]
        task = _OnPartition(function, self._columns, self.same, self.n_all, empty)
        return self._blockwise(
            _run,
            # A node of the graph by itself: a fitted model goes to each worker once, not with every partition.
            dask.delayed(task, pure=True, traverse=False),
            adjust_chunks={"i": tuple(next(iter(self.rows.values())).chunks[0]), "j": (empty.shape[1],)},
            dtype=empty.dtype,
            meta=empty,
            token=name,
        )

    def reduce_rows(
        self, function: Callable[..., tuple[Any, ...]], name: str, own: Sequence[Any] | None = None
    ) -> tuple[Any, ...] | None:
        """Compute the entrywise sum of what ``function(**arguments)`` returns of every partition that has rows.

        None where none has. The sum is a tree of tasks, in the order of the partitions and eight at a time: its bits
        are those of ``tree_sum``. If it is interrupted, or a task fails, no task is left behind.

        Parameters
        ----------
        function : callable
            Gives a tuple of numbers, arrays or lists (which are joined). It is sent to the workers once each.
        name : str
            The name of the tasks on Dask's dashboard.
        own : sequence or None
            One argument for each partition, given to the function before the others.
        """
        import dask

        # Unlike a content hash, the token costs nothing, and no result of another pass can be taken for this one's.
        token = uuid4().hex
        task = _OnPartition(function, self._columns, self.same, self.n_all, None)
        sent = dask.delayed(task, name=f"{name}-work-{token}", traverse=False)
        run, add = dask.delayed(operator.call, pure=False), dask.delayed(_sum, pure=False)
        owns = [()] * len(self.places) if own is None else [(one,) for one in own]
        level = [
            run(sent, bundle, *one, dask_key_name=f"{name}-{token}-{k}")
            for k, (bundle, one) in enumerate(zip(self._bundles, owns, strict=True))
        ]
        while len(level) > 1:
            groups = [level[first : first + _GROUP] for first in range(0, len(level), _GROUP)]
            depth = len(level)
            level = [add(group, dask_key_name=f"mle-sum-{token}-{depth}-{k}") for k, group in enumerate(groups)]
        total: tuple[Any, ...] | None = dask.compute(*level, traverse=False)[0]
        return total

    def collect(self, function: Callable[..., Any], name: str, own: Sequence[Any] | None = None) -> list[Any]:
        """Return what ``reduce_rows`` would sum as a list, in the order of the partitions: for small results."""
        total = self.reduce_rows(partial(_listed, function), name, own)
        return [] if total is None else list(total[0])

    def _blockwise(self, function: Callable[..., Any], *first: Any, **options: Any) -> Any:
        """Return the Dask array of ``function(*first, place, *blocks)`` over the partitions."""
        import dask.array as da

        places = da.from_array(self.places, chunks=(1, 3))
        blocks = [part for array in self.rows.values() for part in (array, "ij"[: array.ndim])]
        given = [part for one in first for part in (one, None)]
        return da.blockwise(function, "ij", *given, places, "ij", *blocks, align_arrays=False, **options)

    @cached_property
    def _bundles(self) -> list[Any]:
        """The place and the blocks of each partition, delayed: what they have in common is computed once."""
        if all(len(array.__dask_graph__()) == array.npartitions for array in self.rows.values()):
            # What is persisted has nothing to optimize, and Dask 2025.1 would lose it by trying.
            blocks = [array.to_delayed(optimize_graph=False).ravel() for array in self.rows.values()]
            return [list(bundle) for bundle in zip(self.places, *blocks, strict=True)]
        nothing = np.empty((0, 1))
        bundles = self._blockwise(_bundle, dtype=nothing.dtype, meta=nothing, token="mle-rows")
        return list(bundles.to_delayed().ravel())


@dataclass(frozen=True)
class _OnPartition:
    """The function on one partition, with checks of its rows; errors say which partition and rows they are about."""

    function: Callable[..., Any]
    # Of each argument with one entry per row.
    columns: dict[str, tuple[int, ...]]
    same: dict[str, Any]
    n_all: int
    empty: Any

    def __call__(self, bundle: Sequence[Any], *own: Any) -> Any:
        place, *blocks = bundle
        number, first, length = place.ravel().tolist()
        n = blocks[0].shape[0]
        try:
            for (name, columns), block in zip(self.columns.items(), blocks, strict=True):
                if length not in (-1, block.shape[0]):
                    raise ValueError(
                        f"{name} has {block.shape[0]} rows now, but had {length} when it was first read. Every pass "
                        "must see the same rows: persist the data, or read them from a source that does not change."
                    )
                if block.shape[0] != n:
                    raise ValueError(f"{name} has {block.shape[0]} rows and {next(iter(self.columns))} {n}")
                if math.prod(block.shape[1:]) != math.prod(columns):
                    raise ValueError(
                        f"{name} has the shape {block.shape} here, but the Dask collection says that a row has "
                        f"the shape {columns}: correct the meta, shape or chunks that it was made with."
                    )
            if n == 0:
                return self.empty
            # Dask has its threads on the partitions; those of BLAS would come on top of them.
            with single_threaded_blas:
                return self.function(*own, **dict(zip(self.columns, blocks, strict=True)), **self.same)
        except Exception as error:
            n = n if length < 0 else length
            rows = f"rows {first} to {first + n - 1}" if first >= 0 else f"{n} rows"
            where = f"In block {number} of {self.n_all} ({rows}, counted from 0 in this message)"
            if type(error) not in (ValueError, TypeError):
                error.add_note(where)
                raise
            raise type(error)(f"{where}: {error}") from error


def _listed(function: Callable[..., Any], *own: Any, **arguments: Any) -> tuple[list[Any]]:
    """Return the function's result in a list, so that sums join them."""
    return ([function(*own, **arguments)],)


def _run(task: _OnPartition, *bundle: Any) -> Any:
    return task(bundle)


def _bundle(*place_and_blocks: Any) -> tuple[Any, ...]:
    return place_and_blocks


def _sum(parts: list[tuple[Any, ...] | None]) -> tuple[Any, ...] | None:
    # What a task returned stays as it is: it may be asked for again, should a worker be lost.
    present = [[copy.copy(entry) for entry in part] for part in parts if part is not None]
    return tree_sum(present) if present else None


def _read(name: str, value: Any) -> Any:
    """Return the Dask array of an argument, one block of columns; the blocks of a dataframe are its partitions."""
    import dask.array as da

    if not is_dask(value):
        if issparse(value):
            raise TypeError(
                f"{name} is a sparse matrix in memory, but other arguments come from Dask; put it "
                "in a dask array as well."
            )
        if column_names(value) is not None:
            return _blocks_of_frame(value, (len(value),))
        array = np.asarray(value)
        return da.from_array(array, chunks=array.shape)
    if isinstance(value, da.Array):
        if value.ndim not in (1, 2):
            raise ValueError(f"{name} must have shape (n,) or (n, k); got {value.ndim} dimensions.")
        if value.ndim == 2 and math.isnan(value.shape[1]):
            raise ValueError(f"{name} has an unknown number of columns: call {name}.compute_chunk_sizes() first.")
        return value.rechunk({1: -1}) if value.ndim == 2 and value.numblocks[1] > 1 else value
    if hasattr(value, "map_partitions") and hasattr(value, "_meta_nonempty"):
        return value.map_partitions(_itself, meta=np.empty((0, *value.shape[1:])), enforce_metadata=False)
    raise TypeError(
        f"{name} is a Dask {type(value).__name__}; a dask array, dataframe or series is needed "
        "(dask.array.from_delayed makes an array from delayed blocks)."
    )


def _blocks_of_frame(frame: Any, lengths: Sequence[int]) -> Any:
    """Return the Dask array whose blocks are parts of a frame in memory: its columns are found by their names."""
    import dask.array as da

    name = f"mle-frame-{uuid4().hex}"
    stops = np.cumsum(lengths).tolist()
    blocks = {
        (name, k, 0): rows_of(frame, stop - n, stop) for k, (n, stop) in enumerate(zip(lengths, stops, strict=True))
    }
    return da.Array(blocks, name, (tuple(lengths), (frame.shape[1],)), meta=np.empty((0, frame.shape[1])))


def _is_same_for_all(value: Any) -> bool:
    return value is None or (not is_dask(value) and np.ndim(value) == 0)


def _itself(partition: Any) -> Any:
    return partition


def _lengths(array: Any) -> tuple[int, ...] | None:
    """Return the number of rows of each block, None where they are not known."""
    return None if any(math.isnan(length) for length in array.chunks[0]) else array.chunks[0]
