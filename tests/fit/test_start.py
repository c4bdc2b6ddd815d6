"""The best constant location: closed forms where there are any, a minimum for every likelihood."""

import numpy as np
import pytest

from sklearn_mle._fit import best_constant
from sklearn_mle.likelihoods import Beta, Binomial, Gamma, Huber, Laplace, Poisson, StudentT, Weibull

rng = np.random.default_rng(0)
N = 101
LOCATION = 0.3 * rng.standard_normal(N)
WEIGHT = rng.integers(0, 4, N).astype(float)
REAL, AMOUNT = LOCATION + rng.standard_t(3, N), np.exp(LOCATION) * rng.gamma(2, 0.5, N)
CASES = {
    "huber": (Huber(), REAL, [0.0, -0.4]),
    "student_t": (StudentT(df=None), REAL, [0.0, -0.4, 0.3]),
    "laplace": (Laplace(), REAL, [0.0, 0.1]),
    "gamma": (Gamma(), AMOUNT, [0.0, 0.7]),
    "weibull": (Weibull(), AMOUNT, [0.0, 0.3]),
    "beta": (Beta(), AMOUNT / (1 + AMOUNT), [0.0, 1.0]),
    "poisson": (Poisson(), np.floor(AMOUNT), [0.0]),
    "binomial": (Binomial(), np.stack([np.floor(AMOUNT), np.floor(3 * AMOUNT)]), [0.0]),
}


@pytest.mark.parametrize("offset", [None, LOCATION], ids=["", "offset"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_no_constant_is_better(name, weight, offset):
    likelihood, y, intercepts = CASES[name]
    eta = best_constant(likelihood, np.array(intercepts), y, sample_weight=weight, offset=offset)
    assert eta.shape == (len(intercepts), N)
    np.testing.assert_array_equal(eta[1:], np.repeat(np.array(intercepts)[1:, None], N, axis=1))
    constant = eta[0] - (0 if offset is None else offset)
    np.testing.assert_allclose(constant, constant[0])

    def total(change):
        moved = eta.copy()
        moved[0] += change
        return np.average(likelihood.nll(y, moved), weights=weight)

    assert total(0) <= min(total(1e-4), total(-1e-4), total(0.5), total(-0.5))


def test_the_mean_and_the_median():
    weight = WEIGHT / WEIGHT.sum()
    eta = best_constant(Gamma(), np.array([0.0, 2.0]), AMOUNT, sample_weight=WEIGHT)
    np.testing.assert_allclose(eta[0], np.log(weight @ AMOUNT), rtol=1e-12)
    np.testing.assert_array_equal(best_constant(Laplace(), np.zeros(2), REAL)[0], np.median(REAL))


@pytest.mark.parametrize("size", [-1e4, -1e8])
def test_one_row_far_away_does_not_mislead(size):
    """A count of zero beside no exposure to speak of says nothing of the rate of the others."""
    y, offset = np.floor(AMOUNT), np.zeros(N)
    y[0], offset[0] = 0, size
    eta = best_constant(Poisson(), np.zeros(1), y, offset=offset)
    np.testing.assert_allclose(eta[0, 1:], np.log(y[1:].mean()), rtol=1e-12)
