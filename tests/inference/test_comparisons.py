"""Likelihood ratio, score and Wald tests: against statsmodels, against each other, and on the boundary."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import statsmodels.api as sm
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer, likelihood_ratio_test, score_test, wald_test
from sklearn_mle.likelihoods import StudentT
from tests.inference.r_data import HP_WT, MPG

rng = np.random.default_rng(1)
N = 250
X = pd.DataFrame(rng.standard_normal((N, 4)), columns=list("abcd"))
LOGIT = 0.2 + X.to_numpy() @ [0.8, -0.4, 0.3, 0.0]
BINARY = (rng.random(N) < 1 / (1 + np.exp(-LOGIT))).astype(int)
CLASSES = (np.outer(LOGIT, [1, 0, -1]) + rng.gumbel(size=(N, 3))).argmax(axis=1)
REAL = LOGIT + rng.standard_normal(N)
COUNTS = rng.poisson(np.exp(0.5 * LOGIT))
WEIGHT = rng.integers(0, 3, N)
AB = ["a", "b"]


def design(columns):
    return sm.add_constant(X[columns].to_numpy())


def test_likelihood_ratio_as_statsmodels():
    small, large = MLELogisticClassifier().fit(X[AB], BINARY), MLELogisticClassifier().fit(X, BINARY)
    found = likelihood_ratio_test(small, large, X, BINARY)
    fits = [sm.Logit(BINARY, design(columns)).fit(disp=0) for columns in (AB, list("abcd"))]
    assert found.statistic == pytest.approx(2 * (fits[1].llf - fits[0].llf), rel=1e-9)
    assert found.df == 2 and found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 2), rel=1e-12)
    arrays = [MLELogisticClassifier().fit(X[columns].to_numpy(), BINARY) for columns in (AB, list("abcd"))]
    again = likelihood_ratio_test(*arrays, (X[AB].to_numpy(), X.to_numpy()), BINARY)
    assert again.statistic == pytest.approx(found.statistic, rel=1e-10)
    pipe = make_pipeline(make_column_transformer(("passthrough", AB)), MLELogisticClassifier()).fit(X, BINARY)
    assert likelihood_ratio_test(pipe, large, X, BINARY).statistic == pytest.approx(found.statistic, rel=1e-10)


def test_likelihood_ratio_of_least_squares_ours_and_theirs():
    ours = [GaussianMLERegressor().fit(X[columns], REAL, WEIGHT) for columns in (AB, list("abcd"))]
    theirs = [LinearRegression().fit(X[columns], REAL, WEIGHT) for columns in (AB, list("abcd"))]
    found = likelihood_ratio_test(*ours, X, REAL, sample_weight=WEIGHT, small_sample=False)
    again = likelihood_ratio_test(*theirs, X, REAL, sample_weight=WEIGHT, small_sample=False)
    assert found.statistic == pytest.approx(again.statistic, rel=1e-8)
    assert found.statistic == pytest.approx(2 * (ours[1].log_likelihood_ - ours[0].log_likelihood_), rel=1e-9)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 2), rel=1e-12)
    rows = np.repeat(np.arange(N), WEIGHT)
    exact = likelihood_ratio_test(*theirs, X, REAL, sample_weight=WEIGHT)
    f, p, df = (
        sm.OLS(REAL[rows], design(list("abcd"))[rows]).fit().compare_f_test(sm.OLS(REAL[rows], design(AB)[rows]).fit())
    )
    assert exact.statistic == pytest.approx(f, rel=1e-9) and exact.p_value == pytest.approx(p, rel=1e-8)
    assert exact.df == df and exact.df_resid == len(rows) - 5


def test_likelihood_ratio_of_least_squares_is_rs_anova():
    """R: anova(lm(mpg ~ hp, mtcars), lm(mpg ~ hp + wt, mtcars))."""
    small, large = (GaussianMLERegressor().fit(HP_WT[:, :k], MPG) for k in (1, 2))
    found = likelihood_ratio_test(small, large, (HP_WT[:, :1], HP_WT), MPG)
    assert (found.df, found.df_resid) == (1, 29)
    assert found.statistic == pytest.approx(37.56091, rel=1e-6)
    assert found.p_value == pytest.approx(1.1196e-06, rel=1e-4)
    # Where the scale is known, chi-squared is exact.
    small, large = (GaussianMLERegressor(scale=2.6).fit(HP_WT[:, :k], MPG) for k in (1, 2))
    assert np.isinf(likelihood_ratio_test(small, large, (HP_WT[:, :1], HP_WT), MPG).df_resid)


def test_heteroscedasticity_is_a_likelihood_ratio():
    small, large = GaussianMLERegressor().fit(X, REAL), GaussianMLERegressor(scale="log_linear").fit(X, REAL)
    assert likelihood_ratio_test(small, large, X, REAL).df == 4


@pytest.mark.parametrize("extra", [0, 1])
def test_a_dispersion_is_tested_on_the_boundary(extra):
    y = rng.negative_binomial(2, 2 / (2 + np.exp(0.5 * LOGIT)))
    columns = list("abcd")
    small = MLERegressor("poisson").fit(X[columns[: 4 - extra]], y)
    large = MLERegressor("negative_binomial").fit(X, y)
    found = likelihood_ratio_test(small, large, X, y)
    d = 1 + extra
    rest = stats.chi2.sf(found.statistic, d - 1) if extra else 0.0
    assert found.df == d and "boundary" in found.name
    assert found.p_value == pytest.approx(0.5 * (stats.chi2.sf(found.statistic, d) + rest), rel=1e-12)


def test_light_tails_are_no_evidence_for_students_t():
    light = LOGIT + rng.uniform(-1, 1, N)
    small, large = GaussianMLERegressor().fit(X, light), MLERegressor(StudentT(df=None)).fit(X, light)
    found = likelihood_ratio_test(small, large, X, light)
    assert found.statistic == pytest.approx(0, abs=1e-6) and found.p_value == pytest.approx(1, abs=1e-3)


def test_counts_without_over_dispersion_are_no_evidence_for_the_negative_binomial():
    even = np.arange(N) % 3
    small, large = MLERegressor("poisson").fit(X, even), MLERegressor("negative_binomial").fit(X, even)
    found = likelihood_ratio_test(small, large, X, even)
    assert found.statistic == pytest.approx(0, abs=1e-6) and found.p_value == pytest.approx(1, abs=1e-3)


def test_likelihood_ratio_errors():
    small, large = MLELogisticClassifier().fit(X[AB], BINARY), MLELogisticClassifier().fit(X, BINARY)
    with pytest.raises(ValueError, match="more restrictions first"):
        likelihood_ratio_test(large, small, X, BINARY)
    with pytest.raises(ValueError, match="a pair has the data"):
        likelihood_ratio_test(small, large, (X, X, X), BINARY)
    with pytest.raises(ValueError, match="larger: .*fitted with a penalty"):
        likelihood_ratio_test(small, MLELogisticClassifier(C=1.0).fit(X, BINARY), X, BINARY)
    with pytest.raises(ValueError, match="not nested"):
        likelihood_ratio_test(GaussianMLERegressor().fit(X[AB], REAL), MLERegressor("gumbel").fit(X, REAL), X, REAL)
    noise = rng.standard_normal((N, 3))
    other = MLELogisticClassifier().fit(noise, BINARY)
    with pytest.raises(ValueError, match="smaller has terms that no combination of larger's columns gives .*'a', 'b'"):
        likelihood_ratio_test(small, other, (X[AB], noise), BINARY)


def score_statistic(y, mean, variance, columns):
    A = design(columns)
    gradient = A.T @ (y - mean)
    return gradient @ np.linalg.solve((A.T * variance) @ A, gradient)


@pytest.mark.parametrize("sparse", [False, True])
def test_score_test_against_the_formula(sparse):
    extra = X[["c", "d"]].to_numpy()
    model = MLELogisticClassifier().fit(X[AB].to_numpy(), BINARY)
    p = model.predict_proba(X[AB].to_numpy())[:, 1]
    small = sp.csr_array(X[AB].to_numpy()) if sparse else X[AB].to_numpy()
    found = score_test(model, small, BINARY, sp.csr_array(extra) if sparse else extra)
    assert found.df == 2
    assert found.statistic == pytest.approx(score_statistic(BINARY, p, p * (1 - p), list("abcd")), rel=1e-9)
    poisson = MLERegressor("poisson").fit(X[AB], COUNTS)
    mean = poisson.predict(X[AB])
    found = score_test(poisson, X[AB], COUNTS, extra)
    assert found.statistic == pytest.approx(score_statistic(COUNTS, mean, mean, list("abcd")), rel=1e-9)


def test_score_test_of_least_squares_is_n_r2():
    model = GaussianMLERegressor().fit(X[AB], REAL)
    residual = REAL - model.predict(X[AB])
    r2 = sm.OLS(residual, design(list("abcd"))).fit().rsquared
    assert score_test(model, X[AB], REAL, X[["c", "d"]]).statistic == pytest.approx(N * r2, rel=1e-9)


@pytest.mark.parametrize("weight", [WEIGHT, np.full(N, 3), np.full(N, 0.25)], ids=["copies", "three", "a quarter"])
def test_the_score_test_counts_weights_in_the_callers_unit(weight):
    """Not in units of the mean weight, in which everything else of a fit is computed."""
    model = MLELogisticClassifier().fit(X[AB], BINARY, sample_weight=weight)
    found = score_test(model, X[AB], BINARY, X[["c", "d"]], sample_weight=weight)
    p = model.predict_proba(X[AB])[:, 1]
    A = design(list("abcd"))
    gradient = A.T @ (weight * (BINARY - p))
    expected = gradient @ np.linalg.solve((A.T * (weight * p * (1 - p))) @ A, gradient)
    assert found.statistic == pytest.approx(expected, rel=1e-8)


def test_score_and_ratio_agree_near_the_null():
    model = MLELogisticClassifier().fit(X[AB], CLASSES)
    ratio = likelihood_ratio_test(model, MLELogisticClassifier().fit(X[[*AB, "d"]], CLASSES), X, CLASSES)
    score = score_test(model, X[AB], CLASSES, X["d"])
    assert score.df == ratio.df == 2
    assert score.statistic == pytest.approx(ratio.statistic, rel=0.1)


def test_score_test_errors():
    model = MLELogisticClassifier().fit(X[AB], BINARY)
    with pytest.raises(ValueError, match="depend on the others"):
        score_test(model, X[AB], BINARY, X["a"] + X["b"])
    scales = GaussianMLERegressor(scale="log_linear").fit(X[AB], REAL)
    with pytest.raises(ValueError, match="depend on the others"):
        score_test(scales, X[AB], REAL, np.column_stack([X["c"], X["a"]]))
    with pytest.raises(ValueError, match="one row per row"):
        score_test(model, X[AB], BINARY, X["c"][:-1])
    with pytest.raises(ValueError, match="smaller: .*fitted with a penalty"):
        score_test(MLELogisticClassifier(C=1.0).fit(X[AB], BINARY), X[AB], BINARY, X["c"])


def test_wald_tests_as_statsmodels():
    model, theirs = GaussianMLERegressor().fit(X, REAL), sm.OLS(REAL, design(list("abcd"))).fit()
    R = np.array([[0, 1, 1, 0, 0], [0, 0, 0, 1, -1]])
    found = wald_test(model, None, None, np.column_stack([R, np.zeros(2)]), [0.2, 0.1])
    expected = theirs.f_test((R, [0.2, 0.1]))
    assert found.statistic == pytest.approx(float(expected.fvalue), rel=1e-9)
    assert found.p_value == pytest.approx(float(expected.pvalue), rel=1e-8)
    assert repr(found).startswith("Wald test: F(2, 245) = ")
    robust = wald_test(model, X, REAL, ["c", "d"], covariance="HC1", small_sample=False)
    expected = sm.OLS(REAL, design(list("abcd"))).fit(cov_type="HC1").wald_test(np.eye(5)[3:], scalar=True)
    assert robust.statistic == pytest.approx(float(expected.statistic), rel=1e-8) and robust.df_resid == np.inf
    assert wald_test(model, None, None, "a").df == 1


def test_wald_errors():
    result = infer(GaussianMLERegressor().fit(X, REAL))
    for R, message in [
        (["a", "e"], "R: cannot read 'e'"),
        (np.eye(3), "column per parameter"),
        ([[0, 1, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0]], "depend on each other"),
    ]:
        with pytest.raises(ValueError, match=message):
            result.wald_test(R)
    for r in (np.nan, np.inf, [0.0, 0.0]):
        with pytest.raises(ValueError, match="r must be a finite number, or one for each of the 1 rows of R"):
            result.wald_test(["a"], r)
    double = X.assign(e=X["a"])
    with pytest.warns(UserWarning, match="rank deficient"):
        lost = infer(GaussianMLERegressor().fit(double, REAL))
    with pytest.raises(ValueError, match="do not determine"):
        lost.wald_test(["a"])
    both = np.zeros(len(lost.parameters))
    both[[lost.parameters.index("a"), lost.parameters.index("e")]] = 1
    assert lost.wald_test(both).statistic == pytest.approx(result.wald_test("a").statistic, rel=1e-8)
