"""UCI Adult (Becker and Kohavi 1996, CC BY 4.0): numbers in their units, categories one-hot, as a CSR matrix."""

import csv
import gzip
from pathlib import Path

import numpy as np
import scipy.sparse as sp

__all__ = ["FILE", "read"]

FILE = "adult.csv.gz"
NUMERIC = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
LABEL = "income"


def read(path: Path) -> tuple[sp.csr_matrix, np.ndarray]:
    """Return X and y (1 for an income above 50K); a missing category ("?") is a category of its own."""
    with gzip.open(path, "rt", newline="") as file:
        header, *rows = csv.reader(file)
    columns = dict(zip(header, np.array(rows).T, strict=True))
    parts = [sp.csr_matrix(np.column_stack([columns[name].astype(np.float64) for name in NUMERIC]))]
    for name in header:
        if name not in NUMERIC and name != LABEL:
            levels, codes = np.unique(columns[name], return_inverse=True)
            one_a_row = (np.ones(len(codes)), codes, np.arange(len(codes) + 1))
            parts.append(sp.csr_matrix(one_a_row, shape=(len(codes), len(levels))))
    X = sp.hstack(parts, format="csr")
    X.sort_indices()
    return X, np.char.startswith(columns[LABEL], ">50K").astype(np.int64)
