"""The penalized NLL against its definition, written out in extended precision: value and every derivative."""

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle._numerics.double_double import DoubleDouble
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import GaussianPrior, NoiseRelativePrior, NoPenalty, SumOfPenalties
from sklearn_mle._predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle._rows import Data, DenseRows, SparseRows
from sklearn_mle._rows.distributed import name_of
from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian
from sklearn_mle.likelihoods._surrogates import BoundedDispersion, LeastSquares

rng = np.random.default_rng(0)
N, P = 130, 4
X = np.where(rng.random((N, P)) < 0.6, rng.normal(1, 1, (N, P)), 0.0)
SHIFT, SCALE = np.array([0.5, 0.25, 1.0, 0.75]), np.array([1.0, 0.5, 2.0, 1.0])
LONG = ((X.astype(np.longdouble) - SHIFT) / SCALE).astype(np.longdouble)
STEP = np.longdouble(np.finfo(np.longdouble).eps) ** (np.longdouble(1) / 3)
# Central differences of the sum of 130 rows in extended precision (1e-12 there, 1e-9 where that is double).
CLOSE = {"rtol": 1e5 * float(STEP) ** 2, "atol": 1e5 * float(STEP) ** 2}


@dataclass
class Member:
    likelihood: Any
    predictors: LinearPredictors
    y: Any
    penalty: Any
    weighted: bool
    with_offset: bool


def precision_of(predictors, value):
    matrix = np.zeros(predictors.shape)
    matrix[:, :-1] = value
    return matrix[predictors.used]


def member(likelihood, predictors, y, penalty=None, *, weighted=True, with_offset=True):
    return Member(likelihood, predictors, y, penalty or NoPenalty(), weighted, with_offset)


ONE = LinearPredictors(P, [Terms()])
SOME = LinearPredictors(P, [Terms(active=np.array([0, 2]))])
BARE = LinearPredictors(P, [Terms(True, False)])
CLASSES = LinearPredictors(P, [Terms()] * 2, sum_to_zero_basis(3))
SOME_CLASSES = LinearPredictors(P, [Terms(active=np.array([1, 2, 3]))] * 2, sum_to_zero_basis(3))
PAIR = LinearPredictors(P, [Terms(), Terms(columns=False)])
BOTH = LinearPredictors(P, [Terms(active=np.array([0, 1, 3])), Terms()])
MEAN_LOG_SCALE = np.array([0, 0, 0, 0, 0.1, 0.2, 0.3, -0.1, 1.0])
RELATIVE = NoiseRelativePrior(np.array([1.0, 1, 1, 0, 0, 0, 0, 0, 0]), MEAN_LOG_SCALE)
MEMBERS = {
    "bernoulli": member(Bernoulli(), ONE, rng.integers(0, 2, N).astype(float), weighted=False, with_offset=False),
    "bernoulli, prior": member(Bernoulli(), ONE, rng.random(N), GaussianPrior(precision_of(ONE, 3.0))),
    "bernoulli, active": member(Bernoulli(), SOME, rng.integers(0, 2, N).astype(float)),
    "bernoulli, no intercept": member(Bernoulli(), BARE, rng.random(N), weighted=False),
    "categorical": member(Categorical(3), CLASSES, rng.integers(0, 3, N), weighted=False, with_offset=False),
    "categorical, soft": member(
        Categorical(3), CLASSES, rng.dirichlet(np.ones(3), N).T.copy(), GaussianPrior(precision_of(CLASSES, 0.5))
    ),
    "categorical, active": member(Categorical(3), SOME_CLASSES, rng.integers(0, 3, N)),
    "gaussian": member(Gaussian(), PAIR, rng.standard_normal(N)),
    "gaussian, log linear": member(BoundedDispersion(Gaussian(), -0.3), BOTH, rng.standard_normal(N), weighted=False),
    "gaussian, relative prior": member(Gaussian(), BOTH, rng.standard_normal(N), RELATIVE),
    "least squares": member(
        LeastSquares(),
        ONE,
        rng.standard_normal(N),
        SumOfPenalties(GaussianPrior(precision_of(ONE, 2.0)), 0.25, GaussianPrior(np.full(5, 0.1))),
    ),
}


@pytest.fixture(params=MEMBERS)
def case(request):
    return MEMBERS[request.param]


@pytest.fixture(params=["dense", "sparse"])
def objective(case, request):
    return objective_of(case, request.param)


def objective_of(case, storage):
    rows = SparseRows(sp.csr_array(X), SHIFT, SCALE) if storage == "sparse" else DenseRows(X, SHIFT, SCALE)
    weight, offset = extras(case)
    data = Data(rows, case.y, weight, offset, case.likelihood.n_predictors)
    return PenalizedNLL(case.likelihood, case.predictors, data, case.penalty)


def extras(case):
    generator = np.random.default_rng(1)
    weight = generator.random(N) * 3 if case.weighted else None
    offset = generator.normal(0, 0.5, (case.likelihood.n_predictors, N)) if case.with_offset else None
    return weight, offset


def long_eta(case, theta):
    predictors = case.predictors
    free = np.zeros(predictors.shape, dtype=np.longdouble)
    free[predictors.used] = theta
    matrix = free if predictors.contrast is None else predictors.contrast.astype(np.longdouble) @ free
    offset = extras(case)[1]
    return matrix[:, :-1] @ LONG.T + matrix[:, -1:] + (0 if offset is None else offset)


def definition(case, theta, *, penalized=True):
    """F(theta) by its formula, in extended precision."""
    weight = extras(case)[0]
    rows = case.likelihood.nll(case.y, long_eta(case, theta))
    value = rows.sum() if weight is None else (weight * rows).sum()
    return value + (case.penalty.value_and_gradient(theta)[0] if penalized else 0)


def difference(function, theta):
    units = np.eye(len(theta), dtype=np.longdouble)
    return np.array([(function(theta + STEP * unit) - function(theta - STEP * unit)) / (2 * STEP) for unit in units])


def theta_of(case):
    return np.random.default_rng(2).normal(0, 0.5, case.predictors.size)


def long_gradient(case, theta):
    """The gradient by the chain rule, row by row, in extended precision."""
    weight = extras(case)[0]
    rowwise = case.likelihood.gradient(case.y, long_eta(case, theta)) * (1 if weight is None else weight)
    predictors = case.predictors
    matrix = np.concatenate([rowwise @ LONG, rowwise.sum(axis=1, keepdims=True)], axis=1)
    free = matrix if predictors.contrast is None else predictors.contrast.astype(np.longdouble).T @ matrix
    return free[predictors.used] + case.penalty.value_and_gradient(theta)[1]


def test_value_and_gradient(case, objective):
    theta = theta_of(case)
    value, gradient = objective.value_and_gradient(theta)
    assert value == pytest.approx(float(definition(case, theta)), rel=1e-13)
    expected = difference(lambda t: definition(case, t, penalized=False), theta.astype(np.longdouble))
    np.testing.assert_allclose(gradient - case.penalty.value_and_gradient(theta)[1], expected.astype(float), **CLOSE)
    np.testing.assert_allclose(gradient, long_gradient(case, theta).astype(float), rtol=1e-12, atol=1e-12)


def test_nll_is_the_value_without_the_penalty(case, objective):
    theta = theta_of(case)
    assert objective.nll(theta) == pytest.approx(float(definition(case, theta, penalized=False)), rel=1e-13)


def test_hessian(case, objective):
    theta = theta_of(case)
    hessian = objective.hessian(theta)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12, atol=1e-12)
    penalty = case.penalty.add_hessian(np.zeros_like(hessian), theta)

    def unpenalized(t):
        return long_gradient(case, t) - case.penalty.value_and_gradient(t)[1]

    expected = difference(unpenalized, theta.astype(np.longdouble))
    np.testing.assert_allclose(hessian - penalty, expected.astype(float), **CLOSE)


def test_expected_hessian(case, objective):
    """Against the definition; it is the Hessian itself where that does not depend on y.

    A penalty that is not convex enters by its Gauss-Newton part, so that the whole stays positive semidefinite.
    """
    theta = theta_of(case)
    eta = long_eta(case, theta).astype(float)
    weight = extras(case)[0]
    information = case.likelihood.expected_information(eta) * (1 if weight is None else weight)
    augmented = np.column_stack([LONG.astype(float), np.ones(N)])
    contrast = np.eye(len(eta)) if case.predictors.contrast is None else case.predictors.contrast
    blocks = np.einsum("ja,jkn,kb,nl,nm->albm", contrast, information, contrast, augmented, augmented, optimize=True)
    used = case.predictors.used.ravel()
    expected = blocks.reshape(used.size, used.size)[np.ix_(used, used)]
    found = objective.expected_hessian(theta)
    if case.penalty.convex:
        expected = case.penalty.add_hessian(expected, theta)
    else:
        root = case.penalty.root(theta)
        expected = expected + root.T @ root
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    if case.likelihood.convex:
        np.testing.assert_allclose(found, objective.hessian(theta), rtol=1e-12, atol=1e-12)


def test_along_a_line(case, objective):
    """Slope and curvature along a step are those of the gradient and the Hessian at its end."""
    theta = theta_of(case)
    step = np.random.default_rng(5).normal(0, 0.3, len(theta))
    for t in (0.5, 1.0, 2.5):
        slope, curvature = objective.along(theta, t * step)
        there = theta + t * step
        assert slope == pytest.approx(t * objective.value_and_gradient(there)[1] @ step, rel=1e-11, abs=1e-11)
        assert curvature == pytest.approx(t**2 * step @ objective.hessian(there) @ step, rel=1e-11, abs=1e-11)


def test_no_line_is_kept_of_rows_in_many_blocks():
    n = 200_000
    data = Data(DenseRows(np.zeros((n, P))), np.zeros(n))
    assert PenalizedNLL(Bernoulli(), ONE, data, NoPenalty()).along(np.zeros(P + 1), np.ones(P + 1)) is None


def test_hessian_product(case, objective):
    theta = theta_of(case)
    hessian = objective.hessian(theta)
    for seed in (3, 4):
        vector = np.random.default_rng(seed).standard_normal(len(theta))
        np.testing.assert_allclose(objective.hessian_product(theta, vector), hessian @ vector, rtol=1e-11, atol=1e-11)


def test_triangle_is_a_root_of_the_expected_hessian(case, objective):
    theta = theta_of(case)
    triangle = objective.triangle(theta)
    assert triangle.shape == (len(theta), len(theta))
    np.testing.assert_array_equal(np.tril(triangle, -1), 0)
    expected = objective.expected_hessian(theta)
    np.testing.assert_allclose(triangle.T @ triangle, expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max())


def test_exact_gradient_is_the_gradient_rounded_once(case, objective):
    theta = DoubleDouble.of(theta_of(case))
    found, expected = objective.exact_gradient(theta), long_gradient(case, theta.high.astype(np.longdouble))
    allowed = 2 * np.finfo(np.longdouble).eps * N * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected.astype(np.float64), rtol=1e-15, atol=allowed)


def test_exact_gradient_of_least_squares_cancels_nothing():
    """Residuals orthogonal to the columns but for a part in 1e20."""
    x = np.array([1.0, 1.0, 1.0])
    y = np.array([1e20, 1.0, -1e20])
    data = Data(DenseRows(x[:, None]), y)
    objective = PenalizedNLL(LeastSquares(), LinearPredictors(1, [Terms(True, False)]), data, NoPenalty())
    np.testing.assert_array_equal(objective.exact_gradient(DoubleDouble.of(np.zeros(1))), [-1.0])


def test_dense_is_sparse(case):
    dense, sparse, theta = objective_of(case, "dense"), objective_of(case, "sparse"), theta_of(case)
    assert dense.value_and_gradient(theta)[0] == pytest.approx(sparse.value_and_gradient(theta)[0], rel=1e-13)
    for method in ("hessian", "expected_hessian"):
        np.testing.assert_allclose(
            getattr(dense, method)(theta), getattr(sparse, method)(theta), rtol=1e-12, atol=1e-12
        )


def test_many_blocks_are_one():
    """Blocks of a few rows, one after the other: the same sums."""
    many = np.tile(X, (2100, 1))
    y = np.tile(MEMBERS["categorical"].y, 2100)
    theta = theta_of(MEMBERS["categorical"])
    data = Data(DenseRows(many, SHIFT, SCALE), y, None, None, 3)
    assert len(data.map_rows(lambda block: None)) > 3
    large = PenalizedNLL(Categorical(3), CLASSES, data, NoPenalty())
    small = objective_of(MEMBERS["categorical"], "dense")
    value, gradient = large.value_and_gradient(theta)
    assert value == pytest.approx(2100 * small.value_and_gradient(theta)[0], rel=1e-12)
    np.testing.assert_allclose(gradient, 2100 * small.value_and_gradient(theta)[1], rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(large.hessian(theta), 2100 * small.hessian(theta), rtol=1e-11, atol=1e-9)
    triangle = large.triangle(theta)
    np.testing.assert_allclose(triangle.T @ triangle, 2100 * small.hessian(theta), rtol=1e-10, atol=1e-9)


def test_an_overflow_is_a_value_not_a_warning():
    objective = objective_of(MEMBERS["gaussian"], "dense")
    theta = theta_of(MEMBERS["gaussian"])
    theta[-1] = -1e4  # a scale of exp(-10000)
    assert not np.isfinite(objective.value_and_gradient(theta)[0])


def test_what_is_computed_on_a_block_can_be_sent_and_holds_no_data(case, objective):
    theta, sent = theta_of(case), []
    original = objective.data.reduce_rows

    def watched(function, extras=None):
        sent.append(function)
        return original(function, extras)

    objective.data.reduce_rows = watched
    objective.value_and_gradient(theta)
    objective.value_gradient_hessian(theta)
    objective.nll(theta)
    objective.expected_hessian(theta)
    objective.hessian_product(theta, theta)
    objective.exact_gradient(DoubleDouble.of(theta))
    assert len({name_of(function) for function in sent}) == len(sent) == 6
    for function in sent[:4]:
        pickled = pickle.dumps(function)
        assert len(pickled) < 8 * N * P
        for mine, its in zip(original(pickle.loads(pickled)), original(function), strict=True):
            np.testing.assert_array_equal(mine, its)


def test_value_and_gradient_are_had_in_one_pass_and_remembered(case, objective):
    theta = theta_of(case)
    before = objective.data.n_passes
    value, gradient = objective.value(theta), objective.gradient(theta.copy())
    assert objective.data.n_passes == before + 1
    objective.value_gradient_hessian(theta)
    hessian = objective.hessian(theta)
    assert objective.data.n_passes == before + 2
    np.testing.assert_array_equal(objective.hessian(theta), hessian)
    assert objective.value(theta) == value
    np.testing.assert_array_equal(objective.gradient(theta), gradient)


def test_under_another_penalty_no_pass_is_needed_again(case, objective):
    theta, penalty = theta_of(case), GaussianPrior(np.full(case.predictors.size, 0.3))
    objective.value(theta)
    before = objective.data.n_passes
    other = objective.under(penalty)
    value, gradient = other.value_and_gradient(theta)
    assert objective.data.n_passes == before
    fresh = PenalizedNLL(case.likelihood, case.predictors, objective.data, penalty)
    assert value == fresh.value(theta)
    np.testing.assert_array_equal(gradient, fresh.gradient(theta))
    np.testing.assert_array_equal(other.hessian(theta), fresh.hessian(theta))


def test_a_theta_that_its_owner_writes_on_is_another():
    objective, theta = objective_of(MEMBERS["bernoulli"], "dense"), theta_of(MEMBERS["bernoulli"])
    before = objective.value(theta)
    theta += 1
    assert objective.value(theta) != before
    assert objective.value(theta) == objective_of(MEMBERS["bernoulli"], "dense").value(theta)
