"""
Is a majority vote good enough as a label?
==========================================

Five pathologists look at each tumour and do not always agree. Usually their majority
becomes the label, and the share of votes is thrown away. ``MLELogisticClassifier``
takes the shares themselves as y, one column per class. Which is better?

The tumours are real (scikit-learn's breast cancer data); the votes are simulated, so
that we know what the truth is: near the boundary between the classes a vote is nearly a
coin's toss, far from it all agree.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence

X, y = load_breast_cancer(return_X_y=True)
X = X[:, [0, 1, 4, 24]]  # radius, texture and smoothness, worst smoothness
reference = MLELogisticClassifier().fit(X, y)
truth = expit(0.6 * reference.decision_function(X))
truth = np.column_stack([1 - truth, truth])
print(
    f"entropy of a vote: {entropy(truth):.4f} nats; no forecast of a vote can cost less"
)


# %%
# Train on half of the tumours, with majorities or with shares, and judge the forecasts
# on the other half by their divergence from the truth. Twenty repetitions tell luck
# from gain.
def divergences(seed):
    """Return the KL of both fits in one repetition."""
    votes = np.random.default_rng(seed).binomial(5, truth[:, 1])
    shares = np.column_stack([5 - votes, votes]) / 5
    train, test = train_test_split(np.arange(len(y)), test_size=0.5, random_state=seed)
    by_majority = MLELogisticClassifier().fit(X[train], (votes > 2)[train])
    by_shares = MLELogisticClassifier().fit(X[train], shares[train])
    return [
        kl_divergence(truth[test], model.predict_log_proba(X[test]), log_proba=True)
        for model in (by_majority, by_shares)
    ]


kl = np.array([divergences(seed) for seed in range(20)])
print(
    f"KL from the truth, mean of 20: majority {kl[:, 0].mean():.4f}, shares "
    f"{kl[:, 1].mean():.4f} nats per vote"
)
print(f"the shares are better in {np.sum(kl[:, 1] < kl[:, 0])} of 20 repetitions")

# %%
# Why: a majority of 3 to 2 becomes as certain as one of 5 to 0, so the fit is too sure
# of itself.
votes = np.random.default_rng(0).binomial(5, truth[:, 1])
shares = np.column_stack([5 - votes, votes]) / 5
by_majority = MLELogisticClassifier().fit(X, votes > 2)
by_shares = MLELogisticClassifier().fit(X, shares)

# %%
# scikit-learn's ``LogisticRegression`` can be talked into the same fit, with every row
# twice and weights. It is the same likelihood, so it is the same answer.
expanded = MLELogisticClassifier().fit(
    np.repeat(X, 2, axis=0), np.tile([0, 1], len(y)), sample_weight=shares.ravel()
)
assert np.allclose(expanded.coef_, by_shares.coef_, rtol=1e-6)
same = cross_entropy(shares, by_shares.predict_log_proba(X), log_proba=True) * len(y)
assert np.isclose(same, -by_shares.log_likelihood_, rtol=1e-12)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
for model, name, color in (
    (by_majority, "trained on majorities", "C1"),
    (by_shares, "trained on shares", "C0"),
):
    left.scatter(
        truth[:, 1],
        model.predict_proba(X)[:, 1],
        s=9,
        alpha=0.6,
        color=color,
        label=name,
    )
left.plot([0, 1], [0, 1], color="0.5", linewidth=1)
left.set(xlabel="true probability of a vote for benign", ylabel="forecast")
left.legend(frameon=False)
right.plot(kl.T, color="0.8", linewidth=1)
right.plot([0, 1], kl.mean(axis=0), "o-", color="C0", markersize=8, label="mean")
right.set_xticks([0, 1], ["majority", "shares"])
right.set(
    xlim=(-0.4, 1.4),
    ylim=(0, None),
    ylabel="KL from the truth (nats per vote)",
    title="Twenty repetitions",
)
right.legend(frameon=False)
plt.show()
