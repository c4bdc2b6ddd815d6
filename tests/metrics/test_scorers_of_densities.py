"""The log-likelihood scorer on regressors: whose density it is, with weights and offsets, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris, make_classification
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLERegressor
from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.likelihoods import UserLikelihood
from sklearn_mle.metrics import (
    crps,
    get_scorer,
    log_likelihood_scorer,
    neg_cross_entropy_scorer,
    neg_crps_scorer,
)

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_TWO, Y_TWO = make_classification(n_samples=120, random_state=0)
LOG_MASS_OF_40, LOG_MASS_OF_1000 = -181.51956563366858, -124432.79249800099
WEIGHT = np.random.default_rng(0).integers(0, 4, 120).astype(float)


class Gaussian(RegressorMixin, BaseEstimator):
    """Mean of the offset plus the mean of y, unit scale; ``own`` adds a log_likelihood in our signature."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def fit(self, X, y, offset=None):
        self.mean_ = np.mean(y - (0 if offset is None else offset))
        return self

    def predict(self, X, offset=None):
        return np.full(len(X), self.mean_) + (0 if offset is None else offset)

    def predict_distribution(self, X, offset=None):
        return scipy.stats.norm(self.predict(X, offset=offset), self.scale)


class GaussianWithTotal(Gaussian):
    def log_likelihood(self, X, y, sample_weight=None, offset=None):
        rows = self.predict_distribution(X, offset=offset).logpdf(y)
        return rows.sum() if sample_weight is None else sample_weight @ rows


@pytest.mark.parametrize("kind", [Gaussian, GaussianWithTotal])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_densities_of_regressors(kind, weight):
    rng = np.random.default_rng(2)
    X, y, offset = rng.normal(size=(120, 1)), rng.normal(size=120), rng.normal(size=120)
    model = kind(scale=2.0).fit(X, y, offset=offset)
    rows = scipy.stats.norm(model.mean_ + offset, 2).logpdf(y)
    for y_true in (y, pd.Series(y), y.tolist()):
        score = log_likelihood_scorer(model, X, y_true, sample_weight=weight, offset=offset)
        assert score == pytest.approx(np.average(rows, weights=weight), rel=1e-13)
    piped = make_pipeline(StandardScaler(), kind(scale=2.0)).fit(X, y)
    assert log_likelihood_scorer(piped, X, y) == pytest.approx(scipy.stats.norm(y.mean(), 2).logpdf(y).mean())


def test_offsets_of_regressors_are_routed(routing):
    rng = np.random.default_rng(3)
    X, offset = rng.normal(size=(60, 1)), rng.normal(scale=5, size=60)
    y = offset + rng.normal(size=60)
    search = GridSearchCV(
        Gaussian().set_fit_request(offset=True),
        {"scale": [1.0, 5.0]},
        cv=KFold(3),
        scoring=get_scorer("log_likelihood").set_score_request(offset=True),
    ).fit(X, y, offset=offset)
    assert search.best_params_ == {"scale": 1.0}


@pytest.mark.parametrize(
    "model",
    [
        BayesianRidge(),
        GaussianProcessRegressor(alpha=0.1),
        make_pipeline(StandardScaler(), BayesianRidge()),
        GridSearchCV(BayesianRidge(), {"alpha_1": [1e-6, 1e-3]}, cv=2, scoring=log_likelihood_scorer),
    ],
    ids=lambda model: type(model).__name__,
)
def test_known_gaussian_regressors_in_cross_validation(model):
    X, y = X_IRIS[:, :3], X_IRIS[:, 3]
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(model, X, y, scoring=log_likelihood_scorer, cv=folds)
    for score, (train, test) in zip(scores, folds.split(X), strict=True):
        mean, std = _mean_and_std(clone(model).fit(X[train], y[train]), X[test])
        assert score == pytest.approx(scipy.stats.norm(mean, std).logpdf(y[test]).mean(), rel=1e-12)


def _mean_and_std(model, X):
    model = getattr(model, "best_estimator_", model)
    return model.predict(X, return_std=True)


@pytest.mark.parametrize("unit", [1.0, 1e4])
def test_a_precision_changes_the_density_of_its_row_which_counts_once(unit):
    rng = np.random.default_rng(5)
    X, precision = rng.normal(size=(60, 2)), rng.uniform(0.5, 4, 60)
    precision[:5] = 0
    y = X @ [1.0, 2.0] + rng.normal(size=60) / np.sqrt(precision + 0.1)
    model = GaussianMLERegressor(weight_type="precision").fit(X, y, unit * precision)
    score = log_likelihood_scorer(model, X, y, sample_weight=unit * precision)
    rows = scipy.stats.norm(model.predict(X[5:]), model.scale_ / np.sqrt(unit * precision[5:])).logpdf(y[5:])
    assert score == pytest.approx(rows.mean(), rel=1e-12)
    # Weights that scale the variance of a count multiply its log-likelihood: the mean is weighted by them.
    counts = rng.poisson(2.0, 60).astype(float)
    quasi = MLERegressor("poisson", weight_type="precision").fit(X, counts, unit * precision)
    rows = scipy.stats.poisson(quasi.predict(X)).logpmf(counts)
    found = log_likelihood_scorer(quasi, X, counts, sample_weight=unit * precision)
    assert found == pytest.approx(np.average(rows, weights=precision), rel=1e-12)


def test_counts_and_classes_by_one_scorer():
    class Counts(Gaussian):
        def predict_distribution(self, X):
            return scipy.stats.poisson(np.full(len(X), 2.0))

    y = np.array([0, 3])
    assert log_likelihood_scorer(Counts(), np.zeros((2, 1)), y) == scipy.stats.poisson(2).logpmf(y).mean()
    model = GaussianNB().fit(X_TWO, Y_TWO)
    assert log_likelihood_scorer(model, X_TWO, Y_TWO) == neg_cross_entropy_scorer(model, X_TWO, Y_TWO)


PARENTS = pytest.mark.parametrize("kind", [Gaussian, GaussianWithTotal])


@PARENTS
def test_whole_numbers_are_scored_by_their_probability(kind):
    """Against scipy's distribution function, and mpmath deep in the tails."""
    model = kind(scale=2.0).fit(np.zeros((5, 1)), np.array([0.0, 1.0, 2.0, 3.0, 3.0]))
    y = np.arange(-40, 41)
    masses = np.exp([log_likelihood_scorer(model, np.zeros((1, 1)), [each]) for each in y])
    expected = np.diff(scipy.stats.norm(1.8, 2.0).cdf(np.arange(-40, 42) - 0.5))
    np.testing.assert_allclose(masses, expected, rtol=1e-12, atol=1e-16)
    assert masses.sum() == pytest.approx(1, rel=1e-14)
    # mp.log(mp.erfc(z(y - 1/2)) - mp.erfc(z(y + 1/2))) - mp.log(2) with z(x) = (x - 9/5) / (2 sqrt 2), at 60 digits
    for each, log_mass in ((40, LOG_MASS_OF_40), (1000, LOG_MASS_OF_1000)):
        assert log_likelihood_scorer(model, np.zeros((1, 1)), [each]) == pytest.approx(log_mass, rel=1e-14)
    # Where the density hardly changes over a cell, it is the probability.
    model.scale = 1e6
    assert log_likelihood_scorer(model, np.zeros((1, 1)), [7]) == pytest.approx(
        scipy.stats.norm(1.8, 1e6).logpdf(7), rel=1e-13
    )


def test_a_search_does_not_rank_a_density_above_the_true_mass_function():
    """Poisson of mean 0.05: the normal density at 0 is 1.8, a probability it is not."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((400, 1)), rng.poisson(0.05, 400)
    names = ["poisson", "gaussian", "logistic", "gumbel"]
    for labels in (y, y.astype(float)):
        search = GridSearchCV(MLERegressor(), {"likelihood": names}, scoring=log_likelihood_scorer, cv=KFold(4))
        assert search.fit(X, labels).best_params_ == {"likelihood": "poisson"}
        assert (search.cv_results_["mean_test_score"] < 0).all()
    by_density = [MLERegressor(name).fit(X, y).log_likelihood_ / 400 for name in names[:2]]
    assert by_density[0] < by_density[1]


@PARENTS
def test_one_measure_for_numbers_that_are_not_whole(kind):
    class Counts(kind):
        def predict_distribution(self, X, offset=None):
            return scipy.stats.poisson(np.full(len(X), 2.0))

    model = Counts().fit(np.zeros((2, 1)), np.zeros(2))
    with pytest.raises(ValueError, match=r"y_true\[1\] is 2.5, and Counts gives probabilities .* Score by 'neg_crps'"):
        log_likelihood_scorer(model, np.zeros((2, 1)), [1.0, 2.5])


def test_an_atom_is_scored_by_its_probability_and_so_is_its_neighbourhood():
    """Tweedie: of whole numbers 0 stands for all that rounds to it; otherwise for itself."""
    X, y = np.arange(6.0)[:, None] % 4, np.array([0.0, 0.0, 1.0, 2.0, 0.0, 4.0])
    model = MLERegressor("tweedie").fit(X, y)
    distribution = model.predict_distribution(X)
    np.testing.assert_allclose(
        log_likelihood_scorer._row_scores(model, X, y).values,
        np.log(distribution.cdf(y + 0.5) - distribution.cdf(y - 0.5)),
        rtol=1e-9,
    )
    y[2] = 1.5
    rows = log_likelihood_scorer._row_scores(model, X, y)
    assert rows.is_mass.tolist() == (y == 0).tolist()
    np.testing.assert_allclose(rows.values[0], np.log(distribution.cdf(np.zeros(6)))[0], rtol=1e-12)
    np.testing.assert_allclose(rows.values[2], distribution.logpdf(y)[2], rtol=1e-12)


def test_a_likelihood_without_a_distribution_is_scored_where_its_unit_is_known():
    class Mine(UserLikelihood):
        parameter_names = ("location",)

        def nll(self, y, eta):
            return 0.5 * np.log(2 * np.pi) + 0.5 * (y - eta[0]) ** 2

    X, y = np.array([[0.0], [1.0], [3.0], [2.0]]), np.array([0.5, 1.0, 2.0, 3.0])
    model = MLERegressor(Mine()).fit(X, y)
    expected = scipy.stats.norm(model.predict(X)).logpdf(y).mean()
    assert log_likelihood_scorer(model, X, y) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(NotImplementedError, match="Mine has no distribution"):
        log_likelihood_scorer(model, X, np.floor(y))


@pytest.mark.parametrize("kind", [Gaussian, GaussianWithTotal])
def test_an_impossible_outcome_is_infinite_and_said_once(kind):
    class Bounded(kind):
        def predict_distribution(self, X, offset=None):
            return scipy.stats.uniform(0, 1)

    where = "its log_likelihood" if kind is GaussianWithTotal else "1 of 3 rows"
    with pytest.warns(InfiniteScoreWarning, match=f"log_likelihood is -inf: Bounded .*{where}.* wrong") as record:
        assert log_likelihood_scorer(Bounded(), np.zeros((3, 1)), [0.5, 0.5, 2.0]) == -np.inf
    assert len(record) == 1
    assert log_likelihood_scorer(Bounded(), np.zeros((3, 1)), [0.5, 0.25, 0.75]) == 0.0


def test_an_infinite_density_is_said_too():
    class Certain(BayesianRidge):
        def predict(self, X, return_std=False):
            return np.full(len(X), 0.5), np.zeros(len(X))

    with pytest.warns(InfiniteScoreWarning, match="log_likelihood is inf: .* density inf .* right"):
        assert log_likelihood_scorer(Certain(), np.zeros((2, 1)), [0.5, 0.5]) == np.inf


def test_outcomes_that_are_not_numbers_and_densities_that_are_not():
    model = Gaussian().fit(np.zeros((2, 1)), np.zeros(2))
    with pytest.raises(ValueError, match=r"y_true\[1\] is nan: outcomes must be finite"):
        log_likelihood_scorer(model, np.zeros((2, 1)), [0.0, np.nan])
    with pytest.raises(ValueError, match="y_true must hold real numbers"):
        log_likelihood_scorer(model, np.zeros((2, 1)), ["a", "b"])
    model.mean_ = np.nan
    with pytest.raises(ValueError, match="Gaussian gave a log density that is nan"):
        log_likelihood_scorer(model, np.zeros((2, 1)), [0.0, 1.0])


def test_transformed_targets_are_refused():
    model = TransformedTargetRegressor(BayesianRidge(), func=np.log, inverse_func=np.exp)
    model.fit(X_IRIS[:, :3], X_IRIS[:, 3])
    with pytest.raises(TypeError, match="TransformedTargetRegressor"):
        log_likelihood_scorer(model, X_IRIS[:, :3], X_IRIS[:, 3])


def binomial_counts():
    rng = np.random.default_rng(4)
    X, trials = rng.normal(size=(120, 1)), rng.integers(0, 8, 120)
    successes = rng.binomial(trials, 0.4)
    return X, trials, successes, np.column_stack([successes, trials - successes])


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("frame", [np.asarray, pd.DataFrame])
def test_binomial_counts_are_two_columns(frame, weight):
    """Against scipy; through a pipeline and cross-validation, too."""
    X, trials, successes, y = binomial_counts()
    model = MLERegressor("binomial").fit(X, y)
    rows = scipy.stats.binom(trials, model.predict(X)).logpmf(successes)
    score = log_likelihood_scorer(model, X, frame(y), sample_weight=weight)
    assert score == pytest.approx(np.average(rows, weights=weight), rel=1e-12)
    pipeline = make_pipeline(StandardScaler(), MLERegressor("binomial"))
    assert np.isfinite(cross_val_score(pipeline, X, frame(y), scoring=log_likelihood_scorer, cv=3)).all()
    error = neg_crps_scorer(model, X, frame(y), sample_weight=weight)
    assert error == -crps(successes, scipy.stats.binom(trials, model.predict(X)), sample_weight=weight)


def test_fractions_of_a_binomial_are_soft_labels():
    """Their score is a cross-entropy; as log-likelihoods they would stand beside a beta distribution's densities."""
    X, _, _, _ = binomial_counts()
    y = np.linspace(0, 1, 120)
    model = MLERegressor("binomial").fit(X, y)
    p = model.predict(X)
    expected = y * np.log(p) + (1 - y) * np.log1p(-p)
    assert neg_cross_entropy_scorer(model, X, y) == pytest.approx(expected.mean(), rel=1e-12)
    np.testing.assert_allclose(neg_cross_entropy_scorer._row_scores(model, X, y).values, expected, rtol=1e-12)
    single = (y > 0.5).astype(float)
    log_likelihood = np.log(np.where(single == 1, p, 1 - p)).mean()
    assert neg_cross_entropy_scorer(model, X, single) == pytest.approx(log_likelihood, rel=1e-12)
    assert log_likelihood_scorer(model, X, single) == pytest.approx(log_likelihood, rel=1e-12)
    with pytest.raises(ValueError, match="Score fractions by 'neg_cross_entropy'"):
        log_likelihood_scorer(model, X, y)
    with pytest.raises(ValueError, match=r"y_true\[60\] is 1.0084: outcomes of one trial are 0, 1, or a fraction"):
        neg_cross_entropy_scorer(model, X, 2 * y)
    with pytest.raises(ValueError, match="y_true has two columns, numbers of successes and failures"):
        neg_cross_entropy_scorer(model, X, np.column_stack([single, 1 - single]))
    with pytest.raises(TypeError, match="has neither predict_proba nor predict_log_proba"):
        neg_cross_entropy_scorer(Gaussian().fit(X, y), X, y)


def test_two_columns_of_outcomes_are_for_binomial_counts_alone():
    X, _, _, y = binomial_counts()
    with pytest.raises(ValueError, match="y_true has two columns, which only an estimator of binomial counts takes"):
        log_likelihood_scorer(Gaussian().fit(X, y[:, 0]), X, y)
    model = MLERegressor("binomial").fit(X, y)
    with pytest.raises(ValueError, match=r"y_true\[0\] is \[-1.0, 0.0\]: two columns are numbers of successes"):
        log_likelihood_scorer(model, X, np.where(np.arange(2) == 0, -1.0, np.zeros((120, 2))))
    with pytest.raises(ValueError, match=r"y_true\[0\] is .*to score single rows, counts must be whole"):
        neg_crps_scorer(model, X, y + 0.5)


def test_cells_that_are_narrow_beside_the_distribution_are_integrated():
    # Within such a cell the log density is y u / s^2 - u^2 / 2 s^2 beyond its middle, u in (-1/2, 1/2): to second order
    # the mean of its exponential is 1 + (y^2 / s^4 - 1 / s^2) / 24.
    scale, y = 40_000.0, np.array([0.0, 4e5, 1.2e6, -1.2e6])
    exact = scipy.stats.norm.logpdf(y, scale=scale) + np.log1p((y**2 / scale**4 - scale**-2) / 24)
    model = Gaussian(scale).fit(None, np.zeros(1))
    for one, expected in zip(y, exact, strict=True):
        # 500 nats in float64 are known to 1e-13, and the third order is 1e-15.
        assert log_likelihood_scorer(model, np.zeros((1, 1)), [one]) == pytest.approx(expected, abs=1e-12)
