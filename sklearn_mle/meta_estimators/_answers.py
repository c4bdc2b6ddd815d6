"""Distributions, intervals, quantiles, samples and scores, from a prediction and the fitted noise about it."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.estimators import MLERegressor
from sklearn_mle.estimators._validation import (
    check_probability_levels,
    check_sample_weight,
    check_target,
    draw,
    ends_of_interval,
    total_over_rows,
)
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import Summary
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.meta_estimators._base import LikelihoodAround
from sklearn_mle.meta_estimators._cross_fit import n_rows_of
from sklearn_mle.meta_estimators._out_of_fold import Learnt, real_prediction
from sklearn_mle.meta_estimators._recalibration import Recalibrated

_NOTES = (
    "Standard errors are of the noise given the predictions: they count the rows with an out-of-fold prediction.",
    "That the estimator, fitted to other rows, would predict otherwise is not in them.",
)


class NoiseAnswers(LikelihoodAround):
    """The methods of a regressor that has learnt the noise about its prediction."""

    estimator_: Any
    likelihood_: Likelihood
    noise_: MLERegressor
    _learnt: Learnt

    @property
    def _models(self) -> list[Any]:
        """The fitted models, whose mean is the prediction."""
        return getattr(self, "estimators_", None) or [self.estimator_]

    def _base_prediction(self, X: Any) -> Array:
        """Return the prediction of new rows, shape (n,)."""
        X = self._read(X)
        rows = np.arange(n_rows_of(X))
        return np.mean([real_prediction(model, X, rows) for model in self._models], axis=0)

    @property
    def _least(self) -> float:
        """The least outcome, which may have a probability of its own."""
        return self.likelihood_.support[0]

    def _arguments(self, X: Any) -> dict[str, Any]:
        """Return the arguments of the noise's methods that stand for rows of X."""
        prediction, learnt = self._base_prediction(X), self._learnt
        scale = None if learnt.noise.slope is None else learnt.scale
        return learnt.noise.arguments(prediction, None if scale is None else scale.log_scale(X, prediction))

    def predict_parameters(self, X: Any) -> dict[str, Any]:
        """Return the parameters of the distribution of y given X, before it is recalibrated.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        dict of str to ndarray of shape (n_samples,)
            By the names of the likelihood's parameters, the location first.
        """
        check_is_fitted(self, "noise_")
        return self.noise_.predict_parameters(**self._arguments(X))

    def predict_distribution(self, X: Any) -> Any:
        """Return the distribution of y given X, the prediction and the parameters taken as known.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        frozen scipy.stats distribution
            Or one alike. Its parameters have shape (n_samples,), one entry per row.

        Raises
        ------
        ValueError
            If no error was seen and y is not rounded, so that the distribution is degenerate.
        """
        check_is_fitted(self, "noise_")
        distribution = self.noise_.predict_distribution(**self._arguments(X))
        pit_map = self._learnt.pit_map
        return distribution if pit_map is None else Recalibrated(distribution, pit_map, n_rows_of(X), self._least)

    def sample(self, X: Any, n_samples: int = 1, random_state: Any = None) -> Array:
        """Draw outcomes from the distribution of y given X.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_rows, n_features)
            Rows to draw outcomes for.
        n_samples : int, default=1
            Number of draws for each row.
        random_state : int, RandomState instance or None, default=None
            An int makes the draws reproducible.

        Returns
        -------
        ndarray of shape (n_rows, n_samples)
            One row of draws for each row of X.
        """
        return draw(self.predict_distribution(X), n_rows_of(X), n_samples, random_state)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Array:
        """Return the central interval that holds y with the given probability.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to predict.
        coverage : float, default=0.9
            Probability of the interval, strictly between 0 and 1; half of the rest lies on each side.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends.
        """
        return self.predict_quantile(X, ends_of_interval(coverage))

    def predict_quantile(self, X: Any, q: Any) -> Array:
        """Return quantiles of y given X.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to predict.
        q : float or array-like of shape (n_quantiles,)
            Probabilities strictly between 0 and 1.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_quantiles)
            One-dimensional for a scalar q.
        """
        levels = check_probability_levels(q, "q")
        check_is_fitted(self, "noise_")
        pit_map = self._learnt.pit_map
        return self.noise_.predict_quantile(
            q=levels if pit_map is None else pit_map.inverse(levels), **self._arguments(X)
        )

    def log_likelihood(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the total log-likelihood of y given X.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Rows to judge; new ones, for the estimator has seen those of the fit.
        y : array-like of shape (n_samples,)
            Target values.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.

        Returns
        -------
        float
            In nats.
        """
        check_is_fitted(self, "noise_")
        y, given, pit_map = read_target(self.likelihood_, y), self._arguments(X), self._learnt.pit_map
        total = self.noise_.log_likelihood(given["X"], y, sample_weight, given["offset"])
        if pit_map is None:
            return total
        gained = pit_map.log_gain(self.noise_.predict_distribution(**given).cdf(y), y <= self._least)
        return total + total_over_rows(gained, check_sample_weight(sample_weight, len(y)))

    def summary(self, confidence_level: float = 0.95) -> Summary:
        """Return the table of what was learnt of the noise: estimates, standard errors, intervals, and a header.

        The standard errors are of the noise given the predictions. They count the rows; that the estimator would
        predict otherwise if it were fitted to other rows is not in them.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the Wald intervals, strictly between 0 and 1.

        Returns
        -------
        Summary
            Prints as text and as HTML; ``to_frame()`` is the table as a pandas DataFrame.

        Raises
        ------
        NotSupportedError
            If the likelihood has a kink (``laplace``, ``asymmetric_laplace``): its curvature says nothing.
        """
        check_is_fitted(self, "noise_")
        if not self.likelihood_.smooth:
            raise NotSupportedError(
                f"summary: {self.likelihood_!r} has a kink, so that its curvature gives no standard errors. The "
                "estimates are noise_.parameters_; a smooth likelihood ('student_t', 'logistic') has standard errors."
            )
        found = self.noise_.summary(confidence_level, small_sample=False)
        names = {": x0": ": modelled scale", ": x1": ": log modelled scale"}
        index = tuple(name.replace(name[-4:], names.get(name[-4:], name[-4:])) for name in found.index)
        return replace(
            found,
            title=f"{type(self).__name__}: {type(self._models[0]).__name__}",
            index=index,
            notes=(*found.notes, *_NOTES),
        )


def read_target(likelihood: Likelihood | None, y: Any) -> Array:
    """Return y as the likelihood takes it; any real numbers where it is still to be chosen."""
    y = check_target(y, dtype=np.float64)
    return y if likelihood is None else likelihood.check_target(y)
