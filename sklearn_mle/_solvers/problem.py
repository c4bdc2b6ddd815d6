"""What every minimization takes and returns: functions of theta in, a Solution out. No data, no likelihood."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from scipy.optimize import OptimizeResult

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import Factor

Callback = Callable[..., Any]
# Functions of theta: a value, a derivative, a factor.
Value = Callable[[Array], float]
Derivative = Callable[[Array], Array]
FactorAt = Callable[[Array], Factor]


class Status(Enum):
    """How a minimization ended; the value says it in words, with the remedy where there is one."""

    CONVERGED = "converged: the gap to the optimum is within tol"
    ROUNDING = "stopped because floating point allows no further decrease"
    MAX_ITER = "max_iter was reached before the gap was within tol; increase max_iter"
    STOPPED = "stopped by a callback, at the best point so far"
    SETTLED = "stopped where all that was to be learnt from the search was known"

    def __init__(self, message: str) -> None:
        self.message = message
        # Whether the minimization was cut short, so that no further stage is to continue it.
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

    def as_result(self, maxiter: int) -> OptimizeResult:
        """Return what a method of ``scipy.optimize.minimize`` returns, with this solution.

        In the solution a minimization of no iteration at all counts as one of one.
        """
        return OptimizeResult(
            x=self.theta,
            fun=self.value,
            jac=self.gradient,
            gap=self.gap,
            nit=self.n_iter,
            status=self.status,
            success=self.status is Status.CONVERGED,
            message=self.status.message,
            solution=self if self.n_iter or not maxiter else replace(self, n_iter=1),
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
