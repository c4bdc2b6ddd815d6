"""Targets: what happened (labels), or what was known of it (rows of K class probabilities)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import column_or_1d

from sklearn_mle._numerics.arguments import argument_name, as_bool, is_missing, refuse_masked
from sklearn_mle._numerics.frames import column_names, column_order
from sklearn_mle._numerics.partitions import Partitions, is_dask
from sklearn_mle._numerics.stored import in_memory
from sklearn_mle.metrics._probability_rows import ProbabilityRows, read_rows

_TABLE_SPAN = 65_536  # integer labels that lie this close together are looked up in a table


@dataclass(frozen=True)
class LabelTarget:
    """One label per row: ``codes`` (n,) are positions in ``labels`` (K,)."""

    codes: NDArray[np.intp]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.codes)

    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities (n, K), all on the label."""
        return np.eye(len(self.labels))[self.codes]


Target = LabelTarget | ProbabilityRows


def read_target(
    y_true: ArrayLike, *, labels: ArrayLike | None = None, n_classes: int | None = None, is_log: bool = False
) -> Target:
    """Read labels (n,) or probability rows (n, K).

    ``labels`` names the K classes in the order of the columns (those of a frame are put into that order by name); where
    they are not given, they are the sorted labels of ``y_true``, which must then be as many as ``n_classes``, the
    columns that predictions have (if there are any).
    """
    is_log = as_bool("log_proba", is_log)
    if issparse(y_true):
        raise ValueError("y_true is sparse; pass labels (n,), or dense probability rows: y_true.toarray().")
    refuse_masked(y_true=y_true)
    with argument_name("y_true"):
        shape = np.shape(y_true)
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(f"y_true must be labels (n,) or probability rows (n, K), with n > 0; got shape {shape}.")
    known = None if labels is None else check_labels(labels)
    if known is not None and n_classes is not None and known.size != n_classes:
        raise ValueError(f"labels has {known.size} entries, y_pred {n_classes} columns: give one label per column.")
    if len(shape) == 2 and shape[1] > 1:
        if n_classes is not None and shape[1] != n_classes:
            raise ValueError(f"y_true has {shape[1]} columns and y_pred {n_classes}: column k of both is class k.")
        order = None if known is None else column_order(y_true, known.tolist(), "y_true", renames=True)
        return read_rows(y_true, "y_true", is_log=is_log, order=order)
    if is_log:
        raise ValueError(f"y_true must hold log-probability rows (n, K) if log_proba=True; got shape {shape}.")
    with argument_name("y_true"):
        y = column_or_1d(y_true, warn=True)
    if known is None:
        known = distinct(y, expected=n_classes)
        if n_classes is not None:
            refuse_number_of_labels(known, n_classes)
    codes = encode(y, known)
    if codes.min() < 0:
        _refuse_reals(y[codes < 0])
        row, count = int(codes.argmin()), int((codes < 0).sum())
        raise ValueError(
            f"y_true[{row}] is {y[row : row + 1].tolist()[0]!r}, which is not one of the labels {known.tolist()} "
            f"({count} such rows): pass labels= with every class, and y_pred with a column for each."
        )
    return LabelTarget(codes, known)


def refuse_number_of_labels(labels: NDArray[Any], n_classes: int) -> None:
    """Refuse labels found in ``y_true`` that are not as many as the columns of predictions."""
    if labels.size != n_classes:
        raise ValueError(
            f"y_true has {labels.size} distinct labels and y_pred {n_classes} columns: pass labels=, the label of "
            "each column in order (targets that are probabilities are passed as rows (n, K))."
        )


def check_labels(labels: ArrayLike) -> NDArray[Any]:
    """Labels (K,), distinct."""
    with argument_name("labels"):
        known = np.asarray(labels)
    if known.ndim != 1 or known.size == 0:
        raise ValueError(f"labels must be a sequence, one label per column; got shape {known.shape}.")
    if len(set(known.tolist())) != known.size:
        raise ValueError(f"labels must be distinct; got {known.tolist()}.")
    return known


def labels_of_columns(labels: ArrayLike | None, y_true: Any, y_pred: Any) -> NDArray[Any] | None:
    """Labels (K,) of the columns: those that are given, or the names of a frame's columns; None for arrays.

    Raises
    ------
    ValueError
        If both are frames, and the names of their columns are not the same.
    """
    if labels is not None:
        return check_labels(labels)
    refuse_masked(y_true=y_true)
    named, of = column_names(y_pred), "y_pred"
    with argument_name("y_true"):
        shape = np.shape(y_true)
    if len(shape) == 2 and shape[1] > 1:
        if named is not None:
            column_order(y_true, named, "y_true")
        else:
            named, of = column_names(y_true), "y_true"
    if named is None:
        return None
    if len(set(named)) != len(named):
        raise ValueError(f"{of}: the columns of a frame name the classes, so each must be unique; got {named}.")
    if all(isinstance(name, str) for name in named):
        return np.array(named)
    return np.fromiter(named, dtype=object, count=len(named))


def labels_of_partitions(labels: Any, y_true: Any, y_pred: Any) -> Any:
    """Return the labels of the columns: given, or their names in a frame; None of probabilities without names.

    Otherwise they are the sorted distinct labels of all partitions (one may lack a class): one pass over y_true.
    """
    known = labels_of_columns(labels, y_true, y_pred)
    if known is not None or (np.ndim(y_true) == 2 and y_true.shape[1] > 1):
        return known
    found = Partitions.of(y_true=y_true).collect(_distinct, "mle-labels") if is_dask(y_true) else [_distinct(y_true)]
    if not found:
        raise ValueError("y_true is empty: at least one row is needed.")
    known = distinct(np.concatenate(found))
    refuse_number_of_labels(known, 2 if np.ndim(y_pred) == 1 else np.shape(y_pred)[1])
    return known


def _distinct(y_true: Any) -> NDArray[Any]:
    return distinct(np.asarray(in_memory(y_true)).reshape(-1))


def distinct(y: NDArray[Any], *, expected: int | None = None) -> NDArray[Any]:
    """Sorted distinct labels of ``y``; integers in 0..expected-1 are counted, not sorted."""
    if expected is not None and y.dtype.kind in "iu" and y.min() >= 0 and y.max() < expected:
        # Older releases of numpy count no uint64.
        return np.flatnonzero(np.bincount(y.astype(np.intp, copy=False), minlength=expected))
    if y.dtype.kind in "biufUS":
        found = np.unique(y)
        missing = found.dtype.kind == "f" and bool(np.isnan(found).any())
    else:
        found = np.fromiter(dict.fromkeys(y.tolist()), dtype=object)
        missing = any(is_missing(label) for label in found)
    if missing:
        row = next(i for i, label in enumerate(y.tolist()) if is_missing(label))
        raise ValueError(f"y_true[{row}] is {y[row]}: labels must not be missing; drop or repair such rows.")
    _refuse_reals(found)
    try:
        return np.sort(found)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in found})
        raise ValueError(f"y_true mixes labels of types {kinds}, which have no order: pass labels=.") from None


def _refuse_reals(labels: NDArray[Any]) -> None:
    """Refuse numbers that are not whole: as y_true they are meant as probabilities, not as the names of classes."""
    if labels.dtype.kind not in "fO":
        return
    reals = (label for label in labels.tolist() if isinstance(label, float) and not label.is_integer())
    number = next(reals, None)
    if number is not None and number == number:  # a missing label has an error of its own
        raise ValueError(
            f"y_true is one-dimensional, so it is read as labels, but {number} looks like a probability. Pass one "
            "distribution over the classes as one row, kl_divergence([p], [q]) or entropy([p]), and several as rows "
            "(n, K). For classes whose names really are such numbers, pass labels=."
        )


def encode(y: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.intp]:
    """Position in ``labels`` of each label in ``y``, -1 where it is none of them; ``y`` is never sorted."""
    kinds = y.dtype.kind + labels.dtype.kind
    if set(kinds) <= set("biu"):
        codes = _encode_by_table(y, labels)
        if codes is not None:
            return codes
    if set(kinds) <= set("biuf") or kinds in ("UU", "SS"):
        order = np.argsort(labels, kind="stable")
        place = order[np.minimum(np.searchsorted(labels, y, sorter=order), labels.size - 1)]
        return np.where(labels[place] == y, place, -1)
    position = {label: k for k, label in enumerate(labels.tolist())}
    return np.fromiter((position.get(label, -1) for label in y.tolist()), dtype=np.intp, count=len(y))


def _encode_by_table(y: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.intp] | None:
    low, high, least, most = int(labels.min()), int(labels.max()), int(y.min()), int(y.max())
    if high - low > _TABLE_SPAN or max(-min(low, least), max(high, most)) >= 2**62:
        return None
    y = y.astype(np.int64, copy=False)
    inside = low <= least and most <= high
    if inside and low == 0 and np.array_equal(labels, np.arange(labels.size)):
        return y.astype(np.intp, copy=False)
    table = np.full(high - low + 1, -1, dtype=np.intp)
    table[labels.astype(np.int64) - low] = np.arange(labels.size)
    return table[y - low] if inside else np.where((y >= low) & (y <= high), table[np.clip(y, low, high) - low], -1)
