"""Outcomes y with masses, over which a mean given eta is a sum: from a distribution, or from exp(-nll) alone."""

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
# From the mode, steps grow exponentially, in units of the width at which the NLL has risen by about one. No node is the
# mode itself, which may be a kink.
_S = np.linspace(-5.0, 5.0, 400)
_NODES, _NODE_STEPS = np.sinh(_S), np.cosh(_S) * (_S[1] - _S[0])
_FARTHEST = 300.0
# The tanh-sinh rule for levels in (0, 1), whose ends are singular where y is not bounded.
_T = np.linspace(-2.9, 2.9, 160)
_LEVELS = 0.5 * (1 + np.tanh(0.5 * np.pi * np.sinh(_T)))
_LEVEL_MASSES = 0.25 * np.pi * np.cosh(_T) / np.square(np.cosh(0.5 * np.pi * np.sinh(_T))) * (_T[1] - _T[0])


def outcome_nodes(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    """Yield pairs (y, mass), each of shape (n,); masses are nonnegative and sum to about one over the pairs.

    They sum to what exp(-nll) sums or integrates to where y is a count, or the likelihood gives no distribution.
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
        try:
            likelihood.check_target(y[:1])
        except ValueError:
            return
        mass = _density(likelihood, y, eta)
        yield y, mass
        left = left - mass
        # Used up, or past the mode and vanishing where the probabilities do not sum to one.
        if (left < _USED_UP).all() or (count > 1000 and (mass < _USED_UP**2).all()):
            return


def _quantiles(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    distribution = likelihood.distribution(eta)
    for level, mass in zip(_LEVELS, _LEVEL_MASSES, strict=True):
        yield np.asarray(distribution.ppf(level), dtype=np.float64), np.full(eta.shape[1], mass)


def _integral(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    n, positive = eta.shape[1], likelihood.positive_only
    outcome, grid = (np.exp, _POSITIVE_GRID) if positive else (np.sinh, _GRID)

    def nll(u: Array) -> Array:
        with np.errstate(all="ignore"):
            value = np.asarray(likelihood.nll(outcome(u), eta), dtype=np.float64)
        return np.where(np.isnan(value), np.inf, value)

    def loss(u: Array) -> Array:
        """Return what has one minimum: the NLL of a real y, or of log y where y may crowd towards zero."""
        return nll(u) - u if positive else nll(u)

    losses = np.stack([loss(np.full(n, u)) for u in grid])
    best = np.clip(losses.argmin(axis=0), 1, len(grid) - 2)
    low, high = grid[best - 1], grid[best + 1]
    for _ in range(_REFINEMENTS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        lower = loss(left) < loss(right)
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    mode = 0.5 * (low + high)
    least = loss(mode)
    width = np.full(n, 1e-12)
    for _ in range(50):
        narrow = np.minimum(loss(mode - width), loss(mode + width)) < least + 1
        width = np.where(narrow & (width < 8), 2 * width, width)
    for node, step in zip(_NODES, _NODE_STEPS, strict=True):
        u = np.clip(mode + node * width, -_FARTHEST, _FARTHEST)
        slope = np.exp(u) if positive else np.cosh(u)
        with np.errstate(all="ignore"):
            mass = np.exp(-nll(u)) * slope * step * width
        yield outcome(u), np.where(np.abs(u) < _FARTHEST, mass, 0)


def _density(likelihood: Likelihood, y: Array, eta: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.exp(-np.asarray(likelihood.nll(y, eta), dtype=np.float64))
