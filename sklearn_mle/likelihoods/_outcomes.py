"""Outcomes y with masses, per row, over which a mean given eta is a sum: from a distribution, or from exp(-nll) alone."""

from collections.abc import Iterator

import numpy as np

from sklearn_mle.likelihoods._base import Array, Likelihood

__all__ = ["outcome_nodes"]

# Counts up to here are summed one by one while any row's probability is not used up.
_MOST_COUNTS = 100_000
_USED_UP = 1e-12
# y is sinh(u), or exp(u) where it is positive: the grid where the mode is looked for, and its refinements.
_GRID = np.linspace(-40.0, 40.0, 401)
_POSITIVE_GRID = np.linspace(-60.0, 60.0, 401)
_REFINEMENTS = 60
_GOLDEN = 0.6180339887498949
# From the mode, steps grow exponentially: t, in the widths at which the NLL has risen by about one.
_NODES = np.sinh(np.linspace(-5.0, 5.0, 241))
_NODE_STEPS = np.cosh(np.linspace(-5.0, 5.0, 241)) * (10.0 / 240)
# tanh-sinh nodes of levels in (0, 1).
_LEVELS = 0.5 * (1 + np.tanh(0.5 * np.pi * np.sinh(np.linspace(-2.9, 2.9, 117))))


def outcome_nodes(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    """Yield pairs (y, mass), each of shape (n,); masses are nonnegative and sum to about one over the pairs.

    They sum to what exp(-nll) integrates to where the likelihood has no distribution of its own.
    """
    if likelihood.discrete:
        yield from _counts(likelihood, eta)
    elif type(likelihood).distribution is not Likelihood.distribution:
        yield from _quantiles(likelihood, eta)
    else:
        yield from _integral(likelihood, eta)


def _counts(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    left = np.ones(eta.shape[1])
    for count in range(_MOST_COUNTS):
        y = np.full(eta.shape[1], float(count))
        mass = _density(likelihood, y, eta)
        yield y, mass
        left = left - mass
        # Used up, or past the mode and vanishing where the probabilities do not sum to one.
        if (left < _USED_UP).all() or (count > 1000 and (mass < _USED_UP**2).all()):
            return


def _quantiles(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    distribution = likelihood.distribution(eta)
    edges = np.concatenate([[0.0], 0.5 * (_LEVELS[1:] + _LEVELS[:-1]), [1.0]])
    for level, mass in zip(_LEVELS, np.diff(edges), strict=True):
        yield np.asarray(distribution.ppf(level), dtype=np.float64), np.full(eta.shape[1], mass)


def _integral(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    outcome = np.exp if likelihood.positive_only else np.sinh
    grid = _POSITIVE_GRID if likelihood.positive_only else _GRID

    def loss(u: Array) -> Array:
        """Return the NLL of u: of y, less the logarithm of dy/du."""
        slope = u if likelihood.positive_only else np.logaddexp(u, -u) - np.log(2)
        with np.errstate(all="ignore"):
            value = np.asarray(likelihood.nll(outcome(u), eta), dtype=np.float64) - slope
        return np.where(np.isnan(value), np.inf, value)

    losses = np.stack([loss(np.full(eta.shape[1], u)) for u in grid])
    best = np.clip(losses.argmin(axis=0), 1, len(grid) - 2)
    low, high = grid[best - 1], grid[best + 1]
    for _ in range(_REFINEMENTS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        lower = loss(left) < loss(right)
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    mode = 0.5 * (low + high)
    least = loss(mode)
    width = np.full(eta.shape[1], 1e-12)
    for _ in range(50):
        narrow = np.minimum(loss(mode - width), loss(mode + width)) < least + 1
        width = np.where(narrow, 2 * width, width)
    for node, step in zip(_NODES, _NODE_STEPS, strict=True):
        u = mode + node * width
        yield outcome(u), np.exp(-loss(u)) * step * width


def _density(likelihood: Likelihood, y: Array, eta: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.exp(-np.asarray(likelihood.nll(y, eta), dtype=np.float64))
