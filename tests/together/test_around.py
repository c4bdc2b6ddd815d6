"""The meta-estimators: every option with every other, in every call, judged by changes that must not matter."""

import os

import numpy as np
import pytest

from sklearn_mle.exceptions import NotSupportedError
from tests.together.around_calls import CHANGES, AroundFit, unanswered
from tests.together.around_cases import CLASSIFIER, IMPOSSIBLE, REFUSED, REGRESSOR, case_of, cells_of, design_of
from tests.together.calls import Refused
from tests.together.covering import covering_array, possible_cells
from tests.together.judge import values_differ

pytestmark = pytest.mark.slow  # a minute on two processors: each fit is several of the model within

STRENGTH = int(os.environ.get("SKLEARN_MLE_TOGETHER", "2"))


def plan(levels):
    """Return the design's cells, each with some changes, such that each change meets every level that it can."""
    cells, design = cells_of(levels), design_of(levels, STRENGTH)
    chosen = {tuple(cell.values()): [] for cell in design}
    of_design = [{**cell, "change": name} for cell in design for name, each in CHANGES.items() if each.holds(cell)]
    met = set()
    for pair in covering_array(of_design, 2):
        *values, name = pair.values()
        chosen[tuple(values)].append(name)
        met |= {(name, level) for level in zip(levels, values, strict=True)}
    for cell in cells:
        for name, change in CHANGES.items():
            new = {(name, level) for level in cell.items()} - met
            if new and change.holds(cell):
                chosen.setdefault(tuple(cell.values()), []).append(name)
                met |= new
    return [(dict(zip(levels, values, strict=True)), names) for values, names in chosen.items()]


PLAN = [*plan(REGRESSOR), *plan(CLASSIFIER)]


@pytest.mark.parametrize("name", REFUSED)
def test_fit_refuses_what_the_design_leaves_out(name):
    def alone(cell):
        return [rule for rule, holds in (IMPOSSIBLE | REFUSED).items() if holds(cell)] == [name]

    cells = possible_cells(REGRESSOR, alone)
    for cell in {cell["likelihood"]: cell for cell in cells}.values():
        with pytest.raises((NotSupportedError, ValueError), match=r"recalibrate=True is for continuous|has no scale"):
            AroundFit(case_of(cell))


@pytest.mark.parametrize(
    ("cell", "names"), [pytest.param(*each, id="-".join(map(str, each[0].values()))) for each in PLAN]
)
def test_what_must_not_matter_does_not(cell, names):
    case = case_of(cell)
    fit = AroundFit(case)
    answers, found = fit.answers(), []
    for call, answer in answers.items():
        refused = isinstance(answer, Refused)
        if refused is not unanswered(cell, call) or (refused and not isinstance(answer.error, NotSupportedError)):
            found.append(f"{call}: {answer}")
    for name in names:
        changed = AroundFit(CHANGES[name].change(case))
        others = changed.answers()
        apart = sum(np.sqrt(2 * max(0.0, gap_of(each.model))) for each in (fit, changed))
        for call in answers:
            one, other = answers[call], others[call]
            if isinstance(one, Refused) or isinstance(other, Refused):
                found += (
                    [f"{name}, {call}: {other}"] if isinstance(one, Refused) is not isinstance(other, Refused) else []
                )
            elif problem := values_differ(one, other, apart):
                found.append(f"{name}, {call}: {problem} (apart {apart:.1g})")
    assert not found, "\n".join(found)


def gap_of(model):
    """Return how far the noise, or the map of the probabilities, is from its maximum at most, in nats."""
    return float(model.noise_.gap_ if hasattr(model, "noise_") else model.gap_)
