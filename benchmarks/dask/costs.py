"""A model of a fit's time, its constants measured on one run and held against others.

A pass of kind k over B blocks of m rows on W workers, of one thread each, takes

    ceil(B / W) (m a_k + h) + L r + g

with a_k the seconds a row (measured: the tasks of that kind), h the scheduling of a task, r a sum of eight neighbours
in one of the L = ceil(log8 B) levels of the tree, and g what the client needs from one pass to the next: it solves for
the step and submits the tasks. The sample that is solved first is in g of the pass that fetches it.
"""

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

__all__ = ["Costs"]

GROUP = 8


@dataclass(frozen=True)
class Costs:
    """Measured constants, in seconds.

    Attributes
    ----------
    a_row : dict of str to float
        By the kind of pass.
    a_task : float
        h: beyond the work itself, for each round of tasks.
    a_level : float
        r: a level of the tree.
    between : float
        The sum of g over the passes of a fit.
    """

    a_row: dict[str, float]
    a_task: float
    a_level: float
    between: float

    @classmethod
    def of(cls, run: dict[str, Any]) -> "Costs":
        """Measure the constants on one fit."""
        rows_a_block, workers = run["rows"] / run["blocks"], run["workers"]
        busy: dict[str, list[float]] = {}
        for one in run["passes"]:
            busy.setdefault(one["kind"], []).append(one["busy"] / one["blocks"] / rows_a_block)
        a_row = {kind: sum(seconds) / len(seconds) for kind, seconds in busy.items()}
        a_level = run["sum_seconds"] / max(run["n_sums"], 1)
        rest = []
        for one in run["passes"]:
            rounds = math.ceil(one["blocks"] / workers)
            rest.append((one["span"] - one["busy"] / workers - levels(one["blocks"]) * a_level) / rounds)
        between = run["seconds"] - sum(one["span"] for one in run["passes"])
        return cls(a_row, max(median(rest), 0.0), a_level, between)

    def predict(self, run: dict[str, Any]) -> float:
        """Return the seconds of a fit with the passes of a run, from its rows, blocks and workers alone."""
        total = self.between
        for one in run["passes"]:
            rounds = math.ceil(run["blocks"] / run["workers"])
            work = run["rows"] / run["blocks"] * self.a_row[one["kind"]]
            total += rounds * (work + self.a_task) + levels(run["blocks"]) * self.a_level
        return total


def levels(n_blocks: int) -> int:
    """Return the depth of a tree whose nodes sum eight."""
    depth = 0
    while n_blocks > 1:
        n_blocks, depth = -(-n_blocks // GROUP), depth + 1
    return depth
