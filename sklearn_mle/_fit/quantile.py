"""Fitting likelihoods with a kink (laplace, asymmetric_laplace): location and scale in turn, each exactly.

Given the scales the location minimizes a weighted check loss. Given the location a constant scale has a closed form,
and the coefficients of a log-linear one minimize a smooth convex function. Where neither block can gain, no direction
descends, for the kinks do not involve the scale. Without a prior the location does not depend on a constant scale, so
one turn is enough. Elsewhere the two are nearly uncorrelated, so few turns are needed; and the location moves from
vertex to vertex, so that the last turn mostly confirms the one before.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sklearn_mle._existence.unbounded import (
    dispersion_bound,
    is_saturated,
    perfect_warning,
    saturation_warning,
    unbounded_warning,
)
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._fit.solve import solve
from sklearn_mle._fit.strategy import Observer, Strategy
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoiseRelativePrior, Penalty, SumOfPenalties
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._quantile.active_set import with_least_norm
from sklearn_mle._quantile.check_loss import CheckLoss, Optimum
from sklearn_mle._quantile.minimize import least_squares, minimize_check_loss, with_same_zeros
from sklearn_mle._rank import find_dependence
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.likelihoods._families import LocationScale
from sklearn_mle.likelihoods._surrogates import BoundedDispersion

# A gap of so many nats per row is within what rounding does to the sum over them.
_RELATIVE_ROUNDING = 1e-12
# A location that moves by no more, in standardized units, has arrived; without a prior it stays at a vertex.
_STILL = 1e-11
# Turns that gain less than tol: under a prior they gain digits, up to the rounding of ill-conditioned columns.
_IDLE_TURNS = 10


class _LogLinearScale:
    """The scale's logarithm linear in the columns: its parameters, and the location's problem at any value of them."""

    def __init__(self, unit: CheckLoss, likelihood: LocationScale, prepared: Prepared, options: FitOptions) -> None:
        self.unit, self.options = unit, options
        asked, p, columns = options.terms[1], unit.data.n_columns, prepared.columns
        penalized = prepared.prior.penalizes(1)
        self.dependence = None if penalized else find_dependence(prepared.data, columns, asked)
        active = prepared.varying(asked) if self.dependence is None else self.dependence.active
        self.predictors = LinearPredictors(p, [Terms(False, False), Terms(True, True, active)])
        bound = dispersion_bound(likelihood, likelihood.start(unit.data.y, unit.data.weight))
        assert bound is not None
        self.bound, self.bounded = bound, BoundedDispersion(likelihood, bound)
        precision = np.append(prepared.precision(1), 0.0)
        self.prior = GaussianPrior(self.predictors.theta(np.stack([precision] * 2))) if penalized else None
        # The mean log scale over rows, as a linear form of the parameters.
        self.means = self.predictors.theta(np.stack([np.append(unit.data.column_means(), 1.0)] * 2))

    def eta(self, scale: Array) -> Array:
        """Return the log scale of each row."""
        matrix = self.predictors.matrix(scale)
        return np.concatenate(self.unit.data.map_rows(lambda block: self.predictors.eta(block.rows, matrix, None)[1]))

    def problem(self, scale: Array) -> CheckLoss:
        """Return the location's problem, in nats."""
        data = self.unit.data.with_values(self.unit.data.y, self.unit.weight * np.exp(-self.eta(scale)))
        precision = self.unit.precision * np.exp(-2 * float(self.means @ scale))
        return replace(self.unit, data=data, precision=precision, rounding=0.0)

    def objective(self, theta: Array) -> PenalizedNLL:
        """Return the objective in the scale's parameters, the location as given."""
        data = self.unit.data
        offset = np.stack([self.unit.matvec(theta), np.zeros(data.n_rows)])
        penalty: Penalty = NoiseRelativePrior(np.zeros_like(self.means), self.means, self.unit.squares(theta))
        if self.prior is not None:
            penalty = SumOfPenalties(penalty, 1.0, self.prior)
        return PenalizedNLL(self.bounded, self.predictors, data.with_values(data.y, data.weight, offset, 2), penalty)

    def row(self, scale: Array) -> Array:
        """Return the coefficients (p + 1,) of the log scale."""
        return self.predictors.matrix(scale)[1]

    def best(self, theta: Array, start: Array, observer: Observer) -> Solution:
        """Return the optimum at a location."""
        objective = self.objective(theta)
        return solve(objective, start, self.options, null_value=np.inf, observer=observer)


class QuantileFit(Strategy):
    """The standard NLL is a check loss: a multiple of z above zero, another of -z below.

    The gap is a bound for a constant scale; for a log-linear one it is the sum of what the location and the scale could
    gain alone.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        above, below = map(float, self.likelihood.standard_derivatives(np.array([1.0, -1.0]))[0])
        asked, scale = self.options.terms_of(2)
        self.known = None if scale.known is None else scale.known / self.target.scale
        data, prepared = self.target.data, self.prepared
        self.n = data.weight_sum
        (self.dependence,), (active,) = self.identified([asked])
        location = LinearPredictors(data.n_columns, [asked.restricted(active, data.n_columns)])
        precision = location.theta(np.append(prepared.precision(), 0.0)[None])
        # The location's problem where the scale is one.
        self.unit = CheckLoss(data, location, below, above, precision, rounding=8 * self.target.noise)

    def run(self, start: Array | None) -> FitResult:
        constant = self.with_constant_scale()
        if not self.options.terms_of(2)[1].columns:
            return constant
        constant = replace(constant, dispersion=None)
        if constant.status is Status.STOPPED:
            return constant
        prepared, perfect = self.prepared, constant.log_likelihood == np.inf
        model = _LogLinearScale(self.unit, self.likelihood, prepared, self.options)
        if not perfect and model.dependence is not None and is_saturated(prepared.data, model.dependence):
            return replace(constant, warnings=(*constant.warnings, saturation_warning(self.likelihood)))
        return self.at_bound(model, constant) if perfect else self.with_log_linear_scale(model, constant, start)

    def with_constant_scale(self) -> FitResult:
        """Return the fit at a scale that is constant, estimated or known."""
        unit, max_iter = self.unit, self.options.max_iter

        def observer(theta: Array) -> bool:
            return self.observer is not None and self.shown(theta, self.constant_row(self.scale_at(theta)))

        # A prior is relative to the noise; without one the location does not depend on the scale.
        coupled = self.known is None and bool(unit.precision.any())
        scale = self.scale_at(least_squares(unit)) if coupled else self.known or 1.0
        optimum = minimize_check_loss(self.at_scale(scale), max_iter, observer)
        while True:
            solved, scale = scale, self.scale_given(scale * optimum.loss, optimum.theta)
            arrived = not coupled or abs(scale - solved) <= _STILL * scale
            if arrived or optimum.status.early or optimum.n_iter >= max_iter:
                break
            again = self.best_location(self.at_scale(scale), optimum, lambda theta: False)
            moved = not np.array_equal(again.at_zero, optimum.at_zero)
            optimum = replace(again, n_iter=optimum.n_iter + 1)
            if moved and observer(optimum.theta):
                optimum = replace(optimum, status=Status.STOPPED)
        if not unit.precision.any() and not optimum.status.early:
            optimum = with_least_norm(self.at_scale(solved), optimum, self.coefficients)
        if self.known is None and scale <= 8 * (self.target.noise + EPS * float(np.abs(optimum.theta).sum())):
            optimum = replace(optimum, loss=0.0, gap=0.0)
            return self.fitted(optimum, self.constant_row(0.0), -np.inf, perfect_warning("scale", "zero"), scale=0.0)
        # Losses and dual values are in inverse proportion to the scale.
        change = solved / scale
        optimum = replace(optimum, loss=change * optimum.loss, dual=change * optimum.dual, gap=change * optimum.gap)
        if coupled and optimum.status.early:
            at, point = self.at_scale(scale), optimum
            optimum = at.judge(point.theta, point.dual, point.at_zero, point.status, point.n_iter)
        if self.known is None:
            # The inverse scale's part of the duality gap in (location / scale, 1 / scale), where the problem is convex.
            excess = float(unit.data.y @ optimum.dual) / self.n - 1
            gap = self.n * (excess - float(np.log1p(excess))) if excess > -1 else np.inf
            optimum = replace(optimum, gap=optimum.gap + gap)
        return self.fitted(optimum, self.constant_row(scale), float(np.log(scale)), scale=scale)

    def at_scale(self, scale: float) -> CheckLoss:
        """Return the location's problem at a constant scale, in nats."""
        unit = self.unit
        lower, upper, precision = unit.lower / scale, unit.upper / scale, unit.precision / scale**2
        return replace(unit, lower=lower, upper=upper, precision=precision, rounding=unit.rounding / scale)

    def scale_at(self, theta: Array) -> float:
        """Return the constant scale for a location, the best one unless it is known."""
        return self.scale_given(self.unit.loss(self.unit.residual(theta)), theta)

    def scale_given(self, loss: float, theta: Array) -> float:
        """Return ``scale_at`` of a location whose loss is known: n log s + loss / s + squares / (2 s^2) is least."""
        if self.known is not None:
            return self.known
        half = 0.5 * loss / self.n
        return max(half + float(np.sqrt(half**2 + self.unit.squares(theta) / self.n)), self.unit.rounding)

    def constant_row(self, scale: float) -> Array:
        """Return the coefficients (p + 1,) of the log of a constant scale."""
        row = np.zeros(self.unit.data.n_columns + 1)
        row[-1] = np.log(scale) if scale else -np.inf
        return row

    def with_log_linear_scale(self, model: _LogLinearScale, constant: FitResult, start: Array | None) -> FitResult:
        """Return the fit to which turns of scale and location lead, from the better of two starts."""
        candidates = [constant.coefficients] if start is None else [constant.coefficients, start]
        matrices = [self.target.to_standardized(coefficients) for coefficients in candidates]
        starts = [(self.unit.predictors.theta(matrix[:1]), model.predictors.theta(matrix)) for matrix in matrices]
        values = [model.objective(theta).value_and_gradient(scale)[0] for theta, scale in starts]
        theta, scale = starts[-1] if values[-1] < values[0] else starts[0]

        def shown(theta: Array, scale: Array) -> bool:
            return self.shown(theta, model.row(scale))

        optimum: Optimum | None = None
        n_iter, idle, status = 0, 0, Status.CONVERGED
        while True:
            found = model.best(theta, scale, partial(shown, theta))
            scale, problem = found.theta, model.problem(found.theta)
            if found.status is Status.STOPPED:
                # How much the location alone could gain is not known, and would cost passes.
                return self.of_log_linear(model, scale, _unsolved(problem, theta, np.inf, found.status, n_iter + 1))
            optimum = self.best_location(problem, optimum, partial(shown, scale=scale))
            gain = problem.value(theta) - problem.value(optimum.theta)
            n_iter = min(n_iter + 1, self.options.max_iter)
            if optimum.status.early:
                status = optimum.status
                if gain < 0:
                    optimum = replace(optimum, theta=theta, loss=problem.loss(problem.residual(theta)))
                break  # an inexact location has no vertex to stay at, so more turns would not end
            change = float(np.abs(optimum.theta - theta).max(initial=0.0))
            still = change <= _STILL * (1 + float(np.abs(theta).max(initial=0.0)))
            idle = idle + 1 if gain <= 0.1 * self.options.tol else 0
            theta = optimum.theta
            if idle and (still or idle == _IDLE_TURNS):
                break
            if shown(theta, scale):
                status = Status.STOPPED
                break
            if n_iter >= self.options.max_iter:
                status = Status.MAX_ITER
                break
        if not status.early and not self.unit.precision.any():
            optimum = with_least_norm(problem, optimum, self.coefficients)
        gap = optimum.gap + found.gap + max(gain, 0.0)
        return self.of_log_linear(model, scale, replace(optimum, gap=gap, status=status, n_iter=n_iter))

    def at_bound(self, model: _LogLinearScale, constant: FitResult) -> FitResult:
        """Return the fit of a location that fits every row, its scale stopped at the bound."""
        matrix = self.target.to_standardized(constant.coefficients)
        # The soft bound balances one nat per unit of log scale there.
        matrix[1] = np.append(np.zeros(matrix.shape[1] - 1), model.bound - 1)
        scale, theta = model.predictors.theta(matrix), self.unit.predictors.theta(matrix[:1])
        return self.of_log_linear(model, scale, _unsolved(model.problem(scale), theta, 0.0, Status.CONVERGED, 1))

    def of_log_linear(self, model: _LogLinearScale, scale: Array, optimum: Optimum) -> FitResult:
        """Return the fit at a log-linear scale, which may have reached its bound in some rows."""
        row, warnings = model.row(scale), []
        below = np.flatnonzero(model.eta(scale) < model.bound)
        if len(below):
            matrix, rows = np.stack([np.zeros_like(row), row]), self.prepared.row_names(below)
            warnings = [unbounded_warning(self.likelihood, matrix, rows, self.prepared.names)]
        if model.dependence is not None:
            row = model.dependence.minimum_norm(row[None], self.prepared.columns)[0]
        result = self.fitted(optimum, row, float(model.means @ scale), *warnings)
        return replace(result, n_parameters=self.unit.predictors.size + model.predictors.size)

    def best_location(self, problem: CheckLoss, previous: Optimum | None, observer: Observer) -> Optimum:
        """Return the location's optimum: its rows at zero mostly stay as the scale changes, and need only a proof."""
        if previous is not None:
            still = with_same_zeros(problem, previous)
            if still.gap <= 0.01 * self.options.tol:
                return still
        return minimize_check_loss(problem, self.options.max_iter, observer)

    def shown(self, theta: Array, row: Array) -> bool:
        """Show the observer a point, and return whether it asks to stop."""
        if self.observer is None:
            return False
        return self.observer(self.target.to_original(np.stack([self.unit.predictors.matrix(theta)[0], row])))

    def location(self, theta: Array) -> Array:
        """Return the location's coefficients (1, p + 1) in standardized columns, of least norm where these depend."""
        matrix = self.unit.predictors.matrix(theta)
        return matrix if self.dependence is None else self.dependence.minimum_norm(matrix, self.prepared.columns)

    def coefficients(self, theta: Array) -> Array:
        """Return the location's coefficients (p,) in the units of X."""
        return self.location(theta)[0, :-1] / self.prepared.columns.scale

    def fitted(
        self, optimum: Optimum, row: Array, mean_log: float, *warnings: Warning, scale: float | None = None
    ) -> FitResult:
        """Return the fit, from the coefficients (p + 1,) of the log scale, its mean over rows, and a constant scale."""
        constant = float(self.likelihood.standard_nll(np.zeros(1))[0]) + mean_log
        n_obs, gap = self.prepared.n_obs, optimum.gap * self.prepared.mean_weight
        end = replace(
            optimum,
            status=judged(optimum.status, gap, self.options, n_obs),
            n_iter=max(min(1, self.options.max_iter), optimum.n_iter),
        )
        result = self.result(
            self.target.to_original(np.concatenate([self.location(optimum.theta), row[None]])),
            -(self.n * constant + optimum.loss),
            end,
            self.unit.predictors.size + int(self.known is None),
            dispersion=None if scale is None else scale * self.target.scale,
        )
        return replace(result, warnings=(*result.warnings, *warnings))


def judged(status: Status, gap: float, options: FitOptions, n_obs: float) -> Status:
    """Return how a fit ended that was not cut short: the gap decides, which is known at the end."""
    if status.early:
        return status
    return Status.CONVERGED if gap <= max(options.tol, _RELATIVE_ROUNDING * n_obs) else Status.ROUNDING


def _unsolved(problem: CheckLoss, theta: Array, gap: float, status: Status, n_iter: int) -> Optimum:
    loss = problem.loss(problem.residual(theta))
    return Optimum(theta, loss, np.zeros(0), np.arange(0), gap, status, n_iter)
