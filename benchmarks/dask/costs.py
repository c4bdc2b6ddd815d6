"""A model of a fit's time, its constants measured on small runs and held against larger ones.

A pass of kind k over B blocks of m rows on W workers, of one thread each, takes

    s + ceil(B / W) (m a_k + h) + L r

with s its start, a_k the seconds a row (the median task of that kind), h the scheduling of a task, and r a sum of eight
neighbours in one of the L = ceil(log8 B) levels of the tree. A fit takes g more: the client checks what it was given,
solves for the sample's optimum and for steps, and submits the tasks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np
from scipy.optimize import nnls

__all__ = ["Costs", "levels"]

GROUP = 8


@dataclass(frozen=True)
class Costs:
    """Measured constants, in seconds.

    Attributes
    ----------
    a_row : dict of str to float
        a, by the kind of pass.
    a_pass, a_task, a_level, a_fit : float
        s, h, r and g.
    """

    a_row: dict[str, float]
    a_pass: float
    a_task: float
    a_level: float
    a_fit: float

    @classmethod
    def of(cls, runs: Sequence[dict[str, Any]]) -> "Costs":
        """Measure the constants on some fits; s and h are told apart by different numbers of blocks."""
        of_kind: dict[str, list[float]] = {}
        design, rest = [], []
        a_level = sum(run["sum_seconds"] for run in runs) / max(sum(run["n_sums"] for run in runs), 1)
        for run in runs:
            for one in run["passes"]:
                rounds = math.ceil(one["blocks"] / run["workers"])
                of_kind.setdefault(one["kind"], []).append(one["a_block"] * run["blocks"] / run["rows"])
                design.append([1.0, rounds])
                rest.append(one["span"] - rounds * one["a_block"] - levels(one["blocks"]) * a_level)
        (a_pass, a_task), _ = nnls(np.array(design), np.array(rest))
        a_fit = mean(run["seconds"] - sum(one["span"] for one in run["passes"]) for run in runs)
        a_row = {kind: median(seconds) for kind, seconds in of_kind.items()}
        return cls(a_row, float(a_pass), float(a_task), a_level, a_fit)

    def predict(self, run: dict[str, Any]) -> float:
        """Return the seconds of a fit with the passes of a run, from its rows, blocks and workers alone."""
        rounds = math.ceil(run["blocks"] / run["workers"])
        total = self.a_fit
        for one in run["passes"]:
            work = run["rows"] / run["blocks"] * self.a_row[one["kind"]]
            total += self.a_pass + rounds * (work + self.a_task) + levels(run["blocks"]) * self.a_level
        return total


def levels(n_blocks: int) -> int:
    """Return the depth of a tree whose nodes sum eight."""
    depth = 0
    while n_blocks > 1:
        n_blocks, depth = -(-n_blocks // GROUP), depth + 1
    return depth
