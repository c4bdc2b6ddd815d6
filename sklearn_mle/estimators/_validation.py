"""Validate X, sample_weight, offset and a numeric y, the arguments of all estimators; labels have their own file.

Nothing is written to the estimator here, and nothing valid is copied.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils.validation import validate_data

from sklearn_mle._numerics.arguments import (
    argument_name,
    check_count,
    refuse_masked,
    refuse_missing_labels,
    refuse_times,
)
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.frames import column_order
from sklearn_mle._numerics.offsets import by_parameter, offset_of_present, refuse_infinite_offset
from sklearn_mle._numerics.partitions import refuse_lazy
from sklearn_mle._numerics.stored import StoredArray, as_stored, in_memory
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.likelihoods._answers import refuse_wrong_answers

BEYOND_FLOAT64 = (
    "X, y, sample_weight or offset holds numbers so large that the score leaves the range of float64; rescale them."
)

_LARGE = 1_000_000  # entries
_WHOLE = 2**53  # integers up to here are floats, too
# float32 stays float32 up to the fit, which upcasts it block by block.
MATRIX = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}


def refuse_beyond_float64(parameters: Mapping[str, Any]) -> None:
    """Raise for a parameter that Python's integers, or a longer floating-point type, hold and float64 does not."""
    for name, value in parameters.items():
        if type(value) is int and abs(value) < _WHOLE:
            continue
        if isinstance(value, Real) and not isinstance(value, float | bool) and leaves_float64(value):
            raise ValueError(
                f"{name} must be a number within the range of float64, about 1e-308 to 1e308; got one beyond it."
            )


def leaves_float64(value: Any) -> bool:
    """Tell whether a number is beyond the range of float64, or is not zero but would be there."""
    try:
        with np.errstate(all="ignore"):
            number = float(value)
    except OverflowError:
        return True
    return bool((np.isinf(number) and number != value) or (number == 0 and value != 0))


def validate_training(estimator: Any, X: Any, offset: Any) -> tuple[Any, dict[str, Any]]:
    """Validate the X of a fit.

    With an offset, X may be without columns: a null model. Without one this is more likely a mistake, and an error,
    as scikit-learn's checks ask for.

    Returns
    -------
    X : ndarray, CSR or StoredArray of shape (n, p)
        Float64 or float32; sparse rows are canonical. A large array may still have entries that are not finite: then
        the fit raises ``NotFiniteError``.
    attributes : dict
        ``n_features_in_`` and, where X has names, ``feature_names_in_``: to be published once the fit has succeeded.
    """
    if _is_plain(X, 2, np.float64, np.float32) and X.size:
        return X, {"n_features_in_": X.shape[1]}
    # validate_data writes what it learns on the estimator it is given; a failed fit must leave the real one untouched.
    draft = copy.copy(estimator)
    X = _read(draft, X, reset=True)
    refuse_no_columns(estimator, X, offset)
    learned = vars(draft)
    names = [name for name in ("n_features_in_", "feature_names_in_") if name in learned]
    return canonical(X), {name: learned[name] for name in names}


def check_target(
    y: Any, *, dtype: Any = None, finite: bool = True, several_columns: bool = False, warn: bool = True
) -> Array:
    """Return y as an array of shape (n,), or also (n, k) where it may have ``several_columns``.

    Without a dtype it holds labels of any kind. Entries may be infinite or nan only where ``finite`` is false.
    """
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    if _is_plain(y, 1, np.float64, np.int64, np.bool_):
        return y
    refuse_masked(y=y)
    y = in_memory(y)
    with argument_name("y"):
        if dtype is not None:
            refuse_times(y, "y")
        how = {"ensure_2d": False, "dtype": dtype, "ensure_min_samples": 0, "ensure_all_finite": finite}
        try:
            y = check_array(y, input_name="y", **how)
        except TypeError:
            # Such as pandas' NA among strings: comparing it gives no truth value.
            labels = np.asarray(y, dtype=object)
            if labels.ndim == 1:
                refuse_missing_labels("y", labels)
            raise
        return y if several_columns else column_or_1d(y, warn=warn)


def read_outcomes(likelihood: Likelihood, y: Any, *, warn: bool = True) -> Array:
    """Return y in the likelihood's domain, rows first; columns of counts stay two."""
    y = check_target(y, dtype=np.float64, finite=not likelihood.open_ended, several_columns=True)
    with argument_name("y"):
        if y.ndim != 1 and not (y.ndim == 2 and 1 < y.shape[1] in likelihood.y_columns):
            y = column_or_1d(y, warn=warn)
        return likelihood.check_target(y.T).T


def _is_plain(array: Any, ndim: int, *dtypes: Any) -> bool:
    """Tell whether an array needs no general check, which would take a tenth of a small fit: small, and finite."""
    known = type(array) is np.ndarray and array.ndim == ndim and array.dtype in dtypes
    return known and array.size <= _LARGE and bool(np.isfinite(array).all())


def refuse_no_columns(estimator: Any, X: Any, offset: Any) -> None:
    """Raise scikit-learn's error for an X without columns and without an offset beside it."""
    if offset is None and X.shape[1] == 0:
        raise ValueError(
            f"X: Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is required by "
            f"{type(estimator).__name__}. For a model without columns give an offset too (offset=0.0 adds nothing)."
        )


def _read(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Validate X as scikit-learn does; of rows in storage the first is looked at."""
    refuse_lazy(X)
    with argument_name("X"):
        refuse_times(X, "X")
        if hasattr(X, "columns") and np.shape(X)[1:] == (0,):  # a frame without columns has no dtype
            X = np.empty(X.shape)
        X = as_stored(X)
        # The fit's first pass finds entries that are not finite in a large X, which is not read twice for that.
        finite = not (reset and isinstance(X, np.ndarray | StoredArray) and X.size > _LARGE)
        how = {**MATRIX, "reset": reset, "ensure_all_finite": finite, "ensure_min_features": 0}
        if isinstance(X, StoredArray):
            validate_data(estimator, X[:1], **how)
            return X
        return validate_data(estimator, X, **how)


def validate_features(estimator: Any, X: Any) -> Any:
    """Validate X against what the estimator was fitted on.

    Returns
    -------
    ndarray, CSR or StoredArray
        The entries of a stored array are not read here; those that are not finite are refused where they are read.
    """
    known = vars(estimator)
    width, names = known.get("n_features_in_"), known.get("feature_names_in_")
    if _is_plain(X, 2, np.float64, np.float32) and X.size and X.shape[1] == width and names is None:
        return X
    refuse_masked(X=X)
    return _read(estimator, X, reset=False)


def canonical(X: Any) -> Any:
    """Return sparse rows with sorted indices and duplicates summed; a copy where they were not."""
    if not getattr(X, "has_canonical_format", True):
        X = X.copy()
        X.sum_duplicates()
    return X


def check_sample_weight(sample_weight: Any, n_samples: int, *, some_positive: bool = True) -> Array | None:
    """Validate weights: non-negative numbers, one per row or one for all, ``some_positive``; None stays None."""
    if sample_weight is None:
        return None
    weight = _rowwise(sample_weight, (n_samples,), "sample_weight")
    if weight.min(initial=0.0) < 0:
        row = int(np.argmax(weight < 0))
        raise ValueError(
            f"sample_weight must not be negative, but row {row} has {weight[row]:g}. A weight counts copies of its "
            "row; 0 leaves the row out."
        )
    with np.errstate(over="ignore"):
        total = weight.sum()
    if total == np.inf:
        raise ValueError("sample_weight sums to more than a float64 can hold; divide the weights by a constant.")
    if some_positive and not weight.any():
        raise ValueError(
            "sample_weight is zero on every row, so no row is left to fit. Sample weights must contain at least one "
            "non-zero number."
        )
    return weight


def check_offset(offset: Any, shape: tuple[int, ...]) -> Array | None:
    """Validate an offset: finite numbers of the given shape, or a scalar for all of them; None stays None."""
    if offset is None:
        return None
    array = _rowwise(offset, shape, "offset", finite=False)
    refuse_infinite_offset(np.float64(offset) if isinstance(offset, Real) else array)
    return array


def check_class_offset(offset: Any, sample_weight: Any, n_samples: int, classes: Array) -> Array | None:
    """Validate the offset of class probabilities: of two classes, of the second's log-odds.

    The columns of a frame are found by the names of the classes, if they have these.
    """
    shape = (n_samples,) if len(classes) == 2 else (n_samples, len(classes))
    order = None if len(classes) == 2 else column_order(offset, classes.tolist(), "offset", renames=True)
    if order is not None:
        offset = np.asarray(offset)[:, order]
    return check_offset(offset_of_present(offset, sample_weight), shape)


def n_offsets_of(offset: Any, likelihood: Likelihood) -> int:
    """Return how many linear predictors an offset is given for: the location's alone, or each."""
    with argument_name("offset"):
        return likelihood.n_predictors if np.ndim(offset) == 2 else 1


def refuse_other_offsets(offset: Any, n_fitted: int, likelihood: Likelihood) -> None:
    """Raise for an offset of more or fewer predictors than the fit's: what is forgotten would be silent.

    A number for every row is the location's, and may stand for any.
    """
    if n_fitted in (0, n_offsets_of(offset, likelihood)) or np.ndim(offset) == 0:
        return
    shape, names = "(n,)", likelihood.parameter_names
    if n_fitted > 1:
        shape = f"(n, {n_fitted}), a column for each of {names}, or a frame whose columns are some of these"
    raise ValueError(
        f"offset has the shape {np.shape(offset)}, but the model was fitted with one of shape {shape}. Pass an "
        "offset of that shape; zeros add nothing."
    )


def check_offsets(offset: Any, sample_weight: Any, n_samples: int, likelihood: Likelihood) -> Array | None:
    """Validate the offset of a regression: (n,) or a scalar is the location's; (n, q) has a column per parameter.

    Rows of weight zero are absent, and theirs may be anything.
    """
    names = likelihood.parameter_names
    offset = offset_of_present(by_parameter(offset, names), sample_weight)
    with argument_name("offset"):
        shape = (n_samples, len(names)) if np.ndim(offset) == 2 else (n_samples,)
    array = check_offset(offset, shape)
    if array is None or array.ndim == 1:
        return array
    if len(names) == 1:
        return array[:, 0]
    for name in likelihood.constant_parameters:
        if array[:, names.index(name)].any():
            raise NotSupportedError(
                f"offset: {name} of {likelihood!r} is one number for all rows, so it takes no offset. Give "
                "zeros in its column, or leave the column out of a frame."
            )
    return array


def _rowwise(values: Any, shape: tuple[int, ...], name: str, *, finite: bool = True) -> Array:
    if _is_plain(values, len(shape), np.float64) and values.shape == shape:
        return values
    refuse_masked(**{name: values})
    with argument_name(name):
        refuse_times(values, name)
        if isinstance(values, Real):
            values = np.full(shape, values, dtype=np.float64)
        array = check_array(
            in_memory(values),
            ensure_2d=False,
            dtype=np.float64,
            input_name=name,
            ensure_min_samples=0,
            ensure_all_finite=finite,
        )
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, one entry per row of X, or be a scalar; got {array.shape}.")
    return array


def check_probability_levels(q: Any, name: str) -> Array:
    """Validate probabilities strictly between 0 and 1: a scalar or a sequence."""
    with argument_name(name):
        levels = np.asarray(q, dtype=np.float64)
    if levels.ndim > 1 or not levels.size or not ((levels > 0) & (levels < 1)).all():
        raise ValueError(f"{name} must lie strictly between 0 and 1 (a number, or a 1-D sequence); got {q!r}.")
    return levels


def ends_of_interval(coverage: Any) -> Array:
    """Validate a coverage, one number strictly between 0 and 1; return the levels of its central interval's ends."""
    with argument_name("coverage"):
        level = np.asarray(coverage, dtype=np.float64)
    if level.ndim or not 0 < level < 1:
        raise ValueError(f"coverage must be one number strictly between 0 and 1; got {coverage!r}.")
    return np.array([(1 - level) / 2, (1 + level) / 2])


def draw(distribution: Any, n_rows: int, n_samples: Any, random_state: Any) -> Array:
    """Return draws from the distribution of each row, shape (n_rows, n_samples)."""
    check_count("n_samples", n_samples, 0, 2**31)
    with argument_name("random_state"):
        generator = check_random_state(random_state)
    with argument_name("X, offset or n_samples"):
        draws = distribution.rvs(size=(int(n_samples), n_rows), random_state=generator)
    return np.asarray(draws, dtype=np.float64).T


def total_over_rows(values: Array, weight: Array | None) -> float:
    """Return the weighted total; rows of weight zero are absent, even where their values are infinite."""
    total = float(values.sum() if weight is None else weight[weight > 0] @ values[weight > 0])
    if np.isnan(total):
        raise ValueError(BEYOND_FLOAT64)
    return total


def in_own_unit(y: Array, prediction: Array) -> tuple[int, Array, Array]:
    """Return k, and the values divided by 2^k, for which no square of y leaves the range of float64.

    Raises
    ------
    ValueError
        If a prediction does, divided so: then R^2 does, too.
    """
    power = int(np.frexp(np.abs(y).max(initial=0.0))[1])
    with np.errstate(over="ignore"):
        divided = np.ldexp(prediction, -power)
    if not np.isfinite(divided).all():
        raise ValueError("y holds numbers so small beside the predicted ones that R^2 leaves the range of float64.")
    return power, np.ldexp(y, -power), divided


@dataclass(frozen=True)
class RealReader:
    """Reads a partition's outcomes in the domain of a likelihood."""

    likelihood: Likelihood
    per_class: ClassVar[None] = None

    def __call__(self, y: Any, weight: Array | None) -> tuple[Array, Array | None]:
        """Return y as the likelihood reads it, and the rows' weights."""
        return read_outcomes(self.likelihood, y, warn=False), weight

    def check_offset(self, offset: Any, weight: Array | None, n: int) -> Array | None:
        """Return a partition's offset, shape (n,) or (n, q)."""
        return check_offsets(offset, weight, n, self.likelihood)

    def groups(self, y: Any, weight: Array) -> tuple[Array, Array, Array, Array | None]:
        """Return that all rows, once they have been found to be in the domain, are one group, and their weights."""
        y, _ = self(y, None)
        refuse_wrong_answers(self.likelihood, y)
        return np.zeros(1), np.zeros(len(y), dtype=np.intp), weight, None
