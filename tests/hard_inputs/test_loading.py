"""Fitted estimators are data: pickles and skops files load into the same estimator, and run nothing of ours."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from tests.hard_inputs.across_versions import dump, load
from tests.hard_inputs.fitted import ESTIMATORS, X, fitted

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
EVERY = pytest.mark.parametrize("name", ESTIMATORS)


def trusted():
    """The types that the documentation says are to be trusted."""
    listed = re.search(r"TRUSTED = \[(.*?)\]", PAGE.read_text(), re.DOTALL)
    return re.findall(r'"([\w.]+)"', listed.group(1))


@EVERY
def test_a_pickle_is_the_estimator(name):
    model = fitted(name)
    again = pickle.loads(pickle.dumps(model))
    assert again.status_ is model.status_
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_what_one_version_writes_another_reads(tmp_path, capsys):
    """The two versions are one here; ``make test-pickles`` takes the oldest and the newest."""
    dump(tmp_path / "pickles")
    load(tmp_path / "pickles")
    assert f"{len(ESTIMATORS)} estimators of scikit-learn" in capsys.readouterr().out


def test_no_type_of_a_pickle_runs_code_at_load():
    """Estimators turn a status's name into the status; the other types are restored by Python's own means."""
    for name in trusted():
        module, _, kind = name.rpartition(".")
        cls = getattr(__import__(module, fromlist=[kind]), kind)
        for hook in ("__setstate__", "__reduce__", "__reduce_ex__", "__new__", "__del__", "__setattr__"):
            defined = next(base for base in cls.__mro__ if hook in vars(base)) if hasattr(cls, hook) else object
            module = defined.__module__
            allowed = hook == "__setstate__" and defined.__name__ == "BaseMLE"
            frozen = hook == "__setattr__" and hasattr(cls, "__dataclass_fields__")
            assert allowed or frozen or not module.startswith("sklearn_mle"), (name, hook)


@pytest.mark.slow
@EVERY
def test_skops_reads_it_with_the_documented_types(name):
    skops = pytest.importorskip("skops.io")
    model = fitted(name)
    data = skops.dumps(model)
    unknown = skops.get_untrusted_types(data=data)
    assert set(unknown) <= set(trusted())
    again = skops.loads(data, trusted=unknown)
    assert again.status_ is model.status_
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_the_documented_types_exist_and_are_ours():
    types = trusted()
    assert types == sorted(set(types)) and all(name.startswith("sklearn_mle.") for name in types)
    assert len(types) <= 40
