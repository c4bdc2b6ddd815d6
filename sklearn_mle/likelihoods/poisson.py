"""Poisson: counts with log mean eta. Its NLL is half the Poisson deviance, shifted."""

import math
from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle._numerics.tails import poisson_tail
from sklearn_mle.likelihoods._base import Array, Likelihood
from sklearn_mle.likelihoods._families import Canonical, Counts, NLLWithGradient
from sklearn_mle.likelihoods._frozen import LARGEST_LOG_MEAN_DRAWN, frozen
from sklearn_mle.likelihoods._special import log_small_factorial, saturated_of_many

# Above this many, y eta and log y! are so large beside their difference that they are subtracted by hand.
# ``log_small_factorial`` ends there, too.
_MANY = 16


class Poisson(Counts, Canonical, NLLWithGradient):
    r"""Poisson likelihood, log link; its negative logarithm is half the Poisson deviance plus a term in y alone.

    .. math:: -\log p(y \mid \eta) = e^\eta - y\,\eta + \log\Gamma(y + 1)

    ``y`` may be any number >= 0 (then the Gamma function continues the factorial, as in scikit-learn's
    ``PoissonRegressor``). Nats. ``eta`` has shape (1, n): the logarithm of the mean; an offset is a log-exposure.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, chapter 6.
    Loader (2000), Fast and accurate computation of binomial probabilities (the form used for large counts).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Poisson
    >>> Poisson().nll(np.array([0.0, 1.0, 3.0]), np.zeros((1, 3))).round(6)
    array([1.      , 1.      , 2.791759])
    """

    parameter_names = ("mean",)
    links = ("log",)

    def boundary_of(self, larger: Likelihood) -> bool | None:
        # As the dispersion of a negative binomial vanishes.
        return True if larger.discrete and larger.dispersion_parameter is not None else super().boundary_of(larger)

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        mean = np.exp(eta)
        nll = mean[0] - y * eta[0] + log_small_factorial(y)
        many = np.flatnonzero(y > _MANY)
        if len(many):
            count = y[many]
            log_count = np.log(count)
            saturated = saturated_of_many(count, log_count)
            nll[many] = count * _less_its_tangent(eta[0][many] - log_count) + saturated
        return nll, mean - y

    def gradient(self, y: Array, eta: Array) -> Array:
        return np.exp(eta) - y

    def expected_information(self, eta: Array) -> Array:
        return np.exp(eta)[None]

    def start(self, y: Array, weight: Array | None) -> Array:
        mean = float(np.average(y, weights=weight))
        return np.array([math.log(mean if mean > 0 else 1e-3)])

    def deviance(self, y: Array, eta: Array) -> Array:
        log_y = np.log(np.where(y > 0, y, 1))
        few = np.exp(eta[0]) - y - y * (eta[0] - log_y)
        return 2 * np.maximum(np.where(y > 1, y * _less_its_tangent(eta[0] - log_y), few), 0)

    def distribution(self, eta: Array) -> Any:
        return frozen(self, eta, stats.poisson, mu=np.exp(eta[0]))

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        return poisson_tail(y, np.exp(eta[0]), upper=upper)

    def drawn_well(self, eta: Array) -> Array:
        # Beyond, numpy's draws spread too far (its issue 31986), and end at 9.2e18.
        return eta[0] < LARGEST_LOG_MEAN_DRAWN

    def standard_deviation(self, eta: Array) -> Array:
        return np.exp(0.5 * eta[0])


def _less_its_tangent(delta: Array) -> Array:
    """Return exp(delta) - 1 - delta."""
    return np.expm1(delta) - delta
