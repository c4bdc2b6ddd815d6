"""Does the maximum that a logistic fit ended at exist? Free proof, then a dearer one, then linear programs."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from sklearn_mle._existence import (
    CERTIFIED,
    MOST_VARIABLES,
    Recession,
    UndecidedError,
    certificate,
    complete_separation,
    curvature_below,
    find_recession,
)
from sklearn_mle._fit.result import FitOptions
from sklearn_mle._fit.solve import solve
from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.factors import NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._solvers import Solution, Status

__all__ = ["Verdict", "certify"]

Array = NDArray[Any]

_ROUNDS = 4
# Beyond such a change of the predictors hardly anything is left of what was known of the curvature.
_LONG = 5.0


@dataclass(frozen=True)
class Verdict:
    """What is known of the maximum.

    Attributes
    ----------
    solution : Solution
        Where the search ended; iterations of all its rounds are counted.
    recession : Recession or None
        The direction in which the likelihood rises for ever, where there is no finite maximum.
    decided : bool
        False where neither existence nor its contrary was proved.
    """

    solution: Solution
    recession: Recession | None = None
    decided: bool = True


def certify(
    objective: PenalizedNLL,
    solution: Solution,
    options: FitOptions,
    *,
    null_value: float,
    largest: Array,
    observer: Callable[[Array], bool] | None,
) -> Verdict:
    """Return whether a finite maximum exists, and the solution, improved where the proof asked for it.

    A fit that a callback stopped is returned as it is, unexamined.

    Parameters
    ----------
    objective : PenalizedNLL
        Unpenalized, Bernoulli or categorical.
    solution : Solution
        Of a search that ended as ``Status.SETTLED`` where its point separates all rows.
    options : FitOptions
    null_value : float
    largest : ndarray of shape (p,)
        The largest absolute entry of each standardized column.
    observer : callable or None
    """
    if solution.status is Status.SETTLED:
        return Verdict(solution, complete_separation(objective, solution.theta))
    decided = False
    for _ in range(_ROUNDS):
        if solution.status is Status.STOPPED or _proved(objective, solution, largest):
            return Verdict(solution)
        if solution.factor is None:
            below = curvature_below(objective, solution.theta)
            if below is not None:
                gap = 0.5 * below.squared_norm(solution.gradient)
                if certificate(objective, solution.theta, below, gap, largest, thorough=False) < CERTIFIED:
                    return Verdict(solution)
        else:
            try:
                # A QR of a row for each class is as dear as the programs, which decide.
                of_rows = decided or not objective.predictors.many_classes
                factor = hessian_factor(objective, solution.theta, of_rows=of_rows)
                gap = 0.5 * factor.squared_norm(solution.gradient)
                if certificate(objective, solution.theta, factor, gap, largest) < CERTIFIED:
                    return Verdict(replace(solution, factor=factor, factor_theta=None, factor_gap=gap, gap=gap))
            except NotPositiveDefiniteError:
                pass  # flat to rounding along some direction: ask the linear program
        if not decided and objective.predictors.size <= MOST_VARIABLES:
            try:
                recession = find_recession(objective, solution.theta)
            except UndecidedError:
                return Verdict(solution, decided=False)
            if recession is not None:
                return Verdict(solution, recession)
            decided = True
        if solution.status is Status.MAX_ITER:
            return Verdict(solution)
        left = options.max_iter - solution.n_iter
        if left <= 0:
            break
        # Nearly separated: the MLE is finite but far away, so go on from here to a tighter gap.
        further = solve(
            objective,
            solution.theta,
            replace(options, solver="newton-cg" if solution.factor is None else "newton", max_iter=left),
            null_value=null_value,
            tol=1e-6 * solution.gap,
            observer=observer,
        )
        solution = replace(further, n_iter=solution.n_iter + further.n_iter)
    return Verdict(solution, decided=decided)


def _proved(objective: PenalizedNLL, solution: Solution, largest: Array) -> bool:
    """Return whether the solver's own factor proves existence.

    It is of the point before polishing. The final gap goes with it at the price of what the curvature may have lost on
    the way, which is exp(r) for the largest change r of a row's predictors (Bach 2010, proposition 1); where that way
    was long, its own gap does.
    """
    theta, factor = solution.theta, solution.factor

    def bound(gap: float) -> float:
        return certificate(objective, theta, factor, gap, largest, thorough=False)

    if solution.factor_theta is not None and solution.gap < solution.factor_gap:
        change = objective.predictors.largest_change(theta - solution.factor_theta, largest)
        if change < _LONG and math.exp(change) * bound(solution.gap) < CERTIFIED:
            return True
    return bound(solution.factor_gap) < CERTIFIED
