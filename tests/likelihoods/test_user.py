"""A user's own likelihood from its NLL alone, the registry, and what ``check_likelihood`` says of wrong ones."""

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import norm

from sklearn_mle import MLERegressor
from sklearn_mle.likelihoods import (
    Bernoulli,
    Gamma,
    Gaussian,
    Gumbel,
    Laplace,
    Likelihood,
    Poisson,
    StudentT,
    Tweedie,
    UserLikelihood,
    check_likelihood,
    get_likelihood,
    likelihood_names,
)

rng = np.random.default_rng(0)
N = 30
ETA = rng.normal(0, 0.7, (2, N))
REAL = rng.normal(0, 2, N)
POSITIVE = np.exp(rng.normal(0, 1, N))
COUNTS = rng.poisson(2.0, N).astype(float)


class Normal(UserLikelihood):
    parameter_names = ("location", "scale")
    links = ("identity", "log")

    def nll(self, y, eta):
        location, log_scale = eta
        return 0.5 * np.log(2 * np.pi) + log_scale + 0.5 * ((y - location) * np.exp(-log_scale)) ** 2


class NotAnalytic(Normal):
    """The absolute value hides the imaginary part: a complex step would be silently wrong."""

    def nll(self, y, eta):
        location, log_scale = eta
        return 0.5 * np.log(2 * np.pi) + log_scale + 0.5 * (np.abs(y - location) * np.exp(-log_scale)) ** 2


class OnlyDouble(UserLikelihood):
    """A special function that knows neither complex nor extended numbers."""

    parameter_names = ("mean", "shape")
    links = ("log", "log")
    positive_only = True

    def nll(self, y, eta):
        k = np.exp(eta[1])
        return gammaln(k) - k * eta[1] + k * eta[0] - (k - 1) * np.log(y) + k * y * np.exp(-eta[0])


class Counts(UserLikelihood):
    parameter_names = ("mean",)
    links = ("log",)
    discrete = True

    def nll(self, y, eta):
        return np.exp(eta[0]) - y * eta[0] + gammaln(y + 1)


class WithDistribution(Normal):
    def distribution(self, eta):
        return norm(eta[0], np.exp(eta[1]))


@pytest.mark.parametrize(
    "own, built_in, y, gradient_error, hessian_error",
    [
        (Normal(), Gaussian(), REAL, 1e-15, 1e-11),
        (NotAnalytic(), Gaussian(), REAL, 1e-13, 1e-11),
        (OnlyDouble(), Gamma(), POSITIVE, 1e-10, 1e-8),
        (Counts(), Poisson(), COUNTS, 1e-15, 1e-11),
        (WithDistribution(), Gaussian(), REAL, 1e-15, 1e-11),
    ],
)
def test_derivatives_and_information_are_made(own, built_in, y, gradient_error, hessian_error):
    eta = ETA[: own.n_predictors]
    size = 1 + np.abs(built_in.nll(y, eta)) + np.abs(built_in.gradient(y, eta)).max(axis=0)
    assert (np.abs(own.gradient(y, eta) - built_in.gradient(y, eta)) / size).max() < gradient_error
    hessian = own.hessian(y, eta)
    np.testing.assert_array_equal(hessian, hessian.transpose(1, 0, 2))
    assert (np.abs(hessian - built_in.hessian(y, eta)) / size).max() < hessian_error
    expected = built_in.expected_information(eta)
    np.testing.assert_allclose(own.expected_information(eta), expected, rtol=1e-6, atol=1e-6 * expected.max())
    check_likelihood(own)
    check_likelihood(own, y)


def test_answers_have_the_type_of_eta():
    eta = ETA.astype(np.longdouble)
    for own, y in ((Normal(), REAL), (NotAnalytic(), REAL)):
        assert own.gradient(y, eta).dtype == np.longdouble
        assert own.hessian(y, eta).dtype == np.longdouble
        assert own.expected_information(eta).dtype == np.longdouble


@pytest.mark.parametrize("name", likelihood_names())
def test_the_library_s_own_pass_the_check(name):
    check_likelihood(get_likelihood(name))


@pytest.mark.parametrize("likelihood", [Bernoulli(), StudentT(df=None), StudentT(df=np.inf), Tweedie(1.2)])
def test_others_and_other_parameters_pass_the_check(likelihood):
    check_likelihood(likelihood)


def wrong(**methods):
    """Normal with some attributes replaced."""
    return type("Own", (Normal,), methods)()


@pytest.mark.parametrize(
    "own, words",
    [
        (wrong(parameter_names="location"), "parameter_names must be a tuple of names"),
        (wrong(parameter_names=("a", "a")), "must differ"),
        (wrong(convex=True), "convex is True, but the Hessian has a negative eigenvalue"),
        (wrong(quadratic=True), "quadratic is True, but the Hessian depends on eta"),
        (wrong(shift_invariant=True), "shift_invariant is True, but adding one"),
        (wrong(equivariance="scale"), "equivariance is 'scale', but nll does not follow a change of the unit"),
        (
            wrong(
                dispersion_parameter="scale",
                location_free_of_dispersion=True,
                gradient=lambda self, y, eta: Gumbel().gradient(y, eta),
            ),
            "location_free_of_dispersion is True, but the slopes",
        ),
        (
            wrong(may_diverge=True, opposes=lambda self, y: (y > 0, y < 1)),
            "opposes says False of y = .* as the location's predictor falls, but nll goes from",
        ),
        (wrong(parameter_names=("mean", "scale"), mean=lambda self, eta: 2 * eta[0]), "is 'mean', but mean"),
        (wrong(nll=lambda self, y, eta: Normal.nll(self, y, eta).sum()), r"shape \(24,\); .* shape \(\). Do not sum"),
        (wrong(nll=lambda self, y, eta: Normal.nll(self, y, eta) * np.nan), "no outcomes were found"),
        (wrong(nll=lambda self, y, eta: Normal.nll(self, y, eta) - 1.0), "integrates to 2.718 over y"),
        (wrong(nll=lambda self, y, eta: Normal.nll(self, y - y.mean(), eta)), "depends on the other rows"),
        (wrong(gradient=lambda self, y, eta: -Gaussian().gradient(y, eta)), r"gradient\[0\] is not the derivative"),
        (wrong(gradient=lambda self, y, eta: Gaussian().gradient(y, eta).T), "predictors first"),
        (wrong(hessian=lambda self, y, eta: 2 * Gaussian().hessian(y, eta)), r"hessian\[0, 0\] is not the derivative"),
        (
            wrong(hessian=lambda self, y, eta: Gaussian().gradient(y, eta)),
            r"hessian must return .*here \(2, 2, 24\)",
        ),
        (
            wrong(hessian=lambda self, y, eta: Gaussian().hessian(y, eta) * np.array([[1, 2], [1, 1]])[..., None]),
            "not symmetric",
        ),
        (wrong(expected_information=lambda self, eta: -Gaussian().expected_information(eta)), "not positive semi"),
        (wrong(expected_information=lambda self, eta: eta), "expected_information must have shape"),
        (wrong(expected_information=lambda self, eta: 2 * Gaussian().expected_information(eta)), "not the variance"),
        (wrong(distribution=lambda self, eta: norm(eta[0], 1.0)), "nll and distribution disagree: at y ="),
        (wrong(start=lambda self, y, weight: np.array([np.inf, 0.0])), "start must return one finite number"),
        (
            wrong(total_and_gradient=lambda self, y, eta, weight: Normal.total_and_gradient(self, y, eta, None)),
            "a weight of k is not k copies",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(own, words):
    with pytest.raises(ValueError, match=words) as caught:
        check_likelihood(own)
    assert str(caught.value).startswith("Own is not a likelihood yet:\n- ")


def test_all_that_is_wrong_is_said_at_once():
    own = wrong(
        nll=lambda self, y, eta: Normal.nll(self, y, eta) - 1,
        expected_information=lambda self, eta: -Gaussian().expected_information(eta),
    )
    with pytest.raises(ValueError, match=r"(?s)integrates to.*not positive semidefinite"):
        check_likelihood(own)


def test_a_constructor_that_loses_its_parameter():
    class Forgetful(Normal):
        def __init__(self, shape=1.0):
            self.other = shape

    with pytest.raises(ValueError, match="cannot be cloned .* store its parameters"):
        check_likelihood(Forgetful())


def test_counts_that_do_not_sum_to_one():
    class Improper(Counts):
        def nll(self, y, eta):
            return np.exp(eta[0]) - y * eta[0]

    with pytest.raises(ValueError, match="sums to .* over y, not to 1"):
        check_likelihood(Improper())


def test_only_instances_are_checked():
    with pytest.raises(TypeError, match=r"an instance of Likelihood: Gaussian\(\)"):
        check_likelihood(Gaussian)
    with pytest.raises(TypeError, match="got 'gaussian'"):
        check_likelihood("gaussian")


def test_defaults_of_a_likelihood_without_extras():
    own = Normal()
    assert own.start(REAL, None).tolist() == [0, 0]
    for method in (own.distribution, own.mean, own.standard_deviation):
        with pytest.raises(NotImplementedError, match="Normal has no distribution"):
            method(ETA)
    with pytest.raises(NotImplementedError, match="Normal has no deviance"):
        own.deviance(REAL, ETA)
    given = WithDistribution()
    np.testing.assert_allclose(given.mean(ETA), ETA[0])
    np.testing.assert_allclose(given.standard_deviation(ETA), np.exp(ETA[1]))
    np.testing.assert_allclose(given.quantile_at(ETA, 0.5), ETA[0])


def test_the_registry_knows_names_and_instances():
    for name in likelihood_names():
        likelihood = get_likelihood(name)
        assert isinstance(likelihood, Likelihood)
        assert get_likelihood(likelihood) is likelihood
    with pytest.raises(ValueError, match=r"likelihood='normal' is not known; the names are \['asymmetric_laplace', "):
        get_likelihood("normal")
    with pytest.raises(TypeError, match=r"give an instance: Laplace\(\)"):
        get_likelihood(Laplace)
    with pytest.raises(TypeError, match="got 3"):
        get_likelihood(3)


@pytest.mark.parametrize(
    "name, parameter, value",
    [
        ("student_t", "df", -1.0),
        ("student_t", "df", "auto"),
        ("student_t", "df", float("nan")),
        ("huber", "epsilon", 0.0),
        ("huber", "epsilon", float("inf")),
        ("asymmetric_laplace", "quantile", 1.0),
        ("tweedie", "power", 2.0),
    ],
)
def test_parameters_out_of_range_are_named(name, parameter, value):
    likelihood = get_likelihood(name).set_params(**{parameter: value})
    with pytest.raises(ValueError, match=rf"^{parameter} must be .* got {value!r}"):
        get_likelihood(likelihood)


class Interval(UserLikelihood):
    """Exponential durations known to lie in an interval: y is (lower, upper), inf where it is open."""

    parameter_names = ("mean",)
    links = ("log",)
    y_columns = (2,)
    open_ended = True
    domain = "pairs (lower, upper), 0 <= lower < upper"

    def _outside(self, y):
        return (y[0] < 0) | (y[1] <= y[0])

    def nll(self, y, eta):
        rate = np.exp(-eta[0])
        return rate * y[0] - np.log(-np.expm1(-rate * (y[1] - y[0])))

    def expected_information(self, eta):
        return np.ones((1, 1, eta.shape[1]))

    def start(self, y, weight):
        return np.array([np.log(np.average(y[0], weights=weight) + 1)])


def test_a_likelihood_of_intervals_takes_two_columns_and_open_ends():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 2))
    durations = rng.exponential(np.exp(0.5 + X @ [0.4, -0.3]))
    grid = np.array([0.0, 0.5, 1.0, 2.0, 4.0, np.inf])
    k = np.searchsorted(grid, durations) - 1
    y = np.stack([grid[k], grid[k + 1]], axis=1)
    check_likelihood(Interval(), y.T)
    model = MLERegressor(Interval()).fit(X, y)
    np.testing.assert_allclose([*model.coef_, model.intercept_], [0.4, -0.3, 0.5], atol=0.2)
    assert model.log_likelihood(X, y) == pytest.approx(model.log_likelihood_, rel=1e-12)
    with pytest.raises(ValueError, match=r"y: the Interval likelihood takes pairs .*; row 3 is \(2, 1\)"):
        MLERegressor(Interval()).fit(X[:5], [[0, 1], [1, 2], [0, np.inf], [2, 1], [0, 1]])
    with pytest.raises(ValueError, match=r"row 1 is \(nan, 2\)"):
        MLERegressor(Interval()).fit(X[:3], [[0, 1], [np.nan, 2], [0, np.inf]])


def _t_nll(y, location, log_scale, log_df):
    df, z = np.exp(log_df), (y - location) * np.exp(-log_scale)
    normalizer = gammaln(df / 2) - gammaln((df + 1) / 2) + 0.5 * np.log(np.pi * df)
    return log_scale + normalizer + (df + 1) / 2 * np.log1p(z * z / df)


class ScaleSecond(UserLikelihood):
    parameter_names = ("location", "scale", "tail")
    links = ("identity", "log", "log")
    dispersion_parameter = "scale"
    equivariance = "location_scale"
    noise_can_vanish = True

    def nll(self, y, eta):
        return _t_nll(y, eta[0], eta[1], eta[2])


class ScaleLast(ScaleSecond):
    parameter_names = ("location", "tail", "scale")

    def nll(self, y, eta):
        return _t_nll(y, eta[0], eta[2], eta[1])


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 2.0},
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ({}, {"predictors": {"scale": "linear"}}, {"predictors": {"scale": 2.5}})
        ),
    ],
)
def test_the_dispersion_may_stand_anywhere_after_the_location(options):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((100, 2))
    y = 7 + X @ [1.0, 2.0] + 3 * generator.standard_t(4, 100)
    second, last = (MLERegressor(likelihood, **options).fit(X, y) for likelihood in (ScaleSecond(), ScaleLast()))
    np.testing.assert_allclose(last._parameters[[0, 2, 1]], second._parameters, rtol=1e-9, atol=1e-9)
    assert last.log_likelihood_ == pytest.approx(second.log_likelihood_, rel=1e-12)
