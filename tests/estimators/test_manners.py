"""The estimators inside scikit-learn: pipelines, searches, meta-estimators, routing, tags, representations."""

import re

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier

rng = np.random.default_rng(0)
N = 200
X = rng.standard_normal((N, 4))
BINARY = (X @ [2.0, -1.0, 0.0, 0.0] + rng.logistic(size=N) > 0).astype(int)
THREE = (X @ rng.standard_normal((4, 3)) + rng.gumbel(size=(N, 3))).argmax(axis=1)
REAL = X @ [2.0, -1.0, 0.0, 0.0] + rng.standard_normal(N)
OFFSET = rng.standard_normal(N)
WEIGHT = rng.uniform(0.5, 2, size=N)
BOTH = pytest.mark.parametrize(
    ("estimator", "y"), [(MLELogisticClassifier(C=1.0), BINARY), (GaussianMLERegressor(), REAL)], ids=["C", "R"]
)


@BOTH
def test_pipelines_and_cross_validation(estimator, y):
    pipe = make_pipeline(StandardScaler(), estimator)
    assert cross_val_score(pipe, X, y, error_score="raise").mean() > 0.6
    pipe.set_output(transform="pandas").fit(X, y)
    assert pipe[-1].feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]
    assert pipe.predict(X).shape == (N,)
    assert pipe.score(X, y) > 0.6


def test_it_drops_into_logistic_regression_s_grids():
    grid = {"C": [0.01, 1.0, 100.0], "fit_intercept": [True, False], "class_weight": [None, "balanced"]}
    ours, theirs = (
        GridSearchCV(model, grid, scoring="neg_log_loss", cv=3, error_score="raise").fit(X, BINARY)
        for model in (MLELogisticClassifier(), LogisticRegression(tol=1e-8, max_iter=1000))
    )
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-5)
    assert ours.best_params_ == theirs.best_params_


def test_a_regressor_s_grid_has_scales_of_both_kinds():
    search = GridSearchCV(GaussianMLERegressor(), {"scale": ["constant", "log_linear", 1.0], "alpha": [0.0, 1.0]}, cv=3)
    assert search.fit(X, REAL).best_score_ > 0.6


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "multinomial"])
def test_meta_classifiers(y):
    model = MLELogisticClassifier(C=1.0)
    for wrapped in (
        CalibratedClassifierCV(model, cv=3),
        CalibratedClassifierCV(model, method="isotonic", cv=3),
        VotingClassifier([("a", model), ("b", MLELogisticClassifier(C=0.1))], voting="soft"),
        OneVsRestClassifier(model),
    ):
        assert (
            wrapped.fit(X, y, **({} if isinstance(wrapped, OneVsRestClassifier) else {"sample_weight": WEIGHT})).score(
                X, y
            )
            > 0.5
        )
        np.testing.assert_allclose(wrapped.predict_proba(X).sum(axis=1), 1)


def test_meta_regressors():
    model = GaussianMLERegressor(alpha=1.0)
    for wrapped in (VotingRegressor([("a", model)]), BaggingRegressor(model, 3, random_state=0)):
        assert wrapped.fit(X, REAL).score(X, REAL) > 0.6


@BOTH
def test_features_are_selected_by_their_coefficients(estimator, y):
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    selector = SelectFromModel(estimator, max_features=2, threshold=-np.inf).fit(frame, y)
    assert selector.get_feature_names_out().tolist() == ["a", "b"]


@BOTH
def test_permutation_importance_finds_the_columns_that_matter(estimator, y):
    importance = permutation_importance(estimator.fit(X, y), X, y, n_repeats=3, random_state=0).importances_mean
    assert importance.argmax() == 0


def test_soft_labels_go_through_pipelines_selection_and_cross_validation():
    soft = np.column_stack([1 - BINARY, BINARY]) * 0.8 + 0.1
    pipe = make_pipeline(StandardScaler(), MLELogisticClassifier())
    assert pipe.fit(X, soft).score(X, soft) > 0.6
    assert cross_val_score(pipe, X, soft, cv=KFold(3), error_score="raise").min() > 0.5
    assert SelectFromModel(MLELogisticClassifier()).fit(X, soft).transform(X).shape[1] < 4


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_weights_and_offsets_are_routed_to_every_method():
    model = (
        MLELogisticClassifier()
        .set_fit_request(sample_weight=True, offset=True)
        .set_predict_request(offset=True)
        .set_predict_proba_request(offset=True)
        .set_predict_log_proba_request(offset=True)
        .set_decision_function_request(offset=True)
        .set_score_request(sample_weight=True, offset=True)
    )
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    pipe = make_pipeline(scaler, model).fit(X, BINARY, sample_weight=WEIGHT, offset=OFFSET)
    alone = MLELogisticClassifier().fit(StandardScaler().fit_transform(X), BINARY, sample_weight=WEIGHT, offset=OFFSET)
    np.testing.assert_allclose(pipe[-1].coef_, alone.coef_)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert len(getattr(pipe, method)(X, offset=OFFSET)) == N
    assert pipe.score(X, BINARY, sample_weight=WEIGHT, offset=OFFSET) > 0.5


@pytest.mark.usefixtures("routing")
def test_routing_reaches_through_cross_validation():
    model = (
        GaussianMLERegressor()
        .set_fit_request(sample_weight=True, offset=True)
        .set_score_request(sample_weight=True, offset=True)
    )
    result = cross_validate(
        model, X, REAL + OFFSET, params={"sample_weight": WEIGHT, "offset": OFFSET}, error_score="raise"
    )
    assert result["test_score"].min() > 0.5
    search = GridSearchCV(model, {"alpha": [0.0, 1.0]}, error_score="raise")
    search.fit(X, REAL + OFFSET, sample_weight=WEIGHT, offset=OFFSET)
    assert search.score(X, REAL + OFFSET, sample_weight=WEIGHT, offset=OFFSET) > 0.5


@pytest.mark.usefixtures("routing")
def test_an_offset_that_nobody_asked_for_is_refused_by_scikit_learn():
    with pytest.raises(ValueError, match="offset"):
        cross_validate(GaussianMLERegressor(), X, REAL, params={"offset": OFFSET}, error_score="raise")


def test_cross_validation_without_an_offset_is_refused_after_a_fit_with_one():
    with pytest.raises(ValueError, match="was fitted with an offset"):
        cross_val_score(GaussianMLERegressor(), X, REAL, params={"offset": OFFSET}, error_score="raise")


@BOTH
def test_tags(estimator, y):
    tags = get_tags(estimator)
    assert tags.input_tags.sparse
    assert not tags.input_tags.allow_nan
    assert tags.target_tags.required and tags.target_tags.single_output and not tags.target_tags.multi_output
    if isinstance(estimator, MLELogisticClassifier):
        assert tags.estimator_type == "classifier" and tags.classifier_tags.multi_class
    else:
        assert tags.estimator_type == "regressor" and not tags.target_tags.positive_only


@BOTH
def test_the_html_representation_links_to_our_docs(estimator, y):
    name = type(estimator).__name__
    for model in (estimator, estimator.fit(X, y)):
        html = model._repr_html_()
        assert f"https://sklearn-mle.readthedocs.io/en/stable/api/sklearn_mle.{name}.html" in html
        # Beside the links, in whose addresses it stands anyway.
        assert name in re.sub(r"https?://[^\s\"<]*", "", html)
    assert repr(sklearn.clone(estimator)) == (
        "MLELogisticClassifier(C=1.0)" if "C" in estimator.get_params() else f"{name}()"
    )


def test_feature_names_are_checked_in_prediction():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = GaussianMLERegressor().fit(frame, REAL)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match="expecting 4 features"):
        GaussianMLERegressor().fit(X, REAL).predict_interval(X[:, :3])
