"""Jensen-Shannon divergence, information gain and D2: identities, exactness, and agreement with scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from sklearn.metrics import d2_log_loss_score

from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics import (
    cross_entropy,
    d2_cross_entropy,
    entropy,
    information_gain,
    jensen_shannon_divergence,
    kl_divergence,
)


@st.composite
def pairs(draw):
    n, n_classes = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    numbers = st.lists(st.sampled_from([0.0, 1e-12, 1e-3, 0.2, 1.0, 3.0]), min_size=n_classes, max_size=n_classes)
    rows = st.lists(numbers.filter(any), min_size=n, max_size=n)
    p, q = np.array(draw(rows)), np.array(draw(rows))
    return p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)


@given(pairs())
def test_jensen_shannon_is_symmetric_bounded_and_made_of_two_divergences(rows):
    p, q = rows
    js = jensen_shannon_divergence(p, q)
    assert 0 <= js <= np.log(2) * (1 + 1e-12)
    assert js == pytest.approx(jensen_shannon_divergence(q, p), rel=1e-12, abs=1e-300)
    middle = (p + q) / 2
    assert js == pytest.approx((kl_divergence(p, middle) + kl_divergence(q, middle)) / 2, rel=1e-9, abs=1e-15)
    assert js == pytest.approx(entropy(middle) - (entropy(p) + entropy(q)) / 2, abs=1e-14)
    assert jensen_shannon_divergence(p, p) == 0


@given(pairs(), st.integers(0, 4))
def test_jensen_shannon_grows_with_the_classes_that_are_told_apart(rows, k):
    # Data processing: merging two classes cannot part the distributions further.
    p, q = rows
    n_classes = p.shape[1]
    if n_classes == 2:
        return
    k %= n_classes - 1
    merged = [np.column_stack([np.delete(a, [k, k + 1], axis=1), a[:, k] + a[:, k + 1]]) for a in (p, q)]
    assert jensen_shannon_divergence(*merged) <= jensen_shannon_divergence(p, q) + 1e-15


def test_jensen_shannon_of_near_distributions_keeps_its_digits():
    p, q = np.array([[0.3, 0.7]]), np.array([[0.3 + 2.0**-30, 0.7 - 2.0**-30]])
    with mp.workdps(50):
        expected = mpf(0)
        for a, b in zip(p[0], q[0], strict=True):
            a, b = mpf(float(a)), mpf(float(b))
            expected += (a * mp.log(2 * a / (a + b)) + b * mp.log(2 * b / (a + b))) / 2
        # The two rows' sums differ from 1 by roundings, which the logarithms see and the identity does not.
        expected = float(expected)
    assert jensen_shannon_divergence(p, q) == pytest.approx(expected, rel=1e-6)


def test_jensen_shannon_of_labels_logarithms_weights_and_bits():
    q = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    hard = jensen_shannon_divergence(["a", "b", "b"], q, base=2)
    assert hard == pytest.approx(jensen_shannon_divergence([[1, 0], [0, 1], [0, 1]], q, base=2), rel=1e-14)
    with np.errstate(divide="ignore"):
        assert jensen_shannon_divergence(["a", "b", "b"], np.log(q), log_proba=True, base=2) == pytest.approx(hard)
    assert jensen_shannon_divergence([0, 1, 1], q, sample_weight=[0, 0, 3], base=2) == 1
    with pytest.raises(ValueError, match=r"row 1 sums to 1.25"):
        jensen_shannon_divergence([0, 1], [[0.5, 0.5], [0.5, 0.75]])


@given(pairs())
def test_gain_and_d2_are_the_cross_entropy_beside_the_frequencies(rows):
    p, q = rows
    q = 0.9 * q + 0.1 / q.shape[1]
    base = np.tile(p.mean(axis=0), (len(p), 1))
    best = cross_entropy(p, base)
    gain = information_gain(p, q)
    assert gain == pytest.approx(best - cross_entropy(p, q), abs=1e-13)
    assert information_gain(p, base) == pytest.approx(0, abs=1e-13)
    # The constant of the frequencies is the best constant.
    assert gain <= best + 1e-13
    if best > 1e-6:
        assert d2_cross_entropy(p, q) == pytest.approx(gain / best, abs=1e-9)
        assert d2_cross_entropy(p, base) == pytest.approx(0, abs=1e-9)


def test_d2_is_scikit_learns_where_that_does_not_clip():
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(4), size=60)
    y, weight = rng.integers(0, 4, 60), rng.uniform(size=60)
    assert d2_cross_entropy(y, q) == pytest.approx(d2_log_loss_score(y, q), rel=1e-12)
    assert d2_cross_entropy(y, q, sample_weight=weight) == pytest.approx(
        d2_log_loss_score(y, q, sample_weight=weight), rel=1e-12
    )


def test_units_weights_and_logarithms():
    y, q = [0, 0, 1, 1], np.array([0.25, 0.25, 0.75, 0.75])
    gain = information_gain(y, q)
    assert information_gain(y, q, base=2) == pytest.approx(gain / np.log(2))
    assert information_gain(y, np.log(q), log_proba=True) == pytest.approx(gain)
    assert information_gain([0, 1], [0.25, 0.75], sample_weight=[2, 2]) == pytest.approx(gain)
    assert information_gain([0, 1, 1], [0.25, 0.75, 0.0], sample_weight=[2, 2, 0]) == pytest.approx(gain)
    assert information_gain(["b", "b"], [[0.5, 0.5]] * 2, labels=["a", "b"]) == pytest.approx(-np.log(2))


def test_certain_and_wrong_is_infinite():
    with pytest.warns(InfiniteScoreWarning):
        assert information_gain([0, 1], [0.5, 0.0]) == -np.inf
    with pytest.warns(InfiniteScoreWarning):
        assert d2_cross_entropy([0, 1], [0.5, 0.0]) == -np.inf


def test_of_one_class_there_is_nothing_to_know():
    with pytest.raises(ValueError, match="y_true has only one class"):
        d2_cross_entropy([1, 1], [0.5, 0.5], labels=[0, 1])
    with pytest.raises(ValueError, match="y_true has only one class"):
        d2_cross_entropy([0, 1], [0.5, 0.5], sample_weight=[0, 1])
