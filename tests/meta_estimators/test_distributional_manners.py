"""scikit-learn's conventions around DistributionalRegressor: searches, routing, callbacks, HTML, scorers, displays."""

import math
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import load_diabetes
from sklearn.ensemble import StackingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.fixes import parse_version

from sklearn_mle import DistributionalRegressor, GaussianMLERegressor, LikelihoodCalibratedClassifier
from sklearn_mle.displays import PITDisplay, PredictiveDisplay
from sklearn_mle.exceptions import NotSupportedError, OutOfFoldWarning
from sklearn_mle.inference import (
    Above,
    Quantile,
    average_effects,
    average_predictions,
    bootstrap,
    infer,
    mean_interval,
    residuals,
)
from sklearn_mle.metrics import coverage, crps, get_scorer
from sklearn_mle.model_selection import compare

X, Y = load_diabetes(return_X_y=True)
CV = KFold(4, shuffle=True, random_state=0)
CONSTANT = DistributionalRegressor(LinearRegression(), "gaussian", scale="constant", cv=CV)


class Weightless(RegressorMixin, BaseEstimator):
    """A base whose fit takes no weights."""

    def fit(self, X, y):
        self.mean_ = np.mean(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.PITWarning")  # a penalty of 10 leaves no noise, but a bias
def test_everything_is_searched_by_name():
    grid = [
        {"estimator__alpha": [0.01, 10.0], "scale": ["constant"]},
        {"estimator__alpha": [10.0], "likelihood": ["gaussian", "laplace"], "scale": [Ridge()]},
    ]
    search = GridSearchCV(DistributionalRegressor(Ridge(), cv=2), grid, scoring=get_scorer("log_likelihood"), cv=2)
    search.fit(X, Y)
    assert search.best_params_["estimator__alpha"] == 0.01
    assert len(search.cv_results_["params"]) == 4 and np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_clones_pickles_and_html_are_as_of_any_estimator():
    model = clone(CONSTANT).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_interval(X), model.predict_interval(X))
    assert not hasattr(clone(model), "noise_")
    html = model._repr_html_()
    assert "LinearRegression" in html and "DistributionalRegressor" in html


@pytest.mark.parametrize("options", [{}, {"covariance": "HC3"}, {"covariance": "CR2", "groups": np.arange(442) % 20}])
def test_the_location_is_inferred_as_that_of_the_estimator_within(options):
    model, alone = clone(CONSTANT).fit(X, Y), LinearRegression().fit(X, Y)
    found, expected = infer(model, X, Y, **options), infer(alone, X, Y, **({"covariance": "HC0"} | options))
    np.testing.assert_array_equal(found.covariance, expected.covariance)
    assert math.isnan(found.header["AIC"]) and not any("R2" in name or "LR" in name for name in found.header)
    assert "location of DistributionalRegressor" in found.notes[0]
    for call in (average_effects, average_predictions):
        effects = call(found, X)
        np.testing.assert_array_equal(effects.standard_errors, call(expected, X).standard_errors)
    np.testing.assert_allclose(average_predictions(found, X).estimates[0], model.predict(X).mean(), rtol=1e-12)
    np.testing.assert_array_equal(mean_interval(found, X), mean_interval(expected, X))
    for of in ("scale", Quantile(0.9), Above(100.0)):
        with pytest.raises(NotSupportedError, match="location alone"):
            average_effects(found, X, of=of)


def test_the_location_of_a_pipeline_around_and_within_is_that_of_its_columns():
    rows = X[:, 2:5]
    model = make_pipeline(
        StandardScaler(),
        DistributionalRegressor(
            make_pipeline(PolynomialFeatures(2, include_bias=False), GaussianMLERegressor()), scale="constant", cv=3
        ),
    ).fit(rows, Y)
    alone = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False), GaussianMLERegressor()).fit(
        rows, Y
    )
    found = average_effects(infer(model, rows, Y, covariance="HC1"), rows)
    expected = average_effects(infer(alone, rows, Y, covariance="HC1"), rows)
    np.testing.assert_allclose(found.estimates, expected.estimates, rtol=1e-9)
    np.testing.assert_allclose(found.standard_errors, expected.standard_errors, rtol=1e-9)
    with pytest.raises(NotSupportedError, match="default is a sandwich"):
        infer(model)


def test_inference_is_asked_of_what_has_chosen_the_location():
    model = clone(CONSTANT).fit(X, Y)
    for call in (residuals, bootstrap):
        with pytest.raises(TypeError, match=r"model\.estimator_"):
            call(model, X, Y)
    averaged = clone(CONSTANT).set_params(ensemble=True).fit(X, Y)
    with pytest.raises(TypeError, match="ensemble=True, come from refits"):
        infer(averaged, X, Y)
    trees = DistributionalRegressor(DecisionTreeRegressor(max_depth=2), scale="constant", cv=3).fit(X, Y)
    with pytest.raises(TypeError, match="DecisionTreeRegressor, which infer does not support"):
        infer(trees, X, Y)
    known = infer(DistributionalRegressor(Ridge(1.0), scale="constant", cv=3).fit(X, Y), X, Y, penalized="laplace")
    assert known.header["covariance"] == "hessian (posterior)"
    calibrated = LikelihoodCalibratedClassifier(LogisticRegression(), method="temperature", cv=3).fit(X, Y > 140)
    with pytest.raises(TypeError, match="before the map"):
        infer(calibrated, X, Y > 140)


def test_a_pipeline_within_may_hand_frames_on():
    pytest.importorskip("pandas")
    scaler = StandardScaler().set_output(transform="pandas")
    frames = clone(CONSTANT).set_params(estimator=make_pipeline(scaler, LinearRegression())).fit(X, Y)
    arrays = clone(CONSTANT).set_params(estimator=make_pipeline(StandardScaler(), LinearRegression())).fit(X, Y)
    np.testing.assert_allclose(frames.predict_interval(X), arrays.predict_interval(X), rtol=1e-12)


def test_parameters_set_after_fit_change_nothing():
    model = DistributionalRegressor(LinearRegression(), "gaussian", cv=CV).fit(X, Y)
    before = model.predict_interval(X)
    model.set_params(likelihood="laplace", scale="constant", ensemble=True, recalibrate=True)
    np.testing.assert_array_equal(model.predict_interval(X), before)


def test_scorers_and_compare_read_it():
    model = clone(CONSTANT).fit(X[:300], Y[:300])
    # y is whole: the probability of its cell is the density there, to a part in (1 / 55)^2 / 24.
    assert get_scorer("log_likelihood")(model, X[300:], Y[300:]) == pytest.approx(
        model.log_likelihood(X[300:], Y[300:]) / 142, rel=1e-4
    )
    expected = crps(Y[300:], model.predict_distribution(X[300:]))
    assert get_scorer("neg_crps")(model, X[300:], Y[300:]) == pytest.approx(-expected)
    assert cross_val_score(CONSTANT, X, Y, cv=3).mean() == cross_val_score(LinearRegression(), X, Y, cv=3).mean()
    in_pipeline = make_pipeline(StandardScaler(), CONSTANT)
    comparison = compare({"alone": CONSTANT, "scaled": in_pipeline}, X, Y, cv=3)
    assert comparison.difference("alone", "scaled").value == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("recalibrate", [False, True])
def test_displays_draw_it(recalibrate):
    model = clone(CONSTANT).set_params(recalibrate=recalibrate).fit(X, Y)
    assert PredictiveDisplay.from_estimator(model, X, Y, feature=2).figure_ is not None
    assert PITDisplay.from_estimator(model, X, Y).figure_ is not None
    assert 0.85 < coverage(Y, model.predict_interval(X, 0.9)) < 0.95
    plt.close("all")


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.PITWarning")  # Laplace's noise is not this one
def test_the_summary_says_what_its_standard_errors_count():
    model = DistributionalRegressor(LinearRegression(), "gaussian", cv=CV).fit(X, Y)
    # A parameter that is set after the fit was not fitted.
    summary = model.set_params(estimator=Ridge()).summary(0.9)
    assert summary.title == "DistributionalRegressor: LinearRegression"
    assert summary.index == ("log_scale: intercept", "log_scale: log modelled scale")
    assert (
        "they count the rows with an out-of-fold prediction" in repr(summary) and summary.header["observations"] == 442
    )
    constant = clone(CONSTANT).fit(X, Y).summary()
    # The maximum likelihood estimate of a log scale has variance 1 / (2 n).
    np.testing.assert_allclose(constant.columns["standard error"], 1 / np.sqrt(2 * 442), rtol=1e-6)
    with pytest.raises(NotSupportedError, match=r"summary: Laplace\(\) has a kink.*'student_t'"):
        clone(CONSTANT).set_params(likelihood="laplace").fit(X, Y).summary()


def test_groups_go_to_the_splitter():
    groups = np.arange(len(Y)) % 20
    model = clone(CONSTANT).set_params(cv=GroupKFold(4)).fit(X, Y, groups=groups)
    folds = list(GroupKFold(4).split(X, Y, groups))
    expected = clone(CONSTANT).set_params(cv=folds).fit(X, Y)
    np.testing.assert_array_equal(model.out_of_fold_prediction_, expected.out_of_fold_prediction_)
    automatic = clone(CONSTANT).set_params(cv="auto").fit(X, Y, groups=groups)
    folds = list(GroupKFold(10).split(X, Y, groups))
    expected = clone(CONSTANT).set_params(cv=folds).fit(X, Y)
    np.testing.assert_array_equal(automatic.out_of_fold_prediction_, expected.out_of_fold_prediction_)
    with sklearn.config_context(enable_metadata_routing=True):
        for cv in ("auto", 10):
            routed = clone(CONSTANT).set_params(cv=cv).fit(X, Y, groups=groups)
            np.testing.assert_array_equal(routed.out_of_fold_prediction_, expected.out_of_fold_prediction_)


def test_a_stack_that_chooses_its_final_estimator_is_wrapped():
    stack = StackingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=2))])
    assert not hasattr(stack, "predict")  # before it is fitted
    for base in (stack, make_pipeline(StandardScaler(), stack), GridSearchCV(stack, {"a__alpha": [1.0]}, cv=2)):
        model = clone(CONSTANT).set_params(estimator=base).fit(X, Y)
        np.testing.assert_array_equal(model.predict(X[:5]), clone(base).fit(X, Y).predict(X[:5]))
    clone(CONSTANT).set_params(scale=stack).fit(X, Y)
    with pytest.raises(TypeError, match="an estimator with fit and predict"):
        clone(CONSTANT).set_params(estimator=make_pipeline(StandardScaler())).fit(X, Y)


def test_rows_before_the_first_fold_of_a_time_series_are_left_out():
    model = DistributionalRegressor(LinearRegression(), "gaussian", scale=Ridge(), cv=TimeSeriesSplit(4))
    # 442 = 90 + 4 * 88: the first 90 are never predicted, and the next 88 have no scale, as none is known before them.
    with pytest.warns(OutOfFoldWarning, match="178 of 442 rows have no out-of-fold prediction and scale"):
        model.fit(X, Y)
    assert model.noise_.n_obs_ == 442 - 178


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.PITWarning")  # y about its mean is skewed
def test_weights_are_used_for_the_noise_where_the_base_takes_none():
    weight = np.where(np.arange(len(Y)) < 200, 2.0, 1.0)
    model = clone(CONSTANT).set_params(estimator=Weightless())
    with pytest.warns(UserWarning, match="estimator: fit of Weightless takes no sample_weight"):
        model.fit(X, Y, sample_weight=weight)
    residual = Y - model.out_of_fold_prediction_
    assert model.noise_.scale_ == pytest.approx(np.sqrt(np.average(residual**2, weights=weight)), rel=1e-7)
    assert model.predict(X[:1]) == np.mean(Y)


def test_metadata_goes_where_it_is_requested():
    weight, groups = np.linspace(1, 2, len(Y)), np.arange(len(Y)) % 20
    with sklearn.config_context(enable_metadata_routing=True):
        base = LinearRegression().set_fit_request(sample_weight=True)
        model = clone(CONSTANT).set_params(estimator=base, cv=GroupKFold(4))
        model.set_fit_request(sample_weight=True).fit(X, Y, sample_weight=weight, groups=groups)
        unweighted = clone(CONSTANT).set_params(estimator=LinearRegression().set_fit_request(sample_weight=False))
        unweighted.fit(X, Y, sample_weight=weight)
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            clone(CONSTANT).fit(X, Y, sample_weight=weight)
    expected = clone(CONSTANT).set_params(cv=list(GroupKFold(4).split(X, Y, groups))).fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(model.predict_interval(X), expected.predict_interval(X))
    np.testing.assert_array_equal(unweighted.predict(X), LinearRegression().fit(X, Y).predict(X))


@pytest.mark.skipif(parse_version(sklearn.__version__) < parse_version("1.9"), reason="callbacks came with 1.9")
def test_each_fit_of_the_base_is_a_task_of_callbacks():
    class Recorder:
        def setup(self, estimator, context):
            self.events = []

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.events.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context, **data):
            self.events.append(f"end {context.task_name}")

    recorder = Recorder()
    model = clone(CONSTANT).set_callbacks(recorder)
    model.fit(X, Y)
    folds = ["begin fit-fold", "end fit-fold"] * 4
    assert recorder.events == ["begin fit", *folds, "begin fit-all-rows", "end fit-all-rows", "end fit", "teardown"]
    np.testing.assert_array_equal(model.predict_interval(X), clone(CONSTANT).fit(X, Y).predict_interval(X))


@pytest.mark.skipif(parse_version(sklearn.__version__) < parse_version("1.9"), reason="callbacks came with 1.9")
def test_a_monitor_of_the_base_logs_one_run():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="r2")
    clone(CONSTANT).set_params(estimator=GaussianMLERegressor().set_callbacks(monitor)).fit(X, Y)
    (run,) = monitor.get_logs(select="all")
    assert run.estimator_name == "DistributionalRegressor"
    assert {row["parent_task_id_path"] for row in run.data if row["task_name"] == "fit"} == {(0,)}
    assert len([row for row in run.data if row["task_name"] == "fit"]) == 4 + 1


def test_what_no_callback_sees_is_not_sent_to_other_processes():
    folds = (fold for fold in KFold(4).split(X))  # which cannot be
    model = clone(CONSTANT).set_params(n_jobs=2)
    model.cv = folds
    expected = clone(CONSTANT).set_params(cv=KFold(4)).fit(X, Y)
    np.testing.assert_array_equal(model.fit(X, Y).predict(X), expected.predict(X))
