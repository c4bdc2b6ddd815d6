"""Half the squared error: the Gaussian NLL at a known unit scale, without its constant."""

import numpy as np

from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle.likelihoods._base import Array, Likelihood

__all__ = ["LeastSquares"]


class LeastSquares(Likelihood):
    r"""The location part of the Gaussian NLL: :math:`\tfrac12 (y - \eta)^2`.

    For a constant scale the Gaussian's location does not depend on the scale, so the fit solves this first; the scale
    follows in closed form.
    """

    parameter_names = ("location",)
    quadratic = True

    def nll(self, y: Array, eta: Array) -> Array:
        return 0.5 * np.square(eta[0] - y)

    def gradient(self, y: Array, eta: Array) -> Array:
        return eta - y

    def exact_gradient(self, y: Array, eta: DoubleDouble) -> DoubleDouble:
        return eta - y

    def hessian(self, y: Array, eta: Array) -> Array:
        return self.expected_information(eta)

    def expected_information(self, eta: Array) -> Array:
        # One number for all rows, in no memory of its own: cross-products then need no weighted copy of X.
        return np.broadcast_to(np.ones((), dtype=eta.dtype), (1, *eta.shape))

    def total_and_gradient(self, y: Array, eta: Array, weight: Array | None) -> tuple[float, Array]:
        residual = eta - y
        if weight is None:
            return 0.5 * float(residual[0] @ residual[0]), residual
        gradient = residual * weight
        return 0.5 * float(gradient[0] @ residual[0]), gradient
