"""Is the estimate unique? Which columns depend on which, and the coefficients of minimum norm when they do."""

import functools
import operator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from sklearn_mle._numerics.factors import RowsUpToRotation
from sklearn_mle._rows import RowBlock, RowBlocks
from sklearn_mle._rows.columns import Columns

__all__ = ["Identification", "identify"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Identification:
    """Which columns carry the fit, and which combinations of columns the data say nothing about.

    Attributes
    ----------
    active : ndarray of int
        A largest set of columns that are independent of each other (and of the intercept).
    dependent : ndarray of int
        The other columns.
    basis : ndarray of shape (p, k)
        Orthonormal, in X's own units: of the coefficients that leave every fitted value as it is (the null space), or
        of their complement (the row space), whichever has fewer dimensions.
    is_null_space : bool
    mean : ndarray of shape (p,)
        Weighted means of the standardized columns: what the intercept gives back for a move in the null space.
    """

    active: Array
    dependent: Array
    basis: Array
    is_null_space: bool
    mean: Array

    def minimum_norm(self, matrix: Array, columns: Columns) -> Array:
        """Return the coefficients (standardized, (q, p + 1)) of least norm in X's units with the same fitted values."""
        coef = (matrix[:, :-1] / columns.scale).astype(np.float64)
        change = np.zeros_like(coef)
        for _ in range(2):  # once more removes what the first projection left to rounding
            projection = ((coef + change) @ self.basis) @ self.basis.T
            change = change - projection if self.is_null_space else projection - coef
        standardized = change * columns.scale
        out = matrix.copy()
        out[:, :-1] += standardized
        out[:, -1] -= standardized @ self.mean
        return out

    def null_space(self, columns: Columns, intercept: bool) -> Array:
        """Return the changes of (coefficients, intercept) that leave every fitted value as it is, in X's units.

        Returns
        -------
        ndarray of shape (p + 1, k)
        """
        null = self.basis
        if not self.is_null_space:
            # Complements are taken in standardized units: in X's own a column of small numbers would drown.
            rows, _ = np.linalg.qr(self.basis / columns.scale[:, None], mode="complete")
            null = rows[:, self.basis.shape[1] :] / columns.scale[:, None]
        # A vector's entry is the intercept's share: it undoes the move at the columns' means.
        share = -(columns.shift + columns.scale * self.mean) @ null if intercept else np.zeros(null.shape[1])
        return np.concatenate([null, share[None]])


def identify(data: RowBlocks, columns: Columns, *, intercept: bool) -> Identification:
    """Return which columns are identified, by a pivoted QR of the (centred) standardized columns.

    A column counts as dependent when what is left of it beside the others is below the rounding of its own entries.
    """
    p = data.n_columns
    candidates = np.flatnonzero(~columns.constant)

    triangle = data.sum(DesignRows(candidates, intercept))[0].triangle
    mean = np.zeros(p)
    if intercept:
        mean[candidates] = triangle[0, 1:] / triangle[0, 0]
        triangle = triangle[1:, 1:]
    R, order = (
        scipy.linalg.qr(triangle, mode="r", pivoting=True, check_finite=False)
        if len(candidates)
        else (
            np.zeros((0, 0)),
            np.zeros(0, dtype=int),
        )
    )
    size = np.abs(R.diagonal())
    root_n = np.sqrt(data.n_rows)
    noise = (8 * columns.noise[candidates][order][: len(size)] + max(data.n_rows, p) * np.finfo(float).eps) * root_n
    # Noise carries over from the columns a dependent one is made of, so the largest of those before it counts.
    below = size <= np.maximum.accumulate(noise) if len(size) else np.zeros(0, dtype=bool)
    rank = int(np.argmax(below)) if below.any() else len(size)
    active = np.sort(candidates[order[:rank]])
    dependent = np.setdiff1d(np.arange(p), active)
    if p - rank <= rank:
        return Identification(active, dependent, _null_space(R, order, rank, candidates, columns), True, mean)
    rows = np.zeros((rank, p))
    rows[:, candidates[order]] = R[:rank]
    return Identification(active, dependent, _orthonormal((rows * columns.scale).T), False, mean)


@dataclass(slots=True)
class DesignRows:
    """Rows whose cross-product is that of a block's design: the chosen columns, after one of ones where asked for."""

    columns: Array
    intercept: bool
    task_name: ClassVar[str] = "mle-design"

    def __call__(self, block: RowBlock) -> tuple[RowsUpToRotation]:
        parts = []
        for start, piece in block.rows.pieces():
            rows = piece[:, self.columns]
            if self.intercept:
                rows = np.concatenate([np.ones((len(rows), 1)), rows], axis=1)
            if block.weight is not None:
                rows = rows * np.sqrt(block.weight[start : start + len(rows)])[:, None]
            parts.append(RowsUpToRotation(rows))
        return (functools.reduce(operator.add, parts),)


def _null_space(R: Array, order: Array, rank: int, candidates: Array, columns: Columns) -> Array:
    p, n_candidates = len(columns.scale), len(candidates)
    basis = np.zeros((p, p - rank))
    if n_candidates > rank:
        solved = (
            scipy.linalg.solve_triangular(R[:rank, :rank], R[:rank, rank:], check_finite=False)
            if rank
            else R[:0, rank:]
        )
        free = n_candidates - rank
        basis[candidates[order[:rank]], :free] = -solved
        basis[candidates[order[rank:]], np.arange(free)] = 1
        basis /= columns.scale[:, None]
    else:
        free = 0
    constant = np.flatnonzero(columns.constant)
    basis[constant, free + np.arange(len(constant))] = 1
    return _orthonormal(basis)


def _orthonormal(basis: Array) -> Array:
    if not basis.shape[1]:
        return basis
    return scipy.linalg.qr(basis / np.abs(basis).max(axis=0), mode="economic", check_finite=False)[0]
