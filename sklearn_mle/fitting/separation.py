"""What a direction of recession means for the user: which coefficients run where, in words and in X's units."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.existence import SEPARATION_PRIOR
from sklearn_mle.fitting.prepare import Prepared
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.recession import Preferences, Recession
from sklearn_mle.row_blocks.columns import Columns

__all__ = ["divergent_changes", "limits_in_words", "separation_warning", "undecided_warning"]

Array = NDArray[Any]

# Beside the largest entry of a direction (in standardized columns) this much is rounding.
_NEGLIGIBLE = 1e-6
# Gram matrices of this order are diagonalized in seconds.
_MOST_DIAGONALIZED = 2000
_REMEDY = (
    f"Returned is the posterior mode under a tiny prior (precision {SEPARATION_PRIOR:g} per unit of total weight, "
    "columns in standard deviations)."
)


def divergent_changes(objective: PenalizedNLL, recession: Recession, columns: Columns) -> list[Array]:
    """Return changes of the coefficients, in X's units, that span all directions of recession.

    They are what the rows left over by a generic direction do not see: there the limiting model determines nothing.
    """
    predictors = objective.predictors
    if predictors.size > _MOST_DIAGONALIZED:
        return [columns.to_original(predictors.matrix(recession.direction))]
    preferences = Preferences(objective)
    basis = preferences.unseen(~recession.separated)
    return [columns.to_original(predictors.matrix(vector)) for vector in basis.T]


def limits_in_words(matrix: Array, name: Any, class_names: Any, most: int = 5) -> str:
    """Return the coefficients that move, and where to: "'x' to +inf, 'z' (class 'b') to -inf and 3 more".

    Parameters
    ----------
    matrix : ndarray of shape (q, p + 1)
        The direction, in standardized columns; the intercept last.
    name : callable
        From a column's number to its name.
    class_names : sequence or None
        One a row of the matrix where it has several.
    """
    moving = np.abs(matrix) > _NEGLIGIBLE * float(np.abs(matrix).max(initial=0.0))
    moves = [(k, j) for j in range(matrix.shape[1] - 1) for k in range(len(matrix)) if moving[k, j]]
    if not moves:
        moves = [(k, matrix.shape[1] - 1) for k in range(len(matrix)) if moving[k, -1]]
    words = []
    for k, j in moves[:most]:
        column = "the intercept" if j == matrix.shape[1] - 1 else name(j)
        of_class = "" if len(matrix) == 1 else f" (class {k if class_names is None else repr(class_names[k])})"
        words.append(f"{column}{of_class} to {'+' if matrix[k, j] > 0 else '-'}inf")
    listed = ", ".join(words)
    return listed if len(moves) <= most else f"{listed} and {len(moves) - most} more"


def separation_warning(
    objective: PenalizedNLL, recession: Recession, prepared: Prepared, class_names: Any, remedies: str
) -> SeparationWarning:
    """Return the warning that names columns and directions."""
    moves = limits_in_words(objective.predictors.matrix(recession.direction), prepared.name, class_names)
    kind = "complete" if recession.complete else "quasi-complete"
    return SeparationWarning(
        f"The data are separated ({kind} separation), so no finite maximum likelihood estimate exists: the likelihood "
        f"rises for ever as coefficients go to infinity together, {moves}. {_REMEDY} {remedies}"
    )


def undecided_warning(remedies: str) -> SeparationWarning:
    """Return the warning of a problem too large for either proof."""
    return SeparationWarning(
        "Separation could not be excluded: the problem is too large for the proof that a finite maximum likelihood "
        f"estimate exists. {_REMEDY} {remedies}"
    )
