"""Rows in partitions answer each verb as rows in memory do; what needs them all in one place says so."""

import numpy as np
import pytest

from sklearn_mle._rows import Data, DenseRows
from sklearn_mle._rows.data import rows_of_block
from sklearn_mle._rows.distributed import DistributedData, RowsElsewhereError
from sklearn_mle._rows.partition import Partition, Place, Reading
from sklearn_mle._rows.sample import weighted_sample
from sklearn_mle._rows.sums import Largest

delayed = pytest.importorskip("dask").delayed

rng = np.random.default_rng(5)
LENGTHS = (900, 50, 1500, 1550)
N, P = sum(LENGTHS), 3
X = rng.standard_normal((N, P)) + 2
# The third class is rare, and absent from most partitions.
Y = np.where(np.arange(N) % 1000 == 971, 2, rng.integers(0, 2, N))
WEIGHT = rng.exponential(size=N)
WEIGHT[1::3] = 0
OFFSET = rng.standard_normal((3, N))


def as_they_are(n_rows, X, y, weight, offset):
    return X, y, weight, offset


def partition(number, weight, scaled):
    start = sum(LENGTHS[:number])
    own = slice(start, start + LENGTHS[number])
    here = np.ones(LENGTHS[number]) if scaled is None else scaled[own]
    y = Y[own]
    pieces = (X[own], y, None if weight is None else weight[own], OFFSET[:, own])
    before = int((np.ones(start) if scaled is None else scaled[:start] > 0).sum())
    return Partition(
        tuple(None if piece is None else delayed(piece) for piece in pieces),
        Place(number, start, LENGTHS[number], before),
        int((here > 0).sum()),
        float(here.sum()),
        np.bincount(y[here > 0], minlength=3),
        np.bincount(y, here, minlength=3),
    )


@pytest.fixture(params=[False, True], ids=["plain", "weighted"])
def pair(request):
    """The rows of positive weight, in memory and in partitions."""
    weight, scaled, largest, mean, least = None, None, 1.0, 1.0, 1.0
    present = np.ones(N, dtype=bool)
    if request.param:
        present = WEIGHT > 0
        weight, largest = WEIGHT, WEIGHT.max()
        mean, least = (weight[present] / largest).mean(), (weight[present] / largest).min()
        scaled = weight / largest / mean
    own = None if scaled is None else scaled[present]
    memory = Data(DenseRows(X[present]), Y[present], own, OFFSET[:, present], 3)
    block_rows = rows_of_block(memory.n_rows, P, 3)
    reading = Reading(as_they_are, largest, mean, least, request.param, 3, block_rows)
    parts = [partition(k, weight, scaled) for k in range(len(LENGTHS))]
    nothing = (np.zeros(0, dtype=int), np.zeros((3, 0)))
    return memory, DistributedData(parts, reading, P, nothing=nothing)


def sums(block):
    weight = np.ones(block.rows.n_rows) if block.weight is None else block.weight
    return block.rows.n_rows, weight @ block.y, block.rows.transpose_matvec(block.offset), Largest(block.y.max())


def test_sums_and_totals(pair):
    memory, elsewhere = pair
    for mine, its in zip(elsewhere.reduce_rows(sums), memory.reduce_rows(sums), strict=True):
        np.testing.assert_allclose(getattr(mine, "value", mine), getattr(its, "value", its), rtol=1e-12)
    assert elsewhere.n_passes == 1
    (total,) = elsewhere.reduce_target(lambda y, weight, offset: (offset.sum(axis=1),))
    np.testing.assert_allclose(
        total, memory.reduce_target(lambda y, weight, offset: (offset.sum(axis=1),))[0], rtol=1e-10
    )
    kept = elsewhere.keep(lambda block: block.y * 2.0)
    assert elsewhere.reduce_rows(lambda block, twice: (float(twice.sum()),), kept)[0] == pytest.approx(
        2 * memory.y.sum()
    )
    np.testing.assert_allclose(elsewhere.class_weights(3), memory.class_weights(3), rtol=1e-12)


def test_what_is_known_of_all_rows(pair):
    memory, elsewhere = pair
    for name in ("n_rows", "n_columns", "n_predictors", "has_offset", "is_sparse", "entries_per_row"):
        assert getattr(elsewhere, name) == getattr(memory, name)
    for name in ("weight_sum", "least_weight"):
        assert getattr(elsewhere, name) == pytest.approx(getattr(memory, name), rel=1e-12)
    assert elsewhere.longest_sum >= memory.n_rows // 8


def test_results_of_blocks_come_in_the_order_of_the_rows(pair):
    memory, elsewhere = pair
    np.testing.assert_array_equal(np.concatenate(elsewhere.map_rows(lambda block: block.y)), memory.y)


def assert_equal(some, same):
    np.testing.assert_array_equal(some.rows.standardized, same.rows.standardized)
    np.testing.assert_array_equal(some.y, same.y)
    np.testing.assert_array_equal(some.offset, same.offset)
    assert (some.weight is None) == (same.weight is None)
    if some.weight is not None:
        np.testing.assert_allclose(some.weight, same.weight, rtol=1e-12)


def test_rows_are_taken_standardized_and_travel_once(pair):
    memory, elsewhere = pair
    shift, scale = X.mean(axis=0), np.array([1.0, 2.0, 0.5])
    memory, elsewhere = memory.standardize(shift, scale), elsewhere.standardize(shift, scale)
    rows = np.array([0, 3, 700, 905, 906, memory.n_rows - 1])
    assert_equal(elsewhere.take(rows), memory.take(rows))
    assert elsewhere.n_passes == 1
    assert_equal(elsewhere.take(rows[::-2]), memory.take(rows[::-2]))
    assert elsewhere.n_passes == 1
    halved = elsewhere.with_target(half, 2)
    np.testing.assert_array_equal(halved.take(rows).y, memory.y[rows] / 2)
    # It is the same rows that were read once.
    assert (halved.has_offset, halved.n_predictors, halved.n_passes) == (False, 2, 1)


def half(y, offset):
    return y / 2, None


def test_the_sample_is_that_of_memory_in_one_pass(pair):
    memory, elsewhere = pair
    mine, its = (weighted_sample(data, 300, least_per_class=2) for data in (elsewhere, memory))
    assert_equal(mine, its)
    assert (mine.y == 2).sum() == 2
    assert elsewhere.n_passes == 1
    weighted_sample(elsewhere, 300, least_per_class=2)
    assert elsewhere.n_passes == 1


@pytest.mark.parametrize("name", ["y", "weight", "offset", "rows"])
def test_what_needs_all_rows_in_one_place_says_so(pair, name):
    with pytest.raises(RowsElsewhereError, match=r"X comes from Dask. Pass arrays in memory"):
        getattr(pair[1], name)


def test_rows_that_are_not_there_any_more_are_named(pair):
    parts = pair[1].partitions
    pieces = (delayed(X[:10]), *parts[1].pieces[1:])
    broken = DistributedData(
        [parts[0], Partition(pieces, parts[1].place, parts[1].n_present, parts[1].weight)],
        pair[1].reading,
        P,
        nothing=(np.zeros(0, dtype=int), None),
    )
    with pytest.raises(ValueError, match=r"X: block 1 \(rows 900 to 949\) has 10 rows now, and had 50 when"):
        broken.reduce_rows(sums)
