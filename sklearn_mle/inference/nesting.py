"""Whether a model is within another one: the larger can have every linear predictor that the smaller can have."""

from typing import Any

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
from numpy.typing import NDArray

from sklearn_mle._predictors import Terms
from sklearn_mle.inference.model import FittedModel

__all__ = ["refuse_unless_nested"]

Array = NDArray[Any]

# Entries of both designs up to which all rows are looked at; of more, several times as many rows as columns are: two
# spaces that differ do so on nearly all such rows.
_ENTRIES, _ENOUGH = 20_000_000, 1000
# What of a column may be outside the larger's space, by rounding; of single precision, and of doubles.
_OUTSIDE = {True: 1e-3, False: 1e-6}
_OTHERWISE = "Compare them by AIC, or by the log-likelihood of rows left out."


def refuse_unless_nested(
    small: FittedModel, large: FittedModel, X_small: Any, X_large: Any, weight: Array | None
) -> None:
    """Raise ValueError unless the larger of two models contains the smaller, predictor by predictor.

    What each predictor of the smaller can be, known values included, must be among what the larger's can be: its
    columns are combinations of the larger's columns (and of the intercept, where there is one). Columns count, not
    their names: transformed ones are within a space or not.

    Parameters
    ----------
    small, large : FittedModel
        Of likelihoods of which one is within the other.
    X_small, X_large : ndarray, CSR or StoredArray of shape (n, p)
    weight : ndarray of shape (n,) or None
        Rows of weight zero are absent.
    """
    looked_at: set[tuple[Terms, Terms]] = set()
    for j, (inner, outer) in enumerate(zip(small.terms, large.terms, strict=False)):
        name = small.likelihood.predictor_names[j] if small.classes is None else "the linear predictor"
        known = [not (term.columns or term.intercept) for term in (inner, outer)]
        if known[0] and known[1] and small.coefficients[j, -1] != large.coefficients[j, -1]:
            raise ValueError(f"smaller and larger know different values of {name}: they are not nested. {_OTHERWISE}")
        if known[1] and not known[0]:
            raise ValueError(
                f"smaller estimates {name}, which larger holds at a known value: they are not nested. {_OTHERWISE}"
            )
        pair = (Terms(inner.columns, inner.intercept), Terms(outer.columns, outer.intercept))
        if known[0] or pair in looked_at:
            continue
        looked_at.add(pair)
        outside = _outside(pair[0], pair[1], X_small, X_large, weight, small.features)
        if outside:
            several = f"{', '.join(map(repr, outside[:5]))}{', ...' if len(outside) > 5 else ''}"
            raise ValueError(
                f"smaller has what no combination of larger's columns gives in {name}: {several}. They are not nested, "
                f"so the ratio has no known distribution. {_OTHERWISE}"
            )


def _outside(
    inner: Terms, outer: Terms, X_small: Any, X_large: Any, weight: Array | None, features: tuple[str, ...]
) -> list[str]:
    """Return the names of what one predictor has and the other cannot have."""
    if inner.columns and outer.columns and X_small is X_large and inner.intercept <= outer.intercept:
        return []
    n = X_large.shape[0]
    present = np.arange(n) if weight is None else np.flatnonzero(weight > 0)
    p_large = X_large.shape[1] if outer.columns else 0
    p_small = X_small.shape[1] if inner.columns else 0
    if len(present) * (p_large + p_small + 2) > _ENTRIES:
        enough = min(len(present), 4 * p_large + _ENOUGH)
        present = np.sort(np.random.default_rng(0).choice(present, enough, replace=False))
    ones = np.ones((len(present), 1))
    target = np.hstack([_dense(X_small, present) if inner.columns else ones[:, :0], ones[:, : inner.intercept]])
    basis = np.hstack([_dense(X_large, present) if outer.columns else ones[:, :0], ones[:, : outer.intercept]])
    size = np.linalg.norm(target, axis=0)
    if outer.intercept:
        # Against the intercept's rounding: what varies is compared with what varies.
        target, basis = (part - part.mean(axis=0) for part in (target, basis))
    length, spread = (np.linalg.norm(part, axis=0) for part in (target, basis))
    basis = basis[:, spread > 0] / spread[spread > 0]
    rest = target
    if basis.size and target.size:  # LAPACK takes neither without columns
        rest = target - basis @ sl.lstsq(basis, target, cond=None, lapack_driver="gelsd", check_finite=False)[0]
    single = any(np.dtype(X.dtype).itemsize < 8 for X in (X_small, X_large))
    # A column that hardly varies has digits for as much of it as varies.
    allowed = _OUTSIDE[single] * length + 64 * np.finfo(np.float32 if single else np.float64).eps * size
    names = [*(features if inner.columns else ()), *(["intercept"] if inner.intercept else [])]
    return [name for name, wrong in zip(names, np.linalg.norm(rest, axis=0) > allowed, strict=True) if wrong]


def _dense(X: Any, rows: NDArray[np.intp]) -> Array:
    taken = X[rows]
    return np.asarray(taken.toarray() if sp.issparse(taken) else taken, dtype=np.float64)
