"""Estimates of others that have no maximum to be at: coefficients that diverge are found, and the rest is judged alone.

Our own estimators say what diverges; scikit-learn's stop somewhere far out, where the curvature is that of no model.
"""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._existence import (
    CERTIFIED,
    SeparatingDirection,
    UndecidedError,
    certificate,
    find_separation,
    find_zeros_separation,
    limiting_objective,
    separation_in_words,
)
from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.factors import NotPositiveDefiniteError
from sklearn_mle._penalties import QuadraticForm
from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.inference.at_estimate import AtEstimate

__all__ = ["at_the_limit"]

Array = NDArray[np.float64]


def at_the_limit(at: AtEstimate) -> AtEstimate:
    """Return the estimate in the limiting model, where no finite maximum exists: rows that are separated are certain.

    Their gradients and curvatures are zero then, and what is not determined without them is ``unseen``. Where the
    maximum exists, and of our own estimators, which know what diverges, the estimate is returned as it is.

    Warns
    -----
    SeparationWarning
        If no finite maximum exists.
    """
    model = at.model
    if model.retained is not None or model.prior.penalizes(0) or not at.likelihood.may_diverge or at.fixed:
        return at
    separation = _separation(at)
    if separation is None:
        return at
    what = separation_in_words(at.objective, separation, at.prepared.name, model.classes)
    warnings.warn(
        SeparationWarning(
            f"{what} {model.name} stopped where its tol or max_iter told it to, so what diverges is no estimate and "
            "has no standard error (nan); the rest is judged without the rows that are separated."
        ),
        stacklevel=3,
    )
    limit, unseen = limiting_objective(at.objective, separation)
    if unseen is None:
        unseen = np.eye(at.predictors.size)
    # What is determined is orthogonal to what is not, so that this changes nothing of the inverse there.
    limit.penalty = QuadraticForm(np.sqrt(limit.data.weight_sum) * unseen.T)
    return replace(at, objective=limit, unseen=unseen)


def _separation(at: AtEstimate) -> SeparatingDirection | None:
    """Return the separating direction; None where there is none, or the problem is too large to tell."""
    objective = at.objective
    start = at.predictors.theta(at.prepared.columns.to_standardized(at.model.coefficients))
    if not at.likelihood.holds_class_codes:
        return find_zeros_separation(objective, start)[0]
    try:
        factor = hessian_factor(objective, at.theta)
        gap = 0.5 * factor.squared_norm(objective.value_and_gradient(at.theta)[1])
        if certificate(objective, at.theta, factor, gap, at.prepared.columns.largest) < CERTIFIED:
            return None
    except NotPositiveDefiniteError:
        pass
    try:
        return find_separation(objective, start)
    except UndecidedError:
        return None
