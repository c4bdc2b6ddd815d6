"""Fitting likelihoods with a kink (laplace, asymmetric_laplace): the check loss exactly, then the scale."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit.outcome import Outcome, power_of_largest, without_offset
from sklearn_mle._fit.perfect import perfect_warning
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._quantile.least_norm import with_least_norm
from sklearn_mle._quantile.minimize import CheckLoss, Optimum
from sklearn_mle._rank import find_dependence, rank_doubts, rank_warning
from sklearn_mle._solvers import Status
from sklearn_mle.likelihoods._families import LocationScale
from sklearn_mle.likelihoods._start import weighted_quantile

__all__ = ["fit_check_loss"]

Array = NDArray[Any]
Observer = Callable[[Array], bool]

_EPS = float(np.finfo(np.float64).eps)
# A gap of so many nats a row is within what rounding does to the sum over them.
_RELATIVE_ROUNDING = 1e-12


def fit_check_loss(
    likelihood: LocationScale,
    prepared: Prepared,
    options: FitOptions,
    *,
    start: Array | None,
    observer: Observer | None,
) -> FitResult:
    """Fit a likelihood whose standard NLL is a check loss: a multiple of z above zero, another of -z below.

    A constant scale without a prior is the mean loss at the location that minimizes it, whatever the scale. With a
    prior, which is relative to the noise, the two are estimated together.

    Parameters
    ----------
    likelihood : LocationScale
        Not smooth: ``Laplace`` or ``AsymmetricLaplace``.
    prepared : Prepared
    options : FitOptions
        ``tol`` is of no concern: the optimum is exact, at rounding.
    start : ndarray of shape (2, p + 1) or None
        Of no concern either: the optimum does not depend on it.
    observer : callable or None
        Sees coefficients in the units of X and y.
    """
    lower, upper = slopes(likelihood)
    outcome = robust_outcome(prepared, upper / (upper - lower), centre=options.fit_intercept)
    identification, asked = None, options.terms[0]
    if prepared.alpha == 0 and asked.columns:
        identification = find_dependence(outcome.data, prepared.columns, asked)
    warnings: list[Warning] = [] if identification is None else [rank_warning(identification, prepared.names)]
    if prepared.alpha == 0:
        warnings += rank_doubts(outcome.data, prepared.columns, prepared.names, asked)
    own = asked.indices(prepared.data.n_columns)
    active = own[~prepared.columns.constant[own]] if identification is None else identification.active
    predictors = LinearPredictors(prepared.data.n_columns, [asked.restricted(active, prepared.data.n_columns)])
    known = options.terms_of(2)[1].known
    known = None if known is None else known / outcome.unit
    prior = np.append(prepared.alpha / np.square(prepared.columns.scale), 0.0)[predictors.used[0]]
    silent = float(np.abs(outcome.data.y).max()) <= 8 * outcome.noise
    joint = bool(prior.any()) and known is None and not silent
    problem = CheckLoss(
        outcome.data,
        predictors,
        lower,
        upper,
        prior if known is None else prior / known,
        8 * outcome.noise,
        joint,
    )

    def full(theta: Array, scale: float | None = None) -> Array:
        """Return (location, log scale) coefficients."""
        if joint:
            theta, scale = theta[:-1] / theta[-1], 1 / theta[-1]
        matrix = np.zeros((2, predictors.n_columns + 1))
        matrix[:1] = predictors.matrix(theta)
        with np.errstate(divide="ignore"):
            matrix[1, -1] = np.log(1.0 if scale is None else scale)
        return matrix

    def watch(theta: Array) -> bool:
        if observer is None:
            return False
        scale = known
        if known is None and not joint:
            # The scale that goes with this location: without it an observer would see the last iteration jump.
            scale = max(problem.value(theta) / outcome.weight_sum, float(np.finfo(np.float64).tiny))
        return observer(outcome.to_original(full(theta, scale)))

    optimum = _nothing(problem) if silent and prior.any() else problem.minimize(options.max_iter, watch)
    if not prior.any() and not optimum.status.early:

        def coefficients(theta: Array) -> Array:
            matrix = predictors.matrix(theta)
            if identification is not None:
                matrix = identification.minimum_norm(matrix, prepared.columns)
            return matrix[0, :-1] / prepared.columns.scale

        optimum = with_least_norm(problem, optimum, coefficients)
    loss = optimum.loss / optimum.theta[-1] if joint else optimum.loss
    total = outcome.weight_sum
    if known is not None:
        scale = known
    elif joint:
        scale = 1 / float(optimum.theta[-1])
    else:
        rounding = outcome.noise + _EPS * float(np.abs(optimum.theta).sum())
        perfect = loss <= 8 * rounding * total
        scale = 0.0 if perfect else loss / total
        if perfect:
            warnings.append(perfect_warning("scale", "zero"))
    matrix = full(optimum.theta, scale)
    if identification is not None:
        matrix[:1] = identification.minimum_norm(matrix[:1], prepared.columns)
    if scale == 0:
        log_likelihood, gap = np.inf, 0.0
    else:
        constant = float(likelihood.standard_nll(np.zeros(1))[0]) + np.log(scale) + np.log(outcome.unit)
        log_likelihood = -total * constant - loss / scale
        gap = optimum.gap if joint else optimum.gap / scale
    return FitResult(
        coefficients=outcome.to_original(matrix),
        scale=scale * outcome.unit,
        log_likelihood=float(log_likelihood) * prepared.unit,
        n_obs=prepared.n_obs,
        n_iter=max(min(1, options.max_iter), optimum.n_iter),
        n_passes=outcome.n_passes,
        gap=float(gap) * prepared.unit,
        status=judged(optimum.status, float(gap) * prepared.unit, options, prepared.n_obs),
        warnings=tuple(warnings),
        n_parameters=predictors.size + int(known is None),
    )


def judged(status: Status, gap: float, options: FitOptions, n_obs: float) -> Status:
    """Return how a fit ended that was not cut short: the gap decides, which is known at the end."""
    if status.early:
        return status
    return Status.CONVERGED if gap <= max(options.tol, _RELATIVE_ROUNDING * n_obs) else Status.ROUNDING


def slopes(likelihood: LocationScale) -> tuple[float, float]:
    """Return the slopes of the standard NLL below and above zero."""
    above, below = likelihood.standard_derivatives(np.array([1.0, -1.0]))[0]
    return float(below), float(above)


def robust_outcome(prepared: Prepared, level: float, *, centre: bool) -> Outcome:
    """Return y centred at its quantile and scaled by its mean distance from it: outliers cost the others no digits."""
    data = without_offset(prepared.data)
    power = power_of_largest(data)
    relative = data.y / power
    middle = weighted_quantile(relative, data.weight, level) if centre else 0.0
    spread = float(np.average(np.abs(relative - middle), weights=data.weight))
    return Outcome.about(prepared, data, data.n_predictors, power, middle, spread)


def _nothing(problem: CheckLoss) -> Optimum:
    """Return the fit of an outcome without any variation, under a prior: no coefficients, no noise."""
    theta = np.zeros(problem.size)
    return Optimum(theta, 0.0, np.zeros(problem.data.n_rows), np.arange(problem.data.n_rows), 0.0, Status.CONVERGED, 1)
