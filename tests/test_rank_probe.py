"""Dependent columns of designs too large to factor: found by passes alone, named, or said not to be known."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor, _rank
from sklearn_mle.exceptions import RankDeficiencyWarning

N, P = 400, 30
X = np.random.default_rng(0).normal(size=(N, P)) * np.logspace(-3, 3, P) + 1.0
LEVELS = sp.csr_array(np.eye(25)[np.random.default_rng(1).integers(0, 25, N)])
ESTIMATORS = [
    GaussianMLERegressor(),
    MLERegressor("poisson"),
    MLERegressor("laplace"),
    MLELogisticClassifier(on_separation="ignore"),
]


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(_rank, "_LARGEST_ORDER", 20)


def target(estimator):
    generator = np.random.default_rng(2)
    return generator.integers(0, 2, N) if isinstance(estimator, MLELogisticClassifier) else generator.poisson(3.0, N)


def said(estimator, design):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(design, target(estimator)[: design.shape[0]])
    return [str(each.message) for each in caught if issubclass(each.category, RankDeficiencyWarning)]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_independent_columns_raise_no_doubt(estimator, form):
    assert said(estimator, form(X)) == []


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_dependent_columns_are_named(estimator):
    twice = np.column_stack([X, X[:, 3] * 1e4 - 7])
    (message,) = said(estimator, twice)
    assert "column 3, column 30 are among" in message or "column 30, column 3 are among" in message


def test_every_level_beside_an_intercept():
    (message,) = said(GaussianMLERegressor(), LEVELS)
    assert "and 20 more are among the columns" in message
    assert said(GaussianMLERegressor(fit_intercept=False), LEVELS) == []


def test_a_constant_column_is_no_news():
    assert said(GaussianMLERegressor(), np.column_stack([X, np.full(N, 3.0)])) == []


def test_fewer_rows_than_coefficients():
    (message,) = said(GaussianMLERegressor(), X[:28])
    assert "fewer rows (28) than there are coefficients (31)" in message


def test_what_is_not_settled_is_said(monkeypatch):
    monkeypatch.setattr(_rank, "_MOST_PASSES", 2)
    (message,) = said(MLERegressor("laplace"), X)  # small smooth fits begin with a curvature, which tells
    assert "did not settle" in message


def test_nearly_dependent_columns_count_as_dependent_below_a_part_in_a_hundred_thousand():
    noise = np.random.default_rng(5).normal(size=N)
    assert said(GaussianMLERegressor(), np.column_stack([X, X[:, 15] + 1e-3 * X[:, 15].std() * noise])) == []
    assert said(GaussianMLERegressor(), np.column_stack([X, X[:, 15] + 1e-7 * X[:, 15].std() * noise]))


def test_a_prior_makes_the_coefficients_unique():
    assert said(GaussianMLERegressor(alpha=1.0), np.column_stack([X, X[:, 3]])) == []
