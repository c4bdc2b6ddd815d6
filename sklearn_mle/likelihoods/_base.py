"""What every likelihood offers: the rowwise negative log-likelihood and its derivatives."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

__all__ = ["Likelihood"]

Array = NDArray[Any]


class Likelihood(BaseEstimator, ABC):
    """A probability model of one outcome y given its linear predictors eta; it knows nothing of X.

    Arrays are predictors-first: ``eta`` has shape (q, n), so that ``location, log_scale = eta`` reads as the formula
    does and each predictor is contiguous. Everything is in nats, constants included. The functions compute in the
    floating-point type of ``eta`` (``np.longdouble`` too: the last digits of ill-conditioned fits need it).

    Likelihoods are scikit-learn ``BaseEstimator`` only for ``get_params``: a grid search can then set their parameters.
    """

    # True where the NLL is jointly convex in eta, so that Newton's method needs no guard against negative curvature.
    convex: ClassVar[bool] = True
    # True where the Hessian does not depend on eta: one Newton step is exact and the curvature is computed once.
    quadratic: ClassVar[bool] = False

    @property
    @abstractmethod
    def predictor_names(self) -> tuple[str, ...]:
        """One name per linear predictor."""

    @property
    def n_predictors(self) -> int:
        """Number of linear predictors, q."""
        return len(self.predictor_names)

    @abstractmethod
    def nll(self, y: Array, eta: Array) -> Array:
        """Return the rowwise negative log-likelihood in nats, shape (n,)."""

    @abstractmethod
    def gradient(self, y: Array, eta: Array) -> Array:
        """Return the rowwise gradient of the NLL with respect to eta, shape (q, n)."""

    @abstractmethod
    def hessian(self, y: Array, eta: Array) -> Array:
        """Return the rowwise Hessian of the NLL with respect to eta, shape (q, q, n)."""

    @abstractmethod
    def expected_information(self, eta: Array) -> Array:
        """Return the Hessian's expectation over y given eta, shape (q, q, n): always positive semidefinite."""

    def information_diagonal(self, eta: Array) -> Array:
        """Return the diagonal of the expected information, shape (q, n)."""
        return np.einsum("kkn->kn", self.expected_information(eta))

    def total_information(self, eta: Array, weight: Array | None) -> Array:
        """Return the weighted sum over rows of the expected information, shape (q, q)."""
        information = self.expected_information(eta)
        return information.sum(axis=-1) if weight is None else information @ weight

    def hessian_operator(self, y: Array, eta: Array, weight: Array | None) -> Callable[[Array], Array]:
        """Return the map of a change of eta (q, n) to the weighted Hessian times it."""
        hessian = self.hessian(y, eta)
        if weight is not None:
            hessian = hessian * weight
        return lambda change: np.einsum("jkn,kn->jn", hessian, change)

    def total_and_gradient(self, y: Array, eta: Array, weight: Array | None) -> tuple[float, Array]:
        """Return the weighted total NLL and the weighted rowwise gradient, shape (q, n).

        One call so that a likelihood can share the costly part of the two; this default does not.
        """
        nll, gradient = self.nll(y, eta), self.gradient(y, eta)
        if weight is None:
            return float(nll.sum()), gradient
        gradient *= weight
        return float(weight @ nll), gradient
