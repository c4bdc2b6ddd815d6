"""A stated case: what goes in, and what must come out. Nothing here needs pytest.

A case is built (``build()`` runs the library and returns what it says) and judged (``judge(observe(build))`` is None,
or what is wrong). What must come out is one of three: the right answer, without a warning; an answer with a warning
that names what is not as usual; an error that names the argument. The truth is stated without this library's code.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Case", "Either", "Refuses", "Right", "Seen", "Warns", "observe"]

OURS = (ValueError, TypeError)


@dataclass(frozen=True)
class Seen:
    """What a call did."""

    answer: Any
    error: Exception | None
    warnings: tuple[warnings.WarningMessage, ...]


def observe(build: Callable[[], Any]) -> Seen:
    """Run a case; numpy's complaints are warnings like any other."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer, error = build(), None
        except Exception as raised:
            answer, error = None, raised
    return Seen(answer, error, tuple(caught))


@dataclass(frozen=True)
class Right:
    """The numbers that must come out, to a relative tolerance each; ``truth()`` is asked when the case is judged."""

    truth: Callable[[], Any]
    tol: float = 1e-10

    def judge(self, seen: Seen) -> str | None:
        if seen.error is not None:
            return f"an error: {seen.error!r}"
        if seen.warnings:
            return f"a warning: {seen.warnings[0].message}"
        return differs(seen.answer, self.truth(), self.tol)


@dataclass(frozen=True)
class Warns:
    """A warning of this class whose text matches, and the numbers of the answer, where there are such."""

    category: type[Warning]
    text: str
    truth: Callable[[], Any] | None = None
    tol: float = 1e-8

    def judge(self, seen: Seen) -> str | None:
        if seen.error is not None:
            return f"an error: {seen.error!r}"
        if not any(
            issubclass(one.category, self.category) and re.search(self.text, str(one.message)) for one in seen.warnings
        ):
            said = [str(one.message) for one in seen.warnings]
            return f"no {self.category.__name__} that says {self.text!r}, but {said}"
        others = [one for one in seen.warnings if not issubclass(one.category, UserWarning)]
        if others:
            return f"another warning, {others[0].category.__name__}: {others[0].message}"
        return None if self.truth is None else differs(seen.answer, self.truth(), self.tol)


@dataclass(frozen=True)
class Refuses:
    """An error of ours (ValueError, TypeError) whose text matches: it names the argument."""

    text: str

    def judge(self, seen: Seen) -> str | None:
        if seen.error is None:
            return f"accepted, and answered {seen.answer!r}"
        if not isinstance(seen.error, OURS):
            return f"{type(seen.error).__name__} escaped: {seen.error}"
        found = re.search(self.text, str(seen.error))
        return None if found else f"the error does not say {self.text!r}: {seen.error}"


@dataclass(frozen=True)
class Either:
    """One outcome or another, where versions of scikit-learn differ."""

    first: Right | Warns | Refuses
    second: Right | Warns | Refuses

    def judge(self, seen: Seen) -> str | None:
        wrong = self.first.judge(seen)
        return wrong if wrong is None else self.second.judge(seen)


@dataclass(frozen=True)
class Case:
    """One row of the matrix."""

    name: str
    build: Callable[[], Any]
    must: Right | Warns | Refuses | Either

    def judge(self, seen: Seen) -> str | None:
        """Return None, or what is wrong."""
        return self.must.judge(seen)

    def verdict(self) -> str | None:
        """Build and judge."""
        return self.judge(observe(self.build))


def differs(answer: Any, truth: Any, tol: float) -> str | None:
    """Return where the numbers differ by more than the tolerance; infinities and nan must be where they should be."""
    found, expected = np.asarray(answer, dtype=object).ravel(), np.asarray(truth, dtype=object).ravel()
    if found.shape != expected.shape:
        return f"{len(found)} numbers where {len(expected)} should be: {answer!r}"
    for place, (one, other) in enumerate(zip(found.tolist(), expected.tolist(), strict=True)):
        if isinstance(other, str | bool) or not np.isfinite(float(other)):
            same = one == other or (one != one and other != other)
        else:
            same = np.isfinite(one) and abs(one - other) <= tol * abs(other)
        if not same:
            return f"number {place} is {one!r}, the truth {other!r} (tolerance {tol:g})"
    return None
