"""How far to go along a Newton step: the search that Newton's method and its conjugate-gradient relative share."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["search"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
_ARMIJO = 1e-4
_SHORTEST_STEP = 1e-12

Point = tuple[Array, float, Array]


def search(
    value_and_gradient: Callable[[Array], tuple[float, Array]],
    start: Point,
    step: Array,
    gap: float,
    squared_norm: Callable[[Array], float],
    rounding: float,
    first: float = 1.0,
) -> Point | None:
    """Return (theta, F, gradient) at the first of theta + t step, t = first, first / 2, ..., that decreases F enough.

    Parameters
    ----------
    value_and_gradient : callable
        theta -> (F, gradient).
    start : (ndarray, float, ndarray)
    step : ndarray
    gap : float
        The decrease that the quadratic model promises: half of minus the slope.
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
    noise = 8 * (_EPS * abs(value) + rounding)
    length = first
    while length > _SHORTEST_STEP:
        candidate = theta + length * step
        new_value, new_gradient = value_and_gradient(candidate)
        if not math.isfinite(new_value):
            length *= 0.1  # a step far too long
            continue
        if 2 * gap * length > noise:
            if new_value <= value - _ARMIJO * length * 2 * gap:
                return candidate, new_value, new_gradient
        elif squared_norm(new_gradient) < squared_norm(gradient):
            return candidate, new_value, new_gradient
        elif length == first and gap < noise:
            return None
        length *= 0.5
    return None
