r"""
1. What has cross-entropy to do with information theory?
========================================================

*Exercise: explain the connection between cross-entropy and information theory, with
numbers.*

Shannon's answer: cross-entropy is a length. Write down outcomes with the code that is
best for the distribution q; if they follow p, they cost on average

.. math::

    H(p, q) = -\sum_k p_k \log_2 q_k = H(p) + \mathrm{KL}(p \,\|\, q) \quad\text{bits}.

The entropy H(p) is what no code can avoid, and the divergence is what the wrong code
wastes. We check both by writing codes.
"""

# %%
# The outcomes: which of three growers each of 178 wines comes from. In bits, because we
# shall count binary digits.
import heapq
import itertools

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence

X, y = load_wine(return_X_y=True)
p = np.bincount(y) / len(y)
q = np.array([0.1, 0.2, 0.7])  # somebody's belief, and a wrong one

print("p (the wines):", p.round(4), " q (the belief):", q)
print(f"entropy H(p)         {entropy([p], base=2):.6f} bits")
print(f"divergence KL(p||q)  {kl_divergence([p], [q], base=2):.6f} bits")
print(f"cross-entropy H(p,q) {cross_entropy([p], [q], base=2):.6f} bits")

# %%
# A real code
# -----------
# Huffman's code is the best one that spends whole bits a word. Applied to words of
# several outcomes it comes as close to the entropy as one likes. We build it for p and
# for q, and count what words that follow p cost with each.


def huffman_lengths(probability):
    """Return the number of bits of each symbol in the best prefix code."""
    lengths = np.zeros(len(probability), dtype=int)
    heap = [(mass, k, [k]) for k, mass in enumerate(probability)]
    heapq.heapify(heap)
    tie = itertools.count(len(probability))
    while len(heap) > 1:
        (light, _, left), (lighter, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (light + lighter, next(tie), left + right))
    return lengths


def bits_per_outcome(true, believed, word_length):
    """Return the mean bits an outcome costs in the code for what is believed."""
    words = list(itertools.product(range(len(true)), repeat=word_length))
    mass_true = np.prod(true[words], axis=1)
    mass_believed = np.prod(believed[words], axis=1)
    return mass_true @ huffman_lengths(mass_believed) / word_length


word_lengths = np.arange(1, 8)
right = [bits_per_outcome(p, p, length) for length in word_lengths]
wrong = [bits_per_outcome(p, q, length) for length in word_lengths]
for length, a, b in zip(word_lengths, right, wrong, strict=True):
    print(
        f"words of {length}: {a:.4f} bits with the code for p, {b:.4f} with the code "
        f"for q, {b - a:.4f} wasted"
    )

# %%
# The right code never falls below the entropy, and stays within 1/length of it
# (Shannon's theorem). The wrong code tends to the cross-entropy.
assert all(
    entropy([p], base=2) <= a <= entropy([p], base=2) + 1 / length
    for length, a in enumerate(right, start=1)
)

# %%
# What a classifier saves
# -----------------------
# A classifier is a code that changes with x: outcome i costs -log2 q(y_i | x_i). So the
# cross-entropy of its predictions is the length of the labels for a reader who has the
# features and the model, and the saving against the class frequencies is the
# information that the features carry about the label. Two features are given, the
# alcohol and the colour of the wine.
model = MLELogisticClassifier().fit(X[:, [0, 9]], y)
without = cross_entropy(y, np.tile(p, (len(y), 1)), base=2)
with_features = cross_entropy(
    y, model.predict_log_proba(X[:, [0, 9]]), log_proba=True, base=2
)
print(
    f"without features {without:.4f} bits a label, with them {with_features:.4f}: "
    f"{without - with_features:.4f} saved"
)
print(
    f"the log-likelihood says the same: "
    f"{-model.log_likelihood_ / np.log(2) / len(y):.4f} bits a label"
)
assert np.isclose(
    with_features, -model.log_likelihood_ / np.log(2) / len(y), rtol=1e-12
)

# %%
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.plot(word_lengths, wrong, "s-", color="C1", label="code made for q")
axes.plot(word_lengths, right, "o-", color="C0", label="code made for p")
axes.axhline(
    cross_entropy([p], [q], base=2),
    color="C1",
    linestyle="--",
    label="cross-entropy H(p, q)",
)
axes.axhline(entropy([p], base=2), color="C0", linestyle="--", label="entropy H(p)")
axes.axhline(
    with_features,
    color="C2",
    linestyle=":",
    linewidth=2,
    label="a classifier that sees two features",
)
axes.set(
    xlabel="outcomes in a code word",
    ylabel="bits an outcome",
    ylim=(0, None),
    title="Entropy is what a code must spend, cross-entropy what it spends",
)
axes.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.47))
plt.show()
