"""From raw results to verdicts: gaps, the fastest setting that reaches the target, ratios."""

from dataclasses import dataclass
from typing import Any

from benchmarks.solvers import AS_USED, DEFAULT

__all__ = ["TARGET", "Verdict", "judge"]

TARGET = 1e-7  # nats per row above the best objective known
UNLIMITED = "tol=1e-04"  # LogisticRegression's default tolerance, with as many iterations as it takes

Result = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What one workload says.

    Attributes
    ----------
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

    fastest: dict[str, Result]
    nearest: dict[str, Result]
    default: Result | None
    ours: Result | None
    peer: Result | None
    as_used: Result | None
    unlimited: Result | None


def judge(workload: dict[str, Any]) -> Verdict:
    """Add each result's gaps ("gap" a row, "total_gap", in nats) to it, and find the verdict.

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
        fastest,
        nearest,
        named("sklearn_mle", DEFAULT),
        quickest(ours=True),
        quickest(ours=False),
        named("sklearn lbfgs", AS_USED),
        named("sklearn lbfgs", UNLIMITED),
    )
