"""Solving Firth's bias-reduced problem by Newton steps whose Hessian costs one curvature more, once.

The information is formed for the prior's sake at every point. It leaves out the curvature of the log-determinant, of
the order of the parameters to the rows: steps with it alone gain that factor each. ``prior_curvature`` is nearly all of
that curvature; formed once, near the optimum, it lets each step nearly square what is left.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.fitting.bias_reduction import BiasReducedNLL, ReducedPoint
from sklearn_mle.fitting.result import FitOptions
from sklearn_mle.numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle.solvers import Problem, Solution, Status, solve_newton_cg
from sklearn_mle.solvers.line_search import search

__all__ = ["solve_bias_reduced"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
# Where so many steps do not suffice Newton's method with exact Hessian products goes on.
_STEPS = 10
_ACCURACY = 1e-2
# What is asked for is a score of zero, not a likelihood near its maximum.
_TIGHTER = 1e-8
# Nats from the optimum within which the prior's curvature is worth its pass, and the part of the gap that a step may
# leave before it is formed anew.
_NEAR, _SLOW = 1.0, 0.05
# A step from farther than this is followed by one more with the same factor: it needs the plain gradient's pass alone,
# and what the first step missed is not the prior's.
_FAR = 3e-2


def solve_bias_reduced(
    objective: BiasReducedNLL,
    start: Array,
    options: FitOptions,
    *,
    null_value: float,
    observer: Callable[[Array], bool] | None,
) -> Solution:
    """Minimize the bias-reduced objective; the value is the NLL alone, the factor the information's.

    Parameters
    ----------
    objective : BiasReducedNLL
    start : ndarray of shape (size,)
    options : FitOptions
    null_value : float
        F at the null model.
    observer : callable or None
    """
    problem = Problem(
        objective.value_and_gradient,
        objective.factor,
        objective.factor,
        objective.hessian_product,
        rounding=_EPS * objective.objective.data.n_rows,
        observer=observer or (lambda theta: False),
    )
    point, last, n_iter = objective.at(start), math.inf, 0
    prior: Array | None = None
    while True:
        factor, gradient, gap = _surroundings(objective, point, prior)
        shrinks = min(gap / last, 1.0)
        if (gap < _NEAR and prior is None) or shrinks > _SLOW:
            prior = objective.prior_curvature(point.theta)
            factor, gradient, gap = _surroundings(objective, point, prior)
        step = -factor.solve(gradient)
        allowed = options.tol * min(1.0, max(null_value - point.value, _EPS * abs(point.value)))
        if gap * (shrinks if last < math.inf else 1.0) <= _TIGHTER * allowed:
            if factor is point.factor:
                break
            # One more such step costs nothing, and needs no pass to be trusted.
            theta, nll = point.theta + step, point.nll + float(point.plain @ step)
            return Solution(theta, nll, gradient, gap, point.factor, gap, Status.CONVERGED, n_iter)
        if n_iter == min(_STEPS, options.max_iter):
            break
        if gap > _FAR:
            plain = objective.objective.value_and_gradient(point.theta + step)[1]
            left = gradient + (plain - point.plain) + (0.0 if prior is None else prior @ step)
            step = step - factor.solve(left) if np.isfinite(left).all() else step
        known = point.theta, point.value, gradient
        found = search(objective.value_and_gradient, known, step, gap, factor.squared_norm, problem.rounding)
        if found is None:
            break
        last, point, n_iter = gap, objective.at(found[0]), n_iter + 1
        if problem.observer(point.theta):
            _, gradient, gap = _surroundings(objective, point, prior)
            return Solution(point.theta, point.nll, gradient, gap, point.factor, gap, Status.STOPPED, n_iter)
    return _finished(problem, objective, point, options, null_value, n_iter)


def _surroundings(objective: BiasReducedNLL, point: ReducedPoint, prior: Array | None) -> tuple[Factor, Array, float]:
    """Return the factor of F's curvature as far as it is known, the gradient, and the gap that follows from them.

    The factor is the information's where nothing is known of the prior's, or the two together are not positive
    definite. Remote from the optimum, by more nats than there are parameters, the prior's gradient is not worth its
    pass.
    """
    factor = objective.factor(point.theta)
    if prior is None:
        remote = 0.5 * factor.squared_norm(point.plain)
        if remote > len(point.theta):
            return factor, point.plain, remote
    # Where the information had to be found by a QR of the rows, the sum of the two has no digits to tell.
    elif isinstance(factor, CholeskyFactor):
        with suppress(NotPositiveDefiniteError):
            factor = CholeskyFactor(point.information + prior)
    return factor, point.gradient, 0.5 * factor.squared_norm(point.gradient)


def _finished(
    problem: Problem,
    objective: BiasReducedNLL,
    near: ReducedPoint,
    options: FitOptions,
    null_value: float,
    n_iter: int,
) -> Solution:
    """Return the solution that Newton's method with exact Hessian products finds from nearby."""
    end = solve_newton_cg(
        problem,
        objective.factor(near.theta),
        near.theta,
        tol=_TIGHTER * options.tol,
        max_iter=options.max_iter - n_iter,
        null_value=null_value,
        known=(near.value, near.gradient),
        accuracy=_ACCURACY,
    )
    within = end.gap <= options.tol * min(1.0, null_value - end.value)
    return replace(
        end,
        value=objective.nll(end.theta),
        factor=objective.factor(end.theta),
        factor_gap=end.gap,
        # Rounding may stop it within what was asked for.
        status=Status.CONVERGED if within and end.status is Status.ROUNDING else end.status,
        n_iter=n_iter + end.n_iter,
    )
