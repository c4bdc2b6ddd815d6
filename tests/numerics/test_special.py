"""Special functions keep relative accuracy where scipy's keep an absolute one, or none."""

import mpmath
import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.special import log_softmax as scipy_s

from sklearn_mle._numerics.special import half_step_of_gamma, less_log1p, log_softmax, poisson_mass

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


@pytest.mark.parametrize("x", [-0.999999, -0.5, -0.49, -1e-9, 1e-20, 1e-12, 0.3, 0.5, 3.0, 1e10])
def test_less_log1p_at_fifty_digits(x):
    with mp.workdps(80):
        expected = float(mpf(x) - mp.log1p(mpf(x)))
    assert less_log1p(np.array([x]))[0] == pytest.approx(expected, rel=1e-15)


def test_less_log1p_at_its_ends():
    np.testing.assert_array_equal(less_log1p(np.array([-1.0, 0.0, np.inf])), [np.inf, 0.0, np.inf])


@pytest.mark.parametrize("x", [1e-10, 0.5, 3.0, 99.0, 100.0, 101.0, 1e3, 1e9])
def test_half_step_of_gamma_at_fifty_digits(x):
    with mp.workdps(50):
        expected = float(mp.gamma(mpf(x) + mpf(1) / 2) / mp.gamma(mpf(x)))
    assert half_step_of_gamma(np.array([x]))[0] == pytest.approx(expected, rel=2e-15)


@pytest.mark.parametrize(
    ("k", "mean"),
    [(0, 3), (5, 2), (15, 14), (16, 15), (16, 300), (1e3, 1.1e3), (1e6 + 0.5, 1e6 + 500), (1e10, 1e10 + 1e5)],
)
def test_poisson_mass_at_fifty_digits(k, mean):
    with mp.workdps(50):
        expected = float(mp.exp(mpf(k) * mp.log(mpf(mean)) - mpf(mean) - mp.loggamma(mpf(k) + 1)))
    assert poisson_mass(np.array([k], dtype=float), np.array([mean], dtype=float))[0] == pytest.approx(
        expected, rel=1e-13
    )


def test_poisson_mass_of_nothing():
    np.testing.assert_array_equal(poisson_mass(np.array([0.0, 3.0, 40.0]), np.zeros(3)), [1.0, 0.0, 0.0])
