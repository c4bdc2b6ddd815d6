r"""Sums of check losses, minimized by a primal-dual interior point: the linear program of quantile regression.

.. math:: \min_\theta \; \sum_i \rho_i(y_i - (A \theta)_i) + \phi(\theta) ,\qquad
    \rho_i(r) = \max(u_i r, l_i r) ,\quad l_i < 0 < u_i ,\qquad
    \phi(\theta) = -g^\top \theta + \tfrac12 \sum_j \lambda_j \theta_j^2 - \nu \log \theta_{\text{last}}

Its dual has one variable a row, between l_i and u_i, and any dual value proves how far a theta is from the optimum.
A general LP code was rejected: it knows neither the quadratic (a prior) nor the logarithm (an estimated scale), and
its absolute tolerances lose rows of small weight.

References
----------
Portnoy and Koenker (1997), The Gaussian hare and the Laplacian tortoise, Statistical Science 12, section 3.
Mehrotra (1992), On the implementation of a primal-dual interior point method, SIAM Journal on Optimization 2.
Gondzio (1996), Multiple centrality corrections in a primal-dual method for linear programming, Computational
Optimization and Applications 6.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.factors import (
    CholeskyFactor,
    Factor,
    NotPositiveDefiniteError,
    TriangularFactor,
    triangle_of,
)
from sklearn_mle._solvers.problem import Status

__all__ = ["CheckLossProblem", "CheckLossSolution", "SmoothPart", "solve_check_loss"]

Array = NDArray[Any]

# The first path parameter, in mean absolute residuals, and the part of the way to the boundary that a step may go.
_FIRST_PATH = 0.1
_NEAR_BOUNDARY = 0.9995
_SHORTEST_STEP = 1e-9
_MOST_SHRUNK = 0.5
# Centrality corrections: how many, up to which length of a step, and by how much a step hopes to be longer.
_CENTRAL_CORRECTIONS, _LONG_STEP, _HOPE = 3, 0.9, 0.3
_STALLED = 12
_FLOOR = 1e-28
# What the equations of the dual may miss, per unit of all rows' weight (columns have a mean square near one); at the
# end their matrix is ill-conditioned, and the optimal face repairs them better than more steps would.
_BALANCED = 1e-8
# Nearer to a slope than this part of the interval a subgradient is known by its distance to it.
_NEAR_SLOPE = 1e-3


@dataclass(frozen=True)
class SmoothPart:
    r"""The smooth term :math:`\phi`: linear, quadratic, and the logarithm of the last parameter.

    Attributes
    ----------
    linear : ndarray of shape (size,)
        What the rows that are not looked at pull with (g): they stay on their side of the fit.
    precision : ndarray of shape (size,)
    log_weight : float
        The multiple nu of -log of the last parameter; zero where that is a parameter like the others.
    """

    linear: Array
    precision: Array
    log_weight: float = 0.0

    @property
    def is_linear(self) -> bool:
        """Whether the problem is a linear program."""
        return not self.log_weight and not self.precision.any()

    def value(self, theta: Array) -> float:
        """Return phi."""
        value = float(0.5 * (self.precision @ np.square(theta)) - self.linear @ theta)
        return value - self.log_weight * float(np.log(theta[-1])) if self.log_weight else value

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of phi."""
        gradient = self.precision * theta - self.linear
        if self.log_weight:
            gradient[-1] -= self.log_weight / theta[-1]
        return gradient

    def curvature(self, theta: Array) -> Array:
        """Return the diagonal of the Hessian of phi, which has nothing else."""
        curvature = self.precision.copy()
        if self.log_weight:
            curvature[-1] += self.log_weight / theta[-1] ** 2
        return curvature

    def gap(self, theta: Array, pull: Array, radius: float) -> float:
        r"""Return :math:`\phi(\theta) + \phi^*(A^\top a) - \theta^\top A^\top a`, with pull = A'a.

        Zero where ``pull`` is the gradient of phi. For a parameter that phi is linear in, what the pull misses counts
        with ``radius``, about how far the optimum could be: a proof only where the miss is one of rounding.
        """
        defect = self.gradient(theta) - pull
        quadratic = self.precision > 0
        gap = 0.5 * float(np.sum(np.square(defect[quadratic]) / self.precision[quadratic]))
        plain = ~quadratic
        if self.log_weight:
            plain[-1] = False
            ratio = 1 + defect[-1] * theta[-1] / self.log_weight
            gap += self.log_weight * (ratio - 1 - float(np.log(ratio))) if ratio > 0 else float("inf")
        return gap + radius * float(np.abs(defect[plain]).sum())


@dataclass(frozen=True)
class CheckLossProblem:
    """Some rows of check losses, behind the three products that a solver needs of them.

    Attributes
    ----------
    y : ndarray of shape (n,)
    lower, upper : ndarray of shape (n,)
        The slopes of each row's loss below and above zero, weights included.
    matvec : callable
        theta -> A theta.
    transpose_matvec : callable
        a -> A'a.
    sandwich : callable
        d -> A' diag(d) A.
    triangle : callable
        d -> R with R'R = A' diag(d) A, by a QR decomposition: for d over so many decades that the sandwich is too
        ill-conditioned.
    smooth : SmoothPart
    observer : callable
        Called with theta once an iteration; True asks to stop.
    """

    y: Array
    lower: Array
    upper: Array
    matvec: Callable[[Array], Array]
    transpose_matvec: Callable[[Array], Array]
    sandwich: Callable[[Array], Array]
    triangle: Callable[[Array], Array]
    smooth: SmoothPart
    observer: Callable[[Array], bool] = lambda theta: False


@dataclass(frozen=True)
class CheckLossSolution:
    """Where the interior point ended.

    Attributes
    ----------
    theta : ndarray of shape (size,)
    dual : ndarray of shape (n,)
        One subgradient a row, strictly between its slopes.
    at_zero : ndarray of bool, shape (n,)
        The rows that are fitted exactly at the optimum: their subgradient is what stays inside, not their residual.
    status : Status
    n_iter : int
    """

    theta: Array
    dual: Array
    at_zero: Array
    status: Status
    n_iter: int


def solve_check_loss(problem: CheckLossProblem, start: Array, *, tol: float, max_iter: int) -> CheckLossSolution:
    """Minimize until the duality gap is at most ``tol`` times the weight times a typical residual, or at rounding.

    Parameters
    ----------
    problem : CheckLossProblem
        With A of full column rank, unless a prior makes up for it.
    start : ndarray of shape (size,)
        Any; its last parameter is positive where there is a logarithm of it.
    tol : float
    max_iter : int
    """
    point = _Point.centred(problem, start)
    status, n_iter = Status.MAX_ITER, 0
    weight = float((problem.upper - problem.lower).sum())
    radius = 1 + float(np.abs(start).max(initial=0.0))
    best, least, reference, stalled = point, np.inf, np.inf, 0
    lowest, lowest_value = point, point.value(problem)
    # Where every row is fitted exactly there is no typical residual.
    floor = _FLOOR * point.complementarity
    pull = problem.transpose_matvec(point.dual(problem))
    while True:
        defect = problem.smooth.gradient(point.theta) - pull
        balanced = float(np.abs(defect).max(initial=0.0)) <= _BALANCED * weight
        if balanced and point.complementarity <= max(tol * weight * point.typical_size, floor):
            status = Status.CONVERGED
            break
        merit = point.complementarity + radius * float(np.abs(defect).sum())
        stalled = 0 if merit < 0.9 * reference else stalled + 1
        reference = merit if stalled == 0 else reference
        if merit < least:
            best, least = point, merit
        if n_iter == max_iter:
            break
        moved = None if stalled > _STALLED else _step(problem, point, defect)
        if moved is None:
            point, status = best, Status.ROUNDING
            break
        point, n_iter = moved, n_iter + 1
        if (value := point.value(problem)) < lowest_value:
            lowest, lowest_value = point, value
        if problem.observer(point.theta):
            status = Status.STOPPED
            break
        pull = problem.transpose_matvec(point.dual(problem))
    if status.early:
        # Steps look for both the minimum and its proof, so the last is not always the lowest.
        point = lowest
    return CheckLossSolution(point.theta, point.dual(problem), point.at_zero, status, n_iter)


@dataclass(frozen=True)
class _Point:
    """r = above - below, the subgradients, and their distances to the upper and the lower slope: these four positive.

    Subgradients are kept beside their distances: in a heavy row they are far smaller, in most rows far larger.
    """

    theta: Array
    above: Array
    below: Array
    subgradient: Array
    to_upper: Array
    to_lower: Array

    @classmethod
    def centred(cls, problem: CheckLossProblem, theta: Array) -> "_Point":
        """Return the point on the central path that has these residuals: the same products in rows of one weight."""
        residual = problem.y - problem.matvec(theta)
        width = problem.upper - problem.lower
        # Not weighted: a few heavy rows, fitted exactly, would have all others start at the boundary.
        size = np.abs(residual)
        path = _FIRST_PATH * (float(size.mean()) or float(np.abs(problem.y).mean()) or 1.0)
        # The nearer slope's share of the width: no cancellation for rows far out.
        near = 2 * path / (size + 2 * path + np.sqrt(np.square(size) + 4 * path**2))
        share = np.where(residual > 0, near, 1 - near)
        other = np.where(residual > 0, 1 - near, near)
        to_upper, to_lower = width * share, width * other
        middle = np.where(share < other, problem.upper - to_upper, problem.lower + to_lower)
        return cls(theta, path / share, path / other, middle, to_upper, to_lower)

    def dual(self, problem: CheckLossProblem) -> Array:
        """Return the subgradients, where they are near a slope as measured from it."""
        near = _NEAR_SLOPE * (self.to_upper + self.to_lower)
        dual = np.where(self.to_upper < near, problem.upper - self.to_upper, self.subgradient)
        return np.where(self.to_lower < near, problem.lower + self.to_lower, dual)

    def value(self, problem: CheckLossProblem) -> float:
        """Return the objective at theta, from the residuals that the point holds."""
        residual = self.above - self.below
        loss = float(np.maximum(problem.upper * residual, problem.lower * residual).sum())
        return loss + problem.smooth.value(self.theta)

    @property
    def complementarity(self) -> float:
        """The duality gap, but for what the equations leave open."""
        return float(self.above @ self.to_upper + self.below @ self.to_lower)

    @property
    def path(self) -> float:
        """The path parameter: the mean product per unit of weight."""
        return 0.5 * self.complementarity / float((self.to_upper + self.to_lower).sum())

    @property
    def at_zero(self) -> Array:
        width = self.to_upper + self.to_lower
        size = np.maximum(self.above, self.below)
        return size * width < np.minimum(self.to_upper, self.to_lower) * self.typical_size

    @property
    def typical_size(self) -> float:
        """How large a residual is: a power mean that neither outliers nor rows at zero rule."""
        return float(np.mean(np.sqrt(np.sqrt(np.maximum(self.above, self.below)))) ** 4)

    def moved(self, direction: "_Direction", primal: float, dual: float) -> "_Point":
        return _Point(
            self.theta + primal * direction.theta,
            self.above + primal * direction.above,
            self.below + primal * direction.below,
            self.subgradient + dual * direction.dual,
            self.to_upper - dual * direction.dual,
            self.to_lower + dual * direction.dual,
        )


@dataclass(frozen=True)
class _Direction:
    theta: Array
    above: Array
    below: Array
    dual: Array


def _step(problem: CheckLossProblem, point: _Point, defect: Array) -> _Point | None:
    """Return the point after a predictor-corrector step; None where rounding allows no step worth its name."""
    above, below, to_upper, to_lower = point.above, point.below, point.to_upper, point.to_lower
    stiffness = 1 / (above / to_upper + below / to_lower)
    factor = _factor(problem, stiffness, problem.smooth.curvature(point.theta))
    if factor is None:
        return None

    # Steps of very different lengths leave rounding behind, which the next step takes back.
    drift = problem.y - problem.matvec(point.theta) - (above - below)

    def direction(upper_target: Array, lower_target: Array) -> _Direction:
        needed = drift - (upper_target / to_upper - lower_target / to_lower)
        theta = factor.solve(problem.transpose_matvec(stiffness * needed) - defect)
        dual = stiffness * (needed - problem.matvec(theta))
        return _Direction(
            theta, (upper_target + above * dual) / to_upper, (lower_target - below * dual) / to_lower, dual
        )

    affine = direction(-above * to_upper, -below * to_lower)
    primal, dual = _lengths(problem, point, affine, 1.0)
    width = to_upper + to_lower
    path = point.path
    # Products are aimed at in proportion to the rows' weights, so that a weight of k is k copies.
    aim = path * (point.moved(affine, primal, dual).path / path) ** 3 * width
    # The second-order term is that of the step taken: of the full one, where that is blocked, it would be nonsense.
    curved = primal * dual * affine.dual
    upper_target = aim - above * to_upper + affine.above * curved
    lower_target = aim - below * to_lower - affine.below * curved
    chosen = direction(upper_target, lower_target)
    primal, dual = _lengths(problem, point, chosen, _NEAR_BOUNDARY)
    for _ in range(_CENTRAL_CORRECTIONS):
        if min(primal, dual) > _LONG_STEP:
            break
        # What a longer step would leave far from the path is corrected for (Gondzio 1996).
        hoped = point.moved(chosen, min(1.0, primal + _HOPE), min(1.0, dual + _HOPE))
        upper_target = upper_target + _towards(hoped.above * hoped.to_upper, aim)
        lower_target = lower_target + _towards(hoped.below * hoped.to_lower, aim)
        other = direction(upper_target, lower_target)
        longer = _lengths(problem, point, other, _NEAR_BOUNDARY)
        if not min(longer) > min(primal, dual) + 0.1 * _HOPE:
            break
        chosen, (primal, dual) = other, longer
    if not min(primal, dual) > _SHORTEST_STEP or not np.isfinite(chosen.theta).all():
        return None
    return point.moved(chosen, primal, dual)


def _towards(product: Array, aim: Array) -> Array:
    """Return what brings products back to between a tenth and ten times their aim, at most ten times the aim down."""
    return np.maximum(np.clip(product, 0.1 * aim, 10 * aim) - product, -10 * aim)


def _factor(problem: CheckLossProblem, stiffness: Array, curvature: Array) -> Factor | None:
    matrix = problem.sandwich(stiffness)
    matrix.flat[:: len(matrix) + 1] += curvature
    try:
        factor = CholeskyFactor(matrix)
        if factor.resolved:
            return factor
    except NotPositiveDefiniteError:
        pass
    try:
        rows = np.concatenate([problem.triangle(stiffness), np.diag(np.sqrt(curvature))])
        return TriangularFactor(triangle_of(rows[np.argsort(-np.abs(rows).max(axis=1), kind="stable")]))
    except NotPositiveDefiniteError:
        return None


def _lengths(problem: CheckLossProblem, point: _Point, direction: _Direction, part: float) -> tuple[float, float]:
    """Return how far the direction may go in the primal and in the dual variables, at most one."""
    shrinking = max(float((-direction.above / point.above).max()), float((-direction.below / point.below).max()))
    primal = min(1.0, part / max(shrinking, part))
    if problem.smooth.log_weight:
        # Nearly to zero, the gradient of the logarithm would be that many times larger.
        primal = min(primal, _MOST_SHRUNK / max(-float(direction.theta[-1] / point.theta[-1]), _MOST_SHRUNK))
    closing = max(float((direction.dual / point.to_upper).max()), float((-direction.dual / point.to_lower).max()))
    dual = min(1.0, part / max(closing, part))
    if not problem.smooth.is_linear:
        # theta and the dual meet in the gradient of phi, so that they must go the same way together.
        primal = dual = min(primal, dual)
    return primal, dual
