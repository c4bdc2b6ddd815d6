"""Every kind of covariance against statsmodels' OLS, its models, or the formula where statsmodels' is another."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
import statsmodels.api as sm
from scipy.stats import chi2
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.fixes import parse_version

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError, RankDeficiencyWarning, SeparationWarning
from sklearn_mle.inference import drop_one, infer, mean_interval
from sklearn_mle.inference.covariance import CLUSTERED, COVARIANCES
from sklearn_mle.likelihoods import AsymmetricLaplace, StudentT, get_likelihood, likelihood_names
from tests.modelled import dispersion_as

rng = np.random.default_rng(0)
N, P = 300, 3
X = rng.standard_normal((N, P)) * [1.0, 30.0, 0.1] + [0.0, 100.0, 2.0]
Z = (X - X.mean(axis=0)) / X.std(axis=0)
LOGIT = 0.3 + Z @ [1.0, -0.5, 0.2]
BINARY = (rng.random(N) < 1 / (1 + np.exp(-LOGIT))).astype(int)
CLASSES = (np.outer(LOGIT, [1, 0, -1]) + rng.gumbel(size=(N, 3))).argmax(axis=1)
REAL = 5 + LOGIT + np.exp(0.3 * Z[:, 0]) * rng.standard_normal(N)
COUNTS = rng.poisson(np.exp(0.5 * LOGIT))
POSITIVE = np.exp(0.3 * LOGIT) * rng.gamma(3.0, size=N)
GROUPS = rng.integers(0, 25, N)
COPIES = rng.integers(0, 4, N)
PRECISIONS = rng.uniform(0.2, 3.0, N)
A = sm.add_constant(X)  # intercept first, as our parameters
L1 = {"l1_ratio": 1.0} if parse_version(sklearn.__version__) >= parse_version("1.8") else {"penalty": "l1"}


def location(result, k=P + 1):
    return result.covariance[:k, :k]


def assert_same(found, expected, rtol=1e-8):
    unit = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(found / unit / unit[:, None], expected / unit / unit[:, None], rtol=0, atol=rtol)


@pytest.fixture(scope="module")
def gaussian():
    return GaussianMLERegressor().fit(X, REAL)


@pytest.mark.parametrize("kind", ["hessian", "expected", "HC0", "HC1", "HC2", "HC3", "cluster"])
@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_as_statsmodels(kind, weighted):
    weight = PRECISIONS if weighted else None
    model = GaussianMLERegressor().fit(X, REAL, weight)
    ols = sm.WLS(REAL, A, PRECISIONS) if weighted else sm.OLS(REAL, A)
    groups = {"groups": GROUPS} if kind == "cluster" else {}
    robust = {} if kind in ("hessian", "expected") else {"cov_type": kind, "cov_kwds": groups or None}
    theirs = ols.fit(**robust)
    ours = infer(model, X, REAL, sample_weight=weight, covariance=kind, weight_type="precision", **groups)
    assert_same(location(ours), theirs.cov_params())
    if kind == "hessian":
        np.testing.assert_allclose(ours.confidence_intervals()[: P + 1], theirs.conf_int(), rtol=1e-9)
        np.testing.assert_allclose(ours.summary()["p"][: P + 1], theirs.pvalues, rtol=1e-7)
        assert ours.header["R2"] == pytest.approx(theirs.rsquared, rel=1e-10)
        assert ours.header["log-likelihood"] == pytest.approx(theirs.llf, rel=1e-12)
        assert ours.header["AIC"] == pytest.approx(theirs.aic + 2, rel=1e-12)  # theirs omits the scale
        assert ours.df == theirs.df_resid


def test_without_small_samples_it_is_the_maximum_likelihood_estimate(gaussian):
    ours = infer(gaussian, X, REAL, small_sample=False)
    assert_same(location(ours), gaussian.scale_**2 * np.linalg.inv(A.T @ A))
    assert ours.df == np.inf and "z" in ours.summary().columns
    assert ours.standard_errors[-1] == pytest.approx(1 / np.sqrt(2 * N), rel=1e-12)
    np.testing.assert_allclose(gaussian.standard_errors(small_sample=False), ours.standard_errors, rtol=1e-9)


def glm_pieces(mean, variance, target):
    """Information and gradients of a model with its canonical link."""
    return (A.T * variance) @ A, A * (target - mean)[:, None]


def sandwich(information, scores):
    inverse = np.linalg.inv(information)
    return inverse @ (scores.T @ scores) @ inverse


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3", "opg", "cluster", "hessian"])
@pytest.mark.parametrize("name", ["logit", "poisson"])
def test_canonical_models_against_the_formulas(name, kind):
    """statsmodels gives HC0 for HC1, HC2 and HC3 alike here."""
    model, target = (MLELogisticClassifier(), BINARY) if name == "logit" else (MLERegressor("poisson"), COUNTS)
    model.fit(X, target)
    eta = model.intercept_ + X @ np.ravel(model.coef_)
    mean = 1 / (1 + np.exp(-eta)) if name == "logit" else np.exp(eta)
    information, scores = glm_pieces(mean, mean * (1 - mean) if name == "logit" else mean, target)
    variance = mean * (1 - mean) if name == "logit" else mean
    leverage = variance * np.einsum("ij,jk,ik->i", A, np.linalg.inv(information), A)
    k = P + 1
    sums = pd.DataFrame(scores).groupby(GROUPS).sum().to_numpy()
    g = len(sums)
    expected = {
        "hessian": np.linalg.inv(information),
        "opg": np.linalg.inv(scores.T @ scores),
        "HC0": sandwich(information, scores),
        "HC1": sandwich(information, scores) * N / (N - k),
        "HC2": sandwich(information, scores / np.sqrt(1 - leverage)[:, None]),
        "HC3": sandwich(information, scores / (1 - leverage)[:, None]),
        "cluster": sandwich(information, sums) * g / (g - 1) * (N - 1) / (N - k),
    }[kind]
    groups = GROUPS if kind == "cluster" else None
    ours = infer(model, X, target, covariance=kind, groups=groups)
    assert_same(ours.covariance, expected)
    assert ours.df == np.inf
    theirs = sm.Logit(target, A) if name == "logit" else sm.Poisson(target, A)
    if kind in ("HC0", "hessian"):
        fit = theirs.fit(disp=0, method="newton", tol=1e-14, cov_type="nonrobust" if kind == "hessian" else "HC0")
        assert_same(ours.covariance, fit.cov_params())


@pytest.mark.parametrize("kind", ["hessian", "HC0"])
def test_multinomial_logit_as_statsmodels(kind):
    ours = infer(MLELogisticClassifier().fit(X, CLASSES), X, CLASSES, covariance=kind).against(0)
    theirs = sm.MNLogit(CLASSES, A).fit(disp=0, tol=1e-14, maxiter=100, method="newton")
    np.testing.assert_allclose(ours.estimates, theirs.params.T.ravel(), rtol=1e-7)
    if kind == "hessian":
        assert_same(ours.covariance, theirs.cov_params())
    else:
        assert_same(
            ours.covariance, sandwich(-theirs.model.hessian(theirs.params), theirs.model.score_obs(theirs.params))
        )


def test_sparse_data_and_blocks_give_the_same():
    weight = rng.integers(1, 3, 30_000)
    tall = rng.standard_normal((30_000, 40)) * (rng.random((30_000, 40)) < 0.3)
    y = (rng.random(30_000) < 1 / (1 + np.exp(-tall[:, 0]))).astype(int)
    groups = rng.integers(0, 50, 30_000)
    model = MLELogisticClassifier().fit(tall, y, weight)
    for kind in ("hessian", "HC0", "HC3", "cluster", "opg"):
        clusters = groups if kind == "cluster" else None
        dense = infer(model, tall, y, sample_weight=weight, covariance=kind, groups=clusters).covariance
        sparse = infer(model, sp.csr_array(tall), y, sample_weight=weight, covariance=kind, groups=clusters).covariance
        assert_same(sparse, dense, rtol=1e-9)


@pytest.mark.parametrize("kind", ["hessian", "expected", "opg", "HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize(
    ("model", "y"),
    [(GaussianMLERegressor(), REAL), (MLELogisticClassifier(), BINARY), (MLERegressor("poisson"), COUNTS)],
    ids=["gaussian", "logistic", "poisson"],
)
def test_frequencies_are_repeated_rows(model, y, kind):
    rows = np.repeat(np.arange(N), COPIES)
    weighted = infer(model.fit(X, y, COPIES), X, y, sample_weight=COPIES, covariance=kind)
    repeated = infer(model.fit(X[rows], y[rows]), X[rows], y[rows], covariance=kind)
    assert_same(weighted.covariance, repeated.covariance)
    for name in ("observations", "log-likelihood", "null log-likelihood"):
        assert weighted.header[name] == pytest.approx(repeated.header[name], rel=1e-10)
    for name in ("AIC", "BIC"):
        assert weighted.header[name] == pytest.approx(repeated.header[name], rel=1e-10, nan_ok=kind.startswith("HC"))
    assert weighted.df == repeated.df


@pytest.mark.parametrize("kind", COVARIANCES)
@pytest.mark.parametrize(
    ("model", "y"), [(GaussianMLERegressor(), REAL), (MLERegressor("poisson"), COUNTS)], ids=["gaussian", "poisson"]
)
def test_what_takes_the_model_for_true_goes_with_no_robust_covariance(model, y, kind):
    if kind == "kernel":
        model, y = MLERegressor("laplace"), REAL
    found = infer(model.fit(X, y), X, y, covariance=kind, groups=GROUPS if kind in CLUSTERED else None)
    trusted = kind in ("hessian", "expected", "opg")
    tests = [name for name in found.header if name.startswith(("LR", "F("))]
    assert bool(tests) == trusted and ("p of LR" in found.header or "p of F" in found.header) == trusted
    assert np.isfinite([found.header["AIC"], found.header["BIC"]]).tolist() == [trusted, trusted]
    assert any("AIC, BIC and the likelihood-ratio test" in note for note in found.notes) != trusted
    # What describes the fit and tests nothing stays.
    assert found.header["null log-likelihood"] < found.header["log-likelihood"]


def test_the_header_tests_all_slopes_exactly_for_least_squares(gaussian):
    theirs = sm.OLS(REAL, A).fit()
    found = infer(gaussian, X, REAL)
    assert found.header["F(3, 296)"] == pytest.approx(theirs.fvalue, rel=1e-10)
    assert found.header["p of F"] == pytest.approx(theirs.f_pvalue, rel=1e-8)
    large = infer(gaussian, X, REAL, small_sample=False)
    ratio = 2 * (theirs.llf - sm.OLS(REAL, A[:, :1]).fit().llf)
    assert large.header["LR chi2(3)"] == pytest.approx(ratio, rel=1e-10)
    assert large.header["p of LR"] == pytest.approx(chi2.sf(ratio, 3), rel=1e-8)
    precise = infer(
        GaussianMLERegressor().fit(X, REAL, PRECISIONS), X, REAL, sample_weight=PRECISIONS, weight_type="precision"
    )
    assert precise.header["F(3, 296)"] == pytest.approx(sm.WLS(REAL, A, PRECISIONS).fit().fvalue, rel=1e-10)


def test_sampling_weights_are_for_sandwiches():
    model = MLELogisticClassifier().fit(X, BINARY, PRECISIONS)
    ours = infer(model, X, BINARY, sample_weight=PRECISIONS, weight_type="sampling")
    p = model.predict_proba(X)[:, 1]
    information = (A.T * (PRECISIONS * p * (1 - p))) @ A
    assert_same(ours.covariance, sandwich(information, A * (PRECISIONS * (BINARY - p))[:, None]))
    assert np.isnan(ours.header["AIC"]) and ours.header["observations"] == N
    # A common factor of the weights says nothing.
    twice = infer(model.fit(X, BINARY, 7 * PRECISIONS), X, BINARY, sample_weight=7 * PRECISIONS, weight_type="sampling")
    assert_same(twice.covariance, ours.covariance)
    with pytest.raises(ValueError, match="weight_type='sampling' call for a sandwich"):
        infer(model, X, BINARY, sample_weight=7 * PRECISIONS, weight_type="sampling", covariance="hessian")


def test_precisions_of_a_known_scale():
    model = GaussianMLERegressor(scale=2.0).fit(X, REAL, PRECISIONS)
    ours = infer(model, X, REAL, sample_weight=PRECISIONS, weight_type="precision")
    residual = REAL - model.predict(X)
    deviation = 2.0 / np.sqrt(PRECISIONS)
    expected = -(0.5 * np.log(2 * np.pi) + np.log(deviation) + 0.5 * (residual / deviation) ** 2).sum()
    assert ours.header["log-likelihood"] == pytest.approx(expected, rel=1e-12)
    assert_same(ours.covariance, 4 * np.linalg.inv((A.T * PRECISIONS) @ A))
    with pytest.raises(ValueError, match="gives another likelihood"):
        model = GaussianMLERegressor(scale="log_linear").fit(X, REAL, PRECISIONS)
        infer(model, X, REAL, sample_weight=PRECISIONS, weight_type="precision")


@pytest.mark.parametrize("name", ["poisson", "gamma"])
def test_pearson_dispersion_is_glm(name):
    y = COUNTS if name == "poisson" else POSITIVE
    family = sm.families.Poisson() if name == "poisson" else sm.families.Gamma(sm.families.links.Log())
    theirs = sm.GLM(y, A, family=family).fit(scale="X2", tol=1e-14, maxiter=200)
    ours = infer(MLERegressor(name).fit(X, y), X, y, dispersion="pearson")
    assert_same(location(ours), theirs.cov_params(), rtol=1e-7)
    assert ours.df == N - P - 1


@pytest.mark.parametrize("quantile", [0.5, 0.8])
def test_quantile_regression_by_a_kernel(quantile):
    """R's quantreg, summary(se = "ker"): Gaussian kernel, bandwidth of Hall and Sheather."""
    from scipy.stats import norm

    model = MLERegressor("laplace" if quantile == 0.5 else AsymmetricLaplace(quantile)).fit(X, REAL)
    ours = infer(model, X, REAL)
    residual = REAL - (model.intercept_ + X @ model.coef_)
    z = norm.ppf(quantile)
    h = N ** (-1 / 3) * norm.ppf(0.975) ** (2 / 3) * (1.5 * norm.pdf(z) ** 2 / (2 * z**2 + 1)) ** (1 / 3)
    quartiles = np.quantile(residual, [0.25, 0.75])
    spread = min(residual.std(ddof=1), (quartiles[1] - quartiles[0]) / 1.34)
    width = spread * (norm.ppf(quantile + h) - norm.ppf(quantile - h))
    density = norm.pdf(residual / width) / width
    inverse = np.linalg.inv((A.T * density) @ A)
    expected = quantile * (1 - quantile) * inverse @ (A.T @ A) @ inverse
    np.testing.assert_allclose(ours.standard_errors[: P + 1], np.sqrt(np.diag(expected)), rtol=1e-8)
    assert ours.header["covariance"] == "kernel"
    with pytest.raises(ValueError, match="'hessian'.*zero almost everywhere"):
        infer(model, X, REAL, covariance="hessian")
    with pytest.raises(ValueError, match="carries no information|kept no curvature"):
        infer(model)


PENALIZED = {
    "logistic": (MLELogisticClassifier(C=0.5), LogisticRegression(C=0.5, tol=1e-12, max_iter=5000), BINARY),
    "multinomial": (MLELogisticClassifier(C=0.5), LogisticRegression(C=0.5, tol=1e-12, max_iter=5000), CLASSES),
    "poisson": (MLERegressor("poisson", alpha=N * 0.3), PoissonRegressor(alpha=0.3, tol=1e-12, max_iter=5000), COUNTS),
}


@pytest.mark.parametrize("penalized", ["laplace", "sandwich"])
@pytest.mark.parametrize("name", PENALIZED)
def test_penalized_fits_ours_and_theirs(name, penalized):
    ours, theirs, y = PENALIZED[name]
    with pytest.raises(ValueError, match="penalized='laplace'"):
        infer(ours.fit(Z, y), Z, y)
    found = infer(ours, Z, y, penalized=penalized)
    assert_same(infer(theirs.fit(Z, y), Z, y, penalized=penalized).covariance, found.covariance, rtol=1e-4)
    assert np.isnan(found.header["AIC"]) and np.isnan(found.header["BIC"])
    if name != "multinomial":
        B = sm.add_constant(Z)
        eta = ours.intercept_ + Z @ np.ravel(ours.coef_)
        mean = 1 / (1 + np.exp(-eta)) if name == "logistic" else np.exp(eta)
        variance = mean * (1 - mean) if name == "logistic" else mean
        prior = np.diag([0.0] + [2.0 if name == "logistic" else N * 0.3] * P)
        inverse = np.linalg.inv((B.T * variance) @ B + prior)
        scores = B * (y - mean)[:, None]
        expected = inverse if penalized == "laplace" else inverse @ (scores.T @ scores) @ inverse
        assert_same(found.covariance, expected)


def test_the_posterior_of_ridge_is_relative_to_the_noise():
    model = GaussianMLERegressor(alpha=7.0).fit(X, REAL)
    found = infer(model, X, REAL, penalized="laplace")
    expected = model.scale_**2 * np.linalg.inv(A.T @ A + np.diag([0, 7.0, 7.0, 7.0]))
    assert_same(location(found), expected)


def test_class_weights_are_for_sandwiches():
    model = MLELogisticClassifier(class_weight="balanced").fit(X, BINARY, COPIES)
    with pytest.raises(ValueError, match="class_weight.*penalized="):
        infer(model, X, BINARY, sample_weight=COPIES)
    with pytest.raises(ValueError, match="class weights are not a prior"):
        infer(model, X, BINARY, sample_weight=COPIES, penalized="laplace")
    found = infer(model, X, BINARY, sample_weight=COPIES, penalized="sandwich")
    rows = np.repeat(np.arange(N), COPIES)
    mass = np.bincount(BINARY[rows])
    c = (len(rows) / (2 * mass))[BINARY[rows]]
    p = model.predict_proba(X)[rows, 1]
    expected = sandwich((A[rows].T * (c * p * (1 - p))) @ A[rows], A[rows] * (c * (BINARY[rows] - p))[:, None])
    assert_same(found.covariance, expected)
    # "balanced" written out: below 1.7 scikit-learn counts rows there, not weights.
    balanced = dict(enumerate(len(rows) / (2 * mass)))
    theirs = LogisticRegression(C=np.inf, class_weight=balanced, tol=1e-10, solver="newton-cholesky")
    theirs.fit(X, BINARY, COPIES)
    assert_same(infer(theirs, X, BINARY, sample_weight=COPIES, penalized="sandwich").covariance, expected, rtol=1e-5)


def test_scikit_learns_estimators_without_a_penalty():
    ours, theirs = GaussianMLERegressor().fit(X, REAL), LinearRegression().fit(X, REAL)
    assert_same(infer(theirs, X, REAL, covariance="HC3").covariance, infer(ours, X, REAL, covariance="HC3").covariance)
    logistic = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(X, CLASSES)
    assert_same(infer(logistic, X, CLASSES).covariance, infer(MLELogisticClassifier().fit(X, CLASSES)).covariance, 1e-5)
    poisson = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-10).fit(X, COUNTS)
    assert_same(infer(poisson, X, COUNTS).covariance, infer(MLERegressor("poisson").fit(X, COUNTS)).covariance, 1e-6)


def test_pipelines_and_searches_are_opened():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    steps = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False), MLELogisticClassifier())
    steps.fit(frame, BINARY)
    found = infer(steps, frame, BINARY)
    direct = infer(MLELogisticClassifier().fit(steps[:-1].transform(frame), BINARY))
    assert_same(found.covariance, direct.covariance)
    assert found.parameters[:3] == ("intercept", "a", "b") and "a b" in found.parameters
    assert infer(steps).parameters == found.parameters
    search = GridSearchCV(steps, {"polynomialfeatures__degree": [1]}, cv=2).fit(frame, BINARY)
    assert infer(search, frame, BINARY).parameters == ("intercept", "a", "b", "c")


def test_units_of_the_columns_do_not_matter():
    unit = np.array([1e-9, 1e6, 1.0])
    found = infer(MLELogisticClassifier().fit(X * unit, BINARY), X * unit, BINARY, covariance="HC3")
    expected = infer(MLELogisticClassifier().fit(X, BINARY), X, BINARY, covariance="HC3")
    np.testing.assert_allclose(found.standard_errors * np.append(1, unit), expected.standard_errors, rtol=1e-8)


@pytest.mark.parametrize("kind", ["hessian", "HC0", "HC3", "opg"])
def test_rank_deficient_designs(kind):
    D = np.column_stack([X, X[:, 0] + 2 * X[:, 1]])
    with pytest.warns(RankDeficiencyWarning):
        model = MLELogisticClassifier().fit(D, BINARY)
    found = infer(model, D, BINARY, covariance=kind)
    full = infer(MLELogisticClassifier().fit(X, BINARY), X, BINARY, covariance=kind)
    assert np.isnan(found.standard_errors).tolist() == [False, True, True, False, True]
    np.testing.assert_allclose(found.standard_errors[[0, 3]], full.standard_errors[[0, 3]], rtol=1e-7)
    assert found.header["parameters"] == P + 1 and model.df_model_ == P and model.df_resid_ == N - P - 1


def test_separation_leaves_the_rest_right():
    dummy = (np.arange(N) < 15).astype(float)
    y = np.where(dummy > 0, 1, BINARY)
    D = np.column_stack([X, dummy])
    with pytest.warns(SeparationWarning):
        model = MLELogisticClassifier().fit(D, y)
    for result in (infer(model), infer(model, D, y)):
        assert np.isnan(result.standard_errors).tolist() == [False] * 4 + [True]
        limit = infer(MLELogisticClassifier().fit(X[15:], y[15:]))
        np.testing.assert_allclose(result.standard_errors[:4], limit.standard_errors, rtol=1e-4)


def test_offsets():
    exposure = rng.uniform(0.5, 2.0, N)
    y = rng.poisson(exposure * np.exp(0.5 * LOGIT))
    model = MLERegressor("poisson").fit(X, y, offset=np.log(exposure))
    theirs = sm.Poisson(y, A, exposure=exposure).fit(disp=0, method="newton", tol=1e-14)
    found = infer(model, X, y, offset=np.log(exposure))
    assert_same(found.covariance, theirs.cov_params())
    null = sm.Poisson(y, A[:, :1], exposure=exposure).fit(disp=0, method="newton", tol=1e-14)
    assert found.header["null log-likelihood"] == pytest.approx(null.llf, rel=1e-10)
    assert found.header["LR chi2(3)"] == pytest.approx(2 * (theirs.llf - null.llf), rel=1e-8)
    assert found.header["pseudo-R2 (McFadden)"] == pytest.approx(1 - theirs.llf / null.llf, rel=1e-8)
    new = np.log([0.1, 1.0, 20.0])
    expected = mean_interval(found, X[:3], offset=0.0) * np.exp(new)[:, None]
    np.testing.assert_allclose(mean_interval(found, X[:3], offset=new), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="fitted with an offset"):
        infer(model, X, y)


def test_a_constant_on_its_boundary_has_no_standard_error():
    """Lighter tails than the Gaussian's: 1 / df is zero, and everything else is the Gaussian's."""
    light = 5 + LOGIT + rng.uniform(-1, 1, N)
    model = MLERegressor(StudentT(df=None)).fit(X, light)
    assert model.df_ == np.inf
    gaussian = infer(GaussianMLERegressor().fit(X, light), small_sample=False)
    for found in (infer(model), infer(model, X, light)):
        assert np.isnan(found.standard_errors[-1]) and found.parameters[-1] == "inverse_df"
        np.testing.assert_allclose(found.standard_errors[:-1], gaussian.standard_errors, rtol=1e-5)
        assert found.header["parameters"] == P + 3


def outcome_of(name):
    own = np.random.default_rng(3)
    if name == "binomial":
        return np.column_stack([COUNTS, own.poisson(2, N) + 1])
    if name == "beta":
        return own.beta(2 + np.exp(0.5 * LOGIT), 3)
    if name == "negative_binomial":
        return own.poisson(4 * np.exp(0.5 * LOGIT) * own.gamma(0.7, 1 / 0.7, N))
    return COUNTS if name in ("poisson", "tweedie") else POSITIVE


@pytest.mark.parametrize("scale", ["constant", "log_linear"])
@pytest.mark.parametrize("name", [name for name in likelihood_names() if name not in ("laplace", "asymmetric_laplace")])
def test_what_fit_keeps_is_what_the_data_say(name, scale):
    """Of every likelihood: the curvature left by the fit is that of the objective at the reported coefficients."""
    if scale == "log_linear" and get_likelihood(name).dispersion_parameter is None:
        return
    y = outcome_of(name)
    model = MLERegressor(name, predictors=dispersion_as(name, scale)).fit(X, y, COPIES + 1)
    kept, found = infer(model, small_sample=False), infer(model, X, y, sample_weight=COPIES + 1, small_sample=False)
    np.testing.assert_allclose(found.standard_errors, kept.standard_errors, rtol=1e-6)
    assert np.isfinite(found.standard_errors).all()
    for entry in ("log-likelihood", "AIC", "parameters"):
        assert found.header[entry] == pytest.approx(kept.header[entry], rel=1e-9)
    assert kept.header["AIC"] == model.aic()
    assert found.header["null log-likelihood"] <= found.header["log-likelihood"]


def test_precisions_and_sampling_weights_have_one_sandwich_of_the_location():
    model = GaussianMLERegressor().fit(X, REAL, PRECISIONS)
    robust = infer(model, X, REAL, sample_weight=PRECISIONS, weight_type="precision", covariance="HC0")
    # Scores of the log scale are 1 - z^2, z the residuals in their own units, and its curvature is 2 n.
    residual = np.square(REAL - model.predict(X)) * PRECISIONS
    scores = 1 - residual / residual.mean()
    assert robust.standard_errors[-1] == pytest.approx(np.sqrt(scores @ scores) / (2 * N), rel=1e-9)
    sampling = infer(model, X, REAL, sample_weight=PRECISIONS, weight_type="sampling", covariance="HC0")
    assert sampling.estimates[-1] == pytest.approx(np.log(model.scale_), rel=1e-14)
    assert_same(
        location(sampling),
        location(infer(model, X, REAL, sample_weight=PRECISIONS, weight_type="precision", covariance="HC0")),
    )


def test_firths_estimate_has_the_information_at_its_own_point():
    model = MLELogisticClassifier(bias_reduction="firth").fit(Z, BINARY)
    p = model.predict_proba(Z)[:, 1]
    B = sm.add_constant(Z)
    expected = np.linalg.inv((B.T * (p * (1 - p))) @ B)
    assert_same(infer(model).covariance, expected)
    with_data = infer(model, Z, BINARY)
    assert_same(with_data.covariance, expected)
    assert with_data.header["gap in nats"] == model.gap_ and "null log-likelihood" not in with_data.header


ERRORS = [
    ({"covariance": "HC9"}, "covariance must be one of"),
    ({"weight_type": "survey"}, "weight_type must be one of"),
    ({"penalized": "bayes"}, "penalized must be one of"),
    ({"dispersion": "deviance"}, "dispersion must be one of"),
    ({"covariance": "cluster"}, "groups and covariance='cluster'.* go together"),
    ({"groups": GROUPS}, "groups and covariance='cluster'.* go together"),
    ({"covariance": "cluster", "groups": np.zeros(N)}, "at least two"),
    ({"covariance": "cluster", "groups": GROUPS[:-1]}, "inconsistent"),
    ({"covariance": "kernel"}, "likelihoods with a kink"),
    ({"penalized": "laplace"}, "fitted without a penalty"),
    ({"dispersion": "pearson", "covariance": "HC0"}, "cannot be combined with another covariance"),
    ({"sample_weight": -np.ones(N)}, "must not be negative"),
    ({"offset": np.full(N, 3.0)}, "nats below the maximum for these data"),
    ({"y": REAL + 3}, "nats below the maximum for these data"),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS)
def test_errors(gaussian, arguments, message):
    with pytest.raises(ValueError, match=message):
        infer(gaussian, X, **{"y": REAL, **arguments})


def test_more_errors(gaussian):
    with pytest.raises(ValueError, match="infer needs y with X"):
        infer(gaussian, X)
    with pytest.raises(ValueError, match="needs X and y for anything but"):
        infer(gaussian, covariance="HC3")
    with pytest.raises(ValueError, match="keeps nothing for inference"):
        infer(LinearRegression().fit(X, REAL))
    with pytest.raises(TypeError, match="estimator must be a fitted estimator; got an object of class Inference"):
        drop_one(infer(gaussian, X, REAL), X, REAL)
    with pytest.raises(TypeError, match="The estimator is a ElasticNet, which infer does not support"):
        infer(ElasticNet().fit(X, REAL), X, REAL)
    with pytest.raises(TypeError, match="The estimator is a LinearSVC"):
        infer(LinearSVC().fit(X, BINARY), X, BINARY)
    with pytest.raises(TypeError, match="TransformedTargetRegressor"):
        infer(TransformedTargetRegressor(LinearRegression()).fit(X, REAL), X, REAL)
    with pytest.raises(NotFittedError):
        infer(GaussianMLERegressor(), X, REAL)
    with pytest.raises(TypeError, match="l1 penalty"):
        infer(LogisticRegression(**L1, solver="liblinear").fit(Z, BINARY), Z, BINARY, penalized="sandwich")
    with pytest.raises(TypeError, match="with an intercept, which it penalizes"):
        infer(LogisticRegression(solver="liblinear").fit(Z, BINARY), Z, BINARY, penalized="sandwich")
    with pytest.raises(TypeError, match="positive=True"):
        infer(LinearRegression(positive=True).fit(X, REAL), X, REAL)
    with pytest.raises(ValueError, match="one target"):
        infer(LinearRegression().fit(X, np.stack([REAL, REAL], axis=1)), X, np.stack([REAL, REAL], axis=1))
    with pytest.raises(NotSupportedError, match="HC2.*one linear predictor"):
        infer(MLELogisticClassifier().fit(X, CLASSES), X, CLASSES, covariance="HC2")
    with pytest.raises(ValueError, match="'HC3' is not defined under a penalty"):
        infer(MLELogisticClassifier(C=1.0).fit(Z, BINARY), Z, BINARY, covariance="HC3", penalized="sandwich")
    with pytest.raises(ValueError, match="call for a sandwich"):
        infer(MLELogisticClassifier(C=1.0).fit(Z, BINARY), Z, BINARY, covariance="opg", penalized="sandwich")
    with pytest.raises(ValueError, match="leave covariance at its default"):
        infer(MLELogisticClassifier(C=1.0).fit(Z, BINARY), Z, BINARY, covariance="HC0", penalized="laplace")
    with pytest.raises(ValueError, match="not defined for Student"):
        infer(MLERegressor("student_t").fit(X, REAL), X, REAL, dispersion="pearson")
    with pytest.raises(ValueError, match="not among the fitted classes"):
        infer(LogisticRegression(C=np.inf).fit(Z, BINARY), Z, BINARY + 5)
    two = np.column_stack([REAL, -REAL])
    with pytest.raises(ValueError, match="fit each column of y, and call infer, separately"):
        infer(LinearRegression().fit(X, two), X, two)
    with pytest.raises(ValueError, match="fit each column of y, and call infer, separately"):
        infer(LinearRegression().fit(X, two), X, REAL)


def test_a_fit_that_stopped_early_is_told():
    loose = LogisticRegression(C=np.inf, tol=0.05, solver="lbfgs").fit(Z, BINARY)
    loose.coef_ = loose.coef_ + 0.02
    # Our own fits end nearer to the maximum than that, so other data are the likelier cause.
    with pytest.warns(ConvergenceWarning, match="nats below the maximum.* Give the X, y, sample_weight and offset"):
        infer(loose, Z, BINARY)


def test_the_gap_is_in_nats_of_all_copies():
    """A step of 1e-3 away: half of step' H step below the maximum, H of the total likelihood."""
    weight = 5.0 + COPIES
    model = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky").fit(Z, BINARY, sample_weight=weight)
    model.coef_ = model.coef_ + 1e-3
    B = sm.add_constant(Z)
    p = model.predict_proba(Z)[:, 1]
    gradient = B.T @ (weight * (BINARY - p))
    expected = 0.5 * gradient @ np.linalg.solve((B.T * (weight * p * (1 - p))) @ B, gradient)
    assert infer(model, Z, BINARY, sample_weight=weight).header["gap in nats"] == pytest.approx(expected, rel=1e-7)


def test_masked_arrays_are_refused():
    hidden = np.ma.masked_array(X, X > 100)
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, REAL)
    with pytest.raises(ValueError, match="X is a masked array, but masks are ignored"):
        infer(model, hidden, REAL)
    for argument in ("y", "sample_weight", "groups"):
        given = {"X": X, "y": REAL, "sample_weight": COPIES, "groups": GROUPS, "covariance": "cluster"}
        given[argument] = np.ma.masked_array(given[argument], GROUPS == 0)
        with pytest.raises(ValueError, match=f"{argument} is a masked array, but masks are ignored"):
            infer(model, **given)
