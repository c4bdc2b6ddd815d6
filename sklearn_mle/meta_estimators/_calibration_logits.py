r"""Calibration by linear functions of log-probabilities: temperature, vector and matrix scaling, Dirichlet.

All are of the form

.. math:: q = \operatorname{softmax}(W z + b), \qquad z_k = \log(p_k + \delta)

with W a multiple of the identity (temperature), diagonal (vector) or full. The floor :math:`\delta` is estimated with
the temperature, by profile likelihood over a grid.

References
----------
Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, ICML, section 4.2.
Alexandari, Kundaje and Shrikumar (2020), Maximum likelihood with bias-corrected calibration is hard-to-beat at label
shift adaptation, ICML, section 3.1.
Kull, Perello-Nieto, Kängsepp, Silva Filho, Song and Flach (2019), Beyond temperature scaling: obtaining
well-calibrated multiclass probabilities with Dirichlet calibration, NeurIPS 32, sections 2 and 3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._conditional_predictors import ConditionalPredictors
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.special import log_softmax
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle.meta_estimators._calibration_fit import (
    ROUGH,
    TOLERANCE,
    WEAK,
    entries,
    objective_of,
    unconstrained,
    with_evidence,
)
from sklearn_mle.meta_estimators._calibration_many import with_rough_evidence
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows, capped_log, linear

# A factor of ten is a fifth of what separates the smallest probabilities of boosting from the shares of a forest.
FLOORS = (1e-12, 1e-9, 1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
# A slope may gain this many times what a Newton step promises; a floor that is worse even so is not looked at further.
_DOUBT = 4.0
_MOST_PASSES = 100
# Of more classes the curvature of a matrix, with K^4 entries, is not formed.
_FORMED = 12
# Of more classes a matrix has too many entries to be fitted.
MOST_CLASSES = 40


@dataclass(frozen=True)
class LogitMap:
    """softmax(W log(p + floor) + b).

    Attributes
    ----------
    floor : float
        Added to each probability before its logarithm is taken.
    coef : ndarray of shape (K, K)
        The matrix W.
    intercept : ndarray of shape (K,)
        The vector b.
    gap : float
        Shortfall of the penalized log-likelihood from its maximum, in nats.
    precisions : tuple of float
        Of the priors on groups of parameters, which the evidence chose.
    """

    floor: float
    coef: Array
    intercept: Array
    gap: float
    precisions: tuple[float, ...] = ()

    def log_probabilities(self, probability: Array) -> Array:
        """Return calibrated log-probabilities, shape (n, K)."""
        logarithms = capped_log(np.asfortranarray(probability), self.floor)
        return log_softmax(linear(logarithms, self.coef, self.intercept))


def temperature(rows: CalibrationRows) -> LogitMap:
    """Fit one slope, the inverse temperature, and the floor: the least of those that the rows cannot distinguish."""
    # Single precision is enough to choose among the floors: its error is far below their differences.
    probability = np.ascontiguousarray(rows.probability.T, dtype=np.float32)
    target = rows.target_by_class.astype(np.float32)
    slope, best, least = 1.0, (FLOORS[0], 1.0), np.inf
    for floor in FLOORS:
        slope, value, _ = _slope_of(capped_log(probability, floor), target, rows.weight, slope, least)
        if value < least - ROUGH:
            best, least = (floor, slope), value
    floor, slope = best
    z = capped_log(np.ascontiguousarray(rows.probability.T), floor)
    slope, _, gap = _slope_of(z, rows.target_by_class, rows.weight, slope, np.inf, TOLERANCE)
    return LogitMap(floor, slope * np.eye(rows.n_classes), np.zeros(rows.n_classes), gap)


def _slope_of(
    z: Array, target: Array, weight: Array, start: float, least: float, tol: float = ROUGH
) -> tuple[float, float, float]:
    """Return the slope of z (K, n), its cross-entropy to ``tol``, or worse where that exceeds ``least``, and the gap.

    Newton's method in one variable: what a pass costs decides here, and one exponential gives all derivatives. z is
    written on.
    """
    z -= z.max(axis=0)
    observed = float(np.einsum("kn,kn->n", target, z) @ weight)
    q = np.empty_like(z)

    def expansion(slope: float) -> tuple[float, float, float]:
        with np.errstate(over="ignore", invalid="ignore"):  # a step too far below zero is shortened
            np.multiply(z, z.dtype.type(slope), out=q)
            np.exp(q, out=q)
            total = q.sum(axis=0)
            np.multiply(q, z, out=q)
            mean = q.sum(axis=0) / total
            square = np.einsum("kn,kn->n", q, z) / total
            value = float(np.log(total) @ weight) - slope * observed + 0.5 * WEAK * slope**2
            gradient = float(mean @ weight) - observed + WEAK * slope
            return value, gradient, max(float((square - mean**2) @ weight), 0.0) + WEAK

    slope, (value, gradient, curvature) = start, expansion(start)
    length, gap = 1.0, 0.5 * gradient**2 / curvature
    for _ in range(_MOST_PASSES):
        if gap <= tol or value - _DOUBT * gap > least:
            break
        there = slope - length * gradient / curvature
        found = expansion(there)
        # Near the minimum full steps double the digits, and values differ by rounding alone.
        if found[0] < value or gap <= ROUGH:
            slope, (value, gradient, curvature), length = there, found, 1.0
            gap = 0.5 * gradient**2 / curvature
        else:
            length *= 0.5
    return slope, value, gap


def bias_corrected_temperature(rows: CalibrationRows, plain: LogitMap) -> LogitMap:
    """Fit one slope, and an intercept of each class under a prior that the evidence chooses."""
    columns = capped_log(rows.probability, plain.floor)
    return _conditional(rows, plain, columns, ConditionalPredictors(rows.n_classes, 1), [])


def vector(rows: CalibrationRows, plain: LogitMap) -> LogitMap:
    """Fit a slope and an intercept of each class; the slopes' deviations from their mean have a prior."""
    n_classes = rows.n_classes
    columns = np.zeros((len(rows.target), n_classes, n_classes))
    own = np.arange(n_classes)
    columns[:, own, own] = capped_log(rows.probability, plain.floor)
    predictors = ConditionalPredictors(n_classes, n_classes)
    deviations = predictors.basis.T @ np.eye(n_classes, predictors.size)
    return _conditional(rows, plain, columns.reshape(len(columns), -1), predictors, [deviations])


def _conditional(
    rows: CalibrationRows, plain: LogitMap, columns: Array, predictors: ConditionalPredictors, groups: list[Array]
) -> LogitMap:
    """Fit slopes that start from the temperature's, and intercepts."""
    n_slopes = predictors.n_columns
    start = np.zeros(predictors.size)
    start[:n_slopes] = plain.coef[0, 0]
    groups = [*groups, entries(np.arange(predictors.size) >= n_slopes)]
    objective = objective_of(predictors, columns, rows, NoPenalty())
    found, precisions = with_evidence(unconstrained(objective), start, groups)
    intercept = predictors.matrix(found.theta)[:, -1]
    coef = np.diag(np.broadcast_to(found.theta[:n_slopes], rows.n_classes))
    return LogitMap(plain.floor, coef, intercept, found.gap, tuple(precisions))


def matrix(rows: CalibrationRows, plain: LogitMap) -> LogitMap:
    """Fit a full matrix with priors on its off-diagonal entries and on the intercepts (ODIR, Kull et al. 2019)."""
    return _full(rows, plain, ~np.eye(rows.n_classes, dtype=bool))


def dirichlet(rows: CalibrationRows, plain: LogitMap) -> LogitMap:
    """Fit a full matrix with priors on its deviations from temperature scaling, and on the intercepts."""
    return _full(rows, plain, np.ones((rows.n_classes, rows.n_classes), dtype=bool))


def _full(rows: CalibrationRows, plain: LogitMap, penalized: NDArray[np.bool_]) -> LogitMap:
    columns = capped_log(rows.probability, plain.floor)
    change, gap, precisions = deviation(rows, columns, columns @ plain.coef.T, penalized)
    return LogitMap(plain.floor, plain.coef + change[:, :-1], change[:, -1], gap, precisions)


def deviation(
    rows: CalibrationRows, columns: Array, offset: Array, penalized: NDArray[np.bool_]
) -> tuple[Array, float, tuple[float, ...]]:
    """Fit softmax(offset + V columns + b), with a prior on some entries of V, and one on b.

    Return V with b as its last column, shape (K, K + 1), the gap, and the two precisions.
    """
    n_classes = rows.n_classes
    if n_classes > MOST_CLASSES:
        raise ValueError(
            f"method: a matrix of {n_classes} classes has {n_classes**2:,} entries, too many to be fitted to "
            f"calibration data; beyond {MOST_CLASSES} classes use 'vector', 'temperature' or 'spline'."
        )
    predictors = LinearPredictors(n_classes, [Terms()] * n_classes)
    predictors.many_classes = True  # one product of q and z for the curvature, not one for each pair of classes
    groups = np.zeros((2, *predictors.shape), dtype=bool)
    groups[0, :, :-1], groups[1, :, -1] = penalized, True
    objective = objective_of(predictors, columns, rows, NoPenalty(), offset)
    if n_classes > _FORMED:
        single = objective_of(predictors, columns.astype(np.float32), rows, NoPenalty(), offset)
        theta, gap, precisions = with_rough_evidence(objective, single, list(groups))
    else:
        start = np.zeros(predictors.size)
        chosen = [entries(group.ravel()) for group in groups]
        found, precisions = with_evidence(unconstrained(objective), start, chosen)
        theta, gap = found.theta, found.gap
    return predictors.matrix(theta), gap, tuple(precisions)
