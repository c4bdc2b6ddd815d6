"""The search for a generic direction: programs of the rows that decide, until no other row objects."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linprog

from sklearn_mle._existence.constraints import SeparationConstraints, UndecidedError
from sklearn_mle._existence.program import Program
from sklearn_mle._numerics.memory import fits
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block, SparseRows
from sklearn_mle._rows.distributed import DistributedData
from sklearn_mle._rows.sums import Largest
from sklearn_mle.likelihoods import Likelihood

__all__ = ["MOST_VARIABLES", "SeparatingDirection", "SeparationSearch", "complete_separation", "find_separation"]

Array = NDArray[Any]

# Directions have a largest entry of one in standardized columns; a constraint is met or separated beyond these.
_VIOLATED = 1e-9
_SEPARATED = 1e-7
_LEAST_GAIN = 1e-6
_FIRST = 2000
_MOST_ADDED = 4000
_ROUNDS = 60
# A bound on the simplex's steps, so that no program hangs; beyond it existence is left open.
_MOST_STEPS = 200_000
# A linear program in more variables takes minutes.
MOST_VARIABLES = 20_000


@dataclass(frozen=True)
class SeparatingDirection:
    """What runs away to infinity.

    Attributes
    ----------
    direction : ndarray of shape (size,)
        A generic separating direction in theta; its largest coefficient in standardized columns is about one.
    separated : ndarray of bool, shape (m,)
        Which constraints it separates; empty where all were seen to be separated without listing them.
    complete : bool
        Whether that is all of them.
    """

    direction: Array
    separated: NDArray[np.bool_]
    complete: bool


class SeparationSearch:
    """Constraint generation: one growing set of constraints serves every program about the same data."""

    def __init__(self, objective: PenalizedNLL, start: Array) -> None:
        self.constraints = constraints = SeparationConstraints(objective)
        self.program = Program(constraints)
        self.left = np.ones(len(constraints.row), dtype=bool)
        self._start = start
        # The constraints that the start contradicts most, and some from everywhere.
        self._margins = margins = constraints.margins(start)
        nearest = np.argsort(np.where(constraints.equal, -np.abs(margins), margins), kind="stable")[:_FIRST]
        spread = np.arange(0, len(margins), max(1, len(margins) // _FIRST))
        self.working = np.union1d(nearest, spread)
        self._refuse_more_than(len(self.working))
        self._matrix = self.program.rows(self.working)

    def _refuse_more_than(self, n_constraints: int) -> None:
        """Raise UndecidedError where so many dense rows of the program could not be held."""
        dense = not isinstance(self.constraints.objective.data.rows, SparseRows)
        if dense and not fits(n_constraints, self.program.n_blocks * self.program.width):
            raise UndecidedError(f"{n_constraints:,} rows of {self.program.width:,} columns are too many")

    def run(self) -> SeparatingDirection | None:
        """Return a generic direction, set aside by set aside."""
        constraints = self.constraints
        separable = ~constraints.equal
        if separable.all() and self._margins.min(initial=np.inf) > 0:
            # The start separates completely: no program needed.
            largest = float(np.abs(self._start).max(initial=0.0))
            return SeparatingDirection(self._start / largest, separable, True) if largest else None
        direction: Array | None = None
        while self.left.any():
            found = self.direction(self.program.objective(constraints.weighed((self.left & separable).astype(float))))
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
        return None if direction is None else SeparatingDirection(direction, ~self.left, not self.left.any())

    def can_gain(self, matrix: Array) -> bool:
        """Return whether a linear form of the coefficients, in the likelihood's layout, rises along some direction.

        Every constraint counts, those that were set aside too.
        """
        self.left[:] = True
        return self.direction(self.program.objective(matrix)) is not None

    def direction(self, gain: Array) -> tuple[Array, Array] | None:
        """Return the direction within the cone that gains most and its margins, or None when none gains anything."""
        largest = float(np.abs(gain).max(initial=0.0))
        if largest == 0:
            return None
        constraints = self.constraints
        for _ in range(_ROUNDS):
            active = self.left[self.working]
            equal = constraints.equal[self.working] & active
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
            margins = constraints.margins(theta)
            short = np.where(constraints.equal, -np.abs(margins), margins)
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


def find_separation(objective: PenalizedNLL, start: Array) -> SeparatingDirection | None:
    """Return a generic separating direction, or None when there is none: a finite maximum exists.

    Parameters
    ----------
    objective : PenalizedNLL
        Of a likelihood that ``may_diverge``; its columns must be independent.
    start : ndarray of shape (size,)
        A point whose margins tell which rows are likely to object: the end of a fit, say.

    Raises
    ------
    UndecidedError
        If the linear program is too large to be solved.
    """
    if isinstance(objective.data, DistributedData):
        separation = complete_separation(objective, start)
        if separation is None:
            raise UndecidedError("the rows are not in one place")
        return separation
    return SeparationSearch(objective, start).run()


def complete_separation(objective: PenalizedNLL, theta: Array) -> SeparatingDirection | None:
    """Return theta as a separating direction where it separates all rows; None where it does not.

    One pass tells, wherever the rows are; whether another theta separates them takes a linear program.
    """
    predictors = objective.predictors
    largest = float(np.abs(theta).max(initial=0.0))
    if not largest:
        return None
    least = -objective.data.reduce_rows(NegativeMargin(objective.likelihood, predictors, predictors.matrix(theta)))[
        0
    ].value
    return SeparatingDirection(theta / largest, np.ones(0, dtype=bool), True) if least > 0 else None


@dataclass(frozen=True)
class NegativeMargin:
    """Minus the least margin of a block's labels, for reduce_rows; inf where a row is no label of one class."""

    likelihood: Likelihood
    predictors: LinearPredictors
    matrix: Array
    task_name: ClassVar[str] = "mle-separation"

    def __call__(self, block: Block) -> tuple[Largest]:
        eta, y = self.predictors.eta(block.rows, self.matrix, None), block.y
        if self.likelihood.holds_class_codes and not self.likelihood.shift_invariant:
            margin = np.where((y == 0) | (y == 1), (2 * y - 1) * eta[0], -np.inf)
        elif self.likelihood.holds_class_codes:
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
