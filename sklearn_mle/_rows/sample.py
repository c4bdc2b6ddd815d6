"""A seeded sample of the rows that stands for all of them: weights tell how many each sampled row stands for."""

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._rows.data import SEED, Data, Drawn

# 128 MB: what is sampled is held, and standardized beside it, however large the file that it was read from.
_MOST_ENTRIES = 1 << 24
# From the optimum on so many rows per column three passes over all rows lead to where their curvature is taken, from
# the larger two (1,000,000 x 20: 5 ms more for a pass of 27 less); they are asked for up to 32 MB.
_ROWS_A_COLUMN, _WELL_KNOWN, _WELL_KNOWN_ENTRIES = 400, 1000, 1 << 22
# So many rows of each class tell where its probabilities lie.
LEAST_PER_CLASS = 50


def sample_size(data: Data) -> int:
    """Return the number of rows whose curvature stands for that of all rows."""
    # Of several classes there are several times as many parameters.
    least_share = 20 if data.n_predictors <= 2 else 10
    p = max(data.n_columns, 1)
    most = max(_ROWS_A_COLUMN * p, min(_WELL_KNOWN * p, _WELL_KNOWN_ENTRIES // p))
    size = max(min(data.n_rows // least_share, most, _MOST_ENTRIES // p), 3000)
    return int(max(min(size, data.largest_sample), 8 * data.n_columns))


def weighted_sample(data: Data, size: int, *, least_per_class: int = 0) -> Data:
    """Return about ``size`` rows drawn in proportion to weight, with weights that add up to those of ``data``.

    One row is drawn at random from each of ``size`` stretches of equal weight: as cheap as the sample is small, and no
    period or order of the rows can mislead it. Where y holds class codes (integers, or zeros and ones), at least
    ``least_per_class`` rows of each class are drawn.
    """
    share = (np.arange(size) + np.random.default_rng(SEED).random(size)) / size
    drawn = data.draw(share, least_per_class)
    taken, copies = np.unique(drawn.rows, return_counts=True)
    weight = copies * (data.weight_sum / size)
    if least_per_class:
        taken, weight = _with_rare_classes(drawn, taken, weight, least_per_class)
    sampled = drawn.pool.take(taken)
    return Data(sampled.rows, sampled.y, weight, sampled.offset, sampled.n_predictors)


def _with_rare_classes(drawn: Drawn, taken: Array, weight: Array, least: int) -> tuple[Array, Array]:
    """Return the sample with its rare classes drawn anew, ``least`` rows each, at each class's total weight."""
    pool = drawn.pool
    codes = pool.y[..., taken]
    whole = codes.astype(np.intp)
    if codes.ndim > 1 or (whole != codes).any():
        return taken, weight  # soft labels: no row belongs to one class
    n_classes = max(2, pool.n_predictors)
    for k in np.flatnonzero(np.bincount(whole, minlength=n_classes)[:n_classes] < least):
        chosen, of_class = drawn.members(int(k))
        if not len(chosen):
            continue
        own = np.ones(len(chosen)) if pool.weight is None else pool.weight[chosen]
        keep = codes != k
        taken, codes = np.concatenate([taken[keep], chosen]), np.concatenate([codes[keep], np.full(len(chosen), k)])
        weight = np.concatenate([weight[keep], own * (of_class / own.sum())])
    order = np.argsort(taken, kind="stable")
    return taken[order], weight[order]
