r"""Calibration by one monotone function of log-probabilities that all classes share.

.. math:: q = \operatorname{softmax}(f(z) + b), \qquad z_k = \log(p_k + \delta)

f is continuous, linear between knots, and its slopes are non-negative; so it keeps the order of the classes but for
their intercepts. Differences of neighbouring slopes have a Gaussian prior whose precision maximizes the evidence: where
the rows ask for no more than one slope, the map is the bias-corrected temperature.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from sklearn_mle._conditional_predictors import ConditionalPredictors
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.special import log_softmax
from sklearn_mle.meta_estimators._calibration_fit import constrained_minimum, entries, with_evidence
from sklearn_mle.meta_estimators._calibration_logits import LogitMap, deviation
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows, capped_log, linear

_SEGMENTS = 8


@dataclass(frozen=True)
class SplineMap:
    """softmax(f(log(p + floor)) + b) with f linear between knots.

    Attributes
    ----------
    floor : float
        Added to each probability before its logarithm is taken.
    knots : ndarray of shape (m + 1,)
        Of the logarithm; the outer segments go on beyond them.
    slopes : ndarray of shape (m,)
        Non-negative slopes of f between the knots.
    intercept : ndarray of shape (K,)
        The vector b.
    gap : float
        Shortfall of the penalized log-likelihood from its maximum, in nats.
    precisions : tuple of float
        Of the priors on differences of slopes and on intercepts, which the evidence chose.
    """

    floor: float
    knots: Array
    slopes: Array
    intercept: Array
    gap: float
    precisions: tuple[float, ...]

    def log_probabilities(self, probability: Array) -> Array:
        """Return calibrated log-probabilities, shape (n, K)."""
        logarithms = capped_log(np.asfortranarray(probability), self.floor)
        return log_softmax(_spline(logarithms, self.knots, self.slopes) + self.intercept)


@dataclass(frozen=True)
class SplineMatrixMap:
    """softmax(W log q + b), with q what a spline makes of the probabilities.

    Attributes
    ----------
    spline : SplineMap
        The map before the matrix.
    coef : ndarray of shape (K, K)
        The matrix W, near the identity.
    intercept : ndarray of shape (K,)
        The vector b.
    gap : float
        Shortfall of the penalized log-likelihood from its maximum, in nats.
    precisions : tuple of float
        Of the priors on W less the identity and on b, which the evidence chose.
    """

    spline: SplineMap
    coef: Array
    intercept: Array
    gap: float
    precisions: tuple[float, ...]

    def log_probabilities(self, probability: Array) -> Array:
        """Return calibrated log-probabilities, shape (n, K)."""
        return log_softmax(linear(self.spline.log_probabilities(probability), self.coef, self.intercept))


def spline(rows: CalibrationRows, plain: LogitMap) -> SplineMap:
    """Fit the slopes between equally spaced knots, and an intercept of each class."""
    logarithms = capped_log(rows.probability, plain.floor)
    low, high = logarithms.min(), logarithms.max()
    # Probabilities that are all equal determine one slope at most.
    n_slopes = _SEGMENTS if high - low > 1e-6 else 1
    knots = np.linspace(low, high, n_slopes + 1)
    columns = _lengths(logarithms.T, knots).reshape(-1, len(logarithms)).T
    size = n_slopes + rows.n_classes - 1
    differences = np.diff(np.eye(n_slopes, size), axis=0) / np.sqrt((high - low) / n_slopes or 1.0)
    groups = [*([differences] if n_slopes > 1 else []), entries(np.arange(size) >= n_slopes)]
    start = np.zeros(size)
    start[:n_slopes] = max(plain.coef[0, 0], 0.0)

    found, precisions = with_evidence(partial(constrained_minimum, rows, columns, n_slopes), start, groups)
    intercept = ConditionalPredictors(rows.n_classes, n_slopes).matrix(found.theta)[:, -1]
    return SplineMap(plain.floor, knots, found.theta[:n_slopes], intercept, found.gap, tuple(precisions))


def spline_matrix(rows: CalibrationRows, plain: LogitMap) -> SplineMatrixMap:
    """Fit the spline, then a matrix near the identity to its predictions."""
    first, n_classes = spline(rows, plain), rows.n_classes
    logarithms = first.log_probabilities(rows.probability)
    change, gap, precisions = deviation(rows, logarithms, logarithms, np.ones((n_classes, n_classes), dtype=bool))
    coef = np.eye(n_classes) + change[:, :-1]
    return SplineMatrixMap(first, coef, change[:, -1], max(first.gap, gap), precisions)


def _lengths(z: Array, knots: Array) -> Array:
    """Return how much of each segment lies below z (K, n), shape (K, m, n): f is linear in these, with its slopes."""
    least, most = np.zeros((len(knots) - 1, 1)), np.diff(knots)[:, None]
    least[0], most[-1] = -np.inf, np.inf  # the outer segments go on
    lengths = z[:, None] - knots[:-1, None]
    return np.clip(lengths, least, most, out=lengths)


def _spline(z: Array, knots: Array, slopes: Array) -> Array:
    """Return ``_lengths(z, knots) @ slopes``, shape (...), one change of the slope after the other."""
    total, beyond = slopes[0] * (z - knots[0]), np.empty_like(z)
    for knot, change in zip(knots[1:-1], np.diff(slopes), strict=True):
        np.maximum(z, knot, out=beyond)
        beyond -= knot
        beyond *= change
        total += beyond
    return total
