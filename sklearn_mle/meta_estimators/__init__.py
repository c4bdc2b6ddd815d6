"""Likelihoods around any scikit-learn model: the model is wrapped, not replaced."""

from sklearn_mle.meta_estimators.calibrated_classifier import LikelihoodCalibratedClassifier
from sklearn_mle.meta_estimators.distributional_regressor import DistributionalRegressor

__all__ = ["DistributionalRegressor", "LikelihoodCalibratedClassifier"]
