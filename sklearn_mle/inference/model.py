"""A fitted estimator as inference reads it: which likelihood, which coefficients, which of them were estimated."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._curvature import Curvature
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.memory import refuse_unless_it_fits
from sklearn_mle._numerics.stored import StoredArray, dot_rows
from sklearn_mle._penalties import NO_PRIOR, Ridge
from sklearn_mle._predictors import LinearPredictors, Terms, add_offset, sum_to_zero_basis
from sklearn_mle._rank import Identification
from sklearn_mle.likelihoods import Likelihood


@dataclass(frozen=True)
class ReadData:
    """Validated data, as ``sklearn_mle._fit.fit`` takes them: X (dense, CSR or stored), and the others rows first."""

    X: Any
    # As the likelihood reads it.
    y: Array
    # The caller's weights, and the factors by which class weights multiply them, row by row.
    sample_weight: Array | None
    class_weight: Array | None
    offset: Array | None

    def n_obs(self, weight_type: str) -> float:
        """Return the number of observations, as a fit counts them: copies, or rows of positive weight."""
        weight = np.ones(len(self.y)) if self.sample_weight is None else self.sample_weight
        weight = weight if self.class_weight is None else weight * self.class_weight
        return float(weight.sum() if weight_type == "frequency" else np.count_nonzero(weight))

    def require_memory(self, call: str) -> None:
        """Raise TypeError, in the name of a call that makes other columns of X, where X is in storage."""
        if isinstance(self.X, StoredArray):
            raise TypeError(
                f"X: {call} fits models to other columns in memory, but X is in storage and large. Pass some of its "
                "rows in memory, or fit both models and use likelihood_ratio_test."
            )


@dataclass(frozen=True)
class FitSummary:
    """What one of our estimators retains of its fit, for inference without the data."""

    curvature: Curvature | None
    # Including a constant scale.
    n_parameters: int
    n_obs: float
    log_likelihood: float
    gap: float
    converged: bool
    # False if no finite maximum exists, or if that could not be excluded: then a tiny prior took its place.
    exists: bool = True


@dataclass(frozen=True)
class Fitted:
    """What was fitted, stated once: after fit nothing reads a parameter of the constructor.

    Coefficients are not among it: those are the estimator's attributes.
    """

    # A copy of what the user gave.
    likelihood: Likelihood
    # For each predictor of the likelihood: whether its columns and its intercept were estimated.
    terms: tuple[Terms, ...]
    # That of the coefficients, relative to the total NLL.
    prior: Ridge = NO_PRIOR
    # One per class, with "balanced" resolved to numbers.
    class_weights: Any = None
    # What the weights of the fit mean, on which the dispersion depends.
    weight_type: str = "frequency"
    # How many linear predictors an offset was given for, from the first on.
    n_offsets: int = 0
    # None while the fit runs, and where the estimator was sent to a worker.
    retained: FitSummary | None = None

    @property
    def class_weighted(self) -> bool:
        """Whether rows were weighted by their class."""
        return self.class_weights is not None

    @property
    def weights_divide_dispersion(self) -> bool:
        """Whether a weight divides the dispersion of its row, which counts once; others multiply its log-likelihood."""
        return self.weight_type == "precision" and divide_dispersion(self.likelihood)

    def add_precisions(self, eta: Array, weight: Array | None) -> Array:
        """Add what the weights of rows are to the predictor of the dispersion, in place, if they divide it."""
        if weight is not None and self.weights_divide_dispersion:
            eta[self.likelihood.dispersion_index] += precision_offset(self.likelihood, weight)
        return eta

    @property
    def bias_reduced(self) -> bool:
        """Whether the estimate is Firth's."""
        return self.prior.bias_reduced

    @property
    def penalized(self) -> bool:
        """Whether the estimate maximizes something else than the likelihood."""
        return not self.prior.is_flat or self.class_weighted

    @property
    def has_several(self) -> bool:
        """Whether predictors after the first have columns: a modelled scale, or three or more classes."""
        return any(term.columns for term in self.terms[1:])

    @property
    def n_constants(self) -> int:
        """How many predictors after the first are estimated constants: scale, dispersion, shape."""
        if self.likelihood.shift_invariant:
            return 0
        return sum(term.is_constant for term in self.terms[1:])

    @property
    def n_intercepts(self) -> int:
        """How many intercepts there are beside those constants; of K classes one is redundant."""
        if self.likelihood.shift_invariant:
            return (len(self.terms) - 1) * self.terms[0].intercept
        return sum(term.intercept for term in self.terms) - self.n_constants


def _unique(names: Sequence[str], taken: set[str], what: str = "column") -> tuple[str, ...]:
    """Return the names; those that are taken or occur more than once have their position added."""
    times = Counter(names)
    return tuple(f"{name} ({what} {k})" if name in taken or times[name] > 1 else name for k, name in enumerate(names))


def _unread(*_: Any) -> Any:
    raise AssertionError("The model was made for data that are at hand.")


@dataclass(frozen=True, kw_only=True)
class FittedModel(Fitted):
    """A fitted estimator, ours or scikit-learn's: what was fitted, the coefficients, and how its data are read."""

    # The name of the estimator's class.
    name: str
    # One row per predictor of the likelihood, intercepts last, in the units of X and y: (q, p + 1).
    coefficients: Array
    # Names of the columns. A name that another column or parameter ("intercept", "log_scale") has too gets its position
    # added: "intercept (column 2)".
    features: tuple[str, ...]
    # (X, y, sample_weight, offset) -> ReadData; and (X, offset) -> the two, validated, as a predict method takes them.
    read: Callable[[Any, Any, Any, Any], ReadData] = _unread
    # The same for rows that need not be those of the fit.
    read_rows: Callable[[Any, Any, Any, Any], ReadData] = _unread
    read_features: Callable[[Any, Any], tuple[Any, Array | None]] = _unread
    # (X, y, sample_weight, offset), some of them Dask's -> the ``RawRows`` of a fit.
    read_partitions: Callable[[Any, Any, Any, Any], Any] = _unread
    # The labels of a classifier.
    classes: tuple[Any, ...] | None = None
    # Whether the prior is to be multiplied by the sum of the weights.
    prior_per_observation: bool = False
    # The class of the distribution around the estimator of which only the location is meant.
    location_of: str | None = None

    def __post_init__(self) -> None:
        # The names are made unique here, once, for all that look a parameter up. (The dataclass is frozen.)
        object.__setattr__(self, "features", _unique(self.features, {"intercept", *self.likelihood.predictor_names}))

    @property
    def is_classifier(self) -> bool:
        """Whether the outcome is a class."""
        return self.classes is not None

    @property
    def exact(self) -> bool:
        """Whether Student's t and s^2 = RSS / (n - p) are exact: Gaussian, unpenalized, one estimated scale."""
        return self.likelihood.least_squares and not self.penalized and self.n_constants == 1

    @property
    def dispersion_index(self) -> int:
        """Which predictor is that of the scale, dispersion or shape, of a likelihood that has one."""
        index = self.likelihood.dispersion_index
        assert index is not None
        return index

    @property
    def has_constant_dispersion(self) -> bool:
        """Whether one scale, dispersion or shape was estimated for all rows."""
        return self.terms[self.dispersion_index].is_constant

    @property
    def log_dispersion(self) -> float:
        """The intercept of its predictor: its logarithm, where it is the same for all rows."""
        return float(self.coefficients[self.dispersion_index, -1])

    def with_log_dispersion(self, value: float) -> "FittedModel":
        """Return the model with another intercept there."""
        coefficients = self.coefficients.copy()
        coefficients[self.dispersion_index, -1] = value
        return replace(self, coefficients=coefficients)

    @property
    def retained_curvature(self) -> Curvature | None:
        """The curvature that the fit retained, if it did."""
        return None if self.retained is None else self.retained.curvature

    @property
    def divergent(self) -> Array | None:
        """Changes of the coefficients along which the fit found no finite maximum."""
        return None if self.retained_curvature is None else self.retained_curvature.divergent

    @property
    def at_boundary(self) -> tuple[int, ...]:
        """Which constants are on the boundary of their range, where no curvature measures their error."""
        if self.likelihood.shift_invariant:
            return ()
        constants = {j for j, term in enumerate(self.terms) if term.intercept}
        ended: set[int] = set()
        for name, ends in self.likelihood.ends.items():
            j = self.likelihood.parameter_names.index(name)
            if not self.coefficients[j, :-1].any() and self.coefficients[j, -1] in ends:
                ended.add(j)
        if self.retained_curvature is not None:
            free = self.retained_curvature.predictors.terms
            ended |= {j for j in constants if not free[j].intercept}
        return tuple(sorted(constants & ended))

    def columns(self, X: Any) -> Any:
        """Return the columns that the model sees of rows, which do not depend on an offset."""
        return self.read_features(X, 0.0 if self.n_offsets else None)[0]

    def eta(self, X: Any, offset: Array | None) -> Array:
        """Return the linear predictors of validated rows, shape (q, n); the offset has the rows first."""
        eta = np.repeat(self.coefficients[:, -1:], X.shape[0], axis=1)
        eta += dot_rows(self.coefficients[:, :-1], X)
        return add_offset(eta, None if offset is None else np.atleast_2d(offset.T))

    def refuse_too_many_parameters(self) -> None:
        """Raise WorkingMemoryError where the covariance of all parameters is too large to be formed."""
        m, remedy = len(self.entries), "Fewer columns are needed; predictions and scores need no covariance"
        refuse_unless_it_fits(m, m, what=f"The covariance of {m:,} parameters", remedy=remedy)

    def predictors(self, identifications: Sequence[Identification | None], fixed: Sequence[int]) -> LinearPredictors:
        """Return the map from free parameters to predictors: of each one's active columns, of those not ``fixed``."""
        p = self.coefficients.shape[1] - 1
        terms = []
        for j, (term, found) in enumerate(zip(self.terms, identifications, strict=True)):
            active = term.active if found is None else found.active
            terms.append(Terms(False, False) if j in fixed else Terms(term.columns, term.intercept, active))
        if self.likelihood.shift_invariant:
            basis = sum_to_zero_basis(len(self.terms))
            return LinearPredictors(p, terms[: basis.shape[1]], basis)
        return LinearPredictors(p, terms)

    @cached_property
    def entries(self) -> NDArray[np.intp]:
        """The parameters' places in the flattened coefficients: predictor by predictor, the intercept first."""
        width = self.coefficients.shape[1]
        places = [
            j * width + np.append([width - 1] * term.intercept, term.indices(width - 1))
            for j, term in enumerate(self.terms)
        ]
        return np.concatenate(places).astype(np.intp)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The parameters' names, in the order of ``entries``."""
        out: list[str] = []
        # If no other predictor has columns, the location needs no name.
        first, *others = self.likelihood.predictor_names
        prefixes = [first if self.has_several else "", *others]
        if self.likelihood.shift_invariant:
            prefixes = [str(label) for label in self.classes or ()]
        for j, (term, prefix) in enumerate(zip(self.terms, prefixes, strict=True)):
            columns = [self.features[k] for k in term.indices(len(self.features))]
            names = [*["intercept"] * term.intercept, *columns]
            out += [prefix] if j and term.is_constant else [f"{prefix}: {name}" if prefix else name for name in names]
        return _unique(out, set(), "parameter")

    def place(self, argument: str, name: Any) -> int:
        """Return the position of a parameter among ``labels``, by its name or a position there.

        If there is no such parameter, the ValueError names the argument.
        """
        labels = self.labels
        if isinstance(name, int | np.integer) and -len(labels) <= name < len(labels):
            return int(name) % len(labels)
        if isinstance(name, str) and name in labels:
            return labels.index(name)
        raise ValueError(f"{argument}: {name!r} is none of {list(labels)}, nor a position in that list.")


# What a weight means: copies of a row, a precision, or the inverse of a probability of being sampled.
WEIGHT_TYPES = ("frequency", "precision", "sampling")


def divide_dispersion(likelihood: Likelihood) -> bool:
    r"""Return whether precisions divide a dispersion of the likelihood without moving its location.

    A weight that counts copies multiplies the log-likelihood of its row. A precision divides the variance of y: where
    the likelihood has a dispersion, it is an offset of the dispersion's predictor, and every row counts once:

    .. math:: \log \phi_i = \log \phi - \log w_i

    The coefficients are the same then, for the location's score is proportional to w / dispersion in these models. The
    dispersion is not: of a Gaussian it is RSS / n, with n the number of rows.
    """
    return likelihood.dispersion_parameter is not None and likelihood.smooth and likelihood.location_free_of_dispersion


def precision_offset(likelihood: Likelihood, weight: Array) -> Array:
    """Return what precisions add to the predictor of the dispersion (or scale, or shape); zero for rows without any."""
    return -np.log(np.where(weight > 0, weight, 1.0)) / likelihood.variance_power


def weights_of_deviance(fitted: Fitted, weight: Array | None, offset: Array | None) -> Array | None:
    r"""Return the weights (n,) of the unit deviances, which leave out the dispersion; None where all are one.

    An offset of the dispersion says how the dispersions of rows differ, as precisions do; only the constant beside it
    is left out:

    .. math:: D = \sum_i w_i \frac{\phi}{\phi_i} d(y_i, \mu_i)

    Where the dispersion depends on columns, it is left out whole.
    """
    j = fitted.likelihood.dispersion_index
    if offset is None or offset.ndim < 2 or j is None or fitted.terms[j].columns:
        return weight
    if not divide_dispersion(fitted.likelihood) or not offset[:, j].any():
        return weight
    precision: Array = np.exp(-fitted.likelihood.variance_power * offset[:, j])
    return precision if weight is None else weight * precision


def know_precisions(likelihood: Likelihood, terms: Sequence[Terms]) -> bool:
    """Return whether dividing variances by weights gives the estimate that weighting rows gives."""
    index = likelihood.dispersion_index
    if index is None or divide_dispersion(likelihood):
        return index is None or not terms[index].columns
    # Weights scale the variance of a count, as in quasi-likelihood; with a scale they would move the location.
    return likelihood.discrete and not terms[index].intercept
