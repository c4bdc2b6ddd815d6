"""One (solver, setting) on one problem, in a process of its own: warm up, time, judge, and write a JSON file."""

import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from benchmarks.memory import PeakMemory
from benchmarks.objective import Solution, total_objective
from benchmarks.problem import Problem, load, row_sample
from benchmarks.solvers import SOLVERS, Setting, Solver

__all__ = ["FOLDS", "find_setting", "measure", "n_rows_judged", "run"]

FOLDS = 5
WARM_UP_ITERATIONS = 2
LONG_FIT = 2.0  # seconds; shorter fits are repeated
SHORT_TOTAL = 0.5  # seconds spent at least on repeating fits of a few milliseconds
MAX_REPEATS = 30


class FitLog:
    """A scorer that keeps every fitted candidate of a search, because GridSearchCV throws them away."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.solutions: list[Solution] = []

    def __call__(self, estimator: Any, X: Any, y: np.ndarray) -> float:
        self.solutions.append(self.solver.solution(estimator))
        return float(estimator.score(X, y))


def find_setting(solver: Solver, problem: Problem, label: str) -> Setting:
    """Return the solver's setting of that label."""
    return next(setting for setting in solver.settings(problem) if setting.label == label)


def measure(
    problem: Problem,
    X: Any,
    y: np.ndarray,
    solver: Solver,
    setting: Setting,
    progress: Callable[[str], None] = lambda word: None,
    once: bool = False,
) -> dict[str, Any]:
    """Fit and judge.

    Parameters
    ----------
    problem, X, y : Problem, array, ndarray
        The problem and its data, in memory.
    solver, setting : Solver, Setting
        What to measure.
    progress : callable(str)
        Told "ready" before the timed fits, "fitted" after them, "judged" at the end.
    once : bool
        Whether one timed fit is enough, however short.

    Returns
    -------
    dict
        seconds (best), repeats (all times), cpu_seconds (of the first fit), total and mean (objective, nats),
        peak_bytes (beyond X), passes (over X, where the estimator counts them), and warnings (names of the classes of
        what the fit warned of).
    """

    def make() -> Any:
        estimator = solver.build(problem, setting.params)
        if not problem.search:
            return estimator
        log = FitLog(solver)
        return GridSearchCV(estimator, {"C": list(problem.search)}, cv=FOLDS, scoring=log)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _warm_up(problem, solver, X, y)
        caught.clear()
        progress("ready")
        fit, seconds, cpu_seconds, peak = _timed(make, X, y, once)
        progress("fitted")
    total = _search_total(problem, X, y, fit.scoring.solutions) if problem.search else None
    if total is None:
        judged = replace(problem, model=solver.objective) if solver.objective else problem
        total = total_objective(judged, X, y, solver.solution(fit))
    progress("judged")
    return {
        "seconds": min(seconds),
        "repeats": seconds,
        "cpu_seconds": cpu_seconds,
        "total": total,
        "mean": total / n_rows_judged(problem),
        "peak_bytes": peak,
        "passes": getattr(fit, "n_passes_", None),
        "warnings": sorted({warning.category.__name__ for warning in caught}),
    }


def n_rows_judged(problem: Problem) -> float:
    """Return the number of rows that the total objective sums over: over all fits, for a search."""
    return problem.n * (FOLDS - 1) * len(problem.search) if problem.search else problem.n


def _warm_up(problem: Problem, solver: Solver, X: Any, y: np.ndarray) -> None:
    """Fit a few rows of the same type: imports, thread pools and first calls are not what is measured."""
    square = np.ones((512, 512))
    square @ square  # starts the BLAS threads
    estimator = solver.build(problem, solver.settings(problem)[0].params)
    if isinstance(estimator, BaseEstimator) and "max_iter" in estimator.get_params():
        estimator.set_params(max_iter=WARM_UP_ITERATIONS)
    elif hasattr(estimator, "max_iter"):
        estimator.max_iter = WARM_UP_ITERATIONS
    try:
        estimator.fit(*row_sample(X, y))
    except Exception as error:  # few rows may be separable, and some peers raise then
        warnings.warn(f"warm-up: {error}", stacklevel=2)


def _timed(make: Callable[[], Any], X: Any, y: np.ndarray, once: bool) -> tuple[Any, list[float], float, int]:
    seconds: list[float] = []
    while True:
        estimator = make()
        if seconds:
            start = time.perf_counter()
            estimator.fit(X, y)
            seconds.append(time.perf_counter() - start)
        else:
            with PeakMemory() as memory:
                cpu, start = time.process_time(), time.perf_counter()
                estimator.fit(X, y)
                seconds.append(time.perf_counter() - start)
                cpu_seconds = time.process_time() - cpu
        enough = len(seconds) >= 3 and (sum(seconds) >= SHORT_TOTAL or len(seconds) >= MAX_REPEATS)
        if once or enough or seconds[0] >= LONG_FIT:
            return estimator, seconds, cpu_seconds, memory.extra


def _search_total(problem: Problem, X: Any, y: np.ndarray, solutions: list[Solution]) -> float:
    """Sum the objectives of all fits of a search: GridSearchCV loops over candidates, then folds."""
    folds = [train for train, _ in StratifiedKFold(FOLDS).split(X, y)]
    fits = [(1 / C, rows) for C in problem.search for rows in folds]
    return sum(
        total_objective(problem, X[rows], y[rows], solution, alpha)
        for (alpha, rows), solution in zip(fits, solutions, strict=True)
    )


def run(folder: Path, solver: str, setting: str, result: Path, once: bool = False, log: Path | None = None) -> None:
    """Measure, and write what `measure` returns, or the "error", to the JSON file `result`.

    The words that `measure` tells are appended to a file beside it, so that the parent times out the fit alone.
    """
    if log:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)

    def progress(word: str) -> None:
        with result.with_suffix(".progress").open("a") as file:
            file.write(word + "\n")

    problem, X, y = load(folder)
    try:
        chosen = SOLVERS[solver]
        measured = measure(problem, X, y, chosen, find_setting(chosen, problem, setting), progress, once)
    except Exception as error:
        measured = {"error": f"{type(error).__name__}: {error}"[:300]}
    result.write_text(json.dumps(measured))
