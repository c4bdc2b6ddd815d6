"""An estimator's predictions for some rows: probabilities of classes, or the density of the outcomes.

Pipelines and searches are opened, frozen ones too: their transforms are applied once, and the methods of the fitted
estimator inside are called. They themselves lack those methods (``predict_distribution``, ``log_likelihood``) or do not
pass an offset on.
"""

from dataclasses import dataclass, replace
from inspect import Parameter, getattr_static, signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit, logsumexp
from scipy.stats import norm
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_mle._numerics.arguments import refuse_masked
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.special import log_softmax
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.metrics._distributions import RowDistributions, are_atoms
from sklearn_mle.metrics._probability_rows import ProbabilityRows

_SAME_PROBABILITY = 1e-6
# The difference of two tails has lost at most three digits from here on; cells with less of their tail are narrow
# beside the distribution's width there, or deep in its tail, and the density is integrated over them.
_SHARE_OF_TAIL = 1e-3
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


@dataclass(frozen=True)
class ClassResponse(ProbabilityRows):
    """Probabilities or log-probabilities (n, K) of the classes ``labels`` (K,)."""

    labels: NDArray[Any]


def open_up(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Give the estimator inside pipelines and searches, frozen or not, and X as that estimator sees it."""
    refuse_masked(X=X)
    if isinstance(estimator, type):
        raise TypeError(f"estimator must be a fitted estimator; got the class {estimator.__name__}.")
    while True:
        estimator = _searched(estimator)
        if isinstance(estimator, TransformedTargetRegressor):
            raise TypeError(
                "The estimator TransformedTargetRegressor cannot be scored by likelihood: the density of its "
                "transformed target is not the target's. Model the target itself (a lognormal likelihood instead of a "
                "log transform)."
            )
        if not _is_plain_pipeline(estimator):
            return estimator, X
        if len(estimator.steps) > 1:
            try:
                X = estimator[:-1].transform(X)
            except NotFittedError as error:
                raise NotFittedError(f"estimator must be fitted: {error}") from error
        estimator = estimator.steps[-1][1]


def innermost(estimator: Any) -> Any:
    """The estimator inside fitted pipelines and searches, frozen or not."""
    while isinstance(estimator := _searched(estimator), Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def _searched(estimator: Any) -> Any:
    """The estimator that searches found, frozen or not."""
    while isinstance(estimator, FrozenEstimator) or hasattr(estimator, "best_estimator_"):
        estimator = estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator.best_estimator_
    return estimator


def refuse_precisions(estimator: Any, sample_weight: Any) -> None:
    """Raise NotSupportedError if weights are precisions of the model: what it predicts is of precision one."""
    if sample_weight is not None and _has_precisions(innermost(estimator)):
        raise NotSupportedError(
            f"{_name(innermost(estimator))} was fitted with weight_type='precision': sample_weight divides the "
            "dispersion of each row, which this score would take for a number of rows. Score without sample_weight, "
            "call the model's own log_likelihood(X, y, sample_weight), or fit with weight_type='frequency'."
        )


def _has_precisions(estimator: Any) -> bool:
    return bool(getattr(getattr(estimator, "_fitted", None), "weights_divide_dispersion", False))


def class_response(estimator: Any, X: Any, offset: Any = None) -> ClassResponse:
    """Probabilities of the classes, in log space where that is exact.

    Asked in this order: ``decision_function``, if its softmax (expit) reproduces ``predict_proba`` on these rows (then
    its logarithms are exact, where those of most ``predict_log_proba`` are ``log(predict_proba)``);
    ``predict_log_proba``, if there are probabilities too small for ``predict_proba`` and it does not contradict that
    method; ``predict_proba``; ``predict_log_proba`` alone. A regressor of binomial counts gives the probabilities of
    failure (0) and success (1) in one trial.
    """
    has_proba, has_log_proba = hasattr(estimator, "predict_proba"), hasattr(estimator, "predict_log_proba")
    if not (has_proba or has_log_proba):
        of_one_trial = _success_probability(estimator, X, offset)
        if of_one_trial is not None:
            of_both = np.column_stack([1 - of_one_trial, of_one_trial])
            return ClassResponse(of_both, is_log=False, labels=np.array([0, 1]))
        also = " (decision_function gives no probabilities)" if hasattr(estimator, "decision_function") else ""
        raise TypeError(
            f"The estimator {_name(estimator)} has neither predict_proba nor predict_log_proba{also}. Class "
            "probabilities are needed: use a probabilistic classifier, or wrap this one in CalibratedClassifierCV."
        )
    if not has_proba:
        return _read_response(estimator, "predict_log_proba", X, offset)
    response = _read_response(estimator, "predict_proba", X, offset)
    proba = response.values
    if proba.shape[1] > 1 and hasattr(estimator, "decision_function"):
        logs = _log_softmax(_call(estimator, "decision_function", X, offset))
        if logs.shape == proba.shape and _reproduces(logs, proba):
            return replace(response, values=logs, is_log=True)
    if has_log_proba and proba.size and proba.min() < np.sqrt(np.finfo(proba.dtype).eps):
        with np.errstate(divide="ignore"):  # most are log(predict_proba)
            in_logs = _read_response(estimator, "predict_log_proba", X, offset)
        if _reproduces(in_logs.values, proba) and not _is_floored(in_logs.values, proba):
            return in_logs
    return response


def _success_probability(estimator: Any, X: Any, offset: Any) -> Array | None:
    """Probability (n,) of success of a regressor of binomial counts; None of any other."""
    if not hasattr(estimator, "predict_distribution"):
        return None
    try:
        rows = RowDistributions(_call(estimator, "predict_distribution", X, offset))
    except NotImplementedError:
        return None
    return rows.parameters["p"] if rows.is_of_one_trial else None


def gives_classes(estimator: Any) -> bool:
    """Whether the estimator predicts classes rather than a distribution."""
    if hasattr(estimator, "predict_distribution") or _is_skpro(estimator):
        return False
    return hasattr(estimator, "predict_proba") or hasattr(estimator, "predict_log_proba")


def own_mean(estimator: Any, X: Any, y: Array, weight: Array | None, offset: Any) -> float | None:
    """The estimator's own mean log-likelihood, in nats per row; None where it has none, or one in another unit.

    Of whole numbers a probability is needed, of others a density (see ``log_densities``).
    """
    if not takes(getattr(estimator, "log_likelihood", None), "sample_weight"):
        return None
    if y.ndim == 1 and _is_discrete(estimator, X, offset) is not are_whole(y):
        return None
    if weight is None:
        return float(_call(estimator, "log_likelihood", X, offset, y)) / len(y)
    total = float(_call(estimator, "log_likelihood", X, offset, y, sample_weight=weight))
    # A precision changes the density of its row, which counts once.
    return total / (np.count_nonzero(weight) if _has_precisions(estimator) else float(weight.sum()))


def _is_discrete(estimator: Any, X: Any, offset: Any) -> bool:
    try:
        return RowDistributions(distribution_response(estimator, X, offset)).is_discrete
    except (NotImplementedError, TypeError):
        # A user's likelihood without a distribution declares it; the default is a density.
        return bool(getattr(getattr(getattr(estimator, "_fitted", estimator), "likelihood", None), "discrete", False))


def distribution_response(estimator: Any, X: Any, offset: Any = None) -> Any:
    """The distribution of the outcomes: a frozen ``scipy.stats`` distribution, or what :class:`RowDistributions` reads.

    It is that of ``predict_distribution`` (this library's method), ``pred_dist`` (NGBoost), ``predict_proba`` of a
    regressor (skpro), or ``predict(return_std=True)`` of scikit-learn's regressors that are known to be Gaussian: a
    Student's t must not be scored as a Gaussian silently.
    """
    for name in ("predict_distribution", "pred_dist", "predict_proba"):
        if hasattr(estimator, name) and (name != "predict_proba" or _is_skpro(estimator)):
            distribution = _call(estimator, name, X, offset)
            if not RowDistributions(distribution).has_log_density:
                raise TypeError(
                    f"{_name(estimator)}.{name} returned a {_name(distribution)} without logpdf and logpmf: "
                    "a frozen scipy.stats distribution is needed."
                )
            return distribution
    if _is_gaussian(estimator):
        if offset is not None:
            raise TypeError(_no_offset(estimator, "predict"))
        mean, std = (np.asarray(part, dtype=np.float64) for part in estimator.predict(X, return_std=True))
        return norm(mean, std)
    if gives_classes(estimator):
        raise TypeError(
            f"The estimator {_name(estimator)} gives probabilities of classes, but a distribution of numbers is "
            "needed: use a regressor with predict_distribution, or score classes by 'neg_cross_entropy'."
        )
    raise TypeError(
        f"The estimator {_name(estimator)} gives no distribution. It needs predict_proba or predict_log_proba (a "
        "classifier), log_likelihood(X, y, sample_weight=None), or predict_distribution(X) that returns a frozen "
        "scipy.stats distribution (pred_dist of NGBoost and predict_proba of skpro are also understood); predict(X, "
        "return_std=True) is known to be Gaussian only for GaussianProcessRegressor, BayesianRidge and ARDRegression."
    )


def log_densities(distribution: Any, y: Array, estimator: Any, whole: bool | None = None) -> tuple[Array, Any]:
    """Log-likelihood in nats of each outcome y (n,), and whether (n,) it is the logarithm of a probability.

    Logarithms of a probability and of a density are in different units, and their difference means nothing. So whole
    numbers are given their probability by every distribution, and other numbers their density: y alone decides. Only
    the atom of a distribution that is continuous otherwise has a probability beside densities. ``whole`` says it of
    outcomes of which y is a part.

    Raises
    ------
    ValueError
        If numbers that are not whole are judged by a mass function, which gives them no density.
    """
    rows = RowDistributions(distribution)
    whole = are_whole(y) if whole is None else whole
    if rows.is_discrete and not are_whole(y):
        raise ValueError(_no_density(estimator, y, rows))
    if rows.is_discrete or not whole:
        logs = rows.log_density(y)
    elif rows.has_cdf:
        logs = _log_cell_probability(rows, y)
    else:
        raise TypeError(
            f"{_name(estimator)} gave a {rows.name} without cdf: outcomes that are whole numbers are scored by their "
            "probability, which a distribution function gives."
        )
    if logs.shape != y.shape:
        raise ValueError(
            f"{_name(estimator)} gave log densities of shape {logs.shape} for outcomes of shape {y.shape}."
        )
    return logs, np.ones(y.shape, dtype=bool) if whole else are_atoms(rows, y, logs)


def are_whole(y_true: ArrayLike) -> bool:
    """Whether all outcomes are whole numbers."""
    y = np.asarray(y_true)
    return bool((y == np.floor(y)).all())


def _log_cell_probability(distributions: RowDistributions, y: Array) -> Array:
    r"""Logarithm (n,) of the probability of what rounds to each whole number y (n,).

    .. math:: P(y - \tfrac12 < Y < y + \tfrac12) = F(y + \tfrac12) - F(y - \tfrac12)

    Over all whole numbers these probabilities sum to one, as those of a mass function do: it is the likelihood of a
    rounded outcome. Where the density hardly changes over such a cell, its logarithm is the density's.
    """
    with np.errstate(all="ignore"):
        lower, upper = y - 0.5, y + 0.5
        in_upper_tail = distributions.cdf(y) > 0.5
        # Of the tail in which y lies: with the cell, and without it.
        reach = np.where(in_upper_tail, distributions.log_sf(lower), distributions.log_cdf(upper))
        rest = np.where(in_upper_tail, distributions.log_sf(upper), distributions.log_cdf(lower))
        share = -np.expm1(np.where(reach == rest, 0.0, rest - reach))
        logs = reach + np.log(share)
        narrow = ~(share >= _SHARE_OF_TAIL)
        if narrow.any():
            at_nodes = np.stack([distributions.log_density(y + 0.5 * node) for node in _NODES])
            weights = 0.5 * _WEIGHTS.reshape(-1, *(1,) * (at_nodes.ndim - 1))
            logs = np.where(narrow, logsumexp(at_nodes, b=weights, axis=0), logs)
    scale = distributions.parameters.get("scale")
    if scale is None or (scale != 0).all():
        return logs
    # scipy.stats gives nan for a scale of 0, which a Gaussian process has at its training rows.
    return np.where(scale == 0, np.where(np.abs(y - distributions.parameters["loc"]) <= 0.5, 0.0, -np.inf), logs)


def _no_density(estimator: Any, y: Array, rows: RowDistributions) -> str:
    row = int(np.argmax(y != np.floor(y)))
    remedy = "Score by 'neg_crps', or give the counts themselves, with an offset for their exposure."
    if rows.is_of_one_trial:
        remedy = "Score fractions by 'neg_cross_entropy', or give numbers of successes and failures."
    return (
        f"y_true[{row}] is {y[row]:g}, and {_name(estimator)} gives probabilities of whole numbers (a mass function, "
        f"{rows.name}). Numbers that are not whole are scored by their density, which it has not. {remedy}"
    )


def takes(method: Any, keyword: str) -> bool:
    """Whether ``method`` can be called with ``keyword=``."""
    if method is None:
        return False
    parameters = signature(method).parameters
    return keyword in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())


def _is_plain_pipeline(estimator: Any) -> bool:
    # A subclass that predicts in its own way is not opened.
    return isinstance(estimator, Pipeline) and all(
        getattr_static(estimator, name) is getattr_static(Pipeline, name) for name in ("predict", "predict_proba")
    )


def _call(estimator: Any, name: str, X: Any, offset: Any, *args: Any, **kwargs: Any) -> Any:
    method = getattr(estimator, name)
    if offset is None:
        return method(X, *args, **kwargs)
    if not takes(method, "offset"):
        raise TypeError(_no_offset(estimator, name))
    return method(X, *args, offset=offset, **kwargs)


def _no_offset(estimator: Any, name: str) -> str:
    return (
        f"offset was passed, but {_name(estimator)}.{name} takes none; without it another model would be scored. "
        "Score an estimator whose methods take offset=, or do not request it: set_score_request(offset=False)."
    )


def _read_response(estimator: Any, name: str, X: Any, offset: Any) -> ClassResponse:
    rows = _call(estimator, name, X, offset)
    if isinstance(rows, list | tuple) and len(rows) and np.ndim(rows[0]) == 2:
        raise TypeError(
            f"{_name(estimator)}.{name} gives an array for each of {len(rows)} outputs; one output is needed."
        )
    rows = np.asarray(rows)
    if rows.ndim != 2:
        raise TypeError(
            f"{_name(estimator)}.{name} must give rows (n, K), one column per class; got shape {rows.shape}."
        )
    labels = getattr(estimator, "classes_", None)
    if labels is None or np.shape(labels) != rows.shape[1:]:
        got = "no classes_" if labels is None else f"classes_ of shape {np.shape(labels)}"
        raise TypeError(f"{_name(estimator)} has {got}: one class for each of its {rows.shape[1]} columns is needed.")
    values = rows if rows.dtype.kind == "f" else rows.astype(np.float64)
    return ClassResponse(values, is_log=name == "predict_log_proba", labels=np.asarray(labels))


def _log_softmax(decision: Any) -> Array:
    eta = np.asarray(decision, dtype=np.float64)
    if eta.ndim == 1:
        return np.column_stack([log_expit(-eta), log_expit(eta)])
    return log_softmax(eta)


def _reproduces(logs: NDArray[np.floating], proba: NDArray[np.floating]) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.all(np.abs(np.exp(logs) - proba) <= _SAME_PROBABILITY))


def _is_floored(logs: NDArray[np.floating], proba: NDArray[np.floating]) -> bool:
    # 1 - p rounds to 0 only below half an epsilon: a larger exp(log) where the probability is 0 is a floor.
    zero = proba == 0
    return bool(zero.any() and np.max(logs[zero]) > np.log(np.finfo(proba.dtype).eps / 2))


def _is_skpro(estimator: Any) -> bool:
    # Its regressors call the distribution predict_proba; no classifier has the other two.
    return all(hasattr(estimator, name) for name in ("predict_proba", "predict_quantiles", "predict_var"))


def _is_gaussian(estimator: Any) -> bool:
    # Imported here, because most calls do not need these modules.
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.linear_model import ARDRegression, BayesianRidge

    return isinstance(estimator, GaussianProcessRegressor | BayesianRidge | ARDRegression)


def _name(estimator: Any) -> str:
    return type(estimator).__name__
