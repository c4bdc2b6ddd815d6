"""Classes without weight: the others are fitted without them, and they are put back with a probability near zero."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.curvature import Curvature
from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.existence import SEPARATION_PRIOR
from sklearn_mle.fitting.prepare import Prepared
from sklearn_mle.fitting.result import FitResult
from sklearn_mle.likelihoods import Bernoulli, Categorical
from sklearn_mle.linear_predictors import LinearPredictors

__all__ = ["fit_without"]

Array = NDArray[Any]


def fit_without(
    absent: Array,
    n_classes: int,
    prepared: Prepared,
    class_names: Any,
    fit: Callable[[Bernoulli | Categorical, Prepared, Any], FitResult],
) -> FitResult:
    """Fit the classes that have weight; the absent ones are given a probability near SEPARATION_PRIOR.

    Parameters
    ----------
    absent : ndarray of int
        Classes without weight.
    n_classes : int
    prepared : Prepared
    class_names : sequence or None
    fit : callable
        (likelihood, prepared, class names) to the fit of the classes that are left.
    """
    present = np.setdiff1d(np.arange(n_classes), absent)
    reduced: Bernoulli | Categorical = Bernoulli() if len(present) == 2 else Categorical(len(present))
    smaller = Prepared(
        prepared.data.with_target(OfPresent(present, n_classes), len(present)),
        prepared.columns,
        prepared.unit,
        prepared.n_obs,
        prepared.alpha,
        prepared.feature_names,
    )
    names = None if class_names is None else [class_names[k] for k in present]
    result = fit(reduced, smaller, names)
    matrix = result.coefficients
    if len(present) == 2:
        matrix = np.concatenate([-0.5 * matrix, 0.5 * matrix])
    full = np.zeros((n_classes, matrix.shape[1]))
    full[present] = matrix
    # At the columns' centre the absent classes lie this far below the rarest one; no column moves them.
    centre = matrix[:, -1] + matrix[:, :-1] @ prepared.columns.shift
    full[absent, -1] = centre.min() + np.log(SEPARATION_PRIOR)
    full -= full.mean(axis=0)
    curvature = result.curvature
    if curvature is not None:
        curvature = _among_all(curvature, present, absent)
    named = ", ".join(f"class {k if class_names is None else repr(class_names[k])}" for k in absent)
    warning = SeparationWarning(
        f"{named}: every row has weight zero, so no finite maximum likelihood estimate exists (the probability "
        "goes to zero). The class stays in classes_ with a probability near zero; the other classes are fitted "
        "without it."
    )
    return replace(result, coefficients=full, warnings=(*result.warnings, warning), curvature=curvature)


@dataclass(frozen=True)
class OfPresent:
    """Labels and offsets of the classes that are left; of two, the second's."""

    present: Array
    n_classes: int

    def __call__(self, y: Array, offset: Array | None) -> tuple[Array, Array | None]:
        offset = None if offset is None else offset[self.present]
        if y.ndim == 2:
            y = y[self.present]
        else:
            codes = np.zeros(self.n_classes, dtype=np.intp)
            codes[self.present] = np.arange(len(self.present))
            y = codes[y]
        if len(self.present) > 2:
            return y, offset
        y = (y[1] if y.ndim == 2 else y).astype(np.float64)
        return y, None if offset is None else (offset[1] - offset[0])[None]


def _among_all(curvature: Curvature, present: Array, absent: Array) -> Curvature:
    """Return the curvature with the absent classes in it: their coefficients are not determined."""
    n_classes = len(present) + len(absent)
    centred = np.eye(n_classes) - 1 / n_classes
    predictors = curvature.predictors
    contrast = np.array([[-0.5], [0.5]]) if predictors.contrast is None else predictors.contrast
    divergent = [] if curvature.divergent is None else list(curvature.divergent)
    if predictors.contrast is None:
        divergent = [contrast * change for change in divergent]
    width = predictors.shape[1]
    divergent = [centred[:, present] @ change for change in divergent]
    divergent += [np.outer(centred[:, k], entry) for k in absent for entry in np.eye(width)]
    identification = curvature.identification
    return replace(
        curvature,
        predictors=LinearPredictors(predictors.n_columns, predictors.terms, centred[:, present] @ contrast),
        divergent=np.stack(divergent),
        identification=None if identification is None else [identification[0]] * n_classes,
    )
