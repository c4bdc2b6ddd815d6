"""y in a unit of its own, as far as the likelihood allows, so that floors and tolerances mean the same for any y."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.start import some_rows
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._rows import Data
from sklearn_mle.likelihoods import Likelihood

__all__ = ["Outcome", "power_of_largest", "without_offset"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Outcome:
    """The data of a fit with X standardized and y = unit * (outcome) + centre (+ offset, where y is real).

    The logarithm of the unit of amounts is a shift of their log mean: of its intercept or, where it has none, an
    offset of every row.

    Attributes
    ----------
    data : Data
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

    data: Data
    prepared: Prepared
    unit: float
    factor: float
    shift: Array
    noise: float
    log_jacobian: float
    weight_sum: float

    @classmethod
    def of(cls, likelihood: Likelihood, prepared: Prepared, *, centre: bool) -> "Outcome":
        """Return the outcome of prepared data in the unit that the likelihood's ``equivariance`` allows.

        ``centre`` says whether the location has an intercept, which alone can undo a shift of it.
        """
        if likelihood.equivariance == "location_scale":
            return cls._real(likelihood, prepared, centre)
        data = prepared.data
        shift = np.zeros(likelihood.n_predictors)
        unit, log_jacobian, moved = 1.0, 0.0, 0.0
        if likelihood.equivariance == "scale":
            unit = _unit_of_amounts(data)
            shift = np.array(likelihood.unit_powers) * np.log(unit)
            log_jacobian = data.reduce_target(_positive_weight)[0] * float(np.log(unit))
            if not centre:
                moved, shift[0] = -float(shift[0]), 0.0
        scaled = data.with_target(Amount(unit, moved), likelihood.n_predictors)
        return cls(scaled, prepared, unit, 1.0, shift, _EPS, log_jacobian, data.weight_sum)

    @classmethod
    def _real(cls, likelihood: Likelihood, prepared: Prepared, centre: bool) -> "Outcome":
        """Return a real outcome, centred and scaled; an offset is subtracted, for the location's link is identity.

        Of a likelihood that outliers do not move, about where it starts from (on some of the rows): they are not to
        cost the others' digits either.
        """
        data = without_offset(prepared.data)
        power = power_of_largest(data)
        n = data.weight_sum
        middle = data.reduce_target(AboutMiddle(power, 0.0))[0] / n if centre else 0.0
        spread = float(np.sqrt(data.reduce_target(AboutMiddle(power, middle))[1] / n))
        if not likelihood.least_squares:
            some = some_rows(data)
            start = likelihood.start(some.y / power, some.weight)
            middle = float(start[0]) if centre else 0.0
            spread = min(spread, float(np.hypot(start[0] - middle, np.exp(start[1]))))
        return cls.about(prepared, data, likelihood.n_predictors, power, middle, spread)

    @classmethod
    def about(
        cls, prepared: Prepared, data: Data, n_predictors: int, power: float, middle: float, spread: float
    ) -> "Outcome":
        """Return the real outcome of data without offset, y = power * relative, about a middle in a unit of spread."""
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
        centred = data.with_target(Centred(power, middle, spread), n_predictors)
        log_jacobian = data.weight_sum * float(np.log(unit))
        return cls(centred, prepared, unit, unit, shift, noise, log_jacobian, data.weight_sum)

    @property
    def n_passes(self) -> int:
        """Passes over the data so far."""
        return self.data.n_passes

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

    def exact(self) -> Data:
        """Return the data of a real outcome without the rounding of its centring: what is left of y is an offset."""
        return self.prepared.data.with_target(ExactOutcome(self.unit, self.shift[0]), self.data.n_predictors)

    def to_standardized(self, matrix: Array) -> Array:
        """Return coefficients in the units of X and y as those of the standardized problem."""
        matrix = matrix.copy()
        matrix[:, -1] -= self.shift
        matrix[0] /= self.factor
        return self.prepared.columns.to_standardized(matrix)


def without_offset(data: Data) -> Data:
    """Return the data with the offset subtracted from y, where there is one."""
    return data.with_target(_less_offset) if data.has_offset else data


def power_of_largest(data: Data) -> float:
    """Return a power of two near the largest absolute y: means of y in units of it can not overflow."""
    largest = data.reduce_target(_largest)[0].value
    return 1.0 if largest == 0 else float(np.exp2(np.floor(np.log2(largest))))


def _unit_of_amounts(data: Data) -> float:
    power = power_of_largest(data)
    mean = data.reduce_target(AboutMiddle(power, 0.0))[0] / data.weight_sum
    if mean == 0 or data.reduce_target(Lost(power))[0]:
        return 1.0  # nothing but zeros, or so many decades that the least would lose digits
    unit = power * float(np.exp2(np.rint(np.log2(mean))))
    return 1.0 if data.reduce_target(Lost(unit))[0] else unit


@dataclass(frozen=True)
class Amount:
    """y in a unit, and the location's offset moved."""

    unit: float
    moved: float

    def __call__(self, y: Array, offset: Array | None) -> tuple[Array, Array | None]:
        if self.moved:
            offset = np.full((1, y.shape[-1]), self.moved) if offset is None else offset + self.moved
        return y / self.unit, offset


@dataclass(frozen=True)
class Centred:
    """y = power * relative without offset, about a middle in a unit of spread."""

    power: float
    middle: float
    spread: float

    def __call__(self, y: Array, offset: Array | None) -> tuple[Array, None]:
        return (y / self.power - self.middle) / self.spread, None


@dataclass(frozen=True)
class ExactOutcome:
    """y less its offset and centre, in a unit; what that rounds off is an offset of the other sign."""

    unit: float
    centre: float

    def __call__(self, y: Array, offset: Array | None) -> tuple[Array, Array]:
        exact = DoubleDouble.of(y)
        if offset is not None:
            exact = exact - offset[0]
        target = DoubleDouble(exact.high / self.unit, exact.low / self.unit) - np.asarray(self.centre / self.unit)
        return target.high, -target.low[None]


@dataclass(frozen=True)
class AboutMiddle:
    """Weighted sums of y in units of a power of two, less a middle, and of its square."""

    power: float
    middle: float

    def __call__(self, y: Array, weight: Array | None, offset: Array | None) -> tuple[float, float]:
        deviation = y / self.power
        deviation -= self.middle
        if weight is None:
            return float(deviation.sum()), float(deviation @ deviation)
        weighted = deviation * weight
        return float(weighted.sum()), float(weighted @ deviation)


@dataclass(frozen=True)
class Lost:
    """How many y are rounded in a unit, a power of two: those that become subnormal, or vanish."""

    unit: float

    def __call__(self, y: Array, weight: Array | None, offset: Array | None) -> tuple[int]:
        return (int((y / self.unit * self.unit != y).sum()),)


def _less_offset(y: Array, offset: Array | None) -> tuple[Array, None]:
    return (y if offset is None else y - offset[0]), None


def _largest(y: Array, weight: Array | None, offset: Array | None) -> tuple[Largest]:
    return (Largest(float(np.abs(y).max(initial=0.0))),)


def _positive_weight(y: Array, weight: Array | None, offset: Array | None) -> tuple[float]:
    positive = y > 0
    return (float(positive.sum() if weight is None else weight[positive].sum()),)
