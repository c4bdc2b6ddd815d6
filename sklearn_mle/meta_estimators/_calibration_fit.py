"""Fits of calibration maps: convex, penalized by groups whose precisions maximize the evidence, with the gap."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sklearn_mle._conditional_predictors import ConditionalPredictors
from sklearn_mle._hessian_factors import expected_factor, hessian_factor
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import Penalty, QuadraticForm
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Data, DenseRows, SingleRows
from sklearn_mle._solvers import newton
from sklearn_mle.likelihoods import Categorical
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows

# A standard deviation of 100 for slopes, whose identity is one, and intercepts, in nats.
WEAK = 1e-4
# Nats of the total; and what polishing leaves, beyond which only rounding is met.
TOLERANCE, ROUGH, _ENOUGH = 1e-8, 1e-3, 1e-18
# Precisions beyond these leave a group free, or make it zero, as far as the rows can show.
_LEAST, _MOST = 1e-6, 1e8
# Precisions are settled where the evidence changes by less than this, in nats, as one of them grows by a factor of e.
_SETTLED = 0.05
# The same, of a new expansion: precisions that were settled in the last one, and are so near here, will do.
_SETTLED_AGAIN = 0.5
# Where the evidence is flat they would go on for little.
EXPANSIONS, _UPDATES = 8, 40
# A Hessian can tell that precisions stay as they are where it was formed no more nats away than this, 0.6 standard
# errors, and the steps by it have cut the gap to this part: it is a few percent off then.
_NEAR, _CUT = 0.2, 1e-4
# A factor serves as long as a step cuts the gap to this part of itself.
_CHORD = 0.5
# A slope at its bound is let go where F falls by more than this, in nats, for each unit of it.
_WORTH = 1e-6


@dataclass(frozen=True)
class Minimum:
    """Where F is least."""

    theta: Array
    # The entries of theta that no constraint holds.
    free: NDArray[np.bool_]
    # How far F may be above its least value, in nats.
    gap: float
    # F of the free entries.
    objective: PenalizedNLL
    # The Hessian of the cross-entropy in the free entries: at theta if it is fresh, or at a point of the search.
    curvature: Array
    fresh: bool
    # Whether that point is so near that it is nearly the same at theta.
    near: bool


def grouped_ridge(groups: Sequence[Array], precisions: Sequence[float], size: int) -> QuadraticForm:
    r"""Return a Gaussian prior on groups of linear functions.

    .. math:: \tfrac12 \sum_g \lambda_g \lVert R_g \theta \rVert^2

    ``groups`` holds the matrices R, each of shape (k, size). One more group, of all entries of theta, has the precision
    ``WEAK``: constant forecasts leave slopes undetermined otherwise.
    """
    rows = [np.sqrt(precision) * group for group, precision in zip(groups, precisions, strict=True)]
    return QuadraticForm(np.concatenate([np.sqrt(WEAK) * np.eye(size), *rows]))


def objective_of(
    predictors: LinearPredictors, columns: Array, rows: CalibrationRows, penalty: Penalty, offset: Array | None = None
) -> PenalizedNLL:
    """Return the cross-entropy of the targets and class probabilities, of columns (n, p) and an offset (n, K).

    Of columns in single precision, products with the Hessian are computed in it.
    """
    offset = None if offset is None else np.ascontiguousarray(offset.T, dtype=columns.dtype)
    kind = SingleRows if columns.dtype == np.float32 else DenseRows
    # Blocks are as long as those of one predictor: nothing here has K^2 numbers per row.
    data = Data(kind(np.asfortranarray(columns)), rows.target_by_class, rows.weight, offset)
    return PenalizedNLL(Categorical(rows.n_classes), predictors, data, penalty)


def minimum_of(
    objective: PenalizedNLL, start: Array, *, tol: float = TOLERANCE, curvature: Array | None = None
) -> Minimum:
    """Minimize a convex objective by Newton's method, to a gap of ``tol`` nats, or to rounding.

    ``curvature`` is that of the cross-entropy near ``start``, where it is known; a new one is formed if steps by it
    gain little.
    """
    size = len(start)
    prior = objective.penalty.add_hessian(np.zeros((size, size)), start)
    first = None
    if curvature is not None and curvature.shape == prior.shape:
        with contextlib.suppress(NotPositiveDefiniteError):
            first = CholeskyFactor(curvature + prior)

    last, formed_at = np.zeros((size, size)) if first is None or curvature is None else curvature, None

    def factor(theta: Array, hessian: Array) -> Factor:
        nonlocal last, formed_at
        last, formed_at = hessian - prior, theta
        return hessian_factor(objective, theta, hessian)

    with np.errstate(all="ignore"):
        result = minimize(
            objective.value,
            start,
            jac=objective.gradient,
            hess=objective.hessian,
            method=newton,
            options={
                "tol": tol,
                "reference": np.inf,
                "factor": factor,
                "safe_factor": partial(expected_factor, objective),
                "first": first,
                "chord": _CHORD,
                "polish": 6 if tol <= TOLERANCE else 0,
                "enough": _ENOUGH,
            },
        )
    fresh = formed_at is result.x
    formed_with = result.solution.factor_gap
    near = fresh or (formed_with <= _NEAR and result.gap <= _CUT * formed_with)
    return Minimum(result.x, np.ones(size, dtype=bool), result.gap, objective, last, fresh, near)


def constrained_minimum(
    rows: CalibrationRows,
    columns: Array,
    n_slopes: int,
    penalty: Penalty,
    start: Array,
    *,
    tol: float = TOLERANCE,
    near: Minimum | None = None,
) -> Minimum:
    """Minimize over slopes >= 0, the first entries of theta, by Newton's method on the positive ones.

    At the end every slope at its bound has a gradient that is not negative, so the gap is that of the free ones.
    ``near`` is the minimum under another penalty: its free entries are the first to be free, with its curvature.

    References
    ----------
    Lawson and Hanson (1974), Solving least squares problems, section 23.3, for the choice of the free ones.
    """
    by_class = np.asfortranarray(columns).T.reshape(rows.n_classes, n_slopes, -1)
    whole = objective_of(ConditionalPredictors(rows.n_classes, n_slopes), columns, rows, penalty)
    theta, settled = start, np.zeros(len(start), dtype=bool)
    free = np.ones(len(start), dtype=bool) if near is None else near.free.copy()
    known, curvature = (None, None) if near is None else (near.objective, near.curvature)
    while True:
        if known is not None:
            own, known = known.under(penalty if free.all() else QuadraticForm(penalty.root(theta)[:, free])), None
        elif free.all():
            own = whole
        else:
            part = by_class[:, free[:n_slopes]].reshape(-1, len(columns)).T
            predictors = ConditionalPredictors(rows.n_classes, int(free[:n_slopes].sum()))
            own = objective_of(predictors, part, rows, QuadraticForm(penalty.root(theta)[:, free]))
        found = minimum_of(own, theta[free], tol=tol, curvature=curvature)
        curvature = found.curvature
        new = np.zeros(len(theta))
        new[free] = found.theta
        below = np.flatnonzero(new[:n_slopes] < 0)
        if len(below):
            shares = theta[below] / (theta[below] - new[below])
            first = below[shares <= shares.min()]
            # One that was let go and is back at once is at its bound to rounding: it would only come and go.
            settled[first] |= theta[first] == 0
            theta = theta + shares.min() * (new - theta)
            np.maximum(theta[:n_slopes], 0.0, out=theta[:n_slopes])
            kept = np.delete(np.arange(len(found.theta)), np.searchsorted(np.flatnonzero(free), first))
            curvature = curvature[np.ix_(kept, kept)]
            free[first] = False
            theta[first] = 0.0
            continue
        theta = new
        falling = np.zeros(len(theta)) if free.all() else np.where(free | settled, 0.0, whole.gradient(theta))
        if falling.min() >= -_WORTH:
            return replace(found, theta=theta, free=free)
        free[falling.argmin()] = True


# (penalty, start, tol=, near=) -> the minimum under a prior; ``near`` is that under another prior, or None.
Minimizer = Callable[..., Minimum]


def unconstrained(objective: PenalizedNLL) -> Minimizer:
    """Return what minimizes an objective under any prior, in place of its own penalty."""

    def minimize_at(penalty: Penalty, start: Array, *, tol: float, near: Minimum | None) -> Minimum:
        if near is None:
            return minimum_of(objective.under(penalty), start, tol=tol)
        return minimum_of(near.objective.under(penalty), start, tol=tol, curvature=near.curvature)

    return minimize_at


def with_evidence(minimize_at: Minimizer, start: Array, groups: Sequence[Array]) -> tuple[Minimum, list[float]]:
    r"""Return the minimum under the prior whose precisions maximize the evidence, by MacKay's fixed point, and these.

    With :math:`\gamma_g = k_g - \lambda_g \operatorname{tr}(H^{-1} R_g^\top R_g)`, the number of parameters of the
    group that the rows determine, each precision becomes :math:`\gamma_g / \lVert R_g \theta \rVert^2`: a stationary
    point of Laplace's approximation of the marginal likelihood. The fixed point is sought in the quadratic expansion of
    the cross-entropy at the start, in which an update costs no pass over the rows, and then in that at the new minimum.

    References
    ----------
    MacKay (1992), Bayesian interpolation, Neural Computation 4, equation 4.9.
    """
    precisions = [1.0] * len(groups)
    penalty = grouped_ridge(groups, precisions, len(start))
    found = minimize_at(penalty, start, tol=np.inf, near=None)
    for _ in range(EXPANSIONS):
        new, done = fixed_point(_determined(found, penalty, groups), precisions) if found.near else ([], False)
        if new != precisions and not found.fresh:
            there = found.theta[found.free]
            prior = found.objective.penalty.add_hessian(np.zeros((len(there), len(there))), there)
            found = replace(found, curvature=found.objective.hessian(there) - prior)
            new, done = fixed_point(_determined(found, penalty, groups), precisions)
        precisions = new
        penalty = grouped_ridge(groups, precisions, len(start))
        if done:
            break
        found = minimize_at(penalty, found.theta, tol=ROUGH, near=found)
    return minimize_at(penalty, found.theta, tol=TOLERANCE, near=found), precisions


# Precisions -> of each group the number of parameters that the rows determine, and their sum of squares.
Determined = Callable[[Sequence[float]], list[tuple[float, float]]]


def _determined(found: Minimum, prior: QuadraticForm, groups: Sequence[Array]) -> Determined:
    """Return the map that an expansion at a minimum under a prior leads to."""
    start = found.theta[found.free]
    own = [group[:, found.free] for group in groups]
    ranks = [len(rows) if found.free.all() else int(np.linalg.matrix_rank(rows)) for rows in own]
    grams = [rows.T @ rows for rows in own]
    # Under a prior P the expansion is least where (curvature + P) theta is this.
    own_prior = QuadraticForm(prior.rows[:, found.free])
    right = own_prior.add_hessian(found.curvature.copy(), start) @ start - found.objective.gradient(start)
    weak = WEAK * np.eye(len(start))

    def determined(precisions: Sequence[float]) -> list[tuple[float, float]]:
        total = found.curvature + weak
        for precision, own in zip(precisions, grams, strict=True):
            total += precision * own
        inverse = CholeskyFactor(total).inverse()
        theta = inverse @ right
        of_each = zip(precisions, ranks, grams, strict=True)
        return [
            (rank - precision * float(np.vdot(inverse, own)), float(theta @ own @ theta))
            for precision, rank, own in of_each
        ]

    return determined


def fixed_point(determined: Determined, precisions: Sequence[float], error: float = 0.0) -> tuple[list[float], bool]:
    """Return the precisions to which an expansion leads, and whether those that led to it were near.

    ``error`` is that of the number of determined parameters, relative.
    """
    new, largest = list(precisions), 0.0
    for k in range(_UPDATES):
        before = list(new)
        try:
            of_each = determined(before)
        except NotPositiveDefiniteError:
            return new, True  # weights so large that rounding exceeds the weak prior: the rows alone decide
        for g, (number, square) in enumerate(of_each):
            number = max(number, 0.0)
            excess = abs(number - before[g] * square) / 2
            largest = max(largest, excess - error * number) if k == 0 else largest
            if excess > _SETTLED:
                new[g] = float(np.clip(number / max(square, 1 / _MOST**2), _LEAST, _MOST))
        if new == before:
            break
    return new, largest < _SETTLED_AGAIN


def entries(chosen: Array) -> Array:
    """Return the group of chosen entries of theta, a mask (size,)."""
    return np.eye(len(chosen))[chosen]
