"""Errors that say which argument they are about."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn_mle.exceptions import NotSupportedError

__all__ = ["naming"]


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Let errors raised inside name the argument, where they do not.

    numpy and scikit-learn complain of "array", or of what could not be converted, and of an integer beyond float64 with
    an OverflowError: who called with five arguments is to learn which one it was. TypeErrors stay TypeErrors, all
    others become ValueErrors, or NotSupportedErrors as they were.

    Examples
    --------
    >>> from sklearn_mle._numerics.naming import naming
    >>> with naming("offset"):
    ...     float("abc")
    Traceback (most recent call last):
    ...
    ValueError: offset: could not convert string to float: 'abc'
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        named = re.search(rf"(?<![A-Za-z_]){re.escape(argument)}(?![A-Za-z])", str(error)) is not None
        if named and isinstance(error, ValueError | TypeError):
            raise
        kind: type[Exception] = TypeError if isinstance(error, TypeError) else ValueError
        kind = NotSupportedError if isinstance(error, NotSupportedError) else kind
        raise kind(f"{argument}: {error}") from error
