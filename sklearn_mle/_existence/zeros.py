"""Zeros of counts and amounts along which a log mean diverges: excluded at little cost, or found by linear programs."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._existence.separation import SeparatingDirection, find_separation
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import CholeskyFactor, NotPositiveDefiniteError
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rank import independent_columns
from sklearn_mle._rows import Block, Data
from sklearn_mle.likelihoods import Likelihood

_FIRST_ROWS = 4000
REMEDIES = "Penalize with alpha to choose the prior yourself, or leave out the columns and the rows they are made for."


def location_of(likelihood: Likelihood, terms: Terms, data: Data) -> PenalizedNLL:
    """Return the objective of the location alone: the other parameters make no difference to its zeros."""
    rows = data.with_target(_of_location, 1)
    return PenalizedNLL(likelihood, LinearPredictors(data.n_columns, [terms]), rows, NoPenalty())


def _of_location(y: Array, offset: Array | None) -> tuple[Array, Array | None]:
    return y, None if offset is None else offset[:1]


def find_zeros_separation(objective: PenalizedNLL, theta: Array) -> SeparatingDirection | None:
    """Return a separating direction of the location's coefficients, or None where there is none.

    Outcomes above zero bound their log mean on both sides: where their rows alone determine every coefficient, none
    diverges. A few thousand such rows prove that for most data, a pass over all of them for most others; only where
    they do not, a linear program is solved. The location is the first predictor of the objective, and theta where the
    fit ended.

    Raises
    ------
    UndecidedError
        If the linear program is too large to be solved.
    """
    data = objective.data
    first = max(_FIRST_ROWS, 8 * data.n_columns)
    sampled = data.n_rows >= 4 * first or not data.in_one_place
    if not sampled and _bounded(objective.likelihood, data.y).all():
        return None  # nothing but what is linearly dependent can change
    samples = [data.sample_rows(first), data] if sampled else [data]
    if objective.predictors.curvature_fits and any(_determined(objective, sample) for sample in samples):
        return None
    return find_separation(objective, theta)


def _bounded(likelihood: Likelihood, y: Array) -> NDArray[np.bool_]:
    """Return which rows bound their predictor on both sides."""
    falls, rises = likelihood.opposes(y)
    return falls & rises


def _determined(objective: PenalizedNLL, data: Data) -> bool:
    """Return whether the rows of data that bound their predictor determine every coefficient of it; one pass."""
    location = LinearPredictors(data.n_columns, objective.predictors.terms[:1])
    of_bounded_rows = partial(bounded_cross_products, objective.likelihood, location)
    products = data.reduce_rows(of_bounded_rows)[0]
    try:
        return independent_columns(CholeskyFactor(products))
    except NotPositiveDefiniteError:
        return False


def bounded_cross_products(likelihood: Likelihood, predictors: LinearPredictors, block: Block) -> tuple[Array]:
    """Return the cross-product of the design of a block's rows that bound their predictor."""
    bounded = _bounded(likelihood, block.y).astype(np.float64)
    return (predictors.curvature(block.rows, block.weighted(bounded)[None, None]),)


def refuse_nothing_but_zeros(data: Data) -> None:
    """Raise ValueError where no outcome is above zero: even the intercept would diverge, and it has no prior."""
    if not data.reduce_target(_largest)[0].value > 0:
        raise ValueError(
            "y is zero in every row of positive weight, so no finite maximum likelihood estimate exists: the log mean "
            "goes to minus infinity. Outcomes above zero are needed."
        )


def _largest(y: Array, weight: Array | None, offset: Array | None) -> tuple[Largest]:
    return (Largest(float(y.max(initial=0.0))),)
