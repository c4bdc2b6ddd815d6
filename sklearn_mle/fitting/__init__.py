"""Floor 5: start -> precondition -> solve -> certify -> FitResult."""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.fitting.check_loss import fit_check_loss
from sklearn_mle.fitting.gaussian import fit_gaussian
from sklearn_mle.fitting.logistic import fit_logistic
from sklearn_mle.fitting.prepare import prepare
from sklearn_mle.fitting.result import FitOptions, FitResult
from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian, Likelihood
from sklearn_mle.likelihoods._location_scale import LocationScale
from sklearn_mle.numerics.threads import single_threaded_blas

__all__ = ["FitOptions", "FitResult", "fit"]

Array = NDArray[Any]


def fit(
    likelihood: Likelihood,
    X: Any,
    y: Array,
    *,
    sample_weight: Array | None = None,
    offset: Array | None = None,
    options: FitOptions | None = None,
    start: Array | None = None,
    observer: Callable[[int, Array], bool | None] | None = None,
    feature_names: Any = None,
    class_names: Any = None,
) -> FitResult:
    """Fit a likelihood to validated data.

    Parameters
    ----------
    likelihood : Likelihood
    X : ndarray or CSR matrix of shape (n, p)
    y : ndarray of shape (n,) or (n, K)
    sample_weight : ndarray of shape (n,) or None
        Nonnegative, with a positive sum.
    offset : ndarray of shape (n,) or (n, K) or None
    options : FitOptions or None
    start : ndarray of shape (q, p + 1) or None
        The coefficients of an earlier fit.
    observer : callable or None
        ``observer(iteration, coefficients)`` is called once an iteration; a true answer stops the fit.
    feature_names, class_names : sequence or None
        For the texts of warnings.

    Returns
    -------
    FitResult

    Raises
    ------
    ValueError
        If the data have no answer at all: fewer than two classes with weight.
    """
    options = FitOptions() if options is None else options
    watched = _counted(observer, options.verbose)
    if offset is not None:
        offset = np.atleast_2d(offset.T)
    with single_threaded_blas:
        prepared = prepare(X, y.T, sample_weight, offset, likelihood.n_predictors, options, feature_names)
        if isinstance(likelihood, Bernoulli | Categorical):
            result = fit_logistic(likelihood, prepared, options, start=start, observer=watched, class_names=class_names)
        elif isinstance(likelihood, Gaussian):
            result = fit_gaussian(likelihood, prepared, options, start=start, observer=watched)
        elif isinstance(likelihood, LocationScale) and not likelihood.smooth:
            result = fit_check_loss(likelihood, prepared, options, start=start, observer=watched)
        else:
            raise TypeError(f"likelihood: no fit is known for {type(likelihood).__name__}")
    if options.verbose:
        print(f"{result.status.message}; {result.n_passes} passes, gap {result.gap:.2g} nats")
    return result


def _counted(observer: Callable[[int, Array], bool | None] | None, verbose: int) -> Callable[[Array], bool] | None:
    """Return an observer of coefficients that counts iterations, or None when nobody watches."""
    if observer is None and not verbose:
        return None
    numbers = count(1)

    def watch(coefficients: Array) -> bool:
        iteration = next(numbers)
        if verbose:
            print(f"iteration {iteration}")
        return observer is not None and bool(observer(iteration, coefficients))

    return watch
