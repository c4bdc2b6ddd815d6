"""Zeros of counts and amounts that send coefficients to infinity: proved not to, at little cost, or found and named."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.fitting.dependence import clearly_independent
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.linear_predictors import LinearPredictors, Terms
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.penalties import NoPenalty
from sklearn_mle.recession import MOST_VARIABLES, Recession, UndecidedError, find_recession
from sklearn_mle.row_blocks import RowBlocks

__all__ = ["REMEDIES", "find_zeros_recession", "location_of", "refuse_nothing_but_zeros"]

Array = NDArray[Any]

_FIRST_ROWS = 4000
REMEDIES = "Penalize with alpha to choose the prior yourself, or leave out the columns and the rows they are made for."


def location_of(likelihood: Likelihood, terms: Terms, data: RowBlocks) -> PenalizedNLL:
    """Return the objective of the location alone: the second parameter does not enter what its zeros want."""
    offset = None if data.offset is None else data.offset[:1]
    rows = RowBlocks(data.rows, data.y, data.weight, offset)
    return PenalizedNLL(likelihood, LinearPredictors(data.n_columns, [terms]), rows, NoPenalty())


def find_zeros_recession(objective: PenalizedNLL, theta: Array) -> tuple[Recession | None, bool]:
    """Return a direction of recession of the location's coefficients, or None; and whether that is certain.

    Outcomes above zero pin their log mean down: where their rows alone determine every coefficient, none runs away. A
    few thousand such rows prove that for most data; only where they do not, a linear program is asked.

    Parameters
    ----------
    objective : PenalizedNLL
        Of the location alone.
    theta : ndarray of shape (size,)
        Where the fit ended.
    """
    data, term = objective.data, objective.predictors.terms[0]
    positive = np.flatnonzero(data.y > 0)
    active = np.arange(data.n_columns) if term.active is None else term.active
    first = max(_FIRST_ROWS, 8 * data.n_columns)
    samples = [positive] if len(positive) < 4 * first else [positive[:: len(positive) // first], positive]
    for rows in samples:
        if len(rows) > len(active) and clearly_independent(data.take(rows), active, term.intercept):
            return None, True
    if objective.predictors.size > MOST_VARIABLES:
        return None, False
    try:
        return find_recession(objective, theta), True
    except UndecidedError:
        return None, False


def refuse_nothing_but_zeros(y: Array) -> None:
    """Raise ValueError where no outcome is above zero: even the intercept would run away, and it has no prior."""
    if not (y > 0).any():
        raise ValueError(
            "y is zero in every row of positive weight, so no finite maximum likelihood estimate exists: the log mean "
            "goes to minus infinity. Outcomes above zero are needed."
        )
