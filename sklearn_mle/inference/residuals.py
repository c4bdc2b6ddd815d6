"""Residuals of a fitted model, of any likelihood: what y is beyond what the model expects of it."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.arguments import check_choice
from sklearn_mle._numerics.offsets import by_parameter
from sklearn_mle._numerics.stored import in_memory
from sklearn_mle.inference.at_estimate import with_scale
from sklearn_mle.inference.capabilities import refuse
from sklearn_mle.inference.influence import influence
from sklearn_mle.inference.model import FittedModel, ReadData
from sklearn_mle.inference.reading import read_estimator
from sklearn_mle.inference.residual_rows import ROWWISE, quantile_residual, root_of_precisions, row_predictors

# Kinds of residuals that are attributes of ``Influence``: ``standardized_residual`` and so on.
_OF_INFLUENCE = ("standardized", "standardized_pearson", "studentized")


def residuals(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    kind: str = "deviance",
    sample_weight: Any = None,
    offset: Any = None,
    random_state: Any = 0,
) -> NDArray[np.float64]:
    r"""Return the residuals of y given X under a fitted model.

    .. math:: r_P = \frac{y - \mu}{\sqrt{V(\mu)}} ,\qquad r_D = \operatorname{sign}(y - \mu) \sqrt{d(y, \mu)} ,\qquad
        r_Q = \Phi^{-1}(F(y))

    with V the variance at dispersion 1, d the unit deviance and F the fitted distribution function. A dispersion that
    is the same number for all rows is left out of the first two, as in R: their squares sum to Pearson's X^2 and to
    the deviance. Of other likelihoods (Student's t, beta, negative binomial, ...), and where the dispersion depends on
    columns, they are at the fitted scale of each row.

    Parameters
    ----------
    estimator : fitted estimator
        As ``infer`` takes them.
    X, y : array-like
        Rows to judge: those of the fit, or others. Of the fit they must be for what is standardized or studentized.
    kind : str, default="deviance"
        - ``"response"``: y less its mean, in the unit of y; of classes and trials, less the probability.
        - ``"pearson"`` and ``"deviance"``: as above; least squares' are y less its mean.
        - ``"quantile"``: randomized quantile residuals, exactly standard normal if the model is right, whatever the
          likelihood. Of counts (and other outcomes that have a probability) F is drawn between its values below and
          at y. Infinite where that probability is below 1e-308 or so. The scale of LinearRegression, which keeps none,
          is that of the rows given.
        - ``"standardized"``, ``"standardized_pearson"``: the deviance and Pearson's residual over its standard
          deviation; R's ``rstandard``.
        - ``"studentized"``: R's ``rstudent``; see :func:`influence`.
    sample_weight, offset : array-like, default=None
        As in the fit. Precisions (``weight_type="precision"``) divide the variance of their rows, though not in the
        quantile residuals of counts, whose distribution has no dispersion; other weights do not change a residual.
    random_state : int, RandomState instance or None, default=0
        Of the quantile residuals of outcomes that have a probability.

    Returns
    -------
    ndarray of shape (n_samples,)
        In rows of weight zero nan, of what is standardized or studentized; and of anything that has no finite value
        there, because the offset is not finite, say.

    Raises
    ------
    NotSupportedError
        If the model has three or more classes, whose outcome has no sign; or a kind is not defined for it.
    ValueError
        If ``kind`` is none of these, or the mean or variance is not finite.
    TypeError
        If ``infer`` does not support the estimator.

    References
    ----------
    P. K. Dunn and G. K. Smyth (1996), Randomized quantile residuals, Journal of Computational and Graphical Statistics
    5. P. McCullagh and J. A. Nelder (1989), Generalized Linear Models, section 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle import MLERegressor
    >>> from sklearn_mle.inference import residuals
    >>> X, y = np.arange(6.0)[:, None], np.array([1.0, 2, 1, 4, 7, 9])
    >>> model = MLERegressor("poisson").fit(X, y)
    >>> residuals(model, X, y).round(2)
    array([ 0.08,  0.41, -0.99,  0.13,  0.41, -0.18])
    >>> bool(np.isclose(np.sum(residuals(model, X, y) ** 2), model.deviance(X, y)))
    True
    """
    check_choice("kind", kind, (*ROWWISE, "quantile", *_OF_INFLUENCE))
    model, rows = read_estimator("estimator", estimator, X)
    refuse("residuals", model, kind=kind)
    if kind in _OF_INFLUENCE:
        of_rows = influence(estimator, X, y, sample_weight=sample_weight, offset=offset)
        return np.asarray(getattr(of_rows, f"{kind}_residual"))
    data = model.read_rows(rows, y, sample_weight, offset)
    model = with_scale(model, data) if np.isnan(model.coefficients).any() else model
    data, unknown = with_every_offset(model, rows, data, offset)
    with np.errstate(all="ignore"):
        eta, target = row_predictors(model, data), data.y.T
        if kind == "quantile":
            found = quantile_residual(model, target, eta, random_state)
        else:
            found = ROWWISE[kind](model, target, eta)
            if kind != "response":
                found = found * root_of_precisions(model, data.sample_weight)
    found = np.where(unknown, np.nan, found)
    lost = np.isnan(found) if kind == "quantile" else ~np.isfinite(found)
    if data.sample_weight is not None:
        lost &= data.sample_weight > 0
    if lost.any():
        row = int(np.argmax(lost))
        raise ValueError(
            f"kind={kind!r}: row {row} has no finite residual, as its fitted mean, variance or deviance is not finite "
            f"under {model.likelihood!r}. Use another kind ('quantile' needs neither mean nor variance), or look at "
            "that row's X and offset."
        )
    return np.asarray(found, dtype=np.float64)


def with_every_offset(model: FittedModel, X: Any, data: ReadData, offset: Any) -> tuple[ReadData, Any]:
    """Return the data with the offset of rows of weight zero, which reading takes for zero; and where it is unknown."""
    if data.offset is None or data.sample_weight is None or data.sample_weight.all():
        return data, False
    given = np.asarray(in_memory(by_parameter(offset, model.likelihood.parameter_names)), dtype=np.float64)
    if not given.ndim:  # one number for all rows
        return data, False
    finite = np.isfinite(given)
    _, read = model.read_features(X, np.where(finite, given, 0.0))
    return replace(data, offset=read), ~finite.reshape(len(given), -1).all(axis=1)
