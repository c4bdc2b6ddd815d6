"""The probability integral transform: what probability the forecasts gave to outcomes no larger than what happened."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mle.metrics._distributions import check_rows, read_distributions, read_outcomes
from sklearn_mle.metrics._weights import check_weight, weighted_mean

Array = NDArray[np.float64]


def pit_values(y_true: ArrayLike, y_pred: Any) -> Array:
    r"""Probability integral transform of outcomes: the probabilities below, and up to and including, each outcome.

    .. math:: \left(P(Y < y),\; P(Y \le y)\right)

    Of a continuous distribution the two agree, to a rounding, and are the usual F(y): uniform on [0, 1] if the
    forecasts are right. Where y has a probability of its own (counts, or the zeros of a Tweedie distribution) they are
    the ends of the interval over which :func:`pit_histogram` spreads that probability, instead of drawing a random
    point in it.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Outcomes.
    y_pred : distribution
        A frozen ``scipy.stats`` distribution with parameters (n,), as ``predict_distribution`` gives; or an object with
        ``cdf``.

    Returns
    -------
    ndarray of shape (n, 2)
        P(Y < y) and P(Y <= y).

    Raises
    ------
    TypeError
        If ``y_pred`` is not a distribution.
    ValueError
        If outcomes are not finite or a row's distribution is not defined: the row is named.

    References
    ----------
    C. Czado, T. Gneiting and L. Held (2009), Predictive model assessment for count data, Biometrics 65, section 2.1.

    Examples
    --------
    >>> from scipy.stats import norm, poisson
    >>> from sklearn_mle.metrics import pit_values
    >>> pit_values([0, 2], poisson([1.0, 2.0])).round(4)
    array([[0.    , 0.3679],
           [0.406 , 0.6767]])
    >>> pit_values([0.0], norm(1.0, 1.0)).round(4)
    array([[0.1587, 0.1587]])
    """
    y = read_outcomes(y_true)
    distributions = read_distributions(y_pred, y)
    # The largest number below y: a continuous distribution function is the same there, to a rounding, and atoms need
    # not be known. (But scipy's newer discrete distributions round it to y.)
    whole = distributions.is_discrete and distributions.family is None
    below = np.broadcast_to(distributions.cdf(np.ceil(y) - 1 if whole else np.nextafter(y, -np.inf)), y.shape)
    up_to = np.broadcast_to(distributions.cdf(y), y.shape)
    below = np.minimum(below, up_to)  # some distribution functions fall by a rounding
    return np.column_stack([check_rows(values, y, "the distribution function") for values in (below, up_to)])


def pit_histogram(
    y_true: ArrayLike, y_pred: Any, *, n_bins: int = 10, sample_weight: ArrayLike | None = None
) -> tuple[Array, Array]:
    r"""Histogram of the probability integral transform, nonrandomized: flat at 1 if the forecasts are right.

    .. math:: J \left(\bar F(j / J) - \bar F((j - 1) / J)\right), \qquad
              F_i(u) = \min\left(\max\left(\frac{u - P_i(Y < y_i)}{P_i(Y = y_i)}, 0\right), 1\right)

    A hump says that the forecasts are too wide, a trough that they are too narrow, a slope that they are biased.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Outcomes.
    y_pred : distribution
        As for :func:`pit_values`.
    n_bins : int, default=10
        Number J of bins of equal width.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.

    Returns
    -------
    heights : ndarray of shape (n_bins,)
        Density in each bin, of mean 1.
    edges : ndarray of shape (n_bins + 1,)
        From 0 to 1.

    Raises
    ------
    TypeError
        If ``y_pred`` is not a distribution.
    ValueError
        As :func:`pit_values`, and if ``n_bins`` is not positive or weights are negative.

    References
    ----------
    C. Czado, T. Gneiting and L. Held (2009), Predictive model assessment for count data, Biometrics 65, equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import poisson
    >>> from sklearn_mle.metrics import pit_histogram
    >>> y = np.random.default_rng(0).poisson(2.0, size=10_000)
    >>> heights, edges = pit_histogram(y, poisson(2.0), n_bins=4)
    >>> heights.round(1), edges
    (array([1., 1., 1., 1.]), array([0.  , 0.25, 0.5 , 0.75, 1.  ]))
    """
    if isinstance(n_bins, bool) or not isinstance(n_bins, int | np.integer) or not 1 <= n_bins <= 1_000_000:
        raise ValueError(f"n_bins must be a whole number of at least 1 (at most a million); got {n_bins!r}.")
    below, up_to = pit_values(y_true, y_pred).T
    weight = check_weight(sample_weight, len(below))
    edges = np.linspace(0, 1, n_bins + 1)
    share = np.zeros(n_bins + 1)
    for j in range(1, n_bins):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rows = np.where(edges[j] >= up_to, 1.0, np.clip((edges[j] - below) / (up_to - below), 0.0, 1.0))
        share[j] = weighted_mean(rows, weight)
    share[-1] = 1.0  # all of it, of outcomes too that had no probability at all
    return n_bins * np.diff(share), edges
