"""What ``import sklearn_mle`` costs over ``import sklearn.linear_model``."""

import subprocess
import sys
from pathlib import Path

__all__ = ["import_milliseconds"]

CODE = """
import time
import sklearn.linear_model
start = time.perf_counter()
import sklearn_mle
print(1e3 * (time.perf_counter() - start))
"""


def import_milliseconds(repeats: int = 10) -> list[float]:
    """Return the milliseconds of the import, one of each fresh process; the median is what to report."""
    command = [sys.executable, "-c", CODE]
    root = Path(__file__).parent.parent
    runs = [subprocess.run(command, cwd=root, capture_output=True, text=True, check=True) for _ in range(repeats + 1)]
    return [float(run.stdout) for run in runs[1:]]  # the first one may write byte code
