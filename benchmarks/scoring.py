"""Time of ``cross_entropy`` beside scikit-learn's ``log_loss``: a million rows of ten classes.

Run ``python -m benchmarks.scoring`` on a quiet machine. ``log_loss`` takes probabilities only: from log-probabilities
its users must exponentiate first, which is not counted here.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from sklearn_mle.metrics import cross_entropy

__all__ = ["scoring_seconds"]


def scoring_seconds(n_rows: int = 1_000_000, n_classes: int = 10, repeats: int = 7) -> dict[str, float]:
    """Return the median seconds of each way, the ways taken in turn so that all see the same machine."""
    rng = np.random.default_rng(0)
    logs = log_softmax(rng.normal(size=(n_rows, n_classes)), axis=1)
    proba, y = np.exp(logs), rng.integers(0, n_classes, n_rows)
    ways: dict[str, Callable[[], float]] = {
        "log_loss": lambda: log_loss(y, proba),
        "cross_entropy of log-probabilities": lambda: cross_entropy(y, logs, log_proba=True),
        "cross_entropy of probabilities": lambda: cross_entropy(y, proba),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(of_way) for name, of_way in seconds.items()}


if __name__ == "__main__":
    measured = scoring_seconds()
    for name, of_way in measured.items():
        print(f"{name:36} {of_way:7.3f} s  {measured['log_loss'] / of_way:5.1f} times as fast as log_loss")
