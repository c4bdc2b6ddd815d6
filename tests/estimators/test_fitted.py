"""What was fitted is stated once: no parameter that is set after fit changes an answer of the fitted model."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer, likelihood_ratio_test, profile_interval, score_test
from sklearn_mle.likelihoods import NegativeBinomial, StudentT

rng = np.random.default_rng(0)
N = 60
X = rng.standard_normal((N, 2))
SIGNAL = X @ [0.6, -0.4]
WEIGHT = rng.integers(1, 4, N).astype(float)
Y = {
    "binary": (SIGNAL + rng.logistic(size=N) > 0).astype(int),
    "three": np.digitize(SIGNAL + rng.logistic(size=N), [-1.0, 1.0]),
    "real": SIGNAL + np.exp(0.3 * X[:, 1]) * rng.standard_normal(N),
    "positive": np.exp(SIGNAL) * rng.gamma(2.0, 0.5, N),
    "count": rng.poisson(np.exp(0.5 * SIGNAL) * rng.gamma(2.0, 0.5, N)).astype(float),
}
MODELS = {
    "classifier": (MLELogisticClassifier(), "binary"),
    "classifier, prior": (MLELogisticClassifier(C=2.0), "binary"),
    "classifier, balanced": (MLELogisticClassifier(class_weight="balanced"), "three"),
    "classifier, class weights": (MLELogisticClassifier(class_weight={0: 1.0, 1: 2.0}), "binary"),
    "classifier, firth": (MLELogisticClassifier(bias_reduction="firth"), "binary"),
    "classifier, no intercept": (MLELogisticClassifier(fit_intercept=False), "three"),
    "gaussian": (GaussianMLERegressor(), "real"),
    "gaussian, log-linear": (GaussianMLERegressor(scale="log_linear"), "real"),
    "gaussian, known": (GaussianMLERegressor(scale=0.7, alpha=1.0), "real"),
    "gaussian, precisions": (GaussianMLERegressor(weight_type="precision"), "real"),
    "gamma": (MLERegressor("gamma"), "positive"),
    "gamma, precisions": (MLERegressor("gamma", weight_type="precision"), "positive"),
    "poisson, sampling": (MLERegressor("poisson", weight_type="sampling"), "count"),
    "gamma, prior": (MLERegressor("gamma", alpha=3.0), "positive"),
    "gamma, log-linear": (MLERegressor("gamma", predictors="linear"), "positive"),
    "gamma, one column each": (MLERegressor("gamma", predictors={"shape": [0], "mean": [-1]}), "positive"),
    "gamma, two priors": (MLERegressor("gamma", predictors="linear", alpha={"mean": 1.0, "shape": 2.0}), "positive"),
    "student_t, df": (MLERegressor("student_t", predictors={"df": "constant", "scale": 0.9}), "real"),
    "student_t": (MLERegressor(StudentT(df=4.0)), "real"),
    "negative_binomial": (MLERegressor(NegativeBinomial(), fit_intercept=False), "count"),
}
# Other values than any of the models has; a parameter that is not listed fails the sweep.
OTHERS = {
    "C": [0.1, np.inf],
    "alpha": [0.0, 5.0, {}],
    "bias_reduction": ["firth", None],
    "class_weight": ["balanced", {0: 1.0, 1: 5.0}, None],
    "fit_intercept": [False, True],
    "likelihood": ["laplace", "poisson", StudentT(df=None)],
    "likelihood__df": [30.0],
    "max_iter": [1],
    "on_separation": ["raise", "ignore"],
    "predictors": [None, "linear", {"shape": 2.5}, {"scale": [1]}],
    "scale": ["constant", "log_linear", 2.5],
    "solver": ["newton-cg"],
    "tol": [1e-2],
    "verbose": [1],
    "warm_start": [True],
    "weight_type": ["precision", "sampling", "frequency"],
}


def answer(call):
    """What a call says, to the last bit; an error is an answer too."""
    try:
        value = call()
    except (ValueError, NotImplementedError) as error:
        return f"{type(error).__name__}: {error}"
    return (
        [np.asarray(part).tobytes() for part in vars(value).values()]
        if hasattr(value, "p_value")
        else (np.asarray(value).tobytes() if isinstance(value, np.ndarray | float | int | tuple) else repr(value))
    )


def answers(model, smaller, y):
    """Everything that a fitted model says, by the name of the question."""
    calls = {name: (lambda name=name: getattr(model, name)) for name in vars(model) if name.endswith("_")}
    calls["condition_number_"] = lambda: model.condition_number_
    if hasattr(model, "predict_parameters"):
        calls |= {
            "parameters_": lambda: model.parameters_,
            "predict_parameters": lambda: np.stack(list(model.predict_parameters(X).values())),
        }
    for name in ("predict", "decision_function", "predict_proba", "predict_log_proba", "predict_interval", "sample"):
        if hasattr(model, name):
            arguments = {"random_state": 0} if name == "sample" else {}
            calls[name] = lambda name=name, arguments=arguments: getattr(model, name)(X, **arguments)
    for name in ("score", "log_likelihood", "deviance", "d2_score"):
        if hasattr(model, name):
            calls[name] = lambda name=name: getattr(model, name)(X, y, WEIGHT)
    if hasattr(model, "predict_quantile"):
        calls |= {
            "return_std": lambda: model.predict(X, return_std=True),
            "parameter uncertainty": lambda: model.predict_interval(X[:3], include_parameter_uncertainty=True),
            "predict_quantile": lambda: model.predict_quantile(X, [0.1, 0.8]),
            "predict_distribution": lambda: model.predict_distribution(X).cdf(y),
        }
    calls |= {name: getattr(model, name) for name in ("aic", "bic", "summary", "standard_errors")}
    for covariance in ("auto", "expected", "HC1"):
        for penalized in (None, "laplace", "sandwich"):
            options = {"covariance": covariance, "penalized": penalized, "sample_weight": WEIGHT}
            calls[f"infer {covariance} {penalized}"] = lambda options=options: infer(model, X, y, **options).summary()
    calls |= {
        "likelihood_ratio_test": lambda: likelihood_ratio_test(smaller, model, (X[:, :1], X), y, sample_weight=WEIGHT),
        "score_test": lambda: score_test(smaller, X[:, :1], y, X[:, 1:], sample_weight=WEIGHT),
        "profile_interval": lambda: profile_interval(model, X, y, 0, sample_weight=WEIGHT),
    }
    return {name: answer(call) for name, call in calls.items()}


def others_of(model, name):
    current = model.get_params()[name]
    return [value for value in OTHERS[name] if repr(value) != repr(current)]


def changed(before, model, smaller, y):
    found = answers(model, smaller, y)
    return [question for question in before if found[question] != before[question]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (k % 4 > 0)) for k, name in enumerate(MODELS)]
)
def test_no_parameter_that_is_set_after_fit_changes_an_answer(name):
    """All have other values at once, until each value was there; then they are gone, so that nothing can read them."""
    model, kind = MODELS[name]
    y = Y[kind]
    model, smaller = clone(model).fit(X, y, WEIGHT), clone(model).fit(X[:, :1], y, WEIGHT)
    before = answers(model, smaller, y)
    assert sum(not isinstance(value, str) or "Error: " not in value for value in before.values()) > len(before) / 2
    others = {parameter: others_of(model, parameter) for parameter in model.get_params()}
    nested = {parameter: others.pop(parameter)[0] for parameter in list(others) if "__" in parameter}
    rounds = range(max(map(len, others.values())))
    changes = [{parameter: each[k % len(each)] for parameter, each in others.items() if each} for k in rounds]
    for values in [nested, *changes] if nested else changes:
        for fitted in (model, smaller):
            fitted.set_params(**values)
        assert changed(before, model, smaller, y) == [], values
    for fitted in (model, smaller):
        for parameter in set(others) - {"likelihood"}:  # scikit-learn's tags are those of the likelihood to be fitted
            delattr(fitted, parameter)
    assert changed(before, model, smaller, y) == []


@pytest.mark.filterwarnings("ignore")
def test_what_parameters_hold_may_be_mutated_after_fit():
    likelihood, weights = StudentT(df=4.0), {0: 1.0, 1: 2.0}
    robust = MLERegressor(likelihood).fit(X, Y["real"], WEIGHT)
    weighted = MLELogisticClassifier(class_weight=weights).fit(X, Y["binary"], WEIGHT)
    before = answers(robust, robust, Y["real"]), answers(weighted, weighted, Y["binary"])
    likelihood.df = 30.0
    weights[1] = 7.0
    assert (answers(robust, robust, Y["real"]), answers(weighted, weighted, Y["binary"])) == before


def test_balanced_class_weights_are_those_of_the_fit():
    model = MLELogisticClassifier(class_weight="balanced").fit(X, Y["three"], WEIGHT)
    mass = np.bincount(Y["three"], WEIGHT)
    np.testing.assert_allclose(model._fitted.class_weights, mass.sum() / (3 * mass), rtol=1e-15)


def test_a_log_linear_scale_stays_one():
    """The issue's own cases: six standard errors became four others, and an AIC that was refused was given."""
    model = GaussianMLERegressor(scale="log_linear").fit(X, Y["real"])
    errors = model.standard_errors()
    assert errors.shape == (6,)
    np.testing.assert_array_equal(model.set_params(scale="constant").standard_errors(), errors)
    penalized = MLERegressor("gamma", alpha=3.0).fit(X, Y["positive"]).set_params(alpha=0.0)
    with pytest.raises(ValueError, match="a penalty"):
        penalized.aic()


def test_a_pickle_keeps_what_was_fitted():
    model = MLERegressor("gamma", alpha=3.0).fit(X, Y["positive"])
    again = pickle.loads(pickle.dumps(model)).set_params(alpha=0.0, likelihood="laplace")
    with pytest.raises(ValueError, match="a penalty"):
        again.aic()
    np.testing.assert_array_equal(again.predict_quantile(X, 0.3), model.predict_quantile(X, 0.3))
