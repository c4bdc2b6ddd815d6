"""Rows of K probabilities or log-probabilities: read, checked, and never changed.

How far from 1 a row may sum: 1e-6, or the square root of the machine epsilon of the dtype that came where that is more
(float32: 3.5e-4, float16: 3.1e-2). A softmax in float64 is off by about 1e-16 and one in float32 by about K * 6e-8, so
correct probabilities pass; a missing column, percentages and independent one-vs-rest scores do not. Rows within the
tolerance are used as they came: renormalizing them would move a score by less than the tolerance, in a step that is
not visible to the user.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mle._numerics.arguments import as_bool, as_floats, first_true
from sklearn_mle._numerics.arrays import Array

SUM_TOLERANCE = 1e-6
_BLOCK_ENTRIES = 65_536  # of scratch space for the exponentials of a block: a quarter of a megabyte stays in cache


@dataclass(frozen=True)
class ProbabilityRows:
    """Rows (n, K) in the float type they came in; logarithms are taken in float64, and only where they are needed."""

    values: NDArray[np.floating]
    is_log: bool

    def __len__(self) -> int:
        return len(self.values)

    def log_at(self, codes: NDArray[np.intp]) -> Array:
        """Log-probability (n,) of one class per row: n logarithms, not n * K."""
        return self._log(self.values[np.arange(len(codes)), codes])

    def log(self) -> Array:
        """Log-probabilities (n, K)."""
        return self._log(self.values)

    def probabilities(self) -> Array:
        """Probabilities (n, K)."""
        values = np.asarray(self.values, dtype=np.float64)
        return np.exp(values) if self.is_log else values

    def _log(self, values: NDArray[np.floating]) -> Array:
        exact = np.asarray(values, dtype=np.float64)
        if self.is_log:
            return exact
        with np.errstate(divide="ignore"):
            return np.log(exact)


def read_rows(values: ArrayLike, name: str, *, is_log: bool = False, order: list[int] | None = None) -> ProbabilityRows:
    """Read (n, K) rows that sum to 1, their columns in ``order``; (n,) is taken as the second of two classes."""
    is_log = as_bool("log_proba", is_log)
    array = as_floats(values, name)
    if order is not None:
        array = array[:, order]
    if 0 in array.shape or array.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (n, K), or (n,) for the second of two classes; got {array.shape}.")
    if array.ndim == 1:
        return ProbabilityRows(_with_first_class(array.astype(np.float64, copy=False), name, is_log), is_log)
    tolerance = sum_tolerance(array.dtype)
    with np.errstate(all="ignore"):  # NaN and infinities show in the sums
        sums = _exp_sums(array, tolerance) if is_log else array @ np.ones(array.shape[1])
    far = ~(np.abs(sums - 1) <= tolerance)
    if far.any() or (not is_log and array.min() < 0):
        raise ValueError(_why_not_probabilities(array, sums, far, name, is_log))
    return ProbabilityRows(array, is_log)


def sum_tolerance(dtype: np.dtype) -> float:
    """How far from 1 a row of this dtype may sum."""
    return max(SUM_TOLERANCE, float(np.sqrt(np.finfo(dtype).eps)))


def _with_first_class(second: Array, name: str, is_log: bool) -> Array:
    if (row := first_true(~((second <= 0) if is_log else (second >= 0) & (second <= 1)))) is not None:
        valid = "a log-probability, at most 0" if is_log else "a probability in [0, 1] (log_proba=True for logarithms)"
        raise ValueError(
            f"{name}[{row}] is {second[row]}: values of shape (n,) are for the second of two classes, each {valid}."
        )
    if not is_log:
        return np.column_stack([1 - second, second])
    with np.errstate(divide="ignore"):
        # log(1 - exp(x)); each branch is accurate where the other cancels (Maechler 2012, the Rmpfr note on log1mexp).
        first = np.where(second > -np.log(2), np.log(-np.expm1(second)), np.log1p(-np.exp(second)))
    return np.column_stack([first, second])


def _exp_sums(values: NDArray[np.floating], tolerance: float) -> Array:
    # These n * K exponentials are most of the time of a metric on log-probabilities. In float32 they cost a third and
    # are good to 1e-7, enough to pass nearly every row; the rest are summed again in float64.
    n, n_classes = values.shape
    step = max(1, _BLOCK_ENTRIES // n_classes)
    scratch = np.empty((min(n, step), n_classes), dtype=np.float32)
    ones = np.ones(n_classes, dtype=np.float32)
    sums = np.empty(n)
    for start in range(0, n, step):
        block = scratch[: min(step, n - start)]
        np.copyto(block, values[start : start + step], casting="same_kind")
        sums[start : start + step] = np.exp(block, out=block) @ ones
    unsure = ~(np.abs(sums - 1) <= tolerance / 2)
    if unsure.any():
        sums[unsure] = np.exp(values[unsure], dtype=np.float64).sum(axis=1)
    return sums


def _why_not_probabilities(
    values: NDArray[np.floating], sums: Array, far: NDArray[np.bool_], name: str, is_log: bool
) -> str:
    wrong = np.isnan(values) if is_log else ~(values >= 0)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        value = values[row, column]
        if np.isnan(value):
            return f"{name}[{row}, {column}] is nan: probabilities must not be missing; drop or repair row {row}."
        logs = " (log-probabilities need log_proba=True)" if name == "y_pred" else ""
        return f"{name}[{row}, {column}] is {value}: probabilities are not negative{logs}."
    row = int(far.argmax())
    if values.shape[1] == 1:
        remedy = f"one column speaks of one class; pass {name}.ravel() if it is the second of two"
    elif is_log:
        remedy = f"subtract scipy.special.logsumexp({name}, axis=1, keepdims=True), or pass log_proba=False"
    elif name == "y_true":
        remedy = "normalize the rows, or pass the row sums as sample_weight"
    else:
        remedy = f"divide each row of {name} by its sum"
    return (
        f"{name} must hold rows of {'log-probabilities' if is_log else 'probabilities'}: "
        f"{'exp of ' if is_log else ''}row {row} sums to {sums[row]:.9g}, {abs(sums[row] - 1):.3g} from 1 "
        f"(tolerance {sum_tolerance(values.dtype):.2g}; {int(far.sum())} of {len(far)} rows are too far): {remedy}."
    )
