"""Data frames whose columns have names: those of classes or of parameters, in any order."""

from collections.abc import Sequence
from typing import Any


def import_pandas(instead: str) -> Any:
    """Return pandas, which need not be installed; the ImportError says what there is ``instead``."""
    try:
        import pandas
    except ImportError as missing:
        raise ImportError(f"Tables need pandas (pip install pandas); without it {instead}.") from missing
    return pandas


def column_names(table: Any) -> list[Any] | None:
    """Return the labels that a frame's columns have; None for an array, and for a frame that was given no names.

    pandas numbers the columns of such a frame 0, 1, ..., polars calls them column_0, column_1, ...; they are read by
    position, like those of an array.
    """
    columns = getattr(table, "columns", None)
    if columns is None:
        return None
    names = list(columns)
    numbered = all(type(name) is int and name == k for k, name in enumerate(names))
    return None if numbered or names == [f"column_{k}" for k in range(len(names))] else names


def rows_of(table: Any, start: int, stop: int) -> Any:
    """Return consecutive rows of a frame or an array by their positions, names of columns kept."""
    return (table.iloc if hasattr(table, "iloc") else table)[start:stop]


def column_order(table: Any, labels: Sequence[Any], name: str, *, renames: bool = False) -> list[int] | None:
    """Return the position of each label's column; None where columns are in order, or have no names.

    With ``renames`` the labels may be other names for the columns, in their order; but then for all of them.

    Raises
    ------
    ValueError
        If columns have names, and these are not the labels.
    """
    names = column_names(table)
    if names is None or names == list(labels):
        return None
    found = set(names)
    if len(names) == len(found) == len(labels) and found == set(labels):
        place = {column: k for k, column in enumerate(names)}
        return [place[label] for label in labels]
    if renames and found.isdisjoint(labels):
        return None
    raise ValueError(
        f"{name} has the columns {names}, but the classes are {list(labels)}: name the columns of a frame after "
        "the classes, in any order, or pass an array, whose columns are read by position."
    )
