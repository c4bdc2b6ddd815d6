r"""Directions of recession, in which the likelihood rises for ever, so that no finite maximum exists.

A change d of the parameters is one when it never lowers the likelihood of any row and raises that of some. For models
of one linear predictor a row this is a matter of signs. Each row has *preferences*, linear forms a of d:

* Bernoulli and categorical: an outcome that happened wants its predictor no lower against each rival's, a'd >= 0;
* Poisson, negative binomial, Tweedie: a zero wants its log mean no higher, an outcome above zero wants it as it is,
  a'd = 0.

Whether there is a d is a linear program, max sum a'd subject to a'd >= 0 and |d| <= 1. It is solved by constraint
generation: few rows decide, and one pass over all rows tells which others object. Rows that the found direction
separates (a'd > 0) are then set aside and the program is solved again, until nothing is left to separate: the sum of
the directions, later ones taken small, is *generic*. It separates every row that any direction separates, and the rows
left over are the limiting model, in which the maximum is finite (Geyer 2009).

References
----------
Albert and Anderson (1984), On the existence of maximum likelihood estimates in logistic regression models,
Biometrika 71.
Konis (2007), Linear programming algorithms for detecting separated data in binary logistic regression models, Oxford.
Geyer (2009), Likelihood inference in exponential families and directions of recession, Electronic Journal of
Statistics 3.
Correia, Guimaraes and Zylkin (2019), Verifying the existence of maximum likelihood estimates for generalized linear
models, arXiv:1903.01633.
"""

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linprog

from sklearn_mle.likelihoods import (
    Bernoulli,
    Binomial,
    Categorical,
    Likelihood,
    NegativeBinomial,
    Poisson,
    Tweedie,
)
from sklearn_mle.linear_predictors import LinearPredictors
from sklearn_mle.numerics.memory import fits
from sklearn_mle.objective import PenalizedNLL
from sklearn_mle.row_blocks import RowBlock, RowBlocks, SparseRows
from sklearn_mle.row_blocks.distributed import DistributedRowBlocks
from sklearn_mle.row_blocks.sums import Largest

__all__ = [
    "MOST_VARIABLES",
    "Preferences",
    "Recession",
    "RecessionSearch",
    "UndecidedError",
    "find_recession",
    "may_recede",
]

Array = NDArray[Any]

# Directions have a largest entry of one in standardized columns; a preference is met or separated beyond these.
_VIOLATED = 1e-9
_SEPARATED = 1e-7
_LEAST_GAIN = 1e-6
_FIRST = 2000
_MOST_ADDED = 4000
_ROUNDS = 60
# A bound on the simplex's steps, so that no program hangs; beyond it existence is left open.
_MOST_STEPS = 200_000
# Singular values of the rows left over, relative to the largest, below which a direction is not seen by any of them.
_FLAT = 1e-6
# A linear program in more variables takes minutes.
MOST_VARIABLES = 20_000
# An offset at which exp underflows: probabilities and means of exactly zero.
_CERTAIN = 1e4
# A zero is fitted the better the lower its mean, without end; an outcome above zero pins its mean down.
_WITH_ZEROS = (Poisson, NegativeBinomial, Tweedie)


def may_recede(likelihood: Likelihood) -> bool:
    """Return whether the likelihood is one whose location may run away to infinity, and can be examined for it."""
    return isinstance(likelihood, (Bernoulli, Binomial, Categorical, *_WITH_ZEROS))


class UndecidedError(RuntimeError):
    """The linear program did not end within its bound of steps. Never leaves the library."""


@dataclass(frozen=True)
class Recession:
    """What runs away to infinity.

    Attributes
    ----------
    direction : ndarray of shape (size,)
        A generic direction of recession in theta; its largest coefficient in standardized columns is about one.
    separated : ndarray of bool, shape (m,)
        Which preferences it separates.
    complete : bool
        Whether that is all of them.
    """

    direction: Array
    separated: NDArray[np.bool_]
    complete: bool


class Preferences:
    """The preferences of all rows: linear forms in theta, never stored.

    Parameters
    ----------
    objective : PenalizedNLL
        Of a likelihood with one linear predictor a row, or of the categorical one. The penalty does not matter.

    Attributes
    ----------
    row : ndarray of int, shape (m,)
    winner, rival : ndarray of int, shape (m,)
        The preference is for eta[winner] - eta[rival] not to fall; -1 stands for a predictor that is always zero.
    equal : ndarray of bool, shape (m,)
        Whether it is not to rise either.
    """

    def __init__(self, objective: PenalizedNLL) -> None:
        self.objective = objective
        likelihood, y = objective.likelihood, objective.data.y
        if isinstance(likelihood, Categorical):
            if not fits(likelihood.n_classes, y.shape[-1]):
                raise UndecidedError(f"{y.shape[-1]:,} rows of {likelihood.n_classes:,} classes are too many")
            mass = np.eye(likelihood.n_classes, dtype=bool)[:, y] if y.ndim == 1 else y > 0
            outcome, row = np.nonzero(mass)
            others = likelihood.n_classes - 1
            self.row, self.winner = np.repeat(row, others), np.repeat(outcome, others)
            self.rival = (self.winner + 1 + np.tile(np.arange(others), len(row))) % likelihood.n_classes
            self.equal = mass[self.rival, self.row]
            # Of two outcomes that both happened (a soft label) each would say that they be equal.
            self._keep(~self.equal | (self.winner < self.rival))
        else:
            rises, falls = _sides(likelihood, y)
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
        """Return a'theta of every preference; one pass over the data."""
        predictors = self.objective.predictors
        matrix = predictors.matrix(theta)
        eta = np.concatenate(self.objective.data.map(lambda b: predictors.eta(b.rows, matrix, None)), axis=1)
        eta = np.concatenate([eta, np.zeros((1, eta.shape[1]))])
        return eta[self.winner, self.row] - eta[self.rival, self.row]

    @property
    def can_be_summed(self) -> bool:
        """Whether what ``gram`` and ``unseen`` need is small enough to be formed."""
        rivals = self.objective.likelihood.n_predictors + 1
        return self.objective.predictors.curvature_fits and fits(rivals, rivals, self.objective.data.n_rows)

    def gram(self, chosen: Array) -> Array:
        """Return the sum of a a' over the chosen preferences, shape (size, size)."""
        predictors, data = self.objective.predictors, self.objective.data
        q = len(predictors.matrix(np.zeros(predictors.size)))
        rowwise = np.zeros((q + 1, q + 1, data.n_rows))
        row, winner, rival = self.row[chosen], self.winner[chosen], self.rival[chosen]
        for j, k, sign in ((winner, winner, 1), (rival, rival, 1), (winner, rival, -1), (rival, winner, -1)):
            np.add.at(rowwise, (j, k, row), sign)
        rowwise = rowwise[:q, :q]
        starts = np.cumsum([0, *data.map(lambda block: block.rows.n_rows)])
        slices = [rowwise[:, :, start:stop] for start, stop in itertools.pairwise(starts)]
        summed = data.sum(lambda block, matrix: (predictors.curvature(block.rows, matrix),), slices)[0]
        return predictors.pull_back_curvature(summed)

    def unseen(self, chosen: Array) -> Array:
        """Return an orthonormal basis of the theta that none of the chosen preferences sees, shape (size, k)."""
        gram = self.gram(chosen)
        squares = gram.diagonal()
        seen = squares > _FLAT**2 * max(float(squares.max(initial=0.0)), 1e-300)
        unit = np.sqrt(np.where(seen, squares, 1.0))
        values, vectors = np.linalg.eigh(gram / unit / unit[:, None])
        flat = values <= _FLAT**2 * max(float(values[-1]), 1.0)
        return np.linalg.qr(vectors[:, flat] / unit[:, None])[0]

    def limiting_offset(self, separated: Array) -> Array:
        """Return an offset that makes what is separated certain: with it, the data are those of the limiting model."""
        offset = np.zeros(
            (
                len(self.objective.predictors.matrix(np.zeros(self.objective.predictors.size))) + 1,
                self.objective.data.n_rows,
            )
        )
        winner, rival, row = self.winner[separated], self.rival[separated], self.row[separated]
        single = rival < 0
        offset[winner[single], row[single]] = _CERTAIN
        offset[rival[~single], row[~single]] = -_CERTAIN
        return offset[:-1]

    def weighed(self, weight: Array) -> Array:
        """Return the sum of weight * a in the likelihood's matrix layout, shape (q, p + 1)."""
        predictors, data = self.objective.predictors, self.objective.data
        q = len(predictors.matrix(np.zeros(predictors.size)))
        rowwise = np.zeros((q + 1, data.n_rows))
        np.add.at(rowwise, (self.winner, self.row), weight)
        np.add.at(rowwise, (self.rival, self.row), -weight)
        weighed = RowBlocks(data.rows, rowwise[:q])
        return weighed.sum(lambda block: (predictors.pull_back(block.rows, block.y),))[0]


def _sides(likelihood: Likelihood, y: Array) -> tuple[Array, Array]:
    """Return which rows mind that their predictor falls, and which that it rises."""
    if isinstance(likelihood, _WITH_ZEROS):
        return y > 0, np.ones(y.shape, dtype=bool)
    if isinstance(likelihood, Binomial) and y.ndim == 2:
        return y[0] > 0, y[1] > 0
    if isinstance(likelihood, Bernoulli | Binomial):
        return y > 0, y < 1
    raise TypeError(f"likelihood: {type(likelihood).__name__} has no directions of recession to look for")


class _Program:
    """The linear program in variables of its own: sparse rows stay sparse, classes are counted from a reference.

    The variables are the coefficients of the columns that carry the fit, in units of the columns' scales, and the
    intercept; for K classes, of all but the last one.
    """

    def __init__(self, preferences: Preferences) -> None:
        self.preferences = preferences
        predictors = preferences.objective.predictors
        self.predictors = predictors
        used = np.flatnonzero(predictors.used[0])
        self.intercept = bool(predictors.used[0, -1])
        self.columns = used[: len(used) - self.intercept]
        self.n_blocks = 1 if predictors.contrast is None else len(predictors.contrast) - 1
        self.width = len(used)
        _, self.centre = preferences.objective.data.rows.uncentred(np.zeros(0, dtype=np.intp))

    def rows(self, chosen: Array) -> Any:
        """Return the chosen preferences as rows of the program's matrix."""
        preferences = self.preferences
        X, _ = preferences.objective.data.rows.uncentred(preferences.row[chosen])
        X = X[:, self.columns] if len(self.columns) < X.shape[1] else X
        ones = np.ones((len(chosen), int(self.intercept)))
        winner, rival = preferences.winner[chosen], preferences.rival[chosen]
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


class RecessionSearch:
    """Constraint generation: one growing set of preferences serves every program about the same data."""

    def __init__(self, objective: PenalizedNLL, start: Array) -> None:
        self.preferences = preferences = Preferences(objective)
        self.program = _Program(preferences)
        self.left = np.ones(len(preferences.row), dtype=bool)
        self._start = start
        # The preferences that the start contradicts most, and some from everywhere.
        self._margins = margins = preferences.margins(start)
        nearest = np.argsort(np.where(preferences.equal, -np.abs(margins), margins), kind="stable")[:_FIRST]
        spread = np.arange(0, len(margins), max(1, len(margins) // _FIRST))
        self.working = np.union1d(nearest, spread)
        self._refuse_more_than(len(self.working))
        self._matrix = self.program.rows(self.working)

    def _refuse_more_than(self, n_preferences: int) -> None:
        """Raise UndecidedError where so many dense rows of the program could not be held."""
        dense = not isinstance(self.preferences.objective.data.rows, SparseRows)
        if dense and not fits(n_preferences, self.program.n_blocks * self.program.width):
            raise UndecidedError(f"{n_preferences:,} rows of {self.program.width:,} columns are too many")

    def run(self) -> Recession | None:
        """Return a generic direction, set aside by set aside."""
        preferences = self.preferences
        separable = ~preferences.equal
        if separable.all() and self._margins.min(initial=np.inf) > 0:
            # The start separates completely: no program needed.
            largest = float(np.abs(self._start).max(initial=0.0))
            return Recession(self._start / largest, separable, True) if largest else None
        direction: Array | None = None
        while self.left.any():
            found = self.direction(self.program.objective(preferences.weighed((self.left & separable).astype(float))))
            if found is None:
                break
            theta, change = found
            fresh = self.left & separable & (change > _SEPARATED)
            if not fresh.any():
                break
            if direction is None:
                direction, margins = theta, change
            else:
                part = _room(margins[~self.left], change[~self.left])
                direction, margins = direction + part * theta, margins + part * change
            self.left &= ~fresh
        return None if direction is None else Recession(direction, ~self.left, not self.left.any())

    def can_gain(self, matrix: Array) -> bool:
        """Return whether a linear form of the coefficients, in the likelihood's layout, rises along some direction.

        Every preference counts, those that were set aside too.
        """
        self.left[:] = True
        return self.direction(self.program.objective(matrix)) is not None

    def direction(self, gain: Array) -> tuple[Array, Array] | None:
        """Return the direction within the cone that gains most and its margins, or None when none gains anything."""
        largest = float(np.abs(gain).max(initial=0.0))
        if largest == 0:
            return None
        preferences = self.preferences
        for _ in range(_ROUNDS):
            active = self.left[self.working]
            equal = preferences.equal[self.working] & active
            above = active & ~equal
            solution = linprog(
                -gain / largest,
                A_ub=-self._matrix[above] if above.any() else None,
                b_ub=np.zeros(int(above.sum())) if above.any() else None,
                A_eq=self._matrix[equal] if equal.any() else None,
                b_eq=np.zeros(int(equal.sum())) if equal.any() else None,
                bounds=(-1.0, 1.0),
                method="highs",
                options={
                    "primal_feasibility_tolerance": 1e-10,
                    "dual_feasibility_tolerance": 1e-10,
                    "maxiter": _MOST_STEPS,
                },
            )
            if solution.x is None:
                raise UndecidedError(solution.message)
            if -solution.fun * largest <= _LEAST_GAIN:
                return None
            variables = np.where(np.abs(solution.x) > _VIOLATED, solution.x, 0.0)
            theta = self.program.theta(variables)
            margins = preferences.margins(theta)
            short = np.where(preferences.equal, -np.abs(margins), margins)
            violated = np.flatnonzero((short < -_VIOLATED) & self.left)
            fresh = np.setdiff1d(violated, self.working)
            if not len(fresh):
                return theta, margins
            worst = fresh[np.argsort(short[fresh], kind="stable")[:_MOST_ADDED]]
            self._refuse_more_than(len(self.working) + len(worst))
            added = self.program.rows(worst)
            self._matrix = _stacked(self._matrix, added)
            self.working = np.concatenate([self.working, worst])
        raise UndecidedError("the rows that object keep coming")


def find_recession(objective: PenalizedNLL, start: Array) -> Recession | None:
    """Return a generic direction of recession, or None when there is none: a finite maximum exists.

    Parameters
    ----------
    objective : PenalizedNLL
        Of a likelihood that ``may_recede``; its columns must be independent.
    start : ndarray of shape (size,)
        A point whose margins tell which rows are likely to object: the end of a fit, say.

    Raises
    ------
    UndecidedError
        If the linear program is too large to be solved.
    """
    if isinstance(objective.data, DistributedRowBlocks):
        return _complete(objective, start)
    return RecessionSearch(objective, start).run()


def _complete(objective: PenalizedNLL, start: Array) -> Recession | None:
    """Return the start where it separates the rows completely: one pass tells; a linear program needs all rows."""
    predictors = objective.predictors
    least = -objective.data.sum(NegativeMargin(objective.likelihood, predictors, predictors.matrix(start)))[0].value
    largest = float(np.abs(start).max(initial=0.0))
    if not least > 0 or not largest:
        raise UndecidedError("the rows are not in one place")
    return Recession(start / largest, np.ones(0, dtype=bool), True)


@dataclass(frozen=True)
class NegativeMargin:
    """Minus the least margin of a block's labels, for ``RowBlocks.sum``; inf where a row is no label of one class."""

    likelihood: Likelihood
    predictors: LinearPredictors
    matrix: Array
    task_name: ClassVar[str] = "mle-separation"

    def __call__(self, block: RowBlock) -> tuple[Largest]:
        eta, y = self.predictors.eta(block.rows, self.matrix, None), block.y
        if isinstance(self.likelihood, Bernoulli):
            margin = np.where((y == 0) | (y == 1), (2 * y - 1) * eta[0], -np.inf)
        elif isinstance(self.likelihood, Categorical):
            code = y if y.ndim == 1 else y.argmax(axis=0)
            rows = np.arange(eta.shape[1])
            own = eta[code, rows]
            eta[code, rows] = -np.inf
            margin = own - eta.max(axis=0)
            if y.ndim == 2:
                margin[y.max(axis=0) < 1] = -np.inf
        else:
            margin = np.array([-np.inf])
        return (Largest(float(-margin.min(initial=np.inf))),)


def _room(margins: Array, change: Array) -> float:
    """Return how much of a change leaves half of every margin, at most one."""
    falling = change < 0
    return 0.5 * float((margins[falling] / -change[falling]).min(initial=2.0))


def _stacked(above: Any, below: Any) -> Any:
    return sp.vstack([above, below], format="csr") if sp.issparse(below) else np.concatenate([above, below])
