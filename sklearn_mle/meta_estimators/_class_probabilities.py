"""The predictions of a fitted classifier, as probabilities of given classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from sklearn_mle._numerics.arguments import first_not_finite
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.estimators._labels import codes_of
from sklearn_mle.meta_estimators._base import will_have_methods
from sklearn_mle.metrics._responses import innermost


def response_of(estimator: Any) -> str:
    """Return the name of the method that gives an estimator's probabilities, or its decision values.

    Raises
    ------
    TypeError
        If it has neither ``predict_proba`` nor ``decision_function``, or is no estimator.
    """
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(f"estimator must be a classifier (an instance with fit); got {estimator!r}.")
    for name in ("predict_proba", "decision_function"):
        if hasattr(estimator, name):
            return name
    if will_have_methods(estimator):
        return "predict_proba"
    raise TypeError(
        f"estimator must have predict_proba or decision_function, but {type(estimator).__name__} has neither: there is "
        "nothing to calibrate."
    )


def class_probabilities(model: Any, X: Any, rows: NDArray[np.intp], classes: NDArray[Any]) -> Array:
    """Return a model's predictions of rows as probabilities of ``classes``; classes that it never saw have zero.

    Decision values are log-odds, or log-probabilities up to a constant. ``rows`` are the numbers of the rows.

    Raises
    ------
    ValueError
        If the numbers are not finite, are negative, or are none of the model's classes.
    """
    name = response_of(model)
    values = np.asarray(getattr(model, name)(X), dtype=np.float64)
    if not np.isfinite(values).all():
        row = rows[first_not_finite(values.reshape(len(values), -1))]
        raise ValueError(
            f"estimator: {name} of {type(model).__name__} is not finite in row {row}: some estimators return "
            "this for a class whose rows all have weight zero. Drop such rows, or use an estimator that can "
            "handle them."
        )
    if name == "decision_function":
        values = np.stack([expit(-values), expit(values)], axis=1) if values.ndim == 1 else softmax(values, axis=1)
    total = values.sum(axis=1, keepdims=True)
    if values.min(initial=0.0) < 0 or (total == 0).any():
        raise ValueError(
            f"estimator: {name} of {type(model).__name__} must give probabilities >= 0, and in each row "
            "some that are positive."
        )
    values /= total
    known = np.asarray(model.classes_)
    absent = sorted(set(known.tolist()).difference(classes.tolist()), key=str)
    if absent:
        raise ValueError(
            f"estimator: it was fitted to the classes {absent}, of which y has no row; the classes of y "
            f"are {classes.tolist()}. Give rows of each class that it knows."
        )
    own = codes_of(known, classes)
    inside = _who_decides(model)
    if name == "decision_function" and len(own) > 2 and getattr(inside, "decision_function_shape", "") == "ovo":
        raise ValueError(
            f"estimator: decision_function_shape='ovo' of {type(inside).__name__} gives a decision value for "
            "each pair of classes, which is no log-probability of a class. Use decision_function_shape='ovr'."
        )
    if len(own) != values.shape[1]:
        raise ValueError(
            f"estimator: {name} of {type(model).__name__} has {values.shape[1]} columns for {len(own)} classes."
        )
    probabilities = np.zeros((len(values), len(classes)))
    probabilities[:, own] = values
    return probabilities


def _who_decides(model: Any) -> Any:
    """Return the fitted estimator whose decision values a model (a pipeline, selection or stack) passes on."""
    while True:
        model = innermost(model)
        inside = getattr(model, "final_estimator_", getattr(model, "estimator_", None))
        if inside is None:
            return model
        model = inside
