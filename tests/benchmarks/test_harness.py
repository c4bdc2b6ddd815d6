import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import norm
from sklearn.datasets import load_iris
from sklearn.linear_model import HuberRegressor, LinearRegression, LogisticRegression
from sklearn.metrics import log_loss

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks is not part of the installed package

from benchmarks import report
from benchmarks.bandwidth import seconds_to_read
from benchmarks.best_known import lowest
from benchmarks.child import find_setting, measure, run
from benchmarks.growth import slopes
from benchmarks.kernels import VARIABLE, families, seconds_of_products, using
from benchmarks.objective import Solution, total_objective
from benchmarks.problem import DF, EPSILON, LEVEL, Problem, fingerprint, load, save
from benchmarks.run import main
from benchmarks.solvers import DEFAULT, SOLVERS
from benchmarks.timing import in_turns
from benchmarks.verdict import judge, worse
from benchmarks.workloads import DATA_VARIABLE, WORKLOADS, MissingDataError
from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import AsymmetricLaplace, Huber, StudentT


def small_problem(name):
    return WORKLOADS[name].build(quick=True)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("as_matrix", [np.asarray, sp.csr_matrix])
def test_objective_of_classifiers_is_log_loss_plus_penalty(n_classes, as_matrix):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < n_classes], y[y < n_classes]
    model = LogisticRegression(C=0.5).fit(X, y)
    problem = Problem("iris", "bernoulli" if n_classes == 2 else "categorical", *X.shape, n_classes, alpha=2.0)
    total = total_objective(problem, as_matrix(X), y, Solution.of(model.coef_, model.intercept_))
    expected = len(y) * log_loss(y, model.predict_proba(X)) + np.sum(model.coef_**2)
    assert total == pytest.approx(expected, rel=1e-13)


def test_objective_of_gaussians_is_scipys_density_and_puts_in_the_best_scale():
    problem, X, y = small_problem("gaussian_100")
    model = LinearRegression().fit(X, y)
    residual = y - model.predict(X)
    scale = math.sqrt(np.mean(residual**2))
    expected = -norm.logpdf(residual, scale=scale).sum()
    for given in [{"scale": scale}, {}]:
        solution = Solution.of(model.coef_, model.intercept_, **given)
        assert total_objective(problem, X, y, solution) == pytest.approx(expected, rel=1e-13)


def test_objective_of_a_log_linear_scale():
    problem, X, y = small_problem("gaussian_scale_30")
    rng = np.random.default_rng(0)
    coef, scale_coef = rng.standard_normal((2, problem.p)) / 10
    solution = Solution.of(coef, 1.0, scale_coef=scale_coef, scale_intercept=0.3)
    expected = -norm.logpdf(y, X @ coef + 1.0, np.exp(X @ scale_coef + 0.3)).sum()
    assert total_objective(problem, X, y, solution) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("name", ["tall_20", "text", "search_cancer"])
def test_data_survive_storage(name, tmp_path):
    problem, X, y = small_problem(name)
    save(tmp_path, problem, X, y)
    problem_read, X_read, y_read = load(tmp_path)
    assert problem_read == problem
    assert fingerprint(X_read, y_read) == fingerprint(X, y)


def test_one_fit_is_measured_and_judged(tmp_path):
    problem, X, y = small_problem("tall_20")
    save(tmp_path, problem, X, y)
    results = []
    for name in ["sklearn_mle", "sklearn newton-cholesky"]:
        setting = find_setting(SOLVERS[name], problem, DEFAULT if name == "sklearn_mle" else "tol=1e-08")
        run(tmp_path, name, setting.label, tmp_path / "result.json", once=True)
        measured = json.loads((tmp_path / "result.json").read_text())
        named = {"solver": name, "setting": setting.label, "ours": SOLVERS[name].ours, "status": "ok"}
        results.append(named | measured)
    assert (tmp_path / "result.progress").read_text().split() == ["ready", "fitted", "judged"] * 2
    assert results[0]["total"] == pytest.approx(results[1]["total"], abs=1e-7)
    assert results[0]["seconds"] > 0 and results[0]["peak_bytes"] >= 0 and results[0]["warnings"] == []

    facts = {"fingerprint": fingerprint(X, y), "results": results, "rows_judged": problem.n}
    facts["best_known"] = lowest("tall_20", facts, tmp_path / "best.json")
    (verdict,) = judge(facts)
    assert verdict.ours is verdict.default is results[0]
    assert verdict.peer is results[1]


def test_an_error_in_a_fit_is_recorded(tmp_path):
    problem, X, y = small_problem("tall_20")
    save(tmp_path, problem, X, np.zeros_like(y))
    run(tmp_path, "sklearn newton-cholesky", "tol=1e-08", tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text())["error"].startswith("ValueError")


def test_every_fit_of_a_search_is_judged():
    problem, X, y = small_problem("search_cancer")
    solver = SOLVERS["sklearn_mle"]
    measured = measure(problem, X, y, solver, find_setting(solver, problem, DEFAULT), once=True)
    assert 0.05 < measured["mean"] < 0.69


def test_a_lower_objective_replaces_the_best_known(tmp_path):
    store = tmp_path / "best.json"

    def seen(total, data="a"):
        result = {"solver": "s", "setting": "t", "status": "ok", "total": total}
        return lowest("w", {"fingerprint": data, "results": [result]}, store)["total"]

    assert [seen(3.0), seen(4.0), seen(2.0), seen(math.nan), seen(5.0, "other data")] == [3.0, 3.0, 2.0, 2.0, 5.0]


def test_small_workloads_have_all_classes():
    for workload in WORKLOADS.values():
        if workload.name != "adult":
            problem, X, y = workload.build(quick=True)
            assert X.shape == (problem.n, problem.p) and y.shape == (problem.n,)
            assert problem.n_classes == 0 or np.bincount(y, minlength=problem.n_classes).min() > 0.02 * problem.n


def test_adult_is_skipped_without_its_data(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(MissingDataError, match="adult.csv.gz"):
        WORKLOADS["adult"].build(quick=True)


def test_unknown_names_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--workloads", "nothing"])
    assert "unknown: nothing; there are tall_20" in capsys.readouterr().err


def test_the_kernels_under_which_we_do_worse_are_reported():
    def result(kernels, ours, seconds):
        told = {"solver": "sklearn_mle" if ours else "peer", "setting": DEFAULT, "ours": ours, "status": "ok"}
        return {**told, "kernels": kernels, "seconds": seconds, "total": 1.0}

    results = [result("A", True, 1.0), result("A", False, 4.0), result("B", True, 1.5), result("B", False, 3.0)]
    verdicts = judge({"results": results, "best_known": {"total": 1.0}, "rows_judged": 1})
    assert [(verdict.kernels, verdict.ratio) for verdict in verdicts] == [("A", 4.0), ("B", 2.0)]
    assert worse(verdicts) is verdicts[1]


@pytest.mark.slow
def test_kernels_are_chosen_for_the_processes_that_start_meanwhile(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "before")
    with using("Haswell"):
        assert os.environ[VARIABLE] == "Haswell"
    assert os.environ[VARIABLE] == "before"
    assert all(families()) or families() == [""]
    save(tmp_path, *small_problem("breast_cancer"))
    assert set(seconds_of_products(tmp_path)) == {"matvec", "cross_product"}


def test_calls_are_timed_in_turns():
    seen = []
    seconds = in_turns({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, 2)
    assert seen == ["a", "b"] * 3 and min(seconds.values()) >= 0 and set(seconds) == {"a", "b"}


def test_slopes_of_growth():
    points = [{"n": n, "p": 10, "seconds": 1e-6 * n**2, "status": "ok"} for n in (10, 100, 1000)]
    assert slopes(points, "n", "p") == {10: pytest.approx(2)}
    assert slopes(points, "p", "n") == {}


def test_reading_takes_time():
    assert seconds_to_read(np.zeros((1000, 100))) > 0
    assert seconds_to_read(sp.csr_matrix(np.eye(1000))) > 0


def test_report_of_failures(tmp_path, capsys):
    problem = {"name": "w", "n": 10, "p": 1}
    failure = {"solver": "sklearn_mle", "setting": DEFAULT, "ours": True, "status": "failed", "error": "no"}
    slow = {"solver": "peer", "setting": "tol", "ours": False, "status": "timeout", "error": "still fitting after 1 s"}
    workload = {
        "problem": problem,
        "title": "nothing works",
        "rows_judged": 10,
        "X_bytes": 80,
        "read_seconds": 1e-6,
        "products": {},
        "refused": {},
        "results": [failure, slow],
        "best_known": {"total": math.nan, "by": "nobody"},
    }
    environment = {
        "versions": {},
        "thread_variables": {},
        "cpu": "",
        "caches": "",
        "cores": 2,
        "load_average": 0.0,
        "system": "",
        "python": "",
    }
    results = {
        "started": "",
        "quick": True,
        "environment": environment,
        "import_milliseconds": [1.0],
        "workloads": [workload],
    }
    report.write(results, tmp_path)
    assert "| peer | tol | no | timeout | - | - | still fitting after 1 s |" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "results.md", "time_to_solution.png"}


@pytest.mark.parametrize(
    ("name", "likelihood"),
    [
        ("poisson_40", "poisson"),
        ("huber_40", Huber(epsilon=EPSILON)),
        ("student_t_40", StudentT(df=DF)),
        ("quantile_40", AsymmetricLaplace(quantile=LEVEL)),
    ],
)
def test_objectives_of_regressions_are_those_of_the_likelihoods_and_put_in_the_best_scale(name, likelihood):
    problem, X, y = small_problem(name)
    model = MLERegressor(likelihood).fit(X, y)
    given = {"scale": getattr(model, "scale_", None)}
    for scale in (given, {}):
        total = total_objective(problem, X, y, Solution.of(model.coef_, model.intercept_, **scale))
        assert total == pytest.approx(-model.log_likelihood_, rel=1e-12)


def test_a_peer_of_another_objective_is_judged_by_its_own():
    problem, X, y = small_problem("huber_40")
    solver = SOLVERS["sklearn HuberRegressor"]
    measured = measure(problem, X, y, solver, solver.settings(problem)[-1], once=True)
    peer = HuberRegressor(epsilon=EPSILON, alpha=0.0, tol=1e-7, max_iter=10_000).fit(X, y)
    z = (y - peer.predict(X)) / peer.scale_
    rho = np.where(np.abs(z) <= EPSILON, z**2, 2 * EPSILON * np.abs(z) - EPSILON**2)
    assert measured["total"] == pytest.approx(peer.scale_ * np.sum(1 + rho), rel=1e-9)

    def result(name, total, seconds, objective=""):
        return {
            "solver": name,
            "setting": DEFAULT,
            "ours": name == "sklearn_mle",
            "status": "ok",
            "total": total,
            "seconds": seconds,
            "objective": objective,
        }

    own = [result("peer", 7.1, 1.0, "own"), result("peer", 7.0, 2.0, "own")]
    facts = {"fingerprint": "a", "results": [result("sklearn_mle", 100.0, 0.5), *own], "rows_judged": 10}
    facts["best_known"] = lowest("w", facts, None)
    assert facts["best_known"]["total"] == 100.0
    (verdict,) = judge(facts)
    assert verdict.peer is own[1]
    assert own[0]["total_gap"] == pytest.approx(0.1)
