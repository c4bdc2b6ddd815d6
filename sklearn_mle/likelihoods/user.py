"""A user's likelihood from its NLL alone: derivatives and information are computed here."""

from collections.abc import Callable, Iterator

import numpy as np

from sklearn_mle.likelihoods._base import Array, Likelihood

# Counts up to here are summed one by one while any row's probability is not used up.
_MOST_COUNTS = 100_000
_USED_UP = 1e-12
# y is sinh(u), or exp(u) where it is positive: the grid where the mode is looked for, and its refinements.
_GRID = np.linspace(-40.0, 40.0, 401)
_POSITIVE_GRID = np.linspace(-60.0, 60.0, 401)
_REFINEMENTS = 60
_GOLDEN = 0.6180339887498949
# From the mode, steps grow exponentially, in units of the width at which the NLL has risen by about one. No node is the
# mode itself, which may be a kink.
_S = np.linspace(-5.0, 5.0, 400)
_NODES, _NODE_STEPS = np.sinh(_S), np.cosh(_S) * (_S[1] - _S[0])
_FARTHEST = 300.0
# The tanh-sinh rule for levels in (0, 1), whose ends are singular where y is not bounded.
_T = np.linspace(-2.9, 2.9, 160)
_LEVELS = 0.5 * (1 + np.tanh(0.5 * np.pi * np.sinh(_T)))
_LEVEL_MASSES = 0.25 * np.pi * np.cosh(_T) / np.square(np.cosh(0.5 * np.pi * np.sinh(_T))) * (_T[1] - _T[0])


def outcome_nodes(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    """Yield pairs (y, mass), each of shape (n,); masses are nonnegative and sum to about one over the pairs.

    They sum to what exp(-nll) sums or integrates to where y is a count, or the likelihood gives no distribution.
    """
    if likelihood.discrete:
        yield from _counts(likelihood, eta)
    elif type(likelihood).distribution is not Likelihood.distribution:
        yield from _quantiles(likelihood, eta)
    else:
        yield from _integral(likelihood, eta)


def _counts(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    left = np.ones(eta.shape[1])
    for count in range(_MOST_COUNTS):
        y = np.full(eta.shape[1], float(count))
        try:
            likelihood.check_target(y[:1])
        except ValueError:
            return
        mass = np.exp(-np.asarray(likelihood.nll(y, eta), dtype=np.float64))
        yield y, mass
        left = left - mass
        # Used up, or past the mode and vanishing where the probabilities do not sum to one.
        if (left < _USED_UP).all() or (count > 1000 and (mass < _USED_UP**2).all()):
            return


def _quantiles(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    distribution = likelihood.distribution(eta)
    for level, mass in zip(_LEVELS, _LEVEL_MASSES, strict=True):
        yield np.asarray(distribution.ppf(level), dtype=np.float64), np.full(eta.shape[1], mass)


def _integral(likelihood: Likelihood, eta: Array) -> Iterator[tuple[Array, Array]]:
    n, positive = eta.shape[1], likelihood.positive_only
    outcome, grid = (np.exp, _POSITIVE_GRID) if positive else (np.sinh, _GRID)

    def nll(u: Array) -> Array:
        value = np.asarray(likelihood.nll(outcome(u), eta), dtype=np.float64)
        return np.where(np.isnan(value), np.inf, value)

    def loss(u: Array) -> Array:
        """Return what has one minimum: the NLL of a real y, or of log y where y may crowd towards zero."""
        return nll(u) - u if positive else nll(u)

    losses = np.stack([loss(np.full(n, u)) for u in grid])
    best = np.clip(losses.argmin(axis=0), 1, len(grid) - 2)
    low, high = grid[best - 1], grid[best + 1]
    for _ in range(_REFINEMENTS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        lower = loss(left) < loss(right)
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    mode = 0.5 * (low + high)
    least = loss(mode)
    width = np.full(n, 1e-12)
    for _ in range(50):
        narrow = np.minimum(loss(mode - width), loss(mode + width)) < least + 1
        width = np.where(narrow & (width < 8), 2 * width, width)
    for node, step in zip(_NODES, _NODE_STEPS, strict=True):
        u = np.clip(mode + node * width, -_FARTHEST, _FARTHEST)
        slope = np.exp(u) if positive else np.cosh(u)
        mass = np.exp(-nll(u)) * slope * step * width
        yield outcome(u), np.where(np.abs(u) < _FARTHEST, mass, 0)


def variance_of_gradient(likelihood: Likelihood, eta: Array) -> Array:
    """Return the expectation of gradient gradient' over y given eta, shape (q, q, n)."""
    variance, total = np.zeros((len(eta), *eta.shape)), np.zeros(eta.shape[1])
    for y, mass in outcome_nodes(likelihood, eta):
        gradient = likelihood.gradient(y, eta)
        counted = (mass > 0) & np.isfinite(gradient).all(axis=0)
        gradient = np.where(counted, gradient, 0)
        variance += np.where(counted, mass, 0) * gradient[:, None] * gradient
        total += mass
    return variance / total


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
    ``positive_only`` for y > 0, ``domain``, ``convex`` and so on as ``Likelihood`` says; ``convex = False`` and
    ``convex_in_location = False``, the defaults here, are always safe. Complex steps need analytic functions: no
    ``abs`` of eta. They are tried on a few rows against differences at every call, so that a wrong one is not used.
    ``check_likelihood`` tells what is wrong.

    References
    ----------
    Squire and Trapp (1998), Using complex variables to estimate derivatives of real functions, SIAM Review 40.

    Examples
    --------
    The Gaussian, again:

    >>> import numpy as np
    >>> from sklearn_mle.likelihoods import UserLikelihood
    >>> class Normal(UserLikelihood):
    ...     parameter_names = ("location", "scale")
    ...     links = ("identity", "log")
    ...
    ...     def nll(self, y, eta):
    ...         location, log_scale = eta
    ...         z = (y - location) * np.exp(-log_scale)
    ...         return 0.5 * np.log(2 * np.pi) + log_scale + 0.5 * z**2
    >>> Normal().gradient(np.array([1.0]), np.zeros((2, 1))).ravel()
    array([-1.,  0.])
    """

    convex = False
    convex_in_location = False

    def gradient(self, y: Array, eta: Array) -> Array:
        rows = np.arange(min(_TRIED_ROWS, eta.shape[1]))
        step = self._complex_step(y[..., rows], eta[:, rows])
        if step is not None:
            tried = self._differences(y[..., rows], eta[:, rows])
            if np.allclose(step, tried, rtol=_TRIED_AGREEMENT, atol=_TRIED_AGREEMENT, equal_nan=True):
                whole = self._complex_step(y, eta)
                # Infinity times a complex number is nan.
                if whole is not None and not np.isnan(whole).any():
                    return whole.astype(eta.dtype)
        return self._differences(y, eta).astype(eta.dtype)

    def hessian(self, y: Array, eta: Array) -> Array:
        matrix = differences(lambda moved: self.gradient(y, moved), eta)
        return 0.5 * (matrix + matrix.transpose(1, 0, 2))

    def expected_information(self, eta: Array) -> Array:
        return variance_of_gradient(self, eta.astype(np.float64)).astype(eta.dtype)

    def _complex_step(self, y: Array, eta: Array) -> Array | None:
        """Return the gradient by complex steps, or None where ``nll`` does not compute with complex numbers."""
        gradient = np.empty(eta.shape)
        for k in range(len(eta)):
            moved = eta.astype(np.complex128)
            moved[k] += 1j * _COMPLEX_STEP
            try:
                nll = self.nll(y, moved)
            except (TypeError, ValueError):
                return None
            if not np.iscomplexobj(nll):
                return None
            gradient[k] = nll.imag / _COMPLEX_STEP
        return gradient

    def _differences(self, y: Array, eta: Array) -> Array:
        at: Array = eta.astype(np.float64)
        try:
            extended = eta.astype(np.longdouble)
            if self.nll(y, extended).dtype == np.longdouble:
                at = extended
        except TypeError:
            pass  # a special function without an extended-precision loop
        return differences(lambda moved: self.nll(y, moved), at)


def differences(function: Callable[[Array], Array], eta: Array) -> Array:
    """Return the derivatives of a function of eta in each predictor, the last axis but one."""
    columns = []
    for k, row in enumerate(eta):
        step = float(np.finfo(eta.dtype).eps) ** 0.2 * np.maximum(1, np.abs(row) / 16)
        total: Array | float = 0.0
        for multiple, factor in _STENCIL:
            moved = eta.copy()
            moved[k] += multiple * step
            total = total + factor * np.asarray(function(moved))
        columns.append(total / step)
    return np.stack(columns, axis=-2)
