"""What each row asks of a change of the parameters for its likelihood not to fall: linear forms, never stored."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.memory import fits
from sklearn_mle._objective import PenalizedNLL

__all__ = ["SeparationConstraints", "UndecidedError"]

Array = NDArray[Any]

# Singular values of the rows left over, relative to the largest, below which a direction is not seen by any of them.
_FLAT = 1e-6
# An offset at which exp underflows: probabilities and means of exactly zero.
_CERTAIN = 1e4


class UndecidedError(RuntimeError):
    """The linear program did not end within its bound of steps. Never leaves the library."""


class SeparationConstraints:
    """The constraints of all rows: linear forms in theta, never stored.

    Parameters
    ----------
    objective : PenalizedNLL
        Of a likelihood with one linear predictor a row, or of the categorical one. The penalty does not matter.

    Attributes
    ----------
    row : ndarray of int, shape (m,)
    winner, rival : ndarray of int, shape (m,)
        The constraint is for eta[winner] - eta[rival] not to fall; -1 stands for a predictor that is always zero.
    equal : ndarray of bool, shape (m,)
        Whether it is not to rise either.
    """

    def __init__(self, objective: PenalizedNLL) -> None:
        self.objective = objective
        likelihood, y = objective.likelihood, objective.data.y
        if likelihood.shift_invariant:
            if not fits(likelihood.n_predictors, y.shape[-1]):
                raise UndecidedError(f"{y.shape[-1]:,} rows of {likelihood.n_predictors:,} classes are too many")
            mass = np.eye(likelihood.n_predictors, dtype=bool)[:, y] if y.ndim == 1 else y > 0
            outcome, row = np.nonzero(mass)
            others = likelihood.n_predictors - 1
            self.row, self.winner = np.repeat(row, others), np.repeat(outcome, others)
            self.rival = (self.winner + 1 + np.tile(np.arange(others), len(row))) % likelihood.n_predictors
            self.equal = mass[self.rival, self.row]
            # Of two outcomes that both happened (a soft label) each would say that they be equal.
            self._keep(~self.equal | (self.winner < self.rival))
        else:
            rises, falls = likelihood.opposes(y)
            self.row = np.arange(len(rises))
            self.winner, self.rival = np.where(rises, 0, -1), np.where(rises, -1, 0)
            self.equal = rises & falls
            self._keep(rises | falls)
        if objective.data.weight is not None:
            self._keep(objective.data.weight[self.row] > 0)

    def _keep(self, chosen: NDArray[np.bool_]) -> None:
        if not chosen.all():
            self.row, self.winner = self.row[chosen], self.winner[chosen]
            self.rival, self.equal = self.rival[chosen], self.equal[chosen]

    def margins(self, theta: Array) -> Array:
        """Return a'theta of every constraint; one pass over the data."""
        predictors = self.objective.predictors
        matrix = predictors.matrix(theta)
        eta = np.concatenate(self.objective.data.map_rows(lambda b: predictors.eta(b.rows, matrix, None)), axis=1)
        eta = np.concatenate([eta, np.zeros((1, eta.shape[1]))])
        return eta[self.winner, self.row] - eta[self.rival, self.row]

    @property
    def can_be_summed(self) -> bool:
        """Whether what ``gram`` and ``unseen`` need is small enough to be formed."""
        rivals = self.objective.likelihood.n_predictors + 1
        return self.objective.predictors.curvature_fits and fits(rivals, rivals, self.objective.data.n_rows)

    def gram(self, chosen: Array) -> Array:
        """Return the sum of a a' over the chosen constraints, shape (size, size)."""
        predictors, data = self.objective.predictors, self.objective.data
        q = len(predictors.matrix(np.zeros(predictors.size)))
        rowwise = np.zeros((q + 1, q + 1, data.n_rows))
        row, winner, rival = self.row[chosen], self.winner[chosen], self.rival[chosen]
        for j, k, sign in ((winner, winner, 1), (rival, rival, 1), (winner, rival, -1), (rival, winner, -1)):
            np.add.at(rowwise, (j, k, row), sign)
        rowwise = rowwise[:q, :q]
        starts = np.cumsum([0, *data.map_rows(lambda block: block.rows.n_rows)])
        slices = [rowwise[:, :, start:stop] for start, stop in itertools.pairwise(starts)]
        summed = data.reduce_rows(lambda block, matrix: (predictors.curvature(block.rows, matrix),), slices)[0]
        return predictors.pull_back_curvature(summed)

    def unseen(self, chosen: Array) -> Array:
        """Return an orthonormal basis of the theta that none of the chosen constraints sees, shape (size, k)."""
        gram = self.gram(chosen)
        squares = gram.diagonal()
        seen = squares > _FLAT**2 * max(float(squares.max(initial=0.0)), 1e-300)
        unit = np.sqrt(np.where(seen, squares, 1.0))
        values, vectors = np.linalg.eigh(gram / unit / unit[:, None])
        flat = values <= _FLAT**2 * max(float(values[-1]), 1.0)
        return np.linalg.qr(vectors[:, flat] / unit[:, None])[0]

    def limiting_offset(self, separated: Array) -> Array:
        """Return an offset that, beside the data's own, makes what is separated certain: that of the limiting model."""
        own = self.objective.data.offset
        certain = _CERTAIN if own is None else _CERTAIN + 2 * float(np.abs(own).max(initial=0.0))
        offset = np.zeros(
            (
                len(self.objective.predictors.matrix(np.zeros(self.objective.predictors.size))) + 1,
                self.objective.data.n_rows,
            )
        )
        winner, rival, row = self.winner[separated], self.rival[separated], self.row[separated]
        single = rival < 0
        offset[winner[single], row[single]] = certain
        offset[rival[~single], row[~single]] = -certain
        return offset[:-1]

    def weighed(self, weight: Array) -> Array:
        """Return the sum of weight * a in the likelihood's matrix layout, shape (q, p + 1)."""
        predictors, data = self.objective.predictors, self.objective.data
        q = len(predictors.matrix(np.zeros(predictors.size)))
        rowwise = np.zeros((q + 1, data.n_rows))
        np.add.at(rowwise, (self.winner, self.row), weight)
        np.add.at(rowwise, (self.rival, self.row), -weight)
        weighed = data.with_values(rowwise[:q], None)
        return weighed.reduce_rows(lambda block: (predictors.pull_back(block.rows, block.y),))[0]
