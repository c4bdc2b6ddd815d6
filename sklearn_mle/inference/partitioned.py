"""A fitted model on rows that Dask keeps: three passes, for the columns, the curvature and the sandwich."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sklearn_mle._fit import FitOptions
from sklearn_mle._fit.prepare import Prepared, standardize
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._predictors import LinearPredictors
from sklearn_mle._rows import Block
from sklearn_mle._rows.distributed import DistributedData, name_of
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference.at_estimate import AtEstimate, every_predictor
from sklearn_mle.inference.model import FittedModel, ReadData

KINDS = ("hessian", "expected", "opg", "HC0", "HC1")


@dataclass(frozen=True)
class _AtFitted:
    """What a function of a block is where the fitted predictors are the rows' offset, and weights have a power."""

    function: Callable[..., Any]
    every: LinearPredictors
    matrix: Array
    power: int

    @property
    def __name__(self) -> str:
        """The function's own, for Dask's dashboard."""
        return name_of(self.function)

    def __call__(self, block: Block) -> Any:
        eta = self.every.eta(block.rows, self.matrix, block.offset)
        weight = None if block.weight is None else block.weight**self.power
        return self.function(replace(block, offset=eta, weight=weight))


class FittedPartitions(DistributedData):
    """The rows of Dask's partitions at the fitted predictors."""

    def __init__(self, data: DistributedData, every: LinearPredictors, matrix: Array, power: int = 1) -> None:
        vars(self).update(vars(data))  # a view of the same rows
        self.every, self.matrix, self.power = every, matrix, power

    def reduce_rows(self, function: Callable[..., tuple[Any, ...]], mapped: Any = None) -> tuple[Any, ...]:
        """Return the sum over blocks of what a function returns of each at the fitted predictors: one pass."""
        return super().reduce_rows(_AtFitted(function, self.every, self.matrix, self.power))

    def powered(self, power: int) -> "FittedPartitions":
        """Return the same rows with their weights to a power."""
        return FittedPartitions(self, self.every, self.matrix, power)


@dataclass(frozen=True)
class AtPartitions(AtEstimate):
    """The objective of a fitted model at its estimate, on rows that Dask keeps."""

    @classmethod
    def of_partitions(cls, model: FittedModel, X: Any, y: Any, sample_weight: Any, offset: Any) -> Self:
        """Return the model on its rows, whose value, gradient and Hessian are known after one pass."""
        raw = model.read_partitions(X, y, sample_weight, offset)
        prepared = standardize(raw, FitOptions(terms=model.terms), model.features)
        nothing = ReadData(None, np.zeros(0), sample_weight, None, None)
        at = cls.of_prepared(model, nothing, prepared, model.at_boundary, np.ones(0))
        at.objective.value_gradient_hessian(at.theta)
        return at

    @staticmethod
    def fitted_rows(model: FittedModel, prepared: Prepared) -> FittedPartitions:
        """Return the rows, whose fitted predictors are computed where they are."""
        assert isinstance(prepared.data, DistributedData)
        matrix = prepared.columns.to_standardized(model.coefficients)
        return FittedPartitions(prepared.data, every_predictor(matrix), matrix)

    @property
    def n_obs(self) -> float:
        """Number of observations."""
        frequency = self.model.weight_type == "frequency"
        return self.prepared.n_obs if frequency else float(self.prepared.data.n_rows)

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return self.prepared.n_obs

    def squared_rows(self) -> tuple[FittedPartitions, float]:
        """Return rows with the weights of the sum of s s', up to a factor, and that factor."""
        rows = self.objective.data
        assert isinstance(rows, FittedPartitions)
        if self.model.weight_type == "frequency":
            return rows, self.mean_weight
        return rows.powered(2), self.mean_weight**2


def refuse_in_partitions(model: FittedModel, kind: str, options: dict[str, Any]) -> None:
    """Raise NotSupportedError for what needs the rows in memory."""
    given = [name for name, value in options.items() if value is not None]
    if kind in KINDS and not given and not (model.class_weighted and kind not in ("hessian", "expected")):
        return
    what = f"covariance={kind!r}" if kind not in KINDS else " and ".join(given) or "a sandwich of class weights"
    raise NotSupportedError(
        f"infer with {what} needs the rows in memory, but some of X, y, sample_weight and offset come from "
        f"Dask, which is supported only for {', '.join(map(repr, KINDS))}. Compute them, or a sample of the rows."
    )
