"""Time of a Firth fit beside firthmodels with numba, after warm-up: ``python -m benchmarks.firth``, both installed."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_mle import MLELogisticClassifier

SIZES = [(1_000, 10), (1_000, 50), (10_000, 20), (100_000, 20), (100_000, 50)]
REPEATS = 9


def best(fit: Callable[[Any, Any], Any], X: Any, y: Any) -> float:
    """Return the least time of several fits, after one that warms up."""
    fit(X, y)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        fit(X, y)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print one line a size: both times, their ratio, and the largest difference in standard errors."""
    from firthmodels import FirthLogisticRegression

    print(f"{'rows':>8} {'columns':>8} {'ours ms':>9} {'firthmodels ms':>15} {'ratio':>6} {'difference':>11}")
    for n, p in SIZES:
        generator = np.random.default_rng(0)
        X = generator.normal(size=(n, p))
        logit = X @ generator.normal(size=p) / np.sqrt(p) - 1
        y = (generator.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
        ours, theirs = MLELogisticClassifier(bias_reduction="firth"), FirthLogisticRegression(backend="numba")
        mine, other = best(ours.fit, X, y), best(theirs.fit, X, y)
        difference = np.abs((ours.coef_[0] - theirs.coef_) / ours.standard_errors()[1:]).max()
        print(f"{n:>8} {p:>8} {1e3 * mine:>9.2f} {1e3 * other:>15.2f} {other / mine:>6.2f} {difference:>11.1e}")


if __name__ == "__main__":
    main()
