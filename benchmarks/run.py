"""The benchmark: every solver in fresh processes, one at a time, on every workload.

``python -m benchmarks.run`` or ``make bench``; README.md tells how to read what it writes.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import environment, growth, report
from benchmarks.bandwidth import seconds_to_read
from benchmarks.best_known import STORE, lowest
from benchmarks.child import n_rows_judged
from benchmarks.import_cost import import_milliseconds
from benchmarks.kernels import families, seconds_of_products, using
from benchmarks.problem import Problem, fingerprint, save, stored_bytes
from benchmarks.process import run_child
from benchmarks.solvers import DEFAULT, SOLVERS, Setting, Solver
from benchmarks.verdict import TARGET
from benchmarks.workloads import DATA_VARIABLE, WORKLOADS, MissingDataError, Workload

__all__ = ["main"]

OUTPUT = Path(__file__).parent / "output"
LONG_SWEEP = 10.0  # seconds: a setting that reaches the target and takes longer ends its solver's sweep
QUICK_TIMEOUT = 2.0

Job = tuple[Solver, Setting]


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; return 0, or 1 if one of our own fits failed."""
    args = _parse(arguments)
    if args.data_dir:
        os.environ[DATA_VARIABLE] = str(args.data_dir)
    args.output.mkdir(parents=True, exist_ok=True)
    solvers = [SOLVERS[name] for name in args.solvers]
    results: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": args.quick,
        "timeout": args.timeout,
        "environment": environment.describe(),
    }
    if args.growth:
        results["growth"] = growth.run(args.quick, args.timeout, _say)
        report.write_growth(results, args.output)
        return 0
    results["absent"] = {s.name: reason for s in solvers if (reason := s.why_absent())}
    for name, reason in results["absent"].items():
        _say(f"skipped solver {name}: {reason}")
    solvers = [solver for solver in solvers if solver.name not in results["absent"]]
    results["import_milliseconds"] = import_milliseconds(3 if args.quick else 10)
    _say(f"import sklearn_mle: {statistics.median(results['import_milliseconds']):.1f} ms over sklearn.linear_model")
    results["workloads"] = []
    kernels = families()[:1] if args.quick else families()
    _say(f"kernels: {', '.join(kernels) or 'of the library'}")
    for name in args.workloads:
        try:
            results["workloads"].append(_run_workload(WORKLOADS[name], solvers, kernels, args.quick, args.timeout))
        except MissingDataError as missing:
            _say(f"skipped workload {name}: {missing}")
            results.setdefault("skipped", {})[name] = str(missing)
        (args.output / "results.json").write_text(json.dumps(results, indent=1))  # so that an interruption loses little
    report.write(results, args.output)
    failed = [r for w in results["workloads"] for r in w["results"] if r["ours"] and r["status"] == "failed"]
    return 1 if failed else 0


def _run_workload(
    workload: Workload, solvers: list[Solver], kernels: list[str], quick: bool, timeout: float
) -> dict[str, Any]:
    problem, X, y = workload.build(quick)
    _say(f"\n{workload.name}: {workload.title}" + (f" (quick: {problem.n} x {problem.p})" if quick else ""))
    with tempfile.TemporaryDirectory(prefix="sklearn_mle_bench_") as temporary:
        folder = Path(temporary)
        save(folder, problem, X, y)
        facts = {
            "problem": asdict(problem),
            "title": workload.title,
            "fingerprint": fingerprint(X, y),
            "rows_judged": n_rows_judged(problem),
            "X_bytes": stored_bytes(X),
            "read_seconds": seconds_to_read(X),
        }
        del X, y
        applicable, refused = [], {}
        for solver in solvers:
            reason = solver.refuses(problem)
            if reason:
                refused[solver.name] = reason
            else:
                applicable.append(solver)
        facts |= {"refused": refused, "results": [], "products": {}}
        for kernel in kernels:
            _say(f"  {kernel or 'the library'}'s kernels")
            with using(kernel):
                facts["products"][kernel] = seconds_of_products(folder)
                measured = (_measure_quickly if quick else _measure)(folder, problem, applicable, timeout)
            facts["results"] += [{"kernels": kernel, **result} for result in measured]
    facts["best_known"] = lowest(workload.name, facts, None if quick else STORE)
    return facts


def _measure(folder: Path, problem: Problem, solvers: list[Solver], timeout: float) -> list[dict[str, Any]]:
    """Sweep all solvers in turns, one process at a time, so that ours and the peers share the machine's moods."""
    results: list[dict[str, Any]] = []
    ended: set[str] = set()
    best = float("inf")
    for solver, setting in _in_turns(problem, solvers):
        if solver.name in ended:
            continue
        result = _one(folder, solver, setting, timeout)
        results.append(result)
        if result["status"] == "ok" and not solver.objective:
            best = min(best, result["total"])
            reached = (result["total"] - best) / n_rows_judged(problem) <= TARGET
            if reached and result["seconds"] > LONG_SWEEP and not solver.ours:
                ended.add(solver.name)
        elif result["status"] == "timeout":
            ended.add(solver.name)
    return results


def _measure_quickly(folder: Path, problem: Problem, solvers: list[Solver], timeout: float) -> list[dict[str, Any]]:
    """Run one setting a solver, as many processes at once as there are cores: a test of the wiring, not of speed."""
    jobs = [(s, setting) for s in solvers for setting in s.settings(problem)[:1]]
    jobs += [(s, setting) for s in solvers if s.ours for setting in s.settings(problem) if setting.label == DEFAULT]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda job: _one(folder, job[0], job[1], timeout, quick=True), jobs))


def _in_turns(problem: Problem, solvers: list[Solver]) -> Iterator[Job]:
    """Yield each solver's first setting, then each one's second, and so on; ours come first in every turn."""
    sweeps = {solver.name: list(solver.settings(problem)) for solver in sorted(solvers, key=lambda s: not s.ours)}
    for turn in range(max(map(len, sweeps.values()), default=0)):
        for name, sweep in sweeps.items():
            if turn < len(sweep):
                yield SOLVERS[name], sweep[turn]


def _one(folder: Path, solver: Solver, setting: Setting, timeout: float, quick: bool = False) -> dict[str, Any]:
    result = run_child(folder, solver.name, setting.label, timeout, quick)
    if result["status"] == "ok":
        told = f"{result['seconds']:9.4f} s   mean objective {result['mean']:.12f}"
    else:
        told = f"{result['status']}: {result['error']}"
    _say(f"  {solver.name:26s} {setting.label:34s} {told}")
    return {
        "solver": solver.name,
        "setting": setting.label,
        "ours": solver.ours,
        "objective": solver.objective,
        **result,
    }


def _say(text: str) -> None:
    print(text, flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data, one setting a solver: tests the wiring")
    parser.add_argument("--growth", action="store_true", help="how our time grows with rows and columns, instead")
    parser.add_argument("--workloads", type=_names(WORKLOADS), default=list(WORKLOADS), metavar="A,B")
    parser.add_argument("--solvers", type=_names(SOLVERS), default=list(SOLVERS), metavar="A,B")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help=f"data outside the project, or {DATA_VARIABLE}")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for one fit; 120, or 2 with --quick")
    args = parser.parse_args(arguments)
    args.timeout = args.timeout or (QUICK_TIMEOUT if args.quick else 120.0)
    return args


def _names(registry: dict[str, Any]) -> Callable[[str], list[str]]:
    """Read comma-separated names, each of which may be the beginning of several."""

    def read(text: str) -> list[str]:
        chosen = [name for part in text.split(",") for name in registry if name.startswith(part.strip())]
        unknown = [part for part in text.split(",") if not any(name.startswith(part.strip()) for name in registry)]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(registry)}")
        return list(dict.fromkeys(chosen))

    return read


if __name__ == "__main__":
    sys.exit(main())
