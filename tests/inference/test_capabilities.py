"""The table of what cannot be answered: its words are known, its rows are reached, and its reasons can be read."""

import string

import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import infer, likelihood_ratio_test, mean_interval, probability_interval, profile_interval
from sklearn_mle.inference.capabilities import REFUSALS, why_not

X = np.arange(12.0)[:, None]
Y = np.array([1.0, 3, 2, 5, 4, 6, 5, 8, 7, 9, 8, 11])
LABELS = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1])


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: " ".join(sorted(row.words)))
def test_no_row_stands_in_the_shade_of_another_and_its_reason_has_known_places(row):
    assert why_not(row.words) is not None
    earlier = [other for other in REFUSALS[: REFUSALS.index(row)] if other.words <= row.words]
    assert not earlier
    places = {place for _, place, _, _ in string.Formatter().parse(row.reason) if place}
    assert places <= {"call", "model", "likelihood", "how", "covariance", "penalized", "bread", "kind"}


def test_what_is_asked_for_in_vain_is_one_error():
    laplace, ridge = MLERegressor("laplace").fit(X, Y), GaussianMLERegressor(alpha=1.0).fit(X, Y)
    logistic, gaussian = MLELogisticClassifier().fit(X, LABELS), GaussianMLERegressor().fit(X, Y)
    firth = MLELogisticClassifier(bias_reduction="firth").fit(X, LABELS)
    weighted = MLELogisticClassifier(class_weight="balanced").fit(X, LABELS)
    for ask, words in (
        (lambda: laplace.summary(), "Laplace.*carries no information"),
        (lambda: ridge.summary(), "GaussianMLERegressor was fitted with a penalty"),
        (lambda: weighted.bic(), r"bic needs the maximum.*class_weight"),
        (lambda: ridge.predict_interval(X, include_parameter_uncertainty=True), "a penalty"),
        (lambda: profile_interval(laplace, X, Y), "kinks"),
        (lambda: infer(gaussian, X, Y, penalized="laplace"), "penalized='laplace', but this GaussianMLERegressor"),
        (lambda: infer(gaussian, X, Y, covariance="kernel"), r"kink; for Gaussian\(\)"),
        (lambda: mean_interval(infer(logistic), X), "probability_interval"),
        (lambda: probability_interval(infer(gaussian), X), "mean_interval"),
        (lambda: infer(logistic).against(0), "three or more classes"),
        (lambda: likelihood_ratio_test(logistic, firth, X, LABELS), "bias reduction, and the other was not"),
    ):
        with pytest.raises(NotSupportedError, match=words):
            ask()
