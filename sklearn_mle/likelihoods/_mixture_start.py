"""Where a mixture of Gaussians starts: the EM algorithm from several quantiles, its ratios of scales bounded."""

import numpy as np

from sklearn_mle._numerics.quantiles import weighted_quantile
from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._special import HALF_LOG_TWO_PI
from sklearn_mle.likelihoods._start import MAD_TO_DEVIATION, median_and_spread

_MOST_ROWS, _STEPS = 2000, 30
# Where components beside the bulk are looked for: their centres as levels of quantiles, and their scales to the bulk's.
_CENTRES = ((0.5, 3.0), (0.5, 0.3), (0.15, 1.0), (0.85, 1.0), (0.05, 1.0), (0.95, 1.0))
_LEAST_SHARE, _LEAST_SCALE = 1e-3, 0.02
# Of the scales to the heaviest component's: few rows always seem to have a cluster that is narrow.
_LEAST_RATIO, _MOST_RATIO = 0.25, 8.0


def mixture_start(y: Array, weight: Array | None, n_components: int) -> tuple[Array, Array, Array]:
    """Return weights, means and scales of the components (K,), the heaviest first: the best that EM leads to.

    References
    ----------
    Hathaway (1986), A constrained EM algorithm for univariate normal mixtures, J. Statistical Computation 23.
    """
    rows = slice(None, None, 1 + len(y) // _MOST_ROWS)
    if weight is not None and weight[rows].any():
        weight, y = weight[rows], y[rows]
    elif weight is None:
        y = y[rows]
    share = np.ones(len(y)) if weight is None else weight
    share = share / share.sum()
    median, spread = median_and_spread(y, weight)
    z = (y - median) / (MAD_TO_DEVIATION * spread)
    places = [weighted_quantile(z, weight, level) for level, _ in _CENTRES]
    weights = np.full((len(_CENTRES), n_components), 1.0)
    means, scales = np.zeros_like(weights), np.ones_like(weights)
    weights[:, 1:] = 0.25
    weights /= weights.sum(axis=1, keepdims=True)
    for k in range(1, n_components):
        # Of more than two components, the others are the next in the list.
        means[:, k], scales[:, k] = np.roll(places, 1 - k), np.roll([scale for _, scale in _CENTRES], 1 - k)
    for _ in range(_STEPS):
        density = _log_parts(z, weights, means, scales)
        mass = np.exp(density - np.logaddexp.reduce(density, axis=1, keepdims=True)) * share
        weights = np.maximum(mass.sum(axis=2), _LEAST_SHARE)
        means = (mass @ z) / weights
        square = np.einsum("skn,skn->sk", mass, np.square(z - means[:, :, None])) / weights
        scales = np.sqrt(np.maximum(square, _LEAST_SCALE**2))
        weights = weights / weights.sum(axis=1, keepdims=True)
        heaviest = np.take_along_axis(scales, weights.argmax(axis=1)[:, None], axis=1)
        scales = np.clip(scales, heaviest * _LEAST_RATIO, heaviest * _MOST_RATIO)
    density = _log_parts(z, weights, means, scales)
    best = int(np.argmin(-np.logaddexp.reduce(density, axis=1) @ share))
    order = np.argsort(-weights[best], kind="stable")
    unit = MAD_TO_DEVIATION * spread
    return weights[best][order], median + unit * means[best][order], unit * scales[best][order]


def _log_parts(z: Array, weights: Array, means: Array, scales: Array) -> Array:
    """Return the logarithms of the parts (starts, K, n) that the components have in the density."""
    u = (z - means[:, :, None]) / scales[:, :, None]
    return np.log(weights / scales)[:, :, None] - 0.5 * np.square(u) - HALF_LOG_TWO_PI
