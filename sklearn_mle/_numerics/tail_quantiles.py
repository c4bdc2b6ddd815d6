"""Quantiles of the tails in ``tails``, by scipy's inverses where those are right and by bounded searches elsewhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import (
    betainccinv,
    betaincinv,
    betaln,
    gammainccinv,
    gammaincinv,
    ndtri,
    stdtrit,
    xlog1py,
    xlogy,
)

from sklearn_mle._numerics.quantiles import positive_quantile
from sklearn_mle._numerics.special import poisson_mass
from sklearn_mle._numerics.tails import (
    LOG_TINY,
    beta_tail,
    gamma_tail,
    inverse_gaussian_tail,
    log_gamma_slope,
    student_t_tail,
)

__all__ = ["beta_quantile", "log_gamma_quantile", "log_inverse_gaussian_quantile", "student_t_quantile"]

Array = NDArray[Any]

_MANY = 3e4


@np.errstate(all="ignore")
def log_gamma_quantile(a: Array, level: Array, *, upper: bool) -> Array:
    """Return the logarithm of the quantile of a gamma distribution of shape a and mean one."""
    inverse = gammainccinv if upper else gammaincinv
    log_quantile = np.log(inverse(np.minimum(a, _MANY), level)) - np.log(a)
    log_lower = np.log1p(-level) if upper else np.log(level)
    small = a < 0.5
    if small.any():
        log_tiny = log_lower / a + log_gamma_slope(a)
        log_quantile = np.where(small & (log_tiny < LOG_TINY), log_tiny - np.log(a), log_quantile)
    many = np.flatnonzero(a > _MANY)
    if len(many):
        shape, target = a[many], level[many]
        z = -ndtri(target) if upper else ndtri(target)
        cube = 1 - 1 / (9 * shape) + z / (3 * np.sqrt(shape))  # Wilson and Hilferty
        found = positive_quantile(
            lambda x, rows: gamma_tail(shape[rows], x * shape[rows], upper=upper),
            lambda x, rows: shape[rows] * poisson_mass(shape[rows], x * shape[rows]),
            target,
            np.maximum(cube, 1e-3) ** 3,
            upper=upper,
        )
        log_quantile[many] = np.log(found)
    return log_quantile


@np.errstate(all="ignore")
def log_inverse_gaussian_quantile(log_phi: Array, level: Array, *, upper: bool) -> Array:
    r"""Return the logarithm of the quantile of an inverse Gaussian distribution of mean one and shape phi."""
    z = -ndtri(level) if upper else ndtri(level)
    # Where r is the normal quantile: 2 arsinh(z / (2 sqrt(phi))).
    start = 2 * np.arcsinh(0.5 * z * np.exp(-0.5 * np.maximum(log_phi, -700)))
    # As phi vanishes Levy's distribution, cut off beyond z^2 / phi.
    normal = (
        np.where(level > 1e-8, ndtri(0.5 - 0.5 * level), np.sqrt(0.5 * np.pi) * level) if upper else ndtri(0.5 * level)
    )
    levy = log_phi - 2 * np.log(np.abs(normal))
    start = np.where(log_phi < -5, np.minimum(levy, 2 * np.log(40.0) - log_phi), start)
    found = positive_quantile(
        lambda y, rows: inverse_gaussian_tail(start[rows] + np.log(y), log_phi[rows], upper=upper),
        lambda y, rows: _inverse_gaussian_slope(start[rows] + np.log(y), log_phi[rows]),
        level,
        np.ones_like(start),
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
    size = -stdtrit(df, level)
    rows = np.flatnonzero((level < 1e-10) | (df < 1) | (df > 1e8))
    if len(rows):
        v, target = df[rows], level[rows]
        normal = np.isinf(v)
        v = np.where(normal, 1.0, v)
        log_constant = -np.log(v) - betaln(0.5 * v, 0.5) + 0.5 * v * np.log(v)
        start = np.where(v < 50, np.exp((log_constant - np.log(target)) / v), -ndtri(target))
        found = positive_quantile(
            lambda t, of: student_t_tail(t, v[of]),
            lambda t, of: t * np.exp(_log_student_t(t, v[of])),
            target,
            np.where(np.isfinite(start) & (start > 0), start, 1e300),
            upper=True,
        )
        size[rows] = np.where(normal, -ndtri(target), found)
    return size


def _log_student_t(t: Array, df: Array) -> Array:
    ratio = t / np.sqrt(df)
    logarithm = np.where(ratio > 1e100, 2 * np.log(ratio), np.log1p(np.square(np.minimum(ratio, 1e100))))
    return -0.5 * (df + 1) * logarithm - 0.5 * np.log(df) - betaln(0.5 * df, 0.5)


@np.errstate(all="ignore")
def beta_quantile(log_a: Array, log_b: Array, level: Array, *, upper: bool) -> Array:
    """Return the quantile of a beta distribution of shapes exp(log_a) and exp(log_b): 0 or 1 where no float's is."""
    every, every_log_a, every_log_b = level, log_a, log_b
    a, b = np.exp(np.clip(log_a, -600, 600)), np.exp(np.clip(log_b, -600, 600))
    y = (betainccinv if upper else betaincinv)(a, b, level)
    ordinary = (a > 0.05) & (b > 0.05) & (a < 1e4) & (b < 1e4) & (level > 1e-12)
    rows = np.flatnonzero(~ordinary)
    if len(rows):
        a, b, log_a, log_b, level = a[rows], b[rows], log_a[rows], log_b[rows], level[rows]

        def tail(x: Array, of: Array) -> Array:
            side = beta_tail(log_a[of], log_b[of], np.minimum(x, 1.0), upper=upper)
            return np.where(x >= 1, float(not upper), side)

        def slope(x: Array, of: Array) -> Array:
            return np.exp(xlogy(a[of], x) + xlog1py(b[of] - 1, -x) - betaln(a[of], b[of]))

        y[rows] = np.minimum(positive_quantile(tail, slope, level, y[rows], upper=upper), 1.0)
    # Nearer to one than the last float below it.
    end = np.flatnonzero(y > 1 - 1e-12)
    if len(end):
        log_a, log_b = every_log_a[end], every_log_b[end]
        last = beta_tail(log_a, log_b, np.full(len(end), np.nextafter(1.0, 0.0)), upper=upper)
        y[end] = np.where(last > every[end] if upper else last < every[end], 1.0, y[end])
    return y
