"""Are two fits' answers the same? Two ends of the same minimization differ by what their gaps leave open."""

from typing import Any

import numpy as np

from sklearn_mle.exceptions import NotSupportedError
from tests.together.calls import CALLS, Fit, Parameters, Refused
from tests.together.levels import is_modelled
from tests.together.relations import Relation

# Answers are smooth functions of the parameters. Moved by one standard error they change by no more than so many times
# their size at these few rows.
STEEP = 10.0
# Of answers that come by quadrature, bisection and root finding, whose own ends are of this size.
ROUNDING = 1e-7


def unexpected(fit: Fit, answers: dict[str, Any]) -> list[str]:
    """Return which calls were refused though the fit has an answer, or answered though it has none."""
    found = []
    for name, answer in answers.items():
        why = CALLS[name].unanswered(fit.case)
        if not isinstance(answer, Refused):
            found += [f"{name}: answered, but: {why}"] if why else []
        elif not (why and isinstance(answer.error, NotSupportedError)) and not _of_these_rows(fit, name, answer.error):
            found.append(f"{name}: {type(answer.error).__name__}: {answer.error}")
    return found


def _of_these_rows(fit: Fit, name: str, error: Exception) -> bool:
    """Return whether a call was refused for what its rows are: Dask's, fractions where counts count, too few counts."""
    # Of so few counts a dispersion that depends on columns may have no maximum in a fold; warnings are errors here.
    of_folds = name == "compare" and fit.case.model == "negative_binomial" and is_modelled(fit.case.cell)
    if of_folds and "no finite maximum likelihood estimate exists" in str(error):
        return True
    of_dask = fit.case.storage == "dask" and CALLS[name].of_memory and "in memory" in str(error)
    return of_dask or (fit.case.fractions and CALLS[name].of_whole_numbers and "whole numbers" in str(error))


def differences(
    relation: Relation, before: Fit, answers: dict[str, Any], after: Fit, others: dict[str, Any]
) -> list[str]:
    """Return what differs, in words."""
    apart = sum(np.sqrt(2 * max(0.0, float(fit.model.gap_))) for fit in (before, after))
    found = unexpected(after, others)
    for name in answers.keys() & others.keys():
        one, other = answers[name], others[name]
        if isinstance(one, Refused) or isinstance(other, Refused) or not relation.judges(CALLS[name], before.case.cell):
            continue
        problem = _parameters(one, other, apart) if isinstance(one, Parameters) else values_differ(one, other, apart)
        if problem:
            found.append(f"{name}: {problem} (apart {apart:.1g})")
    return found


def _parameters(one: Parameters, other: Parameters, apart: float) -> str:
    if one.keys != other.keys:
        return f"parameters {one.keys} and {other.keys}"
    errors = np.sqrt(np.diag(one.covariance))
    size = np.abs(one.estimates) + np.nan_to_num(errors)
    bound = apart * np.nan_to_num(errors) + ROUNDING * size
    if not (np.abs(one.estimates - other.estimates) <= bound).all():
        return f"estimates {one.estimates} and {other.estimates}"
    unit = np.outer(errors, errors)
    if not np.allclose(
        one.covariance / unit, other.covariance / unit, rtol=0, atol=ROUNDING + STEEP * apart, equal_nan=True
    ):
        return f"standard errors {errors} and {np.sqrt(np.diag(other.covariance))}"
    return ""


def values_differ(one: Any, other: Any, apart: float) -> str:
    """Return in words how two answers differ by more than their gaps leave open; empty where they do not."""
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if one.shape != other.shape:
        return f"shapes {one.shape} and {other.shape}"
    size = float(np.abs(one[np.isfinite(one)]).max(initial=0.0)) or 1.0
    if not np.allclose(one, other, rtol=0, atol=size * (ROUNDING + STEEP * apart), equal_nan=True):
        return f"{one.ravel()[:6]} and {other.ravel()[:6]}"
    return ""
