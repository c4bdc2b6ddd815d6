"""Every option with every other, in every call: judged by relations that need no reference values."""

import os
from functools import cache

import dask
import pytest

from sklearn_mle.exceptions import NotSupportedError
from tests.together.calls import Fit
from tests.together.cases import case_of
from tests.together.covering import meetings, possible_cells
from tests.together.judge import differences, unexpected
from tests.together.levels import CELLS, LEVELS, MEANINGLESS, REFUSED, design
from tests.together.relations import RELATIONS, plan, relation_pairs

# Pairs of options; triples are for `make test-together`, which sets this to 3.
STRENGTH = int(os.environ.get("SKLEARN_MLE_TOGETHER", "2"))
DESIGN = design(STRENGTH)
# Pairs take half the time of all tests: `make test` has every fortieth cell.
SHARE = 40


def named(cell):
    """Return a cell's name, as pytest shows it."""
    return "-".join(str(level) for level in cell.values())


PLAN = plan(DESIGN, CELLS)


@pytest.mark.parametrize("strength", range(1, STRENGTH + 1))
def test_the_design_covers_all_that_can_meet(strength):
    """Not as its maker counts: every tuple of levels of which some possible cell is made is in the design."""
    assert {level for cell in CELLS for level in cell.items()} == {(f, each) for f in LEVELS for each in LEVELS[f]}
    possible = {meeting for cell in CELLS for meeting in meetings(cell, strength)}
    assert {meeting for cell in DESIGN for meeting in meetings(cell, strength)} == possible


def test_every_relation_meets_every_level_that_it_can_meet():
    tested = {(name, level) for cell, names in PLAN for name in names for level in cell.items()}
    assert tested == set(relation_pairs(CELLS))


@cache
def refused():
    """Return the combinations that one rule alone refuses, by rule."""
    found = {name: [] for name in REFUSED}
    for cell in possible_cells(LEVELS, lambda cell: not any(rule(cell) for rule in MEANINGLESS.values())):
        names = [name for name, rule in REFUSED.items() if rule(cell)]
        if len(names) == 1:
            found[names[0]].append(cell)
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_fit_refuses_what_the_design_leaves_out(name, tmp_path):
    cells = refused()[name]
    assert cells
    for cell in {cell["model"]: cell for cell in cells}.values():
        with pytest.raises(NotSupportedError):
            Fit(case_of(cell), tmp_path)


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        pytest.param(*each, id=named(each[0]), marks=[pytest.mark.slow] * (k % SHARE != SHARE // 2))
        for k, each in enumerate(PLAN)
    ],
)
def test_what_must_not_matter_does_not(cell, names, tmp_path):
    case = case_of(cell)
    with dask.config.set(scheduler="synchronous"):
        fit = Fit(case, tmp_path)
        answers = fit.answers()
        found = unexpected(fit, answers)
        for name in names:
            changed = Fit(RELATIONS[name].change(case), tmp_path)
            found += [
                f"{name}: {each}" for each in differences(RELATIONS[name], fit, answers, changed, changed.answers())
            ]
    assert not found, "\n".join(found)
