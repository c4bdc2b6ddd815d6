"""Rows as the user gave them, in frames or arrays, whose columns are read and replaced before any transformer."""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from sklearn_mle._numerics.arguments import argument_name, is_missing, refuse_masked
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.partitions import refuse_lazy

# The most entries, and rows, of a block.
_BLOCK_ENTRIES, _BLOCK_ROWS = 1 << 21, 1 << 16
# The dtypes of double precision that pandas has for its shorter ones.
_DOUBLE = {
    "float16": "float64",
    "float32": "float64",
    "Float32": "Float64",
    "halffloat[pyarrow]": "double[pyarrow]",
    "float[pyarrow]": "double[pyarrow]",
}


@dataclass(frozen=True)
class Table:
    """Rows with columns that have names (frames) or positions (arrays)."""

    X: Any

    @classmethod
    def of(cls, X: Any) -> "Table":
        """Return the rows of X, after checking that they have columns and are in memory."""
        refuse_lazy(X)
        refuse_masked(X=X)
        with argument_name("X"):
            if not (hasattr(X, "columns") or issparse(X)):
                X = np.asarray(X)
            if len(np.shape(X)) != 2 or not np.shape(X)[0]:
                raise ValueError(
                    f"X must be a data frame or a two-dimensional array, with rows; its shape is {np.shape(X)}."
                )
        if issparse(X):
            X = X.tocsr()
        table = cls(X)
        if len(set(table.names)) < len(table.names):
            raise ValueError("X: two columns have the same name; rename one.")
        return table

    def __len__(self) -> int:
        return int(self.X.shape[0])

    @property
    def names(self) -> list[Any]:
        """Names of the columns; of arrays their positions."""
        return list(self.X.columns) if hasattr(self.X, "columns") else list(range(self.X.shape[1]))

    def place(self, name: Any) -> Any:
        """Return the name of a column; raise ValueError if X has no such column."""
        names = self.names
        with argument_name("columns"):
            known = name in names
        if not known:
            many = f"{', '.join(map(repr, names[:20]))}{', ...' if len(names) > 20 else ''}"
            raise ValueError(f"columns: X has no column {name!r}; its columns are {many}.")
        return name

    def take(self, rows: Any) -> "Table":
        """Return some rows, dense and in double precision: a slice, or positions."""
        return Table(_in_double(taken(self.X, rows)))

    def blocks(self) -> Iterator[slice]:
        """Yield the rows of one block after the other."""
        step = max(1, min(_BLOCK_ROWS, _BLOCK_ENTRIES // max(1, self.X.shape[1])))
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))

    def column(self, name: Any) -> Array:
        """Return a column as an array."""
        if hasattr(self.X, "columns"):
            return np.asarray(self.X[name])
        return dense(self.X[:, [name]])[:, 0]

    def numbers(self, name: Any) -> NDArray[np.float64]:
        """Return a column of numbers as float64."""
        with argument_name(f"X[{name!r}]"):
            return self.column(name).astype(np.float64)

    def is_numeric(self, name: Any) -> bool:
        """Return whether a column holds numbers that are measured: no truth values, texts or categories."""
        if hasattr(self.X, "columns") and _categories(self.X[name]) is not None:
            return False
        values = self.column(name)
        if values.dtype.kind == "O":
            return all(isinstance(v, Real) and not isinstance(v, bool | np.bool_) for v in values if not is_missing(v))
        return values.dtype.kind in "iuf"

    def levels(self, name: Any, weight: Array | None = None) -> list[Any]:
        """Return the values that occur in rows of positive weight: categories in their order, others sorted."""
        values = self.column(name)
        if weight is not None:
            values = values[weight > 0]
        found = values if values.dtype.kind == "O" else np.unique(values).tolist()
        present = {value for value in found if not is_missing(value)}
        known = _categories(self.X[name]) if hasattr(self.X, "columns") else None
        if known is not None:
            return [level for level in known if level in present]
        with argument_name(f"X[{name!r}]"):
            return sorted(present)

    def replaced(self, name: Any, values: Any) -> "Table":
        """Return the rows with another column in the place of one: an array, or one value for all rows."""
        X, n = self.X, len(self)
        if not hasattr(X, "columns"):
            X = X.toarray() if issparse(X) else X
            kind = np.result_type(X, np.float64) if X.dtype.kind in "biuf" else np.dtype(object)
            X = X.astype(kind)
            X[:, name] = values
            return Table(X)
        old = X[name]
        known = _categories(old)
        if known is not None:
            if np.ndim(values) or values not in known:
                raise ValueError(f"X[{name!r}] has the categories {known}; got {values!r}.")
            values = [values] * n
        if not hasattr(X, "iloc"):
            column = type(old)(name, values if np.ndim(values) else [values] * n)
            return Table(X.with_columns(column if known is None else column.cast(old.dtype)))
        X = X.copy(deep=False)
        X[name] = values if known is None else type(old)(values, index=X.index, dtype=old.dtype)
        return Table(X)

    def typical(self, weight: Array) -> "Table":
        """Return one row: columns of numbers at their mean, others at the commonest value."""
        out = self.take(np.array([int(np.argmax(weight > 0))]))
        for name in self.names:
            if self.is_numeric(name):
                values = self.numbers(name)
                seen = (weight > 0) & ~np.isnan(values)
                out = out.replaced(name, np.average(values[seen], weights=weight[seen]) if seen.any() else np.nan)
            else:
                out = out.replaced(name, self.commonest(name, weight))
        return out

    def commonest(self, name: Any, weight: Array) -> Any:
        """Return the value that occurs with the largest weight; the first one where all are missing."""
        values, levels = self.column(name), self.levels(name, weight)
        # Comparing with pandas' NA gives neither True nor False.
        known = [not is_missing(value) for value in values] if values.dtype.kind == "O" else slice(None)
        mass = [float(weight[known][values[known] == level].sum()) for level in levels]
        return levels[int(np.argmax(mass))] if levels else values[0]


def taken(values: Any, rows: Any) -> Any:
    """Return rows of an argument: a frame keeps its names; None and scalars are returned as they are."""
    if not (getattr(values, "shape", ()) or np.ndim(values)):
        return values
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    values = values.tocsr() if issparse(values) else values  # not every format has rows
    return values[rows] if hasattr(values, "shape") else np.asarray(values)[rows]


def dense(X: Any) -> Array:
    """Return a dense array of columns that may be sparse."""
    return X.toarray() if issparse(X) else np.asarray(X)


def _in_double(X: Any) -> Any:
    """Return rows that are dense, their floating-point numbers in double precision.

    A column that is replaced is so. Beside it transformers would compute the others in another precision than before,
    or in another storage, and all of them would seem to depend on it.
    """
    if issparse(X):
        X = X.toarray()
    if not hasattr(X, "columns"):
        return X.astype(np.float64, copy=False) if X.dtype.kind == "f" else X
    if not hasattr(X, "iloc"):
        return X.with_columns([X[name].cast(float) for name, dtype in X.schema.items() if str(dtype) == "Float32"])
    wider: dict[Any, Any] = {}
    for name, dtype in X.dtypes.items():
        if str(dtype).startswith("Sparse"):
            wider[name] = np.result_type(dtype.subtype, np.float64) if dtype.subtype.kind == "f" else dtype.subtype
        elif str(dtype) in _DOUBLE:
            wider[name] = _DOUBLE[str(dtype)]
    return X.astype(wider) if wider else X


def _categories(column: Any) -> list[Any] | None:
    """Return the categories of a column of a frame, in their order; None where it has none."""
    if str(column.dtype).startswith("Categorical"):  # polars', whose own order is that of appearance
        return sorted(column.drop_nulls().unique().to_list())
    found = getattr(column.dtype, "categories", None)
    return None if found is None else list(found)
