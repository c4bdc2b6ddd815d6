"""scikit-learn's linear models as fitted models: which likelihood each of them maximizes, and under which prior.

Each is translated by the formula that it minimizes. Half a mean deviance with a penalty alpha is the mean NLL times the
dispersion, with a prior relative to it. A dispersion that is no attribute is estimated from the data, once they are
there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import _check_sample_weight, validate_data

from sklearn_mle._numerics.arguments import refuse_masked
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.stored import StoredArray, as_stored
from sklearn_mle._penalties import Ridge
from sklearn_mle._predictors import Terms
from sklearn_mle.inference.model import FittedModel, ReadData
from sklearn_mle.likelihoods import (
    Bernoulli,
    Categorical,
    Gamma,
    Gaussian,
    Huber,
    InverseGaussian,
    Likelihood,
    Poisson,
    Tweedie,
)


def feature_names_of(estimator: Any, given: Any) -> tuple[str, ...]:
    """Return the names that the estimator has seen, those given, or x0, x1, ..."""
    names = getattr(estimator, "feature_names_in_", given)
    p = estimator.n_features_in_
    return tuple(f"x{j}" for j in range(p)) if names is None or len(names) != p else tuple(str(name) for name in names)


@dataclass(frozen=True)
class _Translation:
    """An estimator of scikit-learn, which reads X, and the likelihood that it maximizes, which reads y."""

    estimator: Any
    likelihood: Likelihood
    classes: Array | None = None
    class_weights: Any = None

    def features(self, X: Any, offset: Any) -> tuple[Any, None]:
        """Return validated X; no estimator of scikit-learn is fitted with an offset."""
        if offset is not None:
            raise ValueError(f"offset: {type(self.estimator).__name__} was not fitted with one.")
        X = as_stored(X)
        # Of an array in storage only the first row is validated here; the first pass checks the others.
        seen = X[:1] if isinstance(X, StoredArray) else X
        seen = validate_data(self.estimator, seen, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        return X if isinstance(X, StoredArray) else seen, None

    def rows(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> ReadData:
        """Return validated data."""
        refuse_masked(y=y, sample_weight=sample_weight)
        X = self.features(X, offset)[0]
        target = self.target(y)
        check_consistent_length(X, target)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            if not weight.any():
                raise ValueError("sample_weight must be numbers >= 0, not all of them zero.")
        return ReadData(X, target, weight, self.class_weight(target, weight), None)

    def target(self, y: Any) -> Array:
        """Return y; of labels the codes, of two classes as numbers."""
        if self.classes is None:
            y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
            _refuse_targets(y.shape[1:])
            return self.likelihood.check_target(column_or_1d(y))
        labels = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y"))
        codes = np.minimum(np.searchsorted(self.classes, labels), len(self.classes) - 1)
        if not (self.classes[codes] == labels).all():
            raise ValueError(f"y has labels that are not among the fitted classes {self.classes.tolist()}.")
        return codes.astype(np.float64) if len(self.classes) == 2 else codes

    def class_weight(self, target: Array, weight: Array | None) -> Array | None:
        """Return what class weights multiply the weight of each row by."""
        if self.classes is None or self.class_weights is None:
            return None
        codes, n_classes = target.astype(np.intp), len(self.classes)
        if self.class_weights != "balanced":
            return np.array([self.class_weights.get(label, 1.0) for label in self.classes.tolist()])[codes]
        mass = np.bincount(codes, weight, n_classes)
        return (mass.sum() / (n_classes * mass))[codes]

    def model(
        self, coefficients: Array, alpha: float, *, per_observation: bool = True, noise: tuple[Terms, ...] = ()
    ) -> FittedModel:
        """Return the model under a prior of precision alpha; its columns have no names yet."""
        n_locations = len(coefficients) - len(noise)
        return FittedModel(
            name=type(self.estimator).__name__,
            likelihood=self.likelihood,
            coefficients=coefficients.astype(np.float64),
            features=(),
            terms=(*[Terms(True, bool(self.estimator.fit_intercept))] * n_locations, *noise),
            prior=Ridge((alpha,)),
            prior_per_observation=per_observation,
            class_weights=self.class_weights,
            classes=None if self.classes is None else tuple(self.classes.tolist()),
            read=self.rows,
            read_rows=self.rows,
            read_features=self.features,
        )


def _dispersed(
    estimator: Any, likelihood: Likelihood, alpha: float, *, per_observation: bool = True, known: float | None = None
) -> FittedModel:
    """Return a model with a dispersion that is known, or is estimated from the data, once they are there."""
    if getattr(estimator, "positive", False):
        raise TypeError("infer does not support positive=True: coefficients on their bound have no standard error.")
    coefficients = np.stack([_location(estimator)] * 2)
    coefficients[1] = 0
    coefficients[1, -1] = np.nan if known is None else np.log(known)
    noise = (Terms(False, known is None, known=known),)
    return _Translation(estimator, likelihood).model(coefficients, alpha, per_observation=per_observation, noise=noise)


def _refuse_targets(shape: tuple[int, ...]) -> None:
    if shape and shape[0] > 1:
        raise ValueError("infer takes one target; fit each column of y, and call infer, separately.")


def _number(estimator: Any, name: str) -> float:
    """Return a penalty that is one number."""
    values = np.unique(np.ravel(getattr(estimator, name)))
    if len(values) != 1:
        raise TypeError(f"infer reads one {name}; this {type(estimator).__name__} has {len(values)}.")
    return float(values[0])


def _location(estimator: Any) -> Array:
    _refuse_targets(np.shape(estimator.coef_)[:-1])
    return np.append(np.ravel(estimator.coef_), np.ravel(estimator.intercept_)[:1]).astype(np.float64)


def _logistic(estimator: Any) -> FittedModel:
    classes = estimator.classes_
    binary = len(classes) == 2
    if not binary and (
        getattr(estimator, "multi_class", None) == "ovr" or estimator.solver == "liblinear" or len(estimator.coef_) == 1
    ):
        raise TypeError("infer supports multinomial fits only; this LogisticRegression is one-versus-rest.")
    penalty, l1_ratio = getattr(estimator, "penalty", "l2"), getattr(estimator, "l1_ratio", None)
    strength = _number(estimator, "C_") if hasattr(estimator, "C_") else estimator.C
    alpha = 0.0 if penalty is None or np.isinf(strength) else 1 / strength
    if alpha and (penalty in ("l1", "elasticnet") or l1_ratio):
        raise TypeError("infer needs a likelihood that is smooth in the coefficients; this fit has an l1 penalty.")
    if alpha and estimator.solver == "liblinear" and estimator.fit_intercept:
        raise TypeError("infer does not support solver='liblinear' with an intercept, which it penalizes; use 'lbfgs'.")
    coefficients = np.column_stack([estimator.coef_, np.broadcast_to(estimator.intercept_, len(estimator.coef_))])
    if not binary:
        coefficients = coefficients - coefficients.mean(axis=0)
    likelihood = Bernoulli() if binary else Categorical(len(classes))
    translation = _Translation(estimator, likelihood, classes, estimator.class_weight)
    return translation.model(coefficients, alpha, per_observation=False)


def _poisson(estimator: Any) -> FittedModel:
    # alpha is relative to the mean half-deviance: the prior is alpha times the sum of the weights.
    return _Translation(estimator, Poisson()).model(_location(estimator)[None], float(estimator.alpha))


def _tweedie(estimator: Any) -> FittedModel:
    power, link = estimator.power, estimator.link
    if (link if link != "auto" else "identity" if power <= 0 else "log") != ("identity" if power == 0 else "log"):
        raise TypeError(f"infer does not support a TweedieRegressor of power={power} with link={link!r}.")
    if power == 1:
        return _poisson(estimator)
    members: dict[float, Likelihood] = {0: Gaussian(), 2: Gamma(), 3: InverseGaussian()}
    if power not in members and not 1 < power < 2:
        raise TypeError(f"infer supports a TweedieRegressor with power 0, 3, or from 1 to 2; got power={power}.")
    return _dispersed(estimator, members.get(power) or Tweedie(power=float(power)), float(estimator.alpha))


def _ridge(estimator: Any) -> FittedModel:
    # (|y - Xw|^2 + alpha |w|^2) / (2 sigma^2)
    alpha = _number(estimator, "alpha_" if hasattr(estimator, "alpha_") else "alpha")
    return _dispersed(estimator, Gaussian(), alpha, per_observation=False)


def _huber(estimator: Any) -> FittedModel:
    """Return the location of Huber's likelihood at the scale that was fitted beside it, which is not its own.

    HuberRegressor minimizes the sum of s + s H(r / s), H twice Huber's loss, plus alpha |w|^2: divided by 2 s that is
    the NLL of the location, with the precision alpha / s.
    """
    scale = float(estimator.scale_)
    if not scale > 0:
        raise TypeError("infer does not support a HuberRegressor whose scale_ is zero: it fits every row exactly.")
    # The prior is relative to the noise, which divides it again.
    alpha, likelihood = float(estimator.alpha) * scale, Huber(epsilon=float(estimator.epsilon))
    return _dispersed(estimator, likelihood, alpha, per_observation=False, known=scale)


def _sgd_alpha(estimator: Any) -> float:
    """Return the precision per observation of a fit by stochastic gradients, of a mean loss with a squared penalty."""
    if estimator.penalty not in ("l2", None):
        raise TypeError("infer needs a likelihood that is smooth in the coefficients; this fit has an l1 penalty.")
    return 0.0 if estimator.penalty is None else float(estimator.alpha)


def _sgd_classifier(estimator: Any) -> FittedModel:
    if estimator.loss != "log_loss" or len(estimator.classes_) != 2 or estimator.class_weight is not None:
        raise TypeError("infer supports an SGDClassifier of two classes with loss='log_loss' and no class_weight.")
    translation = _Translation(estimator, Bernoulli(), estimator.classes_)
    return translation.model(_location(estimator)[None], _sgd_alpha(estimator))


def _sgd_regressor(estimator: Any) -> FittedModel:
    if estimator.loss != "squared_error":
        raise TypeError(f"infer supports an SGDRegressor with loss='squared_error'; got loss={estimator.loss!r}.")
    return _dispersed(estimator, Gaussian(), _sgd_alpha(estimator))


# By the names of the classes, so that subclasses are found as well.
READERS: dict[str, Callable[[Any], FittedModel]] = {
    "LogisticRegression": _logistic,
    "LinearRegression": lambda estimator: _dispersed(estimator, Gaussian(), 0.0, per_observation=False),
    "Ridge": _ridge,
    "RidgeCV": _ridge,
    "PoissonRegressor": _poisson,
    "GammaRegressor": lambda estimator: _dispersed(estimator, Gamma(), float(estimator.alpha)),
    "TweedieRegressor": _tweedie,
    "HuberRegressor": _huber,
    "SGDClassifier": _sgd_classifier,
    "SGDRegressor": _sgd_regressor,
}
