"""The shortest time of a call: what it takes when nothing else is going on."""

import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["in_turns", "shortest"]

REPEATS = 5


def shortest(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the shortest of some timings of a call, in seconds, after one that is not counted."""
    return in_turns({"": call}, repeats)[""]


def in_turns(
    calls: Mapping[str, Callable[[], Any]], repeats: int = REPEATS, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the shortest time of each call, in seconds; they take turns, so that all see the same machine."""
    for call in calls.values():
        call()
    seconds = dict.fromkeys(calls, float("inf"))
    for _ in range(repeats):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name] = min(seconds[name], clock() - start)
    return seconds
