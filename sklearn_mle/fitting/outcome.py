"""y in a unit of its own: a real outcome centred and scaled, so that floors and tolerances mean the same for any y."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.fitting.prepare import Prepared
from sklearn_mle.row_blocks import RowBlocks

__all__ = ["RealOutcome"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class RealOutcome:
    """The data of a location-scale fit: X standardized, y as (y - offset - centre) / spread.

    Attributes
    ----------
    data : RowBlocks
    prepared : Prepared
    centre : float
        Near the weighted mean of y; zero without an intercept.
    spread : float
        A power of two near the weighted standard deviation of y (1 when y is constant).
    noise : float
        The rounding of y, in units of spread.
    weight_sum : float
    """

    data: RowBlocks
    prepared: Prepared
    centre: float
    spread: float
    noise: float
    weight_sum: float

    @classmethod
    def of(cls, prepared: Prepared, *, centre: bool) -> "RealOutcome":
        """Return the outcome of prepared data; an offset is subtracted, for the location's link is the identity."""
        data = prepared.data
        y = data.y if data.offset is None else data.y - data.offset[0]
        weight = data.weight
        largest = float(np.abs(y).max())
        power = 1.0 if largest == 0 else float(np.exp2(np.floor(np.log2(largest))))
        relative = y / power
        middle = float(np.average(relative, weights=weight)) if centre else 0.0
        spread = float(np.sqrt(np.average(np.square(relative - middle), weights=weight)))
        if spread <= 4 * _EPS:
            # Constant to rounding: keep the unit of y itself.
            spread = 1.0
        spread = float(np.exp2(np.rint(np.log2(spread))))
        # On a coarse grid, so that data on a grid lose nothing by being centred.
        middle = float(np.rint(middle / spread * 8)) * spread / 8 if spread > 64 * _EPS else middle
        deviation = (relative - middle) / spread
        noise = _EPS * max(1.0, 1.0 / spread)
        weight_sum = float(data.n_rows if weight is None else weight.sum())
        return cls(
            RowBlocks(data.rows, deviation, weight, None, data.n_predictors),
            prepared,
            middle * power,
            spread * power,
            noise,
            weight_sum,
        )

    @property
    def n_passes(self) -> int:
        """Passes over the data so far."""
        return self.data.n_passes + self.prepared.data.n_passes

    def to_original(self, matrix: Array) -> Array:
        """Return (location, log scale) coefficients of the standardized problem in the units of X and y."""
        out = self.prepared.columns.to_original(matrix)
        out[0] *= self.spread
        out[0, -1] += self.centre
        out[1, -1] += np.log(self.spread)
        return out

    def to_standardized(self, matrix: Array) -> Array:
        """Return (location, log scale) coefficients in the units of X and y as those of the standardized problem."""
        matrix = matrix.copy()
        matrix[0, -1] -= self.centre
        matrix[0] /= self.spread
        matrix[1, -1] -= np.log(self.spread)
        return self.prepared.columns.to_standardized(matrix)
