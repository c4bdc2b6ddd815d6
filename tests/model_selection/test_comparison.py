"""The table that a comparison prints, and the numbers that it gives."""

import sys

import numpy as np
import pytest

from sklearn_mle.model_selection import Comparison, JudgedModel

RNG = np.random.default_rng(0)
BASE = RNG.normal(-1.0, 0.5, 400)


def judged(name, rows, failures=(), n_parameters=3.0):
    return JudgedModel(name, np.asarray(rows, dtype=float), failures, n_parameters, 0.5, 0.25)


def compared(*models, scoring="log_likelihood", groups=None, weight=None):
    n = len(models[0].row_scores)
    weight = np.ones(n) if weight is None else weight
    return Comparison(models, scoring=scoring, weight=weight, groups=groups, n_folds=5)


def test_the_table_reads_as_a_table():
    failed = judged("broken", np.full(400, np.nan), ("fold 1: ValueError: no",), float("nan"))
    comparison = compared(failed, judged("worse", BASE - 0.1), judged("close", BASE - 0.005), judged("best", BASE))
    assert repr(comparison).splitlines() == [
        "log_likelihood, mean nats per row, higher is better: 400 rows, 5 folds",
        "",
        "          score      se  difference      se     parameters  fit s  score s",
        "best    -1.0183  0.0249        best                      3    0.5     0.25",
        "close   -1.0233  0.0249     -0.0050  0.0000  ~           3    0.5     0.25",
        "worse   -1.1183  0.0249     -0.1000  0.0000              3    0.5     0.25",
        "broken   failed                                               0.5     0.25",
        "",
        "difference: to the best, with the paired standard error over rows, for the models fitted on the folds.",
        "~ less than 4 nats apart in total, or fewer than 100 rows: the standard error may be too small.",
        "broken: failed on 1 of 5 folds; fold 1: ValueError: no",
    ]


def test_html_escapes_names_and_holds_the_same_cells():
    html = compared(judged("<b>&", BASE), judged("other", BASE - 1))._repr_html_()
    assert "&lt;b&gt;&amp;" in html and "<b>" not in html
    assert html.count("<tr>") == 3 and "-1.0000" in html and "higher is better" in html


def test_the_frame_holds_the_numbers():
    comparison = compared(judged("worse", BASE - RNG.normal(0.1, 0.2, 400)), judged("best", BASE))
    frame = comparison.to_frame()
    assert frame.index.tolist() == comparison.names == ["best", "worse"]
    difference = comparison.difference("worse", "best")
    row = frame.loc["worse"]
    assert (row["score"], row["standard_error"]) == comparison.score("worse")
    assert (row["difference"], row["difference_standard_error"]) == (difference.value, difference.standard_error)
    assert frame.loc["best", "difference"] == 0 and row["n_parameters"] == 3
    assert frame["fit_time"].tolist() == [0.5, 0.5] and frame["score_time"].tolist() == [0.25, 0.25]


def test_without_pandas_the_frame_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        compared(judged("a", BASE)).to_frame()


@pytest.mark.parametrize(
    ("gap", "n", "scoring", "uncertain"),
    [
        (3.9 / 400, 400, "log_likelihood", True),
        (4.1 / 400, 400, "log_likelihood", False),
        (3.9 / 400, 400, "neg_crps", False),  # 4 of its units mean nothing
        (1.0, 99, "log_likelihood", True),
        (1.0, 99, "neg_crps", True),
        (1.0, 100, "log_likelihood", False),
    ],
)
def test_small_differences_and_small_samples_are_uncertain(gap, n, scoring, uncertain):
    comparison = compared(judged("a", BASE[:n]), judged("b", BASE[:n] - gap), scoring=scoring)
    assert comparison.difference("b", "a").uncertain is uncertain
    assert ("~" in repr(comparison)) is uncertain
    assert ("nats" in repr(comparison).splitlines()[0]) is (scoring == "log_likelihood")


def test_weights_count_rows_and_zero_weights_drop_them():
    rows = np.where(np.arange(400) < 2, -np.inf, BASE)
    weight = np.where(np.arange(400) < 2, 0.0, 2.0)
    comparison = compared(judged("a", rows), judged("b", rows - 0.01), weight=weight)
    assert comparison.n_rows == 796
    assert comparison.score("a")[0] == pytest.approx(BASE[2:].mean())
    assert comparison.difference("a", "b").total == pytest.approx(7.96)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="second: there is no model 'c' in the comparison; it has .'a'."):
        compared(judged("a", BASE)).difference("a", "c")


def test_infinities_of_both_signs_have_no_mean_and_come_after_numbers():
    rows = BASE.copy()
    rows[:2] = np.inf, -np.inf
    assert compared(judged("both", rows), judged("finite", BASE)).names == ["finite", "both"]
