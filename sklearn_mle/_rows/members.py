"""Which rows of a rare class stand for it in a sample."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["choose_members"]

_SEED = 20583


def choose_members(code: int, count: int, least: int) -> NDArray[Any]:
    """Return at most ``least`` of a class's rows, by their numbers among its ``count`` rows, in rising order.

    Each class has a generator of its own, so that its choice does not depend on what other classes need.
    """
    return np.sort(np.random.default_rng([_SEED, code]).choice(count, min(least, count), replace=False))
