"""Rows that Dask keeps: arguments with an entry a row, cut into the same partitions, and what is computed of each.

Dask is imported where one of its collections has come in, and nowhere else: whoever made it has paid for the import.
The blocks of a Dask array reach a function as they are (dense or sparse), those of a Dask dataframe as pandas objects.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from sklearn_mle._numerics.threads import single_threaded_blas

__all__ = ["Partitions", "is_dask", "one_row_like", "refuse_dask"]


def is_dask(*values: Any) -> bool:
    """Tell whether any of the values is an object of Dask's; Dask is not imported for that."""
    return any(type(value).__module__.startswith("dask") for value in values)


def refuse_dask(X: Any) -> None:
    """Raise TypeError for rows that Dask keeps, which would all be brought into this process otherwise."""
    if is_dask(X):
        raise TypeError(
            f"X is a {type(X).__name__} of Dask's, and this needs its rows in memory: pass those of interest, "
            "X[:1000].compute() of an array or X.head(1000) of a dataframe."
        )


def one_row_like(value: Any) -> Any:
    """Return one row of harmless entries with the columns, names and types of the argument; a scalar or None as it is.

    What a function says of such a row, it would say of all: so errors come at the call, not with the first block.
    """
    if _is_same_for_all(value):
        return value
    rows = getattr(value, "_meta_nonempty", value)
    if hasattr(rows, "iloc"):
        return rows.iloc[:1]
    return np.zeros((1, *value.shape[1:]), dtype=value.dtype) if is_dask(value) else np.asarray(value)[:1]


@dataclass(frozen=True)
class Partitions:
    """Arguments with an entry a row in the same partitions, and those that are the same for every row.

    Attributes
    ----------
    rows : dict of str to dask.array.Array
        By name; of shape (n,) or (n, k), with as many blocks of rows each, and one of columns. Lengths may be unknown.
    same : dict of str to object
        Scalars and None.
    """

    rows: dict[str, Any]
    same: dict[str, Any]

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
                    f"{name} is in memory, but the partitions of {in_dask[0]} have unknown lengths: pass {name} as a "
                    f"dask array of the same partitions, or {in_dask[0]} with its lengths "
                    "(compute_chunk_sizes() of an array, to_dask_array(lengths=True) of a dataframe)."
                )
        else:
            for name, array in known.items():
                if array.shape[0] != read[first].shape[0]:
                    raise ValueError(
                        f"{name} has {array.shape[0]} rows and {first} {read[first].shape[0]}: inconsistent numbers of "
                        "samples."
                    )
                read[name] = array.rechunk({0: read[first].chunks[0]})
        n_blocks = read[first or in_dask[0]].numblocks[0]
        for name, array in read.items():
            if array.numblocks[0] != n_blocks:
                raise ValueError(
                    f"{name} has {array.numblocks[0]} partition(s) and {first or in_dask[0]} {n_blocks}; where lengths "
                    "are unknown, both must be cut alike: repartition one of them."
                )
        return cls(read, same)

    def map(self, function: Callable[..., Any], like: NDArray[Any], name: str) -> Any:
        """Return the Dask array of ``function(**arguments)`` over the blocks, uncomputed.

        Parameters
        ----------
        function : callable
            Gives an array of shape (n_rows of the block, k). It travels to the workers, once each.
        like : ndarray of shape (any, k)
            The dtype and the columns of the results.
        name : str
            What Dask's dashboard calls the tasks.

        Returns
        -------
        dask.array.Array of shape (n, k)
            In the partitions of the first argument.
        """
        chunks = next(iter(self.rows.values())).chunks[0]
        return self._blockwise(function, like[:0], chunks, name)

    def gather(self, function: Callable[..., Any], name: str) -> list[Any]:
        """Compute ``function(**arguments)`` of every block that has rows, and return the results in order.

        They come to this process: they must be small.
        """
        empty = np.array([[None]], dtype=object)
        results = self._blockwise(_Boxed(function), empty, (1,) * self._n_blocks, name).compute()
        return [result for result in results.ravel().tolist() if result is not None]

    @property
    def _n_blocks(self) -> int:
        return int(next(iter(self.rows.values())).numblocks[0])

    def _blockwise(self, function: Callable[..., Any], empty: NDArray[Any], chunks: Any, name: str) -> Any:
        import dask
        import dask.array as da

        lengths = next((known for array in self.rows.values() if (known := _lengths(array)) is not None), None)
        starts = [-1] * self._n_blocks if lengths is None else [0, *np.cumsum(lengths)[:-1].tolist()]
        places = da.from_array(np.column_stack([np.arange(self._n_blocks), starts]), chunks=(1, 2))
        task = _OnBlock(function, tuple(self.rows), self.same, self._n_blocks, empty)
        arrays = [part for array in self.rows.values() for part in (array, "ij"[: array.ndim])]
        return da.blockwise(
            _call,
            "ij",
            # A node of the graph by itself: a fitted model goes to each worker once, not with every block.
            dask.delayed(task, pure=True, traverse=False),
            None,
            places,
            "ij",
            *arrays,
            adjust_chunks={"i": tuple(chunks), "j": (empty.shape[1],)},
            align_arrays=False,
            dtype=empty.dtype,
            meta=empty[:0],
            token=name,
        )


@dataclass(frozen=True)
class _OnBlock:
    """The function on one block: rows that have gone astray, no rows at all, and where an error happened."""

    function: Callable[..., Any]
    names: tuple[str, ...]
    same: dict[str, Any]
    n_blocks: int
    empty: NDArray[Any]

    def __call__(self, place: NDArray[np.int64], *blocks: Any) -> Any:
        number, first = place[0].tolist()
        n = blocks[0].shape[0]
        try:
            for name, block in zip(self.names, blocks, strict=True):
                if block.shape[0] != n:
                    raise ValueError(f"{name} has {block.shape[0]} rows and {self.names[0]} {n}")
            if n == 0:
                return self.empty
            # Dask has its threads on the blocks; those of BLAS would come on top of them.
            with single_threaded_blas:
                return self.function(**dict(zip(self.names, blocks, strict=True)), **self.same)
        except Exception as error:
            rows = f"rows {first} to {first + n - 1}" if first >= 0 else f"{n} rows"
            where = f"In block {number} of {self.n_blocks} ({rows}, counted from 0 in this message)"
            if type(error) not in (ValueError, TypeError):
                error.add_note(where)
                raise
            raise type(error)(f"{where}: {error}") from error


@dataclass(frozen=True)
class _Boxed:
    """The function with its result in an array of one object, as Dask gathers them."""

    function: Callable[..., Any]

    def __call__(self, **arguments: Any) -> NDArray[Any]:
        box = np.empty((1, 1), dtype=object)
        box[0, 0] = self.function(**arguments)
        return box


def _call(task: _OnBlock, place: NDArray[np.int64], *blocks: Any) -> Any:
    return task(place, *blocks)


def _read(name: str, value: Any) -> Any:
    """Return the Dask array of an argument, one block of columns; the blocks of a dataframe are its partitions."""
    import dask.array as da

    if not is_dask(value):
        if issparse(value):
            raise TypeError(f"{name} is a sparse matrix in memory beside Dask's rows; put it in a dask array, too.")
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
        f"{name} is a {type(value).__name__} of Dask's; a dask array, dataframe or series is needed "
        "(dask.array.from_delayed makes one of delayed blocks)."
    )


def _is_same_for_all(value: Any) -> bool:
    return value is None or (not is_dask(value) and np.ndim(value) == 0)


def _itself(partition: Any) -> Any:
    return partition


def _lengths(array: Any) -> tuple[int, ...] | None:
    """Return the number of rows of each block, None where they are not known."""
    return None if any(math.isnan(length) for length in array.chunks[0]) else array.chunks[0]
