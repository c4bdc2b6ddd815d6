"""MLERegressor: every likelihood behind the same methods, its parameters searched, its errors in words."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import binom, norm
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLERegressor
from sklearn_mle._solvers import Status
from sklearn_mle.exceptions import PerfectFitWarning, UnboundedLikelihoodWarning
from sklearn_mle.likelihoods import (
    AsymmetricLaplace,
    Gaussian,
    LogNormal,
    StudentT,
    Tweedie,
    UserLikelihood,
)
from sklearn_mle.metrics import log_likelihood_scorer
from tests.estimators.regressions import DATA, LIKELIHOODS, N
from tests.modelled import dispersion, dispersion_as

SMOOTH = [name for name, likelihood in LIKELIHOODS.items() if likelihood.smooth]
POSITIVE = ["gamma", "inverse_gaussian", "lognormal", "weibull"]
WEIGHT = np.random.default_rng(9).integers(0, 4, N).astype(float)


def fitted(name, **parameters):
    return MLERegressor(LIKELIHOODS[name], **parameters).fit(*DATA[name])


def predictors(model, X):
    """The linear predictors from the public attributes."""
    likelihood, eta = model._fitted.likelihood, [X @ model.coef_ + model.intercept_]
    for k, name in enumerate(likelihood.parameter_names[1:], start=1):
        if hasattr(model, f"{name}_coef_"):
            eta.append(X @ getattr(model, f"{name}_coef_") + getattr(model, f"{name}_intercept_"))
        else:
            eta.append(np.full(len(X), likelihood.predictor_of(k, getattr(model, f"{name}_"))))
    return np.stack(eta)


@pytest.mark.parametrize("scale", ["constant", "log_linear", pytest.param(0.7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_what_a_fit_says(name, scale):
    likelihood, (X, y) = LIKELIHOODS[name], DATA[name]
    if scale != "constant" and (likelihood.dispersion_parameter is None or not (likelihood.smooth or scale == 0.7)):
        pytest.skip("no such model")
    model = fitted(name, predictors=dispersion_as(likelihood, scale))
    assert model.coef_.shape == (2,) and isinstance(model.intercept_, float)
    assert model.status_ is Status.CONVERGED and 0 <= model.gap_ <= 1e-8
    assert model.n_iter_ >= 1 and model.n_passes_ >= model.n_iter_ and model.n_obs_ == N
    dispersion = likelihood.dispersion_parameter
    assert hasattr(model, f"{dispersion}_") == (dispersion is not None and scale != "log_linear")
    assert hasattr(model, f"{dispersion}_coef_") == (scale == "log_linear")
    assert hasattr(model, "scale_") == (dispersion == "scale" and scale != "log_linear")
    if scale == 0.7:
        assert getattr(model, f"{dispersion}_") == 0.7
    eta = predictors(model, X)
    assert model.log_likelihood(X, y) == pytest.approx(-likelihood.nll(y, eta).sum(), rel=1e-12)
    assert model.log_likelihood_ == pytest.approx(model.log_likelihood(X, y), rel=1e-11, abs=1e-10 * N)
    expected = likelihood.mean(eta)
    np.testing.assert_allclose(model.predict(X), np.where(np.isnan(expected), eta[0], expected), rtol=1e-12)
    mean, deviation = model.predict(X, return_std=True)
    np.testing.assert_array_equal(mean, model.predict(X))
    np.testing.assert_allclose(deviation, likelihood.standard_deviation(eta), rtol=1e-11)
    distribution = model.predict_distribution(X)
    np.testing.assert_allclose(distribution.cdf(y), likelihood.distribution(eta).cdf(y), rtol=1e-10)
    interval = model.predict_interval(X, coverage=0.8)
    assert interval.shape == (N, 2)
    np.testing.assert_allclose(interval, model.predict_quantile(X, [0.1, 0.9]), rtol=1e-12)
    np.testing.assert_allclose(interval[:, 0], distribution.ppf(0.1), rtol=1e-8)
    np.testing.assert_allclose(model.predict_quantile(X, 0.1), interval[:, 0], rtol=1e-12)
    draws = model.sample(X, 3, random_state=0)
    assert draws.shape == (N, 3)
    likelihood.check_target(draws.ravel())
    np.testing.assert_array_equal(draws, model.sample(X, 3, random_state=0))
    for wrong in (-1, 2.5, True):
        with pytest.raises(ValueError, match="n_samples must be a whole number"):
            model.sample(X, wrong)
    assert model.score(X, y) == pytest.approx(r2_score(y, model.predict(X)))
    assert model.deviance(X, y) == pytest.approx(likelihood.deviance(y, eta).sum(), rel=1e-12)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_columns_explain_something(name):
    assert 0 < fitted(name).d2_score(*DATA[name]) < 1


@pytest.mark.parametrize("name", ["gaussian", "poisson", "gamma", "tweedie", "inverse_gaussian", "binomial"])
def test_d2_of_a_glm_is_measured_from_the_mean(name):
    model, (X, y) = fitted(name), DATA[name]
    eta = predictors(model, X)
    constant = eta.copy()
    constant[0] = (
        LIKELIHOODS[name].link(np.array([y.mean()]))[0] if name != "binomial" else np.log(y.mean() / (1 - y.mean()))
    )
    likelihood = LIKELIHOODS[name]
    expected = 1 - likelihood.deviance(y, eta).sum() / likelihood.deviance(y, constant).sum()
    assert model.d2_score(X, y) == pytest.approx(expected, rel=1e-10)
    weighted = model.d2_score(X, y, sample_weight=WEIGHT)
    copies = np.repeat(np.arange(N), WEIGHT.astype(int))
    assert weighted == pytest.approx(model.d2_score(X[copies], y[copies]), rel=1e-10)


def test_d2_is_not_defined_for_linear_scales():
    X, y = DATA["gamma"]
    with pytest.raises(ValueError, match="d2_score is not defined if parameters.*log_likelihood"):
        fitted("gamma", predictors="linear").d2_score(X, y)


@pytest.mark.parametrize("name", SMOOTH)
def test_an_offset_is_a_known_part_of_the_location(name):
    X, y = DATA[name]
    offset = 0.3 * X[:, 0] + 0.1
    plain, model = fitted(name), MLERegressor(LIKELIHOODS[name]).fit(X, y, offset=offset)
    np.testing.assert_allclose(model.coef_, plain.coef_ - [0.3, 0], rtol=1e-7)
    np.testing.assert_allclose(model.predict(X, offset=offset), plain.predict(X), rtol=1e-8)
    np.testing.assert_allclose(model.predict_quantile(X, 0.3, offset=offset), plain.predict_quantile(X, 0.3), rtol=1e-6)
    np.testing.assert_array_equal(
        model.sample(X, 2, random_state=1, offset=offset).shape, plain.sample(X, 2, random_state=1).shape
    )
    assert model.log_likelihood(X, y, offset=offset) == pytest.approx(plain.log_likelihood_, rel=1e-10)
    assert model.deviance(X, y, offset=offset) == pytest.approx(plain.deviance(X, y), rel=1e-7)
    assert model.score(X, y, offset=offset) == pytest.approx(plain.score(X, y), rel=1e-7)
    assert model.d2_score(X, y, offset=np.zeros(N)) < plain.d2_score(X, y)
    calls = (model.predict, model.predict_distribution, model.predict_interval, model.sample)
    for call in (*calls, lambda X: model.deviance(X, y), lambda X: model.d2_score(X, y), lambda X: model.score(X, y)):
        with pytest.raises(ValueError, match=r"was fitted with an offset.*offset=0\.0"):
            call(X)


@pytest.mark.parametrize("name", SMOOTH)
def test_weights_are_copies_sparse_is_dense_and_float32_its_values(name):
    X, y = DATA[name]
    copies = np.repeat(np.arange(N), WEIGHT.astype(int))
    weighted = MLERegressor(LIKELIHOODS[name]).fit(X, y, sample_weight=WEIGHT)
    repeated = MLERegressor(LIKELIHOODS[name]).fit(X[copies], y[copies])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-9)
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-12)
    assert weighted.deviance(X, y, WEIGHT) == pytest.approx(repeated.deviance(X[copies], y[copies]), rel=1e-9)
    plain = fitted(name)
    for container in (sp.csr_array, sp.csc_matrix):
        sparse = MLERegressor(LIKELIHOODS[name]).fit(container(X), y)
        np.testing.assert_allclose(sparse.coef_, plain.coef_, rtol=1e-10)
        np.testing.assert_allclose(sparse.predict(container(X)), plain.predict(X), rtol=1e-9)
    single = X.astype(np.float32)
    np.testing.assert_allclose(
        MLERegressor(LIKELIHOODS[name]).fit(single, y).coef_,
        MLERegressor(LIKELIHOODS[name]).fit(single.astype(float), y).coef_,
        rtol=1e-10,
    )


@pytest.mark.parametrize("unit", [1e-200, 1e-6, 1e200])
@pytest.mark.parametrize("name", [name for name in SMOOTH if LIKELIHOODS[name].equivariance])
def test_the_unit_of_y_does_not_matter(name, unit):
    """The likelihood of c y is that of y less log c a row, at a location c times as large (log c more, of amounts)."""
    likelihood, (X, y) = LIKELIHOODS[name], DATA[name]
    plain, scaled = fitted(name), MLERegressor(likelihood).fit(X, unit * y)
    per_row = np.count_nonzero(y) if name == "tweedie" else N
    assert scaled.log_likelihood_ == pytest.approx(plain.log_likelihood_ - per_row * np.log(unit), rel=1e-10)
    powers = (1.0, 1.0) if likelihood.equivariance == "location_scale" else likelihood.unit_powers
    assert np.log(dispersion(scaled)) == pytest.approx(np.log(dispersion(plain)) + powers[1] * np.log(unit), abs=1e-8)
    if likelihood.equivariance == "location_scale":
        np.testing.assert_allclose(scaled.coef_ / unit, plain.coef_, rtol=1e-8)
        np.testing.assert_allclose(scaled.intercept_ / unit, plain.intercept_, rtol=1e-8)
    else:
        np.testing.assert_allclose(scaled.coef_, plain.coef_, rtol=1e-8)
        assert scaled.intercept_ == pytest.approx(plain.intercept_ + np.log(unit), rel=1e-9)
    np.testing.assert_allclose(scaled.predict(X) / unit, plain.predict(X), rtol=1e-7)


def as_predictors(parameters):
    """The sibling's parameters as those of MLERegressor."""
    others = {key: value for key, value in parameters.items() if key != "scale"}
    return others | {"predictors": dispersion_as("gaussian", parameters.get("scale", "constant"))}


def test_gaussian_is_its_sibling():
    X, y = DATA["gaussian"]
    for parameters in ({}, {"alpha": 2.0}, {"scale": "log_linear"}, {"scale": 1.5, "fit_intercept": False}):
        ours = MLERegressor(**as_predictors(parameters)).fit(X, y, sample_weight=WEIGHT)
        sibling = GaussianMLERegressor(**parameters).fit(X, y, sample_weight=WEIGHT)
        np.testing.assert_array_equal(ours.coef_, sibling.coef_)
        assert ours.log_likelihood_ == sibling.log_likelihood_


def test_lognormal_is_a_gaussian_of_the_logarithm():
    X, y = DATA["lognormal"]
    for parameters in ({}, {"alpha": 2.0}, {"scale": "log_linear"}, {"scale": 0.4}):
        model = MLERegressor("lognormal", **as_predictors(parameters)).fit(X, y, sample_weight=WEIGHT)
        gaussian = GaussianMLERegressor(**parameters).fit(X, np.log(y), sample_weight=WEIGHT)
        np.testing.assert_array_equal(model.coef_, gaussian.coef_)
        assert model.log_likelihood_ == pytest.approx(gaussian.log_likelihood_ - WEIGHT @ np.log(y), rel=1e-13)


def test_binomial_counts_are_fractions_weighted_by_their_trials():
    rng = np.random.default_rng(4)
    X, _ = DATA["binomial"]
    trials = rng.integers(0, 9, N)
    successes = rng.binomial(trials, 1 / (1 + np.exp(-X[:, 0])))
    counts = np.column_stack([successes, trials - successes])
    model = MLERegressor("binomial").fit(X, counts)
    fraction = np.where(trials > 0, successes / np.maximum(trials, 1), 0.5)
    soft = MLERegressor("binomial").fit(X, fraction, sample_weight=trials)
    np.testing.assert_allclose(model.coef_, soft.coef_, rtol=1e-12)
    assert model.n_obs_ == N and soft.n_obs_ == trials.sum()
    assert model.log_likelihood_ == pytest.approx(binom.logpmf(successes, trials, model.predict(X)).sum(), rel=1e-12)
    assert model.log_likelihood(X, counts) == pytest.approx(model.log_likelihood_, rel=1e-12)
    assert model.score(X, counts) == pytest.approx(r2_score(fraction, model.predict(X), sample_weight=trials))
    assert model.d2_score(X, counts) == pytest.approx(soft.d2_score(X, fraction, sample_weight=trials), rel=1e-9)
    assert MLERegressor("binomial").fit(X, counts, sample_weight=WEIGHT).n_obs_ == WEIGHT.sum()


@pytest.mark.parametrize(("value", "word"), [(0.0, "failed"), (1.0, "succeeded")])
def test_binomial_outcomes_that_are_all_alike_have_no_answer(value, word):
    X, alike = DATA["binomial"][0], np.full(N, value)
    for y in (alike, np.column_stack([3 * alike, 3 * (1 - alike)])):
        with pytest.raises(ValueError, match=f"every trial of positive weight {word}"):
            MLERegressor("binomial").fit(X, y)
    with pytest.raises(ValueError, match="no row of positive weight has any trials"):
        MLERegressor("binomial").fit(X, np.zeros((N, 2)))


@pytest.mark.parametrize("name", ["poisson", "negative_binomial", "tweedie"])
def test_zeros_alone_have_no_answer(name):
    with pytest.raises(ValueError, match="y is zero in every row of positive weight"):
        MLERegressor(name).fit(DATA[name][0], np.zeros(N))


def test_the_parameters_of_a_likelihood_are_searched():
    X, y = DATA["student_t"]
    model = MLERegressor(StudentT(df=3))
    assert model.get_params()["likelihood__df"] == 3
    model.set_params(likelihood__df=7)
    assert model.likelihood.df == 7
    grid = {"likelihood": ["gaussian", "huber", StudentT(df=3)], "alpha": [0.0, 1.0]}
    search = GridSearchCV(MLERegressor(), grid, scoring=log_likelihood_scorer, cv=3).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    inner = GridSearchCV(MLERegressor(StudentT()), {"likelihood__df": [1, 3, 100]}, scoring=log_likelihood_scorer)
    assert inner.fit(X, y).best_params_["likelihood__df"] in (1, 3, 100)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_scorer_is_the_mean_log_likelihood(name):
    X, y = DATA[name]
    model = make_pipeline(StandardScaler(), MLERegressor(LIKELIHOODS[name])).fit(X, y)
    inside = model[-1].log_likelihood(model[:-1].transform(X), y)
    assert log_likelihood_scorer(model, X, y) == pytest.approx(inside / N, rel=1e-12)
    distribution = model[-1].predict_distribution(model[:-1].transform(X))
    logarithm = distribution.logpmf if LIKELIHOODS[name].discrete else distribution.logpdf
    assert log_likelihood_scorer(model, X, y) == pytest.approx(logarithm(y).mean(), rel=1e-9)
    scores = cross_val_score(model, X, y, scoring=log_likelihood_scorer, cv=3)
    assert scores.shape == (3,) and np.isfinite(scores).all()


def test_a_fitted_model_does_not_change_with_its_parameters():
    X, y = DATA["student_t"]
    likelihood = StudentT(df=3)
    model = MLERegressor(likelihood).fit(X, y)
    before = model.predict_quantile(X, 0.9)
    model.set_params(likelihood__df=50)
    np.testing.assert_array_equal(model.predict_quantile(X, 0.9), before)
    assert model.likelihood is likelihood
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_quantile(X, 0.9), before)
    np.testing.assert_array_equal(clone(model).set_params(likelihood__df=3).fit(X, y).predict_quantile(X, 0.9), before)


@pytest.mark.parametrize("name", SMOOTH)
def test_a_warm_start_ends_where_a_cold_one_does(name):
    X, y = DATA[name]
    model = MLERegressor(LIKELIHOODS[name], warm_start=True).fit(X, y)
    cold = model.coef_
    np.testing.assert_allclose(model.fit(X, y).coef_, cold, rtol=1e-9)
    np.testing.assert_allclose(model.fit(X[::2], y[::2]).coef_, fitted_on_half(name), rtol=1e-8)


def fitted_on_half(name):
    X, y = DATA[name]
    return MLERegressor(LIKELIHOODS[name]).fit(X[::2], y[::2]).coef_


def test_the_location_is_predicted_where_there_is_no_mean():
    X, y = DATA["student_t"]
    model = MLERegressor(StudentT(df=1)).fit(X, y)
    np.testing.assert_allclose(model.predict(X), X @ model.coef_ + model.intercept_)
    assert np.isnan(model.predict(X, return_std=True)[1]).all()


def test_the_mean_is_not_the_quantile():
    X, y = DATA["laplace"]
    model = MLERegressor(AsymmetricLaplace(quantile=0.9)).fit(X, y)
    np.testing.assert_allclose(model.predict_quantile(X, 0.9), X @ model.coef_ + model.intercept_, rtol=1e-12)
    assert (model.predict(X) < model.predict_quantile(X, 0.9)).all()


class Rayleigh(UserLikelihood):
    """y > 0 with log scale linear in X."""

    parameter_names = ("scale",)
    links = ("log",)
    positive_only = True
    equivariance = "scale"

    def nll(self, y, eta):
        z = np.log(y) - eta[0]
        return 0.5 * np.exp(2 * z) - z + eta[0]


class Normal(UserLikelihood):
    parameter_names = ("location", "scale")
    links = ("identity", "log")
    dispersion_parameter = "scale"

    def nll(self, y, eta):
        return 0.5 * np.log(2 * np.pi) + eta[1] + 0.5 * ((y - eta[0]) * np.exp(-eta[1])) ** 2


class TwoNumbers(Normal):
    """The same, its scale not declared: a predictor of its own name."""

    dispersion_parameter = None


@pytest.mark.parametrize("scale", ["constant", "log_linear", 0.8])
def test_a_likelihood_of_one_s_own(scale):
    X, y = DATA["gaussian"]
    model, gaussian = (
        MLERegressor(Normal(), predictors=dispersion_as(Normal(), scale)).fit(X, y),
        GaussianMLERegressor(scale=scale).fit(X, y),
    )
    np.testing.assert_allclose(model.coef_, gaussian.coef_, rtol=1e-6, atol=1e-8)
    assert model.log_likelihood_ == pytest.approx(gaussian.log_likelihood_, rel=1e-10)
    np.testing.assert_allclose(model.predict(X), X @ model.coef_ + model.intercept_)
    with pytest.raises(NotImplementedError, match="Normal has no distribution"):
        model.predict_distribution(X)


def test_a_likelihood_of_one_s_own_with_one_predictor_and_with_undeclared_ones():
    X, y = DATA["weibull"]
    model = MLERegressor(Rayleigh()).fit(X, y)
    # The Weibull likelihood of shape two has the scale sqrt(2).
    weibull = MLERegressor("weibull", predictors={"shape": 2.0}).fit(X, y)
    np.testing.assert_allclose(model.coef_, weibull.coef_, rtol=1e-6)
    assert model.log_likelihood_ == pytest.approx(weibull.log_likelihood_, rel=1e-9)
    X, y = DATA["gaussian"]
    other = MLERegressor(TwoNumbers()).fit(X, y)
    assert other.parameters_["scale"] == pytest.approx(GaussianMLERegressor().fit(X, y).scale_, rel=1e-7)
    linear = MLERegressor(TwoNumbers(), predictors="linear").fit(X, y)
    gaussian = GaussianMLERegressor(scale="log_linear").fit(X, y)
    np.testing.assert_allclose(linear.parameters_["scale"][0], gaussian.scale_coef_, rtol=1e-5)


@pytest.mark.parametrize("name", ["poisson", "binomial"])
def test_a_scale_that_a_likelihood_does_not_have(name):
    with pytest.raises(ValueError, match="likelihood has no parameter 'scale'; its only parameter is '(mean|prob)"):
        fitted(name, predictors={"scale": 2.0})
    # One grid serves all likelihoods: of those without further parameters "linear" is None.
    np.testing.assert_array_equal(fitted(name, predictors="linear").coef_, fitted(name).coef_)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *((name, value) for name in POSITIVE for value in (0.0, -1.0)),
        *[("poisson", -1.0), ("negative_binomial", -0.5), ("tweedie", -1e-9)],
        *[("beta", 0.0), ("beta", 1.0), ("binomial", 1.5), ("binomial", -0.1)],
    ],
)
def test_outcomes_outside_the_domain(name, bad):
    X, y = DATA[name]
    y = y.copy()
    y[7] = bad
    with pytest.raises(ValueError, match=rf"y: the \w+ likelihood takes .*; row 7 is {bad:.10g}"):
        MLERegressor(LIKELIHOODS[name]).fit(X, y)
    with pytest.raises(ValueError, match="row 7"):
        fitted(name).log_likelihood(X, y)


def test_errors_of_the_parameters():
    X, y = DATA["gaussian"]
    with pytest.raises(ValueError, match=r"likelihood='normal' is not known; the names are \["):
        MLERegressor("normal").fit(X, y)
    with pytest.raises(TypeError, match=r"give an instance: Gaussian\(\)"):
        MLERegressor(Gaussian).fit(X, y)
    with pytest.raises(ValueError, match="df must be a positive number"):
        MLERegressor(StudentT(df=-1)).fit(X, y)
    with pytest.raises(ValueError, match=r"power must be in \[1.01, 1.99\]"):
        MLERegressor(Tweedie(power=2)).fit(X, np.abs(y))
    for parameters in ({"alpha": -1.0}, {"solver": "sgd"}, {"max_iter": -1}):
        with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter of MLERegressor"):
            MLERegressor(**parameters).fit(X, y)
    with pytest.raises(ValueError, match="1 sample"):
        MLERegressor("gamma").fit(X[:1], [1.0])
    with pytest.raises(ValueError, match="Only 1 sample of positive weight "):
        MLERegressor("gamma").fit(X, np.exp(y), sample_weight=np.eye(N)[3])
    assert MLERegressor("binomial", alpha=1.0).fit(X[:2], [0.0, 1.0]).n_obs_ == 2


def test_shapes_of_targets():
    X, y = DATA["gamma"]
    with pytest.warns(DataConversionWarning):
        column = MLERegressor("gamma").fit(X, y[:, None])
    np.testing.assert_array_equal(column.coef_, fitted("gamma").coef_)
    with pytest.raises(ValueError, match="1d array|shape"):
        MLERegressor("gamma").fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="1d array|shape"):
        MLERegressor("binomial").fit(X, np.ones((N, 3)))
    frame = MLERegressor("gamma").fit(pd.DataFrame(X, columns=["u", "v"]), pd.Series(y))
    assert frame.feature_names_in_.tolist() == ["u", "v"]


@pytest.mark.parametrize("name", [*POSITIVE, "huber", "logistic", "student_t", "beta"])
def test_a_perfect_fit(name):
    likelihood, X = LIKELIHOODS[name], DATA[name][0]
    location = X @ [0.5, -0.3] + 0.1
    y = {"beta": 1 / (1 + np.exp(-location))}.get(name, np.exp(location) if name in POSITIVE else location)
    with pytest.warns(PerfectFitWarning, match="fits every row exactly"):
        model = MLERegressor(likelihood).fit(X, y)
    np.testing.assert_allclose(model.coef_, [0.5, -0.3], rtol=1e-9)
    assert model.log_likelihood_ == np.inf and model.gap_ == 0
    assert dispersion(model) == (0 if likelihood.variance_power > 0 else np.inf)
    assert (model.predict_parameters(X)[likelihood.dispersion_parameter] == dispersion(model)).all()
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-9)
    assert (model.predict(X, return_std=True)[1] == 0).all()
    np.testing.assert_array_equal(*model.predict_interval(X).T)
    for call in (model.predict_distribution, model.sample, lambda X: model.log_likelihood(X, y)):
        with pytest.raises(ValueError, match=f"_ is {dispersion(model):g}, so y given X has no density"):
            call(X)
    assert np.isfinite(MLERegressor(likelihood, predictors=dispersion_as(likelihood, 1.3)).fit(X, y).log_likelihood_)
    with pytest.warns(UnboundedLikelihoodWarning, match="every row can be fitted exactly"):
        linear = MLERegressor(likelihood, predictors="linear").fit(X, y)
    assert np.isfinite(linear.log_likelihood_)
    assert linear.log_likelihood_ == pytest.approx(linear.log_likelihood(X, y), rel=1e-9)


@pytest.mark.parametrize("name", ["huber", "student_t", "gamma", "weibull"])
def test_one_row_with_a_scale_of_its_own(name):
    X, y = DATA[name]
    X = np.column_stack([X[:, 0], np.arange(N) == 11])
    with pytest.warns(UnboundedLikelihoodWarning, match="rows 11 can be fitted exactly through .*column 1"):
        MLERegressor(LIKELIHOODS[name], predictors="linear").fit(X, y)


def test_under_dispersed_counts_are_poisson():
    """The dispersion vanishes: the Poisson fit, silently, for it is an answer like any other."""
    X, y = DATA["poisson"]
    y = np.round(np.exp(X @ [0.5, -0.3] + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, poisson = MLERegressor("negative_binomial").fit(X, y), MLERegressor("poisson").fit(X, y)
    np.testing.assert_allclose(model.coef_, poisson.coef_, rtol=1e-9)
    assert model.dispersion_ < 1e-8
    assert model.log_likelihood_ == pytest.approx(poisson.log_likelihood_, rel=1e-9)


def test_gaussian_data_have_infinitely_many_degrees_of_freedom():
    X, y = DATA["gaussian"]
    y = X @ [1.0, 2] + np.tile([-1.0, 1.0], N // 2) * np.abs(np.sin(np.arange(N)))  # lighter tails than a Gaussian's
    model, gaussian = MLERegressor(StudentT(df=None)).fit(X, y), GaussianMLERegressor().fit(X, y)
    assert model.df_ == np.inf and not hasattr(model, "inverse_df_")
    np.testing.assert_allclose(model.coef_, gaussian.coef_, rtol=1e-9)
    assert model.log_likelihood_ == pytest.approx(gaussian.log_likelihood_, rel=1e-12)


def test_degrees_of_freedom_end_at_one():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    y = X[:, 0] + rng.standard_t(0.6, 300)
    model = MLERegressor(StudentT(df=None)).fit(X, y)
    cauchy = MLERegressor(StudentT(df=1)).fit(X, y)
    assert model.df_ == 1
    np.testing.assert_allclose(model.coef_, cauchy.coef_, rtol=1e-7)
    assert model.log_likelihood_ == pytest.approx(cauchy.log_likelihood_, rel=1e-12)


@pytest.mark.parametrize("name", [*POSITIVE, "poisson", "tweedie", "negative_binomial", "beta", "binomial"])
def test_scikit_learn_is_told_of_positive_targets(name):
    assert MLERegressor(name).__sklearn_tags__().target_tags.positive_only


@pytest.mark.parametrize("name", ["gaussian", "huber", "student_t", "gumbel"])
def test_real_targets_have_no_such_tag(name):
    assert not MLERegressor(name).__sklearn_tags__().target_tags.positive_only


def test_lognormal_quantiles_are_those_of_the_logarithm():
    X, y = DATA["lognormal"]
    model, gaussian = MLERegressor(LogNormal()).fit(X, y), GaussianMLERegressor().fit(X, np.log(y))
    np.testing.assert_allclose(model.predict_quantile(X, 0.3), np.exp(gaussian.predict_quantile(X, 0.3)), rtol=1e-12)


def test_a_known_scale_is_no_truth_value():
    X, y = DATA["gaussian"]
    for value in (True, False, np.True_):
        for model in (GaussianMLERegressor(scale=value), MLERegressor(predictors={"scale": value})):
            with pytest.raises(ValueError, match=r"(?i)scale.*(must be|float).*got .*(True|False)"):
                model.fit(X, y)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble, int])
def test_known_scales_and_priors_are_computed_in_double_precision(kind):
    """log(3) in half precision is 3e-4 off, times every row."""
    X, y = DATA["gaussian"]
    value = kind(3)
    model = MLERegressor("gaussian", predictors={"scale": value}, alpha=value).fit(X, y)
    same = MLERegressor("gaussian", predictors={"scale": 3.0}, alpha=3.0).fit(X, y)
    assert model.log_likelihood_ == same.log_likelihood_ and model.scale_ == 3.0 and type(model.scale_) is float
    assert (model.coef_ == same.coef_).all()
    assert model.log_likelihood_ == pytest.approx(norm(model.predict(X), 3.0).logpdf(y).sum(), rel=1e-13)


def test_a_third_in_half_precision_is_the_third_that_came():
    X, y = DATA["gaussian"]
    third = np.float16(1 / 3)
    model = GaussianMLERegressor(scale=third).fit(X, y)
    assert model.log_likelihood_ == pytest.approx(norm(model.predict(X), float(third)).logpdf(y).sum(), rel=1e-13)


def test_large_integers_are_scales_and_what_float64_does_not_hold_is_refused():
    X, y = DATA["gaussian"]
    model = GaussianMLERegressor(scale=10**20).fit(X, y)
    assert model.log_likelihood_ == pytest.approx(norm(model.predict(X), 1e20).logpdf(y).sum(), rel=1e-13)
    beyond = [10**400]
    if np.finfo(np.longdouble).maxexp > 1024:
        beyond += [np.longdouble("1e400"), np.longdouble("1e-400")]
    for value in beyond:
        for name in ("alpha", "scale", "tol"):
            with pytest.raises(ValueError, match=f"{name} must be a number within the range of float64"):
                GaussianMLERegressor(**{name: value}).fit(X, y)


def test_a_name_has_no_parameters_to_be_set():
    model = MLERegressor("student_t")
    with pytest.raises(ValueError, match=r"likelihood__df cannot be set.*Give an instance, likelihood=StudentT\(\)"):
        model.set_params(likelihood__df=3)
    with pytest.raises(ValueError, match="likelihood__df cannot be set"):
        GridSearchCV(model, {"likelihood__df": [3, 5]}).fit(*DATA["student_t"])
    assert model.set_params(likelihood=StudentT(), likelihood__df=3).likelihood.df == 3
    assert model.set_params(likelihood__df=5).likelihood.df == 5


@pytest.mark.parametrize("name", ["gaussian", "gamma", "student_t", "beta"])
def test_a_perfect_log_linear_fit_of_as_many_columns_as_rows(name):
    """It has no constant scale, so the error names what says that there is no noise."""
    location = np.array([0.5, 1.5])
    y = {"gamma": np.exp(location), "beta": 1 / (1 + np.exp(-location))}.get(name, location)
    X = np.array([[1.0, 0.0], [0.0, 1.0]])
    with pytest.warns(UserWarning):
        model = MLERegressor(name, predictors="linear").fit(X, y)
    attribute = f"{model._fitted.likelihood.dispersion_parameter}_intercept_"
    assert not hasattr(model, attribute.replace("_intercept", ""))
    told = f"{attribute} is {getattr(model, attribute):g}, so y given X has no density"
    with pytest.raises(ValueError, match=told):
        model.log_likelihood(X, y)
    for call in (model.predict_distribution, model.sample):
        with pytest.raises(ValueError, match=told):
            call(X)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-9)


@pytest.mark.parametrize("name", ["gamma", "weibull", "lognormal", "tweedie", "poisson", "negative_binomial"])
@pytest.mark.parametrize(("least", "unit"), [(3e-323, 1.0), (5e-324, 1e10), (1e-310, 1e5)])
def test_the_log_likelihood_of_a_fit_is_that_of_its_data_where_y_is_subnormal(name, least, unit):
    """y is measured in a unit of its own only where no digit is lost: a subnormal y over four would be rounded."""
    X = np.arange(12.0)[:, None]
    y = unit * np.array([1, 3, 2, 5, 4, 6, 5, 8, 7, 9, 8, 11.0])
    y[3] = least
    model = MLERegressor(name).fit(X, y)
    assert model.log_likelihood(X, y) == pytest.approx(model.log_likelihood_, rel=1e-11)
