"""Classes without weight: the others are fitted without them, and they get a probability near zero."""

import math
from dataclasses import replace
from functools import partial

import numpy as np

from sklearn_mle._curvature import Curvature
from sklearn_mle._existence.limit import class_in_words
from sklearn_mle._fit.result import FitResult
from sklearn_mle._fit.strategy import Strategy
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.likelihoods import Bernoulli, Categorical

# By how many nats in all the absent classes' probabilities lower the log-likelihood, each: no intercept is infinite.
_LITTLE = 1e-12
# From the one predictor of two classes to a predictor for each.
_HALVES = np.array([[-0.5], [0.5]])


def fit_without(absent: Array, n_classes: int, fit: Strategy) -> FitResult:
    """Fit the classes that have weight; the absent ones are given so low a probability that it costs nothing."""
    prepared, class_names = fit.prepared, fit.class_names
    present = np.setdiff1d(np.arange(n_classes), absent)
    if len(present) == 1:  # it is certain
        nothing = Solution(np.zeros(0), 0.0, np.zeros(0), 0.0, None, 0.0, Status.CONVERGED, 1)
        result = fit.result(np.zeros((1, prepared.data.n_columns + 1)), 0.0, nothing, 0)
    else:
        result = _among(present, n_classes, fit)
    matrix = result.coefficients
    if len(present) == 2:
        matrix = _HALVES @ matrix
    full = np.zeros((n_classes, matrix.shape[1]))
    full[present] = matrix
    # No column moves the absent classes. The coefficients of the others sum to zero, so that the largest of their
    # predictors is nowhere below the mean of their intercepts (and of their offsets).
    least = matrix[:, -1].mean()
    if prepared.data.n_offsets:
        least -= prepared.data.reduce_target(partial(_offset_rise, present, absent))[0].value
    full[absent, -1] = least + math.log(_LITTLE / prepared.n_obs)
    full -= full.mean(axis=0)
    named = ", ".join(class_in_words(k, class_names) for k in absent)
    warning = SeparationWarning(
        f"{named}: every row has weight zero, so no finite maximum likelihood estimate exists (the probability "
        "goes to zero). The class stays in classes_ with a probability near zero; the other classes are fitted "
        "without it."
    )
    if n_classes == 2:
        full = full[1:] - full[:1]
    return replace(
        result,
        coefficients=full,
        warnings=(*result.warnings, warning),
        curvature=None if result.curvature is None else _among_all(result.curvature, present, absent),
        gap=result.gap + len(absent) * _LITTLE,
        n_passes=prepared.data.n_passes,
        exists=False,
    )


def _among(present: Array, n_classes: int, fit: Strategy) -> FitResult:
    """Return the fit of the classes that have weight."""
    two, prepared = len(present) == 2, fit.prepared
    smaller = replace(
        prepared,
        data=prepared.data.with_target(partial(_of_present, present, n_classes), len(present)),
        # Half the difference of two classes is a coefficient of each, and the prior is on both.
        prior=prepared.prior.times(0.5) if two else prepared.prior,
        row_numbers=None,
    )
    names = None if fit.class_names is None else [fit.class_names[k] for k in present]
    likelihood = Bernoulli() if two else Categorical(len(present))
    return type(fit)(likelihood, smaller, fit.options, None, names).run(None)


def _of_present(present: Array, n_classes: int, y: Array, offset: Array | None) -> tuple[Array, Array | None]:
    """Return labels and offsets of the classes that are left; of two, the second's."""
    offset = None if offset is None else offset[present]
    if y.ndim == 2:
        y = y[present]
    else:
        codes = np.zeros(n_classes, dtype=np.intp)
        codes[present] = np.arange(len(present))
        y = codes[y]
    if len(present) > 2:
        return y, offset
    y = (y[1] if y.ndim == 2 else y).astype(np.float64)
    return y, None if offset is None else (offset[1] - offset[0])[None]


def _offset_rise(present: Array, absent: Array, y: Array, weight: Array | None, offset: Array | None) -> tuple[Largest]:
    """Return by how much the offsets of absent classes are above the mean of the others', at most."""
    assert offset is not None
    if len(offset) == 1:  # of two classes: the second's against the first
        offset = np.concatenate([np.zeros_like(offset), offset])
    return (Largest(float((offset[absent] - offset[present].mean(axis=0)).max())),)


def _among_all(curvature: Curvature, present: Array, absent: Array) -> Curvature:
    """Return the curvature with the absent classes in it: their coefficients are not determined."""
    n_classes = len(present) + len(absent)
    centred = np.eye(n_classes) - 1 / n_classes
    predictors = curvature.predictors
    # Of two classes left the second's coefficients are against the first's.
    to_classes = _HALVES if predictors.contrast is None else np.eye(len(present))
    contrast = _HALVES if predictors.contrast is None else predictors.contrast
    divergent = [] if curvature.divergent is None else list(centred[:, present] @ (to_classes @ curvature.divergent))
    divergent += [np.outer(centred[:, k], entry) for k in absent for entry in np.eye(predictors.shape[1])]
    identification = curvature.identification
    return replace(
        curvature,
        predictors=LinearPredictors(predictors.n_columns, predictors.terms, centred[:, present] @ contrast),
        divergent=np.stack(divergent),
        identification=None if identification is None else [identification[0]] * n_classes,
    )
