"""What effects are on: smooth functions of one row's linear predictors, with their first and second derivatives."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, softmax

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.hypotheses import five_point_slope
from sklearn_mle.inference.model import FittedModel
from sklearn_mle.likelihoods import Likelihood

# Steps in a predictor, for differences of values and of slopes that are differences themselves: in units in which the
# distribution of y changes by about as much as it is wide.
_STEP, _WIDE_STEP = 1e-3, 1e-2


@dataclass(frozen=True)
class Quantile:
    """The quantile of y at a level, as the quantity that is averaged or compared.

    Attributes
    ----------
    level : float
        Strictly between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import GaussianMLERegressor
    >>> from sklearn_mle.inference import Quantile, average_effects, infer
    >>> X, y = np.arange(6.0)[:, None], np.array([1.0, 2, 1, 4, 7, 9])
    >>> model = GaussianMLERegressor(scale="log_linear").fit(X, y)
    >>> average_effects(infer(model), X, of=Quantile(0.9)).estimates.round(2)
    array([0.77])
    """

    level: float


@dataclass(frozen=True)
class Above:
    """The probability that y exceeds a threshold, as the quantity that is averaged or compared.

    Attributes
    ----------
    threshold : float
        In the unit of y.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLERegressor
    >>> from sklearn_mle.inference import Above, average_predictions, infer
    >>> X, y = np.arange(6.0)[:, None], np.array([1.0, 2, 1, 4, 7, 9])
    >>> model = MLERegressor("poisson").fit(X, y)
    >>> average_predictions(infer(model), X, of=Above(3)).estimates.round(3)
    array([0.439])
    """

    threshold: float


@dataclass(frozen=True)
class Probability:
    """The probability of one class, as the quantity that is averaged or compared.

    Attributes
    ----------
    label : label
        One of the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import Probability, average_effects, infer
    >>> X, y = np.arange(8.0)[:, None], np.array([0, 0, 1, 0, 1, 0, 1, 1])
    >>> inference = infer(MLELogisticClassifier().fit(X, y))
    >>> average_effects(inference, X, of=Probability(0)).estimates.round(3)
    array([-0.104])
    """

    label: Any


@dataclass(frozen=True)
class OfPredictors:
    """The inverse of a link of one predictor, or of several."""

    name: str
    places: list[int]
    link: str
    classes: tuple[Any, ...] | None = None

    def _derivatives(self, eta: Array) -> tuple[Array, Array, Array]:
        x = eta[self.places]
        if self.link == "log":
            return (np.exp(x),) * 3
        if self.link == "logit":
            p = expit(x)
            slope = p * expit(-x)
            return p, slope, slope * (expit(-x) - p)
        if self.link == "reciprocal":
            return 1 / x, -1 / x**2, 2 / x**3
        return x, np.ones_like(x), np.zeros_like(x)

    def value(self, eta: Array) -> Array:
        return self._derivatives(eta)[0]

    def jacobian(self, eta: Array) -> Array:
        return self._along(eta, self._derivatives(eta)[1])

    def turned(self, eta: Array, change: Array) -> Array:
        return self._along(eta, self._derivatives(eta)[2] * change[self.places])

    def _along(self, eta: Array, slope: Array) -> Array:
        out = np.zeros((len(slope), *eta.shape))
        out[np.arange(len(slope)), self.places] = slope
        return out


def _of_every_class(eta: Array) -> Array:
    """Return the predictors of all classes; of two, that of the first is zero."""
    return eta if len(eta) > 1 else np.concatenate([np.zeros_like(eta), eta])


def class_probabilities(eta: Array) -> Array:
    """Return the probabilities of all classes, shape (K, n)."""
    return softmax(_of_every_class(eta), axis=0)


@dataclass(frozen=True)
class OfClasses:
    """Probabilities of some of the classes."""

    name: str
    # Places of the classes, and their labels if these tell the outputs apart.
    places: list[int]
    classes: tuple[Any, ...] | None

    def value(self, eta: Array) -> Array:
        return class_probabilities(eta)[self.places]

    def jacobian(self, eta: Array) -> Array:
        p = class_probabilities(eta)
        return (p[self.places, None] * self._differences(p))[:, -len(eta) :]

    def turned(self, eta: Array, change: Array) -> Array:
        p, change = class_probabilities(eta), _of_every_class(change)
        moved = p * (change - (p * change).sum(axis=0))
        places = self.places
        out = moved[places, None] * self._differences(p) - p[places, None] * moved[None]
        return out[:, -len(eta) :]

    def _differences(self, p: Array) -> Array:
        """Return 1(k is the class) - p_k, shape (m, K, n), with all digits where p_k is nearly one."""
        out = np.repeat(-p[None], len(self.places), axis=0)
        for row, k in enumerate(self.places):
            out[row, k] = np.delete(p, k, axis=0).sum(axis=0)
        return out


@dataclass(frozen=True)
class ByDifferences:
    """Any other smooth function of a likelihood's predictors, of shape (n,)."""

    name: str
    function: Callable[[Array], Array]
    likelihood: Likelihood
    classes: ClassVar[None] = None

    def value(self, eta: Array) -> Array:
        return np.asarray(self.function(eta))[None]

    def jacobian(self, eta: Array) -> Array:
        return self._slopes(eta, units_of(self.likelihood, eta))

    def turned(self, eta: Array, change: Array) -> Array:
        units = units_of(self.likelihood, eta)
        size = np.abs(change / units).max(axis=0)
        along = change / np.where(size > 0, size, 1.0)

        def moved(t: Array) -> Array:
            return self._slopes(eta + t[0] * along, units)

        return five_point_slope(moved, np.zeros(1), 0, _WIDE_STEP) * size

    def _slopes(self, eta: Array, units: Array) -> Array:
        slopes = [five_point_slope(self.value, eta, k, _STEP * unit) for k, unit in enumerate(units)]
        return np.stack(slopes, axis=1)


def units_of(likelihood: Likelihood, eta: Array) -> Array:
    """Return changes of the predictors, shape (q, n), by which the distribution of y moves by about its width.

    That is one over the root of the information, and at most one but for a location, whose unit may be that of y.
    """
    if likelihood.equivariance == "location_scale" and likelihood.dispersion_index is not None:
        units = np.ones_like(eta)
        units[0] = np.exp(eta[likelihood.dispersion_index])
        return units
    try:
        information = np.einsum("kkn->kn", likelihood.expected_information(eta))
    except (NotImplementedError, NotSupportedError):  # a user's likelihood without a distribution
        return np.ones_like(eta)
    units = np.where((information > 0) & np.isfinite(information), information, 1.0) ** -0.5
    own = 1 if likelihood.links[0] == "identity" else 0
    units[own:] = np.minimum(units[own:], 1.0)
    return units


@dataclass(frozen=True)
class LocationAndScale:
    """The location plus the scale times a function h of the other predictors, as the mean and the quantiles are.

    So no digits of h are lost beside a location that is large, whatever the unit of y.
    """

    name: str
    h: ByDifferences
    # The place of the logarithm of the scale.
    k: int
    classes: ClassVar[None] = None

    def _parts(self, eta: Array) -> tuple[Array, Array, Array, Array]:
        """Return the standard predictors, the scale, h and its Jacobian there."""
        standard = eta.copy()
        standard[[0, self.k]] = 0
        return standard, np.exp(eta[self.k]), self.h.value(standard), self._without_both(self.h.jacobian(standard))

    def _without_both(self, slopes: Array) -> Array:
        slopes[:, [0, self.k]] = 0
        return slopes

    def value(self, eta: Array) -> Array:
        _, scale, h, _ = self._parts(eta)
        return eta[0] + scale * h

    def jacobian(self, eta: Array) -> Array:
        _, scale, h, slopes = self._parts(eta)
        out = scale * slopes
        out[:, 0], out[:, self.k] = 1.0, scale * h
        return out

    def turned(self, eta: Array, change: Array) -> Array:
        standard, scale, h, slopes = self._parts(eta)
        of_scale, of_shapes = change[self.k], change.copy()
        of_shapes[[0, self.k]] = 0
        along = (slopes * of_shapes).sum(axis=1)
        out = scale * (of_scale * slopes + self._without_both(self.h.turned(standard, of_shapes)))
        out[:, self.k] = scale * (of_scale * h + along)
        return out


class Logarithm:
    """The logarithm of a positive function: its slopes are relative changes."""

    name: str
    classes: tuple[Any, ...] | None

    def __init__(self, of: "SmoothFunction") -> None:
        self.of, self.name, self.classes = of, of.name, of.classes

    def value(self, eta: Array) -> Array:
        return np.log(self.of.value(eta))

    def jacobian(self, eta: Array) -> Array:
        return self.of.jacobian(eta) / self.of.value(eta)[:, None]

    def turned(self, eta: Array, change: Array) -> Array:
        value, jacobian = self.of.value(eta)[:, None], self.of.jacobian(eta)
        along = (jacobian * change).sum(axis=1, keepdims=True)
        return (self.of.turned(eta, change) - jacobian * along / value) / value


# A function of the predictors eta (q, n) with m outputs in each row. Each has the ``name`` that tables call it by; the
# ``classes`` of the outputs, if there are several; the ``value`` of the outputs (m, n); their derivatives in the
# predictors, ``jacobian`` (m, q, n); and the derivative of the Jacobian along a change of the predictors (q, n),
# ``turned`` (m, q, n).
SmoothFunction = OfPredictors | OfClasses | ByDifferences | LocationAndScale | Logarithm


def _mean(model: FittedModel) -> SmoothFunction:
    """Return the mean as ``predict`` gives it: the location where there is none."""
    likelihood = model.likelihood
    if likelihood.least_squares or likelihood.parameter_names[0] in ("mean", "probability"):
        return OfPredictors("mean of y", [0], likelihood.links[0])

    def mean(eta: Array) -> Array:
        try:
            found = likelihood.mean(eta)
        except NotImplementedError:  # a user's likelihood that gives neither mean nor distribution
            return np.asarray(eta[0])
        return np.where(np.isnan(found), eta[0], found)

    return _of_location(ByDifferences("mean of y", mean, likelihood))


def _of_location(function: ByDifferences) -> SmoothFunction:
    """Return a function that moves with y, split into the location and the scale where the likelihood has both."""
    k = function.likelihood.dispersion_index
    if function.likelihood.equivariance != "location_scale" or k is None:
        return function
    return LocationAndScale(function.name, function, k)


def smooth_function(of: Any, model: FittedModel) -> SmoothFunction:
    """Return the function of the predictors that ``of`` means for a model."""
    if of is None:
        of = "probability" if model.is_classifier else "mean"
    if model.is_classifier:
        return _of_classifier(of, model)
    if of not in ("mean", "predictor"):
        refuse("noise_effects", model)
    likelihood = model.likelihood
    if isinstance(of, Quantile):
        level = of.level
        if not (isinstance(level, Real) and 0 < level < 1):
            raise ValueError(f"of: the level of a quantile must lie strictly between 0 and 1; got {level!r}.")
        refuse("quantile_effects", model)
        return _of_location(
            ByDifferences(
                f"quantile of y at {level:g}", lambda eta: likelihood.quantile_at(eta, float(level)), likelihood
            )
        )
    if isinstance(of, Above):
        if not (isinstance(of.threshold, Real) and np.isfinite(float(of.threshold))):
            raise ValueError(f"of: the threshold must be a finite number; got {of.threshold!r}.")
        if likelihood.y_columns != (1,):
            raise NotSupportedError(
                f"of: {likelihood!r} has outcomes with several columns, to which no single threshold applies. Use "
                "'mean'."
            )
        threshold = float(of.threshold)
        return ByDifferences(
            f"P(y > {threshold:g})",
            lambda eta: likelihood.distribution(eta).sf(np.full(eta.shape[1], threshold)),
            likelihood,
        )
    if of == "mean":
        return _mean(model)
    if of == "predictor":
        return OfPredictors(f"linear predictor ({likelihood.predictor_names[0]})", [0], "identity")
    names = likelihood.parameter_names
    if isinstance(of, str) and of in names:
        k = names.index(of)
        return OfPredictors(f"{of} of y", [k], likelihood.links[k])
    raise NotSupportedError(
        f"of: {of!r} is not a quantity of {model.name} with {likelihood!r}. Choose 'mean', 'predictor', a parameter of "
        f"its distribution ({', '.join(map(repr, names))}), Quantile(level) or Above(threshold)."
    )


def _of_classifier(of: Any, model: FittedModel) -> SmoothFunction:
    classes = model.classes or ()
    several = list(range(len(classes))) if len(classes) > 2 else []
    if isinstance(of, Probability):
        if of.label not in classes:
            raise ValueError(f"of: the label must be one of the classes {list(classes)}; got {of.label!r}.")
        return OfClasses(f"probability of class {of.label}", [classes.index(of.label)], None)
    if of == "probability" and several:
        return OfClasses("probability of each class", several, classes)
    if of == "probability":
        return OfClasses(f"probability of class {classes[1]}", [1], None)
    if of == "predictor" and several:
        return OfPredictors("linear predictor of each class", several, "identity", classes)
    if of == "predictor":
        return OfPredictors("linear predictor (logit)", [0], "identity")
    raise NotSupportedError(
        f"of: {of!r} is not a quantity of the classifier {model.name}. Choose 'probability', Probability(label) or "
        "'predictor'."
    )
