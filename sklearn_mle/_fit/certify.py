"""Whether the maximum that a fit of classes approached exists: certificates first, then linear programs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from sklearn_mle._existence import (
    MOST_VARIABLES,
    SeparatingDirection,
    UndecidedError,
    certified,
    complete_separation,
    find_separation,
)
from sklearn_mle._fit.result import FitOptions
from sklearn_mle._fit.solve import solve
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._solvers import Solution, Status

__all__ = ["Verdict", "certify"]

Array = NDArray[Any]

_ROUNDS = 4


@dataclass(frozen=True)
class Verdict:
    """The solution, with the iterations of all rounds, and a separating direction where no finite maximum exists.

    ``decided`` is False where neither existence nor its contrary was proved.
    """

    solution: Solution
    separation: SeparatingDirection | None = None
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
    """Return whether a finite maximum exists, and the solution, improved where the proof needs a smaller gap.

    A fit that a callback stopped is returned as it is, unexamined; one that ended as ``Status.SETTLED`` separates all
    rows.

    Parameters
    ----------
    objective : PenalizedNLL
        Unpenalized, of class labels or proportions.
    solution : Solution
    options : FitOptions
    null_value : float
    largest : ndarray of shape (p,)
        The largest absolute entry of each standardized column.
    observer : callable or None
    """
    if solution.status is Status.SETTLED:
        return Verdict(solution, complete_separation(objective, solution.theta))
    excluded = False  # separation, by a linear program
    for _ in range(_ROUNDS):
        if solution.status is Status.STOPPED:
            return Verdict(solution)
        of_rows = excluded or not objective.predictors.many_classes
        proved = certified(objective, solution, largest, of_rows=of_rows)
        if proved is not None:
            return Verdict(proved)
        if not excluded and objective.predictors.size <= MOST_VARIABLES:
            try:
                separation = find_separation(objective, solution.theta)
            except UndecidedError:
                return Verdict(solution, decided=False)
            if separation is not None:
                return Verdict(solution, separation)
            excluded = True
        if solution.status is Status.MAX_ITER:
            return Verdict(solution)
        if solution.n_iter >= options.max_iter:
            break
        # Nearly separated: the MLE is finite but far away, so go on from here to a tighter gap.
        solution = solve(
            objective,
            solution.theta,
            replace(options, solver="newton-cg" if solution.factor is None else "newton"),
            null_value=null_value,
            tol=1e-6 * solution.gap,
            observer=observer,
            n_iter=solution.n_iter,
        )
    return Verdict(solution, decided=excluded)
