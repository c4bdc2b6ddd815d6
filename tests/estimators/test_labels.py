"""Labels, soft labels and class weights, apart from any fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.estimators._labels import (
    class_weights,
    classes_of_columns,
    codes_of,
    encode_labels,
    is_soft,
    read_classes,
    read_soft_labels,
)


@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 1, 1, 0]),
        np.array([1.0, 0.0, 1.0]),
        np.array([-1, 1, 1]),
        np.array([5, 3, 9, 3]),
        np.array([10**12, -(10**12), 10**12]),
        np.array([2.0, 1e17]),
        np.array([True, False]),
        np.array([2**63, 5], dtype=np.uint64),
        np.array([3, 200], dtype=np.uint8),
        np.array([1, 2, 1], dtype=">i4"),
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "c"], dtype=object),
    ],
    ids=str,
)
def test_labels_are_coded_as_numpy_unique_does(y):
    classes, codes = encode_labels(y)
    expected, expected_codes = np.unique(y, return_inverse=True)
    assert classes.tolist() == expected.tolist()
    assert classes.dtype == expected.dtype.newbyteorder("=")
    assert codes.tolist() == expected_codes.tolist()
    assert codes_of(y, classes).tolist() == codes.tolist()


@pytest.mark.parametrize("y", [np.array([0.5, 1.0, 2.0]), np.array([0.5, 1, 2], dtype=object)], ids=str)
def test_what_is_no_label_is_refused(y):
    with pytest.raises(ValueError, match=r"Unknown label type|continuous"):
        encode_labels(y)


def test_codes_follow_the_order_of_the_classes_even_when_unsorted():
    assert codes_of(np.array(["x", "a", "x"]), np.array(["x", "b", "a"])).tolist() == [0, 2, 0]


@pytest.mark.parametrize("y", [np.array([0, 7]), np.array([-3])], ids=str)
def test_labels_that_fit_did_not_see_are_named(y):
    with pytest.raises(ValueError, match=f"fit did not see: .*{y[-1]}.*classes_ is"):
        codes_of(y, np.array([0, 1, 2]))


def test_labels_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="a different kind than classes_"):
        codes_of(np.array([1, 2]), np.array(["a", "b"], dtype=object))


@pytest.mark.parametrize(
    ("y", "soft"),
    [
        ([0, 1], False),
        ([[0.2, 0.8]], True),
        (np.zeros((3, 1)), False),
        (np.zeros((3, 2)), True),
        (pd.Series([1, 2]), False),
        (pd.DataFrame({"a": [1.0], "b": [0.0]}), True),
        (pl.DataFrame({"a": [1.0], "b": [0.0]}), True),
        (None, False),
    ],
    ids=str,
)
def test_two_columns_or_more_are_soft_labels(y, soft):
    assert is_soft(y) is soft


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_frame_names_its_classes(frame):
    assert classes_of_columns(frame({"no": [0.5], "yes": [0.5]})).tolist() == ["no", "yes"]
    assert classes_of_columns(np.zeros((1, 2))).tolist() == [0, 1]


def test_rows_within_the_tolerance_are_normalized_and_exact_ones_not_copied():
    exact = np.array([[0.25, 0.75], [1.0, 0.0]])
    assert read_soft_labels(exact) is exact
    loose = np.array([[0.25, 0.75 + 9e-7]])
    assert read_soft_labels(loose).sum() == pytest.approx(1, abs=1e-15)
    assert loose[0, 1] == 0.75 + 9e-7
    assert read_soft_labels(np.array([[1, 0], [0, 1]])).dtype == np.float64


def test_a_wrong_sum_says_which_row_and_what_to_do():
    with pytest.raises(ValueError, match=r"row 1 sums to 1\.000002.*Normalize.*sample_weight"):
        read_soft_labels(np.array([[0.5, 0.5], [0.5, 0.500002]]))


def test_a_negative_probability_says_which_row():
    with pytest.raises(ValueError, match=r"row 1 of y has -0\.1"):
        read_soft_labels(np.array([[0.5, 0.5], [1.1, -0.1]]))


def test_text_in_two_columns_is_refused():
    with pytest.raises(ValueError, match="Pass labels as a 1-D y"):
        read_soft_labels(np.array([["a", "b"]]))


def test_sparse_soft_labels_are_refused():
    with pytest.raises(TypeError, match="dense data is required"):
        read_classes(csr_array(np.eye(2)))


def test_balanced_weights_give_every_class_with_mass_the_same_total():
    mass = np.array([1.0, 3.0, 0.0])
    weights = class_weights("balanced", np.arange(3), mass)
    assert (weights * mass).tolist() == [2.0, 2.0, 0.0]
    assert np.isfinite(weights).all()


def test_a_dict_of_class_weights_names_classes_and_the_rest_weigh_one():
    assert class_weights({"b": 3}, np.array(["a", "b"]), np.ones(2)).tolist() == [1.0, 3.0]
    assert class_weights(None, np.arange(2), np.ones(2)) is None


@pytest.mark.parametrize("weight", [-1.0, np.inf, np.nan])
def test_a_class_weight_that_is_no_weight_is_refused(weight):
    with pytest.raises(ValueError, match="class_weight must be finite and >= 0, but class 'b'"):
        class_weights({"a": 1.0, "b": weight}, np.array(["a", "b"]), np.ones(2))


def test_a_class_weight_for_no_class_is_refused():
    with pytest.raises(ValueError, match="are not in class_weight"):
        class_weights({7: 2.0}, np.arange(2), np.ones(2))


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([3, 1, 3], "i"),
        ([np.int8(3), 1, np.uint8(3)], "i"),
        ([True, False, True], "b"),
        ([1.0, 0, 1], "f"),
    ],
)
def test_numbers_in_an_array_of_objects_are_numbers(labels, kind):
    objects = np.fromiter(labels, dtype=object)
    classes, codes = encode_labels(objects)
    assert classes.dtype.kind == kind and classes.tolist() == sorted(set(labels)) and codes.tolist() == [1, 0, 1]
    assert codes_of(objects, classes).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["a", None, "b"] * 4, dtype="string"),
        pd.Series(["a", None, "b"] * 4, dtype="string[pyarrow]"),
        pl.Series(["a", None, "b"] * 4),
    ],
    ids=["string", "pyarrow", "polars"],
)
def test_rows_without_a_label_are_named(y):
    X, labels = np.arange(12.0)[:, None] % 5, ["a", "a", "b"] * 4
    model = MLELogisticClassifier(C=1.0).fit(X, labels)
    for method in (model.score, model.log_likelihood, *((model.fit,) if isinstance(y, pd.Series) else ())):
        with pytest.raises(ValueError, match="y: row 1 has no label"):
            method(X, y)


def test_columns_of_a_frame_of_offsets_are_found_by_the_classes():
    rng = np.random.default_rng(0)
    X, y, offset = rng.normal(size=(60, 2)), np.array(["a", "b", "c"] * 20), rng.normal(size=(60, 3))
    expected = MLELogisticClassifier().fit(X, y, offset=offset)
    for make in (pd.DataFrame, pl.DataFrame):
        frame = make({name: offset[:, k] for k, name in reversed(list(enumerate("abc")))})
        found = MLELogisticClassifier().fit(X, y, offset=frame)
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-13)
        np.testing.assert_allclose(found.predict_proba(X, frame), expected.predict_proba(X, offset), atol=1e-13)
        weight = np.arange(60) % 2
        by_name = found.log_likelihood(X, y, weight, frame)
        assert by_name == pytest.approx(expected.log_likelihood(X, y, weight, offset), rel=1e-13)
        # Other names are the user's own, for columns in the order of the classes.
        own = make({name: offset[:, k] for k, name in enumerate("xyz")})
        by_position = MLELogisticClassifier().fit(X, y, offset=own).log_likelihood_
        assert by_position == pytest.approx(expected.log_likelihood_, rel=1e-13)
        with pytest.raises(ValueError, match=r"offset has the columns \['c', 'b'\], but the classes are"):
            MLELogisticClassifier().fit(X, y, offset=frame[["c", "b"]])


@pytest.mark.parametrize("labels", [[1, None, 0], [1, "a", 0], [10**400, 1, 0], [(1,), (2,), (1,)], [1j, 2j, 1j]])
def test_objects_that_are_no_labels_are_refused_in_our_words(labels):
    with pytest.raises(ValueError, match="y must hold class labels of one kind that can be sorted, but it holds"):
        encode_labels(np.fromiter(labels, dtype=object))


def test_a_fit_to_integers_in_objects_is_the_fit_to_integers():
    X, y = np.arange(12.0)[:, None] % 5, np.arange(12) % 3
    model, same = (MLELogisticClassifier(C=1.0).fit(X, labels) for labels in (y.astype(object), y))
    assert (model.coef_ == same.coef_).all() and model.classes_.tolist() == [0, 1, 2]
    assert model.score(X, y.astype(object)) == same.score(X, y)
    assert model.log_likelihood(X, y.astype(object)) == same.log_likelihood(X, y)
