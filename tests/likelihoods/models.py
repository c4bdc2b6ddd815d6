"""Every likelihood under test, with data, an independent distribution, and outcomes over which a mean is a sum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit, logsumexp, softmax

from sklearn_mle.likelihoods import (
    AsymmetricLaplace,
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Gamma,
    Gaussian,
    GaussianMixture,
    Gumbel,
    Huber,
    InverseGaussian,
    Laplace,
    Likelihood,
    Logistic,
    LogNormal,
    NegativeBinomial,
    Poisson,
    SkewT,
    StudentT,
    Tweedie,
    UserLikelihood,
    Weibull,
    likelihood_names,
)
from sklearn_mle.likelihoods._surrogates import Angular, BoundedDispersion, LeastSquares
from sklearn_mle.likelihoods.weibull import LeastGumbel

N = 60
# tanh-sinh nodes of levels in (0, 1). An even number: no level is one half, where Laplace has its kink.
_T = np.linspace(-3.1, 3.1, 200)
LEVELS = 0.5 * (1 + np.tanh(0.5 * np.pi * np.sinh(_T)))
UPPER = 0.5 * (1 - np.tanh(0.5 * np.pi * np.sinh(_T)))
LEVEL_MASS = 0.25 * np.pi * np.cosh(_T) / np.square(np.cosh(0.5 * np.pi * np.sinh(_T))) * (_T[1] - _T[0])


@dataclass
class Model:
    """A likelihood, rows for it, and the distribution it should have, written in scipy's parameters."""

    likelihood: Likelihood
    y: Any
    eta: Any
    distribution: Callable[[Any], Any] | None = None
    # Of means over the outcomes, relative to the information.
    error: float = 1e-7
    # Of derivatives beside central differences in 80-bit arithmetic, step^2 = 2e-13 times a moderate third derivative.
    difference: float = 3e-10
    # By what half the deviance is multiplied in the NLL.
    deviance_factor: Callable[[Any], Any] = lambda eta: 1.0

    def outcomes(self):
        """Pairs (y for every row, probability for every row) over which a mean is a sum."""
        if isinstance(self.likelihood, Tweedie):
            return tweedie_outcomes(self.likelihood.power, self.eta)
        if isinstance(self.likelihood, Categorical):
            return [(np.full(N, k), mass) for k, mass in enumerate(softmax(self.eta, axis=0))]
        law = self.distribution(self.eta)
        if isinstance(self.likelihood, InverseGaussian):
            # Of log y, by the trapezoidal rule: scipy's quantiles fail in the tails.
            return [(np.full(N, np.exp(v)), 0.02 * np.exp(v) * law.pdf(np.exp(v))) for v in np.arange(-10, 11, 0.02)]
        if isinstance(law, Mixture):
            # By the trapezoidal rule, from nine scales of the first component on: of sinh, for wide ones.
            grid = [(np.sinh(u), np.cosh(u)) for u in np.arange(-6, 6, 0.01)]
            centre, unit = self.eta[0], np.exp(self.eta[1])
            return [(centre + unit * x, 0.01 * slope * unit * law.pdf(centre + unit * x)) for x, slope in grid]
        if self.likelihood.discrete:
            top = 2 if isinstance(self.likelihood, Bernoulli | Binomial) else int(law.ppf(1 - 1e-14).max()) + 60
            return [(np.full(N, float(k)), law.pmf(k)) for k in range(top)]
        # From the nearer end, so that upper tails keep their digits.
        with np.errstate(all="ignore"):
            return [
                (law.ppf(level) if level < 0.5 else law.isf(upper), np.full(N, mass))
                for level, upper, mass in zip(LEVELS, UPPER, LEVEL_MASS, strict=True)
            ]


def tweedie_outcomes(power, eta):
    """The gamma amounts of each number of events."""
    mean, phi = np.exp(eta)
    events = mean ** (2 - power) / phi / (2 - power)
    alpha, unit = (2 - power) / (power - 1), phi * (power - 1) * mean ** (power - 1)
    pairs = [(np.zeros(N), np.exp(-events))]
    for j in range(1, int((events + 8 * np.sqrt(events)).max()) + 15):
        probability = stats.poisson.pmf(j, events)
        for level, upper, mass in zip(LEVELS[::4], UPPER[::4], LEVEL_MASS[::4], strict=True):
            y = stats.gamma.ppf(level, alpha * j) if level < 0.5 else stats.gamma.isf(upper, alpha * j)
            if y > 0:
                pairs.append((y * unit, 4 * mass * probability))
    return pairs


class Normal(UserLikelihood):
    """The Gaussian as a user writes it."""

    parameter_names = ("location", "scale")
    links = ("identity", "log")

    def nll(self, y, eta):
        return 0.5 * np.log(2 * np.pi) + eta[1] + 0.5 * ((y - eta[0]) * np.exp(-eta[1])) ** 2


class Mixture:
    """A mixture of scipy's Gaussians, (K, n) each."""

    def __init__(self, weights, means, scales):
        self.weights, self.parts = weights, stats.norm(means, scales)

    def logpdf(self, y):
        return logsumexp(self.parts.logpdf(y), axis=0, b=self.weights)

    def pdf(self, y):
        return (self.weights * self.parts.pdf(y)).sum(axis=0)

    def cdf(self, y):
        return (self.weights * self.parts.cdf(y)).sum(axis=0)

    def stats(self, moments):
        assert moments == "mv"
        mean = (self.weights * self.parts.mean()).sum(axis=0)
        return mean, (self.weights * (self.parts.var() + np.square(self.parts.mean() - mean))).sum(axis=0)


def mixture_of_two(eta):
    p, s = expit(eta[2]), np.exp(eta[1])
    return Mixture(
        np.stack([1 - p, p]), np.stack([eta[0], eta[0] + s * np.sinh(eta[3])]), s * [1 + 0 * p, 10 ** np.tanh(eta[4])]
    )


def mixture_of_three(eta):
    two, last, s = mixture_of_two(eta), expit(eta[5]), np.exp(eta[1])
    weights = np.concatenate([two.weights * (1 - last), last[None]])
    means, scales = two.parts.mean(), two.parts.std()
    scales = np.concatenate([scales, [s * 10 ** np.tanh(eta[7])]])
    return Mixture(weights, np.concatenate([means, [eta[0] + s * np.sinh(eta[6])]]), scales)


class SkewedT:
    """Sinh-arcsinh of scipy's t, moved and scaled: derivatives of its quantiles are those of hyperbolic functions."""

    def __init__(self, df, skewness, loc, scale):
        self.law, self.skewness, self.loc, self.scale = stats.t(df), skewness, loc, scale

    def _of_t(self, t):
        lift = np.sinh(np.arcsinh(t) + self.skewness) - np.sinh(self.skewness)
        return self.loc + self.scale * lift / np.cosh(self.skewness)

    def _arcsinh_of_y(self, y):
        x = (y - self.loc) / self.scale * np.cosh(self.skewness) + np.sinh(self.skewness)
        return np.arcsinh(x) - self.skewness

    def ppf(self, q):
        return self._of_t(self.law.ppf(q))

    def isf(self, q):
        return self._of_t(self.law.isf(q))

    def cdf(self, y):
        return self.law.cdf(np.sinh(self._arcsinh_of_y(y)))

    def logpdf(self, y):
        u = self._arcsinh_of_y(y)
        slope = np.log(np.cosh(u + self.skewness) / np.cosh(u) / np.cosh(self.skewness))
        return self.law.logpdf(np.sinh(u)) - np.log(self.scale) - slope

    def stats(self, moments):
        assert moments == "mv"
        # Of levels, by the tanh-sinh rule: near the ends from the nearer one.
        with np.errstate(all="ignore"):
            points = np.stack([self.ppf(p) if p < 0.5 else self.isf(q) for p, q in zip(LEVELS, UPPER, strict=True)])
        mean = LEVEL_MASS @ points
        return mean, LEVEL_MASS @ np.square(points - mean)


def models():
    rng = np.random.default_rng(0)
    eta = rng.normal(0, 0.7, (2, N))
    real = rng.normal(0, 2, N)
    positive = np.exp(rng.normal(0, 1, N))
    counts = rng.poisson(3, N).astype(float)
    counts[:4] = [40.0, 100.0, 17.0, 16.0]
    rate = rng.beta(1, 1, N)
    amounts = np.where(rng.random(N) < 0.3, 0, positive)
    df = np.concatenate([eta, rng.uniform(0.02, 0.9, (1, N))])
    skewed = np.vstack([eta, np.random.default_rng(1).normal(0, 0.7, N)])
    mixed = np.vstack([eta, np.array([[0.7], [0.7], [0.2]] * 2) * np.random.default_rng(2).normal(size=(6, N))])
    s, m = np.exp(eta[1]), np.exp(eta[0])
    of_scale = {"loc": eta[0], "scale": s}
    p = 1 / (1 + np.exp(-eta[0]))
    kappa = np.sqrt(0.2 / 0.8)

    rates = 0.5 * eta + np.array([[0], [2]])
    q, precision = 1 / (1 + np.exp(-rates[0])), np.exp(rates[1])

    def fixed(law):
        return lambda _: law

    out = {
        "gaussian": Model(
            Gaussian(), real, eta, fixed(stats.norm(**of_scale)), deviance_factor=lambda e: np.exp(-2 * e[1])
        ),
        # Kinks: the levels resolve a jump of the gradient to the mass of one node; Huber's is in the curvature.
        "laplace": Model(Laplace(), real, eta, fixed(stats.laplace(**of_scale)), error=0.02),
        "student_t": Model(StudentT(df=4), real, eta, fixed(stats.t(4, **of_scale))),
        "student_t, inf": Model(StudentT(df=np.inf), real, eta, fixed(stats.norm(**of_scale))),
        "student_t, estimated": Model(StudentT(df=None), real, df, fixed(stats.t(1 / df[2], **of_scale))),
        "skew_t": Model(SkewT(df=4), real, skewed, fixed(SkewedT(4, skewed[2], **of_scale))),
        "skew_t, inf": Model(SkewT(df=np.inf), real, skewed, fixed(SkewedT(np.inf, skewed[2], **of_scale))),
        "skew_t, estimated": Model(
            SkewT(df=None), real, np.vstack([skewed, df[2]]), fixed(SkewedT(1 / df[2], skewed[2], **of_scale))
        ),
        # Where the location lies between two components the third derivatives are large.
        "gaussian_mixture": Model(GaussianMixture(), real, mixed[:5], mixture_of_two, difference=2e-8),
        "gaussian_mixture, 3": Model(GaussianMixture(3), real, mixed, mixture_of_three, difference=2e-8),
        "huber": Model(Huber(), real, eta, Huber().distribution, error=0.02),
        "asymmetric_laplace": Model(
            AsymmetricLaplace(0.2),
            real,
            eta,
            fixed(stats.laplace_asymmetric(kappa, loc=eta[0], scale=s / 0.4)),
            error=0.02,
        ),
        "logistic": Model(Logistic(), real, eta, fixed(stats.logistic(**of_scale))),
        "gumbel": Model(Gumbel(), real, eta, fixed(stats.gumbel_r(**of_scale))),
        "gumbel of minima": Model(LeastGumbel(), real, eta, fixed(stats.gumbel_l(**of_scale))),
        "poisson": Model(Poisson(), counts, eta[:1] + 1, fixed(stats.poisson(np.exp(eta[0] + 1)))),
        "negative_binomial": Model(NegativeBinomial(), counts, eta, fixed(stats.nbinom(1 / s, 1 / (1 + s * m)))),
        "gamma": Model(
            Gamma(), positive, eta, fixed(stats.gamma(s, scale=m / s)), deviance_factor=lambda e: np.exp(e[1])
        ),
        "inverse_gaussian": Model(
            InverseGaussian(),
            positive,
            eta,
            fixed(stats.invgauss(m / s, scale=s)),
            deviance_factor=lambda e: np.exp(e[1]),
        ),
        "lognormal": Model(
            LogNormal(), positive, eta, fixed(stats.lognorm(s, scale=m)), deviance_factor=lambda e: np.exp(-2 * e[1])
        ),
        "weibull": Model(Weibull(), positive, eta, fixed(stats.weibull_min(s, scale=m))),
        "beta": Model(Beta(), rate, rates, fixed(stats.beta(q * precision, (1 - q) * precision))),
        "binomial": Model(Binomial(), (rate > 0.5).astype(float), eta[:1], fixed(stats.binom(1, p))),
    }
    for power in (1.1, 1.5, 1.9):
        # Its information is interpolated.
        out[f"tweedie, {power}"] = Model(
            Tweedie(power),
            amounts,
            eta + np.array([[0], [power - 1]]),
            error=1e-6,
            deviance_factor=lambda e: np.exp(-e[1]),
        )

    logit, logits = rng.normal(0, 2, (1, N)), rng.normal(0, 2, (4, N))
    law = fixed(stats.bernoulli(expit(logit[0])))
    labels, soft = rng.integers(0, 4, N), rng.dirichlet(np.ones(4), N).T.copy()
    out |= {
        "bernoulli": Model(Bernoulli(), (labels > 1).astype(float), logit, law, error=1e-12),
        "bernoulli, soft": Model(Bernoulli(), rate, logit, law, error=1e-12),
        "categorical": Model(Categorical(4), labels, logits, error=1e-12),
        "categorical, soft": Model(Categorical(4), soft, logits, error=1e-12),
        "least squares": Model(LeastSquares(), real, eta[:1], fixed(stats.norm(eta[0]))),
        # Not a density below its floor: the penalty there does not depend on y.
        "angular": Model(
            Angular(StudentT(df=None)),
            real,
            np.concatenate([eta, rng.uniform(0.4, 2.5, (1, N))]),
            lambda e: stats.t(1 / np.square(np.sin(0.5 * e[2])), loc=e[0], scale=np.exp(e[1])),
        ),
        "bounded dispersion": Model(BoundedDispersion(Gaussian(), -0.3), real, eta, fixed(stats.norm(**of_scale))),
        "user": Model(Normal(), real, eta, fixed(stats.norm(**of_scale)), error=1e-6, difference=3e-9),
    }
    return out


MODELS = models()
# What MLERegressor offers by name; the others serve classifiers, the fit, and users.
REGRESSIONS = [name for name in MODELS if name.split(",")[0] in likelihood_names()]
