"""Curvature at a point and its factor: what Newton steps, gaps, certificates and covariances are made of."""

from contextlib import suppress

import numpy as np

from sklearn_mle._numerics.arguments import BeyondFloatError
from sklearn_mle._numerics.arrays import EPS, Array
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._numerics.factors import (
    SAFE_PIVOT,
    CholeskyFactor,
    Factor,
    NotPositiveDefiniteError,
    RotatedFactor,
    TriangularFactor,
    damped,
)
from sklearn_mle._objective import PenalizedNLL

# Forming X'WX squares the condition number. At this one (of the scaled root), six digits of the least are left.
_CHOLESKY_LIMIT = 1e5
MOST_DIAGONALIZED = 600
# A curvature less than this, relative to the information, may be rounding.
CLEAR_CURVATURE = 1e-6
_LEAST_CURVATURE = 0.1
# Of more columns a curvature takes less time in single precision (800: 245 to 158 ms; 100: 21 either way); with a worse
# condition than this that leaves no digit of the least curvature.
_WIDE, _WELL_CONDITIONED = 150, 300.0
# Below this condition number double precision leaves ten digits in the coefficients: nothing to refine.
_REFINE_FROM = 1e3
# Least squares is one step long, so there refinement is cheap beside the fit, and certified answers are to be met.
_REFINE_LEAST_SQUARES_FROM = 30.0
_FEW_TIMES = 10.0
# The worse the condition, the larger the data may be.
_ELEMENTS_PER_CONDITION = 1e3
_REFINE_ELEMENTS = 5_000_000
# Intercepts may cancel eight digits on their way back to the units of X and y.
_NEGLIGIBLE = 1e-25


def hessian_factor(
    objective: PenalizedNLL, theta: Array, hessian: Array | None = None, *, of_rows: bool = True
) -> Factor:
    """Return the factor of the Hessian of the objective at theta, which is formed if it is not given.

    ``of_rows`` is as in ``curvature_factor``, for convex likelihoods.

    Raises
    ------
    NotPositiveDefiniteError
        If the Hessian has a direction of negative or no curvature.
    """
    hessian = objective.hessian(theta) if hessian is None else hessian
    factor, safe = _cholesky(hessian)
    if safe and factor is not None:
        return factor
    if objective.likelihood.convex:
        return _of_doubtful(objective, theta, factor, of_rows)
    # Nearly collinear columns hide the least curvature in the rounding of the others; it stands clear in the variables
    # that whiten the information, whose QR takes the same rows.
    expected = information_factor(objective, theta)
    if isinstance(expected, TriangularFactor):
        found = relative_curvatures(objective, theta, expected)
        if found is not None and found[0][0] > CLEAR_CURVATURE:
            return RotatedFactor(expected, found[1], np.sqrt(found[0]))
    if factor is not None and factor.resolved:
        return factor
    # Rows of vanishing scale, too: whether so flat a direction curves up or down is rounding's choice.
    raise NotPositiveDefiniteError("the least curvature is negative, or within rounding")


def information_factor(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return the factor of the expected Hessian, as it is.

    Raises
    ------
    NotPositiveDefiniteError
        If parameters are not identified.
    """
    return curvature_factor(objective, theta, objective.expected_hessian(theta))


def expected_factor(objective: PenalizedNLL, theta: Array, *, of_rows: bool = True) -> Factor:
    """Return the factor of the expected Hessian, damped just enough to exist where parameters are not identified."""
    matrix = objective.expected_hessian(theta)
    with suppress(NotPositiveDefiniteError):
        return curvature_factor(objective, theta, matrix, of_rows=of_rows)
    factor = damped(matrix, 100)
    if factor is not None:
        return factor
    raise BeyondFloatError(
        "X, y, sample_weight or offset holds numbers so large (or so small) that the curvature leaves the range of "
        "float64; change their units."
    )


def safe_factor(objective: PenalizedNLL, theta: Array, *, of_rows: bool = True) -> Factor:
    """Return the factor of a positive definite matrix near the Hessian."""
    if objective.likelihood.convex:
        return expected_factor(objective, theta, of_rows=of_rows)
    return absolute_factor(objective, theta)


def rough_factor(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return what ``safe_factor`` does, of many columns to a few digits: enough to whiten the steps of a search."""
    n_free, width = objective.predictors.shape
    # Between several predictors curvatures have either sign.
    if n_free == 1 and width > _WIDE and objective.likelihood.convex and objective.penalty.convex:
        with suppress(NotPositiveDefiniteError):
            factor = CholeskyFactor(objective.rough_hessian(theta))
            if factor.condition < _WELL_CONDITIONED:
                return factor
    return safe_factor(objective, theta)


def absolute_factor(objective: PenalizedNLL, theta: Array) -> Factor:
    """Return the factor of the Hessian with its negative curvatures turned positive, in the metric of the information.

    Where F is not convex, expected information alone (Fisher scoring) creeps along valleys that the true curvature
    leaves at once; curvatures are bounded below by a tenth of the information, so that no step is wild.

    References
    ----------
    Dauphin et al. (2014), Identifying and attacking the saddle point problem, NeurIPS 27.
    """
    expected = expected_factor(objective, theta)
    found = relative_curvatures(objective, theta, expected)
    if found is None:
        return expected
    values, vectors = found
    return RotatedFactor(expected, vectors, np.sqrt(np.maximum(np.abs(values), _LEAST_CURVATURE)))


def relative_curvatures(objective: PenalizedNLL, theta: Array, expected: Factor) -> tuple[Array, Array] | None:
    """Return eigenvalues and eigenvectors of the Hessian in the variables that whiten the expected information.

    The eigenvalues are one if the two are equal; None where there are too many, or the Hessian is not finite. Where the
    information needed a QR, so does the Hessian: one that was formed has lost the digits.
    """
    if expected.size > MOST_DIAGONALIZED:
        return None
    if isinstance(expected, TriangularFactor):
        relative = objective.whitened_hessian(theta, expected)
    else:
        inverse = expected.unwhiten(np.eye(expected.size))
        relative = inverse.T @ objective.hessian(theta) @ inverse
    return np.linalg.eigh(0.5 * (relative + relative.T)) if np.isfinite(relative).all() else None


def curvature_factor(objective: PenalizedNLL, theta: Array, matrix: Array, *, of_rows: bool = True) -> Factor:
    """Return the factor of a curvature at theta that was formed; by a QR of the rows where forming it cost digits.

    Without ``of_rows`` there is no QR: what forming the curvature left resolved is enough.

    Raises
    ------
    NotPositiveDefiniteError
        If it has a direction of negative or no curvature.
    """
    factor, safe = _cholesky(matrix)
    if safe and factor is not None:
        return factor
    return _of_doubtful(objective, theta, factor, of_rows)


def _of_doubtful(objective: PenalizedNLL, theta: Array, factor: CholeskyFactor | None, of_rows: bool) -> Factor:
    """Return the factor of a curvature that lost digits as it was formed: of its rows, or what is left of it."""
    if of_rows:
        return TriangularFactor(objective.triangle(theta))
    if factor is None or not factor.resolved:
        raise NotPositiveDefiniteError("the least curvature is within the rounding of what it was formed from")
    return factor


def _cholesky(matrix: Array) -> tuple[CholeskyFactor | None, bool]:
    """Return the factor, if there is one, and whether forming the matrix left it enough digits."""
    try:
        factor = CholeskyFactor(matrix)
    except NotPositiveDefiniteError:
        return None, False
    # The condition is estimated only where a pivot is small: for a small matrix it costs as much as the factor.
    return factor, factor.least_pivot > SAFE_PIVOT or factor.condition < _CHOLESKY_LIMIT


def worth_refining(objective: PenalizedNLL, factor: Factor, cancellation: float = 1.0) -> bool:
    """Return whether the problem is ill-conditioned enough, for its size, to be refined.

    Elsewhere there is nothing to gain, or no time. ``cancellation`` is how much larger than the intercept the terms are
    that it is the difference of, in the units of X and y.
    """
    elements = objective.data.n_rows * max(objective.data.n_columns, 1)
    if elements > _REFINE_ELEMENTS:
        return False
    least = _REFINE_LEAST_SQUARES_FROM if objective.likelihood.quadratic else _REFINE_FROM
    # A condition is seldom more than a few times the reciprocal of the least pivot, which costs next to nothing.
    if isinstance(factor, CholeskyFactor) and factor.least_pivot * least > _FEW_TIMES * cancellation:
        return False
    condition = factor.condition
    return cancellation * condition >= least and elements <= _ELEMENTS_PER_CONDITION * condition


def refine(objective: PenalizedNLL, theta: Array, factor: Factor, rounds: int = 12) -> DoubleDouble:
    """Return theta refined with gradients accumulated in twice the precision.

    The factor's own error only slows the convergence (by its relative error per round); the accuracy reached is that of
    the gradient, which for least squares has thirty digits.

    References
    ----------
    Bjorck (1987), Stability analysis of the method of seminormal equations, section 4 (corrected seminormal equations).
    """
    refined, gap = DoubleDouble.of(theta), np.inf
    contraction = EPS * factor.condition**2
    for _ in range(rounds):
        white = factor.whiten(objective.exact_gradient(refined))
        previous, gap = gap, float(white @ white)
        if not gap < previous:  # at the gradient's rounding; or not finite
            break
        step = factor.unwhiten(white)
        refined = refined - step
        # What the next step would change, at most.
        if np.all(contraction * np.abs(step) <= _NEGLIGIBLE * np.abs(refined.high)):
            break
    return refined
