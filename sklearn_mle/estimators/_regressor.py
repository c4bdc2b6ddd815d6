"""What every regressor offers, whatever the likelihood: from fitted linear predictors to the public methods."""

from abc import abstractmethod
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_mle._fit import RawRows
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.estimators._base import BaseMLE
from sklearn_mle.estimators._modelled_parameters import ridge_of, terms_of
from sklearn_mle.estimators._predictions import PredictiveRegressor
from sklearn_mle.estimators._scikit_learn import Interval, fit_context
from sklearn_mle.estimators._training_data import PartitionedRows, TrainingData, features_of
from sklearn_mle.estimators._validation import (
    RealReader,
    check_offsets,
    check_sample_weight,
    n_offsets_of,
    read_outcomes,
    refuse_other_offsets,
    validate_training,
)
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import Summary, infer
from sklearn_mle.inference.model import Fitted, ReadData
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._answers import refuse_wrong_answers


class BaseMLERegressor(PredictiveRegressor):
    """Abstract base of the regressors: a subclass declares its parameters, and names its likelihood and predictors."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLE._parameter_constraints,
        "alpha": [Interval(Real, 0, np.inf, closed="left")],
    }

    @abstractmethod
    def _chosen(self) -> tuple[Likelihood, Any]:
        """Return the likelihood of the parameters that are to be estimated, and ``predictors``, or raise."""

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
        offset : array-like of shape (n_samples,) or (n_samples, n_parameters), default=None
            Added to the location's linear predictor (a log-exposure, where the link is the logarithm); a scalar holds
            for every row. With several columns, one for each of the likelihood's ``parameter_names``, added to the
            linear predictor of each; of a frame they are found by name, and may be some of them. ``scale_``,
            ``shape_`` and their like are then those of rows whose offset is zero. A model fitted with an offset
            predicts only with one. With an offset, X may have no columns:
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
        TypeError
            If the likelihood is neither a name nor an instance.
        """
        return self._fit(X, y, sample_weight, offset)

    def _check_offset(self, offset: Any, sample_weight: Any, n_samples: int) -> Array | None:
        likelihood = self._fitted.likelihood
        refuse_other_offsets(offset, self._fitted.n_offsets, likelihood)
        return check_offsets(offset, sample_weight, n_samples, likelihood)

    def _prepare(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> TrainingData:
        likelihood, predictors = self._chosen()
        X, attributes = validate_training(self, X, offset)
        y = read_outcomes(likelihood, y)
        check_consistent_length(X, y)
        weight = check_sample_weight(sample_weight, len(y))
        refuse_wrong_answers(likelihood, y.T)
        data = ReadData(X, y, weight, None, check_offsets(offset, sample_weight, len(y), likelihood))
        return self._training_data(likelihood, predictors, data, attributes, offset)

    def _prepare_partitions(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> TrainingData:
        likelihood, predictors = self._chosen()
        attributes = features_of(self, X, offset)
        rows = _partitions(likelihood, X, y, sample_weight, offset)
        return self._training_data(likelihood, predictors, rows, attributes, offset)

    def _partitions(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> RawRows:
        return _partitions(self._fitted.likelihood, X, y, sample_weight, offset)

    def _training_data(
        self, likelihood: Likelihood, predictors: Any, rows: Any, attributes: dict[str, Any], offset: Any
    ) -> TrainingData:
        terms = terms_of(
            likelihood,
            predictors,
            fit_intercept=bool(self.fit_intercept),
            n_columns=attributes["n_features_in_"],
            column_names=attributes.get("feature_names_in_"),
            has_offset=offset is not None,
        )
        prior = ridge_of(likelihood, terms, self.alpha)
        n_offsets = 0 if offset is None else n_offsets_of(offset, likelihood)
        fitted = Fitted(likelihood, terms, prior, weight_type=self.weight_type, n_offsets=n_offsets)
        data, index = TrainingData(type(self).__name__, fitted, rows, attributes), likelihood.dispersion_index
        # One row says nothing about a dispersion; about a location it does.
        if index is not None and terms[index].known is None and data.n_rows < 2:
            dispersion = likelihood.dispersion_parameter
            raise ValueError(
                "Only 1 sample of positive weight (sample_weight) was given, while a minimum of 2 is required to "
                f"estimate the {dispersion}; give more rows, or a known {dispersion}."
            )
        return data

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

    def _coefficients(self) -> Array:
        return self._parameters

    def _read_target(self, y: Any, class_weights: Array | None = None) -> tuple[NDArray[Any], None]:
        return read_outcomes(self._fitted.likelihood, y), None

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


def _partitions(likelihood: Likelihood, X: Any, y: Any, sample_weight: Any, offset: Any) -> RawRows:
    """Return rows that Dask keeps as a likelihood reads them."""
    if max(likelihood.y_columns) > 1 and len(getattr(y, "shape", ())) == 2 and y.shape[1] > 1:
        raise NotSupportedError(
            "A y with counts in two columns must be in memory. For a Dask y, pass the fractions of "
            "successes as y and the numbers of trials as sample_weight."
        )
    reader = RealReader(likelihood)
    return PartitionedRows(reader, X, y, sample_weight, offset).rows(reader, likelihood.n_predictors)
