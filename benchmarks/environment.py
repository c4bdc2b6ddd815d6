"""What the measurements depend on besides the code: machine, versions, threads."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401  (loads the BLAS that is reported)
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info

import sklearn_mle
from benchmarks.process import THREAD_VARIABLES

__all__ = ["describe"]

PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-learn-intelex", "glum", "statsmodels", "snapml")


def describe() -> dict[str, Any]:
    """Return the environment as a JSON-ready dictionary."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {"sklearn-mle": sklearn_mle.__version__, **{name: _version(name) for name in PACKAGES}},
        "thread_pools": [f"{p['internal_api']} {p['version']}, {p['num_threads']} threads" for p in threadpool_info()],
        "thread_variables": {name: os.environ.get(name, "not set") for name in THREAD_VARIABLES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()
