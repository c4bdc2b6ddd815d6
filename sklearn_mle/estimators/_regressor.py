"""What every regressor with a predictive distribution offers, whatever the likelihood."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from sklearn_mle.estimators._base import Array, BaseMLE
from sklearn_mle.estimators._validation import check_probability_levels, check_real_target

__all__ = ["BaseMLERegressor"]


class BaseMLERegressor(RegressorMixin, BaseMLE):
    """Abstract base of the regressors: from the four descriptions of p(y | x) below to the public predict methods.

    The descriptions take X and the offset after validation.
    """

    @abstractmethod
    def _mean(self, X: Any, offset: Array | None) -> Array:
        """Return the mean of each row, shape (n,)."""

    @abstractmethod
    def _standard_deviation(self, X: Any, offset: Array | None) -> Array:
        """Return the standard deviation of each row, shape (n,)."""

    @abstractmethod
    def _quantiles(self, X: Any, offset: Array | None, levels: Array) -> Array:
        """Return the quantiles of each row at 1-D levels, shape (n, len(levels))."""

    @abstractmethod
    def _distribution(self, X: Any, offset: Array | None) -> Any:
        """Return the frozen scipy.stats distribution of all rows."""

    def _read_target(self, y: Any) -> Array:
        return check_real_target(y)

    def predict(self, X: Any, return_std: bool = False, offset: Any = None) -> Array | tuple[Array, Array]:
        """Return the mean of y given X, and its standard deviation where asked for.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        return_std : bool, default=False
            Whether to return the standard deviation of y given X too.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Predictive mean.
        std : ndarray of shape (n_samples,)
            Predictive standard deviation, the parameters taken as known; only if ``return_std``.
        """
        X, offset = self._validate_predict(X, offset)
        mean = self._mean(X, offset)
        return (mean, self._standard_deviation(X, offset)) if return_std else mean

    def predict_distribution(self, X: Any, offset: Any = None) -> Any:
        """Return the distribution of y given X, the parameters taken as known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        frozen scipy.stats distribution
            Its parameters have shape (n_samples,), one entry a row.

        Raises
        ------
        ValueError
            If the fit was perfect, so that the distribution is degenerate.
        """
        X, offset = self._validate_predict(X, offset)
        return self._distribution(X, offset)

    def predict_interval(self, X: Any, coverage: float = 0.9, offset: Any = None) -> Array:
        """Return the central interval that holds y with the given probability, the parameters taken as known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        coverage : float, default=0.9
            Probability of the interval, strictly between 0 and 1; half of the rest lies on each side.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends.
        """
        level = check_probability_levels(coverage, "coverage")
        if level.ndim:
            raise ValueError(f"coverage must be one number strictly between 0 and 1; got {coverage!r}.")
        X, offset = self._validate_predict(X, offset)
        return self._quantiles(X, offset, np.array([(1 - level) / 2, (1 + level) / 2]))

    def predict_quantile(self, X: Any, q: Any, offset: Any = None) -> Array:
        """Return quantiles of y given X, the parameters taken as known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        q : float or array-like of shape (n_quantiles,)
            Probabilities strictly between 0 and 1.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_quantiles)
            One-dimensional for a scalar q.
        """
        levels = check_probability_levels(q, "q")
        X, offset = self._validate_predict(X, offset)
        quantiles = self._quantiles(X, offset, np.atleast_1d(levels))
        return quantiles if levels.ndim else quantiles[:, 0]

    def score(self, X: Any, y: NDArray[Any], sample_weight: Any = None, offset: Any = None) -> float:
        """Return R^2, the share of the variance of y that the predicted mean explains.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,)
            True values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; None is one a row.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        float
            At most 1; 0 is the constant mean, and a worse prediction is negative.
        """
        return float(r2_score(y, self.predict(X, offset=offset), sample_weight=sample_weight))
