"""Linear hypotheses as text: ``"age = education"``, ``"bmi + 2*bp = 3"``, ``"a = b = c"``."""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sklearn_mle._numerics.arrays import Array

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


def read_hypothesis(argument: str, text: str, names: Sequence[str]) -> tuple[Array, Array]:
    """Return R (k, m) and r (k,) of the hypothesis R theta = r that a text states.

    Each side of an equation is a sum of terms: numbers, names, and names times or divided by numbers. Without an
    equation the sum is zero; a chain of equations is several of them.
    """
    # A name may contain signs ("a=b", "x + 1", "intercept (column 2)"), so longer names are tried first.
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    token = re.compile(rf"\s*(?:(?P<name>{alternatives})(?![A-Za-z0-9_])|(?P<number>{_NUMBER})|(?P<sign>[-+*/=]))")
    tokens: list[str] = []
    kinds = ""
    place = 0
    while text[place:].strip():
        found = token.match(text, place)
        if found is None or found.lastgroup is None:
            raise ValueError(
                f"{argument}: cannot read {text[place:].strip()!r} in {text!r}. A hypothesis is made of numbers, "
                f"+ - * / = and the names of parameters, {list(names)}."
            )
        value = found[found.lastgroup]
        tokens.append(value)
        kinds += {"name": "x", "number": "n", "sign": value}[found.lastgroup]
        place = found.end()
    ends = [k for k, kind in enumerate(kinds) if kind == "="]
    forms = [
        _linear(argument, text, kinds[start + 1 : end], tokens[start + 1 : end], names)
        for start, end in pairwise([-1, *ends, len(kinds)])
    ]
    if len(forms) == 1:
        forms.append(np.zeros(len(names) + 1))
    rows = np.stack([left - right for left, right in pairwise(forms)])
    if not rows[:, :-1].any(axis=1).all():
        raise ValueError(f"{argument}: {text!r} names no parameter.")
    return rows[:, :-1], -rows[:, -1]


# Signs, then a product of numbers and at most one name, divided by numbers only. A number may precede the name.
_TERM = re.compile(r"(?P<signs>[-+]*)(?P<factors>(?:n[*/])*(?:n?x|n)(?:[*/]n)*)")


def _linear(argument: str, text: str, kinds: str, tokens: Sequence[str], names: Sequence[str]) -> Array:
    """Return the coefficients of a sum, the constant last; ``kinds`` has a letter for each token."""
    out = np.zeros(len(names) + 1)
    place = 0
    while place < len(kinds) or not place:
        term = _TERM.match(kinds, place)
        if term is None or (place and not term["signs"]) or "/x" in term["factors"] or "/nx" in term["factors"]:
            raise ValueError(
                f"{argument}: {text!r} is not a linear hypothesis. Write sums of parameters and numbers, as in "
                '"bmi + 2*bp = 0".'
            )
        factor, column = (-1.0) ** term["signs"].count("-"), len(names)
        for k in range(term.start("factors"), term.end()):
            if kinds[k] == "x":
                column = list(names).index(tokens[k])
            elif kinds[k] == "n":
                factor = factor / float(tokens[k]) if k and kinds[k - 1] == "/" else factor * float(tokens[k])
        out[column] += factor
        place = term.end()
    return out
