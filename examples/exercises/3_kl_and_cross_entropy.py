r"""
3. Minimizing KL is minimizing cross-entropy
============================================

*Exercise: demonstrate that minimizing the Kullback-Leibler divergence and
minimizing the cross-entropy are the same.*

For target distributions p and predictions q that depend on parameters :math:`\theta`,

.. math:: \mathrm{KL}(p \,\|\, q_\theta) = H(p, q_\theta) - H(p),

and H(p) does not contain :math:`\theta`. So the two functions differ by a constant,
have the same gradient, and the same minimum. We minimize both, with nothing from this
library but the metrics, and compare. Then we turn the divergence around, and the
statement is false: which argument comes first matters.
"""

# %%
# The targets are distributions: among patients of the same body mass index (in whole
# numbers), the share whose diabetes progressed beyond the median. Each distinct index
# is a row, weighted by its number of patients.
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.datasets import load_diabetes

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence

data = load_diabetes(scaled=False)
bmi = data.data[:, data.feature_names.index("bmi")].round()
worse = data.target > np.median(data.target)
x, group, weight = np.unique(bmi, return_inverse=True, return_counts=True)
share = np.bincount(group, worse) / weight
p = np.column_stack([1 - share, share])
print(f"{len(worse)} patients, {len(x)} distinct indices")


def predicted(theta):
    """Probabilities of a logistic model: theta[0] at the mean index, slope theta[1]."""
    q = expit(theta[0] + theta[1] * (x - x.mean()))
    return np.column_stack([1 - q, q])


def minimum(loss):
    """Minimize from zero, without derivatives of ours."""
    return minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-7}).x


by_kl = minimum(lambda theta: kl_divergence(p, predicted(theta), sample_weight=weight))
by_ce = minimum(lambda theta: cross_entropy(p, predicted(theta), sample_weight=weight))
by_mle = MLELogisticClassifier().fit((x - x.mean())[:, None], p, sample_weight=weight)
print("minimum of KL           ", by_kl.round(6))
print("minimum of cross-entropy", by_ce.round(6))
print("maximum likelihood      ", np.append(by_mle.intercept_, by_mle.coef_).round(6))
assert np.allclose(by_kl, by_ce, atol=1e-6)
assert np.allclose(by_kl, np.append(by_mle.intercept_, by_mle.coef_), atol=1e-6)

# %%
# They differ by the entropy of the targets, everywhere.
slopes = np.linspace(0, 0.4, 81)
thetas = [np.array([by_ce[0], slope]) for slope in slopes]
ce = np.array(
    [cross_entropy(p, predicted(theta), sample_weight=weight) for theta in thetas]
)
kl = np.array(
    [kl_divergence(p, predicted(theta), sample_weight=weight) for theta in thetas]
)
H = entropy(p, sample_weight=weight)
print(
    f"cross-entropy - KL: between {np.min(ce - kl):.12f} and {np.max(ce - kl):.12f}; "
    f"entropy: {H:.12f}"
)
assert np.allclose(ce - kl, H, rtol=1e-12)

# %%
# The other way round
# -------------------
# KL(q || p) averages over what the *model* expects. Its first argument moves with the
# parameters, its entropy too, and the minimum is another one. (Indices with a share of
# 0 or 1 are left out here: there KL(q || p) is infinite for any q.)
inside = (share > 0) & (share < 1)


def reverse(theta):
    """KL(q || p) over the rows where it is finite."""
    return kl_divergence(
        predicted(theta)[inside], p[inside], sample_weight=weight[inside]
    )


def forward(theta):
    """KL(p || q) over the same rows."""
    return kl_divergence(
        p[inside], predicted(theta)[inside], sample_weight=weight[inside]
    )


print("minimum of KL(p || q), same rows", minimum(forward).round(4))
print("minimum of KL(q || p), same rows", minimum(reverse).round(4))
assert abs(minimum(forward)[1] - minimum(reverse)[1]) > 1e-3

# %%
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.plot(slopes, ce, color="C0", linewidth=2, label="cross-entropy H(p, q)")
axes.plot(slopes, kl, color="C1", linewidth=2, label="KL(p || q)")
axes.axvline(by_ce[1], color="0.5", linestyle="--", linewidth=1)
axes.plot(by_ce[1], ce.min(), "o", color="C0")
axes.plot(by_ce[1], kl.min(), "o", color="C1")
axes.annotate(
    "",
    (slopes[60], ce[60]),
    (slopes[60], kl[60]),
    arrowprops={"arrowstyle": "<->", "color": "0.4", "linewidth": 1},
)
axes.annotate(
    f"H(p) = {H:.3f} nats,\neverywhere",
    (slopes[60], (ce[60] + kl[60]) / 2),
    (6, -6),
    textcoords="offset points",
)
axes.set(
    xlabel="slope of the log-odds, per unit of body mass index",
    ylabel="nats per patient",
    ylim=(0, None),
    title="Two curves, one minimum: they differ by a constant",
)
axes.legend(frameon=False, loc="upper center")
plt.show()
