"""Scorers: what cross-validation and searches call to judge any probabilistic estimator, whatever loss trained it.

Higher is better. All are per row: in nats, but of ``neg_crps``, which is in the units of y.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mle._numerics.arguments import as_bool, check_choice
from sklearn_mle.metrics._responses import ClassResponse
from sklearn_mle.metrics.cross_entropy import ClassScore, cross_entropy_rows, kl_divergence_rows, score_rows
from sklearn_mle.metrics.crps import crps_rows
from sklearn_mle.metrics.decomposition import cross_entropy_decomposition
from sklearn_mle.metrics.information import information_gain
from sklearn_mle.metrics.probabilistic_scorers import (
    DistributionScorer,
    LogLikelihoodScorer,
    ProbabilisticScorer,
    class_metric,
)


def make_probabilistic_scorer(
    score_func: Callable[..., float],
    *,
    greater_is_better: bool = True,
    response: Literal["classes", "distribution"] = "classes",
    name: str | None = None,
    **kwargs: Any,
) -> ProbabilisticScorer:
    """Make a scorer of probabilities or of distributions from a metric.

    As scikit-learn's ``make_scorer``, but the metric is given all columns of the probabilities, in logarithms where it
    can take them, or a distribution; pipelines and searches are opened, offsets passed on, and classes that training
    has not seen are given probability 0.

    Parameters
    ----------
    score_func : callable
        ``score_func(y_true, y_pred, **kwargs)``, a float. For ``response="classes"`` y_pred is (n, K), and
        ``labels=`` and ``log_proba=True`` are passed if the function has such parameters (without ``log_proba`` it is
        given probabilities). For ``response="distribution"`` y_pred is the distribution, such as a frozen
        ``scipy.stats`` one with parameters (n,). ``sample_weight`` is passed if the scorer is given one.
    greater_is_better : bool, default=True
        False for a loss, whose sign is changed.
    response : {"classes", "distribution"}, default="classes"
        What the metric judges.
    name : str, default=None
        The scorer's name, as it is printed; by default that of the function, after ``neg_`` for a loss.
    **kwargs
        Further arguments of the function.

    Returns
    -------
    ProbabilisticScorer
        For ``scoring=`` of ``cross_val_score``, ``GridSearchCV`` and their like.

    Raises
    ------
    ValueError
        If ``response`` is neither of the two.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import BayesianRidge, LogisticRegression
    >>> from sklearn_mle.metrics import cross_entropy, interval_score
    >>> from sklearn_mle.metrics import make_probabilistic_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> bits = make_probabilistic_scorer(cross_entropy, greater_is_better=False, base=2)
    >>> bits
    neg_cross_entropy_scorer
    >>> round(bits(LogisticRegression(max_iter=200).fit(X, y), X, y), 2)
    -0.18
    >>> def spread(y_true, distribution):
    ...     interval = distribution.ppf([[0.05], [0.95]]).T
    ...     return interval_score(y_true, interval, coverage=0.9)
    >>> narrow = make_probabilistic_scorer(
    ...     spread, greater_is_better=False, response="distribution"
    ... )
    >>> round(narrow(BayesianRidge().fit(X[:, :3], X[:, 3]), X[:, :3], X[:, 3]), 2)
    -0.83
    """
    greater_is_better = as_bool("greater_is_better", greater_is_better)
    if not callable(score_func):
        raise TypeError(f"score_func must be a function of y_true and y_pred; got {score_func!r}.")
    check_choice("response", response, ("classes", "distribution"))
    if not (name is None or isinstance(name, str)):
        raise TypeError(f"name must be a string, or None; got {name!r}.")
    if name is None:
        of_function = getattr(score_func, "__name__", type(score_func).__name__)
        name = of_function if greater_is_better else f"neg_{of_function}"
    sign = 1 if greater_is_better else -1
    if response == "classes":
        return ProbabilisticScorer(name, sign, partial(class_metric, score_func, **kwargs))
    return DistributionScorer(name, sign, partial(score_func, **kwargs))


def get_scorer(name: str) -> ProbabilisticScorer:
    """Return a new scorer by its name; :func:`get_scorer_names` lists them.

    Parameters
    ----------
    name : str
        A name, such as ``"neg_cross_entropy"``.

    Returns
    -------
    ProbabilisticScorer
        A copy, which can be given its own ``set_score_request``.

    Raises
    ------
    ValueError
        If there is no such scorer.

    Examples
    --------
    >>> from sklearn_mle.metrics import get_scorer
    >>> get_scorer("neg_kl_divergence")
    neg_kl_divergence_scorer
    """
    if not isinstance(name, str) or name not in _SCORERS:
        raise ValueError(f"There is no scorer {name!r}; choose from {get_scorer_names()}, and give its name.")
    return copy.deepcopy(_SCORERS[name])


def get_scorer_names() -> list[str]:
    """Return the sorted names that :func:`get_scorer` knows.

    Returns
    -------
    list of str
        The names.

    Examples
    --------
    >>> from sklearn_mle.metrics import get_scorer_names
    >>> get_scorer_names()
    ['discrimination', 'information_gain', 'log_likelihood', 'neg_cross_entropy',
     'neg_crps', 'neg_kl_divergence', 'neg_miscalibration']
    """
    return sorted(_SCORERS)


def _class_rows(rows: ClassScore, y_true: ArrayLike, response: ClassResponse) -> NDArray[np.float64]:
    return score_rows(rows, y_true, response.values, labels=response.labels, log_proba=response.is_log)


def _part(part: str, y_true: ArrayLike, response: ClassResponse, **weight: Any) -> float:
    """One part of the decomposition of the cross-entropy."""
    return float(getattr(class_metric(cross_entropy_decomposition, y_true, response, **weight), part))


class _NegCrossEntropy(ProbabilisticScorer):
    r"""Score a classifier by minus its cross-entropy, in nats per row.

    .. math:: \frac{\sum_i w_i \sum_k p_{ik} \log q_{ik}}{\sum_i w_i}

    As :func:`cross_entropy`, with its sign changed.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.metrics import neg_cross_entropy_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLELogisticClassifier().fit(X, y > 140)
    >>> round(neg_cross_entropy_scorer(model, X, y > 140), 4)
    -0.4739
    """


class _NegKLDivergence(ProbabilisticScorer):
    r"""Score a classifier by minus its Kullback-Leibler divergence, in nats per row.

    .. math:: -\frac{\sum_i w_i \sum_k p_{ik} (\log p_{ik} - \log q_{ik})}{\sum_i w_i}

    As :func:`kl_divergence`, with its sign changed. Of labels it is minus the cross-entropy.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.metrics import neg_kl_divergence_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLELogisticClassifier().fit(X, y > 140)
    >>> round(neg_kl_divergence_scorer(model, X, y > 140), 4)
    -0.4739
    """


class _InformationGain(ProbabilisticScorer):
    r"""Score a classifier by the information that it adds to the class frequencies, in nats per row.

    .. math:: S(\bar p) - S(q)

    As :func:`information_gain`: S is the cross-entropy, of the frequencies and of the forecasts.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.metrics import information_gain_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLELogisticClassifier().fit(X, y > 140)
    >>> round(information_gain_scorer(model, X, y > 140), 4)
    0.2192
    """


class _NegMiscalibration(ProbabilisticScorer):
    r"""Score a classifier by minus its miscalibration, in nats per row.

    .. math:: S(r) - S(q)

    As of :func:`cross_entropy_decomposition`, by isotonic regression: r are the recalibrated forecasts.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.metrics import neg_miscalibration_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLELogisticClassifier().fit(X, y > 140)
    >>> round(neg_miscalibration_scorer(model, X, y > 140), 4)
    -0.0301
    """


class _Discrimination(ProbabilisticScorer):
    r"""Score a classifier by its discrimination, in nats per row.

    .. math:: S(\bar p) - S(r)

    As of :func:`cross_entropy_decomposition`, by isotonic regression: r are the recalibrated forecasts.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.metrics import discrimination_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> round(discrimination_scorer(MLELogisticClassifier().fit(X, y > 140), X, y > 140), 4)
    0.2493
    """


class _NegCRPS(DistributionScorer):
    r"""Score a regressor by minus the continuous ranked probability score, in the unit of y.

    .. math:: -\frac{\sum_i w_i \int (F_i(t) - [t \ge y_i])^2 \, dt}{\sum_i w_i}

    As :func:`crps`, with its sign changed.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.metrics import neg_crps_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> round(neg_crps_scorer(GaussianMLERegressor().fit(X, y), X, y), 4)
    -30.36
    """


# Each is the one instance of its class, so that its docstring is a docstring.
neg_cross_entropy_scorer = _NegCrossEntropy("neg_cross_entropy", -1, row_func=partial(_class_rows, cross_entropy_rows))
neg_kl_divergence_scorer = _NegKLDivergence("neg_kl_divergence", -1, row_func=partial(_class_rows, kl_divergence_rows))
log_likelihood_scorer = LogLikelihoodScorer("log_likelihood", -1, row_func=partial(_class_rows, cross_entropy_rows))
# Of none of these three is the score a mean of the scores of single rows: frequencies are those of all rows.
information_gain_scorer = _InformationGain("information_gain", 1, partial(class_metric, information_gain))
neg_miscalibration_scorer = _NegMiscalibration("neg_miscalibration", -1, partial(_part, "miscalibration"))
discrimination_scorer = _Discrimination("discrimination", 1, partial(_part, "discrimination"))
neg_crps_scorer = _NegCRPS("neg_crps", -1, row_func=crps_rows)

_SCORERS = {
    scorer._name: scorer
    for scorer in (
        neg_cross_entropy_scorer,
        neg_kl_divergence_scorer,
        log_likelihood_scorer,
        information_gain_scorer,
        neg_miscalibration_scorer,
        discrimination_scorer,
        neg_crps_scorer,
    )
}
