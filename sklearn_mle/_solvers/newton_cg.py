"""Newton's method with inner conjugate gradients, for problems whose Hessian is too large to form.

A custom method of ``scipy.optimize.minimize``: scipy's own Newton-CG takes no preconditioner, and a stopping rule in
units of the gradient, which mean nothing when columns have different units.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from sklearn_mle._numerics.factors import Factor
from sklearn_mle._solvers.line_search import search
from sklearn_mle._solvers.problem import Problem, Solution, Status

__all__ = ["solve_newton_cg"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
_MOST_INNER = 500
# Inner iterations from which another preconditioner pays, and the gap, in nats, below which it is of use.
_MANY_INNER, _NEAR = 25, 1.0


def solve_newton_cg(
    problem: Problem,
    preconditioner: Factor,
    start: Array,
    *,
    tol: float,
    max_iter: int,
    null_value: float | None,
    known: tuple[float, Array] | None = None,
    accuracy: float = 0.1,
    anew: Callable[[Array], Factor] | None = None,
) -> Solution:
    """Minimize by truncated Newton steps in the preconditioner's variables.

    ``accuracy`` is the relative residual that the first steps are solved to. ``anew``, theta -> Factor, forms the
    preconditioner again near the optimum, where the first has come to need many inner iterations; far from it one of
    the present point is no better.

    The gap is the decrease of the quadratic model that conjugate gradients found at the final point, enlarged by what
    its residual leaves open. Of a fit that is cut short it is that of the point before, for none but a few more passes
    would tell. ``known`` is as in ``solve_newton``.

    References
    ----------
    Dembo, Eisenstat and Steihaug (1982), Truncated-Newton algorithms for large-scale unconstrained optimization.
    Hsia, Chiang and Lin (2018), Preconditioned conjugate gradient methods in truncated Newton frameworks.
    """
    result = minimize(
        problem.value_and_gradient,
        start,
        jac=True,
        method=_newton_cg,
        options={
            "problem": problem,
            "preconditioner": preconditioner,
            "tol": tol,
            "max_iter": max_iter,
            "null_value": null_value,
            "known": known,
            "accuracy": accuracy,
            "anew": anew,
        },
    )
    n_iter = max(min(1, max_iter), result.nit)
    return Solution(result.x, result.fun, result.jac, result.gap, None, result.gap, result.mle_status, n_iter)


def _newton_cg(
    function: Callable[[Array], float],
    theta: Array,
    args: tuple[()] = (),
    *,
    problem: Problem,
    preconditioner: Factor,
    tol: float,
    max_iter: int,
    null_value: float | None,
    known: tuple[float, Array] | None,
    accuracy: float,
    anew: Callable[[Array], Factor] | None,
    **unused: Any,
) -> OptimizeResult:
    value, gradient = known or problem.value_and_gradient(theta)
    reference = value if null_value is None else null_value
    white = preconditioner.whiten(gradient)
    first = math.sqrt(float(white @ white))
    status, gap, n_iter = Status.MAX_ITER, 0.5 * first**2, 0
    while n_iter < max_iter:
        product = problem.hessian_product(theta)
        step, gap, inner = _conjugate_gradients(product, preconditioner, white, accuracy)
        target = tol * min(1.0, max(reference - value, _EPS * abs(value)))
        if gap <= 10 * target and accuracy > 1e-2:
            # Near the end: solve accurately, so that the gap is one and the last step is an exact Newton step.
            accuracy = 1e-2
            step, gap, inner = _conjugate_gradients(product, preconditioner, white, accuracy)
        if gap <= target:
            status = Status.CONVERGED
            break
        point = theta, value, gradient
        # Where the curvature is nearly none, the gap is mostly what the residual leaves open: the slope promises less.
        promised = -0.5 * float(gradient @ step)
        found = search(problem.value_and_gradient, point, step, promised, preconditioner.squared_norm, problem.rounding)
        if found is None:
            status = Status.ROUNDING
            break
        theta, value, gradient = found
        white = preconditioner.whiten(gradient)
        n_iter += 1
        accuracy = min(accuracy, max(1e-2, min(0.1, math.sqrt(float(white @ white)) / max(first, 1e-300))))
        if anew is not None and inner > _MANY_INNER and gap < _NEAR:
            preconditioner = anew(theta)
            white = preconditioner.whiten(gradient)
        if problem.observer(theta):
            status = Status.STOPPED
            break
        if problem.settled(theta, value):
            status = Status.SETTLED
            break
    return OptimizeResult(x=theta, fun=value, jac=gradient, gap=gap, mle_status=status, nit=n_iter)


def _conjugate_gradients(
    product: Callable[[Array], Array], preconditioner: Factor, white: Array, accuracy: float
) -> tuple[Array, float, int]:
    """Solve for the whitened Newton step to a relative residual.

    Return the step (in theta), an estimate of the gap and the number of products.
    """
    z = np.zeros_like(white)
    residual = -white
    direction = residual.copy()
    norm = float(residual @ residual)
    start, least, products = norm, math.inf, 0
    while products < _MOST_INNER and norm > accuracy**2 * start:
        products += 1
        curved = preconditioner.whiten(product(preconditioner.unwhiten(direction)))
        curvature = float(direction @ curved)
        if curvature <= _EPS * float(direction @ direction):
            if not z.any():
                # Not convex here: the preconditioner's own step goes downhill, its decrement tells how steep.
                return preconditioner.unwhiten(residual), start, products
            break  # flat to rounding: the step so far is a descent direction
        length = norm / curvature
        least = min(least, curvature / float(direction @ direction))
        z += length * direction
        residual -= length * curved
        previous, norm = norm, float(residual @ residual)
        direction *= norm / previous
        direction += residual
    model = -0.5 * float(white @ z)
    open_part = 0.5 * norm / least if math.isfinite(least) and least > 0 else 0.5 * norm
    return preconditioner.unwhiten(z), model + open_part, products
