"""The constraints as rows of a linear program."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle._existence.constraints import SeparationConstraints

__all__ = ["Program"]

Array = NDArray[Any]


class Program:
    """The linear program in variables of its own: sparse rows stay sparse, classes are counted from a reference.

    The variables are the coefficients of the columns that carry the fit, in units of the columns' scales, and the
    intercept; for K classes, of all but the last one.
    """

    def __init__(self, constraints: SeparationConstraints) -> None:
        self.constraints = constraints
        predictors = constraints.objective.predictors
        self.predictors = predictors
        used = np.flatnonzero(predictors.used[0])
        self.intercept = bool(predictors.used[0, -1])
        self.columns = used[: len(used) - self.intercept]
        self.n_blocks = 1 if predictors.contrast is None else len(predictors.contrast) - 1
        self.width = len(used)
        _, self.centre = constraints.objective.data.rows.uncentred(np.zeros(0, dtype=np.intp))

    def rows(self, chosen: Array) -> Any:
        """Return the chosen constraints as rows of the program's matrix."""
        constraints = self.constraints
        X, _ = constraints.objective.data.rows.uncentred(constraints.row[chosen])
        X = X[:, self.columns] if len(self.columns) < X.shape[1] else X
        ones = np.ones((len(chosen), int(self.intercept)))
        winner, rival = constraints.winner[chosen], constraints.rival[chosen]
        signs = [(winner == k).astype(float) - (rival == k) for k in range(self.n_blocks)]
        if sp.issparse(X):
            X = sp.hstack([X, ones], format="csr")
            return sp.hstack([X.multiply(sign[:, None]) for sign in signs], format="csr")
        X = np.concatenate([X, ones], axis=1)
        return np.concatenate([X * sign[:, None] for sign in signs], axis=1)

    def objective(self, matrix: Array) -> Array:
        """Return the program's objective for a gradient in the likelihood's matrix layout."""
        coefficients = matrix[: self.n_blocks, :-1] + np.outer(matrix[: self.n_blocks, -1], self.centre)
        parts = [coefficients[:, self.columns]]
        if self.intercept:
            parts.append(matrix[: self.n_blocks, -1:])
        return np.concatenate(parts, axis=1).ravel()

    def theta(self, variables: Array) -> Array:
        """Return the program's variables as a change of theta."""
        blocks = variables.reshape(self.n_blocks, self.width)
        n_classes = 1 if self.predictors.contrast is None else len(self.predictors.contrast)
        matrix = np.zeros((n_classes, self.predictors.n_columns + 1))
        matrix[: self.n_blocks, self.columns] = blocks[:, : len(self.columns)]
        if self.intercept:
            matrix[: self.n_blocks, -1] = blocks[:, -1]
        matrix[:, -1] += matrix[:, :-1] @ self.centre
        return self.predictors.theta(matrix)
