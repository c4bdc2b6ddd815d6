"""What a fitted classifier predicts, and how its predictions score: all that follows from its linear predictors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_consistent_length

from sklearn_mle._numerics.arguments import argument_name, refuse_missing_labels
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle._numerics.special import log_softmax
from sklearn_mle._numerics.stored import dot_rows
from sklearn_mle._predictors import add_offset
from sklearn_mle.estimators._base import BaseMLE
from sklearn_mle.estimators._labels import (
    codes_of,
    is_soft,
    plain_numbers,
    read_known_classes,
    weighted_target,
)
from sklearn_mle.estimators._lazy import lazy_rows, mean_over_rows, where_dask
from sklearn_mle.estimators._validation import check_class_offset, check_sample_weight, check_target


class PredictiveClassifier(ClassifierMixin, BaseMLE):
    """Predictions and scores of a classifier, from ``coef_``, ``intercept_`` and ``classes_``."""

    def _check_offset(self, offset: Any, sample_weight: Any, n_samples: int) -> Array | None:
        return check_class_offset(offset, sample_weight, n_samples, self.classes_)

    def _linear_predictors(self, X: Any, offset: Array | None) -> Array:
        predictors = dot_rows(self.coef_, X)
        predictors += self.intercept_[:, None]
        return add_offset(predictors, None if offset is None else np.atleast_2d(offset.T))

    def _read_target(self, y: Any, class_weights: Array | None = None) -> tuple[NDArray[Any], Array | None]:
        return weighted_target(read_known_classes(y, self.classes_), None, class_weights, len(self.classes_))

    @where_dask(lazy_rows)
    def decision_function(self, X: Any, offset: Any = None) -> Array:
        """Return the linear predictors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            As in fit; required if fit had one.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Log-odds of the second class; for several classes, log-probabilities up to a constant per row.
        """
        X, offset = self._validate_predict(X, offset)
        predictors = self._linear_predictors(X, offset)
        return predictors[0] if len(predictors) == 1 else predictors.T

    @where_dask(lazy_rows)
    def predict(self, X: Any, offset: Any = None) -> NDArray[Any]:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            As in fit; required if fit had one.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        decision = self.decision_function(X, offset)
        return self.classes_[(decision > 0).astype(np.intp) if decision.ndim == 1 else decision.argmax(axis=1)]

    @where_dask(lazy_rows)
    def predict_proba(self, X: Any, offset: Any = None) -> Array:
        """Return the class probabilities of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            As in fit; required if fit had one.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities; rows sum to one.
        """
        decision = self.decision_function(X, offset)
        return _of_two(_logistic, decision) if decision.ndim == 1 else softmax(decision, axis=1)

    @where_dask(lazy_rows)
    def predict_log_proba(self, X: Any, offset: Any = None) -> Array:
        """Return the logarithms of the class probabilities, computed in log space.

        They are finite wherever the exact values are, even where the probability itself underflows to zero.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            As in fit; required if fit had one.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities in nats.
        """
        decision = self.decision_function(X, offset)
        if decision.ndim == 1:
            return _of_two(log_expit, decision)
        return log_softmax(decision)

    @where_dask(mean_over_rows)
    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Return the mean accuracy; for soft labels, its expectation under them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            True labels or class probabilities.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
            As in fit; required if fit had one.

        Returns
        -------
        float
            Weighted mean of the probability that the predicted class is the true one, between 0 and 1.
        """
        predicted = self.predict(X, offset_of_present(offset, sample_weight))
        with argument_name("y"), np.errstate(invalid="ignore"):
            soft = is_soft(y)
            truth = read_known_classes(y, self.classes_) if soft else plain_numbers(check_target(y))
            check_consistent_length(predicted, truth)
            refuse_missing_labels("y", truth)
        weight = check_sample_weight(sample_weight, len(truth))
        if soft:
            chosen = codes_of(predicted, self.classes_)
            return float(np.average(np.take_along_axis(truth, chosen[:, None], axis=1)[:, 0], weights=weight))
        with argument_name("y"), np.errstate(invalid="ignore"):
            return float(accuracy_score(truth, predicted, sample_weight=weight))


def _logistic(log_odds: Array, out: Array) -> None:
    """Write 1 / (1 + exp(-x)): numpy's exponential is vectorized, scipy's expit is not."""
    np.negative(log_odds, out=out)
    with np.errstate(over="ignore"):  # to a probability of zero
        np.exp(out, out=out)
    out += 1.0
    np.reciprocal(out, out=out)


def _of_two(function: Any, log_odds: Array) -> Array:
    """Return a function of minus the log-odds and of the log-odds, shape (n, 2), each computed along its column."""
    both = np.empty((2, len(log_odds)))
    function(-log_odds, out=both[0])
    function(log_odds, out=both[1])
    return both.T
