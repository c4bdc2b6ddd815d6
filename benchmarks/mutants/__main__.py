"""Plant a seeded sample of faults, one at a time, and count those that the tests see: ``make mutants``."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from benchmarks.mutants.operators import Mutant, mutants_of
from benchmarks.mutants.selection import TESTS, Selection, record

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "benchmarks/output/mutants"
MUTATED = ("likelihoods", "inference", "metrics", "_objective.py")


def all_mutants(names: Sequence[str] = MUTATED) -> list[Mutant]:
    """Return every mutant of packages and modules."""
    paths = [ROOT / "sklearn_mle" / name for name in names]
    files = sorted(file for path in paths for file in (path.glob("*.py") if path.is_dir() else [path]))
    return [mutant for file in files for mutant in mutants_of(file, ROOT)]


def copy_of_the_tree(folder: Path) -> Path:
    """Copy the files that git knows: a mutant is planted in the copy."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def verdict(mutant: Mutant, tree: Path, selection: Selection, budget: float) -> str:
    """Return "killed", "timeout", "survived", or "not run" where no test runs the line."""
    tests, seconds = selection.tests(mutant.path, mutant.line, budget)
    if not tests:
        return "not run"
    file = tree / mutant.path
    source = file.read_text(encoding="utf-8")
    file.write_text(mutant.apply(source), encoding="utf-8")
    chosen = tree / ".chosen"  # thousands of names would not fit a command line
    chosen.write_text("\n".join(tests), encoding="utf-8")
    options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", f"@{chosen}"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *options],
            cwd=tree,
            env=environment,
            capture_output=True,
            timeout=120 + 10 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        file.write_text(source, encoding="utf-8")
    return "killed" if run.returncode else "survived"


def main() -> int:
    """Record, plant, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=200, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of tests for a mutant")
    parser.add_argument("--mutate", nargs="+", default=MUTATED, help="packages and modules of sklearn_mle")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="the tests that are recorded, and so may be chosen")
    parser.add_argument("--keep-coverage", action="store_true", help="use the last run's record of lines and tests")
    given = parser.parse_args()
    if not (given.keep_coverage and OUTPUT.exists()):
        record(ROOT, OUTPUT, given.workers, given.tests)
    selection, mutants = Selection(ROOT, OUTPUT), all_mutants(given.mutate)
    sample = random.Random(given.seed).sample(mutants, min(given.sample, len(mutants)))
    print(f"{len(sample)} of {len(mutants)} mutants, seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(given.workers) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(given.workers):
            trees.put(copy_of_the_tree(Path(folder) / str(number)))

        def judged(mutant: Mutant) -> str:
            tree = trees.get()
            try:
                found = verdict(mutant, tree, selection, given.budget)
            finally:
                trees.put(tree)
            print(f"{found}: {mutant.describe((ROOT / mutant.path).read_text(encoding='utf-8'))}", flush=True)
            return found

        verdicts = list(pool.map(judged, sample))
    seen = sum(found in ("killed", "timeout") for found in verdicts)
    counts = {kind: verdicts.count(kind) for kind in ("killed", "timeout", "survived", "not run")}
    rows = [{"verdict": found, **vars(mutant)} for mutant, found in zip(sample, verdicts, strict=True)]
    (OUTPUT / "report.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(f"{counts}: {seen} of {len(sample)} seen, {seen / max(len(sample), 1):.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
