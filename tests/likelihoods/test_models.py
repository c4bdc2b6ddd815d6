"""What every regression likelihood says beside the contract: its distribution, extremes, starts, deviance and units."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.base import clone

from sklearn_mle.likelihoods import (
    Bernoulli,
    Beta,
    Binomial,
    Gaussian,
    GaussianMixture,
    Huber,
    NegativeBinomial,
    Poisson,
    SkewT,
    StudentT,
    Tweedie,
    get_likelihood,
    likelihood_names,
)
from tests.likelihoods.models import MODELS, REGRESSIONS, N


@pytest.fixture(params=REGRESSIONS)
def model(request):
    return MODELS[request.param]


def equal(found, expected, rtol=1e-12, atol=1e-13):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def test_every_name_of_the_registry_is_swept():
    swept = {type(MODELS[name].likelihood) for name in REGRESSIONS}
    assert swept == {type(get_likelihood(name)) for name in likelihood_names()}


# scipy has no Tweedie distribution: test_tweedie.
@pytest.mark.parametrize("name", [name for name in REGRESSIONS if MODELS[name].distribution])
def test_the_nll_is_that_of_scipy_s_distribution(name):
    model = MODELS[name]
    likelihood = model.likelihood
    law = model.distribution(model.eta)
    if likelihood.discrete:
        equal(likelihood.nll(model.y, model.eta), -law.logpmf(model.y), rtol=2e-11, atol=1e-12)
    else:
        equal(likelihood.nll(model.y, model.eta), -law.logpdf(model.y), rtol=2e-12)


def test_the_probabilities_sum_to_one(model):
    likelihood, eta = model.likelihood, model.eta
    if likelihood.discrete:
        equal(sum(np.exp(-likelihood.nll(y, eta)) for y, _ in model.outcomes()), 1)
        return
    for row in range(3):
        one = eta[:, row : row + 1]

        def density(u, one=one):
            y = (np.sinh(u), np.cosh(u)) if likelihood.equivariance == "location_scale" else (np.exp(u), np.exp(u))
            if likelihood.domain.startswith("numbers in the open"):
                y = (1 / (1 + np.exp(-u)), 0.25 / np.cosh(u / 2) ** 2)
                if not 0 < y[0] < 1:
                    return 0.0
            return y[1] * math.exp(-likelihood.nll(np.array([y[0]]), one)[0])

        # Down to e^-300: the density of Tweedie amounts may fall as slowly as y^0.1.
        total, _ = integrate.quad(density, -300, 30, limit=500, points=[-40, -9, -5, -2, -1, 0, 1, 2, 3], epsabs=1e-11)
        if isinstance(likelihood, Tweedie):
            total += math.exp(-likelihood.nll(np.zeros(1), one)[0])
        assert total == pytest.approx(1, abs=1e-8)


def edges(likelihood):
    """Outcomes at the edges of the domain."""
    if isinstance(likelihood, Binomial):
        return [0.0, 1.0, 0.5]
    if likelihood.domain.startswith("numbers in the open"):
        return [1e-300, 5e-324, 1 - 1e-16, 0.5]
    if likelihood.positive_only:
        return [1e-300, 5e-324, 1e300, 1.0]
    return [0.0, 1.0, 1e8, 1e-300] if likelihood.equivariance != "location_scale" else [0.0, 1.0, -1e8, 1e200]


# Of eight parameters there are 26,244 combinations, in seven seconds.
@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=[pytest.mark.slow] * (len(MODELS[name].eta) > 6)) for name in REGRESSIONS],
    indirect=True,
)
def test_extremes_are_finite_or_the_exact_limit_and_never_nan(model):
    """Against 80-bit arithmetic, whose exponential overflows at 11356: what it rounds to is the exact limit."""
    likelihood = model.likelihood
    if np.finfo(np.longdouble).max == np.finfo(float).max:
        pytest.skip("no wider floating-point type")
    size = [[-700.0, 0.0, 700.0]] * len(model.eta)
    if "df" in likelihood.parameter_names:
        size[-1] = [0.0, 1e-200, 0.3, 1.0]
    rows = np.array(list(itertools.product(edges(likelihood), *size)))
    y, eta = rows[:, 0].copy(), rows[:, 1:].T.copy()
    wide = eta.astype(np.longdouble)
    with np.errstate(over="ignore", under="ignore"):
        nll = likelihood.nll(y, eta)
        expected = likelihood.nll(y, wide).astype(float)
        # Near the edge of overflow the last factor decides.
        close = (np.abs(expected) < 1e290) | np.isinf(nll)
    equal(nll[close], expected[close], rtol=2e-9)
    assert not np.isnan(nll).any()
    assert (nll > -1e5).all()
    for method in (likelihood.gradient, likelihood.hessian):
        assert not np.isnan(method(y, eta)).any()
    assert not np.isnan(likelihood.expected_information(eta)).any()


def test_a_start_takes_a_weight_of_k_as_k_copies_and_of_zero_as_none(model):
    likelihood, y = model.likelihood, model.y
    weight = np.arange(N) % 4
    rows = np.repeat(np.arange(N), weight)
    start = likelihood.start(y, weight.astype(float))
    assert start.shape == (likelihood.n_predictors,)
    equal(start, likelihood.start(y[rows], None), rtol=1e-10)
    equal(start, likelihood.start(y, 3.0 * weight), rtol=1e-10)


def test_starts_are_finite_and_near_the_best_constant(model):
    likelihood, y = model.likelihood, model.y
    for outcomes in (y, np.full(N, y[7]), y[:1]):
        assert np.isfinite(likelihood.start(outcomes, None)).all()
    start = np.repeat(likelihood.start(y, None)[:, None], N, axis=1)
    nll = likelihood.nll(y, start).mean()
    for k in range(len(start)):
        for change in (-1.5, 1.5):
            moved = start.copy()
            moved[k] += change
            assert nll < likelihood.nll(y, moved).mean()


def moments(model):
    mean = sum(mass * y for y, mass in model.outcomes())
    return mean, np.sqrt(sum(mass * np.square(y - mean) for y, mass in model.outcomes()))


def test_mean_and_standard_deviation(model):
    likelihood, eta = model.likelihood, model.eta
    if isinstance(likelihood, StudentT) and likelihood.estimates_df:
        d = eta[-1]
        equal(likelihood.standard_deviation(eta)[d > 0.5], np.inf)
        if isinstance(likelihood, SkewT):
            # By levels from 1e-15 on, beyond which is a share of the variance of about 1e-15 to the power 1 - 2 d.
            mean, variance = model.distribution(eta).stats("mv")
            equal(likelihood.mean(eta)[d < 0.4], mean[d < 0.4], rtol=1e-7)
            equal(likelihood.standard_deviation(eta)[d < 0.2], np.sqrt(variance)[d < 0.2], rtol=1e-7)
            return
        equal(likelihood.mean(eta), np.where(d < 1, eta[0], np.nan))
        equal(likelihood.standard_deviation(eta)[d < 0.4], model.distribution(eta).std()[d < 0.4])
        return
    mean, deviation = moments(model) if model.distribution is None else model.distribution(eta).stats("mv")
    deviation = deviation if model.distribution is None else np.sqrt(deviation)
    equal(likelihood.mean(eta), mean, rtol=1e-6, atol=1e-8)
    equal(likelihood.standard_deviation(eta), deviation, rtol=1e-5)


@pytest.mark.parametrize("level", [0.02, 0.5, 0.9])
def test_quantiles_and_the_distribution_agree(model, level):
    likelihood, eta = model.likelihood, model.eta
    law = likelihood.distribution(eta)
    quantile = likelihood.quantile_at(eta, level)
    assert quantile.shape == (N,)
    if likelihood.discrete or isinstance(likelihood, Tweedie):
        assert (law.cdf(quantile) >= level - 1e-12).all()
        below = quantile > 0
        assert (law.cdf(quantile - (1 if likelihood.discrete else 1e-6))[below] < level + 1e-12).all()
    else:
        equal(law.cdf(quantile), level, rtol=1e-8)
        equal(model.distribution(eta).cdf(quantile), level, rtol=1e-8)


def test_the_deviance_is_twice_what_the_location_costs(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta
    other = eta.copy()
    other[0] -= 0.37
    factor = model.deviance_factor(eta)
    found = 0.5 * factor * (likelihood.deviance(y, eta) - likelihood.deviance(y, other))
    equal(found, likelihood.nll(y, eta) - likelihood.nll(y, other), rtol=1e-9, atol=1e-11)
    assert (likelihood.deviance(y, eta) >= 0).all()


def test_the_deviance_vanishes_where_the_location_fits_the_row(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta.copy()
    if isinstance(likelihood, SkewT | GaussianMixture):
        eta[0] = likelihood._best_location(y, eta)
    elif isinstance(likelihood, Beta):
        eta[0] = likelihood._best_logit(y, eta)
    elif isinstance(likelihood, Binomial):
        y = np.where(y > 0, 0.3, 0.8)
        eta[0] = np.log(y / (1 - y))
    else:
        # At a zero the best logarithm is infinite.
        y = np.where(np.isfinite(likelihood.link(y)), y, 1)
        eta[0] = likelihood.link(y)
    equal(likelihood.deviance(y, eta), 0, atol=1e-11)
    equal(likelihood.gradient(y, eta)[0], 0, atol=1e-7) if likelihood.smooth else None


def test_equivariance_is_as_declared(model):
    likelihood, y, eta = model.likelihood, model.y, model.eta.copy()
    c, m = 3.7, 1.9
    if likelihood.equivariance == "location_scale":
        moved, changed = c * y + m, eta.copy()
        changed[0] = c * eta[0] + m
        changed[1] += math.log(c)
    elif likelihood.equivariance == "scale":
        moved, changed = c * y, eta + np.array(likelihood.unit_powers)[:, None] * math.log(c)
    else:
        return
    rise = np.where((y == 0) & isinstance(likelihood, Tweedie), 0, math.log(c))
    equal(likelihood.nll(moved, changed), likelihood.nll(y, eta) + rise, rtol=1e-10, atol=1e-10)


def test_the_location_is_free_of_the_dispersion_where_declared(model):
    """Its gradients at two constant dispersions are then the same but for one factor."""
    likelihood, y, eta = model.likelihood, model.y, model.eta.copy()
    if len(eta) == 1:
        return
    gradients = []
    for value in (-0.3, 0.8):
        eta[1] = value
        gradients.append(likelihood.gradient(y, eta)[0])
    ratio = gradients[1] / gradients[0]
    # The Gaussian limit of Student's t is the Gaussian, but its class cannot know.
    if not (isinstance(likelihood, StudentT) and likelihood.df == np.inf):
        assert likelihood.location_free_of_dispersion is bool(np.ptp(ratio) < 1e-9 * np.abs(ratio).max())


def test_the_dispersion_and_the_constructor_s_parameters(model):
    likelihood = model.likelihood
    assert (likelihood.dispersion_parameter is None) is (likelihood.n_predictors == 1)
    if likelihood.dispersion_parameter is not None:
        assert likelihood.predictor_names[1] == f"log_{likelihood.dispersion_parameter}"
    assert repr(clone(likelihood)) == repr(likelihood)
    assert likelihood.check_parameters() is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outcomes_that_are_not_finite_are_refused(model, bad):
    y = model.y.copy()
    y[3] = bad
    with pytest.raises(ValueError, match=rf"y: the {type(model.likelihood).__name__} .* row 3 is {bad}"):
        model.likelihood.check_target(y)


@pytest.mark.parametrize(
    "name, bad, words",
    [
        ("poisson", -1, "counts: finite numbers >= 0; row 2 is -1"),
        ("negative_binomial", -0.5, "counts: .* row 2 is -0.5"),
        ("tweedie", -1, "amounts: .* row 2 is -1"),
        ("gamma", 0, "positive, finite numbers; row 2 is 0.*'tweedie'"),
        ("inverse_gaussian", -2, "positive"),
        ("lognormal", 0, "positive"),
        ("weibull", 0, "positive"),
        ("beta", 1, "open interval .* row 2 is 1. Remove such rows, or shrink"),
        ("binomial", 1.5, "fractions in .* row 2 is 1.5.*two columns"),
    ],
)
def test_outcomes_outside_the_domain_are_refused_in_words(name, bad, words):
    y = np.full(4, 0.5)
    assert get_likelihood(name).check_target(y.tolist()).dtype == np.float64
    y[2] = bad
    with pytest.raises(ValueError, match=words):
        get_likelihood(name).check_target(y)
    with pytest.raises(ValueError, match="shape"):
        get_likelihood(name).check_target(np.zeros((3, 2, 2)))


def test_the_negative_binomial_tends_to_the_poisson_and_keeps_the_digits_of_the_difference():
    """To first order in a the NLL differs by a ((y - mu)^2 - y) / 2."""
    y, mean = np.array([0.0, 1.0, 5.0, 30.0, 1000.0]), np.array([0.5, 2.0, 5.0, 25.0, 990.0])
    for log_dispersion in (-25.0, -40.0, -300.0, -700.0):
        eta = np.stack([np.log(mean), np.full(5, log_dispersion)])
        poisson = Poisson().nll(y, eta[:1])
        equal(NegativeBinomial().nll(y, eta), poisson, rtol=1e-7 if log_dispersion == -25 else 1e-12)
        slope = NegativeBinomial().gradient(y, eta)[1]
        expected = -0.5 * np.exp(log_dispersion) * (np.square(y - mean) - y)
        equal(slope, expected, rtol=1e-7, atol=1e-12 * np.exp(log_dispersion) * mean.max() ** 2)


def test_student_t_is_smooth_at_the_gaussian():
    y = np.array([0.0, 0.5, -3.0, 8.0])
    eta = np.zeros((3, 4))
    at, near = StudentT(None), eta.copy()
    for d in (1e-9, 1e-14, 1e-200):
        near[2] = d
        for method in (at.nll, at.gradient, at.hessian):
            equal(method(y, near), method(y, eta), rtol=1e-3 if d == 1e-9 else 1e-8, atol=1e-5)
        equal(at.expected_information(near), at.expected_information(eta), rtol=1e-7, atol=1e-8)
    equal(at.expected_information(eta)[1:, 1:, 0], [[2, 2], [2, 3.5]])
    assert (at.nll(y, eta - [[0], [0], [1e-3]]) == np.inf).all()


def test_a_skew_t_without_skewness_is_student_s():
    y, eta = np.array([0.3, 0.5, -3.0, 8.0]), np.array([[0.1] * 4, [0.4] * 4, [0.2] * 4])
    skewed = np.insert(eta, 2, 0.0, axis=0)
    for smaller, larger, of_eta in ((StudentT(3), SkewT(3), skewed[:3]), (StudentT(None), SkewT(None), skewed)):
        ours = eta[: smaller.n_predictors]
        kept = [k for k in range(len(of_eta)) if k != 2]
        equal(larger.nll(y, of_eta), smaller.nll(y, ours))
        equal(larger.gradient(y, of_eta)[kept], smaller.gradient(y, ours))
        equal(larger.hessian(y, of_eta)[np.ix_(kept, kept)], smaller.hessian(y, ours))
        information = larger.expected_information(of_eta)
        equal(information[np.ix_(kept, kept)], smaller.expected_information(ours), rtol=1e-9, atol=1e-10)
        equal(larger.mean(of_eta), smaller.mean(ours))
        equal(larger.standard_deviation(of_eta), smaller.standard_deviation(ours))


def test_a_skew_t_mirrored_has_the_opposite_skewness():
    model = MODELS["skew_t, estimated"]
    mirrored = model.eta * [[-1], [1], [-1], [1]]
    equal(model.likelihood.nll(-model.y, mirrored), model.likelihood.nll(model.y, model.eta))
    equal(model.likelihood.deviance(-model.y, mirrored), model.likelihood.deviance(model.y, model.eta))


def test_the_skewness_is_half_the_logarithm_of_the_tails_ratio():
    epsilon = np.array([-2.0, 0.0, 0.7, 5.0])
    distribution = SkewT(df=3).distribution(np.array([np.zeros(4), np.zeros(4), epsilon]))
    equal(np.log(distribution.isf(1e-60) / -distribution.ppf(1e-60)), 2 * epsilon, atol=1e-8)
    equal(distribution.median(), 0)
    equal(distribution.pdf(0.0), stats.t.pdf(0, 3))


def test_a_skew_t_is_flat_where_no_float_tells_its_skewness():
    y, eta = np.array([-0.5, 2.0]), np.array([[0.0, 0.0], [0.0, 0.0], [15.0, 15.0]])
    beyond = eta + np.array([[0], [0], [1]])
    for method in (SkewT(4).nll, lambda y, eta: SkewT(4).gradient(y, eta)[:2]):
        equal(method(y, eta), method(y, beyond))
    assert not SkewT(4).gradient(y, beyond)[2].any()


def test_of_which_likelihoods_a_skew_t_is_the_larger():
    assert StudentT(4).boundary_of(SkewT(4)) is False
    assert StudentT(4).boundary_of(SkewT(None)) is False
    assert StudentT(None).boundary_of(SkewT("estimate")) is False
    assert SkewT(4).boundary_of(SkewT(None)) is False
    assert Gaussian().boundary_of(SkewT(None)) is True
    for smaller, larger in ((StudentT(3), SkewT(4)), (SkewT(4), StudentT(None)), (SkewT(None), SkewT(4))):
        assert smaller.boundary_of(larger) is None


@pytest.mark.parametrize("larger", [StudentT(None), SkewT(None)])
def test_degrees_of_freedom_at_an_end_of_those_that_are_estimated_are_on_the_boundary(larger):
    # 1 / df is estimated in [0, 1].
    of_df = {np.inf: True, 1.0: True, 2: False, 0.5: None}
    assert {df: StudentT(df).boundary_of(larger) for df in of_df} == of_df


def test_the_information_of_a_skew_t_of_many_rows_is_that_of_few():
    eta = np.stack([np.zeros(1500), np.linspace(-1, 1, 1500), np.linspace(-2, 2, 1500)])
    whole = SkewT(5).expected_information(eta)
    equal(whole[..., [3, 1400]], SkewT(5).expected_information(eta[:, [3, 1400]]))
    assert SkewT(5).expected_information(eta[:, :0]).shape == (3, 3, 0)


def test_a_mixture_of_equal_components_is_the_gaussian():
    y, eta = np.array([0.3, -3.0]), np.array([[0.2] * 2, [0.4] * 2, [0.7] * 2, [0.0] * 2, [0.0] * 2])
    equal(GaussianMixture().nll(y, eta), Gaussian().nll(y, eta[:2]))
    equal(GaussianMixture().gradient(y, eta)[:2], Gaussian().gradient(y, eta[:2]))
    equal(GaussianMixture().expected_information(eta)[:2, :2], Gaussian().expected_information(eta[:2]), rtol=1e-9)


def test_components_of_a_mixture_cannot_shrink_onto_an_outcome():
    """Hathaway's bound: at any spread the scale is at least a tenth of the first component's."""
    y = np.array([1.0])
    eta = np.array([[0.0], [0.0], [0.0], [np.arcsinh(1.0)], [-700.0]])
    assert GaussianMixture().nll(y, eta)[0] == pytest.approx(-np.log(5 * stats.norm.pdf(0) + 0.5 * stats.norm.pdf(1)))
    assert GaussianMixture().gradient(y, eta)[4, 0] == 0


@pytest.mark.parametrize("n_components", [1, 6, 2.5, True, "2"])
def test_the_number_of_components_is_checked(n_components):
    with pytest.raises(ValueError, match="n_components must be a whole number from 2 to 5"):
        get_likelihood(GaussianMixture(n_components))


def test_a_mixture_starts_where_its_components_are():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(3000) < 0.3, 8 + 0.5 * rng.standard_normal(3000), rng.standard_normal(3000))
    location, log_scale, odds, mean, spread = GaussianMixture().start(y, None)
    # Standard errors of some per cent, of which four.
    equal([location, math.exp(log_scale), 1 / (1 + math.exp(-odds)), np.sinh(mean)], [0, 1, 0.3, 8], rtol=0.1, atol=0.1)
    equal(10 ** np.tanh(spread), 0.5, rtol=0.1)


def test_binomial_counts_carry_their_coefficient_and_fractions_do_not():
    rng = np.random.default_rng(5)
    counts, eta = rng.integers(0, 9, (2, N)).astype(float), rng.normal(0, 1, (1, N))
    counts[:, 0], counts[:, 1] = [0, 0], [400_000, 600_000]
    likelihood = Binomial()
    trials = counts.sum(axis=0)
    expected = -likelihood.distribution(eta, trials).logpmf(counts[0])
    equal(likelihood.nll(counts, eta), expected, rtol=1e-11, atol=1e-12)
    fraction, weight = likelihood.in_units_of_mean(counts)
    equal(weight * likelihood.gradient(fraction, eta), likelihood.gradient(counts, eta), atol=1e-9)
    equal(weight * likelihood.hessian(fraction, eta), likelihood.hessian(counts, eta))
    equal(likelihood.nll(fraction, eta), Bernoulli().nll(fraction, eta))
    equal(likelihood.deviance(counts, eta), weight * likelihood.deviance(fraction, eta), rtol=1e-9, atol=1e-12)
    assert likelihood.start(counts, None)[0] == pytest.approx(np.log(counts[0].sum() / counts[1].sum()))
    with pytest.raises(ValueError, match=r"row 1 is \(-1, 2\)"):
        likelihood.check_target([[1, -1], [2, 2]])


def test_the_information_of_many_rows_is_that_of_few_where_it_is_interpolated():
    # Few rows are integrated each; of many the integral is interpolated to a relative 1e-8.
    means, dispersions = np.linspace(-3, 4, 4000), np.linspace(-3, 2, 4000)
    some = np.arange(0, 4000, 97)
    for eta in ([means, np.full(4000, 0.3)], [np.full(4000, 1.3), dispersions], [means, dispersions[::-1]]):
        eta = np.stack(eta)
        few = np.concatenate([NegativeBinomial().expected_information(eta[:, [row]]) for row in some], axis=-1)
        np.testing.assert_allclose(NegativeBinomial().expected_information(eta)[..., some], few, rtol=1e-8)


@pytest.mark.parametrize("epsilon", [0.5, 1.35, 3.0])
def test_the_standard_deviation_of_huber_s_distribution_is_its_density_s(epsilon):
    distribution = Huber(epsilon).distribution(np.array([[2.0], [np.log(3.0)]]))
    parts = [
        integrate.quad(lambda z: z * z * distribution.pdf(2 + 3 * z)[0], *ends)[0]
        for ends in ((0, epsilon), (epsilon, 60))
    ]
    assert distribution.std() == pytest.approx(3 * np.sqrt(3 * 2 * sum(parts)), rel=1e-9)
    assert distribution.mean() == pytest.approx([2.0]) and distribution.stats("m").shape == (1,)
    np.testing.assert_array_equal(distribution.stats("mv"), [distribution.mean(), distribution.var()])


def test_a_binomial_without_a_trial_starts_in_the_middle():
    assert Binomial().start(np.zeros((2, 3)), None) == [0.0]


@pytest.mark.parametrize(("name", "log_tail"), [("weibull", -2000.0), ("logistic", -2000.0), ("gaussian", -2000008.52)])
def test_logarithms_of_tails_beyond_float64_are_those_of_scipy_where_it_has_them(name, log_tail):
    distribution = get_likelihood(name).distribution(np.zeros((2, 2)))
    found = distribution.logsf(np.array([2000.0, 0.5]))
    assert found[0] == pytest.approx(log_tail, rel=1e-8)
    assert found[1] == pytest.approx(np.log(distribution.sf(0.5)[1]), rel=1e-13)


def test_constructor_parameters_that_may_be_estimated():
    assert repr(StudentT(df=3).estimating(["df"])) == "StudentT(df='estimate')"
    assert StudentT(df=3).estimating(["df"]).parameter_names == ("location", "scale", "df")
    gaussian = Gaussian()
    assert gaussian.estimating([]) is gaussian
    with pytest.raises(ValueError, match=r"Gaussian cannot estimate \['df'\], only \[\]"):
        gaussian.estimating(["df"])


def test_the_parameters_are_the_inverse_links_of_the_predictors(model):
    likelihood, eta = model.likelihood, model.eta
    parameters = likelihood.parameters(eta)
    assert parameters.shape == eta.shape
    if likelihood.parameter_names[0] == "mean":
        np.testing.assert_allclose(parameters[0], likelihood.mean(eta), rtol=1e-14)


@pytest.mark.parametrize("confidence", [95, -0.1, np.nan, None, [0.5, 1.5]])
@pytest.mark.parametrize("likelihood", [Gaussian(), Poisson()])
def test_intervals_of_no_probability_are_refused_as_scipy_refuses_them(likelihood, confidence):
    distribution = likelihood.distribution(np.zeros((likelihood.n_predictors, 2)))
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        distribution.interval(confidence)
    assert np.shape(distribution.interval([0.0, 1.0])) == (2, 2)


@pytest.mark.parametrize(
    ("likelihood", "shapes"),
    [
        (Huber(), []),
        (SkewT(df=9), [0.4]),
        (GaussianMixture(), [-1.0, 0.8, -0.3]),
        (Tweedie(power=1.4), []),
    ],
)
def test_what_scipy_computes_of_the_distributions_that_it_does_not_have(likelihood, shapes):
    """Skewness and entropy are from the generator's own density and quantiles; ours are means over levels."""
    distribution = likelihood.distribution(np.array([[1.0], [0.3], *([shape] for shape in shapes)]))
    y = distribution.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert distribution.stats("s")[0] == pytest.approx(np.mean(((y - y.mean()) / y.std()) ** 3), abs=0.02)
    if not isinstance(likelihood, Tweedie):  # a mixed distribution has no differential entropy
        assert distribution.entropy()[0] == pytest.approx(-distribution.logpdf(y).mean(), rel=1e-3)
