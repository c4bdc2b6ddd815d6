"""LikelihoodCalibratedClassifier: scikit-learn's conventions, folds, containers, weights, hard inputs."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from sklearn_mle import LikelihoodCalibratedClassifier, MLELogisticClassifier
from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.meta_estimators._calibration_methods import METHODS, fit_map
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows
from sklearn_mle.metrics import get_scorer

X, Y = make_classification(3000, 12, n_informative=5, n_redundant=5, n_classes=3, flip_y=0.1, random_state=0)
X_TEST, Y_TEST = X[500:], Y[500:]
X_NEW, Y_NEW = X[400:500], Y[400:500]
X, Y = X[:400], Y[:400]
FEW_IN_A_CLASS = "ignore:The least populated class in y:UserWarning"

CHECKED = [LikelihoodCalibratedClassifier(LogisticRegression(), cv=3)]
ALSO_CHECKED = [
    LikelihoodCalibratedClassifier(LinearSVC(random_state=0), "temperature", cv=3, ensemble=False),
    LikelihoodCalibratedClassifier(DecisionTreeClassifier(random_state=0), "isotonic", cv=3, ensemble=False),
    LikelihoodCalibratedClassifier(MLELogisticClassifier(C=1.0), "average", cv=3),
    LikelihoodCalibratedClassifier(LogisticRegression(), "beta", cv=3),
    # To forests, SVC and scalers weights are no copies, and naive Bayes gives nan of a class without weight.
    LikelihoodCalibratedClassifier(DecisionTreeClassifier(random_state=0), "auto", cv=3),
    LikelihoodCalibratedClassifier(LinearSVC(random_state=0), "sigmoid", cv=3),
]
allowing_few_in_a_class = pytest.mark.filterwarnings(FEW_IN_A_CLASS)


@allowing_few_in_a_class
@parametrize_with_checks(CHECKED)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@allowing_few_in_a_class
@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.SeparationWarning")
@parametrize_with_checks(ALSO_CHECKED)
def test_scikit_learn_checks_of_other_settings(estimator, check):
    check(estimator)


@pytest.mark.parametrize("ensemble", [True, False])
def test_it_is_a_map_of_out_of_fold_predictions(ensemble):
    folds = StratifiedKFold(4)
    model = LikelihoodCalibratedClassifier(GaussianNB(), "vector", cv=folds, ensemble=ensemble).fit(X, Y)
    unseen = cross_val_predict(GaussianNB(), X, Y, cv=folds, method="predict_proba")
    np.testing.assert_allclose(model.out_of_fold_probability_, unseen, rtol=1e-12)
    expected = fit_map("vector", CalibrationRows.of(unseen, Y))
    if ensemble:
        fits = [GaussianNB().fit(X[train], Y[train]) for train, _ in folds.split(X, Y)]
    else:
        fits = [GaussianNB().fit(X, Y)]
    assert len(model.estimators_) == len(fits)
    mean = np.mean([expected.log_probabilities(fit.predict_proba(X_NEW)) for fit in fits], axis=0)
    found = model.predict_log_proba(X_NEW)
    np.testing.assert_allclose(found, log_softmax(mean, axis=1), rtol=1e-7)
    np.testing.assert_allclose(model.predict_proba(X_NEW), np.exp(found), rtol=1e-15)
    np.testing.assert_array_equal(model.predict(X_NEW), found.argmax(axis=1))
    own = expected.log_probabilities(unseen)[np.arange(400), Y]
    assert model.log_likelihood_ == pytest.approx(own.sum(), rel=1e-9) and model.gap_ < 1e-8


@pytest.mark.parametrize("method", METHODS)
def test_calibration_lowers_the_cross_entropy_of_naive_bayes(method):
    model = LikelihoodCalibratedClassifier(GaussianNB(), method).fit(X, Y)
    raw = log_loss(Y_TEST, GaussianNB().fit(X, Y).predict_proba(X_TEST))
    calibrated = log_loss(Y_TEST, model.predict_proba(X_TEST))
    # 2,500 rows: the mean difference has a standard error below .01.
    assert calibrated < raw - 0.03
    total = model.log_likelihood(X_TEST, Y_TEST)
    assert -total / 2500 == pytest.approx(calibrated, rel=1e-12)
    assert get_scorer("neg_cross_entropy")(model, X_TEST, Y_TEST) == pytest.approx(total / 2500, rel=1e-12)


def test_it_is_better_than_scikit_learn_s_on_the_same_folds():
    rows, labels = load_digits(return_X_y=True)
    # The rows are sorted by writer, and calibration is for rows like those of the fit.
    mixed, folds = np.random.default_rng(0).permutation(len(rows)), StratifiedKFold(5)
    train, test = mixed[:900], mixed[900:]
    ours = LikelihoodCalibratedClassifier(GaussianNB(), cv=folds).fit(rows[train], labels[train])
    mine = log_loss(labels[test], ours.predict_proba(rows[test]))
    for method in ("sigmoid", "isotonic"):
        theirs = CalibratedClassifierCV(GaussianNB(), method=method, cv=folds).fit(rows[train], labels[train])
        assert mine < log_loss(labels[test], theirs.predict_proba(rows[test])) - 0.02


def test_auto_chooses_and_keeps_the_table():
    model = LikelihoodCalibratedClassifier(GaussianNB(), "auto").fit(X, Y)
    table = model.calibration_table_
    assert model.method_ == next(name for name in table["method"] if name != "uncalibrated")
    assert pd.DataFrame(table).shape == (len(METHODS) + 1, 4)
    named = LikelihoodCalibratedClassifier(GaussianNB(), model.method_).fit(X, Y)
    np.testing.assert_array_equal(named.predict_proba(X_NEW), model.predict_proba(X_NEW))
    assert named.calibration_table_ is None


def test_labels_are_only_names():
    names = np.array(["low", "middle", "high"])
    model = LikelihoodCalibratedClassifier(GaussianNB(), "matrix", cv=KFold(4)).fit(X, Y)
    other = LikelihoodCalibratedClassifier(GaussianNB(), "matrix", cv=KFold(4)).fit(X, names[Y])
    assert other.classes_.tolist() == ["high", "low", "middle"]
    place = [other.classes_.tolist().index(name) for name in names]
    np.testing.assert_allclose(other.predict_proba(X_NEW)[:, place], model.predict_proba(X_NEW), rtol=1e-5)
    assert set(other.predict(X_NEW)) <= set(names)


def test_a_weight_counts_copies_and_zero_leaves_out():
    weight = np.random.default_rng(0).integers(0, 3, 400)
    copies = np.repeat(np.arange(400), weight)
    fold = np.arange(400) % 4
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(4)]
    of_copies = [(np.flatnonzero(fold[copies] != k), np.flatnonzero(fold[copies] == k)) for k in range(4)]
    weighted = LikelihoodCalibratedClassifier(GaussianNB(), cv=splits).fit(X, Y, sample_weight=weight)
    repeated = LikelihoodCalibratedClassifier(GaussianNB(), cv=of_copies).fit(X[copies], Y[copies])
    # Sums in another order may take the evidence, settled within .05 nats, one round further.
    np.testing.assert_allclose(weighted.predict_proba(X_NEW), repeated.predict_proba(X_NEW), rtol=1e-5, atol=1e-7)
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-6)
    score = weighted.score(X_NEW, Y_NEW, sample_weight=np.arange(100.0))
    assert score == pytest.approx(accuracy_score(Y_NEW, weighted.predict(X_NEW), sample_weight=np.arange(100.0)))


def test_an_estimator_without_weights_is_said():
    class Plain(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.inner_ = GaussianNB().fit(X, y)
            self.classes_ = self.inner_.classes_
            return self

        def predict_proba(self, X):
            return self.inner_.predict_proba(X)

    with pytest.warns(UserWarning, match="fit of Plain takes no sample_weight"):
        LikelihoodCalibratedClassifier(Plain(), "temperature", cv=2).fit(X, Y, sample_weight=np.ones(400))


def test_a_frozen_estimator_is_calibrated_on_all_rows():
    frozen = FrozenEstimator(GaussianNB().fit(X[:200], Y[:200]))
    model = LikelihoodCalibratedClassifier(frozen, "temperature").fit(X[200:], Y[200:])
    assert len(model.estimators_) == 1
    expected = fit_map("temperature", CalibrationRows.of(frozen.predict_proba(X[200:]), Y[200:]))
    found = model.predict_log_proba(X_NEW)
    np.testing.assert_allclose(found, expected.log_probabilities(frozen.predict_proba(X_NEW)), rtol=1e-12)
    chosen = LikelihoodCalibratedClassifier(frozen, "auto").fit(X[200:], Y[200:])
    assert chosen.calibration_table_["cross_entropy"][0] < 2


def test_a_method_is_chosen_by_few_rows_and_by_those_with_weight():
    frozen = FrozenEstimator(GaussianNB().fit(X, Y))
    few = np.concatenate([np.flatnonzero(label == Y)[:3] for label in np.unique(Y)])
    assert LikelihoodCalibratedClassifier(frozen, "auto").fit(X[few], Y[few]).method_ in METHODS
    # The first of five folds would hold all rows of positive weight: rows without are as if they were not there.
    order = np.argsort(Y, kind="stable")
    first = np.concatenate([order[Y[order] == label][:12] for label in np.unique(Y)])
    weighted = LikelihoodCalibratedClassifier(frozen, "auto").fit(X, Y, sample_weight=np.isin(np.arange(len(Y)), first))
    alone = LikelihoodCalibratedClassifier(frozen, "auto").fit(X[np.sort(first)], Y[np.sort(first)])
    assert weighted.method_ == alone.method_
    np.testing.assert_allclose(
        weighted.calibration_table_["cross_entropy"], alone.calibration_table_["cross_entropy"], rtol=1e-9
    )
    nearest = LikelihoodCalibratedClassifier(KNeighborsClassifier(), "auto", cv=KFold(2))
    with (
        pytest.warns(UserWarning, match="takes no sample_weight"),
        pytest.raises(ValueError, match="method='auto'.*one fold holds all rows of positive weight"),
    ):
        nearest.fit(X, Y, sample_weight=np.arange(400) < 200)


def test_a_frozen_estimator_may_know_more_classes_than_the_rows():
    frozen = FrozenEstimator(GaussianNB().fit(X, Y))
    two = Y < 2
    with pytest.raises(ValueError, match=r"estimator: it was fitted to the classes \[2\], of which y has no row"):
        LikelihoodCalibratedClassifier(frozen).fit(X[two], Y[two])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_decision_values_are_log_odds(n_classes):
    kept = n_classes > Y
    rows, labels = X[kept], Y[kept]
    model = LikelihoodCalibratedClassifier(LinearSVC(random_state=0), "temperature", cv=3).fit(rows, labels)
    values = cross_val_predict(LinearSVC(random_state=0), rows, labels, cv=3, method="decision_function")
    values = np.stack([0 * values, values], axis=1) if values.ndim == 1 else values
    np.testing.assert_allclose(model.out_of_fold_probability_, softmax(values, axis=1), rtol=1e-12)


def test_a_class_that_a_fold_did_not_see():
    labels = np.where(np.arange(400) < 6, 3, Y)
    splits = [(np.arange(6, 400), np.arange(6)), (np.arange(200), np.arange(200, 400))]
    model = LikelihoodCalibratedClassifier(GaussianNB(), cv=splits).fit(X, labels)
    assert (model.out_of_fold_probability_[:6, 3] == 0).all()
    assert np.isnan(model.out_of_fold_probability_[6:200]).all()  # no fold tests them
    probability = model.predict_proba(X_NEW)
    assert probability.shape == (100, 4) and probability.min() > 0


@allowing_few_in_a_class
def test_a_class_of_one_row():
    labels = np.where(np.arange(400) == 7, 3, Y)
    for method in METHODS:
        probability = LikelihoodCalibratedClassifier(GaussianNB(), method).fit(X, labels).predict_proba(X_NEW)
        assert np.isfinite(probability).all() and probability.min() > 0


def test_separated_labels_need_no_warning():
    rows, labels = load_iris(return_X_y=True)
    far = rows + 20 * labels[:, None]
    for method in METHODS:
        model = LikelihoodCalibratedClassifier(GaussianNB(), method).fit(far, labels)
        assert model.score(far, labels) == 1 and np.isfinite(model.predict_log_proba(far)).all()


def test_containers_names_and_groups():
    frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(12)])
    plain = LikelihoodCalibratedClassifier(LogisticRegression(), "spline", cv=3).fit(X, Y)
    framed = clone(plain).fit(frame, pd.Series(Y))
    assert framed.feature_names_in_.tolist() == frame.columns.tolist() and framed.n_features_in_ == 12
    np.testing.assert_array_equal(framed.predict_proba(frame), plain.predict_proba(X))
    with pytest.raises(ValueError, match="feature names"):
        framed.predict(frame.iloc[:, ::-1])
    counts = sparse.csr_array(np.round(np.abs(X)))
    stored = LikelihoodCalibratedClassifier(MultinomialNB(), "beta", cv=3).fit(counts, Y)
    dense = clone(stored).fit(counts.toarray(), Y)
    np.testing.assert_allclose(stored.predict_proba(counts), dense.predict_proba(counts.toarray()), rtol=1e-7)
    groups = np.arange(400) // 8
    grouped = LikelihoodCalibratedClassifier(GaussianNB(), "temperature", cv=GroupKFold(4)).fit(X, Y, groups=groups)
    unseen = cross_val_predict(GaussianNB(), X, Y, groups=groups, cv=GroupKFold(4), method="predict_proba")
    np.testing.assert_allclose(grouped.out_of_fold_probability_, unseen, rtol=1e-12)


def test_a_stack_that_chooses_its_final_estimator_is_wrapped():
    stack = StackingClassifier([("a", GaussianNB()), ("b", LogisticRegression())])
    assert not hasattr(stack, "predict_proba")  # before it is fitted
    model = LikelihoodCalibratedClassifier(stack, "temperature", cv=2).fit(X, Y)
    explicit = clone(model).set_params(estimator__final_estimator=LogisticRegression()).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), explicit.predict_proba(X))


def test_metadata_is_routed_as_requested():
    with sklearn.config_context(enable_metadata_routing=True):
        base = GaussianNB().set_fit_request(sample_weight=True)
        model = LikelihoodCalibratedClassifier(base, "temperature", cv=GroupKFold(4))
        model.fit(X, Y, sample_weight=np.ones(400), groups=np.arange(400) // 8)
        assert len(model.estimators_) == 4


def test_parameters_are_searched_and_jobs_change_nothing():
    search = GridSearchCV(
        LikelihoodCalibratedClassifier(GaussianNB(), cv=3),
        {"method": ["temperature", "vector"], "estimator__var_smoothing": [1e-9, 1.0]},
        cv=2,
        scoring=get_scorer("neg_cross_entropy"),
    ).fit(X, Y)
    assert search.best_params_["method"] in ("temperature", "vector")
    assert cross_val_score(LikelihoodCalibratedClassifier(GaussianNB(), "spline", cv=3), X, Y, cv=2).min() > 0.4
    one = LikelihoodCalibratedClassifier(RandomForestClassifier(5, random_state=0), cv=3).fit(X, Y)
    with parallel_config(backend="threading"):
        two = clone(one).set_params(n_jobs=2).fit(X, Y)
    np.testing.assert_array_equal(one.predict_proba(X_NEW), two.predict_proba(X_NEW))


def test_it_is_shown_and_pickled():
    model = LikelihoodCalibratedClassifier(GaussianNB(), cv=3).fit(X, Y)
    assert "GaussianNB" in model._repr_html_()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X_NEW), model.predict_proba(X_NEW))


class Odd(ClassifierMixin, BaseEstimator):
    """Says what it is told to."""

    def __init__(self, value=0.5):
        self.value = value

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 3), self.value)


class OddRow(GaussianNB):
    """Whose probabilities are not numbers in rows that begin with this one."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def predict_proba(self, X):
        return np.where(X[:, :1] == self.first, np.nan, super().predict_proba(X))


def test_errors_say_what_to_do():
    fit = LikelihoodCalibratedClassifier(GaussianNB(), cv=3).fit
    with pytest.raises(ValueError, match="y has one class only"):
        fit(X, np.zeros(400))
    with pytest.raises(ValueError, match=r"y must hold class labels, shape \(n,\), but has shape \(400, 3\)"):
        fit(X, np.eye(3)[Y])
    with pytest.raises(ValueError, match="gives one fold; at least two are needed"):
        LikelihoodCalibratedClassifier(GaussianNB(), cv=[(np.arange(200), np.arange(200, 400))]).fit(X, Y)
    tested = [(np.arange(200, 400), np.arange(100)), (np.arange(200, 400), np.arange(100, 200))]
    for method in ("temperature", "auto"):
        with pytest.raises(ValueError, match="no row of positive weight has an out-of-fold prediction"):
            model = LikelihoodCalibratedClassifier(GaussianNB(), method, cv=tested)
            model.fit(X, Y, sample_weight=1.0 * (np.arange(400) >= 200))
    with pytest.raises(TypeError, match="must have predict_proba or decision_function, but StandardScaler has neither"):
        LikelihoodCalibratedClassifier(StandardScaler()).fit(X, Y)
    with pytest.raises(TypeError, match="must be a classifier"):
        LikelihoodCalibratedClassifier(GaussianNB).fit(X, Y)
    with pytest.raises(ValueError, match="method"):
        LikelihoodCalibratedClassifier(GaussianNB(), "platt").fit(X, Y)
    with pytest.raises(ValueError, match="predict_proba of Odd is not finite in row 0"):
        LikelihoodCalibratedClassifier(Odd(np.nan)).fit(X, Y)
    for ensemble in (False, True):
        with pytest.raises(ValueError, match="predict_proba of OddRow is not finite in row 333"):
            LikelihoodCalibratedClassifier(OddRow(X[333, 0]), ensemble=ensemble).fit(X, Y)
    with pytest.raises(ValueError, match="must give probabilities >= 0"):
        LikelihoodCalibratedClassifier(Odd(-1.0)).fit(X, Y)
    with pytest.raises(ValueError, match="3 columns for 2 classes"):
        LikelihoodCalibratedClassifier(Odd()).fit(X[Y < 2], Y[Y < 2])
    pairs = SVC(kernel="linear", decision_function_shape="ovo")
    stack = StackingClassifier([("a", GaussianNB())], pairs)
    for base in (pairs, make_pipeline(pairs), make_pipeline(RFE(pairs, n_features_to_select=2)), stack):
        with pytest.raises(ValueError, match="a decision value for each pair of classes.*Use decision_function_shape"):
            LikelihoodCalibratedClassifier(base).fit(X, Y)
    with pytest.raises(ValueError, match="sample_weight sums to 4e.202: .* Divide the weights by a constant"):
        LikelihoodCalibratedClassifier(GaussianNB()).fit(X, Y, sample_weight=np.full(400, 1e200))
    with pytest.raises(ValueError, match="y: Found array with 0 sample"):
        LikelihoodCalibratedClassifier(GaussianNB()).fit(X[:0], Y[:0])
    with pytest.raises(ValueError, match="labels that fit did not see"):
        LikelihoodCalibratedClassifier(GaussianNB(), "temperature").fit(X, Y).log_likelihood(X, Y + 1)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was():
    model = LikelihoodCalibratedClassifier(GaussianNB(), "temperature").fit(X, Y)
    before = model.predict_proba(X_NEW)
    with pytest.raises(ValueError):
        model.fit(X[:, :3], np.zeros(400))
    np.testing.assert_array_equal(model.predict_proba(X_NEW), before)


def test_warnings_of_the_estimator_pass_through():
    far = X.copy()
    far[:, 0] += 100 * Y
    with pytest.warns(SeparationWarning):
        LikelihoodCalibratedClassifier(MLELogisticClassifier(), "temperature", cv=2).fit(far, Y)


@pytest.mark.skipif(parse_version(sklearn.__version__) < parse_version("1.9"), reason="callbacks came with 1.9")
@pytest.mark.parametrize("ensemble", [True, False])
def test_each_fit_of_the_classifier_is_a_task_of_callbacks(ensemble, capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar, ScoringMonitor

    monitor = ScoringMonitor(scoring="neg_log_loss")
    base = MLELogisticClassifier(C=1.0).set_callbacks(monitor)
    model = LikelihoodCalibratedClassifier(base, "temperature", cv=3, ensemble=ensemble).set_callbacks(ProgressBar())
    model.fit(X, Y)
    assert "LikelihoodCalibratedClassifier - fit" in capsys.readouterr().out
    (run,) = monitor.get_logs(select="all")
    assert len([row for row in run.data if row["task_name"] == "fit"]) == 3 + (not ensemble)
    plain = LikelihoodCalibratedClassifier(MLELogisticClassifier(C=1.0), "temperature", cv=3, ensemble=ensemble).fit(
        X, Y
    )
    np.testing.assert_array_equal(model.predict_proba(X_TEST), plain.predict_proba(X_TEST))
