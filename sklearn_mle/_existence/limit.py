"""What a separating direction means for the user: which coefficients run where, in words and in X's units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._existence.constraints import SeparationConstraints
from sklearn_mle._existence.search import SeparatingDirection
from sklearn_mle._numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._rows import Data
from sklearn_mle._rows.columns import Columns
from sklearn_mle.exceptions import SeparationWarning

__all__ = [
    "MOST_DIAGONALIZED",
    "SEPARATION_PRIOR",
    "LimitingModel",
    "limiting_model",
    "limits_in_words",
    "separation_in_words",
    "separation_warning",
    "undecided_warning",
]

Array = NDArray[Any]

# The fit that is returned when no finite MLE exists: the posterior mode under independent Gaussian priors on the
# coefficients, in units of each column's standard deviation, of this precision per unit of total weight. Tiny (fitted
# probabilities stop near 1e-6 of certainty), yet far above rounding: unique, and the same for weights as for repeats.
SEPARATION_PRIOR = 1e-6
# Beside the largest entry of a direction (in standardized columns) this much is rounding.
_NEGLIGIBLE = 1e-6
# Gram matrices of this order are diagonalized in seconds.
MOST_DIAGONALIZED = 2000
# From the mode under the tiny prior the second step is at rounding; the third one forms the curvature there.
_LIMITING_STEPS = 3
_REMEDY = (
    f"Returned is the posterior mode under a tiny prior (precision {SEPARATION_PRIOR:g} per unit of total weight, "
    "columns in standard deviations)."
)


@dataclass(frozen=True)
class LimitingModel:
    """The model of what a generic separating direction does not separate: there the maximum exists.

    Attributes
    ----------
    factor : Factor or None
        Of its Hessian at its maximum, made positive definite along ``unseen``; None where too large to be formed.
    unseen : ndarray of shape (k, size)
        Orthonormal: the changes of theta that it does not see. They span all separating directions, and what the
        columns leave open.
    """

    factor: Factor | None
    unseen: Array

    def divergent(self, objective: PenalizedNLL, columns: Columns) -> list[Array]:
        """Return the unseen changes as coefficients in X's units."""
        return [columns.to_original(objective.predictors.matrix(vector)) for vector in self.unseen]


def limiting_model(objective: PenalizedNLL, separation: SeparatingDirection, theta: Array) -> LimitingModel:
    """Return the limiting model: its curvature is the information on what stays finite (Geyer 2009, section 3.6).

    Parameters
    ----------
    objective : PenalizedNLL
        Its penalty does not matter.
    separation : SeparatingDirection
    theta : ndarray of shape (size,)
        Near the limiting model's maximum, in what that determines: the mode under a tiny prior is.
    """
    predictors, data = objective.predictors, objective.data
    if predictors.size > MOST_DIAGONALIZED:
        return LimitingModel(None, np.zeros((0, predictors.size)))
    if separation.complete:
        # No change of theta is seen, for no row is left.
        everything = np.eye(predictors.size)
        return LimitingModel(CholeskyFactor(everything), everything)
    constraints = SeparationConstraints(objective)
    if not constraints.can_be_summed:
        return LimitingModel(None, np.zeros((0, predictors.size)))
    unseen = constraints.unseen(~separation.separated)
    offset = constraints.limiting_offset(separation.separated)
    offset = offset if data.offset is None else offset + data.offset
    limit = PenalizedNLL(
        objective.likelihood,
        predictors,
        data.with_values(data.y, data.weight, offset, data.n_predictors),
        NoPenalty(),
    )
    factor: Factor | None = None
    for _ in range(_LIMITING_STEPS):
        hessian = limit.hessian(theta)
        # What is determined is orthogonal to what is not, so that this changes nothing of the inverse there.
        hessian += max(float(hessian.diagonal().mean()), 1.0) * unseen @ unseen.T
        try:
            factor = CholeskyFactor(hessian)
        except NotPositiveDefiniteError:
            return LimitingModel(None, unseen.T)
        theta = theta - factor.solve(limit.value_and_gradient(theta)[1])
    return LimitingModel(factor, unseen.T)


def limits_in_words(matrix: Array, name: Callable[[int], str], class_names: Any, most: int = 5) -> str:
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
    objective: PenalizedNLL,
    separation: SeparatingDirection,
    name: Callable[[int], str],
    class_names: Any,
    remedies: str,
) -> SeparationWarning:
    """Return the warning that names columns and directions."""
    what = separation_in_words(objective, separation, name, class_names)
    return SeparationWarning(f"{what} {_REMEDY} {remedies}")


def separation_in_words(
    objective: PenalizedNLL, separation: SeparatingDirection, name: Callable[[int], str], class_names: Any
) -> str:
    """Return a sentence that names columns and directions."""
    moves = limits_in_words(objective.predictors.matrix(separation.direction), name, class_names)
    kind = "complete" if separation.complete else "quasi-complete"
    return (
        f"The data are separated ({kind} separation), so no finite maximum likelihood estimate exists: the likelihood "
        f"rises for ever as coefficients go to infinity together, {moves}."
    )


def undecided_warning(data: Data, remedies: str, returned: str = _REMEDY) -> SeparationWarning:
    """Return the warning of a problem too large for either proof, or of rows that are not in one place for it."""
    why = "the problem is too large for the proof that a finite maximum likelihood estimate exists."
    if not data.in_one_place:
        why = (
            "the proof that a finite maximum likelihood estimate exists needs all rows in one place, and X comes from "
            "Dask (detect_separation decides it in memory)."
        )
    return SeparationWarning(f"Separation could not be excluded: {why} {returned} {remedies}")
