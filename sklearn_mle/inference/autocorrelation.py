r"""What stands between the two information matrices of a covariance that allows for autocorrelation (Newey and West).

With s_t the gradient of the row at time t,

.. math:: M = \Gamma_0 + \sum_{l=1}^{L} \left(1 - \frac{l}{L + 1}\right) (\Gamma_l + \Gamma_l^\top) ,\qquad
    \Gamma_l = \sum_{t > l} s_t s_{t-l}^\top

which is positive semidefinite for any L.

References
----------
Newey and West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent covariance
matrix, Econometrica 55; (1994), Automatic lag selection in covariance matrix estimation, Review of Economic Studies 61.
"""

import math

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.at_estimate import CHUNK, AtEstimate


def lags_of(at: AtEstimate, lags: int | None) -> int:
    """Return the number of lags: Newey and West's rule of thumb, 4 (n / 100)^(2/9), if none is given."""
    if (at.copies != 1).any():
        raise NotSupportedError(
            "covariance='HAC' is for rows in the order of time, which weights that count copies do not preserve: use "
            "weight_type='precision' or 'sampling', or repeat the rows."
        )
    n = len(at.copies)
    found = math.floor(4 * (n / 100) ** (2 / 9)) if lags is None else lags
    if found >= n:
        raise ValueError(f"lags={found} must be less than the number of rows, {n}.")
    return found


def autocorrelated_meat(at: AtEstimate, lags: int) -> Array:
    """Return M, for the caller's weights; rows are in the order of time."""
    data = at.objective.data
    assert data.offset is not None
    gradient = at.likelihood.gradient(data.y, data.offset) * at.weight
    half = np.zeros((at.predictors.size, at.predictors.size))
    for start in range(0, data.n_rows, CHUNK):
        stop, first = min(start + CHUNK, data.n_rows), max(0, start - lags)
        rows = np.arange(first, stop)
        scores = at.predictors.pull_back_rows(data.rows.take(rows).standardized, gradient[:, rows])
        present = scores[start - first :]
        weighted = 0.5 * present
        for lag in range(1, min(lags, stop - 1) + 1):
            begin = max(start, lag)
            weighted[begin - start :] += (1 - lag / (lags + 1)) * scores[begin - lag - first : stop - lag - first]
        half += weighted.T @ present
    return half + half.T
