"""One limiter for BLAS and one pool of threads: limits come back whatever happens, and no work is left behind."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_mle._numerics.threads import map_in_threads, n_threads, single_threaded_blas

pytestmark = pytest.mark.alone


def blas_limits():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def two_threads():
    """More than one BLAS thread, so that a limit can be seen, on a machine with one core too."""
    with threadpool_limits(2, user_api="blas"):
        before = blas_limits()
        if 2 not in before:
            pytest.skip("this BLAS has one thread only")
        yield before


def test_blas_has_one_thread_inside_and_its_own_outside(two_threads):
    with single_threaded_blas:
        assert set(blas_limits()) == {1}
    assert blas_limits() == two_threads


def test_nested_entries_restore_at_the_outermost_exit(two_threads):
    with single_threaded_blas:
        with single_threaded_blas:
            assert set(blas_limits()) == {1}
        assert set(blas_limits()) == {1}
    assert blas_limits() == two_threads


def test_an_exception_restores_the_limits(two_threads):
    with pytest.raises(ZeroDivisionError), single_threaded_blas:
        _ = 1 / 0
    assert blas_limits() == two_threads


def test_many_threads_at_once_restore_the_limits(two_threads):
    outside = []

    def work():
        for _ in range(50):
            with single_threaded_blas:
                outside.append(single_threaded_blas.limits_outside())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert blas_limits() == two_threads
    assert len(outside) == 200 and all(limits == outside[0] for limits in outside)


def test_n_threads_follows_the_limits_in_force(two_threads):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert 1 <= n_threads() <= min(2, cores)
    with threadpool_limits(1):
        assert n_threads() == 1


def test_a_fit_s_own_limit_does_not_count(two_threads):
    outside = n_threads()
    with single_threaded_blas:
        assert n_threads() == outside


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_results_come_in_the_order_of_the_items(threads):
    def slow_first(item):
        time.sleep(0.01 if item == 0 else 0)
        return item * item

    assert map_in_threads(slow_first, range(20), threads) == [item * item for item in range(20)]
    assert map_in_threads(slow_first, [], threads) == []
    assert map_in_threads(slow_first, iter([3]), threads) == [9]


def test_calls_do_run_in_several_threads():
    meeting = threading.Barrier(2, timeout=5)  # broken, unless two calls are under way at the same time
    assert sorted(map_in_threads(lambda item: (meeting.wait(), item)[1], range(2), 2)) == [0, 1]


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_propagates_and_leaves_no_work_behind(threads, error):
    started, ended = [], []

    def work(item):
        started.append(item)
        if item == 2:
            raise error("of item 2")
        time.sleep(0.01)
        ended.append(item)

    with pytest.raises(error, match="of item 2"):
        map_in_threads(work, range(200), threads)
    at_return = len(started)
    assert len(ended) == at_return - 1, "a call was still under way"
    time.sleep(0.05)
    assert len(started) == at_return < 200, "a call began after the exception"
    assert map_in_threads(lambda item: item, range(8), threads) == list(range(8))


def test_a_larger_pool_takes_over_while_the_smaller_one_works():
    results = {}

    def outer(name, threads):
        results[name] = [map_in_threads(lambda item: item + 1, range(32), threads) for _ in range(30)]

    callers = [threading.Thread(target=outer, args=(threads, threads)) for threads in (2, 3, 5, 4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    assert set(results) == {2, 3, 4, 5}
    assert all(found == list(range(1, 33)) for lists in results.values() for found in lists)


def in_a_fresh_interpreter(code, **environment):
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_omp_num_threads_is_followed():
    code = "from sklearn_mle._numerics.threads import n_threads; print(n_threads())"
    assert in_a_fresh_interpreter(code, OMP_NUM_THREADS="1") == ["1"]


# threadpoolctl may let only one thread of the process set limits, whichever was first, and ignore all others. So these
# scenarios each get a process of their own, where nothing has been set before.
PRELUDE = """
import contextlib, sys, threading
from threadpoolctl import threadpool_info, threadpool_limits
from sklearn_mle._numerics.threads import single_threaded_blas
limits = lambda: {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
before = limits()
if before == {1}:
    sys.exit(0)                           # one core: there is nothing to be seen
def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
def fit(look=lambda: None):
    with single_threaded_blas:
        look()
def check(found, expected):
    assert found == expected, (found, expected)
"""
INTERLEAVED = """
a_inside, b_inside, a_left, b_left = [threading.Event() for _ in range(4)]
seen = []
def first():
    fit(lambda: (a_inside.set(), b_inside.wait(10)))
    a_left.set()
    b_left.wait(10)                       # the thread lives on
def second():
    a_inside.wait(10)
    fit(lambda: (b_inside.set(), a_left.wait(10), seen.append(limits())))
    b_left.set()
with outside:
    threads = [threading.Thread(target=target) for target in (first, second)]
    [thread.start() for thread in threads], [thread.join(20) for thread in threads]
    check(seen, [{1}])
    check(limits(), before)
check(limits(), before)
"""
SCENARIOS = {
    "interleaved": "outside = contextlib.nullcontext()" + INTERLEAVED,
    "interleaved, inside the caller's own limit": "outside = threadpool_limits(max(before))" + INTERLEAVED,
    "in another thread, inside the caller's own limit": """
seen = []
with threadpool_limits(max(before)):
    in_a_thread(lambda: fit(lambda: seen.append(limits())))
    check(seen, [{1}])
    check(limits(), before)
""",
    "in another thread, after one in this": """
seen = []
fit()
in_a_thread(lambda: fit(lambda: seen.append(limits())))
check(seen, [{1}])
check(limits(), before)
""",
    "in another thread, then the caller's own limit": """
in_a_thread(fit)
with threadpool_limits(1):
    check(limits(), {1})
check(limits(), before)
""",
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_limits_hold_and_come_back_whichever_thread_fits(scenario):
    in_a_fresh_interpreter(PRELUDE + SCENARIOS[scenario])


FORK = """
import os, threading
from threadpoolctl import threadpool_info, threadpool_limits
from sklearn_mle._numerics.threads import map_in_threads, n_threads, single_threaded_blas
limits = lambda: [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
threadpool_limits(2, user_api="blas")
before = limits()
map_in_threads(abs, range(8), 2)          # the parent has a pool, whose threads the child will not have
inside, leave = threading.Event(), threading.Event()
def fitting():
    with single_threaded_blas:
        inside.set()
        leave.wait(20)
fit = threading.Thread(target=fitting)
fit.start()
inside.wait(20)
child = os.fork()
if child == 0:                            # no fit is under way here
    good = limits() == before
    good &= map_in_threads(abs, range(8), 2) == list(range(8))
    with single_threaded_blas:
        good &= set(limits()) == {1}
    good &= limits() == before
    os._exit(0 if good else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
leave.set()
fit.join()
print(status, limits() == before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_forked_during_a_fit_starts_afresh():
    assert in_a_fresh_interpreter(FORK) == ["0", "True"]


def test_what_the_caller_says_of_floating_point_errors_holds_in_the_threads():
    with np.errstate(over="ignore", invalid="raise"):
        seen = map_in_threads(lambda _: np.geterr(), range(3), 2)
    assert {(one["over"], one["invalid"]) for one in seen} == {("ignore", "raise")}
