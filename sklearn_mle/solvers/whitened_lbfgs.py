"""L-BFGS in the variables that make the curvature near the identity: z = R theta with R'R a curvature of the problem.

In these variables L-BFGS converges in a handful of passes whatever the units and correlations of the columns, and half
the squared gradient estimates the gap to the optimum in nats: a stopping rule with a meaning.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sklearn_mle.numerics.factors import Factor
from sklearn_mle.solvers.problem import Problem, Solution, Status

__all__ = ["solve_whitened_lbfgs"]

Array = NDArray[Any]


def solve_whitened_lbfgs(problem: Problem, preconditioner: Factor, start: Array, *, gap: float, max_iter: int) -> Solution:
    """Minimize until half the squared whitened gradient is at most ``gap``.

    The returned gap is the preconditioner's estimate, not a certificate: the caller checks it against the full
    curvature at the end.
    """
    best: dict[str, Any] = {"value": np.inf}
    state: dict[str, Any] = {"n_iter": 0, "status": Status.ROUNDING}

    def function(z: Array) -> tuple[float, Array]:
        theta = start + preconditioner.unwhiten(z)
        value, gradient = problem.value_and_gradient(theta)
        white = preconditioner.whiten(gradient)
        state.update(theta=theta, value=value, gradient=gradient, estimate=0.5 * float(white @ white))
        if value < best["value"]:
            best.update(state)
        if not np.isfinite(value):
            return np.inf, np.zeros_like(z)
        return value, white

    def callback(z: Array) -> None:
        state["n_iter"] += 1
        if best["estimate"] <= gap:
            state["status"] = Status.CONVERGED
        elif problem.observer(best["theta"]):
            state["status"] = Status.STOPPED
        else:
            return
        raise StopIteration

    result = minimize(
        function,
        np.zeros_like(start),
        jac=True,
        method="L-BFGS-B",
        callback=callback,
        options={"gtol": 0.0, "ftol": 0.0, "maxcor": 20, "maxiter": max_iter, "maxfun": 3 * max_iter},
    )
    if result.status == 1:
        state["status"] = Status.MAX_ITER
    estimate = best["estimate"]
    return Solution(
        best["theta"], best["value"], best["gradient"], estimate, None, estimate, state["status"], state["n_iter"]
    )
