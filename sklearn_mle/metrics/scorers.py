"""Scorers: what cross-validation and searches call to judge any probabilistic estimator, whatever loss trained it.

All are means per row in nats, and higher is better. They subclass scikit-learn's scorer, so that whatever takes one
takes these, but they read the estimator themselves (``_responses``): ``make_scorer`` cannot ask for log-probabilities,
and hands on one column of two.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils import column_or_1d
from sklearn.utils.metadata_routing import UNCHANGED, MetadataRequest, get_routing_for_object

from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics._probability_rows import as_floats
from sklearn_mle.metrics._responses import (
    ClassResponse,
    class_response,
    gives_classes,
    log_densities,
    open_up,
    point_masses,
    total_log_likelihood,
)
from sklearn_mle.metrics._targets import distinct, encode
from sklearn_mle.metrics._weights import check_weight, weighted_mean
from sklearn_mle.metrics.cross_entropy import (
    cross_entropy,
    cross_entropy_rows,
    kl_divergence,
    kl_divergence_rows,
    read_judged,
)


@dataclass(frozen=True)
class RowScores:
    """Scores (n,) of single rows, of which the score is the mean.

    ``is_mass`` (n,) tells logarithms of probabilities from those of densities; None where the difference is nothing.
    """

    values: NDArray[np.float64]
    is_mass: NDArray[np.bool_] | None


class ProbabilisticScorer(_BaseScorer):
    """Scorer of the probabilities that a classifier gives, ``sign * score_func(y_true, response)``.

    Parameters
    ----------
    name : str
        The scorer's name, as :func:`get_scorer` knows it.
    score_func : callable
        ``score_func(y_true, response, sample_weight=None)`` of a ``ClassResponse``.
    sign : {1, -1}
        -1 for a loss.
    row_func : callable, default=None
        ``row_func(y_true, response)`` gives the rows (n,) of which the score is the mean, before the sign. None where
        the score is not a mean over rows.
    """

    def __init__(
        self,
        name: str,
        score_func: Callable[..., float],
        sign: int,
        row_func: Callable[..., NDArray[np.float64]] | None = None,
    ) -> None:
        # scikit-learn reads the methods' names only to see which calls could be cached; the last one is there for all.
        super().__init__(score_func, sign, {}, response_method=("predict_proba", "predict_log_proba", "predict"))
        self._name = name
        self._row_func = row_func

    def __call__(self, estimator: Any, X: Any, y_true: Any, *, sample_weight: Any = None, offset: Any = None) -> float:
        """Score a fitted estimator on rows X with outcomes y_true.

        Parameters
        ----------
        estimator : object
            Fitted estimator; pipelines and searches are opened.
        X : array-like of n rows
            What the estimator's methods take.
        y_true : array-like of shape (n,) or (n, K)
            Outcomes: labels, class probabilities, or numbers for a regressor.
        sample_weight : array-like of shape (n,), default=None
            Weights of the mean.
        offset : array-like, default=None
            Passed to the estimator's response method; a TypeError if that takes none.

        Returns
        -------
        float
            Mean per row in nats, higher is better.
        """
        return self._score(None, estimator, X, y_true, sample_weight=sample_weight, offset=offset)

    def _score(
        self,
        method_caller: Any,
        estimator: Any,
        X: Any,
        y_true: Any,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> float:
        # method_caller, scikit-learn's cache of responses, keeps one column of two: what log(1 - p) needs is gone then.
        estimator, X = open_up(estimator, X)
        return self._score_opened(estimator, X, y_true, sample_weight, offset)

    def _score_opened(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
        response = class_response(estimator, X, offset)
        return self._sign * self._score_func(y_true, response, sample_weight=sample_weight)

    def _row_scores(self, estimator: Any, X: Any, y_true: Any, offset: Any = None) -> RowScores:
        """Score each row by itself; the weighted mean of the rows is what calling the scorer gives."""
        if self._row_func is None:
            raise ValueError(f"{self!r} has no scores of single rows: it is not a mean over rows.")
        estimator, X = open_up(estimator, X)
        return self._row_scores_opened(estimator, X, y_true, offset)

    def _row_scores_opened(self, estimator: Any, X: Any, y_true: Any, offset: Any) -> RowScores:
        assert self._row_func is not None
        values = self._sign * self._row_func(y_true, class_response(estimator, X, offset))
        return RowScores(values, np.ones(len(values), dtype=bool))

    def set_score_request(
        self, *, sample_weight: bool | str | None = UNCHANGED, offset: bool | str | None = UNCHANGED
    ) -> Self:
        """Say which metadata this scorer takes, under scikit-learn's metadata routing.

        As of scikit-learn's scorers, the object itself is changed; :func:`get_scorer` gives a fresh one.

        Parameters
        ----------
        sample_weight : bool, str or None
            Whether (or under which name) weights are taken; ``None`` refuses them until it is said.
        offset : bool, str or None
            The same for offsets, which go to the estimator's response method.

        Returns
        -------
        ProbabilisticScorer
            This scorer.
        """
        requests = self._get_metadata_request()
        for param, alias in {"sample_weight": sample_weight, "offset": offset}.items():
            if alias is not UNCHANGED:
                requests.score.add_request(param=param, alias=alias)
        self._metadata_request = requests
        return self

    def _get_metadata_request(self) -> MetadataRequest:
        if hasattr(self, "_metadata_request"):
            return get_routing_for_object(self._metadata_request)
        # Known and undecided: an offset that is passed along but not requested here raises, instead of being forgotten.
        requests = MetadataRequest(owner=repr(self))
        for param in ("sample_weight", "offset"):
            requests.score.add_request(param=param, alias=None)
        return requests

    def _accept_sample_weight(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Self:
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        return f"{self._name}_scorer"


class LogLikelihoodScorer(ProbabilisticScorer):
    """Scorer by mean log-likelihood: of classes, or of outcomes under the distribution that a regressor gives."""

    def _score_opened(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
        if gives_classes(estimator):
            return super()._score_opened(estimator, X, y_true, sample_weight, offset)
        return _mean_log_density(estimator, X, y_true, sample_weight, offset)

    def _row_scores_opened(self, estimator: Any, X: Any, y_true: Any, offset: Any) -> RowScores:
        if gives_classes(estimator):
            return super()._row_scores_opened(estimator, X, y_true, offset)
        y = _read_outcomes(y_true)
        logs = log_densities(estimator, X, y, offset)
        _refuse_nan(logs, estimator)
        return RowScores(logs, point_masses(estimator, X, y, logs, offset))


def get_scorer(name: str) -> ProbabilisticScorer:
    """Give a fresh scorer by name; :func:`get_scorer_names` lists them.

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
    if name not in _SCORERS:
        raise ValueError(f"There is no scorer {name!r}; choose from {get_scorer_names()}.")
    return copy.deepcopy(_SCORERS[name])


def get_scorer_names() -> list[str]:
    """Give the names that :func:`get_scorer` knows, sorted.

    Returns
    -------
    list of str
        The names.

    Examples
    --------
    >>> from sklearn_mle.metrics import get_scorer_names
    >>> get_scorer_names()
    ['log_likelihood', 'neg_cross_entropy', 'neg_kl_divergence']
    """
    return sorted(_SCORERS)


def _response_cross_entropy(
    y_true: ArrayLike, response: ClassResponse, *, sample_weight: ArrayLike | None = None
) -> float:
    response = _with_absent_classes(y_true, response)
    return cross_entropy(
        y_true, response.values, labels=response.labels, log_proba=response.is_log, sample_weight=sample_weight
    )


def _response_kl_divergence(
    y_true: ArrayLike, response: ClassResponse, *, sample_weight: ArrayLike | None = None
) -> float:
    response = _with_absent_classes(y_true, response)
    return kl_divergence(
        y_true, response.values, labels=response.labels, log_proba=response.is_log, sample_weight=sample_weight
    )


def _response_cross_entropy_rows(y_true: ArrayLike, response: ClassResponse) -> NDArray[np.float64]:
    response = _with_absent_classes(y_true, response)
    prediction, target, _ = read_judged(y_true, response.values, response.labels, response.is_log)
    return cross_entropy_rows(prediction, target)


def _response_kl_divergence_rows(y_true: ArrayLike, response: ClassResponse) -> NDArray[np.float64]:
    response = _with_absent_classes(y_true, response)
    prediction, target, _ = read_judged(y_true, response.values, response.labels, response.is_log)
    return kl_divergence_rows(prediction, target)


def _with_absent_classes(y_true: ArrayLike, response: ClassResponse) -> ClassResponse:
    """Add a column of probability 0 for each label that training has not seen; what that costs, the metric says."""
    shape = np.shape(y_true)
    if len(shape) != 1 and shape[1:] != (1,):
        return response
    y = column_or_1d(y_true)
    codes = encode(y, response.labels)
    if codes.min(initial=0) >= 0:
        return response
    occurring = distinct(y)
    absent = occurring[encode(occurring, response.labels) < 0]
    if _is_text(absent) != _is_text(response.labels):
        raise ValueError(
            f"y_true has the label {absent.tolist()[0]!r}, and training had {response.labels.tolist()}: "
            "text never matches numbers. Give y_true as it was given to fit."
        )
    impossible = np.full((len(y), len(absent)), -np.inf if response.is_log else 0.0, dtype=response.values.dtype)
    return ClassResponse(
        np.concatenate([response.labels, absent]),
        np.hstack([response.values, impossible]),
        response.is_log,
    )


def _is_text(labels: NDArray[Any]) -> bool:
    return all(isinstance(label, str) for label in labels.tolist())


def _mean_log_density(estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
    y = _read_outcomes(y_true)
    weight = check_weight(sample_weight, len(y))
    total = total_log_likelihood(estimator, X, y, weight, offset)
    if total is not None:
        mean = total / (len(y) if weight is None else weight.sum())
        where = "its log_likelihood"
    else:
        rows = log_densities(estimator, X, y, offset)
        mean = weighted_mean(rows, weight)
        where = f"{int(np.isinf(rows).sum())} of {len(rows)} rows"
    _refuse_nan(mean, estimator)
    if np.isinf(mean):
        density, verdict = ("0", "wrong") if mean < 0 else ("inf", "right")
        warnings.warn(
            f"log_likelihood is {mean}: {type(estimator).__name__} gives density {density} to outcomes ({where}). "
            f"A distribution of zero width, or with bounds, was certain and {verdict}.",
            InfiniteScoreWarning,
            stacklevel=2,
        )
    return mean


def _read_outcomes(y_true: Any) -> NDArray[np.float64]:
    y = column_or_1d(as_floats(y_true, "y_true"))
    if not np.isfinite(y).all():
        row = int((~np.isfinite(y)).argmax())
        raise ValueError(f"y_true[{row}] is {y[row]}: outcomes must be finite.")
    return y.astype(np.float64, copy=False)


def _refuse_nan(log_density: ArrayLike, estimator: Any) -> None:
    if np.isnan(log_density).any():
        raise ValueError(f"{type(estimator).__name__} gave a log density that is nan: its distribution is not defined.")


neg_cross_entropy_scorer = ProbabilisticScorer(
    "neg_cross_entropy", _response_cross_entropy, -1, _response_cross_entropy_rows
)
neg_kl_divergence_scorer = ProbabilisticScorer(
    "neg_kl_divergence", _response_kl_divergence, -1, _response_kl_divergence_rows
)
log_likelihood_scorer = LogLikelihoodScorer("log_likelihood", _response_cross_entropy, -1, _response_cross_entropy_rows)

_SCORERS = {
    scorer._name: scorer for scorer in (neg_cross_entropy_scorer, neg_kl_divergence_scorer, log_likelihood_scorer)
}
