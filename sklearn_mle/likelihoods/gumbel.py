"""Gumbel: y real, the largest of many, with mode eta_0 and log scale eta_1."""

import math

import numpy as np
from scipy import stats

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import LocationScale


class Gumbel(LocationScale):
    r"""Gumbel likelihood for maxima; its loss is exponential below the location and linear above it.

    .. math:: -\log p(y \mid \mu, \log s) = \log s + z + e^{-z} ,\qquad z = (y - \mu) / s

    Nats. ``eta`` has shape (2, n): the location (the mode; the mean is 0.577 scales above it) and the logarithm of the
    scale, which is the standard deviation times :math:`\sqrt 6 / \pi`. For minima, fit -y.

    References
    ----------
    Gumbel (1958), Statistics of Extremes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Gumbel
    >>> Gumbel().nll(np.array([0.0, 5.0, -5.0]), np.zeros((2, 3))).round(6)
    array([  1.      ,   5.006738, 143.413159])
    """

    unit_information = (1.0, math.pi**2 / 6 + (1 - np.euler_gamma) ** 2, -(1 - np.euler_gamma))
    standard_distribution = stats.gumbel_r()

    def standard_nll(self, z: Array) -> Array:
        return z + np.exp(-z)

    def standard_derivatives(self, z: Array) -> tuple[Array, Array]:
        return -np.expm1(-z), np.exp(-z)
