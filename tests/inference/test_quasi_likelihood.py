"""Pearson's dispersion as R's glm has it: quasi-likelihood, and the test by F that goes with it.

The values are those of R 4 on its own data sets, with

    fit <- function(...) glm(..., control = glm.control(epsilon = 1e-15, maxit = 200))
    report <- function(m) list(summary(m)$coefficients[, 2], anova(update(m, . ~ 1), m, test = "F"))

and the call beside each. R's own iterations end at some 1e-9 of a standard error, relative to which ours are exact.
"""

import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer
from sklearn_mle.likelihoods import Tweedie
from tests.inference.r_data import AGE, AM, BREAKS, CARB, CYL, GIRLS, HP_QSEC, HP_WT, MENARCHE, MPG, WOOL_TENSION

COUNTS = np.column_stack([MENARCHE, GIRLS - MENARCHE])
THREE = np.arange(32) % 3
THIRDS = np.tile([1, 2, 3], 18)
# What is fitted; R's call; standard errors, F and its p. Weights are R's: the variance is divided by them.
R = {
    "binary": (
        (MLELogisticClassifier(), HP_QSEC, AM, None),
        "fit(am ~ hp + qsec, family = quasibinomial, data = mtcars)",
        [16.6699240136130840, 0.0191247130308828, 0.7977380943420631],
        (6.38993325186212680, 0.00502052083685074),
    ),
    "binary, as a regression": (
        (MLERegressor("binomial"), HP_QSEC, AM, None),
        "fit(am ~ hp + qsec, family = quasibinomial, data = mtcars)",
        [16.6699240136130840, 0.0191247130308828, 0.7977380943420631],
        (6.38993325186212680, 0.00502052083685074),
    ),
    "counts of trials": (
        (MLERegressor("binomial"), AGE[:, None], COUNTS, None),
        "fit(cbind(Menarche, Total - Menarche) ~ Age, family = quasibinomial, data = MASS::menarche)",
        [0.7515128749226603, 0.0574865462583681],
        (3.85668528396545e03, 4.03882497492876e-27),
    ),
    "fractions": (
        (MLERegressor("binomial"), AGE[:, None], MENARCHE / GIRLS, GIRLS),
        "fit(Menarche / Total ~ Age, family = quasibinomial, weights = Total, data = MASS::menarche)",
        [0.7515128749226603, 0.0574865462583681],
        (3.85668528396545e03, 4.03882497492876e-27),
    ),
    "poisson": (
        (MLERegressor("poisson"), WOOL_TENSION, BREAKS, None),
        "fit(breaks ~ wool + tension, family = quasipoisson, data = warpbreaks)",
        [0.0937435638999345, 0.1064608572316996, 0.1244096672277745, 0.1320345389304321],
        (6.803541505421963898, 0.000618671680289322),
    ),
    "gamma": (
        (MLERegressor("gamma"), HP_WT, MPG, None),
        'fit(mpg ~ hp + wt, family = Gamma("log"), data = mtcars)',
        [0.071138401217963665, 0.000401778907162708, 0.028153615234821999],
        (8.88837252190348e01, 4.26854108252927e-13),
    ),
    "inverse Gaussian": (
        (MLERegressor("inverse_gaussian"), HP_WT, MPG, None),
        'fit(mpg ~ hp + wt, family = inverse.gaussian("log"), data = mtcars)',
        [0.078023062396278861, 0.000396608527109053, 0.027343240918403500],
        (7.54161601464316e01, 3.22989665121688e-12),
    ),
    "negative binomial": (
        (MLERegressor("negative_binomial", predictors={"dispersion": 0.25}), WOOL_TENSION, BREAKS, None),
        "fit(breaks ~ wool + tension, family = MASS::negative.binomial(4), data = warpbreaks)",
        [0.102773321306025, 0.104284500319816, 0.126729394994493, 0.127735110013984],
        (6.73061936045126341, 0.00066646616408612),
    ),
    "tweedie": (
        (MLERegressor(Tweedie(power=1.5)), HP_WT, CARB, None),
        "fit(carb ~ hp + wt, family = statmod::tweedie(1.5, 0), data = mtcars)",
        [0.27227721463301990, 0.00131843585955197, 0.09825497875357285],
        (1.41092007124018e01, 5.25415675665489e-05),
    ),
    "gaussian": (
        (GaussianMLERegressor(), HP_WT, MPG, None),
        "fit(mpg ~ hp + wt, data = mtcars)",
        [1.59878753799939233, 0.00902970967585572, 0.63273349437739446],
        (6.92112133917777e01, 9.10905438522193e-12),
    ),
    "binary, weighted": (
        (MLELogisticClassifier(), HP_QSEC, AM, CYL),
        "fit(am ~ hp + qsec, family = quasibinomial, data = mtcars, weights = cyl)",
        [13.5845949439079732, 0.0147120140941178, 0.6642186349684438],
        (6.53891944897300803, 0.00452893705835779),
    ),
    "poisson, weighted": (
        (MLERegressor("poisson"), HP_WT, CARB, CYL),
        "fit(carb ~ hp + wt, family = quasipoisson, data = mtcars, weights = cyl)",
        [0.28203669860540104, 0.00101938646992665, 0.08230829070667046],
        (1.62545521126869e01, 1.84140634788021e-05),
    ),
    "gamma, weighted": (
        (MLERegressor("gamma"), HP_WT, MPG, CYL),
        'fit(mpg ~ hp + wt, family = Gamma("log"), data = mtcars, weights = cyl)',
        [0.079959637820536666, 0.000391756608394871, 0.028081791799947155],
        (7.53897129105958e01, 3.24370334276109e-12),
    ),
    "inverse Gaussian, weighted": (
        (MLERegressor("inverse_gaussian"), HP_WT, MPG, CYL),
        'fit(mpg ~ hp + wt, family = inverse.gaussian("log"), data = mtcars, weights = cyl)',
        [0.088584164183179034, 0.000395759191208473, 0.027411868137729438],
        (6.33084922076743e01, 2.62993211978014e-11),
    ),
    "negative binomial, weighted": (
        (MLERegressor("negative_binomial", predictors={"dispersion": 0.25}), WOOL_TENSION, BREAKS, THIRDS),
        "fit(breaks ~ wool + tension, family = MASS::negative.binomial(4), data = warpbreaks, weights = rep(1:3, 18))",
        [0.0982758407683920, 0.0998062414644106, 0.1213173637382727, 0.1221649814896132],
        (8.71366863459056e00, 9.43366967457935e-05),
    ),
    "tweedie, weighted": (
        (MLERegressor(Tweedie(power=1.5)), HP_WT, CARB, CYL),
        "fit(carb ~ hp + wt, family = statmod::tweedie(1.5, 0), data = mtcars, weights = cyl)",
        [0.28288225984526316, 0.00119212451755135, 0.09045685179778870],
        (1.39861871805788e01, 5.59291654562802e-05),
    ),
    "gaussian, weighted": (
        (GaussianMLERegressor(), HP_WT, MPG, CYL),
        "fit(mpg ~ hp + wt, data = mtcars, weights = cyl)",
        [1.66154395573710767, 0.00814061747327458, 0.58353355146746611],
        (6.24153403331570e01, 3.10919545975819e-11),
    ),
}
# A p of 1e-27 has forty times the relative error of its F.
RTOL, RTOL_P = 2e-7, 1e-5


@pytest.mark.parametrize("name", R)
def test_pearsons_dispersion_is_that_of_r(name):
    (model, X, y, weight), _, errors, (f, p) = R[name]
    model.fit(X, y, sample_weight=weight)
    weights = {} if weight is None else {"sample_weight": weight, "weight_type": "precision"}
    found = infer(model, X, y, dispersion="pearson", **weights)
    k = len(errors)
    df = len(y) - k
    np.testing.assert_allclose(found.standard_errors[:k], errors, rtol=RTOL)
    assert np.isnan(found.standard_errors[k:]).all() and found.df == df
    assert found.header[f"F({k - 1}, {df})"] == pytest.approx(f, rel=RTOL)
    assert found.header["p of F"] == pytest.approx(p, rel=RTOL_P)
    assert "Pearson" in found.notes[0] and not any("LR" in entry for entry in found.header)
    # As in R, a quasi-likelihood has no AIC; a likelihood whose own dispersion was estimated has its own.
    own = model.aic() if name.split(",")[0] in ("gamma", "inverse Gaussian", "tweedie", "gaussian") else np.nan
    if weight is None:
        assert found.header["AIC"] == pytest.approx(own, rel=1e-12, nan_ok=True)
    assert ("A quasi-likelihood has no AIC and no BIC." in found.notes) == np.isnan(own)


@pytest.mark.parametrize("name", R)
def test_copies_are_repeated_rows(name):
    (model, X, y, _), *_ = R[name]
    copies = np.arange(len(y)) % 3
    rows = np.repeat(np.arange(len(y)), copies)
    weighted = infer(model.fit(X, y, sample_weight=copies), X, y, sample_weight=copies, dispersion="pearson")
    repeated = infer(model.fit(X[rows], y[rows]), X[rows], y[rows], dispersion="pearson")
    np.testing.assert_allclose(weighted.standard_errors, repeated.standard_errors, rtol=1e-6)
    assert weighted.df == repeated.df
    tests = [{key: value for key, value in found.header.items() if "F" in key} for found in (weighted, repeated)]
    assert len(tests[0]) == 2 and tests[0] == pytest.approx(tests[1], rel=1e-5)


def test_an_estimated_dispersion_of_the_negative_binomial_is_not_pearsons():
    """Pearson's comes on top of it: another likelihood, or none, as for a known one."""
    model = MLERegressor("negative_binomial").fit(WOOL_TENSION, BREAKS)
    found = infer(model, WOOL_TENSION, BREAKS, dispersion="pearson")
    known = MLERegressor("negative_binomial", predictors={"dispersion": model.dispersion_})
    same = infer(known.fit(WOOL_TENSION, BREAKS), WOOL_TENSION, BREAKS, dispersion="pearson")
    np.testing.assert_allclose(found.standard_errors[:4], same.standard_errors, rtol=1e-6)
    assert np.isnan(found.header["AIC"])
    assert found.header["F(3, 50)"] == pytest.approx(same.header["F(3, 50)"], rel=1e-6)


def test_pearsons_dispersion_needs_a_variance_that_is_known_but_for_a_factor():
    with pytest.raises(ValueError, match="not defined for Categorical"):
        infer(MLELogisticClassifier().fit(HP_WT, THREE), HP_WT, THREE, dispersion="pearson")
    three = MLERegressor("poisson").fit(HP_WT[:3], CARB[:3])
    with pytest.raises(ValueError, match="3 observations less 3 coefficients"):
        infer(three, HP_WT[:3], CARB[:3], dispersion="pearson")
