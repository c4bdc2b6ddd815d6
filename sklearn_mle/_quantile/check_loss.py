"""The check loss over rows, whose minimizers are quantiles, and the duality gap that bounds how far a point is off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block, Data
from sklearn_mle._solvers import Status
from sklearn_mle.likelihoods._surrogates import LeastSquares


@dataclass(frozen=True)
class Optimum:
    """A minimizer and its certificate: the dual values of all rows, and the gap that they prove."""

    theta: Array
    # The total check loss, without the prior.
    loss: float
    # A subgradient for each row, weights included.
    dual: Array
    # The rows that are fitted exactly.
    at_zero: NDArray[np.intp]
    gap: float
    status: Status
    n_iter: int


@dataclass(frozen=True)
class CheckLoss:
    r"""The problem :math:`\min_\theta \sum_i w_i \rho(y_i - a_i^\top \theta) + \phi(\theta)`.

    .. math:: \rho(r) = \max(u r, l r) ,\quad l < 0 < u ,\qquad
        \phi(\theta) = -g^\top \theta + \tfrac12 \sum_j \lambda_j \theta_j^2

    The rows of A are the columns and the intercept of one linear predictor; the matrix is never formed as a whole. The
    dual of the problem has a variable between :math:`w_i l` and :math:`w_i u` for each row, and any dual value proves
    how far a theta is from the optimum.
    """

    data: Data
    predictors: LinearPredictors
    lower: float
    upper: float
    # lambda: a prior's precision.
    precision: Array
    # g: the sum of the gradients of rows that are left out because they stay on their side of the fit.
    pull: Array | float = 0.0
    # Residuals no larger than this on average are zeros.
    rounding: float = 0.0

    @property
    def weight(self) -> Array:
        """The weight of each row."""
        return np.broadcast_to(1.0, self.data.n_rows) if self.data.weight is None else self.data.weight

    def rows(self, indices: Array) -> Array:
        """Return the given rows of A, dense."""
        columns = self.data.rows.take(indices).standardized
        return self.predictors.root_rows(columns, np.ones((1, 1, len(columns))))

    def matvec(self, theta: Array) -> Array:
        """Return A theta."""
        matrix = self.predictors.matrix(theta)
        return np.concatenate(self.data.map_rows(lambda block: self.predictors.eta(block.rows, matrix, None)[0]))

    def transpose_matvec(self, values: Array) -> Array:
        """Return A' values."""

        def of_block(block: Block) -> tuple[Array]:
            return (self.predictors.pull_back(block.rows, block.y[None]),)

        return self.predictors.pull_back_theta(self.data.with_values(values, None).reduce_rows(of_block)[0])

    def weighted(self, values: Array, precision: Array | float = 0.0) -> PenalizedNLL:
        """Return weighted least squares, whose Hessian is A' diag(values) A + diag(precision).

        Raises
        ------
        WorkingMemoryError
            Where that is too large to be formed.
        """
        self.predictors.refuse_large_curvature(
            "Likelihoods with a kink need it at every step: use fewer columns, or a smooth one (huber, student_t)"
        )
        prior = GaussianPrior(np.broadcast_to(precision, self.predictors.size))
        return PenalizedNLL(LeastSquares(), self.predictors, self.data.with_values(self.data.y, values), prior)

    def residual(self, theta: Array) -> Array:
        """Return y - A theta."""
        fitted = self.matvec(theta)
        return np.subtract(self.data.y, fitted, out=fitted)

    def slopes(self, residual: Array) -> Array:
        """Return each row's slope on its side of the fit, weights included."""
        slopes = np.where(residual > 0, self.upper, self.lower)
        return slopes if self.data.weight is None else slopes * self.data.weight

    def loss(self, residual: Array) -> float:
        """Return the total check loss."""
        return float(self.slopes(residual) @ residual)

    def value(self, theta: Array) -> float:
        """Return the objective."""
        return self.loss(self.residual(theta)) + self.smooth_value(theta)

    def squares(self, theta: Array) -> float:
        """Return twice the prior's part of phi."""
        return float(self.precision @ np.square(theta))

    def smooth_value(self, theta: Array) -> float:
        """Return phi."""
        return float(0.5 * self.squares(theta) - np.sum(self.pull * theta))

    def smooth_gradient(self, theta: Array) -> Array:
        """Return the gradient of phi."""
        return self.precision * theta - self.pull

    def excess(self, residual: Array, dual: Array) -> Array:
        """Return by how much each row's loss exceeds its bound by the dual; zero where they differ by rounding."""
        slopes = self.slopes(residual)
        missing = slopes - dual
        # In place: few vectors as long as y are held at a time.
        np.abs(slopes, out=slopes)
        slopes *= 4 * EPS
        missing[np.abs(missing) <= slopes] = 0
        missing *= residual
        return missing

    def judge(self, theta: Array, dual: Array, at_zero: NDArray[np.intp], status: Status, n_iter: int) -> Optimum:
        """Return a point with its duality gap over all rows."""
        residual = self.residual(theta)
        loss, gap = self.loss(residual), float(self.excess(residual, dual).sum())
        defect = self.smooth_gradient(theta) - self.transpose_matvec(dual)
        quadratic = self.precision > 0
        gap += 0.5 * float(np.sum(np.square(defect[quadratic]) / self.precision[quadratic]))
        # The optimum loses no more, so on average its fitted values are no farther from these. That is a proof only
        # where the defect is one of rounding.
        radius = 2 * loss / (min(self.upper, -self.lower) * self.data.weight_sum)
        gap += radius * float(np.abs(defect[~quadratic]).sum())
        return Optimum(theta, loss, dual, at_zero, gap, status, n_iter)
