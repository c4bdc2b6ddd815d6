"""Judge any probabilistic estimator: cross-entropy, entropy, Kullback-Leibler divergence, and scorers.

The functions take arrays and give numbers. The scorers go where scikit-learn has ``scoring=``.
"""

from sklearn_mle.metrics.cross_entropy import cross_entropy, entropy, kl_divergence
from sklearn_mle.metrics.scorers import (
    get_scorer,
    get_scorer_names,
    log_likelihood_scorer,
    neg_cross_entropy_scorer,
    neg_kl_divergence_scorer,
)

__all__ = [
    "cross_entropy",
    "entropy",
    "get_scorer",
    "get_scorer_names",
    "kl_divergence",
    "log_likelihood_scorer",
    "neg_cross_entropy_scorer",
    "neg_kl_divergence_scorer",
]
