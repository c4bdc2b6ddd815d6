"""Scores of single rows: their mean is the score, and each says whether it is of a probability or of a density."""

import numpy as np
import pytest
import scipy.stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_iris
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle.likelihoods import Tweedie
from sklearn_mle.metrics import get_scorer
from sklearn_mle.metrics.probabilistic_scorers import ProbabilisticScorer

X, Y = load_iris(return_X_y=True)
WEIGHT = np.random.default_rng(0).integers(0, 4, len(Y)).astype(float)
SOFT = np.random.default_rng(1).dirichlet([1, 2, 3], len(Y))


class Fixed(RegressorMixin, BaseEstimator):
    """A regressor that gives one distribution, whatever X."""

    def __init__(self, distribution):
        self.distribution = distribution

    def fit(self, X, y):
        return self

    def predict_distribution(self, X):
        return self.distribution


@pytest.mark.parametrize("name", ["neg_cross_entropy", "neg_kl_divergence", "log_likelihood"])
@pytest.mark.parametrize("y", [Y, SOFT, np.array(["a", "b", "c"])[Y]], ids=["labels", "soft", "text"])
def test_the_mean_of_the_rows_is_the_score(name, y):
    labels = y if y.ndim == 1 else Y
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, labels)
    scorer = get_scorer(name)
    rows = scorer._row_scores(model, X, y)
    assert rows.values.shape == (len(Y),) and rows.is_mass.all()
    assert np.average(rows.values, weights=WEIGHT) == pytest.approx(
        scorer(model, X, y, sample_weight=WEIGHT), rel=1e-13
    )


def test_rows_of_a_class_that_training_missed_are_infinite_one_by_one():
    seen = Y < 2
    rows = get_scorer("neg_cross_entropy")._row_scores(LogisticRegression().fit(X[seen], Y[seen]), X, Y)
    assert np.array_equal(rows.values == -np.inf, ~seen)


def test_rows_of_known_gaussians_are_densities():
    model = BayesianRidge().fit(X[:, :3], X[:, 3])
    rows = get_scorer("log_likelihood")._row_scores(model, X[:, :3], X[:, 3])
    mean, std = model.predict(X[:, :3], return_std=True)
    np.testing.assert_allclose(rows.values, scipy.stats.norm(mean, std).logpdf(X[:, 3]), rtol=1e-12)
    assert not rows.is_mass.any()


def test_probabilities_and_densities_are_told_apart_row_by_row():
    y = np.array([0.0, 0.0, 1.5, 3.0])
    scorer = get_scorer("log_likelihood")
    tweedie = Tweedie(power=1.5)
    predictors = np.vstack([np.zeros(4), np.zeros(4)])
    cases = {
        "normal": (scipy.stats.norm(0, 1), [False] * 4),
        "narrow": (scipy.stats.norm(0, 1e-12), [False] * 4),
        "new": (scipy.stats.Normal(mu=0.0, sigma=1.0) if hasattr(scipy.stats, "Normal") else None, [False] * 4),
        "atom": (tweedie.distribution(predictors), [True, True, False, False]),
    }
    for name, (distribution, expected) in cases.items():
        if distribution is not None:
            with np.errstate(all="ignore"):
                rows = scorer._row_scores(Fixed(distribution), np.zeros((4, 1)), y)
                of_whole = scorer._row_scores(Fixed(distribution), np.zeros((4, 1)), np.floor(y))
            assert rows.is_mass.tolist() == expected, name
            assert of_whole.is_mass.all(), name
    assert scorer._row_scores(Fixed(scipy.stats.poisson(2.0)), np.zeros((4, 1)), np.floor(y)).is_mass.all()
    with pytest.raises(ValueError, match=r"y_true\[2\] is 1.5, and Fixed gives probabilities of whole numbers"):
        scorer._row_scores(Fixed(scipy.stats.poisson(2.0)), np.zeros((4, 1)), y)


def test_a_score_that_is_no_mean_over_rows_says_so():
    scorer = ProbabilisticScorer("median", lambda y, response, sample_weight=None: 0.0, 1)
    with pytest.raises(ValueError, match="median_scorer has no scores of single rows"):
        scorer._row_scores(LogisticRegression(), X, Y)
