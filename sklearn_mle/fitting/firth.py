"""Solving Firth's bias-reduced problem: Fisher scoring first, then Newton's method with exact Hessian products."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.fitting.bias_reduction import BiasReducedNLL
from sklearn_mle.fitting.result import FitOptions
from sklearn_mle.solvers import Problem, Solution, Status, solve_newton, solve_newton_cg

__all__ = ["solve_bias_reduced"]

Array = NDArray[Any]

# Fisher scoring gains a factor a step, that of the parameters to the rows. Where so many steps do not suffice (few
# rows, separated classes) Newton's method goes on.
_SCORING_STEPS = 8
_MOST_LOSS = 0.9
_ACCURACY = 1e-2
# What is asked for is a score of zero, not a likelihood near its maximum.
_TIGHTER = 1e-10


def solve_bias_reduced(
    objective: BiasReducedNLL,
    start: Array,
    options: FitOptions,
    *,
    null_value: float | None,
    observer: Callable[[Array], bool] | None,
) -> Solution:
    """Minimize the bias-reduced objective; the gap is that of its exact Hessian, the factor the information's.

    Parameters
    ----------
    objective : BiasReducedNLL
    start : ndarray of shape (size,)
    options : FitOptions
    null_value : float or None
        F at the null model; None means that ``start`` is the null model.
    observer : callable or None
    """
    problem = Problem(
        objective.value_and_gradient,
        objective.factor,
        objective.factor,
        objective.hessian_product,
        rounding=np.finfo(np.float64).eps * objective.objective.data.n_rows,
        observer=observer or (lambda theta: False),
    )
    null_value = objective.value_and_gradient(start)[0] if null_value is None else null_value
    tol = _TIGHTER * options.tol
    allowed = min(_SCORING_STEPS, options.max_iter)
    near = solve_newton(problem, start, tol=tol, max_iter=allowed, null_value=null_value, polish=0)
    if near.status is Status.STOPPED:
        return near
    if near.status is not Status.MAX_ITER:
        loss = objective.curvature_loss(near.theta)
        if loss < _MOST_LOSS:
            gap = near.gap / (1 - loss)
            return _judged(replace(near, gap=gap, factor_gap=gap), options.tol, null_value)
    end = solve_newton_cg(
        problem,
        objective.factor(near.theta),
        near.theta,
        tol=tol,
        max_iter=options.max_iter - near.n_iter,
        null_value=null_value,
        accuracy=_ACCURACY,
    )
    factor = objective.factor(end.theta)
    end = replace(end, n_iter=near.n_iter + end.n_iter, factor=factor, factor_gap=end.gap)
    return _judged(end, options.tol, null_value)


def _judged(solution: Solution, tol: float, null_value: float) -> Solution:
    """Return the solution as converged where rounding stopped it within what was asked for."""
    within = solution.gap <= tol * min(1.0, null_value - solution.value)
    return replace(solution, status=Status.CONVERGED) if within and solution.status is Status.ROUNDING else solution
