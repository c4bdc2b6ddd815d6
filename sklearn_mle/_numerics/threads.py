"""One BLAS limiter and one pool of threads for the whole process.

Parallelism is over blocks of rows, so BLAS runs with a single thread inside a fit: that avoids oversubscription, and it
makes every LAPACK result independent of the number of threads (a Cholesky of order 800 differs between 1 and 2).
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property
from itertools import chain, islice
from typing import Any

import scipy.linalg  # noqa: F401  (loads scipy's own BLAS, so that the controller below sees it)
from threadpoolctl import ThreadpoolController


class _OfThread(threading.local):
    """The limits of libraries whose limit belongs to a thread, as they were at each entry of this thread."""

    def __init__(self) -> None:
        self.stack: list[list[int]] = []


class _SingleThreadedBlas:
    """Reference-counted context: the first to enter saves the limits and sets them to one, the last to leave restores.

    A plain ``threadpool_limits`` in two interleaved fits would leave BLAS at one thread for good, and costs 3 ms a time
    because it scans the loaded libraries anew. Libraries whose limit belongs to a thread (MKL, OpenBLAS built on
    OpenMP) are limited for the thread that enters; the pool's threads limit themselves when they start.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._saved: list[int] = []
        self._own = _OfThread()

    @cached_property
    def _libraries(self) -> tuple[list[Any], list[Any], list[Any]]:
        """BLAS with a limit for the process, BLAS with a limit for each thread, and what is not BLAS."""
        libraries: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        for lib in ThreadpoolController().lib_controllers:
            per_thread = lib.internal_api == "mkl" or getattr(lib, "threading_layer", "") == "openmp"
            libraries[2 if lib.user_api != "blas" else int(per_thread)].append(lib)
        return libraries

    def limits_outside(self) -> list[int]:
        """The thread limits that were in force before any fit began."""
        with self._lock:
            shared, own, others = ([lib.num_threads for lib in libraries] for libraries in self._libraries)
            return [*others, *(self._saved if self._depth else shared), *(self._own.stack or [own])[0]]

    def __enter__(self) -> "_SingleThreadedBlas":
        with self._lock:
            if self._depth == 0:
                shared = self._libraries[0]
                self._saved = [lib.num_threads for lib in shared]
                _set_shared(shared, [1] * len(shared))
            self._depth += 1
        self._own.stack.append([lib.num_threads for lib in self._libraries[1]])
        self.limit_this_thread()
        return self

    def __exit__(self, *error: object) -> None:
        for lib, limit in zip(self._libraries[1], self._own.stack.pop(), strict=True):
            lib.set_num_threads(limit)
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                _set_shared(self._libraries[0], self._saved)

    def limit_this_thread(self) -> None:
        """Set the limits that belong to a thread to one, in the calling thread."""
        for lib in self._libraries[1]:
            lib.set_num_threads(1)

    def forget_after_fork(self) -> None:
        """A child process starts with no fit under way, whatever its parent was doing."""
        self._lock, self._own = threading.Lock(), _OfThread()
        if self._depth:
            self._depth = 0
            _set_shared(self._libraries[0], self._saved)


def _set_shared(libraries: list[Any], limits: list[int]) -> None:
    changed = [(lib, limit) for lib, limit in zip(libraries, limits, strict=True) if lib.num_threads != limit]
    # threadpoolctl >= 3.7 lets only the first thread that ever set OpenBLAS's limit set it again, and ignores the
    # others. This limiter is locked and counted for the whole process, so it takes the control and gives it back.
    kinds = {type(lib) for lib, _ in changed if hasattr(lib, "clear_controlling_thread")}
    for kind in kinds:
        kind.clear_controlling_thread(force=True)
    for lib, limit in changed:
        lib.set_num_threads(limit)
    for kind in kinds:
        kind.clear_controlling_thread(force=True)


single_threaded_blas = _SingleThreadedBlas()


def n_threads() -> int:
    """Return how many threads a fit may use: the smallest limit in force (OMP_NUM_THREADS, threadpool_limits, joblib).

    Returns
    -------
    int
        At least 1, at most the number of processors this process may run on.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [limit for limit in single_threaded_blas.limits_outside() if limit]
    return max(1, min([cores, *limits]))


class _Pool:
    """Threads shared by all fits, so that concurrent fits never run more workers than the machine has cores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._size = 0

    def executor(self, size: int) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None or size > self._size:
                # The smaller executor finishes what it has; its threads end with it.
                if self._executor is not None:
                    self._executor.shutdown(wait=False)
                self._executor, self._size = (
                    ThreadPoolExecutor(size, "sklearn-mle", initializer=single_threaded_blas.limit_this_thread),
                    size,
                )
            return self._executor

    def forget_after_fork(self) -> None:
        self.__init__()  # type: ignore[misc]


_pool = _Pool()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=single_threaded_blas.forget_after_fork)
    os.register_at_fork(after_in_child=_pool.forget_after_fork)


# Enough that no thread waits for the one that takes the results.
_AHEAD = 2


def map_in_threads(function: Callable[[Any], Any], items: Iterable[Any], threads: int) -> list[Any]:
    """Return ``[function(item) for item in items]``, computed by ``threads`` threads, in the order of the items."""
    return list(iterate_in_threads(function, items, threads))


def iterate_in_threads(function: Callable[[Any], Any], items: Iterable[Any], threads: int) -> Iterator[Any]:
    """Yield ``function(item)`` for every item, in the order of the items, computed by ``threads`` threads.

    Calls see the caller's context variables, NumPy's error handling among them.
    Items are taken and calls are made a few ahead, and results are let go as they are yielded, so that large ones are
    few at a time. The first exception, if any, is raised after every started call has ended: no thread is left at work
    behind it.
    """
    remaining = iter(items)
    items = list(islice(remaining, 2))
    if threads <= 1 or len(items) <= 1:
        for item in chain(items, remaining):
            yield function(item)
        return

    def submitted(item: Any) -> Future[Any]:
        # In the caller's context: what it says of floating-point errors (np.errstate) holds in the threads, too.
        run = copy_context().run
        try:
            return _pool.executor(threads).submit(run, function, item)
        except RuntimeError:  # another thread has just replaced the pool by a larger one
            return _pool.executor(threads).submit(run, function, item)

    futures: deque[Future[Any]] = deque()
    try:
        for item in chain(items, remaining):
            futures.append(submitted(item))
            if len(futures) > _AHEAD * threads:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()
        for future in futures:
            if not future.cancelled():
                future.exception()
