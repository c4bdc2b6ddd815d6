"""Preconditioners for curvatures too large to form: Kronecker for several predictors, diagonal for wide data."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.factors import DiagonalFactor, Factor
from sklearn_mle._numerics.kronecker import KroneckerFactor
from sklearn_mle._numerics.memory import fits
from sklearn_mle._objective import PenalizedNLL, Point
from sklearn_mle._rows import Block
from sklearn_mle.likelihoods import Likelihood

__all__ = ["preconditioner"]

Array = NDArray[Any]

# An eigendecomposition of the columns' curvature takes seconds beyond this order.
_MOST_COLUMNS = 2500


def preconditioner(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return a factor near that of the Hessian at theta, at a cost far below forming it."""
    predictors = objective.predictors
    p = predictors.n_columns
    with_columns = predictors.contrast is not None and predictors.used[0, :p].any()
    if with_columns and p <= _MOST_COLUMNS and fits(p + 1, p + 1):
        return _kronecker(objective, theta)
    return _diagonal(objective, theta)


@dataclass(frozen=True)
class InformationDiagonal:
    """The total rowwise information of each predictor of a block."""

    likelihood: Likelihood
    at: Point
    task_name: ClassVar[str] = "mle-information-diagonal"

    def __call__(self, block: Block) -> tuple[Array]:
        information = self.likelihood.information_diagonal(self.at.eta(block))
        return (information.sum(axis=1) if block.weight is None else information @ block.weight,)


@dataclass(frozen=True)
class BetweenAndWithin:
    """A block's information between the predictors, and that of its columns weighted by the trace of each row's."""

    likelihood: Likelihood
    at: Point
    task_name: ClassVar[str] = "mle-kronecker"

    def __call__(self, block: Block) -> tuple[Array, Array]:
        eta = self.at.eta(block)
        diagonal = self.likelihood.information_diagonal(eta)
        if block.weight is not None:
            diagonal = diagonal * block.weight
        return self.likelihood.total_information(eta, block.weight), block.rows.sandwich(diagonal.sum(axis=0))


def _diagonal(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return the total rowwise information of each predictor, plus the prior.

    Standardized columns have a mean square of one, so the information of the rows is all that tells the columns apart.
    """
    predictors = objective.predictors
    total = objective.data.reduce_rows(InformationDiagonal(objective.likelihood, objective.at(theta)))[0]
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

    between, within = objective.data.reduce_rows(BetweenAndWithin(objective.likelihood, objective.at(theta)))
    between = contrast.T @ between @ contrast / within[p, p]
    penalty = predictors.free_matrix(objective.penalty.hessian_product(theta, np.ones(len(theta))))
    used = np.flatnonzero(predictors.used[0])
    columns = used[used < p]
    return KroneckerFactor(
        between,
        within[np.ix_(used, used)],
        penalty[:, columns].mean(axis=0),
        intercept=predictors.terms[0].intercept,
    )
