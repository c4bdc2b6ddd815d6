"""Scorers as objects, and what they say of classifiers."""

import copy
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import expit, log_expit, softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
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

SCORERS = [neg_cross_entropy_scorer, neg_kl_divergence_scorer, log_likelihood_scorer]
X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_TWO, Y_TWO = make_classification(n_samples=120, random_state=0)
WEIGHT = np.random.default_rng(0).integers(0, 4, 120).astype(float)


def test_names_and_copies():
    assert get_scorer_names() == [
        "discrimination",
        "information_gain",
        "log_likelihood",
        "neg_cross_entropy",
        "neg_crps",
        "neg_kl_divergence",
        "neg_miscalibration",
    ]
    for name, scorer in zip(["neg_cross_entropy", "neg_kl_divergence", "log_likelihood"], SCORERS, strict=True):
        fresh = get_scorer(name)
        assert fresh is not scorer
        assert repr(fresh) == repr(scorer) == f"{name}_scorer"
    with pytest.raises(ValueError, match=r"no scorer 'accuracy'; choose from \['discrimination'"):
        get_scorer("accuracy")


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
@pytest.mark.parametrize("duplicate", [clone, copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_duplicates_score_alike(scorer, duplicate):
    model = LogisticRegression().fit(X_TWO, Y_TWO)
    twin = duplicate(scorer)
    assert repr(twin) == repr(scorer)
    assert twin(model, X_TWO, Y_TWO) == scorer(model, X_TWO, Y_TWO)


def test_requests_survive_duplication_and_do_not_leak(routing):
    scorer = get_scorer("neg_cross_entropy").set_score_request(sample_weight="w", offset=True)
    for twin in (scorer, clone(scorer), pickle.loads(pickle.dumps(scorer))):
        assert twin.get_metadata_routing().score.requests == {"sample_weight": "w", "offset": True}
    assert neg_cross_entropy_scorer.get_metadata_routing().score.requests == {"sample_weight": None, "offset": None}
    assert scorer.set_score_request(offset=False).get_metadata_routing().score.requests == {
        "sample_weight": "w",
        "offset": False,
    }
    with pytest.raises(TypeError):
        scorer.set_score_request(groups=True)


def test_of_classes_they_are_the_metrics():
    model = HistGradientBoostingClassifier(max_iter=5).fit(X_IRIS, Y_IRIS)
    proba = model.predict_proba(X_IRIS)
    ce = cross_entropy(Y_IRIS, proba)
    for scorer in SCORERS:
        assert scorer(model, X_IRIS, Y_IRIS) == pytest.approx(-ce, rel=1e-12)
        assert scorer(model, X_IRIS, Y_IRIS, sample_weight=np.r_[np.ones(75), np.zeros(75)]) == pytest.approx(
            -cross_entropy(Y_IRIS[:75], proba[:75], labels=range(3)), rel=1e-12
        )
    # The parts of the decomposition, too, of rows that lack a class.
    some = cross_entropy_decomposition(Y_IRIS[:100], proba[:100], labels=range(3))
    for name, value in (("discrimination", some.discrimination), ("neg_miscalibration", -some.miscalibration)):
        assert get_scorer(name)(model, X_IRIS[:100], Y_IRIS[:100]) == pytest.approx(value, rel=1e-12)
    soft = softmax(np.random.default_rng(0).normal(size=(150, 3)), axis=1)
    assert neg_cross_entropy_scorer(model, X_IRIS, soft) == pytest.approx(-cross_entropy(soft, proba), rel=1e-12)
    assert log_likelihood_scorer(model, X_IRIS, soft) == pytest.approx(-cross_entropy(soft, proba), rel=1e-12)
    assert neg_kl_divergence_scorer(model, X_IRIS, soft) == pytest.approx(-kl_divergence(soft, proba), rel=1e-12)


def test_nothing_is_lost_to_rounding():
    model = LogisticRegression()
    model.classes_, model.coef_, model.intercept_ = np.array([0, 1]), np.array([[1.0]]), np.zeros(1)
    X = np.array([[1e4], [800.0]])
    assert neg_cross_entropy_scorer(model, X, [0, 0]) == -5400.0
    assert -log_loss([0, 0], model.predict_proba(X), labels=[0, 1]) > -37
    assert neg_cross_entropy_scorer(model, [[50.0]], [1]) == pytest.approx(-math.exp(-50), rel=1e-14)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=1000),
        GaussianNB(),
        KNeighborsClassifier(40),
        CalibratedClassifierCV(LinearSVC(), cv=3),
        HistGradientBoostingClassifier(max_iter=3),
        RandomForestClassifier(n_estimators=60, min_samples_leaf=10, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-2]}, cv=3, scoring=neg_cross_entropy_scorer),
    ],
    ids=lambda model: type(model).__name__,
)
def test_any_classifier_agrees_with_log_loss_in_cross_validation(model):
    rows = np.random.default_rng(0).permutation(150)
    # Noisy outcomes leave no leaf of one class, so that few are certain and wrong, and log_loss clips little.
    y = np.where(np.random.default_rng(1).random(150) < 0.3, 1, np.minimum(Y_IRIS, 1))[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfiniteScoreWarning)
        ours = cross_val_score(model, X_IRIS[rows], y, scoring=neg_cross_entropy_scorer, cv=3)
    theirs = cross_val_score(model, X_IRIS[rows], y, scoring="neg_log_loss", cv=3)
    finite = np.isfinite(ours)
    assert finite.any()
    np.testing.assert_allclose(ours[finite], theirs[finite], rtol=1e-6)


def test_inputs_of_every_kind():
    text = np.array(["setosa", "versicolor", "virginica"])[Y_IRIS]
    frame = pd.DataFrame(X_IRIS, columns=list("abcd"))
    model = LogisticRegression(max_iter=1000)
    expected = neg_cross_entropy_scorer(model.fit(X_IRIS, Y_IRIS), X_IRIS, Y_IRIS)
    for X, y in [
        (X_IRIS, text),
        (frame, pd.Series(text)),
        (frame, pd.Series(text, dtype="category")),
        (X_IRIS, text.astype(object)),
        (X_IRIS, Y_IRIS.astype(float)),
        (X_IRIS, Y_IRIS.tolist()),
    ]:
        assert neg_cross_entropy_scorer(model.fit(X, y), X, y) == pytest.approx(expected, rel=1e-10)
    for container in (sparse.csr_array, sparse.csr_matrix):
        assert neg_cross_entropy_scorer(model, container(X_IRIS), Y_IRIS.astype(float)) == pytest.approx(expected)


def test_one_hot_frames_in_any_order_of_the_classes():
    model = GaussianNB().fit(X_IRIS, np.array(list("abc"))[Y_IRIS])
    soft = pd.DataFrame(np.eye(3)[Y_IRIS], columns=list("abc"))
    hard = neg_cross_entropy_scorer(model, X_IRIS, np.array(list("abc"))[Y_IRIS])
    assert neg_cross_entropy_scorer(model, X_IRIS, soft) == pytest.approx(hard, rel=1e-13)
    for scorer in (neg_cross_entropy_scorer, log_likelihood_scorer, neg_kl_divergence_scorer):
        assert scorer(model, X_IRIS, soft[["b", "c", "a"]]) == pytest.approx(hard, rel=1e-13)
    with pytest.raises(ValueError, match=r"y_true has the columns \['x', 'y', 'z'\], but the classes are \['a', 'b'"):
        neg_cross_entropy_scorer(model, X_IRIS, soft.set_axis(["x", "y", "z"], axis=1))


def test_expit_of_a_decision_is_what_a_pipeline_scores():
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X_TWO, Y_TWO)
    decision = pipeline.decision_function(X_TWO)
    expected = np.mean(np.where(Y_TWO == 1, log_expit(decision), log_expit(-decision)))
    assert neg_cross_entropy_scorer(pipeline, X_TWO, Y_TWO) == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(expit(decision), pipeline.predict_proba(X_TWO)[:, 1], rtol=1e-12)
