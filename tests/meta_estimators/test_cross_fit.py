"""Out-of-fold predictions: each row by the model that did not see it, whatever the container, method or metadata."""

from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold, RepeatedKFold, ShuffleSplit, TimeSeriesSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import DistributionalRegressor, LikelihoodCalibratedClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.meta_estimators._cross_fit import cross_fit, folds_of, pooled, route

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=40)


def predictions(method, model, rows, numbers):
    return getattr(model, method)(rows)


def of_ridge(rows, folds, params=MappingProxyType({})):
    return cross_fit(Ridge(), rows, Y, folds, partial(predictions, "predict"), params, None)


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])  # processes take seconds to start
@pytest.mark.parametrize(
    ("model", "y", "method"),
    [
        (Ridge(), Y, "predict"),
        (LogisticRegression(), (Y > 0).astype(int), "predict_proba"),
        (LogisticRegression(), (Y > 0).astype(int), "decision_function"),
    ],
)
def test_each_row_is_predicted_by_the_model_that_did_not_see_it(model, y, method, n_jobs):
    folds = folds_of(KFold(4), X, y, None)
    found = pooled(cross_fit(model, X, y, folds, partial(predictions, method), {}, n_jobs), 40)
    np.testing.assert_array_equal(found, cross_val_predict(model, X, y, cv=KFold(4), method=method))


@pytest.mark.parametrize("container", ["frame", "polars", "sparse", "list"])
def test_any_container_gives_the_same_predictions(container):
    rows = {
        "frame": lambda: pytest.importorskip("pandas").DataFrame(X, columns=list("abc")),
        "polars": lambda: pytest.importorskip("polars").DataFrame(dict(zip("abc", X.T, strict=True))),
        "sparse": lambda: csr_array(X),
        "list": X.tolist,
    }[container]()
    folds = folds_of(5, rows, Y, None)
    expected = pooled(of_ridge(X, folds), 40)
    # The sparse solver of ridge regression stops within 1e-4 of the minimum's coefficients.
    rtol = 1e-3 if container == "sparse" else 1e-12
    np.testing.assert_allclose(pooled(of_ridge(rows, folds), 40), expected, rtol=rtol)


def test_rows_that_no_fold_tests_are_nan_and_those_of_several_a_mean():
    found = pooled(of_ridge(X, folds_of(TimeSeriesSplit(4), X, Y, None)), 40)
    assert np.isnan(found[:8]).all() and np.isfinite(found[8:]).all()
    twice = folds_of(RepeatedKFold(n_splits=4, n_repeats=2, random_state=0), X, Y, None)
    models = of_ridge(X, twice)
    halves = [pooled(models[:4], 40), pooled(models[4:], 40)]
    np.testing.assert_allclose(pooled(models, 40), np.mean(halves, axis=0), rtol=1e-14)


def test_auto_is_ten_folds_of_few_rows_and_five_of_many_in_a_fixed_order():
    assert len(folds_of("auto", X, Y, None)) == 10
    assert len(folds_of("auto", np.zeros((2000, 1)), np.zeros(2000), None)) == 5
    assert len(folds_of("auto", X[:3], Y[:3], None)) == 3
    first, second = folds_of("auto", X, Y, None), folds_of("auto", X, Y, None)
    assert all(np.array_equal(one[1], other[1]) for one, other in zip(first, second, strict=True))
    assert not np.array_equal(first[0][1], np.arange(4))
    groups = np.repeat(np.arange(20), 2)
    for train, test in folds_of("auto", X, Y, groups):
        assert not set(groups[train]) & set(groups[test])


def test_auto_makes_no_more_folds_than_there_are_groups_or_rows_of_a_class():
    groups, labels = np.repeat(["a", "b", "c", "d"], 10), np.tile(["u", "v", "w"], 4)
    assert len(folds_of("auto", X, Y, groups)) == 4
    assert len(folds_of("auto", X[:12], labels, None, classifying=True)) == 4
    folds = folds_of("auto", X, np.tile(["u", "v"], 20), groups, classifying=True)
    assert len(folds) == 4 and all(not set(groups[train]) & set(groups[test]) for train, test in folds)
    with pytest.raises(ValueError, match="groups: Cannot have number of splits n_splits=2 greater than the number"):
        folds_of("auto", X, Y, np.zeros(40))
    with pytest.raises(ValueError, match="n_splits=2 cannot be greater than the number of members in each class"):
        folds_of("auto", X[:3], np.array(["u", "v", "w"]), None, classifying=True)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([None, "a"] * 20, "groups: row 0 has no label"),
        (np.zeros((40, 2)), "groups: y should be a 1d array"),
        (np.zeros(5), "groups: Found input variables with inconsistent numbers of samples: .5, 40."),
    ],
)
def test_groups_are_read_as_compare_reads_them(groups, message):
    for cv in ("auto", 5, KFold(3)):
        with pytest.raises(ValueError, match=message):
            folds_of(cv, X, Y, groups)


def test_one_fold_and_one_row_are_refused():
    with pytest.raises(ValueError, match="one fold; at least two are needed.*FrozenEstimator"):
        folds_of(ShuffleSplit(1), X, Y, None)
    with pytest.raises(ValueError, match="1 sample.*FrozenEstimator"):
        folds_of("auto", X[:1], Y[:1], None)


def test_weights_and_metadata_of_rows_are_those_of_the_training_rows():
    weight = RNG.uniform(size=40)
    folds = folds_of(KFold(2), X, Y, None)
    found = of_ridge(X, folds, {"sample_weight": weight})
    for one, (train, test) in zip(found, folds, strict=True):
        expected = Ridge().fit(X[train], Y[train], sample_weight=weight[train]).predict(X[test])
        np.testing.assert_array_equal(one.prediction, expected)


def test_an_offset_which_predictions_would_lack_is_refused():
    model, pipeline = MLERegressor("poisson"), make_pipeline(StandardScaler(), MLERegressor("poisson"))
    for estimator, name in ((model, "offset"), (pipeline, "mleregressor__offset")):
        with pytest.raises(
            NotSupportedError, match=f"^{name}: DistributionalRegressor has no offset to hand to the pred"
        ):
            DistributionalRegressor(estimator, "poisson").fit(X, np.ones(40), **{name: np.zeros(40)})


def test_dask_dataframes_are_refused_by_name():
    frames = pytest.importorskip("dask.dataframe")
    rows = pd.DataFrame(X, columns=["a", "b", "c"])
    given = frames.from_pandas(rows, npartitions=2)
    for model, y in (
        (DistributionalRegressor(Ridge()), Y),
        (LikelihoodCalibratedClassifier(LogisticRegression()), Y > 0),
    ):
        message = f"X is a Dask dataframe, .*: {type(model).__name__} needs it in memory, X.compute"
        with pytest.raises(NotSupportedError, match=message):
            model.fit(given, y)
        model.fit(rows, y)
        with pytest.raises(NotSupportedError, match=message):
            model.predict(given)


def test_weights_go_to_whoever_takes_them():
    weight = np.ones(40)
    assert route(None, Ridge(), weight, {})[0].keys() == {"sample_weight"}
    pipeline = make_pipeline(StandardScaler(), LinearRegression())
    assert route(None, pipeline, weight, {"groups": weight, "other": None}) == (
        {"linearregression__sample_weight": weight},
        weight,
    )
    assert route(None, FrozenEstimator(Ridge().fit(X, Y)), weight, {}) == ({}, None)
