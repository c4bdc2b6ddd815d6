"""What families of likelihoods share: a canonical link; a location and a scale of real y; a log mean; positive y."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from sklearn_mle._numerics.scipy_frozen import given_parameters
from sklearn_mle.likelihoods._base import Array, Likelihood, symmetric
from sklearn_mle.likelihoods._frozen import count_quantile_of, frozen
from sklearn_mle.likelihoods._start import mean_and_deviation

_LARGEST = 1e300
_LOG_LARGEST = 700.0


class NLLWithGradient(Likelihood):
    """A likelihood whose NLL and gradient share so much that they are computed together."""

    @abstractmethod
    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """Return the rowwise NLL, shape (n,), and its gradient, shape (q, n)."""

    def nll(self, y: Array, eta: Array) -> Array:
        return self.nll_and_gradient(y, eta)[0]

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.nll_and_gradient(y, eta)[1]


class Canonical(Likelihood):
    """An exponential family with its canonical link: the Hessian does not depend on y."""

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.expected_information(eta)


class RealOutcome(NLLWithGradient):
    """A likelihood of a real y whose first two predictors are a location and the logarithm of a scale."""

    convex = False
    dispersion_parameter = "scale"
    noise_can_vanish = True
    equivariance = "location_scale"

    def link(self, y: Array) -> Array:
        return y

    def deviance(self, y: Array, eta: Array) -> Array:
        return deviance_from(self, y, eta, self._best_location(y, eta))

    def _best_location(self, y: Array, eta: Array) -> Array:
        """Return the location that makes each y likeliest, the other parameters as they are."""
        return y


class LocationScale(RealOutcome):
    r"""A likelihood of :math:`z = (y - \mu) / s` alone: :math:`-\log p = \log s + \rho(z)`, least at :math:`z = 0`.

    A member gives :math:`\rho`, its derivatives, and its information at s = 1. Predictors are :math:`\mu, \log s`:

    .. math:: \nabla = \left(-\rho'/s,\; 1 - z \rho'\right) ,\qquad
        \nabla^2 = \begin{pmatrix} \rho''/s^2 & (\rho' + z \rho'')/s \\ \cdot & z \rho' + z^2 \rho'' \end{pmatrix}

    At a constant scale the NLL is jointly convex in :math:`(\mu/s, 1/s)` wherever :math:`\rho` is convex
    (Burridge 1981), but never in :math:`(\mu, \log s)`.
    """

    parameter_names = ("location", "scale")
    links = ("identity", "log")

    @abstractmethod
    def standard_nll(self, z: Array) -> Array:
        """Return the NLL at location zero and scale one."""

    @abstractmethod
    def standard_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return the first and second derivative of the standard NLL; at a kink, a subgradient and zero."""

    @property
    @abstractmethod
    def unit_information(self) -> tuple[float, float, float]:
        """The expected information at scale one: of the location, of the log scale, and between them."""

    @property
    @abstractmethod
    def standard_distribution(self) -> Any:
        """The frozen distribution at location zero and scale one."""

    def start(self, y: Array, weight: Array | None) -> Array:
        mean, deviation = mean_and_deviation(y, weight)
        scale = deviation / self.standard_distribution.std()
        return np.array([mean - scale * self.standard_distribution.mean(), np.log(scale)])

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        z, inverse_scale = standardize(y, eta)
        slope = self.standard_derivatives(z)[0]
        return eta[1] + self.standard_nll(z), np.array([-slope * inverse_scale, 1 - z * slope])

    def hessian(self, y: Array, eta: Array) -> Array:
        z, inverse_scale = standardize(y, eta)
        slope, curvature = self.standard_derivatives(z)
        # In this order no zero is multiplied by an overflow: the curvature decays first.
        weighted = curvature * z
        return symmetric(
            curvature * inverse_scale * inverse_scale, (slope + weighted) * inverse_scale, z * slope + weighted * z
        )

    def expected_information(self, eta: Array) -> Array:
        location, scale, cross = self.unit_information
        inverse_scale = np.exp(-eta[1])
        return symmetric(
            location * inverse_scale * inverse_scale, cross * inverse_scale, np.full_like(inverse_scale, scale)
        )

    def deviance(self, y: Array, eta: Array) -> Array:
        least = self.standard_nll(np.zeros(1))[0]
        return 2 * np.maximum(self.standard_nll(standardize(y, eta)[0]) - least, 0)

    def distribution(self, eta: Array) -> Any:
        standard = self.standard_distribution
        named = given_parameters(standard)
        scale = named.get("scale", 1.0) * np.exp(eta[1])
        return frozen(self, eta, standard.dist, **named | {"loc": eta[0], "scale": scale})

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        z, standard = standardize(y, eta)[0], self.standard_distribution
        return standard.sf(z) if upper else standard.cdf(z)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        standard = self.standard_distribution
        return eta[0] + np.exp(eta[1]) * (standard.isf(level) if upper else standard.ppf(level))

    def mean(self, eta: Array) -> Array:
        return eta[0] + np.exp(eta[1]) * self.standard_distribution.mean()

    def standard_deviation(self, eta: Array) -> Array:
        return np.exp(eta[1]) * self.standard_distribution.std()


def standardize(y: Array, eta: Array) -> tuple[Array, Array]:
    """Return z, bounded by what can still be multiplied without a nan, and 1 / s."""
    # Finite, so that z is zero for an outcome at the location, whatever the scale.
    inverse_scale = np.exp(np.minimum(-eta[1], _LOG_LARGEST))
    return np.minimum(np.maximum((y - eta[0]) * inverse_scale, -_LARGEST), _LARGEST), inverse_scale


def deviance_from(likelihood: Likelihood, y: Array, eta: Array, location: Array) -> Array:
    """Return the unit deviance, where the location's predictor that fits each y best is known."""
    best = eta.copy()
    best[0] = location
    return 2 * np.maximum(likelihood.nll(y, eta) - likelihood.nll(y, best), 0)


def information_of_shapes(unit: Callable[[Array], Array], shapes: Array, eta: Array, at_once: int) -> Array:
    """Return the expected information (q, q, n) of a ``RealOutcome`` from what it is at scale one.

    ``unit`` gives that of shapes (k, n), as many rows as are asked for ``at_once``. It is asked only once where all
    rows have the same.
    """
    q, n = eta.shape
    if n > 1 and (shapes == shapes[:, :1]).all():
        shapes = shapes[:, :1]
    parts = [unit(shapes[:, k : k + at_once]) for k in range(0, shapes.shape[1], at_once)]
    whole = np.concatenate(parts, axis=-1) if parts else np.zeros((q, q, 0))
    return in_units(np.broadcast_to(whole, (q, q, n)).astype(eta.dtype), np.exp(-eta[1]))


def in_units(matrix: Array, inverse_scale: Array) -> Array:
    """Turn a matrix (q, q, n) in the location and others from scale one to the rows' scales, in place."""
    matrix[0] *= inverse_scale
    matrix[:, 0] *= inverse_scale
    return matrix


class LogMean(Likelihood):
    """An exponential dispersion family whose location is the logarithm of its mean."""

    exponential_dispersion = True

    def _outside(self, y: Array) -> Array:
        return y <= 0 if self.positive_only else y < 0

    def link(self, y: Array) -> Array:
        return np.log(y)

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0])

    def opposes(self, y: Array) -> tuple[Array, Array]:
        # A zero is fitted the better the lower its mean, without end; an outcome above zero bounds it from below.
        return y > 0, np.ones(y.shape, dtype=bool)


class Counts(LogMean):
    """A likelihood of counts with a log mean."""

    discrete = True
    may_diverge = True
    domain = "counts: finite numbers >= 0"

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        return count_quantile_of(self, level, eta, upper=upper)


class Positive(Likelihood):
    """A likelihood of y > 0 whose dispersion is relative to y, so that the unit of y does not matter."""

    convex = False
    convex_in_location = False
    noise_can_vanish = True
    equivariance = "scale"
    positive_only = True
    domain = "positive, finite numbers"
    remedy = "Remove such rows, or choose a likelihood that takes zeros ('tweedie') or all real numbers ('gaussian')."

    def link(self, y: Array) -> Array:
        return np.log(y)


class LogLocationScale(Positive, NLLWithGradient):
    """A likelihood of y > 0 whose logarithm has a location and a scale, the latter's logarithm up to a sign."""

    convex_in_location = True
    # The likelihood of log y, and the signs with which its predictors are those of y: a shape is one over a scale.
    _of_log: ClassVar[LocationScale]
    _signs: ClassVar[Array] = np.ones((2, 1))

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        log_y = np.log(y)
        nll, gradient = self._of_log.nll_and_gradient(log_y, eta * self._signs)
        return log_y + nll, gradient * self._signs

    def hessian(self, y: Array, eta: Array) -> Array:
        return self._of_log.hessian(np.log(y), eta * self._signs) * (self._signs * self._signs[:, None])

    def expected_information(self, eta: Array) -> Array:
        return self._of_log.expected_information(eta * self._signs) * (self._signs * self._signs[:, None])

    def start(self, y: Array, weight: Array | None) -> Array:
        return self._of_log.start(np.log(y), weight) * self._signs[:, 0]

    def deviance(self, y: Array, eta: Array) -> Array:
        return self._of_log.deviance(np.log(y), eta * self._signs)

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        return self._of_log.tail(np.log(y), eta * self._signs, upper=upper)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        return np.exp(self._of_log.tail_quantile(level, eta * self._signs, upper=upper))
