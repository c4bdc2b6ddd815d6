"""Arrays in storage give the answers of arrays in memory, bit for bit, and are never read as a whole."""

import re

import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle._numerics.stored import StoredArray
from sklearn_mle.inference import infer, probability_interval, score_test
from tests.estimators.stored_arrays import SlicedArray, mapped

N, P = 45_000, 100
rng = np.random.default_rng(0)
X = rng.standard_normal((N, P))
X[:, 1] += 1e7  # its moments take a second pass
COEF = 0.1 * rng.standard_normal(P) * (np.arange(P) != 1)
ETA = X @ COEF
Y = {
    "logistic": (rng.random(N) < 1 / (1 + np.exp(-ETA))).astype(int),
    "classes": np.digitize(ETA + rng.logistic(size=N), [-1, 1]),
    "gaussian": ETA + rng.standard_normal(N),
    "poisson": rng.poisson(np.exp(ETA)).astype(float),
}
MODELS = {
    "logistic": MLELogisticClassifier(),
    "classes": MLELogisticClassifier(C=1.0),
    "gaussian": GaussianMLERegressor(),
    "poisson": MLERegressor("poisson"),
}
WEIGHT = rng.integers(0, 8, N).astype(float)


def fresh(name):
    return type(MODELS[name])(**MODELS[name].get_params())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stored")


@pytest.fixture(scope="module")
def in_memory():
    return {name: fresh(name).fit(X, Y[name]) for name in MODELS}


def assert_same(found, expected):
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    np.testing.assert_array_equal(found.intercept_, expected.intercept_)
    assert found.log_likelihood_ == expected.log_likelihood_


@pytest.mark.parametrize("name", MODELS)
def test_a_mapped_file_gives_the_bits_and_the_passes_of_memory(name, folder, in_memory):
    found = fresh(name).fit(mapped(folder, X), Y[name])
    assert_same(found, in_memory[name])
    assert found.n_passes_ == in_memory[name].n_passes_


@pytest.mark.parametrize(
    ("name", "chunks"),
    [("logistic", (7000, 13)), ("classes", None), ("gaussian", (15_000, 50)), ("poisson", (300, 100))],
)
def test_whatever_slices_by_rows_is_read_in_order_once_a_pass(name, chunks, in_memory):
    array = SlicedArray(X, chunks)
    found = fresh(name).fit(array, Y[name])
    assert_same(found, in_memory[name])
    sizes = [stop - start for start, stop in array.reads]
    assert max(sizes) * P * 8 <= max(2**23, (0 if chunks is None else chunks[0]) * P * 8)
    passes = np.split(np.array(array.reads), [k for k, (start, _) in enumerate(array.reads) if start == 0][1:])
    assert len(passes) == found.n_passes_
    for reads in passes:
        assert reads[0, 0] == 0 and reads[-1, 1] == N
        np.testing.assert_array_equal(reads[1:, 0], reads[:-1, 1])
        if chunks is not None:
            assert not (reads[:, 0] % chunks[0]).any()
    # Besides, chunks are read for the few thousand rows that a fit looks at first: for columns that depend on others,
    # for a start, and of counts for those above zero.
    assert found.n_passes_ <= in_memory[name].n_passes_ + (4 if name == "poisson" else 2)


@pytest.mark.parametrize(
    ("dtype", "order"), [("f4", "C"), ("f8", "F"), ("i2", "C"), pytest.param(">f8", "C", marks=pytest.mark.slow)]
)
def test_types_and_orders(dtype, order, folder):
    array = np.asarray(np.round(8 * X)[:, 2:] if dtype == "i2" else X).astype(dtype, order=order)
    expected = MLELogisticClassifier().fit(array, Y["logistic"])
    found = MLELogisticClassifier().fit(mapped(folder, array, order=order), Y["logistic"])
    assert_same(found, expected)
    assert found.coef_.dtype == np.float64


def test_float32_is_read_as_float32(folder):
    block = StoredArray(mapped(folder, X.astype(np.float32)))[10:20]
    assert block.dtype == np.float32
    assert isinstance(block.base, np.ndarray), "a view of the map: nothing is copied"


def test_rows_of_weight_zero_are_passed_over(folder):
    expected = MLELogisticClassifier().fit(X, Y["logistic"], sample_weight=WEIGHT * (np.arange(N) != 7))
    weight = WEIGHT.copy()
    weight[7] = 0
    spoilt = X.copy()
    spoilt[7, 3] = np.nan  # absent, so not looked at
    array = SlicedArray(spoilt)
    found = MLELogisticClassifier().fit(mapped(folder, spoilt), Y["logistic"], sample_weight=weight)
    of_slices = MLELogisticClassifier().fit(array, Y["logistic"], sample_weight=weight)
    for model in (found, of_slices):
        assert_same(model, expected)
        assert model.n_obs_ == expected.n_obs_


def test_pieces_without_weight_are_not_read():
    weight = (np.arange(N) >= N // 2).astype(float)
    array = SlicedArray(X)
    found = MLELogisticClassifier().fit(array, Y["logistic"], sample_weight=weight)
    assert min(start for start, _ in array.reads[1:]) >= N // 2 - 2**23 // (8 * P)
    np.testing.assert_allclose(
        found.coef_, MLELogisticClassifier().fit(X[N // 2 :], Y["logistic"][N // 2 :]).coef_, rtol=1e-9, atol=1e-12
    )


def test_everything_with_an_entry_a_row_may_be_stored(folder):
    offset = rng.standard_normal(N)
    given = [SlicedArray(Y["poisson"]), mapped(folder, WEIGHT), SlicedArray(offset.astype(np.float32).astype(float))]
    expected = MLERegressor("poisson").fit(X, Y["poisson"], sample_weight=WEIGHT, offset=given[2][...])
    stored = mapped(folder, X)
    found = MLERegressor("poisson").fit(stored, given[0], sample_weight=given[1], offset=given[2])
    assert_same(found, expected)
    for method in ("log_likelihood", "score", "deviance"):
        of_stored = getattr(found, method)(stored, given[0], sample_weight=given[1], offset=given[2])
        of_memory = getattr(found, method)(X, Y["poisson"], sample_weight=WEIGHT, offset=given[2][...])
        assert of_stored == pytest.approx(of_memory, rel=1e-13)


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_stored_targets_of_classifiers(kind, folder):
    y = Y["classes"] if kind == "labels" else rng.dirichlet(np.ones(3), N)
    expected = MLELogisticClassifier().fit(X, y)
    found = MLELogisticClassifier().fit(mapped(folder, X), mapped(folder, y))
    assert_same(found, expected)
    stored = SlicedArray(X)
    assert found.score(stored, SlicedArray(y)) == expected.score(X, y)
    assert found.log_likelihood(stored, SlicedArray(y)) == pytest.approx(expected.log_likelihood(X, y), rel=1e-13)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_arrays_and_those_of_memory(name, folder, in_memory):
    model = in_memory[name]
    calls = {"predict": {}}
    if name in ("logistic", "classes"):
        calls |= {"predict_proba": {}, "predict_log_proba": {}, "decision_function": {}}
    else:
        calls |= {"predict_quantile": {"q": [0.1, 0.5]}, "predict_interval": {}}
    array = SlicedArray(X)
    for method, arguments in calls.items():
        expected = getattr(model, method)(X, **arguments)
        for given in (mapped(folder, X), array):
            found = getattr(model, method)(given, **arguments)
            assert type(found) is np.ndarray
            # A mean of 1e7 leaves the predictors nine digits of sixteen.
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    assert max(stop - start for start, stop in array.reads) * P * 8 <= 2**23


def test_inference_reads_stored_rows_block_by_block(folder, in_memory):
    model = in_memory["logistic"]
    for covariance in ("HC0", "hessian"):
        expected = infer(model, X, Y["logistic"], covariance=covariance)
        found = infer(model, SlicedArray(X), Y["logistic"], covariance=covariance)
        np.testing.assert_array_equal(found.standard_errors, expected.standard_errors)
    kept = infer(model)
    np.testing.assert_allclose(
        probability_interval(kept, mapped(folder, X)), probability_interval(kept, X), rtol=1e-8, atol=1e-9
    )


def test_a_score_test_says_that_it_wants_memory(in_memory):
    with pytest.raises(TypeError, match="X: score_test .* X is in storage and large"):
        score_test(in_memory["logistic"], SlicedArray(X), Y["logistic"], extra=WEIGHT)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_entry_that_is_not_finite_is_named_with_its_row(value, folder, in_memory):
    spoilt = X.copy()
    spoilt[44_321, 17] = value
    for given in (mapped(folder, spoilt), SlicedArray(spoilt)):
        model = MLELogisticClassifier()
        with pytest.raises(ValueError, match=r"X contains NaN or infinity in row 44321"):
            model.fit(given, Y["logistic"])
        assert not hasattr(model, "coef_")
        with pytest.raises(ValueError, match=r"X contains NaN or infinity in row 44321"):
            in_memory["logistic"].predict(given)
    weight = np.arange(N) >= 10  # rows have the caller's numbers, whichever are absent
    with pytest.raises(ValueError, match=r"X contains NaN or infinity in row 44321"):
        MLELogisticClassifier().fit(SlicedArray(spoilt), Y["logistic"], sample_weight=weight)


def test_what_is_no_matrix_of_numbers_is_refused_unread(in_memory):
    with pytest.raises(ValueError, match=r"X must hold real numbers; got a SlicedArray of dtype complex128"):
        MLELogisticClassifier().fit(SlicedArray(X + 0j), Y["logistic"])
    with pytest.raises(ValueError, match="X"):
        MLELogisticClassifier().fit(SlicedArray(X.reshape(N, 10, 10)), Y["logistic"])
    with pytest.raises(ValueError, match="X has 50 features, but MLELogisticClassifier is expecting 100"):
        in_memory["logistic"].predict(SlicedArray(np.tile(X[:, :50], (2, 1))))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MLELogisticClassifier().fit(SlicedArray(X), Y["logistic"][1:])


def test_a_read_that_fails_says_where(in_memory):
    class Broken(SlicedArray):
        def __getitem__(self, index):
            if index.stop > 30_000:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    class Short(SlicedArray):
        def __getitem__(self, index):
            return super().__getitem__(slice(index.start, max(index.stop - (index.stop > 30_000), 0)))

    with pytest.raises(OSError, match="the disk is gone") as caught:
        MLELogisticClassifier().fit(Broken(X), Y["logistic"])
    assert re.search(r"while rows \d+ to \d+ of X were read", caught.value.__notes__[0])
    with pytest.raises(ValueError, match=r"must give \d+ rows of 100 columns; got an array of shape"):
        MLELogisticClassifier().fit(Short(X), Y["logistic"])


def test_small_stored_arrays_are_read_at_once(folder):
    array = SlicedArray(X[:500, 2:8])
    found = MLELogisticClassifier().fit(array, Y["logistic"][:500])
    assert_same(found, MLELogisticClassifier().fit(X[:500, 2:8], Y["logistic"][:500]))
    assert array.reads == [(0, 500)]
    with pytest.raises(ValueError, match="Input X contains NaN"):
        MLELogisticClassifier().fit(mapped(folder, np.full((500, 3), np.nan)), Y["logistic"][:500])


def test_changes_of_a_copy_on_write_map_are_seen_and_survive(folder):
    stored = mapped(folder, X, mode="c")
    stored[:, 5] *= 3
    changed = np.array(stored)
    expected = MLELogisticClassifier().fit(changed, Y["logistic"])
    assert_same(MLELogisticClassifier().fit(stored, Y["logistic"]), expected)
    np.testing.assert_array_equal(stored, changed)


@pytest.mark.parametrize("package", ["zarr", "h5py"])
def test_packages_of_chunked_arrays(package, folder, in_memory):
    pytest.importorskip(package)
    chunks = (4096, 25)
    if package == "zarr":
        import zarr

        stored = zarr.open(str(folder / "X.zarr"), mode="w", shape=X.shape, chunks=chunks, dtype="f8")
    else:
        import h5py

        stored = h5py.File(folder / "X.h5", "w").create_dataset("X", X.shape, "f8", chunks=chunks, compression="lzf")
    stored[...] = X
    assert_same(MLELogisticClassifier().fit(stored, Y["logistic"]), in_memory["logistic"])
    np.testing.assert_allclose(
        in_memory["logistic"].predict_proba(stored), in_memory["logistic"].predict_proba(X), rtol=1e-8
    )
