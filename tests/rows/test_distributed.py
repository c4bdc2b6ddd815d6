"""Rows in partitions answer each verb as rows in memory do; what needs them all in one place says so."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sklearn_mle._numerics.partitions import Partitions
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle._rows.data import rows_of_block
from sklearn_mle._rows.distributed import Census, DistributedData, RowsElsewhereError
from sklearn_mle._rows.partition import Reading
from sklearn_mle._rows.sample import weighted_sample

da = pytest.importorskip("dask.array")

rng = np.random.default_rng(5)
LENGTHS = (900, 50, 1500, 1550)
N, P = sum(LENGTHS), 3
X = rng.standard_normal((N, P)) + 2
# The third class is rare, and absent from most partitions.
Y = np.where(np.arange(N) % 1000 == 971, 2, rng.integers(0, 2, N))
WEIGHT = rng.exponential(size=N)
WEIGHT[1::3] = 0
OFFSET = rng.standard_normal((3, N))


def as_they_are(y, X=None, sample_weight=None, offset=None):
    return X, y, sample_weight, offset.T


def in_parts(array):
    return da.from_array(array, chunks=(LENGTHS, *array.shape[1:]))


@pytest.fixture(params=[False, True], ids=["plain", "weighted"])
def pair(request):
    """The rows of positive weight, in memory and in partitions."""
    present, own, largest, mean, least = np.ones(N, dtype=bool), None, 1.0, 1.0, 1.0
    scaled = np.ones(N)
    if request.param:
        present, largest = WEIGHT > 0, WEIGHT.max()
        mean = (WEIGHT[present] / largest).mean()
        scaled = WEIGHT / largest / mean
        own, least = scaled[present], scaled[present].min()
    memory = Data(DenseRows(X[present]), Y[present], own, OFFSET[:, present], 3)
    block_rows = rows_of_block(memory.n_rows, P, 3)
    reading = Reading(as_they_are, largest, mean, request.param, 3, block_rows)
    edges = np.cumsum([0, *LENGTHS])
    of_parts = [(Y[a:b], scaled[a:b]) for a, b in itertools.pairwise(edges)]
    counts = np.array([np.bincount(y[own > 0], minlength=3) for y, own in of_parts])
    weights = np.array([np.bincount(y, own, minlength=3) for y, own in of_parts])
    census = Census(counts.sum(axis=1), weights.sum(axis=1), least, counts, weights)
    given = {"X": in_parts(X), "y": in_parts(Y), "offset": in_parts(OFFSET.T)}
    if request.param:
        given["sample_weight"] = in_parts(WEIGHT)
    partitions = Partitions.of(**given).known(np.array(LENGTHS), np.ones(len(LENGTHS), dtype=bool))
    return memory, DistributedData(partitions, reading, census, P, no_rows=(np.zeros(0, dtype=int), np.zeros((3, 0))))


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
    kept = elsewhere.map_rows(lambda block: block.y * 2.0)
    assert elsewhere.reduce_rows(lambda block, twice: (float(twice.sum()),), kept)[0] == pytest.approx(
        2 * memory.y.sum()
    )
    np.testing.assert_allclose(elsewhere.class_weights(3), memory.class_weights(3), rtol=1e-12)


def test_what_is_known_of_all_rows(pair):
    memory, elsewhere = pair
    for name in ("n_rows", "n_columns", "n_predictors", "n_offsets", "is_sparse", "entries_per_row"):
        assert getattr(elsewhere, name) == getattr(memory, name)
    for name in ("weight_sum", "least_weight"):
        assert getattr(elsewhere, name) == pytest.approx(getattr(memory, name), rel=1e-12)
    assert elsewhere.longest_sum >= memory.n_rows // 8


def test_lists_are_joined_in_the_order_of_the_rows(pair):
    for data in pair:
        np.testing.assert_array_equal(np.concatenate(data.reduce_rows(lambda block: ([block.y],))[0]), pair[0].y)


def assert_equal(some, same):
    np.testing.assert_array_equal(some.rows.standardized, same.rows.standardized)
    np.testing.assert_array_equal(some.y, same.y)
    np.testing.assert_array_equal(some.offset, same.offset)
    assert (some.weight is None) == (same.weight is None)
    if some.weight is not None:
        np.testing.assert_allclose(some.weight, same.weight, rtol=1e-12)


def test_rows_are_taken_standardized_in_a_pass(pair):
    memory, elsewhere = pair
    shift, scale = X.mean(axis=0), np.array([1.0, 2.0, 0.5])
    memory, elsewhere = memory.standardize(shift, scale), elsewhere.standardize(shift, scale)
    rows = np.array([0, 3, 700, 905, 906, memory.n_rows - 1])
    assert_equal(elsewhere.take(rows), memory.take(rows))
    assert elsewhere.n_passes == 1
    assert_equal(elsewhere.take(rows[::-2]), memory.take(rows[::-2]))
    halved = elsewhere.with_target(half, 2)
    np.testing.assert_array_equal(halved.take(rows).y, memory.y[rows] / 2)
    assert (halved.n_offsets, halved.n_predictors, halved.n_passes) == (0, 2, elsewhere.n_passes) == (0, 2, 3)


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
    elsewhere = pair[1]
    rows = elsewhere.partitions.rows
    fewer = da.concatenate([rows["X"][:900], rows["X"][:10], rows["X"][950:]])
    elsewhere.partitions = replace(elsewhere.partitions, rows={**rows, "X": fewer})
    with pytest.raises(ValueError, match=r"block 1 of 4 \(rows 900 to 949, .*X has 10 rows now, but had 50 when"):
        elsewhere.reduce_rows(sums)
