"""What an estimator hands to the fit: rows in memory or in storage, or those that Dask keeps.

Dask's are read, checked and counted partition by partition, without coming here. One pass over y, the weights and the
offset learns what the client must know: how many rows each partition has, which classes there are, what the weights add
up to. X is read in it only where the lengths of its partitions are not known, or where it is sparse.
"""

import copy
import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_mle._fit import FitResult, NotFiniteError, RawRows, fit, fit_rows
from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.offsets import offset_of_present
from sklearn_mle._numerics.partitions import Partitions, one_row_like
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._rows.data import PassCounter, rows_of_block
from sklearn_mle._rows.distributed import Census, DistributedData
from sklearn_mle._rows.partition import Reading
from sklearn_mle.estimators._labels import (
    as_likelihoods_read,
    encode_labels,
    is_soft,
    read_known_classes,
    read_soft_labels,
    weighted_rows,
)
from sklearn_mle.estimators._validation import (
    MATRIX,
    canonical,
    check_offset,
    check_offsets,
    check_sample_weight,
    check_target,
    n_offsets_of,
    refuse_no_columns,
    refuse_not_finite,
    validate_training,
)
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.at_estimate import AtEstimate, with_dispersion
from sklearn_mle.inference.capabilities import refuse_words
from sklearn_mle.inference.covariance import Request, covariance_of
from sklearn_mle.inference.model import Fitted, FittedModel, ReadData, divide_dispersion, know_precisions
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._answers import refuse_wrong_answers

Array = NDArray[Any]


@dataclass(frozen=True)
class TrainingData:
    """Validated training data.

    Attributes
    ----------
    fitted : Fitted
        What is to be fitted to them; it retains nothing yet.
    rows : ReadData or RawRows
        In memory or in storage; or in Dask's partitions. Their weights include those of classes.
    attributes : dict
        Fitted attributes that are known before solving.
    """

    fitted: Fitted
    rows: ReadData | RawRows
    attributes: dict[str, Any]

    @property
    def n_rows(self) -> int:
        """How many rows have a positive weight."""
        return self.rows.data.n_rows if isinstance(self.rows, RawRows) else int(self.rows.n_obs("precision"))

    def fit(self, estimator: Any, **how: Any) -> FitResult:
        """Fit the likelihood; ``how`` is as in ``fit_rows``."""
        classes = self.attributes.get("classes_")
        how["feature_names"] = self.attributes.get("feature_names_in_")
        how["class_names"] = None if classes is None else classes.tolist()
        likelihood, rows = self.fitted.likelihood, self.rows
        if isinstance(rows, RawRows):
            return fit_rows(likelihood, rows, **how)
        try:
            return fit(likelihood, rows.X, rows.y, sample_weight=rows.sample_weight, offset=rows.offset, **how)
        except NotFiniteError:
            refuse_not_finite(estimator, rows.X)
            raise

    def precisions(self, name: str, weighted: bool) -> Array | None:
        """Return the weights where they divide the dispersion of their rows; None where they mean something else.

        Raises
        ------
        NotSupportedError
            Where the likelihood of the estimator of this name knows no precisions.
        """
        likelihood = self.fitted.likelihood
        if self.fitted.weight_type != "precision":
            return None
        words = {"fit", "weight_type='precision'"}
        if not know_precisions(likelihood, self.fitted.terms):
            words.add("no precisions")
        refuse_words(words, name, repr(likelihood))
        if not (weighted and divide_dispersion(likelihood)):
            return None
        if isinstance(self.rows, RawRows):
            raise NotSupportedError(
                f"weight_type='precision' of {likelihood!r} needs the rows in memory for its scale, but some of "
                "X, y, sample_weight and offset come from Dask. Compute them, or use weight_type='frequency'."
            )
        return self.rows.sample_weight

    def with_precisions(self, name: str, result: FitResult) -> FitResult:
        """Return the result of a fit in which weights counted copies with the dispersion that they divide."""
        if not np.isfinite(result.log_likelihood):
            return result
        data = self.rows
        assert isinstance(data, ReadData)
        counted = replace(self.fitted, weight_type="frequency")
        features = tuple(str(j) for j in range(data.X.shape[1]))
        model = FittedModel(**vars(counted), name=name, coefficients=result.coefficients, features=features)
        with single_threaded_blas, np.errstate(all="ignore"):
            precise = with_dispersion(model, data, "precision")
            at = AtEstimate.of(precise, data)
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


def _read_features(X: Any) -> Any:
    """Return a partition's X as float64 or float32, dense or CSR; its finiteness is seen to by the moments."""
    with argument_name("X"):
        return canonical(check_array(X, **MATRIX, ensure_all_finite=False, ensure_min_samples=0, ensure_min_features=0))


@dataclass(frozen=True)
class ClassReader:
    """Reads a partition's class labels, as codes once the classes are known, or class probabilities."""

    classes: Array | None = None
    per_class: Array | None = None

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, rows last, and the rows' weights."""
        assert self.classes is not None
        target, weight = weighted_rows(self.per_class, read_known_classes(y, self.classes), weight)
        return as_likelihoods_read(target, len(self.classes)).T, weight

    def check_offset(self, offset: Any, weight: Array | None, n: int, width: int) -> Array | None:
        """Return a partition's offset, shape (n,) or (n, K); ``width`` is one or K."""
        return check_offset(offset_of_present(offset, weight), (n,) if width == 1 else (n, width))

    def groups(self, y: Any, weight: Array) -> tuple[Array, Array, Array, Array | None]:
        """Return the labels of a partition, the number of each row's, the rows' weights, and the mass of each class.

        Rows of class probabilities are one group; labels tell the mass by themselves.
        """
        if not is_soft(y):
            return *encode_labels(check_target(y, warn=False)), weight, None
        probabilities = read_soft_labels(check_target(y, several_columns=True))
        target, weighted = weighted_rows(self.per_class, probabilities, weight)
        assert weighted is not None
        return np.zeros(1), np.zeros(len(target), dtype=np.intp), weighted, weighted @ target


@dataclass(frozen=True)
class RealReader:
    """Reads a partition's outcomes in the domain of a likelihood."""

    likelihood: Likelihood

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, and the rows' weights."""
        return self.likelihood.check_target(check_target(y, warn=False)), weight

    def check_offset(self, offset: Any, weight: Array | None, n: int, width: int) -> Array | None:
        """Return a partition's offset, shape (n,) or (n, q)."""
        return check_offsets(offset, weight, n, self.likelihood)

    def groups(self, y: Any, weight: Array) -> tuple[Array, Array, Array, Array | None]:
        """Return that all rows, once they have been found to be in the domain, are one group, and their weights."""
        y, _ = self(y, None)
        refuse_wrong_answers(self.likelihood, y)
        return np.zeros(1), np.zeros(len(y), dtype=np.intp), weight, None


TargetReader = ClassReader | RealReader


def _read_partition(
    target: TargetReader, width: int, y: Any, X: Any = None, sample_weight: Any = None, offset: Any = None
) -> tuple[Any, Array, Array | None, Array | None]:
    """Return X, y, weights and offset of a partition, which was found valid; ``width`` is the offset's."""
    n = len(y)
    y, weight = target(y, check_sample_weight(sample_weight, n, some_positive=False))
    offset = target.check_offset(offset, weight, n, width)
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
    target.check_offset(offset, weight, n, np.shape(offset)[-1] if np.ndim(offset) == 2 else 1)
    with argument_name("y"):
        labels, group, w, mass = target.groups(y, np.ones(n) if weight is None else weight)
    present, k = w > 0, len(labels)
    least, largest = np.full(k, np.inf), np.zeros(k)
    np.minimum.at(least, group[present], w[present])
    np.maximum.at(largest, group[present], w[present])
    counts, weights = np.bincount(group[present], minlength=k), np.bincount(group, w, minlength=k)
    return PartitionStats(number, n, X.nnz if sp.issparse(X) else 0, labels, counts, weights, least, largest, mass)


class PartitionedRows:
    """The partitions of a fit and what one pass over them has told.

    Parameters
    ----------
    target : ClassReader or RealReader
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

    def mass(self, classes: Array) -> Array:
        """Return the weight of each class."""
        of_soft = [one.mass for one in self.stats if one.mass is not None]
        return np.sum(of_soft, axis=0) if of_soft else self.per_label("weights", classes).sum(axis=0)

    def per_label(self, name: str, labels: Array, absent: float = 0.0) -> Array:
        """Return a number of every partition's groups, shape (n_partitions, K), by label."""
        out = np.full((len(self.stats), len(labels)), absent)
        for row, one in zip(out, self.stats, strict=True):
            row[np.searchsorted(labels, one.labels)] = getattr(one, name)
        return out

    def rows(self, target: TargetReader, n_predictors: int, labels: Array | None = None) -> RawRows:
        """Return the rows of positive weight as data of a fit; ``labels`` are the classes of hard labels."""
        by = np.zeros(1) if labels is None else labels
        of_classes = isinstance(target, ClassReader)
        factor = np.ones(len(by))
        if isinstance(target, ClassReader) and labels is not None and target.per_class is not None:
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
        width = n_predictors if of_classes else 1
        n_offsets = width if isinstance(target, ClassReader) else n_offsets_of(self.offset, target.likelihood)
        # Several classes: codes (n,), or probabilities (K, n).
        no_rows = np.zeros(0) if width == 1 else np.zeros((width, 0)) if labels is None else np.zeros(0, dtype=np.intp)
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
            no_rows=(no_rows, None if self.offset is None else np.zeros((n_offsets, 0))),
            passes=self.passes,
        )
        return RawRows(data, mean * largest, total)

    def again(self, target: TargetReader) -> "PartitionedRows":
        """Return what another pass tells, with weights of classes applied to class probabilities."""
        other = copy.copy(self)
        other.stats = self._look(target, self.partitions.without_X)
        return other
