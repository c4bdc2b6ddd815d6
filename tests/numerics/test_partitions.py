"""Arguments with an entry a row, cut into the same partitions: how they come together, and what an error says."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from sklearn_mle._numerics.partitions import Partitions, is_dask, one_row_like
from sklearn_mle._numerics.sums import tree_sum

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

X = np.arange(20.0).reshape(10, 2)
FRAME = pd.DataFrame(X, columns=["a", "b"])


def rows_and_sums(**blocks):
    return [(name, type(block).__name__, block.shape) for name, block in blocks.items()]


def unknown(array):
    """The same rows in the same blocks, their lengths not known."""
    blocks = [da.from_delayed(block, (np.nan, *array.shape[1:]), array.dtype) for block in array.to_delayed().ravel()]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


def test_only_what_is_dasks_is_taken_for_it():
    assert is_dask(None, da.zeros(3)) and is_dask(dd.from_pandas(FRAME, npartitions=1)) and is_dask(dask.delayed(1))
    assert not is_dask(X, FRAME, 1.0, None, sp.csr_matrix(X))


def test_arguments_follow_the_partitions_of_the_first():
    parts = Partitions.of(X=da.from_array(X, chunks=(4, 1)), y=da.arange(10, chunks=3), w=np.ones(10), c=2.0, d=None)
    assert {name: array.chunks[0] for name, array in parts.rows.items()} == dict.fromkeys("Xyw", (4, 4, 2))
    assert parts.rows["X"].chunks[1] == (2,) and parts.same == {"c": 2.0, "d": None}
    seen = parts.collect(lambda c, d, **blocks: rows_and_sums(**blocks), "t")
    assert seen[2] == [("X", "ndarray", (2, 2)), ("y", "ndarray", (2,)), ("w", "ndarray", (2,))]


def test_blocks_of_a_dataframe_are_pandas_and_sparse_blocks_stay_sparse():
    frame = dd.from_pandas(FRAME, npartitions=2)
    assert (
        Partitions.of(X=frame, y=frame.a).collect(rows_and_sums, "t")
        == [[("X", "DataFrame", (5, 2)), ("y", "Series", (5,))]] * 2
    )
    sparse = da.from_array(X, chunks=(5, 2)).map_blocks(sp.csr_matrix)
    assert Partitions.of(X=sparse).collect(rows_and_sums, "t") == [[("X", "csr_matrix", (5, 2))]] * 2


def test_mapped_rows_keep_order_and_partitions_and_empty_blocks_are_not_asked():
    array = da.from_array(X, chunks=((4, 0, 6), 2))

    def double(X):
        assert len(X)
        return 2 * X

    for parts, chunks in ((Partitions.of(X=array), (4, 0, 6)), (Partitions.of(X=unknown(array)), (np.nan,) * 3)):
        result = parts.map_rows(double, np.zeros((1, 2)), "t")
        np.testing.assert_equal(result.chunks, (chunks, (2,)))
        np.testing.assert_array_equal(result.compute(), 2 * X)
        assert parts.collect(lambda X: X.shape[0], "t") == [4, 6]


def test_sums_have_the_bits_of_memory_and_lists_are_joined():
    rows = np.random.default_rng(0).lognormal(0, 9, (71, 3))

    def parts(X):
        return float(X.sum()), X[0].copy(), [len(X)]

    found = Partitions.of(X=da.from_array(rows, chunks=(1, 3))).reduce_rows(parts, "t")
    value, vector, lengths = tree_sum(parts(row[None]) for row in rows)
    assert (found[0], found[2]) == (value, lengths) == (value, [1] * 71)
    np.testing.assert_array_equal(found[1], vector)


def test_what_is_common_to_the_arguments_is_computed_once():
    calls = []

    def read(start):
        calls.append(start)
        return X[start : start + 5]

    array = da.concatenate([da.from_delayed(dask.delayed(read)(start), (5, 2), float) for start in (0, 5)])
    assert Partitions.of(X=array, y=array[:, 0]).reduce_rows(lambda X, y: (float(X.sum() + y.sum()),), "t") == (280.0,)
    assert sorted(calls) == [0, 5]


def test_a_function_is_sent_once_and_not_with_every_partition():
    class Heavy:
        pickled = 0

        def __call__(self, X):
            return X

        def __reduce__(self):
            Heavy.pickled += 1
            return (tuple, ())

    result = Partitions.of(X=da.zeros((100, 1), chunks=(1, 1))).map_rows(Heavy(), np.zeros((0, 1)), "t")
    graph = dict(result.__dask_graph__())
    Heavy.pickled = 0
    for task in graph.values():
        pickle.dumps(task)
    assert Heavy.pickled == 1


def test_an_error_names_block_and_rows():
    def refuse(X):
        if X[0, 0] == 8:
            raise ValueError("X is bad")
        return X

    known, like = da.from_array(X, chunks=(4, 2)), np.zeros((0, 2))
    with pytest.raises(
        ValueError, match=r"^In block 1 of 3 \(rows 4 to 7, counted from 0 in this message\): X is bad$"
    ):
        Partitions.of(X=known).map_rows(refuse, like, "t").compute()
    with pytest.raises(ValueError, match=r"^In block 1 of 3 \(4 rows, counted .*: X is bad$"):
        Partitions.of(X=unknown(known)).map_rows(refuse, like, "t").compute()

    def fail(X):
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError, match="by zero") as caught:
        Partitions.of(X=known).collect(fail, "t")
    assert any("In block" in note for note in caught.value.__notes__)


def test_rows_that_do_not_go_together_are_refused():
    known = da.from_array(X, chunks=(4, 2))
    with pytest.raises(ValueError, match=r"y has 9 rows and X 10: inconsistent numbers of samples"):
        Partitions.of(X=known, y=da.zeros(9, chunks=3))
    with pytest.raises(ValueError, match=r"w is in memory, but the partitions of X have unknown lengths"):
        Partitions.of(X=unknown(known), w=np.ones(10))
    with pytest.raises(ValueError, match=r"X has 3 partition\(s\) and y 2; if lengths are unknown"):
        Partitions.of(X=unknown(known), y=da.zeros(10, chunks=5))
    # One partition could be broadcast to all of them: never.
    with pytest.raises(ValueError, match=r"y has 1 partition\(s\) and X 3"):
        Partitions.of(X=unknown(known), y=unknown(da.zeros(4, chunks=4)))
    with pytest.raises(ValueError, match=r"In block 1 of 3 .*: y has 5 rows and X 4"):
        Partitions.of(X=unknown(known), y=da.zeros(11, chunks=((4, 5, 2),))).collect(rows_and_sums, "t")
    narrow = known.map_blocks(lambda block: block[:, :1], meta=np.empty((0, 2)))
    with pytest.raises(ValueError, match=r"X has the shape \(., 1\) here, but .* says that a row has the shape \(2,\)"):
        Partitions.of(X=narrow).collect(rows_and_sums, "t")


def test_other_objects_are_refused_by_name():
    with pytest.raises(TypeError, match="X is a Dask DelayedLeaf"):
        Partitions.of(X=dask.delayed(X))
    with pytest.raises(ValueError, match="X must have shape \\(n,\\) or \\(n, k\\); got 3 dimensions"):
        Partitions.of(X=da.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="X has an unknown number of columns"):
        Partitions.of(X=da.from_delayed(dask.delayed(X), (10, np.nan), float))
    with pytest.raises(TypeError, match="X is a sparse matrix in memory"):
        Partitions.of(X=sp.csr_matrix(X), y=da.zeros(10))


def test_one_row_has_names_columns_and_types():
    row = one_row_like(dd.from_pandas(FRAME.astype({"a": "float32"}), npartitions=1))
    assert row.shape == (1, 2) and list(row.dtypes) == [np.dtype("float32"), np.dtype("float64")]
    assert one_row_like(da.zeros((7, 3), dtype="f4")).dtype == np.float32
    assert one_row_like(X).shape == (1, 2) and one_row_like(FRAME).shape == (1, 2)
    assert one_row_like(1.5) == 1.5 and one_row_like(None) is None
