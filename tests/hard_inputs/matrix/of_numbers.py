"""Stated cases of regression: one row a case."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pandas as pd
import scipy.sparse as sp

from sklearn_mle import GaussianMLERegressor, MLERegressor
from sklearn_mle.exceptions import (
    PerfectFitWarning,
    RankDeficiencyWarning,
    SeparationWarning,
    UnboundedLikelihoodWarning,
)
from tests.hard_inputs.matrix.case import Case, Refuses, Right, Warns
from tests.hard_inputs.matrix.references import glm, least_squares

rng = np.random.default_rng(2)
N = 30
Z = np.round(rng.standard_normal((N, 2)) * 64) / 64
Y = 1 + Z @ [1.0, -0.7] + rng.standard_normal(N)
COUNTS = rng.poisson(np.exp(0.5 + 0.5 * Z[:, 0])).astype(float)
YEAR = np.column_stack([2000 + np.arange(N) % 3 - 1.0, Z[:, 1]])
NEAR = np.column_stack([Z[:, 0], Z[:, 0] + 1e-7 * Z[:, 1]])
DECADES = 10.0 ** rng.uniform(-10, 10, N)
SPARSE = np.where(np.abs(Z) > 0.6, Z, 0.0)
# Two groups of odd sizes: means, medians, logarithms of means and frequencies are the whole answer.
GROUP = np.repeat([0.0, 1.0], [13, 17])
DUMMY = GROUP[:, None]
POSITIVE = np.exp(Y)
ZERO_GROUP = np.where(np.arange(N) % 5 == 0, 1.0, 0.0)
NO_ZEROS = np.where(ZERO_GROUP == 1, 0.0, COUNTS + 1)


def gaussian(X, y, sample_weight=None, offset=None, **params):
    """Coefficients, the intercept, the scale."""
    model = GaussianMLERegressor(**params).fit(X, y, sample_weight=sample_weight, offset=offset)
    return np.array([*model.coef_, model.intercept_, model.scale_])


def regression(likelihood, X, y, sample_weight=None, offset=None, **params):
    """Coefficients, then the intercept."""
    model = MLERegressor(likelihood, **params).fit(X, y, sample_weight=sample_weight, offset=offset)
    return np.append(model.coef_, model.intercept_)


def with_second(likelihood, X, y, **params):
    model = MLERegressor(likelihood, **params).fit(X, y)
    return np.array([*model.coef_, model.intercept_, list(model.parameters_.values())[1]])


def ols(X, y=Y, weight=None, unit=1.0, ridge=0.0):
    def truth():
        theta, rss = least_squares(X, y, weight, ridge)
        variance = rss / (len(y) if weight is None else sum(map(Fraction, weight.tolist())))
        return [*theta, float(mpmath.sqrt(mpmath.mpf(variance.numerator) / variance.denominator))]

    return truth


def poisson(X, y=COUNTS, **given):
    return lambda: glm("poisson", X, y, **given)


def by_group(statistic, y=Y):
    """A statistic of group 1 less that of group 0, and that of group 0."""
    first, second = statistic(y[GROUP == 0]), statistic(y[GROUP == 1])
    return [second - first, first]


def medians():
    first, second = np.median(Y[GROUP == 0]), np.median(Y[GROUP == 1])
    return [second - first, first, np.abs(Y - np.where(GROUP == 1, second, first)).mean()]


def gamma_by_group():
    """Means by group; then log k - digamma(k) = mean(y / m - log(y / m)) - 1 has one root k."""
    means = by_group(lambda y: math.log(y.mean()), POSITIVE)
    ratio = POSITIVE / np.exp(means[1] + means[0] * GROUP)
    k = mpmath.findroot(
        lambda k: mpmath.log(k) - mpmath.digamma(k) - float(np.mean(ratio - np.log(ratio))) + 1,
        (0.05, 50.0),
        solver="anderson",
    )
    return [*means, float(k)]


def inverse_gaussian_by_group():
    """Means by group; 1 / lambda is the mean of 1 / y - 1 / m."""
    means = by_group(lambda y: math.log(y.mean()), POSITIVE)
    m = np.exp(means[1] + means[0] * GROUP)
    return [*means, 1 / np.mean(1 / POSITIVE - 1 / m)]


def outlying(size):
    y = Y.copy()
    y[3] = size
    return y


def score_of_huber(epsilon=1.35, size=1e9):
    """How far from zero the score is at the estimate, in standard errors: written out here, in extended precision."""
    model = MLERegressor("huber").fit(Z, outlying(size))
    z = (outlying(size).astype(np.longdouble) - model.intercept_ - Z @ model.coef_) / model.scale_
    psi = np.clip(z, -epsilon, epsilon)
    score = np.column_stack([Z * psi[:, None], psi, z * psi - 1])
    return float(np.abs(score.sum(axis=0) / np.sqrt((score**2).sum(axis=0))).max()) < 1e-9


def score_of_student_t(df=4, size=1e9):
    y = outlying(size).astype(np.longdouble)
    from sklearn_mle.likelihoods import StudentT

    model = MLERegressor(StudentT(df=df)).fit(Z, y)
    z = (y - model.intercept_ - Z @ model.coef_) / model.scale_
    psi = (df + 1) * z / (df + z**2)
    score = np.column_stack([Z * psi[:, None], psi, z * psi - 1])
    return float(np.abs(score.sum(axis=0) / np.sqrt((score**2).sum(axis=0))).max()) < 1e-9


def exposure_of_1e3():
    """The mean of counts over exposures of exp(1000), which no float64 holds."""
    return [float(mpmath.log(sum(COUNTS)) - mpmath.log(mpmath.fsum(mpmath.exp(1000 + float(z)) for z in Z[:, 0])))]


def log_linear_by_group():
    """Each group has its own mean and standard deviation."""
    model = GaussianMLERegressor(scale="log_linear").fit(DUMMY, Y)
    return [*model.coef_, model.intercept_, *model.scale_coef_, model.scale_intercept_]


def log_linear_truth():
    return [*by_group(np.mean), *by_group(lambda y: math.log(y.std()))]


def binomial_counts():
    trials = np.arange(N) % 4
    successes = np.minimum(np.arange(N) % 3, trials)
    return np.column_stack([successes, trials - successes]).astype(float)


def logit_by_group():
    k, m = (np.array([binomial_counts()[g == GROUP, j].sum() for g in (0, 1)]) for j in (0, 1))
    logits = np.log(k / m)
    return [logits[1] - logits[0], logits[0]]


def perfect(y, X=Z):
    model = GaussianMLERegressor().fit(X, y)
    return [*model.predict(X), model.scale_, model.log_likelihood_]


def one_row_dummy():
    X = pd.DataFrame({"a": Z[:, 0], "only_row_7": (np.arange(N) == 7) * 1.0})
    return GaussianMLERegressor(scale="log_linear").fit(X, Y).coef_.shape


def refused(likelihood, value, row=4):
    y = np.full(N, 0.5)
    y[row] = value
    return lambda: regression(likelihood, Z, y)


CASES = [
    Case("a year column, 2000 +- 1", lambda: gaussian(YEAR, Y), Right(ols(YEAR), 1e-12)),
    Case("two columns that differ by 1e-7", lambda: gaussian(NEAR, Y), Right(ols(NEAR), 1e-9)),
    Case(
        "columns of 1e-300 and 1e300", lambda: gaussian(Z * [1e-300, 1e300], Y), Right(ols(Z * [1e-300, 1e300]), 1e-12)
    ),
    Case("y in units of 1e12", lambda: gaussian(Z, Y * 1e12), Right(ols(Z, Y * 1e12), 1e-13)),
    Case("y in units of 1e-12", lambda: gaussian(Z, Y * 1e-12), Right(ols(Z, Y * 1e-12), 1e-13)),
    Case("y in units of 1e-300", lambda: gaussian(Z, Y * 1e-300), Right(ols(Z, Y * 1e-300), 1e-13)),
    Case("y of a mean of 1e9", lambda: gaussian(Z, Y + 1e9), Right(ols(Z, Y + 1e9), 1e-13)),
    Case("float32 is what it holds", lambda: gaussian(YEAR.astype("f4"), Y), Right(ols(YEAR.astype("f4")), 1e-12)),
    Case("float32 outcomes", lambda: gaussian(Z, Y.astype("f4")), Right(ols(Z, Y.astype("f4")), 1e-12)),
    Case("weights over twenty decades", lambda: gaussian(Z, Y, DECADES), Right(ols(Z, Y, DECADES), 1e-9)),
    Case("offsets of 1e3", lambda: gaussian(Z, Y, offset=np.full(N, 1e3)), Right(ols(Z, Y - 1e3), 1e-12)),
    Case("a penalty", lambda: gaussian(Z, Y, alpha=2.0)[:3], Right(lambda: least_squares(Z, Y, ridge=2.0)[0], 1e-12)),
    Case("sparse", lambda: gaussian(sp.csr_array(SPARSE), Y), Right(ols(SPARSE), 1e-12)),
    Case("a frame of nullable numbers", lambda: gaussian(pd.DataFrame(Z).astype("Float64"), Y), Right(ols(Z), 1e-12)),
    Case("a scale for each group", log_linear_by_group, Right(log_linear_truth, 1e-9)),
    Case("a known scale", lambda: gaussian(Z, Y, scale=3.0), Right(lambda: [*least_squares(Z, Y)[0], 3.0], 1e-12)),
    Case("laplace: medians", lambda: with_second("laplace", DUMMY, Y), Right(medians, 1e-12)),
    Case(
        "laplace: an outlier of 1e9",
        lambda: regression("laplace", DUMMY, np.where(Y[:13].max() == Y, 1e9, Y)),
        Right(lambda: by_group(np.median), 1e-12),
    ),
    Case("huber: an outlier of 1e9", score_of_huber, Right(lambda: True)),
    Case("student_t: an outlier of 1e9", score_of_student_t, Right(lambda: True)),
    Case("gamma: two groups", lambda: with_second("gamma", DUMMY, POSITIVE), Right(gamma_by_group, 1e-9)),
    Case(
        "gamma in units of 1e200",
        lambda: regression("gamma", DUMMY, POSITIVE * 1e200),
        Right(lambda: by_group(lambda y: math.log(y.mean()), POSITIVE * 1e200), 1e-12),
    ),
    Case(
        "inverse gaussian: two groups",
        lambda: with_second("inverse_gaussian", DUMMY, POSITIVE),
        Right(inverse_gaussian_by_group, 1e-9),
    ),
    Case("lognormal", lambda: with_second("lognormal", Z, POSITIVE), Right(ols(Z, np.log(POSITIVE)), 1e-12)),
    Case("poisson", lambda: regression("poisson", Z, COUNTS), Right(poisson(Z))),
    Case("poisson: a year column", lambda: regression("poisson", YEAR, COUNTS), Right(poisson(YEAR), 1e-9)),
    Case(
        "poisson: weights over twenty decades",
        lambda: regression("poisson", Z, COUNTS, DECADES),
        Right(poisson(Z, weight=DECADES), 1e-7),
    ),
    Case(
        "poisson: counts of 1e12",
        lambda: regression("poisson", Z, COUNTS * 1e12),
        Right(poisson(Z, COUNTS * 1e12), 1e-11),
    ),
    Case(
        "poisson: exposures of exp(1000)",
        lambda: regression("poisson", np.zeros((N, 1)), COUNTS, offset=1000 + Z[:, 0])[1:],
        Warns(RankDeficiencyWarning, "column 0", exposure_of_1e3, 1e-12),
    ),
    Case(
        "poisson: one event in 1e5 rows a group",
        lambda: regression(
            "poisson", np.repeat([[0.0], [1.0]], 100_000, axis=0), np.isin(np.arange(200_000), [5, 100_005, 100_006])
        ),
        Right(lambda: [math.log(2), -math.log(1e5)], 1e-9),
    ),
    Case(
        "poisson: a group without events",
        lambda: regression("poisson", pd.DataFrame({"a": Z[:, 0], "none": ZERO_GROUP}), NO_ZEROS)[[0, 2]],
        Warns(
            SeparationWarning, "none", lambda: glm("poisson", Z[ZERO_GROUP == 0, :1], NO_ZEROS[ZERO_GROUP == 0]), 1e-5
        ),
    ),
    Case("poisson: nothing but zeros", lambda: regression("poisson", Z, np.zeros(N)), Refuses(r"\by\b.*zero")),
    Case(
        "negative binomial without over-dispersion",
        lambda: regression("negative_binomial", DUMMY, 1 + np.arange(N) % 2),
        Right(lambda: by_group(lambda y: math.log(y.mean()), 1.0 + np.arange(N) % 2), 1e-9),
    ),
    Case(
        "tweedie: a group of zeros",
        lambda: regression("tweedie", pd.DataFrame({"none": ZERO_GROUP}), NO_ZEROS)[1:],
        Warns(SeparationWarning, "none", lambda: [math.log(NO_ZEROS[ZERO_GROUP == 0].mean())], 1e-5),
    ),
    Case(
        "binomial counts, rows without a trial",
        lambda: regression("binomial", DUMMY, binomial_counts()),
        Right(logit_by_group),
    ),
    Case("gamma: a zero", refused("gamma", 0.0), Refuses(r"\by\b.*row 4 is 0")),
    Case("lognormal: a zero", refused("lognormal", 0.0), Refuses(r"\by\b.*row 4 is 0")),
    Case("inverse gaussian: a negative", refused("inverse_gaussian", -1.0), Refuses(r"\by\b.*row 4 is -1")),
    Case("weibull: a zero", refused("weibull", 0.0), Refuses(r"\by\b.*row 4 is 0")),
    Case("beta: a zero", refused("beta", 0.0), Refuses(r"\by\b.*row 4 is 0")),
    Case("beta: a one", refused("beta", 1.0), Refuses(r"\by\b.*row 4 is 1")),
    Case("poisson: a negative", refused("poisson", -1.0), Refuses(r"\by\b.*row 4 is -1")),
    Case("tweedie: a negative", refused("tweedie", -1.0), Refuses(r"\by\b.*row 4 is -1")),
    Case("binomial: a fraction above one", refused("binomial", 1.5), Refuses(r"\by\b.*row 4 is 1.5")),
    Case(
        "y constant",
        lambda: perfect(np.full(N, 0.1)),
        Warns(PerfectFitWarning, "scale is zero", lambda: [*[0.1] * N, 0.0, np.inf]),
    ),
    Case(
        "y linear in X",
        lambda: perfect(Z @ [1.0, 2.0]),
        Warns(PerfectFitWarning, "scale is zero", lambda: [*(Z @ [1.0, 2.0]), 0.0, np.inf]),
    ),
    Case(
        "no more rows than columns",
        lambda: perfect(Y[:5], rng.standard_normal((5, 9))),
        Warns(PerfectFitWarning, "scale is zero", lambda: [*Y[:5], 0.0, np.inf]),
    ),
    Case("one row", lambda: gaussian(Z[:1], Y[:1]), Refuses("1 sample")),
    Case("one row of weight", lambda: gaussian(Z, Y, (np.arange(N) == 1) * 1.0), Refuses("1 sample.*sample_weight")),
    Case(
        "an all-zero column",
        lambda: regression("gaussian", np.insert(Z, 1, 0, axis=1), Y),
        Warns(RankDeficiencyWarning, "column 1", lambda: np.insert(least_squares(Z, Y)[0], 1, 0.0)),
    ),
    Case(
        "a dummy of one row, its own scale", one_row_dummy, Warns(UnboundedLikelihoodWarning, "only_row_7", lambda: [2])
    ),
    Case("timestamps as y", lambda: gaussian(Z, pd.date_range("2020", periods=N)), Refuses(r"\by\b")),
    Case("words as y", lambda: gaussian(Z, np.full(N, "high")), Refuses(r"\by\b.*could not convert")),
    Case("complex y", lambda: gaussian(Z, Y + 1j), Refuses(r"\by\b|[Cc]omplex")),
    Case("NA in y", lambda: gaussian(Z, pd.Series([pd.NA, *Y[1:]], dtype="Float64")), Refuses(r"\by\b.*NaN")),
    Case("two targets", lambda: gaussian(Z, np.column_stack([Y, Y])), Refuses(r"\by\b")),
    Case("an unknown likelihood", lambda: regression("cauchy", Z, Y), Refuses("likelihood.*cauchy")),
    Case(
        "a scale that poisson has not",
        lambda: regression("poisson", Z, COUNTS, predictors={"scale": 1.0}),
        Refuses("'scale'"),
    ),
    Case(
        "a density after a perfect fit",
        lambda: GaussianMLERegressor().fit(Z[:3], Y[:3]).predict_distribution(Z),
        Refuses("perfect"),
    ),
]
