"""How many of our own calls a fit makes: counted, so that it can only fall unless somebody says why."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is not part of the installed package

from benchmarks.calls import FITS, OURS, calls_of, calls_per_pass

# At most so many calls, and frames at the deepest.
LIMITS = {"logistic": (374, 14), "gamma": (600, 17)}


@pytest.mark.parametrize("name", LIMITS)
def test_a_fit_makes_no_more_calls_than_it_did(name):
    calls, deepest = LIMITS[name]
    found = FITS[name]()
    assert found.calls <= calls and found.deepest <= deepest
    assert FITS[name]() == found


def test_a_pass_more_costs_few_calls():
    # One of them is the adjoint of predictors that share coefficients between classes, or do not.
    assert calls_per_pass() <= 12


def test_calls_of_others_are_not_counted():
    assert calls_of(lambda: sorted([2, 1], key=lambda one: -one), OURS).calls == 0
    assert FITS["logistic, scikit-learn"]().calls > 10
