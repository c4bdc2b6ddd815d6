"""Negative binomial (NB2): counts with log mean eta_0 and log dispersion eta_1; Poisson as the dispersion vanishes."""

import math
from typing import Any

import numpy as np
from scipy import stats
from scipy.interpolate import RectBivariateSpline
from scipy.special import expit

from sklearn_mle._numerics.special import less_log1p
from sklearn_mle._numerics.spreads import lattice_spread
from sklearn_mle._numerics.tails import negative_binomial_tail
from sklearn_mle.likelihoods._base import Array, symmetric
from sklearn_mle.likelihoods._families import Counts, NLLWithGradient
from sklearn_mle.likelihoods._frozen import LARGEST_LOG_MEAN_DRAWN, frozen
from sklearn_mle.likelihoods._special import log1p_ratio, poisson_saturated, stirling_remainder
from sklearn_mle.likelihoods._start import best_second, mean_and_deviation

# Where log(a mu) is above this, the deviance is written in logarithms: a mu itself may overflow.
_FAR = 30.0
_LEAST_DISPERSION = 1e-2
_TINY = 1e-300
_FEW = 64
# scipy's parameters n = 1 / a and p = 1 / (1 + a mu) lose the digits of a mu beside one: the best that they can do.
_LEAST_PRODUCT = 1e-8
# Counts from here on whose deviance would lose digits that a total can show.
_MANY = 1e4
_LEAST_LOG_DISPERSION = -660.0


class NegativeBinomial(Counts, NLLWithGradient):
    r"""Negative binomial likelihood of over-dispersed counts (NB2), log link.

    .. math:: -\log p(y \mid \log\mu, \log a) = \log\Gamma(y + 1) - \log\frac{\Gamma(y + 1/a)}{\Gamma(1/a)}
        - y \log(a \mu) + \left(y + \frac1a\right) \log(1 + a \mu)

    The variance is :math:`\mu + a \mu^2`; with a -> 0 this is the Poisson likelihood, and it is computed so that the
    difference from it keeps its digits for any a, as half the deviance plus the NLL at mu = y:

    .. math:: \tfrac12 d = y \log\frac{y}{\mu} + (\mu - y)\, \frac{\log(1 + u)}{u} ,\qquad
        u = \frac{a (\mu - y)}{1 + a y}

    ``y`` may be any number >= 0. Nats. ``eta`` has shape (2, n): the logarithms of the mean and of the dispersion a
    (R's ``theta`` is 1 / a). The deviance is the GLM's at the given a. The expected information of log a has no closed
    form: it is an integral, computed to about ten digits.

    References
    ----------
    Lawless (1987), Negative binomial and mixed Poisson regression, Canadian Journal of Statistics 15.
    Hilbe (2011), Negative Binomial Regression.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import NegativeBinomial
    >>> NegativeBinomial().nll(np.array([0.0, 2.0]), np.zeros((2, 2))).round(6)
    array([0.693147, 2.079442])
    """

    parameter_names = ("mean", "dispersion")
    links = ("log", "log")
    convex = False
    dispersion_parameter = "dispersion"
    variance_power = 1.0

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        deviance, (value, slope, _) = _Deviance(y, eta), _saturated(y, eta[1])
        nll = poisson_saturated(y) + value + deviance.value
        return nll, np.array([deviance.slope, slope + deviance.dispersion_slope])

    def hessian(self, y: Array, eta: Array) -> Array:
        deviance = _Deviance(y, eta)
        share, scaled_mean = deviance.share, deviance.scaled_mean
        return symmetric(
            scaled_mean * share + y * share * (1 - share),
            -deviance.slope * (1 - share),
            _saturated(y, eta[1])[2] + deviance.dispersion_curvature,
        )

    def expected_information(self, eta: Array) -> Array:
        mean = _scaled_mean(eta)
        return symmetric(mean, np.zeros_like(mean), dispersion_information(eta[0], eta[1]))

    def start(self, y: Array, weight: Array | None) -> Array:
        mean, deviation = mean_and_deviation(y, weight)
        if mean <= 0:
            return np.array([math.log(1e-3), 0.0])
        dispersion = max((deviation**2 - mean) / mean**2, _LEAST_DISPERSION)
        return best_second(self, [math.log(mean), math.log(dispersion)], y, weight)

    def deviance(self, y: Array, eta: Array) -> Array:
        return 2 * np.maximum(_Deviance(y, eta).value, 0)

    def distribution(self, eta: Array) -> Any:
        product = np.maximum(np.exp(eta[0] + eta[1]), _LEAST_PRODUCT)
        return frozen(self, eta, stats.nbinom, n=np.exp(eta[0]) / product, p=1 / (1 + product))

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        return negative_binomial_tail(y, eta[0], eta[1], upper=upper)

    def crps(self, y: Array, eta: Array) -> Array:
        """Return the continuous ranked probability score of y, shape (n,); nan where a mu overflows.

        scipy's parameters of nearly Poisson rows do not tell their mean.
        """
        count = np.maximum(np.floor(y), 0)
        inside = y >= 0
        mean, dispersion = np.exp(eta[0]), np.exp(np.maximum(eta[1], _LEAST_LOG_DISPERSION))
        difference = self.tail(count, eta, upper=False) - self.tail(count, eta, upper=True)
        excess = mean * (1 + dispersion * count) * np.exp(-self.nll(count, eta))
        product = np.exp(eta[0] + np.log(dispersion))
        spread = lattice_spread(-1 / dispersion, -4 * product * (1 + product))
        return (y - mean) * np.where(inside, difference, -1.0) + np.where(inside, 2 * excess, 0.0) - spread

    def drawn_well(self, eta: Array) -> Array:
        # Also the mean of the Poisson draw, ten times the mean of its own distribution.
        return (eta[0] + np.maximum(eta[1], 0) < LARGEST_LOG_MEAN_DRAWN - 3) & (eta[0] + eta[1] > -10)

    def standard_deviation(self, eta: Array) -> Array:
        return np.exp(0.5 * (eta[0] + np.logaddexp(0, eta[0] + eta[1])))


def _scaled_mean(eta: Array) -> Array:
    """Return mu / (1 + a mu), which is at most 1 / a."""
    product = eta[0] + eta[1]
    return np.where(product > 0, np.exp(-eta[1]) * expit(product), np.exp(eta[0]) * expit(-product))


class _Deviance:
    """Half the unit deviance of rows, and its derivatives in log mu and log a.

    Two forms: near the Poisson likelihood in u, whose function log(1 + u) / u keeps its digits down to a = 0; where
    a mu is large, or u is near -1, in the logarithm of (1 + a mu) / (1 + a y), which neither overflows nor cancels.
    """

    def __init__(self, y: Array, eta: Array) -> None:
        log_mean, log_dispersion = eta
        product = log_mean + log_dispersion
        far = product > _FAR
        reciprocal = np.exp(-log_dispersion)
        self.share = expit(-product)  # 1 / (1 + a mu)
        self.scaled_mean = _scaled_mean(eta)
        kept, lost = _kept(y, reciprocal)
        log_y = np.log(np.where(y > 0, y, 1))
        distance = np.where(y > 0, log_mean - log_y, 0)
        excess = np.where(y > 1, y * np.expm1(distance), np.exp(log_mean) - y)
        self.slope = np.where(far, reciprocal * (1 - y * np.exp(-log_mean)) * expit(product), excess * self.share)
        relative = excess * kept
        u = np.exp(log_dispersion) * relative
        in_logarithms = far | (u < -0.5)
        ratio, first, second = log1p_ratio(np.where(in_logarithms, 1, u))
        logarithm = np.logaddexp(0, product) + np.log(kept)
        # (1 + a mu) / (a mu) over (1 + a y) / (a y): what is left of the logarithm beside the distance.
        log_lost = np.where(kept < 0.5, np.log1p(-np.minimum(kept, 0.5)), np.log(np.maximum(lost, _TINY)))
        in_both = reciprocal * logarithm + np.where(y > 0, y * (np.logaddexp(0, -product) + log_lost), 0)
        self.value = np.where(in_logarithms, in_both, excess * ratio - y * distance)
        many = np.flatnonzero(y > _MANY)
        if len(many):
            terms = np.stack([y, distance, relative, u, kept, lost, in_both, self.value])
            self.value[many] = _of_many(terms[:, many])
        self.dispersion_slope = np.where(in_logarithms, self.slope - reciprocal * logarithm, relative * first)
        self.dispersion_curvature = np.where(
            in_logarithms,
            reciprocal * (logarithm - kept + self.share) - self.slope * (1 - self.share),
            relative * (kept * (first + second) - lost * first),
        )


def _of_many(terms: Array) -> Array:
    r"""Return half the deviance of large counts, of which the class's form takes a difference of terms like y.

    With :math:`v = (e^{-\delta} - 1) / (1 + a y)` and :math:`\delta = \log(\mu / y)` it is
    :math:`\log(1 + u) / a + y \log(1 + v)`. Near zero their linear terms are taken together:
    :math:`(\mu - y)^2 / (\mu (1 + a y))` less :math:`(u - \log(1 + u)) / a` and :math:`y (v - \log(1 + v))`.
    """
    y, distance, relative, u, kept, lost, in_both, instead = terms
    fall = np.expm1(-distance)
    v = fall * kept
    ordinary = (np.abs(distance) < 1) & (u > -0.5)
    safe = np.where(ordinary & (u != 0), u, 1.0)
    bend = np.where(u == 0, 0.0, less_log1p(safe) / safe)
    near = -relative * (fall + bend) - y * less_log1p(np.where(ordinary, v, 0.0))
    ratio = log1p_ratio(np.where(u > -0.5, u, 1.0))[0]
    # log(1 + v), where v is far from zero by sums of positive terms.
    below = np.log(lost + kept * np.exp(-np.maximum(distance, 0)))
    above = np.log(kept + lost * np.exp(np.minimum(distance, 0))) - distance
    log_v = np.where(v < -0.5, below, np.where(v > 2, above, np.log1p(np.clip(v, -0.5, 2))))
    value = np.where(ordinary, near, np.where(u > -0.5, relative * ratio + y * log_v, in_both))
    return np.where(np.isfinite(value), value, instead)


def _kept(y: Array, reciprocal: Array) -> tuple[Array, Array]:
    """Return 1 / (1 + a y) and a y / (1 + a y)."""
    total = reciprocal + y
    return np.where(y > 0, reciprocal / total, 1), np.where(y > 0, y / total, 0)


def _saturated(y: Array, log_dispersion: Array) -> tuple[Array, Array, Array]:
    """Return the NLL at mu = y less the Poisson likelihood's, and its two derivatives in log a."""
    if len(y) > _FEW and (log_dispersion == log_dispersion[0]).all() and y.max() < 0.5 * len(y):
        # One dispersion and whole counts, the usual case: each count is computed once.
        index = y.astype(np.intp)
        if (index == y).all():
            counts = np.arange(index.max() + 1, dtype=y.dtype)
            table = _saturated(counts, np.full(len(counts), log_dispersion[0]))
            return table[0][index], table[1][index], table[2][index]
    dispersion, reciprocal = np.exp(log_dispersion), np.exp(-log_dispersion)
    kept, lost = _kept(y, reciprocal)
    whole = stirling_remainder(dispersion)
    less = stirling_remainder(np.where(y > 0, 1 / (reciprocal + y), dispersion))
    logarithm = np.where(lost > 0.5, -np.log(kept), np.log1p(dispersion * y))
    value = whole[0] - less[0] + 0.5 * logarithm
    slope = 0.5 * lost + whole[1] - less[1] * kept
    curvature = 0.5 * kept * lost + whole[1] + whole[2] - (less[1] + less[2]) * kept * kept + less[1] * kept * lost
    return np.where(y > 0, value, 0), np.where(y > 0, slope, 0), np.where(y > 0, curvature, 0)


# The trapezoidal rule in log t, over all that t and exp(-t) leave.
_NODES = np.arange(-34.0, 3.9, 0.25)
# Of log a, and of log(a mu): outside, the limits are exact to seven digits or more.
_LEAST_LOG, _MOST_LOG, _LEAST_LOG_PRODUCT = -20.0, 60.0, -16.5
_SPACING = 0.1
# The information's logarithm has slopes of order one: over so short a range it is a constant to more than seven digits.
_NO_RANGE = 1e-9
_DEGREE = 5


def dispersion_information(log_mean: Array, log_dispersion: Array) -> Array:
    """Return the expected information of log a, shape (n,), to seven digits or more (where it is above 1e-30).

    Many rows are interpolated from a grid of the two predictors.
    """
    dtype = log_mean.dtype
    log_mean, log_dispersion = log_mean.astype(np.float64), log_dispersion.astype(np.float64)
    product = log_mean + log_dispersion
    information = 0.5 * np.square(expit(product)) / (1 + np.exp(log_dispersion))
    large = log_dispersion > _MOST_LOG
    information[large] = (np.logaddexp(0, product[large]) - expit(product[large])) * np.exp(-log_dispersion[large])
    inside = np.flatnonzero(~large & (log_dispersion > _LEAST_LOG) & (product > _LEAST_LOG_PRODUCT))
    if len(inside):
        information[inside] = _interpolated(log_mean[inside], log_dispersion[inside])
    return information.astype(dtype)


def _interpolated(log_mean: Array, log_dispersion: Array) -> Array:
    grids = [_grid(log_mean), _grid(log_dispersion)]
    if len(grids[0]) * len(grids[1]) >= len(log_mean):
        return _integral(log_mean, log_dispersion)
    # The logarithm, which is nearly straight towards the ends.
    mesh = np.meshgrid(*grids, indexing="ij")
    values = np.log(_integral(mesh[0].ravel(), mesh[1].ravel())).reshape(mesh[0].shape)
    return np.exp(RectBivariateSpline(*grids, values, kx=_DEGREE, ky=_DEGREE).ev(log_mean, log_dispersion))


def _grid(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    if high - low <= _NO_RANGE:
        return low + _SPACING * np.arange(-3, 4)  # one node on the value itself
    return np.linspace(low, high, max(int((high - low) / _SPACING), _DEGREE) + 2)


def _integral(log_mean: Array, log_dispersion: Array) -> Array:
    r"""Return the integral.

    With x = a t, eps = 1 - exp(-x), m = a mu and P = (1 + m eps)^(-1/a),

    .. math:: I = \frac1a \int_0^\infty e^{-t} \left[ \left(\frac{x}{\varepsilon} - 1\right) (1 - P)
        - \frac{m \varepsilon P}{1 + m \varepsilon} \right] dt

    from E[trigamma(1/a) - trigamma(1/a + y)], the trigamma function as an integral (Abramowitz and Stegun 1964, 6.4.1)
    and the generating function of y, with mu / (1 + a mu) subtracted under the integral.
    """
    dispersion = np.exp(log_dispersion)
    product = log_mean + log_dispersion
    total = np.zeros_like(log_mean)
    for node in _NODES:
        t = np.exp(node)
        x = t * dispersion
        eps = -np.expm1(-x)
        log_product = product + np.log(eps)
        exponent = -np.logaddexp(0, log_product) / dispersion
        square = x * x
        series = 0.5 + x / 12 - x * square * (1 / 720 - square * (1 / 30240 - square / 1209600))
        bracket = -t * np.where(x < 0.1, series, 1 / eps - 1 / x) * np.expm1(exponent)
        bracket -= np.exp(exponent) * expit(log_product) / dispersion
        total += np.exp(node - t) * bracket
    return np.maximum(total * (_NODES[1] - _NODES[0]), 1e-300)
