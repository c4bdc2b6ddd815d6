"""Made data that are born in their partitions: block k is drawn with its own seed, so no row ever leaves its worker."""

from typing import Any

import dask.array as da
import numpy as np
from scipy.special import expit

__all__ = ["binary", "mean_nll"]

SEED = 71
SPREAD = 1.5


def binary(n: int, p: int, rows_a_block: int, dtype: str) -> tuple[Any, Any]:
    """Return lazy X (n, p) and labels y (n,).

    Columns are standard normal with correlations of 0.5; log-odds have a standard deviation of 1.5 about -0.5.
    """
    chunks = tuple(min(rows_a_block, n - first) for first in range(0, n, rows_a_block))
    X = da.map_blocks(_columns, chunks=(chunks, (p,)), dtype=dtype, meta=np.empty((0, 0), dtype=dtype), p=p)
    return X, da.map_blocks(_labels, X, drop_axis=1, dtype=np.int64, meta=np.empty(0, dtype=np.int64))


def _columns(block_info: Any, p: int) -> np.ndarray:
    place = block_info[None]
    rng, dtype = np.random.default_rng([SEED, place["chunk-location"][0]]), np.dtype(place["dtype"])
    X = rng.standard_normal((place["chunk-shape"][0], p), dtype=dtype)
    X += rng.standard_normal((len(X), 1), dtype=dtype)
    X *= dtype.type(np.sqrt(0.5))
    return X


def _labels(X: np.ndarray, block_info: Any) -> np.ndarray:
    coef = np.random.default_rng(SEED).standard_normal(X.shape[1])
    # The standard deviation of the log-odds: columns have variance one and share half of it.
    coef *= SPREAD / np.sqrt(0.5 * coef @ coef + 0.5 * coef.sum() ** 2)
    draws = np.random.default_rng([SEED + 1, block_info[0]["chunk-location"][0]]).random(len(X))
    return (draws < expit(X @ coef - 0.5)).astype(np.int64)


def mean_nll(X: Any, y: Any, coef: np.ndarray, intercept: float) -> float:
    """Return the mean negative log-likelihood in nats, written apart from the library: the judge."""
    return float(da.map_blocks(_nll, X, y[:, None], coef, intercept, dtype=float, chunks=(X.chunks[0], (1,))).mean())


def _nll(X: np.ndarray, y: np.ndarray, coef: np.ndarray, intercept: float) -> np.ndarray:
    eta = X @ coef + intercept
    return np.logaddexp(0, np.where(y[:, 0] == 1, -eta, eta))[:, None]
