"""The distribution of y about a prediction: a likelihood whose location is the prediction.

It is fitted to rows that the model behind the prediction did not see.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_mle._numerics.arguments import listed
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.estimators import MLERegressor
from sklearn_mle.exceptions import NotSupportedError, PerfectFitWarning
from sklearn_mle.likelihoods import Likelihood, StudentT, get_likelihood
from sklearn_mle.likelihoods._base import LINKS

_MOST_NAMED = 5
# Relative to y, what the rounding of a sum of products leaves of residuals that are zero.
_NO_RESIDUAL = 1e-12


def location_of(likelihood: Likelihood, prediction: Array) -> Array:
    """Return the location's linear predictor at which the likelihood's center is the prediction, shape (n,).

    Raises
    ------
    ValueError
        If there is none: the rows are named.
    """
    with np.errstate(all="ignore"):
        eta = likelihood.link(prediction)
        if eta is None:
            eta = LINKS[likelihood.links[0]].predictor(prediction)
    outside = np.flatnonzero(~np.isfinite(eta))
    if len(outside):
        shown = listed([f"{row} ({prediction[row]:.6g})" for row in outside[:_MOST_NAMED]], len(outside))
        raise ValueError(
            f"estimator: the location of {likelihood!r} cannot be the prediction of "
            f"row{'s' if len(outside) > 1 else ''} {shown}. Use an estimator whose predictions stay in "
            "range (with a loss for such y, or TransformedTargetRegressor), or a likelihood that allows them."
        )
    return eta


def unit_of(likelihood: Likelihood, prediction: Array) -> Array:
    """Return by how much the prediction changes per unit of the location's linear predictor, shape (n,)."""
    if likelihood.links[0] == "logit":
        return prediction * (1 - prediction)
    relative = likelihood.equivariance == "scale" or likelihood.links[0] == "log"
    return np.abs(prediction) if relative else np.ones_like(prediction)


def centered(likelihood: Likelihood) -> bool:
    """Whether the mean is the location's inverse link, whatever the other parameters are; if not, a shift is fitted."""
    eta = np.full((likelihood.n_predictors, 2), 0.3)
    eta[0] = 0.1, 0.3
    try:
        mean = likelihood.mean(eta)
    except NotImplementedError:
        return True
    return bool(np.isnan(mean).any() or np.allclose(location_of(likelihood, mean), eta[0], rtol=1e-9))


def resolution_of(y: Array) -> float:
    """Return the unit that y was rounded to: the largest number of which all differences in y are multiples; or 0.

    Euclid's algorithm on the gaps between the distinct values, which stops where rounding errors of floating point
    could be the remainder.
    """
    values = np.unique(y)
    gaps = np.unique(np.diff(values))
    if not len(gaps):
        return 0.0
    error = 16 * np.finfo(np.float64).eps * float(np.abs(values).max())
    unit = float(gaps[0])
    while unit > 1e3 * error:
        remainder = np.abs(gaps - unit * np.round(gaps / unit))
        if remainder.max() <= error:
            return unit
        unit = float(remainder[remainder > error].min())
    return 0.0


def read_likelihood(likelihood: str | Likelihood) -> Likelihood:
    """Return the likelihood; of a name, what can be estimated (degrees of freedom) is estimated."""
    found = clone(get_likelihood(likelihood))
    if max(found.y_columns) > 1 and 1 not in found.y_columns:
        raise NotSupportedError(f"likelihood: {found!r} takes a y with several columns, but a prediction has one.")
    return found.estimating(found.estimable) if isinstance(likelihood, str) else found


def noise_regressor(likelihood: Likelihood, *, modelled: bool) -> MLERegressor:
    """Return the unfitted regression of y on ``noise_columns``, to which the location comes as an offset."""
    name, shifted = likelihood.parameter_names[0], not centered(likelihood)
    by_scale = shifted and modelled and likelihood.equivariance == "location_scale"
    predictors: dict[str, Any] = {name: [0] if by_scale else []}
    if likelihood.dispersion_parameter is not None and modelled:
        predictors[likelihood.dispersion_parameter] = [1]
    return MLERegressor(likelihood, predictors=predictors, fit_intercept=shifted and not by_scale)


def noise_columns(likelihood: Likelihood, log_scale: Array, prediction: Array, slope: float) -> Array:
    """Return the columns that noise is fitted to: a power of the modelled scale, and its logarithm.

    The scale is in the units of the location's linear predictor. A shift of the location is a multiple of the first
    column: so what is shifted is the standardized noise.
    """
    column = log_scale - np.log(unit_of(likelihood, prediction))
    return np.column_stack([np.exp(slope * column), column])


def offset_of(likelihood: Likelihood, prediction: Array) -> Array:
    """Return the offset of each predictor: the location, and zeros, shape (n, q).

    Of one parameter, and of a likelihood with a kink, whose scale takes no offset, shape (n,).
    """
    location = location_of(likelihood, prediction)
    if likelihood.n_predictors == 1 or not likelihood.smooth:
        return location
    return np.column_stack([location, np.zeros((len(location), likelihood.n_predictors - 1))])


def least_scale(y: Array) -> float:
    """Return the least scale that outcomes can show: a tenth of the unit to which they are rounded.

    From there on the distribution about an outcome lies within what is rounded to it, and a smaller scale is no more
    likely; but its density at outcomes that are predicted exactly would grow without bound.
    """
    return resolution_of(y) / 10


def predicted_exactly(y: Array, prediction: Array) -> NDArray[np.bool_]:
    """Return which rows have no residual, to rounding."""
    return np.abs(y - prediction) <= _NO_RESIDUAL * np.abs(y).max()


def y_seen(likelihood: Likelihood, y: Array, prediction: Array) -> Array:
    """Return y with the least scale as the residual of rows that are predicted exactly.

    Rounding hides their residuals, and without one their likelihood would grow without bound as the scale shrinks.
    """
    hidden = predicted_exactly(y, prediction) & (not likelihood.discrete)
    return np.where(hidden, prediction + least_scale(y), y)


@dataclass(frozen=True)
class Noise:
    """The fitted distribution of y about predictions.

    ``regressor`` is fitted to ``noise_columns``. ``slope`` is None where the scale is constant. The standard deviation
    of y is at least ``least``, as far as it depends on the dispersion parameter.
    """

    regressor: MLERegressor
    likelihood: Likelihood
    slope: float | None
    least: float

    def arguments(self, prediction: Array, log_scale: Array | None) -> dict[str, Any]:
        """Return ``X`` and ``offset``, as the methods of ``regressor`` take them, of new rows."""
        likelihood, k = self.likelihood, self.likelihood.dispersion_index
        columns = np.empty((len(prediction), 0))
        if self.slope is not None and log_scale is not None:
            columns = noise_columns(likelihood, log_scale, prediction, self.slope)
        offset = offset_of(likelihood, prediction)
        if self.least > 0 and k is not None and offset.ndim == 2 and not likelihood.discrete:
            value = self.regressor.predict_parameters(columns, offset)[likelihood.parameter_names[k]]
            power = likelihood.variance_power
            with np.errstate(divide="ignore"):
                # The variance, in the unit of y or relative to it, is proportional to this power of the parameter.
                lift = 2 / power * np.log(self.least / unit_of(likelihood, prediction)) - np.log(value)
            offset[:, k] = np.maximum(lift, 0) if power > 0 else np.minimum(lift, 0)
        return {"X": columns, "offset": offset}


def fit_noise(
    likelihood: Likelihood, y: Array, prediction: Array, log_scale: Array | None, weight: Array | None
) -> Noise:
    """Fit the likelihood to outcomes and their out-of-fold predictions, with the modelled scale unless it is None.

    The scale is also constant where the modelled one carries no information: where its slope has the wrong sign.
    """
    least, exact = least_scale(y), predicted_exactly(y, prediction)
    if exact.all() and least > 0:
        warnings.warn(
            PerfectFitWarning(
                "The estimator predicts every row that it did not see exactly, so nothing can be learnt about "
                f"its errors: the scale is set to about {least:.6g}, its lower bound (a tenth of the unit to "
                "which y is rounded)."
            ),
            stacklevel=5,
        )
    y = y_seen(likelihood, y, prediction)
    offset, k = offset_of(likelihood, prediction), likelihood.dispersion_index
    if log_scale is not None and k is not None:
        # Without a shift the slope is not used.
        slope = 1.0 if centered(likelihood) else slope_of(likelihood, y, prediction, log_scale, weight)
        regressor = noise_regressor(likelihood, modelled=True)
        regressor.fit(noise_columns(likelihood, log_scale, prediction, slope), y, weight, offset)
        if regressor.parameters_[likelihood.parameter_names[k]][0][1] * likelihood.variance_power > 0:
            return Noise(regressor, likelihood, slope, least)
    regressor = noise_regressor(likelihood, modelled=False).fit(np.empty((len(y), 0)), y, weight, offset)
    return Noise(regressor, likelihood, None, least)


def slope_of(likelihood: Likelihood, y: Array, prediction: Array, log_scale: Array, weight: Array | None) -> float:
    """Return to which power of the modelled scale a shift goes: real y's slope of the log scale under a Student's t."""
    if likelihood.equivariance != "location_scale":
        return 1.0
    columns = noise_columns(likelihood, log_scale, prediction, 1.0)
    robust = noise_regressor(StudentT(), modelled=True).fit(columns, y, weight, prediction)
    return float(robust.scale_coef_[1])
