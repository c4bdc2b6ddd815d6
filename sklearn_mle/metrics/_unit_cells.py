r"""Probabilities of outcomes that are whole numbers, under densities: what makes these comparable with mass functions.

A whole number y stands for the cell of all numbers that round to it, and a distribution function F gives this cell

.. math:: P(y - \tfrac12 < Y < y + \tfrac12) = F(y + \tfrac12) - F(y - \tfrac12)

Over all whole numbers these probabilities sum to one, as those of a mass function do: it is the likelihood of a rounded
outcome. Where the density hardly changes over a cell, its logarithm is the density's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from sklearn_mle.metrics._distributions import RowDistributions

Array = NDArray[np.float64]

# The difference of two tails has lost at most three digits from here on; cells with less of their tail are narrow
# beside the distribution's width there, or deep in its tail, and the density is integrated over them.
_SHARE_OF_TAIL = 1e-3
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def are_whole(y: Array) -> bool:
    """Whether all outcomes are whole numbers."""
    return bool((y == np.floor(y)).all())


def log_cell_probability(distributions: RowDistributions, y: Array) -> Array:
    """Logarithm (n,) of the probability of what rounds to each y (n,)."""
    with np.errstate(all="ignore"):
        lower, upper = y - 0.5, y + 0.5
        in_upper_tail = distributions.cdf(y) > 0.5
        # Of the tail in which y lies: with the cell, and without it.
        reach = np.where(in_upper_tail, distributions.log_sf(lower), distributions.log_cdf(upper))
        rest = np.where(in_upper_tail, distributions.log_sf(upper), distributions.log_cdf(lower))
        share = -np.expm1(np.where(reach == rest, 0.0, rest - reach))
        logs = reach + np.log(share)
        narrow = ~(share >= _SHARE_OF_TAIL)
        if narrow.any():
            at_nodes = np.stack([distributions.log_density(y + 0.5 * node) for node in _NODES])
            weights = 0.5 * _WEIGHTS.reshape(-1, *(1,) * (at_nodes.ndim - 1))
            logs = np.where(narrow, logsumexp(at_nodes, b=weights, axis=0), logs)
    scale = distributions.parameters.get("scale")
    if scale is None or (scale != 0).all():
        return logs
    # Of zero width, as a Gaussian process gives where it knows the answer: scipy.stats says nan.
    return np.where(scale == 0, np.where(np.abs(y - distributions.parameters["loc"]) <= 0.5, 0.0, -np.inf), logs)
