"""Fits of class labels and proportions: read, start, solve, certify, retain; a tiny prior where no maximum exists."""

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
    SeparatingDirection,
    UndecidedError,
    certified,
    class_in_words,
    complete_separation,
    find_separation,
    limiting_curvature,
    separation_warning,
    undecided_warning,
)
from sklearn_mle._fit.absent_classes import fit_without
from sklearn_mle._fit.firth import solve_bias_reduced
from sklearn_mle._fit.offsets import centre_of_classes, projected_on_columns
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._fit.retained import final_factor
from sklearn_mle._fit.solve import solve
from sklearn_mle._fit.start import best_of
from sklearn_mle._hessian_factors import refine, worth_refining
from sklearn_mle._jeffreys import JeffreysNLL
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoPenalty
from sklearn_mle._predictors import LinearPredictors, sum_to_zero_basis
from sklearn_mle._rank import Identification, find_dependence, independent_columns, rank_doubts, rank_warning
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.likelihoods import Bernoulli, Categorical

__all__ = ["fit_logistic"]

Array = NDArray[Any]
Observer = Callable[[Array], bool]

# Multiply-adds of a curvature above which a rough maximum, found by a sample, goes ahead of a bias-reduced fit.
_LARGE_WORK = 3e7
_ROUGH = 0.1
# Of certificate and linear program, each at a tighter gap than the one before.
_ROUNDS = 4
# Only a fit this much better than the class frequencies, in its part of their NLL, is asked whether it separates.
_SEPARABLE = 0.1
_REMEDIES_OF_CLASSES = (
    "Penalize with a finite C to choose the prior yourself, or reduce the bias with bias_reduction='firth'."
)
_REMEDIES_OF_PROPORTIONS = "Penalize with alpha to choose the prior yourself."


def fit_logistic(
    likelihood: Bernoulli | Categorical,
    prepared: Prepared,
    options: FitOptions,
    *,
    start: Array | None,
    observer: Observer | None,
    class_names: Any,
) -> FitResult:
    """Fit a Bernoulli or categorical likelihood.

    Raises
    ------
    ValueError
        If fewer than two classes have rows of positive weight.
    """
    n_classes = max(2, likelihood.n_predictors)
    mass = prepared.data.class_weights(n_classes)
    absent = np.flatnonzero(mass == 0)
    if n_classes - len(absent) < 2 and options.bias_reduction is not None:
        raise ValueError(
            f"bias_reduction={options.bias_reduction!r}: y has rows of positive weight in one class only "
            f"({class_in_words(int(np.argmax(mass)), class_names)}). Give rows of another, or use a finite C instead."
        )
    # A prior on all that a class has (it has no intercept) gives the absent ones, too, a finite estimate.
    if len(absent) and (options.fit_intercept or not prepared.prior.penalizes(0)):
        fit = partial(fit_logistic, options=options, start=None, observer=None)
        return fit_without(absent, n_classes, prepared, class_names, fit)
    return _LogisticFit(likelihood, prepared, options, observer, class_names, mass).run(start)


class _LogisticFit:
    """One fit of classes that all have weight; built, run once, thrown away."""

    objective: PenalizedNLL
    null_value: float
    # Which columns depend on others, where no prior makes their coefficients unique.
    identification: Identification | None = None
    reduced: JeffreysNLL | None = None

    def __init__(
        self,
        likelihood: Bernoulli | Categorical,
        prepared: Prepared,
        options: FitOptions,
        observer: Observer | None,
        class_names: Any,
        mass: Array,
    ) -> None:
        self.likelihood, self.prepared, self.options = likelihood, prepared, options
        self.observer, self.class_names, self.mass = observer, class_names, mass
        self.warnings: list[Warning] = []
        self.exists = True
        self.separation: SeparatingDirection | None = None
        # Changes of the coefficients, in X's units, that only the tiny prior determines.
        self.undetermined: list[Array] = []
        self.term = options.terms[0]
        asked = self.term.indices(prepared.data.n_columns)
        self.varying = asked[~prepared.columns.constant[asked]]

    def run(self, start: Array | None) -> FitResult:
        cold = self._cold_starts()
        self._read(cold[0])
        theta, null = self._start(start, cold)
        if self.options.bias_reduction == "firth":
            solution = self._solve_bias_reduced(theta, null)
        else:
            solution = self._solve_and_certify(theta, null, cold)
        if self.identification is not None:
            names = self.prepared.names
            self.warnings.append(rank_warning(self.identification, names, "fitted probabilities", "C"))
        return self._retain(solution)

    def _read(self, null: Array) -> None:
        """Set the objective, in which columns that depend on others have no coefficient."""
        prepared, penalized = self.prepared, self.prepared.prior.penalizes(0)
        precision = prepared.prior.in_standardized(prepared.columns.scale) if penalized else None
        self.objective = self._objective(self.varying, precision)
        if not penalized and self.term.columns and not self._clearly_independent(null):
            self.identification = find_dependence(prepared.data, prepared.columns, self.term)
            self.warnings += rank_doubts(prepared.data, prepared.columns, prepared.names, self.term)
            if self.identification is not None and len(self.identification.active) < len(self.varying):
                self.objective = self._objective(self.identification.active, None)
        self.null_value = self._null_value(null)

    def _objective(self, active: Array, precision: Array | None) -> PenalizedNLL:
        """Return the objective of these columns, with a prior of such precision for each column of X."""
        data = self.prepared.data
        contrast = sum_to_zero_basis(self.likelihood.n_predictors) if self.likelihood.shift_invariant else None
        n_free = 1 if contrast is None else contrast.shape[1]
        term = self.term.restricted(active, data.n_columns)
        predictors = LinearPredictors(data.n_columns, [term] * n_free, contrast)
        if precision is None:
            return PenalizedNLL(self.likelihood, predictors, data, NoPenalty())
        prior = GaussianPrior(np.tile(np.concatenate([precision[active], [0.0] * term.intercept]), n_free))
        return PenalizedNLL(self.likelihood, predictors, data, prior)

    def _clearly_independent(self, null: Array) -> bool:
        """Return whether the columns are independent beyond doubt, where that is known already.

        A bias-reduced fit begins with the information at the null model, which is the design's.
        """
        if self.options.bias_reduction != "firth":
            return False
        predictors = self.objective.predictors
        self.reduced = JeffreysNLL(self.likelihood, self.objective, 1 / self.prepared.mean_weight)
        factor = self.reduced.at(predictors.theta(null)).factor
        return factor is not None and bool(predictors.used.all()) and independent_columns(factor)

    def _cold_starts(self) -> list[Array]:
        """Return the model of the class frequencies alone; and of offsets far apart, one whose columns undo them."""
        data, intercept = self.prepared.data, self.term.intercept
        several = self.likelihood.shift_invariant
        frequencies = np.zeros((self.likelihood.n_predictors, data.n_columns + 1))
        if intercept:
            log_mass = np.log(self.mass)
            frequencies[:, -1] = log_mass - log_mass.mean() if several else log_mass[1] - log_mass[0]
        if not data.has_offset:
            return [frequencies]
        # An offset far from zero would saturate every probability, and no Newton step leads back from there.
        centre, far = centre_of_classes(data)
        null = frequencies.copy()
        if intercept:
            null[:, -1] -= centre - centre.mean() if several else centre
        return [null, frequencies - projected_on_columns(data, self.term)] if far else [null]

    def _null_value(self, null: Array) -> float:
        """Return F at the null model: the class frequencies' entropy, unless offsets or no intercept change it."""
        if not self.term.intercept or self.prepared.data.has_offset:
            return self.objective.value_and_gradient(self.objective.predictors.theta(null))[0]
        total = float(self.mass.sum())
        return total * math.log(total) - float(self.mass @ np.log(self.mass))

    def _start(self, start: Array | None, cold: list[Array]) -> tuple[Array, Array]:
        """Return where the search begins, and the null model; they are the same object where it begins there."""
        predictors = self.objective.predictors
        null = predictors.theta(cold[0])
        if start is not None:
            warm = predictors.theta(self.prepared.columns.to_standardized(start))
            # A start that is worse than none at all (other data, saturated probabilities) would only mislead.
            if self.objective.value_and_gradient(warm)[0] < self.null_value:
                return warm, null
        return best_of(self.objective, [null, *map(predictors.theta, cold[1:])]), null

    def _solve_and_certify(self, theta: Array, null: Array, cold: list[Array]) -> Solution:
        """Return the maximum; where there is none, or it is not known to exist, the mode under a tiny prior."""
        if self.prepared.prior.penalizes(0):
            return self._solve(theta)
        self.separation = self._known_separation(theta) if theta is not null else None
        if self.separation is not None:
            return self._solve_under_tiny_prior(cold, [theta], 0)
        solution = self._solve(theta, settled=partial(_separates, self.objective, _SEPARABLE * self.null_value))
        solution, exists = self._certify(solution)
        if exists:
            return solution
        found = [theta, solution.theta] if solution.status.early or theta is not null else []
        return self._solve_under_tiny_prior(cold, found, solution.n_iter)

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
            solution = self._solve(solution.theta, solution.n_iter, solver=solver, tol=1e-6 * solution.gap)
        return solution, excluded

    def _known_separation(self, theta: Array) -> SeparatingDirection | None:
        """Return the separating direction, where the fit that ``theta`` is from had one and these data have it too.

        To look for it first costs a linear program, but no iteration: with few of them at a time, a fit that goes on
        from the one before would otherwise spend them all on a likelihood without a maximum.
        """
        if not self.options.separated:
            return None
        try:
            return find_separation(self.objective, theta)
        except UndecidedError:
            return None

    def _solve_under_tiny_prior(self, cold: list[Array], found: list[Array], n_iter: int) -> Solution:
        """Return the mode under the tiny prior, from the best of the points found in ``n_iter`` iterations and cold."""
        self.exists = False
        data, columns = self.prepared.data, self.prepared.columns
        # A regressor of proportions has no names of classes.
        remedies = _REMEDIES_OF_PROPORTIONS if self.class_names is None else _REMEDIES_OF_CLASSES
        if self.separation is None:
            self.warnings.append(undecided_warning(data, remedies))
        else:
            self.warnings.append(
                separation_warning(self.objective, self.separation, self.prepared.name, self.class_names, remedies)
            )
        starts = cold + [self.objective.predictors.matrix(theta) for theta in found]
        self.objective = self._objective(self.varying, SEPARATION_PRIOR * data.weight_sum * np.square(columns.spread))
        theta = best_of(self.objective, [self.objective.predictors.theta(matrix) for matrix in starts])
        if self.identification is not None:
            # The prior tells dependent columns apart; the data still do not.
            if self.objective.predictors.size <= MOST_KEPT:
                null = self.identification.null_space(columns, self.term.intercept)
                classes = np.eye(self.likelihood.n_predictors)
                self.undetermined = [np.multiply.outer(one, vector) for vector in null.T for one in classes]
            self.identification = None
        return self._solve(theta, n_iter)

    def _solve(
        self,
        theta: Array,
        n_iter: int = 0,
        *,
        solver: str | None = None,
        tol: float | None = None,
        settled: Callable[[Array, float], bool] | None = None,
    ) -> Solution:
        """Return the minimum, after so many iterations of another stage."""
        return solve(
            self.objective,
            theta,
            replace(self.options, solver=solver or self.options.solver),
            null_value=self.null_value,
            tol=tol,
            observer=self._watch(),
            settled=settled,
            n_iter=n_iter,
        )

    def _watch(self) -> Observer | None:
        if self.observer is None:
            return None
        observer, columns, predictors = self.observer, self.prepared.columns, self.objective.predictors
        return lambda theta: observer(columns.to_original(predictors.matrix(theta)))

    def _solve_bias_reduced(self, theta: Array, null: Array) -> Solution:
        """Return the mode under Jeffreys' prior; its value is the NLL alone."""
        objective, reduced = self.objective, self.reduced
        if reduced is None or reduced.objective is not objective:
            reduced = JeffreysNLL(self.likelihood, objective, 1 / self.prepared.mean_weight)
        observer, options = self._watch(), self.options
        reference, n_iter = reduced.at(null).value, 0
        if theta is null and objective.data.n_rows * float(objective.predictors.size) ** 2 > _LARGE_WORK:
            # The neighbourhood of the maximum, found by a sample of the rows, is near that of the mode.
            near = solve(objective, null, options, null_value=self.null_value, tol=_ROUGH, observer=observer)
            if near.status is Status.STOPPED:
                return near
            n_iter = near.n_iter
            options = replace(options, max_iter=max(options.max_iter - n_iter, 0))
            theta = near.theta if reduced.at(near.theta).value < reference else null
        solution = solve_bias_reduced(reduced, theta, options, null_value=reference, observer=observer)
        return replace(solution, n_iter=n_iter + solution.n_iter) if n_iter else solution

    def _retain(self, solution: Solution) -> FitResult:
        prepared, objective = self.prepared, self.objective
        curvature = self._curvature(solution)
        # The condition of the retained factor is needed anyway; the solver's is as good, but another estimate.
        factor = solution.factor if curvature is None or self.separation is not None else curvature.factor
        theta = DoubleDouble.of(solution.theta)
        refinable = self.options.bias_reduction is None and solution.status in (Status.CONVERGED, Status.ROUNDING)
        if refinable and factor is not None and worth_refining(objective, factor):
            theta = refine(objective, solution.theta, factor)
        matrix = objective.predictors.exact_matrix(theta)
        if self.identification is not None:
            matrix = DoubleDouble.of(self.identification.minimum_norm(matrix.rounded, prepared.columns))
        nll = solution.value - objective.penalty.value_and_gradient(solution.theta)[0]
        return FitResult(
            coefficients=prepared.columns.to_original(matrix),
            scale=None,
            log_likelihood=-nll * prepared.mean_weight,
            n_obs=prepared.n_obs,
            n_iter=solution.n_iter,
            n_passes=prepared.data.n_passes,
            gap=solution.gap * prepared.mean_weight,
            status=solution.status,
            warnings=tuple(self.warnings),
            n_parameters=objective.predictors.size,
            curvature=curvature,
            exists=self.exists,
        )

    def _curvature(self, solution: Solution) -> Curvature | None:
        """Return the curvature of the NLL, or that of the limiting model; None under a prior of the user."""
        prepared, objective = self.prepared, self.objective
        if prepared.prior.penalizes(0):
            return None
        if self.separation is not None:
            limit = limiting_curvature(
                objective, self.separation, solution.theta, prepared.columns, prepared.mean_weight
            )
            if limit is None or not self.undetermined:
                return limit
            diverging = [] if limit.divergent is None else list(limit.divergent)
            return replace(limit, divergent=np.stack(diverging + self.undetermined))
        factor, drift = final_factor(objective, solution)
        if factor is None:
            return None
        identification = self.identification
        return Curvature(
            factor,
            objective.predictors,
            prepared.columns,
            prepared.mean_weight,
            None if identification is None else [identification] * self.likelihood.n_predictors,
            np.stack(self.undetermined) if self.undetermined else None,
            drift=drift,
        )


def _separates(objective: PenalizedNLL, most: float, theta: Array, value: float) -> bool:
    """Return whether theta separates all rows: then no maximum exists, and the search for it is over.

    It costs a pass, so only an F below ``most`` is examined.
    """
    return value < most and complete_separation(objective, theta) is not None
