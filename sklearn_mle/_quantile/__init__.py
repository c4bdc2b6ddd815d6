"""Quantile regression: the check loss over rows and its exact minimizer. It knows no likelihoods and no fits."""
