"""The floor under every fit: the time of one read of X at the machine's memory bandwidth."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.problem import buffers

__all__ = ["seconds_to_read"]

READERS = 2
REPEATS = 5
BLOCK = 2**18  # numbers of 8 bytes: 2 MB


def _sum(block: np.ndarray) -> None:
    block.sum()


def _sum_or_dot(block: np.ndarray) -> None:
    if block.dtype.kind == "f":
        block @ block
    else:
        block.sum()


def seconds_to_read(X: Any) -> float:
    """Return the shortest time in which two threads read X once, block by block.

    Parameters
    ----------
    X : ndarray or csr_matrix
        Its arrays are read eight bytes at a time, indices as integers.

    Returns
    -------
    float
        Seconds, the best over repetitions and over two ways to reduce a block (a sum, and a BLAS dot product).
    """
    arrays = [_eight_bytes_at_a_time(part) for part in buffers(X)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(READERS) as pool:
        return min(_read(arrays, reduce, pool) for reduce in (_sum, _sum_or_dot) for _ in range(REPEATS))


def _eight_bytes_at_a_time(part: np.ndarray) -> np.ndarray:
    flat = part.reshape(-1)
    if flat.itemsize == 8:
        return flat
    # As floats, indices would be denormal numbers, which are slow to add.
    return flat.view(np.uint8)[: flat.nbytes // 8 * 8].view(np.int64)


def _read(arrays: list[np.ndarray], reduce: Callable[[np.ndarray], None], pool: ThreadPoolExecutor) -> float:
    def share(reader: int) -> None:
        for array in arrays:
            for start in range(reader * BLOCK, array.size, READERS * BLOCK):
                reduce(array[start : start + BLOCK])

    start = time.perf_counter()
    list(pool.map(share, range(READERS)))
    return time.perf_counter() - start
