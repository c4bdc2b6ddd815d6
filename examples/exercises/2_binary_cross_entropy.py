r"""
2. Binary cross-entropy, stable and tested
==========================================

*Exercise: compute the binary cross-entropy from predictions and labels.*

For a label y, 0 or 1 (or a probability in between), and a predicted probability q of 1,
the cost of a row in nats is

.. math:: -\,y \log q - (1 - y) \log (1 - q).

The formula is one line. What remains is that the line must hold in floating point.
"""

# %%
# From the formula
# ----------------
import decimal

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit, log_expit, xlog1py, xlogy
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.metrics import cross_entropy


def from_formula(y, q):
    """The formula as it is written."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.mean(-y * np.log(q) - (1 - y) * np.log(1 - q))


print("certain and right:", from_formula(np.array([1.0]), np.array([1.0])))

# %%
# ``nan``: 0 times the logarithm of 0. The convention is 0 log 0 = 0, for what never
# happens costs nothing, and ``xlogy`` implements it. ``xlog1py`` does so for log(1 -
# q), which loses its digits where q is small.


def from_probabilities(y, q):
    """Binary cross-entropy of predicted probabilities of 1."""
    return np.mean(-xlogy(y, q) - xlog1py(1 - y, -q))


print("certain and right:", from_probabilities(np.array([1.0]), np.array([1.0])))
print("certain and wrong:", from_probabilities(np.array([0.0]), np.array([1.0])))

# %%
# Infinity is the right answer to the second: who gives probability zero to what happens
# has lost every bet. A metric that clips q, as ``log_loss`` does, charges 36 nats
# instead, and the number depends on the clipping.
print("log_loss, certain and wrong:", round(log_loss([0], [1.0], labels=[0, 1]), 2))

# %%
# From log-odds
# -------------
# A probability near 1 keeps few digits of its distance from 1, and none beyond 1e-16.
# The model knew better: it computed log-odds, eta = log(q / (1 - q)). So start there,
# with log q = -log(1 + exp(-eta)), which ``log_expit`` computes without overflow or
# cancellation.


def from_log_odds(y, eta):
    """Binary cross-entropy of predicted log-odds of 1."""
    return np.mean(-y * log_expit(eta) - (1 - y) * log_expit(-eta))


# %%
# The test
# --------
# Fifty-digit arithmetic says what is right. The label is 1 and the log-odds go from -60
# to 60: from a cost of 60 nats to one of 1e-26, the kind of small number that a sum
# over many good predictions is made of.
decimal.getcontext().prec = 50


def exact(eta):
    """The cost of label 1 at log-odds eta, -log q, to fifty digits."""
    return (1 + (-decimal.Decimal(eta)).exp()).ln()


log_odds = np.arange(-60.0, 61.0)
one = np.ones(1)
costs = {
    "from probabilities": [from_probabilities(one, expit(eta)) for eta in log_odds],
    "from log-odds": [from_log_odds(one, eta) for eta in log_odds],
}
errors = {
    name: [
        abs(decimal.Decimal(float(cost)) / exact(eta) - 1)
        for cost, eta in zip(found, log_odds, strict=True)
    ]
    for name, found in costs.items()
}
for name, error in errors.items():
    print(f"largest relative error, {name}: {float(max(error)):.1e}")
assert max(errors["from log-odds"]) < 1e-15

# %%
# The same on data, against the library's metric and scikit-learn's.
X, y = load_breast_cancer(return_X_y=True)
model = MLELogisticClassifier(C=1.0).fit(X, y)
ours = from_log_odds(y, model.decision_function(X))
library = cross_entropy(y, model.predict_log_proba(X), log_proba=True)
peer = log_loss(y, model.predict_proba(X))
print(
    f"written here {ours:.15f}\nlibrary      {library:.15f}\nscikit-learn {peer:.15f}"
)
assert abs(ours - library) < 1e-15 and abs(ours - peer) < 1e-12

# %%
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
for (name, error), style in zip(errors.items(), ("s", "o"), strict=True):
    axes.semilogy(
        log_odds, [max(float(e), 1e-17) for e in error], style, markersize=4, label=name
    )
axes.axhline(np.finfo(float).eps, color="0.5", linestyle="--", linewidth=1)
axes.annotate(
    "one rounding",
    (-60, np.finfo(float).eps),
    xytext=(0, 4),
    textcoords="offset points",
    color="0.35",
)
axes.set(
    xlabel="log-odds of what happened",
    ylabel="relative error of the cost",
    title="A good prediction costs little, and probabilities lose it",
)
axes.legend(frameon=False, loc="center left")
plt.show()
