"""y's unit: it moves an intercept where there is one, and is nobody's to put there where there is none."""

import numpy as np
import pytest

from sklearn_mle import MLERegressor
from tests.estimators.regressions import DATA, LIKELIHOODS
from tests.modelled import dispersion_as

X = np.column_stack(
    [[0.2, 0.5, 0.9, 1.1, 1.4, 1.7, 2.0, 2.3, 2.6, 3.1], [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0]]
)
Y = np.array([3.1, 5.2, 4.4, 9.3, 6.1, 12.8, 10.2, 25.1, 18.4, 40.7])
REAL = [name for name, likelihood in LIKELIHOODS.items() if likelihood.equivariance == "location_scale"]
OF_AMOUNTS = [name for name, likelihood in LIKELIHOODS.items() if likelihood.equivariance == "scale"]
# R: glm(k * Y ~ x1 + x2 - 1, family = Gamma(link = "log"), control = list(epsilon = 1e-14, maxit = 100)), and with
# inverse.gaussian(link = "log"); survreg(Surv(k * Y) ~ x1 + x2 - 1), whose scale is one over Weibull's shape. R's
# iterations stop by the deviance, so that coefficients have half of its digits.
WITHOUT_INTERCEPT = [
    ("gamma", 1, [1.263582066945, 0.342262850176]),
    ("gamma", 4, [1.98590643687, 1.04163428605]),
    ("inverse_gaussian", 1, [1.860244463566, 0.542012966631]),
    ("inverse_gaussian", 4, [5.94595782081, 1.30878203744]),
    ("weibull", 1, [1.29910536101, 0.37197328136]),
    ("weibull", 4, [1.892685092364, 0.992317459284]),
]


@pytest.mark.parametrize(("name", "multiple", "coefficients"), WITHOUT_INTERCEPT)
def test_amounts_without_an_intercept(name, multiple, coefficients):
    model = MLERegressor(name, fit_intercept=False).fit(X, multiple * Y)
    assert model.intercept_ == 0
    np.testing.assert_allclose(model.coef_, coefficients, rtol=3e-7)
    if name == "weibull":
        scale, log_likelihood = {1: (0.647568070555, -33.0656101653), 4: (1.34522105477, -54.223370864)}[multiple]
        assert 1 / model.shape_ == pytest.approx(scale, rel=1e-7)
        assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=1e-8)


@pytest.mark.parametrize("scale", ["constant", "log_linear"])
@pytest.mark.parametrize("multiple", [1e-8, 37.0, 1e12])
@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("name", OF_AMOUNTS)
def test_a_unit_without_an_intercept_is_an_offset(name, alpha, multiple, scale):
    """The logarithm of y's unit, given as an offset, takes it back; inside, it is taken for one."""
    features, y = DATA[name]
    likelihood = LIKELIHOODS[name]
    # The prior is relative to the noise, in y's own unit where that has one.
    own = multiple ** (likelihood.unit_powers[1] * likelihood.variance_power)
    plain = MLERegressor(likelihood, alpha=alpha, fit_intercept=False, predictors=dispersion_as(likelihood, scale)).fit(
        features, y
    )
    model = MLERegressor(
        likelihood, alpha=alpha * own, fit_intercept=False, predictors=dispersion_as(likelihood, scale)
    )
    moved = model.fit(features, multiple * y, offset=np.log(multiple))
    assert moved.intercept_ == 0
    np.testing.assert_allclose(moved.coef_, plain.coef_, atol=1e-7)
    jacobian = np.count_nonzero(y > 0) * np.log(multiple)
    assert moved.log_likelihood_ + jacobian == pytest.approx(plain.log_likelihood_, abs=1e-7)


@pytest.mark.parametrize("name", OF_AMOUNTS)
def test_a_warm_start_without_an_intercept_is_the_estimate_itself(name):
    features, y = DATA[name]
    model = MLERegressor(LIKELIHOODS[name], fit_intercept=False, warm_start=True).fit(features, 1000 * y)
    first = model.coef_
    model.fit(features, 1000 * y)
    assert model.n_iter_ <= 2
    np.testing.assert_allclose(model.coef_, first, rtol=1e-7)


@pytest.mark.parametrize("scale", ["constant", "log_linear"])
@pytest.mark.parametrize("multiple", [1e-9, pytest.param(37.0, marks=pytest.mark.slow), 1e12])
@pytest.mark.parametrize("name", REAL)
def test_a_unit_of_real_numbers_multiplies_coefficients(name, multiple, scale):
    features, y = DATA[name]
    for fit_intercept in (True, False):
        model = MLERegressor(
            LIKELIHOODS[name], fit_intercept=fit_intercept, predictors=dispersion_as(LIKELIHOODS[name], scale)
        )
        plain = model.fit(features, y)
        expected = multiple * np.append(plain.coef_, plain.intercept_)
        log_likelihood = plain.log_likelihood_ - len(y) * np.log(multiple)
        moved = model.fit(features, multiple * y)
        found = np.append(moved.coef_, moved.intercept_)
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
        assert moved.log_likelihood_ == pytest.approx(log_likelihood, abs=1e-7)
