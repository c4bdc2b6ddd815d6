"""Newton's method with a factored Hessian, as a custom method of ``scipy.optimize.minimize``."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from sklearn_mle._numerics.factors import Factor, NotPositiveDefiniteError
from sklearn_mle._solvers.line_search import search
from sklearn_mle._solvers.problem import Problem, Solution, Status

__all__ = ["solve_newton"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
# Nearer than this, in nats, full steps double the digits: nothing is gained by another length.
_FAR = 1e-3
# Nearer than this, 1e-9 standard errors, a step needs no pass to be trusted.
_TRUSTED = 1e-18
# Farther than this no factor is good for a second step.
_REMOTE = 0.1


def solve_newton(
    problem: Problem,
    start: Array,
    *,
    tol: float,
    max_iter: int,
    null_value: float | None,
    known: tuple[float, Array] | None = None,
    polish: int = 6,
    enough: float = 0.0,
    chord: float = 0.0,
) -> Solution:
    """Minimize by damped Newton steps, then polish to rounding with the last factor.

    Parameters
    ----------
    problem : Problem
    start : ndarray of shape (size,)
    tol : float
        The gap to reach is ``tol * min(1, null_value - F)``, in nats.
    max_iter : int
    null_value : float or None
        F at the null model; None means that ``start`` is the null model.
    known : (float, ndarray) or None
        Value and gradient at the start, where another solver has just been there: a pass less.
    polish : int
        At most so many steps beyond ``tol``, towards rounding.
    enough : float
        A gap below which no step is worth its pass.
    chord : float
        A factor that has cut the gap to this part of itself serves another step before the next is formed: worth it
        where a factor costs several passes, for each step then gains fewer digits.

    Notes
    -----
    Polishing reuses the factor of the point where the gap test was passed: it is exact to a relative error of the
    order of the decrement there, so each polishing step still gains several digits and costs one pass, not two.
    """
    result = minimize(
        problem.value_and_gradient,
        start,
        jac=True,
        method=_newton,
        options={
            "problem": problem,
            "tol": tol,
            "max_iter": max_iter,
            "null_value": null_value,
            "known": known,
            "polish": polish,
            "enough": enough,
            "chord": chord,
        },
    )
    return Solution(
        theta=result.x,
        value=result.fun,
        gradient=result.jac,
        gap=result.gap,
        factor=result.factor,
        factor_gap=result.factor_gap,
        factor_theta=result.factor_theta,
        status=result.mle_status,
        n_iter=max(min(1, max_iter), result.nit),
    )


def _newton(
    function: Callable[[Array], float],
    theta: Array,
    args: tuple[()] = (),
    *,
    problem: Problem,
    tol: float,
    max_iter: int,
    null_value: float | None,
    known: tuple[float, Array] | None,
    polish: int,
    enough: float,
    chord: float,
    **unused: Any,
) -> OptimizeResult:
    value, gradient = known or problem.value_and_gradient(theta)
    reference = value if null_value is None else null_value
    factor: Factor | None = None
    factor_theta = theta
    status = Status.MAX_ITER
    gap, factor_gap, last, n_iter = math.inf, math.inf, math.inf, 0
    while True:
        if factor is None:
            factor, factor_theta = _factor(problem, theta), theta
            factor_gap = math.inf
        white = factor.whiten(gradient)
        gap = 0.5 * float(white @ white)
        factor_gap = gap if factor_gap == math.inf else factor_gap
        if gap <= _target(tol, reference, value):
            status = Status.CONVERGED
            break
        if n_iter == max_iter:
            break
        step = -factor.unwhiten(white)
        first = problem.length(theta, step) if gap > _FAR else 1.0
        point = theta, value, gradient
        found = search(problem.value_and_gradient, point, step, gap, factor.squared_norm, problem.rounding, first)
        if found is None:
            status = Status.ROUNDING
            break
        theta, value, gradient = found
        last, n_iter = gap, n_iter + 1
        if problem.observer(theta):
            status = Status.STOPPED
            factor, factor_theta = _factor(problem, theta), theta
            gap = factor_gap = 0.5 * factor.squared_norm(gradient)
            break
        if problem.constant_curvature:
            continue
        if chord == 0 or gap > _REMOTE or factor.squared_norm(gradient) > chord * 2 * gap:
            factor = None
    if status is Status.CONVERGED:
        state = (theta, value, gradient, gap, gap / last if last < math.inf else 1.0)
        of_factor = factor, factor_theta, factor_gap
        (theta, value, gradient, gap), of_factor = _polish(problem, state, of_factor, polish, enough)
        factor, factor_theta, factor_gap = of_factor
    return OptimizeResult(
        x=theta,
        fun=value,
        jac=gradient,
        gap=gap,
        factor=factor,
        factor_gap=factor_gap,
        factor_theta=factor_theta,
        mle_status=status,
        nit=n_iter,
    )


def _target(tol: float, reference: float, value: float) -> float:
    # A gain over the null model below the rounding of F is none: the target is then that rounding's part.
    return tol * min(1.0, max(reference - value, _EPS * abs(value)))


def _factor(problem: Problem, theta: Array) -> Factor:
    try:
        return problem.factor(theta)
    except NotPositiveDefiniteError:
        return problem.safe_factor(theta)


def _polish(
    problem: Problem,
    state: tuple[Array, float, Array, float, float],
    of_factor: tuple[Factor, Array, float],
    steps: int,
    enough: float,
) -> tuple[tuple[Array, float, Array, float], tuple[Factor, Array, float]]:
    """Return the point after more Newton steps and its gap; and the last factor, with where and at what gap it is from.

    A factor serves as long as a step cuts the gap twentyfold; where that ends before rounding does, it is formed anew.
    One that has just cut it a thousandfold, and then no more, has met rounding. A last step that will leave ``enough``,
    if it only cuts the gap as the one before did, needs no pass to be trusted: the gap that is returned is then that
    before it, and so is the gradient.
    """
    theta, value, gradient, gap, cut = state
    factor, factor_theta, factor_gap = of_factor
    trusted = gap == factor_gap
    for _ in range(steps):
        if gap <= max(enough, _TRUSTED) and gap * cut <= enough:
            theta, value = theta - factor.solve(gradient), value - gap
            break
        candidate = theta - factor.solve(gradient)
        new_value, new_gradient = problem.value_and_gradient(candidate)
        new_gap = 0.5 * factor.squared_norm(new_gradient)
        better, stalled, swift = new_gap < gap, not new_gap < 0.05 * gap, new_gap < 1e-3 * gap
        if better:
            cut = new_gap / gap
            theta, value, gradient, gap = candidate, new_value, new_gradient, new_gap
        if stalled:
            if trusted or problem.constant_curvature:
                break  # the factor is not to blame: rounding, or a likelihood without a maximum
            factor, factor_theta = _factor(problem, theta), theta
            gap = factor_gap = 0.5 * factor.squared_norm(gradient)
        trusted = stalled or swift
    return (theta, value, gradient, gap), (factor, factor_theta, factor_gap)
