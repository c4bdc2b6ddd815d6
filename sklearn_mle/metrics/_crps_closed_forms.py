r"""The continuous ranked probability score where it has a closed form.

With m the mean, every family is written in the one form that cancels nothing near the mean:

.. math:: \mathrm{CRPS}(F, y) = (y - m)(2 F(y) - 1) + 2 T(y) - G,
          \quad T(y) = \int_y^\infty (x - m)\,dF(x), \quad G = \tfrac12 E|Y - Y'|

T is a density times a polynomial (Stein's kernel of the family), G a constant of the family.

References
----------
A. Jordan, F. Krueger and S. Lerch (2019), Evaluating probabilistic forecasts with scoringRules, Journal of Statistical
Software 90, appendix A.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special, stats

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.special import half_step_of_gamma, poisson_mass
from sklearn_mle._numerics.spreads import inverse_gaussian_spread, lattice_spread
from sklearn_mle._numerics.tails import gamma_tail, inverse_gaussian_second, inverse_gaussian_tail, poisson_tail
from sklearn_mle.metrics._distributions import RowDistributions

_GAUSS = np.polynomial.legendre.leggauss(20)
# Weibull shapes below this are written without the mean, which is beyond all of their outcomes.
_HEAVY = 0.3
# Less than this part of its terms is left to quadrature.
_REMAINS = 1e-3
# exp(-exp(this) / 2) is nothing, and so is exp(-this).
_VANISHED, _FALLEN = 7.3, 40.0


def closed_form(distributions: RowDistributions, y: Array) -> Array:
    """CRPS (n,) in the units of y, nan where no closed form is known, or it does not hold."""
    own = distributions.own_crps(y)
    if own is not None:
        return own
    score = _CLOSED_FORMS.get(distributions.family)
    if score is None:
        return np.full(y.shape, np.nan)
    parameters = dict(distributions.parameters)
    location, scale = parameters.pop("loc"), parameters.pop("scale", np.float64(1.0))
    with np.errstate(all="ignore"):
        # A scale of 0 is certainty: the score is the distance. Scores of scales below zero are nan, as other's are.
        safe = np.where(scale > 0, scale, 1.0)
        z, *shapes = np.broadcast_arrays((y - location) / safe, *parameters.values())
        rows = scale * score(z, **dict(zip(parameters, shapes, strict=True)))
        # Scales that are negligible beside the distance.
        rows = np.where(np.isinf(z), np.abs(y - location), rows)
        rows = np.where(scale == 0, np.abs(y - location), np.where(scale > 0, rows, np.nan))
        return np.broadcast_to(rows, y.shape)


def _norm(z: Array) -> Array:
    return z * (1 - 2 * special.ndtr(-z)) + 2 * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi)


def _asymmetric_laplace(z: Array, kappa: Array) -> Array:
    # Towards y, the side of scale 1 / kappa and of probability 1 / (1 + kappa^2) above zero; mirrored below.
    kappa = np.where(z >= 0, kappa, 1 / kappa)
    z = np.abs(z)
    near = 1 / (1 + kappa * kappa)
    far = kappa * kappa * near
    return z + 2 * near * np.expm1(-kappa * z) / kappa + 0.5 * near * near / kappa + 0.5 * far * far * kappa


def _logistic(z: Array) -> Array:
    return np.abs(z) + 2 * np.log1p(np.exp(-np.abs(z))) - 1


def _gumbel(z: Array) -> Array:
    # exp1(x) = -gamma - log(x) + x - ...: beyond z = 40 the series is exact, and exp(-z) need not be formed.
    integral = np.where(z > 40, z - np.euler_gamma, special.exp1(np.exp(-np.minimum(z, 40))))
    return 2 * integral - z + np.euler_gamma - np.log(2)


def _uniform(z: Array) -> Array:
    inside = np.clip(z, 0, 1)
    return np.abs(z - inside) + (inside**3 + (1 - inside) ** 3) / 3


def _student_t(z: Array, df: Array) -> Array:
    df = np.where(df > 1.05, df, np.nan)  # T and G grow without bound towards 1, and cancel
    many = np.isinf(df)
    v = np.where(many, 2.0, df)
    density = half_step_of_gamma(v / 2) / np.sqrt(v * np.pi) * np.exp(-(v + 1) / 2 * np.log1p(z * z / v))
    spread = half_step_of_gamma(v / 2) ** 2 / half_step_of_gamma(v - 0.5) / np.sqrt(np.pi)
    finite = z * (1 - 2 * special.stdtr(v, -z)) + 2 * ((v + z * z) * density - np.sqrt(v) * spread) / (v - 1)
    return np.where(many, _norm(z), finite)


def _gamma(z: Array, a: Array) -> Array:
    x = np.maximum(z, 0)
    return (
        (z - a) * (gamma_tail(a, x, upper=False) - gamma_tail(a, x, upper=True))
        + 2 * a * poisson_mass(a, x)
        - half_step_of_gamma(a) / np.sqrt(np.pi)
    )


def _beta(z: Array, a: Array, b: Array) -> Array:
    x, s = np.clip(z, 0, 1), a + b
    inside = (x > 0) & (x < 1)
    density = np.where(inside, stats.beta.pdf(np.where(inside, x, 0.5), a, b), 0.0)
    spread = half_step_of_gamma(a) * half_step_of_gamma(b) / (np.sqrt(np.pi) * s * half_step_of_gamma(s))
    centred = (z - a / s) * (special.betainc(a, b, x) - special.betaincc(a, b, x))
    return centred + 2 * x * (1 - x) * density / s - spread


def _lognormal(z: Array, s: Array) -> Array:
    positive = z > 0
    w = np.where(positive, np.log(np.where(positive, z, 1.0)) / s, -np.inf)
    return np.where(s < 1, _narrow_lognormal(z, w, np.minimum(s, 1)), _wide_lognormal(z, w, s))


def _narrow_lognormal(z: Array, w: Array, s: Array) -> Array:
    # The normal probability between w - s and w, by Gauss's rule: the difference of two values of ndtr would cancel.
    nodes, weights = _GAUSS
    middle = np.clip(w, -40, 40)[..., None] + 0.5 * s[..., None] * (nodes - 1)
    between = 0.5 * s * (np.exp(-0.5 * middle * middle) @ weights) / np.sqrt(2 * np.pi)
    mean = np.exp(0.5 * s * s)
    from_mean = np.where(z > 0, np.expm1(s * w) - np.expm1(0.5 * s * s), z - mean)
    return from_mean * (1 - 2 * special.ndtr(-w)) + 2 * mean * between - mean * (2 * special.ndtr(s / np.sqrt(2)) - 1)


def _wide_lognormal(z: Array, w: Array, s: Array) -> Array:
    # The mean may overflow where its products with these tails do not.
    log_mean = 0.5 * s * s
    spread = np.exp(log_mean + special.log_ndtr(-s / np.sqrt(2)))
    return z * (1 - 2 * special.ndtr(-w)) + 2 * (spread - np.exp(log_mean + special.log_ndtr(w - s)))


def _weibull(z: Array, c: Array) -> Array:
    return np.where(c < _HEAVY, _heavy_weibull(z, np.minimum(c, _HEAVY)), _light_weibull(z, np.maximum(c, _HEAVY)))


def _heavy_weibull(z: Array, c: Array) -> Array:
    # E|Y - z| = z (2F - 1) + m - 2 E[Y; Y < z], and G = m - E min(Y, Y'): the mean, far above z, drops out.
    x = np.maximum(z, 0)
    t, order = x**c, 1 + 1 / c
    # E[Y; Y < z] = gamma(order, t): by its series where t is small, whose first factor is t^order = z t.
    series, term = np.ones_like(t), np.ones_like(t)
    small = t < 0.5 * order
    for k in range(1, 60):
        term = term * np.where(small, t, 0.0) / (order + k)
        series = series + term
    direct = np.exp(special.gammaln(order) + np.log(special.gammainc(order, t)))
    below = np.where(small, x * t * np.exp(-t) / order * series, direct)
    least = np.exp(special.gammaln(order) - np.log(2) / c)
    return z * (-np.expm1(-t) - np.exp(-t)) - 2 * below + least


def _light_weibull(z: Array, c: Array) -> Array:
    # The incomplete gamma functions of T cancel for large shapes.
    c = np.where(c < 1000, c, np.nan)
    t = np.maximum(z, 0) ** c
    mean, order = np.exp(special.gammaln(1 + 1 / c)), 1 + 1 / c
    excess = np.where(t < 1, -np.expm1(-t) - special.gammainc(order, t), special.gammaincc(order, t) - np.exp(-t))
    return (z - mean) * (-np.expm1(-t) - np.exp(-t)) + 2 * mean * excess + mean * np.expm1(-np.log(2) / c)


def _inverse_gaussian(z: Array, mu: Array) -> Array:
    # In units of the mean, with T twice the second term of the distribution function.
    ratio, log_phi = z / mu, -np.log(mu)
    log_ratio = np.log(np.maximum(ratio, 0))
    lower = inverse_gaussian_tail(log_ratio, log_phi, upper=False)
    upper = inverse_gaussian_tail(log_ratio, log_phi, upper=True)
    excess = inverse_gaussian_second(log_ratio, log_phi)
    terms = (ratio - 1) * (lower - upper), 4 * excess, inverse_gaussian_spread(log_phi)
    rows = terms[0] + terms[1] - terms[2]
    # Where the mean is far above all outcomes but a few, it cancels.
    lost = np.flatnonzero(~(rows > _REMAINS * np.maximum(np.abs(terms[0]), terms[2])) & np.isfinite(log_phi))
    rows[lost] = _by_logarithms(ratio[lost], log_ratio[lost], log_phi[lost])
    return mu * rows


def _by_logarithms(ratio: Array, log_ratio: Array, log_phi: Array) -> Array:
    """Return the integral of the definition over log y, in units of the mean: down to y = phi, up to y = 1 / phi."""
    nodes, weights = _GAUSS
    bottom, top = log_phi - _VANISHED, _VANISHED - log_phi
    at = np.clip(log_ratio, bottom, top)
    # Below the bottom all outcomes are above.
    total = np.where(log_ratio < bottom, np.exp(bottom) - ratio, np.where(log_ratio > top, ratio - np.exp(top), 0.0))
    for left, right, upper in ((np.maximum(bottom, at - _FALLEN), at, False), (at, top, True)):
        n_panels = max(int(np.ceil((right - left).max(initial=0.0))), 1)
        half = 0.5 * (right - left) / n_panels
        for k in range(n_panels):
            v = (left + (2 * k + 1) * half)[:, None] + half[:, None] * nodes
            tail = inverse_gaussian_tail(v, np.broadcast_to(log_phi[:, None], v.shape), upper=upper)
            total = total + half * ((np.square(tail) * np.exp(v)) @ weights)
    return total


def _poisson(z: Array, mu: Array) -> Array:
    k = np.maximum(np.floor(z), 0)
    mass = np.where(z >= 0, poisson_mass(k, mu), 0.0)
    sign = np.where(z >= 0, poisson_tail(k, mu, upper=False) - poisson_tail(k, mu, upper=True), -1.0)
    return (z - mu) * sign + mu * (2 * mass - special.i0e(2 * mu) - special.i1e(2 * mu))


def _negative_binomial(z: Array, n: Array, p: Array) -> Array:
    k = np.floor(z)
    excess = np.where(k >= 0, (n + k) * stats.nbinom.pmf(k, n, p), 0.0) * (1 - p) / p
    sign = stats.nbinom.cdf(k, n, p) - stats.nbinom.sf(k, n, p)
    return (z - n * (1 - p) / p) * sign + 2 * excess - lattice_spread(-n, -4 * (1 - p) / (p * p))


def _binomial(z: Array, n: Array, p: Array) -> Array:
    k = np.floor(z)
    excess = np.where(k >= 0, np.maximum(n - k, 0) * p * stats.binom.pmf(k, n, p), 0.0)
    sign = stats.binom.cdf(k, n, p) - stats.binom.sf(k, n, p)
    return (z - n * p) * sign + 2 * excess - lattice_spread(n, 4 * p * (1 - p))


_CLOSED_FORMS: dict[Any, Callable[..., Array]] = {
    type(stats.beta): _beta,
    type(stats.binom): _binomial,
    type(stats.expon): lambda z: _gamma(z, np.ones_like(z)),
    type(stats.gamma): _gamma,
    type(stats.gumbel_l): lambda z: _gumbel(-z),
    type(stats.gumbel_r): _gumbel,
    type(stats.invgauss): _inverse_gaussian,
    type(stats.laplace): lambda z: _asymmetric_laplace(z, np.ones_like(z)),
    type(stats.laplace_asymmetric): _asymmetric_laplace,
    type(stats.logistic): _logistic,
    type(stats.lognorm): _lognormal,
    type(stats.nbinom): _negative_binomial,
    type(stats.norm): _norm,
    type(stats.poisson): _poisson,
    type(stats.t): _student_t,
    type(stats.uniform): _uniform,
    type(stats.weibull_min): _weibull,
}
