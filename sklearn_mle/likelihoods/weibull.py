"""Weibull: positive y with log scale eta_0 and log shape eta_1; the logarithm of y is a Gumbel of minima."""

import math
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import gammaln

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import LocationScale, LogLocationScale, standardize
from sklearn_mle.likelihoods._frozen import frozen


class LeastGumbel(LocationScale):
    """Gumbel's likelihood for minima, which the logarithm of a Weibull variable has."""

    unit_information = (1.0, math.pi**2 / 6 + (1 - np.euler_gamma) ** 2, 1 - np.euler_gamma)
    standard_distribution = stats.gumbel_l()

    def standard_nll(self, z: Array) -> Array:
        return np.exp(z) - z

    def standard_derivatives(self, z: Array) -> tuple[Array, Array]:
        return np.expm1(z), np.exp(z)

    def deviance(self, y: Array, eta: Array) -> Array:
        z, _ = standardize(y, eta)
        return 2 * (np.expm1(z) - z)


class Weibull(LogLocationScale):
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
    dispersion_parameter = "shape"
    variance_power = -2.0
    _of_log = LeastGumbel()
    _signs = np.array([[1.0], [-1.0]])

    def distribution(self, eta: Array) -> Any:
        return frozen(self, eta, stats.weibull_min, c=np.exp(eta[1]), scale=np.exp(eta[0]))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0] + gammaln(1 + np.exp(-eta[1]).astype(np.float64)))

    def standard_deviation(self, eta: Array) -> Array:
        x = np.exp(-eta[1]).astype(np.float64)
        ratio = np.expm1(gammaln(1 + 2 * x) - 2 * gammaln(1 + x))
        # For a large shape the two cancel: the series is pi^2 / 6 x^2 - 2 zeta(3) x^3.
        series = np.square(x) * (math.pi**2 / 6 - 2.404113806319188 * x)
        return self.mean(eta) * np.sqrt(np.where(x < 1e-5, series, ratio))
