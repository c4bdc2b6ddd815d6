"""Weibull: positive y with log scale eta_0 and log shape eta_1; the logarithm of y is a Gumbel of minima."""

import math
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import gammaln

from sklearn_mle.likelihoods._base import Array, symmetric
from sklearn_mle.likelihoods._families import Positive
from sklearn_mle.likelihoods._frozen import frozen
from sklearn_mle.likelihoods._special import exp_times_expm1
from sklearn_mle.likelihoods._start import mean_and_deviation

_ONE_LESS_EULER = 1 - np.euler_gamma
_INFORMATION = math.pi**2 / 6 + _ONE_LESS_EULER**2


class Weibull(Positive):
    r"""Weibull likelihood of positive durations; the hazard falls for a shape below one and grows above it.

    .. math:: -\log p(y \mid \log\lambda, \log k) = \log y - \log k - z + e^z ,\qquad z = k\,(\log y - \log\lambda)
        ,\quad y > 0

    Its loss is exponential in log y above the scale and linear below it. Nats. ``eta`` has shape (2, n): the logarithms
    of the scale :math:`\lambda` (the 0.632 quantile) and of the shape k. The mean is :math:`\lambda \Gamma(1 + 1/k)`.

    References
    ----------
    Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time Data, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Weibull
    >>> Weibull().nll(np.array([1.0, 3.0]), np.zeros((2, 2))).round(6)
    array([1., 3.])
    """

    parameter_names = ("scale", "shape")
    links = ("log", "log")
    convex_in_location = True
    dispersion_parameter = "shape"
    variance_power = -2.0

    def nll(self, y: Array, eta: Array) -> Array:
        z = _exponent(y, eta)
        return np.log(y) - eta[1] - z + np.exp(z)

    def gradient(self, y: Array, eta: Array) -> Array:
        z = _exponent(y, eta)
        return np.array([-exp_times_expm1(eta[1], z), z * np.expm1(z) - 1])

    def hessian(self, y: Array, eta: Array) -> Array:
        z = _exponent(y, eta)
        less_one, weighted = exp_times_expm1(eta[1], z), z * np.exp(z)
        cross = -less_one - z * np.exp(eta[1] + z)
        return symmetric(np.exp(2 * eta[1] + z), cross, z * np.expm1(z) + z * weighted)

    def expected_information(self, eta: Array) -> Array:
        shape = np.exp(eta[1])
        return symmetric(np.square(shape), -_ONE_LESS_EULER * shape, np.full_like(shape, _INFORMATION))

    def start(self, y: Array, weight: Array | None) -> Array:
        mean, deviation = mean_and_deviation(np.log(y), weight)
        scale = deviation * math.sqrt(6) / math.pi
        return np.array([mean + np.euler_gamma * scale, -math.log(scale)])

    def deviance(self, y: Array, eta: Array) -> Array:
        z = _exponent(y, eta)
        return 2 * (np.expm1(z) - z)

    def distribution(self, eta: Array) -> Any:
        return frozen(self, eta, stats.weibull_min, c=np.exp(eta[1]), scale=np.exp(eta[0]))

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        hazard = np.exp(_exponent(y, eta))
        return np.exp(-hazard) if upper else -np.expm1(-hazard)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        log_hazard = np.log(-np.log(level)) if upper else np.log(-np.log1p(-level))
        return np.exp(eta[0] + np.where(log_hazard == 0, 0, np.exp(-eta[1]) * log_hazard))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0] + gammaln(1 + np.exp(-eta[1]).astype(np.float64)))

    def standard_deviation(self, eta: Array) -> Array:
        x = np.exp(-eta[1]).astype(np.float64)
        ratio = np.expm1(gammaln(1 + 2 * x) - 2 * gammaln(1 + x))
        # For a large shape the two cancel: the series is pi^2 / 6 x^2 - 2 zeta(3) x^3.
        series = np.square(x) * (math.pi**2 / 6 - 2.404113806319188 * x)
        return self.mean(eta) * np.sqrt(np.where(x < 1e-5, series, ratio))


def _exponent(y: Array, eta: Array) -> Array:
    """Return z, bounded by what can still be multiplied without a nan."""
    return np.clip(np.exp(eta[1]) * (np.log(y) - eta[0]), -1e300, 1e300)
