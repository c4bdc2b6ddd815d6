"""Fitting a location and a log-linear scale jointly, and what is said when the likelihood is unbounded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.curvature import Curvature
from sklearn_mle.exceptions import UnboundedLikelihoodWarning
from sklearn_mle.fitting.leave_behind import final_factor
from sklearn_mle.fitting.outcome import RealOutcome
from sklearn_mle.fitting.result import FitOptions
from sklearn_mle.fitting.solve import solve
from sklearn_mle.likelihoods import Gaussian
from sklearn_mle.likelihoods._least_squares import LeastSquares
from sklearn_mle.likelihoods._scale_floor import ScaleFloor
from sklearn_mle.linear_predictors import LinearPredictors, Terms
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.penalties import NoiseRelativePrior, NoPenalty, Penalty
from sklearn_mle.row_blocks import RowBlock, RowBlocks
from sklearn_mle.solvers import Solution, Status
from sklearn_mle.uniqueness import Identification, identify

__all__ = ["LOG_SCALE_FLOOR", "JointFit", "fit_log_linear"]

Array = NDArray[Any]

# Log-linear scales stop here: a millionth of the standard deviation of y.
LOG_SCALE_FLOOR = float(np.log(1e-6))
# E[log |z|] of a standard Gaussian z is -0.635: what the mean log residual must be raised by (Harvey 1976).
_MEAN_LOG_NORMAL = 0.6351814227307391
_MOST_ROWS = 100_000
# A residual that is zero by chance must not send the start to minus infinity.
_LEAST_RESIDUAL = 1e-3


@dataclass(frozen=True)
class JointFit:
    """The joint fit in the standardized problem.

    Attributes
    ----------
    matrix : ndarray of shape (2, p + 1)
    log_likelihood : float
    solution : Solution
    warnings : tuple of Warning
    curvature : Curvature or None
    """

    matrix: Array
    log_likelihood: float
    solution: Solution
    warnings: tuple[Warning, ...]
    curvature: Curvature | None


def fit_log_linear(
    likelihood: Gaussian,
    outcome: RealOutcome,
    location: LinearPredictors,
    identifications: tuple[Identification | None, Identification | None],
    coefficients: Array,
    residual_variance: float,
    precision: Array,
    options: FitOptions,
    *,
    start: Array | None,
    observer: Callable[[Array], bool] | None,
) -> JointFit:
    """Fit both predictors, from the least-squares location.

    Parameters
    ----------
    likelihood : Gaussian
    outcome : RealOutcome
    location : LinearPredictors
        Of the location alone.
    identifications : pair of (Identification or None)
        Dependences among the columns of the location, and of the log scale, which always has an intercept.
    coefficients : ndarray of shape (1, p + 1)
        The least-squares location.
    residual_variance : float
        The variance of the best constant scale; zero when the location fits every row exactly.
    precision : ndarray
        The prior's precision for the location's parameters.
    options : FitOptions
    start : ndarray of shape (2, p + 1) or None
        In the standardized problem.
    observer : callable or None
    """
    data = outcome.data
    identification = identifications[1]
    scale_columns = None if identification is None else identification.active
    predictors = LinearPredictors(data.n_columns, [location.terms[0], Terms(True, True, scale_columns)])
    objective = PenalizedNLL(ScaleFloor(likelihood, LOG_SCALE_FLOOR), predictors, data, NoPenalty())
    if precision.any():
        objective.penalty = _relative_prior(predictors, data, precision)
    saturated = identification is not None and _saturated(data, identification)
    if residual_variance == 0 or saturated:
        matrix = np.concatenate([coefficients, np.zeros_like(coefficients)])
        # Every row fitted exactly: the soft floor balances one nat per unit of log scale here.
        matrix[1, -1] = LOG_SCALE_FLOOR - 1 if residual_variance == 0 else 0.5 * np.log(residual_variance)
        solution = Solution(
            predictors.theta(matrix), 0.0, np.zeros(predictors.size), 0.0, None, 0.0, Status.CONVERGED, 1
        )
    else:
        null = np.zeros((2, data.n_columns + 1))
        null_value = objective.value_and_gradient(predictors.theta(null))[0]
        theta = _start(objective, location, coefficients, residual_variance)
        if start is not None:
            warm = predictors.theta(start)
            # A start that is worse than the null model would only mislead.
            theta = warm if objective.value_and_gradient(warm)[0] < null_value else theta
        watch = None if observer is None else lambda theta: observer(outcome.to_original(predictors.matrix(theta)))
        solution = solve(objective, theta, options, null_value=null_value, observer=watch)
    matrix = predictors.matrix(solution.theta)
    log_likelihood = -PenalizedNLL(likelihood, predictors, data, NoPenalty()).nll(solution.theta)
    below = _below_the_floor(predictors, outcome, matrix)
    warnings = [_saturation_warning()] if saturated else _unbounded(below, outcome, matrix)
    curvature = None
    if not precision.any():
        curvature = _curvature(objective, solution, identifications, below, outcome)
    return JointFit(matrix, log_likelihood, solution, tuple(warnings), curvature)


def _curvature(
    objective: PenalizedNLL,
    solution: Solution,
    identifications: tuple[Identification | None, Identification | None],
    below: Array,
    outcome: RealOutcome,
) -> Curvature | None:
    """Return the curvature at the optimum; what only rows below the floor determine counts as undetermined."""
    factor, drift = final_factor(objective, solution)
    if factor is None:
        return None
    prepared, terms = outcome.prepared, objective.predictors.terms
    divergent = None
    if len(below):
        above = np.setdiff1d(np.arange(outcome.data.n_rows), below)
        if not len(above):
            return None
        changes = []
        for j, term in enumerate(terms):
            left = identify(outcome.data.take(above), prepared.columns, intercept=term.intercept)
            null = left.null_space(prepared.columns, term.intercept)
            changes += [np.outer(np.eye(2)[j], vector) for vector in null.T]
        if not changes:
            return None
        divergent = np.stack(changes)
    return Curvature(
        factor,
        objective.predictors,
        prepared.columns,
        prepared.unit,
        identifications,
        divergent,
        response_scale=(outcome.spread, 1.0),
        drift=drift,
    )


def _saturated(data: RowBlocks, identification: Identification) -> bool:
    """Return whether the columns give every distinct row a log scale of its own."""
    rank = len(identification.active) + 1
    if data.n_rows > _MOST_ROWS:
        return False
    return len(np.unique(data.rows.standardized, axis=0)) <= rank


def _saturation_warning() -> Warning:
    return UnboundedLikelihoodWarning(
        "The likelihood is unbounded: the log scale has as many parameters as X has distinct rows, so any row's scale "
        "can shrink on its own. The best constant scale is returned (scale_coef_ is zero). Use scale='constant', fewer "
        "columns, or more rows."
    )


def _relative_prior(predictors: LinearPredictors, data: RowBlocks, precision: Array) -> Penalty:
    weight = np.ones(data.n_rows) if data.weight is None else data.weight
    form = np.zeros((2, data.n_columns + 1))
    form[1, :-1] = data.rows.transpose_matvec(weight[None])[0] / weight.sum()
    form[1, -1] = 1
    full = np.zeros(predictors.size)
    full[: len(precision)] = precision
    return NoiseRelativePrior(full, predictors.theta(form))


def _start(objective: PenalizedNLL, location: LinearPredictors, coefficients: Array, variance: float) -> Array:
    """Return the better of a constant scale and a regression of the log residuals (Harvey 1976)."""
    data, predictors = objective.data, objective.predictors
    constant = np.concatenate([coefficients, np.zeros_like(coefficients)])
    constant[1, -1] = 0.5 * np.log(variance)

    def log_residual(block: RowBlock) -> Array:
        residual = block.y - location.eta(block.rows, coefficients, None)[0]
        return np.log(np.abs(residual) + _LEAST_RESIDUAL * np.sqrt(variance)) + _MEAN_LOG_NORMAL

    logs = RowBlocks(data.rows, np.concatenate(data.map(log_residual)), data.weight)
    scale_terms = LinearPredictors(data.n_columns, [predictors.terms[1]])
    regression = PenalizedNLL(LeastSquares(), scale_terms, logs, NoPenalty())
    found = solve(regression, np.zeros(scale_terms.size), FitOptions())
    harvey = np.concatenate([coefficients, scale_terms.matrix(found.theta)])
    candidates = [predictors.theta(constant), predictors.theta(harvey)]
    values = [objective.value_and_gradient(theta)[0] for theta in candidates]
    return candidates[int(np.nanargmin(values))]


def _below_the_floor(predictors: LinearPredictors, outcome: RealOutcome, matrix: Array) -> NDArray[np.intp]:
    log_scale = np.concatenate(outcome.data.map(lambda block: predictors.eta(block.rows, matrix, None)[1]))
    return np.flatnonzero(log_scale < LOG_SCALE_FLOOR)


def _unbounded(below: NDArray[np.intp], outcome: RealOutcome, matrix: Array) -> list[Warning]:
    """Return the warning that names the rows below the floor and the columns that took them there, if any."""
    data = outcome.data
    if not len(below):
        return []
    prepared = outcome.prepared
    coef = np.abs(matrix[1, :-1])
    columns = np.flatnonzero(coef > 0.1 * coef.max(initial=0.0)) if coef.any() else np.zeros(0, dtype=int)
    through = f" through {prepared.names(columns)}" if len(columns) else ""
    rows = "every row" if len(below) == data.n_rows else prepared.row_names(below)
    return [
        UnboundedLikelihoodWarning(
            f"The likelihood is unbounded: {rows} can be fitted exactly{through} while the scale there goes to zero. "
            "The log scale was stopped at its floor, log(1e-6 sd(y)). Use scale='constant', fewer columns, or more "
            "rows."
        )
    ]
