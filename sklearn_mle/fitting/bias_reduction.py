r"""Firth's bias-reduced objective: the NLL less half the logarithm of the information's determinant (Jeffreys' prior).

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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.information import hessian_factor
from sklearn_mle.likelihoods import Bernoulli, Categorical
from sklearn_mle.numerics.factors import Factor, NotPositiveDefiniteError
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.row_blocks import RowBlock

__all__ = ["BiasReducedNLL"]

Array = NDArray[Any]


@dataclass(frozen=True)
class _Point:
    """What is known at a theta: computed once, for value, gradient and curvature are asked for one after the other."""

    theta: Array
    value: float
    gradient: Array
    nll: float
    factor: Factor | None


class BiasReducedNLL:
    """F = NLL - share / 2 log det I, in nats, with its gradient and its exact Hessian's products.

    Parameters
    ----------
    likelihood : Bernoulli or Categorical
        That of the objective.
    objective : PenalizedNLL
        Without a penalty; its columns must be independent.
    share : float
        The NLL may be in a unit of its own (weights of mean one); the prior's half is divided by it.
    """

    def __init__(self, likelihood: Bernoulli | Categorical, objective: PenalizedNLL, share: float) -> None:
        self.likelihood, self.objective, self.share = likelihood, objective, share
        self._point: _Point | None = None

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return F and its gradient; F is inf where the information has vanished."""
        point = self._at(theta)
        return point.value, point.gradient

    def factor(self, theta: Array) -> Factor:
        """Return the factor of the information at theta: the curvature of Fisher scoring, and the covariance's.

        Raises
        ------
        NotPositiveDefiniteError
            If the information is singular there.
        """
        factor = self._at(theta).factor
        if factor is None:
            raise NotPositiveDefiniteError("the information has vanished")
        return factor

    def nll(self, theta: Array) -> float:
        """Return the NLL alone."""
        return self._at(theta).nll

    def curvature_loss(self, theta: Array) -> float:
        """Return a c for which F's Hessian is at least (1 - c) times the information at theta; one pass.

        The Hessian is the information less half of the second derivative of its log-determinant, the sum over rows of
        tr(Q_i d²W_i), Q_i the covariance of the row's predictors, less a square. Rows bound what they add to the sum by
        their share of the information. With c below one, half the squared Fisher decrement over 1 - c bounds the gap.
        """
        predictors, at = self.objective.predictors, self.objective.at(theta)
        inverse = _inverse(self.factor(theta))

        def worst(block: RowBlock) -> float:
            return float(
                self.likelihood.information_bend(at.eta(block), predictors.quadratic(block.rows, inverse)).max()
            )

        return 0.5 * self.share * max(self.objective.data.map(worst))

    def _at(self, theta: Array) -> _Point:
        if self._point is None or not np.array_equal(self._point.theta, theta):
            self._point = self._evaluate(theta)
        return self._point

    def _evaluate(self, theta: Array) -> _Point:
        objective, predictors = self.objective, self.objective.predictors
        nll, gradient = objective.value_and_gradient(theta)
        try:
            # A step too far may overflow, or leave no information: the solver then shortens the step.
            factor = hessian_factor(objective, theta)
        except NotPositiveDefiniteError:
            return _Point(theta, np.inf, gradient, nll, None)
        inverse, at = _inverse(factor), objective.at(theta)

        def block_sum(block: RowBlock) -> tuple[Array]:
            slope = self.likelihood.information_slope(at.eta(block), predictors.quadratic(block.rows, inverse))
            return (predictors.pull_back(block.rows, _weighted(slope, block)),)

        half = 0.5 * self.share
        gradient = gradient - half * predictors.pull_back_theta(objective.data.sum(block_sum)[0])
        return _Point(theta, nll - half * factor.log_determinant, gradient, nll, factor)

    def hessian_product(self, theta: Array) -> Callable[[Array], Array]:
        """Return the map v -> Hessian(theta) v, exact: three passes a product."""
        factor = self.factor(theta)
        inverse = _inverse(factor)
        predictors, data = self.objective.predictors, self.objective.data
        plain = self.objective.hessian_product(theta)

        etas = data.map(self.objective.at(theta).eta)
        metrics = data.map(lambda block: predictors.quadratic(block.rows, inverse))
        states = list(zip(etas, metrics, strict=True))

        def product(vector: Array) -> Array:
            direction = predictors.matrix(vector)

            def information(block: RowBlock, known: tuple[Array, Array]) -> tuple[Array]:
                change = predictors.eta(block.rows, direction, None)
                rowwise = self.likelihood.information_change(known[0], change)
                return (predictors.curvature(block.rows, _weighted(rowwise, block)),)

            moved = predictors.pull_back_curvature(data.sum(information, states)[0])
            moved = -factor.solve(factor.solve(moved).T)

            def slopes(block: RowBlock, known: tuple[Array, Array]) -> tuple[Array]:
                eta, metric = known
                change = predictors.eta(block.rows, direction, None)
                slope = self.likelihood.information_slope_change(eta, metric, change)
                slope += self.likelihood.information_slope(eta, predictors.quadratic(block.rows, moved))
                return (predictors.pull_back(block.rows, _weighted(slope, block)),)

            slope = predictors.pull_back_theta(data.sum(slopes, states)[0])
            return plain(vector) - 0.5 * self.share * slope

        return product


def _inverse(factor: Factor) -> Array:
    return factor.solve(np.eye(factor.size))


def _weighted(rowwise: Array, block: RowBlock) -> Array:
    return rowwise if block.weight is None else rowwise * block.weight
