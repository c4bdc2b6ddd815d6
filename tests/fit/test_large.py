"""Large data take other ways (samples, stages, Kronecker factors) to the same answers; threads change no bit."""

import threading

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit
from threadpoolctl import threadpool_limits

from sklearn_mle import MLELogisticClassifier
from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._rows import data as data_module
from sklearn_mle._solvers import Status
from sklearn_mle.inference import infer
from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian, Gumbel
from tests.fit.options import ridge, terms_of

pytestmark = pytest.mark.slow

NAMES = ["bernoulli", "categorical", "gaussian", "gaussian, log linear"]


@pytest.mark.parametrize("name", NAMES)
def test_the_bits_do_not_depend_on_the_threads(large_models, name, monkeypatch):
    model = large_models[name]
    found = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(data_module, "n_threads", lambda threads=threads: threads)
        found.append(model.fit())
    for result in found[1:]:
        np.testing.assert_array_equal(result.coefficients, found[0].coefficients)
        assert result.log_likelihood == found[0].log_likelihood
        assert result.gap == found[0].gap


@pytest.mark.parametrize("name", NAMES)
def test_nor_on_the_caller_s_limit(large_models, name):
    model = large_models[name]
    expected = model.fit().coefficients
    with threadpool_limits(1):
        np.testing.assert_array_equal(model.fit().coefficients, expected)


def test_fits_at_the_same_time_give_the_bits_of_fits_one_by_one(large_models):
    chosen = [large_models[name] for name in NAMES]
    expected = [model.fit().coefficients for model in chosen]
    found = [None] * len(chosen)

    def work(k):
        found[k] = chosen[k].fit().coefficients

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(chosen))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def binary(n, p, seed=0, *, rare=False):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.exp(rng.normal(0, 2, p)) + rng.normal(0, 3, p)
    eta = (X - X.mean(axis=0)) / X.std(axis=0) @ rng.normal(0, 1, p) / np.sqrt(p)
    if rare:
        eta -= 5.5
    y = (eta + rng.logistic(size=n) > 0).astype(float)
    return X, y


def assert_exact(likelihood, X, y, **others):
    """The default solver against Newton's method on all rows from the null model."""
    scale = others.pop("scale", "constant")
    found = fit(likelihood, X, y, options=FitOptions(terms=terms_of(scale)), **others)
    exact = fit(likelihood, X, y, options=FitOptions(terms=terms_of(scale), solver="newton"), **others)
    assert found.status is exact.status is Status.CONVERGED
    assert found.gap <= 1e-8 and exact.gap <= 1e-8
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-12)
    deviation = X.std(axis=0)
    # A gap of 1e-8 is 1.5e-4 standard errors, and those are above 1e-3 here.
    np.testing.assert_allclose(
        found.coefficients[:, :-1] * deviation, exact.coefficients[:, :-1] * deviation, atol=2e-7
    )


def test_a_fit_that_starts_from_a_sample():
    assert_exact(Bernoulli(), *binary(120_000, 20))


def test_a_fit_that_starts_from_a_sample_of_weighted_rows():
    X, y = binary(120_000, 20)
    weight = np.random.default_rng(1).exponential(size=len(y)) ** 3
    assert_exact(Bernoulli(), X, y, sample_weight=weight)


def test_a_sample_that_has_not_seen_a_column_at_work():
    """A dummy of twelve rows in 120,000: a sample's curvature knows nothing of it."""
    X, y = binary(120_000, 20)
    rng = np.random.default_rng(2)
    X[:, 3] = 0
    X[rng.choice(len(y), 12, replace=False), 3] = 1.0
    y[np.flatnonzero(X[:, 3])[:5]] = 0
    y[np.flatnonzero(X[:, 3])[5:]] = 1
    assert_exact(Bernoulli(), X, y)


def test_a_sample_of_rare_events():
    assert_exact(Bernoulli(), *binary(120_000, 20, rare=True))


def test_a_sample_misled_by_the_order_of_the_rows():
    X, y = binary(120_000, 20)
    order = np.lexsort((X[:, 0], y))
    assert_exact(Bernoulli(), X[order], y[order])


def test_several_classes_from_a_sample():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((60_000, 15))
    y = (X @ rng.normal(0, 1, (15, 5)) + rng.gumbel(size=(60_000, 5))).argmax(axis=1)
    assert_exact(Categorical(5), X, y)


def test_a_log_linear_scale_from_a_sample():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((60_000, 15))
    y = X @ rng.standard_normal(15) + np.exp(0.3 * X[:, 0] - 0.2 * X[:, 1]) * rng.standard_normal(60_000)
    assert_exact(Gaussian(), X, y, scale="log_linear")


def test_trial_steps_that_overflow_in_other_threads_are_no_matter_for_warnings():
    rng = np.random.default_rng(10)
    X = rng.standard_normal((50_000, 20))
    y = X @ (0.1 * rng.standard_normal(20)) + rng.standard_t(4, 50_000)  # a left tail that a Gumbel cannot have
    found = fit(Gumbel(), X, y, options=FitOptions())
    assert found.status is Status.CONVERGED and found.gap <= 1e-8


@pytest.mark.parametrize("far", [True, False])
def test_float32_is_as_exact_as_its_values_in_float64(far):
    """A column of 2000 +- 1 has seven digits, and products in float32 would have fewer."""
    X, y = binary(120_000, 20)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    if far:
        X[:, 0] = 2000 + np.random.default_rng(5).standard_normal(len(y))
    single = X.astype(np.float32)
    found, exact = fit(Bernoulli(), single, y), fit(Bernoulli(), single.astype(np.float64), y)
    assert found.n_passes == exact.n_passes
    deviation = X.std(axis=0)
    np.testing.assert_allclose(
        found.coefficients[0, :-1] * deviation, exact.coefficients[0, :-1] * deviation, atol=1e-7
    )


def test_many_columns():
    """More columns than a curvature is cheap for."""
    assert_exact(Bernoulli(), *binary(3000, 200, seed=6))


def test_a_hundred_classes_and_more():
    """Too many predictors for a full curvature: Newton-CG behind a Kronecker factor, checked by the score."""
    rng = np.random.default_rng(7)
    n, n_classes = 6000, 120
    X = rng.standard_normal((n, 4)) * [1, 10, 0.1, 1]
    y = (X / [1, 10, 0.1, 1] @ rng.normal(0, 0.7, (4, n_classes)) + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    result = fit(Categorical(n_classes), X, y)
    assert result.status is Status.CONVERGED and result.warnings == ()
    eta = X @ result.coefficients[:, :-1].T + result.coefficients[:, -1]
    probability = np.exp(eta - eta.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    D = np.column_stack([X, np.ones(n)])
    score = (np.eye(n_classes)[y] - probability).T @ D
    information = (probability * (1 - probability)).T @ D**2
    assert np.abs(score / np.sqrt(information)).max() < 1e-3


def test_more_parameters_than_a_curvature_is_formed_for():
    """Wide, sparse and penalized: Newton-CG in the rows, checked by the score."""
    rng = np.random.default_rng(8)
    X = sp.random_array((3000, 4200), density=0.005, random_state=rng, format="csr")
    y = (X @ rng.normal(0, 3, 4200) + rng.logistic(size=3000) > 0).astype(float)
    result = fit(Bernoulli(), X, y, options=FitOptions(prior=ridge(0.5)))
    assert result.status is Status.CONVERGED and result.gap <= 1e-8
    coef, intercept = result.coefficients[0, :-1], result.coefficients[0, -1]
    residual = y - 1 / (1 + np.exp(-(X @ coef + intercept)))
    # gap >= |gradient|^2 / 2 / curvature, whose largest entry is bounded by the columns' squares and the prior.
    np.testing.assert_allclose(X.T @ residual, 0.5 * coef, atol=1e-3)
    assert abs(residual.sum()) < 1e-2


@pytest.mark.parametrize("seed", range(3))
def test_columns_mixed_at_random_take_few_passes(seed):
    """The curvature of all rows is formed once, some way off, and standard errors are as good as nobody could tell."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((100_000, 20)) @ rng.standard_normal((20, 20))
    eta = X @ rng.standard_normal(20)
    y = (rng.random(len(X)) < expit(1.5 * eta / eta.std())).astype(int)
    model = MLELogisticClassifier().fit(X, y)
    assert model.n_passes_ <= 7 and model.gap_ <= 1e-8
    np.testing.assert_allclose(model.standard_errors(), infer(model, X, y).standard_errors, rtol=2e-3)
