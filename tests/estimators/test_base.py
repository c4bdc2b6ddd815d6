"""The fit path: state is published once and whole, warnings come after it, and a warm start is only a start."""

import copy
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import sklearn_mle.estimators._base as base
from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.exceptions import ConvergenceWarning, SeparationWarning

rng = np.random.default_rng(0)
N = 150
X = rng.standard_normal((N, 3))
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
THREE = (X @ rng.standard_normal((3, 3)) + rng.gumbel(size=(N, 3))).argmax(axis=1)
BINARY = (THREE == 1).astype(int)
REAL = X @ [1.0, 2.0, 0.0] + np.exp(0.3 * X[:, 1]) * rng.standard_normal(N)
MODELS = pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (MLELogisticClassifier(), BINARY),
        (MLELogisticClassifier(C=2.0), THREE),
        (GaussianMLERegressor(), REAL),
        (GaussianMLERegressor(scale="log_linear"), REAL),
    ],
    ids=["binary", "multinomial", "constant", "log_linear"],
)


def state(estimator):
    # What is kept for inference has no equality of its own, but a covariance.
    return {
        name: fitted_state(value) if name == "_fitted" else copy.deepcopy(value)
        for name, value in vars(estimator).items()
    }


def fitted_state(fitted):
    curvature = fitted.retained.curvature
    covariance = np.zeros(0) if curvature is None else np.nan_to_num(curvature.covariance())
    return f"{replace(fitted, retained=None)} {covariance.tobytes().hex()}"


def assert_same_state(estimator, before):
    after = state(estimator)
    assert list(after) == list(before)
    for name, value in before.items():
        assert np.array_equal(after[name], value, equal_nan=isinstance(value, float)), name


FAILURES = [
    {"X": np.full((N, 3), np.nan)},
    {"X": X[:-1]},
    {"X": pd.DataFrame(X[:, :2], columns=["u", "v"]), "sample_weight": -np.ones(N)},
    {"y": None},
    {"y": np.full(N, np.nan)},
    {"sample_weight": np.zeros(N)},
    {"sample_weight": np.ones(3)},
    {"offset": np.ones((3, 3))},
]


@MODELS
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: "-".join(failure))
@pytest.mark.parametrize("fitted", [False, True])
def test_a_fit_that_fails_in_validation_leaves_the_estimator_as_it_was(estimator, y, failure, fitted):
    estimator = clone(estimator)
    if fitted:
        estimator.fit(FRAME, y)
    before = state(estimator)
    with pytest.raises(ValueError):
        estimator.fit(**{"X": X, "y": y, **failure})
    assert_same_state(estimator, before)


@MODELS
@pytest.mark.parametrize("fitted", [False, True])
def test_a_fit_that_fails_while_solving_leaves_the_estimator_as_it_was(estimator, y, fitted, monkeypatch):
    estimator = clone(estimator)
    if fitted:
        estimator.fit(FRAME, y)
    before = state(estimator)

    def fail(*arguments, **options):
        raise FloatingPointError("the solver failed")

    monkeypatch.setattr(base, "fit_rows", fail)
    with pytest.raises(FloatingPointError):
        estimator.fit(X[:, :2], y)
    assert_same_state(estimator, before)


@MODELS
def test_an_invalid_parameter_leaves_the_estimator_as_it_was(estimator, y):
    estimator = clone(estimator).fit(FRAME, y).set_params(tol=-1)
    before = state(estimator)
    with pytest.raises(ValueError, match="'tol' parameter"):
        estimator.fit(X, y)
    assert_same_state(estimator, before)


@MODELS
def test_a_refit_leaves_nothing_of_the_fit_before(estimator, y):
    estimator = clone(estimator).fit(FRAME, y, offset=0.0)
    assert estimator.feature_names_in_.tolist() == ["a", "b", "c"]
    estimator.fit(X[:, :2], y)
    assert not hasattr(estimator, "feature_names_in_")
    assert estimator.n_features_in_ == 2
    fresh = clone(estimator).fit(X[:, :2], y)
    assert sorted(vars(fresh)) == sorted(vars(estimator))
    estimator.predict(X[:, :2])


def test_what_a_subclass_keeps_on_itself_survives_fit():
    class Remembering(GaussianMLERegressor):
        def fit(self, X, y, sample_weight=None, offset=None):
            self.n_fits_ = getattr(self, "n_fits_", 0) + 1
            return super().fit(X, y, sample_weight=sample_weight, offset=offset)

    assert Remembering().fit(X, REAL).fit(X, REAL).n_fits_ == 2


@MODELS
def test_fit_neither_changes_parameters_nor_holds_the_data(estimator, y):
    estimator = clone(estimator)
    parameters = estimator.get_params()
    estimator.fit(X, y)
    assert estimator.get_params() == parameters
    assert len(pickle.dumps(estimator)) < 4000


@MODELS
def test_a_pickled_or_copied_model_predicts_the_same(estimator, y):
    estimator = clone(estimator).fit(FRAME, y)
    for twin in (pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator), copy.copy(estimator)):
        np.testing.assert_array_equal(twin.predict(FRAME), estimator.predict(FRAME))
        assert twin.log_likelihood(FRAME, y) == estimator.log_likelihood(FRAME, y)
        assert twin.status_ is estimator.status_


@MODELS
def test_predicting_before_fit_is_refused(estimator, y):
    for call in (lambda model: model.predict(X), lambda model: model.score(X, y), lambda m: m.log_likelihood(X, y)):
        with pytest.raises(NotFittedError):
            call(clone(estimator))


@MODELS
def test_a_warm_start_reaches_the_same_optimum(estimator, y):
    cold = clone(estimator).fit(X, y)
    warm = clone(estimator).set_params(warm_start=True).fit(X[: N // 2], y[: N // 2]).fit(X, y)
    np.testing.assert_allclose(warm.coef_, cold.coef_, rtol=1e-5, atol=1e-7)
    again = clone(estimator).set_params(warm_start=True).fit(X, y).fit(X, y)
    assert np.max(again.n_iter_) <= np.max(cold.n_iter_)
    np.testing.assert_allclose(again.coef_, cold.coef_, rtol=1e-5, atol=1e-7)


def starts_of(monkeypatch):
    starts = []
    fit = base.fit_rows
    monkeypatch.setattr(
        base, "fit_rows", lambda *data, start, **options: (starts.append(start), fit(*data, **options))[1]
    )
    return starts


@MODELS
def test_a_warm_start_is_the_previous_coefficients_where_their_shape_fits(estimator, y, monkeypatch):
    starts = starts_of(monkeypatch)
    estimator = clone(estimator).fit(X, y).fit(X, y)
    assert starts == [None, None]
    estimator.set_params(warm_start=True).fit(X, y)
    start = starts[-1]
    np.testing.assert_array_equal(np.atleast_2d(estimator.coef_)[0], start[0, :-1])
    np.testing.assert_array_equal(np.ravel(estimator.intercept_)[0], start[0, -1])
    if hasattr(estimator, "scale_"):
        assert start[1].tolist() == [0, 0, 0, np.log(estimator.scale_)]
    if hasattr(estimator, "scale_coef_"):
        assert start[1].tolist() == [*estimator.scale_coef_, estimator.scale_intercept_]
    estimator.fit(X[:, :2], y)
    assert starts[-1] is None


def test_a_warm_start_does_not_cross_from_two_classes_to_three(monkeypatch):
    starts = starts_of(monkeypatch)
    MLELogisticClassifier(warm_start=True).fit(X, BINARY).fit(X, THREE)
    assert starts == [None, None]


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "newton-cg"])
def test_an_early_end_is_one_warning_that_says_how_far_the_optimum_is(solver):
    model = MLELogisticClassifier(solver=solver, max_iter=1)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, BINARY)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "Raise max_iter" in text
    # Half a decrement is no bound, so that nothing may be said of standard errors.
    assert f"about {model.gap_:.2g} nats below its maximum; that is an estimate" in text and "no bound" in text
    assert caught[0].filename == __file__
    assert model.status_.name == "MAX_ITER"


def test_warnings_come_after_the_state_is_published():
    separated = (X[:, 0] > 0).astype(int)
    model = MLELogisticClassifier()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SeparationWarning):
            model.fit(X, separated)
    assert model.score(X, separated) == 1.0


def test_warnings_name_features_and_point_at_the_call():
    with pytest.warns(SeparationWarning, match="'a'") as caught:
        MLELogisticClassifier().fit(FRAME[["a"]], (X[:, 0] > 0).astype(int))
    assert caught[0].filename == __file__


def test_verbose_prints_a_line_an_iteration_and_how_the_fit_ended(capsys):
    model = MLELogisticClassifier(verbose=1).fit(X, BINARY)
    *iterations, end = capsys.readouterr().out.splitlines()
    assert iterations == [f"iteration {k + 1}" for k in range(model.n_iter_[0])]
    assert end.startswith("converged") and end.endswith(f"{model.n_passes_} passes, gap {model.gap_:.2g} nats")
    MLELogisticClassifier().fit(X, BINARY)
    assert capsys.readouterr().out == ""
