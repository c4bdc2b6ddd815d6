"""Floor 6: what the data say about the parameters of a fitted model, and whether they say enough."""

from sklearn_mle.inference.hypotheses import HypothesisTest
from sklearn_mle.inference.infer import infer
from sklearn_mle.inference.profile import ProfileLikelihood
from sklearn_mle.inference.result import DeltaMethod, Inference
from sklearn_mle.inference.separation import Separation, detect_separation
from sklearn_mle.inference.summary import Summary

__all__ = [
    "DeltaMethod",
    "HypothesisTest",
    "Inference",
    "ProfileLikelihood",
    "Separation",
    "Summary",
    "detect_separation",
    "infer",
]
