"""Answers that owe nothing to the library: rational arithmetic, fifty digits, closed forms, brute force."""

from fractions import Fraction
from functools import cache

import mpmath
import numpy as np

__all__ = ["glm", "least_squares", "standard_errors"]

DIGITS = 50


def least_squares(X, y, weight=None, ridge=0.0):
    """Coefficients, then the intercept, and the residual sum of squares as a fraction: exact, of these floats."""
    rows = [[Fraction(float(v)) for v in row] + [Fraction(1)] for row in np.asarray(X).tolist()]
    y = [Fraction(float(v)) for v in np.asarray(y).tolist()]
    w = [Fraction(1)] * len(y) if weight is None else [Fraction(float(v)) for v in weight]
    k = len(rows[0])
    A = [[sum(wi * r[a] * r[b] for wi, r in zip(w, rows, strict=True)) for b in range(k)] for a in range(k)]
    for a in range(k - 1):
        A[a][a] += Fraction(float(ridge))
    b = [sum(wi * r[a] * v for wi, r, v in zip(w, rows, y, strict=True)) for a in range(k)]
    theta = _eliminate(A, b)
    residuals = [v - sum(t * x for t, x in zip(theta, r, strict=True)) for r, v in zip(rows, y, strict=True)]
    return [float(t) for t in theta], sum(wi * r * r for wi, r in zip(w, residuals, strict=True))


def _eliminate(A, b):
    A = [[*row, value] for row, value in zip(A, b, strict=True)]
    k = len(A)
    for j in range(k):
        pivot = next(i for i in range(j, k) if A[i][j] != 0)
        A[j], A[pivot] = A[pivot], A[j]
        for i in range(k):
            if i != j and A[i][j] != 0:
                factor = A[i][j] / A[j][j]
                A[i] = [u - factor * v for u, v in zip(A[i], A[j], strict=True)]
    return [A[i][k] / A[i][i] for i in range(k)]


def _newton(kind, X, y, weight, offset, ridge):
    """The MLE and its information, intercept last, by damped Newton steps with fifty digits."""
    rows = [[mpmath.mpf(float(v)) for v in row] + [mpmath.mpf(1)] for row in X]
    y = [mpmath.mpf(float(v)) for v in y]
    n, k = len(rows), len(rows[0])
    w = [mpmath.mpf(float(v)) for v in (np.ones(n) if weight is None else weight)]
    offset = [mpmath.mpf(float(v)) for v in (np.zeros(n) if offset is None else offset)]

    def at(theta):
        value, g, H = mpmath.mpf(0), mpmath.matrix(k, 1), mpmath.matrix(k, k)
        for r, v, wi, o in zip(rows, y, w, offset, strict=True):
            eta = o + sum(theta[a] * r[a] for a in range(k))
            mean = mpmath.exp(eta) if kind == "poisson" else 1 / (1 + mpmath.exp(-eta))
            value += wi * ((mean if kind == "poisson" else mpmath.log(1 + mpmath.exp(eta))) - v * eta)
            curvature = wi * (mean if kind == "poisson" else mean * (1 - mean))
            for a in range(k):
                g[a] += wi * (v - mean) * r[a]
                for b in range(k):
                    H[a, b] += curvature * r[a] * r[b]
        for a in range(k - 1):
            value += mpmath.mpf(ridge) * theta[a] ** 2 / 2
            g[a] -= mpmath.mpf(ridge) * theta[a]
            H[a, a] += mpmath.mpf(ridge)
        return value, g, H

    theta = mpmath.matrix(k, 1)
    theta[k - 1] = -sum(offset) / n
    if kind == "poisson":
        exposure = sum(wi * mpmath.exp(o) for wi, o in zip(w, offset, strict=True))
        theta[k - 1] = mpmath.log(sum(wi * v for wi, v in zip(w, y, strict=True)) / exposure)
    value, g, H = at(theta)
    for _ in range(60):
        step = _inverse(H) * g
        if (g.T * step)[0] < mpmath.mpf(10) ** -30:
            return theta + step, H  # the step squares the distance
        while (new := at(theta + step))[0] > value:
            step /= 2
        theta, (value, g, H) = theta + step, new
    raise AssertionError("the reference has not converged: the case is not what it says it is")


def _inverse(H):
    """The inverse of H, its diagonal first scaled to one: columns may be in any units."""
    scale = [mpmath.sqrt(H[a, a]) for a in range(H.rows)]
    scaled = mpmath.matrix(H.rows, H.rows)
    for a in range(H.rows):
        for b in range(H.rows):
            scaled[a, b] = H[a, b] / scale[a] / scale[b]
    inverse = scaled**-1
    for a in range(H.rows):
        for b in range(H.rows):
            inverse[a, b] = inverse[a, b] / scale[a] / scale[b]
    return inverse


@cache
def _answer(kind, X, y, weight, offset, ridge):
    with mpmath.workdps(DIGITS):
        theta, H = _newton(kind, X, y, weight, offset, ridge)
        inverse = _inverse(H)
        return [float(t) for t in theta], [float(mpmath.sqrt(inverse[a, a])) for a in range(H.rows)]


def _of(kind, X, y, weight, offset, ridge):
    """The answer for arrays; many cases share one."""
    rows = tuple(map(tuple, np.asarray(X, dtype=float).tolist()))
    vectors = [None if v is None else tuple(np.asarray(v, dtype=float).tolist()) for v in (y, weight, offset)]
    return _answer(kind, rows, *vectors, ridge)


def glm(kind, X, y, weight=None, offset=None, ridge=0.0):
    """Coefficients, then the intercept, of a logistic ("logit") or a Poisson regression."""
    return _of(kind, X, y, weight, offset, ridge)[0]


def standard_errors(kind, X, y, weight=None, offset=None):
    """Of the coefficients, then the intercept: roots of the diagonal of the inverse information."""
    return _of(kind, X, y, weight, offset, 0.0)[1]
