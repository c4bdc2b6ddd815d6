"""The CRPS against textbook forms at 50 digits, against its definition, and against scoringrules."""

from itertools import pairwise

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy import stats

from sklearn_mle.likelihoods import (
    Gamma,
    Gumbel,
    InverseGaussian,
    LogNormal,
    NegativeBinomial,
    Poisson,
    StudentT,
    Weibull,
)
from sklearn_mle.metrics import crps
from sklearn_mle.metrics._crps_closed_forms import _CLOSED_FORMS
from sklearn_mle.metrics._distributions import RowDistributions
from sklearn_mle.metrics.crps import _integrated, crps_rows


def normal_cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def of_norm(z):
    return z * (2 * normal_cdf(z) - 1) + 2 * mp.npdf(z) - 1 / mp.sqrt(mp.pi)


def of_student_t(z, df):
    density = (1 + z * z / df) ** (-(df + 1) / 2) / (mp.sqrt(df) * mp.beta(mpf(1) / 2, df / 2))
    tail = mp.betainc(df / 2, mpf(1) / 2, 0, df / (df + z * z), regularized=True) / 2
    sign = mp.sign(z) * (1 - 2 * tail)
    spread = 2 * mp.sqrt(df) / (df - 1) * mp.beta(mpf(1) / 2, df - mpf(1) / 2) / mp.beta(mpf(1) / 2, df / 2) ** 2
    return z * sign + 2 * density * (df + z * z) / (df - 1) - spread


def of_gamma(z, a):
    below = [mp.gammainc(k, 0, max(z, 0), regularized=True) for k in (a, a + 1)]
    return z * (2 * below[0] - 1) - a * (2 * below[1] - 1) - 1 / mp.beta(mpf(1) / 2, a)


def of_beta(z, a, b):
    below = [mp.betainc(k, b, 0, min(max(z, 0), 1), regularized=True) for k in (a, a + 1)]
    spread = 2 * mp.beta(2 * a, 2 * b) / (a * mp.beta(a, b) ** 2)
    return z * (2 * below[0] - 1) + a / (a + b) * (1 - 2 * below[1] - spread)


def of_lognormal(z, s):
    w = mp.log(z) / s if z > 0 else -mp.inf
    tails = normal_cdf(w - s) + normal_cdf(s / mp.sqrt(2)) - 1
    return z * (2 * normal_cdf(w) - 1) - 2 * mp.exp(s * s / 2) * tails


def of_weibull(z, c):
    t = max(z, mpf(0)) ** c
    mean = mp.gamma(1 + 1 / c)
    share = mp.gammainc(1 + 1 / c, 0, t, regularized=True)
    return z * (1 - 2 * mp.exp(-t)) + mean * (mpf(2) ** (-1 / c) - 2 * share)


def of_poisson(z, mu):
    k = mp.floor(z)
    below = mp.gammainc(k + 1, mu, regularized=True) if k >= 0 else 0
    mass = mp.exp(k * mp.log(mu) - mu - mp.loggamma(k + 1)) if k >= 0 else 0
    spread = mu * mp.exp(-2 * mu) * (mp.besseli(0, 2 * mu) + mp.besseli(1, 2 * mu))
    return (z - mu) * (2 * below - 1) + 2 * mu * mass - spread


def of_negative_binomial(z, n, p):
    k = mp.floor(z)
    below = [
        mp.betainc(m, k + 1 - shift, 0, p, regularized=True) if k >= shift else 0 for m, shift in ((n, 0), (n + 1, 1))
    ]
    spread = n * (1 - p) / p**2 * mp.hyp2f1(n + 1, mpf(1) / 2, 2, -4 * (1 - p) / p**2)
    return z * (2 * below[0] - 1) - n * (1 - p) / p * (2 * below[1] - 1) - spread


def of_binomial(z, n, p):
    total, below = mpf(0), mpf(0)
    for k in range(int(n) + 1):
        below += mp.binomial(n, k) * p**k * (1 - p) ** (n - k)
        low, high = mpf(k), mpf(k + 1)
        cut = min(max(z, low), high)
        total += (cut - low) * below**2 + (high - cut) * (1 - below) ** 2
    return total + max(-z, 0) + max(z - n - 1, 0)


def of_asymmetric_laplace(z, kappa):
    def below(x):
        share = kappa**2 / (1 + kappa**2)
        return share * mp.exp(x / kappa) if x < 0 else 1 - (1 - share) * mp.exp(-kappa * x)

    left = mp.quad(lambda x: below(x) ** 2, sorted([-mp.inf, min(z, 0), z]))
    return left + mp.quad(lambda x: (1 - below(x)) ** 2, sorted([z, max(z, 0), mp.inf]))


POINTS = [-300.0, -3.0, -1e-9, 0.0, 1e-12, 0.3, 1.0, 2.5, 37.0, 1e5]


def of_inverse_gaussian(z, mu):
    """The integral of its definition over log x; of scipy's parameters, whose mean is mu and whose shape is one."""

    def tails(v):
        r, s = mp.exp(v / 2) / mu - mp.exp(-v / 2), mp.exp(v / 2) / mu + mp.exp(-v / 2)
        second = mp.exp(2 / mu) * normal_cdf(-s)
        return normal_cdf(r) + second, normal_cdf(-r) - second

    at = mp.log(z) if z > 0 else mpf(-60)
    width = min(mp.sqrt(mu), 1)
    middle = sorted({at, mp.log(mu), *(mp.log(mu) + width * k for k in (-12, -4, -1, 1, 4, 12))})
    cuts = [mpf(-60), *middle, mp.log(mu) + 8 * width + mp.log(1 + mu) + 6]
    total = max(-z, 0)
    for left, right in pairwise(cuts):
        side = 0 if right <= at else 1
        total += mp.quad(lambda v, side=side: tails(v)[side] ** 2 * mp.exp(v), [left, right])
    return total


REFERENCES = {
    "norm": (of_norm, [()], POINTS),
    "laplace": (lambda z: abs(z) + mp.exp(-abs(z)) - mpf(3) / 4, [()], POINTS),
    "logistic": (lambda z: abs(z) + 2 * mp.log1p(mp.exp(-abs(z))) - 1, [()], POINTS),
    "gumbel_r": (lambda z: -z + 2 * mp.e1(mp.exp(-z)) + mp.euler - mp.log(2), [()], [*POINTS[:-1], 700.0]),
    "gumbel_l": (lambda z: z + 2 * mp.e1(mp.exp(z)) + mp.euler - mp.log(2), [()], [-700.0, *POINTS[1:-1]]),
    "expon": (lambda z: abs(z) + 2 * mp.exp(-max(z, 0)) - mpf(3) / 2, [()], [z for z in POINTS if z >= 0]),
    "uniform": (lambda z: z * z - z + mpf(1) / 3, [()], [0.0, 1e-12, 0.3, 0.5, 1.0]),
    "laplace_asymmetric": (of_asymmetric_laplace, [(0.3,), (2.0,)], [-30.0, -3.0, -1e-9, 0.0, 0.3, 30.0]),
    "t": (of_student_t, [(1.1,), (3.0,), (250.0,)], POINTS),
    "gamma": (of_gamma, [(0.01,), (0.7,), (30.0,), (250.0,)], [*POINTS[:-1], 250.0, 400.0]),
    "beta": (of_beta, [(0.01, 3.0), (2.0, 0.5), (20.0, 30.0)], [-2.0, 0.0, 1e-12, 0.3, 0.4, 0.999, 1.0, 3.0]),
    "invgauss": (of_inverse_gaussian, [(0.01,), (30.0,)], [-3.0, 0.0, 0.0101, 3.0]),
    "lognorm": (of_lognormal, [(1e-4,), (0.01,), (0.5,), (0.999,), (1.001,), (6.0,)], [*POINTS, 1.0001, 0.99]),
    "weibull_min": (of_weibull, [(0.3,), (0.7,), (2.0,), (20.0,)], POINTS),
    "poisson": (of_poisson, [(1e-6,), (0.7,), (30.0,)], [-3.0, 0.0, 0.5, 1.0, 2.0, 37.0]),
    "nbinom": (of_negative_binomial, [(0.01, 0.9), (2.5, 0.4), (30.0, 0.2)], [-3.0, 0.0, 0.5, 1.0, 37.0, 120.0]),
    "binom": (of_binomial, [(1, 0.3), (7, 0.01), (60, 0.5)], [-3.0, 0.0, 0.5, 1.0, 30.0, 70.0]),
}
CASES = [(name, shapes) for name, (_, of_shapes, _) in REFERENCES.items() for shapes in of_shapes]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shapes"), CASES, ids=str)
def test_closed_forms_at_fifty_digits(name, shapes):
    reference, _, points = REFERENCES[name]
    y = np.array(points)
    with mp.workdps(50):
        expected = [reference(mpf(z), *(mpf(shape) for shape in shapes)) for z in points]
        ours = crps_rows(y, getattr(stats, name)(*shapes))
        errors = [abs(float(value) - float(truth)) for value, truth in zip(ours, expected, strict=True)]
        scale = [float(abs(truth)) for truth in expected]
    np.testing.assert_array_less(errors, 2e-12 * np.array(scale) + 2e-16)


def test_large_shapes_approach_the_normal_limit_without_losing_digits():
    # The leading corrections are of order 1 / shape, so these agree only if T and G cancel nothing.
    z = np.array([-1.5, 0.0, 0.8])
    of_normal = crps_rows(z, stats.norm())
    np.testing.assert_allclose(crps_rows(z, stats.t(1e12)), of_normal, rtol=1e-11)
    k = 1e12
    np.testing.assert_allclose(crps_rows(k + np.sqrt(k) * z, stats.gamma(k)) / np.sqrt(k), of_normal, rtol=1e-5)
    np.testing.assert_allclose(
        crps_rows(k + np.round(np.sqrt(k) * z), stats.poisson(k)) / np.sqrt(k), of_normal, rtol=1e-5
    )


@pytest.mark.parametrize("shape", [0.02, 0.1, 0.29])
def test_weibull_s_heavy_tails(shape):
    """Of means up to 1e64, far above all outcomes but a few: with 150 digits."""
    points = np.array([1e-30, 1e-3, 1.0, 7.0, 1e20])
    found = crps_rows(points, stats.weibull_min(np.full(5, shape)))
    with mp.workdps(150):
        c = mpf(shape)
        mean, least = mp.gamma(1 + 1 / c), mp.gamma(1 + 1 / c) * mpf(2) ** (-1 / c)
        for value, z in zip(found, map(mpf, points), strict=True):
            t = z**c
            exact = z * (1 - 2 * mp.exp(-t)) - 2 * mp.gammainc(1 + 1 / c, 0, t) + least
            assert least < mean
            assert value == pytest.approx(float(exact), rel=1e-12)


def test_scores_of_narrow_and_of_nearly_poisson_rows():
    """They approach the normal distribution's by a part of order cv, and the Poisson distribution's by one of a mu."""
    for cv in (1e-4, 1e-7):
        law = InverseGaussian().distribution(np.array([[0.0, 0.0], [-2 * np.log(cv)] * 2]))
        of_normal = crps_rows(np.array([0.0, 1.0]), stats.norm(0, 1))
        np.testing.assert_allclose(crps_rows(np.array([1.0, 1 + cv]), law) / cv, of_normal, rtol=cv + 1e-9)
    log_mean, y = np.log([[0.3, 70.0, 3e6]]), np.array([1.0, 78.0, 3_002_000.0])
    for log_dispersion, part in ((-30.0, 1e-6), (-80.0, 1e-12), (-600.0, 1e-12)):
        law = NegativeBinomial().distribution(np.vstack([log_mean, np.full((1, 3), log_dispersion)]))
        np.testing.assert_allclose(crps_rows(y, law), crps_rows(y, Poisson().distribution(log_mean)), rtol=part)


def test_an_inverse_gaussian_of_a_mean_far_above_its_shape():
    """mpmath with 40 digits, quad of F^2 below and of (1 - F)^2 above y over log y, by pieces."""
    for log_mean, log_shape, y, exact in (
        (40.0, -2.3, 0.093, 5.185933935994451),
        (40.0, -2.3, 3.0, 6.693642556654381),
        (25.0, 0.0, 3.0, 29.539281378155735),
        (5.0, -2.0, 0.5, 0.9143373718497124),
    ):
        law = InverseGaussian().distribution(np.array([[log_mean], [log_shape]]))
        assert crps_rows(np.array([y]), law)[0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(
    "likelihood", [Gamma(), InverseGaussian(), LogNormal(), Weibull(), Gumbel(), StudentT(df=4)], ids=str
)
def test_a_score_has_the_unit_of_its_wild_rows(likelihood):
    """CRPS(c y) of c Y is c CRPS(y): c is a power of two, its logarithm a shift of eta."""
    rng = np.random.default_rng(0)
    eta = np.stack([rng.uniform(-20, 20, 40), np.log(10.0) * rng.uniform(-3, 3, 40)])
    y = np.abs(likelihood.distribution(eta).rvs(random_state=0)) + 1e-30
    powers = likelihood.unit_powers if likelihood.equivariance == "scale" else (None, 1.0)
    for c in (2.0**-300, 2.0**300):
        moved = eta + np.log(c) * np.array([[powers[0] or 0.0], [powers[1]]])
        if powers[0] is None:
            moved[0] = c * eta[0]
        one, other = (crps_rows(at, likelihood.distribution(of)) for at, of in ((y, eta), (c * y, moved)))
        # Rows of log-scales beyond a hundred have scores beyond the floats.
        held = np.isfinite(one) & np.isfinite(other)
        assert held.sum() > 20
        np.testing.assert_allclose(other[held] / c, one[held], rtol=1e-8)


def test_every_closed_form_is_tested():
    assert {type(getattr(stats, name)) for name in REFERENCES} == set(_CLOSED_FORMS)


@pytest.mark.parametrize(("name", "shapes"), CASES, ids=str)
def test_closed_forms_are_integrals_of_the_distribution_function(name, shapes):
    if name == "beta" and min(shapes) < 0.1:
        pytest.skip("all mass lies at 0 and below 1e-100: quantiles underflow")
    y = np.array([-0.5, 0.0, 0.2, 0.5, 0.9, 1.0, 1.5, 3.0])
    distribution = getattr(stats, name)(*shapes)
    by_parts = _integrated(RowDistributions(distribution), y)
    np.testing.assert_allclose(crps_rows(y, distribution), by_parts, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1.0, 1e150])
@pytest.mark.parametrize("name", ["norm", "gamma", "t", "lognorm", "laplace_asymmetric", "expon"])
def test_scores_are_in_the_units_of_y(name, scale):
    shapes = REFERENCES[name][1][-1]
    z = np.array([0.1, 1.0, 2.0])
    of_family = getattr(stats, name)
    np.testing.assert_allclose(
        crps_rows(scale * z, of_family(*shapes, scale=scale)), scale * crps_rows(z, of_family(*shapes)), rtol=1e-12
    )


def test_smooth_distributions_without_a_closed_form():
    y = np.array([-40.0, 0.0, 0.4, 3.0, 200.0])
    for name, shapes in [("hypsecant", ()), ("johnsonsu", (0.5, 1.5)), ("genextreme", (-0.2,)), ("t", (1.0,))]:
        distribution = getattr(stats, name)(*shapes)
        for value, rows in zip(y, crps_rows(y, distribution), strict=True):
            expected = definition(distribution, value)
            assert rows == pytest.approx(expected, rel=1e-8), (name, value)


def definition(distribution, y):
    # In x = sinh(u), so that scipy's adaptive rule sees tails of any weight.
    from scipy.integrate import quad

    middle = np.arcsinh(y)
    pieces = [(-60.0, middle, distribution.cdf), (middle, 60.0, distribution.sf)]
    total = 0.0
    for low, high, tail in pieces:
        cuts = np.unique(np.clip([low, -10, -5, -3, -1, 0, 1, 2, 3, 5, 7, 10, 20, high], low, high))
        for a, b in pairwise(cuts):
            total += quad(lambda u, tail=tail: tail(np.sinh(u)) ** 2 * np.cosh(u), a, b, epsabs=1e-11, epsrel=1e-9)[0]
    return total


def test_student_t_of_few_degrees_of_freedom():
    # Cauchy's is log(1 + y^2) / pi + 2 y arctan(y) / pi - log(4) / pi + ..., checked at 0: (2 / pi) log 2.
    assert crps([0.0], stats.cauchy()) == pytest.approx(2 / np.pi * np.log(2), rel=1e-12)
    assert crps([0.0], stats.t(1.0)) == pytest.approx(2 / np.pi * np.log(2), rel=1e-12)
    just_above, just_below = crps([0.5], stats.t(1.0501)), crps([0.5], stats.t(1.0499))
    assert just_above == pytest.approx(just_below, rel=1e-3)
    assert crps([0.0], stats.t(0.4)) == np.inf


def test_counts_without_a_closed_form():
    y = np.array([0.0, 2.5, 4.0, 9.0])
    for distribution in (stats.geom(0.3), stats.randint(0, 7), stats.betabinom(8, 2.0, 3.0)):
        k = np.arange(-1, 400)
        f = distribution.cdf(k)
        for value, score in zip(y, crps_rows(y, distribution), strict=True):
            inside = np.clip(value - k, 0, 1)
            assert score == pytest.approx(np.sum(inside * f**2 + (1 - inside) * (1 - f) ** 2), rel=1e-12)
    with pytest.raises(ValueError, match="spread over the whole numbers from .* closed forms for scipy.stats' poisson"):
        crps(y, stats.geom(1e-11))


def test_an_atom_and_a_density_together():
    from sklearn_mle.likelihoods import Tweedie

    eta = np.array([[0.3, 0.3, 0.3], [0.2, 0.2, 0.2]])
    distribution = Tweedie(power=1.5).distribution(eta)
    y = np.array([0.0, 0.7, 5.0])
    x = np.linspace(0, 60, 20_001)
    f = Tweedie(power=1.5).distribution(np.tile(eta[:, :1], len(x))).cdf(x)
    for value, score in zip(y, crps_rows(y, distribution), strict=True):
        assert score == pytest.approx(np.trapezoid((f - (x >= value)) ** 2, x), rel=1e-3)


def test_what_is_certain_costs_its_distance():
    np.testing.assert_array_equal(crps_rows(np.array([1.0, 3.0]), stats.norm(1.0, 0.0)), [0.0, 2.0])


def test_mean_over_rows_with_weights():
    y, mean, std = np.array([0.0, 1.0, 4.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 2.0, 0.5])
    distribution = stats.norm(mean, std)
    rows = [crps([a], stats.norm(m, s)) for a, m, s in zip(y, mean, std, strict=True)]
    assert crps(y, distribution) == pytest.approx(np.mean(rows), rel=1e-14)
    assert crps(y, distribution, sample_weight=[2, 0, 1]) == pytest.approx((2 * rows[0] + rows[2]) / 3, rel=1e-14)
    # One distribution for all rows.
    assert crps(y, stats.norm()) == pytest.approx(np.mean([crps([a], stats.norm()) for a in y]), rel=1e-14)


def test_refusals():
    with pytest.raises(TypeError, match="y_pred is a list; a distribution is needed"):
        crps([0.0], [0.0])
    with pytest.raises(ValueError, match=r"y_pred has loc of shape \(3,\) for outcomes of shape \(2,\)"):
        crps([0.0, 1.0], stats.norm([0.0, 1.0, 2.0], 1.0))
    with pytest.raises(ValueError, match=r"the CRPS of y_true\[1\] = 1.0 is nan: the distribution of row 1 is not def"):
        crps([0.0, 1.0], stats.norm([0.0, 1.0], [1.0, -1.0]))
    with pytest.raises(ValueError, match=r"the CRPS of y_true\[0\] = 0.0 is nan"):
        crps([0.0, 1.0], stats.johnsonsu([np.nan, 1.0], 1.0))
    with pytest.raises(ValueError, match=r"y_true\[1\] is inf: outcomes must be finite"):
        crps([0.0, np.inf], stats.norm())
    with pytest.raises(ValueError, match=r"sample_weight\[0\] is -1.0"):
        crps([0.0, 1.0], stats.norm(), sample_weight=[-1, 1])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (stats.norm(0.3, 2.0), lambda sr, y: sr.crps_normal(y, 0.3, 2.0)),
        (stats.laplace(0.3, 2.0), lambda sr, y: sr.crps_laplace(y, 0.3, 2.0)),
        (stats.logistic(0.3, 2.0), lambda sr, y: sr.crps_logistic(y, 0.3, 2.0)),
        (stats.t(4.0, 0.3, 2.0), lambda sr, y: sr.crps_t(y, 4.0, 0.3, 2.0)),
        (stats.gamma(2.5, scale=2.0), lambda sr, y: sr.crps_gamma(y, 2.5, scale=2.0)),
        (stats.lognorm(0.7, scale=np.exp(0.3)), lambda sr, y: sr.crps_lognormal(y, 0.3, 0.7)),
        (stats.beta(2.0, 3.0, scale=20.0), lambda sr, y: sr.crps_beta(y, 2.0, 3.0, 0.0, 20.0)),
        (stats.poisson(2.5), lambda sr, y: sr.crps_poisson(y, 2.5)),
        (stats.binom(9, 0.3), lambda sr, y: sr.crps_binomial(y, 9, 0.3)),
        (stats.nbinom(3.0, 0.4), lambda sr, y: sr.crps_negbinom(y, 3.0, 0.4)),
    ],
    ids=lambda value: value.dist.name if hasattr(value, "dist") else "",
)
def test_agreement_with_scoringrules(ours, theirs):
    scoringrules = pytest.importorskip("scoringrules")
    y = np.array([1.0, 2.0, 5.0, 9.0])
    np.testing.assert_allclose(crps_rows(y, ours), theirs(scoringrules, y), rtol=1e-7)
