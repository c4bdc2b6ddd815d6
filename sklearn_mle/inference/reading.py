"""Estimators as fitted models: ours say what they are, scikit-learn's are translated, pipelines are opened."""

from dataclasses import replace
from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_mle._numerics.arguments import argument_name, refuse_masked
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.scikit_learn import READERS, feature_names_of


def read_estimator(argument: str, estimator: Any, X: Any, *, select: bool = False) -> tuple[FittedModel, Any]:
    """Return what an estimator has fitted, and X as that estimator sees it, inside pipelines and searches.

    Parameters
    ----------
    argument : str
        Its name, for errors.
    estimator : estimator
        Ours, or a fitted linear model of scikit-learn (``READERS``).
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
        inside, X, names = open_up(estimator, _own_columns(estimator, X) if select else X)
        model = _read(inside, names)
    if inside is not estimator:
        read_features = model.read_features
        model = replace(model, read_features=lambda X, offset: read_features(open_up(estimator, X)[1], offset))
    return model, X


def open_up(estimator: Any, X: Any) -> tuple[Any, Any, Any]:
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
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, FixedThresholdClassifier | TunedThresholdClassifierCV):
            # A threshold turns probabilities into labels; the model of the probabilities is the one inside.
            check_is_fitted(estimator)
            estimator = estimator.estimator_
        elif hasattr(estimator, "best_estimator_"):
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
        if kind in READERS:
            return READERS[kind](estimator, feature_names_of(estimator, feature_names))
    raise TypeError(
        f"The estimator is a {type(estimator).__name__}, which infer does not support. It supports this "
        f"package's estimators, and scikit-learn's {', '.join(list(READERS)[:-1])} and {list(READERS)[-1]} "
        "(also inside a Pipeline or a search, frozen or thresholded)."
    )
