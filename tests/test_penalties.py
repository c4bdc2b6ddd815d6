"""The contract of every penalty, swept over all members: value, gradient and Hessian are those of one function."""

import numpy as np
import pytest

from sklearn_mle._penalties import GaussianPrior, NoiseRelativePrior, NoPenalty, QuadraticForm, SumOfPenalties

rng = np.random.default_rng(0)
SIZE = 6
PRECISION = np.array([0.5, 2.0, 0.0, 7.0, 0.0, 0.0])
LOG_SCALE = np.array([0.0, 0.0, 0.0, 0.0, 0.3, 1.0])
THETA = rng.standard_normal(SIZE)
FORM = rng.standard_normal((2, SIZE))


def gaussian(theta):
    return 0.5 * (PRECISION * theta**2).sum()


def noise_relative(theta):
    return gaussian(theta) * np.exp(-2 * (LOG_SCALE * theta).sum())


MEMBERS = {
    "none": (NoPenalty(), lambda theta: 0 * theta.sum()),
    "gaussian": (GaussianPrior(PRECISION), gaussian),
    "noise relative": (NoiseRelativePrior(PRECISION, LOG_SCALE), noise_relative),
    "quadratic form": (QuadraticForm(FORM), lambda theta: 0.5 * ((FORM @ theta) ** 2).sum()),
    "sum": (
        SumOfPenalties(NoiseRelativePrior(PRECISION, LOG_SCALE), 0.3, GaussianPrior(np.ones(SIZE))),
        lambda theta: 0.3 * noise_relative(theta) + 0.5 * (theta**2).sum(),
    ),
}
# Complex steps have no truncation error.
STEP = 1e-30


@pytest.fixture(params=MEMBERS)
def member(request):
    return MEMBERS[request.param]


def complex_gradient(function, theta):
    return np.array([function(theta + STEP * 1j * unit).imag / STEP for unit in np.eye(SIZE)])


def test_value_and_gradient_are_the_formula_s(member):
    penalty, formula = member
    value, gradient = penalty.value_and_gradient(THETA)
    assert isinstance(value, float)
    assert value == pytest.approx(formula(THETA), rel=1e-14)
    np.testing.assert_allclose(gradient, complex_gradient(formula, THETA), rtol=1e-13, atol=1e-14)


def test_the_hessian_is_the_gradient_s(member):
    penalty, _ = member
    hessian = penalty.add_hessian(np.zeros((SIZE, SIZE)), THETA)
    step = 1e-5
    for k, unit in enumerate(np.eye(SIZE)):
        rise = penalty.value_and_gradient(THETA + step * unit)[1] - penalty.value_and_gradient(THETA - step * unit)[1]
        np.testing.assert_allclose(hessian[:, k], rise / (2 * step), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-14)


def test_the_hessian_is_added_to_what_is_there(member):
    penalty, _ = member
    start = rng.standard_normal((SIZE, SIZE))
    alone = penalty.add_hessian(np.zeros((SIZE, SIZE)), THETA)
    matrix = start.copy()
    assert penalty.add_hessian(matrix, THETA) is matrix
    np.testing.assert_allclose(matrix, start + alone, rtol=1e-13, atol=1e-14)


def test_the_product_is_the_hessian_s(member):
    penalty, _ = member
    vector = rng.standard_normal(SIZE)
    expected = penalty.add_hessian(np.zeros((SIZE, SIZE)), THETA) @ vector
    np.testing.assert_allclose(penalty.hessian_product(THETA, vector), expected, rtol=1e-12, atol=1e-14)


def test_arguments_are_left_alone(member):
    penalty, _ = member
    theta, vector = THETA.copy(), rng.standard_normal(SIZE)
    kept = vector.copy()
    penalty.value_and_gradient(theta)
    penalty.hessian_product(theta, vector)
    penalty.add_hessian(np.zeros((SIZE, SIZE)), theta)
    np.testing.assert_array_equal(theta, THETA)
    np.testing.assert_array_equal(vector, kept)


@pytest.mark.parametrize("unit", [0.01, 50.0])
def test_the_noise_relative_prior_does_not_depend_on_the_unit_of_y(unit):
    """Coefficients and scale times the same number: the same penalty."""
    penalty, _ = MEMBERS["noise relative"]
    scaled = THETA.copy()
    scaled[PRECISION > 0] *= unit
    scaled[-1] += np.log(unit)
    assert penalty.value_and_gradient(scaled)[0] == pytest.approx(penalty.value_and_gradient(THETA)[0], rel=1e-13)
