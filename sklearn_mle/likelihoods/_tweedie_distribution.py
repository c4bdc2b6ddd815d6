"""The Tweedie distribution for 1 < power < 2 in the manner of scipy.stats: an atom at zero and a density above it."""

from collections.abc import Callable
from functools import partialmethod
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import ndtr, ndtri

from sklearn_mle._numerics.quantiles import positive_quantile
from sklearn_mle._numerics.special import poisson_mass
from sklearn_mle._numerics.tails import gamma_tail
from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._tweedie_series import half_deviance

Slope = Callable[[Array, Array], Array]

# Below this phi mu^(p-2), the squared coefficient of variation, the saddlepoint formula errs by less than 1e-6.
_LOG_SMALL = np.log(1e-3)
# Half the scaled deviance of a y beyond which no tail is left, and the numbers of events that hold all of a tail.
_NOTHING, _DEEP = 800.0, 40.0
_DEVIATIONS, _MORE, _MOST_EVENTS = 10.0, 25.0, 1e6
# Terms of these sums that are computed at a time.
_AT_ONCE = 4096


class _TweedieDistribution(stats.rv_continuous):
    """Tweedie's compound Poisson distribution of given mean, dispersion and power: its draws, tails and moments.

    All else is the likelihood's, whose frozen distributions ask this one only for what ``_frozen`` says.
    """

    def _argcheck(self, mean: Array, dispersion: Array, power: Array) -> Array:
        return (mean > 0) & (dispersion > 0) & (power > 1) & (power < 2)

    def _tail(self, x: Array, *parameters: Array, upper: bool) -> Array:
        x, mean, dispersion, power = (np.ravel(array) for array in np.broadcast_arrays(x, *parameters))
        # Of one likelihood, all rows have one power.
        eta = np.log([mean, dispersion])
        return tweedie_tail(np.maximum(x, 0), eta, float(power[0]), upper=upper) if len(x) else x

    _cdf, _sf = partialmethod(_tail, upper=False), partialmethod(_tail, upper=True)

    def _stats(self, mean: Array, dispersion: Array, power: Array) -> tuple[Array, Array, Array, Array]:
        variance = dispersion * mean**power
        # Standardized cumulants: the variance function's derivatives.
        xi = dispersion * mean ** (power - 2)
        return mean, variance, power * np.sqrt(xi), power * (2 * power - 1) * xi

    def _rvs(self, mean: Array, dispersion: Array, power: Array, size: Any = None, random_state: Any = None) -> Array:
        events = random_state.poisson(mean ** (2 - power) / (dispersion * (2 - power)), size)
        amounts = random_state.standard_gamma(np.where(events > 0, events, 1) * (2 - power) / (power - 1), size)
        return np.where(events > 0, amounts * dispersion * (power - 1) * mean ** (power - 1), 0.0)


def _events(log_mean: Array, log_dispersion: Array, power: float) -> Array:
    """Return the expected number of events."""
    return np.exp((2 - power) * log_mean - log_dispersion) / (2 - power)


@np.errstate(all="ignore")
def tweedie_tail(y: Array, eta: Array, power: float, *, upper: bool) -> Array:
    """Return P(Y <= y), or P(Y > y) with ``upper``, of y >= 0 (n,)."""
    log_mean, log_dispersion = eta
    events = _events(log_mean, log_dispersion, power)
    out = -np.expm1(-events) if upper else np.exp(-events)
    log_y = np.log(np.maximum(y, 5e-324))
    distance = log_mean - log_y
    # The number of events that is likeliest given y, and how far y is from the bulk of the distribution.
    likeliest = _events(log_y, log_dispersion, power)
    cost = half_deviance(log_y, log_mean, log_dispersion, power)
    positive = (y > 0) & ~np.isnan(cost)
    far = positive & (cost > _NOTHING)
    out = np.where(far, np.where((distance < 0) == upper, 0.0, 1.0), out)
    small = log_dispersion + (power - 2) * log_mean < _LOG_SMALL
    by_events = positive & ~far & ~small & (np.maximum(likeliest, events) < _MOST_EVENTS)
    few = np.flatnonzero(by_events)
    if len(few):
        log_scaled = log_y[few] - log_dispersion[few] - (power - 1) * log_mean[few] - np.log(power - 1)
        # Deep in a tail numbers of events near the likeliest one hold all of it; the other tail is one.
        deep = cost[few] > _DEEP
        above = np.where(deep, distance[few] < 0, upper)
        least = np.where(deep, likeliest[few], np.minimum(events, likeliest)[few])
        most = np.where(deep, likeliest[few], np.maximum(events, likeliest)[few])
        tail = _sum_over_events(np.exp(log_scaled), events[few], least, most, power, above)
        out[few] = np.where(above == upper, tail, 1 - tail)
    many = np.flatnonzero(positive & ~far & ~by_events)
    if len(many):
        root_xi = np.exp(0.5 * (log_dispersion + (power - 2) * log_y))
        out[many] = _saddlepoint(distance[many], cost[many], root_xi[many], power, upper)
    return out


def _sum_over_events(scaled: Array, events: Array, least: Array, most: Array, power: float, upper: Array) -> Array:
    """Return the tails, of rows each on its side, by the gamma tails of about ``least`` to ``most`` events."""
    alpha = (2 - power) / (power - 1)
    first = np.maximum(np.floor(least - _DEVIATIONS * np.sqrt(least)), 1)
    count = most + _DEVIATIONS * np.sqrt(most) + _MORE - first
    out = np.where(upper, 0.0, np.exp(-events))
    for side in (True, False):
        # The longest sums first, so that those still running are the first ones.
        rows = np.flatnonzero(upper == side)
        rows = rows[np.argsort(-count[rows], kind="stable")]
        k, longest = 0, int(count[rows[:1]].sum())
        while len(rows) and k <= longest:
            rows = rows[: np.searchsorted(-count[rows], -k, side="right")]
            steps = np.arange(k, min(k + max(_AT_ONCE // len(rows), 1), longest + 1))[:, None]
            j = first[rows] + steps
            terms = poisson_mass(j, events[rows]) * gamma_tail(alpha * j, scaled[rows], upper=side)
            out[rows] += np.where(steps <= count[rows], terms, 0.0).sum(axis=0)
            k += len(steps)
    return np.minimum(out, 1.0)


def _saddlepoint(distance: Array, cost: Array, root_xi: Array, power: float, upper: bool) -> Array:
    """Return the tail by Barndorff-Nielsen's r*, whose error here falls as (dispersion x^(p-2))^(3/2).

    References
    ----------
    Barndorff-Nielsen (1990), Approximate interval probabilities, Journal of the Royal Statistical Society B 52.
    """
    root = -np.sign(distance) * np.sqrt(2 * cost)
    wald = -np.expm1((1 - power) * distance) / (1 - power) / root_xi
    near = np.abs(root) < 1e-4
    safe = np.where(near, 1.0, root)
    adjusted = safe + np.log(np.where(near, 1.0, wald / safe)) / safe
    # At y = mu the two agree, and the correction tends to a sixth of the skewness.
    corrected = np.where(near, root + power * root_xi / 6, adjusted)
    return ndtr(-corrected) if upper else ndtr(corrected)


def tweedie_quantile(level: Array, eta: Array, power: float, slope: Slope, *, upper: bool) -> Array:
    """Return the y (n,) whose tail is a level: zero up to the probability of zero.

    ``slope(y, eta)`` is y times the density.
    """
    events = _events(eta[0], eta[1], power)
    out = np.zeros_like(level)
    left = np.flatnonzero(level < -np.expm1(-events) if upper else level > np.exp(-events))
    if not len(left):
        return out
    events, level, (at, phi) = events[left], level[left], eta[:, left]
    z = -ndtri(level) if upper else ndtri(level)
    # About the mean by its logarithm; where events are rare, about the size of one.
    spread = np.sqrt(np.log1p(np.exp(phi + (power - 2) * at)))
    unit = np.exp(np.clip(np.where(events > 1, at + z * spread, phi + (power - 1) * at + np.log(2 - power)), -700, 700))

    def tail(y: Array, unit: Array, *eta: Array) -> Array:
        return tweedie_tail(unit * y, np.stack(eta), power, upper=upper)

    def scaled_slope(y: Array, unit: Array, *eta: Array) -> Array:
        return slope(unit * y, np.stack(eta))

    out[left] = unit * positive_quantile(tail, scaled_slope, level, np.ones_like(level), unit, at, phi, upper=upper)
    return out


# The support opens just below zero, where there is a probability.
tweedie_distribution = _TweedieDistribution(a=-5e-324, name="tweedie", shapes="mean, dispersion, power")
