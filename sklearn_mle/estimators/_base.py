"""The one fit path of every estimator: validate on the side, solve, publish once, then warn."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_mle._existence.limit import RETURNED
from sklearn_mle._fit import FitOptions, FitResult, NotFiniteError, RawRows, fit_rows
from sklearn_mle._numerics.arguments import refuse_masked
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.other_names import refuse_other_name
from sklearn_mle._numerics.partitions import is_dask, one_row_like
from sklearn_mle._solvers import Status
from sklearn_mle.estimators._exchange import ExchangeMixin
from sklearn_mle.estimators._lazy import sum_over_rows, where_dask
from sklearn_mle.estimators._scikit_learn import CallbackSupportMixin, FitTasks, Interval, StrOptions, has_callbacks
from sklearn_mle.estimators._state import publish
from sklearn_mle.estimators._training_data import TrainingData
from sklearn_mle.estimators._validation import (
    canonical,
    check_sample_weight,
    refuse_beyond_float64,
    total_over_rows,
    validate_features,
)
from sklearn_mle.exceptions import PerfectFitWarning, SeparationError, SeparationWarning
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.model import WEIGHT_TYPES, FitSummary, Fitted, FittedModel, ReadData
from sklearn_mle.inference.scikit_learn import feature_names_of

Observer = Callable[[int, Array], bool | None]

# Coefficients within 1.5e-3 standard errors: closer than that, rounding is not worth a warning.
_NOTICEABLE_GAP = 1e-6
# Sums of weights in another order differ by rounding.
_OF_SUMS = 1e-9


class BaseMLE(CallbackSupportMixin, ExchangeMixin, ABC, BaseEstimator):
    """Base of all estimators: the fit, and what every fitted model reports.

    A subclass declares its parameters, among them ``fit_intercept``, ``solver``, ``tol``, ``max_iter``, ``warm_start``
    and ``verbose``, and translates: user input to TrainingData, coefficients to attributes and back, X to linear
    predictors.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"auto", "newton", "lbfgs", "newton-cg"})],
        "tol": [Interval(Real, 0, np.inf, closed="neither")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "weight_type": [StrOptions({*WEIGHT_TYPES})],
    }
    _doc_link_module = "sklearn_mle"
    _doc_link_template = "https://sklearn-mle.readthedocs.io/en/stable/api/sklearn_mle.{estimator_name}.html"

    if not TYPE_CHECKING:  # or every attribute would exist for the checker

        def __getattr__(self, name: str) -> NoReturn:
            refuse_other_name(self, name)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # Written as its name: skops reads no enumerations, and a pickle need not know where ours is defined.
        state = super().__getstate__()
        return {**state, "status_": state["status_"].name} if state.get("status_") else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "status_": Status[state["status_"]]} if state.get("status_") else state)

    @property
    def condition_number_(self) -> float:
        """Condition number of the standardized design, its columns of unit length; computed on request."""
        check_is_fitted(self)
        kept = self._fitted.retained
        return math.nan if kept is None or kept.curvature is None else kept.curvature.condition

    @abstractmethod
    def _prepare(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> TrainingData:
        """Validate the arguments of fit; write nothing on the estimator."""

    @abstractmethod
    def _prepare_partitions(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> TrainingData:
        """Validate the arguments of fit, some of which are Dask's; write nothing on the estimator."""

    @abstractmethod
    def _partitions(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> RawRows:
        """Return rows that Dask keeps as the fitted model reads them, class weights included."""

    @abstractmethod
    def _attributes(self, fitted: Fitted, coefficients: Array, scale: float | None) -> dict[str, Any]:
        """Translate fitted coefficients, shape (q, p + 1), to public attributes."""

    @abstractmethod
    def _coefficients(self) -> Array:
        """Translate public attributes back to coefficients, shape (q, p + 1)."""

    @abstractmethod
    def _linear_predictors(self, X: Any, offset: Array | None) -> Array:
        """Return the linear predictors of validated X, shape (q, n)."""

    @abstractmethod
    def _read_target(self, y: Any, class_weights: Array | None = None) -> tuple[NDArray[Any], Array | None]:
        """Return a y outside fit as the fitted likelihood reads it, and the weight of each row's class, if any."""

    def _fit(self, X: Any, y: Any, sample_weight: Any, offset: Any, observer: Observer | None = None) -> Self:
        refuse_beyond_float64(vars(self))
        refuse_masked(X=X, y=y, sample_weight=sample_weight, offset=offset)
        # Validation may already overflow on tiny and huge numbers.
        prepare = self._prepare_partitions if is_dask(X, y, sample_weight, offset) else self._prepare
        with np.errstate(all="ignore"):
            data = prepare(X, y, sample_weight, offset)
        fitted = data.fitted
        data.refuse_precisions(sample_weight is not None)
        start = self._start((len(fitted.terms), data.attributes["n_features_in_"] + 1))
        options = FitOptions(
            prior=fitted.prior,
            terms=fitted.terms,
            solver=self.solver,
            tol=float(self.tol) * data.nats_of_copies,
            max_iter=self.max_iter,
            verbose=self.verbose,
            separated=start is not None and self._fitted.retained is not None and not self._fitted.retained.exists,
        )
        tasks = None
        if has_callbacks(self):
            # What a previous fit found is not this one's, and its names would be expected in X.
            known = {**dict.fromkeys(vars(self).get("_published", ())), **data.attributes, "_fitted": fitted}
            metadata = {"sample_weight": sample_weight, "offset": offset}

            def attributes_at(theta: Array) -> dict[str, Any]:
                return {**known, **self._attributes(fitted, data.as_shown(theta), None)}

            tasks = FitTasks(self, X, y, metadata, attributes_at)
            observer = tasks.observe
        try:
            result = fit_rows(
                fitted.likelihood, data.raw, options=options, start=start, observer=observer, **data.names
            )
        except NotFiniteError:
            data.refuse_not_finite()
            raise
        result = data.result(result)
        on_separation = getattr(self, "on_separation", "warn")
        separation = [warning for warning in result.warnings if isinstance(warning, SeparationWarning)]
        if separation and on_separation == "raise":
            raise SeparationError(str(separation[0]).replace(RETURNED, "is what on_separation='warn' returns."))
        attributes = self._attributes(fitted, result.coefficients, result.dispersion)
        publish(self, {**data.attributes, **attributes, **self._report(fitted, result)})
        if tasks is not None:
            tasks.finish()
        for warning in _warnings_of(result, fitted.likelihood.smooth):
            if not (on_separation == "ignore" and warning in separation):
                # The line that called fit, past this method, fit and scikit-learn's wrapper of it.
                warnings.warn(warning, stacklevel=4)
        return self

    def _start(self, shape: tuple[int, int]) -> Array | None:
        """Return the previous fit's coefficients where warm_start asks for them and they fit the new problem."""
        if not (self.warm_start and hasattr(self, "n_features_in_")):
            return None
        start = self._coefficients()
        if start.shape != shape or not np.isfinite(start).all():
            return None
        return start

    def _report(self, fitted: Fitted, result: FitResult) -> dict[str, Any]:
        kept = FitSummary(
            result.curvature,
            result.n_parameters,
            result.n_obs,
            result.log_likelihood,
            result.gap,
            result.status is Status.CONVERGED or result.gap <= _NOTICEABLE_GAP,
            result.exists,
        )
        # Degrees of freedom as R and scikit-learn's users count them: constant scales are none.
        n_coefficients = result.n_parameters - fitted.n_constants
        return {
            "_fitted": replace(fitted, retained=kept),
            "n_iter_": result.n_iter,
            "n_passes_": result.n_passes,
            "gap_": result.gap,
            "status_": result.status,
            "log_likelihood_": result.log_likelihood,
            "n_obs_": result.n_obs,
            # A class without any weight has no coefficients, and no intercept.
            "df_model_": max(n_coefficients - fitted.n_intercepts, 0),
            "df_resid_": result.n_obs - n_coefficients,
        }

    def _validate_predict(self, X: Any, offset: Any, sample_weight: Any = None) -> tuple[Any, Array | None]:
        """Validate the arguments of a predict method; a model fitted with an offset requires one here."""
        check_is_fitted(self)
        X = validate_features(self, X)
        if offset is None:
            if self._fitted.n_offsets:
                raise ValueError(
                    f"This {type(self).__name__} was fitted with an offset, so it needs one to predict: pass "
                    "offset= with one entry per row of X (offset=0.0 adds nothing)."
                )
            return X, None
        return X, self._check_offset(offset, sample_weight, X.shape[0])

    @abstractmethod
    def _check_offset(self, offset: Any, sample_weight: Any, n_samples: int) -> Array | None:
        """Validate an offset outside fit; in rows of weight zero it may be anything."""

    def _fitted_model(self, feature_names: Any = None) -> FittedModel:
        """Return the view of a fitted estimator that ``sklearn_mle.inference`` works with."""
        check_is_fitted(self)
        classes = getattr(self, "classes_", None)
        return FittedModel(
            **vars(self._fitted),
            name=type(self).__name__,
            coefficients=self._coefficients(),
            features=feature_names_of(self, feature_names),
            read=self._read_training,
            read_rows=self._read_rows,
            read_features=self._validate_predict,
            read_partitions=self._read_training_partitions,
            classes=None if classes is None else tuple(classes.tolist()),
        )

    def _read_rows(
        self, X: Any, y: Any, sample_weight: Any, offset: Any, class_weights: Array | None = None
    ) -> ReadData:
        """Validate rows to judge, as fit reads them."""
        X, offset = self._validate_predict(X, offset, sample_weight)
        y, of_class = self._read_target(y, class_weights)
        check_consistent_length(X, y)
        return ReadData(canonical(X), y, check_sample_weight(sample_weight, len(y)), of_class, offset)

    def _read_training(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> ReadData:
        """Read the data of the fit once more; refuse another number of observations."""
        data = self._read_rows(X, y, sample_weight, offset, self._fitted.class_weights)
        self._refuse_other_rows(data.n_obs(self._fitted.weight_type), weighted=data.sample_weight is not None)
        return data

    def _read_training_partitions(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> RawRows:
        """Read the data of the fit once more where Dask keeps them; refuse another number of observations."""
        self._validate_predict(*(one_row_like(given) for given in (X, offset, sample_weight)))
        rows = self._partitions(X, y, sample_weight, offset)
        n_obs = rows.n_obs if self._fitted.weight_type == "frequency" else float(rows.data.n_rows)
        self._refuse_other_rows(n_obs, weighted=sample_weight is not None)
        return rows

    def _refuse_other_rows(self, n_obs: float, *, weighted: bool) -> None:
        kept = self._fitted.retained
        if kept is not None and not math.isclose(kept.n_obs, n_obs, rel_tol=_OF_SUMS):
            remedy = "pass the X and y of the fit, all of their rows and no others"
            if not weighted:
                remedy = f"if it was weighted, pass its sample_weight; else {remedy}"
            raise ValueError(
                f"X, y and sample_weight are not those of the fit, which had {kept.n_obs:g} observations (n_obs_); "
                f"these have {n_obs:g}: {remedy}."
            )

    @where_dask(sum_over_rows)
    def log_likelihood(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Return the total log-likelihood of y given X under the fitted model.

        The sum over rows of w_i log p(y_i | x_i), constants included, without the prior. With
        ``weight_type="precision"`` the weights divide the dispersion of each row instead, where the likelihood has one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to judge.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Targets, as in fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; if None, every row has weight 1. Class weights are not applied.
        offset : array-like, default=None
            As in fit; a scalar holds for every row.

        Returns
        -------
        float
            In nats.

        Raises
        ------
        ValueError
            If y has labels that fit did not see, or the model is degenerate (a perfect fit, ``scale_ = 0``).
        """
        data = self._read_rows(X, y, sample_weight, offset)
        likelihood, weight = self._fitted.likelihood, data.sample_weight
        # Likelihoods are predictors-first: class probabilities are (K, n) there.
        with np.errstate(over="ignore", invalid="ignore"):
            eta = self._fitted.add_precisions(self._linear_predictors(data.X, data.offset), weight)
            if weight is not None and self._fitted.weights_divide_dispersion:
                weight = (weight > 0).astype(np.float64)
            return -total_over_rows(likelihood.nll(data.y.T, eta), weight)

    def aic(self) -> float:
        r"""Return Akaike's information criterion of the fit: smaller is better.

        .. math:: \mathrm{AIC} = 2 k - 2 \log L

        with k the number of estimated parameters, a constant scale included, and log L the maximum of the likelihood.

        Returns
        -------
        float
            AIC, on the deviance scale (twice the log-likelihood in nats).

        Raises
        ------
        ValueError
            If the fit was penalized or weighted by class: then log L is not a maximum.
        """
        return 2 * self._unpenalized("aic").n_parameters - 2 * self.log_likelihood_

    def bic(self) -> float:
        r"""Return the Bayesian information criterion of the fit: smaller is better.

        .. math:: \mathrm{BIC} = k \log n - 2 \log L

        with n the sum of the weights, k and log L as in ``aic``.

        Returns
        -------
        float
            BIC, on the deviance scale (twice the log-likelihood in nats).

        Raises
        ------
        ValueError
            If the fit was penalized or weighted by class: then log L is not a maximum.
        """
        return self._unpenalized("bic").n_parameters * math.log(self.n_obs_) - 2 * self.log_likelihood_

    def _unpenalized(self, asked: str) -> FitSummary:
        model = self._fitted_model()
        if model.retained is None:
            raise ValueError(f"{asked}: this {model.name} was shown to a callback before its fit ended. Ask after fit.")
        refuse(asked, model)
        return model.retained


def _warnings_of(result: FitResult, smooth: bool) -> list[Warning]:
    """Return the warnings of a finished fit: its own, and one where it did not converge."""
    numbers = (result.log_likelihood, result.gap)
    # A perfect fit has an infinite log-likelihood, and its own warning.
    if not (np.isfinite(numbers).all() or any(isinstance(warning, PerfectFitWarning) for warning in result.warnings)):
        text = (
            f"No maximum was found: where the fit stopped, the log-likelihood is {result.log_likelihood:g} and its "
            f"estimated shortfall is {result.gap:g} nats, beyond the range of float64. The coefficients are not "
            "estimates. Change the units of X and y, an offset that is far off, or a known scale far from the "
            "spread of the residuals."
        )
    elif result.status is Status.ROUNDING and result.gap > _NOTICEABLE_GAP:
        text = (
            f"Rounding ended the fit an estimated {result.gap:.2g} nats short of the maximum: the "
            "data are so ill-conditioned that the coefficients are uncertain by about "
            f"{math.sqrt(2 * result.gap):.2g} standard errors. Rescale the data or penalize."
        )
    elif result.status is Status.MAX_ITER:
        of_what = "half the squared Newton decrement" if smooth else "the duality gap"
        text = (
            f"max_iter ended the fit early: the total penalized log-likelihood is about {result.gap:.2g} nats "
            f"below its maximum; that is an estimate ({of_what} where the fit stopped), good near the maximum, "
            "and no bound: far from it the true number may be several times as large. Raise max_iter, or let "
            "solver='auto' choose."
        )
    else:
        return list(result.warnings)
    return [*result.warnings, ConvergenceWarning(text)]
