"""Stationary points that are no minimum: saddles, which Newton's method reaches on symmetric data, and the way down."""

import numpy as np

from sklearn_mle._hessian_factors import (
    CLEAR_CURVATURE,
    MOST_DIAGONALIZED,
    expected_factor,
    hessian_factor,
    relative_curvatures,
)
from sklearn_mle._numerics.arrays import Array
from sklearn_mle._numerics.factors import CholeskyFactor, NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._solvers import Solution, Status

# In units of the information: about so many standard errors to either side, the first that gains is taken.
_LENGTHS = (1.0, 0.1, 0.01)


def beside_saddle(objective: PenalizedNLL, solution: Solution) -> Array | None:
    """Return a lower point along the direction of most negative curvature; None where none is clearly negative."""
    theta = solution.theta
    if len(theta) > MOST_DIAGONALIZED:
        return None
    expected = expected_factor(objective, theta)
    found = relative_curvatures(objective, theta, expected)
    if found is None or found[0][0] > -CLEAR_CURVATURE:
        return None
    direction = expected.unwhiten(found[1][:, 0])
    # Eigenvectors have no sign of their own.
    direction *= np.sign(direction[np.argmax(np.abs(direction))])
    for length in _LENGTHS:
        points = [theta + length * direction, theta - length * direction]
        values = np.array([objective.value(point) for point in points])
        best = int(np.argmin(np.where(np.isnan(values), np.inf, values)))
        if values[best] < solution.value:
            return points[best]
    return None


def is_minimum(objective: PenalizedNLL, solution: Solution) -> bool:
    """Return whether the curvature at a converged solution is positive, as a minimum's is."""
    if objective.likelihood.convex or solution.factor is None or solution.status is not Status.CONVERGED:
        return True
    if isinstance(solution.factor, CholeskyFactor) and solution.factor.size <= MOST_DIAGONALIZED:
        return True  # of the Hessian itself: where there is none, another kind of factor takes its place
    try:
        hessian_factor(objective, solution.theta)
    except NotPositiveDefiniteError:
        return False
    return True
