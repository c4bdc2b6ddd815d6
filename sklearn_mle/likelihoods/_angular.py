r"""A predictor in [0, 1] written as the squared sine of an angle, so that its bounds need no care of a solver's."""

import numpy as np

from sklearn_mle.likelihoods._base import Array, Likelihood

__all__ = ["Angular", "angle_of", "share_of"]


class Angular(Likelihood):
    r"""A likelihood whose last predictor d, in [0, 1], is :math:`d = \sin^2(\phi / 2)` of a free :math:`\phi`.

    An optimum at a bound is an ordinary one here: where d = 0 is best with slope :math:`\partial F / \partial d > 0`,
    the curvature in :math:`\phi` is half that slope, positive. (A line search kept inside the bounds jams beside them;
    an active set would need a solver that knows of it.) An angle of zero, though, is always stationary: never start
    there.

    Parameters
    ----------
    likelihood : Likelihood
    """

    convex = False

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return self.likelihood.parameter_names

    @property
    def links(self) -> tuple[str, ...]:
        return self.likelihood.links

    def nll(self, y: Array, eta: Array) -> Array:
        return self.likelihood.nll(y, _inner(eta))

    def gradient(self, y: Array, eta: Array) -> Array:
        return self.nll_and_gradient(y, eta)[1]

    def nll_and_gradient(self, y: Array, eta: Array) -> tuple[Array, Array]:
        nll, gradient = self.likelihood.nll_and_gradient(y, _inner(eta))
        gradient[-1] *= 0.5 * np.sin(eta[-1])
        return nll, gradient

    def hessian(self, y: Array, eta: Array) -> Array:
        inner = _inner(eta)
        hessian = self._chained(self.likelihood.hessian(y, inner), eta)
        hessian[-1, -1] += self.likelihood.gradient(y, inner)[-1] * 0.5 * np.cos(eta[-1])
        return hessian

    def expected_information(self, eta: Array) -> Array:
        return self._chained(self.likelihood.expected_information(_inner(eta)), eta)

    def _chained(self, matrix: Array, eta: Array) -> Array:
        slope = 0.5 * np.sin(eta[-1])
        matrix[-1] *= slope
        matrix[:, -1] *= slope
        return matrix


def share_of(angle: Array) -> Array:
    """Return d of the angle."""
    return np.square(np.sin(0.5 * angle))


def angle_of(share: float) -> float:
    """Return the angle of d, from zero to pi."""
    return 2 * float(np.arcsin(np.sqrt(share)))


def _inner(eta: Array) -> Array:
    return np.concatenate([eta[:-1], share_of(eta[-1:])])
