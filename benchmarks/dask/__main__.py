"""Time to solution on a cluster, bytes moved to the client, and the model of a fit's time: see the README."""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client

from benchmarks.dask.cluster import Cluster
from benchmarks.dask.costs import Costs
from benchmarks.dask.report import write
from benchmarks.dask.rows import binary
from benchmarks.dask.solvers import SOLVERS
from benchmarks.environment import describe

TARGET = 1e-7
OURS = "sklearn_mle"
PROJECT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> None:
    """Run the fits and write the report."""
    options = read_options(arguments)
    own = {"columns": options.columns, "dtype": options.dtype, "workers": options.workers}
    runs = []
    with Cluster(options.workers) as cluster:
        for rows in sorted({*options.model_rows, options.rows}):
            solvers = [name for name in SOLVERS if name == OURS or (name in options.solvers and rows == options.rows)]
            data = {"rows": rows, "blocks": -(-rows // options.block_rows), **own}
            with published(cluster.address, rows, options):
                for solver in solvers:
                    best = min(
                        (run["objective"] for run in runs if run["rows"] == rows and "objective" in run),
                        default=-math.inf,
                    )
                    runs += sweep(cluster.address, solver, data, options.timeout, best + TARGET)
    judge(runs)
    write(Path(options.output), runs, describe(), TARGET)


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dask", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--block-rows", type=int, default=125_000, help="50 MB at 50 columns of float64")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model-rows", type=int, nargs="*", default=[500_000, 1_000_000])
    parser.add_argument("--solvers", nargs="*", choices=SOLVERS, default=list(SOLVERS), help="ours is always there")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds of one fit's process")
    parser.add_argument("--output", default=str(PROJECT / "benchmarks" / "output" / "dask"))
    return parser.parse_args(arguments)


@contextmanager
def published(address: str, rows: int, options: argparse.Namespace) -> Iterator[None]:
    """Let the workers make the rows and keep them, for any client to find by name; forget them at the end."""
    with Client(address) as client:
        X, y = dask.persist(*binary(rows, options.columns, options.block_rows, options.dtype))
        client.publish_dataset(X=X, y=y)
        y.max().compute()  # raises what went wrong on the way
        del X, y
        yield
        client.unpublish_dataset("X")
        client.unpublish_dataset("y")


def sweep(address: str, solver: str, data: dict[str, Any], timeout: float, target: float) -> list[dict[str, Any]]:
    """Fit with each setting from loose to tight, in fresh processes, until one reaches the target, fails or is late."""
    runs = []
    for setting in SOLVERS[solver][1]:
        command = [sys.executable, "-m", "benchmarks.dask.child", address, solver, json.dumps(setting)]
        run = {"solver": solver, "setting": setting, **data}
        try:
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=timeout, check=False)
            run |= json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr[-2000:]}
        except subprocess.TimeoutExpired:
            run |= {"failed": f"not done within {timeout:g} s"}
        runs.append(run)
        print(f"{solver} {setting}, {data['rows']:,} rows:", run.get("seconds", run.get("failed")), flush=True)
        if run.get("objective", -math.inf) <= target:
            break
    return runs


def judge(runs: list[dict[str, Any]]) -> None:
    """Write to each run how far its mean objective is above the lowest on its data, and what the model predicts."""
    for run in runs:
        if "objective" in run:
            same = [other["objective"] for other in runs if other["rows"] == run["rows"] and "objective" in other]
            run["gap"] = run["objective"] - min(same)
    ours = [run for run in runs if run["solver"] == OURS and "seconds" in run]
    if ours:
        costs = Costs.of(ours[: max(1, len(ours) - 1)][:2])
        for run in ours:
            run["predicted"] = costs.predict(run)
        ours[0]["costs"] = vars(costs)


if __name__ == "__main__":
    main()
