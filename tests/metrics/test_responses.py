"""How an estimator is asked: in log space where that is exact, through pipelines and searches, with the offset."""

import math

import numpy as np
import pytest
import scipy.stats
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris, make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import ARDRegression, BayesianRidge, LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_mle import GaussianMLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.metrics import get_scorer
from sklearn_mle.metrics._responses import (
    class_response,
    distribution_response,
    gives_classes,
    innermost,
    log_densities,
    open_up,
    own_mean,
)

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_TWO, Y_TWO = make_classification(n_samples=150, random_state=0)


class Says:
    """An estimator that answers with what it was made of; callables are asked for it."""

    def __init__(self, classes=(0, 1), **answers):
        self.classes_ = np.asarray(classes)
        for name, answer in answers.items():
            setattr(self, name, answer if callable(answer) else lambda X, answer=answer: answer)


def densities_of(estimator, X, y, offset=None):
    return log_densities(distribution_response(estimator, X, offset), y, estimator)[0]


@pytest.mark.parametrize(
    ("estimator", "in_logs"),
    [
        (LogisticRegression(max_iter=1000), True),
        (LinearDiscriminantAnalysis(), True),
        (HistGradientBoostingClassifier(max_iter=3), True),
        (GradientBoostingClassifier(n_estimators=3), True),
        (AdaBoostClassifier(n_estimators=3), None),
        (GaussianNB(), None),
        (KNeighborsClassifier(), False),
        (OneVsRestClassifier(LogisticRegression()), None),
        (SGDClassifier(loss="log_loss", random_state=0), None),
        (SGDClassifier(loss="modified_huber", random_state=0), None),
        (DecisionTreeClassifier(max_depth=3), None),
        (DummyClassifier(strategy="prior"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseEstimator) else "",
)
@pytest.mark.parametrize(("X", "y"), [(X_IRIS, Y_IRIS), (X_TWO, Y_TWO)], ids=["three", "two"])
def test_what_is_read_is_predict_proba(estimator, in_logs, X, y):
    estimator.fit(X, y)
    response = class_response(estimator, X)
    proba = np.exp(response.values) if response.is_log else response.values
    np.testing.assert_allclose(proba, estimator.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(response.labels, estimator.classes_)
    assert in_logs is None or response.is_log == in_logs


def test_a_gradient_boosting_with_another_link_is_not_read_by_its_decision_function():
    estimator = GradientBoostingClassifier(loss="exponential", n_estimators=3).fit(X_TWO, Y_TWO)
    response = class_response(estimator, X_TWO)
    assert not response.is_log
    np.testing.assert_array_equal(response.values, estimator.predict_proba(X_TWO))


def test_logistic_regression_is_exact_where_its_own_logarithms_are_not():
    estimator = LogisticRegression()
    estimator.classes_, estimator.coef_, estimator.intercept_ = np.array([0, 1]), np.array([[1.0]]), np.zeros(1)
    X = np.array([[1e4], [-1e4], [40.0]])
    with np.errstate(divide="ignore"):
        assert np.isinf(estimator.predict_log_proba(X)).sum() == 3
    response = class_response(estimator, X)
    np.testing.assert_array_equal(response.values, np.column_stack([log_expit(-X[:, 0]), log_expit(X[:, 0])]))

    estimator.classes_, estimator.coef_ = np.arange(3), np.array([[1.0], [0.0], [-1.0]])
    estimator.intercept_ = np.zeros(3)
    eta = X @ estimator.coef_.T
    expected = log_softmax(eta, axis=1)
    expected[2, 0] = -np.exp(-40.0)  # scipy's is 0 there: -log1p(e^-40 + e^-80) to the last digit
    np.testing.assert_allclose(class_response(estimator, X).values, expected, rtol=1e-15)


def test_naive_bayes_is_exact_by_its_own_logarithms():
    X = np.array([[0.0], [1.0], [100.0], [101.0]])
    estimator = GaussianNB().fit(X, [0, 0, 1, 1])
    response = class_response(estimator, X)
    assert response.is_log
    assert response.values.min() < -1000
    np.testing.assert_array_equal(response.values, estimator.predict_log_proba(X))


ETA = np.array([[30.0], [-60.0], [0.5]])
PROBA = np.hstack([1 - expit(ETA), expit(ETA)])
LOGS = np.hstack([log_expit(-ETA), log_expit(ETA)])


@pytest.mark.parametrize(
    ("answers", "expected", "is_log"),
    [
        ({"predict_proba": PROBA, "predict_log_proba": LOGS}, LOGS, True),
        ({"predict_log_proba": LOGS}, LOGS, True),
        ({"predict_proba": PROBA}, PROBA, False),
        ({"predict_proba": PROBA, "decision_function": ETA[:, 0]}, LOGS, True),
        ({"predict_proba": PROBA, "decision_function": 2 * ETA[:, 0]}, PROBA, False),
        ({"predict_proba": PROBA, "decision_function": np.hstack([ETA, ETA, ETA])}, PROBA, False),
        ({"predict_proba": PROBA, "predict_log_proba": 2 * LOGS}, PROBA, False),
        ({"predict_proba": np.round(PROBA, 4), "predict_log_proba": np.log(np.maximum(PROBA, 1e-15))}, None, False),
        ({"predict_proba": [[0.25, 0.75]], "predict_log_proba": [[0.0, -np.inf]]}, [[0.25, 0.75]], False),
        ({"predict_proba": [[0, 1]], "predict_log_proba": lambda X: np.log(np.array([[0.0, 1.0]]))}, None, True),
    ],
)
def test_which_answer_is_taken(answers, expected, is_log):
    response = class_response(Says(**answers), None)
    assert response.is_log == is_log
    if expected is not None:
        np.testing.assert_array_equal(response.values, expected)


def test_logarithms_are_not_asked_for_when_no_probability_is_small():
    def refuse(X):
        raise AssertionError

    class_response(Says(predict_proba=[[0.25, 0.75]], predict_log_proba=refuse), None)


def test_single_precision_is_kept_so_that_its_rounding_is_known():
    proba = softmax(np.float32([[1, 2, 3]]), axis=1)
    response = class_response(Says(classes=(0, 1, 2), predict_proba=proba), None)
    assert response.values.dtype == np.float32


def test_one_class():
    estimator = DummyClassifier(strategy="prior").fit([[0], [1]], ["a", "a"])
    response = class_response(estimator, [[5]])
    assert (response.labels.tolist(), response.values.tolist()) == (["a"], [[1.0]])


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (
            LinearSVC().fit(X_TWO, Y_TWO),
            r"LinearSVC has neither .* \(decision_function gives no probabilities\).*Calibrated",
        ),
        (LinearRegression().fit(X_TWO, Y_TWO), "LinearRegression has neither predict_proba nor predict_log_proba"),
        (MultiOutputClassifier(DummyClassifier()).fit(X_TWO, np.c_[Y_TWO, Y_TWO]), "an array for each of 2 outputs"),
        (ClassifierChain(DummyClassifier()).fit(X_TWO, np.c_[Y_TWO, Y_TWO]), r"classes_ of shape \(2, "),
        (Says(classes=(0, 1, 2), predict_proba=[[0.5, 0.5]]), r"has classes_ of shape \(3,\): .* its 2 columns"),
        (Says(classes=None, predict_proba=[[0.5, 0.5]]), r"has classes_ of shape \(\)"),
        (Says(predict_proba=[0.5, 0.5]), r"rows \(n, K\), one column per class; got shape \(2,\)"),
    ],
)
def test_who_cannot_answer(estimator, message):
    with pytest.raises(TypeError, match=message):
        class_response(estimator, X_TWO)


def test_no_classes_at_all():
    estimator = Says(predict_proba=[[0.5, 0.5]])
    del estimator.classes_
    with pytest.raises(TypeError, match="has no classes_: one class for each of its 2 columns"):
        class_response(estimator, None)


def test_pipelines_and_searches_are_opened_and_transform_once():
    calls = []

    def spy(X):
        calls.append(len(X))
        return X * 2

    pipeline = make_pipeline(FunctionTransformer(spy), "passthrough", StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=2).fit(X_TWO, Y_TWO)
    outer = make_pipeline(FunctionTransformer(), search).fit(X_TWO, Y_TWO)
    for nested in (search, outer):
        calls.clear()
        estimator, X = open_up(nested, X_TWO)
        assert isinstance(estimator, LogisticRegression)
        response = class_response(estimator, X)
        assert len(calls) == 1
        np.testing.assert_allclose(np.exp(response.values), nested.predict_proba(X_TWO), rtol=1e-10)


def test_frozen_pipelines_are_opened():
    X, y = X_IRIS[:, :2], X_IRIS[:, 2]
    pipeline = make_pipeline(StandardScaler(), GaussianMLERegressor(weight_type="precision")).fit(X, y)
    frozen = FrozenEstimator(FrozenEstimator(pipeline))
    assert open_up(frozen, X)[0] is innermost(frozen) is pipeline[-1]
    assert get_scorer("neg_crps")(frozen, X, y) == get_scorer("neg_crps")(pipeline, X, y)
    with pytest.raises(NotSupportedError, match="weight_type='precision'"):
        get_scorer("neg_crps")(frozen, X, y, sample_weight=np.ones(len(y)))
    with pytest.raises(TypeError, match="TransformedTargetRegressor cannot be scored"):
        open_up(FrozenEstimator(TransformedTargetRegressor()), X)


def test_a_pipeline_of_one_step_and_one_that_ends_its_transforms_in_passthrough():
    for steps in ([LogisticRegression()], ["passthrough", LogisticRegression()]):
        estimator, X = open_up(make_pipeline(*steps).fit(X_TWO, Y_TWO), X_TWO)
        assert isinstance(estimator, LogisticRegression)
        np.testing.assert_array_equal(X, X_TWO)


def test_a_pipeline_that_predicts_in_its_own_way_is_asked_as_it_stands():
    class Sharpened(Pipeline):
        def predict_proba(self, X):
            return softmax(5 * np.log(super().predict_proba(X)), axis=1)

    pipeline = Sharpened([("scale", StandardScaler()), ("model", GaussianNB())]).fit(X_IRIS, Y_IRIS)
    estimator, X = open_up(pipeline, X_IRIS)
    assert estimator is pipeline
    assert X is X_IRIS


def test_columns_by_name():
    frame = load_iris(as_frame=True).data
    columns = ColumnTransformer([("some", StandardScaler(), frame.columns[:2].tolist())])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, Y_IRIS)
    estimator, X = open_up(pipeline, frame)
    np.testing.assert_allclose(np.exp(class_response(estimator, X).values), pipeline.predict_proba(frame), rtol=1e-12)


def test_transformed_targets_are_refused_however_deep():
    model = TransformedTargetRegressor(BayesianRidge(), func=np.log1p, inverse_func=np.expm1)
    for nested in (model, make_pipeline(StandardScaler(), model)):
        nested.fit(X_TWO, Y_TWO)
        with pytest.raises(TypeError, match="The estimator TransformedTargetRegressor cannot be scored by likelihood"):
            open_up(nested, X_TWO)


class Offset:
    """Logistic model of the offset alone."""

    classes_ = np.array([0, 1])

    def decision_function(self, X, offset=None):
        return np.zeros(len(X)) if offset is None else np.asarray(offset)

    def predict_proba(self, X, offset=None):
        p = expit(self.decision_function(X, offset=offset))
        return np.column_stack([1 - p, p])

    def predict_distribution(self, X, offset=None):
        return scipy.stats.norm(self.decision_function(X, offset=offset), 1)

    def log_likelihood(self, X, y, sample_weight=None, offset=None):
        weight = np.ones(len(X)) if sample_weight is None else sample_weight
        return weight @ self.predict_distribution(X, offset=offset).logpdf(y)


def test_the_offset_reaches_every_method():
    X, y, offset = np.zeros((3, 1)), np.array([0.0, 1.5, 2.0]), np.array([0.0, 1.0, -50.0])
    logs = class_response(Offset(), X, offset).values
    np.testing.assert_array_equal(logs[:, 1], log_expit(offset))
    np.testing.assert_array_equal(densities_of(Offset(), X, y, offset), scipy.stats.norm(offset, 1).logpdf(y))
    assert own_mean(Offset(), X, y, np.array([1.0, 0.0, 0.0]), offset) == scipy.stats.norm(0, 1).logpdf(0)


@pytest.mark.parametrize(
    ("ask", "estimator"),
    [
        (class_response, LogisticRegression().fit(X_TWO, Y_TWO)),
        (lambda *args: densities_of(args[0], args[1], Y_TWO, args[2]), BayesianRidge().fit(X_TWO, Y_TWO)),
        (
            lambda *args: densities_of(args[0], args[1], Y_TWO, args[2]),
            Says(predict_distribution=scipy.stats.norm(0, 1)),
        ),
    ],
)
def test_an_offset_that_is_not_taken_is_an_error(ask, estimator):
    with pytest.raises(TypeError, match=r"offset was passed, but .* takes none"):
        ask(estimator, X_TWO, np.zeros(len(X_TWO)))


def test_distributions_continuous_and_discrete_frozen_and_new():
    y, real = np.array([0.0, 1.0, 4.0]), np.array([0.0, 1.5, 4.0])
    mean = np.array([0.5, 1.0, 3.0])
    normal, poisson = scipy.stats.norm(mean, 2), scipy.stats.poisson(mean)
    np.testing.assert_array_equal(densities_of(Says(predict_distribution=normal), None, real), normal.logpdf(real))
    np.testing.assert_array_equal(densities_of(Says(predict_distribution=poisson), None, y), poisson.logpmf(y))
    cells = np.log(normal.cdf(y + 0.5) - normal.cdf(y - 0.5))
    np.testing.assert_allclose(densities_of(Says(predict_distribution=normal), None, y), cells, rtol=1e-14)
    if hasattr(scipy.stats, "Normal"):
        new = scipy.stats.Normal(mu=mean, sigma=2)
        np.testing.assert_allclose(
            densities_of(Says(predict_distribution=new), None, real), normal.logpdf(real), rtol=1e-13
        )
        np.testing.assert_allclose(densities_of(Says(predict_distribution=new), None, y), cells, rtol=1e-13)
    if hasattr(scipy.stats, "Binomial"):
        new = scipy.stats.Binomial(n=5, p=np.array([0.1, 0.2, 0.3]))
        expected = scipy.stats.binom(5, [0.1, 0.2, 0.3]).logpmf(y)
        np.testing.assert_allclose(densities_of(Says(predict_distribution=new), None, y), expected, rtol=1e-12)


@pytest.mark.parametrize("model", [BayesianRidge(), ARDRegression(), GaussianProcessRegressor(alpha=0.1)])
def test_known_gaussians(model):
    X, y = X_IRIS[:40, :3], X_IRIS[:40, 3]
    model.fit(X, y)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(densities_of(model, X, y), scipy.stats.norm(mean, std).logpdf(y), rtol=1e-12)


def test_a_gaussian_without_width_is_infinite_and_never_nan():
    class Certain(BayesianRidge):
        def predict(self, X, return_std=False):
            return np.zeros(len(X)), np.zeros(len(X))

    np.testing.assert_array_equal(densities_of(Certain(), np.zeros((2, 1)), np.array([0.0, 0.5])), [np.inf, -np.inf])
    # Whole numbers have probabilities, and it was certain of one of them.
    np.testing.assert_array_equal(densities_of(Certain(), np.zeros((2, 1)), np.array([0.0, 1.0])), [0.0, -np.inf])


def test_predict_with_a_standard_deviation_is_not_taken_for_a_gaussian():
    class StudentProcess:
        def predict(self, X, return_std=False):
            return np.zeros(len(X)), np.ones(len(X))

    with pytest.raises(TypeError, match=r"StudentProcess gives no distribution.*known to be Gaussian only for"):
        densities_of(StudentProcess(), np.zeros((2, 1)), np.zeros(2))


def test_distributions_of_the_wrong_kind_or_shape():
    with pytest.raises(TypeError, match="returned a dict without logpdf and logpmf"):
        densities_of(Says(predict_distribution={}), None, np.zeros(2))
    with pytest.raises(ValueError, match=r"log densities of shape \(2, 2\) for outcomes of shape \(2,\)"):
        densities_of(Says(predict_distribution=scipy.stats.norm(np.zeros((2, 1)), 1)), None, np.zeros(2))


def test_a_log_likelihood_counts_only_with_our_signature():
    y = np.array([0.0, 0.5])
    assert own_mean(Says(), None, y, None, None) is None
    assert own_mean(Says(log_likelihood=lambda X, y: 1.0), None, y, None, None) is None
    ours = Says(log_likelihood=lambda X, y, sample_weight=None: -3.0)
    assert own_mean(ours, None, y, None, None) == -1.5
    # Of whole numbers a probability is needed, and this may be a density.
    assert own_mean(ours, None, np.zeros(2), None, None) is None


def test_classes_or_density():
    assert gives_classes(LogisticRegression())
    assert gives_classes(Says(predict_log_proba=LOGS))
    assert not gives_classes(BayesianRidge())
    assert not gives_classes(Offset())


def test_a_forest_is_read_without_numpy_warnings():
    estimator = RandomForestClassifier(n_estimators=5, random_state=0).fit(X_IRIS, Y_IRIS)
    response = class_response(estimator, X_IRIS)
    proba = np.exp(response.values) if response.is_log else response.values
    np.testing.assert_allclose(proba, estimator.predict_proba(X_IRIS), rtol=1e-14)
    assert math.isclose(proba.sum(), len(X_IRIS))
