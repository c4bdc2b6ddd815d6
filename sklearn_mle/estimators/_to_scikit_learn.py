"""Fitted estimators as scikit-learn's own, with our coefficients: for what reads only those (ONNX, older services)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import linear_model

from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.model import FittedModel

# Likelihood -> the scikit-learn regressor with the same location and the same inverse link.
_REGRESSORS: dict[str, Callable[[FittedModel], Any]] = {
    "Gaussian": lambda model: linear_model.LinearRegression(fit_intercept=model.terms[0].intercept),
    "Huber": lambda model: linear_model.HuberRegressor(
        epsilon=max(1.0, model.likelihood.get_params()["epsilon"]), fit_intercept=model.terms[0].intercept
    ),
    "Laplace": lambda model: linear_model.QuantileRegressor(alpha=0, fit_intercept=model.terms[0].intercept),
    "Poisson": lambda model: linear_model.PoissonRegressor(fit_intercept=model.terms[0].intercept),
    "Gamma": lambda model: linear_model.GammaRegressor(fit_intercept=model.terms[0].intercept),
    "InverseGaussian": lambda model: linear_model.TweedieRegressor(
        power=3, link="log", fit_intercept=model.terms[0].intercept
    ),
    "Tweedie": lambda model: linear_model.TweedieRegressor(
        power=model.likelihood.get_params()["power"], link="log", fit_intercept=model.terms[0].intercept
    ),
}


def as_scikit_learn(model: FittedModel, feature_names: Any) -> Any:
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
        found = _REGRESSORS[kind](model)
        # What fit makes beside the coefficients, of two rows that say nothing.
        found.fit(np.zeros((2, p)), np.ones(2))
        found.coef_, found.intercept_ = coef[0].copy(), float(intercept[0])
        if kind == "Huber":
            found.scale_ = float(np.exp(model.log_dispersion))
    if feature_names is not None:
        found.feature_names_in_ = np.asarray(feature_names, dtype=object)
    return found
