"""Public calls with good arguments, any of which a hostile value may replace: (label, call, arguments)."""

import inspect

import numpy as np
from scipy import stats

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor, metrics
from sklearn_mle.likelihoods import Laplace, check_likelihood, get_likelihood

N, P = 12, 2
rng = np.random.default_rng(0)
X = rng.standard_normal((N, P))
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0])
REAL = X @ [1.0, -0.5] + rng.standard_normal(N)
COUNTS = rng.poisson(2.0, N).astype(float)
PROBABILITIES = np.column_stack([np.linspace(0.2, 0.8, N), np.linspace(0.8, 0.2, N)])
WEIGHT = rng.uniform(0.5, 2.0, N)


def classifier(**params):
    return MLELogisticClassifier(**params).fit(X, LABELS)


def regressor(**params):
    return GaussianMLERegressor(**params).fit(X, REAL)


def poisson():
    return MLERegressor("poisson").fit(X, COUNTS)


FORECAST = stats.norm(loc=REAL, scale=1.0)
Y = {MLELogisticClassifier: LABELS, GaussianMLERegressor: REAL, MLERegressor: REAL}


def fit_calls():
    for estimator, y in Y.items():
        for name in estimator().get_params():
            value = getattr(estimator(), name)
            yield (
                f"{estimator.__name__}({name})",
                lambda estimator=estimator, y=y, **params: estimator(**params).fit(X, y),
                {name: value},
            )
        good = {"X": X, "y": y, "sample_weight": WEIGHT, "offset": np.zeros(N)}
        yield f"{estimator.__name__}.fit", lambda estimator=estimator, **given: estimator().fit(**given), good
    soft = {"X": X, "y": PROBABILITIES}
    yield "MLELogisticClassifier.fit, soft labels", lambda **given: MLELogisticClassifier().fit(**given), soft
    for name in ("poisson", "laplace", "student_t", "gamma", "binomial", "beta"):
        good = {"X": X, "y": {"binomial": LABELS, "beta": PROBABILITIES[:, 0]}.get(name, COUNTS + 1)}
        yield f"MLERegressor({name}).fit", lambda name=name, **given: MLERegressor(name).fit(**given), good
    good = {"X": X, "y": REAL}
    yield "log-linear fit", lambda **given: GaussianMLERegressor(scale="log_linear").fit(**given), good


def method_calls():
    models = {"classifier": (classifier(), LABELS), "regressor": (regressor(), REAL), "poisson": (poisson(), COUNTS)}
    other = {
        "coverage": 0.9,
        "q": 0.5,
        "n_samples": 2,
        "random_state": 0,
        "return_std": False,
        "confidence_level": 0.9,
        "odds_ratios": False,
        "rate_ratios": False,
        "small_sample": True,
        "reference": None,
        "include_parameter_uncertainty": False,
    }
    for kind, (model, y) in models.items():
        for name, method in inspect.getmembers(model, callable):
            if name.startswith(("_", "set_", "get_")) or name == "fit":
                continue
            given = {"X": X, "y": y, "sample_weight": WEIGHT, "offset": np.zeros(N), **other}
            given["text"] = model.to_json()
            good = {key: given[key] for key in inspect.signature(method).parameters}
            if name == "predict_interval":
                del good["sample_weight"]  # of precisions, below
            if good:
                yield f"{kind}.{name}", method, good
    precise = GaussianMLERegressor(weight_type="precision").fit(X, REAL, WEIGHT)
    yield "precise.predict_interval", precise.predict_interval, {"X": X, "sample_weight": WEIGHT}


def metric_calls():
    rows = {"y_true": LABELS, "y_pred": PROBABILITIES, "labels": np.array([0, 1]), "sample_weight": WEIGHT}
    rows |= {"log_proba": False, "base": 2.0}
    for name in ("cross_entropy", "kl_divergence", "jensen_shannon_divergence", "information_gain", "d2_cross_entropy"):
        metric = getattr(metrics, name)
        yield name, metric, {key: rows[key] for key in inspect.signature(metric).parameters}
    yield (
        "entropy",
        metrics.entropy,
        {"y_true": PROBABILITIES, "sample_weight": WEIGHT, "labels": np.array([0, 1]), "log_proba": False, "base": 2.0},
    )
    parts = {"strategy": "isotonic", "n_bins": 3, "n_resamples": 0, "random_state": 0}
    yield "cross_entropy_decomposition", metrics.cross_entropy_decomposition, {**rows, **parts}
    gaussian = dict.fromkeys(("mean_true", "mean_pred"), REAL) | dict.fromkeys(("std_true", "std_pred"), WEIGHT)
    both = {"sample_weight": WEIGHT, "base": 2.0}
    yield "gaussian_kl_divergence", metrics.gaussian_kl_divergence, {**gaussian, **both}
    forecast = {"y_true": REAL, "y_pred": FORECAST}
    yield "crps", metrics.crps, {**forecast, "sample_weight": WEIGHT}
    yield "negative_log_likelihood", metrics.negative_log_likelihood, {**forecast, **both}
    yield "pit_values", metrics.pit_values, forecast
    yield "pit_histogram", metrics.pit_histogram, {**forecast, "n_bins": 5, "sample_weight": WEIGHT}
    intervals = {"y_true": REAL, "interval": np.column_stack([REAL - 1, REAL + 1]), "sample_weight": WEIGHT}
    yield "coverage", metrics.coverage, intervals
    yield "interval_score", metrics.interval_score, {**intervals, "coverage": 0.9}


def other_calls():
    yield "get_scorer", metrics.get_scorer, {"name": "neg_cross_entropy"}
    yield "get_likelihood", get_likelihood, {"likelihood": "gaussian"}
    yield "check_likelihood", check_likelihood, {"likelihood": Laplace()}


def calls():
    for group in (fit_calls, method_calls, metric_calls, other_calls):
        yield from group()
