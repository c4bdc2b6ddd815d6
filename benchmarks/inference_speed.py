"""Fit and summary of a logistic regression on 400,000 x 20 rows, ours beside statsmodels' ``Logit``, in turns."""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import synthetic
from sklearn_mle import MLELogisticClassifier

__all__ = ["compare"]

Array = NDArray[Any]


def _ours(X: Array, y: Array) -> Array:
    model = MLELogisticClassifier().fit(X, y)
    repr(model.summary())
    return model.standard_errors()


def _theirs(X: Array, y: Array) -> Array:
    import statsmodels.api as sm

    fit = sm.Logit(y, sm.add_constant(X)).fit(disp=0)
    str(fit.summary())
    return np.asarray(fit.bse)


def compare(n: int, p: int, repeats: int, say: Callable[[str], None] = print) -> float:
    """Print the shortest time of each, and how far their standard errors are apart; return the ratio of the times."""
    X, y = synthetic.correlated_binary(n, p, seed=5)
    times: dict[str, list[float]] = {"sklearn_mle": [], "statsmodels": []}
    errors: dict[str, Array] = {}
    for _ in range(repeats):
        for name, run in (("sklearn_mle", _ours), ("statsmodels", _theirs)):
            began = time.perf_counter()
            errors[name] = run(X, y)
            times[name].append(time.perf_counter() - began)
    apart = np.abs(errors["sklearn_mle"] / errors["statsmodels"] - 1).max()
    for name, seconds in times.items():
        say(f"{name:<12} fit and summary of {n:,} x {p}: {min(seconds):.3f} s")
    ratio = min(times["statsmodels"]) / min(times["sklearn_mle"])
    say(f"ratio {ratio:.1f}; standard errors apart by {apart:.1e} of themselves")
    return ratio


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    compare(arguments.rows, arguments.columns, arguments.repeats)
