"""Rows in memory, sparse (CSR): the same three verbs; columns are shifted and scaled only algebraically."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sklearn_mle._numerics.arguments import first_true
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._rows.dense import DenseRows, cross_product, standardize_sandwich, standardized, standardized_exactly

# Columns per entry of a row up to which a sandwich is done by dense BLAS, on small blocks. In ms of 20,000 rows, dense
# and sparse: 14 and 15 (108 columns, 12 entries a row), 12 and 3 (108, 4), 83 and 24 (300, 12), 86 and 134 (300, 40).
_DENSE_SANDWICH = 12
_DENSE_ELEMENTS = 1 << 18
_DENSE_TAKEN = 1 << 20


class SparseRows:
    """A slice of a CSR matrix, seen as the standardized columns (X - shift) / scale, never made dense as a whole."""

    def __init__(self, X: Any, shift: Array | None = None, scale: Array | None = None) -> None:
        self._X, self._shift, self._scale = X, shift, scale
        self._cache: dict[tuple[int, int], SparseRows] = {}
        self.n_rows, self.n_columns = X.shape
        self.entries_per_row = X.nnz / max(X.shape[0], 1)
        self.in_single_precision = X.dtype == np.float32

    def block(self, start: int, stop: int) -> "SparseRows":
        """Return the rows from start to stop; they share X's memory and are kept, for slicing a CSR is not free."""
        if (start, stop) == (0, self.n_rows):
            return self
        if (start, stop) not in self._cache:
            X = self._X
            first, last = X.indptr[start], X.indptr[stop]
            # Given as arguments the arrays would be copied: scipy takes views of a larger array for waste.
            piece = type(X)((stop - start, self.n_columns), dtype=X.dtype)
            piece.data, piece.indices = X.data[first:last], X.indices[first:last]
            piece.indptr = X.indptr[start : stop + 1] - first
            self._cache[start, stop] = SparseRows(piece, self._shift, self._scale)
        return self._cache[start, stop]

    def columns(self, chosen: Array) -> "SparseRows":
        """Return the same rows of the given columns alone, copied."""
        return SparseRows(
            self._X[:, chosen],
            None if self._shift is None else self._shift[chosen],
            None if self._scale is None else self._scale[chosen],
        )

    def take(self, indices: Array) -> "SparseRows | DenseRows":
        """Return the given rows, copied: dense where they are few, for then their curvature is cheaper so."""
        taken = self._X[indices]
        if taken.shape[0] * self.n_columns > _DENSE_TAKEN:
            return SparseRows(taken, self._shift, self._scale)
        return DenseRows(taken.toarray(), self._shift, self._scale).copied()

    def standardize(self, shift: Array | None, scale: Array | None) -> "SparseRows":
        """Return the same rows, of X as it is, seen as (X - shift) / scale."""
        return SparseRows(self._X, shift, scale)

    def moments(self, weight: Array | None) -> tuple[Array, Array, Array]:
        """Return weighted sums of X's entries and of their squares, and the largest absolute ones, by column."""
        X, largest = self._X, np.zeros(self.n_columns)
        w = np.ones(self.n_rows) if weight is None else weight
        entries = X.data.astype(np.float64)
        np.maximum.at(largest, X.indices, np.abs(entries))  # scipy's max(axis=0) would sort the entries by column first
        squares = type(X)((np.square(entries), X.indices, X.indptr), shape=X.shape, copy=False)
        return np.asarray(X.T @ w, dtype=np.float64), np.asarray(squares.T @ w), largest

    def raw_pieces(self, columns: Array) -> Iterator[tuple[int, Array]]:
        """Yield (first row, some of X's own columns in float64) of all rows, in pieces small enough to be dense."""
        X, step = self._X[:, columns], max(256, _DENSE_ELEMENTS // max(len(columns), 1))
        for start in range(0, max(self.n_rows, 1), step):
            yield start, np.asarray(X[start : start + step].toarray(), dtype=np.float64)

    def first_not_finite(self) -> int | None:
        """Return the first row with an entry that is NaN or infinite, or None."""
        entry = first_true(np.logical_not(np.isfinite(self._X.data)))
        return None if entry is None else int(np.searchsorted(self._X.indptr, entry, side="right")) - 1

    augmented: None = None  # dense copies alone have one

    @property
    def standardized(self) -> Array:
        """The standardized columns, dense float64: for small problems only."""
        return standardized(self._X.toarray().astype(np.float64), self._shift, self._scale)

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """Yield (first row, standardized columns) of all rows, in pieces that are small enough to be dense."""
        step = max(256, _DENSE_ELEMENTS // max(self.n_columns, 1))
        for start in range(0, max(self.n_rows, 1), step):
            piece = SparseRows(self._X[start : start + step], self._shift, self._scale)
            yield start, piece.standardized

    def exact(self) -> DoubleDouble:
        """The standardized columns, dense, without the rounding of the shift: for small problems only."""
        return standardized_exactly(self._X.toarray(), self._shift, self._scale)

    def matvec(self, matrix: Array) -> Array:
        """Return matrix @ [rows 1].T, shape (q, n), of a matrix of shape (q, p + 1): the intercepts come last."""
        coef, constant = matrix[:, :-1], matrix[:, -1]
        raw = coef if self._scale is None else coef / self._scale
        if len(raw) == 1:
            eta = np.asarray(self._X @ raw[0], dtype=np.float64)[None]
        else:
            eta = np.ascontiguousarray((self._X @ raw.T).T, dtype=np.float64)
        eta += (constant if self._shift is None else constant - raw @ self._shift)[:, None]
        return eta

    def transpose_matvec(self, residual: Array) -> Array:
        """Return residual @ [rows 1], shape (q, p + 1): the last column is the intercepts'."""
        total = residual.sum(axis=-1)
        gradient = np.asarray((self._X.T @ residual.T).T, dtype=np.float64)
        if self._shift is not None:
            gradient = gradient - np.multiply.outer(total, self._shift)
        if self._scale is not None:
            gradient = gradient / self._scale
        return np.concatenate([gradient, total[:, None]], axis=1)

    def sandwich(self, weight: Array) -> Array:
        """Return [rows 1].T @ diag(weight) @ [rows 1], shape (p + 1, p + 1), dense."""
        p = self.n_columns
        out = np.empty((p + 1, p + 1))
        out[:p, :p] = self._raw_sandwich(weight)
        out[:p, p] = out[p, :p] = self._X.T @ weight
        out[p, p] = weight.sum()
        standardize_sandwich(out, self._shift, self._scale)
        return out

    def uncentred(self, indices: Array) -> tuple[Any, Array]:
        """Return (rows, centre) of the given rows, whose difference is their standardized columns; rows are sparse."""
        X = self._X[indices].astype(np.float64)
        scale = np.ones(self.n_columns) if self._scale is None else self._scale
        shift = np.zeros(self.n_columns) if self._shift is None else self._shift
        X.data /= scale[X.indices]
        return X, shift / scale

    def quadratic(self, matrix: Array) -> Array:
        """Return (x, 1)' matrix (x, 1) of every row x, shape (n,)."""
        p = self.n_columns
        raw = matrix.copy()
        if self._scale is not None:
            raw[:p] /= self._scale[:, None]
            raw[:, :p] /= self._scale
        if self._shift is not None:
            raw[p] -= self._shift @ raw[:p]
            raw[:, p] -= raw[:, :p] @ self._shift
        out = np.asarray(self._X @ (raw[p, :p] + raw[:p, p]), dtype=np.float64) + raw[p, p]
        step = max(256, _DENSE_ELEMENTS // max(p, 1))
        for start in range(0, self.n_rows, step):
            X = self.block(start, min(start + step, self.n_rows))._X
            out[start : start + step] += np.asarray(X.multiply(X @ raw[:p, :p]).sum(axis=1)).ravel()
        return out

    def _raw_sandwich(self, weight: Array) -> Array:
        X, p = self._X, self.n_columns
        if p > _DENSE_SANDWICH * self.entries_per_row:
            return np.asarray((X.T @ X.multiply(weight[:, None]).tocsr()).toarray(), dtype=np.float64)
        total = np.zeros((p, p))
        step = max(256, _DENSE_ELEMENTS // max(p, 1))
        for start in range(0, self.n_rows, step):
            stop = min(start + step, self.n_rows)
            block = np.asarray(self.block(start, stop)._X.toarray(), dtype=np.float64)
            total += cross_product(block, weight[start:stop])
        return total
