"""Scores of the distributions, and of the intervals, that a regressor gives."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mle._numerics.arguments import as_floats
from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics._distributions import check_rows, read_distributions, read_outcomes
from sklearn_mle.metrics._units import nats_in_unit
from sklearn_mle.metrics._weights import check_weight, weighted_mean

Array = NDArray[np.float64]


def negative_log_likelihood(
    y_true: ArrayLike, y_pred: Any, *, sample_weight: ArrayLike | None = None, base: float | None = None
) -> float:
    r"""Mean negative log-likelihood of outcomes under predictive distributions, in nats per row: lower is better.

    .. math:: -\frac{\sum_i w_i \log f_i(y_i)}{\sum_i w_i}

    f is a density in the units of y (so that the score moves by log c if y is multiplied by c, and may be negative), or
    a mass function: the two are never compared.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Outcomes.
    y_pred : distribution
        A frozen ``scipy.stats`` distribution with parameters (n,), as ``predict_distribution`` gives; or an object with
        the same methods.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits.

    Returns
    -------
    float
        Mean score, possibly infinite.

    Raises
    ------
    TypeError
        If ``y_pred`` is not a distribution.
    ValueError
        If outcomes are not finite, weights are negative, or a row's distribution is not defined: the row is named.

    Warns
    -----
    InfiniteScoreWarning
        If outcomes have density 0, or infinite density.

    See Also
    --------
    cross_entropy : The same of class probabilities.

    References
    ----------
    I. J. Good (1952), Rational decisions, Journal of the Royal Statistical Society B 14.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mle.metrics import negative_log_likelihood
    >>> round(negative_log_likelihood([0.0, 1.0], norm([0.0, 0.0], [1.0, 2.0])), 6)
    1.328012
    """
    unit = nats_in_unit(base)
    y = read_outcomes(y_true)
    weight = check_weight(sample_weight, len(y))
    rows = -check_rows(read_distributions(y_pred, y).log_density(y), y, "the log density")
    mean = weighted_mean(rows, weight)
    if not np.isfinite(mean):
        infinite = np.isinf(rows) if weight is None else np.isinf(rows) & (weight > 0)
        row = int(infinite.argmax())
        density = "0" if rows[row] > 0 else "inf"
        warnings.warn(
            f"negative_log_likelihood is {mean}: {int(infinite.sum())} of {len(y)} outcomes have density 0 or inf (the "
            f"first is y_true[{row}] = {y[row]}, density {density}). Nothing is clipped; crps stays finite.",
            InfiniteScoreWarning,
            stacklevel=2,
        )
    return mean / unit


def interval_score(
    y_true: ArrayLike, interval: ArrayLike, *, coverage: float = 0.9, sample_weight: ArrayLike | None = None
) -> float:
    r"""Mean interval score of central prediction intervals, in the units of y: lower is better.

    .. math:: (u - l) + \frac{2}{\alpha} (l - y)_+ + \frac{2}{\alpha} (y - u)_+, \qquad \alpha = 1 - \text{coverage}

    Wide intervals pay their width, narrow ones 2 / alpha times the distance of what they miss; the interval between the
    true quantiles alpha / 2 and 1 - alpha / 2 costs least.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Outcomes.
    interval : array-like of shape (n, 2)
        Lower and upper ends, as ``predict_interval`` gives.
    coverage : float, default=0.9
        The probability that the intervals claim, between 0 and 1.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.

    Returns
    -------
    float
        Mean score.

    Raises
    ------
    ValueError
        If outcomes are not finite, intervals are missing or upside down, ``coverage`` is not in (0, 1), or weights are
        negative.

    References
    ----------
    T. Gneiting and A. E. Raftery (2007), Strictly proper scoring rules, prediction, and estimation, Journal of the
    American Statistical Association 102, equation 43.

    Examples
    --------
    >>> from sklearn_mle.metrics import interval_score
    >>> round(interval_score([0.0, 3.0], [[-1.0, 1.0], [0.0, 2.5]], coverage=0.9), 6)
    7.25
    """
    if not (isinstance(coverage, Real) and 0 < coverage < 1):
        raise ValueError(f"coverage must be between 0 and 1, such as 0.9; got {coverage!r}.")
    y = read_outcomes(y_true)
    low, high = _read_interval(interval, y)
    with np.errstate(over="ignore"):
        rows = high - low + 2 / (1 - coverage) * (np.maximum(low - y, 0) + np.maximum(y - high, 0))
    return weighted_mean(rows, check_weight(sample_weight, len(y)))


def coverage(y_true: ArrayLike, interval: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    r"""Share of outcomes that lie in their prediction intervals, ends included.

    .. math:: \frac{\sum_i w_i [l_i \le y_i \le u_i]}{\sum_i w_i}

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Outcomes.
    interval : array-like of shape (n, 2)
        Lower and upper ends, as ``predict_interval`` gives.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.

    Returns
    -------
    float
        Between 0 and 1: to be compared with the coverage that was asked for.

    Raises
    ------
    ValueError
        If outcomes are not finite, intervals are missing or upside down, or weights are negative.

    References
    ----------
    T. Gneiting, F. Balabdaoui and A. E. Raftery (2007), Probabilistic forecasts, calibration and sharpness, Journal of
    the Royal Statistical Society B 69, section 3.

    Examples
    --------
    >>> from sklearn_mle.metrics import coverage
    >>> coverage([0.0, 3.0], [[-1.0, 1.0], [0.0, 2.5]])
    0.5
    """
    y = read_outcomes(y_true)
    low, high = _read_interval(interval, y)
    return weighted_mean(((low <= y) & (y <= high)).astype(np.float64), check_weight(sample_weight, len(y)))


def _read_interval(interval: ArrayLike, y: Array) -> tuple[Array, Array]:
    ends = as_floats(interval, "interval").astype(np.float64, copy=False)
    if ends.shape != (len(y), 2):
        raise ValueError(f"interval must have shape ({len(y)}, 2), lower and upper end of each row; got {ends.shape}.")
    wrong = ~(ends[:, 0] <= ends[:, 1])
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"interval[{row}] is {ends[row].tolist()}: the lower end must not exceed the upper one.")
    return ends[:, 0], ends[:, 1]
