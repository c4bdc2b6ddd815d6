"""Divergences of distributions: closed forms against 50 digits and against quadrature, near and far."""

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy import stats

from sklearn_mle.likelihoods import Tweedie
from sklearn_mle.metrics import gaussian_kl_divergence, kl_divergence
from sklearn_mle.metrics._distributions import RowDistributions
from sklearn_mle.metrics._kl_of_distributions import _CLOSED_FORMS, _integrated, kl_of_distributions

PAIRS = {
    "norm": [((0, 1), (0.3, 2.0)), ((0, 1), (1e-6, 1.0)), ((0, 1), (0, 1 + 1e-6))],
    "laplace": [((0, 1), (0.3, 2.0)), ((0, 1), (0.7, 1.0)), ((0, 1), (1e-6, 1.0))],
    "expon": [((0, 1), (0, 2.0)), ((1, 1), (0.5, 1.0))],
    "uniform": [((0, 1), (-1, 3.0))],
    "gumbel_r": [((0, 1), (0.3, 2.0)), ((0, 1), (1e-4, 1.0))],
    "gumbel_l": [((0, 1), (0.3, 2.0))],
    "weibull_min": [((1.5, 0, 2), (1.0, 0, 1)), ((1.5, 0, 2), (1.5001, 0, 2))],
    "gamma": [((2, 0, 1), (2, 0, 2.0)), ((2, 0, 1), (3, 0, 0.3)), ((2, 0, 1), (2.0001, 0, 1))],
    "beta": [((2, 3), (1.0, 1.5)), ((2, 3), (2.0001, 3.0)), ((2, 3, 0, 9), (2.5, 3.0, 0, 9))],
    "lognorm": [((0.5, 0, 1), (0.7, 0, 2.0))],
    "invgauss": [((1.0, 0, 2), (2.0, 0, 1.0))],
    "poisson": [((2.5,), (1.0,)), ((2.5,), (2.5 + 1e-6,))],
    "binom": [((7, 0.3), (7, 0.2)), ((5, 0.3), (7, 0.2))],
    "bernoulli": [((0.3,), (0.2,))],
    "nbinom": [((2.5, 0.3), (2.5, 0.2)), ((2.5, 0.3), (3.0, 0.2))],
    "geom": [((0.3,), (0.2,))],
}
CASES = [(name, p, q) for name, of_family in PAIRS.items() for p, q in of_family]


def test_every_closed_form_is_tested():
    assert {type(getattr(stats, name)) for name in PAIRS} == set(_CLOSED_FORMS)


@pytest.mark.parametrize(("name", "p", "q"), CASES, ids=str)
def test_closed_forms_are_the_integrals(name, p, q):
    true, predicted = getattr(stats, name)(*p), getattr(stats, name)(*q)
    closed = kl_of_distributions(true, predicted)
    with np.errstate(all="ignore"):
        integral = _integrated(RowDistributions(true), RowDistributions(predicted), 1)
    np.testing.assert_allclose(closed, integral, rtol=1e-8)
    assert closed > 0
    np.testing.assert_array_equal(kl_of_distributions(true, true), 0)


@pytest.mark.parametrize("mean", [0.0, 1e-12, 3.0, 1e8])
@pytest.mark.parametrize("ratio", [1.0, 1 + 1e-9, 0.6, 1.5, 1e-80, 1e80])
def test_gaussians_at_fifty_digits(mean, ratio):
    with mp.workdps(50):
        s = mpf(ratio)
        expected = float((s * s - 1) / 2 - mp.log(s) + mpf(mean) ** 2 / 2)
    ours = gaussian_kl_divergence(mean, ratio, 0.0, 1.0)
    assert ours == pytest.approx(expected, rel=1e-14)
    assert kl_divergence(stats.norm(mean, ratio), stats.norm(0, 1)) == pytest.approx(expected, rel=1e-14)
    assert gaussian_kl_divergence(mean, ratio, 0.0, 1.0, base=2) == pytest.approx(ours / np.log(2), rel=1e-15)


@pytest.mark.parametrize("b", [1.0 + 1e-9, 1e-300, 7.0, 1e300])
def test_counts_at_fifty_digits(b):
    with mp.workdps(50):
        expected = float(mpf(b) - 1 - mp.log(mpf(b)))
    assert kl_divergence(stats.poisson(1.0), stats.poisson(b)) == pytest.approx(expected, rel=1e-14)


def test_log_linear_scales_weights_and_broadcasting():
    mean, std = np.array([0.0, 1.0, 2.0]), np.exp([0.0, 0.5, -1.0])
    rows = [gaussian_kl_divergence(m, s, 0.0, 2.0) for m, s in zip(mean, std, strict=True)]
    for value in (
        kl_divergence(stats.norm(mean, std), stats.norm(0.0, 2.0)),
        gaussian_kl_divergence(mean, std, 0.0, 2.0),
    ):
        assert value == pytest.approx(np.mean(rows), rel=1e-14)
    weighted = kl_divergence(stats.norm(mean, std), stats.norm(0.0, 2.0), sample_weight=[1, 0, 3])
    assert weighted == pytest.approx((rows[0] + 3 * rows[2]) / 4, rel=1e-14)


def test_families_without_a_closed_form():
    with mp.workdps(20):

        def log_t(x):
            return mp.log(mp.gamma(2) / (mp.sqrt(3 * mp.pi) * mp.gamma(1.5))) - 2 * mp.log1p(x * x / 3)

        def integrand(x):
            return mp.exp(log_t(x)) * (log_t(x) + mp.log(mp.sqrt(2 * mp.pi)) + x * x / 2)

        expected = float(2 * mp.quad(integrand, [0, 1, 10, 100, mp.inf]))
    # Its tail makes up a millionth of it.
    assert kl_divergence(stats.t(3), stats.norm()) == pytest.approx(expected, rel=1e-9)
    assert kl_divergence(stats.t(2), stats.norm()) == np.inf
    near = kl_divergence(stats.logistic(0, 1), stats.logistic(1e-5, 1))
    assert near == pytest.approx(0.5e-10 / 3, rel=1e-6)  # half the Fisher information of the location


def test_what_one_calls_impossible_is_infinite():
    assert kl_divergence(stats.uniform(-1, 3), stats.uniform(0, 1)) == np.inf
    assert kl_divergence(stats.norm(), stats.uniform(0, 1)) == np.inf
    assert kl_divergence(stats.poisson(2.0), stats.poisson(0.0)) == np.inf
    assert kl_divergence(stats.poisson(0.0), stats.poisson(2.0)) == 2
    assert kl_divergence(stats.expon(0, 1), stats.expon(1, 1)) == np.inf
    assert kl_divergence(stats.binom(7, 0.2), stats.binom(5, 0.2)) == np.inf


def test_refusals():
    with pytest.raises(TypeError, match="y_pred is a list where the other is a distribution"):
        kl_divergence(stats.norm(), [[0.5, 0.5]])
    with pytest.raises(TypeError, match="y_true is a list where the other is a distribution"):
        kl_divergence([[0.5, 0.5]], stats.norm())
    with pytest.raises(ValueError, match="one is discrete, the other is not"):
        kl_divergence(stats.poisson(1.0), stats.norm())
    with pytest.raises(ValueError, match="y_true has 2 distributions and y_pred 3"):
        kl_divergence(stats.norm([0.0, 1.0]), stats.norm([0.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match="the divergence of row 1 is nan"):
        kl_divergence(stats.norm([0.0, 1.0], [1.0, -1.0]), stats.norm())
    with pytest.raises(ValueError, match="labels and log_proba are for rows of probabilities"):
        kl_divergence(stats.norm(), stats.norm(), log_proba=True)
    with pytest.raises(ValueError, match=r"std_true\[1\] is 0.0: it must be finite and positive"):
        gaussian_kl_divergence([0.0, 1.0], [1.0, 0.0], 0.0, 1.0)
    with pytest.raises(ValueError, match=r"mean_pred\[0\] is nan: it must be finite\."):
        gaussian_kl_divergence([0.0, 1.0], 1.0, np.nan, 1.0)
    with pytest.raises(ValueError, match=r"must have shape \(n,\) or \(\), with one n"):
        gaussian_kl_divergence([0.0, 1.0], 1.0, [0.0, 1.0, 2.0], 1.0)
    with pytest.raises(ValueError, match=r"must have shape \(n,\) or \(\), with one n"):
        gaussian_kl_divergence(np.zeros((2, 2)), 1.0, 0.0, 1.0)


def test_the_zeros_of_a_tweedie_distribution_count():
    mean, dispersion = np.array([0.8, 2.0, 300.0]), np.array([1.1, 0.7, 1e-4])
    power = 1.5
    true, predicted = (
        Tweedie(power).distribution(np.log([mean * change, dispersion / change])) for change in (1.0, 1.3)
    )
    # At given numbers of events both are gamma distributions: what is left is an integral over the positive amounts.
    # By the trapezoidal rule in log y, whose integrand is smooth and vanishes at both ends.
    v = np.linspace(-40.0, 6.0, 20_001)[:, None]
    y = np.exp(v)
    log_p, log_q = true.logpdf(y), predicted.logpdf(y)
    integral = np.trapezoid(np.exp(log_p) * (log_p - log_q) * y, v, axis=0)
    events = [(mean * change) ** 0.5 / (dispersion / change) / 0.5 for change in (1.0, 1.3)]
    of_zeros = np.exp(-events[0]) * (events[1] - events[0])
    found = kl_of_distributions(true, predicted)
    np.testing.assert_allclose(found[:2], (integral + of_zeros)[:2], rtol=1e-6)
    assert of_zeros[0] > 0.2 * found[0]
    assert found[2] == pytest.approx(integral[2], rel=1e-6)  # there are no zeros
    np.testing.assert_array_equal(kl_of_distributions(true, true), 0)


def test_an_atom_of_one_distribution_alone():
    tweedie, gamma = Tweedie(1.5).distribution(np.zeros((2, 1))), stats.gamma([2.0])
    assert kl_of_distributions(tweedie, gamma)[0] == np.inf
    y = np.linspace(1e-6, 60, 60_001)[:, None]
    integral = np.trapezoid((gamma.pdf(y) * (gamma.logpdf(y) - tweedie.logpdf(y))).ravel(), y.ravel())
    assert kl_of_distributions(gamma, tweedie)[0] == pytest.approx(integral, rel=1e-5)
