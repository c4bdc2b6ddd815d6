"""The calibration benchmark on one small cell: every method runs, and the report compares them by pairs."""

import pandas as pd
from sklearn.datasets import load_wine
from sklearn.naive_bayes import GaussianNB

from benchmarks.calibration import DEFAULT, Cell, _scores, bases, data_sets, report
from sklearn_mle.meta_estimators._calibration_methods import METHODS


def test_every_method_runs_and_is_reported():
    X, y = load_wine(return_X_y=True)
    scores = pd.DataFrame(_scores(Cell(X, y, GaussianNB(), 0), {"data": "wine", "base": "naive Bayes", "split": 0}))
    assert {*METHODS, "uncalibrated", "scikit-learn sigmoid"} <= set(scores["method"])
    assert (scores["cross_entropy"] > 0).all()
    other = scores.assign(split=1, cross_entropy=scores["cross_entropy"] + 0.1)
    text = report(pd.concat([scores, other]))
    assert text.startswith("2 cells") and f"| {DEFAULT} |" in text
    mean = scores.set_index("method")["cross_entropy"]["isotonic"] + 0.05
    assert f"| isotonic | {mean:.4f} |" in text


def test_the_data_and_the_bases_are_several():
    assert len(data_sets(None)) == 5 and len(bases(0)) == 5
