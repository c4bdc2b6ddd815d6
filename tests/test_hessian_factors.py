"""Factors of an objective's curvature: exact where it can be formed, by QR where that would lose it; refinement."""

import numpy as np
import pytest

from sklearn_mle._hessian_factors import expected_factor, hessian_factor, refine, worth_refining
from sklearn_mle._numerics.factors import CholeskyFactor, NotPositiveDefiniteError, TriangularFactor
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle.likelihoods import Bernoulli, Gaussian, StudentT
from sklearn_mle.likelihoods._surrogates import LeastSquares

rng = np.random.default_rng(0)
N = 100


def objective_of(X, y, likelihood=None, penalty=None, terms=None):
    predictors = LinearPredictors(X.shape[1], terms or [Terms()])
    likelihood = likelihood or LeastSquares()
    data = Data(DenseRows(X), y, None, None, likelihood.n_predictors)
    return PenalizedNLL(likelihood, predictors, data, penalty or NoPenalty())


def test_the_factor_is_that_of_the_hessian():
    objective = objective_of(rng.standard_normal((N, 4)), rng.random(N), Bernoulli())
    theta = rng.standard_normal(5)
    vector = rng.standard_normal(5)
    solved = hessian_factor(objective, theta).solve(objective.hessian(theta) @ vector)
    np.testing.assert_allclose(solved, vector, rtol=1e-10)


@pytest.mark.parametrize("power", [9, 11, 13])
def test_an_ill_conditioned_design_is_factored_by_qr(power):
    """Two columns that differ by 10^-power: their cross-products have a condition number beyond 1/eps."""
    x, z = rng.standard_normal((2, N))
    X = np.column_stack([x, x + 10.0**-power * z])
    factor = hessian_factor(objective_of(X, np.zeros(N), terms=[Terms(True, False)]), np.zeros(2))
    assert isinstance(factor, TriangularFactor)
    assert 0.1 < factor.condition * 10.0**-power < 10
    # What the second column adds to the first, whose length is known from the exact difference of the two.
    added = (X[:, 1] - X[:, 0]) - x * (x @ (X[:, 1] - X[:, 0])) / (x @ x)
    found = np.linalg.norm(factor.whiten(np.array([0.0, 1.0])))
    assert found == pytest.approx(1 / np.linalg.norm(added), rel=10.0 ** (power - 14))


@pytest.mark.parametrize("power", [6, 8, 10])
def test_nearly_collinear_columns_do_not_hide_the_hessian_of_what_is_not_convex(power):
    """The Newton decrement is the same in columns that lie apart, where the Hessian is formed without loss."""
    x, z = rng.standard_normal((2, N))
    X = np.column_stack([x, x + 10.0**-power * z])
    apart = np.column_stack([x, (X[:, 1] - X[:, 0]) * 10.0**power])
    y = x - z + rng.standard_normal(N)
    terms = [Terms(), Terms(False, True)]
    near, far = (objective_of(columns, y, StudentT(df=4), terms=terms) for columns in (X, apart))
    theta = np.array([1.0 + 10.0**power, -(10.0**power), 0.1, 0.2])
    same = np.array([theta[0] + theta[1], theta[1] * 10.0**-power, *theta[2:]])
    gradient = far.value_and_gradient(same)[1]
    back = np.array([[1, 0, 0, 0], [1, 10.0**-power, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ gradient
    found = hessian_factor(near, theta).squared_norm(back)
    assert found == pytest.approx(hessian_factor(far, same).squared_norm(gradient), rel=10.0 ** (power - 13))


def test_a_well_conditioned_design_needs_no_qr():
    objective = objective_of(rng.standard_normal((N, 3)) * [1e-6, 1, 1e6], np.zeros(N))
    assert isinstance(hessian_factor(objective, np.zeros(4)), CholeskyFactor)


def test_negative_curvature_is_refused_and_the_expected_information_taken():
    objective = objective_of(rng.standard_normal((N, 2)), 5 * rng.standard_normal(N), Gaussian(), terms=[Terms()] * 2)
    theta = np.array([3.0, -3, 1, 0.5, 0.5, -3])
    hessian = objective.hessian(theta)
    assert np.linalg.eigvalsh(hessian).min() < 0
    with pytest.raises(NotPositiveDefiniteError):
        hessian_factor(objective, theta)
    vector = rng.standard_normal(6)
    solved = expected_factor(objective, theta).solve(objective.expected_hessian(theta) @ vector)
    np.testing.assert_allclose(solved, vector, rtol=1e-7)


def test_the_expected_factor_exists_where_parameters_are_not_identified():
    x = rng.standard_normal(N)
    objective = objective_of(np.column_stack([x, x, np.zeros(N)]), rng.random(N), Bernoulli())
    theta = np.zeros(4)
    with pytest.raises(NotPositiveDefiniteError):
        hessian_factor(objective, theta)
    factor = expected_factor(objective, theta)
    assert not factor.resolved, "a curvature that was damped proves nothing of its flattest direction"
    gradient = objective.value_and_gradient(theta)[1]
    step = -factor.solve(gradient)
    assert np.isfinite(step).all()
    # It is nearly Newton's step in the direction that is identified.
    assert objective.value_and_gradient(theta + step)[0] < objective.value_and_gradient(theta)[0]
    single = objective_of(x[:, None], objective.data.y, Bernoulli())
    newton = np.linalg.solve(single.hessian(np.zeros(2)), single.value_and_gradient(np.zeros(2))[1])
    np.testing.assert_allclose([step[0] + step[1], step[3]], -newton, rtol=1e-6)


def test_where_there_is_no_curvature_at_all_the_expected_factor_still_ends():
    """Every fitted probability is 0 or 1 to rounding: the information is zero."""
    objective = objective_of(rng.standard_normal((N, 2)), rng.random(N), Bernoulli())
    theta = np.array([0.0, 0.0, 800.0])
    np.testing.assert_array_equal(objective.hessian(theta), 0)
    assert np.isfinite(expected_factor(objective, theta).whiten(np.zeros(3))).all()


def vandermonde(degree=9):
    """Powers of 0, ..., 20 around their middle, and a y that is their sum: every coefficient is exactly one."""
    x = np.arange(21.0) - 10
    powers = x[:, None] ** np.arange(1, degree + 1)
    return powers / 2.0 ** np.arange(0, 3 * degree, 3), (powers / 2.0 ** np.arange(0, 3 * degree, 3)).sum(axis=1) + 1


def solved_once(objective):
    theta = np.zeros(objective.predictors.size)
    factor = hessian_factor(objective, theta)
    return theta - factor.solve(objective.value_and_gradient(theta)[1]), factor


def test_refinement_gains_the_digits_that_the_factor_lost():
    X, y = vandermonde()
    objective = objective_of(X, y)
    theta, factor = solved_once(objective)
    assert factor.condition > 1e3
    before = np.abs(theta - 1).max()
    assert before > 1e-14
    assert worth_refining(objective, factor)
    np.testing.assert_array_equal(refine(objective, theta, factor).rounded, 1)


def test_refined_parameters_are_beyond_double():
    X, y = vandermonde()
    objective = objective_of(X, y)
    assert np.abs((refine(objective, *solved_once(objective)) - np.ones(10)).rounded).max() < 1e-24


def test_refinement_is_for_the_ill_conditioned_and_not_for_large_data():
    ordinary = objective_of(rng.standard_normal((N, 3)), rng.standard_normal(N))
    factor = solved_once(ordinary)[1]
    assert not worth_refining(ordinary, factor)
    assert worth_refining(ordinary, factor, cancellation=1e3)
    large = objective_of(rng.standard_normal((100_000, 3)), rng.standard_normal(100_000))
    assert not worth_refining(large, solved_once(large)[1], cancellation=1e3)


def test_refinement_respects_the_penalty():
    """The penalized solution, not the least-squares one, is the fixed point."""
    X, y = vandermonde()
    precision = np.append(np.full(9, 1e-9), 0.0)
    objective = objective_of(X, y, penalty=GaussianPrior(precision))
    theta, factor = solved_once(objective)
    refined = refine(objective, theta, factor)
    assert factor.squared_norm(objective.exact_gradient(refined)) <= 1e-30
    assert np.abs(refined.rounded - 1).max() > 1e-12, "the prior has moved it"


@pytest.mark.parametrize("size", [1e160, np.inf])
def test_a_curvature_beyond_float64_is_an_error_and_not_an_endless_damping(size):
    objective = objective_of(np.full((N, 2), size), rng.random(N))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="leaves the range of float64"):
        expected_factor(objective, np.zeros(3))


def test_a_curvature_that_is_not_finite_has_no_factor():
    """Not numpy's error about eigenvalues: a search goes on from elsewhere, a fit says that numbers are too large."""
    objective = objective_of(rng.standard_normal((N, 2)), rng.random(N), StudentT(df=3.0))
    block, hessian = objective.data.rows.standardized, np.full((2, 2, N), np.inf)
    with pytest.raises(NotPositiveDefiniteError, match="not finite"):
        LinearPredictors(2, [Terms(), Terms()]).root_rows(block, hessian)
