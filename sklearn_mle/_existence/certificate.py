r"""Does a finite maximum likelihood estimate exist? A certificate that costs nothing on regular data.

The logistic NLL is self-concordant in Bach's sense. With H the curvature at a point, lambda the Newton decrement there
and M the largest length of a row in the metric of the inverse curvature, :math:`M^2 = \max_i x_i^\top H^{-1} x_i`,
:math:`s = \lambda M < 1` proves that a finite minimizer exists and that the gap to it is at most
:math:`[s + (1 - s)\log(1 - s)] / M^2`. On regular data s is tiny after the last Newton step. Under separation it never
falls below one, although the gradient vanishes: so linear programs (`recession`) are asked only where s >= 1/2.

References
----------
Bach (2010), Self-concordant analysis for logistic regression, Electronic Journal of Statistics 4.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.factors import BlockDiagonalFactor, CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL, Point
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block
from sklearn_mle._rows.sums import Largest

__all__ = ["CERTIFIED", "SEPARATION_PRIOR", "certificate", "curvature_below"]

Array = NDArray[Any]

# Below one a finite MLE is proved. The margin covers that s is computed with the rows' curvature at the final point
# and the factor of a point at most s before it, whose curvatures differ by a factor of at most exp(s).
CERTIFIED = 0.5

# The fit that is returned when no finite MLE exists: the posterior mode under independent Gaussian priors on the
# coefficients, in units of each column's standard deviation, of this precision per unit of total weight. Tiny (fitted
# probabilities stop near 1e-6 of certainty), yet far above rounding: unique, and the same for weights as for repeats.
SEPARATION_PRIOR = 1e-6

# Rows of which dense columns are formed at a time.
_CHUNK = 4096
_EPS = float(np.finfo(np.float64).eps)


def certificate(
    objective: PenalizedNLL,
    theta: Array,
    factor: Factor | None,
    gap: float,
    largest: Array,
    *,
    thorough: bool = True,
) -> float:
    """Return an upper bound of s = lambda M; below ``CERTIFIED`` a finite MLE exists.

    Four bounds of M, each dearer: from the columns' largest entries, free, enough where rows are many; in one pass
    without products of X with X, M^2 <= max_i 1 / (w_i v_i), v_i the least curvature of row i, and for the rows where
    that does not suffice the sum of the lengths that their entries have one by one (sharp for rows of dummies); and
    where this does not either, exactly.

    Parameters
    ----------
    objective : PenalizedNLL
    theta : ndarray of shape (size,)
    factor : Factor or None
        Of the Hessian at (or just before) theta; without one only the second bound is at hand.
    gap : float
        Half the squared Newton decrement where the factor was formed.
    largest : ndarray of shape (p,)
        The largest absolute entry of each standardized column.
    thorough : bool
        Whether the last bound may be asked for: a factor at the final point is often cheaper, and the first then does.
    """
    decrement = float(np.sqrt(2 * gap))
    if factor is not None:
        if not factor.resolved:
            return float("inf")  # the flattest direction may be flatter than it looks
        # The rounding of the gradient's sums hides so much of a decrement.
        decrement += _EPS * float(np.sqrt(objective.data.n_rows)) * factor.inverse_norm
    if decrement == 0:
        return 0.0
    longest_row = (1 + float(largest @ largest)) * (1 if objective.predictors.contrast is None else 2)
    if factor is not None:
        free = decrement * factor.inverse_norm * float(np.sqrt(longest_row))
        if free < CERTIFIED:
            return free
    lengths = None if factor is None else _entry_lengths(objective, factor)
    longest = LongestRow(
        objective.at(theta),
        not objective.likelihood.shift_invariant,
        CERTIFIED / decrement,
        lengths,
        factor if thorough else None,
    )
    with np.errstate(over="ignore"):
        return decrement * float(np.sqrt(objective.data.reduce_rows(longest)[0].value))


@dataclass(frozen=True)
class LongestRow:
    """An upper bound of M^2 = max_i x_i' H^-1 x_i over a block's rows, for ``Data.reduce_rows``.

    Attributes
    ----------
    at : Point
    binary : bool
    enough : float
        No sharper bound is asked for where M is below this one.
    lengths : ndarray of shape (q, p + 1) or None
        The length of a unit entry of each column.
    factor : Factor or None
        Of the curvature H, for the rows where nothing else suffices; None takes their length as infinite.
    """

    at: Point
    binary: bool
    enough: float
    lengths: Array | None
    factor: Factor | None
    task_name: ClassVar[str] = "mle-certificate"

    def __call__(self, block: Block) -> tuple[Largest]:
        information = _least_information(self.at.eta(block), self.binary)
        if block.weight is not None:
            information *= block.weight
        with np.errstate(divide="ignore", over="ignore"):
            bound = 1 / information
            far = np.flatnonzero(bound >= self.enough**2)
            if len(far) and self.lengths is not None:
                bound[far] = np.minimum(bound[far], _summed_lengths(block, far, self.lengths))
                far = np.flatnonzero(bound >= self.enough**2)
        longest = float(np.delete(bound, far).max(initial=0.0))
        if len(far):
            exact = float("inf") if self.factor is None else _longest(self.at.predictors, block, far, self.factor)
            longest = max(longest, exact)
        return (Largest(longest),)


def curvature_below(objective: PenalizedNLL, theta: Array) -> Factor | None:
    """Return the factor of a matrix below the Hessian of a categorical likelihood, for many classes of few columns.

    The curvature diag(q) - q q' of a row is at least min(q) along every change that sums to zero over the classes, for
    v' (diag(q) - q q') v is the variance of v under q. So H >= I kron A with A = sum_i w_i min(q_i) x_i x_i', which is
    as small as X is narrow, and takes one pass. What is bounded by its inverse is bounded by that of H.

    Returns
    -------
    Factor or None
        None where A is not positive definite, or the predictors have not all the same columns.
    """
    predictors = objective.predictors
    used = predictors.used
    if predictors.contrast is None or (used != used[0]).any():
        return None
    total = objective.data.reduce_rows(LeastCurvature(objective.at(theta)))[0]
    try:
        return BlockDiagonalFactor([CholeskyFactor(total[np.ix_(used[0], used[0])])] * len(used))
    except NotPositiveDefiniteError:
        return None


@dataclass(frozen=True)
class LeastCurvature:
    """The part of A (see ``curvature_below``) that a block adds, for ``Data.reduce_rows``."""

    at: Point
    task_name: ClassVar[str] = "mle-certificate"

    def __call__(self, block: Block) -> tuple[Array]:
        least = _probabilities(self.at.eta(block)).min(axis=0)
        return (block.rows.sandwich(least if block.weight is None else least * block.weight),)


def _probabilities(eta: Array) -> Array:
    probability = np.exp(eta - eta.max(axis=0))
    probability /= probability.sum(axis=0)
    return probability


def _least_information(eta: Array, binary: bool) -> Array:
    """Return per row a lower bound of curvature per squared range of a change in the predictors."""
    if binary:
        small = np.exp(-np.abs(eta[0]))
        return small / np.square(1 + small)
    least = np.partition(_probabilities(eta), 1, axis=0)[:2]
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(least[0] * least[1] / least.sum(axis=0))


def _entry_lengths(objective: PenalizedNLL, factor: Factor) -> Array:
    """Return the length of a unit entry of each column, and of the intercept, per class direction: (q, p + 1)."""
    predictors = objective.predictors
    if isinstance(factor, BlockDiagonalFactor) and predictors.contrast is not None:
        # Of one block per free predictor, so that their parts of a direction are orthogonal.
        squares = np.zeros(predictors.shape)
        of_block = {block: np.square(block.unwhiten(np.eye(block.size))).sum(axis=1) for block in set(factor.blocks)}
        squares[predictors.used] = np.concatenate([of_block[block] for block in factor.blocks])
        return 2 * np.sqrt(np.square(predictors.contrast) @ squares)
    inverse = np.zeros((predictors.used.size, factor.size))
    inverse[predictors.used.ravel()] = factor.unwhiten(np.eye(factor.size))
    by_predictor = inverse.reshape(*predictors.shape, factor.size)
    if predictors.contrast is None:
        return np.linalg.norm(by_predictor, axis=-1)
    # A change between two classes is the difference of two such directions.
    return 2 * np.linalg.norm(np.tensordot(predictors.contrast, by_predictor, 1), axis=-1)


def _summed_lengths(block: Block, rows: Array, lengths: Array) -> Array:
    """Return an upper bound of M_i^2 for the given rows, by the triangle inequality."""
    out = np.empty(len(rows))
    for start in range(0, len(rows), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        entries = np.abs(block.rows.take(rows[chunk]).standardized)
        out[chunk] = np.square(entries @ lengths[:, :-1].T + lengths[:, -1]).max(axis=1)
    return out


def _longest(predictors: LinearPredictors, block: Block, rows: Array, factor: Factor) -> float:
    """Return max M_i^2 over the given rows, exactly (binary) or bounded by twice the longest class direction."""
    longest = 0.0
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        X = block.rows.take(chunk).standardized
        augmented = np.concatenate([X, np.ones((len(X), 1))], axis=1)
        contrast = np.ones((1, 1)) if predictors.contrast is None else predictors.contrast
        for direction in contrast:
            vectors = np.einsum("k,np->nkp", direction, augmented).reshape(len(chunk), -1)
            white = factor.whiten(vectors[:, predictors.used.ravel()].T)
            longest = max(longest, float(np.square(white).sum(axis=0).max()))
    return longest if predictors.contrast is None else 4 * longest
