"""Stated cases of metrics, scorers and comparisons: one row a case."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pandas as pd
from scipy import stats
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor, metrics
from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.model_selection import compare
from tests.hard_inputs.matrix.case import Case, Refuses, Right, Warns

TINY = 1e-320
Q = np.array([[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]])
Y = np.array([0, 1, 1])
MEAN_LOSS = -(math.log(0.9) + math.log(0.75) + math.log(0.5)) / 3
rng = np.random.default_rng(4)
X = rng.standard_normal((40, 2))
TWO = (X[:, 0] + rng.logistic(size=40) > 0).astype(int)
REAL = X[:, 0] + rng.standard_normal(40)
COUNTS = rng.poisson(2.0, 40).astype(float)
DECADES = 10.0 ** np.array([-10.0, 0.0, 10.0])


def losses(weight):
    """The weighted mean of the three losses, in rational arithmetic but for the logarithms."""
    rows = [-mpmath.log(mpmath.mpf(q)) for q in (0.9, 0.75, 0.5)]
    total = sum(Fraction(w) for w in weight)
    return [float(sum(mpmath.mpf(float(Fraction(w) / total)) * r for w, r in zip(weight, rows, strict=True)))]


def classifier(**params):
    return MLELogisticClassifier(C=1.0, **params).fit(X, TWO)


def unseen_class():
    return metrics.neg_cross_entropy_scorer(classifier(), X, np.where(np.arange(40) == 3, 2, TWO))


def perfect_fit():
    return metrics.log_likelihood_scorer(GaussianMLERegressor().fit(X[:3], REAL[:3]), X, REAL)


def cross_validated(model, y, folds):
    """Log densities of every row by scipy, from the fits of the other folds."""
    rows = np.empty(len(y))
    for train, test in folds:
        fitted = model().fit(X[train], y[train])
        rows[test] = stats.norm(X[test] @ fitted.coef_ + fitted.intercept_, fitted.scale_).logpdf(y[test])
    return [rows.mean()]


HALVES = list(KFold(2).split(X))


def frequencies():
    """Each half is judged by the frequencies of the other."""
    shares = [(TWO[train].mean(), TWO[test]) for train, test in HALVES]
    return [np.mean([math.log(share if y else 1 - share) for share, half in shares for y in half])]


def binomial_counts():
    trials = np.arange(40) % 5
    k = np.minimum(np.arange(40) % 3, trials)
    y = np.column_stack([k, trials - k])
    model = MLERegressor("binomial").fit(X, y)
    by_hand = stats.binom(trials, model.predict(X)).logpmf(k).mean()
    return metrics.log_likelihood_scorer(model, X, y) - by_hand + 1


def decomposition():
    """The parts add up to the score, whatever the forecast."""
    parts = metrics.cross_entropy_decomposition(TWO, classifier().predict_proba(X))
    score = metrics.cross_entropy(TWO, classifier().predict_proba(X))
    return parts.miscalibration - parts.discrimination + parts.uncertainty - score + 1


CASES = [
    Case(
        "an impossible outcome",
        lambda: metrics.cross_entropy([0, 1], [[0.5, 0.5], [1.0, 0.0]]),
        Warns(InfiniteScoreWarning, "y_pred|probability", lambda: [np.inf]),
    ),
    Case("certain and right", lambda: metrics.cross_entropy([0, 1], [[1.0, 0.0], [0.0, 1.0]]), Right(lambda: [0.0])),
    Case(
        "log-probabilities of -inf that do not occur",
        lambda: metrics.cross_entropy(
            [0, 0], [[0.0, -np.inf], [math.log(0.5), math.log(0.5)]], labels=[0, 1], log_proba=True
        ),
        Right(lambda: [math.log(2) / 2], 1e-15),
    ),
    Case(
        "a probability of 1e-320",
        lambda: metrics.cross_entropy([1], [[1.0, TINY]], labels=[0, 1]),
        Right(lambda: [float(-mpmath.log(TINY))], 1e-14),
    ),
    Case(
        "a log-probability of -1e6",
        lambda: metrics.cross_entropy([1], [[0.0, -1e6]], labels=[0, 1], log_proba=True),
        Right(lambda: [1e6], 1e-15),
    ),
    Case(
        "float32 probabilities",
        lambda: metrics.cross_entropy(Y, Q.astype("f4")),
        Right(lambda: [-np.log(Q.astype("f4").astype(float)[[0, 1, 2], Y]).mean()], 1e-14),
    ),
    Case(
        "weights over twenty decades",
        lambda: metrics.cross_entropy(Y, Q, sample_weight=DECADES),
        Right(lambda: losses(DECADES.tolist()), 1e-14),
    ),
    Case(
        "weights of 1e-300",
        lambda: metrics.cross_entropy(Y, Q, sample_weight=np.full(3, 1e-300)),
        Right(lambda: [MEAN_LOSS], 1e-14),
    ),
    Case(
        "an infinite loss of weight zero",
        lambda: metrics.cross_entropy([0, 1], [[0.5, 0.5], [1.0, 0.0]], sample_weight=[1, 0]),
        Right(lambda: [math.log(2)], 1e-15),
    ),
    Case("in bits", lambda: metrics.cross_entropy(Y, Q, base=2), Right(lambda: [MEAN_LOSS / math.log(2)], 1e-14)),
    Case(
        "a class that does not occur",
        lambda: metrics.cross_entropy(["b", "a"], [[0.2, 0.5, 0.3]] * 2, labels=["a", "b", "c"]),
        Right(lambda: [-(math.log(0.5) + math.log(0.2)) / 2], 1e-14),
    ),
    Case(
        "np.str_ labels against str",
        lambda: metrics.cross_entropy(np.array(["a", "b"]), Q[:2], labels=["a", "b"]),
        Right(lambda: [-(math.log(0.9) + math.log(0.75)) / 2], 1e-14),
    ),
    Case(
        "a categorical with an unused level",
        lambda: metrics.cross_entropy(pd.Series(pd.Categorical(["a", "b"], ["a", "unused", "b"])), Q[:2]),
        Right(lambda: [-(math.log(0.9) + math.log(0.75)) / 2], 1e-14),
    ),
    Case(
        "int8 and bool labels",
        lambda: [metrics.cross_entropy(Y.astype(t), Q) for t in ("i1", "?", "u8")],
        Right(lambda: [MEAN_LOSS] * 3, 1e-14),
    ),
    Case("an unknown label", lambda: metrics.cross_entropy([0, 7], Q[:2], labels=[0, 1]), Refuses(r"y_true\[1\] is 7")),
    Case("a label of nan", lambda: metrics.cross_entropy([0.0, np.nan], Q[:2]), Refuses(r"y_true\[1\] is nan")),
    Case("percentages", lambda: metrics.cross_entropy(Y, 100 * Q), Refuses("y_pred must hold rows of probabilities")),
    Case(
        "a probability of nan",
        lambda: metrics.cross_entropy(Y, np.where(Q == 0.75, np.nan, Q)),
        Refuses(r"y_pred\[1, 1\] is nan"),
    ),
    Case(
        "a negative probability", lambda: metrics.cross_entropy([0], [[1.5, -0.5]]), Refuses(r"y_pred\[0, 1\] is -0.5")
    ),
    Case(
        "a negative weight",
        lambda: metrics.cross_entropy(Y, Q, sample_weight=[1, -1, 1]),
        Refuses(r"sample_weight\[1\] is -1"),
    ),
    Case(
        "weights that are all zero",
        lambda: metrics.cross_entropy(Y, Q, sample_weight=np.zeros(3)),
        Refuses("sample_weight sums to zero"),
    ),
    Case(
        "entropy of the certain",
        lambda: metrics.entropy([[1.0, 0.0], [0.5, 0.5]]),
        Right(lambda: [math.log(2) / 2], 1e-15),
    ),
    Case(
        "divergence where both are zero",
        lambda: metrics.kl_divergence([[1.0, 0.0]], [[0.25, 0.75]]),
        Right(lambda: [math.log(4)], 1e-15),
    ),
    Case("divergence of one from itself", lambda: metrics.kl_divergence(Q, Q), Right(lambda: [0.0])),
    Case(
        "infinite divergence",
        lambda: metrics.kl_divergence([[0.5, 0.5]], [[1.0, 0.0]]),
        Warns(InfiniteScoreWarning, "kl_divergence is inf", lambda: [np.inf]),
    ),
    Case(
        "Jensen and Shannon of what shares nothing",
        lambda: metrics.jensen_shannon_divergence([[1.0, 0.0]], [[0.0, 1.0]]),
        Right(lambda: [math.log(2)], 1e-14),
    ),
    Case(
        "gaussian divergence at 1e-150",
        lambda: metrics.gaussian_kl_divergence([0.0], [1e-150], [1e-150], [1e-150]),
        Right(lambda: [0.5], 1e-14),
    ),
    Case(
        "crps of an outcome a million deviations away",
        lambda: metrics.crps([1e6], stats.norm(0, 1)),
        Right(lambda: [1e6 - 1 / math.sqrt(math.pi)], 1e-15),
    ),
    Case(
        "crps in units of 1e-200",
        lambda: metrics.crps([0.0], stats.norm(0, 1e-200)),
        Right(lambda: [1e-200 * (math.sqrt(2) - 1) / math.sqrt(math.pi)], 1e-12),
    ),
    Case(
        "likelihood of an outcome 1e150 away",
        lambda: metrics.negative_log_likelihood([1e150], stats.norm(0, 1)),
        Right(lambda: [0.5e300], 1e-14),
    ),
    Case(
        "an outcome out of bounds",
        lambda: metrics.negative_log_likelihood([2.0], stats.uniform(0, 1)),
        Warns(InfiniteScoreWarning, r"y_true\[0\] = 2.0, density 0", lambda: [np.inf]),
    ),
    Case(
        "a scale of nan",
        lambda: metrics.negative_log_likelihood([0.0], stats.norm(0, np.nan)),
        Refuses("row 0 is not defined"),
    ),
    Case("an infinite outcome", lambda: metrics.crps([np.inf], stats.norm(0, 1)), Refuses(r"y_true\[0\] is inf")),
    Case(
        "an interval that is missed by 1e200",
        lambda: metrics.interval_score([1e200], [[-1.0, 1.0]], coverage=0.5),
        Right(lambda: [4e200], 1e-14),
    ),
    Case(
        "intervals without ends", lambda: metrics.coverage([0.0, 1e300], [[-np.inf, np.inf]] * 2), Right(lambda: [1.0])
    ),
    Case("an interval upside down", lambda: metrics.coverage([0.0], [[1.0, -1.0]]), Refuses(r"interval\[0\]|interval")),
    Case("a class that training has not seen", unseen_class, Warns(InfiniteScoreWarning, "2", lambda: [-np.inf])),
    Case(
        "a scorer of what has no probabilities",
        lambda: metrics.neg_cross_entropy_scorer(LinearRegression().fit(X, REAL), X, TWO),
        Refuses("estimator LinearRegression has neither"),
    ),
    Case(
        "a scorer without the offset of the fit",
        lambda: metrics.log_likelihood_scorer(GaussianMLERegressor().fit(X, REAL, offset=REAL), X, REAL),
        Refuses("offset"),
    ),
    Case("the density after a perfect fit", perfect_fit, Refuses("perfect")),
    Case("binomial counts", binomial_counts, Right(lambda: [1.0], 1e-12)),
    Case("a decomposition adds up", decomposition, Right(lambda: [1.0], 1e-14)),
    Case(
        "log-likelihood is minus the cross-entropy",
        lambda: classifier().log_likelihood(X, TWO) / 40,
        Right(lambda: [float(np.log(classifier().predict_proba(X)[np.arange(40), TWO]).mean())], 1e-13),
    ),
    Case(
        "a comparison, by hand",
        lambda: compare({"m": GaussianMLERegressor()}, X, REAL, cv=4).score("m")[0],
        Right(lambda: cross_validated(GaussianMLERegressor, REAL, KFold(4).split(X)), 1e-12),
    ),
    Case(
        "a comparison of one with itself",
        lambda: compare({"a": classifier(), "b": classifier()}, X, TWO).difference("a", "b").value,
        Right(lambda: [0.0]),
    ),
    Case(
        "a mass function beside a density",
        lambda: compare({"m": MLERegressor("poisson"), "d": GaussianMLERegressor()}, X, COUNTS + 0.5),
        Refuses("estimators: 'm' gives probabilities"),
    ),
    Case(
        "a comparison with nan in y",
        lambda: compare({"m": GaussianMLERegressor()}, X, np.where(REAL[5] == REAL, np.nan, REAL)),
        Refuses(r"\by\b.*NaN"),
    ),
    Case(
        "a comparison without folds", lambda: compare({"m": classifier()}, X, TWO, cv=[]), Refuses("cv gives no folds")
    ),
    Case(
        "a comparison on infinitely many processors",
        lambda: compare({"m": classifier()}, X, TWO, n_jobs=np.inf),
        Refuses("n_jobs"),
    ),
    Case(
        "a comparison of frequencies, by hand",
        lambda: compare({"a": DummyClassifier(strategy="prior")}, X, TWO, cv=HALVES).score("a")[0],
        Right(frequencies, 1e-12),
    ),
]
