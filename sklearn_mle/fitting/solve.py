"""Which solver for which objective, and what every fit ends with: Newton steps on the full data, and a certified gap."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.fitting.result import FitOptions
from sklearn_mle.information import expected_factor, hessian_factor
from sklearn_mle.numerics.factors import DiagonalFactor, Factor
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.row_blocks import RowBlock
from sklearn_mle.solvers import Problem, Solution, Status, solve_newton, solve_newton_cg, solve_whitened_lbfgs

__all__ = ["affordable", "solve"]

Array = NDArray[Any]

# A curvature of this order takes 128 MB and its factor two seconds; beyond it Hessian products are the better buy.
_MOST_PARAMETERS = 4000
# Each pair of predictors costs a cross-product of the columns.
_MOST_PREDICTORS = 100
# L-BFGS in variables whitened by the curvature of a far point crawls: whiten anew after so many iterations.
_PASSES_A_FACTOR = 15


def affordable(objective: PenalizedNLL) -> bool:
    """Return whether the full curvature is formed: its order is moderate and its passes few milliseconds a row."""
    predictors = objective.predictors
    return predictors.size <= _MOST_PARAMETERS and len(predictors.terms) <= _MOST_PREDICTORS


def solve(
    objective: PenalizedNLL,
    start: Array,
    options: FitOptions,
    *,
    null_value: float | None = None,
    tol: float | None = None,
    observer: Callable[[Array], bool] | None = None,
) -> Solution:
    """Minimize the objective from ``start``.

    Parameters
    ----------
    objective : PenalizedNLL
    start : ndarray of shape (size,)
    options : FitOptions
    null_value : float or None
        F at the null model; None means that ``start`` is the null model.
    tol : float or None
        In the unit of the objective; None takes ``options.tol``.
    observer : callable or None
        theta -> True to stop.
    """
    tol = options.tol if tol is None else tol
    problem = Problem(
        objective.value_and_gradient,
        partial(hessian_factor, objective),
        partial(expected_factor, objective),
        objective.hessian_product,
        constant_curvature=objective.likelihood.quadratic,
        observer=observer or (lambda theta: False),
    )
    limits = {"tol": tol, "max_iter": options.max_iter}
    if options.solver == "newton-cg" or (options.solver == "auto" and not affordable(objective)):
        return solve_newton_cg(problem, _diagonal(objective, start), start, null_value=null_value, **limits)
    if options.solver == "lbfgs":
        return _lbfgs(problem, objective, start, null_value, options, tol)
    return solve_newton(problem, start, null_value=null_value, **limits)


def _lbfgs(
    problem: Problem, objective: PenalizedNLL, start: Array, null_value: float | None, options: FitOptions, tol: float
) -> Solution:
    """L-BFGS whitened by the curvature where it stands, anew every few passes; then the certificate and its step."""
    if null_value is None:
        null_value = problem.value_and_gradient(start)[0]
    formed = affordable(objective)
    theta, n_iter = start, 0
    while True:
        factor = problem.safe_factor(theta) if formed else _diagonal(objective, theta)
        allowed = min(_PASSES_A_FACTOR, options.max_iter - n_iter) if formed else options.max_iter
        near = solve_whitened_lbfgs(problem, factor, theta, gap=tol, max_iter=allowed)
        theta, n_iter = near.theta, n_iter + near.n_iter
        if near.status is not Status.MAX_ITER or n_iter >= options.max_iter:
            break
    left = 0 if near.status in (Status.STOPPED, Status.MAX_ITER) else options.max_iter - n_iter
    if formed:
        end = solve_newton(problem, theta, tol=tol, max_iter=left, null_value=null_value)
    else:
        end = solve_newton_cg(problem, factor, theta, tol=tol, max_iter=left, null_value=null_value)
    status = near.status if near.status is Status.STOPPED else end.status
    return replace(end, status=status, n_iter=n_iter + end.n_iter)


def _diagonal(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return a diagonal preconditioner: the total rowwise information of each predictor, plus the prior.

    Standardized columns have a mean square of one, so the information of the rows is all that tells the columns apart.
    """
    predictors = objective.predictors
    matrix = predictors.matrix(theta)

    def block_sum(block: RowBlock) -> tuple[Array]:
        information = objective.likelihood.information_diagonal(predictors.eta(block.rows, matrix, block.offset))
        return (information.sum(axis=1) if block.weight is None else information @ block.weight,)

    total = objective.data.sum(block_sum)[0]
    if predictors.contrast is not None:
        total = np.square(predictors.contrast).T @ total
    diagonal = np.repeat(total[:, None], predictors.shape[1], axis=1)[predictors.used]
    diagonal += np.abs(objective.penalty.hessian_product(theta, np.ones(len(theta))))
    return DiagonalFactor(np.maximum(diagonal, 1e-12 * diagonal.max()))
