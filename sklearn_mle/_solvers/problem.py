"""What every minimization takes and returns: functions of theta in, a Solution out. No data, no likelihood."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from sklearn_mle._numerics.factors import Factor

Array = NDArray[Any]
Callback = Callable[..., Any]


class Status(Enum):
    """How a minimization ended; the value says it in words, with the remedy where there is one."""

    CONVERGED = "converged: the gap to the optimum is within tol"
    ROUNDING = "stopped because floating point allows no further decrease"
    MAX_ITER = "max_iter was reached before the gap was within tol; increase max_iter"
    STOPPED = "stopped by a callback, at the best point so far"
    SETTLED = "stopped where all that was to be learnt from the search was known"

    def __init__(self, message: str) -> None:
        self.message = message
        # Whether the minimization was cut short: nobody is to go on from there.
        self.early = self.name in ("MAX_ITER", "STOPPED", "SETTLED")


@dataclass(frozen=True)
class Solution:
    """Where a minimization ended.

    Attributes
    ----------
    gap : float
        Half the squared Newton decrement there: the shortfall from the minimum, in nats (to second order). Where a last
        step needed no pass, this and the gradient are of the point before it.
    factor : Factor or None
        The factor that the gap was computed with, if one was formed.
    factor_gap : float
        The gap at the point where that factor was formed, at most a few polishing steps before the final one.
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

    @classmethod
    def of(cls, result: OptimizeResult) -> "Solution":
        """Return what a method of ours found; a minimization of no iteration at all counts as one of one."""
        n_iter = max(min(1, result.maxiter), result.nit)
        factor = result.factor, result.factor_gap, result.status, n_iter, result.factor_theta
        return cls(result.x, result.fun, result.jac, result.gap, *factor)


def result_of(
    status: Status,
    point: tuple[Array, float, Array],
    gap: float,
    nit: int,
    maxiter: int,
    factor: tuple[Factor | None, Array | None, float],
) -> OptimizeResult:
    """Return what a method of ours found at a point, (theta, F, gradient), with the factor, its theta and its gap."""
    theta, value, gradient = point
    return OptimizeResult(
        x=theta,
        fun=value,
        jac=gradient,
        gap=gap,
        factor=factor[0],
        factor_theta=factor[1],
        factor_gap=factor[2],
        status=status,
        success=status is Status.CONVERGED,
        message=status.message,
        nit=nit,
        maxiter=maxiter,
    )


def stops(callback: Callback | None, theta: Array, value: float) -> bool:
    """Call a callback as ``scipy.optimize.minimize`` does for its own methods; return whether it asked to stop.

    One with a single parameter ``intermediate_result`` gets an OptimizeResult, others get theta; a StopIteration stops.
    """
    if callback is None:
        return False
    try:
        if set(inspect.signature(callback).parameters) == {"intermediate_result"}:
            callback(intermediate_result=OptimizeResult(x=theta, fun=value))
        else:
            callback(theta.copy())
    except StopIteration:
        return True
    return False


def callback_of(observer: Callable[[Array], bool]) -> Callback:
    """Return a callback that stops where an observer of theta says so."""

    def callback(theta: Array) -> None:
        if observer(theta):
            raise StopIteration

    return callback
