"""A seeded sample of the rows that stands for all of them: weights tell how many each sampled row stands for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.row_blocks.data import RowBlocks

__all__ = ["sample_rows"]

Array = NDArray[Any]

_SEED = 20583


def sample_rows(data: RowBlocks, size: int, *, least_per_class: int = 0) -> RowBlocks:
    """Return about ``size`` rows drawn in proportion to weight, with weights that add up to those of ``data``.

    One row is drawn at random from each of ``size`` stretches of equal weight: as cheap as the sample is small, and no
    period or order of the rows can mislead it.

    Parameters
    ----------
    data : RowBlocks
    size : int
    least_per_class : int
        When y holds class codes (integers, or zeros and ones), at least so many rows of each class are drawn.
    """
    n, generator = data.n_rows, np.random.default_rng(_SEED)
    position = (np.arange(size) + generator.random(size)) / size
    if data.weight is None:
        total = float(n)
        drawn = np.minimum((position * n).astype(np.intp), n - 1)
    else:
        cumulative = np.cumsum(data.weight)
        total = float(cumulative[-1])
        drawn = np.minimum(np.searchsorted(cumulative, position * total, side="right"), n - 1)
    taken, copies = np.unique(drawn, return_counts=True)
    weight = copies * (total / size)
    if least_per_class and data.y.ndim == 1:
        taken, weight = _with_rare_classes(data, taken, weight, least_per_class, generator)
    sampled = data.take(taken)
    return RowBlocks(sampled.rows, sampled.y, weight, sampled.offset, sampled.n_predictors)


def _with_rare_classes(
    data: RowBlocks, taken: Array, weight: Array, least: int, generator: np.random.Generator
) -> tuple[Array, Array]:
    """Return the sample with its rare classes drawn anew, ``least`` rows each, at each class's total weight."""
    codes = data.y[taken]
    whole = codes.astype(np.intp)
    if (whole != codes).any():
        return taken, weight  # soft labels: no row belongs to one class
    n_classes = max(2, data.n_predictors)
    for k in np.flatnonzero(np.bincount(whole, minlength=n_classes)[:n_classes] < least):
        members = np.flatnonzero(data.y == k)
        if not len(members):
            continue
        chosen = np.sort(generator.choice(members, min(least, len(members)), replace=False))
        own = np.ones(len(chosen)) if data.weight is None else data.weight[chosen]
        whole_class = float(len(members)) if data.weight is None else float(data.weight[members].sum())
        keep = data.y[taken] != k
        taken = np.concatenate([taken[keep], chosen])
        weight = np.concatenate([weight[keep], own * (whole_class / own.sum())])
        order = np.argsort(taken, kind="stable")
        taken, weight = taken[order], weight[order]
    return taken, weight
