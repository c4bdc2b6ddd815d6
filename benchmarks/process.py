"""Start `benchmarks.child` in a fresh process and wait for it, no longer than its fit may take."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["THREAD_VARIABLES", "run_child"]

ROOT = Path(__file__).parent.parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
POLL = 0.02
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
        Fit once, with one thread.
    """
    name = f"{solver}, {setting}".replace("/", " ").replace(" ", "_")
    result, errors = folder / f"{name}.json", folder / f"{name}.stderr"
    command = [sys.executable, "-m", "benchmarks.child", str(folder), solver, setting, str(result), *(["--once"] if quick else [])]
    variables = os.environ | (dict.fromkeys(THREAD_VARIABLES, "1") if quick else {})
    with errors.open("w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=stderr)
        late = _wait(process, result.with_suffix(".progress"), timeout)
    if late:
        return {"status": "timeout", "error": late}
    if not result.exists():
        last = errors.read_text().strip().splitlines()[-1:] or ["no message"]
        return {"status": "failed", "error": f"exit code {process.returncode}: {last[0]}"[:300]}
    measured = json.loads(result.read_text())
    return {"status": "failed" if "error" in measured else "ok", **measured}


def _wait(process: subprocess.Popen[bytes], progress: Path, timeout: float) -> str:
    """Wait for the end; return what took too long, or ""."""
    limits = {"": SET_UP_LIMIT, "ready": timeout, "fitted": JUDGING_LIMIT, "judged": JUDGING_LIMIT}
    stage, since = "", time.monotonic()
    while process.poll() is None:
        words = progress.read_text().split() if progress.exists() else []
        if words and words[-1] != stage:
            stage, since = words[-1], time.monotonic()
        if time.monotonic() - since > limits[stage]:
            process.kill()
            process.wait()
            doing = {"": "importing, loading and warming up", "ready": "fitting"}.get(stage, "judging")
            return f"still {doing} after {limits[stage]:g} s"
        time.sleep(POLL)
    return ""
