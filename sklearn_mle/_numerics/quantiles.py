"""Quantiles: of weighted samples, and of distributions by root searches that end.

Nonnegative floats are in the order of their bits, read as whole numbers; so bisection on the bits needs at most 64
steps, whatever the magnitudes, and finds the float at which a monotone function crosses a level.
"""

from collections.abc import Callable

import numpy as np

from sklearn_mle._numerics.arrays import Array

Tail = Callable[..., Array]

_LARGEST = np.finfo(np.float64).max
# From here on neighbouring floats are a whole number apart.
_WHOLE = 2.0**52
_WHOLE_BITS = int(np.array(_WHOLE).view(np.int64))
_MOST_KEY = int(np.array(_LARGEST).view(np.int64)) - _WHOLE_BITS + int(_WHOLE)
# Newton's steps before bisection takes over; it needs 64.
_NEWTON, _MOST_STEPS = 24, 100
# A relative error of the tail from which one step of Newton's ends at rounding.
_CLOSE = 1e-10


def weighted_quantile(y: Array, weight: Array | None, level: float) -> float:
    """Return the middle of the values that minimize the check loss at this level."""
    if weight is None:
        y, mass = np.sort(y), np.arange(1.0, len(y) + 1)
    else:
        order = np.argsort(y, kind="stable")
        y, mass = y[order], np.cumsum(weight[order])
    target = level * mass[-1]
    # A level that falls between two rows (to rounding) is met by all values from one to the other.
    rounding = 1e-12 * mass[-1]
    low, high = np.searchsorted(mass, [target - rounding, target + rounding], side="left")
    # The next row of positive weight: rows of weight zero are ignored.
    return float(0.5 * (y[low] + y[min(high, len(y) - 1)]))


def positive_quantile(tail: Tail, slope: Tail, level: Array, start: Array, *parameters: Array, upper: bool) -> Array:
    r"""Return y >= 0 (n,) where a tail probability is ``level`` (n,): 0 or inf where no float's is.

    ``tail(y, *parameters)`` is the probability of at most y, or with ``upper`` of more than y, and
    ``slope(y, *parameters)`` the density times y, row by row (and asked of some rows). Newton's method for the
    logarithm of the tail over log y, on which power laws are straight, kept in a bracket; where it does not settle,
    bisection on the bits of y.
    """
    sign = -1.0 if upper else 1.0
    y = np.clip(np.where(np.isnan(start), 1.0, start), 5e-324, _LARGEST)
    low, high = np.zeros_like(y), np.full_like(y, np.inf)
    left = np.flatnonzero(~np.isnan(level))
    out = np.full_like(y, np.nan)
    with np.errstate(all="ignore"):
        for step in range(_MOST_STEPS):
            if not len(left):
                break
            at, target, given = y[left], level[left], [parameter[left] for parameter in parameters]
            found = tail(at, *given)
            beyond = found >= target if upper else found <= target
            low[left], high[left] = np.where(beyond, at, low[left]), np.where(beyond, high[left], at)
            excess = np.log(found) - np.log(target)
            rate = slope(at, *given) / found
            moved = np.exp(np.log(at) - sign * excess / np.where(np.isinf(rate), np.nan, rate))
            bracket = (moved > low[left]) & (moved < high[left])
            settled = (found == target) | (np.abs(excess) <= _CLOSE) & bracket | (np.abs(moved - at) <= 2e-16 * at)
            use = bracket & (settled | (step < _NEWTON))
            new = np.where(use, moved, np.where(settled, at, _between(low[left], high[left])))
            # Neighbours: the level lies between their tails.
            settled |= ~use & ((new <= low[left]) | (new >= high[left]))
            y[left] = new
            out[left] = new
            left = left[~settled]
        # The ends of the floats: a level that the smallest or the largest does not reach.
        smallest, largest = (tail(np.full_like(y, end), *parameters) for end in (5e-324, _LARGEST))
    zero = (smallest <= level) if upper else (smallest >= level)
    infinite = (largest > level) if upper else (largest < level)
    out = np.where(zero & ~np.isnan(out), 0.0, out)
    return np.where(infinite & ~np.isnan(out), np.inf, out)


def _between(low: Array, high: Array) -> Array:
    """Return the nonnegative float in the middle of two, by their bits."""
    first = _bits(low)
    return _float(first + (_bits(np.minimum(high, _LARGEST)) - first) // 2)


def _bits(y: Array) -> Array:
    return np.ascontiguousarray(y, dtype=np.float64).view(np.int64)


def _float(bits: Array) -> Array:
    return np.ascontiguousarray(bits, dtype=np.int64).view(np.float64)


def count_quantile(reached: Callable[[Array, Array], Array], start: Array) -> Array:
    """Return the least whole number k >= 0 (n,) where a monotone condition holds; inf where no float's does.

    ``reached(k, rows)`` says whether it holds at k of some rows (indices). From a start within a few whole numbers it
    takes as many steps as the logarithm of the distance; beyond 2^53, where floats are sparser than whole numbers, the
    answer is the least float.
    """
    key = _key(np.floor(np.clip(np.where(np.isnan(start), 0.0, start), 0.0, _LARGEST)))
    n = len(key)
    low, high = np.full(n, -1, dtype=np.int64), np.full(n, _MOST_KEY + 1, dtype=np.int64)
    stride = np.ones(n, dtype=np.int64)
    left = np.arange(n)
    trial = key
    # Outwards in strides that double, until the answer is between two; then halves.
    while len(left):
        at = trial[left]
        holds = reached(_count(at), left)
        high[left], low[left] = np.where(holds, at, high[left]), np.where(holds, low[left], at)
        one, other = low[left], high[left]
        open_below, open_above = one < 0, other > _MOST_KEY
        outwards = open_below & (other > 0) | open_above & (one < _MOST_KEY)
        down = np.maximum(other - stride[left], 0)
        up = np.minimum(one, _MOST_KEY - stride[left]) + stride[left]
        trial[left] = np.where(outwards, np.where(open_above, up, down), one + (other - one) // 2)
        stride[left] = np.minimum(2 * stride[left], _MOST_KEY // 2)
        left = left[other - one > 1]
    return np.where(high > _MOST_KEY, np.inf, _count(np.minimum(high, _MOST_KEY)))


def _key(count: Array) -> Array:
    """Return the place of whole numbers (floats) in their order."""
    small = np.minimum(count, _WHOLE).astype(np.int64)
    return np.where(count < _WHOLE, small, _bits(np.maximum(count, _WHOLE)) - _WHOLE_BITS + int(_WHOLE))


def _count(key: Array) -> Array:
    small = np.minimum(key, int(_WHOLE)).astype(np.float64)
    return np.where(key < _WHOLE, small, _float(np.maximum(key, int(_WHOLE)) - int(_WHOLE) + _WHOLE_BITS))
