"""Predictive distributions on random splits into nine tenths and one: NLL, CRPS, RMSE, coverage, time.

    python -m benchmarks.distributional --data FOLDER [--sets yacht,wine] [--methods NGBoost,crepes] [--splits 20]

appends one line of JSON for each method and split to ``runs.jsonl`` in the output folder, leaves out those that are
there already, and writes ``results.md``. FOLDER holds boston.csv.gz, yacht.csv.gz and so on, or some of them, with one
header line each; California's may be in the folder above. A peer that is not installed is left out.
"""

import argparse
import json
import time
import traceback
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.distributional.methods import BASES, COVERAGES, METHODS, Array, Method
from benchmarks.distributional.report import table
from benchmarks.distributional.sets import FEW_SPLITS, SETS, read, splits_of
from sklearn_mle.metrics import crps, get_scorer, negative_log_likelihood

__all__ = ["main", "measure"]


def main(arguments: list[str] | None = None) -> None:
    """Run what is not there yet, and write the tables of all that is."""
    options = _options(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "runs.jsonl"
    runs = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {_key(run) for run in runs}
    missing: set[str] = set()
    for name in options.sets:
        data = read(name, options.data, options.rows)
        if data is None:
            print(f"{name}: no such table", flush=True)
            continue
        X, y = data
        count = min(options.splits, FEW_SPLITS.get(name, options.splits))
        for split, (train, test) in enumerate(splits_of(len(y), count)):
            for method in options.methods:
                run = {"data": name, "n": len(y), "base": options.base, "split": split, "method": method}
                if _key(run) in done or method in missing:
                    continue
                try:
                    run |= measure(METHODS[method](BASES[options.base]()), X[train], y[train], X[test], y[test])
                except ImportError as error:
                    print(f"{method} is left out: {error}", flush=True)
                    missing.add(method)
                    continue
                except Exception as error:
                    traceback.print_exc()
                    run["error"] = repr(error)
                runs.append(run)
                with path.open("a") as file:
                    file.write(json.dumps(run) + "\n")
    of_base = [run for run in runs if run["base"] == options.base]
    (options.output / "results.md").write_text(table(of_base) + "\n")
    print(table(of_base))


def measure(method: Method, X: Array, y: Array, new_X: Array, new_y: Array) -> dict[str, Any]:
    """Return the scores of new rows, in nats and in the unit of y, and the seconds of one processor."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        method.fit(X, y)
        fitted = time.process_time()
        point, intervals, distribution = method.predict(new_X), method.intervals(new_X), method.distribution(new_X)
        predicted = time.process_time()
        inside = (intervals[:, :, 0] <= new_y) & (new_y <= intervals[:, :, 1])
        found: dict[str, Any] = {
            "nll": None if distribution is None else negative_log_likelihood(new_y, distribution),
            "nll_whole": _nll_of_whole_numbers(distribution, new_X, new_y),
            "crps": None if distribution is None else crps(new_y, distribution),
            "rmse": float(np.sqrt(np.mean(np.square(new_y - point)))),
            "fit": fitted - start,
            "predict": predicted - fitted,
        }
    for coverage, rows, ends in zip(COVERAGES, inside, intervals, strict=True):
        found[f"coverage_{coverage:.0%}"] = float(rows.mean())
        found[f"width_{coverage:.0%}"] = float(np.mean(ends[:, 1] - ends[:, 0]))
    return found


def _nll_of_whole_numbers(distribution: Any, X: Array, y: Array) -> float | None:
    """Return the score by which ``compare`` judges whole numbers: of the probability of what rounds to each."""
    if distribution is None or (y % 1).any():
        return None
    model = SimpleNamespace(predict_distribution=lambda X: distribution)
    return -float(get_scorer("log_likelihood")(model, X, y))


def _key(run: dict[str, Any]) -> tuple[Any, ...]:
    return run["data"], run["n"], run["base"], run["split"], run["method"]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with the tables; without it, diabetes alone")
    parser.add_argument("--sets", help="names, or the beginning of one, with commas between them")
    parser.add_argument("--methods", help="names, or the beginning of one, with commas between them")
    parser.add_argument("--base", choices=sorted(BASES), default="boosting")
    parser.add_argument("--splits", type=int, default=20, help="of protein-structure and california_housing at most 5")
    parser.add_argument("--rows", type=int, help="at most so many rows of each table")
    parser.add_argument("--quick", action="store_true", help="two splits of 300 rows: a test of the wiring")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "output" / "distributional")
    options = parser.parse_args(arguments)
    if options.quick:
        options.splits, options.rows = 2, 300
    options.sets = _chosen(parser, options.sets, list(SETS))
    options.methods = _chosen(parser, options.methods, list(METHODS))
    return options


def _chosen(parser: argparse.ArgumentParser, given: str | None, names: list[str]) -> list[str]:
    if given is None:
        return names
    chosen: set[str] = set()
    for one in given.split(","):
        found = [name for name in names if name == one] or [name for name in names if name.startswith(one)]
        if not found:
            parser.error(f"{one!r} is none of {names}, nor the beginning of one.")
        chosen |= set(found)
    return [name for name in names if name in chosen]


if __name__ == "__main__":
    main()
