"""What users do many times: refits, cross-validation, comparison, summaries, clones, pickles.

    python -m benchmarks.many

Seconds of ours, beside scikit-learn's where it has the same; in one process, in turns.
"""

import pickle
import warnings
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, cross_val_score

from benchmarks.timing import in_turns
from benchmarks.workloads import SEARCHED
from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.likelihoods import get_likelihood, likelihood_names
from sklearn_mle.model_selection import compare

__all__ = ["main"]

REFITS = 1_000
Array = np.ndarray


def bootstrap(model: Any, X: Array, y: Array) -> Array:
    """Return the coefficients of refits to resampled rows: weights say how often a row was drawn."""
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=REFITS).astype(float)
    return np.array([model.fit(X, y, sample_weight=weight).coef_[0] for weight in draws])


def searches(X: Array, y: Array, tol: float) -> dict[str, Callable[[], Any]]:
    """Return searches over ten C with five folds: ours, and scikit-learn's two ways at a tolerance of theirs."""
    peer = {"solver": "newton-cholesky", "tol": tol, "max_iter": 10_000}
    grid, options = {"C": list(SEARCHED)}, {"cv": 5, "scoring": "neg_log_loss"}
    ours, theirs = MLELogisticClassifier(), LogisticRegression(**peer)
    path = LogisticRegressionCV(Cs=SEARCHED, **peer, **options, l1_ratios=(0,), use_legacy_attributes=False)
    return {
        "ours": lambda: GridSearchCV(ours, grid, **options).fit(X, y),
        "theirs": lambda: GridSearchCV(theirs, grid, **options).fit(X, y),
        "LogisticRegressionCV": lambda: path.fit(X, y),
    }


def outcome(name: str, eta: Array, rng: np.random.Generator) -> Array:
    """Return outcomes that a likelihood may have, around a linear predictor."""
    likelihood = get_likelihood(name)
    parameters = np.zeros((likelihood.n_predictors, len(eta)))
    parameters[0] = 0.3 * eta
    return np.asarray(likelihood.distribution(parameters).rvs(random_state=rng), dtype=float)


def _line(name: str, seconds: dict[str, float]) -> None:
    told = "  ".join(f"{who} {1e3 * value:.3f} ms" for who, value in seconds.items())
    ratio = f"  ratio {seconds['theirs'] / seconds['ours']:.2f}" if "theirs" in seconds else ""
    print(f"{name:44} {told}{ratio}")


def main() -> None:
    """Print one line for each thing that is done many times."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 10))
    y = (rng.random(500) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    ours, theirs = MLELogisticClassifier(warm_start=True), LogisticRegression(C=np.inf, warm_start=True)
    theirs.set_params(solver="newton-cholesky", tol=1e-6)
    refits = {"ours": lambda: bootstrap(ours, X, y), "theirs": lambda: bootstrap(theirs, X, y)}
    _line(f"bootstrap, {REFITS:,} refits of 500 x 10", in_turns(refits, 2))

    for name, load, tol in (("breast_cancer", load_breast_cancer, 1e-6), ("digits", load_digits, 1e-4)):
        _line(f"GridSearchCV, 10 C x 5 folds, {name}", in_turns(searches(*load(return_X_y=True), tol), 1))

    many = rng.standard_normal((5_000, 20))
    eta = many @ np.linspace(-0.5, 0.5, 20)
    for name in likelihood_names():
        target = outcome(name, eta, rng)
        scores = {"ours": partial(cross_val_score, MLERegressor(name), many, target)}
        _line(f"cross_val_score of {name}, 5,000 x 20", in_turns(scores, 1))

    labels = (rng.random(5_000) < 1 / (1 + np.exp(-eta))).astype(int)
    models = {f"C={C:g}": MLELogisticClassifier(C=C) for C in (0.01, 0.1, 1.0)}
    calls = {
        "compare": lambda: compare(models, many, labels),
        "the fits": lambda: [cross_val_score(model, many, labels) for model in models.values()],
    }
    _line("compare of three, 5,000 x 20", in_turns(calls, 5))

    fitted, peer = MLELogisticClassifier().fit(X, y), LogisticRegression(C=np.inf).fit(X, y)
    summary = fitted.summary()
    _line("summary of 500 x 10", in_turns({"summary()": fitted.summary, "its text": lambda: str(summary)}, 50))
    asked: dict[str, Callable[[Any], Any]] = {"clone": clone, "get_params": methodcaller("get_params"), "repr": repr}
    for name, call in asked.items():
        _line(name, in_turns({"ours": partial(call, fitted), "theirs": partial(call, peer)}, 50))
    print(f"pickle of 500 x 10: {len(pickle.dumps(fitted)):,} bytes, scikit-learn's {len(pickle.dumps(peer)):,}")


if __name__ == "__main__":
    main()
