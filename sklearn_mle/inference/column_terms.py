"""Which columns of X each column that the model sees is made of: the terms of a model, whatever the transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle.inference.model import FittedModel
from sklearn_mle.inference.slopes import any_row, ends_of, probed_values
from sklearn_mle.inference.tables import Table

# The number of rows in which columns are changed one by one, and of the values that they are set to.
_ROWS, _VALUES = 256, 16


@dataclass(frozen=True, eq=False)
class Term:
    """Columns that the model sees and that are made of the same columns of X."""

    sources: tuple[Any, ...]
    columns: NDArray[np.intp]

    @property
    def name(self) -> str:
        """The sources' names, as R writes an interaction."""
        return ":".join(map(str, self.sources))

    def contains(self, other: "Term") -> bool:
        """Return whether this is a relative of higher order: an interaction of the other with more."""
        return set(self.sources) > set(other.sources)


def column_terms(model: FittedModel, X: Any) -> list[Term]:
    """Return the terms of a model, those of one column first, in the order of X.

    Each column of X is set to its values in some of the rows: what changes with it is made of it. Columns that are in
    no predictor belong to no term, like variables that are in no formula.
    """
    table = Table.of(X)
    some = table.take(telling_rows(model, table))
    base = model.columns(some.X)
    moves = np.zeros((len(table.names), base.shape[1]), dtype=bool)
    for k, name in enumerate(table.names):
        for value in _values(table, name):
            moves[k] |= any_row(model.columns(some.replaced(name, value).X) != base)
    patterns: dict[tuple[int, ...], list[int]] = {}
    used = np.unique(np.concatenate([term.indices(base.shape[1]) for term in model.terms]))
    for column in used[moves[:, used].any(axis=0)]:
        patterns.setdefault(tuple(np.flatnonzero(moves[:, column]).tolist()), []).append(int(column))
    ordered = sorted(patterns.items(), key=lambda each: (len(each[0]), each[0]))
    return [Term(tuple(table.names[k] for k in sources), np.array(columns)) for sources, columns in ordered]


def telling_rows(model: FittedModel, table: Table) -> NDArray[np.intp]:
    """Return some rows in which every column that the model sees has two values, if it has two in any rows.

    Products with a rare level are zero in most rows, where nothing that is changed in one column of X would move them.
    """
    rows = np.unique(np.linspace(0, len(table) - 1, min(_ROWS, len(table))).round().astype(np.intp))
    low, high = ends_of(model.columns(table.take(rows).X))
    constant, value = np.flatnonzero(low == high), low[low == high]
    more = [rows]
    for block in table.blocks():
        if not len(constant) or len(rows) == len(table):
            break
        X = model.columns(table.take(block).X)[:, constant]
        X = X.tocsc() if sp.issparse(X) else X
        low, high = ends_of(X)
        least, most = (np.asarray(place).ravel() for place in (X.argmin(axis=0), X.argmax(axis=0)))
        differs = (low != value) | (high != value)
        more.append(block.start + np.where(high != value, most, least)[differs])
        constant, value = constant[~differs], value[~differs]
    return np.unique(np.concatenate(more))


def _values(table: Table, name: Any) -> Sequence[Any]:
    if table.is_numeric(name):
        values = probed_values(table.numbers(name))
        return [float(value) for value in values[:: max(1, len(values) // _VALUES)]]
    levels = table.levels(name)
    return levels[:: max(1, len(levels) // (4 * _VALUES))]
