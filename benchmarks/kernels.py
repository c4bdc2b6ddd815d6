"""The families of OpenBLAS's kernels that this processor can run: a ratio of two libraries depends on them.

A library that lives on passes over X and one that lives on cross-products are told apart by what these cost, and that
differs by kernel: X'X of 400,000 x 100 takes four reads of X with one and ten with the other. So every workload is
measured under each family, and the worse ratio is reported.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from benchmarks.problem import load
from benchmarks.timing import shortest
from tests.kernels import loaded

__all__ = ["VARIABLE", "families", "seconds_of_products", "using"]

VARIABLE = "OPENBLAS_CORETYPE"
# With AVX2, and with AVX-512.
FAMILIES = ("Haswell", "SkylakeX")
MOST_COLUMNS = 5_000  # X'X of more is not formed


def families() -> list[str]:
    """Return the families that differ here, by what OpenBLAS calls them; [""] where another BLAS is in use."""
    found = dict.fromkeys(name for name in map(loaded, FAMILIES) if name)
    return list(found) or [""]


@contextmanager
def using(kernel: str) -> Iterator[None]:
    """Let processes that are started meanwhile use these kernels; "" leaves the choice to the library."""
    before = os.environ.get(VARIABLE)
    if kernel:
        os.environ[VARIABLE] = kernel
    try:
        yield
    finally:
        if kernel:
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before


def seconds_of_products(folder: Path) -> dict[str, float]:
    """Return the seconds of ``X @ v`` and of ``X.T @ X`` of a saved problem, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_products, folder).result()


def _products(folder: Path) -> dict[str, float]:
    _, X, _ = load(folder)
    vector = np.ones(X.shape[1])
    seconds = {"matvec": shortest(lambda: X @ vector)}
    if X.shape[1] <= MOST_COLUMNS and not sp.issparse(X):
        seconds["cross_product"] = shortest(lambda: X.T @ X)
    return seconds
