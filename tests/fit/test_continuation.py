"""Known scales far from the residuals' own: the optimum is found, or what was not is said."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import Huber, StudentT, get_likelihood
from tests.modelled import dispersion_as

pytestmark = pytest.mark.slow

rng = np.random.default_rng(0)
N = 60
X = rng.standard_normal((N, 2))
LINE = X @ [0.5, -0.3] + rng.standard_normal(N)
DESIGN = np.column_stack([X, np.ones(N)])
POWERS = range(-6, 7)


def slopes_of_gumbel(z):
    return np.exp(-z) - 1


def slopes_of_huber(z):
    return -np.clip(z, -Huber().epsilon, Huber().epsilon)


def slopes_of_logistic(z):
    return -np.tanh(z / 2)


# Minus the slope of the loss in z = (y - location) / scale; the losses are convex in the location, so that a location
# where X' times these is zero is the optimum.
SLOPES = {"gumbel": slopes_of_gumbel, "huber": slopes_of_huber, "logistic": slopes_of_logistic}


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("name", SLOPES)
def test_the_score_equations_hold_at_any_known_scale(name, power):
    scale = 10.0**power
    model = MLERegressor(name, predictors=dispersion_as(name, scale)).fit(X, LINE)
    slopes = SLOPES[name]((LINE - model.predict_quantile(X, 0.5) if name != "gumbel" else LINE - at(model)) / scale)
    # Rounding of z is eps / scale, and so is that of a slope whose derivative is about one.
    rounding = 1e-14 * (1 + np.abs(LINE).max() / scale) * max(1.0, np.abs(slopes).max())
    assert np.abs(DESIGN.T @ slopes).max() < N * rounding + 1e-9
    assert model.gap_ < 1e-9


@pytest.mark.parametrize("power", POWERS)
def test_weibull_at_any_known_shape(power):
    shape = 10.0**power
    model = MLERegressor("weibull", predictors={"shape": shape}).fit(X, np.exp(LINE))
    # The score of a Weibull's log scale eta is k (1 - (y / exp(eta))^k).
    slopes = np.expm1(shape * (LINE - at(model)))
    rounding = 1e-14 * (1 + shape) * max(1.0, np.abs(slopes).max())
    assert np.abs(DESIGN.T @ slopes).max() < N * rounding + 1e-9
    assert model.gap_ < 1e-9


def at(model):
    """Return the location's linear predictor."""
    return X @ model.coef_ + model.intercept_


@pytest.mark.parametrize("power", [-6, -4, -3, -2, -1])
def test_student_t_finds_the_best_of_many_maxima(power):
    """Far below the residuals every three rows that a plane goes through have a maximum near it."""
    scale = 10.0**power
    model = MLERegressor("student_t", predictors=dispersion_as("student_t", scale)).fit(X, LINE)
    triples = np.array(list(itertools.combinations(range(N), 3)))
    planes = np.linalg.solve(DESIGN[triples], LINE[triples][..., None])[..., 0]
    locations = planes @ DESIGN.T
    likelihood = StudentT()
    eta = np.stack([locations.ravel(), np.full(locations.size, np.log(scale))])
    nll = likelihood.nll(np.tile(LINE, len(locations)), eta).reshape(locations.shape).sum(axis=1)
    assert -model.log_likelihood_ <= nll.min() + 1e-6


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize(
    "name", ["gamma", "inverse_gaussian", "tweedie", "beta", "negative_binomial", "gaussian", "laplace"]
)
def test_every_other_likelihood_converges_at_any_known_parameter(name, power):
    y = {
        "beta": expit(LINE),
        "negative_binomial": np.floor(np.exp(LINE + 1)),
        "gaussian": LINE,
        "laplace": LINE,
    }.get(name, np.exp(LINE))
    model = MLERegressor(name, predictors=dispersion_as(name, 10.0**power)).fit(X, y)
    assert np.isfinite(model.log_likelihood_)
    # Nothing near is better, by more than the rounding of so large a sum.
    eta = np.stack([at(model), np.full(N, power * np.log(10.0))])
    likelihood = get_likelihood(name)
    least = likelihood.nll(y, eta).sum()
    for direction in np.vstack([np.eye(3), rng.standard_normal((5, 3))]):
        for step in (1e-4, 1e-2, 1.0):
            moved = eta.copy()
            moved[0] += step * DESIGN @ direction
            with np.errstate(over="ignore"):
                assert likelihood.nll(y, moved).sum() > least - 1e-13 * abs(least) - 1e-9


@pytest.mark.parametrize(
    ("options", "power"), [({"alpha": 3.0}, -3), ({"alpha": 3.0}, 3), ({"fit_intercept": False}, -1)]
)
def test_with_a_prior_or_without_an_intercept(options, power):
    model = MLERegressor("gumbel", predictors={"scale": 10.0**power}, **options).fit(X, LINE)
    z = (LINE - at(model)) / 10.0**power
    score = X.T @ slopes_of_gumbel(z) / 10.0**power
    # alpha is relative to the noise.
    expected = -options.get("alpha", 0.0) * model.coef_ / 10.0 ** (2 * power)
    assert np.allclose(score, expected, rtol=1e-6, atol=1e-6 * np.abs(X.T) @ np.abs(np.exp(-z)) / 10.0**power)


def test_a_likelihood_beyond_float64_is_said():
    """Without an intercept no line lies below all of y, so that some row's exp(-z) overflows, whatever the fit."""
    with pytest.raises(ValueError, match="a parameter holds numbers so large .* leave the range of float64"):
        MLERegressor("gumbel", predictors={"scale": 1e-6}, fit_intercept=False).fit(X, LINE)
