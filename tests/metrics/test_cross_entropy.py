"""Cross-entropy, entropy and KL divergence: exact values, the identity, infinities, and agreement with log_loss."""

import math
import warnings
from decimal import Decimal, getcontext

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence

BASES = [None, 2, 10]


def random_case(seed, n=60, n_classes=4, scale=3.0):
    rng = np.random.default_rng(seed)
    logs = log_softmax(rng.normal(scale=scale, size=(n, n_classes)), axis=1)
    soft = softmax(rng.normal(scale=scale, size=(n, n_classes)), axis=1)
    soft[0] = np.eye(n_classes)[0]
    hard = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    return logs, soft, hard, rng.integers(0, 4, n) + np.eye(n)[0]


@pytest.mark.parametrize("base", BASES)
def test_by_hand(base):
    unit = math.log(base or math.e)
    assert cross_entropy([0, 1], [[0.5, 0.5], [0.75, 0.25]], base=base) == pytest.approx(
        math.log(8) / 2 / unit, rel=1e-15
    )
    assert entropy([[0.25] * 4, [1, 0, 0, 0]], base=base) == pytest.approx(math.log(4) / 2 / unit, rel=1e-15)
    assert kl_divergence([[0.5, 0.5]], [[0.25, 0.75]], base=base) == pytest.approx(
        math.log(4 / 3) / 2 / unit, rel=1e-14
    )


def test_fifty_digits_at_the_ends_of_the_floats():
    getcontext().prec = 50
    for q in (5e-324, 1e-300, 1e-17, 0.1, 0.5, 1 - 2**-53):
        exact = -Decimal(q).ln()
        assert cross_entropy([1], [[1 - q, q]], labels=[0, 1]) == pytest.approx(float(exact), rel=1e-15)
        assert cross_entropy([1], [q], labels=[0, 1]) == pytest.approx(float(exact), rel=1e-15)


def test_log_probabilities_keep_what_probabilities_lose():
    logs = np.array([[-1e-20, math.log(1e-20)], [-1e4, 0.0]])
    assert cross_entropy([0, 0], logs[:1].repeat(2, axis=0), labels=[0, 1], log_proba=True) == 1e-20
    assert cross_entropy([0], logs[1:], labels=[0, 1], log_proba=True) == 1e4
    assert cross_entropy([0], [-1e-20], labels=[0, 1], log_proba=True) == pytest.approx(-math.log(1e-20), rel=1e-15)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("log_proba", [False, True])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_cross_entropy_is_entropy_plus_divergence(kind, log_proba, weighted, base):
    for seed in range(5):
        logs, soft, hard, weight = random_case(seed)
        y_true = soft if kind == "soft" else hard
        options = {"base": base, "sample_weight": weight if weighted else None}
        y_pred = {"y_pred": logs if log_proba else np.exp(logs), "log_proba": log_proba}
        total = cross_entropy(y_true, **y_pred, **options)
        parts = entropy(y_true, **options) + kl_divergence(y_true, **y_pred, **options)
        assert total == pytest.approx(parts, abs=1e-12, rel=1e-14)


probability_rows = st.lists(st.floats(-700, 0), min_size=3, max_size=3).map(lambda eta: softmax(eta))


@given(st.lists(st.tuples(probability_rows, probability_rows, st.floats(0, 1e6)), min_size=1, max_size=6))
def test_identity_and_sign_for_any_probabilities(rows):
    p, q, weight = (np.array(part) for part in zip(*rows, strict=True))
    weight[0] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfiniteScoreWarning)
        ce, kl = cross_entropy(p, q, sample_weight=weight), kl_divergence(p, q, sample_weight=weight)
    h = entropy(p, sample_weight=weight)
    assert ce == pytest.approx(h + kl, rel=1e-12, abs=1e-12)
    assert kl >= -1e-15
    assert 0 <= h <= math.log(3) + 1e-15
    assert kl_divergence(p, p, sample_weight=weight) == 0


def test_one_hot_rows_are_labels():
    logs, _, hard, weight = random_case(1)
    for metric in (cross_entropy, kl_divergence):
        one_hot = metric(np.eye(4)[hard], logs, log_proba=True, sample_weight=weight)
        assert metric(hard, logs, log_proba=True, sample_weight=weight) == pytest.approx(one_hot, rel=1e-15)
    assert entropy(np.eye(4)[hard]) == entropy(hard) == 0.0


def test_soft_rows_are_weighted_copies():
    logs, soft, _, weight = random_case(2)
    copies = cross_entropy(
        np.tile(np.arange(4), 60),
        np.repeat(logs, 4, axis=0),
        log_proba=True,
        sample_weight=(soft * weight[:, None]).ravel(),
    )
    assert cross_entropy(soft, logs, log_proba=True, sample_weight=weight) == pytest.approx(copies, rel=1e-13)


def test_weights_are_copies():
    logs, soft, hard, weight = random_case(3)
    for y_true in (soft, hard):
        repeated = [np.repeat(part, weight.astype(int), axis=0) for part in (y_true, logs)]
        labels = np.arange(4)
        assert cross_entropy(y_true, logs, labels=labels, log_proba=True, sample_weight=weight) == pytest.approx(
            cross_entropy(*repeated, labels=labels, log_proba=True), rel=1e-13
        )
        assert entropy(y_true, sample_weight=weight) == pytest.approx(entropy(repeated[0]), rel=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("weighted", [False, True])
def test_log_loss_where_it_does_not_clip(n_classes, weighted):
    logs, _, hard, weight = random_case(4, n_classes=n_classes)
    weight = weight if weighted else None
    proba = np.exp(logs)
    assert cross_entropy(hard, proba, sample_weight=weight) == pytest.approx(
        log_loss(hard, proba, sample_weight=weight), rel=1e-13
    )
    text = np.array(list("bdfhjlnprt"))[hard]
    assert cross_entropy(text, proba, sample_weight=weight) == cross_entropy(hard, proba, sample_weight=weight)


def test_second_of_two_labels():
    y, proba = ["no", "yes", "yes"], np.array([0.2, 0.9, 0.6])
    assert cross_entropy(y, proba) == pytest.approx(log_loss(y, proba), rel=1e-14)
    assert cross_entropy(y, np.log(proba), log_proba=True) == pytest.approx(log_loss(y, proba), rel=1e-14)
    assert cross_entropy(y, proba, labels=["yes", "no"]) == pytest.approx(log_loss(y, 1 - proba), rel=1e-14)
    assert cross_entropy([[0.5, 0.5]], [0.5]) == pytest.approx(math.log(2), rel=1e-15)


def test_columns_are_in_the_order_of_labels():
    proba = [[0.7, 0.1, 0.2]]
    assert cross_entropy(["c"], proba, labels=["b", "a", "c"]) == -math.log(0.2)
    assert cross_entropy(["b"], proba, labels=["b", "a", "c"]) == -math.log(0.7)


def test_float32_is_computed_in_float64():
    logs, soft, hard, _ = random_case(5)
    single = logs.astype(np.float32)
    for y_true in (hard, soft):
        assert cross_entropy(y_true, single, log_proba=True) == pytest.approx(
            float(np.mean([-single[i, k].astype(float) for i, k in enumerate(hard)]))
            if y_true is hard
            else float(np.mean(-(soft * single.astype(float)).sum(axis=1))),
            rel=1e-14,
        )
    assert cross_entropy([0], np.array([[0.1, 0.9]], dtype=np.float32), labels=[0, 1]) == -math.log(np.float32(0.1))


def test_rows_within_the_tolerance_are_used_as_they_came():
    assert cross_entropy([0], [[0.5 + 5e-7, 0.5]], labels=[0, 1]) == -math.log(0.5 + 5e-7)


def test_frames():
    proba = pd.DataFrame({"a": [0.5, 0.25], "b": [0.5, 0.75]}, index=[7, 9])
    assert cross_entropy(pd.Series(["a", "b"]), proba, labels=["a", "b"]) == pytest.approx(
        (math.log(2) - math.log(0.75)) / 2
    )
    assert entropy(proba, sample_weight=pd.Series([1, 0])) == pytest.approx(math.log(2), rel=1e-15)


def test_the_columns_of_frames_are_labels():
    for make in (pd.DataFrame, pytest.importorskip("polars").DataFrame):
        q = make({"dog": [0.9, 0.1], "cat": [0.1, 0.9]})
        p = make({"cat": [0.5, 0.25], "dog": [0.5, 0.75]})
        # -log 0.9 a row; by position, that of cat would be -log 0.1.
        assert cross_entropy(["dog", "cat"], q) == pytest.approx(-math.log(0.9), rel=1e-15)
        assert cross_entropy(["dog", "dog"], q) == pytest.approx(-(math.log(0.9) + math.log(0.1)) / 2, rel=1e-15)
        assert cross_entropy(["dog", "cat"], q, labels=["cat", "dog"]) == pytest.approx(-math.log(0.9), rel=1e-15)
        by_hand = -(0.5 * math.log(0.9) + 0.5 * math.log(0.1) + 0.75 * math.log(0.1) + 0.25 * math.log(0.9)) / 2
        assert cross_entropy(p, q) == pytest.approx(by_hand, rel=1e-14)
        assert cross_entropy(p, q, labels=["cat", "dog"]) == pytest.approx(by_hand, rel=1e-14)
        assert kl_divergence(q, make({"cat": [0.1, 0.9], "dog": [0.9, 0.1]})) == 0.0
        # One frame and one array: the array has the frame's columns.
        assert kl_divergence(np.array([[0.9, 0.1], [0.1, 0.9]]), q) == 0.0
        with pytest.raises(ValueError, match=r"y_true has the columns \['cat', 'dog'\], but the classes are"):
            cross_entropy(p, make({"cat": [0.5, 0.5], "cow": [0.5, 0.5]}))
        with pytest.raises(ValueError, match=r"'cow', which is not one of the labels \['dog', 'cat'\]"):
            cross_entropy(["dog", "cow"], q)


def test_a_frame_without_names_is_read_by_position():
    rows = [[0.9, 0.1], [0.1, 0.9]]
    for frame in (pd.DataFrame(rows), pytest.importorskip("polars").DataFrame(rows, orient="row")):
        assert cross_entropy(["cat", "dog"], frame) == pytest.approx(-math.log(0.9), rel=1e-15)
        assert kl_divergence(frame, pd.DataFrame(rows, columns=["dog", "cat"])) == 0.0
    # Numbers in another order are names.
    assert cross_entropy([0, 1], pd.DataFrame(rows, columns=[1, 0])) == pytest.approx(-math.log(0.1), rel=1e-15)


@pytest.mark.parametrize("metric", [cross_entropy, kl_divergence])
def test_one_distribution_is_one_row(metric):
    p, q = [0.2, 0.8], [0.6, 0.4]
    with pytest.raises(ValueError, match=r"0.2 looks like a probability\. .*kl_divergence\(\[p\], \[q\]\)"):
        metric(p, q)
    # The sums of p log q and of p log(p / q).
    expected = -0.2 * math.log(0.6) - 0.8 * math.log(0.4)
    if metric is kl_divergence:
        expected += 0.2 * math.log(0.2) + 0.8 * math.log(0.8)
    assert metric([p], [q]) == pytest.approx(expected, rel=1e-14)
    with pytest.raises(ValueError, match=r"entropy\(\[p\]\)"):
        entropy([0.2, 0.3, 0.5])
    assert entropy([[0.2, 0.3, 0.5]]) == pytest.approx(1.0296530140645737, rel=1e-14)  # mpmath
    assert metric([0.5, 1.5], [[1.0, 0.0], [0.0, 1.0]], labels=[0.5, 1.5]) == 0.0  # names of classes, when said so


def test_polars_frames():
    pl = pytest.importorskip("polars")
    proba = pl.DataFrame({"a": [0.5, 0.25], "b": [0.5, 0.75]})
    assert cross_entropy(pl.Series(["a", "b"]), proba, labels=["a", "b"], sample_weight=pl.Series([1, 0])) == math.log(
        2
    )
    assert entropy(proba) == entropy(proba.to_numpy())


def test_entropy_of_log_probabilities():
    logs = np.array([[0.0, -np.inf], [-math.log(2), -math.log(2)]])
    assert entropy(logs, log_proba=True, base=2) == 0.5
    with pytest.raises(ValueError, match="log-probability rows"):
        entropy([0, 1], log_proba=True)


def test_entropy_of_labels_is_zero_and_checks_them():
    assert entropy(["a", "b"], labels=["a", "b", "c"]) == 0.0
    with pytest.raises(ValueError, match=r"y_true\[1\] is 'b'"):
        entropy(["a", "b"], labels=["a", "c"])


def test_impossible_and_not_happening_costs_nothing():
    assert cross_entropy([[1.0, 0.0]], [[1.0, 0.0]]) == 0.0
    assert kl_divergence([[1.0, 0.0]], [[1.0, 0.0]]) == 0.0
    assert cross_entropy([[0.0, 1.0]], [[-np.inf, 0.0]], log_proba=True) == 0.0


@pytest.mark.parametrize("metric", [cross_entropy, kl_divergence])
@pytest.mark.parametrize(
    ("y_true", "what"),
    [
        (["a", "b", "b", "a"], "y_true is 'b'"),
        ([[1, 0], [0.5, 0.5], [1e-300, 1 - 1e-300], [1, 0]], r"y_true is \[0.5, 0.5\]"),
    ],
)
def test_a_wrong_certainty_costs_infinity_and_says_so_once(metric, y_true, what):
    y_pred = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    message = rf"{metric.__name__} is infinite: 2 of 4 rows are certain and wrong \(the first is row 1, .* {what}\)"
    for values, log_proba in [(y_pred, False), (np.array([[0, -np.inf]] * 3 + [[-math.log(2)] * 2]), True)]:
        with pytest.warns(InfiniteScoreWarning, match=message) as record:
            assert metric(y_true, values, log_proba=log_proba) == math.inf
        assert len(record) == 1
        assert record[0].filename == __file__


def test_rows_without_weight_cannot_be_wrong():
    y_pred = np.array([[1.0, 0.0], [0.5, 0.5]])
    assert cross_entropy([1, 0], y_pred, sample_weight=[0, 2]) == math.log(2)
    with pytest.warns(InfiniteScoreWarning, match=r"1 of 2 rows .* row 0"):
        cross_entropy([1, 0], y_pred, sample_weight=[1, 0])


@pytest.mark.parametrize("base", [1, 0.5, 0, -2, math.inf, math.nan, "2"])
@pytest.mark.parametrize("metric", [cross_entropy, kl_divergence, lambda y, q, base: entropy(y, base=base)])
def test_bases_are_numbers_above_one(metric, base):
    with pytest.raises(ValueError, match="base must be None"):
        metric([0, 1], [[0.5, 0.5], [0.5, 0.5]], base=base)


@pytest.mark.parametrize("metric", [cross_entropy, kl_divergence])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1, 1], [[0.5, 0.5], [0.5, 0.5]]), "y_true has 3 rows and y_pred 2"),
        (([[0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]), "y_true has 1 rows and y_pred 2"),
        (([0, 2], [[0.5, 0.5], [0.5, 0.5]], [0, 1]), r"y_true\[1\] is 2"),
        (([0, 1], [[0.5, 0.5], [0.5, 0.4]]), "y_pred must hold rows of probabilities: row 1 sums to 0.9"),
    ],
)
def test_refusals(metric, arguments, message):
    y_true, y_pred, *labels = arguments
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_pred, labels=labels[0] if labels else None)


@pytest.mark.parametrize("y", [[0, 1], [[0.5, 0.5], [0, 1]]])
def test_refused_weights(y):
    for weight, message in [([1], "must have shape"), ([1, -1], r"sample_weight\[1\] is -1"), ([0, 0], "sums to zero")]:
        with pytest.raises(ValueError, match=message):
            cross_entropy(y, [[0.5, 0.5], [0.5, 0.5]], sample_weight=weight)
        with pytest.raises(ValueError, match=message):
            entropy(y, sample_weight=weight)


@pytest.mark.parametrize("logit", [1e-8, 1.0, 36.5, 37.0, 745.0, 1e4])
def test_extreme_probabilities_at_fifty_digits(logit):
    # The two log-probabilities of a logit, and of what happened the unlikely and the likely one.
    logs = np.array([[-np.logaddexp(0, logit), -np.logaddexp(0, -logit)]])
    with mp.workdps(50):
        unlikely, likely = -mp.log1p(mp.exp(mpf(logit))), -mp.log1p(mp.exp(-mpf(logit)))
        p = mpf("0.25")
        mixed = -(p * unlikely + (1 - p) * likely)
        divergence = mixed + p * mp.log(p) + (1 - p) * mp.log(1 - p)
        expected = [float(value) for value in (-unlikely, -likely, mixed, divergence)]
    soft = [[0.25, 0.75]]
    assert cross_entropy([0], logs, labels=[0, 1], log_proba=True) == pytest.approx(expected[0], rel=1e-15)
    assert cross_entropy([1], logs, labels=[0, 1], log_proba=True) == pytest.approx(expected[1], rel=1e-15)
    assert cross_entropy(soft, logs, log_proba=True) == pytest.approx(expected[2], rel=1e-15)
    assert kl_divergence(soft, logs, log_proba=True) == pytest.approx(expected[3], rel=1e-14)


@pytest.mark.parametrize("step", [1e-9, 1e-12, 3e-16, 1e-3])
def test_a_divergence_of_near_rows_is_not_negative(step):
    """Two classes at one half: KL = 2 step^2 to first order, where probabilities sum to one but for a rounding."""
    for p, q in (([0.5, 0.5], [0.5 + step, 0.5 - step]), ([0.5 + step, 0.5 - step], [0.5, 0.5])):
        difference = np.array(p) - np.array(q)
        found = kl_divergence([p], [q])
        assert found >= 0
        np.testing.assert_allclose(found, (difference**2).sum(), rtol=4 * step**2 + 1e-12)
