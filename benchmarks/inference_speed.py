"""A fit and its inference on many rows, ours beside statsmodels', in turns: least squares and a logistic regression.

    python -m benchmarks.inference_speed

Each side does what its users do: it fits, and has the covariance that is asked for. Sandwiches are HC1 and HC3 (which
statsmodels has of least squares alone) and those of 1,000 clusters. The last line is the summary of a fit and its text.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import synthetic
from benchmarks.timing import in_turns
from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.inference import infer

__all__ = ["compare"]

Array = NDArray[Any]

MODEL_BASED = "hessian"
# The kinds of each model, besides the one that takes it for true.
SANDWICHES = {"least squares": ("HC1", "HC3", "cluster"), "logistic": ("HC1", "cluster")}
N_CLUSTERS = 1_000


def _ours(model: str, covariance: str, X: Array, y: Array, groups: Array) -> Array:
    estimator = MLELogisticClassifier() if model == "logistic" else GaussianMLERegressor()
    estimator.fit(X, y)
    if covariance == MODEL_BASED:
        return np.asarray(estimator.standard_errors())
    given = {"groups": groups} if covariance == "cluster" else {}
    return np.asarray(infer(estimator, X, y, covariance=covariance, **given).standard_errors)


def _theirs(model: str, covariance: str, X: Array, y: Array, groups: Array) -> Array:
    import statsmodels.api as sm

    options: dict[str, Any] = {} if covariance == MODEL_BASED else {"cov_type": covariance}
    if covariance == "cluster":
        options["cov_kwds"] = {"groups": groups}
    if model == "logistic":
        return np.asarray(sm.Logit(y, sm.add_constant(X)).fit(disp=0, **options).bse)
    return np.asarray(sm.OLS(y, sm.add_constant(X)).fit(**options).bse)


def compare(n: int, p: int, repeats: int, say: Callable[[str], None] = print) -> dict[str, float]:
    """Print the shortest times of each model and covariance, and how far the standard errors are apart.

    Returns
    -------
    dict
        From "model, covariance" to statsmodels' time over ours.
    """
    X, labels = synthetic.correlated_binary(n, p, seed=5)
    rng = np.random.default_rng(5)
    amounts = X @ rng.standard_normal(p) + rng.standard_normal(n)
    groups = rng.integers(0, N_CLUSTERS, n)
    ratios = {}
    for model, kinds in SANDWICHES.items():
        y = labels if model == "logistic" else amounts
        for covariance in (MODEL_BASED, *kinds):
            errors: dict[str, Array] = {}

            def run(who: str, function: Callable[..., Array], *given: Any, errors: dict[str, Array] = errors) -> None:
                errors[who] = function(*given)

            given = (model, covariance, X, y, groups)
            calls = {"ours": partial(run, "ours", _ours, *given), "theirs": partial(run, "theirs", _theirs, *given)}
            seconds = in_turns(calls, repeats)
            apart = np.abs(errors["ours"][: p + 1] / errors["theirs"] - 1).max()
            name = f"{model}, {covariance}"
            ratios[name] = seconds["theirs"] / seconds["ours"]
            say(
                f"{name:24} {seconds['ours']:7.3f} s {seconds['theirs']:7.3f} s {ratios[name]:6.1f}   "
                f"standard errors apart by {apart:.0e} of themselves"
            )
    fitted = MLELogisticClassifier().fit(X, labels)
    summary = fitted.summary()
    seconds = in_turns({"summary": fitted.summary, "text": lambda: str(summary)}, 50)
    say(f"summary() after the fit {1e3 * seconds['summary']:.3f} ms, its text {1e3 * seconds['text']:.3f} ms")
    return ratios


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"fit and covariance of {arguments.rows:,} x {arguments.columns}: ours, statsmodels', ratio")
    compare(arguments.rows, arguments.columns, arguments.repeats)
