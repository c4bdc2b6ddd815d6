r"""
Are the counts more variable than chance allows?
================================================

Cases of breast cancer in 301 American counties. Larger counties have more cases, so
what is modelled is the *rate*: the population is an exposure, and its logarithm an
``offset`` of the log mean,

.. math::

    y_i \sim \mathrm{Poisson}(\mu_i), \qquad
    \log \mu_i = b + x_i \beta + \log(\text{population}_i).

If the rate is the same everywhere, Poisson's distribution says how much counts may
differ by chance. The negative binomial distribution lets them differ more; where its
extra parameter is zero, it is Poisson's.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm

from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import NegativeBinomial, Poisson

counties = sm.datasets.cancer.load_pandas().data
cases, population = counties["cancer"].to_numpy(), counties["population"].to_numpy()
offset = np.log(population)
X = (offset - offset.mean())[:, None]  # does the rate depend on the county's size?

poisson = MLERegressor(Poisson()).fit(X, cases, offset=offset)
negative_binomial = MLERegressor(NegativeBinomial()).fit(X, cases, offset=offset)
for name, model in (("Poisson", poisson), ("negative binomial", negative_binomial)):
    print(
        f"{name}: rate {1000 * np.exp(model.intercept_):.2f} per 1,000 in a mean "
        f"county,\n    exponent of size {1 + model.coef_[0]:.3f}, log-likelihood "
        f"{model.log_likelihood_:.2f} nats"
    )
gain = negative_binomial.log_likelihood_ - poisson.log_likelihood_
print(
    f"one parameter more gains {gain:.1f} nats; its estimate "
    f"{negative_binomial.dispersion_:.4f} (0 is Poisson)"
)

# %%
# A model fitted with an exposure forecasts only with one. For a county of 10,000:
ten_thousand = np.array([[np.log(10_000) - offset.mean()]])
low, high = negative_binomial.predict_interval(
    ten_thousand, coverage=0.9, offset=np.log([10_000])
)[0]
mean = negative_binomial.predict(ten_thousand, offset=np.log([10_000]))[0]
print(f"expected {mean:.1f}, 90% between {low:.0f} and {high:.0f}")

# %%
# Nine in ten counties should be within each model's 90% interval, and of small and of
# large counties alike.
for name, model in (("Poisson", poisson), ("negative binomial", negative_binomial)):
    low, high = model.predict_interval(X, coverage=0.9, offset=offset).T
    inside = (low <= cases) & (cases <= high)
    large = population > np.median(population)
    print(
        f"{name:18} inside: small counties {inside[~large].mean():.0%}, large counties "
        f"{inside[large].mean():.0%}"
    )

# %%
order = np.argsort(population)
figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
axes.scatter(
    population, 1000 * cases / population, s=12, color="0.4", label="301 counties"
)
for name, model, color in (
    ("Poisson", poisson, "C1"),
    ("negative binomial", negative_binomial, "C0"),
):
    low, high = (
        model.predict_interval(X, coverage=0.9, offset=offset).T * 1000 / population
    )
    axes.plot(
        population[order],
        low[order],
        color=color,
        linewidth=1.2,
        label=f"{name}, 90% of counties",
    )
    axes.plot(population[order], high[order], color=color, linewidth=1.2)
axes.set(
    xscale="log",
    xlabel="population",
    ylabel="cases per 1,000",
    ylim=(0, 9),
    title=f"Rates differ more than chance allows: {gain:.0f} nats for one parameter",
)
axes.legend(frameon=False)
plt.show()
