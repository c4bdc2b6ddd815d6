"""Is there a location that fits every row to rounding? Then the noise vanishes, and no maximum is finite."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.fitting.outcome import Outcome
from sklearn_mle.fitting.start import least_squares
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.linear_predictors import Terms
from sklearn_mle.row_blocks import RowBlocks

__all__ = ["perfect_location"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)


def perfect_location(
    likelihood: Likelihood, outcome: Outcome, some: RowBlocks, terms: Terms, precision: Array | None
) -> Array | None:
    """Return the coefficients, shape (1, p + 1), that fit every outcome to rounding; None where there are none.

    Least squares on what the location would have to be (``Likelihood.link``) finds them where there are any.

    Parameters
    ----------
    likelihood : Likelihood
    outcome : Outcome
    some : RowBlocks
        All rows of the outcome or a sample, which mostly tells that the fit is not perfect.
    terms : Terms
        Of the location.
    precision : ndarray of shape (p,) or None
        Of a prior that a perfect fit has to overcome.
    """
    matrix: Array | None = None
    for rows in (some, outcome.data):
        y = likelihood.link(rows.y)
        if y is None or not np.isfinite(y).all():
            return None
        if rows.offset is not None:
            y = y - rows.offset[0]
        matrix, squares = least_squares(rows, y, terms, precision)
        noise = outcome.noise if likelihood.equivariance == "location_scale" else _EPS
        rounding = noise * (1 + float(np.abs(y).max())) + _EPS * float(np.abs(matrix).sum())
        weight = rows.n_rows if rows.weight is None else rows.weight.sum()
        if not np.sqrt(squares / weight) <= 8 * rounding:
            return None
    return matrix
