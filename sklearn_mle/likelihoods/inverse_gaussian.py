"""Inverse Gaussian: positive y with log mean eta_0 and log shape eta_1, as of first passage times."""

import math
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle._numerics.tails import inverse_gaussian_tail, log_inverse_gaussian_quantile
from sklearn_mle.likelihoods._base import Array, symmetric
from sklearn_mle.likelihoods._families import LogMean, Positive
from sklearn_mle.likelihoods._frozen import frozen
from sklearn_mle.likelihoods._special import HALF_LOG_TWO_PI, exp_times_expm1

_WIDEST_DRAWN = 10.0


class InverseGaussian(Positive, LogMean):
    r"""Inverse Gaussian likelihood, log link; at a fixed shape its negative logarithm is half its deviance, scaled.

    .. math:: -\log p(y \mid \log\mu, \log\lambda) = \frac{\lambda}{2} d + \tfrac12 \log \frac{2\pi y^3}{\lambda}
        ,\qquad d = \frac{(y - \mu)^2}{\mu^2 y} ,\quad y > 0

    Nats. ``eta`` has shape (2, n): the logarithms of the mean and of the shape :math:`\lambda` (the dispersion of GLMs
    is its reciprocal), which has the units of y: when y is multiplied by c, both predictors grow by log c. The NLL is
    not convex in log mu: below half the mean its curvature is negative.

    References
    ----------
    Tweedie (1957), Statistical properties of inverse Gaussian distributions, Annals of Mathematical Statistics 28.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import InverseGaussian
    >>> InverseGaussian().nll(np.array([1.0, 2.0]), np.zeros((2, 2))).round(6)
    array([0.918939, 2.208659])
    """

    parameter_names = ("mean", "shape")
    links = ("log", "log")
    dispersion_parameter = "shape"
    variance_power = -1.0
    location_free_of_dispersion = True
    unit_powers = (1.0, 1.0)

    def nll(self, y: Array, eta: Array) -> Array:
        return _half_deviance(y, eta) + HALF_LOG_TWO_PI + 1.5 * np.log(y) - 0.5 * eta[1]

    def gradient(self, y: Array, eta: Array) -> Array:
        slope = exp_times_expm1(eta[1] - eta[0], np.log(y) - eta[0])
        return np.array([-slope, _half_deviance(y, eta) - 0.5])

    def hessian(self, y: Array, eta: Array) -> Array:
        delta = np.log(y) - eta[0]
        whole, less_one = np.exp(eta[1] - eta[0] + delta), exp_times_expm1(eta[1] - eta[0], delta)
        # Each form where it is a sum of like signs: an overflow then has the right one.
        below = np.exp(eta[1] - eta[0]) * (2 * np.exp(np.minimum(delta, 0)) - 1)
        return symmetric(np.where(delta < 0, below, whole + np.maximum(less_one, 0)), -less_one, _half_deviance(y, eta))

    def expected_information(self, eta: Array) -> Array:
        location = np.exp(eta[1] - eta[0])
        return symmetric(location, np.zeros_like(location), np.full_like(location, 0.5))

    def start(self, y: Array, weight: Array | None) -> Array:
        log_mean = math.log(float(np.average(y, weights=weight)))
        # The maximum likelihood estimate: twice the mean half-deviance; a constant y starts from a small dispersion.
        dispersion = float(np.average(np.square(np.expm1(np.log(y) - log_mean)) / y, weights=weight))
        return np.array([log_mean, -math.log(max(dispersion, 1e-16 * math.exp(-log_mean)))])

    def deviance(self, y: Array, eta: Array) -> Array:
        return np.square(np.expm1(np.log(y) - eta[0])) / y

    def distribution(self, eta: Array) -> Any:
        return frozen(self, eta, stats.invgauss, mu=np.exp(eta[0] - eta[1]), scale=np.exp(eta[1]))

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        return inverse_gaussian_tail(np.log(y) - eta[0], eta[1] - eta[0], upper=upper)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        return np.exp(eta[0] + log_inverse_gaussian_quantile(eta[1] - eta[0], level, upper=upper))

    def drawn_well(self, eta: Array) -> Array:
        # numpy takes the difference of two numbers of the size of (mu / lambda)^2.
        return eta[0] - eta[1] < _WIDEST_DRAWN

    def standard_deviation(self, eta: Array) -> Array:
        return np.exp(1.5 * eta[0] - 0.5 * eta[1])


def _half_deviance(y: Array, eta: Array) -> Array:
    """Return lambda / 2 times the unit deviance, as the square of a root that overflows no earlier than it does."""
    log_y = np.log(y)
    root = exp_times_expm1(0.5 * (eta[1] - log_y), log_y - eta[0])
    return 0.5 * np.square(root)
