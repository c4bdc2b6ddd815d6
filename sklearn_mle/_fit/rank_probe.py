"""Whether columns depend on each other, where there are too many rows and columns to factor anything.

A vector drawn at random is v = r + u, r in the span of the rows and u in the null space of the design. Conjugate
gradients for X r = X v from zero never leave that span, so v less the iterate tends to u, one pass over the data a
step; its length tells a null space from none, and its entries name the columns. A bounded number of passes settles
well-conditioned designs; of the others it is said that nothing is known.

References
----------
Paige and Saunders (1982), LSQR: an algorithm for sparse linear equations and sparse least squares, ACM Transactions on
Mathematical Software 8 (the minimum-norm solution that the iteration from zero tends to).
"""

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit.dependence import is_examined
from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rows import RowBlocks
from sklearn_mle.exceptions import RankDeficiencyWarning
from sklearn_mle.likelihoods._least_squares import LeastSquares

__all__ = ["rank_doubts"]

_MOST_PASSES = 200
# A vector of standard normal entries has a part in a null space of one dimension that is shorter than this in one case
# of a thousand.
_NO_PART = 1e-3
# Per row, how far a combination of standardized columns may be from zero to be called dependent: what is nearer cannot
# be told apart within the passes.
_NEARLY_NOTHING = 1e-5
# Entries of the combination, beside its largest, that name a column.
_NAMED = 0.1
_REMEDY = (
    "Those returned are some that fit best, not those of minimum norm; fitted values are not affected. Drop columns, "
    "or penalize."
)


def rank_doubts(prepared: Prepared, data: RowBlocks, *, intercept: bool) -> list[Warning]:
    """Return the warning that columns depend on each other, or that it is not known, for designs not yet examined."""
    if is_examined(data):
        return []
    varying = np.flatnonzero(~prepared.columns.constant)
    if data.n_rows < len(varying) + intercept:
        return [
            RankDeficiencyWarning(
                f"X is rank deficient: it has fewer rows ({data.n_rows}) than there are coefficients "
                f"({len(varying) + intercept}), so these are not unique. {_REMEDY}"
            )
        ]
    active = None if len(varying) == data.n_columns else varying
    predictors = LinearPredictors(data.n_columns, [Terms(True, intercept, active)])
    combination = _null_vector(data, predictors)
    if combination is None:
        return [
            RankDeficiencyWarning(
                f"X has more than 4,000 rows and columns, and {_MOST_PASSES} passes over it did not settle whether "
                f"columns depend on each other. If they do, the coefficients are not unique. {_REMEDY}"
            )
        ]
    if not combination.size:
        return []
    size = np.abs(predictors.matrix(combination)[0, :-1])
    named = np.flatnonzero(size > _NAMED * size.max())
    return [
        RankDeficiencyWarning(
            f"X is rank deficient, or nearly so: {prepared.names(named[np.argsort(-size[named], kind='stable')])} are "
            f"among the columns that depend on others, to a part in 100,000 of their spread, so their coefficients "
            f"are not unique. {_REMEDY}"
        )
    ]


def _null_vector(data: RowBlocks, predictors: LinearPredictors) -> NDArray[np.float64] | None:
    """Return a combination of columns that is nothing, an empty array where there is none, None where not settled."""
    design = data.carrying(np.zeros(data.n_rows), data.weight, None, data.n_predictors)
    product = PenalizedNLL(LeastSquares(), predictors, design, NoPenalty()).hessian_product(np.zeros(predictors.size))
    left = np.random.default_rng(0).standard_normal(predictors.size)
    residual = product(left)
    direction = residual.copy()
    norm = float(residual @ residual)
    for _ in range(_MOST_PASSES):
        length = float(left @ left)
        if length < _NO_PART**2:
            return np.zeros(0)
        # |X u|^2 = u' X'X u, and X'X u is the residual, up to what rounding has added to it.
        nothing = _NEARLY_NOTHING**2 * length * data.n_rows
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
