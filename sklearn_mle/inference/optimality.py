"""Whether an estimate is the optimum of the data that it is judged with: everything in this room takes it for that."""

import math
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_mle._hessian_factors import information_factor
from sklearn_mle._numerics.factors import Factor, NotPositiveDefiniteError
from sklearn_mle.inference.at_estimate import AtEstimate

__all__ = ["WORTH_A_WORD", "gap_of", "refuse_other_data"]

# Nats: a tenth of a standard error is worth a word; beyond one or two the estimate is not of these data.
WORTH_A_WORD, _NOT_THE_OPTIMUM = 5e-3, 1.0


def gap_of(at: AtEstimate, bread: Factor, divergent: bool) -> float:
    """Return how far the estimate is below the maximum for these data, in nats; complain if it is not theirs.

    Parameters
    ----------
    at : AtEstimate
    bread : Factor
        Of the curvature that the distance is measured with.
    divergent : bool
        Whether coefficients run away to infinity, so that there is no maximum to be below of.
    """
    if not at.likelihood.smooth:
        return math.nan
    if at.model.bias_reduced and at.model.kept is not None:
        return at.model.kept.gap  # of Firth's own objective, which has another gradient than the likelihood
    gradient = at.objective.value_and_gradient(at.theta)[1]
    gap = 0.5 * bread.squared_norm(gradient) * at.prepared.unit
    if np.isnan(gap):
        raise ValueError(
            "X, y, sample_weight or offset holds numbers so large that the likelihood leaves the range of float64."
        )
    if divergent or gap <= WORTH_A_WORD:
        return gap
    how_far = f"{gap:.2g} nats below the maximum for these data, about {math.sqrt(2 * gap):.2g} standard errors from it"
    if gap > _NOT_THE_OPTIMUM:
        raise ValueError(
            f"The estimate is {how_far}. Give the X, y, sample_weight and offset of the fit; if these are, the "
            "fit has not converged: lower its tol, raise its max_iter, or scale the data."
        )
    warnings.warn(
        ConvergenceWarning(f"The estimate is {how_far}: lower the tol of the fit, or scale its data."), stacklevel=3
    )
    return gap


def refuse_other_data(at: AtEstimate) -> None:
    """Raise ValueError where the estimate is far from the maximum for these data.

    Where the information has no factor nothing is known, and what is asked of the model says why.
    """
    kept = at.model.kept
    divergent = kept is not None and kept.curvature is not None and kept.curvature.divergent is not None
    try:
        gap_of(at, information_factor(at.objective, at.theta), divergent)
    except NotPositiveDefiniteError:
        return
