"""Small data, where the interpreter's time counts: fits and predictions of ours beside scikit-learn's, in turns.

    python -m benchmarks.small

Every peer is given a tolerance at which it ends within 1e-7 nats per row; each line is the shortest of many turns under
each family of kernels, and the ratio is the peer's time over ours.
"""

import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
)

from benchmarks.kernels import families, using
from benchmarks.timing import in_turns
from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor

__all__ = ["main", "measure"]

REPEATS = 200
TIGHT = {"solver": "newton-cholesky", "tol": 1e-6}
Pair = tuple[Callable[[], Any], Callable[[], Any] | None]


def _pairs() -> dict[str, Pair]:
    """Return (ours, the peer's) calls by what they do; None where there is no peer."""
    cancer, benign = load_breast_cancer(return_X_y=True)
    X, y = load_diabetes(return_X_y=True)
    rng = np.random.default_rng(0)
    many = rng.standard_normal((100_000, 30))
    labels = (rng.random(len(many)) < 1 / (1 + np.exp(-many[:, 0]))).astype(int)
    ours, theirs = MLELogisticClassifier().fit(many, labels), LogisticRegression(C=np.inf).fit(many, labels)
    amounts = MLERegressor("gamma").fit(X, y), GammaRegressor(alpha=0).fit(X, y)

    def fit(estimator: Any, X: Any = X, y: Any = y) -> Callable[[], Any]:
        return lambda: estimator.fit(X, y)

    return {
        "breast_cancer 569 x 30, C=1": (
            fit(MLELogisticClassifier(C=1.0), cancer, benign),
            fit(LogisticRegression(**TIGHT), cancer, benign),
        ),
        "diabetes 442 x 10, Gaussian": (fit(GaussianMLERegressor()), fit(LinearRegression())),
        "diabetes, Poisson": (fit(MLERegressor("poisson")), fit(PoissonRegressor(alpha=0, **TIGHT))),
        "diabetes, gamma": (fit(MLERegressor("gamma")), fit(GammaRegressor(alpha=0, **TIGHT))),
        "diabetes, Huber": (fit(MLERegressor("huber")), fit(HuberRegressor(alpha=0, tol=1e-7, max_iter=10_000))),
        "diabetes, Student-t": (fit(MLERegressor("student_t")), None),
        "diabetes, log-linear Gaussian": (fit(GaussianMLERegressor(scale="log_linear")), None),
        "predict_proba, 100,000 x 30": (lambda: ours.predict_proba(many), lambda: theirs.predict_proba(many)),
        "predict, 100,000 x 30": (lambda: ours.predict(many), lambda: theirs.predict(many)),
        "predict of gamma, 442 x 10": (lambda: amounts[0].predict(X), lambda: amounts[1].predict(X)),
    }


def measure(repeats: int = REPEATS) -> dict[str, tuple[float, float]]:
    """Return the shortest seconds of ours and of the peer (nan without one) by what they do."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (ours, theirs) in _pairs().items():
            calls = {"ours": ours} if theirs is None else {"ours": ours, "theirs": theirs}
            seconds = in_turns(calls, repeats)
            found[name] = seconds["ours"], seconds.get("theirs", float("nan"))
    return found


def main() -> None:
    """Print the table of each family of kernels."""
    for kernel in families():
        with using(kernel), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            measured = pool.submit(measure).result()
        print(f"{kernel or 'the library'}'s kernels: ours, the peer's, ratio")
        for name, (ours, theirs) in measured.items():
            print(f"  {name:32} {1e3 * ours:8.3f} ms {1e3 * theirs:8.3f} ms {theirs / ours:6.2f}")


if __name__ == "__main__":
    main()
