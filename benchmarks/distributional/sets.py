"""The data: scikit-learn's diabetes, and what a folder of compressed tables holds."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes

__all__ = ["FEW_SPLITS", "SETS", "read", "splits_of"]

Array = NDArray[np.float64]
# The outcome is the last column of a table, but for these; California's is in 100,000 dollars.
OUTCOMES = {"protein-structure": "RMSD", "california_housing": "median_house_value"}
UNITS = {"california_housing": 1e5}
SETS = (
    "diabetes",
    "boston",
    "concrete",
    "energy",
    "kin8nm",
    "power-plant",
    "wine",
    "yacht",
    "protein-structure",
    "california_housing",
)
FEW_SPLITS = {"protein-structure": 5, "california_housing": 5}


def read(name: str, folder: Path | None, rows: int | None = None) -> tuple[Array, Array] | None:
    """Return X and y, at most so many rows of them, chosen at random; None where the folder has no such table.

    A column that is no number is left out, a row with a number missing too.
    """
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
    else:
        places = [] if folder is None else [folder / f"{name}.csv.gz", folder.parent / f"{name}.csv.gz"]
        path = next((place for place in places if place.exists()), None)
        if path is None:
            return None
        with gzip.open(path, "rt", newline="") as file:
            header, *lines = csv.reader(file)
        columns = {title: _numbers(values) for title, values in zip(header, zip(*lines, strict=True), strict=True)}
        numbers = {title: column for title, column in columns.items() if column is not None}
        y = numbers.pop(OUTCOMES.get(name, header[-1])) / UNITS.get(name, 1.0)
        X = np.column_stack(list(numbers.values()))
    kept = np.isfinite(X).all(axis=1)
    X, y = X[kept], y[kept]
    if rows is not None and rows < len(y):
        chosen = np.random.default_rng(0).permutation(len(y))[:rows]
        X, y = X[chosen], y[chosen]
    return X, y


def _numbers(values: Any) -> Array | None:
    try:
        return np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return None


def splits_of(n: int, count: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the rows that are fitted and the tenth that is predicted, of so many random splits."""
    for k in range(count):
        order = np.random.default_rng(k).permutation(n)
        yield order[n // 10 :], order[: n // 10]
