"""Likelihoods around any scikit-learn model: the model is wrapped, not replaced."""

__all__: list[str] = []
