"""What may enter ``compare``: each argument read, or refused by a text that names it."""

import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.utils import assert_all_finite, check_array, column_or_1d, indexable
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples

from sklearn_mle._numerics.naming import naming
from sklearn_mle._numerics.offsets import refuse_infinite_offset
from sklearn_mle._numerics.partitions import is_dask
from sklearn_mle._numerics.real_numbers import as_floats, refuse_masked
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.metrics import get_scorer
from sklearn_mle.metrics.scorers import ProbabilisticScorer

__all__ = [
    "Fold",
    "read_estimators",
    "read_folds",
    "read_groups",
    "read_n_jobs",
    "read_offset",
    "read_rows",
    "read_scoring",
]

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def read_estimators(estimators: Any) -> list[tuple[str, Any]]:
    """Return names and estimators, unfitted or not."""
    with naming("estimators"):
        named = list(estimators.items() if isinstance(estimators, Mapping) else estimators)
    for pair in named:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ValueError(
                f"estimators must be a mapping of names to estimators, or (name, estimator) pairs; got {pair!r} in it."
            )
    names = [name for name, _ in named]
    if not named or len(set(names)) < len(names):
        raise ValueError(f"estimators must be one or more, each with a name of its own; got the names {names}.")
    for name, estimator in named:
        if isinstance(estimator, type) or not hasattr(estimator, "fit"):
            raise TypeError(f"estimators[{name!r}] must be an estimator (an instance with fit); got {estimator!r}.")
    return [(name, estimator) for name, estimator in named]


def read_scoring(scoring: Any, classifying: bool) -> ProbabilisticScorer:
    """Return a scorer that is a mean over rows."""
    if isinstance(scoring, ProbabilisticScorer):
        scorer = scoring
    elif isinstance(scoring, str) and scoring == "auto":
        scorer = get_scorer("neg_cross_entropy" if classifying else "log_likelihood")
    elif isinstance(scoring, str):
        with naming("scoring"):
            scorer = get_scorer(scoring)
    else:
        raise TypeError(
            f"scoring must be a name or a scorer of sklearn_mle.metrics, which scores single rows; got {scoring!r}."
        )
    if scorer._row_func is None:
        raise ValueError(
            f"scoring={scorer._name!r} is not a mean over rows, so it has no paired standard error; use cross_validate "
            "for it, and compare by 'neg_cross_entropy' or 'log_likelihood'."
        )
    return scorer


def read_rows(X: Any, y: Any) -> tuple[Any, Any]:
    """Return X and y such that rows can be taken of both; what is in them, the estimators judge."""
    refuse_masked(X=X, y=y)
    for name, values in (("X", X), ("y", y)):
        if is_dask(values) and hasattr(values, "npartitions") and not hasattr(values, "chunks"):
            raise NotSupportedError(
                f"{name} is a dataframe of Dask's, of which rows cannot be taken by their numbers: compare needs it in "
                f"memory, {name}.compute()."
            )
    with naming("X"):
        (X,) = indexable(X)
        n = _num_samples(X)
    with naming("y"):
        (y,) = indexable(y)
        of_y = _num_samples(y)
    if n != of_y:
        raise ValueError(f"X has {n} rows and y {of_y}: inconsistent numbers of samples.")
    if n == 0:
        raise ValueError("X and y have no rows: at least two are needed, one to fit and one to judge.")
    with naming("y"):
        values = np.asarray(y)
        if values.dtype.kind == "f":
            assert_all_finite(values, input_name="y")
    return X, y


def read_groups(groups: Any, n: int) -> NDArray[np.intp] | None:
    """Return groups as codes 0, 1, ..."""
    if groups is None:
        return None
    refuse_masked(groups=groups)
    with naming("groups"):
        values = column_or_1d(check_array(groups, ensure_2d=False, dtype=None, input_name="groups"))
        codes = np.unique(values, return_inverse=True)[1].astype(np.intp)
    if len(codes) != n:
        raise ValueError(f"groups has {len(codes)} rows, X and y {n}: inconsistent numbers of samples.")
    return codes


def read_n_jobs(n_jobs: Any, n_fits: int) -> int | None:
    """Return a number of jobs, as joblib takes them."""
    if n_jobs is None:
        return None
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise ValueError(f"n_jobs must be a whole number other than 0, or None; got {n_jobs!r}.")
    return min(int(n_jobs), n_fits)  # a job without a fit would be a process for nothing


def read_offset(offset: Any, n: int) -> NDArray[Any] | None:
    """Return finite numbers, one a row (or several), or one for all."""
    if offset is None:
        return None
    values = as_floats(offset, "offset")
    if values.ndim and len(values) != n:
        raise ValueError(f"offset must be a scalar or have {n} rows, as X and y; got shape {values.shape}.")
    refuse_infinite_offset(values)
    return values


def read_folds(cv: Any, X: Any, y: Any, groups: Any, classifying: bool) -> list[Fold]:
    """Return the rows to fit and the rows to judge of every fold."""
    n = _num_samples(y)
    if classifying:
        with naming("y"), np.errstate(invalid="ignore"):  # whether labels are whole numbers is tried by a cast
            kind = type_of_target(y, input_name="y", raise_unknown=True)
    with naming("cv, y or groups"), np.errstate(invalid="ignore"):
        if groups is not None and (cv is None or isinstance(cv, int)):
            # KFold would put rows of one group on both sides.
            stratified = classifying and kind in ("binary", "multiclass")
            cv = (StratifiedGroupKFold if stratified else GroupKFold)(5 if cv is None else cv)
        splitter = check_cv(cv, y, classifier=classifying)
        with warnings.catch_warnings():
            # Of no use to this splitter, but to the standard errors.
            warnings.filterwarnings("ignore", message="The groups parameter is ignored by")
            folds = [(_read_fold(train, n), _read_fold(test, n)) for train, test in splitter.split(X, y, groups)]
    if not folds:
        raise ValueError("cv gives no folds: at least one pair of rows to fit and rows to judge is needed.")
    return folds


def _read_fold(rows: Any, n: int) -> NDArray[np.intp]:
    """Return the numbers of a fold's rows, given as such or as a mask."""
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (n,):
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows) or rows.min() < -n or rows.max() >= n:
        raise ValueError(
            f"cv must give folds as pairs of row numbers from 0 to {n - 1}, or of masks of {n} rows, none of them "
            f"empty; got {rows!r}."
        )
    return rows.astype(np.intp) % n
