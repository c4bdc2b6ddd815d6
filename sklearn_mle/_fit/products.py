"""Least squares of many rows in one pass: the cross-products of X and y tell the columns' moments, too.

The usual first pass, which takes the moments so that the second can standardize, is a third of such a fit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.factors import CholeskyFactor, NotPositiveDefiniteError
from sklearn_mle._rows import Block, Data
from sklearn_mle._rows.columns import Columns
from sklearn_mle._rows.dense import standardize_sandwich

__all__ = ["CrossProducts"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)
# Multiply-adds of the cross-products below which a pass costs next to nothing.
_LEAST_WORK = 1e8
# Columns beyond which the products take longer than many passes.
_MOST_COLUMNS = 1000
# Of a mean square, a variance below this part has lost six digits of sixteen to the difference.
_CANCELS = 1e-6
# A condition number of the scaled design below which its columns are independent beyond doubt.
_CLEAR_CONDITION = 1e6


@dataclass(frozen=True)
class CrossProducts:
    """Weighted sums over rows of products of X's own columns, a column of ones and y (less its offset).

    ``design`` (p + 1, p + 1) are those of the columns and the ones, which come last; ``response`` (p + 1,) those with
    y; ``squares`` that of y with itself. At most ``depth`` numbers were added one after the other: rounding grows with
    it.
    """

    design: Array
    response: Array
    squares: float
    depth: int

    @classmethod
    def of(cls, data: Data, *, centre: bool, least_scale: float) -> "tuple[CrossProducts, Columns] | None":
        """Return the products of rows as the caller gave them, and the standardization of their columns.

        None where rows are few, and where the products do not settle what they must: columns that are constant, far
        from zero or nearly dependent, and numbers that are not finite or whose squares overflow, want a closer look.
        """
        n, p = data.n_rows, data.n_columns
        if data.is_sparse or not 0 < p <= _MOST_COLUMNS or float(n) * p * p < _LEAST_WORK:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            design, response, of_y = data.reduce_rows(BlockProducts())
        if not (np.isfinite(design).all() and np.isfinite(response).all() and np.isfinite(of_y)):
            return None
        weight, squares = design[p, p], design.diagonal()[:p]
        mean, second = design[:p, p] / weight, squares / weight
        variance = second - np.square(mean)
        if not (variance > _CANCELS * second).all():
            return None
        # No entry is larger than the root of the sum of squares, where the least weight is one.
        largest = np.sqrt(squares / data.least_weight)
        columns = Columns.about(mean, np.sqrt(variance), largest, centre=centre, least_scale=least_scale)
        standardized = design.copy()
        standardize_sandwich(standardized, columns.shift, columns.scale)
        try:
            clear = CholeskyFactor(standardized).condition < _CLEAR_CONDITION
        except NotPositiveDefiniteError:
            clear = False
        products = cls(design, response, of_y, data.longest_sum)
        return (products, columns) if clear and not columns.constant.any() else None

    def standardized(self, columns: Columns, middle: float, unit: float) -> tuple[Array, Array]:
        """Return the products of standardized columns, and those with (y - middle) / unit."""
        design, response = self.design.copy(), self.response - middle * self.design[-1]
        response[:-1] -= columns.shift * response[-1]
        response[:-1] /= columns.scale
        standardize_sandwich(design, columns.shift, columns.scale)
        return design, response / unit

    def gradient_error(self, columns: Columns, unit: float, coef: Array) -> Array:
        """Return a bound of the rounding of a gradient made of ``standardized`` at ``coef``, both of shape (p + 1,).

        A sum of k products is off by at most k roundings of the sum of their absolute values, however it is added
        (Higham 2002, section 3.1), and the latter is at most the product of the root sums of squares. Six of these go
        into each number: a column and its shift, each with the same of another or of y.
        """
        length = self._lengths(columns)
        of_y = np.sqrt(self.squares) / unit
        return self._part() * length * (length @ np.abs(coef) + of_y)

    def design_error(self, columns: Columns) -> float:
        """Return a bound, in the spectral norm, of the rounding of the standardized columns' products."""
        return self._part() * float(np.square(self._lengths(columns)).sum())

    def _part(self) -> float:
        return 6 * (self.depth + len(self.design)) * _EPS

    def _lengths(self, columns: Columns) -> Array:
        return np.sqrt(self.design.diagonal()) / np.append(columns.scale, 1.0)


@dataclass(frozen=True)
class BlockProducts:
    """A block's cross-products, for ``Data.reduce_rows``."""

    task_name = "mle-products"

    def __call__(self, block: Block) -> tuple[Array, Array, float]:
        """Return the products of the columns and the ones, those with y, and that of y with itself."""
        y = block.y if block.offset is None else block.y - block.offset[0]
        # One weight for all rows takes no memory of its own, and no weighted copy of X.
        weight = np.broadcast_to(1.0, len(y)) if block.weight is None else block.weight
        weighted = y if block.weight is None else y * weight
        response = block.rows.transpose_matvec(weighted[None])[0]
        return block.rows.sandwich(weight), response, float(weighted @ y)
