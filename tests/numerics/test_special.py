"""log_softmax keeps relative accuracy where scipy's keeps an absolute one."""

import mpmath
import numpy as np
import pytest
from scipy.special import log_softmax as scipy_s

from sklearn_mle.numerics.special import log_softmax

rng = np.random.default_rng(0)


def exact(row):
    with mpmath.workdps(400):
        values = [mpmath.mpf(float(value)) for value in row]
        return [-float(mpmath.log(mpmath.fsum(mpmath.exp(other - value) for other in values))) for value in values]


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0, 300.0, 1e4])
@pytest.mark.parametrize("k", [2, 3, 7])
def test_every_digit_is_right(scale, k):
    eta = rng.normal(0, scale, (20, k))
    expected = np.array([exact(row) for row in eta])
    # Rounding of a difference of predictors is rounding of the logarithm of a small loss.
    allowed = np.finfo(float).eps * (4 + np.abs(eta).max(axis=1, keepdims=True)) * np.abs(expected) + 1e-320
    assert (np.abs(log_softmax(eta) - expected) <= allowed).all()


def test_scipy_s_values_at_ordinary_predictors():
    eta = rng.normal(0, 1, (5, 4, 3))
    np.testing.assert_allclose(log_softmax(eta), scipy_s(eta, axis=-1), rtol=1e-13)


def test_ties_and_equal_rows():
    np.testing.assert_allclose(log_softmax(np.zeros((2, 5))), np.full((2, 5), -np.log(5)), rtol=1e-15)
    np.testing.assert_allclose(log_softmax(np.full((1, 3), 1e4)), np.full((1, 3), -np.log(3)), rtol=1e-15)


def test_the_argument_is_left_alone():
    eta = rng.normal(0, 1, (5, 3))
    kept = eta.copy()
    log_softmax(eta)
    np.testing.assert_array_equal(eta, kept)


def test_an_impossible_class_has_minus_infinity_and_the_others_their_values():
    np.testing.assert_allclose(
        log_softmax(np.array([[0.0, 0.0, -np.inf]])), [[-np.log(2), -np.log(2), -np.inf]], rtol=1e-15
    )
