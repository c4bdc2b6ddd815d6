"""Remainders and ratios against forty digits, also where the textbook's formula would have none left."""

import numpy as np
import pytest

from sklearn_mle._numerics.quantiles import weighted_quantile
from sklearn_mle.likelihoods._special import (
    bernoulli_divergence,
    exp_times_expm1,
    log1p_ratio,
    poisson_saturated,
    stirling_remainder,
)
from sklearn_mle.likelihoods._start import median_and_spread

# By mpmath with 60 digits: the argument, then the function and what else it returns.
STIRLING = {
    1e-300: (8.3333333333333335e-302, 8.3333333333333335e-302, -0.0),
    1e-12: (8.3333333333333332e-14, 8.3333333333333332e-14, -1.6666666666666666e-38),
    0.001: (8.3333330555556351e-5, 8.333332500000397e-5, -1.6666650793675795e-11),
    0.0625: (0.0052076559196096404, 0.0052063025971339085, -4.0539649912009128e-6),
    0.0626: (0.0052159859985732327, 0.0052146261794082134, -4.0734070537499377e-6),
    0.3: (0.024926812303817197, 0.024783852584379146, -0.00041597139832518621),
    1.0: (0.081061466795327258, 0.077215664901532861, -0.0094972629548392847),
    10.0: (0.51274008133191494, 0.31211698474170311, -0.20990097797547863),
    1e8: (8.2914020272061609, 0.49999982156534904, -0.49999965313069793),
    1e250: (286.90419809105104, 0.5, -0.5),
}
RATIO = {
    1e-290: (1.0, -5.0000000000000003e-291, 0.0),
    1e-9: (0.9999999995, -4.9999999933333336e-10, 6.6666666516666675e-19),
    0.03: (0.98529340805148009, -0.0144196216437131, 0.00056136601341357077),
    0.0315: (0.98457312791014164, -0.015111179291624915, 0.00061687978394466539),
    -0.02: (1.0101353658759724, 0.010272797389333702, 0.00027906161450210862),
    -0.5: (1.3862943611198906, 0.61370563888010938, 0.77258872223978124),
    -0.999999: (13.815524373459892, 999986.18444687088, 999996999970.11981),
    1.0: (0.69314718055994531, -0.19314718055994531, 0.13629436111989062),
    1e300: (6.9077552789821367e-298, -6.8977552789821367e-298, 1.3785510557964273e-297),
}
SATURATED = {
    0.0: 0.0,
    0.001: 0.0073313616806987676,
    0.5: 0.72579135264472743,
    1.0: 1.0,
    15.5: 2.2947341442002,
    16.0: 2.310440550244173,
    16.5: 2.3256686109895232,
    100.0: 3.2223569567543533,
    1e6: 7.8266938955201431,
    1e12: 14.73444909116903,
}


@pytest.mark.parametrize("u", STIRLING)
@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_the_remainder_of_stirling_s_formula(u, dtype):
    found = stirling_remainder(np.array([u, 0.07, u], dtype=dtype))
    for part, expected in zip(found, STIRLING[u], strict=True):
        assert part.dtype == dtype
        assert part[0] == part[2]
        assert float(part[0]) == pytest.approx(expected, rel=2e-15, abs=0 if u <= 1 / 16 else 2e-14)
    # A constant argument is computed once; the rows are the same.
    constant = stirling_remainder(np.full(5, u, dtype=dtype))
    for part, whole in zip(constant, found, strict=True):
        np.testing.assert_array_equal(part, np.full(5, whole[0]))
    # A row's digits do not depend on how many others there are.
    for part, whole in zip(stirling_remainder(np.array([u, 0.01], dtype=dtype)), found, strict=True):
        assert part[0] == whole[0]


@pytest.mark.parametrize("u", RATIO)
def test_the_ratio_of_the_logarithm(u):
    for part, expected in zip(log1p_ratio(np.array([u])), RATIO[u], strict=True):
        assert part[0] == pytest.approx(expected, rel=2e-13)
    assert [float(part[0]) for part in log1p_ratio(np.zeros(1))] == [1, 0, 0]


@pytest.mark.parametrize("y", SATURATED)
def test_the_saturated_poisson(y):
    assert poisson_saturated(np.array([y, 3.0]))[0] == pytest.approx(SATURATED[y], rel=1e-13, abs=4e-15)


def test_products_of_exponentials_at_extremes():
    log_factor = np.array([-1000.0, 1000.0, 1000.0, 0.0, -700.0, 2.0])
    delta = np.array([1000.0, -1000.0, 0.0, 1e-10, 740.0, 45.5])
    expected = [1, -np.inf, 0, np.expm1(1e-10), np.exp(40.0), np.exp(47.5)]
    with np.errstate(over="ignore", invalid="ignore"):  # as in every formula of a likelihood
        found = exp_times_expm1(log_factor, delta)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("distance", [-1.0, -1e-8, 0.0, 1e-6, 0.7])
def test_the_divergence_of_near_trials(distance):
    mean = np.array([0.1, 0.5, 0.999])
    odds = np.log(mean / (1 - mean)) - distance
    other = 1 / (1 + np.exp(-odds))
    expected = mean * np.log(mean / other) + (1 - mean) * np.log((1 - mean) / (1 - other))
    found = bernoulli_divergence(mean, 1 - mean, np.full(3, distance))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-15)
    if abs(distance) < 1e-5:
        np.testing.assert_allclose(found, 0.5 * mean * (1 - mean) * distance**2, rtol=1e-6, atol=1e-23)


def test_weighted_quantiles_are_those_of_copies():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 9, 30).astype(float)
    for seed in range(10):
        weight = np.random.default_rng(seed).integers(0, 4, 30)
        copies = np.repeat(y, weight)
        for level in (0.1, 0.5, 0.75):
            assert weighted_quantile(y, weight.astype(float), level) == weighted_quantile(copies, None, level)
        assert weighted_quantile(y, weight.astype(float), 0.5) == np.median(copies)
    assert median_and_spread(np.array([1.0, 2.0, 2.0, 2.0, 9.0]), None) == (2.0, pytest.approx(1.6))
