"""Fits that precede a regression: where it starts, a location without noise, and models without columns."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from sklearn_mle._fit.result import FitOptions
from sklearn_mle._fit.solve import affordable, solve
from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.factors import Factor, NotPositiveDefiniteError
from sklearn_mle._numerics.quantiles import weighted_quantile
from sklearn_mle._numerics.sums import Largest
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms, add_offset
from sklearn_mle._rank import independent_columns
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle._rows.sample import weighted_sample
from sklearn_mle.likelihoods import Huber, Likelihood
from sklearn_mle.likelihoods._surrogates import LeastSquares

_FEW_ROWS = 20_000
# E[log |z|] of a standard Gaussian z is -0.635: what the mean log residual must be raised by (Harvey 1976).
_MEAN_LOG_NORMAL = 0.6351814227307391
# A residual that is zero by chance must not send a log scale to minus infinity.
_LEAST_RESIDUAL = 1e-3
# Known dispersions down to this part of the residuals' own need no detour, which goes in such steps (logarithms).
_FAR, _STEP = math.log(10.0), math.log(2.0)
_ROUGH, _MOST_ITERATIONS = 1e-2, 50
# Residuals of y, whose spread is near one, that are rounding alone.
_PERFECT = 1e-12
# Of a sum of squares, the part from which on what a difference leaves of it has ten digits.
_LITTLE_LEFT = 1e-6


@dataclass(frozen=True)
class Guess:
    """What the guesses are made from.

    Attributes
    ----------
    likelihood : Likelihood
    data : Data
        Some rows of the outcome.
    constants : ndarray of shape (q,)
        What the likelihood starts from on these rows.
    location : Terms
    dispersion : Terms or None
        Of the dispersion's linear predictor, where there is one.
    precision : ndarray of shape (p,)
        The prior's, of the standardized columns.
    least_squares : ndarray of shape (1, p + 1) or None
        The location that least squares give, where it is known already.
    """

    likelihood: Likelihood
    data: Data
    constants: Array
    location: Terms
    dispersion: Terms | None
    precision: Array
    least_squares: Array | None = None

    @cached_property
    def middle_offset(self) -> Array:
        """The median of each predictor's offset, shape (q,): an intercept alone undoes that much of it."""
        offset, middle = self.data.offset, np.zeros(self.likelihood.n_predictors)
        for k, one in enumerate(() if offset is None else offset):
            middle[k] = weighted_quantile(one, self.data.weight, 0.5)
        return middle


def some_rows(data: Data) -> Data:
    """Return all rows, or a sample where they are many."""
    size = max(_FEW_ROWS, 8 * data.n_columns)
    if not data.in_one_place:
        return weighted_sample(data, min(size, max(int(data.largest_sample), 8 * data.n_columns)))
    return data if data.n_rows < 2 * size else weighted_sample(data, size)


def _penalized(likelihood: Likelihood, data: Data, terms: Sequence[Terms], precision: Array | None) -> PenalizedNLL:
    """Return an objective with a prior of such precision for the location's coefficients."""
    predictors = LinearPredictors(data.n_columns, terms)
    prior = np.zeros(predictors.shape)
    if precision is not None:
        prior[0, :-1] = precision
    return PenalizedNLL(likelihood, predictors, data, GaussianPrior(predictors.theta(prior)))


def least_squares(data: Data, terms: Terms, precision: Array | None = None) -> tuple[Array, float, Factor | None]:
    """Return the least-squares coefficients of y, (1, p + 1), and the penalized sum of squared residuals.

    Last comes the factor of the penalized cross-product of the columns, None where it was not formed.
    """
    objective = _penalized(LeastSquares(), data, [terms], precision)
    predictors, null = objective.predictors, np.zeros(objective.predictors.size)
    if affordable(objective):
        # A step from zero is exact to the digits that a start needs. So is what it leaves, unless that is rounding.
        value, gradient = objective.value_gradient_hessian(null)
        with suppress(NotPositiveDefiniteError):
            factor = hessian_factor(objective, null)
            white = factor.whiten(gradient)
            left = value - 0.5 * float(white @ white)
            if left > _LITTLE_LEFT * value:
                return predictors.matrix(-factor.unwhiten(white)), 2 * left, factor
    found = solve(objective, null, FitOptions())
    return predictors.matrix(found.theta), 2 * found.value, found.factor


def clear_least_squares(likelihood: Likelihood, data: Data, terms: Terms) -> tuple[Array, float] | None:
    """Return what ``least_squares`` finds on the outcomes' own location; None where columns may be dependent."""
    working = working_response(likelihood, data)
    if working is None:
        return None
    matrix, squares, factor = least_squares(data.with_values(working, data.weight), terms)
    return None if factor is None or not independent_columns(factor) else (matrix, squares)


def perfect_location(
    likelihood: Likelihood,
    samples: Sequence[Data],
    terms: Terms,
    precision: Array | None,
    noise: float,
    known: tuple[Array, float] | None,
) -> tuple[Array | None, Array | None]:
    """Return the coefficients (1, p + 1) that fit every outcome to rounding, and the least squares of the first sample.

    Least squares on what the location would have to be (``Likelihood.link``) finds such a location where there is one:
    the noise then vanishes, and no maximum is finite. All rows are the last of the samples, for a small one mostly
    tells that the fit is not perfect. A prior's precision is one that a perfect fit has to overcome, and ``noise`` the
    rounding of y. ``known`` is what ``least_squares`` found on the first sample, where it is known already.
    """
    matrix: Array | None = None
    first: Array | None = None
    if likelihood.link(samples[0].y) is None:
        return None, None
    for rows in samples:
        linked = rows.with_target(partial(_linked, likelihood), 1)
        largest = linked.reduce_target(largest_target)[0].value
        if not np.isfinite(largest):
            return None, first
        matrix, squares = known or least_squares(linked, terms, precision)[:2]
        known, first = None, matrix if first is None else first
        of_y = noise if likelihood.equivariance == "location_scale" else EPS
        rounding = of_y * (1 + largest) + EPS * float(np.abs(matrix).sum())
        if not np.sqrt(squares / rows.weight_sum) <= 8 * rounding:
            return None, first
    return matrix, first


def _linked(likelihood: Likelihood, y: Array, offset: Array | None) -> tuple[Array, None]:
    """Return what the location would have to be, for each outcome by itself."""
    linked = likelihood.link(y)
    assert linked is not None
    return linked if offset is None else linked - offset[0], None


def largest_target(y: Array, weight: Array | None, offset: Array | None) -> tuple[Largest]:
    """Return the largest absolute y, for ``Data.reduce_target``."""
    return (Largest(float(np.abs(y).max(initial=0.0))),)


def guesses(guess: Guess) -> Iterator[Array]:
    """Yield coefficients of all linear predictors, shape (q, p + 1): no columns; least squares; a robust location."""
    likelihood, data = guess.likelihood, guess.data
    null = np.zeros((likelihood.n_predictors, data.n_columns + 1))
    null[:, -1] = guess.constants
    null[:, -1] -= guess.middle_offset
    null[0, -1] *= guess.location.intercept
    yield null
    location = guess.least_squares
    if location is None:
        working = working_response(likelihood, data)
        if working is None:
            return
        location = least_squares(data.with_values(working, data.weight), guess.location, guess.precision)[0]
    constant = _with_constants(guess, null, location)
    yield constant
    if likelihood.equivariance != "location_scale":
        return
    if guess.dispersion is not None and guess.dispersion.columns:
        yield _with_log_residuals(guess, constant)
    if not likelihood.convex_in_location:
        # Not a convex loss: least squares may start in the basin of the outliers.
        start = replace(guess, likelihood=Huber())
        yield _with_constants(guess, null, _huber(start, location))


def working_response(likelihood: Likelihood, data: Data) -> Array | None:
    """Return the location's linear predictor as the outcomes alone would have it; counts are drawn to their mean."""
    y = data.y
    if likelihood.discrete or (y.min() == 0 and likelihood.equivariance == "scale"):
        y = 0.5 * (y + np.average(y, weights=data.weight))
    working = likelihood.link(y)
    if working is None or not np.isfinite(working).all():
        return None
    return working if data.offset is None else working - data.offset[0]


def _fitted(data: Data, location: Array) -> Array:
    predictors = LinearPredictors(data.n_columns, [Terms()])
    offset = None if data.offset is None else data.offset[0]
    fitted = np.concatenate(data.map_rows(lambda block: predictors.eta(block.rows, location, None)[0]))
    return fitted if offset is None else fitted + offset


def _with_constants(guess: Guess, null: Array, location: Array) -> Array:
    """Return the location with the other predictors' constants as the residuals have them."""
    likelihood, data = guess.likelihood, guess.data
    matrix = null.copy()
    matrix[0] = location[0]
    if likelihood.equivariance is None:
        return matrix
    fitted = _fitted(data, location)
    if likelihood.equivariance == "location_scale":
        residual = likelihood.start(data.y - fitted, data.weight)
    else:
        with np.errstate(over="ignore", under="ignore"):
            residual = likelihood.start(np.maximum(data.y * np.exp(-fitted), 1e-300 * (data.y > 0)), data.weight)
        residual = residual + np.array(likelihood.unit_powers) * float(np.average(fitted, weights=data.weight))
        residual[0] -= float(np.average(fitted, weights=data.weight))
    matrix[1:, -1] = (residual - guess.middle_offset)[1:]
    matrix[0, -1] += residual[0] * guess.location.intercept
    return matrix


def _with_log_residuals(guess: Guess, constant: Array) -> Array:
    """Return the log scale as a regression of the residuals' logarithms has it (Harvey 1976)."""
    data, j = guess.data, guess.likelihood.dispersion_index
    assert guess.dispersion is not None and j is not None
    residual = np.abs(data.y - _fitted(data, constant[:1]))
    logarithms = np.log(residual + _LEAST_RESIDUAL * np.exp(constant[j, -1])) + _MEAN_LOG_NORMAL
    if data.n_offsets > j:
        assert data.offset is not None
        logarithms -= data.offset[j]
    matrix = constant.copy()
    matrix[j] = least_squares(data.with_values(logarithms, data.weight), guess.dispersion)[0][0]
    return matrix


def _huber(guess: Guess, location: Array) -> Array:
    """Return the location of Huber's likelihood, whose loss is convex and bounded in its slope."""
    data = guess.data.with_values(guess.data.y, guess.data.weight, None, 2)
    if np.abs(data.y - _fitted(data, location)).max() <= _PERFECT:
        return location  # nothing is left to be robust against, and the scale would fall without end
    objective = _penalized(Huber(), data, [guess.location, Terms.constant()], guess.precision)
    predictors = objective.predictors
    start = _with_constants(replace(guess, data=data), np.zeros((2, data.n_columns + 1)), location)
    options = FitOptions(solver="newton" if affordable(objective) else "newton-cg", max_iter=30)
    found = solve(objective, predictors.theta(start), options, null_value=np.inf, tol=_ROUGH, polish=0)
    return predictors.matrix(found.theta)[:1]


def best_of(objective: PenalizedNLL, thetas: Sequence[Array]) -> Array:
    """Return the theta where the objective is least; a single one unseen."""
    if len(thetas) == 1:
        return thetas[0]
    values = np.array([objective.value(theta) for theta in thetas])
    return thetas[int(np.argmin(np.where(np.isnan(values), np.inf, values)))]


def value_of_constants(likelihood: Likelihood, intercepts: Array, data: Data) -> float:
    """Return the NLL of a model without columns, its intercepts (q, 1): what the fit is to gain on."""
    return data.reduce_target(partial(_nll_of_constants, likelihood, intercepts))[0]


def _nll_of_constants(
    likelihood: Likelihood, intercepts: Array, y: Array, weight: Array | None, offset: Array | None
) -> tuple[float]:
    eta = add_offset(np.repeat(intercepts, y.shape[-1], axis=1), offset)
    with np.errstate(over="ignore", invalid="ignore"):
        nll = likelihood.nll(y, eta)
    return (float(nll.sum() if weight is None else weight @ nll),)


def is_far_below(likelihood: Likelihood, known: float, own: float) -> bool:
    """Return whether a known dispersion (its logarithm) stands for far less noise than the residuals have.

    Where the location does not depend on it, never.
    """
    if likelihood.dispersion_parameter is None or likelihood.location_free_of_dispersion:
        return False
    return 0.5 * likelihood.variance_power * (own - known) > _FAR


def follow_dispersion(at: Callable[[float], PenalizedNLL], theta: Array, own: float, known: float) -> Array:
    """Return a theta near the optimum at a known dispersion that is tiny, by way of larger ones.

    A loss of residuals over a noise that is known to be tiny is one of huge numbers: a Gumbel's exponential overflows,
    and the curvature of losses that grow like the absolute residual is zero wherever no row is. Newton's method gets
    nowhere from a distance. At the residuals' own noise (``theta`` is a start there) it is safe, and halving the noise
    moves the optimum little. ``at`` gives the objective at a dispersion (its logarithm).
    """
    options = FitOptions(max_iter=_MOST_ITERATIONS)
    for value in np.linspace(own, known, math.ceil(abs(known - own) / _STEP) + 1):
        objective = at(float(value))
        options = replace(options, solver="newton" if affordable(objective) else "newton-cg")
        theta = solve(objective, theta, options, null_value=math.inf, tol=_ROUGH, polish=0).theta
    return theta


def best_constant(
    likelihood: Likelihood,
    intercepts: Array,
    y: Array,
    *,
    sample_weight: Array | None = None,
    offset: Array | None = None,
) -> Array:
    """Return the linear predictors, shape (q, n), of the best model without columns.

    A share of explained deviance is measured from it. The intercepts (q,) of the predictors beside the location are
    kept; an offset has shape (n,), or (n, q).
    """
    n = y.shape[-1]
    eta = np.repeat(intercepts[:, None], n, axis=1)
    eta[0] = 0
    add_offset(eta, None if offset is None else np.atleast_2d(offset.T))
    if not likelihood.smooth:
        # A quantile of what the offset leaves.
        eta[0] += likelihood.start(y - eta[0], sample_weight)[0]
        return eta
    weight = sample_weight
    y, times = likelihood.in_units_of_mean(y)
    if times is not None:
        weight = times if weight is None else times * weight
    predictors = LinearPredictors(0, [Terms(), *[Terms(False, False)] * (len(eta) - 1)])
    rows = DenseRows(np.zeros((n, 0)), np.zeros(0), np.ones(0))
    objective = PenalizedNLL(likelihood, predictors, Data(rows, y, weight, eta, len(eta)), NoPenalty())
    start = likelihood.start(y, weight)[:1] - weighted_quantile(eta[0], weight, 0.5)
    with single_threaded_blas:
        found = solve(objective, start, FitOptions(), null_value=np.inf)
    eta[0] += found.theta[0]
    return eta
