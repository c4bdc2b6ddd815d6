"""What every likelihood offers: the rowwise negative log-likelihood and its derivatives."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from functools import partial
from inspect import isfunction
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, clone

from sklearn_mle._numerics.arrays import Array as Array  # every likelihood names it
from sklearn_mle._numerics.double_double import DoubleDouble

# From so many rows in a block on, a likelihood may sum its losses to an absolute eps per row, for speed; with fewer,
# time does not matter, and small losses keep all their digits.
MANY_ROWS = 4096


class Link(NamedTuple):
    """How a parameter and its linear predictor are computed from each other, and what the latter's name begins with."""

    prefix: str
    predictor: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


LINKS = {
    "identity": Link("", np.positive, np.positive),
    "log": Link("log_", np.log, np.exp),
    "logit": Link("logit_", logit, expit),
    "reciprocal": Link("inverse_", np.reciprocal, np.reciprocal),
}


class Likelihood(BaseEstimator, ABC):
    r"""A probability model of one outcome y given its linear predictors eta.

    .. math:: \text{nll}(y, \eta) = -\log p(y \mid \eta) , \qquad
        \text{gradient}_j = \frac{\partial\,\text{nll}}{\partial \eta_j} , \qquad
        \text{hessian}_{jk} = \frac{\partial^2\,\text{nll}}{\partial \eta_j\,\partial \eta_k} , \qquad
        \text{expected information} = \mathrm{E}_{y \mid \eta}\,\text{hessian}

    All methods take the same arguments: ``y`` of shape (n,) as ``check_target`` returns it, ``eta`` of shape (q, n),
    and non-negative ``weight`` of shape (n,), or None if every row has weight 1.

    Arrays are predictors-first: ``eta`` has shape (q, n), so that ``location, log_scale = eta`` reads as the formula
    does and each predictor is contiguous. Everything is in nats, constants included. The functions compute in the
    floating-point type of ``eta`` (``np.longdouble`` too: the last digits of ill-conditioned fits need it).

    Likelihoods are scikit-learn ``BaseEstimator`` only for ``get_params``: a grid search can then set their parameters.

    References
    ----------
    Y. Pawitan (2001), In All Likelihood, chapters 2 and 8; the source of each model stands with it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Poisson
    >>> poisson, y, eta = Poisson(), np.array([0.0, 2.0]), np.log([[1.0, 2.0]])
    >>> poisson.nll(y, eta).round(4), poisson.gradient(y, eta)
    (array([1.    , 1.3069]), array([[1., 0.]]))
    >>> poisson.expected_information(eta)
    array([[[1., 2.]]])
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Suppress floating-point warnings in the formulas: exp(eta) may overflow, log(0) is -inf."""
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if isfunction(method) and not name.startswith("_"):
                setattr(cls, name, np.errstate(all="ignore")(method))

    # True where the NLL is jointly convex in eta, so that Newton's method needs no guard against negative curvature.
    convex: ClassVar[bool] = True
    # True where it is convex in the location's predictor, the others being fixed: least squares is then a safe start.
    convex_in_location: ClassVar[bool] = True
    # True where the Hessian does not depend on eta: one Newton step is exact and the curvature is computed once.
    quadratic: ClassVar[bool] = False
    # False where the NLL has kinks in eta, so that its Hessian is not what its information is (laplace).
    smooth: ClassVar[bool] = True
    # True where the location's MLE is least squares whatever the other parameters are, so that t and F are exact.
    least_squares: ClassVar[bool] = False
    # True where the variance is the dispersion times a function of the mean: Pearson's statistic estimates it.
    exponential_dispersion: ClassVar[bool] = False
    # True where Jeffreys' prior (Firth's bias reduction) is supported, by ``information_slope`` and methods like it.
    jeffreys: ClassVar[bool] = False
    # True where adding one number to all predictors of a row changes nothing: all of them are locations, and have the
    # same columns.
    shift_invariant: ClassVar[bool] = False
    # The parameter that measures the noise about the location (a scale, dispersion, shape or precision), always with
    # the logarithm as its link; None where there is no such parameter.
    dispersion_parameter: ClassVar[str | None] = None
    # The power of it that the variance of y (in the unit of y, or relative to y) is proportional to: 2 for a scale, 1
    # for a dispersion, -1 for a precision. The noise vanishes as the parameter does, or as it grows.
    variance_power: ClassVar[float] = 2.0
    # True where the noise may vanish, so that an outcome fitted exactly is infinitely likely: a prior on the location's
    # coefficients is then relative to the noise (or it would lose against a perfect fit, whatever its precision).
    noise_can_vanish: ClassVar[bool] = False
    # True where the location's MLE, without a prior, does not depend on the value of a constant dispersion parameter.
    location_free_of_dispersion: ClassVar[bool] = False
    # "location_scale": c y + m has the same likelihood, of location c * location + m and log scale + log c.
    # "scale": c y has it, with ``unit_powers`` times log c added to eta. The NLL of every (positive) y grows by log c.
    equivariance: ClassVar[Literal["location_scale", "scale"] | None] = None
    # True where the location's coefficients may diverge, in directions that ``opposes`` tells.
    may_diverge: ClassVar[bool] = False
    # Constructor parameters that a fit may estimate instead: ``estimating`` makes them parameters of the distribution.
    estimable: ClassVar[tuple[str, ...]] = ()
    # Numbers of columns that y may have; y of several is (columns, n) here.
    y_columns: ClassVar[tuple[int, ...]] = (1,)
    # True where y may be infinite, as the bound of an interval that is open on that side.
    open_ended: ClassVar[bool] = False
    # True where y holds codes 0, 1, ... of classes (or their probabilities), not numbers.
    holds_class_codes: ClassVar[bool] = False
    # True where y must be above zero (scikit-learn's target tag of that name).
    positive_only: ClassVar[bool] = False
    # True where the likelihood of y is a probability, not a density.
    discrete: ClassVar[bool] = False
    # The simpler likelihood of log y, whose NLL lacks only log y.
    of_logarithm: ClassVar["Likelihood | None"] = None
    # The simpler likelihood that this one equals for a single column of fractions.
    of_fractions: ClassVar["Likelihood | None"] = None
    # What y may be, and what to do about other values: for error messages.
    domain: ClassVar[str] = "finite real numbers"
    remedy: ClassVar[str] = "Remove or repair such rows."

    @property
    @abstractmethod
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the distribution's parameters, the location first, whatever their links."""

    @property
    def links(self) -> tuple[str, ...]:
        """The link of each parameter to its linear predictor: a name in ``LINKS``."""
        return ("identity",) * len(self.parameter_names)

    @property
    def predictor_names(self) -> tuple[str, ...]:
        """One name per linear predictor: the parameter's, after its link's."""
        return tuple(LINKS[link].prefix + name for link, name in zip(self.links, self.parameter_names, strict=True))

    @property
    def n_predictors(self) -> int:
        """Number of linear predictors, q."""
        return len(self.parameter_names)

    @abstractmethod
    def nll(self, y: Array, eta: Array) -> Array:
        """Return the rowwise negative log-likelihood in nats, shape (n,)."""

    @abstractmethod
    def gradient(self, y: Array, eta: Array) -> Array:
        """Return the rowwise gradient of the NLL with respect to eta, shape (q, n)."""

    def exact_gradient(self, y: Array, eta: DoubleDouble) -> DoubleDouble:
        """Return ``gradient`` at predictors of twice the precision, with as many digits as the machine has.

        Those of ``np.longdouble``, in which likelihoods can compute.
        """
        return DoubleDouble.of(self.gradient(y, eta.high.astype(np.longdouble) + eta.low))

    @abstractmethod
    def hessian(self, y: Array, eta: Array) -> Array:
        """Return the rowwise Hessian of the NLL with respect to eta, shape (q, q, n)."""

    @abstractmethod
    def expected_information(self, eta: Array) -> Array:
        """Return the Hessian's expectation over y given eta, shape (q, q, n): always positive semidefinite."""

    def information(self, y: Array, eta: Array) -> Array:
        """Return the expected information of these rows, shape (q, q, n), where y says how they were measured.

        That is ``expected_information`` but for counts of trials: y holds their number, which is no outcome.
        """
        return self.expected_information(eta)

    @property
    def unit_powers(self) -> tuple[float, ...]:
        """What is added to eta, per unit of log c, when y becomes c y: for ``equivariance = "scale"``."""
        return (1.0,) + (0.0,) * (self.n_predictors - 1)

    @property
    def dispersion_index(self) -> int | None:
        """The place of ``dispersion_parameter`` among the parameters."""
        return None if self.dispersion_parameter is None else self.parameter_names.index(self.dispersion_parameter)

    @property
    def quantile_level(self) -> float | None:
        """The level of the quantile that the location is, where the NLL is the quantile loss; None elsewhere."""
        return None

    @property
    def ends(self) -> dict[str, tuple[float, float]]:
        """Parameters whose predictor may have no finite optimum, and the values from which on the NLL is flat in it."""
        return {}

    @property
    def bounded_parameters(self) -> tuple[str, ...]:
        """The parameters whose predictor is in [0, 1] and may be estimated at either bound."""
        return ()

    @property
    def constant_parameters(self) -> tuple[str, ...]:
        """The parameters that are one number for all rows, which no column changes."""
        return self.bounded_parameters

    def estimating(self, names: Collection[str]) -> "Likelihood":
        """Return the likelihood in which these of its ``estimable`` constructor parameters are to be estimated."""
        unknown = sorted(set(names) - set(self.estimable))
        if unknown:
            raise ValueError(f"{type(self).__name__} cannot estimate {unknown}, only {list(self.estimable)}.")
        return clone(self).set_params(**dict.fromkeys(names, "estimate")) if names else self

    def boundary_of(self, larger: "Likelihood") -> bool | None:
        """Return whether this likelihood is ``larger`` at a boundary of its parameters; None where it is not within."""
        return False if repr(self) == repr(larger) else None

    def in_units_of_mean(self, y: Array) -> tuple[Array, Array | None]:
        """Return y in the units of ``mean``, and the factors of the rows' weights (None if there are none)."""
        return y, None

    def opposes(self, y: Array) -> tuple[Array, Array]:
        """Return which rows become less likely as the location's predictor tends to -inf, and to inf; each (n,)."""
        raise NotImplementedError(f"{type(self).__name__} does not define opposes(y).")

    def parameters(self, eta: Array) -> Array:
        """Return the parameters of the distribution, shape (q, n): the inverse links of the linear predictors."""
        with np.errstate(all="ignore"):
            return np.array([LINKS[link].inverse(row) for link, row in zip(self.links, eta, strict=True)])

    def predictor_of(self, k: int, value: float) -> float:
        """Return the value of linear predictor k at which its parameter has this value."""
        return float(LINKS[self.links[k]].predictor(np.asarray(value)))

    def link(self, y: Array) -> Array | None:
        """Return the location's linear predictor that fits each y best, shape (n,); None where it is not known."""
        return None

    def check_parameters(self) -> None:
        """Raise ValueError if a constructor parameter is out of its range; scikit-learn's constructors do not check."""

    def check_target(self, y: Any) -> Array:
        """Return y as float64, shape (n,) or (columns, n), after checking that it is in the likelihood's domain.

        Raises
        ------
        ValueError
            Naming the domain, the first row outside it, and the remedy.
        """
        y, name = np.asarray(y, dtype=np.float64), type(self).__name__
        if not (y.ndim == 1 in self.y_columns or (y.ndim == 2 and 1 < len(y) in self.y_columns)):
            shapes = " or ".join("(n,)" if k == 1 else f"({k}, n)" for k in self.y_columns)
            raise ValueError(f"y: the {name} likelihood takes an array of shape {shapes}; got shape {y.shape}.")
        columns = np.atleast_2d(y)
        outside = (np.isnan(columns) if self.open_ended else ~np.isfinite(columns)).any(axis=0) | self._outside(y)
        if outside.any():
            row = int(np.argmax(outside))
            values = [f"{value:.10g}" for value in columns[:, row]]
            got = values[0] if len(values) == 1 else f"({', '.join(values)})"
            raise ValueError(f"y: the {name} likelihood takes {self.domain}; row {row} is {got}. {self.remedy}")
        return y

    def _outside(self, y: Array) -> Array:
        """Return which rows of y are outside the domain, though their numbers may be finite, shape (n,)."""
        return y <= 0 if self.positive_only else np.zeros(y.shape[-1], dtype=bool)

    def start(self, y: Array, weight: Array | None) -> Array:
        """Return robust intercepts of the linear predictors, shape (q,), for data without features; always finite."""
        return np.zeros(self.n_predictors)

    def distribution(self, eta: Array) -> Any:
        """Return the distribution of y given eta: frozen, of ``scipy.stats`` or alike, one entry per row."""
        raise NotImplementedError(
            f"{type(self).__name__} has no distribution: predict_distribution, predict_interval, predict_quantile, "
            "sample and compare need its method distribution(eta), which returns a frozen scipy.stats distribution."
        )

    def mean(self, eta: Array) -> Array:
        """Return the mean of y given eta, shape (n,); nan or inf where it does not exist."""
        return self.distribution(eta).mean()

    def standard_deviation(self, eta: Array) -> Array:
        """Return the standard deviation of y given eta, shape (n,); nan or inf where it does not exist."""
        return self.distribution(eta).std()

    def squared_pearson_residual(self, y: Array, eta: Array) -> Array:
        """Return (y - mean)^2 / variance given eta, shape (n,): their total is Pearson's X^2."""
        return np.square((y - self.mean(eta)) / self.standard_deviation(eta))

    @property
    def support(self) -> tuple[float, float]:
        """The least and the largest y, for the distributions of this library."""
        return (0.0 if self.discrete or self.positive_only else -np.inf), np.inf

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        """Return P(Y <= y), or P(Y > y) with ``upper``, of y in the support, shape (n,); whole y where discrete.

        For the distributions of this library: a likelihood of your own gives one of ``scipy.stats`` or alike.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define tail(y, eta, upper=...).")

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        """Return the y whose ``tail`` is a level in (0, 1), shape (n,): 0 or infinite where no float's is."""
        raise NotImplementedError(f"{type(self).__name__} does not define tail_quantile(level, eta, upper=...).")

    def drawn_well(self, eta: Array) -> Array:
        """Return which rows numpy draws from without loss, shape (n,); others are drawn by their quantiles."""
        return np.ones(eta.shape[1], dtype=bool)

    def quantile_at(self, eta: Array, level: float | Array) -> Array:
        """Return the quantile of y given eta at a level in (0, 1), shape (n,)."""
        return self.distribution(eta).ppf(level)

    def deviance(self, y: Array, eta: Array) -> Array:
        """Return the unit deviance, shape (n,): zero where the location fits y as well as any location could.

        Twice the NLL less the NLL at the row's own best location. GLMs leave out the dispersion, so that it is in the
        units of the squared error (as R's ``deviance``); other likelihoods take it at the model's scale.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no deviance: deviance and d2_score need its method deviance(y, eta). "
            "log_likelihood needs nothing more."
        )

    def information_diagonal(self, eta: Array) -> Array:
        """Return the diagonal of the expected information, shape (q, n)."""
        return np.einsum("kkn->kn", self.expected_information(eta))

    def total_information(self, eta: Array, weight: Array | None) -> Array:
        """Return the weighted sum over rows of the expected information, shape (q, q)."""
        information = self.expected_information(eta)
        return information.sum(axis=-1) if weight is None else information @ weight

    def hessian_operator(self, y: Array, eta: Array, weight: Array | None) -> Callable[[Array], Array]:
        """Return the map of a change of eta (q, n) to the weighted Hessian times it."""
        hessian = self.hessian(y, eta)
        if weight is not None:
            hessian = hessian * weight
        if len(hessian) == 1:
            return partial(np.multiply, hessian[0])
        return partial(np.einsum, "jkn,kn->jn", hessian)

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        """Return the rowwise NLL and its gradient; this default shares nothing between the two."""
        return self.nll(y, eta), self.gradient(y, eta)

    def total_and_gradient(self, y: Array, eta: Array, weight: Array | None) -> tuple[float, Array]:
        """Return the weighted total NLL and the weighted rowwise gradient, shape (q, n).

        One call so that a likelihood can share the costly part of the two (``nll_and_gradient``).
        """
        nll, gradient = self.nll_and_gradient(y, eta)
        if weight is None:
            return float(nll.sum()), gradient
        gradient *= weight
        return float(weight @ nll), gradient

    def total_gradient_and_hessian(self, y: Array, eta: Array, weight: Array | None) -> tuple[float, Array, Array]:
        """Return the result of ``total_and_gradient`` and the rowwise Hessian, (q, q, n), without the weights."""
        return *self.total_and_gradient(y, eta, weight), self.hessian(y, eta)


def symmetric(first: Array, cross: Array, second: Array) -> Array:
    """Return the rowwise (2, 2, n) matrix [[first, cross], [cross, second]]."""
    return np.array([[first, cross], [cross, second]])
