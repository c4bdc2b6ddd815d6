"""Offsets that are not finite: their rows are named, and do not matter where the weight is zero."""

import numpy as np
import pytest

from sklearn_mle._numerics.offsets import offset_of_present, refuse_infinite_offset

INF = np.inf


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        ([0.0, -INF, 1.0, -INF], r"infinity in rows 1, 3 \(-inf is the logarithm of an exposure of zero"),
        ([0.0, -INF], r"infinity in row 1 \(-inf.*Leave such rows out, or give them sample_weight 0"),
        ([INF, -INF], "infinity in rows 0, 1, but it must be finite"),
        ([np.nan, -INF], "NaN in row 0, but"),
        (np.full((9, 2), np.nan), "NaN in rows 0, 1, 2, 3, 4 and 4 more"),
        ([[0.0, 0.0], [0.0, INF]], "infinity in row 1, but"),
        (-INF, r"infinity \(-inf"),
    ],
    ids=str,
)
def test_rows_that_are_not_finite_are_named(offset, message):
    with pytest.raises(ValueError, match=f"Input offset contains {message}"):
        refuse_infinite_offset(np.asarray(offset))


def test_finite_offsets_pass():
    refuse_infinite_offset(np.zeros(3))
    refuse_infinite_offset(np.float64(1))


def test_what_is_absent_has_no_offset():
    offset = np.array([1.0, -INF, 2.0])
    assert offset_of_present(offset, [1, 0, 2]).tolist() == [1, 0, 2]
    assert offset[1] == -INF
    assert offset_of_present([[1, 2], [np.nan, 1]], np.array([0.5, 0])).tolist() == [[1, 2], [0, 0]]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_keeps_its_columns(library):
    frame = pytest.importorskip(library).DataFrame({"scale": [np.nan, 1.0], "location": [2.0, 3.0]})
    found = offset_of_present(frame, [0, 1])
    assert type(found) is type(frame)
    assert list(found.columns) == ["scale", "location"]
    assert np.asarray(found).tolist() == [[0, 0], [1, 3]]


@pytest.mark.parametrize(
    ("offset", "weight"),
    [(None, [0, 1]), (-INF, [0, 1]), ([1, 2], None), ([1, 2], 0), ([1, 2], [1, 1]), ([1, 2, 3], [0, 1]), (["a"], [0])],
)
def test_what_is_no_concern_here_is_left_as_it_is(offset, weight):
    assert offset_of_present(offset, weight) is offset
