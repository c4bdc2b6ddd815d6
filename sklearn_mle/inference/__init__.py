"""Floor 6: what the data say about the parameters of a fitted model, and whether they say enough."""

from sklearn_mle.inference.profile import ProfileLikelihood

__all__ = ["ProfileLikelihood"]
