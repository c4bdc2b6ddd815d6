"""Which solver for which objective: the stages of a minimization, each of which ends with a gap in nats.

Every stage is a method of ``scipy.optimize.minimize``: one of ``sklearn_mle._solvers``, or scipy's L-BFGS-B in whitened
variables. scipy's own (``trust-exact``, ``trust-krylov``, ``Newton-CG``, ``L-BFGS-B``) may take their place by name:
then the gap judges where they ended.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from sklearn_mle._fit.preconditioner import preconditioner
from sklearn_mle._fit.result import FitOptions
from sklearn_mle._fit.sample import sample_objective
from sklearn_mle._hessian_factors import hessian_factor, rough_factor, safe_factor
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.factors import Factor
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._rows.sample import sample_size
from sklearn_mle._solvers import Callback, Solution, Status, newton, newton_cg, whitened_lbfgs
from sklearn_mle.likelihoods._base import MANY_ROWS

# A curvature of this order takes 128 MB and its factor two seconds; beyond it Hessian products are cheaper.
_MOST_PARAMETERS = 4000
# Multiply-adds of the curvature of many classes, 0.1 s of them, beyond which Hessian products are cheaper.
_MOST_WORK_OF_CLASSES = 1e9
# Iterations of Newton-CG that precede it: regular fits end in four or five.
_FIRST_OF_CLASSES = 6
# L-BFGS in variables whitened by the curvature of a far point is slow: whiten anew after so many iterations.
_PASSES_A_FACTOR = 15
# Multiply-adds of one curvature of all rows above which a sample is fitted first.
_SAMPLE_WORK = 3e7
_SAMPLE_PASSES = 10
# A sample of more of the rows, its curvature formed twice, costs more than one more of all rows at the start (20,000 x
# 800, a third: 0.77 s with it, 0.62 without; 12,000 x 200, a quarter: 92 ms with it, 103 without).
_MOST_SHARE = 0.29
# Multiply-adds of a curvature for each of a pass beyond which Hessian products are cheaper.
_PASSES_A_CURVATURE = 5000
_CHORD = 1e-2
# Gaps, in nats of the total: where the sample's problem is good enough, and where full curvature is worth its pass.
_ROUGH, _NEAR = 1e-2, 1e-2
# Of many rows, farther away: the predictors there differ from the optimum's by some 1e-3 (root mean square), standard
# errors by 1e-4 of themselves. A Newton step from a gap g leaves g^2 / 2n, as a rule, and the next by the same factor
# 2g / n of that, so that two of them reach 1e-8 from here as they would from much nearer.
_NEAR_PER_ROW = 5e-7
# Here coefficients are within 5e-14 standard errors of the optimum: a further step would only shuffle last digits.
_AT_ROUNDING = 1e-27
_POLISH = 6
# Small fits of convex likelihoods end within 1e-12 standard errors of the optimum for certain, and 1e-13 as a rule. A
# factor whose step has cut the gap to this part of itself is as good for the next as its successor.
_ENOUGH, _LAST_CHORD = 1e-24, 1e-5
# A Newton step along the line that is longer than this, or as much shorter, is not used.
_MOST_STRETCHED = 8.0
# Columns beyond which a curvature costs many gradients, so that L-BFGS comes first even on the sample.
_DEAR_CURVATURE = 150


# What scipy's own methods are told to reach: a gradient, or a change of F, of this size.
_TOLERANCE_OF_SCIPY = 1e-12


def affordable(objective: PenalizedNLL) -> bool:
    """Return whether the full curvature is formed: its order is moderate, and few rows have many classes."""
    predictors = objective.predictors
    few = predictors.size <= _MOST_PARAMETERS and predictors.curvature_fits
    return few and (not predictors.many_classes or _work(objective) <= _MOST_WORK_OF_CLASSES)


def solve(objective: PenalizedNLL, start: Array, options: FitOptions, **how: Any) -> Solution:
    """Minimize the objective from ``start``; ``how`` is as in ``begin_search``."""
    stages, search = begin_search(objective, start, options, **how)
    return stages(search)


def begin_search(
    objective: PenalizedNLL,
    start: Array,
    options: FitOptions,
    *,
    null_value: float | None = None,
    tol: float | None = None,
    **how: Any,
) -> "tuple[Stages, Search]":
    """Return the stages that minimize the objective, and the search from ``start`` that is to go through them.

    Parameters
    ----------
    null_value : float or None
        F at the null model; None means that ``start`` is the null model.
    tol : float or None
        In the unit of the objective; None takes ``options.tol``.
    observer : callable or None
        theta -> True to stop.
    settled : callable or None
        (theta, F) -> whether the search has shown that there is no maximum, and may stop; None if a maximum is known to
        exist. Newton-CG asks once per iteration: its iterations are expensive, the more so the flatter F is.
    first : Factor or None
        That of the Hessian at ``start``, where it is known already.
    n_iter : int
        Iterations that led to ``start``: they count in ``options.max_iter`` and in the solution's.
    polish : int
        At most so many Newton steps beyond ``tol``, towards rounding.
    """
    named = {"newton": _newton, "newton-cg": _newton_cg_to_rounding, "lbfgs": _lbfgs}
    stages: Stages | None = _stages(objective) if options.solver == "auto" else named.get(options.solver)
    if options.solver == "newton":
        objective.predictors.refuse_large_curvature("solver='auto' and solver='newton-cg' need no such table")
    search = Search(objective, start, options.max_iter, options.tol if tol is None else tol, **how)
    if (
        search.first is None
        and stages is _newton
        and (objective.likelihood.quadratic or not objective.data.in_one_place)
    ):
        objective.value(start, "hessian")  # what Newton's method asks for first, in one pass
    search.reference = objective.value(start) if null_value is None else null_value
    return stages or partial(_by_scipy, method=options.solver), search


def _stages(objective: PenalizedNLL) -> "Stages":
    """Return the stages that suit an objective."""
    # Where few entries of many are not zero, one curvature costs thousands of passes.
    passes = objective.data.n_columns**2 / max(objective.data.entries_per_row, 1.0)
    if not affordable(objective) or passes > _PASSES_A_CURVATURE:
        return _newton_cg
    if objective.predictors.many_classes:
        return _newton_cg_then_newton
    if objective.likelihood.quadratic or _work(objective) < _SAMPLE_WORK:
        return _newton
    # Too few rows to sample, yet a curvature costs many gradients: L-BFGS takes the steps in between.
    return _sample_first if _worth_a_sample(objective) else _lbfgs


@dataclass
class Search:
    """A minimization in stages: where it stands, who watches it, and how many iterations are left."""

    objective: PenalizedNLL
    start: Array
    max_iter: int
    tol: float
    reference: float = np.inf
    observer: Callable[[Array], bool] | None = None
    settled: Callable[[Array, float], bool] | None = None
    first: Factor | None = None
    n_iter: int = 0
    polish: int = _POLISH
    ended: Status = Status.CONVERGED

    def __post_init__(self) -> None:
        self.theta = self.start

    @property
    def left(self) -> int:
        """How many iterations are left."""
        return 0 if self.ended.early else max(self.max_iter - self.n_iter, 0)

    def newton(
        self, method: Any = newton, *, settled: Any = None, eager: bool = False, polish: int | None = None, **how: Any
    ) -> Solution:
        """Take Newton steps; ``eager`` forms the curvature at every point, with value and gradient."""
        objective, n_rows = self.objective, self.objective.data.n_rows
        # Curvatures that forming them leaves unresolved are those of separated classes, as a rule: a QR of as many rows
        # as there are rows and classes waits until it is decided that a maximum exists.
        of_rows = self.settled is None or not objective.predictors.many_classes
        result = minimize(
            partial(objective.value, curvature="hessian") if eager else objective.value,
            self.theta,
            jac=objective.gradient,  # the objective remembers its last point; scipy's memory (jac=True) is a second one
            hess=objective.hessian,
            hessp=objective.hessian_product,
            method=method,
            callback=self._callback(settled),
            options={
                "tol": self.tol,
                "maxiter": self.left,
                "reference": self.reference,
                "rounding": EPS * n_rows if n_rows >= MANY_ROWS else 0.0,
                "factor": partial(hessian_factor, objective, of_rows=of_rows),
                "safe_factor": partial(safe_factor, objective, of_rows=of_rows),
                "first": self.first if self.theta is self.start else None,
                "constant_curvature": objective.likelihood.quadratic,
                "polish": 0 if self.ended.early else self.polish if polish is None else polish,
                **how,
            },
        )
        return self._after(result.solution)

    def newton_cg(self, metric: Factor, most: int | None = None, **how: Any) -> Solution:
        """Take Newton steps by conjugate gradients."""
        how["maxiter"] = self.left if most is None else min(most, self.left)
        return self.newton(newton_cg, settled=self.settled, preconditioner=metric, **how)

    def lbfgs(self, metric: Factor, gap: float, most: int, **how: Any) -> Solution:
        """Take steps of L-BFGS in whitened variables."""
        maxiter, callback = min(most, self.left), self._callback(None)
        function = self.objective.value_and_gradient
        found = whitened_lbfgs(function, self.theta, metric, gap=gap, maxiter=maxiter, callback=callback, **how)
        return self._after(found)

    def scipy(self, method: str) -> OptimizeResult:
        """Let a method of scipy's own go as far as it comes."""
        objective = self.objective
        hessian = {"trust-exact": {"hess": objective.hessian}, "L-BFGS-B": {}}
        result = minimize(
            objective.value_and_gradient,
            self.theta,
            jac=True,
            method=method,
            tol=_TOLERANCE_OF_SCIPY,
            callback=self._callback(None),
            options={"maxiter": self.left},
            **hessian.get(method, {"hessp": objective.hessian_product}),
        )
        self.theta, self.n_iter = result.x, self.n_iter + result.nit
        return result

    def _callback(self, settled: Callable[[Array, float], bool] | None) -> Callback | None:
        if self.observer is None and settled is None:
            return None

        def callback(intermediate_result: OptimizeResult) -> None:
            theta, value = intermediate_result.x, intermediate_result.fun
            if self.observer is not None and self.observer(theta):
                self.ended = Status.STOPPED
            elif settled is not None and settled(theta, value):
                self.ended = Status.SETTLED
            if self.ended.early:
                raise StopIteration

        return callback

    def _after(self, found: Solution) -> Solution:
        """Take a stage's end as the next one's start, and return it with the iterations of all stages so far."""
        self.theta, self.n_iter = found.theta, self.n_iter + found.n_iter
        if self.n_iter == found.n_iter and not self.ended.early:
            return found
        return replace(found, status=self.ended if self.ended.early else found.status, n_iter=self.n_iter)


# From where a search stands to its end.
Stages = Callable[[Search], Solution]


def _newton(search: Search) -> Solution:
    """Newton's method from the start, to rounding."""
    objective, likelihood = search.objective, search.objective.likelihood
    if likelihood.quadratic:
        # One step is exact to rounding: only small problems can afford to win its last digits back.
        return search.newton(polish=search.polish if _work(objective) < _SAMPLE_WORK else 0, enough=_AT_ROUNDING)
    # A step that is not kept wastes its curvature, but a second pass over rows elsewhere would cost more.
    eager = not objective.data.in_one_place
    if likelihood.convex:
        found = search.newton(eager=eager, length=partial(_length, objective), enough=_ENOUGH, chord=_LAST_CHORD)
    else:
        found = search.newton(eager=eager, enough=_AT_ROUNDING, chord=_LAST_CHORD)
    if found.status is not Status.ROUNDING or found.gap <= _ROUGH:
        return found
    # Weights over many decades: a step that suits the heavy rows threw the light ones out of sight. L-BFGS, whose
    # steps never trust one curvature far, is right there.
    search.theta = search.start
    other = _lbfgs(search)
    return other if other.gap < found.gap else replace(found, n_iter=other.n_iter)


def _newton_cg(search: Search, most: int | None = None) -> Solution:
    """Newton-CG, preconditioned by the curvature of a sample at its optimum where rows are many."""
    objective = search.objective
    if 2 * sample_size(objective.data) >= objective.data.n_rows:
        first = preconditioner(objective, search.theta)
        return search.newton_cg(first, most, refresh=partial(preconditioner, objective))
    local, share = sample_objective(objective)
    rough = Search(local, search.theta, search.max_iter if most is None else most, _ROUGH)
    search.theta = rough.newton_cg(preconditioner(local, rough.theta)).theta
    return search.newton_cg(preconditioner(local, search.theta).times(1 / share), most)


def _newton_cg_then_newton(search: Search) -> Solution:
    """A few iterations of Newton-CG, cheaper than curvatures and mostly enough, but not for separated classes."""
    near = _newton_cg(search, _FIRST_OF_CLASSES)
    if near.status is not Status.MAX_ITER or not search.left:
        return near
    search.start = search.theta
    return _newton(search)


def _newton_cg_to_rounding(search: Search) -> Solution:
    """Newton-CG; then steps with the true curvature, where it can be formed."""
    near = _newton_cg(search)
    return near if near.status.early or not affordable(search.objective) else search.newton()


def _sample_first(search: Search) -> Solution:
    """Start from a sample's optimum, and let its curvature whiten L-BFGS on all rows; end with exact Newton steps.

    A sample that misleads costs ten passes: Newton's method goes on from wherever they led.
    """
    objective, null_value = search.objective, search.reference
    search.theta, metric = _sample_optimum(objective, search.start, search.max_iter)
    n_rows = objective.data.n_rows
    near = search.lbfgs(
        metric,
        max(_NEAR, _NEAR_PER_ROW * n_rows),
        _SAMPLE_PASSES,
        at_the_end=objective.value_gradient_hessian,
        # The square of the error of the sample's curvature, relative to that of all rows.
        first_cut=2 * objective.predictors.size / sample_size(objective.data),
    )
    if not near.value <= null_value:
        search.theta = search.start
    return _from_near(search)


def _from_near(search: Search) -> Solution:
    """Newton steps from a gap where the curvature is worth its passes."""
    # A tolerance so loose is met where the curvature is formed; the pass that would tighten it was not asked for.
    return search.newton(polish=int(search.tol < _NEAR), enough=1e-2 * search.tol, chord=_CHORD)


def _sample_optimum(objective: PenalizedNLL, start: Array, max_iter: int) -> tuple[Array, Factor]:
    """Return the optimum on a sample of the rows, and the factor of its curvature scaled to all rows."""
    local, share = sample_objective(objective)
    search = Search(local, start, max_iter, _ROUGH)
    if _worth_a_sample(local):
        search.theta, metric = _sample_optimum(local, start, max_iter)
        search.lbfgs(metric, _ROUGH, _SAMPLE_PASSES)
    elif objective.predictors.shape[1] > _DEAR_CURVATURE:
        search.lbfgs(safe_factor(local, start), _ROUGH, _SAMPLE_PASSES)
    end = search.newton(polish=0, chord=_CHORD)
    assert end.factor is not None
    return end.theta, end.factor.times(1 / share)


def _lbfgs(search: Search) -> Solution:
    """L-BFGS whitened by the curvature where it stands, anew every few passes; then the certificate and its step."""
    objective, formed, metric = search.objective, affordable(search.objective), search.first
    # Exact steps in place of the last of L-BFGS save passes; of several classes they take more than one curvature.
    large = formed and objective.predictors.shape[0] == 1 and _work(objective) > _SAMPLE_WORK
    gap = max(search.tol, _NEAR) if large else search.tol
    while True:
        if metric is None or search.theta is not search.start:
            metric = rough_factor(objective, search.theta) if formed else preconditioner(objective, search.theta)
        near = search.lbfgs(metric, gap, _PASSES_A_FACTOR if formed else search.max_iter)
        if near.status is not Status.MAX_ITER or not search.left:
            break
    if large:
        return _from_near(search)
    return search.newton(enough=_AT_ROUNDING) if formed else search.newton_cg(metric)


def _by_scipy(search: Search, method: str) -> Solution:
    """A method of scipy's own, by its name; our gap judges where it ended."""
    result = search.scipy(method)
    ended_by_itself, search.max_iter = result.nit < search.max_iter, search.n_iter
    end = search.newton(polish=0)
    return replace(end, status=Status.ROUNDING) if ended_by_itself and end.status is Status.MAX_ITER else end


def _length(objective: PenalizedNLL, theta: Array, step: Array) -> float:
    """Return where along a Newton step F is least, by one more Newton step along it from its end.

    Far from the optimum the tails of a logistic likelihood make steps too short, by a factor of two or three.
    """
    slope, curvature = objective.along(theta, step) or (0.0, 0.0)
    length = 1.0 - slope / curvature if curvature > 0 else 1.0
    return length if 1 / _MOST_STRETCHED < length < _MOST_STRETCHED else 1.0


def _work(objective: PenalizedNLL) -> float:
    """Return the multiply-adds of one curvature of all rows."""
    predictors = objective.predictors
    return float(objective.data.n_rows) * predictors.shape[1] ** 2 * len(predictors.terms) ** 2


def _worth_a_sample(objective: PenalizedNLL) -> bool:
    """Return whether curvatures of all rows are so expensive that a sample of them should be fitted first."""
    return _work(objective) > _SAMPLE_WORK and sample_size(objective.data) < _MOST_SHARE * objective.data.n_rows
