"""The methods of calibration by name, their average, and the choice by cross-validated cross-entropy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.special import log_softmax
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.meta_estimators._calibration_binary import OneAgainstOthers, beta, isotonic, sigmoid
from sklearn_mle.meta_estimators._calibration_logits import (
    MOST_CLASSES,
    LogitMap,
    bias_corrected_temperature,
    dirichlet,
    matrix,
    temperature,
    vector,
)
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows, capped_log
from sklearn_mle.meta_estimators._calibration_spline import SplineMap, SplineMatrixMap, spline, spline_matrix


@dataclass(frozen=True)
class AverageMap:
    """The mean of the probabilities of two maps."""

    maps: tuple[SplineMap, LogitMap]

    @property
    def gap(self) -> float:
        """The largest gap, in nats."""
        return max(one.gap for one in self.maps)

    def log_probabilities(self, probability: Array) -> Array:
        """Return calibrated log-probabilities, shape (n, K)."""
        each = np.stack([one.log_probabilities(probability) for one in self.maps])
        return logsumexp(each, axis=0) - np.log(len(each))


# All have ``log_probabilities``, of predicted probabilities, and ``gap``, the shortfall of the (penalized)
# log-likelihood from its maximum, in nats.
CalibrationMap = LogitMap | OneAgainstOthers | SplineMap | SplineMatrixMap | AverageMap


def _average(rows: CalibrationRows, plain: LogitMap) -> CalibrationMap:
    if rows.n_classes > MOST_CLASSES:
        return spline(rows, plain)
    return AverageMap((spline(rows, plain), matrix(rows, plain)))


def _spline_matrix(rows: CalibrationRows, plain: LogitMap) -> CalibrationMap:
    return (spline if rows.n_classes > MOST_CLASSES else spline_matrix)(rows, plain)


METHODS: dict[str, Callable[[CalibrationRows, LogitMap], CalibrationMap]] = {
    "temperature": lambda rows, plain: plain,
    "bias_corrected_temperature": bias_corrected_temperature,
    "vector": vector,
    "matrix": matrix,
    "dirichlet": dirichlet,
    "sigmoid": sigmoid,
    "beta": beta,
    "isotonic": isotonic,
    "spline": spline,
    "spline_matrix": _spline_matrix,
    "average": _average,
}
_OF_FEW_CLASSES = {"matrix", "dirichlet", "average", "spline_matrix"}


def fit_map(method: str, rows: CalibrationRows) -> CalibrationMap:
    """Fit a map by its name; its bits, as those of fits, do not depend on the number of threads."""
    with single_threaded_blas:
        return METHODS[method](rows, temperature(rows))


def pooled_logarithms(each: Sequence[Array]) -> Array:
    """Return the logarithm of the normalized geometric mean of probabilities, from their logarithms (n, K)."""
    return each[0] if len(each) == 1 else log_softmax(np.mean(each, axis=0))


def choose(
    probability: Array, codes: Array, weight: Array | None, folds: Sequence[NDArray[np.intp]]
) -> tuple[str, dict[str, Any]]:
    """Return the method of least cross-validated cross-entropy, and the table of all.

    ``folds`` holds the rows that are judged by maps fitted to the others, fold by fold.
    """
    n, n_classes = probability.shape
    weight = np.ones(n) if weight is None else weight
    methods = [name for name in METHODS if n_classes <= MOST_CLASSES or name not in _OF_FEW_CLASSES]
    losses, judged = np.zeros((1 + len(methods), n)), np.zeros(n)
    for fold in folds:
        others = np.ones(n, dtype=bool)
        others[fold] = False
        if not weight[others].any():
            continue
        rows = CalibrationRows.of(probability[others], codes[others], weight[others])
        judged[fold] += 1
        held_out, own = probability[fold], (np.arange(len(fold)), codes[fold])
        losses[0, fold] -= capped_log(held_out, np.finfo(np.float64).tiny)[own]
        with single_threaded_blas:
            plain = temperature(rows)
            for loss, name in zip(losses[1:], methods, strict=True):
                loss[fold] -= METHODS[name](rows, plain).log_probabilities(held_out)[own]
    seen = (judged > 0) & (weight > 0)
    if not seen.any():
        raise ValueError(
            "method='auto' judges each fold by maps fitted to the others, but one fold holds all rows of positive "
            "weight: give other folds, or name a method."
        )
    losses, weight = losses[:, seen] / judged[seen], weight[seen]
    mean = np.average(losses, axis=1, weights=weight)
    best = 1 + int(mean[1:].argmin())
    difference = losses - losses[best] - (mean - mean[best])[:, None]
    order = np.argsort(mean, kind="stable")
    table = {
        "method": np.array(["uncalibrated", *methods])[order],
        "cross_entropy": mean[order],
        "difference": (mean - mean[best])[order],
        "standard_error": np.sqrt((weight * np.square(difference)).sum(axis=1))[order] / weight.sum(),
    }
    return methods[best - 1], table
