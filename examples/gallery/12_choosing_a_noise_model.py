"""
Which noise model do the data choose?
=====================================

The likelihood is an argument, so it can be chosen like any other: by how well it
forecasts rows that it has not seen. All of these are densities of the same y, so their
scores are in one unit, nats per patient, and can be subtracted. ``compare`` does so row
by row, which gives the differences a standard error.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold

from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import StudentT
from sklearn_mle.metrics import pit_histogram
from sklearn_mle.model_selection import compare

X, y = load_diabetes(return_X_y=True)
likelihoods = {
    "gaussian": "gaussian",
    "student_t (df 5)": StudentT(df=5),
    "laplace": "laplace",
    "logistic": "logistic",
    "gumbel": "gumbel",
    "gamma": "gamma",
    "lognormal": "lognormal",
    "weibull": "weibull",
}
models = {name: MLERegressor(likelihood) for name, likelihood in likelihoods.items()}
comparison = compare(models, X, y, cv=KFold(10, shuffle=True, random_state=0))
print(comparison)

# %%
# Gamma, Weibull and lognormal let the effects multiply and the spread grow with the
# mean; the first two win. The normal model is next but one, nearly two standard errors
# behind the best. Models with heavy tails on both sides lose: disease progression has
# no outliers.
#
# A score says which is better; the probability integral transform says what is wrong.
# If a model is right, the probability it gave to "at most what happened" is uniform:
# the histogram is flat.
figure, axes = plt.subplot_mosaic(
    [["gains"] * 4, ["gamma", "gaussian", "lognormal", "laplace"]],
    figsize=(8.5, 6.4),
    layout="constrained",
    height_ratios=[1.3, 1],
)
ranked = sorted(models, key=lambda name: -comparison.difference(name, "gaussian").value)
gains = [comparison.difference(name, "gaussian") for name in ranked]
forest = axes.pop("gains")
forest.errorbar(
    [gain.value for gain in gains],
    range(len(gains)),
    xerr=[gain.standard_error for gain in gains],
    fmt="o",
)
forest.axvline(0, color="0.6", linewidth=1)
forest.set_yticks(range(len(gains)), ranked)
forest.invert_yaxis()
forest.set(
    xlabel="gain over the Gaussian, and its standard error (nats per patient)",
    title="On patients not fitted to",
)
for name, panel in axes.items():
    forecasts = models[name].fit(X, y).predict_distribution(X)
    panel.stairs(*pit_histogram(y, forecasts), fill=True, color="C0", alpha=0.6)
    panel.axhline(1, color="0.4", linewidth=1)
    panel.set(title=name, xlabel="probability integral\ntransform", ylim=(0, 1.9))
plt.show()
