"""Counts, amounts and proportions whose location has no maximum: said, named, placed uniquely."""

import warnings

import numpy as np
import pytest

from sklearn_mle import MLERegressor
from sklearn_mle.exceptions import SeparationError, SeparationWarning
from sklearn_mle.likelihoods import Tweedie


def data(likelihood, n=150):
    generator = np.random.default_rng(0)
    X = np.column_stack([generator.normal(size=n), np.arange(n) < 12])
    y = generator.poisson(np.exp(0.8 + 0.3 * X[:, 0]) * generator.gamma(2.0, 0.5, n)).astype(float)
    if likelihood == "binomial":
        y = np.clip(y / 4, 0, 1)
    if isinstance(likelihood, Tweedie):
        y = y * generator.gamma(3.0, 0.5, n)
    y[:12] = 0
    return X, y


LIKELIHOODS = ["poisson", "negative_binomial", Tweedie(power=1.4), "binomial"]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_the_column_is_named_and_the_rest_is_the_limiting_model(likelihood):
    X, y = data(likelihood)
    with pytest.warns(SeparationWarning, match="column 1 to -inf.*Penalize with alpha"):
        model = MLERegressor(likelihood).fit(X, y)
    rest = MLERegressor(likelihood).fit(X[12:, :1], y[12:])
    np.testing.assert_allclose([model.coef_[0], model.intercept_], [rest.coef_[0], rest.intercept_], atol=2e-4)
    if likelihood in ("poisson", "binomial"):  # with a dispersion beside, no curvature is kept
        found, expected = model.standard_errors(), rest.standard_errors()
        assert np.isnan(found[2])
        np.testing.assert_allclose(np.delete(found, 2), expected, rtol=1e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_weights_are_repeats_under_the_tiny_prior(likelihood):
    X, y = data(likelihood)
    weight = np.random.default_rng(1).integers(1, 3, len(y))
    ignoring = MLERegressor(likelihood, on_separation="ignore")
    weighted = ignoring.fit(X, y, sample_weight=weight).coef_
    repeated = ignoring.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight)).coef_
    np.testing.assert_allclose(weighted, repeated, rtol=1e-6)


def test_on_separation():
    X, y = data("poisson")
    with pytest.raises(SeparationError, match="column 1"):
        MLERegressor("poisson", on_separation="raise").fit(X, y)
    MLERegressor("poisson", on_separation="ignore").fit(X, y)
    MLERegressor("poisson", on_separation="raise").fit(X[12:, :1], y[12:])


def test_nothing_but_zeros():
    X, _ = data("poisson")
    with pytest.raises(ValueError, match="zero in every row"):
        MLERegressor("poisson").fit(X, np.zeros(len(X)))


def test_with_a_prior_nothing_is_said():
    X, y = data("poisson")
    MLERegressor("poisson", alpha=1.0).fit(X, y)


def test_zeros_that_are_spread_out_raise_no_alarm():
    X, y = data("poisson")
    y[:3] = 1
    MLERegressor("poisson").fit(X, y)


def test_dependent_columns_beside_it():
    X, y = data("poisson")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = MLERegressor("poisson").fit(np.column_stack([X, X[:, 1]]), y)
    assert [warning.category for warning in caught] == [SeparationWarning]
    assert model.coef_[1] == pytest.approx(model.coef_[2])
