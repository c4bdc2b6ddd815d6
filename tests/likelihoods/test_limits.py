"""Distributions of wild rows: every likelihood, over linear predictors and levels far beyond what data give.

A quantile is right if the tails of its neighbours enclose the level; zero and infinity, if the smallest and the largest
float do not reach it. Neighbours are as far as the logarithm of y, by which all is computed, can be told apart.
"""

import numpy as np
import pytest
import scipy
from mpmath import mp, mpf

from sklearn_mle._numerics.tails import gamma_tail
from sklearn_mle.likelihoods import (
    AsymmetricLaplace,
    Beta,
    Binomial,
    Gamma,
    Gaussian,
    GaussianMixture,
    Gumbel,
    Huber,
    InverseGaussian,
    Laplace,
    Logistic,
    LogNormal,
    NegativeBinomial,
    Poisson,
    SkewT,
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
        GaussianMixture(),
        GaussianMixture(3),
        Gumbel(),
        Huber(),
        InverseGaussian(),
        Laplace(),
        Logistic(),
        LogNormal(),
        NegativeBinomial(),
        Poisson(),
        SkewT(df=0.5),
        SkewT(df=4),
        SkewT(df=np.inf),
        SkewT(df=None),
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
    if "skewness" in law.parameter_names:
        eta = np.vstack([eta, np.resize([0.0, -0.4, 3.0, -19.0, 50.0], eta.shape[1])])
    shapes = np.random.default_rng(0).normal(0, 3, (6, eta.shape[1]))
    shapes[:, ::7] *= 30
    shapes[1::3] = np.arcsinh(shapes[1::3])  # beyond, a component's mean is known to fewer digits than the location
    if isinstance(law, GaussianMixture):
        eta = np.vstack([eta, shapes[: law.n_predictors - 2]])
    if "df" in law.parameter_names:
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


# The incomplete beta function of scipy before 1.17 is off by 1e-8 of itself in rows this wild.
OLD_BETAINC = tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 17)
OF_LEVELS, OF_LOGS = (1e-7, 1e-7) if OLD_BETAINC else (1e-9, 1e-12)


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
        assert (low <= level * (1 + OF_LEVELS)).all()
        assert (high >= level * (1 - OF_LEVELS)).all()


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
        np.testing.assert_allclose(getattr(distribution, log_tail)(middle), expected, rtol=OF_LOGS, atol=1e-15)


@pytest.mark.parametrize("y", [3e4, 3e6, 1e10, 1e20])
@pytest.mark.parametrize("dispersion", [1e-300, 1e-20, 1e-12, 1e-9, 1e-3, 3.0, 1e8])
def test_the_negative_binomial_of_large_counts(y, dispersion):
    """Against 400 digits; as near as the rounding of log mu lets it be."""
    likelihood, log_a = NegativeBinomial(), np.log(dispersion)
    distances = np.array([-300, -30, -3, -0.9, -0.3, -1e-3, -1e-6, 0, 1e-9, 1e-4, 0.1, 0.7, 2, 10, 100])
    eta = np.stack([np.log(y) + distances, np.full(len(distances), log_a)])
    with mp.workdps(400):
        a, k = mp.exp(mpf(log_a)), mpf(y)
        constant = mp.loggamma(k + 1) - mp.loggamma(k + 1 / a) + mp.loggamma(1 / a)
        means = [mp.exp(mpf(log_mean)) for log_mean in eta[0]]
        exact = np.array([float(constant - k * mp.log(a * m) + (k + 1 / a) * mp.log(1 + a * m)) for m in means])
        slope = np.array([float(abs((m - k) / (1 + a * m))) for m in means])
    counts = np.full(len(distances), y)
    error = np.abs(likelihood.nll(counts, eta) - exact)
    assert (error <= 1e-14 * np.abs(exact) + 4e-16 * (1 + np.abs(eta[0])) * slope + 1e-13).all()
    np.testing.assert_array_equal(likelihood.distribution(eta).logpmf(counts), -likelihood.nll(counts, eta))


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


@pytest.mark.slow
@pytest.mark.parametrize("log_phi", [-40.0, -18.0, -5.0, 0.0, 5.0, 18.0])
def test_the_inverse_gaussian_against_its_definition(log_phi):
    """Both tails with 1,000 digits, 36 standard deviations out: of mean one, so that log y is exact."""
    roots = np.array([-36, -10, -2, -0.5, -0.01, 0.01, 0.5, 2, 10, 36])
    y = np.exp(2 * np.arcsinh(0.5 * roots * np.exp(-0.5 * log_phi)))
    distribution = InverseGaussian().distribution(np.stack([np.zeros(10), np.full(10, log_phi)]))
    with mp.workdps(1000):
        for j in range(len(y)):
            phi, ratio = mp.exp(mpf(log_phi)), mpf(y[j])
            r = mp.sqrt(phi / ratio) * (ratio - 1)
            s = mp.sqrt(phi / ratio) * (ratio + 1)
            second = mp.exp(2 * phi) * normal(-s)
            # A rounding of log y moves r by sqrt(phi) of it, and the tail by r times that.
            rtol = 1e-12 + 4e-16 * np.exp(0.5 * log_phi) * (1 + abs(roots[j]))
            assert distribution.cdf(y)[j] == pytest.approx(float(normal(r) + second), rel=rtol)
            assert distribution.sf(y)[j] == pytest.approx(float(normal(-r) - second), rel=rtol)


@pytest.mark.parametrize("shape", [3.1e4, 1e6, 1e8])
def test_the_gamma_s_lower_tail(shape):
    """scipy's gammainc stops its series after 2,000 terms: 1.9e-7 for 2.9e-7 at five deviations below 1e8 (1.17)."""
    x = shape + np.sqrt(shape) * np.array([-30.0, -10.0, -5.0, -4.1, -3.0])
    tail = gamma_tail(np.full(5, shape), x, upper=False)
    for found, at in zip(tail, x, strict=True):
        # Of up to a million terms, in whole numbers of 1e-40: mpmath's arithmetic takes ten times as long.
        above, below = float(at).as_integer_ratio()
        term = total = 10**40
        j = int(shape)
        while term > 10**20:
            j += 1
            term = term * above // (below * j)
            total += term
        with mp.workdps(40):
            scale = mp.exp(mpf(shape) * mp.log(mpf(at)) - mpf(at) - mp.loggamma(mpf(shape) + 1))
            exact = mpf(total) / mpf(10) ** 40 * scale
        assert found == pytest.approx(float(exact), rel=2e-12)


def test_quantiles_that_scipy_does_not_know():
    poisson = Poisson().distribution(np.log([[1e11, 1e18]]))
    # R: qpois(c(.05, .95), 1e11)
    np.testing.assert_array_equal([poisson.ppf(0.05)[0], poisson.ppf(0.95)[0]], [99999479852, 100000520149])
    negative_binomial = NegativeBinomial().distribution(np.array([np.log([1e15, 1e188]), np.log([1.0, 1.0])]))
    # At a dispersion of one and such means y is exponential: the median is log 2 means.
    np.testing.assert_allclose(negative_binomial.median(), np.log(2) * np.array([1e15, 1e188]), rtol=1e-12)
    narrow = InverseGaussian().distribution(np.array([[0.0, 0.0], [2 * np.log(1e4), 2 * np.log(1e7)]]))
    # 1 + z cv + z^2 cv^2 / 2 - cv^2 / 2 + ...: Cornish and Fisher, third cumulant 3 cv^4, next term below 1e-11.
    cv, z = np.array([1e-4, 1e-7]), 1.6448536269514722
    np.testing.assert_allclose(narrow.ppf(0.95), 1 + cv * z + 0.5 * cv**2 * (z * z - 1), rtol=1e-11)
    assert Laplace().distribution(np.zeros((2, 1))).logpdf(-833.0)[0] == pytest.approx(-833 - np.log(2), rel=1e-15)
