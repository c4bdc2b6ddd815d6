"""One fit in a process of its own: a client of the cluster, which finds the data there by name."""

import json
import sys
import time
import warnings
from typing import Any

from distributed import Client, get_task_stream

from benchmarks.dask.passes import passes_of
from benchmarks.dask.rows import mean_nll
from benchmarks.dask.solvers import SOLVERS
from benchmarks.dask.traffic import Traffic
from benchmarks.memory import PeakMemory

__all__ = ["measure"]

WARM_UP = 2000  # rows
# The shortest of so many fits counts, while they are short.
REPEATS, SHORT = 3, 5.0  # seconds


def measure(address: str, solver: str, setting: Any) -> dict[str, Any]:
    """Return the time of one fit, what it moved to this process and back, its passes, and the judge's word on it."""
    traffic = Traffic()
    fit, _ = SOLVERS[solver]
    with Client(address) as client:
        X, y = client.get_dataset("X"), client.get_dataset("y")
        # Imports, here and on the workers, and the first calls of everything are not what is timed.
        fit(X[:WARM_UP], y[:WARM_UP], setting)
        runs = [timed(client, traffic, fit, X, y, setting)]
        while len(runs) < REPEATS and sum(run["seconds"] for run in runs) < SHORT:
            runs.append(timed(client, traffic, fit, X, y, setting))
        best = min(runs, key=lambda run: run["seconds"])
        coef, intercept = best.pop("answer")
        return {**best, "objective": mean_nll(X, y, coef, intercept)}


def timed(client: Client, traffic: Traffic, fit: Any, X: Any, y: Any, setting: Any) -> dict[str, Any]:
    """Return what one fit took, moved and answered."""
    received, sent = traffic.received, traffic.sent
    with get_task_stream(client) as stream:
        with PeakMemory() as memory:
            start = time.perf_counter()
            coef, intercept, n_passes = fit(X, y, setting)
            seconds = time.perf_counter() - start
        received, sent = traffic.received - received, traffic.sent - sent
    passes, n_sums, sum_seconds = passes_of(stream.data)
    return {
        "answer": (coef, intercept),
        "seconds": seconds,
        "received": received,
        "sent": sent,
        "memory": memory.extra,
        "n_passes": n_passes,
        "passes": passes,
        "n_sums": n_sums,
        "sum_seconds": sum_seconds,
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(measure(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))))
