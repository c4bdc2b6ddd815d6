"""Is there a location that fits every row to rounding? Then the noise vanishes, and no maximum is finite."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit.outcome import Outcome
from sklearn_mle._fit.start import least_squares
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._predictors import Terms
from sklearn_mle._rows import Data
from sklearn_mle.exceptions import PerfectFitWarning
from sklearn_mle.likelihoods import Likelihood

__all__ = ["perfect_location", "perfect_warning"]

Array = NDArray[Any]

_EPS = float(np.finfo(np.float64).eps)


def perfect_location(
    likelihood: Likelihood, outcome: Outcome, some: Data, terms: Terms, precision: Array | None
) -> tuple[Array | None, Array | None]:
    """Return the coefficients, shape (1, p + 1), that fit every outcome to rounding; None where there are none.

    Least squares on what the location would have to be (``Likelihood.link``) finds them where there are any.

    Parameters
    ----------
    likelihood : Likelihood
    outcome : Outcome
    some : Data
        All rows of the outcome or a sample, which mostly tells that the fit is not perfect.
    terms : Terms
        Of the location.
    precision : ndarray of shape (p,) or None
        Of a prior that a perfect fit has to overcome.

    Returns
    -------
    perfect, first : ndarray of shape (1, p + 1) or None
        Those coefficients; and the least-squares coefficients of ``some``, for whoever needs them, too.
    """
    matrix: Array | None = None
    first: Array | None = None
    if likelihood.link(some.y) is None:
        return None, None
    for rows in (some,) if some is outcome.data else (some, outcome.data):
        linked = rows.with_target(Linked(likelihood), 1)
        largest = linked.reduce_target(_largest)[0].value
        if not np.isfinite(largest):
            return None, first
        matrix, squares = least_squares(linked, terms, precision)
        first = matrix if first is None else first
        noise = outcome.noise if likelihood.equivariance == "location_scale" else _EPS
        rounding = noise * (1 + largest) + _EPS * float(np.abs(matrix).sum())
        if not np.sqrt(squares / rows.weight_sum) <= 8 * rounding:
            return None, first
    return matrix, first


def perfect_warning(second: str | None, limit: str) -> PerfectFitWarning:
    """Return what is said of a location that fits every row: the second parameter is at its limit then."""
    return PerfectFitWarning(
        f"The location fits every row exactly, so the estimated {second} is {limit} and the log-likelihood "
        "infinite. Predictive distributions are not defined; fit more rows than columns, penalize with alpha, or give "
        "a known scale."
    )


@dataclass(frozen=True)
class Linked:
    """What the location would have to be, for each outcome by itself."""

    likelihood: Likelihood

    def __call__(self, y: Array, offset: Array | None) -> tuple[Array, None]:
        linked = self.likelihood.link(y)
        assert linked is not None
        return linked if offset is None else linked - offset[0], None


def _largest(y: Array, weight: Array | None, offset: Array | None) -> tuple[Largest]:
    return (Largest(float(np.abs(y).max(initial=0.0))),)
