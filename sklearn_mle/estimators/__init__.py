"""The estimators: validation, scikit-learn's conventions, and calls of the fit; nothing numeric."""

from sklearn_mle.estimators.logistic import MLELogisticClassifier
from sklearn_mle.estimators.regressor import GaussianMLERegressor, MLERegressor

__all__ = ["GaussianMLERegressor", "MLELogisticClassifier", "MLERegressor"]
