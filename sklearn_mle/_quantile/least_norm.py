"""Where the check loss has more than one minimizer: the one with the shortest coefficients, whatever the row order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from sklearn_mle._quantile.active_set import Face, nearest_to_zero
from sklearn_mle._quantile.minimize import CheckLoss, Optimum

__all__ = ["with_least_norm"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
_FIRST_ROWS = 1000
_ROUNDS = 50
# Coefficients count for so much more than the intercept, which is left to be moved last.
_OF_INTERCEPT = 1e-5


def with_least_norm(problem: CheckLoss, optimum: Optimum, coefficients: Callable[[Array], Array]) -> Optimum:
    """Return the minimizer of the shortest coefficients; of those, the intercept in the middle of its interval.

    It is the limit of vanishing priors. A vertex, which other programs return, depends on the order of the rows.

    Parameters
    ----------
    problem : CheckLoss
        Without a prior.
    optimum : Optimum
    coefficients : callable
        theta -> the coefficients in the units of X, linearly.
    """
    face = Face(problem.design.rows(optimum.at_zero), problem.data.y[optimum.at_zero])
    along = face.directions
    if not along.shape[1]:
        return optimum
    residual = problem.data.y - problem.design.matvec(optimum.theta)
    weight = 1.0 if problem.data.weight is None else problem.data.weight
    side = np.where(optimum.dual > 0.5 * (problem.lower + problem.upper) * weight, 1.0, -1.0)
    side[optimum.at_zero] = 0
    # No row may change its side on the way: rows c <= bound.
    rows = side[:, None] * np.stack([problem.design.matvec(direction) for direction in along.T], axis=1)
    bound = np.maximum(side * residual, 0.0)
    norm = np.stack([coefficients(direction) for direction in along.T], axis=1)
    change = _shortest(norm, coefficients(optimum.theta), rows, bound)
    if change is None:
        return optimum
    bound = np.maximum(bound - rows @ change, 0.0)
    change = change + _middle(norm, rows, bound)
    return problem.moved(optimum, optimum.theta + along @ change)


def _shortest(norm: Array, shift: Array, rows: Array, bound: Array) -> Array | None:
    """Return the change of least norm, by constraint generation."""
    k = norm.shape[1]
    size = float(np.abs(norm).max(initial=0.0))
    if size == 0:
        return np.zeros(k)  # nothing but the intercept is open
    norm = np.vstack([norm, _OF_INTERCEPT * size * np.eye(k)])
    shift = np.append(shift, np.zeros(k))
    length = np.sqrt(np.square(rows).sum(axis=1))
    # Rows that the change does not concern, but for rounding, would spoil the scale of the others.
    concerned = np.flatnonzero(length > 1e-12 * length.max(initial=0.0))
    rows, bound = rows[concerned], bound[concerned]
    working = np.argsort(bound / length[concerned], kind="stable")[:_FIRST_ROWS]
    slack = 64 * _EPS * (1 + float(np.abs(bound).max(initial=0.0)))
    for _ in range(_ROUNDS):
        change = nearest_to_zero(norm, shift, rows[working], bound[working])
        if change is None:
            return None
        crossed = np.setdiff1d(np.flatnonzero(rows @ change > bound + slack), working)
        if not len(crossed):
            return change
        working = np.concatenate([working, crossed])
    return None


def _middle(norm: Array, rows: Array, bound: Array) -> Array:
    """Return the change, in the direction that no coefficient takes part in, to the middle of what the rows allow."""
    _, values, directions = scipy.linalg.svd(np.vstack([norm, np.zeros_like(norm[:1])]), full_matrices=True)
    rank = int(np.sum(values > 1e-9 * max(values.max(initial=0.0), 1e-300)))
    if rank == len(directions):
        return np.zeros(len(directions))
    direction = directions[rank]
    slope = rows @ direction
    small = 1e-9 * float(np.abs(slope).max(initial=0.0))
    up = np.min(bound[slope > small] / slope[slope > small], initial=np.inf)
    down = np.min(bound[slope < -small] / -slope[slope < -small], initial=np.inf)
    return 0.5 * (up - down) * direction if np.isfinite(up) and np.isfinite(down) else np.zeros(len(direction))
