"""The rows of a check loss as a matrix A, whose product with theta is what y is to be near: never formed as a whole."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.factors import triangle_of
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block, Data

__all__ = ["CHUNK", "Design"]

Array = NDArray[Any]

# Rows that are dense at a time.
CHUNK = 4096


@dataclass(frozen=True)
class Design:
    """The columns and the intercept of one linear predictor; with ``joint`` a last column, -y, for the inverse scale.

    Attributes
    ----------
    data : Data
    predictors : LinearPredictors
    joint : bool
    """

    data: Data
    predictors: LinearPredictors
    joint: bool

    def rows(self, indices: Array) -> Array:
        """Return the given rows of A, dense."""
        taken = self.data.rows.take(indices).standardized
        columns = np.concatenate([taken, np.ones((len(indices), 1))], axis=1)
        A = columns[:, self.predictors.used[0]]
        return np.concatenate([A, -self.data.y[indices, None]], axis=1) if self.joint else A

    def matvec(self, theta: Array) -> Array:
        """Return A theta."""
        size = self.predictors.size
        matrix = self.predictors.matrix(theta[:size])

        def block_eta(block: Block) -> Array:
            eta = self.predictors.eta(block.rows, matrix, None)[0]
            return eta - theta[-1] * block.y if self.joint else eta

        return np.concatenate(self.data.map_rows(block_eta))

    def transpose_matvec(self, values: Array) -> Array:
        """Return A' values."""

        def block_sum(block: Block) -> tuple[Array]:
            return (self.predictors.pull_back(block.rows, block.y[None]),)

        pull = self.predictors.pull_back_theta(self._with(values).reduce_rows(block_sum)[0])
        return np.append(pull, -(self.data.y @ values)) if self.joint else pull

    def sandwich(self, values: Array) -> Array:
        """Return A' diag(values) A."""

        def block_sum(block: Block) -> tuple[Array]:
            return (self.predictors.curvature(block.rows, block.y[None, None]),)

        inner = self._with(values).reduce_rows(block_sum)[0]
        if not self.joint:
            return inner
        size = self.predictors.size
        matrix = np.zeros((size + 1, size + 1))
        weighted = values * self.data.y
        matrix[:size, :size] = inner
        matrix[size, :size] = matrix[:size, size] = -replace(self, joint=False).transpose_matvec(weighted)
        matrix[size, size] = float(weighted @ self.data.y)
        return matrix

    def triangle(self, values: Array) -> Array:
        """Return R with R'R = A' diag(values) A, by QR in the order of falling rows (Cox and Higham 1998)."""
        root = np.sqrt(values)

        def piece(start: int) -> Array:
            chosen = np.arange(start, min(start + CHUNK, self.data.n_rows))
            rows = self.rows(chosen) * root[chosen, None]
            return triangle_of(rows[np.argsort(-np.abs(rows).max(axis=1), kind="stable")])

        stacked = np.concatenate([piece(start) for start in range(0, self.data.n_rows, CHUNK)])
        return triangle_of(stacked[np.argsort(-np.abs(stacked).max(axis=1), kind="stable")])

    def _with(self, values: Array) -> Data:
        return self.data.with_values(values, None)
