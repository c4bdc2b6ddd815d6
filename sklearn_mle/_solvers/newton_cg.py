"""Newton's method with inner conjugate gradients, for problems whose Hessian is too large to form.

A custom method of ``scipy.optimize.minimize``: scipy's own Newton-CG takes no preconditioner, and a stopping rule in
units of the gradient, which mean nothing when columns have different units.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.factors import DiagonalFactor, Factor
from sklearn_mle._solvers.line_search import search
from sklearn_mle._solvers.newton import allowed_gap
from sklearn_mle._solvers.problem import Callback, Derivative, FactorAt, Solution, Status, Value, stops

_MOST_INNER = 500
# Inner iterations from which another preconditioner pays, and the gap, in nats, below which it is of use.
_MANY_INNER, _NEAR = 25, 1.0
# The relative residual of the first steps, and of the last.
_ROUGH, _ACCURATE = 0.1, 1e-2
# The least curvature along any direction so far may be so many times the least of all.
_CAUTION = 3.0


def newton_cg(
    fun: Value,
    x0: Array,
    args: tuple[()] = (),
    *,
    jac: Derivative,
    hessp: Callable[[Array, Array], Array],
    callback: Callback | None = None,
    tol: float = 1e-8,
    maxiter: int = 100,
    reference: float | None = None,
    preconditioner: Factor | None = None,
    refresh: FactorAt | None = None,
    rounding: float = 0.0,
    **unused: Any,
) -> OptimizeResult:
    """Minimize by truncated Newton steps in the preconditioner's variables.

    The gap is the decrease of the quadratic model that conjugate gradients found at the final point, enlarged by what
    its residual leaves open. Of a fit that is cut short it is that of the point before, for none but a few more passes
    would tell.

    Parameters
    ----------
    fun, x0, args, jac, hessp, callback
        From ``minimize``; the value at a point is asked for before its gradient.
    tol, reference, rounding
        As in ``newton``.
    preconditioner : Factor
        Near that of the Hessian; by default the identity.
    refresh : callable
        theta -> Factor: forms the preconditioner again near the optimum, where the first has come to need many inner
        iterations; far from it one of the present point is no better.

    References
    ----------
    Dembo, Eisenstat and Steihaug (1982), Truncated-Newton algorithms for large-scale unconstrained optimization.
    Hsia, Chiang and Lin (2018), Preconditioned conjugate gradient methods in truncated Newton frameworks.
    """
    theta, value, gradient = x0, fun(x0), jac(x0)
    reference = value if reference is None else reference
    metric = preconditioner or DiagonalFactor(np.ones(len(x0)))
    white = metric.whiten(gradient)
    first = math.sqrt(float(white @ white))
    accuracy, status, gap, nit, least = _ROUGH, Status.MAX_ITER, 0.5 * first**2, 0, math.inf
    while nit < maxiter:
        product = partial(hessp, theta)
        target = allowed_gap(tol, reference, value)
        step, gap, inner, least = _conjugate_gradients(product, metric, white, accuracy, target, least)
        if target < gap <= 10 * target and accuracy > _ACCURATE:
            # Near the end: solve accurately, so that the last step is an exact Newton step.
            accuracy = _ACCURATE
            step, gap, inner, least = _conjugate_gradients(product, metric, white, accuracy, target, least)
        if gap <= target:
            status = Status.CONVERGED
            break
        # Where the curvature is nearly zero, most of the gap is what the residual leaves open; the slope predicts less.
        promised = -0.5 * float(gradient @ step)
        found = search(fun, jac, (theta, value, gradient), step, promised, metric.squared_norm, rounding)
        if found is None:
            status = Status.ROUNDING
            break
        theta, value, gradient = found
        white = metric.whiten(gradient)
        nit += 1
        residual = math.sqrt(float(white @ white)) / max(first, 1e-300)
        accuracy = min(accuracy, max(_ACCURATE, min(_ROUGH, residual)))
        if refresh is not None and inner > _MANY_INNER and gap < _NEAR:
            metric = refresh(theta)
            white, least = metric.whiten(gradient), math.inf
        if stops(callback, theta, value):
            status = Status.STOPPED
            break
    return Solution(theta, value, gradient, gap, None, gap, status, nit).as_result(maxiter)


def _conjugate_gradients(
    product: Derivative, preconditioner: Factor, white: Array, accuracy: float, enough: float, least: float
) -> tuple[Array, float, int, float]:
    """Solve for the whitened Newton step to a relative residual; roughly where that tells of a gap of ``enough``.

    Return the step (in theta), the gap, the number of products and the ``least`` curvature along a direction, of these
    products and those before. The gap is the decrease along the step and what the residual leaves open, at most: half
    its square over the least curvature of all.
    """

    def gap() -> float:
        bent = least / _CAUTION if math.isfinite(least) and least > 0 else 1.0
        return -0.5 * float(white @ z) + 0.5 * norm / bent

    z = np.zeros_like(white)
    residual = -white
    direction = residual.copy()
    norm = float(residual @ residual)
    start, products = norm, 0
    while products < _MOST_INNER and norm > accuracy**2 * start:
        # Directions of little curvature come late: a few products may have met none.
        if norm <= _ROUGH**2 * start and gap() <= enough:
            break
        products += 1
        curved = preconditioner.whiten(product(preconditioner.unwhiten(direction)))
        curvature = float(direction @ curved)
        if curvature <= EPS * float(direction @ direction):
            if not z.any():
                # Not convex here: the preconditioner's own step goes downhill, its decrement tells how steep.
                return preconditioner.unwhiten(residual), start, products, least
            break  # flat to rounding: the step so far is a descent direction
        length = norm / curvature
        least = min(least, curvature / float(direction @ direction))
        z += length * direction
        residual -= length * curved
        previous, norm = norm, float(residual @ residual)
        direction *= norm / previous
        direction += residual
    return preconditioner.unwhiten(z), gap(), products, least
