"""Huber: y real, Gaussian in the middle and exponential in the tails. Its NLL is Huber's loss, scaled and shifted."""

import math
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import erf, ndtr, ndtri

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import LocationScale
from sklearn_mle.likelihoods._start import MAD_TO_DEVIATION, median_and_spread

_ROOT_TWO_PI = math.sqrt(2 * math.pi)


class Huber(LocationScale):
    r"""Huber's density; at a fixed scale its negative logarithm is Huber's loss, up to a constant.

    .. math:: -\log p(y \mid \mu, \log s) = \log s + \log c_\epsilon + \rho_\epsilon\!\left(\frac{y - \mu}{s}\right)
        ,\qquad \rho_\epsilon(z) = \begin{cases} z^2/2 & |z| \le \epsilon \\ \epsilon |z| - \epsilon^2/2 & |z| >
        \epsilon \end{cases}

    with :math:`c_\epsilon = \sqrt{2\pi}\,(2\Phi(\epsilon) - 1) + (2/\epsilon)\,e^{-\epsilon^2/2}`, so that the density
    integrates to one and the scale has a maximum likelihood estimate. Nats. ``eta`` has shape (2, n): the location (the
    mean and the median) and the logarithm of the scale, which is the standard deviation of the Gaussian middle.

    Parameters
    ----------
    epsilon : float, default=1.35
        Where the tails begin, in scales; positive. As scikit-learn's ``HuberRegressor``, whose own scale estimate
        (Huber's proposal 2) is not this likelihood's.

    References
    ----------
    Huber (1964), Robust estimation of a location parameter, Annals of Mathematical Statistics 35.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Huber
    >>> Huber(epsilon=1.0).nll(np.array([0.5, 3.0]), np.zeros((2, 2))).round(6)
    array([1.198059, 3.573059])
    """

    def __init__(self, epsilon: float = 1.35) -> None:
        self.epsilon = epsilon

    def check_parameters(self) -> None:
        if not 0 < self.epsilon < math.inf:
            raise ValueError(f"epsilon must be a positive, finite number; got {self.epsilon!r}.")

    @property
    def unit_information(self) -> tuple[float, float, float]:
        _, bell, tail = map(float, _shares(self.epsilon))
        return bell, 1 + bell - 2 * self.epsilon**2 * tail, 0.0

    @property
    def standard_distribution(self) -> Any:
        return huber_distribution(self.epsilon)

    def standard_nll(self, z: Array) -> Array:
        return _standard_nll(z, self.epsilon)

    def standard_derivatives(self, z: Array) -> tuple[Array, Array]:
        return np.clip(z, -self.epsilon, self.epsilon), (np.abs(z) <= self.epsilon).astype(z.dtype)

    def start(self, y: Array, weight: Array | None) -> Array:
        median, spread = median_and_spread(y, weight)
        return np.array([median, math.log(MAD_TO_DEVIATION * spread)])


def _shares(epsilon: float | Array) -> tuple[Any, Any, Any]:
    """Return the integral of exp(-Huber's loss), and the shares of it in the middle and in one tail."""
    # erf, not 2 Phi - 1, which cancels for a small epsilon.
    middle, tail = _ROOT_TWO_PI * erf(epsilon / math.sqrt(2)), np.exp(-0.5 * np.square(epsilon)) / epsilon
    total = middle + 2 * tail
    return total, middle / total, tail / total


def _standard_nll(z: Array, epsilon: float | Array) -> Array:
    middle = np.minimum(np.abs(z), epsilon)
    return middle * (np.abs(z) - 0.5 * middle) + np.log(_shares(epsilon)[0])


class _HuberDistribution(stats.rv_continuous):
    """Huber's density for ``scipy.stats``, with the shape epsilon."""

    def _pdf(self, x: Array, epsilon: Array) -> Array:
        return np.exp(-_standard_nll(x, epsilon))

    def _cdf(self, x: Array, epsilon: Array) -> Array:
        total, _, tail = _shares(epsilon)
        side = -np.abs(x)
        outside = tail * np.exp(epsilon * (np.minimum(side, -epsilon) + epsilon))
        inside = tail + _ROOT_TWO_PI * (ndtr(np.maximum(side, -epsilon)) - ndtr(-epsilon)) / total
        lower = np.where(side < -epsilon, outside, inside)
        return np.where(x > 0, 1 - lower, lower)

    def _sf(self, x: Array, epsilon: Array) -> Array:
        return self._cdf(-x, epsilon)

    def _ppf(self, q: Array, epsilon: Array) -> Array:
        total, _, tail = _shares(epsilon)
        lower = np.minimum(q, 1 - q)
        with np.errstate(divide="ignore"):
            outside = np.log(np.minimum(lower / tail, 1)) / epsilon - epsilon
        inside = ndtri(ndtr(-epsilon) + np.maximum(lower - tail, 0) * total / _ROOT_TWO_PI)
        side = np.where(lower < tail, outside, inside)
        return np.where(q > 0.5, -side, side)

    def _isf(self, q: Array, epsilon: Array) -> Array:
        return -self._ppf(q, epsilon)

    def _stats(self, epsilon: Array) -> tuple[Array, Array, Array, None]:
        _, middle, tail = _shares(epsilon)
        zero = np.zeros_like(tail)
        return zero, middle + 4 * tail * (1 + 1 / np.square(epsilon)), zero, None


huber_distribution = _HuberDistribution(name="huber", shapes="epsilon")
