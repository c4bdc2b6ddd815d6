"""A table with a header: what ``summary`` returns, readable as text, as HTML, and as a pandas DataFrame."""

import math
from collections.abc import Iterator, Mapping
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

    def _rows(self) -> list[list[str]]:
        """Return the table's cells, its head first."""
        texts = [[name, *_column(name, values)] for name, values in self.columns.items()]
        return [list(row) for row in zip(["", *self.index], *texts, strict=True)]

    def __repr__(self) -> str:
        entries = [[name, _value(value)] for name, value in self.header.items()]
        half = -(-len(entries) // 2)
        left, right = _aligned(entries[:half]), _aligned(entries[half:])
        facts = ["    ".join([text, *right[k : k + 1]]) for k, text in enumerate(left)]
        head, *body = _aligned(self._rows())
        rule = "-" * len(head)
        lines = [self.title, *facts, rule, head, rule, *body, rule, *self.notes]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head, *rows = self._rows()
        body = "".join(_in_html(row) for row in rows)
        entries = "".join(_in_html([name, _value(value)]) for name, value in self.header.items())
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f"<div><p><strong>{escape(self.title)}</strong></p><table>{entries}</table>"
            f"<table><thead>{_in_html(head, 'th')}</thead><tbody>{body}</tbody></table>{notes}</div>"
        )


def _aligned(rows: list[list[str]]) -> list[str]:
    """Return rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _in_html(row: list[str], tag: str = "td") -> str:
    cells = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row[1:])
    return f"<tr><th>{escape(row[0])}</th>{cells}</tr>"


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
