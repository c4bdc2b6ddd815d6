"""Numbers of twice the precision: unevaluated sums of two doubles, 32 digits on any machine.

``np.longdouble`` has 19 digits on one processor and 16 on the next, and a least-squares gradient of large residuals
cancels more than that. These numbers need nothing but IEEE double arithmetic, so that the last digits of a fit are the
same everywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_mle._numerics.arrays import Array

# 2^27 + 1 cuts a double in two halves of 26 bits, whose products are exact (Veltkamp's splitting).
_SPLITTER = 134217729.0
_BITS = 53


@dataclass(frozen=True)
class DoubleDouble:
    """An array of numbers ``high + low``, the low part at most half a rounding of the high one.

    Relative errors of sums and products are about 1e-31. Products beyond 1e300, where a splitting overflows,
    and sums with an infinity are nan; who may meet them suppresses numpy's warnings.

    Attributes
    ----------
    high, low : ndarray of float64, of one shape

    References
    ----------
    Dekker (1971), A floating-point technique for extending the available precision, Numerische Mathematik 18.
    Rump, Ogita and Oishi (2008), Accurate floating-point summation, SIAM Journal on Scientific Computing 31.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle._numerics.double_double import DoubleDouble
    >>> (DoubleDouble.of(np.array([1e20, 1.0, -1e20])) * 3.0).sum().rounded
    np.float64(3.0)
    """

    high: Array
    low: Array

    # numpy is to leave ``array + DoubleDouble`` to the methods below.
    __array_ufunc__ = None

    @classmethod
    def of(cls, x: "DoubleDouble | Array") -> "DoubleDouble":
        """Return the numbers themselves: double, or of extended precision (whose excess becomes the low part)."""
        if isinstance(x, DoubleDouble):
            return x
        high = np.asarray(x, dtype=np.float64)
        low = np.zeros(high.shape) if x.dtype == np.float64 else np.asarray(x - high, dtype=np.float64)
        return cls(high, low)

    @classmethod
    def concatenate(cls, parts: Sequence["DoubleDouble"], axis: int = 0) -> "DoubleDouble":
        """Return arrays joined along an axis."""
        return cls(
            np.concatenate([part.high for part in parts], axis), np.concatenate([part.low for part in parts], axis)
        )

    @classmethod
    def stack(cls, parts: Sequence["DoubleDouble"]) -> "DoubleDouble":
        """Return arrays stacked along a new first axis."""
        return cls.concatenate([part[None] for part in parts])

    @property
    def rounded(self) -> Array:
        """The nearest doubles."""
        return self.high + self.low

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.high.shape

    def __getitem__(self, index: Any) -> "DoubleDouble":
        return DoubleDouble(self.high[index], self.low[index])

    def __iter__(self) -> Iterator["DoubleDouble"]:
        return (self[k] for k in range(len(self.high)))

    def __neg__(self) -> "DoubleDouble":
        return DoubleDouble(-self.high, -self.low)

    def __add__(self, other: "DoubleDouble | Array") -> "DoubleDouble":
        other = DoubleDouble.of(other)
        high, error = _two_sum(self.high, other.high)
        low, rest = _two_sum(self.low, other.low)
        high, error = _normalized(high, error + low)
        return DoubleDouble(*_normalized(high, error + rest))

    def __sub__(self, other: "DoubleDouble | Array") -> "DoubleDouble":
        return self + (-other)

    def __mul__(self, other: "DoubleDouble | Array | float") -> "DoubleDouble":
        if not isinstance(other, DoubleDouble):
            product, error = _two_product(self.high, np.asarray(other, dtype=np.float64))
            return DoubleDouble(*_normalized(product, error + self.low * other))
        product, error = _two_product(self.high, other.high)
        return DoubleDouble(*_normalized(product, error + (self.high * other.low + self.low * other.high)))

    def sum(self, axis: int = -1) -> "DoubleDouble":
        """Return the sum along an axis, in no matter what order.

        The leading bits of all terms are cut at one place, twice: sums of such pieces are exact (Rump, Ogita, Oishi).
        """
        rest = self.high
        spare = int(rest.shape[axis] + 2).bit_length()
        largest = np.abs(rest).max(axis=axis, keepdims=True, initial=0.0)
        unit = np.ldexp(1.0, np.frexp(largest)[1] + spare)
        pieces = []
        for _ in range(2):
            piece = (unit + rest) - unit
            rest = rest - piece
            pieces.append(piece.sum(axis=axis))
            unit = np.ldexp(unit, spare - _BITS)
        high, low = _normalized(*pieces)
        return DoubleDouble(*_normalized(high, low + (rest + self.low).sum(axis=axis)))


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Return a + b rounded, and what the rounding left out (Knuth)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def _normalized(high: Array, low: Array) -> tuple[Array, Array]:
    """Return the same sum with a low part below the high one's rounding, where |high| >= |low| already (Dekker)."""
    total = high + low
    return total, low - (total - high)


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a b rounded, and what the rounding left out (Dekker, Veltkamp)."""
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _halves(a: Any) -> tuple[Any, Any]:
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high
