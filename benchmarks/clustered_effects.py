"""Coverage of average effects under clustering: how often 95% intervals hold the effect in the rows at hand.

Outcomes of a cluster depend on each other by a Gaussian copula, so that each has exactly the distribution that is
fitted: what fails is the independence of rows and nothing else. One column varies within clusters, the other is a
treatment of half of them. The design is drawn once and its outcomes many times, from one seed.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from benchmarks.coverage import LEVEL, run
from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import average_effects, infer

__all__ = ["KINDS", "SETTINGS", "Setting", "coverage", "table"]

Array = NDArray[np.float64]

KINDS = ("hessian", "cluster", "CR2")
# Each effect by itself: CR2 has the degrees of freedom of each.
EFFECTS: tuple[dict[int, Any], ...] = ({0: None}, {1: [0.0, 1.0]})
# Intercept, slope of the column that varies, effect of the treatment, all on the link.
TRUTH = np.array([-0.3, 0.6, 0.5])
_CORRELATION = 0.25


@dataclass(frozen=True)
class Setting:
    """A model of which correlated outcomes are drawn, and the estimator that is fitted."""

    name: str
    estimator: Any
    n_clusters: int
    mean: Callable[[Array], Array]
    # From uniform numbers and means to outcomes.
    quantile: Callable[[Array, Array], Array]

    def design(self) -> tuple[Array, NDArray[np.intp]]:
        """Return X, its first column varying within clusters, its second between them; and the clusters."""
        rng = np.random.default_rng(self.n_clusters)
        sizes = np.resize([4, 6, 8, 12, 20], self.n_clusters)
        clusters = np.repeat(np.arange(self.n_clusters), sizes)
        own = rng.standard_normal(self.n_clusters)
        varying = np.sqrt(0.5) * (own[clusters] + rng.standard_normal(len(clusters)))
        # A third is treated.
        return np.column_stack([varying, (clusters % 3 == 0).astype(float)]), clusters

    def effects(self, X: Array) -> Array:
        """Return the true average effects of the two columns."""
        eta, step = TRUTH[0] + X @ TRUTH[1:], 1e-5
        slope = (self.mean(eta + step * TRUTH[1]) - self.mean(eta - step * TRUTH[1])) / (2 * step)
        without = TRUTH[0] + X[:, 0] * TRUTH[1]
        return np.array([slope.mean(), (self.mean(without + TRUTH[2]) - self.mean(without)).mean()])

    def draw(self, rng: np.random.Generator, X: Array, clusters: NDArray[np.intp]) -> Array:
        """Return outcomes that are correlated within clusters, each from its own distribution."""
        shared = rng.standard_normal(self.n_clusters)[clusters]
        normal = np.sqrt(_CORRELATION) * shared + np.sqrt(1 - _CORRELATION) * rng.standard_normal(len(X))
        return self.quantile(special.ndtr(normal), self.mean(TRUTH[0] + X @ TRUTH[1:]))


SETTINGS = tuple(
    Setting(f"{name}, {n} clusters", estimator, n, mean, quantile)
    for name, estimator, mean, quantile in (
        ("logistic", MLELogisticClassifier(), special.expit, lambda u, mean: (u < mean).astype(float)),
        ("Poisson", MLERegressor("poisson"), np.exp, lambda u, mean: stats.poisson.ppf(u, mean)),
    )
    for n in (20, 50)
)


def coverage(setting: Setting, replications: int) -> dict[str, tuple[Array, Array]]:
    """Return, per kind of interval, how often it holds each of the two effects, and its mean length.

    Samples without a finite maximum are left out, as their users would be warned.
    """
    rng = np.random.default_rng(0)
    X, clusters = setting.design()
    truth = setting.effects(X)
    ends: dict[str, list[Array]] = {kind: [] for kind in KINDS}
    for _ in range(replications):
        y = setting.draw(rng, X, clusters)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                model = setting.estimator.fit(X, y)
                found = {kind: _intervals(model, X, y, clusters, kind) for kind in KINDS}
            except UserWarning:
                continue
        for kind in KINDS:
            ends[kind].append(found[kind])
    out = {}
    for kind, intervals in ends.items():
        lower, upper = np.moveaxis(np.array(intervals), -1, 0)
        out[kind] = ((lower <= truth) & (truth <= upper)).mean(axis=0), (upper - lower).mean(axis=0)
    return out


def _intervals(model: Any, X: Array, y: Array, clusters: NDArray[np.intp], kind: str) -> Array:
    groups = {} if kind == "hessian" else {"groups": clusters}
    inference = infer(model, X, y, covariance=kind, **groups)
    return np.concatenate([average_effects(inference, X, each).confidence_intervals(LEVEL) for each in EFFECTS])


def table(replications: int, say: Callable[[str], None] = print) -> None:
    """Print a Markdown table of all settings, the two effects of each in a cell."""
    say(f"Share of {LEVEL:.0%} intervals that hold the effect (mean length), {replications:,} replications")
    say("")
    say(f"| model | effect | {' | '.join(KINDS)} |")
    say("|---|---|" + "---|" * len(KINDS))
    for setting in SETTINGS:
        found = coverage(setting, replications)
        for k, name in enumerate(("slope", "treatment")):
            cells = [f"{100 * found[kind][0][k]:.1f}% ({found[kind][1][k]:.3g})" for kind in KINDS]
            say(f"| {setting.name} | {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    run(table, __doc__)
