"""Gaussian: y real, mean eta_0, log standard deviation eta_1. Its NLL is the squared error, scaled and shifted."""

import math

import numpy as np

from sklearn_mle.likelihoods._base import Array, Likelihood

__all__ = ["Gaussian"]

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Gaussian(Likelihood):
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

    convex = False

    @property
    def predictor_names(self) -> tuple[str, ...]:
        return ("location", "log_scale")

    def nll(self, y: Array, eta: Array) -> Array:
        location, log_scale = eta
        return _HALF_LOG_TWO_PI + log_scale + 0.5 * np.square((y - location) * np.exp(-log_scale))

    def gradient(self, y: Array, eta: Array) -> Array:
        location, log_scale = eta
        inverse_scale = np.exp(-log_scale)
        residual = (location - y) * inverse_scale
        return np.stack([residual * inverse_scale, 1 - np.square(residual)])

    def hessian(self, y: Array, eta: Array) -> Array:
        location, log_scale = eta
        inverse_scale = np.exp(-log_scale)
        residual = (location - y) * inverse_scale
        cross = -2 * residual * inverse_scale
        return np.stack(
            [np.stack([np.square(inverse_scale), cross]), np.stack([cross, 2 * np.square(residual)])],
        )

    def expected_information(self, eta: Array) -> Array:
        information = np.zeros((2, *eta.shape), dtype=eta.dtype)
        information[0, 0] = np.exp(-2 * eta[1])
        information[1, 1] = 2
        return information
