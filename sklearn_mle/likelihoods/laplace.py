"""Laplace and asymmetric Laplace: real y with median, or given quantile, eta_0 and log scale eta_1."""

import math
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle._numerics.quantiles import weighted_quantile
from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import LocationScale
from sklearn_mle.likelihoods._start import log_mean


class _Pinball(LocationScale):
    """A likelihood whose standard NLL is the larger of two straight lines through zero, with a constant."""

    smooth = False
    location_free_of_dispersion = True
    # The slopes below zero and above it.
    _slopes: tuple[float, float]

    @property
    def quantile_level(self) -> float:
        below, above = self._slopes
        return above / (above - below)

    @property
    def unit_information(self) -> tuple[float, float, float]:
        below, above = self._slopes
        return -below * above, 1.0, 0.0

    def standard_nll(self, z: Array) -> Array:
        below, above = self._slopes
        return np.maximum(below * z, above * z) - math.log(-below * above / (above - below))

    def standard_derivatives(self, z: Array) -> tuple[Array, Array]:
        below, above = self._slopes
        slope = np.where(z > 0, above, below).astype(z.dtype)
        slope[z == 0] = 0
        return slope, np.zeros_like(z)

    def start(self, y: Array, weight: Array | None) -> Array:
        below, above = self._slopes
        location = weighted_quantile(y, weight, self.quantile_level)
        loss = np.maximum(below * (y - location), above * (y - location))
        return np.array([location, log_mean(loss, y, weight)])


class Laplace(_Pinball):
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

    standard_distribution = stats.laplace()
    _slopes = (-1.0, 1.0)


class AsymmetricLaplace(_Pinball):
    r"""Asymmetric Laplace likelihood; at a fixed scale its negative logarithm is the quantile loss at level t.

    .. math:: -\log p(y \mid \mu, \log s) = \log s - \log t(1 - t) + \rho_t\!\left(\frac{y - \mu}{s}\right) ,\qquad
        \rho_t(z) = z\,(t - 1[z < 0])

    Nats. ``eta`` has shape (2, n): the location, which is the t-quantile of y, and the logarithm of the scale. At the
    kink y = mu the gradient is the subgradient zero. The mean of y is the location plus
    :math:`s (1 - 2t) / (t (1 - t))`: to predict the quantile, read the location.

    Parameters
    ----------
    quantile : float, default=0.5
        The level t, in (0, 1); one half is the Laplace likelihood of twice the scale.

    References
    ----------
    Koenker and Machado (1999), Goodness of fit and related inference processes for quantile regression, JASA 94.
    Yu and Moyeed (2001), Bayesian quantile regression, Statistics and Probability Letters 54.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import AsymmetricLaplace
    >>> likelihood = AsymmetricLaplace(quantile=0.9)
    >>> likelihood.nll(np.array([1.0, -1.0]), np.zeros((2, 2))).round(6)
    array([3.307946, 2.507946])
    """

    def __init__(self, quantile: float = 0.5) -> None:
        self.quantile = quantile

    def check_parameters(self) -> None:
        if not 0 < self.quantile < 1:
            raise ValueError(f"quantile must be in (0, 1), the level of the quantile to fit; got {self.quantile!r}.")

    @property
    def quantile_level(self) -> float:
        return self.quantile

    @property
    def _slopes(self) -> tuple[float, float]:  # type: ignore[override]
        return self.quantile - 1, self.quantile

    @property
    def standard_distribution(self) -> Any:
        # scipy's density is exp(-kappa x) above zero and exp(x / kappa) below.
        t = self.quantile
        return stats.laplace_asymmetric(kappa=math.sqrt(t / (1 - t)), scale=1 / math.sqrt(t * (1 - t)))
