"""Tail probabilities and quantiles of families where scipy's lose their digits: each side by sums of positive terms."""

import numpy as np
from scipy import special

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.quantiles import positive_quantile
from sklearn_mle._numerics.special import less_log1p, poisson_mass

# scipy stops the series of the lower incomplete gamma function after 2,000 terms; sqrt(a) times eight are needed.
_MANY = 3e4
# erfcx's derivative: from here on its asymptotic series has converged.
_FAR, _TERMS = 8.0, 20
_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(16)
# Where a mean is this small beside 1 / dispersion, a negative binomial is a Poisson distribution to rounding.
_POISSON = -40.0
_UNDERFLOW = 600.0
# Within this many scales scipy's Student's t of at least one degree of freedom is right.
_FAR_OUT = 1e5


# Where x is below exp of this, P(a, x) is x^a / Gamma(a + 1) to rounding.
LOG_TINY = -40.0


def log_gamma_slope(a: Array) -> Array:
    """Return log Gamma(a + 1) / a for a > 0, where the sum a + 1 would round."""
    series = a * (np.pi**2 / 12 - 0.40068563438653143 * a) - np.euler_gamma
    return np.where(a < 1e-5, series, special.gammaln(a + 1) / a)


@np.errstate(all="ignore")
def gamma_tail_of_log(a: Array, log_x: Array, *, upper: bool) -> Array:
    """Return ``gamma_tail`` at exp(log_x), which may underflow."""
    out = gamma_tail(a, np.exp(log_x), upper=upper)
    tiny = log_x < LOG_TINY
    if tiny.any():
        log_lower = a * (log_x - log_gamma_slope(a))
        out = np.where(tiny, -np.expm1(log_lower) if upper else np.exp(log_lower), out)
    return out


@np.errstate(all="ignore")
def gamma_tail(a: Array, x: Array, *, upper: bool) -> Array:
    r"""Return the regularized incomplete gamma function P(a, x), or Q(a, x) with ``upper``; a > 0, x >= 0.

    scipy's P, and Q = 1 - P, are wrong in the lower tail of large a (1.9e-7 for 2.9e-7 five standard deviations below
    1e8; scipy 1.17). There Temme's uniform expansion is used: with :math:`\mu = x/a - 1` and
    :math:`\eta^2/2 = \mu - \log(1 + \mu)`,

    .. math:: Q = \Phi(-\eta\sqrt a) + \frac{e^{-a\eta^2/2}}{\sqrt{2\pi a}}\left(C_0 + C_1/a + \dots\right)

    References
    ----------
    N. M. Temme (1979), The asymptotic expansion of the incomplete gamma functions, SIAM J. Math. Analysis 10.
    """
    a, x = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(x, dtype=np.float64))
    out = (special.gammaincc if upper else special.gammainc)(a, x)
    far = np.flatnonzero(((a > _MANY) & (x < a - 4 * np.sqrt(a)) & np.isfinite(a)).ravel())
    if len(far):
        lower = _lower_of_many(a.ravel()[far], x.ravel()[far])
        out = out.ravel()
        out[far] = 1 - lower if upper else lower
        out = out.reshape(a.shape)
    return out


def _lower_of_many(a: Array, x: Array) -> Array:
    m = (x - a) / a
    half = less_log1p(m)
    eta = -np.sqrt(2 * half)
    first = 1 / m - 1 / eta
    second = 1 / eta**3 - 1 / m**3 - 1 / m**2 - 1 / (12 * m)
    # Phi(eta sqrt(a)) less the correction: as one product, which does not underflow before it must.
    main = 0.5 * special.erfcx(-eta * np.sqrt(0.5 * a))
    return np.exp(-a * half) * (main - (first + second / a) / np.sqrt(2 * np.pi * a))


@np.errstate(all="ignore")
def beta_tail(log_a: Array, log_b: Array, y: Array, *, upper: bool) -> Array:
    """Return I_y(a, b), or 1 - I_y(a, b) with ``upper``, of the shapes' logarithms."""
    a, b = _shapes(log_a, log_b)
    return (special.betaincc if upper else special.betainc)(a, b, y)


@np.errstate(all="ignore")
def student_t_tail(size: Array, df: Array) -> Array:
    """Return P(T > size) of Student's t for size >= 0, by the incomplete beta function.

    (scipy's ``stdtr`` is 1e-5 of it at a size of 4.7e145 and half a degree of freedom.)
    """
    if ((size < _FAR_OUT) & (df >= 1)).all():
        return special.stdtr(df, -size)
    square = np.square(size) / df
    v = np.where(np.isinf(df), 1.0, df)
    near = special.betaincc(0.5, 0.5 * v, square / (1 + square))
    far = special.betainc(0.5 * v, 0.5, 1 / (1 + square))
    # x^a / (a B(a, 1/2)) where x is tiny, or t^2 overflows.
    log_x = np.log(v) - 2 * np.log(size)
    power = np.exp(0.5 * v * log_x - np.log(0.5 * v) - special.betaln(0.5 * v, 0.5))
    tail = np.where(log_x < -600, power, np.where(square < 1, near, far))
    return np.where(np.isinf(df), special.ndtr(-size), 0.5 * tail)


def poisson_tail(count: Array, mean: Array, *, upper: bool) -> Array:
    """Return P(Y <= count), or P(Y > count) with ``upper``, of a whole count >= 0."""
    return gamma_tail(count + 1, mean, upper=not upper)


@np.errstate(all="ignore")
def negative_binomial_tail(count: Array, log_mean: Array, log_dispersion: Array, *, upper: bool) -> Array:
    r"""Return P(Y <= count), or P(Y > count) with ``upper``, of a whole count >= 0.

    :math:`P(Y \le k) = I_p(1/a, k + 1)` with :math:`p = 1/(1 + a\mu)`; of p and 1 - p the smaller is used, which has
    all its digits. As :math:`a \mu` vanishes it is the Poisson distribution, as it overflows the gamma distribution.
    """
    product = log_mean + log_dispersion
    n = np.exp(-np.clip(log_dispersion, -650, 690))
    p, q = special.expit(-product), special.expit(product)
    small = q < p
    tail, other = (special.betaincc, special.betainc) if upper else (special.betainc, special.betaincc)
    out = np.where(small, other(count + 1, np.where(small, n, 1.0), np.where(small, q, 0.5)), tail(n, count + 1, p))
    poisson = product < _POISSON
    if poisson.any():
        out = np.where(poisson, poisson_tail(count, np.exp(log_mean), upper=upper), out)
    over = product > _UNDERFLOW
    if over.any():
        # p^n / (n B(n, k + 1)) where p (k + 1) vanishes; of large counts the gamma distribution's.
        log_lower = -n * product + special.gammaln(n + count + 1) - special.gammaln(n + 1) - special.gammaln(count + 1)
        few = -np.expm1(log_lower) if upper else np.exp(log_lower)
        many = gamma_tail(n, np.exp(np.log(count + 1) - product), upper=upper)
        out = np.where(over, np.where(count < 1e15, few, many), out)
    return out


@np.errstate(all="ignore")
def inverse_gaussian_tail(log_ratio: Array, log_phi: Array, *, upper: bool) -> Array:
    r"""Return P(Y <= y), or P(Y > y) with ``upper``; of :math:`\log(y / \mu)` and :math:`\log(\lambda / \mu)`.

    .. math:: P(Y \le y) = \Phi(r) + e^{2\phi} \Phi(-s) ,\quad r = 2\sqrt\phi \sinh\tfrac\delta2 ,\quad
        s = 2\sqrt\phi \cosh\tfrac\delta2 ,\qquad \delta = \log\frac y\mu ,\quad \phi = \frac\lambda\mu

    With :math:`s^2 - r^2 = 4\phi` the second term is :math:`\tfrac12 e^{-r^2/2}` times the scaled complementary error
    function, so that nothing overflows. In the upper tail the two are subtracted: as an integral of erfcx's derivative.
    (scipy's ``invgauss`` takes the logarithm of the second term as a difference of numbers of the size of phi, which
    cancel from a coefficient of variation of 1e-4 on; see its issue 25080.)
    """
    r, s = _roots(log_ratio, log_phi)
    lower = special.ndtr(r) + inverse_gaussian_second(log_ratio, log_phi)
    if not upper:
        # Above the mean the terms' sum is one less a small upper tail.
        return np.where(r > 1, 1 - _upper(r, s, log_ratio, log_phi), lower)
    return np.where(lower < 0.5, 1 - lower, _upper(r, s, log_ratio, log_phi))


@np.errstate(all="ignore")
def inverse_gaussian_second(log_ratio: Array, log_phi: Array) -> Array:
    """Return exp(2 phi) Phi(-s): half of what the mean of Y above y is more than the mean's share of it, over mu."""
    r, s = _roots(log_ratio, log_phi)
    return 0.5 * np.exp(-0.5 * r * r) * special.erfcx(s / np.sqrt(2))


def _roots(log_ratio: Array, log_phi: Array) -> tuple[Array, Array]:
    """Return r and s of the inverse Gaussian distribution."""
    half = 0.5 * log_ratio
    root = np.exp(0.5 * np.minimum(log_phi, 1400))
    outwards = np.exp(0.5 * log_phi + np.abs(half))
    r = np.where(np.abs(half) > 20, np.sign(half) * outwards, 2 * root * np.sinh(np.clip(half, -20, 20)))
    return r, np.where(np.abs(half) > 20, outwards, 2 * root * np.cosh(np.clip(half, -20, 20)))


def _upper(r: Array, s: Array, log_ratio: Array, log_phi: Array) -> Array:
    low, high = r / np.sqrt(2), s / np.sqrt(2)
    near, far = special.erfcx(low), special.erfcx(high)
    # Half of (s - r) / sqrt(2), whose difference would cancel.
    half = np.exp(0.5 * (log_phi - log_ratio)) / np.sqrt(2)
    short = far > 0.5 * near
    nodes = np.where(short, low + half, 1.0)[..., None] + np.where(short, half, 0.0)[..., None] * _GAUSS_NODES
    integral = half * (_falling(nodes) @ _GAUSS_WEIGHTS)
    value = 0.5 * np.exp(-0.5 * r * r) * np.where(short, integral, near - far)
    return np.where(low < -20, 1.0, np.where(np.isinf(r), 0.0, value))


def _falling(x: Array) -> Array:
    """Return minus the derivative of erfcx, 2 / sqrt(pi) - 2 x erfcx(x), for any x > -26."""
    direct = 2 / np.sqrt(np.pi) - 2 * x * special.erfcx(x)
    u = 1 / (2 * np.square(np.maximum(x, _FAR)))
    series = np.zeros_like(u)
    for k in range(_TERMS, 0, -1):
        series = (1 - series) * (2 * k - 1) * u
    return np.where(x < _FAR, direct, 2 / np.sqrt(np.pi) * series)


@np.errstate(all="ignore")
def log_gamma_quantile(a: Array, level: Array, *, upper: bool) -> Array:
    """Return the logarithm of the quantile of a gamma distribution of shape a and mean one."""
    inverse = special.gammainccinv if upper else special.gammaincinv
    log_quantile = np.log(inverse(np.minimum(a, _MANY), level)) - np.log(a)
    log_lower = np.log1p(-level) if upper else np.log(level)
    small = a < 0.5
    if small.any():
        log_tiny = log_lower / a + log_gamma_slope(a)
        log_quantile = np.where(small & (log_tiny < LOG_TINY), log_tiny - np.log(a), log_quantile)
    many = np.flatnonzero(a > _MANY)
    if len(many):
        shape, target = a[many], level[many]
        z = -special.ndtri(target) if upper else special.ndtri(target)
        cube = 1 - 1 / (9 * shape) + z / (3 * np.sqrt(shape))  # Wilson and Hilferty
        found = positive_quantile(
            lambda x, k: gamma_tail(k, x * k, upper=upper),
            lambda x, k: k * poisson_mass(k, x * k),
            target,
            np.maximum(cube, 1e-3) ** 3,
            shape,
            upper=upper,
        )
        log_quantile[many] = np.log(found)
    return log_quantile


@np.errstate(all="ignore")
def log_inverse_gaussian_quantile(log_phi: Array, level: Array, *, upper: bool) -> Array:
    r"""Return the logarithm of the quantile of an inverse Gaussian distribution of mean one and shape phi."""
    z = -special.ndtri(level) if upper else special.ndtri(level)
    # Where r is the normal quantile: 2 arsinh(z / (2 sqrt(phi))).
    start = 2 * np.arcsinh(0.5 * z * np.exp(-0.5 * np.maximum(log_phi, -700)))
    # As phi vanishes Levy's distribution, cut off beyond z^2 / phi.
    outer = np.where(level > 1e-8, special.ndtri(0.5 - 0.5 * level), np.sqrt(0.5 * np.pi) * level)
    normal = outer if upper else special.ndtri(0.5 * level)
    levy = log_phi - 2 * np.log(np.abs(normal))
    start = np.where(log_phi < -5, np.minimum(levy, 2 * np.log(40.0) - log_phi), start)
    found = positive_quantile(
        lambda y, log_unit, log_phi: inverse_gaussian_tail(log_unit + np.log(y), log_phi, upper=upper),
        lambda y, log_unit, log_phi: _inverse_gaussian_slope(log_unit + np.log(y), log_phi),
        level,
        np.ones_like(start),
        start,
        log_phi,
        upper=upper,
    )
    return start + np.log(found)


def _inverse_gaussian_slope(log_ratio: Array, log_phi: Array) -> Array:
    half = 0.5 * log_ratio
    r = np.exp(0.5 * log_phi + half) - np.exp(0.5 * log_phi - half)
    return np.exp(0.5 * (log_phi - log_ratio) - 0.5 * r * r) / np.sqrt(2 * np.pi)


@np.errstate(all="ignore")
def student_t_quantile(df: Array, level: Array) -> Array:
    """Return the size that Student's t exceeds with a probability of at most one half."""
    size = -special.stdtrit(df, level)
    rows = np.flatnonzero((level < 1e-10) | (df < 1) | (df > 1e8))
    if len(rows):
        v, target = df[rows], level[rows]
        normal = np.isinf(v)
        v = np.where(normal, 1.0, v)
        log_constant = -np.log(v) - special.betaln(0.5 * v, 0.5) + 0.5 * v * np.log(v)
        start = np.where(v < 50, np.exp((log_constant - np.log(target)) / v), -special.ndtri(target))
        start = np.where(np.isfinite(start) & (start > 0), start, 1e300)
        found = positive_quantile(student_t_tail, _student_t_slope, target, start, v, upper=True)
        size[rows] = np.where(normal, -special.ndtri(target), found)
    return size


def _student_t_slope(t: Array, df: Array) -> Array:
    ratio = t / np.sqrt(df)
    logarithm = np.where(ratio > 1e100, 2 * np.log(ratio), np.log1p(np.square(np.minimum(ratio, 1e100))))
    return t * np.exp(-0.5 * (df + 1) * logarithm - 0.5 * np.log(df) - special.betaln(0.5 * df, 0.5))


@np.errstate(all="ignore")
def beta_quantile(log_a: Array, log_b: Array, level: Array, *, upper: bool) -> Array:
    """Return the quantile of a beta distribution of shapes exp(log_a) and exp(log_b): 0 or 1 where no float's is."""

    def tail(x: Array, log_a: Array, log_b: Array) -> Array:
        side = beta_tail(log_a, log_b, np.minimum(x, 1.0), upper=upper)
        return np.where(x >= 1, float(not upper), side)

    def slope(x: Array, log_a: Array, log_b: Array) -> Array:
        a, b = _shapes(log_a, log_b)
        return np.exp(special.xlogy(a, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b))

    a, b = _shapes(log_a, log_b)
    y = (special.betainccinv if upper else special.betaincinv)(a, b, level)
    ordinary = (a > 0.05) & (b > 0.05) & (a < 1e4) & (b < 1e4) & (level > 1e-12)
    rows = np.flatnonzero(~ordinary)
    if len(rows):
        found = positive_quantile(tail, slope, level[rows], y[rows], log_a[rows], log_b[rows], upper=upper)
        y[rows] = np.minimum(found, 1.0)
    # Nearer to one than the last float below it.
    end = np.flatnonzero(y > 1 - 1e-12)
    if len(end):
        last = tail(np.full(len(end), np.nextafter(1.0, 0.0)), log_a[end], log_b[end])
        y[end] = np.where(last > level[end] if upper else last < level[end], 1.0, y[end])
    return y


def _shapes(log_a: Array, log_b: Array) -> tuple[Array, Array]:
    return np.exp(np.clip(log_a, -600, 600)), np.exp(np.clip(log_b, -600, 600))
