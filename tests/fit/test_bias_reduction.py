"""Firth's objective: its derivatives against finite differences of the log-determinant, and its bound of curvature."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle._fit.bias_reduction import BiasReducedNLL
from sklearn_mle._numerics.factors import NotPositiveDefiniteError
from sklearn_mle._objective import PenalizedNLL
from sklearn_mle._penalties import NoPenalty
from sklearn_mle._predictors import LinearPredictors, Terms, sum_to_zero_basis
from sklearn_mle._rows import Data, DenseRows, SparseRows
from sklearn_mle.likelihoods import Bernoulli, Categorical

SHIFT, SCALE = np.array([1.0, 0.5, 0.0]), np.array([1.0, 2.0, 0.5])
KINDS = {
    "copied": lambda X: DenseRows(X, SHIFT, SCALE).copied(),
    "dense": lambda X: DenseRows(X, SHIFT, SCALE),
    "sparse": lambda X: SparseRows(sp.csr_array(X), SHIFT, SCALE),
}


def reduced(n_classes, kind, *, active=None, n=150, share=0.7, weighted=True):
    generator = np.random.default_rng(n_classes)
    X = generator.normal(size=(n, 3)) + 1
    y = generator.integers(0, n_classes, n)
    weight = generator.exponential(size=n) if weighted else None
    offset = generator.normal(size=(1 if n_classes == 2 else n_classes, n))
    likelihood = Bernoulli() if n_classes == 2 else Categorical(n_classes)
    contrast = None if n_classes == 2 else sum_to_zero_basis(n_classes)
    predictors = LinearPredictors(3, [Terms(True, True, active)] * (n_classes - 1), contrast)
    data = Data(KINDS[kind](X), y.astype(float) if n_classes == 2 else y, weight, offset, n_classes)
    return BiasReducedNLL(likelihood, PenalizedNLL(likelihood, predictors, data, NoPenalty()), share)


def at(objective):
    return np.random.default_rng(1).normal(size=objective.objective.predictors.size)


CASES = pytest.mark.parametrize(
    ("n_classes", "kind", "active"),
    [
        (2, "copied", None),
        (2, "dense", [0, 2]),
        (2, "sparse", None),
        (4, "copied", [0, 2]),
        (4, "dense", None),
        (4, "sparse", [0, 2]),
    ],
)


@CASES
def test_value_and_gradient(n_classes, kind, active):
    objective = reduced(n_classes, kind, active=None if active is None else np.array(active))
    theta = at(objective)
    value, gradient = objective.value_and_gradient(theta)
    plain = objective.objective
    log_determinant = np.linalg.slogdet(plain.hessian(theta))[1]
    assert value == pytest.approx(plain.nll(theta) - 0.5 * 0.7 * log_determinant, rel=1e-12)
    assert objective.nll(theta) == pytest.approx(plain.nll(theta), rel=1e-12)
    step = 1e-5
    numeric = [
        (objective.value_and_gradient(theta + step * e)[0] - objective.value_and_gradient(theta - step * e)[0])
        for e in np.eye(len(theta))
    ]
    np.testing.assert_allclose(gradient, np.array(numeric) / (2 * step), atol=1e-6)


@CASES
def test_hessian_products_are_exact(n_classes, kind, active):
    objective = reduced(n_classes, kind, active=None if active is None else np.array(active))
    theta = at(objective)
    product = objective.hessian_product(theta)
    hessian = np.array([product(e) for e in np.eye(len(theta))])
    step = 1e-5
    numeric = np.array(
        [
            (objective.value_and_gradient(theta + step * e)[1] - objective.value_and_gradient(theta - step * e)[1])
            for e in np.eye(len(theta))
        ]
    ) / (2 * step)
    np.testing.assert_allclose(hessian, numeric, atol=1e-6)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-11)


@CASES
def test_the_gradient_with_the_covariances_held(n_classes, kind, active):
    objective = reduced(n_classes, kind, active=None if active is None else np.array(active))
    theta = at(objective)
    point, step = objective.at(theta), 1e-5
    np.testing.assert_allclose(objective.held_gradient(theta.copy(), point), point.gradient, rtol=1e-10, atol=1e-12)
    numeric = [
        objective.held_gradient(theta + step * e, point) - objective.held_gradient(theta - step * e, point)
        for e in np.eye(len(theta))
    ]
    curvature = point.information + objective.held_curvature(theta)
    np.testing.assert_allclose(curvature, np.array(numeric) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("n", [25, 400])
def test_the_curvature_of_the_prior_is_just_less_than_the_exact_one(n_classes, n):
    objective = reduced(n_classes, "copied", n=n, share=1.0)
    for theta in (at(objective), np.zeros(objective.objective.predictors.size)):
        product = objective.hessian_product(theta)
        hessian = np.array([product(e) for e in np.eye(len(theta))])
        point = objective.at(theta)
        missing = hessian - point.information - objective.prior_curvature(theta)
        inverse, step = point.factor.unwhiten(np.eye(len(theta))), 1e-5
        for e in np.random.default_rng(0).normal(size=(5, len(theta))):
            change = objective.objective.hessian(theta + step * e) - objective.objective.hessian(theta - step * e)
            relative = inverse.T @ change @ inverse / (2 * step)
            least = np.trace(relative) ** 2 / len(theta)
            assert e @ missing @ e == pytest.approx(0.5 * (np.square(relative).sum() - least), rel=1e-4)


def test_information_that_vanished_is_an_infinite_value():
    objective = reduced(2, "copied")
    far = np.array([1e6, 0.0, 0.0, 0.0])
    assert objective.value_and_gradient(far)[0] == np.inf
    with pytest.raises(NotPositiveDefiniteError, match="vanished"):
        objective.factor(far)
