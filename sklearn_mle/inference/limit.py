"""Estimates of others that have no maximum to be at: coefficients that diverge are found, and the rest is judged alone.

Our own estimators say what diverges; scikit-learn's stop somewhere far out, where the curvature is that of no model.
"""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._existence import (
    CERTIFIED,
    MOST_VARIABLES,
    SeparatingDirection,
    SeparationConstraints,
    UndecidedError,
    certificate,
    find_separation,
    find_zeros_separation,
    separation_in_words,
)
from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.factors import NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty, QuadraticForm
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
    if model.retained is not None or model.alpha or not at.likelihood.may_diverge or at.fixed:
        return at
    data = at.objective.data
    objective = PenalizedNLL(
        at.likelihood, at.predictors, data.with_values(data.y, data.weight, None, data.n_predictors), NoPenalty()
    )
    theta = at.predictors.theta(at.prepared.columns.to_standardized(model.coefficients))
    separation = None if _exists(at) else _separation(objective, theta)
    if separation is None:
        return at
    what = separation_in_words(objective, separation, at.prepared.name, model.classes)
    warnings.warn(
        SeparationWarning(
            f"{what} {model.name} stopped where its tol or max_iter told it to, so what diverges is no estimate and "
            "has no standard error (nan); the rest is judged without the rows that are separated."
        ),
        stacklevel=3,
    )
    constraints = SeparationConstraints(objective)
    unseen = np.eye(objective.predictors.size)
    if constraints.can_be_summed:
        unseen = constraints.unseen(~separation.separated)
    offset = data.offset + constraints.limiting_offset(separation.separated)
    limit = data.with_values(data.y, data.weight, offset, data.n_predictors)
    # What is determined is orthogonal to what is not, so that this changes nothing of the inverse there.
    penalty = QuadraticForm(np.sqrt(data.weight_sum) * unseen.T)
    return replace(at, objective=PenalizedNLL(at.likelihood, at.predictors, limit, penalty), unseen=unseen)


def _exists(at: AtEstimate) -> bool:
    """Return whether the curvature at the estimate proves that a finite maximum exists."""
    if not at.likelihood.holds_class_codes:
        return False
    try:
        factor = hessian_factor(at.objective, at.theta)
    except NotPositiveDefiniteError:
        return False
    gap = 0.5 * factor.squared_norm(at.objective.value_and_gradient(at.theta)[1])
    return certificate(at.objective, at.theta, factor, gap, at.prepared.columns.largest) < CERTIFIED


def _separation(objective: PenalizedNLL, theta: Array) -> SeparatingDirection | None:
    """Return the separating direction; None where there is none, or the problem is too large to tell."""
    if not objective.likelihood.holds_class_codes:
        return find_zeros_separation(objective, theta)[0]
    if objective.predictors.size > MOST_VARIABLES:
        return None
    try:
        return find_separation(objective, theta)
    except UndecidedError:
        return None
