"""Rows that a fit with a kink goes through exactly: their gradient is one for all orders, units and origins."""

import numpy as np
import pytest

from sklearn_mle import MLERegressor
from sklearn_mle.inference import infer, score_test
from tests.modelled import dispersion_as

rng = np.random.default_rng(0)
X = np.round(64 * rng.standard_normal((40, 2))) / 64
Y = X @ [1.0, -0.5] + rng.laplace(size=40)
EXTRA = rng.standard_normal(40)


def meat_by_hand(model, level):
    """Sum of squares of the gradients of the location, those of the rows at the kink being zero."""
    residual = Y - X @ model.coef_ - model.intercept_
    slope = np.where(residual > 0, level, level - 1) / model.scale_
    slope[np.abs(residual) < 1e-12] = 0
    assert np.count_nonzero(slope == 0) == 3
    return (np.column_stack([np.ones(40), X]) * slope[:, None]).T @ (np.column_stack([np.ones(40), X]) * slope[:, None])


def test_opg_is_that_of_the_rows_beside_the_kink():
    model = MLERegressor("asymmetric_laplace", predictors={"scale": 1.0}).fit(X, Y)
    found = infer(model, X, Y, covariance="opg").covariance
    np.testing.assert_allclose(found, np.linalg.inv(meat_by_hand(model, 0.5)), rtol=1e-10)


@pytest.mark.parametrize("likelihood", ["laplace", "asymmetric_laplace"])
@pytest.mark.parametrize("covariance", ["opg", "HC0", "HC1", "cluster"])
def test_origins_of_columns_move_no_slopes_standard_error(likelihood, covariance):
    groups = {"groups": np.arange(40) % 8} if covariance == "cluster" else {}
    slopes = []
    for shift in (0.0, 5.0, -1000.0):
        model = MLERegressor(likelihood).fit(X + shift, Y)
        slopes.append(infer(model, X + shift, Y, covariance=covariance, **groups).standard_errors[1:])
    np.testing.assert_allclose(slopes[1:], [slopes[0]] * 2, rtol=1e-9)


def test_score_test_knows_no_order_of_rows():
    order = rng.permutation(40)
    model = MLERegressor("laplace").fit(X, Y)
    other = MLERegressor("laplace").fit(X[order] + 3, Y[order])
    found = score_test(other, X[order] + 3, Y[order], EXTRA[order])
    assert found.statistic == pytest.approx(score_test(model, X, Y, EXTRA).statistic, rel=1e-9)


@pytest.mark.parametrize("scale", ["constant", 0.7, "log_linear"])
def test_the_null_model_without_an_intercept_is_y_itself(scale):
    model = MLERegressor("laplace", fit_intercept=False, predictors=dispersion_as("laplace", scale)).fit(X, Y)
    known = scale if scale == 0.7 else np.abs(Y).mean()
    expected = -40 * np.log(2 * known) - np.abs(Y).sum() / known
    assert infer(model, X, Y).header["null log-likelihood"] == pytest.approx(expected, rel=1e-12)
