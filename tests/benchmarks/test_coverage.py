"""The coverage benchmark on a few replications: every setting runs, from one seed, and counts shares."""

import numpy as np
import pytest

from benchmarks import clustered_effects
from benchmarks.coverage import SETTINGS, coverage


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_runs_and_is_reproducible(setting):
    found, again = coverage(setting, 3), coverage(setting, 3)
    assert tuple(found) == setting.kinds and found == again
    for share, length in found.values():
        assert 0 <= share <= 1 and np.isfinite(length) and length > 0


@pytest.mark.parametrize("setting", clustered_effects.SETTINGS[::2], ids=lambda setting: setting.name)
def test_effects_under_clustering_run_and_their_truth_is_the_mean_of_many_draws(setting):
    found = clustered_effects.coverage(setting, 2)
    assert tuple(found) == clustered_effects.KINDS
    for shares, lengths in found.values():
        assert ((shares >= 0) & (shares <= 1)).all() and (np.isfinite(lengths) & (lengths > 0)).all()
    # Each outcome has the mean of its model, however it depends on others: 4 standard errors of correlated draws.
    X, clusters = setting.design()
    rng = np.random.default_rng(0)
    draws = np.array([setting.draw(rng, X, clusters).mean() for _ in range(400)])
    mean = setting.mean(clustered_effects.TRUTH[0] + X @ clustered_effects.TRUTH[1:]).mean()
    assert abs(draws.mean() - mean) < 4 * draws.std() / 20
