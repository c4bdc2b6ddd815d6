"""Noise that vanishes, so that the likelihood is unbounded: the bound it is stopped at, and the warnings of it."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._existence.ends import leading_columns
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.memory import fits
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rank import Identification, identify
from sklearn_mle._rows import Block, Data
from sklearn_mle._rows.columns import Columns
from sklearn_mle.exceptions import PerfectFitWarning, SeparationWarning, UnboundedLikelihoodWarning
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._surrogates import BoundedDispersion

# Noise stops here: at a millionth of what a model without columns starts from (for a Gaussian, of y's deviation).
_LEAST_NOISE = 1e-6
# Counts keep the noise of a Poisson: what the dispersion adds to it is negligible long before.
_LEAST_DISPERSION_OF_COUNTS = 1e-8
_MOST_ROWS = 100_000
_UNBOUNDED = "The likelihood is unbounded: some rows can be fitted exactly while their noise goes to zero. To name them"


def dispersion_bound(likelihood: Likelihood, constants: Array) -> float | None:
    """Return the log of the dispersion parameter at which the noise is stopped; None where there is none.

    ``constants`` (q,) is what the likelihood starts from.
    """
    if likelihood.dispersion_parameter is None:
        return None
    least = _LEAST_DISPERSION_OF_COUNTS if likelihood.discrete else _LEAST_NOISE ** (2 / likelihood.variance_power)
    return float(constants[likelihood.dispersion_index] + np.log(least))


def is_saturated(data: Data, identification: Identification) -> bool:
    """Return whether the columns give every distinct row a dispersion of its own, and an outcome to fit exactly.

    Rows that are alike but for their outcomes have a spread, which bounds the likelihood.
    """
    rank = len(identification.active) + 1
    if data.n_rows > _MOST_ROWS or not fits(data.n_rows, data.n_columns):
        return False
    # More distinct rows than that among a few settle it.
    if _distinct(data.sample_rows(min(2 * rank, data.n_rows))) > rank:
        return False
    return _distinct(data.take(np.arange(data.n_rows))) <= rank


def _distinct(data: Data) -> int:
    rows = data.rows.take(np.arange(data.n_rows)).standardized
    return len(np.unique(np.column_stack([rows, data.y]), axis=0))


def rows_beyond(bounded: BoundedDispersion, data: Data, matrix: Array) -> NDArray[np.intp] | None:
    """Return the rows whose dispersion parameter is beyond its bound; None where there are none."""
    if not matrix[1, :-1].any():  # one dispersion for all rows
        return all_rows(data) if (bounded.depth(matrix[:, -1:]) != 0).any() else None
    predictors = LinearPredictors(data.n_columns, [Terms()] * len(matrix))
    rows = np.concatenate(data.reduce_rows(partial(rows_of_block_beyond, bounded, predictors, matrix))[0])
    if not len(rows):
        return None
    data.require_one_place(_UNBOUNDED)
    return rows


def all_rows(data: Data) -> NDArray[np.intp]:
    """Return the numbers of all rows, to be named."""
    data.require_one_place(_UNBOUNDED)
    return np.arange(data.n_rows)


def rows_of_block_beyond(
    bounded: BoundedDispersion, predictors: LinearPredictors, matrix: Array, block: Block
) -> tuple[list[NDArray[np.intp]]]:
    """Return the rows of a block whose dispersion parameter is beyond its bound, in a list: sums join them."""
    eta = predictors.eta(block.rows, matrix, block.offset)
    return ([block.start + np.flatnonzero(bounded.depth(eta))],)


def changes_of_rows(data: Data, rows: Array, terms: Sequence[Terms], columns: Columns) -> list[Array]:
    """Return the changes of coefficients (q, p + 1), in X's units, that only these rows notice; none of all rows."""
    others = np.setdiff1d(np.arange(data.n_rows), rows)
    changes: list[Array] = []
    if not len(others):
        return changes
    for k, term in enumerate(terms):
        if term.columns:
            null = identify(data.take(others), columns, term).null_space(columns, term.intercept)
            changes += [np.outer(np.eye(len(terms))[k], vector) for vector in null.T]
    return changes


def saturation_warning(likelihood: Likelihood) -> UnboundedLikelihoodWarning:
    """Return the warning of a dispersion with as many parameters as there are rows."""
    name = likelihood.dispersion_parameter
    return UnboundedLikelihoodWarning(
        f"The likelihood is unbounded: the log {name} has as many parameters as X has distinct rows, so the "
        f"noise of any single row can vanish. The best constant {name} is returned ({name}_coef_ is zero). Model the "
        f"{name} as a constant or with fewer columns, or give more rows."
    )


def unbounded_warning(
    likelihood: Likelihood, matrix: Array, rows: str, names: Callable[[NDArray[np.intp]], str]
) -> Warning:
    """Return the warning that names the rows beyond the bound (in words) and the columns that took them there."""
    index, name = likelihood.dispersion_index, likelihood.dispersion_parameter
    columns = leading_columns(np.abs(matrix[index, :-1]))
    through = f" through {names(columns)}" if len(columns) else ""
    if likelihood.discrete:
        return SeparationWarning(
            f"The {name} of {rows} goes to zero{through}, where the likelihood still rises, so no finite maximum "
            "likelihood estimate exists. It was stopped at 1e-8 of the value of a model without columns. Model the "
            f"{name} as a constant or with fewer columns."
        )
    return UnboundedLikelihoodWarning(
        f"The likelihood is unbounded: {rows} can be fitted exactly{through} while the noise there goes to zero. "
        f"The log {name} was stopped where the noise is a millionth of that of a model without columns. "
        f"Model the {name} as a constant or with fewer columns, or give more rows."
    )


def perfect_warning(dispersion: str | None, limit: str) -> PerfectFitWarning:
    """Return the warning of a location that fits every row: the dispersion is at its limit then."""
    return PerfectFitWarning(
        f"The location fits every row exactly, so the estimated {dispersion} is {limit} and the log-likelihood "
        "infinite. Predictive distributions are not defined; give more rows than columns, penalize with alpha, or give "
        f"a known {dispersion}."
    )
