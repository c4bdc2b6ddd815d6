"""The validated data of a fit: rows in memory or in storage, or those that Dask keeps.

Dask's rows are read, checked and counted partition by partition, and stay where they are. One pass over y, the weights
and the offset collects what the client needs: the number of rows in each partition, the classes, and the sums of the
weights. It reads X only where the lengths of the partitions are not known, or where X is sparse.
"""

import copy
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import assert_all_finite, check_array

from sklearn_mle._fit import FitResult, RawRows, read_fit
from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.partitions import Partitions, one_row_like
from sklearn_mle._numerics.stored import StoredArray
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._rows.data import PassCounter, rows_of_block
from sklearn_mle._rows.distributed import Census, DistributedData
from sklearn_mle._rows.partition import Reading
from sklearn_mle.estimators._labels import ClassReader, codes_of
from sklearn_mle.estimators._validation import (
    MATRIX,
    RealReader,
    canonical,
    check_sample_weight,
    n_offsets_of,
    refuse_no_columns,
    validate_training,
)
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.at_estimate import AtEstimate, with_dispersion
from sklearn_mle.inference.capabilities import refuse_words
from sklearn_mle.inference.covariance import Request, covariance_of
from sklearn_mle.inference.model import Fitted, FittedModel, ReadData, know_precisions


@dataclass(frozen=True)
class TrainingData:
    """Validated training data.

    Attributes
    ----------
    name : str
        The class of the estimator, for errors.
    fitted : Fitted
        What is to be fitted to them; it retains nothing yet.
    rows : ReadData or RawRows
        In memory or in storage; or in Dask's partitions. Their weights include those of classes.
    attributes : dict
        Fitted attributes that are known before solving.
    """

    name: str
    fitted: Fitted
    rows: ReadData | RawRows
    attributes: dict[str, Any]

    @property
    def n_rows(self) -> float:
        """How many rows have a positive weight."""
        return self.rows.data.n_rows if isinstance(self.rows, RawRows) else self.rows.n_obs("sampling")

    @property
    def raw(self) -> RawRows:
        """The rows as the fit reads them, in any storage."""
        rows = self.rows
        if isinstance(rows, RawRows):
            return rows
        return read_fit(self.fitted.likelihood, rows.X, rows.y, rows.sample_weight, rows.offset)

    @property
    def names(self) -> dict[str, Any]:
        """What columns and classes are called in the fit's warnings."""
        classes = self.attributes.get("classes_")
        return {
            "feature_names": self.attributes.get("feature_names_in_"),
            "class_names": None if classes is None else classes.tolist(),
        }

    def refuse_not_finite(self) -> None:
        """Raise the ValueError, in scikit-learn's words, of an X in memory with entries that are not finite."""
        if isinstance(self.rows, ReadData) and not isinstance(self.rows.X, StoredArray):
            assert_all_finite(self.rows.X, estimator_name=self.name, input_name="X")

    def refuse_precisions(self, weighted: bool) -> None:
        """Raise NotSupportedError where weights are to be precisions, but the likelihood or the rows have none."""
        likelihood = self.fitted.likelihood
        if self.fitted.weight_type != "precision":
            return
        words = {"fit", "weight_type='precision'"}
        if not know_precisions(likelihood, self.fitted.terms):
            words.add("no precisions")
        refuse_words(words, self.name, repr(likelihood))
        if weighted and self.fitted.weights_divide_dispersion and isinstance(self.rows, RawRows):
            raise NotSupportedError(
                f"weight_type='precision' of {likelihood!r} needs the rows in memory for its scale, but some of "
                "X, y, sample_weight and offset come from Dask. Compute them, or use weight_type='frequency'."
            )

    @property
    def precise_rows(self) -> ReadData | None:
        """The rows where their weights divide a dispersion; None where weights mean something else."""
        rows, precise = self.rows, self.fitted.weight_type == "precision" and self.fitted.weights_divide_dispersion
        return rows if precise and isinstance(rows, ReadData) and rows.sample_weight is not None else None

    @property
    def nats_of_copies(self) -> float:
        """How many nats of the fit, in which weights count copies, one is where they divide a dispersion."""
        rows, index = self.precise_rows, self.fitted.likelihood.dispersion_index
        if rows is None or index is None or not self.fitted.terms[index].intercept:
            return 1.0
        weight = np.asarray(rows.sample_weight)
        return float(weight[weight > 0].mean())

    def as_shown(self, coefficients: Array) -> Array:
        """Return coefficients of the solver with the dispersion that the weights divide, if they do."""
        rows = self.precise_rows
        return coefficients if rows is None else self._precise(rows, coefficients)[1].coefficients

    def _precise(self, rows: ReadData, coefficients: Array) -> tuple[FittedModel, FittedModel]:
        """Return models of the coefficients, with the dispersion of copies and with that which weights divide."""
        counted = replace(self.fitted, weight_type="frequency")
        features = tuple(str(j) for j in range(rows.X.shape[1]))
        model = FittedModel(**vars(counted), name=self.name, coefficients=coefficients, features=features)
        with single_threaded_blas, np.errstate(all="ignore"):
            return model, with_dispersion(model, rows, "precision")

    def result(self, result: FitResult) -> FitResult:
        """Return what a fit in which weights count copies found, with what the weights mean."""
        if self.fitted.weight_type == "frequency":
            return result
        rows, result = self.precise_rows, replace(result, n_obs=float(self.n_rows))
        if rows is None or not np.isfinite(result.log_likelihood):
            return result
        model, precise = self._precise(rows, result.coefficients)
        with single_threaded_blas, np.errstate(all="ignore"):
            at = AtEstimate.of(precise, rows)
            log_likelihood = at.log_likelihood
            curvature = None
            if result.curvature is not None:
                curvature = covariance_of(at, Request("hessian"))[0]
        estimated = model.terms[model.dispersion_index].intercept
        change = precise.log_dispersion - model.log_dispersion
        return replace(
            result,
            coefficients=precise.coefficients,
            dispersion=math.exp(precise.log_dispersion) if estimated else result.dispersion,
            log_likelihood=log_likelihood,
            # What the location lacks is proportional to the reciprocal of the dispersion.
            gap=result.gap * math.exp(-model.likelihood.variance_power * change),
            curvature=curvature,
        )


def features_of(estimator: Any, X: Any, offset: Any) -> dict[str, Any]:
    """Return ``n_features_in_`` and, where X has names, ``feature_names_in_``, as a fit in memory learns them."""
    refuse_no_columns(estimator, X, offset)
    return validate_training(estimator, one_row_like(X), offset)[1]


TargetReader = ClassReader | RealReader


def _read_partition(
    target: TargetReader, y: Any, X: Any = None, sample_weight: Any = None, offset: Any = None
) -> tuple[Any, Array, Array | None, Array | None]:
    """Return X, y, weights and offset of a partition, which was found valid."""
    n = len(y)
    y, weight = target(y, check_sample_weight(sample_weight, n, some_positive=False))
    offset = target.check_offset(offset, weight, n)
    if X is not None:
        with argument_name("X"):  # the pass for the moments finds entries that are not finite
            X = check_array(X, **MATRIX, ensure_all_finite=False, ensure_min_samples=0, ensure_min_features=0)
        X = canonical(X)
    return X, y, weight, None if offset is None else np.atleast_2d(offset.T)


@dataclass(frozen=True)
class PartitionStats:
    """What is learned of a partition, its rows in groups (by label, where there are labels)."""

    # Its number among the caller's partitions, its numbers of rows and of entries of X (where that was read).
    number: int
    n_rows: int
    n_entries: int
    # One per group.
    labels: Array
    # Of each group the number of rows of positive weight; the sum, the least and the largest of their weights: (4, k).
    table: Array
    # The weight of each class, of class probabilities.
    mass: Array | None


def _statistics(
    target: TargetReader, number: int, y: Any, X: Any = None, sample_weight: Any = None, offset: Any = None
) -> PartitionStats:
    """Check a partition, and return what the client must know of it."""
    n = len(y)
    weight = check_sample_weight(sample_weight, n, some_positive=False)
    target.check_offset(offset, weight, n)
    with argument_name("y"):
        labels, group, w, mass = target.groups(y, np.ones(n) if weight is None else weight)
    present, k = w > 0, len(labels)
    table = np.full((4, k), [[0.0], [0.0], [np.inf], [0.0]])
    table[:2] = np.bincount(group[present], minlength=k), np.bincount(group, w, minlength=k)
    np.minimum.at(table[2], group[present], w[present])
    np.maximum.at(table[3], group[present], w[present])
    return PartitionStats(number, n, X.nnz if sp.issparse(X) else 0, labels, table, mass)


class PartitionedRows:
    """The partitions of a fit and what one pass over them has found.

    X, y, sample_weight and offset are as fit was given them; at least one is Dask's. ValueError is raised where a
    partition is not valid, and names the argument, the partition and its rows.
    """

    def __init__(self, target: TargetReader, X: Any, y: Any, sample_weight: Any, offset: Any) -> None:
        if np.ndim(y) == 0:
            raise ValueError(f"y must have one entry per row of X; got {y!r}.")
        self.partitions = Partitions.of(X=X, y=y, sample_weight=sample_weight, offset=offset)
        self.n_columns = int(self.partitions.rows["X"].shape[1])
        self.offset = offset
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
        check_sample_weight(np.array([one.table[1].sum() for one in found]), len(found))
        return found

    @property
    def labels(self) -> Array:
        """All labels of all partitions, sorted."""
        kinds = {"number" if one.labels.dtype.kind in "biuf" else "other" for one in self.stats}
        with suppress(TypeError):
            if len(kinds) == 1:
                return np.unique(np.concatenate([one.labels for one in self.stats]))
        raise ValueError(
            "y must hold class labels of one kind that can be sorted, in all of its partitions. Drop rows without a "
            "label (None, NaN), or convert the labels to strings."
        )

    def mass(self, classes: Array) -> Array:
        """Return the weight of each class."""
        of_soft = [one.mass for one in self.stats if one.mass is not None]
        return np.sum(of_soft, axis=0) if of_soft else self.tables(classes)[1].sum(axis=0)

    def tables(self, labels: Array) -> Array:
        """Return every partition's table by label, shape (4, n_partitions, K)."""
        out = np.zeros((4, len(self.stats), len(labels)))
        out[2] = np.inf
        for k, one in enumerate(self.stats):
            out[:, k, codes_of(one.labels, labels)] = one.table
        return out

    def rows(self, target: TargetReader, n_predictors: int, labels: Array | None = None) -> RawRows:
        """Return the rows of positive weight as data of a fit; ``labels`` are the classes of hard labels."""
        by = np.zeros(1) if labels is None else labels
        factor = np.ones(len(by)) if labels is None or target.per_class is None else target.per_class
        seen = factor > 0
        counts, weights, leasts, largests = self.tables(by)
        counts, weights = (counts * seen).astype(np.intp), weights * factor
        least, largest = float((leasts[:, seen] * factor[seen]).min()), float((largests * factor).max())
        n_present, total, weighted = int(counts.sum()), float(weights.sum()), least < largest
        mean = total / largest / n_present
        scaled = weights / largest / mean if weighted else counts.astype(np.float64)
        own = counts.any(axis=1)
        numbers, lengths = np.array([(one.number, one.n_rows) for one in self.stats]).T
        n_rows, wanted = np.zeros((2, self.partitions.n_all), dtype=np.intp)
        n_rows[numbers], wanted[numbers] = lengths, own
        least_weight = least / largest / mean if weighted else 1.0
        class_counts, class_weights = (None, None) if labels is None else (counts[own], scaled[own])
        entries = self.n_entries / int(lengths.sum()) if self.sparse else None
        sums = counts[own].sum(axis=1), scaled[own].sum(axis=1)
        census = Census(*sums, least_weight, class_counts, class_weights, entries)
        width = n_offsets = n_predictors
        if isinstance(target, RealReader):
            width, n_offsets = 1, n_offsets_of(self.offset, target.likelihood)
        # Several classes: codes (n,), or probabilities (K, n).
        no_rows = np.zeros(0) if width == 1 else np.zeros((width, 0)) if labels is None else np.zeros(0, dtype=np.intp)
        block_rows = rows_of_block(n_present, self.n_columns, n_predictors)
        reading = Reading(partial(_read_partition, target), largest, mean, weighted, n_predictors, block_rows)
        partitions = self.partitions.known(n_rows, wanted.astype(bool))
        empty = no_rows, None if self.offset is None else np.zeros((n_offsets, 0))
        data = DistributedData(partitions, reading, census, self.n_columns, no_rows=empty, passes=self.passes)
        return RawRows(data, mean * largest, total)

    def again(self, target: TargetReader) -> "PartitionedRows":
        """Return the result of another pass, with weights of classes applied to class probabilities."""
        other = copy.copy(self)
        other.stats = self._look(target, self.partitions.without_X)
        return other
