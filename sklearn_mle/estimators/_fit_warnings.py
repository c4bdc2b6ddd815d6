"""What a finished fit has to say of its end."""

import math

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_mle._fit import FitResult
from sklearn_mle._solvers import Status
from sklearn_mle.exceptions import PerfectFitWarning

__all__ = ["NOTICEABLE_GAP", "warnings_of"]

# Coefficients within 1.5e-3 standard errors: closer than that, rounding is not worth a warning.
NOTICEABLE_GAP = 1e-6


def warnings_of(result: FitResult, smooth: bool) -> list[Warning]:
    """Return what a finished fit has to say."""
    found = list(result.warnings)
    numbers = (result.log_likelihood, result.gap)
    # A perfect fit has an infinite log-likelihood, and has said so.
    if not (np.isfinite(numbers).all() or any(isinstance(warning, PerfectFitWarning) for warning in found)):
        found.append(
            ConvergenceWarning(
                f"No maximum was found: where the fit stopped, the log-likelihood is {result.log_likelihood:g} and the "
                f"estimate of what it lacks is {result.gap:g} nats, beyond the range of float64. The coefficients are "
                "no estimates. Change the units of X and y, an offset that is far off, or a known scale far from the "
                "spread of the residuals."
            )
        )
    elif result.status is Status.ROUNDING and result.gap > NOTICEABLE_GAP:
        found.append(
            ConvergenceWarning(
                f"Floating point left no further decrease {result.gap:.2g} nats above the minimum (estimated): the "
                "data are so ill-conditioned that the coefficients are uncertain by about "
                f"{math.sqrt(2 * result.gap):.2g} standard errors. Rescale the data or penalize."
            )
        )
    elif result.status is Status.MAX_ITER:
        of_what = "half the squared Newton decrement" if smooth else "the duality gap"
        found.append(
            ConvergenceWarning(
                f"max_iter ended the fit early: the total penalized log-likelihood is about {result.gap:.2g} nats "
                f"below its maximum; that is an estimate ({of_what} where the fit stopped), good near the maximum, "
                "and no bound: far from it the true number may be several times as large. Raise max_iter, or let "
                "solver='auto' choose."
            )
        )
    return found
