"""Start `benchmarks.child` in a fresh process and wait for it, no longer than its fit may take."""

import json
import multiprocessing
import os
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmarks import child

__all__ = ["THREAD_VARIABLES", "run_child"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PRELOADED = ["benchmarks.child", "sklearn_mle.estimators", "glum", "statsmodels.api"]  # absent ones are ignored
POLL = 0.05
SET_UP_LIMIT = 300.0  # seconds to import, load the data and warm up
JUDGING_LIMIT = 300.0


def run_child(folder: Path, solver: str, setting: str, timeout: float, quick: bool = False) -> dict[str, Any]:
    """Return what the child measured, with "status": "ok", "timeout" or "failed".

    Parameters
    ----------
    folder : Path
        Where the problem and its data lie.
    solver, setting : str
        Names in the registry.
    timeout : float
        Seconds for one fit. Repeats of short fits fit in as well, because only fits of less than 2 s are repeated.
    quick : bool
        Fit once, with one thread, in a process forked from one that has done the long imports. Otherwise the
        process starts from nothing.
    """
    name = f"{solver}, {setting}".replace("/", " ").replace(" ", "_")
    result, errors = folder / f"{name}.json", folder / f"{name}.stderr"
    context: Any = multiprocessing.get_context("spawn")
    if quick:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=child.run, args=(folder, solver, setting, result, quick, errors))
    process.start()
    late = _wait(process, result.with_suffix(".progress"), timeout)
    if late:
        return {"status": "timeout", "error": late}
    if not result.exists():
        last = (errors.read_text().strip().splitlines() if errors.exists() else [])[-1:] or ["no message"]
        return {"status": "failed", "error": f"exit code {process.exitcode}: {last[0]}"[:300]}
    measured = json.loads(result.read_text())
    return {"status": "failed" if "error" in measured else "ok", **measured}


def _wait(process: BaseProcess, progress: Path, timeout: float) -> str:
    """Wait for the end; return what took too long, or ""."""
    limits = {"": SET_UP_LIMIT, "ready": timeout, "fitted": JUDGING_LIMIT, "judged": JUDGING_LIMIT}
    stage, since = "", time.monotonic()
    while process.is_alive():
        words = progress.read_text().split() if progress.exists() else []
        if words and words[-1] != stage:
            stage, since = words[-1], time.monotonic()
        if time.monotonic() - since > limits[stage]:
            process.kill()
            process.join()
            doing = {"": "importing, loading and warming up", "ready": "fitting"}.get(stage, "judging")
            return f"still {doing} after {limits[stage]:g} s"
        process.join(POLL)
    return ""
