r"""Residuals of single rows, from y and the linear predictors: response, Pearson, deviance, quantile.

Of a likelihood with a dispersion :math:`\phi` that is the same number for all rows, Pearson's and the deviance
residual leave it out, as GLMs do: their standard deviation is about :math:`\sqrt\phi`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.utils import check_random_state

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.model import FittedModel, ReadData, divide_dispersion
from sklearn_mle.likelihoods import Binomial, Likelihood


def row_predictors(model: FittedModel, data: ReadData) -> Array:
    """Return the linear predictors of the rows, precisions among them, shape (q, n)."""
    return model.add_precisions(model.eta(data.X, data.offset), data.sample_weight)


def likelihood_of_numbers(model: FittedModel) -> Likelihood:
    """Return the likelihood that reads y as a number: of two classes, a fraction of one trial."""
    return Binomial() if model.likelihood.holds_class_codes else model.likelihood


def noise_unit(model: FittedModel) -> float:
    """Return the root of the dispersion that residuals leave out: one where none is the same number for all rows."""
    j = model.likelihood.dispersion_index
    if j is None or not divide_dispersion(model.likelihood) or model.terms[j].columns:
        return 1.0
    return float(np.exp(0.5 * model.likelihood.variance_power * model.log_dispersion))


def root_of_precisions(model: FittedModel, weight: Array | None) -> Array | float:
    """Return the roots of precisions that no dispersion carries: they divide the variance of counts and trials."""
    if weight is None or model.weight_type != "precision" or divide_dispersion(model.likelihood):
        return 1.0
    return np.sqrt(np.where(weight > 0, weight, 1.0))


def response_residual(model: FittedModel, y: Array, eta: Array) -> Array:
    """Return y less its mean, shape (n,); of counts of trials the fraction less its mean."""
    likelihood = likelihood_of_numbers(model)
    return likelihood.in_units_of_mean(y)[0] - likelihood.mean(eta)


def pearson_residual(model: FittedModel, y: Array, eta: Array) -> Array:
    """Return y less its mean, over its standard deviation at dispersion one, shape (n,)."""
    squares = likelihood_of_numbers(model).squared_pearson_residual(y, eta)
    response = response_residual(model, y, eta)
    # An infinite variance would make all residuals zero.
    squares = np.where((squares == 0) & (response != 0), np.nan, squares)
    return np.sign(response) * np.sqrt(squares) * noise_unit(model)


def deviance_residual(model: FittedModel, y: Array, eta: Array) -> Array:
    """Return the signed root of the unit deviance, shape (n,)."""
    likelihood = likelihood_of_numbers(model)
    squares, j = likelihood.deviance(y, eta), likelihood.dispersion_index
    best = likelihood.link(y)
    side = response_residual(model, y, eta) if best is None else best - eta[0]
    if j is None or not divide_dispersion(likelihood):
        return np.sign(side) * np.sqrt(squares)  # at the fitted scale already
    unit = np.exp(0.5 * likelihood.variance_power * eta[j])
    return np.sign(side) * np.sqrt(squares) / unit * noise_unit(model)


def quantile_residual(model: FittedModel, y: Array, eta: Array, random_state: Any) -> Array:
    """Return the normal quantile of the probability of a smaller y, shape (n,), drawn within a jump of the cdf."""
    likelihood = likelihood_of_numbers(model)
    level = np.asarray(check_random_state(random_state).uniform(size=eta.shape[1]))
    if isinstance(likelihood, Binomial):
        lower, upper = _tails_of_trials(likelihood, y, eta)
    else:
        lower, upper = _tails(likelihood.distribution(eta), y, likelihood.discrete, likelihood.support[0])
    below, up_to = lower
    beyond, from_here = upper
    # The smaller side keeps all its digits.
    left = below + level * (up_to - below)
    right = beyond + (1 - level) * (from_here - beyond)
    return np.where(left < right, ndtri(left), -ndtri(right))


# Probabilities of a y that is (less, at most as large), and (more, at least as large).
Tails = tuple[tuple[Array, Array], tuple[Array, Array]]


def _tails(distribution: Any, y: Array, discrete: bool, least: float) -> Tails:
    up_to, beyond = distribution.cdf(y), distribution.sf(y)
    if discrete:
        return (distribution.cdf(y - 1), up_to), (beyond, distribution.sf(y - 1))
    # A continuous y may have a mass at its least value (Tweedie's zeros).
    atom = y <= least
    return (np.where(atom, 0.0, up_to), up_to), (beyond, np.where(atom, 1.0, beyond))


def _tails_of_trials(likelihood: Binomial, y: Array, eta: Array) -> Tails:
    successes, trials = (y[0], y[0] + y[1]) if y.ndim == 2 else (y, np.ones_like(y))
    if not ((successes == np.floor(successes)) & (trials == np.floor(trials))).all():
        raise NotSupportedError(
            "kind='quantile' needs whole numbers of trials, but y holds or implies fractions of a trial: pass the "
            "numbers of successes and failures, as two columns; or use kind='deviance'."
        )
    return _tails(likelihood.distribution(eta, trials), successes, True, 0.0)


# Residuals that need neither other rows nor random numbers.
ROWWISE: dict[str, Callable[[FittedModel, Array, Array], Array]] = {
    "response": response_residual,
    "pearson": pearson_residual,
    "deviance": deviance_residual,
}
