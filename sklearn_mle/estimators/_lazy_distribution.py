"""The distribution of y given rows that Dask keeps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._numerics.partitions import Partitions, one_row_like
from sklearn_mle.estimators._lazy import Method, light, nameless, where_dask

__all__ = ["LazyDistribution", "lazy_distribution"]

_AT_POINTS = ("pdf", "logpdf", "pmf", "logpmf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf")
_OF_ROWS = ("mean", "median", "std", "var")


def lazy_distribution(method: Method) -> Method:
    """Let ``predict_distribution`` be a LazyDistribution where its rows are Dask's."""

    def of_rows(estimator: Any, name: str, arguments: dict[str, Any]) -> LazyDistribution:
        Partitions.of(**arguments)
        with np.errstate(all="ignore"):
            one = estimator.predict_distribution(**{key: one_row_like(value) for key, value in arguments.items()})
        return LazyDistribution(light(estimator), arguments, one)

    return where_dask(method, of_rows)


class LazyDistribution:
    """The distributions of y given rows that Dask keeps: asked as a frozen one is, it answers with Dask arrays.

    A frozen ``scipy.stats`` distribution holds its parameters in memory. This one holds the rows as Dask does, and each
    question (``mean``, ``std``, ``var``, ``median``; ``ppf``, ``isf`` of a probability; ``cdf``, ``sf``, their
    logarithms, and the density ``pdf`` or mass ``pmf``, ``logpdf`` or ``logpmf``, of a point) is a lazy array of shape
    (n,) in the rows' partitions. The argument is a number for all rows, or an array of shape (n,), one entry a row.

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
        self.parameters: dict[str, Any] = {}
        if names:
            columns = self._ask(_parameter_columns, "parameters", len(names))
            self.parameters = {name: columns[:, k] for k, name in enumerate(names)}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # A density has no mass function, nor has a distribution of the user's all of the methods.
        if name in _AT_POINTS and hasattr(self._one, name):
            return partial(self._at, name)
        if name in _OF_ROWS and hasattr(self._one, name):
            return partial(self._of_rows, name)
        raise AttributeError(f"{type(self).__name__} of {type(self._one).__name__} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in _AT_POINTS + _OF_ROWS if hasattr(self._one, name))]

    def _at(self, name: str, x: Any) -> Any:
        return self._ask(_Question(name), name, 1, x=x)[:, 0]

    def _of_rows(self, name: str) -> Any:
        return self._ask(_Question(name), name, 1)[:, 0]

    def _ask(self, question: Callable[..., NDArray[Any]], name: str, n_columns: int, **point: Any) -> Any:
        task = _OfBlock(self._estimator, question)
        partitions = Partitions.of(**self._given, **point)
        return partitions.map_rows(task, np.empty((0, n_columns)), f"mle-distribution-{name}")


@dataclass(frozen=True)
class _OfBlock:
    """An answer of the distribution of a block's rows, in columns."""

    estimator: Any
    question: Callable[..., NDArray[Any]]

    def __call__(self, X: Any, offset: Any = None, **point: Any) -> NDArray[Any]:
        answer = self.question(self.estimator.predict_distribution(nameless(X), offset), **point)
        return np.broadcast_to(answer, (X.shape[0], answer.shape[-1] if answer.ndim else 1))


@dataclass(frozen=True)
class _Question:
    """A method of a distribution, asked of each row; its answer as one column."""

    name: str

    def __call__(self, distribution: Any, **point: Any) -> NDArray[Any]:
        arguments = [np.asarray(x) for x in point.values()]
        return np.asarray(getattr(distribution, self.name)(*arguments), dtype=np.float64).reshape(-1, 1)


def _parameter_columns(distribution: Any) -> NDArray[Any]:
    parameters = _parameters(distribution)
    return np.column_stack(np.broadcast_arrays(*(np.atleast_1d(value) for value in parameters.values())))


def _parameters(distribution: Any) -> dict[str, Any]:
    """Return the parameters that a frozen ``scipy.stats`` distribution was given, by name; none of other makes."""
    dist, args, kwds = (getattr(distribution, name, None) for name in ("dist", "args", "kwds"))
    if dist is None or args is None or kwds is None:
        return {}
    shapes = [name.strip() for name in (dist.shapes or "").split(",") if name.strip()]
    return {**dict(zip([*shapes, "loc", "scale"], args, strict=False)), **kwds}
