"""Scorers beyond cross-entropy: of distributions, parts of cross-entropy, one's own metrics, other libraries."""

import pickle

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics import (
    cross_entropy,
    cross_entropy_decomposition,
    crps,
    discrimination_scorer,
    get_scorer,
    information_gain,
    information_gain_scorer,
    interval_score,
    log_likelihood_scorer,
    make_probabilistic_scorer,
    neg_cross_entropy_scorer,
    neg_crps_scorer,
    neg_miscalibration_scorer,
)

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X, Y = load_diabetes(return_X_y=True)
OF_CLASSES = [information_gain_scorer, neg_miscalibration_scorer, discrimination_scorer]


@pytest.mark.parametrize("scorer", OF_CLASSES, ids=repr)
@pytest.mark.parametrize(
    "model",
    [
        MLELogisticClassifier(C=1.0),
        make_pipeline(StandardScaler(), LogisticRegression()),
        HistGradientBoostingClassifier(max_iter=3),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        GridSearchCV(MLELogisticClassifier(), {"C": [0.1, 1.0]}, cv=2, scoring=information_gain_scorer),
    ],
    ids=lambda model: type(model).__name__,
)
def test_parts_of_any_classifier(scorer, model):
    scores = cross_val_score(model, X_IRIS, Y_IRIS, scoring=scorer, cv=2)
    assert np.isfinite(scores).all()
    assert (scores <= 0).all() if scorer is neg_miscalibration_scorer else (scores <= np.log(3) + 1e-12).all()


def test_the_three_parts_make_the_cross_entropy():
    model = LogisticRegression(max_iter=300).fit(X_IRIS, Y_IRIS)
    weight = np.arange(150) % 4.0
    parts = cross_entropy_decomposition(Y_IRIS, model.predict_proba(X_IRIS), sample_weight=weight)
    score = {s: s(model, X_IRIS, Y_IRIS, sample_weight=weight) for s in (*OF_CLASSES, neg_cross_entropy_scorer)}
    assert score[discrimination_scorer] == pytest.approx(parts.discrimination, rel=1e-9)
    assert score[neg_miscalibration_scorer] == pytest.approx(-parts.miscalibration, rel=1e-9)
    gain = score[discrimination_scorer] + score[neg_miscalibration_scorer]
    assert score[information_gain_scorer] == pytest.approx(gain, rel=1e-12)
    assert gain == pytest.approx(parts.uncertainty + score[neg_cross_entropy_scorer], rel=1e-12)


@pytest.mark.parametrize("scorer", OF_CLASSES, ids=repr)
def test_soft_labels_and_classes_that_training_lacks(scorer):
    model = LogisticRegression(max_iter=300).fit(X_IRIS[:100], Y_IRIS[:100])
    with pytest.warns(InfiniteScoreWarning):
        score = scorer(model, X_IRIS, Y_IRIS)
    assert np.isfinite(score) if scorer is discrimination_scorer else score == -np.inf
    soft = np.random.default_rng(0).dirichlet(np.ones(2), size=100)
    assert np.isfinite(scorer(model, X_IRIS[:100], soft))
    with pytest.raises(ValueError, match="not a mean over rows"):
        scorer._row_scores(model, X_IRIS[:100], Y_IRIS[:100])


@pytest.mark.parametrize("model", [GaussianMLERegressor(scale="log_linear"), BayesianRidge()], ids=repr)
def test_crps_of_regressors_with_rows_weights_and_pipelines(model):
    weight = np.arange(len(Y)) % 3.0
    piped = make_pipeline(StandardScaler(), clone(model)).fit(X, Y)
    inside = StandardScaler().fit_transform(X)
    if hasattr(piped[-1], "predict_distribution"):
        distribution = piped[-1].predict_distribution(inside)
    else:
        distribution = stats.norm(*piped[-1].predict(inside, return_std=True))
    assert neg_crps_scorer(piped, X, Y) == pytest.approx(-crps(Y, distribution), rel=1e-12)
    score = neg_crps_scorer(piped, X, Y, sample_weight=weight)
    assert score == pytest.approx(-crps(Y, distribution, sample_weight=weight), rel=1e-12)
    rows = neg_crps_scorer._row_scores(piped, X, Y)
    assert rows.is_mass.all()
    assert np.average(rows.values, weights=weight) == pytest.approx(score, rel=1e-12)
    search = GridSearchCV(model, {"fit_intercept": [True, False]}, cv=KFold(2), scoring=neg_crps_scorer).fit(X, Y)
    assert search.best_params_ == {"fit_intercept": True}


def test_crps_needs_a_distribution():
    with pytest.raises(TypeError, match="LinearRegression gives no distribution"):
        neg_crps_scorer(LinearRegression().fit(X, Y), X, Y)
    with pytest.raises(
        TypeError, match="LogisticRegression gives probabilities of classes, but a distribution of numb"
    ):
        neg_crps_scorer(LogisticRegression().fit(X, np.median(Y) < Y), X, Y)
    with pytest.raises(ValueError, match=r"y_true\[0\] is nan: outcomes must be finite"):
        neg_crps_scorer(BayesianRidge().fit(X, Y), X[:1], [np.nan])


def weighted_brier(y_true, y_pred, sample_weight=None):
    return np.average(((np.eye(3)[y_true] - y_pred) ** 2).sum(axis=1), weights=sample_weight)


def spread(y_true, distribution, coverage=0.9):
    tails = [[(1 - coverage) / 2], [(1 + coverage) / 2]]
    return interval_score(y_true, distribution.ppf(tails).T, coverage=coverage)


def test_ones_own_metrics_of_classes():
    model = LogisticRegression(max_iter=300).fit(X_IRIS, Y_IRIS)
    proba, weight = model.predict_proba(X_IRIS), np.arange(150) % 4.0
    brier = make_probabilistic_scorer(weighted_brier, greater_is_better=False)
    assert repr(brier) == "neg_weighted_brier_scorer"
    assert brier(model, X_IRIS, Y_IRIS) == pytest.approx(-weighted_brier(Y_IRIS, proba), rel=1e-9)
    assert brier(model, X_IRIS, Y_IRIS, sample_weight=weight) == pytest.approx(-weighted_brier(Y_IRIS, proba, weight))
    twin = pickle.loads(pickle.dumps(clone(brier)))
    assert twin(model, X_IRIS, Y_IRIS) == brier(model, X_IRIS, Y_IRIS)
    # scikit-learn's take labels, and are told them; ours take logarithms, too.
    theirs = make_probabilistic_scorer(log_loss, greater_is_better=False, name="theirs")
    assert theirs(model, X_IRIS[:50], Y_IRIS[:50]) == pytest.approx(
        -log_loss(Y_IRIS[:50], proba[:50], labels=[0, 1, 2])
    )
    bits = make_probabilistic_scorer(cross_entropy, greater_is_better=False, base=2)
    assert bits(model, X_IRIS, Y_IRIS) == pytest.approx(neg_cross_entropy_scorer(model, X_IRIS, Y_IRIS) / np.log(2))
    model.coef_ *= 1e4
    assert np.isfinite(bits(model, X_IRIS, Y_IRIS))
    gain = make_probabilistic_scorer(information_gain)
    assert repr(gain) == repr(information_gain_scorer)
    assert gain(model, X_IRIS, Y_IRIS) == information_gain_scorer(model, X_IRIS, Y_IRIS)


def test_ones_own_metrics_in_searches_and_under_routing(routing):
    brier = make_probabilistic_scorer(weighted_brier, greater_is_better=False).set_score_request(sample_weight=True)
    model = LogisticRegression(max_iter=300).set_fit_request(sample_weight=True)
    search = GridSearchCV(model, {"C": [1e-6, 1.0]}, scoring=brier, cv=2)
    assert search.fit(X_IRIS, Y_IRIS, sample_weight=np.ones(150)).best_params_ == {"C": 1.0}


def test_ones_own_metrics_of_distributions():
    model = BayesianRidge().fit(X, Y)
    narrow = make_probabilistic_scorer(spread, greater_is_better=False, response="distribution", coverage=0.5)
    distribution = stats.norm(*model.predict(X, return_std=True))
    assert narrow(model, X, Y) == pytest.approx(-spread(Y, distribution, coverage=0.5), rel=1e-12)
    with pytest.raises(TypeError, match="sample_weight"):
        narrow(model, X, Y, sample_weight=np.ones(len(Y)))
    with pytest.raises(ValueError, match=r"response must be one of \['classes', 'distribution'\]; got 'labels'"):
        make_probabilistic_scorer(spread, response="labels")


class OfNGBoost:
    """As NGBoost's distributions: a frozen one inside, and None for every name that it does not know."""

    def __init__(self, frozen):
        self.dist = frozen

    def __getattr__(self, name):
        return getattr(self.dist, name, None)


class LikeNGBoost(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.center_, self.spread_ = np.mean(y), np.std(y)
        return self

    def pred_dist(self, X):
        return OfNGBoost(stats.norm(np.full(len(X), self.center_), self.spread_))


class OfSkpro:
    """As skpro's distributions: tables (n, 1) in, tables out; no survival function."""

    def __init__(self, mean, std):
        self.frozen, self.shape = stats.norm(mean[:, None], std), (len(mean), 1)

    def _table(self, x):
        assert np.shape(x) == self.shape
        return x

    def log_pdf(self, x):
        return self.frozen.logpdf(self._table(x))

    def cdf(self, x):
        return self.frozen.cdf(self._table(x))

    def ppf(self, q):
        return self.frozen.ppf(self._table(q))

    def get_tag(self, name, default=None):
        return "continuous" if name == "distr:measuretype" else default


class LikeSkpro(LikeNGBoost):
    pred_dist = property()

    def predict_proba(self, X):
        return OfSkpro(np.full(len(X), self.center_), self.spread_)

    def predict_quantiles(self, X): ...

    def predict_var(self, X): ...


@pytest.mark.parametrize("kind", [LikeNGBoost, LikeSkpro])
def test_other_libraries_distributions(kind):
    model = kind().fit(X, Y)
    expected = stats.norm(Y.mean(), Y.std())
    real = Y + 0.25
    assert log_likelihood_scorer(model, X, real) == pytest.approx(expected.logpdf(real).mean(), rel=1e-12)
    assert neg_crps_scorer(model, X, Y) == pytest.approx(-crps(Y, expected), rel=1e-9)
    rows = log_likelihood_scorer._row_scores(model, X, real)
    np.testing.assert_allclose(rows.values, expected.logpdf(real))
    assert not rows.is_mass.any()
    of_whole = log_likelihood_scorer._row_scores(model, X, Y)
    np.testing.assert_allclose(of_whole.values, np.log(expected.cdf(Y + 0.5) - expected.cdf(Y - 0.5)), rtol=1e-12)
    assert of_whole.is_mass.all()
    scores = cross_val_score(make_pipeline(StandardScaler(), kind()), X, Y, scoring=get_scorer("neg_crps"), cv=3)
    assert np.isfinite(scores).all()


def test_a_classifier_of_ngboost_is_asked_for_probabilities():
    class Both(ClassifierMixin, LikeNGBoost):
        classes_ = np.array([0, 1])

        def predict_proba(self, X):
            return np.tile([0.25, 0.75], (len(X), 1))

    assert log_likelihood_scorer(Both(), np.zeros((2, 1)), [0, 1]) == pytest.approx(np.log([0.25, 0.75]).mean())


def test_ngboost_itself():
    ngboost = pytest.importorskip("ngboost")
    model = ngboost.NGBRegressor(n_estimators=5, verbose=False).fit(X, Y)
    expected = stats.norm(model.pred_dist(X).loc, model.pred_dist(X).scale)
    assert neg_crps_scorer(model, X, Y) == pytest.approx(-crps(Y, expected), rel=1e-12)
    assert log_likelihood_scorer(model, X, Y + 0.25) == pytest.approx(expected.logpdf(Y + 0.25).mean(), rel=1e-12)


def test_skpro_itself():
    residual = pytest.importorskip("skpro.regression.residual")
    frame, y = load_diabetes(return_X_y=True, as_frame=True)
    model = residual.ResidualDouble(LinearRegression()).fit(frame, y.to_frame())
    logs = model.predict_proba(frame).log_pdf(y.to_numpy()[:, None])
    assert log_likelihood_scorer(model, frame, y) == pytest.approx(np.mean(np.asarray(logs)), rel=1e-12)
    assert np.isfinite(neg_crps_scorer(model, frame, y))


def test_brier_of_two_classes_by_scikit_learn():
    two = Y_IRIS < 1
    model = LogisticRegression().fit(X_IRIS, two)
    brier = make_probabilistic_scorer(
        lambda y_true, y_pred: brier_score_loss(y_true, y_pred[:, 1]), greater_is_better=False, name="brier"
    )
    assert brier(model, X_IRIS, two) == pytest.approx(-brier_score_loss(two, model.predict_proba(X_IRIS)[:, 1]))
