"""The prior of a regression in the units of the standardized problem."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._existence import SEPARATION_PRIOR
from sklearn_mle._fit.outcome import Outcome
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._penalties import GaussianPrior, NoiseRelativePrior, Penalty, SumOfPenalties
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle.likelihoods import Likelihood

__all__ = ["precision_of_columns", "prior_of", "tiny_prior"]

Array = NDArray[Any]


def precision_of_columns(prepared: Prepared) -> Array:
    """Return the prior's precision of the location's coefficient of each standardized column, shape (p,)."""
    return prepared.prior.in_standardized(prepared.columns.scale)


def tiny_prior(outcome: Outcome, predictors: LinearPredictors) -> Penalty:
    """Return the prior under which a location that would diverge has a mode; the other parameters keep theirs."""
    per_sd = np.zeros(predictors.shape)
    prepared = outcome.prepared
    per_sd[0, :-1] = SEPARATION_PRIOR * outcome.weight_sum * np.square(prepared.columns.spread)
    for k in range(1, len(per_sd)):
        per_sd[k, :-1] = prepared.prior.in_standardized(prepared.columns.scale, k)
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
        The dispersion's predictor of the outcome, where it is no parameter.
    of_columns : bool
        Whether the dispersion's predictor has columns.
    """
    prepared, data = outcome.prepared, outcome.data
    j = likelihood.dispersion_index
    form, others = np.zeros((2, likelihood.n_predictors, data.n_columns + 1))
    form[0, :-1] = precision_of_columns(prepared)
    for k in range(1, len(others)):
        others[k, :-1] = prepared.prior.in_standardized(prepared.columns.scale, k)
    precision, absolute = predictors.theta(form), predictors.theta(others)
    if j is None or not likelihood.noise_can_vanish:
        return GaussianPrior(precision + absolute)
    power = likelihood.variance_power
    # Relative to the noise in y's own units: it is their ratio to the outcome's that may matter.
    precision = precision * np.exp(2 * np.log(outcome.factor) - power * outcome.shift[j])
    if known is not None:
        return GaussianPrior(precision * np.exp(-power * known) + absolute)
    mean = np.zeros_like(form)
    mean[j, -1] = 0.5 * power
    if of_columns:
        mean[j, :-1] = 0.5 * power * data.column_means()
    relative = NoiseRelativePrior(precision, predictors.theta(mean))
    return SumOfPenalties(relative, 1.0, GaussianPrior(absolute)) if absolute.any() else relative
