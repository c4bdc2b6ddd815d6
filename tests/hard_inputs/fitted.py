"""One fitted estimator of every kind, on a few rows: what is interrupted, dumped and loaded."""

import warnings

import numpy as np

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor

__all__ = ["ESTIMATORS", "X", "fitted", "target"]

rng = np.random.default_rng(0)
N = 200
X = rng.standard_normal((N, 3))
SIGNAL = X @ [0.8, -0.5, 0.3]
TARGETS = {
    "binary": (SIGNAL + rng.logistic(size=N) > 0).astype(int),
    "classes": np.digitize(SIGNAL + rng.logistic(size=N), [-1.0, 1.0]),
    "separated": (X[:, 0] > 0).astype(int),
    "real": SIGNAL + np.exp(0.3 * X[:, 1]) * rng.standard_normal(N),
    "count": rng.poisson(np.exp(0.3 * SIGNAL)).astype(float),
    "dispersed": rng.poisson(np.exp(0.3 * SIGNAL) * rng.gamma(1.0, 1.0, N)).astype(float),
    "amount": np.exp(SIGNAL) * rng.gamma(2.0, 0.5, N),
    "share": 1 / (1 + np.exp(-SIGNAL - rng.standard_normal(N))),
}
# The estimator, and what it is fitted to.
ESTIMATORS = {
    "classifier": (MLELogisticClassifier(), "binary"),
    "several classes": (MLELogisticClassifier(), "classes"),
    "penalized classifier": (MLELogisticClassifier(C=1.0), "binary"),
    "separated classifier": (MLELogisticClassifier(), "separated"),
    "firth": (MLELogisticClassifier(bias_reduction="firth"), "binary"),
    "least squares": (GaussianMLERegressor(), "real"),
    "log-linear scale": (GaussianMLERegressor(scale="log_linear"), "real"),
    "check loss, log-linear scale": (MLERegressor("laplace", predictors="linear"), "real"),
    **{
        name: (MLERegressor(name), "real")
        for name in ["laplace", "asymmetric_laplace", "student_t", "huber", "logistic", "gumbel"]
    },
    "poisson": (MLERegressor("poisson"), "count"),
    "negative_binomial": (MLERegressor("negative_binomial"), "dispersed"),
    **{
        name: (MLERegressor(name), "amount")
        for name in ["gamma", "inverse_gaussian", "lognormal", "weibull", "tweedie"]
    },
    "beta": (MLERegressor("beta"), "share"),
    "binomial": (MLERegressor("binomial"), "binary"),
}


def target(name):
    return TARGETS[ESTIMATORS[name][1]]


def fitted(name):
    from sklearn.base import clone

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(ESTIMATORS[name][0]).fit(X, target(name))
