"""What is learnt from out-of-fold predictions: the model of the scale, the likelihood, and whether it is calibrated."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arguments import listed
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.exceptions import OutOfFoldWarning, PITWarning
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.meta_estimators._choice import NewRows
from sklearn_mle.meta_estimators._noise import Noise, fit_noise, resolution_of
from sklearn_mle.meta_estimators._recalibration import PITMap, miscalibration
from sklearn_mle.meta_estimators._scale_model import ScaleModel, fit_scale
from sklearn_mle.model_selection import Comparison
from sklearn_mle.model_selection._arguments import Fold

_MOST_NAMED = 5
# Central intervals whose coverage is wrong by 5 percentage points, or quantiles by 10, are worth a warning.
_WRONG_COVERAGE, _WRONG_LEVEL = 0.05, 0.1


def real_prediction(model: Any, X: Any, rows: NDArray[np.intp]) -> Array:
    """Return a model's predictions as finite numbers, shape (n,); ``rows`` are their numbers, for errors."""
    values = model.predict(X)
    try:
        prediction = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"estimator: its predictions must be real numbers; got {np.asarray(values)[:3]!r}.") from error
    if prediction.ndim == 2 and prediction.shape[1] == 1:
        prediction = prediction[:, 0]
    if prediction.shape != rows.shape:
        raise ValueError(
            f"estimator: predict must give one number per row, shape ({len(rows)},); got {prediction.shape}."
        )
    bad = rows[~np.isfinite(prediction)]
    if len(bad):
        named = listed([str(row) for row in bad[:_MOST_NAMED]], len(bad))
        raise ValueError(f"estimator: its predictions are NaN or infinite in rows {named}.")
    return prediction


@dataclass(frozen=True)
class Learnt:
    """What the errors of new rows look like."""

    noise: Noise
    scale: ScaleModel | None
    comparison: Comparison | None
    pit_map: PITMap | None


@dataclass(frozen=True)
class OutOfFold:
    """Outcomes (n,) and their out-of-fold predictions, nan where there are none, with all that is learnt from them."""

    X: Any
    y: Array
    prediction: Array
    weight: Array | None
    groups: Any
    folds: Sequence[Fold]

    def learn(self, likelihood: Likelihood | None, scale: Any, *, recalibrate: bool, n_jobs: int | None) -> Learnt:
        """Model the scale, choose the likelihood where it is None, fit it, and look at its PIT."""
        model, log_scale = None, None
        has_scale = likelihood is None or likelihood.dispersion_parameter is not None
        if not has_scale and not isinstance(scale, str):
            raise ValueError(f"scale: {likelihood!r} has no scale or dispersion to be modelled; give scale='constant'.")
        if has_scale and not (isinstance(scale, str) and scale == "constant"):
            model, log_scale = fit_scale(scale, self.X, self.y, self.prediction, self.folds, self.weight, n_jobs)
        rows, comparison = self._rows(log_scale), None
        if likelihood is None:
            rows, likelihood, comparison = rows.choose()
        noise = fit_noise(likelihood, rows.y, rows.prediction, rows.log_scale, rows.weight)
        pit_map = _judge(rows, noise, comparison, recalibrate=recalibrate)
        return Learnt(noise, model, comparison, pit_map)

    def _rows(self, log_scale: Array | None) -> NewRows:
        """Return the rows that something can be learnt from, and warn of those that were never tested."""
        known = np.isfinite(self.prediction if log_scale is None else log_scale)
        n_absent = len(known) - int(known.sum())
        if n_absent:
            warnings.warn(
                OutOfFoldWarning(
                    f"{n_absent} of {len(known)} rows have no out-of-fold prediction"
                    f"{'' if log_scale is None else ' and scale'}, because cv puts them in no test fold (or has "
                    "no rows before them): the distribution is learnt from the others."
                ),
                stacklevel=5,
            )
        used = known if self.weight is None else known & (self.weight > 0)
        if not used.any():
            raise ValueError("cv: no row of positive weight has an out-of-fold prediction; give other folds.")
        number = np.cumsum(used) - 1
        folds = [(number[train[used[train]]], number[test[used[test]]]) for train, test in self.folds]
        return NewRows(
            self.y[used],
            self.prediction[used],
            None if log_scale is None else log_scale[used],
            None if self.weight is None else self.weight[used],
            None if self.groups is None else np.asarray(self.groups)[used],
            [(train, test) for train, test in folds if len(train) and len(test)],
        )


def _judge(rows: NewRows, noise: Noise, comparison: Comparison | None, *, recalibrate: bool) -> PITMap | None:
    """Return the map of the PIT if ``recalibrate``; otherwise warn where it is far from uniform."""
    if noise.regressor.log_likelihood_ == np.inf:
        return None  # a perfect fit has no distribution, and its own warning
    likelihood = noise.likelihood
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    distribution = noise.regressor.predict_distribution(**noise.arguments(rows.prediction, rows.log_scale))
    # Of what rounds to y: the two agree where nothing is rounded.
    half = resolution_of(rows.y) / 2
    ends = (rows.y - 1, rows.y) if likelihood.discrete else (rows.y - half, rows.y + half)
    # Nothing is below the least outcome, which may have a probability of its own (Tweedie's zeros).
    bounds = np.where(rows.y <= likelihood.support[0], 0.0, distribution.cdf(ends[0])), distribution.cdf(ends[1])
    if recalibrate:
        return PITMap.of(*bounds, weight)
    of_quantiles, of_intervals = miscalibration(*bounds, weight)
    if of_intervals > _WRONG_COVERAGE or of_quantiles > _WRONG_LEVEL:
        remedies = [] if likelihood.discrete else ["recalibrate=True maps the probabilities monotonically"]
        if comparison is None and (better := rows.better_than(noise)) is not None:
            remedies.insert(0, f"likelihood={better!r} is better by cross-validated likelihood")
        warnings.warn(
            PITWarning(
                f"Under {likelihood!r} the probability integral transforms of out-of-fold rows are far from uniform: "
                f"the coverage of an interval is wrong by up to {100 * of_intervals:.2g} percentage points, the level "
                f"of a quantile by {100 * of_quantiles:.2g}. " + "; ".join(remedies or ["Try other likelihoods"]) + "."
            ),
            stacklevel=6,
        )
    return None
