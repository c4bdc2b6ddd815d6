"""How the time of a fit grows with rows and columns: seconds per number in X, and log-log slopes."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import synthetic
from benchmarks.problem import Problem, save
from benchmarks.process import run_child
from benchmarks.solvers import DEFAULT

__all__ = ["run", "slopes"]

ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
COLUMNS = (10, 30, 100, 300, 1_000)
MAX_NUMBERS = 100_000_000  # 0.8 GB
QUICK_NUMBERS = 1_000_000
ROWS_PER_COLUMN = 20  # with fewer, unpenalized fits are nearly separated and another question


def run(quick: bool, timeout: float, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Time unpenalized binary fits at the default tolerance over a grid of sizes, each in a fresh process."""
    limit = QUICK_NUMBERS if quick else MAX_NUMBERS
    points = []
    for n in ROWS:
        for p in COLUMNS:
            if n * p > limit or n < ROWS_PER_COLUMN * p:
                continue
            X, y = synthetic.correlated_binary(n, p, seed=100)
            with tempfile.TemporaryDirectory(prefix="sklearn_mle_growth_") as folder:
                save(Path(folder), Problem("growth", "bernoulli", n, p, 2), X, y)
                result = run_child(Path(folder), "sklearn_mle", DEFAULT, timeout)
            seconds = result.get("seconds", float("nan"))
            say(f"{n:>9,} x {p:<5,} {seconds:9.4f} s   {1e9 * seconds / (n * p):7.2f} ns a number")
            points.append({"n": n, "p": p, **result})
    return points


def slopes(points: list[dict[str, Any]], along: str, at: str) -> dict[int, float]:
    """Return the slope of log time against log `along` ("n" or "p") at each value of `at` with three sizes or more."""
    found = {}
    for value in sorted({point[at] for point in points}):
        line = [(point[along], point["seconds"]) for point in points if point[at] == value and point["status"] == "ok"]
        if len(line) >= 3:
            sizes, seconds = np.log(np.array(line)).T
            found[value] = float(np.polyfit(sizes, seconds, 1)[0])
    return found
