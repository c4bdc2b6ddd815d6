"""Fitting the Gaussian likelihood with a constant or known scale: least squares, then the scale in closed form.

Many rows take one pass: the cross-products of X and y tell the columns' moments, too. The usual first pass, which takes
the moments so that the second can standardize, is a third of such a fit.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_mle._curvature import Curvature
from sklearn_mle._existence.unbounded import perfect_warning
from sklearn_mle._fit.result import FitResult
from sklearn_mle._fit.solve import affordable
from sklearn_mle._fit.start import best_of
from sklearn_mle._fit.strategy import Strategy, final_factor
from sklearn_mle._hessian_factors import hessian_factor, refine, worth_refining
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._numerics.factors import (
    BlockDiagonalFactor,
    CholeskyFactor,
    DiagonalFactor,
    Factor,
    NotPositiveDefiniteError,
)
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoPenalty, Penalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rank import Identification
from sklearn_mle._rows import Block, Data
from sklearn_mle._rows.columns import Columns
from sklearn_mle._rows.dense import standardize_sandwich
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.likelihoods._surrogates import LeastSquares

_ROUNDS = 6
# The part of y's sum of squares that residuals must keep, if their own is to be had by a difference.
_UNEXPLAINED = 1e-2
# Multiply-adds of the cross-products below which a pass costs next to nothing.
_LEAST_WORK = 1e8
# Columns beyond which the products take longer than many passes.
_MOST_COLUMNS = 1000
# Of a mean square, a variance below this part has lost six digits of sixteen to the difference.
_CANCELS = 1e-6
# A condition number of the scaled design below which its columns are independent beyond doubt.
_CLEAR_CONDITION = 1e6


@dataclass(frozen=True)
class CrossProducts:
    """Weighted sums over rows of products of X's own columns, a column of ones and y (less its offset).

    ``design`` (p + 1, p + 1) are those of the columns and the ones, which come last; ``response`` (p + 1,) those with
    y; ``squares`` that of y with itself. At most ``depth`` numbers were added one after the other: rounding grows with
    it.
    """

    design: Array
    response: Array
    squares: float
    depth: int

    @classmethod
    def of(cls, data: Data, *, centre: bool, least_scale: float) -> "tuple[CrossProducts, Columns] | None":
        """Return the products of rows as the caller gave them, and the standardization of their columns.

        None where rows are few, and where the products do not decide the standardization and the rank: where columns
        are constant, far from zero or nearly dependent, or numbers are not finite or their squares overflow.
        """
        n, p = data.n_rows, data.n_columns
        if data.is_sparse or not 0 < p <= _MOST_COLUMNS or float(n) * p * p < _LEAST_WORK:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            design, response, of_y = data.reduce_rows(block_products)
        if not (np.isfinite(design).all() and np.isfinite(response).all() and np.isfinite(of_y)):
            return None
        weight, squares = design[p, p], design.diagonal()[:p]
        mean, second = design[:p, p] / weight, squares / weight
        variance = second - np.square(mean)
        if not (variance > _CANCELS * second).all():
            return None
        # No entry is larger than the root of the sum of squares, where the least weight is one.
        largest = np.sqrt(squares / data.least_weight)
        columns = Columns.about(mean, np.sqrt(variance), largest, centre=centre, least_scale=least_scale)
        standardized = design.copy()
        standardize_sandwich(standardized, columns.shift, columns.scale)
        try:
            clear = CholeskyFactor(standardized).condition < _CLEAR_CONDITION
        except NotPositiveDefiniteError:
            clear = False
        products = cls(design, response, of_y, data.longest_sum)
        return (products, columns) if clear and not columns.constant.any() else None

    def standardized(self, columns: Columns, middle: float, unit: float) -> tuple[Array, Array]:
        """Return the products of standardized columns, and those with (y - middle) / unit."""
        design, response = self.design.copy(), self.response - middle * self.design[-1]
        response[:-1] -= columns.shift * response[-1]
        response[:-1] /= columns.scale
        standardize_sandwich(design, columns.shift, columns.scale)
        return design, response / unit

    def gradient_error(self, columns: Columns, unit: float, coef: Array) -> Array:
        """Return a bound of the rounding of a gradient made of ``standardized`` at ``coef``, both of shape (p + 1,).

        A sum of k products is off by at most k roundings of the sum of their absolute values, however it is added
        (Higham 2002, section 3.1), and the latter is at most the product of the root sums of squares. Six of these go
        into each number: a column and its shift, each with the same of another or of y.
        """
        length = self._lengths(columns)
        of_y = np.sqrt(self.squares) / unit
        return self._part() * length * (length @ np.abs(coef) + of_y)

    def design_error(self, columns: Columns) -> float:
        """Return a bound, in the spectral norm, of the rounding of the standardized columns' products."""
        return self._part() * float(np.square(self._lengths(columns)).sum())

    def _part(self) -> float:
        return 6 * (self.depth + len(self.design)) * EPS

    def _lengths(self, columns: Columns) -> Array:
        return np.sqrt(self.design.diagonal()) / np.append(columns.scale, 1.0)


def block_products(block: Block) -> tuple[Array, Array, float]:
    """Return a block's products of the columns and the ones, those with y, and that of y with itself."""
    y = block.y if block.offset is None else block.y - block.offset[0]
    # One weight for all rows takes no memory of its own, and no weighted copy of X.
    weight = np.broadcast_to(1.0, len(y)) if block.weight is None else block.weight
    weighted = block.weighted(y)
    response = block.rows.transpose_matvec(weighted[None])[0]
    return block.rows.sandwich(weight), response, float(weighted @ y)


class LeastSquaresFit(Strategy):
    """Location by least squares, penalized by alpha; then the scale."""

    cross_products = CrossProducts.of
    identification: Identification | None = None
    # The factor of the Hessian at zero, where it told that no columns depend on others.
    first: Factor | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if self.options.solver == "lbfgs":
            # Least squares is one Newton step: an explicit "lbfgs" would have nothing to do.
            self.options = replace(self.options, solver="auto")
        asked, scale = self.options.terms_of(2)
        self.known = None if scale.known is None else scale.known / self.target.scale
        self.n = self.target.data.weight_sum
        self.objective = self.objective_of(asked, self.prepared.varying(asked))
        # Cross-products are only known of columns that are independent.
        if self.prepared.products is None and not self.prepared.prior.penalizes(0):
            self.first = self.clear_factor(np.zeros(self.objective.predictors.size))
            if self.first is None:
                (self.identification,), (active,) = self.identified([asked])
                self.objective = self.objective_of(asked, active)

    def objective_of(self, asked: Terms, active: Array) -> PenalizedNLL:
        """Return the objective of these columns."""
        data, prepared, target = self.target.data, self.prepared, self.target
        terms = asked.restricted(active, data.n_columns)
        predictors = LinearPredictors(data.n_columns, [terms])
        penalty: Penalty = NoPenalty()
        if prepared.prior.penalizes(0):
            penalty = GaussianPrior(predictors.theta(np.append(prepared.precision(), 0.0)[None]))
        at_zero = None
        if prepared.products is not None:
            design, response = prepared.products.standardized(prepared.columns, float(target.shift[0]), target.scale)
            used = np.flatnonzero(predictors.used)
            at_zero = 0.5 * data.reduce_target(_squares)[0], -response[None], design[np.ix_(used, used)]
        return PenalizedNLL(LeastSquares(), predictors, data, penalty, at_zero)

    def run(self, start: Array | None) -> FitResult:
        objective, target, n = self.objective, self.target, self.n
        solution = self.solution_by_products() or self.solution(start)
        theta = self.refined(solution)
        value = solution.value
        if not np.array_equal(theta.rounded, solution.theta):
            value = objective.value(theta.rounded)
        location = objective.predictors.exact_matrix(theta)
        scale = self.scale(value, location.rounded)
        penalty = objective.penalty.value_and_gradient(theta.rounded)[0]
        log_likelihood, gap = np.inf, 0.0
        if scale:
            constant = 0.5 * float(np.log(2 * np.pi)) + float(np.log(scale))
            log_likelihood = -n * constant - 0.5 * (2 * value - 2 * penalty) / scale / scale
            gap = solution.gap / scale / scale
        curvature = self.curvature_at(solution, scale)
        if self.identification is not None:
            location = DoubleDouble.of(self.identification.minimum_norm(location.rounded, self.prepared.columns))
        coefficients = target.to_original(
            DoubleDouble.concatenate([location, DoubleDouble.of(np.zeros(location.shape))])
        )
        with np.errstate(divide="ignore"):
            coefficients[1, -1] = np.log(scale * target.scale)
        return self.result(
            coefficients,
            log_likelihood,
            replace(solution, gap=gap),
            objective.predictors.size + int(self.known is None),
            dispersion=scale * target.scale,
            curvature=curvature,
        )

    def solution(self, start: Array | None) -> Solution:
        """Return the least-squares location."""
        theta = null = np.zeros(self.objective.predictors.size)
        if start is not None and (self.options.solver == "newton-cg" or not affordable(self.objective)):
            # Conjugate gradients go on from where an earlier fit ended; a direct solution has no use for a start.
            theta = best_of(self.objective, [null, self.theta(self.target.to_standardized(start)[:1])])
        self.null_value = None if theta is null else 0.5 * self.n
        solution = self.solve(theta, first=self.first if theta is null else None)
        for _ in range(_ROUNDS if solution.factor is None else 0):  # with a factor it is at rounding already
            # This gap is at unit scale; in nats it is divided by the noise's variance, which is known only now.
            tol = self.options.tol * min(1.0, max(self.variance(solution.value), EPS**2))
            if solution.gap <= tol or solution.status is not Status.CONVERGED:
                break
            self.null_value = 0.5 * self.n
            solution = self.solve(solution.theta, solution.n_iter, tol=tol)
        return solution

    def solution_by_products(self) -> Solution | None:
        """Return the solution that the cross-products give, its gap bounded by all that their sums may be off by.

        None where there are no products, or that bound is above tol; where y is explained so well that the sum of
        squares left would lose digits to the difference; and where conjugate gradients or an observer are asked for.
        """
        objective, options, products = self.objective, self.options, self.prepared.products
        if self.observer is not None or options.solver == "newton-cg" or products is None or not options.max_iter:
            return None
        columns, null = self.prepared.columns, np.zeros(objective.predictors.size)
        null_value, gradient = objective.value_gradient_hessian(null)
        factor = hessian_factor(objective, null)
        theta = -factor.solve(gradient)
        gain = 0.5 * factor.squared_norm(gradient)
        value = null_value - gain
        if not value > _UNEXPLAINED * null_value:
            return None
        coef, inverse_norm = self.matrix(theta)[0], factor.inverse_norm
        error = products.gradient_error(columns, self.target.scale, coef)[objective.predictors.used[0]]
        # The part of the least curvature that rounding may have taken away.
        loss = products.design_error(columns) * inverse_norm**2
        gap = 0.5 * float(inverse_norm * np.linalg.norm(error)) ** 2 / max(1.0 - loss, EPS)
        if not gap <= options.tol * min(1.0, self.variance(value), gain):
            return None
        return Solution(theta, value, np.zeros_like(theta), gap, factor, gap, Status.CONVERGED, 1)

    def variance(self, value: float) -> float:
        """Return the noise's variance, known or where half the sum of squares is ``value``."""
        return 2 * value / self.n if self.known is None else self.known**2

    def scale(self, value: float, location: Array) -> float:
        """Return the known scale, or the minimizer of n log s + value / s^2; zero, and a warning, at a perfect fit.

        A fit is perfect whose residuals are no larger than the rounding of y and of the fitted values.
        """
        if self.known is not None:
            return self.known
        scale = float(np.sqrt(self.variance(value)))
        if scale > 8 * (self.target.noise + EPS * float(np.abs(location).sum())):
            return scale
        self.warnings.append(perfect_warning("scale", "zero"))
        return 0.0

    def refined(self, solution: Solution) -> DoubleDouble:
        """Return theta with the digits that an ill-conditioned design or a centred y lost."""
        theta, factor, objective = DoubleDouble.of(solution.theta), solution.factor, self.objective
        if factor is None or solution.status.early:
            return theta
        if not worth_refining(objective, factor, self.target.cancellation(objective.predictors.exact_matrix(theta))):
            return theta
        exact = PenalizedNLL(objective.likelihood, objective.predictors, self.target.exact(), objective.penalty)
        return refine(exact, solution.theta, factor)

    def curvature_at(self, solution: Solution, scale: float) -> Curvature | None:
        """Return the curvature in (location, log scale); the two are uncorrelated at the maximum.

        A known scale is no parameter.
        """
        location, _ = final_factor(self.objective, solution)
        if location is None or self.prepared.prior.penalizes(0):
            return None
        estimated, predictors = self.known is None, self.objective.predictors
        with np.errstate(divide="ignore", over="ignore"):
            factor = location.times(float(1 / np.square(np.float64(scale))))
        return Curvature(
            BlockDiagonalFactor([factor, DiagonalFactor(np.full(int(estimated), 2 * self.n))]),
            LinearPredictors(predictors.n_columns, [predictors.terms[0], Terms(False, estimated)]),
            self.prepared.columns,
            self.prepared.mean_weight,
            None if self.identification is None else [self.identification, None],
            response_scale=(self.target.scale, 1.0),
        )

    def watch(self, theta: Array) -> bool:
        """Show the observer a location and the scale that goes with it."""
        if self.observer is None:
            return False
        full = np.repeat(self.matrix(theta), 2, axis=0)
        full[1] = 0
        variance = self.variance(self.objective.value(theta))
        full[1, -1] = 0.5 * np.log(max(variance, np.finfo(np.float64).tiny))
        return self.observer(self.target.to_original(full))


def _squares(y: Array, weight: Array | None, offset: Array | None) -> tuple[float]:
    return (float(y @ y if weight is None else (y * weight) @ y),)
