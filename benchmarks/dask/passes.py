"""What the tasks of a fit say of its passes: Dask's task stream, read by the names that this library gives them."""

import re
from statistics import median
from typing import Any

__all__ = ["passes_of"]

# mle-nll-gradient-<32 hex digits of the pass>-<number of the block>; the sums of a tree are another kind.
KEY = re.compile(r"^(mle-[a-z-]+?)-([0-9a-f]{32})-")
SUM = "mle-sum"


def passes_of(stream: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int, float]:
    """Return the passes in order (kind, blocks, median seconds of a block, span), the number of sums and their seconds.

    A span goes from the start of the first task to the end of the last, or of the last sum of its tree. Tasks of other
    names (the peers') are no passes.
    """
    passes: dict[str, dict[str, Any]] = {}
    sums: list[tuple[float, float]] = []
    for task in stream:
        named = KEY.match(str(task["key"]))
        runs = [(part["start"], part["stop"]) for part in task["startstops"] if part["action"] == "compute"]
        if named is None or not runs:
            continue
        start, stop = runs[0][0], runs[-1][1]
        if named[1] == SUM:
            sums.append((start, stop))
            continue
        found = passes.setdefault(named[2], {"kind": named[1], "times": [], "start": start, "stop": stop})
        found["times"].append(stop - start)
        found["start"], found["stop"] = min(found["start"], start), max(found["stop"], stop)
    ordered = sorted(passes.values(), key=lambda found: found["start"])
    starts = [found["start"] for found in ordered]
    for found, after in zip(ordered, [*starts[1:], float("inf")], strict=False):
        ends = [stop for start, stop in sums if found["start"] <= start < after]
        found["span"] = max([found["stop"], *ends]) - found.pop("start")
        found["blocks"], found["a_block"] = len(found["times"]), median(found.pop("times"))
        del found["stop"]
    return ordered, len(sums), sum(stop - start for start, stop in sums)
