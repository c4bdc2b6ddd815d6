"""Quantile regression: the check loss over rows and its exact minimizer. It knows no likelihoods and no fits."""

from sklearn_mle._quantile.active_set import with_least_norm
from sklearn_mle._quantile.check_loss import CheckLoss, Optimum
from sklearn_mle._quantile.minimize import least_squares, minimize_check_loss, with_same_zeros

__all__ = ["CheckLoss", "Optimum", "least_squares", "minimize_check_loss", "with_least_norm", "with_same_zeros"]
