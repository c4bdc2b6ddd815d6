"""The tables of a run."""

import json
from pathlib import Path
from typing import Any

__all__ = ["write"]


def write(folder: Path, runs: list[dict[str, Any]], environment: dict[str, Any], target: float) -> None:
    """Write results.json and results.md, and print the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps({"environment": environment, "runs": runs}, indent=1))
    text = "\n".join([*_solutions(runs, target), "", *_model(runs), "", *_passes(runs), ""])
    (folder / "results.md").write_text(text)
    print(text)


def _solutions(runs: list[dict[str, Any]], target: float) -> list[str]:
    lines = [
        f"Time to a mean objective within {target:g} nats of the lowest, and what crossed the client's sockets:",
        "",
        "| rows | solver | setting | seconds | gap, nats | passes | MB to client | MB from client | its peak, MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        if "failed" in run:
            last = run["failed"].strip().splitlines()[-1]
            lines.append(_row(f"{run['rows']:,}", run["solver"], run["setting"], last, "", "", "", "", ""))
            continue
        cells = [
            f"{run['seconds']:.2f}{'' if run['gap'] <= target else ' (not reached)'}",
            f"{run['gap']:.1e}",
            run["n_passes"] or "",
            *(f"{run[name] / 1e6:.2f}" for name in ("received", "sent", "memory")),
        ]
        lines.append(_row(f"{run['rows']:,}", run["solver"], run["setting"], *cells))
    return lines


def _model(runs: list[dict[str, Any]]) -> list[str]:
    modelled = [run for run in runs if "predicted" in run]
    if not modelled:
        return []
    lines = [
        "The model, its constants from the one or two smallest runs of several:",
        "",
        "| rows | blocks | measured, s | predicted, s | off |",
    ]
    lines.append("|---|---|---|---|---|")
    for run in modelled:
        times = [f"{run[name]:.2f}" for name in ("seconds", "predicted")]
        lines.append(_row(f"{run['rows']:,}", run["blocks"], *times, f"{run['predicted'] / run['seconds'] - 1:+.0%}"))
    costs = next(run["costs"] for run in modelled if "costs" in run)
    a_row = ", ".join(f"{kind} {seconds * 1e9:.0f}" for kind, seconds in costs["a_row"].items())
    return [
        *lines,
        "",
        f"s = {costs['a_pass'] * 1e3:.1f} ms a pass, h = {costs['a_task'] * 1e3:.1f} ms a round of tasks, "
        f"r = {costs['a_level'] * 1e3:.1f} ms a level, g = {costs['a_fit']:.2f} s a fit; nanoseconds a row: {a_row}.",
    ]


def _passes(runs: list[dict[str, Any]]) -> list[str]:
    lines = ["Passes of the last fit of ours:", "", "| pass | blocks | ms a block | span, s |", "|---|---|---|---|"]
    ours = [run for run in runs if run.get("passes")]
    for one in ours[-1]["passes"] if ours else []:
        lines.append(_row(one["kind"], one["blocks"], f"{one['a_block'] * 1e3:.1f}", f"{one['span']:.2f}"))
    return lines


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
