"""A log-linear scale: the truth is recovered, the optimum is stationary and scipy's, and what is done without one."""

import numpy as np
import pytest
from scipy.optimize import minimize

from sklearn_mle import MLERegressor
from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._solvers import Status
from sklearn_mle.exceptions import RankDeficiencyWarning, UnboundedLikelihoodWarning
from sklearn_mle.likelihoods import Gaussian
from tests.fit.options import ridge, terms_of


def log_linear(X, y, *, start=None, **others):
    weight = others.pop("sample_weight", None)
    terms = terms_of("log_linear", others.pop("fit_intercept", True))
    options = FitOptions(terms=terms, prior=ridge(others.pop("alpha", 0.0)), **others)
    return fit(Gaussian(), X, y, sample_weight=weight, start=start, options=options)


def heteroscedastic(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3)) * [1.0, 20.0, 0.1] + [0.0, 100.0, 1.0]
    Z = (X - [0, 100, 1]) / [1, 20, 0.1]
    truth = np.array([[1.0, -0.05, 3.0, 2.0], [0.5, 0.01, -4.0, 1.0]])
    log_scale = X @ truth[1, :-1] + truth[1, -1]
    assert np.abs(Z).max() < 5
    return X, X @ truth[0, :-1] + truth[0, -1] + np.exp(log_scale) * rng.standard_normal(n), truth


def penalized_nll(parameters, X, y, weight, alpha=0.0):
    """The objective as the documentation states it, with the prior relative to the geometric mean of the scales."""
    location, log_scale = parameters.reshape(2, -1)
    s = X @ log_scale[:-1] + log_scale[-1]
    z = (y - X @ location[:-1] - location[-1]) * np.exp(-s)
    prior = 0.5 * alpha * location[:-1] @ location[:-1] * np.exp(-2 * np.average(s, weights=weight))
    return weight @ (0.5 * np.log(2 * np.pi) + s + 0.5 * z * z) + prior


def gradient_of(coefficients, X, y, weight, alpha=0.0):
    """By complex steps, in units of standard deviations of the columns."""
    flat = coefficients.ravel().astype(complex)
    units = np.tile(np.append(X.std(axis=0), 1.0), 2)
    out = []
    for j in range(len(flat)):
        moved = flat.copy()
        moved[j] += 1e-30j
        out.append(penalized_nll(moved, X, y, weight, alpha).imag / 1e-30 / units[j])
    return np.array(out)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_zero_at_the_optimum(alpha, weighted):
    X, y, _ = heteroscedastic()
    weight = np.random.default_rng(1).exponential(size=len(y)) if weighted else np.ones(len(y))
    result = log_linear(X, y, sample_weight=weight, alpha=alpha)
    assert result.status is Status.CONVERGED
    np.testing.assert_allclose(gradient_of(result.coefficients, X, y, weight, alpha), 0, atol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_scipy_finds_the_same_optimum(alpha):
    X, y, _ = heteroscedastic()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    weight = np.random.default_rng(2).exponential(size=len(y))
    result = log_linear(Z, y, sample_weight=weight, alpha=alpha)
    start = np.zeros(8)
    start[3], start[7] = y.mean(), np.log(y.std())
    other = minimize(penalized_nll, start, args=(Z, y, weight, alpha), method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose(result.coefficients.ravel(), other.x, atol=2e-5)
    assert penalized_nll(result.coefficients.ravel(), Z, y, weight, alpha) <= other.fun + 1e-9


def test_the_truth_is_recovered():
    X, y, truth = heteroscedastic(n=20_000)
    result = log_linear(X, y)
    # Standard errors: the scale's are 1/sqrt(2 n) a standard deviation of the column, the location's the scale's size.
    np.testing.assert_allclose(result.coefficients[1, :-1] * [1, 20, 0.1], truth[1, :-1] * [1, 20, 0.1], atol=0.025)
    np.testing.assert_allclose(result.coefficients[0, 0], truth[0, 0], atol=0.15)


def test_data_on_a_grid_of_two_scales_have_a_closed_form():
    """A dummy tells two groups apart: each has its own mean and its own deviation."""
    rng = np.random.default_rng(3)
    group = np.repeat([0.0, 1.0], [40, 60])
    y = np.where(group == 0, 2 + 0.5 * rng.standard_normal(100), -1 + 3 * rng.standard_normal(100))
    location, log_scale = log_linear(group[:, None], y).coefficients
    means, deviations = ([f(y[group == k]) for k in (0, 1)] for f in (np.mean, np.std))
    np.testing.assert_allclose([location[1], location[0] + location[1]], means, rtol=1e-11)
    np.testing.assert_allclose(np.exp([log_scale[1], log_scale[0] + log_scale[1]]), deviations, rtol=1e-11)


def test_harvey_s_start_leads_to_the_maximum_from_strong_heteroscedasticity():
    """Scales over six decades: from a constant scale alone Newton's method would have far to go."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, 400)
    y = 1 + x + np.exp(-3 + 7 * x) * rng.standard_normal(400)
    result = log_linear(x[:, None], y)
    assert result.warnings == ()
    assert result.status is Status.CONVERGED
    assert result.n_iter <= 30
    np.testing.assert_allclose(result.coefficients[1], [7, -3], atol=0.3)
    gradient = gradient_of(result.coefficients, x[:, None], y, np.ones(400))
    # In standard errors: the location's information is the sum of 1 / s^2, which the small scales make large.
    information = np.exp(-2 * (result.coefficients[1] @ [x, np.ones(400)])).sum()
    np.testing.assert_allclose(gradient / np.sqrt([information, information, 800, 800]), 0, atol=1e-8)


@pytest.mark.parametrize("multiple", [1e-150, 1e-6, 1e6, 1e150])
def test_the_unit_of_y_is_a_shift_of_the_log_scale(multiple):
    X, y, _ = heteroscedastic()
    plain, scaled = log_linear(X, y), log_linear(X, y * multiple)
    np.testing.assert_allclose(scaled.coefficients[0] / multiple, plain.coefficients[0], rtol=1e-9)
    np.testing.assert_allclose(scaled.coefficients[1, :-1], plain.coefficients[1, :-1], rtol=1e-9)
    expected = plain.coefficients[1, -1] + np.log(multiple)
    assert scaled.coefficients[1, -1] == pytest.approx(expected, rel=1e-9)


def test_without_an_intercept_the_location_has_none_but_the_scale_has():
    X, y, _ = heteroscedastic()
    result = log_linear(X, y, fit_intercept=False)
    assert result.coefficients[0, -1] == 0 and result.coefficients[1, -1] != 0
    gradient = gradient_of(result.coefficients, X, y, np.ones(len(y)))
    np.testing.assert_allclose(np.delete(gradient, 3) / np.array([101, 5, 11, 1, 101, 11, 1]), 0, atol=1e-8)


def test_a_column_of_ones_beside_no_intercept_is_seen_in_the_scale_which_has_one():
    """The location needs it, the log scale has its own: there it is redundant, and the least norm is zero."""
    X, y, _ = heteroscedastic()
    X = X - X.mean(axis=0)
    ones = np.column_stack([np.ones(len(y)), X])
    found, expected = log_linear(ones, y, fit_intercept=False), log_linear(X, y)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-10)
    np.testing.assert_allclose(found.coefficients[0, :4], expected.coefficients[0, [3, 0, 1, 2]], rtol=1e-6)
    np.testing.assert_allclose(found.coefficients[1, 1:4], expected.coefficients[1, :3], rtol=1e-6)
    constant = found.coefficients[1, 0] + found.coefficients[1, 4]
    assert constant == pytest.approx(expected.coefficients[1, 3], rel=1e-6)
    assert np.abs(found.coefficients).max() < 1e3


def test_dependent_columns_have_the_least_norm_in_both_predictors():
    X, y, _ = heteroscedastic()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    result, plain = log_linear(np.column_stack([Z, Z[:, 1]]), y), log_linear(Z, y)
    assert [type(warning) for warning in result.warnings] == [RankDeficiencyWarning]
    halved = plain.coefficients.copy()
    halved[:, 1] /= 2
    np.testing.assert_allclose(result.coefficients[:, [0, 1, 2, 4]], halved, rtol=1e-8)
    np.testing.assert_allclose(result.coefficients[:, 3], halved[:, 1], rtol=1e-8)


def unbounded():
    """A dummy of one row: that row can be fitted exactly, and its scale sent to zero."""
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.standard_normal(50), np.arange(50) == 17])
    return X, X[:, 0] + rng.standard_normal(50)


def test_an_unbounded_likelihood_warns_and_names_rows_and_columns():
    X, y = unbounded()
    result = fit(Gaussian(), X, y, options=FitOptions(terms=terms_of("log_linear")), feature_names=["x", "dummy"])
    (warning,) = result.warnings
    assert isinstance(warning, UnboundedLikelihoodWarning)
    assert "rows 17 " in str(warning) and "'dummy'" in str(warning) and "'x'" not in str(warning)
    assert np.isfinite(result.coefficients).all() and np.isfinite(result.log_likelihood)
    # The documented floor, less the one unit at which gain and penalty balance.
    at_the_row = result.coefficients[1] @ [*X[17], 1]
    assert at_the_row == pytest.approx(np.log(1e-6 * y.std()) - 1, abs=0.5)


def test_the_other_rows_are_fitted_as_if_the_row_were_absent():
    X, y = unbounded()
    result, without = log_linear(X, y), log_linear(np.delete(X[:, :1], 17, axis=0), np.delete(y, 17))
    np.testing.assert_allclose(result.coefficients[:, [0, 2]], without.coefficients, rtol=1e-5)


@pytest.mark.parametrize("seed", [6, 7, 8])
@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton-cg"])
def test_weights_are_repeats_where_the_likelihood_is_unbounded(seed, solver):
    X, y = unbounded()
    weight = np.random.default_rng(seed).integers(1, 4, 50).astype(float)
    weighted = log_linear(X, y, sample_weight=weight, solver=solver)
    repeated = log_linear(np.repeat(X, weight.astype(int), axis=0), np.repeat(y, weight.astype(int)), solver=solver)
    for result in (weighted, repeated):
        assert [type(warning) for warning in result.warnings] == [UnboundedLikelihoodWarning]
    np.testing.assert_allclose(weighted.coefficients, repeated.coefficients, rtol=1e-5)
    again = log_linear(X, y, sample_weight=weight, solver=solver)
    np.testing.assert_array_equal(again.coefficients, weighted.coefficients)


def test_a_perfect_location_stops_every_row_at_the_floor():
    X, _ = unbounded()
    result = log_linear(X[:, :1], 2 + 3 * X[:, 0])
    assert [type(warning) for warning in result.warnings] == [UnboundedLikelihoodWarning]
    assert "every row" in str(result.warnings[0])
    np.testing.assert_allclose(result.coefficients[0], [3, 2], rtol=1e-9)


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "newton-cg"])
def test_every_solver_finds_the_maximum(solver):
    X, y, _ = heteroscedastic()
    expected, found = log_linear(X, y), log_linear(X, y, solver=solver)
    assert expected.log_likelihood - found.log_likelihood <= 1.5e-8


@pytest.mark.parametrize("seed", [174, 317, 417, 430])
def test_a_handful_of_rows_does_not_creep_along_a_valley(seed):
    """Before steps were doubled these ended at max_iter, up to 0.07 nats above the minimum."""
    rng = np.random.default_rng(seed)
    n, p = rng.integers(3, 12), rng.integers(1, 3)
    X = rng.normal(size=(n, p))
    X = np.round(X) if seed % 3 == 0 else X
    assert log_linear(X, rng.normal(size=n)).status is Status.CONVERGED


@pytest.mark.parametrize("n_second", [1, 2, 30])
def test_two_groups_have_two_scales_however_they_are_coded(n_second):
    """Both dummies beside an intercept are dependent, and as many parameters as distinct rows: rows, not outcomes."""
    rng = np.random.default_rng(4)
    group = np.repeat([0.0, 1.0], [40, n_second])
    y = rng.standard_normal(len(group)) * (1 + 2 * group)
    one, both = log_linear(group[:, None], y), log_linear(np.column_stack([group, 1 - group]), y)
    assert both.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-10)
    unbounded = [UnboundedLikelihoodWarning] if n_second == 1 else []
    assert [type(warning) for warning in one.warnings] == unbounded
    assert [type(warning) for warning in both.warnings] == [RankDeficiencyWarning, *unbounded]


@pytest.mark.parametrize("offset", [0.0, -20.0, 20.0])
def test_noise_vanishes_wherever_an_offset_puts_it(offset):
    """A row with a column of its own, in the location and in the scale, and an offset on its log scale."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal(40), np.arange(40) == 0])
    offsets = np.zeros((40, 2))
    offsets[0, 1] = offset
    model = MLERegressor("gaussian", predictors="linear")
    with pytest.warns(UnboundedLikelihoodWarning, match="rows 0 can be fitted exactly"):
        model.fit(X, X[:, 0] + rng.standard_normal(40), offset=offsets)
    plain = -14.6  # the bound, a millionth of the scale without columns, and one nat below it
    assert model.scale_coef_[1] + offset == pytest.approx(plain, abs=0.5)
    assert np.isnan(model.standard_errors()[[2, 5]]).all()
