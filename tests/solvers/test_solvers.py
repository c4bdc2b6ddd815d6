"""The contract of every solver, swept over all members, on problems whose solution is constructed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit

from sklearn_mle._numerics.factors import CholeskyFactor, DiagonalFactor, NotPositiveDefiniteError
from sklearn_mle._solvers import Status, callback_of, newton, newton_cg, whitened_lbfgs

rng = np.random.default_rng(0)


@dataclass(frozen=True)
class Problem:
    """A function of theta, with what its solvers may be told of it."""

    value_and_gradient: Callable
    hessian: Callable
    near_hessian: Callable
    observer: Callable | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def safe_factor(self, theta):
        return CholeskyFactor(self.near_hessian(theta))

    @property
    def callback(self):
        return None if self.observer is None else callback_of(self.observer)


def solve_newton(problem, start, *, tol=1e-10, max_iter=100, null_value=None, **options):
    options = {"safe_factor": problem.safe_factor, "tol": tol, "maxiter": max_iter, **problem.options, **options}
    result = minimize(
        problem.value_and_gradient,
        start,
        jac=True,
        hess=problem.hessian,
        method=newton,
        callback=problem.callback,
        options={**options, "reference": null_value},
    )
    return result.solution


def solve_newton_cg(problem, start, *, tol=1e-10, max_iter=100, null_value=None, metric=None):
    metric = DiagonalFactor(problem.near_hessian(start).diagonal()) if metric is None else metric
    result = minimize(
        problem.value_and_gradient,
        start,
        jac=True,
        hessp=lambda theta, vector: problem.hessian(theta) @ vector,
        method=newton_cg,
        callback=problem.callback,
        options={"preconditioner": metric, "tol": tol, "maxiter": max_iter, "reference": null_value},
    )
    return result.solution


def solve_lbfgs(problem, start, *, tol=1e-10, max_iter=100, null_value=None):
    metric = problem.safe_factor(start)
    return whitened_lbfgs(
        problem.value_and_gradient, start, metric, gap=tol, maxiter=max_iter, callback=problem.callback
    )


SOLVERS = {"newton": solve_newton, "newton-cg": solve_newton_cg, "lbfgs": solve_lbfgs}


@pytest.fixture(params=SOLVERS)
def solver(request):
    return SOLVERS[request.param]


def quadratic(decades=3.0, size=9, **others):
    root = rng.standard_normal((3 * size, size)) * np.logspace(-decades, decades, size)
    A, solution = root.T @ root, rng.standard_normal(size) / np.logspace(-decades, decades, size)

    def value_and_gradient(theta):
        pull = A @ (theta - solution)
        return 0.5 * float((theta - solution) @ pull) - 7.0, pull

    problem = Problem(value_and_gradient, lambda theta: A, lambda theta: A, options={"constant_curvature": True})
    return replace(problem, **others), solution, -7.0


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

    return Problem(value_and_gradient, hessian, hessian, **others), solution, value_and_gradient(solution)[0]


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

    return Problem(value_and_gradient, hessian, gauss_newton, **others), np.ones(2), 0.0


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
    # sqrt(2 gap) standard errors, whatever the units.
    assert error @ problem.hessian(solution) @ error <= 3e-10
    assert value - least <= 1.5e-10


# L-BFGS's gap is its preconditioner's estimate: right where that is the curvature, which a logistic start's is not.
@pytest.mark.parametrize(
    ("solver", "name"),
    [*((solver, name) for solver in (solve_newton, solve_newton_cg) for name in PROBLEMS), (solve_lbfgs, "quadratic")],
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
    found = solve_newton(problem, np.zeros(len(solution)), tol=1e-8)
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

        found.append(solver(Problem(value_and_gradient, hessian, hessian), np.zeros(4)).theta * units)
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
    found = solve_newton(problem, np.array(start))
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-9)


def test_the_safe_factor_is_needed_there():
    problem, _, _ = rosenbrock()
    with pytest.raises(NotPositiveDefiniteError):
        CholeskyFactor(problem.hessian(np.array([0.0, 2.0])))


def test_newton_cg_goes_round_negative_curvature():
    problem, solution, _ = rosenbrock()
    found = solve_newton_cg(problem, np.array([-1.2, 1.0]))
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
    found = solve_newton_cg(Problem(value_and_gradient, hessian, hessian), start, metric=DiagonalFactor(np.ones(2)))
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

    def hessian(theta):
        return np.array([[theta[0] ** -2.0]])

    return Problem(value_and_gradient, hessian, hessian)


@pytest.mark.parametrize("beyond", [np.inf, np.nan])
@pytest.mark.parametrize("solver", [solve_newton, solve_newton_cg])
def test_a_step_too_far_is_shortened(solver, beyond):
    found = solver(with_an_edge(beyond), np.array([3.0]))
    assert found.status is Status.CONVERGED
    assert found.theta[0] == pytest.approx(1.0, abs=2e-5)


@pytest.mark.parametrize("beyond", [np.inf, np.nan])
def test_lbfgs_gives_up_honestly_after_a_step_too_far(beyond):
    """L-BFGS-B ends where F does; then the best point so far is returned, and is not called the minimum."""
    found = solve_lbfgs(with_an_edge(beyond), np.array([3.0]))
    assert found.value <= 3 - np.log(3)
    assert (found.status is Status.CONVERGED) is (found.gap <= 1e-10)
    assert found.gap > 0 or found.theta[0] == 1


def test_where_rounding_hides_the_decrease_the_gradient_decides():
    """A minimum of 1e12: a gap of 1e-6 is below the rounding of F, not below that of the gradient."""
    problem, solution, _ = logistic()

    def lifted(theta):
        value, gradient = problem.value_and_gradient(theta)
        return value + 1e12, gradient

    found = solve_newton(replace(problem, value_and_gradient=lifted), np.zeros(5), tol=1e-10, null_value=np.inf)
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-9)


def test_a_constant_curvature_is_factored_once():
    problem, solution, _ = quadratic()
    calls = []

    def counted(theta):
        calls.append(theta)
        return problem.hessian(theta)

    found = solve_newton(replace(problem, hessian=counted), np.zeros(9))
    np.testing.assert_allclose(found.theta, solution, rtol=1e-9)
    assert len(calls) == 1


def test_a_step_is_tried_at_the_length_that_the_problem_knows():
    """A curvature twice too large makes steps half as long; taken twofold, one ends at the solution."""
    problem, solution, _ = quadratic(decades=0.0)

    def solve(**options):
        slow = replace(problem, hessian=lambda theta: 2 * problem.hessian(theta), options={})
        return solve_newton(slow, np.zeros(9), tol=1e-8, **options)

    found = solve(length=lambda theta, step: 2.0)
    np.testing.assert_allclose(found.theta, solution, rtol=1e-9)
    assert found.n_iter <= 2
    assert solve().n_iter > 10


def test_a_length_that_goes_too_far_is_halved():
    problem, solution, _ = logistic()
    found = solve_newton(problem, np.zeros(5), length=lambda theta, step: 64.0)
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-7)


def test_where_the_curvature_says_nothing_of_how_far_steps_are_doubled():
    """A slope of one for 1e6 units: by a curvature of one that is as many steps, by doubled ones it is few."""
    passes = []

    def value_and_gradient(theta):
        passes.append(theta)
        height = np.hypot(1, theta[0] - 1e6)
        return height, (theta - 1e6) / height

    flat = Problem(value_and_gradient, lambda theta: np.eye(1), lambda theta: np.eye(1))
    found = solve_newton(flat, np.zeros(1))
    assert found.status is Status.CONVERGED and found.theta[0] == pytest.approx(1e6, abs=1e-4)
    assert len(passes) < 100


def test_a_step_that_ends_at_the_solution_is_not_tried_longer():
    problem, solution, _ = quadratic()
    passes = []

    def counted(theta):
        passes.append(theta)
        return problem.value_and_gradient(theta)

    once = replace(problem, value_and_gradient=counted)
    found = solve_newton(once, np.zeros(9), tol=1e-8, max_iter=9, polish=0)
    np.testing.assert_allclose(found.theta, solution, rtol=1e-7)
    assert len(passes) == 1 + found.n_iter


def test_preconditioned_by_the_curvature_at_the_solution_lbfgs_is_nearly_newton():
    problem, solution, _ = logistic(scale=3.0)
    metric = CholeskyFactor(problem.hessian(solution))
    found = whitened_lbfgs(problem.value_and_gradient, solution * 0.9, metric, gap=1e-10, maxiter=100)
    assert found.status is Status.CONVERGED
    assert found.n_iter <= 8


def test_a_poor_preconditioner_costs_iterations_not_accuracy():
    problem, solution, _ = logistic()
    diagonal = 1 / np.linalg.inv(problem.hessian(solution)).diagonal()
    poor = DiagonalFactor(diagonal * [1, 30, 0.1, 5, 1])
    found = solve_newton_cg(problem, np.zeros(5), metric=poor)
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.theta, solution, rtol=1e-4)


def test_every_status_says_what_happened():
    messages = [status.message for status in Status]
    assert len(set(messages)) == len(messages) == 5
    assert "increase max_iter" in Status.MAX_ITER.message


@pytest.mark.parametrize("method", [newton, newton_cg])
@pytest.mark.parametrize("name", PROBLEMS)
def test_methods_need_nothing_but_the_arguments_of_minimize(method, name):
    problem, solution, least = PROBLEMS[name]() if method is newton else logistic(scale=0.1)
    result = minimize(
        problem.value_and_gradient,
        np.zeros(len(solution)),
        jac=True,
        hess=problem.hessian,
        hessp=lambda theta, vector: problem.hessian(theta) @ vector,
        method=method,
        tol=1e-9,
    )
    assert isinstance(result, OptimizeResult)
    assert result.success and result.status is Status.CONVERGED and result.message == Status.CONVERGED.message
    assert result.fun - least <= 1e-8 and result.nit >= 1
    np.testing.assert_array_equal(result.jac, problem.value_and_gradient(result.x)[1])


def test_a_hessian_that_is_not_positive_is_damped_where_nothing_safer_is_known():
    problem, solution, _ = rosenbrock()
    start = np.array([-1.2, 1.0])
    result = minimize(problem.value_and_gradient, start, jac=True, hess=problem.hessian, method=newton)
    np.testing.assert_allclose(result.x, solution, rtol=1e-9)


@pytest.mark.parametrize("method", [newton, newton_cg])
def test_callbacks_are_those_of_minimize(method):
    """Of one parameter: theta, or the intermediate result by its name; a StopIteration ends the search."""
    problem, _, _ = logistic(scale=4.0)
    seen, results = [], []

    def by_name(intermediate_result):
        results.append(intermediate_result)
        if len(results) == 2:
            raise StopIteration

    for callback in (lambda theta: seen.append(theta), by_name):
        result = minimize(
            problem.value_and_gradient,
            np.zeros(5),
            jac=True,
            hess=problem.hessian,
            hessp=lambda theta, vector: problem.hessian(theta) @ vector,
            method=method,
            callback=callback,
            options={"preconditioner": problem.safe_factor(np.zeros(5))},
        )
    assert not result.success and result.status is Status.STOPPED and result.nit == 2
    np.testing.assert_array_equal(results[0].x, seen[0])
    assert results[0].fun == problem.value_and_gradient(seen[0])[0]
    np.testing.assert_array_equal(result.x, results[1].x)
