r"""theta <-> one linear predictor per distribution parameter: only here is it decided where the intercepts stand.

For predictor j of the likelihood and row i, in standardized columns x,

.. math:: \eta_{ji} = \sum_k B_{jk} (x_i^\top \beta_k + \beta_{k0}) + \text{offset}_{ji}

theta concatenates, for each free predictor k, its coefficients (of the active columns) and its intercept. The contrast
B is the identity, except for the categorical likelihood: there only differences between classes matter, and B is an
orthonormal basis of the vectors that sum to zero. It turns K redundant predictors into K - 1 free ones without
singling out a class, and leaves an L2 penalty as it is: \|B \beta\| = \|\beta\|. (A reference class, the usual choice,
would not.)

An offset belongs to a predictor. It has shape (k, n), k <= q: a row for each of the first k predictors, so that (1, n)
is an offset of the location alone. It is added to these rows (``add_offset``); numpy's broadcasting would add the
location's offset to the logarithm of the scale as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._numerics.factors import NotPositiveDefiniteError
from sklearn_mle._numerics.memory import fits, refuse_unless_it_fits
from sklearn_mle._rows import DenseRows, SparseRows

# The pairs of so many classes are 4,950; from the second number on squares of all pairs are a larger matrix than the
# curvature (75 classes, 10 columns: 122 to 6 ms).
_MANY_CLASSES, _SEVERAL_CLASSES = 100, 15
# Elements of what is summed at once: 1 MB.
_CACHED = 1 << 17

Rows = DenseRows | SparseRows


@dataclass(frozen=True)
class Terms:
    """The parts of one linear predictor besides its offset.

    Attributes
    ----------
    columns, intercept : bool
        Which of the two it has as parameters.
    active : ndarray of int or None
        The columns with a coefficient; None is all of them.
    known : float or None
        The value of the distribution's parameter itself, in the user's units, where neither columns nor an intercept
        are estimated.
    """

    columns: bool = True
    intercept: bool = True
    active: NDArray[np.intp] | None = None
    known: float | None = None

    @classmethod
    def constant(cls) -> "Terms":
        """Return those of a parameter that is one estimated number for all rows."""
        return cls(False, True)

    @property
    def is_constant(self) -> bool:
        """Whether the parameter is one estimated number for all rows."""
        return self.intercept and not self.columns

    @property
    def key(self) -> tuple[bool, bool, tuple[int, ...] | None]:
        """Which parameters these are, to be compared and hashed."""
        return self.columns, self.intercept, None if self.active is None else tuple(self.active.tolist())

    def indices(self, n_columns: int) -> NDArray[np.intp]:
        """Return the columns that enter."""
        if not self.columns:
            return np.zeros(0, dtype=np.intp)
        return np.arange(n_columns) if self.active is None else self.active

    def restricted(self, columns: NDArray[np.intp], n_columns: int) -> "Terms":
        """Return the same with coefficients of these columns only, which must be among its own."""
        if not self.columns or (self.active is None and len(columns) == n_columns):
            return self
        return replace(self, active=None if len(columns) == n_columns else columns)


def add_offset(eta: Array, offset: Array | None) -> Array:
    """Add the offset (k, n) of the first k predictors to predictors (q, n), in place, and return them."""
    if offset is not None:
        eta[: len(offset)] += offset
    return eta


def sum_to_zero_basis(n_classes: int) -> Array:
    """Return the Helmert basis of the K-vectors that sum to zero: orthonormal columns, shape (K, K - 1)."""
    refuse_unless_it_fits(
        n_classes, n_classes, what=f"The basis of {n_classes:,} classes", remedy="y needs fewer classes"
    )
    basis = np.zeros((n_classes, n_classes - 1))
    for k in range(1, n_classes):
        basis[:k, k - 1] = -1
        basis[k, k - 1] = k
    basis /= np.sqrt(np.square(basis).sum(axis=0))
    return basis


class LinearPredictors:
    """The map between the solver's theta and the linear predictors, its adjoint, and curvature in theta.

    Parameters
    ----------
    n_columns : int
    terms : sequence of Terms
        One per free predictor.
    contrast : ndarray of shape (q, n_free) or None
        From free predictors to the likelihood's; None is the identity.
    held : mapping from int to float or None
        Predictors without parameters, and the values that they are held at; without a contrast.
    """

    def __init__(
        self,
        n_columns: int,
        terms: Sequence[Terms],
        contrast: Array | None = None,
        held: Mapping[int, float] | None = None,
    ) -> None:
        self.n_columns, self.terms, self.contrast = n_columns, tuple(terms), contrast
        self.held = dict(held or {})
        self.shape = (len(self.terms), n_columns + 1)
        used = np.zeros(self.shape, dtype=bool)
        for k, term in enumerate(self.terms):
            if term.columns:
                used[k, slice(n_columns) if term.active is None else term.active] = True
            used[k, n_columns] = term.intercept
        self.used = used
        self.size = int(np.count_nonzero(used))
        self._index = None if self.size == used.size else np.flatnonzero(used)
        # Whether theta is the likelihood's matrix, row by row.
        self.is_matrix = self._index is None and contrast is None and not self.held
        self._with_columns = [k for k, term in enumerate(self.terms) if term.columns and n_columns]
        # So many classes that a product of the columns for each pair of them is too expensive.
        self.many_classes = contrast is not None and len(contrast) > _MANY_CLASSES
        # The active columns of a single predictor, which are then all that its curvature need be made of.
        self._narrow = self.terms[0].active if len(self.terms) == 1 and contrast is None else None

    @cached_property
    def curvature_fits(self) -> bool:
        """Whether the curvature in theta, with all that it is made from, is small enough to be formed."""
        return fits(*self._curvature_shape)

    def refuse_large_curvature(self, remedy: str = "Fewer columns (or classes) are needed") -> None:
        """Raise WorkingMemoryError where the curvature is too large to be formed."""
        if self.curvature_fits:
            return
        refuse_unless_it_fits(*self._curvature_shape, what=f"The curvature of {self.size:,} parameters", remedy=remedy)

    @property
    def _curvature_shape(self) -> tuple[int, int]:
        if self._narrow is not None:
            return self.size, self.size
        order = self.used.size if self.contrast is None else len(self.contrast) * self.shape[1]
        return order, order

    def free_matrix(self, theta: Array) -> Array:
        """Return theta as a matrix of shape (n_free, p + 1), intercepts last, zeros where there is no parameter."""
        if self._index is None:
            return theta.reshape(self.shape)
        matrix = np.zeros(self.shape, dtype=theta.dtype)
        matrix.ravel()[self._index] = theta
        return matrix

    def matrix(self, theta: Array) -> Array:
        """Return the coefficients of the likelihood's predictors, shape (q, p + 1), intercepts last.

        Without a contrast and with nothing held it may be a view of theta.
        """
        matrix = self.direction(theta)
        if self.held:
            matrix[list(self.held), -1] = list(self.held.values())
        return matrix

    def direction(self, step: Array) -> Array:
        """Return how ``matrix`` changes with a step of theta: what is held does not."""
        free = step.reshape(self.shape) if self._index is None else self.free_matrix(step)
        return free if self.contrast is None else self.contrast @ free

    def exact_matrix(self, theta: DoubleDouble) -> DoubleDouble:
        """Return ``matrix`` of a theta of twice the precision."""
        if self.contrast is None:
            return DoubleDouble(self.matrix(theta.high), self.direction(theta.low))
        free = DoubleDouble(self.free_matrix(theta.high), self.free_matrix(theta.low))
        return (free[None] * self.contrast[:, :, None]).sum(axis=1)

    def theta(self, matrix: Array) -> Array:
        """Return the theta whose matrix is nearest to the given one (its projection on the contrast)."""
        return matrix.ravel().copy() if self.is_matrix else self.pull_back_theta(matrix)

    def eta(self, rows: Rows, matrix: Array, offset: Array | None) -> Array:
        """Return the likelihood's predictors at the rows, shape (q, n)."""
        some: Sequence[int] = self._with_columns if self.contrast is None else range(len(matrix))
        if not matrix[:, :-1].any():  # at the null model, and where a fitted model's own predictors are the offset
            some = ()
        if len(some) == len(matrix):
            eta = rows.matvec(matrix)
        else:
            eta = np.repeat(matrix[:, -1:], rows.n_rows, axis=1)
            if some:
                eta[some] = rows.matvec(matrix[some])
        if offset is not None:
            eta[: len(offset)] += offset
        return eta

    def largest_change(self, step: Array, largest: Array) -> float:
        """Return a bound of how far a step of theta moves a row's predictors apart, without a pass over the rows.

        Of several predictors it is their range that counts: what they have in common changes no probability.
        ``largest`` (p,) has the largest absolute entry of each column.
        """
        moved = np.abs(self.direction(step)) @ np.append(largest, 1.0)
        return float(moved[0] if len(moved) == 1 else 2 * moved.max())

    def pull_back(self, rows: Rows, gradient: Array) -> Array:
        """Return the adjoint of eta applied to a rowwise gradient (q, n): likelihood's matrix layout (q, p + 1)."""
        return rows.transpose_matvec(gradient)

    def pull_back_rows(self, block: Array, gradient: Array) -> Array:
        """Return the gradient in theta of every row by itself, shape (n, size), from dense standardized columns."""
        free = gradient if self.contrast is None else self.contrast.T @ gradient
        augmented = np.concatenate([block, np.ones((len(block), 1))], axis=1)
        return np.einsum("kn,np->nkp", free, augmented).reshape(len(block), -1)[:, self.used.ravel()]

    def pull_back_theta(self, matrix: Array) -> Array:
        """Return the gradient in theta from the gradient in the likelihood's matrix."""
        free = matrix if self.contrast is None else self.contrast.T @ matrix
        return free.ravel() if self._index is None else free.ravel()[self._index]

    def free_hessian(self, hessian: Array) -> Array:
        """Return the rowwise Hessian (q, q, n) in the free predictors."""
        if self.contrast is None:
            return hessian
        q, free = self.contrast.shape
        half = (self.contrast.T @ hessian.reshape(q, -1)).reshape(free, q, -1).transpose(1, 0, 2)
        return (self.contrast.T @ half.reshape(q, -1)).reshape(free, free, -1)

    def curvature(self, rows: Rows, hessian: Array) -> Array:
        """Return sum_i (dtheta eta_i)' H_i (dtheta eta_i) of a rowwise Hessian (q, q, n), for ``pull_back_curvature``.

        Under a contrast the rows of H_i sum to zero, so the products between different classes, shape
        (q (q - 1) / 2, p + 1, p + 1), say all: no more products than the free predictors have, and no rowwise change of
        basis. Without one the shape is (size, size).
        """
        free, width = self.shape
        if self.contrast is not None:
            pairs = zip(*np.tril_indices(len(self.contrast), -1), strict=True)
            return np.stack([self._cross(rows, hessian[j, k], *self.terms[:1] * 2) for j, k in pairs])
        if self._narrow is not None:
            # Of a design with far more columns than rows, all columns' products could not be held.
            whole = rows.columns(self._narrow).sandwich(hessian[0, 0])
            return whole if self.terms[0].intercept else whole[:-1, :-1]
        if free == 1 and self._index is None and self.terms[0].columns:
            return rows.sandwich(hessian[0, 0])
        out = np.zeros((free, width, free, width))
        for j in range(free):
            for k in range(j + 1):
                out[j, :, k, :] = self._cross(rows, hessian[j, k], self.terms[j], self.terms[k])
                if j != k:
                    out[k, :, j, :] = out[j, :, k, :].T
        flat = out.reshape(free * width, free * width)
        return flat if self._index is None else flat[np.ix_(self._index, self._index)]

    def pull_back_curvature(self, curvature: Array) -> Array:
        """Return the curvature in theta, shape (size, size), from what ``curvature`` returned, summed over blocks."""
        if self.contrast is None:
            return curvature
        if self.many_classes or len(self.contrast) > _SEVERAL_CLASSES:
            return self._pull_back_classes(curvature if curvature.ndim == 2 else self._assembled(curvature))
        # A block between classes j and k stands for minus itself times the square of e_j - e_k: one product with all of
        # those, in the basis of the contrast, adds the blocks up.
        free, width = self.shape
        j, k = np.tril_indices(len(self.contrast), -1)
        between = self.contrast[j] - self.contrast[k]
        squares = -np.einsum("ia,ib->abi", between, between).reshape(free**2, len(j))
        summed = np.dot(squares, curvature.reshape(len(j), width**2)).reshape(free, free, width, width)
        flat = summed.transpose(0, 2, 1, 3).reshape(self.used.size, self.used.size)
        return flat if self._index is None else flat[np.ix_(self._index, self._index)]

    def curvature_of_classes(self, rows: Rows, probability: Array, weight: Array | None) -> Array:
        """Return the curvature of class probabilities (K, n) for ``pull_back_curvature``.

        Its shape is (K (p + 1), K (p + 1)). It is ``curvature`` of the rowwise diag(q) - q q', by one product of q and
        x with itself, in which the blocks of single classes are minus the sums of those between them and the others:
        all of these have the same sign, so that nothing cancels.
        """
        n_classes, width = len(probability), self.shape[1]
        size = n_classes * width
        total = np.zeros((size, size))
        # Pieces of q and x that stay in cache; but each writes a matrix, so that they are longer than it is wide.
        step = max(_CACHED // max(size, 1), 2 * size)
        for start, columns in rows.pieces():
            kept = np.empty((n_classes, width, min(step, len(columns))))
            for first in range(0, len(columns), step):
                x = np.ascontiguousarray(columns[first : first + step].T)
                q = probability[:, start + first : start + first + x.shape[1]]
                if weight is not None:
                    q = q * np.sqrt(weight[start + first : start + first + x.shape[1]])
                z = kept if x.shape[1] == kept.shape[2] else np.empty((n_classes, width, x.shape[1]))
                np.multiply(q[:, None], x, out=z[:, :-1])
                z[:, -1] = q
                flat = z.reshape(size, x.shape[1])
                total -= np.dot(flat, flat.T)  # one matrix with itself: BLAS does half the work
        blocks = total.reshape(n_classes, width, n_classes, width)
        own = np.arange(n_classes)
        blocks[own, :, own] = 0
        blocks[own, :, own] = -blocks.sum(axis=2)
        return total

    def _assembled(self, curvature: Array) -> Array:
        """Return the products between pairs of classes as one matrix, shape (K (p + 1), K (p + 1))."""
        assert self.contrast is not None
        n_classes, width = len(self.contrast), self.shape[1]
        j, k = np.tril_indices(n_classes, -1)
        blocks = np.zeros((n_classes, n_classes, width, width))
        blocks[j, k] = blocks[k, j] = curvature
        diagonal = np.arange(n_classes)
        blocks[diagonal, diagonal] = -blocks.sum(axis=1)
        return blocks.transpose(0, 2, 1, 3).reshape(n_classes * width, -1)

    def _pull_back_classes(self, full: Array) -> Array:
        assert self.contrast is not None
        free, width = self.shape
        half = (self.contrast.T @ full.reshape(len(self.contrast), -1)).reshape(free * width, -1, width)
        both = np.einsum("akp,kb->abp", half, self.contrast, optimize=True).reshape(free * width, free * width)
        return both if self._index is None else both[np.ix_(self._index, self._index)]

    def _cross(self, rows: Rows, weight: Array, left: Terms, right: Terms) -> Array:
        if left.columns and right.columns:
            return rows.sandwich(weight)
        out = np.zeros((self.n_columns + 1,) * 2)
        if (left.columns or right.columns) and weight.any():  # information between location and scale is often none
            out[:, -1] = out[-1] = rows.transpose_matvec(weight[None])[0]
        out[-1, -1] = weight.sum()
        return out

    def quadratic(self, rows: Rows, matrix: Array) -> Array:
        """Return x_i' M x_i for a symmetric M (size, size), x_i the derivative of row i's predictors: (q, q, n).

        With M the inverse of the curvature this is the covariance of the predictors of each row.
        """
        free, width = self.shape
        if self._narrow is not None:
            narrow = matrix if self.terms[0].intercept else np.pad(matrix, (0, 1))
            return rows.columns(self._narrow).quadratic(narrow)[None, None]
        if free == 1 and self._index is None and self.contrast is None:
            return rows.quadratic(matrix)[None, None]
        full = matrix
        if self._index is not None:
            full = np.zeros((free * width, free * width))
            full[np.ix_(self._index, self._index)] = matrix
        blocks = full.reshape(free, width, free, width)
        out = np.empty((free, free, rows.n_rows))
        for j in range(free):
            for k in range(j + 1):
                out[j, k] = out[k, j] = rows.quadratic(blocks[j, :, k])
        if self.contrast is None:
            return out
        q = len(self.contrast)
        half = (self.contrast @ out.reshape(free, -1)).reshape(q, free, -1).transpose(1, 0, 2)
        return (self.contrast @ half.reshape(free, -1)).reshape(q, q, -1)

    def root_rows(self, block: Array, hessian: Array) -> Array:
        """Return rows (n_free * n, size) whose cross-product is the curvature of a rowwise Hessian (q, q, n).

        The Hessian is positive semidefinite, and the block the standardized columns of n rows, dense.

        Raises
        ------
        NotPositiveDefiniteError
            If the Hessian of a row is not finite.
        """
        hessian = self.free_hessian(hessian)
        if not np.isfinite(hessian).all():
            raise NotPositiveDefiniteError("the curvature of a row is not finite")
        free = len(hessian)
        augmented = np.concatenate([block, np.ones((len(block), 1))], axis=1)
        if free == 1:
            rows = augmented * np.sqrt(hessian[0, 0])[:, None]
            return rows if self._index is None else rows[:, self._index]
        values, vectors = np.linalg.eigh(hessian.transpose(2, 0, 1))
        roots = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]  # (n, free, free): hessian = roots @ roots'
        rows = np.einsum("njr,np->rnjp", roots, augmented).reshape(-1, free * augmented.shape[1])
        return rows if self._index is None else rows[:, self._index]
