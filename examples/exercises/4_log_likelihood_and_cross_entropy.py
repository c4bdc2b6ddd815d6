r"""
4. Log-likelihood and cross-entropy, side by side
=================================================

*Exercise: compute the log-likelihood and the cross-entropy of a classifier and show
that they differ only by a constant factor or constant. Which?*

The answer, for n rows, labels y and predictions q:

.. math:: \ell = \sum_i \log q_i(y_i) = -\,n \cdot \mathrm{CE}.

The factor is -n: minus, because one is maximized and the other minimized; n, because
one is a sum and the other a mean. In bits there is another factor, 1 / log 2. A
constant appears only where the targets are distributions, and then between the
cross-entropy and the divergence: it is the entropy of the targets, zero for labels. We
check each of these.
"""

# %%
# A classifier of handwritten digits, at thirteen strengths of its prior: thirteen
# different models.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, random_state=0, stratify=y
)
n = len(y_test)

# %%
strengths = np.logspace(-6, 0, 13)
models = [MLELogisticClassifier(C=C).fit(X_train, y_train) for C in strengths]
log_likelihood = np.array([model.log_likelihood(X_test, y_test) for model in models])
ce = np.array(
    [
        cross_entropy(y_test, model.predict_log_proba(X_test), log_proba=True)
        for model in models
    ]
)

print("      C   log-likelihood   cross-entropy   ratio")
for C, total, mean in zip(strengths, log_likelihood, ce, strict=True):
    print(f"{C:7.1e}   {total:14.6f}   {mean:13.9f}   {total / mean:.9f}")
print(f"minus the number of test rows: {-n}")
assert np.allclose(log_likelihood, -n * ce, rtol=1e-12)

# %%
# So the model that one prefers, the other prefers, too.
assert log_likelihood.argmax() == ce.argmin()
print(f"best by both: C = {strengths[ce.argmin()]:.1e}")

# %%
# Bits
# ----
best = models[ce.argmin()]
log_q = best.predict_log_proba(X_test)
nats = cross_entropy(y_test, log_q, log_proba=True)
bits = cross_entropy(y_test, log_q, log_proba=True, base=2)
print(
    f"{nats:.9f} nats = {bits:.9f} bits; ratio {bits / nats:.9f} = 1 / log 2 = "
    f"{1 / np.log(2):.9f}"
)
assert np.isclose(bits / nats, 1 / np.log(2), rtol=1e-14)

# %%
# Weights
# -------
# A weight of k counts a row k times, so n becomes the sum of the weights.
weight = np.where(y_test < 5, 2.0, 1.0)
total = best.log_likelihood(X_test, y_test, sample_weight=weight)
mean = cross_entropy(y_test, log_q, log_proba=True, sample_weight=weight)
print(f"ratio {total / mean:.9f}; minus the sum of the weights: {-weight.sum()}")
assert np.isclose(total, -weight.sum() * mean, rtol=1e-12)

# %%
# Distributions as targets
# ------------------------
# Now the labels are uncertain: 0.91 for the class, 0.01 for each other. The
# log-likelihood is still -n times the cross-entropy. The divergence is less by the
# entropy of the targets, which no model can change.
soft = 0.9 * np.eye(10)[y_test] + 0.01
total = best.log_likelihood(X_test, soft)
mean = cross_entropy(soft, log_q, log_proba=True)
divergence = kl_divergence(soft, log_q, log_proba=True)
print(f"log-likelihood / cross-entropy: {total / mean:.9f}")
print(f"cross-entropy - divergence:     {mean - divergence:.9f}")
print(
    f"entropy of the targets:         {entropy(soft):.9f} (of labels: "
    f"{entropy(y_test):.1f})"
)
assert np.isclose(total, -n * mean, rtol=1e-12)
assert np.isclose(mean - divergence, entropy(soft), rtol=1e-12)

# %%
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.plot(ce, -n * ce, color="0.6", linewidth=1.5, label=f"-{n} x cross-entropy")
points = axes.scatter(
    ce,
    log_likelihood,
    c=np.log10(strengths),
    zorder=3,
    s=45,
    label="thirteen classifiers",
)
figure.colorbar(points, label="log10 of C")
axes.set(
    xlabel="cross-entropy on the test rows (nats per row)",
    ylabel="log-likelihood of the test rows (nats)",
    title="One number in two units: the slope is minus the number of rows",
)
axes.legend(frameon=False)
plt.show()
