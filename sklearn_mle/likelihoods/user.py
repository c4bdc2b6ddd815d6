"""A likelihood of one's own from its NLL alone: derivatives and information are made here."""

from collections.abc import Callable

import numpy as np

from sklearn_mle.likelihoods._base import Array, Likelihood
from sklearn_mle.likelihoods._outcomes import outcome_nodes

__all__ = ["UserLikelihood"]

_COMPLEX_STEP = 1e-100
# Five-point central differences err by (step)^4 of truncation and eps / step of rounding: least near eps^(1/5).
_STENCIL = ((1, 8 / 12), (-1, -8 / 12), (2, -1 / 12), (-2, 1 / 12))
_TRIED_ROWS = 8
_TRIED_AGREEMENT = 1e-6


class UserLikelihood(Likelihood):
    r"""Base class of a likelihood of your own: give ``parameter_names``, ``links`` and ``nll``; the rest has defaults.

    .. math:: \text{nll}(y, \eta) = -\log p(y \mid \eta) \quad \text{nats, constants included, of shape } (n,)

    - ``gradient``: by the complex step where ``nll`` computes with complex ``eta`` (exact to rounding); otherwise by
      five-point central differences, in extended precision where ``nll`` computes in it (about 1e-14 relative to the
      size of the NLL on x86, 1e-12 where only double precision is at hand).
    - ``hessian``: by five-point central differences of the gradient (about 1e-12 relative), made symmetric.
    - ``expected_information``: the mean of gradient gradient' over y, by the distribution's quantiles where you give
      ``distribution``, otherwise by integrating or summing exp(-nll) over y (about 1e-6). Positive semidefinite always.

    Any of them that you write yourself is used instead; formulas are faster. Set ``discrete`` for counts 0, 1, 2, ...,
    ``positive_only`` for y > 0, ``domain``, ``convex`` and so on as ``Likelihood`` says; ``convex = False``, the
    default here, is always safe. Complex steps need analytic functions: no ``abs`` of eta. They are tried on a few rows
    against differences at every call, so that a wrong one is not used. ``check_likelihood`` tells what is wrong.

    References
    ----------
    Squire and Trapp (1998), Using complex variables to estimate derivatives of real functions, SIAM Review 40.

    Examples
    --------
    The Gaussian, again:

    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import UserLikelihood
    >>> class Normal(UserLikelihood):
    ...     predictor_names = ("location", "log_scale")
    ...
    ...     def nll(self, y, eta):
    ...         location, log_scale = eta
    ...         return 0.5 * np.log(2 * np.pi) + log_scale + 0.5 * ((y - location) * np.exp(-log_scale)) ** 2
    >>> Normal().gradient(np.array([1.0]), np.zeros((2, 1))).ravel()
    array([-1.,  0.])
    """

    convex = False

    def gradient(self, y: Array, eta: Array) -> Array:
        rows = np.arange(min(_TRIED_ROWS, eta.shape[1]))
        step = self._complex_step(y[..., rows], eta[:, rows])
        if step is not None:
            tried = self._differences(y[..., rows], eta[:, rows])
            if np.allclose(step, tried, rtol=_TRIED_AGREEMENT, atol=_TRIED_AGREEMENT, equal_nan=True):
                whole = self._complex_step(y, eta)
                if whole is not None:
                    return whole.astype(eta.dtype)
        return self._differences(y, eta).astype(eta.dtype)

    def hessian(self, y: Array, eta: Array) -> Array:
        rows = np.stack([_difference(lambda moved: self.gradient(y, moved), eta, k) for k in range(len(eta))])
        return 0.5 * (rows + rows.transpose(1, 0, 2))

    def expected_information(self, eta: Array) -> Array:
        information = np.zeros((len(eta), *eta.shape))
        total = np.zeros(eta.shape[1])
        for y, mass in outcome_nodes(self, eta.astype(np.float64)):
            gradient = self.gradient(y, eta.astype(np.float64))
            counted = (mass > 0) & np.isfinite(gradient).all(axis=0)
            gradient = np.where(counted, gradient, 0)
            information += np.where(counted, mass, 0) * gradient[:, None] * gradient
            total += mass
        return (information / total).astype(eta.dtype)

    def _complex_step(self, y: Array, eta: Array) -> Array | None:
        """Return the gradient by complex steps, or None where ``nll`` does not compute with complex numbers."""
        gradient = np.empty(eta.shape)
        for k in range(len(eta)):
            moved = eta.astype(np.complex128)
            moved[k] += 1j * _COMPLEX_STEP
            try:
                with np.errstate(all="ignore"):
                    nll = self.nll(y, moved)
            except (TypeError, ValueError):
                return None
            if not np.iscomplexobj(nll):
                return None
            gradient[k] = nll.imag / _COMPLEX_STEP
        return gradient

    def _differences(self, y: Array, eta: Array) -> Array:
        def nll(moved: Array) -> Array:
            return self.nll(y, moved)

        try:
            extended = eta.astype(np.longdouble)
            if self.nll(y, extended).dtype == np.longdouble:
                return np.stack([_difference(nll, extended, k) for k in range(len(eta))])
        except TypeError:
            pass  # a special function without an extended-precision loop
        plain = eta.astype(np.float64)
        return np.stack([_difference(nll, plain, k) for k in range(len(eta))])


def _difference(function: Callable[[Array], Array], eta: Array, k: int) -> Array:
    """Return the derivative of a function of eta in predictor k."""
    step = float(np.finfo(eta.dtype).eps) ** 0.2 * np.maximum(1, np.abs(eta[k]) / 16)
    total: Array | float = 0.0
    with np.errstate(all="ignore"):
        for multiple, factor in _STENCIL:
            moved = eta.copy()
            moved[k] += multiple * step
            total = total + factor * function(moved)
    return np.asarray(total) / step
