"""Predictions, distributions and sums over rows that Dask keeps: each method is called partition by partition.

One row of the right columns is tried at the call, so that errors and warnings about the arguments (names of features,
an offset that is missing, a level out of range) come there, and once; those of partitions are about their own rows.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from inspect import signature
from typing import Any, TypeVar, cast

import numpy as np

from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.partitions import Partitions, is_dask, one_row_like
from sklearn_mle._numerics.scipy_frozen import given_parameters
from sklearn_mle.estimators._scikit_learn import CALLBACKS
from sklearn_mle.estimators._validation import check_sample_weight, in_own_unit

Method = TypeVar("Method", bound=Callable[..., Any])

# The arguments with one entry per row, by the names that all methods give them.
_ROWWISE = ("X", "y", "sample_weight", "offset")
_AT_POINTS = ("pdf", "logpdf", "pmf", "logpmf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf")
_OF_ROWS = ("mean", "median", "std", "var")


def where_dask(otherwise: Callable[[Any, str, dict[str, Any]], Any]) -> Callable[[Method], Method]:
    """Let a method be ``otherwise(estimator, its name, its arguments)`` where an argument is Dask's."""

    def decorate(method: Method) -> Method:
        parameters = signature(method)

        @wraps(method)
        def asked(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not is_dask(*args, *kwargs.values()):
                return method(self, *args, **kwargs)
            arguments = parameters.bind(self, *args, **kwargs).arguments
            return otherwise(self, method.__name__, {key: value for key, value in arguments.items() if key != "self"})

        return cast(Method, asked)

    return decorate


def lazy_rows(estimator: Any, name: str, arguments: dict[str, Any]) -> Any:
    """Return an answer row by row, a Dask array, uncomputed; of an answer of several arrays as many."""
    rows = {key: value for key, value in arguments.items() if key in _ROWWISE}
    others = {key: value for key, value in arguments.items() if key not in _ROWWISE}
    partitions = Partitions.of(**rows)
    with np.errstate(all="ignore"):
        answer = getattr(estimator, name)(**{key: one_row_like(value) for key, value in rows.items()}, **others)
    sent = without_training_state(estimator, keep_curvature=bool(others.get("include_parameter_uncertainty")))
    columns = partitions.map_rows(partial(_row_answers, sent, name, others), _as_columns(answer), f"mle-{name}")
    if isinstance(answer, tuple):
        return tuple(columns[:, k] for k in range(len(answer)))
    return columns if answer.ndim == 2 else columns[:, 0]


def _as_columns(answer: Any) -> Array:
    """Return an answer of shape (n,) or (n, k), or several of shape (n,), as columns."""
    return np.column_stack(answer) if isinstance(answer, tuple) else answer.reshape(len(answer), -1)


def without_training_state(estimator: Any, *, keep_curvature: bool = False) -> Any:
    """Return the fitted estimator as it is sent to the workers: without names, which were checked, and callbacks."""
    sent = copy.copy(estimator)
    for attribute in ("feature_names_in_", CALLBACKS):
        vars(sent).pop(attribute, None)
    # The curvature, p^2 numbers, serves nothing but intervals that count the parameters' uncertainty.
    if not keep_curvature:
        sent._fitted = replace(sent._fitted, retained=None)
    return sent


def without_names(X: Any) -> Any:
    """Return a block of X without the names of its columns, which were checked at the call."""
    return X.to_numpy() if hasattr(X, "to_numpy") else X


def _row_answers(estimator: Any, name: str, others: dict[str, Any], X: Any, **rows: Any) -> Array:
    """Return a method's answer for the rows of a block, in columns."""
    return _as_columns(getattr(estimator, name)(without_names(X), **rows, **others))


def _per_partition(task: Callable[..., Any], estimator: Any, name: str, arguments: dict[str, Any]) -> Array:
    """Return what a task gives of the blocks whose rows have any weight, shape (k, n_blocks), that weight last."""
    partitions = Partitions.of(**arguments)
    with np.errstate(all="ignore"):
        estimator._validate_predict(*(one_row_like(arguments.get(key)) for key in ("X", "offset", "sample_weight")))
    task = partial(task, without_training_state(estimator))
    table = np.array(partitions.collect(task, f"mle-{name}"), dtype=np.float64)
    if not len(table):
        raise ValueError("X has 0 sample(s), while a minimum of 1 is required: all of its partitions are empty.")
    check_sample_weight(table[:, -1], len(table))
    return table[table[:, -1] > 0].T


def sum_over_rows(estimator: Any, name: str, arguments: dict[str, Any]) -> float:
    """Return the sum over partitions of what the method, a sum over rows, is on each."""
    values, _ = _per_partition(partial(_value_and_weight, name), estimator, name, arguments)
    return float(values.sum())


def mean_over_rows(estimator: Any, name: str, arguments: dict[str, Any]) -> float:
    """Return the mean over partitions of what the method, a (weighted) mean over rows, is on each."""
    values, weights = _per_partition(partial(_value_and_weight, name), estimator, name, arguments)
    return float((values * weights).sum()) / float(weights.sum())


def _value_and_weight(
    name: str, estimator: Any, X: Any, y: Any, sample_weight: Any = None, offset: Any = None
) -> tuple[float, float]:
    """Return a method's answer for all rows of a block, and their weight."""
    total, weight, offset = _present(sample_weight, offset, X.shape[0])
    return getattr(estimator, name)(without_names(X), y, weight, offset), total


def _present(sample_weight: Any, offset: Any, n: int) -> tuple[float, Any, Any]:
    """Return the total weight of a block, its weights and its offset.

    Where all weights are zero there are none, so that the rows are read still; their offset may be anything, and is 0.
    """
    if sample_weight is None:
        return float(n), None, offset
    with argument_name("sample_weight"):
        weight = np.broadcast_to(np.asarray(sample_weight, dtype=np.float64), (n,))
    if weight.any():
        return float(weight.sum()), weight, offset
    return 0.0, None, None if offset is None else 0.0


def _squares(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None, offset: Any = None
) -> tuple[float, float, float, float, float]:
    """Return the mean of y in a block, its sum of squares about it, that of the residuals, and the weight.

    The first number is the exponent k of the unit 2^k in which they are.
    """
    total, weight, offset = _present(sample_weight, offset, X.shape[0])
    y, prediction, weight = estimator._observed_and_predicted(without_names(X), y, weight, offset)
    if not total:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    weight = np.ones(len(y)) if weight is None else weight
    total = float(weight.sum())
    with np.errstate(over="ignore"):
        power, y, prediction = in_own_unit(y, prediction)
        mean = float(weight @ y) / total
        residual = float(weight @ np.square(y - prediction))
    return power, mean, float(weight @ np.square(y - mean)), residual, total


def r2_over_rows(estimator: Any, name: str, arguments: dict[str, Any]) -> float:
    """Return R^2, put together from the sums of squares of partitions."""
    power, mean, squares, residual, weight = _per_partition(_squares, estimator, name, arguments)
    lower = (power - power.max()).astype(int)
    mean, squares, residual = np.ldexp(mean, lower), np.ldexp(squares, 2 * lower), np.ldexp(residual, 2 * lower)
    centre = float(weight @ mean) / float(weight.sum())
    spread = float(squares.sum() + weight @ np.square(mean - centre))
    left = float(residual.sum())
    # As scikit-learn's r2_score: a constant y is explained wholly or not at all.
    return 1 - left / spread if spread > 0 else float(left == 0)


def lazy_distribution(estimator: Any, name: str, arguments: dict[str, Any]) -> "LazyDistribution":
    """Return what ``predict_distribution`` is of rows that are Dask's."""
    Partitions.of(**arguments)
    with np.errstate(all="ignore"):
        one = estimator.predict_distribution(**{key: one_row_like(value) for key, value in arguments.items()})
    return LazyDistribution(without_training_state(estimator), arguments, one)


class LazyDistribution:
    """The distributions of y given rows that Dask keeps: the methods of a frozen one, which return Dask arrays.

    A frozen ``scipy.stats`` distribution holds its parameters in memory. This one holds the rows as Dask does, and each
    question (``mean``, ``std``, ``var``, ``median``; ``ppf``, ``isf`` of a probability; ``cdf``, ``sf``, their
    logarithms, and the density ``pdf`` or mass ``pmf``, ``logpdf`` or ``logpmf``, of a point) is a lazy array of shape
    (n,) in the rows' partitions. The argument is a number for all rows, or an array of shape (n,), one entry per row.

    Attributes
    ----------
    dist : scipy.stats generator or None
        The family, such as ``scipy.stats.norm``; ``dist(**dask.compute(parameters)[0])`` is frozen, in memory.
    parameters : dict of str to dask.array.Array
        The parameters of the rows, each of shape (n,), by ``scipy.stats``'s names; empty for distributions of another
        make.
    """

    def __init__(self, estimator: Any, rows: dict[str, Any], one: Any) -> None:
        self._estimator, self._given, self._one = estimator, rows, one
        self.dist = getattr(one, "dist", None)
        names = list(_parameters(one))
        columns = self._ask("parameters", len(names))
        self.parameters: dict[str, Any] = {name: columns[:, k] for k, name in enumerate(names)}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # A density has no mass function, nor has a distribution of the user's all of the methods.
        if name in _AT_POINTS and hasattr(self._one, name):
            return lambda x: self._ask(name, 1, x=x)[:, 0]
        if name in _OF_ROWS and hasattr(self._one, name):
            return lambda: self._ask(name, 1)[:, 0]
        raise AttributeError(f"{type(self).__name__} of {type(self._one).__name__} has no attribute {name!r}")

    def compute(self) -> Any:
        """Return the distribution in memory, its parameters of shape (n,): what metrics judge."""
        predictors = self._ask("predictors", self._estimator._fitted.likelihood.n_predictors).compute()
        return self._estimator._fitted.likelihood.distribution(predictors.T)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in _AT_POINTS + _OF_ROWS if hasattr(self._one, name))]

    def _ask(self, name: str, n_columns: int, **point: Any) -> Any:
        task = partial(_distribution_answers, self._estimator, name)
        partitions = Partitions.of(**self._given, **point)
        return partitions.map_rows(task, np.empty((0, n_columns)), f"mle-distribution-{name}")


def _distribution_answers(estimator: Any, name: str, X: Any, offset: Any = None, **point: Any) -> Array:
    """Return the answer of the distribution of a block's rows, its parameters, or its predictors, in columns."""
    if name == "predictors":
        return estimator._linear_predictors(*estimator._validate_predict(without_names(X), offset)).T
    distribution = estimator.predict_distribution(without_names(X), offset)
    if name == "parameters":
        parameters = _parameters(distribution).values()
        answer = np.column_stack(np.broadcast_arrays(*map(np.atleast_1d, parameters)))
    else:
        arguments = [np.asarray(x) for x in point.values()]
        answer = np.asarray(getattr(distribution, name)(*arguments), dtype=np.float64).reshape(-1, 1)
    return np.broadcast_to(answer, (X.shape[0], answer.shape[1]))


def _parameters(distribution: Any) -> dict[str, Any]:
    """Return the parameters that a frozen ``scipy.stats`` distribution was given, by name; none of other classes."""
    if any(getattr(distribution, name, None) is None for name in ("dist", "args", "kwds")):
        return {}
    return given_parameters(distribution)
