"""The standard error of a mean over rows: textbook cases, weights as copies, groups, and what it says of new rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_mle.model_selection.comparison import standard_error

ONES = np.ones(4)
ROWS = np.array([1.0, 2.0, 4.0, 9.0])


def test_without_weights_it_is_the_textbooks():
    assert standard_error(ROWS, ONES, None) == pytest.approx(ROWS.std(ddof=1) / 2, rel=1e-15)


def test_by_hand():
    # mean 4; squares 9, 4, 0, 25 sum to 38; 38 / (4 * 3)
    assert standard_error(ROWS, ONES, None) == pytest.approx(np.sqrt(38 / 12), rel=1e-15)
    # groups {1, 2} and {4, 9}: sums of residuals -5 and 5; 2 / 1 * 50 / 16
    assert standard_error(ROWS, ONES, np.array([0, 0, 1, 1])) == pytest.approx(np.sqrt(6.25), rel=1e-15)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(0, 3), st.integers(0, 4)), min_size=3, max_size=30))
def test_weights_are_copies_with_and_without_groups(rows):
    values, weight, groups = (np.array(column) for column in zip(*rows, strict=True))
    copies = [np.repeat(column, weight) for column in (values, groups)]
    for code, code_of_copy in ((None, None), (groups, copies[1])):
        one = standard_error(values, weight.astype(float), code)
        other = standard_error(copies[0], np.ones(len(copies[0])), code_of_copy)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_groups_of_one_row_do_not_count_weights_as_rows():
    weight = np.array([10.0, 20.0, 30.0, 40.0])
    alone = np.arange(4)
    assert standard_error(ROWS, weight, alone) == pytest.approx(standard_error(ROWS, weight / 100, alone), rel=1e-14)
    assert standard_error(ROWS, ONES, alone) == pytest.approx(standard_error(ROWS, ONES, None), rel=1e-15)


def test_it_is_nan_where_nothing_is_known():
    assert np.isnan(standard_error(ROWS[:1], ONES[:1], None))
    assert np.isnan(standard_error(ROWS, ONES / 4, None))
    assert np.isnan(standard_error(ROWS, ONES, np.zeros(4, dtype=int)))
    assert np.isnan(standard_error(np.array([1.0, -np.inf, 0.0, 0.0]), ONES, None))
    assert standard_error(np.array([1.0, -np.inf, 0.0]), np.array([1.0, 0.0, 1.0]), None) == 0.5
