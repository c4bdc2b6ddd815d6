"""A soft floor under the noise, so that a likelihood that is unbounded as it vanishes has an optimum to report."""

import numpy as np

from sklearn_mle.likelihoods._base import Array, Likelihood

__all__ = ["ScaleFloor"]


class ScaleFloor(Likelihood):
    r"""A likelihood plus :math:`\tfrac12 (\text{floor} - \log s)^2` in the rows whose second parameter is below it.

    Above the floor nothing changes. Below it a row that is fitted exactly gains one nat per unit of log s and pays the
    quadratic, so its scale stops one unit below the floor: a unique, finite optimum in place of minus infinity. Where
    the noise vanishes as the second parameter grows (a shape, a precision), the floor is a ceiling.

    Parameters
    ----------
    likelihood : Likelihood
        Whose second linear predictor is the logarithm of a scale, dispersion, shape or precision.
    floor : float
    """

    convex = False

    def __init__(self, likelihood: Likelihood, floor: float) -> None:
        self.likelihood = likelihood
        self.floor = floor

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return self.likelihood.parameter_names

    @property
    def links(self) -> tuple[str, ...]:
        return self.likelihood.links

    def depth(self, eta: Array) -> Array:
        """Return how far below the floor (beyond the ceiling) each row is; signed as the gradient is."""
        if self.likelihood.variance_power > 0:
            return np.minimum(eta[1] - self.floor, 0)
        return np.maximum(eta[1] - self.floor, 0)

    def nll(self, y: Array, eta: Array) -> Array:
        return self.likelihood.nll(y, eta) + 0.5 * np.square(self.depth(eta))

    def gradient(self, y: Array, eta: Array) -> Array:
        gradient = self.likelihood.gradient(y, eta)
        gradient[1] += self.depth(eta)
        return gradient

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        nll, gradient = self.likelihood.nll_and_gradient(y, eta)
        depth = self.depth(eta)
        if depth.any():
            nll = nll + 0.5 * np.square(depth)
            gradient[1] += depth
        return nll, gradient

    def hessian(self, y: Array, eta: Array) -> Array:
        hessian = self.likelihood.hessian(y, eta)
        hessian[1, 1] += self.depth(eta) != 0
        return hessian

    def expected_information(self, eta: Array) -> Array:
        information = self.likelihood.expected_information(eta)
        information[1, 1] += self.depth(eta) != 0
        return information
