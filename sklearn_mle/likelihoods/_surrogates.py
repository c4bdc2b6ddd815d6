"""Likelihoods that a fit solves in place of another: least squares, a bound of the dispersion, an angle for a share."""

import numpy as np

from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle.likelihoods._base import Array, Likelihood
from sklearn_mle.likelihoods._families import Canonical, NLLWithGradient


class LeastSquares(Canonical):
    r"""The location part of the Gaussian NLL: :math:`\tfrac12 (y - \eta)^2`.

    For a constant scale the Gaussian's location does not depend on the scale, so the fit solves this first; the scale
    follows in closed form.
    """

    parameter_names = ("location",)
    quadratic = True

    def nll(self, y: Array, eta: Array) -> Array:
        return 0.5 * np.square(eta[0] - y)

    def gradient(self, y: Array, eta: Array) -> Array:
        return eta - y

    def exact_gradient(self, y: Array, eta: DoubleDouble) -> DoubleDouble:
        return eta - y

    def expected_information(self, eta: Array) -> Array:
        # One number for all rows, in no memory of its own: cross-products then need no weighted copy of X.
        return np.broadcast_to(np.ones((), dtype=eta.dtype), (1, *eta.shape))

    def total_and_gradient(self, y: Array, eta: Array, weight: Array | None) -> tuple[float, Array]:
        residual = eta - y
        if weight is None:
            return 0.5 * float(residual[0] @ residual[0]), residual
        gradient = residual * weight
        return 0.5 * float(gradient[0] @ residual[0]), gradient


class _Changed(NLLWithGradient):
    """A likelihood whose predictors mean what they mean in another one."""

    convex = False
    convex_in_location = False
    likelihood: Likelihood

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return self.likelihood.parameter_names

    @property
    def links(self) -> tuple[str, ...]:
        return self.likelihood.links


class BoundedDispersion(_Changed):
    r"""A likelihood plus :math:`\tfrac12 (b - \log s)^2` where the dispersion parameter s is below its bound.

    Above the bound b nothing changes. Below it a row that is fitted exactly gains one nat per unit of log s and pays
    the quadratic, so its log scale stops one below the bound: a unique, finite optimum in place of minus infinity.
    Where the noise vanishes as the parameter grows (a shape, a precision), the bound is from above.
    """

    def __init__(self, likelihood: Likelihood, bound: float) -> None:
        self.likelihood, self.bound = likelihood, bound
        self.index = likelihood.parameter_names.index(str(likelihood.dispersion_parameter))

    def depth(self, eta: Array) -> Array:
        """Return how far beyond the bound each row is; signed as the gradient is."""
        beyond = np.minimum if self.likelihood.variance_power > 0 else np.maximum
        return beyond(eta[self.index] - self.bound, 0)

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        nll, gradient = self.likelihood.nll_and_gradient(y, eta)
        depth = self.depth(eta)
        if depth.any():
            nll = nll + 0.5 * np.square(depth)
            gradient[self.index] += depth
        return nll, gradient

    def hessian(self, y: Array, eta: Array) -> Array:
        hessian = self.likelihood.hessian(y, eta)
        hessian[self.index, self.index] += self.depth(eta) != 0
        return hessian

    def expected_information(self, eta: Array) -> Array:
        information = self.likelihood.expected_information(eta)
        information[self.index, self.index] += self.depth(eta) != 0
        return information


class Angular(_Changed):
    r"""A likelihood whose last predictor d, in [0, 1], is :math:`d = \sin^2(\phi / 2)` of a free :math:`\phi`.

    An optimum at a bound is an ordinary one here: where d = 0 is best with slope :math:`\partial F / \partial d > 0`,
    the curvature in :math:`\phi` is half that slope, positive. (A line search kept inside the bounds stalls beside
    them; an active set would need a solver of its own.) An angle of zero, though, is always stationary: never start
    there.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        nll, gradient = self.likelihood.nll_and_gradient(y, _inner(eta))
        gradient[-1] *= 0.5 * np.sin(eta[-1])
        return nll, gradient

    def hessian(self, y: Array, eta: Array) -> Array:
        inner = _inner(eta)
        hessian = self._chained(self.likelihood.hessian(y, inner), eta)
        hessian[-1, -1] += self.likelihood.gradient(y, inner)[-1] * 0.5 * np.cos(eta[-1])
        return hessian

    def expected_information(self, eta: Array) -> Array:
        return self._chained(self.likelihood.expected_information(_inner(eta)), eta)

    def _chained(self, matrix: Array, eta: Array) -> Array:
        slope = 0.5 * np.sin(eta[-1])
        matrix[-1] *= slope
        matrix[:, -1] *= slope
        return matrix


def share_of(angle: Array) -> Array:
    """Return d of the angle."""
    return np.square(np.sin(0.5 * angle))


def angle_of(share: float) -> float:
    """Return the angle of d, from zero to pi."""
    return 2 * float(np.arcsin(np.sqrt(share)))


def _inner(eta: Array) -> Array:
    return np.concatenate([eta[:-1], share_of(eta[-1:])])
