"""The penalized NLL over row blocks: the one place that sums over rows (nothing here averages; weights have mean 1).

What is computed on a block is a function of this module, with the parameters given by ``partial``: it can be pickled
and holds no data, so that it can be sent to wherever the rows are.
"""

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.special import softmax

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._numerics.factors import Factor, RowsUpToRotation, triangle_of
from sklearn_mle._penalties import NoPenalty, Penalty
from sklearn_mle._predictors import LinearPredictors, add_offset
from sklearn_mle._rows import Block, Data
from sklearn_mle.likelihoods import Likelihood

# Linear predictors that are held, at most: 16 MB.
_HELD = 1 << 21


@dataclass(eq=False)
class Point:
    """The linear predictors at one theta, block by block: what every sum at that theta begins with.

    Moderately many are held, by the first row of their block: the Hessian is asked for right after the gradient.
    """

    predictors: LinearPredictors
    matrix: Array
    held: dict[int, Array] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "held": None}

    def eta(self, block: Block) -> Array:
        """Return the predictors of a block, shape (q, n)."""
        if self.held is None:
            return self.predictors.eta(block.rows, self.matrix, block.offset)
        if block.start not in self.held:
            self.held[block.start] = self.predictors.eta(block.rows, self.matrix, block.offset)
        return self.held[block.start]


@dataclass(slots=True)
class _Known:
    """What is known of F at one theta."""

    theta: bytes
    point: Point
    value: float = math.nan
    gradient: Any = None
    # Both, of the NLL alone.
    of_rows: tuple[float, Array] | None = None
    # Of the NLL, and what is expected of it; they are taken, not kept.
    hessian: Array | None = None
    information: Array | None = None
    operators: Any = None


class PenalizedNLL:
    """F(theta) = sum_i w_i nll(y_i, eta_i(theta)) + penalty(theta), in nats, and its derivatives, pass by pass.

    ``value``, ``gradient``, ``hessian`` and ``hessian_product`` are what ``scipy.optimize.minimize`` calls fun, jac,
    hess and hessp. Value and gradient are had in one pass and remembered at the last theta, and so is the rowwise
    Hessian that products are taken with.

    Parameters
    ----------
    at_zero : (float, ndarray, ndarray) or None
        What ``value_gradient_hessian`` would sum up at theta = 0, where it is known already.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        predictors: LinearPredictors,
        data: Data,
        penalty: Penalty,
        at_zero: tuple[float, Array, Array] | None = None,
    ) -> None:
        self.likelihood, self.predictors, self.data, self.penalty = likelihood, predictors, data, penalty
        self._at_zero = at_zero
        self._last: _Known | None = None

    def under(self, penalty: Penalty) -> "PenalizedNLL":
        """Return the same objective under another penalty: at the last theta no pass is needed again."""
        other, last = PenalizedNLL(self.likelihood, self.predictors, self.data, penalty, self._at_zero), self._last
        if last is not None and last.of_rows is not None:
            value, slope = penalty.value_and_gradient(np.frombuffer(last.theta))
            value, slope = last.of_rows[0] + value, last.of_rows[1] + slope
            other._last = replace(last, value=value, gradient=slope, hessian=None, information=None)
        return other

    def _known(self, theta: Array) -> _Known:
        """Return what is known at theta; its bytes are compared, for scipy's methods may write on theirs."""
        last, bits = self._last, theta.tobytes()
        if last is None or last.theta != bits:
            predictors, whole, held = self.predictors, self.data.whole, None
            matrix = theta.reshape(predictors.shape) if predictors.is_matrix else predictors.matrix(theta)
            if whole is not None:
                with np.errstate(over="ignore", invalid="ignore"):
                    held = {0: predictors.eta(whole.rows, matrix, whole.offset)}
            elif self.data.in_one_place and len(matrix) * self.data.n_rows <= _HELD:
                held = {}
            self._last = last = _Known(bits, Point(predictors, matrix, held))
        return last

    def at(self, theta: Array) -> Point:
        """Return the linear predictors at theta."""
        return self._known(theta).point

    def value(self, theta: Array, curvature: Literal["hessian", "information"] | None = None) -> float:
        """Return F, in a pass that tells its gradient, too.

        With ``curvature`` the pass also forms what ``hessian(theta)``, or ``expected_hessian(theta)``, is to take.
        """
        known, summed = self._known(theta), np.zeros(0)
        if known.gradient is not None and (curvature is None or getattr(known, curvature) is not None):
            return known.value
        # A step too far may overflow: the value is then inf or nan, and the solver shortens the step.
        with np.errstate(over="ignore", invalid="ignore"):
            if curvature is None:
                nll, gradient = self.data.reduce_rows(partial(nll_gradient, self.likelihood, known.point))
            elif curvature == "hessian" and self._at_zero is not None and not theta.any():
                nll, gradient, summed = self._at_zero
                summed = summed.copy()  # the penalty is added in place
            else:
                sums = partial(nll_gradient_curvature, self.likelihood, known.point, curvature == "information")
                nll, gradient, summed = self.data.reduce_rows(sums)
            gradient = self.predictors.pull_back_theta(gradient)
            known.of_rows = nll, gradient
            if not isinstance(self.penalty, NoPenalty):
                penalty, slope = self.penalty.value_and_gradient(theta)
                nll, gradient = nll + penalty, gradient + slope
        known.value, known.gradient = nll, gradient
        if curvature is not None:
            setattr(known, curvature, self.predictors.pull_back_curvature(summed))
        return nll

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of F."""
        known = self._known(theta)
        if known.gradient is None:
            self.value(theta)
        return known.gradient

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return F and its gradient, in one pass."""
        return self.value(theta), self.gradient(theta)

    def value_gradient_hessian(self, theta: Array, *, expected: bool = False) -> tuple[float, Array]:
        """Return F and its gradient, in a pass that forms the Hessian, too, for ``hessian(theta)`` to take.

        With ``expected`` it forms the information instead, for ``expected_hessian(theta)``.
        """
        self.predictors.refuse_large_curvature()
        return self.value(theta, "information" if expected else "hessian"), self.gradient(theta)

    def along(self, theta: Array, step: Array) -> tuple[float, float] | None:
        """Return F's first and second derivative along a step from theta, at its end, for rows that are one block.

        The predictors at theta are known: after one product with X this costs no more than the rows.
        """
        block = self.data.whole
        if block is None:
            return None
        change = self.predictors.eta(block.rows, self.predictors.direction(step), None)
        with np.errstate(over="ignore", invalid="ignore"):
            eta = self._known(theta).point.eta(block) + change
            slope = float(np.vdot(block.weighted(self.likelihood.gradient(block.y, eta)), change))
            bent = self.likelihood.hessian_operator(block.y, eta, block.weight)(change)
        curvature, penalty = float(np.vdot(bent, change)), self.penalty
        if not isinstance(penalty, NoPenalty):
            slope += float(penalty.value_and_gradient(theta + step)[1] @ step)
            curvature += float(penalty.hessian_product(theta + step, step) @ step)
        return slope, curvature

    def nll(self, theta: Array) -> float:
        """Return the unpenalized total NLL."""
        return self.data.reduce_rows(partial(total_nll, self.likelihood, self.at(theta)))[0]

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian of F, shape (size, size): the true one, indefinite where F is not convex.

        It, ``expected_hessian`` and ``triangle`` raise WorkingMemoryError where a table of this size is too large.
        """
        known = self._known(theta)
        matrix, known.hessian = known.hessian, None
        if matrix is None:
            self.predictors.refuse_large_curvature()
            summed = self.data.reduce_rows(partial(curvature, self.likelihood, known.point, False))[0]
            matrix = self.predictors.pull_back_curvature(summed)
        return matrix if isinstance(self.penalty, NoPenalty) else self.penalty.add_hessian(matrix, theta)

    def expected_hessian(self, theta: Array) -> Array:
        """Return the expected information plus the penalty's positive curvature, shape (size, size)."""
        self.predictors.refuse_large_curvature()
        known = self._known(theta)
        matrix, known.information = known.information, None
        if matrix is None:
            summed = self.data.reduce_rows(partial(curvature, self.likelihood, known.point, True))[0]
            matrix = self.predictors.pull_back_curvature(summed)
        if self.penalty.convex:
            return self.penalty.add_hessian(matrix, theta)
        root = self.penalty.root(theta)
        matrix += root.T @ root
        return matrix

    def rough_hessian(self, theta: Array) -> Array:
        """Return the expected Hessian of a convex F to four digits or more, in less time: for a metric of a search."""
        self.predictors.refuse_large_curvature()
        summed = self.data.reduce_rows(partial(rough_curvature, self.likelihood, self.at(theta)))[0]
        return self.penalty.add_hessian(self.predictors.pull_back_curvature(summed), theta)

    def hessian_product(self, theta: Array, vector: Array) -> Array:
        """Return Hessian(theta) vector, in a pass; the rowwise Hessian at theta is kept for more of them."""
        known = self._known(theta)
        if known.operators is None:
            known.operators = self.data.map_rows(partial(hessian_operator, self.likelihood, known.point))
        along = partial(hessian_product, self.predictors, self.predictors.direction(vector))
        out = self.predictors.pull_back_theta(self.data.reduce_rows(along, known.operators)[0])
        return out + self.penalty.hessian_product(theta, vector)

    def whitened_hessian(self, theta: Array, factor: Factor) -> Array:
        """Return R^-T H R^-1, H the Hessian and R the factor, from rows whitened one by one.

        Whitening H itself would multiply the rounding with which it was formed by the square of R's condition.
        """
        total = self.data.reduce_rows(partial(whitened_hessian, self.likelihood, self.at(theta), factor))[0]
        prior = self.penalty.add_hessian(np.zeros((len(theta), len(theta))), theta)
        return total + factor.whiten(factor.whiten(prior).T)

    def triangle(self, theta: Array) -> Array:
        """Return R of a QR decomposition with R'R = the expected Hessian of F, never forming it."""
        self.predictors.refuse_large_curvature()
        size = self.predictors.size
        rows = self.data.reduce_rows(partial(curvature_rows, self.likelihood, self.at(theta)))[0].triangle
        stacked = np.concatenate([rows, self.penalty.root(theta), np.zeros((size, size))])
        return triangle_of(stacked)[:size]

    def exact_gradient(self, theta: DoubleDouble) -> Array:
        """Return the gradient at a theta of twice the precision, its products and sums in twice the precision."""
        predictors, penalty = self.predictors, self.penalty
        with np.errstate(over="ignore", invalid="ignore"):
            of_rows = partial(exact_gradient, self.likelihood, predictors.exact_matrix(theta))
            gradient = self.data.reduce_rows(of_rows)[0].rounded
        # The prior's part is of the step's own size however ill-conditioned the rest: double precision is enough.
        prior = penalty.value_and_gradient(theta.high)[1] + penalty.hessian_product(theta.high, theta.low)
        return predictors.pull_back_theta(gradient) + prior


def nll_gradient(likelihood: Likelihood, at: Point, block: Block) -> tuple[float, Array]:
    """Return a block's NLL and its gradient, in the layout of the likelihood's matrix."""
    value, gradient = likelihood.total_and_gradient(block.y, at.eta(block), block.weight)
    return value, at.predictors.pull_back(block.rows, gradient)


def nll_gradient_curvature(
    likelihood: Likelihood, at: Point, expected: bool, block: Block
) -> tuple[float, Array, Array]:
    """Return a block's NLL, its gradient and its curvature, as it is or as it is expected."""
    if at.predictors.many_classes:
        return *nll_gradient(likelihood, at, block), _of_classes(at, block)
    eta, y, weight = at.eta(block), block.y, block.weight
    if expected:
        (value, gradient), hessian = likelihood.total_and_gradient(y, eta, weight), likelihood.information(y, eta)
    else:
        value, gradient, hessian = likelihood.total_gradient_and_hessian(y, eta, weight)
    bent = at.predictors.curvature(block.rows, hessian if weight is None else hessian * weight)
    return value, at.predictors.pull_back(block.rows, gradient), bent


def total_nll(likelihood: Likelihood, at: Point, block: Block) -> tuple[float]:
    """Return a block's NLL."""
    nll = likelihood.nll(block.y, at.eta(block))
    return (float(nll.sum() if block.weight is None else block.weight @ nll),)


def curvature(likelihood: Likelihood, at: Point, expected: bool, block: Block) -> tuple[Array]:
    """Return a block's curvature, as it is or as it is expected."""
    if at.predictors.many_classes:
        return (_of_classes(at, block),)
    # A curvature that is the same everywhere needs no predictors, only their number.
    eta = np.broadcast_to(0.0, (len(at.matrix), block.rows.n_rows)) if likelihood.quadratic else at.eta(block)
    hessian = (likelihood.information if expected else likelihood.hessian)(block.y, eta)
    weight = block.weight
    return (at.predictors.curvature(block.rows, hessian if weight is None else hessian * weight),)


def rough_curvature(likelihood: Likelihood, at: Point, block: Block) -> tuple[Array]:
    """Return a block's expected curvature, in single precision where that takes less time."""
    information = block.weighted(likelihood.information(block.y, at.eta(block)))
    return (at.predictors.curvature(block.rows, information.astype(np.float32)),)


def hessian_operator(likelihood: Likelihood, at: Point, block: Block) -> Callable[[Array], Array]:
    """Return the map of a change of a block's predictors to the rowwise Hessian times it."""
    return likelihood.hessian_operator(block.y, at.eta(block), block.weight)


def hessian_product(
    predictors: LinearPredictors, direction: Array, block: Block, apply: Callable[[Array], Array]
) -> tuple[Array]:
    """Return a block's curvature along a matrix of coefficients, from what ``hessian_operator`` returned."""
    return (predictors.pull_back(block.rows, apply(predictors.eta(block.rows, direction, None))),)


def whitened_hessian(likelihood: Likelihood, at: Point, factor: Factor, block: Block) -> tuple[Array]:
    """Return a block's curvature in the variables that a factor makes."""
    hessian = block.weighted(likelihood.hessian(block.y, at.eta(block)))
    white = []
    for unit in np.eye(len(hessian)):
        slopes = np.broadcast_to(unit[:, None], (len(hessian), block.rows.n_rows))
        white.append(factor.whiten(at.predictors.pull_back_rows(block.rows.standardized, slopes).T))
    pairs = [(j, k) for j in range(len(hessian)) for k in range(len(hessian))]
    return (sum((white[j] * hessian[j, k]) @ white[k].T for j, k in pairs),)


def curvature_rows(likelihood: Likelihood, at: Point, block: Block) -> tuple[RowsUpToRotation]:
    """Return rows whose cross-product is a block's expected curvature."""
    hessian = block.weighted(likelihood.information(block.y, at.eta(block)))
    parts = [
        RowsUpToRotation(at.predictors.root_rows(rows, hessian[..., start : start + len(rows)]))
        for start, rows in block.rows.pieces()
    ]
    return (functools.reduce(operator.add, parts),)


def exact_gradient(likelihood: Likelihood, matrix: DoubleDouble, block: Block) -> tuple[DoubleDouble]:
    """Return a block's gradient at a matrix of coefficients of twice the precision, in as many digits."""
    rows = block.rows.exact()
    eta = DoubleDouble.stack([(rows * one[:-1]).sum() + one[-1:] for one in matrix])
    if block.offset is not None:
        eta = eta + add_offset(np.zeros(eta.shape), block.offset)
    gradient = likelihood.exact_gradient(block.y, eta)
    if block.weight is not None:
        gradient = gradient * block.weight
    columns = DoubleDouble.stack([(rows * one[:, None]).sum(axis=0) for one in gradient])
    return (DoubleDouble.concatenate([columns, gradient.sum()[:, None]], axis=1),)


def _of_classes(at: Point, block: Block) -> Array:
    """Return a block's curvature of the categorical likelihood, observed and expected alike."""
    return at.predictors.curvature_of_classes(block.rows, softmax(at.eta(block), axis=0), block.weight)
