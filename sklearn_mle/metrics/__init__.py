"""Scores of any probabilistic estimator: of class probabilities and of distributions; and scorers.

The functions take arrays and give numbers. The scorers go where scikit-learn has ``scoring=``:

>>> from sklearn.datasets import load_breast_cancer
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.model_selection import cross_val_score
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from sklearn_mle.metrics import neg_cross_entropy_scorer
>>> model = make_pipeline(StandardScaler(), LogisticRegression())
>>> X, y = load_breast_cancer(return_X_y=True)
>>> cross_val_score(model, X, y, scoring=neg_cross_entropy_scorer).mean().round(2)
np.float64(-0.08)
"""

from sklearn_mle.metrics._kl_of_distributions import gaussian_kl_divergence
from sklearn_mle.metrics.cross_entropy import cross_entropy, entropy, kl_divergence
from sklearn_mle.metrics.crps import crps
from sklearn_mle.metrics.decomposition import (
    CrossEntropyDecomposition,
    DecompositionErrors,
    cross_entropy_decomposition,
)
from sklearn_mle.metrics.density_scores import (
    coverage,
    interval_score,
    negative_log_likelihood,
    pit_histogram,
    pit_values,
)
from sklearn_mle.metrics.information import d2_cross_entropy, information_gain, jensen_shannon_divergence
from sklearn_mle.metrics.scorers import (
    discrimination_scorer,
    get_scorer,
    get_scorer_names,
    information_gain_scorer,
    log_likelihood_scorer,
    make_probabilistic_scorer,
    neg_cross_entropy_scorer,
    neg_crps_scorer,
    neg_kl_divergence_scorer,
    neg_miscalibration_scorer,
)

__all__ = [
    "CrossEntropyDecomposition",
    "DecompositionErrors",
    "coverage",
    "cross_entropy",
    "cross_entropy_decomposition",
    "crps",
    "d2_cross_entropy",
    "discrimination_scorer",
    "entropy",
    "gaussian_kl_divergence",
    "get_scorer",
    "get_scorer_names",
    "information_gain",
    "information_gain_scorer",
    "interval_score",
    "jensen_shannon_divergence",
    "kl_divergence",
    "log_likelihood_scorer",
    "make_probabilistic_scorer",
    "neg_cross_entropy_scorer",
    "neg_crps_scorer",
    "neg_kl_divergence_scorer",
    "neg_miscalibration_scorer",
    "negative_log_likelihood",
    "pit_histogram",
    "pit_values",
]
