"""Coverage by simulation: how often 95% intervals hold the truth, for Wald's, robust and profile intervals.

Every design is drawn once and its outcomes many times, from one seed, so a table can be reproduced to the digit.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer, profile_interval

__all__ = ["LEVEL", "SETTINGS", "Setting", "coverage", "run", "table"]

Array = NDArray[np.float64]
Intervals = Callable[[Any, Array, Array], Array]

LEVEL = 0.95


@dataclass(frozen=True)
class Setting:
    """A model of which outcomes are drawn, the estimator that is fitted, and the coefficients' truth."""

    name: str
    estimator: Any
    n: int
    truth: Array  # intercept first
    draw: Callable[[np.random.Generator, Array, Array], Array]
    kinds: tuple[str, ...]


def _logistic(rng: np.random.Generator, X: Array, eta: Array) -> Array:
    return (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)


def _poisson(rng: np.random.Generator, X: Array, eta: Array) -> Array:
    return rng.poisson(np.exp(eta)).astype(float)


def _overdispersed(rng: np.random.Generator, X: Array, eta: Array) -> Array:
    return rng.poisson(np.exp(eta) * rng.gamma(2.0, 0.5, len(eta))).astype(float)


def _heteroscedastic(rng: np.random.Generator, X: Array, eta: Array) -> Array:
    return eta + np.exp(0.8 * X[:, 0]) * rng.standard_normal(len(eta))


MODEL, ROBUST = ("hessian",), ("hessian", "HC0", "HC3")
SETTINGS = (
    Setting(
        "logistic, n = 50", MLELogisticClassifier(), 50, np.array([0.3, 0.8, -0.5]), _logistic, (*ROBUST, "profile")
    ),
    Setting(
        "logistic, n = 200", MLELogisticClassifier(), 200, np.array([0.3, 0.8, -0.5]), _logistic, (*ROBUST, "profile")
    ),
    Setting(
        "Gaussian, unequal scales, one fitted, n = 200",
        GaussianMLERegressor(),
        200,
        np.array([1.0, 2.0, -1.0]),
        _heteroscedastic,
        ROBUST,
    ),
    Setting(
        "Gaussian, unequal scales, log-linear, n = 200",
        GaussianMLERegressor(scale="log_linear"),
        200,
        np.array([1.0, 2.0, -1.0]),
        _heteroscedastic,
        ("hessian", "HC0"),
    ),
    Setting(
        "Poisson, n = 200", MLERegressor("poisson"), 200, np.array([0.5, 0.5, -0.3]), _poisson, (*ROBUST, "profile")
    ),
    Setting(
        "Poisson fitted to overdispersed counts, n = 200",
        MLERegressor("poisson"),
        200,
        np.array([0.5, 0.5, -0.3]),
        _overdispersed,
        ROBUST,
    ),
)


def coverage(
    setting: Setting, replications: int, kinds: tuple[str, ...] | None = None
) -> dict[str, tuple[float, float]]:
    """Return, per kind of interval, the share of intervals that hold the slopes' truth, and their mean length.

    Samples without a finite maximum (separation) are left out, as their users would be warned.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((setting.n, len(setting.truth) - 1))
    eta = setting.truth[0] + X @ setting.truth[1:]
    kinds = setting.kinds if kinds is None else kinds
    hits: dict[str, list[Array]] = {kind: [] for kind in kinds}
    lengths: dict[str, list[Array]] = {kind: [] for kind in kinds}
    slopes = slice(1, len(setting.truth))
    for _ in range(replications):
        y = setting.draw(rng, X, eta)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                model = setting.estimator.fit(X, y)
            except UserWarning:
                continue
        for kind in kinds:
            ends = _intervals(model, X, y, kind)[slopes]
            hits[kind].append((ends[:, 0] <= setting.truth[slopes]) & (setting.truth[slopes] <= ends[:, 1]))
            lengths[kind].append(ends[:, 1] - ends[:, 0])
    return {kind: (float(np.mean(hits[kind])), float(np.mean(lengths[kind]))) for kind in kinds}


def _intervals(model: Any, X: Array, y: Array, kind: str) -> Array:
    if kind == "profile":
        names = infer(model).parameters
        found = [profile_interval(model, X, y, name, confidence_level=LEVEL, n_points=2).interval for name in names[1:]]
        return np.array([(np.nan, np.nan), *found])
    return infer(model, X, y, covariance=kind).confidence_intervals(LEVEL)


def table(replications: int, say: Callable[[str], None] = print) -> None:
    """Print a Markdown table of all settings."""
    say(f"Share of {LEVEL:.0%} intervals that hold the truth (mean length), {replications:,} replications")
    say("")
    say("| model | Wald | HC0 | HC3 | profile |")
    say("|---|---|---|---|---|")
    for setting in SETTINGS:
        found = coverage(setting, replications)
        cells = [
            f"{100 * found[kind][0]:.1f}% ({found[kind][1]:.3g})" if kind in found else ""
            for kind in ("hessian", "HC0", "HC3", "profile")
        ]
        say(f"| {setting.name} | {' | '.join(cells)} |")


def run(table: Callable[[int], None], description: str | None) -> None:
    """Print a table from the command line, with the replications that it asks for, and how long that took."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--replications", type=int, default=2000)
    arguments = parser.parse_args()
    began = time.perf_counter()
    table(arguments.replications)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    run(table, __doc__)
