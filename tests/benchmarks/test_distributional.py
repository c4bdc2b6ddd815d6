"""The benchmark of predictive distributions: it reads tables, judges methods alike, resumes, and reports pairs."""

import gzip
import json

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from benchmarks.distributional.__main__ import main, measure
from benchmarks.distributional.methods import OURS, InSample, Method
from benchmarks.distributional.report import table
from benchmarks.distributional.sets import read, splits_of


class Known(Method):
    """Gaussians about zero, whatever X is."""

    def fit(self, X, y):
        self.scale = 2.0

    def predict(self, X):
        return np.zeros(len(X))

    def distribution(self, X):
        return stats.norm(np.zeros(len(X)), self.scale)


def test_a_method_is_judged_by_its_definitions():
    y = np.array([-1.0, 0.5, 3.0, 9.0])
    found = measure(Known(None), np.zeros((3, 1)), np.zeros(3), np.zeros((4, 1)), y)
    assert found["nll"] == pytest.approx(-stats.norm.logpdf(y, 0, 2).mean())
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(y**2)))
    assert [found[f"coverage_{c}"] for c in ("50%", "90%", "99%")] == [0.5, 0.75, 0.75]
    assert found["width_90%"] == pytest.approx(4 * stats.norm.isf(0.05))
    assert found["fit"] >= 0 and found["crps"] > 0 and found["nll_whole"] is None
    y = np.array([-1.0, 0.0, 3.0, 60.0])  # of whole numbers the probabilities too, and in the far tail
    found = measure(Known(None), np.zeros((3, 1)), np.zeros(3), np.zeros((4, 1)), y)
    probability = stats.norm.sf(np.abs(y) - 0.5, 0, 2) - stats.norm.sf(np.abs(y) + 0.5, 0, 2)
    assert found["nll_whole"] == pytest.approx(-np.log(probability).mean(), rel=1e-9)


def test_in_sample_residuals_give_the_scale():
    X, y = np.arange(6.0)[:, None], np.array([0.0, 1.2, 1.9, 3.3, 3.6, 5.2])
    method = InSample(LinearRegression())
    method.fit(X, y)
    residual = y - LinearRegression().fit(X, y).predict(X)
    assert method.distribution(X).std() == pytest.approx(np.full(6, np.sqrt(np.mean(residual**2))))


def test_tables_are_read_without_text_and_without_missing_numbers(tmp_path):
    folder = tmp_path / "uci"
    folder.mkdir()
    with gzip.open(folder / "yacht.csv.gz", "wt") as file:
        file.write("a,b,kind,y\n1,2,NEAR,3\n4,,FAR,5\n6,7,FAR,8\n")
    with gzip.open(tmp_path / "california_housing.csv.gz", "wt") as file:
        file.write("median_house_value,rooms\n200000,3\n100000,2\n")
    X, y = read("yacht", folder)
    np.testing.assert_array_equal(X, [[1, 2], [6, 7]])
    np.testing.assert_array_equal(y, [3, 8])
    X, y = read("california_housing", folder)
    np.testing.assert_array_equal(y, [2, 1])
    assert X.shape == (2, 1) and read("wine", folder) is None and read("wine", None) is None
    assert read("diabetes", None, 50)[0].shape == (50, 10)


def test_splits_are_random_tenths():
    splits = list(splits_of(50, 3))
    assert [len(test) for _, test in splits] == [5, 5, 5]
    assert all(sorted([*train, *test]) == list(range(50)) for train, test in splits)
    assert {tuple(test) for _, test in splits} == {tuple(test) for _, test in splits_of(50, 3)}


def test_the_benchmark_runs_and_is_resumed(tmp_path, capsys):
    arguments = ["--quick", "--base", "ridge", "--methods", "MLE,Gaussian", "--output", str(tmp_path)]
    main(arguments)
    lines = (tmp_path / "runs.jsonl").read_text()
    assert len(lines.splitlines()) == 4 and not any("error" in json.loads(line) for line in lines.splitlines())
    assert "### diabetes: 2 splits, 300 rows" in capsys.readouterr().out
    main(arguments)
    assert (tmp_path / "runs.jsonl").read_text() == lines
    with pytest.raises(SystemExit):
        main(["--methods", "unheard of"])


def test_differences_are_of_the_same_splits():
    runs = [
        {"data": "d", "n": 9, "split": k, "method": method, "nll": nll, "crps": 1.0, "rmse": 1.0, "fit": 1.0}
        | {"predict": 1.0, "width_90%": 1.0, "coverage_50%": 0.5, "coverage_90%": 0.9, "coverage_99%": 1.0}
        for method, values in ((OURS, [1.0, 5.0]), ("other", [1.5, 6.5]))
        for k, nll in enumerate(values)
    ]
    runs.append({"data": "d", "n": 9, "split": 0, "method": "broken", "error": "ValueError()"})
    report = table(runs)
    assert "| other | 4.000 | +1.000 ± 0.500 |" in report
    assert f"| {OURS} | 3.000 |  |" in report and "| broken | failed |" in report
    for run in runs[:4]:
        run["nll_whole"] = 10 * run["nll"]
    assert "| other | 40.000 | 4.000 | +10.000 ± 5.000 |" in table(runs)
