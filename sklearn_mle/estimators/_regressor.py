"""What every regressor offers, whatever the likelihood: from fitted linear predictors to the public methods."""

from abc import abstractmethod
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from sklearn_mle._numerics.arguments import argument_name, refuse_masked, refuse_times
from sklearn_mle._numerics.stored import dot_rows, in_memory
from sklearn_mle._penalties import Ridge
from sklearn_mle._predictors import Terms, add_offset
from sklearn_mle.estimators._base import Array, BaseMLE
from sklearn_mle.estimators._distributed import RealReader, Survey, features_of
from sklearn_mle.estimators._lazy import lazy_distribution, lazy_rows
from sklearn_mle.estimators._modelled_parameters import likelihood_with, ridge_of, terms_of
from sklearn_mle.estimators._scikit_learn import Interval, fit_context
from sklearn_mle.estimators._scores import ScoredRegressor
from sklearn_mle.estimators._training_data import DistributedTrainingData, TrainingData
from sklearn_mle.estimators._validation import (
    check_offset,
    check_probability_levels,
    check_sample_weight,
    validate_training,
)
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import infer
from sklearn_mle.inference.model import Fitted, divide_dispersion, precision_offset
from sklearn_mle.inference.predictions import predictive_interval
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._answers import refuse_wrong_answers

__all__ = ["BaseMLERegressor"]


class BaseMLERegressor(ScoredRegressor):
    """Abstract base of the regressors: a subclass declares its parameters and names its likelihood.

    What is fitted are the coefficients of every linear predictor, ``_parameters`` of shape (q, p + 1), the intercepts
    last; all that a model says follows from them and the likelihood.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLE._parameter_constraints,
        "alpha": [Interval(Real, 0, np.inf, closed="left")],
    }

    @abstractmethod
    def _chosen_likelihood(self) -> Likelihood:
        """Return the likelihood that the parameters name; raise where they name none."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array or dataframe} of shape (n_samples, n_features)
            Features. Float64 and float32 arrays are not copied. ``np.memmap``, and what slices by rows (zarr, h5py), is
            read block by block, never as a whole.
            Rows that Dask keeps stay where they are, those of the other arguments too: see docs/scaling.md.
        y : array-like of shape (n_samples,)
            Target values, in the likelihood's domain. The binomial likelihood also takes (n_samples, 2): the numbers of
            successes and failures.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0: a weight of k equals k copies of the row, 0 equals its absence. None is one per row.
        offset : array-like of shape (n_samples,), default=None
            Added to the location's linear predictor (a log-exposure, where the link is the logarithm); a scalar holds
            for every row. A model fitted with an offset predicts only with one. With an offset, X may have no columns:
            ``fit(np.empty((n, 0)), y, offset=0.0)`` fits the intercept alone.

        Returns
        -------
        self : object
            The fitted estimator; a fit that fails leaves it as it was.

        Raises
        ------
        ValueError
            If the input is not valid, a scale (dispersion, shape, precision) is to be estimated from 1 sample, or the
            fit would need all of Dask's rows in one place.
        """
        return self._fit(X, y, sample_weight, offset)

    @abstractmethod
    def _chosen_predictors(self) -> Any:
        """Return what the parameters of the likelihood depend on, as ``predictors`` of MLERegressor says it."""

    def _checked_likelihood(self) -> tuple[Likelihood, int]:
        """Return the likelihood, and how many rows its fit needs at least."""
        predictors = self._chosen_predictors()
        likelihood = likelihood_with(self._chosen_likelihood(), predictors)
        dispersion = likelihood.dispersion_parameter
        known = isinstance(predictors, Mapping) and isinstance(predictors.get(dispersion), Real)
        # One row says nothing of the dispersion; of a location it does.
        return likelihood, 1 if dispersion is None or known else 2

    def _prepare(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> TrainingData:
        likelihood, least = self._checked_likelihood()
        refuse_times(y, "y")
        X, y, attributes = validate_training(
            self,
            X,
            y,
            offset=offset,
            y_numeric=True,
            least_samples=least,
            multi_output=max(likelihood.y_columns) > 1,
            open_ended=likelihood.open_ended,
        )
        if issparse(y):
            raise TypeError("y must be dense, but it is sparse; pass y.toarray().")
        weight = check_sample_weight(sample_weight, len(y))
        if weight is not None:
            _refuse_fewer(int(np.count_nonzero(weight)), least, likelihood)
        y = _checked(likelihood, y)
        refuse_wrong_answers(likelihood, y.T)
        return TrainingData(
            likelihood=likelihood,
            X=X,
            y=y,
            sample_weight=weight,
            offset=check_offset(offset, (len(y),)),
            attributes=attributes,
        )

    def _survey(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> DistributedTrainingData:
        likelihood, least = self._checked_likelihood()
        if max(likelihood.y_columns) > 1 and len(getattr(y, "shape", ())) == 2 and y.shape[1] > 1:
            raise NotSupportedError(
                "y of counts in two columns must be in memory. Of a Dask y pass the fractions of successes, and the "
                "numbers of trials as sample_weight."
            )
        attributes = features_of(self, X, offset)
        survey = Survey(RealReader(likelihood), X, y, sample_weight, offset)
        rows = survey.rows(RealReader(likelihood), likelihood.n_predictors)
        _refuse_fewer(rows.data.n_rows, least, likelihood)
        return DistributedTrainingData(likelihood, rows, attributes)

    def _prior(self, data: TrainingData | DistributedTrainingData) -> Ridge:
        return ridge_of(data.likelihood, self._terms(data), self.alpha)

    def _terms(self, data: TrainingData | DistributedTrainingData) -> tuple[Terms, ...]:
        return terms_of(
            data.likelihood,
            self._chosen_predictors(),
            fit_intercept=bool(self.fit_intercept),
            n_columns=data.attributes["n_features_in_"],
            column_names=data.attributes.get("feature_names_in_"),
        )

    def _attributes(self, fitted: Fitted, coefficients: Array, scale: float | None) -> dict[str, Any]:
        likelihood = fitted.likelihood
        state: dict[str, Any] = {
            "coef_": coefficients[0, :-1].copy(),
            "intercept_": float(coefficients[0, -1]),
            "_parameters": coefficients,
        }
        constants = likelihood.parameters(coefficients[:, -1:])[:, 0]
        for k, (name, term) in enumerate(zip(likelihood.parameter_names, fitted.terms, strict=True)):
            if k and term.columns:
                state |= {
                    f"{name}_coef_": coefficients[k, :-1].copy(),
                    f"{name}_intercept_": float(coefficients[k, -1]),
                }
            elif k:
                # The dispersion has digits of its own where it is not estimated by its logarithm.
                value = scale if k == likelihood.dispersion_index else None
                value = term.known if term.known is not None else value
                state[f"{name}_"] = float(constants[k] if value is None else value)
        return state

    @property
    def parameters_(self) -> dict[str, Any]:
        """The estimates by the names of the likelihood's parameters, whatever the likelihood.

        A parameter that is one number for all rows, estimated or known, is that number. One that depends on columns
        (the location always) is a tuple (coef, intercept) of its linear predictor, of the parameter itself, its
        logarithm or its log-odds, as the likelihood's ``links`` say.
        """
        check_is_fitted(self)
        found: dict[str, Any] = {}
        for k, (name, term) in enumerate(zip(self._fitted.likelihood.parameter_names, self._fitted.terms, strict=True)):
            if k and not term.columns:
                found[name] = getattr(self, f"{name}_")
            else:
                found[name] = self._parameters[k, :-1].copy(), float(self._parameters[k, -1])
        return found

    @lazy_rows
    def _predicted_parameters(self, X: Any, offset: Any = None) -> Array:
        """Return the parameters of each row, shape (n, q)."""
        X, offset = self._validate_predict(X, offset)
        values = self._fitted.likelihood.parameters(self._eta(X, offset))
        for k, term in enumerate(self._fitted.terms):
            if k and not term.columns:
                values[k] = getattr(self, f"{self._fitted.likelihood.parameter_names[k]}_")
        return values.T

    def predict_parameters(self, X: Any, offset: Any = None) -> dict[str, Any]:
        """Return the parameters of the distribution of y given X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.
        offset : array-like of shape (n_samples,), default=None
            As in fit; required if fit had one. A scalar holds for every row.

        Returns
        -------
        dict of str to ndarray of shape (n_samples,)
            By the names of the likelihood's parameters (its ``parameter_names``), each on its own scale: a scale, not
            its logarithm.
        """
        table = self._predicted_parameters(X, offset=offset)
        return {name: table[:, k] for k, name in enumerate(self._fitted.likelihood.parameter_names)}

    def _coefficients(self) -> Array:
        return self._parameters

    def _read_target(self, y: Any) -> NDArray[Any]:
        refuse_masked(y=y)
        with argument_name("y"):
            refuse_times(y, "y")
            likelihood = self._fitted.likelihood
            y = check_array(
                in_memory(y),
                ensure_2d=False,
                ensure_all_finite=not likelihood.open_ended,
                dtype=np.float64,
                input_name="y",
            )
            return _checked(likelihood, y)

    def _eta(self, X: Any, offset: Array | None) -> Array:
        """Return the linear predictors of validated X, shape (q, n), a degenerate scale (minus) infinity."""
        coefficients = self._parameters[:, :-1]
        eta = np.repeat(self._parameters[:, -1:], X.shape[0], axis=1)
        linear = np.flatnonzero(coefficients.any(axis=1))
        eta[linear] += dot_rows(coefficients[linear], X)
        return add_offset(eta, None if offset is None else offset[None])

    @property
    def _degenerate(self) -> bool:
        return not np.isfinite(self._parameters[1:, -1]).all()

    def _linear_predictors(self, X: Any, offset: Array | None) -> Array:
        if self._degenerate:
            raise ValueError(
                f"The fit was perfect: {self._vanished()}, so y given X has no density. predict, "
                "predict_quantile and predict_interval (of zero width) work; a density needs noise and more rows than "
                "columns, or a known scale."
            )
        return self._eta(X, offset)

    def _vanished(self) -> str:
        """Return which attribute says that there is no noise; of a modelled dispersion its intercept."""
        dispersion = self._fitted.likelihood.dispersion_parameter
        name = f"{dispersion}_" if hasattr(self, f"{dispersion}_") else f"{dispersion}_intercept_"
        return f"{name} is {getattr(self, name):g}"

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

    @lazy_rows
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
        with argument_name("return_std"):
            return_std = bool(return_std)
        eta = self._eta(X, offset)
        mean = self._mean(eta)
        if not return_std:
            return mean
        return mean, np.zeros_like(mean) if self._degenerate else self._fitted.likelihood.standard_deviation(eta)

    @lazy_distribution
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
            Or one alike, where ``scipy.stats`` has none. Its parameters have shape (n_samples,), one entry a row.
            Of rows that Dask keeps, an object with the same methods and lazy answers; ``parameters`` are lazy arrays.

        Raises
        ------
        ValueError
            If the fit was perfect, so that the distribution is degenerate.
        """
        X, offset = self._validate_predict(X, offset)
        return self._fitted.likelihood.distribution(self._linear_predictors(X, offset))

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
        if isinstance(n_samples, bool) or not isinstance(n_samples, Integral) or n_samples < 0:
            raise ValueError(f"n_samples must be a whole number >= 0; got {n_samples!r}.")
        with argument_name("random_state"):
            generator = check_random_state(random_state)
        X, offset = self._validate_predict(X, offset)
        distribution = self._fitted.likelihood.distribution(self._linear_predictors(X, offset))
        shape = (int(n_samples), X.shape[0])
        with argument_name("X, offset or n_samples"):
            return np.asarray(distribution.rvs(size=shape, random_state=generator), dtype=float).T

    @lazy_rows
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
        offset : array-like of shape (n_samples,), default=None
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
        level = check_probability_levels(coverage, "coverage")
        if level.ndim:
            raise ValueError(f"coverage must be one number strictly between 0 and 1; got {coverage!r}.")
        with argument_name("include_parameter_uncertainty"):
            include_parameter_uncertainty = bool(include_parameter_uncertainty)
        precisions = None if sample_weight is None else self._of_precisions(sample_weight, X, offset)
        if include_parameter_uncertainty:
            return predictive_interval(infer(self), X, offset=offset, coverage=float(level), precisions=precisions)
        X, offset = self._validate_predict(X, offset)
        return self._quantiles(X, offset, np.array([(1 - level) / 2, (1 + level) / 2]), precisions)

    def _of_precisions(self, sample_weight: Any, X: Any, offset: Any) -> Array:
        """Return what the precisions of new rows add to the predictor of the scale."""
        likelihood = self._fitted.likelihood
        if self._fitted.weight_type != "precision" or not divide_dispersion(likelihood):
            raise NotSupportedError(
                "sample_weight: the weights of new rows divide their variance, which is for models with a scale that "
                "were fitted with weight_type='precision'. Leave it out."
            )
        weight = check_sample_weight(sample_weight, self._validate_predict(X, offset)[0].shape[0])
        assert weight is not None
        if weight.min(initial=np.inf) <= 0:
            raise ValueError("sample_weight: a row of precision 0 has no interval; give positive numbers.")
        return precision_offset(likelihood, weight)

    @lazy_rows
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


def _refuse_fewer(n_rows: int, least: int, likelihood: Likelihood) -> None:
    if n_rows < least:
        dispersion = likelihood.dispersion_parameter
        raise ValueError(
            f"Only 1 sample has a positive sample_weight, while a minimum of {least} is required to estimate the "
            f"{dispersion}; give more rows, or a known {dispersion}."
        )


def _checked(likelihood: Likelihood, y: Array) -> Array:
    """Return y in the likelihood's domain, rows first; columns of counts stay two."""
    with argument_name("y"):
        if y.ndim == 2 and not (y.shape[1] > 1 and y.shape[1] in likelihood.y_columns):
            y = column_or_1d(y, warn=True)
        return likelihood.check_target(y.T).T
