"""Data for every likelihood of regression: shared by the tests of estimators."""

import numpy as np

from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import StudentT, get_likelihood, likelihood_names

N = 200
TRUTH = np.array([0.5, -0.3, 0.4])


def simulate(likelihood, seed=0, n=N, *, linear=False):
    """X and y of a location with coefficients TRUTH (intercept last) and a second parameter exp(-0.3 + 0.3 x)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    eta = np.zeros((likelihood.n_predictors, n))
    eta[0] = X @ TRUTH[:2] + TRUTH[2]
    # Rates of a low precision round to zero or one.
    eta[1:2] = -0.3 + 2 * (likelihood.dispersion_parameter == "precision") + 0.3 * linear * X[:, 0]
    eta[2:] = 1 / 3
    return X, np.asarray(likelihood.distribution(eta).rvs(random_state=rng), dtype=float)


LIKELIHOODS = {name: get_likelihood(name) for name in likelihood_names()} | {"student_t, df": StudentT(df=None)}
DATA = {name: simulate(likelihood) for name, likelihood in LIKELIHOODS.items()}


class Squashing(MLERegressor):
    """For scikit-learn's checks of likelihoods of rates: the model sees whatever real y comes squashed into (0, 1)."""

    def fit(self, X, y, sample_weight=None, offset=None):
        return super().fit(X, squashed(y), sample_weight=sample_weight, offset=offset)

    def score(self, X, y, sample_weight=None, offset=None):
        return super().score(X, squashed(y), sample_weight, offset)


def squashed(y):
    if y is None or np.asarray(y).dtype.kind == "c":
        return y
    try:
        values = np.asarray(y).astype(float)
    except (TypeError, ValueError):
        return y
    if not np.isfinite(values).all():
        return y
    return 0.5 + 0.49 * values / (1 + np.abs(values))
