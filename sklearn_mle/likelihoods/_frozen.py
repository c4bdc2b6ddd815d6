"""Predictive distributions: frozen as ``scipy.stats`` freezes them, but answered from the linear predictors.

scipy computes with parameters, which over- and underflow where their logarithms do not, and takes logarithms of
densities that are zero. Ours answer with the likelihood's own formulas: ``logpdf`` is minus the NLL, tails and
quantiles are the likelihood's ``tail`` and ``tail_quantile``. The parameters keep scipy's names for those who read
them.
"""

from collections.abc import Callable
from functools import partialmethod
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.utils import check_random_state

from sklearn_mle._numerics.quantiles import count_quantile
from sklearn_mle._numerics.scipy_frozen import rv_continuous_frozen, rv_discrete_frozen
from sklearn_mle.likelihoods._base import Array

# Parameters within these bounds are drawn from by numpy; rows of others by their quantiles.
_LEAST, _MOST = 1e-200, 1e200


class _Rows:
    """The answers, for both kinds of frozen distributions."""

    _law: Any
    _eta: Array
    dist: Any
    kwds: dict[str, Any]

    def median(self) -> Array:
        return self.ppf(0.5)

    def interval(self, confidence: Any = None) -> tuple[Array, Array]:
        outside = 0.5 * (1 - np.asarray(confidence, dtype=np.float64))
        if not ((outside >= 0) & (outside <= 0.5)).all():
            raise ValueError(f"confidence must be between 0 and 1, a probability; got {confidence!r}.")
        return self.ppf(outside), self.ppf(1 - outside)

    def mean(self) -> Array:
        return self._moment(self._law.mean)

    def std(self) -> Array:
        return self._moment(self._law.standard_deviation)

    def var(self) -> Array:
        with np.errstate(over="ignore", under="ignore"):
            return np.square(self.std())

    def stats(self, moments: str = "mv") -> Any:
        if not set(moments) <= set("mv"):
            return self.dist.stats(**self.kwds, moments=moments)
        found = tuple(self.mean() if moment == "m" else self.var() for moment in "mv" if moment in moments)
        return found if len(found) > 1 else found[0]

    @np.errstate(over="ignore", under="ignore")
    def rvs(self, size: Any = None, random_state: Any = None) -> Array:
        generator = self.dist.random_state if random_state is None else random_state
        if not isinstance(generator, np.random.Generator):
            generator = check_random_state(generator)
        shape = self._eta.shape[1:]
        eta = self._eta.reshape(len(self._eta), -1)
        well = self._law.drawn_well(eta).reshape(shape) & ~np.isnan(self._eta).any(axis=0)
        for name, value in self.kwds.items():
            size_of = np.abs(np.asarray(value, dtype=np.float64))
            well &= np.isfinite(size_of) if name == "loc" else (size_of > _LEAST) & (size_of < _MOST)
        if well.all():
            return self.dist.rvs(**self.kwds, size=size, random_state=generator)
        kwds = {
            name: np.where(well, value, np.ones((), value.dtype)) if np.ndim(value) else value
            for name, value in self.kwds.items()
        }
        draws = np.array(self.dist.rvs(**kwds, size=size, random_state=generator), dtype=np.float64)
        return np.where(well, draws, self.ppf(generator.uniform(size=draws.shape)))

    @property
    def crps(self) -> Callable[[Any], Array]:
        """The map of outcomes to their continuous ranked probability scores, of likelihoods that have a formula."""
        if not hasattr(self._law, "crps"):
            raise AttributeError(f"{type(self._law).__name__} has no formula of the CRPS.")

        @np.errstate(all="ignore")
        def crps(y: Any) -> Array:
            y, eta, shape = self._spread(y)
            return np.asarray(self._law.crps(y, eta)).reshape(shape)[()]

        return crps

    def _moment(self, moment: Any) -> Array:
        eta = self._eta
        return np.reshape(moment(eta.reshape(len(eta), -1)), eta.shape[1:])[()]

    def _spread(self, x: Any) -> tuple[Array, Array, tuple[int, ...]]:
        """Return x and eta of one row for each answer, and the answers' shape."""
        x, eta = np.asarray(x, dtype=np.float64), self._eta
        rows = eta.shape[1:]
        shape = np.broadcast_shapes(x.shape, rows)
        eta = eta.reshape(len(eta), *(1,) * (len(shape) - len(rows)), *rows)
        eta = np.broadcast_to(eta, (len(eta), *shape)).reshape(len(eta), -1)
        return np.broadcast_to(x, shape).ravel(), eta, shape

    @np.errstate(all="ignore")
    def _tail(self, x: Any, *, upper: bool) -> Array:
        y, eta, shape = self._spread(x)
        if self._law.discrete:
            y = np.floor(y)
        low, high = self._law.support
        inside = np.where(np.isfinite(y) & (y >= low) & (y <= high), y, max(low, 0.0))
        value = self._law.tail(inside, eta, upper=upper)
        value = np.where((y < low) | np.isneginf(y), float(upper), np.where(y >= high, float(not upper), value))
        return np.where(np.isnan(y), np.nan, value).reshape(shape)[()]

    @np.errstate(all="ignore")
    def _log_tail(self, x: Any, *, upper: bool) -> Array:
        tail, other = self._tail(x, upper=upper), self._tail(x, upper=not upper)
        logs = np.where(other < 0.5, np.log1p(-other), np.log(tail))
        if (tail > 0).all():
            return logs[()]
        # Where the tail underflows, some of scipy's distributions have its logarithm all the same.
        of_scipy = (self.dist.logsf if upper else self.dist.logcdf)(x, **self.kwds)
        return np.where((tail > 0) | np.isnan(of_scipy), logs, of_scipy)[()]

    @np.errstate(all="ignore")
    def _quantile(self, q: Any, *, upper: bool) -> Array:
        level, eta, shape = self._spread(q)
        low, high = self._law.support
        if self._law.discrete:
            low -= 1  # scipy's convention for level 0
        out = np.full(len(level), np.nan)
        out[level == (1.0 if upper else 0.0)] = low
        out[level == (0.0 if upper else 1.0)] = high
        inner = (level > 0) & (level < 1) & ~np.isnan(eta).any(axis=0)
        # The smaller of the two tails has all its digits. (A count's quantile is the least count, so its side is kept.)
        other = inner & (level > 0.5) & (not self._law.discrete)
        for rows, side, levels in ((inner & ~other, upper, level), (other, not upper, 1 - level)):
            if rows.all():
                out = self._law.tail_quantile(levels, eta, upper=side)
            elif rows.any():
                out[rows] = self._law.tail_quantile(levels[rows], eta[:, rows], upper=side)
        return np.asarray(out).reshape(shape)[()]

    cdf, sf = partialmethod(_tail, upper=False), partialmethod(_tail, upper=True)
    logcdf, logsf = partialmethod(_log_tail, upper=False), partialmethod(_log_tail, upper=True)
    ppf, isf = partialmethod(_quantile, upper=False), partialmethod(_quantile, upper=True)

    @np.errstate(all="ignore")
    def _log_density(self, x: Any) -> Array:
        y, eta, shape = self._spread(x)
        low, high = self._law.support
        none = ~np.isfinite(y) | (y < low) | (y > high)
        if self._law.discrete:
            none |= y != np.floor(y)
        edge = ~none & self._law._outside(y)
        safe = np.where(none | edge, 0.5 * (max(low, 0.0) + min(high, 2.0)), y)
        value = np.where(none, -np.inf, -self._law.nll(np.floor(safe) if self._law.discrete else safe, eta))
        if edge.any():
            # The end of an open support: the limit, which scipy has unless its parameters over- or underflow.
            of_scipy = self.dist.logpmf if self._law.discrete else self.dist.logpdf
            limit = np.ravel(np.broadcast_to(of_scipy(x, **self.kwds), shape))
            inside = -self._law.nll(np.clip(y, np.nextafter(low, 1.0), np.nextafter(high, 0.0)), eta)
            value = np.where(edge, np.where(np.isnan(limit), inside, limit), value)
        return np.where(np.isnan(y), np.nan, value).reshape(shape)[()]

    @np.errstate(all="ignore")
    def _density(self, x: Any) -> Array:
        return np.exp(self._log_density(x))


class _Continuous(_Rows, rv_continuous_frozen):
    logpdf, pdf = _Rows._log_density, _Rows._density


class _Discrete(_Rows, rv_discrete_frozen):
    logpmf, pmf = _Rows._log_density, _Rows._density


def frozen(law: Any, eta: Array, generator: Any, **parameters: Any) -> Any:
    """Return the distribution of y given eta (q, ...): ``generator`` of ``scipy.stats`` with its parameters' names."""
    with np.errstate(all="ignore"):
        made = (_Discrete if law.discrete else _Continuous)(generator, **parameters)
    made._law, made._eta = law, eta
    return made


LARGEST_LOG_MEAN_DRAWN = 12 * np.log(10)


def count_quantile_of(law: Any, level: Array, eta: Array, *, upper: bool) -> Array:
    """Return the least y whose lower tail is at least a level, or whose upper tail is at most it."""

    def reached(y: Array, rows: Array) -> Array:
        tail = law.tail(y, eta[:, rows], upper=upper)
        return tail <= level[rows] if upper else tail >= level[rows]

    # The start has Cornish and Fisher's correction for skewness; the nearer it is, the shorter the search.
    mean, deviation = law.mean(eta), law.standard_deviation(eta)
    z = -ndtri(level) if upper else ndtri(level)
    return count_quantile(reached, mean + deviation * z + (z * z - 1) / 6 * np.square(deviation) / np.maximum(mean, 1))
