"""A table with a header: what ``summary`` returns, readable as text, as HTML, and as a pandas DataFrame."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DIGITS = 5
# A smaller p-value says more about the tails of an approximation than about the data.
_LEAST_P = 1e-4


@dataclass(frozen=True)
class Summary:
    """A table with one row per parameter, under a header with facts about the whole fit.

    A ``DataFrame`` has no place for a header and pandas need not be installed, so this is a small object of its own:
    ``summary["estimate"]`` is a column, ``summary.loc["age"]`` a row, ``summary.header["AIC"]`` an entry of the header,
    ``to_frame()`` the table.

    Attributes
    ----------
    title : str
    header : mapping of str to (str, int, float or bool)
    index : tuple of str
        Names of the parameters.
    columns : mapping of str to ndarray
        ``estimate``, ``standard error``, ``z`` or ``t``, ``p``, ``lower`` and ``upper``, in this order.
    notes : tuple of str
        Notes on how to read the table, one sentence each.
    """

    title: str
    header: Mapping[str, Any]
    index: tuple[str, ...]
    columns: Mapping[str, NDArray[Any]]
    notes: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> Any:
        """Return a column: a pandas Series over the names where pandas is installed, an array otherwise."""
        frame = self._frame()
        return self.columns[column] if frame is None else frame[column]

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of parameters and of columns."""
        return len(self.index), len(self.columns)

    @property
    def loc(self) -> Any:
        """The DataFrame's: ``summary.loc["age", "p"]`` is a cell, ``summary.loc["age"]`` a row; it needs pandas."""
        return self.to_frame().loc

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame; the header is in its ``attrs``.

        Returns
        -------
        pandas.DataFrame
            One row per parameter.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        frame = self._frame()
        if frame is None:
            raise ImportError("to_frame and loc need pandas; without it summary[column] gives the columns as arrays.")
        frame.attrs.update(self.header)
        return frame

    def _frame(self) -> Any:
        try:
            import pandas as pd
        except ImportError:
            return None
        return pd.DataFrame(dict(self.columns), index=pd.Index(self.index, name="parameter"))

    def _cells(self) -> list[list[str]]:
        texts = [_column(name, values) for name, values in self.columns.items()]
        return [list(row) for row in zip(self.index, *texts, strict=True)]

    def __repr__(self) -> str:
        entries = [(name, _value(value)) for name, value in self.header.items()]
        heads, cells = ["", *self.columns], self._cells()
        widths = [max(len(row[k]) for row in [heads, *cells]) for k in range(len(heads))]
        table = [
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in [heads, *cells]
        ]
        rule = "-" * max(len(line) for line in table)
        lines = [self.title, *_in_two_columns(entries), rule, table[0].rstrip(), rule, *table[1:], rule, *self.notes]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in ["", *self.columns])
        body = "".join(
            "<tr><th>" + escape(row[0]) + "</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
            for row in self._cells()
        )
        entries = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(_value(value))}</td></tr>" for name, value in self.header.items()
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f"<div><p><strong>{escape(self.title)}</strong></p><table>{entries}</table>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
        )


def _in_two_columns(entries: Sequence[tuple[str, str]]) -> list[str]:
    half = -(-len(entries) // 2)
    cells = []
    for side in (entries[:half], entries[half:]):
        name_width = max((len(name) for name, _ in side), default=0)
        value_width = max((len(value) for _, value in side), default=0)
        cells.append([f"{name.ljust(name_width)}  {value.rjust(value_width)}" for name, value in side])
    left, right = cells
    return ["    ".join([text, *right[k : k + 1]]) for k, text in enumerate(left)]


def _value(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.7g}"
    return str(value)


def _column(name: str, values: NDArray[Any]) -> list[str]:
    if name == "p":
        return ["nan" if math.isnan(p) else f"<{_LEAST_P:g}" if p < _LEAST_P else f"{p:.4f}" for p in values]
    if name in ("z", "t"):
        return [f"{value:.2f}" for value in values]
    return [f"{value:.{_DIGITS}g}" for value in values]
