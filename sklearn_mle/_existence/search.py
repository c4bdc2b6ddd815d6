"""The search for a generic separating direction: programs of the rows that decide, until they satisfy all others."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linprog

from sklearn_mle._existence.constraints import SeparationConstraints, UndecidedError
from sklearn_mle._numerics.memory import fits
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block, SparseRows
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
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10, "maxiter": 200_000}
# A linear program in more variables takes minutes.
MOST_VARIABLES = 20_000


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

    def can_gain(self, matrix: Array) -> bool:
        """Return whether a linear form of the coefficients, in the likelihood's layout, rises along some direction.

        Every constraint counts, those that were set aside too.
        """
        self._left[:] = True
        return self._solve(self.constraints.program_objective(matrix)) is not None

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
    margin = NegativeMargin(objective.likelihood, predictors, predictors.matrix(theta))
    if objective.data.reduce_rows(margin)[0].value >= 0:
        return None
    return SeparatingDirection(theta / largest, np.ones(0, dtype=bool), True)


@dataclass(frozen=True)
class NegativeMargin:
    """Minus the least margin of a block's outcomes, for ``reduce_rows``; inf where a row has more than one of them."""

    likelihood: Likelihood
    predictors: LinearPredictors
    matrix: Array
    task_name: ClassVar[str] = "mle-separation"

    def __call__(self, block: Block) -> tuple[Largest]:
        eta, y = self.predictors.eta(block.rows, self.matrix, None), block.y
        if self.likelihood.shift_invariant:
            code = y if y.ndim == 1 else y.argmax(axis=0)
            rows = np.arange(eta.shape[1])
            own = eta[code, rows]
            eta[code, rows] = -np.inf
            margin = own - eta.max(axis=0)
            if y.ndim == 2:
                margin[y.max(axis=0) < 1] = -np.inf
        else:
            opposes_fall, opposes_rise = self.likelihood.opposes(y)
            margin = np.where(opposes_fall, eta[0], -eta[0])
            margin[opposes_fall & opposes_rise] = -np.inf
        return (Largest(float(-margin.min(initial=np.inf))),)
