"""The workloads: one function each, with a fixed seed, a full and a small size."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from benchmarks import adult, synthetic
from benchmarks.problem import Problem

__all__ = ["SEARCHED", "WORKLOADS", "MissingDataError", "Workload", "data_folder"]

DATA_VARIABLE = "SKLEARN_MLE_DATA"
SEARCHED = tuple(float(C) for C in np.logspace(-4, 4, 10))

Data = tuple[Any, np.ndarray]


class MissingDataError(Exception):
    """The data of a workload are not on this machine."""


@dataclass(frozen=True)
class Workload:
    """A name, a description, a model, and a function that makes the data in full (False) or small (True) size."""

    name: str
    title: str
    model: str
    make: Callable[[bool], Data]
    alpha: float = 0.0
    search: tuple[float, ...] = ()

    def build(self, quick: bool) -> tuple[Problem, Any, np.ndarray]:
        """Make the data, and describe them."""
        X, y = self.make(quick)
        n_classes = len(np.unique(y)) if self.model in ("bernoulli", "categorical") else 0
        search = self.search[:6:5] if quick else self.search
        n, p = X.shape
        sparse = not isinstance(X, np.ndarray)
        return Problem(self.name, self.model, n, p, n_classes, self.alpha, sparse, search), X, y


def data_folder() -> Path | None:
    """Return the folder of data that are not part of the project, from the environment variable SKLEARN_MLE_DATA."""
    value = os.environ.get(DATA_VARIABLE)
    return Path(value) if value else None


def _adult(quick: bool) -> Data:
    folder = data_folder()
    path = folder / adult.FILE if folder else None
    if path is None or not path.exists():
        raise MissingDataError(
            f"needs {adult.FILE} in the folder named by --data-dir or {DATA_VARIABLE} ({folder or 'not set'})"
        )
    X, y = adult.read(path)
    return (X[::10], y[::10]) if quick else (X, y)


def _bundled(loader: Callable[..., Data]) -> Callable[[bool], Data]:
    def make(quick: bool) -> Data:
        X, y = loader(return_X_y=True)
        rows = slice(0, 400) if quick else slice(None)
        return np.ascontiguousarray(X[rows], dtype=np.float64), y[rows].astype(np.int64)

    return make


def _sized(make: Callable[[int], Data], full: int, small: int) -> Callable[[bool], Data]:
    return lambda quick: make(small if quick else full)


def _several(n_columns: int, seed: int) -> Callable[[int], Data]:
    return lambda n: synthetic.correlated_binary(n, n_columns, seed)


def _mixed(n_columns: int, seed: int) -> Callable[[int], Data]:
    return lambda n: synthetic.mixed_binary(n, n_columns, seed)


WORKLOADS = {
    workload.name: workload
    for workload in [
        Workload("tall_20", "1,000,000 x 20, correlated", "bernoulli", _sized(_several(20, 1), 1_000_000, 5_000)),
        Workload("tall_100", "400,000 x 100, correlated", "bernoulli", _sized(_several(100, 2), 400_000, 4_000)),
        Workload("mixed_20", "1,000,000 x 20, mixed at random", "bernoulli", _sized(_mixed(20, 11), 1_000_000, 5_000)),
        Workload("mixed_100", "400,000 x 100, mixed at random", "bernoulli", _sized(_mixed(100, 12), 400_000, 4_000)),
        Workload("raw_40", "200,000 x 40, raw units", "bernoulli", _sized(synthetic.raw_units_binary, 200_000, 4_000)),
        Workload("wide_800", "20,000 x 800, C=1", "bernoulli", _sized(_several(800, 3), 20_000, 2_000), alpha=1.0),
        Workload("breast_cancer", "569 x 30, C=1", "bernoulli", _bundled(load_breast_cancer), alpha=1.0),
        Workload("adult", "UCI Adult, one-hot, raw units, sparse, C=1", "bernoulli", _adult, alpha=1.0),
        Workload(
            "text",
            "60,000 x 100,000 sparse tf-idf, C=1",
            "bernoulli",
            lambda quick: synthetic.text(2_000, 500) if quick else synthetic.text(60_000, 100_000),
            alpha=1.0,
        ),
        Workload(
            "classes_54",
            "200,000 x 54, 7 classes, raw units",
            "categorical",
            lambda quick: synthetic.raw_units_classes(4_000, 12) if quick else synthetic.raw_units_classes(200_000, 54),
        ),
        Workload(
            "images",
            "30,000 x 784 image-like, 10 classes, C=1",
            "categorical",
            lambda quick: synthetic.images(1_000, 10) if quick else synthetic.images(30_000, 28),
            alpha=1.0,
        ),
        Workload("gaussian_100", "500,000 x 100", "gaussian", _sized(synthetic.linear_gaussian, 500_000, 4_000)),
        Workload(
            "gaussian_scale_30",
            "200,000 x 30, log-linear scale",
            "gaussian_log_linear",
            _sized(synthetic.heteroscedastic, 200_000, 10_000),
        ),
        Workload("poisson_40", "500,000 x 40, counts", "poisson", _sized(synthetic.counts, 500_000, 5_000)),
        Workload("huber_40", "200,000 x 40, heavy tails", "huber", _sized(synthetic.heavy_tails, 200_000, 4_000)),
        Workload("student_t_40", "the same, df=4", "student_t", _sized(synthetic.heavy_tails, 200_000, 4_000)),
        Workload("quantile_40", "the same, quantile 0.9", "quantile", _sized(synthetic.heavy_tails, 200_000, 4_000)),
        Workload("search_digits", "digits, 10 C x 5 folds", "categorical", _bundled(load_digits), search=SEARCHED),
        Workload(
            "search_cancer", "breast_cancer, 10 C x 5 folds", "bernoulli", _bundled(load_breast_cancer), search=SEARCHED
        ),
    ]
}
