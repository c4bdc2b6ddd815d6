"""A Problem in, a Solution out: what solvers see of a fit. No data, no intercepts, no likelihood."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from numpy.typing import NDArray

from sklearn_mle._numerics.factors import Factor

__all__ = ["Problem", "Solution", "Status"]

Array = NDArray[Any]


class Status(Enum):
    """How a minimization ended; the value says it in words, with the remedy where there is one."""

    CONVERGED = "converged: the gap to the optimum is within tol"
    ROUNDING = "stopped where floating point leaves no further decrease"
    MAX_ITER = "max_iter was reached before the gap was within tol; increase max_iter"
    STOPPED = "stopped by a callback, at the best point so far"
    SETTLED = "stopped where all that was to be learnt from the search was known"

    @property
    def early(self) -> bool:
        """Whether the minimization was cut short: nobody is to go on from there."""
        return self in (Status.MAX_ITER, Status.STOPPED, Status.SETTLED)

    @property
    def message(self) -> str:
        """The status in words."""
        return self.value


@dataclass(frozen=True)
class Problem:
    """A smooth function of theta to be minimized, in nats.

    Attributes
    ----------
    value_and_gradient : callable
        theta -> (F, gradient).
    factor : callable
        theta -> Factor of the Hessian; may raise NotPositiveDefiniteError.
    safe_factor : callable
        theta -> Factor of a positive definite matrix near the Hessian (the expected information).
    hessian_product : callable
        theta -> (v -> Hessian v).
    constant_curvature : bool
        The Hessian is the same everywhere.
    rounding : float
        Absolute rounding error of F, beside its relative one.
    length : callable
        (theta, step) -> how much of a Newton step from theta to try first.
    expand : callable or None
        As value_and_gradient, in a pass that forms the curvature, too, which ``factor`` at the same theta then takes.
    observer : callable
        Called with theta once an iteration; True asks to stop.
    settled : callable
        (theta, F) -> whether the search has shown what it is for. Newton-CG asks once an iteration: its iterations are
        dear, and dearer the flatter F.
    """

    value_and_gradient: Callable[[Array], tuple[float, Array]]
    factor: Callable[[Array], Factor]
    safe_factor: Callable[[Array], Factor]
    hessian_product: Callable[[Array], Callable[[Array], Array]]
    constant_curvature: bool = False
    rounding: float = 0.0
    length: Callable[[Array, Array], float] = lambda theta, step: 1.0
    expand: Callable[[Array], tuple[float, Array]] | None = None
    observer: Callable[[Array], bool] = lambda theta: False
    settled: Callable[[Array, float], bool] = lambda theta, value: False


@dataclass(frozen=True)
class Solution:
    """Where a minimization ended.

    Attributes
    ----------
    theta, value, gradient
        The final point.
    gap : float
        Half the squared Newton decrement there: the shortfall from the minimum, in nats (to second order). Where a last
        step needed no pass, this and the gradient are of the point before it.
    factor : Factor or None
        The factor that the gap was computed with, if one was formed.
    factor_gap : float
        The gap at the point where that factor was formed, at most a few polishing steps before the final one.
    status : Status
    n_iter : int
    factor_theta : ndarray of shape (size,) or None
        That point; None where it is theta.
    """

    theta: Array
    value: float
    gradient: Array
    gap: float
    factor: Factor | None
    factor_gap: float
    status: Status
    n_iter: int
    factor_theta: Array | None = None
