"""Robust summaries of a weighted sample, which likelihoods start from; a row of weight k counts as k copies."""

import math

import numpy as np

from sklearn_mle._numerics.arrays import EPS
from sklearn_mle._numerics.quantiles import weighted_quantile
from sklearn_mle.likelihoods._base import Array, Likelihood

# Of the largest y: a sample without spread starts from this much, so that every log scale is finite.
_LEAST_SPREAD = 1e-8
# Of the median of |y|: residuals within it may be rounding.
_ROUNDING = 8 * EPS
# From the median absolute deviation of a Gaussian to its standard deviation.
MAD_TO_DEVIATION = 1.4826022185056018
# Tried beside a moment estimate of the logarithm of the dispersion parameter, which a single outlier can spoil.
_CHANGES = (0.0, -1.0, 1.0, -2.0, 2.0, -4.0, 4.0)
_MOST_ROWS = 5000


def best_second(likelihood: Likelihood, start: list[float], y: Array, weight: Array | None) -> Array:
    """Return the start with the second predictor changed to where the NLL is least."""
    return best_of(likelihood, [np.array([start[0], start[1] + change]) for change in _CHANGES], y, weight)


def best_of(likelihood: Likelihood, starts: list[Array], y: Array, weight: Array | None) -> Array:
    """Return the start at which the NLL (of some thousand rows at most) is least."""
    rows = slice(None, None, 1 + len(y) // _MOST_ROWS)
    y, weight = y[rows], None if weight is None or not weight[rows].any() else weight[rows]
    losses = [np.average(likelihood.nll(y, np.repeat(s[:, None], len(y), axis=1)), weights=weight) for s in starts]
    return starts[int(np.argmin(losses))]


def mean_and_deviation(y: Array, weight: Array | None) -> tuple[float, float]:
    """Return the weighted mean, and the standard deviation (positive also for a constant y)."""
    mean = float(np.average(y, weights=weight))
    return mean, max(float(np.sqrt(np.average(np.square(y - mean), weights=weight))), _least(y))


def median_and_spread(y: Array, weight: Array | None) -> tuple[float, float]:
    """Return the weighted median, and the median absolute deviation from it (or their mean, where half are ties)."""
    median = weighted_quantile(y, weight, 0.5)
    residual = np.abs(y - median)
    spread = weighted_quantile(residual, weight, 0.5)
    # Not relative to the largest y: an outlier says nothing about the rounding of the others. It bounds their median.
    sizes = np.abs(y)
    if spread <= _ROUNDING * sizes.max() and spread <= _ROUNDING * weighted_quantile(sizes, weight, 0.5):
        spread = max(float(np.average(residual, weights=weight)), _least(y))
    return median, spread


def log_mean(loss: Array, y: Array, weight: Array | None) -> float:
    """Return the logarithm of the weighted mean of a loss in the units of y (finite also for a constant y)."""
    return math.log(max(float(np.average(loss, weights=weight)), _least(y)))


def _least(y: Array) -> float:
    largest = float(np.abs(y).max(initial=0.0))
    return _LEAST_SPREAD * largest if largest > 0 else 1.0
