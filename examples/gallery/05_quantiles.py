r"""
What do the poor and the rich quarter spend?
============================================

A mean is one number. Quantiles say how the whole distribution moves with a feature. The
check loss of quantile regression,

.. math:: \rho_\tau(r) = r\,(\tau - [r < 0]),

is the negative log-likelihood of the asymmetric Laplace density, so quantile regression
is maximum likelihood, too. The fit is exact: a linear program's optimum, with a
certificate.
"""

# %%
# Engel's 235 households again: income, and what is spent on food.
import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm
from sklearn.linear_model import QuantileRegressor

from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import AsymmetricLaplace

engel = sm.datasets.engel.load_pandas().data
X, y = engel[["income"]].to_numpy(), engel["foodexp"].to_numpy()

levels = (0.05, 0.25, 0.5, 0.75, 0.95)
fits = {
    level: MLERegressor(AsymmetricLaplace(quantile=level)).fit(X, y) for level in levels
}
for level, fit in fits.items():
    below = np.mean(y <= fit.intercept_ + X @ fit.coef_)
    print(
        f"quantile {level:.2f}: slope {fit.coef_[0]:.4f}; {below:.1%} of the "
        "households at or below the line"
    )


# %%
# scikit-learn's ``QuantileRegressor`` solves the same linear program. The two agree in
# what they minimize.
def check_loss(residual, level):
    """Total check loss."""
    return np.sum(residual * (level - (residual < 0)))


for level, fit in fits.items():
    peer = QuantileRegressor(quantile=level, alpha=0).fit(X, y)
    ours = check_loss(y - fit.intercept_ - X @ fit.coef_, level)
    theirs = check_loss(y - peer.predict(X), level)
    print(
        f"quantile {level:.2f}: check loss {ours:.6f}, QuantileRegressor {theirs:.6f}"
    )
    assert ours <= theirs * (1 + 1e-8)

# %%
# The slopes grow with the level: who earns more also differs more. No constant-scale
# model can say this.
grid = np.linspace(350, 3000, 50)
figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
axes.scatter(X, y, s=12, color="0.5", label="235 households")
colors = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(levels)))
for (level, fit), color in zip(fits.items(), colors, strict=True):
    line = fit.intercept_ + grid * fit.coef_[0]
    axes.plot(grid, line, color=color, linewidth=2)
    axes.annotate(
        f"{level:.0%}",
        (grid[-1], line[-1]),
        (4, 0),
        textcoords="offset points",
        va="center",
        color=color,
    )
axes.set(
    xlim=(300, 3250),
    ylim=(0, 2400),
    xlabel="household income (Belgian francs per year)",
    ylabel="spent on food (francs per year)",
    title="Five quantiles, five slopes: the distribution fans out",
)
axes.legend(frameon=False, loc="upper left")
plt.show()
