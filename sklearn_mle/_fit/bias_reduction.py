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
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._hessian_factors import curvature_factor
from sklearn_mle._numerics.factors import Factor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._rows import Block
from sklearn_mle.likelihoods import Bernoulli, Categorical

__all__ = ["BiasReducedNLL", "ReducedPoint"]

Array = NDArray[Any]

# Numbers of the rows' covariances (128 MB) beyond which they are computed anew for each use.
_MOST_KEPT = 1 << 24


class ReducedPoint:
    """What is known of the bias-reduced objective at a theta: one pass over the rows, and one more for the gradient.

    Attributes
    ----------
    theta : ndarray of shape (size,)
    value : float
        F, inf where the information has vanished.
    nll, plain : float, ndarray of shape (size,)
        The NLL alone, and its gradient.
    information : ndarray of shape (size, size)
    factor : Factor or None
        Of the information; None where it has vanished.
    """

    def __init__(
        self, likelihood: Bernoulli | Categorical, objective: PenalizedNLL, share: float, theta: Array
    ) -> None:
        # Not the function whose point it is, which remembers it: that would be a cycle, and keep the rows of a fit.
        self._likelihood, self._objective, self._share, self.theta = likelihood, objective, share, theta
        self.nll, self.plain = objective.value_gradient_hessian(theta)
        self.information = objective.hessian(theta)
        self.factor: Factor | None = None
        try:
            # A step too far may overflow, or leave no information: the solver then shortens the step.
            self.factor = curvature_factor(objective, theta, self.information)
        except NotPositiveDefiniteError:
            self.value = np.inf
            return
        self.value = self.nll - 0.5 * share * self.factor.log_determinant

    @cached_property
    def gradient(self) -> Array:
        """The gradient of F; the plain one where the information has vanished."""
        return self.plain if self.factor is None else self.plain + self.prior

    @property
    def known_factor(self) -> Factor:
        """The factor; NotPositiveDefiniteError is raised where the information has vanished."""
        if self.factor is None:
            raise NotPositiveDefiniteError("the information has vanished")
        return self.factor

    @property
    def prior(self) -> Array:
        """The gradient of the prior's part of F."""
        return self._prior_and_metrics[0]

    @property
    def metrics(self) -> list[Array]:
        """The covariance Q_i of each row's predictors, (q, q, rows) of each block."""
        kept = self._prior_and_metrics[1]
        return self._objective.data.map_rows(self._metric) if kept is None else kept

    @cached_property
    def _inverse(self) -> Array:
        return self.known_factor.inverse()

    def _metric(self, block: Block) -> Array:
        return self._objective.predictors.quadratic(block.rows, self._inverse)

    @cached_property
    def _prior_and_metrics(self) -> tuple[Array, list[Array] | None]:
        objective, likelihood = self._objective, self._likelihood
        predictors, at = objective.predictors, objective.at(self.theta)
        keep = objective.data.n_rows * len(at.matrix) ** 2 <= _MOST_KEPT

        def slope_and_metric(block: Block) -> tuple[Array, Array | None]:
            metric = self._metric(block)
            slope = likelihood.information_slope(at.eta(block), metric)
            return predictors.pull_back(block.rows, _weighted(slope, block)), metric if keep else None

        slopes, metrics = zip(*objective.data.map_rows(slope_and_metric), strict=True)
        prior = -0.5 * self._share * predictors.pull_back_theta(sum(slopes[1:], start=slopes[0]))
        return prior, list(metrics) if keep else None


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
        self._point: ReducedPoint | None = None

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return F and its gradient; F is inf where the information has vanished."""
        point = self.at(theta)
        return point.value, point.gradient

    def value(self, theta: Array) -> float:
        """Return F."""
        return self.at(theta).value

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of F."""
        return self.at(theta).gradient

    def factor(self, theta: Array) -> Factor:
        """Return the factor of the information at theta: the curvature of Fisher scoring, and the covariance's.

        Raises
        ------
        NotPositiveDefiniteError
            If the information is singular there.
        """
        return self.at(theta).known_factor

    def nll(self, theta: Array) -> float:
        """Return the NLL alone."""
        return self.at(theta).nll

    def held_gradient(self, theta: Array, held: ReducedPoint) -> Array:
        """Return the gradient of F at theta as if the rows' covariances were those of another point: a pass."""
        predictors, at = self.objective.predictors, self.objective.at(theta)

        def gradient(block: Block, metric: Array) -> tuple[Array]:
            rowwise = self.likelihood.adjusted_gradient(block.y, at.eta(block), metric, self.share)
            return (predictors.pull_back(block.rows, _weighted(rowwise, block)),)

        return predictors.pull_back_theta(self.objective.data.reduce_rows(gradient, held.metrics)[0])

    def held_curvature(self, theta: Array) -> Array:
        """Return the prior's part of the derivative of ``held_gradient``, at theta: the cost of one curvature."""
        point, predictors, at = self.at(theta), self.objective.predictors, self.objective.at(theta)
        classes = np.eye(len(at.matrix))[:, :, None]

        def bend(block: Block, metric: Array) -> tuple[Array]:
            eta = at.eta(block)
            rowwise = np.stack([self.likelihood.information_slope_change(eta, metric, one) for one in classes])
            return (predictors.curvature(block.rows, _weighted(rowwise, block)),)

        bends = predictors.pull_back_curvature(self.objective.data.reduce_rows(bend, point.metrics)[0])
        return -0.5 * self.share * bends

    def prior_curvature(self, theta: Array) -> Array:
        r"""Return the prior's part of F's Hessian, or just less, shape (size, size); the cost of one curvature.

        Along a direction in which the information changes by dI, with B = I^{-1/2} dI I^{-1/2},

        .. math:: -d^2 \log\det I = \operatorname{tr} B^2 - \sum_i w_i \operatorname{tr}(Q_i\, d^2 W_i)

        and for tr B^2, which would take passes of its own, stands the least that it can be, (tr B)^2 / size, known from
        the gradient. So where the information and this are positive definite together, F curves upwards, and no less.
        """
        prior = self.at(theta).prior
        return self.held_curvature(theta) + np.multiply.outer(2 / (self.share * len(theta)) * prior, prior)

    def at(self, theta: Array) -> ReducedPoint:
        """Return what is known at theta; the last point is remembered."""
        if self._point is None or (self._point.theta is not theta and not np.array_equal(self._point.theta, theta)):
            self._point = ReducedPoint(self.likelihood, self.objective, self.share, theta)
        return self._point

    def hessian_product(self, theta: Array) -> Callable[[Array], Array]:
        """Return the map v -> Hessian(theta) v, exact: three passes a product."""
        factor = self.factor(theta)
        predictors, data = self.objective.predictors, self.objective.data
        plain = partial(self.objective.hessian_product, theta)

        etas = data.map_rows(self.objective.at(theta).eta)
        states = list(zip(etas, self.at(theta).metrics, strict=True))

        def product(vector: Array) -> Array:
            direction = predictors.matrix(vector)

            def information(block: Block, known: tuple[Array, Array]) -> tuple[Array]:
                change = predictors.eta(block.rows, direction, None)
                rowwise = self.likelihood.information_change(known[0], change)
                return (predictors.curvature(block.rows, _weighted(rowwise, block)),)

            moved = predictors.pull_back_curvature(data.reduce_rows(information, states)[0])
            moved = -factor.solve(factor.solve(moved).T)

            def slopes(block: Block, known: tuple[Array, Array]) -> tuple[Array]:
                eta, metric = known
                change = predictors.eta(block.rows, direction, None)
                slope = self.likelihood.information_slope_change(eta, metric, change)
                slope += self.likelihood.information_slope(eta, predictors.quadratic(block.rows, moved))
                return (predictors.pull_back(block.rows, _weighted(slope, block)),)

            slope = predictors.pull_back_theta(data.reduce_rows(slopes, states)[0])
            return plain(vector) - 0.5 * self.share * slope

        return product


def _weighted(rowwise: Array, block: Block) -> Array:
    return rowwise if block.weight is None else rowwise * block.weight
