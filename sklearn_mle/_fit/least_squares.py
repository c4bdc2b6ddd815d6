"""Fitting the Gaussian likelihood with a constant or known scale: least squares, then the scale in closed form."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._curvature import Curvature
from sklearn_mle._existence import perfect_warning
from sklearn_mle._fit.leave_behind import final_factor
from sklearn_mle._fit.outcome import Outcome
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._fit.solve import affordable, solve
from sklearn_mle._fit.start import best_of
from sklearn_mle._hessian_factors import hessian_factor, refine, worth_refining
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._numerics.factors import BlockDiagonalFactor, DiagonalFactor
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoPenalty, Penalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rank import Identification, find_dependence, rank_doubts, rank_warning
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.likelihoods import Gaussian
from sklearn_mle.likelihoods._surrogates import LeastSquares

__all__ = ["fit_least_squares"]

Array = NDArray[Any]
Observer = Callable[[Array], bool]

_EPS = float(np.finfo(np.float64).eps)
_ROUNDS = 6
# The part of y's sum of squares that residuals must keep, if their own is to be had by a difference.
_UNEXPLAINED = 1e-2


def fit_least_squares(
    likelihood: Gaussian,
    prepared: Prepared,
    options: FitOptions,
    *,
    start: Array | None,
    observer: Observer | None,
) -> FitResult:
    """Fit a Gaussian likelihood; ``start`` and what the observer sees are coefficients in the units of X and y."""
    outcome = Outcome.of(likelihood, prepared, centre=options.fit_intercept)
    identification = None
    if prepared.alpha == 0 and prepared.products is None and options.terms[0].columns:
        identification = find_dependence(outcome.data, prepared.columns, options.terms[0])
    objective, solution = _fit_location(outcome, options, identification, start, observer)
    theta = _refined(objective, solution, outcome)
    squares = 2 * _value(objective, solution, theta.rounded)
    location = objective.predictors.exact_matrix(theta)
    warnings: list[Warning] = [] if identification is None else [rank_warning(identification, prepared.names)]
    if prepared.alpha == 0 and prepared.products is None:
        warnings += rank_doubts(outcome.data, prepared.columns, prepared.names, options.terms[0])
    perfect = _is_perfect(squares, location.rounded, outcome)
    penalty = 2 * objective.penalty.value_and_gradient(theta.rounded)[0]
    known = options.terms_of(2)[1].known
    scale = _scale(known, squares, perfect, outcome, warnings)
    log_likelihood = _log_likelihood(scale, squares - penalty, outcome.weight_sum)
    gap = 0.0 if scale == 0 else solution.gap / scale / scale
    curvature = _curvature(objective, solution, identification, scale, outcome, options)
    if identification is not None:
        location = DoubleDouble.of(identification.minimum_norm(location.rounded, prepared.columns))
    nothing = DoubleDouble.of(np.zeros(location.shape))
    coefficients = outcome.to_original(DoubleDouble.concatenate([location, nothing]))
    with np.errstate(divide="ignore"):
        coefficients[1, -1] = np.log(scale * outcome.unit)
    return FitResult(
        coefficients=coefficients,
        scale=scale * outcome.unit,
        log_likelihood=float(log_likelihood - outcome.log_jacobian) * prepared.unit,
        n_obs=prepared.n_obs,
        n_iter=solution.n_iter,
        n_passes=outcome.n_passes,
        gap=float(gap) * prepared.unit,
        status=solution.status,
        warnings=tuple(warnings),
        n_parameters=objective.predictors.size + int(known is None),
        curvature=curvature,
    )


def _refined(objective: PenalizedNLL, solution: Solution, outcome: Outcome) -> DoubleDouble:
    """Return theta with the digits that an ill-conditioned design or a centred y lost."""
    theta, factor = DoubleDouble.of(solution.theta), solution.factor
    if factor is None or solution.status.early:
        return theta
    cancellation = outcome.cancellation(objective.predictors.exact_matrix(theta))
    if not worth_refining(objective, factor, cancellation):
        return theta
    exact = PenalizedNLL(objective.likelihood, objective.predictors, outcome.exact(), objective.penalty)
    return refine(exact, solution.theta, factor)


def _value(objective: PenalizedNLL, solution: Solution, theta: Array) -> float:
    if np.array_equal(theta, solution.theta):
        return solution.value
    return objective.value_and_gradient(theta)[0]


def _curvature(
    objective: PenalizedNLL,
    solution: Solution,
    identification: Identification | None,
    scale: float,
    outcome: Outcome,
    options: FitOptions,
) -> Curvature | None:
    """Return the curvature in (location, log scale); the two are uncorrelated at the maximum, and exact least squares.

    A known scale is no parameter.
    """
    location, _ = final_factor(objective, solution)
    if location is None or outcome.prepared.alpha:
        return None
    estimated = options.terms_of(2)[1].known is None
    with np.errstate(divide="ignore", over="ignore"):
        factor = location.times(float(1 / np.square(np.float64(scale))))
    predictors = objective.predictors
    return Curvature(
        BlockDiagonalFactor([factor, DiagonalFactor(np.full(int(estimated), 2 * outcome.weight_sum))]),
        LinearPredictors(predictors.n_columns, [predictors.terms[0], Terms(False, estimated)]),
        outcome.prepared.columns,
        outcome.prepared.unit,
        None if identification is None else [identification, None],
        response_scale=(outcome.unit, 1.0),
    )


def _fit_location(
    outcome: Outcome,
    options: FitOptions,
    identification: Identification | None,
    start: Array | None,
    observer: Observer | None,
) -> tuple[PenalizedNLL, Solution]:
    """Return the least-squares location, penalized by alpha."""
    prepared = outcome.prepared
    asked = options.terms[0].indices(outcome.data.n_columns)
    active = asked[~prepared.columns.constant[asked]]
    if identification is not None:
        active = identification.active
    objective = _least_squares(outcome, options, active)
    # Least squares is one Newton step: an explicit "lbfgs" would have nothing to do.
    options = replace(options, solver="auto") if options.solver == "lbfgs" else options
    null = np.zeros(objective.predictors.size)
    if observer is None and options.solver != "newton-cg":
        solved = _solved_by_products(objective, outcome, options)
        if solved is not None:
            return objective, solved
    watch = _watch(objective, outcome, observer)
    first, null_value = null, 0.5 * outcome.weight_sum
    known = options.terms_of(2)[1].known
    if start is not None and (options.solver == "newton-cg" or not affordable(objective)):
        # Conjugate gradients go on from where an earlier fit ended; a direct solution has no use for a start.
        first = best_of(objective, [null, objective.predictors.theta(outcome.to_standardized(start)[:1])])
    solution = solve(objective, first, options, null_value=None if first is null else null_value, observer=watch)
    for _ in range(_ROUNDS if solution.factor is None else 0):  # with a factor it is at rounding already
        # This gap is at unit scale; in nats it is divided by the noise's variance, which is known only now.
        variance = max(2 * solution.value / outcome.weight_sum, _EPS**2)
        if known is not None:
            variance = (known / outcome.unit) ** 2
        tol = options.tol * min(1.0, variance)
        if solution.gap <= tol or solution.status is not Status.CONVERGED:
            break
        left = replace(options, max_iter=max(options.max_iter - solution.n_iter, 0))
        again = solve(objective, solution.theta, left, tol=tol, null_value=null_value, observer=watch)
        solution = replace(again, n_iter=solution.n_iter + again.n_iter)
    return objective, solution


def _solved_by_products(objective: PenalizedNLL, outcome: Outcome, options: FitOptions) -> Solution | None:
    """Return the solution that the cross-products give, its gap bounded by all that their sums may be off by.

    None where there are no products, or that bound is above tol; and where y is explained so well that the sum of
    squares left would lose digits to the difference.
    """
    prepared, null = outcome.prepared, np.zeros(objective.predictors.size)
    if prepared.products is None or not options.max_iter:
        return None
    null_value, gradient = objective.value_gradient_hessian(null)
    factor = hessian_factor(objective, null)
    theta = -factor.solve(gradient)
    gain = 0.5 * factor.squared_norm(gradient)
    value = null_value - gain
    if not value > _UNEXPLAINED * null_value:
        return None
    coef, inverse_norm = objective.predictors.matrix(theta)[0], factor.inverse_norm
    error = prepared.products.gradient_error(prepared.columns, outcome.unit, coef)[objective.predictors.used[0]]
    # The part of the least curvature that rounding may have taken away.
    loss = prepared.products.design_error(prepared.columns) * inverse_norm**2
    gap = 0.5 * float(inverse_norm * np.linalg.norm(error)) ** 2 / max(1.0 - loss, _EPS)
    variance = 2 * value / outcome.weight_sum
    known = options.terms_of(2)[1].known
    if known is not None:
        variance = (known / outcome.unit) ** 2
    if not gap <= options.tol * min(1.0, variance, gain):
        return None
    return Solution(theta, value, np.zeros_like(theta), gap, factor, gap, Status.CONVERGED, 1)


def _least_squares(outcome: Outcome, options: FitOptions, active: Array) -> PenalizedNLL:
    data, prepared = outcome.data, outcome.prepared
    term = options.terms[0].restricted(active, data.n_columns)
    predictors = LinearPredictors(data.n_columns, [term])
    penalty: Penalty = NoPenalty()
    if prepared.alpha:
        precision = prepared.alpha / np.square(prepared.columns.scale[active])
        penalty = GaussianPrior(np.concatenate([precision, [0.0] * options.fit_intercept]))
    at_zero = None
    if prepared.products is not None:
        design, response = prepared.products.standardized(prepared.columns, float(outcome.shift[0]), outcome.unit)
        used = np.flatnonzero(predictors.used)
        at_zero = 0.5 * data.reduce_target(_squares)[0], -response[None], design[np.ix_(used, used)]
    return PenalizedNLL(LeastSquares(), predictors, data, penalty, at_zero)


def _squares(y: Array, weight: Array | None, offset: Array | None) -> tuple[float]:
    return (float(y @ y if weight is None else (y * weight) @ y),)


def _watch(objective: PenalizedNLL, outcome: Outcome, observer: Observer | None) -> Observer | None:
    if observer is None:
        return None

    def watch(theta: Array) -> bool:
        full = np.repeat(objective.predictors.matrix(theta), 2, axis=0)
        full[1] = 0
        squares = 2 * objective.value_and_gradient(theta)[0]
        full[1, -1] = 0.5 * np.log(max(squares / outcome.weight_sum, np.finfo(np.float64).tiny))
        return observer(outcome.to_original(full))

    return watch


def _is_perfect(squares: float, matrix: Array, outcome: Outcome) -> bool:
    """Return whether the residuals are no larger than the rounding of y and of the fitted values."""
    rounding = outcome.noise + _EPS * float(np.abs(matrix).sum())
    return bool(np.sqrt(squares / outcome.weight_sum) <= 8 * rounding)


def _scale(known: float | None, squares: float, perfect: bool, outcome: Outcome, warnings: list[Warning]) -> float:
    """Return the known scale, or the minimizer of n log s + squares / (2 s^2), squares including the prior's part."""
    if known is not None:
        return known / outcome.unit
    if not perfect:
        return float(np.sqrt(squares / outcome.weight_sum))
    warnings.append(perfect_warning("scale", "zero"))
    return 0.0


def _log_likelihood(scale: float, squares: float, n: float) -> float:
    if scale == 0:
        return float("inf")
    return -n * (0.5 * float(np.log(2 * np.pi)) + float(np.log(scale))) - 0.5 * squares / scale / scale
