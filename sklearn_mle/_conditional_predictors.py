r"""The conditional logit: linear predictors of classes that have columns of their own and share the coefficients.

For class k of row i, with columns :math:`x_{ik}` (of an alternative, in discrete choice),

.. math:: \eta_{ki} = x_{ik}^\top \beta + \beta_{k0}

The rows hold the columns of one class after another, K J in all, so that column j of class k is number k J + j; they
are best laid out column by column, for a product of them then takes half of the time. theta is beta, then the
intercepts in the basis of the vectors that sum to zero: what all classes have in common changes no probability, so
columns that are the same for all of them have no coefficient here.

References
----------
McFadden (1974), Conditional logit analysis of qualitative choice behavior, in Frontiers in Econometrics.
"""

from typing import Any

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._predictors import LinearPredictors, Rows, Terms, add_offset, sum_to_zero_basis

# Elements of what is summed at once: half a megabyte.
_CACHED = 1 << 16


class ConditionalPredictors(LinearPredictors):
    """The map between theta and linear predictors whose coefficients the classes share.

    The likelihood's matrix has shape (K, J + 1) as that of ``LinearPredictors`` has: in it, column j is that of the
    class, and the coefficients of all rows are the same.

    Parameters
    ----------
    n_classes : int
    n_columns : int
        Columns J of each class.
    """

    def __init__(self, n_classes: int, n_columns: int) -> None:
        # The first free predictor has the shared coefficients, the others an intercept of the basis each.
        super().__init__(n_columns, [Terms(True, False), *[Terms.constant()] * (n_classes - 1)])
        self.n_classes = n_classes
        self.basis = sum_to_zero_basis(n_classes)
        # The curvature is taken of the probabilities: K numbers per row, not the K^2 of its Hessian.
        self.many_classes = True

    def _of_classes(self, block: Array) -> Array:
        """Return the columns of each class, shape (K, J, n): a view."""
        return block.reshape(len(block), self.n_classes, self.n_columns).transpose(1, 2, 0)

    def direction(self, step: Array) -> Array:
        matrix = np.zeros((self.n_classes, self.n_columns + 1), dtype=step.dtype)
        matrix[:, :-1] = step[: self.n_columns]
        matrix[:, -1] = self.basis @ step[self.n_columns :]
        return matrix

    def exact_matrix(self, theta: Any) -> Any:
        raise NotImplementedError("shared coefficients are not refined to twice the precision")

    def theta(self, matrix: Array) -> Array:
        return np.append(matrix[:, :-1].mean(axis=0), self.basis.T @ matrix[:, -1])

    def pull_back_theta(self, matrix: Array) -> Array:
        return np.append(matrix[:, :-1].sum(axis=0), self.basis.T @ matrix[:, -1])

    def eta(self, rows: Rows, matrix: Array, offset: Array | None) -> Array:
        eta = np.empty((self.n_classes, rows.n_rows))
        for start, block in rows.pieces():
            np.matmul(matrix[0, :-1], self._of_classes(block), out=eta[:, start : start + len(block)])
        eta += matrix[:, -1:]
        return add_offset(eta, offset)

    def pull_back(self, rows: Rows, gradient: Array) -> Array:
        # Only the classes' sum counts for what they share: each is given its mean.
        shared = np.zeros(self.n_columns)
        for start, block in rows.pieces():
            part = gradient[:, start : start + len(block), None]
            shared += np.matmul(self._of_classes(block), part).sum(axis=0)[:, 0]
        matrix = np.empty((self.n_classes, self.n_columns + 1))
        matrix[:, :-1] = shared / self.n_classes
        matrix[:, -1] = gradient.sum(axis=1)
        return matrix

    def largest_change(self, step: Array, largest: Array) -> float:
        moved = np.abs(self.direction(step))
        return float(
            2 * (np.einsum("kj,kj->k", moved[:, :-1], self._of_classes(largest[None])[..., 0]) + moved[:, -1]).max()
        )

    def curvature_of_classes(self, rows: Rows, probability: Array, weight: Array | None) -> Array:
        """Return sum_i w_i sum_k q_ik d_ik d_ik', d_ik the derivative of eta_ik less its mean over q: (size, size)."""
        width = self.n_columns
        total = np.zeros((self.size, self.size))
        between = np.zeros((self.n_classes, width))
        step = max(_CACHED // max(self.n_classes * width, 1), 1)
        for start, block in rows.pieces():
            for first in range(0, len(block), step):
                # Rows last: they are what the loops are long in, however few the classes and columns.
                x = self._of_classes(block[first : first + step]).transpose(1, 0, 2).copy()
                here = slice(start + first, start + first + x.shape[-1])
                q = probability[:, here]
                x -= np.einsum("kn,jkn->jn", q, x)[:, None]
                root = np.sqrt(q if weight is None else q * weight[here])
                x *= root
                flat = x.reshape(width, root.size)
                total[:width, :width] += np.dot(flat, flat.T)
                between += np.einsum("kn,jkn->kj", root, x)
        weighted = probability if weight is None else probability * weight
        constants = np.diag(weighted.sum(axis=1)) - np.dot(weighted, probability.T)
        total[width:, :width] = self.basis.T @ between
        total[:width, width:] = total[width:, :width].T
        total[width:, width:] = self.basis.T @ constants @ self.basis
        return total

    def pull_back_curvature(self, curvature: Array) -> Array:
        return curvature

    def jacobian(self, block: Array) -> Array:
        """Return the derivative of the predictors in theta, shape (K, n, size), of dense columns."""
        out = np.zeros((self.n_classes, len(block), self.size))
        out[..., : self.n_columns] = self._of_classes(block).transpose(0, 2, 1)
        out[..., self.n_columns :] = self.basis[:, None]
        return out

    def pull_back_rows(self, block: Array, gradient: Array) -> Array:
        return np.einsum("kn,knm->nm", gradient, self.jacobian(block))

    def curvature(self, rows: Rows, hessian: Array) -> Array:
        total = np.zeros((self.size, self.size))
        for start, block in rows.pieces():
            jacobian = self.jacobian(block)
            bent = np.einsum("jkn,knm->jnm", hessian[..., start : start + len(block)], jacobian)
            total += np.tensordot(jacobian, bent, axes=((0, 1), (0, 1)))
        return total

    def quadratic(self, rows: Rows, matrix: Array) -> Array:
        out = np.empty((self.n_classes, self.n_classes, rows.n_rows))
        for start, block in rows.pieces():
            jacobian = self.jacobian(block)
            out[..., start : start + len(block)] = np.einsum("jnm,knm->jkn", jacobian @ matrix, jacobian)
        return out

    def root_rows(self, block: Array, hessian: Array) -> Array:
        values, vectors = np.linalg.eigh(hessian.transpose(2, 0, 1))
        roots = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]  # (n, K, K): hessian = roots @ roots'
        return np.einsum("nkr,knm->rnm", roots, self.jacobian(block)).reshape(-1, self.size)
