"""Public calls of scorers, comparisons and displays with good arguments, any of which a hostile value may replace."""

import numpy as np
import pandas as pd
from matplotlib import pyplot
from sklearn.model_selection import KFold

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, displays, metrics
from sklearn_mle.inference import infer
from sklearn_mle.model_selection import compare
from tests.hard_inputs.calls import FORECAST, LABELS, PROBABILITIES, REAL, WEIGHT, N, X, classifier, regressor

GROUPS = np.arange(N) % 4
FOLDS = list(KFold(2).split(X))


def scorer_calls():
    for name in metrics.get_scorer_names():
        estimator, y = (regressor(), REAL) if name == "neg_crps" else (classifier(), LABELS)
        rows = {"X": X, "y_true": y, "sample_weight": WEIGHT, "offset": np.zeros(N)}
        yield f"{name}_scorer", metrics.get_scorer(name), {"estimator": estimator, **rows}
    rows = {"X": X, "y_true": REAL, "sample_weight": WEIGHT, "offset": np.zeros(N)}
    yield "log_likelihood_scorer, densities", metrics.log_likelihood_scorer, {"estimator": regressor(), **rows}
    make = {"score_func": metrics.cross_entropy, "greater_is_better": False, "response": "classes", "name": "mine"}
    yield "make_probabilistic_scorer", metrics.make_probabilistic_scorer, make


def compare_calls():
    models = {"a": MLELogisticClassifier(C=1.0), "b": MLELogisticClassifier(C=0.1)}
    good = {"estimators": models, "X": X, "y": LABELS, "cv": 2, "scoring": "neg_cross_entropy", "groups": GROUPS}
    good |= {"sample_weight": WEIGHT, "offset": np.zeros(N), "n_jobs": None, "verbose": 0}
    yield "compare", compare, good
    regressions = {"estimators": {"a": GaussianMLERegressor(alpha=1.0)}, "X": X, "y": REAL, "cv": FOLDS}
    yield "compare regressions", compare, regressions
    comparison = compare(models, X, LABELS, cv=2)
    yield "Comparison.score", comparison.score, {"name": "a"}
    yield "Comparison.difference", comparison.difference, {"first": "a", "second": "b"}


def closing(make):
    """Draw and close: thousands of open figures would be a fault of this file."""

    def call(**given):
        try:
            return make(**given)
        finally:
            pyplot.close("all")

    return call


def display_calls():
    weighted = {"sample_weight": WEIGHT, "offset": np.zeros(N)}
    look = {"confidence_level": 0.9, "base": 2.0, "name": "mine"}
    of_classes = {"estimator": classifier(), "X": X, "y": LABELS}
    of_numbers = {"estimator": regressor(), "X": X, "y": REAL}
    bars = {"confidence_level": 0.9, "predictor": None, "intercept": False, "odds_ratios": False, "max_coefficients": 5}
    bins = {"n_bins": 4, "sample_weight": WEIGHT, "confidence_level": 0.9, "name": "mine"}
    profile = {**of_classes, "parameter": "x0", "confidence_level": 0.9, "n_points": 5, "base": None}
    convergence = {**of_numbers, **weighted, "base": None, "name": "mine"}
    slice_ = {"feature": 0, "coverage": 0.9, "grid_resolution": 5, "offset": 0.0}
    resampled = {"pos_label": 1, "sample_weight": WEIGHT, "n_resamples": 3, "random_state": 0, **look}
    frame = pd.DataFrame(X, columns=["x0", "x1"])
    of_frame = {"estimator": GaussianMLERegressor().fit(frame, REAL), "X": frame, "y": REAL}
    given = {
        "CoefficientDisplay.from_estimator": {**of_classes, **bars},
        "CoefficientDisplay.from_inference": {"inference": infer(classifier()), **bars},
        "ComparisonDisplay.from_estimators": {
            "estimators": {"a": MLELogisticClassifier(C=1.0), "b": MLELogisticClassifier(C=0.1)},
            "X": X,
            "y": LABELS,
            "confidence_level": 0.9,
            "base": None,
        },
        "ConvergenceDisplay.from_estimator": convergence,
        "CrossEntropyDecompositionDisplay.from_estimator": {**of_classes, **weighted, **look},
        "CrossEntropyDecompositionDisplay.from_predictions": {"y_true": LABELS, "y_pred": PROBABILITIES, **look},
        "PITDisplay.from_estimator": {**of_numbers, **bins},
        "PITDisplay.from_predictions": {"y_true": REAL, "y_pred": FORECAST, **bins},
        "PredictiveDisplay.from_estimator": {**of_frame, **slice_},
        "ProfileLikelihoodDisplay.from_estimator": profile,
        "ReliabilityDisplay.from_estimator": {**of_classes, "offset": np.zeros(N), **resampled},
        "ReliabilityDisplay.from_predictions": {"y_true": LABELS, "y_prob": PROBABILITIES[:, 1], **resampled},
    }
    for label, good in given.items():
        display, maker = label.split(".")
        yield label, closing(getattr(getattr(displays, display), maker)), good
        drawn = getattr(getattr(displays, display), maker)(**good)
        yield f"{label.replace('from', 'plot, from')}", closing(drawn.plot), {"ax": None}
        pyplot.close("all")


def calls():
    for group in (scorer_calls, compare_calls, display_calls):
        yield from group()
