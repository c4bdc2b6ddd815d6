"""Does the maximum that a logistic fit ended at exist? Free proof, then a dearer one, then linear programs."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from sklearn_mle.existence import CERTIFIED, certificate, curvature_below
from sklearn_mle.fitting.result import FitOptions
from sklearn_mle.fitting.solve import solve
from sklearn_mle.information import hessian_factor
from sklearn_mle.numerics.factors import NotPositiveDefiniteError
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.recession import MOST_VARIABLES, Recession, UndecidedError, find_recession
from sklearn_mle.solvers import Solution, Status

__all__ = ["Verdict", "certify"]

Array = NDArray[Any]

_ROUNDS = 4
# Within so many standard errors the curvature is known from the last factor to a factor of exp(1.5 * 2) = 20.
_NEAR = 2.0


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
    options : FitOptions
    null_value : float
    largest : ndarray of shape (p,)
        The largest absolute entry of each standardized column.
    observer : callable or None
    """
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
                factor = hessian_factor(objective, solution.theta)
                gap = 0.5 * factor.squared_norm(solution.gradient)
                if certificate(objective, solution.theta, factor, gap, largest) < CERTIFIED:
                    return Verdict(replace(solution, factor=factor, factor_gap=gap, gap=gap))
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
        # Nearly separated: the MLE is finite but far away, so go on from here to a tighter gap.
        further = solve(
            objective,
            solution.theta,
            replace(options, solver="newton-cg" if solution.factor is None else "newton"),
            null_value=null_value,
            tol=1e-6 * solution.gap,
            observer=observer,
        )
        solution = replace(further, n_iter=solution.n_iter + further.n_iter)
    return Verdict(solution, decided=decided)


def _proved(objective: PenalizedNLL, solution: Solution, largest: Array) -> bool:
    """Return whether the solver's own factor proves existence.

    It is of the point before polishing, so its own gap goes with it. Where that gap was not small enough, the final
    one is taken, at the price of what the curvature may have lost on the way: exp(s) for a way of s, with half as much
    again for the way's own uncertainty.
    """
    theta, factor = solution.theta, solution.factor
    before = certificate(objective, theta, factor, solution.factor_gap, largest, thorough=False)
    if before < CERTIFIED:
        return True
    if factor is None or before > _NEAR:
        return False
    after = certificate(objective, theta, factor, solution.gap, largest, thorough=False)
    return math.exp(1.5 * before) * after < CERTIFIED
