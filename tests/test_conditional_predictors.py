"""The conditional logit's predictors against explicit Jacobians, and the fit against the multinomial logit."""

import numpy as np
import pytest
from scipy.optimize import minimize

from sklearn_mle import MLELogisticClassifier, _conditional_predictors
from sklearn_mle._conditional_predictors import ConditionalPredictors
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import sum_to_zero_basis
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle._solvers import newton
from sklearn_mle.likelihoods import Categorical
from tests.separated import overlapping

rng = np.random.default_rng(0)
N, K, J = 60, 4, 3
X = rng.standard_normal((N, K * J))
ROWS = DenseRows(X)


@pytest.fixture
def predictors():
    return ConditionalPredictors(K, J)


def jacobian(predictors):
    """d eta_ki / d theta_m, shape (K, n, size), written down from the definition."""
    columns = X.reshape(N, K, J).transpose(1, 0, 2)
    constants = np.broadcast_to(sum_to_zero_basis(K)[:, None], (K, N, K - 1))
    return np.concatenate([columns, constants], axis=2)


def random_theta(predictors, seed=1):
    return np.random.default_rng(seed).standard_normal(predictors.size)


def objective_of(predictors, *, weighted=True):
    y = rng.integers(0, K, N)
    weight = np.random.default_rng(3).random(N) if weighted else None
    return PenalizedNLL(Categorical(K), predictors, Data(ROWS, y, weight, None, K), NoPenalty())


def test_eta_is_linear_in_theta_plus_the_offset(predictors):
    theta = random_theta(predictors)
    expected = jacobian(predictors) @ theta
    offset = rng.standard_normal(expected.shape)
    matrix = predictors.matrix(theta)
    assert matrix.shape == (K, J + 1)
    np.testing.assert_allclose(predictors.eta(ROWS, matrix, None), expected, atol=1e-13)
    np.testing.assert_allclose(predictors.eta(ROWS, matrix, offset), expected + offset, atol=1e-13)
    np.testing.assert_allclose(predictors.theta(matrix), theta, rtol=1e-13)


def test_pull_back_is_the_adjoint(predictors):
    gradient = rng.standard_normal((K, N))
    pulled = predictors.pull_back_theta(predictors.pull_back(ROWS, gradient))
    np.testing.assert_allclose(pulled, np.einsum("kn,knm->m", gradient, jacobian(predictors)), atol=1e-12)
    np.testing.assert_allclose(predictors.pull_back_rows(X, gradient).sum(axis=0), pulled, atol=1e-12)


def test_curvatures_are_sums_over_rows(predictors):
    half = rng.standard_normal((K, K, N))
    hessian = np.einsum("jrn,krn->jkn", half, half)
    J_ = jacobian(predictors)
    expected = np.einsum("jnl,jkn,knm->lm", J_, hessian, J_)
    np.testing.assert_allclose(predictors.curvature(ROWS, hessian), expected, atol=1e-9)
    root = predictors.root_rows(X, hessian)
    np.testing.assert_allclose(root.T @ root, expected, atol=1e-9)
    variance = predictors.quadratic(ROWS, expected)
    np.testing.assert_allclose(variance, np.einsum("jnl,lm,knm->jkn", J_, expected, J_), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("n", [1, N])
def test_the_curvature_is_summed_in_pieces_and_leaves_the_rows_alone(predictors, n, monkeypatch):
    monkeypatch.setattr(_conditional_predictors, "_CACHED", 7 * K * J)
    q, weight = rng.dirichlet(np.ones(K), n).T, rng.random(n)
    rows = DenseRows(X[:n].copy())
    found = predictors.curvature_of_classes(rows, q, weight)
    hessian = weight * (np.einsum("jk,kn->jkn", np.eye(K), q) - np.einsum("jn,kn->jkn", q, q))
    J_ = jacobian(predictors)[:, :n]
    np.testing.assert_allclose(found, np.einsum("jnl,jkn,knm->lm", J_, hessian, J_), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(rows.standardized, X[:n])


@pytest.mark.parametrize("weighted", [False, True])
def test_derivatives_of_the_nll(predictors, weighted):
    objective, theta = objective_of(predictors, weighted=weighted), 0.5 * random_theta(predictors)
    step, units = 1e-6, np.eye(predictors.size)
    slopes = [(objective.value(theta + step * u) - objective.value(theta - step * u)) / (2 * step) for u in units]
    np.testing.assert_allclose(objective.gradient(theta), slopes, rtol=1e-7, atol=1e-7)
    bends = [(objective.gradient(theta + step * u) - objective.gradient(theta - step * u)) / (2 * step) for u in units]
    hessian = objective.hessian(theta)
    np.testing.assert_allclose(hessian, bends, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(objective.hessian_product(theta, units[0]), hessian[0], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(objective.expected_hessian(theta), hessian, rtol=1e-13, atol=1e-13)
    triangle = objective.triangle(theta)
    np.testing.assert_allclose(triangle.T @ triangle, hessian, rtol=1e-10, atol=1e-10)


def test_no_row_moves_farther_than_the_largest_change(predictors):
    step = random_theta(predictors)
    eta = predictors.eta(ROWS, predictors.matrix(step), None)
    moved = np.ptp(eta, axis=0).max()
    assert moved <= predictors.largest_change(step, np.abs(X).max(axis=0)) < 10 * moved


def test_columns_of_single_classes_make_the_multinomial_logit():
    """With each column given to one class at a time, the shared coefficients are those of the classes."""
    columns, y = overlapping(3)
    basis = sum_to_zero_basis(3)
    alternatives = np.einsum("np,kf->nkpf", columns, basis).reshape(len(y), -1)
    predictors = ConditionalPredictors(3, columns.shape[1] * 2)
    objective = PenalizedNLL(Categorical(3), predictors, Data(DenseRows(alternatives), y, None, None, 3), NoPenalty())
    found = minimize(
        objective.value, np.zeros(predictors.size), jac=objective.gradient, hess=objective.hessian, method=newton
    )
    shared = found.x[: predictors.n_columns].reshape(-1, 2)
    reference = MLELogisticClassifier().fit(columns, y)
    assert found.gap < 1e-20 and -found.fun == pytest.approx(reference.log_likelihood_, rel=1e-13)
    np.testing.assert_allclose(basis @ shared.T, reference.coef_, rtol=1e-9)
    np.testing.assert_allclose(basis @ found.x[predictors.n_columns :], reference.intercept_, rtol=1e-9, atol=1e-12)


def test_twice_the_precision_is_refused():
    with pytest.raises(NotImplementedError, match="not refined"):
        ConditionalPredictors(3, 1).exact_matrix(DoubleDouble.of(np.zeros(3)))
