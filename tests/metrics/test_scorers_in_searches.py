"""Scorers in cross-validation, searches and callbacks: missing classes, soft labels, weights and offsets."""

import math

import numpy as np
import pytest
from scipy.special import log_expit, log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, LogisticRegressionCV
from sklearn.metrics import check_scoring
from sklearn.metrics import get_scorer as get_sklearn_scorer
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneGroupOut, cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics import (
    cross_entropy,
    cross_entropy_decomposition,
    get_scorer,
    get_scorer_names,
    kl_divergence,
    log_likelihood_scorer,
    neg_cross_entropy_scorer,
    neg_kl_divergence_scorer,
)

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_TWO, Y_TWO = make_classification(n_samples=120, random_state=0)
WEIGHT = np.random.default_rng(0).integers(0, 4, 120).astype(float)


class SoftLogistic(ClassifierMixin, BaseEstimator):
    """Gradient descent on soft labels, with an offset: a few steps are enough for a test."""

    def fit(self, X, y, sample_weight=None, offset=None):
        rows = y if np.ndim(y) == 2 else np.eye(int(np.max(y)) + 1)[y]
        self.classes_ = np.arange(np.shape(rows)[1])
        self.coef_ = np.zeros((X.shape[1], len(self.classes_)))
        weight = np.ones(len(X)) if sample_weight is None else sample_weight
        for _ in range(20):
            residual = softmax(self.decision_function(X, offset=offset), axis=1) - rows
            self.coef_ -= X.T @ (weight[:, None] * residual) / weight.sum()
        return self

    def decision_function(self, X, offset=None):
        return X @ self.coef_ + (0 if offset is None else offset)

    def predict_proba(self, X, offset=None):
        return softmax(self.decision_function(X, offset=offset), axis=1)

    def predict(self, X, offset=None):
        return self.classes_[self.decision_function(X, offset=offset).argmax(axis=1)]


def test_folds_that_miss_a_class_cost_infinity_with_one_warning_each():
    for y in (Y_IRIS, np.array(["x", "y", "z"])[Y_IRIS], np.array(["x", "y", "z"], dtype=object)[Y_IRIS]):
        for model in (LogisticRegression(max_iter=1000), GaussianNB(), RandomForestClassifier(3, random_state=0)):
            with pytest.warns(InfiniteScoreWarning, match="50 of 50 rows are certain and wrong") as record:
                scores = cross_val_score(
                    model, X_IRIS, y, groups=Y_IRIS, cv=LeaveOneGroupOut(), scoring=neg_cross_entropy_scorer
                )
            assert len(record) == 3
            np.testing.assert_array_equal(scores, -np.inf)


def test_a_missed_class_that_does_not_occur_costs_nothing():
    model = GaussianNB().fit(X_IRIS[Y_IRIS < 2], Y_IRIS[Y_IRIS < 2])
    weight = (Y_IRIS < 2).astype(float)
    assert neg_cross_entropy_scorer(model, X_IRIS, Y_IRIS, sample_weight=weight) == pytest.approx(
        neg_cross_entropy_scorer(model, X_IRIS[:100], Y_IRIS[:100]), rel=1e-12
    )
    with pytest.warns(InfiniteScoreWarning, match=r"50 of 150 rows .* row 100, with probability 0 where y_true is 2"):
        neg_cross_entropy_scorer(model, X_IRIS, Y_IRIS)


def test_a_fold_of_one_class():
    model = GaussianNB().fit(X_IRIS[:50], Y_IRIS[:50])
    assert neg_cross_entropy_scorer(model, X_IRIS[:50], Y_IRIS[:50]) == 0.0


def test_text_is_never_a_missed_class_of_numbers():
    model = GaussianNB().fit(X_TWO, Y_TWO)
    with pytest.raises(ValueError, match=r"label '0', and training had \[0, 1\]: text never matches"):
        neg_cross_entropy_scorer(model, X_TWO, Y_TWO.astype(str))


def test_missing_labels_are_not_a_missed_class():
    y = Y_TWO.astype(float)
    y[5] = np.nan
    with pytest.raises(ValueError, match=r"y_true\[5\] is nan"):
        neg_cross_entropy_scorer(GaussianNB().fit(X_TWO, Y_TWO), X_TWO, y)


def test_multimetric_search_beside_scikit_learns_scorers():
    scoring = {
        "ce": neg_cross_entropy_scorer,
        "kl": neg_kl_divergence_scorer,
        "ll": log_likelihood_scorer,
        "log_loss": "neg_log_loss",
        "auc": "roc_auc",
    }
    scoring = {k: get_sklearn_scorer(v) if isinstance(v, str) else v for k, v in scoring.items()}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.01, 1.0]},
        scoring=scoring,
        refit="ce",
        cv=3,
    ).fit(X_TWO, Y_TWO)
    results = search.cv_results_
    for name in ("ce", "kl", "ll"):
        np.testing.assert_allclose(results[f"mean_test_{name}"], results["mean_test_log_loss"], rtol=1e-10)
    assert search.score(X_TWO, Y_TWO) == neg_cross_entropy_scorer(search, X_TWO, Y_TWO)
    assert "neg_cross_entropy_scorer" in repr(search)


def test_an_infinite_candidate_ranks_last():
    with pytest.warns(Warning) as record:
        search = GridSearchCV(
            KNeighborsClassifier(), {"n_neighbors": [1, 30]}, scoring=neg_cross_entropy_scorer, cv=3
        ).fit(X_TWO, Y_TWO)
    assert search.best_params_ == {"n_neighbors": 30}
    assert search.cv_results_["mean_test_score"][0] == -np.inf
    # scikit-learn has its own words about the infinite mean; ours come from the metric, one for each fold.
    assert sum(isinstance(warning.message, InfiniteScoreWarning) for warning in record) == 3


def test_other_takers_of_scoring():
    model = LogisticRegression().fit(X_TWO, Y_TWO)
    assert check_scoring(model, neg_cross_entropy_scorer) is neg_cross_entropy_scorer
    importance = permutation_importance(
        model, X_TWO, Y_TWO, scoring=neg_cross_entropy_scorer, n_repeats=2, random_state=0, sample_weight=WEIGHT
    )
    assert importance.importances.shape == (20, 2)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of LogisticRegressionCV's own parameters
def test_regularization_path():
    y = np.array(["no", "yes"])[Y_TWO]
    ours = LogisticRegressionCV(Cs=[0.01, 1], cv=3, scoring=neg_cross_entropy_scorer).fit(X_TWO, y)
    theirs = LogisticRegressionCV(Cs=[0.01, 1], cv=3, scoring="neg_log_loss").fit(X_TWO, y)
    np.testing.assert_array_equal(ours.C_, theirs.C_)


def test_soft_labels_in_folds():
    soft = softmax(3 * X_IRIS[:, :3] - X_IRIS[:, 1:], axis=1)
    X = StandardScaler().fit_transform(X_IRIS)
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_validate(
        SoftLogistic(), X, soft, cv=folds, scoring={"ce": neg_cross_entropy_scorer, "kl": neg_kl_divergence_scorer}
    )
    for k, (train, test) in enumerate(folds.split(X)):
        logs = log_softmax(SoftLogistic().fit(X[train], soft[train]).decision_function(X[test]), axis=1)
        assert scores["test_ce"][k] == pytest.approx(-cross_entropy(soft[test], logs, log_proba=True), rel=1e-13)
        assert scores["test_kl"][k] == pytest.approx(-kl_divergence(soft[test], logs, log_proba=True), rel=1e-12)


def test_who_cannot_be_scored_is_a_type_error_alone_and_among_others():
    model = LinearSVC().fit(X_TWO, Y_TWO)
    for scoring in ({"a": neg_cross_entropy_scorer}, {"a": neg_cross_entropy_scorer, "b": log_likelihood_scorer}):
        with pytest.raises(TypeError, match="LinearSVC"):
            check_scoring(model, scoring)(model, X_TWO, Y_TWO)
    with pytest.raises(TypeError, match="LinearRegression gives no distribution"):
        log_likelihood_scorer(LinearRegression().fit(X_TWO, Y_TWO), X_TWO, Y_TWO)


def test_weights_are_routed_to_the_score(routing):
    folds = KFold(3)
    scorer = get_scorer("neg_cross_entropy").set_score_request(sample_weight=True)
    model = GaussianNB().set_fit_request(sample_weight=False)
    scores = cross_validate(model, X_TWO, Y_TWO, cv=folds, scoring=scorer, params={"sample_weight": WEIGHT})
    for k, (train, test) in enumerate(folds.split(X_TWO)):
        fitted = GaussianNB().fit(X_TWO[train], Y_TWO[train])
        assert scores["test_score"][k] == neg_cross_entropy_scorer(
            fitted, X_TWO[test], Y_TWO[test], sample_weight=WEIGHT[test]
        )
    aliased = get_scorer("neg_cross_entropy").set_score_request(sample_weight="score_weight")
    again = cross_validate(model, X_TWO, Y_TWO, cv=folds, scoring=aliased, params={"score_weight": WEIGHT})
    np.testing.assert_array_equal(again["test_score"], scores["test_score"])
    search = GridSearchCV(model, {"var_smoothing": [1e-9]}, cv=folds, scoring={"a": scorer, "b": aliased}, refit="a")
    search.fit(X_TWO, Y_TWO, sample_weight=WEIGHT, score_weight=WEIGHT)
    for name in "ab":
        assert search.cv_results_[f"mean_test_{name}"][0] == scores["test_score"].mean()


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: make_pipeline(StandardScaler(), model)])
def test_offsets_are_routed_to_the_response(routing, wrap):
    offset = np.random.default_rng(1).normal(scale=2, size=(150, 3))
    model = SoftLogistic().set_fit_request(offset=True, sample_weight=False)
    folds = KFold(3, shuffle=True, random_state=0)
    names = [name for name in get_scorer_names() if name != "neg_crps"]
    scorers = {name: get_scorer(name).set_score_request(offset=True) for name in names}
    scores = cross_validate(wrap(model), X_IRIS, Y_IRIS, cv=folds, scoring=scorers, params={"offset": offset})
    for k, (train, test) in enumerate(folds.split(X_IRIS)):
        fitted = wrap(SoftLogistic().set_fit_request(offset=True)).fit(
            X_IRIS[train], Y_IRIS[train], offset=offset[train]
        )
        inner, X = (
            (fitted[-1], fitted[:-1].transform(X_IRIS[test])) if hasattr(fitted, "steps") else (fitted, X_IRIS[test])
        )
        logs = log_softmax(inner.decision_function(X, offset=offset[test]), axis=1)
        expected = -cross_entropy(Y_IRIS[test], logs, log_proba=True, labels=range(3))
        for name in ("neg_cross_entropy", "neg_kl_divergence", "log_likelihood"):
            assert scores[f"test_{name}"][k] == pytest.approx(expected, rel=1e-13)
        parts = cross_entropy_decomposition(Y_IRIS[test], logs, log_proba=True, labels=range(3))
        assert scores["test_neg_miscalibration"][k] == pytest.approx(-parts.miscalibration, rel=1e-12)
        assert scores["test_discrimination"][k] == pytest.approx(parts.discrimination, rel=1e-12)
        assert scores["test_information_gain"][k] == pytest.approx(parts.uncertainty + expected, rel=1e-12)


def test_metadata_that_is_not_requested_raises_instead_of_being_forgotten(routing):
    model = SoftLogistic().set_fit_request(offset=True, sample_weight=True)
    for scoring in (get_scorer("neg_cross_entropy"), {"a": get_scorer("neg_cross_entropy")}):
        for name, values in {"offset": np.zeros((120, 2)), "sample_weight": WEIGHT + 1}.items():
            with pytest.raises(UnsetMetadataPassedError, match=name):
                cross_validate(model, X_TWO, Y_TWO, scoring=scoring, params={name: values})


def test_without_routing_weights_and_offsets_are_arguments():
    X, y, offset = np.zeros((3, 1)), np.array([0, 1, 1]), np.array([[0.0, 0.0], [0.0, 2.0], [0.0, -80.0]])
    model = SoftLogistic().fit(X, y)
    assert neg_cross_entropy_scorer(model, X, y, offset=offset) == pytest.approx(
        np.mean([-math.log(2), log_expit(2), log_expit(-80)]), rel=1e-14
    )
    assert neg_cross_entropy_scorer(model, X, y, offset=offset, sample_weight=[0, 2, 0]) == pytest.approx(
        log_expit(2.0)
    )
    with pytest.raises(TypeError, match=r"offset was passed, but GaussianNB.predict_proba takes none"):
        neg_cross_entropy_scorer(GaussianNB().fit(X, y), X, y, offset=offset)


def test_scoring_monitor():
    callback = pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    model = LogisticRegression(max_iter=20)
    if not hasattr(model, "set_callbacks"):
        pytest.skip("LogisticRegression takes no callbacks in this version")
    for scoring in (neg_cross_entropy_scorer, {"ce": neg_cross_entropy_scorer, "ll": log_likelihood_scorer}):
        monitor = callback.ScoringMonitor(scoring=scoring)
        model.set_callbacks(monitor).fit(X_TWO, Y_TWO)
        data = monitor.get_logs().data
        name = "ce" if isinstance(scoring, dict) else "score"
        values = [row[name] for row in data if name in row]
        assert len(values) > 1
        assert values[-1] == pytest.approx(neg_cross_entropy_scorer(model, X_TWO, Y_TWO))
