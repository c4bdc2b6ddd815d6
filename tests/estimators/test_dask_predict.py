"""Predictions and sums over rows that Dask keeps: lazy, and the numbers of memory."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, cross_val_score

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import detect_separation, infer
from sklearn_mle.likelihoods import StudentT
from sklearn_mle.metrics import cross_entropy, crps, neg_cross_entropy_scorer, negative_log_likelihood, pit_values

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

rng = np.random.default_rng(3)
N = 60
CHUNKS = ((20, 0, 25, 15), 3)
X = rng.standard_normal((N, 3))
ETA = X @ [1.0, -1.0, 0.5]
TWO = np.where(ETA + rng.logistic(size=N) > 0, "yes", "no")
THREE = (rng.logistic(size=(N, 3)) + np.column_stack([ETA, -ETA, 0 * ETA])).argmax(axis=1)
NUMBERS = ETA + rng.standard_normal(N)
COUNTS = rng.poisson(np.exp(0.5 * ETA)).astype(float)
OFFSET = rng.uniform(-1, 1, N)
WEIGHT = np.where(np.arange(N) < 20, 0.0, rng.uniform(0.5, 2, N))  # none in the first block
ROWS = da.from_array(X, chunks=CHUNKS)
STARTS = [0, 20, 45]

CLASSIFIERS = {"two": MLELogisticClassifier(C=2.0).fit(X, TWO), "three": MLELogisticClassifier(C=2.0).fit(X, THREE)}
REGRESSORS = {
    "gaussian": GaussianMLERegressor(scale="log_linear").fit(X, NUMBERS),
    "student_t": MLERegressor(StudentT(df=4)).fit(X, NUMBERS),
    "poisson": MLERegressor("poisson").fit(X, COUNTS),
}
TARGETS = {"two": TWO, "three": THREE, "gaussian": NUMBERS, "student_t": NUMBERS, "poisson": COUNTS}
QUESTIONS = [
    *((model, name, {}) for model in CLASSIFIERS for name in ("predict", "predict_proba", "predict_log_proba")),
    *((model, "decision_function", {}) for model in CLASSIFIERS),
    *((model, "predict", {}) for model in REGRESSORS),
    *((model, "predict_interval", {"coverage": 0.8}) for model in REGRESSORS),
    *((model, "predict_quantile", {"q": q}) for model in REGRESSORS for q in (0.3, [0.1, 0.5, 0.7])),
    ("gaussian", "predict_interval", {"include_parameter_uncertainty": True}),
]
MODELS = CLASSIFIERS | REGRESSORS


def of_blocks(function, *arrays):
    """What a function gives of the blocks in memory: the bits of products depend on their shape."""
    return np.concatenate([function(*(part[a:b] for part in arrays)) for a, b in ((0, 20), (20, 45), (45, 60))])


def unknown(array):
    blocks = [da.from_delayed(block, (np.nan, *array.shape[1:]), array.dtype) for block in array.to_delayed().ravel()]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


@pytest.mark.parametrize(("model", "name", "arguments"), QUESTIONS)
def test_predictions_are_lazy_arrays_of_the_same_bits(model, name, arguments):
    computed = []

    def counted(block):
        computed.append(len(block))
        return block

    ask = getattr(MODELS[model], name)
    expected = ask(X, **arguments)
    for rows in (ROWS, unknown(ROWS)):
        computed.clear()
        lazy = ask(rows.map_blocks(counted, meta=X[:0]), **arguments)
        assert isinstance(lazy, da.Array) and not computed
        np.testing.assert_equal(lazy.chunks[0], rows.chunks[0])
        assert lazy.shape[1:] == expected.shape[1:]
        assert lazy.dtype == expected.dtype and lazy._meta.dtype == expected.dtype and lazy._meta.ndim == expected.ndim
        result = lazy.compute()
        assert sorted(computed) == [0, 15, 20, 25] and result.dtype == expected.dtype
        np.testing.assert_array_equal(result, of_blocks(lambda part: ask(part, **arguments), X))
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(result, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", REGRESSORS)
def test_metrics_judge_the_distributions_of_dasks_rows(name):
    # Quadratures ask for the distribution at points that are no rows.
    model, y = REGRESSORS[name], TARGETS[name]
    for rows in (ROWS, unknown(ROWS)):
        given, expected = model.predict_distribution(rows), model.predict_distribution(X)
        for metric in (negative_log_likelihood, crps, pit_values):
            np.testing.assert_allclose(metric(y, given), metric(y, expected), rtol=1e-12)


@pytest.mark.parametrize("unit", [1.0, 1e200, 1e-200])
def test_the_share_of_variance_is_that_of_any_unit_and_of_partitions_of_several(unit):
    y = (X @ [1.0, -1.0, 0.5] + OFFSET) * unit
    y[:15] *= 1e-30
    model = GaussianMLERegressor().fit(X, y)
    expected = GaussianMLERegressor().fit(X, y / unit).score(X, y / unit)
    assert 0.1 < expected < 0.99
    np.testing.assert_allclose(model.score(X, y), expected, rtol=1e-12)
    np.testing.assert_allclose(model.score(ROWS, da.from_array(y, chunks=15)), expected, rtol=1e-12)


def test_one_partition_and_columns_in_several():
    model = CLASSIFIERS["two"]
    for chunks in ((N, 3), (N, 1)):
        np.testing.assert_array_equal(model.predict_proba(da.from_array(X, chunks=chunks)), model.predict_proba(X))


def test_mean_and_standard_deviation_are_two_lazy_arrays():
    model = REGRESSORS["gaussian"]
    mean, std = model.predict(ROWS, return_std=True)
    assert isinstance(mean, da.Array) and isinstance(std, da.Array) and mean.shape == std.shape == (N,)
    expected = [of_blocks(lambda part, k=k: model.predict(part, return_std=True)[k], X) for k in (0, 1)]
    np.testing.assert_array_equal(dask.compute(mean, std), expected)


def test_float32_and_sparse_blocks():
    model = CLASSIFIERS["three"]
    single = X.astype(np.float32)
    np.testing.assert_array_equal(
        model.predict_proba(da.from_array(single, chunks=CHUNKS)), of_blocks(model.predict_proba, single)
    )
    sparse = ROWS.map_blocks(sp.csr_matrix)
    np.testing.assert_allclose(model.predict_proba(sparse).compute(), model.predict_proba(X), rtol=1e-13)


@pytest.mark.parametrize("offset", [da.from_array(OFFSET, chunks=15), OFFSET, 0.25], ids=["dask", "memory", "scalar"])
def test_offsets_follow_the_rows(offset):
    model = MLERegressor("poisson").fit(X, COUNTS, offset=OFFSET)
    in_memory = offset if np.ndim(offset) == 0 else OFFSET
    np.testing.assert_allclose(model.predict(ROWS, offset=offset).compute(), model.predict(X, offset=in_memory), 1e-13)


def test_dataframes_are_checked_by_name_at_the_call_and_once():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    rows = dd.from_pandas(frame, npartitions=3)
    rows = rows[rows.a > -0.5]  # some lengths are not known now
    named, nameless = MLELogisticClassifier(C=2.0).fit(frame, TWO), CLASSIFIERS["two"]
    lazy = named.predict_proba(rows)
    assert isinstance(lazy, da.Array) and np.isnan(lazy.shape[0]) and lazy.shape[1] == 2
    np.testing.assert_allclose(lazy.compute(), named.predict_proba(frame[frame.a > -0.5]), rtol=1e-13)
    with pytest.raises(ValueError, match="feature names should match"):
        named.predict_proba(rows[["b", "a", "c"]])
    with pytest.warns(UserWarning, match="fitted without feature names") as caught:
        lazy = nameless.predict_proba(rows)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        named.predict(ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lazy.compute()


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: MLELogisticClassifier().predict(ROWS), NotFittedError, "not fitted"),
        (lambda: CLASSIFIERS["two"].predict(ROWS[:, :2]), ValueError, "2 features, but .* expecting 3 features"),
        (lambda: CLASSIFIERS["two"].predict(ROWS[:, 0]), ValueError, "Expected 2D array, got 1D array"),
        (lambda: CLASSIFIERS["two"].predict(ROWS.astype(str)), ValueError, "could not convert"),
        (lambda: CLASSIFIERS["two"].predict(dask.delayed(X)), TypeError, "X is a Dask DelayedLeaf"),
        (lambda: REGRESSORS["poisson"].predict_quantile(ROWS, 1.5), ValueError, "q must lie strictly"),
        (
            lambda: MLERegressor("poisson").fit(X, COUNTS, offset=OFFSET).predict(ROWS),
            ValueError,
            "fitted with an offset",
        ),
        (lambda: CLASSIFIERS["two"].predict(ROWS, offset=OFFSET[:5]), ValueError, "offset has 5 rows and X 60"),
        (
            lambda: infer(
                CLASSIFIERS["two"], ROWS, TWO, penalized="sandwich", covariance="cluster", groups=np.arange(N) % 5
            ),
            NotSupportedError,
            "covariance='cluster' needs the rows in memory",
        ),
        (lambda: detect_separation(ROWS, TWO), TypeError, "Dask .*, but this needs its rows in memory"),
        (lambda: REGRESSORS["poisson"].sample(ROWS), TypeError, "Dask .*, but this needs its rows in memory"),
        (lambda: REGRESSORS["poisson"].d2_score(ROWS, COUNTS), TypeError, "Dask .*, but this needs its rows in memory"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said_at_the_call(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


def test_what_is_wrong_with_rows_is_said_with_their_block():
    spoiled = da.where(da.arange(N, chunks=(CHUNKS[0],))[:, None] == 50, np.nan, ROWS)
    with pytest.raises(ValueError, match=r"(?s)^In block 3 of 4 \(rows 45 to 59, counted .*X contains NaN"):
        CLASSIFIERS["two"].predict(spoiled).compute()
    with pytest.raises(ValueError, match=r"In block 2 of 4 .*: y holds labels that fit did not see: \['maybe'\]"):
        y = np.where(np.arange(N) == 30, "maybe", TWO)
        CLASSIFIERS["two"].log_likelihood(ROWS, da.from_array(y, chunks=60))
    with pytest.raises(ValueError, match=r"In block 3 of 4 .*: sample_weight must not be negative, but row 14"):
        weight = da.from_array(np.where(np.arange(N) == 59, -1.0, 1.0), chunks=60)
        CLASSIFIERS["two"].score(ROWS, da.from_array(TWO, chunks=60), sample_weight=weight)
    with pytest.raises(ValueError, match=r"In block 2 of 4 .*: y: the Poisson likelihood takes counts.*; row 1 is -1"):
        REGRESSORS["poisson"].log_likelihood(ROWS, da.from_array(np.where(np.arange(N) == 21, -1.0, COUNTS), chunks=60))


def test_only_what_predicts_travels():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    lazy = MLELogisticClassifier(C=2.0).fit(frame, TWO).predict_proba(dd.from_pandas(frame, npartitions=2))
    again = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(again.compute(scheduler="sync"), lazy.compute())
    assert b"FactoredCurvature" not in pickle.dumps(lazy) and b"FitSummary" not in pickle.dumps(lazy)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("lengths", ["known", "unknown"])
def test_sums_over_rows(model, weight, lengths):
    rows, y = ROWS, da.from_array(TARGETS[model], chunks=(CHUNKS[0],))
    w = None if weight is None else da.from_array(weight, chunks=(CHUNKS[0],))
    if lengths == "unknown":
        rows, y, w = unknown(rows), unknown(y), None if w is None else unknown(w)
    fitted = MODELS[model]
    for name in ("log_likelihood", "score", *(("deviance",) if model in REGRESSORS else ())):
        value = getattr(fitted, name)(rows, y, sample_weight=w)
        assert isinstance(value, float)
        assert value == pytest.approx(getattr(fitted, name)(X, TARGETS[model], sample_weight=weight), rel=1e-12)


def test_sums_take_what_else_is_in_memory_and_offsets():
    model = MLERegressor("poisson").fit(X, COUNTS, offset=OFFSET)
    value = model.log_likelihood(ROWS, COUNTS, WEIGHT, offset=OFFSET)
    assert value == pytest.approx(model.log_likelihood(X, COUNTS, WEIGHT, offset=OFFSET), rel=1e-12)
    assert model.log_likelihood(X, da.from_array(COUNTS, chunks=7), 2.0, OFFSET) == pytest.approx(
        model.log_likelihood(X, COUNTS, 2.0, OFFSET), rel=1e-12
    )


@pytest.mark.parametrize("model", [CLASSIFIERS["two"], REGRESSORS["poisson"]], ids=["classifier", "regressor"])
def test_the_offset_of_a_block_without_weight_may_be_anything(model):
    y = TWO if model is CLASSIFIERS["two"] else COUNTS
    model = clone(model).fit(X, y, offset=OFFSET)
    offset = np.where(WEIGHT == 0, np.nan, OFFSET)
    for name in ("log_likelihood", "score"):
        value = getattr(model, name)(ROWS, y, WEIGHT, offset)
        assert value == pytest.approx(getattr(model, name)(X, y, WEIGHT, offset), rel=1e-12)


def test_columns_of_a_frame_in_memory_are_found_by_name():
    pl = pytest.importorskip("polars")
    y, index = NUMBERS, rng.permutation(N).astype(float)
    offset = pd.DataFrame({"scale": 0.3 * X[:, 1], "location": OFFSET}, index=index)
    model = MLERegressor("gaussian", predictors={"scale": [1]})
    expected = clone(model).fit(X, y, offset=offset)
    np.testing.assert_allclose(clone(model).fit(ROWS, y, offset=offset).coef_, expected.coef_, atol=1e-12)
    for given in (offset, pl.from_pandas(offset)):
        assert expected.log_likelihood(ROWS, y, offset=given) == pytest.approx(expected.log_likelihood_, rel=1e-12)
        np.testing.assert_allclose(expected.predict(ROWS, offset=given), expected.predict(X, offset=offset))
    expected.fit(X, y, offset=offset[["scale"]])
    np.testing.assert_allclose(clone(model).fit(ROWS, y, offset=offset[["scale"]]).coef_, expected.coef_, atol=1e-12)
    soft = pd.DataFrame(CLASSIFIERS["two"].predict_proba(X), columns=["no", "yes"], index=index)
    swapped = soft[["yes", "no"]]
    total = CLASSIFIERS["two"].log_likelihood(X, soft)
    assert CLASSIFIERS["two"].log_likelihood(ROWS, swapped) == pytest.approx(total, rel=1e-12)
    assert cross_entropy(da.from_array(TWO, chunks=25), swapped) == pytest.approx(cross_entropy(TWO, soft), rel=1e-14)


def test_soft_labels_in_a_dataframe():
    soft = CLASSIFIERS["three"].predict_proba(X)
    frame = dd.from_pandas(pd.DataFrame(soft, columns=[0, 1, 2]), npartitions=3)
    rows = ROWS.rechunk((20, 3))
    for name in ("log_likelihood", "score"):
        value = getattr(CLASSIFIERS["three"], name)(rows, frame)
        assert value == pytest.approx(getattr(CLASSIFIERS["three"], name)(X, soft), rel=1e-12)
        value = getattr(CLASSIFIERS["three"], name)(rows, frame[[2, 0, 1]])
        assert value == pytest.approx(getattr(CLASSIFIERS["three"], name)(X, soft), rel=1e-12)
    with pytest.raises(ValueError, match=r"y has the columns \[0, 2\], but the classes are \[0, 1, 2\]"):
        CLASSIFIERS["three"].log_likelihood(rows, frame[[0, 2]])


def test_binomial_counts_are_weighted_by_their_trials():
    trials = rng.integers(1, 9, N)
    counts = np.column_stack([rng.binomial(trials, 0.4), trials])
    counts[:, 1] -= counts[:, 0]
    model = MLERegressor("binomial").fit(X, counts)
    for name in ("score", "log_likelihood", "deviance"):
        value = getattr(model, name)(ROWS, da.from_array(counts, chunks=20), WEIGHT)
        assert value == pytest.approx(getattr(model, name)(X, counts, WEIGHT), rel=1e-12)


def test_no_weight_and_no_rows_are_errors():
    with pytest.raises(ValueError, match="sample_weight is zero on every row"):
        REGRESSORS["gaussian"].log_likelihood(ROWS, NUMBERS, np.zeros(N))
    with pytest.raises(ValueError, match="0 sample"):
        REGRESSORS["gaussian"].log_likelihood(ROWS[:0], NUMBERS[:0])
    assert REGRESSORS["gaussian"].predict(ROWS[:0]).compute().shape == (0,)


@pytest.mark.parametrize("model", REGRESSORS)
def test_the_distribution_is_asked_lazily(model):
    fitted, y = REGRESSORS[model], da.from_array(TARGETS[model], chunks=20)
    lazy, frozen = fitted.predict_distribution(ROWS), fitted.predict_distribution(X)
    density = "logpmf" if model == "poisson" else "logpdf"
    for name, points in ((density, [y]), ("cdf", [y]), ("sf", [1.0]), ("ppf", [0.3]), ("mean", []), ("std", [])):
        answer = getattr(lazy, name)(*points)
        assert isinstance(answer, da.Array) and answer.chunks == (CHUNKS[0],)
        expected = getattr(frozen, name)(*(np.asarray(point) for point in points))
        np.testing.assert_allclose(answer.compute(), expected, rtol=1e-12)
    assert not hasattr(lazy, "logpdf" if model == "poisson" else "pmf") and density in dir(lazy)


def test_its_parameters_make_the_frozen_distribution():
    lazy = REGRESSORS["student_t"].predict_distribution(ROWS)
    assert lazy.dist.name == "t" and set(lazy.parameters) == {"df", "loc", "scale"}
    assert all(array.shape == (N,) for array in lazy.parameters.values())
    frozen = stats.t(**dask.compute(lazy.parameters)[0])
    expected = REGRESSORS["student_t"].predict_distribution(X).logpdf(NUMBERS)
    np.testing.assert_allclose(frozen.logpdf(NUMBERS), expected, rtol=1e-12)
    assert set(REGRESSORS["poisson"].predict_distribution(ROWS).parameters) == {"mu"}


def test_a_distribution_of_another_make_has_methods_and_no_parameters():
    model = MLERegressor("huber").fit(X, NUMBERS)
    lazy = model.predict_distribution(ROWS)
    expected = model.predict_distribution(X)
    np.testing.assert_allclose(lazy.ppf(0.9).compute(), expected.ppf(0.9), rtol=1e-12)
    np.testing.assert_allclose(lazy.cdf(NUMBERS).compute(), expected.cdf(NUMBERS), rtol=1e-12)
    assert isinstance(lazy.parameters, dict)


END_TO_END = {
    "two": (lambda: MLELogisticClassifier(), TWO, {"sample_weight": WEIGHT, "offset": OFFSET}),
    "three": (lambda: MLELogisticClassifier(), THREE, {}),
    "gaussian": (lambda: GaussianMLERegressor(scale="log_linear"), NUMBERS, {"sample_weight": WEIGHT}),
    "poisson": (lambda: MLERegressor("poisson"), COUNTS, {"offset": OFFSET}),
}


@pytest.mark.parametrize("case", END_TO_END)
def test_what_was_fitted_on_partitions_predicts_and_scores_on_them(case):
    make, y, given = END_TO_END[case]
    in_dask = {name: da.from_array(value, chunks=15) for name, value in given.items()}
    model = make().fit(ROWS, da.from_array(y, chunks=20), **in_dask)
    expected = make().fit(X, y, **given)
    offset, own = {k: v for k, v in in_dask.items() if k == "offset"}, {k: v for k, v in given.items() if k == "offset"}
    for name in ("predict_proba", "decision_function") if case in CLASSIFIERS else ("predict", "predict_interval"):
        lazy = getattr(model, name)(ROWS, **offset)
        assert isinstance(lazy, da.Array)
        np.testing.assert_allclose(lazy.compute(), getattr(expected, name)(X, **own), rtol=1e-6, atol=1e-8)
    total = model.log_likelihood(ROWS, y, **in_dask)
    assert total == pytest.approx(model.log_likelihood_, rel=1e-9) == pytest.approx(expected.log_likelihood_, rel=1e-9)
    assert model.score(ROWS, y, **in_dask) == pytest.approx(expected.score(X, y, **given), abs=1e-8)


def test_a_dataframe_from_fit_to_score():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    rows = dd.from_pandas(frame.assign(y=TWO), npartitions=4)
    rows = rows[rows.a > -1]
    part = frame.a > -1
    model = MLELogisticClassifier(C=1.0).fit(rows[["a", "b", "c"]], rows.y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    expected = MLELogisticClassifier(C=1.0).fit(frame[part], TWO[part])
    np.testing.assert_allclose(
        model.predict_proba(rows[["a", "b", "c"]]).compute(), expected.predict_proba(frame[part]), rtol=1e-6
    )
    for scored in (model.score, model.log_likelihood):
        value = scored(rows[["a", "b", "c"]], rows.y)
        assert value == pytest.approx(getattr(expected, scored.__name__)(frame[part], TWO[part]), rel=1e-8)


def test_cross_validation_slices_dask_arrays():
    y = da.from_array(TWO, chunks=20)
    arguments = {"cv": KFold(3), "scoring": neg_cross_entropy_scorer}
    scores = cross_val_score(MLELogisticClassifier(C=1.0), da.from_array(X, chunks=(20, 3)), y, **arguments)
    np.testing.assert_allclose(scores, cross_val_score(MLELogisticClassifier(C=1.0), X, TWO, **arguments), rtol=1e-8)


def test_a_distribution_with_an_offset():
    model = MLERegressor("poisson").fit(X, COUNTS, offset=OFFSET)
    frozen = model.predict_distribution(X, OFFSET)
    for offset in (OFFSET, da.from_array(OFFSET, chunks=60)):
        lazy = model.predict_distribution(ROWS, offset=offset)
        np.testing.assert_array_equal(lazy.ppf(0.9).compute(), frozen.ppf(0.9))
        np.testing.assert_allclose(lazy.parameters["mu"].compute(), frozen.mean(), rtol=1e-13)
    with pytest.raises(ValueError, match="fitted with an offset"):
        model.predict_distribution(ROWS)
