r"""What weights mean: copies of a row, precisions, or inverse probabilities of being sampled.

A weight that counts copies multiplies the log-likelihood of its row. One that is a precision divides the variance of y;
where the likelihood has a dispersion, it is an offset of the dispersion's predictor, and every row counts once:

.. math:: \log \phi_i = \log \phi - \log w_i

The coefficients are the same then, for the location's score is proportional to w / dispersion in these models. The
dispersion is not: of a Gaussian it is RSS / n, with n the number of rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.linear_predictors import Terms

__all__ = ["WEIGHT_TYPES", "divide_dispersion", "precision_offset", "refuse_precisions", "refuse_sampling"]

WEIGHT_TYPES = ("frequency", "precision", "sampling")


def divide_dispersion(likelihood: Likelihood) -> bool:
    """Return whether precisions divide a dispersion of the likelihood without moving its location."""
    return likelihood.second is not None and likelihood.smooth and likelihood.location_free_of_second


def precision_offset(likelihood: Likelihood, weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return what precisions add to the predictor of the dispersion (or scale, or shape); zero for rows without any."""
    return -0.5 * likelihood.noise_power * np.log(np.where(weight > 0, weight, 1.0))


def refuse_sampling(weight_type: str) -> None:
    """Raise NotSupportedError for what rests on a likelihood, if rows were drawn with unequal probabilities."""
    if weight_type == "sampling":
        raise NotSupportedError(
            "weight_type='sampling': rows drawn with unequal probabilities have no likelihood, so neither AIC nor "
            "likelihood ratios, score tests and profiles. Use infer(estimator, X, y, sample_weight=...), whose "
            "sandwich is valid, and its wald_test."
        )


def refuse_precisions(name: str, likelihood: Likelihood, terms: Sequence[Terms]) -> None:
    """Raise NotSupportedError where dividing variances by weights gives another estimate than weighting rows."""
    if divide_dispersion(likelihood):
        defined = not terms[1].columns
    else:
        # Of a count the weights scale its variance, as in quasi-likelihood; of a scale they would move the location.
        defined = likelihood.second is None or (likelihood.discrete and not terms[1].intercept)
    if not defined:
        raise NotSupportedError(
            f"weight_type='precision' divides the variance by the weight, which maximizes another likelihood than the "
            f"weighted one that {name} fits with {likelihood!r}. It is defined for gaussian, lognormal, gamma, "
            "inverse_gaussian and tweedie with a constant (or known) scale, and for models without a scale; use "
            "weight_type='frequency' or 'sampling'."
        )
