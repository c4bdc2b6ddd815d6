"""Sums of parts in a fixed order: two neighbours at a time, so that rounding grows with the logarithm of their number.

The tree has no memory of where its leaves came from: parts that are summed eight at a time, and the eights then eight
at a time, on whatever machines, give the bits of all of them summed at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

Parts = tuple[Any, ...] | list[Any]


@dataclass(frozen=True)
class Largest:
    """A number whose "sum" with another is the larger of the two (NaN, if either is)."""

    value: float

    def __add__(self, other: "Largest") -> "Largest":
        return Largest(float(np.maximum(self.value, other.value)))


def tree_sum(parts: Iterable[Parts]) -> tuple[Any, ...]:
    """Return the entrywise sum of tuples of numbers or arrays; at most log2 of them are held at a time.

    Arrays of the parts are added to in place.
    """
    # As in a binary counter: sums of neighbouring parts, each of a power of two of them, ever smaller.
    sums: list[Parts] = []
    sizes: list[int] = []
    for part in parts:
        total, size = part, 1
        while sizes and sizes[-1] == size:
            total, size = sum_in_order((sums.pop(), total)), 2 * sizes.pop()
        sums.append(total)
        sizes.append(size)
    total = sums.pop()
    while sums:
        total = sum_in_order((sums.pop(), total))
    return tuple(total)


def sum_in_order(parts: Iterable[Parts]) -> list[Any]:
    """Return the entrywise sum, one part after the other. Arrays of the first part are added to in place."""
    totals: list[Any] = []
    for part in parts:
        if not totals:
            totals = list(part)
            continue
        for k, entry in enumerate(part):
            totals[k] += entry
    return totals
