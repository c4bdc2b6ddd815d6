"""Stated cases of inference: one row a case."""

import math

import mpmath
import numpy as np
import pandas as pd
from scipy import optimize, stats
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import RankDeficiencyWarning, SeparationWarning
from sklearn_mle.inference import (
    detect_separation,
    infer,
    likelihood_ratio_test,
    mean_interval,
    profile_interval,
    score_test,
    wald_test,
)
from tests.hard_inputs.matrix.case import Case, Refuses, Right, Warns
from tests.hard_inputs.matrix.of_classes import DECADES, NEAR, TINY_AND_HUGE, YEAR, N, Y, Z
from tests.hard_inputs.matrix.references import least_squares, standard_errors

REAL = 1 + Z @ [1.0, -0.7] + np.random.default_rng(5).standard_normal(N)
COUNTS = np.random.default_rng(6).poisson(np.exp(0.3 + 0.4 * Z[:, 0])).astype(float)
# A 2 x 2 table with an empty cell: 9 rows of class 0 where x = 0; 5 of class 0 and 6 of class 1 where x = 1.
TABLE_X, TABLE_Y = np.repeat([0.0, 1.0], [9, 11])[:, None], np.repeat([0, 0, 1], [9, 5, 6])
LEVERAGE_ONE = np.column_stack([Z[:, 0], np.arange(N) == 3])
CHI = stats.chi2.ppf(0.95, 1)


def logistic(X, y=Y, weight=None, **params):
    return MLELogisticClassifier(**params).fit(X, y, sample_weight=weight)


def errors_of(X, y=Y, weight=None, given=None):
    """Standard errors of the coefficients, then the intercept: without the data, and with them."""
    model = logistic(X, y, weight)
    with_data = infer(model, X, y, sample_weight=weight)
    return np.concatenate([np.roll(one.standard_errors, -1) for one in (infer(model), with_data)])


def twice(X, y=Y, **given):
    return lambda: standard_errors("logit", X, y, **given) * 2


def gaussian_errors(X=Z, y=REAL):
    """s^2 (X'X)^-1 with s^2 = RSS / (n - p), in rational arithmetic but for the root."""
    D = mpmath.matrix(np.column_stack([np.asarray(X, float), np.ones(len(y))]).tolist())
    with mpmath.workdps(50):
        rss = least_squares(X, y)[1]
        variance = mpmath.mpf(rss.numerator) / rss.denominator / (len(y) - D.cols)
        inverse = (D.T * D) ** -1
        return [float(mpmath.sqrt(variance * inverse[a, a])) for a in range(D.cols)]


def huber_errors(X):
    """Of coefficients and intercept: the inverse of the Hessian of Huber's NLL, written out, at the estimate."""
    model = MLERegressor("huber").fit(X, REAL)
    with mpmath.workdps(50):
        z = [
            (
                mpmath.mpf(float(y))
                - model.intercept_
                - sum(mpmath.mpf(float(a)) * float(b) for a, b in zip(x, model.coef_, strict=True))
            )
            / model.scale_
            for x, y in zip(X, REAL, strict=True)
        ]
        H = mpmath.matrix(4, 4)
        for x, one in zip(X, z, strict=True):
            bend, slope = (1, one) if abs(one) <= 1.35 else (0, mpmath.sign(one) * mpmath.mpf(1.35))
            row = [mpmath.mpf(float(v)) / model.scale_ for v in (*x, 1.0)]
            for a in range(3):
                for b in range(3):
                    H[a, b] += bend * row[a] * row[b]
                H[a, 3] += (bend * one + slope) * row[a]
                H[3, a] = H[a, 3]
            H[3, 3] += one * (bend * one + slope)
        inverse = H**-1
        return [float(mpmath.sqrt(inverse[a, a])) for a in range(3)]


def of_huber(X):
    model = MLERegressor("huber").fit(X, REAL)
    return np.roll(model.standard_errors()[:3], -1)


def hc3_by_hand():
    D = np.column_stack([np.ones(N), Z])
    bread = np.linalg.inv(D.T @ D)
    residual = REAL - D @ (bread @ D.T @ REAL)
    leverage = np.einsum("ij,jk,ik->i", D, bread, D)
    meat = (D.T * (residual / (1 - leverage)) ** 2) @ D
    return np.sqrt(np.diag(bread @ meat @ bread))


def profile_of_the_empty_cell():
    """The log odds ratio runs to infinity; its lower end by brute force over the two logits of the table."""

    def profile(b):
        def loss(a):
            return 9 * np.logaddexp(0, a) + 5 * np.logaddexp(0, a + b) + 6 * np.logaddexp(0, -a - b)

        return optimize.minimize_scalar(loss, bracket=(-3, 0), tol=1e-14).fun

    best = 5 * math.log(11 / 5) + 6 * math.log(11 / 6)
    return [optimize.brentq(lambda b: 2 * (profile(b) - best) - CHI, 0.1, 20, xtol=1e-12), np.inf]


def separated_profile():
    model = logistic(TABLE_X, TABLE_Y, on_separation="ignore")
    return profile_interval(model, TABLE_X, TABLE_Y, "x0").interval


def poisson_profile():
    """Of a mean alone: 2 (l(m) - l(b)) is the quantile at both ends."""
    m, n = COUNTS.mean(), N
    fall = lambda b: 2 * n * (m * (math.log(m) - b) - m + math.exp(b)) - CHI  # noqa: E731
    return [optimize.brentq(fall, math.log(m) - 3, math.log(m)), optimize.brentq(fall, math.log(m), math.log(m) + 3)]


def separated_errors():
    """nan for what diverges (the log odds of the empty cell), as the limiting model has it."""
    return logistic(TABLE_X, TABLE_Y).standard_errors()


def dependent_errors():
    return GaussianMLERegressor().fit(Z[:, [0, 0, 1]], REAL).standard_errors()[:4]


def dependent_truth():
    of_first, of_second, of_intercept = gaussian_errors()
    return [of_intercept, np.nan, np.nan, of_second] if of_first else None


def limits():
    found = detect_separation(pd.DataFrame({"treated": TABLE_X[:, 0]}), TABLE_Y)
    return [found.coef_limits[0, 0], found.intercept_limits[0], found.separated.sum()]


CASES = [
    Case("errors of a year column", lambda: errors_of(YEAR), Right(twice(YEAR), 1e-7)),
    Case("errors of columns that differ by 1e-7", lambda: errors_of(NEAR), Right(twice(NEAR), 1e-5)),
    Case("errors at 1e-300 and 1e300", lambda: errors_of(TINY_AND_HUGE), Right(twice(TINY_AND_HUGE), 1e-8)),
    Case(
        "errors under weights over twenty decades",
        lambda: errors_of(Z, Y, DECADES),
        Right(twice(Z, weight=DECADES), 1e-7),
    ),
    Case("errors of float32", lambda: errors_of(YEAR.astype("f4")), Right(twice(YEAR.astype("f4")), 1e-7)),
    Case(
        "gaussian errors",
        lambda: np.roll(GaussianMLERegressor().fit(Z, REAL).standard_errors()[:3], -1),
        Right(gaussian_errors, 1e-11),
    ),
    Case(
        "gaussian errors in units of 1e12",
        lambda: np.roll(GaussianMLERegressor().fit(Z, REAL * 1e12).standard_errors()[:3], -1),
        Right(lambda: gaussian_errors(Z, REAL * 1e12), 1e-11),
    ),
    Case("huber's errors", lambda: of_huber(Z), Right(lambda: huber_errors(Z), 1e-9)),
    Case(
        "huber's errors of columns that differ by 1e-7", lambda: of_huber(NEAR), Right(lambda: huber_errors(NEAR), 1e-5)
    ),
    Case(
        "HC3, by hand",
        lambda: infer(LinearRegression().fit(Z, REAL), Z, REAL, covariance="HC3").standard_errors[:3],
        Right(hc3_by_hand, 1e-10),
    ),
    Case(
        "HC3 with a leverage of one",
        lambda: infer(GaussianMLERegressor().fit(LEVERAGE_ONE, REAL), LEVERAGE_ONE, REAL, covariance="HC3"),
        Refuses("HC3.*rows have leverage one"),
    ),
    Case(
        "HC2 with a leverage of one",
        lambda: infer(GaussianMLERegressor().fit(LEVERAGE_ONE, REAL), LEVERAGE_ONE, REAL, covariance="HC2"),
        Refuses("HC2.*rows have leverage one"),
    ),
    Case(
        "one cluster",
        lambda: infer(logistic(Z), Z, Y, covariance="cluster", groups=np.zeros(N)),
        Refuses("groups.*two"),
    ),
    Case(
        "clusters of nan",
        lambda: infer(logistic(Z), Z, Y, covariance="cluster", groups=np.full(N, np.nan)),
        Refuses("groups.*NaN"),
    ),
    Case(
        "groups without clusters",
        lambda: infer(logistic(Z), Z, Y, groups=np.arange(N)),
        Refuses("groups and covariance"),
    ),
    Case("a penalized fit", lambda: infer(logistic(Z, C=1.0)), Refuses("penalized=")),
    Case("a penalized fit, its summary", lambda: logistic(Z, C=1.0).summary(), Refuses("penalized=")),
    Case("class weights", lambda: infer(logistic(Z, class_weight="balanced"), Z, Y), Refuses("penalized=")),
    Case("a penalized LogisticRegression", lambda: infer(LogisticRegression().fit(Z, Y), Z, Y), Refuses("penalized=")),
    Case(
        "other outcomes than the fit's", lambda: infer(logistic(Z), Z, 1 - Y), Refuses(r"nats below the maximum.*X, y")
    ),
    Case(
        "other classes than the fit's",
        lambda: infer(logistic(Z), Z, np.where(Y, "a", "b")),
        Refuses("y holds labels that fit did not see"),
    ),
    Case(
        "a restriction twice",
        lambda: infer(logistic(Z)).wald_test([[0, 1, 0], [0, 2, 0]]),
        Refuses("R: the rows depend"),
    ),
    Case(
        "a restriction of nothing",
        lambda: infer(logistic(Z)).wald_test([[0, 0, 0]]),
        Refuses("R: the rows .0. are combinations with zero variance"),
    ),
    Case("a restriction of nan", lambda: infer(logistic(Z)).wald_test([[0, np.nan, 0]]), Refuses("R must hold finite")),
    Case(
        "a restriction of an unknown name",
        lambda: wald_test(logistic(Z), Z, Y, ["age"]),
        Refuses("R: cannot read 'age'"),
    ),
    Case(
        "a test is the square of z",
        lambda: infer(logistic(Z)).wald_test("x0").statistic,
        Right(lambda: (infer(logistic(Z)).estimates[1] / standard_errors("logit", Z, Y)[0]) ** 2, 1e-7),
    ),
    Case("a level of one", lambda: infer(logistic(Z)).confidence_intervals(1.0), Refuses("confidence_level")),
    Case(
        "a function of the parameters",
        lambda: infer(logistic(Z)).delta_method(lambda b: 3 * b[1]).standard_error,
        Right(lambda: 3 * standard_errors("logit", Z, Y)[0], 1e-8),
    ),
    Case("a profile under separation", separated_profile, Right(profile_of_the_empty_cell, 1e-7)),
    Case(
        "a profile, by hand",
        lambda: (
            profile_interval(
                MLERegressor("poisson").fit(np.zeros((N, 1)), COUNTS), np.zeros((N, 1)), COUNTS, "intercept"
            ).interval
        ),
        Warns(RankDeficiencyWarning, "column 0", poisson_profile, 1e-8),
    ),
    Case(
        "the profile of a prior",
        lambda: profile_interval(logistic(Z, C=1.0), Z, Y),
        Refuses("maximum of the likelihood"),
    ),
    Case(
        "the profile of a kink",
        lambda: profile_interval(MLERegressor("laplace").fit(Z, REAL), Z, REAL),
        Refuses(r"Laplace\(\) has kinks"),
    ),
    Case("errors under separation", separated_errors, Warns(SeparationWarning, "column 0", lambda: [np.nan, np.nan])),
    Case("errors of a column twice", dependent_errors, Warns(RankDeficiencyWarning, "column", dependent_truth, 1e-10)),
    Case("where a separated table goes", limits, Right(lambda: [np.inf, -np.inf, 9])),
    Case(
        "separation of one class", lambda: detect_separation(Z, np.ones(N)), Refuses(r"\by\b.*fewer than two classes")
    ),
    Case(
        "separation of real outcomes",
        lambda: detect_separation(Z, REAL, likelihood="gaussian"),
        Refuses("likelihood='gaussian'"),
    ),
    Case(
        "models that are not nested",
        lambda: likelihood_ratio_test(
            MLERegressor("poisson").fit(Z[:, :1], COUNTS),
            MLERegressor("gaussian").fit(Z, COUNTS),
            (Z[:, :1], Z),
            COUNTS,
        ),
        Refuses("smaller.*larger.*nested"),
    ),
    Case(
        "a model beside itself",
        lambda: likelihood_ratio_test(logistic(Z), logistic(Z), Z, Y),
        Refuses("larger has 3 parameters"),
    ),
    Case(
        "a ratio for other outcomes",
        lambda: likelihood_ratio_test(logistic(Z[:, :1]), logistic(Z), (Z[:, :1], Z), 1 - Y),
        Refuses(r"X, y"),
    ),
    Case(
        "an extra column that is there",
        lambda: score_test(logistic(Z), Z, Y, extra=Z[:, 0]),
        Refuses("extra: some of its columns depend"),
    ),
    Case(
        "an extra constant",
        lambda: score_test(logistic(Z), Z, Y, extra=np.ones(N)),
        Refuses("extra: some of its columns depend"),
    ),
    Case(
        "a mean far beyond the data",
        lambda: mean_interval(infer(MLERegressor("poisson").fit(Z, COUNTS)), [[1e6, 0.0]]),
        Right(lambda: [np.inf, np.inf]),
    ),
    Case(
        "as many parameters as rows",
        lambda: infer(LinearRegression().fit(Z[:3], REAL[:3]), Z[:3], REAL[:3]),
        Refuses("perfect"),
    ),
    Case(
        "sampling weights of any unit",
        lambda: (
            infer(
                logistic(Z, Y, DECADES**0.1), Z, Y, sample_weight=DECADES**0.1, weight_type="sampling"
            ).standard_errors
            - infer(
                logistic(Z, Y, 1e9 * DECADES**0.1), Z, Y, sample_weight=1e9 * DECADES**0.1, weight_type="sampling"
            ).standard_errors
            + 1
        ),
        Right(lambda: [1.0] * 3, 1e-9),
    ),
]
