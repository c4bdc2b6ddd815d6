"""Preconditioners for curvatures too large to form: Kronecker for several predictors, diagonal for wide data."""

from functools import partial

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import DiagonalFactor, Factor
from sklearn_mle._numerics.memory import fits
from sklearn_mle._objective import PenalizedNLL, Point
from sklearn_mle._rows import Block
from sklearn_mle.likelihoods import Likelihood

# An eigendecomposition of the columns' curvature takes seconds beyond this order.
_MOST_COLUMNS = 2500
# Of the largest: smaller eigenvalues are rounding.
_LEAST_EIGENVALUE = 1e-12


def preconditioner(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return a factor near that of the Hessian at theta, at a cost far below forming it."""
    predictors = objective.predictors
    p = predictors.n_columns
    with_columns = predictors.contrast is not None and predictors.used[0, :p].any()
    if with_columns and p <= _MOST_COLUMNS and fits(p + 1, p + 1):
        return _kronecker(objective, theta)
    return _diagonal(objective, theta)


def information_diagonal(likelihood: Likelihood, at: Point, block: Block) -> tuple[Array]:
    """Return the total rowwise information of each predictor of a block."""
    information = likelihood.information_diagonal(at.eta(block))
    return (information.sum(axis=1) if block.weight is None else information @ block.weight,)


def between_and_within(likelihood: Likelihood, at: Point, block: Block) -> tuple[Array, Array]:
    """Return a block's information between the predictors, and that of its columns, by the trace of each row's."""
    eta = at.eta(block)
    diagonal = block.weighted(likelihood.information_diagonal(eta))
    return likelihood.total_information(eta, block.weight), block.rows.sandwich(diagonal.sum(axis=0))


def _diagonal(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return the total rowwise information of each predictor, plus the prior.

    Standardized columns have a mean square of one, so the information of the rows is all that tells the columns apart.
    """
    predictors = objective.predictors
    total = objective.data.reduce_rows(partial(information_diagonal, objective.likelihood, objective.at(theta)))[0]
    if predictors.contrast is not None:
        total = np.square(predictors.contrast).T @ total
    diagonal = np.repeat(total[:, None], predictors.shape[1], axis=1)[predictors.used]
    diagonal += np.abs(objective.penalty.hessian_product(theta, np.ones(len(theta))))
    return DiagonalFactor(np.maximum(diagonal, 1e-12 * diagonal.max(initial=0.0)))


def _kronecker(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return the factor of G (x) A + penalty: A weighs each row by the trace of its information, G is their mean.

    The penalty is taken as the same for every predictor, as a prior on all the coefficients of a column is.
    """
    predictors = objective.predictors
    p = predictors.n_columns
    contrast = predictors.contrast
    assert contrast is not None

    of_block = partial(between_and_within, objective.likelihood, objective.at(theta))
    between, within = objective.data.reduce_rows(of_block)
    between = contrast.T @ between @ contrast / within[p, p]
    penalty = predictors.free_matrix(objective.penalty.hessian_product(theta, np.ones(len(theta))))
    used = np.flatnonzero(predictors.used[0])
    columns = used[used < p]
    precision, intercept = penalty[:, columns].mean(axis=0), predictors.terms[0].intercept
    return KroneckerFactor(between, within[np.ix_(used, used)], precision, intercept=intercept)


class KroneckerFactor(Factor):
    r"""Factor of :math:`G \otimes A + I \otimes \Lambda` for parameters laid out as a (k, p + 1) matrix.

    With A centred by its intercept, :math:`\Lambda^{-1/2} A \Lambda^{-1/2} = U a U^\top` and :math:`G = V g V^\top`,
    the matrix is diagonal in the two eigenbases, with entries :math:`g_j a_i + 1`.

    ``between`` is G (k, k), of trace one; ``within`` is A, (p, p) or (p + 1, p + 1) with an intercept, in the last row
    and column; ``precision`` (p,) is the diagonal of Lambda: all positive or all zero.
    """

    def __init__(self, between: Array, within: Array, precision: Array, *, intercept: bool) -> None:
        p = len(precision)
        self._inputs = (between, within, precision, intercept)
        self.size = len(between) * (p + intercept)
        self._width, self._p, self._intercept = p + intercept, p, intercept
        gains, self._V = np.linalg.eigh(between)
        gains = np.maximum(gains, _LEAST_EIGENVALUE * gains[-1])
        if intercept:
            total = within[p, p]
            self._mean = within[p, :p] / total
            within = within[:p, :p] - np.multiply.outer(self._mean, self._mean) * total
            self._intercept_root = np.sqrt(gains * total)[:, None]
        penalized = bool((precision > 0).all())
        self._unit = np.sqrt(precision) if penalized else np.sqrt(np.maximum(within.diagonal(), 1e-300))
        scaled = within / self._unit / self._unit[:, None]
        lengths, self._U = np.linalg.eigh(scaled)
        lengths = np.maximum(lengths, _LEAST_EIGENVALUE * max(float(lengths[-1]), _LEAST_EIGENVALUE))
        self._root = np.sqrt(np.multiply.outer(gains, lengths) + penalized)

    def times(self, multiple: float) -> "KroneckerFactor":
        between, within, precision, intercept = self._inputs
        return KroneckerFactor(between, within * multiple, precision * multiple, intercept=intercept)

    def whiten(self, gradient: Array) -> Array:
        matrix = gradient.reshape(-1, self._width)
        coef = matrix[:, : self._p]
        out = np.empty_like(matrix)
        if self._intercept:
            coef = coef - np.multiply.outer(matrix[:, -1], self._mean)
            out[:, -1:] = (self._V.T @ matrix[:, -1:]) / self._intercept_root
        out[:, : self._p] = (self._V.T @ (coef / self._unit) @ self._U) / self._root
        return out.ravel()

    def unwhiten(self, step: Array) -> Array:
        matrix = step.reshape(-1, self._width)
        out = np.empty_like(matrix)
        coef = (self._V @ (matrix[:, : self._p] / self._root) @ self._U.T) / self._unit
        out[:, : self._p] = coef
        if self._intercept:
            out[:, -1:] = self._V @ (matrix[:, -1:] / self._intercept_root)
            out[:, -1] -= coef @ self._mean
        return out.ravel()

    @property
    def condition(self) -> float:
        return float(self._root.max() / self._root.min())

    @property
    def log_determinant(self) -> float:
        total = float(np.log(self._root).sum()) + len(self._root) * float(np.log(self._unit).sum())
        return 2 * (total + float(np.log(self._intercept_root).sum()) if self._intercept else total)
