"""Time of a Firth fit beside firthmodels with numba, after warm-up: ``python -m benchmarks.firth``, both installed."""

from functools import partial
from typing import Any

import numpy as np

from benchmarks.timing import shortest
from sklearn_mle import MLELogisticClassifier

SIZES = [(1_000, 10), (1_000, 50), (10_000, 20), (100_000, 20), (100_000, 50)]
REPEATS = {1_000: 60, 10_000: 25, 100_000: 5}


def gap(X: Any, coefficients: Any, exact: MLELogisticClassifier) -> float:
    """Return how far below the penalized maximum an estimate is, in nats: half its squared length there."""
    design = np.column_stack([np.ones(len(X)), X])
    p = exact.predict_proba(X)[:, 1]
    distance = design @ (coefficients - np.concatenate([exact.intercept_, exact.coef_[0]]))
    return float(0.5 * (p * (1 - p)) @ np.square(distance))


def estimate(model: Any) -> Any:
    """Return the coefficients of either library, the intercept first."""
    return np.concatenate([np.atleast_1d(model.intercept_), np.ravel(model.coef_)])


def main() -> None:
    """Print one line a size: times and gaps of ours, and of firthmodels at its default tolerance and at our gap."""
    from firthmodels import FirthLogisticRegression

    heads = ("rows", "columns", "ours ms", "gap", "default ms", "gap", "ratio", "tight ms", "gap", "ratio")
    print(" ".join(f"{head:>10}" for head in heads))
    for n, p in SIZES:
        generator = np.random.default_rng(0)
        X = generator.normal(size=(n, p))
        logit = X @ generator.normal(size=p) / np.sqrt(p) - 1
        y = (generator.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
        ours = MLELogisticClassifier(bias_reduction="firth")
        exact = MLELogisticClassifier(bias_reduction="firth", tol=1e-16).fit(X, y)
        default = FirthLogisticRegression(backend="numba")
        # Their rule is on the largest entries of gradient and step, whatever the number of rows.
        tight = FirthLogisticRegression(backend="numba", gtol=1e-8 * np.sqrt(n), xtol=1e-9)
        times = [shortest(partial(model.fit, X, y), REPEATS[n]) for model in (ours, default, tight)]
        gaps = [gap(X, estimate(model), exact) for model in (ours, default, tight)]
        cells = [f"{n:,}", f"{p}", f"{1e3 * times[0]:.2f}", f"{gaps[0]:.0e}"]
        for time_, gap_ in zip(times[1:], gaps[1:], strict=True):
            cells += [f"{1e3 * time_:.2f}", f"{gap_:.0e}", f"{time_ / times[0]:.2f}"]
        print(" ".join(f"{cell:>10}" for cell in cells))


if __name__ == "__main__":
    main()
