r"""
Is the error of the same size everywhere?
=========================================

Engel's data of 1857: what 235 Belgian households earn, and what they spend on food, in
francs. Who earns more may spend more freely, so the spread grows with income.
``scale="log_linear"`` lets the logarithm of the standard deviation be linear in the
features,

.. math:: y_i \sim \mathcal N\big(b + x_i^\top\beta,\; \exp(c + x_i^\top\gamma)^2\big),

and estimates both lines together.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm

from sklearn_mle import GaussianMLERegressor

engel = sm.datasets.engel.load_pandas().data
X, y = np.log(engel[["income"]].to_numpy()), np.log(engel["foodexp"].to_numpy())
X_raw, y_raw = engel[["income"]].to_numpy(), engel["foodexp"].to_numpy()

# %%
# First in francs, as the data come. The log-linear scale has one parameter more than
# the constant one.
constant = GaussianMLERegressor().fit(X_raw, y_raw)
log_linear = GaussianMLERegressor(scale="log_linear").fit(X_raw, y_raw)
gain = log_linear.log_likelihood_ - constant.log_likelihood_
print(
    f"log-likelihood: constant {constant.log_likelihood_:.2f}, log-linear "
    f"{log_linear.log_likelihood_:.2f} nats"
)
print(f"one parameter more gains {gain:.2f} nats; chance would give about half a nat")

# %%
# What it means for a forecast: a 90% interval should hold 90% of the households of
# every income.
third = np.searchsorted(np.quantile(X_raw[:, 0], [1 / 3, 2 / 3]), X_raw[:, 0])
for name, model in (("constant", constant), ("log_linear", log_linear)):
    low, high = model.predict_interval(X_raw, coverage=0.9).T
    inside = (low <= y_raw) & (y_raw <= high)
    print(
        f"{name:10}  covered, by thirds of income:",
        *(f"{inside[third == k].mean():.0%}" for k in range(3)),
    )

# %%
# A change of variables is another way out. The logarithms of both have nearly constant
# spread; their log-likelihood must be brought to the same unit, francs of y instead of
# log-francs, before the comparison is fair: minus the sum of log y.
logarithms = GaussianMLERegressor().fit(X, y)
comparable = logarithms.log_likelihood_ - y.sum()
print(
    f"both logarithms, constant scale: {comparable:.2f} nats, in the unit of the others"
)

# %%
grid = np.linspace(X_raw.min(), 3000, 200)[:, None]
figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
axes.scatter(X_raw, y_raw, s=12, color="0.45", label="235 households")
axes.plot(
    grid,
    log_linear.predict(grid),
    color="C0",
    linewidth=2,
    label='mean, scale="log_linear"',
)
axes.fill_between(
    grid[:, 0],
    *log_linear.predict_interval(grid).T,
    color="C0",
    alpha=0.2,
    label="its 90% band",
)
lines = axes.plot(grid, constant.predict_interval(grid), color="C1", linestyle="--")
lines[0].set_label('90% band, scale="constant"')
axes.set(
    xlim=(300, 3000),
    ylim=(0, 2100),
    xlabel="household income (Belgian francs per year)",
    ylabel="spent on food (francs per year)",
    title=f"One more parameter, {gain:.0f} nats: the spread grows with income",
)
axes.legend(frameon=False, loc="upper left")
plt.show()
