"""scipy's L-BFGS-B in the variables that make the curvature near the identity: z = R theta with R'R a curvature.

In these variables L-BFGS converges in a handful of passes whatever the units and correlations of the columns, and half
the squared gradient estimates the gap to the optimum in nats: a stopping rule with a meaning.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import Factor
from sklearn_mle._solvers.problem import Callback, Solution, Status, stops


def whitened_lbfgs(
    value_and_gradient: Callable[[Array], tuple[float, Array]],
    start: Array,
    preconditioner: Factor,
    *,
    gap: float,
    maxiter: int,
    callback: Callback | None = None,
    at_the_end: Callable[[Array], tuple[float, Array]] | None = None,
    first_cut: float = np.inf,
) -> Solution:
    """Minimize until half the squared whitened gradient is at most ``gap``.

    The pass that is expected to be the last is taken by ``at_the_end``, which may form the curvature as well: the
    caller is about to ask for it there. The search then ends at that point, if none is better: steps by its curvature
    gain more than those by the preconditioner. ``first_cut`` is the part of the gap that the first step should leave.

    The returned gap is the preconditioner's estimate, not a certificate: the caller checks it against the full
    curvature at the end.
    """
    walk = _Walk(value_and_gradient, start, preconditioner, gap, callback, at_the_end, first_cut)
    if not walk.arrived and maxiter > 0:
        minimize(
            walk.function,
            np.zeros_like(start),
            jac=True,
            method="L-BFGS-B",
            callback=walk.callback,
            options={"gtol": 0.0, "ftol": 0.0, "maxcor": 20, "maxiter": maxiter, "maxfun": 3 * maxiter},
        )
    return walk.solution(maxiter)


@dataclass
class _Walk:
    """The function that L-BFGS-B sees, and the best point it has been shown.

    The variables are u = z / |z-gradient at the start|: L-BFGS-B's first trial step has length one, which in these
    units is the whitened Newton step. In z itself it would be far too short, and cost passes to grow.
    """

    value_and_gradient: Callable[[Array], tuple[float, Array]]
    start: Array
    preconditioner: Factor
    gap: float
    user_callback: Callback | None
    at_the_end: Callable[[Array], tuple[float, Array]] | None
    _cut: float

    def __post_init__(self) -> None:
        self.n_iter, self.stopped, self._gap = 0, False, np.inf
        self._last: Array | None = None
        self.best, white = self._evaluate(self.start)
        self.length = float(np.sqrt(white @ white))
        self._first: tuple[float, Array] | None = (self.best.value, white * self.length)

    def _evaluate(self, theta: Array) -> tuple[Solution, Array]:
        if self.at_the_end is not None and self._gap * self._cut <= self.gap:
            self._last = theta
            value, gradient = self.at_the_end(theta)
        else:
            value, gradient = self.value_and_gradient(theta)
        white = self.preconditioner.whiten(gradient)
        estimate = 0.5 * float(white @ white)
        if self._gap < np.inf:
            self._cut = estimate / self._gap  # as the last step did, so will the next
        self._gap = estimate
        return Solution(theta, value, gradient, estimate, None, estimate, Status.ROUNDING, 0), white

    @property
    def arrived(self) -> bool:
        """Whether the best point is near enough, or its curvature is known."""
        return self.best.theta is self._last or self.best.gap <= self.gap

    def function(self, u: Array) -> tuple[float, Array]:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        point, white = self._evaluate(self.start + self.preconditioner.unwhiten(u * self.length))
        if not np.isfinite(point.value):
            return np.inf, np.zeros_like(u)
        if point.value < self.best.value:
            self.best = point
        return point.value, white * self.length

    def callback(self, u: Array) -> None:
        self.n_iter += 1
        if self.arrived:
            raise StopIteration
        if stops(self.user_callback, self.best.theta, self.best.value):
            self.stopped = True
            raise StopIteration

    def solution(self, maxiter: int) -> Solution:
        status = Status.ROUNDING
        if self.arrived:
            status = Status.CONVERGED
        elif self.stopped:
            status = Status.STOPPED
        elif self.n_iter >= maxiter:
            status = Status.MAX_ITER
        best = self.best
        return Solution(best.theta, best.value, best.gradient, best.gap, None, best.gap, status, self.n_iter)
