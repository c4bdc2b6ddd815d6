"""Training data that Dask keeps: read, checked and counted partition by partition, without their rows coming here.

One pass over y, the weights and the offset learns what the client must know: how many rows each partition has, which
classes there are, what the weights add up to. X is read in it only where the lengths of its partitions are not known,
or where it is sparse.
"""

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_mle._fit import RawRows
from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle._numerics.partitions import Partitions, one_row_like
from sklearn_mle._rows.data import PassCounter, rows_of_block
from sklearn_mle._rows.distributed import Census, DistributedData
from sklearn_mle._rows.partition import Reading
from sklearn_mle.estimators._labels import codes_of, encode_labels, read_soft_labels, weighted_rows
from sklearn_mle.estimators._validation import (
    MATRIX,
    canonical,
    check_offset,
    check_sample_weight,
    check_target,
    refuse_no_columns,
    validate_training,
)
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._answers import refuse_wrong_answers

__all__ = ["LabelReader", "ProbabilityReader", "RealReader", "Survey", "features_of"]

Array = NDArray[Any]


def features_of(estimator: Any, X: Any, offset: Any) -> dict[str, Any]:
    """Return ``n_features_in_`` and, where X has names, ``feature_names_in_``, as a fit in memory learns them."""
    refuse_no_columns(estimator, X, offset)
    return validate_training(estimator, one_row_like(X), offset)[1]


def _read_features(X: Any) -> Any:
    """Return a partition's X as float64 or float32, dense or CSR; its finiteness is seen to by the moments."""
    with argument_name("X"):
        return canonical(check_array(X, **MATRIX, ensure_all_finite=False, ensure_min_samples=0, ensure_min_features=0))


@dataclass(frozen=True)
class LabelReader:
    """Reads a partition's class labels: as codes once the classes are known."""

    classes: Array | None = None
    per_class: Array | None = None

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, rows last, and the rows' weights."""
        assert self.classes is not None
        codes, weight = weighted_rows(self.per_class, codes_of(check_target(y, warn=False), self.classes), weight)
        return codes.astype(np.float64) if len(self.classes) == 2 else codes, weight

    def groups(self, y: Any, weight: Array) -> tuple[Array, Array, Array, Array | None]:
        """Return the labels of a partition, the number of each row's, the rows' weights, and no mass of classes."""
        return *encode_labels(check_target(y, warn=False)), weight, None


@dataclass(frozen=True)
class ProbabilityReader:
    """Reads a partition's class probabilities."""

    per_class: Array | None = None

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, rows last, and the rows' weights."""
        target, weight = weighted_rows(self.per_class, self._read(y), weight)
        return np.ascontiguousarray(target[:, 1] if target.shape[1] == 2 else target.T), weight

    def _read(self, y: Any) -> Array:
        return read_soft_labels(check_target(y, several_columns=True))

    def groups(self, y: Any, weight: Array) -> tuple[Array, Array, Array, Array | None]:
        """Return that all rows are one group, the rows' weights, and the weight of each class."""
        target, weighted = weighted_rows(self.per_class, self._read(y), weight)
        weight = weight if weighted is None else weighted
        return np.zeros(1), np.zeros(len(target), dtype=np.intp), weight, weight @ target


@dataclass(frozen=True)
class RealReader:
    """Reads a partition's outcomes in the domain of a likelihood."""

    likelihood: Likelihood

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, and the rows' weights."""
        return self.likelihood.check_target(check_target(y, warn=False)), weight

    def groups(self, y: Any, weight: Array) -> tuple[Array, Array, Array, Array | None]:
        """Return that all rows, once they have been found to be in the domain, are one group, and their weights."""
        y, _ = self(y, None)
        refuse_wrong_answers(self.likelihood, y)
        return np.zeros(1), np.zeros(len(y), dtype=np.intp), weight, None


TargetReader = LabelReader | ProbabilityReader | RealReader


def _read_partition(
    target: TargetReader, width: int, y: Any, X: Any = None, sample_weight: Any = None, offset: Any = None
) -> tuple[Any, Array, Array | None, Array | None]:
    """Return X, y, weights and offset of a partition, which was found valid; ``width`` is the offset's."""
    n = len(y)
    y, weight = target(y, check_sample_weight(sample_weight, n, some_positive=False))
    offset = check_offset(offset_of_present(offset, weight), (n,) if width == 1 else (n, width))
    X = None if X is None else _read_features(X)
    return X, y, weight, None if offset is None else np.atleast_2d(offset.T)


@dataclass(frozen=True)
class PartitionStats:
    """What is learned of a partition, its rows in groups (by label, where there are labels).

    Attributes
    ----------
    number, n_rows, n_entries : int
        Of the partition among the caller's; the last of X, where it was read.
    labels : ndarray
        One per group.
    counts, weights, least, largest : ndarray, one entry per group
        The number of rows of positive weight; the sum, the least and the largest of their weights.
    mass : ndarray of shape (K,) or None
        The weight of each class, of class probabilities.
    """

    number: int
    n_rows: int
    n_entries: int
    labels: Array
    counts: Array
    weights: Array
    least: Array
    largest: Array
    mass: Array | None


def _statistics(
    target: TargetReader, number: int, y: Any, X: Any = None, sample_weight: Any = None, offset: Any = None
) -> PartitionStats:
    """Check a partition, and return what the client must know of it."""
    n = len(y)
    weight = check_sample_weight(sample_weight, n, some_positive=False)
    check_offset(offset_of_present(offset, weight), (n, *np.shape(offset)[1:]))
    with argument_name("y"):
        labels, group, w, mass = target.groups(y, np.ones(n) if weight is None else weight)
    present, k = w > 0, len(labels)
    least, largest = np.full(k, np.inf), np.zeros(k)
    np.minimum.at(least, group[present], w[present])
    np.maximum.at(largest, group[present], w[present])
    counts, weights = np.bincount(group[present], minlength=k), np.bincount(group, w, minlength=k)
    return PartitionStats(number, n, X.nnz if sp.issparse(X) else 0, labels, counts, weights, least, largest, mass)


class Survey:
    """The partitions of a fit and what one pass over them has told.

    Parameters
    ----------
    target : LabelReader, ProbabilityReader or RealReader
    X, y, sample_weight, offset
        As fit was given them; one at least is of Dask.

    Raises
    ------
    ValueError
        If a partition is not valid, argument_name the argument, the partition and its rows.
    """

    def __init__(self, target: TargetReader, X: Any, y: Any, sample_weight: Any, offset: Any) -> None:
        if np.ndim(y) == 0:
            raise ValueError(f"y must have one entry per row of X; got {y!r}.")
        self.partitions = Partitions.of(X=X, y=y, sample_weight=sample_weight, offset=offset)
        self.n_columns = int(self.partitions.rows["X"].shape[1])
        self.has_offset = offset is not None
        self.sparse = sp.issparse(self.partitions.rows["X"]._meta)
        self.passes = PassCounter()
        reads_X = self.sparse or self.partitions.places[0, 1] < 0
        self.passes.count += int(reads_X)
        self.stats = self._look(target, self.partitions if reads_X else self.partitions.without_X)
        self.n_entries = sum(one.n_entries for one in self.stats)

    def _look(self, target: TargetReader, partitions: Partitions) -> list[PartitionStats]:
        found = partitions.collect(partial(_statistics, target), "mle-survey", own=range(partitions.n_all))
        if not found:
            raise ValueError("X has no rows: all of its partitions are empty (0 sample(s)).")
        if not any(one.weights.any() for one in found):
            raise ValueError(
                "sample_weight is zero on every row, so no row is left to fit. Sample weights must contain at "
                "least one non-zero number."
            )
        return found

    @property
    def labels(self) -> Array:
        """All labels of all partitions, sorted."""
        kinds = {"number" if one.labels.dtype.kind in "biuf" else "other" for one in self.stats}
        try:
            if len(kinds) == 1:
                return np.unique(np.concatenate([one.labels for one in self.stats]))
        except TypeError:
            pass
        raise ValueError(
            "y must hold class labels of one kind that can be sorted, in all of its partitions. Drop rows without a "
            "label (None, NaN), or convert the labels to strings."
        )

    @property
    def mass(self) -> Array:
        """The weight of each class of class probabilities."""
        return np.sum([one.mass for one in self.stats if one.mass is not None], axis=0)

    def per_label(self, name: str, labels: Array, absent: float = 0.0) -> Array:
        """Return a number of every partition's groups, shape (n_partitions, K), by label."""
        out = np.full((len(self.stats), len(labels)), absent)
        for row, one in zip(out, self.stats, strict=True):
            row[np.searchsorted(labels, one.labels)] = getattr(one, name)
        return out

    def rows(self, target: TargetReader, n_predictors: int, labels: Array | None = None) -> RawRows:
        """Return the rows of positive weight as data of a fit; ``labels`` are the classes of hard labels."""
        by = np.zeros(1) if labels is None else labels
        factor = np.ones(len(by))
        if isinstance(target, LabelReader) and target.per_class is not None:
            factor = target.per_class
        seen = factor > 0
        counts = (self.per_label("counts", by) * seen).astype(np.intp)
        weights = self.per_label("weights", by) * factor
        largest = float((self.per_label("largest", by) * factor).max())
        least = float((self.per_label("least", by, np.inf)[:, seen] * factor[seen]).min())
        n_present, total, weighted = int(counts.sum()), float(weights.sum()), least < largest
        mean = total / largest / n_present
        scaled = weights / largest / mean if weighted else counts.astype(np.float64)
        own = counts.any(axis=1)
        numbers, lengths = np.array([(one.number, one.n_rows) for one in self.stats]).T
        n_rows, wanted = np.zeros((2, self.partitions.n_all), dtype=np.intp)
        n_rows[numbers], wanted[numbers] = lengths, own
        census = Census(
            counts[own].sum(axis=1),
            scaled[own].sum(axis=1),
            least_weight=least / largest / mean if weighted else 1.0,
            class_counts=None if labels is None else counts[own],
            class_weights=None if labels is None else scaled[own],
            entries_per_row=self.n_entries / int(lengths.sum()) if self.sparse else None,
        )
        classes = not isinstance(target, RealReader)
        several = (n_predictors,) if isinstance(target, ProbabilityReader) and n_predictors > 1 else ()
        codes = isinstance(target, LabelReader) and n_predictors > 1
        width = n_predictors if classes else 1
        reading = Reading(
            partial(_read_partition, target, width),
            largest=largest,
            mean=mean,
            weighted=weighted,
            n_predictors=n_predictors,
            block_rows=rows_of_block(n_present, self.n_columns, n_predictors),
        )
        data = DistributedData(
            self.partitions.known(n_rows, wanted.astype(bool)),
            reading,
            census,
            self.n_columns,
            no_rows=(
                np.zeros((*several, 0), dtype=np.intp if codes else np.float64),
                np.zeros((width, 0)) if self.has_offset else None,
            ),
            passes=self.passes,
        )
        return RawRows(data, mean * largest, total)

    def again(self, target: TargetReader) -> "Survey":
        """Return what another pass tells, with weights of classes applied to class probabilities."""
        other = copy.copy(self)
        other.stats = self._look(target, self.partitions.without_X)
        return other
