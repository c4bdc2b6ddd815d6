"""The planted faults: what is changed, what is left alone, and that each is one valid change on its own line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is not part of the installed package

from benchmarks.mutants.operators import mutants_of

SOURCE = '''"""A docstring of 1 + 1."""
LIMIT = 1 + 1


def f(x: int, y=1, *, scale: float = 2.0):
    """Return x + y."""
    if x < (y) and not scale:
        raise ValueError(f"{x + 1} is less than {y}" + "!")
    total: float = (x - y) * 3
    total += g(x, "é", weight=y, copy=True)
    return -total if x is None else total[-1]
'''
EXPECTED = {
    7: {"not (x < (y) and not scale)", "x <= (y) and not scale", "x < (y) or not scale", "x < (y) and scale"},
    9: {"(x + y) * 3", "(x - y) / 3", "(x - y) * 4"},
    10: {'total -= g(x, "é", weight=y, copy=True)', 'total += g(x, "é", copy=True)'},
    11: {
        "(total[-1]) if (x is None) else (-total)",
        "total if x is None else total[-1]",
        "-total if x is not None else total[-1]",
        "-total if x is None else total[1]",
        "-total if x is None else total[-2]",
    },
}


def test_every_mutant_is_one_change_of_one_line(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(SOURCE, encoding="utf-8")
    mutants = mutants_of(file, tmp_path)
    found = {}
    for mutant in mutants:
        lines = mutant.apply(SOURCE).splitlines()
        changed = [
            number for number, (was, now) in enumerate(zip(SOURCE.splitlines(), lines, strict=True)) if was != now
        ]
        assert [number + 1 for number in changed] == [mutant.line]
        text = lines[mutant.line - 1].strip()
        for start in ("if ", "total: float = ", "return "):
            text = text.removeprefix(start)
        found.setdefault(mutant.line, set()).add(text.removesuffix(":"))
    assert found == EXPECTED
    assert len(set(mutants)) == len(mutants) and {mutant.path for mutant in mutants} == {"module.py"}
