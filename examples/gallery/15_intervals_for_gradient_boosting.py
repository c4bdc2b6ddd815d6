r"""
Intervals for gradient boosting in one line
===========================================

Gradient boosting predicts a number, not how far off it may be. Its residuals on the
rows that it was fitted to do not tell: it has learnt part of their noise.
:class:`~sklearn_mle.DistributionalRegressor` predicts every row by a model that has not
seen it, and fits a likelihood to these errors:

.. math:: y \sim p(\,\cdot \mid \hat f(x), s(x)), \qquad
    \log s(x) = a + b \log \hat s(x).

The point prediction :math:`\hat f` is the booster's, untouched.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats
from sklearn.ensemble import HistGradientBoostingRegressor

from sklearn_mle import DistributionalRegressor
from sklearn_mle.displays import PITDisplay
from sklearn_mle.metrics import coverage

rng = np.random.default_rng(0)


def draw(n):
    """Return ten columns, of which the first moves y and its noise, and y."""
    X = rng.uniform(0, 10, size=(n, 10))
    noise = 0.1 * np.exp(X[:, 0] / 5) * rng.standard_t(5, size=n)
    return X, np.sin(X[:, 0]) + X[:, 0] / 4 + noise


X, y = draw(600)
X_new, y_new = draw(3000)

# %%
# This is the line.
booster = HistGradientBoostingRegressor(random_state=0)
model = DistributionalRegressor(booster).fit(X, y)

# %%
# It predicts what the booster predicts, and its 90% intervals hold 90% of new outcomes.
# The booster's residuals on its own rows hold fewer.
booster.fit(X, y)
assert np.array_equal(model.predict(X_new), booster.predict(X_new))
own = stats.norm(booster.predict(X_new), np.std(y - booster.predict(X)))
for name, interval in [
    ("residuals of its own rows", np.column_stack(own.interval(0.9))),
    ("residuals of new rows", model.predict_interval(X_new, coverage=0.9)),
]:
    print(f"{name}: 90% intervals hold {100 * coverage(y_new, interval):.1f}%")
per_row = model.log_likelihood(X_new, y_new) / len(y_new)
print(f"log-likelihood per new row: {own.logpdf(y_new).mean():.3f} and {per_row:.3f}")

# %%
# What was learnt of the noise: degrees of freedom, and how the scale follows the
# modelled one.
print(model.summary())

# %%
# The width of the intervals follows the noise, which grows with the first column.
shown = X_new[np.argsort(X_new[:, 0])][::4]
bounds = model.predict_interval(shown, coverage=0.9)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.vlines(shown[:, 0], *bounds.T, color="C0", alpha=0.15, label="90% intervals")
left.scatter(X_new[::4, 0], y_new[::4], s=6, color="0.4", label="new outcomes")
left.set(xlabel="first column of X", ylabel="y", title="As wide as the noise")
left.legend(frameon=False, loc="upper left")
PITDisplay.from_estimator(model, X_new, y_new, ax=right)
plt.show()
