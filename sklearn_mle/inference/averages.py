r"""Averages over rows of functions of the linear predictors, and their gradients in the coefficients, in one pass.

With x the columns that the model sees (an intercept last) and B its coefficients, eta = B x, the weighted mean of f has

.. math:: \frac{\partial}{\partial B_j} \sum_i w_i f(\eta_i) = \sum_i w_i f_j(\eta_i) x_i

and that of the slope :math:`s = \sum_j f_j(\eta) B_j x'` in a column of X, x' the derivative of x in it,

.. math:: \frac{\partial}{\partial B_j} \sum_i w_i s_i = \sum_i w_i \Big(\sum_k f_{jk} B_k x'_i\Big) x_i + w_i f_j x'_i
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.memory import refuse_unless_it_fits
from sklearn_mle._numerics.stored import dot_rows
from sklearn_mle._predictors import add_offset
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.quantities import SmoothFunction
from sklearn_mle.inference.tables import Table

Array = NDArray[Any]


@dataclass
class BlockOfRows:
    """Some rows, as given and as the model sees them."""

    model: FittedModel
    function: SmoothFunction
    table: Table
    offset: Any

    def read(self, table: Table, rows: Any = slice(None)) -> tuple[Any, Any]:
        """Return the columns that the model sees of changed rows, in double precision, and their offset."""
        X, offset = self.model.read_features(table.X, taken(self.offset, rows))
        X = X[:] if not hasattr(X, "astype") else X
        return X.astype(np.float64, copy=False), offset

    def eta(self, X: Any, offset: Any) -> Array:
        """Return the linear predictors, shape (q, n)."""
        coefficients = self.model.coefficients
        eta = np.repeat(coefficients[:, -1:], X.shape[0], axis=1)
        eta += dot_rows(coefficients[:, :-1], X)
        return add_offset(eta, None if offset is None else np.atleast_2d(offset.T))

    @cached_property
    def base(self) -> tuple[Any, Array]:
        """The columns and predictors of the rows as they are."""
        X, offset = self.read(self.table)
        return X, self.eta(X, offset)

    @cached_property
    def jacobian(self) -> Array:
        """The function's derivatives in the predictors there."""
        return self.function.jacobian(self.base[1])


# The derivatives of values in the coefficients: factors (m, q, n) of columns, and their places (None: all, with an
# intercept).
Parts = list[tuple[Array, Any, NDArray[np.intp] | None]]
# From a block of rows to values (m, n) and their derivatives.
Task = Callable[[BlockOfRows], tuple[Array, Parts]]


@dataclass(frozen=True)
class Prediction:
    """The function itself, after some columns were replaced."""

    change: Callable[[Table], Table] | None = None

    def __call__(self, block: BlockOfRows) -> tuple[Array, Parts]:
        """Return the values and their derivatives."""
        if self.change is None:
            X, eta = block.base
            return block.function.value(eta), [(block.jacobian, X, None)]
        X, offset = block.read(self.change(block.table))
        eta = block.eta(X, offset)
        return block.function.value(eta), [(block.function.jacobian(eta), X, None)]


@dataclass
class Means:
    """Weighted means of tasks in groups of rows: values (tasks, groups, m) and gradients (tasks, groups, m, q (p + 1)).

    ``rows`` has what each row contributes to each mean, shape (tasks, m, n), where that was asked for.
    """

    values: Array
    gradients: Array
    mass: Array
    rows: Array | None = field(default=None)


def means_of(
    model: FittedModel,
    function: SmoothFunction,
    table: Table,
    tasks: Sequence[Task],
    weight: Array | None,
    groups: NDArray[np.intp],
    offset: Any,
    change: Callable[[Table], Table],
    *,
    keep_rows: bool,
) -> Means:
    """Return the means of the tasks over each group of rows, block by block; rows of weight zero are absent."""
    n_groups, n_tasks = int(groups.max()) + 1, len(tasks)
    shape = model.coefficients.shape
    m = 1 if function.classes is None else len(function.classes)
    refuse_unless_it_fits(
        n_tasks * n_groups * m,
        model.coefficients.size,
        what=f"The gradient of {n_tasks * n_groups * m:,} averages",
        remedy="Ask for fewer columns, levels or groups at a time",
    )
    values = np.zeros((n_tasks, n_groups, m))
    gradients = np.zeros((n_tasks, n_groups, m, *shape))
    mass = np.zeros(n_groups)
    rows_kept = None
    if keep_rows:
        refuse_unless_it_fits(
            n_tasks * m, len(table), what="Each row's contribution", remedy="Ask for fewer columns or levels at a time"
        )
        rows_kept = np.zeros((n_tasks, m, len(table)))
    for rows in table.blocks():
        of_rows = np.ones(rows.stop - rows.start) if weight is None else weight[rows]
        present = slice(None) if (of_rows > 0).all() else np.flatnonzero(of_rows > 0)
        of_rows, of_groups = of_rows[present], groups[rows][present]
        if not len(of_rows):
            continue
        block_table = table.take(rows)
        if not isinstance(present, slice):
            block_table = block_table.take(present)
        block = BlockOfRows(model, function, change(block_table), taken(taken(offset, rows), present))
        members = [(g, np.flatnonzero(of_groups == g)) for g in np.unique(of_groups)]
        for g, inside in members:
            mass[g] += of_rows[inside].sum()
        for t, task in enumerate(tasks):
            value, parts = task(block)
            if rows_kept is not None:
                rows_kept[t][:, np.arange(rows.start, rows.stop)[present]] = value
            for g, inside in members:
                some: Any = slice(None) if len(members) == 1 else inside
                values[t, g] += value[:, some] @ of_rows[some]
                for factor, X, columns in parts:
                    _add(gradients[t, g], factor[..., some] * of_rows[some], X[some], columns)
    values /= mass[:, None]
    gradients /= mass[:, None, None, None]
    return Means(values, gradients.reshape(n_tasks, n_groups, m, -1), mass, rows_kept)


def _add(total: Array, factor: Array, X: Any, columns: NDArray[np.intp] | None) -> None:
    """Add the sum over rows of factor (m, q, n) times X (n, p) to a total (m, q, p + 1)."""
    flat = factor.reshape(-1, factor.shape[-1])
    product = np.asarray((X.T @ flat.T).T).reshape(*total.shape[:-1], -1)
    if columns is None:
        total[..., :-1] += product
        total[..., -1] += factor.sum(axis=-1)
    else:
        total[..., columns] += product


def taken(values: Any, rows: Any) -> Any:
    """Return rows of an offset; what has none (None, scalars) as it is, and what has names by name."""
    if isinstance(values, dict):
        return {name: taken(value, rows) for name, value in values.items()}
    return values if values is None or not np.ndim(values) else np.asarray(values)[rows]
