"""Peak memory of a piece of code, from the kernel's own counter."""

import ctypes
import gc
import re
import resource
from pathlib import Path

__all__ = ["PeakMemory"]

STATUS = Path("/proc/self/status")


class PeakMemory:
    """Context: afterwards `extra` is the peak resident memory beyond what was resident at entry, in bytes.

    On Linux the kernel's high-water mark is reset at entry. Where that is not allowed, growth below the earlier peak is
    not seen, so `extra` is a lower bound.
    """

    extra = 0

    def __enter__(self) -> "PeakMemory":
        gc.collect()
        _give_back_free_memory()
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._before = _status("VmRSS")
            self._exact = True
        except OSError:
            self._before = _peak_of_process()
            self._exact = False
        return self

    def __exit__(self, *exception: object) -> None:
        self.extra = max(0, (_status("VmHWM") if self._exact else _peak_of_process()) - self._before)


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def _peak_of_process() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if peak > 2**32 else peak * 1024  # kilobytes on Linux, bytes on macOS


def _give_back_free_memory() -> None:
    """Return what malloc holds for reuse, or a fit could use it without being seen."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return
