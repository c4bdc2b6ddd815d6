"""Information scores: the divergence between two predictions, and the gain over the class frequencies."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.metrics._means import log_of_base, weighted_mean
from sklearn_mle.metrics._targets import LabelTarget, Target
from sklearn_mle.metrics.cross_entropy import cross_entropy, read_predictions


def jensen_shannon_divergence(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    log_proba: bool = False,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> float:
    r"""Mean Jensen-Shannon divergence of two distributions over classes, in nats per row.

    .. math:: \tfrac12 \mathrm{KL}(p \,\|\, m) + \tfrac12 \mathrm{KL}(q \,\|\, m), \qquad m = \tfrac12 (p + q)

    The symmetric relative of the Kullback-Leibler divergence: at most log 2, and 0 where the two agree; its root is a
    metric. It is not a proper score: of labels it does not reward calibrated probabilities.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, K)
        Labels, or rows of class probabilities that sum to 1, such as another model's predictions.
    y_pred : array-like of shape (n, K) or (n,)
        Predicted probabilities, as for :func:`cross_entropy`.
    labels : array-like of shape (K,), default=None
        The label of each column, in the order of the columns. By default the sorted labels of ``y_true``.
    log_proba : bool, default=False
        Whether ``y_pred`` holds natural logarithms of probabilities.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits, in which it is at most 1.

    Returns
    -------
    float
        Mean divergence, between 0 and log 2 (up to the sums' distance from 1).

    Raises
    ------
    ValueError
        As :func:`cross_entropy`.

    References
    ----------
    J. Lin (1991), Divergence measures based on the Shannon entropy, IEEE Transactions on Information Theory 37.

    Examples
    --------
    >>> from sklearn_mle.metrics import jensen_shannon_divergence
    >>> p, q = [[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]
    >>> jensen_shannon_divergence(p, q, base=2)
    0.5
    """
    log_base = log_of_base(base)
    prediction, target, weight = read_predictions(y_true, y_pred, labels, log_proba, sample_weight)
    p, q = target.probabilities(), prediction.probabilities()
    total = p + q
    # p and q are total (1 +- d) / 2, and the two logarithms of their ratios to the mean are those of 1 +- d.
    d = np.divide(p - q, total, where=total > 0, out=np.zeros(total.shape))
    near = np.where(np.abs(d) < 0.5, d, 0.0)
    close = 2 * near * np.arctanh(near) + np.log1p(-near * near)
    terms = np.where(np.abs(d) < 0.5, close, -entr(1 + d) - entr(1 - d))
    return weighted_mean(0.25 * (total * terms).sum(axis=1), weight) / log_base


def information_gain(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    log_proba: bool = False,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> float:
    r"""Information that predictions add to the class frequencies, in nats per row: higher is better.

    .. math:: H(\bar p) - \text{cross-entropy}(p, q), \qquad \bar p = \frac{\sum_i w_i p_i}{\sum_i w_i}

    The cross-entropy of the constant prediction of the classes' frequencies in ``y_true``, less the model's: 0 for that
    constant, negative for a model that is worse than it, at most the entropy of the frequencies. In the long run it is
    the mutual information of features and outcome less the model's divergence from the truth.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, K)
        Labels, or rows of class probabilities that sum to 1.
    y_pred : array-like of shape (n, K) or (n,)
        Predicted probabilities, as for :func:`cross_entropy`.
    labels : array-like of shape (K,), default=None
        The label of each column, in the order of the columns. By default the sorted labels of ``y_true``.
    log_proba : bool, default=False
        Whether ``y_pred`` holds natural logarithms of probabilities.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits.

    Returns
    -------
    float
        Mean gain, possibly minus infinity.

    Raises
    ------
    ValueError
        As :func:`cross_entropy`.

    Warns
    -----
    InfiniteScoreWarning
        If the cross-entropy is infinite.

    See Also
    --------
    d2_cross_entropy : The same as a part of what there is to know.

    References
    ----------
    R. Peirolo (2011), Information gain as a score for probabilistic forecasts, Meteorological Applications 18.

    Examples
    --------
    >>> from sklearn_mle.metrics import information_gain
    >>> round(information_gain([0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75], base=2), 6)
    0.584963
    >>> information_gain([0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5])
    0.0
    """
    log_base = log_of_base(base)
    total, best_constant = _beside_frequencies(y_true, y_pred, labels, log_proba, sample_weight)
    return (best_constant - total) / log_base


def d2_cross_entropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    log_proba: bool = False,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Share of the class frequencies' cross-entropy that a prediction saves: 1 is perfect, 0 is the frequencies.

    .. math:: D^2 = 1 - \frac{\text{cross-entropy}(p, q)}{H(\bar p)}

    It is McFadden's pseudo R squared, and scikit-learn's ``d2_log_loss_score`` without its clipping.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, K)
        Labels, or rows of class probabilities that sum to 1.
    y_pred : array-like of shape (n, K) or (n,)
        Predicted probabilities, as for :func:`cross_entropy`.
    labels : array-like of shape (K,), default=None
        The label of each column, in the order of the columns. By default the sorted labels of ``y_true``.
    log_proba : bool, default=False
        Whether ``y_pred`` holds natural logarithms of probabilities.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.

    Returns
    -------
    float
        At most 1 (soft labels cannot reach it), possibly minus infinity.

    Raises
    ------
    ValueError
        As :func:`cross_entropy`, and if only one class occurs: there is nothing to know then.

    Warns
    -----
    InfiniteScoreWarning
        If the cross-entropy is infinite.

    References
    ----------
    D. McFadden (1974), Conditional logit analysis of qualitative choice behavior, Frontiers in Econometrics.

    Examples
    --------
    >>> from sklearn_mle.metrics import d2_cross_entropy
    >>> round(d2_cross_entropy([0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75]), 6)
    0.584963
    """
    total, best_constant = _beside_frequencies(y_true, y_pred, labels, log_proba, sample_weight)
    if best_constant == 0:
        raise ValueError(
            "y_true has only one class (of positive weight): the class frequencies predict it with certainty, "
            "so no information can be gained. Use cross_entropy."
        )
    return 1 - total / best_constant


def _beside_frequencies(
    y_true: ArrayLike, y_pred: ArrayLike, labels: ArrayLike | None, log_proba: bool, sample_weight: ArrayLike | None
) -> tuple[float, float]:
    total = cross_entropy(y_true, y_pred, labels=labels, log_proba=log_proba, sample_weight=sample_weight)
    _, target, weight = read_predictions(y_true, y_pred, labels, log_proba, sample_weight)
    return total, float(entr(frequencies(target, weight)).sum())


def frequencies(target: Target, weight: Array | None) -> Array:
    """Weighted frequencies (K,) of the classes."""
    weight = np.ones(len(target)) if weight is None else weight / weight.max()
    if isinstance(target, LabelTarget):
        sums = np.bincount(target.codes, weights=weight, minlength=len(target.labels)).astype(np.float64, copy=False)
    else:
        sums = weight @ target.probabilities()
    return sums / sums.sum()
