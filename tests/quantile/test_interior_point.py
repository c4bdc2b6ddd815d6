"""The interior point for check losses, and the optimal face, on problems whose solution is known."""

import numpy as np
import pytest
from scipy.optimize import linprog

from sklearn_mle._numerics.factors import triangle_of
from sklearn_mle._quantile.active_set import Face, nearest_to_zero
from sklearn_mle._quantile.interior_point import CheckLossProblem, SmoothPart, solve_check_loss
from sklearn_mle._solvers import Status


def problem_of(A, y, lower, upper, smooth=None, observer=lambda theta: False):
    size = A.shape[1]
    return CheckLossProblem(
        y,
        lower,
        upper,
        lambda theta: A @ theta,
        lambda values: A.T @ values,
        lambda values: A.T @ (A * values[:, None]),
        lambda values: triangle_of(A * np.sqrt(values)[:, None]),
        SmoothPart(np.zeros(size), np.zeros(size)) if smooth is None else smooth,
        observer,
    )


def make(seed, n=60, size=4):
    rng = np.random.default_rng(seed)
    A = np.column_stack([rng.standard_normal((n, size - 1)), np.ones(n)])
    weight = 10 ** rng.uniform(-3, 3, n)
    return A, A @ rng.standard_normal(size) + rng.standard_t(2, n), -0.3 * weight, 0.7 * weight


def loss_of(A, y, lower, upper, theta):
    residual = y - A @ theta
    return float(np.maximum(lower * residual, upper * residual).sum())


def dual_value(A, y, lower, upper):
    return -linprog(-y, A_eq=A.T, b_eq=np.zeros(A.shape[1]), bounds=np.column_stack([lower, upper])).fun


@pytest.mark.parametrize("seed", range(10))
def test_the_interior_point_ends_where_the_linear_program_does(seed):
    A, y, lower, upper = make(seed)
    found = solve_check_loss(problem_of(A, y, lower, upper), np.zeros(4), tol=1e-13, max_iter=60)
    assert found.status is Status.CONVERGED
    assert loss_of(A, y, lower, upper, found.theta) == pytest.approx(dual_value(A, y, lower, upper), rel=1e-9)
    assert ((lower <= found.dual) & (found.dual <= upper)).all()
    np.testing.assert_allclose(A.T @ found.dual, 0, atol=1e-9 * upper.sum())
    residual = np.abs(y - A @ found.theta)
    assert (residual[found.at_zero] <= 1e-8).all()
    # Four rows are at zero in the end. The gap bounds each residual times its subgradient's distance from the ends, so
    # that a row whose subgradient is near one may not be told yet: which rows are depends on rounding.
    four = np.argsort(residual)[:4]
    inside = np.minimum(upper - found.dual, found.dual - lower)
    assert (residual * inside)[four].max() <= 1e-9 * dual_value(A, y, lower, upper)
    assert found.at_zero[four[inside[four] > 1e-3 * (upper - lower)[four]]].all() and found.at_zero.sum() <= 4


def test_weights_over_many_decades_need_the_triangle():
    A, y, lower, upper = make(3)
    heavy = np.where(np.arange(len(y)) < 2, 1e13, 1.0)
    start = np.linalg.lstsq(A * np.sqrt(heavy)[:, None], y * np.sqrt(heavy))[0]
    found = solve_check_loss(problem_of(A, y, lower * heavy, upper * heavy), start, tol=1e-13, max_iter=100)
    assert found.at_zero.sum() == 4
    assert found.at_zero[:2].all()
    # What rounding leaves of the heavy rows' subgradients, the optimal face repairs.
    zero = found.at_zero
    dual = np.where(zero, 0, found.dual)
    smooth = SmoothPart(A.T @ dual, np.zeros(4))
    dual[zero] = Face(A[zero], y[zero]).dual(smooth, found.theta, found.dual[zero], np.ones(4))
    np.testing.assert_allclose(A.T @ dual, 0, atol=1e-12 * upper.sum())
    assert ((lower * heavy <= dual) & (dual <= upper * heavy)).all()


def test_a_quadratic_and_a_logarithm_are_minimized_with_the_losses():
    rng = np.random.default_rng(0)
    n, total = 80, 80.0
    X = rng.standard_normal((n, 3))
    y = X @ [1.0, -1, 0.5] + rng.laplace(size=n)
    A = np.column_stack([X, np.ones(n), -y])  # residuals of y times the last parameter
    smooth = SmoothPart(np.zeros(5), np.array([2.0, 2, 2, 0, 0]), total)
    found = solve_check_loss(
        problem_of(A, np.zeros(n), -np.ones(n), np.ones(n), smooth), np.array([0, 0, 0, 0, 1.0]), tol=1e-13, max_iter=60
    )
    assert found.status is Status.CONVERGED
    theta = found.theta
    np.testing.assert_allclose(A.T @ found.dual, smooth.gradient(theta), atol=1e-9)
    gap = float(np.sum(np.abs(A @ theta) + found.dual * (A @ theta))) + smooth.gap(theta, A.T @ found.dual, 1.0)
    assert gap < 1e-8

    def objective(t):
        return float(np.abs(A @ t).sum()) + smooth.value(t)

    for step in rng.standard_normal((200, 5)) * 1e-3:
        assert objective(theta + step) > objective(theta)


def test_the_gap_of_the_smooth_part_is_that_of_its_conjugate():
    smooth = SmoothPart(np.array([1.0, 0.0]), np.array([2.0, 0.0]), 3.0)
    theta, pull = np.array([0.5, 2.0]), np.array([0.7, -1.0])
    # phi* of the quadratic: (pull + 1)^2 / 4; of -3 log t: -3 - 3 log(1/3).
    conjugate = 1.7**2 / 4 + (-3 - 3 * np.log(1 / 3))
    assert smooth.gap(theta, pull, 1.0) == pytest.approx(smooth.value(theta) + conjugate - theta @ pull, abs=1e-14)
    assert smooth.gap(theta, smooth.gradient(theta), 1.0) == pytest.approx(0, abs=1e-15)
    assert smooth.gap(theta, np.array([0.7, 5.0]), 1.0) == np.inf  # the logarithm is unbounded against such a pull
    plain = SmoothPart(np.zeros(1), np.zeros(1))
    assert plain.gap(np.zeros(1), np.array([0.25]), 4.0) == 1.0


def test_no_iterations_allowed_and_an_observer_that_stops():
    A, y, lower, upper = make(1)
    assert (
        solve_check_loss(problem_of(A, y, lower, upper), np.zeros(4), tol=1e-13, max_iter=0).status is Status.MAX_ITER
    )
    seen = []

    def observer(theta):
        seen.append(theta)
        return len(seen) == 3

    stopped = solve_check_loss(problem_of(A, y, lower, upper, observer=observer), np.zeros(4), tol=1e-13, max_iter=60)
    assert stopped.status is Status.STOPPED
    assert stopped.n_iter == 3
    np.testing.assert_array_equal(stopped.theta, seen[-1])


def test_dependent_columns_end_at_rounding_or_the_optimum():
    A, y, lower, upper = make(2)
    doubled = np.column_stack([A, A[:, 0]])
    found = solve_check_loss(problem_of(doubled, y, lower, upper), np.zeros(5), tol=1e-13, max_iter=60)
    assert np.isfinite(found.theta).all()


def test_a_vertex_is_solved_for():
    rng = np.random.default_rng(0)
    rows, theta = rng.standard_normal((3, 3)), np.array([1.0, -2, 3])
    face = Face(rows, rows @ theta)
    assert face.directions.shape == (3, 0)
    np.testing.assert_allclose(face.nearest(theta + 0.1), theta, rtol=1e-13)


def test_an_edge_keeps_the_nearest_point_and_its_directions():
    rows = np.array([[1.0, 0, 1], [1.0, 0, 1]])
    face = Face(rows, np.array([2.0, 2.0]))
    assert face.directions.shape == (3, 2)
    np.testing.assert_allclose(rows @ face.directions, 0, atol=1e-15)
    np.testing.assert_allclose(face.nearest(np.array([2.0, 5, 2])), [1, 5, 1], rtol=1e-14)


def test_in_a_face_a_curved_part_has_its_minimizer():
    face = Face(np.array([[1.0, 1.0]]), np.array([1.0]))
    smooth = SmoothPart(np.zeros(2), np.array([1.0, 3.0]))
    np.testing.assert_allclose(face.least(smooth, face.nearest(np.zeros(2))), [0.75, 0.25], rtol=1e-14)


def test_the_dual_of_a_face_balances_what_pulls():
    rng = np.random.default_rng(0)
    rows, linear = rng.standard_normal((6, 3)), rng.standard_normal(3)
    smooth = SmoothPart(linear, np.zeros(3))
    dual = Face(rows, np.zeros(6)).dual(smooth, np.zeros(3), np.zeros(6), np.full(6, 0.5))
    np.testing.assert_allclose(rows.T @ dual, -linear, atol=1e-14)


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
