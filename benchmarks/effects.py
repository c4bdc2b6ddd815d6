"""Time average effects of a pipeline of 20 columns on a million rows, in units of its ``predict_proba``.

Run as ``python -m benchmarks.effects [--rows N]``.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.inference import average_effects, infer

FITTED_ROWS = 30_000


def seconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    n = parser.parse_args().rows
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"x{k}": rng.normal(size=n) for k in range(14)})
    for k in range(3):
        X[f"s{k}"] = rng.gamma(3, 1, n)
        X[f"c{k}"] = pd.Categorical(rng.choice(list("abcd")[: k + 2], n))
    y = rng.uniform(size=n) < 1 / (1 + np.exp(1 - X["x0"] + 0.5 * X["x1"] - 0.3 * X["s0"]))
    transformers = make_column_transformer(
        (StandardScaler(), [f"x{k}" for k in range(14)]),
        (SplineTransformer(4, knots="quantile", include_bias=False), ["s0", "s1", "s2"]),
        (OneHotEncoder(drop="first", sparse_output=False), ["c0", "c1", "c2"]),
    )
    some = X[:FITTED_ROWS], y[:FITTED_ROWS]
    pipeline = make_pipeline(transformers, MLELogisticClassifier()).fit(*some)
    inference = infer(pipeline, *some, covariance="HC0")
    unit = min(seconds(lambda: pipeline.predict_proba(X)) for _ in range(3))
    total = seconds(lambda: average_effects(inference, X))
    print(f"{n:,} rows: predict_proba {unit:.2f} s; effects of 20 columns {total:.1f} s")
    print(f"per column {total / 20 / unit:.2f} predict_proba")


if __name__ == "__main__":
    main()
