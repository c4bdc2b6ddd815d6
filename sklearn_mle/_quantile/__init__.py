"""Quantile regression: the check loss over rows and its exact minimizer. No likelihoods, no fits."""
