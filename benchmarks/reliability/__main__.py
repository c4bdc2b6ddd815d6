"""Run every case with every library, each in a process of its own, and write the table: ``make reliability``."""

import argparse
import importlib.metadata
from collections import Counter
from pathlib import Path

from benchmarks.reliability.cases import KINDS, cases
from benchmarks.reliability.judge import OUTCOMES, SILENT, judge
from benchmarks.reliability.libraries import LIBRARIES
from benchmarks.reliability.watch import seen_of

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- make reliability: begin -->", "<!-- make reliability: end -->"
TITLES = {
    "binary": "Two classes",
    "multinomial": "Three classes",
    "gaussian": "Least squares",
    "poisson": "Counts",
    "median": "Median regression",
}
PACKAGES = ("scikit-learn", "statsmodels", "glum")


def table(kind: str, timeout: float, verbose: bool) -> tuple[list[str], dict[str, Counter[str]]]:
    """Return the lines of the table of a kind, and how often each library had each outcome."""
    columns: dict[str, list[str]] = {}
    chosen = cases(kind)
    for library in LIBRARIES:
        columns[library] = []
        for case, seen in zip(chosen, seen_of(library, kind, timeout), strict=True):
            outcome = seen if isinstance(seen, str) else judge(case, seen)
            columns[library].append(outcome)
            if verbose:
                said = "" if isinstance(seen, str) else seen.error or "; ".join(seen.warnings)
                print(f"{kind:12s} {case.name:40s} {library:14s} {outcome:14s} {said[:110]}", flush=True)
    lines = [f"### {TITLES[kind]}", "", f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row, case in enumerate(chosen):
        cells = [columns[library][row] for library in columns]
        lines.append(f"| {case.name} | {' | '.join(f'**{cell}**' if cell == SILENT else cell for cell in cells)} |")
    return [*lines, ""], {library: Counter(outcomes) for library, outcomes in columns.items()}


def summary(counts: dict[str, Counter[str]]) -> list[str]:
    """Return the lines of the table of totals."""
    named = [outcome for outcome in OUTCOMES if any(count[outcome] for count in counts.values())]
    lines = [f"| | {' | '.join(counts)} |", f"|---|{'---|' * len(counts)}"]
    lines += [f"| {name} | {' | '.join(str(count[name]) for count in counts.values())} |" for name in named]
    return [*lines, ""]


def main() -> None:
    """Write the tables into the page between its markers, or print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a fit before it counts as a hang")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; the page is then left as it is")
    parser.add_argument("--verbose", action="store_true", help="print every outcome with what was said")
    options = parser.parse_args()
    total: dict[str, Counter[str]] = {library: Counter() for library in LIBRARIES}
    lines: list[str] = []
    for kind in options.kind or KINDS:
        more, counts = table(kind, options.timeout, options.verbose)
        lines += more
        for library, count in counts.items():
            total[library] += count
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    n = sum(len(cases(kind)) for kind in options.kind or KINDS)
    lines = [f"{n} cases, beside {versions}:", "", *summary(total), *lines]
    if options.kind:
        print("\n".join(lines))
        return
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n{END}{after}")
    print("\n".join(lines[: len(summary(total)) + 2]))
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
