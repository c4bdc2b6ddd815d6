"""The standardization of columns: right whatever the units, exact where it can be, and weights are repeats."""

from functools import partial, reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle._numerics.arguments import NotFiniteError
from sklearn_mle._rows import Data, DenseRows, SparseRows
from sklearn_mle._rows import data as data_module
from sklearn_mle._rows.columns import Columns, moments_about
from sklearn_mle._rows.columns import moments as moments_of_block

rng = np.random.default_rng(0)
N = 500
Z = rng.standard_normal(N)

NASTY = {
    "ordinary": Z,
    "1e150": 1e150 * Z,
    "1e-150": 1e-150 * Z,
    "1e300": 1e300 * Z / 4,
    "1e-300": 1e-300 * Z,
    "largest": 1.7e308 * (Z / np.abs(Z).max()),
    "largest, of one sign": 1.7e308 * (0.5 + 0.5 * np.abs(Z) / np.abs(Z).max()),
    "subnormal": 1e-310 * Z,
    "mean 1e8": 1e8 + Z,
    "mean -1e12": -1e12 + Z,
    "year": 2000 + np.round(Z),
    "mean 1e150": 1e150 + 1e140 * Z,
    "one outlier": np.where(np.arange(N) == N - 1, 1e12, Z),
    "one outlier first": np.where(np.arange(N) == 0, 1e12, Z),
    "start far from the rest": np.where(np.arange(N) < 100, 1e9, 0) + Z,
    "rare dummy": (np.arange(N) == 77).astype(float),
    "mostly ones": (np.arange(N) != 77).astype(float),
    "integers": rng.integers(-50, 50, N).astype(float),
    "two values close together": np.where(Z > 0, 1.0, 1.0 + 1e-12),
}
CONSTANT = {
    "zero": np.zeros(N),
    "one": np.ones(N),
    "0.1": np.full(N, 0.1),
    "1e300": np.full(N, 1e300),
    "1e-300": np.full(N, 1e-300),
    "rounding of a constant": 1e8 * (1 + np.where(Z > 0, 2.0, 0.0) * 1e-16),
}


def moments(x, weight=None):
    """Mean, standard deviation and root mean square in extended precision, scaled against overflow."""
    w = np.ones(len(x), np.longdouble) if weight is None else weight.astype(np.longdouble)
    power = np.longdouble(np.exp2(np.floor(np.log2(np.abs(x[w > 0]).max()))))
    scaled = np.where(w > 0, x, 0).astype(np.longdouble) / power
    mean = (w * scaled).sum() / w.sum()
    variance = (w * (scaled - mean) ** 2).sum() / w.sum()
    return mean * power, np.sqrt(variance) * power, np.sqrt((w * scaled**2).sum() / w.sum()) * power


def columns_of(X, weight, **choices):
    rows = SparseRows(X) if sp.issparse(X) else DenseRows(X)
    return Columns.of(Data(rows, np.zeros(X.shape[0]), weight), **choices)


def as_given(x, storage):
    return sp.csr_array(x[:, None]) if storage == "sparse" else x[:, None].copy()


@pytest.fixture(params=["dense", "sparse"])
def storage(request):
    return request.param


@pytest.mark.parametrize("name", NASTY)
def test_columns_are_centred_and_scaled_whatever_their_units(name, storage):
    x = NASTY[name]
    columns = columns_of(as_given(x, storage), None, centre=True)
    mean, deviation, _ = moments(x)
    assert not columns.constant[0]
    assert abs(columns.shift[0] - mean) <= columns.scale[0] / 8 + 4e-16 * abs(mean)
    assert columns.spread[0] == pytest.approx(float(deviation / columns.scale[0]), rel=1e-6)
    if 1e-300 < deviation < 1e300:
        assert 0.7 <= columns.spread[0] <= 1.42
    standardized = (x.astype(np.longdouble) - columns.shift[0]) / columns.scale[0]
    assert np.abs(standardized).max() <= columns.largest[0] * (1 + 1e-15)
    assert columns.noise[0] >= np.finfo(float).eps


@pytest.mark.parametrize("name", NASTY)
def test_without_an_intercept_columns_are_scaled_only(name, storage):
    x = NASTY[name]
    columns = columns_of(as_given(x, storage), None, centre=False)
    _, _, root_mean_square = moments(x)
    assert columns.shift[0] == 0
    assert not columns.constant[0]
    assert columns.spread[0] == pytest.approx(float(root_mean_square / columns.scale[0]), rel=1e-6)
    assert np.abs(x).max() / columns.scale[0] <= columns.largest[0] * (1 + 1e-15)


@pytest.mark.parametrize("name", CONSTANT)
def test_constant_columns_are_told_from_narrow_ones(name, storage):
    columns = columns_of(as_given(CONSTANT[name], storage), None, centre=True)
    assert columns.constant[0]
    assert columns.scale[0] > 0 and np.isfinite(columns.shift[0])


def test_without_an_intercept_only_a_column_of_zeros_is_constant(storage):
    for name, x in CONSTANT.items():
        assert columns_of(as_given(x, storage), None, centre=False).constant[0] == (name == "zero")


def test_scales_are_powers_of_two_and_integers_are_standardized_exactly(storage):
    X = np.column_stack([rng.integers(-1000, 1000, N), 10 * rng.integers(0, 3, N), 2000 + rng.integers(-9, 9, N)])
    X = X.astype(float)
    columns = columns_of(sp.csr_array(X) if storage == "sparse" else X, None, centre=True)
    np.testing.assert_array_equal(np.frexp(columns.scale)[0], 0.5)
    in_double = (X - columns.shift) / columns.scale
    np.testing.assert_array_equal(in_double, ((X.astype(np.longdouble) - columns.shift) / columns.scale))


def all_columns():
    used = {name: x for name, x in NASTY.items() if "largest" not in name and name != "subnormal"}
    return np.column_stack([*used.values(), *CONSTANT.values()])


def test_columns_do_not_know_their_neighbours():
    X = all_columns()
    together = columns_of(X, None, centre=True)
    for j in range(X.shape[1]):
        alone = columns_of(X[:, [j]].copy(), None, centre=True)
        assert (alone.scale[0], alone.constant[0]) == (together.scale[j], together.constant[j])
        assert abs(alone.shift[0] - together.shift[j]) <= together.scale[j] / 8


def test_weights_are_repeats(storage):
    X = all_columns()
    weight = rng.integers(0, 4, N).astype(float)
    repeated = np.repeat(X, weight.astype(int), axis=0)
    for centre in (True, False):
        weighted = columns_of(sp.csr_array(X) if storage == "sparse" else X, weight, centre=centre)
        plain = columns_of(sp.csr_array(repeated) if storage == "sparse" else repeated, None, centre=centre)
        np.testing.assert_array_equal(weighted.scale, plain.scale)
        np.testing.assert_array_equal(weighted.constant, plain.constant)
        np.testing.assert_allclose(weighted.spread, plain.spread, rtol=1e-5, atol=1e-12)
        assert (np.abs(weighted.shift - plain.shift) <= plain.scale / 8).all()


def test_a_column_that_varies_only_where_the_weight_is_zero_is_constant(storage):
    x = np.where(np.arange(N) < 10, np.arange(N), 5.0)
    weight = (np.arange(N) >= 10).astype(float)
    columns = columns_of(as_given(x, storage), weight, centre=True)
    assert columns.constant[0]


@pytest.mark.parametrize("multiple", [1e-200, 1e12, 1e200])
def test_the_unit_of_the_weights_does_not_matter(multiple, storage):
    weight = rng.random(N)
    for x in (NASTY["ordinary"], NASTY["mean 1e8"], NASTY["1e150"]):
        plain = columns_of(as_given(x, storage), weight, centre=True)
        scaled = columns_of(as_given(x, storage), multiple * weight, centre=True)
        assert plain.scale == scaled.scale and abs(plain.shift - scaled.shift) <= plain.scale / 8


def test_weights_over_many_decades_are_as_good_as_extended_precision():
    weight = 10.0 ** rng.uniform(-12, 12, N)
    mean, deviation, _ = moments(NASTY["mean 1e8"], weight)
    columns = columns_of(NASTY["mean 1e8"][:, None], weight, centre=True)
    assert columns.spread[0] * columns.scale[0] == pytest.approx(float(deviation), rel=1e-6)
    assert abs(columns.shift[0] - mean) <= columns.scale[0] / 8


def test_dense_and_sparse_agree():
    X = np.where(rng.random((N, 6)) < 0.3, rng.normal(3, 5, (N, 6)), 0)
    for centre in (True, False):
        dense, sparse = columns_of(X, None, centre=centre), columns_of(sp.csr_array(X), None, centre=centre)
        np.testing.assert_array_equal(dense.scale, sparse.scale)
        np.testing.assert_allclose(dense.spread, sparse.spread, rtol=1e-12)
        assert (np.abs(dense.shift - sparse.shift) <= dense.scale / 8).all()


def test_float32_is_measured_in_float64():
    X = (1e4 + rng.standard_normal((5000, 3))).astype(np.float32)
    single, double = columns_of(X, None, centre=True), columns_of(X.astype(float), None, centre=True)
    np.testing.assert_array_equal(single.scale, double.scale)
    np.testing.assert_allclose(single.spread, double.spread, rtol=1e-12)


def test_threads_change_no_bit(monkeypatch):
    X, weight = rng.normal(3, 2, (60_000, 5)), rng.random(60_000)
    found = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(data_module, "n_threads", lambda threads=threads: threads)
        found.append(columns_of(X, weight, centre=True))
    for columns in found[1:]:
        for name in ("shift", "scale", "noise", "spread", "largest"):
            np.testing.assert_array_equal(getattr(columns, name), getattr(found[0], name))


def test_least_scale_is_a_floor():
    columns = columns_of(np.column_stack([1e-30 * Z, Z]), None, centre=True, least_scale=1e-5)
    assert 0.7e-5 <= columns.scale[0] <= 1.5e-5
    assert 0.5 <= columns.scale[1] <= 2


def test_coefficients_go_to_the_original_units_and_back():
    X = np.column_stack([NASTY[name] for name in ("ordinary", "1e150", "1e-150", "mean 1e8", "year")])
    columns = columns_of(X, None, centre=True)
    matrix = rng.standard_normal((2, 6))
    original = columns.to_original(matrix)
    np.testing.assert_allclose(columns.to_standardized(original), matrix, rtol=1e-7, atol=1e-7)
    extended = X.astype(np.longdouble)
    of_standardized = ((extended - columns.shift) / columns.scale) @ matrix[:, :-1].T + matrix[:, -1]
    found = extended @ original[:, :-1].T + original[:, -1]
    # What is left is the rounding of coefficients and intercept to float64, times a mean of 1e8 standard deviations.
    np.testing.assert_allclose(found.astype(float), of_standardized.astype(float), atol=1e-7)


def test_a_coefficient_beyond_the_range_of_float64_is_infinite():
    columns = columns_of(NASTY["subnormal"][:, None], None, centre=True)
    assert columns.to_original(np.array([[1e10, 0.0]]))[0, 0] == np.inf


def far_and_huge():
    """Means near the largest float64, whose sums overflow, of a spread that their squares would lose."""
    return np.column_stack([1.5e308 + 1e300 * Z, -1.7e308 + 1e297 * np.abs(Z)])


def test_a_mean_that_overflows_and_cancels_is_found_all_the_same(storage):
    X = far_and_huge()
    columns = columns_of(sp.csr_array(X) if storage == "sparse" else X, None, centre=True)
    for j in range(2):
        mean, deviation, _ = moments(X[:, j])
        assert columns.spread[j] * columns.scale[j] == pytest.approx(float(deviation), rel=1e-6)
        assert abs(columns.shift[j] - mean) <= columns.scale[j] / 8 + 4e-16 * abs(mean)


def test_columns_that_cancel_cost_one_more_pass_together():
    easy = Data(DenseRows(np.column_stack([NASTY["ordinary"], NASTY["integers"]])), Z)
    Columns.of(easy, centre=True)
    assert easy.n_passes == 1
    hard = Data(DenseRows(all_columns()), Z)
    columns = Columns.of(hard, centre=True)
    assert hard.n_passes == 2
    assert hard.standardize(columns.shift, columns.scale).n_passes == 2


@pytest.mark.parametrize("cuts", [[1], [250], [7, 8, 400], [100, 100, 499]])
def test_moments_of_parts_add_up_to_those_of_all(cuts):
    X, weight = np.column_stack([all_columns(), NASTY["subnormal"]]), rng.random(N)
    data, every = Data(DenseRows(X), Z, weight), np.arange(X.shape[1])
    for task in (moments_of_block, partial(moments_about, every, X.mean(axis=0))):
        (whole,) = task(data.block(0, N))
        bounds = list(pairwise([0, *cuts, N]))
        (parts,) = zip(*(task(data.block(*pair)) for pair in bounds), strict=True)
        total = reduce(add, parts)
        assert total.weight == pytest.approx(whole.weight, rel=1e-14)
        np.testing.assert_array_equal(total.largest, whole.largest)
        np.testing.assert_array_equal(total.unit, whole.unit)
        error = np.abs(total.first - whole.first)
        assert (error <= 1e-14 * (weight @ (np.abs(X) / whole.unit))).all()
        np.testing.assert_allclose(total.second, whole.second, rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_entry_that_is_not_finite_is_found_with_its_row(value, weighted, storage):
    X = rng.standard_normal((60_000, 20))
    X[54_321, 7] = value
    weight = (np.arange(60_000) != 54_321).astype(float) if weighted else None  # a weight of zero hides nothing
    with pytest.raises(NotFiniteError, match="row 54321") as caught:
        columns_of(sp.csr_array(X) if storage == "sparse" else X, weight, centre=True)
    assert caught.value.row == 54_321


def test_the_overflow_of_a_sum_is_not_taken_for_an_infinite_entry(storage):
    X = np.full((N, 2), 1.7e308)
    columns = columns_of(sp.csr_array(X) if storage == "sparse" else X, None, centre=True)
    assert columns.constant.all() and (columns.shift == 1.7e308).all()
