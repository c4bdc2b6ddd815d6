"""The likelihoods' values against scipy.stats and exact arithmetic, soft labels, and what happens at extremes."""

import math

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, softmax

from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian
from sklearn_mle.likelihoods._base import MANY_ROWS
from sklearn_mle.likelihoods._surrogates import BoundedDispersion, LeastSquares

rng = np.random.default_rng(0)
LOGITS = np.concatenate([np.linspace(-40, 40, 81), [0.0, -0.0, 1e-300, 700, -700, 745.5, -745.5, 1e4, -1e4]])
EXTREME = [30.0, 700.0, 1e4]
# Enough for 1 + exp(-745), the smallest that float64 can tell from certainty.
DIGITS = 400


def exact(function, *arguments):
    with mpmath.workdps(DIGITS):
        return float(function(*(mpmath.mpf(float(value)) for value in arguments)))


def exact_categorical(k, eta):
    with mpmath.workdps(DIGITS):
        values = [mpmath.mpf(float(value)) for value in eta]
        return float(mpmath.log(mpmath.fsum(mpmath.exp(value - values[k]) for value in values)))


def test_bernoulli_is_scipy_s():
    y, eta = rng.integers(0, 2, 50), rng.normal(0, 2, 50)
    expected = -stats.bernoulli.logpmf(y, expit(eta))
    np.testing.assert_allclose(Bernoulli().nll(y.astype(float), eta[None]), expected, rtol=1e-13)


def test_categorical_is_scipy_s():
    eta = rng.normal(0, 2, (3, 50))
    y = rng.integers(0, 3, 50)
    expected = -stats.multinomial.logpmf(np.eye(3, dtype=int)[y], 1, softmax(eta, axis=0).T)
    np.testing.assert_allclose(Categorical(3).nll(y, eta), expected, rtol=1e-12)


def test_gaussian_is_scipy_s():
    y, (location, log_scale) = rng.normal(0, 3, 50), rng.normal(0, 1.5, (2, 50))
    expected = -stats.norm.logpdf(y, location, np.exp(log_scale))
    np.testing.assert_allclose(Gaussian().nll(y, np.stack([location, log_scale])), expected, rtol=1e-13, atol=1e-14)


def test_least_squares_is_the_gaussian_at_unit_scale_less_its_constant():
    y, eta = rng.normal(0, 3, 50), rng.normal(0, 1, (1, 50))
    expected = -stats.norm.logpdf(y, eta[0]) - 0.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(LeastSquares().nll(y, eta), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_bernoulli_keeps_its_digits_everywhere(y):
    """Relative, not absolute: a loss of 1e-304 has sixteen digits too."""
    sign = 1 - 2 * y
    expected = [exact(lambda e: mpmath.log1p(mpmath.exp(sign * e)), e) for e in LOGITS]
    found = Bernoulli().nll(np.full(len(LOGITS), y), LOGITS[None])
    np.testing.assert_allclose(found, expected, rtol=5e-16, atol=1e-323)


def test_bernoulli_s_information_keeps_its_digits_everywhere():
    expected = [exact(lambda e: 1 / (2 + mpmath.exp(e) + mpmath.exp(-e)), e) for e in LOGITS]
    found = Bernoulli().expected_information(LOGITS[None])[0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=1e-323)


@pytest.mark.parametrize("size", EXTREME)
@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_bernoulli_at_extremes(size, y):
    eta = np.array([[size, -size]])
    expected = [exact(lambda e: mpmath.log1p(mpmath.exp(e)) - y * e, e) for e in eta[0]]
    np.testing.assert_allclose(Bernoulli().nll(np.full(2, y), eta), expected, rtol=1e-15)
    np.testing.assert_allclose(Bernoulli().gradient(np.full(2, y), eta)[0], [1 - y, -y], atol=np.exp(-size) + 1e-16)
    total, gradient = Bernoulli().total_and_gradient(np.full(2, y), eta, None)
    assert total == pytest.approx(sum(expected), rel=1e-14)
    np.testing.assert_allclose(gradient[0], [1 - y, -y], atol=np.exp(-size) + 1e-16)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.01])
@pytest.mark.parametrize("size", [*EXTREME, 44.25, 45.0, 46.5])
def test_the_total_of_many_rows_neither_overflows_nor_loses_rows_at_extremes(size, share, weighted):
    """Sixteen probabilities of exp(-45) are a product near the least float64: below it there are digits to be lost."""
    n = MANY_ROWS + 5
    rng = np.random.default_rng(7)
    eta = np.where(np.arange(n) % 2, size, -size)[None]
    wrong = rng.random(n) < share
    y = np.where(wrong, eta[0] < 0, eta[0] > 0).astype(float)
    weight = rng.random(n) if weighted else None
    total, gradient = Bernoulli().total_and_gradient(y, eta, weight)
    loss = np.where(wrong, size, 0.0) + np.log1p(np.exp(-size))
    per_row = np.ones(n) if weight is None else weight
    assert total == pytest.approx(per_row @ loss, rel=1e-13)
    expected = per_row * np.where(wrong, np.where(y, -1, 1), 0)
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-12, atol=1.1 * np.exp(-size))


def test_categorical_keeps_its_digits_everywhere():
    eta = np.stack([np.zeros(len(LOGITS)), LOGITS, LOGITS / 3])
    # Differences of predictors round at eps times their size, and so does the logarithm of a small loss.
    allowed = np.finfo(float).eps * (2 + np.abs(LOGITS))
    for k in range(3):
        expected = np.array([exact_categorical(k, column) for column in eta.T])
        found = Categorical(3).nll(np.full(len(LOGITS), k), eta)
        assert (np.abs(found - expected) <= allowed * expected + 1e-323).all()


@pytest.mark.parametrize("size", EXTREME)
def test_categorical_at_extremes(size):
    eta = np.array([[size, -size, 0.0], [0.0, size, size], [-size, 0.0, size]])
    likelihood = Categorical(3)
    for k in range(3):
        codes = np.full(3, k)
        expected = [exact_categorical(k, column) for column in eta.T]
        np.testing.assert_allclose(likelihood.nll(codes, eta), expected, rtol=1e-15, atol=1e-323)
        total, gradient = likelihood.total_and_gradient(codes, eta, None)
        assert total == pytest.approx(sum(expected), rel=1e-14)
        np.testing.assert_allclose(gradient, softmax(eta, axis=0) - np.eye(3)[k][:, None], atol=1e-15)
    assert np.isfinite(likelihood.expected_information(eta)).all()


def test_categorical_s_information_keeps_the_digits_of_a_near_certain_class():
    eta = np.array([[0.0], [-50.0], [-52.0]])
    information = Categorical(3).expected_information(eta)[0, 0, 0]
    assert information == pytest.approx(math.exp(-50) + math.exp(-52), rel=1e-14)


def test_two_classes_are_a_bernoulli():
    y, eta = rng.integers(0, 2, 40), rng.normal(0, 4, (2, 40))
    difference = eta[1:] - eta[:1]
    np.testing.assert_allclose(Categorical(2).nll(y, eta), Bernoulli().nll(y.astype(float), difference), rtol=1e-13)
    np.testing.assert_allclose(
        Categorical(2).gradient(y, eta)[1], Bernoulli().gradient(y.astype(float), difference)[0], atol=1e-15
    )


@pytest.mark.parametrize("constant", [-300.0, 1e3])
def test_categorical_does_not_see_a_constant(constant):
    eta, y = rng.normal(0, 2, (3, 40)), rng.integers(0, 3, 40)
    np.testing.assert_allclose(Categorical(3).nll(y, eta + constant), Categorical(3).nll(y, eta), atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_one_hot_rows_are_labels(scale):
    eta, y = rng.normal(0, scale, (4, 60)), rng.integers(0, 4, 60)
    soft = np.eye(4)[:, y]
    likelihood = Categorical(4)
    np.testing.assert_allclose(likelihood.nll(soft, eta), likelihood.nll(y, eta), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(likelihood.gradient(soft, eta), likelihood.gradient(y, eta), atol=1e-15)
    weight = rng.random(60)
    hard_total, hard = likelihood.total_and_gradient(y, eta, weight)
    soft_total, of_soft = likelihood.total_and_gradient(soft, eta, weight)
    assert soft_total == pytest.approx(hard_total, rel=1e-13)
    np.testing.assert_allclose(of_soft, hard, atol=1e-15)


def test_a_soft_label_is_the_mean_over_its_classes():
    eta, soft = rng.normal(0, 3, (4, 60)), rng.dirichlet(np.ones(4), 60).T
    likelihood = Categorical(4)
    mean = sum(soft[k] * likelihood.nll(np.full(60, k), eta) for k in range(4))
    np.testing.assert_allclose(likelihood.nll(soft, eta), mean, rtol=1e-13)
    y = rng.random(60)
    ends = (1 - y) * Bernoulli().nll(np.zeros(60), eta[:1]) + y * Bernoulli().nll(np.ones(60), eta[:1])
    np.testing.assert_allclose(Bernoulli().nll(y, eta[:1]), ends, rtol=1e-13)


@pytest.mark.parametrize("log_scale", [-300.0, -30.0, 30.0, 300.0])
def test_gaussian_at_extreme_scales(log_scale):
    scale = math.exp(log_scale)
    y, eta = np.array([0.5 * scale, -2 * scale]), np.array([[0.0, 0.0], [log_scale, log_scale]])
    expected = 0.5 * math.log(2 * math.pi) + log_scale + 0.5 * np.array([0.25, 4.0])
    np.testing.assert_allclose(Gaussian().nll(y, eta), expected, rtol=1e-13)
    np.testing.assert_allclose(Gaussian().gradient(y, eta)[1], [1 - 0.25, 1 - 4.0], rtol=1e-12)


def test_the_floor_is_felt_below_it_only():
    eta = np.array([[0.3, 0.3, 0.3], [-1.0, -2.0, -4.5]])
    y = np.zeros(3)
    plain, bounded = Gaussian(), BoundedDispersion(Gaussian(), -2.0)
    np.testing.assert_allclose(bounded.nll(y, eta) - plain.nll(y, eta), [0, 0, 0.5 * 2.5**2], atol=1e-11)
    difference = bounded.gradient(y, eta) - plain.gradient(y, eta)
    np.testing.assert_allclose(difference, [[0, 0, 0], [0, 0, -2.5]], atol=1e-11)


def test_a_row_that_is_fitted_exactly_settles_one_unit_below_the_floor():
    bounded = BoundedDispersion(Gaussian(), -2.0)
    gradient = bounded.gradient(np.zeros(3), np.array([[0.0] * 3, [-2.9, -3.0, -3.1]]))
    np.testing.assert_allclose(gradient[1], [0.1, 0.0, -0.1], atol=1e-14)
