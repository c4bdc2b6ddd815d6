"""Matrices of many classes: the blocks beside the dense matrix, and the fit beside that with its exact curvature."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import make_classification
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_limits

from sklearn_mle import LikelihoodCalibratedClassifier
from sklearn_mle.meta_estimators import _calibration_logits
from sklearn_mle.meta_estimators._calibration_many import BlocksOfClasses
from sklearn_mle.meta_estimators._calibration_methods import fit_map
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows, capped_log


def blocks(n_classes=4, p=3):
    rng = np.random.default_rng(0)
    root, rows = rng.normal(size=(n_classes, n_classes - 1)), rng.normal(size=(9, p))
    between, within, prior = root @ root.T, rows.T @ rows, np.array([0.5, 2.0, 3.0])
    dense = np.kron(between, within) + np.diag(np.tile(prior, n_classes))
    gains, vectors = np.linalg.eigh(between)
    return BlocksOfClasses(np.maximum(gains, 0), vectors, within, prior), dense


def test_blocks_are_the_factor_of_a_kronecker_product_and_a_prior():
    factor, dense = blocks()
    inverse = np.linalg.inv(dense)
    gradient = np.arange(12.0)
    np.testing.assert_allclose(factor.solve(gradient), inverse @ gradient, rtol=1e-10)
    np.testing.assert_allclose(factor.variances.ravel(), np.diag(inverse), rtol=1e-10)
    assert factor.squared_norm(gradient) == pytest.approx(gradient @ inverse @ gradient, rel=1e-10)
    assert factor.log_determinant == pytest.approx(np.linalg.slogdet(dense)[1], rel=1e-10)
    np.testing.assert_allclose(factor.times(4.0).solve(gradient), inverse @ gradient / 4, rtol=1e-10)
    assert 1 <= factor.condition <= np.linalg.cond(dense)


def confused(n_classes=6, n=3000):
    """Forecasts whose classes are confused in pairs: a matrix far from the identity puts them right."""
    rng = np.random.default_rng(1)
    eta = rng.normal(0, 1.5, (n, n_classes))
    coef = np.eye(n_classes) + rng.normal(0, 0.3, (n_classes, n_classes))
    truth = softmax(eta @ coef.T, axis=1)
    codes = (truth.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=n_classes - 1)
    return softmax(eta, axis=1), codes


@pytest.mark.parametrize("method", ["matrix", "dirichlet", "spline_matrix"])
def test_the_curvature_need_not_be_formed(method, monkeypatch):
    probability, codes = confused()
    rows = CalibrationRows.of(probability, codes)
    exact = fit_map(method, rows)
    monkeypatch.setattr(_calibration_logits, "_FORMED", 2)
    rough = fit_map(method, rows)
    assert rough.gap < 1e-8
    # Of about 25 parameters that the rows determine, 4% are one: the precision of the matrix errs by as much.
    assert rough.precisions[0] == pytest.approx(exact.precisions[0], rel=0.2)
    assert (
        np.abs(np.exp(rough.log_probabilities(probability)) - np.exp(exact.log_probabilities(probability))).max() < 0.01
    )


def test_the_minimum_is_exact_though_the_evidence_is_rough(monkeypatch):
    probability, codes = confused()
    rows = CalibrationRows.of(probability, codes)
    monkeypatch.setattr(_calibration_logits, "_FORMED", 2)
    fitted = fit_map("matrix", rows)
    z = capped_log(probability, fitted.floor)
    residual = np.exp(fitted.log_probabilities(probability)) - rows.target
    gradient = (residual * rows.weight[:, None]).T @ z
    gradient += fitted.precisions[0] * fitted.coef * ~np.eye(6, dtype=bool)
    # The weak prior of 1e-4 adds as much; a gap of 1e-8 nats leaves sqrt(2e-8 x 1e3) = 5e-3 of a curvature near 1e3.
    assert np.abs(gradient).max() < 5e-3


def test_hard_rows_of_many_classes(monkeypatch):
    monkeypatch.setattr(_calibration_logits, "_FORMED", 2)
    certain, codes = np.eye(3)[np.arange(60) % 3], np.arange(60) % 3
    for probability in (certain, np.full((60, 3), 1 / 3)):
        for weight in (None, np.full(60, 1e10), np.full(60, 1e-10)):
            fitted = fit_map("spline_matrix", CalibrationRows.of(probability, codes, weight))
            logarithms = fitted.log_probabilities(probability)
            assert np.isfinite(logarithms).all()
            np.testing.assert_allclose(np.exp(logarithms).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("method", ["spline_matrix", "dirichlet", "temperature"])
def test_the_bits_do_not_depend_on_the_number_of_threads(method):
    X, y = make_classification(1000, 20, n_informative=10, n_classes=12, random_state=0)
    found = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            model = LikelihoodCalibratedClassifier(GaussianNB(), method, cv=3).fit(X, y)
        found.append(model.predict_proba(X))
    np.testing.assert_array_equal(*found)
