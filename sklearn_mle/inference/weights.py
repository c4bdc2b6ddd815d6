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

from sklearn_mle._predictors import Terms
from sklearn_mle.likelihoods import Likelihood

__all__ = ["WEIGHT_TYPES", "divide_dispersion", "know_precisions", "precision_offset"]

WEIGHT_TYPES = ("frequency", "precision", "sampling")


def divide_dispersion(likelihood: Likelihood) -> bool:
    """Return whether precisions divide a dispersion of the likelihood without moving its location."""
    return likelihood.second is not None and likelihood.smooth and likelihood.location_free_of_second


def precision_offset(likelihood: Likelihood, weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return what precisions add to the predictor of the dispersion (or scale, or shape); zero for rows without any."""
    return -0.5 * likelihood.noise_power * np.log(np.where(weight > 0, weight, 1.0))


def know_precisions(likelihood: Likelihood, terms: Sequence[Terms]) -> bool:
    """Return whether dividing variances by weights gives the estimate that weighting rows gives."""
    if divide_dispersion(likelihood):
        return not terms[1].columns
    # Of a count the weights scale its variance, as in quasi-likelihood; of a scale they would move the location.
    return likelihood.second is None or (likelihood.discrete and not terms[1].intercept)
