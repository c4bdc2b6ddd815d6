"""When to look for dependent columns: a cheap look at every fit, the thorough one only where it is in doubt."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit.prepare import Prepared
from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle._numerics.memory import fits
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rank import Identification, identify
from sklearn_mle._rows import RowBlocks
from sklearn_mle._rows.columns import Columns
from sklearn_mle.exceptions import RankDeficiencyWarning
from sklearn_mle.likelihoods._least_squares import LeastSquares

Array = NDArray[np.intp]

__all__ = ["clearly_independent", "find_dependence", "independent_columns", "is_examined", "rank_warning"]

# A condition number of the scaled design beyond which a column may be a combination of others.
_SUSPECT_CONDITION = 1e6
# Few columns, each at least so far (of its own length) from the span of those before it, leave no doubt: an estimate of
# the condition would cost as much as the factor.
_CLEAR_PIVOT, _SMALL = 1e-2, 100
_LARGEST_ORDER = 4000
# Columns independent on some of the rows are independent: a few thousand rows settle most designs.
_FIRST_ROWS = 4000


def find_dependence(data: RowBlocks, columns: Columns, *, intercept: bool) -> Identification | None:
    """Return the columns' dependences, or None when there are none.

    A Cholesky factor of the cross-products settles the ordinary case; only a suspicious one pays for the QR. Designs
    of so many rows and columns that neither is affordable are not examined: ``rank_doubts`` is for them.
    """
    n, p = data.n_rows, data.n_columns
    if not is_examined(data):
        return None
    varying = np.flatnonzero(~columns.constant)
    if n > len(varying) and p <= _LARGEST_ORDER:
        first = max(_FIRST_ROWS, 8 * p)
        samples = [data] if n < 4 * first else [data.some(first), data]
        if any(clearly_independent(sample, varying, intercept) for sample in samples):
            if len(varying) == p:
                return None
            constant = np.flatnonzero(columns.constant)
            return Identification(varying, constant, np.eye(p)[:, constant], True, np.zeros(p))
    found = identify(data, columns, intercept=intercept)
    return found if len(found.dependent) else None


def is_examined(data: RowBlocks) -> bool:
    """Return whether rows or columns are few enough for a factor of the design."""
    least = min(data.n_rows, data.n_columns)
    return least <= _LARGEST_ORDER and fits(least, data.n_columns)


def clearly_independent(data: RowBlocks, varying: Array, intercept: bool) -> bool:
    """Return whether these columns are independent beyond doubt; False says nothing."""
    active = None if len(varying) == data.n_columns else varying
    predictors = LinearPredictors(data.n_columns, [Terms(True, intercept, active)])
    if not predictors.curvature_fits:
        return False
    # Neither y nor offset enters the curvature of least squares, and they may be of another shape.
    design = data.with_target(_no_target, 1)
    objective = PenalizedNLL(LeastSquares(), predictors, design, NoPenalty())
    try:
        return independent_columns(hessian_factor(objective, np.zeros(predictors.size)))
    except NotPositiveDefiniteError:
        return False


def independent_columns(factor: Factor) -> bool:
    """Return whether the columns with this curvature are independent beyond doubt; False says nothing."""
    clear = isinstance(factor, CholeskyFactor) and factor.size <= _SMALL and factor.least_pivot > _CLEAR_PIVOT
    return clear or factor.condition < _SUSPECT_CONDITION


def _no_target(y: NDArray[Any], offset: NDArray[Any] | None) -> tuple[NDArray[Any], None]:
    return np.zeros(y.shape[-1]), None


def rank_warning(identification: Identification, prepared: Prepared) -> RankDeficiencyWarning:
    """Return what is said of a regression on dependent columns."""
    return RankDeficiencyWarning(
        "X is rank deficient (collinear or constant columns, or no more rows than columns): "
        f"{prepared.names(identification.dependent)} depend linearly on the other columns and the intercept. The "
        "coefficients of minimum norm are returned; fitted values are not affected. Drop the columns, or penalize "
        "with alpha."
    )
