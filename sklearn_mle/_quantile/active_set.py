"""Rows that are fitted exactly, and the parameters at which they are: a vertex, or a face where they are too few."""

from collections.abc import Callable

import numpy as np
import scipy.linalg
from scipy.optimize import nnls

from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.factors import triangle_of
from sklearn_mle._quantile.check_loss import CheckLoss, Optimum

# A second solve takes back what the first left to rounding.
_ROUNDS = 2
_FIRST_ROWS, _MOST_ROUNDS = 1000, 50
# Coefficients count for so much more than the intercept, which is left to be moved last.
_OF_INTERCEPT = 1e-5


class ActiveSet:
    """The parameters at which rows (k, size) of A fit their y (k,) exactly."""

    def __init__(self, rows: Array, y: Array) -> None:
        self.rows, self.y = rows, y
        size = rows.shape[1]
        triangle = np.zeros((size, size))
        if len(rows):
            upper = triangle_of(rows)
            triangle[: len(upper)] = upper
        self._cutoff = 64 * EPS * max(rows.shape)
        # The directions in which the parameters may move: orthonormal columns.
        self.directions = scipy.linalg.null_space(triangle, self._cutoff)

    def nearest(self, theta: Array) -> Array:
        """Return the parameters nearest to theta."""
        for _ in range(_ROUNDS):
            theta = theta + self._least_squares(self.rows, self.y - self.rows @ theta)
        return theta

    def minimizer(self, precision: Array, pull: Array, theta: Array) -> Array:
        """Return the minimizer of a prior less a pull among the parameters, from one of them."""
        along = self.directions
        curvature = along.T @ (along * precision[:, None])
        for _ in range(_ROUNDS if precision.any() else 0):
            theta = theta + along @ self._least_squares(curvature, along.T @ (pull - precision * theta))
        return theta

    def dual(self, gradient: Array, dual: Array, slack: Array) -> Array:
        """Return the dual values near ``dual`` that balance a gradient, moved most where there is most slack."""
        weighted = self.rows * slack[:, None]
        for _ in range(_ROUNDS):
            dual = dual + slack * self._least_squares(weighted.T, gradient - self.rows.T @ dual)
        return dual

    def _least_squares(self, matrix: Array, right: Array) -> Array:
        if not matrix.size:
            return np.zeros(matrix.shape[1])
        return np.linalg.lstsq(matrix, right, rcond=self._cutoff)[0]


def with_least_norm(problem: CheckLoss, optimum: Optimum, coefficients: Callable[[Array], Array]) -> Optimum:
    """Return the minimizer of the shortest coefficients; of those, the intercept in the middle of its interval.

    It is the limit of vanishing priors. A vertex, which other programs return, depends on the order of the rows.
    ``coefficients`` maps theta to the coefficients in the units of X, linearly.
    """
    along = ActiveSet(problem.rows(optimum.at_zero), problem.data.y[optimum.at_zero]).directions
    if not along.shape[1]:
        return optimum
    side = np.where(optimum.dual > 0.5 * (problem.lower + problem.upper) * problem.weight, 1.0, -1.0)
    side[optimum.at_zero] = 0
    # No row may change its side on the way: rows c <= bound.
    rows = side[:, None] * np.stack([problem.matvec(direction) for direction in along.T], axis=1)
    bound = np.maximum(side * problem.residual(optimum.theta), 0.0)
    norm = np.stack([coefficients(direction) for direction in along.T], axis=1)
    change = _shortest(norm, coefficients(optimum.theta), rows, bound)
    if change is None:
        return optimum
    change = change + _middle(norm, rows, np.maximum(bound - rows @ change, 0.0))
    moved = problem.judge(optimum.theta + along @ change, optimum.dual, optimum.at_zero, optimum.status, optimum.n_iter)
    return moved if moved.gap <= optimum.gap + 1e-13 * optimum.loss else optimum


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
    slack = 64 * EPS * (1 + float(np.abs(bound).max(initial=0.0)))
    for _ in range(_MOST_ROUNDS):
        change = nearest_to_zero(norm, shift, rows[working], bound[working])
        if change is None:
            return None
        crossed = np.setdiff1d(np.flatnonzero(rows @ change > bound + slack), working)
        if not len(crossed):
            return change
        working = np.concatenate([working, crossed])
    return None


def nearest_to_zero(norm: Array, shift: Array, rows: Array, bound: Array) -> Array | None:
    """Return the c that makes norm c + shift shortest with rows c <= bound, or None if rounding finds none.

    The problem is one of least distance, solved as nonnegative least squares.

    References
    ----------
    Lawson and Hanson (1974), Solving Least Squares Problems, chapter 23.
    """
    Q, R = np.linalg.qr(norm)
    if np.abs(R.diagonal()).min(initial=np.inf) <= 64 * EPS * np.abs(R).max(initial=0.0):
        return None
    pulled = Q.T @ shift
    G = -scipy.linalg.solve_triangular(R, rows.T, trans="T", check_finite=False).T
    h = -bound + G @ pulled
    # Rows of one length: what counts is on which side of a row zero lies.
    length = np.maximum(np.sqrt(np.square(G).sum(axis=1)), 1e-300)
    G, h = G / length[:, None], h / length
    reach = max(float(np.abs(h).max(initial=0.0)), 1e-300)
    system = np.vstack([G.T, h / reach])
    target = np.zeros(len(system))
    target[-1] = 1.0
    weights, _ = nnls(system, target)
    residual = system @ weights - target
    if not residual[-1] < -EPS:
        return None
    z = -residual[:-1] / residual[-1] * reach
    return scipy.linalg.solve_triangular(R, z - pulled, check_finite=False)


def _middle(norm: Array, rows: Array, bound: Array) -> Array:
    """Return the change, in the direction that no coefficient takes part in, to the middle of what the rows allow."""
    directions = scipy.linalg.null_space(norm, 1e-9)
    if not directions.shape[1]:
        return np.zeros(len(directions))
    direction = directions[:, 0]
    slope = rows @ direction
    small = 1e-9 * float(np.abs(slope).max(initial=0.0))
    up = np.min(bound[slope > small] / slope[slope > small], initial=np.inf)
    down = np.min(bound[slope < -small] / -slope[slope < -small], initial=np.inf)
    return 0.5 * (up - down) * direction if np.isfinite(up) and np.isfinite(down) else np.zeros(len(direction))
