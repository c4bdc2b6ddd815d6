"""Remainders and ratios that keep their digits where gamma functions and logarithms would cancel."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import gammaln

from sklearn_mle.likelihoods._base import Array

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
# B_2k / (2k (2k - 1)): the last term is below the rounding of 80-bit numbers where 1/u >= 16.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400, 43867 / 244188)
_SHIFT = 16
# Where a number above two is added, as it is to counts' saturated NLL, later terms are below its rounding at 1/u = 16.
_LAST_TERM = 5
_LOG_FACTORIALS = np.array([math.log(math.factorial(k)) for k in range(_SHIFT + 1)])
# exp(delta) - 1 is exp(delta) beyond, to rounding (of 80-bit numbers, too).
_NO_ONE = 45
# Rows of which all steps of the recurrence are held at once: 4 MB.
_PIECE = 1 << 15
# 32^-13 is below the rounding of 80-bit numbers.
_RATIO_BOUND, _RATIO_TERMS = 1 / 32, 14


def stirling_remainder(u: Array) -> tuple[Array, Array, Array]:
    r"""Return S, u S' and u^2 S'' for the remainder of Stirling's formula, in the reciprocal of its argument.

    .. math:: S(u) = \log\Gamma(x) - (x - \tfrac12) \log x + x - \tfrac12 \log 2\pi ,\qquad x = 1 / u

    What log k - digamma(k) and k^2 trigamma(k) - k cancel for large k is explicit here: with D = u S', the former is
    (1/2 + D) / k. S(0) = 0, and near zero S is u / 12. Any floating-point type; ``u`` >= 0.

    References
    ----------
    Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 6.1.40 and 6.1.15.
    """
    if u.dtype == np.float64 and len(u) and (u == u[0]).all():
        # A constant dispersion is the usual case, and the next call usually has the same one.
        value, first, second = _of_constant(float(u[0]))
        return np.full_like(u, value), np.full_like(u, first), np.full_like(u, second)
    value, first, second = _of_rows(u)
    return value, first, second


@lru_cache(maxsize=1024)
def _of_constant(u: float) -> tuple[float, float, float]:
    value, first, second = _of_rows(np.array([u]))
    return float(value[0]), float(first[0]), float(second[0])


def _of_rows(u: Array) -> Array:
    u = np.minimum(u, 1e300)
    parts = _series(np.where(u > 1 / _SHIFT, 1 / (1 / u + _SHIFT), u))
    near = np.flatnonzero(u > 1 / _SHIFT)
    for start in range(0, len(near), _PIECE):
        piece = near[start : start + _PIECE]
        if len(piece) == 1:
            # numpy sums a single row in another order, but digits must not depend on which other rows there are.
            piece = np.repeat(piece, 2)
        parts[:, piece] = _shifted(u[piece], *parts[:, piece])
    return parts


def _series(u: Array) -> Array:
    square = np.square(u)
    terms = np.zeros((3, *u.shape), dtype=u.dtype)
    for coefficients in _coefficients(u.dtype):
        terms *= square
        terms += coefficients[:, None]
    return terms * u


def _value_of_series(u: Array) -> Array:
    """Return the remainder of Stirling's formula alone, to an absolute error of 2e-18, for u <= 1 / 16."""
    square = np.square(u)
    terms = np.full_like(u, _STIRLING[_LAST_TERM])
    for coefficient in _STIRLING[_LAST_TERM - 1 :: -1]:
        terms *= square
        terms += coefficient
    return terms * u


@lru_cache
def _coefficients(dtype: np.dtype[Any]) -> Array:
    """Return the coefficients of S, u S' and u^2 S'', shape (terms, 3), the highest power first."""
    coefficient, power = np.array(_STIRLING, dtype=dtype), np.arange(1, 2 * len(_STIRLING), 2)
    return np.stack([coefficient, coefficient * power, coefficient * (power * (power - 1))], axis=1)[::-1]


def _shifted(u: Array, value: Array, first: Array, second: Array) -> tuple[Array, Array, Array]:
    """Return the three by the recurrence of the gamma function, from those at x + 16."""
    x = 1 / u
    far = x + _SHIFT
    share = x / far
    # All steps of the recurrence at once: one by one, a row alone would cost fifteen times as many calls.
    steps = x + np.arange(1, _SHIFT, dtype=u.dtype)[:, None]
    product = np.prod(steps, axis=0) / far ** (_SHIFT - 1)
    ratios = np.divide(x, steps, out=steps).sum(axis=0)
    squares = np.square(steps, out=steps).sum(axis=0)
    logarithm = np.log1p(_SHIFT * u)
    slope = x * logarithm - share / 2 - share * first - 0.5 - ratios  # x ds/dx
    curvature = np.square(share) * (far + 0.5 + 2 * first + second) + 0.5 + squares - x  # x^2 d2s/dx2
    return (x + 0.5) * logarithm - np.log(product) - _SHIFT + value, -slope, curvature + 2 * slope


def log1p_ratio(u: Array) -> tuple[Array, Array, Array]:
    r"""Return f, u f' and u^2 f'' for f(u) = log(1 + u) / u, f(0) = 1, each with full relative accuracy; u > -1."""
    safe = np.where(np.abs(u) < _RATIO_BOUND, 1, u)
    inverse = 1 / (1 + safe)
    value = np.log1p(safe) / safe
    first = inverse - value
    second = -safe * inverse * inverse - 2 * first
    small = np.flatnonzero(np.abs(u) < _RATIO_BOUND)
    if len(small):
        minus = -u[small]
        terms = [np.zeros_like(minus) for _ in range(3)]
        for n in range(_RATIO_TERMS, -1, -1):
            for k, factor in enumerate((1, n, n * (n - 1))):
                terms[k] = terms[k] * minus + minus.dtype.type(factor) / (n + 1)
        value[small], first[small], second[small] = terms
    return value, first, second


def bernoulli_divergence(mean: Array, rest: Array, distance: Array) -> Array:
    """Return KL(mean || other) of two Bernoulli trials whose log-odds differ by ``distance``, at most about one.

    ``rest`` is 1 - mean, given apart because it may be small. The distance (the mean's log-odds less the other's) keeps
    the digits that logarithms of two near means would cancel.
    """
    # From the side on which the exponential falls.
    falling = np.where(distance > 0, mean, rest)
    distance = np.abs(distance)
    return np.log1p(falling * np.expm1(-distance)) + falling * distance


def exp_times_expm1(log_factor: Array, delta: Array) -> Array:
    """Return exp(log_factor) times exp(delta) - 1, which does not overflow before the product does."""
    value = np.exp(log_factor) * np.expm1(delta)
    apart = np.flatnonzero((delta > _NO_ONE) | (delta == 0))
    if len(apart):
        delta = delta[apart]
        value[apart] = np.where(delta == 0, 0, np.exp(log_factor[apart] + delta))
    return value


def log_small_factorial(y: Array) -> Array:
    """Return log Gamma(y + 1) for y up to 16, and that of 16 beyond; whole numbers are read from a table."""
    index = np.minimum(y, _SHIFT).astype(np.intp)
    value = _LOG_FACTORIALS[index]
    other = np.flatnonzero((index != y) & (y < _SHIFT))
    if len(other):
        value[other] = gammaln(y[other] + 1)
    return value


def poisson_saturated(y: Array) -> Array:
    """Return the Poisson NLL of y at its own mean, log Gamma(y + 1) - y log y + y: of the order of log y, uncancelled.

    References
    ----------
    Loader (2000), Fast and accurate computation of binomial probabilities.
    """
    few = np.minimum(y, _SHIFT)
    value = log_small_factorial(y) + few - few * np.log(np.where(few > 0, few, 1))
    many = np.flatnonzero(y > _SHIFT)
    if len(many):
        value[many] = saturated_of_many(y[many], np.log(y[many]))
    return value


def saturated_of_many(y: Array, log_y: Array) -> Array:
    """Return ``poisson_saturated`` of y above 16, whose logarithms are known."""
    return _value_of_series(1 / y) + HALF_LOG_TWO_PI + 0.5 * log_y
