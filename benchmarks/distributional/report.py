"""The tables: means over the splits, and paired differences with their standard errors."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.distributional.methods import COVERAGES, OURS

__all__ = ["table"]

Run = dict[str, Any]


def table(runs: Sequence[Run]) -> str:
    """Return a section of Markdown for each set of data."""
    sets = dict.fromkeys(run["data"] for run in runs)
    return "\n".join(line for name in sets for line in _section(name, [run for run in runs if run["data"] == name]))


def _section(name: str, runs: Sequence[Run]) -> Iterator[str]:
    # Of a method that failed, and of its splits, there is nothing to compare.
    done = [run for run in runs if "error" not in run]
    splits = len({run["split"] for run in done})
    # Whole numbers are judged by their probabilities, as ``compare`` does; their density is what others report.
    whole = any(run.get("nll_whole") is not None for run in done)
    key = "nll_whole" if whole else "nll"
    yield f"### {name}: {splits} splits, {runs[0]['n']} rows"
    yield ""
    yield (
        f"| method | NLL{' of probabilities | NLL of densities' if whole else ''} | to ours | CRPS | RMSE | "
        + " | ".join(f"{c:.0%}" for c in COVERAGES)
        + " | width of 90% "
        "| fit, CPU s | predict, CPU s |"
    )
    yield "|---|" + "---:|" * (10 + whole)
    ours = {run["split"]: run[key] for run in done if run["method"] == OURS}
    by_method = {method: [run for run in done if run["method"] == method] for method in {r["method"]: 0 for r in runs}}
    for method, own in sorted(by_method.items(), key=lambda item: _mean(item[1], key)):
        if not own:
            yield f"| {method} | failed |" + " |" * (9 + whole)
            continue
        cells = [f"{_mean(own, each):.3f}" for each in dict.fromkeys((key, "nll"))]
        cells += [_difference(own, ours, key), f"{_mean(own, 'crps'):.4g}"]
        cells += [f"{_mean(own, 'rmse'):.4g}"]
        cells += [f"{_mean(own, f'coverage_{c:.0%}'):.1%}" for c in COVERAGES]
        cells += [f"{_mean(own, 'width_90%'):.4g}", f"{_mean(own, 'fit'):.2f}", f"{_mean(own, 'predict'):.3f}"]
        missing = f" ({len(own)} splits)" if len(own) < splits else ""
        yield f"| {method}{missing} | " + " | ".join("" if "inf" in cell else cell for cell in cells) + " |"
    yield ""


def _mean(runs: Sequence[Run], key: str) -> float:
    values = [run[key] for run in runs if run.get(key) is not None]
    return float(np.mean(values)) if values else float("inf")


def _difference(runs: Sequence[Run], ours: dict[int, float], key: str) -> str:
    """Return the mean difference from ours on the same splits, and its standard error."""
    pairs = [run[key] - ours[run["split"]] for run in runs if run["split"] in ours and run[key] is not None]
    if len(pairs) < 2 or runs[0]["method"] == OURS:
        return ""
    return f"{np.mean(pairs):+.3f} ± {np.std(pairs, ddof=1) / np.sqrt(len(pairs)):.3f}"
