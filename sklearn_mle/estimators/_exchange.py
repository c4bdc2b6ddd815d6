"""Exchange of fitted estimators: as scikit-learn's own models, and as JSON."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn import linear_model

from sklearn_mle.estimators import _json
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.model import FittedModel

# Likelihood -> the scikit-learn regressor with the same location and the same inverse link.
_REGRESSORS: dict[str, Callable[[Any], Any]] = {
    "Gaussian": lambda likelihood: linear_model.LinearRegression(),
    "Huber": lambda likelihood: linear_model.HuberRegressor(epsilon=max(1.0, likelihood.epsilon)),
    "Laplace": lambda likelihood: linear_model.QuantileRegressor(alpha=0),
    "Poisson": lambda likelihood: linear_model.PoissonRegressor(),
    "Gamma": lambda likelihood: linear_model.GammaRegressor(),
    "InverseGaussian": lambda likelihood: linear_model.TweedieRegressor(power=3, link="log"),
    "Tweedie": lambda likelihood: linear_model.TweedieRegressor(power=likelihood.power, link="log"),
}


class ExchangeMixin:
    """Methods of every estimator, by which other software reads its fit."""

    def to_sklearn(self) -> Any:
        """Return a fitted estimator of scikit-learn's that makes the same predictions, from the same coefficients.

        It is a ``LogisticRegression``, ``LinearRegression``, ``PoissonRegressor``, ``GammaRegressor``,
        ``TweedieRegressor``, ``HuberRegressor`` or ``QuantileRegressor``: for tools that know those, such as
        converters to ONNX. It predicts classes and probabilities, or means (of laplace the median); a scale, dispersion
        or shape has no place in it. Its penalty is the default one, and was not used.

        Returns
        -------
        estimator
            Fitted.

        Raises
        ------
        NotSupportedError
            If scikit-learn has no such model, or the fit had an offset.
        """
        return _as_scikit_learn(self._fitted_model(), getattr(self, "feature_names_in_", None))  # type: ignore[attr-defined]

    def to_json(self) -> str:
        """Return the fitted estimator as JSON, which ``from_json`` reads in this and later versions, without a pickle.

        The schema is ``{"format": "sklearn-mle estimator", "version": 1, ...}``: the class and its parameters, the
        likelihood, which linear predictors have columns and intercepts, the coefficients in the units of X, facts of
        the fit, and the curvature that its standard errors come from. Numbers are read back to the last bit.

        Returns
        -------
        str
            Strict JSON; numbers that are not finite are written as texts ("nan", "inf", "-inf").

        Raises
        ------
        NotSupportedError
            If the likelihood is one's own, whose formulas are code, or a parameter is of a type that has no place in
            JSON.
        """
        return _json.written(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the fitted estimator that ``to_json`` wrote: same predictions, same inference.

        Nothing in the text is executed: it is data, and names are looked up among this library's own.

        Parameters
        ----------
        text : str
            As ``to_json`` returned it.

        Returns
        -------
        estimator
            Fitted.

        Raises
        ------
        ValueError
            If it is no such text, of another class, or of a later version of the schema than this one.
        """
        return _json.read(cls, text)


def _as_scikit_learn(model: FittedModel, feature_names: Any) -> Any:
    """Return the estimator of scikit-learn that predicts as the model does."""
    if model.n_offsets:
        raise NotSupportedError(
            f"to_sklearn: this {model.name} was fitted with an offset, but scikit-learn's estimators predict "
            "without one. Make the offset a column and fix its coefficient, or keep this estimator."
        )
    if not np.isfinite(model.coefficients[:, :-1]).all() or not np.isfinite(model.coefficients[0, -1]):
        raise NotSupportedError("to_sklearn: some coefficients are not finite, but scikit-learn's must be.")
    coef, intercept, p = model.coefficients[:, :-1], model.coefficients[:, -1], len(model.features)
    if model.classes is not None:
        classes = np.asarray(model.classes)
        found = linear_model.LogisticRegression(fit_intercept=model.terms[0].intercept)
        found.fit(sparse.csr_matrix((len(classes), p)), classes)
        found.coef_, found.intercept_ = coef.copy(), intercept.copy()
    else:
        kind = type(model.likelihood).__name__
        if kind not in _REGRESSORS:
            raise NotSupportedError(
                f"to_sklearn: scikit-learn has no linear model with the likelihood {model.likelihood!r}; it has "
                f"those of {', '.join(_REGRESSORS)}, and classifiers. Keep this estimator, or save it with to_json."
            )
        found = _REGRESSORS[kind](model.likelihood).set_params(fit_intercept=model.terms[0].intercept)
        # For the attributes beside the coefficients, any two rows will do.
        found.fit(np.zeros((2, p)), np.ones(2))
        found.coef_, found.intercept_ = coef[0].copy(), float(intercept[0])
        if kind == "Huber":
            found.scale_ = float(np.exp(model.log_dispersion))
    if feature_names is not None:
        found.feature_names_in_ = np.asarray(feature_names, dtype=object)
    return found
