"""Robust covariances of R's sandwich and quantreg, on data that come with R, and what their options change.

ctl <- glm.control(epsilon = 1e-15, maxit = 200)
HC <- function(m) sapply(c("HC0", "HC1", "HC2", "HC3"), function(t) sqrt(diag(sandwich::vcovHC(m, type = t))))
CL <- function(m, g) cbind(sqrt(diag(sandwich::vcovCL(m, g, type = "HC0", cadjust = FALSE))),
                           sqrt(diag(sandwich::vcovCL(m, g, type = "HC1", cadjust = TRUE))))
"""

import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer, score_test
from sklearn_mle.likelihoods import AsymmetricLaplace
from tests.inference.r_data import AGE, AM, BREAKS, CARB, CYL, GIRLS, HP_QSEC, HP_WT, MENARCHE, MPG, WOOL_TENSION

COUNTS = np.column_stack([MENARCHE, GIRLS - MENARCHE])
NINTHS = np.tile(np.arange(9), 6)
# Of each: HC0 to HC3, clusters without and with their factors.
R = {
    # m <- glm(mpg ~ hp + wt, family = Gamma("log"), data = mtcars, control = ctl); HC(m); CL(m, mtcars$carb)
    "gamma": (
        (MLERegressor("gamma"), HP_WT, MPG, CARB),
        [
            [0.085584151572803066, 0.000324438609384351, 0.032661444397985177],
            [0.089901997218804944, 0.000340807011841823, 0.034309262047564848],
            [0.093138100098542509, 0.000385351593539517, 0.036488550507834151],
            [0.101518335967380843, 0.000465524153703277, 0.040997479744824414],
            [0.045984985744213183, 0.000275571899745612, 0.017482812193172621],
            [0.052082104808396840, 0.000312109796980988, 0.019800846781928567],
        ],
    ),
    # m <- glm(mpg ~ hp + wt, family = inverse.gaussian("log"), data = mtcars, control = ctl); HC(m); CL(m, mtcars$carb)
    "inverse Gaussian": (
        (MLERegressor("inverse_gaussian"), HP_WT, MPG, CARB),
        [
            [0.102588478080965148, 0.000322537948178077, 0.038295400314869728],
            [0.10776421687455441, 0.00033881045949726, 0.04022745928224498],
            [0.115152267745215003, 0.000395868856592091, 0.044047275969861140],
            [0.129606688515712332, 0.000498223415889567, 0.050948381942498032],
            [0.049132670399298736, 0.000271986868855144, 0.017379281369871897],
            [0.055647138905000434, 0.000308049429198832, 0.019683588874749042],
        ],
    ),
    # m <- glm(breaks ~ wool + tension, family = MASS::negative.binomial(4), data = warpbreaks, control = ctl)
    # HC(m); CL(m, rep(1:9, 6))
    "negative binomial": (
        (MLERegressor("negative_binomial", predictors={"dispersion": 0.25}), WOOL_TENSION, BREAKS, NINTHS),
        [
            [0.114539764412913, 0.100413898837632, 0.127411207401042, 0.122377656577553],
            [0.119033214870081, 0.104353184743716, 0.132409610803381, 0.127178591342122],
            [0.119082163112253, 0.104362794340008, 0.132433859495240, 0.127198623945704],
            [0.123804716441307, 0.108467008804096, 0.137654534320109, 0.132209541504239],
            [0.1308770505884435, 0.0649010481442163, 0.1176040134378597, 0.1267668551988261],
            [0.142919896540319, 0.070873014362907, 0.128425521187206, 0.138431495424895],
        ],
    ),
    # m <- MASS::glm.nb(breaks ~ wool + tension, data = warpbreaks, control = ctl); HC(m); CL(m, rep(1:9, 6))
    "negative binomial, its dispersion estimated": (
        (MLERegressor("negative_binomial"), WOOL_TENSION, BREAKS, NINTHS),
        [
            [0.114835955677816, 0.100850282459705, 0.127601604497916, 0.122775326947465],
            [0.119341025861823, 0.104806687906729, 0.132607477270620, 0.127591862513334],
            [0.119447125073730, 0.104829577042690, 0.132658877630599, 0.127636304633679],
            [0.124243509435634, 0.108965992592826, 0.137916706351240, 0.132689881127881],
            [0.130863656840919, 0.064275632187250, 0.117527891675431, 0.127327223976000],
            [0.1429052703472481, 0.0701900498289233, 0.1283423949678896, 0.1390434273663471],
        ],
    ),
    # m <- glm(am ~ hp + qsec, family = binomial, data = mtcars, control = ctl); HC(m); CL(m, mtcars$carb)
    "logistic": (
        (MLELogisticClassifier(), HP_QSEC, AM, CARB),
        [
            [13.7325948097104131, 0.0217351885445095, 0.6205169665772423],
            [14.4254243069650254, 0.0228317606025025, 0.6518229552814320],
            [14.6200216486589623, 0.0230524446769167, 0.6621422148511203],
            [15.5870270230713270, 0.0244513401493858, 0.7079431024393233],
            [14.5526376305600600, 0.0237221408531302, 0.6474289328683137],
            [16.4821622981338045, 0.0268674439319096, 0.7332711099489028],
        ],
    ),
    # m <- glm(cbind(Menarche, Total - Menarche) ~ Age, family = binomial, data = MASS::menarche, control = ctl)
    # HC(m); CL(m, rep(1:5, 5))
    "counts of trials": (
        (MLERegressor("binomial"), AGE[:, None], COUNTS, np.tile(np.arange(5), 5)),
        [
            [0.6966315427139389, 0.0533627678490536],
            [0.7262885897132901, 0.0556345313525408],
            [0.725477739616540, 0.055583266451235],
            [0.7557956944146378, 0.0579176674682329],
            [0.4000965411753939, 0.0309719685340067],
            [0.4569424503681991, 0.0353724807344725],
        ],
    ),
    # m <- lm(mpg ~ hp + wt, data = mtcars); HC(m); CL(m, mtcars$carb)
    "Gaussian": (
        (GaussianMLERegressor(), HP_WT, MPG, CARB),
        [
            [1.93891395641755149, 0.00664605790818311, 0.61992750528989460],
            [2.03673500191296730, 0.00698136125202141, 0.65120375480994541],
            [2.07760994351462625, 0.00782502939751508, 0.68776548173584307],
            [2.22980540343623268, 0.00938513790864757, 0.76851905035781953],
            [2.13118821149289106, 0.00574493325631813, 0.73451705278335555],
            [2.41376105702850197, 0.00650665018441282, 0.83190618649765657],
        ],
    ),
}
# R ends its iterations at some 1e-8 of a coefficient; glm.nb, which alternates with theta, a little before.
RTOL = 1e-6


@pytest.mark.parametrize("name", R)
def test_with_the_expected_information_they_are_those_of_r(name):
    (model, X, y, groups), expected = R[name]
    model.fit(X, y)
    k = len(expected[0])
    found = []
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        found.append(infer(model, X, y, covariance=kind, bread="expected").standard_errors[:k])
    for small_sample in (False, True):
        options = {"covariance": "cluster", "groups": groups, "bread": "expected", "small_sample": small_sample}
        found.append(infer(model, X, y, **options).standard_errors[:k])
    np.testing.assert_allclose(found, expected, rtol=RTOL)


# The same with R's weights: weights = cyl, and rep(1:3, 18) of warpbreaks; HC(m); CL(m, the clusters above).
WEIGHTED = {
    "negative binomial": (
        np.tile([1, 2, 3], 18),
        [
            [0.113672928341598, 0.101270894239159, 0.122337271706836, 0.128803495685129],
            [0.118132372399670, 0.105243800490095, 0.127136622153359, 0.133856519231473],
            [0.119428464007394, 0.106233199981842, 0.128072394268655, 0.135402429841413],
            [0.125512806700485, 0.111473501989158, 0.134120420594967, 0.142378801898118],
            [0.1217909416356450, 0.0637267723963901, 0.1119053601167389, 0.1094577877472250],
            [0.1329977157939668, 0.0695906858902333, 0.1222024978274053, 0.1195297084556011],
        ],
    ),
    "logistic": (
        CYL,
        [
            [11.5701669802896827, 0.0186350189423507, 0.5291906586972931],
            [12.1538988301890836, 0.0195751829087482, 0.5558891015698911],
            [12.7873821561760579, 0.0207977779670375, 0.5828482501696506],
            [14.1771162634478234, 0.0232320458997408, 0.6445293240142584],
            [13.1232638409935234, 0.0203639901162896, 0.6143124858073272],
            [14.863268776393769, 0.023064038193970, 0.695763774917594],
        ],
    ),
    "Gaussian": (
        CYL,
        [
            [1.97044820778537022, 0.00640608328974681, 0.61427739527055891],
            [2.06986020239305013, 0.00672927956303145, 0.64526858847471602],
            [2.12592075798558522, 0.00774216471830682, 0.69175118268902036],
            [2.30062913297016536, 0.00957497795680078, 0.78630609630189774],
            [2.3027458391553224, 0.0058505180170382, 0.7476864580455254],
            [2.60806539789086855, 0.00662623435922544, 0.84682171455596189],
        ],
    ),
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_with_weights_too(name):
    (model, X, y, groups), _ = R[name]
    weight, expected = WEIGHTED[name]
    model.fit(X, y, sample_weight=weight)
    options = {"sample_weight": weight, "weight_type": "precision", "bread": "expected"}
    found = [infer(model, X, y, covariance=kind, **options) for kind in ("HC0", "HC1", "HC2", "HC3")]
    for small_sample in (False, True):
        found.append(infer(model, X, y, covariance="cluster", groups=groups, small_sample=small_sample, **options))
    k = len(expected[0])
    np.testing.assert_allclose([one.standard_errors[:k] for one in found], expected, rtol=RTOL)
    # A sandwich of sampling weights has the same sums; it is the estimate's meaning that is another.
    sampling = infer(model, X, y, covariance="HC1", **{**options, "weight_type": "sampling"})
    np.testing.assert_allclose(sampling.standard_errors[:k], expected[1], rtol=RTOL)


@pytest.mark.parametrize("weight_type", ["precision", "sampling"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_halves_of_a_row_are_one_cluster(name, weight_type):
    """Two halves of a row's weight, in one cluster, are the row: n counts rows, so without the factors that n is in."""
    (model, X, y, _), _ = R[name]
    weight = WEIGHTED[name][0].astype(float)
    options = {"covariance": "cluster", "small_sample": False, "weight_type": weight_type}
    rows = np.arange(len(y))
    model.fit(X, y, sample_weight=weight)
    whole = infer(model, X, y, sample_weight=weight, groups=rows, **options)
    both = np.concatenate([rows, rows])
    halves = np.concatenate([0.3 * weight, 0.7 * weight])
    model.fit(X[both], y[both], sample_weight=halves)
    found = infer(model, X[both], y[both], sample_weight=halves, groups=both, **options)
    k = X.shape[1] + 1
    np.testing.assert_allclose(found.standard_errors[:k], whole.standard_errors[:k], rtol=1e-6)


def test_the_expected_information_of_a_row_is_that_of_all_its_trials():
    """R: summary(glm(cbind(s, f) ~ x, family = binomial)).

    And of menarche's m above: anova(m, update(m, . ~ . + I(Age^2)), test = "Rao").
    """
    X, y = np.arange(4.0)[:, None], [[3, 7], [5, 5], [6, 4], [9, 1]]
    model = MLERegressor("binomial").fit(X, y)
    for kind in ("expected", "hessian"):
        found = infer(model, X, y, covariance=kind).standard_errors
        np.testing.assert_allclose(found, [0.582465959650286, 0.343664562223531], rtol=RTOL)
    X = AGE[:, None]
    model = MLERegressor("binomial").fit(X, COUNTS)
    assert score_test(model, X, COUNTS, X**2).statistic == pytest.approx(3.72640910974955, rel=RTOL)


@pytest.mark.parametrize("kind", ["HC0", "HC2", "cluster"])
def test_the_default_has_the_observed_information(kind):
    """Of a gamma with known shape k: that of a row is k y / mu, its expectation k, its gradient k (y / mu - 1)."""
    model = MLERegressor("gamma", predictors={"shape": 60.0}).fit(HP_WT, MPG)
    A = np.column_stack([np.ones(32), HP_WT])
    ratio = MPG / model.predict(HP_WT)
    scores = 60 * A * (ratio - 1)[:, None]
    if kind == "HC2":
        leverage = np.einsum("ij,jk,ik->i", A, np.linalg.inv(A.T @ A), A)
        scores /= np.sqrt(1 - leverage)[:, None]
    sums = np.array([scores[group == CARB].sum(axis=0) for group in np.unique(CARB)]) if kind == "cluster" else scores
    groups = CARB if kind == "cluster" else None
    for bread, weight in ((None, ratio), ("observed", ratio), ("expected", np.ones(32))):
        inverse = np.linalg.inv(60 * (A.T * weight) @ A)
        expected = np.sqrt(np.diag(inverse @ (sums.T @ sums) @ inverse))
        found = infer(model, HP_WT, MPG, covariance=kind, groups=groups, bread=bread, small_sample=False)
        np.testing.assert_allclose(found.standard_errors, expected, rtol=1e-8)


@pytest.mark.parametrize("weight", [1.0, 0.1])
@pytest.mark.parametrize(("kind", "remedy"), [("HC1", "HC0"), ("cluster", "small_sample=False")])
def test_no_observations_left_are_an_error(weight, kind, remedy):
    X, y, w = [[0, 1], [1, 0], [2, 2]], [2, 3, 1], np.full(3, weight)
    model = MLERegressor("poisson").fit(X, y, sample_weight=w)
    with pytest.raises(ValueError, match=f"n - k, but here n is {3 * weight:g} .* k is 3: use .*{remedy}"):
        infer(model, X, y, sample_weight=w, covariance=kind, groups=[0, 1, 2] if kind == "cluster" else None)


def test_bread_is_of_sandwiches():
    model = MLERegressor("gamma").fit(HP_WT, MPG)
    with pytest.raises(ValueError, match="bread='expected' is the information on both sides of a sandwich"):
        infer(model, HP_WT, MPG, bread="expected")
    with pytest.raises(ValueError, match="bread must be one of"):
        infer(model, HP_WT, MPG, bread="rye", covariance="HC0")
    with pytest.raises(ValueError, match="infer needs X and y"):
        infer(model, bread="expected")
    laplace = MLERegressor("laplace").fit(HP_WT, MPG)
    with pytest.raises(ValueError, match="bread='observed'.*zero almost everywhere"):
        infer(laplace, HP_WT, MPG, covariance="HC0", bread="observed")
    assert np.isfinite(infer(laplace, HP_WT, MPG, covariance="HC0", bread="expected").standard_errors).all()


@pytest.mark.parametrize("name", ["weibull", "gumbel", "student_t", "logistic", "huber", "lognormal"])
def test_leverages_are_the_locations_own(name):
    """Of a location (or log mean) whose information is the same in every row they are those of least squares."""
    model = MLERegressor(name).fit(HP_WT, MPG)
    A = np.column_stack([np.ones(32), HP_WT])
    leverage = np.einsum("ij,jk,ik->i", A, np.linalg.inv(A.T @ A), A)
    bread = infer(model, HP_WT, MPG, covariance="expected").covariance
    eta = np.repeat(np.array(_coefficients(model))[:, -1:], 32, axis=1)
    eta[0] += HP_WT @ model.coef_.ravel()
    gradient = model._fitted_model(None).likelihood.gradient(MPG, eta)
    scores = np.column_stack([A * (gradient[0] / (1 - leverage))[:, None], *gradient[1:]])
    expected = bread @ scores.T @ scores @ bread
    found = infer(model, HP_WT, MPG, covariance="HC3", bread="expected")
    np.testing.assert_allclose(found.standard_errors, np.sqrt(np.diag(expected)), rtol=1e-7)


def _coefficients(model):
    return model._fitted_model(None).coefficients


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3", "cluster"])
def test_copies_are_repeated_rows(kind):
    copies = np.arange(32) % 3
    rows = np.repeat(np.arange(32), copies)
    model = MLERegressor("gamma").fit(HP_WT, MPG, sample_weight=copies)
    groups = {"groups": CARB} if kind == "cluster" else {}
    weighted = infer(model, HP_WT, MPG, sample_weight=copies, covariance=kind, bread="expected", **groups)
    model = MLERegressor("gamma").fit(HP_WT[rows], MPG[rows])
    groups = {"groups": CARB[rows]} if kind == "cluster" else {}
    repeated = infer(model, HP_WT[rows], MPG[rows], covariance=kind, bread="expected", **groups)
    np.testing.assert_allclose(weighted.standard_errors, repeated.standard_errors, rtol=1e-6)


@pytest.mark.parametrize("kind", ["cluster", "HC0"])
def test_the_degrees_of_freedom_of_clusters(kind):
    """One less than the clusters that have weight; of n - k otherwise."""
    model = GaussianMLERegressor().fit(HP_WT, MPG)
    groups = CARB if kind == "cluster" else None
    present = len(np.unique(CARB))
    found = infer(model, HP_WT, MPG, covariance=kind, groups=groups)
    assert found.df == (present - 1 if kind == "cluster" else 29)
    assert infer(model, HP_WT, MPG, covariance=kind, groups=groups, small_sample=False).df == np.inf
    weight = (CARB != 4).astype(float)
    model.fit(HP_WT, MPG, sample_weight=weight)
    weighted = infer(model, HP_WT, MPG, sample_weight=weight, covariance=kind, groups=groups)
    assert weighted.df == (present - 2 if kind == "cluster" else 29 - (CARB == 4).sum())
    rows = CARB != 4
    model.fit(HP_WT[rows], MPG[rows])
    groups = None if groups is None else groups[rows]
    without = infer(model, HP_WT[rows], MPG[rows], covariance=kind, groups=groups)
    np.testing.assert_allclose(weighted.confidence_intervals(), without.confidence_intervals(), rtol=1e-8)


# m <- quantreg::rq(mpg ~ hp + wt, tau = tau, data = mtcars); summary(m, se = "ker")$coefficients[, 2]
KERNEL = {
    0.5: [3.4802434373027120, 0.0172385774744148, 1.2727712004638891],
    0.8: [2.8987823300586673, 0.0149115424725271, 1.0533845821231915],
    0.1: [4.39524552084099618, 0.00938587042604271, 1.61389827054052093],
}


@pytest.mark.parametrize("level", KERNEL)
def test_the_kernels_errors_are_those_of_quantreg(level):
    model = MLERegressor("laplace" if level == 0.5 else AsymmetricLaplace(quantile=level)).fit(HP_WT, MPG)
    np.testing.assert_allclose(infer(model, HP_WT, MPG).standard_errors[:3], KERNEL[level], rtol=1e-9)


def test_the_kernels_errors_where_the_standard_deviation_is_the_smaller_spread():
    """x <- 1:20; m <- quantreg::rq(x / 2 + rep(c(-2, 2), 10) + sin(x) / 2 ~ x, tau = .3); summary(m, se = "ker")."""
    x = np.arange(1.0, 21.0)
    y = x / 2 + np.tile([-2, 2], 10) + np.sin(x) / 2
    model = MLERegressor(AsymmetricLaplace(quantile=0.3)).fit(x[:, None], y)
    found = infer(model, x[:, None], y).standard_errors
    np.testing.assert_allclose(found[:2], [2.957194391253074, 0.251616964163516], rtol=1e-9)


def test_the_kernels_errors_of_copies():
    """m <- quantreg::rq(mpg ~ hp + wt, tau = .25, data = mtcars[rep(1:32, rep(c(1, 2, 3, 1), 8)), ])."""
    copies = np.tile([1, 2, 3, 1], 8)
    model = MLERegressor(AsymmetricLaplace(quantile=0.25)).fit(HP_WT, MPG, sample_weight=copies)
    found = infer(model, HP_WT, MPG, sample_weight=copies)
    np.testing.assert_allclose(
        found.standard_errors[:3], [2.4613711932035995, 0.0100238859126631, 0.8472081316689304], rtol=1e-9
    )


def test_the_kernels_errors_under_sampling_weights():
    """The scores of a row have its weight once, their products twice; weights in another unit say the same."""
    weight = 1 + np.arange(32) % 5
    model = MLERegressor(AsymmetricLaplace(quantile=0.25)).fit(HP_WT, MPG, sample_weight=weight)
    found = infer(model, HP_WT, MPG, sample_weight=weight, weight_type="sampling")
    A = np.column_stack([np.ones(32), HP_WT])
    assert found.header["covariance"] == "kernel"
    residual = MPG - model._fitted_model(None).coefficients[0] @ np.vstack([HP_WT.T, np.ones(32)])
    expected = _kernel_errors(A, residual, weight, 0.25)
    np.testing.assert_allclose(found.standard_errors[:3], expected, rtol=1e-9)
    model.fit(HP_WT, MPG, sample_weight=7 * weight)
    other = infer(model, HP_WT, MPG, sample_weight=7 * weight, weight_type="sampling")
    np.testing.assert_allclose(other.standard_errors[:3], expected, rtol=1e-9)


def _kernel_errors(A, residual, weight, level):
    """Powell's sandwich with weights, n rows; the quartiles are read where the cumulated weights have whole ranks."""
    from scipy.stats import norm

    n = len(residual)
    z = norm.ppf(level)
    h = n ** (-1 / 3) * norm.ppf(0.975) ** (2 / 3) * (1.5 * norm.pdf(z) ** 2 / (2 * z**2 + 1)) ** (1 / 3)
    while level - h < 0 or level + h > 1:
        h /= 2
    order = np.argsort(residual)
    share = np.cumsum(weight[order]) * n / weight.sum()
    quartiles = []
    for q in (0.25, 0.75):
        whole, part = divmod(q * (n - 1), 1)
        below, above = (residual[order][np.argmax(share > rank + 0.5)] for rank in (whole, whole + 1))
        quartiles.append(below + part * (above - below))
    mean = np.average(residual, weights=weight)
    deviation = np.sqrt(np.average((residual - mean) ** 2, weights=weight) * n / (n - 1))
    spread = min(deviation, (quartiles[1] - quartiles[0]) / 1.34)
    width = spread * (norm.ppf(level + h) - norm.ppf(level - h))
    density = norm.pdf(residual / width) / width
    inverse = np.linalg.inv((A.T * (weight * density)) @ A)
    meat = level * (1 - level) * (A.T * weight**2) @ A
    return np.sqrt(np.diag(inverse @ meat @ inverse))
