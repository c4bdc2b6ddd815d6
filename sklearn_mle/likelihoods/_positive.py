"""What likelihoods of positive numbers share: a domain, and a location that is linear in log y."""

import numpy as np

from sklearn_mle.likelihoods._base import Array, Likelihood

__all__ = ["Positive"]


class Positive(Likelihood):
    """A likelihood of y > 0 whose second parameter is the noise relative to y, so that the unit of y is no matter."""

    convex = False
    convex_in_location = False
    noise_can_vanish = True
    equivariance = "scale"
    positive_only = True
    domain = "positive, finite numbers"
    remedy = "Remove such rows, or choose a likelihood that takes zeros ('tweedie') or all real numbers ('gaussian')."

    @np.errstate(divide="ignore")
    def link(self, y: Array) -> Array:
        return np.log(y)
