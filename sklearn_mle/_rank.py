"""Uniqueness of the maximum: which columns depend on which, and the coefficients of minimum norm when some do.

Three examinations, each for what the one before leaves open. A Cholesky factor of the cross-products settles most
designs (``find_dependence``); a pivoted QR of the columns settles the others (``identify``); where there are too many
rows and columns to factor anything, a bounded number of passes looks for a null vector (``rank_doubts``).
"""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg

from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError, RowsUpToRotation
from sklearn_mle._numerics.memory import fits
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rows import Block, Data
from sklearn_mle._rows.columns import Columns
from sklearn_mle.exceptions import RankDeficiencyWarning
from sklearn_mle.likelihoods._surrogates import LeastSquares

# Columns -> how a warning names them.
Names = Callable[[Array], str]

# A condition number of the scaled design beyond which a column may be a combination of others.
_SUSPECT_CONDITION = 1e6
# Few columns, each at least so far (of its own length) from the span of those before it, leave no doubt: an estimate of
# the condition would cost as much as the factor.
_CLEAR_PIVOT, _SMALL = 1e-2, 100
_LARGEST_ORDER = 4000
# Columns independent on some of the rows are independent: a few thousand rows settle most designs.
_FIRST_ROWS = 4000
_MOST_PASSES = 200
# A vector of standard normal entries has a part in a null space of one dimension that is shorter than this in one case
# of a thousand.
_NO_PART = 1e-3
# Per row, how far a combination of standardized columns may be from zero to be called dependent: what is nearer cannot
# be told apart within the passes.
_NEARLY_NOTHING = 1e-5
# Entries of the combination, beside its largest, that name a column.
_NAMED = 0.1


@dataclass(frozen=True)
class Identification:
    """Which columns carry the fit, and which combinations of columns the data say nothing about.

    ``active`` is a largest set of columns that are independent of each other (and of the intercept); ``dependent`` are
    the others. ``basis``, orthonormal and in X's own units, spans the coefficients that leave every fitted value as it
    is (the null space) or their complement (the row space), whichever has fewer dimensions. ``mean`` holds the weighted
    means of the standardized columns: what the intercept gives back for a move in the null space.
    """

    active: Array
    dependent: Array
    basis: Array
    is_null_space: bool
    mean: Array

    def minimum_norm(self, matrix: Array, columns: Columns) -> Array:
        """Return the coefficients (standardized, (q, p + 1)) of least norm in X's units with the same fitted values."""
        coef = (matrix[:, :-1] / columns.scale).astype(np.float64)
        change = np.zeros_like(coef)
        for _ in range(2):  # once more removes what the first projection left to rounding
            projection = ((coef + change) @ self.basis) @ self.basis.T
            change = change - projection if self.is_null_space else projection - coef
        standardized = change * columns.scale
        out = matrix.copy()
        out[:, :-1] += standardized
        out[:, -1] -= standardized @ self.mean
        return out

    def null_space(self, columns: Columns, intercept: bool) -> Array:
        """Return (p + 1, k): the changes of coefficients and intercept, in X's units, that move no fitted value."""
        null = self.basis
        if not self.is_null_space:
            # Complements are taken in standardized units: in X's own a column of small numbers would drown.
            rows, _ = np.linalg.qr(self.basis / columns.scale[:, None], mode="complete")
            null = rows[:, self.basis.shape[1] :] / columns.scale[:, None]
        # A vector's entry is the intercept's share: it undoes the move at the columns' means.
        share = -(columns.shift + columns.scale * self.mean) @ null if intercept else np.zeros(null.shape[1])
        return np.concatenate([null, share[None]])


def identify(data: Data, columns: Columns, term: Terms) -> Identification:
    """Return which columns of a predictor are identified, by a pivoted QR of the (centred) standardized columns.

    A column counts as dependent when what is left of it beside the others is below the rounding of its own entries.
    """
    p = data.n_columns
    asked = term.indices(p)
    candidates = asked[~columns.constant[asked]]

    rotated, n_single = data.reduce_rows(partial(design_rows, candidates, term.intercept))
    triangle = rotated.triangle
    mean = np.zeros(p)
    if term.intercept:
        mean[candidates] = triangle[0, 1:] / triangle[0, 0]
        triangle = triangle[1:, 1:]
    R, order = np.zeros((0, 0)), np.zeros(0, dtype=int)
    if len(candidates):
        R, order = scipy.linalg.qr(triangle, mode="r", pivoting=True, check_finite=False)
    size = np.abs(R.diagonal())
    root_n = np.sqrt(data.n_rows)
    # A column that depends on others up to the rounding of single precision would get any coefficient.
    rounding = columns.noise[candidates][order][: len(size)] * (
        float(np.finfo(np.float32).eps) / EPS if n_single else 1
    )
    noise = (8 * rounding + max(data.n_rows, p) * EPS) * root_n
    # Noise carries over from the columns a dependent one is made of, so the largest of those before it counts.
    below = size <= np.maximum.accumulate(noise)
    rank = int(np.argmax(below)) if below.any() else len(size)
    active = np.sort(candidates[order[:rank]])
    dependent = np.setdiff1d(asked, active)
    if len(dependent) <= rank:
        constant = asked[columns.constant[asked]]
        return Identification(active, dependent, _null_space(R, order, rank, candidates, constant, columns), True, mean)
    rows = np.zeros((rank, p))
    rows[:, candidates[order]] = R[:rank]
    return Identification(active, dependent, _orthonormal((rows * columns.scale).T), False, mean)


def design_rows(columns: Array, intercept: bool, block: Block) -> tuple[RowsUpToRotation, int]:
    """Return rows whose cross-product is that of a block's design: these columns, after one of ones if asked for.

    The second is not zero if they were given in single precision.
    """
    parts = []
    for start, piece in block.rows.pieces():
        rows = piece[:, columns]
        if intercept:
            rows = np.concatenate([np.ones((len(rows), 1)), rows], axis=1)
        if block.weight is not None:
            rows = rows * np.sqrt(block.weight[start : start + len(rows)])[:, None]
        parts.append(RowsUpToRotation(rows))
    return functools.reduce(operator.add, parts), int(block.rows.in_single_precision)


def _null_space(R: Array, order: Array, rank: int, candidates: Array, constant: Array, columns: Columns) -> Array:
    p, n_candidates = len(columns.scale), len(candidates)
    basis = np.zeros((p, n_candidates + len(constant) - rank))
    if n_candidates > rank:
        solved = (
            scipy.linalg.solve_triangular(R[:rank, :rank], R[:rank, rank:], check_finite=False)
            if rank
            else R[:0, rank:]
        )
        free = n_candidates - rank
        basis[candidates[order[:rank]], :free] = -solved
        basis[candidates[order[rank:]], np.arange(free)] = 1
        basis /= columns.scale[:, None]
    else:
        free = 0
    basis[constant, free + np.arange(len(constant))] = 1
    return _orthonormal(basis)


def _orthonormal(basis: Array) -> Array:
    if not basis.shape[1]:
        return basis
    return scipy.linalg.qr(basis / np.abs(basis).max(axis=0), mode="economic", check_finite=False)[0]


def find_dependence(data: Data, columns: Columns, term: Terms) -> Identification | None:
    """Return the dependences among the columns of a predictor.

    None when there are none, or the design is too large to be examined.
    """
    n, p = data.n_rows, data.n_columns
    if not _is_examined(data):
        return None
    asked = term.indices(p)
    varying = asked[~columns.constant[asked]]
    if n > len(varying) and p <= _LARGEST_ORDER:
        first = max(_FIRST_ROWS, 8 * p)
        samples = [data] if n < 4 * first else [data.sample_rows(first), data]
        if any(clearly_independent(sample, varying, term.intercept) for sample in samples):
            if len(varying) == len(asked):
                return None
            constant = asked[columns.constant[asked]]
            return Identification(varying, constant, np.eye(p)[:, constant], True, np.zeros(p))
    found = identify(data, columns, term)
    return found if len(found.dependent) else None


def _is_examined(data: Data) -> bool:
    """Return whether rows or columns are few enough for a factor of the design."""
    least = min(data.n_rows, data.n_columns)
    return least <= _LARGEST_ORDER and fits(least, data.n_columns)


def clearly_independent(data: Data, varying: Array, intercept: bool) -> bool:
    """Return whether these columns are independent beyond doubt; False says nothing."""
    objective = _least_squares(data, varying, intercept)
    if not objective.predictors.curvature_fits:
        return False
    try:
        return independent_columns(hessian_factor(objective, np.zeros(objective.predictors.size)))
    except NotPositiveDefiniteError:
        return False


def independent_columns(factor: Factor) -> bool:
    """Return whether the columns with this curvature are independent beyond doubt; False says nothing."""
    clear = isinstance(factor, CholeskyFactor) and factor.size <= _SMALL and factor.least_pivot > _CLEAR_PIVOT
    return clear or factor.condition < _SUSPECT_CONDITION


def _least_squares(data: Data, varying: Array, intercept: bool) -> PenalizedNLL:
    """Return an objective whose Hessian is the cross-product of the design of these columns."""
    active = None if len(varying) == data.n_columns else varying
    predictors = LinearPredictors(data.n_columns, [Terms(True, intercept, active)])
    # Neither y nor offset enters the curvature of least squares, and they may be of another shape.
    return PenalizedNLL(LeastSquares(), predictors, data.with_target(_no_target, 1), NoPenalty())


def _no_target(y: Array, offset: Array | None) -> tuple[Array, None]:
    return np.zeros(y.shape[-1]), None


def rank_warning(
    identification: Identification, names: Names, fitted: str = "fitted values", penalty: str = "alpha"
) -> RankDeficiencyWarning:
    """Return the warning of a fit on dependent columns."""
    return RankDeficiencyWarning(
        "X is rank deficient (collinear or constant columns, or no more rows than columns). "
        f"Linearly dependent on the others and the intercept: {names(identification.dependent)}. The coefficients of "
        f"minimum norm are returned; {fitted} are not affected. Drop the columns, or penalize with {penalty}."
    )


def rank_doubts(data: Data, columns: Columns, names: Names, term: Terms) -> list[Warning]:
    """Return the warning that columns depend on each other, or that it is not known, for designs not yet examined."""
    if _is_examined(data):
        return []
    asked = term.indices(data.n_columns)
    varying = asked[~columns.constant[asked]]
    objective = _least_squares(data, varying, term.intercept)
    size = objective.predictors.size
    if data.n_rows < size:
        finding = (
            f"X is rank deficient: it has fewer rows ({data.n_rows}) than there are coefficients ({size}), so these "
            "are not unique."
        )
    else:
        combination = _null_vector(objective)
        if combination is None:
            finding = (
                f"X has more than 4,000 rows and columns, and {_MOST_PASSES} passes over it did not settle whether "
                "columns depend on each other. If they do, the coefficients are not unique."
            )
        elif not combination.size:
            return []
        else:
            part = np.abs(objective.predictors.matrix(combination)[0, :-1])
            named = np.flatnonzero(part > _NAMED * part.max())
            finding = (
                f"X is rank deficient, or nearly so: {names(named[np.argsort(-part[named], kind='stable')])} are among "
                "the columns that depend on others, to a part in 100,000 of their spread, so their coefficients are "
                "not unique."
            )
    return [
        RankDeficiencyWarning(
            f"{finding} Those returned are some that fit best, not those of minimum norm; fitted values are not "
            "affected. Drop columns, or penalize."
        )
    ]


def _null_vector(objective: PenalizedNLL) -> Array | None:
    """Return a null vector of the design, an empty array where there is none, None where that is not settled.

    A vector drawn at random is v = r + u, r in the span of the rows and u in the null space of the design. Conjugate
    gradients for X r = X v from zero never leave that span, so v less the iterate tends to u, one pass over the data
    per step; its length tells a null space from none, and its entries name the columns. A bounded number of passes
    settles well-conditioned designs.

    References
    ----------
    Paige and Saunders (1982), LSQR: an algorithm for sparse linear equations and sparse least squares, ACM
    Transactions on Mathematical Software 8 (the minimum-norm solution that the iteration from zero tends to).
    """
    product = partial(objective.hessian_product, np.zeros(objective.predictors.size))
    left = np.random.default_rng(0).standard_normal(objective.predictors.size)
    residual = product(left)
    direction = residual.copy()
    norm = float(residual @ residual)
    for _ in range(_MOST_PASSES):
        length = float(left @ left)
        if length < _NO_PART**2:
            return np.zeros(0)
        # |X u|^2 = u' X'X u, and X'X u is the residual, up to what rounding has added to it.
        nothing = _NEARLY_NOTHING**2 * length * objective.data.n_rows
        if float(left @ residual) < nothing and float(left @ product(left)) < nothing:
            return left
        curved = product(direction)
        step = norm / float(direction @ curved)
        left -= step * direction
        residual -= step * curved
        previous, norm = norm, float(residual @ residual)
        direction *= norm / previous
        direction += residual
    return None
