"""The decomposition of cross-entropy: exact sums, signs, known cases, bias and standard errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.isotonic import IsotonicRegression

from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics import cross_entropy, cross_entropy_decomposition, entropy, kl_divergence

STRATEGIES = ["isotonic", "classwise", "bins"]


@st.composite
def forecasts(draw):
    """Labels or soft labels, probabilities of which many are tied, and weights of which some are zero."""
    n, n_classes = draw(st.integers(2, 25)), draw(st.integers(2, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    q = softmax(np.round(rng.normal(size=(n, n_classes)), draw(st.integers(0, 3))), axis=1)
    y = rng.dirichlet(np.ones(n_classes), size=n) if draw(st.booleans()) else rng.integers(0, n_classes, n)
    weight = rng.integers(0, 4, n).astype(float)
    weight[0] = 1
    return y, q, weight if draw(st.booleans()) else None


@given(forecasts(), st.sampled_from(STRATEGIES), st.sampled_from([None, 2]))
def test_the_parts_add_up(rows, strategy, base):
    y, q, weight = rows
    labels = range(q.shape[1])
    parts = cross_entropy_decomposition(
        y, q, strategy=strategy, n_bins=3, labels=labels, sample_weight=weight, base=base
    )
    assert parts.total == cross_entropy(y, q, labels=labels, sample_weight=weight, base=base)
    assert parts.entropy == pytest.approx(entropy(y, labels=labels, sample_weight=weight, base=base), abs=1e-15)
    for one in (parts, parts.bias_corrected()):
        assert one.uncertainty - one.discrimination + one.miscalibration == pytest.approx(one.total, abs=1e-12)
    assert parts.kl_divergence + parts.within_group_remainder == pytest.approx(parts.miscalibration, abs=1e-12)
    used = slice(None) if weight is None else weight > 0
    of_rows = None if weight is None else weight[used]
    r = parts.recalibrated[used]
    np.testing.assert_allclose(r.sum(axis=1), 1, rtol=1e-12)
    assert parts.kl_divergence == pytest.approx(kl_divergence(r, q[used], sample_weight=of_rows, base=base), abs=1e-12)
    recalibrated = cross_entropy(np.asarray(y)[used], r, labels=labels, sample_weight=of_rows, base=base)
    assert parts.total - parts.miscalibration == pytest.approx(recalibrated, abs=1e-12)
    if strategy != "classwise":
        assert parts.discrimination >= -1e-12
    if strategy == "isotonic":
        assert parts.miscalibration >= -1e-12


@given(forecasts(), st.sampled_from(STRATEGIES))
def test_weights_are_copies(rows, strategy):
    y, q, weight = rows
    if weight is None:
        return
    copies = np.repeat(np.arange(len(q)), weight.astype(int))
    labels = range(q.shape[1])
    weighted = cross_entropy_decomposition(y, q, strategy=strategy, labels=labels, sample_weight=weight)
    repeated = cross_entropy_decomposition(np.asarray(y)[copies], q[copies], strategy=strategy, labels=labels)
    for name in ("total", "uncertainty", "discrimination", "miscalibration", "kl_divergence", "n_obs", "n_parameters"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), abs=1e-10), name


def test_two_classes_are_recalibrated_by_isotonic_regression():
    rng = np.random.default_rng(0)
    q = np.round(rng.uniform(size=200), 2).clip(0.01, 0.99)
    y = (rng.uniform(size=200) < q**2).astype(int)
    fit = IsotonicRegression().fit_transform(q, y)
    for strategy in ("isotonic", "classwise"):
        parts = cross_entropy_decomposition(y, q, strategy=strategy)
        np.testing.assert_allclose(parts.recalibrated[:, 1], fit, atol=1e-12)
    assert parts.miscalibration == pytest.approx(cross_entropy(y, q) - cross_entropy(y, fit), rel=1e-12)


def test_forecasts_constant_within_bins_leave_no_remainder():
    q = np.repeat([0.2, 0.5, 0.9], 20)
    y = (np.arange(60) % 20 < np.repeat([6, 10, 15], 20)).astype(int)
    for strategy in STRATEGIES:
        parts = cross_entropy_decomposition(y, q, strategy=strategy, n_bins=3)
        frequencies = np.repeat([0.3, 0.5, 0.75], 20)
        np.testing.assert_allclose(parts.recalibrated[:, 1], frequencies, rtol=1e-14)
        assert parts.within_group_remainder == pytest.approx(0, abs=1e-15)
        r = np.column_stack([1 - frequencies, frequencies])
        assert parts.miscalibration == pytest.approx(kl_divergence(r, np.column_stack([1 - q, q])), rel=1e-12)
        assert parts.uncertainty == pytest.approx(entropy([[29 / 60, 31 / 60]]), rel=1e-12)
    bins = cross_entropy_decomposition(y, q, strategy="bins", n_bins=3)
    assert (bins.n_parameters, bins.n_base_parameters) == pytest.approx((3, 1))
    correction = bins.miscalibration - bins.bias_corrected().miscalibration
    assert correction == pytest.approx(3 / 120, rel=1e-12)


def test_classwise_counts_the_levels_of_every_class():
    """Of a class a level counts 1 - r, as its mean of (t - r)^2 / r is; over the K classes that is K - 1 a level."""
    shares = np.array([[12, 5, 3], [6, 10, 4], [2, 3, 15]])  # of 20 rows each: every class has three levels
    y = np.concatenate([np.repeat([0, 1, 2], counts) for counts in shares])
    parts = cross_entropy_decomposition(y, np.repeat(shares / 20, 20, axis=0), strategy="classwise")
    assert parts.miscalibration == pytest.approx(0, abs=1e-14)
    assert (parts.n_parameters, parts.n_base_parameters) == pytest.approx((1.5 * 3 * 2, 2))
    better = parts.bias_corrected()
    assert better.miscalibration == pytest.approx(-9 / 120, rel=1e-12)
    assert better.uncertainty - parts.uncertainty == pytest.approx(2 / 120, rel=1e-12)
    assert better.discrimination - parts.discrimination == pytest.approx(-7 / 120, rel=1e-12)


def test_bins_do_not_know_which_class_is_first():
    """A heavy forecast goes where its middle is: into the lower bin here, from whichever end one counts."""
    q, y, weight = np.array([0.2, 0.2, 0.5, 0.5, 0.8, 0.8]), np.array([0, 1, 0, 1, 0, 1]), np.array([0, 1, 2, 4, 1, 2])
    parts = cross_entropy_decomposition(y, q, strategy="bins", n_bins=2, sample_weight=weight)
    mirrored = cross_entropy_decomposition(1 - y, 1 - q, strategy="bins", n_bins=2, sample_weight=weight)
    assert parts.discrimination == pytest.approx(mirrored.discrimination, rel=1e-12)
    np.testing.assert_allclose(parts.recalibrated[[1, 3, 5], 1], [5 / 7, 5 / 7, 2 / 3])


def test_what_is_kept_by_a_monotone_change_of_the_forecast_is_discrimination():
    rng = np.random.default_rng(1)
    eta = rng.normal(size=300)
    y = (rng.uniform(size=300) < 1 / (1 + np.exp(-eta))).astype(int)
    honest = cross_entropy_decomposition(
        y, np.column_stack([-np.logaddexp(0, eta), -np.logaddexp(0, -eta)]), log_proba=True
    )
    # So sure that probabilities would round to 0 and 1, and could not be ranked.
    sure = 400 * eta
    logs = np.column_stack([-np.logaddexp(0, sure), -np.logaddexp(0, -sure)])
    overconfident = cross_entropy_decomposition(y, logs, log_proba=True)
    assert overconfident.discrimination == pytest.approx(honest.discrimination, rel=1e-12)
    assert overconfident.uncertainty == honest.uncertainty
    assert overconfident.miscalibration > 50


def test_a_certain_and_wrong_row_is_infinite_miscalibration():
    with pytest.warns(InfiniteScoreWarning, match="cross_entropy_decomposition is infinite: 1 of 4") as record:
        parts = cross_entropy_decomposition([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.0])
    assert len(record) == 1
    assert parts.total == parts.miscalibration == np.inf
    assert np.isfinite(parts.discrimination) and not np.isnan(parts.within_group_remainder)


def test_classes_that_do_not_occur_and_the_order_of_labels():
    rng = np.random.default_rng(2)
    q = rng.dirichlet(np.ones(3), size=40)
    y = rng.integers(0, 2, 40)
    for strategy in STRATEGIES:
        parts = cross_entropy_decomposition(y, q, strategy=strategy, labels=[0, 1, 2])
        assert parts.n_base_parameters == pytest.approx(1)
        np.testing.assert_array_equal(parts.recalibrated[:, 2], 0)
        swapped = cross_entropy_decomposition(y, q[:, ::-1], strategy=strategy, labels=[2, 1, 0])
        assert swapped.uncertainty == pytest.approx(parts.uncertainty, rel=1e-14)
        if strategy != "isotonic":
            assert swapped.miscalibration == pytest.approx(parts.miscalibration, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "strategy", "raw", "tolerance"), [(60, "isotonic", 0.05, 0.03), (600, "isotonic", 0.02, 0.005)]
)
def test_the_correction_takes_away_what_a_perfect_forecast_seems_to_lack(n, strategy, raw, tolerance):
    # The exact parts of q uniform and right: miscalibration 0, uncertainty log 2, discrimination log 2 - 1/2.
    rng = np.random.default_rng(3)
    found, corrected = [], []
    for _ in range(80):
        q = rng.uniform(size=n)
        y = (rng.uniform(size=n) < q).astype(int)
        parts = cross_entropy_decomposition(y, q, strategy=strategy, labels=[0, 1])
        better = parts.bias_corrected()
        found.append(parts.miscalibration)
        corrected.append([better.miscalibration, better.uncertainty, better.discrimination])
    assert np.mean(found) > raw
    np.testing.assert_allclose(np.mean(corrected, axis=0), [0, np.log(2), np.log(2) - 0.5], atol=tolerance)


def test_standard_errors_are_those_of_new_samples():
    def sample(seed):
        rng = np.random.default_rng(seed)
        q = rng.uniform(0.05, 0.95, size=400)
        y = (rng.uniform(size=400) < q**2).astype(int)
        return y, q

    names = ("total", "uncertainty", "discrimination", "miscalibration")
    one = cross_entropy_decomposition(*sample(0), n_resamples=100).standard_error
    parts = [cross_entropy_decomposition(*sample(seed)) for seed in range(1, 150)]
    for name in names:
        spread = np.std([getattr(part, name) for part in parts], ddof=1)
        assert getattr(one, name) == pytest.approx(spread, rel=0.35), name


def test_resamples_are_seeded_and_count_weights_as_copies():
    y, q = np.tile([0, 1, 1], 20), np.tile([0.3, 0.6, 0.7], 20)
    first = cross_entropy_decomposition(y, q, n_resamples=20, random_state=5)
    again = cross_entropy_decomposition(y, q, n_resamples=20, random_state=5)
    other = cross_entropy_decomposition(y, q, n_resamples=20, random_state=6)
    assert first.standard_error == again.standard_error != other.standard_error
    assert cross_entropy_decomposition(y, q).standard_error is None
    # Three rows of weight 20 are sixty rows.
    heavy = cross_entropy_decomposition([0, 1, 1], [0.3, 0.6, 0.7], sample_weight=[20] * 3, n_resamples=400)
    copies = cross_entropy_decomposition(y, q, n_resamples=400)
    assert heavy.standard_error.total == pytest.approx(copies.standard_error.total, rel=0.2)
    bits = cross_entropy_decomposition(y, q, n_resamples=20, random_state=5, base=2)
    assert bits.standard_error.total == pytest.approx(first.standard_error.total / np.log(2))
    assert bits.bias_corrected().miscalibration == pytest.approx(first.bias_corrected().miscalibration / np.log(2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "platt"}, r"strategy must be one of \['isotonic', 'classwise', 'bins'\]; got 'platt'"),
        ({"n_bins": 0}, "n_bins must be a whole number of at least 1; got 0"),
        ({"n_bins": 2.5}, "n_bins must be a whole number"),
        ({"n_resamples": -1}, "n_resamples must be a whole number of at least 0; got -1"),
        ({"n_resamples": True}, "n_resamples must be a whole number"),
        ({"sample_weight": [1, -1]}, r"sample_weight\[1\] is -1.0"),
        ({"labels": [0, 2]}, r"y_true\[1\] is 1, which is not one of the labels"),
        ({"base": 1}, "base must be None"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        cross_entropy_decomposition([0, 1], [0.4, 0.6], **arguments)
    with pytest.raises(ValueError, match="row 1 sums to 0.9"):
        cross_entropy_decomposition([0, 1], [[0.5, 0.5], [0.4, 0.5]])
