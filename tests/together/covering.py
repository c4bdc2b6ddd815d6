"""A covering array: few cells in which every pair, or triple, of levels that can meet does meet."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

Cell = dict[str, Any]


def possible_cells(levels: Mapping[str, Sequence[Any]], possible: Callable[[Cell], bool]) -> list[Cell]:
    """Return every combination of levels that the rules allow."""
    cells = (dict(zip(levels, chosen, strict=True)) for chosen in product(*levels.values()))
    return [cell for cell in cells if possible(cell)]


def meetings(cell: Cell, strength: int) -> list[tuple[tuple[str, Any], ...]]:
    """Return the tuples of (factor, level) that meet in a cell."""
    return list(combinations(cell.items(), strength))


def covering_array(cells: Sequence[Cell], strength: int) -> list[Cell]:
    """Return cells in which all the meetings of ``cells`` occur: always the one with most that have not occurred yet.

    What a cell would add can only fall as others are taken, so an old count is a bound: of the cells in order of their
    bounds the first whose count is confirmed is the best of all.
    """
    numbers: dict[Any, int] = {}
    met = [[numbers.setdefault(each, len(numbers)) for each in meetings(cell, strength)] for cell in cells]
    missing = set(range(len(numbers)))
    queue = [(-len(meets), k) for k, meets in enumerate(met)]
    heapq.heapify(queue)
    chosen = []
    while missing:
        _, k = heapq.heappop(queue)
        new = len(missing.intersection(met[k]))
        if queue and new < -queue[0][0]:
            heapq.heappush(queue, (-new, k))
            continue
        missing.difference_update(met[k])
        chosen.append(cells[k])
    return chosen
