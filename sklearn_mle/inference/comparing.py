"""What two averages are compared by: differences, ratios, odds ratios, or any function of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from sklearn_mle._numerics.arguments import argument_name
from sklearn_mle._numerics.arrays import Array
from sklearn_mle.inference.hypotheses import five_point_slope

_STEP = 1e-3


@dataclass(frozen=True)
class Comparison:
    """A function of two averages, high and low, of any shape, with its derivatives in both."""

    # Between the two in the label of a contrast.
    symbol: str
    # (high, low) -> the value and its two derivatives.
    evaluate: Callable[[Array, Array], tuple[Array, Array, Array]]
    # The value where the two are equal.
    null: float = 0.0
    # Whether the value is the logarithm of what is reported.
    exponentiated: bool = False


@np.errstate(all="ignore")
def _log_ratio(high: Array, low: Array) -> tuple[Array, Array, Array]:
    sign = np.where((high < 0) & (low < 0), -1, 1)  # of two negative averages the ratio is positive
    return np.log(sign * high) - np.log(sign * low), 1 / high, -1 / low


@np.errstate(all="ignore")
def _log_odds_ratio(high: Array, low: Array) -> tuple[Array, Array, Array]:
    return logit(high) - logit(low), 1 / (high * (1 - high)), -1 / (low * (1 - low))


COMPARISONS = {
    "difference": Comparison("-", lambda high, low: (high - low, np.ones_like(high), -np.ones_like(low))),
    "ratio": Comparison("/", _log_ratio, exponentiated=True),
    "log_ratio": Comparison("/", _log_ratio),
    "odds_ratio": Comparison("/", _log_odds_ratio, exponentiated=True),
    "log_odds_ratio": Comparison("/", _log_odds_ratio),
}


def compare_by(compare: Any) -> Comparison:
    """Return the comparison that an argument means: a name, or a function of two arrays."""
    if isinstance(compare, str) and compare in COMPARISONS:
        return COMPARISONS[compare]
    if not callable(compare):
        raise ValueError(f"compare must be one of {list(COMPARISONS)} or a function of two arrays; got {compare!r}.")

    def value(pair: Array) -> Array:
        with argument_name("compare"):
            out = np.asarray(compare(pair[0].copy(), pair[1].copy()), dtype=np.float64)
        if out.shape != pair[0].shape:
            raise ValueError(
                f"compare must return an array of the shape of its arguments, {pair[0].shape}; got {out.shape}."
            )
        return out

    def evaluate(high: Array, low: Array) -> tuple[Array, Array, Array]:
        pair = np.stack([high, low])
        # Steps are relative to the averages themselves.
        size = np.where(pair != 0, np.abs(pair), 1.0)
        slopes = [five_point_slope(lambda t: value(pair + t * size), np.zeros_like(pair), k, _STEP) for k in (0, 1)]
        return value(pair), slopes[0] / size[0], slopes[1] / size[1]

    with np.errstate(all="ignore"):
        one = np.full(1, 0.5)
        null = float(value(np.stack([one, one]))[0])
    return Comparison("and", evaluate, null if np.isfinite(null) else 0.0)
