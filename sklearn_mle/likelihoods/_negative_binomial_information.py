"""The expected information of the negative binomial's log dispersion: an integral, since no closed form exists."""

import numpy as np
from scipy.interpolate import RectBivariateSpline, make_interp_spline
from scipy.special import expit

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._special import softplus

__all__ = ["dispersion_information"]

# The trapezoidal rule in log t, over all that t and exp(-t) leave.
_NODES = np.arange(-34.0, 3.9, 0.25)
# Of log a, and of log(a mu): outside, the limits are exact to seven digits or more.
_LEAST, _MOST, _LEAST_PRODUCT = -20.0, 60.0, -16.5
_SPACING = 0.1
# The information's logarithm has slopes of order one: over so short a range it is a constant to more than seven digits.
_NO_RANGE = 1e-9
_DEGREE = 5


@np.errstate(over="ignore", under="ignore")
def dispersion_information(log_mean: Array, log_dispersion: Array) -> Array:
    """Return the expected information of log a, shape (n,), to seven digits or more (where it is above 1e-30).

    Many rows are interpolated from a grid of the two predictors.
    """
    dtype = log_mean.dtype
    log_mean, log_dispersion = log_mean.astype(np.float64), log_dispersion.astype(np.float64)
    product = log_mean + log_dispersion
    information = 0.5 * np.square(expit(product)) / (1 + np.exp(log_dispersion))
    large = log_dispersion > _MOST
    information[large] = (softplus(product[large]) - expit(product[large])) * np.exp(-log_dispersion[large])
    inside = np.flatnonzero(~large & (log_dispersion > _LEAST) & (product > _LEAST_PRODUCT))
    if len(inside):
        information[inside] = _interpolated(log_mean[inside], log_dispersion[inside])
    return information.astype(dtype)


def _interpolated(log_mean: Array, log_dispersion: Array) -> Array:
    grids = [_grid(log_mean), _grid(log_dispersion)]
    if len(grids[0]) * len(grids[1]) >= len(log_mean):
        return _integral(log_mean, log_dispersion)
    # The logarithm, which is nearly straight towards the ends.
    mesh = np.meshgrid(*grids, indexing="ij")
    values = np.log(_integral(mesh[0].ravel(), mesh[1].ravel())).reshape(mesh[0].shape)
    if values.size == 1:
        return np.full_like(log_mean, np.exp(values[0, 0]))
    if len(grids[1]) == 1:
        return np.exp(make_interp_spline(grids[0], values[:, 0], k=_DEGREE)(log_mean))
    if len(grids[0]) == 1:
        return np.exp(make_interp_spline(grids[1], values[0], k=_DEGREE)(log_dispersion))
    return np.exp(RectBivariateSpline(*grids, values, kx=_DEGREE, ky=_DEGREE).ev(log_mean, log_dispersion))


def _grid(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    if high - low <= _NO_RANGE:
        return values[:1]
    return np.linspace(low, high, max(int((high - low) / _SPACING), _DEGREE) + 2)


def _integral(log_mean: Array, log_dispersion: Array) -> Array:
    r"""Return the integral.

    With x = a t, eps = 1 - exp(-x), m = a mu and P = (1 + m eps)^(-1/a),

    .. math:: I = \frac1a \int_0^\infty e^{-t} \left[ \left(\frac{x}{\varepsilon} - 1\right) (1 - P)
        - \frac{m \varepsilon P}{1 + m \varepsilon} \right] dt

    from E[trigamma(1/a) - trigamma(1/a + y)], the trigamma function as an integral (Abramowitz and Stegun 1964, 6.4.1)
    and the generating function of y, with mu / (1 + a mu) subtracted under the integral.
    """
    dispersion = np.exp(log_dispersion)
    product = log_mean + log_dispersion
    total = np.zeros_like(log_mean)
    for node in _NODES:
        t = np.exp(node)
        x = t * dispersion
        eps = -np.expm1(-x)
        log_product = product + np.log(eps)
        exponent = -softplus(log_product) / dispersion
        square = x * x
        series = 0.5 + x / 12 - x * square * (1 / 720 - square * (1 / 30240 - square / 1209600))
        bracket = -t * np.where(x < 0.1, series, 1 / eps - 1 / x) * np.expm1(exponent)
        bracket -= np.exp(exponent) * expit(log_product) / dispersion
        total += np.exp(node - t) * bracket
    return np.maximum(total * (_NODES[1] - _NODES[0]), 1e-300)
