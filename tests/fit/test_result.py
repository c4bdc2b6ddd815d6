"""What a fit reports: its log-likelihood, gap, status, iterations and warnings say what happened."""

import numpy as np
import pytest

from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._solvers import Status
from sklearn_mle.exceptions import PerfectFitWarning, SeparationWarning
from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian
from tests.fit.options import ridge, terms_of

rng = np.random.default_rng(0)


def eta_of(result, X, offset=None):
    eta = result.coefficients[:, :-1] @ X.T + result.coefficients[:, -1:]
    if offset is not None:
        eta[: 1 if offset.ndim == 1 else None] += offset.T
    return eta


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_offset", [False, True])
def test_the_log_likelihood_is_that_of_the_returned_coefficients(penalized, weighted, with_offset):
    model, n = penalized, len(penalized.X)
    weight = np.random.default_rng(1).exponential(size=n) * 3 if weighted else None
    shape = (n, 3) if isinstance(model.likelihood, Categorical) else n
    offset = np.random.default_rng(2).normal(0, 0.5, shape) if with_offset else None
    result = model.fit(sample_weight=weight, offset=offset)
    nll = model.likelihood.nll(model.y.T, eta_of(result, model.X, offset))
    assert result.log_likelihood == pytest.approx(-(nll.sum() if weight is None else weight @ nll), rel=1e-12)
    assert result.n_obs == pytest.approx(n if weight is None else weight.sum(), rel=1e-14)


def test_shapes_and_status(penalized):
    result = penalized.fit()
    assert result.coefficients.shape == (penalized.likelihood.n_predictors, penalized.X.shape[1] + 1)
    assert result.coefficients.dtype == np.float64
    assert result.status is Status.CONVERGED
    assert result.warnings == ()
    assert 0 <= result.gap <= 1e-8
    assert 1 <= result.n_iter <= 30
    assert result.n_iter <= result.n_passes
    if penalized.likelihood.dispersion_parameter is not None and penalized.scale != "log_linear":
        assert result.dispersion == pytest.approx(np.exp(result.coefficients[1, -1]), rel=1e-14)
        np.testing.assert_array_equal(result.coefficients[1, :-1], 0)
    else:
        assert result.dispersion is None
    if isinstance(penalized.likelihood, Categorical):
        np.testing.assert_allclose(result.coefficients.sum(axis=0), 0, atol=1e-13)


def test_a_known_scale_is_returned_as_it_came():
    X = rng.standard_normal((60, 2))
    result = fit(Gaussian(), X, X[:, 0] + rng.standard_normal(60), options=FitOptions(terms=terms_of(0.37)))
    assert result.dispersion == 0.37


def test_small_fits_end_at_rounding(penalized):
    """The last step is an exact Newton step: no gap is left to speak of."""
    assert penalized.fit(tol=1e-3).gap <= 1e-12


@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_a_fit_that_is_cut_short_says_by_how_much(model, max_iter):
    full = model.fit()
    result = model.fit(max_iter=max_iter)
    assert result.n_iter <= max_iter
    if result.status is Status.CONVERGED:
        assert full.log_likelihood - result.log_likelihood <= 1e-8
        return
    assert result.status is Status.MAX_ITER
    shortfall = full.log_likelihood - result.log_likelihood
    # To second order: within a factor of two once the gap is moderate.
    assert result.gap > 1e-8
    if shortfall < 1:
        assert shortfall / 2 <= result.gap <= 2 * shortfall


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "newton-cg"])
@pytest.mark.parametrize("calls", [1, 2])
def test_the_observer_can_stop_any_solver(model, solver, calls):
    seen = []

    def observer(iteration, coefficients):
        seen.append((iteration, coefficients.copy()))
        return iteration == calls

    result = model.fit(observer=observer, solver=solver)
    assert [iteration for iteration, _ in seen] == list(range(1, len(seen) + 1))
    assert all(coefficients.shape == result.coefficients.shape for _, coefficients in seen)
    if len(seen) == calls and result.status is Status.STOPPED:
        assert np.isfinite(result.log_likelihood)
        assert result.log_likelihood <= model.fit().log_likelihood + 1e-9
    else:
        assert result.status is Status.CONVERGED, "it was over before it could be stopped"


def test_the_observer_is_shown_coefficients_in_the_units_of_the_data(penalized):
    seen = []
    result = penalized.fit(observer=lambda iteration, coefficients: seen.append(coefficients.copy()))
    assert len(seen) >= 1
    scale = np.abs(result.coefficients).max()
    np.testing.assert_allclose(seen[-1][0], result.coefficients[0], atol=1e-2 * scale)


def test_a_stopped_fit_raises_no_alarm_about_existence():
    """It has not gone far enough to know."""
    X = rng.standard_normal((60, 3))
    result = fit(Bernoulli(), X, (X[:, 0] > 0).astype(float), observer=lambda iteration, coefficients: True)
    assert result.status is Status.STOPPED
    assert result.warnings == ()


def test_one_class_is_certain():
    X = rng.standard_normal((20, 2))
    for likelihood, y in ((Bernoulli(), np.ones(20)), (Categorical(3), np.full(20, 2))):
        result = fit(likelihood, X, y)
        assert [type(warning) for warning in result.warnings] == [SeparationWarning]
        assert not result.coefficients[:, :-1].any() and result.n_parameters == 0 and 0 < result.gap < 1e-11


@pytest.mark.parametrize("soft", [False, True])
def test_classes_without_weight_are_named_and_given_next_to_no_probability(soft):
    X, y = rng.standard_normal((90, 2)), rng.integers(0, 2, 90) * 2
    given = np.eye(4)[y] if soft else y
    result = fit(Categorical(4), X, given, class_names=["a", "b", "c", "d"])
    assert [type(warning) for warning in result.warnings] == [SeparationWarning]
    assert "class 'b', class 'd'" in str(result.warnings[0])
    eta = eta_of(result, X)
    probability = np.exp(eta - eta.max(axis=0))
    probability /= probability.sum(axis=0)
    assert probability[[1, 3]].max() < 1e-4
    two = fit(Bernoulli(), X, (y == 2).astype(float))
    np.testing.assert_allclose(result.coefficients[2] - result.coefficients[0], two.coefficients[0], rtol=1e-10)
    np.testing.assert_allclose(result.coefficients.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_perfect_fit_has_an_infinite_log_likelihood_without_a_prior_only(alpha):
    X = rng.standard_normal((40, 3))
    result = fit(Gaussian(), X, X @ [1.0, 2, 3] + 4, options=FitOptions(prior=ridge(alpha)))
    if alpha:
        assert result.warnings == () and result.dispersion > 0 and np.isfinite(result.log_likelihood)
    else:
        assert [type(warning) for warning in result.warnings] == [PerfectFitWarning]
        assert result.dispersion == 0 and result.log_likelihood == np.inf and result.gap == 0


@pytest.mark.parametrize("digits", range(1, 13))
def test_a_nearly_perfect_fit_is_not_called_perfect(digits):
    X = rng.standard_normal((40, 3))
    noise = rng.standard_normal(40)
    result = fit(Gaussian(), X, X @ [1.0, 2, 3] + 10.0**-digits * noise)
    assert result.warnings == ()
    residual = noise - np.column_stack([X, np.ones(40)]) @ np.linalg.lstsq(np.column_stack([X, np.ones(40)]), noise)[0]
    assert result.dispersion * 10.0**digits == pytest.approx(np.sqrt(np.mean(residual**2)), rel=10.0 ** (digits - 14))


@pytest.mark.parametrize("p", [0, 1])
def test_few_columns_or_none(p):
    X, y = rng.standard_normal((50, p)), rng.standard_normal(50)
    result = fit(Gaussian(), X, y)
    if p == 0:
        np.testing.assert_allclose(result.coefficients[:, 0], [y.mean(), np.log(y.std())], rtol=1e-12)
    binary = fit(Bernoulli(), X, (y > 0.3).astype(float))
    share = np.mean(y > 0.3)
    if p == 0:
        assert binary.coefficients[0, 0] == pytest.approx(np.log(share / (1 - share)), rel=1e-12)
    assert result.gap <= 1e-8 and binary.gap <= 1e-8
    assert result.warnings == binary.warnings == ()


def test_the_prior_s_optimum_is_stationary(model):
    """d(NLL)/d(coef) = -alpha coef / scale^2, and zero for intercepts (a log-linear scale's: test_log_linear)."""
    model = model.with_data(alpha=1.5, scale="constant" if model.scale == "log_linear" else model.scale)
    result = model.fit()
    likelihood = model.likelihood
    gradient = likelihood.gradient(model.y.T, eta_of(result, model.X))
    # The noise's size, to which the prior is relative.
    scale = result.dispersion ** (likelihood.variance_power / 2) if likelihood.noise_can_vanish else 1.0
    q = 1 if isinstance(likelihood.dispersion_parameter, str) else len(gradient)
    pull = -1.5 * result.coefficients[:q, :-1] / scale**2
    np.testing.assert_allclose(gradient[:q] @ model.X, pull, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(gradient[:q].sum(axis=1), 0, atol=1e-9)
    if isinstance(model.scale, str) and likelihood.noise_can_vanish:
        prior = 1.5 * result.coefficients[0, :-1] @ result.coefficients[0, :-1] / scale**2
        assert gradient[1].sum() == pytest.approx(prior * likelihood.variance_power / 2, rel=1e-8)
