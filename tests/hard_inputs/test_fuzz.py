"""Fuzz of the public face: whatever an argument is, the call answers, or its error names the argument."""

import numpy as np
import pytest

from tests.hard_inputs import hostile

CALLS = {label: (call, good) for label, call, good in hostile.calls()}


def values_for(name, good):
    if name not in hostile.ARRAYS:
        return hostile.hostile_scalars(good)
    return hostile.hostile_arrays(good if isinstance(good, np.ndarray) else hostile.PROBABILITIES)


@pytest.mark.parametrize("label", CALLS)
def test_nothing_escapes_and_every_error_names_its_argument(label, capsys):
    call, good = CALLS[label]
    assert not isinstance(hostile.outcome(call, good), Exception), "the arguments that are varied are good ones"
    complaints = []
    for name, value in good.items():
        for kind, bad in values_for(name, value).items():
            found = hostile.outcome(call, {**good, name: bad})
            if isinstance(found, Exception) and (what := hostile.complaint(name, found)):
                complaints.append(f"{name} = {kind}: {what}")
    assert not complaints, "\n".join(complaints)
