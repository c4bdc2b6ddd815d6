r"""
Which model does the squared error assume?
==========================================

Normal errors of one standard deviation. Their negative log-likelihood is

.. math::

    \frac n2 \log 2\pi\sigma^2 + \frac{1}{2\sigma^2} \sum_i (y_i - x_i^\top\beta)^2 ,

so, whatever sigma is, the coefficients that maximize the likelihood minimize the
squared error. Likelihood adds what the squared error cannot tell: sigma, and with it
intervals and a score that is comparable with other noise models.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from sklearn_mle import GaussianMLERegressor

X, y = load_diabetes(return_X_y=True, scaled=False)
likelihood = GaussianMLERegressor().fit(X, y)
squares = LinearRegression().fit(X, y)
print(
    "largest difference of the coefficients:",
    f"{np.abs(likelihood.coef_ - squares.coef_).max():.0e}",
)
assert np.allclose(likelihood.coef_, squares.coef_, rtol=1e-8)

# %%
# Sigma's estimate is the root mean squared error, and the largest log-likelihood
# follows from it: the MSE in other units.
n, mse = len(y), np.mean((y - squares.predict(X)) ** 2)
print(f"scale_ {likelihood.scale_:.6f}, root of the MSE {np.sqrt(mse):.6f}")
print(
    f"log_likelihood_ {likelihood.log_likelihood_:.6f}, from the MSE "
    f"{-n / 2 * (np.log(2 * np.pi * mse) + 1):.6f}"
)
assert np.isclose(likelihood.scale_, np.sqrt(mse), rtol=1e-12)
assert np.isclose(
    likelihood.log_likelihood_, -n / 2 * (np.log(2 * np.pi * mse) + 1), rtol=1e-12
)

# %%
# Left: along one coefficient, the negative log-likelihoods of three sigmas are three
# parabolas with one minimum. Right: the residuals, and the density that the fit gives
# them.
bmi = load_diabetes().feature_names.index("bmi")
steps = np.linspace(-4, 4, 81)
residual = y - squares.predict(X)

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
for sigma, style in ((40, ":"), (likelihood.scale_, "-"), (70, "--")):
    nll = [
        -norm.logpdf(
            residual - step * (X[:, bmi] - X[:, bmi].mean()), scale=sigma
        ).sum()
        for step in steps
    ]
    left.plot(
        squares.coef_[bmi] + steps,
        nll,
        style,
        linewidth=2,
        label=f"sigma = {sigma:.1f}",
    )
left.axvline(squares.coef_[bmi], color="0.5", linewidth=1, label="least squares")
left.set(
    xlabel="coefficient of the body mass index", ylabel="negative log-likelihood (nats)"
)
left.margins(y=0.35)
left.legend(frameon=False, loc="upper left")

grid = np.linspace(-180, 180, 200)
right.hist(residual, bins=30, density=True, color="0.8")
right.plot(
    grid,
    norm.pdf(grid, scale=likelihood.scale_),
    linewidth=2,
    label=f"N(0, {likelihood.scale_:.1f}²)",
)
right.set(xlabel="residual", ylabel="density")
right.legend(frameon=False)
plt.show()
