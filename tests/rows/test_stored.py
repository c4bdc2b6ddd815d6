"""Rows in storage: blocks are what memory has, rows are taken from where they are, and what was read is let go."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_mle._numerics.stored import StoredArray, dot_rows, in_memory, is_stored
from sklearn_mle._rows import Data, DenseRows, StoredRows
from sklearn_mle._rows import data as data_module
from tests.estimators.stored_arrays import SlicedArray, mapped

N, P = 50_000, 30
rng = np.random.default_rng(0)
X = rng.standard_normal((N, P))
CHOSEN = np.flatnonzero(rng.random(N) < 0.4)


@pytest.fixture(params=["mapped", "sliced", "chunked"])
def stored(request, tmp_path):
    if request.param == "mapped":
        return StoredArray(mapped(tmp_path, X))
    return StoredArray(SlicedArray(X, (777, 30) if request.param == "chunked" else None))


@pytest.mark.parametrize("bounds", [(0, N), (0, 1), (40_000, 50_000), (34_952, 34_953), (123, 45_678), (7, 7)])
def test_slices(stored, bounds):
    np.testing.assert_array_equal(stored[slice(*bounds)], X[slice(*bounds)])
    np.testing.assert_array_equal(stored.select(CHOSEN)[slice(*bounds)], X[CHOSEN][slice(*bounds)])


@pytest.mark.parametrize("n", [0, 1, 2000])
def test_rows_by_number_in_any_order(stored, n):
    rows = rng.integers(0, len(CHOSEN), n)
    for _ in range(2):
        np.testing.assert_array_equal(stored[rows], X[rows])
        np.testing.assert_array_equal(stored.select(CHOSEN)[rows], X[CHOSEN[rows]])
        np.testing.assert_array_equal(
            stored.select(CHOSEN).select(np.arange(0, 9000, 3))[rows % 3000], X[CHOSEN[rows % 3000 * 3]]
        )


def test_the_whole_is_never_read(stored):
    with pytest.raises(TypeError, match="read by rows, never as a whole"):
        np.asarray(stored)
    with pytest.raises(IndexError, match="without a step"):
        stored[::2]


def test_the_same_sample_is_read_once():
    source = SlicedArray(X)
    stored, rows = StoredArray(source), np.arange(0, N, 100)
    first, n_reads = stored[rows], len(source.reads)
    assert stored[rows] is first and len(source.reads) == n_reads
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1


@pytest.mark.parametrize("far", [False, True])
def test_sums_maps_and_takes_are_those_of_memory(stored, far):
    shift, scale = (1e6 if far else 0.25) * np.arange(P), np.exp2(np.arange(P) % 3)
    y, weight = rng.standard_normal(N), rng.random(N)
    here = Data(DenseRows(X, shift, scale), y, weight)
    there = Data(StoredRows(stored, shift, scale), y, weight)

    def function(block):
        return block.rows.sandwich(block.weight), block.rows.transpose_matvec(block.y[None]), float(block.y.sum())

    for ours, theirs in zip(here.reduce_rows(function), there.reduce_rows(function), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    of_blocks = [
        data.map_rows(lambda block: (block.start, block.rows.matvec(np.ones((1, P + 1))))) for data in (here, there)
    ]
    for ours, theirs in zip(*of_blocks, strict=True):
        assert ours[0] == theirs[0]
        np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(here.column_means(), there.column_means())
    np.testing.assert_array_equal(here.take(CHOSEN).rows.standardized, there.take(CHOSEN).rows.standardized)
    for ours, theirs in zip(here.rows.uncentred(CHOSEN[:9]), there.rows.uncentred(CHOSEN[:9]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_products_with_stored_rows(stored):
    matrix = rng.standard_normal((3, P))
    np.testing.assert_allclose(dot_rows(matrix, stored), matrix @ X.T, rtol=1e-13, atol=1e-13)


@pytest.mark.alone
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's table of maps is Linux's")
@pytest.mark.parametrize(("shape", "order"), [((200_000, 100), "C"), ((200_000, 100), "F"), ((20_000, 1000), "C")])
def test_pages_that_were_read_are_let_go(shape, order, tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "n_threads", lambda: 2)
    X = np.memmap(tmp_path / "zeros", dtype=float, mode="w+", shape=shape, order=order)  # of holes: takes no disk
    data = Data(StoredRows(StoredArray(X)), np.zeros(len(X)))
    for _ in range(2):
        data.reduce_rows(lambda block: (block.rows.transpose_matvec(np.ones((1, block.rows.n_rows))),))
        table = Path("/proc/self/smaps").read_text()
        of_file = table[table.index(str(X.filename)) :]
        resident = int(re.search(r"^Rss:\s+(\d+) kB", of_file, re.MULTILINE).group(1)) * 1024
        # Every block is let go with its last view; in Fortran order the kernel maps 64 kB around each column's stretch.
        assert resident <= 16 * 2**20 < X.nbytes / 9


def test_what_is_stored_is_told_from_what_is_not(tmp_path):
    of_file = mapped(tmp_path, X[:10])
    assert is_stored(of_file) and is_stored(SlicedArray(X)) and is_stored(of_file[3:7])
    for other in (X, of_file[[1, 2]], of_file + 1, X.tolist(), None, 3.0, np.float64(3), "text"):
        assert not is_stored(other)
        assert in_memory(other) is other
    pandas = pytest.importorskip("pandas")
    assert not is_stored(pandas.DataFrame(X[:3])) and not is_stored(pandas.Series(X[0]))
