r"""A primal-dual interior point for check losses: the linear program of quantile regression, with a prior.

A general code for linear programs was rejected: it takes no quadratic term, and its absolute tolerances lose rows of
small weight.

References
----------
Portnoy and Koenker (1997), The Gaussian hare and the Laplacian tortoise, Statistical Science 12, section 3.
Mehrotra (1992), On the implementation of a primal-dual interior point method, SIAM Journal on Optimization 2.
Gondzio (1996), Multiple centrality corrections in a primal-dual method for linear programming, Computational
Optimization and Applications 6.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError, TriangularFactor
from sklearn_mle._quantile.check_loss import CheckLoss
from sklearn_mle._solvers import Status
from sklearn_mle._solvers.problem import Callback, stops

# The first path parameter, in mean absolute residuals, and the part of the way to the boundary that a step may go.
_FIRST_PATH = 0.1
_NEAR_BOUNDARY = 0.9995
_SHORTEST_STEP = 1e-9
# Centrality corrections: how many, up to which length of a step, and by how much a step hopes to be longer.
_CENTRAL_CORRECTIONS, _LONG_STEP, _HOPE = 3, 0.9, 0.3
_STALLED = 12
_LEAST_COMPLEMENTARITY = 1e-28
# What the equations of the dual may miss, per unit of all rows' weight (columns have a mean square near one); at the
# end their matrix is ill-conditioned, and the crossover repairs them better than more steps would.
_BALANCED = 1e-8
# Nearer to a slope than this part of the interval a dual value is known by its distance to it.
_NEAR_SLOPE = 1e-3
# The signs of the residual's two parts, and of the dual's distances to the upper and to the lower slope.
_SIGNS = np.array([[1.0], [-1.0]])


def interior_point(
    fun: Callable[[Array], float],
    x0: Array,
    args: tuple[()] = (),
    *,
    problem: CheckLoss,
    callback: Callback | None = None,
    tol: float = 1e-14,
    maxiter: int = 100,
    **unused: Any,
) -> OptimizeResult:
    """Minimize until the duality gap is at most ``tol`` times the weight times a typical residual, or at rounding.

    A method for ``scipy.optimize.minimize``, which hands it the problem's value as ``fun``. The result has ``dual`` (a
    subgradient for each row, strictly between its slopes) and ``at_zero`` (a mask of the rows that are fitted exactly
    at the optimum: their dual stays inside, while their residual vanishes); ``status`` is a Status. A must have full
    column rank, unless a prior makes up for it.
    """
    slopes = np.stack([problem.upper * problem.weight, problem.lower * problem.weight])
    point = _centred(problem, slopes, x0)
    weight = float((slopes[0] - slopes[1]).sum())
    radius = 1 + float(np.abs(x0).max(initial=0.0))
    # Where every row is fitted exactly there is no typical residual.
    floor = _LEAST_COMPLEMENTARITY * point.complementarity
    status, n_iter = Status.MAX_ITER, 0
    best, least, reference, stalled = point, np.inf, np.inf, 0
    lowest, lowest_value = point, np.inf
    while True:
        defect = problem.smooth_gradient(point.theta) - problem.transpose_matvec(point.subgradient(slopes))
        balanced = float(np.abs(defect).max(initial=0.0)) <= _BALANCED * weight
        if balanced and point.complementarity <= max(tol * weight * point.typical_residual, floor):
            status = Status.CONVERGED
            break
        merit = point.complementarity + radius * float(np.abs(defect).sum())
        stalled = 0 if merit < 0.9 * reference else stalled + 1
        reference = merit if stalled == 0 else reference
        if merit < least:
            best, least = point, merit
        if n_iter == maxiter:
            break
        moved = None if stalled > _STALLED else _step(problem, point, defect)
        if moved is None:
            point, status = best, Status.ROUNDING
            break
        point, n_iter = moved, n_iter + 1
        value = fun(point.theta)
        if value < lowest_value:
            lowest, lowest_value = point, value
        if stops(callback, point.theta, value):
            status = Status.STOPPED
            break
    if status.early:
        # Steps look for both the minimum and its proof, so the last is not always the lowest.
        point = lowest
    return OptimizeResult(
        x=point.theta, dual=point.subgradient(slopes), at_zero=point.at_zero, status=status, nit=n_iter
    )


@dataclass(frozen=True)
class _Point:
    """A theta and a dual value for each row, and what must stay positive, of shape (2, n) each.

    The parts of the residuals above and below zero, and the distances of the dual to the upper and the lower slope.
    The dual is kept beside its distances: in a heavy row it is far smaller, in most rows far larger.
    """

    theta: Array
    parts: Array
    dual: Array
    distances: Array

    @property
    def complementarity(self) -> float:
        """The duality gap, but for what the equations leave open."""
        return float(np.vdot(self.parts, self.distances))

    @property
    def path(self) -> float:
        """The path parameter: the mean product per unit of weight."""
        return 0.5 * self.complementarity / float(self.distances.sum())

    @property
    def typical_residual(self) -> float:
        """A power mean that neither outliers nor rows at zero rule."""
        return float(np.mean(np.sqrt(np.sqrt(self.parts.max(axis=0)))) ** 4)

    @property
    def at_zero(self) -> Array:
        width = self.distances.sum(axis=0)
        return self.parts.max(axis=0) * width < self.distances.min(axis=0) * self.typical_residual

    def subgradient(self, slopes: Array) -> Array:
        """Return the dual, where it is near a slope as measured from it."""
        near = _NEAR_SLOPE * self.distances.sum(axis=0)
        upper, lower = slopes - _SIGNS * self.distances
        return np.where(self.distances[0] < near, upper, np.where(self.distances[1] < near, lower, self.dual))

    def moved(self, direction: "_Point", primal: float, dual: float) -> "_Point":
        return _Point(
            self.theta + primal * direction.theta,
            self.parts + primal * direction.parts,
            self.dual + dual * direction.dual,
            self.distances + dual * direction.distances,
        )


def _centred(problem: CheckLoss, slopes: Array, theta: Array) -> _Point:
    """Return the point on the central path that has these residuals: the same products in rows of one weight."""
    residual = problem.residual(theta)
    # Not weighted: a few heavy rows, fitted exactly, would have all others start at the boundary.
    size = np.abs(residual)
    path = _FIRST_PATH * (float(size.mean()) or float(np.abs(problem.data.y).mean()) or 1.0)
    # The nearer slope's share of the interval: no cancellation for rows far out.
    near = 2 * path / (size + 2 * path + np.sqrt(np.square(size) + 4 * path**2))
    shares = np.where(_SIGNS * residual > 0, near, 1 - near)
    distances = (slopes[0] - slopes[1]) * shares
    dual = np.where(shares[0] < shares[1], slopes[0] - distances[0], slopes[1] + distances[1])
    return _Point(theta, path / shares, dual, distances)


def _step(problem: CheckLoss, point: _Point, defect: Array) -> _Point | None:
    """Return the point after a predictor-corrector step; None where rounding allows no step worth its name."""
    parts, distances = point.parts, point.distances
    stiffness = 1 / (parts / distances).sum(axis=0)
    factor = _factor(problem, stiffness)
    if factor is None:
        return None
    # Steps of very different lengths leave rounding behind, which the next step takes back.
    drift = problem.residual(point.theta) - (parts[0] - parts[1])

    def direction(target: Array) -> _Point:
        """Return the direction in which the products of parts and distances change by the target."""
        needed = drift - (target[0] / distances[0] - target[1] / distances[1])
        theta = factor.solve(problem.transpose_matvec(stiffness * needed) - defect)
        dual = stiffness * (needed - problem.matvec(theta))
        closing = _SIGNS * dual
        return _Point(theta, (target + parts * closing) / distances, dual, -closing)

    affine = direction(-parts * distances)
    primal, dual = _lengths(problem, point, affine, 1.0)
    path = point.path
    # Products are aimed at in proportion to the rows' weights, so that a weight of k is k copies.
    aim = path * (point.moved(affine, primal, dual).path / path) ** 3 * distances.sum(axis=0)
    # The second-order term is that of the step taken: of the full one, where that is blocked, it would be far off.
    target = aim - parts * distances + _SIGNS * affine.parts * (primal * dual * affine.dual)
    chosen = direction(target)
    primal, dual = _lengths(problem, point, chosen, _NEAR_BOUNDARY)
    for _ in range(_CENTRAL_CORRECTIONS):
        if min(primal, dual) > _LONG_STEP:
            break
        # What a longer step would leave far from the path is corrected for (Gondzio 1996): products are brought back
        # to between a tenth and ten times their aim, at most ten times the aim down.
        hoped = point.moved(chosen, min(1.0, primal + _HOPE), min(1.0, dual + _HOPE))
        product = hoped.parts * hoped.distances
        target = target + np.maximum(np.clip(product, 0.1 * aim, 10 * aim) - product, -10 * aim)
        other = direction(target)
        longer = _lengths(problem, point, other, _NEAR_BOUNDARY)
        if not min(longer) > min(primal, dual) + 0.1 * _HOPE:
            break
        chosen, (primal, dual) = other, longer
    if not min(primal, dual) > _SHORTEST_STEP or not np.isfinite(chosen.theta).all():
        return None
    return point.moved(chosen, primal, dual)


def _factor(problem: CheckLoss, stiffness: Array) -> Factor | None:
    weighted, anywhere = problem.weighted(stiffness, problem.precision), np.zeros(problem.predictors.size)
    with suppress(NotPositiveDefiniteError):
        factor = CholeskyFactor(weighted.hessian(anywhere))
        if factor.resolved:
            return factor
    with suppress(NotPositiveDefiniteError):  # weights over many decades
        return TriangularFactor(weighted.triangle(anywhere))
    return None


def _lengths(problem: CheckLoss, point: _Point, direction: _Point, part: float) -> tuple[float, float]:
    """Return how far the direction may go in the primal and in the dual variables, at most one."""
    shrinking = float((-direction.parts / point.parts).max())
    closing = float((-direction.distances / point.distances).max())
    primal, dual = (min(1.0, part / max(rate, part)) for rate in (shrinking, closing))
    if problem.precision.any():
        # theta and the dual meet in the gradient of phi, so that they must go the same way together.
        primal = dual = min(primal, dual)
    return primal, dual
