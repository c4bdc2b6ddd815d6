"""The one mean over rows, and the weights it takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mle._numerics.arguments import as_floats


def check_weight(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64] | None:
    """Weights (n,), finite and not negative, with a positive sum."""
    weight = read_weight(sample_weight, n)
    if weight is not None and not weight.any():
        raise ValueError("sample_weight sums to zero: at least one row must have a positive weight.")
    return weight


def read_weight(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64] | None:
    """Weights (n,) of some of the rows, finite and not negative; they may all be zero."""
    if sample_weight is None:
        return None
    weight = as_floats(sample_weight, "sample_weight").astype(np.float64, copy=False)
    if weight.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), one weight per row; got {weight.shape}.")
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"sample_weight[{row}] is {weight[row]}: weights are finite and not negative (0 drops a row).")
    return weight


def weighted_mean(rows: NDArray[np.float64], weight: NDArray[np.float64] | None) -> float:
    """Mean of ``rows`` (n,); a weight of k counts a row k times, and 0 drops it, infinite or not."""
    with np.errstate(over="ignore", invalid="ignore"):  # a sum beyond float64 is infinite
        if weight is None:
            return float(rows.mean()) + 0.0  # a mean of -0.0 is reported as 0.0
        weight = weight / weight.max()  # so that the sum of weights is finite even near the largest float
        used = weight > 0
        return float((weight[used] * rows[used]).sum() / weight.sum()) + 0.0
