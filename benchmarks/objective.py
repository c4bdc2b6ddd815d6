"""The judge: one function that evaluates every solver's answer, written apart from the library and from all peers.

Plain numpy in float64, from coefficients in X's units, over blocks of rows; their sums are added exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.problem import Problem

__all__ = ["Solution", "total_objective"]

BLOCK = 2**20


@dataclass(frozen=True)
class Solution:
    """An estimate in X's units.

    Attributes
    ----------
    coef : ndarray of shape (q, p)
        One row for the log-odds or the location; one a class for several classes.
    intercept : ndarray of shape (q,)
        Intercepts.
    scale : float or None
        Gaussian scale; None lets the judge put in the best one, for peers that do not estimate it.
    scale_coef : ndarray of shape (p,) or None
        Coefficients of the log scale.
    scale_intercept : float
        Intercept of the log scale.
    """

    coef: np.ndarray
    intercept: np.ndarray
    scale: float | None = None
    scale_coef: np.ndarray | None = None
    scale_intercept: float = 0.0

    @classmethod
    def of(cls, coef: Any, intercept: Any, **scale: Any) -> "Solution":
        """Bring the shapes in which libraries keep their coefficients to (q, p) and (q,)."""
        coef = np.atleast_2d(np.asarray(coef, dtype=np.float64))
        return cls(coef, np.asarray(intercept, dtype=np.float64).reshape(len(coef)), **scale)


def total_objective(problem: Problem, X: Any, y: np.ndarray, solution: Solution, alpha: float | None = None) -> float:
    """Return the total NLL plus alpha / 2 times the squared norm of the coefficients, in nats, constants included.

    Parameters
    ----------
    problem : Problem
        Names the model, and alpha unless it is given.
    X : ndarray or csr_matrix of shape (n, p)
        The rows.
    y : ndarray of shape (n,)
        Class codes or target values.
    solution : Solution
        The estimate to judge.
    alpha : float, optional
        Precision of the prior.

    Returns
    -------
    float
        Lower is better; the minimum over all estimates is the maximum likelihood (posterior mode).
    """
    alpha = problem.alpha if alpha is None else alpha
    return _TOTAL_NLL[problem.model](X, y, solution) + alpha / 2 * float(np.sum(solution.coef**2))


def _sum_over_blocks(X: Any, y: np.ndarray, term: Callable[[Any, np.ndarray], np.ndarray]) -> float:
    rows = max(1, BLOCK // X.shape[1]) if isinstance(X, np.ndarray) else 2**14
    starts = range(0, len(y), rows)
    return math.fsum(float(np.sum(term(X[i : i + rows], y[i : i + rows]))) for i in starts)


def _bernoulli(X: Any, y: np.ndarray, solution: Solution) -> float:
    def nll(X: Any, y: np.ndarray) -> np.ndarray:
        eta = X @ solution.coef[0] + solution.intercept[0]
        return np.logaddexp(0, (1 - 2 * y) * eta)

    return _sum_over_blocks(X, y, nll)


def _categorical(X: Any, y: np.ndarray, solution: Solution) -> float:
    def nll(X: Any, y: np.ndarray) -> np.ndarray:
        eta = X @ solution.coef.T + solution.intercept
        eta -= eta.max(axis=1, keepdims=True)
        return np.log(np.exp(eta).sum(axis=1)) - eta[np.arange(len(y)), y]

    return _sum_over_blocks(X, y, nll)


def _gaussian(X: Any, y: np.ndarray, solution: Solution) -> float:
    squares = _sum_over_blocks(X, y, lambda X, y: (y - X @ solution.coef[0] - solution.intercept[0]) ** 2)
    scale = math.sqrt(squares / len(y)) if solution.scale is None else solution.scale
    return len(y) * (0.5 * math.log(2 * math.pi) + math.log(scale)) + squares / (2 * scale**2)


def _gaussian_log_linear(X: Any, y: np.ndarray, solution: Solution) -> float:
    def nll(X: Any, y: np.ndarray) -> np.ndarray:
        log_scale = X @ solution.scale_coef + solution.scale_intercept
        residual = (y - X @ solution.coef[0] - solution.intercept[0]) * np.exp(-log_scale)
        return 0.5 * math.log(2 * math.pi) + log_scale + 0.5 * residual**2

    return _sum_over_blocks(X, y, nll)


_TOTAL_NLL: dict[str, Callable[[Any, np.ndarray, Solution], float]] = {
    "bernoulli": _bernoulli,
    "categorical": _categorical,
    "gaussian": _gaussian,
    "gaussian_log_linear": _gaussian_log_linear,
}
