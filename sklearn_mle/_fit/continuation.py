"""A start for a known noise far below the residuals' own: by way of larger noises, each optimum the next one's start.

A loss of residuals over a noise that is known to be tiny is one of huge numbers: a Gumbel's exponential overflows, and
the curvature of losses that grow like the absolute residual is zero wherever no row is. Newton's method gets nowhere
from a distance. At the residuals' own noise it is safe, and halving the noise moves the optimum little.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle._fit.result import FitOptions
from sklearn_mle._fit.solve import affordable, solve
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle.likelihoods import Likelihood

__all__ = ["follow_noise", "is_far_below"]

Array = NDArray[Any]

# Known noises down to this part of the residuals' own need no detour.
_FAR = math.log(10.0)
_STEP = math.log(2.0)
_ROUGH, _MOST_ITERATIONS = 1e-2, 50


def is_far_below(likelihood: Likelihood, known: float, own: float) -> bool:
    """Return whether a known second parameter (its logarithm) stands for far less noise than the residuals have.

    Where the location does not depend on it, never.
    """
    if likelihood.dispersion_parameter is None or likelihood.location_free_of_dispersion:
        return False
    return 0.5 * likelihood.variance_power * (own - known) > _FAR


def follow_noise(at: Callable[[float], PenalizedNLL], theta: Array, own: float, known: float) -> Array:
    """Return a theta near the optimum at the known second parameter, followed from that at the residuals' own.

    Parameters
    ----------
    at : callable
        A value of the second parameter (its logarithm) -> the objective at it.
    theta : ndarray of shape (size,)
        A start at ``own``.
    own, known : float
    """
    options = FitOptions(max_iter=_MOST_ITERATIONS)
    steps = math.ceil(abs(known - own) / _STEP)
    for value in np.linspace(own, known, steps + 1):
        objective = at(float(value))
        options = replace(options, solver="newton" if affordable(objective) else "newton-cg")
        theta = solve(objective, theta, options, null_value=math.inf, tol=_ROUGH).theta
    return theta
