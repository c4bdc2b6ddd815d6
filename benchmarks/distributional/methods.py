"""What predicts distributions, or intervals only: each with the same base where it takes one."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import DistributionalRegressor, MLERegressor

__all__ = ["BASES", "COVERAGES", "METHODS", "OURS", "Method"]

Array = NDArray[np.float64]
COVERAGES = (0.5, 0.9, 0.99)
BASES: dict[str, Callable[[], Any]] = {
    "boosting": lambda: HistGradientBoostingRegressor(random_state=0),
    "forest": lambda: RandomForestRegressor(random_state=0),
    "ridge": lambda: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))),
}


class Method:
    """A fit, and what is asked of it: a point, and a distribution or the ends of intervals.

    Distributions are asked for their intervals; ``distribution`` returns None where there are intervals only.
    """

    def __init__(self, base: Any) -> None:
        self.base = base

    def fit(self, X: Array, y: Array) -> None:
        """Fit."""
        raise NotImplementedError

    def predict(self, X: Array) -> Array:
        """Return the point predictions."""
        return np.asarray(self.model.predict(X), dtype=np.float64).ravel()  # type: ignore[attr-defined]

    def distribution(self, X: Array) -> Any:
        """Return the distributions, or None."""
        return None

    def intervals(self, X: Array) -> Array:
        """Return lower and upper ends, (coverages, n, 2)."""
        distribution = self.distribution(X)
        return np.stack([np.column_stack(distribution.interval(coverage)) for coverage in COVERAGES])


class Ours(Method):
    """``DistributionalRegressor``."""

    options: dict[str, Any] = {}  # noqa: RUF012

    def fit(self, X: Array, y: Array) -> None:
        self.model = DistributionalRegressor(self.base, **self.options).fit(X, y)

    def distribution(self, X: Array) -> Any:
        return self.model.predict_distribution(X)


class Constant(Ours):
    """With one scale for all rows."""

    options = {"scale": "constant"}  # noqa: RUF012


class Chosen(Ours):
    """With the likelihood that cross-validation chooses."""

    options = {"likelihood": "auto"}  # noqa: RUF012


class Linear(Method):
    """A regression whose location and scale are linear in X, without a base."""

    def fit(self, X: Array, y: Array) -> None:
        predictors = {"scale": "linear", "df": "constant"}
        self.model = make_pipeline(StandardScaler(), MLERegressor("student_t", predictors=predictors, alpha=1.0))
        self.model.fit(X, y)

    def distribution(self, X: Array) -> Any:
        return self.model[-1].predict_distribution(self.model[:-1].transform(X))


class InSample(Method):
    """The base and a Gaussian, as wide as the residuals of the rows it was fitted to."""

    def fit(self, X: Array, y: Array) -> None:
        self.model = clone(self.base).fit(X, y)
        self.scale = float(np.sqrt(np.mean(np.square(y - self.predict(X)))))

    def distribution(self, X: Array) -> Any:
        return stats.norm(self.predict(X), self.scale)


class NGBoost(Method):
    """``ngboost``, Gaussian: 500 trees, its default."""

    def fit(self, X: Array, y: Array) -> None:
        from ngboost import NGBRegressor

        self.model = NGBRegressor(verbose=False, random_state=0, **self.options()).fit(X, y)

    def options(self) -> dict[str, Any]:
        """Return what is not the default."""
        return {}

    def distribution(self, X: Array) -> Any:
        found = self.model.pred_dist(X)
        return stats.norm(found.params["loc"], found.params["scale"])


class NGBoostStopped(NGBoost):
    """The same, stopped when a tenth of the rows is no longer fitted better."""

    def options(self) -> dict[str, Any]:
        return {"validation_fraction": 0.1, "early_stopping_rounds": 20}


class Skpro(Method):
    """``skpro.regression.residual.ResidualDouble``."""

    def fit(self, X: Array, y: Array) -> None:
        import pandas as pd
        from skpro.regression.residual import ResidualDouble

        self.model = ResidualDouble(clone(self.base)).fit(pd.DataFrame(X), pd.DataFrame({"y": y}))

    def predict(self, X: Array) -> Array:
        import pandas as pd

        return np.asarray(self.model.predict(pd.DataFrame(X)), dtype=np.float64).ravel()

    def distribution(self, X: Array) -> Any:
        import pandas as pd

        found = self.model.predict_proba(pd.DataFrame(X))
        mean, variance = (np.asarray(part, dtype=np.float64).ravel() for part in (found.mean(), found.var()))
        return stats.norm(mean, np.sqrt(variance))


class Quantiles(Method):
    """``HistGradientBoostingRegressor(loss="quantile")``, one for each end; the point is the base's."""

    def fit(self, X: Array, y: Array) -> None:
        self.model = clone(self.base).fit(X, y)
        self.ends = [
            [
                HistGradientBoostingRegressor(loss="quantile", quantile=level, random_state=0).fit(X, y)
                for level in (0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage)
            ]
            for coverage in COVERAGES
        ]

    def intervals(self, X: Array) -> Array:
        return np.stack([np.column_stack([end.predict(X) for end in pair]) for pair in self.ends])


class Mapie(Method):
    """``mapie``'s cross-conformal intervals (CV+), ten folds."""

    def fit(self, X: Array, y: Array) -> None:
        from mapie.regression import CrossConformalRegressor

        self.model = CrossConformalRegressor(clone(self.base), confidence_level=list(COVERAGES), cv=10)
        self.model.fit_conformalize(X, y)

    def intervals(self, X: Array) -> Array:
        return np.moveaxis(self.model.predict_interval(X)[1], 2, 0)


class Crepes(Method):
    """``crepes``, calibrated on a quarter of the rows; the point is of a base that saw the others."""

    def fit(self, X: Array, y: Array) -> None:
        from crepes import WrapRegressor

        X, new_X, y, new_y = train_test_split(X, y, test_size=0.25, random_state=0)
        self.model = WrapRegressor(clone(self.base))
        self.model.fit(X, y)
        self.model.calibrate(new_X, new_y)

    def intervals(self, X: Array) -> Array:
        return np.stack([self.model.predict_int(X, confidence=coverage) for coverage in COVERAGES])


OURS = "DistributionalRegressor"
METHODS: dict[str, type[Method]] = {
    OURS: Ours,
    f'{OURS}, scale="constant"': Constant,
    f'{OURS}, likelihood="auto"': Chosen,
    "NGBoost": NGBoost,
    "NGBoost (early stopping)": NGBoostStopped,
    "skpro ResidualDouble": Skpro,
    "Gaussian of in-sample residuals": InSample,
    "quantile boosting": Quantiles,
    "MAPIE CV+": Mapie,
    "crepes": Crepes,
    "MLERegressor, linear scale": Linear,
}
