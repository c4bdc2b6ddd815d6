"""The curvature that a fit retains for inference: the solver's last, or one formed anew where that is cheap."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._curvature import MOST_KEPT, Curvature
from sklearn_mle._fit.outcome import Outcome
from sklearn_mle._hessian_factors import MOST_DIAGONALIZED, hessian_factor
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._predictors import Terms
from sklearn_mle._rank import Identification, identify
from sklearn_mle._solvers import Solution

__all__ = ["final_factor", "retained_curvature"]

# Standard errors change by at most this part while the estimate moves by as much of them: rounding, not a change.
_NO_DRIFT = 1e-9
# Multiply-adds of a curvature up to which one more costs less than a twentieth of the fit.
_CHEAP = 1e7


def final_factor(objective: PenalizedNLL, solution: Solution) -> tuple[Factor | None, float]:
    """Return the factor of the Hessian at (or very near) the solution, and how far from it it was formed.

    The distance is in standard errors. Polishing steps end a fit with a factor of the point before them; where the
    likelihood is not convex the solver's factor may be of a positive substitute.

    Returns
    -------
    factor : Factor or None
        None for more than ``MOST_KEPT`` parameters, where no factor was formed, or none is positive.
    drift : float
    """
    predictors = objective.predictors
    if predictors.size > MOST_KEPT or solution.factor is None:
        return None, math.inf
    drift = math.sqrt(2 * max(solution.factor_gap, 0.0))
    if objective.likelihood.quadratic:
        return solution.factor, 0.0
    # Where there is no Hessian's factor, or for many parameters, one of another kind may have taken its place.
    own = isinstance(solution.factor, CholeskyFactor) and solution.factor.size <= MOST_DIAGONALIZED
    if solution.status.early:
        # It is of the very point where the fit was cut short, and another would be a pass more.
        return (solution.factor, drift) if objective.likelihood.convex or own else (None, math.inf)
    if objective.likelihood.convex or own:
        work = objective.data.n_rows * predictors.shape[1] ** 2 * len(predictors.terms) ** 2
        if drift <= _NO_DRIFT or work > _CHEAP:
            return solution.factor, drift
    try:
        return hessian_factor(objective, solution.theta), math.sqrt(2 * max(solution.gap, 0.0))
    except NotPositiveDefiniteError:
        return None, math.inf


def retained_curvature(
    objective: PenalizedNLL,
    solution: Solution,
    outcome: Outcome,
    asked: Sequence[Terms],
    identifications: Sequence[Identification | None],
    below: NDArray[np.intp] | None,
    diverging: Iterable[NDArray[np.float64]] = (),
) -> Curvature | None:
    """Return the curvature of a regression at its optimum; None where it has none to speak of.

    ``asked`` are the terms of each predictor before dependent columns were left out. What only rows below the floor of
    the noise (``below``) determine counts as undetermined, and so do ``diverging`` changes of the coefficients, each of
    shape (q, p + 1) in X's units.
    """
    factor, drift = final_factor(objective, solution)
    if factor is None:
        return None
    columns = outcome.prepared.columns
    changes = list(diverging)
    if below is not None:
        above = np.setdiff1d(np.arange(outcome.data.n_rows), below)
        if not len(above):
            return None
        for j, term in enumerate(asked):
            if term.columns:
                left = identify(outcome.data.take(above), columns, term)
                null = left.null_space(columns, term.intercept)
                changes += [np.outer(np.eye(len(asked))[j], vector) for vector in null.T]
        if not changes:
            return None
    return Curvature(
        factor,
        objective.predictors,
        columns,
        outcome.prepared.mean_weight,
        identifications,
        np.stack(changes) if changes else None,
        response_scale=(outcome.factor, *(1.0,) * (len(asked) - 1)),
        drift=drift,
    )
