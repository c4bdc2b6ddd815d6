"""A factor of G (x) A + penalty, exact elementwise in the eigenbases of G and A, for curvatures too large to form."""

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.factors import Factor

__all__ = ["KroneckerFactor"]

Array = NDArray[np.float64]

_LEAST = 1e-12


class KroneckerFactor(Factor):
    r"""Factor of :math:`G \otimes A + I \otimes \Lambda` for parameters laid out as a (k, p + 1) matrix.

    With A centred by its intercept, :math:`\Lambda^{-1/2} A \Lambda^{-1/2} = U a U^\top` and :math:`G = V g V^\top`,
    the matrix is diagonal in the two eigenbases, with entries :math:`g_j a_i + 1`.

    Parameters
    ----------
    between : ndarray of shape (k, k)
        Curvature G between the free predictors, of trace one.
    within : ndarray of shape (p, p) or (p + 1, p + 1)
        Curvature A of the columns; with an intercept, in the last row and column.
    precision : ndarray of shape (p,)
        The diagonal of Lambda: all positive or all zero.
    intercept : bool
    """

    def __init__(self, between: Array, within: Array, precision: Array, *, intercept: bool) -> None:
        p = len(precision)
        self._inputs = (between, within, precision, intercept)
        self.size = len(between) * (p + intercept)
        self._width, self._p, self._intercept = p + intercept, p, intercept
        gains, self._V = np.linalg.eigh(between)
        gains = np.maximum(gains, _LEAST * gains[-1])
        if intercept:
            total = within[p, p]
            self._mean = within[p, :p] / total
            within = within[:p, :p] - np.multiply.outer(self._mean, self._mean) * total
            self._intercept_root = np.sqrt(gains * total)[:, None]
        penalized = bool((precision > 0).all())
        self._unit = np.sqrt(precision) if penalized else np.sqrt(np.maximum(within.diagonal(), 1e-300))
        scaled = within / self._unit / self._unit[:, None]
        lengths, self._U = np.linalg.eigh(scaled)
        lengths = np.maximum(lengths, _LEAST * max(float(lengths[-1]), _LEAST))
        self._root = np.sqrt(np.multiply.outer(gains, lengths) + penalized)

    def times(self, multiple: float) -> "KroneckerFactor":
        between, within, precision, intercept = self._inputs
        return KroneckerFactor(between, within * multiple, precision * multiple, intercept=intercept)

    def whiten(self, gradient: Array) -> Array:
        matrix = gradient.reshape(-1, self._width)
        coef = matrix[:, : self._p]
        out = np.empty_like(matrix)
        if self._intercept:
            coef = coef - np.multiply.outer(matrix[:, -1], self._mean)
            out[:, -1:] = (self._V.T @ matrix[:, -1:]) / self._intercept_root
        out[:, : self._p] = (self._V.T @ (coef / self._unit) @ self._U) / self._root
        return out.ravel()

    def unwhiten(self, step: Array) -> Array:
        matrix = step.reshape(-1, self._width)
        out = np.empty_like(matrix)
        coef = (self._V @ (matrix[:, : self._p] / self._root) @ self._U.T) / self._unit
        out[:, : self._p] = coef
        if self._intercept:
            out[:, -1:] = self._V @ (matrix[:, -1:] / self._intercept_root)
            out[:, -1] -= coef @ self._mean
        return out.ravel()

    @property
    def condition(self) -> float:
        return float(self._root.max() / self._root.min())

    @property
    def log_determinant(self) -> float:
        total = float(np.log(self._root).sum()) + len(self._root) * float(np.log(self._unit).sum())
        return 2 * (total + float(np.log(self._intercept_root).sum()) if self._intercept else total)
