"""How many parameters a fitted model has, where that is known."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

__all__ = ["parameter_count"]


def parameter_count(estimator: Any) -> float:
    """Count the estimated parameters of a fitted estimator, scale included; nan where it does not say.

    Ours say it themselves; of scikit-learn's linear classifiers coefficients and intercepts are counted. Of K > 2
    classes K - 1 count: an equal change of all K changes no probability. Under a penalty they are worth less.
    """
    while hasattr(estimator, "best_estimator_") or isinstance(estimator, Pipeline):
        estimator = estimator.best_estimator_ if hasattr(estimator, "best_estimator_") else estimator.steps[-1][1]
    fitted = getattr(estimator, "_fitted", None)
    if fitted is not None:
        return float(fitted.kept.n_parameters)
    if not (type(estimator).__module__.startswith("sklearn.linear_model.") and is_classifier(estimator)):
        return float("nan")
    rows = np.atleast_2d(estimator.coef_)
    return float((len(rows) - (len(rows) > 1)) * (rows.shape[1] + bool(estimator.fit_intercept)))
