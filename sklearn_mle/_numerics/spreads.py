"""Half of the mean distance of two outcomes, E|Y - Y'| / 2, by the trapezoid rule where it is exact to rounding."""

import numpy as np

from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.tails import inverse_gaussian_tail

# exp(x) of the lattice's rule: two e-folds hold 16 nodes, and what lies outside is below a rounding.
_STEP = 0.125
_FINE = 0.25
_ROOTS = np.arange(-12.0, 12.0 + _FINE, _FINE)
_LOGARITHMS = np.arange(-76.0, 9.0, _FINE)
_ROWS = 2000


def lattice_spread(power: Array, curvature: Array) -> Array:
    r"""Half of E|Y - Y'| for whole-numbered Y with squared characteristic function (1 - curvature sin^2(t/2))^power.

    .. math:: E|Y - Y'| = \frac1\pi \int_0^\pi \frac{1 - |\phi(t)|^2}{1 - \cos t} dt

    With t = 2 arctan(exp(x)) the integrand decays at both ends and is analytic about the line, so that the trapezoid
    rule is exact to rounding. (The hypergeometric function of the textbooks is nan in scipy for large counts.)
    """
    pairs, back = np.unique(np.stack([power.ravel(), curvature.ravel()]), axis=1, return_inverse=True)
    power_, curvature_ = pairs
    spread = np.empty(len(power_))
    for row in range(len(power_)):
        start = -40.0 - 0.5 * max(np.log(np.abs(power_[row] * curvature_[row])), 0.0)
        x = np.arange(start, 40.0, _STEP) if np.isfinite(start) else np.full(1, np.nan)
        square = np.exp(2 * x)
        # -expm1 of the logarithm of |phi|^2 over exp(x); sin^2(t/2) = square / (1 + square)
        terms = -np.expm1(power_[row] * np.log1p(-curvature_[row] * square / (1 + square))) * np.exp(-x)
        spread[row] = 0.5 * _STEP * terms.sum() / np.pi
    return spread[back.ravel()].reshape(power.shape)


@np.errstate(all="ignore")
def inverse_gaussian_spread(log_phi: Array) -> Array:
    r"""Return it for inverse Gaussian distributions of mean one: the integral of F (1 - F).

    Of :math:`r = 2 \sqrt\phi \sinh(\delta/2)`, in which the distribution is about normal, where phi is at least one; of
    :math:`\delta = \log y` where the tail reaches to 1 / phi. Both integrands are analytic about the line and vanish at
    its ends.
    """
    log_phi = np.asarray(log_phi, dtype=np.float64)
    flat = log_phi.ravel()
    out = np.empty_like(flat)
    for start in range(0, len(flat), _ROWS):
        rows = flat[start : start + _ROWS, None]
        wide = rows[:, 0] < 0
        values = np.empty(len(rows))
        for chosen, nodes in ((~wide, _ROOTS), (wide, _LOGARITHMS)):
            phi = rows[chosen]
            if not len(phi):
                continue
            if nodes is _ROOTS:
                half = np.arcsinh(0.5 * nodes * np.exp(-0.5 * phi))
                delta, speed = 2 * half, np.exp(2 * half - 0.5 * phi) / np.cosh(half)
            else:
                delta = nodes - phi
                speed = np.exp(delta)
            both = inverse_gaussian_tail(delta, phi, upper=False) * inverse_gaussian_tail(delta, phi, upper=True)
            values[chosen] = _FINE * (speed * both).sum(axis=1)
        out[start : start + _ROWS] = values
    return out.reshape(log_phi.shape)
