"""The registry of solvers: where each applies, the settings that are swept from loose to tight, how it is called.

Libraries are imported where they are built, so that a process loads only the one it measures. Peers get the data as
users have them (unscaled), the same model, and as many iterations as their tolerance asks for.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.linear_model import (
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
)

from benchmarks import adapters
from benchmarks.objective import Solution
from benchmarks.problem import DF, EPSILON, LEVEL, Problem

__all__ = ["AS_USED", "DEFAULT", "OTHER_MODEL", "SOLVERS", "Setting", "Solver"]

DEFAULT = "default tol"
AS_USED = "LogisticRegression()"
OTHER_MODEL = "fits another model"

# Solvers that build the Hessian are not asked for one of more than 2 GB.
MAX_DENSE_HESSIAN = 15_000


@dataclass(frozen=True)
class Setting:
    """One way to call a solver; `label` names it in the report."""

    label: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Solver:
    """One way to solve a problem.

    Attributes
    ----------
    name : str
        Name in the report.
    distribution : str
        The package that `pip install` knows.
    module : str
        What must be importable.
    settings : callable(problem) -> sequence of Setting
        The sweep, from loose to tight.
    build : callable(problem, params) -> estimator
        An unfitted estimator with ``fit(X, y)``.
    refuses : callable(problem) -> str
        Why the solver does not apply, or "".
    solution : callable(estimator) -> Solution
        The fitted estimator's answer in X's units.
    objective : str
        The objective it minimizes, where that is another than the problem's; "" for the problem's.
    """

    name: str
    distribution: str
    module: str
    settings: Callable[[Problem], Sequence[Setting]]
    build: Callable[[Problem, dict[str, Any]], Any]
    refuses: Callable[[Problem], str]
    solution: Callable[[Any], Solution] = lambda estimator: Solution.of(estimator.coef_, estimator.intercept_)
    objective: str = ""

    @property
    def ours(self) -> bool:
        """Whether this is the library that is measured, not a peer."""
        return self.distribution == "sklearn-mle"

    def why_absent(self) -> str:
        """Return what is missing to run it here, or ""."""
        try:
            found = importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:
            found = False
        return "" if found else f"not installed (pip install {self.distribution})"

    def version(self) -> str:
        """Return the version of the installed distribution."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return "not installed"


def _is_classifier(problem: Problem) -> bool:
    return problem.model in ("bernoulli", "categorical")


def _n_coefficients(problem: Problem) -> int:
    return problem.p * (problem.n_classes if problem.model == "categorical" else 1)


def _tolerances(name: str, values: Sequence[float], **fixed: Any) -> list[Setting]:
    return [Setting(f"{name}={value:.0e}", {name: value, **fixed}) for value in values]


def _ours() -> Solver:
    def build(problem: Problem, params: dict[str, Any]) -> BaseEstimator:
        from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
        from sklearn_mle.likelihoods import AsymmetricLaplace, Huber, StudentT

        likelihoods = {
            "poisson": "poisson",
            "huber": Huber(epsilon=EPSILON),
            "student_t": StudentT(df=DF),
            "quantile": AsymmetricLaplace(quantile=LEVEL),
        }
        if problem.model in likelihoods:
            return MLERegressor(likelihoods[problem.model], **params)
        if _is_classifier(problem):
            return MLELogisticClassifier(C=problem.C, **params)
        scale = "log_linear" if problem.model == "gaussian_log_linear" else "constant"
        return GaussianMLERegressor(scale=scale, **params)

    def settings(problem: Problem) -> list[Setting]:
        per_row = [(f"tol={value:.0e} a row", value * problem.n) for value in (5e-8, 2e-9)]
        return [*(Setting(label, {"tol": tol}) for label, tol in per_row), Setting(DEFAULT)]

    def solution(estimator: Any) -> Solution:
        scale = {
            "scale": getattr(estimator, "scale_", None),
            "scale_coef": getattr(estimator, "scale_coef_", None),
            "scale_intercept": getattr(estimator, "scale_intercept_", 0.0),
        }
        return Solution.of(estimator.coef_, estimator.intercept_, **scale)

    return Solver("sklearn_mle", "sklearn-mle", "sklearn_mle", settings, build, lambda problem: "", solution)


def _scikit_learn(solver: str, settings: Sequence[Setting]) -> Solver:
    def refuses(problem: Problem) -> str:
        if not _is_classifier(problem):
            return OTHER_MODEL
        if solver == "liblinear" and problem.model == "categorical":
            return OTHER_MODEL
        if solver == "liblinear" and not (problem.alpha or problem.search):
            return "needs a penalty"
        if solver == "newton-cholesky" and _n_coefficients(problem) > MAX_DENSE_HESSIAN:
            return "its Hessian needs more than 2 GB"
        return ""

    return Solver(
        f"sklearn {solver}",
        "scikit-learn",
        "sklearn",
        lambda problem: settings,
        lambda problem, params: LogisticRegression(C=problem.C, solver=solver, **params),
        refuses,
    )


def _scikit_learn_intelex(solver: str) -> Solver:
    def build(problem: Problem, params: dict[str, Any]) -> Any:
        from sklearnex.linear_model import LogisticRegression as Accelerated

        # C=inf falls back to scikit-learn's own code; 1e12 is the same optimum to 1e-12 a row and runs accelerated.
        return Accelerated(C=min(problem.C, 1e12), solver=solver, **params)

    return Solver(
        f"sklearnex {solver}",
        "scikit-learn-intelex",
        "sklearnex",
        lambda problem: _tolerances("tol", [1e-4, 1e-6, 1e-8], max_iter=100_000),
        build,
        lambda problem: "" if _is_classifier(problem) else OTHER_MODEL,
    )


def _least_squares(name: str, distribution: str, module: str, load: Callable[[], type]) -> Solver:
    return Solver(
        name,
        distribution,
        module,
        lambda problem: [Setting("direct")],
        lambda problem, params: load()(),
        lambda problem: "" if problem.model == "gaussian" else OTHER_MODEL,
    )


def _accelerated_regression() -> type:
    from sklearnex.linear_model import LinearRegression as Accelerated

    return Accelerated


def _glum(solver: str) -> Solver:
    family = {"bernoulli": "binomial", "gaussian": "normal", "poisson": "poisson"}

    def build(problem: Problem, params: dict[str, Any]) -> Any:
        from glum import GeneralizedLinearRegressor

        # glum's objective is the mean half deviance plus alpha / 2 |coef|^2.
        alpha = problem.alpha / problem.n
        return GeneralizedLinearRegressor(
            family=family[problem.model], alpha=alpha, l1_ratio=0, solver=solver, max_iter=100_000, **params
        )

    def refuses(problem: Problem) -> str:
        if problem.model not in family:
            return OTHER_MODEL
        if problem.search:
            return "not a classifier with a C"
        dense = _n_coefficients(problem) <= MAX_DENSE_HESSIAN
        if dense != (solver == "irls-ls"):
            return "its Hessian needs more than 2 GB" if solver == "irls-ls" else "irls-ls is its better solver here"
        return ""

    return Solver(
        f"glum {solver}",
        "glum",
        "glum",
        lambda problem: _tolerances("gradient_tol", [1e-4, 1e-6, 1e-8]),
        build,
        refuses,
    )


def _statsmodels(method: str, models: Sequence[str]) -> Solver:
    def refuses(problem: Problem) -> str:
        if problem.model not in models:
            return OTHER_MODEL
        return "no penalty, dense data only" if problem.alpha or problem.search or problem.sparse else ""

    def settings(problem: Problem) -> list[Setting]:
        tolerances = [1e-6, 1e-9, 1e-12] if method == "QuantReg" else [1e-4, 1e-8]
        return [Setting("direct")] if method == "OLS" else _tolerances("tol", tolerances)

    return Solver(
        f"statsmodels {method}",
        "statsmodels",
        "statsmodels",
        settings,
        lambda problem, params: adapters.StatsModel(method, problem, **params),
        refuses,
    )


def _snapml(form: str) -> Solver:
    def refuses(problem: Problem) -> str:
        if problem.model != "bernoulli":
            return OTHER_MODEL
        if problem.search:
            return "a regularizer instead of C"
        return "" if problem.alpha or form == "primal" else "the dual form needs a penalty"

    def settings(problem: Problem) -> list[Setting]:
        tolerances = [1e-3, 1e-6, 1e-9]
        if form == "dual":
            return _tolerances("tol", tolerances)
        # The intercept is a column of this constant and penalized: a large constant frees it, and slows the descent.
        return [
            Setting(f"tol={tol:.0e}, intercept column {scaling:g}", {"tol": tol, "intercept_scaling": scaling})
            for scaling in ([1.0, 30.0] if problem.alpha else [1.0])
            for tol in tolerances
        ]

    return Solver(
        f"snapml {form}",
        "snapml",
        "snapml",
        settings,
        lambda problem, params: adapters.SnapModel(problem.alpha, form, **params),
        refuses,
    )


def _poisson_regressor(solver: str) -> Solver:
    return Solver(
        f"sklearn PoissonRegressor {solver}",
        "scikit-learn",
        "sklearn",
        lambda problem: _tolerances("tol", [1e-4, 1e-6, 1e-8], max_iter=10_000),
        lambda problem, params: PoissonRegressor(alpha=problem.alpha / problem.n, solver=solver, **params),
        lambda problem: "" if problem.model == "poisson" else OTHER_MODEL,
    )


def _huber_regressor() -> Solver:
    return Solver(
        "sklearn HuberRegressor",
        "scikit-learn",
        "sklearn",
        lambda problem: _tolerances("tol", [1e-3, 1e-5, 1e-7], max_iter=100_000),
        lambda problem, params: HuberRegressor(epsilon=EPSILON, alpha=0.0, **params),
        lambda problem: "" if problem.model in ("huber", "student_t") else OTHER_MODEL,
        lambda estimator: Solution.of(estimator.coef_, estimator.intercept_, scale=estimator.scale_),
        objective="huber_concomitant",
    )


def _quantile_regressor() -> Solver:
    return Solver(
        "sklearn QuantileRegressor",
        "scikit-learn",
        "sklearn",
        lambda problem: [Setting("highs")],
        lambda problem, params: QuantileRegressor(quantile=LEVEL, alpha=0.0, solver="highs"),
        lambda problem: "" if problem.model == "quantile" else OTHER_MODEL,
    )


def _hand_written() -> Solver:
    return Solver(
        "scipy L-BFGS-B",
        "scipy",
        "scipy",
        lambda problem: _tolerances("gtol", [1e-5, 1e-7, 1e-9]),
        lambda problem, params: adapters.HandWrittenHeteroscedastic(**params),
        lambda problem: "" if problem.model == "gaussian_log_linear" else OTHER_MODEL,
        lambda estimator: estimator.solution_,
    )


_LIBLINEAR = [
    # Its intercept is penalized; intercept_scaling weakens that, and makes the descent slower.
    Setting(f"tol={tol:.0e}, intercept_scaling={s:g}", {"tol": tol, "intercept_scaling": s, "max_iter": 100_000})
    for s, tol in [(1, 1e-4), (100, 1e-4), (100, 1e-6), (100, 1e-8), (1000, 1e-6), (1000, 1e-8)]
]

SOLVERS = {
    solver.name: solver
    for solver in [
        _ours(),
        _scikit_learn("lbfgs", [Setting(AS_USED), *_tolerances("tol", [1e-4, 1e-6, 1e-8, 1e-10], max_iter=100_000)]),
        _scikit_learn("newton-cg", _tolerances("tol", [1e-4, 1e-6, 1e-8, 1e-10], max_iter=10_000)),
        _scikit_learn("newton-cholesky", _tolerances("tol", [1e-4, 1e-6, 1e-8], max_iter=1_000)),
        _scikit_learn("saga", _tolerances("tol", [1e-3, 1e-5, 1e-7], max_iter=100_000, random_state=0)),
        _scikit_learn("liblinear", _LIBLINEAR),
        _scikit_learn_intelex("lbfgs"),
        _scikit_learn_intelex("newton-cg"),
        _glum("irls-ls"),
        _glum("lbfgs"),
        _statsmodels("Newton", ["bernoulli", "categorical"]),
        _statsmodels("IRLS", ["bernoulli", "poisson"]),
        _statsmodels("OLS", ["gaussian"]),
        _statsmodels("QuantReg", ["quantile"]),
        _snapml("dual"),
        _snapml("primal"),
        _least_squares("sklearn LinearRegression", "scikit-learn", "sklearn", lambda: LinearRegression),
        _least_squares("sklearnex LinearRegression", "scikit-learn-intelex", "sklearnex", _accelerated_regression),
        _poisson_regressor("lbfgs"),
        _poisson_regressor("newton-cholesky"),
        _huber_regressor(),
        _quantile_regressor(),
        _hand_written(),
    ]
}
