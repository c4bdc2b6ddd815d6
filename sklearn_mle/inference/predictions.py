"""What the uncertainty of the parameters means for predictions: intervals of means, probabilities and new outcomes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, softmax

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.quantiles import count_quantile
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.hypotheses import critical_value, wald_interval
from sklearn_mle.inference.quantities import Logarithm, Quantile, SmoothFunction, smooth_function, units_of
from sklearn_mle.inference.result import Inference, check_inference, df_of
from sklearn_mle.inference.tables import dense
from sklearn_mle.likelihoods import Likelihood

_CHUNK_ELEMENTS = 1 << 20
_NODES = 21


@np.errstate(all="ignore")
def mean_interval(
    inference: Inference, X: Any, *, offset: Any = None, confidence_level: float = 0.95
) -> NDArray[np.float64]:
    r"""Return confidence intervals of the mean of y given X.

    On the link scale, transformed: :math:`g^{-1}(x^\top \hat\beta \mp q \, \mathrm{se})`, so that they respect the
    mean's range. Where the mean depends on a scale too (lognormal, weibull, gumbel), by the delta method: on the
    logarithm of the mean where y is positive, on the mean itself otherwise.

    Parameters
    ----------
    inference : Inference
        Of a regressor, as ``infer`` returned it.
    X : array-like of shape (n_samples, n_features)
        As the estimator that was given to ``infer`` takes them.
    offset : array-like of shape (n_samples,), default=None
        As in the fit.
    confidence_level : float, default=0.95
        Of each interval by itself.

    Returns
    -------
    ndarray of shape (n_samples, 2)
        Lower and upper ends, in the unit of y; nan where the data do not determine the mean (an X outside the span of
        the fit's, with dependent columns).

    Raises
    ------
    ValueError
        If the model is a classifier.
    TypeError
        If ``inference`` is not what ``infer`` returned.

    References
    ----------
    P. McCullagh and J. A. Nelder (1989), Generalized Linear Models, section 4.4; C. R. Rao (1973), Linear Statistical
    Inference and Its Applications, section 6a (the delta method).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLERegressor
    >>> from sklearn_mle.inference import infer, mean_interval
    >>> X, y = np.arange(6.0)[:, None], np.array([1.0, 2, 1, 4, 7, 9])
    >>> mean_interval(infer(MLERegressor("poisson").fit(X, y)), [[2.5]]).round(3)
    array([[1.754, 5.011]])
    """
    refuse("mean_interval", check_inference(inference).model)
    X, eta = _predictors(inference, X, offset)
    likelihood = inference.model.likelihood
    mean = likelihood.mean(eta)
    slopes = smooth_function("mean", inference.model).jacobian(eta)[0]
    moved = np.abs(slopes * units_of(likelihood, eta))
    if not (moved[1:] > 1e-9 * moved[0]).any():
        location = _wald(inference, X, eta[0], _of_location(eta), confidence_level)
        ends = [likelihood.mean(np.concatenate([end[None], eta[1:]])) for end in location.T]
        return np.sort(np.stack(ends, axis=1), axis=1)
    if likelihood.positive_only:
        return np.exp(_wald(inference, X, np.log(mean), slopes / mean, confidence_level))
    return _wald(inference, X, mean, slopes, confidence_level)


@np.errstate(all="ignore")
def probability_interval(
    inference: Inference, X: Any, *, offset: Any = None, confidence_level: float = 0.95
) -> NDArray[np.float64]:
    r"""Return confidence intervals of the class probabilities given X: Wald's on the logit of each, transformed.

    .. math:: \operatorname{expit}\left(\log \frac{\hat q_k}{1 - \hat q_k} \mp z \, \mathrm{se}\right)

    Parameters
    ----------
    inference : Inference
        Of a classifier, as ``infer`` returned it.
    X : array-like of shape (n_samples, n_features)
        As the estimator that was given to ``infer`` takes them.
    offset : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
        As in the fit.
    confidence_level : float, default=0.95
        Of each interval by itself.

    Returns
    -------
    ndarray of shape (n_samples, n_classes, 2)
        Lower and upper ends, between 0 and 1.

    Raises
    ------
    ValueError
        If the model is not a classifier.
    TypeError
        If ``inference`` is not what ``infer`` returned.

    References
    ----------
    A. Agresti (2013), Categorical Data Analysis, 3rd edition, section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLELogisticClassifier
    >>> from sklearn_mle.inference import infer, probability_interval
    >>> X, y = np.arange(8.0)[:, None], np.array([0, 0, 1, 0, 1, 0, 1, 1])
    >>> inference = infer(MLELogisticClassifier().fit(X, y))
    >>> probability_interval(inference, [[3.5]])[:, 1].round(3)
    array([[0.16, 0.84]])
    """
    refuse("probability_interval", check_inference(inference).model)
    X, eta = _predictors(inference, X, offset)
    # With two classes, the predictor of the first is zero.
    every = eta if len(eta) > 1 else np.concatenate([np.zeros_like(eta), eta])
    out = np.empty((eta.shape[1], len(every), 2))
    for k in range(len(every)):
        # logit p_k = eta_k - log sum of the others' exp(eta): its slopes are one, and minus their shares.
        rivals = every.copy()
        rivals[k] = -np.inf
        slopes = -softmax(rivals, axis=0)
        slopes[k] = 1
        logit = every[k] - logsumexp(rivals, axis=0)
        out[:, k] = expit(_wald(inference, X, logit, slopes[-len(eta) :], confidence_level))
    return out


def predictive_interval(
    inference: Inference, X: Any, *, offset: Any, coverage: float, precisions: Array | None = None
) -> NDArray[np.float64]:
    r"""Return intervals that hold a new y with the given probability, the parameters being uncertain.

    Exact for a Gaussian with one estimated scale and no prior:
    :math:`x^\top\hat\beta \mp t \, s \sqrt{1 + x^\top (X^\top X)^{-1} x}`. Of other continuous outcomes each end is
    moved away from the median to the distance :math:`\sqrt{d^2 + (z \, \mathrm{se})^2}`, d its own and se the standard
    error of that quantile by the delta method (on the logarithm, where y is positive). Of counts the distribution is
    mixed over the location's sampling distribution. ``precisions`` of the new rows are added to the scale's predictor.
    """
    X, eta = _predictors(inference, X, offset)
    if precisions is not None:
        eta[inference.model.dispersion_index] += precisions
    model = inference.model
    tails = np.array([(1 - coverage) / 2, (1 + coverage) / 2])
    if model.exact:
        multiple = 1.0
        if np.isfinite(inference.df) and model.retained is not None:
            multiple = model.retained.n_obs / inference.df
        scale = np.sqrt(multiple) * np.exp(eta[model.dispersion_index])
        error = _standard_errors(inference, X, _of_location(eta))
        return wald_interval(eta[0], np.hypot(scale, error), inference.df, coverage)
    if model.likelihood.discrete:
        return _mixed_quantiles(model.likelihood, eta, _standard_errors(inference, X, _of_location(eta)), tails)
    quantile = critical_value(coverage, inference.df)

    def at(level: float) -> SmoothFunction:
        of_level = smooth_function(Quantile(level), model)
        return Logarithm(of_level) if model.likelihood.positive_only else of_level

    middle = at(0.5).value(eta)[0]
    ends = []
    for sign, level in zip((-1, 1), tails, strict=True):
        of_end = at(float(level))
        end, error = of_end.value(eta)[0], _standard_errors(inference, X, of_end.jacobian(eta)[0])
        # An end that over- or underflows stays where it is.
        with np.errstate(invalid="ignore"):
            wide = middle + sign * np.hypot(end - middle, quantile * error)
        ends.append(np.where(np.isfinite(end), wide, end))
    interval = np.stack(ends, axis=1)
    # What is moved away from the median may leave the range of y (a beta's end above one).
    return np.exp(interval) if model.likelihood.positive_only else np.clip(interval, *model.likelihood.support)


def _predictors(inference: Inference, X: Any, offset: Any) -> tuple[Any, Array]:
    X, offset = inference.model.read_features(X, offset)
    return X, inference.model.eta(X, offset)


def _wald(inference: Inference, X: Any, value: Array, slopes: Array, confidence_level: float) -> Array:
    """Return intervals, shape (n, 2), of a function of each row's predictors with these values and slopes (q, n)."""
    errors = _standard_errors(inference, X, slopes)
    df: Any = inference.df
    if inference.shares is not None:
        df = np.concatenate([df_of(inference, each) for _, each in _combinations(inference, X, slopes)])
    return wald_interval(value, errors, df, confidence_level)


def _standard_errors(inference: Inference, X: Any, slopes: Array) -> Array:
    """Return per row the standard error of a function of its predictors with these slopes (q, n)."""
    curvature = inference.curvature
    root, out = curvature.root(), np.empty(X.shape[0])
    for rows, combinations in _combinations(inference, X, slopes):
        out[rows] = curvature.standard_errors(combinations, root)
    return out


def _combinations(inference: Inference, X: Any, slopes: Array) -> Iterator[tuple[slice, Array]]:
    """Yield (rows, their combinations of the coefficients): how a function of the predictors changes with these."""
    # A predictor without columns has no coefficients for them.
    size = inference.model.coefficients.size
    absent = np.setdiff1d(np.arange(size), inference.model.entries)
    step = max(1, _CHUNK_ELEMENTS // size)
    for start in range(0, X.shape[0], step):
        rows = slice(start, min(start + step, X.shape[0]))
        block = dense(X[rows])
        augmented = np.concatenate([block, np.ones((len(block), 1))], axis=1)
        combinations = (slopes[:, rows].T[:, :, None] * augmented[:, None, :]).reshape(len(block), -1)
        combinations[:, absent] = 0
        yield rows, combinations


def _of_location(eta: Array) -> Array:
    """Return the slopes of the location in the predictors, shape (q, n)."""
    return np.repeat(np.eye(len(eta))[:, :1], eta.shape[1], axis=1)


def _mixed_quantiles(likelihood: Likelihood, eta: Array, error: Array, levels: Array) -> NDArray[np.float64]:
    """Return quantiles of a count whose location is uncertain, by Gauss-Hermite quadrature and a bounded search."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    known = np.flatnonzero(~np.isnan(error))
    moved = np.repeat(eta[None, :, known], _NODES, axis=0)
    moved[:, 0] += nodes[:, None] * error[known]
    out = np.full((eta.shape[1], len(levels)), np.nan)
    for column, level in enumerate(levels):

        def reached(count: Array, rows: Array, level: float = float(level)) -> Array:
            at = [likelihood.distribution(shifted[:, rows]) for shifted in moved]
            # The smaller tail keeps all its digits.
            tails = [law.cdf(count) if level < 0.5 else law.sf(count) for law in at]
            mass = sum(weight * tail for weight, tail in zip(weights, tails, strict=True))
            return np.asarray(mass >= level if level < 0.5 else mass <= 1 - level)

        out[known, column] = count_quantile(reached, likelihood.quantile_at(eta[:, known], float(level)))
    return out
