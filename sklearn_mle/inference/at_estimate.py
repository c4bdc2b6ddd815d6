"""A fitted model on its data: the objective at the estimate, from which every kind of covariance is computed."""

import math
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.optimize import brentq
from sklearn.exceptions import ConvergenceWarning

from sklearn_mle._curvature import Curvature
from sklearn_mle._existence.limit import divergent_changes
from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._fit.prepare import Prepared, read, standardize
from sklearn_mle._hessian_factors import information_factor
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import Factor, NotPositiveDefiniteError
from sklearn_mle._numerics.stored import dot_rows
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoiseRelativePrior, NoPenalty, Penalty, ShiftedPenalty, SumOfPenalties
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rank import Identification, find_dependence
from sklearn_mle._rows import Data
from sklearn_mle.inference.model import FittedModel, ReadData, divide_dispersion
from sklearn_mle.likelihoods import Likelihood

# The number of rows whose gradients in theta are formed at a time.
CHUNK = 4096
# A residual of at most so many roundings of the terms that add up to the fitted location is zero.
_ROUNDINGS = 8
# How far the logarithm of a dispersion is searched for, and its tolerance.
_REACHES, _SETTLED = (1.0, 4.0, 16.0, 64.0), 1e-13
# In nats. A tenth of a standard error is worth a warning; at more than one or two the data are not those of the fit.
NOTICEABLE_GAP, _LARGEST_GAP = 5e-3, 1.0
# In units of the predictors.
_FARTHEST = 10.0


@dataclass(frozen=True)
class AtEstimate:
    """The objective of a fitted model at its estimate, on the data that it was fitted to.

    The fitted predictors are the data's offset and theta is the distance from the estimate, so that everything is
    evaluated at theta = 0: whatever the gauge of the coefficients, and however many columns depend on others.

    The objective has weights of mean one: its nats, gradients and curvatures are the caller's divided by
    ``mean_weight``.
    """

    model: FittedModel
    data: ReadData
    prepared: Prepared
    objective: PenalizedNLL
    # The dependences among the columns (and the intercept) of each predictor without a prior.
    identifications: tuple[Identification | None, ...]
    # The predictors that are held fixed: constants on the boundary of their range, or all but the location.
    fixed: tuple[int, ...]
    # The number of observations that a row stands for, shape (n,): its weight if that is a frequency, else one.
    copies: Array
    # Orthonormal directions of theta without a finite maximum, if ``at_the_limit`` found any: columns.
    unseen: Array | None = None

    @classmethod
    def of(cls, model: FittedModel, data: ReadData, *, location_only: bool = False) -> Self:
        """Return the model on its data; ``location_only`` holds everything but the first predictor fixed."""
        n = data.X.shape[0]
        own = np.ones(n) if data.sample_weight is None else data.sample_weight
        total = own if data.class_weight is None else own * data.class_weight
        plain = data.sample_weight is None and data.class_weight is None
        precise = model.weights_divide_dispersion and not plain
        if precise:
            total = (total > 0).astype(np.float64)
        offset = None if data.offset is None else np.atleast_2d(data.offset.T)
        raw = read(data.X, data.y.T, None if plain else total, offset, model.likelihood.n_predictors)
        prepared = standardize(raw, FitOptions(terms=model.terms), model.features)
        rows = slice(None) if prepared.row_numbers is None else prepared.row_numbers
        copies = own[rows] if model.weight_type == "frequency" else np.ones(prepared.data.n_rows)
        fixed = tuple(range(1, len(model.terms))) if location_only else model.at_boundary
        at = cls.of_prepared(model, data, prepared, fixed, copies)
        assert at.objective.data.offset is not None
        model.add_precisions(at.objective.data.offset, own[rows])
        return at

    @classmethod
    def of_prepared(
        cls, model: FittedModel, data: ReadData, prepared: Prepared, fixed: tuple[int, ...], copies: Array
    ) -> Self:
        """Return the model on data that are read and standardized."""
        identifications = _identifications(model, prepared)
        predictors = model.predictors(identifications, fixed)
        rows, prior = cls.fitted_rows(model, prepared), _prior(model, prepared, predictors)
        objective = PenalizedNLL(model.likelihood, predictors, rows, prior)
        return cls(model, data, prepared, objective, identifications, fixed, copies)

    @staticmethod
    def fitted_rows(model: FittedModel, prepared: Prepared) -> Data:
        """Return the rows, with the fitted predictors as their offset."""
        data, matrix = prepared.data, prepared.columns.to_standardized(model.coefficients)
        every = every_predictor(matrix)
        eta = np.concatenate(data.map_rows(lambda block: every.eta(block.rows, matrix, block.offset)), axis=1)
        if not model.likelihood.smooth:
            eta[0] = _on_the_kink(model, prepared, eta[0])
        return Data(data.rows, data.y, data.weight, eta, data.n_predictors)

    def at(self, coefficients: Array) -> Self:
        """Return the same model on the same data at other coefficients; its weights must not be precisions."""
        assert self.model.weight_type != "precision"
        model = replace(self.model, coefficients=coefficients)
        rows, prior = self.fitted_rows(model, self.prepared), _prior(model, self.prepared, self.predictors)
        return replace(self, model=model, objective=PenalizedNLL(self.likelihood, self.predictors, rows, prior))

    @property
    def predictors(self) -> LinearPredictors:
        """The map from theta to changes of the predictors."""
        return self.objective.predictors

    @property
    def likelihood(self) -> Likelihood:
        """The model's likelihood."""
        return self.objective.likelihood

    @property
    def mean_weight(self) -> float:
        """The number of the caller's nats in one nat of the objective."""
        return self.prepared.mean_weight

    @cached_property
    def theta(self) -> Array:
        """The estimate, theta = 0."""
        return np.zeros(self.predictors.size)

    @cached_property
    def log_likelihood(self) -> float:
        """The total log-likelihood at the estimate."""
        prior = self.objective.penalty.value_and_gradient(self.theta)[0]
        return (prior - self.objective.value(self.theta)) * self.mean_weight

    @cached_property
    def weight(self) -> Array:
        """Total weight of every row; ones where weights divide the dispersion."""
        weight = self.prepared.data.weight
        return np.full(self.prepared.data.n_rows, self.mean_weight) if weight is None else weight * self.mean_weight

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all rows."""
        return float(self.weight.sum())

    def squared_rows(self) -> tuple[Data, float]:
        """Return rows with the weights of the sum of s s', up to a factor, and that factor."""
        return self.reweighted(np.square(self.weight) / self.copies), 1.0

    @cached_property
    def forms(self) -> Array:
        """The changes of the coefficients with theta, shape (q (p + 1), size): a linear form for each coefficient."""
        changes = divergent_changes(self.predictors, np.eye(self.predictors.size), self.prepared.columns)
        return np.ascontiguousarray(changes.reshape(len(changes), -1).T)

    @property
    def n_obs(self) -> float:
        """Number of observations: copies where weights are frequencies, else rows."""
        return float(self.copies.sum())

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters, including those that are held at their estimates."""
        return self.predictors.size + sum(self.model.terms[j].intercept for j in self.fixed)

    @property
    def n_coefficients(self) -> int:
        """Number of estimated parameters, not counting constant scales, dispersions and shapes."""
        return self.n_parameters - self.model.n_constants

    def reweighted(self, weight: Array) -> Data:
        """Return the data at the fitted predictors with other weights."""
        data = self.objective.data
        return Data(data.rows, data.y, None if (weight == 1).all() else weight, data.offset, data.n_predictors)

    def location_alone(self) -> PenalizedNLL:
        """Return the unpenalized objective in which everything but the first predictor is held."""
        predictors = self.model.predictors(self.identifications, tuple(range(1, len(self.model.terms))))
        penalty = NoPenalty() if self.unseen is None else self.objective.penalty
        return PenalizedNLL(self.likelihood, predictors, self.objective.data, penalty)

    def curvature(self, factor: Factor, mean_weight: float) -> Curvature:
        """Return what maps the factor of a curvature in theta, divided by ``mean_weight``, to a covariance."""
        columns, divergent = self.prepared.columns, self.model.divergent
        if self.unseen is not None:
            divergent = divergent_changes(self.predictors, self.unseen, columns)
        return Curvature(factor, self.predictors, columns, mean_weight, self.identifications, divergent)


def _identifications(model: FittedModel, prepared: Prepared) -> tuple[Identification | None, ...]:
    """Return the dependences among the columns of each predictor; a constant column depends on the intercept."""
    free = [
        term.columns and not model.prior.penalizes(0 if model.is_classifier else j)
        for j, term in enumerate(model.terms)
    ]
    keyed = {term.key: term for term, is_free in zip(model.terms, free, strict=True) if is_free}
    found = {key: find_dependence(prepared.data, prepared.columns, term) for key, term in keyed.items()}
    return tuple(found[term.key] if is_free else None for term, is_free in zip(model.terms, free, strict=True))


def every_predictor(matrix: Array) -> LinearPredictors:
    """Return the map from coefficients of the standardized columns, (q, p + 1), to all linear predictors."""
    return LinearPredictors(matrix.shape[1] - 1, [Terms(bool(row[:-1].any()), True) for row in matrix])


def _on_the_kink(model: FittedModel, prepared: Prepared, location: Array) -> Array:
    """Return the fitted location, equal to y where it differs by rounding alone.

    A fit passes exactly through as many rows as it has coefficients. After rounding these lie on either side, each with
    its own gradient. Zero, the middle of the subgradients, depends on no order, unit or origin.
    """
    y, columns = prepared.data.y, prepared.columns
    coefficients = np.abs(model.coefficients[0])
    # Each term of the sum that is the location, in X's units and standardized, rounds by eps of itself or less.
    terms = coefficients[-1] + coefficients[:-1] @ (np.abs(columns.shift) + columns.scale * columns.largest)
    size = terms + np.abs(location) + np.abs(y)
    return np.where(np.abs(y - location) <= _ROUNDINGS * np.finfo(np.float64).eps * size, y, location)


def _prior(model: FittedModel, prepared: Prepared, predictors: LinearPredictors) -> Penalty:
    """Return the log-prior of an estimate, as a function of the distance from it."""
    if model.prior.is_flat:
        return NoPenalty()
    likelihood, scale = model.likelihood, prepared.columns.scale
    standardized = prepared.columns.to_standardized(model.coefficients)
    form, others, mean_log_scale = np.zeros((3, *standardized.shape))
    prior = model.prior.times((prepared.n_obs if model.prior_per_observation else 1.0) / prepared.mean_weight)
    # The prior of the location holds for all classes.
    form[slice(None) if model.is_classifier else 0, :-1] = prior.in_standardized(scale)
    for k in range(1, 1 if model.is_classifier else len(others)):
        others[k, :-1] = prior.in_standardized(scale, k)
    precision, absolute = (matrix[: len(predictors.terms)][predictors.used] for matrix in (form, others))
    origin = predictors.theta(standardized)
    if likelihood.noise_can_vanish:
        j, half_power = model.dispersion_index, 0.5 * likelihood.variance_power
        precision = precision * np.exp(-2 * half_power * prepared.data.mean_offset(j))
        if predictors.terms[j].intercept:  # it may be held
            if model.terms[j].columns:
                mean_log_scale[j, :-1] = half_power * prepared.data.column_means()
            mean_log_scale[j, -1] = half_power
            relative = NoiseRelativePrior(precision, predictors.theta(mean_log_scale))
            return ShiftedPenalty(SumOfPenalties(relative, 1.0, GaussianPrior(absolute)), origin)
        precision = precision / np.exp(likelihood.variance_power * standardized[j, -1])
    return ShiftedPenalty(GaussianPrior(precision + absolute), origin)


def read_training(model: FittedModel, X: Any, y: Any, sample_weight: Any, offset: Any) -> tuple[FittedModel, ReadData]:
    """Return the model, its scale estimated from the data if the fit had none, and the data as read."""
    data = model.read(X, y, sample_weight, offset)
    return (with_scale(model, data) if np.isnan(model.coefficients).any() else model), data


def with_scale(model: FittedModel, data: ReadData) -> FittedModel:
    """Return a model that was fitted without a dispersion, with its most likely dispersion for these data."""
    if not model.likelihood.least_squares or model.penalized:
        weight = data.sample_weight
        begun = float(model.likelihood.start(data.y, weight)[model.dispersion_index])
        model = model.with_log_dispersion(begun)
        return model.with_log_dispersion(begun + _change(AtEstimate.of(model, data)))
    location = model.coefficients[0]
    fitted = dot_rows(location[None, :-1], data.X)[0] + location[-1]
    residual = data.y - fitted
    # Least squares is backward stable as a whole, not row by row: a small y has the rounding of the largest.
    largest = max(float(np.abs(data.y).max(initial=0.0)), float(np.abs(fitted).max(initial=0.0)))
    if (np.abs(residual) <= _ROUNDINGS * np.finfo(np.float64).eps * largest).all():
        residual = np.zeros_like(residual)
    variance = float(np.average(np.square(residual), weights=data.sample_weight))
    with np.errstate(divide="ignore"):
        return model.with_log_dispersion(0.5 * float(np.log(variance)))


def with_dispersion(model: FittedModel, data: ReadData, weight_type: str) -> FittedModel:
    """Return the model with its most likely dispersion when weights have this meaning.

    The dispersion stays that of the fit if the weights meant the same there, if there are none, or if they have no
    dispersion to divide.
    """
    likelihood, precise = model.likelihood, weight_type == "precision"
    same = precise == (model.weight_type == "precision")
    model = replace(model, weight_type=weight_type)
    if same or data.sample_weight is None or not divide_dispersion(likelihood):
        return model
    if not model.has_constant_dispersion or not np.isfinite(model.log_dispersion):
        return model
    # Exact for a Gaussian and an inverse Gaussian; for others the start of the search.
    mean = float(data.sample_weight[data.sample_weight > 0].mean())
    first = (1 if precise else -1) / likelihood.variance_power * math.log(mean)
    model = model.with_log_dispersion(model.log_dispersion + first)
    return model.with_log_dispersion(model.log_dispersion + _change(AtEstimate.of(model, data)))


def fitted_again(
    model: FittedModel, data: ReadData, terms: Sequence[Terms], features: Sequence[str] = ()
) -> AtEstimate:
    """Return the model with other terms, fitted to other columns of the same rows, at its estimate."""
    weight, options = data.sample_weight, FitOptions(terms=tuple(terms))
    found = fit(model.likelihood, data.X, data.y, sample_weight=weight, offset=data.offset, options=options)
    other = replace(model, coefficients=found.coefficients, terms=options.terms, features=tuple(features))
    # In the fit weights counted copies.
    other = replace(other, retained=None, weight_type="frequency")
    return AtEstimate.of(with_dispersion(other, data, model.weight_type), data)


def _change(at: AtEstimate) -> float:
    """Return the change of the dispersion's constant that makes the derivative of the objective zero."""
    data, likelihood, j = at.objective.data, at.likelihood, at.model.dispersion_index
    power = likelihood.variance_power
    weight = np.ones(data.n_rows) if data.weight is None else data.weight
    prior = at.objective.penalty.value_and_gradient(at.theta)[0]

    def slope(change: float) -> float:
        eta = np.array(data.offset)
        eta[j] += change
        # The prior is relative to the noise.
        return float(weight @ likelihood.gradient(data.y, eta)[j]) - power * prior * math.exp(-power * change)

    for reach in _REACHES:
        if slope(-reach) < 0 < slope(reach):
            return float(brentq(slope, -reach, reach, xtol=_SETTLED))
    return 0.0


def gap_of(at: AtEstimate, bread: Factor, divergent: bool) -> float:
    """Return how far the estimate is below the maximum for these data, in nats.

    Warn if that is noticeable, and raise ValueError if the data cannot be those of the fit. ``bread`` is the factor of
    the curvature that measures the distance. Where coefficients are ``divergent`` there is no maximum to compare with.
    """
    if not at.likelihood.smooth:
        return math.nan
    if at.model.bias_reduced and at.model.retained is not None:
        return at.model.retained.gap  # of Firth's objective, whose gradient is not that of the likelihood
    gradient = at.objective.gradient(at.theta)
    # If a parameter hardly matters, such as a mixture's weight near zero, the curvature does not tell how far away the
    # optimum is. One that is ten units of the predictors away is better by at most ten times the slope.
    gap = min(0.5 * bread.squared_norm(gradient), _FARTHEST * float(np.abs(gradient).sum())) * at.mean_weight
    if np.isnan(gap):
        raise ValueError(
            "X, y, sample_weight or offset holds numbers so large that the likelihood leaves the range of float64."
        )
    if divergent or gap <= NOTICEABLE_GAP:
        return gap
    remedy = (
        "Give the X, y, sample_weight and offset of the fit; if you did, the fit has not converged: lower its tol, "
        "raise its max_iter, or scale the data."
    )
    how_far = f"{gap:.2g} nats below the maximum for these data, about {math.sqrt(2 * gap):.2g} standard errors from it"
    if gap > _LARGEST_GAP:
        raise ValueError(f"The estimate is {how_far}. {remedy}")
    warnings.warn(ConvergenceWarning(f"The estimate is {how_far}. {remedy}"), stacklevel=3)
    return gap


def at_estimate(model: FittedModel, data: ReadData) -> AtEstimate:
    """Return the model on its data; raise ValueError where the estimate is far from the maximum for these data.

    Where the information is not positive definite nothing is checked here: the caller's own computation says why.
    """
    at = AtEstimate.of(model, data)
    with suppress(NotPositiveDefiniteError):
        gap_of(at, information_factor(at.objective, at.theta), model.divergent is not None)
    return at
