"""Cross-entropy, entropy and Kullback-Leibler divergence: mean nats (or bits) per row, held together by one identity.

For a row with target distribution p (a label is all its mass on one class) and prediction q over K classes::

    cross_entropy(p, q)  =  -sum_k p_k log q_k  =  entropy(p) + kl_divergence(p, q)
    entropy(p)           =  -sum_k p_k log p_k
    kl_divergence(p, q)  =   sum_k p_k (log p_k - log q_k)

with 0 log 0 = 0. Nothing is clipped: where q_k = 0 and p_k > 0 the prediction was certain and wrong, and costs inf.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from sklearn_mle._numerics.arguments import as_bool, check_weight
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.frames import column_order
from sklearn_mle._numerics.special import less_log1p
from sklearn_mle.metrics._kl_of_distributions import is_distribution, kl_of_distributions
from sklearn_mle.metrics._means import Rows, is_out_of_core, log_of_base, mean_of_rows, weighted_mean
from sklearn_mle.metrics._probability_rows import ProbabilityRows, read_rows
from sklearn_mle.metrics._targets import LabelTarget, Target, labels_of_columns, labels_of_partitions, read_target

ClassScore = Callable[[ProbabilityRows, Target], Array]

_EPS = np.finfo(np.float64).eps


def cross_entropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    log_proba: bool = False,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> float:
    r"""Mean cross-entropy of predicted probabilities: what the outcomes cost, in nats per row.

    .. math:: \frac{\sum_i w_i \left(-\sum_k p_{ik} \log q_{ik}\right)}{\sum_i w_i}

    It is the mean negative log-likelihood of a classifier, and scikit-learn's ``log_loss`` without its clipping.

    Dask arrays, dataframes and series are judged partition by partition, at once. Without ``labels`` another pass over
    ``y_true`` finds them, for a partition may lack a class.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, K)
        What happened: labels, or rows of class probabilities that sum to 1. One-dimensional numbers are labels, and
        refused where they are not whole: one distribution p is passed as one row, ``[p]``.
    y_pred : array-like of shape (n, K) or (n,)
        Predicted probabilities; column k is class k. (n,) values are the probability of the second of two labels.
        Computed in float64 whatever the dtype. The columns of a data frame are found by name, in ``y_true`` too; those
        of one without names (0, 1, ...) by position.
    labels : array-like of shape (K,), default=None
        The label of each column, in the order of the columns (scikit-learn's ``log_loss`` sorts them instead). By
        default the names of a frame's columns; otherwise the sorted labels of ``y_true``, which must then be as many
        as the columns.
    log_proba : bool, default=False
        Whether ``y_pred`` holds logarithms (natural, whatever ``base``) of probabilities. They keep what probabilities
        lose: a probability below 1e-308, or the 1e-20 by which one falls short of 1.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits, 10 for bans.

    Returns
    -------
    float
        Mean cross-entropy, at least 0 (up to the tolerance below), possibly infinite.

    Raises
    ------
    ValueError
        If rows are not probabilities (negative, missing, or a sum further from 1 than 1e-6, the square root of the
        machine epsilon for float32 and float16; within it they are used as they came, not renormalized), labels are
        unknown, shapes do not agree, weights are negative or sum to zero. The message names argument, row and value.

    Warns
    -----
    InfiniteScoreWarning
        If the score is infinite, once, saying how many rows were certain and wrong.

    See Also
    --------
    entropy : The part that no prediction can avoid.
    kl_divergence : The rest.

    References
    ----------
    T. M. Cover and J. A. Thomas (2006), Elements of Information Theory, 2nd edition, chapter 2.

    Examples
    --------
    >>> from sklearn_mle.metrics import cross_entropy
    >>> round(cross_entropy(["cat", "dog"], [[0.5, 0.5], [0.25, 0.75]], base=2), 6)
    0.707519
    >>> cross_entropy([0, 1], [[0.0, -800.0], [-1000.0, 0.0]], log_proba=True)
    0.0

    Soft targets, perfectly predicted, cost their entropy:

    >>> round(cross_entropy([[0.5, 0.5], [0.0, 1.0]], [[0.5, 0.5], [0.0, 1.0]]), 6)
    0.346574
    """
    log_base = log_of_base(base)
    rows = _row_scorer(cross_entropy_rows, labels, log_proba, y_true, y_pred, sample_weight)
    return mean_of_rows("cross_entropy", rows, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight) / log_base


def entropy(
    y_true: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    log_proba: bool = False,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> float:
    r"""Mean entropy of distributions over classes: what the best possible prediction costs, in nats per row.

    .. math:: \frac{\sum_i w_i \left(-\sum_k p_{ik} \log p_{ik}\right)}{\sum_i w_i}

    A label is certain, so the entropy of labels is 0. The entropy of their frequencies is another thing: pass the
    frequencies as a row.

    Dask collections are judged as by :func:`cross_entropy`.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, K)
        Labels, or rows of class probabilities that sum to 1 (targets, or predictions to see how sure they are).
    labels : array-like of shape (K,), default=None
        The labels that may occur, in the order of the columns. By default those that do.
    log_proba : bool, default=False
        Whether ``y_true`` holds natural logarithms of probabilities, (n, K).
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits, 10 for bans.

    Returns
    -------
    float
        Mean entropy, between 0 and log K (up to the tolerance of the sums).

    Raises
    ------
    ValueError
        As :func:`cross_entropy`.

    References
    ----------
    C. E. Shannon (1948), A mathematical theory of communication, Bell System Technical Journal 27.

    Examples
    --------
    >>> from sklearn_mle.metrics import entropy
    >>> entropy([[0.5, 0.5], [0.0, 1.0]], base=2)
    0.5
    >>> entropy(["cat", "dog", "dog"])
    0.0
    """
    log_base = log_of_base(base)
    rows = partial(entropy_rows, labels=labels, log_proba=log_proba)
    return mean_of_rows("entropy", rows, y_true=y_true, sample_weight=sample_weight) / log_base


def kl_divergence(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    log_proba: bool = False,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> float:
    r"""Mean Kullback-Leibler divergence of predicted from target distributions, in nats per row.

    .. math:: \frac{\sum_i w_i \sum_k p_{ik} (\log p_{ik} - \log q_{ik})}{\sum_i w_i}

    What the predictions cost beyond the entropy of the targets: 0 where they agree. Of labels it is the cross-entropy.

    Dask collections are judged as by :func:`cross_entropy`.

    Of two frozen ``scipy.stats`` distributions it is the integral (or sum) of p log(p / q): in closed form where both
    are norm, laplace, expon, uniform, gamma, beta, lognorm, weibull_min, gumbel_r, gumbel_l, invgauss, poisson, binom,
    nbinom, bernoulli or geom, by quadrature otherwise.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, K), or distribution
        What happened: labels, or rows of class probabilities that sum to 1. Or the true distributions.
    y_pred : array-like of shape (n, K) or (n,), or distribution
        Predicted probabilities, as for :func:`cross_entropy`; or the predicted distributions.
    labels : array-like of shape (K,), default=None
        The label of each column, in the order of the columns. By default the sorted labels of ``y_true``.
    log_proba : bool, default=False
        Whether ``y_pred`` holds natural logarithms of probabilities.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row with weight k counts as k rows; rows with weight 0 are ignored.
    base : float, default=None
        Base of the logarithm, greater than 1: ``None`` for nats, 2 for bits, 10 for bans.

    Returns
    -------
    float
        Mean divergence, possibly infinite; at least 0 up to rounding, and up to the sums' distance from 1.

    Raises
    ------
    TypeError
        If only one of the two is a distribution.
    ValueError
        As :func:`cross_entropy`; if a density is compared with a mass function, or a distribution is not defined.

    Warns
    -----
    InfiniteScoreWarning
        If the divergence is infinite, once, saying how many rows were certain and wrong.

    References
    ----------
    S. Kullback and R. A. Leibler (1951), On information and sufficiency, Annals of Mathematical Statistics 22.

    Examples
    --------
    >>> from sklearn_mle.metrics import cross_entropy, entropy, kl_divergence
    >>> y_true, y_pred = [[0.5, 0.5], [0.25, 0.75]], [[0.25, 0.75], [0.25, 0.75]]
    >>> round(kl_divergence(y_true, y_pred), 6)
    0.07192
    >>> round(cross_entropy(y_true, y_pred) - entropy(y_true), 6)
    0.07192

    Two log-linear scales, where sigma differs from row to row:

    >>> from scipy.stats import norm
    >>> round(kl_divergence(norm([0.0, 1.0], [1.0, 2.0]), norm(0.0, [1.0, 4.0])), 6)
    0.174699
    """
    log_base = log_of_base(base)
    if is_distribution(y_true) or is_distribution(y_pred):
        if labels is not None or as_bool("log_proba", log_proba):
            raise ValueError("labels and log_proba are for rows of probabilities; y_true and y_pred are distributions.")
        of_rows = kl_of_distributions(y_true, y_pred)
        return weighted_mean(of_rows, check_weight(sample_weight, len(of_rows))) / log_base
    rows = _row_scorer(kl_divergence_rows, labels, log_proba, y_true, y_pred, sample_weight)
    return mean_of_rows("kl_divergence", rows, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight) / log_base


def entropy_rows(y_true: ArrayLike, *, labels: ArrayLike | None, log_proba: bool) -> Array:
    """Entropy of each row in nats, (n,)."""
    target = read_target(y_true, labels=labels, is_log=log_proba)
    if isinstance(target, LabelTarget):
        return np.zeros(len(target))
    if target.is_log:
        return -_expectation(target.probabilities(), target.log())
    return entr(target.probabilities()).sum(axis=1)


def cross_entropy_rows(prediction: ProbabilityRows, target: Target) -> Array:
    """Cross-entropy of each row in nats, (n,)."""
    if isinstance(target, LabelTarget):
        return -prediction.log_at(target.codes)
    return -_expectation(target.probabilities(), prediction.log())


def kl_divergence_rows(prediction: ProbabilityRows, target: Target) -> Array:
    """Kullback-Leibler divergence of each row in nats, (n,)."""
    if isinstance(target, LabelTarget):
        return cross_entropy_rows(prediction, target)
    p, log_p, q, log_q = target.probabilities(), target.log(), prediction.probabilities(), prediction.log()
    # p log(p / q) - p + q: nowhere negative, exactly 0 where the two agree, and quadratic near.
    excess = np.divide(q - p, p, where=p > 0, out=np.zeros(p.shape))
    near = np.abs(excess) < 0.5
    difference = np.subtract(log_p, log_q, where=p > 0, out=np.zeros(p.shape))
    far = np.multiply(p, difference, where=~near, out=np.zeros(p.shape)) - p + q
    terms = np.where(p > 0, np.where(near, p * less_log1p(np.where(near, excess, 0.0)), far), q)
    # Rows are used as they came, but for what the rounding of probabilities that sum to one makes of their sum.
    uneven = (p - q).sum(axis=1)
    return terms.sum(axis=1) + np.where(np.abs(uneven) > 2 * p.shape[1] * _EPS, uneven, 0.0)


def read_predictions(
    y_true: ArrayLike, y_pred: ArrayLike, labels: ArrayLike | None, log_proba: bool, sample_weight: Any = None
) -> tuple[ProbabilityRows, Target, Array | None]:
    """Read predictions, the targets that judge them, and weights: all of the same rows."""
    known = labels_of_columns(labels, y_true, y_pred)
    order = None if known is None else column_order(y_pred, known.tolist(), "y_pred", renames=True)
    prediction = read_rows(y_pred, "y_pred", is_log=log_proba, order=order)
    n, n_classes = prediction.values.shape
    target = read_target(y_true, labels=known, n_classes=n_classes)
    if len(target) != n:
        raise ValueError(f"y_true has {len(target)} rows and y_pred {n}; both must describe the same rows.")
    return prediction, target, check_weight(sample_weight, n)


def score_rows(score: ClassScore, y_true: Any, y_pred: Any, *, labels: Any, log_proba: bool) -> Array:
    """Read predictions, and return their scores (n,) by ``score(prediction, target)``: the task of a partition."""
    prediction, target, _ = read_predictions(y_true, y_pred, labels, log_proba)
    return score(prediction, target)


def _row_scorer(score: ClassScore, labels: Any, log_proba: bool, y_true: Any, y_pred: Any, sample_weight: Any) -> Rows:
    if is_out_of_core(y_true, y_pred, sample_weight):
        labels = labels_of_partitions(labels, y_true, y_pred)
    return partial(score_rows, score, labels=labels, log_proba=log_proba)


def _expectation(p: Array, values: Array) -> Array:
    """Row sums of p * values, with 0 * inf = 0."""
    terms = np.multiply(p, values, where=p > 0, out=np.zeros(p.shape))
    return terms.sum(axis=1)
