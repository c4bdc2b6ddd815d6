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
        "caches": _caches(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {"sklearn-mle": sklearn_mle.__version__, **{name: _version(name) for name in PACKAGES}},
        "thread_pools": [f"{p['internal_api']} {p['version']}, {p['num_threads']} threads" for p in threadpool_info()],
        "thread_variables": {name: os.environ.get(name, "not set") for name in THREAD_VARIABLES},
    }


def _caches() -> str:
    """Return the sizes of the first processor's caches, as the kernel tells them; "" where it does not."""
    told = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            told.append(f"L{level} {size}")
    return ", ".join(told)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()
