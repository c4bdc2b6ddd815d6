"""Which solver for which objective; every fit ends with Newton steps on the full data and a certified gap."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit.preconditioner import preconditioner
from sklearn_mle._fit.result import FitOptions
from sklearn_mle._hessian_factors import absolute_factor, expected_factor, hessian_factor
from sklearn_mle._numerics.factors import Factor
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, SumOfPenalties
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block, Data
from sklearn_mle._rows.distributed import DistributedData
from sklearn_mle._rows.sample import LEAST_PER_CLASS, sample_size, weighted_sample
from sklearn_mle._solvers import Problem, Solution, Status, solve_newton, solve_newton_cg, solve_whitened_lbfgs
from sklearn_mle.likelihoods._base import MANY_ROWS

__all__ = ["affordable", "solve"]

Array = NDArray[Any]

# A curvature of this order takes 128 MB and its factor two seconds; beyond it Hessian products are the better buy.
_MOST_PARAMETERS = 4000
# Multiply-adds of the curvature of many classes, 0.1 s of them, beyond which Hessian products are the better buy.
_MOST_WORK_OF_CLASSES = 1e9
# Iterations of Newton-CG that precede it: regular fits end in four or five.
_FIRST_OF_CLASSES = 6
# L-BFGS in variables whitened by the curvature of a far point crawls: whiten anew after so many iterations.
_PASSES_A_FACTOR = 15
# Multiply-adds of one curvature of all rows above which a sample goes ahead.
_SAMPLE_WORK = 3e7
_SAMPLE_PASSES = 10
# A sample of more of the rows, its curvature formed twice, costs more than one more of all rows at the start (20,000 x
# 800, a third: 0.77 s with it, 0.62 without; 12,000 x 200, a quarter: 92 ms with it, 103 without).
_MOST_SHARE = 0.29
# Multiply-adds of a curvature for each of a pass beyond which Hessian products are the better buy.
_PASSES_A_CURVATURE = 5000
_CHORD = 1e-2
# Gaps, in nats of the total: where the sample's problem is good enough, and where full curvature is worth its pass.
_ROUGH, _NEAR = 1e-2, 1e-2
# Here coefficients are within 5e-14 standard errors of the optimum: a further step would only shuffle last digits.
_AT_ROUNDING = 1e-27
_POLISH = 6
# Small fits of convex likelihoods end within 1e-12 standard errors of the optimum for certain, and 1e-13 as a rule. A
# factor whose step has cut the gap to this part of itself is as good for the next as its successor.
_ENOUGH, _LAST_CHORD = 1e-24, 1e-5
# A line search's own Newton step that goes further than this, or as much shorter, is not believed.
_MOST_STRETCHED = 8.0
# Columns beyond which a curvature costs many gradients, so that L-BFGS goes ahead even on the sample.
_DEAR_CURVATURE = 150


def affordable(objective: PenalizedNLL) -> bool:
    """Return whether the full curvature is formed: its order is moderate, and few rows have many classes."""
    predictors = objective.predictors
    few = predictors.size <= _MOST_PARAMETERS and predictors.curvature_fits
    return few and (not predictors.many_classes or _work(objective) <= _MOST_WORK_OF_CLASSES)


def solve(
    objective: PenalizedNLL,
    start: Array,
    options: FitOptions,
    *,
    null_value: float | None = None,
    tol: float | None = None,
    observer: Callable[[Array], bool] | None = None,
    settled: Callable[[Array, float], bool] | None = None,
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
    settled : callable or None
        As in ``Problem``, of a search that is to show whether there is a maximum; None where there is one.
    """
    tol = options.tol if tol is None else tol
    problem = _problem(objective, observer)
    if settled is not None:
        problem = replace(problem, settled=settled)
        if objective.predictors.many_classes:
            # Curvatures that forming them leaves unresolved are those of separated classes, as a rule: a QR of as many
            # rows as there are rows and classes waits until it is decided that a maximum exists.
            problem = replace(
                problem,
                factor=partial(hessian_factor, objective, of_rows=False),
                safe_factor=partial(expected_factor, objective, of_rows=False),
            )
    if options.solver == "auto" and (not affordable(objective) or _sparse_and_wide(objective)):
        return _matrix_free(problem, objective, start, null_value, options, tol)
    if options.solver == "auto" and objective.predictors.many_classes:
        # As a rule these are enough, and cheaper than curvatures; where classes are separated, they are not.
        first = replace(options, max_iter=min(_FIRST_OF_CLASSES, options.max_iter))
        near = _matrix_free(problem, objective, start, null_value, first, tol)
        if near.status is not Status.MAX_ITER or near.n_iter >= options.max_iter:
            return near
        left = replace(_what_is_left(options, near), solver="newton")
        if null_value is None:
            null_value = problem.value_and_gradient(start)[0]
        end = solve(objective, near.theta, left, null_value=null_value, tol=tol, observer=observer, settled=settled)
        return replace(end, n_iter=near.n_iter + end.n_iter)
    if options.solver == "newton-cg":
        return _finished(
            problem,
            objective,
            _matrix_free(problem, objective, start, null_value, options, tol),
            null_value,
            options,
            tol,
        )
    if options.solver == "lbfgs":
        return _lbfgs(problem, objective, start, null_value, options, tol)
    if options.solver == "newton":
        objective.predictors.refuse_large_curvature("solver='auto' and solver='newton-cg' need no such table")
    if objective.likelihood.quadratic:
        # One step is exact to rounding: only small problems can afford to win its last digits back.
        return solve_newton(
            problem,
            start,
            tol=tol,
            max_iter=options.max_iter,
            null_value=null_value,
            known=objective.expand(start),
            polish=_POLISH if _work(objective) < _SAMPLE_WORK else 0,
        )
    if options.solver == "newton" or _work(objective) < _SAMPLE_WORK:
        if isinstance(objective.data, DistributedData):
            # A step that is not kept wastes its curvature; but a pass over rows elsewhere is dearer than that.
            problem = replace(problem, value_and_gradient=objective.expand)
        convex = objective.likelihood.convex
        found = solve_newton(
            replace(problem, length=partial(_length, objective)) if convex else problem,
            start,
            tol=tol,
            max_iter=options.max_iter,
            null_value=null_value,
            polish=_POLISH,
            enough=_ENOUGH if convex else _AT_ROUNDING,
            chord=_LAST_CHORD if convex else 0.0,
        )
        if found.status is not Status.ROUNDING or found.gap <= _ROUGH:
            return found
        # Weights over many decades: a step that suits the heavy rows threw the light ones out of sight. L-BFGS, whose
        # steps never trust one curvature far, is right there.
        other = _lbfgs(problem, objective, start, null_value, _what_is_left(options, found), tol)
        return replace(other if other.gap < found.gap else found, n_iter=found.n_iter + other.n_iter)
    if not _worth_a_sample(objective):
        # Too few rows to sample, yet a curvature costs many gradients: L-BFGS takes the steps in between.
        return _lbfgs(problem, objective, start, null_value, options, tol)
    return _from_a_sample(problem, objective, start, null_value, options, tol)


def _problem(objective: PenalizedNLL, observer: Callable[[Array], bool] | None) -> Problem:
    return Problem(
        objective.value_and_gradient,
        partial(hessian_factor, objective),
        partial(expected_factor if objective.likelihood.convex else absolute_factor, objective),
        objective.hessian_product,
        constant_curvature=objective.likelihood.quadratic,
        rounding=np.finfo(np.float64).eps * objective.data.n_rows if objective.data.n_rows >= MANY_ROWS else 0.0,
        observer=observer or (lambda theta: False),
    )


def _length(objective: PenalizedNLL, theta: Array, step: Array) -> float:
    """Return where along a Newton step F is least, by one more Newton step along it from its end.

    Far from the optimum the tails of a logistic likelihood make steps too short, by a factor of two or three.
    """
    derivatives = objective.along(theta, step)
    if derivatives is None:
        return 1.0
    slope, curvature = derivatives(1.0)
    length = 1.0 - slope / curvature if curvature > 0 else 1.0
    return length if 1 / _MOST_STRETCHED < length < _MOST_STRETCHED else 1.0


def _work(objective: PenalizedNLL) -> float:
    """Return the multiply-adds of one curvature of all rows."""
    predictors = objective.predictors
    return float(objective.data.n_rows) * predictors.shape[1] ** 2 * len(predictors.terms) ** 2


def _sparse_and_wide(objective: PenalizedNLL) -> bool:
    """Return whether one curvature costs thousands of passes, as it does where few entries of many are not zero."""
    data = objective.data
    return data.n_columns**2 > _PASSES_A_CURVATURE * max(data.entries_per_row, 1.0)


def _worth_a_sample(objective: PenalizedNLL) -> bool:
    """Return whether forming curvatures of all rows is so dear that a sample of them should go ahead."""
    return _work(objective) > _SAMPLE_WORK and sample_size(objective.data) < _MOST_SHARE * objective.data.n_rows


def _matrix_free(
    problem: Problem, objective: PenalizedNLL, start: Array, null_value: float | None, options: FitOptions, tol: float
) -> Solution:
    """Newton-CG, preconditioned by the curvature of a sample at its optimum where rows are many."""
    if 2 * sample_size(objective.data) >= objective.data.n_rows:
        return solve_newton_cg(
            problem,
            preconditioner(objective, start),
            start,
            tol=tol,
            max_iter=options.max_iter,
            null_value=null_value,
            anew=partial(preconditioner, objective),
        )
    if null_value is None:
        null_value = problem.value_and_gradient(start)[0]
    local, share = _sample_objective(objective)
    factor = preconditioner(local, start)
    near = solve_newton_cg(
        _problem(local, None), factor, start, tol=_ROUGH, max_iter=options.max_iter, null_value=np.inf
    )
    factor = preconditioner(local, near.theta).times(1 / share)
    return solve_newton_cg(problem, factor, near.theta, tol=tol, max_iter=options.max_iter, null_value=null_value)


def _from_a_sample(
    problem: Problem, objective: PenalizedNLL, start: Array, null_value: float | None, options: FitOptions, tol: float
) -> Solution:
    """Start from a sample's optimum, and let its curvature whiten L-BFGS on all rows; end with exact Newton steps.

    A sample that misleads costs ten passes: Newton's method goes on from wherever they led.
    """
    if null_value is None:
        null_value = problem.value_and_gradient(start)[0]
    theta, factor = _sample_optimum(objective, start, options)
    allowed = min(_SAMPLE_PASSES, options.max_iter)
    forming = replace(problem, expand=objective.expand)
    near = solve_whitened_lbfgs(forming, factor, theta, gap=_NEAR, max_iter=allowed)
    known: tuple[float, Array] | None = near.value, near.gradient
    if not near.value <= null_value:
        near, known = replace(near, theta=start), None
    if near.status is Status.STOPPED:
        end = solve_newton(problem, near.theta, tol=tol, max_iter=0, null_value=null_value, known=known, polish=0)
        return replace(end, status=Status.STOPPED, n_iter=near.n_iter)
    left = max(options.max_iter - near.n_iter, 0)
    end = solve_newton(
        problem,
        near.theta,
        tol=tol,
        max_iter=left,
        null_value=null_value,
        known=known,
        # A tolerance so loose is met where the curvature is formed; the pass that would tighten it was not asked for.
        polish=int(tol < _NEAR),
        enough=1e-2 * tol,
        chord=_CHORD,
    )
    return replace(end, n_iter=near.n_iter + end.n_iter)


def _sample_objective(objective: PenalizedNLL) -> tuple[PenalizedNLL, float]:
    """Return the objective on a sample of the rows, and the sample's share of them.

    A weak prior keeps the sample's problem well-posed where the sample is separable, rank deficient, or has not seen a
    column at work; for such a column the prior has the curvature that its variance over all rows promises.
    """
    data, predictors = objective.data, objective.predictors
    # Only of class codes are there classes: counts, and real outcomes that happen to be whole, have none.
    least = LEAST_PER_CLASS if objective.likelihood.holds_class_codes else 0
    sample = weighted_sample(data, sample_size(data), least_per_class=least)
    share = sample.n_rows / data.n_rows
    assert sample.weight is not None
    sample = Data(sample.rows, sample.y, sample.weight * share, sample.offset, sample.n_predictors)
    squares = sample.reduce_rows(_weighted_squares)[0]
    missing = np.maximum(0.0, 0.5 - squares / sample.n_rows)  # standardized columns have a mean square near one
    prior = _free_form(predictors, 1.0 + 0.25 * sample.n_rows * missing, 0.01)
    penalty = SumOfPenalties(objective.penalty, share, GaussianPrior(prior))
    return PenalizedNLL(objective.likelihood, predictors, sample, penalty), share


def _sample_optimum(objective: PenalizedNLL, start: Array, options: FitOptions) -> tuple[Array, Factor]:
    """Return the optimum on a sample of the rows, and the factor of its curvature scaled to all rows."""
    local, share = _sample_objective(objective)
    predictors = objective.predictors
    sub_problem = _problem(local, None)
    if _worth_a_sample(local):
        theta, factor = _sample_optimum(local, start, options)
        start = solve_whitened_lbfgs(sub_problem, factor, theta, gap=_ROUGH, max_iter=_SAMPLE_PASSES).theta
    elif predictors.shape[1] > _DEAR_CURVATURE:
        factor = sub_problem.safe_factor(start)
        start = solve_whitened_lbfgs(sub_problem, factor, start, gap=_ROUGH, max_iter=_SAMPLE_PASSES).theta
    end = solve_newton(
        sub_problem, start, tol=_ROUGH, max_iter=options.max_iter, null_value=np.inf, polish=0, chord=_CHORD
    )
    factor = end.factor if end.factor is not None else sub_problem.safe_factor(end.theta)
    return end.theta, factor.times(1 / share)


def _weighted_squares(block: Block) -> tuple[Array]:
    squares = np.square(block.rows.standardized)
    return (squares.sum(axis=0) if block.weight is None else block.weight @ squares,)


def _free_form(predictors: LinearPredictors, columns: Array, intercept: float) -> Array:
    """Return one number per column (and one for the intercepts) as one per parameter."""
    return np.tile(np.append(columns, intercept), (len(predictors.terms), 1))[predictors.used]


def _finished(
    problem: Problem,
    objective: PenalizedNLL,
    near: Solution,
    null_value: float | None,
    options: FitOptions,
    tol: float,
) -> Solution:
    """Return an affordable fit ended by Newton steps with its true curvature; others are returned as they are."""
    if not affordable(objective) or near.status.early:
        return near
    reference = np.inf if null_value is None else null_value
    known = near.value, near.gradient
    left = _what_is_left(options, near).max_iter
    end = solve_newton(problem, near.theta, tol=tol, max_iter=left, null_value=reference, known=known)
    return replace(end, n_iter=near.n_iter + end.n_iter)


def _what_is_left(options: FitOptions, so_far: Solution) -> FitOptions:
    """Return the options with as many iterations as another solver may still take."""
    return replace(options, max_iter=max(options.max_iter - so_far.n_iter, 0))


def _lbfgs(
    problem: Problem, objective: PenalizedNLL, start: Array, null_value: float | None, options: FitOptions, tol: float
) -> Solution:
    """L-BFGS whitened by the curvature where it stands, anew every few passes; then the certificate and its step."""
    if null_value is None:
        null_value = problem.value_and_gradient(start)[0]
    formed = affordable(objective)
    theta, n_iter = start, 0
    while True:
        factor = problem.safe_factor(theta) if formed else preconditioner(objective, theta)
        allowed = min(_PASSES_A_FACTOR, options.max_iter - n_iter) if formed else options.max_iter
        near = solve_whitened_lbfgs(problem, factor, theta, gap=tol, max_iter=allowed)
        theta, n_iter = near.theta, n_iter + near.n_iter
        if near.status is not Status.MAX_ITER or n_iter >= options.max_iter:
            break
    left = 0 if near.status.early else options.max_iter - n_iter
    known = near.value, near.gradient
    if formed:
        end = solve_newton(
            problem,
            theta,
            tol=tol,
            max_iter=left,
            null_value=null_value,
            known=known,
            polish=0 if near.status is Status.STOPPED else _POLISH,
            enough=_AT_ROUNDING,
        )
    else:
        end = solve_newton_cg(problem, factor, theta, tol=tol, max_iter=left, null_value=null_value, known=known)
    status = near.status if near.status is Status.STOPPED else end.status
    return replace(end, status=status, n_iter=n_iter + end.n_iter)
