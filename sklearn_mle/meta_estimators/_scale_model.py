"""How large the error of a prediction is expected to be: a model of |residual| given X and the prediction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, issparse
from sklearn.base import clone

from sklearn_mle._numerics.arguments import first_true, is_missing
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.memory import refuse_unless_it_fits
from sklearn_mle.meta_estimators._cross_fit import cross_fit, pooled, weights_for
from sklearn_mle.meta_estimators._noise import least_scale
from sklearn_mle.model_selection._arguments import Fold

# A modelled scale below this share of the mean |residual| says that the model fits its own rows, and its logarithm
# would be far from all others.
_LEAST_SHARE = 1e-6


class NumericTable:
    """Columns of X as numbers, the prediction beside them, for trees: text and categories become codes.

    Sparse rows become dense; an X that is no table (a list of texts) leaves the prediction alone.
    """

    def __init__(self, X: Any) -> None:
        self._is_table = issparse(X) or len(np.shape(X)) == 2
        self._codes: list[dict[Any, int] | None] = []
        if self._is_table and not issparse(X):
            self._codes = [_codes(column) for column in _columns(X)]

    def __call__(self, X: Any, prediction: Array) -> Array:
        if not self._is_table:
            return prediction[:, None]
        if issparse(X):
            refuse_unless_it_fits(
                *X.shape,
                what="scale='auto' boosts trees on dense rows, and X, which is sparse,",
                remedy="Give scale='constant', or a regressor that takes sparse rows",
            )
            return np.column_stack([X.toarray(), prediction])
        coded = [
            _floats(column) if codes is None else [codes.get(value, np.nan) for value in _objects(column)]
            for column, codes in zip(_columns(X), self._codes, strict=True)
        ]
        return np.column_stack([*coded, prediction])


def with_prediction(X: Any, prediction: Array) -> Any:
    """Return X with the prediction as its last column, in the container of X: what a user's regressor is given."""
    if issparse(X):
        return hstack([csr_array(X), csr_array(prediction[:, None])], format="csr")
    if not hasattr(X, "columns"):
        return np.column_stack([np.asarray(X), prediction])
    names = list(X.columns)
    name: Any = "prediction"
    if names and not any(isinstance(other, str) for other in names):  # numbered columns: names must be of one kind
        name = len(names)
    while name in names:
        name += "_" if isinstance(name, str) else 1
    if hasattr(X, "with_columns"):  # polars
        return X.with_columns(**{name: prediction})
    table = X.copy()
    table[name] = prediction  # assign takes no number for a name
    return table


@dataclass(frozen=True)
class ScaleModel:
    """Models of the mean |residual|, one per fold: the logarithm of the scale is the mean of theirs.

    They predict it in ``unit``; ``least``, its lower bound, is in the unit of y.
    """

    models: Sequence[Any]
    rows: Callable[[Any, Array], Any]
    unit: float
    least: float

    def log_scale(self, X: Any, prediction: Array) -> Array:
        """Return the logarithm of the modelled scale of new rows, shape (n,)."""
        table, rows = self.rows(X, prediction), np.arange(len(prediction))
        return np.mean([_log_size(model, table, rows, self.unit, self.least) for model in self.models], axis=0)


def fit_scale(
    scale: Any, X: Any, y: Array, prediction: Array, folds: Sequence[Fold], weight: Array | None, n_jobs: int | None
) -> tuple[ScaleModel | None, Array | None]:
    """Model |residual| given X and the prediction, and return the model and its out-of-fold logarithms, shape (n,).

    Rows without a prediction are nan, and left out; those of weight zero are in no training set. Both are None where
    there is nothing to be learnt: no fold's model tells its rows apart (of a few rows boosting makes no split).
    """
    known = np.isfinite(prediction)
    used = known if weight is None else known & (weight > 0)
    inner = [(train[used[train]], test[known[test]]) for train, test in folds]
    inner = [(train, test) for train, test in inner if len(train) > 1 and len(test)]
    size = np.abs(y - prediction)
    if len(inner) < 2 or not size[used].any():
        return None, None
    mean = float(np.average(size[used], weights=None if weight is None else weight[used] / weight.max()))
    least = max(least_scale(y if weight is None else y[weight > 0]), _LEAST_SHARE * mean)
    size = np.maximum(size, least)
    is_auto, unit = isinstance(scale, str), 1.0
    if is_auto:
        from sklearn.ensemble import HistGradientBoostingRegressor  # its import takes longer than that of this package

        regressor = HistGradientBoostingRegressor(loss="poisson", random_state=0)
        # It makes no split where the sum of weighted sizes is below a number: the unit of y and of weights would count.
        unit = _power_of_two(mean)
        size = size / unit
        weight = None if weight is None else weight / _power_of_two(float(weight[used].mean()))
    else:
        regressor = clone(scale)
    rows: Callable[[Any, Array], Any] = NumericTable(X) if is_auto else with_prediction
    params = weights_for(regressor, weight, "scale", "DistributionalRegressor")
    log_size = partial(_log_size, unit=unit, least=least)
    fitted = cross_fit(regressor, rows(X, prediction), size, inner, log_size, params, n_jobs)
    if all(np.ptp(one.prediction) < 1e-9 for one in fitted):
        return None, None
    return ScaleModel([one.model for one in fitted], rows, unit, least), pooled(fitted, len(y))


def _log_size(model: Any, X: Any, rows: NDArray[np.intp], unit: float, least: float) -> Array:
    size = np.asarray(model.predict(X), dtype=np.float64)
    bad = first_true(~np.isfinite(size))
    if bad is not None:
        raise ValueError(
            f"scale: the regressor predicted a |residual| that is not finite, of row {rows[bad]}; give another one."
        )
    return np.log(np.maximum(size * unit, least))


def _power_of_two(size: float) -> float:
    """Return the power of two nearest to a positive number: division by it is exact."""
    return float(np.ldexp(1.0, round(np.log2(size))))


def _columns(X: Any) -> list[Any]:
    if not hasattr(X, "columns"):
        return list(np.asarray(X).T)
    return [X.iloc[:, k] if hasattr(X, "iloc") else X[name] for k, name in enumerate(X.columns)]


def _floats(column: Any) -> Array:
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        # pandas' nullable numbers need a float for missing ones.
        return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _codes(column: Any) -> dict[Any, int] | None:
    """Return None of numbers, and of all else the codes of its values; missing values and new ones have none."""
    try:
        _floats(column)
    except (AttributeError, TypeError, ValueError):
        values = [value for value in _objects(column) if not is_missing(value)]
    else:
        return None
    try:
        # As text: values of several types have no order of their own. 1 and "1" are two values.
        ordered = sorted(set(values), key=lambda value: (str(value), type(value).__name__))
        return {value: code for code, value in enumerate(ordered)}
    except TypeError as error:
        raise TypeError(
            f"X: scale='auto' models the scale by columns of numbers, texts or categories, but one holds "
            f"{values[0]!r}. Give scale='constant', or a regressor that takes such columns."
        ) from error


def _objects(column: Any) -> list[Any]:
    return np.asarray(column, dtype=object).tolist()
