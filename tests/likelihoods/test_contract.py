"""The contract of every likelihood, swept over all members: derivatives, expectations, agreement between methods."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

from sklearn_mle import likelihoods
from sklearn_mle.likelihoods import Bernoulli, Beta, Likelihood, Tweedie, UserLikelihood
from sklearn_mle.likelihoods._base import MANY_ROWS
from sklearn_mle.likelihoods._surrogates import BoundedDispersion
from tests.likelihoods.models import MODELS, N

EPS = float(np.finfo(np.longdouble).eps)
STEP = EPS ** (1 / 3)


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def test_every_likelihood_of_every_file_is_swept():
    found = {
        member
        for file in pkgutil.iter_modules(likelihoods.__path__)
        for _, member in inspect.getmembers(importlib.import_module(f"{likelihoods.__name__}.{file.name}"))
        if inspect.isclass(member) and issubclass(member, Likelihood)
    }
    swept = {type(model.likelihood) for model in MODELS.values()}
    assert {Bernoulli, Tweedie, UserLikelihood, Likelihood} <= found, "the look itself finds nothing"
    assert {one for one in found if not inspect.isabstract(one)} <= swept
    assert {one for one in found if not any(issubclass(member, one) for member in swept)} <= set()


def test_shapes_and_names(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    q = likelihood.n_predictors
    assert len(eta) == q == len(likelihood.predictor_names) == len(set(likelihood.predictor_names))
    assert likelihood.nll(y, eta).shape == (N,)
    assert likelihood.gradient(y, eta).shape == (q, N)
    assert likelihood.hessian(y, eta).shape == (q, q, N)
    assert likelihood.expected_information(eta).shape == (q, q, N)
    assert likelihood.information_diagonal(eta).shape == (q, N)


def close(error):
    return {"rtol": error, "atol": error}


def shifted(eta, k, step):
    moved = eta.astype(np.longdouble)
    moved[k] += step
    return moved


def test_the_gradient_is_the_nll_s(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    gradient = likelihood.gradient(y, eta)
    for k in range(len(eta)):
        rise = likelihood.nll(y, shifted(eta, k, STEP)) - likelihood.nll(y, shifted(eta, k, -STEP))
        np.testing.assert_allclose(
            gradient[k], (rise / (2 * STEP)).astype(float), rtol=model.difference, atol=model.difference
        )


def test_the_hessian_is_the_gradient_s(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    hessian = likelihood.hessian(y, eta)
    np.testing.assert_array_equal(hessian, hessian.transpose(1, 0, 2))
    for k in range(len(eta)):
        rise = likelihood.gradient(y, shifted(eta, k, STEP)) - likelihood.gradient(y, shifted(eta, k, -STEP))
        np.testing.assert_allclose(
            hessian[:, k], (rise / (2 * STEP)).astype(float), rtol=model.difference, atol=model.difference
        )


def of_rows(values):
    """Sums over the outcomes of each row."""
    return values.reshape(*values.shape[:-1], -1, N).sum(axis=-2)


def test_the_information_is_the_variance_of_the_gradient_and_the_mean_of_the_hessian(model):
    likelihood, eta = model.likelihood, model.eta
    information = likelihood.expected_information(eta)
    mean, variance, curvature = 0.0, 0.0, 0.0
    outcomes = model.outcomes()
    for k in range(0, len(outcomes), 50):
        # Many outcomes of every row at once: as many rows.
        y, mass = (np.concatenate(each) for each in zip(*outcomes[k : k + 50], strict=True))
        at = np.tile(eta, len(y) // N)
        gradient = likelihood.gradient(y, at)
        mean = mean + of_rows(mass * gradient)
        variance = variance + of_rows(mass * gradient[:, None] * gradient)
        curvature = curvature + of_rows(mass * likelihood.hessian(y, at))
    size = np.sqrt(np.einsum("kkn->kn", information))
    product = size[:, None] * size
    if not isinstance(likelihood, BoundedDispersion):  # which is no density beyond the bound
        assert np.abs(mean / size).max() < model.error
        assert (np.abs(variance - information) / product).max() < model.error
    if likelihood.smooth:
        assert (np.abs(curvature - information) / product).max() < model.error
    assert np.linalg.eigvalsh((information / product).transpose(2, 0, 1)).min() > -1e-13


def test_the_flags_tell_the_truth(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    hessian = likelihood.hessian(y, eta)
    indefinite = np.linalg.eigvalsh(hessian.transpose(2, 0, 1)).min() < -1e-10
    assert likelihood.convex is not bool(indefinite), f"convex should be {not indefinite}"
    quadratic = bool(np.array_equal(hessian, likelihood.hessian(y, 2 * eta + 1)))
    assert likelihood.quadratic is quadratic, f"quadratic should be {quadratic}"


def test_the_location_is_convex_where_it_is_said_to_be(model):
    likelihood, y = model.likelihood, model.y
    for eta in (model.eta, 3 * model.eta) if likelihood.convex_in_location else ():
        curvature = likelihood.hessian(y, eta)[0, 0]
        assert curvature.min() >= -1e-12 * np.abs(curvature).max()


def test_a_beta_s_location_is_not_convex_and_a_user_s_is_not_taken_to_be():
    # Far from y the curvature in the log-odds is that of phi mu (1 - mu) (1 + (1 - 2 mu) (logit mu - logit y)).
    assert Beta().hessian(np.array([1e-3]), np.array([[3.0], [5.0]]))[0, 0] < 0
    assert not Beta().convex_in_location and not UserLikelihood.convex_in_location


@pytest.mark.parametrize("weighted", [False, True])
def test_the_methods_agree_with_each_other(model, weighted):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    rng = np.random.default_rng(1)
    weight = rng.random(N) if weighted else None
    per_row = np.ones(N) if weight is None else weight
    information = likelihood.expected_information(eta)
    np.testing.assert_allclose(likelihood.information_diagonal(eta), np.einsum("kkn->kn", information), rtol=1e-13)
    total = likelihood.total_information(eta, weight)
    np.testing.assert_allclose(total, (information * per_row).sum(axis=2), rtol=1e-13, atol=1e-13)
    change = rng.standard_normal(eta.shape)
    expected = np.einsum("jkn,kn->jn", likelihood.hessian(y, eta) * per_row, change)
    apply = likelihood.hessian_operator(y, eta, weight)
    np.testing.assert_allclose(apply(change), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(apply(change), expected, rtol=1e-12, atol=1e-14)  # and can be applied again


@pytest.mark.parametrize("repeats", [1, 9, 80])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_total_is_the_sum_of_the_rows(model, repeats, weighted):
    """Rows from 60 to 4800: fewer and more than those from which totals may be taken together."""
    y, eta = np.tile(model.y, repeats), np.tile(model.eta, repeats)
    n = eta.shape[1]
    weight = np.random.default_rng(2).random(n) if weighted else None
    per_row = np.ones(n) if weight is None else weight
    kept = y.copy(), eta.copy(), per_row.copy()
    total, gradient = model.likelihood.total_and_gradient(y, eta, weight)
    assert isinstance(total, float)
    assert total == pytest.approx(per_row @ model.likelihood.nll(y, eta), rel=1e-13)
    np.testing.assert_allclose(gradient, per_row * model.likelihood.gradient(y, eta), rtol=1e-13, atol=1e-15)
    for before, after in zip(kept, (y, eta, per_row), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("repeats", [1, 80])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_hessian_beside_the_total_is_that_of_the_rows(model, repeats, weighted):
    y, eta = np.tile(model.y, repeats), np.tile(model.eta, repeats)
    weight = np.random.default_rng(2).random(eta.shape[1]) if weighted else None
    total, gradient, hessian = model.likelihood.total_gradient_and_hessian(y, eta, weight)
    known_total, known_gradient = model.likelihood.total_and_gradient(y, eta, weight)
    assert total == known_total
    np.testing.assert_array_equal(gradient, known_gradient)
    np.testing.assert_array_equal(hessian, model.likelihood.hessian(y, eta))


@pytest.mark.parametrize("n", [1, MANY_ROWS - 1, *range(MANY_ROWS, MANY_ROWS + 18)])
def test_the_total_at_the_edges_of_the_chunks(n):
    rng = np.random.default_rng(n)
    y, eta = rng.integers(0, 2, n).astype(float), rng.normal(0, 3, (1, n))
    total, gradient = Bernoulli().total_and_gradient(y, eta, None)
    assert total == pytest.approx(Bernoulli().nll(y, eta).sum(), rel=1e-13)
    np.testing.assert_allclose(gradient, Bernoulli().gradient(y, eta), rtol=1e-13, atol=1e-15)


def test_rows_do_not_know_their_neighbours(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    order = np.random.default_rng(3).permutation(N)
    moved_y, moved_eta = np.ascontiguousarray(y[..., order]), np.ascontiguousarray(eta[:, order])
    for method in (likelihood.nll, likelihood.gradient, likelihood.hessian):
        np.testing.assert_allclose(method(moved_y, moved_eta), method(y, eta)[..., order], rtol=1e-14, atol=1e-15)


def test_a_weight_of_k_is_k_copies_and_of_zero_none(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    weight = np.arange(N) % 4
    rows = np.repeat(np.arange(N), weight)
    total, gradient = likelihood.total_and_gradient(y, eta, weight.astype(float))
    repeated, of_repeated = likelihood.total_and_gradient(y[..., rows], eta[:, rows], None)
    assert total == pytest.approx(repeated, rel=1e-13)
    np.testing.assert_allclose(gradient.sum(axis=1), of_repeated.sum(axis=1), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_the_type_of_eta_is_the_type_of_the_answer(model, dtype):
    likelihood, y, eta = model.likelihood, model.y, model.eta.astype(dtype)
    for answer in (
        likelihood.nll(y, eta),
        likelihood.gradient(y, eta),
        likelihood.hessian(y, eta),
        likelihood.expected_information(eta),
    ):
        assert answer.dtype == dtype
        # Callers scale it in place; but what is one number for all rows takes no memory.
        assert answer.flags.writeable or likelihood.quadratic


def test_double_precision_agrees_with_extended(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    # Tweedie's sums cancel a few digits near power 1 and 2; a user's derivatives are differences.
    allowed = 1e-10 if isinstance(likelihood, Tweedie | UserLikelihood) else 1e-11
    for method in (likelihood.nll, likelihood.gradient, likelihood.hessian):
        extended = method(y, eta.astype(np.longdouble)).astype(float)
        np.testing.assert_allclose(method(y, eta), extended, **close(allowed))
