r"""Jeffreys' prior beside the NLL (Firth's bias reduction): half the logarithm of the information's determinant.

.. math:: F(\theta) = -\ell(\theta) - \tfrac12 \log\det I(\theta) ,\qquad I = \sum_i w_i X_i^\top W_i X_i

For a likelihood in its canonical parameter the mode removes the first-order bias of the MLE, and it is finite wherever
the columns are independent, separated classes or not. Any linear change of the parameters adds a constant to F: the
choice of a reference class, for one, changes nothing.

References
----------
Firth (1993), Bias reduction of maximum likelihood estimates, Biometrika 80.
Kosmidis and Firth (2021), Jeffreys-prior penalty, finiteness and shrinkage in binomial-response generalized linear
models, Biometrika 108.
"""

from functools import cached_property

import numpy as np

from sklearn_mle._hessian_factors import curvature_factor
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import Factor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._rows import Block
from sklearn_mle.likelihoods import Bernoulli, Categorical


class _Point:
    """What is known of F at a theta: one pass over the rows, and one more for the gradient."""

    def __init__(
        self, likelihood: Bernoulli | Categorical, objective: PenalizedNLL, share: float, theta: Array
    ) -> None:
        # Not the function whose point it is, which remembers it: that would be a cycle, and keep the rows of a fit.
        self.likelihood, self.objective, self.share, self.theta = likelihood, objective, share, theta.copy()
        self.nll, self.nll_gradient = objective.value_gradient_hessian(theta)
        self.information = objective.hessian(theta)
        # None, and F infinite, where the information has vanished: a step too far, which the solver then shortens.
        self.factor: Factor | None = None
        self.value = np.inf
        try:
            self.factor = curvature_factor(objective, theta, self.information)
            self.value = self.nll - 0.5 * share * self.factor.log_determinant
        except NotPositiveDefiniteError:
            pass

    @property
    def known_factor(self) -> Factor:
        if self.factor is None:
            raise NotPositiveDefiniteError("the information has vanished")
        return self.factor

    @cached_property
    def gradient(self) -> Array:
        """The gradient of F; that of the NLL where the information has vanished."""
        if self.factor is None:
            return self.nll_gradient
        predictors, at = self.objective.predictors, self.objective.at(self.theta)

        def slope(block: Block) -> tuple[Array]:
            rowwise = self.likelihood.information_slope(at.eta(block), self.covariance(block))
            return (block.rows.transpose_matvec(block.weighted(rowwise)),)

        slopes = predictors.pull_back_theta(self.objective.data.reduce_rows(slope)[0])
        return self.nll_gradient - 0.5 * self.share * slopes

    def covariance(self, block: Block) -> Array:
        """Return the covariance of each row's predictors, (q, q, n)."""
        return self.objective.predictors.quadratic(block.rows, self._inverse)

    @cached_property
    def _inverse(self) -> Array:
        return self.known_factor.inverse()


class JeffreysNLL:
    """F = NLL - share / 2 log det I, in nats, with its gradient; its information and its exact Hessian's products.

    The columns of ``objective``, which has no other penalty, must be independent. The NLL may be in a unit of its own
    (weights of mean one); the prior's half is divided by it: that is ``share``.

    Raises
    ------
    WorkingMemoryError
        If the information is too large to be formed.
    """

    def __init__(self, likelihood: Bernoulli | Categorical, objective: PenalizedNLL, share: float) -> None:
        objective.predictors.refuse_large_curvature(
            "bias_reduction='firth' needs it at every step: use fewer columns, or a penalty (C) in its place"
        )
        self.likelihood, self.objective, self.share = likelihood, objective, share
        self._point: _Point | None = None

    def at(self, theta: Array) -> _Point:
        """Return what is known at theta; the last point is remembered."""
        if self._point is None or not np.array_equal(self._point.theta, theta):
            self._point = _Point(self.likelihood, self.objective, self.share, theta)
        return self._point

    def value(self, theta: Array) -> float:
        """Return F; it is infinite where the information has vanished."""
        return self.at(theta).value

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of F."""
        return self.at(theta).gradient

    def information(self, theta: Array) -> Array:
        """Return the information, which is F's Hessian but for the prior's curvature: a part of order p / n of it."""
        return self.at(theta).information

    def factor(self, theta: Array, information: Array | None = None) -> Factor:
        """Return the factor of the information at theta: the curvature of Fisher scoring, and the covariance's.

        Raises
        ------
        NotPositiveDefiniteError
            If the information is singular there.
        """
        return self.at(theta).known_factor

    def hessian(self, theta: Array) -> Array:
        """Return the exact Hessian of F: three passes for each parameter."""
        return np.stack([self.hessian_product(theta, e) for e in np.eye(len(theta))])

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        """Return the exact Hessian of F times a vector, in three passes."""
        point, at = self.at(theta), self.objective.at(theta)
        likelihood, predictors, data = self.likelihood, self.objective.predictors, self.objective.data
        direction, factor = predictors.matrix(vector), point.known_factor

        def change_of_information(block: Block) -> tuple[Array]:
            change = predictors.eta(block.rows, direction, None)
            rowwise = likelihood.information_change(at.eta(block), change)
            return (predictors.curvature(block.rows, block.weighted(rowwise)),)

        moved = predictors.pull_back_curvature(data.reduce_rows(change_of_information)[0])
        moved = -factor.solve(factor.solve(moved).T)

        def change_of_slope(block: Block) -> tuple[Array]:
            eta, change = at.eta(block), predictors.eta(block.rows, direction, None)
            slope = likelihood.information_slope_change(eta, point.covariance(block), change)
            slope += likelihood.information_slope(eta, predictors.quadratic(block.rows, moved))
            return (block.rows.transpose_matvec(block.weighted(slope)),)

        slope = predictors.pull_back_theta(data.reduce_rows(change_of_slope)[0])
        return self.objective.hessian_product(theta, vector) - 0.5 * self.share * slope
