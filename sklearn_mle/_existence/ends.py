"""Predictors that have an end, beyond which the likelihood no longer changes with them."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from sklearn_mle._existence.limit import divergent_changes
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.memory import fits
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rows import Block, Data
from sklearn_mle._rows.columns import Columns
from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.likelihoods import Likelihood

# This near an end what is left to gain is negligible: of a skewness, the narrow tail is 6e-6 of the scale.
NEAR_END = 9.0
# Of the rows' cross-product in a direction, per row: less than this is rounding.
_NOTHING = 1e-10


def ends_of_predictors(likelihood: Likelihood, bound: float | None) -> dict[int, tuple[float, float]]:
    """Return where predictors end that may have no optimum inside, by their numbers.

    Of counts without dispersion, whose logarithm ends at ``bound``, that is the simpler model.
    """
    names = likelihood.parameter_names
    ends = {names.index(name): values for name, values in likelihood.ends.items()}
    if likelihood.discrete and bound is not None and likelihood.dispersion_index is not None:
        ends[likelihood.dispersion_index] = (bound, np.inf)
    return ends


def undetermined_at_ends(
    ends: dict[int, tuple[float, float]], data: Data, terms: Sequence[Terms], columns: Columns, matrix: Array
) -> dict[int, Array]:
    """Return, by predictor, the changes of coefficients that only rows at an end of it would notice.

    Only of predictors with columns and two finite ends. Each is of shape (k, q, p + 1), in X's units, with k > 0;
    ``matrix`` holds the coefficients of standardized columns.
    """
    found = {}
    for j, of_predictor in ends.items():
        if not (terms[j].columns and np.isfinite(of_predictor).all() and fits(data.n_columns, data.n_columns)):
            continue
        predictors = LinearPredictors(data.n_columns, [Terms()] * len(matrix))
        gram = data.reduce_rows(partial(sandwich_away_from_ends, predictors, matrix, j, of_predictor))[0]
        own = LinearPredictors(
            data.n_columns, [terms[k] if k == j else Terms(False, False) for k in range(len(matrix))]
        )
        places = np.flatnonzero(own.used[j])
        sizes, directions = np.linalg.eigh(gram[np.ix_(places, places)])
        unseen = directions[:, sizes <= _NOTHING * data.n_rows]
        if unseen.size:
            found[j] = divergent_changes(own, unseen, columns)
    return found


def sandwich_away_from_ends(
    predictors: LinearPredictors, matrix: Array, j: int, ends: tuple[float, float], block: Block
) -> tuple[Array]:
    """Return the cross-product of a block's columns and one, over the rows whose predictor j is not near an end."""
    eta = predictors.eta(block.rows, matrix, block.offset)[j]
    inside = (eta > ends[0] + NEAR_END) & (eta < ends[1] - NEAR_END)
    return (block.rows.sandwich(block.weighted(inside.astype(np.float64))),)


def end_warning(likelihood: Likelihood, j: int, changes: Array, names: Callable[[Array], str]) -> SeparationWarning:
    """Return the warning of coefficients that no row determines which is away from the ends of predictor j."""
    name, end = likelihood.parameter_names[j], likelihood.ends[likelihood.parameter_names[j]][1]
    columns = leading_columns(np.abs(changes[:, j, :-1]).max(axis=0))
    of = f" of {names(columns)}" if len(columns) else ""
    return SeparationWarning(
        f"The {name} goes to an end of its range, {-end:g} or {end:g}, beyond which the likelihood does not change, in "
        f"too many rows: no finite maximum likelihood estimate of its coefficients{of} exists, and those returned are "
        f"where the iterations ended. Model the {name} as a constant or with fewer columns."
    )


def leading_columns(sizes: Array) -> Array:
    """Return the columns that a warning names: whose coefficients or changes are more than a tenth of the largest."""
    return np.flatnonzero(sizes > 0.1 * sizes.max(initial=0.0))
