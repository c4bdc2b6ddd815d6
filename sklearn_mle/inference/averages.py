r"""Averages over rows of functions of the linear predictors, and their gradients in the coefficients, in one pass.

With x the columns that the model sees (an intercept last) and B its coefficients, eta = B x, the weighted mean of f has

.. math:: \frac{\partial}{\partial B_j} \sum_i w_i f(\eta_i) = \sum_i w_i f_j(\eta_i) x_i

and that of the slope :math:`s = \sum_j f_j(\eta) B_j x'` in a column of X, x' the derivative of x in it,

.. math:: \frac{\partial}{\partial B_j} \sum_i w_i s_i = \sum_i w_i \Big(\sum_k f_{jk} B_k x'_i\Big) x_i + w_i f_j x'_i
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.memory import refuse_unless_it_fits
from sklearn_mle.inference.averaged_rows import Rows
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.quantities import SmoothFunction
from sklearn_mle.inference.tables import Table, taken


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

    @cached_property
    def base(self) -> tuple[Any, Array]:
        """The columns and predictors of the rows as they are."""
        X, offset = self.read(self.table)
        return X, self.model.eta(X, offset)

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
    """The function itself, with a column set to a value, or to a function of its numbers; None leaves it as it is."""

    column: Any = None
    value: Any = None

    def __call__(self, block: BlockOfRows) -> tuple[Array, Parts]:
        """Return the values and their derivatives."""
        if self.value is None:
            X, eta = block.base
            return block.function.value(eta), [(block.jacobian, X, None)]
        X, offset = block.read(block.table.replaced(self.column, self._new(block.table)))
        eta = block.model.eta(X, offset)
        return block.function.value(eta), [(block.function.jacobian(eta), X, None)]

    def _new(self, table: Table) -> Any:
        if not callable(self.value):
            return self.value
        with argument_name("columns"):
            new = np.asarray(self.value(table.numbers(self.column)))
            if new.shape != (len(table),):
                raise ValueError(
                    f"columns: a function of {self.column!r} must return a value for each row; got shape {new.shape}."
                )
        return new


@dataclass
class Means:
    """Weighted means of tasks in groups of rows: values (tasks, groups, m) and gradients (tasks, groups, m, q (p + 1)).

    ``mass`` is the weight of each group. ``rows``, of a sample, has what each row contributes to each mean, shape
    (tasks, m, n).
    """

    values: Array
    gradients: Array
    mass: Array
    rows: Array | None


def means_of(
    model: FittedModel, function: SmoothFunction, rows: Rows, setting: Mapping[Any, Any], tasks: Sequence[Task]
) -> Means:
    """Return the means of the tasks at a setting, over each group of rows; rows of weight zero are absent."""
    n_groups, n_tasks, m = int(rows.groups.max()) + 1, len(tasks), len(function.classes or (None,))
    size, remedy = n_tasks * n_groups * m, "Ask for fewer columns, levels or groups at a time"
    refuse_unless_it_fits(size, model.coefficients.size, what=f"The gradient of {size:,} averages", remedy=remedy)
    values = np.zeros((n_tasks, n_groups, m))
    gradients, mass = np.zeros((*values.shape, *model.coefficients.shape)), np.zeros(n_groups)
    each = None
    if rows.units is not None:
        n, remedy = len(rows.table), "Ask for fewer columns or levels at a time"
        refuse_unless_it_fits(n_tasks * m, n, what="Each row's contribution", remedy=remedy)
        each = np.zeros((n_tasks, m, n))
    for part in rows.table.blocks():
        inside = np.flatnonzero(rows.weight[part] > 0)
        if not len(inside):
            continue
        present: Any = part if len(inside) == part.stop - part.start else part.start + inside
        table = rows.table.take(present)
        for name, value in setting.items():
            table = table.replaced(name, value)
        block = BlockOfRows(model, function, table, taken(rows.offset, present))
        weight, groups = rows.weight[present], rows.groups[present]
        found, every = np.unique(groups), slice(None)
        members: list[Any] = [(g, np.flatnonzero(groups == g) if len(found) > 1 else every) for g in found]
        for g, some in members:
            mass[g] += weight[some].sum()
        for t, task in enumerate(tasks):
            value, parts = task(block)
            if each is not None:
                each[t][:, present] = value
            for g, some in members:
                values[t, g] += value[:, some] @ weight[some]
                for factor, X, columns in parts:
                    _add(gradients[t, g], factor[..., some] * weight[some], X[some], columns)
    values /= mass[:, None]
    gradients /= mass[:, None, None, None]
    return Means(values, gradients.reshape(*values.shape, -1), mass, each)


def _add(total: Array, factor: Array, X: Any, columns: NDArray[np.intp] | None) -> None:
    """Add the sum over rows of factor (m, q, n) times X (n, p) to a total (m, q, p + 1)."""
    flat = factor.reshape(-1, factor.shape[-1])
    product = np.asarray((X.T @ flat.T).T).reshape(*total.shape[:-1], -1)
    if columns is None:
        total[..., :-1] += product
        total[..., -1] += factor.sum(axis=-1)
    else:
        total[..., columns] += product
