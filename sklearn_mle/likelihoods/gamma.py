"""Gamma: positive y with log mean eta_0 and log shape eta_1. Its NLL is the gamma deviance, scaled and shifted."""

import math
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle._numerics.tails import gamma_tail_of_log, log_gamma_quantile
from sklearn_mle.likelihoods._base import Array, symmetric
from sklearn_mle.likelihoods._families import LogMean, NLLWithGradient, Positive
from sklearn_mle.likelihoods._frozen import frozen
from sklearn_mle.likelihoods._special import HALF_LOG_TWO_PI, exp_times_expm1, stirling_remainder

# Far beyond where the spread of y is less than its rounding.
_LARGEST_LOG_SHAPE = 600.0
_LEAST_DEVIANCE = 0.5e-16


class Gamma(Positive, LogMean, NLLWithGradient):
    r"""Gamma likelihood, log link; at a fixed shape its negative logarithm is half the gamma deviance times the shape.

    .. math:: -\log p(y \mid \log\mu, \log k) = \frac{k}{2} d + \log y + \log\Gamma(k) + k - k \log k ,\qquad
        \tfrac12 d = \frac{y}{\mu} - 1 - \log\frac{y}{\mu} ,\quad y > 0

    Nats. ``eta`` has shape (2, n): the logarithms of the mean and of the shape k; the dispersion of GLMs is 1 / k, the
    coefficient of variation :math:`1/\sqrt k`. The terms in k alone are computed by the remainder of Stirling's
    formula, so that a large shape loses no digits.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, chapter 8.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Gamma
    >>> Gamma().nll(np.array([1.0, 3.0]), np.zeros((2, 2))).round(6)
    array([1., 3.])
    """

    parameter_names = ("mean", "shape")
    links = ("log", "log")
    convex_in_location = True
    dispersion_parameter = "shape"
    variance_power = -1.0
    location_free_of_dispersion = True

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        shape, log_y = np.exp(eta[1]), np.log(y)
        remainder, first, _ = stirling_remainder(1 / shape)
        delta = log_y - eta[0]
        less_one = exp_times_expm1(eta[1], delta)
        deviance = less_one - shape * delta
        nll = deviance - 0.5 * eta[1] + HALF_LOG_TWO_PI + remainder + log_y
        return nll, np.array([-less_one, deviance - 0.5 - first])

    def hessian(self, y: Array, eta: Array) -> Array:
        shape, delta = np.exp(eta[1]), np.log(y) - eta[0]
        _, first, second = stirling_remainder(1 / shape)
        less_one = exp_times_expm1(eta[1], delta)
        return symmetric(np.exp(eta[1] + delta), -less_one, less_one - shape * delta + first + second)

    def expected_information(self, eta: Array) -> Array:
        shape = np.exp(eta[1])
        _, first, second = stirling_remainder(1 / shape)
        # k^2 trigamma(k) - k, which is one half for a large shape.
        return symmetric(shape, np.zeros_like(shape), 0.5 + 2 * first + second)

    def start(self, y: Array, weight: Array | None) -> Array:
        mean = float(np.average(y, weights=weight))
        # The mean half-deviance, of which the shape's maximum likelihood estimate is a function; this is that to 1.5%
        # (Minka 2002, Estimating a gamma distribution). A constant y starts from a small dispersion.
        half = max(math.log(mean) - float(np.average(np.log(y), weights=weight)), _LEAST_DEVIANCE)
        shape = (3 - half + math.sqrt((half - 3) ** 2 + 24 * half)) / (12 * half)
        return np.array([math.log(mean), math.log(shape)])

    def deviance(self, y: Array, eta: Array) -> Array:
        delta = np.log(y) - eta[0]
        return 2 * (np.expm1(delta) - delta)

    def distribution(self, eta: Array) -> Any:
        return frozen(self, eta, stats.gamma, a=np.exp(eta[1]), scale=np.exp(eta[0] - eta[1]))

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        shape = np.exp(np.minimum(eta[1], _LARGEST_LOG_SHAPE))
        return gamma_tail_of_log(shape, np.log(shape) + (np.log(y) - eta[0]), upper=upper)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        shape = np.exp(np.minimum(eta[1], _LARGEST_LOG_SHAPE))
        return np.exp(eta[0] + log_gamma_quantile(shape, level, upper=upper))

    def standard_deviation(self, eta: Array) -> Array:
        return np.exp(eta[0] - 0.5 * eta[1])
