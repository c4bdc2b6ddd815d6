"""The contract of every factor R'R = A, swept over all members, and the matrices that have none."""

import numpy as np
import pytest

from sklearn_mle._fit.preconditioner import KroneckerFactor
from sklearn_mle._numerics.factors import (
    BlockDiagonalFactor,
    CholeskyFactor,
    DiagonalFactor,
    Factor,
    NotPositiveDefiniteError,
    TriangularFactor,
)

rng = np.random.default_rng(0)
SIZE = 12


def random_spd(size, decades=0.0):
    root = rng.standard_normal((2 * size, size)) * np.exp(rng.uniform(-decades, decades, size))
    return root.T @ root


def cholesky(decades=1.0):
    matrix = random_spd(SIZE, decades)
    return CholeskyFactor(matrix), matrix


def triangular():
    triangle = np.linalg.qr(rng.standard_normal((30, SIZE)) * np.logspace(-4, 4, SIZE), mode="r")
    return TriangularFactor(triangle), triangle.T @ triangle


def diagonal():
    entries = np.logspace(-8, 8, SIZE)
    return DiagonalFactor(entries), np.diag(entries)


def block_diagonal():
    first, second = random_spd(SIZE - 2), np.array([4.0, 0.3])
    matrix = np.zeros((SIZE, SIZE))
    matrix[:-2, :-2], matrix[-2:, -2:] = first, np.diag(second)
    return BlockDiagonalFactor([CholeskyFactor(first), DiagonalFactor(second)]), matrix


def kronecker(intercept, penalized):
    """A Kronecker product G (x) A with a prior on the columns; SIZE parameters."""
    k = 3
    p = SIZE // k - intercept
    root = rng.standard_normal((50, p)) + 0.7
    augmented = np.column_stack([root, np.ones(50)]) if intercept else root
    between, within = random_spd(k), augmented.T @ augmented
    between /= np.trace(between)
    precision = rng.uniform(0.5, 2, p) if penalized else np.zeros(p)
    diagonal = np.concatenate([precision, [0.0] * intercept])
    factor = KroneckerFactor(between, within, precision, intercept=intercept)
    return factor, np.kron(between, within) + np.kron(np.eye(k), np.diag(diagonal))


MEMBERS = {
    "cholesky": cholesky(),
    "cholesky, units over 40 decades": cholesky(decades=46.0),
    "triangular": triangular(),
    "diagonal": diagonal(),
    "block diagonal": block_diagonal(),
    "kronecker": kronecker(intercept=True, penalized=False),
    "kronecker, penalized": kronecker(intercept=True, penalized=True),
    "kronecker, no intercept": kronecker(intercept=False, penalized=False),
    "kronecker, penalized, no intercept": kronecker(intercept=False, penalized=True),
}


@pytest.fixture(params=MEMBERS)
def member(request):
    return MEMBERS[request.param]


def test_no_factor_is_left_out_of_the_sweep():
    classes = {DiagonalFactor, CholeskyFactor, TriangularFactor, KroneckerFactor, BlockDiagonalFactor}
    assert classes == {type(f) for f, _ in MEMBERS.values()}
    assert all(isinstance(factor, Factor) and factor.size == SIZE for factor, _ in MEMBERS.values())


def test_solve_is_the_inverse(member):
    factor, matrix = member
    truth = rng.standard_normal(SIZE) / np.sqrt(matrix.diagonal())
    np.testing.assert_allclose(factor.solve(matrix @ truth), truth, rtol=1e-9, atol=1e-10 * np.abs(truth).max())


def test_unwhiten_is_the_transposed_inverse_of_whiten(member):
    """x'R^-1 z = (R^-T x)'z."""
    factor, _ = member
    x, z = rng.standard_normal((2, SIZE))
    left, right = x @ factor.unwhiten(z), factor.whiten(x) @ z
    size = np.linalg.norm(factor.whiten(x)) * np.linalg.norm(z)
    assert left == pytest.approx(right, abs=1e-13 * size)


def test_whitened_coordinates_measure_length_by_the_matrix(member):
    factor, matrix = member
    z = rng.standard_normal(SIZE)
    step = factor.unwhiten(z)
    assert step @ matrix @ step == pytest.approx(z @ z, rel=1e-9)


def test_squared_norm_is_the_quadratic_form_of_the_inverse(member):
    factor, matrix = member
    step = rng.standard_normal(SIZE) / np.sqrt(matrix.diagonal())
    assert factor.squared_norm(matrix @ step) == pytest.approx(step @ matrix @ step, rel=1e-9)


@pytest.mark.parametrize("multiple", [1e-6, 0.25, 3e5])
def test_times_is_the_factor_of_the_multiple(member, multiple):
    factor, matrix = member
    truth = rng.standard_normal(SIZE) / np.sqrt(matrix.diagonal())
    solved = factor.times(multiple).solve(multiple * (matrix @ truth))
    np.testing.assert_allclose(solved, truth, rtol=1e-9, atol=1e-10 * np.abs(truth).max())
    np.testing.assert_allclose(factor.solve(matrix @ truth), truth, rtol=1e-9, atol=1e-10 * np.abs(truth).max())


@pytest.mark.parametrize("name", [name for name in MEMBERS if "kronecker" not in name])
def test_the_inverse(name):
    factor, matrix = MEMBERS[name]
    scale = np.sqrt(matrix.diagonal())
    truth = np.linalg.inv(matrix / scale / scale[:, None])
    np.testing.assert_allclose(factor.inverse() * scale * scale[:, None], truth, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("order", [3, 150, 600])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_has_no_factor(order, bad):
    """LAPACK says nothing of it; wherever it stands it spreads to the last pivot."""
    for row, column in [(0, 0), (0, order - 1), (order // 2, order // 3), (order - 1, order - 1)]:
        matrix = np.eye(order) + 0.5 / order
        matrix[row, column] = matrix[column, row] = bad
        with np.errstate(invalid="ignore"), pytest.raises(NotPositiveDefiniteError):
            CholeskyFactor(matrix)


def test_arguments_are_left_alone(member):
    factor, _ = member
    vector = rng.standard_normal(SIZE)
    kept = vector.copy()
    for verb in (factor.whiten, factor.unwhiten, factor.solve, factor.squared_norm):
        verb(vector)
    np.testing.assert_array_equal(vector, kept)


@pytest.mark.parametrize("name", ["cholesky", "triangular", "diagonal"])
def test_a_matrix_is_taken_column_by_column(name):
    factor, _ = MEMBERS[name]
    columns = rng.standard_normal((SIZE, 5))
    for verb in (factor.whiten, factor.unwhiten):
        one_by_one = np.column_stack([verb(column) for column in columns.T])
        np.testing.assert_allclose(verb(columns), one_by_one, rtol=1e-12, atol=1e-14 * np.abs(one_by_one).max())


def test_the_factored_matrix_is_left_alone():
    matrix = random_spd(SIZE)
    kept = matrix.copy()
    CholeskyFactor(matrix)
    np.testing.assert_array_equal(matrix, kept)


@pytest.mark.parametrize("kind", ["cholesky", "triangular"])
@pytest.mark.parametrize("order", [1, 2, 12])
def test_condition_is_that_of_the_scaled_root(kind, order):
    root = rng.standard_normal((40, order)) * np.logspace(-6, 6, order)
    factor = CholeskyFactor(root.T @ root) if kind == "cholesky" else TriangularFactor(np.linalg.qr(root, mode="r"))
    exact = np.linalg.cond(root / np.linalg.norm(root, axis=0))
    # It is estimated, in the 1-norm of R'R: within the square root of the order, up or down.
    assert exact / 3 / np.sqrt(order) <= factor.condition <= 3 * np.sqrt(order) * exact


@pytest.mark.parametrize("power", range(2, 15, 3))
def test_condition_of_a_triangle_is_seen_far_beyond_the_square_root_of_eps(power):
    """Two columns at an angle of 10^-power: the Cholesky factor of their cross-products sees nothing beyond 1e8."""
    angle = 10.0**-power
    factor = TriangularFactor(np.array([[1.0, 1.0], [0.0, angle]]))
    assert 0.2 <= factor.condition * angle <= 5


def test_condition_does_not_depend_on_units():
    matrix = random_spd(SIZE)
    units = np.exp2(rng.integers(-60, 60, SIZE))
    scaled = matrix * units * units[:, None]
    assert CholeskyFactor(scaled).condition == pytest.approx(CholeskyFactor(matrix).condition, rel=1e-6)


@pytest.mark.parametrize("make", [CholeskyFactor, TriangularFactor])
def test_a_model_without_parameters_has_a_factor_of_order_zero(make, capfd):
    """LAPACK prints an error on such a matrix."""
    factor = make(np.zeros((0, 0)))
    assert factor.whiten(np.zeros(0)).shape == factor.unwhiten(np.zeros(0)).shape == (0,)
    assert factor.unwhiten(np.zeros((0, 3))).shape == (0, 3)
    assert factor.inverse().shape == (0, 0)
    assert factor.condition == 1
    assert factor.inverse_norm == factor.log_determinant == 0
    assert factor.resolved
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((2, 2)),
        np.diag([1.0, 0.0]),
        np.diag([1.0, -1.0]),
        np.array([[1.0, 2.0], [2.0, 1.0]]),
        np.array([[1.0, 1.0], [1.0, 1.0]]),
        np.diag([1.0, np.nan]),
        np.diag([1.0, np.inf]),
        np.array([[1.0, np.nan], [np.nan, 1.0]]),
    ],
    ids=["zero", "zero entry", "negative entry", "indefinite", "singular", "nan", "inf", "nan off the diagonal"],
)
def test_what_is_not_positive_definite_is_refused(matrix):
    with pytest.raises(NotPositiveDefiniteError):
        CholeskyFactor(matrix)


@pytest.mark.parametrize(
    "triangle",
    [
        np.array([[1.0, 1.0], [0.0, 0.0]]),
        np.array([[0.0, 1.0], [0.0, 1.0]]),
        np.array([[1.0, np.nan], [0.0, 1.0]]),
        np.array([[np.inf, 1.0], [0.0, 1.0]]),
    ],
    ids=["singular", "zero column", "nan", "inf"],
)
def test_a_singular_triangle_is_refused(triangle):
    with pytest.raises(NotPositiveDefiniteError):
        TriangularFactor(triangle)


def test_a_factor_that_does_not_exist_is_a_value_error_for_those_who_do_not_know_it():
    assert issubclass(NotPositiveDefiniteError, ValueError)


def test_cholesky_accepts_any_units():
    """Entries near the ends of the range of float64: the diagonal is scaled away first."""
    units = np.array([1e-150, 1.0, 1e150])
    correlation = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]])
    factor = CholeskyFactor(correlation * units * units[:, None])
    np.testing.assert_allclose(factor.solve(correlation[0] * units[0] * units), [1, 0, 0], atol=1e-12)


def test_a_kronecker_factor_survives_a_singular_curvature():
    between = np.diag([1.0, 0.0])
    within = np.array([[2.0, 2.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 5.0]])
    factor = KroneckerFactor(between, within, np.zeros(2), intercept=True)
    assert np.isfinite(factor.solve(np.ones(6))).all()
    assert np.isfinite(factor.condition) and factor.condition > 1e3
