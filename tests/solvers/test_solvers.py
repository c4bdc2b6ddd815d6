"""The contract of every solver, swept over all members, on problems whose solution is constructed."""

import numpy as np
import pytest
from scipy.special import expit

from sklearn_mle._numerics.factors import CholeskyFactor, DiagonalFactor, NotPositiveDefiniteError
from sklearn_mle._solvers import Problem, Status, solve_newton, solve_newton_cg, solve_whitened_lbfgs

rng = np.random.default_rng(0)


def newton(problem, start, *, tol=1e-10, max_iter=100, null_value=None):
    return solve_newton(problem, start, tol=tol, max_iter=max_iter, null_value=null_value)


def newton_cg(problem, start, *, tol=1e-10, max_iter=100, null_value=None):
    factor = DiagonalFactor(diagonal(problem.safe_factor(start)))
    return solve_newton_cg(problem, factor, start, tol=tol, max_iter=max_iter, null_value=null_value)


def whitened_lbfgs(problem, start, *, tol=1e-10, max_iter=100, null_value=None):
    return solve_whitened_lbfgs(problem, problem.safe_factor(start), start, gap=tol, max_iter=max_iter)


SOLVERS = {"newton": newton, "newton-cg": newton_cg, "lbfgs": whitened_lbfgs}


@pytest.fixture(params=SOLVERS)
def solver(request):
    return SOLVERS[request.param]


def diagonal(factor):
    """The diagonal of A from a factor of it, through A^-1 alone."""
    return np.linalg.inv(factor.solve(np.eye(factor.size))).diagonal()


def problem_of(value_and_gradient, hessian, near_hessian=None, **others):
    near_hessian = hessian if near_hessian is None else near_hessian
    return Problem(
        value_and_gradient,
        lambda theta: CholeskyFactor(hessian(theta)),
        lambda theta: CholeskyFactor(near_hessian(theta)),
        lambda theta: lambda vector: hessian(theta) @ vector,
        **others,
    )


def quadratic(decades=3.0, size=9, **others):
    root = rng.standard_normal((3 * size, size)) * np.logspace(-decades, decades, size)
    A, solution = root.T @ root, rng.standard_normal(size) / np.logspace(-decades, decades, size)

    def value_and_gradient(theta):
        pull = A @ (theta - solution)
        return 0.5 * float((theta - solution) @ pull) - 7.0, pull

    return problem_of(value_and_gradient, lambda theta: A, constant_curvature=True, **others), solution, -7.0


def logistic(scale=1.0, **others):
    """Labels are the probabilities of the solution, so the gradient is exactly zero there."""
    X = rng.standard_normal((80, 5)) * [1, 10, 0.01, 1, 100]
    solution = scale * rng.standard_normal(5) / [1, 10, 0.01, 1, 100]
    y = expit(X @ solution)

    def value_and_gradient(theta):
        eta = X @ theta
        return float((np.logaddexp(0, eta) - y * eta).sum()), X.T @ (expit(eta) - y)

    def hessian(theta):
        p = expit(X @ theta)
        return X.T @ (X * (p * (1 - p))[:, None])

    return problem_of(value_and_gradient, hessian, **others), solution, value_and_gradient(solution)[0]


def rosenbrock(**others):
    """Half the squares of (10 (y - x^2), 1 - x): a Hessian that is indefinite, and J'J, which is not."""

    def value_and_gradient(theta):
        x, y = theta
        residual, jacobian = np.array([10 * (y - x * x), 1 - x]), np.array([[-20 * x, 10.0], [-1.0, 0.0]])
        return 0.5 * float(residual @ residual), jacobian.T @ residual

    def hessian(theta):
        x, y = theta
        return np.array([[1 + 600 * x * x - 200 * y, -200 * x], [-200 * x, 100.0]])

    def gauss_newton(theta):
        jacobian = np.array([[-20 * theta[0], 10.0], [-1.0, 0.0]])
        return jacobian.T @ jacobian

    return problem_of(value_and_gradient, hessian, gauss_newton, **others), np.ones(2), 0.0


PROBLEMS = {"quadratic": quadratic, "logistic": logistic}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_constructed_solution_is_reached(solver, name):
    problem, solution, least = PROBLEMS[name]()
    found = solver(problem, np.zeros(len(solution)))
    assert found.status is Status.CONVERGED
    assert found.n_iter >= 1
    value, gradient = problem.value_and_gradient(found.theta)
    assert found.value == value
    np.testing.assert_array_equal(found.gradient, gradient)
    error = found.theta - solution
    curvature = problem.hessian_product(solution)
    # sqrt(2 gap) standard errors, whatever the units.
    assert error @ curvature(error) <= 3e-10
    assert value - least <= 1.5e-10


# L-BFGS's gap is its preconditioner's estimate: right where that is the curvature, which a logistic start's is not.
@pytest.mark.parametrize(
    ("solver", "name"),
    [*((solver, name) for solver in (newton, newton_cg) for name in PROBLEMS), (whitened_lbfgs, "quadratic")],
)
def test_the_gap_is_the_shortfall(solver, name):
    """Stopped early, where there is something to measure."""
    problem, solution, least = PROBLEMS[name]()
    found = solver(problem, np.zeros(len(solution)), tol=1e-3)
    shortfall = problem.value_and_gradient(found.theta)[0] - least
    assert shortfall <= 1.5 * found.gap + 1e-13
    assert found.gap <= 1e-3


@pytest.mark.parametrize("name", PROBLEMS)
def test_newton_s_methods_end_at_rounding(name):
    problem, solution, _ = PROBLEMS[name]()
    found = newton(problem, np.zeros(len(solution)), tol=1e-8)
    np.testing.assert_allclose(found.theta, solution, rtol=1e-12)
    assert found.gap <= 1e-20
    assert 0.5 * found.factor.squared_norm(found.gradient) == pytest.approx(found.gap, rel=1e-6, abs=1e-30)


def test_units_of_the_parameters_do_not_matter(solver):
    """The same data in columns of other units: the same path, in the other units."""
    found = []
    for units in (np.ones(4), np.exp2([-60.0, 0, 30, 90])):
        X = np.random.default_rng(1).standard_normal((50, 4)) * units
        y = np.random.default_rng(2).random(50)

        def value_and_gradient(theta, X=X, y=y):
            eta = X @ theta
            return float((np.logaddexp(0, eta) - y * eta).sum()), X.T @ (expit(eta) - y)

        def hessian(theta, X=X):
            p = expit(X @ theta)
            return X.T @ (X * (p * (1 - p))[:, None])

        found.append(solver(problem_of(value_and_gradient, hessian), np.zeros(4)).theta * units)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6, atol=1e-8)


def test_a_start_at_the_solution_stays_there(solver):
    problem, solution, _ = logistic()
    found = solver(problem, solution.copy(), null_value=problem.value_and_gradient(np.zeros(5))[0])
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-12)
    assert found.gap <= 1e-20


@pytest.mark.parametrize("start", [(-1.2, 1.0), (0.0, 0.0), (0.0, 2.0), (-3.0, -5.0), (5.0, 5.0)])
def test_newton_goes_round_negative_curvature_by_the_safe_factor(start):
    problem, solution, _ = rosenbrock()
    found = newton(problem, np.array(start))
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-9)


def test_the_safe_factor_is_needed_there():
    problem, _, _ = rosenbrock()
    with pytest.raises(NotPositiveDefiniteError):
        problem.factor(np.array([0.0, 2.0]))


def test_newton_cg_goes_round_negative_curvature():
    problem, solution, _ = rosenbrock()
    found = newton_cg(problem, np.array([-1.2, 1.0]))
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-4)


def test_newton_cg_leaves_a_point_where_curvatures_cancel():
    """The gap is what nearly no curvature leaves open; a step that had to gain a part of it would never be found."""

    def value_and_gradient(theta):
        x, y = theta
        return 0.5 * x**2 - 0.5 * y**2 + y**4 / 24, np.array([x, y**3 / 6 - y])

    def hessian(theta):
        return np.diag([1.0, 0.5 * theta[1] ** 2 - 1])

    # Along the gradient the curvatures of both signs sum to a millionth of each.
    y = 0.5
    slope, bend = y - y**3 / 6, 1 - 0.5 * y**2
    start = np.array([slope * np.sqrt(bend) * (1 + 1e-6), y])
    found = solve_newton_cg(
        problem_of(value_and_gradient, hessian),
        DiagonalFactor(np.ones(2)),
        start,
        tol=1e-10,
        max_iter=100,
        null_value=None,
    )
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(np.abs(found.theta), [0, np.sqrt(6)], atol=1e-5)


def test_the_tolerance_is_a_part_of_a_small_gain_over_the_null_model():
    problem, _, least = logistic()

    def solve(gain):
        return solve_newton(problem, np.zeros(5), tol=1.0, max_iter=100, null_value=least + gain, polish=0)

    loose, tight = solve(1e3), solve(1e-12)
    assert loose.status is tight.status is Status.CONVERGED
    assert tight.gap <= 1e-12 < loose.gap <= 1


def test_max_iter_ends_a_solve_and_says_so(solver):
    problem, _, least = logistic(scale=4.0)
    start = np.zeros(5)
    found = solver(problem, start, max_iter=1)
    assert found.status is Status.MAX_ITER
    assert found.n_iter == 1
    shortfall = found.value - least
    assert 0 < shortfall < problem.value_and_gradient(start)[0] - least, "it is a step in the right direction"
    assert found.gap > 1e-10


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_the_observer_sees_every_iteration_and_can_stop_them(solver, calls):
    seen = []

    def observer(theta):
        seen.append(theta.copy())
        return len(seen) == calls

    problem, _, least = logistic(scale=4.0, observer=observer)
    found = solver(problem, np.zeros(5))
    assert found.status is Status.STOPPED
    assert len(seen) == found.n_iter == calls
    np.testing.assert_array_equal(found.theta, seen[-1])
    assert np.isfinite(found.gap) and found.gap > 0
    assert found.value > least


def test_an_observer_that_never_stops_is_called_once_an_iteration(solver):
    seen = []
    problem, _, _ = logistic(observer=lambda theta: seen.append(theta) is not None)
    found = solver(problem, np.zeros(5))
    assert found.status is Status.CONVERGED
    # The last iterate may be accepted without being shown: the gap is tested first.
    assert found.n_iter - 1 <= len(seen) <= found.n_iter


def with_an_edge(beyond):
    """F = x - log x has its minimum at one; from 3 the Newton step leads below zero, where there is no F."""

    def value_and_gradient(theta):
        x = float(theta[0])
        return (x - np.log(x), np.array([1 - 1 / x])) if x > 0 else (beyond, np.array([beyond]))

    return problem_of(value_and_gradient, lambda theta: np.array([[theta[0] ** -2.0]]))


@pytest.mark.parametrize("beyond", [np.inf, np.nan])
@pytest.mark.parametrize("solver", [newton, newton_cg])
def test_a_step_too_far_is_shortened(solver, beyond):
    found = solver(with_an_edge(beyond), np.array([3.0]))
    assert found.status is Status.CONVERGED
    assert found.theta[0] == pytest.approx(1.0, abs=2e-5)


@pytest.mark.parametrize("beyond", [np.inf, np.nan])
def test_lbfgs_gives_up_honestly_after_a_step_too_far(beyond):
    """L-BFGS-B ends where F does; then the best point so far is returned, and is not called the minimum."""
    found = whitened_lbfgs(with_an_edge(beyond), np.array([3.0]))
    assert found.value <= 3 - np.log(3)
    assert (found.status is Status.CONVERGED) is (found.gap <= 1e-10)
    assert found.gap > 0 or found.theta[0] == 1


def test_where_rounding_hides_the_decrease_the_gradient_decides():
    """A minimum of 1e12: a gap of 1e-6 is below the rounding of F, not below that of the gradient."""
    problem, solution, _ = logistic()

    def lifted(theta):
        value, gradient = problem.value_and_gradient(theta)
        return value + 1e12, gradient

    high = Problem(lifted, problem.factor, problem.safe_factor, problem.hessian_product)
    found = newton(high, np.zeros(5), tol=1e-10, null_value=np.inf)
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-9)


def test_a_constant_curvature_is_factored_once():
    problem, solution, _ = quadratic()
    calls = []

    def counted(theta):
        calls.append(theta)
        return problem.factor(theta)

    once = Problem(
        problem.value_and_gradient, counted, problem.safe_factor, problem.hessian_product, constant_curvature=True
    )
    np.testing.assert_allclose(newton(once, np.zeros(9)).theta, solution, rtol=1e-9)
    assert len(calls) == 1


def test_a_step_is_tried_at_the_length_that_the_problem_knows():
    """A curvature twice too large makes steps half as long; taken twofold, one ends at the solution."""
    problem, solution, _ = quadratic(decades=0.0)

    def solve(**others):
        def doubled(theta):
            return problem.factor(theta).times(2.0)

        slow = Problem(problem.value_and_gradient, doubled, doubled, problem.hessian_product, **others)
        return newton(slow, np.zeros(9), tol=1e-8)

    found = solve(length=lambda theta, step: 2.0)
    np.testing.assert_allclose(found.theta, solution, rtol=1e-9)
    assert found.n_iter <= 2
    assert solve().n_iter > 10


def test_a_length_that_goes_too_far_is_halved():
    problem, solution, _ = logistic(length=lambda theta, step: 64.0)
    found = newton(problem, np.zeros(5))
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-7)


def test_where_the_curvature_says_nothing_of_how_far_steps_are_doubled():
    """A slope of one for 1e6 units: by a curvature of one that is as many steps, by doubled ones it is few."""
    passes = []

    def value_and_gradient(theta):
        passes.append(theta)
        height = np.hypot(1, theta[0] - 1e6)
        return height, (theta - 1e6) / height

    found = newton(problem_of(value_and_gradient, lambda theta: np.eye(1)), np.zeros(1))
    assert found.status is Status.CONVERGED and found.theta[0] == pytest.approx(1e6, abs=1e-4)
    assert len(passes) < 100


def test_a_step_that_ends_at_the_solution_is_not_tried_longer():
    problem, solution, _ = quadratic()
    passes = []

    def counted(theta):
        passes.append(theta)
        return problem.value_and_gradient(theta)

    once = Problem(counted, problem.factor, problem.safe_factor, problem.hessian_product, constant_curvature=True)
    found = solve_newton(once, np.zeros(9), tol=1e-8, max_iter=9, null_value=None, polish=0)
    np.testing.assert_allclose(found.theta, solution, rtol=1e-7)
    assert len(passes) == 1 + found.n_iter


def test_preconditioned_by_the_curvature_at_the_solution_lbfgs_is_nearly_newton():
    problem, solution, _ = logistic(scale=3.0)
    found = solve_whitened_lbfgs(problem, problem.factor(solution), solution * 0.9, gap=1e-10, max_iter=100)
    assert found.status is Status.CONVERGED
    assert found.n_iter <= 8


def test_a_poor_preconditioner_costs_iterations_not_accuracy():
    problem, solution, _ = logistic()
    poor = CholeskyFactor(np.diag(problem.safe_factor(solution).solve(np.eye(5)).diagonal() ** -1 * [1, 30, 0.1, 5, 1]))
    found = solve_newton_cg(problem, poor, np.zeros(5), tol=1e-10, max_iter=100, null_value=None)
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-4)


def test_every_status_says_what_happened():
    messages = [status.message for status in Status]
    assert len(set(messages)) == len(messages) == 5
    assert "increase max_iter" in Status.MAX_ITER.message
