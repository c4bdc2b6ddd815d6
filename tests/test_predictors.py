"""theta <-> linear predictors against explicit matrices: layout, adjoint, curvature and its root."""

import numpy as np
import pytest

from sklearn_mle import _predictors
from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle._rows import DenseRows
from tests.separated import objective_of, overlapping

rng = np.random.default_rng(0)
N, P = 40, 5
X = rng.standard_normal((N, P))
ROWS = DenseRows(X)
SOME = np.array([0, 3])
MEMBERS = {
    "one": LinearPredictors(P, [Terms()]),
    "no intercept": LinearPredictors(P, [Terms(True, False)]),
    "active columns": LinearPredictors(P, [Terms(active=SOME)]),
    "location and constant scale": LinearPredictors(P, [Terms(), Terms(columns=False)]),
    "location without intercept, scale": LinearPredictors(P, [Terms(True, False, SOME), Terms()]),
    "two sets of columns": LinearPredictors(P, [Terms(active=SOME), Terms(active=np.array([1]))]),
    "four classes": LinearPredictors(P, [Terms()] * 3, sum_to_zero_basis(4)),
    "four classes, no intercept": LinearPredictors(P, [Terms(True, False)] * 3, sum_to_zero_basis(4)),
    "four classes, active columns": LinearPredictors(P, [Terms(active=SOME)] * 3, sum_to_zero_basis(4)),
    "no columns": LinearPredictors(0, [Terms(), Terms(columns=False)]),
    "no columns at work": LinearPredictors(P, [Terms(columns=False), Terms(columns=False)]),
}


@pytest.fixture(params=MEMBERS)
def predictors(request):
    return MEMBERS[request.param]


def rows_of(predictors):
    return ROWS if predictors.n_columns else DenseRows(X[:, :0])


def jacobian(predictors):
    """d eta_ji / d theta_m, shape (q, n, size), written down from the definition."""
    augmented = np.column_stack([X[:, : predictors.n_columns], np.ones(N)])
    contrast = np.eye(len(predictors.terms)) if predictors.contrast is None else predictors.contrast
    columns = []
    for k, term in enumerate(predictors.terms):
        active = range(predictors.n_columns) if term.active is None else term.active
        parameters = [*(active if term.columns else []), *([predictors.n_columns] if term.intercept else [])]
        columns += [np.multiply.outer(contrast[:, k], augmented[:, m]) for m in parameters]
    return np.stack(columns, axis=-1)


def random_theta(predictors, seed=1):
    return np.random.default_rng(seed).standard_normal(predictors.size)


def test_size_counts_the_parameters(predictors):
    assert predictors.size == jacobian(predictors).shape[2]


def test_eta_is_linear_in_theta_plus_the_offset(predictors):
    theta = random_theta(predictors)
    expected = jacobian(predictors) @ theta
    offset = rng.standard_normal(expected.shape)
    matrix = predictors.matrix(theta)
    np.testing.assert_allclose(predictors.eta(rows_of(predictors), matrix, None), expected, atol=1e-13)
    kept = offset.copy()
    np.testing.assert_allclose(predictors.eta(rows_of(predictors), matrix, offset), expected + offset, atol=1e-13)
    np.testing.assert_array_equal(offset, kept)


def test_theta_and_matrix_are_inverse(predictors):
    theta = random_theta(predictors)
    matrix = predictors.matrix(theta)
    q = len(predictors.terms) if predictors.contrast is None else len(predictors.contrast)
    assert matrix.shape == (q, predictors.n_columns + 1)
    np.testing.assert_allclose(predictors.theta(matrix), theta, rtol=1e-14)


def test_theta_is_the_projection_of_a_matrix_that_no_theta_has(predictors):
    matrix = rng.standard_normal(predictors.matrix(random_theta(predictors)).shape)
    nearest = predictors.theta(matrix)
    distance = np.square(predictors.matrix(nearest) - matrix).sum()
    for seed in range(5):
        other = nearest + 0.1 * random_theta(predictors, seed)
        assert np.square(predictors.matrix(other) - matrix).sum() > distance


def test_pull_back_is_the_adjoint(predictors):
    theta = random_theta(predictors)
    eta = predictors.eta(rows_of(predictors), predictors.matrix(theta), None)
    gradient = rng.standard_normal(eta.shape)
    pulled = predictors.pull_back_theta(predictors.pull_back(rows_of(predictors), gradient))
    np.testing.assert_allclose(pulled, np.einsum("jn,jnm->m", gradient, jacobian(predictors)), atol=1e-12)
    assert pulled @ theta == pytest.approx((gradient * eta).sum(), abs=1e-11)


def rowwise_hessian(predictors, *, semidefinite):
    q = len(predictors.terms) if predictors.contrast is None else len(predictors.contrast)
    half = rng.standard_normal((q, q, N))
    if predictors.contrast is not None:
        half -= half.mean(axis=0)  # a change of all classes alike changes nothing, so the Hessian's rows sum to zero
        half = half if semidefinite else half - half.mean(axis=1, keepdims=True)
    return np.einsum("jrn,krn->jkn", half, half) if semidefinite else half + half.transpose(1, 0, 2)


def curvature_of(predictors, hessian):
    return predictors.pull_back_curvature(predictors.curvature(rows_of(predictors), hessian))


@pytest.mark.parametrize("semidefinite", [True, False])
def test_curvature_is_the_sum_over_rows(predictors, semidefinite):
    hessian = rowwise_hessian(predictors, semidefinite=semidefinite)
    J = jacobian(predictors)
    expected = np.einsum("jnl,jkn,knm->lm", J, hessian, J)
    kept = hessian.copy()
    np.testing.assert_allclose(curvature_of(predictors, hessian), expected, atol=1e-10)
    np.testing.assert_array_equal(hessian, kept)


def test_root_rows_are_a_root_of_the_curvature(predictors):
    hessian = rowwise_hessian(predictors, semidefinite=True)
    root = predictors.root_rows(rows_of(predictors).standardized, hessian)
    assert root.shape == (len(predictors.terms) * N, predictors.size)
    np.testing.assert_allclose(root.T @ root, curvature_of(predictors, hessian), atol=1e-10)


@pytest.mark.parametrize("n_classes", [2, 3, 10, 200])
def test_the_basis_is_orthonormal_and_sums_to_zero(n_classes):
    basis = sum_to_zero_basis(n_classes)
    assert basis.shape == (n_classes, n_classes - 1)
    np.testing.assert_allclose(basis.T @ basis, np.eye(n_classes - 1), atol=1e-13)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-13)


def test_a_penalty_on_theta_is_one_on_the_classes_coefficients():
    predictors = MEMBERS["four classes"]
    theta = random_theta(predictors)
    matrix = predictors.matrix(theta)
    assert np.square(matrix).sum() == pytest.approx(theta @ theta, rel=1e-13)
    np.testing.assert_allclose(matrix.sum(axis=0), 0, atol=1e-14)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_theta_of_twice_the_precision_keeps_it(name):
    predictors = MEMBERS[name]
    theta, small = random_theta(predictors), random_theta(predictors)
    matrix = predictors.exact_matrix(DoubleDouble(theta, 2.0**-60 * small))
    np.testing.assert_allclose(matrix.rounded, predictors.matrix(theta), rtol=1e-14, atol=1e-15)
    beyond = (matrix - predictors.exact_matrix(DoubleDouble.of(theta))).rounded
    np.testing.assert_allclose(2.0**60 * beyond, predictors.matrix(small), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("contrast", [None, sum_to_zero_basis(4)])
def test_no_row_moves_farther_than_the_largest_change(contrast):
    rng = np.random.default_rng(11)
    X = rng.standard_normal((300, 5))
    predictors = LinearPredictors(5, [Terms()] * (1 if contrast is None else 3), contrast)
    step = rng.standard_normal(predictors.size)
    eta = predictors.eta(DenseRows(X), predictors.matrix(step), None)
    moved = np.abs(eta[0]) if contrast is None else np.ptp(eta, axis=0)
    bound = predictors.largest_change(step, np.abs(X).max(axis=0))
    assert moved.max() <= bound < 10 * moved.max()
    # And one row that has every largest entry, with the signs of the step, moves as far as that.
    signs = np.sign(predictors.matrix(step)[0, :-1]) * np.sign(predictors.matrix(step)[0, -1])
    worst = np.abs(X).max(axis=0) * signs
    if contrast is None:
        reached = predictors.eta(DenseRows(worst[None]), predictors.matrix(step), None)
        assert abs(reached[0, 0]) == pytest.approx(bound, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_many_classes_have_the_curvature_of_few(weighted, monkeypatch):
    """Beyond a hundred classes it is one product of all classes, in place of one for each pair."""
    X, y = overlapping(7, n=400)
    weight = np.random.default_rng(1).random(len(y)) if weighted else None
    objective = objective_of(X, y, 7, weight)
    theta = np.random.default_rng(2).standard_normal(objective.predictors.size)
    expected = objective.hessian(theta)
    pairs = objective.predictors.curvature(objective.data.rows, objective.likelihood.hessian(y, np.zeros((7, len(y)))))
    pulled = objective.predictors.pull_back_curvature(pairs)
    # Sums of 400 terms, in another order: 400 eps of the largest entry.
    tolerance = 400 * np.finfo(float).eps * np.abs(expected).max()
    with monkeypatch.context() as several:
        several.setattr(_predictors, "_SEVERAL_CLASSES", 5)
        np.testing.assert_allclose(objective.predictors.pull_back_curvature(pairs), pulled, rtol=0, atol=tolerance)
    monkeypatch.setattr(_predictors, "_MANY_CLASSES", 5)
    for found in (objective.hessian(theta), objective.expected_hessian(theta)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    value, gradient = objective.value_gradient_hessian(theta)
    assert value == objective.value_and_gradient(theta)[0]
    np.testing.assert_array_equal(gradient, objective.value_and_gradient(theta)[1])
    np.testing.assert_allclose(objective.hessian(theta), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(objective.predictors.pull_back_curvature(pairs), pulled, rtol=0, atol=tolerance)
