"""Fits whose weights do not count copies of rows: their dispersion, number of observations and log-likelihood."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_mle._fit import FitOptions, FitResult
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._predictors import Terms
from sklearn_mle.estimators._training_data import DistributedTrainingData, TrainingData
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.at_estimate import AtEstimate, with_dispersion
from sklearn_mle.inference.capabilities import refuse_words
from sklearn_mle.inference.covariance import Request, covariance_of
from sklearn_mle.inference.model import Fitted, FittedModel, ReadData, divide_dispersion, know_precisions

__all__ = ["MeaningOfWeights"]


@dataclass(frozen=True)
class MeaningOfWeights:
    """The meaning of a fit's weights, which turns a result in which they counted copies into the one that was asked."""

    name: str  # of the estimator's class
    fitted: Fitted
    data: Any  # TrainingData or DistributedTrainingData
    dispersed: bool  # whether they divide the dispersion of a row

    @classmethod
    def of(
        cls, name: str, fitted: Fitted, data: TrainingData | DistributedTrainingData, weighted: bool
    ) -> "MeaningOfWeights":
        """Return the meaning of the weights; raise NotSupportedError where the likelihood knows no such weights."""
        if fitted.weight_type == "precision":
            words = {"fit", "weight_type='precision'"}
            if not know_precisions(fitted.likelihood, fitted.terms):
                words.add("no precisions")
            refuse_words(words, name, repr(fitted.likelihood))
        dispersed = weighted and fitted.weight_type == "precision" and divide_dispersion(fitted.likelihood)
        if dispersed and isinstance(data, DistributedTrainingData):
            raise NotSupportedError(
                f"weight_type='precision' of {fitted.likelihood!r} needs the rows in memory for its scale, but some of "
                "X, y, sample_weight and offset come from Dask. Compute them, or use weight_type='frequency'."
            )
        return cls(name, fitted, data, dispersed)

    def options(self, options: FitOptions) -> FitOptions:
        """Return the options of the fit with copies; its nats have another scale where the dispersion is estimated."""
        if not (self.dispersed and self._term.intercept):
            return options
        weight = self.data.sample_weight
        return replace(options, tol=options.tol * float(weight[weight > 0].mean()))

    @property
    def _term(self) -> Terms:
        """Those of the dispersion."""
        index = self.fitted.likelihood.dispersion_index
        assert index is not None
        return self.fitted.terms[index]

    def apply(self, result: FitResult) -> FitResult:
        """Return the result that goes with the meaning of the weights."""
        if self.fitted.weight_type == "frequency":
            return result
        result = replace(result, n_obs=float(self.data.n_rows))
        return self._dispersed(result) if self.dispersed and np.isfinite(result.log_likelihood) else result

    def _dispersed(self, result: FitResult) -> FitResult:
        fitted, data = self.fitted, self.data
        counted = replace(fitted, weight_type="frequency")
        names = tuple(str(j) for j in range(data.X.shape[1]))
        model = FittedModel(**vars(counted), name=self.name, coefficients=result.coefficients, features=names)
        read = ReadData(data.X, data.y, data.sample_weight, None, data.offset)
        with single_threaded_blas, np.errstate(all="ignore"):
            model = with_dispersion(model, read, "precision")
            at = AtEstimate.of(model, read)
            log_likelihood = at.log_likelihood
            curvature = None
            if result.curvature is not None:
                curvature = covariance_of(at, Request("hessian"))[0]
        change = model.log_dispersion - float(result.coefficients[model.dispersion_index, -1])
        return replace(
            result,
            coefficients=model.coefficients,
            scale=math.exp(model.log_dispersion) if self._term.intercept else result.scale,
            log_likelihood=log_likelihood,
            # What the location lacks is proportional to the reciprocal of the dispersion.
            gap=result.gap * math.exp(-fitted.likelihood.variance_power * change),
            curvature=curvature,
        )
