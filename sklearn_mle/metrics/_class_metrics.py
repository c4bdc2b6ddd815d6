"""Metrics of probabilities, asked about what a classifier said: its classes, and whether it spoke in logarithms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.frames import column_order
from sklearn_mle.metrics._distributions import has_two_columns, read_outcomes
from sklearn_mle.metrics._responses import ClassResponse, takes
from sklearn_mle.metrics._targets import Target, distinct, encode
from sklearn_mle.metrics.cross_entropy import read_judged


@dataclass(frozen=True)
class ClassMetric:
    """``metric(y_true, y_pred)`` of a classifier's answer, told as much about it as the metric can take.

    A metric with ``log_proba`` is given logarithms where they are exact, one without is given probabilities; one with
    ``labels`` is told the columns' labels.
    """

    metric: Callable[..., float]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, y_true: ArrayLike, response: ClassResponse, *, sample_weight: ArrayLike | None = None) -> float:
        """Judge the answer."""
        response = with_absent_classes(y_true, response)
        arguments = dict(self.arguments)
        values = response.values
        if response.is_log and takes(self.metric, "log_proba"):
            arguments["log_proba"] = True
        elif response.is_log:
            values = np.exp(values)
        if takes(self.metric, "labels"):
            arguments["labels"] = response.labels
        if sample_weight is not None:
            arguments["sample_weight"] = sample_weight
        return self.metric(y_true, values, **arguments)


@dataclass(frozen=True)
class ClassRows:
    """Rows (n,) of a score of probabilities, ``rows(prediction, target)``."""

    rows: Callable[[Any, Target], NDArray[np.float64]]

    def __call__(self, y_true: ArrayLike, response: ClassResponse) -> NDArray[np.float64]:
        """Judge each row of the answer."""
        response = with_absent_classes(y_true, response)
        prediction, target, _ = read_judged(y_true, response.values, response.labels, response.is_log)
        return self.rows(prediction, target)


def with_absent_classes(y_true: ArrayLike, response: ClassResponse) -> ClassResponse:
    """Add a column of probability 0 for each label that training has not seen; what that costs, the metric says."""
    with argument_name("y_true"):
        shape = np.shape(y_true)
        if len(shape) != 1 and shape[1:] != (1,):
            column_order(y_true, response.labels.tolist(), "y_true")  # to be refused where these are other classes
            return response
        if 0 in shape:
            raise ValueError(f"y_true must hold at least one label; got shape {shape}.")
        y = column_or_1d(y_true)
        codes = encode(y, response.labels)
        if codes.min() >= 0:
            return response
        occurring = distinct(y)
    absent = occurring[encode(occurring, response.labels) < 0]
    if _is_text(absent) != _is_text(response.labels):
        raise ValueError(
            f"y_true has the label {absent.tolist()[0]!r}, and training had {response.labels.tolist()}: "
            "text never matches numbers. Give y_true as it was given to fit."
        )
    impossible = np.full((len(y), len(absent)), -np.inf if response.is_log else 0.0, dtype=response.values.dtype)
    labels = response.labels
    if labels.dtype != absent.dtype:
        # Integers of two types would meet in floating point, where large ones are no longer apart.
        labels, absent = labels.astype(object), absent.astype(object)
    return ClassResponse(
        np.concatenate([labels, absent]),
        np.hstack([response.values, impossible]),
        response.is_log,
    )


def soft_labels_of(y_true: Any) -> NDArray[np.float64]:
    """Outcomes (n,) of one trial each as labels 0 and 1; fractions of successes as rows (n, 2) of probabilities."""
    if has_two_columns(y_true):
        raise ValueError(
            "y_true has two columns, numbers of successes and failures: score these by 'log_likelihood'; the labels of "
            "single trials, 0 and 1, or fractions are one column."
        )
    y = read_outcomes(y_true)
    outside = ~((y >= 0) & (y <= 1))
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(f"y_true[{row}] is {y[row]:g}: outcomes of one trial are 0, 1, or a fraction between.")
    return y if ((y == 0) | (y == 1)).all() else np.column_stack([1 - y, y])


def _is_text(labels: NDArray[Any]) -> bool:
    return all(isinstance(label, str) for label in labels.tolist())
