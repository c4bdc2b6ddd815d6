"""Fits of calibration maps: convex, penalized by groups whose precisions maximize the evidence, with the gap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize

from sklearn_mle._conditional_predictors import ConditionalPredictors
from sklearn_mle._hessian_factors import expected_factor, hessian_factor
from sklearn_mle._numerics.factors import Factor
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import Penalty, QuadraticForm
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle._solvers import newton
from sklearn_mle.likelihoods import Categorical
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows

Array = NDArray[Any]

# A standard deviation of 100 for slopes, whose identity is one, and intercepts, in nats.
WEAK = 1e-4
# Nats of the total.
_TOLERANCE, _ROUGH = 1e-8, 1e-3
# Precisions beyond these leave a group free, or make it zero, for all that the rows can tell.
_LEAST, _MOST = 1e-6, 1e8
# Precisions are settled where the evidence changes by less than this, in nats, as one of them grows by a factor of e.
_SETTLED = 0.05
_ROUNDS = 30
# A slope at its bound is let go where F falls by more than this, in nats, for each unit of it.
_WORTH = 1e-6


@dataclass(frozen=True)
class Minimum:
    """Where F is least: theta, its entries that no constraint holds, F, and the gap and Hessian's factor of these."""

    theta: Array
    free: NDArray[np.bool_]
    value: float
    gap: float
    factor: Factor


class GroupedRidge:
    r"""A Gaussian prior on groups of linear functions: :math:`\tfrac12 \sum_g \lambda_g \lVert R_g \theta \rVert^2`.

    One more group, of all entries, has the precision ``WEAK``: constant forecasts leave slopes undetermined otherwise.

    Parameters
    ----------
    groups : sequence of sparse arrays of shape (k, size)
        The matrices R.
    precisions : sequence of float
    size : int
        The number of entries of theta.
    """

    convex = True

    def __init__(self, groups: Sequence[sp.csr_array], precisions: Sequence[float], size: int) -> None:
        rows = [np.sqrt(precision) * group for group, precision in zip(groups, precisions, strict=True)]
        self._rows = sp.vstack([np.sqrt(WEAK) * sp.eye_array(size), *rows], format="csr")
        self._gram = (self._rows.T @ self._rows).toarray()

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        gradient = self._gram @ theta
        return 0.5 * float(gradient @ theta), gradient

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        matrix += self._gram
        return matrix

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        return self._gram @ vector

    def root(self, theta: Array) -> Array:
        return self._rows.toarray()


def objective_of(
    predictors: LinearPredictors,
    columns: Array,
    rows: CalibrationRows,
    penalty: Penalty,
    offset: Array | None = None,
) -> PenalizedNLL:
    """Return the cross-entropy of the targets and class probabilities, of columns (n, p) and an offset (n, K)."""
    offset = None if offset is None else np.ascontiguousarray(offset.T)
    target = np.ascontiguousarray(rows.target.T)
    data = Data(DenseRows(np.ascontiguousarray(columns)), target, rows.weight, offset, rows.n_classes)
    return PenalizedNLL(Categorical(rows.n_classes), predictors, data, penalty)


def minimum_of(objective: PenalizedNLL, start: Array, *, rough: bool = False) -> Minimum:
    """Minimize a convex objective by Newton's method; a rough minimum is within a thousandth of a nat."""
    with single_threaded_blas, np.errstate(all="ignore"):
        result = minimize(
            objective.value,
            start,
            jac=objective.gradient,
            hess=objective.hessian,
            method=newton,
            options={
                "tol": _ROUGH if rough else _TOLERANCE,
                "reference": np.inf,
                "factor": partial(hessian_factor, objective),
                "safe_factor": partial(expected_factor, objective),
                "polish": 0 if rough else 6,
            },
        )
    return Minimum(result.x, np.ones(len(start), dtype=bool), result.fun, result.gap, result.factor)


def constrained_minimum(
    rows: CalibrationRows, columns: Array, n_slopes: int, penalty: Penalty, start: Array, *, rough: bool = False
) -> Minimum:
    """Minimize over slopes >= 0, the first entries of theta, by Newton's method on the positive ones.

    At the end every slope at its bound has a gradient that is not negative, so the gap is that of the free ones.

    References
    ----------
    Lawson and Hanson (1974), Solving least squares problems, section 23.3, for the choice of the free ones.
    """
    by_class = columns.reshape(len(columns), rows.n_classes, n_slopes)
    whole = objective_of(ConditionalPredictors(rows.n_classes, n_slopes), columns, rows, penalty)
    theta, free, settled = start, np.ones(len(start), dtype=bool), np.zeros(len(start), dtype=bool)
    while True:
        part = np.ascontiguousarray(by_class[:, :, free[:n_slopes]]).reshape(len(columns), -1)
        own = ConditionalPredictors(rows.n_classes, int(free[:n_slopes].sum()))
        restricted = QuadraticForm(penalty.root(theta)[:, free])
        found = minimum_of(objective_of(own, part, rows, restricted), theta[free], rough=rough)
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
            free[first] = False
            theta[first] = 0.0
            continue
        theta = new
        falling = np.where(free | settled, 0.0, whole.gradient(theta))
        if falling.min() >= -_WORTH:
            return Minimum(theta, free, found.value, found.gap, found.factor)
        free[falling.argmin()] = True


def with_evidence(
    minimize_at: Callable[[Penalty, Array, bool], Minimum], start: Array, groups: Sequence[sp.csr_array]
) -> tuple[Minimum, list[float]]:
    r"""Minimize under the prior whose precisions maximize the evidence, by MacKay's fixed point.

    With :math:`\gamma_g = k_g - \lambda_g \operatorname{tr}(H^{-1} R_g^\top R_g)`, the number of parameters of the
    group that the rows determine, each precision becomes :math:`\gamma_g / \lVert R_g \theta \rVert^2`: a stationary
    point of Laplace's approximation of the marginal likelihood.

    Parameters
    ----------
    minimize_at : callable
        (penalty, start, rough) -> Minimum.

    Returns
    -------
    minimum : Minimum
    precisions : list of float

    References
    ----------
    MacKay (1992), Bayesian interpolation, Neural Computation 4, equation 4.9.
    """
    grams = [(group.T @ group).toarray() for group in groups]
    precisions = [1.0] * len(groups)
    theta = start
    for _ in range(_ROUNDS if groups else 0):
        found = minimize_at(GroupedRidge(groups, precisions, len(start)), theta, True)
        theta, inverse = found.theta, found.factor.inverse()
        before = list(precisions)
        for g, (group, gram) in enumerate(zip(groups, grams, strict=True)):
            free = np.ix_(found.free, found.free)
            rank = group.shape[0] if found.free.all() else np.linalg.matrix_rank(gram[free])
            determined = max(rank - precisions[g] * float(np.vdot(inverse, gram[free])), 0.0)
            square = float(theta @ gram @ theta)
            if abs(determined - precisions[g] * square) > 2 * _SETTLED:
                precisions[g] = float(np.clip(determined / max(square, 1 / _MOST**2), _LEAST, _MOST))
        if precisions == before:
            break
    return minimize_at(GroupedRidge(groups, precisions, len(start)), theta, False), precisions


def entries(chosen: Array) -> sp.csr_array:
    """Return the group of chosen entries of theta, a mask (size,)."""
    numbers = np.flatnonzero(chosen)
    return sp.csr_array((np.ones(len(numbers)), (np.arange(len(numbers)), numbers)), shape=(len(numbers), len(chosen)))
