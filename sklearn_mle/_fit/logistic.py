"""Fits of class labels and proportions: the maximum with its proof, a tiny prior where there is none, or Firth's."""

import math
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sklearn_mle._curvature import MOST_KEPT, Curvature
from sklearn_mle._existence.certificates import certified
from sklearn_mle._existence.limit import class_in_words, limiting_curvature, separation_warning, undecided_warning
from sklearn_mle._existence.separation import (
    MOST_VARIABLES,
    SeparatingDirection,
    UndecidedError,
    complete_separation,
    find_separation,
)
from sklearn_mle._fit.absent_classes import fit_without
from sklearn_mle._fit.firth import solve_bias_reduced
from sklearn_mle._fit.offsets import centre_of_classes, projected_on_columns
from sklearn_mle._fit.result import FitResult
from sklearn_mle._fit.start import best_of
from sklearn_mle._fit.strategy import Strategy
from sklearn_mle._hessian_factors import refine, worth_refining
from sklearn_mle._jeffreys import JeffreysNLL
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._numerics.factors import Factor
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import gaussian_of_columns
from sklearn_mle._predictors import LinearPredictors, sum_to_zero_basis
from sklearn_mle._rank import Identification, find_dependence, independent_columns, rank_doubts, rank_warning
from sklearn_mle._solvers import Solution, Status

# Of certificate and linear program, each at a tighter gap than the one before.
_ROUNDS = 4
# Only a fit this much better than the class frequencies, in its part of their NLL, is asked whether it separates.
_SEPARABLE = 0.1
_REMEDIES_OF_CLASSES = (
    "Penalize with a finite C to choose the prior yourself, or reduce the bias with bias_reduction='firth'."
)
_REMEDIES_OF_PROPORTIONS = "Penalize with alpha to choose the prior yourself."


class LogisticFit(Strategy):
    """Classes are those of a Bernoulli or a categorical likelihood."""

    null_value: float
    # The total weight of each class.
    mass: Array
    # Which columns depend on others, where no prior makes their coefficients unique.
    identification: Identification | None = None
    # The factor of the Hessian at the null model, where it told that no columns do.
    first: Factor | None = None
    separation: SeparatingDirection | None = None
    reduced: JeffreysNLL | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.term = self.options.terms[0]
        self.varying = self.prepared.varying(self.term)
        # Changes of the coefficients, in X's units, that only the tiny prior determines.
        self.undetermined: list[Array] = []

    def run(self, start: Array | None) -> FitResult:
        """Fit the classes that have weight; where no maximum is known to exist, the mode under a tiny prior.

        Raises
        ------
        ValueError
            If fewer than two classes have rows of positive weight.
        """
        options, n_classes = self.options, max(2, self.n_predictors)
        self.mass = self.prepared.data.class_weights(n_classes)
        absent = np.flatnonzero(self.mass == 0)
        if n_classes - len(absent) < 2 and options.prior.bias_reduced:
            only = class_in_words(int(np.argmax(self.mass)), self.class_names)
            raise ValueError(
                f"bias_reduction='firth': y has rows of positive weight in one class only ({only}). Give rows of "
                "another class, or use a finite C instead."
            )
        # A prior on all that a class has (it has no intercept) gives the absent ones, too, a finite estimate.
        if len(absent) and (options.fit_intercept or not self.prepared.prior.penalizes(0)):
            return fit_without(absent, n_classes, self)
        cold = self._cold_starts()
        null = self._read(cold[0])
        warm = self.warm(start)
        theta = best_of(self.objective, [null, *map(self.theta, cold[1:])]) if warm is None else warm
        if options.prior.bias_reduced:
            solution = self._bias_reduced(theta, null)
        elif self.prepared.prior.penalizes(0):
            solution = self.solve(theta)
        elif options.separated and self._still_separated(theta):
            solution = self._solve_under_tiny_prior(cold, [theta], 0)
        else:
            settled = partial(_separates, self.objective, _SEPARABLE * self.null_value)
            solution = self.solve(theta, settled=settled, first=self.first if theta is null else None)
            solution, exists = self._certify(solution)
            if not exists:
                found = [theta, solution.theta] if solution.status.early or theta is not null else []
                solution = self._solve_under_tiny_prior(cold, found, solution.n_iter)
        if self.identification is not None:
            names = self.prepared.names
            self.warnings.append(rank_warning(self.identification, names, "fitted probabilities", "C"))
        return self._retain(solution)

    def _read(self, null: Array) -> Array:
        """Set the objective, in which columns that depend on others have no coefficient, and its null value.

        The theta of the null model is returned, whose coefficients are given.
        """
        prepared, penalized = self.prepared, self.prepared.prior.penalizes(0)
        self.objective = self._objective(self.varying)
        theta = self.theta(null)
        if not penalized and self.term.columns and not self._clearly_independent(theta):
            self.identification = find_dependence(prepared.data, prepared.columns, self.term)
            self.warnings += rank_doubts(prepared.data, prepared.columns, prepared.names, self.term)
            if self.identification is not None and len(self.identification.active) < len(self.varying):
                self.objective = self._objective(self.identification.active)
                theta = self.theta(null)
        self.null_value = self._null_value(theta)
        return theta

    def _objective(self, active: Array, precision: Array | None = None) -> PenalizedNLL:
        """Return the objective of these columns; with ``precision`` for each column in place of the prior asked for."""
        data = self.prepared.data
        contrast = sum_to_zero_basis(self.n_predictors) if self.likelihood.shift_invariant else None
        n_free = 1 if contrast is None else contrast.shape[1]
        term = self.term.restricted(active, data.n_columns)
        predictors = LinearPredictors(data.n_columns, [term] * n_free, contrast)
        if precision is None:
            penalty = self.prepared.prior.of_theta(self.prepared.columns.scale, predictors.used)
        else:
            penalty = gaussian_of_columns(precision, predictors.used)
        return PenalizedNLL(self.likelihood, predictors, data, penalty)

    def _clearly_independent(self, theta: Array) -> bool:
        """Return whether the columns are independent beyond doubt, by a curvature that the fit begins with anyway.

        That is the information at the null model, ``theta``: of a bias-reduced fit, and of few rows with two classes.
        """
        if not self.options.prior.bias_reduced:
            self.first = self.clear_factor(theta) if self.n_predictors == 1 else None
            return self.first is not None
        self.reduced = JeffreysNLL(self.likelihood, self.objective, 1 / self.prepared.mean_weight)
        factor = self.reduced.at(theta).factor
        return factor is not None and bool(self.objective.predictors.used.all()) and independent_columns(factor)

    def _cold_starts(self) -> list[Array]:
        """Return the model of the class frequencies alone; and of offsets far apart, one whose columns undo them."""
        data, intercept = self.prepared.data, self.term.intercept
        several = self.likelihood.shift_invariant
        frequencies = np.zeros((self.n_predictors, data.n_columns + 1))
        if intercept:
            log_mass = np.log(self.mass)
            frequencies[:, -1] = log_mass - log_mass.mean() if several else log_mass[1] - log_mass[0]
        if not data.n_offsets:
            return [frequencies]
        # An offset far from zero would saturate every probability, and no Newton step leads back from there.
        centre, far = centre_of_classes(data)
        null = frequencies.copy()
        if intercept:
            null[:, -1] -= centre - centre.mean() if several else centre
        return [null, frequencies - projected_on_columns(data, self.term)] if far else [null]

    def _null_value(self, theta: Array) -> float:
        """Return F at the null model: the class frequencies' entropy, unless offsets or no intercept change it."""
        if not self.term.intercept or self.prepared.data.n_offsets:
            return self.objective.value(theta)
        total = float(self.mass.sum())
        return total * math.log(total) - float(self.mass @ np.log(self.mass))

    def _bias_reduced(self, theta: Array, null: Array) -> Solution:
        """Return the mode under Jeffreys' prior; its value is the NLL alone."""
        if self.reduced is None or self.reduced.objective is not self.objective:
            self.reduced = JeffreysNLL(self.likelihood, self.objective, 1 / self.prepared.mean_weight)
        observer = None if self.observer is None else self.watch
        return solve_bias_reduced(
            self.reduced, theta, null, self.options, null_value=self.null_value, observer=observer
        )

    def _still_separated(self, theta: Array) -> bool:
        """Return whether the classes, separated in the fit before, are separated now; ``theta`` is where that ended.

        With few iterations at a time, a fit that goes on from the one before would otherwise spend them all on a
        likelihood without a maximum: to look for separation first costs a linear program, but no iteration.
        """
        with suppress(UndecidedError):
            self.separation = find_separation(self.objective, theta)
        return self.separation is not None

    def _certify(self, solution: Solution) -> tuple[Solution, bool]:
        """Return the solution, improved where the proof needs a smaller gap, and whether it is a maximum.

        Certificates come first, then linear programs. A fit that a callback stopped is returned as it is, unexamined.
        What separates is in ``separation`` afterwards; with none and no maximum, neither was proved.
        """
        objective = self.objective
        if solution.status is Status.SETTLED:
            self.separation = complete_separation(objective, solution.theta)
            return solution, self.separation is None
        excluded = False  # separation, by a linear program
        for _ in range(_ROUNDS):
            if solution.status is Status.STOPPED:
                return solution, True
            of_rows = excluded or not objective.predictors.many_classes
            proved = certified(objective, solution, self.prepared.columns.largest, of_rows=of_rows)
            if proved is not None:
                return proved, True
            if not excluded and objective.predictors.size <= MOST_VARIABLES:
                try:
                    self.separation = find_separation(objective, solution.theta)
                except UndecidedError:
                    return solution, False
                if self.separation is not None:
                    return solution, False
                excluded = True
            if solution.status is Status.MAX_ITER:
                return solution, True
            if solution.n_iter >= self.options.max_iter:
                break
            # Nearly separated: the MLE is finite but far away, so go on from here to a tighter gap.
            solver = "newton-cg" if solution.factor is None else "newton"
            solution = self.solve(solution.theta, solution.n_iter, solver=solver, tol=1e-6 * solution.gap)
        return solution, excluded

    def _solve_under_tiny_prior(self, cold: list[Array], found: list[Array], n_iter: int) -> Solution:
        """Return the mode under the tiny prior, from the best of the points found in ``n_iter`` iterations and cold."""
        self.exists = False
        prepared = self.prepared
        # A regressor of proportions has no names of classes.
        remedies = _REMEDIES_OF_PROPORTIONS if self.class_names is None else _REMEDIES_OF_CLASSES
        self.warnings.append(
            undecided_warning(prepared.data, remedies)
            if self.separation is None
            else separation_warning(self.objective, self.separation, prepared.name, self.class_names, remedies)
        )
        starts = cold + [self.matrix(theta) for theta in found]
        self.objective = self._objective(self.varying, prepared.separation_precision)
        if self.identification is not None:
            # The prior identifies the coefficients of dependent columns; the data still do not.
            if self.objective.predictors.size <= MOST_KEPT:
                null = self.identification.null_space(prepared.columns, self.term.intercept)
                classes = np.eye(self.n_predictors)
                self.undetermined = [np.multiply.outer(one, vector) for vector in null.T for one in classes]
            self.identification = None
        return self.solve(best_of(self.objective, [self.theta(matrix) for matrix in starts]), n_iter)

    def _retain(self, solution: Solution) -> FitResult:
        objective = self.objective
        curvature = self._curvature(solution)
        # The condition of the retained factor is needed anyway; the solver's is as good, but another estimate.
        factor = solution.factor if curvature is None or self.separation is not None else curvature.factor
        theta = DoubleDouble.of(solution.theta)
        refinable = not self.options.prior.bias_reduced and solution.status in (Status.CONVERGED, Status.ROUNDING)
        if refinable and factor is not None and worth_refining(objective, factor):
            theta = refine(objective, solution.theta, factor)
        matrix = objective.predictors.exact_matrix(theta)
        if self.identification is not None:
            matrix = DoubleDouble.of(self.identification.minimum_norm(matrix.rounded, self.prepared.columns))
        nll = solution.value - objective.penalty.value_and_gradient(solution.theta)[0]
        return self.result(
            self.target.to_original(matrix), -nll, solution, objective.predictors.size, curvature=curvature
        )

    def _curvature(self, solution: Solution) -> Curvature | None:
        """Return the curvature of the NLL, or that of the limiting model; None under a prior of the user."""
        prepared, undetermined = self.prepared, self.undetermined
        if prepared.prior.penalizes(0):
            return None
        if self.separation is None:
            own = self.identification
            of_each = None if own is None else [own] * self.n_predictors
            return self.curvature(solution, of_each, undetermined)
        theta, columns, mean_weight = solution.theta, prepared.columns, prepared.mean_weight
        limit = limiting_curvature(self.objective, self.separation, theta, columns, mean_weight)
        if limit is None or not undetermined:
            return limit
        diverging = [] if limit.divergent is None else list(limit.divergent)
        return replace(limit, divergent=np.stack(diverging + undetermined))


def _separates(objective: PenalizedNLL, most: float, theta: Array, value: float) -> bool:
    """Return whether theta separates all rows: then no maximum exists, and the search for it is over.

    It costs a pass, so only an F below ``most`` is examined.
    """
    return value < most and complete_separation(objective, theta) is not None
