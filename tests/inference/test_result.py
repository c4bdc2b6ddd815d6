"""What follows from estimates and covariance: delta method, contrasts, summaries, predictions."""

import builtins
import pickle

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError, RankDeficiencyWarning
from sklearn_mle.inference import infer, mean_interval, probability_interval
from sklearn_mle.likelihoods import likelihood_names

rng = np.random.default_rng(2)
N = 200
X = pd.DataFrame(rng.standard_normal((N, 3)) * [1, 20, 0.5] + [0, 50, 1], columns=["one", "two", "three"])
Z = ((X - X.mean()) / X.std()).to_numpy()
LOGIT = 0.3 + Z @ [0.8, -0.5, 0.2]
BINARY = (rng.random(N) < 1 / (1 + np.exp(-LOGIT))).astype(int)
CLASSES = np.array(["low", "mid", "top"])[(np.outer(LOGIT, [-1, 0, 1]) + rng.gumbel(size=(N, 3))).argmax(axis=1)]
REAL = 10 + 3 * LOGIT + np.exp(0.4 * Z[:, 0]) * rng.standard_normal(N)
COUNTS = rng.poisson(np.exp(0.4 * LOGIT))
A = sm.add_constant(X.to_numpy())


@pytest.fixture(scope="module")
def logistic():
    return infer(MLELogisticClassifier().fit(X, BINARY))


def test_the_delta_method_of_linear_and_smooth_functions(logistic):
    row = np.array([1.0, 0.5, 60, 1])
    linear = logistic.delta_method(lambda theta: row @ theta)
    assert linear.standard_error == pytest.approx(np.sqrt(row @ logistic.covariance @ row), rel=1e-8)
    ratio = logistic.delta_method(lambda theta: theta[1:3] / theta[3])
    b, V = logistic.estimates, logistic.covariance
    gradient = np.array([[0, 1 / b[3], 0, -b[1] / b[3] ** 2], [0, 0, 1 / b[3], -b[2] / b[3] ** 2]])
    np.testing.assert_allclose(ratio.covariance, gradient @ V @ gradient.T, rtol=1e-7)
    lower, upper = ratio.confidence_interval(0.9).T
    np.testing.assert_allclose((upper - lower) / 2, stats.norm.ppf(0.95) * ratio.standard_error, rtol=1e-10)
    np.testing.assert_allclose((upper + lower) / 2, b[1:3] / b[3], rtol=1e-12)
    with pytest.raises(ValueError, match="a number or a 1-D array"):
        logistic.delta_method(lambda theta: np.eye(2))


def test_the_delta_method_knows_what_is_not_determined():
    with pytest.warns(RankDeficiencyWarning):
        result = infer(MLELogisticClassifier().fit(X.assign(again=X["one"]), BINARY))
    one, again = (result.parameters.index(name) for name in ("one", "again"))
    assert np.isnan(result.delta_method(lambda theta: theta[one]).standard_error)
    assert result.delta_method(lambda theta: theta[one] + theta[again]).standard_error > 0


def test_contrasts_do_not_depend_on_the_gauge():
    model = MLELogisticClassifier().fit(X, CLASSES)
    result = infer(model)
    other = result.against("mid")
    assert other.parameters[:2] == ("low: intercept", "low: one") and len(other.estimates) == 8
    difference = (model.coef_ - model.coef_[1])[[0, 2]]
    np.testing.assert_allclose(other.estimates.reshape(2, 4)[:, 1:], difference, rtol=1e-12)
    theirs = sm.MNLogit(pd.Categorical(CLASSES, ["mid", "low", "top"]).codes, A).fit(disp=0, tol=1e-14, maxiter=100)
    np.testing.assert_allclose(other.standard_errors, np.sqrt(np.diag(theirs.cov_params())), rtol=1e-6)
    np.testing.assert_allclose(model.parameter_covariance("mid"), other.covariance)
    np.testing.assert_allclose(model.standard_errors("mid"), other.standard_errors)
    np.testing.assert_allclose(model.summary(reference="mid")["estimate"], other.estimates)
    # Every column of the covariance sums to zero over the classes, as the coefficients do.
    by_class = result.covariance.reshape(3, 4, 12).sum(axis=0)
    np.testing.assert_allclose(by_class, 0, atol=1e-10 * np.abs(result.covariance).max())
    with pytest.raises(ValueError, match="one of the classes"):
        result.against("high")
    with pytest.raises(ValueError, match="three or more classes"):
        infer(MLELogisticClassifier().fit(X, BINARY)).against(1)


def test_odds_ratios(logistic):
    plain, odds = logistic.summary(), logistic.summary(odds_ratios=True)
    np.testing.assert_allclose(odds["odds ratio"], np.exp(plain["estimate"]))
    np.testing.assert_allclose(odds["upper"], np.exp(plain["upper"]))
    np.testing.assert_allclose(odds["p"], plain["p"])
    with pytest.raises(ValueError, match="odds_ratios"):
        infer(GaussianMLERegressor().fit(X, REAL)).summary(odds_ratios=True)


def test_the_summary_is_a_table_with_a_header():
    model = MLELogisticClassifier().fit(X, BINARY)
    summary = model.summary(confidence_level=0.9)
    frame = summary.to_frame()
    assert list(frame.index) == ["intercept", "one", "two", "three"]
    assert list(frame.columns) == ["estimate", "standard error", "z", "p", "lower", "upper"] == list(summary)
    assert summary.loc["two", "p"] == summary["p"]["two"] == frame["p"].iloc[2] and summary.shape == frame.shape
    assert len(summary) == 4 and frame.attrs["AIC"] == model.aic() == summary.header["AIC"]
    theirs = sm.Logit(BINARY, A).fit(disp=0, method="newton", tol=1e-14)
    np.testing.assert_allclose(frame["p"], theirs.pvalues, rtol=1e-7)
    np.testing.assert_allclose(frame[["lower", "upper"]], theirs.conf_int(0.1), rtol=1e-8)
    text, html = repr(summary), summary._repr_html_()
    for part in ("MLELogisticClassifier", "log-likelihood", "AIC", "BIC", "converged", "gap in nats", "three"):
        assert part in text and part in html
    assert "confidence level 0.9" in text and html.count("<tr>") == 5 + len(summary.header)
    assert all(len(line) < 100 for line in text.splitlines())
    assert repr(infer(model)) == repr(model.summary())
    assert infer(model)._repr_html_() == model.summary()._repr_html_()
    with pytest.raises(ValueError, match="confidence_level must lie"):
        model.summary(confidence_level=1.0)


def test_names_are_escaped_in_html():
    odd = X.rename(columns={"one": "<b>&"})
    html = MLELogisticClassifier().fit(odd, BINARY).summary()._repr_html_()
    assert "&lt;b&gt;&amp;" in html and "<b>&" not in html


def test_without_pandas_columns_are_arrays(monkeypatch):
    summary = MLELogisticClassifier().fit(X.to_numpy(), BINARY).summary()
    load = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert isinstance(summary["estimate"], np.ndarray) and summary.index[1] == "x0"
    with pytest.raises(ImportError, match="Tables need pandas .* without it summary"):
        summary.to_frame()
    assert "standard error" in repr(summary)


def test_attributes_and_criteria_of_every_estimator():
    for model, y, k, df_model in [
        (MLELogisticClassifier(), BINARY, 4, 3),
        (MLELogisticClassifier(fit_intercept=False), BINARY, 3, 3),
        (MLELogisticClassifier(), CLASSES, 8, 6),
        (GaussianMLERegressor(), REAL, 5, 3),
        (GaussianMLERegressor(scale=2.0), REAL, 4, 3),
        (GaussianMLERegressor(scale="log_linear"), REAL, 8, 6),
        (MLERegressor("poisson"), COUNTS, 4, 3),
        (MLERegressor("student_t"), REAL, 5, 3),
        (MLERegressor("laplace"), REAL, 5, 3),
    ]:
        model.fit(X, y)
        assert model.df_model_ == df_model
        constants = model._fitted_model().n_constants
        assert model.df_resid_ == N - (k - constants)
        assert model.aic() == pytest.approx(2 * k - 2 * model.log_likelihood_, rel=1e-14)
        assert model.bic() == pytest.approx(np.log(N) * k - 2 * model.log_likelihood_, rel=1e-14)
        if not isinstance(model, MLERegressor) or model.likelihood != "laplace":
            assert model.condition_number_ >= 1
            assert model.parameter_covariance().shape == (k, k) if y is not CLASSES else (12, 12)


def test_after_a_penalty_or_class_weights_the_methods_say_what_to_use():
    for model, y in [
        (MLELogisticClassifier(C=1.0), BINARY),
        (MLELogisticClassifier(class_weight="balanced"), BINARY),
        (GaussianMLERegressor(alpha=1.0), REAL),
    ]:
        model.fit(X, y)
        for method in ("parameter_covariance", "standard_errors", "summary", "aic", "bic"):
            with pytest.raises(ValueError, match="penalized="):
                getattr(model, method)()


def test_more_parameters_than_are_kept(monkeypatch):
    monkeypatch.setattr("sklearn_mle._fit.strategy.MOST_KEPT", 2)
    model = MLELogisticClassifier().fit(X, BINARY)
    with pytest.raises(ValueError, match="kept no curvature.*Use infer\\(estimator, X, y\\)"):
        model.summary()
    assert np.isnan(model.condition_number_) and model.aic() > 0
    np.testing.assert_allclose(
        infer(model, X, BINARY).standard_errors,
        np.sqrt(np.diag(sm.Logit(BINARY, A).fit(disp=0).cov_params())),
        rtol=1e-6,
    )


def test_a_large_fit_says_how_good_its_standard_errors_are():
    tall = rng.standard_normal((40_000, 30))
    y = (rng.random(40_000) < 1 / (1 + np.exp(-tall[:, 0]))).astype(int)
    model = MLELogisticClassifier().fit(tall, y)
    kept, anew = infer(model), infer(model, tall, y)
    np.testing.assert_allclose(kept.standard_errors, anew.standard_errors, rtol=2e-3)
    off = np.abs(kept.standard_errors / anew.standard_errors - 1).max()
    drift = model._fitted.retained.curvature.drift
    assert off <= max(drift * np.sqrt(31 / 40_000), 1e-9)
    assert (drift > 1e-4) == any("right to better than about" in note for note in kept.notes)


def test_a_fitted_estimator_with_its_curvature_can_be_pickled():
    model = GaussianMLERegressor().fit(X, REAL)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.standard_errors(), model.standard_errors())
    assert len(pickle.dumps(model)) < 10_000


def test_intervals_of_means_as_statsmodels():
    new = X[:9] * 1.1
    B = sm.add_constant(new.to_numpy(), has_constant="add")
    ols = sm.OLS(REAL, A).fit()
    found = mean_interval(infer(GaussianMLERegressor().fit(X, REAL)), new)
    np.testing.assert_allclose(found, ols.get_prediction(B).conf_int(), rtol=1e-8)
    robust = mean_interval(infer(GaussianMLERegressor().fit(X, REAL), X, REAL, covariance="HC3"), new)
    expected = sm.OLS(REAL, A).fit(cov_type="HC3", use_t=True).get_prediction(B).conf_int()
    np.testing.assert_allclose(robust, expected, rtol=1e-8)
    glm = sm.GLM(COUNTS, A, family=sm.families.Poisson()).fit(tol=1e-14)
    frame = glm.get_prediction(B).summary_frame()
    found = mean_interval(infer(MLERegressor("poisson").fit(X, COUNTS)), new)
    np.testing.assert_allclose(found, frame[["mean_ci_lower", "mean_ci_upper"]], rtol=1e-8)
    logit = sm.GLM(BINARY, A, family=sm.families.Binomial()).fit(tol=1e-14).get_prediction(B).summary_frame()
    found = probability_interval(infer(MLELogisticClassifier().fit(X, BINARY)), new)
    np.testing.assert_allclose(found[:, 1], logit[["mean_ci_lower", "mean_ci_upper"]], rtol=1e-7)
    np.testing.assert_allclose(found[:, 0], 1 - found[:, 1, ::-1], rtol=1e-9)


def test_intervals_of_class_probabilities_by_the_delta_method():
    model = MLELogisticClassifier().fit(X, CLASSES)
    result = infer(model)
    row = X[:1].to_numpy()[0]
    found = probability_interval(result, X[:1])[0]
    for k in range(3):

        def logit(theta, k=k):
            eta = theta.reshape(3, 4) @ np.append(1, row)
            p = np.exp(eta - eta.max())
            p /= p.sum()
            return np.log(p[k] / (1 - p[k]))

        expected = 1 / (1 + np.exp(-result.delta_method(logit).confidence_interval()))
        np.testing.assert_allclose(found[k], expected, rtol=1e-6)


def test_a_mean_that_depends_on_the_scale_takes_both_errors():
    y = np.exp(0.2 * REAL)
    model = MLERegressor("lognormal").fit(X, y)
    result = infer(model)
    row = np.append(1, X[:1].to_numpy()[0])
    log_mean = result.delta_method(lambda theta: row @ theta[:4] + 0.5 * np.exp(2 * theta[4]))
    np.testing.assert_allclose(mean_interval(result, X[:1])[0], np.exp(log_mean.confidence_interval()), rtol=1e-6)


def test_means_outside_of_what_is_determined_are_nan():
    twice = X.assign(again=2 * X["one"])
    with pytest.warns(RankDeficiencyWarning):
        result = infer(GaussianMLERegressor().fit(twice, REAL))
    inside, outside = twice[:2], twice[:2].assign(again=0.3)
    full = mean_interval(infer(GaussianMLERegressor().fit(X, REAL)), X[:2])
    np.testing.assert_allclose(mean_interval(result, inside), full, rtol=1e-7)
    assert np.isnan(mean_interval(result, outside)).all()


def test_wrong_kind_of_interval():
    with pytest.raises(ValueError, match="classifier has probability_interval"):
        mean_interval(infer(MLELogisticClassifier().fit(X, BINARY)), X)
    with pytest.raises(ValueError, match="regressor has mean_interval"):
        probability_interval(infer(GaussianMLERegressor().fit(X, REAL)), X)


def test_prediction_intervals_of_least_squares_are_exact():
    new = X[:7] * 1.3
    model = GaussianMLERegressor().fit(X, REAL)
    found = model.predict_interval(new, 0.8, include_parameter_uncertainty=True)
    B = sm.add_constant(new.to_numpy(), has_constant="add")
    expected = sm.OLS(REAL, A).fit().get_prediction(B).conf_int(obs=True, alpha=0.2)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    known = GaussianMLERegressor(scale=2.0).fit(X, REAL)
    found = known.predict_interval(new, 0.8, include_parameter_uncertainty=True)
    half = stats.norm.ppf(0.9) * 2 * np.sqrt(1 + np.einsum("ij,jk,ik->i", B, np.linalg.inv(A.T @ A), B))
    np.testing.assert_allclose(found, known.predict(new)[:, None] + np.outer(half, [-1, 1]), rtol=1e-8)


SMOOTH = [name for name in likelihood_names() if name not in ("laplace", "asymmetric_laplace", "binomial", "beta")]


@pytest.mark.parametrize("name", SMOOTH)
def test_parameter_uncertainty_widens_every_prediction_interval(name):
    y = COUNTS if name in ("poisson", "negative_binomial", "tweedie") else np.exp(0.2 * REAL) / 10
    model = MLERegressor(name).fit(X, y)
    narrow, wide = (model.predict_interval(X[:5], include_parameter_uncertainty=flag) for flag in (False, True))
    assert (wide[:, 0] <= narrow[:, 0] + 1e-9).all() and (wide[:, 1] >= narrow[:, 1] - 1e-9).all()
    assert (wide - narrow).max() <= 0.5 * np.ptp(narrow, axis=1).max() + 1
    means = mean_interval(infer(model), X[:5])
    mean = model.predict(X[:5])
    assert (means[:, 0] < mean).all() and (mean < means[:, 1]).all()


def test_many_copies_leave_nothing_uncertain():
    model = MLERegressor("negative_binomial").fit(X, COUNTS, np.full(N, 1e8))
    certain = model.predict_interval(X[:20], include_parameter_uncertainty=True)
    np.testing.assert_array_equal(certain, model.predict_interval(X[:20]))


def test_ratios_of_trials_and_of_rates():
    """exp(cbind(coef(g), confint.default(g))), of these two:

    g <- glm(cbind(c(3, 5, 6, 9), c(7, 5, 4, 1)) ~ x, binomial), x <- 0:3
    g <- glm(c(1, 3, 1, 4, 9, 2, 17, 8) ~ x, poisson), x <- 0:7
    """
    rows, counts = np.arange(4.0)[:, None], np.array([[3.0, 7], [5, 5], [6, 4], [9, 1]])
    trials = MLERegressor("binomial").fit(rows, counts)
    found = trials.summary(odds_ratios=True)
    np.testing.assert_allclose(found["odds ratio"], [0.389367412748, 2.403903109595], rtol=1e-8)
    np.testing.assert_allclose(found["lower"], [0.124326491429, 1.225714020042], rtol=1e-8)
    np.testing.assert_allclose(found["upper"], [1.21942620891, 4.71459905478], rtol=1e-8)
    np.testing.assert_array_equal(found["p"], trials.summary()["p"])
    rows, y = np.arange(8.0)[:, None], np.array([1.0, 3, 1, 4, 9, 2, 17, 8])
    rates = MLERegressor("poisson").fit(rows, y)
    found = rates.summary(rate_ratios=True)
    np.testing.assert_allclose(found["rate ratio"], [1.62688901160, 1.34026476497], rtol=1e-8)
    np.testing.assert_allclose(found["lower"], [0.753069649513, 1.159219150449], rtol=1e-8)
    np.testing.assert_array_equal(infer(rates).summary(rate_ratios=True)["lower"], found["lower"])
    # The dispersion is no ratio of means.
    gamma = MLERegressor("gamma").fit(rows, y)
    assert len(gamma.summary()) == 3 and len(gamma.summary(rate_ratios=True)) == 2
    for model, ratios in ((rates, "odds_ratios"), (trials, "rate_ratios"), (gamma, "odds_ratios")):
        with pytest.raises(NotSupportedError, match=ratios):
            model.summary(**{ratios: True})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["poisson", "negative_binomial"])
def test_intervals_of_counts_far_outside_the_data(name):
    """Means of 1e30 and beyond the floats: the search ends, and the interval is wider than that of known parameters."""
    X = np.arange(12.0)[:, None]
    y = np.array([1, 3, 2, 5, 4, 6, 5, 8, 17, 9, 18, 11.0])
    model = MLERegressor(name).fit(X, y)
    slope, intercept = model.coef_[0], model.intercept_
    far = (np.array([5.0, 69.0, 1e3, -1e3]) - intercept)[:, None] / slope
    known, uncertain = (model.predict_interval(far, include_parameter_uncertainty=flag) for flag in (False, True))
    assert not np.isnan(uncertain).any()
    assert (uncertain[:, 0] <= known[:, 0]).all()
    assert (uncertain[:, 1] >= known[:, 1]).all()
    assert np.isfinite(uncertain[:2]).all()
    assert uncertain[1, 0] > 0
    np.testing.assert_array_equal(known[2:], [[np.inf, np.inf], [0, 0]])


@pytest.mark.parametrize(("likelihood", "outcomes"), [("beta", (5.7, 0.3)), ("tweedie", (6.0, 0.5))])
def test_intervals_of_new_outcomes_stay_in_their_range(likelihood, outcomes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, 1))
    y = rng.beta(*outcomes, 8).clip(0.02, 0.999) if likelihood == "beta" else rng.gamma(*outcomes, 8)
    model, new = MLERegressor(likelihood).fit(X, y), np.linspace(-5, 5, 21)[:, None]
    wide = model.predict_interval(new, include_parameter_uncertainty=True)
    narrow = model.predict_interval(new)
    least, largest = model._fitted.likelihood.support
    assert least <= wide.min()
    assert wide.max() <= largest
    # To the rounding of the median, from which the ends are moved away.
    rounding = 1e-14 * np.maximum(model.predict_quantile(new, 0.5), 1.0)
    assert ((wide[:, 0] <= narrow[:, 0] + rounding) & (narrow[:, 1] <= wide[:, 1] + rounding)).all()
