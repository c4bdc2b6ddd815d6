"""Probability models of y given its linear predictors, one per file; X is not seen here."""

from inspect import isclass

from sklearn_mle.likelihoods._answers import name_problems
from sklearn_mle.likelihoods._base import Likelihood
from sklearn_mle.likelihoods.bernoulli import Bernoulli
from sklearn_mle.likelihoods.beta import Beta
from sklearn_mle.likelihoods.binomial import Binomial
from sklearn_mle.likelihoods.categorical import Categorical
from sklearn_mle.likelihoods.check import check_likelihood
from sklearn_mle.likelihoods.gamma import Gamma
from sklearn_mle.likelihoods.gaussian import Gaussian
from sklearn_mle.likelihoods.gaussian_mixture import GaussianMixture
from sklearn_mle.likelihoods.gumbel import Gumbel
from sklearn_mle.likelihoods.huber import Huber
from sklearn_mle.likelihoods.inverse_gaussian import InverseGaussian
from sklearn_mle.likelihoods.laplace import AsymmetricLaplace, Laplace
from sklearn_mle.likelihoods.logistic import Logistic
from sklearn_mle.likelihoods.lognormal import LogNormal
from sklearn_mle.likelihoods.negative_binomial import NegativeBinomial
from sklearn_mle.likelihoods.poisson import Poisson
from sklearn_mle.likelihoods.skew_t import SkewT
from sklearn_mle.likelihoods.student_t import StudentT
from sklearn_mle.likelihoods.tweedie import Tweedie
from sklearn_mle.likelihoods.user import UserLikelihood
from sklearn_mle.likelihoods.weibull import Weibull

__all__ = [
    "AsymmetricLaplace",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Gamma",
    "Gaussian",
    "GaussianMixture",
    "Gumbel",
    "Huber",
    "InverseGaussian",
    "Laplace",
    "Likelihood",
    "LogNormal",
    "Logistic",
    "NegativeBinomial",
    "Poisson",
    "SkewT",
    "StudentT",
    "Tweedie",
    "UserLikelihood",
    "Weibull",
    "check_likelihood",
    "get_likelihood",
    "likelihood_names",
]

# Of regression: classifiers choose between Bernoulli and Categorical by the number of classes.
_NAMED: dict[str, type[Likelihood]] = {
    "asymmetric_laplace": AsymmetricLaplace,
    "beta": Beta,
    "binomial": Binomial,
    "gamma": Gamma,
    "gaussian": Gaussian,
    "gaussian_mixture": GaussianMixture,
    "gumbel": Gumbel,
    "huber": Huber,
    "inverse_gaussian": InverseGaussian,
    "laplace": Laplace,
    "logistic": Logistic,
    "lognormal": LogNormal,
    "negative_binomial": NegativeBinomial,
    "poisson": Poisson,
    "skew_t": SkewT,
    "student_t": StudentT,
    "tweedie": Tweedie,
    "weibull": Weibull,
}


def likelihood_names() -> list[str]:
    """Return the names that ``get_likelihood`` accepts, sorted.

    Returns
    -------
    list of str
        What ``MLERegressor(likelihood=...)`` takes.

    Examples
    --------
    >>> from sklearn_mle.likelihoods import likelihood_names
    >>> likelihood_names()[:3]
    ['asymmetric_laplace', 'beta', 'binomial']
    """
    return sorted(_NAMED)


def get_likelihood(likelihood: str | Likelihood) -> Likelihood:
    """Return a likelihood by its name, with its default parameters, or the instance given, its parameters checked.

    Parameters
    ----------
    likelihood : str or Likelihood
        A name of ``likelihood_names()``, or an instance, also of a class of your own (``UserLikelihood``).

    Returns
    -------
    Likelihood

    Raises
    ------
    ValueError
        If the name is not known, a constructor parameter of the instance is out of its range, or the names or links
        that its class declares are not valid.
    TypeError
        If it is neither a name nor an instance.

    Examples
    --------
    >>> from sklearn_mle.likelihoods import StudentT, get_likelihood
    >>> get_likelihood("poisson")
    Poisson()
    >>> get_likelihood(StudentT(df=3))
    StudentT(df=3)
    """
    if isinstance(likelihood, str):
        if likelihood not in _NAMED:
            raise ValueError(f"likelihood={likelihood!r} is not known; the names are {likelihood_names()}.")
        return _NAMED[likelihood]()
    if not isinstance(likelihood, Likelihood):
        hint = f"; give an instance: {likelihood.__name__}()" if isclass(likelihood) else ""
        raise TypeError(
            f"likelihood must be one of the names {likelihood_names()}, or an instance of "
            f"sklearn_mle.likelihoods.Likelihood; got {likelihood!r}{hint}."
        )
    likelihood.check_parameters()
    problem = next(name_problems(likelihood), None)
    if problem is not None:
        raise ValueError(f"likelihood: {type(likelihood).__name__}.{problem}")
    return likelihood
