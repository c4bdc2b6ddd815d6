"""A mixture of Gaussians: y real with location eta_0, log scale eta_1 and, of each further component, its shape."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import log_expit, ndtr, ndtri

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import RealOutcome, in_units, information_of_shapes, standardize
from sklearn_mle.likelihoods._frozen import frozen
from sklearn_mle.likelihoods._mixture_start import mixture_start
from sklearn_mle.likelihoods._special import HALF_LOG_TWO_PI

# A component's scale is at most so many times the first one's, and at least one such part of it.
_MOST_RATIO = 10.0
_LOG_RATIO = math.log(_MOST_RATIO)
# From here on tanh is one to 2e-13.
_MOST_SPREAD = 15.0
# sinh of it is as far as derivatives go.
_MOST_MEAN = 150.0
# z for derivatives: farther out one component has all the weight, and squares would overflow.
_FARTHEST = 1e70
# Panels of the information's integral, in scales from each component's mean, and the nodes of each.
_PANELS = np.array([-9.0, -6.5, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.5, 9.0])
_NODES, _MASSES = np.polynomial.legendre.leggauss(10)
_AT_ONCE = 128
_ROUNDS, _HALVINGS = 200, 200


class GaussianMixture(RealOutcome):
    r"""Mixture of Gaussians, for noise with several modes, skewness or heavy tails.

    .. math:: -\log p(y) = \log s - \log \sum_{k=1}^K \frac{\pi_k}{r_k}\, \varphi\!\left(\frac{z - m_k}{r_k}\right)
        ,\qquad z = \frac{y - \mu}{s} ,\quad m_1 = 0,\; r_1 = 1

    Location :math:`\mu` and scale s are those of the first component, which starts as the heaviest one; means m and
    scales r of the others are relative to it. Nats. ``eta`` has shape (3 K - 1, n): :math:`\mu`, :math:`\log s`, and of
    each further component

    - ``weight_k``: the log-odds of component k against those before it, so that ``weight_2`` of two is :math:`\pi_2`;
    - ``mean_k``: any real number, of which :math:`m_k = \sinh(\text{mean})`, in scales of the first component (so that
      components of which all shrink at their places move along a line);
    - ``spread_k``: any real number, of which :math:`r_k = 10^{\tanh(\text{spread})}`.

    Without a bound on the ratio of two scales the likelihood is infinite: a component shrinks onto one outcome. With
    any bound it has a maximum (Hathaway 1985); a tenth of the first component's scale is narrower than what noise has,
    but for values that repeat. A spread without a finite optimum ends at 15 or -15. There is more than one maximum:
    the answer is the one reached from the best of several runs of the EM algorithm on the residuals, started at
    quantiles. Components have no order but that of this start, and where the noise is Gaussian their parameters are
    not determined. Weights, means and spreads are one number for all rows: ``predictors`` gives them no columns.

    Parameters
    ----------
    n_components : int, default=2
        Number of components K, from 2 to 5.

    References
    ----------
    Hathaway (1985), A constrained formulation of maximum-likelihood estimation for normal mixture distributions,
    Annals of Statistics 13.
    Grimit, Gneiting, Berrocal and Johnson (2006), The continuous ranked probability score for circular variables and
    its application to mesoscale forecast ensemble verification, Quarterly J. of the Royal Meteorological Society 132,
    equation 5: the CRPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import GaussianMixture
    >>> y = np.array([0.0, 4.0])
    >>> eta = np.full((5, 2), [[0.0], [0.0], [0.0], [np.arcsinh(4)], [0.0]])
    >>> GaussianMixture().nll(y, eta).round(6)
    array([1.61175, 1.61175])
    """

    convex_in_location = False

    def __init__(self, n_components: int = 2) -> None:
        self.n_components = n_components

    def check_parameters(self) -> None:
        if isinstance(self.n_components, bool) or self.n_components not in range(2, 6):
            raise ValueError(f"n_components must be a whole number from 2 to 5; got {self.n_components!r}.")

    @property
    def parameter_names(self) -> tuple[str, ...]:
        further = (f"{name}_{k}" for k in range(2, self.n_components + 1) for name in ("weight", "mean", "spread"))
        return ("location", "scale", *further)

    @property
    def links(self) -> tuple[str, ...]:
        return ("identity", "log", *("logit", "identity", "identity") * (self.n_components - 1))

    @property
    def ends(self) -> dict[str, tuple[float, float]]:
        return {f"spread_{k}": (-_MOST_SPREAD, _MOST_SPREAD) for k in range(2, self.n_components + 1)}

    @property
    def constant_parameters(self) -> tuple[str, ...]:
        # With columns in them the maxima are too many for the best to be found.
        return self.parameter_names[2:]

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        z, inverse_scale = standardize(y, eta)
        nll = eta[1] + _Components(z, eta).nll
        gradient = _Components(np.clip(z, -_FARTHEST, _FARTHEST), eta).gradient
        gradient[0] *= inverse_scale
        return nll, gradient

    def hessian(self, y: Array, eta: Array) -> Array:
        z, inverse_scale = standardize(y, eta)
        return in_units(_Components(np.clip(z, -_FARTHEST, _FARTHEST), eta).hessian(), inverse_scale)

    def expected_information(self, eta: Array) -> Array:
        return information_of_shapes(_unit_information, eta[2:], eta, _AT_ONCE)

    def start(self, y: Array, weight: Array | None) -> Array:
        weights, means, scales = mixture_start(y, weight, self.n_components)
        start = [means[0], math.log(scales[0])]
        for k in range(1, self.n_components):
            log_ratio = math.log(scales[k] / scales[0]) / _LOG_RATIO
            spread = math.atanh(log_ratio)
            odds = weights[k] / weights[:k].sum()
            start += [math.log(odds), math.asinh((means[k] - means[0]) / scales[0]), spread]
        return np.array(start)

    def _best_location(self, y: Array, eta: Array) -> Array:
        """Return the locations at which each y is the highest mode: by the mean shift from each component's mean."""
        best, least = np.zeros_like(eta[0]), np.full_like(eta[0], np.inf)
        for start in _shapes(eta)[1]:
            z = start.copy()
            for _ in range(_ROUNDS):
                parts = _Components(z, eta)
                z = parts.shifted()
            for _ in range(3):
                parts = _Components(z, eta)
                # The slope and the curvature in z are minus and plus those in the location.
                curvature = parts.hessian()[0, 0]
                z = np.where(curvature > 0, z + parts.gradient[0] / np.where(curvature > 0, curvature, 1), z)
            value = _Components(z, eta).nll
            best, least = np.where(value < least, z, best), np.fmin(value, least)
        return y - np.exp(eta[1]) * best

    def distribution(self, eta: Array) -> Any:
        shapes = _shapes(eta)
        kwds = {
            f"{name}_{k + 1}": values[k]
            for k in range(1, self.n_components)
            for name, values in zip(("weight", "mean", "ratio"), (np.exp(shapes[0]), *shapes[1:]), strict=True)
        }
        generator = mixture_distribution(self.n_components)
        return frozen(self, eta, generator, **kwds, loc=eta[0], scale=np.exp(eta[1]))

    def tail(self, y: Array, eta: Array, *, upper: bool) -> Array:
        return _tail(standardize(y, eta)[0], eta, upper=upper)

    def tail_quantile(self, level: Array, eta: Array, *, upper: bool) -> Array:
        _, means, ratios = _shapes(eta)
        each = means + ratios * (-ndtri(level) if upper else ndtri(level))
        # Between the quantiles of the components: halved, by the float that is nearest.
        low, high = each.min(axis=0), each.max(axis=0)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            if ((middle <= low) | (middle >= high)).all():
                break
            left = (_tail(middle, eta, upper=upper) > level) == upper
            low, high = np.where(left, middle, low), np.where(left, high, middle)
        return eta[0] + np.exp(eta[1]) * high

    def crps(self, y: Array, eta: Array) -> Array:
        """Return the continuous ranked probability score of y, shape (n,)."""
        log_weights, means, ratios = _shapes(eta)
        weights, z = np.exp(log_weights), standardize(y, eta)[0]
        score = (weights * _mean_size(z - means, ratios)).sum(axis=0)
        for weight, mean, ratio in zip(weights, means, ratios, strict=True):
            score -= 0.5 * weight * (weights * _mean_size(mean - means, np.hypot(ratio, ratios))).sum(axis=0)
        return np.exp(eta[1]) * score

    def mean(self, eta: Array) -> Array:
        log_weights, means, _ = _shapes(eta)
        return eta[0] + np.exp(eta[1]) * (np.exp(log_weights) * means).sum(axis=0)

    def standard_deviation(self, eta: Array) -> Array:
        log_weights, means, ratios = _shapes(eta)
        weights = np.exp(log_weights)
        centred = means - (weights * means).sum(axis=0)
        return np.exp(eta[1]) * np.sqrt((weights * (np.square(ratios) + np.square(centred))).sum(axis=0))


def _shapes(eta: Array) -> tuple[Array, Array, Array]:
    """Return the logarithms of the weights, the means and the scales of all components, each (K, n)."""
    odds, means, spreads = eta[2::3], eta[3::3], eta[4::3]
    ratios = np.exp(_LOG_RATIO * np.tanh(np.clip(spreads, -_MOST_SPREAD, _MOST_SPREAD)))
    # What each component leaves to those before it.
    left = np.cumsum(log_expit(-odds)[::-1], axis=0)[::-1]
    own = log_expit(odds)
    own[:-1] += left[1:]
    ones, means = np.ones_like(eta[:1]), np.sinh(np.clip(means, -_MOST_MEAN, _MOST_MEAN))
    return np.concatenate([left[:1], own]), np.concatenate([0 * ones, means]), np.concatenate([ones, ratios])


class _Components:
    """The components' parts in the density of z at scale one, and the derivatives of its NLL in all predictors."""

    def __init__(self, z: Array, eta: Array) -> None:
        self._z, self._eta = z, eta
        self._log_weights, self._means, self._ratios = _shapes(eta)
        self._u = (z - self._means) / self._ratios
        parts = self._log_weights - np.log(self._ratios) - 0.5 * np.square(self._u) - HALF_LOG_TWO_PI
        self.nll = -np.logaddexp.reduce(parts, axis=0)
        self._share = np.exp(parts + self.nll)

    def shifted(self) -> Array:
        """Return the z that the mean shift goes to."""
        precision = self._share / np.square(self._ratios)
        return (precision * self._means).sum(axis=0) / precision.sum(axis=0)

    def _slopes(self) -> Array:
        """Return the slopes of each component's logarithm, (K, q, n)."""
        z, u, ratios, eta = self._z, self._u, self._ratios, self._eta
        slopes = np.zeros((len(u), len(eta), *z.shape), dtype=u.dtype)
        slopes[:, 0] = u / ratios
        slopes[:, 1] = u * z / ratios - 1
        for k in range(1, len(u)):
            j = 3 * k - 1
            slopes[:k, j] = -np.exp(log_expit(eta[j]))
            slopes[k, j] = np.exp(log_expit(-eta[j]))
            slopes[k, j + 1] = u[k] / ratios[k] * _mean_slopes(eta[j + 1])[0]
            slopes[k, j + 2] = (np.square(u[k]) - 1) * _spread_slopes(eta[j + 2])[0]
        return slopes

    @property
    def gradient(self) -> Array:
        """The gradient of the NLL, (q, n)."""
        gradient = -(self._share[:, None] * self._slopes()).sum(axis=0)
        gradient[1] = -(self._share * (self._u * self._z / self._ratios)).sum(axis=0) + 1
        return gradient

    def hessian(self) -> Array:
        """Return the Hessian of the NLL, (q, q, n)."""
        z, u, ratios, eta = self._z, self._u, self._ratios, self._eta
        slopes = self._slopes()
        centred = slopes - (self._share[:, None] * slopes).sum(axis=0)
        hessian = -np.einsum("kn,kin,kjn->ijn", self._share, centred, centred)
        share = self._share
        hessian[0, 0] += (share / np.square(ratios)).sum(axis=0)
        hessian[0, 1] += (share * (z / ratios + u) / ratios).sum(axis=0)
        hessian[1, 1] += (share * z * (z / ratios + u) / ratios).sum(axis=0)
        for k in range(1, len(u)):
            j = 3 * k - 1
            hessian[j, j] += share[: k + 1].sum(axis=0) * np.exp(log_expit(eta[j]) + log_expit(-eta[j]))
            slope, curvature = _spread_slopes(eta[j + 2])
            mean_slope, mean_curvature = _mean_slopes(eta[j + 1])
            of_mean, of_spread = share[k] / np.square(ratios[k]), 2 * share[k] * u[k] / ratios[k] * slope
            hessian[0, j + 1] += of_mean * mean_slope
            hessian[1, j + 1] += z * of_mean * mean_slope
            hessian[j + 1, j + 1] += of_mean * np.square(mean_slope) - share[k] * u[k] / ratios[k] * mean_curvature
            hessian[0, j + 2] += of_spread
            hessian[1, j + 2] += z * of_spread
            hessian[j + 1, j + 2] += of_spread * mean_slope
            hessian[j + 2, j + 2] += share[k] * (2 * np.square(u[k] * slope) - (np.square(u[k]) - 1) * curvature)
        for i in range(1, len(eta)):
            hessian[i, :i] = hessian[:i, i]
        return hessian


def _mean_slopes(mean: Array) -> tuple[Array, Array]:
    """Return the first and second derivative of a component's mean in its predictor."""
    inside = np.abs(mean) < _MOST_MEAN
    return np.where(inside, np.cosh(mean), 0), np.where(inside, np.sinh(mean), 0)


def _spread_slopes(spread: Array) -> tuple[Array, Array]:
    """Return the first and second derivative of the logarithm of a ratio in its predictor."""
    bounded = np.clip(spread, -_MOST_SPREAD, _MOST_SPREAD)
    slope = np.where(np.abs(spread) < _MOST_SPREAD, _LOG_RATIO / np.square(np.cosh(bounded)), 0)
    return slope, -2 * np.tanh(bounded) * slope


def _tail(z: Array, eta: Array, *, upper: bool) -> Array:
    log_weights, means, ratios = _shapes(eta)
    u = (z - means) / ratios
    return (np.exp(log_weights) * ndtr(-u if upper else u)).sum(axis=0)


def _mean_size(mean: Array, scale: Array) -> Array:
    """Return E|X| of a Gaussian."""
    u = mean / scale
    return scale * (2 * np.exp(-0.5 * np.square(u) - HALF_LOG_TWO_PI) + u * (ndtr(u) - ndtr(-u)))


def _unit_information(shapes: Array) -> Array:
    """Return the expected information (q, q, n) at scale one: the variance of the gradient, over panels."""
    shapes = shapes.astype(np.float64)
    eta = np.concatenate([np.zeros((2, shapes.shape[1])), shapes])
    _, means, ratios = _shapes(eta)
    ends = np.sort((means + _PANELS[:, None, None] * ratios).reshape(-1, shapes.shape[1]), axis=0)
    half = 0.5 * np.diff(ends, axis=0)
    z = ends[:-1, None] + half[:, None] * (1 + _NODES[:, None])
    mass = (half[:, None] * _MASSES[:, None]).reshape(-1, shapes.shape[1])
    nodes = len(mass)
    parts = _Components(z.ravel(), np.tile(eta, nodes))
    gradient = parts.gradient.reshape(len(eta), nodes, -1)
    weighted = gradient * mass * np.exp(-parts.nll).reshape(nodes, -1)
    return np.einsum("imn,jmn->ijn", weighted, gradient)


class _MixtureDistribution(stats.rv_continuous):
    """A mixture of Gaussians for ``scipy.stats``: of further components the weight, the mean and the scale."""

    def _argcheck(self, *shapes: Array) -> Any:
        return np.all([(w >= 0) & (w <= 1) & (r > 0) for w, r in zip(shapes[::3], shapes[2::3], strict=True)], axis=0)

    def _pdf(self, x: Array, *shapes: Array) -> Array:
        return sum(w * stats.norm.pdf(x, m, r) for w, m, r in _parts(shapes))

    def _cdf(self, x: Array, *shapes: Array) -> Array:
        return sum(w * stats.norm.cdf(x, m, r) for w, m, r in _parts(shapes))

    def _sf(self, x: Array, *shapes: Array) -> Array:
        return sum(w * stats.norm.sf(x, m, r) for w, m, r in _parts(shapes))

    def _rvs(self, *shapes: Array, size: Any = None, random_state: Any = None) -> Array:
        level, normal = random_state.uniform(size=size), random_state.standard_normal(size)
        draws, reached = normal, 0.0
        for weight, mean, ratio in _parts(shapes)[1:]:
            draws = np.where((level >= reached) & (level < reached + weight), mean + ratio * normal, draws)
            reached = reached + weight
        return draws


def _parts(shapes: tuple[Array, ...]) -> list[tuple[Any, Any, Any]]:
    further = list(zip(shapes[::3], shapes[1::3], shapes[2::3], strict=True))
    return [(1 - sum(weight for weight, _, _ in further), 0.0, 1.0), *further]


@lru_cache
def mixture_distribution(n_components: int) -> _MixtureDistribution:
    """Return the family of mixtures of so many Gaussians."""
    names = (f"{name}_{k}" for k in range(2, n_components + 1) for name in ("weight", "mean", "ratio"))
    return _MixtureDistribution(name="gaussian_mixture", shapes=", ".join(names))
