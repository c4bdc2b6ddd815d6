"""compare: the same folds for all, every row once, and nothing passed over in silence."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from joblib import parallel_config
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.likelihoods import Tweedie, UserLikelihood
from sklearn_mle.metrics import get_scorer, log_likelihood_scorer, neg_cross_entropy_scorer
from sklearn_mle.metrics.probabilistic_scorers import ProbabilisticScorer
from sklearn_mle.model_selection import compare

X_TWO, Y_TWO = load_breast_cancer(return_X_y=True)
X_TWO = X_TWO[:200, :4]
Y_TWO = Y_TWO[:200]
X_THREE, Y_THREE = load_iris(return_X_y=True)
X_REAL, Y_REAL = load_diabetes(return_X_y=True)
CLASSIFIERS = {"nb": GaussianNB(), "ours": MLELogisticClassifier(C=1.0), "prior": DummyClassifier(strategy="prior")}


class Constant(RegressorMixin, BaseEstimator):
    """y ~ N(weighted mean of y - offset, 1), or another family at that mean."""

    def __init__(self, family="normal", shift=0.0):
        self.family = family
        self.shift = shift

    def fit(self, X, y, sample_weight=None, offset=0.0):
        self.mean_ = np.average(y - offset, weights=sample_weight) + self.shift
        return self

    def predict(self, X, offset=0.0):
        return np.full(len(X), self.mean_) + offset

    def predict_distribution(self, X, offset=0.0):
        mean = self.predict(X, offset)
        if self.family == "poisson":
            return scipy.stats.poisson(mean)
        if self.family == "tweedie":
            return Tweedie(power=1.5).distribution(np.vstack([np.log(mean), np.zeros(len(mean))]))
        return scipy.stats.norm(mean, 1.0)


class Fails(Constant):
    def fit(self, X, y, sample_weight=None, offset=0.0):
        if y.max() < 345:  # the largest target of the diabetes data is 346: one fold trains without it
            raise RuntimeError("the training rows\nlack the largest")
        return super().fit(X, y)


def test_rows_are_scored_once_each_by_the_fit_that_did_not_see_them():
    comparison = compare(CLASSIFIERS, X_TWO, Y_TWO)
    assert comparison.names == ["ours", "nb", "prior"]
    for model in comparison.models:
        expected = np.empty(len(Y_TWO))
        for train, test in StratifiedKFold(5).split(X_TWO, Y_TWO):
            fitted = clone(CLASSIFIERS[model.name]).fit(X_TWO[train], Y_TWO[train])
            proba = fitted.predict_proba(X_TWO[test])
            expected[test] = np.log(proba[np.arange(len(test)), Y_TWO[test]])
        np.testing.assert_allclose(model.row_scores, expected, rtol=1e-9, atol=1e-12)


def test_paired_differences_by_hand():
    comparison = compare(CLASSIFIERS, X_TWO, Y_TWO)
    rows = {model.name: model.row_scores for model in comparison.models}
    difference = comparison.difference("nb", "ours")
    d = rows["nb"] - rows["ours"]
    assert difference.value == pytest.approx(d.mean(), rel=1e-13)
    assert difference.standard_error == pytest.approx(d.std(ddof=1) / np.sqrt(len(d)), rel=1e-13)
    assert difference.total == pytest.approx(d.sum(), rel=1e-13)
    assert comparison.score("nb") == pytest.approx((rows["nb"].mean(), scipy.stats.sem(rows["nb"])), rel=1e-13)
    back = comparison.difference("ours", "nb")
    assert (back.value, back.standard_error) == (-difference.value, difference.standard_error)


def test_means_agree_with_cross_val_score():
    folds = KFold(5, shuffle=True, random_state=0)
    comparison = compare(CLASSIFIERS, X_TWO, Y_TWO, cv=folds)
    for name, estimator in CLASSIFIERS.items():
        scores = cross_val_score(estimator, X_TWO, Y_TWO, cv=folds, scoring=neg_cross_entropy_scorer)
        assert comparison.score(name)[0] == pytest.approx(scores.mean(), rel=1e-12)  # folds of equal size


def test_repeats_average_each_rows_scores_first():
    cv = RepeatedKFold(n_splits=4, n_repeats=3, random_state=0)
    models = {"a": BayesianRidge(), "b": Constant()}
    repeated = compare(models, X_REAL, Y_REAL, cv=cv)
    folds = list(cv.split(X_REAL))
    each = [compare(models, X_REAL, Y_REAL, cv=folds[4 * i : 4 * i + 4]) for i in range(3)]
    for name in models:
        rows = np.mean([next(m for m in one.models if m.name == name).row_scores for one in each], axis=0)
        model = next(m for m in repeated.models if m.name == name)
        np.testing.assert_allclose(model.row_scores, rows, rtol=1e-13)
    assert repeated.n_folds == 12 and repeated.n_rows == len(Y_REAL)
    difference = repeated.difference("b", "a")
    assert difference.standard_error == pytest.approx(
        scipy.stats.sem(np.subtract(*(m.row_scores for m in repeated.models))), rel=1e-12
    )


def test_random_splitters_draw_the_same_folds_for_all_and_leave_rows_out():
    comparison = compare({"a": Constant(), "b": Constant()}, X_REAL, Y_REAL, cv=ShuffleSplit(3, test_size=0.1))
    assert comparison.difference("a", "b").value == 0
    tested = ~np.isnan(comparison.models[0].row_scores)
    assert 0 < tested.sum() < len(Y_REAL) and comparison.n_rows == tested.sum()


def test_folds_may_be_masks():
    mask = np.arange(len(Y_REAL)) % 2 == 0
    indices = [(np.flatnonzero(mask), np.flatnonzero(~mask)), (np.flatnonzero(~mask), np.flatnonzero(mask))]
    one = compare({"a": BayesianRidge()}, X_REAL, Y_REAL, cv=[(mask, ~mask), (~mask, mask)])
    other = compare({"a": BayesianRidge()}, X_REAL, Y_REAL, cv=indices)
    assert np.array_equal(one.models[0].row_scores, other.models[0].row_scores)


def test_groups_stay_together_and_cluster_the_standard_error():
    groups = np.repeat(np.arange(50), 4)
    comparison = compare(CLASSIFIERS, X_TWO, Y_TWO, groups=groups)
    explicit = compare(CLASSIFIERS, X_TWO, Y_TWO, groups=groups, cv=StratifiedGroupKFold(5))
    d = np.subtract(*(m.row_scores for m in comparison.models[1::-1]))
    sums = np.bincount(groups, weights=d - d.mean())
    expected = np.sqrt(50 / 49 * (sums**2).sum()) / len(d)
    difference = comparison.difference(*comparison.names[1::-1])
    assert difference == explicit.difference(*comparison.names[1::-1])
    assert difference.standard_error == pytest.approx(expected, rel=1e-12)
    assert difference.uncertain  # 50 groups
    assert "200 rows in 50 groups" in repr(comparison)
    regressors = {"a": BayesianRidge(), "b": Constant()}
    groups = np.array(list("abcdefg"))[np.arange(len(Y_REAL)) % 7]
    plain = compare(regressors, X_REAL, Y_REAL, groups=groups)
    explicit = compare(regressors, X_REAL, Y_REAL, groups=groups, cv=GroupKFold(5))
    assert plain.difference("a", "b") == explicit.difference("a", "b")
    of_numpy = compare(regressors, X_REAL, Y_REAL, groups=groups, cv=np.int64(5))
    assert of_numpy.difference("a", "b") == explicit.difference("a", "b")
    # A splitter that does not use them is used, without a warning: the groups are for the standard errors then.
    compare(regressors, X_REAL, Y_REAL, groups=groups, cv=KFold(3))


def test_weights_are_copies():
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, len(Y_REAL))
    fold = rng.integers(0, 3, len(Y_REAL))
    models = {"gauss": GaussianMLERegressor(), "constant": Constant()}
    one = compare(models, X_REAL, Y_REAL, cv=PredefinedSplit(fold), sample_weight=weight)
    copies = [np.repeat(a, weight, axis=0) for a in (X_REAL, Y_REAL, fold)]
    other = compare(models, copies[0], copies[1], cv=PredefinedSplit(copies[2]))
    assert one.names == other.names and one.n_rows == other.n_rows
    for name in models:
        assert one.score(name) == pytest.approx(other.score(name), rel=1e-8)
    a, b = (c.difference("constant", "gauss") for c in (one, other))
    assert (a.value, a.standard_error, a.total) == pytest.approx((b.value, b.standard_error, b.total), rel=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_columns_of_offsets_are_found_by_name(weighted):
    rng, n = np.random.default_rng(0), 120
    X, columns = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    y = X[:, 0] + columns[:, 0] + np.exp(0.3 * columns[:, 1]) * rng.normal(size=n)
    weight = np.where(np.arange(n) % 3, 1.0, 0.0) if weighted else None
    models = {"modelled": MLERegressor("gaussian", predictors={"scale": [1]}), "constant": MLERegressor("gaussian")}
    expected = compare(models, X, y, sample_weight=weight, offset=columns)
    frame = pd.DataFrame({"scale": columns[:, 1], "location": columns[:, 0]}, index=rng.permutation(n))
    found = compare(models, X, y, sample_weight=weight, offset=frame)
    fitted = models["modelled"].fit(X, y, sample_weight=weight, offset=frame)
    score = log_likelihood_scorer(fitted, X, y, sample_weight=weight, offset=frame)
    assert score == pytest.approx(log_likelihood_scorer(fitted, X, y, sample_weight=weight, offset=columns), rel=1e-12)
    for name in models:
        assert found.score(name) == pytest.approx(expected.score(name), rel=1e-12)


@pytest.mark.parametrize("scalar", [False, True])
def test_offsets_go_to_fit_and_to_prediction(scalar):
    rng = np.random.default_rng(0)
    offset = np.array(300.0) if scalar else rng.normal(scale=50, size=len(Y_REAL))
    without_offset = Y_REAL + 0.25  # whole numbers, which Y_REAL are, would be scored by probabilities
    y = without_offset + offset
    models = {"ours": GaussianMLERegressor(), "constant": Constant()}
    with_offset = compare(models, X_REAL, y, offset=offset)
    without = compare(models, X_REAL, without_offset)
    for name in models:
        assert with_offset.score(name) == pytest.approx(without.score(name), rel=1e-9)


def test_metadata_reach_pipelines_and_searches_or_are_refused():
    weight = np.random.default_rng(0).uniform(0.5, 2, len(Y_TWO))
    plain = MLELogisticClassifier(C=1.0)
    models = {
        "plain": plain,
        "pipeline": make_pipeline("passthrough", plain),
        "nested": make_pipeline("passthrough", make_pipeline("passthrough", plain)),
        "search": GridSearchCV(make_pipeline("passthrough", plain), {"mlelogisticclassifier__C": [1.0]}, cv=2),
    }
    comparison = compare(models, X_TWO, Y_TWO, sample_weight=weight, cv=3)
    assert len({comparison.score(name) for name in models}) == 1
    assert comparison.score("plain") != compare({"plain": plain}, X_TWO, Y_TWO, cv=3).score("plain")
    with pytest.raises(TypeError, match="sample_weight was given, but fit of 'knn' .KNeighborsClassifier. takes none"):
        compare({"knn": KNeighborsClassifier()}, X_TWO, Y_TWO, sample_weight=weight)
    with pytest.raises(TypeError, match="offset was given, but fit of 'pipe' .BayesianRidge. takes none"):
        compare({"pipe": make_pipeline(BayesianRidge())}, X_REAL, Y_REAL, offset=Y_REAL)
    search = GridSearchCV(GaussianMLERegressor(), {"alpha": [1.0, 10.0]})
    with pytest.raises(TypeError, match="offset was given, but 'search' is a search, which would score .* without one"):
        compare({"search": search, "plain": GaussianMLERegressor()}, X_REAL, Y_REAL, offset=Y_REAL)


def test_metadata_routing_is_obeyed():
    weight = np.random.default_rng(0).uniform(0.5, 2, len(Y_TWO))
    with config_context(enable_metadata_routing=True):
        asked = make_pipeline("passthrough", LogisticRegression().set_fit_request(sample_weight=True))
        with parallel_config(backend="threading"):
            comparison = compare({"asked": asked}, X_TWO, Y_TWO, sample_weight=weight, n_jobs=2)
        silent = make_pipeline("passthrough", LogisticRegression())
        with pytest.raises(ValueError, match="UnsetMetadataPassedError"):
            compare({"silent": silent}, X_TWO, Y_TWO, sample_weight=weight)
    expected = compare({"asked": LogisticRegression()}, X_TWO, Y_TWO, sample_weight=weight)
    assert comparison.score("asked") == expected.score("asked")


def test_any_probabilistic_classifier_and_frames():
    X = pd.DataFrame(X_TWO, columns=list("abcd"))
    y = pd.Series(Y_TWO).map({0: "bad", 1: "good"})
    models = [
        ("scaled", make_pipeline(StandardScaler(), LogisticRegression())),
        ("search", GridSearchCV(MLELogisticClassifier(), {"C": [0.1, 10.0]}, cv=2, scoring=neg_cross_entropy_scorer)),
        ("boosting", HistGradientBoostingClassifier(max_iter=10)),
    ]
    comparison = compare(models, X, y, cv=3)
    assert sorted(comparison.names) == ["boosting", "scaled", "search"]
    parameters = {model.name: model.n_parameters for model in comparison.models}
    assert parameters["scaled"] == parameters["search"] == 5 and np.isnan(parameters["boosting"])


def test_sparse_rows_and_lists_are_fine():
    models = {"ours": MLELogisticClassifier(C=1.0)}
    dense = compare(models, X_TWO, Y_TWO, cv=3).score("ours")
    assert compare(models, csr_array(X_TWO), Y_TWO, cv=3).score("ours") == pytest.approx(dense, rel=1e-9)
    assert compare(models, X_TWO.tolist(), Y_TWO.tolist(), cv=3).score("ours") == pytest.approx(dense, rel=1e-12)


def test_parameters_are_counted_where_known():
    models = {
        "constant": GaussianMLERegressor(),
        "log_linear": GaussianMLERegressor(scale="log_linear"),
        "known": GaussianMLERegressor(scale=50.0, fit_intercept=False),
        "student_t": MLERegressor("student_t"),
        "bayes": make_pipeline(BayesianRidge()),
    }
    comparison = compare(models, X_REAL, Y_REAL, cv=2)
    counts = {model.name: model.n_parameters for model in comparison.models}
    assert np.isnan(counts.pop("bayes"))
    assert counts.pop("student_t") in (12, 12.5, 13)  # the degrees of freedom may be infinite
    assert counts == {"constant": 12, "log_linear": 22, "known": 10}
    comparison = compare({"three": MLELogisticClassifier(C=1.0)}, X_THREE, Y_THREE)
    assert comparison.models[0].n_parameters == 2 * 5


def test_soft_labels():
    soft = np.random.default_rng(0).dirichlet([2.0, 1.0], len(Y_TWO))
    models = {"small": MLELogisticClassifier(C=1e-4), "mle": MLELogisticClassifier()}
    comparison = compare(models, X_TWO, soft)
    scorer = get_scorer("neg_cross_entropy")
    scores = cross_val_score(models["mle"], X_TWO, soft, cv=KFold(5), scoring=scorer)
    assert comparison.score("mle")[0] == pytest.approx(scores.mean(), rel=1e-12)
    divergence = compare(models, X_TWO, soft, scoring="neg_kl_divergence")
    entropy = scipy.stats.entropy(soft, axis=1).mean()
    assert divergence.score("mle")[0] == pytest.approx(comparison.score("mle")[0] + entropy, rel=1e-10)


def test_a_class_that_a_fold_did_not_see_is_an_infinite_score_and_said():
    comparison = compare({"nb": GaussianNB(), "prior": DummyClassifier()}, X_THREE, Y_THREE, cv=KFold(3))
    for name in comparison.names:
        assert comparison.score(name)[0] == -np.inf and np.isnan(comparison.score(name)[1])
    assert "nb: the score of 150 rows is infinite" in repr(comparison)
    difference = comparison.difference("nb", "prior")
    assert np.isnan(difference.value) and not difference.uncertain


def test_an_infinite_score_of_one_model_leaves_the_other_ranked():
    tail = np.isin(np.arange(len(Y_TWO)), np.flatnonzero(Y_TWO == 1)[:5])  # none of the most frequent class
    models = {"prior": DummyClassifier(strategy="prior"), "certain": DummyClassifier(strategy="most_frequent")}
    comparison = compare(models, X_TWO, Y_TWO, cv=[(np.flatnonzero(~tail), np.flatnonzero(tail))])
    assert comparison.names == ["prior", "certain"]
    difference = comparison.difference("certain", "prior")
    assert difference.value == -np.inf and np.isnan(difference.standard_error)
    assert comparison.to_frame().loc["certain", "n_infinite"] == 5


def test_failed_fits_come_last_with_their_reason():
    models = {"fails": Fails(), "a": Constant(), "b": BayesianRidge()}
    comparison = compare(models, X_REAL, Y_REAL)
    assert comparison.names == ["b", "a", "fails"]
    assert comparison.models[-1].failures == ("fold 3: RuntimeError: the training rows lack the largest",)
    assert "fails: failed on 1 of 5 folds; fold 3: RuntimeError" in repr(comparison)
    assert np.isnan(comparison.score("fails")).all() and np.isnan(comparison.difference("a", "fails").value)
    assert comparison.to_frame()["n_failed"].tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="No estimator could be fitted .*\nfails: fold 3: RuntimeError"):
        compare({"fails": Fails()}, X_REAL, Y_REAL)


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.PerfectFitWarning")
def test_a_perfect_fit_has_no_density_and_counts_as_failed():
    y = X_REAL @ np.ones(10)
    comparison = compare({"perfect": GaussianMLERegressor(), "constant": Constant()}, X_REAL, y, cv=2)
    assert comparison.names == ["constant", "perfect"] and "The fit was perfect" in comparison.models[1].failures[0]


@pytest.mark.parametrize("others", ["normal", "tweedie"])
def test_counts_are_ranked_by_probabilities_whoever_gives_them(others):
    """Whole numbers have a probability under a density, too: that of all numbers that round to them."""
    y = np.random.default_rng(0).poisson(2.0, 120).astype(float)
    X = np.zeros((120, 1))
    comparison = compare({"counts": Constant("poisson"), "density": Constant(others)}, X, y)
    assert comparison.names[0] == "counts"
    for model in comparison.models:
        of_model = Constant("poisson" if model.name == "counts" else others)
        for train, test in KFold(5).split(X):
            distribution = of_model.fit(X[train], y[train]).predict_distribution(X[test])
            below, up_to = (distribution.cdf(y[test] + side) for side in (-0.5, 0.5))
            np.testing.assert_allclose(np.exp(model.row_scores[test]), up_to - below, rtol=1e-9)


def test_what_estimators_say_of_themselves_is_asked_before_any_is_fitted(monkeypatch):
    class Unfinished(UserLikelihood):
        parameter_names = ("location",)

        def nll(self, y, eta):
            return 0.5 * (y - eta[0]) ** 2

    def refuse(*arguments):
        raise AssertionError("an estimator was fitted")

    monkeypatch.setattr(MLERegressor, "fit", refuse)
    X, y = np.zeros((40, 1)), np.arange(40.0) / 2
    mixed = {"counts": make_pipeline(StandardScaler(), MLERegressor("poisson")), "density": MLERegressor("gamma")}
    with pytest.raises(ValueError, match="estimators: 'counts' gives probabilities of outcomes .* no common unit"):
        compare(mixed, X, y)
    with pytest.raises(ValueError, match="'prior' gives probabilities"):
        compare({"density": MLERegressor("laplace"), "prior": DummyClassifier()}, X, y)
    for scoring in ("log_likelihood", "neg_crps"):
        with pytest.raises(TypeError, match=r"estimators\['mine'\]: Unfinished has no distribution.*Give it a method"):
            compare({"mine": MLERegressor(Unfinished())}, X, y, scoring=scoring)


def test_binomial_counts_are_scored_by_their_own_probability():
    rng = np.random.default_rng(0)
    X, trials = rng.standard_normal((90, 1)), rng.integers(0, 6, 90)
    successes = rng.binomial(trials, 0.3)
    y = np.column_stack([successes, trials - successes])
    comparison = compare({"m": MLERegressor("binomial")}, X, y, cv=3)
    for train, test in KFold(3).split(X):
        p = MLERegressor("binomial").fit(X[train], y[train]).predict(X[test])
        expected = scipy.stats.binom(trials[test], p).logpmf(successes[test])
        np.testing.assert_allclose(comparison.models[0].row_scores[test], expected, rtol=1e-10)


def test_crps_ranks_them_all():
    y = np.random.default_rng(0).poisson(2.0, 120).astype(float)
    models = {"counts": Constant("poisson"), "density": Constant()}
    comparison = compare(models, np.zeros((120, 1)), y, scoring="neg_crps", cv=3)
    expected = cross_val_score(models["counts"], np.zeros((120, 1)), y, scoring=get_scorer("neg_crps"), cv=KFold(3))
    assert comparison.score("counts")[0] == pytest.approx(expected.mean(), rel=1e-9)
    assert not comparison.in_nats


def test_an_atom_and_a_density_mix_only_where_the_atom_occurs():
    y = np.random.default_rng(0).gamma(2.0, size=120)
    models = {"tweedie": Constant("tweedie"), "normal": Constant()}
    assert len(compare(models, np.zeros((120, 1)), y).names) == 2
    y[7] = 0.0
    with pytest.raises(ValueError, match="'tweedie' gives a probability to the outcome of row 7 .*1 such rows"):
        compare(models, np.zeros((120, 1)), y)


def test_classifiers_of_counts_may_meet_count_regressors():
    y = np.random.default_rng(0).poisson(0.7, 300).clip(max=2)
    models = {"classes": DummyClassifier(strategy="prior"), "poisson": Constant("poisson")}
    comparison = compare(models, np.zeros((300, 1)), y)
    assert comparison.scoring == "log_likelihood" and comparison.names[0] == "classes"


class Random(ClassifierMixin, BaseEstimator):
    """Probabilities drawn with a random_state given to the constructor."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = self.random_state.uniform(0.1, 0.9, len(X))
        return np.column_stack([p, 1 - p])


@pytest.mark.slow
def test_the_result_does_not_depend_on_n_jobs():
    models = {**CLASSIFIERS, "boost": HistGradientBoostingClassifier(max_iter=5)}
    one, two = (compare(models, X_TWO, Y_TWO, n_jobs=n_jobs, cv=3) for n_jobs in (1, 2))
    assert one.names == two.names
    for a, b in zip(one.models, two.models, strict=True):
        assert np.array_equal(a.row_scores, b.row_scores)
    assert [one.difference(n, "nb") for n in one.names] == [two.difference(n, "nb") for n in two.names]
    # A random state is cloned with its estimator for each fit, whoever runs it.
    model = Random(np.random.RandomState(0))
    first, second = (compare({"r": model}, X_TWO, Y_TWO).models[0].row_scores for _ in range(2))
    assert np.array_equal(first, second)


def test_estimators_given_are_left_unfitted():
    model = MLELogisticClassifier(C=1.0)
    compare({"m": model}, X_TWO, Y_TWO)
    assert not hasattr(model, "coef_")


def test_leave_one_out_and_progress(capsys):
    comparison = compare({"a": Constant()}, X_REAL[:30], Y_REAL[:30], cv=LeaveOneOut(), verbose=1)
    assert comparison.n_folds == 30
    printed = capsys.readouterr()
    assert "30 out of" in printed.out + printed.err


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"estimators": [GaussianNB()]}, ValueError, "names to estimators, or .name, estimator. pairs"),
        ({"estimators": {}}, ValueError, "at least one"),
        ({"estimators": [("a", GaussianNB()), ("a", GaussianNB())]}, ValueError, "each with its own name"),
        ({"estimators": {"a": GaussianNB}}, TypeError, "must be an estimator .an instance with fit"),
        ({"scoring": "accuracy"}, ValueError, "There is no scorer 'accuracy'"),
        ({"scoring": print}, TypeError, "scoring must be a name or a scorer of sklearn_mle.metrics"),
        ({"scoring": ProbabilisticScorer("m", min, 1)}, ValueError, "'m' is not a mean over rows"),
        ({"offset": np.zeros(3)}, ValueError, "offset must be a scalar or have 200 rows"),
        ({"sample_weight": -np.ones(200)}, ValueError, r"sample_weight\[0\] is -1.0"),
        ({"groups": [None, "a"] * 100}, ValueError, "groups: row 0 has no label"),
        ({"groups": [1, 2]}, ValueError, "inconsistent numbers of samples"),
        ({"estimators": {"a": LinearRegression()}, "y": X_TWO[:, 0]}, TypeError, "gives no distribution"),
        ({"estimators": 3}, TypeError, "estimators: 'int' object is not iterable"),
        ({"X": None}, TypeError, "X: Expected sequence or array-like"),
        ({"y": np.full(200, np.nan)}, ValueError, "Input y contains NaN"),
        ({"X": X_TWO[:3]}, ValueError, "X has 3 rows and y 200"),
        ({"cv": []}, ValueError, "cv gives no folds"),
        ({"cv": 1}, ValueError, "cv, y or groups: k-fold cross-validation requires"),
        ({"cv": [([0, 1], [200])]}, ValueError, "cv must give folds as pairs of row numbers from 0 to 199"),
        ({"groups": np.zeros((200, 2))}, ValueError, "groups: y should be a 1d array"),
        ({"n_jobs": np.inf}, ValueError, "n_jobs must be a whole number other than 0"),
        ({"verbose": "loud"}, ValueError, "verbose: invalid literal"),
    ],
)
def test_what_is_refused(arguments, error, message):
    arguments = {"estimators": CLASSIFIERS, "X": X_TWO, "y": Y_TWO, **arguments}
    with pytest.raises(error, match=message):
        compare(**arguments)


@pytest.mark.slow
def test_the_standard_error_of_a_difference_is_right_for_the_fitted_models_risk():
    """Over 300 data sets, (difference - risk difference of the folds' models) / se has spread 1 (Bayle et al. 2020)."""
    rng = np.random.default_rng(0)
    n, folds = 150, list(KFold(5).split(np.zeros(150)))
    X = np.zeros((n, 1))
    standardized = []
    for _ in range(300):
        y = rng.normal(0.3, 1.5, n)
        comparison = compare({"mean": Constant(), "off": Constant(shift=0.25)}, X, y, cv=folds)
        difference = comparison.difference("mean", "off")
        # E[log N(Y; m, 1)] = -((m - 0.3)^2 + 1.5^2) / 2 + constant
        means = np.array([y[train].mean() for train, _ in folds])
        risk = np.mean(((means + 0.25 - 0.3) ** 2 - (means - 0.3) ** 2) / 2)
        standardized.append((difference.value - risk) / difference.standard_error)
    assert np.std(standardized) == pytest.approx(1, abs=0.12)  # its own standard error is 0.04
    assert abs(np.mean(standardized)) < 0.2
    assert np.mean(np.abs(standardized) < 1.96) == pytest.approx(0.95, abs=0.04)
