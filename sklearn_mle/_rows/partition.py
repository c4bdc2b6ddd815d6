"""What is computed on a partition of a fit's rows: methods of a small object that is sent to where the partition is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from sklearn_mle._numerics.arguments import NotFiniteError
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.sums import sum_in_order
from sklearn_mle._rows.data import Block, Data, TargetMap, TargetSum
from sklearn_mle._rows.dense import COPY_ELEMENTS, DenseRows
from sklearn_mle._rows.sparse import SparseRows

# X, y, weight and offset of some rows; the last two may be absent, and but for X rows are the last dimension.
Arrays = tuple[Any, Array, Array | None, Array | None]

# So many rows are not copied.
NEVER_COPIED = 1 << 62
_NOT_FINITE = "X contains NaN or infinity. Remove or repair such rows."


@dataclass(frozen=True)
class Wanted:
    """The rows of a partition that are fetched.

    Attributes
    ----------
    rows : ndarray of int or None
        By their number among the partition's rows of positive weight.
    reached : ndarray or None
        In place of that: where the weights, summed row by row, reach these numbers.
    of_class : dict
        Class code -> the numbers, among the rows of the class, of those that are wanted as well.
    """

    rows: Array | None
    reached: Array | None
    of_class: dict[int, Array]


@dataclass(frozen=True)
class Reading:
    """How a partition becomes the data of a fit; it is sent along with every pass.

    Attributes
    ----------
    read : callable
        What a partition holds, by name (X may be missing) -> X, y, weight and offset as arrays, rows of the last three
        last.
    largest, mean : float
        The largest weight, and the mean of the weights over it: they bring the weights to a mean of one.
    weighted : bool
        Whether the weights differ.
    block_rows : int
        The number of rows of a block: as if all rows were in memory.
    shift, scale : ndarray of shape (p,) or None
        Columns become (X - shift) / scale.
    of_rows : int
        The number of rows in all: few are copied.
    targets : tuple of TargetMap
        What becomes of y and offset, one after the other.
    """

    read: Callable[..., Arrays]
    largest: float
    mean: float
    weighted: bool
    n_predictors: int
    block_rows: int | None
    shift: Array | None = None
    scale: Array | None = None
    of_rows: int = NEVER_COPIED
    targets: tuple[TargetMap, ...] = ()

    def arrays(self, **given: Any) -> Arrays:
        """Return X, y, weight and offset of the partition's rows of positive weight, weights of mean one."""
        X, y, weight, offset = self.read(**given)
        if weight is None:
            return X, y, None, offset
        present = weight > 0
        if not present.all():
            if X is not None:
                absent = X[~present]
                if not np.isfinite(absent.data if sp.issparse(absent) else absent).all():
                    raise ValueError(_NOT_FINITE)
                X = X[present]
            y, weight = y[..., present], weight[present]
            offset = None if offset is None else offset[..., present]
        return X, y, weight / self.largest / self.mean if self.weighted else None, offset

    def target(self, y: Array, offset: Array | None) -> tuple[Array, Array | None]:
        """Return y and offset as the fit sees them."""
        for target in self.targets:
            y, offset = target(y, offset)
        return y, offset

    def data(self, X: Any, y: Array, weight: Array | None, offset: Array | None) -> Data:
        """Return arrays as data in memory, as the fit sees them."""
        y, offset = self.target(y, offset)
        rows: DenseRows | SparseRows
        if sp.issparse(X):
            rows = SparseRows(X, self.shift, self.scale)
        else:
            rows = DenseRows(X, self.shift, self.scale)
            rows = rows.copied(self.of_rows) if self.of_rows * rows.n_columns <= COPY_ELEMENTS else rows
        return Data(rows, y, weight, offset, self.n_predictors, self.block_rows)

    def sums(
        self, function: Callable[..., tuple[Any, ...]], mapped: Callable[[Block], Any] | None, **given: Any
    ) -> Any:
        """Return the sum over a partition's blocks of what a function returns of each, or of it and what is mapped."""
        # Numbers may overflow on their way, as in memory; the outcome is judged.
        with np.errstate(all="ignore"):
            data = self.data(*self.arrays(**given))
            blocks = (data.block(*bounds) for bounds in data.blocks)
            try:
                return tuple(
                    sum_in_order(function(one) if mapped is None else function(one, mapped(one)) for one in blocks)
                )
            except NotFiniteError as error:
                raise ValueError(_NOT_FINITE) from error

    def target_sums(self, function: TargetSum, **given: Any) -> tuple[Any, ...]:
        """Return a partition's part of a sum over y, weight and offset."""
        with np.errstate(all="ignore"):
            _, y, weight, offset = self.arrays(**given)
            y, offset = self.target(y, offset)
            return function(y, weight, offset)

    def fetch(self, wanted: Wanted, **given: Any) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        """Return the rows that are drawn (repeated where they are), those of each class, and all of them in order.

        Each is a list of one entry, so that sums over partitions join them.
        """
        X, y, weight, offset = self.arrays(**given)
        if wanted.reached is None or weight is None:
            drawn = np.zeros(0, dtype=np.intp) if wanted.rows is None else wanted.rows
        else:
            drawn = np.minimum(np.searchsorted(np.cumsum(weight), wanted.reached, side="right"), len(weight) - 1)
        of_class = {code: np.flatnonzero(y == code)[ranks] for code, ranks in wanted.of_class.items()}
        every = np.unique(np.concatenate([drawn, *of_class.values()]))
        of_target = (None if part is None else part[..., every] for part in (y, weight, offset))
        return [drawn], [of_class], [every], [(X[every], *of_target)]
