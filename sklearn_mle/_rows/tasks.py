"""What is asked of Dask: named tasks, a tree that sums their results, and the results themselves.

Dask is imported only here and where collections come in, and only once there is a collection to work on.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import numpy as np

from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._rows.sums import tree_sum

__all__ = ["compute", "tasks_of", "tree_of"]

# Sums of so many neighbours are one task: an aligned part of the tree that sums them all.
_GROUP = 8


def tasks_of(name: str, work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return delayed ``work(*own)`` for each tuple of arguments, in tasks of this name; ``work`` is sent once."""
    from dask import delayed

    # Unlike a content hash, the token costs nothing, and no result of another pass can be taken for this one's.
    token = uuid4().hex
    sent = delayed(work, name=f"{name}-work-{token}", traverse=False)
    run = delayed(_run, pure=False)
    return [run(sent, *own, dask_key_name=f"{name}-{token}-{k}") for k, own in enumerate(arguments)]


def tree_of(tasks: Sequence[Any]) -> Any:
    """Return the delayed sum of what tasks return, tuples entry by entry, as ``tree_sum`` sums them."""
    from dask import delayed

    add, token, level = delayed(_sum, pure=False), uuid4().hex, list(tasks)
    while len(level) > 1:
        groups = [level[first : first + _GROUP] for first in range(0, len(level), _GROUP)]
        depth = len(level)
        level = [add(group, dask_key_name=f"mle-sum-{token}-{depth}-{k}") for k, group in enumerate(groups)]
    return level[0]


def compute(tasks: Sequence[Any]) -> list[Any]:
    """Return the results of delayed tasks; if that is interrupted or one fails, none is left behind."""
    import dask

    return list(dask.compute(*tasks, traverse=False))


def _run(work: Callable[..., Any], *arguments: Any) -> Any:
    # Numbers may overflow on their way, as in memory; the outcome is judged.
    with single_threaded_blas, np.errstate(all="ignore"):
        return work(*arguments)


def _sum(parts: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    # What a task returned stays as it is: it may be asked for again, should a worker be lost.
    return tree_sum([tuple(_owned(entry) for entry in part) for part in parts])


def _owned(entry: Any) -> Any:
    return entry.copy() if isinstance(entry, np.ndarray) else entry
