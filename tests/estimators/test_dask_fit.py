"""Fits of rows that Dask keeps: the answers of memory, by sums alone; what is not valid is named with its block."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle._numerics.partitions import Partitions
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle.exceptions import PerfectFitWarning, RankDeficiencyWarning, SeparationWarning
from sklearn_mle.likelihoods import StudentT

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
delayed = pytest.importorskip("dask").delayed

rng = np.random.default_rng(7)
N, P = 2400, 4
# Blocks of all sizes, one of them empty.
CHUNKS = (700, 0, 1, 999, 300, 400)
X = rng.standard_normal((N, P)) * [1.0, 100.0, 0.01, 1.0] + [0.0, 5000.0, 0.0, 3.0]
ETA = 0.8 * (X - X.mean(axis=0)) / X.std(axis=0) @ [1.0, -1.0, 0.5, 0.0] + 0.3
TWO = np.where(ETA + rng.logistic(size=N) > 0, "yes", "no")
THREE = (rng.gumbel(size=(N, 3)) + np.column_stack([ETA, -ETA, 0 * ETA])).argmax(axis=1) * 5 - 1
SOFT = rng.dirichlet([1.0, 2.0, 0.5], N)
REAL = 1e4 + 30 * (ETA + rng.standard_normal(N))
HEAVY = ETA + rng.standard_t(4, N)
COUNTS = rng.poisson(np.exp(ETA)).astype(float)
DISPERSED = rng.poisson(np.exp(ETA) * rng.gamma(2, 0.5, N)).astype(float)
AMOUNTS = np.exp(ETA) * rng.gamma(3, 1 / 3, N)
SHARES = np.clip(1 / (1 + np.exp(-ETA - rng.logistic(size=N))), 1e-6, 1 - 1e-6)
# The fourth block, of 999 rows, has no weight at all.
WEIGHT = np.where((np.arange(N) >= 701) & (np.arange(N) < 1700), 0.0, rng.integers(0, 4, N).astype(float))
OFFSET = rng.uniform(-1, 1, N)
OFFSETS = rng.uniform(-1, 1, (N, 3))

MODELS = {
    "two": (lambda: MLELogisticClassifier(), TWO, OFFSET),
    "two, penalized": (lambda: MLELogisticClassifier(C=0.1, class_weight="balanced"), TWO, OFFSET),
    "two, no intercept": (lambda: MLELogisticClassifier(fit_intercept=False), TWO, OFFSET),
    "two, booleans": (lambda: MLELogisticClassifier(), TWO == "yes", OFFSET),
    "three": (lambda: MLELogisticClassifier(), THREE, OFFSETS),
    "three, weighted": (lambda: MLELogisticClassifier(class_weight={-1: 1, 4: 2, 9: 0.5}), THREE, OFFSETS),
    "soft": (lambda: MLELogisticClassifier(), SOFT, OFFSETS),
    "soft, weighted": (lambda: MLELogisticClassifier(C=3.0, class_weight={0: 1, 1: 2, 2: 0}), SOFT, OFFSETS),
    "soft of two": (lambda: MLELogisticClassifier(), SOFT[:, :2] / SOFT[:, :2].sum(axis=1, keepdims=True), OFFSET),
    "least squares": (lambda: GaussianMLERegressor(), REAL, OFFSET),
    "ridge": (lambda: GaussianMLERegressor(alpha=3.0, scale=25.0), REAL, OFFSET),
    "log-linear": (lambda: GaussianMLERegressor(scale="log_linear"), REAL, OFFSET),
    "log-linear, penalized": (lambda: GaussianMLERegressor(scale="log_linear", alpha=2.0), REAL, OFFSET),
    "student_t": (lambda: MLERegressor("student_t"), HEAVY, OFFSET),
    "student_t, df": (lambda: MLERegressor(StudentT(df=3.0), predictors="linear"), HEAVY, OFFSET),
    "huber": (lambda: MLERegressor("huber"), HEAVY, OFFSET),
    "logistic": (lambda: MLERegressor("logistic"), HEAVY, OFFSET),
    "gumbel": (lambda: MLERegressor("gumbel"), HEAVY, OFFSET),
    "poisson": (lambda: MLERegressor("poisson"), COUNTS, OFFSET),
    "negative_binomial": (lambda: MLERegressor("negative_binomial"), DISPERSED, OFFSET),
    "gamma": (lambda: MLERegressor("gamma"), AMOUNTS, OFFSET),
    "gamma, log-linear": (lambda: MLERegressor("gamma", predictors="linear"), AMOUNTS, OFFSET),
    "inverse_gaussian": (lambda: MLERegressor("inverse_gaussian"), AMOUNTS, OFFSET),
    "lognormal": (lambda: MLERegressor("lognormal"), AMOUNTS, OFFSET),
    "weibull": (lambda: MLERegressor("weibull"), AMOUNTS, OFFSET),
    "beta": (lambda: MLERegressor("beta"), SHARES, OFFSET),
    "binomial": (lambda: MLERegressor("binomial"), SHARES, OFFSET),
}


def blocks(array, chunks=CHUNKS):
    return None if array is None else da.from_array(array, chunks=(chunks, *array.shape[1:]))


def of_unknown_lengths(array, chunks=CHUNKS):
    """The blocks of an array whose lengths Dask does not know."""
    parts = blocks(array, chunks).to_delayed().ravel()
    parts = [da.from_delayed(part, (np.nan, *array.shape[1:]), array.dtype) for part in parts]
    return da.concatenate(parts, allow_unknown_chunksizes=True)


def assert_same_answer(found, expected, n=N):
    """In the mean objective to 1e-10, and coefficients within a millionth of what is left of their uncertainty."""
    assert found.log_likelihood_ / n == pytest.approx(expected.log_likelihood_ / n, abs=1e-10)
    assert found.n_obs_ == pytest.approx(expected.n_obs_, rel=1e-12)
    np.testing.assert_allclose(found._coefficients(), expected._coefficients(), rtol=1e-7, atol=1e-9)
    assert (found.status_, found.df_model_) == (expected.status_, expected.df_model_)
    assert found.df_resid_ == pytest.approx(expected.df_resid_, rel=1e-12)
    if hasattr(expected, "classes_"):
        np.testing.assert_array_equal(found.classes_, expected.classes_)
        assert found.classes_.dtype.kind == expected.classes_.dtype.kind


# Of `make test` every other model, with all that a row may have.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (k % 2)) for k, name in enumerate(MODELS)]
)
@pytest.mark.parametrize(
    "all_of_it", [pytest.param(False, marks=pytest.mark.slow), True], ids=["plain", "weights and offset"]
)
def test_the_answer_is_that_of_memory(name, all_of_it):
    make, y, offset = MODELS[name]
    weight, offset = (WEIGHT, offset) if all_of_it else (None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if name == "soft, weighted" else "error", SeparationWarning)
        expected = make().fit(X, y, sample_weight=weight, offset=offset)
        found = make().fit(blocks(X), blocks(y), sample_weight=blocks(weight), offset=blocks(offset))
    assert_same_answer(found, expected)
    if not expected._fitted_model().penalized:
        np.testing.assert_allclose(found.standard_errors(), expected.standard_errors(), rtol=1e-6)


def segments_of(X, n_predictors):
    """The lengths of the stretches of rows that a fit in memory sums one by one."""
    segments = Data(DenseRows(X), np.zeros(len(X)), n_predictors=n_predictors)._segments
    return tuple(segment[-1][1] - segment[0][0] for segment in segments)


# Of so many rows some are copied, standardized; of more they are used in place, and a sample goes ahead.
COPIED, IN_PLACE = (40_000, 20), (230_000, 18)


@pytest.mark.parametrize(
    ("kind", "n", "p"),
    [
        ("two", *COPIED),
        ("two", *IN_PLACE),
        ("three", *COPIED),
        ("poisson", *COPIED),
        ("least squares", *IN_PLACE),
        ("log-linear", *COPIED),
    ],
)
def test_the_same_blocks_give_the_same_bits(kind, n, p):
    generator = np.random.default_rng(n)
    rows = generator.standard_normal((n, p)) + 0.3
    eta = rows @ generator.normal(0, 0.2, p)
    y = {
        "two": lambda: (eta + generator.logistic(size=n) > 0).astype(int),
        "three": lambda: np.digitize(eta + generator.logistic(size=n), [-1, 4]),
        "poisson": lambda: generator.poisson(np.exp(0.3 * eta)).astype(float),
        "least squares": lambda: eta + generator.standard_normal(n),
        "log-linear": lambda: eta + np.exp(0.1 * eta) * generator.standard_normal(n),
    }[kind]()
    make = MODELS[kind][0]
    chunks = segments_of(rows, {"two": 1, "three": 3, "poisson": 1}.get(kind, 2))
    assert len(chunks) >= 4  # so many that a tree of sums is no row of them
    expected = make().fit(rows, y)
    found = make().fit(blocks(rows, chunks), blocks(y, chunks))
    np.testing.assert_array_equal(found._coefficients(), expected._coefficients())
    assert (found.log_likelihood_, found.gap_) == (expected.log_likelihood_, expected.gap_)
    np.testing.assert_array_equal(found.standard_errors(), expected.standard_errors())
    assert found.n_passes_ <= 12


@pytest.mark.parametrize("unknown", [False, True], ids=["known lengths", "unknown lengths"])
def test_dataframes_with_names_and_labels(unknown):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(size=pd.Categorical(rng.choice(["s", "m", "l"], N)), y=TWO)
    parts = dd.from_pandas(frame, npartitions=7)
    features = dd.get_dummies(parts.drop(columns="y"), dtype=float)
    expected = MLELogisticClassifier(C=2.0).fit(pd.get_dummies(frame.drop(columns="y"), dtype=float), frame["y"])
    y = parts["y"]
    if not unknown:
        features = features.to_dask_array(lengths=True)
        y = da.from_array(TWO.astype(object), chunks=features.chunks[0])
    found = MLELogisticClassifier(C=2.0).fit(features, y)
    assert_same_answer(found, expected)
    assert found.n_features_in_ == expected.n_features_in_ == P + 3
    if unknown:
        np.testing.assert_array_equal(found.feature_names_in_, expected.feature_names_in_)


def test_arrays_of_unknown_lengths_and_what_is_beside_them():
    expected = MLELogisticClassifier().fit(X, THREE, WEIGHT, OFFSETS)
    found = MLELogisticClassifier().fit(*map(of_unknown_lengths, (X, THREE, WEIGHT, OFFSETS)))
    assert_same_answer(found, expected)
    # What is in memory is cut as X is, where that is known; a scalar is every row's.
    found = GaussianMLERegressor().fit(blocks(X), REAL, sample_weight=WEIGHT, offset=2.0)
    assert_same_answer(found, GaussianMLERegressor().fit(X, REAL, WEIGHT, 2.0))
    with pytest.raises(ValueError, match="y is in memory, but the partitions of X have unknown lengths"):
        GaussianMLERegressor().fit(of_unknown_lengths(X), REAL)


def test_float32_and_integer_columns():
    narrow = X.astype(np.float32)
    assert_same_answer(
        MLELogisticClassifier().fit(blocks(narrow), blocks(TWO)), MLELogisticClassifier().fit(narrow, TWO)
    )
    whole = np.rint(X).astype(np.int64)[:, [0, 1, 3]]
    assert_same_answer(MLELogisticClassifier().fit(blocks(whole), blocks(TWO)), MLELogisticClassifier().fit(whole, TWO))


@pytest.mark.parametrize("make", [sp.csr_array, sp.csr_matrix])
def test_blocks_of_sparse_rows(make):
    dense = X * (rng.random(X.shape) < 0.4)
    sparse = blocks(dense, (800,) * 3).map_blocks(make)
    found = MLELogisticClassifier().fit(sparse, blocks(TWO, (800,) * 3))
    assert_same_answer(found, MLELogisticClassifier().fit(dense, TWO))


def test_classes_that_blocks_lack_and_rare_ones():
    y = np.where(np.arange(N) < 30, "rare", np.where(np.arange(N) < 1700, "early", "late"))
    y[::3] = np.where(np.arange(N)[::3] % 2, "early", "late")
    expected = MLELogisticClassifier(C=1.0).fit(X, y)
    found = MLELogisticClassifier(C=1.0).fit(blocks(X), blocks(y))
    assert_same_answer(found, expected)
    # With its rows' weights at zero a class stays among the classes.
    weight = (y != "rare").astype(float)
    with pytest.warns(SeparationWarning, match="'rare': every row has weight zero"):
        found = MLELogisticClassifier().fit(blocks(X), blocks(y), blocks(weight))
    with pytest.warns(SeparationWarning, match="'rare'"):
        expected = MLELogisticClassifier().fit(X, y, weight)
    assert_same_answer(found, expected)


@pytest.mark.parametrize(
    ("make", "y"),
    [
        (MLELogisticClassifier, TWO),
        (MLELogisticClassifier, THREE),
        (lambda: GaussianMLERegressor(scale="log_linear"), HEAVY),
        (lambda: MLERegressor("poisson"), COUNTS),
        (lambda: MLERegressor("lognormal"), AMOUNTS),
        (lambda: MLERegressor("student_t"), HEAVY),
    ],
    ids=["two", "three", "log-linear", "poisson", "lognormal", "student_t"],
)
def test_x_is_read_once_in_each_pass(tmp_path, make, y):
    """Unpersisted blocks are read anew in each pass, and n_passes_ is their number."""

    def read(start, stop):
        with (tmp_path / f"{start}").open("a") as file:
            file.write("read\n")
        return X[start:stop]

    bounds = [(0, 800), (800, 1600), (1600, 2400)]
    parts = da.concatenate([da.from_delayed(delayed(read)(a, b), (b - a, P), float) for a, b in bounds])
    model = make().fit(parts, blocks(y, (800,) * 3))
    reads = {len((tmp_path / f"{start}").read_text().splitlines()) for start, _ in bounds}
    assert reads == {model.n_passes_}
    assert y is not TWO or model.n_passes_ <= 12


def test_what_comes_to_the_client_does_not_grow_with_the_rows(monkeypatch):
    sizes = []
    original = Partitions.reduce_rows

    def watched(*arguments):
        total = original(*arguments)
        sizes[-1].append(sum(value.nbytes for value in flat(total) if isinstance(value, np.ndarray)))
        return total

    def flat(value):
        return [leaf for item in value for leaf in flat(item)] if isinstance(value, list | tuple) else [value]

    monkeypatch.setattr(Partitions, "reduce_rows", watched)
    for n in (60_000, 180_000):
        rows = np.random.default_rng(0).standard_normal((n, 20))
        y = rows[:, 0] + np.random.default_rng(1).logistic(size=n) > 0
        sizes.append([])
        MLELogisticClassifier(solver="lbfgs").fit(
            da.from_array(rows, chunks=(10_000, 20)), da.from_array(y, chunks=10_000)
        )
    assert max(sizes[1]) <= 9000 * 8 * 25  # the sample: 400 rows a column
    assert sorted(sizes[1])[-2] <= 21 * 21 * 8 + 21 * 8


def test_warm_start_and_a_failed_fit_leaves_the_model_as_it_was():
    model = MLELogisticClassifier(warm_start=True).fit(blocks(X), blocks(TWO))
    first = model.n_passes_
    model.fit(blocks(X), blocks(TWO))
    assert model.n_passes_ < first
    before = dict(vars(model))
    with pytest.raises(ValueError, match="block 1"):
        model.fit(blocks(X[:20], (10, 10)), blocks(np.array([0.0] * 15 + [0.5] + [1.0] * 4), (10, 10)))
    assert vars(model) == before


def test_the_observer_sees_every_iteration_and_may_stop():
    seen = []

    def observer(iteration, coefficients):
        seen.append(coefficients)
        return iteration == 2

    model = MLELogisticClassifier()._fit(blocks(X), blocks(TWO), None, None, observer)
    assert len(seen) == 2
    assert model.status_.name == "STOPPED"
    assert "observer" not in str(vars(model))


def bad(array, row, value):
    array = array.copy()
    array[row] = value
    return array


FORTY = (60,) * 40
NOT_FINITE = r"In block 17 of 40 \(rows 1020 to 1079, .*X contains NaN or infinity"
REFUSED = {
    "X, nan": (
        (bad(X, (1043, 2), np.nan), TWO),
        NOT_FINITE,
    ),
    "X, inf": (
        (bad(X, (1043, 2), -np.inf), TWO),
        NOT_FINITE,
    ),
    "X, nan in a row of no weight": (
        (bad(X, (1043, 2), np.nan), TWO, bad(np.ones(N), 1043, 0.0)),
        NOT_FINITE,
    ),
    "y, continuous": ((X, bad(COUNTS, 1043, 0.5)), r"In block 17 of 40 \(rows 1020 to 1079, .*y.*continuous"),
    "y, nan": ((X, bad(COUNTS, 1043, np.nan)), r"In block 17 of 40 \(rows 1020 to 1079, .*y contains NaN"),
    "y, one class": ((X, np.ones(N)), "at least 2 classes"),
    "y, rows": ((X, TWO[:-1]), "y has 2399 rows and X 2400"),
    "weight, negative": (
        (X, TWO, bad(np.ones(N), 1043, -1.0)),
        r"In block 17 of 40 \(rows 1020 to 1079, .*sample_weight must not be negative, but row 23 has -1",
    ),
    "weight, none": ((X, TWO, np.zeros(N)), "sample_weight is zero on every row"),
    "offset, nan": ((X, TWO, None, bad(OFFSET, 1043, np.nan)), r"In block 17 of 40 .*offset contains NaN"),
    "offset, shape": ((X, THREE, None, OFFSET), r"offset must have shape \(60, 3\)"),
    "soft, sum": ((X, bad(SOFT, 1043, [0.5, 0.6, 0.1])), r"In block 17 of 40 .*row 23 sums to 1.2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_valid_is_named_with_its_block_and_rows(name):
    arguments, message = REFUSED[name]
    cut = [None if a is None else blocks(a, FORTY if len(a) == N else (*FORTY[:-1], 59)) for a in arguments]
    with pytest.raises(ValueError, match=message):
        MLELogisticClassifier().fit(*cut)


def test_an_outcome_outside_the_domain_is_named_with_its_block():
    with pytest.raises(ValueError, match=r"In block 17 of 40 \(rows 1020 to 1079.*positive.*row 23 is 0"):
        MLERegressor("gamma").fit(blocks(X, FORTY), blocks(bad(AMOUNTS, 1043, 0.0), FORTY))


def test_dates_are_no_outcomes():
    dates = da.from_array(np.arange(N).astype("datetime64[s]"), chunks=(CHUNKS,))
    with pytest.raises(ValueError, match=r"y holds datetime64\[s\], which is not numeric"):
        GaussianMLERegressor().fit(da.from_array(X, chunks=(CHUNKS, P)), dates)


def test_labels_of_two_kinds():
    parts = [da.from_array(TWO[:1200], chunks=1200), da.from_array(THREE[1200:], chunks=1200)]
    mixed = da.concatenate([da.from_delayed(p.to_delayed()[0], (1200,), object) for p in parts])
    with pytest.raises(ValueError, match="labels of one kind"):
        MLELogisticClassifier().fit(blocks(X, (1200, 1200)), mixed)


def test_rows_that_change_between_passes():
    calls = []

    def read():
        calls.append(0)
        return X[: 1200 - len(calls)]

    part = da.from_delayed(delayed(read, pure=False)(), (np.nan, P), float)
    with pytest.raises(ValueError, match=r"In block 0 of 1 \(rows 0 to 1198, .*X has 1198 rows now, but had 1199 when"):
        MLELogisticClassifier().fit(part, of_unknown_lengths(TWO[:1199], (1199,)))


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (MLERegressor("laplace"), HEAVY, "Laplace has a kink.*huber"),
        (MLERegressor("asymmetric_laplace"), HEAVY, "AsymmetricLaplace has a kink"),
        (MLELogisticClassifier(bias_reduction="firth"), TWO, "bias_reduction='firth' needs all rows in one place"),
        (MLERegressor("binomial"), np.column_stack([COUNTS, COUNTS + 1]), "counts in two columns"),
    ],
)
def test_what_needs_all_rows_in_one_place_says_so(model, y, message):
    with pytest.raises(ValueError, match=message):
        model.fit(blocks(X), blocks(y))


def test_noise_that_vanishes_is_refused():
    rows = np.column_stack([X[:, 0], np.arange(N) == 5])
    with pytest.raises(ValueError, match="The likelihood is unbounded.*Pass arrays in memory"):
        GaussianMLERegressor(scale="log_linear").fit(blocks(rows), blocks(REAL))


def test_complete_separation_is_found_by_a_pass():
    y = np.where(ETA > 0.3, "up", "down")
    with pytest.warns(SeparationWarning, match="complete separation"):
        expected = MLELogisticClassifier().fit(X, y)
    with pytest.warns(SeparationWarning, match=r"complete separation.*column 0 to \+inf"):
        found = MLELogisticClassifier().fit(blocks(X), blocks(y))
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6)
    assert np.isnan(found.standard_errors()).all()
    three = np.digitize(ETA, [0.0, 0.6])
    with pytest.warns(SeparationWarning, match="separation"):
        MLELogisticClassifier().fit(blocks(X), blocks(three))


@pytest.mark.parametrize(("value", "word"), [(0.0, "failed"), (1.0, "succeeded")])
def test_trials_that_are_all_alike_have_no_answer(value, word):
    with pytest.raises(ValueError, match=f"every trial of positive weight {word}"):
        MLERegressor("binomial").fit(da.from_array(X, chunks=(600, 4)), da.full(N, value, chunks=600))


def test_binary_outcomes_have_the_proof_of_classes_that_a_maximum_exists():
    y = (TWO[:40] == "yes").astype(float)
    in_memory = MLERegressor("binomial").fit(X[:40], y)
    model = MLERegressor("binomial").fit(da.from_array(X[:40], chunks=(20, 4)), da.from_array(y, chunks=20))
    np.testing.assert_allclose(model.coef_, in_memory.coef_, rtol=1e-9)


def test_other_separation_is_never_silent():
    rows = np.column_stack([X[:, 0], np.arange(N) % 50 == 0])
    y = np.where(rows[:, 1] == 1, "yes", TWO)
    with pytest.warns(SeparationWarning, match="quasi-complete"):
        expected = MLELogisticClassifier().fit(rows, y)
    with pytest.warns(SeparationWarning, match="could not be excluded.*X comes from Dask"):
        found = MLELogisticClassifier().fit(blocks(rows), blocks(y))
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6)
    zeros = np.where(rows[:, 1] == 1, 0.0, COUNTS)
    with pytest.warns(SeparationWarning, match="could not be excluded.*point where the iterations ended"):
        MLERegressor("poisson").fit(blocks(rows), blocks(zeros))
    with pytest.raises(ValueError, match="zero in every row"):
        MLERegressor("poisson").fit(blocks(rows), blocks(np.zeros(N)))


def test_dependent_columns_and_perfect_fits():
    rows = np.column_stack([X, X[:, 0] - 2 * X[:, 3], np.ones(N)])
    with pytest.warns(RankDeficiencyWarning, match="Linearly dependent"):
        expected = GaussianMLERegressor().fit(rows, REAL)
    with pytest.warns(RankDeficiencyWarning, match="Linearly dependent"):
        found = GaussianMLERegressor().fit(blocks(rows), blocks(REAL))
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-7, atol=1e-9)
    for model in (GaussianMLERegressor(), MLERegressor("student_t")):
        with pytest.warns(PerfectFitWarning, match="fits every row exactly"):
            model.fit(blocks(X), blocks(X[:, 0] - X[:, 3]))
        assert model.scale_ == 0


def test_masked_partitions_are_refused():
    masked = da.ma.masked_array(da.from_array(X, chunks=(600, 4)), mask=X > 2)
    with pytest.raises(ValueError, match="X is a masked array, but masks are ignored"):
        GaussianMLERegressor().fit(masked, da.from_array(X[:, 0], chunks=600))
    model = GaussianMLERegressor().fit(X[:, 1:], X[:, 0])
    with pytest.raises(ValueError, match="X is a masked array, but masks are ignored"):
        model.predict(masked[:, 1:]).compute()
