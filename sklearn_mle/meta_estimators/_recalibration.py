"""The probability integral transform (PIT) of new rows: how far it is from uniform, and the map that makes it so."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import kolmogi
from sklearn.utils import check_random_state

from sklearn_mle._numerics.arrays import Array

_MOST_BINS = 50


def pit_distribution(low: Array, high: Array, weight: Array, at: Array) -> Array:
    """Return the distribution function of the PIT at some points: each row's mass is spread evenly over its bounds."""
    width = high - low
    total = np.zeros(len(at))
    for k, point in enumerate(at):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(width > 0, (point - low) / width, point >= low)
        total[k] = (weight * np.clip(share, 0, 1)).sum()
    return total / weight.sum()


def miscalibration(low: Array, high: Array, weight: Array) -> tuple[float, float]:
    r"""Return by how much the level of a quantile, and the coverage of a central interval, are wrong at most.

    .. math:: \max_u |G(u) - u| ,\qquad
        \max_c \bigl| G(\tfrac{1 + c}{2}) - G(\tfrac{1 - c}{2}) - c \bigr|

    with G the distribution function of the PIT. Zero where chance alone makes a larger one once in a thousand times, by
    Kolmogorov's test.
    """
    u = np.linspace(0, 1, 1001)
    function = pit_distribution(low, high, weight, u)
    of_quantiles = float(np.abs(function - u).max())
    of_intervals = float(np.abs(function[::-1] - function - (1 - 2 * u)).max())
    seen = kolmogi(1e-3) / np.sqrt(weight.sum())
    return (of_quantiles if of_quantiles > seen else 0.0), (of_intervals if of_intervals > seen else 0.0)


@dataclass(frozen=True)
class PITMap:
    """A monotone map of [0, 1] onto itself, linear between even knots: the distribution function of the PIT.

    Its n^(1/3) bins (at most 50) each count one row more than they hold, so that none is empty.
    """

    values: Array

    @classmethod
    def of(cls, low: Array, high: Array, weight: Array) -> "PITMap":
        """Estimate the map from the PIT's bounds."""
        n_bins = int(np.clip(weight.sum() ** (1 / 3), 1, _MOST_BINS))
        knots = np.linspace(0, 1, n_bins + 1)
        shares = np.diff(pit_distribution(low, high, weight, knots))
        # What is at 0 exactly is in the first bin.
        shares[0] += 1 - shares.sum()
        shares = (shares * weight.sum() + 1) / (weight.sum() + n_bins)
        return cls(np.concatenate([[0.0], np.cumsum(shares)[:-1], [1.0]]))

    @property
    def _knots(self) -> Array:
        return np.linspace(0, 1, len(self.values))

    def __call__(self, u: Any) -> Array:
        """Return the recalibrated probabilities."""
        return np.interp(u, self._knots, self.values)

    def inverse(self, p: Any) -> Array:
        """Return the level before recalibration of probabilities."""
        return np.interp(p, self.values, self._knots)

    def log_slope(self, u: Array) -> Array:
        """Return the logarithm of the density that the map gives to u: what log densities gain."""
        n_bins = len(self.values) - 1
        slopes = np.diff(self.values) * n_bins
        return np.log(slopes)[np.clip((np.asarray(u) * n_bins).astype(np.intp), 0, n_bins - 1)]

    def log_gain(self, u: Array, at_least: Any) -> Array:
        """Return what log densities gain where the distribution function is u; ``at_least`` of the least outcome.

        That may have a probability of its own, u, as the zeros of a Tweedie distribution have.
        """
        of_atom = np.asarray(at_least) & (u > 0)
        atom = np.where(of_atom, u, 1.0)
        return np.where(of_atom, np.log(self(atom)) - np.log(atom), self.log_slope(u))


class Recalibrated:
    """Distributions whose distribution functions were mapped: the methods of a frozen continuous one of scipy.stats.

    ``least`` is the least outcome, -inf where there is none.
    """

    def __init__(self, distribution: Any, pit_map: PITMap, n: int, least: float = -np.inf) -> None:
        self._inner, self._map, self._least = distribution, pit_map, least
        self.shape = (n,)

    def cdf(self, x: Any) -> Array:
        """Return the probability of at most x."""
        return self._map(self._inner.cdf(x))

    def sf(self, x: Any) -> Array:
        """Return the probability of more than x."""
        # From the upper end, where 1 - cdf has lost its digits.
        above = self._inner.sf(x)
        return np.interp(above, 1 - self._map._knots[::-1], 1 - self._map.values[::-1])

    def logpdf(self, x: Any) -> Array:
        """Return the logarithm of the density."""
        return self._inner.logpdf(x) + self._map.log_gain(self._inner.cdf(x), np.asarray(x) <= self._least)

    def pdf(self, x: Any) -> Array:
        """Return the density."""
        return np.exp(self.logpdf(x))

    def ppf(self, q: Any) -> Array:
        """Return the quantile of probability q."""
        return self._inner.ppf(self._map.inverse(q))

    def isf(self, q: Any) -> Array:
        """Return the point that is exceeded with probability q."""
        return self._inner.isf(np.interp(q, 1 - self._map.values[::-1], 1 - self._map._knots[::-1]))

    def median(self) -> Array:
        """Return the median."""
        return self.ppf(0.5)

    def interval(self, confidence: Any) -> tuple[Array, Array]:
        """Return the ends of the central interval of this probability."""
        outside = 0.5 * (1 - np.asarray(confidence, dtype=np.float64))
        return self.ppf(outside), self.isf(outside)

    def rvs(self, size: Any = None, random_state: Any = None) -> Array:
        """Draw outcomes."""
        shape = self.shape if size is None else size
        return self.ppf(check_random_state(random_state).uniform(size=shape))
