"""Profile likelihoods: the log-likelihood of one parameter, maximized over the others, and the interval it gives."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

__all__ = ["ProfileLikelihood"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ProfileLikelihood:
    r"""The profile likelihood of one parameter, on a grid, with the confidence interval read off it.

    .. math:: \ell_p(b) = \max_{\theta : \theta_j = b} \ell(\theta) ,\qquad
        \{b : 2 (\ell_p(\hat b) - \ell_p(b)) \le \chi^2_{1, \text{level}}\}

    Attributes
    ----------
    parameter : str
        The parameter's name.
    estimate : float
        Where the profile has its maximum; -inf or inf where it rises to the end (separation).
    standard_error : float
        Of the quadratic (Wald) approximation at the estimate; nan where there is none.
    grid : ndarray of shape (m,)
        Values of the parameter, ascending, the estimate and the finite ends of the interval among them.
    log_likelihood : ndarray of shape (m,)
        The profile log-likelihood at the grid, in nats; penalized by the Jeffreys prior for a Firth fit.
    maximum : float
        The supremum of the profile log-likelihood: its value at the estimate, where that is finite.
    confidence_level : float
    lower, upper : float
        Ends of the interval; -inf, inf where the profile never falls as far as ``threshold``.
    """

    parameter: str
    estimate: float
    standard_error: float
    grid: Array
    log_likelihood: Array
    maximum: float
    confidence_level: float
    lower: float
    upper: float

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the confidence interval."""
        return self.lower, self.upper

    @property
    def threshold(self) -> float:
        """The profile log-likelihood at the ends of the interval, in nats."""
        return self.maximum - 0.5 * float(chi2.ppf(self.confidence_level, 1))

    def wald(self, values: Any) -> Array:
        """Return the parabola that the Wald interval takes the profile for: same maximum, same curvature there."""
        distance = (np.asarray(values, dtype=np.float64) - self.estimate) / self.standard_error
        return self.maximum - 0.5 * np.square(distance)

    def __repr__(self) -> str:
        return (
            f"ProfileLikelihood({self.parameter}: estimate {self.estimate:.6g}, "
            f"{100 * self.confidence_level:g}% interval [{self.lower:.6g}, {self.upper:.6g}])"
        )
