"""Targets: labels of every kind are encoded alike, and what is not a target is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import DataConversionWarning

from sklearn_mle.metrics._probability_rows import ProbabilityRows
from sklearn_mle.metrics._targets import LabelTarget, distinct, encode, read_target

CODES = np.array([2, 0, 1, 1, 2, 0, 0])
VOCABULARIES = {
    "0..K-1": np.arange(3),
    "reversed": np.array([2, 1, 0]),
    "shifted": np.array([-5, 7, 100]),
    "far apart": np.array([-(10**15), 0, 10**15]),
    "huge": np.array([2**63 + 1, 2**63 + 2, 2**64 - 1], dtype=np.uint64),
    "int8": np.array([-128, 0, 127], dtype=np.int8),
    "uint8": np.array([255, 0, 7], dtype=np.uint8),
    "floats": np.array([0.5, -1.0, 3.0]),
    "text": np.array(["cat", "a much longer dog", "bird"]),
    "objects": np.array(["x", "z", "y"], dtype=object),
    "mixed": np.array([1, "one", None], dtype=object),
    "tuples": np.fromiter([(1, 2), (0, 1), (3,)], dtype=object),
}


@pytest.mark.parametrize("labels", VOCABULARIES.values(), ids=VOCABULARIES)
def test_codes_are_positions_in_labels(labels):
    y = labels[CODES]
    np.testing.assert_array_equal(encode(y, labels), CODES)
    np.testing.assert_array_equal(encode(y, labels[:2]), np.where(CODES == 2, -1, CODES))
    np.testing.assert_array_equal(encode(y, labels[2:]), np.where(CODES == 2, 0, -1))


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9), min_size=1),
    st.lists(st.integers(-9, 9), min_size=1, unique=True),
)
def test_integers_are_encoded_as_python_would(y, labels):
    expected = [labels.index(value) if value in labels else -1 for value in y]
    np.testing.assert_array_equal(encode(np.array(y, dtype=np.int64), np.array(labels)), expected)


def test_equal_numbers_match_across_types_and_text_never_matches_numbers():
    np.testing.assert_array_equal(encode(np.array([1.0, 0.0, 0.5]), np.array([0, 1])), [1, 0, -1])
    np.testing.assert_array_equal(encode(np.array([True, False]), np.array([0, 1])), [1, 0])
    np.testing.assert_array_equal(encode(np.array([2, 1], dtype=object), np.array([1, 2])), [1, 0])
    np.testing.assert_array_equal(encode(np.array(["1", "0"]), np.array([0, 1])), [-1, -1])
    np.testing.assert_array_equal(encode(np.array([1, 0]), np.array(["0", "1"])), [-1, -1])


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["b", "a", "b"]),
        pd.Series(["b", "a", "b"], dtype="category"),
        pd.Series(["b", "a", "b"], dtype="string"),
        ["b", "a", "b"],
        ("b", "a", "b"),
        np.array(["b", "a", "b"], dtype=object),
    ],
)
def test_labels_are_the_sorted_distinct_ones_by_default(y):
    target = read_target(y)
    assert isinstance(target, LabelTarget)
    np.testing.assert_array_equal(target.codes, [1, 0, 1])
    assert target.labels.tolist() == ["a", "b"]


def test_nullable_integers():
    target = read_target(pd.Series([3, 1, 3], dtype="Int64"))
    np.testing.assert_array_equal(target.codes, [1, 0, 1])


@pytest.mark.parametrize("y", [np.array([0, 2, 2]), np.array([5, 7, 7]), np.array([0.0, 2.0, 2.0])])
def test_counting_and_sorting_agree(y):
    np.testing.assert_array_equal(distinct(y, expected=3), np.unique(y))


def test_a_column_of_labels_is_read_with_a_warning():
    with pytest.warns(DataConversionWarning):
        target = read_target(np.array([[1], [0]]))
    np.testing.assert_array_equal(target.codes, [1, 0])


def test_probability_rows():
    target = read_target([[1, 0], [0, 1]], n_classes=2, labels=["a", "b"])
    assert isinstance(target, ProbabilityRows)
    assert len(target) == 2


def test_the_columns_of_a_frame_are_put_into_the_order_of_the_labels():
    frame = pd.DataFrame({"b": [0.75], "a": [0.25]})
    for labels, row in ((["b", "a"], [0.75, 0.25]), (["a", "b"], [0.25, 0.75]), (["x", "y"], [0.75, 0.25])):
        target = read_target(frame, labels=labels)
        assert isinstance(target, ProbabilityRows)
        np.testing.assert_array_equal(target.values, [row])
    with pytest.raises(ValueError, match=r"y_true has the columns \['b', 'a'\], but the classes are \['a', 'c'\]"):
        read_target(frame, labels=["a", "c"])


@pytest.mark.parametrize(
    ("y", "arguments", "message"),
    [
        (["a", "b"], {"n_classes": 3}, r"2 distinct labels and y_pred 3 columns: pass labels="),
        ([0.1, 0.2, 0.3], {"n_classes": 2}, r"0.1 looks like a probability.* kl_divergence\(\[p\], \[q\]\)"),
        ([0.2, 0.8], {}, r"0.2 looks like a probability.* entropy\(\[p\]\)"),
        ([1.0, 0.8], {"labels": [0, 1]}, r"0.8 looks like a probability"),
        (np.array([0, 0.8], dtype=object), {}, r"0.8 looks like a probability"),
        (["a", "b"], {"labels": ["a", "b", "c"], "n_classes": 2}, "labels has 3 entries, y_pred 2 columns"),
        (["a", "c", "c"], {"labels": ["a", "b"]}, r"y_true\[1\] is 'c'.*labels \['a', 'b'\] \(2 such rows\)"),
        ([0, 5], {"labels": [0, 1]}, r"y_true\[1\] is 5, which is not one of the labels \[0, 1\] \(1 such rows\)"),
        ([0.0, np.nan], {"labels": [0, 1]}, r"y_true\[1\] is nan"),
        ([0.0, np.nan], {}, r"y_true\[1\] is nan: labels must not be missing"),
        (np.array(["a", None], dtype=object), {}, r"y_true\[1\] is None: labels must not be missing"),
        (pd.Series([1, None], dtype="Int64"), {}, r"y_true\[1\] is nan: labels must not be missing"),
        (pd.Series(["a", pd.NA], dtype=object), {}, r"y_true\[1\] is <NA>: labels must not be missing"),
        (pd.Series(["a", np.nan], dtype=object), {}, r"y_true\[1\] is nan: labels must not be missing"),
        (np.array([1, "a"], dtype=object), {}, r"mixes labels of types \['int', 'str'\]"),
        ([0, 1], {"labels": [0, 0]}, "labels must be distinct"),
        ([0, 1], {"labels": []}, "labels must be a sequence"),
        ([0, 1], {"labels": [[0, 1]]}, "labels must be a sequence"),
        ([[0.5, 0.5]], {"n_classes": 3}, "y_true has 2 columns and y_pred 3"),
        ([0, 1], {"is_log": True}, r"y_true must hold log-probability rows \(n, K\)"),
        ([], {}, r"got shape \(0,\)"),
        (np.zeros((2, 2, 2)), {}, r"got shape \(2, 2, 2\)"),
        (3, {}, r"got shape \(\)"),
        ([["a", "b"]], {}, "y_true must hold real numbers"),
        (sparse.eye_array(2, format="csr"), {}, "y_true is sparse"),
    ],
)
def test_refusals(y, arguments, message):
    with pytest.raises(ValueError, match=message):
        read_target(y, **arguments)
