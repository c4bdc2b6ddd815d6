"""Regressions of every smooth likelihood: certified answers, the truth recovered, saddles left, floors reached."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._predictors import Terms
from sklearn_mle._solvers import Status
from sklearn_mle.exceptions import RankDeficiencyWarning, SeparationWarning, UnboundedLikelihoodWarning
from sklearn_mle.likelihoods import (
    Beta,
    Gamma,
    Gaussian,
    GaussianMixture,
    Huber,
    InverseGaussian,
    Logistic,
    NegativeBinomial,
    Poisson,
    SkewT,
    StudentT,
    Tweedie,
    Weibull,
)
from tests.fit.options import ridge, terms_of

DATA = Path(__file__).parents[1] / "data" / "glm"
REFERENCE = json.loads((DATA / "reference.json").read_text())
CERTIFIED = {
    "poisson": Poisson(),
    "gamma_log": Gamma(),
    "negbin_log": NegativeBinomial(),
    "student_t4": StudentT(df=4),
}
TRUTH = np.array([[0.5, -0.3, 0.4], [0.3, 0.0, -0.3], [0.0, 0.0, 1 / 3]])


@pytest.mark.parametrize("name", [name for name in REFERENCE if name.split("/")[0] in CERTIFIED])
def test_certified_answers(name):
    kind, data = name.split("/")
    answer = REFERENCE[name]
    table = np.loadtxt(DATA / f"{data}.csv", delimiter=",", skiprows=1)
    result = fit(CERTIFIED[kind], table[:, 1:], table[:, 0])
    location = np.append(result.coefficients[0, -1], result.coefficients[0, :-1])
    np.testing.assert_allclose(location, answer["coef"][: len(location)], rtol=1e-10)
    assert abs(result.log_likelihood - float(answer["loglik_text"])) <= 1e-12 * answer["n_rows"]
    assert result.gap <= 1e-18 and result.warnings == ()
    second = {"gamma_log": "shape_mle", "negbin_log": "alpha_mle", "student_t4": "scale_mle"}
    if kind in second:
        assert result.dispersion == pytest.approx(float(answer[second[kind]]), rel=1e-10)
    if kind in ("poisson", "student_t4"):
        errors = np.sqrt(result.curvature.covariance().diagonal()).reshape(result.coefficients.shape)[0]
        np.testing.assert_allclose(np.append(errors[-1], errors[:-1]), answer["se"][: len(errors)], rtol=1e-7)


def simulated(likelihood, seed, n, linear):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    truth = TRUTH.copy()
    truth[1, 0] *= linear
    truth[1, 2] += 2 * (likelihood.dispersion_parameter == "precision")  # rates of a low one round to zero or one
    eta = truth[: likelihood.n_predictors, :2] @ X.T + truth[: likelihood.n_predictors, 2:]
    y = np.asarray(likelihood.distribution(eta).rvs(random_state=rng), dtype=float)
    return X, y, truth[: likelihood.n_predictors]


NOT_CONVEX = [
    (StudentT(df=3), False),
    (StudentT(df=None), False),
    (InverseGaussian(), False),
    (Beta(), False),
    (NegativeBinomial(), False),
    (Gaussian(), True),
    (StudentT(df=3), True),
    (Gamma(), True),
    (InverseGaussian(), True),
    (Beta(), True),
]


@pytest.mark.slow
@pytest.mark.parametrize(("likelihood", "linear"), NOT_CONVEX, ids=str)
def test_the_truth_is_within_four_standard_errors(likelihood, linear):
    """Fifty seeds: each a stationary point of positive curvature, near the truth (1 / df: interior solutions)."""
    options = FitOptions(terms=terms_of("log_linear" if linear else "constant"))
    for seed in range(50):
        X, y, truth = simulated(likelihood, seed, 200, linear)
        result = fit(likelihood, X, y, options=options)
        assert result.status is Status.CONVERGED and result.gap <= 1e-8
        assert result.warnings == () and result.curvature is not None
        errors = np.sqrt(result.curvature.covariance().diagonal()).reshape(truth.shape)
        parameters = result.curvature.parameters
        distance = np.abs(result.coefficients - truth)[parameters] / errors[parameters]
        assert distance.max() < 4, seed


@pytest.mark.parametrize(("likelihood", "linear"), NOT_CONVEX, ids=str)
def test_scipy_finds_nothing_better(likelihood, linear):
    """From the answer and from elsewhere, a general minimizer does not go below it (within what it can resolve)."""
    X, y, truth = simulated(likelihood, 0, 150, linear)
    result = fit(likelihood, X, y, options=FitOptions(terms=terms_of("log_linear" if linear else "constant")))
    free = result.curvature.parameters

    def nll(flat):
        coefficients = np.zeros_like(truth)
        coefficients[free] = flat
        with np.errstate(all="ignore"):
            total = likelihood.nll(y, coefficients[:, :2] @ X.T + coefficients[:, 2:]).sum()
        return total if np.isfinite(total) else 1e300

    for start in (result.coefficients[free], truth[free]):
        other = minimize(nll, start, method="BFGS", options={"gtol": 1e-5})
        assert -result.log_likelihood <= other.fun + 1e-7
        np.testing.assert_allclose(other.x, result.coefficients[free], atol=1e-3)


def test_outliers_do_not_choose_the_basin():
    """A tenth of the rows lie far off on a line of their own: least squares would start between the two."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 1))
    y = 1 + 2 * X[:, 0] + 0.3 * rng.standard_normal(300)
    y[:30] = 40 - 30 * X[:30, 0]
    for likelihood in (StudentT(df=2), StudentT(df=None)):
        result = fit(likelihood, X, y)
        np.testing.assert_allclose(result.coefficients[0], [2, 1], atol=0.1)
        assert result.status is Status.CONVERGED


def test_a_saddle_is_left():
    """On data symmetric in the columns' signs Newton's method comes to rest where the scales do not yet differ."""
    X = np.repeat([[1.0, 3], [2, 1], [3, 3], [4, 1]], 4, axis=0)
    y = np.repeat([1.0, 2, 1, 2], 4)
    result = fit(Gaussian(), X, y, options=FitOptions(terms=terms_of("log_linear"), prior=ridge(1.0)))
    assert [type(warning) for warning in result.warnings] == [UnboundedLikelihoodWarning]
    assert result.log_likelihood > 100


def test_a_bounded_predictor_that_starts_at_its_bound_is_not_stuck_there():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((400, 1))
    y = X[:, 0] + rng.standard_t(3, 400)
    cold = fit(StudentT(df=None), X, y)
    for d in (0.0, 1.0):
        start = cold.coefficients.copy()
        start[2, -1] = d
        np.testing.assert_allclose(fit(StudentT(df=None), X, y, start=start).coefficients, cold.coefficients, rtol=1e-8)


def test_at_a_bound_there_is_no_standard_error():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((200, 1))
    result = fit(StudentT(df=None), X, X[:, 0] + rng.uniform(-1, 1, 200))
    assert result.coefficients[2, -1] == 0
    assert not result.curvature.parameters[2].any() and result.curvature.predictors.size == 3
    gaussian = fit(Gaussian(), X, X[:, 0] + np.random.default_rng(2).uniform(-1, 1, 200))
    assert gaussian.curvature.predictors.size == 3


@pytest.mark.parametrize("df", [4.0, None])
def test_a_skewness_without_a_finite_optimum_is_at_its_end(df):
    """Exponential noise has an edge on one side, which the skew t meets as its tail there vanishes."""
    rng = np.random.default_rng(0)
    X, noise = rng.standard_normal((300, 2)), rng.exponential(size=300)
    above, below = (fit(SkewT(df=df), X, X @ [1.0, 2.0] + sign * noise) for sign in (1, -1))
    for result, end in ((above, 15.0), (below, -15.0)):
        assert result.coefficients[2, -1] == end
        assert not result.curvature.parameters[2].any()
        assert result.status is Status.CONVERGED and result.warnings == ()
        started = fit(SkewT(df=df), X, X @ [1.0, 2.0] + np.sign(end) * noise, start=result.coefficients)
        np.testing.assert_allclose(started.coefficients, result.coefficients, rtol=1e-7)
    assert above.log_likelihood == pytest.approx(below.log_likelihood)


def test_components_are_found_as_they_were_drawn():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((3000, 2))
    truth = np.array([[0.5, -0.3, 0.4], [0.2, 0.0, 0.3], [0, 0, -1.0], [0, 0, 3.0], [0, 0, 0.3]])
    y = GaussianMixture().distribution(truth[:, :-1] @ X.T + truth[:, -1:]).rvs(random_state=0)
    terms = (Terms(), Terms(), *[Terms.constant()] * 3)
    result = fit(GaussianMixture(), X, y, options=FitOptions(terms=terms))
    errors = np.sqrt(result.curvature.covariance().diagonal()).reshape(truth.shape)
    assert (errors > 0).sum() == 9
    assert (np.abs(result.coefficients - truth) <= 4 * errors).all()


def test_a_spread_without_a_finite_optimum_is_at_its_end():
    """Repeated residuals gain from a component that is as narrow as any can be."""
    rng = np.random.default_rng(0)
    X, noise = rng.standard_normal((200, 2)), rng.standard_normal(200)
    noise[:60] = 0.0
    y = X @ [1.0, 2.0] + noise
    result = fit(GaussianMixture(), X, y)
    assert abs(result.coefficients[4, -1]) == 15.0 and not result.curvature.parameters[4].any()
    assert result.status is Status.CONVERGED and result.warnings == ()
    np.testing.assert_allclose(result.coefficients[0], [1, 2, 0], atol=0.15)


def test_skewness_is_found_as_it_was_drawn():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((4000, 2))
    truth = np.array([[0.5, -0.3, 0.4], [0.0, 0.0, 0.3], [0.0, 0.4, 0.3], [0.0, 0.0, 0.2]])
    eta = truth[:, :-1] @ X.T + truth[:, -1:]
    y = SkewT(df=None).distribution(eta).rvs(random_state=0)
    terms = (Terms(), Terms.constant(), Terms(), Terms.constant())
    result = fit(SkewT(df=None), X, y, options=FitOptions(terms=terms))
    errors = np.sqrt(result.curvature.covariance().diagonal()).reshape(truth.shape)
    assert (errors > 0).sum() == 8
    assert (np.abs(result.coefficients - truth) <= 4 * errors).all()


@pytest.mark.parametrize("df", [4, 1.5])
def test_most_rows_alike_make_the_t_unbounded(df):
    """More than df / (df + 1) of the rows can be fitted exactly: the density is infinite there."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((100, 2))
    y = np.where(np.arange(100) < 90, 1.0, rng.standard_normal(100))
    result = fit(StudentT(df=df), X, y)
    assert [type(warning) for warning in result.warnings] == [UnboundedLikelihoodWarning]
    assert np.isfinite(result.log_likelihood)
    np.testing.assert_allclose(result.coefficients[0], [0, 0, 1], atol=1e-4)


def test_a_dispersion_that_vanishes_for_some_rows_is_named():
    rng = np.random.default_rng(4)
    group = np.repeat([0.0, 1.0], 100)
    y = np.where(group == 1, 3.0, rng.negative_binomial(1, 0.3, 200))
    result = fit(NegativeBinomial(), group[:, None], y, options=FitOptions(terms=terms_of("log_linear")))
    assert [type(warning) for warning in result.warnings] == [SeparationWarning]
    assert "dispersion of rows 100" in str(result.warnings[0]) and "column 0" in str(result.warnings[0])
    alone = fit(NegativeBinomial(), np.zeros((100, 0)), y[:100])
    np.testing.assert_allclose(result.coefficients[:, -1], alone.coefficients[:, -1], rtol=1e-6)


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial(), Tweedie(1.5)], ids=str)
def test_a_group_of_zeros_sends_its_coefficient_to_minus_infinity(likelihood):
    rng = np.random.default_rng(10)
    group = rng.integers(0, 4, 200)
    X = np.column_stack([group == 1, group == 2, group == 3, rng.standard_normal(200)]).astype(float)
    y = np.where(group == 2, 0, rng.poisson(2.0, 200)) * (1.0 if likelihood.discrete else rng.random(200))
    result = fit(likelihood, X, y)
    assert [type(warning) for warning in result.warnings] == [SeparationWarning]
    assert "column 1 to -inf" in str(result.warnings[0])
    # What stays finite is the fit of the other groups.
    others = fit(likelihood, X[group != 2][:, [0, 2, 3]], y[group != 2])
    assert others.warnings == ()
    np.testing.assert_allclose(result.coefficients[0, [0, 2, 3, 4]], others.coefficients[0], atol=2e-3)
    assert result.coefficients[0, 1] < -8
    q = likelihood.n_predictors
    errors, expected = (np.sqrt(found.curvature.covariance().diagonal()).reshape(q, -1) for found in (result, others))
    np.testing.assert_allclose(errors[0, [0, 2, 3, 4]], expected[0], rtol=1e-3)
    np.testing.assert_allclose(errors[1:, -1], expected[1:, -1], rtol=1e-3)
    assert np.isnan(errors[0, 1])
    weight = rng.integers(0, 3, 200)
    weighted = fit(likelihood, X, y, sample_weight=weight.astype(float))
    repeated = fit(likelihood, np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighted.coefficients, repeated.coefficients, rtol=1e-8, atol=1e-8)
    assert fit(likelihood, X, y, options=FitOptions(prior=ridge(1.0))).warnings == ()


@pytest.mark.parametrize("likelihood", [Huber(), Gamma(), Poisson(), StudentT(df=None), Weibull()], ids=str)
def test_dependent_columns(likelihood):
    X, y, _ = simulated(likelihood, 5, 200, False)
    dependent = np.column_stack([X, X @ [1.0, 1.0], np.full(200, 7.0)])
    result, plain = fit(likelihood, dependent, y), fit(likelihood, X, y)
    assert [type(warning) for warning in result.warnings] == [RankDeficiencyWarning]
    coef = result.coefficients[0, :-1]
    fitted = dependent @ coef + result.coefficients[0, -1]
    np.testing.assert_allclose(fitted, X @ plain.coefficients[0, :2] + plain.coefficients[0, 2], rtol=1e-8)
    # Of least norm: orthogonal to the direction that changes nothing.
    assert abs(coef @ [1, 1, -1, 0]) < 1e-10 and coef[3] == 0
    assert result.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-12)


@pytest.mark.parametrize("likelihood", [Huber(), StudentT(df=4), Poisson(), Gamma(), Logistic()], ids=str)
def test_large_data_take_another_way_to_the_same_answer(likelihood):
    rng = np.random.default_rng(6)
    X = rng.standard_normal((60_000, 12)) * np.exp(rng.normal(0, 2, 12)) + 3
    location = (X - X.mean(axis=0)) / X.std(axis=0) @ rng.normal(0, 0.2, 12)
    eta = np.stack([location, np.full(60_000, 0.2)])[: likelihood.n_predictors]
    y = np.asarray(likelihood.distribution(eta).rvs(random_state=rng), dtype=float)
    found = fit(likelihood, X, y)
    exact = fit(likelihood, X, y, options=FitOptions(solver="newton"))
    assert found.status is Status.CONVERGED and found.gap <= 1e-8
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-12)
    scale = X.std(axis=0)
    np.testing.assert_allclose(
        found.coefficients[0, :-1] * scale, exact.coefficients[0, :-1] * scale, atol=1e-6 * np.abs(location).max()
    )
    errors, peers = (np.sqrt(result.curvature.covariance().diagonal()) for result in (found, exact))
    np.testing.assert_allclose(errors, peers, rtol=1e-3)


def test_whole_numbers_are_no_classes():
    """Real outcomes that happen to be whole, and counts in the millions, sampled as what they are."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((60_000, 15))
    signs = fit(
        Gaussian(), X, np.where(rng.random(60_000) < 0.5, -1.0, 1.0), options=FitOptions(terms=terms_of("log_linear"))
    )
    many = fit(Poisson(), X, rng.poisson(1e8, 60_000).astype(float))
    assert signs.status is many.status is Status.CONVERGED
    assert many.coefficients[0, -1] == pytest.approx(np.log(1e8), rel=1e-6)


@pytest.mark.parametrize("likelihood", [Tweedie(1.3), Gamma(), InverseGaussian()], ids=str)
def test_a_prior_relative_to_the_dispersion_leaves_the_location_free_of_it(likelihood):
    X, y, _ = simulated(likelihood, 8, 200, False)
    estimated = fit(likelihood, X, y, options=FitOptions(prior=ridge(3.0)))
    for scale in (0.3, 5.0):
        known = fit(likelihood, X, y, options=FitOptions(prior=ridge(3.0), terms=terms_of(scale)))
        np.testing.assert_allclose(known.coefficients[0], estimated.coefficients[0], rtol=1e-9)


def test_more_columns_than_rows_are_bounded_by_a_prior():
    rng = np.random.default_rng(9)
    X = rng.standard_normal((12, 30))
    real, rate = rng.standard_normal(12), rng.uniform(0.1, 0.9, 12)
    for likelihood, y in ((Huber(), real), (Gamma(), np.exp(real)), (Weibull(), np.exp(real)), (Beta(), rate)):
        result = fit(likelihood, X, y, options=FitOptions(prior=ridge(1.0)))
        assert result.status is Status.CONVERGED and result.warnings == ()
        assert np.isfinite(result.log_likelihood)


@pytest.mark.parametrize("likelihood", [StudentT(df=4), Logistic()], ids=lambda likelihood: type(likelihood).__name__)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_perfect_location_of_known_noise_is_found(likelihood, n):
    # A robust first guess would have no scale to end at: its residuals can be made as small as one likes.
    X, y = np.arange(3.0 * n).reshape(n, 3) ** 2, np.arange(n) + 0.3
    result = fit(likelihood, X, y, options=FitOptions(terms=terms_of(2.0)))
    at_zero = likelihood.nll(np.zeros(1), np.array([[0.0], [np.log(2.0)]]))[0]
    assert result.log_likelihood == pytest.approx(-n * at_zero, rel=1e-12)
    fitted = X @ result.coefficients[0, :-1] + result.coefficients[0, -1]
    np.testing.assert_allclose(fitted, y, atol=1e-10)
