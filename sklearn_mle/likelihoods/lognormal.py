"""Lognormal: log y is Gaussian with mean eta_0 and log standard deviation eta_1."""

from typing import Any

import numpy as np
from scipy import stats

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import LogLocationScale
from sklearn_mle.likelihoods._frozen import frozen
from sklearn_mle.likelihoods.gaussian import Gaussian


class LogNormal(LogLocationScale):
    r"""Lognormal likelihood; at a fixed scale its negative logarithm is the squared error of log y, up to terms in y.

    .. math:: -\log p(y \mid m, \log s) = \log y + \tfrac12 \log 2\pi + \log s + \frac{(\log y - m)^2}{2 s^2}
        ,\qquad y > 0

    The first term is the Jacobian of the logarithm: with it the NLL is that of y itself, comparable with gamma's or
    Weibull's. Nats. ``eta`` has shape (2, n): mean and logarithm of the standard deviation of log y. The median of y is
    :math:`e^m`, its mean :math:`e^{m + s^2/2}`.

    References
    ----------
    Johnson, Kotz and Balakrishnan (1994), Continuous Univariate Distributions 1, chapter 14.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import LogNormal
    >>> LogNormal().nll(np.array([1.0, np.e]), np.zeros((2, 2))).round(6)
    array([0.918939, 2.418939])
    """

    parameter_names = ("location", "scale")
    links = ("identity", "log")
    dispersion_parameter = "scale"
    location_free_of_dispersion = True
    of_logarithm = _of_log = Gaussian()

    def distribution(self, eta: Array) -> Any:
        return frozen(self, eta, stats.lognorm, s=np.exp(eta[1]), scale=np.exp(eta[0]))

    def mean(self, eta: Array) -> Array:
        return np.exp(eta[0] + 0.5 * np.exp(2 * eta[1]))

    def standard_deviation(self, eta: Array) -> Array:
        return self.mean(eta) * np.sqrt(np.expm1(np.exp(2 * eta[1])))
