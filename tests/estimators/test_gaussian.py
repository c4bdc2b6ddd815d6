"""GaussianMLERegressor: the three scales, the predictive distribution, offsets, perfect fits, and every refusal."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_mle import GaussianMLERegressor
from sklearn_mle.exceptions import PerfectFitWarning

rng = np.random.default_rng(0)
N, P = 100, 3
X = rng.standard_normal((N, P))
Y = 1.5 + X @ [1.0, -2.0, 0.5] + np.exp(0.3 + 0.4 * X[:, 0]) * rng.standard_normal(N)
WEIGHT = rng.integers(0, 4, size=N).astype(float)
SCALES = pytest.mark.parametrize("scale", ["constant", "log_linear", 1.7])


def test_a_constant_scale_is_estimated_with_the_least_squares_coefficients():
    model, peer = GaussianMLERegressor().fit(X, Y), LinearRegression().fit(X, Y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-10)
    assert model.intercept_ == pytest.approx(peer.intercept_, rel=1e-10)
    assert model.scale_ == pytest.approx(np.sqrt(np.mean((Y - peer.predict(X)) ** 2)), rel=1e-10)
    assert model.score(X, Y) == pytest.approx(peer.score(X, Y))


@pytest.mark.parametrize("scale", ["constant", 0.3, 2])
def test_alpha_is_ridge_s_for_every_constant_scale(scale):
    model, peer = GaussianMLERegressor(alpha=5.0, scale=scale).fit(X, Y), Ridge(5.0).fit(X, Y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-9)
    assert model.intercept_ == pytest.approx(peer.intercept_, rel=1e-9)


@SCALES
def test_attributes(scale):
    model = GaussianMLERegressor(scale=scale).fit(X, Y, sample_weight=WEIGHT)
    assert model.coef_.shape == (P,)
    assert model.coef_.dtype == np.float64
    assert isinstance(model.intercept_, float)
    assert isinstance(model.n_iter_, int) and model.n_iter_ >= 1
    assert isinstance(model.n_passes_, int) and model.n_passes_ >= 1
    assert 0 <= model.gap_ <= 1e-8
    assert model.n_obs_ == pytest.approx(WEIGHT.sum(), rel=1e-14)
    if scale == "log_linear":
        assert model.scale_coef_.shape == (P,)
        assert isinstance(model.scale_intercept_, float)
        assert not hasattr(model, "scale_")
    else:
        assert isinstance(model.scale_, float)
        assert not hasattr(model, "scale_coef_")
    if scale == 1.7:
        assert model.scale_ == 1.7


def test_a_refit_with_another_scale_leaves_nothing_of_the_first():
    model = GaussianMLERegressor().fit(X, Y)
    model.set_params(scale="log_linear").fit(X, Y)
    assert not hasattr(model, "scale_")
    model.set_params(scale=2.0).fit(X, Y)
    assert not hasattr(model, "scale_coef_") and not hasattr(model, "scale_intercept_")


@SCALES
def test_the_log_likelihood_is_scipy_s(scale):
    model = GaussianMLERegressor(scale=scale).fit(X, Y, sample_weight=WEIGHT)
    mean, std = model.predict(X, return_std=True)
    rows = norm.logpdf(Y, mean, std)
    assert model.log_likelihood(X, Y) == pytest.approx(rows.sum(), rel=1e-12)
    assert model.log_likelihood(X, Y, sample_weight=WEIGHT) == pytest.approx(WEIGHT @ rows, rel=1e-12)
    assert model.log_likelihood_ == pytest.approx(WEIGHT @ rows, rel=1e-10)


@SCALES
def test_the_predict_methods_describe_one_distribution(scale):
    model = GaussianMLERegressor(scale=scale).fit(X, Y)
    mean, std = model.predict(X[:7], return_std=True)
    assert mean.shape == std.shape == (7,)
    np.testing.assert_array_equal(model.predict(X[:7]), mean)
    distribution = model.predict_distribution(X[:7])
    np.testing.assert_array_equal(distribution.mean(), mean)
    np.testing.assert_array_equal(distribution.std(), std)
    assert distribution.logpdf(Y[:7]).shape == (7,)
    if scale == "log_linear":
        np.testing.assert_allclose(np.log(std), X[:7] @ model.scale_coef_ + model.scale_intercept_)
    else:
        assert (std == model.scale_).all()
    interval = model.predict_interval(X[:7])
    assert interval.shape == (7, 2)
    np.testing.assert_allclose(interval, np.transpose(distribution.interval(0.9)), rtol=1e-12)
    np.testing.assert_allclose(np.diff(distribution.cdf(model.predict_interval(X[:7], 0.5).T), axis=0), 0.5)
    assert model.predict_quantile(X[:7], 0.25).shape == (7,)
    quantiles = model.predict_quantile(X[:7], [0.1, 0.5])
    assert quantiles.shape == (7, 2)
    assert model.predict_quantile(X[:7], [0.1]).shape == (7, 1)
    np.testing.assert_allclose(distribution.cdf(quantiles.T), [[0.1] * 7, [0.5] * 7])
    np.testing.assert_allclose(quantiles[:, 1], mean)


@SCALES
def test_a_weight_counts_copies(scale):
    repeated = np.repeat(np.arange(N), WEIGHT.astype(int))
    weighted = GaussianMLERegressor(scale=scale).fit(X, Y, sample_weight=WEIGHT)
    copied = GaussianMLERegressor(scale=scale).fit(X[repeated], Y[repeated])
    np.testing.assert_allclose(weighted.coef_, copied.coef_, rtol=1e-8)
    np.testing.assert_allclose(*(model.predict(X, return_std=True)[1] for model in (weighted, copied)), rtol=1e-8)
    assert weighted.log_likelihood_ == pytest.approx(copied.log_likelihood_)


@SCALES
def test_an_offset_is_known_location(scale):
    offset = rng.standard_normal(N)
    model = GaussianMLERegressor(scale=scale).fit(X, Y + offset, offset=offset)
    plain = GaussianMLERegressor(scale=scale).fit(X, Y)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-7)
    np.testing.assert_allclose(model.predict(X, offset=offset), plain.predict(X) + offset)
    np.testing.assert_allclose(model.predict_interval(X, offset=1.0), plain.predict_interval(X) + 1)
    np.testing.assert_allclose(model.predict_quantile(X, 0.3, offset=1.0), plain.predict_quantile(X, 0.3) + 1)
    np.testing.assert_allclose(model.predict_distribution(X, offset=offset).mean(), plain.predict(X) + offset)
    assert model.score(X, Y + offset, offset=offset) == pytest.approx(r2_score(Y + offset, plain.predict(X) + offset))
    assert model.log_likelihood(X, Y + offset, offset=offset) == pytest.approx(model.log_likelihood_)


@pytest.mark.parametrize(
    "call",
    [
        lambda model, **offset: model.predict(X, **offset),
        lambda model, **offset: model.predict_distribution(X, **offset),
        lambda model, **offset: model.predict_interval(X, **offset),
        lambda model, **offset: model.predict_quantile(X, 0.5, **offset),
        lambda model, **offset: model.score(X, Y, **offset),
        lambda model, **offset: model.log_likelihood(X, Y, **offset),
    ],
)
def test_a_model_fitted_with_an_offset_predicts_only_with_one(call):
    model = GaussianMLERegressor().fit(X, Y, offset=np.ones(N))
    with pytest.raises(ValueError, match=r"was fitted with an offset.*offset=0\.0"):
        call(model)
    call(model, offset=0.0)
    call(model, offset=np.ones(N))
    with pytest.raises(ValueError, match="offset must have shape"):
        call(model, offset=np.ones(N - 1))


def test_score_takes_weights():
    model = GaussianMLERegressor().fit(X, Y)
    assert model.score(X, Y, sample_weight=WEIGHT) == pytest.approx(r2_score(Y, model.predict(X), sample_weight=WEIGHT))


def test_a_row_of_weight_zero_is_absent_even_where_it_costs_infinity():
    model = GaussianMLERegressor().fit(X, Y)
    far = np.where(np.arange(N) == 0, 1e200, Y)
    with np.errstate(over="ignore"):
        assert model.log_likelihood(X, far) == -np.inf
        absent = model.log_likelihood(X, far, sample_weight=np.arange(N) > 0)
    assert absent == pytest.approx(model.log_likelihood(X[1:], Y[1:]))


@pytest.fixture
def perfect():
    with pytest.warns(PerfectFitWarning):
        return GaussianMLERegressor().fit(X, np.full(N, 3.0))


def test_a_perfect_fit_has_intervals_of_zero_width_and_no_density(perfect):
    assert perfect.scale_ == 0
    assert perfect.log_likelihood_ == np.inf
    np.testing.assert_allclose(perfect.predict(X), 3.0)
    assert (perfect.predict(X, return_std=True)[1] == 0).all()
    assert (np.diff(perfect.predict_interval(X), axis=1) == 0).all()
    np.testing.assert_array_equal(perfect.predict_quantile(X, 0.01), perfect.predict(X))
    for call in (perfect.predict_distribution, lambda X: perfect.log_likelihood(X, Y)):
        with pytest.raises(ValueError, match="scale_ is 0, so y given X has no density"):
            call(X)


def test_a_perfect_fit_is_no_start(perfect):
    perfect.set_params(warm_start=True).fit(X, Y)
    assert perfect.scale_ == GaussianMLERegressor().fit(X, Y).scale_


@pytest.mark.parametrize("scale", ["constant", "log_linear"])
def test_one_sample_cannot_give_a_scale(scale):
    with pytest.raises(ValueError, match="1 sample"):
        GaussianMLERegressor(scale=scale).fit(X[:1], Y[:1])
    with pytest.raises(ValueError, match="Only 1 sample of positive weight "):
        GaussianMLERegressor(scale=scale).fit(X, Y, sample_weight=np.eye(N)[3])


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": -1.0},
        {"alpha": np.inf},
        {"alpha": np.nan},
        {"scale": 0.0},
        {"scale": -1.0},
        {"scale": np.inf},
        {"scale": "linear"},
        {"scale": None},
        {"solver": "cholesky"},
        {"tol": 0.0},
        {"max_iter": -1},
        {"fit_intercept": None},
    ],
    ids=str,
)
def test_parameters_are_validated_by_name(parameters):
    with pytest.raises(InvalidParameterError, match=f"The '{next(iter(parameters))}' parameter of GaussianMLE"):
        GaussianMLERegressor(**parameters).fit(X, Y)


def test_parameters_are_keywords_only():
    with pytest.raises(TypeError):
        GaussianMLERegressor(1.0)


@pytest.mark.parametrize("coverage", [0, 1, 1.5, [0.5], None])
def test_a_coverage_is_one_number_between_zero_and_one(coverage):
    with pytest.raises(ValueError, match="coverage must"):
        GaussianMLERegressor().fit(X, Y).predict_interval(X, coverage)


@pytest.mark.parametrize("q", [0, 1, [0.2, 2.0]])
def test_quantiles_lie_between_zero_and_one(q):
    with pytest.raises(ValueError, match="q must lie strictly between 0 and 1"):
        GaussianMLERegressor().fit(X, Y).predict_quantile(X, q)


def test_a_matrix_is_no_target():
    with pytest.raises(ValueError, match="1d array"):
        GaussianMLERegressor().fit(X, np.column_stack([Y, Y]))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        GaussianMLERegressor().fit(X, Y).log_likelihood(X, Y[:-1])
