"""What a scorer is here: scikit-learn's, but it reads the estimator itself.

``make_scorer`` cannot ask for log-probabilities or distributions, and hands on one column of two. What is asked is said
in ``_responses``.
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
from sklearn.utils.metadata_routing import UNCHANGED, MetadataRequest, get_routing_for_object

from sklearn_mle._numerics.arguments import refuse_masked
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle._numerics.partitions import Partitions, is_dask
from sklearn_mle.exceptions import InfiniteScoreWarning, NotSupportedError
from sklearn_mle.metrics._class_metrics import soft_labels_of
from sklearn_mle.metrics._distributions import has_two_columns, read_counts, read_outcomes, read_outcomes_of
from sklearn_mle.metrics._lazy import mean_over_partitions
from sklearn_mle.metrics._responses import (
    class_response,
    distribution_response,
    gives_classes,
    log_densities,
    open_up,
    own_total,
)
from sklearn_mle.metrics._unit_cells import are_whole
from sklearn_mle.metrics._weights import check_weight, weighted_mean


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
            Outcomes: labels, class probabilities, or numbers for a regressor; (n, 2) successes and failures for one of
            binomial counts.
        sample_weight : array-like of shape (n,), default=None
            Weights of the mean.
        offset : array-like, default=None
            Passed to the estimator's response method; a TypeError if that takes none.

        Returns
        -------
        float
            Higher is better: a mean per row in nats, or in the units of the score.
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
        refuse_masked(X=X, y_true=y_true, sample_weight=sample_weight, offset=offset)
        if is_dask(X, y_true, sample_weight, offset):
            return self._score_partitions(estimator, X, y_true, sample_weight, offset)
        # method_caller, scikit-learn's cache of responses, keeps one column of two: what log(1 - p) needs is gone then.
        estimator, X = open_up(estimator, X)
        return self._score_opened(estimator, X, y_true, sample_weight, offset_of_present(offset, sample_weight))

    def _score_opened(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
        response = class_response(estimator, X, offset)
        y_true = y_true if gives_classes(estimator) else soft_labels_of(y_true)
        return self._sign * self._score_func(y_true, response, sample_weight=sample_weight)

    def _score_partitions(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
        """Score rows that Dask keeps, partition by partition; the partitions of a dataframe are pandas dataframes."""
        if self._row_func is None:
            raise NotSupportedError(
                f"X is Dask's, and {self!r} is no mean over rows: it needs them in memory (X.compute(), or a part)."
            )
        rows = _OfBlock(self, estimator, self._known_of(y_true))
        return mean_over_partitions(self._name, rows, X=X, y_true=y_true, offset=offset, sample_weight=sample_weight)

    def _known_of(self, y_true: Any) -> dict[str, Any]:
        """Give what must be known of all of Dask's outcomes to score a block of them: keywords of ``_row_scores``."""
        return {}

    def _row_scores(self, estimator: Any, X: Any, y_true: Any, offset: Any = None, **known: Any) -> RowScores:
        """Score each row by itself; the weighted mean of the rows is what calling the scorer gives."""
        if self._row_func is None:
            raise ValueError(f"{self!r} has no scores of single rows: it is not a mean over rows.")
        estimator, X = open_up(estimator, X)
        return self._row_scores_opened(estimator, X, y_true, offset, **known)

    def _row_scores_opened(self, estimator: Any, X: Any, y_true: Any, offset: Any) -> RowScores:
        assert self._row_func is not None
        response = class_response(estimator, X, offset)
        y_true = y_true if gives_classes(estimator) else soft_labels_of(y_true)
        values = self._sign * self._row_func(y_true, response)
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


@dataclass(frozen=True)
class _OfBlock:
    """Scores (n,) of a block's rows."""

    scorer: ProbabilisticScorer
    estimator: Any
    known: dict[str, Any]

    def __call__(self, X: Any, y_true: Any, offset: Any = None) -> NDArray[np.float64]:
        return self.scorer._row_scores(self.estimator, X, y_true, offset, **self.known).values


class DistributionScorer(ProbabilisticScorer):
    """Scorer of the distributions that a regressor gives, ``sign * score_func(y_true, distribution)``.

    Parameters are as of :class:`ProbabilisticScorer`; both functions are given the distribution itself.
    """

    def _score_opened(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
        y, distribution = read_outcomes_of(distribution_response(estimator, X, offset), y_true)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self._sign * self._score_func(y, distribution, **weight)

    def _row_scores_opened(self, estimator: Any, X: Any, y_true: Any, offset: Any) -> RowScores:
        assert self._row_func is not None
        y, distribution = read_outcomes_of(distribution_response(estimator, X, offset), y_true)
        return RowScores(self._sign * self._row_func(y, distribution), None)


class LogLikelihoodScorer(ProbabilisticScorer):
    r"""Score a classifier or a regressor by its mean log-likelihood, in nats per row.

    .. math:: \frac{\sum_i w_i \log q(y_i \mid x_i)}{\sum_i w_i}

    Of a classifier minus the cross-entropy; of a regressor the mean log density, in the unit of y. Outcomes that are
    whole numbers (all that are scored) have probabilities instead: of a mass function, or of all numbers that round to
    them, :math:`P(y - 1/2 < Y < y + 1/2)`. So densities never stand beside probabilities: a mass function refuses other
    numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.metrics import log_likelihood_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> round(log_likelihood_scorer(GaussianMLERegressor().fit(X, y), X, y), 4)
    -5.3982
    """

    def _score_opened(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
        if gives_classes(estimator):
            return super()._score_opened(estimator, X, y_true, sample_weight, offset)
        return _mean_log_density(estimator, X, y_true, sample_weight, offset)

    def _known_of(self, y_true: Any) -> dict[str, Any]:
        # A block of whole numbers alone is scored by densities where other blocks hold other numbers.
        dtype = getattr(y_true, "dtype", None)
        if getattr(dtype, "kind", "") != "f" or not is_dask(y_true):
            return {}
        return {"whole": all(Partitions.of(y_true=y_true).collect(_are_whole, "mle-whole-numbers"))}

    def _row_scores_opened(
        self, estimator: Any, X: Any, y_true: Any, offset: Any, whole: bool | None = None
    ) -> RowScores:
        if gives_classes(estimator):
            return super()._row_scores_opened(estimator, X, y_true, offset)
        y, distribution = read_outcomes_of(distribution_response(estimator, X, offset), y_true)
        logs, is_mass = log_densities(distribution, y, estimator, whole)
        _refuse_nan(logs, estimator)
        return RowScores(logs, is_mass)


def _are_whole(y_true: Any) -> bool:
    return are_whole(np.asarray(y_true))


def _mean_log_density(estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
    y = read_counts(y_true) if has_two_columns(y_true) else read_outcomes(y_true)
    weight = check_weight(sample_weight, len(y))
    total = own_total(estimator, X, y, weight, offset)
    if total is None:
        y, distribution = read_outcomes_of(distribution_response(estimator, X, offset), y)
        rows, _ = log_densities(distribution, y, estimator)
        mean = weighted_mean(rows, weight)
        where = f"{int(np.isinf(rows).sum())} of {len(rows)} rows"
    else:
        mean = total / (len(y) if weight is None else weight.sum())
        where = "its log_likelihood"
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


def _refuse_nan(log_density: ArrayLike, estimator: Any) -> None:
    if np.isnan(log_density).any():
        raise ValueError(f"{type(estimator).__name__} gave a log density that is nan: its distribution is not defined.")
