"""The standardization of X's columns: where each is centred and in which unit it is measured, without copying X."""

import functools
import operator
from dataclasses import dataclass
from functools import partial

import numpy as np

from sklearn_mle._numerics.arguments import NotFiniteError
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._rows.data import Block, Data

# Sums of squares between these bounds cannot have lost a column to overflow or underflow.
_TINY, _HUGE = 1e-140, 1e140
# A variance below this part of the mean square has lost six digits of sixteen to the difference.
_CANCELS = 1e-6
# From a centre this near to the mean (over the largest entry), the rounding of a constant is not seen as spread.
_NEAR = 1e-8
# A spread below this many roundings of the largest entry is the rounding of a constant, not information.
_CONSTANT = 16 * EPS


@dataclass(frozen=True)
class Columns:
    """Shift and scale of every column: standardized = (X - shift) / scale.

    Scales are powers of two and shifts lie on a coarse grid, so that standardizing rounds as little as it can: data on
    a grid (integers, prices) are standardized exactly.

    Attributes
    ----------
    shift : ndarray of shape (p,)
        Near the weighted mean; zero without an intercept, which alone can undo a shift.
    scale : ndarray of shape (p,)
        Near the weighted standard deviation (root mean square without an intercept), positive.
    constant : ndarray of bool, shape (p,)
        Columns that carry no information beside the intercept (without one: columns of zeros).
    noise : ndarray of shape (p,)
        The rounding of a column's entries, in its standardized unit: what is smaller cannot be told from zero.
    spread : ndarray of shape (p,)
        The standard deviation itself (zero for constant columns), in standardized units: between 0.7 and 1.5.
    largest : ndarray of shape (p,)
        An upper bound of the absolute entries, in standardized units.
    """

    shift: Array
    scale: Array
    constant: Array
    noise: Array
    spread: Array
    largest: Array

    @property
    def ratio(self) -> Array:
        """Shift over scale, exact; zero for constant columns, which have no unit of their own nor a coefficient."""
        return np.where(self.constant, 0.0, self.shift / self.scale)

    @classmethod
    def of(cls, data: Data, *, centre: bool, least_scale: float = 0.0) -> "Columns":
        """Return the standardization of rows that are as the caller gave them.

        ``centre`` says whether there is an intercept to take the shift. ``least_scale`` bounds the scales from below: a
        column far below it is governed by the prior, not by its spread. NotFiniteError is raised if an entry is NaN or
        infinite.
        """
        return cls.about(*_measure(data), centre=centre, least_scale=least_scale)

    @classmethod
    def about(cls, mean: Array, spread: Array, largest: Array, *, centre: bool, least_scale: float = 0.0) -> "Columns":
        """Return the standardization of columns of known mean, standard deviation and (bound of the) largest entry."""
        constant = spread <= _CONSTANT * largest if centre else largest == 0
        if not centre:
            with np.errstate(over="ignore", under="ignore"):
                spread, mean = np.hypot(mean, spread), np.zeros_like(mean)
            constant |= spread == 0
        unit = np.where(constant, 1.0, np.maximum(spread, least_scale))
        scale = np.exp2(np.minimum(np.maximum(np.rint(np.log2(unit)), -1000), 1000))
        grid = scale / 8
        with np.errstate(over="ignore"):
            steps = mean / grid
            reach = np.where(constant, 0.0, largest / scale + 2 * np.abs(mean / scale)) if centre else largest / scale
        # Beyond 2^53 grid steps the mean is on a coarser grid already.
        # A constant column is shifted by itself, to zero.
        shift = np.where((np.abs(steps) < 2.0**52) & ~constant, np.rint(steps) * grid, mean)
        return cls(shift, scale, constant, EPS * np.maximum(largest / unit, 1.0), spread / scale, reach)

    def to_original(self, matrix: Array | DoubleDouble) -> Array:
        """Return coefficients (q, p + 1) of the standardized columns in X's own units.

        Intercepts are formed in twice the precision; a coefficient beyond the range of float64 becomes inf.
        """
        matrix = DoubleDouble.of(matrix)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.column_stack([self.coefficients(matrix), self.intercept(matrix).rounded])

    def coefficients(self, matrix: DoubleDouble) -> Array:
        """Return coefficients (q, p) of X's own columns from those of the standardized ones, (q, p + 1)."""
        return (matrix.high[:, :-1] + matrix.low[:, :-1]) / self.scale

    def intercept(self, matrix: DoubleDouble) -> DoubleDouble:
        """Return the intercepts (q,) that go with coefficients (q, p + 1) of the standardized columns, in X's units."""
        if not self.shift.any():
            return matrix[:, -1]
        weights = np.ones(len(self.scale) + 1)
        np.negative(self.ratio, out=weights[:-1])
        return (matrix * weights).sum()

    def to_standardized(self, matrix: Array) -> Array:
        """Return coefficients (q, p + 1) of X's own columns as those of the standardized ones."""
        coef = matrix[:, :-1]
        return np.concatenate([coef * self.scale, (matrix[:, -1] + coef @ self.shift)[:, None]], axis=1)


def _measure(data: Data) -> tuple[Array, Array, Array]:
    """Return each column's weighted mean, standard deviation and largest absolute entry: in one pass, or few."""
    (raw,) = data.reduce_rows(moments)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mean, second = raw.first / raw.weight, raw.second / raw.weight
        variance = second - np.square(mean)
    spread, largest = np.sqrt(np.maximum(variance, 0)), raw.largest
    # Overflow, underflow, or a mean so far from zero that the difference cancels: those columns are taken again, all
    # of them in one pass. A third pass is for means that overflowed.
    # Columns of zeros, of which sparse data have many, are known already.
    kept = (second < _HUGE) & (second > _TINY) & (variance > _CANCELS * second)
    if kept.all():
        return mean, spread, largest
    lost = np.flatnonzero(~kept & (largest > 0))
    for _ in range(2):
        if not len(lost):
            break
        centre = np.where(np.isfinite(mean[lost]), mean[lost], 0.0)
        (about,) = data.reduce_rows(partial(moments_about, lost, centre))
        shift, second = about.first / about.weight, about.second / about.weight
        variance = second - np.square(shift)
        mean[lost] = centre + about.unit * shift
        spread[lost] = about.unit * np.sqrt(np.maximum(variance, 0))
        largest[lost] = about.largest
        # A spread of rounding alone is that of a constant, its largest entry; far from the centre any spread rounds.
        constant = (spread[lost] <= _CONSTANT * about.largest) & (np.abs(shift) <= _NEAR)
        mean[lost] = np.where(constant, np.copysign(about.largest, mean[lost]), mean[lost])
        spread[lost] = np.where(constant, 0.0, spread[lost])
        lost = lost[~constant & (variance <= _CANCELS * second)]
    return mean, spread, largest


@dataclass(frozen=True)
class Moments:
    """Weighted moments of columns, which add up over rows: ``a + b`` are the moments of the rows of both.

    ``weight`` is the sum of the weights; the arrays have one entry per column: weighted sums of the entries over
    ``unit`` (a power of two) and of their squares, and the largest absolute entry.
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


def moments(block: Block) -> tuple[Moments]:
    """Return a block's moments about zero, in the unit of X itself: their squares may overflow, or cancel later.

    NotFiniteError is raised if an entry is NaN or infinite.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        first, second, largest = block.rows.moments(block.weight)
    if not np.isfinite(first).all():  # a NaN, an infinity, or the overflow of a sum of finite entries
        row = block.rows.first_not_finite()
        if row is not None:
            raise NotFiniteError(block.start + row)
    weight = float(block.rows.n_rows if block.weight is None else block.weight.sum())
    return (Moments(weight, first, second, largest, np.ones(len(first))),)


def moments_about(columns: Array, centre: Array, block: Block) -> tuple[Moments]:
    """Return a block's moments of some columns about a centre near their means.

    They are in units in which no square overflows or vanishes. The largest entries are X's own, not their distances
    from the centre, of rows of positive weight.
    """
    parts = []
    for start, x in block.rows.raw_pieces(columns):
        weight = np.ones(len(x)) if block.weight is None else block.weight[start : start + len(x)]
        total = float(weight.sum())
        if weight.min(initial=1.0) <= 0:
            x, weight = x[weight > 0], weight[weight > 0]
        largest = np.abs(x).max(axis=0, initial=0.0)
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            unit = np.exp2(np.floor(np.log2(np.maximum(largest, np.abs(centre)))))
            unit[unit == 0] = 1.0
            # Divided first: the difference of two entries near the largest float64 may overflow.
            deviation = x / unit - centre / unit
            parts.append(Moments(total, weight @ deviation, weight @ np.square(deviation), largest, unit))
    return (functools.reduce(operator.add, parts),)
