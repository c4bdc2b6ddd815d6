"""Scores and calibration of the distributions, and of the intervals, that a regressor gives."""

import warnings
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_mle._numerics.arguments import as_floats, check_count, check_weight, first_true
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics._distributions import check_rows, read_distributions, read_outcomes
from sklearn_mle.metrics._means import infinite_rows, log_of_base, weighted_mean


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
    log_base = log_of_base(base)
    y = read_outcomes(y_true)
    weight = check_weight(sample_weight, len(y))
    rows = -check_rows(read_distributions(y_pred, y).log_density(y), y, "the log density")
    mean = weighted_mean(rows, weight)
    if not np.isfinite(mean):
        infinite = infinite_rows(rows, weight)
        row = int(infinite.argmax())
        density = "0" if rows[row] > 0 else "inf"
        warnings.warn(
            f"negative_log_likelihood is {mean}: {int(infinite.sum())} of {len(y)} outcomes have density 0 or inf (the "
            f"first is y_true[{row}] = {y[row]}, density {density}). Nothing is clipped; crps stays finite.",
            InfiniteScoreWarning,
            stacklevel=2,
        )
    return mean / log_base


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
    check_count("n_bins", n_bins, 1)
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


def _read_interval(interval: ArrayLike, y: Array) -> tuple[Array, Array]:
    ends = as_floats(interval, "interval").astype(np.float64, copy=False)
    if ends.shape != (len(y), 2):
        raise ValueError(f"interval must have shape ({len(y)}, 2), lower and upper end of each row; got {ends.shape}.")
    if (row := first_true(~(ends[:, 0] <= ends[:, 1]))) is not None:
        raise ValueError(f"interval[{row}] is {ends[row].tolist()}: the lower end must not exceed the upper one.")
    return ends[:, 0], ends[:, 1]
