"""Scorers as scikit-learn's, but for log-probabilities and distributions.

``make_scorer`` knows neither, and passes on one column of two. Which methods of the estimator are called is decided in
``_responses``.
"""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils import column_or_1d
from sklearn.utils.metadata_routing import UNCHANGED, MetadataRequest, get_routing_for_object

from sklearn_mle._numerics.arguments import argument_name, check_weight, first_true, refuse_masked
from sklearn_mle._numerics.frames import column_order
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle._numerics.partitions import Partitions, is_dask
from sklearn_mle.exceptions import InfiniteScoreWarning, NotSupportedError
from sklearn_mle.metrics._distributions import has_two_columns, read_counts, read_outcomes, read_outcomes_of
from sklearn_mle.metrics._means import Rows, mean_of_rows, weighted_mean
from sklearn_mle.metrics._responses import (
    ClassResponse,
    are_whole,
    class_response,
    distribution_response,
    gives_classes,
    log_densities,
    open_up,
    own_mean,
    refuse_precisions,
    takes,
)
from sklearn_mle.metrics._targets import distinct, encode


@dataclass(frozen=True)
class RowScores:
    """Scores (n,) of single rows, of which the score is the mean.

    ``is_mass`` (n,) tells logarithms of probabilities from those of densities; all True where the score is neither.
    """

    values: NDArray[np.float64]
    is_mass: NDArray[np.bool_]


class ProbabilisticScorer(_BaseScorer):
    """Scorer of the probabilities that a classifier gives: a mean over rows, or a metric of all rows together.

    Parameters
    ----------
    name : str
        The scorer's name, as :func:`get_scorer` knows it.
    sign : {1, -1}
        -1 for a loss.
    score_func : callable, default=None
        ``score_func(y_true, response, sample_weight=None)`` of a ``ClassResponse``, before the sign, where the score
        is no mean over rows.
    row_func : callable, default=None
        ``row_func(y_true, response)`` gives the rows (n,) of which the score is the mean, before the sign.
    """

    # Whether an infinite mean over rows is warned of.
    _is_in_nats = True

    def __init__(
        self, name: str, sign: int, score_func: Callable[..., float] | None = None, row_func: Rows | None = None
    ) -> None:
        # scikit-learn reads the methods' names only to see which calls could be cached; the last one is there for all.
        # A function is there for scikit-learn to look at its signature: with labels it would make a scorer of its own.
        methods = ("predict_proba", "predict_log_proba", "predict")
        super().__init__(score_func or row_func, sign, {}, response_method=methods)
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
        self, method_caller: Any, estimator: Any, X: Any, y_true: Any, sample_weight: Any = None, offset: Any = None
    ) -> float:
        # method_caller, scikit-learn's cache of responses, keeps one column of two: what log(1 - p) needs is gone then.
        refuse_masked(X=X, y_true=y_true, sample_weight=sample_weight, offset=offset)
        return self._mean(estimator, X, y_true, sample_weight, offset_of_present(offset, sample_weight))

    def _mean(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
        refuse_precisions(estimator, sample_weight)
        in_dask = is_dask(X, y_true, sample_weight, offset)
        if self._row_func is not None:
            known = self._known_of(y_true) if in_dask else {}
            rows = partial(_values_of_rows, self, estimator, **known)
            arguments = {"X": X, "y_true": y_true, "offset": offset, "sample_weight": sample_weight}
            return mean_of_rows(self._name, rows, warn=self._is_in_nats, **arguments)
        if in_dask:
            raise NotSupportedError(
                f"X comes from Dask, but {self!r} is not a mean over rows: it needs them in memory "
                "(X.compute(), or a part)."
            )
        y, response = self._read(*open_up(estimator, X), y_true, offset)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self._sign * self._score_func(y, response, **weight)

    def _read(self, estimator: Any, X: Any, y_true: Any, offset: Any) -> tuple[Any, Any]:
        """Give outcomes and the estimator's response."""
        response = class_response(estimator, X, offset)
        y_true = y_true if gives_classes(estimator) else soft_labels_of(y_true)
        return y_true, with_absent_classes(y_true, response)

    def _known_of(self, y_true: Any) -> dict[str, Any]:
        """Give what must be known of all of Dask's outcomes to score a block of them: keywords of ``_row_scores``."""
        return {}

    def _row_scores(self, estimator: Any, X: Any, y_true: Any, offset: Any = None, **known: Any) -> RowScores:
        """Score each row by itself; the weighted mean of the rows is what calling the scorer gives."""
        if self._row_func is None:
            raise ValueError(f"{self!r} has no scores of single rows: it is not a mean over rows.")
        y, response = self._read(*open_up(estimator, X), y_true, offset)
        values = self._sign * self._row_func(y, response)
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


def _values_of_rows(scorer: ProbabilisticScorer, estimator: Any, **arguments: Any) -> NDArray[np.float64]:
    return scorer._row_scores(estimator, **arguments).values


class DistributionScorer(ProbabilisticScorer):
    """Scorer of the distributions that a regressor gives, ``sign * score_func(y_true, distribution)``.

    Parameters are as of :class:`ProbabilisticScorer`; both functions are given the distribution itself.
    """

    _is_in_nats = False

    def _read(self, estimator: Any, X: Any, y_true: Any, offset: Any) -> tuple[Any, Any]:
        return read_outcomes_of(distribution_response(estimator, X, offset), y_true)


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

    def _mean(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
        if not is_dask(X, y_true, sample_weight, offset):
            estimator, X = open_up(estimator, X)
            if not gives_classes(estimator):
                return _mean_log_density(estimator, X, y_true, sample_weight, offset)
        return super()._mean(estimator, X, y_true, sample_weight, offset)

    def _known_of(self, y_true: Any) -> dict[str, Any]:
        # A block of whole numbers alone is scored by densities where other blocks hold other numbers.
        if getattr(getattr(y_true, "dtype", None), "kind", "") in ("b", "i", "u"):
            return {}
        blocks = (
            Partitions.of(y_true=y_true).collect(_whole, "mle-whole-numbers") if is_dask(y_true) else [_whole(y_true)]
        )
        return {"whole": all(blocks)}

    def _row_scores(self, estimator: Any, X: Any, y_true: Any, offset: Any = None, **known: Any) -> RowScores:
        estimator, X = open_up(estimator, X)
        if gives_classes(estimator):
            return super()._row_scores(estimator, X, y_true, offset)
        y, distribution = read_outcomes_of(distribution_response(estimator, X, offset), y_true)
        logs, is_mass = log_densities(distribution, y, estimator, **known)
        _refuse_nan(logs, estimator)
        return RowScores(logs, is_mass)


def _whole(y_true: Any) -> bool:
    """Tell whether outcomes are whole numbers, all of them; labels that are no numbers are not asked about."""
    try:
        return are_whole(np.asarray(y_true, dtype=np.float64))
    except (TypeError, ValueError):
        return False


def _mean_log_density(estimator: Any, X: Any, y_true: Any, sample_weight: Any, offset: Any) -> float:
    y = read_counts(y_true) if has_two_columns(y_true) else read_outcomes(y_true)
    weight = check_weight(sample_weight, len(y))
    mean, where = own_mean(estimator, X, y, weight, offset), "its log_likelihood"
    if mean is None:
        refuse_precisions(estimator, weight)
        y, distribution = read_outcomes_of(distribution_response(estimator, X, offset), y)
        rows, _ = log_densities(distribution, y, estimator)
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


def _refuse_nan(log_density: ArrayLike, estimator: Any) -> None:
    if np.isnan(log_density).any():
        raise ValueError(f"{type(estimator).__name__} gave a log density that is nan: its distribution is not defined.")


def class_metric(
    metric: Callable[..., Any], y_true: Any, response: ClassResponse, /, *, sample_weight: Any = None, **arguments: Any
) -> Any:
    """Judge a classifier's response by ``metric(y_true, y_pred)``.

    A metric with ``log_proba`` is given logarithms where they are exact, one without is given probabilities; one with
    ``labels`` is given the columns' labels.
    """
    values = response.values
    if response.is_log and takes(metric, "log_proba"):
        arguments["log_proba"] = True
    elif response.is_log:
        values = np.exp(values)
    if takes(metric, "labels"):
        arguments["labels"] = response.labels
    if sample_weight is not None:
        arguments["sample_weight"] = sample_weight
    return metric(y_true, values, **arguments)


def with_absent_classes(y_true: ArrayLike, response: ClassResponse) -> ClassResponse:
    """Add a column of probability 0 for each label that training has not seen."""
    with argument_name("y_true"):
        shape = np.shape(y_true)
        if len(shape) != 1 and shape[1:] != (1,):
            column_order(y_true, response.labels.tolist(), "y_true")  # to be refused where these are other classes
            return response
        if 0 in shape:
            raise ValueError(f"y_true must hold at least one label; got shape {shape}.")
        y = column_or_1d(y_true)
        codes = encode(y, response.labels)
        if codes.min() >= 0:
            return response
        occurring = distinct(y)
    absent = occurring[encode(occurring, response.labels) < 0]
    if _is_text(absent) != _is_text(response.labels):
        raise ValueError(
            f"y_true has the label {absent.tolist()[0]!r}, and training had {response.labels.tolist()}: "
            "text never matches numbers. Give y_true as it was given to fit."
        )
    impossible = np.full((len(y), len(absent)), -np.inf if response.is_log else 0.0, dtype=response.values.dtype)
    # As objects: integers of two types would meet in floating point, where large ones are no longer apart.
    labels = [*response.labels.tolist(), *absent.tolist()]
    values = np.hstack([response.values, impossible])
    return replace(response, labels=np.fromiter(labels, dtype=object, count=len(labels)), values=values)


def soft_labels_of(y_true: Any) -> NDArray[np.float64]:
    """Outcomes (n,) of one trial each as labels 0 and 1; fractions of successes as rows (n, 2) of probabilities."""
    if has_two_columns(y_true):
        raise ValueError(
            "y_true has two columns, numbers of successes and failures: score these by 'log_likelihood'; the labels of "
            "single trials, 0 and 1, or fractions are one column."
        )
    y = read_outcomes(y_true)
    if (row := first_true(~((y >= 0) & (y <= 1)))) is not None:
        raise ValueError(f"y_true[{row}] is {y[row]:g}: outcomes of one trial are 0, 1, or a fraction between.")
    return y if ((y == 0) | (y == 1)).all() else np.column_stack([1 - y, y])


def _is_text(labels: NDArray[Any]) -> bool:
    return all(isinstance(label, str) for label in labels.tolist())
