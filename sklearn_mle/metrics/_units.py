"""Nats, and what other units of information are in them."""

from __future__ import annotations

import sys
from numbers import Real

import numpy as np


def nats_in_unit(base: float | None) -> float:
    """Nats in one unit of the logarithm of this base; None is nats themselves."""
    if base is None:
        return 1.0
    if not isinstance(base, Real) or not 1 < base <= sys.float_info.max:
        raise ValueError(f"base must be None (nats) or a number greater than 1, such as 2 (bits) or 10; got {base!r}.")
    return float(np.log(base))
