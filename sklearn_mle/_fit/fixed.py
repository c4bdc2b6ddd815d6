"""Linear predictors that are no parameters: values they are held at, as offsets of the rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fixed", "WithFixed"]

Array = NDArray[Any]
# The predictors' numbers, and their values.
Fixed = dict[int, float]


@dataclass(frozen=True)
class WithFixed:
    """An offset for every linear predictor: the location's own, and the values of those that are no parameters."""

    n_predictors: int
    fixed: Fixed

    def __call__(self, y: Array, offset: Array | None) -> tuple[Array, Array]:
        full = np.zeros((self.n_predictors, y.shape[-1]))
        if offset is not None:
            full[0] = offset[0]
        for k, value in self.fixed.items():
            full[k] = value
        return y, full
