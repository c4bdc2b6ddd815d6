"""Means over rows that Dask or a file keeps: each part is scored by itself, and only its mean and weight are kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.partitions import Partitions, is_dask
from sklearn_mle._numerics.stored import blocks_of_rows, in_memory, is_large
from sklearn_mle.exceptions import InfiniteScoreWarning
from sklearn_mle.metrics._targets import distinct, labels_of_columns, refuse_number_of_labels
from sklearn_mle.metrics._weights import check_weight, read_weight, weighted_mean

Rows = Callable[..., NDArray[np.float64]]


def mean_over_partitions(name: str, rows: Rows, *, sample_weight: Any, **arguments: Any) -> float:
    """Return the weighted mean of ``rows(**blocks)`` over all partitions, with the warnings of memory.

    ``name`` is the score's, for warnings and Dask's dashboard. ``rows`` gives the scores (n,) of a block's rows, and
    can be pickled. The arguments are Dask collections or arrays in storage, or arrays in memory beside them.
    """
    scorer = BlockScorer(rows)
    if is_dask(*arguments.values(), sample_weight):
        parts = Partitions.of(**arguments, sample_weight=sample_weight).collect(scorer, f"mle-{name}")
    else:
        parts = [_scored(scorer, *block) for block in blocks_of_rows(**arguments, sample_weight=sample_weight)]
    if not parts:
        raise ValueError(f"{next(iter(arguments))} is empty: at least one row is needed.")
    table = np.array(parts)
    mean = weighted_mean(table[:, 0], check_weight(table[:, 1], len(table)))
    if np.isinf(mean):
        count, first, length = table[:, 2:].T.astype(int)
        block = int(np.argmax(count > 0))
        # The reader's line of code is two frames up, as in memory: this function, the metric or the scorer, its caller.
        warnings.warn(
            f"{name} is infinite: {count.sum()} of {length.sum()} rows are certain and wrong (the first is row "
            f"{length[:block].sum() + first[block]}). Nothing is clipped. If the zeros are underflow, pass "
            "log-probabilities (log_proba=True); if the model never saw the class, smooth it.",
            InfiniteScoreWarning,
            stacklevel=3,
        )
    return mean


def is_out_of_core(*values: Any) -> bool:
    """Return whether any of the values is Dask's, or an array in storage that is not to be read at once."""
    return is_dask(*values) or any(is_large(value) for value in values)


def _scored(scorer: Callable[..., tuple[float, ...]], start: int, block: dict[str, Any]) -> tuple[float, ...]:
    try:
        return scorer(**block)
    except ValueError as error:
        raise ValueError(f"{error} (Rows are numbered from row {start} of the whole.)" if start else error) from error


def labels_over_partitions(labels: Any, y_true: Any, y_pred: Any) -> Any:
    """Return the labels of the columns: given, or their names in a frame; None of probabilities without names.

    Otherwise they are the sorted distinct labels of all partitions (one may lack a class): one pass over y_true.
    """
    known = labels_of_columns(labels, y_true, y_pred)
    if known is not None:
        return known
    if np.ndim(y_true) == 2 and y_true.shape[1] > 1:
        return None
    n_classes = 2 if np.ndim(y_pred) == 1 else np.shape(y_pred)[1]
    found = Partitions.of(y_true=y_true).collect(_distinct, "mle-labels") if is_dask(y_true) else [_distinct(y_true)]
    if not found:
        raise ValueError("y_true is empty: at least one row is needed.")
    known = distinct(np.concatenate(found))
    refuse_number_of_labels(known, n_classes)
    return known


def _distinct(y_true: Any) -> NDArray[Any]:
    return distinct(np.asarray(in_memory(y_true)).reshape(-1))


@dataclass(frozen=True)
class BlockScorer:
    """Gives mean and weight of a block's rows, the number of infinite ones, the first of these, the number of rows."""

    rows: Rows

    def __call__(self, sample_weight: Any = None, **arguments: Any) -> tuple[float, ...]:
        values = self.rows(**arguments)
        n = len(values)
        weight = read_weight(sample_weight, n)
        if weight is not None and not weight.any():
            return 0.0, 0.0, 0, 0, n
        infinite = np.isinf(values) if weight is None else np.isinf(values) & (weight > 0)
        total = float(n) if weight is None else float(weight.sum())
        return weighted_mean(values, weight), total, int(infinite.sum()), int(infinite.argmax()), n
