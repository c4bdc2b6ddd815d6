"""What a fitted regressor predicts, and how its predictions score: all that follows from its linear predictors."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_mle._fit import best_constant
from sklearn_mle._numerics.arguments import argument_name, as_bool
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.offsets import by_parameter, offset_of_present
from sklearn_mle._numerics.stored import dot_rows, in_memory
from sklearn_mle._predictors import add_offset
from sklearn_mle.estimators._base import BaseMLE
from sklearn_mle.estimators._lazy import lazy_distribution, lazy_rows, r2_over_rows, sum_over_rows, where_dask
from sklearn_mle.estimators._validation import (
    BEYOND_FLOAT64,
    check_probability_levels,
    check_sample_weight,
    check_target,
    draw,
    ends_of_interval,
    in_own_unit,
    total_over_rows,
    validate_features,
)
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import infer
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.model import ReadData, precision_offset, weights_of_deviance
from sklearn_mle.inference.predictions import predictive_interval


class PredictiveRegressor(RegressorMixin, BaseMLE):
    """Predictions and scores of a regressor, for which y is read as its likelihood reads it.

    All follows from the coefficients of the linear predictors, ``_parameters`` of shape (q, p + 1), intercepts last.
    """

    @where_dask(lazy_rows)
    def _predicted_parameters(self, X: Any, offset: Any = None) -> Array:
        """Return the parameters of each row, shape (n, q)."""
        likelihood, terms = self._fitted.likelihood, self._fitted.terms
        values = likelihood.parameters(self._eta(*self._validate_predict(X, offset)))
        for k, (name, term) in enumerate(zip(likelihood.parameter_names, terms, strict=True)):
            if k >= max(self._fitted.n_offsets, 1) and not term.columns:
                values[k] = getattr(self, f"{name}_")
        return values.T

    def predict_parameters(self, X: Any, offset: Any = None) -> dict[str, Any]:
        """Return the parameters of the distribution of y given X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        dict of str to ndarray of shape (n_samples,)
            By the names of the likelihood's parameters (its ``parameter_names``), each on its own scale: a scale, not
            its logarithm.
        """
        table = self._predicted_parameters(X, offset=offset)
        return {name: table[:, k] for k, name in enumerate(self._fitted.likelihood.parameter_names)}

    def _eta(self, X: Any, offset: Array | None) -> Array:
        """Return the linear predictors of validated X, shape (q, n), a degenerate scale (minus) infinity."""
        coefficients = self._parameters[:, :-1]
        eta = np.repeat(self._parameters[:, -1:], X.shape[0], axis=1)
        linear = np.flatnonzero(coefficients.any(axis=1))
        eta[linear] += dot_rows(coefficients[linear], X)
        return add_offset(eta, None if offset is None else np.atleast_2d(offset.T))

    @property
    def _degenerate(self) -> bool:
        return not np.isfinite(self._parameters[1:, -1]).all()

    def _linear_predictors(self, X: Any, offset: Array | None) -> Array:
        if self._degenerate:
            dispersion = self._fitted.likelihood.dispersion_parameter
            name = f"{dispersion}_" if hasattr(self, f"{dispersion}_") else f"{dispersion}_intercept_"
            raise ValueError(
                f"The fit was perfect: {name} is {getattr(self, name):g}, so y given X has no density. predict, "
                "predict_quantile and predict_interval (of zero width) work; a density needs noise and more rows than "
                "columns, or a known scale."
            )
        return self._eta(X, offset)

    def _mean(self, eta: Array) -> Array:
        """Return the mean of each row; the location where there is no mean."""
        try:
            mean = self._fitted.likelihood.mean(eta)
        except NotImplementedError:  # a user's likelihood that gives neither mean nor distribution
            return eta[0]
        return np.where(np.isnan(mean), eta[0], mean)

    def _quantiles(self, X: Any, offset: Array | None, levels: Array, precisions: Array | None = None) -> Array:
        eta = self._eta(X, offset)
        if precisions is not None:
            eta[self._fitted.likelihood.dispersion_index] += precisions
        if self._degenerate:
            return np.repeat(self._mean(eta)[:, None], len(levels), axis=1)
        return np.stack([self._fitted.likelihood.quantile_at(eta, level) for level in levels], axis=1)

    @where_dask(lazy_rows)
    def predict(self, X: Any, return_std: bool = False, offset: Any = None) -> Array | tuple[Array, Array]:
        """Return the mean of y given X, and its standard deviation where asked for.

        Where the likelihood has no mean (Student's t of at most one degree of freedom; a likelihood of your own that
        gives neither ``mean`` nor ``distribution``), the location.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        return_std : bool, default=False
            Whether to return the standard deviation of y given X too.
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Predictive mean.
        std : ndarray of shape (n_samples,)
            Predictive standard deviation, the parameters taken as known; only if ``return_std``.
        """
        eta = self._eta(*self._validate_predict(X, offset))
        mean = self._mean(eta)
        if not as_bool("return_std", return_std):
            return mean
        return mean, np.zeros_like(mean) if self._degenerate else self._fitted.likelihood.standard_deviation(eta)

    @where_dask(lazy_distribution)
    def predict_distribution(self, X: Any, offset: Any = None) -> Any:
        """Return the distribution of y given X, the parameters taken as known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        frozen scipy.stats distribution
            Or one alike, where ``scipy.stats`` has none. Its parameters have shape (n_samples,), one entry a row.
            Of rows that Dask keeps, an object with the same methods and lazy answers; ``parameters`` are lazy arrays.

        Raises
        ------
        ValueError
            If the fit was perfect, so that the distribution is degenerate.
        """
        return self._fitted.likelihood.distribution(self._linear_predictors(*self._validate_predict(X, offset)))

    def sample(self, X: Any, n_samples: int = 1, random_state: Any = None, offset: Any = None) -> Array:
        """Draw outcomes from the distribution of y given X, the parameters taken as known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Rows to draw outcomes for.
        n_samples : int, default=1
            Number of draws for each row.
        random_state : int, RandomState instance or None, default=None
            An int makes the draws reproducible.
        offset : array-like of shape (n_rows,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        ndarray of shape (n_rows, n_samples)
            One row of draws for each row of X.

        Raises
        ------
        ValueError
            If ``n_samples`` is no whole number, or the fit was perfect, so that the distribution is degenerate.
        """
        X, offset = self._validate_predict(X, offset)
        distribution = self._fitted.likelihood.distribution(self._linear_predictors(X, offset))
        return draw(distribution, X.shape[0], n_samples, random_state)

    @where_dask(lazy_rows)
    def predict_interval(
        self,
        X: Any,
        coverage: float = 0.9,
        offset: Any = None,
        *,
        include_parameter_uncertainty: bool = False,
        sample_weight: Any = None,
    ) -> Array:
        """Return the central interval that holds y with the given probability.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        coverage : float, default=0.9
            Probability of the interval, strictly between 0 and 1; half of the rest lies on each side.
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
            As in fit; required if fit had one. A scalar holds for every row.
        include_parameter_uncertainty : bool, default=False
            Whether the interval is widened for the parameters being estimates. Exact (Student's t) for a Gaussian with
            one estimated scale and no prior; by the delta method, or by mixing, for others: see
            ``sklearn_mle.inference``. False takes the parameters as known.
        sample_weight : array-like of shape (n_samples,), default=None
            Precisions of the new outcomes, of a model fitted with ``weight_type="precision"``: the variance is divided
            by them. None is one per row.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends.

        Raises
        ------
        ValueError
            If parameter uncertainty is asked for and the fit kept no curvature: it was penalized, has more than 2,000
            parameters, or a likelihood with a kink.
        """
        levels = ends_of_interval(coverage)
        widened = as_bool("include_parameter_uncertainty", include_parameter_uncertainty)
        precisions = None if sample_weight is None else self._of_precisions(sample_weight, X)
        if widened:
            return predictive_interval(infer(self), X, offset=offset, coverage=float(coverage), precisions=precisions)
        X, offset = self._validate_predict(X, offset)
        return self._quantiles(X, offset, levels, precisions)

    def _of_precisions(self, sample_weight: Any, X: Any) -> Array:
        """Return what the precisions of new rows add to the predictor of the scale."""
        if not self._fitted.weights_divide_dispersion:
            raise NotSupportedError(
                "sample_weight: the weights of new rows divide their variance, so they are only for models with "
                "a scale that were fitted with weight_type='precision'. Leave it out."
            )
        weight = check_sample_weight(sample_weight, validate_features(self, X).shape[0])
        assert weight is not None
        if weight.min(initial=np.inf) <= 0:
            raise ValueError("sample_weight: a row of precision 0 has no interval; give positive numbers.")
        return precision_offset(self._fitted.likelihood, weight)

    @where_dask(lazy_rows)
    def predict_quantile(self, X: Any, q: Any, offset: Any = None) -> Array:
        """Return quantiles of y given X, the parameters taken as known.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        q : float or array-like of shape (n_quantiles,)
            Probabilities strictly between 0 and 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
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

    @where_dask(r2_over_rows)
    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Return R^2, the share of the variance of y that the predicted mean explains.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,)
            True values.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        float
            At most 1; 0 is the constant mean, and a worse prediction is negative.

        Raises
        ------
        ValueError
            If an argument is not valid, or R^2 leaves the range of float64.
        """
        y, prediction, weight = self._observed_and_predicted(X, y, sample_weight, offset)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(r2_score(*in_own_unit(y, prediction)[1:], sample_weight=weight))

    def _observed_and_predicted(
        self, X: Any, y: Any, sample_weight: Any, offset: Any
    ) -> tuple[Array, Array, Array | None]:
        """Return y, its predicted mean, and the weights, as R^2 compares them."""
        check_is_fitted(self)
        present = offset_of_present(by_parameter(offset, self._fitted.likelihood.parameter_names), sample_weight)
        prediction = np.asarray(self.predict(X, offset=present))
        with argument_name("y"):
            y, weight = in_memory(y), sample_weight
            if np.ndim(y) == 2 and np.shape(y)[1] > 1 and np.shape(y)[1] in self._fitted.likelihood.y_columns:
                # Counts become fractions, weighted by their trials.
                y, times = self._fitted.likelihood.in_units_of_mean(self._read_target(y)[0].T)
                weight = times if weight is None or times is None else times * np.asarray(weight)
            y = check_target(y, dtype=np.float64)
            check_consistent_length(X, y)
        weight = check_sample_weight(weight, len(y))
        if weight is not None:
            present = weight > 0
            y, prediction, weight = y[present], prediction[present], weight[present]
        if not np.isfinite(prediction).all():
            raise ValueError(BEYOND_FLOAT64)
        return y, prediction, weight

    @where_dask(sum_over_rows)
    def deviance(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Return the total deviance of y given X: twice its log-likelihood's shortfall from that of a perfect location.

        The sum over rows of w_i d(y_i, location_i). Likelihoods of generalized linear models (gaussian, lognormal,
        poisson, negative_binomial, gamma, inverse_gaussian, tweedie, binomial) leave out the dispersion, as R does, but
        for an offset of it, which weighs rows as precisions do. The others take it at the fitted scale.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,)
            Targets, as in fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1.
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        float
            At least zero; in nats for likelihoods that take the scale into account.
        """
        data = self._read_rows(X, y, sample_weight, offset)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._total_deviance(data, self._linear_predictors(data.X, data.offset))

    def _total_deviance(self, data: ReadData, eta: Array) -> float:
        weight = weights_of_deviance(self._fitted, data.sample_weight, data.offset)
        return total_over_rows(self._fitted.likelihood.deviance(data.y.T, eta), weight)

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
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
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
        data = self._read_rows(X, y, sample_weight, offset)
        refuse("d2_score", self._fitted_model())
        likelihood, given = self._fitted.likelihood, {"sample_weight": data.sample_weight, "offset": data.offset}
        with np.errstate(all="ignore"):
            of_model = self._total_deviance(data, self._linear_predictors(data.X, data.offset))
            null = best_constant(likelihood, self._parameters[:, -1], data.y.T, **given)
            d2 = 1 - np.float64(of_model) / self._total_deviance(data, null)
        if np.isnan(d2):
            raise ValueError(BEYOND_FLOAT64)
        return float(d2)
