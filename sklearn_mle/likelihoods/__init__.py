"""Floor 1: what is assumed about y. One probability model a file; none of them knows of X."""

from sklearn_mle.likelihoods._base import Likelihood
from sklearn_mle.likelihoods.asymmetric_laplace import AsymmetricLaplace
from sklearn_mle.likelihoods.bernoulli import Bernoulli
from sklearn_mle.likelihoods.categorical import Categorical
from sklearn_mle.likelihoods.gamma import Gamma
from sklearn_mle.likelihoods.gaussian import Gaussian
from sklearn_mle.likelihoods.gumbel import Gumbel
from sklearn_mle.likelihoods.huber import Huber
from sklearn_mle.likelihoods.inverse_gaussian import InverseGaussian
from sklearn_mle.likelihoods.laplace import Laplace
from sklearn_mle.likelihoods.logistic import Logistic
from sklearn_mle.likelihoods.lognormal import LogNormal
from sklearn_mle.likelihoods.negative_binomial import NegativeBinomial
from sklearn_mle.likelihoods.poisson import Poisson
from sklearn_mle.likelihoods.student_t import StudentT
from sklearn_mle.likelihoods.weibull import Weibull

__all__ = ["Bernoulli", "Categorical", "Gaussian", "Likelihood"]
