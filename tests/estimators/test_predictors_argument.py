"""What each parameter depends on: subsets of columns, known values, constants; proved by an independent optimizer."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import MLERegressor
from sklearn_mle.displays import CoefficientDisplay
from sklearn_mle.inference import infer, likelihood_ratio_test, profile_interval, score_test
from sklearn_mle.likelihoods import StudentT, Tweedie, UserLikelihood

rng = np.random.default_rng(7)
N = 200
X = rng.standard_normal((N, 4)) * [1.0, 3.0, 0.5, 1.0] + [0.0, 5.0, 0.0, -1.0]
FRAME = pd.DataFrame(X, columns=["age", "bmi", "dose", "sex"])
MEAN = np.exp(0.4 * X[:, 0] - 0.1 * X[:, 1])
POSITIVE = MEAN * rng.gamma(np.exp(1 + 0.5 * X[:, 2]), np.exp(-1 - 0.5 * X[:, 2]))
HEAVY = X[:, 0] + np.exp(0.3 * X[:, 3]) * rng.standard_t(4, N)
COUNTS = rng.poisson(MEAN * rng.gamma(2, 0.5, N)).astype(float)


def gamma(theta):
    """Mean of age and bmi, shape of dose."""
    mean, shape = np.exp(theta[0] + X[:, :2] @ theta[1:3]), np.exp(theta[3] + X[:, 2] * theta[4])
    return stats.gamma(shape, scale=mean / shape).logpdf(POSITIVE)


def student(theta):
    """Location of all columns, scale of sex, known degrees of freedom."""
    return stats.t(3.0, theta[0] + X @ theta[1:5], np.exp(theta[5] + X[:, 3] * theta[6])).logpdf(HEAVY)


def negative_binomial(theta):
    """Mean of age, dispersion of bmi and sex."""
    mean, size = np.exp(theta[0] + X[:, 0] * theta[1]), np.exp(-theta[2] - X[:, [1, 3]] @ theta[3:5])
    return stats.nbinom(size, size / (size + mean)).logpmf(COUNTS)


MODELS = {
    "gamma": ("gamma", {"mean": ["age", "bmi"], "shape": ["dose"]}, POSITIVE, gamma, 5),
    "student_t": ("student_t", {"scale": ["sex"], "df": 3.0}, HEAVY, student, 7),
    "negative_binomial": (
        "negative_binomial",
        {"mean": ["age"], "dispersion": ["sex", "bmi"]},
        COUNTS,
        negative_binomial,
        5,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_estimate_is_the_maximum_that_another_optimizer_finds(name):
    likelihood, predictors, y, logs, size = MODELS[name]
    model = MLERegressor(likelihood, predictors=predictors).fit(FRAME, y)
    best = minimize(lambda theta: -logs(theta).sum(), np.zeros(size), method="BFGS", options={"gtol": 1e-5})
    assert model.log_likelihood_ == pytest.approx(-best.fun, rel=1e-9)
    result = infer(model)
    np.testing.assert_allclose(result.estimates, best.x, rtol=2e-4, atol=2e-4)
    assert len(result.parameters) == size and model.aic() == pytest.approx(2 * size - 2 * model.log_likelihood_)
    # The curvature from the data, and a second difference of the log-likelihood along one parameter.
    observed = infer(model, FRAME, y, covariance="hessian")
    np.testing.assert_allclose(observed.standard_errors, result.standard_errors, rtol=1e-6)
    assert logs(result.estimates).sum() == pytest.approx(model.log_likelihood_, rel=1e-12)


def test_columns_by_name_by_position_and_by_mask_are_the_same():
    given = [
        {"shape": ["dose", "age"]},
        {"shape": [2, 0]},
        {"shape": (-2, -4)},
        {"shape": np.array([True, False, True, False])},
    ]
    fits = [MLERegressor("gamma", predictors=each).fit(FRAME, POSITIVE) for each in given]
    for fit in fits:
        np.testing.assert_array_equal(fit.shape_coef_, fits[0].shape_coef_)
        assert (fit.shape_coef_ != 0).tolist() == [True, False, True, False]
    everything = MLERegressor("gamma", predictors={"shape": [0, 1, 2, 3]}).fit(X, POSITIVE)
    linear = MLERegressor("gamma", predictors="linear").fit(X, POSITIVE)
    np.testing.assert_array_equal(everything.shape_coef_, linear.shape_coef_)
    nothing = MLERegressor("gamma", predictors={"shape": []}).fit(X, POSITIVE)
    assert nothing.shape_ == MLERegressor("gamma").fit(X, POSITIVE).shape_


def test_a_location_of_some_columns_is_that_of_an_x_without_the_others():
    for likelihood, y in (("gaussian", HEAVY), ("laplace", HEAVY), ("poisson", COUNTS), ("lognormal", POSITIVE)):
        location = MLERegressor(likelihood).fit(X, y)._fitted.likelihood.parameter_names[0]
        model = MLERegressor(likelihood, predictors={location: [0, 3]}).fit(X, y)
        smaller = MLERegressor(likelihood).fit(X[:, [0, 3]], y)
        np.testing.assert_allclose(model.coef_[[0, 3]], smaller.coef_, rtol=1e-7)
        assert not model.coef_[1:3].any() and model.df_model_ == smaller.df_model_
        assert model.log_likelihood_ == pytest.approx(smaller.log_likelihood_, rel=1e-12)
        constant = MLERegressor(likelihood, predictors={location: "constant"}).fit(X, y)
        assert not constant.coef_.any() and constant.log_likelihood_ < model.log_likelihood_
    binary = (HEAVY > 0).astype(float)
    model = MLERegressor("binomial", predictors={"probability": [0]}).fit(X, binary)
    np.testing.assert_allclose(model.coef_[0], MLERegressor("binomial").fit(X[:, :1], binary).coef_[0], rtol=1e-9)


def test_dependent_columns_are_those_of_the_predictor():
    twice = np.column_stack([X, X[:, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLERegressor("gamma", predictors={"mean": [0, 1], "shape": [4]}).fit(twice, POSITIVE)
        again = MLERegressor("gamma", predictors={"mean": [0, 1], "shape": [0]}).fit(twice, POSITIVE)
    assert np.isfinite(model.standard_errors()).all()
    assert model.shape_coef_[4] == pytest.approx(again.shape_coef_[0], rel=1e-7)
    with pytest.warns(UserWarning, match="rank deficient.*column [04]"):
        model = MLERegressor("gamma", predictors={"mean": [1], "shape": [0, 4]}).fit(twice, POSITIVE)
    np.testing.assert_allclose(model.shape_coef_[0], model.shape_coef_[4], rtol=1e-9)
    assert np.isnan(model.standard_errors()[-2:]).all()


def test_known_values_are_kept_to_the_last_bit_and_are_no_parameters():
    model = MLERegressor("gamma", predictors={"shape": 1 / 3}).fit(X, POSITIVE)
    assert model.shape_ == 1 / 3 and len(model.standard_errors()) == 5
    assert model.parameters_["shape"] == 1 / 3
    assert (model.predict_parameters(X)["shape"] == 1 / 3).all()
    known = MLERegressor(StudentT(), predictors={"df": 3}).fit(X, HEAVY)
    same = MLERegressor(StudentT(df=3)).fit(X, HEAVY)
    np.testing.assert_array_equal(known.coef_, same.coef_)
    assert set(known.parameters_) == {"location", "scale"}


def test_degrees_of_freedom_are_estimated_beside_a_scale_of_columns():
    model = MLERegressor("student_t", predictors={"df": "constant", "scale": [3]}).fit(X, HEAVY)
    assert model.df_ > 1 and model.scale_coef_[3] != 0
    other = MLERegressor(StudentT(df=model.df_), predictors={"scale": [3]}).fit(X, HEAVY)
    np.testing.assert_allclose(other.coef_, model.coef_, rtol=1e-6)
    assert model.predict_parameters(X)["df"].tolist() == [model.df_] * N
    # Columns are not for what may be estimated at a bound: "linear" leaves it constant.
    linear = MLERegressor(StudentT(df=None), predictors="linear").fit(X, HEAVY)
    assert isinstance(linear.df_, float) and linear.scale_coef_.all()


def test_parameters_are_predicted_on_their_own_scale():
    model = MLERegressor("gamma", predictors={"shape": [2]}).fit(X, POSITIVE)
    found = model.predict_parameters(X[:5])
    assert list(found) == ["mean", "shape"]
    np.testing.assert_allclose(found["mean"], model.predict(X[:5]), rtol=1e-14)
    np.testing.assert_allclose(found["shape"], np.exp(model.shape_intercept_ + X[:5] @ model.shape_coef_), rtol=1e-14)
    coef, intercept = model.parameters_["shape"]
    assert (coef == model.shape_coef_).all() and intercept == model.shape_intercept_


def test_tests_and_profiles_know_the_columns_of_each_predictor():
    predictors = {"mean": ["age", "bmi"], "shape": ["dose"]}
    large = MLERegressor("gamma", predictors=predictors).fit(FRAME, POSITIVE)
    small = MLERegressor("gamma", predictors={"mean": ["age", "bmi"]}).fit(FRAME, POSITIVE)
    ratio = likelihood_ratio_test(small, large, FRAME, POSITIVE)
    assert ratio.df == 1 and ratio.statistic == pytest.approx(2 * (large.log_likelihood_ - small.log_likelihood_))
    other = MLERegressor("gamma", predictors={"mean": ["age", "bmi"], "shape": ["sex", "bmi"]}).fit(FRAME, POSITIVE)
    with pytest.raises(ValueError, match="smaller has terms that no combination.*log_shape: 'dose'"):
        likelihood_ratio_test(large, other, FRAME, POSITIVE)
    found = profile_interval(large, FRAME, POSITIVE, "log_shape: dose")
    assert found.lower < large.shape_coef_[2] < found.upper
    test = score_test(small, FRAME, POSITIVE, rng.standard_normal(N))
    assert test.df == 1
    display = CoefficientDisplay.from_estimator(large, predictor="log_shape")
    assert list(display.names) == ["dose"]
    assert large.summary().index == (
        *("log_mean: intercept", "log_mean: age", "log_mean: bmi"),
        *("log_shape: intercept", "log_shape: dose"),
    )


def test_searches_take_whole_dicts_and_pipelines_need_names_or_positions():
    grid = {"predictors": [None, "linear", {"shape": ["dose"]}, {"shape": 2.0}]}
    search = GridSearchCV(MLERegressor("gamma"), grid, cv=3).fit(FRAME, POSITIVE)
    assert search.best_params_["predictors"] in grid["predictors"]
    model = MLERegressor("gamma", predictors={"shape": ["dose"]})
    with pytest.raises(ValueError, match="X has no column names. Pass X as a DataFrame"):
        make_pipeline(StandardScaler(), model).fit(FRAME, POSITIVE)
    named = make_pipeline(StandardScaler().set_output(transform="pandas"), clone(model)).fit(FRAME, POSITIVE)
    placed = make_pipeline(StandardScaler(), MLERegressor("gamma", predictors={"shape": [2]})).fit(FRAME, POSITIVE)
    np.testing.assert_array_equal(named[-1].shape_coef_, placed[-1].shape_coef_)


class Skewed(UserLikelihood):
    """A two-piece normal: three parameters, none of them declared as the dispersion."""

    parameter_names = ("location", "left", "right")
    links = ("identity", "log", "log")

    def nll(self, y, eta):
        location, left, right = eta
        scale = np.where(y < location, np.exp(left), np.exp(right))
        return 0.5 * ((y - location) / scale) ** 2 + np.log(np.exp(left) + np.exp(right)) + 0.5 * np.log(np.pi / 2)


def test_a_third_parameter_of_one_s_own_depends_on_columns():
    z = rng.standard_normal(N)
    y = X[:, 0] + np.where(z < 0, 0.5 * z, np.exp(0.4 * X[:, 3]) * z)
    model = MLERegressor(Skewed(), predictors={"right": [3], "left": 0.5}).fit(X, y)
    assert model.left_ == 0.5 and model.right_coef_[3] == pytest.approx(0.4, abs=0.25)
    assert not model.right_coef_[:3].any() and len(model.standard_errors()) == 7
    with pytest.raises(ValueError, match="no parameter 'scale'; its parameters are 'location', 'left', 'right'"):
        MLERegressor(Skewed(), predictors={"scale": 1.0}).fit(X, y)


@pytest.mark.parametrize(
    ("likelihood", "predictors", "words"),
    [
        ("gamma", "constant", "predictors must be None .*'linear'.* or a dict.*got 'constant'"),
        ("gamma", ["shape"], "predictors must be None"),
        ("gamma", {"scale": "linear"}, "Gamma likelihood has no parameter 'scale'; its parameters are 'mean', 'shape'"),
        ("poisson", {"mean": 1.0}, "'mean' is the location.*offset"),
        ("gamma", {"shape": "dose"}, r"One column is a list, too: \['dose'\]"),
        ("gamma", {"shape": -1.0}, "a known shape must be a positive number; got -1.0"),
        ("gamma", {"shape": np.nan}, "a known shape must be a positive number; got nan"),
        ("gamma", {"shape": 10**400}, "a known shape must be a positive number"),
        ("gamma", {"shape": True}, "known value of 1 as 1.0"),
        ("gamma", {"shape": None}, "'shape' must be 'linear'"),
        ("gamma", {"shape": ["dosage"]}, "names .'dosage'., which X does not have; its columns are 'age', 'bmi'"),
        ("gamma", {"shape": [4]}, "positions in X, from 0 to 3; got .4."),
        ("gamma", {"shape": [1, 1]}, "'shape' names a column more than once"),
        ("gamma", {"shape": [True, False]}, "the mask of 'shape' must have 4 entries"),
        ("gamma", {"shape": [0.5]}, "names, positions or a mask, all of one kind"),
        ("gamma", {"shape": ["dose", 1]}, "names, positions or a mask, all of one kind"),
        ("student_t", {"df": ["age"]}, "'df' must be one number for all rows.*its estimate may lie at an end"),
        ("student_t", {"df": "linear"}, "'df' must be one number for all rows"),
        ("gaussian_mixture", {"mean_2": "linear"}, "'mean_2' must be one number for all rows"),
        ("student_t", {"df": -1.0}, "df must be a positive number"),
        (Tweedie(), {"power": 1.5}, r"'power' is no parameter that can be estimated.*Tweedie\(power=...\)"),
    ],
)
def test_errors_name_the_argument_what_was_expected_and_what_came(likelihood, predictors, words):
    model = MLERegressor(likelihood, predictors=predictors)
    with pytest.raises(ValueError, match=words):
        model.fit(FRAME, POSITIVE)
    assert not hasattr(model, "coef_")


def test_a_location_needs_columns_or_an_intercept():
    model = MLERegressor("gamma", predictors={"mean": "constant"}, fit_intercept=False)
    with pytest.raises(ValueError, match="mean has no columns and, with fit_intercept=False, no intercept"):
        model.fit(X, POSITIVE)


@pytest.mark.parametrize("name", ["gamma", "student_t"])
def test_each_parameter_has_a_prior_of_its_own(name):
    likelihood, predictors, y, logs, size = MODELS[name]
    location, dispersion = ("mean", "shape") if name == "gamma" else ("location", "scale")
    alpha = {location: 2.0, dispersion: 5.0}
    model = MLERegressor(likelihood, predictors=predictors, alpha=alpha).fit(FRAME, y)
    k = size - 2  # the place of the dispersion's intercept; its only column follows

    def objective(theta):
        column = X[:, 2] if name == "gamma" else X[:, 3]
        mean_log = np.mean(theta[k] + column * theta[k + 1])
        relative = np.exp(mean_log if name == "gamma" else -2 * mean_log)
        return 0.5 * 2.0 * relative * theta[1:k] @ theta[1:k] + 0.5 * 5.0 * theta[k + 1] ** 2 - logs(theta).sum()

    best = minimize(objective, np.zeros(size), method="BFGS", options={"gtol": 1e-5})
    found = infer(model, FRAME, y, penalized="laplace")
    assert objective(found.estimates) <= best.fun + 1e-9
    np.testing.assert_allclose(found.estimates, best.x, rtol=1e-3, atol=1e-3)
    # The errors are those of the penalized curvature: of one coefficient by second differences of the profile.
    free = MLERegressor(likelihood, predictors=predictors).fit(FRAME, y)
    assert abs(found.estimates[-1]) < abs(infer(free).estimates[-1])
    assert found.standard_errors[-1] < infer(free).standard_errors[-1]
    with pytest.raises(ValueError, match="a penalty"):
        model.aic()


def test_a_prior_by_a_dict_of_the_location_alone_is_that_by_a_number():
    for likelihood, y in (("gamma", POSITIVE), ("laplace", HEAVY), ("poisson", COUNTS)):
        location = MLERegressor(likelihood).fit(X, y)._fitted.likelihood.parameter_names[0]
        by_name = MLERegressor(likelihood, alpha={location: 3.0}).fit(X, y)
        np.testing.assert_array_equal(by_name.coef_, MLERegressor(likelihood, alpha=3.0).fit(X, y).coef_)
    both = MLERegressor("laplace", predictors="linear", alpha={"scale": 1e8}).fit(X, HEAVY)
    np.testing.assert_allclose(both.scale_coef_, 0, atol=1e-5)
    np.testing.assert_allclose(both.coef_, MLERegressor("laplace").fit(X, HEAVY).coef_, atol=1e-3)


def test_a_prior_makes_dependent_columns_of_a_shape_unique():
    twice = np.column_stack([X[:, :3], X[:, 2]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLERegressor("gamma", predictors={"mean": [0, 1], "shape": [2, 3]}, alpha={"shape": 1.0}).fit(
            twice, POSITIVE
        )
    assert model.shape_coef_[2] == pytest.approx(model.shape_coef_[3], rel=1e-9)
    # A parameter without columns has nothing to be penalized.
    plain = MLERegressor("gamma", alpha={"shape": 1.0}).fit(X, POSITIVE)
    assert plain.aic() == MLERegressor("gamma").fit(X, POSITIVE).aic()


@pytest.mark.parametrize(
    ("alpha", "words"),
    [
        ({"scale": 1.0}, "alpha: the Gamma likelihood has no parameter 'scale'; its parameters are 'mean', 'shape'"),
        ({"shape": -1.0}, "alpha: the precision of 'shape' must be a finite number >= 0; got -1.0"),
        ({"shape": "1"}, "alpha: the precision of 'shape' must be"),
        ({"shape": 10**400}, "alpha: the precision of 'shape' must be"),
        (-1.0, "The 'alpha' parameter of MLERegressor"),
    ],
)
def test_errors_of_priors(alpha, words):
    with pytest.raises(ValueError, match=words):
        MLERegressor("gamma", alpha=alpha).fit(X, POSITIVE)
