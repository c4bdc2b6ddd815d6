"""Which tests run a line, fastest first: read from one run of the tests under coverage."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from coverage import CoverageData

from benchmarks.mutants.coverage_plugin import OUTPUT

__all__ = ["TESTS", "Selection", "record"]

# What concerns the mutated packages: the rest is slow, or watches threads, memory and processes.
TESTS = (
    "tests/likelihoods",
    "tests/metrics",
    "tests/inference",
    "tests/model_selection",
    "tests/fit",
    "tests/estimators",
    "tests/existence",
    "tests/together",
    *(f"tests/test_{name}.py" for name in ("objective", "hessian_factors", "curvature", "certified", "identity")),
)
# scikit-learn's checks and Dask run the same lines once more.
SLOW = (
    "--ignore-glob=*dask*",
    "--ignore=tests/estimators/test_check_estimator.py",
    "--ignore=tests/fit/test_large.py",
)


def record(root: Path, output: Path, workers: int, tests: Sequence[str] = TESTS) -> None:
    """Run the tests under coverage, once; several minutes."""
    shutil.rmtree(output, ignore_errors=True)
    paths = [path for path in tests if (root / path).exists()]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "benchmarks.mutants.coverage_plugin",
        "-p",
        "no:cacheprovider",
    ]
    # Not sys.monitoring, which knows no contexts.
    environment = {**os.environ, OUTPUT: str(output), "OMP_NUM_THREADS": "1", "COVERAGE_CORE": "ctrace"}
    environment["PYTHONPATH"] = str(root)
    subprocess.run(
        [*command, "-n", str(workers), "-m", "not alone", *SLOW, *paths], cwd=root, env=environment, check=False
    )


class Selection:
    """The tests of each line of each file."""

    def __init__(self, root: Path, output: Path) -> None:
        self.seconds: dict[str, float] = {}
        for path in output.glob("*.json"):
            self.seconds |= json.loads(path.read_text(encoding="utf-8"))
        self._data = []
        for path in output.glob("*.coverage"):
            data = CoverageData(str(path))
            data.read()
            self._data.append(data)
        self._root, self._by_file = root, {}

    def tests(self, path: str, line: int, budget: float) -> tuple[list[str], float]:
        """Return the tests that run a line, the fastest that fit the budget in seconds, and what they take."""
        if path not in self._by_file:
            lines: dict[int, set[str]] = {}
            for data in self._data:
                for number, contexts in data.contexts_by_lineno(str(self._root / path)).items():
                    lines.setdefault(number, set()).update(contexts)
            self._by_file[path] = lines
        chosen, total = [], 0.0
        contexts = self._by_file[path].get(line, set())
        for test in sorted(contexts & self.seconds.keys(), key=lambda test: (self.seconds[test], test)):
            total += self.seconds[test]
            if chosen and total > budget:
                break
            chosen.append(test)
        return chosen, total
