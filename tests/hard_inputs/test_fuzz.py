"""Fuzz of the public face: whatever an argument is, the call answers, or its error names the argument."""

import re

import numpy as np
import pytest

from tests.hard_inputs import calls, calls_inference, calls_scoring, hostile

pytestmark = pytest.mark.slow

CALLS = {
    label: (call, good) for module in (calls, calls_inference, calls_scoring) for label, call, good in module.calls()
}
ARRAYS = {
    "X", "y", "sample_weight", "offset", "groups", "y_true", "y_pred", "y_prob", "interval", "labels", "extra", "values"
} | {f"{part}_{side}" for part in ("mean", "std") for side in ("true", "pred")}  # fmt: skip
EITHER = {"R", "r", "cv", "parameter"}
ESTIMATORS = {"estimator", "estimators", "smaller", "larger", "inference"}


def values_for(name, good):
    if name in ESTIMATORS:
        return hostile.hostile_scalars(good) | hostile.hostile_estimators()
    array = good if isinstance(good, np.ndarray) else calls.PROBABILITIES
    if name in EITHER:
        return hostile.hostile_scalars(good) | hostile.hostile_arrays(array)
    return hostile.hostile_arrays(array) if name in ARRAYS else hostile.hostile_scalars(good)


@pytest.mark.parametrize("label", CALLS)
def test_nothing_escapes_and_every_error_names_its_argument(label, capsys):
    call, good = CALLS[label]
    answer = hostile.outcome(call, good)
    assert not isinstance(answer, Exception), f"the arguments that are varied are good ones: {answer!r}"
    complaints = []
    for name, value in good.items():
        for kind, bad in values_for(name, value).items():
            found = hostile.outcome(call, {**good, name: bad})
            if isinstance(found, Exception) and (what := hostile.complaint(name, found)):
                complaints.append(f"{name} = {kind}: {what}")
    assert not complaints, "\n".join(complaints)


MASKABLE = {"X", "y", "sample_weight", "offset", "groups", "y_true", "y_pred", "y_prob", "interval", "extra"}


@pytest.mark.parametrize("label", CALLS)
def test_masked_arrays_are_refused_wherever_data_come_in(label):
    """A mask that is not read counts what it hides."""
    call, good = CALLS[label]
    wrong = []
    for name in MASKABLE & set(good):
        if np.ndim(good[name]) == 0 or (name == "y_pred" and not isinstance(good[name], np.ndarray)):
            continue
        values = np.ma.masked_array(np.asarray(good[name]), mask=False)
        values[0] = np.ma.masked
        found = hostile.outcome(call, {**good, name: values})
        # Displays hand y on as y_true.
        if not (isinstance(found, ValueError) and re.search(rf"\b{name}(_true)? is a masked array", str(found))):
            wrong.append(f"{name}: {found!r}")
    assert not wrong, "\n".join(wrong)
