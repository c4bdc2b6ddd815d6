"""An inference as the package marginaleffects takes models: estimates, their covariance, and predictions of them."""

from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.quantities import smooth_function
from sklearn_mle.inference.result import Inference, check_inference


def to_marginaleffects(inference: Inference, X: Any, y: Any = None) -> Any:
    r"""Return a model for the package marginaleffects: for its ``avg_slopes``, ``comparisons`` and so on.

    It holds :math:`\hat\theta`, its covariance V (of whatever kind ``infer`` was asked for) and the mean of y given X
    as a function of both, from which that package takes :math:`J V J^\top` by differences. The columns are those that
    go into a pipeline.

    Parameters
    ----------
    inference : Inference
        As ``infer`` returned it, of any estimator that it reads.
    X : DataFrame of shape (n_samples, n_features)
        Of pandas or polars: the rows over which effects are averaged, as the estimator takes them.
    y : array-like of shape (n_samples,), default=None
        Their outcomes, shown beside predictions.

    Returns
    -------
    marginaleffects.classes.ModelAbstract
        Means in the unit of y; of classes probabilities (of two, that of the second; of more, a group each). Estimates
        are in the order of ``inference.parameters``.

    Raises
    ------
    ImportError
        If marginaleffects, 0.2 or newer, is not installed.
    NotSupportedError
        If the fit had an offset.
    TypeError
        If X is no frame, or this is no inference.

    References
    ----------
    V. Arel-Bundock, N. Greifer and A. Heiss (2024), How to interpret statistical models using marginaleffects for R and
    Python, Journal of Statistical Software 111.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mle import MLERegressor
    >>> from sklearn_mle.inference import infer, to_marginaleffects
    >>> frame = pd.DataFrame({"x": [0.0, 1, 2, 3, 4, 5]})
    >>> model = MLERegressor("poisson").fit(frame, [1, 2, 1, 4, 7, 9])
    >>> adapted = to_marginaleffects(infer(model), frame)  # doctest: +SKIP
    >>> marginaleffects.avg_slopes(adapted, variables="x")["estimate"][0]  # doctest: +SKIP
    1.80...
    """
    if check_inference(inference).model.n_offsets:
        raise NotSupportedError(
            f"to_marginaleffects: this {inference.model.name} was fitted with an offset, which that package's "
            "data frames cannot hold. Use mean_interval, which takes one."
        )
    if len(inference.parameters) != len(inference.model.entries):
        raise ValueError("inference: these are contrasts between classes; use the result of infer.")
    if not hasattr(X, "columns"):
        raise TypeError(f"X must be a pandas or polars DataFrame, whose columns have names; got {type(X).__name__}.")
    try:
        import polars as pl
        from marginaleffects.classes.model import ModelAbstract, ModelVault
    except ImportError as missing:
        raise ImportError("to_marginaleffects needs that package: pip install marginaleffects.") from missing

    class Model(ModelAbstract):
        def get_vcov(self, vcov: Any = True) -> Any:
            return None if vcov is None or vcov is False else self.vault.vcov

        def get_exog(self, newdata: Any) -> Any:
            return newdata

        def get_predict(self, params: Any, newdata: Any) -> Any:
            rows = newdata.select(names)
            found = predicted(inference, params, rows.to_pandas() if of_pandas else rows)
            number = pl.Series("rowid", np.arange(len(found)), dtype=pl.Int32)
            if found.ndim == 1:
                return pl.DataFrame([number, pl.Series("estimate", found)])
            parts = []
            for label, column in zip(inference.model.classes or (), found.T, strict=True):
                group = pl.Series("group", [str(label)] * len(found))
                parts.append(pl.DataFrame([number, group, pl.Series("estimate", column)]))
            return pl.concat(parts)

    names, of_pandas = [str(name) for name in X.columns], hasattr(X, "iloc")
    table = pl.from_pandas(X) if of_pandas else X
    response = next(name for name in ("y", "outcome", "response") if name not in names)
    if y is not None:
        table = table.with_columns(pl.Series(response, np.asarray(y)))
    vault = ModelVault(
        coef=np.asarray(inference.estimates),
        coefnames=np.asarray(inference.parameters),
        formula=lambda data: (None, data),
        modeldata=table,
        package="sklearn_mle",
        vcov=inference.covariance,
        variable_names=[response, *names],
    )
    return Model(inference.model, vault)


def predicted(inference: Inference, parameters: Any, X: Any) -> Array:
    """Return means of y given X at other values of the parameters, shape (n,); of classes probabilities."""
    coefficients = inference.model.coefficients.copy()
    coefficients.ravel()[inference.model.entries] = np.asarray(parameters, dtype=np.float64).ravel()
    model = replace(inference.model, coefficients=coefficients)
    with np.errstate(all="ignore"):
        means = smooth_function(None, model).value(model.eta(*model.read_features(X, None)))
    return means.T if len(means) > 1 else means[0]
