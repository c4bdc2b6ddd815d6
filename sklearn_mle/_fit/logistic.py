"""Fitting the Bernoulli and categorical likelihoods: start, solve, and what is returned when no finite MLE exists."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._curvature import MOST_KEPT, Curvature
from sklearn_mle._existence import (
    MOST_VARIABLES,
    SEPARATION_PRIOR,
    LimitingModel,
    SeparatingDirection,
    UndecidedError,
    complete_separation,
    find_separation,
    limiting_model,
    separation_warning,
    undecided_warning,
)
from sklearn_mle._fit.absent_classes import fit_without
from sklearn_mle._fit.certify import certify
from sklearn_mle._fit.firth import solve_bias_reduced
from sklearn_mle._fit.leave_behind import final_factor
from sklearn_mle._fit.offsets import centre_of_classes, projected_on_columns
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._fit.solve import solve
from sklearn_mle._fit.start import best_of
from sklearn_mle._hessian_factors import refine, worth_refining
from sklearn_mle._jeffreys import JeffreysNLL
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoPenalty, Penalty
from sklearn_mle._predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle._rank import Identification, find_dependence, independent_columns, rank_doubts, rank_warning
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.likelihoods import Bernoulli, Categorical

__all__ = ["fit_logistic"]

Array = NDArray[Any]

# Multiply-adds of a curvature above which a rough maximum, found by a sample, goes ahead of a bias-reduced fit.
_LARGE_WORK = 3e7
_ROUGH = 0.1
# Only a fit this much better than the class frequencies, in its part of their NLL, is asked whether it separates.
_SEPARABLE = 0.1
_REMEDIES_OF_CLASSES = (
    "Penalize with a finite C to choose the prior yourself, or reduce the bias with bias_reduction='firth'."
)
_REMEDIES_OF_PROPORTIONS = "Penalize with alpha to choose the prior yourself."


class _LogisticFit:
    """One fit of a Bernoulli or categorical likelihood; built, run once, thrown away."""

    def __init__(
        self,
        likelihood: Bernoulli | Categorical,
        prepared: Prepared,
        options: FitOptions,
        observer: Callable[[Array], bool] | None,
        class_names: Any,
    ) -> None:
        self.likelihood, self.prepared, self.options = likelihood, prepared, options
        self.observer, self.class_names = observer, class_names
        self.binary = not likelihood.shift_invariant
        self.n_classes = 2 if self.binary else likelihood.n_predictors
        self.warnings: list[Warning] = []
        self.exists = True
        # Changes of the coefficients, in X's units, along which there is no finite maximum.
        self.divergent: list[Array] = []
        self.limit: LimitingModel | None = None
        self.reduced: JeffreysNLL | None = None
        self.unit = prepared.unit

    def run(self, start: Array | None) -> FitResult:
        prepared, data = self.prepared, self.prepared.data
        mass = data.class_weights(self.n_classes)
        absent = np.flatnonzero(mass == 0)
        if self.n_classes - len(absent) < 2 and self.options.bias_reduction is not None:
            raise ValueError(
                f"bias_reduction={self.options.bias_reduction!r}: y has rows of positive weight in one class only "
                f"({self._class_name(int(np.argmax(mass)))}). Give rows of another, or use a finite C instead."
            )
        # A prior on all that a class has (it has no intercept) gives the absent ones, too, a finite estimate.
        if len(absent) and (self.options.fit_intercept or prepared.alpha == 0):
            return fit_without(absent, self.n_classes, prepared, self.class_names, self._among_the_present)
        active = self._varying()
        objective = self._objective(active, self._prior(active, prepared.alpha))
        starts = self._cold_starts(mass)
        null = objective.predictors.theta(starts[0])
        identification = None
        if prepared.alpha == 0 and self.options.terms[0].columns and not self._clearly_independent(objective, null):
            term = self.options.terms[0]
            identification = find_dependence(data, prepared.columns, term)
            self.warnings += rank_doubts(data, prepared.columns, prepared.names, term)
            if identification is not None and len(identification.active) < len(active):
                active = identification.active
                objective = self._objective(active, NoPenalty())
                null = objective.predictors.theta(starts[0])
        null_value = self._null_value(objective, null, mass)
        theta = null
        if start is not None:
            warm = objective.predictors.theta(prepared.columns.to_standardized(start))
            # A start that is worse than none at all (other data, saturated probabilities) would only mislead.
            theta = warm if objective.value_and_gradient(warm)[0] < null_value else null
        if theta is null:
            theta = best_of(objective, [null, *map(objective.predictors.theta, starts[1:])])
        if self.options.bias_reduction == "firth":
            solution = self._solve_bias_reduced(objective, theta, null, null_value)
        else:
            separation = self._known_separation(objective, theta) if theta is not null else None
            if separation is None:
                settled = None if prepared.alpha else partial(_separates, objective, _SEPARABLE * null_value)
                solution = self._solve(objective, theta, null_value, settled=settled)
                if prepared.alpha == 0:
                    verdict = certify(
                        objective,
                        solution,
                        self.options,
                        null_value=null_value,
                        largest=prepared.columns.largest,
                        observer=self._watch(objective),
                    )
                    solution, separation = verdict.solution, verdict.separation
                    self.exists = separation is None and verdict.decided
                found = [theta, solution.theta] if solution.status.early or theta is not null else []
                n_iter = solution.n_iter
            else:
                self.exists, found, n_iter = False, [theta], 0
            if not self.exists:
                self._report_missing(objective, separation)
                starts += [objective.predictors.matrix(theta) for theta in found]
                active = self._varying()
                per_sd = SEPARATION_PRIOR * data.weight_sum * np.square(prepared.columns.spread[active])
                objective = self._objective(active, self._prior(active, 0.0, per_sd))
                theta = best_of(objective, [objective.predictors.theta(matrix) for matrix in starts])
                solution = self._solve(objective, theta, null_value, n_iter)
                if separation is not None:
                    self.limit = limiting_model(objective, separation, solution.theta)
                    self.divergent.extend(self.limit.divergent(objective, prepared.columns))
                if objective.predictors.size <= MOST_KEPT:
                    # The prior tells dependent columns apart; the data still do not.
                    self.divergent.extend(self._undetermined(identification))
                identification = None
        if identification is not None and len(identification.dependent):
            self.warnings.insert(0, rank_warning(identification, prepared.names, "fitted probabilities", "C"))
        return self._result(objective, solution, identification)

    def _known_separation(self, objective: PenalizedNLL, theta: Array) -> SeparatingDirection | None:
        """Return the separating direction, where the fit that ``theta`` is from had one and these data have it too.

        To look for it first costs a linear program, but no iteration: with few of them at a time, a fit that goes on
        from the one before would otherwise spend them all on a likelihood without a maximum.
        """
        if not self.options.separated or self.prepared.alpha or objective.predictors.size > MOST_VARIABLES:
            return None
        try:
            return find_separation(objective, theta)
        except UndecidedError:
            return None

    def _clearly_independent(self, objective: PenalizedNLL, null: Array) -> bool:
        """Return whether the columns are independent beyond doubt, where that is known already.

        A bias-reduced fit begins with the information at the null model, which is the design's.
        """
        if self.options.bias_reduction != "firth":
            return False
        self.reduced = JeffreysNLL(self.likelihood, objective, 1 / self.unit)
        factor = self.reduced.at(null).factor
        return factor is not None and bool(objective.predictors.used.all()) and independent_columns(factor)

    def _among_the_present(self, likelihood: Bernoulli | Categorical, smaller: Prepared, names: Any) -> FitResult:
        return _LogisticFit(likelihood, smaller, self.options, None, names).run(None)

    def _class_name(self, k: int) -> str:
        return f"class {k}" if self.class_names is None else f"class {self.class_names[k]!r}"

    def _varying(self) -> Array:
        """Return the columns that the model has, constant ones left out."""
        own = self.options.terms[0].indices(self.prepared.data.n_columns)
        return own[~self.prepared.columns.constant[own]]

    def _term(self, active: Array | None) -> Terms:
        asked = self.options.terms[0]
        return asked if active is None else asked.restricted(active, self.prepared.data.n_columns)

    def _predictors(self, active: Array) -> LinearPredictors:
        p = self.prepared.data.n_columns
        contrast = None if self.binary else sum_to_zero_basis(self.n_classes)
        term = self._term(active)
        return LinearPredictors(p, [term] * (1 if contrast is None else contrast.shape[1]), contrast)

    def _objective(self, active: Array, penalty: Penalty) -> PenalizedNLL:
        return PenalizedNLL(self.likelihood, self._predictors(active), self.prepared.data, penalty)

    def _prior(self, active: Array, alpha: float, precision: Array | None = None) -> Penalty:
        if precision is None:
            if alpha == 0:
                return NoPenalty()
            precision = alpha / np.square(self.prepared.columns.scale[active])
        one = np.concatenate([precision, [0.0] * self.options.fit_intercept])
        return GaussianPrior(np.tile(one, 1 if self.binary else self.n_classes - 1))

    def _cold_starts(self, mass: Array) -> list[Array]:
        """Return the model of the class frequencies alone; and of offsets far apart, one whose columns undo them."""
        data = self.prepared.data
        frequencies = np.zeros((1 if self.binary else self.n_classes, data.n_columns + 1))
        if self.options.fit_intercept:
            log_mass = np.log(mass)
            frequencies[:, -1] = log_mass[1] - log_mass[0] if self.binary else log_mass - log_mass.mean()
        if not data.has_offset:
            return [frequencies]
        # An offset far from zero would saturate every probability, and no Newton step leads back from there.
        centre, far = centre_of_classes(data)
        null = frequencies.copy()
        if self.options.fit_intercept:
            null[:, -1] -= centre if self.binary else centre - centre.mean()
        return [null, frequencies - projected_on_columns(data, self._term(None))] if far else [null]

    def _null_value(self, objective: PenalizedNLL, null: Array, mass: Array) -> float:
        """Return F at the null model: the class frequencies' entropy, unless offsets or no intercept change it."""
        if not self.options.fit_intercept or self.prepared.data.has_offset:
            return objective.value_and_gradient(null)[0]
        total = float(mass.sum())
        return total * math.log(total) - float(mass @ np.log(mass))

    def _solve(
        self,
        objective: PenalizedNLL,
        theta: Array,
        null_value: float,
        n_iter: int = 0,
        settled: Callable[[Array, float], bool] | None = None,
    ) -> Solution:
        """Return the minimum, after so many iterations of another stage."""
        left = max(self.options.max_iter - n_iter, 0)
        options = replace(self.options, max_iter=left)
        found = solve(
            objective, theta, options, null_value=null_value, observer=self._watch(objective), settled=settled
        )
        return replace(found, n_iter=n_iter + found.n_iter) if n_iter else found

    def _watch(self, objective: PenalizedNLL) -> Callable[[Array], bool] | None:
        if self.observer is None:
            return None
        observer, columns = self.observer, self.prepared.columns
        return lambda theta: observer(columns.to_original(objective.predictors.matrix(theta)))

    def _solve_bias_reduced(self, objective: PenalizedNLL, theta: Array, null: Array, null_value: float) -> Solution:
        """Return the mode under Jeffreys' prior; its value is the NLL alone."""
        reduced = self.reduced
        if reduced is None or reduced.objective is not objective:
            reduced = JeffreysNLL(self.likelihood, objective, 1 / self.unit)
        observer, options = self._watch(objective), self.options
        reference, n_iter = reduced.at(null).value, 0
        if theta is null and objective.data.n_rows * float(objective.predictors.size) ** 2 > _LARGE_WORK:
            # The neighbourhood of the maximum, found by a sample of the rows, is near that of the mode.
            near = solve(objective, null, options, null_value=null_value, tol=_ROUGH, observer=observer)
            if near.status is Status.STOPPED:
                return near
            n_iter = near.n_iter
            options = replace(options, max_iter=max(options.max_iter - n_iter, 0))
            theta = near.theta if reduced.at(near.theta).value < reference else null
        solution = solve_bias_reduced(reduced, theta, options, null_value=reference, observer=observer)
        return replace(solution, n_iter=n_iter + solution.n_iter) if n_iter else solution

    def _report_missing(self, objective: PenalizedNLL, separation: SeparatingDirection | None) -> None:
        # A regressor of proportions has no names of classes.
        remedies = _REMEDIES_OF_PROPORTIONS if self.class_names is None else _REMEDIES_OF_CLASSES
        if separation is None:
            warning = undecided_warning(objective.data, remedies)
        else:
            warning = separation_warning(objective, separation, self.prepared.name, self.class_names, remedies)
        self.warnings.append(warning)

    def _undetermined(self, identification: Identification | None) -> list[Array]:
        """Return the changes of the coefficients that leave every predictor as it is."""
        if identification is None:
            return []
        null = identification.null_space(self.prepared.columns, self.options.fit_intercept)
        classes = np.eye(1 if self.binary else self.n_classes)
        return [np.multiply.outer(of_class, vector) for vector in null.T for of_class in classes]

    def _curvature(
        self, objective: PenalizedNLL, solution: Solution, identification: Identification | None
    ) -> Curvature | None:
        if self.prepared.alpha:
            return None  # a penalized curvature is no one's to read
        factor, drift = final_factor(objective, solution) if self.limit is None else (self.limit.factor, 0.0)
        if factor is None:
            return None
        return Curvature(
            factor,
            objective.predictors,
            self.prepared.columns,
            self.unit,
            None if identification is None else [identification] * (1 if self.binary else self.n_classes),
            np.stack(self.divergent) if self.divergent else None,
            drift=drift,
        )

    def _result(self, objective: PenalizedNLL, solution: Solution, identification: Identification | None) -> FitResult:
        prepared = self.prepared
        curvature = self._curvature(objective, solution, identification)
        # What is left behind is asked for its condition anyway; the solver's factor is as good, and another estimate.
        factor = solution.factor if curvature is None or self.limit is not None else curvature.factor
        theta = DoubleDouble.of(solution.theta)
        refinable = self.options.bias_reduction is None and solution.status in (Status.CONVERGED, Status.ROUNDING)
        if refinable and factor is not None and worth_refining(objective, factor):
            theta = refine(objective, solution.theta, factor)
        matrix = objective.predictors.exact_matrix(theta)
        if identification is not None:
            matrix = DoubleDouble.of(identification.minimum_norm(matrix.rounded, prepared.columns))
        value = solution.value - objective.penalty.value_and_gradient(solution.theta)[0]
        return FitResult(
            coefficients=prepared.columns.to_original(matrix),
            scale=None,
            log_likelihood=-value * self.unit,
            n_obs=prepared.n_obs,
            n_iter=solution.n_iter,
            n_passes=prepared.data.n_passes,
            gap=solution.gap * self.unit,
            status=solution.status,
            warnings=tuple(self.warnings),
            n_parameters=objective.predictors.size,
            curvature=curvature,
            exists=self.exists,
        )


def _separates(objective: PenalizedNLL, most: float, theta: Array, value: float) -> bool:
    """Return whether theta separates all rows: then no maximum exists, and the search for it is over.

    It costs a pass, and is asked only of an F below ``most``.
    """
    return value < most and complete_separation(objective, theta) is not None


def fit_logistic(
    likelihood: Bernoulli | Categorical,
    prepared: Prepared,
    options: FitOptions,
    *,
    start: Array | None,
    observer: Callable[[Array], bool] | None,
    class_names: Any,
) -> FitResult:
    """Fit a Bernoulli or categorical likelihood.

    Raises
    ------
    ValueError
        If fewer than two classes have rows of positive weight.
    """
    return _LogisticFit(likelihood, prepared, options, observer, class_names).run(start)
