"""Validate the arguments of ``compare``, before anything is fitted."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, indexable
from sklearn.utils.multiclass import type_of_target

from sklearn_mle._numerics.arguments import argument_name, as_floats, refuse_masked
from sklearn_mle._numerics.frames import column_names
from sklearn_mle._numerics.offsets import refuse_infinite_offset
from sklearn_mle._numerics.partitions import is_dask
from sklearn_mle.estimators._regressor import BaseMLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.likelihoods import Likelihood
from sklearn_mle.metrics import get_scorer
from sklearn_mle.metrics._responses import are_whole, takes
from sklearn_mle.metrics.probabilistic_scorers import DistributionScorer, LogLikelihoodScorer, ProbabilisticScorer

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def read_estimators(estimators: Any) -> list[tuple[str, Any]]:
    """Return names and estimators, unfitted or not."""
    with argument_name("estimators"):
        named = list(estimators.items() if isinstance(estimators, Mapping) else estimators)
    for pair in named:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ValueError(
                f"estimators must be a mapping of names to estimators, or (name, estimator) pairs; got {pair!r} in it."
            )
    names = [name for name, _ in named]
    if not named or len(set(names)) < len(names):
        raise ValueError(f"estimators must hold at least one, each with its own name; got the names {names}.")
    for name, estimator in named:
        if isinstance(estimator, type) or not hasattr(estimator, "fit"):
            raise TypeError(f"estimators[{name!r}] must be an estimator (an instance with fit); got {estimator!r}.")
    return named


def read_scoring(scoring: Any, classifying: bool) -> ProbabilisticScorer:
    """Return a scorer that is a mean over rows."""
    if isinstance(scoring, ProbabilisticScorer):
        scorer = scoring
    elif isinstance(scoring, str) and scoring == "auto":
        scorer = get_scorer("neg_cross_entropy" if classifying else "log_likelihood")
    elif isinstance(scoring, str):
        with argument_name("scoring"):
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


def read_rows(X: Any, y: Any) -> tuple[Any, Any, int]:
    """Return X and y as containers whose rows can be taken, and their number; the estimators judge what is in them."""
    refuse_masked(X=X, y=y)
    read, lengths = [], []
    for name, values in (("X", X), ("y", y)):
        if values is None:
            raise TypeError(f"{name}: Expected sequence or array-like, got None.")
        refuse_dask_frame(name, values, "compare")
        with argument_name(name):
            read += indexable(values)
            lengths.append(read[-1].shape[0] if issparse(read[-1]) else len(read[-1]))
    (X, y), (n, of_y) = read, lengths
    if n != of_y:
        raise ValueError(f"X has {n} rows and y {of_y}: inconsistent numbers of samples.")
    if n == 0:
        raise ValueError("X and y have no rows: at least two are needed, one to fit and one to judge.")
    with argument_name("y"):
        values = np.asarray(y)
        if values.dtype.kind == "f":
            assert_all_finite(values, input_name="y")
    return X, y, n


def refuse_dask_frame(argument: str, values: Any, owner: str) -> None:
    """Raise NotSupportedError for rows that cannot be taken by their numbers."""
    if is_dask(values) and hasattr(values, "npartitions") and not hasattr(values, "chunks"):
        raise NotSupportedError(
            f"{argument} is a Dask dataframe, whose rows cannot be selected by position: {owner} needs it in "
            f"memory, {argument}.compute()."
        )


def read_n_jobs(n_jobs: Any, n_fits: int) -> int | None:
    """Return a number of jobs, as joblib takes them."""
    if n_jobs is None:
        return None
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise ValueError(f"n_jobs must be a whole number other than 0, or None; got {n_jobs!r}.")
    return min(int(n_jobs), n_fits)  # a job without a fit would be a process for nothing


def read_offset(offset: Any, n: int) -> Any:
    """Return finite numbers, one per row (or several), or one for all; a frame stays one, for its columns' names."""
    if offset is None:
        return None
    values = as_floats(offset, "offset")
    if values.ndim and len(values) != n:
        raise ValueError(f"offset must be a scalar or have {n} rows, as X and y; got shape {values.shape}.")
    refuse_infinite_offset(values)
    return values if column_names(offset) is None else offset


def read_folds(cv: Any, X: Any, y: Any, groups: Any, n: int, classifying: bool) -> list[Fold]:
    """Return the rows to fit and the rows to judge of every fold."""
    if classifying:
        with argument_name("y"), np.errstate(invalid="ignore"):  # whether labels are whole numbers is tried by a cast
            kind = type_of_target(y, input_name="y", raise_unknown=True)
    with argument_name("cv, y or groups"), np.errstate(invalid="ignore"):
        if groups is not None and (cv is None or isinstance(cv, Integral)):
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


def fit_keywords(name: str, estimator: Any, arguments: tuple[str, ...]) -> dict[str, str]:
    """Return the keyword of ``estimator.fit`` for each of ``arguments``.

    Under metadata routing the names are passed as they are, and scikit-learn insists that they are requested. Without
    it they are the keywords of a pipeline's last step, or of the estimator that a search fits.

    Raises
    ------
    TypeError
        If fit does not take an argument: a comparison of models that saw it with one that did not would be unfair.
    """
    if get_config().get("enable_metadata_routing"):
        return {argument: argument for argument in arguments}
    prefix, final = "", estimator
    while True:
        if isinstance(final, Pipeline):
            prefix, final = f"{prefix}{final.steps[-1][0]}__", final.steps[-1][1]
        elif hasattr(final, "cv") and hasattr(final, "refit") and hasattr(final, "estimator"):
            if "offset" in arguments:
                raise TypeError(
                    f"offset was given, but {name!r} is a search, which would score its candidates without one. Enable "
                    "scikit-learn's metadata routing, and request the offset by set_fit_request and set_score_request."
                )
            final = final.estimator  # a search passes the arguments of its fit on
        else:
            break
    for argument in arguments:
        if not takes(getattr(final, "fit", None), argument):
            raise TypeError(
                f"{argument} was given, but fit of {name!r} ({type(final).__name__}) takes none: it would be "
                f"fitted without one, and compared with models fitted with one. Leave {name!r} out, or {argument}."
            )
    return {argument: prefix + argument for argument in arguments}


NO_COMMON_UNIT = (
    "the two have no common unit, and the unit of y would decide which is larger. Compare models of one kind, or all "
    "by scoring='neg_crps', which has the unit of y for both. (Where all of y are whole numbers, densities are also "
    "scored by probabilities.)"
)


def refuse_what_cannot_be_ranked(named: Sequence[tuple[str, Any]], scorer: ProbabilisticScorer, y: Any) -> None:
    """Raise where unfitted estimators already declare that they cannot be scored, or not beside each other.

    Others (a search, or another library's estimator) are judged after their first fits.

    Raises
    ------
    TypeError
        If a likelihood has no distribution.
    ValueError
        If one has a mass function and another a density, log-likelihoods are asked for, and y holds numbers that are
        not whole: whole ones have a probability under both.
    """
    if not isinstance(scorer, LogLikelihoodScorer | DistributionScorer):
        return
    discrete = {}
    for name, estimator in named:
        while isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        likelihood = None
        if isinstance(estimator, BaseMLERegressor):
            with suppress(TypeError, ValueError):  # its fit will raise them
                likelihood = estimator._chosen()[0]
        if likelihood is not None and type(likelihood).distribution is Likelihood.distribution:
            raise TypeError(
                f"estimators[{name!r}]: {type(likelihood).__name__} has no distribution, by which single rows "
                "are scored. Give it a method distribution(eta) that returns a frozen scipy.stats distribution."
            )
        if likelihood is not None or is_classifier(estimator):
            discrete[name] = likelihood is None or likelihood.discrete
    y = np.asarray(y)
    whole = y.dtype.kind in "biuf" and are_whole(y)
    if isinstance(scorer, LogLikelihoodScorer) and len(set(discrete.values())) > 1 and not whole:
        mass = next(name for name, is_mass in discrete.items() if is_mass)
        density = next(name for name, is_mass in discrete.items() if not is_mass)
        raise ValueError(
            f"estimators: {mass!r} gives probabilities of outcomes (a mass function), {density!r} a density: "
            f"{NO_COMMON_UNIT}"
        )
