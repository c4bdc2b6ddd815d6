"""Tweedie, 1 < power < 2: zeros and positive amounts at once, as of insurance claims; log mean eta_0, log phi eta_1."""

import math
from typing import Any

import numpy as np

from sklearn_mle.likelihoods._base import Array, symmetric
from sklearn_mle.likelihoods._families import LogMean, NLLWithGradient
from sklearn_mle.likelihoods._frozen import LARGEST_LOG_MEAN_DRAWN, frozen
from sklearn_mle.likelihoods._special import exp_times_expm1
from sklearn_mle.likelihoods._start import best_second
from sklearn_mle.likelihoods._tweedie_distribution import tweedie_distribution, tweedie_quantile, tweedie_tail
from sklearn_mle.likelihoods._tweedie_series import dispersion_information, half_deviance, tweedie_saturated

_LEAST, _MOST = 1.01, 1.99


class Tweedie(LogMean, NLLWithGradient):
    r"""Tweedie likelihood, log link: a Poisson number of gamma amounts; its loss is half the Tweedie deviance, scaled.

    .. math:: -\log p(y \mid \log\mu, \log\phi) = \frac{d}{2\phi} + \log y + R(\phi\, y^{p-2}) ,\quad y > 0 ;\qquad
        -\log P(0) = \frac{\mu^{2-p}}{\phi\,(2 - p)}

    with :math:`\tfrac12 d = \frac{y^{2-p}}{(1-p)(2-p)} - \frac{y \mu^{1-p}}{1-p} + \frac{\mu^{2-p}}{2-p}` and R a sum
    (``_tweedie_series``) exact to about twelve digits (ten below power 1.05). The variance is :math:`\phi \mu^p`. The
    NLL is that of a mixed distribution: a probability at zero, a density above it. Nats. ``eta`` has shape (2, n): the
    logarithms of the mean and of the dispersion phi. When y is multiplied by c, log phi grows by (2 - p) log c. The
    expected information of log phi has no closed form: it is integrated, and interpolated, to about six digits (four
    below power 1.05).

    Parameters
    ----------
    power : float, default=1.5
        The power p of the variance function, in [1.01, 1.99]; towards 1 it is a scaled Poisson, towards 2 the gamma.

    References
    ----------
    Jorgensen (1987), Exponential dispersion models, Journal of the Royal Statistical Society B 49.
    Dunn and Smyth (2005), Series evaluation of Tweedie exponential dispersion model densities, Statistics and
    Computing 15.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Tweedie
    >>> Tweedie(power=1.5).nll(np.array([0.0, 1.0]), np.zeros((2, 2))).round(6)
    array([2.      , 1.028615])
    """

    parameter_names = ("mean", "dispersion")
    links = ("log", "log")
    convex = False
    dispersion_parameter = "dispersion"
    variance_power = 1.0
    noise_can_vanish = True
    equivariance = "scale"
    location_free_of_dispersion = True
    may_diverge = True
    support = (0.0, np.inf)
    domain = "amounts: finite numbers >= 0"

    def __init__(self, power: float = 1.5) -> None:
        self.power = power

    def check_parameters(self) -> None:
        if not _LEAST <= self.power <= _MOST:
            raise ValueError(
                f"power must be in [{_LEAST}, {_MOST}]; got {self.power!r}. For power 1 use 'poisson', for 2 'gamma', "
                "for 3 'inverse_gaussian', for 0 'gaussian'."
            )

    @property
    def unit_powers(self) -> tuple[float, ...]:
        return (1.0, 2 - self.power)

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        nll = self._half_deviance(y, eta[0], eta[1])
        dispersion = -nll
        positive = np.flatnonzero(y > 0)
        value, slope, _ = self._saturated(y, eta, positive)
        nll[positive] += np.log(y[positive]) + value
        dispersion[positive] += slope
        return nll, np.array([self._slope(y, eta), dispersion])

    def hessian(self, y: Array, eta: Array) -> Array:
        dispersion = self._half_deviance(y, eta[0], eta[1])
        positive = np.flatnonzero(y > 0)
        dispersion[positive] += self._saturated(y, eta, positive)[2]
        p = self.power
        location = (2 - p) * np.exp((2 - p) * eta[0] - eta[1])
        location += (p - 1) * np.exp(np.log(y) + (1 - p) * eta[0] - eta[1])
        return symmetric(location, -self._slope(y, eta), dispersion)

    def expected_information(self, eta: Array) -> Array:
        location = np.exp((2 - self.power) * eta[0] - eta[1])
        dispersion = dispersion_information(eta[1] + (self.power - 2) * eta[0], self.power)
        return symmetric(location, np.zeros_like(location), dispersion)

    def start(self, y: Array, weight: Array | None) -> Array:
        mean = float(np.average(y, weights=weight))
        if mean <= 0:
            return np.array([math.log(1e-3), 0.0])
        pearson = float(np.average(np.square(y / mean - 1), weights=weight)) * mean ** (2 - self.power)
        dispersion = max(pearson, 1e-8 * mean ** (2 - self.power))
        return best_second(self, [math.log(mean), math.log(dispersion)], y, weight)

    def deviance(self, y: Array, eta: Array) -> Array:
        return 2 * np.maximum(self._half_deviance(y, eta[0], np.zeros_like(eta[0])), 0)

    def distribution(self, eta: Array) -> Any:
        return frozen(self, eta, tweedie_distribution, mean=np.exp(eta[0]), dispersion=np.exp(eta[1]), power=self.power)

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        return tweedie_tail(y, eta, self.power, upper=upper)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        def slope(y: Array, eta: Array) -> Array:
            return y * np.exp(-self.nll(y, eta))

        return tweedie_quantile(level, eta, self.power, slope, upper=upper)

    def drawn_well(self, eta: Array) -> Array:
        # The number of events is a Poisson draw.
        return (2 - self.power) * eta[0] - eta[1] - math.log(2 - self.power) < LARGEST_LOG_MEAN_DRAWN

    def standard_deviation(self, eta: Array) -> Array:
        return np.exp(0.5 * (eta[1] + self.power * eta[0]))

    def _saturated(self, y: Array, eta: Array, rows: Array) -> tuple[Array, Array, Array]:
        return tweedie_saturated(eta[1][rows] + (self.power - 2) * np.log(y[rows]), self.power)

    def _half_deviance(self, y: Array, log_mean: Array, log_dispersion: Array) -> Array:
        """Return half the unit deviance over phi; of zeros, their NLL."""
        rise = 2 - self.power
        positive = half_deviance(np.log(np.where(y > 0, y, 1)), log_mean, log_dispersion, self.power)
        return np.where(y > 0, positive, np.exp(rise * log_mean - log_dispersion) / rise)

    def _slope(self, y: Array, eta: Array) -> Array:
        return -exp_times_expm1((2 - self.power) * eta[0] - eta[1], np.log(y) - eta[0])
