"""Profile-likelihood intervals: R's published ones, refits with the parameter held, infinite ends, Firth's."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle._numerics.factors import CholeskyFactor
from sklearn_mle.exceptions import ConvergenceWarning, RankDeficiencyWarning, UnboundedLikelihoodWarning
from sklearn_mle.inference import ProfileLikelihood, infer, mean_interval, profile_interval
from sklearn_mle.inference.profile_path import ProfilePath
from tests.inference.r_data import HP_WT, MPG

HALF = 0.5 * chi2.ppf(0.95, 1)


def noise(n, p, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


def binary(n=80):
    X = noise(n, 2)
    return X, (X[:, 0] + noise(n, 1, 1)[:, 0] * 2 > 0).astype(int)


def test_r_confint_of_the_dobson_poisson_model():
    """R's example of glm, and confint of it (which interpolates a spline)."""
    counts = np.array([18.0, 17, 15, 20, 10, 20, 25, 13, 12])
    outcome, treatment = np.tile([1, 2, 3], 3), np.repeat([1, 2, 3], 3)
    X = np.column_stack([outcome == 2, outcome == 3, treatment == 2, treatment == 3]).astype(float)
    model = MLERegressor("poisson").fit(X, counts)
    found = [profile.interval for profile in profile_interval(model, X, counts)]
    expected = [
        (2.6958215, 3.36655581),
        (-0.8577018, -0.06255840),
        (-0.6753696, 0.08244089),
        (-0.3932548, 0.39325483),
        (-0.3932548, 0.39325483),
    ]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("confidence_level", [0.5, 0.95, 0.999])
def test_at_the_ends_a_refit_with_the_coefficient_held_has_lost_half_a_quantile(confidence_level):
    X, y = binary()
    model = MLELogisticClassifier().fit(X, y)
    found = profile_interval(model, X, y, "x0", confidence_level=confidence_level)
    assert found.lower < model.coef_[0, 0] < found.upper
    for end in found.interval:
        held = MLELogisticClassifier().fit(X[:, 1:], y, offset=end * X[:, 0])
        lost = model.log_likelihood_ - held.log_likelihood_
        assert lost == pytest.approx(0.5 * chi2.ppf(confidence_level, 1), abs=1e-9)
    assert found.threshold == pytest.approx(model.log_likelihood_ - 0.5 * chi2.ppf(confidence_level, 1), abs=1e-9)


@pytest.mark.parametrize("likelihood", ["poisson", "gamma", "negative_binomial", "student_t", "logistic", "weibull"])
def test_regressors(likelihood):
    generator = np.random.default_rng(3)
    X = noise(120, 2)
    y = generator.poisson(np.exp(1 + 0.3 * X[:, 0]) * generator.gamma(2.0, 0.5, 120)) + 1.0
    if likelihood not in ("poisson", "negative_binomial"):
        y = y + generator.random(120)
    model = MLERegressor(likelihood).fit(X, y)
    found = profile_interval(model, X, y, "x1")
    for end in found.interval:
        held = MLERegressor(likelihood).fit(X[:, :1], y, offset=end * X[:, 1])
        assert model.log_likelihood_ - held.log_likelihood_ == pytest.approx(HALF, abs=1e-6)


def test_gaussian_in_closed_form():
    X = noise(40, 2)
    y = X @ [1.0, -1.0] + noise(40, 1, 5)[:, 0]
    model = GaussianMLERegressor().fit(X, y)
    found = profile_interval(model, X, y, "x0", small_sample=False)
    A = np.column_stack([X, np.ones(40)])
    variance = np.linalg.inv(A.T @ A)[0, 0] * model.scale_**2
    half = np.sqrt(variance * 40 * np.expm1(2 * HALF / 40))
    np.testing.assert_allclose(found.interval, model.coef_[0] + half * np.array([-1, 1]), rtol=1e-8)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-6)
    assert found.threshold == pytest.approx(model.log_likelihood_ - HALF, abs=1e-9)


@pytest.mark.parametrize(
    ("confidence_level", "expected"),
    [
        (0.95, [(33.9573824522584573, 40.4971577806359164), (-0.0502407768710736, -0.0133051170932484)]),
        (0.9, [(34.5107270009474689, 39.9438132319469048), (-0.0471155707341585, -0.0164303232301635)]),
    ],
)
def test_of_least_squares_it_is_students_interval(confidence_level, expected):
    """R: confint(lm(mpg ~ hp + wt, mtcars)), and with level = 0.9."""
    model = GaussianMLERegressor().fit(HP_WT, MPG)
    found = profile_interval(model, HP_WT, MPG, [0, 1], confidence_level=confidence_level)
    # A crossing is found to 1e-10 standard errors or of itself (profile_path), half the interval's width at most.
    np.testing.assert_allclose([profile.interval for profile in found], expected, rtol=1e-9)
    table = model.summary(confidence_level)
    all_of_them = profile_interval(model, HP_WT, MPG, ["intercept", "x0", "x1"], confidence_level=confidence_level)
    for profile in all_of_them:
        row = table.loc[profile.parameter]
        np.testing.assert_allclose(profile.interval, (row["lower"], row["upper"]), rtol=1e-9)
    theirs = profile_interval(LinearRegression().fit(HP_WT, MPG), HP_WT, MPG, "x1", confidence_level=confidence_level)
    np.testing.assert_allclose(theirs.interval, all_of_them[2].interval, rtol=1e-9)


@pytest.mark.parametrize("confidence_level", [0.5, 0.95, 0.9999])
@pytest.mark.parametrize("n", [5, 21, 300])
def test_the_interval_of_a_gaussian_scale_is_exact(n, confidence_level):
    """n r = RSS / sigma^2 is chi-squared with n - k degrees of freedom, and both ends have the same likelihood."""
    X = noise(n, 2)
    y = X @ [1.0, -1.0] + noise(n, 1, 5)[:, 0]
    model = GaussianMLERegressor().fit(X, y)
    found = profile_interval(model, X, y, "log_scale", confidence_level=confidence_level)
    r = (model.scale_ / np.exp([found.upper, found.lower])) ** 2
    mass = np.diff(chi2.cdf(n * r, n - 3))[0]
    assert mass == pytest.approx(confidence_level, abs=1e-8)
    lost = 0.5 * n * (r - 1 - np.log(r))
    np.testing.assert_allclose(lost, found.drop, rtol=1e-7)


def test_of_copies_it_is_that_of_repeated_rows():
    copies = np.arange(32) % 3
    rows = np.repeat(np.arange(32), copies)
    model = GaussianMLERegressor().fit(HP_WT, MPG, sample_weight=copies)
    weighted = profile_interval(model, HP_WT, MPG, sample_weight=copies)
    model = GaussianMLERegressor().fit(HP_WT[rows], MPG[rows])
    repeated = profile_interval(model, HP_WT[rows], MPG[rows])
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one.interval, other.interval, rtol=1e-7)


def test_a_log_linear_scale_has_profiles_too():
    X = noise(100, 1)
    y = X[:, 0] + noise(100, 1, 6)[:, 0] * np.exp(0.4 * X[:, 0])
    model = GaussianMLERegressor(scale="log_linear").fit(X, y)
    found = profile_interval(model, X, y, "log_scale: x0")
    assert found.lower < model.scale_coef_[0] < found.upper
    assert found.upper - found.lower == pytest.approx(2 * 1.96 * found.standard_error, rel=0.1)


def test_several_classes_against_a_brute_refit():
    X = noise(90, 2)
    y = (X[:, :1] * [0.5, -0.5, 0.0] + np.random.default_rng(1).gumbel(size=(90, 3))).argmax(axis=1)
    model = MLELogisticClassifier().fit(X, y)
    found = profile_interval(model, X, y, "1: x0")

    def nll(free, held):
        # Coefficients of class 1 against x0 are held; those of the others sum with it to zero.
        coef = np.array([[-held / 2 + free[0], free[1]], [held, free[2]], [-held / 2 - free[0], -free[1] - free[2]]])
        eta = X @ coef.T + np.array([free[3], free[4], 0.0])
        return np.log(np.exp(eta).sum(axis=1)).sum() - eta[np.arange(90), y].sum()

    for end in found.interval:
        best = minimize(nll, np.zeros(5), args=(end,), method="BFGS", options={"gtol": 1e-8}).fun
        assert best + model.log_likelihood_ == pytest.approx(HALF, abs=1e-7)


def penalized(X, y, theta):
    A = np.column_stack([X, np.ones(len(X))])
    eta = A @ theta
    v = 1 / (2 + np.exp(eta) + np.exp(-eta))
    return (y * eta - np.logaddexp(0, eta)).sum() + 0.5 * np.linalg.slogdet(A.T @ (A * v[:, None]))[1]


@pytest.mark.parametrize("separated", [False, True])
def test_firth_profiles_the_penalized_likelihood(separated):
    X, y = binary(30)
    y = (X[:, 0] > 0).astype(int) if separated else y
    model = MLELogisticClassifier(bias_reduction="firth").fit(X, y)
    found = profile_interval(model, X, y, "x0")
    top = penalized(X, y, np.append(model.coef_[0], model.intercept_))
    assert np.isfinite(found.interval).all()
    others = np.array([model.coef_[0, 1], model.intercept_[0]])
    for end in found.interval:

        def lost(free, end=end):
            return top - penalized(X, y, np.array([end, *free]))

        starts = [np.zeros(2), others, others * end / model.coef_[0, 0]]
        best = min(minimize(lost, start, method="Nelder-Mead", tol=1e-12).fun for start in starts)
        assert best == pytest.approx(HALF, abs=1e-7)


def test_the_end_to_which_a_coefficient_runs_away_is_infinite():
    X, y = binary(60)
    X[:, 1] = np.arange(60) < 8
    y[:8] = 1
    model = MLELogisticClassifier(on_separation="ignore").fit(X, y)
    away, stays = profile_interval(model, X, y, ["x1", "x0"])
    assert away.estimate == away.upper == np.inf
    assert np.isfinite(away.lower)
    assert np.isnan(away.standard_error)
    # At the lower end the others are free, and the limit is the fit without those rows.
    limit = MLELogisticClassifier().fit(X[8:, :1], y[8:])
    held = MLELogisticClassifier().fit(X[:, :1], y, offset=away.lower * X[:, 1])
    assert limit.log_likelihood_ - held.log_likelihood_ == pytest.approx(HALF, abs=1e-8)
    assert away.maximum == pytest.approx(limit.log_likelihood_, abs=1e-9)
    alone = profile_interval(limit, X[8:, :1], y[8:], "x0")
    np.testing.assert_allclose(stays.interval, alone.interval, atol=1e-7)
    assert stays.estimate == pytest.approx(limit.coef_[0, 0], abs=1e-7)
    assert stays.standard_error == pytest.approx(alone.standard_error, rel=1e-6)


def test_a_coefficient_that_may_go_either_way_has_no_interval():
    X = noise(40, 2)
    y = (X[:, 0] > 0).astype(int)
    found = profile_interval(MLELogisticClassifier(on_separation="ignore").fit(X, y), X, y, "x1")
    assert found.interval == (-np.inf, np.inf)
    assert np.isnan(found.estimate)


def test_a_profile_has_a_maximum_to_begin_from():
    """Of several maxima another one may be found from the estimate."""

    class Bowl:
        value_and_gradient = staticmethod(lambda theta: (10 + 0.5 * float(theta @ theta), theta))
        factor = staticmethod(lambda theta: CholeskyFactor(np.eye(2)))

    path = ProfilePath(Bowl, np.eye(2)[:1])
    with pytest.raises(ValueError, match="several maxima, or hardly depends"):
        path.crossing(1, HALF, np.zeros(2), 0.0, 1.0)
    assert path.crossing(1, HALF, np.zeros(2), 10.0, 1.0)[0] == pytest.approx(np.sqrt(2 * HALF))


def test_a_point_that_nothing_minimized_is_no_number():
    """A bowl that loses its curvature where the constraint leads: the way there goes up, and none leads down."""

    class Bowl:
        value_and_gradient = staticmethod(lambda theta: (float(theta @ theta + theta.prod()), 2 * theta + theta[::-1]))
        factor = staticmethod(lambda theta: CholeskyFactor((2.0 if abs(theta[0]) < 1 else 1e-200) * np.eye(2)))

    point = ProfilePath(Bowl, np.eye(2)[:1]).at(np.array([3.0]), np.zeros(2))
    assert np.isnan(point.value)


FIVE = np.array([[0.13, -0.13], [0.64, 0.1], [-0.54, 0.36], [1.3, 0.95], [-0.7, -1.27]])


def test_where_rows_are_separated_far_points_are_no_ends():
    model = MLERegressor("binomial", on_separation="ignore").fit(FIVE, [1, 1, 0, 1, 0])
    for profile in profile_interval(model, FIVE, [1, 1, 0, 1, 0]):
        assert profile.interval[1] == np.inf
        inside = (profile.grid > profile.lower) & ~np.isnan(profile.log_likelihood)
        assert (profile.log_likelihood[inside] >= profile.threshold - 1e-6).all()


def test_an_unbounded_likelihood_has_no_profile():
    with pytest.warns(UnboundedLikelihoodWarning):
        model = MLERegressor("gamma", predictors="linear").fit(FIVE, [0.54, 1.77, 2.37, 1.02, 1.36])
    with pytest.warns(ConvergenceWarning), pytest.raises(ValueError, match="the likelihood is unbounded"):
        profile_interval(model, FIVE, [0.54, 1.77, 2.37, 1.02, 1.36], "log_shape: intercept")


def test_a_mixture_s_profile_is_followed_from_the_estimate():
    """A far first step finds another maximum over the other parameters, whose crossing is nearer than the profile's."""
    y = [-1.68, 0.76, 0.41, 3.45, 2.07]
    model = MLERegressor("gaussian_mixture").fit(FIVE, y)
    profile = profile_interval(model, FIVE, y, "intercept")
    inside = (profile.grid > profile.lower) & (profile.grid < profile.upper)
    assert (profile.log_likelihood[inside] >= profile.threshold).all()
    ends = profile.log_likelihood[np.isin(profile.grid, profile.interval)]
    np.testing.assert_allclose(ends, profile.threshold, atol=1e-9)


def test_a_profile_above_the_estimate_says_so():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 1)), rng.normal(size=9)
    model = MLERegressor("student_t", predictors="linear").fit(X, y)
    with pytest.warns(ConvergenceWarning, match="rises 0.17 nats above the estimate"):
        profile = profile_interval(model, X, y, "location: x0")
    assert profile.log_likelihood.max() - profile.maximum == pytest.approx(0.17, abs=0.01)


def test_ends_that_cannot_be_followed_are_nan_with_a_warning():
    y = [4, 2, 2, 2, 0]
    model = MLERegressor("negative_binomial", predictors="linear", on_separation="ignore").fit(FIVE, y)
    with pytest.warns(ConvergenceWarning, match="'log_mean: x0' could not be followed"):
        profile = profile_interval(model, FIVE, y, "log_mean: x0")
    assert np.isfinite(profile.lower)
    assert np.isnan(profile.upper)


def test_the_curve_is_the_profile():
    X, y = binary()
    model = MLELogisticClassifier().fit(X, y)
    found = profile_interval(model, X, y, "x0", n_points=11)
    assert (np.diff(found.grid) > 0).all()
    for b in (found.estimate, *found.interval):
        assert np.abs(found.grid - b).min() < 1e-8
    assert found.log_likelihood.max() == found.maximum
    k = len(found.grid) // 3
    held = MLELogisticClassifier().fit(X[:, 1:], y, offset=found.grid[k] * X[:, 0])
    assert found.log_likelihood[k] == pytest.approx(held.log_likelihood_, abs=1e-9)
    assert found.wald(found.estimate) == found.maximum
    assert found.wald(found.estimate + found.standard_error) == pytest.approx(found.maximum - 0.5)
    assert "x0: estimate" in repr(found) and "95% interval" in repr(found)


def test_weights_are_copies_and_offsets_are_kept():
    X, y = binary()
    weight = np.random.default_rng(0).integers(0, 3, 80)
    offset = noise(80, 1, 9)[:, 0]
    weighted = MLELogisticClassifier().fit(X, y, sample_weight=weight, offset=offset)
    repeat = [np.repeat(a, weight, axis=0) for a in (X, y, offset)]
    repeated = MLELogisticClassifier().fit(*repeat[:2], offset=repeat[2])
    one = profile_interval(weighted, X, y, "intercept", sample_weight=weight, offset=offset)
    other = profile_interval(repeated, *repeat[:2], "intercept", offset=repeat[2])
    np.testing.assert_allclose(one.interval, other.interval, atol=1e-9)
    assert one.maximum == pytest.approx(other.maximum, abs=1e-8)


def test_units_of_the_columns_scale_the_interval():
    X, y = binary()
    factors = np.array([1e-6, 1e6])
    plain = profile_interval(MLELogisticClassifier().fit(X, y), X, y, "x0")
    scaled = profile_interval(MLELogisticClassifier().fit(X * factors + 3, y), X * factors + 3, y, "x0")
    np.testing.assert_allclose(np.array(scaled.interval) * 1e-6, plain.interval, rtol=1e-7)


@pytest.mark.parametrize("likelihood", ["gaussian", "gumbel"])
def test_the_unit_of_y_scales_the_interval(likelihood):
    # At 1e-12 it was right to four digits, at 1e-20 infinite.
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 2))
    y = X @ [1.0, 2.0] + rng.normal(size=80) + 3
    found = []
    for unit in (1, 1e-12, 1e-20, 1e12):
        model = MLERegressor(likelihood).fit(X, unit * y)
        profile = profile_interval(model, X, unit * y, "x0")
        of_mean = mean_interval(infer(model), X[:3]) / unit
        of_new = model.predict_interval(X[:3], include_parameter_uncertainty=True) / unit
        found.append(np.concatenate([[profile.lower / unit, profile.upper / unit], of_mean.ravel(), of_new.ravel()]))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-7)


def test_what_dependent_columns_leave_open_has_no_interval_and_the_rest_has():
    X, y = binary()
    doubled = np.column_stack([X, X[:, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficiencyWarning)
        model = MLELogisticClassifier().fit(doubled, y)
    first, second = profile_interval(model, doubled, y, ["x0", "x1"])
    np.testing.assert_allclose(
        first.interval, profile_interval(MLELogisticClassifier().fit(X, y), X, y, "x0").interval, atol=1e-8
    )
    assert second.interval == (-np.inf, np.inf) and np.isnan(second.standard_error)


def test_pipelines_and_scikit_learn_are_read():
    X, y = binary()
    piped = make_pipeline(StandardScaler(), MLELogisticClassifier()).fit(X, y)
    inside = profile_interval(piped, X, y, "x0")
    plain = profile_interval(MLELogisticClassifier().fit(X, y), X, y, "x0")
    np.testing.assert_allclose(np.array(inside.interval) / X.std(axis=0)[0], plain.interval, rtol=1e-7)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    assert profile_interval(theirs, X, y, 1).interval == pytest.approx(plain.interval, abs=1e-6)


def test_one_parameter_gives_one_profile_and_several_a_list():
    X, y = binary()
    model = MLELogisticClassifier().fit(X, y)
    assert isinstance(profile_interval(model, X, y, 0), ProfileLikelihood)
    assert [each.parameter for each in profile_interval(model, X, y)] == ["intercept", "x0", "x1"]
    assert profile_interval(model, X, y, -1).parameter == "x1"


@pytest.mark.parametrize(
    ("estimator", "parameter", "options", "message"),
    [
        (MLELogisticClassifier(C=1.0), "x0", {}, "maximum of the likelihood"),
        (MLELogisticClassifier(class_weight="balanced"), "x0", {}, "maximum of the likelihood"),
        (MLELogisticClassifier(), "age", {}, "none of"),
        (MLELogisticClassifier(), 7, {}, "none of"),
        (MLELogisticClassifier(), "x0", {"confidence_level": 95}, "between 0 and 1"),
        (MLERegressor("laplace"), "x0", {}, "kinks"),
    ],
)
def test_what_is_refused(estimator, parameter, options, message):
    X, y = binary()
    with pytest.raises(ValueError, match=message):
        profile_interval(estimator.fit(X, y + 0), X, y, parameter, **options)


class OfOneParameter:
    """F of a single parameter, of its shape in nats and two derivatives."""

    def __init__(self, function):
        self.function = function

    def value_and_gradient(self, theta):
        value, slope, _ = self.function(float(theta[0]))
        return value, np.array([slope])

    def factor(self, theta):
        return CholeskyFactor(np.array([[max(self.function(float(theta[0]))[2], 1.0)]]))


def two_maxima(t):
    """A parabola about the estimate, and a narrower one about 5 that is five nats lower."""
    return (t**2 / 2, t, 1.0) if t < 3 else (2 * (t - 5) ** 2 - 5, 4 * (t - 5), 4.0)


def none_beyond_one(t):
    return (t**2 / 2, t, 1.0) if t < 1 else (np.inf, np.nan, np.nan)


@pytest.mark.parametrize("standard_error", [0.3, 0.6, 1.0])
def test_a_step_to_another_maximum_is_taken_back(standard_error):
    path = ProfilePath(OfOneParameter(two_maxima), np.ones((1, 1)))
    distance, _ = path.crossing(1, 1.92, np.zeros(1), 0.0, standard_error)
    assert distance == pytest.approx(np.sqrt(2 * 1.92), rel=1e-9)


def test_a_point_off_the_constraint_is_none_of_the_profile():
    path = ProfilePath(OfOneParameter(none_beyond_one), np.ones((1, 1)))
    assert path.at(np.array([0.9]), np.zeros(1)).value == pytest.approx(0.405)
    assert np.isnan(path.at(np.array([1.5]), np.zeros(1)).value)
    assert np.isnan(path.crossing(1, 1.92, np.zeros(1), 0.0, 1.0)[0])
