"""Newton's method with a factored Hessian, a custom method of ``scipy.optimize.minimize``.

scipy's own Newton methods stop by the size of the gradient, or of a step: numbers with the units of the columns. Here
the factor that gives the step gives the gap to the minimum in nats, which is the stopping rule; and the last factor
serves for more steps to rounding, each for a pass without a curvature.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from scipy.optimize import OptimizeResult

from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError, damped
from sklearn_mle._solvers.line_search import search
from sklearn_mle._solvers.problem import Callback, Derivative, FactorAt, Solution, Status, Value, stops

Factored = Callable[[Array, Array], Factor]

# Nearer than this, in nats, full steps double the digits: nothing is gained by another length.
_FAR = 1e-3
# Nearer than this, 1e-9 standard errors, a step needs no pass to be trusted.
_TRUSTED = 1e-18


def newton(
    fun: Value,
    x0: Array,
    args: tuple[()] = (),
    *,
    jac: Derivative,
    hess: Derivative,
    callback: Callback | None = None,
    tol: float = 1e-8,
    maxiter: int = 100,
    reference: float | None = None,
    factor: Factored | None = None,
    safe_factor: FactorAt | None = None,
    length: Callable[[Array, Array], float] | None = None,
    first: Factor | None = None,
    constant_curvature: bool = False,
    rounding: float = 0.0,
    polish: int = 6,
    enough: float = 0.0,
    chord: float = 0.0,
    **unused: Any,
) -> OptimizeResult:
    """Minimize by damped Newton steps, then polish to rounding with the last factor.

    Parameters
    ----------
    fun, x0, args, jac, hess, callback
        From ``minimize``; the value at a point is asked for before its gradient, and its gradient before its Hessian.
    tol, reference : float
        The gap to reach is ``tol * min(1, reference - F)``, in nats; by default the reference is F at ``x0``.
    factor : callable
        (theta, Hessian) -> Factor; raises NotPositiveDefiniteError where it has none, and ``safe_factor``, theta ->
        Factor of a positive definite matrix near the Hessian, takes its place. By default Cholesky factors, the second
        of the Hessian damped until it has one.
    length : callable
        (theta, step) -> how much of a Newton step from theta to try first.
    first : Factor
        That at ``x0``, where it is known already.
    constant_curvature : bool
        The Hessian is the same everywhere.
    rounding : float
        Absolute rounding error of F, beside its relative one.
    polish : int
        At most so many steps beyond ``tol``, towards rounding.
    enough : float
        A gap below which no step is worth its pass.
    chord : float
        A factor that has cut the gap to this part of itself serves another step before the next is formed: worth it
        where a factor costs several passes, for each step then gains fewer digits.

    Returns
    -------
    OptimizeResult
        With the ``gap``, and the ``solution``; ``status`` is a Status.

    Notes
    -----
    Polishing reuses the factor of the point where the gap test was passed: it is exact to a relative error of the
    order of the decrement there, so each polishing step still gains several digits and costs one pass, not two.
    """
    factored = partial(_factored, factor, safe_factor)
    value = fun(x0)
    at = _Iterate()
    at.move(x0, value, jac(x0), first or factored(x0, hess(x0)))
    reference = value if reference is None else reference
    status, last, nit = Status.CONVERGED, math.inf, 0
    while not at.gap <= allowed_gap(tol, reference, at.value):
        if nit == maxiter:
            status = Status.MAX_ITER
            break
        step = -at.factor.unwhiten(at.white)
        trial = length(at.theta, step) if length is not None and at.gap > _FAR else 1.0
        start = at.theta, at.value, at.gradient
        found = search(fun, jac, start, step, at.gap, at.factor.squared_norm, rounding, trial)
        if found is None:
            status = Status.ROUNDING
            break
        last, nit = at.gap, nit + 1
        stopped = callback is not None and stops(callback, found[0], found[1])
        serves = constant_curvature or (chord > 0 and not stopped)
        if serves:
            at.move(*found)
            serves = constant_curvature or at.gap <= chord * last
        if not serves:
            at.move(*found, factored(found[0], hess(found[0])))
        if stopped:
            status = Status.STOPPED
            break
    if status is Status.CONVERGED:
        cut = at.gap / last if last < math.inf else 1.0
        _polish(fun, jac, None if constant_curvature else hess, factored, at, cut, polish, enough)
    end = Solution(at.theta, at.value, at.gradient, at.gap, at.factor, at.factor_gap, status, nit, at.factor_theta)
    return end.as_result(maxiter)


def allowed_gap(tol: float, reference: float, value: float) -> float:
    """Return the gap to reach: ``tol``, or that part of a small gain over the null model's F."""
    # A gain below the rounding of F is none: the target is then that rounding's part.
    return tol * min(1.0, max(reference - value, EPS * abs(value)))


class _Iterate:
    """A point and the factor in use; gaps are those that the factor tells of."""

    factor: Factor

    def move(self, theta: Array, value: float, gradient: Array, factor: Factor | None = None) -> None:
        """Go to a point, with a factor that was formed there, as the first is, or with the one before."""
        self.theta, self.value, self.gradient = theta, value, gradient
        if factor is not None:
            self.factor = factor
        self.white = self.factor.whiten(gradient)
        self.gap = 0.5 * float(self.white @ self.white)
        if factor is not None:
            self.factor_theta, self.factor_gap = theta, self.gap


def _factored(factor: Factored | None, safe_factor: FactorAt | None, theta: Array, hessian: Array) -> Factor:
    """Return the factor of the Hessian at theta, or the safe one."""
    try:
        return CholeskyFactor(hessian) if factor is None else factor(theta, hessian)
    except NotPositiveDefiniteError:
        found = damped(hessian, 10) if safe_factor is None else safe_factor(theta)
        if found is None:
            raise NotPositiveDefiniteError("the Hessian is not finite") from None
        return found


def _polish(
    fun: Value,
    jac: Derivative,
    hess: Derivative | None,
    factored: Factored,
    at: _Iterate,
    cut: float,
    steps: int,
    enough: float,
) -> None:
    """Take more Newton steps; the last one cut the gap to ``cut`` of itself. A constant curvature has no ``hess``.

    A factor serves as long as a step cuts the gap twentyfold; where that ends before rounding does, it is formed anew.
    One that has just cut it a thousandfold, and then no more, has met rounding. A last step that will leave ``enough``,
    if it only cuts the gap as the one before did, and changes F by less than its rounding, needs no pass to be trusted:
    the gap that is returned is then that before it, and so is the gradient.
    """
    trusted = at.gap == at.factor_gap
    for _ in range(steps):
        candidate = at.theta - at.factor.unwhiten(at.white)
        if at.gap <= min(max(enough, _TRUSTED), EPS * abs(at.value)) and at.gap * cut <= enough:
            at.theta, at.value = candidate, at.value - at.gap
            break
        value, gradient = fun(candidate), jac(candidate)
        white = at.factor.whiten(gradient)
        gap = 0.5 * float(white @ white)
        stalled, swift = not gap < 0.05 * at.gap, gap < 1e-3 * at.gap
        if gap < at.gap:
            cut = gap / at.gap
            at.theta, at.value, at.gradient, at.white, at.gap = candidate, value, gradient, white, gap
        if stalled:
            if trusted or hess is None:
                break  # the factor is not to blame: rounding, or a likelihood without a maximum
            at.move(at.theta, at.value, at.gradient, factored(at.theta, hess(at.theta)))
        trusted = stalled or swift
