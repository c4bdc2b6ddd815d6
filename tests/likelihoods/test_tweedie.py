"""Tweedie's own: its density against a sum in extended precision, its distribution, and its expected information."""

import math

import numpy as np
import pytest
from scipy import stats

from sklearn_mle.likelihoods import Tweedie, _tweedie_distribution
from sklearn_mle.likelihoods._tweedie_distribution import tweedie_tail
from sklearn_mle.likelihoods._tweedie_series import dispersion_information, tweedie_saturated

# (power, log xi): R and its first two derivatives in log xi, by mpmath with 40 digits, each term of the sum exact.
EXACT = {
    (1.02, -6.5): (-2.3309349505322516, 0.50012651810902176, 0.00012652178283070079),
    (1.02, -3.0): (-0.57627939304935635, 0.48516313051141126, -10.070997350052274),
    (1.02, -2.5): (-0.31158289092303869, -0.06885634560502105, -81.77821753996513),
    (1.02, 0.0): (-0.014998173493196048, -1.020407578461024, 51.020378923051495),
    (1.02, 4.0): (149.89906504681164, 49.065528628125764, 0.93447137187419206),
    (1.1, -6.5): (-2.330930533447536, 0.50013094219292677, 0.00013095987065480424),
    (1.1, -3.0): (-0.57671636162795495, 0.50435434919157192, 0.004372352907610401),
    (1.1, -2.5): (-0.32388788260798493, 0.50719784266635827, 0.0072441351839510325),
    (1.1, 0.0): (0.82599518260538291, -0.51827996107582813, 5.530377792753623),
    (1.1, 4.0): (29.9794836489047, 9.7964929012362782, 0.20350709876371293),
    (1.5, -6.5): (-2.3309204928740348, 0.50014100042696312, 0.00014105345575244462),
    (1.5, -3.0): (-0.57636455972390314, 0.50472660331237621, 0.0047866602824450618),
    (1.5, -2.5): (-0.32328558121400158, 0.50785779949856319, 0.008024704999715552),
    (1.5, 0.0): (1.0286152203419826, 0.63218906943743834, 0.19279743614080429),
    (1.5, 4.0): (6.686297344185917, 1.9280789949635083, 0.070580054303180154),
    (1.9, -6.5): (-2.330930533447536, 0.50013094219292677, 0.00013095987065480424),
    (1.9, -3.0): (-0.57671636162795495, 0.50435434919157191, 0.0043723529075988419),
    (1.9, -2.5): (-0.32388788261067916, 0.50719784167710637, 0.007244103877170634),
    (1.9, 0.0): (1.0076823465301818, 0.58817477994379245, 0.083290750399872544),
    (1.9, 4.0): (4.3532090419849683, 1.0443469009072046, 0.051849988693441594),
    (1.99, -6.5): (-2.3309355590995011, 0.50012590861431282, 0.00012591043276984171),
    (1.99, -3.0): (-0.57689131638073894, 0.50417050435752382, 0.0041705382648048449),
    (1.99, -2.5): (-0.32418590620935279, 0.50687533552537313, 0.0068718732899730677),
    (1.99, 0.0): (1.0007850653294665, 0.57828107603229878, 0.069137737693332874),
    (1.99, 4.0): (4.1057610656184634, 0.94645867723451026, 0.046104933683033664),
}


@pytest.mark.parametrize("power, log_xi", EXACT)
def test_the_series_has_twelve_digits_on_both_sides_of_the_switch(power, log_xi):
    found = [float(part[0]) for part in tweedie_saturated(np.array([log_xi]), power)]
    # Near powers one and two the terms are large, and each derivative multiplies their rounding.
    size = 1 / ((power - 1) * (2 - power))
    for order, (value, expected) in enumerate(zip(found, EXACT[power, log_xi], strict=True)):
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-13 * size ** (order + 1))


@pytest.mark.parametrize("power", [1.1, 1.5, 1.9])
def test_the_nll_is_that_of_a_poisson_number_of_gamma_amounts(power):
    rng = np.random.default_rng(0)
    eta, y = rng.normal(0, 1, (2, 30)), np.exp(rng.normal(0, 1, 30))
    mean, phi = np.exp(eta)
    events = mean ** (2 - power) / phi / (2 - power)
    alpha, unit = (2 - power) / (power - 1), phi * (power - 1) * mean ** (power - 1)
    density = sum(stats.poisson.pmf(j, events) * stats.gamma.pdf(y, alpha * j, scale=unit) for j in range(1, 200))
    np.testing.assert_allclose(Tweedie(power).nll(y, eta), -np.log(density), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(Tweedie(power).nll(np.zeros(30), eta), events, rtol=1e-14)


def test_the_ends_are_the_poisson_and_the_gamma():
    """Near power 2 the gamma of shape 1 / phi; near power 1 the amounts are nearly whole numbers of phi."""
    y, eta = np.array([0.4, 1.0, 2.5]), np.array([[0.2] * 3, [-1.0] * 3])
    shape = math.e
    gamma = -stats.gamma.logpdf(y, shape, scale=np.exp(0.2) / shape)
    near = [Tweedie(power).nll(y, eta) for power in (1.98, 1.99)]
    np.testing.assert_allclose(2 * near[1] - near[0], gamma, atol=1e-3)


@pytest.mark.parametrize("power", [1.05, 1.5, 1.95])
@pytest.mark.parametrize("log_dispersion", [-2.0, 1.0])
def test_the_distribution(power, log_dispersion):
    law = Tweedie(power).distribution(np.array([math.log(1.7), log_dispersion]))
    atom = law.cdf(0.0)
    assert law.cdf(-1.0) == 0
    assert law.sf(-1.0) == 1
    assert law.pdf(0.0) == pytest.approx(atom, rel=1e-12)
    level = np.array([0.5 * atom, atom + 1e-3 * (1 - atom), 0.5 * (1 + atom), 1 - 1e-3 * (1 - atom)])
    quantile = law.ppf(level)
    assert quantile[0] == 0
    np.testing.assert_allclose(law.cdf(quantile[1:]), level[1:], rtol=1e-10)
    np.testing.assert_allclose(law.sf(quantile[1:]), 1 - level[1:], rtol=1e-8)
    y = quantile[1:]
    slope = (law.cdf(y * (1 + 1e-6)) - law.cdf(y * (1 - 1e-6))) / (2e-6 * y)
    np.testing.assert_allclose(law.pdf(y), slope, rtol=1e-5)
    mean, variance = law.stats("mv")
    assert mean == pytest.approx(1.7)
    assert variance == pytest.approx(math.exp(log_dispersion) * 1.7**power)
    sample = law.rvs(size=20_000, random_state=0)
    assert np.abs(np.mean(sample) - mean) < 4 * math.sqrt(variance / 20_000)
    assert np.mean(sample == 0) == pytest.approx(atom, abs=0.015)


@pytest.mark.parametrize("power", [1.2, 1.5, 1.8])
def test_many_events_are_counted_by_the_saddlepoint(power, monkeypatch):
    phi = 1e-3
    eta = np.repeat([[0.0], [math.log(phi)]], 5, axis=1)
    y = 1 + np.sqrt(phi) * np.array([-4.0, -1.0, 0.0, 1e-6, 3.0])
    for upper in (False, True):
        tails = []
        for bound in (-np.inf, np.inf):
            monkeypatch.setattr(_tweedie_distribution, "_LOG_SMALL", bound)
            tails.append(tweedie_tail(y, eta, power, upper=upper))
        np.testing.assert_allclose(*tails, rtol=3e-6, atol=3e-7)


@pytest.mark.parametrize("power", [1.05, 1.5, 1.9])
def test_the_information_s_limits(power):
    log_xi = np.array([-15.9, -18.0, 15.9, 20.0, -700.0, 700.0])
    information = dispersion_information(log_xi, power)
    np.testing.assert_allclose(information[[0, 1, 4]], 0.5, rtol=1e-6)
    rare = np.exp(-log_xi[[2, 3]]) / ((2 - power) * (power - 1))
    np.testing.assert_allclose(information[[2, 3]], rare, rtol=1e-5)


def test_powers_outside_the_range_are_refused_with_a_word_for_their_likelihood():
    for power in (1.0, 2.0, 0.0, 1.001, float("nan")):
        with pytest.raises(ValueError, match=r"power must be in \[1.01, 1.99\]; got .*'gamma'"):
            Tweedie(power).check_parameters()


def test_terms_of_the_sum_are_not_lost_in_long_windows():
    """All rows at once, in any order, are what each row gives alone."""
    log_xi = np.random.default_rng(1).uniform(-6, 6, 300)
    together = tweedie_saturated(log_xi, 1.95)
    for row in range(0, 300, 60):
        alone = tweedie_saturated(log_xi[row : row + 1], 1.95)
        for part, whole in zip(alone, together, strict=True):
            np.testing.assert_allclose(part[0], whole[row], rtol=1e-11, atol=1e-11)


def test_an_upper_quantile_is_where_that_much_is_left():
    law = Tweedie(1.5).distribution(np.log([1.7, 0.8]))
    assert law.sf(law.isf([1e-12, 0.1, 0.6])) == pytest.approx([1e-12, 0.1, 0.6], rel=1e-9)
