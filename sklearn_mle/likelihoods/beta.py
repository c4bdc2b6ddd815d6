"""Beta: rates y in (0, 1) with log-odds of the mean eta_0 and log precision eta_1."""

import math
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit, log_expit

from sklearn_mle._numerics.tails import beta_quantile, beta_tail
from sklearn_mle.likelihoods._base import Array, symmetric
from sklearn_mle.likelihoods._families import NLLWithGradient, deviance_from
from sklearn_mle.likelihoods._frozen import frozen
from sklearn_mle.likelihoods._special import HALF_LOG_TWO_PI, bernoulli_divergence, stirling_remainder
from sklearn_mle.likelihoods._start import best_second, mean_and_deviation

_STEPS = 64


class Beta(NLLWithGradient):
    r"""Beta likelihood of rates, logit link; its loss is the KL divergence from the mean to y, scaled, and terms in y.

    .. math:: -\log p(y \mid \operatorname{logit}\mu, \log\phi) = \log B(\mu\phi, (1 - \mu)\phi) - (\mu\phi - 1) \log y
        - ((1 - \mu)\phi - 1) \log(1 - y) ,\qquad 0 < y < 1

    computed as :math:`\phi\,\mathrm{KL}(\mu \,\|\, y)` and remainders of Stirling's formula, so that a large precision
    loses no digits. Nats. ``eta`` has shape (2, n): the log-odds of the mean and the logarithm of the precision phi;
    the variance is :math:`\mu(1 - \mu)/(1 + \phi)`. The deviance is at the model's precision and against the best mean
    for y there, which is y itself only as phi grows.

    References
    ----------
    Ferrari and Cribari-Neto (2004), Beta regression for modelling rates and proportions, J. of Applied Statistics 31.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Beta
    >>> Beta().nll(np.array([0.5, 0.9]), np.full((2, 2), [[0.0], [np.log(2)]])).round(6)
    array([0., 0.])
    """

    parameter_names = ("mean", "precision")
    links = ("logit", "log")
    convex = False
    convex_in_location = False
    dispersion_parameter = "precision"
    variance_power = -1.0
    noise_can_vanish = True
    support = (0.0, 1.0)
    domain = "numbers in the open interval (0, 1)"
    remedy = "Remove such rows, or shrink y towards one half by (y (n - 1) + 0.5) / n if zeros and ones may occur."

    def _outside(self, y: Array) -> Array:
        return (y <= 0) | (y >= 1)

    def link(self, y: Array) -> Array:
        return _logit(y)

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        rows = _Rows(eta)
        divergence = rows.precision * rows.divergence(y)
        jacobian = np.log(y) + np.log1p(-y) + HALF_LOG_TWO_PI
        remainders = rows.low[0] + rows.high[0] - rows.whole[0]
        logarithms = 0.5 * (eta[1] + rows.log_mean + rows.log_rest)
        precision = divergence - 0.5 - rows.low[1] - rows.high[1] + rows.whole[1]
        return divergence - logarithms + remainders + jacobian, np.array([rows.slope(y), precision])

    def hessian(self, y: Array, eta: Array) -> Array:
        rows = _Rows(eta)
        mean, rest, spread = rows.mean, rows.rest, rows.mean * rows.rest
        (_, low, low2), (_, high, high2), (_, whole, whole2) = rows.low, rows.high, rows.whole
        distance = eta[0] - _logit(y)
        location = rows.precision * spread * (1 + (rest - mean) * distance) + spread * (1 + low + high)
        location += np.square(rest) * (low + low2) + np.square(mean) * (high + high2)
        cross = rows.precision * spread * distance + rest * (low + low2) - mean * (high + high2)
        precision = rows.precision * rows.divergence(y) + low + low2 + high + high2 - whole - whole2
        return symmetric(location, cross, precision)

    def expected_information(self, eta: Array) -> Array:
        rows = _Rows(eta)
        # p^2 trigamma(p) - p, which is one half for a large p.
        low, high, whole = (0.5 + 2 * first + second for _, first, second in (rows.low, rows.high, rows.whole))
        spread = rows.precision * rows.mean * rows.rest
        # (1 - mu)^2 p + mu^2 q is phi mu (1 - mu).
        location = spread + np.square(rows.rest) * low + np.square(rows.mean) * high
        return symmetric(location, rows.rest * low - rows.mean * high, low + high - whole)

    def start(self, y: Array, weight: Array | None) -> Array:
        centre = float(np.average(_logit(y), weights=weight))
        mean, deviation = mean_and_deviation(y, weight)
        precision = max(mean * (1 - mean) / deviation**2 - 1, 0.1)
        return best_second(self, [centre, math.log(precision)], y, weight)

    def deviance(self, y: Array, eta: Array) -> Array:
        return deviance_from(self, y, eta, self._best_logit(y, eta))

    def _best_logit(self, y: Array, eta: Array) -> Array:
        """Return the log-odds of the mean that minimize the NLL of each row, by bisection of its monotone equation."""
        # In mu the NLL is convex: digamma(p) - digamma(q) = logit y has one root.
        trial = eta.copy()
        low, high = np.full_like(eta[0], -745.0), np.full_like(eta[0], 745.0)
        for _ in range(_STEPS):
            trial[0] = 0.5 * (low + high)
            above = _Rows(trial).slope(y) > 0
            low, high = np.where(above, low, trial[0]), np.where(above, trial[0], high)
        return 0.5 * (low + high)

    def distribution(self, eta: Array) -> Any:
        rows = _Rows(eta)
        return frozen(self, eta, stats.beta, a=rows.precision * rows.mean, b=rows.precision * rows.rest)

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        return beta_tail(*_log_shapes(eta), y, upper=upper)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        return beta_quantile(*_log_shapes(eta), level, upper=upper)

    def mean(self, eta: Array) -> Array:
        return expit(eta[0])

    def standard_deviation(self, eta: Array) -> Array:
        return np.exp(0.5 * (log_expit(eta[0]) + log_expit(-eta[0]) + log_expit(-eta[1])))


class _Rows:
    """The mean, the precision phi and Stirling's remainders of p = mu phi (low), q = (1 - mu) phi (high) and phi."""

    def __init__(self, eta: Array) -> None:
        self._logit = eta[0]
        self.mean, self.rest = expit(eta[0]), expit(-eta[0])
        self.log_mean, self.log_rest = log_expit(eta[0]), log_expit(-eta[0])
        self.precision = np.exp(eta[1])
        self.low = stirling_remainder(np.exp(-eta[1] - self.log_mean))
        self.high = stirling_remainder(np.exp(-eta[1] - self.log_rest))
        self.whole = stirling_remainder(np.exp(-eta[1]))

    def divergence(self, y: Array) -> Array:
        """Return the KL divergence of (y, 1 - y) from (mu, 1 - mu)."""
        distance = self._logit - _logit(y)
        near = bernoulli_divergence(self.mean, self.rest, np.clip(distance, -1, 1))
        far = self.mean * (self.log_mean - np.log(y)) + self.rest * (self.log_rest - np.log1p(-y))
        return np.where(np.abs(distance) < 1, near, far)

    def slope(self, y: Array) -> Array:
        """Return the gradient of the NLL in the log-odds."""
        distance = self._logit - _logit(y)
        remainders = self.mean * self.high[1] - self.rest * self.low[1]
        return self.precision * self.mean * self.rest * distance + 0.5 * (self.mean - self.rest) + remainders


def _log_shapes(eta: Array) -> tuple[Array, Array]:
    return eta[1] + log_expit(eta[0]), eta[1] + log_expit(-eta[0])


def _logit(y: Array) -> Array:
    return np.log(y) - np.log1p(-y)
