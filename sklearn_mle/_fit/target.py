"""y in a unit of its own, as far as the likelihood allows, so that bounds and tolerances mean the same for any y."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.start import largest_target, some_rows
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._rows import Data
from sklearn_mle.likelihoods import Likelihood


@dataclass(frozen=True)
class Target:
    """The data of a fit with X standardized and y = scale * target + centre (+ offset, where y is real).

    The logarithm of the unit of amounts is a shift of their log mean: of its intercept or, where it has none, an
    offset of every row.

    Attributes
    ----------
    data : Data
    prepared : Prepared
    scale : float
        By which the location's linear predictor is multiplied on the way back: of a real y a power of two near its
        weighted standard deviation (1 when y is constant); 1 elsewhere.
    shift : ndarray of shape (q,)
        What is added to the intercepts then.
    noise : float
        The rounding of y, in this unit.
    log_jacobian : float
        By how much the total NLL of y exceeds that of the target.
    """

    data: Data
    prepared: Prepared
    scale: float
    shift: Array
    noise: float
    log_jacobian: float

    @classmethod
    def of(cls, likelihood: Likelihood, prepared: Prepared, *, centre: bool) -> "Target":
        """Return the target of prepared data in the unit that the likelihood's ``equivariance`` allows.

        ``centre`` says whether the location has an intercept, which alone can undo a shift of it.
        """
        data, shift = prepared.data, np.zeros(prepared.data.n_predictors)
        if likelihood.equivariance is None:
            return cls(data, prepared, 1.0, shift, EPS, 0.0)
        if likelihood.equivariance == "location_scale":
            return cls._real(likelihood, prepared, centre)
        unit, moved = _unit_of_amounts(data), 0.0
        shift = np.array(likelihood.unit_powers) * np.log(unit)
        log_jacobian = data.reduce_target(_positive_weight)[0] * float(np.log(unit))
        if not centre:
            moved, shift[0] = -float(shift[0]), 0.0
        scaled = data.with_target(partial(_amount, unit, moved))
        return cls(scaled, prepared, 1.0, shift, EPS, log_jacobian)

    @classmethod
    def _real(cls, likelihood: Likelihood, prepared: Prepared, centre: bool) -> "Target":
        """Return a real target, centred and scaled; an offset is subtracted, for the location's link is identity.

        Of a likelihood that outliers do not move, about where it starts from (on some of the rows): they are not to
        cost the others' digits either.
        """
        data = prepared.data.with_target(_less_offset) if prepared.data.n_offsets else prepared.data
        power = _power_of_largest(data)
        n = data.weight_sum
        middle = data.reduce_target(partial(_moments, power, 0.0))[0] / n if centre else 0.0
        spread = float(np.sqrt(data.reduce_target(partial(_moments, power, middle))[1] / n))
        if not likelihood.least_squares:
            some = some_rows(data)
            start = likelihood.start(some.y / power, some.weight)
            middle = float(start[0]) if centre else 0.0
            spread = min(spread, float(np.hypot(start[0] - middle, np.exp(start[likelihood.dispersion_index]))))
        if spread <= 4 * EPS:
            spread = 1.0  # constant to rounding: keep the unit of y itself
        else:
            spread = float(np.exp2(np.rint(np.log2(spread))))
            # On a coarse grid, so that data on a grid lose nothing by being centred.
            middle = float(np.rint(middle / spread * 8)) * spread / 8 if spread > 64 * EPS else middle
        scale = spread * power
        shift = np.zeros(data.n_predictors)
        shift[0], shift[likelihood.dispersion_index] = middle * power, np.log(scale)
        centred = data.with_target(partial(_centred, power, middle, spread))
        return cls(centred, prepared, scale, shift, EPS * max(1.0, 1.0 / spread), n * float(np.log(scale)))

    def to_original(self, matrix: Array | DoubleDouble) -> Array:
        """Return coefficients of the standardized problem, shape (q, p + 1), in the units of X and y."""
        columns, matrix = self.prepared.columns, DoubleDouble.of(matrix)
        last = matrix.high[:, -1]
        if self.data is self.prepared.data and np.isfinite(last).all():
            return columns.to_original(matrix)  # y is taken as it is
        factor = np.array([self.scale, *[1.0] * (len(self.shift) - 1)])  # powers of two
        with np.errstate(over="ignore", invalid="ignore"):
            coef, intercept = columns.coefficients(matrix) * factor[:, None], columns.intercept(matrix)
            intercept = DoubleDouble(intercept.high * factor, intercept.low * factor) + self.shift
        # The logarithm of a scale of zero stays minus infinity.
        return np.column_stack([coef, np.where(np.isfinite(last), intercept.rounded, last)])

    def to_standardized(self, matrix: Array) -> Array:
        """Return coefficients in the units of X and y as those of the standardized problem."""
        matrix = matrix.copy()
        matrix[:, -1] -= self.shift
        matrix[0] /= self.scale
        return self.prepared.columns.to_standardized(matrix)

    def cancellation(self, location: DoubleDouble) -> float:
        """Return how much larger than the intercept, in the units of X and y, the terms are that make it up."""
        columns, theta = self.prepared.columns, location.high[0]
        terms = np.abs(theta[:-1] * columns.ratio).sum() + abs(theta[-1])
        intercept = float(columns.intercept(location).rounded[0]) * self.scale + self.shift[0]
        largest = float(terms * self.scale + abs(self.shift[0]))
        return max(1.0, largest / max(abs(intercept), np.finfo(np.float64).tiny))

    def exact(self) -> Data:
        """Return the data of a real target without the rounding of its centring: what is left of y is an offset."""
        return self.prepared.data.with_target(partial(_exact, self.scale, self.shift[0]), self.data.n_predictors)


def _unit_of_amounts(data: Data) -> float:
    """Return a power of two near the mean of nonnegative y; 1 where that would cost digits."""
    power = _power_of_largest(data)
    mean = data.reduce_target(partial(_moments, power, 0.0))[0] / data.weight_sum
    if mean == 0 or data.reduce_target(partial(_rounded, power))[0]:
        return 1.0  # nothing but zeros, or so many decades that the least would lose digits
    unit = power * float(np.exp2(np.rint(np.log2(mean))))
    return 1.0 if data.reduce_target(partial(_rounded, unit))[0] else unit


def _power_of_largest(data: Data) -> float:
    """Return a power of two near the largest absolute y: means of y in units of it can not overflow."""
    largest = data.reduce_target(largest_target)[0].value
    return 1.0 if largest == 0 else float(np.exp2(np.floor(np.log2(largest))))


def _amount(unit: float, moved: float, y: Array, offset: Array | None) -> tuple[Array, Array | None]:
    """Return y in a unit, and the location's offset moved."""
    if moved:
        offset = np.zeros((1, y.shape[-1])) if offset is None else offset.copy()
        offset[0] += moved
    return y / unit, offset


def _less_offset(y: Array, offset: Array | None) -> tuple[Array, Array | None]:
    """Return y less the location's offset, and the other predictors'."""
    if offset is None:
        return y, None
    others = np.concatenate([np.zeros_like(offset[:1]), offset[1:]]) if len(offset) > 1 else None
    return y - offset[0], others


def _centred(power: float, middle: float, spread: float, y: Array, offset: Array | None) -> tuple[Array, Array | None]:
    """Return y about a middle in a unit of spread, both in a unit of power; the location has no offset any more."""
    return (y / power - middle) / spread, offset


def _exact(scale: float, centre: float, y: Array, offset: Array | None) -> tuple[Array, Array]:
    """Return y less its offset and centre, in a unit; what that rounds off is an offset of the other sign."""
    exact = DoubleDouble.of(y)
    if offset is not None:
        exact = exact - offset[0]
    target = DoubleDouble(exact.high / scale, exact.low / scale) - np.asarray(centre / scale)
    return target.high, -target.low[None]


def _moments(power: float, middle: float, y: Array, weight: Array | None, offset: Array | None) -> tuple[float, float]:
    """Return the weighted sums of y in units of a power of two, less a middle, and of its square."""
    deviation = y / power
    deviation -= middle
    if weight is None:
        return float(deviation.sum()), float(deviation @ deviation)
    weighted = deviation * weight
    return float(weighted.sum()), float(weighted @ deviation)


def _rounded(unit: float, y: Array, weight: Array | None, offset: Array | None) -> tuple[int]:
    """Return how many y are rounded in a unit, a power of two: those that become subnormal, or vanish."""
    return (int((y / unit * unit != y).sum()),)


def _positive_weight(y: Array, weight: Array | None, offset: Array | None) -> tuple[float]:
    positive = y > 0
    return (float(positive.sum() if weight is None else weight[positive].sum()),)
