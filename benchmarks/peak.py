"""Peak memory of fits beyond a dense X of 2 GB, beside the promise: 10% of X, the curvature, and 100 MB."""

import argparse

import numpy as np

from benchmarks.memory import PeakMemory
from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer

ROWS, COLUMNS, CHUNK = 2_600_000, 100, 100_000
MEGABYTE = 1e6


def design(n: int, p: int) -> np.ndarray:
    """Return a dense X of n rows, made chunk by chunk."""
    rng = np.random.default_rng(0)
    X = np.empty((n, p))
    for start in range(0, n, CHUNK):
        rng.standard_normal(out=X[start : start + CHUNK])
    return X


def main() -> None:
    """Print the peak of every fit, and of an inference, beyond X and y."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peak", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--columns", type=int, default=COLUMNS)
    options = parser.parse_args()
    n, p = options.rows, options.columns
    X, rng = design(n, p), np.random.default_rng(1)
    signal = X[:, :3] @ [0.5, -0.5, 0.25]
    labels = (signal + rng.logistic(size=n) > 0).astype(int)
    real, counts = signal + rng.standard_normal(n), rng.poisson(np.exp(signal)).astype(float)
    allowed = (0.1 * X.nbytes + 8 * (p + 1) ** 2) / MEGABYTE + 100
    print(f"X is {X.nbytes / MEGABYTE:,.0f} MB; promised are {allowed:,.0f} MB beyond it and y")
    classifier = MLELogisticClassifier()
    for name, model, y in (
        ("classifier", classifier, labels),
        ("penalized classifier", MLELogisticClassifier(C=1.0), labels),
        ("least squares", GaussianMLERegressor(), real),
        ("log-linear scale", GaussianMLERegressor(scale="log_linear"), real),
        ("poisson", MLERegressor("poisson"), counts),
        ("huber", MLERegressor("huber"), real),
        ("laplace", MLERegressor("laplace"), real),
    ):
        with PeakMemory() as memory:
            model.fit(X, y)
        print(f"{name:24s} {memory.extra / MEGABYTE:8,.0f} MB  {memory.extra / X.nbytes:6.1%} of X", flush=True)
    with PeakMemory() as memory:
        infer(classifier, X, labels, covariance="HC0")
    print(f"{'infer, HC0':24s} {memory.extra / MEGABYTE:8,.0f} MB  {memory.extra / X.nbytes:6.1%} of X", flush=True)


if __name__ == "__main__":
    main()
