"""Offsets that are far apart: where a fit starts beside them, and which rows to name where it did not converge."""

from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.result import FitResult
from sklearn_mle._fit.start import least_squares, some_rows
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.quantiles import weighted_quantile
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._predictors import Terms
from sklearn_mle._rows import Data
from sklearn_mle._solvers import Status

# From each other, in linear predictors: exp(-30) is 1e-13, so that beside such a row the others hardly count.
_FAR = 30.0
# Nats. A fit that ends farther from its optimum has not converged.
_GOOD = 1e-6


def centre_of_classes(data: Data) -> tuple[Array, bool]:
    """Return the middle of the offsets of each predictor, shape (k,), and whether some are far from it.

    The mean, unless some are far: one row of 1e8 among a thousand moves the mean, and with it every probability to zero
    or one, where there is no curvature to lead back. Then it is the median (of some of the rows).
    """
    total, high, low = data.reduce_target(_extent)
    mean: Array = total / data.weight_sum
    if max(high.value - mean.min(), mean.max() + low.value) <= _FAR:
        return mean, False
    some = some_rows(data)
    assert some.offset is not None
    return np.array([weighted_quantile(one, some.weight, 0.5) for one in _relative(some.offset)]), True


def _extent(y: Array, weight: Array | None, offset: Array | None) -> tuple[Array, Largest, Largest]:
    """Return the weighted sum of the offsets, their largest, and the largest of their negatives."""
    assert offset is not None
    relative = _relative(offset)
    total = relative.sum(axis=1) if weight is None else relative @ weight
    return total, Largest(float(relative.max())), Largest(float(-relative.min()))


def _relative(offset: Array) -> Array:
    """Return the offsets of several classes less what they have in common, which changes no probability."""
    return offset if len(offset) == 1 else offset - offset.mean(axis=0)


def projected_on_columns(data: Data, terms: Terms) -> Array:
    """Return the coefficients, shape (k, p + 1), that come nearest to the offsets, on some of the rows."""
    some = some_rows(data)
    assert some.offset is not None
    parts = [least_squares(Data(some.rows, one, some.weight), terms)[0] for one in _relative(some.offset)]
    return np.concatenate(parts)


def far_offsets(prepared: Prepared) -> str | None:
    """Return sentences about offsets far from the others, with their rows; None where there are none."""
    data = prepared.data
    if not data.n_offsets:
        return None
    known = data if data.in_one_place else some_rows(data)
    assert known.offset is not None
    relative = _relative(known.offset)
    median = np.array([weighted_quantile(one, known.weight, 0.5) for one in relative])
    distance = np.abs(relative - median[:, None]).max(axis=0)
    far = np.flatnonzero(distance > _FAR)
    if not len(far):
        return None
    far = far[np.argsort(-distance[far], kind="stable")]
    rows = "some rows" if known is not data else prepared.row_names(far)
    return (
        f"offset: {rows} differ from the median offset by up to {distance.max():.4g} on the scale of the linear "
        "predictor. An offset is added to the linear predictor: for an exposure it is the logarithm, "
        "offset=np.log(exposure). Check these rows, or leave them out."
    )


def with_far_offsets_named(result: FitResult, prepared: Prepared) -> FitResult:
    """Return a fit; where it did not converge and offsets are far apart, with a warning that names their rows."""
    if result.status is Status.STOPPED:
        return result
    good = result.gap <= _GOOD and not any(isinstance(warning, ConvergenceWarning) for warning in result.warnings)
    words = None if good else far_offsets(prepared)
    if words is None:
        return result
    warning = ConvergenceWarning(f"The fit did not reach the optimum beside offsets that are so far apart. {words}")
    return replace(result, warnings=(warning, *result.warnings))  # the cause comes first
