"""A soft floor under a log scale, so that a likelihood that is unbounded as scales vanish has an optimum to report."""

import numpy as np

from sklearn_mle.likelihoods._base import Array, Likelihood

__all__ = ["ScaleFloor"]


class ScaleFloor(Likelihood):
    r"""A location-scale likelihood plus :math:`\tfrac12 (\text{floor} - \log s)^2` in the rows below the floor.

    Above the floor nothing changes. Below it a row that is fitted exactly gains one nat per unit of log s and pays the
    quadratic, so its scale stops one unit below the floor: a unique, finite optimum in place of minus infinity.

    Parameters
    ----------
    likelihood : Likelihood
        With predictors (location, log_scale).
    floor : float
    """

    convex = False

    def __init__(self, likelihood: Likelihood, floor: float) -> None:
        self.likelihood = likelihood
        self.floor = floor

    @property
    def predictor_names(self) -> tuple[str, ...]:
        return self.likelihood.predictor_names

    def _depth(self, eta: Array) -> Array:
        return np.maximum(self.floor - eta[1], 0)

    def nll(self, y: Array, eta: Array) -> Array:
        return self.likelihood.nll(y, eta) + 0.5 * np.square(self._depth(eta))

    def gradient(self, y: Array, eta: Array) -> Array:
        gradient = self.likelihood.gradient(y, eta)
        gradient[1] -= self._depth(eta)
        return gradient

    def hessian(self, y: Array, eta: Array) -> Array:
        hessian = self.likelihood.hessian(y, eta)
        hessian[1, 1] += eta[1] < self.floor
        return hessian

    def expected_information(self, eta: Array) -> Array:
        information = self.likelihood.expected_information(eta)
        information[1, 1] += eta[1] < self.floor
        return information
