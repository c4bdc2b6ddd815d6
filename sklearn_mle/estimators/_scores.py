"""What fitted regressors report: R^2, deviance and D^2 of rows, and the standard errors of their parameters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_consistent_length

from sklearn_mle._fit import best_constant
from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle._numerics.stored import in_memory
from sklearn_mle.estimators._base import BaseMLE
from sklearn_mle.estimators._lazy import r2_over_rows, sum_over_rows
from sklearn_mle.estimators._validation import BEYOND_FLOAT64, check_real_target, check_sample_weight, checked_score
from sklearn_mle.inference import Summary, infer
from sklearn_mle.inference.capabilities import refuse

__all__ = ["ScoredRegressor"]

Array = NDArray[np.float64]


class ScoredRegressor(RegressorMixin, BaseMLE):
    """Scores of a regressor, for which y is read as its likelihood reads it, and its standard errors."""

    @r2_over_rows
    def score(self, X: Any, y: NDArray[Any], sample_weight: Any = None, offset: Any = None) -> float:
        """Return R^2, the share of the variance of y that the predicted mean explains.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,)
            True values.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        float
            At most 1; 0 is the constant mean, and a worse prediction is negative.
        """
        y, prediction, weight = self._observed_and_predicted(X, y, sample_weight, offset)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(r2_score(y, prediction, sample_weight=weight))

    def _observed_and_predicted(
        self, X: Any, y: Any, sample_weight: Any, offset: Any
    ) -> tuple[Array, Array, Array | None]:
        """Return y, its predicted mean, and the weights, as R^2 compares them."""
        prediction = np.asarray(self.predict(X, offset=offset_of_present(offset, sample_weight)))
        with argument_name("y"):
            y, weight = self._outcomes(in_memory(y), sample_weight)
            y = check_real_target(y)
            check_consistent_length(X, y)
        weight = check_sample_weight(weight, len(y))
        if weight is not None:
            present = weight > 0
            y, prediction, weight = y[present], prediction[present], weight[present]
        if not np.isfinite(prediction).all():
            raise ValueError(BEYOND_FLOAT64)
        return y, prediction, weight

    @sum_over_rows
    def deviance(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Return the total deviance of y given X: twice its log-likelihood's shortfall from that of a perfect location.

        The sum over rows of w_i d(y_i, location_i). Likelihoods of generalized linear models (gaussian, lognormal,
        poisson, negative_binomial, gamma, inverse_gaussian, tweedie, binomial) leave out the dispersion, as R does: the
        Gaussian's is the sum of squares. The others take it at the fitted scale.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,)
            Targets, as in fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        float
            At least zero; in nats for likelihoods that take the scale into account.
        """
        X, offset = self._validate_predict(X, offset_of_present(offset, sample_weight))
        y = self._read_target(y)
        check_consistent_length(X, y)
        weight = check_sample_weight(sample_weight, len(y))
        with np.errstate(over="ignore", invalid="ignore"):
            return checked_score(self._total_deviance(y, self._linear_predictors(X, offset), weight))

    def _total_deviance(self, y: Array, eta: Array, weight: Array | None) -> float:
        deviance = self._fitted.likelihood.deviance(y.T, eta)
        if weight is None:
            return float(deviance.sum())
        return float(weight[weight > 0] @ deviance[weight > 0])

    def d2_score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        r"""Return D^2, the share of the deviance of y that the model explains: R^2 in the likelihood's own terms.

        .. math:: D^2 = 1 - D(y, \text{location}) / D(y, \text{best constant})

        The constant is the best one for the given y, beside the offset, at the same scale.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,)
            Targets, as in fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        float
            At most 1; 0 is the best constant.

        Raises
        ------
        ValueError
            If the scale is log-linear: then no constant model has the same scale. Compare log-likelihoods instead.
        """
        X, offset = self._validate_predict(X, offset_of_present(offset, sample_weight))
        refuse("d2_score", self._fitted_model())
        y = self._read_target(y)
        check_consistent_length(X, y)
        weight = check_sample_weight(sample_weight, len(y))
        with np.errstate(all="ignore"):
            eta = self._linear_predictors(X, offset)
            null = best_constant(
                self._fitted.likelihood, self._coefficients()[:, -1], y.T, sample_weight=weight, offset=offset
            )
            of_model, of_null = self._total_deviance(y, eta, weight), self._total_deviance(y, null, weight)
            return checked_score(float(1 - np.float64(of_model) / of_null))

    def _outcomes(self, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Return y in the units of predict, and weights: counts become fractions, weighted by their trials."""
        if np.ndim(y) < 2 or np.shape(y)[1] == 1 or np.shape(y)[1] not in self._fitted.likelihood.y_columns:
            return y, sample_weight
        y, times = self._fitted.likelihood.in_units_of_mean(self._read_target(y).T)
        return y, times if sample_weight is None or times is None else times * np.asarray(sample_weight)

    def parameter_covariance(self, small_sample: bool = True) -> Array:
        """Return the covariance of the estimated parameters, from the curvature at the optimum.

        Parameters
        ----------
        small_sample : bool, default=True
            For the unpenalized Gaussian with one estimated scale: the exact s^2 = RSS / (n - p) and Student's t. False
            is the maximum likelihood scale and the normal distribution; other models know only these.

        Returns
        -------
        ndarray of shape (n_parameters, n_parameters)
            In the order of ``summary``: predictor by predictor, the intercept first. nan for what the data do not
            determine (dependent columns, separation).

        Raises
        ------
        ValueError
            After a penalized fit, or if the fit kept no curvature (more than 2,000 parameters): use
            ``sklearn_mle.inference.infer(estimator, X, y)``.
        """
        return infer(self, small_sample=small_sample).covariance

    def standard_errors(self, small_sample: bool = True) -> Array:
        """Return the standard errors of the estimated parameters, from the curvature at the optimum.

        Parameters
        ----------
        small_sample : bool, default=True
            For the unpenalized Gaussian with one estimated scale: the exact s^2 = RSS / (n - p) and Student's t. False
            is the maximum likelihood scale and the normal distribution; other models know only these.

        Returns
        -------
        ndarray of shape (n_parameters,)
            In the order of ``summary``; nan for what the data do not determine.

        Raises
        ------
        ValueError
            As ``parameter_covariance``.
        """
        return infer(self, small_sample=small_sample).standard_errors

    def summary(
        self,
        confidence_level: float = 0.95,
        small_sample: bool = True,
        *,
        odds_ratios: bool = False,
        rate_ratios: bool = False,
    ) -> Summary:
        """Return the table of the parameters: estimates, standard errors, tests, intervals; and a header.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the Wald intervals, strictly between 0 and 1.
        small_sample : bool, default=True
            For the unpenalized Gaussian with one estimated scale: the exact s^2 = RSS / (n - p) and Student's t. False
            is the maximum likelihood scale and the normal distribution; other models know only these.
        odds_ratios, rate_ratios : bool, default=False
            Whether to exponentiate estimates and intervals: odds ratios of the binomial likelihood, ratios of means
            where the location is the logarithm of the mean (poisson, negative_binomial, gamma, inverse_gaussian,
            tweedie).

        Returns
        -------
        Summary
            Prints as text and as HTML; ``to_frame()`` is the table as a pandas DataFrame.

        Raises
        ------
        ValueError
            As ``parameter_covariance``.

        See Also
        --------
        sklearn_mle.inference.infer : Robust and clustered standard errors, the null model, penalized fits.
        """
        return infer(self, small_sample=small_sample).summary(confidence_level, odds_ratios, rate_ratios)
