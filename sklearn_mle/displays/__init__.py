"""Pictures, in scikit-learn's ``Display`` convention: ``from_estimator`` computes and draws, ``plot(ax=)`` draws again.

matplotlib is imported when something is first drawn: ``pip install 'sklearn-mle[displays]'``.
"""

from sklearn_mle.displays.coefficient import CoefficientDisplay
from sklearn_mle.displays.comparison import ComparisonDisplay
from sklearn_mle.displays.convergence import ConvergenceDisplay
from sklearn_mle.displays.cross_entropy_decomposition import CrossEntropyDecompositionDisplay
from sklearn_mle.displays.pit import PITDisplay
from sklearn_mle.displays.predictive import PredictiveDisplay
from sklearn_mle.displays.profile_likelihood import ProfileLikelihoodDisplay
from sklearn_mle.displays.reliability import ReliabilityDisplay

__all__ = [
    "CoefficientDisplay",
    "ComparisonDisplay",
    "ConvergenceDisplay",
    "CrossEntropyDecompositionDisplay",
    "PITDisplay",
    "PredictiveDisplay",
    "ProfileLikelihoodDisplay",
    "ReliabilityDisplay",
]
