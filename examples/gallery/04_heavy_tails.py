r"""
What does one outlier do to the line?
=====================================

Murders per 100,000 inhabitants in the fifty American states and the District of
Columbia, against the share of single-parent households. The District is far from
everything. The normal model charges the *square* of a residual, so one row can turn the
line; Huber's density charges its size, and Student's t only its logarithm:

.. math::

    -\log p_t(y) = \text{const} + \log s + \frac{\nu + 1}{2}
    \log\left(1 + \frac{(y - \mu)^2}{\nu s^2}\right).

All three are models of the same data, in the same unit, so their likelihoods can be
compared as well.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm
from sklearn.base import clone

from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import Huber

states = sm.datasets.statecrime.load_pandas().data
X, y = states[["single"]].to_numpy(), states["murder"].to_numpy()
names = states.index.to_numpy()

models = {
    "Gaussian": MLERegressor("gaussian"),
    "Huber": MLERegressor(Huber()),
    "Student-t, df estimated": MLERegressor("student_t", predictors={"df": "constant"}),
}
elsewhere = names != "District of Columbia"
for name, model in models.items():
    model.fit(X, y)
    without = clone(model).fit(X[elsewhere], y[elsewhere])
    print(
        f"{name:24} slope {model.coef_[0]:.3f}, without the District "
        f"{without.coef_[0]:.3f}; "
        f"log-likelihood {model.log_likelihood_:8.2f} nats"
    )
print(
    f"the estimated degrees of freedom: {models['Student-t, df estimated'].df_:.2f} "
    "(infinity is the Gaussian)"
)

# %%
# The three likelihoods are within half a nat: these 51 rows do not say which noise they
# have. But the slope of the Gaussian moves by almost a third with a single row, and
# that of Student's t by a tenth.
#
# What the District costs each model, in nats beyond the median state:
for name, model in models.items():
    density = model.predict_distribution(X).logpdf(y)
    print(f"{name:24} {np.median(density) - density[~elsewhere][0]:.1f}")

# %%
grid = np.linspace(X.min() - 1, X.max() + 1, 100)[:, None]
figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
axes.scatter(X, y, s=18, color="0.4")
for (name, model), style in zip(models.items(), ("--", "-.", "-"), strict=True):
    axes.plot(grid, model.predict_quantile(grid, 0.5), style, linewidth=2, label=name)
axes.annotate(
    "District of Columbia",
    (X[~elsewhere][0, 0], y[~elsewhere][0]),
    (-8, -3),
    textcoords="offset points",
    ha="right",
)
axes.set(
    xlabel="single-parent households (%)",
    ylabel="murders per 100,000",
    title="One row of 51 turns the Gaussian's line",
)
axes.legend(frameon=False, loc="upper left")
plt.show()
