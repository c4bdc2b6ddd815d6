"""Bernoulli: y in {0, 1} (or a probability in [0, 1]) with log-odds eta. Its NLL is the binary cross-entropy."""

import math

import numpy as np
from scipy.special import entr

from sklearn_mle.likelihoods._base import MANY_ROWS, Array
from sklearn_mle.likelihoods._families import Canonical

# One logarithm per row costs as much as the rest of the pass. The logarithm of a product of a few 1 + exp(eta) loses
# nothing, but the product overflows where their logits add up to hundreds: the rows are then summed one by one.
_CHUNK = 32


class Bernoulli(Canonical):
    r"""Bernoulli likelihood with the logit link; its negative logarithm is the binary cross-entropy (log loss).

    .. math:: -\log p(y \mid \eta) = \log(1 + e^{\eta}) - y\,\eta ,\qquad p(y = 1) = 1 / (1 + e^{-\eta})

    ``y`` may be any number in [0, 1]: the cross-entropy of the soft label (y, 1 - y). Nats. ``eta`` has shape (1, n).

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Bernoulli
    >>> Bernoulli().nll(np.array([1.0, 0.0]), np.array([[0.0, -800.0]])).round(6)
    array([0.693147, 0.      ])
    """

    parameter_names = ("probability",)
    links = ("logit",)
    exponential_dispersion = True
    jeffreys = True
    may_diverge = True
    holds_class_codes = True
    discrete = True

    def opposes(self, y: Array) -> tuple[Array, Array]:
        return y > 0, y < 1

    def nll(self, y: Array, eta: Array) -> Array:
        # Written from the side of the smaller loss, so that a confident and right prediction keeps its digits.
        logit = eta[0]
        tail = np.log1p(np.exp(-np.abs(logit)))
        return np.where(logit > 0, (1 - y) * logit, -y * logit) + tail

    def gradient(self, y: Array, eta: Array) -> Array:
        # Beyond the range of exp the probability is zero.
        return 1 / (1 + np.exp(-eta)) - y

    def expected_information(self, eta: Array) -> Array:
        small = np.exp(-np.abs(eta))
        small /= np.square(1 + small)  # p (1 - p) without the cancellation of 1 - p
        return small[None]

    def squared_pearson_residual(self, y: Array, eta: Array) -> Array:
        # (y - p)^2 / (p (1 - p)) without the cancellation of 1 - p.
        root_odds = np.exp(0.5 * eta[0])
        return np.square((1 - y) * root_odds - y / root_odds)

    def deviance(self, y: Array, eta: Array) -> Array:
        return np.maximum(2 * (self.nll(y, eta) - entr(y) - entr(1 - y)), 0)

    def information_slope(self, eta: Array, metric: Array) -> Array:
        """Return the gradient in eta of the rowwise trace(metric @ information), shape (1, n)."""
        information = self.expected_information(eta)[0]
        information *= metric[0]
        information *= np.tanh(-0.5 * eta)  # 1 - 2p
        return information

    def information_slope_change(self, eta: Array, metric: Array, change: Array) -> Array:
        """Return the derivative of ``information_slope`` along a change of eta, shape (1, n)."""
        information = self.expected_information(eta)[0]
        return information * (1 - 6 * information) * metric[0] * change

    def information_change(self, eta: Array, change: Array) -> Array:
        """Return the derivative of the information along a change of eta, shape (1, 1, n)."""
        return self.information_slope(eta, change[None])[None]

    def total_and_gradient(self, y: Array, eta: Array, weight: Array | None) -> tuple[float, Array]:
        logit = eta[0]
        if len(y) < MANY_ROWS or eta.dtype != np.float64:
            return _exact_total_and_gradient(y, logit, weight)[:2]
        # Few sweeps: between any two of them threads may wait for the interpreter's lock. numpy's exp is vectorized,
        # scipy's expit is not: 13 microseconds against 71 for 13,000 rows with AVX-512.
        probability = np.exp(logit)
        one = probability + 1.0
        # log(1 + exp(eta)) - y eta, to an absolute eps of eta: that of the total, for many rows.
        total = _sum_of_logarithms(one) if weight is None else float(weight @ np.log(one))
        total -= float(np.dot(y if weight is None else y * weight, logit))
        if not math.isfinite(total):
            return _exact_total_and_gradient(y, logit, weight)[:2]
        probability /= one
        probability -= y
        if weight is not None:
            probability *= weight
        return total, probability[None]

    def total_gradient_and_hessian(self, y: Array, eta: Array, weight: Array | None) -> tuple[float, Array, Array]:
        if len(y) >= MANY_ROWS or eta.dtype != np.float64:
            return super().total_gradient_and_hessian(y, eta, weight)
        total, gradient, information, one = _exact_total_and_gradient(y, eta[0], weight)
        information /= np.square(one, out=one)  # the bits of ``hessian``: passes with and without it are to agree
        return total, gradient, information[None, None]


def _sum_of_logarithms(values: Array) -> float:
    """Return the sum of the logarithms of values from one on; infinity where a product overflows."""
    whole = len(values) // _CHUNK * _CHUNK
    # Chunks run down the rows of a reshaped view, so the product is a vectorized multiply of long rows.
    products = np.multiply.reduce(values[:whole].reshape(_CHUNK, -1), axis=0)
    return float(np.log(products).sum() + np.log(values[whole:]).sum())


def _exact_total_and_gradient(y: Array, logit: Array, weight: Array | None) -> tuple[float, Array, Array, Array]:
    """Return the total to the relative accuracy of its rows, the gradient, and exp(-|eta|) with one and it added."""
    small = np.abs(logit)
    np.negative(small, out=small)
    np.exp(small, out=small)
    one = small + 1
    probability = (logit > 0).astype(logit.dtype)
    nll: Array = probability - y  # 1 - y or -y, at a third of what np.where costs
    nll *= logit
    nll += np.log1p(small)
    np.maximum(probability, small, out=probability)
    probability /= one
    probability -= y
    if weight is None:
        return float(nll.sum()), probability[None], small, one
    probability *= weight
    return float(weight @ nll), probability[None], small, one
