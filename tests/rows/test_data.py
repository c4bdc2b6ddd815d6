"""Data: blocks partition the rows, passes are one map and one ordered sum, and threads change no bit."""

import time

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle._rows import Data, DenseRows, SparseRows
from sklearn_mle._rows import data as data_module

SIZES = [(1, 3), (63, 3), (64, 3), (65, 5000), (300, 5000), (3000, 700), (40_000, 9), (90_000, 7)]


def dense_blocks(n, p, *, weighted=True, n_predictors=1, seed=0):
    rng = np.random.default_rng(seed)
    offset = rng.standard_normal((n_predictors, n))
    weight = rng.random(n) if weighted else None
    return Data(DenseRows(rng.standard_normal((n, p))), rng.standard_normal(n), weight, offset, n_predictors)


def sparse_blocks(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = sp.random_array((n, p), density=min(1.0, 20 / p), random_state=rng, format="csr")
    return Data(SparseRows(X), rng.standard_normal(n), rng.random(n), rng.standard_normal((1, n)))


@pytest.fixture(params=[dense_blocks, sparse_blocks], ids=["dense", "sparse"])
def make(request):
    return request.param


@pytest.mark.parametrize("size", SIZES)
def test_blocks_partition_the_rows(make, size):
    data = make(*size)
    whole = data.block(0, data.n_rows)
    for attribute in ("y", "weight", "offset"):
        pieces = data.map_rows(lambda block, name=attribute: getattr(block, name))
        np.testing.assert_array_equal(np.concatenate(pieces, axis=-1), getattr(whole, attribute))
    rows = data.map_rows(lambda block: (block.rows.n_rows, block.rows.matvec(np.ones((1, data.n_columns + 1)))))
    assert sum(n for n, _ in rows) == data.n_rows
    np.testing.assert_allclose(
        np.concatenate([eta for _, eta in rows], axis=1),
        whole.rows.matvec(np.ones((1, data.n_columns + 1))),
        rtol=1e-12,
    )


@pytest.mark.parametrize("q", [1, 30])
def test_dense_blocks_fit_the_cache_whatever_the_predictors(q):
    data = dense_blocks(20_000, 10, n_predictors=q)
    entries = [n * max(10, q * q) for n in data.map_rows(lambda block: block.rows.n_rows)]
    assert max(entries) <= 2**18
    assert len(entries) == 1 or min(entries[:-1]) > 2**17


def test_parts_that_are_absent_stay_absent():
    data = Data(DenseRows(np.ones((50_000, 12))), np.ones(50_000))
    assert len(data.map_rows(lambda block: block)) > 1
    assert all(block.weight is None and block.offset is None for block in data.map_rows(lambda block: block))


def test_class_probabilities_are_cut_along_their_rows():
    y = np.random.default_rng(0).random((3, 60_000))
    data = Data(DenseRows(np.ones((60_000, 10))), y)
    pieces = data.map_rows(lambda block: block.y)
    assert len(pieces) > 1
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), y)


@pytest.mark.parametrize("size", SIZES)
def test_the_sum_is_over_every_row_once(make, size):
    data = make(*size)
    total, weighted, count = data.reduce_rows(
        lambda block: (float(block.y.sum()), block.weight * block.y @ np.ones(len(block.y)), block.rows.n_rows)
    )
    assert count == size[0]
    assert total == pytest.approx(data.y.sum(), abs=1e-9)
    assert weighted == pytest.approx(data.weight @ data.y, abs=1e-9)


def test_the_sum_hands_each_block_its_own_extra(make):
    data = make(40_000, 30)
    extras = data.map_rows(lambda block: float(block.y.sum()))
    pairs, extra = data.reduce_rows(lambda block, mine: (int(mine == block.y.sum()), mine), extras)
    assert pairs == len(extras) > 1
    assert extra == pytest.approx(data.y.sum(), abs=1e-9)


def test_the_sum_refuses_too_few_extras():
    data = dense_blocks(40_000, 30)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        data.reduce_rows(lambda block, extra: (extra,), data.map_rows(lambda block: 1.0)[:-1])


def test_summing_does_not_change_what_blocks_returned_from_the_data(make):
    data = make(40_000, 30)
    kept = data.y.copy()
    data.reduce_rows(lambda block: (block.rows.transpose_matvec(block.y[None]), np.array([block.y.sum()])))
    np.testing.assert_array_equal(data.y, kept)


@pytest.mark.parametrize("size", [(40_000, 30), (3000, 700), (90_000, 7)])
def test_the_bits_do_not_depend_on_the_threads(make, size, monkeypatch):
    data = make(*size)
    found = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(data_module, "n_threads", lambda threads=threads: threads)
        sums = data.reduce_rows(
            lambda block: (float(block.y @ block.weight), block.rows.transpose_matvec(block.y[None]))
        )
        found.append((sums, data.map_rows(lambda block: float(block.y.sum()))))
    assert len(found[0][1]) > 1, "one block would prove nothing"
    for (value, vector), pieces in found[1:]:
        assert value == found[0][0][0]
        np.testing.assert_array_equal(vector, found[0][0][1])
        assert pieces == found[0][1]


@pytest.mark.parametrize("pass_over", ["reduce_rows", "map_rows"])
def test_an_exception_in_a_worker_reaches_the_caller_and_leaves_no_work_behind(pass_over, monkeypatch):
    monkeypatch.setattr(data_module, "n_threads", lambda: 2)
    data = dense_blocks(200_000, 9)
    calls = []

    def fails(block):
        calls.append(block.rows.n_rows)
        if len(calls) == 3:
            raise MemoryError("no room for this block")
        time.sleep(0.005)
        return (1.0,)

    with pytest.raises(MemoryError, match="no room"):
        getattr(data, pass_over)(fails)
    at_return = len(calls)
    time.sleep(0.05)
    assert len(calls) == at_return
    assert data.reduce_rows(lambda block: (block.rows.n_rows,)) == (200_000,)


def test_passes_are_counted():
    data = dense_blocks(100, 3)
    data.reduce_rows(lambda block: (1.0,))
    data.map_rows(lambda block: None)
    assert data.n_passes == 2


def test_taken_rows_are_data_of_their_own(make):
    data = make(500, 12)
    chosen = np.array([499, 0, 7, 7])
    taken = data.take(chosen)
    assert (taken.n_rows, taken.n_columns) == (4, 12)
    np.testing.assert_array_equal(taken.y, data.y[chosen])
    np.testing.assert_array_equal(taken.weight, data.weight[chosen])
    np.testing.assert_array_equal(taken.offset, data.offset[:, chosen])
    np.testing.assert_allclose(taken.rows.standardized, data.rows.standardized[chosen], rtol=1e-15)
    assert not np.shares_memory(taken.y, data.y)
