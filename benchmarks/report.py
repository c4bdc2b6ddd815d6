"""Tables for people: results.md and results.json."""

import json
import math
import statistics
from pathlib import Path
from typing import Any

from benchmarks import plot
from benchmarks.growth import slopes
from benchmarks.solvers import OTHER_MODEL
from benchmarks.verdict import TARGET, Result, Verdict, judge, worse

__all__ = ["write", "write_growth"]

MEGABYTE = 2**20


def write(results: dict[str, Any], folder: Path) -> None:
    """Write results.json, results.md (printed as well) and time_to_solution.png."""
    every = [(workload, verdict) for workload in results["workloads"] for verdict in judge(workload)]
    judged = [(w, worse([verdict for workload, verdict in every if workload is w])) for w in results["workloads"]]
    text = "\n\n".join(
        [
            _heading(results),
            "## Time to solution\n\n" + _headline_table(judged),
            "## Against LogisticRegression() as people use it\n\n" + _as_used_table(judged),
            "## Toward the limit\n\n" + _limits_table(every),
            _imports(results),
            "## Every solver\n\n" + "\n\n".join(_details(*pair) for pair in every),
        ]
    )
    for workload, verdict in judged:
        workload["ratios"] = {
            "kernels": verdict.kernels,
            "fastest_peer": verdict.peer and verdict.peer["solver"],
            "peer_over_ours": _ratio(verdict.peer, verdict.ours),
            "peer_over_default": _ratio(verdict.peer, verdict.default),
            "default_over_one_read": _in_reads(verdict.default, workload["read_seconds"]),
        }
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    (folder / "results.md").write_text(text + "\n")
    plot.draw(judged, folder / "time_to_solution.png")
    print(f"\n{text}\n\nwritten to {folder}")


def write_growth(results: dict[str, Any], folder: Path) -> None:
    """Write growth.json and growth.md (printed as well)."""
    points = results["growth"]
    rows = [
        [f"{q['n']:,}", f"{q['p']:,}", _seconds(q), _nanoseconds(q), _megabytes(q), f"{8e-6 * q['n'] * q['p']:.0f} MB"]
        for q in points
    ]
    table = _table("rows | columns | time | ns a number | peak beyond X | X", rows)
    along_rows = [[f"{p:,} columns", f"{slope:.2f}"] for p, slope in slopes(points, "n", "p").items()]
    along_columns = [[f"{n:,} rows", f"{slope:.2f}"] for n, slope in slopes(points, "p", "n").items()]
    text = "\n\n".join(
        [
            _heading(results),
            "## Growth: unpenalized binary fits at the default tolerance\n\n" + table,
            "Slope of log time against log rows (1 is linear):\n\n" + _table("at | slope", along_rows),
            "Slope of log time against log columns:\n\n" + _table("at | slope", along_columns),
        ]
    )
    (folder / "growth.json").write_text(json.dumps(results, indent=1))
    (folder / "growth.md").write_text(text + "\n")
    print(f"\n{text}\n\nwritten to {folder}")


def _heading(results: dict[str, Any]) -> str:
    machine = results["environment"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    variables = ", ".join(f"{name} {value}" for name, value in machine["thread_variables"].items())
    lines = [
        "# Benchmark" + (" (quick: a test of the wiring; its times mean nothing)" if results["quick"] else ""),
        "",
        f"{results['started']}, {machine['cpu']} ({machine['caches']}), {machine['cores']} cores, load average "
        f"{machine['load_average']:.1f} at the start, {machine['system']}, Python {machine['python']}.",
        f"{versions}. {variables}.",
    ]
    lines += [f"Skipped solver: {name}: {why}." for name, why in results.get("absent", {}).items()]
    lines += [f"Skipped workload: {name}: {why}." for name, why in results.get("skipped", {}).items()]
    return "\n".join(lines)


def _headline_table(judged: list[tuple[dict[str, Any], Verdict]]) -> str:
    rows = []
    for workload, verdict in judged:
        rows.append(
            [
                workload["problem"]["name"],
                verdict.kernels or "-",
                _seconds(verdict.ours),
                _seconds(verdict.default),
                _passes(verdict.default),
                _gap(verdict.default, "total_gap"),
                verdict.peer["solver"] if verdict.peer else "none reaches it",
                _seconds(verdict.peer),
                _ratio(verdict.peer, verdict.ours),
                _ratio(verdict.peer, verdict.default),
            ]
        )
    header = (
        "workload | kernels | ours | ours, default tol | passes | its total gap | fastest peer | time | ratio | "
        "ratio, default tol"
    )
    return (
        f"The fastest setting whose mean objective is within {TARGET:.0e} nats of the best known; the ratio is the "
        "peer's time over ours. Of several families of kernels the row is that under which the ratio at the default "
        "tolerance is less. The total gap is in nats over all rows.\n\n" + _table(header, rows)
    )


def _as_used_table(judged: list[tuple[dict[str, Any], Verdict]]) -> str:
    rows = []
    for workload, verdict in judged:
        for name, theirs in [("as it is", verdict.as_used), ("iterations unlimited", verdict.unlimited)]:
            if theirs:
                rows.append(
                    [
                        workload["problem"]["name"],
                        name,
                        _seconds(theirs),
                        _gap(theirs, "gap"),
                        _seconds(verdict.default),
                        _gap(verdict.default, "gap"),
                        _ratio(theirs, verdict.default),
                        _gap_ratio(theirs, verdict.default),
                    ]
                )
    header = "workload | LogisticRegression() | time | mean gap | ours, default tol | mean gap | time ratio | gap ratio"
    return _table(header, rows)


def _limits_table(judged: list[tuple[dict[str, Any], Verdict]]) -> str:
    rows = []
    for workload, verdict in judged:
        read = workload["read_seconds"]
        products = workload["products"].get(verdict.kernels, {})
        rows.append(
            [
                workload["problem"]["name"],
                verdict.kernels or "-",
                f"{workload['X_bytes'] / MEGABYTE:.1f} MB",
                f"{1e3 * read:.3g} ms",
                f"{workload['X_bytes'] / read / 1e9:.0f} GB/s",
                _milliseconds(products.get("matvec")),
                _milliseconds(products.get("cross_product")),
                _in_reads(verdict.ours, read),
                _in_reads(verdict.default, read),
                _megabytes(verdict.default),
                _megabytes(verdict.peer),
            ]
        )
    header = (
        "workload | kernels | X | one read | bandwidth | X @ v | X'X | ours / read | default tol / read | "
        "peak beyond X | fastest peer's"
    )
    note = (
        "No fit is faster than one read; an X that fits the cache is read faster than memory allows. The products are "
        "numpy's, with all threads."
    )
    return f"{note}\n\n{_table(header, rows)}"


def _imports(results: dict[str, Any]) -> str:
    times = results["import_milliseconds"]
    return (
        f"`import sklearn_mle` costs {statistics.median(times):.1f} ms over `import sklearn.linear_model` "
        f"(median of {len(times)} fresh processes, {min(times):.1f} to {max(times):.1f})."
    )


def _details(workload: dict[str, Any], verdict: Verdict) -> str:
    results = [*verdict.fastest.values(), *verdict.nearest.values(), *([verdict.default] if verdict.default else [])]
    unique = {(result["solver"], result["setting"]): result for result in results}.values()
    reached = sorted((r for r in unique if r.get("gap", math.inf) <= TARGET), key=lambda r: r["seconds"])
    missed = sorted((r for r in unique if r not in reached), key=lambda r: r.get("gap", math.inf))
    rows = [
        [r["solver"], r["setting"], "yes" if near else "no", _seconds(r), _gap(r, "gap"), _megabytes(r), _remark(r)]
        for near, group in [(True, reached), (False, missed)]
        for r in group
    ]
    header = f"solver | setting | within {TARGET:.0e} | time | mean gap | peak beyond X | said"
    problem = workload["problem"]
    kernels = f", {verdict.kernels}'s kernels" if verdict.kernels else ""
    title = f"### {problem['name']}: {workload['title']} ({problem['n']:,} x {problem['p']:,}){kernels}"
    refused = "; ".join(f"{name}: {why}" for name, why in workload["refused"].items() if why != OTHER_MODEL)
    best = workload["best_known"]
    known = f"Best known objective: {best['total']:.9f} nats in total, by {best['by']}."
    return f"{title}\n\n{_table(header, rows)}\n\n{known}" + (f" Not applicable: {refused}." if refused else "")


def _remark(result: Result) -> str:
    if "error" in result:
        return result["error"]
    other = ["its own objective"] if result.get("objective") else []
    return ", ".join([*other, *result["warnings"]])


def _seconds(result: Result | None) -> str:
    if result is None:
        return "-"
    if result["status"] != "ok":
        return result["status"]
    seconds = result["seconds"]
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.3g} ms"


def _passes(result: Result | None) -> str:
    return str(result["passes"]) if result and result.get("passes") is not None else "-"


def _nanoseconds(point: dict[str, Any]) -> str:
    return f"{1e9 * point['seconds'] / (point['n'] * point['p']):.2f}" if point["status"] == "ok" else "-"


def _gap(result: Result | None, key: str) -> str:
    return f"{result[key]:.1e}" if result and key in result else "-"


def _ratio(theirs: Result | None, ours: Result | None) -> str:
    if not theirs or not ours or ours["status"] != "ok" or "seconds" not in theirs:
        return "-"
    return f"{theirs['seconds'] / ours['seconds']:.2f}"


def _gap_ratio(theirs: Result, ours: Result | None) -> str:
    if "gap" not in theirs or not ours or "gap" not in ours:
        return "-"
    return f"{theirs['gap'] / ours['gap']:.0e}" if ours["gap"] > 0 else "ours is the best known"


def _in_reads(result: Result | None, read: float) -> str:
    return f"{result['seconds'] / read:.1f}" if result and result["status"] == "ok" else "-"


def _megabytes(result: Result | None) -> str:
    return f"{result['peak_bytes'] / MEGABYTE:.0f} MB" if result and "peak_bytes" in result else "-"


def _table(header: str, rows: list[list[str]]) -> str:
    rule = " | ".join("---" for _ in header.split("|"))
    return "\n".join(f"| {line} |" for line in [header, rule, *map(" | ".join, rows)])
