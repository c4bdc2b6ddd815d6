"""The search for a generic separating direction: programs of the rows that decide, until they satisfy all others.

For every row, each outcome that happened demands that its predictor does not fall against any rival's: a'd >= 0
for a change d of theta. Two outcomes that both happened demand it of each other, a'd = 0.
"""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linprog

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.memory import fits
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block, SparseRows
from sklearn_mle.likelihoods import Likelihood

# Singular values of the rows left over, relative to the largest, below which a direction is not seen by any of them.
_FLAT = 1e-6
# Gram matrices of this order are diagonalized in seconds.
MOST_DIAGONALIZED = 2000
# An offset at which exp underflows: probabilities and means of exactly zero.
_CERTAIN = 1e4
# Directions have a largest entry of one in standardized columns; a constraint is met or separated beyond these.
_VIOLATED = 1e-9
_SEPARATED = 1e-7
_LEAST_GAIN = 1e-6
_FIRST = 2000
_MOST_ADDED = 4000
_ROUNDS = 60
# A bound on the simplex's steps, so that no program hangs; beyond it existence is left open.
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "maxiter": 200_000}
# A linear program in more variables takes minutes.
MOST_VARIABLES = 20_000


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


@dataclass(frozen=True)
class SeparatingDirection:
    """A change of theta along which the likelihood keeps rising.

    The direction is generic; its largest coefficient in standardized columns is about one. ``separated`` tells which
    constraints it separates (empty where all were seen to be separated without listing them), ``complete`` whether that
    is all of them.
    """

    direction: Array
    separated: NDArray[np.bool_]
    complete: bool


class SeparationSearch:
    """Constraint generation: one growing set of constraints serves every program about the same data."""

    def __init__(self, objective: PenalizedNLL, start: Array) -> None:
        self.constraints = constraints = SeparationConstraints(objective)
        self._left = np.ones(len(constraints.row), dtype=bool)
        self._start = start
        # The constraints that the start contradicts most, and some from everywhere.
        self._margins = constraints.margins(start)
        nearest = np.argsort(self._slack(self._margins), kind="stable")[:_FIRST]
        spread = np.arange(0, len(self._left), max(1, len(self._left) // _FIRST))
        self._working = np.union1d(nearest, spread)
        self._refuse_more_than(len(self._working))
        self._matrix = constraints.program_rows(self._working)

    def _slack(self, margins: Array) -> Array:
        """Return by how much each constraint is met; negative where it is violated."""
        return np.where(self.constraints.equal, -np.abs(margins), margins)

    def _refuse_more_than(self, n_constraints: int) -> None:
        """Raise UndecidedError where so many dense rows of the program could not be held."""
        constraints = self.constraints
        dense = not isinstance(constraints.objective.data.rows, SparseRows)
        if dense and not fits(n_constraints, constraints.n_blocks * constraints.width):
            raise UndecidedError(f"{n_constraints:,} rows of {constraints.width:,} columns are too many")

    def run(self) -> SeparatingDirection | None:
        """Return a generic direction: what a direction separates is set aside, and the program solved again."""
        constraints = self.constraints
        separable = ~constraints.equal
        if separable.all() and self._margins.min(initial=np.inf) > 0:
            # The start separates completely: no program needed.
            largest = float(np.abs(self._start).max(initial=0.0))
            return SeparatingDirection(self._start / largest, separable, True) if largest else None
        direction: Array | None = None
        while self._left.any():
            weight = (self._left & separable).astype(float)
            found = self._solve(constraints.program_objective(constraints.weighted_sum(weight)))
            if found is None:
                break
            theta, change = found
            fresh = self._left & separable & (change > _SEPARATED)
            if not fresh.any():
                break
            if direction is None:
                direction, margins = theta, change
            else:
                # As much of the new direction as leaves half of every margin.
                before, falling = margins[~self._left], -change[~self._left]
                part = 0.5 * float((before[falling > 0] / falling[falling > 0]).min(initial=2.0))
                direction, margins = direction + part * theta, margins + part * change
            self._left &= ~fresh
        return None if direction is None else SeparatingDirection(direction, ~self._left, not self._left.any())

    def gain(self, matrix: Array) -> Array | None:
        """Return a direction along which a linear form of the coefficients, in the likelihood's layout, rises; or None.

        Every constraint counts, those that were set aside too.
        """
        self._left[:] = True
        found = self._solve(self.constraints.program_objective(matrix))
        return None if found is None else found[0]

    def _solve(self, gain: Array) -> tuple[Array, Array] | None:
        """Return the direction within the cone that gains most and its margins, or None when none gains anything."""
        largest = float(np.abs(gain).max(initial=0.0))
        if largest == 0:
            return None
        constraints = self.constraints
        for _ in range(_ROUNDS):
            active = self._left[self._working]
            equal = constraints.equal[self._working] & active
            above = active & ~equal
            solution = linprog(
                -gain / largest,
                A_ub=-self._matrix[above] if above.any() else None,
                b_ub=np.zeros(int(above.sum())) if above.any() else None,
                A_eq=self._matrix[equal] if equal.any() else None,
                b_eq=np.zeros(int(equal.sum())) if equal.any() else None,
                bounds=(-1.0, 1.0),
                method="highs",
                options=_OPTIONS,
            )
            if solution.x is None:
                raise UndecidedError(solution.message)
            if -solution.fun * largest <= _LEAST_GAIN:
                return None
            theta = constraints.theta(np.where(np.abs(solution.x) > _VIOLATED, solution.x, 0.0))
            margins = constraints.margins(theta)
            slack = self._slack(margins)
            fresh = np.setdiff1d(np.flatnonzero((slack < -_VIOLATED) & self._left), self._working)
            if not len(fresh):
                return theta, margins
            worst = fresh[np.argsort(slack[fresh], kind="stable")[:_MOST_ADDED]]
            self._refuse_more_than(len(self._working) + len(worst))
            parts = [self._matrix, constraints.program_rows(worst)]
            self._matrix = sp.vstack(parts, format="csr") if sp.issparse(self._matrix) else np.concatenate(parts)
            self._working = np.concatenate([self._working, worst])
        raise UndecidedError("the rows that object keep coming")


def find_separation(objective: PenalizedNLL, start: Array) -> SeparatingDirection | None:
    """Return a generic separating direction, or None when there is none: a finite maximum exists.

    The likelihood is one that ``may_diverge``, and the columns must be independent. The margins at ``start``, such as
    the end of a fit, tell which rows are likely to decide.

    Raises
    ------
    UndecidedError
        If the linear program is too large to be solved.
    """
    if not objective.data.in_one_place:
        separation = complete_separation(objective, start)
        if separation is None:
            raise UndecidedError("the rows are not in one place")
        return separation
    if objective.predictors.size > MOST_VARIABLES:
        raise UndecidedError(f"{objective.predictors.size:,} coefficients are too many")
    return SeparationSearch(objective, start).run()


def complete_separation(objective: PenalizedNLL, theta: Array) -> SeparatingDirection | None:
    """Return theta as a separating direction where it separates all rows; None where it does not.

    One pass tells, wherever the rows are; whether another theta separates them takes a linear program.
    """
    largest = float(np.abs(theta).max(initial=0.0))
    if not largest:
        return None
    predictors = objective.predictors
    margin = partial(negative_margin, objective.likelihood, predictors, predictors.matrix(theta))
    if objective.data.reduce_rows(margin)[0].value >= 0:
        return None
    return SeparatingDirection(theta / largest, np.ones(0, dtype=bool), True)


def negative_margin(
    likelihood: Likelihood, predictors: LinearPredictors, matrix: Array, block: Block
) -> tuple[Largest]:
    """Return minus the least margin of a block's outcomes; inf where a row has more than one of them."""
    eta, y = predictors.eta(block.rows, matrix, None), block.y
    if likelihood.shift_invariant:
        code = y if y.ndim == 1 else y.argmax(axis=0)
        rows = np.arange(eta.shape[1])
        own = eta[code, rows]
        eta[code, rows] = -np.inf
        margin = own - eta.max(axis=0)
        if y.ndim == 2:
            margin[y.max(axis=0) < 1] = -np.inf
    else:
        opposes_fall, opposes_rise = likelihood.opposes(y)
        margin = np.where(opposes_fall, eta[0], -eta[0])
        margin[opposes_fall & opposes_rise] = -np.inf
    return (Largest(float(-margin.min(initial=np.inf))),)
