"""Floor 1: what is assumed about y. One probability model a file; none of them knows of X."""

from sklearn_mle.likelihoods._base import Likelihood
from sklearn_mle.likelihoods.bernoulli import Bernoulli
from sklearn_mle.likelihoods.categorical import Categorical
from sklearn_mle.likelihoods.gaussian import Gaussian

__all__ = ["Bernoulli", "Categorical", "Gaussian", "Likelihood"]
