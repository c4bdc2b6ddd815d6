"""Fitting any smooth likelihood: each of its predictors linear in some columns, constant, or held at a known value.

The order of events is here. Where a fit starts is in ``start``; what alpha means in ``prior``; what may keep
a maximum from being finite, saddles too, in ``_existence``.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._curvature import MOST_KEPT, Curvature
from sklearn_mle._existence import (
    REMEDIES,
    SeparatingDirection,
    all_rows,
    beside_saddle,
    divergent_changes,
    find_zeros_separation,
    floor_of,
    is_minimum,
    is_saturated,
    limiting_curvature,
    limiting_objective,
    location_of,
    perfect_warning,
    refuse_nothing_but_zeros,
    rows_below,
    saturation_warning,
    separation_warning,
    unbounded_warning,
    undecided_warning,
)
from sklearn_mle._fit.continuation import follow_noise, is_far_below
from sklearn_mle._fit.outcome import Outcome
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.prior import precision_of_columns, prior_of, tiny_prior
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._fit.retained import retained_curvature
from sklearn_mle._fit.solve import affordable, solve
from sklearn_mle._fit.start import Guess, best_of, guesses, perfect_location, some_rows, value_of_constants
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty, Penalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rank import Identification, find_dependence, rank_doubts, rank_warning
from sklearn_mle._rows import Data
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.exceptions import ConvergenceWarning, RankDeficiencyWarning
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._surrogates import Angular, ScaleFloor, angle_of, share_of

__all__ = ["fit_regression"]

Array = NDArray[Any]
Observer = Callable[[Array], bool]
# Predictors that are no parameters, by their numbers, and the values that they are held at.
Held = dict[int, float]

# A predictor in [0, 1] starts no nearer to its bounds than this, and this near to one the bound itself is tried.
_LEAST_START, _NEAR_BOUND = 0.02, 0.02
# So near to its floor, in logarithms, a dispersion may have none: a fit stops where what it lacks is below tol.
_NEAR_FLOOR = 7.0
# Symmetric data may lead to a saddle, and from one to another.
_ESCAPES = 3


def fit_regression(
    likelihood: Likelihood,
    prepared: Prepared,
    options: FitOptions,
    *,
    start: Array | None,
    observer: Observer | None,
) -> FitResult:
    """Fit a smooth likelihood; ``start`` and what the observer sees are coefficients in the units of X and y."""
    return _Regression(likelihood, prepared, options, observer).run(start)


class _Regression:
    """One fit of a regression; built, run once, thrown away."""

    def __init__(
        self, likelihood: Likelihood, prepared: Prepared, options: FitOptions, observer: Observer | None
    ) -> None:
        self.likelihood, self.prepared, self.options, self.observer = likelihood, prepared, options, observer
        self.outcome = Outcome.of(likelihood, prepared, centre=options.fit_intercept)
        self.warnings: list[Warning] = []
        self.asked = list(options.terms_of(likelihood.n_predictors))
        self.dispersion = likelihood.dispersion_index
        self.some = some_rows(self.outcome.data)
        self.floor = floor_of(likelihood, self.some)
        self.bounded = bool(likelihood.bounded_parameters)
        self.separation: SeparatingDirection | None = None
        self.least_squares: Array | None = None

    def run(self, start: Array | None) -> FitResult:
        prepared, options, data = self.prepared, self.options, self.outcome.data
        if self.likelihood.may_diverge and (options.fit_intercept or not prepared.prior.penalizes(0)):
            refuse_nothing_but_zeros(data)
        self.identifications, self.active = self._identified()
        held: Held = {
            k: self.likelihood.predictor_of(k, term.known) - self.outcome.shift[k]
            for k, term in enumerate(self.asked)
            if term.known is not None
        }
        self.known = held
        if self.modelled:
            assert self.dispersion is not None
            of_dispersion = self.identifications[self.dispersion]
            free = not prepared.prior.penalizes(self.dispersion)
            if free and of_dispersion is not None and is_saturated(data, of_dispersion):
                self.warnings.append(saturation_warning(self.likelihood))
                self.asked[self.dispersion] = Terms.constant()
        perfect = None
        if self.dispersion is not None and not self.likelihood.discrete and self.dispersion not in held:
            precision = precision_of_columns(self.prepared) if self.likelihood.noise_can_vanish else None
            terms = self._terms({})[0]
            samples = [data] if self.some is data else [self.some, data]
            noise = self.outcome.noise
            perfect, self.least_squares = perfect_location(self.likelihood, samples, terms, precision, noise)
            if precision is None and prepared.prior.penalizes(0):
                self.least_squares = None  # guesses are penalized
        return self._solved(held, start) if perfect is None else self._degenerate(perfect)

    @property
    def modelled(self) -> bool:
        """Whether the dispersion depends on columns."""
        return self.dispersion is not None and self.asked[self.dispersion].columns

    def _identified(self) -> tuple[list[Identification | None], list[Array]]:
        """Return each predictor's dependences among its columns, and its columns that have a coefficient.

        Under a prior all columns have one. The location's are looked at, too, where others' are.
        """
        prepared, data = self.prepared, self.outcome.data
        p = data.n_columns
        free = [term.columns and not prepared.prior.penalizes(k) for k, term in enumerate(self.asked)]
        others = any(free[1:])
        found: list[Identification | None] = []
        active: list[Array] = []
        seen: dict[Any, dict[bool, Identification | None]] = {}
        named = set(np.flatnonzero(prepared.columns.constant))
        for k, term in enumerate(self.asked):
            own = term.indices(p)
            varying = own[~prepared.columns.constant[own]]
            identification = None
            if free[k] or (k == 0 and others and term.columns):
                key = term.key[2]
                first = key not in seen
                if first:
                    self.warnings += rank_doubts(data, prepared.columns, prepared.names, term)
                known = seen.setdefault(key, {})
                if term.intercept not in known:
                    known[term.intercept] = find_dependence(data, prepared.columns, term)
                identification = known[term.intercept]
                # Beside the location's, predictors always have an intercept: constant columns need no word there.
                if identification is not None and first and (k == 0 or not named.issuperset(identification.dependent)):
                    self.warnings.append(rank_warning(identification, prepared.names))
                    named.update(identification.dependent)
            found.append(identification)
            active.append(identification.active if identification is not None and free[k] else varying)
        return found, active

    def _result(
        self, matrix: Array, log_likelihood: float, solution: Solution, curvature: Curvature | None
    ) -> FitResult:
        """Return what is reported, from coefficients of the standardized problem and its total log-likelihood."""
        prepared = self.prepared
        for k, identification in enumerate(self.identifications):
            # With a prior the coefficients are unique.
            if identification is not None and self.asked[k].columns and not prepared.prior.penalizes(k):
                matrix[k : k + 1] = identification.minimum_norm(matrix[k : k + 1], prepared.columns)
        coefficients = self.outcome.to_original(matrix)
        return FitResult(
            coefficients=coefficients,
            scale=self._scale(coefficients),
            log_likelihood=float(log_likelihood - self.outcome.log_jacobian) * prepared.mean_weight,
            n_obs=prepared.n_obs,
            n_iter=solution.n_iter,
            n_passes=self.outcome.n_passes,
            gap=solution.gap * prepared.mean_weight,
            status=solution.status,
            warnings=tuple(self.warnings),
            n_parameters=LinearPredictors(len(prepared.columns.scale), self._terms(self.known)).size,
            curvature=curvature,
            exists=self.separation is None,
        )

    def _scale(self, coefficients: Array) -> float | None:
        if self.dispersion is None or self.options.terms_of(len(coefficients))[self.dispersion].columns:
            return None
        known = self.asked[self.dispersion].known
        return float(np.exp(coefficients[self.dispersion, -1])) if known is None else known

    def _terms(self, held: Held) -> list[Terms]:
        p = self.outcome.data.n_columns
        return [
            Terms(False, False) if k in held else term.restricted(self.active[k], p)
            for k, term in enumerate(self.asked)
        ]

    def _objective(self, held: Held, *, angular: bool = False, data: Data | None = None) -> PenalizedNLL:
        predictors = LinearPredictors(self.outcome.data.n_columns, self._terms(held), held=held)
        likelihood = self.likelihood
        if self.floor is not None and self.dispersion not in held:
            likelihood = ScaleFloor(likelihood, self.floor)
        if angular:
            likelihood = Angular(likelihood)
        rows = self.outcome.data if data is None else data
        return PenalizedNLL(likelihood, predictors, rows, self._penalty(predictors, held))

    def _penalty(self, predictors: LinearPredictors, held: Held) -> Penalty:
        if self.separation is not None:
            return tiny_prior(self.outcome, predictors)
        if self.prepared.prior.is_flat:
            return NoPenalty()
        known = None if self.dispersion is None else held.get(self.dispersion)
        return prior_of(self.likelihood, self.outcome, predictors, known, of_columns=self.modelled)

    def _solved(self, held: Held, start: Array | None) -> FitResult:
        objective = self._objective(held, angular=self.bounded)
        null, theta = self._start(objective, held)
        null_value = value_of_constants(objective, null)
        if start is not None:
            warm = self._theta(objective, self.outcome.to_standardized(start))
            # A start that is worse than none at all would only mislead.
            theta = warm if objective.value_and_gradient(warm)[0] < null_value else theta
        may_diverge = self.likelihood.may_diverge and not self.prepared.prior.penalizes(0)
        if may_diverge and start is not None and self.options.separated and self._diverges(objective, theta):
            objective, solution = self._under_tiny_prior(objective, [theta], held, null_value, 0)
        else:
            watch = self._watch(objective, held)
            solution = solve(objective, theta, self.options, null_value=null_value, observer=watch)
            for _ in range(_ESCAPES):
                downhill = None if is_minimum(objective, solution) else beside_saddle(objective, solution)
                if downhill is None:
                    break
                solution = self._onward(objective, downhill, held, null_value, solution.n_iter)
            if may_diverge and solution.status is not Status.STOPPED and self._diverges(objective, solution.theta):
                starts = [theta, solution.theta] if solution.status.early else [theta]
                objective, solution = self._under_tiny_prior(objective, starts, held, null_value, solution.n_iter)
        if self.bounded:
            objective, solution, held = self._straightened(objective, solution, held, null_value)
        if self.likelihood.discrete and self.floor is not None and self.dispersion not in held and not self.modelled:
            objective, solution, held = self._without_dispersion(objective, solution, held, null_value)
        matrix = self._matrix(objective, solution.theta, held)
        below = None if solution.status is Status.STOPPED else self._below_floor(objective, matrix, held)
        if below is not None:
            self.warnings.append(
                unbounded_warning(self.likelihood, matrix, self.prepared.row_names(below), self.prepared.names)
            )
        elif not is_minimum(objective, solution):
            self.warnings.append(
                ConvergenceWarning(
                    "The fit ended where the likelihood is not curved upwards in every direction, so this may be no "
                    "maximum: some parameters are not determined by the data. Use fewer columns, or constants for the "
                    "parameters beside the location, or penalize with alpha."
                )
            )
        nll = solution.value - objective.penalty.value_and_gradient(solution.theta)[0]
        if below is not None:
            nll = PenalizedNLL(self.likelihood, objective.predictors, objective.data, NoPenalty()).nll(solution.theta)
        curvature = None
        # The curvature in the angle of a bounded predictor is no one's to read.
        if self.prepared.prior.is_flat and not isinstance(objective.likelihood, Angular):
            identifications = [found if self.asked[k].columns else None for k, found in enumerate(self.identifications)]
            if self.separation is None:
                curvature = retained_curvature(objective, solution, self.outcome, self.asked, identifications, below)
            elif len(matrix) == 1:
                curvature = limiting_curvature(
                    objective, self.separation, solution.theta, self.prepared.columns, self.prepared.mean_weight
                )
            elif objective.predictors.size <= MOST_KEPT:
                # The tiny prior moves the standard errors of the rest by about a millionth of them.
                location = location_of(self.likelihood, objective.predictors.terms[0], self.outcome.data)
                unseen = limiting_objective(location, self.separation)[1]
                if unseen is not None:
                    changes = divergent_changes(location.predictors, unseen, self.prepared.columns)
                    changes = np.pad(changes, ((0, 0), (0, len(matrix) - 1), (0, 0)))
                    curvature = retained_curvature(
                        objective, solution, self.outcome, self.asked, identifications, below, changes
                    )
        return self._result(matrix, -nll, solution, curvature)

    def _diverges(self, objective: PenalizedNLL, theta: Array) -> bool:
        """Return whether coefficients diverge, and say so; ``theta`` is where a fit ended."""
        location = location_of(self.likelihood, objective.predictors.terms[0], self.outcome.data)
        end = location.predictors.theta(objective.predictors.matrix(theta)[:1])
        self.separation, decided = find_zeros_separation(location, end)
        if self.separation is None:
            if not decided:
                self.warnings.append(
                    undecided_warning(location.data, REMEDIES, "The point where the iterations ended is returned.")
                )
            return False
        self.warnings.append(separation_warning(location, self.separation, self.prepared.name, None, REMEDIES))
        return True

    def _under_tiny_prior(
        self, objective: PenalizedNLL, starts: list[Array], held: Held, null_value: float, n_iter: int
    ) -> tuple[PenalizedNLL, Solution]:
        """Return the mode under a tiny prior, from the best of some starts, after ``n_iter`` iterations without it."""
        matrices = [objective.predictors.matrix(theta) for theta in starts]
        # Under the prior dependent columns have one answer, too.
        own = self.asked[0].indices(self.outcome.data.n_columns)
        self.active[0], self.identifications[0] = own[~self.prepared.columns.constant[own]], None
        self.warnings = [warning for warning in self.warnings if not isinstance(warning, RankDeficiencyWarning)]
        objective = self._objective(held)
        theta = best_of(objective, [objective.predictors.theta(matrix) for matrix in matrices])
        return objective, self._onward(objective, theta, held, null_value, n_iter)

    def _again(self, held: Held, matrix: Array, null_value: float, n_iter: int) -> tuple[PenalizedNLL, Solution]:
        """Return an objective with these predictors held, and its optimum from a point near it."""
        objective = self._objective(held)
        return objective, self._onward(objective, objective.predictors.theta(matrix), held, null_value, n_iter)

    def _onward(self, objective: PenalizedNLL, theta: Array, held: Held, null_value: float, n_iter: int) -> Solution:
        """Return the optimum from a point that took ``n_iter`` iterations, near enough for Newton's method alone."""
        options = replace(self.options, solver="newton" if affordable(objective) else "newton-cg")
        watch = self._watch(objective, held)
        return solve(objective, theta, options, null_value=null_value, observer=watch, n_iter=n_iter)

    def _straightened(
        self, objective: PenalizedNLL, solution: Solution, held: Held, null_value: float
    ) -> tuple[PenalizedNLL, Solution, Held]:
        """Return the fit in the bounded predictor itself: free inside its bounds, or held at one that is optimal."""
        last = self.likelihood.n_predictors - 1
        if solution.status.early:
            return objective, solution, held
        matrix = self._matrix(objective, solution.theta, held)
        share = float(matrix[last, -1])
        bound = float(np.rint(share))
        if abs(share - bound) < _NEAR_BOUND:
            at_bound = {**held, last: bound}
            edge, found = self._again(at_bound, matrix, null_value, solution.n_iter)
            if found.status is Status.STOPPED:
                return objective, replace(solution, status=Status.STOPPED, n_iter=found.n_iter), held
            at = self._matrix(edge, found.theta, at_bound)
            free = self._objective(held)
            slope = free.value_and_gradient(free.predictors.theta(at))[1][-1]
            if slope * (1 - 2 * bound) >= 0 and found.value <= solution.value + self.options.tol:
                return edge, found, at_bound
        free, found = self._again(held, matrix, null_value, solution.n_iter)
        return free, found, held

    def _without_dispersion(
        self, objective: PenalizedNLL, solution: Solution, held: Held, null_value: float
    ) -> tuple[PenalizedNLL, Solution, Held]:
        """Return the fit of the simpler model where the dispersion of counts vanishes: then it is no parameter."""
        assert self.floor is not None and self.dispersion is not None
        matrix = self._matrix(objective, solution.theta, held)
        if solution.status.early or matrix[self.dispersion, -1] > self.floor + _NEAR_FLOOR:
            return objective, solution, held
        without = {**held, self.dispersion: self.floor}
        simpler, found = self._again(without, matrix, null_value, solution.n_iter)
        if found.status is Status.STOPPED:
            return objective, replace(solution, status=Status.STOPPED, n_iter=found.n_iter), held
        if found.value <= solution.value + self.options.tol:
            return simpler, found, without
        return objective, solution, held

    def _theta(self, objective: PenalizedNLL, matrix: Array) -> Array:
        if isinstance(objective.likelihood, Angular):
            matrix = matrix.copy()
            matrix[-1, -1] = angle_of(min(max(matrix[-1, -1], _LEAST_START), 1 - _LEAST_START))
        return objective.predictors.theta(matrix)

    def _matrix(self, objective: PenalizedNLL, theta: Array, held: Held) -> Array:
        matrix = objective.predictors.matrix(theta).copy()
        if isinstance(objective.likelihood, Angular):
            matrix[-1, -1] = share_of(matrix[-1, -1])
        return matrix

    def _watch(self, objective: PenalizedNLL, held: Held) -> Observer | None:
        if self.observer is None:
            return None
        observer, outcome = self.observer, self.outcome
        return lambda theta: observer(outcome.to_original(self._matrix(objective, theta, held)))

    def _start(self, objective: PenalizedNLL, held: Held) -> tuple[Array, Array]:
        """Return the intercepts of the null model, shape (q, 1), and theta of the best guess."""
        judge = PenalizedNLL(objective.likelihood, objective.predictors, self.some, objective.penalty)
        terms = objective.predictors.terms
        dispersion = None if self.dispersion is None else terms[self.dispersion]
        precision = precision_of_columns(self.prepared)
        guess = Guess(self.likelihood, self.some, terms[0], dispersion, precision, self.least_squares)
        matrices = list(guesses(guess))
        thetas = [self._theta(objective, matrix) for matrix in matrices]
        j = self.dispersion
        if j is not None and j in held:
            own = float(matrices[-1][j, -1])
            if is_far_below(self.likelihood, held[j], own):
                angular = isinstance(objective.likelihood, Angular)

                def at(value: float) -> PenalizedNLL:
                    return self._objective({**held, j: value}, angular=angular, data=self.some)

                thetas.append(follow_noise(at, thetas[-1], own, held[j]))
        null = objective.predictors.matrix(thetas[0])[:, -1:]
        return null, best_of(judge, thetas)

    def _below_floor(self, objective: PenalizedNLL, matrix: Array, held: Held) -> Array | None:
        """Return the rows whose dispersion is beyond its floor; None where there are none."""
        if self.floor is None or self.dispersion in held:
            return None
        return rows_below(ScaleFloor(self.likelihood, self.floor), objective.data, matrix, of_columns=self.modelled)

    def _degenerate(self, location: Array) -> FitResult:
        """Return the perfect location without noise; log-linear noise is stopped at its floor."""
        likelihood, data = self.likelihood, self.outcome.data
        assert self.dispersion is not None
        matrix = np.zeros((likelihood.n_predictors, location.shape[1]))
        matrix[0] = location[0]
        matrix[1:, -1] = likelihood.start(self.some.y, self.some.weight)[1:]
        vanishing = -float(np.sign(likelihood.variance_power))
        log_likelihood = np.inf
        if self.modelled:
            assert self.floor is not None
            # Every row fitted exactly: the soft floor balances one nat per unit of log scale here.
            matrix[self.dispersion, -1] = self.floor + vanishing
            held = {k: float(matrix[k, -1]) for k in range(1, len(matrix))}
            self.asked[self.dispersion] = Terms.constant()
            objective = self._objective(held)
            log_likelihood = -objective.nll(objective.predictors.theta(matrix))
            self.warnings.append(
                unbounded_warning(likelihood, matrix, self.prepared.row_names(all_rows(data)), self.prepared.names)
            )
        else:
            matrix[self.dispersion, -1] = vanishing * np.inf
            self.warnings.append(
                perfect_warning(likelihood.dispersion_parameter, "zero" if vanishing < 0 else "infinite")
            )
        nothing = np.zeros(0)
        solution = Solution(nothing, -log_likelihood, nothing, 0.0, None, 0.0, Status.CONVERGED, 1)
        return self._result(matrix, log_likelihood, solution, None)
