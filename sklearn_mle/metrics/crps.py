"""The continuous ranked probability score of predictive distributions, in the units of the outcome."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_mle._numerics.arguments import check_weight
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.metrics import _quadrature
from sklearn_mle.metrics._crps_closed_forms import closed_form
from sklearn_mle.metrics._distributions import Mirrored, RowDistributions, check_rows, read_distributions, read_outcomes
from sklearn_mle.metrics._means import weighted_mean

_NEGLIGIBLE = 1e-18


def crps(y_true: ArrayLike, y_pred: Any, *, sample_weight: ArrayLike | None = None) -> float:
    r"""Mean continuous ranked probability score of predictive distributions, in the units of y: lower is better.

    .. math:: \mathrm{CRPS}(F, y) = \int \left(F(x) - 1\{x \ge y\}\right)^2 dx = E|Y - y| - \tfrac12 E|Y - Y'|

    It is the absolute error of a forecast that is certain, and grows with the distance of an outcome, not with its
    improbability: less severe than the negative log-likelihood on outliers. Unlike it, it compares mass functions with
    densities.

    Closed forms are used for ``scipy.stats``' norm, laplace, laplace_asymmetric, logistic, t, gumbel_r, gumbel_l,
    expon, uniform, gamma, beta, invgauss, lognorm, weibull_min, poisson, nbinom and binom; a distribution that has a
    method ``crps`` is asked; others are integrated from their distribution function, to about 10 digits (7 where their
    density has a kink), and whole numbers are summed.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Outcomes.
    y_pred : distribution
        A frozen ``scipy.stats`` distribution with parameters (n,), as ``predict_distribution`` gives; or an object with
        ``cdf`` and ``ppf``.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.

    Returns
    -------
    float
        Mean score; inf for tails so heavy that the integral does not exist (Student's t with at most half a degree of
        freedom).

    Raises
    ------
    TypeError
        If ``y_pred`` is not a distribution.
    ValueError
        If outcomes are not finite, weights are negative, or a row's distribution is not defined: the row is named.

    See Also
    --------
    negative_log_likelihood : The score in nats.

    References
    ----------
    T. Gneiting and A. E. Raftery (2007), Strictly proper scoring rules, prediction, and estimation, Journal of the
    American Statistical Association 102, equations 20 and 21.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mle.metrics import crps
    >>> round(crps([0.0, 1.0], norm([0.0, 0.0], [1.0, 2.0])), 6)
    0.448251
    """
    y = read_outcomes(y_true)
    weight = check_weight(sample_weight, len(y))
    return weighted_mean(crps_rows(y, y_pred), weight)


def crps_rows(y: Array, y_pred: Any) -> Array:
    """Score (n,) of each row."""
    distributions = read_distributions(y_pred, y)
    rows = closed_form(distributions, y)
    if np.isnan(rows).any():
        # Families without a closed form, corners where it does not hold, or parameters that are not defined.
        rows = np.where(np.isnan(rows), _integrated(distributions, y), rows)
    # Rounding may leave a score that is negligible beside the distribution's scale on either side of zero.
    return np.maximum(check_rows(rows, y, "the CRPS"), 0.0)


def _integrated(distributions: RowDistributions, y: Array) -> Array:
    return (_summed if distributions.is_discrete else _by_panels)(distributions, y)


def _by_panels(distributions: RowDistributions, y: Array) -> Array:
    middle = np.broadcast_to(distributions.ppf(np.full(len(y), 0.5)), y.shape)
    undefined = ~np.isfinite(middle)
    middle = np.where(undefined, y, middle)
    below = _tail(distributions, middle, y)
    # The upper half is the lower half of the distribution of -Y.
    above = _tail(Mirrored(distributions), -middle, -y)
    return np.where(undefined, np.nan, below + above)


def _tail(distributions: RowDistributions, middle: Array, y: Array) -> Array:
    """Integral (n,) up to the median."""

    def large(x: Array) -> Array:
        return distributions.sf(x) ** 2

    rows, inner, previous, last = np.zeros(len(y)), middle, np.zeros(len(y)), np.zeros(len(y))
    for probability in _quadrature.TAILS:
        outer = distributions.ppf(np.full(len(y), probability))
        outer = np.where(np.isfinite(outer), np.minimum(outer, inner), inner)
        cut = np.clip(y, outer, inner)
        previous, last = last, _quadrature.panel(outer, cut, lambda x: distributions.cdf(x) ** 2, rows)
        rows += last + _quadrature.panel(cut, inner, large, rows)
        inner = outer
        if (last <= _NEGLIGIBLE * rows).all() and (y >= outer).all():
            break
    # If y lies in the last panel, only a part of it is of the tail, and nothing beyond.
    beyond = np.where(y > cut, _quadrature.beyond(previous, last, rows), 0.0)
    return rows + beyond + _quadrature.panel(np.minimum(y, inner), inner, large, rows)


def _summed(distributions: RowDistributions, y: Array) -> Array:
    # Between whole numbers the distribution function is constant; y may lie between two.
    floor = np.floor(y)
    rows = np.zeros(len(y))
    for k in _quadrature.counts([distributions], y):
        x = np.full(len(y), k)
        below, above = distributions.cdf(x) ** 2, distributions.sf(x) ** 2
        inside = (y - k) * below + (k + 1 - y) * above
        rows += np.where(k < floor, below, np.where(k > floor, above, inside))
    return rows
