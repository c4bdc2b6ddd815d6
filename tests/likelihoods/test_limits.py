"""Distributions of wild rows: every likelihood, over linear predictors and levels far beyond what data give.

A quantile is right if the tails of its neighbours enclose the level; zero and infinity, if the smallest and the largest
float do not reach it. Neighbours are as far as the logarithm of y, by which all is computed, can be told apart.
"""

import numpy as np
import pytest

from sklearn_mle.likelihoods import (
    AsymmetricLaplace,
    Beta,
    Binomial,
    Gamma,
    Gaussian,
    Gumbel,
    Huber,
    InverseGaussian,
    Laplace,
    Logistic,
    LogNormal,
    NegativeBinomial,
    Poisson,
    StudentT,
    Tweedie,
    Weibull,
    get_likelihood,
    likelihood_names,
)

LEVELS = [1e-300, 1e-16, 0.01, 0.5, 0.99, 1 - 1e-16]
LOCATIONS = [-700.0, -300.0, -40.0, -5.0, 0.0, 0.3, 5.0, 25.0, 40.0, 300.0, 700.0]
LOG_SECONDS = np.log([1e-8, 1e-4, 0.1, 1.0, 30.0, 1e4, 1e8])
LAWS = {
    repr(law): law
    for law in [
        AsymmetricLaplace(0.9),
        Beta(),
        Binomial(),
        Gamma(),
        Gaussian(),
        Gumbel(),
        Huber(),
        InverseGaussian(),
        Laplace(),
        Logistic(),
        LogNormal(),
        NegativeBinomial(),
        Poisson(),
        StudentT(df=0.5),
        StudentT(df=4),
        StudentT(df=np.inf),
        StudentT(df=None),
        Tweedie(1.05),
        Tweedie(1.5),
        Weibull(),
    ]
}
LARGEST = np.finfo(float).max


def predictors(law):
    if law.n_predictors == 1:
        return np.array([LOCATIONS])
    eta = np.stack([grid.ravel() for grid in np.meshgrid(LOCATIONS, LOG_SECONDS)])
    if law.n_predictors == 3:
        eta = np.vstack([eta, np.linspace(0, 1, eta.shape[1])])
    return eta


@pytest.fixture(params=LAWS)
def law(request):
    return LAWS[request.param]


def test_every_name_of_the_registry_is_swept():
    assert {type(get_likelihood(name)) for name in likelihood_names()} <= {type(law) for law in LAWS.values()}


def neighbours(law, eta, y):
    """What y cannot be told from, on either side: a whole number below, or a few roundings of eta and of log y."""
    if law.discrete:
        return np.where(y < 2**53, y - 1, np.nextafter(y, -np.inf)), y
    with np.errstate(all="ignore"):
        rounding = 1e-15 * (1 + np.abs(eta[0]) + 0.3 * np.abs(np.log(np.abs(y) + 1e-320))) * np.abs(y)
        return np.minimum(y - rounding, np.nextafter(y, -np.inf)), np.maximum(y + rounding, np.nextafter(y, np.inf))


@pytest.mark.parametrize("upper", [False, True])
def test_a_quantile_s_neighbours_enclose_its_level(law, upper):
    eta = predictors(law)
    distribution = law.distribution(eta)
    quantile, tail = (distribution.isf, distribution.sf) if upper else (distribution.ppf, distribution.cdf)
    previous = None
    for level in LEVELS:
        y = quantile(level)
        assert not np.isnan(y).any()
        if previous is not None:
            assert ((y <= previous) if upper else (y >= previous)).all()
        previous = y
        below, above = (tail(end) for end in neighbours(law, eta, y))
        least, most = tail(np.full_like(y, 5e-324)), tail(np.full_like(y, LARGEST))
        if not law.discrete and law.support[0] == 0:
            below = np.where(y == 0, float(upper), below)
            above = np.where(y == 0, least, above)
        below = np.where(np.isposinf(y), most, below)
        above = np.where(np.isposinf(y), float(not upper), above)
        above = np.where(np.isneginf(y), tail(np.full_like(y, -LARGEST)), above)
        low, high = (above, below) if upper else (below, above)
        assert (low <= level * (1 + 1e-9)).all()
        assert (high >= level * (1 - 1e-9)).all()


def test_samples_densities_and_moments_are_numbers(law):
    eta = predictors(law)
    distribution = law.distribution(eta)
    draws = distribution.rvs(size=(50, eta.shape[1]), random_state=0)
    assert not np.isnan(draws).any()
    # Between quantiles, but for the rounding of the parameters.
    assert (draws >= neighbours(law, eta, distribution.ppf(1e-30))[0]).all()
    assert (draws <= neighbours(law, eta, distribution.isf(1e-30))[1]).all()
    middle = np.clip(distribution.median(), -LARGEST, LARGEST)
    logs = (distribution.logpmf if law.discrete else distribution.logpdf)(middle)
    assert not np.isnan(logs).any()
    density = (distribution.pmf if law.discrete else distribution.pdf)(middle)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(density, np.exp(logs))
    np.testing.assert_array_equal(distribution.mean(), law.mean(eta))
    np.testing.assert_array_equal(distribution.std(), law.standard_deviation(eta))
    for tail, log_tail in (("cdf", "logcdf"), ("sf", "logsf")):
        with np.errstate(all="ignore"):
            expected = np.log(getattr(distribution, tail)(middle))
        np.testing.assert_allclose(getattr(distribution, log_tail)(middle), expected, rtol=1e-12, atol=1e-15)
