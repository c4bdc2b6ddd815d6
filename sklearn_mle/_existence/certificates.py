r"""Certificates that a finite maximum likelihood estimate exists, free on regular data.

The logistic NLL is self-concordant in Bach's sense. With H the curvature at a point, lambda the Newton decrement there
and M the largest length of a row in the metric of the inverse curvature, :math:`M^2 = \max_i x_i^\top H^{-1} x_i`,
:math:`s = \lambda M < 1` proves that a finite minimizer exists and that the gap to it is at most
:math:`[s + (1 - s)\log(1 - s)] / M^2`. On regular data s is tiny after the last Newton step. Under separation it never
falls below one, although the gradient vanishes: so linear programs (``separation``) are asked only where s >= 1/2.

References
----------
Bach (2010), Self-concordant analysis for logistic regression, Electronic Journal of Statistics 4.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.special import softmax

from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.factors import BlockDiagonalFactor, CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._objective import PenalizedNLL, Point
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block
from sklearn_mle._solvers import Solution

# Below one a finite MLE is proved. The margin covers that s is computed with the rows' curvature at the final point
# and the factor of a point at most s before it, whose curvatures differ by a factor of at most exp(s).
CERTIFIED = 0.5
# Beyond such a change of the predictors hardly anything is left of what was known of the curvature.
_LONG = 5.0
# Rows of which dense columns are formed at a time.
_CHUNK = 4096


def certified(objective: PenalizedNLL, solution: Solution, largest: Array, *, of_rows: bool) -> Solution | None:
    """Return the solution where a finite maximum is proved, with its own curvature if one was formed; None otherwise.

    The solver's factor is tried first, then one formed at the solution; where the solver had none, that of a matrix
    below the Hessian. The objective is unpenalized, of class labels or proportions; ``largest`` (p,) has the largest
    absolute entry of each standardized column. ``of_rows`` says whether a QR of the rows may be formed: with many
    classes it is as expensive as the linear programs that decide.
    """
    theta, gradient = solution.theta, solution.gradient
    if _by_the_solver_s_factor(objective, solution, largest):
        return solution
    if solution.factor is None:
        below = curvature_below(objective, theta)
        if below is not None:
            gap = 0.5 * below.squared_norm(gradient)
            if certificate(objective, theta, below, gap, largest, thorough=False) < CERTIFIED:
                return solution
        return None
    try:
        factor = hessian_factor(objective, theta, of_rows=of_rows)
    except NotPositiveDefiniteError:
        return None  # flat to rounding along some direction
    gap = 0.5 * factor.squared_norm(gradient)
    if certificate(objective, theta, factor, gap, largest) < CERTIFIED:
        return replace(solution, factor=factor, factor_theta=None, factor_gap=gap, gap=gap)
    return None


def _by_the_solver_s_factor(objective: PenalizedNLL, solution: Solution, largest: Array) -> bool:
    """Return whether the solver's own factor proves existence.

    It is of the point before polishing. The final gap goes with it at the price of what the curvature may have lost on
    the way, which is exp(r) for the largest change r of a row's predictors (Bach 2010, proposition 1); where that way
    was long, its own gap does.
    """
    theta, factor = solution.theta, solution.factor

    def bound(gap: float) -> float:
        return certificate(objective, theta, factor, gap, largest, thorough=False)

    if solution.factor_theta is not None and solution.gap < solution.factor_gap:
        step = theta - solution.factor_theta
        change = objective.predictors.largest_change(step, largest)
        if change >= _LONG:  # or the columns are nearly dependent, and the bound is loose
            change = objective.data.reduce_rows(partial(largest_change, objective.predictors, step))[0].value
        if change < _LONG and math.exp(change) * bound(solution.gap) < CERTIFIED:
            return True
    return bound(solution.factor_gap) < CERTIFIED


def largest_change(predictors: LinearPredictors, step: Array, block: Block) -> tuple[Largest]:
    """Return how far at most a step of theta moves the predictors of a block's row apart."""
    moved = predictors.eta(block.rows, predictors.direction(step), None)
    apart = np.abs(moved[0]) if len(moved) == 1 else moved.max(axis=0) - moved.min(axis=0)
    return (Largest(float(apart.max(initial=0.0))),)


def certificate(
    objective: PenalizedNLL, theta: Array, factor: Factor | None, gap: float, largest: Array, *, thorough: bool = True
) -> float:
    """Return an upper bound of s = lambda M; below ``CERTIFIED`` a finite MLE exists.

    Four bounds of M, each more expensive than the one before:

    1. from the columns' largest entries, free, enough where rows are many;
    2. in one pass without products of X with X, M^2 <= max_i 1 / (w_i v_i), v_i the least curvature of row i;
    3. for rows where that does not suffice, the sum of the lengths of their single entries (sharp for dummies);
    4. where this does not either, exactly, if ``thorough``: a factor at the final point is often cheaper.

    The factor is that of the Hessian at (or just before) theta, and ``gap`` half the squared Newton decrement where it
    was formed; without a factor only the second bound is available. ``largest`` is as in ``certified``.
    """
    decrement = float(np.sqrt(2 * gap))
    if factor is not None:
        if not factor.resolved:
            return float("inf")  # the least curvature may be smaller than computed
        # The rounding of the gradient's sums hides so much of a decrement.
        decrement += EPS * float(np.sqrt(objective.data.n_rows)) * factor.inverse_norm
    if decrement == 0:
        return 0.0
    lengths = None
    if factor is not None:
        square = (1 + float(largest @ largest)) * (1 if objective.predictors.contrast is None else 2)
        free = decrement * factor.inverse_norm * float(np.sqrt(square))
        if free < CERTIFIED:
            return free
        lengths = _entry_lengths(objective.predictors, factor)
    binary = not objective.likelihood.shift_invariant
    exact = factor if thorough else None
    longest = partial(longest_row, objective.at(theta), binary, CERTIFIED / decrement, lengths, exact)
    with np.errstate(over="ignore"):
        return decrement * float(np.sqrt(objective.data.reduce_rows(longest)[0].value))


def longest_row(
    at: Point, binary: bool, enough: float, lengths: Array | None, factor: Factor | None, block: Block
) -> tuple[Largest]:
    """Return an upper bound of M^2 = max_i x_i' H^-1 x_i over a block's rows.

    No sharper bound is asked for where M is below ``enough``. ``lengths`` are those of a unit entry of each column, or
    None; ``factor`` is that of H, None where the exact bound is not to be had.
    """
    information = block.weighted(_least_information(at.eta(block), binary))
    with np.errstate(divide="ignore", over="ignore"):
        bound = 1 / information
        far = np.flatnonzero(bound >= enough**2)
        if len(far) and lengths is not None:
            # By the triangle inequality.
            sums = _of_entries(block, far, lambda X: (np.abs(X) @ lengths[:, :-1].T + lengths[:, -1]).max(axis=1))
            bound[far] = np.minimum(bound[far], np.square(sums))
            far = far[bound[far] >= enough**2]
    if len(far) and factor is not None:
        bound[far] = _of_entries(block, far, lambda X: _squared_lengths(X, at.predictors, factor))
    elif len(far):
        bound[far] = np.inf
    return (Largest(float(bound.max(initial=0.0))),)


def _of_entries(block: Block, rows: Array, function: Callable[[Array], Array]) -> Array:
    """Return a function of the dense standardized columns of the given rows, row by row, a few rows at a time."""
    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    return np.concatenate([function(block.rows.take(chunk).standardized) for chunk in chunks])


def _squared_lengths(X: Array, predictors: LinearPredictors, factor: Factor) -> Array:
    """Return M_i^2, exactly of one predictor; of several the bound by twice the longest class direction."""
    q = 1 if predictors.contrast is None else len(predictors.contrast)
    longest = np.zeros(len(X))
    for unit in np.eye(q):
        slopes = predictors.pull_back_rows(X, np.broadcast_to(unit[:, None], (q, len(X))))
        longest = np.maximum(longest, np.square(factor.whiten(slopes.T)).sum(axis=0))
    return longest if q == 1 else 4 * longest


def _least_information(eta: Array, binary: bool) -> Array:
    """Return per row a lower bound of curvature per squared range of a change in the predictors."""
    if binary:
        small = np.exp(-np.abs(eta[0]))
        return small / np.square(1 + small)
    least = np.partition(softmax(eta, axis=0), 1, axis=0)[:2]
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(least[0] * least[1] / least.sum(axis=0))


def _entry_lengths(predictors: LinearPredictors, factor: Factor) -> Array:
    """Return the length of a unit entry of each column, and of the intercept, per class direction: (q, p + 1)."""
    contrast = predictors.contrast
    if isinstance(factor, BlockDiagonalFactor) and contrast is not None:
        # Of one block per free predictor, so that their parts of a direction are orthogonal.
        squares = np.zeros(predictors.shape)
        of_block = {block: np.square(block.unwhiten(np.eye(block.size))).sum(axis=1) for block in set(factor.blocks)}
        squares[predictors.used] = np.concatenate([of_block[block] for block in factor.blocks])
        return 2 * np.sqrt(np.square(contrast) @ squares)
    inverse = np.zeros((predictors.used.size, factor.size))
    inverse[predictors.used.ravel()] = factor.unwhiten(np.eye(factor.size))
    by_predictor = inverse.reshape(*predictors.shape, factor.size)
    if contrast is None:
        return np.linalg.norm(by_predictor, axis=-1)
    # A change between two classes is the difference of two such directions.
    return 2 * np.linalg.norm(np.tensordot(contrast, by_predictor, 1), axis=-1)


def curvature_below(objective: PenalizedNLL, theta: Array) -> Factor | None:
    """Return the factor of a matrix below the Hessian of a categorical likelihood, for many classes of few columns.

    The curvature diag(q) - q q' of a row is at least min(q) along every change that sums to zero over the classes, for
    v' (diag(q) - q q') v is the variance of v under q. So H >= I kron A with A = sum_i w_i min(q_i) x_i x_i', which is
    as small as X is narrow, and takes one pass. What is bounded by its inverse is bounded by that of H. None where A is
    not positive definite, or the predictors have not all the same columns.
    """
    predictors = objective.predictors
    used = predictors.used
    if predictors.contrast is None or (used != used[0]).any():
        return None
    total = objective.data.reduce_rows(partial(_least_curvature, objective.at(theta)))[0]
    try:
        return BlockDiagonalFactor([CholeskyFactor(total[np.ix_(used[0], used[0])])] * len(used))
    except NotPositiveDefiniteError:
        return None


def _least_curvature(at: Point, block: Block) -> tuple[Array]:
    """Return the part of A (see ``curvature_below``) that a block adds."""
    return (block.rows.sandwich(block.weighted(softmax(at.eta(block), axis=0).min(axis=0))),)
