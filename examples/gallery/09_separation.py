"""
What is the estimate when a line separates the classes?
=======================================================

There is none. If some line tells the two kinds of iris apart without error, longer
coefficients always fit better: the likelihood climbs towards one, and no finite
coefficient reaches the top. Software that does not notice returns the point where its
iteration happened to stop. Here the fit notices, says so, and two answers are on offer.
"""

# %%
# Fifty flowers of each of two kinds; the length and the width of the sepal separate
# them.
import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.exceptions import SeparationWarning

iris = load_iris()
two = iris.target < 2
X, y = iris.data[two, :2], iris.target[two]

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    separated = MLELogisticClassifier().fit(X, y)
assert caught[0].category is SeparationWarning
print(textwrap.fill(str(caught[0].message), 84))

# %%
# Without a word, the answer depends on a tolerance, which has no meaning in the
# problem.
for tol in (1e-4, 1e-6, 1e-8):
    peer = LogisticRegression(C=np.inf, tol=tol, max_iter=100_000, solver="lbfgs").fit(
        X, y
    )
    print(
        f"LogisticRegression(C=inf, tol={tol:.0e}): coefficients "
        f"{peer.coef_[0].round(1)}"
    )

# %%
# The first answer is a prior, chosen by you: ``C``. The second is Firth's: the
# likelihood is multiplied by the root of the determinant of its information (Jeffreys'
# prior), which removes the first-order bias of the estimate, needs no choice, and is
# always finite.
firth = MLELogisticClassifier(bias_reduction="firth").fit(X, y)
print(
    f"Firth: coefficients {firth.coef_[0].round(3)}, intercept "
    f"{firth.intercept_[0]:.3f}"
)

# %%
strengths = np.logspace(-1, 7, 33)
path = np.array([MLELogisticClassifier(C=C).fit(X, y).coef_[0] for C in strengths])

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
for k, name in enumerate(("sepal length", "sepal width")):
    left.plot(strengths, path[:, k], color=f"C{k}", linewidth=2, label=f"{name}, by C")
    left.axhline(
        firth.coef_[0, k],
        color=f"C{k}",
        linestyle="--",
        linewidth=1.5,
        label=f"{name}, Firth",
    )
left.set(
    xscale="log",
    xlabel="C (to the right: weaker prior)",
    ylabel="coefficient",
    title="No end to the right",
)
left.legend(frameon=False, loc="upper left")

length, width = np.meshgrid(np.linspace(4, 7.2, 200), np.linspace(1.8, 4.6, 200))
probability = firth.predict_proba(np.column_stack([length.ravel(), width.ravel()]))[
    :, 1
].reshape(length.shape)
contours = right.contour(
    length,
    width,
    probability,
    levels=[0.05, 0.25, 0.5, 0.75, 0.95],
    colors="0.4",
    linewidths=1,
)
right.clabel(contours, fmt="%.2f", fontsize=8)
for kind, marker, color in ((0, "o", "C0"), (1, "s", "C1")):
    right.scatter(
        *X[y == kind].T, s=18, marker=marker, color=color, label=iris.target_names[kind]
    )
right.set(
    xlabel="sepal length (cm)",
    ylabel="sepal width (cm)",
    title="Firth's probability of versicolor",
)
right.legend(frameon=False, loc="upper left")
plt.show()
