"""Weighted moments of X's columns: sums over rows, so that blocks are measured wherever they are, and added."""

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.finite import NotFiniteError

if TYPE_CHECKING:
    from sklearn_mle._rows.data import Block

__all__ = ["ColumnSums", "Moments", "MomentsAbout", "RawMoments"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Moments:
    """What adds up over rows: ``a + b`` are the moments of the rows of both.

    Attributes
    ----------
    weight : float
        Sum of the weights.
    first, second : ndarray of shape (k,)
        Weighted sums of the entries over ``unit`` and of their squares, a column each.
    largest : ndarray of shape (k,)
        The largest absolute entry.
    unit : ndarray of shape (k,)
        Powers of two.
    """

    weight: float
    first: Array
    second: Array
    largest: Array
    unit: Array

    def __add__(self, other: "Moments") -> "Moments":
        unit = np.maximum(self.unit, other.unit)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            mine, others = self.unit / unit, other.unit / unit
            return Moments(
                self.weight + other.weight,
                self.first * mine + other.first * others,
                self.second * np.square(mine) + other.second * np.square(others),
                np.maximum(self.largest, other.largest),
                unit,
            )


@dataclass(frozen=True)
class RawMoments:
    """The moments of every column about zero, for ``Data.reduce_rows``; their squares may overflow, or cancel later."""

    task_name = "mle-moments"

    def __call__(self, block: "Block") -> tuple[Moments]:
        """Return the block's moments, in the unit of X itself.

        Raises
        ------
        NotFiniteError
            If an entry is NaN or infinite.
        """
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            first, second, largest = block.rows.moments(block.weight)
        if not np.isfinite(first).all():  # a NaN, an infinity, or the overflow of a sum of finite entries
            row = block.rows.first_not_finite()
            if row is not None:
                raise NotFiniteError(block.start + row)
        return (Moments(_total(block), first, second, largest, np.ones(len(first))),)


@dataclass(frozen=True)
class MomentsAbout:
    """The moments of some columns about a centre near their means, for ``Data.reduce_rows``.

    Parameters
    ----------
    columns : ndarray of int, shape (k,)
    centre : ndarray of shape (k,)
    """

    columns: Array
    centre: Array

    task_name = "mle-moments"

    def __call__(self, block: "Block") -> tuple[Moments]:
        """Return the block's moments, in units in which no square overflows or vanishes.

        The largest entries are X's own, not their distances from the centre, of rows of positive weight.
        """
        parts = [
            self._of(x, np.ones(len(x)) if block.weight is None else block.weight[start : start + len(x)])
            for start, x in block.rows.raw_pieces(self.columns)
        ]
        return (functools.reduce(operator.add, parts),)

    def _of(self, x: Array, weight: Array) -> Moments:
        total = float(weight.sum())
        if weight.min(initial=1.0) <= 0:
            x, weight = x[weight > 0], weight[weight > 0]
        largest = np.abs(x).max(axis=0, initial=0.0)
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            unit = np.exp2(np.floor(np.log2(np.maximum(largest, np.abs(self.centre)))))
            unit[unit == 0] = 1.0
            # Divided first: the difference of two entries near the largest float64 may overflow.
            deviation = x / unit - self.centre / unit
            return Moments(total, weight @ deviation, weight @ np.square(deviation), largest, unit)


@dataclass(frozen=True)
class ColumnSums:
    """The weighted sums of the standardized columns, and of the weights, for ``Data.reduce_rows``."""

    task_name = "mle-column-sums"

    def __call__(self, block: "Block") -> tuple[Array, float]:
        """Return the block's sums."""
        weight = np.ones(block.rows.n_rows) if block.weight is None else block.weight
        sums = block.rows.transpose_matvec(weight[None])[0]
        return sums[:-1], float(sums[-1])


def _total(block: "Block") -> float:
    return float(block.rows.n_rows if block.weight is None else block.weight.sum())
