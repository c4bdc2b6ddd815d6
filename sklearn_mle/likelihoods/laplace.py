"""Laplace: y real with median eta_0 and log scale eta_1. Its NLL is the absolute error, scaled and shifted."""

import math
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._location_scale import LocationScale
from sklearn_mle.likelihoods._start import log_mean, weighted_quantile

__all__ = ["Laplace"]

_LOG_TWO = math.log(2)


class Laplace(LocationScale):
    r"""Laplace likelihood; at a fixed scale its negative logarithm is the absolute error (MAE), up to a constant.

    .. math:: -\log p(y \mid \mu, \log s) = \log 2 + \log s + |y - \mu| / s

    Nats. ``eta`` has shape (2, n): the location (the median) and the logarithm of the scale, the mean absolute
    deviation. At the kink y = mu the gradient is the subgradient zero. The expected information is the variance of the
    gradient, 1 / s^2 for the location; the Hessian there is zero almost everywhere.

    References
    ----------
    Koenker and Bassett (1978), Regression quantiles, Econometrica 46.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Laplace
    >>> Laplace().nll(np.array([3.0]), np.zeros((2, 1))).round(6)
    array([3.693147])
    """

    smooth = False
    location_free_of_dispersion = True
    unit_information = (1.0, 1.0, 0.0)

    @property
    def quantile_level(self) -> float:
        return 0.5

    @property
    def standard_distribution(self) -> Any:
        return stats.laplace()

    def standard_nll(self, z: Array) -> Array:
        return np.abs(z) + _LOG_TWO

    def standard_derivatives(self, z: Array) -> tuple[Array, Array]:
        return np.sign(z), np.zeros_like(z)

    def start(self, y: Array, weight: Array | None) -> Array:
        median = weighted_quantile(y, weight, 0.5)
        return np.array([median, log_mean(np.abs(y - median), y, weight)])
