"""Firth's objective: its derivatives against finite differences of the log-determinant."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle._jeffreys import JeffreysNLL
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
    return JeffreysNLL(likelihood, PenalizedNLL(likelihood, predictors, data, NoPenalty()), share)


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
    value, gradient = objective.value(theta), objective.gradient(theta)
    plain = objective.objective
    log_determinant = np.linalg.slogdet(plain.hessian(theta))[1]
    assert value == pytest.approx(plain.nll(theta) - 0.5 * 0.7 * log_determinant, rel=1e-12)
    assert objective.at(theta).nll == pytest.approx(plain.nll(theta), rel=1e-12)
    step = 1e-5
    numeric = [(objective.value(theta + step * e) - objective.value(theta - step * e)) for e in np.eye(len(theta))]
    np.testing.assert_allclose(gradient, np.array(numeric) / (2 * step), atol=1e-6)


@CASES
def test_hessian_products_are_exact(n_classes, kind, active):
    objective = reduced(n_classes, kind, active=None if active is None else np.array(active))
    theta = at(objective)
    hessian = objective.hessian(theta)
    step = 1e-5
    numeric = np.array(
        [(objective.gradient(theta + step * e) - objective.gradient(theta - step * e)) for e in np.eye(len(theta))]
    ) / (2 * step)
    np.testing.assert_allclose(hessian, numeric, atol=1e-6)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-11)


def test_information_that_vanished_is_an_infinite_value():
    objective = reduced(2, "copied")
    far = np.array([1e6, 0.0, 0.0, 0.0])
    assert objective.value(far) == np.inf
    with pytest.raises(NotPositiveDefiniteError, match="vanished"):
        objective.factor(far)
