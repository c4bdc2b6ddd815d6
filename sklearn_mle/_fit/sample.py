"""The objective on a sample of the rows, from whose optimum and curvature a fit of all rows starts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, SumOfPenalties
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block, Data
from sklearn_mle._rows.sample import LEAST_PER_CLASS, sample_size, weighted_sample

Array = NDArray[Any]


def sample_objective(objective: PenalizedNLL) -> tuple[PenalizedNLL, float]:
    """Return the objective on a sample of the rows, and the sample's share of them.

    A weak prior keeps the sample's problem well-posed where the sample is separable, rank deficient, or has not seen a
    column at work; for such a column the prior has the curvature that its variance over all rows promises.
    """
    data, predictors = objective.data, objective.predictors
    # Only of class codes are there classes: counts, and real outcomes that happen to be whole, have none.
    least = LEAST_PER_CLASS if objective.likelihood.holds_class_codes else 0
    sample = weighted_sample(data, sample_size(data), least_per_class=least)
    share = sample.n_rows / data.n_rows
    assert sample.weight is not None
    sample = Data(sample.rows, sample.y, sample.weight * share, sample.offset, sample.n_predictors)
    squares = sample.reduce_rows(_weighted_squares)[0]
    missing = np.maximum(0.0, 0.5 - squares / sample.n_rows)  # standardized columns have a mean square near one
    prior = _free_form(predictors, 1.0 + 0.25 * sample.n_rows * missing, 0.01)
    penalty = SumOfPenalties(objective.penalty, share, GaussianPrior(prior))
    return PenalizedNLL(objective.likelihood, predictors, sample, penalty), share


def _weighted_squares(block: Block) -> tuple[Array]:
    squares = np.square(block.rows.standardized)
    return (squares.sum(axis=0) if block.weight is None else block.weight @ squares,)


def _free_form(predictors: LinearPredictors, columns: Array, intercept: float) -> Array:
    """Return one number per column (and one for the intercepts) as one per parameter."""
    return np.tile(np.append(columns, intercept), (len(predictors.terms), 1))[predictors.used]
