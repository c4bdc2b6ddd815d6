"""Residuals: their squares are the totals that the library reports, and quantile residuals are standard normal."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import infer, influence, residuals
from sklearn_mle.likelihoods import StudentT

RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 2))
MEAN = np.exp(1 + X @ [0.4, -0.2])
OUTCOMES = {
    "gaussian": 3 + X @ [1.0, 2.0] + 2 * RNG.normal(size=300),
    "poisson": RNG.poisson(MEAN).astype(float),
    "gamma": RNG.gamma(3.0, MEAN / 3),
    "inverse_gaussian": RNG.wald(MEAN, 5.0),
    "tweedie": np.array([RNG.gamma(2, 1, k).sum() for k in RNG.poisson(MEAN / 2)]),
    "negative_binomial": RNG.poisson(MEAN * RNG.gamma(2, 0.5, 300)).astype(float),
    "lognormal": np.exp(X @ [1.0, 0.5] + RNG.normal(size=300)),
    "student_t": X @ [1.0, 2.0] + RNG.standard_t(4, size=300),
    "weibull": MEAN * RNG.weibull(1.5, 300),
    "beta": RNG.beta(2 * MEAN / (1 + MEAN), 2 / (1 + MEAN)),
    "laplace": X @ [1.0, 2.0] + RNG.laplace(size=300),
}


@pytest.mark.parametrize("likelihood", OUTCOMES)
def test_their_squares_sum_to_the_deviance_and_quantiles_are_normal(likelihood):
    y = OUTCOMES[likelihood]
    model = MLERegressor(likelihood).fit(X, y)
    found = residuals(model, X, y)
    assert np.square(found).sum() == pytest.approx(model.deviance(X, y), rel=1e-9)
    quantiles = residuals(model, X, y, kind="quantile")
    np.testing.assert_array_equal(quantiles, residuals(model, X, y, kind="quantile"))
    # Fitted parameters make them a little more regular than a sample of the normal distribution.
    assert stats.kstest(quantiles, "norm").pvalue > 0.01
    response = residuals(model, X, y, kind="response")
    np.testing.assert_allclose(response, y - model.predict(X), rtol=1e-10, atol=1e-12 * np.abs(y).max())


@pytest.mark.parametrize("likelihood", ["gaussian", "poisson", "gamma", "inverse_gaussian", "tweedie"])
def test_pearsons_give_his_dispersion(likelihood):
    y = OUTCOMES[likelihood]
    model = MLERegressor(likelihood).fit(X, y)
    total = np.square(residuals(model, X, y, kind="pearson")).sum() / model.df_resid_
    ratio = (
        infer(model, X, y, dispersion="pearson").covariance[0, 0]
        / infer(model, X, y, covariance="expected", small_sample=False).covariance[0, 0]
    )
    unit = influence(model, X, y).noise ** 2
    assert total == pytest.approx(ratio * unit, rel=1e-9)


def test_quantile_residuals_of_continuous_outcomes_are_those_of_the_distribution():
    y = OUTCOMES["gamma"]
    model = MLERegressor("gamma").fit(X, y)
    wanted = stats.norm.ppf(model.predict_distribution(X).cdf(y))
    np.testing.assert_allclose(residuals(model, X, y, kind="quantile"), wanted, rtol=1e-9, atol=1e-9)
    # Far out on either side no digit is lost to 1 - p.
    gaussian = GaussianMLERegressor(scale=1.0).fit(X, OUTCOMES["gaussian"])
    far = gaussian.predict(X) + np.where(np.arange(300) % 2, 30.0, -30.0)
    found = residuals(gaussian, X, far, kind="quantile")
    np.testing.assert_allclose(found, far - gaussian.predict(X), rtol=1e-10)


def test_quantile_residuals_of_counts_are_drawn_within_their_probability():
    y = OUTCOMES["poisson"]
    model = MLERegressor("poisson").fit(X, y)
    law = stats.poisson(model.predict(X))
    seen = set()
    for seed in range(3):
        level = stats.norm.cdf(residuals(model, X, y, kind="quantile", random_state=seed))
        assert (law.cdf(y - 1) <= level + 1e-12).all() and (level <= law.cdf(y) + 1e-12).all()
        seen.add(level[0])
    assert len(seen) == 3


def test_two_classes_and_counts_of_trials():
    labels = np.where(RNG.uniform(size=300) < 1 / (1 + np.exp(-X[:, 0])), "yes", "no")
    model = MLELogisticClassifier().fit(X, labels)
    probability = model.predict_proba(X)[:, 1]
    happened = (labels == "yes").astype(float)
    np.testing.assert_allclose(residuals(model, X, labels, kind="response"), happened - probability, atol=1e-12)
    pearson = (happened - probability) / np.sqrt(probability * (1 - probability))
    np.testing.assert_allclose(residuals(model, X, labels, kind="pearson"), pearson, rtol=1e-9)
    assert np.square(residuals(model, X, labels)).sum() == pytest.approx(-2 * model.log_likelihood_)
    assert stats.kstest(residuals(model, X, labels, kind="quantile"), "norm").pvalue > 0.01
    trials = RNG.integers(1, 9, 300)
    successes = RNG.binomial(trials, probability)
    counts = np.column_stack([successes, trials - successes])
    binomial = MLERegressor("binomial").fit(X, counts)
    law = stats.binom(trials, binomial.predict(X))
    level = stats.norm.cdf(residuals(binomial, X, counts, kind="quantile"))
    assert (law.cdf(successes - 1) <= level + 1e-12).all() and (level <= law.cdf(successes) + 1e-12).all()
    assert np.square(residuals(binomial, X, counts)).sum() == pytest.approx(binomial.deviance(X, counts))


def test_precisions_divide_the_variance_and_other_weights_change_nothing():
    y, weight = OUTCOMES["gaussian"], RNG.uniform(0.5, 3, 300)
    precise = GaussianMLERegressor(weight_type="precision").fit(X, y, weight)
    np.testing.assert_allclose(
        residuals(precise, X, y, sample_weight=weight), np.sqrt(weight) * (y - precise.predict(X)), rtol=1e-10
    )
    counted = GaussianMLERegressor().fit(X, y, weight)
    np.testing.assert_allclose(residuals(counted, X, y, sample_weight=weight), y - counted.predict(X), rtol=1e-9)


# R: m <- glm(y ~ x + offset(e), poisson, weights = w); m <- glm(cbind(y, n - y) ~ x + offset(e), binomial, weights =
# w); residuals(m), residuals(m, "pearson"), rstandard(m), rstandard(m, type = "pearson"), rstudent(m).
PRECISIONS = np.array([1, 4, 0.5, 2, 1, 3, 1, 0.25])
EXPOSURES = np.array([0, 0.1, -0.2, 0, 0.3, 0, 0, 0])
OF_R = {
    "poisson": (
        [1, 2, 1, 4, 7, 9, 3, 0],
        {
            "deviance": "-0.575472386 -0.54512432 -0.6850299505 0.2700348625 0.2651819116 1.9420243289 -1.9646276023"
            " -2.2422149636",
            "pearson": "-0.5312379536 -0.5289298567 -0.6074136543 0.2745085145 0.2698035097 2.0846456837"
            " -1.7172309077 -1.5854854056",
            "standardized": "-0.6290638556 -0.8570488313 -0.7001789155 0.2954788196 0.2820710531 2.5914261709"
            " -2.36996427 -2.4559039941",
            "standardized_pearson": "-0.5807100453 -0.8315877661 -0.6208461884 0.3003740002 0.2869869957 2.7817392921"
            " -2.0715253567 -1.7365863681",
            "studentized": "-0.621432909 -0.841980964 -0.6969682025 0.2962911447 0.2826465073 2.6765246789"
            " -2.2808105859 -2.351488079",
        },
    ),
    "binomial": (
        [[1, 2], [2, 2], [1, 1], [4, 1], [3, 4], [5, 4], [3, 0], [0, 1]],
        {
            "deviance": "-0.4464225693 -0.1155518075 0.062407152 1.6710297532 -1.180799734 -0.524548784 1.656748467"
            " -0.7341446918",
            "pearson": "-0.4408375414 -0.1155759191 0.0624679649 1.6013070175 -1.2150254671 -0.5278923885 1.3191703685"
            " -0.6961699719",
            "standardized": "-0.4995351573 -0.1982291787 0.0631711209 1.8222423741 -1.2509182993 -0.9584803998"
            " 1.7753380011 -0.740367886",
            "standardized_pearson": "-0.4932856575 -0.1982705421 0.0632326783 1.7462103805 -1.287176434 -0.9645899924"
            " 1.4135961685 -0.7020712622",
            "studentized": "-0.4982831648 -0.198256488 0.0631726015 1.810361004 -1.2549200366 -0.9627642008"
            " 1.7328759763 -0.7397431013",
        },
    ),
}


@pytest.mark.parametrize("family", OF_R)
def test_precisions_divide_the_variance_where_there_is_no_dispersion(family):
    y, wanted = np.array(OF_R[family][0]), OF_R[family][1]
    columns, given = np.arange(8.0)[:, None], {"sample_weight": PRECISIONS, "offset": EXPOSURES}
    model = MLERegressor(family, weight_type="precision").fit(columns, y, **given)
    for kind, values in wanted.items():
        # R's numbers have ten decimals, and the fits stop within 1e-8 nats or so.
        ours = residuals(model, columns, y, kind=kind, **given)
        np.testing.assert_allclose(ours, np.array(values.split(), dtype=float), rtol=1e-7, atol=1e-8, err_msg=kind)
    squares = np.square(residuals(model, columns, y, **given)).sum()
    assert squares == pytest.approx(model.deviance(columns, y, **given))
    copies = MLERegressor(family).fit(columns, y, **given)
    np.testing.assert_allclose(
        residuals(copies, columns, y, **given) * np.sqrt(PRECISIONS),
        residuals(model, columns, y, **given),
        rtol=1e-10,
    )


def test_where_the_scale_is_modelled_they_are_at_each_rows_own():
    y = X @ [1.0, 2.0] + np.exp(X[:, 0]) * RNG.normal(size=300)
    model = GaussianMLERegressor(scale="log_linear").fit(X, y)
    mean, scale = model.predict(X, return_std=True)
    for kind in ("pearson", "deviance", "quantile"):
        np.testing.assert_allclose(residuals(model, X, y, kind=kind), (y - mean) / scale, rtol=1e-8)
    with pytest.raises(NotSupportedError, match="several that depend on columns"):
        residuals(model, X, y, kind="studentized")


def test_other_rows_than_those_of_the_fit_and_other_estimators():
    y = OUTCOMES["poisson"]
    ours = MLERegressor("poisson").fit(X[:200], y[:200])
    theirs = make_pipeline(StandardScaler(), PoissonRegressor(alpha=0, tol=1e-10)).fit(X[:200], y[:200])
    for kind in ("response", "pearson", "deviance", "quantile"):
        mine = residuals(ours, X[200:], y[200:], kind=kind)
        np.testing.assert_allclose(residuals(theirs, X[200:], y[200:], kind=kind), mine, rtol=1e-4, atol=1e-5)
    for kind in ("standardized", "studentized"):
        attribute = f"{kind}_residual"
        np.testing.assert_array_equal(
            residuals(ours, X[:200], y[:200], kind=kind), getattr(influence(ours, X[:200], y[:200]), attribute)
        )
    linear = LinearRegression().fit(X, y)
    np.testing.assert_allclose(residuals(linear, X, y), y - linear.predict(X), rtol=1e-9)


def test_what_has_no_residual_says_so():
    y = OUTCOMES["poisson"]
    classes = MLELogisticClassifier().fit(X, np.minimum(y, 2))
    with pytest.raises(NotSupportedError, match="three or more classes"):
        residuals(classes, X, np.minimum(y, 2))
    with pytest.raises(ValueError, match="kind must be one of"):
        residuals(MLERegressor("poisson").fit(X, y), X, y, kind="working")
    heavy = MLERegressor(StudentT(df=1.5))
    with pytest.raises(ValueError, match="kind='pearson': row 0 has no finite residual"):
        residuals(heavy.fit(X, OUTCOMES["student_t"]), X, OUTCOMES["student_t"], kind="pearson")
    soft = np.column_stack([np.full(300, 0.4), np.full(300, 0.6)])
    with pytest.raises(NotSupportedError, match="fractions"):
        residuals(MLELogisticClassifier().fit(X, soft), X, soft, kind="quantile")
    with pytest.raises(NotSupportedError, match="kinks"):
        residuals(MLERegressor("laplace").fit(X, OUTCOMES["laplace"]), X, OUTCOMES["laplace"], kind="standardized")


@pytest.mark.parametrize("kind", ["response", "pearson", "deviance", "quantile"])
@pytest.mark.parametrize("likelihood", ["poisson", "gamma"])
def test_rows_of_weight_zero_keep_their_offset(likelihood, kind):
    y, weight = OUTCOMES[likelihood], np.tile([0.0, 1.0, 2.0], 100)
    offset = np.random.default_rng(0).normal(size=300)
    if likelihood == "gamma":
        offset = np.column_stack([offset, offset / 2])
    model = MLERegressor(likelihood).fit(X, y, sample_weight=weight, offset=offset)
    wanted = residuals(model, X, y, kind=kind, offset=offset)
    np.testing.assert_array_equal(residuals(model, X, y, kind=kind, sample_weight=weight, offset=offset), wanted)
    # An exposure of zero, in a row that is absent.
    offset[0] = -np.inf
    found = residuals(model, X, y, kind=kind, sample_weight=weight, offset=offset)
    assert np.isnan(found[0])
    np.testing.assert_array_equal(found[1:], wanted[1:])
