"""Fits that are interrupted, fail, run beside each other, are forked, pickled or out of memory."""

import multiprocessing
import os
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from threadpoolctl import threadpool_info

from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle._numerics import threads as pool
from sklearn_mle._numerics.threads import n_threads
from sklearn_mle._rows import DenseRows
from tests.hard_inputs.fitted import ESTIMATORS, fitted, target
from tests.hard_inputs.fitted import X as FEW

pytestmark = pytest.mark.alone

rng = np.random.default_rng(0)
N = 40_000  # several blocks of rows, so that threads are at work
X = rng.standard_normal((N, 30))
LABELS = (X[:, 0] + rng.logistic(size=N) > 0).astype(int)
REAL = X[:, 0] + rng.logistic(size=N)
MODELS = {"classifier": (MLELogisticClassifier(), LABELS), "regressor": (MLERegressor("logistic"), REAL)}
EVERY = pytest.mark.parametrize("kind", MODELS)


def workers_at_work():
    """Jobs that the pool's threads have not finished: none may outlive its fit."""
    from sklearn_mle._numerics.threads import _pool

    executor = _pool._executor
    return 0 if executor is None else executor._work_queue.qsize()


@EVERY
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, RuntimeError])
def test_a_fit_that_dies_in_a_block_leaves_the_estimator_as_it_was(kind, error, monkeypatch):
    model, y = MODELS[kind]
    model = clone(model).fit(X[:500], y[:500])
    before = pickle.dumps(model)
    calls = []

    def dying(rows, *arguments):
        calls.append(threading.get_ident())
        if len(calls) > 3:
            raise error("in a block")
        return real(rows, *arguments)

    # Whatever a fit does first, a block of rows is multiplied.
    real = DenseRows.sandwich
    monkeypatch.setattr(DenseRows, "sandwich", dying)
    with pytest.raises(error, match="in a block"):
        model.fit(X, y)
    monkeypatch.undo()
    assert pickle.dumps(model) == before
    assert workers_at_work() == 0
    np.testing.assert_array_equal(model.fit(X, y).coef_, clone(model).fit(X, y).coef_)


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_whenever_a_fit_dies_the_estimator_is_as_it_was(name, error, warm_start, monkeypatch):
    model = fitted(name).set_params(warm_start=warm_start)
    before, block = pickle.dumps(model), DenseRows.block
    for survived in (0, 1, 3, 7):
        calls = []

        def dying(rows, start, stop, calls=calls, survived=survived):
            calls.append(start)
            if len(calls) > survived:
                raise error("in a block")
            return block(rows, start, stop)

        with monkeypatch.context() as patch, warnings.catch_warnings():
            patch.setattr(DenseRows, "block", dying)
            warnings.simplefilter("ignore")
            try:
                model.fit(FEW, target(name))
            except error:
                assert pickle.dumps(model) == before
            else:  # a refit may need few blocks
                assert 0 < len(calls) <= survived
                break


class Watched:
    """Which of the pool's threads are at work on a block at once, and how many threads BLAS has there."""

    def __init__(self, monkeypatch):
        self.lock, self.active, self.most, self.looks, self.blas = threading.Lock(), 0, 0, 0, set()
        for verb in ("matvec", "transpose_matvec", "sandwich"):
            monkeypatch.setattr(DenseRows, verb, self._watched(getattr(DenseRows, verb)))

    def _watched(self, verb):
        def watched(rows, *arguments):
            pooled = threading.current_thread().name.startswith("sklearn-mle")
            with self.lock:
                self.active += pooled
                self.most = max(self.most, self.active)
                self.looks += 1
            if self.looks <= 50:  # a look takes milliseconds
                self.blas |= {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}
            try:
                return verb(rows, *arguments)
            finally:
                with self.lock:
                    self.active -= pooled

        return watched


def pool_threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("sklearn-mle")}


def test_concurrent_fits_share_the_cores(monkeypatch):
    # A pool of its own: other tests have asked for more threads than there are cores, and a pool never shrinks.
    monkeypatch.setattr(pool, "_pool", type(pool._pool)())
    before = pool_threads()
    outside = [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]
    watched = Watched(monkeypatch)
    model, y = MODELS["classifier"]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: clone(model).set_params(tol=1.0).fit(X, y), range(8)))
    # Every thread of the pool has a core, and BLAS none but the thread that calls it. Fits that may use one thread
    # only (OMP_NUM_THREADS=1) need no pool.
    size = n_threads() if n_threads() > 1 else 0
    assert min(size, 1) <= watched.most <= size and len(pool_threads() - before) <= size
    assert watched.blas == {1}
    assert [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"] == outside


def _threads_of_a_fit(model, X, y):
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(patch)
        clone(model).set_params(tol=1.0).fit(X, y)
    return n_threads(), watched.most, watched.blas


def test_fits_in_processes_share_the_cores():
    model, y = MODELS["classifier"]
    n_jobs = 2
    for allowed, most, blas in Parallel(n_jobs=n_jobs)(delayed(_threads_of_a_fit)(model, X, y) for _ in range(n_jobs)):
        assert n_jobs * allowed <= max(len(os.sched_getaffinity(0)), n_jobs)
        assert most <= allowed and blas == {1}


@EVERY
def test_clones_in_eight_threads_are_the_serial_fit(kind):
    model, y = MODELS[kind]
    expected = clone(model).fit(X, y).coef_
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: clone(model).fit(X, y).coef_, range(8)))
    assert all(np.array_equal(coef, expected) for coef in found)


def _coefficients(model, X, y):
    return clone(model).fit(X, y).coef_


def test_clones_in_processes_are_the_serial_fit():
    model, y = MODELS["classifier"]
    expected = clone(model).fit(X[:5000], y[:5000]).coef_
    found = Parallel(n_jobs=2)(delayed(_coefficients)(model, X[:5000], y[:5000]) for _ in range(3))
    assert all(np.array_equal(coef, expected) for coef in found)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_can_fit():
    model, y = MODELS["classifier"]
    expected = clone(model).fit(X, y).coef_  # the parent's threads exist before the fork
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.apply_async(_coefficients, (model, X, y)).get(timeout=120)
    np.testing.assert_array_equal(found, expected)


@EVERY
def test_an_estimator_that_was_pickled_predicts_the_same(kind):
    model, y = MODELS[kind]
    model = clone(model).fit(X[:500], y[:500])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X[:50]), model.predict(X[:50]))
    assert again.status_ is model.status_
    np.testing.assert_array_equal(again.standard_errors(), model.standard_errors())


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_max_iter_ends_with_the_best_point_so_far_and_says_so(kind):
    from sklearn_mle.exceptions import ConvergenceWarning

    model, y = MODELS[kind]
    with pytest.warns(ConvergenceWarning, match="max_iter ended the fit early"):
        short = clone(model).set_params(max_iter=1, solver="newton").fit(X[:500], y[:500])
    full = clone(model).fit(X[:500], y[:500])
    assert short.n_iter_ <= 1 and short.status_ is not full.status_
    # The gap that it reports is what it lacks, to the order of the decrement's own error.
    lacking = full.log_likelihood_ - short.log_likelihood_
    assert lacking > 0 and short.gap_ == pytest.approx(lacking, rel=0.5)
