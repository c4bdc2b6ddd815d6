"""Solving Firth's bias-reduced problem by Newton steps whose Hessian costs one curvature more, once.

The information is formed for the prior's sake at every point. It leaves out the curvature of the log-determinant, of
the order of the parameters to the rows: steps with it alone gain that factor each. Nearly all of that curvature is had
for one pass; formed once, near the optimum, and brought up to date by what each step shows of it, it lets each step
nearly square what is left. A long step is bent before it is taken, by passes that need no curvature: with the rows'
covariances held the prior is a term a row, and what such a step misses is mostly the likelihood's.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sklearn_mle._fit.bias_reduction import BiasReducedNLL, ReducedPoint
from sklearn_mle._fit.result import FitOptions
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle._solvers import Solution, Status, callback_of, newton_cg
from sklearn_mle._solvers.line_search import search

__all__ = ["solve_bias_reduced"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
# Where so many steps do not suffice Newton's method with exact Hessian products goes on.
_STEPS = 10
# What is asked for is a score of zero, not a likelihood near its maximum.
_TIGHTER = 1e-8
# Nats from the optimum within which the prior's curvature is worth its pass, and the part of the gap that a step may
# leave before it is formed anew.
_NEAR, _SLOW = 1.0, 0.5
# A step from farther than this is bent, again where that leaves more than _LEFT, so often at most; and not as if more
# than 4/5 of what it was to remove were left each time.
_FAR, _LEFT, _BENDS, _MOST_MIXED = 1e-3, 0.1, 3, 4.0


def solve_bias_reduced(
    objective: BiasReducedNLL,
    start: Array,
    options: FitOptions,
    *,
    null_value: float,
    observer: Callable[[Array], bool] | None,
) -> Solution:
    """Minimize the bias-reduced objective; the value is the NLL alone, the factor the information's.

    Parameters
    ----------
    objective : BiasReducedNLL
    start : ndarray of shape (size,)
    options : FitOptions
    null_value : float
        F at the null model.
    observer : callable or None
    """
    rounding = _EPS * objective.objective.data.n_rows
    point, last, n_iter = objective.at(start), math.inf, 0
    prior: _Prior | None = None
    while True:
        model = _Model.of(point, prior)
        shrinks = min(model.gap / last, 1.0)
        if (model.gap < _NEAR and prior is None) or shrinks > _SLOW:
            prior = _Prior.near(objective, point)
            model = _Model.of(point, prior)
        factor, gap = model.factor, model.gap
        allowed = options.tol * min(1.0, max(null_value - point.value, _EPS * abs(point.value)))
        if gap * (shrinks if last < math.inf else 1.0) <= _TIGHTER * allowed:
            if factor is point.factor:
                break
            # One more such step costs nothing, and needs no pass to be trusted.
            step = -factor.unwhiten(model.white)
            theta, nll = point.theta + step, point.nll + float(point.plain @ step)
            return Solution(theta, nll, model.gradient, gap, point.factor, gap, Status.CONVERGED, n_iter)
        if n_iter == min(_STEPS, options.max_iter):
            break
        known = point.theta, point.value, model.gradient
        step = _bent_step(objective, point, prior, model)
        found = search(objective.value, objective.gradient, known, step, gap, factor.squared_norm, rounding)
        if found is None:
            break
        before, last, point, n_iter = point, gap, objective.at(found[0]), n_iter + 1
        if prior is not None:
            prior = prior.agreeing(before, point)
        if observer is not None and observer(point.theta):
            model = _Model.of(point, prior)
            return Solution(
                point.theta, point.nll, model.gradient, model.gap, point.factor, model.gap, Status.STOPPED, n_iter
            )
    return _finished(objective, point, options, null_value, n_iter, observer)


@dataclass(slots=True)
class _Model:
    """The quadratic model of F at a point: factor and gradient, that gradient whitened, and the gap that follows."""

    factor: Factor
    gradient: Array
    white: Array
    gap: float

    @classmethod
    def of(cls, point: ReducedPoint, prior: "_Prior | None") -> "_Model":
        """Return the model with the curvature of F as far as it is known.

        The factor is the information's where nothing is known of the prior's, or the two together are not positive
        definite.
        """
        factor = point.known_factor
        # Where the information had to be found by a QR of the rows, the sum of the two has no digits to tell.
        if prior is not None and isinstance(factor, CholeskyFactor):
            with suppress(NotPositiveDefiniteError):
                factor = CholeskyFactor(point.information + prior.held + prior.moved)
        white = factor.whiten(point.gradient)
        return cls(factor, point.gradient, white, 0.5 * float(white @ white))


@dataclass(slots=True)
class _Prior:
    """The prior's curvature: with the rows' covariances held, and what their change adds."""

    held: Array
    moved: Array

    @classmethod
    def near(cls, objective: BiasReducedNLL, point: ReducedPoint) -> "_Prior":
        r"""Return the curvature at a point near the optimum.

        Of m parameters that are alike the third derivatives of the likelihood, whitened, are nearly the symmetric part
        of :math:`3\, c \otimes 1`. With B the whitened change of the information along a, also whitened, tr B is then
        (m + 2) c'a, from which c is known, and tr B^2 is :math:`(m + 6) (c^\top a)^2 + 2 |c|^2 |a|^2`.
        """
        m, share = len(point.theta), objective.share
        moved = point.known_factor.squared_norm(point.prior) * point.information
        moved += (0.5 * m + 3) * np.multiply.outer(point.prior, point.prior)
        return cls(objective.held_curvature(point.theta), 4 / (share * (m + 2) ** 2) * moved)

    def agreeing(self, before: ReducedPoint, after: ReducedPoint) -> "_Prior":
        """Return the curvature changed least, in the metric of the information, to agree with a step's gradients.

        References
        ----------
        Powell (1970), A new algorithm for unconstrained optimization (the symmetric form of Broyden's update).
        """
        step = after.theta - before.theta
        missing = after.prior - before.prior - (self.held + self.moved) @ step
        metric = after.information @ step
        length = float(metric @ step)
        side = missing / length - 0.5 * float(missing @ step) / length**2 * metric
        change = np.multiply.outer(side, metric)
        return _Prior(self.held, self.moved + change + change.T)


def _bent_step(objective: BiasReducedNLL, point: ReducedPoint, prior: _Prior | None, model: _Model) -> Array:
    """Return the model's Newton step; a long one is corrected, with the same factor, by the gradient where it ends.

    That is taken with the rows' covariances held, for new ones would need a curvature. Corrections that shrink steadily
    are lengthened to their sum.

    References
    ----------
    Anderson (1965), Iterative procedures for nonlinear integral equations, Journal of the ACM 12.
    """
    factor, white, gap, least = model.factor, model.white, model.gap, _FAR
    turn = factor.unwhiten(white)
    step, before = -turn, np.zeros(turn.shape)
    for _ in range(_BENDS):
        if gap <= least:
            break
        left = objective.held_gradient(point.theta + step, point)
        if prior is not None:
            left += prior.moved @ step
        new = factor.whiten(left)
        new_gap = 0.5 * float(new @ new)
        if not new_gap < gap:
            break
        change, new_turn = new - white, factor.unwhiten(new)
        mixed = min(max(float(change @ new) / float(change @ change), -_MOST_MIXED), 0.5)
        step, before = (1 - mixed) * (step - new_turn) + mixed * (before - turn), step
        white, turn, gap, least = new, new_turn, new_gap, _LEFT
    return step


def _finished(
    objective: BiasReducedNLL,
    near: ReducedPoint,
    options: FitOptions,
    null_value: float,
    n_iter: int,
    observer: Callable[[Array], bool] | None,
) -> Solution:
    """Return the solution that Newton's method with exact Hessian products finds from nearby."""
    product_at = cache(lambda theta: objective.hessian_product(np.frombuffer(theta)))
    result = minimize(
        objective.value_and_gradient,
        near.theta,
        jac=True,
        hessp=lambda theta, vector: product_at(theta.tobytes())(vector),
        method=newton_cg,
        callback=None if observer is None else callback_of(observer),
        options={
            "preconditioner": objective.factor(near.theta),
            "tol": _TIGHTER * options.tol,
            "maxiter": options.max_iter - n_iter,
            "reference": null_value,
            "rounding": _EPS * objective.objective.data.n_rows,
        },
    )
    end = Solution.of(result)
    within = end.gap <= options.tol * min(1.0, null_value - end.value)
    return replace(
        end,
        value=objective.nll(end.theta),
        factor=objective.factor(end.theta),
        factor_gap=end.gap,
        # Rounding may stop it within what was asked for.
        status=Status.CONVERGED if within and end.status is Status.ROUNDING else end.status,
        n_iter=n_iter + end.n_iter,
    )
