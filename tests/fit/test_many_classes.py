"""More than a hundred classes without a prior: the same answers as of few, for work that stays within bounds.

The work is counted in passes over the rows, not in seconds.
"""

import warnings

import numpy as np
import pytest
from scipy.special import softmax

from sklearn_mle import MLELogisticClassifier
from sklearn_mle._existence.limit import SEPARATION_PRIOR
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle.exceptions import SeparationWarning


def data(n_rows, n_columns, n_classes):
    X = np.random.default_rng(0).normal(size=(n_rows, n_columns))
    return X, np.arange(n_rows) % n_classes


def slopes(model, X, y, precision):
    """The gradient of the NLL and of a prior on the standardized columns' coefficients, from the formula."""
    off = softmax(X @ model.coef_.T + model.intercept_, axis=1) - np.eye(len(model.coef_))[y]
    return off.T @ X + precision * X.var(axis=0) * model.coef_, off.sum(axis=0)


def within_the_gap(model, X, y, precision):
    """Whether no slope is larger than a gap of 1e-8 nats allows: its square is at most twice the gap times curvature.

    A row's curvature in a predictor of its own is at most a quarter.
    """
    of_coef, of_intercept = slopes(model, X, y, precision)
    most = 0.25 * np.square(X).sum(axis=0) + precision * X.var(axis=0)
    return (np.square(of_coef) <= 2e-8 * most).all() and (np.square(of_intercept) <= 2e-8 * len(y) / 4).all()


def without_qr(monkeypatch):
    """Let no QR decomposition of the curvature's rows pass: for 120 rows of 110 classes they are 13,200."""

    def refused(self, theta):
        raise AssertionError("a QR of a row for each row and class")

    monkeypatch.setattr(PenalizedNLL, "triangle", refused)


def test_some_of_many_classes_are_separated(monkeypatch):
    """Quasi-complete separation: it took 25,000 passes, and ended where max_iter was."""
    without_qr(monkeypatch)
    X, y = data(165, 2, 110)
    with pytest.warns(SeparationWarning, match="quasi-complete"):
        model = MLELogisticClassifier().fit(X, y)
    assert model.n_passes_ < 1000
    assert within_the_gap(model, X, y, SEPARATION_PRIOR * len(y))


@pytest.mark.parametrize("solver", ["auto", pytest.param("newton-cg", marks=pytest.mark.slow)])
def test_all_of_many_classes_are_separated(solver):
    """Complete separation of 7,259 parameters: what separates the rows ends the search for a maximum."""
    X, y = data(480, 60, 120)
    with pytest.warns(SeparationWarning, match="complete separation"):
        model = MLELogisticClassifier(solver=solver).fit(X, y)
    assert model.score(X, y) == 1
    assert model.n_iter_ < 40
    assert model.n_passes_ < 1200
    assert within_the_gap(model, X, y, SEPARATION_PRIOR * len(y))


@pytest.mark.parametrize("C", [1.0, np.inf])
def test_many_classes_that_overlap_take_few_passes(C):
    X, y = data(1500, 3, 120)
    model = MLELogisticClassifier(C=C).fit(X, y)
    assert model.n_iter_ <= 6
    assert model.n_passes_ < 70
    assert model.gap_ < 1e-8


def test_a_maximum_that_is_far_away_is_found(monkeypatch):
    """Two classes that overlap by a millionth: no separating direction, and coefficients of a hundred."""
    without_qr(monkeypatch)
    X, y = data(330, 1, 110)
    X = X.clip(-2.5, 2.5)
    X[y == 0] = [[3.0], [3.1], [3.2]]
    X[y == 1] = [[0.0], [1.0], [3.000001]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLELogisticClassifier().fit(X, y)
    assert model.coef_.max() > 100
    assert model.gap_ < 1e-8
    assert within_the_gap(model, X, y, 0.0)
