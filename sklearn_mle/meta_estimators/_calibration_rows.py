"""What a calibration map is fitted to: probabilities of rows that the model had not seen, targets and weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sklearn_mle._numerics.arrays import Array

# Gradients are squared. They are sums of at most 28 nats (the logarithm of the least floor) per unit of weight.
_MOST_WEIGHT = 1e150


@dataclass(frozen=True)
class CalibrationRows:
    r"""Rows of positive weight, their predicted probabilities, and targets that hold one row of prior.

    The targets are :math:`(W e_{y_i} + p_i) / (W + 1)` with weights :math:`w_i (1 + 1 / W)`, W the sum of the weights:
    beside the labels, rows of weight one in all whose label is drawn from the prediction. So a maximum exists even
    where the labels separate, and with few rows the map is near the identity. Platt (1999) did the same with one
    outcome of each class.

    Attributes
    ----------
    probability, target : ndarray of shape (n, K)
    weight : ndarray of shape (n,)
    """

    probability: Array
    target: Array
    weight: Array

    @classmethod
    def of(cls, probability: Array, codes: Array, weight: Array | None = None) -> "CalibrationRows":
        """Return those of predicted probabilities, the codes of the labels and weights."""
        weight = np.ones(len(codes)) if weight is None else weight
        present = weight > 0
        # Class by class: loops over rows are long, however few the classes.
        probability, codes, weight = np.asfortranarray(probability[present]), codes[present], weight[present]
        total = float(weight.sum())
        if not total < _MOST_WEIGHT:
            raise ValueError(
                f"sample_weight sums to {total:.3g}: squares of sums with such weights leave the range of float64. "
                "Divide the weights by a constant."
            )
        target = probability / (total + 1)
        target[np.arange(len(codes)), codes] += total / (total + 1)
        return cls(probability, target, weight * (1 + 1 / total))

    @cached_property
    def target_by_class(self) -> Array:
        """The targets, shape (K, n)."""
        return np.ascontiguousarray(self.target.T)

    @property
    def n_classes(self) -> int:
        """The number of classes K."""
        return self.probability.shape[1]


def capped_log(probability: Array, floor: float) -> Array:
    """Return log(p + floor): the order of probabilities is kept, and none has a logarithm below that of the floor."""
    return np.log(probability + floor)


def linear(columns: Array, coef: Array, intercept: Array) -> Array:
    """Return columns @ coef.T + intercept, shape (n, K), class by class."""
    return (coef @ columns.T + intercept[:, None]).T
