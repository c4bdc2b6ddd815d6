"""The ``predictors`` argument: which columns, which known value, or which constant each parameter of y's model has."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from sklearn_mle._penalties import Ridge
from sklearn_mle._predictors import Terms
from sklearn_mle.estimators._validation import leaves_float64
from sklearn_mle.likelihoods import Likelihood

_VALUES = "'linear' (all columns), 'constant', a known number, or a list of columns"
_KNOWN = {
    "identity": "a finite number",
    "log": "a positive number",
    "logit": "a number strictly between 0 and 1",
    "reciprocal": "a positive number",
}


def likelihood_with(likelihood: Likelihood, predictors: Any) -> Likelihood:
    """Return the likelihood in which the parameters that ``predictors`` names are parameters, or known.

    Constructor parameters that can be estimated (the degrees of freedom of Student's t) become parameters of the
    distribution by ``"constant"``, and cease to be by a number.

    Raises
    ------
    ValueError
        If ``predictors`` is of another kind, or names what the likelihood lacks.
    """
    if predictors is None or (isinstance(predictors, str) and predictors == "linear"):
        return likelihood
    if not isinstance(predictors, Mapping):
        raise ValueError(
            "predictors must be None (constants), 'linear' (every parameter but the location depends on all columns), "
            f"or a dict from the names of parameters to {_VALUES}; got {predictors!r}."
        )
    known = {name: predictors[name] for name in likelihood.estimable if _is_number(predictors.get(name))}
    if known:
        likelihood = clone(likelihood).set_params(**{name: float(value) for name, value in known.items()})
        likelihood.check_parameters()
    estimated = [name for name in likelihood.estimable if name in predictors and name not in known]
    for name in predictors:
        if name not in (*likelihood.parameter_names, *likelihood.estimable):
            raise ValueError(_unknown("predictors", likelihood, name))
    for name in estimated:
        _refuse_columns(name, predictors[name])
    return likelihood.estimating(estimated) if estimated else likelihood


def terms_of(
    likelihood: Likelihood,
    predictors: Any,
    *,
    fit_intercept: bool,
    n_columns: int,
    column_names: Sequence[str] | None,
    has_offset: bool,
) -> tuple[Terms, ...]:
    """Return the terms of each of the likelihood's linear predictors.

    Raises
    ------
    ValueError
        If a value of ``predictors`` is of another kind than it must be, or names columns that X lacks.
    """
    names, constant = likelihood.parameter_names, likelihood.constant_parameters
    if not isinstance(predictors, Mapping):
        predictors = {} if predictors is None else dict.fromkeys(set(names[1:]) - set(constant), "linear")
    terms = []
    for k, name in enumerate(names):
        value = predictors.get(name, "constant" if k else "linear")
        if _is_number(value):
            terms.append(Terms(False, False, known=_known(likelihood, k, value)))
            continue
        if name in constant:
            _refuse_columns(name, value)
        columns = _columns(name, value, n_columns, column_names)
        intercept = k > 0 or fit_intercept
        some = columns is None or len(columns) > 0
        terms.append(Terms(some, intercept, columns if some else None))
    if not (has_offset or terms[0].columns or terms[0].intercept):
        raise ValueError(
            f"predictors: {names[0]} has no columns and, with fit_intercept=False, no intercept either, so there is "
            "nothing to fit. Give it columns, leave fit_intercept=True, or give an offset, which is then the "
            "whole predictor."
        )
    return tuple(terms)


def ridge_of(likelihood: Likelihood, terms: Sequence[Terms], alpha: Any) -> Ridge:
    """Return the penalty that ``alpha`` asks for: of the location's coefficients, or by the names of parameters.

    Raises
    ------
    ValueError
        If a dict names a parameter that the likelihood lacks, or holds something else than non-negative numbers.
    """
    if not isinstance(alpha, Mapping):
        return Ridge((float(alpha),))
    for name, value in alpha.items():
        if name not in likelihood.parameter_names:
            raise ValueError(_unknown("alpha", likelihood, name))
        if not (_is_number(value) and 0 <= value < np.inf and not leaves_float64(value)):
            raise ValueError(f"alpha: the precision of {name!r} must be a finite number >= 0; got {value!r}.")
    # Without columns there is nothing to be penalized.
    named = zip(likelihood.parameter_names, terms, strict=True)
    return Ridge(tuple(float(alpha.get(name, 0.0)) if term.columns else 0.0 for name, term in named))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _unknown(argument: str, likelihood: Likelihood, name: Any) -> str:
    kind = type(likelihood).__name__
    names = ", ".join(map(repr, dict.fromkeys([*likelihood.parameter_names, *likelihood.estimable])))
    if isinstance(name, str) and name in likelihood.get_params():
        return (
            f"{argument}: {name!r} is no parameter that can be estimated, but one that is given to the likelihood: "
            f"{kind}({name}=...). Those that {argument} can name are {names}."
        )
    several = "parameters are" if "," in names else "only parameter is"
    return f"{argument}: the {kind} likelihood has no parameter {name!r}; its {several} {names}."


def _refuse_columns(name: str, value: Any) -> None:
    if not (isinstance(value, str) and value == "constant"):
        raise ValueError(
            f"predictors: {name!r} must be one number for all rows, because its estimate may lie at an end of "
            f"its range; got {value!r}. Give 'constant' (one estimated number) or a known number."
        )


def _known(likelihood: Likelihood, k: int, value: Any) -> float:
    name = likelihood.parameter_names[k]
    if k == 0:
        raise ValueError(
            f"predictors: {name!r} is the location, which takes 'linear', 'constant' or a list of columns; got "
            f"{value!r}. Pass a known part of it as an offset: fit(X, y, offset=...)."
        )
    with np.errstate(all="ignore"):
        in_range = not leaves_float64(value) and np.isfinite(likelihood.predictor_of(k, float(value)))
    if not in_range:
        raise ValueError(f"predictors: a known {name} must be {_KNOWN[likelihood.links[k]]}; got {value!r}.")
    return float(value)


def _columns(name: str, value: Any, n_columns: int, column_names: Sequence[str] | None) -> NDArray[np.intp] | None:
    """Return the columns that a value names, sorted; None is all of them."""
    if isinstance(value, str) and value in ("linear", "constant"):
        return None if value == "linear" else np.zeros(0, dtype=np.intp)
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        hint = ""
        if isinstance(value, str):
            hint = f" One column is a list, too: [{value!r}]."
        elif isinstance(value, bool | np.bool_):
            hint = " Write a known value of 1 as 1.0."
        raise ValueError(f"predictors: {name!r} must be {_VALUES}; got {value!r}.{hint}")
    entries = list(value)
    is_mask = [isinstance(entry, bool | np.bool_) for entry in entries]
    if entries and all(is_mask):
        if len(entries) != n_columns:
            raise ValueError(
                f"predictors: the mask of {name!r} must have {n_columns} entries, one per column; got {len(entries)}."
            )
        found = np.flatnonzero(entries)
    elif all(isinstance(entry, str) for entry in entries):
        found = _named(name, entries, column_names)
    elif all(isinstance(entry, Integral) for entry in entries) and not any(is_mask):
        if not all(-n_columns <= entry < n_columns for entry in entries):
            raise ValueError(
                f"predictors: the columns of {name!r} must be positions in X, from 0 to {n_columns - 1}; got {entries}."
            )
        found = np.array(entries, dtype=np.intp) % n_columns
    else:
        raise ValueError(
            f"predictors: the columns of {name!r} must be names, positions or a mask, all of one kind; got {entries}."
        )
    if len(set(found.tolist())) < len(found):
        raise ValueError(f"predictors: {name!r} names a column more than once; got {entries}.")
    return None if len(found) == n_columns and n_columns else np.sort(found)


def _named(name: str, entries: list[str], column_names: Sequence[str] | None) -> NDArray[np.intp]:
    if entries and column_names is None:
        raise ValueError(
            f"predictors: {name!r} names columns, {entries}, but X has no column names. Pass X as a DataFrame (in a "
            "pipeline: set_output(transform='pandas')), or give positions."
        )
    places = {str(column): k for k, column in enumerate(() if column_names is None else column_names)}
    missing = [entry for entry in entries if entry not in places]
    if missing:
        shown = ", ".join(map(repr, list(places)[:10])) + (", ..." if len(places) > 10 else "")
        raise ValueError(f"predictors: {name!r} names {missing}, which X does not have; its columns are {shown}.")
    return np.array([places[entry] for entry in entries], dtype=np.intp)
