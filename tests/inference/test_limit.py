"""scikit-learn's estimators where no finite maximum exists: nan for what diverges, the limiting model for the rest."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import ConvergenceWarning, SeparationWarning
from sklearn_mle.inference import infer

rng = np.random.default_rng(0)
N = 60
FEATURES = rng.standard_normal((N, 2))
# A dummy whose rows are all of one class, or all zero: its coefficient diverges, the other rows are the limiting model.
DUMMY = np.arange(N) < 10
X = np.column_stack([FEATURES, DUMMY])
NOISY = (FEATURES[:, 1] + rng.standard_normal(N) > 0).astype(int)
BINARY = np.where(DUMMY, 1, NOISY)
CLASSES = np.where(DUMMY, 2, rng.integers(0, 3, N))
COUNTS = rng.poisson(3, N) * ~DUMMY
SANDWICHES = ("hessian", "expected", "opg", "HC0", "HC1", "HC2", "HC3", "cluster")


def quietly(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def fitted(estimator, X, y):
    return quietly(lambda: estimator.fit(X, y))


def logistic(tol=1e-4):
    return LogisticRegression(C=np.inf, tol=tol, max_iter=5000)


@pytest.mark.parametrize("tol", [1e-4, 1e-8, 1e-12])
def test_complete_separation_has_no_standard_errors(tol):
    """It said "converged" with a standard error of 273, 7e5 at a tighter tol, or advised to lower the tol."""
    y = (FEATURES[:, 0] > 0).astype(int)
    with pytest.warns(
        SeparationWarning, match=r"complete separation.*LogisticRegression stopped where its tol"
    ) as caught:
        found = infer(fitted(logistic(tol), FEATURES, y), FEATURES, y)
    assert len(caught) == 1
    assert np.isnan(found.standard_errors).all()
    assert not found.header["converged"]


@pytest.mark.parametrize("tol", [1e-6, 1e-12])
@pytest.mark.parametrize("covariance", SANDWICHES)
@pytest.mark.parametrize("name", ["logistic", "poisson"])
def test_the_rest_is_that_of_the_rows_left_over(name, covariance, tol):
    theirs, ours, y = {
        "logistic": (logistic(tol), MLELogisticClassifier(), BINARY),
        "poisson": (PoissonRegressor(alpha=0, tol=tol, max_iter=5000), MLERegressor("poisson"), COUNTS),
    }[name]
    groups = {"groups": np.arange(N) // 5} if covariance == "cluster" else {}
    with pytest.warns(SeparationWarning, match="quasi-complete separation"):
        found = infer(fitted(theirs, X, y), X, y, covariance=covariance, **groups)
    assert np.isnan(found.standard_errors[3])
    # The limiting model, which our fit states: its tiny prior moves standard errors by a millionth or so;
    # scikit-learn's estimate of the rest is off by as much as its tol allows.
    own = infer(fitted(ours, X, y), X, y, covariance=covariance, **groups).standard_errors
    np.testing.assert_allclose(found.standard_errors[:3], own[:3], rtol=2e-3 if tol > 1e-8 else 2e-5)
    if covariance in ("hessian", "expected", "opg", "HC0"):
        left = infer(ours.fit(FEATURES[~DUMMY], y[~DUMMY]), FEATURES[~DUMMY], y[~DUMMY], covariance=covariance)
        np.testing.assert_allclose(found.standard_errors[:3], left.standard_errors, rtol=2e-3 if tol > 1e-8 else 2e-5)


@pytest.mark.parametrize("covariance", ["hessian", "opg", "HC0"])
def test_several_classes(covariance):
    with pytest.warns(SeparationWarning):
        found = infer(fitted(logistic(1e-10), X, CLASSES), X, CLASSES, covariance=covariance)
    own = infer(fitted(MLELogisticClassifier(), X, CLASSES), X, CLASSES, covariance=covariance)
    np.testing.assert_allclose(found.standard_errors, own.standard_errors, rtol=1e-4)
    assert np.isnan(found.standard_errors).sum() == 3


def test_the_rest_must_be_at_its_maximum():
    model = fitted(logistic(1e-10), X, BINARY)
    model.coef_[0, 0] += 0.1
    with pytest.warns(UserWarning) as caught:
        infer(model, X, BINARY)
    assert {warning.category for warning in caught} == {SeparationWarning, ConvergenceWarning}
    with pytest.warns(SeparationWarning), pytest.raises(ValueError, match="nats below the maximum"):
        infer(fitted(logistic(1e-10), X, BINARY), X, np.where(DUMMY, 1, 1 - NOISY))


def test_where_the_maximum_exists_nothing_is_said():
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(FEATURES, NOISY)
    found = infer(model, FEATURES, NOISY)
    assert found.header["converged"] and np.isfinite(found.standard_errors).all()
