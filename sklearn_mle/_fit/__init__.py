"""Layer 5: read, start, solve, certify, retain; one strategy per kind of likelihood."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from sklearn_mle._fit.least_squares import LeastSquaresFit
from sklearn_mle._fit.logistic import LogisticFit
from sklearn_mle._fit.offsets import far_offsets, with_far_offsets_named
from sklearn_mle._fit.prepare import Prepared, RawRows, read_fit, standardize
from sklearn_mle._fit.quantile import QuantileFit
from sklearn_mle._fit.regression import RegressionFit
from sklearn_mle._fit.result import FitOptions, FitResult
from sklearn_mle._fit.start import best_constant
from sklearn_mle._fit.strategy import Strategy
from sklearn_mle._numerics.arguments import BeyondFloatError, NotFiniteError
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import NotPositiveDefiniteError
from sklearn_mle._numerics.threads import single_threaded_blas
from sklearn_mle._rows import Data
from sklearn_mle._rows.distributed import RowsElsewhereError
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._families import LocationScale

__all__ = [
    "FitOptions",
    "FitResult",
    "NotFiniteError",
    "RawRows",
    "RowsElsewhereError",
    "best_constant",
    "fit",
    "fit_rows",
    "read_fit",
]


_BEYOND = (
    "X, y, sample_weight, offset or a parameter holds numbers so large (or so small) that their sums or squares leave "
    "the range of float64; change their units."
)


def fit(
    likelihood: Likelihood,
    X: Any,
    y: Array,
    *,
    sample_weight: Array | None = None,
    offset: Array | None = None,
    **how: Any,
) -> FitResult:
    """Fit a likelihood to validated arrays; ``how`` is as in ``fit_rows``.

    X (n, p) is dense, CSR or a StoredArray; y and offset have shape (n,) or (n, K); weights have a positive sum.
    """
    return fit_rows(likelihood, read_fit(likelihood, X, y, sample_weight, offset), **how)


def fit_rows(
    likelihood: Likelihood,
    rows: RawRows,
    *,
    options: FitOptions | None = None,
    start: Array | None = None,
    observer: Callable[[int, Array], bool | None] | None = None,
    feature_names: Any = None,
    class_names: Any = None,
) -> FitResult:
    """Fit a likelihood to rows in memory, in storage or elsewhere.

    Parameters
    ----------
    start : ndarray of shape (q, p + 1) or None
        The coefficients of an earlier fit.
    observer : callable or None
        ``observer(iteration, coefficients)`` is called once an iteration; a true answer stops the fit.
    feature_names, class_names : sequence or None
        For the texts of warnings.

    Raises
    ------
    ValueError
        If the data have no answer at all: fewer than two classes with weight; numbers that overflow. If a likelihood
        has a kink that no fit is known for.
    NotSupportedError
        If a likelihood with a kink is to be fitted by a named solver, or a fit needs rows in one place that are not.
    """
    options = FitOptions() if options is None else options
    if not rows.data.in_one_place:
        _refuse_elsewhere(likelihood, options)
    # Numbers near the end of float64's range overflow on their way: the outcome is judged, not each step.
    with single_threaded_blas, np.errstate(all="ignore"):
        likelihood, rows = _equivalent(likelihood, rows)
        strategy = _strategy(likelihood, options, rows.data)
        prepared = standardize(rows, options, feature_names, strategy.cross_products)
        try:
            watch = _counted(observer, options.verbose)
            result = strategy(likelihood, prepared, options, watch, class_names).run(start)
        except (ArithmeticError, NotPositiveDefiniteError, BeyondFloatError) as error:
            raise _beyond(prepared) from error
        _refuse_overflow(result, prepared)
        result = with_far_offsets_named(result, prepared)
    if options.verbose:
        print(f"{result.status.message}; {result.n_passes} passes, gap {result.gap:.2g} nats")
    return replace(result, log_likelihood=result.log_likelihood - rows.lacking) if rows.lacking else result


def _strategy(likelihood: Likelihood, options: FitOptions, data: Data) -> type[Strategy]:
    """Return the strategy that fits a likelihood."""
    if likelihood.holds_class_codes:
        return LogisticFit
    if likelihood.least_squares and not options.terms_of(2)[1].columns and data.n_offsets < 2:
        return LeastSquaresFit
    if likelihood.smooth:
        return RegressionFit
    name = type(likelihood).__name__
    if not isinstance(likelihood, LocationScale) or likelihood.quantile_level is None:
        raise ValueError(
            f"likelihood: {name} declares a kink (smooth = False); of such likelihoods, only laplace and "
            "asymmetric_laplace can be fitted. Use one of them, or smooth the kink."
        )
    if options.solver != "auto":
        raise NotSupportedError(
            f"solver={options.solver!r} needs a likelihood that is smooth, and {name} has a kink: it is fitted "
            "exactly, by an interior-point method. Leave solver='auto', or use a smooth likelihood (huber, student_t, "
            "logistic)."
        )
    if data.n_offsets > 1:
        raise NotSupportedError(
            f"offset: {name} has a kink, and takes an offset for the location only. Pass one of shape (n,), or use a "
            "smooth likelihood (huber, student_t, logistic)."
        )
    return QuantileFit


def _equivalent(likelihood: Likelihood, rows: RawRows) -> tuple[Likelihood, RawRows]:
    """Return a simpler likelihood and rows with the same maximum; y has one column."""
    if likelihood.of_fractions is not None:
        _refuse_all_alike(rows.data)
        return likelihood.of_fractions, rows
    if likelihood.of_logarithm is not None:
        data = rows.data.with_target(_logarithm)
        lacking = rows.lacking + data.reduce_target(_sum)[0] * rows.mean_weight
        return likelihood.of_logarithm, replace(rows, data=data, lacking=lacking)
    return likelihood, rows


def _refuse_elsewhere(likelihood: Likelihood, options: FitOptions) -> None:
    """Raise RowsElsewhereError where a fit needs all rows in one place."""
    if not likelihood.smooth:
        raise RowsElsewhereError(
            f"likelihood: {type(likelihood).__name__} has a kink, and its exact fit needs all rows in one place, but X "
            "comes from Dask. Pass arrays in memory, or use a smooth likelihood (huber, student_t, logistic)."
        )
    if options.prior.bias_reduced:
        raise RowsElsewhereError(
            "bias_reduction='firth' needs all rows in one place, but X comes from Dask. Pass "
            "arrays in memory, or set bias_reduction=None: with so many rows the bias is small."
        )


def _logarithm(y: Array, offset: Array | None) -> tuple[Array, Array | None]:
    return np.log(y), offset


def _sum(y: Array, weight: Array | None, offset: Array | None) -> tuple[float]:
    return (float(y.sum() if weight is None else weight @ y),)


def _beyond(prepared: Prepared) -> ValueError:
    """Return the error about numbers beyond float64; about offsets, if these are the cause, with their rows."""
    words = far_offsets(prepared)
    return ValueError(_BEYOND if words is None else f"The likelihood leaves the range of float64. {words}")


def _refuse_overflow(result: FitResult, prepared: Prepared) -> None:
    """Raise where the answer is beyond float64: by the units of X, or by the sizes of all numbers together."""
    coefficients = result.coefficients
    if np.isfinite(coefficients).all() and result.log_likelihood > -np.inf:
        return
    beyond = np.isinf(coefficients[:, :-1]).any(axis=0)
    if beyond.any():
        names = prepared.names(np.flatnonzero(beyond))
        raise ValueError(
            f"X: the coefficient of {names} exceeds the largest float64, because the column's numbers are so "
            "small. Multiply the column by a power of ten (that is, use a smaller unit)."
        )
    if np.isnan(coefficients).any() or np.isinf(coefficients[0]).any() or not result.log_likelihood > -np.inf:
        raise _beyond(prepared)


def _refuse_all_alike(data: Data) -> None:
    """Raise ValueError where every trial failed, or every one succeeded: the log-odds would go to infinity."""
    for weight, name in zip(data.class_weights(2), ("succeeded", "failed"), strict=True):
        if weight == 0:
            raise ValueError(
                f"y: every trial of positive weight {name}, so no finite maximum likelihood estimate exists: the "
                "log-odds go to infinity. Successes and failures are needed."
            )


def _counted(observer: Callable[[int, Array], bool | None] | None, verbose: int) -> Callable[[Array], bool] | None:
    """Return an observer of coefficients that counts iterations; None if there is nothing to show."""
    if observer is None and not verbose:
        return None
    numbers = count(1)

    def watch(coefficients: Array) -> bool:
        iteration = next(numbers)
        if verbose:
            print(f"iteration {iteration}")
        return observer is not None and bool(observer(iteration, coefficients))

    return watch
