"""Arrays in storage: mapped files, and anything else that slices by rows, read in pieces and in order."""

import copy
import mmap
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Self
from weakref import finalize

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_mle._numerics.arguments import NotFiniteError, first_not_finite
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.frames import rows_of
from sklearn_mle._numerics.partitions import is_dask

# Large enough that opening a piece costs nothing beside reading it, small enough to have several.
_PIECE_BYTES = 1 << 23
_MOST_KEPT = 1 << 26
# So many entries are read at once: a fit copies them anyway.
_FEW = 4_000_000
_AROUND = 1 << 16
_CAN_LET_GO = hasattr(mmap.mmap, "madvise") and hasattr(mmap, "MADV_DONTNEED")


def is_stored(array: Any) -> bool:
    """Return whether an array is a mapped file, or is none of NumPy's and slices: zarr's and h5py's, and alike."""
    if isinstance(array, np.ndarray):
        return getattr(array, "_mmap", None) is not None
    return (
        all(hasattr(array, name) for name in ("shape", "ndim", "dtype", "__getitem__"))
        and isinstance(array.dtype, np.dtype)
        and not isinstance(array, np.generic)
        and not hasattr(array, "iloc")
        and not issparse(array)
        and not is_dask(array)
    )


def as_stored(X: Any) -> Any:
    """Return X as a StoredArray where it is stored and too large to be read at once; else as NumPy's or as it is.

    Raises
    ------
    ValueError
        If X is stored, large, and not of real numbers.
    """
    if not is_stored(X):
        return X
    if X.ndim != 2:
        return np.asarray(X[:1] if X.ndim else X)  # enough to be told what is wrong
    stored = StoredArray(X)
    if stored.is_few:
        return in_memory(X)
    if np.dtype(X.dtype).kind not in "biuf":
        raise ValueError(
            f"X must hold real numbers; got a {type(X).__name__} of dtype {X.dtype}, which is not converted, "
            "because that would need a copy in memory. Store it as float32 or float64."
        )
    return stored


def dot_rows(matrix: Array, X: Any) -> Array:
    """Return matrix @ X.T, shape (q, n), for an X that is dense, sparse or stored.

    Raises
    ------
    NotFiniteError
        If an entry of a stored X is NaN or infinite; others were looked at before.
    """
    if not isinstance(X, StoredArray):
        return np.asarray(safe_sparse_dot(X, matrix.T, dense_output=True)).T
    out = np.empty((len(X), len(matrix)))
    step = max(1, _PIECE_BYTES // max(1, 8 * X.shape[1]))
    for start in range(0, len(X), step):
        block = X[start : start + step]
        product = out[start : start + step]
        np.dot(block.astype(np.float64, copy=False), matrix.T, out=product)
        # A column whose coefficient is zero hides nothing either: zero times infinity is no number.
        if not np.isfinite(product).all():
            row = first_not_finite(block)
            if row is not None:
                raise NotFiniteError(start + row)
    return out.T


def is_large(array: Any) -> bool:
    """Return whether an array is stored, of two dimensions, and not to be read at once."""
    return is_stored(array) and array.ndim == 2 and StoredArray(array).size > _FEW


def blocks_of_rows(**arguments: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (first row, the arguments' rows) block by block; what has no rows (None, scalars) goes with every block.

    Raises
    ------
    ValueError
        If the arguments differ in length.
    """
    rows = {name: value for name, value in arguments.items() if np.ndim(value) > 0}
    lengths = {name: np.shape(value)[0] for name, value in rows.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"All arguments must have the same number of rows; got {lengths}.")
    rows = {name: StoredArray(value) if is_large(value) else in_memory(value) for name, value in rows.items()}
    widest = max((np.shape(value)[1] for value in rows.values() if np.ndim(value) == 2), default=1)
    n, step = max(lengths.values(), default=0), max(1, _PIECE_BYTES // (8 * widest))
    for start in range(0, n, step):
        yield start, {**arguments, **{name: rows_of(value, start, start + step) for name, value in rows.items()}}


def in_memory(array: Any) -> Any:
    """Return a stored array read as a whole; anything else as it is."""
    return np.asarray(array[...]) if is_stored(array) else array


class StoredArray:
    """A 2-D array in storage, read by rows, one piece at a time; nothing reads all of it.

    ``array[start:stop]`` and ``array[rows]`` are NumPy arrays: float32 stays float32, anything else becomes float64.
    The source is an ``np.memmap``, or any array of numbers with shape, dtype and slices by rows.
    """

    ndim = 2

    def __init__(self, source: Any) -> None:
        self.shape: tuple[int, int] = (int(source.shape[0]), int(source.shape[1]))
        dtype = np.dtype(source.dtype)
        self.dtype = dtype if dtype in (np.float32, np.float64) and dtype.isnative else np.dtype(np.float64)
        self.size = self.shape[0] * self.shape[1]
        step = max(1, _PIECE_BYTES // max(1, 8 * self.shape[1]))
        self._source = _Mapped(source, step) if isinstance(source, np.memmap) else _Sliced(source, step)
        self._rows: NDArray[np.intp] | None = None
        self._taken: OrderedDict[bytes, Array] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, *args: Any, **kwargs: Any) -> Array:
        raise TypeError("An array in storage is read by rows, never as a whole.")

    @property
    def is_few(self) -> bool:
        """Whether the array is so small that a fit would copy it anyway: then it may as well be read at once."""
        return self.size <= _FEW

    def select(self, rows: NDArray[np.intp]) -> Self:
        """Return the array of the given rows, in rising order; the others are passed over where they are read."""
        chosen = copy.copy(self)
        chosen._rows = rows if self._rows is None else self._rows[rows]
        chosen._taken = OrderedDict()
        chosen.shape = (len(rows), self.shape[1])
        chosen.size = chosen.shape[0] * chosen.shape[1]
        return chosen

    def __getitem__(self, index: slice | NDArray[np.intp]) -> Array:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise IndexError("rows in storage are read in their order: a slice without a step")
            if self._rows is None:
                return self._joined(self._source.read(start, stop))
            return self._numbered(self._rows[start:stop])
        rows = np.asarray(index, dtype=np.intp)
        return self._sampled(rows if self._rows is None else self._rows[rows])

    @property
    def n_read(self) -> int:
        """The number of rows read so far, counted piece by piece; a map's pages are not counted."""
        return self._source.n_read

    def _sampled(self, rows: NDArray[np.intp]) -> Array:
        """Return rows by their numbers in the source, in any order; the last ones are kept, for fits ask again."""
        key = rows.tobytes()
        if key not in self._taken:
            order = np.argsort(rows, kind="stable")
            taken = np.empty((len(rows), self.shape[1]), dtype=self.dtype)
            taken[order] = self._numbered(rows[order])
            taken.flags.writeable = False
            if isinstance(self._source, _Mapped) or taken.nbytes > _MOST_KEPT:
                return taken
            self._taken[key] = taken
            if len(self._taken) > 2:
                self._taken.popitem(last=False)
        return self._taken[key]

    def _numbered(self, rows: NDArray[np.intp]) -> Array:
        """Return rows by their numbers in the source, in rising order."""
        of_piece = rows // self._source.step
        firsts = np.flatnonzero(np.diff(of_piece, prepend=-1))
        groups = zip(of_piece[firsts], np.split(rows, firsts[1:]), strict=False)  # no rows are split into one group
        return self._joined([part for k, group in groups for part in self._of_piece(int(k), group)])

    def _of_piece(self, k: int, rows: NDArray[np.intp]) -> list[Array]:
        """Return the given rows of piece k, a view where they follow one another."""
        first, last = int(rows[0]), int(rows[-1])
        if last - first == len(rows) - 1:
            return self._source.read(first, last + 1)
        start = k * self._source.step
        return [part[rows - start] for part in self._source.read(start, start + self._source.step)]

    def _joined(self, parts: list[Array]) -> Array:
        parts = [part.astype(self.dtype, copy=False) for part in parts]
        if not parts:
            return np.empty((0, self.shape[1]), dtype=self.dtype)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class _Mapped:
    """A file mapped into memory. What is read are views, without a copy; their pages are let go with the view.

    Mapped pages that were read count as the process's memory until the kernel needs them elsewhere: all of the file, in
    the end, for a monitor or a limit of memory. ``madvise`` takes the pages out of the process; they stay in the
    system's cache for the next pass. Reading through the file instead would copy every byte once more in each pass,
    does not read columns of a Fortran order, and does not see the changes of a copy-on-write map. The changes of such a
    map are nowhere else, and would be lost with its pages: it is left to the kernel.
    """

    n_read = 0

    def __init__(self, array: Any, step: int) -> None:
        self.step = step
        self._array = np.asarray(array)
        self._map = array._mmap if _CAN_LET_GO and array.mode != "c" else None
        if self._map is not None:
            self._address = byte_bounds(np.frombuffer(self._map, dtype=np.uint8))[0]

    def read(self, start: int, stop: int) -> list[Array]:
        """Return the rows from start to stop."""
        view = self._array[start:stop]
        if self._map is not None and len(view):
            # Only when no computation uses it any more: else the pages would come back, and stay.
            finalize(view, self._let_go, start, stop).atexit = False
        return [view]

    def _let_go(self, start: int, stop: int) -> None:
        assert self._map is not None
        piece = self._array[start:stop]
        low, high = byte_bounds(piece)
        # In Fortran order a piece is a stretch of each column, and the rest of the columns lies between.
        parts = [piece] if high - low <= 2 * piece.nbytes else list(piece.T)
        for part in parts:
            low, high = (bound - self._address for bound in byte_bounds(part))
            # The kernel maps the surroundings of a page along with it: what was let go before may be back.
            low = max(low - _AROUND, 0)
            low -= low % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, low, high - low)


class _Sliced:
    """Anything that gives rows when sliced, copied as it is read. Pieces are whole chunks, where it has such.

    The last piece that was read is kept: rows are read in their order, so that no piece is read twice in a pass. One
    thread reads at a time, while others compute with the blocks that it hands out.
    """

    def __init__(self, source: Any, step: int) -> None:
        chunk = (getattr(source, "chunks", None) or (1,))[0]
        self.step = int(max(chunk, step - step % chunk))
        self._source, self.n_read = source, 0
        self._held: dict[int, Array] = {}

    def read(self, start: int, stop: int) -> list[Array]:
        """Return the rows from start to stop, in parts of a piece each."""
        firsts = range(start - start % self.step, min(stop, self._source.shape[0]), self.step)
        return [self._piece(first)[max(start - first, 0) : stop - first] for first in firsts]

    def _piece(self, start: int) -> Array:
        if start not in self._held:
            n, p = self._source.shape
            stop = min(start + self.step, n)
            try:
                piece = np.asarray(self._source[start:stop])
                if piece.shape != (stop - start, p):
                    raise ValueError(
                        f"X[{start}:{stop}] must give {stop - start} rows of {p} columns; got an array of shape "
                        f"{piece.shape}."
                    )
            except Exception as error:
                error.add_note(f"(while rows {start} to {stop - 1} of X were read)")
                raise
            self._held = {start: piece}
            self.n_read += stop - start
        return self._held[start]
