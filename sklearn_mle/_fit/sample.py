"""The objective on a sample of the rows, from whose optimum and curvature a fit of all rows starts."""

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, SumOfPenalties
from sklearn_mle._rows import Block, Data
from sklearn_mle._rows.sample import LEAST_PER_CLASS, sample_size, weighted_sample


def sample_objective(objective: PenalizedNLL) -> tuple[PenalizedNLL, float]:
    """Return the objective on a sample of the rows, and the sample's share of them.

    A weak prior keeps the sample's problem well-posed where the sample is separable or rank deficient, or a column
    hardly varies in it; for such a column the prior has the curvature that its variance over all rows would give.
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
    precision = np.append(1.0 + 0.25 * sample.n_rows * missing, 0.01)  # the intercepts' last
    prior = np.tile(precision, (len(predictors.terms), 1))[predictors.used]
    penalty = SumOfPenalties(objective.penalty, share, GaussianPrior(prior))
    return PenalizedNLL(objective.likelihood, predictors, sample, penalty), share


def _weighted_squares(block: Block) -> tuple[Array]:
    squares = np.square(block.rows.standardized)
    return (squares.sum(axis=0) if block.weight is None else block.weight @ squares,)
