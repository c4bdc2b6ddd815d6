"""Integrals over the line of functions that change where a distribution has its mass.

The line is cut at quantiles of probabilities 4^-j from either end, so that a panel is never longer than a few of the
distribution's own lengths there, whatever its scale, skewness and tails; Gauss's rule does the rest.
"""

from collections.abc import Callable

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.metrics._distributions import RowDistributions

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_LAST_COEFFICIENTS = np.array(
    [(k + 0.5) * _WEIGHTS * np.polynomial.legendre.Legendre.basis(k)(_NODES) for k in (14, 15)]
)
_ROUGH = 1e-7
_ROUNDING = 1e-12
# A ratio this near to one is one: the panels of a logarithmic divergence differ by the rounding of their ends.
_CRITICAL = 1e-8
TAILS = 0.25 ** np.arange(1, 27)  # down to 2e-16
_MOST_CELLS = 1e9


def panel(left: Array, right: Array, integrand: Callable[[Array], Array], beside: Array, depth: int = 12) -> Array:
    """Integral (n,) from left to right (n,) of an integrand of points (16, n); 0 where the panel is empty.

    A panel is halved where the integrand is no polynomial: its last Legendre coefficients are not small next to the
    integral, and to what it is to be added to, ``beside`` (n,). (Of a smooth function the error is about their square.)
    """
    half = 0.5 * (right - left)
    used = half > 0
    if not used.any():
        return np.zeros(len(half))
    middle = 0.5 * (left + right)
    values = np.where(used, integrand(middle + half * _NODES[:, None]), 0.0)
    half = np.where(used, half, 0.0)
    whole = half * (_WEIGHTS @ values)
    rough = half * np.abs(_LAST_COEFFICIENTS @ values).max(axis=0) > _ROUGH * (np.abs(whole) + beside)
    if depth == 0 or not rough.any():
        return whole
    lower = panel(left, np.where(rough, middle, left), integrand, beside, depth - 1)
    upper = panel(np.where(rough, middle, right), right, integrand, beside, depth - 1)
    return np.where(rough, lower + upper, whole)


def beyond(previous: Array, last: Array, total: Array) -> Array:
    """Integral (n,) beyond the last of the panels of a tail, each with a quarter of its neighbour's probability.

    In a tail of any power law the integrals of successive panels have a fixed ratio, and what lies beyond the last is a
    geometric series: infinite if they do not fall. In lighter tails it is nothing, and rounding has no ratio.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = last / previous
        series = np.where(ratio < 1 - _CRITICAL, last * ratio / (1 - ratio), np.inf)
    return np.where(last > _ROUNDING * total, series, 0.0)


def quantiles(distributions: RowDistributions, n: int) -> Array:
    """Quantiles (J, n) from probability 2e-16 to 1 - 2e-16; nan where there is none."""
    probabilities = np.broadcast_to(np.append(TAILS, 0.5)[:, None], (len(TAILS) + 1, n))
    found = np.vstack([distributions.ppf(probabilities), distributions.isf(probabilities[:-1])])
    return np.where(np.isfinite(found), found, np.nan)


def counts(distributions: list[RowDistributions], *points: Array) -> Array:
    """Whole numbers from where the distributions and the points (n,) begin to where they end, over all rows."""
    n = len(points[0])
    with np.errstate(invalid="ignore"):
        ends = [d.ppf(np.full(n, TAILS[-1])) for d in distributions]
        ends += [d.isf(np.full(n, TAILS[-1])) for d in distributions]
        low = np.floor(np.nanmin([np.nanmin(a) for a in (*ends, *points)]))
        high = np.ceil(np.nanmax([np.nanmax(a) for a in (*ends, *points)])) + 1
    if not (high - low) * n < _MOST_CELLS:
        raise ValueError(
            f"the distributions spread over the whole numbers from {low:g} to {high:g}: too many to be summed one by "
            "one. The closed forms for scipy.stats' poisson, nbinom and binom have no such limit."
        )
    return np.arange(low, high + 1)
