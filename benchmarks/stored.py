"""A fit of a file larger than the memory it may use: resident memory by kind, time, passes, and the fit in memory.

    python -m benchmarks.stored [--rows 7500000] [--columns 100] [--folder /tmp] [--float32] [--in-memory]

writes a file of that size into the folder (6 GB by default), fits a logistic regression to it through ``np.memmap`` in
a process of its own, with ``--in-memory`` also to the same numbers read into memory, prints a line of JSON each, and
deletes the file. Linux only: the kernel's counters are read from /proc.
"""

import argparse
import json
import multiprocessing
import shutil
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

POLL = 0.02  # seconds between two looks at the memory in use
MB = 2**20
ROWS_A_STEP = 50_000


def main() -> None:
    """Write the file, fit it, report, delete it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=7_500_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--in-memory", action="store_true")
    given = parser.parse_args()
    dtype = np.dtype(np.float32 if given.float32 else np.float64)
    size = given.rows * given.columns * dtype.itemsize
    free = shutil.disk_usage(given.folder).free
    if free < 1.2 * size:
        parser.error(f"{given.folder} has {free / 1e9:.1f} GB free; the file takes {size / 1e9:.1f}.")
    with TemporaryDirectory(dir=given.folder) as folder:
        write(Path(folder), given.rows, given.columns, dtype)
        coefficients = []
        for in_memory in [False, *[True] * given.in_memory]:
            result = in_a_process(Path(folder), given.rows, given.columns, dtype, in_memory)
            coefficients.append(np.array(result.pop("coefficients")))
            print(json.dumps({"file_GB": size / 1e9, "dtype": str(dtype), **result}), flush=True)
        if given.in_memory:
            print(json.dumps({"largest_difference_of_coefficients": float(np.ptp(coefficients, axis=0).max())}))


def write(folder: Path, n: int, p: int, dtype: np.dtype[Any]) -> None:
    """Write X.bin, row by row, and y.bin, of a logistic model."""
    generator = np.random.default_rng(0)
    coef = generator.standard_normal(p) / np.sqrt(p)
    with open(folder / "X.bin", "wb") as file, open(folder / "y.bin", "wb") as labels:
        for start in range(0, n, ROWS_A_STEP):
            X = generator.standard_normal((min(ROWS_A_STEP, n - start), p), dtype=np.float32).astype(dtype)
            X.tofile(file)
            (generator.random(len(X)) < 1 / (1 + np.exp(-X @ coef))).astype(np.int8).tofile(labels)


def in_a_process(folder: Path, n: int, p: int, dtype: np.dtype[Any], in_memory: bool) -> dict[str, Any]:
    """Return what a process that does nothing but this fit measured."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(sender, folder, n, p, dtype, in_memory))
    process.start()
    sender.close()
    result: dict[str, Any] = receiver.recv()
    process.join()
    return result


def measure(sender: Any, folder: Path, n: int, p: int, dtype: np.dtype[Any], in_memory: bool) -> None:
    """Fit, and send what it took."""
    from sklearn_mle import MLELogisticClassifier

    y = np.fromfile(folder / "y.bin", dtype=np.int8)
    X = np.memmap(folder / "X.bin", dtype=dtype, mode="r", shape=(n, p))
    if in_memory:
        X = np.fromfile(folder / "X.bin", dtype=dtype).reshape(n, p)
    before = resident()
    with MostResident() as most:
        start = time.perf_counter()
        model = MLELogisticClassifier().fit(X, y)
        seconds = time.perf_counter() - start
    sender.send(
        {
            "in_memory": in_memory,
            "seconds": round(seconds, 2),
            "passes": model.n_passes_,
            "seconds_a_pass": round(seconds / model.n_passes_, 3),
            "gap": model.gap_,
            "before_MB": round(before["VmRSS"] / MB),
            "high_water_MB": round(resident()["VmHWM"] / MB),
            "most_MB": {name: round(most.bytes[name] / MB) for name in ("VmRSS", "RssAnon", "RssFile")},
            "coefficients": [*model.coef_[0].tolist(), float(model.intercept_[0])],
        }
    )


def resident() -> dict[str, int]:
    """Return the kernel's counters of this process's memory, in bytes."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if words[0].startswith(("Vm", "Rss"))}


class MostResident:
    """Context: afterwards `bytes` has the most of each kind of resident memory that was seen."""

    def __enter__(self) -> "MostResident":
        self.bytes = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(POLL):
            for name, value in resident().items():
                self.bytes[name] = max(self.bytes[name], value)


if __name__ == "__main__":
    main()
