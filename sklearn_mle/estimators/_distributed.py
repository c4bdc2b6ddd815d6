"""Training data that Dask keeps: read, checked and counted partition by partition, without their rows coming here.

One pass over y, the weights and the offset learns what the client must know: how many rows each partition has, which
classes there are, what the weights add up to. X is read in it only where the lengths of its partitions are not known.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import validate_data

from sklearn_mle._fit import RawRows
from sklearn_mle._numerics.naming import naming
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle._numerics.partitions import Partitions, one_row_like
from sklearn_mle._rows.data import rows_of_block
from sklearn_mle._rows.distributed import DistributedData
from sklearn_mle._rows.partition import Partition, Place, Reading
from sklearn_mle._rows.passes import Passes
from sklearn_mle._rows.tasks import compute, tasks_of
from sklearn_mle.estimators._labels import codes_of, encode_labels, read_soft_labels, weighted_rows
from sklearn_mle.estimators._validation import MATRIX, check_offset, refuse_no_columns
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._answers import refuse_wrong_answers

__all__ = ["LabelsOf", "ProbabilitiesOf", "RealOf", "Survey", "features_of"]

Array = NDArray[Any]


def features_of(estimator: Any, X: Any, offset: Any) -> dict[str, Any]:
    """Return ``n_features_in_`` and, where X has names, ``feature_names_in_``, as a fit in memory learns them."""
    draft = copy.copy(estimator)
    with naming("X"):
        validate_data(draft, one_row_like(X), **MATRIX, ensure_min_features=0)
    refuse_no_columns(estimator, X, offset)
    learned = vars(draft)
    return {name: learned[name] for name in ("n_features_in_", "feature_names_in_") if name in learned}


def read_features(X: Any) -> Any:
    """Return a partition's X as float64 or float32, dense or CSR; its finiteness is seen to by the moments."""
    if sp.issparse(X):
        X = sp.csr_array(X) if not hasattr(X, "sum_duplicates") else X.tocsr()
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)
    X = np.asarray(X)
    if X.dtype not in (np.float32, np.float64):
        try:
            X = X.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"X must hold numbers: {error}") from None
    return X


def read_weight(weight: Any, n_rows: int) -> Array | None:
    """Return a partition's weights, which may all be zero."""
    if weight is None:
        return None
    weight = np.full(n_rows, weight) if np.ndim(weight) == 0 else weight
    weight = check_array(weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight", ensure_min_samples=0)
    if weight.shape != (n_rows,):
        raise ValueError(f"sample_weight must have one entry a row of X, {n_rows} here; got shape {weight.shape}.")
    if weight.min(initial=0.0) < 0:
        raise ValueError(
            f"sample_weight must not be negative, but row {int(np.argmin(weight))} has {weight.min():g}. A weight "
            "counts copies of its row; 0 leaves the row out."
        )
    return weight


def _one_column(y: Any) -> Array:
    """Return a partition's y of shape (n,) or (n, 1) as (n,), its entries finite."""
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y", ensure_min_samples=0)
    return column_or_1d(y)


@dataclass(frozen=True)
class LabelsOf:
    """Reads a partition's class labels: as codes once the classes are known."""

    classes: Array | None = None
    per_class: Array | None = None

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, rows last, and the rows' weights."""
        assert self.classes is not None
        codes, weight = weighted_rows(self.per_class, codes_of(_one_column(y), self.classes), weight)
        return codes.astype(np.float64) if len(self.classes) == 2 else codes, weight

    def groups(self, y: Any) -> tuple[Array, Array, Array | None]:
        """Return the labels that a partition has, the number of each row's, and no probabilities."""
        y = _one_column(y)
        if not len(y):
            return y, np.zeros(0, dtype=np.intp), None
        return *encode_labels(y), None


@dataclass(frozen=True)
class ProbabilitiesOf:
    """Reads a partition's class probabilities."""

    per_class: Array | None = None

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, rows last, and the rows' weights."""
        target, weight = weighted_rows(self.per_class, self._read(y), weight)
        return np.ascontiguousarray(target[:, 1] if target.shape[1] == 2 else target.T), weight

    def _read(self, y: Any) -> Array:
        y = check_array(y, dtype=None, input_name="y", ensure_min_samples=0)
        return read_soft_labels(y) if len(y) else y.astype(np.float64)

    def groups(self, y: Any) -> tuple[Array, Array, Array | None]:
        """Return that all rows are one group, and their probabilities."""
        target = self._read(y)
        return np.zeros(1), np.zeros(len(target), dtype=np.intp), target


@dataclass(frozen=True)
class RealOf:
    """Reads a partition's outcomes in the domain of a likelihood."""

    likelihood: Likelihood

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, and the rows' weights."""
        y = _one_column(y)
        return self.likelihood.check_target(y) if len(y) else y.astype(np.float64), weight

    def groups(self, y: Any) -> tuple[Array, Array, Array | None]:
        """Return that all rows are one group, once they have been found to be in the domain."""
        y, _ = self(y, None)
        refuse_wrong_answers(self.likelihood, y)
        return np.zeros(1), np.zeros(len(y), dtype=np.intp), None


Target = LabelsOf | ProbabilitiesOf | RealOf


@dataclass(frozen=True)
class Reader:
    """Reads a partition's pieces, which were found valid, for every pass of a fit."""

    target: Target
    scalars: dict[str, Any]
    offset_width: int

    def __call__(
        self, n: int, X: Any, y: Any, weight: Any, offset: Any
    ) -> tuple[Any, Array, Array | None, Array | None]:
        X = None if X is None else read_features(X)
        y, weight = self.target(y, read_weight(self.scalars.get("sample_weight", weight), n))
        offset = self.scalars.get("offset", offset)
        shape = (n,) if self.offset_width == 1 else (n, self.offset_width)
        offset = check_offset(offset_of_present(offset, weight), shape)
        return X, y, weight, None if offset is None else np.atleast_2d(offset.T)


@dataclass(frozen=True)
class Surveyed:
    """What is learned of a partition, its rows in groups (by label, where there are labels).

    Attributes
    ----------
    n_rows : int
    problem : str or None
        What is wrong with it; the rest is then empty.
    labels : ndarray
        One a group.
    counts, weights, least, largest : ndarray, one entry a group
        How many rows of positive weight; the sum, the least and the largest of their weights.
    mass : ndarray of shape (K,) or None
        The weight of each class, of class probabilities.
    n_entries : int
        Of X, where it was read.
    """

    n_rows: int
    problem: str | None
    labels: Array
    counts: Array
    weights: Array
    least: Array
    largest: Array
    mass: Array | None
    n_entries: int


@dataclass(frozen=True)
class SurveyOf:
    """Looks at a partition: whether it is valid, and what the client must know of it."""

    target: Target
    scalars: dict[str, Any]

    def __call__(self, n_rows: int | None, X: Any, y: Any, weight: Any, offset: Any) -> Surveyed:
        n = X.shape[0] if n_rows is None else n_rows
        n_entries = X.nnz if sp.issparse(X) else 0
        nothing = np.zeros(0)
        try:
            with naming("sample_weight"):
                weight = read_weight(self.scalars.get("sample_weight", weight), n)
            with naming("offset"):
                check_offset(offset_of_present(offset, weight), (n, *np.shape(offset)[1:]))
            with naming("y"):
                labels, group, probabilities = self.target.groups(y)
                if len(group) != n:
                    raise ValueError(f"y has {len(group)} rows and X {n}")
        except (TypeError, ValueError) as error:
            return Surveyed(n, str(error), nothing, nothing, nothing, nothing, nothing, None, n_entries)
        w = np.ones(n) if weight is None else weight
        if probabilities is not None and isinstance(self.target, ProbabilitiesOf):
            probabilities, weighted = weighted_rows(self.target.per_class, probabilities, w)
            w = w if weighted is None else weighted
        present, k = w > 0, len(labels)
        least, largest = np.full(k, np.inf), np.zeros(k)
        np.minimum.at(least, group[present], w[present])
        np.maximum.at(largest, group[present], w[present])
        return Surveyed(
            n,
            None,
            labels,
            np.bincount(group[present], minlength=k),
            np.bincount(group, w, minlength=k),
            least,
            largest,
            None if probabilities is None else w @ probabilities,
            n_entries,
        )


class Survey:
    """The partitions of a fit and what one pass over them has told.

    Parameters
    ----------
    target : LabelsOf, ProbabilitiesOf or RealOf
    X, y, sample_weight, offset
        As fit was given them; one at least is of Dask.

    Raises
    ------
    ValueError
        If a partition is not valid, naming the argument, the block and its rows.
    """

    def __init__(self, target: Target, X: Any, y: Any, sample_weight: Any, offset: Any) -> None:
        self.parts = Partitions.of(X=X, y=y, sample_weight=sample_weight, offset=offset)
        arrays = self.parts.rows
        self.n_columns = int(arrays["X"].shape[1])
        self.scalars = {name: value for name, value in self.parts.same.items() if value is not None}
        self.has_offset = offset is not None
        n_blocks = arrays["X"].numblocks[0]
        blocks = {name: _delayed_blocks(array) for name, array in arrays.items()}
        names = ("X", "y", "sample_weight", "offset")
        self.pieces = list(zip(*(blocks.get(name, [None] * n_blocks) for name in names), strict=True))
        lengths = arrays["X"].chunks[0]
        known = not any(math.isnan(length) for length in lengths)
        self.sparse = sp.issparse(arrays["X"]._meta)
        # Only where they are not known, is X read for them.
        self.lengths = lengths if known and not self.sparse else [None] * n_blocks
        self.n_passes = 0
        self.found = self._look(target)

    def _look(self, target: Target) -> list[Surveyed]:
        self.n_passes += int(None in self.lengths)
        arguments = [
            (None if length is None else int(length), X if length is None else None, *others)
            for length, (X, *others) in zip(self.lengths, self.pieces, strict=True)
        ]
        found = compute(tasks_of("mle-survey", SurveyOf(target, self.scalars), arguments))
        first = 0
        for number, one in enumerate(found):
            if one.problem is not None:
                rows = f"rows {first} to {first + one.n_rows - 1}, counted from 0 in this message"
                raise ValueError(f"In block {number} of {len(found)} ({rows}): {one.problem}")
            first += one.n_rows
        if not any(one.weights.any() for one in found):
            raise ValueError(
                "X has no rows: all of its partitions are empty (0 sample(s))."
                if first == 0
                else "sample_weight is zero on every row, so no row is left to fit. Sample weights must contain at "
                "least one non-zero number."
            )
        return found

    @property
    def labels(self) -> Array:
        """All labels of all partitions, sorted."""
        found = [one.labels for one in self.found if len(one.labels)]
        kinds = {"number" if labels.dtype.kind in "biuf" else "other" for labels in found}
        try:
            if len(kinds) == 1:
                return np.unique(np.concatenate(found))
        except TypeError:
            pass
        raise ValueError(
            "y must hold class labels of one kind that can be sorted, in all of its partitions. Drop rows without a "
            "label (None, NaN), or convert the labels to strings."
        )

    @property
    def mass(self) -> Array:
        """The weight of each class of class probabilities."""
        return np.sum([one.mass for one in self.found if one.mass is not None], axis=0)

    def per_label(self, name: str, labels: Array, absent: float = 0.0) -> Array:
        """Return a number of every partition's groups, shape (n_partitions, K), by label."""
        out = np.full((len(self.found), len(labels)), absent)
        for row, one in zip(out, self.found, strict=True):
            if len(one.labels):
                row[np.searchsorted(labels, one.labels)] = getattr(one, name)
        return out

    def rows(self, target: Target, n_predictors: int, labels: Array | None = None) -> RawRows:
        """Return the rows of positive weight as data of a fit; ``labels`` are the classes of hard labels."""
        by = np.zeros(1) if labels is None else labels
        factor = np.ones(len(by))
        if labels is not None and isinstance(target, LabelsOf) and target.per_class is not None:
            factor = target.per_class
        seen = factor > 0
        counts = (self.per_label("counts", by) * seen).astype(np.intp)
        weights = self.per_label("weights", by) * factor
        largest = float((self.per_label("largest", by) * factor).max())
        least = float((self.per_label("least", by, np.inf)[:, seen] * factor[seen]).min())
        n_present, total = int(counts.sum()), float(weights.sum())
        mean = total / largest / n_present
        scaled = weights / largest / mean if least < largest else counts.astype(np.float64)
        partitions, first_row, first_present = [], 0, 0
        for number, (one, pieces) in enumerate(zip(self.found, self.pieces, strict=True)):
            if counts[number].any():
                place = Place(number, first_row, one.n_rows, first_present)
                of_class = (None, None) if labels is None else (counts[number], scaled[number])
                own = int(counts[number].sum())
                partitions.append(Partition(pieces, place, own, float(scaled[number].sum()), *of_class))
                first_present += own
            first_row += one.n_rows
        entries = sum(one.n_entries for one in self.found) / first_row if self.sparse else None
        y = np.zeros((n_predictors, 0) if isinstance(target, ProbabilitiesOf) and n_predictors > 1 else 0)
        if isinstance(target, LabelsOf) and n_predictors > 1:
            y = y.astype(np.intp)
        width = n_predictors if isinstance(target, LabelsOf | ProbabilitiesOf) else 1
        reading = Reading(
            Reader(target, self.scalars, width),
            largest=largest,
            mean=mean,
            least=least / largest,
            weighted=least < largest,
            n_predictors=n_predictors,
            block_rows=rows_of_block(n_present, self.n_columns, n_predictors),
        )
        data = DistributedData(
            partitions,
            reading,
            self.n_columns,
            nothing=(y, np.zeros((width, 0)) if self.has_offset else None),
            entries_per_row=entries,
            passes=Passes(self.n_passes),
        )
        return RawRows(data, mean * largest, total)

    def again(self, target: Target) -> "Survey":
        """Return what another pass tells, with weights of classes applied to class probabilities."""
        other = copy.copy(self)
        other.found = other._look(target)
        return other


def _delayed_blocks(array: Any) -> list[Any]:
    """Return the blocks of rows; what is persisted has nothing to optimize, and Dask 2025.1 would lose it by trying."""
    persisted = len(array.__dask_graph__()) == array.npartitions
    blocks: list[Any] = array.to_delayed(optimize_graph=not persisted).ravel().tolist()
    return blocks
