"""What alpha means for the parameters of a regression: its prior in the units of the standardized problem."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._existence import SEPARATION_PRIOR
from sklearn_mle._fit.outcome import Outcome
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._penalties import GaussianPrior, NoiseRelativePrior, Penalty
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle.likelihoods import Likelihood

__all__ = ["precision_of_columns", "prior_of", "tiny_prior"]

Array = NDArray[Any]


def precision_of_columns(prepared: Prepared) -> Array:
    """Return alpha as the precision of the coefficient of each standardized column, shape (p,)."""
    return prepared.alpha / np.square(prepared.columns.scale)


def tiny_prior(outcome: Outcome, predictors: LinearPredictors) -> Penalty:
    """Return the prior under which a location that would run away to infinity has a mode."""
    per_sd = np.zeros(predictors.shape)
    per_sd[0, :-1] = SEPARATION_PRIOR * outcome.weight_sum * np.square(outcome.prepared.columns.spread)
    return GaussianPrior(predictors.theta(per_sd))


def prior_of(
    likelihood: Likelihood,
    outcome: Outcome,
    predictors: LinearPredictors,
    known: float | None,
    *,
    of_columns: bool,
) -> Penalty:
    """Return the log-prior of a penalized regression.

    Parameters
    ----------
    likelihood : Likelihood
    outcome : Outcome
    predictors : LinearPredictors
    known : float or None
        The second predictor of the outcome, where it is no parameter.
    of_columns : bool
        Whether the second predictor has columns.
    """
    prepared, data = outcome.prepared, outcome.data
    form = np.zeros((likelihood.n_predictors, data.n_columns + 1))
    form[0, :-1] = precision_of_columns(prepared)
    precision = predictors.theta(form)
    if not likelihood.noise_can_vanish:
        return GaussianPrior(precision)
    power = likelihood.variance_power
    # Relative to the noise in y's own units: it is their ratio to the outcome's that may matter.
    precision = precision * np.exp(2 * np.log(outcome.factor) - power * outcome.shift[1])
    if known is not None:
        return GaussianPrior(precision * np.exp(-power * known))
    mean = np.zeros_like(form)
    mean[1, -1] = 0.5 * power
    if of_columns:
        mean[1, :-1] = 0.5 * power * data.column_means()
    return NoiseRelativePrior(precision, predictors.theta(mean))
