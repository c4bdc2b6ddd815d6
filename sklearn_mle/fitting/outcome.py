"""y in a unit of its own, as far as the likelihood allows, so that floors and tolerances mean the same for any y."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.fitting.prepare import Prepared
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.numerics.double_double import DoubleDouble
from sklearn_mle.row_blocks import RowBlocks

__all__ = ["Outcome", "relative_to_largest"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Outcome:
    """The data of a fit with X standardized and y = unit * (outcome) + centre (+ offset, where y is real).

    Attributes
    ----------
    data : RowBlocks
    prepared : Prepared
    unit : float
        A power of two: near the weighted standard deviation of a real y (1 when y is constant), near the mean of a
        nonnegative one; 1 where the likelihood changes its form with y's unit.
    factor : float
        By which the location's linear predictor is multiplied on the way back.
    shift : ndarray of shape (q,)
        What is added to the intercepts then.
    noise : float
        The rounding of y, in this unit.
    log_jacobian : float
        By how much the total NLL of y exceeds that of the outcome.
    weight_sum : float
    """

    data: RowBlocks
    prepared: Prepared
    unit: float
    factor: float
    shift: Array
    noise: float
    log_jacobian: float
    weight_sum: float

    @classmethod
    def of(cls, likelihood: Likelihood, prepared: Prepared, *, centre: bool) -> "Outcome":
        """Return the outcome of prepared data in the unit that the likelihood's ``equivariance`` allows."""
        data = prepared.data
        weight_sum = float(data.n_rows if data.weight is None else data.weight.sum())
        if likelihood.equivariance == "location_scale":
            return cls._real(likelihood, prepared, centre)
        shift = np.zeros(likelihood.n_predictors)
        unit, log_jacobian = 1.0, 0.0
        if likelihood.equivariance == "scale":
            unit = _unit_of_amounts(data.y, data.weight)
            shift = np.array(likelihood.unit_powers) * np.log(unit)
            positive = data.y > 0
            mass = float(positive.sum() if data.weight is None else data.weight[positive].sum())
            log_jacobian = mass * float(np.log(unit))
        scaled = RowBlocks(data.rows, data.y / unit, data.weight, data.offset, likelihood.n_predictors)
        return cls(scaled, prepared, unit, 1.0, shift, _EPS, log_jacobian, weight_sum)

    @classmethod
    def _real(cls, likelihood: Likelihood, prepared: Prepared, centre: bool) -> "Outcome":
        """Return a real outcome, centred and scaled; an offset is subtracted, for the location's link is identity."""
        data = prepared.data
        y = data.y if data.offset is None else data.y - data.offset[0]
        power, relative = relative_to_largest(y)
        middle = float(np.average(relative, weights=data.weight)) if centre else 0.0
        deviation = relative - middle
        weighted = deviation if data.weight is None else deviation * data.weight
        total = float(data.n_rows if data.weight is None else data.weight.sum())
        spread = float(np.sqrt(weighted @ deviation / total))
        return cls.about(prepared, likelihood.n_predictors, power, relative, middle, spread)

    @classmethod
    def about(
        cls, prepared: Prepared, n_predictors: int, power: float, relative: Array, middle: float, spread: float
    ) -> "Outcome":
        """Return the real outcome y = power * relative about (near) a middle in a unit (near) of spread."""
        data = prepared.data
        weight_sum = float(data.n_rows if data.weight is None else data.weight.sum())
        if spread <= 4 * _EPS:
            spread = 1.0  # constant to rounding: keep the unit of y itself
        else:
            spread = float(np.exp2(np.rint(np.log2(spread))))
            # On a coarse grid, so that data on a grid lose nothing by being centred.
            middle = float(np.rint(middle / spread * 8)) * spread / 8 if spread > 64 * _EPS else middle
        noise = _EPS * max(1.0, 1.0 / spread)
        unit = spread * power
        shift = np.zeros(n_predictors)
        shift[:2] = middle * power, np.log(unit)
        centred = RowBlocks(data.rows, (relative - middle) / spread, data.weight, None, n_predictors)
        log_jacobian = weight_sum * float(np.log(unit))
        return cls(centred, prepared, unit, unit, shift, noise, log_jacobian, weight_sum)

    @property
    def n_passes(self) -> int:
        """Passes over the data so far."""
        return self.data.n_passes + self.prepared.data.n_passes

    def to_original(self, matrix: Array | DoubleDouble) -> Array:
        """Return coefficients of the standardized problem, shape (q, p + 1), in the units of X and y."""
        matrix = DoubleDouble.of(matrix)
        factor = np.array([self.factor, *[1.0] * (len(self.shift) - 1)])  # powers of two
        out = self.prepared.columns.to_original(matrix)
        with np.errstate(over="ignore", invalid="ignore"):
            out[:, :-1] *= factor[:, None]
            intercept = (self.prepared.columns.intercept(matrix) * factor + self.shift).rounded
        # The logarithm of a scale of zero stays minus infinity.
        out[:, -1] = np.where(np.isfinite(matrix.high[:, -1]), intercept, matrix.high[:, -1])
        return out

    def cancellation(self, location: DoubleDouble) -> float:
        """Return how much larger than the intercept, in the units of X and y, the terms are that make it up."""
        columns, theta = self.prepared.columns, location.high[0]
        terms = np.abs(theta[:-1] * columns.ratio).sum() + abs(theta[-1])
        intercept = float(columns.intercept(location).rounded[0]) * self.factor + self.shift[0]
        largest = float(terms * self.factor + abs(self.shift[0]))
        return max(1.0, largest / max(abs(intercept), np.finfo(np.float64).tiny))

    def exact(self) -> RowBlocks:
        """Return the data of a real outcome without the rounding of its centring: what is left of y is an offset."""
        data = self.prepared.data
        y = DoubleDouble.of(data.y)
        if data.offset is not None:
            y = y - data.offset[0]
        target = DoubleDouble(y.high / self.unit, y.low / self.unit) - self.shift[0] / self.unit
        return RowBlocks(data.rows, target.high, data.weight, -target.low[None], self.data.n_predictors)

    def to_standardized(self, matrix: Array) -> Array:
        """Return coefficients in the units of X and y as those of the standardized problem."""
        matrix = matrix.copy()
        matrix[:, -1] -= self.shift
        matrix[0] /= self.factor
        return self.prepared.columns.to_standardized(matrix)


def relative_to_largest(y: Array) -> tuple[float, Array]:
    """Return a power of two near the largest absolute y, and y in units of it: means can then not overflow."""
    largest = float(np.abs(y).max())
    power = 1.0 if largest == 0 else float(np.exp2(np.floor(np.log2(largest))))
    return power, y / power


def _unit_of_amounts(y: Array, weight: Array | None) -> float:
    power, relative = relative_to_largest(y)
    mean = float(np.average(relative, weights=weight))
    if mean == 0 or ((relative == 0) & (y > 0)).any():
        return 1.0  # nothing but zeros, or so many decades that the least would be lost
    unit = power * float(np.exp2(np.rint(np.log2(mean))))
    return 1.0 if ((y / unit == 0) & (y > 0)).any() else unit
