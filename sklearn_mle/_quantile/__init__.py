"""Quantile regression: the check loss over rows and its exact minimizer, apart from likelihoods and fits."""
