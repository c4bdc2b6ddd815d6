"""Fitting the Bernoulli and categorical likelihoods: start, solve, and what is returned when no finite MLE exists."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.curvature import Curvature
from sklearn_mle.exceptions import RankDeficiencyWarning, SeparationWarning
from sklearn_mle.existence import CERTIFIED, SEPARATION_PRIOR, certificate, separating_direction
from sklearn_mle.fitting.dependence import find_dependence
from sklearn_mle.fitting.leave_behind import final_factor
from sklearn_mle.fitting.prepare import Prepared
from sklearn_mle.fitting.result import FitOptions, FitResult
from sklearn_mle.fitting.solve import solve
from sklearn_mle.information import hessian_factor, refine
from sklearn_mle.likelihoods import Bernoulli, Categorical
from sklearn_mle.linear_predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle.numerics.factors import NotPositiveDefiniteError
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.penalties import GaussianPrior, NoPenalty, Penalty
from sklearn_mle.row_blocks import RowBlocks
from sklearn_mle.solvers import Solution, Status
from sklearn_mle.uniqueness import Identification

__all__ = ["fit_logistic"]

Array = NDArray[Any]

_ROUNDS = 4


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
        self.binary = isinstance(likelihood, Bernoulli)
        self.n_classes = 2 if isinstance(likelihood, Bernoulli) else likelihood.n_classes
        self.warnings: list[Warning] = []
        # Changes of the coefficients, in X's units, along which there is no finite maximum.
        self.divergent: list[Array] = []
        self.unit = prepared.unit

    def run(self, start: Array | None) -> FitResult:
        prepared, data = self.prepared, self.prepared.data
        mass = self._class_mass()
        absent = np.flatnonzero(mass == 0)
        if self.n_classes - len(absent) < 2:
            raise ValueError(
                f"y has rows of positive weight in one class only ({self._class_name(int(np.argmax(mass)))}), but a "
                f"classifier needs at least two classes."
            )
        if len(absent):
            return self._without(absent)
        active = np.flatnonzero(~prepared.columns.constant)
        objective = self._objective(active, self._prior(active, prepared.alpha))
        null = self._null_theta(objective, mass)
        identification = None
        if prepared.alpha == 0:
            identification = find_dependence(data, prepared.columns, intercept=self.options.fit_intercept)
            if identification is not None and len(identification.active) < len(active):
                active = identification.active
                objective = self._objective(active, NoPenalty())
                null = self._null_theta(objective, mass)
        null_value = self._null_value(objective, null, mass)
        theta = null
        if start is not None:
            warm = objective.predictors.theta(prepared.columns.to_standardized(start))
            # A start that is worse than none at all (other data, saturated probabilities) would only mislead.
            theta = warm if objective.value_and_gradient(warm)[0] < null_value else null
        solution = self._solve(objective, theta, null_value)
        if prepared.alpha == 0:
            solution, separated = self._check_existence(objective, solution, null_value)
            if separated:
                active = np.flatnonzero(~prepared.columns.constant)
                per_sd = SEPARATION_PRIOR * self._total() * np.square(prepared.columns.spread[active])
                objective = self._objective(active, self._prior(active, 0.0, per_sd))
                solution = self._solve(objective, self._null_theta(objective, mass), null_value)
                # The prior tells dependent columns apart; the data still do not.
                self.divergent.extend(self._undetermined(identification))
                identification = None
        if identification is not None and len(identification.dependent):
            names = prepared.names(identification.dependent)
            self.warnings.insert(
                0,
                RankDeficiencyWarning(
                    f"X is rank deficient (collinear or constant columns): {names} depend linearly on the other "
                    "columns and the intercept. The coefficients of minimum norm are returned; fitted probabilities "
                    "are not affected. Drop the columns, or penalize with C."
                ),
            )
        return self._result(objective, solution, identification)

    def _total(self) -> float:
        data = self.prepared.data
        return float(data.n_rows if data.weight is None else data.weight.sum())

    def _class_name(self, k: int) -> str:
        return f"class {k}" if self.class_names is None else f"class {self.class_names[k]!r}"

    def _class_mass(self) -> Array:
        """Return the weight of every class, from hard or soft labels."""
        data = self.prepared.data
        y, weight = data.y, np.ones(data.n_rows) if data.weight is None else data.weight
        if self.binary:
            second = float(weight @ y)
            # Exact zeros matter, so the first class is not taken as the rest of the sum.
            return np.array([float(weight @ (1 - y)), second])
        return y @ weight if y.ndim == 2 else np.bincount(y, weights=weight, minlength=self.n_classes)

    def _predictors(self, active: Array) -> LinearPredictors:
        p = self.prepared.data.n_columns
        contrast = None if self.binary else sum_to_zero_basis(self.n_classes)
        term = Terms(True, self.options.fit_intercept, None if len(active) == p else active)
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

    def _null_theta(self, objective: PenalizedNLL, mass: Array) -> Array:
        """Return the model of the class frequencies alone."""
        predictors = objective.predictors
        matrix = np.zeros((1 if self.binary else self.n_classes, predictors.n_columns + 1))
        if self.options.fit_intercept:
            log_mass = np.log(mass)
            matrix[:, -1] = log_mass[1] - log_mass[0] if self.binary else log_mass - log_mass.mean()
        return predictors.theta(matrix)

    def _null_value(self, objective: PenalizedNLL, null: Array, mass: Array) -> float:
        """Return F at the null model: the class frequencies' entropy, unless offsets or no intercept change it."""
        if not self.options.fit_intercept or self.prepared.data.offset is not None:
            return objective.value_and_gradient(null)[0]
        return float(mass.sum() * np.log(mass.sum()) - mass @ np.log(mass))

    def _solve(self, objective: PenalizedNLL, theta: Array, null_value: float) -> Solution:
        return solve(
            objective,
            theta,
            self.options,
            null_value=null_value,
            observer=self._watch(objective),
        )

    def _watch(self, objective: PenalizedNLL) -> Callable[[Array], bool] | None:
        if self.observer is None:
            return None
        observer, columns = self.observer, self.prepared.columns
        return lambda theta: observer(columns.to_original(objective.predictors.matrix(theta)))

    def _check_existence(self, objective: PenalizedNLL, solution: Solution, null_value: float) -> tuple[Solution, bool]:
        """Return the solution, and whether a linear program has proved that there is none."""
        asked = False
        largest = self.prepared.columns.largest
        for _ in range(_ROUNDS):
            if solution.status is Status.STOPPED:
                return solution, False
            # The factor is of the point before polishing, so its own gap goes with it.
            theta, factor_gap = solution.theta, solution.factor_gap
            if certificate(objective, theta, solution.factor, factor_gap, largest, thorough=False) < CERTIFIED:
                return solution, False
            if solution.factor is None:
                # Too large for linear programs: a smaller gap may prove existence, nothing can disprove it.
                verdict, columns = "could not be excluded", np.arange(self.prepared.data.n_columns)
            else:
                try:
                    factor = hessian_factor(objective, solution.theta)
                    gap = 0.5 * factor.squared_norm(solution.gradient)
                    if certificate(objective, solution.theta, factor, gap, largest) < CERTIFIED:
                        return replace(solution, factor=factor, factor_gap=gap, gap=gap), False
                except NotPositiveDefiniteError:
                    pass  # flat to rounding along some direction: ask the linear program
                direction = None if asked else separating_direction(objective, solution.theta)
                if direction is not None:
                    change = objective.predictors.matrix(direction)
                    self.divergent.append(self.prepared.columns.to_original(change))
                    size = np.abs(change[:, :-1]).max(axis=0)
                    self._warn_separation("holds", np.flatnonzero(size > 1e-6 * max(size.max(initial=0.0), 1e-300)))
                    return solution, True
                asked = True
            if solution.status is Status.MAX_ITER:
                return solution, False
            # Nearly separated: the MLE is finite but far away, so go on from here to a tighter gap.
            solver = "newton-cg" if solution.factor is None else "newton"
            solution = solve(
                objective,
                solution.theta,
                replace(self.options, solver=solver),
                null_value=null_value,
                tol=1e-6 * solution.gap,
                observer=self._watch(objective),
            )
        if solution.factor is None:
            self._warn_separation(verdict, columns)
        return solution, solution.factor is None

    def _warn_separation(self, verdict: str, columns: Array) -> None:
        where = self.prepared.names(columns) if len(columns) else "the intercept"
        self.warnings.append(
            SeparationWarning(
                f"Separation of the classes by a linear combination of {where} {verdict}: then no finite maximum "
                "likelihood estimate exists, for the likelihood still rises as these coefficients go to infinity. "
                f"Returned is the posterior mode under a tiny prior (precision {SEPARATION_PRIOR:g} per unit of total "
                "weight, columns in standard deviations). Penalize with a finite C to choose the prior yourself."
            )
        )

    def _without(self, absent: Array) -> FitResult:
        """Fit the classes that have weight; the absent ones are given a probability near SEPARATION_PRIOR."""
        prepared, data = self.prepared, self.prepared.data
        present = np.setdiff1d(np.arange(self.n_classes), absent)
        y: Array
        if data.y.ndim == 2:
            y = data.y[present]
        else:
            codes = np.zeros(self.n_classes, dtype=np.intp)
            codes[present] = np.arange(len(present))
            y = codes[data.y]
        offset = None if data.offset is None else data.offset[present]
        reduced: Bernoulli | Categorical = Categorical(len(present))
        if len(present) == 2:
            reduced = Bernoulli()
            y = (y[1] if y.ndim == 2 else y).astype(np.float64)
            offset = None if offset is None else (offset[1] - offset[0])[None]
        smaller = Prepared(
            RowBlocks(data.rows, y, data.weight, offset, len(present)),
            prepared.columns,
            prepared.unit,
            prepared.n_obs,
            prepared.alpha,
            prepared.feature_names,
        )
        names = None if self.class_names is None else [self.class_names[k] for k in present]
        fit = _LogisticFit(reduced, smaller, self.options, None, names).run(None)
        matrix = fit.coefficients
        if len(present) == 2:
            matrix = np.concatenate([-0.5 * matrix, 0.5 * matrix])
        full = np.zeros((self.n_classes, matrix.shape[1]))
        full[present] = matrix
        # At the columns' centre the absent classes lie this far below the rarest one; no column moves them.
        centre = matrix[:, -1] + matrix[:, :-1] @ prepared.columns.shift
        full[absent, -1] = centre.min() + np.log(SEPARATION_PRIOR)
        full -= full.mean(axis=0)
        curvature = fit.curvature
        if curvature is not None:
            curvature = _among_all(curvature, present, absent)
        named = ", ".join(self._class_name(int(k)) for k in absent)
        warning = SeparationWarning(
            f"{named}: every row has weight zero, so no finite maximum likelihood estimate exists (the probability "
            "goes to zero). The class stays in classes_ with a probability near zero; the other classes are fitted "
            "without it."
        )
        return replace(fit, coefficients=full, warnings=(*fit.warnings, warning), curvature=curvature)

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
        factor, drift = final_factor(objective, solution)
        if factor is None or self.prepared.alpha:
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
        theta = solution.theta
        if solution.factor is not None and solution.status in (Status.CONVERGED, Status.ROUNDING):
            theta = refine(objective, theta, solution.factor)
        matrix = objective.predictors.matrix(theta)
        if identification is not None:
            matrix = identification.minimum_norm(matrix, prepared.columns)
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
            curvature=self._curvature(objective, solution, identification),
        )


def _among_all(curvature: Curvature, present: Array, absent: Array) -> Curvature:
    """Return the curvature with the absent classes in it: their coefficients are not determined."""
    n_classes = len(present) + len(absent)
    centred = np.eye(n_classes) - 1 / n_classes
    predictors = curvature.predictors
    contrast = np.array([[-0.5], [0.5]]) if predictors.contrast is None else predictors.contrast
    divergent = [] if curvature.divergent is None else list(curvature.divergent)
    if predictors.contrast is None:
        divergent = [contrast * change for change in divergent]
    width = predictors.shape[1]
    divergent = [centred[:, present] @ change for change in divergent]
    divergent += [np.outer(centred[:, k], entry) for k in absent for entry in np.eye(width)]
    identification = curvature.identification
    return replace(
        curvature,
        predictors=LinearPredictors(predictors.n_columns, predictors.terms, centred[:, present] @ contrast),
        divergent=np.stack(divergent),
        identification=None if identification is None else [identification[0]] * n_classes,
    )


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
