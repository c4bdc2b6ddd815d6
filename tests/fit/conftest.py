"""One small data set for every kind of fit: families, links, second parameters constant, known and log-linear."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from sklearn_mle._fit import FitOptions, fit
from sklearn_mle.likelihoods import (
    Bernoulli,
    Beta,
    Categorical,
    Gamma,
    Gaussian,
    Huber,
    InverseGaussian,
    NegativeBinomial,
    Poisson,
    StudentT,
    Weibull,
)
from tests.fit.options import ridge, terms_of

N, P = 150, 4


@dataclass(frozen=True)
class Model:
    """A likelihood, data for it, the prior's precision, and how its scale is modelled."""

    name: str
    likelihood: Any
    X: Any
    y: Any
    alpha: float = 0.0
    scale: str | float = "constant"

    def fit(self, X=None, y=None, *, sample_weight=None, offset=None, start=None, observer=None, **options):
        terms = terms_of(options.pop("scale", self.scale), options.pop("fit_intercept", True))
        return fit(
            self.likelihood,
            self.X if X is None else X,
            self.y if y is None else y,
            sample_weight=sample_weight,
            offset=offset,
            start=start,
            observer=observer,
            options=FitOptions(**{"prior": ridge(options.pop("alpha", self.alpha)), "terms": terms, **options}),
        )

    def with_data(self, **data):
        return replace(self, **data)


def make_models(n=N, p=P, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.resize([1.0, 10, 0.1, 1], p) + np.resize([0.0, 5, 0, -2], p)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    slope = rng.normal(0, 1, p) / np.sqrt(p)
    eta = 0.4 + Z @ slope
    binary = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    scores = Z @ rng.normal(0, 1, (p, 3)) + rng.gumbel(size=(n, 3))
    noise = rng.standard_normal(n)
    models = [
        Model("bernoulli", Bernoulli(), X, binary),
        Model("bernoulli, soft", Bernoulli(), X, rng.beta(1 + np.exp(eta), 2.0)),
        Model("categorical", Categorical(3), X, scores.argmax(axis=1)),
        Model("categorical, soft", Categorical(3), X, rng.dirichlet([1.0, 2, 1], n)),
        Model("gaussian", Gaussian(), X, 3 + 2 * eta + noise),
        Model("gaussian, known scale", Gaussian(), X, 3 + 2 * eta + noise, scale=0.8),
        Model("gaussian, log linear", Gaussian(), X, eta + np.exp(-0.3 + 0.5 * Z[:, 0]) * noise, scale="log_linear"),
    ]
    mean, size, heavy = np.exp(0.5 * eta), np.exp(0.3 * Z[:, 0]), rng.standard_t(4, n)
    rate = 1 / (1 + np.exp(-eta))
    models += [
        Model("huber", Huber(), X, eta + heavy),
        Model("student_t, df estimated", StudentT(df=None), X, eta + heavy),
        Model("student_t, log linear", StudentT(df=4), X, eta + size * heavy, scale="log_linear"),
        Model("poisson", Poisson(), X, rng.poisson(mean).astype(float)),
        Model("negative_binomial", NegativeBinomial(), X, rng.poisson(mean * rng.gamma(2, 0.5, n)).astype(float)),
        Model("gamma, log linear", Gamma(), X, mean * rng.gamma(2 * size, 0.5 / size), scale="log_linear"),
        Model("inverse_gaussian", InverseGaussian(), X, rng.wald(mean, 2.0)),
        Model("weibull, known shape", Weibull(), X, mean * rng.weibull(1.5, n), scale=1.5),
        Model("beta", Beta(), X, rng.beta(5 * rate, 5 * (1 - rate))),
    ]
    return {model.name: model for model in models}


MODELS = make_models()


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


@pytest.fixture(params=[0.0, 2.0], ids=["mle", "map"])
def penalized(request, model):
    """Every model, with and without a prior."""
    return model.with_data(alpha=request.param)


@pytest.fixture
def large_models():
    """Enough rows for several blocks of every kind."""
    return make_models(n=60_000, p=20, seed=1)
