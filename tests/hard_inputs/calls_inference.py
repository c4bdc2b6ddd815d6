"""Public calls of inference with good arguments, any of which a hostile value may replace."""

import numpy as np

from sklearn_mle import inference
from sklearn_mle.inference import infer, profile_interval
from tests.hard_inputs.calls import COUNTS, LABELS, REAL, WEIGHT, N, P, X, classifier, poisson, regressor

GROUPS = np.arange(N) % 4
THREE = np.arange(N) % 3
Z = np.random.default_rng(3).standard_normal((N, P))


def infer_calls():
    rows = {"sample_weight": np.ones(N), "offset": np.zeros(N)}
    options = {"weight_type": "frequency", "penalized": None, "small_sample": True, "dispersion": None, "bread": None}
    both = {"classifier": (classifier, LABELS), "regressor": (regressor, REAL), "poisson": (poisson, COUNTS)}
    for kind, (fitted, y) in both.items():
        good = {"estimator": fitted(), "X": X, "y": y, **rows, "covariance": "HC1", **options}
        yield f"infer({kind})", infer, good
    good = {"estimator": regressor(), "X": X, "y": REAL, "groups": GROUPS}
    yield "infer by clusters", lambda **given: infer(**given, covariance="cluster"), good
    good = {"estimator": classifier(C=1.0), "X": X, "y": LABELS, "penalized": "laplace"}
    yield "infer, penalized", infer, good


def result_calls():
    of_classes = infer(classifier(), X, LABELS)
    level = {"confidence_level": 0.9}
    yield "confidence_intervals", of_classes.confidence_intervals, level
    yield "Inference.summary", of_classes.summary, {**level, "odds_ratios": False}
    yield "Inference.wald_test", of_classes.wald_test, {"R": np.eye(3)[:2], "r": np.zeros(2)}
    yield "Inference.wald_test by name", of_classes.wald_test, {"R": ["x0", "x1"], "r": 0.0}
    yield "delta_method", of_classes.delta_method, {"fn": np.exp}
    yield "DeltaMethod.confidence_interval", of_classes.delta_method(np.exp).confidence_interval, level
    three = infer(inference_of_three(), Z, THREE)
    yield "against", three.against, {"reference": 0}
    means = {"inference": infer(poisson(), X, COUNTS), "X": X, "offset": np.zeros(N), **level}
    yield "mean_interval", inference.mean_interval, means
    yield "probability_interval", inference.probability_interval, {**means, "inference": of_classes}


def inference_of_three():
    from sklearn_mle import MLELogisticClassifier

    return MLELogisticClassifier().fit(Z, THREE)


def comparison_calls():
    rows = {"X": X, "y": LABELS, "sample_weight": np.ones(N), "offset": np.zeros(N)}
    smaller, larger = classifier(), classifier()
    smaller = type(smaller)().fit(X[:, :1], LABELS)

    def ratio(smaller, larger, X, y, **given):
        pair = (X[:, :1], X) if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] else X
        return inference.likelihood_ratio_test(smaller, larger, pair, y, **given)

    yield "likelihood_ratio_test", ratio, {"smaller": smaller, "larger": larger, **rows, "small_sample": True}
    yield "score_test", inference.score_test, {"smaller": larger, **rows, "extra": Z}
    good = {"estimator": larger, **rows, "R": np.eye(3)[1:], "r": 0.0}
    yield "wald_test", inference.wald_test, good


def profile_calls():
    good = {"X": X, "y": LABELS, "sample_weight": WEIGHT, "offset": np.zeros(N)}
    weighted = classifier().fit(X, LABELS, sample_weight=WEIGHT)
    options = {"parameter": "x0", "confidence_level": 0.9, "n_points": 3, "small_sample": True}
    yield "profile_interval", profile_interval, {"estimator": weighted, **good, **options}
    profile = profile_interval(poisson(), X, COUNTS, "x0", n_points=3)
    yield "ProfileLikelihood.wald", profile.wald, {"values": np.array([0.1, 0.2])}


def separation_calls():
    good = {"X": X, "y": LABELS, "sample_weight": WEIGHT, "fit_intercept": True}
    yield "detect_separation", inference.detect_separation, good
    good = {"X": X, "y": COUNTS, "likelihood": "poisson"}
    yield "detect_separation of counts", inference.detect_separation, good


def calls():
    for group in (infer_calls, result_calls, comparison_calls, profile_calls, separation_calls):
        yield from group()
