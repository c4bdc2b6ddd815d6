"""From an interior point to the optimal face of a check-loss problem: the rows at zero are solved for, exactly."""

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.optimize import nnls

from sklearn_mle._numerics.factors import triangle_of
from sklearn_mle._quantile.interior_point import SmoothPart

__all__ = ["Face", "nearest_to_zero"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
_ROUNDS = 2
_NEWTON_ROUNDS = 20


class Face:
    """The parameters at which given rows are fitted exactly: one point (a vertex), or more where rows are too few.

    Parameters
    ----------
    rows : ndarray of shape (k, size)
        A of the rows at zero.
    y : ndarray of shape (k,)
    """

    def __init__(self, rows: Array, y: Array) -> None:
        self.rows, self.y = rows, y
        size = rows.shape[1]
        triangle = np.zeros((size, size))
        if len(rows):
            upper = triangle_of(rows)
            triangle[: len(upper)] = upper
        _, values, directions = scipy.linalg.svd(triangle, check_finite=False)
        self._cutoff = 64 * _EPS * max(rows.shape)
        rank = int(np.sum(values > self._cutoff * max(values[0], 1e-300))) if size else 0
        # The directions in which the face extends: orthonormal columns.
        self.directions = directions[rank:].T

    def nearest(self, theta: Array) -> Array:
        """Return the point of the face nearest to theta."""
        for _ in range(_ROUNDS):  # once more takes back what the first solve left to rounding
            theta = theta + _least_squares(self.rows, self.y - self.rows @ theta, self._cutoff)
        return theta

    def least(self, smooth: SmoothPart, theta: Array) -> Array | None:
        """Return the minimizer of a curved phi in the face, by Newton's method from near it; None if it gets lost."""
        along = self.directions
        for _ in range(_NEWTON_ROUNDS if along.shape[1] else 0):
            curvature = along.T @ (along * smooth.curvature(theta)[:, None])
            move = _least_squares(curvature, -(along.T @ smooth.gradient(theta)), self._cutoff)
            theta = theta + along @ move
            if smooth.log_weight and not theta[-1] > 0:
                return None
            if np.all(np.abs(move) <= 4 * _EPS * np.abs(theta).max()):
                break
        return theta

    def dual(self, smooth: SmoothPart, theta: Array, dual: Array, room: Array) -> Array:
        """Return the subgradients near ``dual`` that balance phi at theta, moved where there is most room."""
        weighted = self.rows * room[:, None]
        for _ in range(_ROUNDS):
            missing = smooth.gradient(theta) - self.rows.T @ dual
            dual = dual + room * _least_squares(weighted.T, missing, self._cutoff)
        return dual


def _least_squares(matrix: Array, right: Array, cutoff: float) -> Array:
    if not matrix.size:
        return np.zeros(matrix.shape[1])
    return np.linalg.lstsq(matrix, right, rcond=cutoff)[0]


def nearest_to_zero(norm: Array, shift: Array, rows: Array, bound: Array) -> Array | None:
    """Return the c that makes norm c + shift shortest with rows c <= bound, or None if rounding finds none.

    The problem is one of least distance, solved as nonnegative least squares.

    References
    ----------
    Lawson and Hanson (1974), Solving Least Squares Problems, chapter 23.
    """
    Q, R = np.linalg.qr(norm)
    if np.abs(R.diagonal()).min(initial=np.inf) <= 64 * _EPS * np.abs(R).max(initial=0.0):
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
    if not residual[-1] < -_EPS:
        return None
    z = -residual[:-1] / residual[-1] * reach
    return scipy.linalg.solve_triangular(R, z - pulled, check_finite=False)
