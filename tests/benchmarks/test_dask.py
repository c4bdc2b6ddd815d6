"""The parts of the cluster's benchmark: data born in partitions, passes read from tasks, and the model of time."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dask")
pytest.importorskip("distributed")
sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is not part of the installed package

from benchmarks.dask.costs import Costs, levels
from benchmarks.dask.passes import passes_of
from benchmarks.dask.report import write
from benchmarks.dask.rows import binary, mean_nll
from benchmarks.dask.solvers import SOLVERS


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_are_the_same_however_often_they_are_made(dtype):
    X, y = binary(1000, 6, 300, dtype)
    assert X.chunks == ((300, 300, 300, 100), (6,)) and y.chunks == ((300, 300, 300, 100),)
    first, labels = X.compute(), y.compute()
    assert first.dtype == dtype and set(np.unique(labels)) == {0, 1}
    np.testing.assert_array_equal(first, binary(1000, 6, 300, dtype)[0].compute())
    np.testing.assert_array_equal(labels, y.compute())
    # No block repeats another's draws, and columns are as they are said to be.
    assert abs(np.corrcoef(first[:300].ravel(), first[300:600].ravel())[0, 1]) < 0.1
    assert np.corrcoef(first.T)[np.triu_indices(6, 1)].mean() == pytest.approx(0.5, abs=0.1)


def test_the_judge_and_ours_agree():
    X, y = binary(600, 3, 200, "float64")
    coef, intercept, _ = SOLVERS["sklearn_mle"][0](X.compute(), y.compute(), "default")
    eta = X.compute() @ coef + intercept
    expected = np.log1p(np.exp(np.where(y.compute() == 1, -eta, eta))).mean()
    assert mean_nll(X, y, coef, intercept) == pytest.approx(expected, rel=1e-12)
    assert mean_nll(X, y, coef * 1.01, intercept) > expected


def stream():
    """Two passes of three blocks on two workers, and the sum of the first."""
    runs = [("mle-nll-gradient", "a", k, start) for k, start in enumerate((0.0, 0.0, 1.0))]
    runs += [("mle-curvature", "b", k, start) for k, start in enumerate((4.0, 4.0, 5.0))]
    tasks = [
        {"key": f"{kind}-{token * 32}-{k}", "startstops": [{"action": "compute", "start": start, "stop": start + 1}]}
        for kind, token, k, start in runs
    ]
    sums = {"key": f"mle-sum-{'c' * 32}-3-0", "startstops": [{"action": "compute", "start": 2.5, "stop": 3.0}]}
    other = {"key": "getitem-0123", "startstops": [{"action": "compute", "start": 0.0, "stop": 9.0}]}
    return [*tasks, sums, other]


def test_passes_are_read_from_the_names_of_tasks():
    passes, n_sums, sum_seconds = passes_of(stream())
    assert passes == [
        {"kind": "mle-nll-gradient", "blocks": 3, "a_block": 1.0, "span": 3.0},
        {"kind": "mle-curvature", "blocks": 3, "a_block": 1.0, "span": 2.0},
    ]
    assert (n_sums, sum_seconds) == (1, 0.5) and passes_of([])[0] == []


def test_the_tree_has_as_many_levels_as_groups_of_eight_need():
    assert [levels(n) for n in (1, 2, 8, 9, 64, 65)] == [0, 1, 1, 2, 2, 3]


def run_of(rows, blocks, workers):
    """A fit whose costs are known: 1 us and 3 us a row, 20 ms a pass, 2 ms a round, 1 ms a level, 0.5 s beside."""
    passes, seconds = [], 0.5
    for kind, a_row in (("gradient", 1e-6), ("gradient", 1e-6), ("curvature", 3e-6)):
        a_block = rows / blocks * a_row
        span = 20e-3 + -(-blocks // workers) * (a_block + 2e-3) + levels(blocks) * 1e-3
        passes.append({"kind": kind, "blocks": blocks, "a_block": a_block, "span": span})
        seconds += span
    measured = {"rows": rows, "blocks": blocks, "workers": workers, "passes": passes, "seconds": seconds}
    return {**measured, "n_sums": 10, "sum_seconds": 1e-2}


def test_the_model_finds_its_constants_and_predicts_other_sizes():
    costs = Costs.of([run_of(100_000, 10, 2), run_of(200_000, 20, 2)])
    assert costs.a_row == pytest.approx({"gradient": 1e-6, "curvature": 3e-6})
    assert (costs.a_pass, costs.a_task, costs.a_level, costs.a_fit) == pytest.approx((20e-3, 2e-3, 1e-3, 0.5))
    other = run_of(1_000_000, 40, 4)
    assert costs.predict(other) == pytest.approx(other["seconds"])


def test_the_report_names_what_failed_and_what_was_missed(tmp_path, capsys):
    ours = {"solver": "sklearn_mle", "setting": "default", "n_passes": 7, "received": 1, "sent": 2, "memory": 3}
    ours |= run_of(1000, 10, 2) | {"gap": 0.0, "objective": 0.5, "predicted": 0.6}
    ours["costs"] = vars(Costs.of([ours]))
    slow = {**ours, "solver": "dask_ml lbfgs", "gap": 1e-3}
    late = {"solver": "dask_ml admm", "setting": "default", "rows": 1000, "failed": "not done within 9 s"}
    del slow["predicted"], slow["costs"]
    write(tmp_path, [ours, slow, late], {}, 1e-7)
    text = capsys.readouterr().out
    assert "(not reached) | 1.0e-03" in text and "not done within 9 s" in text and "| gradient | 10 |" in text
    assert (tmp_path / "results.json").exists()
