"""The expected information of the Tweedie log dispersion: an integral over y, interpolated in the one variable left."""

import math
from functools import lru_cache

import numpy as np
from scipy.interpolate import make_interp_spline

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._tweedie_series import tweedie_saturated

__all__ = ["dispersion_information"]

# Knots per unit of log xi; outside these units the limits are exact to six digits.
_KNOTS = 8
_LEAST, _MOST = -16, 16
# What exp(-_NEGLIGIBLE) of the density leaves out.
_NEGLIGIBLE = 42.0


@np.errstate(over="ignore", under="ignore")
def dispersion_information(log_xi: Array, power: float) -> Array:
    """Return the expected information of log phi, shape (n,), where ``log_xi`` = log phi + (p - 2) log mu.

    By the scale invariance of Tweedie distributions it depends on xi alone: 1/2 for a small xi, and the expected number
    of events times 1 / (p - 1) for a large one. Between, it is the mean square of the gradient.
    """
    rare = np.exp(-log_xi) / ((2 - power) * (power - 1))
    information = np.minimum(rare, 0.5)
    inside = np.flatnonzero((log_xi > _LEAST) & (log_xi < _MOST))
    if len(inside):
        at = log_xi[inside].astype(np.float64)
        blocks = range(math.floor(at.min()) - 1, math.floor(at.max()) + 2)
        knots = np.concatenate([_knots(block) for block in blocks])
        values = np.concatenate([_block(block, power) for block in blocks])
        information[inside] = np.exp(make_interp_spline(knots, values, k=5)(at))
    return information


def _knots(block: int) -> Array:
    return block + np.arange(_KNOTS) / _KNOTS


@lru_cache(maxsize=1024)
def _block(block: int, power: float) -> Array:
    """Return the logarithms of the information at the knots of one unit of log xi."""
    return np.array([math.log(_integral(float(log_xi), power)) for log_xi in _knots(block)])


def _integral(log_xi: float, power: float) -> float:
    """Return E[gradient^2] at mu = 1, phi = xi: the atom at zero, and the trapezoidal rule in sinh^-1 of log y."""
    phi, alpha = math.exp(log_xi), (2 - power) / (power - 1)
    events = 1 / (phi * (2 - power))
    atom = events**2 * math.exp(-events)
    # Towards zero the density of log y falls as y^alpha; the steps near its middle resolve single events.
    width = min(math.sqrt(phi), 1.0)
    step = 0.02 * min(1.0, math.sqrt(20 * (power - 1)))
    centre = math.log(max(phi * (2 - power), 1.0))
    lowest = -(centre - math.log(phi * (power - 1)) + _NEGLIGIBLE / alpha + 2.0)
    highest = math.log(1 + 80 * phi) + 2.0
    t = np.arange(math.asinh(min(lowest, -1.0) / width), math.asinh(highest / width), step)
    log_y = centre + width * np.sinh(t)
    log_xi_y = log_xi + (power - 2) * log_y
    distance = -log_y
    with np.errstate(over="ignore", under="ignore"):
        deviance = np.exp(-log_xi_y) * (
            np.expm1((2 - power) * distance) / (2 - power) + np.expm1(-(power - 1) * distance) / (power - 1)
        )
    kept = np.flatnonzero(deviance < 800)
    value, slope, _ = tweedie_saturated(log_xi_y[kept], power)
    density = np.exp(-deviance[kept] - value) * width * np.cosh(t[kept])
    return atom + step * float(density @ np.square(slope - deviance[kept]))
