"""The four libraries, each used as its documentation's first example does: no scaling, no tuning, no penalty."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["LIBRARIES", "NotOffered"]


class NotOffered(Exception):  # noqa: N818
    """The library has no such model, or takes no such input by its own documentation."""


def _ours(kind: str, X: Any, y: Any, weight: Any) -> Any:
    from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor

    models = {"gaussian": GaussianMLERegressor, "poisson": lambda: MLERegressor("poisson")}
    models |= {"median": lambda: MLERegressor("laplace")}
    return _scikit(models.get(kind, MLELogisticClassifier)(), kind, X, y, weight)


def _sklearn(kind: str, X: Any, y: Any, weight: Any) -> Any:
    from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, QuantileRegressor

    models = {"gaussian": LinearRegression, "poisson": lambda: PoissonRegressor(alpha=0)}
    models |= {"median": lambda: QuantileRegressor(alpha=0)}
    return _scikit(models.get(kind, lambda: LogisticRegression(C=np.inf))(), kind, X, y, weight)


def _scikit(model: Any, kind: str, X: Any, y: Any, weight: Any) -> Any:
    model.fit(X, y, sample_weight=weight)
    if kind == "binary":
        return model.predict_proba(X)[:, 1]
    return model.predict_proba(X) if kind == "multinomial" else model.predict(X)


def _statsmodels(kind: str, X: Any, y: Any, weight: Any) -> Any:
    import scipy.sparse as sp
    import statsmodels.api as sm

    if sp.issparse(X):
        raise NotOffered("no sparse matrices")
    design = sm.add_constant(X, has_constant="add")
    if kind == "multinomial":
        if weight is not None:
            raise NotOffered("no weights")
        result = sm.MNLogit(y, design).fit(disp=False)
    elif kind == "median":
        if weight is not None:
            raise NotOffered("no weights")
        result = sm.QuantReg(y, design).fit(q=0.5)
    elif kind == "gaussian":
        result = (sm.OLS(y, design) if weight is None else sm.WLS(y, design, weights=weight)).fit()
    elif kind == "binary" and weight is None:
        result = sm.Logit(y, design).fit(disp=False)
    else:
        family = sm.families.Binomial() if kind == "binary" else sm.families.Poisson()
        result = sm.GLM(y, design, family=family, freq_weights=weight).fit()
    return result.predict(design)


def _glum(kind: str, X: Any, y: Any, weight: Any) -> Any:
    from glum import GeneralizedLinearRegressor

    families = {"binary": "binomial", "gaussian": "normal", "poisson": "poisson"}
    if kind not in families:
        raise NotOffered("no such model")
    return GeneralizedLinearRegressor(family=families[kind], alpha=0).fit(X, y, sample_weight=weight).predict(X)


# (kind, X, y, weight) -> the fitted means at X's rows.
LIBRARIES: dict[str, Callable[[str, Any, Any, Any], Any]] = {
    "sklearn-mle": _ours,
    "scikit-learn": _sklearn,
    "statsmodels": _statsmodels,
    "glum": _glum,
}
