"""The one mean over rows, the weights it takes, and the base of the logarithm it is given in.

Rows that Dask or a file keeps are scored part by part, and of each part only its mean and its weight are kept.
"""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arguments import check_weight, first_true
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle._numerics.partitions import Partitions, is_dask
from sklearn_mle._numerics.stored import blocks_of_rows, is_large
from sklearn_mle.exceptions import InfiniteScoreWarning

Rows = Callable[..., Array]


def log_of_base(base: float | None) -> float:
    """Natural logarithm of the base, by which nats are divided; 1 where it is None."""
    if base is None:
        return 1.0
    if not isinstance(base, Real) or not 1 < base <= sys.float_info.max:
        raise ValueError(f"base must be None (nats) or a number greater than 1, such as 2 (bits) or 10; got {base!r}.")
    return float(np.log(base))


def weighted_mean(rows: Array, weight: Array | None) -> float:
    """Mean of ``rows`` (n,); a weight of k counts a row k times, and 0 drops it, infinite or not."""
    with np.errstate(over="ignore", invalid="ignore"):  # a sum beyond float64 is infinite
        if weight is None:
            return float(rows.mean()) + 0.0  # a mean of -0.0 is reported as 0.0
        weight = weight / weight.max()  # so that the sum of weights is finite even near the largest float
        used = weight > 0
        return float((weight[used] * rows[used]).sum() / weight.sum()) + 0.0


def infinite_rows(rows: Array, weight: Array | None) -> NDArray[np.bool_]:
    """Tell the infinite rows that count."""
    return np.isinf(rows) if weight is None else np.isinf(rows) & (weight > 0)


def mean_of_rows(name: str, rows: Rows, *, sample_weight: Any, warn: bool = True, **arguments: Any) -> float:
    """Return the weighted mean of ``rows(**arguments)``, part by part where Dask or a file keeps an argument.

    ``name`` is the score's, for warnings and Dask's dashboard. ``rows`` gives the scores (n,) of a part's rows, and can
    be pickled. A warning names the first infinite row where the mean is infinite, unless ``warn`` is False.
    """
    score, arguments = partial(_score_part, rows), {**arguments, "sample_weight": sample_weight}
    if is_dask(*arguments.values()):
        parts = Partitions.of(**arguments).collect(score, f"mle-{name}")
    elif is_out_of_core(*arguments.values()):
        parts = [_score_block(rows, *block) for block in blocks_of_rows(**arguments)]
    else:
        parts = [score(**arguments)]
    if not parts:
        raise ValueError(f"{next(iter(arguments))} is empty: at least one row is needed.")
    means, totals, counts, firsts, lengths, outcomes = zip(*parts, strict=True)
    mean = weighted_mean(np.array(means), check_weight(np.array(totals), len(parts)))
    if warn and np.isinf(mean):
        text = f"{name} is infinite: all scores are finite, but their sum is beyond the largest float."
        if any(counts):
            part = int(np.argmax(np.array(counts) > 0))
            row = sum(lengths[:part]) + firsts[part]
            text = (
                f"{name} is infinite: {sum(counts)} of {sum(lengths)} rows are certain and wrong (the first is row "
                f"{row}, with probability 0 where y_true is {outcomes[part]!r}). Nothing is clipped. If the zeros are "
                "underflow, pass log-probabilities (log_proba=True); if the model never saw the class, stratify the "
                "folds or smooth it."
            )
        # The reader's line of code is two frames up: this function, the metric, its caller.
        warnings.warn(text, InfiniteScoreWarning, stacklevel=3)
    return mean


def is_out_of_core(*values: Any) -> bool:
    """Return whether any of the values is Dask's, or an array in storage that is not to be read at once."""
    return is_dask(*values) or any(is_large(value) for value in values)


def _score_block(rows: Rows, start: int, block: dict[str, Any]) -> tuple[Any, ...]:
    try:
        return _score_part(rows, **block)
    except ValueError as error:
        raise ValueError(f"{error} (Rows are numbered from row {start} of the whole.)" if start else error) from error


def _score_part(rows: Rows, sample_weight: Any, **arguments: Any) -> tuple[Any, ...]:
    """Return of a part: mean and weight, the numbers of infinite rows, the first of these, all rows, its outcome."""
    if "offset" in arguments:
        arguments["offset"] = offset_of_present(arguments["offset"], sample_weight)
    values = rows(**arguments)
    n = len(values)
    weight = check_weight(sample_weight, n, some_positive=False)
    if weight is not None and not weight.any():
        return 0.0, 0.0, 0, None, n, None
    with np.errstate(over="ignore"):
        total = n if weight is None else min(float(weight.sum()), sys.float_info.max)
    infinite = infinite_rows(values, weight)
    first = first_true(infinite)
    outcome = None if first is None else np.asarray(arguments["y_true"])[first : first + 1].tolist()[0]
    return weighted_mean(values, weight), total, int(infinite.sum()), first, n, outcome
