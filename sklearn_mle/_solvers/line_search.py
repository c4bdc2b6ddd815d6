"""How far to go along a Newton step: the search that Newton's method and its conjugate-gradient relative share."""

import math

from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._solvers.problem import Derivative, Value

_ARMIJO = 1e-4
_SHORTEST_STEP = 1e-12
# A quadratic falls by its gap in a full step and is back in twice that; a straight line falls by twice the gap, and by
# twice as much in twice the step. Half-way between the two a longer step pays.
_STRAIGHT = 1.5
_MOST_DOUBLINGS = 30

Point = tuple[Array, float, Array]


def search(
    fun: Value,
    jac: Derivative,
    start: Point,
    step: Array,
    gap: float,
    squared_norm: Value,
    rounding: float,
    first: float = 1.0,
) -> Point | None:
    """Return (theta, F, gradient) at the first of theta + t step, t = first, first / 2, ..., that decreases F enough.

    Where F falls along the whole step as a straight line does, t is doubled while it goes on to: a model that had to
    take the sign from a negative curvature says nothing of how far, and its steps creep.

    Parameters
    ----------
    gap : float
        The decrease that the quadratic model predicts: half of minus the slope.
    squared_norm : callable
        Of a gradient, in the metric of the model: what judges a step whose decrease is below the rounding of F.
    rounding : float
        Absolute rounding error of F, beside its relative one.
    first : float
        The t to try first.

    Returns
    -------
    (ndarray, float, ndarray) or None
        None where rounding hides any decrease.
    """
    theta, value, gradient = start
    noise = 8 * (EPS * abs(value) + rounding)
    length = first
    while length > _SHORTEST_STEP:
        candidate = theta + length * step
        new_value = fun(candidate)
        if not math.isfinite(new_value):
            length *= 0.1  # a step far too long
            continue
        if 2 * gap * length > noise:
            if new_value <= value - _ARMIJO * length * 2 * gap:
                found = candidate, new_value, jac(candidate)
                straight = length == first and value - new_value > _STRAIGHT * gap * length
                return _farther(fun, jac, start, step, length, found) if straight else found
        elif squared_norm(jac(candidate)) < squared_norm(gradient):
            return candidate, new_value, jac(candidate)
        elif length == first and gap < noise:
            return None
        length *= 0.5
    return None


def _farther(fun: Value, jac: Derivative, start: Point, step: Array, length: float, found: Point) -> Point:
    """Return the last of theta + t step, t = length, 2 length, ..., to fall half as far again as the one before."""
    theta, value, _ = start
    for _ in range(_MOST_DOUBLINGS):
        length *= 2
        candidate = theta + length * step
        new_value = fun(candidate)
        if not value - new_value > _STRAIGHT * (value - found[1]):
            break
        found = candidate, new_value, jac(candidate)
    return found
