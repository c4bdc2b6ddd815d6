"""Negative log-likelihood, interval score, coverage and the integral transform."""

import numpy as np
import pytest
from scipy import stats

from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.likelihoods import Tweedie
from sklearn_mle.metrics import coverage, interval_score, negative_log_likelihood, pit_histogram, pit_values

RNG = np.random.default_rng(0)


def test_negative_log_likelihood_is_the_mean_in_any_unit():
    y, mean, std = RNG.normal(size=20), RNG.normal(size=20), RNG.uniform(0.5, 2, 20)
    rows = -stats.norm(mean, std).logpdf(y)
    weight = RNG.integers(0, 3, 20)
    assert negative_log_likelihood(y, stats.norm(mean, std)) == pytest.approx(rows.mean(), rel=1e-14)
    assert negative_log_likelihood(y, stats.norm(mean, std), sample_weight=weight, base=2) == pytest.approx(
        np.average(rows, weights=weight) / np.log(2), rel=1e-14
    )
    counts = stats.poisson(np.exp(mean))
    assert negative_log_likelihood(np.arange(20), counts) == pytest.approx(-counts.logpmf(np.arange(20)).mean())


def test_extreme_tails_stay_in_logarithms():
    assert negative_log_likelihood([1e10], stats.norm()) == pytest.approx(5e19, rel=1e-12)
    assert negative_log_likelihood([1000], stats.poisson(1e-3)) == pytest.approx(-stats.poisson(1e-3).logpmf(1000))


def test_an_impossible_outcome_is_said_with_its_row():
    with pytest.warns(InfiniteScoreWarning, match=r"1 of 3 outcomes .*y_true\[2\] = 2.0, density 0\)") as record:
        assert negative_log_likelihood([0.5, 0.5, 2.0], stats.uniform(0, 1)) == np.inf
    assert len(record) == 1 and record[0].filename == __file__
    assert negative_log_likelihood([0.5, 2.0], stats.uniform(0, 1), sample_weight=[1, 0]) == 0
    with pytest.warns(InfiniteScoreWarning, match="density inf"):
        assert negative_log_likelihood([0.0], stats.norm(0.0, 0.0)) == -np.inf


def test_interval_score_by_hand_and_propriety():
    y, interval = [0.0, 3.0, -2.0], [[-1.0, 1.0], [0.0, 2.5], [0.0, 1.0]]
    assert interval_score(y, interval, coverage=0.5) == pytest.approx((2 + (2.5 + 4 * 0.5) + (1 + 4 * 2)) / 3)
    assert interval_score(y, interval, coverage=0.5, sample_weight=[0, 2, 0]) == pytest.approx(4.5)
    sample = RNG.normal(size=20_000)
    scores = {
        half: interval_score(sample, np.tile([-half, half], (20_000, 1)), coverage=0.9)
        for half in (1.2, stats.norm.ppf(0.95), 2.2)
    }
    assert min(scores, key=scores.get) == stats.norm.ppf(0.95)


def test_coverage_counts_ends_and_weights():
    interval = [[0.0, 1.0]] * 4
    assert coverage([0.0, 1.0, 0.5, 1.1], interval) == 0.75
    assert coverage([0.0, 1.0, 0.5, 1.1], interval, sample_weight=[1, 0, 0, 1]) == 0.5
    assert coverage([7.0], [[-np.inf, np.inf]]) == 1


@pytest.mark.parametrize("metric", [interval_score, coverage])
def test_intervals_that_are_none(metric):
    with pytest.raises(ValueError, match=r"interval must have shape \(2, 2\), lower and upper .* got \(2,\)"):
        metric([0.0, 1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"interval\[1\] is \[2.0, 1.0\]: the lower end must not exceed"):
        metric([0.0, 1.0], [[0.0, 1.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match=r"interval\[0\] is \[nan, 1.0\]"):
        metric([0.0, 1.0], [[np.nan, 1.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="y_true is empty"):
        metric([], np.empty((0, 2)))
    with pytest.raises(ValueError, match=r"sample_weight\[1\] is -1.0"):
        metric([0.0, 1.0], [[0.0, 1.0]] * 2, sample_weight=[1.0, -1.0])


@pytest.mark.parametrize("value", [0, 1, 90, np.nan])
def test_a_coverage_that_is_no_probability(value):
    with pytest.raises(ValueError, match="coverage must be between 0 and 1"):
        interval_score([0.0], [[0.0, 1.0]], coverage=value)


def test_pit_of_densities_masses_and_atoms():
    y = np.array([-1.0, 0.0, 2.0])
    continuous = pit_values(y, stats.norm(0.3, 2.0))
    np.testing.assert_allclose(continuous, np.column_stack([stats.norm(0.3, 2.0).cdf(y)] * 2), rtol=1e-14)
    counts = pit_values(y, stats.poisson([1.0, 1.0, 3.0]))
    np.testing.assert_allclose(counts[:, 1], stats.poisson([1.0, 1.0, 3.0]).cdf(y))
    np.testing.assert_allclose(counts[:, 0], stats.poisson([1.0, 1.0, 3.0]).cdf(y - 1))
    tweedie = Tweedie(power=1.5).distribution(np.zeros((2, 2)))
    at_zero, above = pit_values(np.array([0.0, 1.0]), tweedie)
    assert at_zero[0] == 0 and at_zero[1] == pytest.approx(np.exp(-2))
    assert above[0] == pytest.approx(above[1], rel=1e-12)
    assert pit_values([-38.0], stats.norm())[0, 1] == pytest.approx(stats.norm.cdf(-38), rel=1e-13)


@pytest.mark.parametrize("mean", [0.05, 0.7, 8.0])
def test_the_histogram_of_right_forecasts_is_flat_for_counts(mean):
    # Exact: over all outcomes, each with its probability as its weight, the mean is uniform (Czado et al. 2009).
    y = np.arange(200)
    heights, edges = pit_histogram(y, stats.poisson(mean), n_bins=7, sample_weight=stats.poisson(mean).pmf(y))
    np.testing.assert_allclose(heights, 1.0, rtol=1e-12)
    np.testing.assert_array_equal(edges, np.linspace(0, 1, 8))


def test_the_histogram_of_densities_counts_values():
    y = RNG.normal(size=500)
    heights, edges = pit_histogram(y, stats.norm(0.2, 1.5), n_bins=10)
    counted, _ = np.histogram(stats.norm(0.2, 1.5).cdf(y), bins=edges)
    np.testing.assert_allclose(heights, counted / 50)
    weight = RNG.integers(0, 3, 500).astype(float)
    heights, _ = pit_histogram(y, stats.norm(0.2, 1.5), n_bins=10, sample_weight=weight)
    repeated, _ = pit_histogram(np.repeat(y, weight.astype(int)), stats.norm(0.2, 1.5), n_bins=10)
    np.testing.assert_allclose(heights, repeated)


def test_impossible_outcomes_are_counted_at_the_ends():
    heights, _ = pit_histogram([-1.0, 2.0, 2.0, 0.5], stats.uniform(), n_bins=4)
    np.testing.assert_allclose(heights, [1.0, 1.0, 0.0, 2.0])


@pytest.mark.parametrize("n_bins", [0, 2.5, True, "10"])
def test_bins_that_are_no_number(n_bins):
    with pytest.raises(ValueError, match="n_bins must be a whole number of at least 1"):
        pit_histogram([0.0], stats.norm(), n_bins=n_bins)


def test_the_warning_counts_rows_of_positive_weight_alone():
    with pytest.warns(InfiniteScoreWarning, match=r"1 of 3 outcomes have density 0 .*\(the first is y_true\[2\] = 7.0"):
        negative_log_likelihood([5.0, 0.5, 7.0], stats.uniform(), sample_weight=[0.0, 1.0, 1.0])
