"""The linear constraints under which a change of the parameters lowers the likelihood of no row.

For every row, each outcome that happened demands that its predictor does not fall against any rival's: a'd >= 0
for a change d of theta. Two outcomes that both happened demand it of each other, a'd = 0.
"""

import itertools
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle._numerics.memory import fits
from sklearn_mle._objective import PenalizedNLL

__all__ = ["MOST_DIAGONALIZED", "SeparationConstraints", "UndecidedError"]

Array = NDArray[Any]

# Singular values of the rows left over, relative to the largest, below which a direction is not seen by any of them.
_FLAT = 1e-6
# Gram matrices of this order are diagonalized in seconds.
MOST_DIAGONALIZED = 2000
# An offset at which exp underflows: probabilities and means of exactly zero.
_CERTAIN = 1e4


class UndecidedError(RuntimeError):
    """Existence was not decided, for the linear program is too large. Never leaves the library."""


class SeparationConstraints:
    """The constraints of all rows, as linear forms in theta and as rows of a linear program; never stored as a whole.

    The program has variables of its own, so that sparse rows stay sparse: the coefficients of the columns that carry
    the fit, in units of the columns' scales, and the intercept; for K classes, of all but the last one.

    Parameters
    ----------
    objective : PenalizedNLL
        Of a likelihood that ``may_diverge``. The penalty does not matter.

    Attributes
    ----------
    row : ndarray of int, shape (m,)
    winner, rival : ndarray of int, shape (m,)
        eta[winner] - eta[rival] must not fall; -1 stands for a predictor that is always zero.
    equal : ndarray of bool, shape (m,)
        Whether it must not rise either.
    n_blocks, width : int
        The program has ``n_blocks`` times ``width`` variables.
    """

    def __init__(self, objective: PenalizedNLL) -> None:
        self.objective = objective
        predictors, data, likelihood = objective.predictors, objective.data, objective.likelihood
        self.n_predictors = 1 if predictors.contrast is None else len(predictors.contrast)
        if not fits(self.n_predictors, data.n_rows):
            raise UndecidedError(f"{data.n_rows:,} rows of {self.n_predictors:,} classes are too many")
        if likelihood.shift_invariant:
            happened = np.eye(self.n_predictors, dtype=bool)[:, data.y] if data.y.ndim == 1 else data.y > 0
        else:
            opposes_fall, opposes_rise = likelihood.opposes(data.y)
            happened = np.stack([opposes_rise, opposes_fall])
        row, winner = np.nonzero(happened.T)
        others = len(happened) - 1
        row, winner = np.repeat(row, others), np.repeat(winner, others)
        rival = (winner + 1 + np.tile(np.arange(others), len(row) // others)) % len(happened)
        equal = happened[rival, row]
        # Of two outcomes that both happened one states that they stay equal.
        chosen = ~equal | (winner > rival)
        if data.weight is not None:
            chosen &= data.weight[row] > 0
        zero = 0 if likelihood.shift_invariant else 1  # the first of two outcomes has no predictor
        self.row, self.equal = row[chosen], equal[chosen]
        self.winner, self.rival = winner[chosen] - zero, rival[chosen] - zero

        used = np.flatnonzero(predictors.used[0])
        self._intercept = bool(predictors.used[0, -1])
        self._columns = used[: len(used) - self._intercept]
        self._centre = data.rows.uncentred(np.zeros(0, dtype=np.intp))[1]
        self.n_blocks, self.width = max(1, self.n_predictors - 1), len(used)

    def margins(self, theta: Array) -> Array:
        """Return a'theta of every constraint; one pass over the data."""
        predictors = self.objective.predictors
        matrix = predictors.matrix(theta)
        eta = np.concatenate(self.objective.data.map_rows(lambda b: predictors.eta(b.rows, matrix, None)), axis=1)
        eta = np.concatenate([eta, np.zeros((1, eta.shape[1]))])
        return eta[self.winner, self.row] - eta[self.rival, self.row]

    def weighted_sum(self, weight: Array) -> Array:
        """Return the sum of weight * a in the likelihood's matrix layout, shape (q, p + 1)."""
        predictors, data = self.objective.predictors, self.objective.data
        rowwise = np.zeros((self.n_predictors + 1, data.n_rows))
        np.add.at(rowwise, (self.winner, self.row), weight)
        np.add.at(rowwise, (self.rival, self.row), -weight)
        weighted = data.with_values(rowwise[:-1], None)
        return weighted.reduce_rows(lambda block: (predictors.pull_back(block.rows, block.y),))[0]

    def unseen(self, chosen: Array) -> Array | None:
        """Return an orthonormal basis of the theta that none of the chosen constraints sees, shape (size, k).

        None where what it takes is too large to be formed.
        """
        predictors, rivals = self.objective.predictors, self.n_predictors + 1
        if predictors.size > MOST_DIAGONALIZED or not predictors.curvature_fits:
            return None
        if not fits(rivals, rivals, self.objective.data.n_rows):
            return None
        gram = self._gram(chosen)
        squares = gram.diagonal()
        seen = squares > _FLAT**2 * max(float(squares.max(initial=0.0)), 1e-300)
        unit = np.sqrt(np.where(seen, squares, 1.0))
        values, vectors = np.linalg.eigh(gram / unit / unit[:, None])
        flat = values <= _FLAT**2 * max(float(values[-1]), 1.0)
        return np.linalg.qr(vectors[:, flat] / unit[:, None])[0]

    def _gram(self, chosen: Array) -> Array:
        """Return the sum of a a' over the chosen constraints, shape (size, size)."""
        predictors, data = self.objective.predictors, self.objective.data
        rowwise = np.zeros((self.n_predictors + 1, self.n_predictors + 1, data.n_rows))
        row, winner, rival = self.row[chosen], self.winner[chosen], self.rival[chosen]
        for j, k, sign in ((winner, winner, 1), (rival, rival, 1), (winner, rival, -1), (rival, winner, -1)):
            np.add.at(rowwise, (j, k, row), sign)
        starts = np.cumsum([0, *data.map_rows(lambda block: block.rows.n_rows)])
        slices = [rowwise[:-1, :-1, start:stop] for start, stop in itertools.pairwise(starts)]
        summed = data.reduce_rows(lambda block, matrix: (predictors.curvature(block.rows, matrix),), slices)[0]
        return predictors.pull_back_curvature(summed)

    def limiting_offset(self, separated: Array) -> Array:
        """Return an offset that, beside the data's own, makes what is separated certain: that of the limiting model."""
        own = self.objective.data.offset
        certain = _CERTAIN if own is None else _CERTAIN + 2 * float(np.abs(own).max(initial=0.0))
        offset = np.zeros((self.n_predictors, self.objective.data.n_rows))
        winner, rival, row = self.winner[separated], self.rival[separated], self.row[separated]
        single = rival < 0
        offset[winner[single], row[single]] = certain
        offset[rival[~single], row[~single]] = -certain
        return offset

    def program_rows(self, chosen: Array) -> Any:
        """Return the chosen constraints as rows of the program's matrix, sparse where X is."""
        X, _ = self.objective.data.rows.uncentred(self.row[chosen])
        X = X[:, self._columns] if len(self._columns) < X.shape[1] else X
        ones = np.ones((len(chosen), int(self._intercept)))
        winner, rival = self.winner[chosen], self.rival[chosen]
        signs = [(winner == k).astype(float) - (rival == k) for k in range(self.n_blocks)]
        if sp.issparse(X):
            X = sp.hstack([X, ones], format="csr")
            return sp.hstack([X.multiply(sign[:, None]) for sign in signs], format="csr")
        X = np.concatenate([X, ones], axis=1)
        return np.concatenate([X * sign[:, None] for sign in signs], axis=1)

    def program_objective(self, matrix: Array) -> Array:
        """Return the program's objective for a linear form in the likelihood's matrix layout."""
        matrix = matrix[: self.n_blocks]
        coefficients = matrix[:, :-1] + np.outer(matrix[:, -1], self._centre)
        ends = matrix[:, -1:] if self._intercept else matrix[:, :0]
        return np.concatenate([coefficients[:, self._columns], ends], axis=1).ravel()

    def theta(self, variables: Array) -> Array:
        """Return the program's variables as a change of theta."""
        blocks = variables.reshape(self.n_blocks, self.width)
        matrix = np.zeros((self.n_predictors, self.objective.predictors.n_columns + 1))
        matrix[: self.n_blocks, self._columns] = blocks[:, : len(self._columns)]
        if self._intercept:
            matrix[: self.n_blocks, -1] = blocks[:, -1]
        matrix[:, -1] += matrix[:, :-1] @ self._centre
        return self.objective.predictors.theta(matrix)
