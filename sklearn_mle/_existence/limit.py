"""The model in the limit of a separating direction, and the warnings that say which coefficients diverge."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_mle._curvature import Curvature
from sklearn_mle._existence.separation import (
    MOST_DIAGONALIZED,
    SeparatingDirection,
    SeparationConstraints,
    SeparationSearch,
)
from sklearn_mle._numerics.arguments import listed
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import CholeskyFactor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Data
from sklearn_mle._rows.columns import Columns
from sklearn_mle.exceptions import SeparationWarning

# The fit that is returned when no finite MLE exists: the posterior mode under independent Gaussian priors on the
# coefficients, in units of each column's standard deviation, of this precision per unit of total weight. Tiny (fitted
# probabilities stop near 1e-6 of certainty), yet far above rounding: unique, and the same for weights as for repeats.
SEPARATION_PRIOR = 1e-6
# Beside the largest entry of a direction (in standardized columns) this much is rounding.
_NEGLIGIBLE = 1e-6
# From the mode under the tiny prior the second step is at rounding; the third one forms the curvature there.
_LIMITING_STEPS = 3
_MOST_NAMED = 5
# What a warning says of the fit that it comes with; an error comes without one.
RETURNED = "is returned."
_PRIOR_IN_WORDS = (
    f"The posterior mode under a tiny prior (precision {SEPARATION_PRIOR:g} per unit of total weight, columns in "
    "standard deviations)"
)


def limiting_objective(objective: PenalizedNLL, separation: SeparatingDirection) -> tuple[PenalizedNLL, Array | None]:
    """Return the objective of the limiting model, in which the separated rows are certain: there the maximum exists.

    And what it does not see: an orthonormal basis, (size, k), of changes of theta. They span all separating directions,
    and what the columns leave open; None where too large to be found.
    """
    data = objective.data
    constraints = SeparationConstraints(objective)
    offset = constraints.limiting_offset(separation.separated)
    offset = offset if data.offset is None else offset + data.offset
    limit = data.with_values(data.y, data.weight, offset, data.n_predictors)
    unseen = constraints.unseen(~separation.separated)
    return PenalizedNLL(objective.likelihood, objective.predictors, limit, NoPenalty()), unseen


def limiting_curvature(
    objective: PenalizedNLL, separation: SeparatingDirection, theta: Array, columns: Columns, mean_weight: float
) -> Curvature | None:
    """Return the curvature of the limiting model at its maximum; None where too large to be formed.

    It is the information on what stays finite (Geyer 2009, section 3.6), made positive definite along what diverges.
    ``theta`` is near the limiting model's maximum, in what that determines: the mode under a tiny prior is. The
    objective's own penalty does not matter.
    """
    predictors = objective.predictors
    if predictors.size > MOST_DIAGONALIZED:
        return None
    if separation.complete:
        # No change of theta is seen, for no row is left.
        unseen = np.eye(predictors.size)
        factor = CholeskyFactor(unseen)
    else:
        limit, found = limiting_objective(objective, separation)
        if found is None:
            return None
        unseen = found
        for _ in range(_LIMITING_STEPS):
            hessian = limit.hessian(theta)
            # What is determined is orthogonal to what is not, so that this changes nothing of the inverse there.
            hessian += max(float(hessian.diagonal().mean()), 1.0) * unseen @ unseen.T
            try:
                factor = CholeskyFactor(hessian)
            except NotPositiveDefiniteError:
                return None
            theta = theta - factor.solve(limit.gradient(theta))
    divergent = divergent_changes(predictors, unseen, columns)
    return Curvature(factor, predictors, columns, mean_weight, divergent=divergent if len(divergent) else None)


def divergent_changes(predictors: LinearPredictors, unseen: Array, columns: Columns) -> Array:
    """Return changes of theta (size, k) as changes of the coefficients in X's units, shape (k, q, p + 1)."""
    changes = [columns.to_original(predictors.matrix(vector)) for vector in unseen.T]
    return np.stack(changes) if changes else np.zeros((0, *predictors.matrix(np.zeros(predictors.size)).shape))


def coefficient_limits(search: SeparationSearch, separation: SeparatingDirection, columns: Columns) -> Array:
    """Return where each coefficient goes, shape (q, p + 1), in X's own units.

    inf, -inf, 0 where it stays finite, and nan where it may go either way. A linear program tells of one coefficient
    and one way whether it can go there; the direction that it finds moves others too, which then need no program.
    """
    constraints, predictors = search.constraints, search.constraints.objective.predictors
    matrix = predictors.matrix(separation.direction)
    # Together the separating directions span what the rows left over do not see.
    unseen = constraints.unseen(~separation.separated)
    moving = np.zeros(matrix.shape, dtype=bool)
    for change in [matrix] if unseen is None else [predictors.matrix(vector) for vector in unseen.T]:
        own = change.copy()
        own[:, -1] -= change[:, :-1] @ columns.ratio
        moving |= np.abs(own) > _NEGLIGIBLE * float(np.abs(change).max())
    directions = [matrix]

    def can_rise(form: Array) -> bool:
        large = _NEGLIGIBLE * float(np.abs(form).max())
        if any((form * known).sum() > large * np.abs(known).max() for known in directions):
            return True
        found = search.gain(form)
        if found is not None:
            directions.append(predictors.matrix(found))
        return found is not None

    limits = np.zeros_like(matrix)
    for k, j in np.argwhere(moving):
        form = np.zeros_like(matrix)
        form[k, j] = 1
        if j == predictors.n_columns:
            # The intercept in X's own units.
            form[k, :-1] -= columns.ratio * predictors.used[0, :-1]
        if len(form) > 1:
            form -= form.mean(axis=0)
        rises, falls = can_rise(form), can_rise(-form)
        limits[k, j] = np.nan if rises and falls else np.inf if rises else -np.inf if falls else 0.0
    return limits


def class_in_words(k: int, class_names: Any) -> str:
    """Return how a warning calls a class."""
    return f"class {k if class_names is None else repr(class_names[k])}"


def separation_in_words(
    objective: PenalizedNLL, separation: SeparatingDirection, name: Callable[[int], str], class_names: Any
) -> str:
    """Return a sentence that names columns and limits: "'x' to +inf, 'z' (class 'b') to -inf and 3 more".

    ``name`` is called with a column's number; ``class_names`` are those of the predictors where there are several.
    """
    matrix = objective.predictors.matrix(separation.direction)
    moving = np.abs(matrix) > _NEGLIGIBLE * float(np.abs(matrix).max(initial=0.0))
    intercept = matrix.shape[1] - 1
    columns = range(intercept) if moving[:, :-1].any() else (intercept,)
    moves = [(k, j) for j in columns for k in range(len(matrix)) if moving[k, j]]
    words = []
    for k, j in moves[:_MOST_NAMED]:
        column = "the intercept" if j == intercept else name(j)
        of_class = "" if len(matrix) == 1 else f" ({class_in_words(k, class_names)})"
        words.append(f"{column}{of_class} to {'+' if matrix[k, j] > 0 else '-'}inf")
    kind = "complete" if separation.complete else "quasi-complete"
    return (
        f"The data are separated ({kind} separation), so no finite maximum likelihood estimate exists: the likelihood "
        f"keeps rising as coefficients go to infinity together, {listed(words, len(moves))}."
    )


def separation_warning(
    objective: PenalizedNLL,
    separation: SeparatingDirection,
    name: Callable[[int], str],
    class_names: Any,
    remedies: str,
) -> SeparationWarning:
    """Return the warning that a tiny prior took the place of a maximum; see ``separation_in_words``."""
    what = separation_in_words(objective, separation, name, class_names)
    return SeparationWarning(f"{what} {_PRIOR_IN_WORDS} {RETURNED} {remedies}")


def undecided_warning(data: Data, remedies: str, returned: str = _PRIOR_IN_WORDS) -> SeparationWarning:
    """Return the warning of a problem too large for either proof, or of rows that are not in one place for it."""
    why = "the problem is too large for the proof that a finite maximum likelihood estimate exists."
    if not data.in_one_place:
        why = (
            "the proof that a finite maximum likelihood estimate exists needs all rows in one place, but X "
            "comes from Dask (detect_separation decides it in memory)."
        )
    return SeparationWarning(f"Separation could not be excluded: {why} {returned} {RETURNED} {remedies}")
