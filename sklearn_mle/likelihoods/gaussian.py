"""Gaussian: y real, mean eta_0, log standard deviation eta_1. Its NLL is the squared error, scaled and shifted."""

import numpy as np
from scipy import stats

from sklearn_mle.likelihoods._base import Array, Likelihood
from sklearn_mle.likelihoods._families import LocationScale
from sklearn_mle.likelihoods._special import HALF_LOG_TWO_PI


class Gaussian(LocationScale):
    r"""Gaussian likelihood; at a fixed scale its negative logarithm is half the squared error, up to a constant.

    .. math:: -\log p(y \mid \mu, \log s) = \tfrac12 \log 2\pi + \log s + \frac{(y - \mu)^2}{2 s^2}

    Nats. ``eta`` has shape (2, n): the location and the logarithm of the scale.

    References
    ----------
    Harvey (1976), Estimating regression models with multiplicative heteroscedasticity, Econometrica 44.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Gaussian
    >>> Gaussian().nll(np.array([0.0]), np.zeros((2, 1))).round(6)
    array([0.918939])
    """

    least_squares = True
    exponential_dispersion = True
    location_free_of_dispersion = True
    unit_information = (1.0, 2.0, 0.0)
    standard_distribution = stats.norm()

    def standard_nll(self, z: Array) -> Array:
        return 0.5 * np.square(z) + HALF_LOG_TWO_PI

    def standard_derivatives(self, z: Array) -> tuple[Array, Array]:
        return z, np.ones_like(z)

    def boundary_of(self, larger: Likelihood) -> bool | None:
        return True if "df" in larger.bounded_parameters else super().boundary_of(larger)

    def deviance(self, y: Array, eta: Array) -> Array:
        return np.square(y - eta[0])
