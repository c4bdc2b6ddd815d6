"""The project's own matrix of hard inputs: every stated case, one test each."""

import pytest

from tests.hard_inputs.matrix import of_classes, of_inference, of_numbers, of_scores

CASES = {
    f"{package.__name__.rpartition('.of_')[2]}: {case.name}": case
    for package in (of_classes, of_numbers, of_scores, of_inference)
    for case in package.CASES
}


@pytest.mark.parametrize("name", CASES)
def test_what_must_come_out_comes_out(name):
    wrong = CASES[name].verdict()
    assert wrong is None, wrong


def test_there_are_many_and_each_has_a_name_of_its_own():
    assert len(CASES) == sum(len(package.CASES) for package in (of_classes, of_numbers, of_scores, of_inference)) >= 60
