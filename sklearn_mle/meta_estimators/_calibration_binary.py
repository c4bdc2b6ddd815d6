r"""Calibration of one class against the others: Platt's sigmoid, beta calibration and isotonic regression.

Of two classes it is that of the second. Of more, each is calibrated against all others and the probabilities are
normalized, as ``CalibratedClassifierCV`` does (Zadrozny and Elkan 2002).

References
----------
Platt (1999), Probabilistic outputs for support vector machines, in Advances in Large Margin Classifiers.
Kull, Silva Filho and Flach (2017), Beta calibration: a well-founded and easily implemented improvement on logistic
calibration for binary classifiers, AISTATS, equation 3.
Zadrozny and Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates, KDD.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import log_expit, logit, logsumexp

from sklearn_mle._conditional_predictors import ConditionalPredictors
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.meta_estimators._calibration_fit import constrained_minimum, grouped_ridge, minimum_of, objective_of
from sklearn_mle.meta_estimators._calibration_logits import LogitMap
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows, capped_log

# The least probability that isotonic regression gives to a class.
_FLOOR = 1e-12


@dataclass(frozen=True)
class LinearLogOdds:
    """a log(p + floor) - b log(1 - p + floor) + c; in Platt's sigmoid a = b, a slope of the log-odds."""

    floor: float
    a: float
    b: float
    c: float
    gap: float

    def log_odds(self, probability: Array) -> Array:
        """Return log-odds, shape (n,)."""
        low, high = capped_log(probability, self.floor), capped_log(1 - probability, self.floor)
        return self.a * low - self.b * high + self.c


@dataclass(frozen=True)
class StepLogOdds:
    """Isotonic regression: linear in the probability between its steps, constant beyond them.

    Attributes
    ----------
    steps, values : ndarray of shape (m,)
        The ends of the blocks of predicted probabilities, and their calibrated ones.
    """

    steps: Array
    values: Array
    gap: float = 0.0

    def log_odds(self, probability: Array) -> Array:
        """Return log-odds, shape (n,)."""
        return logit(np.interp(probability, self.steps, self.values))


LogOdds = LinearLogOdds | StepLogOdds


@dataclass(frozen=True)
class OneAgainstOthers:
    """Log-odds of each class, or of the second of two."""

    classes: tuple[LogOdds, ...]

    @property
    def gap(self) -> float:
        """The largest shortfall of one of their log-likelihoods from its maximum, in nats."""
        return max(one.gap for one in self.classes)

    def log_probabilities(self, probability: Array) -> Array:
        """Return calibrated log-probabilities, shape (n, K)."""
        if len(self.classes) == 1:
            odds = self.classes[0].log_odds(probability[:, 1])
            return np.stack([log_expit(-odds), log_expit(odds)], axis=1)
        odds = np.stack([one.log_odds(probability[:, k]) for k, one in enumerate(self.classes)], axis=1)
        logarithms = log_expit(odds)
        return logarithms - logsumexp(logarithms, axis=1, keepdims=True)


def sigmoid(rows: CalibrationRows, plain: LogitMap) -> OneAgainstOthers:
    """Fit a logistic regression on the log-odds of each class."""

    def fit(one: CalibrationRows) -> LinearLogOdds:
        low, high = _logarithms(one, plain.floor)
        columns = np.stack([np.zeros(len(low)), low - high], axis=1)
        predictors = ConditionalPredictors(2, 1)
        found = minimum_of(objective_of(predictors, columns, one, grouped_ridge((), (), 2)), np.array([1.0, 0.0]))
        slope = float(found.theta[0])
        return LinearLogOdds(plain.floor, slope, slope, _log_odds(predictors, found.theta), found.gap)

    return _of_each(rows, fit)


def beta(rows: CalibrationRows, plain: LogitMap) -> OneAgainstOthers:
    """Fit a logistic regression on log p and -log(1 - p) of each class, their slopes not negative."""

    def fit(one: CalibrationRows) -> LinearLogOdds:
        low, high = _logarithms(one, plain.floor)
        blank = np.zeros(len(low))
        columns = np.stack([blank, blank, low, -high], axis=1)
        found = constrained_minimum(one, columns, 2, grouped_ridge((), (), 3), np.array([1.0, 1.0, 0.0]))
        a, b = found.theta[:2]
        intercept = _log_odds(ConditionalPredictors(2, 2), found.theta)
        return LinearLogOdds(plain.floor, float(a), float(b), intercept, found.gap)

    return _of_each(rows, fit)


def isotonic(rows: CalibrationRows, plain: LogitMap) -> OneAgainstOthers:
    """Fit a non-decreasing step function of each class's probability, each step with one more row of prior.

    Within a block of n rows that isotonic regression calls alike, the frequency of the class takes in one row with the
    block's mean prediction: without it blocks where nothing, or all, happened would be certain. A second regression
    restores the order.
    """

    def fit(one: CalibrationRows) -> StepLogOdds:
        p = one.probability[:, 1]
        values, place = np.unique(p, return_inverse=True)
        weight = np.bincount(place, one.weight)
        mean = np.bincount(place, one.weight * one.target[:, 1]) / weight
        first = isotonic_regression(mean, weights=weight)
        block = np.repeat(np.arange(len(first.blocks) - 1), np.diff(first.blocks))
        of_block = np.bincount(block, weight)
        prior = np.bincount(block, weight * values) / of_block
        shrunk = (of_block * first.x[first.blocks[:-1]] + prior) / (of_block + 1)
        fitted = isotonic_regression(shrunk, weights=of_block + 1).x[block]
        return StepLogOdds(values, np.clip(fitted, _FLOOR, 1 - _FLOOR))

    return _of_each(rows, fit)


def _of_each(rows: CalibrationRows, fit: Callable[[CalibrationRows], LogOdds]) -> OneAgainstOthers:
    maps: list[LogOdds] = []
    for k in [1] if rows.n_classes == 2 else range(rows.n_classes):
        p, t = rows.probability[:, k], rows.target[:, k]
        maps.append(fit(CalibrationRows(np.stack([1 - p, p], axis=1), np.stack([1 - t, t], axis=1), rows.weight)))
    return OneAgainstOthers(tuple(maps))


def _logarithms(rows: CalibrationRows, floor: float) -> tuple[Array, Array]:
    return capped_log(rows.probability[:, 1], floor), capped_log(rows.probability[:, 0], floor)


def _log_odds(predictors: ConditionalPredictors, theta: Array) -> float:
    first, second = predictors.matrix(theta)[:, -1]
    return float(second - first)
