"""How many parameters a fitted model has, where that is known."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

__all__ = ["parameter_count"]


def parameter_count(estimator: Any) -> float:
    """Count the estimated parameters of a fitted estimator, scale included; nan where it does not say.

    Coefficients and intercepts are known of our estimators and of scikit-learn's linear classifiers. Of K > 2 classes
    K - 1 rows count: an equal change of all K changes no probability. Under a penalty they are worth less.
    """
    while hasattr(estimator, "best_estimator_") or isinstance(estimator, Pipeline):
        estimator = estimator.best_estimator_ if hasattr(estimator, "best_estimator_") else estimator.steps[-1][1]
    room = type(estimator).__module__
    linear_classifier = room.startswith("sklearn.linear_model.") and is_classifier(estimator)
    if not hasattr(estimator, "coef_") or not (linear_classifier or room.startswith("sklearn_mle.")):
        return float("nan")
    rows = np.atleast_2d(estimator.coef_)
    of_location = (len(rows) - (len(rows) > 1)) * (rows.shape[1] + bool(estimator.fit_intercept))
    if hasattr(estimator, "scale_coef_"):
        return float(of_location + len(estimator.scale_coef_) + 1)
    return float(of_location + (hasattr(estimator, "scale_") and isinstance(estimator.scale, str)))
