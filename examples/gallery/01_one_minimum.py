r"""
Do likelihood, cross-entropy and KL have the same optimum?
==========================================================

Yes: they are one function, seen three ways. For n patients, with p the observed and q
the modelled distribution,

.. math::

    -\tfrac1n \ell(\theta) \;=\; H(p, q_\theta) \;=\;
    H(p) + \mathrm{KL}(p \,\|\, q_\theta).

The first equation is a change of sign and unit; the second adds a constant. So the
three curves below have one optimum.
"""

# %%
# The label says whether a patient's diabetes progressed beyond the median; the feature
# is the body mass index, in whole numbers. Patients of the same index form a group, and
# p is the share of worse ones in it.
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.datasets import load_diabetes

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence

data = load_diabetes(scaled=False)
bmi = data.data[:, data.feature_names.index("bmi")].round()
worse = (data.target > np.median(data.target)).astype(int)
x = bmi - bmi.mean()
_, group = np.unique(bmi, return_inverse=True)
share = (np.bincount(group, worse) / np.bincount(group))[group]
p = np.column_stack([1 - share, share])

model = MLELogisticClassifier().fit(x[:, None], worse)
intercept, best = model.intercept_[0], model.coef_[0, 0]
print(
    f"maximum likelihood: intercept {intercept:.4f}, slope {best:.4f} (certified to "
    f"{model.gap_:.0e} nats)"
)

# %%
# Each view is computed by its own formula: the log-likelihood from the labels of single
# patients, the other two from the shares. Only the slope moves; the intercept stays at
# its estimate.
slopes = np.linspace(0.0, 0.55, 111)
slopes = np.sort(np.append(slopes, best))
log_likelihood, ce, kl = [], [], []
for slope in slopes:
    q = expit(intercept + slope * x)
    log_likelihood.append(np.sum(np.log(np.where(worse == 1, q, 1 - q))))
    ce.append(cross_entropy(p, np.column_stack([1 - q, q])))
    kl.append(kl_divergence(p, np.column_stack([1 - q, q])))
log_likelihood, ce, kl = map(np.array, (log_likelihood, ce, kl))

n = len(x)
print(f"slope of the largest log-likelihood  {slopes[log_likelihood.argmax()]:.4f}")
print(f"slope of the least cross-entropy     {slopes[ce.argmin()]:.4f}")
print(f"slope of the least KL divergence     {slopes[kl.argmin()]:.4f}")
print(
    f"cross-entropy + log-likelihood / n: at most "
    f"{np.abs(ce + log_likelihood / n).max():.1e}"
)
print(
    f"cross-entropy - KL: {np.min(ce - kl):.9f} to {np.max(ce - kl):.9f}; entropy of "
    f"the shares {entropy(p):.9f}"
)
assert np.allclose(ce, -log_likelihood / n, rtol=1e-12)
assert np.allclose(ce - kl, entropy(p), rtol=1e-12)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained", sharex=True)
views = [
    ("log-likelihood (nats)", log_likelihood, log_likelihood.argmax()),
    ("cross-entropy (nats per patient)", ce, ce.argmin()),
    ("KL divergence (nats per patient)", kl, kl.argmin()),
]
for panel, (name, curve, optimum) in zip(axes, views, strict=True):
    panel.plot(slopes, curve, linewidth=2)
    panel.axvline(best, color="0.5", linestyle="--", linewidth=1)
    panel.plot(slopes[optimum], curve[optimum], "o", color="C1", markersize=8)
    panel.set(title=name, xlabel="slope")
plt.show()
