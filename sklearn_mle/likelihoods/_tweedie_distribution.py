"""The Tweedie distribution for 1 < power < 2 in the manner of scipy.stats: an atom at zero and a density above it."""

from typing import Any

import numpy as np
from scipy import stats
from scipy.special import gammainc, gammaincc, gammaln, ndtr

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._tweedie_series import tweedie_saturated

__all__ = ["tweedie_distribution"]

# Below this phi mu^(p-2), the squared coefficient of variation, the saddlepoint formula errs by less than 1e-6.
_SMALL = 1e-3
_ITERATIONS = 200


class _TweedieDistribution(stats.rv_continuous):
    """Tweedie's compound Poisson distribution of given mean, dispersion and power.

    ``pdf`` and ``logpdf`` are, at zero, the probability of zero; above zero the density. ``cdf`` jumps at zero, and
    ``ppf`` is zero up to that probability.
    """

    def _argcheck(self, mean: Array, dispersion: Array, power: Array) -> Array:
        return (mean > 0) & (dispersion > 0) & (power > 1) & (power < 2)

    def _logpdf(self, x: Array, mean: Array, dispersion: Array, power: Array) -> Array:
        x, mean, dispersion, power = np.broadcast_arrays(x, mean, dispersion, power)
        out = np.where(x == 0, -_events(mean, dispersion, power), -np.inf)
        for p in np.unique(power):
            rows = np.nonzero((x > 0) & (power == p))
            log_y, distance = np.log(x[rows]), np.log(mean[rows] / x[rows])
            log_xi = np.log(dispersion[rows]) + (p - 2) * log_y
            deviance = np.expm1((2 - p) * distance) / (2 - p) + np.expm1(-(p - 1) * distance) / (p - 1)
            out[rows] = -np.exp(-log_xi) * deviance - log_y - tweedie_saturated(log_xi, float(p))[0]
        return out

    def _pdf(self, x: Array, mean: Array, dispersion: Array, power: Array) -> Array:
        return np.exp(self._logpdf(x, mean, dispersion, power))

    def _cdf(self, x: Array, mean: Array, dispersion: Array, power: Array) -> Array:
        return self._tail(x, mean, dispersion, power, upper=False)

    def _sf(self, x: Array, mean: Array, dispersion: Array, power: Array) -> Array:
        return self._tail(x, mean, dispersion, power, upper=True)

    def _tail(self, x: Array, mean: Array, dispersion: Array, power: Array, *, upper: bool) -> Array:
        x, mean, dispersion, power = (
            np.ravel(a).astype(np.float64) for a in np.broadcast_arrays(x, mean, dispersion, power)
        )
        events = _events(mean, dispersion, power)
        out = np.where(x < 0, 0.0, np.exp(-events))
        if upper:
            out = np.where(x < 0, 1.0, -np.expm1(-events))
        small = dispersion * mean ** (power - 2) < _SMALL
        few = np.flatnonzero((x > 0) & ~small)
        if len(few):
            out[few] = _sum_over_events(x[few], mean[few], dispersion[few], power[few], upper)
        many = np.flatnonzero((x > 0) & small)
        if len(many):
            out[many] = _saddlepoint(x[many], mean[many], dispersion[many], power[many], upper)
        return out

    def _ppf(self, q: Array, mean: Array, dispersion: Array, power: Array) -> Array:
        q, mean, dispersion, power = (
            np.ravel(a).astype(np.float64) for a in np.broadcast_arrays(q, mean, dispersion, power)
        )
        out = np.zeros_like(q)
        left = np.flatnonzero(q > np.exp(-_events(mean, dispersion, power)))
        args = mean[left], dispersion[left], power[left]
        target = q[left]
        low, high = np.zeros_like(target), args[0].copy()
        while (short := self._cdf(high, *args) < target).any():
            low[short], high[short] = high[short], 2 * high[short]
        x = np.sqrt(low * high) + 0.5 * high * (low == 0)
        # Newton's method, kept inside a bracket that halves (by ratio, towards zero) whenever a step would leave it.
        for _ in range(_ITERATIONS):
            excess = self._cdf(x, *args) - target
            low, high = np.where(excess < 0, x, low), np.where(excess >= 0, x, high)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = x - excess / self._pdf(x, *args)
            halved = np.where(low > 0, 0.5 * (low + high), 0.25 * high)
            moved = np.where((step > low) & (step < high), step, halved)
            # The level itself is not known better.
            moved = np.where(np.abs(excess) <= 1e-15, x, moved)
            settled = np.abs(moved - x) <= 1e-14 * x
            x = moved
            if settled.all():
                break
        out[left] = x
        return out

    def _stats(self, mean: Array, dispersion: Array, power: Array) -> tuple[Array, Array, Array, Array]:
        variance = dispersion * mean**power
        # Standardized cumulants: the variance function's derivatives.
        xi = dispersion * mean ** (power - 2)
        return mean, variance, power * np.sqrt(xi), power * (2 * power - 1) * xi

    def _rvs(self, mean: Array, dispersion: Array, power: Array, size: Any = None, random_state: Any = None) -> Array:
        events = random_state.poisson(_events(mean, dispersion, power), size)
        amounts = random_state.standard_gamma(np.where(events > 0, events, 1) * (2 - power) / (power - 1), size)
        return np.where(events > 0, amounts * dispersion * (power - 1) * mean ** (power - 1), 0.0)


def _events(mean: Array, dispersion: Array, power: Array) -> Array:
    """Return the expected number of events."""
    return mean ** (2 - power) / (dispersion * (2 - power))


def _sum_over_events(x: Array, mean: Array, dispersion: Array, power: Array, upper: bool) -> Array:
    events, alpha = _events(mean, dispersion, power), (2 - power) / (power - 1)
    scaled = x / (dispersion * (power - 1) * mean ** (power - 1))
    reach = 10 * np.sqrt(events)
    first = np.maximum(np.floor(events - reach), 1)
    incomplete = gammaincc if upper else gammainc
    out = np.zeros_like(x) if upper else np.exp(-events)
    for k in range(int((2 * reach).max()) + 25):
        j = first + k
        out += np.exp(j * np.log(events) - events - gammaln(j + 1)) * incomplete(alpha * j, scaled)
    return np.minimum(out, 1.0)


def _saddlepoint(x: Array, mean: Array, dispersion: Array, power: Array, upper: bool) -> Array:
    """Return the tail by Barndorff-Nielsen's r*, whose error here falls as (dispersion x^(p-2))^(3/2).

    References
    ----------
    Barndorff-Nielsen (1990), Approximate interval probabilities, Journal of the Royal Statistical Society B 52.
    """
    distance = np.log(mean / x)
    xi = dispersion * x ** (power - 2)
    deviance = np.expm1((2 - power) * distance) / (2 - power) + np.expm1((1 - power) * distance) / (power - 1)
    root = -np.sign(distance) * np.sqrt(np.maximum(2 * deviance, 0) / xi)
    wald = -np.expm1((1 - power) * distance) / (1 - power) / np.sqrt(xi)
    near = np.abs(root) < 1e-4
    safe = np.where(near, 1.0, root)
    adjusted = safe + np.log(np.where(near, 1.0, wald / safe)) / safe
    # At y = mu the two agree, and the correction tends to a sixth of the skewness.
    corrected = np.where(near, root + power * np.sqrt(xi) / 6, adjusted)
    return ndtr(-corrected) if upper else ndtr(corrected)


# The support opens just below zero, so that scipy asks for the cdf and the density at zero itself.
tweedie_distribution = _TweedieDistribution(a=-5e-324, name="tweedie", shapes="mean, dispersion, power")
