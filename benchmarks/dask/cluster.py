"""A cluster of local processes whose scheduler is not in the client's process, so that the client can be watched."""

import logging
import multiprocessing
from typing import Any

import dask
from distributed import LocalCluster

__all__ = ["Cluster"]


class Cluster:
    """Context: scheduler and workers in processes of their own, with made rows on the workers.

    Parameters
    ----------
    n_workers : int
        Each has one thread.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def __enter__(self) -> "Cluster":
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.n_workers))
        self._process.start()
        self.address = self._ours.recv()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ours.send(None)
        self._process.join(30)
        self._process.kill()


def _serve(pipe: Any, n_workers: int) -> None:
    # As many tasks as a fit has are remembered for whoever asks for the stream of tasks.
    with (
        dask.config.set({"distributed.scheduler.dashboard.tasks.task-stream-length": 1_000_000}),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        pipe.send(cluster.scheduler_address)
        pipe.recv()
