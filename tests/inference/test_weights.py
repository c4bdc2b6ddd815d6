"""What weights mean, said once to the estimator: copies, precisions or sampling weights, in every answer."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import (
    infer,
    likelihood_ratio_test,
    mean_interval,
    profile_interval,
    score_test,
    wald_test,
)
from tests.modelled import dispersion

# R's cars.
SPEED = np.repeat(
    [4.0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25],
    [2, 2, 1, 1, 3, 2, 4, 4, 4, 3, 2, 3, 4, 3, 5, 1, 1, 4, 1],
)
DIST = np.ravel(
    [
        [2.0, 10, 4, 22, 16, 10, 18, 26, 34, 17],
        [28, 14, 20, 24, 28, 26, 34, 34, 46, 26],
        [36, 60, 80, 20, 26, 54, 32, 40, 32, 40],
        [50, 42, 56, 76, 84, 36, 46, 68, 32, 48],
        [52, 56, 64, 66, 54, 70, 92, 93, 120, 85],
    ]
)
X, WEIGHT = SPEED[:, None], 1 / SPEED
DATA = {"sample_weight": WEIGHT}
# R's tables are printed with 15 digits; its glm stops at 1e-14 of the deviance.
RTOL, RTOL_GLM = 1e-12, 1e-6


@pytest.fixture(scope="module")
def cars():
    return GaussianMLERegressor(weight_type="precision").fit(X, DIST, WEIGHT)


def test_the_fit_is_that_of_lm_with_weights(cars):
    """m <- lm(dist ~ speed, cars, weights = 1 / speed): summary(m)$coefficients, logLik(m), AIC(m), BIC(m)."""
    np.testing.assert_allclose(cars.standard_errors()[:2], [4.878759503496847, 0.345319405895811], rtol=RTOL)
    assert (cars.n_obs_, cars.df_resid_) == (50, 48)
    assert cars.log_likelihood_ == pytest.approx(-203.397158515522, rel=RTOL)
    assert cars.log_likelihood(X, DIST, WEIGHT) == pytest.approx(cars.log_likelihood_, rel=RTOL)
    assert cars.aic() == pytest.approx(412.794317031044, rel=RTOL)
    assert cars.bic() == pytest.approx(418.530386047329, rel=RTOL)
    # summary(m)$sigma has the divisor 48; that of the maximum is 50, the number of rows.
    assert cars.scale_ == pytest.approx(3.81298474060611 * np.sqrt(48 / 50), rel=RTOL)
    table = cars.summary()
    np.testing.assert_allclose(table["t"][:2], [-2.65790768577908, 10.52052390251179], rtol=RTOL)
    np.testing.assert_allclose(table["p"][:2], [1.06483828343668e-02, 4.68549067658707e-14], rtol=1e-9)
    assert cars.standard_errors()[2] == pytest.approx(1 / np.sqrt(2 * 48), rel=0.03)


def test_the_data_say_the_same_as_what_the_fit_kept(cars):
    with_data = infer(cars, X, DIST, **DATA)
    np.testing.assert_allclose(with_data.standard_errors, cars.standard_errors(), rtol=1e-10)
    for entry in ("log-likelihood", "AIC", "BIC", "observations"):
        assert with_data.header[entry] == pytest.approx(infer(cars).header[entry], rel=1e-12)
    # anova(lm(dist ~ 1, cars, weights = 1 / speed), m)
    assert with_data.header["F(1, 48)"] == pytest.approx(110.68142, rel=1e-7)
    assert with_data.header["weights"] == "precision" and infer(cars).header["weights"] == "precision"


def test_the_intervals_are_those_of_predict_lm(cars):
    """predict(m, data.frame(speed = 4), interval = "prediction", level = .9), without and with weights = 1/4.

    And predict(m, data.frame(speed = c(4, 10, 15)), interval = "confidence").
    """
    told = {"include_parameter_uncertainty": True, "coverage": 0.9}
    plain = cars.predict_interval([[4.0]], **told)
    np.testing.assert_allclose(plain[0], [-7.29220043652562, 10.42114418352602], rtol=RTOL * 10)
    weighted = cars.predict_interval([[4.0]], sample_weight=[0.25], **told)
    np.testing.assert_allclose(weighted[0], [-12.6178253624, 15.7467691094], rtol=1e-11)
    expected = [
        [-5.78064795588301, 8.90959170288341],
        [18.95026465, 27.77397186658967],
        [37.37476580028620, 45.67888134873139],
    ]
    np.testing.assert_allclose(mean_interval(infer(cars), [[4.0], [10.0], [15.0]]), expected, rtol=1e-9)
    known = stats.norm(cars.predict([[4.0]]), cars.scale_ * 2).interval(0.9)
    np.testing.assert_allclose(cars.predict_interval([[4.0]], sample_weight=0.25), np.stack(known, axis=1), rtol=1e-12)
    with pytest.raises(NotSupportedError, match="fitted with weight_type='precision'"):
        GaussianMLERegressor().fit(X, DIST).predict_interval([[4.0]], sample_weight=[1.0])
    with pytest.raises(ValueError, match="precision 0"):
        cars.predict_interval([[4.0], [5.0]], sample_weight=[1.0, 0.0])


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e9])
def test_a_common_factor_of_precisions_is_the_scales(cars, scale):
    found = GaussianMLERegressor(weight_type="precision").fit(X, DIST, scale * WEIGHT)
    np.testing.assert_allclose(found.standard_errors(), cars.standard_errors(), rtol=1e-10)
    assert found.scale_ == pytest.approx(cars.scale_ * np.sqrt(scale), rel=1e-12)
    assert found.log_likelihood_ == pytest.approx(cars.log_likelihood_, rel=1e-12)


def test_another_meaning_may_be_given_to_infer(cars):
    as_copies = GaussianMLERegressor().fit(X, DIST, WEIGHT)
    told = infer(as_copies, X, DIST, weight_type="precision", **DATA)
    np.testing.assert_allclose(told.standard_errors, cars.standard_errors(), rtol=1e-10)
    assert told.estimates[2] == pytest.approx(np.log(cars.scale_), rel=1e-12)
    back = infer(cars, X, DIST, weight_type="frequency", small_sample=False, **DATA)
    expected = infer(as_copies, small_sample=False)
    np.testing.assert_allclose(back.estimates, expected.estimates, rtol=1e-12)
    np.testing.assert_allclose(back.standard_errors, expected.standard_errors, rtol=1e-10)
    # scikit-learn's model does not say what its weights meant: copies, unless told otherwise.
    theirs = LinearRegression().fit(X, DIST, WEIGHT)
    told = infer(theirs, X, DIST, weight_type="precision", **DATA)
    np.testing.assert_allclose(told.standard_errors, cars.standard_errors(), rtol=1e-9)
    assert infer(theirs, X, DIST, **DATA).header["observations"] == pytest.approx(WEIGHT.sum())


def test_tests_and_profiles_follow(cars):
    """deviance(lm(dist ~ speed, cars, weights = 1 / speed)), and of dist ~ speed + I(speed^2)."""
    squares, fewer_squares, n = 697.864926340562, 663.420320732014, 50
    both = np.column_stack([SPEED, SPEED**2])
    larger = GaussianMLERegressor(weight_type="precision").fit(both, DIST, WEIGHT)
    ratio = likelihood_ratio_test(cars, larger, (X, both), DIST, small_sample=False, **DATA)
    assert ratio.statistic == pytest.approx(n * np.log(squares / fewer_squares), rel=1e-9)
    exact = likelihood_ratio_test(cars, larger, (X, both), DIST, **DATA)
    assert exact.statistic == pytest.approx((squares - fewer_squares) / (fewer_squares / 47), rel=1e-9)
    assert exact.df_resid == 47
    # Rao's is n R^2 of the residuals: the gain in RSS over the maximum likelihood variance of the smaller model.
    rao = score_test(cars, X, DIST, SPEED**2, **DATA)
    assert rao.statistic == pytest.approx(n * (squares - fewer_squares) / squares, rel=1e-9)
    profile = profile_interval(cars, X, DIST, "x0", n_points=5, **DATA)
    # confint(lm(dist ~ speed, cars, weights = 1 / speed))
    half = stats.t(48).isf(0.025) * 0.345319405895811
    np.testing.assert_allclose([profile.lower, profile.upper], 3.63294106372805 + half * np.array([-1, 1]), rtol=1e-7)
    for slope, value in zip(profile.grid, profile.log_likelihood, strict=True):
        residual = DIST - slope * SPEED
        rss = WEIGHT @ np.square(residual - np.average(residual, weights=WEIGHT))
        assert value == pytest.approx(-n / 2 * (np.log(2 * np.pi * rss / n) + 1) + np.log(WEIGHT).sum() / 2, rel=1e-9)
    copies = GaussianMLERegressor().fit(both, DIST, WEIGHT)
    with pytest.raises(ValueError, match="mean different things"):
        likelihood_ratio_test(cars, copies, (X, both), DIST, **DATA)


# g <- glm(dist ~ speed, family, cars, weights = 1 / speed, control = glm.control(epsilon = 1e-14, maxit = 100)):
# summary(g)$coefficients and anova(glm(dist ~ 1, ...), g, test = "F"), of Gamma("log"), inverse.gaussian("log") and
# statmod::tweedie(var.power = 1.5, link.power = 0).
GLM = {
    "gamma": ([0.1696330234636423, 0.0120066535029632], 94.9835),
    "inverse_gaussian": ([0.1693288504592569, 0.0176292257194335], 62.97667),
    "tweedie": ([0.1742693361, 0.0110003082], None),
}


@pytest.mark.parametrize("name", GLM)
def test_weights_of_a_glm_are_those_of_r(name):
    errors, f = GLM[name]
    model = MLERegressor(name, weight_type="precision").fit(X, DIST, WEIGHT)
    found = infer(model, X, DIST, dispersion="pearson", **DATA)
    np.testing.assert_allclose(found.standard_errors[:2], errors, rtol=RTOL_GLM)
    assert found.df == 48 and (model.n_obs_, model.df_resid_) == (50, 48)
    if f is not None:
        assert found.header["F(1, 48)"] == pytest.approx(f, rel=1e-5)


def log_densities(name, location, constant, weight):
    """The log-likelihood of rows whose variance is divided by a weight, stated anew with scipy."""
    mean = np.exp(location)
    if name == "gamma":
        shape = np.exp(constant) * weight
        return stats.gamma(shape, scale=mean / shape).logpdf(DIST)
    if name == "inverse_gaussian":
        shape = np.exp(constant) * weight
        return stats.invgauss(mean / shape, scale=shape).logpdf(DIST)
    if name == "lognormal":
        return stats.lognorm(np.exp(constant) / np.sqrt(weight), scale=mean).logpdf(DIST)
    return stats.norm(location, np.exp(constant) / np.sqrt(weight)).logpdf(DIST)


@pytest.mark.parametrize("name", ["gaussian", "lognormal", "gamma", "inverse_gaussian"])
def test_the_estimate_is_the_maximum_of_the_likelihood_with_divided_variances(name):
    model = MLERegressor(name, weight_type="precision").fit(X, DIST, WEIGHT)
    coefficients = [model.intercept_, model.coef_[0], np.log(dispersion(model))]

    def loss(theta):
        return -log_densities(name, theta[0] + SPEED * theta[1], theta[2], WEIGHT).sum()

    assert model.log_likelihood_ == pytest.approx(-loss(coefficients), rel=1e-12)
    best = minimize(loss, coefficients, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000})
    assert -model.log_likelihood_ <= best.fun + 1e-9
    # Standard errors from second differences of that likelihood: their error is h^2 times its fourth derivatives.
    steps = 1e-3 * model.standard_errors()
    hessian = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            corners = [
                a * b * loss(coefficients + a * steps * np.eye(3)[i] + b * steps * np.eye(3)[j])
                for a in (-1, 1)
                for b in (-1, 1)
            ]
            hessian[i, j] = sum(corners) / (4 * steps[i] * steps[j])
    expected = np.sqrt(np.diag(np.linalg.inv(hessian)))
    np.testing.assert_allclose(infer(model, small_sample=False).standard_errors, expected, rtol=1e-4)


def test_a_row_of_no_weight_is_absent():
    weight = np.where(SPEED > 10, WEIGHT, 0.0)
    model = MLERegressor("gamma", weight_type="precision").fit(X, DIST, weight)
    kept = weight > 0
    fewer = MLERegressor("gamma", weight_type="precision").fit(X[kept], DIST[kept], WEIGHT[kept])
    assert model.n_obs_ == kept.sum()
    assert model.log_likelihood_ == pytest.approx(fewer.log_likelihood_, rel=1e-12)
    assert model.log_likelihood(X, DIST, weight) == pytest.approx(model.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(model.standard_errors(), fewer.standard_errors(), rtol=1e-10)
    np.testing.assert_allclose(infer(model, X, DIST, sample_weight=weight).standard_errors, model.standard_errors())


@pytest.mark.parametrize("name", ["gaussian", "gamma"])
def test_under_a_prior_the_dispersion_is_that_of_the_mode(name):
    model = MLERegressor(name, alpha=2.0, weight_type="precision").fit(X, DIST, WEIGHT)
    power = 1.0 if name == "gaussian" else -2.0

    def loss(theta):
        prior = 0.5 * 2.0 * theta[1] ** 2 * np.exp(-2 * theta[2] / power)
        return prior - log_densities(name, theta[0] + SPEED * theta[1], theta[2], WEIGHT).sum()

    found = [model.intercept_, model.coef_[0], np.log(dispersion(model))]
    best = minimize(loss, found, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000})
    assert loss(found) <= best.fun + 1e-9
    assert infer(model, X, DIST, penalized="laplace", **DATA).header["gap in nats"] < 1e-8


def test_sampling_weights_know_sandwiches_alone():
    model = GaussianMLERegressor(weight_type="sampling").fit(X, DIST, WEIGHT)
    assert (model.n_obs_, model.df_resid_) == (50, 48)
    for call in (
        model.aic,
        model.bic,
        model.summary,
        lambda: model.predict_interval(X, include_parameter_uncertainty=True),
        lambda: profile_interval(model, X, DIST, "x0", **DATA),
        lambda: likelihood_ratio_test(model, model, X, DIST, **DATA),
        lambda: score_test(model, X, DIST, SPEED**2, **DATA),
    ):
        with pytest.raises(NotSupportedError, match="sampling"):
            call()
    found = infer(model, X, DIST, **DATA)
    assert found.header["covariance"] == "HC0" and np.isnan(found.header["AIC"])
    as_precisions = infer(model, X, DIST, weight_type="precision", covariance="HC0", **DATA)
    np.testing.assert_allclose(found.covariance[:2, :2], as_precisions.covariance[:2, :2], rtol=1e-9)
    assert wald_test(model, X, DIST, ["x0"], **DATA).p_value < 1e-10


def test_precisions_of_models_without_a_scale_count_rows():
    y = (DIST > 40).astype(int)
    model = MLELogisticClassifier(weight_type="precision").fit(X, y, WEIGHT)
    plain = MLELogisticClassifier().fit(X, y, WEIGHT)
    assert (model.n_obs_, plain.n_obs_) == (50, pytest.approx(WEIGHT.sum()))
    np.testing.assert_array_equal(model.standard_errors(), plain.standard_errors())
    counts = MLERegressor("poisson", weight_type="precision").fit(X, DIST, WEIGHT)
    assert counts.bic() == pytest.approx(2 * np.log(50) - 2 * counts.log_likelihood_)


@pytest.mark.parametrize(
    "model",
    [
        MLERegressor("student_t", weight_type="precision"),
        MLERegressor("student_t", predictors={"scale": 3.0}, weight_type="precision"),
        MLERegressor("laplace", weight_type="precision"),
        MLERegressor("weibull", weight_type="precision"),
        MLERegressor("negative_binomial", weight_type="precision"),
        GaussianMLERegressor(scale="log_linear", weight_type="precision"),
    ],
    ids=str,
)
def test_other_likelihoods_refuse_precisions(model):
    with pytest.raises(NotSupportedError, match="gives another likelihood"):
        model.fit(X, DIST, WEIGHT)
    copies = model.set_params(weight_type="frequency").fit(X, DIST, WEIGHT)
    with pytest.raises(NotSupportedError, match="gives another likelihood"):
        infer(copies, X, DIST, weight_type="precision", **DATA)


def test_precisions_of_rows_that_dask_keeps():
    da = pytest.importorskip("dask.array")
    rows, y, weight = (da.from_array(part, chunks=20) for part in (X, DIST, WEIGHT))
    with pytest.raises(NotSupportedError, match="Dask"):
        GaussianMLERegressor(weight_type="precision").fit(rows, y, weight)
    counts = MLERegressor("poisson", weight_type="precision").fit(rows, y, weight)
    assert counts.n_obs_ == 50


def test_data_of_another_size_are_told_by_their_number_of_observations(cars):
    for model in (cars, GaussianMLERegressor().fit(X, DIST, WEIGHT)):
        with pytest.raises(ValueError, match="which had .* observations .*these have 49: .*the X and y of the fit"):
            infer(model, X[1:], DIST[1:], sample_weight=np.ones(49))
    # Of precisions the numbers of rows are equal: the distance from the optimum tells.
    with pytest.raises(ValueError, match="nats below"):
        infer(cars, X, DIST)
    for model in (
        GaussianMLERegressor().fit(X, DIST, WEIGHT),
        MLERegressor("gamma").fit(X, DIST, WEIGHT),
        MLELogisticClassifier().fit(X, DIST > 40, WEIGHT),
        MLELogisticClassifier(class_weight={True: 2.0}).fit(X, DIST > 40, WEIGHT),
    ):
        for call in (
            lambda model: infer(model, X, DIST if hasattr(model, "predict_interval") else DIST > 40),
            lambda model: profile_interval(model, X, DIST if hasattr(model, "predict_interval") else DIST > 40),
            lambda model: score_test(model, X, DIST if hasattr(model, "predict_interval") else DIST > 40, SPEED**2),
        ):
            if model.get_params().get("class_weight") is not None and call.__code__.co_names[0] != "infer":
                continue
            with pytest.raises(ValueError, match="if it was weighted, pass its sample_weight"):
                call(model)
