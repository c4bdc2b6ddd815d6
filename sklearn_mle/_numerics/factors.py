"""Factors of symmetric positive definite matrices, and the changes of variables that they make.

A factor of A is a matrix R with R'R = A. Two maps are all that solvers, certificates and covariances need of it:
``whiten(g)`` = R^-T g and ``unwhiten(z)`` = R^-1 z. Then A^-1 g = unwhiten(whiten(g)) and g'A^-1 g = |whiten(g)|^2.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import accumulate

import numpy as np
from scipy.linalg import lapack

from sklearn_mle._numerics.arrays import EPS, Array

_CLEAR = 0.05
_MOST_INVERTED = 400
# Up to this order a product of two triangles costs no more than the estimate of its norm.
_MOST_MULTIPLIED = 100
# Fewer rows than this many times the columns are not yet worth a QR decomposition.
_MOST_ROWS_PER_COLUMN = 4
# Pivots above this leave no doubt of a small matrix's condition, so that it need not be estimated.
SAFE_PIVOT = 1e-4
_LEAST_DAMPING = 1e-10


class NotPositiveDefiniteError(ValueError):
    """The matrix has no Cholesky factor in floating point. Never leaves the library."""


class Factor(ABC):
    """R with R'R = A, for a symmetric positive definite A of order ``size``."""

    size: int

    @abstractmethod
    def whiten(self, gradient: Array) -> Array:
        """Return R^-T gradient; a matrix is taken column by column."""

    @abstractmethod
    def unwhiten(self, step: Array) -> Array:
        """Return R^-1 step; a matrix is taken column by column."""

    @property
    @abstractmethod
    def condition(self) -> float:
        """Condition number of R after its columns were scaled to unit length (estimated)."""

    @abstractmethod
    def times(self, multiple: float) -> "Factor":
        """Return the factor of ``multiple`` A, for a positive multiple."""

    @property
    @abstractmethod
    def log_determinant(self) -> float:
        """The logarithm of the determinant of A."""

    @property
    def inverse_norm(self) -> float:
        """An upper estimate of the norm of R^-1: its Frobenius norm."""
        return float(np.linalg.norm(self.unwhiten(np.eye(self.size))))

    @property
    def resolved(self) -> bool:
        """Whether the least curvature of A stands clear of the rounding with which A was formed and factored."""
        return self.condition * EPS < _CLEAR

    def solve(self, vector: Array) -> Array:
        """Return A^-1 vector."""
        return self.unwhiten(self.whiten(vector))

    def inverse(self) -> Array:
        """Return A^-1."""
        root = self.unwhiten(np.eye(self.size))
        return np.dot(root, root.T)

    def squared_norm(self, gradient: Array) -> float:
        """Return gradient' A^-1 gradient: twice the Newton decrement's estimate of the gap to the minimum."""
        white = self.whiten(gradient)
        return float(white @ white)


class DiagonalFactor(Factor):
    """The factor of a diagonal matrix."""

    def __init__(self, diagonal: Array) -> None:
        self.root = np.sqrt(diagonal)
        self.size = len(diagonal)

    def times(self, multiple: float) -> "DiagonalFactor":
        return DiagonalFactor(np.square(self.root) * multiple)

    def whiten(self, gradient: Array) -> Array:
        return (gradient.T / self.root).T

    def unwhiten(self, step: Array) -> Array:
        return self.whiten(step)

    @property
    def condition(self) -> float:
        return 1.0

    @property
    def log_determinant(self) -> float:
        return 2 * float(np.log(self.root).sum())


class InverseRootFactor(Factor):
    """A from the root T of its inverse, A^-1 = T T', and its condition: what is known of a factor that was read."""

    def __init__(self, root: Array, condition: float) -> None:
        self._root, self._condition, self.size = root, condition, len(root)

    def times(self, multiple: float) -> "InverseRootFactor":
        return InverseRootFactor(self._root / np.sqrt(multiple), self._condition)

    def whiten(self, gradient: Array) -> Array:
        return self._root.T @ gradient

    def unwhiten(self, step: Array) -> Array:
        return self._root @ step

    @property
    def condition(self) -> float:
        return self._condition

    @property
    def log_determinant(self) -> float:
        return -2 * float(np.linalg.slogdet(self._root)[1])


class BlockDiagonalFactor(Factor):
    """The factor of a block diagonal matrix, from the factors of its blocks."""

    def __init__(self, blocks: Sequence[Factor]) -> None:
        self.blocks = tuple(blocks)
        self.size = sum(block.size for block in blocks)
        self._ends = list(accumulate(block.size for block in blocks))[:-1]

    def times(self, multiple: float) -> "BlockDiagonalFactor":
        return BlockDiagonalFactor([block.times(multiple) for block in self.blocks])

    def whiten(self, gradient: Array) -> Array:
        return np.concatenate([block.whiten(part) for block, part in self._with_parts(gradient)])

    def unwhiten(self, step: Array) -> Array:
        return np.concatenate([block.unwhiten(part) for block, part in self._with_parts(step)])

    def _with_parts(self, vector: Array) -> Iterator[tuple[Factor, Array]]:
        return zip(self.blocks, np.split(vector, self._ends), strict=True)

    @property
    def inverse_norm(self) -> float:
        # Of as many columns as there are in a block, not in all of them.
        return math.hypot(*(block.inverse_norm for block in self.blocks))

    @property
    def condition(self) -> float:
        # Exact where all blocks but one are diagonal: their singular values are one, between those of any other.
        return max(block.condition for block in self.blocks)

    @property
    def log_determinant(self) -> float:
        return sum(block.log_determinant for block in self.blocks)


class RotatedFactor(Factor):
    """A = R' Q diag(root)^2 Q' R for a factor R, rotation Q and roots."""

    def __init__(self, inner: Factor, rotation: Array, root: Array) -> None:
        self._inner, self._rotation, self._root, self.size = inner, rotation, root, inner.size

    def times(self, multiple: float) -> "RotatedFactor":
        return RotatedFactor(self._inner, self._rotation, self._root * np.sqrt(multiple))

    def whiten(self, gradient: Array) -> Array:
        return ((self._rotation.T @ self._inner.whiten(gradient)).T / self._root).T

    def unwhiten(self, step: Array) -> Array:
        return self._inner.unwhiten(self._rotation @ (step.T / self._root).T)

    @property
    def condition(self) -> float:
        return self._inner.condition * float(self._root.max() / self._root.min())

    @property
    def log_determinant(self) -> float:
        return self._inner.log_determinant + 2 * float(np.log(self._root).sum())


class _Triangle(Factor):
    """A = D U'U D with U upper triangular of unit columns, D diagonal; a large U is not clean below its diagonal."""

    def __init__(self, upper: Array, scale: Array) -> None:
        self._upper, self.scale, self.size = upper, scale, len(scale)
        # The smallest diagonal entry of U: the distance of a column from the span of those before it, at most one.
        self.least_pivot = min(map(abs, upper.diagonal().tolist()), default=1.0)

    def times(self, multiple: float) -> "_Triangle":
        return _Triangle(self._upper, self.scale * np.sqrt(multiple))

    def whiten(self, gradient: Array) -> Array:
        # dtrtrs directly: scipy.linalg.solve_triangular costs ten times as much on a vector of thirty. LAPACK takes no
        # matrix of order zero (a model without parameters); there, nothing is to be solved.
        scaled = (gradient.T / self.scale).T
        return lapack.dtrtrs(self._upper, scaled, lower=0, trans=1)[0] if self.size else scaled

    def unwhiten(self, step: Array) -> Array:
        solved = lapack.dtrtrs(self._upper, step, lower=0, trans=0)[0] if self.size else step
        return (solved.T / self.scale).T

    def inverse(self) -> Array:
        if not self.size:
            return np.zeros((0, 0))
        upper = self._upper if self.size <= _MOST_MULTIPLIED else np.triu(self._upper)
        root = lapack.dtrtri(upper)[0] / self.scale[:, None]
        return np.dot(root, root.T)

    @property
    def log_determinant(self) -> float:
        diagonal = (self._upper.diagonal() * self.scale).tolist()
        return 2 * math.fsum(math.log(abs(entry)) for entry in diagonal)

    @cached_property
    def inverse_norm(self) -> float:
        if self.size <= _MOST_INVERTED:
            return super().inverse_norm
        return self.condition * float(np.sqrt(self.size) / self.scale.min())  # cheaper than an inverse

    @cached_property
    def condition(self) -> float:
        # The 1-norm condition of U'U, from its factor alone: accurate beyond 1/eps, where U'U itself would be singular.
        if not self.size:
            return 1.0
        if self.size <= _MOST_MULTIPLIED:  # small ones are clean below the diagonal
            norm = float(np.abs(self._upper.T @ self._upper).sum(axis=0).max(initial=0.0))
        else:
            norm = _one_norm_of_square(np.triu(self._upper))
        reciprocal, info = lapack.dpocon(self._upper, norm, uplo="U")
        return float("inf") if info or not reciprocal > 0 else float(1.0 / np.sqrt(reciprocal))


def _one_norm_of_square(upper: Array, rounds: int = 5) -> float:
    """Return an estimate (a lower bound, seldom far from it) of the 1-norm of U'U, without forming the product.

    References
    ----------
    Hager (1984), Condition estimates, SIAM Journal on Scientific and Statistical Computing 5.
    """
    size = len(upper)
    x = np.full(size, 1 / size)
    best = 0.0
    for _ in range(rounds):
        column = upper.T @ (upper @ x)
        best = max(best, float(np.abs(column).sum()))
        slope = upper.T @ (upper @ np.where(column >= 0, 1.0, -1.0))
        steepest = int(np.argmax(np.abs(slope)))
        if abs(slope[steepest]) <= slope @ x:
            break
        x = np.zeros(size)
        x[steepest] = 1
    return best


class CholeskyFactor(_Triangle):
    """Cholesky factor of A with its diagonal scaled to one (van der Sluis 1969: within sqrt(n) of the best scaling).

    Raises
    ------
    NotPositiveDefiniteError
        If A is not positive definite to working precision.
    """

    @property
    def resolved(self) -> bool:
        return self.least_pivot > SAFE_PIVOT or self.condition**2 * EPS < _CLEAR

    def __init__(self, matrix: Array) -> None:
        diagonal = matrix.diagonal()
        listed = diagonal.tolist()  # for a small matrix numpy's extremes would cost as much as the factor
        if not (min(listed, default=1.0) > 0 and max(listed, default=1.0) < np.inf):
            raise NotPositiveDefiniteError("the diagonal is not positive and finite")
        scale = np.sqrt(diagonal)
        scaled = matrix / scale
        scaled /= scale[:, None]
        # The transpose of a C-ordered symmetric matrix is the Fortran order that LAPACK overwrites in place.
        upper, info = lapack.dpotrf(scaled.T, lower=0, clean=int(len(matrix) <= _MOST_MULTIPLIED), overwrite_a=1)
        # What is not a number, wherever it was met, has spread to the last pivot.
        if info or (len(upper) and not upper[-1, -1] < np.inf):
            raise NotPositiveDefiniteError(f"the leading minor of order {info} is not positive")
        super().__init__(upper, scale)


class DampedFactor(CholeskyFactor):
    """Cholesky factor of A plus a damping without which there would be none: what of A is flattest is not resolved."""

    @property
    def resolved(self) -> bool:
        return False


def damped(matrix: Array, growth: float) -> DampedFactor | None:
    """Return the factor of a matrix with a damping that grows until there is one; None if it never is finite."""
    size = np.abs(matrix.diagonal())
    damping = _LEAST_DAMPING * (size + size.max(initial=0.0) + 1e-300)
    while np.isfinite(damping).all():
        with suppress(NotPositiveDefiniteError):
            return DampedFactor(matrix + np.diag(damping))
        damping = growth * damping
    return None


class TriangularFactor(_Triangle):
    """The factor from a triangle R of a QR decomposition (R'R = A); accurate where forming A would lose the digits.

    Raises
    ------
    NotPositiveDefiniteError
        If R is singular.
    """

    def __init__(self, triangle: Array) -> None:
        scale = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
        if not (scale > 0).all() or not np.isfinite(scale).all() or not triangle.diagonal().all():
            raise NotPositiveDefiniteError("the triangle is singular")
        super().__init__(np.asfortranarray(triangle / scale), scale)


class RowsUpToRotation:
    """Rows of which only R'R counts, so that sums of cross-products are had to full accuracy, in little memory.

    Added rows are kept until they are several times as many as columns; then a QR decomposition leaves its triangle.
    Rows are taken in the order of falling size, so that weights over many decades cost no digits (Cox and Higham 1998).
    """

    def __init__(self, rows: Array) -> None:
        self.rows = rows if len(rows) <= _MOST_ROWS_PER_COLUMN * rows.shape[1] else _triangle_in_order(rows)

    def __add__(self, other: "RowsUpToRotation") -> "RowsUpToRotation":
        return RowsUpToRotation(np.concatenate([self.rows, other.rows]))

    @property
    def triangle(self) -> Array:
        """R of the rows' QR decomposition."""
        return _triangle_in_order(self.rows)


def _triangle_in_order(rows: Array) -> Array:
    return triangle_of(rows[np.argsort(-np.abs(rows).max(axis=1, initial=0.0), kind="stable")])


def triangle_of(rows: Array) -> Array:
    """Return R of a QR decomposition of the rows: R'R = rows'rows, without forming it."""
    return np.asarray(np.linalg.qr(rows, mode="r"))
