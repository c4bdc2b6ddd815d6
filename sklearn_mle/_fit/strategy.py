"""What all fits have in common: read, start, solve, certify, retain. A strategy says how its likelihoods do it."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_mle._curvature import MOST_KEPT, Curvature
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._fit.solve import affordable, begin_search
from sklearn_mle._fit.target import Target
from sklearn_mle._hessian_factors import MOST_DIAGONALIZED, hessian_factor
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._predictors import Terms
from sklearn_mle._rank import Identification, find_dependence, independent_columns, rank_doubts, rank_warning
from sklearn_mle._solvers import Solution

# Coefficients -> whether to stop.
Observer = Callable[[Array], bool]

# Standard errors change by at most this part while the estimate moves by as much of them: rounding, not a change.
_NO_DRIFT = 1e-9
# Multiply-adds of a curvature up to which one more costs less than a twentieth of the fit.
_CHEAP = 1e7


class Strategy:
    """One fit: constructed, run once and discarded.

    ``observer`` is given coefficients in the units of X and y, and a true answer stops the fit; ``class_names`` are for
    the texts of warnings.
    """

    objective: PenalizedNLL
    # F at the null model; None means that the search begins there.
    null_value: float | None = None
    # Tells the columns' standardization along with cross-products of X and y, where a fit is made of these.
    cross_products: Callable[..., Any] | None = None
    # Whether the estimate is the maximum, not the mode under a tiny prior.
    exists = True

    def __init__(
        self,
        likelihood: Any,
        prepared: Prepared,
        options: FitOptions,
        observer: Observer | None = None,
        class_names: Any = None,
    ) -> None:
        self.likelihood, self.prepared, self.options = likelihood, prepared, options
        self.n_predictors = likelihood.n_predictors
        self.observer, self.class_names = observer, class_names
        self.target = Target.of(likelihood, prepared, centre=options.fit_intercept)
        self.warnings: list[Warning] = []

    def run(self, start: Array | None) -> FitResult:
        """Return the fit; ``start`` are the coefficients of an earlier one, in the units of X and y, or None."""
        raise NotImplementedError

    def identified(
        self, terms: Sequence[Terms], *, independent: bool = False
    ) -> tuple[list[Identification | None], list[Array]]:
        """Return each predictor's dependences among its columns, and its columns that have a coefficient.

        Under a prior all columns have one. The location's are looked at, too, where others' are, unless they are known
        to be ``independent``.
        """
        prepared, found, active = self.prepared, [], []
        free = [term.columns and not prepared.prior.penalizes(k) for k, term in enumerate(terms)]
        seen: dict[Any, Identification | None] = {terms[0].key: None} if independent else {}
        named = set(np.flatnonzero(prepared.columns.constant))
        for k, term in enumerate(terms):
            own: Identification | None = None
            if free[k] or (k == 0 and term.columns and any(free)):
                first = term.key[2] not in {columns for *_, columns in seen}
                if first:
                    self.warnings += rank_doubts(prepared.data, prepared.columns, prepared.names, term)
                if term.key not in seen:
                    seen[term.key] = find_dependence(prepared.data, prepared.columns, term)
                own = seen[term.key]
                # Predictors besides the location's always have an intercept: constant columns are not named there.
                if own is not None and first and (k == 0 or not named.issuperset(own.dependent)):
                    self.warnings.append(rank_warning(own, prepared.names))
                    named.update(own.dependent)
            found.append(own)
            active.append(own.active if own is not None and free[k] else prepared.varying(term))
        return found, active

    def clear_factor(self, theta: Array) -> Factor | None:
        """Return the factor of the Hessian at theta, where a fit of few rows begins, if it leaves no column in doubt.

        Each column has a coefficient then, and none depends on others.
        """
        objective, data = self.objective, self.prepared.data
        few = data.whole is not None and objective.predictors.size <= data.n_rows
        if not few or not objective.predictors.used.all() or not affordable(objective):
            return None
        objective.value(theta, "hessian")  # in one pass with what the fit asks for first
        with suppress(NotPositiveDefiniteError):
            factor = hessian_factor(objective, theta)
            return factor if independent_columns(factor) else None
        return None

    def few_varying(self, term: Terms) -> bool:
        """Return whether rows are few, and all columns vary and have a coefficient and no prior, as the location's.

        Then a curvature that the fit is to begin with anyway may tell that no column depends on others.
        """
        data = self.prepared.data
        few = data.whole is not None and 0 < data.n_columns < data.n_rows and not self.prepared.prior.penalizes(0)
        return few and len(self.prepared.varying(term)) == data.n_columns

    def theta(self, matrix: Array) -> Array:
        """Return the solver's theta of coefficients of the standardized problem, shape (q, p + 1)."""
        return self.objective.predictors.theta(matrix)

    def matrix(self, theta: Array) -> Array:
        """Return the coefficients of the standardized problem, shape (q, p + 1)."""
        return self.objective.predictors.matrix(theta)

    def watch(self, theta: Array) -> bool:
        """Show the observer a point, and return whether it asks to stop."""
        return self.observer is not None and self.observer(self.target.to_original(self.matrix(theta)))

    def warm(self, start: Array | None) -> Array | None:
        """Return the theta of an earlier fit; None where it is worse than none at all, as that of other data may be."""
        if start is None:
            return None
        assert self.null_value is not None
        theta = self.theta(self.target.to_standardized(start))
        return theta if self.objective.value(theta) < self.null_value else None

    def solve(self, theta: Array, n_iter: int = 0, *, solver: str | None = None, **how: Any) -> Solution:
        """Return the minimum of the objective, after so many iterations of other stages."""
        options = self.options if solver is None else replace(self.options, solver=solver)
        watch = None if self.observer is None else self.watch
        how |= {"null_value": self.null_value, "observer": watch, "n_iter": n_iter}
        stages, search = begin_search(self.objective, theta, options, **how)
        return stages(search)

    def curvature(
        self,
        solution: Solution,
        identifications: Sequence[Identification | None] | None,
        undetermined: Sequence[Array] = (),
    ) -> Curvature | None:
        """Return the curvature at the optimum for inference; None where there is none (see ``final_factor``).

        ``undetermined`` are changes of the coefficients, each of shape (q, p + 1) in X's units.
        """
        factor, drift = final_factor(self.objective, solution)
        if factor is None:
            return None
        scale, others = self.target.scale, (1.0,) * (self.n_predictors - 1)
        return Curvature(
            factor,
            self.objective.predictors,
            self.prepared.columns,
            self.prepared.mean_weight,
            identifications,
            np.stack(undetermined) if len(undetermined) else None,
            response_scale=None if scale == 1 else (scale, *others),
            drift=drift,
        )

    def result(
        self,
        coefficients: Array,
        log_likelihood: float,
        solution: Any,
        n_parameters: int,
        *,
        dispersion: float | None = None,
        curvature: Curvature | None = None,
    ) -> FitResult:
        """Return what is reported: coefficients in the units of X and y; all nats are the standardized problem's."""
        prepared = self.prepared
        return FitResult(
            coefficients=coefficients,
            dispersion=dispersion,
            log_likelihood=float(log_likelihood - self.target.log_jacobian) * prepared.mean_weight,
            n_obs=prepared.n_obs,
            n_iter=solution.n_iter,
            n_passes=prepared.data.n_passes,
            gap=float(solution.gap) * prepared.mean_weight,
            status=solution.status,
            warnings=tuple(self.warnings),
            n_parameters=n_parameters,
            curvature=curvature,
            exists=self.exists,
        )


def final_factor(objective: PenalizedNLL, solution: Solution) -> tuple[Factor | None, float]:
    """Return the factor of the Hessian at (or very near) the solution, and how far from it it was formed.

    The distance is in standard errors. Polishing steps end a fit with a factor of the point before them; where the
    likelihood is not convex the solver's factor may be of a positive substitute. There is no factor (None) for more
    than ``MOST_KEPT`` parameters, where none was formed, and where none is positive.
    """
    predictors, factor = objective.predictors, solution.factor
    if predictors.size > MOST_KEPT or factor is None:
        return None, math.inf
    if objective.likelihood.quadratic:
        return factor, 0.0
    drift = math.sqrt(2 * max(solution.factor_gap, 0.0))
    # Where there is no Hessian's factor, or for many parameters, one of another kind may have taken its place.
    own = objective.likelihood.convex or (isinstance(factor, CholeskyFactor) and factor.size <= MOST_DIAGONALIZED)
    if solution.status.early:
        # It is of the very point where the fit was cut short, and another would be a pass more.
        return (factor, drift) if own else (None, math.inf)
    work = objective.data.n_rows * predictors.shape[1] ** 2 * len(predictors.terms) ** 2
    if own and (drift <= _NO_DRIFT or work > _CHEAP):
        return factor, drift
    try:
        theta = solution.theta
        return hessian_factor(objective, theta, objective.hessian(theta)), math.sqrt(2 * max(solution.gap, 0.0))
    except NotPositiveDefiniteError:
        return None, math.inf
