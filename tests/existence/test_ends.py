"""A skewness with columns, of rows that all have an edge on one side: said, its standard errors nan."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle import MLERegressor
from sklearn_mle.exceptions import SeparationWarning


def data(noise, seed, n=60):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X[:, 0] + noise(rng, n) * np.exp(0.2 * X[:, 1])


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("seed", [0, 1])  # rows beyond the end, and all of them on the way there
def test_coefficients_that_diverge_are_named(seed, storage):
    X, y = data(lambda rng, n: rng.exponential(size=n), seed)
    with pytest.warns(SeparationWarning, match=r"^The skewness goes to an end of its range, -15 or 15,.*column 0"):
        model = MLERegressor("skew_t", predictors="linear").fit(sp.csr_array(X) if storage == "sparse" else X, y)
    errors = model.standard_errors()
    assert np.isnan(errors[8:]).all()
    assert np.isfinite(errors[:8]).all()
    assert "an end of its range" in str(model.summary())


def test_a_prior_makes_them_finite():
    X, y = data(lambda rng, n: rng.exponential(size=n), 0)
    model = MLERegressor("skew_t", predictors="linear", alpha={"skewness": 1.0}).fit(X, y)
    assert np.abs(model.skewness_coef_).max() < 15


def test_tails_on_both_sides_need_no_warning():
    for seed in range(4):
        X, y = data(lambda rng, n: rng.standard_t(3, size=n), seed)
        assert np.isfinite(MLERegressor("skew_t", predictors="linear").fit(X, y).standard_errors()).all()


def test_rows_at_an_end_may_leave_the_rest_determined():
    """Half of the rows have an edge, on the side that the last column says; the others place the coefficients."""
    X, y = data(lambda rng, n: rng.exponential(size=n), 10)
    y = X[:, 0] + np.where(X[:, 2] > 0, 1, -1) * (y - X[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLERegressor("skew_t", predictors="linear").fit(X, y)
    assert (np.abs(model.predict_parameters(X)["skewness"]) > 15).any()
    assert np.isfinite(model.standard_errors()).all()


def test_rows_of_weight_zero_determine_nothing():
    X, y = data(lambda rng, n: rng.exponential(size=n), 0)
    others = X[:, 0] + np.random.default_rng(1).standard_t(3, size=len(y))
    model = MLERegressor("skew_t", predictors="linear")
    with pytest.warns(SeparationWarning, match="The skewness goes to an end"):
        model.fit(
            np.repeat(X, 2, axis=0), np.stack([y, others], axis=1).ravel(), sample_weight=np.tile([1.0, 0.0], len(y))
        )
    assert np.isnan(model.standard_errors()[8:]).all()
