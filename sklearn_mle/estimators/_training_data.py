"""What an estimator hands to the fit: validated data, in memory or in Dask's partitions, and who fits them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit import FitOptions, FitResult, NotFiniteError, RawRows, fit, fit_rows
from sklearn_mle.estimators._validation import refuse_not_finite
from sklearn_mle.likelihoods import Likelihood

__all__ = ["DistributedTrainingData", "Observer", "TrainingData"]

Array = NDArray[np.float64]
Observer = Callable[[int, Array], bool | None]


@dataclass(frozen=True)
class TrainingData:
    """What an estimator hands to the fit.

    Attributes
    ----------
    likelihood : Likelihood
    X : ndarray or CSR of shape (n, p)
    y : ndarray
        As the likelihood reads it.
    sample_weight : ndarray of shape (n,) or None
        Class weights included.
    offset : ndarray or None
    attributes : dict
        Fitted attributes that are known before solving.
    class_names : sequence of labels or None
    class_weights : ndarray of shape (n_classes,) or None
        What class weights are, one a class.
    """

    likelihood: Likelihood
    X: Any
    y: NDArray[Any]
    sample_weight: Array | None
    offset: Array | None
    attributes: dict[str, Any]
    class_names: Sequence[Any] | None = None
    class_weights: Array | None = None

    @property
    def n_rows(self) -> int:
        """How many rows have a positive weight."""
        return len(self.y) if self.sample_weight is None else int(np.count_nonzero(self.sample_weight))

    def fit(self, estimator: Any, options: FitOptions, start: Array | None, observer: Observer | None) -> FitResult:
        """Fit the likelihood."""
        try:
            return fit(
                self.likelihood,
                self.X,
                self.y,
                sample_weight=self.sample_weight,
                offset=self.offset,
                options=options,
                start=start,
                observer=observer,
                feature_names=self.attributes.get("feature_names_in_"),
                class_names=self.class_names,
            )
        except NotFiniteError:
            refuse_not_finite(estimator, self.X)
            raise


@dataclass(frozen=True)
class DistributedTrainingData:
    """What an estimator hands to the fit of rows that Dask keeps.

    Attributes
    ----------
    likelihood, attributes, class_names, class_weights
        As in TrainingData.
    rows : RawRows
    """

    likelihood: Likelihood
    rows: RawRows
    attributes: dict[str, Any]
    class_names: Sequence[Any] | None = None
    class_weights: Array | None = None

    @property
    def n_rows(self) -> int:
        """How many rows have a positive weight."""
        return self.rows.data.n_rows

    def fit(self, estimator: Any, options: FitOptions, start: Array | None, observer: Observer | None) -> FitResult:
        """Fit the likelihood."""
        return fit_rows(
            self.likelihood,
            self.rows,
            options=options,
            start=start,
            observer=observer,
            feature_names=self.attributes.get("feature_names_in_"),
            class_names=self.class_names,
        )
