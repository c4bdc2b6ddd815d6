"""Estimators as fitted models: ours say what they are, scikit-learn's are translated, pipelines are opened."""

from contextlib import suppress
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


def read_estimator(
    argument: str, estimator: Any, X: Any, *, select: bool = False, location: bool = False
) -> tuple[FittedModel, Any]:
    """Return what an estimator has fitted, and X as that estimator sees it, inside pipelines and searches.

    With ``select`` X may be a frame with more columns than it was fitted to; with ``location`` a distribution around an
    estimator is opened, too. TypeErrors, which name the argument, are for estimators that are neither ours nor in
    ``READERS``, for penalties without a curvature (l1), and for a TransformedTargetRegressor, whose likelihood is not
    that of y.
    """
    with argument_name(argument):
        if select and hasattr(X, "columns") and hasattr(estimator, "feature_names_in_"):
            X = X[list(estimator.feature_names_in_)]
        inside, X, names = open_up(estimator, X, location)
        if not hasattr(inside, "fit"):
            raise TypeError(f"{argument} must be a fitted estimator; got an object of class {type(inside).__name__}.")
        check_is_fitted(inside)
        model = _read(inside, names)
    if inside is not estimator:
        read_features = model.read_features
        model = replace(
            model, read_features=lambda X, offset: read_features(open_up(estimator, X, location)[1], offset)
        )
    return model, X


def read_location(argument: str, estimator: Any, X: Any) -> tuple[FittedModel, Any]:
    """Return the same, and of a distribution around an estimator what its predictions are: that estimator's."""
    around = open_up(estimator, None)[0]
    model, X = read_estimator(argument, estimator, X, location=True)
    return replace(model, location_of=type(around).__name__) if hasattr(around, "_location") else model, X


def open_up(estimator: Any, X: Any, location: bool = False) -> tuple[Any, Any, Any]:
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
        elif location and hasattr(estimator, "_location"):
            estimator = estimator._location()
        elif isinstance(estimator, Pipeline):
            check_is_fitted(estimator)
            if len(estimator.steps) > 1:
                before = estimator[:-1]
                X = None if X is None else before.transform(X)
                names = None
                with suppress(AttributeError, ValueError):  # some transformers cannot tell
                    names = before.get_feature_names_out()
            estimator = estimator.steps[-1][1]
        else:
            return estimator, X, names


def _read(estimator: Any, feature_names: Any) -> FittedModel:
    if hasattr(estimator, "_fitted_model"):
        return estimator._fitted_model(feature_names)
    for kind in (cls.__name__ for cls in type(estimator).__mro__):
        if kind in READERS:
            return replace(READERS[kind](estimator), features=feature_names_of(estimator, feature_names))
    raise TypeError(
        f"The estimator is a {type(estimator).__name__}, which infer does not support. It supports this "
        f"package's estimators, and scikit-learn's {', '.join(list(READERS)[:-1])} and {list(READERS)[-1]} "
        "(also inside a Pipeline or a search, frozen or thresholded)."
    )
