"""The three verbs of every kind of rows equal those of an explicitly standardized dense matrix."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle._rows import DenseRows, SingleRows, SparseRows

rng = np.random.default_rng(0)
N, P = 301, 7
SCALE = np.exp2(rng.integers(-3, 4, P))
SHIFT = SCALE * rng.normal(0, 4, P)
RAW = SHIFT + SCALE * rng.standard_normal((N, P))
COUNTS = np.where(rng.random((N, P)) < 0.3, rng.integers(1, 9, (N, P)), 0).astype(float)


def standardized(X, shift=0.0, scale=1.0):
    return ((X.astype(np.longdouble) - shift) / scale).astype(np.float64)


def dense(X, shift=SHIFT, scale=SCALE):
    rows = DenseRows(X, shift, scale)
    return rows, standardized(X, 0.0 if shift is None else shift, 1.0 if scale is None else scale)


def sparse(kind, X, shift=None, scale=None):
    return SparseRows(kind(X), shift, scale), standardized(X, 0.0 if shift is None else shift, scale or 1.0)


def strided():
    wide = np.zeros((2 * N, 2 * P))
    wide[::2, ::2] = RAW
    return wide[::2, ::2]


def read_only():
    X = RAW.copy()
    X.setflags(write=False)
    return X


def int64_indices(X):
    matrix = sp.csr_array(X)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


FAR = RAW + 1e6 * SCALE  # a mean of a million standard deviations
MEMBERS = {
    "C order": dense(RAW),
    "F order": dense(np.asfortranarray(RAW)),
    "strided": dense(strided()),
    "read-only": dense(read_only()),
    "float32": dense(RAW.astype(np.float32)),
    "float32, F order": dense(np.asfortranarray(RAW, dtype=np.float32)),
    "scaled only": dense(RAW, shift=None),
    "as it is": dense(RAW, shift=None, scale=None),
    "float32 as it is": dense(RAW.astype(np.float32), shift=None, scale=None),
    "far": dense(FAR, shift=SHIFT + 1e6 * SCALE),
    "far, F order": dense(np.asfortranarray(FAR), shift=SHIFT + 1e6 * SCALE),
    "copied": (DenseRows(RAW, SHIFT, SCALE).copied(), standardized(RAW, SHIFT, SCALE)),
    "csr_array": sparse(sp.csr_array, COUNTS),
    "csr_matrix": sparse(sp.csr_matrix, COUNTS),
    "csr, float32": sparse(lambda X: sp.csr_array(X.astype(np.float32)), COUNTS),
    "csr, int64 indices": sparse(int64_indices, COUNTS),
    "csr, scaled": (SparseRows(sp.csr_array(COUNTS), None, SCALE), standardized(COUNTS, 0.0, SCALE)),
    "csr, shifted": (SparseRows(sp.csr_array(COUNTS), 4 * SCALE, SCALE), standardized(COUNTS, 4 * SCALE, SCALE)),
    "csr, shifted only": (SparseRows(sp.csr_array(COUNTS), SHIFT, None), standardized(COUNTS, SHIFT)),
    "csr, empty": (SparseRows(sp.csr_array((N, P)), SHIFT, SCALE), standardized(np.zeros((N, P)), SHIFT, SCALE)),
}
CLOSE = {"rtol": 1e-12, "atol": 1e-11}
INTERVALS = [(0, N), (0, 64), (64, 200), (200, N), (5, 6)]


@pytest.fixture(params=MEMBERS)
def member(request):
    return MEMBERS[request.param]


def sandwich(X, weight):
    augmented = np.column_stack([X, np.ones(len(X))])
    return (augmented.T * weight) @ augmented


def assert_verbs_agree(rows, X, **close):
    n, p = X.shape
    generator = np.random.default_rng(1)
    assert (rows.n_rows, rows.n_columns) == (n, p)
    np.testing.assert_allclose(rows.standardized, X, rtol=1e-15, atol=1e-15)
    assert rows.standardized.dtype == np.float64
    augmented = np.column_stack([X, np.ones(n)])
    for q in (1, 3):
        matrix, residual = generator.standard_normal((q, p + 1)), generator.standard_normal((q, n))
        np.testing.assert_allclose(rows.matvec(matrix), matrix @ augmented.T, **close)
        np.testing.assert_allclose(rows.transpose_matvec(residual), residual @ augmented, **close)
        assert rows.matvec(matrix).dtype == rows.transpose_matvec(residual).dtype == np.float64
    for weight in (generator.random(n), -generator.random(n), generator.standard_normal(n), np.zeros(n)):
        product = rows.sandwich(weight)
        np.testing.assert_allclose(product, sandwich(X, weight), **close)
        np.testing.assert_allclose(product, product.T, **close)


def test_the_verbs_are_those_of_the_standardized_columns(member):
    assert_verbs_agree(*member, **CLOSE)


def test_weights_in_single_precision_cost_its_rounding_alone(member):
    """Every entry is rounded four times, centred before, and sums of n terms err by n roundings at most."""
    rows, X = member
    weight = np.random.default_rng(1).random(N).astype(np.float32)
    error = np.abs(rows.sandwich(weight) - sandwich(X, weight.astype(np.float64)))
    assert (error <= (N + 8) * np.finfo(np.float32).eps * sandwich(np.abs(X), weight)).all()


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_block_is_a_slice(member, interval):
    rows, X = member
    assert_verbs_agree(rows.block(*interval), X[slice(*interval)], **CLOSE)


def test_a_block_of_a_block_is_a_slice_of_the_slice(member):
    rows, X = member
    assert_verbs_agree(rows.block(50, 200).block(10, 100), X[60:150], **CLOSE)


def test_taken_rows_are_those_rows(member):
    rows, X = member
    chosen = np.array([300, 3, 3, 77, 0])
    assert_verbs_agree(rows.take(chosen), X[chosen], **CLOSE)


def test_exact_columns_are_standardized_without_rounding(member):
    rows, X = member
    np.testing.assert_array_equal(rows.exact().rounded, X)


@pytest.mark.parametrize("kind", [DenseRows, lambda X, *rest: SparseRows(sp.csr_array(X), *rest)])
def test_what_the_shift_rounds_off_is_kept(kind):
    exact = kind(np.array([[0.1], [1e9]]), np.array([1e9]), np.array([2.0**20])).exact()
    assert Fraction(float(exact.high[0, 0])) + Fraction(float(exact.low[0, 0])) == (Fraction(0.1) - 10**9) / 2**20


def test_inputs_are_never_written_to(member):
    rows, _ = member
    data = rows._X.data if isinstance(rows, SparseRows) else rows._X
    kept = data.copy()
    assert_verbs_agree(*member, **CLOSE)
    np.testing.assert_array_equal(data, kept)


def test_a_large_shift_costs_no_more_digits_than_promised():
    """Just below the ratio of 1000 beyond which a block is copied: three digits in products, six in the sandwich."""
    shift = 999 * SCALE
    X = shift + SCALE * np.random.default_rng(2).standard_normal((N, P))
    rows, expected = DenseRows(X, shift, SCALE), standardized(X, shift, SCALE)
    weight, matrix, residual = (np.random.default_rng(3).random(size) for size in (N, (2, P + 1), (2, N)))
    augmented = np.column_stack([expected, np.ones(N)])
    np.testing.assert_allclose(rows.matvec(matrix), matrix @ augmented.T, atol=1e-11)
    np.testing.assert_allclose(rows.transpose_matvec(residual), residual @ augmented, atol=1e-10)
    np.testing.assert_allclose(rows.sandwich(weight), sandwich(expected, weight), atol=1e-7)


def test_one_far_column_is_enough_to_take_the_careful_way():
    X = RAW.copy()
    X[:, 3] += 1e12 * SCALE[3]
    shift = SHIFT.copy()
    shift[3] += 1e12 * SCALE[3]
    assert_verbs_agree(DenseRows(X, shift, SCALE), standardized(X, shift, SCALE), **CLOSE)


@pytest.mark.parametrize("shape", [(5003, 3), (5003, 20), (1501, 60), (0, 4), (1, 4)])
@pytest.mark.parametrize("sign", [1.0, -1.0, 0.0, None])
def test_a_sandwich_is_the_sum_of_its_pieces(shape, sign):
    """Of few columns and of many, of weights of one sign and of both, and of one weight for all rows."""
    X = rng.standard_normal(shape)
    weight = {0.0: rng.standard_normal(len(X)), None: np.broadcast_to(2.5, len(X))}.get(sign, rng.random(len(X)))
    weight = -weight if sign == -1.0 else weight
    np.testing.assert_allclose(DenseRows(X).sandwich(weight), sandwich(X, weight), rtol=1e-12, atol=1e-11)


def test_a_sparse_sandwich_of_many_columns():
    """Beyond the width where products of sparse matrices take over from small dense blocks."""
    X = sp.random_array((40, 1600), density=0.05, random_state=np.random.default_rng(4), format="csr")
    scale, shift = np.full(1600, 0.5), np.full(1600, 0.25)
    rows, expected = SparseRows(X, shift, scale), standardized(X.toarray(), shift, scale)
    for weight in (rng.random(40), rng.standard_normal(40)):
        np.testing.assert_allclose(rows.sandwich(weight), sandwich(expected, weight), atol=1e-12)


def test_a_sparse_sandwich_of_many_rows():
    """Several of the dense blocks that it is made of."""
    X = sp.random_array((5000, 200), density=0.02, random_state=np.random.default_rng(5), format="csr")
    rows, expected = SparseRows(X), X.toarray()
    for weight in (rng.random(5000), rng.standard_normal(5000)):
        np.testing.assert_allclose(rows.sandwich(weight), sandwich(expected, weight), atol=1e-11)


def test_sparse_blocks_share_the_memory_of_their_matrix():
    matrix = sp.csr_array(COUNTS)
    rows = SparseRows(matrix)
    blocks = [rows.block(*bounds) for bounds in pairwise((0, 100, 250, N))]
    assert all(np.shares_memory(block._X.data, matrix.data) for block in blocks)
    np.testing.assert_array_equal(np.concatenate([block.standardized for block in blocks]), COUNTS)


def test_dense_blocks_are_views():
    rows = DenseRows(RAW)
    assert np.shares_memory(rows.block(10, 20).standardized, RAW)


def test_single_precision_is_of_the_products_alone():
    """Each product errs by the rounding of its terms: some 1e-7 of the sum of their sizes."""
    exact = DenseRows(RAW / SCALE)
    single = SingleRows((RAW / SCALE).astype(np.float32)).block(10, 200)
    matrix, residual = rng.standard_normal((3, P + 1)), rng.standard_normal((3, 190))
    eta, gradient = single.matvec(matrix), single.transpose_matvec(residual.astype(np.float32))
    assert eta.dtype == np.float32 and gradient.dtype == np.float64
    of_terms = DenseRows(np.abs(RAW / SCALE)).block(10, 200)
    eps = 200 * np.finfo(np.float32).eps
    assert (np.abs(eta - exact.block(10, 200).matvec(matrix)) <= eps * of_terms.matvec(np.abs(matrix))).all()
    error = np.abs(gradient - exact.block(10, 200).transpose_matvec(residual))
    assert (error <= eps * of_terms.transpose_matvec(np.abs(residual))).all()
