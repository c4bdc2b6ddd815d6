"""A smooth map that stretches one tail of a symmetric variable and shrinks the other: z of t, t of z, and slopes."""

import numpy as np

from sklearn_mle.likelihoods._base import Array

# From here on the narrow side is a bound, to 2e-13 of the scale.
MOST_SKEWNESS = 15.0
# From here on t is proportional to z.
_LARGEST, _FINITE = 1e150, 1e308


class Skewing:
    r"""The map :math:`z = t + \tau (\sqrt{1 + t^2} - 1)` of each row, :math:`\tau = \tanh\epsilon`.

    Zero stays zero, with slope one; far out the slope is :math:`1 + \tau` above and :math:`1 - \tau` below. A shift
    and a change of scale away from :math:`\sinh(\operatorname{asinh} t + \epsilon)`.

    Attributes
    ----------
    tau, upper, lower : ndarray of shape (n,)
        tau, 1 + tau and 1 - tau, each with all its digits.
    free : ndarray of shape (n,)
        d tau / d epsilon, zero from the largest skewness on that is told apart.
    """

    def __init__(self, skewness: Array) -> None:
        bounded = np.clip(skewness, -MOST_SKEWNESS, MOST_SKEWNESS)
        self.tau = np.tanh(bounded)
        self.upper, self.lower = 2 / (1 + np.exp(-2 * bounded)), 2 / (1 + np.exp(2 * bounded))
        self.free = np.where(np.abs(skewness) < MOST_SKEWNESS, self.upper * self.lower, 0)

    def skewed(self, t: Array) -> Array:
        """Return z of t."""
        size, root = np.abs(t), np.hypot(1, t)
        share = np.where(np.isinf(size), 1, size / (1 + root))
        # Where t and tau have opposite signs: |t| - |tau| lift, in terms that are positive.
        remainder = share * (1 + 1 / (root + size))
        narrow = remainder + np.minimum(self.upper, self.lower) * (size * share)
        wide = size * (1 + np.abs(self.tau) * share)
        return np.copysign(np.where(t * self.tau < 0, narrow, wide), t)

    def straight(self, z: Array) -> Array:
        """Return t of z."""
        return np.clip(z * self.straightening(z), -_FINITE, _FINITE)

    def straightening(self, z: Array) -> Array:
        """Return t / z, of z."""
        # Mirrored, so that tau >= 0: the lower side is the narrow one.
        sign = np.where(self.tau < 0, -1, 1)
        z, tau, narrow = np.clip(z * sign, -_LARGEST, _LARGEST), np.abs(self.tau), np.minimum(self.upper, self.lower)
        product = self.upper * self.lower
        centred = np.where(z < -0.5, (z + 1) - narrow, z + tau)
        root = np.hypot(centred, np.sqrt(product))
        # Each where its terms have one sign.
        with np.errstate(all="ignore"):
            ratio = np.where(centred > 0, (z + 2 * tau) / (centred + tau * root), (centred - tau * root) / product / z)
        return np.where(z == 0, 1, ratio)


class Slopes:
    r"""Of each row the lift :math:`h = \sqrt{1 + t^2} - 1`, its slopes h', h'' and h''', and the slope J of z in t.

    Derivatives of functions of t in z and epsilon are made of them.
    """

    def __init__(self, skewing: Skewing, t: Array) -> None:
        t = np.clip(t, -_LARGEST, _LARGEST)
        size, root = np.abs(t), np.hypot(1, t)
        narrow = np.minimum(skewing.upper, skewing.lower)
        self.lift = size * (size / (1 + root))
        self.first = t / root
        self.second = 1 / root / root / root
        self.third = -3 * self.first * self.second / root
        against = (1 / (root + size) + narrow * size) / root
        self.slope = np.where(t * skewing.tau < 0, against, 1 + skewing.tau * self.first)
