"""The coverage benchmark on a few replications: every setting runs, from one seed, and counts shares."""

import numpy as np
import pytest

from benchmarks.coverage import SETTINGS, coverage


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_runs_and_is_reproducible(setting):
    found, again = coverage(setting, 3), coverage(setting, 3)
    assert tuple(found) == setting.kinds and found == again
    for share, length in found.values():
        assert 0 <= share <= 1 and np.isfinite(length) and length > 0
