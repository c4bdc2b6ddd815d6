"""Categorical: one of K classes, log-probabilities eta up to a constant. Its NLL is the categorical cross-entropy."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.likelihoods._base import Array
from sklearn_mle.likelihoods._families import Canonical


class Categorical(Canonical):
    r"""Categorical likelihood with the softmax link; its negative logarithm is the categorical cross-entropy.

    .. math:: -\log p(y \mid \eta) = \log\sum_k e^{\eta_k} - \sum_k y_k \eta_k

    ``y`` is either the (n,) integer codes of the classes or the (K, n) class probabilities (soft labels, columns that
    sum to one). Nats. ``eta`` has shape (K, n); adding a constant to a column changes nothing.

    Parameters
    ----------
    n_classes : int
        Number of classes K >= 2.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, equation 4.108.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import Categorical
    >>> Categorical(3).nll(np.array([2]), np.zeros((3, 1))).round(6)
    array([1.098612])
    """

    jeffreys = True
    shift_invariant = True
    may_diverge = True
    holds_class_codes = True
    discrete = True

    def __init__(self, n_classes: int = 2) -> None:
        self.n_classes = n_classes

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"class {k}" for k in range(self.n_classes))

    @property
    def n_predictors(self) -> int:
        return self.n_classes

    def nll(self, y: Array, eta: Array) -> Array:
        # Shifted by the outcome's own predictor (or its mean under a soft label), the NLL of a row is log-sum-exp of
        # differences: small losses keep their digits, which log Z - eta_y would cancel.
        if y.ndim == 1:
            others = eta - eta[y, np.arange(eta.shape[1])]
            top = others.max(axis=0)
            rest = np.exp(others - top)
            # The largest term is exactly one: log1p of the others.
            rest[others.argmax(axis=0), np.arange(eta.shape[1])] = 0
            return top + np.log1p(rest.sum(axis=0))
        top = eta.max(axis=0)
        shifted = eta - top
        return np.log(np.exp(shifted).sum(axis=0)) * y.sum(axis=0) - np.einsum("kn,kn->n", y, shifted)

    def gradient(self, y: Array, eta: Array) -> Array:
        return _subtract_target(_softmax(eta), y)

    def expected_information(self, eta: Array) -> Array:
        probability = _softmax(eta)
        information = -probability[:, None] * probability
        diagonal = np.arange(len(eta))
        # p_k (1 - p_k) with 1 - p_k summed from the other classes, not cancelled: sum_j (-p_k p_j) over j != k.
        information[diagonal, diagonal] = 0
        information[diagonal, diagonal] = -information.sum(axis=1)
        return information

    def information_diagonal(self, eta: Array) -> Array:
        probability = _softmax(eta)
        return probability * (1 - probability)

    def total_information(self, eta: Array, weight: Array | None) -> Array:
        probability = _softmax(eta)
        weighted = probability if weight is None else probability * weight
        return np.diag(weighted.sum(axis=1)) - weighted @ probability.T

    def information_slope(self, eta: Array, metric: Array) -> Array:
        """Return the gradient in eta of the rowwise trace(metric @ information), shape (K, n).

        In class k it is p_k [(e_k - p)' M (e_k - p) - trace(M W)], the covariance of an outcome's squared deviation in
        the metric with the outcome.
        """
        probability = _softmax(eta)
        return probability * _excess(probability, metric)

    def information_slope_change(self, eta: Array, metric: Array, change: Array) -> Array:
        """Return the derivative of ``information_slope`` along a change of eta, shape (K, n)."""
        probability = _softmax(eta)
        moved = probability * (change - np.einsum("kn,kn->n", probability, change))
        excess = -2 * np.einsum("jkn,kn->jn", metric, moved)
        excess -= np.einsum("kn,kkn->n", moved, metric) + 2 * np.einsum("kn,kn->n", probability, excess)
        return moved * _excess(probability, metric) + probability * excess

    def information_change(self, eta: Array, change: Array) -> Array:
        """Return the derivative of the information along a change of eta, shape (K, K, n)."""
        probability = _softmax(eta)
        moved = probability * (change - np.einsum("kn,kn->n", probability, change))
        product = moved[:, None] * probability
        out = -(product + product.transpose(1, 0, 2))
        diagonal = np.arange(len(moved))
        out[diagonal, diagonal] += moved
        return out

    def hessian_operator(self, y: Array, eta: Array, weight: Array | None) -> Callable[[Array], Array]:
        # K numbers per row instead of K^2: with a thousand classes the Hessians of the rows would not fit in memory.
        probability = _softmax(eta)
        weighted = probability if weight is None else probability * weight.astype(eta.dtype, copy=False)
        return lambda change: weighted * (change - np.einsum("kn,kn->n", probability, change))

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        if eta.dtype != np.float64:
            return super().nll_and_gradient(y, eta)
        # One exponential per class and row; small losses are exact to an absolute eps, which is enough for totals.
        probability = eta - eta.max(axis=0)
        if y.ndim == 1:
            chosen, mass = probability[y, np.arange(eta.shape[1])], 1.0
        else:
            chosen, mass = np.einsum("kn,kn->n", y, probability), y.sum(axis=0)
        np.exp(probability, out=probability)
        normalizer = probability.sum(axis=0)
        probability /= normalizer
        return np.log(normalizer) * mass - chosen, _subtract_target(probability, y)


def _softmax(eta: Array) -> Array:
    probability = np.exp(eta - eta.max(axis=0))
    probability /= probability.sum(axis=0)
    return probability


def _excess(probability: Array, metric: Array) -> Array:
    """Return by how much each class's squared deviation from the mean, in the metric, exceeds the expected one."""
    product = np.einsum("jkn,kn->jn", metric, probability)
    own = np.einsum("kkn->kn", metric)
    shared = 2 * np.einsum("kn,kn->n", probability, product) - np.einsum("kn,kn->n", probability, own)
    return own - 2 * product + shared


def _subtract_target(probability: Array, y: NDArray[Any]) -> Array:
    if y.ndim == 1:
        probability[y, np.arange(probability.shape[1])] -= 1
    else:
        probability -= y
    return probability
