"""Logistic: y real with mean eta_0 and log scale eta_1. Its NLL is twice the log-cosh loss, scaled and shifted."""

import math

import numpy as np
from scipy import stats

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import LocationScale


class Logistic(LocationScale):
    r"""Logistic likelihood of a real y; at a fixed scale its negative logarithm is the log-cosh loss, up to a constant.

    .. math:: -\log p(y \mid \mu, \log s) = \log s + z + 2 \log(1 + e^{-z}) = \log 4 s + 2 \log\cosh(z/2) ,\qquad
        z = (y - \mu) / s

    Squared error near zero, absolute error far out. Nats. ``eta`` has shape (2, n): the location (the mean and the
    median) and the logarithm of the scale, which is the standard deviation times :math:`\sqrt 3 / \pi`. Not the
    likelihood of logistic regression: that is ``Bernoulli``.

    References
    ----------
    Johnson, Kotz and Balakrishnan (1995), Continuous Univariate Distributions 2, chapter 23.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Logistic
    >>> Logistic().nll(np.array([0.0, 800.0]), np.zeros((2, 2))).round(6)
    array([  1.386294, 800.      ])
    """

    unit_information = (1 / 3, (3 + math.pi**2) / 9, 0.0)
    standard_distribution = stats.logistic()

    def standard_nll(self, z: Array) -> Array:
        return np.abs(z) + 2 * np.log1p(np.exp(-np.abs(z)))

    def standard_derivatives(self, z: Array) -> tuple[Array, Array]:
        small = np.exp(-np.abs(z))
        return np.tanh(0.5 * z), 2 * small / np.square(1 + small)
