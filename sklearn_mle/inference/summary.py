"""A table with a header: what ``summary`` returns, readable as text, as HTML, and as a pandas DataFrame."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.frames import import_pandas
from sklearn_mle._numerics.other_names import refuse_other_name
from sklearn_mle.inference.typesetting import aligned, html, latex, markdown

_DIGITS = 5
# Columns with their own number of digits, and the most digits of numbers in other columns.
_OWN_DIGITS = ("z", "t", "p")
_MOST_DIGITS = 9
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

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_mle import GaussianMLERegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GaussianMLERegressor().fit(X[["bmi", "bp"]], y)
    >>> summary = model.summary()
    >>> summary.index, list(summary.columns)[:2]
    (('intercept', 'bmi', 'bp', 'log_scale'), ['estimate', 'standard error'])
    >>> summary.to_frame().loc["bmi", "estimate"].round(2)
    np.float64(8.52)
    """

    title: str
    header: Mapping[str, Any]
    index: tuple[str, ...]
    columns: Mapping[str, NDArray[Any]]
    notes: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> Any:
        """Return a column: a pandas Series over the names where pandas is installed, an array otherwise."""
        try:
            return self.to_frame()[column]
        except ImportError:
            return self.columns[column]

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
        pd = import_pandas("summary[column] gives the columns as arrays")
        frame = pd.DataFrame(dict(self.columns), index=pd.Index(self.index, name="parameter"))
        frame.attrs.update(self.header)
        return frame

    def to_markdown(self) -> str:
        """Return the table, the header as a list, and the notes, in Markdown.

        Returns
        -------
        str
            For GitHub, Quarto and the like.
        """
        return markdown(self.cells(), self._facts(), self.notes)

    def to_html(self) -> str:
        """Return the header, the table and the notes in HTML.

        Returns
        -------
        str
            One ``div``, as notebooks show it.
        """
        return html(self.title, self.cells(), self._facts(), self.notes)

    def to_latex(self) -> str:
        """Return the table in LaTeX, the header below it.

        Returns
        -------
        str
            A ``tabular`` with the rules of the package booktabs.
        """
        return latex(self.cells(), self._facts(), self.notes)

    def cells(self) -> list[list[str]]:
        """Return the table's cells as text.

        Returns
        -------
        list of list of str
            The head first; the first entry of each row is its name.
        """
        decimals = _decimals(self.columns)
        texts = [[name, *_column(name, values, decimals)] for name, values in self.columns.items()]
        return [list(row) for row in zip(["", *self.index], *texts, strict=True)]

    def _facts(self) -> list[list[str]]:
        return [[name, text_of(value)] for name, value in self.header.items()]

    def __repr__(self) -> str:
        entries = self._facts()
        half = -(-len(entries) // 2)
        left, right = aligned(entries[:half]), aligned(entries[half:])
        facts = ["    ".join([text, *right[k : k + 1]]) for k, text in enumerate(left)]
        head, *body = aligned(self.cells())
        rule = "-" * len(head)
        lines = [self.title, *facts, rule, head, rule, *body, rule, *self.notes]
        return "\n".join(line.rstrip() for line in lines)

    _repr_html_ = to_html

    if not TYPE_CHECKING:  # or every attribute would exist for the checker

        def __getattr__(self, name: str) -> NoReturn:
            refuse_other_name(self, name)


def _decimals(columns: Mapping[str, NDArray[Any]]) -> int | None:
    """Return how many decimals show three digits of the smallest standard error; None where numbers would be long."""
    errors = np.abs(np.asarray(columns.get("standard error", ()), dtype=np.float64))
    errors = errors[np.isfinite(errors) & (errors > 0)]
    if not len(errors):
        return None
    decimals = max(0, 2 - math.floor(math.log10(errors.min())))
    shown = np.concatenate([np.ravel(values) for name, values in columns.items() if name not in _OWN_DIGITS])
    largest = np.abs(shown[np.isfinite(shown)]).max(initial=1.0)
    return decimals if math.floor(math.log10(largest)) + decimals < _MOST_DIGITS else None


def text_of(value: Any) -> str:
    """Return an entry of a header as text."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.7g}"
    return str(value)


def _column(name: str, values: NDArray[Any], decimals: int | None) -> list[str]:
    if name == "p":
        return ["nan" if math.isnan(p) else f"<{_LEAST_P:g}" if p < _LEAST_P else f"{p:.4f}" for p in values]
    if name in ("z", "t"):
        return [f"{value:.2f}" for value in values]
    if decimals is None:
        return [f"{value:.{_DIGITS}g}" for value in values]
    return [f"{value:.{decimals}f}" for value in values]
