"""Sums of parts: every part once, small parts not lost beside a large total, and groups of eight change no bit."""

import numpy as np
import pytest

from sklearn_mle._numerics.sums import tree_sum


def parts(count, seed=0):
    rng = np.random.default_rng(seed)
    return [(float(rng.lognormal(0, 9)), rng.standard_normal(3)) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 64, 65, 71, 520, 1000])
def test_groups_of_eight_give_the_bits_of_all_parts_at_once(count):
    at_once = tree_sum(parts(count))
    level = [tuple(part) for part in parts(count)]
    while len(level) > 1:
        level = [tree_sum(level[first : first + 8]) for first in range(0, len(level), 8)]
    assert level[0][0] == at_once[0]
    np.testing.assert_array_equal(level[0][1], at_once[1])
    assert at_once[0] == pytest.approx(sum(value for value, _ in parts(count)), rel=1e-13)


def test_rounding_grows_with_the_logarithm_of_the_number_of_parts():
    count = 1 << 17
    assert abs(tree_sum((0.1,) for _ in range(count))[0] - 0.1 * count) <= 17 * np.spacing(0.1 * count)
