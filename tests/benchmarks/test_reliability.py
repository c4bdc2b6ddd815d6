"""The matrix beside the peers: ours answers every case, and its judge tells right from wrong."""

import numpy as np
import pytest

from benchmarks.reliability.cases import KINDS, cases
from benchmarks.reliability.judge import SILENT, Seen, judge
from benchmarks.reliability.watch import observe


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_has_the_right_answer_or_a_clear_word(kind):
    for case in cases(kind):
        outcome = judge(case, observe("sklearn-mle", case))
        assert outcome in ("ok", "ok, warned", "warned", "clear error"), (case.name, outcome)


def test_the_judge_sees_a_wrong_number():
    case = next(case for case in cases("gaussian") if case.name == "nothing hard")
    right = observe("sklearn-mle", case)
    wrong = (np.array(right.means) + 0.1).tolist()
    assert judge(case, right) == "ok"
    assert judge(case, Seen(wrong, None, ())) == SILENT
    assert judge(case, Seen(wrong, None, ("ConvergenceWarning: far",))) == "wrong, warned"
    assert judge(case, Seen(None, "ValueError: the columns are singular", ())) == "clear error"
    assert judge(case, Seen(None, "KeyError: 3", ())) == "vague error"
    assert judge(case, Seen(None, "NotOffered: no", ())) == "-"
