"""Stable special functions that scipy lacks in the form needed."""

import numpy as np
from scipy.special import gamma, gammaln, xlogy

from sklearn_mle._numerics.arrays import Array


def log_softmax(eta: Array) -> Array:
    """Return the logarithms of the softmax along the last axis, with full relative accuracy.

    ``scipy.special.log_softmax`` is accurate to an absolute eps only: the log-probability of a near-certain class,
    minus the sum of the others' probabilities, loses its digits there. Here it is ``-log1p`` of that sum.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle._numerics.special import log_softmax
    >>> log_softmax(np.array([[0.0, -50.0]]))[0, 0]
    np.float64(-1.9287498479639178e-22)
    """
    shifted = eta - eta.max(axis=-1, keepdims=True)
    others = np.exp(shifted)
    np.put_along_axis(others, shifted.argmax(axis=-1)[..., None], 0.0, axis=-1)
    shifted -= np.log1p(others.sum(axis=-1, keepdims=True))
    return shifted


def less_log1p(x: Array) -> Array:
    """Return x - log(1 + x) for x > -1, with full relative accuracy; it is x^2 / 2 near zero.

    The divergences of many families are sums of it, and cancel nothing where they are written so.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle._numerics.special import less_log1p
    >>> less_log1p(np.array([1e-9, 1.0]))
    array([5.00000000e-19, 3.06852819e-01])
    """
    near = np.abs(x) < 0.5
    # With s = x / (2 + x): log(1 + x) = 2 atanh(s) and x = 2 s + 2 s^2 / (1 - s). 17 terms for |s| <= 1/3.
    s = np.where(near, x, 0.0) / np.where(near, 2 + x, 2.0)
    square = s * s
    tail = np.zeros_like(s)
    for k in range(17, 0, -1):
        tail = (tail + 1 / (2 * k + 1)) * square
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(np.isposinf(x), np.inf, x - np.log1p(x))
    return np.where(near, 2 * square / (1 - s) - 2 * s * tail, far)


def half_step_of_gamma(x: Array) -> Array:
    r"""Return Gamma(x + 1/2) / Gamma(x) for x > 0, with full relative accuracy; it is sqrt(x) for large x.

    References
    ----------
    F. G. Tricomi and A. Erdelyi (1951), The asymptotic expansion of a ratio of gamma functions, Pacific Journal of
    Mathematics 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle._numerics.special import half_step_of_gamma
    >>> half_step_of_gamma(np.array([0.5, 1e20]))
    array([5.64189584e-01, 1.00000000e+10])
    """
    few = x < 100
    small = np.where(few, x, 1.0)
    u = 1 / np.where(few, 100.0, x)
    series = 1 + u * (-1 / 8 + u * (1 / 128 + u * (5 / 1024 + u * (-21 / 32768 + u * (-399 / 262144)))))
    return np.where(few, gamma(small + 0.5) / gamma(small), np.sqrt(x) * series)


def poisson_mass(k: Array, mean: Array) -> Array:
    r"""Return mean^k exp(-mean) / Gamma(k + 1) for k, mean >= 0, to an error of about sqrt(k) machine epsilons or less.

    scipy's cancels terms of the size of k log k.

    References
    ----------
    C. Loader (2000), Fast and accurate computation of binomial probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle._numerics.special import poisson_mass
    >>> poisson_mass(np.array([0.0, 2.0, 1e16]), np.array([3.0, 3.0, 1e16]))
    array([4.97870684e-02, 2.24041808e-01, 3.98942280e-09])
    """
    many = (k > 15) & (mean > 0)
    large = np.where(many, k, 100.0)
    u = 1 / large
    remainder = u * (1 / 12 - u**2 * (1 / 360 - u**2 * (1 / 1260 - u**2 * (1 / 1680 - u**2 * (1 / 1188 - u**2 / 520)))))
    ratio = np.where(many, (mean - large) / large, 0.0)
    with np.errstate(under="ignore"):
        loader = np.exp(-large * less_log1p(ratio) - remainder) / np.sqrt(2 * np.pi * large)
        few = np.where(many, 0.0, k)
        return np.where(many, loader, np.exp(xlogy(few, mean) - mean - gammaln(few + 1)))
