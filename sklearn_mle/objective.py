"""The penalized NLL over row blocks: the one place that sums over rows (nothing here averages; weights have mean 1)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.linear_predictors import LinearPredictors
from sklearn_mle.numerics.double_double import DoubleDouble
from sklearn_mle.numerics.factors import triangle_of
from sklearn_mle.penalties import Penalty
from sklearn_mle.row_blocks import RowBlock, RowBlocks

__all__ = ["PenalizedNLL"]

Array = NDArray[Any]


class PenalizedNLL:
    """F(theta) = sum_i w_i nll(y_i, eta_i(theta)) + penalty(theta), in nats, and its derivatives, pass by pass.

    Parameters
    ----------
    likelihood : Likelihood
    predictors : LinearPredictors
    data : RowBlocks
    penalty : Penalty
    """

    def __init__(self, likelihood: Likelihood, predictors: LinearPredictors, data: RowBlocks, penalty: Penalty) -> None:
        self.likelihood, self.predictors, self.data, self.penalty = likelihood, predictors, data, penalty
        self._recent: tuple[Array, Array] | None = None
        self._expanded: tuple[Array, Array] | None = None

    def eta(self, block: RowBlock, matrix: Array, theta: Array) -> Array:
        """Return the predictors of a block, remembering those of the last theta where one block is all the data.

        Newton's method asks for the Hessian right after the gradient at the same point.
        """
        if block.rows.n_rows < self.data.n_rows:
            return self.predictors.eta(block.rows, matrix, block.offset)
        if self._recent is None or self._recent[0] is not theta:
            self._recent = (theta, self.predictors.eta(block.rows, matrix, block.offset))
        return self._recent[1]

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return F and its gradient, in one pass."""
        return self._value_and_gradient(theta, lambda block, eta: ())[:2]

    def expand(self, theta: Array) -> tuple[float, Array]:
        """Return F and its gradient in a pass that forms the curvature, too, for ``hessian(theta)`` to take."""

        def curvature(block: RowBlock, eta: Array) -> tuple[Array]:
            return (self._block_curvature(block, self.likelihood.hessian(block.y, eta)),)

        value, gradient, (total,) = self._value_and_gradient(theta, curvature)
        self._expanded = (theta, self.predictors.pull_back_curvature(total))
        return value, gradient

    def _value_and_gradient(
        self, theta: Array, extra: Callable[[RowBlock, Array], tuple[Any, ...]]
    ) -> tuple[float, Array, list[Any]]:
        """Return F, its gradient, and the sums of what ``extra(block, eta)`` returns, in one pass."""
        matrix = self.predictors.matrix(theta)

        def block_sums(block: RowBlock) -> tuple[Any, ...]:
            eta = self.eta(block, matrix, theta)
            value, gradient = self.likelihood.total_and_gradient(block.y, eta, block.weight)
            return value, self.predictors.pull_back(block.rows, gradient), *extra(block, eta)

        # A step too far may overflow: the value is then inf or nan, and the solver shortens the step.
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient, *sums = self.data.sum(block_sums)
            penalty, penalty_gradient = self.penalty.value_and_gradient(theta)
            return value + penalty, self.predictors.pull_back_theta(gradient) + penalty_gradient, sums

    def nll(self, theta: Array) -> float:
        """Return the unpenalized total NLL."""
        matrix = self.predictors.matrix(theta)

        def block_sum(block: RowBlock) -> tuple[float]:
            nll = self.likelihood.nll(block.y, self.predictors.eta(block.rows, matrix, block.offset))
            return (float(nll.sum() if block.weight is None else block.weight @ nll),)

        return self.data.sum(block_sum)[0]

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian of F, shape (size, size): the true one, indefinite where F is not convex."""
        expanded, self._expanded = self._expanded, None
        if expanded is not None and expanded[0] is theta:
            return self.penalty.add_hessian(expanded[1], theta)
        matrix = self._curvature(theta, lambda block, eta: self.likelihood.hessian(block.y, eta))
        return self.penalty.add_hessian(matrix, theta)

    def expected_hessian(self, theta: Array) -> Array:
        """Return the expected information plus the penalty's positive curvature, shape (size, size)."""
        matrix = self._curvature(theta, lambda block, eta: self.likelihood.expected_information(eta))
        if self.penalty.convex:
            return self.penalty.add_hessian(matrix, theta)
        root = self.penalty.root(theta)
        matrix += root.T @ root
        return matrix

    def _curvature(self, theta: Array, rowwise: Callable[[RowBlock, Array], Array]) -> Array:
        matrix = self.predictors.matrix(theta)
        constant = np.broadcast_to(0.0, (len(matrix), self.data.n_rows)) if self.likelihood.quadratic else None

        def block_sum(block: RowBlock) -> tuple[Array]:
            # A curvature that is the same everywhere needs no predictors.
            eta = constant[:, : block.rows.n_rows] if constant is not None else self.eta(block, matrix, theta)
            return (self._block_curvature(block, rowwise(block, eta)),)

        return self.predictors.pull_back_curvature(self.data.sum(block_sum)[0])

    def _block_curvature(self, block: RowBlock, hessian: Array) -> Array:
        weighted = hessian if block.weight is None else hessian * block.weight
        return self.predictors.curvature(block.rows, weighted)

    def hessian_product(self, theta: Array) -> Callable[[Array], Array]:
        """Return the map v -> Hessian(theta) v; the rowwise Hessian is computed once, each product is one pass."""
        matrix = self.predictors.matrix(theta)

        def operator(block: RowBlock) -> Callable[[Array], Array]:
            eta = self.predictors.eta(block.rows, matrix, block.offset)
            return self.likelihood.hessian_operator(block.y, eta, block.weight)

        operators = self.data.map(operator)

        def product(vector: Array) -> Array:
            direction = self.predictors.matrix(vector)

            def block_sum(block: RowBlock, apply: Callable[[Array], Array]) -> tuple[Array]:
                change = self.predictors.eta(block.rows, direction, None)
                return (self.predictors.pull_back(block.rows, apply(change)),)

            out = self.predictors.pull_back_theta(self.data.sum(block_sum, operators)[0])
            return out + self.penalty.hessian_product(theta, vector)

        return product

    def triangle(self, theta: Array) -> Array:
        """Return R of a QR decomposition with R'R = the expected Hessian of F, never forming it.

        The rows are taken in the order of falling weight within a block (Cox and Higham 1998), so that weights over
        many decades do not cost digits.
        """
        matrix = self.predictors.matrix(theta)
        size = self.predictors.size

        def block_triangle(block: RowBlock) -> Array:
            hessian = self.likelihood.expected_information(self.predictors.eta(block.rows, matrix, block.offset))
            if block.weight is not None:
                hessian = hessian * block.weight
            rows = self.predictors.root_rows(block.rows.standardized, hessian)
            order = np.argsort(-np.abs(rows).max(axis=1, initial=0.0), kind="stable")
            return triangle_of(rows[order])

        stacked = np.concatenate([*self.data.map(block_triangle), self.penalty.root(theta), np.zeros((size, size))])
        return triangle_of(stacked)[:size]

    def exact_gradient(self, theta: DoubleDouble) -> Array:
        """Return the gradient at a theta of twice the precision, its products and sums in twice the precision."""
        predictors, penalty = self.predictors, self.penalty
        matrix = predictors.exact_matrix(theta)

        def block_sum(block: RowBlock) -> tuple[DoubleDouble]:
            rows = block.rows.exact()
            eta = DoubleDouble.stack([(rows * one[:-1]).sum() + one[-1:] for one in matrix])
            if block.offset is not None:
                eta = eta + block.offset
            gradient = self.likelihood.exact_gradient(block.y, eta)
            if block.weight is not None:
                gradient = gradient * block.weight
            columns = DoubleDouble.stack([(rows * one[:, None]).sum(axis=0) for one in gradient])
            return (DoubleDouble.concatenate([columns, gradient.sum()[:, None]], axis=1),)

        with np.errstate(over="ignore", invalid="ignore"):
            gradient = self.data.sum(block_sum)[0].rounded
        # The prior's part is of the step's own size however ill-conditioned the rest: double precision is enough.
        prior = penalty.value_and_gradient(theta.high)[1] + penalty.hessian_product(theta.high, theta.low)
        return predictors.pull_back_theta(gradient) + prior
