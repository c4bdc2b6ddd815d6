"""The standardization of X's columns: where each is centred and in which unit it is measured, without copying X."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle.numerics.double_double import DoubleDouble
from sklearn_mle.numerics.threads import map_in_threads, n_threads

__all__ = ["Columns", "NotFiniteError"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
_BLOCK_ELEMENTS = 1 << 17
_SEGMENTS = 8
_FOLDED = 512
# Sums of squares between these bounds cannot have lost a column to overflow or underflow.
_TINY, _HUGE = 1e-140, 1e140
# A spread below this many roundings of the largest entry is the rounding of a constant, not information.
_CONSTANT = 16 * _EPS


class NotFiniteError(ValueError):
    """An entry is NaN or infinite. The moments see every entry, so a large X is not read once more to find out."""


@dataclass(frozen=True)
class Columns:
    """Shift and scale of every column: standardized = (X - shift) / scale.

    Scales are powers of two and shifts lie on a coarse grid, so that standardizing rounds as little as it can: data on
    a grid (integers, prices) are standardized exactly.

    Attributes
    ----------
    shift : ndarray of shape (p,)
        Near the weighted mean; zero without an intercept, which alone can undo a shift.
    scale : ndarray of shape (p,)
        Near the weighted standard deviation (root mean square without an intercept), positive.
    constant : ndarray of bool, shape (p,)
        Columns that carry no information beside the intercept (without one: columns of zeros).
    noise : ndarray of shape (p,)
        The rounding of a column's entries, in its standardized unit: what is smaller cannot be told from zero.
    spread : ndarray of shape (p,)
        The standard deviation itself (zero for constant columns), in standardized units: between 0.7 and 1.5.
    largest : ndarray of shape (p,)
        An upper bound of the absolute entries, in standardized units.
    """

    shift: Array
    scale: Array
    constant: Array
    noise: Array
    spread: Array
    largest: Array

    @property
    def ratio(self) -> Array:
        """Shift over scale, exact; zero for constant columns, which have no unit of their own nor a coefficient."""
        return np.where(self.constant, 0.0, self.shift / self.scale)

    @classmethod
    def of(cls, X: Any, weight: Array | None, *, centre: bool, least_scale: float = 0.0) -> "Columns":
        """Return the standardization of a dense or CSR matrix.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n, p)
        weight : ndarray of shape (n,) or None
        centre : bool
            Whether there is an intercept to take the shift.
        least_scale : float
            Lower bound of the scales: a column far below it is governed by the prior, not by its spread.

        Raises
        ------
        NotFiniteError
            If an entry is NaN or infinite.
        """
        mean, spread, largest = _sparse_moments(X, weight) if sp.issparse(X) else _dense_moments(X, weight)
        constant = spread <= _CONSTANT * largest if centre else largest == 0
        if not centre:
            with np.errstate(over="ignore", under="ignore"):
                spread, mean = np.hypot(mean, spread), np.zeros_like(mean)
        constant |= spread == 0
        unit = np.where(constant, 1.0, np.maximum(spread, least_scale))
        scale = np.exp2(np.clip(np.rint(np.log2(unit)), -1000, 1000))
        grid = scale / 8
        with np.errstate(over="ignore"):
            steps = mean / grid
            reach = np.where(constant, 0.0, largest / scale + 2 * np.abs(mean / scale)) if centre else largest / scale
        # Beyond 2^53 grid steps the mean is on a coarser grid already.
        # A constant column is shifted by itself, to zero.
        shift = np.where((np.abs(steps) < 2.0**52) & ~constant, np.rint(steps) * grid, mean)
        return cls(shift, scale, constant, _EPS * np.maximum(largest / unit, 1.0), spread / scale, reach)

    def to_original(self, matrix: Array | DoubleDouble) -> Array:
        """Return coefficients (q, p + 1) of the standardized columns in X's own units.

        Intercepts are formed in twice the precision; a coefficient beyond the range of float64 becomes inf.
        """
        matrix = DoubleDouble.of(matrix)
        with np.errstate(over="ignore", invalid="ignore"):
            coef = matrix.rounded[:, :-1] / self.scale
            return np.concatenate([coef, self.intercept(matrix).rounded[:, None]], axis=1)

    def intercept(self, matrix: DoubleDouble) -> DoubleDouble:
        """Return the intercepts (q,) that go with coefficients (q, p + 1) of the standardized columns, in X's units."""
        return matrix[:, -1] - (matrix[:, :-1] * self.ratio).sum()

    def to_standardized(self, matrix: Array) -> Array:
        """Return coefficients (q, p + 1) of X's own columns as those of the standardized ones."""
        coef = matrix[:, :-1]
        return np.concatenate([coef * self.scale, (matrix[:, -1] + coef @ self.shift)[:, None]], axis=1)


def _dense_moments(X: Array, weight: Array | None) -> tuple[Array, Array, Array]:
    """Return each column's weighted mean, standard deviation and largest absolute entry."""
    n, p = X.shape
    if p == 0:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    rows = max(64, _BLOCK_ELEMENTS // p)
    per_segment = max(rows, -(-n // _SEGMENTS))

    def walk(first: int) -> tuple[Array, Array, Array]:
        sums, squares, largest = np.zeros(p), np.zeros(p), np.zeros(p)
        for start in range(first, min(first + per_segment, n), rows):
            stop = min(start + rows, first + per_segment, n)
            block = X[start:stop] if X.dtype == np.float64 else X[start:stop].astype(np.float64)
            w = np.ones(stop - start) if weight is None else weight[start:stop]
            sums += np.dot(w, block)
            block = np.square(block)
            squares += np.dot(w, block)
            np.maximum(largest, _column_maxima(block), out=largest)
        return sums, squares, largest

    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        parts = map_in_threads(walk, range(0, n, per_segment), n_threads() if n * p > _BLOCK_ELEMENTS else 1)
        total = float(n) if weight is None else float(weight.sum())
        mean = sum(part[0] for part in parts) / total
        second = sum(part[1] for part in parts) / total
        largest = np.sqrt(np.maximum.reduce([part[2] for part in parts]))
        variance = second - np.square(mean)
    spread = np.sqrt(np.maximum(variance, 0))
    # Overflow, underflow, or a mean so far from zero that the difference cancels: take those columns again, alone.
    lost = ~((second < _HUGE) & (second > _TINY)) | (variance <= 1e-6 * second)
    for j in np.flatnonzero(lost):
        column = np.asarray(X[:, j], dtype=np.float64)
        mean[j], spread[j] = _one_column(column, weight, total)
        largest[j] = float(np.abs(column).max())
    return mean, spread, largest


def _column_maxima(block: Array) -> Array:
    """Return ``block.max(axis=0)``, with the rows of narrow blocks folded: numpy's loop is long only along a row."""
    n, p = block.shape
    fold = max(1, _FOLDED // p)
    whole = n // fold * fold
    folded = block[:whole].reshape(-1, fold * p).max(axis=0, initial=-np.inf).reshape(fold, p)
    return np.concatenate([folded, block[whole:]]).max(axis=0)


def _one_column(x: Array, weight: Array | None, total: float) -> tuple[float, float]:
    """Return mean and standard deviation by two passes, scaled against overflow and underflow."""
    if not np.isfinite(x).all():
        raise NotFiniteError("X has an entry that is NaN or infinite")
    used = x if weight is None else x[weight > 0]
    largest = float(np.abs(used).max(initial=0.0))
    if largest == 0:
        return 0.0, 0.0
    if (used == used[0]).all():
        return float(used[0]), 0.0
    w = np.ones(len(x)) if weight is None else weight
    power = float(np.exp2(np.floor(np.log2(largest))))
    x = np.where(w > 0, x, 0.0) / power
    mean = float(w @ x) / total
    variance = float(w @ np.square(x - mean)) / total
    return mean * power, float(np.sqrt(variance)) * power


def _sparse_moments(X: Any, weight: Array | None) -> tuple[Array, Array, Array]:
    n, p = X.shape
    w = np.ones(n) if weight is None else weight
    total = float(w.sum())
    data = X.data.astype(np.float64)
    largest = np.zeros(p)
    np.maximum.at(largest, X.indices, np.abs(data))  # scipy's max(axis=0) would sort the entries by column first
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mean = np.asarray(X.T @ w, dtype=np.float64) / total
        squares = type(X)((np.square(data), X.indices, X.indptr), shape=X.shape, copy=False)
        second = np.asarray(squares.T @ w) / total
        variance = second - np.square(mean)
    lost = ~((second < _HUGE) & (second > _TINY)) & (largest > 0)
    lost |= (variance <= 1e-6 * second) & (largest > 0)
    spread = np.sqrt(np.maximum(variance, 0))
    if lost.any():
        by_column = X.tocsc()
        for j in np.flatnonzero(lost):
            mean[j], spread[j] = _one_column(by_column[:, [j]].toarray().ravel().astype(np.float64), weight, total)
    return mean, spread, largest
