"""The standard error of a mean over rows."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["standard_error"]

Array = NDArray[np.float64]


def standard_error(rows: Array, weight: Array, groups: NDArray[np.intp] | None) -> float:
    """Standard error of the weighted mean of ``rows`` (n,), of which none is nan.

    A weight of k counts as k independent rows; ``groups``, codes (n,), are independent of each other and nothing is
    assumed within them::

        without groups:  sum_i w_i (d_i - m)^2 / (W (W - 1))                        with W = sum_i w_i
        with groups:     G / (G - 1) sum_g (sum_{i in g} w_i (d_i - m))^2 / W^2     over the G groups with weight

    (squared). It is nan where a row is infinite, and where there is no second row or group.
    """
    total = weight.sum()
    used = weight > 0
    rows, weight = rows[used], weight[used]
    units = total if groups is None else len(np.unique(groups[used]))
    if units <= 1 or not np.isfinite(rows).all():
        return float("nan")
    # Sums, not dot products: those of a threaded BLAS change their last bits with the number of threads.
    centred = rows - (weight * rows).sum() / total
    if groups is None:
        return float(np.sqrt((weight * centred**2).sum() / (total * (total - 1))))
    sums = np.bincount(groups[used], weights=weight * centred)
    return float(np.sqrt(units / (units - 1) * (sums**2).sum()) / total)
