"""Quantiles of counts: the least whole number that reaches a level."""

from typing import Any

import numpy as np
from scipy.special import ndtri

from sklearn_mle._numerics.quantiles import count_quantile
from sklearn_mle.likelihoods._base import Array

__all__ = ["LARGEST_LOG_MEAN_DRAWN", "count_quantile_of"]

LARGEST_LOG_MEAN_DRAWN = 12 * np.log(10)


def count_quantile_of(law: Any, level: Array, eta: Array, *, upper: bool) -> Array:
    """Return the least y whose lower tail is at least a level, or whose upper tail is at most it."""

    def reached(y: Array, rows: Array) -> Array:
        tail = law.tail(y, eta[:, rows], upper=upper)
        return tail <= level[rows] if upper else tail >= level[rows]

    # Cornish and Fisher's correction for the skewness, of which all else is at the search's cost.
    mean, deviation = law.mean(eta), law.standard_deviation(eta)
    z = -ndtri(level) if upper else ndtri(level)
    return count_quantile(reached, mean + deviation * z + (z * z - 1) / 6 * np.square(deviation) / np.maximum(mean, 1))
