"""Fitting any smooth likelihood: each of its predictors linear in some columns, constant, or held at a known value.

The order of events is here. Where a fit starts is in ``start``; what may keep a maximum from being finite, saddles
too, in ``_existence``.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_mle._curvature import MOST_KEPT, Curvature
from sklearn_mle._existence.ends import NEAR_END, end_warning, ends_of_predictors, undetermined_at_ends
from sklearn_mle._existence.limit import (
    divergent_changes,
    limiting_curvature,
    limiting_objective,
    separation_warning,
    undecided_warning,
)
from sklearn_mle._existence.saddle import beside_saddle, is_minimum
from sklearn_mle._existence.separation import SeparatingDirection, UndecidedError
from sklearn_mle._existence.unbounded import (
    all_rows,
    changes_of_rows,
    dispersion_bound,
    is_saturated,
    perfect_warning,
    rows_beyond,
    saturation_warning,
    unbounded_warning,
)
from sklearn_mle._existence.zeros import REMEDIES, find_zeros_separation, location_of, refuse_nothing_but_zeros
from sklearn_mle._fit.result import FitResult
from sklearn_mle._fit.solve import affordable
from sklearn_mle._fit.start import (
    Guess,
    best_of,
    clear_least_squares,
    follow_dispersion,
    guesses,
    is_far_below,
    perfect_location,
    some_rows,
    value_of_constants,
)
from sklearn_mle._fit.strategy import Strategy
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoiseRelativePrior, NoPenalty, Penalty, SumOfPenalties
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rows import Data
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.exceptions import ConvergenceWarning, RankDeficiencyWarning
from sklearn_mle.likelihoods._surrogates import Angular, BoundedDispersion, angle_of, share_of

# Predictors that are no parameters, by their numbers, and the values that they are held at.
Held = dict[int, float]

# A predictor in [0, 1] starts no nearer to its bounds than this, and this near to one the bound itself is tried.
_LEAST_START, _NEAR_BOUND = 0.02, 0.02
# Symmetric data may lead to a saddle, and from one to another.
_ESCAPES = 3


class RegressionFit(Strategy):
    """Predictors are solved for together; those that are at a bound in the end are held there."""

    least_squares: Array | None  # the location that they give, where it is known already
    null_value: float

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        likelihood = self.likelihood
        self.asked = list(self.options.terms_of(self.n_predictors))
        self.dispersion = likelihood.dispersion_index
        self.some = some_rows(self.target.data)
        # Of the dispersion's logarithm, where the noise would vanish.
        self.constants = likelihood.start(self.some.y, self.some.weight)
        self.bound = dispersion_bound(likelihood, self.constants)
        # Whether the last predictor is in [0, 1]: it is an angle until it is known on which side of a bound it ends.
        self.angular = bool(likelihood.bounded_parameters)
        self.separation: SeparatingDirection | None = None
        self.known: Held = {
            k: likelihood.predictor_of(k, term.known) - self.target.shift[k]
            for k, term in enumerate(self.asked)
            if term.known is not None
        }
        self.held = self.known

    @property
    def modelled(self) -> bool:
        """Whether the dispersion depends on columns."""
        return self.dispersion is not None and self.asked[self.dispersion].columns

    def run(self, start: Array | None) -> FitResult:
        perfect = self._read()
        if perfect is not None:
            return self._degenerate(perfect)
        objective = self.objective = self._objective(self.held)
        null, thetas = self._start()
        if self.some is objective.data:
            # What is asked for here is remembered where the guesses are judged, and where the search begins.
            self.null_value, judge = objective.value(thetas[0]), objective
        else:
            self.null_value = value_of_constants(objective.likelihood, null, objective.data)
            judge = PenalizedNLL(objective.likelihood, objective.predictors, self.some, objective.penalty)
        theta = best_of(judge, thetas)
        warm = self.warm(start)
        solution = self._maximum(theta if warm is None else warm, known=start is not None and self.options.separated)
        if self.angular:
            solution = self._straightened(solution)
        ends = ends_of_predictors(self.likelihood, self.bound)
        for k, (low, high) in ends.items():
            if not self.asked[k].columns:
                solution = self._at_end(k, low, high, solution)
        return self._retain(solution, ends)

    def _read(self) -> Array | None:
        """Find out which columns carry the fit; return the location, (1, p + 1), if one fits every row exactly."""
        prior, likelihood, data = self.prepared.prior, self.likelihood, self.target.data
        if likelihood.may_diverge and (self.options.fit_intercept or not prior.penalizes(0)):
            refuse_nothing_but_zeros(data)
        few = self.some is data and self.few_varying(self.asked[0])
        known = clear_least_squares(likelihood, data, self.asked[0]) if few else None
        self.least_squares = None if known is None else known[0]
        self.identifications, self.active = self.identified(self.asked, independent=known is not None)
        if (j := self.dispersion) is None:
            return None
        if self.modelled and not prior.penalizes(j):
            of_dispersion = self.identifications[j]
            if of_dispersion is not None and is_saturated(data, of_dispersion):
                self.warnings.append(saturation_warning(likelihood))
                self.asked[j] = Terms.constant()
        if likelihood.discrete or j in self.known:
            return None
        precision = self.prepared.precision() if likelihood.noise_can_vanish else None
        samples = [data] if self.some is data else [self.some, data]
        terms, noise = self._terms({})[0], self.target.noise
        perfect, self.least_squares = perfect_location(likelihood, samples, terms, precision, noise, known)
        if precision is None and prior.penalizes(0):
            self.least_squares = None  # guesses are penalized
        return perfect

    def _terms(self, held: Held) -> list[Terms]:
        p = self.target.data.n_columns
        return [
            Terms(False, False) if k in held else term.restricted(self.active[k], p)
            for k, term in enumerate(self.asked)
        ]

    def _objective(self, held: Held, data: Data | None = None) -> PenalizedNLL:
        predictors = LinearPredictors(self.target.data.n_columns, self._terms(held), held=held)
        likelihood = self.likelihood
        if self.bound is not None and self.dispersion not in held:
            likelihood = BoundedDispersion(likelihood, self.bound)
        if self.angular:
            likelihood = Angular(likelihood)
        return PenalizedNLL(likelihood, predictors, data or self.target.data, self._penalty(predictors, held))

    def _penalty(self, predictors: LinearPredictors, held: Held) -> Penalty:
        """Return the log-prior; the tiny one where the location would diverge, whose other parameters keep theirs."""
        prepared, likelihood, j, diverges = self.prepared, self.likelihood, self.dispersion, self.separation is not None
        if prepared.prior.is_flat and not diverges:
            return NoPenalty()
        location, others, mean = np.zeros((3, self.n_predictors, predictors.n_columns + 1))
        location[0, :-1] = prepared.separation_precision if diverges else prepared.precision()
        for k in range(1, len(others)):
            others[k, :-1] = prepared.precision(k)
        precision, absolute = predictors.theta(location), predictors.theta(others)
        if diverges or j is None or not likelihood.noise_can_vanish:
            return GaussianPrior(precision + absolute)
        power = likelihood.variance_power
        # Relative to the noise in y's own units: it is their ratio to the target's that may matter. Known parts of it,
        # too: the prior's unit is the geometric mean of the whole noise.
        known = self.target.shift[j] + self.target.data.mean_offset(j)
        precision = precision * np.exp(2 * np.log(self.target.scale) - power * known)
        if j in held:
            return GaussianPrior(precision * np.exp(-power * held[j]) + absolute)
        mean[j, -1] = 0.5 * power
        if self.modelled:
            mean[j, :-1] = 0.5 * power * self.target.data.column_means()
        relative = NoiseRelativePrior(precision, predictors.theta(mean))
        return SumOfPenalties(relative, 1.0, GaussianPrior(absolute)) if absolute.any() else relative

    def theta(self, matrix: Array) -> Array:
        if self.angular:
            matrix = matrix.copy()
            matrix[-1, -1] = angle_of(min(max(matrix[-1, -1], _LEAST_START), 1 - _LEAST_START))
        return super().theta(matrix)

    def matrix(self, theta: Array) -> Array:
        matrix = super().matrix(theta).copy()
        if self.angular:
            matrix[-1, -1] = share_of(matrix[-1, -1])
        return matrix

    def _start(self) -> tuple[Array, list[Array]]:
        """Return the intercepts of the null model, shape (q, 1), and guesses of theta."""
        terms, j = self.objective.predictors.terms, self.dispersion
        dispersion = None if j is None else terms[j]
        precision = self.prepared.precision()
        guess = Guess(self.likelihood, self.some, self.constants, terms[0], dispersion, precision, self.least_squares)
        matrices = list(guesses(guess))
        thetas = [self.theta(matrix) for matrix in matrices]
        if j is not None and j in self.held:
            own, known = float(matrices[-1][j, -1]), self.held[j]
            if is_far_below(self.likelihood, known, own):

                def at(value: float) -> PenalizedNLL:
                    return self._objective({**self.held, j: value}, self.some)

                thetas.append(follow_dispersion(at, thetas[-1], own, known))
        return self.objective.predictors.matrix(thetas[0])[:, -1:], thetas

    def _maximum(self, theta: Array, known: bool) -> Solution:
        """Return the maximum; the mode under a tiny prior where coefficients diverge, as an earlier fit's may have."""
        may_diverge = self.likelihood.may_diverge and not self.prepared.prior.penalizes(0)
        if may_diverge and known and self._diverges(theta):
            return self._under_tiny_prior([theta], 0)
        solution = self.solve(theta)
        for _ in range(_ESCAPES):
            downhill = None if is_minimum(self.objective, solution) else beside_saddle(self.objective, solution)
            if downhill is None:
                break
            solution = self._onward(downhill, solution.n_iter)
        if may_diverge and solution.status is not Status.STOPPED and self._diverges(solution.theta):
            starts = [theta, solution.theta] if solution.status.early else [theta]
            return self._under_tiny_prior(starts, solution.n_iter)
        return solution

    def _location(self) -> PenalizedNLL:
        return location_of(self.likelihood, self.objective.predictors.terms[0], self.target.data)

    def _diverges(self, theta: Array) -> bool:
        """Return whether coefficients diverge, and say so; ``theta`` is where a fit ended."""
        location = self._location()
        try:
            self.separation = find_zeros_separation(location, location.predictors.theta(self.matrix(theta)[:1]))
        except UndecidedError:
            returned = "The point where the iterations ended"
            self.warnings.append(undecided_warning(location.data, REMEDIES, returned))
        if self.separation is None:
            return False
        self.warnings.append(separation_warning(location, self.separation, self.prepared.name, None, REMEDIES))
        self.exists = False
        return True

    def _under_tiny_prior(self, starts: list[Array], n_iter: int) -> Solution:
        """Return the mode under a tiny prior, from the best of some starts, after ``n_iter`` iterations without it."""
        matrices = [self.matrix(theta) for theta in starts]
        # Under the prior dependent columns have one answer, too.
        self.active[0], self.identifications[0] = self.prepared.varying(self.asked[0]), None
        self.warnings = [warning for warning in self.warnings if not isinstance(warning, RankDeficiencyWarning)]
        self.objective = self._objective(self.held)
        return self._onward(best_of(self.objective, [self.theta(matrix) for matrix in matrices]), n_iter)

    def _onward(self, theta: Array, n_iter: int) -> Solution:
        """Return the optimum from a point that took ``n_iter`` iterations, near enough for Newton's method alone."""
        return self.solve(theta, n_iter, solver="newton" if affordable(self.objective) else "newton-cg")

    def _at_bound(self, k: int, bound: float, solution: Solution) -> Solution | None:
        """Return the fit with a predictor held at its bound, or one that was stopped; None where it is worse.

        The objective is that of the fit that is returned; a predictor in [0, 1] is straight from here on.
        """
        matrix, objective, held, angular = self.matrix(solution.theta), self.objective, self.held, self.angular
        self.held, self.angular = {**held, k: bound}, False
        self.objective = self._objective(self.held)
        found = self._onward(self.theta(matrix), solution.n_iter)
        if found.status is not Status.STOPPED and found.value <= solution.value + self.options.tol:
            if not angular:
                return found
            # A predictor in [0, 1] must not gain by leaving its bound.
            free = self._objective(held)
            slope = free.gradient(free.predictors.theta(self.matrix(found.theta)))[-1]
            if slope * (1 - 2 * bound) >= 0:
                return found
        self.objective, self.held, self.angular = objective, held, angular
        return replace(solution, status=found.status, n_iter=found.n_iter) if found.status is Status.STOPPED else None

    def _straightened(self, solution: Solution) -> Solution:
        """Return the fit in the bounded predictor itself: free inside its bounds, or held at one that is optimal."""
        if solution.status.early:
            return solution
        matrix, last = self.matrix(solution.theta), self.n_predictors - 1
        bound = float(np.rint(matrix[last, -1]))
        if abs(matrix[last, -1] - bound) < _NEAR_BOUND:
            found = self._at_bound(last, bound, solution)
            if found is not None:
                return found
        self.angular = False
        self.objective = self._objective(self.held)
        return self._onward(self.theta(matrix), solution.n_iter)

    def _at_end(self, k: int, low: float, high: float, solution: Solution) -> Solution:
        """Return the fit with a constant held at an end of its range, where it was on the way there."""
        value = self.matrix(solution.theta)[k, -1]
        if k in self.held or solution.status.early or low + NEAR_END < value < high - NEAR_END:
            return solution
        return self._at_bound(k, low if value < 0.5 * (low + high) else high, solution) or solution

    def _retain(self, solution: Solution, ends: dict[int, tuple[float, float]]) -> FitResult:
        objective, matrix, beyond = self.objective, self.matrix(solution.theta), None
        if self.bound is not None and self.dispersion not in self.held and solution.status is not Status.STOPPED:
            beyond = rows_beyond(BoundedDispersion(self.likelihood, self.bound), objective.data, matrix)
        ended = self._undetermined_at_ends(ends, matrix) if ends and solution.status is not Status.STOPPED else []
        if beyond is not None:
            rows = self.prepared.row_names(beyond)
            self.warnings.append(unbounded_warning(self.likelihood, matrix, rows, self.prepared.names))
        elif not ended and not is_minimum(objective, solution):
            self.warnings.append(
                ConvergenceWarning(
                    "The fit ended where the likelihood is not curved upwards in every direction, so this may "
                    "not be a maximum: some parameters are not determined by the data. Use fewer columns, or "
                    "constants for the parameters besides the location, or penalize with alpha."
                )
            )
        nll = solution.value - objective.penalty.value_and_gradient(solution.theta)[0]
        if beyond is not None:
            nll = PenalizedNLL(self.likelihood, objective.predictors, objective.data, NoPenalty()).nll(solution.theta)
        # The curvature in the angle of a bounded predictor is no one's to read.
        readable = self.prepared.prior.is_flat and not self.angular
        return self._result(matrix, -nll, solution, self._curvature(solution, beyond, ended) if readable else None)

    def _undetermined_at_ends(self, ends: dict[int, tuple[float, float]], matrix: Array) -> list[Array]:
        """Return the changes of coefficients that only rows at an end of a predictor would notice, and say so."""
        prepared, data = self.prepared, self.objective.data
        ended = undetermined_at_ends(ends, data, self.asked, prepared.columns, matrix)
        ended = {j: changes for j, changes in ended.items() if not prepared.prior.penalizes(j)}
        self.warnings += [end_warning(self.likelihood, j, changes, prepared.names) for j, changes in ended.items()]
        return [change for changes in ended.values() for change in changes]

    def _curvature(self, solution: Solution, beyond: Array | None, changes: list[Array]) -> Curvature | None:
        """Return the curvature for inference, without ``changes`` and what only rows beyond the bound determine."""
        prepared, objective, q = self.prepared, self.objective, len(self.asked)
        if self.separation is not None:
            columns, mean_weight = prepared.columns, prepared.mean_weight
            if q == 1:
                return limiting_curvature(objective, self.separation, solution.theta, columns, mean_weight)
            if objective.predictors.size > MOST_KEPT:
                return None
            # The tiny prior moves the standard errors of the rest by about a millionth of them.
            location = self._location()
            unseen = limiting_objective(location, self.separation)[1]
            if unseen is None:
                return None
            changes = [
                *changes,
                *np.pad(divergent_changes(location.predictors, unseen, columns), ((0, 0), (0, q - 1), (0, 0))),
            ]
        if beyond is not None:
            changes = [*changes, *changes_of_rows(objective.data, beyond, self.asked, prepared.columns)]
            if not changes:
                return None
        identifications = [found if self.asked[k].columns else None for k, found in enumerate(self.identifications)]
        return self.curvature(solution, identifications, changes)

    def _degenerate(self, location: Array) -> FitResult:
        """Return the perfect location without noise; log-linear noise is stopped at its bound."""
        likelihood, j = self.likelihood, self.dispersion
        assert j is not None
        matrix = np.zeros((self.n_predictors, location.shape[1]))
        matrix[0] = location[0]
        matrix[1:, -1] = self.constants[1:]
        vanishing = -float(np.sign(likelihood.variance_power))
        log_likelihood = np.inf
        if self.modelled:
            assert self.bound is not None
            # Every row fitted exactly: the soft bound balances one nat per unit of log scale here.
            matrix[j, -1] = self.bound + vanishing
            self.asked[j], self.angular = Terms.constant(), False
            self.objective = self._objective({k: float(matrix[k, -1]) for k in range(1, len(matrix))})
            log_likelihood = -self.objective.nll(self.objective.predictors.theta(matrix))
            rows = self.prepared.row_names(all_rows(self.target.data))
            self.warnings.append(unbounded_warning(likelihood, matrix, rows, self.prepared.names))
        else:
            matrix[j, -1] = vanishing * np.inf
            limit = "zero" if vanishing < 0 else "infinite"
            self.warnings.append(perfect_warning(likelihood.dispersion_parameter, limit))
        nothing = np.zeros(0)
        solution = Solution(nothing, -log_likelihood, nothing, 0.0, None, 0.0, Status.CONVERGED, 1)
        return self._result(matrix, log_likelihood, solution, None)

    def _result(
        self, matrix: Array, log_likelihood: float, solution: Solution, curvature: Curvature | None
    ) -> FitResult:
        """Return what is reported, from coefficients of the standardized problem and its total log-likelihood."""
        prepared, j = self.prepared, self.dispersion
        for k, identification in enumerate(self.identifications):
            # With a prior the coefficients are unique.
            if identification is not None and self.asked[k].columns and not prepared.prior.penalizes(k):
                matrix[k : k + 1] = identification.minimum_norm(matrix[k : k + 1], prepared.columns)
        coefficients = self.target.to_original(matrix)
        dispersion = None
        if j is not None and not self.options.terms_of(len(matrix))[j].columns:
            known = self.asked[j].known
            dispersion = float(np.exp(coefficients[j, -1])) if known is None else known
        size = LinearPredictors(len(prepared.columns.scale), self._terms(self.known)).size
        return self.result(coefficients, log_likelihood, solution, size, dispersion=dispersion, curvature=curvature)
