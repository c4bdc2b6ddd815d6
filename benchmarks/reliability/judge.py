"""One rule for every library: whether what came out is right, and if not, whether it was said."""

import functools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.reliability import truth
from benchmarks.reliability.cases import Case

__all__ = ["OUTCOMES", "SILENT", "Seen", "judge"]

SILENT = "wrong, silent"
OUTCOMES = ("ok", "ok, warned", "warned", "clear error", "vague error", "wrong, warned", SILENT, "hang", "crash", "-")
# Fitted probabilities and means may be this far from the truth's: the default tolerance of every peer is within it on
# data that are not hard.
_FAR = 1e-2
# The mean absolute deviation, whose minimizer need not be unique, may exceed the least by this part of the data's own.
_WORSE = 1e-3
# The data are kept with their answer, so that no other can come to have their identity.
_KNOWN: dict[tuple[str, int], tuple[Any, Any]] = {}


@dataclass(frozen=True)
class Seen:
    """What a library did.

    Attributes
    ----------
    means : list or None
        The fitted means.
    error : str or None
        Class and message; None where none was raised.
    warnings : tuple of str
    """

    means: Any
    error: str | None
    warnings: tuple[str, ...]


def judge(case: Case, seen: Seen) -> str:
    """Return one of OUTCOMES."""
    if seen.error is not None:
        if seen.error.startswith("NotOffered"):
            return "-"
        return "clear error" if re.search(case.words, seen.error, re.IGNORECASE) else "vague error"
    if case.plain is None:
        clear = any(re.search(case.words, text, re.IGNORECASE) for text in seen.warnings)
        return "warned" if clear else "wrong, warned" if seen.warnings else SILENT
    if _right(case, np.asarray(seen.means, dtype=float)):
        return "ok, warned" if seen.warnings else "ok"
    return "wrong, warned" if seen.warnings else SILENT


def _right(case: Case, means: np.ndarray) -> bool:
    given, plain = case.given(), case.plain()
    means = (means - given.shift) / given.unit
    if len(plain.y) != len(given.y):
        # Rows that weights copy or leave out are judged once.
        keep = np.flatnonzero(np.asarray(given.weight) > 0)
        copies = np.asarray(given.weight)[keep].astype(int)
        means = np.repeat(means[keep], copies, axis=0)
    if not np.isfinite(means).all():
        return False
    if case.kind == "median":
        least, spread = _truth(case), np.abs(plain.y - np.median(plain.y)).mean()
        weight = None if plain.weight is None else np.asarray(plain.weight)
        found = float(np.average(np.abs(plain.y - means), weights=weight))
        return found - least <= _WORSE * spread
    exact = _truth(case)
    unit = {"gaussian": max(float(np.std(plain.y)), 1e-300), "poisson": exact + 0.01 * exact.mean()}.get(case.kind, 1.0)
    return bool(np.all(np.abs(means - exact) <= _FAR * unit))


def _truth(case: Case) -> Any:
    """Return the exact answer; cases share the data that are not hard, and with them the answer."""
    plain = case.plain()
    key = case.kind, id(plain)
    if key not in _KNOWN:
        compute = truth.least_absolute if case.kind == "median" else functools.partial(truth.fitted, case.kind)
        _KNOWN[key] = plain, compute(plain.X, plain.y, plain.weight)
    return _KNOWN[key][1]
