"""Zeros of counts and amounts that send coefficients to infinity: proved not to, at little cost, or found and named."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._existence.constraints import UndecidedError
from sklearn_mle._existence.search import MOST_VARIABLES, SeparatingDirection, find_separation
from sklearn_mle._numerics.factors import CholeskyFactor, NotPositiveDefiniteError
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rank import clearly_independent, independent_columns
from sklearn_mle._rows import Block, Data
from sklearn_mle.likelihoods import Likelihood

__all__ = ["REMEDIES", "find_zeros_separation", "location_of", "refuse_nothing_but_zeros"]

Array = NDArray[Any]

_FIRST_ROWS = 4000
REMEDIES = "Penalize with alpha to choose the prior yourself, or leave out the columns and the rows they are made for."


def location_of(likelihood: Likelihood, terms: Terms, data: Data) -> PenalizedNLL:
    """Return the objective of the location alone: the second parameter does not enter what its zeros want."""
    rows = data.with_target(_of_location, 1)
    return PenalizedNLL(likelihood, LinearPredictors(data.n_columns, [terms]), rows, NoPenalty())


def _of_location(y: Array, offset: Array | None) -> tuple[Array, Array | None]:
    return y, None if offset is None else offset[:1]


def find_zeros_separation(objective: PenalizedNLL, theta: Array) -> tuple[SeparatingDirection | None, bool]:
    """Return a separating direction of the location's coefficients, or None; and whether that is certain.

    Outcomes above zero bound their log mean on both sides: where their rows alone determine every coefficient, none
    diverges. A few thousand such rows prove that for most data; only where they do not, a linear program is solved.

    Parameters
    ----------
    objective : PenalizedNLL
        Of the location alone.
    theta : ndarray of shape (size,)
        Where the fit ended.
    """
    data, term = objective.data, objective.predictors.terms[0]
    active = np.arange(data.n_columns) if term.active is None else term.active
    if not data.in_one_place:
        some = data.sample_rows(max(_FIRST_ROWS, 8 * data.n_columns))
        bounded = _bounded(objective.likelihood, some.y)
        if len(bounded) > len(active) and clearly_independent(some.take(bounded), active, term.intercept):
            return None, True
        return None, _determined(objective)
    bounded = _bounded(objective.likelihood, data.y)
    first = max(_FIRST_ROWS, 8 * data.n_columns)
    samples = [bounded] if len(bounded) < 4 * first else [bounded[:: len(bounded) // first], bounded]
    for rows in samples:
        if len(rows) > len(active) and clearly_independent(data.take(rows), active, term.intercept):
            return None, True
    if objective.predictors.size > MOST_VARIABLES:
        return None, False
    try:
        return find_separation(objective, theta), True
    except UndecidedError:
        return None, False


def _bounded(likelihood: Likelihood, y: Array) -> NDArray[np.intp]:
    """Return the rows that bound their predictor on both sides."""
    falls, rises = likelihood.opposes(y)
    return np.flatnonzero(falls & rises)


def _determined(objective: PenalizedNLL) -> bool:
    """Return whether the rows above zero alone determine every coefficient; one pass."""
    used = objective.predictors.used[0]
    squares = objective.data.reduce_rows(_positive_sandwich)[0][np.ix_(used, used)]
    try:
        return independent_columns(CholeskyFactor(squares))
    except NotPositiveDefiniteError:
        return False


def _positive_sandwich(block: Block) -> tuple[Array]:
    positive = (block.y > 0).astype(np.float64)
    return (block.rows.sandwich(positive if block.weight is None else positive * block.weight),)


def refuse_nothing_but_zeros(data: Data) -> None:
    """Raise ValueError where no outcome is above zero: even the intercept would run away, and it has no prior."""
    if not data.reduce_target(_largest)[0].value > 0:
        raise ValueError(
            "y is zero in every row of positive weight, so no finite maximum likelihood estimate exists: the log mean "
            "goes to minus infinity. Outcomes above zero are needed."
        )


def _largest(y: Array, weight: Array | None, offset: Array | None) -> tuple[Largest]:
    return (Largest(float(y.max(initial=0.0))),)
