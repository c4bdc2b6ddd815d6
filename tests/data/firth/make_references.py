"""Bias-reduced (Firth) logistic estimates in 50-digit arithmetic, binary and multinomial, by mpmath.

The penalized likelihood is maximized by Newton's method with numerical derivatives in 50-digit arithmetic; nothing is
shared with the library. Usage: python make_references.py > references.json
"""

import json
import sys

import mpmath
import numpy as np

mpmath.mp.dps = 50


def data_sets():
    generator = np.random.default_rng(7)
    X = np.round(generator.normal(size=(12, 2)), 2)
    y = (X[:, 0] + generator.normal(size=12) > 0).astype(int)
    yield "binary", X, y, np.ones(12), np.zeros((12, 2))
    yield "separated", X, (X[:, 0] > 0).astype(int), np.ones(12), np.zeros((12, 2))
    weight = np.array([1, 2, 1, 3, 1, 1, 2, 1, 1, 1, 2, 1], dtype=float)
    offset = np.column_stack([np.zeros(12), np.round(generator.normal(size=12), 2)])
    yield "weights and offset", X, y, weight, offset
    X = np.round(generator.normal(size=(15, 2)), 2)
    y = np.arange(15) % 3
    yield "multinomial", X, y, np.ones(15), np.zeros((15, 3))
    y = np.where(X[:, 1] > 0.4, 2, np.arange(15) % 2)
    yield "multinomial, separated", X, y, np.ones(15), np.zeros((15, 3))


def objective(X, y, weight, offset, theta):
    """Return the log-likelihood plus half log det of the information, and that; class 0 is the reference."""
    n, p = X.shape
    k = offset.shape[1]
    width = p + 1
    information = mpmath.zeros((k - 1) * width)
    total = mpmath.mpf(0)
    for i in range(n):
        x = [mpmath.mpf(repr(float(value))) for value in X[i]] + [mpmath.mpf(1)]
        eta = [mpmath.mpf(0)]
        for c in range(k - 1):
            eta.append(sum(theta[c * width + j] * x[j] for j in range(width)))
        eta = [e + mpmath.mpf(repr(float(o))) for e, o in zip(eta, offset[i], strict=True)]
        normalizer = sum(mpmath.exp(e) for e in eta)
        q = [mpmath.exp(e) / normalizer for e in eta]
        w = mpmath.mpf(float(weight[i]))
        total += w * mpmath.log(q[int(y[i])])
        for a in range(k - 1):
            for b in range(k - 1):
                v = w * q[a + 1] * ((1 if a == b else 0) - q[b + 1])
                for j in range(width):
                    for m in range(width):
                        information[a * width + j, b * width + m] += v * x[j] * x[m]
    return total + mpmath.log(mpmath.det(information)) / 2, information


def derivative(function, theta, j, h):
    up, down = list(theta), list(theta)
    up[j] += h
    down[j] -= h
    return (function(up) - function(down)) / (2 * h)


def solve(X, y, weight, offset):
    size = (offset.shape[1] - 1) * (X.shape[1] + 1)
    theta = [mpmath.mpf(0)] * size
    f = lambda t: objective(X, y, weight, offset, t)[0]  # noqa: E731
    h = mpmath.mpf(10) ** -12
    # Fisher scoring from zero is not misled where F is not concave; it ends near enough for Newton's method.
    for _ in range(30):
        gradient = mpmath.matrix([derivative(f, theta, j, h) for j in range(size)])
        step = mpmath.lu_solve(objective(X, y, weight, offset, theta)[1], gradient)
        length = mpmath.mpf(1)
        while f([t + length * s for t, s in zip(theta, step, strict=True)]) < f(theta):
            length /= 2
        theta = [t + length * s for t, s in zip(theta, step, strict=True)]
    for _ in range(20):
        gradient = mpmath.matrix([derivative(f, theta, j, h) for j in range(size)])
        hessian = mpmath.zeros(size)
        for j in range(size):
            for m in range(j + 1):
                hessian[j, m] = hessian[m, j] = derivative(lambda t, m=m: derivative(f, t, m, h), theta, j, h)
        step = mpmath.lu_solve(hessian, gradient)
        theta = [t - s for t, s in zip(theta, step, strict=True)]
        if max(abs(s) for s in step) < mpmath.mpf(10) ** -18:
            return theta
    raise RuntimeError("not solved")


def main():
    out = {}
    for name, X, y, weight, offset in data_sets():
        theta = solve(X, y, weight, offset)
        out[name] = {
            "X": X.tolist(),
            "y": y.tolist(),
            "weight": weight.tolist(),
            "offset": offset.tolist(),
            "coefficients": [mpmath.nstr(t, 20) for t in theta],
            "penalized_log_likelihood": mpmath.nstr(objective(X, y, weight, offset, theta)[0], 20),
        }
    json.dump(out, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
