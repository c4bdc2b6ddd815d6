"""From raw results to verdicts: gaps, the fastest setting that reaches the target, ratios."""

import math
from dataclasses import dataclass
from typing import Any

from benchmarks.solvers import AS_USED, DEFAULT

__all__ = ["TARGET", "Verdict", "judge", "worse"]

TARGET = 1e-7  # nats per row above the best objective known
UNLIMITED = "tol=1e-04"  # LogisticRegression's default tolerance, with as many iterations as it takes

Result = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What one workload says, under one family of kernels.

    Attributes
    ----------
    kernels : str
        The family; "" where it was the library's choice.
    fastest : dict
        By solver, the fastest result that reaches the target.
    nearest : dict
        By solver that never does: its result with the smallest gap, or a failure.
    default : dict or None
        Ours at the default tolerance.
    ours, peer : dict or None
        The fastest results of ours and of all peers that reach the target.
    as_used, unlimited : dict or None
        LogisticRegression() as it is, and at its default tolerance with unlimited iterations.
    """

    kernels: str
    fastest: dict[str, Result]
    nearest: dict[str, Result]
    default: Result | None
    ours: Result | None
    peer: Result | None
    as_used: Result | None
    unlimited: Result | None

    @property
    def ratio(self) -> float:
        """The fastest peer's time over ours at the default tolerance; inf where no peer or not ours reached the end."""
        if not self.peer or not self.default or "seconds" not in self.default:
            return math.inf
        return float(self.peer["seconds"] / self.default["seconds"])


def worse(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict of the kernels under which we do worse."""
    return min(verdicts, key=lambda verdict: verdict.ratio)


def judge(workload: dict[str, Any]) -> list[Verdict]:
    """Add each result's gaps ("gap" a row, "total_gap", in nats) to it, and find the verdict of each kernel family.

    A solver of another objective is measured by that one: against the lowest that this run saw of it.
    """
    results = workload["results"]
    lowest = {"": workload["best_known"]["total"]}
    for result in results:
        objective = result.get("objective", "")
        if objective and result["status"] == "ok":
            lowest[objective] = min(lowest.get(objective, float("inf")), result["total"])
    for result in results:
        if result["status"] == "ok":
            result["total_gap"] = result["total"] - lowest[result.get("objective", "")]
            result["gap"] = result["total_gap"] / workload["rows_judged"]
    kernels = dict.fromkeys(result.get("kernels", "") for result in results)
    return [_verdict(name, [r for r in results if r.get("kernels", "") == name]) for name in kernels]


def _verdict(kernels: str, results: list[Result]) -> Verdict:
    fastest, nearest = {}, {}
    for solver in dict.fromkeys(result["solver"] for result in results):
        done = [r for r in results if r["solver"] == solver and r["status"] == "ok"]
        reached = [r for r in done if r["gap"] <= TARGET]
        if reached:
            fastest[solver] = min(reached, key=lambda r: r["seconds"])
        elif done:
            nearest[solver] = min(done, key=lambda r: (r["gap"] != r["gap"], r["gap"]))
        else:
            nearest[solver] = next(r for r in results if r["solver"] == solver)

    def named(solver: str, setting: str) -> Result | None:
        return next((r for r in results if r["solver"] == solver and r["setting"] == setting), None)

    def quickest(ours: bool) -> Result | None:
        return min((r for r in fastest.values() if r["ours"] == ours), key=lambda r: r["seconds"], default=None)

    return Verdict(
        kernels,
        fastest,
        nearest,
        named("sklearn_mle", DEFAULT),
        quickest(ours=True),
        quickest(ours=False),
        named("sklearn lbfgs", AS_USED),
        named("sklearn lbfgs", UNLIMITED),
    )
