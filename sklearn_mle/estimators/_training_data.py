"""What an estimator hands to the fit, and what becomes of the result where weights do not count copies of rows."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit import FitResult, NotFiniteError, RawRows, fit, fit_rows
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle.estimators._validation import refuse_not_finite
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.at_estimate import AtEstimate, with_dispersion
from sklearn_mle.inference.capabilities import refuse_words
from sklearn_mle.inference.covariance import Request, covariance_of
from sklearn_mle.inference.model import Fitted, FittedModel, ReadData, divide_dispersion, know_precisions

__all__ = ["TrainingData"]

Array = NDArray[np.float64]


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
