"""The same data given to scikit-learn and statsmodels: coefficients within 1e-6 at their tightest tolerance."""

import numpy as np
import pytest
import scipy.sparse as sp
import statsmodels.api as sm
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier

rng = np.random.default_rng(0)


def binary():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[:, :10], y


def several():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X)[:, :6], y


def noisy(n_classes):
    """Overlapping classes, so that the peer's unpenalized optimum exists and is near."""
    X = rng.standard_normal((400, 5))
    eta = X @ rng.standard_normal((5, n_classes)) + rng.standard_normal(n_classes)
    return X, (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)


DATA = {"binary": binary(), "several": several(), "noisy binary": noisy(2), "noisy, four classes": noisy(4)}


def peer(**params):
    # The one that ends at rounding: lbfgs stops at 1e-8 at best.
    return LogisticRegression(solver="newton-cholesky", tol=1e-14, max_iter=1000, **params)


def assert_same(model, other, rtol=1e-6):
    scale = np.abs(other.coef_).max()
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=rtol, atol=rtol * 1e-2 * scale)
    np.testing.assert_allclose(model.intercept_, other.intercept_, rtol=rtol, atol=rtol * 1e-2 * scale)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(
    "params",
    [
        {"C": 1.0},
        {"C": 0.1},
        {"C": 100.0},
        {"C": 1.0, "fit_intercept": False},
        {"C": 1.0, "class_weight": "balanced"},
        {"C": 0.5, "class_weight": {0: 3.0, 1: 0.5}},
    ],
    ids=str,
)
def test_logistic_regression(name, params):
    X, y = DATA[name]
    model, other = MLELogisticClassifier(**params).fit(X, y), peer(**params).fit(X, y)
    assert_same(model, other)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-8)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))


@pytest.mark.parametrize("name", ["noisy binary", "noisy, four classes"])
def test_logistic_regression_without_a_prior(name):
    X, y = DATA[name]
    model, other = MLELogisticClassifier().fit(X, y), peer(C=np.inf).fit(X, y)
    np.testing.assert_allclose(
        model.coef_ - model.coef_.mean(axis=0) if len(model.coef_) > 1 else model.coef_,
        other.coef_ - other.coef_.mean(axis=0) if len(other.coef_) > 1 else other.coef_,
        rtol=1e-6,
    )
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-8)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_logistic_regression_with_sample_weights(name, class_weight):
    X, y = DATA[name]
    weight = rng.exponential(size=len(y))
    model = MLELogisticClassifier(C=0.7, class_weight=class_weight).fit(X, y, sample_weight=weight)
    if class_weight == "balanced":
        # Below scikit-learn 1.7 the peer counts rows instead of weights, so it is told the numbers.
        class_weight = dict(enumerate(weight.sum() / len(set(y)) / np.bincount(y, weight)))
    other = peer(C=0.7, class_weight=class_weight).fit(X, y, sample_weight=weight)
    assert_same(model, other)


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_matrix, sp.coo_array])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_regression_on_sparse_data(container, n_classes):
    X = np.where(rng.random((500, 8)) < 0.3, rng.standard_normal((500, 8)), 0.0)
    y = (X @ rng.standard_normal((8, n_classes)) + rng.gumbel(size=(500, n_classes))).argmax(axis=1)
    model = MLELogisticClassifier(C=1.0).fit(container(X), y)
    # The peer is given the dense data: its sparse path is a different, looser one.
    assert_same(model, peer(C=1.0).fit(X, y))


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_every_exact_solver_is_the_peer_s_equal(solver):
    X, y = DATA["several"]
    assert_same(MLELogisticClassifier(C=1.0, solver=solver).fit(X, y), peer(C=1.0).fit(X, y))


DIABETES = load_diabetes(return_X_y=True, scaled=False)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_linear_regression(fit_intercept, weighted):
    X, y = DIABETES
    weight = rng.exponential(size=len(y)) if weighted else None
    model = GaussianMLERegressor(fit_intercept=fit_intercept).fit(X, y, sample_weight=weight)
    other = LinearRegression(fit_intercept=fit_intercept).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-9)
    assert model.intercept_ == pytest.approx(other.intercept_, rel=1e-9)
    residual = y - other.predict(X)
    assert model.scale_ == pytest.approx(np.sqrt(np.average(residual**2, weights=weight)), rel=1e-12)


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("scale", ["constant", 40.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_ridge(alpha, scale, fit_intercept, weighted):
    X, y = DIABETES
    weight = rng.exponential(size=len(y)) if weighted else None
    model = GaussianMLERegressor(alpha=alpha, scale=scale, fit_intercept=fit_intercept)
    model.fit(X, y, sample_weight=weight)
    other = Ridge(alpha, fit_intercept=fit_intercept, solver="cholesky").fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-7)
    assert model.intercept_ == pytest.approx(other.intercept_, rel=1e-7)


def test_ridge_on_sparse_data_and_more_columns_than_rows():
    X, y = rng.standard_normal((20, 50)), rng.standard_normal(20)
    other = Ridge(2.0, solver="svd").fit(X, y)
    for given in (X, sp.csr_array(X)):
        model = GaussianMLERegressor(alpha=2.0).fit(given, y)
        np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["noisy binary", "noisy, four classes"])
def test_statsmodels_logit(name):
    X, y = DATA[name]
    design = sm.add_constant(X)
    likelihood = sm.Logit(y, design) if y.max() == 1 else sm.MNLogit(y, design)
    other = likelihood.fit(method="newton", tol=1e-14, maxiter=100, disp=False)
    model = MLELogisticClassifier().fit(X, y)
    matrix = np.column_stack([model.intercept_, model.coef_])
    ours = matrix[0] if len(matrix) == 1 else (matrix[1:] - matrix[0]).T
    np.testing.assert_allclose(ours, other.params, rtol=1e-6)
    assert model.log_likelihood_ == pytest.approx(other.llf, rel=1e-12)


def test_statsmodels_logit_with_an_offset():
    X, y = DATA["noisy binary"]
    offset = rng.normal(0, 1, len(y))
    other = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial(), offset=offset).fit(tol=1e-14, maxiter=100)
    model = MLELogisticClassifier().fit(X, y, offset=offset)
    np.testing.assert_allclose(np.append(model.intercept_, model.coef_), other.params, rtol=1e-6)
    assert model.log_likelihood_ == pytest.approx(other.llf, rel=1e-12)


def test_statsmodels_ols():
    X, y = DIABETES
    other = sm.OLS(y, sm.add_constant(X)).fit(method="qr")
    model = GaussianMLERegressor().fit(X, y)
    np.testing.assert_allclose(np.append(model.intercept_, model.coef_), other.params, rtol=1e-9)
    assert model.log_likelihood_ == pytest.approx(other.llf, rel=1e-13)
    assert model.scale_ == pytest.approx(np.sqrt(other.ssr / len(y)), rel=1e-12)


def test_statsmodels_wls():
    X, y = DIABETES
    weight = rng.exponential(size=len(y))
    other = sm.WLS(y, sm.add_constant(X), weights=weight).fit(method="qr")
    model = GaussianMLERegressor().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(np.append(model.intercept_, model.coef_), other.params, rtol=1e-9)
