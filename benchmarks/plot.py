"""Time against suboptimality, one panel a workload."""

import math
from pathlib import Path
from typing import Any

from benchmarks.verdict import TARGET, Verdict

__all__ = ["draw"]

# Okabe and Ito's colours, told apart under every kind of colour blindness; the markers say it once more.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
MARKERS = ("s", "^", "v", "D", "P", "X", "<", ">")
SMALLEST_GAP = 1e-16
COLUMNS = 4


def draw(judged: list[tuple[dict[str, Any], Verdict]], path: Path) -> None:
    """Draw every result: seconds to the right, the mean gap upward; a solver's settings are joined by a line."""
    if not judged:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    n_rows = math.ceil(len(judged) / COLUMNS)
    figure, axes = plt.subplots(n_rows, COLUMNS, figsize=(4.2 * COLUMNS, 3.4 * n_rows + 1), squeeze=False)
    peers = list(dict.fromkeys(r["solver"] for w, _ in judged for r in w["results"] if not r["ours"]))
    styles = {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(peers)}
    handles: dict[str, Any] = {}
    for (workload, verdict), axis in zip(judged, axes.flat, strict=False):
        results = [r for r in workload["results"] if r.get("kernels", "") == verdict.kernels]
        for solver in dict.fromkeys(r["solver"] for r in results):
            done = [r for r in results if r["solver"] == solver and r["status"] == "ok"]
            points = sorted((r["seconds"], max(r["gap"], SMALLEST_GAP)) for r in done if r["gap"] == r["gap"])
            if not points:
                continue
            colour, marker = styles.get(solver, ("black", "o"))
            ours = solver not in styles
            (handles[solver],) = axis.plot(
                *zip(*points, strict=True),
                color=colour,
                marker=marker,
                markersize=8 if ours else 5.5,
                linewidth=2 if ours else 1,
                zorder=3 if ours else 2,
                label=solver,
            )
        axis.axhline(TARGET, color="grey", linewidth=0.8, linestyle="--")
        problem = workload["problem"]
        axis.set(xscale="log", yscale="log", xlabel="seconds")
        axis.set_title(f"{problem['name']}: {problem['n']:,} x {problem['p']:,}", fontsize=10)
        shortest, longest = axis.get_xlim()
        axis.set_xlim(10 ** math.floor(math.log10(shortest)), 10 ** math.ceil(math.log10(longest)))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(judged) :]:
        axis.set_axis_off()
    figure.supylabel("mean objective above the best known, nats")
    order = sorted(handles, key=lambda name: name in styles)
    figure.legend([handles[name] for name in order], order, loc="outside lower center", ncols=6, fontsize=9)
    figure.set_layout_engine("constrained")
    figure.savefig(path, dpi=110)
    plt.close(figure)
