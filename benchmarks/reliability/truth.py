"""The exact answers: maximum likelihood by Newton's method with sixty digits, and the least absolute deviations."""

from typing import Any

import mpmath
import numpy as np
from scipy.optimize import linprog

__all__ = ["fitted", "least_absolute", "mean_nll"]

DIGITS = 60


def fitted(kind: str, X: Any, y: Any, weight: Any = None) -> np.ndarray:
    """Return the fitted means (probabilities of class 1, or an (n, K) array of them) at the maximum.

    Columns must be independent, of each other and of the intercept.
    """
    # Equal rows are one row of their number.
    table = np.column_stack([np.asarray(X, dtype=float), np.asarray(y, dtype=float)])
    distinct, place = np.unique(table, axis=0, return_inverse=True)
    total = np.bincount(place.ravel(), np.ones(len(table)) if weight is None else weight)
    exact = _multinomial if kind == "multinomial" else _one_predictor
    return exact(kind, distinct[:, :-1], distinct[:, -1], total)[place.ravel()]


def _one_predictor(kind: str, X: Any, y: Any, weight: Any) -> np.ndarray:
    with mpmath.workdps(DIGITS):
        rows, target, w = _exact(X, y, weight)
        k = len(rows[0])
        theta = mpmath.matrix(k, 1)
        if kind == "poisson":
            theta[k - 1] = mpmath.log(mpmath.fdot(w, target) / mpmath.fsum(w))
        value = _objective(kind, rows, target, w, theta)
        for _ in range(200):
            gradient, hessian = mpmath.matrix(k, 1), mpmath.matrix(k, k)
            for row, outcome, weight_i in zip(rows, target, w, strict=True):
                mean, slope = _mean(kind, _dot(row, theta))
                for a in range(k):
                    gradient[a] += weight_i * (outcome - mean) * row[a]
                    for b in range(a + 1):
                        hessian[a, b] += weight_i * slope * row[a] * row[b]
            for a in range(k):
                for b in range(a):
                    hessian[b, a] = hessian[a, b]
            step = mpmath.lu_solve(hessian, gradient)
            length = mpmath.mpf(1)
            while (trial := _objective(kind, rows, target, w, theta + length * step)) > value and length > 1e-9:
                length /= 2
            theta, value = theta + length * step, min(trial, value)
            if _dot(gradient, step) < mpmath.mpf(10) ** -35 * abs(value + 1):
                break
        return np.array([float(_mean(kind, _dot(row, theta))[0]) for row in rows])


def _exact(X: Any, y: Any, weight: Any) -> tuple[list[list[Any]], list[Any], list[Any]]:
    rows = [[*map(mpmath.mpf, map(float, row)), mpmath.mpf(1)] for row in np.asarray(X)]
    w = np.ones(len(rows)) if weight is None else np.asarray(weight)
    # Columns of equal size, which changes no fitted value, so that the elimination's pivots mean something.
    sizes = [max(abs(row[j]) for row in rows) or mpmath.mpf(1) for j in range(len(rows[0]))]
    rows = [[value / size for value, size in zip(row, sizes, strict=True)] for row in rows]
    return rows, [mpmath.mpf(float(v)) for v in y], [mpmath.mpf(float(v)) for v in w]


def _dot(row: Any, theta: Any) -> Any:
    return mpmath.fsum(a * b for a, b in zip(row, theta, strict=True))


def _mean(kind: str, eta: Any) -> tuple[Any, Any]:
    if kind == "gaussian":
        return eta, mpmath.mpf(1)
    if kind == "poisson":
        mean = mpmath.exp(eta)
        return mean, mean
    mean = 1 / (1 + mpmath.exp(-eta))
    return mean, mean * (1 - mean)


def _objective(kind: str, rows: Any, target: Any, weight: Any, theta: Any) -> Any:
    total = mpmath.mpf(0)
    for row, outcome, w in zip(rows, target, weight, strict=True):
        eta = _dot(row, theta)
        if kind == "gaussian":
            total += w * (outcome - eta) ** 2 / 2
        elif kind == "poisson":
            total += w * (mpmath.exp(eta) - outcome * eta)
        else:
            total += w * (mpmath.log(1 + mpmath.exp(eta)) - outcome * eta)
    return total


def _multinomial(kind: str, X: Any, y: Any, weight: Any) -> np.ndarray:
    """Newton's method with the first class as the reference."""
    with mpmath.workdps(DIGITS):
        rows, target, w = _exact(X, y, weight)
        k, classes = len(rows[0]), int(max(target)) + 1
        size = (classes - 1) * k
        theta = mpmath.matrix(size, 1)

        def probabilities(row: Any, point: Any) -> list[Any]:
            etas = [mpmath.mpf(0)] + [_dot(row, point[c * k : (c + 1) * k]) for c in range(classes - 1)]
            exps = [mpmath.exp(eta) for eta in etas]
            return [e / mpmath.fsum(exps) for e in exps]

        for _ in range(100):
            gradient, hessian = mpmath.matrix(size, 1), mpmath.matrix(size, size)
            for row, outcome, weight_i in zip(rows, target, w, strict=True):
                q = probabilities(row, theta)
                for c in range(classes - 1):
                    slope = weight_i * ((int(outcome) == c + 1) - q[c + 1])
                    for a in range(k):
                        gradient[c * k + a] += slope * row[a]
                        for d in range(classes - 1):
                            cross = weight_i * q[c + 1] * ((c == d) - q[d + 1]) * row[a]
                            for b in range(k):
                                hessian[c * k + a, d * k + b] += cross * row[b]
            step = mpmath.lu_solve(hessian, gradient)
            theta += step
            if _dot(gradient, step) < mpmath.mpf(10) ** -35:
                break
        return np.array([[float(q) for q in probabilities(row, theta)] for row in rows])


def least_absolute(X: Any, y: Any, weight: Any = None) -> float:
    """Return the least mean absolute deviation, by a linear program in columns of equal size."""
    y = np.asarray(y, dtype=float)
    design = np.column_stack([np.asarray(X, dtype=float), np.ones(len(y))])
    design /= np.abs(design).max(axis=0)
    unit = np.abs(y).max()
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    identity = np.eye(len(y))
    found = linprog(
        np.concatenate([np.zeros(design.shape[1]), w, w]),
        A_eq=np.hstack([design, identity, -identity]),
        b_eq=y / unit,
        bounds=[(None, None)] * design.shape[1] + [(0, None)] * (2 * len(y)),
        method="highs",
    )
    return float(found.fun) * unit / float(w.sum())


def mean_nll(kind: str, y: Any, mean: np.ndarray, weight: Any = None) -> float:
    """Return the weighted mean of -log p(y | mean), constants left out; inf where the mean cannot be one."""
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    y = np.asarray(y)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if kind == "multinomial":
            nll = -np.log(mean[np.arange(len(y)), y.astype(int)])
        elif kind == "binary":
            nll = -np.where(y > 0, np.log(mean), np.log1p(-mean))
        elif kind == "poisson":
            nll = mean - np.where(y > 0, y * np.log(mean), 0.0)
        else:
            nll = 0.5 * np.square(y - mean)
    total = float(w[w > 0] @ nll[w > 0] / w.sum())
    return np.inf if np.isnan(total) else total
