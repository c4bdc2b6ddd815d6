"""Offsets far apart: the right estimate where float64 has one, else an error or a warning that names the rows."""

import numpy as np
import pytest
from scipy.special import expit

from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import ConvergenceWarning
from tests.estimators.regressions import DATA, LIKELIHOODS, N

X = DATA["gaussian"][0]
A = np.column_stack([X, np.ones(N)])
LABELS = (DATA["gaussian"][1] > 0.4).astype(int)
ROW = 3
NAMED = rf"rows {ROW} differ from the median offset.*np\.log\(exposure\)"


def one_row(size):
    offset = np.zeros(N)
    offset[ROW] = size
    return offset


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e8, -1e4, -1e8])
@pytest.mark.parametrize("params", [{}, {"C": 1.0}, {"solver": "lbfgs"}, {"solver": "newton-cg"}], ids=str)
def test_one_row_that_is_certain(params, size, label):
    """The row's probability is zero or one: what is left are the equations of the others, and a constant pull."""
    y = LABELS.copy()
    y[ROW] = label
    model = MLELogisticClassifier(**params).fit(X, y, offset=one_row(size))
    residual = expit(A @ np.append(model.coef_, model.intercept_) + one_row(size)) - y
    gradient = A.T @ residual + np.append(model.coef_, 0) / params.get("C", np.inf)
    # Coefficients with an error of 1e-6 standard errors, which are about 0.2, leave 1e-6 / 0.2 at most.
    np.testing.assert_allclose(gradient, 0, atol=5e-6)
    assert np.isfinite(model.gap_)
    if (size > 0) == label:
        others = np.arange(N) != ROW
        without = MLELogisticClassifier(**params).fit(X[others], y[others])
        np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-6)


@pytest.mark.parametrize("size", [1e4, 1e8])
def test_one_row_of_several_classes_that_is_certain(size):
    y = np.digitize(DATA["gaussian"][1], [0.0, 1.0])
    offset = np.zeros((N, 3))
    offset[ROW, y[ROW]] = size
    model = MLELogisticClassifier().fit(X, y, offset=offset)
    others = np.arange(N) != ROW
    without = MLELogisticClassifier().fit(X[others], y[others])
    np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-6)


@pytest.mark.parametrize("size", [50.0, 1e4, 1e7])
def test_offsets_that_the_columns_undo(size):
    """However large: the columns undo them before the first step, to the rounding of the offsets."""
    plain = MLELogisticClassifier().fit(X, LABELS)
    moved = MLELogisticClassifier().fit(X, LABELS, offset=size * (X[:, 0] - 2 * X[:, 1]))
    np.testing.assert_allclose(moved.coef_ + size * np.array([1, -2]), plain.coef_, atol=1e-7 + 1e-14 * size)
    X_, y = DATA["poisson"]
    plain = MLERegressor("poisson").fit(X_, y)
    moved = MLERegressor("poisson").fit(X_, y, offset=size * (X_[:, 0] - 2 * X_[:, 1]) + size)
    np.testing.assert_allclose(moved.coef_ + size * np.array([1, -2]), plain.coef_, atol=1e-7 + 1e-14 * size)


@pytest.mark.parametrize("name", ["poisson", "negative_binomial"])
def test_a_count_beside_no_exposure_to_speak_of(name):
    """A zero there says nothing; the other rows say all."""
    X_, y = DATA[name]
    y = y.copy()
    y[ROW] = 0
    others = np.arange(N) != ROW
    model = MLERegressor(name).fit(X_, y, offset=one_row(-1e4))
    without = MLERegressor(name).fit(X_[others], y[others])
    np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-6)


BEYOND = [("gamma", -1e4), ("weibull", -1e4), ("tweedie", -1e4), ("inverse_gaussian", -1e4), ("gamma", -1e8)]
BEYOND += [("poisson", 1e4), ("poisson", 1e8), ("tweedie", 1e4)]


@pytest.mark.parametrize(("name", "size"), BEYOND)
def test_what_float64_does_not_hold_is_an_error_that_names_the_row(name, size):
    X_, y = DATA[name]
    with pytest.raises(ValueError, match=NAMED):
        MLERegressor(name).fit(X_, y, offset=one_row(size))
    # Its number is the caller's, also where rows of weight zero stand before it.
    weight = np.ones(N)
    weight[:2] = 0
    with pytest.raises(ValueError, match=NAMED):
        MLERegressor(name).fit(X_, y, offset=one_row(size), sample_weight=weight)


def test_a_fit_without_a_good_end_names_the_row():
    X_, y = DATA["poisson"]
    y = y.copy()
    y[ROW] = 0
    with pytest.warns(ConvergenceWarning) as issued:
        MLERegressor("poisson").fit(X_, y, offset=one_row(100))
    assert any(f"rows {ROW} differ from the median offset by up to 100" in str(warning.message) for warning in issued)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, likelihood in LIKELIHOODS.items() if likelihood.smooth])
@pytest.mark.parametrize("size", [1e4, -1e4, 1e8, -1e8])
def test_no_end_is_silent(name, size):
    X_, y = DATA[name]
    try:
        with np.errstate(all="raise"):
            model = MLERegressor(LIKELIHOODS[name]).fit(X_, y, offset=one_row(size))
    except (ValueError, ConvergenceWarning) as said:  # warnings are errors here
        assert "offset" in str(said)
    else:
        assert np.isfinite([*model.coef_, model.intercept_, model.log_likelihood_, model.gap_]).all()
        assert model.gap_ <= 1e-6
