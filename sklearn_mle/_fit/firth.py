"""Firth's bias-reduced fits: Newton's method with the information in the Hessian's place (Fisher scoring).

The information is formed for the prior's sake at every point, and leaves out only the prior's curvature, of the order
of the parameters to the rows. Where that is much, as for separated classes, Newton's method goes on with products of
the exact Hessian.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scipy.optimize import minimize

from sklearn_mle._fit.result import FitOptions
from sklearn_mle._fit.solve import solve
from sklearn_mle._jeffreys import JeffreysNLL
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._solvers import Solution, Status, callback_of, newton, newton_cg

# Multiply-adds of a curvature above which a rough maximum is found by a sample first.
_LARGE_WORK = 3e7
_ROUGH = 0.1
_STEPS = 10
# The estimate is a root of the modified score, so it is held to a tighter tolerance than a likelihood.
_TIGHTER = 1e-8


def solve_bias_reduced(
    objective: JeffreysNLL,
    start: Array,
    null: Array,
    options: FitOptions,
    *,
    null_value: float,
    observer: Callable[[Array], bool] | None,
) -> Solution:
    """Minimize the bias-reduced objective; the value is the NLL alone, the factor the information's.

    ``null`` is the null model, from which a rough maximum is looked for where that is ``start``; ``null_value`` is its
    NLL.
    """
    nll, reference, n_iter = objective.objective, objective.value(null), 0
    if start is null and nll.data.n_rows * float(nll.predictors.size) ** 2 > _LARGE_WORK:
        # The neighbourhood of the maximum, found by a sample of the rows, is near that of the mode.
        near = solve(nll, null, options, null_value=null_value, tol=_ROUGH, observer=observer)
        if near.status is Status.STOPPED:
            return near
        n_iter, start = near.n_iter, near.theta if objective.value(near.theta) < reference else null

    def search(method: Any, theta: Array, most: int, **how: Any) -> Solution:
        return minimize(
            objective.value,
            theta,
            jac=objective.gradient,
            hess=objective.information,
            hessp=objective.hessian_product,
            method=method,
            callback=None if observer is None else callback_of(observer),
            options={
                "tol": _TIGHTER * options.tol,
                "maxiter": most,
                "reference": reference,
                "rounding": EPS * objective.objective.data.n_rows,
                **how,
            },
        ).solution

    most = max(options.max_iter - n_iter, 0)
    end = search(newton, start, min(_STEPS, most), factor=objective.factor, polish=0)
    if end.status is Status.MAX_ITER and end.n_iter < most:
        left, metric = most - end.n_iter, objective.factor(end.theta)
        further = search(newton_cg, end.theta, left, preconditioner=metric)
        end = replace(further, n_iter=end.n_iter + further.n_iter)
    within = end.gap <= options.tol * min(1.0, reference - end.value)
    return replace(
        end,
        value=objective.at(end.theta).nll,
        factor=objective.factor(end.theta),
        factor_theta=None,
        factor_gap=end.gap,
        n_iter=n_iter + end.n_iter,
        # Rounding may stop it once the tolerance is met.
        status=Status.CONVERGED if within and end.status is Status.ROUNDING else end.status,
    )
