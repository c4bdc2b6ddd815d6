"""MLELogisticClassifier: shapes, soft labels, class weights, offsets, log space, and every refusal."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit, log_expit, log_softmax, logsumexp
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.exceptions import RankDeficiencyWarning, SeparationError, SeparationWarning

rng = np.random.default_rng(0)
N, P = 120, 3
X = rng.standard_normal((N, P))
BINARY = (X @ [1.0, -0.5, 0.0] + rng.logistic(size=N) > 0.3).astype(int)
THREE = (X @ rng.standard_normal((P, 3)) + rng.gumbel(size=(N, 3))).argmax(axis=1)
WEIGHT = rng.integers(0, 4, size=N).astype(float)


def soft_labels(n_classes):
    return rng.dirichlet(np.ones(n_classes), size=N)


def expanded(soft, weight=None):
    """The K-fold expanded rows of soft labels, with their weights."""
    n_classes = soft.shape[1]
    weight = np.ones(len(soft)) if weight is None else weight
    return np.repeat(X, n_classes, axis=0), np.tile(np.arange(n_classes), N), (soft * weight[:, None]).ravel()


def assert_same_fit(one, other):
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(one.intercept_, other.intercept_, rtol=1e-8, atol=1e-10)
    assert one.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-12)
    assert one.n_obs_ == pytest.approx(other.n_obs_, rel=1e-12)


@pytest.mark.parametrize(("y", "rows"), [(BINARY, 1), (THREE, 3)], ids=["binary", "multinomial"])
def test_attributes_have_logistic_regression_s_shapes_and_types(y, rows):
    model, peer = MLELogisticClassifier(C=1.0).fit(X, y), LogisticRegression(C=1.0, tol=1e-10).fit(X, y)
    for name in ("coef_", "intercept_", "n_iter_", "classes_"):
        ours, theirs = getattr(model, name), getattr(peer, name)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert model.coef_.shape == (rows, P)
    assert model.n_iter_[0] >= 1
    assert isinstance(model.gap_, float) and 0 <= model.gap_ <= 1e-8
    assert isinstance(model.n_passes_, int) and model.n_passes_ >= 1
    assert model.n_obs_ == N
    assert "converged" in model.status_.message
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(model.decision_function(X), peer.decision_function(X), atol=1e-5)


def test_the_default_is_the_pure_mle_and_its_classes_sum_to_zero():
    model = MLELogisticClassifier().fit(X, THREE)
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-10)
    assert model.intercept_.sum() == pytest.approx(0, abs=1e-10)
    probability = model.predict_proba(X)
    residual = probability - np.eye(3)[THREE]
    np.testing.assert_allclose(np.column_stack([X, np.ones(N)]).T @ residual, 0, atol=1e-8)


def test_without_an_intercept_it_is_zero():
    assert MLELogisticClassifier(fit_intercept=False).fit(X, BINARY).intercept_.tolist() == [0.0]
    assert MLELogisticClassifier(fit_intercept=False).fit(X, THREE).intercept_.tolist() == [0.0] * 3


@pytest.mark.parametrize(("y", "n_classes"), [(BINARY, 2), (THREE, 3)], ids=["binary", "multinomial"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 0.5}], ids=str)
def test_one_hot_rows_equal_labels(y, n_classes, weight, class_weight):
    model = MLELogisticClassifier(class_weight=class_weight)
    hard = model.fit(X, y, sample_weight=weight)
    soft = MLELogisticClassifier(class_weight=class_weight).fit(X, np.eye(n_classes)[y], sample_weight=weight)
    assert_same_fit(soft, hard)
    assert soft.classes_.tolist() == hard.classes_.tolist()
    assert soft.score(X, np.eye(n_classes)[y]) == pytest.approx(hard.score(X, y))
    assert soft.log_likelihood(X, np.eye(n_classes)[y]) == pytest.approx(hard.log_likelihood(X, y))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 0.5}, {0: 0.0}], ids=str)
@pytest.mark.parametrize("C", [np.inf, 0.1])
@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.SeparationWarning")
def test_soft_rows_equal_their_expanded_rows(n_classes, weight, class_weight, C):
    soft = soft_labels(n_classes)
    model = MLELogisticClassifier(C=C, class_weight=class_weight).fit(X, soft, sample_weight=weight)
    rows, labels, row_weight = expanded(soft, weight)
    hard = MLELogisticClassifier(C=C, class_weight=class_weight).fit(rows, labels, sample_weight=row_weight)
    assert_same_fit(model, hard)
    total = model.log_likelihood(X, soft, sample_weight=weight)
    assert total == pytest.approx(hard.log_likelihood(rows, labels, sample_weight=row_weight), rel=1e-12)


def test_soft_rows_of_zero_class_weight_are_absent():
    soft = soft_labels(3)
    soft[:20] = [1.0, 0.0, 0.0]
    with pytest.warns(SeparationWarning, match="class 0"):
        model = MLELogisticClassifier(class_weight={0: 0.0}).fit(X, soft)
    assert np.isfinite(model.coef_).all()
    assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_frame_s_columns_are_the_classes(frame):
    soft = soft_labels(3)
    columns = {name: soft[:, k] for k, name in enumerate(["z", "a", "m"])}
    model = MLELogisticClassifier().fit(X, frame(columns))
    assert model.classes_.tolist() == ["z", "a", "m"]
    assert set(model.predict(X)) <= {"z", "a", "m"}
    chosen = model.predict_proba(X).argmax(axis=1)
    assert model.score(X, frame(columns)) == pytest.approx(soft[np.arange(N), chosen].mean())
    assert model.score(X, soft, sample_weight=WEIGHT) == pytest.approx(
        np.average(soft[np.arange(N), chosen], weights=WEIGHT)
    )
    assert model.log_likelihood(X, frame(columns)) == pytest.approx(model.log_likelihood_)
    labels = model.predict(X)
    assert model.score(X, labels) == 1.0
    reordered = frame({name: columns[name] for name in ["a", "m", "z"]})
    assert model.score(X, reordered) == model.score(X, soft)
    assert model.log_likelihood(X, reordered) == pytest.approx(model.log_likelihood_)
    with pytest.raises(ValueError, match=r"the columns \['a', 'm', 'x'\], but the classes are \['z', 'a', 'm'\]"):
        model.score(X, frame({"a": soft[:, 1], "m": soft[:, 2], "x": soft[:, 0]}))
    with pytest.raises(ValueError, match="but it has 2 columns"):
        model.log_likelihood(X, soft_labels(2))


def test_soft_labels_of_an_array_have_classes_in_order():
    assert MLELogisticClassifier().fit(X, soft_labels(2).tolist()).classes_.tolist() == [0, 1]


def test_a_column_is_labels_with_a_warning():
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        model = MLELogisticClassifier().fit(X, pd.DataFrame({"y": BINARY}))
    assert_same_fit(model, MLELogisticClassifier().fit(X, BINARY))


def test_string_labels_keep_their_sorted_order():
    labels = np.array(["no", "yes"])[BINARY]
    model = MLELogisticClassifier().fit(X, labels)
    assert model.classes_.tolist() == ["no", "yes"]
    assert_same_fit(model, MLELogisticClassifier().fit(X, BINARY))
    assert ((model.predict(X) == "yes") == (model.decision_function(X) > 0)).all()


def test_balanced_classes_count_weighted_rows():
    model = MLELogisticClassifier(class_weight="balanced").fit(X, BINARY, sample_weight=WEIGHT)
    mass = np.bincount(BINARY, WEIGHT)
    manual = WEIGHT * (WEIGHT.sum() / (2 * mass))[BINARY]
    assert_same_fit(model, MLELogisticClassifier().fit(X, BINARY, sample_weight=manual))
    repeated = np.repeat(np.arange(N), WEIGHT.astype(int))
    assert_same_fit(model, MLELogisticClassifier(class_weight="balanced").fit(X[repeated], BINARY[repeated]))


@pytest.mark.parametrize(("y", "K"), [(BINARY, 2), (THREE, 3)], ids=["binary", "multinomial"])
def test_a_weight_counts_copies(y, K):
    repeated = np.repeat(np.arange(N), WEIGHT.astype(int))
    offset = rng.standard_normal(N) if K == 2 else rng.standard_normal((N, K))
    weighted = MLELogisticClassifier().fit(X, y, sample_weight=WEIGHT, offset=offset)
    assert_same_fit(weighted, MLELogisticClassifier().fit(X[repeated], y[repeated], offset=offset[repeated]))


def test_a_class_of_weight_zero_stays_with_a_warning():
    weight = np.where(THREE == 1, 0.0, 1.0)
    with pytest.warns(SeparationWarning, match="class 1"):
        model = MLELogisticClassifier().fit(X, THREE, sample_weight=weight)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(X).shape == (N, 3)
    assert not (model.predict(X) == 1).any()


@pytest.mark.parametrize(
    ("y", "options", "match"),
    [
        (np.zeros(N, dtype=int), {}, "at least 2 classes, but it has one class only: 0"),
        (np.full(N, "a"), {}, "one class only: 'a'"),
    ],
)
def test_one_class_is_refused(y, options, match):
    with pytest.raises(ValueError, match=match):
        MLELogisticClassifier().fit(X, y, **options)


def penalized_loss(model, X, y, weight):
    """LogisticRegression's objective, stated anew, in nats."""
    coef, intercept = model.coef_, model.intercept_
    if len(coef) == 1:
        # The prior is on the one vector of two classes, as LogisticRegression has it.
        nll = -log_expit((2 * y - 1) * (X @ coef[0] + intercept[0]))
    else:
        eta = X @ coef.T + intercept
        nll = logsumexp(eta, axis=1) - eta[np.arange(len(y)), y]
    return weight @ nll + 0.5 / model.C * np.square(coef).sum()


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.SeparationWarning")
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [1.0, 0.05])
@pytest.mark.parametrize("absent", [[2], [0, 2], [1]], ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_of_weight_zero_are_penalized_as_logistic_regression_does(n_classes, absent, C, fit_intercept):
    """Of three classes of which two are left the prior is on both; and so is it where one is left."""
    y = BINARY.astype(int) if n_classes == 2 else THREE
    weight = np.where(np.isin(y, absent), 0.0, WEIGHT)
    model = MLELogisticClassifier(C=C, fit_intercept=fit_intercept).fit(X, y, weight)
    # Its gtol of 1e-10 and a curvature of at least 1 / C leave less than 1e-18 nats.
    theirs = LogisticRegression(C=C, fit_intercept=fit_intercept, tol=1e-10, max_iter=10_000).fit(X, y, weight)
    ours, others = (penalized_loss(one, X, y, weight) for one in (model, theirs))
    assert ours - others < 1e-10
    assert others - ours < 1e-9 and ours - others < model.gap_ + 1e-12 * abs(ours)
    np.testing.assert_allclose(model.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    if not fit_intercept:
        assert not model.intercept_.any()


def test_one_class_with_weight_is_fitted_with_a_warning():
    weight = BINARY.astype(float)
    with pytest.warns(SeparationWarning, match="class 0: every row has weight zero"):
        model = MLELogisticClassifier().fit(X, BINARY, weight)
    assert model.classes_.tolist() == [0, 1] and (model.predict(X) == 1).all()
    assert not model.coef_.any() and model.log_likelihood(X, BINARY, weight) == pytest.approx(0, abs=1e-11)
    assert (model.df_model_, model.df_resid_) == (0, weight.sum())
    with pytest.raises(SeparationError, match="class 0"):
        MLELogisticClassifier(on_separation="raise").fit(X, BINARY, weight)
    with pytest.raises(ValueError, match="one class only"):
        MLELogisticClassifier(bias_reduction="firth").fit(X, BINARY, weight)
    with pytest.warns(SeparationWarning, match="class 0"):
        MLELogisticClassifier(class_weight={0: 0.0}).fit(X, BINARY)


def test_an_absent_class_stays_improbable_beside_any_offset():
    offset = 50 * np.random.default_rng(0).standard_normal((N, 3))
    weight = np.where(THREE == 1, 0.0, 1.0)
    with pytest.warns(SeparationWarning, match="class 1"):
        model = MLELogisticClassifier(C=1.0).fit(X, THREE, weight, offset=offset)
    assert model.predict_proba(X, offset=offset)[:, 1].max() < 1e-12


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.SeparationWarning")
def test_bagging_may_leave_a_class_without_weight():
    y = (np.arange(N) < 2).astype(int)
    bagged = BaggingClassifier(MLELogisticClassifier(C=1.0), n_estimators=20, random_state=0).fit(X, y)
    theirs = BaggingClassifier(LogisticRegression(tol=1e-10), n_estimators=20, random_state=0).fit(X, y)
    np.testing.assert_allclose(bagged.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_class_weights_that_leave_none_are_refused():
    with pytest.raises(ValueError, match="class_weight leaves no row with a positive weight"):
        MLELogisticClassifier(class_weight={0: 0.0, 1: 0.0}).fit(X, BINARY)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (np.linspace(0, 1, N), "continuous"),
        (rng.dirichlet(np.ones(3), size=N) * 2, "Normalize the rows"),
        (np.column_stack([BINARY, BINARY]), "Multilabel targets are not supported"),
        (np.column_stack([BINARY, 1 - BINARY]).astype(str).astype(object) + "x", "Pass labels as a 1-D y"),
        (np.zeros((N, 2, 2)), "dim"),
    ],
    ids=["continuous", "sums", "multilabel", "text", "3-D"],
)
def test_targets_that_are_no_labels_are_refused(y, match):
    with pytest.raises(ValueError, match=match):
        MLELogisticClassifier().fit(X, y)


def test_soft_labels_with_a_repeated_column_are_refused():
    frame = pd.DataFrame(soft_labels(2), columns=["a", "a"])
    # scikit-learn 1.9 refuses such a frame before us.
    with pytest.raises(ValueError, match="unique"):
        MLELogisticClassifier().fit(X, frame)


@pytest.mark.parametrize(
    "parameters",
    [
        {"C": 0},
        {"C": -1.0},
        {"C": np.nan},
        {"C": "inf"},
        {"class_weight": "equal"},
        {"solver": "liblinear"},
        {"tol": 0.0},
        {"tol": np.inf},
        {"max_iter": -1},
        {"max_iter": 1.5},
        {"fit_intercept": "no"},
        {"warm_start": 2},
        {"verbose": -1},
    ],
    ids=str,
)
def test_parameters_are_validated_by_name(parameters):
    with pytest.raises(InvalidParameterError, match=f"The '{next(iter(parameters))}' parameter of MLELogistic"):
        MLELogisticClassifier(**parameters).fit(X, BINARY)


def test_the_parameter_is_the_inverse_of_the_prior_s_precision():
    strong, weak = (MLELogisticClassifier(C=C).fit(X, BINARY) for C in (1e-3, 1e3))
    assert np.abs(strong.coef_).max() < 0.1 * np.abs(weak.coef_).max()
    np.testing.assert_allclose(
        MLELogisticClassifier(C=1e12).fit(X, BINARY).coef_, MLELogisticClassifier().fit(X, BINARY).coef_
    )


def test_an_offset_shifts_the_intercept_only():
    plain = MLELogisticClassifier().fit(X, BINARY)
    shifted = MLELogisticClassifier().fit(X, BINARY, offset=np.full(N, 0.7))
    np.testing.assert_allclose(shifted.coef_, plain.coef_, rtol=1e-7)
    np.testing.assert_allclose(shifted.intercept_, plain.intercept_ - 0.7, rtol=1e-7)
    np.testing.assert_allclose(shifted.predict_proba(X, offset=0.7), plain.predict_proba(X), rtol=1e-7)
    assert shifted.log_likelihood(X, BINARY, offset=0.7) == pytest.approx(shifted.log_likelihood_)
    per_class = rng.standard_normal(3)
    plain = MLELogisticClassifier().fit(X, THREE)
    shifted = MLELogisticClassifier().fit(X, THREE, offset=np.tile(per_class, (N, 1)))
    np.testing.assert_allclose(shifted.coef_, plain.coef_, rtol=1e-6)
    np.testing.assert_allclose(shifted.intercept_ + per_class - per_class.mean(), plain.intercept_, rtol=1e-6)


@pytest.mark.parametrize("size", [30.0, -300.0])
@pytest.mark.parametrize("y", [BINARY, THREE], ids=["two", "three"])
def test_a_constant_offset_costs_no_iteration(y, size):
    """The start has the classes' frequencies, offset included: at an offset of 300 every curvature is zero."""
    constant = np.full(N, size) if len(np.unique(y)) == 2 else np.tile([size, 0.0, -size], (N, 1))
    weight = np.where(np.arange(N) % 3, 1.0, 1e-9)
    # Rows that weigh nothing do not move it.
    offset = np.where((weight < 1)[:, None] if constant.ndim == 2 else weight < 1, -0.5 * constant, constant)
    for given, moved in ((None, constant), (weight, constant), (weight, offset)):
        plain = MLELogisticClassifier().fit(X, y, sample_weight=given)
        shifted = MLELogisticClassifier().fit(X, y, sample_weight=given, offset=moved)
        assert shifted.n_iter_ == plain.n_iter_
        np.testing.assert_allclose(shifted.coef_, plain.coef_, rtol=1e-5)


def test_an_offset_is_added_to_every_prediction():
    model = MLELogisticClassifier().fit(X, BINARY)
    offset = rng.standard_normal(N)
    decision = model.decision_function(X) + offset
    np.testing.assert_array_equal(model.decision_function(X, offset=offset), decision)
    np.testing.assert_allclose(model.predict_proba(X, offset=offset)[:, 1], expit(decision))
    assert (model.predict(X, offset=offset) == (decision > 0)).all()
    assert model.score(X, BINARY, offset=offset) == np.mean((decision > 0) == BINARY)
    model = MLELogisticClassifier().fit(X, THREE)
    offset = rng.standard_normal((N, 3))
    decision = model.decision_function(X) + offset
    np.testing.assert_allclose(model.predict_log_proba(X, offset=offset), log_softmax(decision, axis=1))
    np.testing.assert_allclose(model.predict_proba(X, offset=3.0), model.predict_proba(X))


METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


@pytest.mark.parametrize("method", [*METHODS, "score", "log_likelihood"])
def test_a_model_fitted_with_an_offset_predicts_only_with_one(method):
    model = MLELogisticClassifier().fit(X, BINARY, offset=np.zeros(N))
    arguments = (X,) if method in METHODS else (X, BINARY)
    with pytest.raises(ValueError, match=r"was fitted with an offset.*offset=0\.0"):
        getattr(model, method)(*arguments)
    getattr(model, method)(*arguments, offset=0.0)
    model.fit(X, BINARY)
    getattr(model, method)(*arguments)


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "multinomial"])
def test_offsets_of_the_wrong_shape_are_refused_in_fit_and_predict(y):
    wrong = np.zeros((N, 2)) if y is BINARY else np.zeros(N)
    with pytest.raises(ValueError, match="offset must have shape"):
        MLELogisticClassifier().fit(X, y, offset=wrong)
    with pytest.raises(ValueError, match="offset must have shape"):
        MLELogisticClassifier().fit(X, y).predict(X, offset=wrong)


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "multinomial"])
def test_log_probabilities_are_finite_and_exact_far_out(y):
    model = MLELogisticClassifier().fit(X, y)
    model.coef_ = np.array([[1.0, 0.0, 0.0]]) if y is BINARY else np.array([[0.5, 0, 0], [-0.5, 0, 0], [0, 0, 0]])
    model.intercept_ = np.zeros_like(model.intercept_)
    far = np.array([[1e4, 0, 0], [-1e4, 0, 0], [0, 0, 0]])
    log_probability = model.predict_log_proba(far)
    assert np.isfinite(log_probability).all()
    assert log_probability[0, 0] == pytest.approx(-1e4 if y is BINARY else 0.0)
    assert log_probability[0, 1] == pytest.approx(0.0 if y is BINARY else -1e4)
    assert log_probability[2, 0] == pytest.approx(-np.log(2 if y is BINARY else 3))
    np.testing.assert_allclose(np.exp(log_probability), model.predict_proba(far), atol=1e-15)
    np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1)
    assert model.log_likelihood(far[:1], [1 if y is BINARY else 0]) == pytest.approx(0.0)
    assert model.log_likelihood(far[:1], [0 if y is BINARY else 1]) == pytest.approx(-1e4)


@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "multinomial"])
def test_the_log_likelihood_is_the_sum_of_the_log_probabilities(y):
    model = MLELogisticClassifier().fit(X, y, sample_weight=WEIGHT)
    chosen = model.predict_log_proba(X)[np.arange(N), y]
    assert model.log_likelihood(X, y) == pytest.approx(chosen.sum(), rel=1e-12)
    assert model.log_likelihood(X, y, sample_weight=WEIGHT) == pytest.approx(WEIGHT @ chosen, rel=1e-12)
    assert model.log_likelihood(X, y, sample_weight=WEIGHT) == pytest.approx(model.log_likelihood_, rel=1e-12)
    assert model.n_obs_ == pytest.approx(WEIGHT.sum(), rel=1e-14)


def test_labels_that_fit_did_not_see_cost_accuracy_and_have_no_likelihood():
    model = MLELogisticClassifier().fit(X, BINARY)
    other = np.where(np.arange(N) < 10, 5, BINARY)
    assert model.score(X, other) < model.score(X, BINARY)
    with pytest.raises(ValueError, match=r"fit did not see: \[5\]"):
        model.log_likelihood(X, other)


@pytest.mark.parametrize("method", ["score", "log_likelihood"])
def test_lengths_must_agree(method):
    model = MLELogisticClassifier().fit(X, BINARY)
    for y in (BINARY[:-1], soft_labels(2)[:-1]):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            getattr(model, method)(X, y)


def test_many_classes_of_a_constant_column():
    """The frequencies are the answer: 150 classes of two rows each."""
    y = np.arange(300) % 150
    with pytest.warns(RankDeficiencyWarning):
        model = MLELogisticClassifier().fit(np.ones((300, 1)), y)
    np.testing.assert_allclose(model.predict_proba([[1.0]]), np.full((1, 150), 1 / 150), rtol=1e-12)
    assert model.log_likelihood_ == pytest.approx(-300 * np.log(150), rel=1e-14)
