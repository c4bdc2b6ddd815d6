"""What may enter: formats of X, sample_weight, offset and y, and that nothing is changed or copied without need."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

import sklearn_mle.estimators._training_data as training_data
from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.estimators._validation import (
    check_offset,
    check_probability_levels,
    check_sample_weight,
    check_target,
    ends_of_interval,
    validate_training,
)
from sklearn_mle.inference import average_effects, infer

rng = np.random.default_rng(0)
X = rng.standard_normal((40, 3))
Y = {
    MLELogisticClassifier: (X[:, 0] + rng.standard_normal(40) > 0).astype(int),
    GaussianMLERegressor: X @ [1.0, 2.0, 0.0] + rng.standard_normal(40),
}
BOTH = pytest.mark.parametrize("estimator", [MLELogisticClassifier(C=1.0), GaussianMLERegressor()], ids=["C", "R"])


def duplicated(dense):
    """COO whose every entry is stored in two halves, in reversed order."""
    coo = sp.coo_matrix(dense)
    twice = [np.concatenate([part, part])[::-1] for part in (coo.data / 2, coo.row, coo.col)]
    return sp.coo_matrix((twice[0], (twice[1], twice[2])), shape=coo.shape)


def unsorted_csr(dense):
    csr = sp.csr_matrix(duplicated(dense))
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(csr.indptr, csr.indptr[1:], strict=False)])
    half = np.repeat(csr.data[order] / 2, 2)
    return sp.csr_matrix((half, np.repeat(csr.indices[order], 2), csr.indptr * 2), shape=csr.shape)


def with_long_indices(dense):
    csr = sp.csr_array(dense)
    csr.indices, csr.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    return csr


def memmapped(dense, folder):
    path = folder / "X.npy"
    np.save(path, dense)
    return np.load(path, mmap_mode="r")


FORMATS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "list": lambda dense: dense.tolist(),
    "big-endian": lambda dense: dense.astype(">f8"),
    "strided": lambda dense: np.repeat(dense, 2, axis=0)[::2],
    "longdouble": lambda dense: dense.astype(np.longdouble),
    "csr": sp.csr_matrix,
    "csr_array": sp.csr_array,
    "csc": sp.csc_matrix,
    "coo": sp.coo_array,
    "duplicates": duplicated,
    "unsorted": unsorted_csr,
    "int64 indices": with_long_indices,
    "pandas": lambda dense: pd.DataFrame(dense, columns=["a", "b", "c"]),
    "nullable": lambda dense: pd.DataFrame(dense, columns=["a", "b", "c"], dtype="Float64"),
    "polars": lambda dense: pl.DataFrame(dense, schema=["a", "b", "c"]),
}


@BOTH
@pytest.mark.parametrize("convert", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_fit_and_predictions(estimator, convert):
    y = Y[type(estimator)]
    expected = estimator.fit(X, y).predict(X)
    coef = estimator.coef_
    given = convert(X)
    estimator.fit(given, y)
    np.testing.assert_allclose(estimator.coef_, coef, rtol=1e-7)
    np.testing.assert_allclose(estimator.predict(given), expected, rtol=1e-7)
    assert hasattr(estimator, "feature_names_in_") == hasattr(given, "columns")


@BOTH
def test_integers_and_booleans_become_float64(estimator, monkeypatch):
    y = Y[type(estimator)]
    seen = record_fit(monkeypatch)
    for given in (X > 0, (10 * X).astype(np.int32), (10 * X).astype(np.float16)):
        estimator.fit(given, y)
        assert seen[-1].dtype == np.float64


@BOTH
def test_a_read_only_memory_map_is_fitted(estimator, tmp_path):
    y = Y[type(estimator)]
    assert estimator.fit(memmapped(X, tmp_path), y).predict(X).shape == (40,)


def record_fit(monkeypatch):
    """Return the list of the X that reach the fit."""
    seen = []
    read = training_data.read_fit

    def recording(likelihood, X, *others):
        seen.append(X)
        return read(likelihood, X, *others)

    monkeypatch.setattr(training_data, "read_fit", recording)
    return seen


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_valid_float_array_reaches_the_fit_without_a_copy(estimator, dtype, order, monkeypatch):
    seen = record_fit(monkeypatch)
    given = np.asarray(X, dtype=dtype, order=order)
    estimator.fit(given, Y[type(estimator)])
    assert seen[-1].dtype == dtype
    assert np.shares_memory(seen[-1], given)


@BOTH
def test_a_canonical_csr_matrix_reaches_the_fit_without_a_copy(estimator, monkeypatch):
    seen = record_fit(monkeypatch)
    given = sp.csr_array(X)
    estimator.fit(given, Y[type(estimator)])
    assert np.shares_memory(seen[-1].data, given.data)


@BOTH
@pytest.mark.parametrize("convert", [np.array, unsorted_csr], ids=["dense", "sparse"])
def test_the_user_s_data_are_not_changed(estimator, convert):
    given, y, weight = convert(X), Y[type(estimator)].copy(), np.arange(40.0)
    kept = given.copy()
    estimator.fit(given, y, sample_weight=weight)
    if sp.issparse(given):
        assert given.indices.tolist() == kept.indices.tolist()
        assert given.data.tolist() == kept.data.tolist()
    else:
        assert (given == kept).all()
    assert (y == Y[type(estimator)]).all()
    assert (weight == np.arange(40.0)).all()


def test_float32_fits_are_reported_in_float64():
    model = MLELogisticClassifier().fit(X.astype(np.float32), Y[MLELogisticClassifier])
    assert model.coef_.dtype == np.float64
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float64
    model = GaussianMLERegressor().fit(X.astype(np.float32), Y[GaussianMLERegressor])
    assert model.coef_.dtype == model.predict(X.astype(np.float32)).dtype == np.float64


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(estimator, value):
    y = Y[type(estimator)]
    broken = X.copy()
    broken[3, 1] = value
    for given in (broken, sp.csr_array(broken)):
        with pytest.raises(ValueError, match="Input X contains"):
            estimator.fit(given, y)
    with pytest.raises(ValueError, match="Input y contains"):
        estimator.fit(X, np.where(np.arange(40) == 3, value, y))


@BOTH
def test_missing_values_of_nullable_types_are_refused(estimator):
    frame = pd.DataFrame(X, dtype="Float64")
    frame.iloc[2, 1] = pd.NA
    with pytest.raises(ValueError, match="Input X contains NaN"):
        estimator.fit(frame, Y[type(estimator)])


@pytest.mark.parametrize("ask", ["fit", "predict", "effects"])
def test_lazy_frames_are_refused_by_name(ask):
    X = pl.DataFrame({"a": [0.0, 1.0, 2.0, 4.0]})
    model = GaussianMLERegressor().fit(X, [1.0, 2.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=r"X is a LazyFrame.*X.collect\(\)"):
        if ask == "effects":
            average_effects(infer(model), X.lazy())
        elif ask == "predict":
            model.predict(X.lazy())
        else:
            model.fit(X.lazy(), [1.0, 2.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "y_type", ["list", "int8", "big-endian", "Int64", "boolean", "string", "polars", "categorical"]
)
def test_labels_of_every_kind_give_the_same_fit(y_type):
    y = Y[MLELogisticClassifier]
    given = {
        "list": y.tolist(),
        "int8": y.astype(np.int8),
        "big-endian": y.astype(">i4"),
        "Int64": pd.Series(y, dtype="Int64"),
        "boolean": pd.Series(y == 1, dtype="boolean"),
        "string": pd.Series(np.where(y == 1, "yes", "no"), dtype="string"),
        "polars": pl.Series(np.where(y == 1, "yes", "no").tolist()),
        "categorical": pd.Series(pd.Categorical(np.where(y == 1, "yes", "no"))),
    }[y_type]
    expected = MLELogisticClassifier().fit(X, y).coef_
    model = MLELogisticClassifier().fit(X, given)
    np.testing.assert_array_equal(model.coef_, expected)
    assert model.score(X, given) == MLELogisticClassifier().fit(X, y).score(X, y)
    assert model.log_likelihood(X, given) == pytest.approx(model.log_likelihood_)


@pytest.mark.parametrize("convert", [list, pd.Series, pl.Series, lambda y: y.astype(">f8"), lambda y: y.astype(object)])
def test_real_targets_of_every_kind_give_the_same_fit(convert):
    y = Y[GaussianMLERegressor]
    model = GaussianMLERegressor().fit(X, convert(y))
    np.testing.assert_array_equal(model.coef_, GaussianMLERegressor().fit(X, y).coef_)
    assert model.log_likelihood(X, convert(y)) == pytest.approx(model.log_likelihood_)


@BOTH
@pytest.mark.filterwarnings("ignore:A column-vector y:sklearn.exceptions.DataConversionWarning")
def test_a_column_is_read_as_a_vector(estimator):
    y = Y[type(estimator)]
    expected = estimator.fit(X, y).coef_
    assert (estimator.fit(X, y[:, None]).coef_ == expected).all()
    assert estimator.log_likelihood(X, y[:, None]) == estimator.log_likelihood(X, y)


def test_what_validation_learns_is_kept_apart_from_the_estimator():
    estimator = GaussianMLERegressor()
    before = dict(vars(estimator))
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    _, attributes = validate_training(estimator, frame, None)
    assert attributes["n_features_in_"] == 3
    assert attributes["feature_names_in_"].tolist() == ["a", "b", "c"]
    assert vars(estimator) == before


def test_weights_may_be_a_scalar_a_list_or_a_series():
    for given in (2, 2.0, [2, 2], pd.Series([2, 2]), pl.Series([2, 2]), np.array([2, 2], dtype=np.float32)):
        weight = check_sample_weight(given, 2)
        assert weight.dtype == np.float64
        assert weight.tolist() == [2.0, 2.0]
    assert check_sample_weight(None, 2) is None
    exact = np.ones(2)
    assert check_sample_weight(exact, 2) is exact


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 2, -0.5], r"sample_weight must not be negative, but row 2 has -0\.5"),
        ([0, 0, 0], "sample_weight is zero on every row"),
        (0, "sample_weight is zero on every row"),
        (-1, "sample_weight must not be negative, but row 0 has -1"),
        ([1, np.nan, 1], "Input sample_weight contains NaN"),
        ([1, np.inf, 1], "Input sample_weight contains infinity"),
        ([1, 1], r"sample_weight must have shape \(3,\).*got \(2,\)"),
        ([[1], [1], [1]], r"sample_weight must have shape \(3,\).*got \(3, 1\)"),
    ],
)
def test_weights_that_are_none_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        check_sample_weight(weight, 3)


def test_an_offset_may_be_a_scalar():
    assert check_offset(0.5, (2,)).tolist() == [0.5, 0.5]
    assert check_offset(0, (2, 3)).shape == (2, 3)
    assert check_offset(None, (2,)) is None


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        ([1.0, 2.0], r"offset must have shape \(3,\).*got \(2,\)"),
        (np.zeros((3, 2)), r"offset must have shape \(3,\).*got \(3, 2\)"),
        ([1.0, np.nan, 0.0], "Input offset contains NaN"),
        (np.inf, "Input offset contains infinity"),
    ],
)
def test_offsets_that_do_not_fit_are_refused(offset, message):
    with pytest.raises(ValueError, match=message):
        check_offset(offset, (3,))


@pytest.mark.parametrize("q", [0, 1, -0.1, np.nan, [0.1, 1.5], [[0.5]]], ids=str)
def test_probability_levels_lie_strictly_between_zero_and_one(q):
    with pytest.raises(ValueError, match="q must lie strictly between 0 and 1"):
        check_probability_levels(q, "q")


@pytest.mark.parametrize("coverage", [0, 1, 90, np.nan, [0.5], [0.5, 0.9]], ids=str)
def test_a_coverage_is_one_number_strictly_between_zero_and_one(coverage):
    with pytest.raises(ValueError, match="coverage must be one number strictly between 0 and 1; got"):
        ends_of_interval(coverage)


def test_a_text_target_is_refused():
    with pytest.raises(ValueError, match=r"could not convert|cannot be converted|Unable to convert"):
        check_target(["a", "b"], dtype=np.float64)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("estimator", [MLELogisticClassifier(), GaussianMLERegressor()])
def test_what_is_not_finite_in_a_large_matrix_is_found_by_the_fit(estimator, dtype, value, weighted):
    """Too large to be read once more for that: the first pass finds it, in rows of weight zero, too."""
    X = np.random.default_rng(0).standard_normal((20_001, 50)).astype(dtype)
    y = np.arange(len(X)) % 2
    X[11_111, 7] = value
    weight = (np.arange(len(X)) != 11_111).astype(float) if weighted else None
    word = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(ValueError, match=f"Input X contains {word}"):
        estimator.fit(X, y, sample_weight=weight)
    assert not hasattr(estimator, "coef_")
