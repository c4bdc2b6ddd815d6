"""scikit-learn's linear models as fitted models: which likelihood each of them maximizes, and under which prior.

Each is translated by the formula that it minimizes. Half a mean deviance with a penalty alpha is the mean NLL times the
dispersion, with a prior relative to it. A dispersion that is no attribute is estimated from the data, once they are
there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import _check_sample_weight, validate_data

from sklearn_mle._numerics.arguments import refuse_masked
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

Array = NDArray[Any]


def feature_names_of(estimator: Any, given: Any) -> tuple[str, ...]:
    """Return the names that the estimator has seen, those given, or x0, x1, ..."""
    names = getattr(estimator, "feature_names_in_", given)
    p = estimator.n_features_in_
    return tuple(f"x{j}" for j in range(p)) if names is None or len(names) != p else tuple(str(name) for name in names)


def _model(
    estimator: Any, names: tuple[str, ...], likelihood: Likelihood, coefficients: Array, read_target: Any, **more: Any
) -> FittedModel:
    """Return a model of scikit-learn's; ``read_target`` turns y into what the likelihood reads."""

    def read_features(X: Any, offset: Any) -> tuple[Any, None]:
        if offset is not None:
            raise ValueError(f"offset: {type(estimator).__name__} was not fitted with one.")
        X = as_stored(X)
        # Of rows in storage the first stands for all; the first pass sees the others.
        seen = X[:1] if isinstance(X, StoredArray) else X
        seen = validate_data(estimator, seen, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        return X if isinstance(X, StoredArray) else seen, None

    def read(X: Any, y: Any, sample_weight: Any, offset: Any) -> ReadData:
        refuse_masked(y=y, sample_weight=sample_weight)
        X = read_features(X, offset)[0]
        target = read_target(y)
        check_consistent_length(X, target)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            if not weight.any():
                raise ValueError("sample_weight must be numbers >= 0, not all of them zero.")
        of_class = _class_weight(more.get("class_weights"), more.get("classes", ()), target, weight)
        return ReadData(X, target, weight, of_class, None)

    more.setdefault("terms", (Terms(True, bool(estimator.fit_intercept)),) * len(coefficients))
    return FittedModel(
        name=type(estimator).__name__,
        likelihood=likelihood,
        coefficients=coefficients.astype(np.float64),
        features=names,
        read=read,
        read_rows=read,
        read_features=read_features,
        **more,
    )


def _logistic(estimator: Any, names: tuple[str, ...]) -> FittedModel:
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

    return _model(
        estimator,
        names,
        Bernoulli() if binary else Categorical(len(classes)),
        coefficients,
        _labels_of(classes),
        classes=tuple(classes.tolist()),
        prior=Ridge((alpha,)),
        class_weights=estimator.class_weight,
    )


def _labels_of(classes: Array) -> Any:
    """Return how labels are read as codes; of two classes as numbers."""

    def read_target(y: Any) -> Array:
        labels = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y"))
        codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
        if not (classes[codes] == labels).all():
            raise ValueError(f"y has labels that are not among the fitted classes {classes.tolist()}.")
        return codes.astype(np.float64) if len(classes) == 2 else codes

    return read_target


def _class_weight(given: Any, classes: tuple[Any, ...], target: Array, weight: Array | None) -> Array | None:
    """Return what scikit-learn's class weights multiply the weight of each row by."""
    if given is None:
        return None
    codes = target.astype(np.intp)
    if given != "balanced":
        return np.array([given.get(label, 1.0) for label in classes])[codes]
    mass = np.bincount(codes, weight, len(classes))
    return (mass.sum() / (len(classes) * mass))[codes]


def _real_target(y: Any) -> Array:
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    _refuse_targets(y.shape[1:])
    return column_or_1d(y)


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


def _dispersed(
    estimator: Any, names: tuple[str, ...], likelihood: Likelihood, alpha: float, *, per_observation: bool
) -> FittedModel:
    """Return a model whose dispersion is no attribute: it is estimated from the data, once they are there."""
    if getattr(estimator, "positive", False):
        raise TypeError("infer does not support positive=True: coefficients on their bound have no standard error.")
    location = _location(estimator)
    coefficients = np.stack([location, np.append(np.zeros(len(location) - 1), np.nan)])
    terms = (Terms(True, bool(estimator.fit_intercept)), Terms(False, True))
    return _model(
        estimator,
        names,
        likelihood,
        coefficients,
        _target_of(likelihood),
        terms=terms,
        prior=Ridge((alpha,)),
        prior_per_observation=per_observation,
    )


def _target_of(likelihood: Likelihood) -> Any:
    return lambda y: likelihood.check_target(_real_target(y))


def _poisson(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    # Its prior is per mean half-deviance: alpha times the sum of the weights, which only the data tell.
    prior = Ridge((float(estimator.alpha),))
    return _model(
        estimator,
        names,
        Poisson(),
        _location(estimator)[None],
        _target_of(Poisson()),
        prior=prior,
        prior_per_observation=True,
    )


def _gamma(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    return _dispersed(estimator, names, Gamma(), float(estimator.alpha), per_observation=True)


def _tweedie(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    power, link = estimator.power, estimator.link
    if (link if link != "auto" else "identity" if power <= 0 else "log") != ("identity" if power == 0 else "log"):
        raise TypeError(f"infer does not support a TweedieRegressor of power={power} with link={link!r}.")
    if power == 1:
        return _poisson(estimator, names)
    members: dict[float, Likelihood] = {0: Gaussian(), 2: Gamma(), 3: InverseGaussian()}
    if power not in members and not 1 < power < 2:
        raise TypeError(f"infer supports a TweedieRegressor with power 0, 3, or from 1 to 2; got power={power}.")
    likelihood = members.get(power) or Tweedie(power=float(power))
    return _dispersed(estimator, names, likelihood, float(estimator.alpha), per_observation=True)


def _linear(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    return _dispersed(estimator, names, Gaussian(), 0.0, per_observation=False)


def _ridge(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    # (|y - Xw|^2 + alpha |w|^2) / (2 sigma^2)
    alpha = _number(estimator, "alpha_" if hasattr(estimator, "alpha_") else "alpha")
    return _dispersed(estimator, names, Gaussian(), alpha, per_observation=False)


def _huber(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    """Return the location of Huber's likelihood at the scale that was fitted beside it, which is not its own.

    HuberRegressor minimizes the sum of s + s H(r / s), H twice Huber's loss, plus alpha |w|^2: divided by 2 s that is
    the NLL of the location, with the precision alpha / s.
    """
    scale, location = float(estimator.scale_), _location(estimator)
    if not scale > 0:
        raise TypeError("infer does not support a HuberRegressor whose scale_ is zero: it fits every row exactly.")
    coefficients = np.stack([location, np.append(np.zeros(len(location) - 1), np.log(scale))])
    likelihood = Huber(epsilon=float(estimator.epsilon))
    terms = (Terms(True, bool(estimator.fit_intercept)), Terms(False, False, known=scale))
    # A prior is relative to the noise here: what it is divided by again.
    prior = Ridge((float(estimator.alpha) * scale,))
    return _model(estimator, names, likelihood, coefficients, _target_of(likelihood), terms=terms, prior=prior)


def _descended(estimator: Any) -> float:
    """Return the precision per observation of a fit by stochastic gradients, of a mean loss with a squared penalty."""
    if estimator.penalty not in ("l2", None):
        raise TypeError("infer needs a likelihood that is smooth in the coefficients; this fit has an l1 penalty.")
    return 0.0 if estimator.penalty is None else float(estimator.alpha)


def _sgd_classifier(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    if estimator.loss != "log_loss" or len(estimator.classes_) != 2 or estimator.class_weight is not None:
        raise TypeError("infer supports an SGDClassifier of two classes with loss='log_loss' and no class_weight.")
    return _model(
        estimator,
        names,
        Bernoulli(),
        _location(estimator)[None],
        _labels_of(estimator.classes_),
        classes=tuple(estimator.classes_.tolist()),
        prior=Ridge((_descended(estimator),)),
        prior_per_observation=True,
    )


def _sgd_regressor(estimator: Any, names: tuple[str, ...]) -> FittedModel:
    if estimator.loss != "squared_error":
        raise TypeError(f"infer supports an SGDRegressor with loss='squared_error'; got loss={estimator.loss!r}.")
    return _dispersed(estimator, names, Gaussian(), _descended(estimator), per_observation=True)


# By the names of the classes, for subclasses and for those who build on scikit-learn.
READERS = {
    "LogisticRegression": _logistic,
    "LinearRegression": _linear,
    "Ridge": _ridge,
    "RidgeCV": _ridge,
    "PoissonRegressor": _poisson,
    "GammaRegressor": _gamma,
    "TweedieRegressor": _tweedie,
    "HuberRegressor": _huber,
    "SGDClassifier": _sgd_classifier,
    "SGDRegressor": _sgd_regressor,
}
