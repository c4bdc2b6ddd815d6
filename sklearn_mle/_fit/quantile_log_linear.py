"""Fitting likelihoods with a kink and a log-linear scale: the location and the log scale by turns, each exactly.

Given the log scales the location minimizes a weighted check loss; given the location the log scales minimize a smooth
convex function. Where neither block can gain, no direction descends, for the kinks do not involve the log scale. The
two are uncorrelated in the expected information, so few turns are needed; and the location moves from vertex to vertex,
so that the last turn only confirms the one before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sklearn_mle._existence import floor_of, is_saturated, saturation_warning, unbounded_warning
from sklearn_mle._fit.outcome import Outcome
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.quantile import fit_check_loss, judged, robust_outcome, slopes
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._fit.solve import solve
from sklearn_mle._hessian_factors import absolute_factor
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._quantile.least_norm import with_least_norm
from sklearn_mle._quantile.minimize import CheckLoss, Optimum
from sklearn_mle._rank import Identification, find_dependence
from sklearn_mle._solvers import Solution, Status, callback_of, newton
from sklearn_mle.likelihoods._families import LocationScale
from sklearn_mle.likelihoods._surrogates import ScaleFloor

__all__ = ["fit_check_loss_log_linear"]

Array = NDArray[Any]
Observer = Callable[[Array], bool]

# A location that moves by no more, in standardized units, has arrived; without a prior it stays at a vertex.
_STILL = 1e-11
# Turns that gain less than tol: under a prior they gain digits, up to the rounding of ill-conditioned columns.
_IDLE_TURNS = 10
_ROUGH = 1e-2


def fit_check_loss_log_linear(
    likelihood: LocationScale,
    prepared: Prepared,
    options: FitOptions,
    *,
    start: Array | None,
    observer: Observer | None,
) -> FitResult:
    """Fit the location and the log scale; ``start`` and what the observer sees are in the units of X and y.

    The gap is the sum of what each of the two could gain alone.
    """
    constant_scale = replace(options, terms=options.terms[:1])
    constant = fit_check_loss(likelihood, prepared, constant_scale, start=None, observer=observer)
    if constant.status is Status.STOPPED:
        return replace(constant, scale=None)
    asked = options.terms[1]
    of_scale = find_dependence(prepared.data, prepared.columns, asked)
    saturated = of_scale is not None and is_saturated(prepared.data, of_scale)
    if saturated and constant.scale:
        return replace(constant, scale=None, warnings=(*constant.warnings, saturation_warning()))
    turns = _Turns(likelihood, prepared, options, of_scale, observer)
    rank_warnings = constant.warnings if constant.scale else constant.warnings[:-1]
    if not constant.scale:
        return turns.degenerate(constant, rank_warnings)
    return turns.run(turns.better(constant.coefficients, start), rank_warnings)


class _Turns:
    """One fit; built, run once, thrown away."""

    def __init__(
        self,
        likelihood: LocationScale,
        prepared: Prepared,
        options: FitOptions,
        of_scale: Identification | None,
        observer: Observer | None,
    ) -> None:
        self.likelihood, self.prepared, self.options, self.observer = likelihood, prepared, options, observer
        self.slopes = slopes(likelihood)
        level = self.slopes[1] / (self.slopes[1] - self.slopes[0])
        self.outcome: Outcome = robust_outcome(prepared, level, centre=options.fit_intercept)
        data, columns, p = self.outcome.data, prepared.columns, self.outcome.data.n_columns
        location, scale = options.terms
        varying, scale_varying = (own[~columns.constant[own]] for own in (location.indices(p), scale.indices(p)))
        self.of_location = None
        if location.columns:
            self.of_location = find_dependence(data, columns, location)
        self.of_scale = of_scale
        free = varying if self.of_location is None or prepared.alpha else self.of_location.active
        self.location = LinearPredictors(data.n_columns, [replace(location, active=free)])
        scale_terms = Terms(True, True, scale_varying if of_scale is None else of_scale.active)
        self.scale = LinearPredictors(data.n_columns, [Terms(False, False), scale_terms])
        self.floor = floor_of(likelihood, data)
        form = np.zeros((1, data.n_columns + 1))
        form[0, :-1] = prepared.alpha / np.square(columns.scale)
        self.precision = self.location.theta(form)
        mean = np.zeros((2, data.n_columns + 1))
        mean[1, :-1] = data.column_means()
        mean[1, -1] = 1
        self.mean_log_scale = self.scale.theta(mean)

    def better(self, constant: Array, start: Array | None) -> Array:
        """Return the better of two starts, coefficients of the standardized problem of shape (2, p + 1)."""
        first = self.outcome.to_standardized(constant)
        if start is None:
            return first
        second = self.outcome.to_standardized(start)
        values = [
            self._of_scale(self.location.theta(matrix[:1])).value_and_gradient(self.scale.theta(matrix))[0]
            for matrix in (first, second)
        ]
        return second if values[1] < values[0] else first

    def run(self, start: Array, warnings: tuple[Warning, ...]) -> FitResult:
        """Return the fit from a start."""
        theta, log_scale = self.location.theta(start[:1]), self.scale.theta(start)
        optimum: Optimum | None = None
        status, n_iter, idle = Status.MAX_ITER, 0, 0
        while True:
            objective = self._of_scale(theta)
            solution = self._log_scale(objective, log_scale, partial(self._watch, theta))
            log_scale = solution.theta
            if solution.status is Status.STOPPED:
                # How much the location alone could gain is not known, and would cost passes.
                return self._result(theta, log_scale, solution, np.inf, Status.STOPPED, n_iter + 1, warnings)
            problem = self._of_location(log_scale)
            optimum = self._location(problem, optimum, partial(self._watch, log_scale=log_scale))
            gain = problem.value(theta) - problem.value(optimum.theta)
            if gain < 0 and optimum.status.early:
                optimum, gain = replace(optimum, theta=theta), 0.0
            n_iter = min(n_iter + 1, self.options.max_iter)
            if optimum.status.early:
                theta, status = optimum.theta, optimum.status
                break  # an inexact location has no vertex to stay at, so more turns would not end
            change = float(np.abs(optimum.theta - theta).max(initial=0.0))
            still = change <= _STILL * (1 + float(np.abs(theta).max(initial=0.0)))
            idle = idle + 1 if gain <= 0.1 * self.options.tol else 0
            if idle and (still or idle == _IDLE_TURNS):
                status = Status.CONVERGED
                break
            theta = optimum.theta
            if self._watch(theta, log_scale):
                status = Status.STOPPED
                break
            if n_iter >= self.options.max_iter:
                break
        if status is Status.CONVERGED and not self.precision.any():
            optimum = with_least_norm(problem, optimum, self._coefficients)
            theta = optimum.theta
        return self._result(theta, log_scale, solution, optimum.gap + max(gain, 0.0), status, n_iter, warnings)

    def degenerate(self, constant: FitResult, warnings: tuple[Warning, ...]) -> FitResult:
        """Return the location that fits every row, with the scale stopped at its floor."""
        matrix = np.zeros_like(constant.coefficients)
        known = constant.coefficients.copy()
        known[1] = 0
        matrix[0] = self.outcome.to_standardized(known)[0]
        assert self.floor is not None
        # Every row fitted exactly: the soft floor balances one nat per unit of log scale here.
        matrix[1, -1] = self.floor - 1
        nothing = np.zeros(0)
        solution = Solution(nothing, 0.0, nothing, 0.0, None, 0.0, Status.CONVERGED, 1)
        theta, log_scale = self.location.theta(matrix[:1]), self.scale.theta(matrix)
        return self._result(theta, log_scale, solution, 0.0, Status.CONVERGED, 1, warnings)

    def _watch(self, theta: Array, log_scale: Array) -> bool:
        if self.observer is None:
            return False
        return self.observer(self.outcome.to_original(self._matrix(theta, log_scale)))

    def _log_scale(self, objective: PenalizedNLL, start: Array, observer: Observer) -> Solution:
        """Return the optimum of the log scale's coefficients."""
        found = solve(objective, start, self.options, null_value=np.inf, observer=observer)
        if found.status in (Status.CONVERGED, Status.STOPPED):
            return found
        # A row that is fitted exactly and has a column to itself is linear in the log scale, down to the floor: there
        # Newton's step has no length, and that of the expected information takes its place.
        result = minimize(
            objective.value,
            start,
            jac=objective.gradient,
            method=newton,
            callback=callback_of(observer),
            options={
                "safe_factor": partial(absolute_factor, objective),
                "tol": _ROUGH,
                "maxiter": self.options.max_iter,
                "reference": np.inf,
                "polish": 0,
            },
        )
        near = Solution.of(result)
        if near.status is Status.STOPPED:
            return near
        return solve(objective, near.theta, self.options, null_value=np.inf, observer=observer)

    def _location(self, problem: CheckLoss, previous: Optimum | None, observer: Observer) -> Optimum:
        """Return the location's optimum: its rows at zero mostly stay as the weights change, and need only a proof."""
        if previous is not None:
            still = problem.again(previous)
            if still is not None and still.gap <= 0.01 * self.options.tol:
                return still
        return problem.minimize(self.options.max_iter, observer)

    def _of_scale(self, theta: Array) -> PenalizedNLL:
        """Return the objective in the log scale's coefficients, the location as given."""
        data = self.outcome.data
        matrix = self.location.matrix(theta)
        offset = np.zeros((2, data.n_rows))
        offset[0] = np.concatenate(data.map_rows(lambda block: self.location.eta(block.rows, matrix, None)[0]))
        rows = data.with_values(data.y, data.weight, offset, 2)
        assert self.floor is not None
        penalty = _PriorOfScale(0.5 * float(self.precision @ np.square(theta)), self.mean_log_scale)
        return PenalizedNLL(ScaleFloor(self.likelihood, self.floor), self.scale, rows, penalty)

    def _of_location(self, log_scale: Array) -> CheckLoss:
        """Return the location's check loss, in nats, the log scales as given."""
        data = self.outcome.data
        matrix = self.scale.matrix(log_scale)
        eta = np.concatenate(data.map_rows(lambda block: self.scale.eta(block.rows, matrix, None)[1]))
        weight = np.exp(-eta) if data.weight is None else data.weight * np.exp(-eta)
        rows = data.with_values(data.y, weight)
        shrink = float(np.exp(-2 * (self.mean_log_scale @ log_scale)))
        return CheckLoss(rows, self.location, *self.slopes, self.precision * shrink)

    def _matrix(self, theta: Array, log_scale: Array) -> Array:
        return np.concatenate([self.location.matrix(theta), self.scale.matrix(log_scale)[1:]])

    def _coefficients(self, theta: Array) -> Array:
        matrix = self.location.matrix(theta)
        if self.of_location is not None:
            matrix = self.of_location.minimum_norm(matrix, self.prepared.columns)
        return matrix[0, :-1] / self.prepared.columns.scale

    def _result(
        self,
        theta: Array,
        log_scale: Array,
        solution: Solution,
        gap: float,
        status: Status,
        n_iter: int,
        warnings: tuple[Warning, ...],
    ) -> FitResult:
        outcome, prepared = self.outcome, self.prepared
        objective = self._of_scale(theta)
        log_likelihood = -PenalizedNLL(self.likelihood, self.scale, objective.data, NoPenalty()).nll(log_scale)
        matrix = self._matrix(theta, log_scale)
        assert self.floor is not None
        eta = np.concatenate(objective.data.map_rows(lambda block: self.scale.eta(block.rows, matrix, None)[1]))
        below = np.flatnonzero(eta < self.floor)
        if len(below):
            warnings = (
                *warnings,
                unbounded_warning(self.likelihood, matrix, prepared.row_names(below), prepared.names),
            )
        if self.of_location is not None and not prepared.alpha:
            matrix[:1] = self.of_location.minimum_norm(matrix[:1], prepared.columns)
        if self.of_scale is not None:
            matrix[1:] = self.of_scale.minimum_norm(matrix[1:], prepared.columns)
        return FitResult(
            coefficients=outcome.to_original(matrix),
            scale=None,
            log_likelihood=float(log_likelihood - outcome.log_jacobian) * prepared.unit,
            n_obs=prepared.n_obs,
            n_iter=n_iter,
            n_passes=outcome.n_passes,
            gap=float(solution.gap + gap) * prepared.unit,
            status=judged(status, float(solution.gap + gap) * prepared.unit, self.options, prepared.n_obs),
            warnings=warnings,
            n_parameters=self.location.size + self.scale.size,
        )


@dataclass(frozen=True)
class _PriorOfScale:
    r"""A prior relative to the noise as the log scale sees it: :math:`c\, e^{-2 m^\top \theta}`, convex."""

    size: float
    mean_log_scale: Array
    convex = True

    def _value(self, theta: Array) -> float:
        return self.size * float(np.exp(-2 * (self.mean_log_scale @ theta)))

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        value = self._value(theta)
        return value, -2 * value * self.mean_log_scale

    def add_hessian(self, matrix: Array, theta: Array) -> Array:
        matrix += 4 * self._value(theta) * np.multiply.outer(self.mean_log_scale, self.mean_log_scale)
        return matrix

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        return 4 * self._value(theta) * float(self.mean_log_scale @ vector) * self.mean_log_scale

    def root(self, theta: Array) -> Array:
        return 2 * np.sqrt(self._value(theta)) * self.mean_log_scale[None]
