"""The interior point for check losses, active sets and the whole minimizer, on problems whose solution is known."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from sklearn_mle._predictors import LinearPredictors, Terms
from sklearn_mle._quantile.active_set import ActiveSet, _shortest, nearest_to_zero
from sklearn_mle._quantile.check_loss import CheckLoss
from sklearn_mle._quantile.interior_point import interior_point
from sklearn_mle._quantile.minimize import minimize_check_loss, with_same_zeros
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle._solvers import Status, callback_of

LOWER, UPPER = -0.3, 0.7


def unwatched(theta):
    return False


def problem_of(A, y, weight=None, precision=0.0, **others):
    """The check loss of dense rows A, which hold all columns there are."""
    predictors = LinearPredictors(A.shape[1], [Terms(True, False)])
    precision = np.broadcast_to(precision, A.shape[1]).copy()
    return CheckLoss(Data(DenseRows(A), y, weight), predictors, LOWER, UPPER, precision, **others)


def make(seed, n=60, size=4):
    rng = np.random.default_rng(seed)
    A = np.column_stack([rng.standard_normal((n, size - 1)), np.ones(n)])
    weight = 10 ** rng.uniform(-3, 3, n)
    return A, A @ rng.standard_normal(size) + rng.standard_t(2, n), weight


def solve(problem, start=None, max_iter=60, observer=unwatched):
    start = np.zeros(problem.predictors.size) if start is None else start
    options = {"problem": problem, "tol": 1e-13, "maxiter": max_iter}
    callback = callback_of(observer)
    return minimize(problem.value, start, method=interior_point, callback=callback, options=options)


def loss_of(A, y, weight, theta):
    residual = y - A @ theta
    return float(np.maximum(LOWER * residual, UPPER * residual) @ weight)


def dual_value(A, y, weight):
    bounds = np.column_stack([LOWER * weight, UPPER * weight])
    return -linprog(-y, A_eq=A.T, b_eq=np.zeros(A.shape[1]), bounds=bounds).fun


@pytest.mark.parametrize("seed", range(10))
def test_the_interior_point_ends_where_the_linear_program_does(seed):
    A, y, weight = make(seed)
    lower, upper = LOWER * weight, UPPER * weight
    found = solve(problem_of(A, y, weight))
    assert found.status is Status.CONVERGED
    assert loss_of(A, y, weight, found.x) == pytest.approx(dual_value(A, y, weight), rel=1e-9)
    assert ((lower <= found.dual) & (found.dual <= upper)).all()
    np.testing.assert_allclose(A.T @ found.dual, 0, atol=1e-9 * upper.sum())
    residual = np.abs(y - A @ found.x)
    assert (residual[found.at_zero] <= 1e-8).all()
    # Four rows are at zero in the end. The gap bounds each residual times its subgradient's distance from the ends, so
    # that a row whose subgradient is near one may not be told yet: which rows are depends on rounding.
    four = np.argsort(residual)[:4]
    inside = np.minimum(upper - found.dual, found.dual - lower)
    assert (residual * inside)[four].max() <= 1e-9 * dual_value(A, y, weight)
    assert found.at_zero[four[inside[four] > 1e-3 * weight[four]]].all() and found.at_zero.sum() <= 4


@pytest.mark.parametrize("seed", range(10))
def test_the_minimizer_is_that_of_the_linear_program_and_proves_it(seed):
    A, y, weight = make(seed)
    found = minimize_check_loss(problem_of(A, y, weight), 60, unwatched)
    bound = dual_value(A, y, weight)
    assert found.loss == pytest.approx(loss_of(A, y, weight, found.theta), rel=1e-13)
    assert found.loss == pytest.approx(bound, rel=1e-9) and 0 <= found.gap <= 1e-12 * bound
    assert len(found.at_zero) == 4
    np.testing.assert_allclose(A[found.at_zero] @ found.theta, y[found.at_zero], atol=1e-12)


def test_a_prior_is_minimized_with_the_losses():
    A, y, weight = make(4)
    problem = problem_of(A, y, weight, [50.0, 0.0, 3.0, 0.0])
    found = minimize_check_loss(problem, 60, unwatched)
    assert found.status is Status.CONVERGED
    assert found.gap < 1e-9 * found.loss
    np.testing.assert_allclose(A.T @ found.dual, problem.smooth_gradient(found.theta), atol=1e-9 * weight.sum())
    best = problem.value(found.theta)
    for step in np.random.default_rng(0).standard_normal((200, 4)) * 1e-3:
        assert problem.value(found.theta + step) > best


def test_rows_at_zero_that_stay_under_other_weights_are_proved_and_others_are_not():
    A, y, weight = make(5)
    found = minimize_check_loss(problem_of(A, y, weight), 60, unwatched)
    near = problem_of(A, y, weight * (1 + 1e-6 * np.arange(len(y))))
    again = with_same_zeros(near, found)
    np.testing.assert_allclose(again.theta, found.theta, rtol=1e-12)
    assert again.gap <= 1e-12 * again.loss
    reversed_weights = problem_of(A, y, weight[::-1].copy())
    bound = dual_value(A, y, weight[::-1])
    far = with_same_zeros(reversed_weights, found)
    assert far.loss - bound <= far.gap * (1 + 1e-9) and far.gap > 1e-3 * bound


def test_weights_over_many_decades_need_the_triangle():
    A, y, weight = make(3)
    heavy = np.where(np.arange(len(y)) < 2, 1e13, 1.0)
    start = np.linalg.lstsq(A * np.sqrt(heavy)[:, None], y * np.sqrt(heavy))[0]
    found = solve(problem_of(A, y, weight * heavy), start, max_iter=100)
    lower, upper = LOWER * weight * heavy, UPPER * weight * heavy
    assert found.at_zero.sum() == 4
    assert found.at_zero[:2].all()
    # What rounding leaves of the heavy rows' subgradients, the active set repairs.
    zero = found.at_zero
    dual = np.where(zero, 0, found.dual)
    dual[zero] = ActiveSet(A[zero], y[zero]).dual(-A.T @ dual, found.dual[zero], np.ones(4))
    np.testing.assert_allclose(A.T @ dual, 0, atol=1e-12 * upper.sum())
    assert ((lower <= dual) & (dual <= upper)).all()


def test_the_gap_is_that_of_the_conjugate():
    """phi*(a) of a quadratic is a^2 / (2 lambda); what a linear part misses counts by the fitted values' size."""
    A, y = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([2.0, 1.0])
    problem, theta = problem_of(A, y, None, [2.0, 0.0]), np.array([0.5, 0.5])
    dual = np.array([0.1, 0.2])
    found = problem.judge(theta, dual, np.arange(0), Status.CONVERGED, 1)
    # The residuals are 1.5 and 0, the loss 1.05; the dual bound of the first column is y'a - (A'a)_1^2 / 4.
    assert found.loss == pytest.approx(1.05, rel=1e-15)
    radius = 2 * 1.05 / (0.3 * 2)
    bound = 2 * 0.1 + 1 * 0.2 - 0.3**2 / 4
    # The second column's defect of 0.2 counts with the radius in place of theta_2.
    assert found.gap == pytest.approx(problem.value(theta) - bound + 0.2 * (radius + 0.5), rel=1e-14)


def test_no_iterations_allowed_and_an_observer_that_stops():
    A, y, weight = make(1)
    assert solve(problem_of(A, y, weight), max_iter=0).status is Status.MAX_ITER
    seen = []

    def observer(theta):
        seen.append(theta)
        return len(seen) == 3

    stopped = solve(problem_of(A, y, weight), observer=observer)
    assert stopped.status is Status.STOPPED
    assert stopped.nit == 3
    np.testing.assert_array_equal(stopped.x, seen[-1])


def test_dependent_columns_end_at_rounding_or_the_optimum():
    A, y, weight = make(2)
    assert np.isfinite(solve(problem_of(np.column_stack([A, A[:, 0]]), y, weight)).x).all()


def test_a_vertex_is_solved_for():
    rng = np.random.default_rng(0)
    rows, theta = rng.standard_normal((3, 3)), np.array([1.0, -2, 3])
    active = ActiveSet(rows, rows @ theta)
    assert active.directions.shape == (3, 0)
    np.testing.assert_allclose(active.nearest(theta + 0.1), theta, rtol=1e-13)


def test_an_edge_keeps_the_nearest_point_and_its_directions():
    rows = np.array([[1.0, 0, 1], [1.0, 0, 1]])
    active = ActiveSet(rows, np.array([2.0, 2.0]))
    assert active.directions.shape == (3, 2)
    np.testing.assert_allclose(rows @ active.directions, 0, atol=1e-15)
    np.testing.assert_allclose(active.nearest(np.array([2.0, 5, 2])), [1, 5, 1], rtol=1e-14)


def test_in_a_face_a_prior_has_its_minimizer():
    active, precision = ActiveSet(np.array([[1.0, 1.0]]), np.array([1.0])), np.array([1.0, 3.0])
    found = active.minimizer(precision, np.zeros(2), active.nearest(np.zeros(2)))
    np.testing.assert_allclose(found, [0.75, 0.25], rtol=1e-14)


def test_the_dual_of_an_active_set_balances_what_pulls():
    rng = np.random.default_rng(0)
    rows, pull = rng.standard_normal((6, 3)), rng.standard_normal(3)
    dual = ActiveSet(rows, np.zeros(6)).dual(-pull, np.zeros(6), np.full(6, 0.5))
    np.testing.assert_allclose(rows.T @ dual, -pull, atol=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_the_shortest_vector_within_bounds(seed):
    rng = np.random.default_rng(seed)
    norm, shift = rng.standard_normal((4, 2)), rng.standard_normal(4)
    rows, bound = rng.standard_normal((7, 2)), rng.uniform(0.05, 0.4, 7)
    found = nearest_to_zero(norm, shift, rows, bound)
    assert (rows @ found <= bound + 1e-12).all()
    length = np.linalg.norm(norm @ found + shift)
    grid = np.stack(np.meshgrid(*[np.linspace(-2, 2, 401)] * 2), axis=-1).reshape(-1, 2)
    allowed = grid[(grid @ rows.T <= bound).all(axis=1)]
    assert length <= np.linalg.norm(allowed @ norm.T + shift, axis=1).min() + 1e-9


def test_no_shortest_vector_where_a_direction_has_no_length():
    assert nearest_to_zero(np.zeros((2, 1)), np.zeros(2), np.ones((1, 1)), np.ones(1)) is None


def test_no_shortest_vector_where_the_bounds_exclude_each_other():
    rows, bound = np.array([[1.0], [-1.0]]), np.array([-1.0, -1.0])
    assert nearest_to_zero(np.ones((1, 1)), np.zeros(1), rows, bound) is None


def test_rows_that_the_first_of_the_shortest_changes_crosses_join():
    """A thousand rows that are nearer to their bounds are looked at first, and none of them stops the change at 5."""
    rows = np.concatenate([np.full((1500, 1), -1.0), [[1.0]]])
    bound = np.append(np.linspace(0.1, 1.0, 1500), 5.0)
    change = _shortest(np.eye(1), np.array([-10.0]), rows, bound)
    np.testing.assert_allclose(change, [5.0], rtol=1e-12)
