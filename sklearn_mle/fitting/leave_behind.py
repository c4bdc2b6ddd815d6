"""The factor that a fit leaves behind: the solver's last, where it is of the final point; formed anew where cheap."""

import math

from sklearn_mle.curvature import MOST_KEPT
from sklearn_mle.information import hessian_factor
from sklearn_mle.numerics.factors import Factor, NotPositiveDefiniteError
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.solvers import Solution

__all__ = ["final_factor"]

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
    if objective.likelihood.convex:
        work = objective.data.n_rows * predictors.shape[1] ** 2 * len(predictors.terms) ** 2
        if drift <= _NO_DRIFT or work > _CHEAP:
            return solution.factor, drift
    try:
        return hessian_factor(objective, solution.theta), math.sqrt(2 * max(solution.gap, 0.0))
    except NotPositiveDefiniteError:
        return None, math.inf
