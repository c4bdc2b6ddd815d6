"""Dense rows, in memory or in storage: three verbs on the standardized columns (X - shift) / scale and one of ones.

Products of blocks are written ``np.dot``, not ``@``: numpy's matmul keeps the interpreter's lock through products of
few columns, so that two threads take as long as one (p = 20: 690 us a pair of blocks against 330).
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

import numpy as np

from sklearn_mle._numerics.arguments import first_not_finite
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.double_double import DoubleDouble

# Beyond this ratio of a column's mean to its spread, X @ w - shift @ w would cancel more than three digits, so the
# block is shifted before the product; a ratio this large cannot be had without rounding the column itself.
_SAFE_SHIFT = 1e3
# Up to here a standardized copy (4 MB) costs less than a standardization at every pass: beyond it what is copied leaves
# the cache (100,000 x 20: a fit of 28 ms without, 44 with it).
COPY_ELEMENTS = 1 << 19
# Moments are taken of pieces of 1 MB: a piece and its squares stay in cache.
_PIECE_ELEMENTS = 1 << 17
_FOLDED = 512
# A general product of so few columns is no slower than a symmetric one (569 x 31: 25 against 33 us; 50,000 x 40: 5.0
# against 4.2 ms), and needs no root.
_FEW_COLUMNS = 38
# Products of so few multiply-adds have kernels of their own in OpenBLAS, up to twice as fast at few columns; those of
# more columns are fastest from about so many rows on (1,000,000 x 20: 50 to 31 ms; 400,000 x 100: 118 to 97).
_SMALL_PRODUCT, _PIECE_ROWS = 1_000_000, 700
# But a product's own matrix, p x p, is written once a piece: of many columns pieces are longer, up to 16 MB.
_WIDE_PIECE = 1 << 21
# Rows of a copy in single precision.
_SINGLE_ROWS = 4000
# Elements of a copy that is kept column by column.
_TURNED = 1 << 18


class DenseRows:
    """A slice of a dense X, seen as the standardized columns (X - shift) / scale in float64; X is not copied.

    Blocks whose columns are not far from zero are used as they are (BLAS reads the view, or its float64 copy, and the
    shift and scale are applied to the small results); others are standardized into a buffer of their own in each pass.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    shift, scale : ndarray of shape (p,) or None
        None means that X itself is already standardized.
    augmented : ndarray of shape (n, p + 1) or None
        A standardized copy and a column of ones, where one is kept; an attribute.
    """

    def __init__(
        self, X: Any, shift: Array | None = None, scale: Array | None = None, *, augmented: Array | None = None
    ) -> None:
        self._X, self._shift, self._scale, self.augmented = X, shift, scale, augmented
        self.n_rows, self.n_columns = X.shape
        self.entries_per_row = float(X.shape[1])
        self.in_single_precision = X.dtype == np.float32

    def copied(self, of_rows: int = 0) -> "DenseRows":
        """Return the same rows with a standardized copy kept: for data so small that passes are all overhead.

        The copy has a last column of ones (``augmented``), so that an intercept costs no product of its own. Rows that
        are a part of more (``of_rows``) are laid out as all of them would be: the bits of products depend on it.
        """
        # Column by column where that fits the cache: loops over rows are long, however few the columns (569 x 31: the
        # weighted cross-product takes 49 us, 63 where rows are contiguous). Larger ones would be slow to turn.
        order: Literal["F", "C"] = "F" if max(of_rows, self.n_rows) * self.n_columns <= _TURNED else "C"
        copy = np.empty((self.n_rows, self.n_columns + 1), order=order)
        copy[:, :-1] = self._X
        standardized(copy[:, :-1], self._shift, self._scale)
        copy[:, -1] = 1
        return DenseRows(self._X, self._shift, self._scale, augmented=copy)

    def block(self, start: int, stop: int) -> "DenseRows":
        """Return the rows from start to stop (a view)."""
        if (start, stop) == (0, self.n_rows):
            return self
        copy = None if self.augmented is None else self.augmented[start:stop]
        return DenseRows(self._X[start:stop], self._shift, self._scale, augmented=copy)

    def columns(self, chosen: Array) -> "DenseRows":
        """Return the same rows of the given columns alone, copied."""
        return DenseRows(
            self._X[:, chosen],
            None if self._shift is None else self._shift[chosen],
            None if self._scale is None else self._scale[chosen],
            augmented=None if self.augmented is None else self.augmented[:, np.append(chosen, self.n_columns)],
        )

    def take(self, indices: Array) -> "DenseRows":
        """Return the given rows, copied; few are kept standardized."""
        return _few_copied(DenseRows(self._X[indices], self._shift, self._scale))

    def standardize(self, shift: Array | None, scale: Array | None) -> "DenseRows":
        """Return the same rows, of X as it is, seen as (X - shift) / scale; few are copied."""
        return _few_copied(DenseRows(self._X, shift, scale))

    def moments(self, weight: Array | None) -> tuple[Array, Array, Array]:
        """Return weighted sums of X's entries and of their squares, and the largest absolute ones, by column."""
        n, p = self._X.shape
        first, second, largest = np.zeros(p), np.zeros(p), np.zeros(p)
        if not self._X.size:
            return first, second, largest
        step = -(-n // max(1, round(n * p / _PIECE_ELEMENTS)))
        for start in range(0, n, step):
            piece = self._X[start : start + step].astype(np.float64, copy=False)
            w = np.ones(len(piece)) if weight is None else weight[start : start + step]
            first += np.dot(w, piece)
            piece = np.square(piece)
            second += np.dot(w, piece)
            np.maximum(largest, _column_maxima(piece), out=largest)
        largest = np.sqrt(largest)
        if not largest.all():  # zeros, or so small that their squares are
            vanished = np.flatnonzero(largest == 0)
            largest[vanished] = np.abs(self._X[:, vanished]).max(axis=0)
        return first, second, largest

    def raw_pieces(self, columns: Array) -> Iterator[tuple[int, Array]]:
        """Yield (first row, some of X's own columns in float64) of all rows, in pieces small enough to be dense."""
        yield 0, np.asarray(self._X[:, columns], dtype=np.float64)

    def first_not_finite(self) -> int | None:
        """Return the first row with an entry that is NaN or infinite, or None."""
        return first_not_finite(self._X)

    @cached_property
    def standardized(self) -> Array:
        """The block's standardized columns, float64, in memory of their own unless X is standardized already."""
        if self.augmented is not None:
            return self.augmented[:, :-1]
        if self._scale is None and self._X.dtype == np.float64:
            return self._X
        return standardized(self._X.astype(np.float64, order="C"), self._shift, self._scale)

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """Yield (first row, standardized columns) of all rows, in pieces that are small enough to be dense."""
        yield 0, self.standardized

    def exact(self) -> DoubleDouble:
        """The block's standardized columns without the rounding of the shift."""
        return standardized_exactly(self._X, self._shift, self._scale)

    @cached_property
    def _in_place(self) -> bool:
        if self.augmented is not None or self._scale is None:
            return False
        return self._shift is None or bool((np.abs(self._shift) <= _SAFE_SHIFT * self._scale).all())

    @cached_property
    def _raw(self) -> Array:
        """The block's own entries in float64: X itself, or a copy as long as the block lives."""
        return self._X.astype(np.float64, copy=False)

    def matvec(self, matrix: Array) -> Array:
        """Return matrix @ [rows 1].T, shape (q, n), of a matrix of shape (q, p + 1): the intercepts come last."""
        if self.augmented is not None:
            return np.dot(matrix, self.augmented.T)
        coef, constant = matrix[:, :-1], matrix[:, -1]
        if self._in_place:
            coef = coef / self._scale
            constant = constant if self._shift is None else constant - coef @ self._shift
        eta = np.dot(coef, (self._raw if self._in_place else self.standardized).T)
        eta += constant[:, None]
        return eta

    def transpose_matvec(self, residual: Array) -> Array:
        """Return residual @ [rows 1], shape (q, p + 1): the last column is the intercepts'."""
        if self.augmented is not None:
            return np.dot(residual, self.augmented)
        total = residual.sum(axis=-1)
        gradient = np.empty((len(residual), self.n_columns + 1), dtype=residual.dtype)
        gradient[:, -1] = total
        if not self._in_place:
            gradient[:, :-1] = np.dot(residual, self.standardized)
            return gradient
        gradient[:, :-1] = np.dot(residual, self._raw)
        if self._shift is not None:
            gradient[:, :-1] -= np.multiply.outer(total, self._shift)
        gradient[:, :-1] /= self._scale
        return gradient

    def sandwich(self, weight: Array) -> Array:
        """Return [rows 1].T @ diag(weight) @ [rows 1], shape (p + 1, p + 1): the last column is the intercept's.

        Nonnegative weights in single precision ask for no more than its digits: of many columns in less time.
        """
        if weight.dtype == np.float32:
            return self._rough_sandwich(weight)
        if self.augmented is not None:
            return cross_product(self.augmented, weight)
        p, in_place = self.n_columns, self._in_place
        X = self._raw if in_place else self.standardized
        out = np.empty((p + 1, p + 1))
        out[:p, :p] = cross_product(X, weight)
        out[:p, p] = out[p, :p] = np.dot(weight, X)
        out[p, p] = weight.sum()
        if in_place:
            # Centred algebraically: |shift| <= 1e3 scale bounds what this cancels to six digits of sixteen.
            standardize_sandwich(out, self._shift, self._scale)
        return out

    def _rough_sandwich(self, weight: Array) -> Array:
        total, root = np.zeros((self.n_columns + 1, self.n_columns + 1)), np.sqrt(weight)[:, None]
        for start in range(0, self.n_rows, _SINGLE_ROWS):
            some = slice(start, start + _SINGLE_ROWS)
            X = self._X[some]
            piece = np.ones((len(X), self.n_columns + 1), dtype=np.float32)
            # Centred in double precision: a mean far from zero costs no digits.
            np.subtract(X, 0.0 if self._shift is None else self._shift, out=piece[:, :-1], casting="same_kind")
            standardized(piece[:, :-1], None, self._scale)
            piece *= root[some]
            total += np.dot(piece.T, piece)
        return total

    def uncentred(self, indices: Array) -> tuple[Array, Array]:
        """Return (rows, centre) of the given rows, whose difference is their standardized columns."""
        return self.take(indices).standardized, np.zeros(self.n_columns)

    def quadratic(self, matrix: Array) -> Array:
        """Return (x, 1)' matrix (x, 1) of every row x, shape (n,)."""
        if self.augmented is not None:
            if self.augmented.strides[0] == self.augmented.itemsize:  # column by column
                return np.einsum("pn,pn->n", np.dot(matrix, self.augmented.T), self.augmented.T)
            return np.einsum("np,np->n", np.dot(self.augmented, matrix), self.augmented)
        X = self.standardized
        product = X @ matrix[:-1, :-1]
        product += matrix[-1, :-1] + matrix[:-1, -1]
        return np.einsum("np,np->n", product, X) + matrix[-1, -1]


class SingleRows(DenseRows):
    """Standardized rows, float32, whose products with a matrix are in single precision: half of the time."""

    def block(self, start: int, stop: int) -> "SingleRows":
        """Return the rows from start to stop (a view)."""
        return SingleRows(self._X[start:stop])

    def matvec(self, matrix: Array) -> Array:
        """Return matrix @ [rows 1].T, shape (q, n), float32."""
        coef = matrix.astype(np.float32)
        eta = np.dot(coef[:, :-1], self._X.T)
        eta += coef[:, -1:]
        return eta

    def transpose_matvec(self, residual: Array) -> Array:
        """Return residual @ [rows 1], shape (q, p + 1), as float64."""
        gradient = np.empty((len(residual), self.n_columns + 1))
        gradient[:, :-1], gradient[:, -1] = np.dot(residual, self._X), residual.sum(axis=-1)
        return gradient


class StoredRows(DenseRows):
    """The rows of a StoredArray: blocks of them are dense rows, read when asked for; all are never read at once."""

    def standardize(self, shift: Array | None, scale: Array | None) -> "StoredRows":
        """Return the same rows, of X as it is, seen as (X - shift) / scale."""
        return StoredRows(self._X, shift, scale)

    def block(self, start: int, stop: int) -> DenseRows:
        """Return the rows from start to stop, read."""
        return DenseRows(self._X[start:stop], self._shift, self._scale)

    @property
    def n_read(self) -> int:
        """How many rows of chunks were read so far."""
        return int(self._X.n_read)


def _few_copied(rows: DenseRows) -> DenseRows:
    """Return the rows, with a standardized copy where they are few."""
    return rows.copied() if rows.n_rows * rows.n_columns <= COPY_ELEMENTS else rows


def standardized(columns: Array, shift: Array | None, scale: Array | None) -> Array:
    """Turn columns of floats into (columns - shift) / scale, in place, and return them."""
    if shift is not None:
        columns -= shift
    if scale is not None:
        columns *= 1 / scale  # of a power of two: exact
    return columns


def standardized_exactly(X: Array, shift: Array | None, scale: Array | None) -> DoubleDouble:
    """Return (X - shift) / scale, for scales that are powers of two."""
    columns = DoubleDouble.of(X.astype(np.float64))
    if shift is not None:
        columns = columns - shift
    return columns if scale is None else DoubleDouble(columns.high / scale, columns.low / scale)


def standardize_sandwich(sandwich: Array, shift: Array | None, scale: Array | None) -> None:
    """Turn the sandwich of raw columns and a column of ones into that of (columns - shift) / scale, in place."""
    p = len(sandwich) - 1
    if shift is not None:
        half = sandwich[p, :p] - 0.5 * sandwich[p, p] * shift
        sandwich[:p, :p] -= np.multiply.outer(shift, half)
        sandwich[:p, :p] -= np.multiply.outer(half, shift)
        sandwich[:p, p] -= sandwich[p, p] * shift
        sandwich[p, :p] = sandwich[:p, p]
    if scale is not None:
        sandwich[:, :p] /= scale
        sandwich[:p] /= scale[:, None]


def _column_maxima(block: Array) -> Array:
    """Return ``block.max(axis=0)``, with the rows of narrow blocks folded: numpy's loop is long only along a row."""
    n, p = block.shape
    fold = max(1, _FOLDED // p)
    whole = n // fold * fold
    folded = block[:whole].reshape(-1, fold * p).max(axis=0, initial=-np.inf).reshape(fold, p)
    return np.concatenate([folded, block[whole:]]).max(axis=0)


def cross_product(X: Array, weight: Array) -> Array:
    """Return X.T @ diag(weight) @ X, piece by piece: the weighted copy of a piece is still in cache for its product."""
    n, p = X.shape
    # One number for all rows, as in least squares: no weighted copy (a fit of 500,000 x 100: 201 to 148 ms).
    constant = n > 0 and (weight.strides == (0,) or bool(weight[0] == weight[-1] and (weight == weight[0]).all()))
    longest = max(_PIECE_ROWS, _SMALL_PRODUCT // max(p * p, 1), min(4 * p, _WIDE_PIECE // max(p, 1)))
    whole = n * p * p <= _SMALL_PRODUCT or (constant and p > _FEW_COLUMNS)
    step = max(1, -(-n // (1 if whole else -(-n // longest))))
    # numpy computes dot(A.T, A) by syrk, half the work of a general product; weights must have one sign for that.
    many = p > _FEW_COLUMNS
    positive = many and weight.min(initial=0.0) >= 0
    rooted = positive or (many and weight.max(initial=0.0) <= 0)
    total = np.zeros((p, p))
    for start in range(0, n, step):
        piece, w = X[start : start + step], weight[start : start + step, None]
        if constant:
            product = np.dot(piece.T, piece)
        elif rooted:
            root = piece * np.sqrt(np.abs(w))
            product = np.dot(root.T, root)
        else:
            product = np.dot(piece.T, piece * w)
        total = product if start == 0 else np.add(total, product, out=total)
    if constant:
        total *= weight[0]
    elif rooted and not positive:
        np.negative(total, out=total)
    return total
