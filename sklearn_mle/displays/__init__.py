"""Plots in scikit-learn's ``Display`` convention: ``from_estimator`` computes and draws, ``plot(ax=)`` draws again.

matplotlib is imported when something is first drawn: ``pip install 'sklearn-mle[displays]'``.
"""

from sklearn_mle.displays.coefficients import CoefficientDisplay
from sklearn_mle.displays.distributions import PITDisplay, PredictiveDisplay
from sklearn_mle.displays.effects import EffectsDisplay
from sklearn_mle.displays.influence import InfluenceDisplay
from sklearn_mle.displays.likelihood import ConvergenceDisplay, ProfileLikelihoodDisplay
from sklearn_mle.displays.reliability import ReliabilityDisplay
from sklearn_mle.displays.residuals import ResidualDisplay
from sklearn_mle.displays.scores import ComparisonDisplay, CrossEntropyDecompositionDisplay

__all__ = [
    "CoefficientDisplay",
    "ComparisonDisplay",
    "ConvergenceDisplay",
    "CrossEntropyDecompositionDisplay",
    "EffectsDisplay",
    "InfluenceDisplay",
    "PITDisplay",
    "PredictiveDisplay",
    "ProfileLikelihoodDisplay",
    "ReliabilityDisplay",
    "ResidualDisplay",
]
