"""The benchmark of calibration's speed on a small table: every fit is timed, on folds that all share."""

from sklearn.naive_bayes import GaussianNB

from benchmarks.calibration_speed import OURS, THEIRS, measure


def test_every_fit_is_timed():
    seconds = measure(GaussianNB(), 120, 3, 1)
    assert list(seconds) == [*(f"ours {name}" for name in OURS), *(f"theirs {name}" for name in THEIRS)]
    assert min(seconds.values()) > 0
