"""The contract of every likelihood, swept over all members: derivatives, expectations, agreement between methods."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian, Likelihood
from sklearn_mle.likelihoods._least_squares import LeastSquares
from sklearn_mle.likelihoods._scale_floor import ScaleFloor

N = 60
EPS = float(np.finfo(np.longdouble).eps)
STEP = EPS ** (1 / 3)
# A central difference errs by a multiple of step^2 (2e-13 in 80-bit arithmetic): third derivatives are moderate here.
DIFFERENCE = {"rtol": 100 * STEP**2, "atol": 100 * STEP**2}


@dataclass
class Member:
    """A likelihood, data for it, and the exact distribution of its outcomes: points y with probabilities."""

    likelihood: Likelihood
    y: Any
    eta: Any
    is_density: bool = True

    def outcomes(self):
        """Pairs (y for every row, probability for every row) that integrate polynomials of degree 7 exactly."""
        if isinstance(self.likelihood, Bernoulli):
            p = 1 / (1 + np.exp(-self.eta[0]))
            return [(np.zeros(N), 1 - p), (np.ones(N), p)]
        if isinstance(self.likelihood, Categorical):
            p = np.exp(self.eta - logsumexp(self.eta, axis=0))
            return [(np.full(N, k), p[k]) for k in range(len(p))]
        scale = np.exp(self.eta[1]) if len(self.eta) == 2 else np.ones(N)
        nodes, mass = np.polynomial.hermite_e.hermegauss(8)
        return [(self.eta[0] + z * scale, np.full(N, m)) for z, m in zip(nodes, mass / mass.sum(), strict=True)]


def members():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, (1, N))
    logits = rng.normal(0, 2, (4, N))
    pair = rng.normal(0, 1, (2, N))
    real = rng.normal(0, 2, N)
    return {
        "bernoulli": Member(Bernoulli(), rng.integers(0, 2, N).astype(float), logit),
        "bernoulli, soft": Member(Bernoulli(), rng.random(N), logit),
        "categorical": Member(Categorical(4), rng.integers(0, 4, N), logits),
        "categorical, soft": Member(Categorical(4), rng.dirichlet(np.ones(4), N).T.copy(), logits),
        "gaussian": Member(Gaussian(), real, pair),
        "least squares": Member(LeastSquares(), real, logit),
        # Not a density, below its floor: the penalty there does not depend on y.
        "scale floor": Member(ScaleFloor(Gaussian(), -0.5), real, pair, is_density=False),
    }


MEMBERS = members()


@pytest.fixture(params=MEMBERS)
def member(request):
    return MEMBERS[request.param]


def test_shapes_and_names(member):
    likelihood, y, eta = member.likelihood, member.y, member.eta
    q = likelihood.n_predictors
    assert len(eta) == q == len(likelihood.predictor_names) == len(set(likelihood.predictor_names))
    assert likelihood.nll(y, eta).shape == (N,)
    assert likelihood.gradient(y, eta).shape == (q, N)
    assert likelihood.hessian(y, eta).shape == (q, q, N)
    assert likelihood.expected_information(eta).shape == (q, q, N)
    assert likelihood.information_diagonal(eta).shape == (q, N)


def shifted(eta, k, step):
    moved = eta.astype(np.longdouble)
    moved[k] += step
    return moved


def test_the_gradient_is_the_nll_s(member):
    likelihood, y, eta = member.likelihood, member.y, member.eta
    gradient = likelihood.gradient(y, eta)
    for k in range(len(eta)):
        rise = likelihood.nll(y, shifted(eta, k, STEP)) - likelihood.nll(y, shifted(eta, k, -STEP))
        np.testing.assert_allclose(gradient[k], (rise / (2 * STEP)).astype(float), **DIFFERENCE)


def test_the_hessian_is_the_gradient_s(member):
    likelihood, y, eta = member.likelihood, member.y, member.eta
    hessian = likelihood.hessian(y, eta)
    np.testing.assert_array_equal(hessian, hessian.transpose(1, 0, 2))
    for k in range(len(eta)):
        rise = likelihood.gradient(y, shifted(eta, k, STEP)) - likelihood.gradient(y, shifted(eta, k, -STEP))
        np.testing.assert_allclose(hessian[:, k], (rise / (2 * STEP)).astype(float), **DIFFERENCE)


def test_the_expected_information_is_the_hessian_s_mean_over_outcomes(member):
    information = member.likelihood.expected_information(member.eta)
    mean = sum(mass * member.likelihood.hessian(y, member.eta) for y, mass in member.outcomes())
    np.testing.assert_allclose(information, mean, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", [name for name in MEMBERS if MEMBERS[name].is_density])
def test_the_gradient_has_mean_zero_and_the_information_as_its_variance(name):
    member = MEMBERS[name]
    gradients = [(member.likelihood.gradient(y, member.eta), mass) for y, mass in member.outcomes()]
    mean = sum(mass * gradient for gradient, mass in gradients)
    np.testing.assert_allclose(mean, 0, atol=1e-13 * max(np.abs(gradient).max() for gradient, _ in gradients))
    variance = sum(mass * gradient[:, None] * gradient for gradient, mass in gradients)
    np.testing.assert_allclose(variance, member.likelihood.expected_information(member.eta), rtol=1e-12, atol=1e-14)


def test_the_information_is_positive_semidefinite(member):
    information = member.likelihood.expected_information(member.eta).transpose(2, 0, 1)
    values = np.linalg.eigvalsh(information)
    assert values.min() >= -1e-14 * values.max()


def test_the_flags_tell_the_truth(member):
    likelihood, y, eta = member.likelihood, member.y, member.eta
    hessian = likelihood.hessian(y, eta)
    indefinite = np.linalg.eigvalsh(hessian.transpose(2, 0, 1)).min() < -1e-10
    assert likelihood.convex is not bool(indefinite)
    assert likelihood.quadratic is bool(np.array_equal(hessian, likelihood.hessian(y, 2 * eta + 1)))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_methods_agree_with_each_other(member, weighted):
    likelihood, y, eta = member.likelihood, member.y, member.eta
    rng = np.random.default_rng(1)
    weight = rng.random(N) if weighted else None
    per_row = np.ones(N) if weight is None else weight
    information = likelihood.expected_information(eta)
    np.testing.assert_allclose(likelihood.information_diagonal(eta), np.einsum("kkn->kn", information), rtol=1e-13)
    change = rng.standard_normal(eta.shape)
    expected = np.einsum("jkn,kn->jn", likelihood.hessian(y, eta) * per_row, change)
    apply = likelihood.hessian_operator(y, eta, weight)
    np.testing.assert_allclose(apply(change), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(apply(change), expected, rtol=1e-12, atol=1e-14)  # and can be applied again


@pytest.mark.parametrize("repeats", [1, 8, 9, 17, 26])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_total_is_the_sum_of_the_rows(member, repeats, weighted):
    """Rows from 60 to 1560: below, across and beyond the chunks of 512 whose logarithms are taken at once."""
    y, eta = np.tile(member.y, repeats), np.tile(member.eta, repeats)
    n = eta.shape[1]
    weight = np.random.default_rng(2).random(n) if weighted else None
    per_row = np.ones(n) if weight is None else weight
    kept = y.copy(), eta.copy(), per_row.copy()
    total, gradient = member.likelihood.total_and_gradient(y, eta, weight)
    assert isinstance(total, float)
    assert total == pytest.approx(per_row @ member.likelihood.nll(y, eta), rel=1e-13)
    np.testing.assert_allclose(gradient, per_row * member.likelihood.gradient(y, eta), rtol=1e-13, atol=1e-15)
    for before, after in zip(kept, (y, eta, per_row), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("n", [1, 511, 512, 513, 1023, 1024, 1025])
def test_the_total_at_the_edges_of_the_chunks(n):
    rng = np.random.default_rng(n)
    y, eta = rng.integers(0, 2, n).astype(float), rng.normal(0, 3, (1, n))
    total, gradient = Bernoulli().total_and_gradient(y, eta, None)
    assert total == pytest.approx(Bernoulli().nll(y, eta).sum(), rel=1e-13)
    np.testing.assert_allclose(gradient, Bernoulli().gradient(y, eta), rtol=1e-13, atol=1e-15)


def test_rows_do_not_know_their_neighbours(member):
    likelihood, y, eta = member.likelihood, member.y, member.eta
    order = np.random.default_rng(3).permutation(N)
    moved_y, moved_eta = np.ascontiguousarray(y[..., order]), np.ascontiguousarray(eta[:, order])
    close = {"rtol": 1e-14, "atol": 1e-15}
    np.testing.assert_allclose(likelihood.nll(moved_y, moved_eta), likelihood.nll(y, eta)[order], **close)
    for method in (likelihood.gradient, likelihood.hessian):
        np.testing.assert_allclose(method(moved_y, moved_eta), method(y, eta)[..., order], **close)


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_the_type_of_eta_is_the_type_of_the_answer(member, dtype):
    likelihood, y, eta = member.likelihood, member.y, member.eta.astype(dtype)
    assert likelihood.nll(y, eta).dtype == dtype
    assert likelihood.gradient(y, eta).dtype == dtype
    assert likelihood.hessian(y, eta).dtype == dtype
    assert likelihood.expected_information(eta).dtype == dtype
