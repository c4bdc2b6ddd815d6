"""Estimators as fitted models: ours say what they are, scikit-learn's three are translated, pipelines are opened."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sklearn_mle._numerics.arguments import argument_name, refuse_masked
from sklearn_mle._numerics.stored import StoredArray, as_stored
from sklearn_mle._penalties import Ridge
from sklearn_mle._predictors import Terms
from sklearn_mle.inference.model import FittedModel, ReadData
from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian, Likelihood, Poisson

Array = NDArray[Any]


def read_estimator(argument: str, estimator: Any, X: Any, *, select: bool = False) -> tuple[FittedModel, Any]:
    """Return what an estimator has fitted, and X as that estimator sees it, inside pipelines and searches.

    Parameters
    ----------
    argument : str
        Its name, for errors.
    estimator : estimator
        Ours, or a fitted LogisticRegression, LinearRegression or PoissonRegressor of scikit-learn (or alike).
    X : array-like or None
    select : bool
        Whether X may be a frame with further columns than those that it was fitted to.

    Raises
    ------
    TypeError
        If the estimator is none of these, or penalized in a way that has no curvature (l1); for a
        TransformedTargetRegressor, whose likelihood is not that of y.
    NotFittedError
        If it is not fitted.
    """
    with argument_name(argument):
        inside, X, names = _open_up(estimator, _own_columns(estimator, X) if select else X)
        model = _read(inside, names)
    if inside is not estimator:
        read_features = model.read_features
        model = replace(model, read_features=lambda X, offset: read_features(_open_up(estimator, X)[1], offset))
    return model, X


def _open_up(estimator: Any, X: Any) -> tuple[Any, Any, Any]:
    """Return the estimator inside, X as that estimator sees it, and the names of its columns (None: not known)."""
    refuse_masked(X=X)
    names = None
    while True:
        if isinstance(estimator, TransformedTargetRegressor):
            raise TypeError(
                "The estimator is a TransformedTargetRegressor, and the likelihood of its transformed target is not "
                "that of y. Model y itself (a lognormal likelihood instead of a log transform), or pass regressor_ "
                "with the transformed y."
            )
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            check_is_fitted(estimator)
            if len(estimator.steps) > 1:
                before = estimator[:-1]
                X = None if X is None else before.transform(X)
                names = _names_out(before)
            estimator = estimator.steps[-1][1]
        else:
            return estimator, X, names


def _own_columns(estimator: Any, X: Any) -> Any:
    """Return the columns of a frame that an estimator was fitted to."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or not hasattr(X, "columns") or list(names) == list(X.columns):
        return X
    return X[list(names)]


def _names_out(transformer: Any) -> Any:
    """Return the names of what a transformer gives, None where it cannot tell."""
    try:
        return transformer.get_feature_names_out()
    except (AttributeError, ValueError):
        return None


def _read(estimator: Any, feature_names: Any) -> FittedModel:
    check_is_fitted(estimator)
    if hasattr(estimator, "_fitted_model"):
        return estimator._fitted_model(feature_names)
    for kind in (cls.__name__ for cls in type(estimator).__mro__):
        if kind in _READERS:
            return _READERS[kind](estimator, _feature_names(estimator, feature_names))
    raise TypeError(
        f"The estimator is a {type(estimator).__name__}, which infer does not know. It reads this package's, and "
        "scikit-learn's LogisticRegression, LinearRegression and PoissonRegressor (also inside a Pipeline or a search)."
    )


def _feature_names(estimator: Any, given: Any) -> tuple[str, ...]:
    names = getattr(estimator, "feature_names_in_", given)
    p = estimator.n_features_in_
    return tuple(f"x{j}" for j in range(p)) if names is None or len(names) != p else tuple(str(name) for name in names)


def _model(
    estimator: Any, names: tuple[str, ...], likelihood: Likelihood, coefficients: Array, read_target: Any, **more: Any
) -> FittedModel:
    """Return a model of scikit-learn's; ``read_target`` turns y into what the likelihood reads."""

    def read_features(X: Any, offset: Any) -> tuple[Any, None]:
        if offset is not None:
            raise ValueError(f"offset: {type(estimator).__name__} was not fitted with one.")
        X = as_stored(X)
        # Of rows in storage the first stands for all; the first pass sees the others.
        seen = X[:1] if isinstance(X, StoredArray) else X
        seen = validate_data(estimator, seen, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        return X if isinstance(X, StoredArray) else seen, None

    def read(X: Any, y: Any, sample_weight: Any, offset: Any) -> ReadData:
        refuse_masked(y=y, sample_weight=sample_weight)
        X = read_features(X, offset)[0]
        target = read_target(y)
        check_consistent_length(X, target)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            if not weight.any():
                raise ValueError("sample_weight must be numbers >= 0, not all of them zero.")
        of_class = _class_weight(more.get("class_weights"), more.get("classes", ()), target, weight)
        return ReadData(X, target, weight, of_class, None)

    more.setdefault("terms", (Terms(True, bool(estimator.fit_intercept)),) * len(coefficients))
    return FittedModel(
        name=type(estimator).__name__,
        likelihood=likelihood,
        coefficients=coefficients.astype(np.float64),
        features=names,
        read=read,
        read_rows=read,
        read_features=read_features,
        **more,
    )


def _logistic(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    classes = estimator.classes_
    binary = len(classes) == 2
    if not binary and (
        getattr(estimator, "multi_class", None) == "ovr" or estimator.solver == "liblinear" or len(estimator.coef_) == 1
    ):
        raise TypeError("infer reads multinomial fits; this LogisticRegression is one-versus-rest.")
    penalty, l1_ratio = getattr(estimator, "penalty", "l2"), getattr(estimator, "l1_ratio", None)
    alpha = 0.0 if penalty is None or np.isinf(estimator.C) else 1 / estimator.C
    if alpha and (penalty in ("l1", "elasticnet") or l1_ratio):
        raise TypeError("infer needs a likelihood that is smooth in the coefficients; this fit has an l1 penalty.")
    if alpha and estimator.solver == "liblinear" and estimator.fit_intercept:
        raise TypeError("infer does not read solver='liblinear' with an intercept, which it penalizes; use 'lbfgs'.")
    coefficients = np.column_stack([estimator.coef_, np.broadcast_to(estimator.intercept_, len(estimator.coef_))])
    if not binary:
        coefficients = coefficients - coefficients.mean(axis=0)

    def read_target(y: Any) -> Array:
        labels = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y"))
        codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
        if not (classes[codes] == labels).all():
            raise ValueError(f"y has labels that are none of the fitted classes {classes.tolist()}.")
        return codes.astype(np.float64) if binary else codes

    return _model(
        estimator,
        names,
        Bernoulli() if binary else Categorical(len(classes)),
        coefficients,
        read_target,
        classes=tuple(classes.tolist()),
        prior=Ridge((alpha,)),
        class_weights=estimator.class_weight,
    )


def _class_weight(given: Any, classes: tuple[Any, ...], target: Array, weight: Array | None) -> Array | None:
    """Return what scikit-learn's class weights multiply the weight of each row by."""
    if given is None:
        return None
    codes = target.astype(np.intp)
    if given != "balanced":
        return np.array([given.get(label, 1.0) for label in classes])[codes]
    mass = np.bincount(codes, weight, len(classes))
    return (mass.sum() / (len(classes) * mass))[codes]


def _real_target(y: Any) -> Array:
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    _refuse_targets(y.shape[1:])
    return column_or_1d(y)


def _refuse_targets(shape: tuple[int, ...]) -> None:
    if shape and shape[0] > 1:
        raise ValueError("infer takes one target; fit and infer each column of y by itself.")


def _poisson(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    coefficients = np.append(estimator.coef_, estimator.intercept_)[None]
    # Its prior is per mean half-deviance: alpha times the sum of the weights, which only the data tell.
    prior = Ridge((float(estimator.alpha),))
    return _model(estimator, names, Poisson(), coefficients, _real_target, prior=prior, prior_per_observation=True)


def _linear(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    if getattr(estimator, "positive", False):
        raise TypeError("infer does not read positive=True: coefficients on their bound have no standard error.")
    _refuse_targets(np.shape(estimator.coef_)[:-1])
    location = np.append(np.ravel(estimator.coef_), estimator.intercept_).astype(np.float64)
    # The scale is no attribute of LinearRegression: it is estimated from the data, once they are there.
    coefficients = np.stack([location, np.append(np.zeros(len(location) - 1), np.nan)])
    terms = (Terms(True, bool(estimator.fit_intercept)), Terms(False, True))
    return _model(estimator, names, Gaussian(), coefficients, _real_target, terms=terms)


# By the names of the classes, for subclasses and for those who build on scikit-learn.
_READERS = {"LogisticRegression": _logistic, "PoissonRegressor": _poisson, "LinearRegression": _linear}
