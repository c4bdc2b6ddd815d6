"""Draw the paper's figure: how far fits end above the minimum of what they minimize, by the tolerance asked for.

Run as ``python paper/figure.py``; ``make paper-figure`` does. It writes paper/gap.png in some seconds.
On another machine points below 1e-8 nats may move, newton-cg's most of all: BLAS kernels sum in other orders.
"""

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from sklearn_mle import MLELogisticClassifier

X, y = load_breast_cancer(return_X_y=True)  # 569 tumours, 30 features in their raw units
C = 1.0
TOLERANCES = np.logspace(-1, -9, 9)


def penalized_nll(coef, intercept):
    """Total negative log-likelihood plus half the squared norm of the coefficients over C, in nats."""
    eta = X @ coef + intercept
    return np.sum(np.logaddexp(0, eta) - y * eta) + coef @ coef / (2 * C)


def above_minimum(model):
    """How far the objective of a fit is above that of the best one known, in nats."""
    value = penalized_nll(model.coef_[0], model.intercept_[0])
    return max(value - LEAST, np.finfo(float).eps * LEAST)


best = MLELogisticClassifier(C=C, tol=1e-14).fit(X, y)
LEAST = penalized_nll(best.coef_[0], best.intercept_[0])
figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for solver, style in {"lbfgs": "o-", "newton-cg": "s-", "newton-cholesky": "D-"}.items():
    found = []
    for tol in TOLERANCES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of not converging within max_iter, the default one
            found.append(above_minimum(LogisticRegression(C=C, tol=tol, solver=solver).fit(X, y)))
    axes.loglog(TOLERANCES, found, style, label=f"LogisticRegression, {solver}")
ours = [MLELogisticClassifier(C=C, tol=tol).fit(X, y) for tol in TOLERANCES]
axes.loglog(TOLERANCES, [above_minimum(model) for model in ours], "k^-", label="MLELogisticClassifier")
axes.set(xlabel="tolerance asked for (tol)", ylabel="objective above its minimum (nats)")
axes.invert_xaxis()
axes.legend(fontsize=8)
figure.savefig(Path(__file__).with_name("gap.png"), dpi=200)
