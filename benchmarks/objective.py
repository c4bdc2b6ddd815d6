"""The judge: one function that evaluates every solver's answer, written apart from the library and from all peers.

Plain numpy in float64, from coefficients in X's units, over blocks of rows; their sums are added exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from benchmarks.problem import DF, EPSILON, LEVEL, Problem

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
        Scale of a model that has one; None lets the judge put in the best one, for peers that do not estimate it.
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


def _poisson(X: Any, y: np.ndarray, solution: Solution) -> float:
    def nll(X: Any, y: np.ndarray) -> np.ndarray:
        eta = X @ solution.coef[0] + solution.intercept[0]
        return np.exp(eta) - y * eta + gammaln(y + 1)

    return _sum_over_blocks(X, y, nll)


def _with_best_scale(total: Callable[[float], float], scale: float | None, typical: float) -> float:
    """Return the total NLL at the given scale, or at the best one near a typical residual."""
    if scale is not None:
        return total(math.log(scale))
    centre = math.log(typical)
    return float(minimize_scalar(total, bounds=(centre - 4, centre + 4), method="bounded", options={"xatol": 1e-9}).fun)


def _location_scale(rho: Callable[[np.ndarray], np.ndarray], constant: float) -> Callable[..., float]:
    """Return the total NLL of residuals r: the sum of log s + constant + rho(r / s)."""

    def judge(X: Any, y: np.ndarray, solution: Solution) -> float:
        residual = y - X @ solution.coef[0] - solution.intercept[0]

        def total(log_scale: float) -> float:
            z = residual * math.exp(-log_scale)
            return len(y) * (log_scale + constant) + math.fsum(np.add.reduceat(rho(z), np.arange(0, len(z), BLOCK)))

        return _with_best_scale(total, solution.scale, float(np.mean(np.abs(residual))))

    return judge


def _huber_rho(z: np.ndarray) -> np.ndarray:
    size = np.abs(z)
    return np.where(size <= EPSILON, 0.5 * z**2, EPSILON * size - 0.5 * EPSILON**2)


def _check_rho(z: np.ndarray) -> np.ndarray:
    return np.where(z > 0, LEVEL * z, (LEVEL - 1) * z)


def _huber_concomitant(X: Any, y: np.ndarray, solution: Solution) -> float:
    """Huber's joint criterion for location and scale, that of HuberRegressor: not a likelihood, in y's unit."""
    assert solution.scale is not None
    z = (y - X @ solution.coef[0] - solution.intercept[0]) / solution.scale
    return solution.scale * (len(y) + math.fsum(2 * _huber_rho(z)))


_HUBER_CONSTANT = math.log(
    math.sqrt(2 * math.pi) * math.erf(EPSILON / math.sqrt(2)) + 2 / EPSILON * math.exp(-0.5 * EPSILON**2)
)
_STUDENT_CONSTANT = float(gammaln(DF / 2) - gammaln((DF + 1) / 2) + 0.5 * math.log(DF * math.pi))

_TOTAL_NLL: dict[str, Callable[[Any, np.ndarray, Solution], float]] = {
    "bernoulli": _bernoulli,
    "categorical": _categorical,
    "gaussian": _gaussian,
    "gaussian_log_linear": _gaussian_log_linear,
    "poisson": _poisson,
    "huber": _location_scale(_huber_rho, _HUBER_CONSTANT),
    "student_t": _location_scale(lambda z: 0.5 * (DF + 1) * np.log1p(z**2 / DF), _STUDENT_CONSTANT),
    "quantile": _location_scale(_check_rho, -math.log(LEVEL * (1 - LEVEL))),
    "huber_concomitant": _huber_concomitant,
}
