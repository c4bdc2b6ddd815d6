"""Made data with fixed seeds.

Columns are correlated by a recursion instead of a matrix product, so that the same numbers come out whatever the BLAS.
"""

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter
from scipy.special import expit

__all__ = [
    "correlated_binary",
    "counts",
    "heavy_tails",
    "heteroscedastic",
    "images",
    "linear_gaussian",
    "mixed_binary",
    "raw_units_binary",
    "raw_units_classes",
    "text",
]

Data = tuple[np.ndarray, np.ndarray]


def _correlated(rng: np.random.Generator, n: int, p: int, correlation: float = 0.9) -> np.ndarray:
    """Standard normal columns; neighbours have the given correlation (autoregressive of order 1)."""
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] *= np.sqrt(1 - correlation**2)
        X[:, j] += correlation * X[:, j - 1]
    return X


def _predictor(rng: np.random.Generator, Z: np.ndarray, spread: float) -> np.ndarray:
    """Return a random linear predictor in Z with the given standard deviation."""
    eta = Z @ rng.standard_normal(Z.shape[1])
    return eta * (spread / eta.std())


def _draw(rng: np.random.Generator, probability: np.ndarray) -> np.ndarray:
    return (rng.random(len(probability)) < probability).astype(np.int64)


def correlated_binary(n: int, p: int, seed: int) -> Data:
    """Correlated standard normal columns; log-odds of standard deviation 1.5."""
    rng = np.random.default_rng(seed)
    X = _correlated(rng, n, p)
    return X, _draw(rng, expit(_predictor(rng, X, 1.5) - 0.5))


def mixed_binary(n: int, p: int, seed: int) -> Data:
    """Independent normal columns times a random square matrix: every column is correlated with all others."""
    rng = np.random.default_rng(seed)
    # Not a BLAS product, for the reason above.
    X = np.einsum("nk,kp->np", rng.standard_normal((n, p)), rng.standard_normal((p, p)) / np.sqrt(p))
    return X, _draw(rng, expit(_predictor(rng, X, 1.5) - 0.5))


def _to_raw_units(rng: np.random.Generator, Z: np.ndarray) -> None:
    """Turn standard columns into those of a table, in place: skew, offsets, scales over six decades."""
    p = Z.shape[1]
    kind = np.arange(p) % 4
    Z[:, kind == 1] = np.exp(Z[:, kind == 1])  # amounts: skewed
    Z[:, kind == 2] += rng.uniform(5, 50, (kind == 2).sum())  # years, temperatures: far from zero
    Z[:, kind == 3] = np.floor(np.exp(0.7 * Z[:, kind == 3] + 1))  # counts
    Z *= rng.permutation(np.logspace(-3, 3, p))


def raw_units_binary(n: int, p: int = 40) -> Data:
    """Columns in the units of a table; the log-odds are linear in them."""
    rng = np.random.default_rng(4)
    X = _correlated(rng, n, p, 0.6)
    _to_raw_units(rng, X)
    return X, _draw(rng, expit(_predictor(rng, (X - X.mean(axis=0)) / X.std(axis=0), 1.5) - 1.0))


def raw_units_classes(n: int, p: int, n_classes: int = 7) -> Data:
    """Ten columns in the units of a table and p - 10 dummies of one factor with p - 9 levels; unequal classes."""
    rng = np.random.default_rng(5)
    numbers = _correlated(rng, n, 10, 0.6)
    _to_raw_units(rng, numbers)
    levels = p - 9
    share = 1 / (np.arange(levels) + 4)
    level = rng.choice(levels, n, p=share / share.sum())
    X = np.zeros((n, p))
    X[:, :10] = numbers
    rows = np.flatnonzero(level)
    X[rows, 9 + level[rows]] = 1
    Z = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    eta = Z @ (0.4 * rng.standard_normal((10, n_classes))) + 0.5 * rng.standard_normal((levels, n_classes))[level]
    eta += np.log(1 / (np.arange(n_classes) + 1.0))
    chosen = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)  # a draw from softmax(eta)
    return X, chosen.astype(np.int64)


def text(n: int, p: int, words: int = 60) -> tuple[sp.csr_matrix, np.ndarray]:
    """Documents of `words` distinct words drawn by Zipf's law, as tf-idf rows of norm one."""
    rng = np.random.default_rng(6)
    frequency = np.cumsum(1 / (np.arange(p) + 2.7))
    draws = np.searchsorted(frequency, rng.random((n, 3 * words)) * frequency[-1]).astype(np.int32)
    draws.sort(axis=1)
    first = np.ones(draws.shape, dtype=bool)
    first[:, 1:] = draws[:, 1:] != draws[:, :-1]
    starts = np.flatnonzero(first)
    counts = np.zeros(draws.shape)
    counts.flat[starts] = np.diff(starts, append=draws.size)

    keys = np.where(first, rng.random(draws.shape), 2.0)
    kept = np.sort(np.argpartition(keys, words, axis=1)[:, :words], axis=1)
    column, count = np.take_along_axis(draws, kept, 1), np.take_along_axis(counts, kept, 1)
    valid = np.take_along_axis(keys, kept, 1) < 2
    weight = (1 + np.log(count[valid])) * _inverse_document_frequency(column[valid], n, p)
    indptr = np.concatenate([[0], np.cumsum(valid.sum(axis=1))]).astype(np.int32)
    X = sp.csr_matrix((weight, column[valid], indptr), shape=(n, p))
    X.data /= np.repeat(np.sqrt(np.add.reduceat(X.data**2, X.indptr[:-1])), np.diff(X.indptr))

    effect = rng.standard_normal(p) * (rng.random(p) < 0.2)
    eta = X @ effect
    return X, _draw(rng, expit(eta * (3 / eta.std())))


def _inverse_document_frequency(column: np.ndarray, n: int, p: int) -> np.ndarray:
    return (np.log((1 + n) / (1 + np.bincount(column, minlength=p))) + 1)[column]


def images(n: int, side: int, n_classes: int = 10) -> Data:
    """Blurred strokes with an empty border, grey values in [0, 1]: shifted, faded, mixed with another stroke."""
    rng = np.random.default_rng(7)
    prototypes = np.stack([_stroke(rng, side) for _ in range(3 * n_classes)])
    label = rng.integers(n_classes, size=n)
    shape, other = label + n_classes * rng.integers(3, size=n), rng.integers(3 * n_classes, size=n)
    share = rng.uniform(0.45, 1, size=(n, 1, 1))
    X = share * prototypes[shape] + (1 - share) * prototypes[other]
    shift = rng.integers(-1, 2, size=(n, 2))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            rows = (shift == (down, right)).all(axis=1)
            X[rows] = np.roll(X[rows], (down, right), axis=(1, 2))
    X += 0.5 * gaussian_filter(rng.standard_normal(X.shape), (0, 1, 1)) * (X > 0.02)
    X[:, :2], X[:, -2:], X[:, :, :2], X[:, :, -2:] = 0, 0, 0, 0
    return np.clip(np.round(X * 255) / 255, 0, 1).reshape(n, -1), label


def _stroke(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return a smooth random walk through the middle of a picture, drawn with a soft pen."""
    steps = gaussian_filter(rng.standard_normal((40, 2)), (4, 0))
    path = np.cumsum(steps, axis=0)
    path = (path - path.min(axis=0)) / np.ptp(path, axis=0).max() * 0.65 * side
    path += (side - np.ptp(path, axis=0)) / 2
    canvas = np.zeros((side, side))
    canvas[tuple(np.clip(path.round().astype(int), 0, side - 1).T)] = 1
    canvas = gaussian_filter(canvas, side / 28)
    return canvas / canvas.max() * (canvas > 0.03 * canvas.max())


def linear_gaussian(n: int, p: int = 100) -> Data:
    """Correlated columns; as much noise as signal."""
    rng = np.random.default_rng(8)
    X = _correlated(rng, n, p)
    return X, 10 + _predictor(rng, X, 2.0) + 2.0 * rng.standard_normal(n)


def counts(n: int, p: int = 40) -> Data:
    """Correlated columns; counts of mean near one whose log means have standard deviation 0.7."""
    rng = np.random.default_rng(10)
    X = _correlated(rng, n, p, 0.6)
    return X, rng.poisson(np.exp(_predictor(rng, X, 0.7) - 0.25)).astype(np.float64)


def heavy_tails(n: int, p: int = 40) -> Data:
    """Correlated columns; noise of Student's t with three degrees of freedom, as large as the signal."""
    rng = np.random.default_rng(11)
    X = _correlated(rng, n, p, 0.6)
    return X, 10 + _predictor(rng, X, 1.5) + rng.standard_t(3, n)


def heteroscedastic(n: int, p: int = 30) -> Data:
    """Correlated columns; the log of the noise's scale is linear in them, with standard deviation 0.5."""
    rng = np.random.default_rng(9)
    X = _correlated(rng, n, p, 0.6)
    noise = np.exp(_predictor(rng, X, 0.5) + 0.5) * rng.standard_normal(n)
    return X, 10 + _predictor(rng, X, 2.0) + noise
