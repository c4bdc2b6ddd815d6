r"""
When do boosted probabilities become overconfident?
===================================================

A boosted classifier keeps lowering its training loss. On new rows two things happen: it
tells the classes apart better (*discrimination*), and it becomes too sure of itself
(*miscalibration*). Cross-entropy is their balance, exactly:

.. math::

    \text{cross-entropy} = \text{uncertainty} - \text{discrimination}
    + \text{miscalibration}.

The decomposition reads any classifier's probabilities; here they are scikit-learn's.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold

from sklearn_mle.metrics import cross_entropy, cross_entropy_decomposition

X, y = load_breast_cancer(return_X_y=True)
n_trees = 300
held_out = np.zeros((n_trees, len(y)))
for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
    model = GradientBoostingClassifier(
        n_estimators=n_trees, max_depth=2, random_state=0
    ).fit(X[train], y[train])
    for stage, probability in enumerate(model.staged_predict_proba(X[test])):
        held_out[stage, test] = probability[:, 1]

# %%
# Take the forecasts apart as trees are added.
stages = np.unique(np.geomspace(5, n_trees, 25).astype(int))
parts = [cross_entropy_decomposition(y, held_out[stage - 1]) for stage in stages]
for stage, part in list(zip(stages, parts, strict=True))[::6]:
    print(
        f"{stage:4d} trees: {part.total:.4f} = {part.uncertainty:.4f} - "
        f"{part.discrimination:.4f} + "
        f"{part.miscalibration:.4f} nats"
    )
    assert np.isclose(
        part.total,
        part.uncertainty - part.discrimination + part.miscalibration,
        rtol=1e-12,
    )
    assert np.isclose(part.total, cross_entropy(y, held_out[stage - 1]), rtol=1e-12)

best = stages[np.argmin([part.total for part in parts])]
print(f"least cross-entropy with {best} trees; accuracy cannot tell:")
for stage in (best, n_trees):
    print(f"{stage:4d} trees: accuracy {np.mean((held_out[stage - 1] > 0.5) == y):.3f}")

# %%
figure, axes = plt.subplots(figsize=(7.5, 4.4), layout="constrained")
axes.plot(
    stages,
    [part.total for part in parts],
    "o-",
    color="C0",
    linewidth=2,
    label="cross-entropy",
)
axes.plot(
    stages,
    [part.miscalibration for part in parts],
    "s--",
    color="C1",
    label="miscalibration",
)
axes.plot(
    stages,
    [part.uncertainty - part.discrimination for part in parts],
    "^:",
    color="C2",
    label="what recalibration would leave",
)
axes.axvline(best, color="0.6", linewidth=1, label=f"least cross-entropy, {best} trees")
axes.set(
    xscale="log",
    xlabel="number of trees",
    ylabel="nats per tumour, on rows held out",
    ylim=(0, 0.5),
    title="Later trees add confidence, not knowledge",
)
axes.legend(frameon=False)
plt.show()
