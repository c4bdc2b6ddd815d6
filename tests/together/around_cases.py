"""The options of the two meta-estimators and their levels; and a cell of them as data and an estimator."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_mle import DistributionalRegressor, LikelihoodCalibratedClassifier
from tests.together.covering import Cell, covering_array, possible_cells

N, NAMES, LABELS = 90, ("a", "b"), ("p", "q", "r")
ROUNDED = ", rounded"
POSITIVE, COUNTED = ("gamma", "lognormal", "beta"), ("poisson", "negative_binomial")

REGRESSOR = {
    "likelihood": (
        "gaussian",
        "student_t",
        f"student_t{ROUNDED}",
        "gumbel",
        "gaussian_mixture",
        "laplace",
        "auto",
        *POSITIVE,
        *COUNTED,
    ),
    "base": ("line", "tree", "boosting", "pipeline", "frozen"),
    "scale": ("constant", "auto", "tree"),
    "cv": ("folds", "groups", "left out"),
    "ensemble": (False, True),
    "recalibrate": (False, True),
    "weight": ("none", "frequency"),
    "storage": ("dense", "float32", "csr", "frame", "polars"),
}
CLASSIFIER = {
    "method": (
        *("temperature", "bias_corrected_temperature", "vector", "matrix", "dirichlet", "sigmoid", "beta", "isotonic"),
        *("spline", "spline_matrix", "average", "auto"),
    ),
    "base": ("bayes", "tree", "boosting", "margins", "pipeline", "frozen"),
    "classes": (2, 3),
    **{name: REGRESSOR[name] for name in ("cv", "ensemble", "weight", "storage")},
}
IMPOSSIBLE = {
    "a line leaves the domain": lambda c: c["base"] == "line" and c.get("likelihood") in (*POSITIVE, *COUNTED),
    "boosting and naive Bayes take dense rows": lambda c: c["storage"] == "csr" and c["base"] in ("boosting", "bayes"),
    "a fitted estimator is no ensemble": lambda c: c["base"] == "frozen" and c["ensemble"],
}
REFUSED = {
    "probabilities of counts are steps": lambda c: c.get("recalibrate") and c["likelihood"] in COUNTED,
    "a Poisson mean is its scale": lambda c: c.get("likelihood") == "poisson" and c["scale"] == "tree",
}


def cells_of(levels: dict[str, Any]) -> list[Cell]:
    """Return every cell that can be fitted."""
    return possible_cells(levels, lambda cell: not any(rule(cell) for rule in (IMPOSSIBLE | REFUSED).values()))


def design_of(levels: dict[str, Any], strength: int) -> list[Cell]:
    """Return the cells that are tested."""
    return covering_array(cells_of(levels), strength)


@dataclass(frozen=True)
class Around:
    """Rows, and how they are handed to which meta-estimator; ``unit`` is what y was multiplied by."""

    cell: Cell
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    fold: np.ndarray
    new: np.ndarray
    new_y: np.ndarray
    storage: str
    routing: bool = False
    names: tuple[str, ...] = NAMES
    unit: float = 1.0
    labels: tuple[str, ...] = LABELS
    n_jobs: int | None = None

    @property
    def is_classifier(self) -> bool:
        """Whether y is a class."""
        return "method" in self.cell

    def rows(self, X: np.ndarray) -> Any:
        """Return X as it is handed over."""
        return {
            "float32": lambda: X.astype(np.float32),
            "csr": lambda: sp.csr_array(X),
            "frame": lambda: pd.DataFrame(X, columns=list(self.names)),
            "polars": lambda: pl.DataFrame(X, schema=list(self.names)),
        }.get(self.storage, lambda: X)()

    def take(self, rows: np.ndarray) -> "Around":
        """Return the problem of some rows, some of them more than once."""
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, X=self.X[rows], y=self.y[rows], fold=self.fold[rows], weight=weight)

    def base(self) -> Any:
        """Return the estimator within."""
        kind = self.cell["base"]
        share = {"max_depth": 2, "min_weight_fraction_leaf": 0.1, "random_state": 0}
        boosting = {"max_iter": 4, "min_samples_leaf": 5}
        if self.is_classifier:
            made = {
                "bayes": GaussianNB(),
                "boosting": HistGradientBoostingClassifier(**boosting),
                "margins": RidgeClassifier(solver="lsqr", tol=1e-14),
            }.get(kind, DecisionTreeClassifier(**share))
        else:
            made = {
                "boosting": HistGradientBoostingRegressor(**boosting),
                "line": Ridge(0.01, solver="lsqr", tol=1e-14),
            }.get(kind, DecisionTreeRegressor(**share))
        if kind == "frozen":
            X, y = other_rows(self)
            return FrozenEstimator(made.fit(self.rows(X), y))
        if self.routing:
            made.set_fit_request(sample_weight=True)
        return make_pipeline(MaxAbsScaler(), made) if kind == "pipeline" else made

    def estimator(self) -> Any:
        """Return the unfitted meta-estimator."""
        by_group = self.cell["cv"] == "groups"
        options: dict[str, Any] = {
            "cv": LeaveOneGroupOut() if by_group else PredefinedSplit(self.fold),
            "ensemble": self.cell["ensemble"],
            "n_jobs": self.n_jobs,
        }
        if self.is_classifier:
            model: Any = LikelihoodCalibratedClassifier(self.base(), self.cell["method"], **options)
        else:
            scale: Any = self.cell["scale"]
            if scale == "tree":
                scale = DecisionTreeRegressor(max_depth=2, min_weight_fraction_leaf=0.1, random_state=0)
                scale = scale.set_fit_request(sample_weight=True) if self.routing else scale
            options |= {"scale": scale, "recalibrate": self.cell["recalibrate"]}
            model = DistributionalRegressor(self.base(), self.cell["likelihood"].removesuffix(ROUNDED), **options)
        return model.set_fit_request(sample_weight=True) if self.routing else model

    @contextmanager
    def configured(self) -> Any:
        """Route metadata by request, or not."""
        with sklearn.config_context(enable_metadata_routing=self.routing):
            yield


def other_rows(case: Around) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that a fitted estimator has seen, and the meta-estimator has not."""
    rng = np.random.default_rng(8)
    X = _binary_fractions(rng.standard_normal((120, 2)))
    y = _outcomes(case.cell, X, rng)
    X = X if case.names == NAMES else X[:, ::-1]
    return X, np.array(case.labels)[y] if case.is_classifier else y * case.unit


def case_of(cell: Cell) -> Around:
    """Return the problem of a cell."""
    rng = np.random.default_rng(3)
    X = _binary_fractions(rng.standard_normal((N + 12, 2)))
    y = _outcomes(cell, X, rng)
    y = np.array(LABELS)[y] if "method" in cell else y
    fold = np.resize([0, 1, 2, 1, 0, 2, 2], N)
    if cell["cv"] == "left out":
        fold[::9] = -1
    weight = np.resize([1.0, 2, 1, 0, 3, 1, 1], N) if cell["weight"] == "frequency" else None
    return Around(cell, X[:N], y[:N], weight, fold, X[N:], y[N:], cell["storage"])


def _binary_fractions(values: np.ndarray) -> np.ndarray:
    """Return them rounded to 64ths: exact in single precision, too."""
    return np.round(values * 64) / 64


def _outcomes(cell: Cell, X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if "method" in cell:
        logits = X @ np.array([[1.5, -1.0, 0.0], [0.0, 1.0, -1.5]])
        return (logits + rng.gumbel(size=logits.shape))[:, : cell["classes"]].argmax(axis=1)
    likelihood, mean = cell["likelihood"], np.exp(1 + 0.4 * X[:, 0])
    if likelihood in COUNTED:
        return rng.negative_binomial(2, 2 / (2 + mean)).astype(float)
    if likelihood == "beta":
        return rng.beta(6 * mean / (1 + mean), 6 / (1 + mean)).clip(0.01, 0.99)
    if likelihood in POSITIVE:
        return mean * rng.gamma(3, 1 / 3, len(X))
    y = 2 * X[:, 0] + np.exp(0.5 * X[:, 1]) * rng.standard_t(4, len(X))
    return np.round(4 * y) / 4 if likelihood.endswith(ROUNDED) else y
