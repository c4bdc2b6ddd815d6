"""Laplace and quantile regression: the exact minimizer, as a linear program has it, and its certificate."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.linear_model import QuantileRegressor
from threadpoolctl import threadpool_limits

from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._fit.quantile import judged
from sklearn_mle._solvers import Status
from sklearn_mle.exceptions import PerfectFitWarning, RankDeficiencyWarning, UnboundedLikelihoodWarning
from sklearn_mle.likelihoods import AsymmetricLaplace, Laplace, UserLikelihood
from tests.fit.options import ridge, terms_of

GLM = Path(__file__).parents[1] / "data" / "glm"
REFERENCE = json.loads((GLM / "reference.json").read_text())


def quantile_fit(
    X,
    y,
    level=0.5,
    *,
    sample_weight=None,
    offset=None,
    observer=None,
    start=None,
    scale="constant",
    fit_intercept=True,
    **options,
):
    return fit(
        AsymmetricLaplace(level),
        X,
        y,
        sample_weight=sample_weight,
        offset=offset,
        observer=observer,
        start=start,
        options=FitOptions(terms=terms_of(scale, fit_intercept), prior=ridge(options.pop("alpha", 0.0)), **options),
    )


def check_loss(X, y, coefficients, level, weight=None):
    X = X.toarray() if sp.issparse(X) else X
    residual = y - X @ coefficients[:-1] - coefficients[-1]
    return float(np.sum(np.maximum(level * residual, (level - 1) * residual) * (1 if weight is None else weight)))


def dual_bound(X, y, level, weight=None, *, intercept=True):
    """The optimum of the dual linear program: computed by HiGHS, from nothing that the fit returned."""
    weight = np.ones(len(y)) if weight is None else weight
    A = np.column_stack([X, np.ones(len(y))]) if intercept else X
    bounds = np.column_stack([weight * (level - 1), weight * level])
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    return -linprog(-y, A_eq=A.T, b_eq=np.zeros(A.shape[1]), bounds=bounds, method="highs", options=tight).fun


def make(seed, n=150, p=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.resize([1.0, 10, 0.1, 1], p) + np.resize([0.0, 5, 0, -2], p)
    return X, X @ rng.standard_normal(p) + 3 + rng.standard_t(2, n)


@pytest.mark.parametrize("name", ["stackloss", "engel", "diabetes"])
def test_certified_least_absolute_deviations(name):
    data = np.loadtxt(GLM / f"{name}.csv", delimiter=",", skiprows=1)
    certified = REFERENCE[f"laplace/{name}"]
    result = fit(Laplace(), data[:, 1:], data[:, 0])
    np.testing.assert_allclose(np.roll(result.coefficients[0], 1), certified["coef"], rtol=1e-12)
    assert result.dispersion == pytest.approx(float(certified["scale_mle"]), rel=1e-14)
    assert result.log_likelihood == pytest.approx(certified["loglik"], rel=1e-14)
    assert result.gap < 1e-11
    assert (
        np.sum(np.abs(data[:, 0] - data[:, 1:] @ result.coefficients[0, :-1] - result.coefficients[0, -1]) < 1e-9)
        == (certified["n_zero_residuals"])
    )


@pytest.mark.parametrize("level", [0.001, 0.1, 0.5, 0.75, 0.999])
@pytest.mark.parametrize("seed", range(4))
def test_as_the_linear_program(seed, level):
    X, y = make(seed)
    result = quantile_fit(X, y, level)
    assert check_loss(X, y, result.coefficients[0], level) == pytest.approx(dual_bound(X, y, level), rel=1e-10)
    # A vertex: the optimum fits as many rows exactly as there are parameters.
    assert np.sum(np.abs(y - X @ result.coefficients[0, :-1] - result.coefficients[0, -1]) < 1e-10) == 5
    assert result.status is Status.CONVERGED
    assert result.gap < 1e-10


@pytest.mark.parametrize("level", [0.2, 0.5])
def test_as_quantile_regressor(level):
    X, y = make(7)
    peer = QuantileRegressor(quantile=level, alpha=0, solver="highs").fit(X, y)
    result = quantile_fit(X, y, level)
    theirs = check_loss(X, y, np.append(peer.coef_, peer.intercept_), level)
    assert check_loss(X, y, result.coefficients[0], level) <= theirs * (1 + 1e-12)
    np.testing.assert_allclose(result.coefficients[0], np.append(peer.coef_, peer.intercept_), rtol=1e-8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6), st.integers(5, 60), st.integers(0, 4), st.sampled_from([0.1, 0.25, 0.5, 0.9]), st.booleans()
)
def test_integers_with_many_ties_are_minimized_and_the_gap_bounds_the_shortfall(seed, n, p, level, intercept):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 3, (n, p)).astype(float), rng.integers(0, 4, n).astype(float)
    weight = rng.integers(1, 4, n).astype(float)
    if not intercept and p == 0:
        return
    result = quantile_fit(X, y, level, sample_weight=weight, fit_intercept=intercept)
    loss = check_loss(X, y, result.coefficients[0], level, weight)
    bound = dual_bound(X, y, level, weight, intercept=intercept)
    assert loss == pytest.approx(bound, rel=1e-10, abs=1e-9)
    if result.dispersion > 0:
        assert (loss - bound) / result.dispersion <= result.gap + 1e-8
    shuffled = rng.permutation(n)
    again = quantile_fit(X[shuffled], y[shuffled], level, sample_weight=weight[shuffled], fit_intercept=intercept)
    np.testing.assert_allclose(again.coefficients[0], result.coefficients[0], atol=1e-7)


@pytest.mark.parametrize("seed", range(12))
def test_of_several_minimizers_the_one_of_least_norm(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(0, 3, (24, 3)).astype(float), rng.integers(0, 3, 24).astype(float)
    result = quantile_fit(X, y, 0.5)
    # A vanishing prior has it as its limit: below some precision the coefficients do not move any more.
    limit = quantile_fit(X, y, 0.5, alpha=2e-6, scale=1.0)
    np.testing.assert_allclose(result.coefficients[0, :-1], limit.coefficients[0, :-1], atol=1e-7)


@pytest.mark.parametrize(("level", "middle"), [(0.5, 3.5), (0.25, 1.5), (0.4, 2.0)])
def test_of_several_intercepts_the_middle(level, middle):
    y = np.array([1.0, 2, 5, 9])
    assert quantile_fit(np.zeros((4, 0)), y, level).coefficients[0, -1] == pytest.approx(middle, rel=1e-14)


@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("scale", ["constant", 0.8, "log_linear"])
@pytest.mark.parametrize("likelihood", [Laplace(), AsymmetricLaplace(0.3)])
class TestEveryModel:
    def fit(self, likelihood, alpha, scale, X, y, **others):
        return fit(likelihood, X, y, options=FitOptions(prior=ridge(alpha), terms=terms_of(scale)), **others)

    def test_weights_are_copies_and_zero_is_absence(self, likelihood, alpha, scale):
        X, y = make(1)
        weight = np.random.default_rng(0).integers(0, 4, len(y))
        copies = np.repeat(np.arange(len(y)), weight)
        weighted = self.fit(likelihood, alpha, scale, X, y, sample_weight=weight.astype(float))
        repeated = self.fit(likelihood, alpha, scale, X[copies], y[copies])
        np.testing.assert_allclose(weighted.coefficients, repeated.coefficients, atol=1e-9)
        assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-12)
        assert weighted.n_obs == repeated.n_obs

    def test_no_nearby_point_is_better(self, likelihood, alpha, scale):
        X, y = make(2)
        result = self.fit(likelihood, alpha, scale, X, y)
        rng = np.random.default_rng(0)

        def objective(coefficients):
            eta = coefficients[:, :-1] @ X.T + coefficients[:, -1:]
            prior = 0.5 * alpha * np.sum(coefficients[0, :-1] ** 2) * np.exp(-2 * eta[1].mean())
            return likelihood.nll(y, eta).sum() + prior

        best = objective(result.coefficients)
        assert result.log_likelihood == pytest.approx(
            -likelihood.nll(y, result.coefficients[:, :-1] @ X.T + result.coefficients[:, -1:]).sum(), rel=1e-13
        )
        free = np.ones_like(result.coefficients)
        if scale == "constant":
            free[1, :-1] = 0
        elif scale != "log_linear":
            free[1] = 0
        for size in (1e-2, 1e-4, 1e-6):
            for step in rng.standard_normal((200, *free.shape)):
                assert objective(result.coefficients + size * step * free) >= best - result.gap - 1e-11

    def test_units_and_origin_of_y(self, likelihood, alpha, scale):
        X, y = make(3)
        result = self.fit(likelihood, alpha, scale, X, y)
        for unit in (1e-200, 1e200):
            in_unit = scale if isinstance(scale, str) else scale * unit
            moved = self.fit(likelihood, alpha, in_unit, X, unit * y)
            np.testing.assert_allclose(moved.coefficients[0], unit * result.coefficients[0], rtol=1e-9)
            assert moved.log_likelihood == pytest.approx(result.log_likelihood - len(y) * np.log(unit), rel=1e-12)

    def test_offset_is_subtracted_and_columns_may_have_any_unit(self, likelihood, alpha, scale):
        X, y = make(4)
        offset = np.random.default_rng(0).standard_normal(len(y)) * 5
        result = self.fit(likelihood, alpha, scale, X, y)
        with_offset = self.fit(likelihood, alpha, scale, X, y + offset, offset=offset)
        np.testing.assert_allclose(with_offset.coefficients, result.coefficients, atol=1e-9)
        if not alpha:
            unit = np.array([1e-100, 1e100, 1, 1e6])
            scaled = self.fit(likelihood, alpha, scale, X * unit, y)
            np.testing.assert_allclose(scaled.coefficients[0, :-1] * unit, result.coefficients[0, :-1], rtol=1e-8)

    def test_sparse_float32_and_row_order(self, likelihood, alpha, scale):
        X, y = make(5)
        X = np.where(np.random.default_rng(0).random(X.shape) < 0.5, 0, X).astype(np.float32)
        result = self.fit(likelihood, alpha, scale, X, y)
        for other in (sp.csr_matrix(X), X.astype(np.float64), np.asfortranarray(X)):
            np.testing.assert_allclose(
                self.fit(likelihood, alpha, scale, other, y).coefficients, result.coefficients, atol=1e-10
            )
        order = np.random.default_rng(1).permutation(len(y))
        shuffled = self.fit(likelihood, alpha, scale, X[order], y[order])
        np.testing.assert_allclose(shuffled.coefficients, result.coefficients, atol=1e-10)

    def test_an_observer_sees_coefficients_and_may_stop(self, likelihood, alpha, scale):
        X, y = make(6)
        seen = []

        def observer(iteration, coefficients):
            seen.append(coefficients)
            return True

        result = self.fit(likelihood, alpha, scale, X, y, observer=observer)
        assert seen[0].shape == (2, 5)
        if scale != "log_linear":  # which may need no second turn
            assert result.status is Status.STOPPED
            np.testing.assert_allclose(result.coefficients[0], seen[-1][0], rtol=1e-12)
            assert result.gap > 1e-6

    def test_warm_starts_end_in_the_same_place(self, likelihood, alpha, scale):
        X, y = make(7)
        result = self.fit(likelihood, alpha, scale, X, y)
        again = self.fit(likelihood, alpha, scale, X, y, start=result.coefficients)
        np.testing.assert_allclose(again.coefficients, result.coefficients, atol=1e-10)


def test_a_prior_is_relative_to_the_noise_and_a_known_scale_changes_nothing_without_one():
    X, y = make(8)
    joint = quantile_fit(X, y, 0.3, alpha=4.0)
    known = quantile_fit(X, y, 0.3, alpha=4.0, scale=joint.dispersion)
    np.testing.assert_allclose(known.coefficients[0], joint.coefficients[0], rtol=1e-9)
    np.testing.assert_allclose(
        quantile_fit(X, y, 0.3, scale=2.0).coefficients[0], quantile_fit(X, y, 0.3).coefficients[0], rtol=1e-13
    )


def test_a_scale_with_a_prior_solves_its_own_equation():
    X, y = make(9)
    result = quantile_fit(X, y, 0.5, alpha=3.0)
    loss = check_loss(X, y, result.coefficients[0], 0.5)
    squares = 3.0 * np.sum(result.coefficients[0, :-1] ** 2)
    # d/ds [n log s + loss / s + squares / (2 s^2)] = 0
    assert len(y) * result.dispersion**2 - loss * result.dispersion - squares == pytest.approx(0, abs=1e-8)


def test_rows_whose_residual_and_slack_vanish_together_under_a_prior():
    """Two of eight rows at zero have their dual value at the end of its interval: known only once the others are."""
    rng = np.random.default_rng(1)
    rng.standard_normal((150, 6)), rng.integers(-2, 3, 6), rng.standard_t(2, 150)
    y = rng.integers(0, 4, 150).astype(float)
    rng.standard_cauchy(150), rng.exponential(size=150)
    X = rng.integers(0, 3, (150, 6)).astype(float)
    result = quantile_fit(X, y, 0.5, alpha=3.0)
    assert result.status is Status.CONVERGED
    assert result.gap < 1e-12


def large(n=24_000, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X.sum(axis=1) + rng.standard_t(3, n), rng


@pytest.mark.parametrize("level", [0.02, 0.5])
def test_many_rows_are_solved_from_few_and_proved_for_all(level):
    X, y, _ = large()
    result = quantile_fit(X, y, level)
    zero = np.abs(y - X @ result.coefficients[0, :-1] - result.coefficients[0, -1]) < 1e-11
    assert zero.sum() == 7
    assert result.gap < 1e-9
    # The certificate, from the zero rows and the signs of the others alone.
    residual = y - X @ result.coefficients[0, :-1] - result.coefficients[0, -1]
    A = np.column_stack([X, np.ones(len(y))])
    dual = np.where(residual > 0, level, level - 1)
    dual[zero] = 0
    dual[zero] = np.linalg.solve(A[zero].T, -(A.T @ dual))
    assert ((level - 1 <= dual[zero]) & (dual[zero] <= level)).all()
    loss = check_loss(X, y, result.coefficients[0], level)
    assert dual @ y == pytest.approx(loss, rel=1e-13)


def test_many_rows_with_weights_copies_and_threads():
    X, y, rng = large()
    weight = rng.integers(1, 4, len(y))
    result = quantile_fit(X, y, 0.4, sample_weight=weight.astype(float))
    copies = np.repeat(np.arange(len(y)), weight)
    repeated = quantile_fit(X[copies], y[copies], 0.4)
    np.testing.assert_allclose(result.coefficients, repeated.coefficients, rtol=1e-9)
    with threadpool_limits(1):
        single = quantile_fit(X, y, 0.4, sample_weight=weight.astype(float))
    np.testing.assert_array_equal(single.coefficients, result.coefficients)


def test_many_rows_with_a_prior():
    X, y, _ = large()
    result = quantile_fit(X, y, 0.5, alpha=200.0)
    assert result.gap < 1e-8
    loss = check_loss(X, y, result.coefficients[0], 0.5)
    squares = 200.0 * np.sum(result.coefficients[0, :-1] ** 2)
    assert len(y) * result.dispersion**2 - loss * result.dispersion - squares == pytest.approx(0, abs=1e-6)


def test_a_column_that_a_sample_does_not_see():
    X, y, rng = large()
    X[:, 5] = 0
    X[rng.choice(len(y), 5, replace=False), 5] = 1
    y += 50 * X[:, 5]
    result = quantile_fit(X, y)
    assert result.gap < 1e-9
    assert result.coefficients[0, 5] == pytest.approx(50, abs=5)


def test_many_rows_of_counts():
    X, _, rng = large()
    y = rng.poisson(0.6, len(X)).astype(float)  # nearly half of the rows at the median
    result = quantile_fit(X, y, 0.8)
    loss = check_loss(X, y, result.coefficients[0], 0.8)
    assert loss == pytest.approx(dual_bound(X, y, 0.8), rel=1e-10)
    assert result.gap < 1e-8


def test_most_rows_fitted_exactly():
    X, _, rng = large()
    wrong = rng.random(len(X)) < 0.05
    y = X.sum(axis=1) + 2 + wrong * rng.standard_normal(len(X))
    result = quantile_fit(X, y)
    np.testing.assert_allclose(result.coefficients[0], [1] * 6 + [2], rtol=1e-12)
    assert result.gap < 1e-8


def test_leverage_and_heavy_tails():
    rng = np.random.default_rng(0)
    X = rng.standard_t(2, (20_000, 4))
    y = X.sum(axis=1) + rng.standard_t(2, 20_000)
    assert quantile_fit(X, y, 0.001).gap < 1e-7


@pytest.mark.parametrize("heavy", [False, True])
def test_extreme_quantiles_of_ties_and_heavy_tails_take_short_steps_but_arrive(heavy):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 3, (8000, 6)).astype(float)
    y = X.sum(axis=1) + rng.standard_cauchy(len(X)) if heavy else rng.exponential(size=len(X))
    weight = rng.integers(1, 5, len(X)).astype(float)
    result = quantile_fit(X, y, 0.999, sample_weight=weight)
    assert result.status is Status.CONVERGED
    loss = check_loss(X, y, result.coefficients[0], 0.999, weight)
    assert loss == pytest.approx(dual_bound(X, y, 0.999, weight), rel=1e-9)


def test_a_gap_beyond_rounding_is_not_called_converged():
    options = FitOptions(tol=1e-8)
    assert judged(Status.CONVERGED, 1e-3, options, 100.0) is Status.ROUNDING
    assert judged(Status.ROUNDING, 1e-9, options, 100.0) is Status.CONVERGED
    assert judged(Status.CONVERGED, 1e-3, options, 1e12) is Status.CONVERGED  # rounding of so many nats
    assert judged(Status.MAX_ITER, 0.0, options, 100.0) is Status.MAX_ITER


def test_an_outlier_costs_the_others_no_digits():
    X, y = make(10)
    y[0] = 1e4
    near = quantile_fit(X, y)
    y[0] = 1e12
    np.testing.assert_allclose(quantile_fit(X, y).coefficients[0], near.coefficients[0], rtol=1e-12)


def test_weights_over_many_decades():
    X, y = make(11)
    weight = 10 ** np.random.default_rng(0).uniform(-9, 9, len(y))
    result = quantile_fit(X, y, 0.6, sample_weight=weight)
    loss = check_loss(X, y, result.coefficients[0], 0.6, weight)
    assert loss == pytest.approx(dual_bound(X, y, 0.6, weight / weight.sum()) * weight.sum(), rel=1e-9)
    assert result.gap <= 1e-9 * weight.sum()


@pytest.mark.parametrize("n", [1, 3, 5])
def test_no_more_rows_than_parameters(n):
    X, y = make(12)
    with_prior = quantile_fit(X[:n], y[:n], alpha=1.0)
    result = quantile_fit(X[:n], y[:n])
    assert result.dispersion == 0
    assert result.log_likelihood == np.inf
    assert result.gap == 0
    kinds = {type(w) for w in result.warnings}
    assert kinds == ({PerfectFitWarning} if n == 5 else {PerfectFitWarning, RankDeficiencyWarning})
    np.testing.assert_allclose(X[:n] @ result.coefficients[0, :-1] + result.coefficients[0, -1], y[:n], rtol=1e-10)
    if 1 < n < 5:
        centred = X[:n] - X[:n].mean(axis=0)
        shortest = np.linalg.pinv(centred) @ (y[:n] - y[:n].mean())
        np.testing.assert_allclose(result.coefficients[0, :-1], shortest, rtol=1e-9)
    if n > 1:
        assert with_prior.dispersion > 0
        assert not with_prior.warnings


def test_perfect_fits_at_a_known_scale_and_under_a_prior():
    X, _ = make(13)
    y = X @ [1.0, 2, 3, 4] - 7
    known = quantile_fit(X, y, scale=0.5)
    assert known.dispersion == 0.5
    assert not known.warnings
    np.testing.assert_allclose(known.coefficients[0], [1, 2, 3, 4, -7], rtol=1e-10)
    constant = quantile_fit(X, np.full(len(X), 3.3), alpha=1.0)
    assert constant.dispersion == 0
    np.testing.assert_array_equal(constant.coefficients[0], [0, 0, 0, 0, 3.3])
    assert [type(w) for w in constant.warnings] == [PerfectFitWarning]


def test_dependent_columns_have_the_coefficients_of_least_norm():
    X, y = make(14)
    independent = quantile_fit(X, y)
    doubled = quantile_fit(np.column_stack([X, X[:, 0]]), y)
    assert [type(w) for w in doubled.warnings] == [RankDeficiencyWarning]
    half = independent.coefficients[0, 0] / 2
    np.testing.assert_allclose(doubled.coefficients[0, [0, 4]], [half, half], rtol=1e-10)
    assert doubled.log_likelihood == pytest.approx(independent.log_likelihood, rel=1e-13)


def test_other_likelihoods_with_a_kink_are_refused():
    class Kinked(UserLikelihood):
        parameter_names = ("location",)
        smooth = False

        def nll(self, y, eta):
            return np.log(2) + np.abs(y - eta[0])

    with pytest.raises(ValueError, match="Kinked declares a kink .* only laplace and asymmetric_laplace"):
        fit(Kinked(), *make(0))


def test_max_iter_is_obeyed_and_said():
    X, y = make(15)
    result = quantile_fit(X, y, max_iter=2)
    assert result.status is Status.MAX_ITER
    assert result.n_iter == 2
    assert result.gap > 1e-6
    assert (
        check_loss(X, y, result.coefficients[0], 0.5) / result.dispersion - dual_bound(X, y, 0.5) / result.dispersion
        <= result.gap
    )


def test_a_log_linear_scale_recovers_the_truth():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 3))
    y = X @ [1.0, 2, 0] + 1 + np.exp(-0.5 + X @ [0.5, 0, -0.3]) * rng.laplace(size=len(X))
    result = fit(Laplace(), X, y, options=FitOptions(terms=terms_of("log_linear")))
    np.testing.assert_allclose(result.coefficients[0], [1, 2, 0, 1], atol=0.03)
    np.testing.assert_allclose(result.coefficients[1], [0.5, 0, -0.3, -0.5], atol=0.03)
    assert result.dispersion is None
    assert result.gap < 1e-8
    assert result.log_likelihood > fit(Laplace(), X, y).log_likelihood


def test_unbounded_log_linear_scales_are_stopped_and_named():
    X, y = make(16)
    alone = np.zeros(len(y))
    alone[7] = 1
    result = fit(Laplace(), np.column_stack([X, alone]), y, options=FitOptions(terms=terms_of("log_linear")))
    (warning,) = result.warnings
    assert isinstance(warning, UnboundedLikelihoodWarning)
    assert "rows 7 can be fitted exactly" in str(warning)
    assert np.isfinite(result.log_likelihood)
    perfect = fit(Laplace(), X, X.sum(axis=1), options=FitOptions(terms=terms_of("log_linear")))
    assert [type(w) for w in perfect.warnings] == [UnboundedLikelihoodWarning]
    assert np.isfinite(perfect.log_likelihood)
    saturated = fit(Laplace(), X[:4], y[:4], options=FitOptions(terms=terms_of("log_linear"), prior=ridge(1.0)))
    assert [type(w) for w in saturated.warnings] == [UnboundedLikelihoodWarning]
    np.testing.assert_array_equal(saturated.coefficients[1, :-1], 0)


def test_a_log_linear_scale_without_an_intercept_of_the_location_and_max_iter():
    X, y = make(17)
    y = y * np.exp(0.3 * X[:, 0])
    free = fit(Laplace(), X, y, options=FitOptions(terms=terms_of("log_linear", False)))
    assert free.coefficients[0, -1] == 0
    assert free.coefficients[1, -1] != 0
    one = fit(Laplace(), X, y, options=FitOptions(terms=terms_of("log_linear"), max_iter=1))
    assert one.n_iter == 1
