"""Rows of probabilities: what is accepted as it came, and what each refusal says."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import log_softmax, softmax

from sklearn_mle.metrics._probability_rows import SUM_TOLERANCE, read_rows, sum_tolerance


def rng_rows(n, n_classes, seed=0):
    return np.random.default_rng(seed).normal(scale=3, size=(n, n_classes))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 10, 1000])
def test_softmax_passes_in_every_float_type_and_is_not_changed(dtype, n_classes):
    eta = rng_rows(200, n_classes).astype(dtype)
    for values, is_log in [(softmax(eta, axis=1), False), (log_softmax(eta, axis=1), True)]:
        rows = read_rows(values.astype(dtype), "y_pred", is_log=is_log)
        assert rows.values.dtype == dtype
        np.testing.assert_array_equal(rows.values, values.astype(dtype))
        assert rows.log().dtype == np.float64


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_memory_layout_even_read_only(order):
    values = np.array(softmax(rng_rows(50, 3), axis=1), order=order)
    values.flags.writeable = False
    np.testing.assert_array_equal(read_rows(values, "y_pred").log(), np.log(values))
    np.testing.assert_array_equal(read_rows(values[::2], "y_pred").log(), np.log(values[::2]))


def test_integers_and_objects_are_read_as_float64():
    assert read_rows([[0, 1], [1, 0]], "y_true").values.dtype == np.float64
    assert read_rows(np.array([[0.5, 0.5]], dtype=object), "y_true").values.dtype == np.float64
    assert read_rows(np.array([[0.5, 0.5]], dtype=np.longdouble), "y_true").values.dtype == np.float64


@pytest.mark.parametrize("is_log", [False, True])
def test_sums_are_held_to_the_tolerance_whatever_the_side(is_log):
    for error, passes in [(0.9, True), (1.1, False), (-0.9, True), (-1.1, False)]:
        rows = np.full((7, 4), 0.25)
        rows[5] *= 1 + error * SUM_TOLERANCE
        values = np.log(rows) if is_log else rows
        if passes:
            np.testing.assert_array_equal(read_rows(values, "y_pred", is_log=is_log).values, values)
        else:
            with pytest.raises(ValueError, match=r"row 5 sums to .*, 1.1e-06 from 1 \(tolerance 1e-06; 1 of 7 rows"):
                read_rows(values, "y_pred", is_log=is_log)


def test_tolerance_follows_the_rounding_of_the_dtype():
    assert sum_tolerance(np.dtype(np.float64)) == SUM_TOLERANCE
    assert sum_tolerance(np.dtype(np.float32)) == pytest.approx(3.45e-4, rel=1e-2)
    read_rows(np.array([[0.5, 0.5002]], dtype=np.float32), "y_pred")
    with pytest.raises(ValueError, match=r"tolerance 0\.00035"):
        read_rows(np.array([[0.5, 0.501]], dtype=np.float32), "y_pred")


def test_many_blocks_are_all_checked():
    values = log_softmax(rng_rows(20_000, 10), axis=1)
    read_rows(values, "y_pred", is_log=True)
    values[-1] += 1e-3
    with pytest.raises(ValueError, match=r"row 19999 sums to 1\.0010005"):
        read_rows(values, "y_pred", is_log=True)


def test_second_of_two_classes_is_completed_without_cancellation():
    proba = np.array([0.0, 1e-20, 0.25, 1.0])
    np.testing.assert_array_equal(read_rows(proba, "y_pred").values, [[1, 0], [1, 1e-20], [0.75, 0.25], [0, 1]])
    logs = np.array([-np.inf, -800.0, -50.0, -1e-3, -1e-18, 0.0])
    first = read_rows(logs, "y_pred", is_log=True).values[:, 0]
    # log(1 - exp(x)) = log(-x) + x/2 + x^2/24 + ... near 0, and -exp(x) far from it.
    expected = [0.0, 0.0, -np.exp(-50), np.log(1e-3) - 5e-4 + 1e-6 / 24, np.log(1e-18), -np.inf]
    np.testing.assert_allclose(first, expected, rtol=1e-13)


def test_second_of_two_classes_in_float32_is_completed_in_float64():
    second = np.array([1e-9], dtype=np.float32)
    assert read_rows(second, "y_pred").values[0, 0] == 1 - float(second[0])


@pytest.mark.parametrize(
    ("values", "is_log", "message"),
    [
        ([[0.5, 0.4]], False, r"row 0 sums to 0.9, 0.1 from 1 .*divide each row of y_pred by its sum"),
        ([[0.5, 0.5], [50, 50]], False, r"row 1 sums to 100, 99 from 1"),
        ([[0.5, 0.5]], True, r"exp of row 0 sums to 3.2974.*logsumexp\(y_pred, axis=1, keepdims=True\)"),
        ([[-1e-17, 1.0]], False, r"y_pred\[0, 0\] is -1e-17: probabilities are not negative.*log_proba=True"),
        ([[0.5, 0.5], [0.5, np.nan]], False, r"y_pred\[1, 1\] is nan"),
        ([[0.5, 0.5], [0.5, np.nan]], True, r"y_pred\[1, 1\] is nan"),
        ([[0.0, np.inf]], True, r"row 0 sums to inf"),
        ([[0.0, np.inf]], False, r"row 0 sums to inf"),
        ([[1e300, 0.0]], True, r"row 0 sums to inf"),
        ([[-np.inf, -np.inf]], True, r"row 0 sums to 0, 1 from 1"),
        ([[0.3], [0.4]], False, r"one column speaks of one class; pass y_pred.ravel\(\)"),
        ([0.5, 1.5], False, r"y_pred\[1\] is 1.5: .*a probability in \[0, 1\]"),
        ([-0.5], False, r"y_pred\[0\] is -0.5.*log_proba=True for logarithms"),
        ([np.nan], False, r"y_pred\[0\] is nan"),
        ([0.5], True, r"y_pred\[0\] is 0.5: .*a log-probability, at most 0"),
        ([], False, r"must have shape \(n, K\).*got \(0,\)"),
        (np.zeros((0, 3)), False, r"got \(0, 3\)"),
        (np.zeros((3, 0)), False, r"got \(3, 0\)"),
        (np.zeros((3, 2, 2)), False, r"got \(3, 2, 2\)"),
        (0.5, False, r"got \(\)"),
        ([["a", "b"]], False, "y_pred must hold real numbers; got dtype <U1"),
        (np.array([["a", "b"]], dtype=object), False, "y_pred must hold real numbers; got dtype object"),
        ([[0.5 + 0j, 0.5]], False, "got dtype complex128"),
        (sparse.eye_array(2, format="csr"), False, r"y_pred is sparse; pass y_pred.toarray\(\)"),
    ],
)
def test_refusals_name_row_value_and_remedy(values, is_log, message):
    with pytest.raises(ValueError, match=message):
        read_rows(values, "y_pred", is_log=is_log)


def test_targets_have_their_own_remedy():
    with pytest.raises(ValueError, match="normalize the rows, or pass the row sums as sample_weight"):
        read_rows([[2, 1]], "y_true")
    with pytest.raises(ValueError, match=r"y_true\[0, 0\] is -1.0: probabilities are not negative\.$"):
        read_rows([[-1, 2]], "y_true")
