"""The expected information of the negative binomial's log dispersion: an integral, since no closed form exists."""

import numpy as np
from scipy.interpolate import make_interp_spline

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._special import stirling_remainder

__all__ = ["dispersion_information"]

# The trapezoidal rule in log t, over all that exp(-t) and t^2 leave.
_NODES = np.arange(-34.0, 3.8, 0.2)
# Beyond these the limits are exact to rounding.
_MOST = 60.0
_SPACING = 0.05


def dispersion_information(log_mean: Array, log_dispersion: Array) -> Array:
    r"""Return the expected information of log a, shape (n,).

    With m = a mu, eps = 1 - exp(-a t) and P = (1 + m eps)^(-1/a),

    .. math:: I = \frac1a \int_0^\infty e^{-t} \left[ \left(\frac{a t}{\varepsilon} - 1\right) (1 - P)
        - \frac{m \varepsilon P}{1 + m \varepsilon} \right] dt

    from the integral representations of the trigamma function and of mu / (1 + a mu), with what cancels between them
    taken out. A constant dispersion is interpolated in log mu where that is cheaper.

    References
    ----------
    Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 6.4.1 (the trigamma function as an integral).
    """
    shape = log_mean.shape
    log_mean, log_dispersion = np.broadcast_arrays(log_mean.astype(np.float64), log_dispersion.astype(np.float64))
    log_mean = np.clip(log_mean, -_MOST - np.maximum(log_dispersion, 0), _MOST + np.maximum(-log_dispersion, 0))
    low, high = float(log_mean.min(initial=0.0)), float(log_mean.max(initial=0.0))
    count = max(int((high - low) / _SPACING), 8)
    if log_mean.size <= count or np.ptp(log_dispersion) > 0:
        return _integral(log_mean, log_dispersion).reshape(shape)
    grid = np.linspace(low, high, count)
    values = _integral(grid, np.full(count, log_dispersion.flat[0]))
    # Both ends are powers of the mean: their logarithm is nearly straight.
    positive = np.log(np.maximum(values, 1e-300))
    return np.exp(make_interp_spline(grid, positive, k=5)(log_mean))
