"""Curvature at a point and its factor: what Newton steps, gaps, certificates and covariances are made of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mle.numerics.factors import CholeskyFactor, Factor, NotPositiveDefiniteError, TriangularFactor
from sklearn_mle.objective import PenalizedNLL

__all__ = ["expected_factor", "hessian_factor", "refine"]

Array = NDArray[Any]

# Forming X'WX squares the condition number. Beyond this one (of the scaled root), half the digits are gone.
_CHOLESKY_LIMIT = 1e7
# Below this condition number double precision leaves ten digits in the coefficients: nothing to refine.
_LEAST_DAMPING = 1e-10
_REFINE_FROM = 1e3
_REFINE_ELEMENTS = 5_000_000


def hessian_factor(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return the factor of the Hessian of the objective at theta.

    Raises
    ------
    NotPositiveDefiniteError
        If the Hessian has a direction of negative or no curvature.
    """
    if not objective.likelihood.convex:
        return CholeskyFactor(objective.hessian(theta))
    return _factor(objective, theta, objective.hessian(theta))


def expected_factor(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return the factor of the expected Hessian, damped just enough to exist where parameters are not identified."""
    matrix = objective.expected_hessian(theta)
    try:
        return _factor(objective, theta, matrix)
    except NotPositiveDefiniteError:
        damping = _LEAST_DAMPING * (matrix.diagonal() + matrix.diagonal().max(initial=0.0) + 1e-300)
        while True:
            try:
                return CholeskyFactor(matrix + np.diag(damping))
            except NotPositiveDefiniteError:
                damping = 100 * damping


def _factor(objective: PenalizedNLL, theta: Array, matrix: Array) -> Factor:
    try:
        factor: Factor = CholeskyFactor(matrix)
        if factor.condition < _CHOLESKY_LIMIT:
            return factor
    except NotPositiveDefiniteError:
        pass
    return TriangularFactor(objective.triangle(theta))


def refine(objective: PenalizedNLL, theta: Array, factor: Factor, rounds: int = 8) -> Array:
    """Return theta refined with gradients accumulated in extended precision, as extended-precision numbers.

    The factor's own error only slows the convergence (by its relative error a round); the accuracy reached is that of
    the gradient. Well-conditioned or large problems are returned as they came: there is nothing to gain, or no time.
    Where ``np.longdouble`` is no wider than double the gain is the correction of the step alone.

    References
    ----------
    Bjorck (1987), Stability analysis of the method of seminormal equations, section 4 (corrected seminormal equations).
    """
    elements = objective.data.n_rows * max(objective.data.n_columns, 1)
    if factor.condition < _REFINE_FROM or elements > _REFINE_ELEMENTS:
        return theta
    refined = theta.astype(np.longdouble)
    gap = np.inf
    for _ in range(rounds):
        gradient = objective.extended_gradient(refined).astype(np.float64)
        white = factor.whiten(gradient)
        previous, gap = gap, float(white @ white)
        if not gap < 0.25 * previous:
            break
        step = factor.unwhiten(white)
        refined = refined - step
        if np.all(np.abs(step) <= 1e-18 * np.abs(refined)):
            break
    return refined
