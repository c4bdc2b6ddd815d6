"""The gradients of rows by themselves, in theta: a few thousand rows at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block

Array = NDArray[Any]

CHUNK = 4096


def row_gradients(predictors: LinearPredictors, block: Block, gradient: Array) -> Iterator[tuple[Array, Array]]:
    """Yield (rows, gradients of the rows in theta), of what is the gradient in their predictors, (q, n)."""
    for start in range(0, block.rows.n_rows, CHUNK):
        rows = np.arange(start, min(start + CHUNK, block.rows.n_rows))
        yield rows, predictors.pull_back_rows(block.rows.take(rows).standardized, gradient[:, rows])
