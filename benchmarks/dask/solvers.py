"""What is timed: this library, and the estimators of dask-ml, whose algorithms are dask-glm's."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["DEFAULT", "SOLVERS"]

DEFAULT = "default"
Answer = tuple[np.ndarray, float, int | None]


def _ours(X: Any, y: Any, tol: Any) -> Answer:
    from sklearn_mle import MLELogisticClassifier

    model = MLELogisticClassifier() if tol == DEFAULT else MLELogisticClassifier(tol=float(tol))
    model.fit(X, y)
    return model.coef_[0], float(model.intercept_[0]), model.n_passes_


def _dask_ml(solver: str) -> Callable[[Any, Any, Any], Answer]:
    def fit(X: Any, y: Any, tol: Any) -> Answer:
        from dask_ml.linear_model import LogisticRegression

        # lbfgs and admm have a penalty of 1 / C; newton has none. What lbfgs holds against tol is a sum over the rows.
        arguments = {} if tol == DEFAULT else {"tol": float(tol) * (X.shape[0] if solver == "lbfgs" else 1)}
        model = LogisticRegression(solver=solver, C=1e12, max_iter=500, **arguments).fit(X, y)
        return np.ravel(model.coef_), float(np.ravel(model.intercept_)[0]), None

    return fit


# By name: the fit, and its settings from loose to tight. A sweep ends where the target is reached.
SOLVERS: dict[str, tuple[Callable[[Any, Any, Any], Answer], list[Any]]] = {
    "sklearn_mle": (_ours, [DEFAULT]),
    "dask_ml newton": (_dask_ml("newton"), [1e-1, 1e-2, 1e-4]),
    "dask_ml lbfgs": (_dask_ml("lbfgs"), [1e-4, 1e-5, 1e-6]),
    "dask_ml admm": (_dask_ml("admm"), [DEFAULT]),
}
