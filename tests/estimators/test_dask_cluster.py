"""Fits on a real cluster of two worker processes: killed workers, blocks that raise, interrupted fits, no task left."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest

from sklearn_mle import MLELogisticClassifier

da = pytest.importorskip("dask.array")
dask = pytest.importorskip("dask")
cluster = pytest.importorskip("distributed")

rng = np.random.default_rng(11)
N, P, BLOCK = 4000, 3, 100
X = rng.standard_normal((N, P))
Y = np.where(X @ [1.0, -1.0, 0.5] + rng.logistic(size=N) > 0, "yes", "no")

# Distributed's own: sockets and loops that end with the processes that they belong to, and workers that were killed.
pytestmark = [
    pytest.mark.alone,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Sending large graph:UserWarning"),
]


@pytest.fixture(scope="module")
def client():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workers = cluster.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )
        with workers, cluster.Client(workers) as client:
            yield client


@pytest.fixture(scope="module")
def expected():
    return MLELogisticClassifier().fit(X, Y)


def blocks(array):
    return da.from_array(array, chunks=(BLOCK, *array.shape[1:]))


def read_by(read, directory):
    """X in blocks that ``read(number, how often it has been read before, rows)`` gives, at every pass anew."""

    def block(number, rows):
        path = os.path.join(directory, str(number))
        before = os.path.getsize(path) if os.path.exists(path) else 0
        with open(path, "a") as file:
            file.write(".")
        return read(number, before, rows)

    parts = [dask.delayed(block)(k, X[k * BLOCK : (k + 1) * BLOCK]) for k in range(N // BLOCK)]
    return da.concatenate([da.from_delayed(part, (BLOCK, P), float) for part in parts])


def assert_same(model, expected):
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    assert model.log_likelihood_ == pytest.approx(expected.log_likelihood_, rel=1e-12)
    assert model.n_passes_ <= 12


def assert_nothing_is_left(client):
    """No task of a fit's is on the cluster, once it has heard that nobody waits for any."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        tasks = client.run_on_scheduler(lambda dask_scheduler: [str(key) for key in dask_scheduler.tasks])
        left = [key for key in tasks if "mle-" in key]
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(f"{left} are left on the cluster")


def pids(client):
    return sorted(client.run(os.getpid).values())


def test_the_answer_is_that_of_memory_and_tasks_have_names(client, expected):
    x, y = client.persist([blocks(X), blocks(Y)])
    model = MLELogisticClassifier().fit(x, y)
    assert_same(model, expected)
    prefixes = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    assert {"mle-survey", "mle-moments", "mle-nll-gradient-curvature", "mle-sum"} <= set(prefixes)
    assert_nothing_is_left(client)


def test_a_worker_killed_between_passes(client, expected):
    x, y = client.persist([blocks(X), blocks(Y)])
    killed = []

    def observer(iteration, coefficients):
        if iteration == 2:
            killed.append(pids(client)[0])
            os.kill(killed[0], signal.SIGKILL)

    model = MLELogisticClassifier()._fit(x, y, None, None, observer)
    assert_same(model, expected)
    assert len(killed) == 1
    client.wait_for_workers(1, timeout=60)
    assert killed[0] not in pids(client)


def test_a_worker_killed_during_a_pass(client, expected, tmp_path):
    marker = tmp_path / "killed"

    def read(number, before, rows, marker=str(marker)):
        if number == 7 and before == 3:
            with open(marker, "w") as file:
                file.write(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return rows

    model = MLELogisticClassifier().fit(read_by(read, str(tmp_path)), blocks(Y))
    assert_same(model, expected)
    client.wait_for_workers(1, timeout=60)
    assert int(marker.read_text()) not in pids(client)
    assert_nothing_is_left(client)


def test_a_nan_names_its_block_and_rows(client):
    bad = X.copy()
    bad[1743, 1] = np.nan
    with pytest.raises(ValueError, match=r"In block 17 of 40 \(rows 1700 to 1799, .*X contains NaN or infinity"):
        MLELogisticClassifier().fit(blocks(bad), blocks(Y))
    assert_nothing_is_left(client)


def test_an_exception_in_a_block_ends_the_fit(client, tmp_path):
    def read(number, before, rows):
        if number == 7 and before == 2:
            raise OSError("the disk is gone")
        return rows

    with pytest.raises(OSError, match="the disk is gone"):
        MLELogisticClassifier().fit(read_by(read, str(tmp_path)), blocks(Y))
    assert_nothing_is_left(client)


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, also where the shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_fit_leaves_no_task_behind(client, tmp_path):
    marker = tmp_path / "third pass"

    def read(number, before, rows, marker=str(marker)):
        if before >= 2:
            open(marker, "w").close()
            time.sleep(0.05)
        return rows

    def interrupt():
        while not marker.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    model = MLELogisticClassifier()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(read_by(read, str(tmp_path)), blocks(Y))
    thread.join()
    assert not hasattr(model, "coef_")
    assert_nothing_is_left(client)

    def observer(iteration, coefficients):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model._fit(blocks(X), blocks(Y), None, None, observer)
    assert_nothing_is_left(client)
