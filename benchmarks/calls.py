"""Count the Python calls of a fit: ours beside those of scikit-learn's own linear models.

What is counted is a call of a function of one package (by the file that it is defined in), the files they are in, and
the deepest stack of them. The counts are of a warm process, and the same each time.

    python -m benchmarks.calls
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import sklearn
from sklearn.linear_model import GammaRegressor, LogisticRegression

import sklearn_mle
from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle.likelihoods import Bernoulli

__all__ = ["FITS", "Calls", "Fit", "calls_of", "calls_per_pass"]

OURS = Path(sklearn_mle.__file__).parent
THEIRS = Path(sklearn.__file__).parent / "linear_model"

INLINED = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
N_ROWS, N_COLUMNS = 500, 5


@dataclass(frozen=True)
class Calls:
    """How many calls of a package's functions there were, of how many files, and how many at once."""

    calls: int
    files: int
    deepest: int


@dataclass(frozen=True)
class Fit:
    """A fit whose calls are counted, with the folder whose functions count."""

    package: Path
    run: Callable[[], Any]

    def __call__(self) -> Calls:
        return calls_of(self.run, self.package)


def calls_of(function: Callable[[], Any], package: Path) -> Calls:
    """Return the calls of functions defined below ``package`` that a second run of ``function`` makes."""
    function()
    prefix = str(package)
    frames = FrameCounter(prefix)
    sys.setprofile(frames)
    try:
        function()
    finally:
        sys.setprofile(None)
    return Calls(frames.calls, len(frames.files), frames.deepest)


class FrameCounter:
    """A profiler that counts the frames of one package.

    Those of comprehensions and generator expressions do not count: newer Pythons have none.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix, self.calls, self.depth, self.deepest = prefix, 0, 0, 0
        self.files: set[str] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(self.prefix) or code.co_name in INLINED:
            return
        if event == "return":
            self.depth -= 1
            return
        self.calls += 1
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        self.files.add(code.co_filename)


def _data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_COLUMNS))
    eta = X @ np.linspace(-1, 1, N_COLUMNS)
    return {
        "X": X,
        "y": (rng.random(N_ROWS) < 1 / (1 + np.exp(-eta))).astype(int),
        "amounts": np.exp(0.3 * eta) * rng.gamma(2.0, 0.5, N_ROWS),
        "weight": rng.uniform(0.5, 1.5, N_ROWS),
        "offset": rng.normal(0, 0.5, N_ROWS),
    }


def _fits() -> dict[str, Fit]:
    data = _data()
    X, weight = data["X"], {"sample_weight": data["weight"]}
    of_all = {**weight, "offset": data["offset"]}

    def ours(estimator: Any, target: str) -> Fit:
        return Fit(OURS, lambda: estimator.fit(X, data[target], **of_all))

    def theirs(estimator: Any, target: str) -> Fit:
        return Fit(THEIRS, lambda: estimator.fit(X, data[target], **weight))

    return {
        "logistic": ours(MLELogisticClassifier(), "y"),
        "logistic, scikit-learn": theirs(LogisticRegression(C=np.inf, solver="newton-cholesky"), "y"),
        "gamma": ours(MLERegressor("gamma"), "amounts"),
        "gamma, scikit-learn": theirs(GammaRegressor(alpha=0, solver="newton-cholesky"), "amounts"),
    }


FITS = _fits()


def calls_per_pass() -> float:
    """Return how many calls one pass over the rows more costs: a value of an objective, and with it the gradient."""
    data = _data()
    rows = Data(DenseRows(data["X"]), data["y"].astype(float), data["weight"], data["offset"][None])
    objective = PenalizedNLL(Bernoulli(), LinearPredictors(N_COLUMNS, [Terms()]), rows, NoPenalty())
    thetas = iter(np.eye(N_COLUMNS + 1))
    return calls_of(lambda: objective.value(next(thetas)), OURS).calls


def main() -> None:
    """Print the table."""
    print(f"{'fit':24} {'calls':>6} {'files':>6} {'deepest':>8}")
    for name, fit in FITS.items():
        calls = fit()
        print(f"{name:24} {calls.calls:6} {calls.files:6} {calls.deepest:8}")
    print(f"{'a pass more':24} {calls_per_pass():6}")


if __name__ == "__main__":
    main()
