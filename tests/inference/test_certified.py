"""Certified standard errors, from what fit retains and from the data: NIST's, and 60-digit Newton fits'."""

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import PerfectFitWarning
from sklearn_mle.inference import infer
from sklearn_mle.likelihoods import StudentT

DATA = Path(__file__).parents[1] / "data"
NIST = json.loads((DATA / "nist" / "certified.json").read_text())
LOGISTIC = json.loads((DATA / "logistic" / "reference.json").read_text())
GLM = json.loads((DATA / "glm" / "reference.json").read_text())


def digits(found, exact):
    """NIST's log relative error of the worst entry."""
    with mpmath.workdps(40):
        errors = [abs(mpmath.mpf(float(a)) / mpmath.mpf(b) - 1) for a, b in zip(found, exact, strict=True)]
        return min(15.95 if error == 0 else float(-mpmath.log10(error)) for error in errors)


def floats(texts):
    return np.array([float(text) for text in texts])


def table(*path):
    data = np.loadtxt(DATA.joinpath(*path).with_suffix(".csv"), delimiter=",", skiprows=1)
    return data[:, 1:], data[:, 0]


def nist(name):
    entry = NIST[name]
    x, y = table("nist", name)
    X = x ** np.arange(1, entry["degree"] + 1) if entry["degree"] else x
    return X, y, GaussianMLERegressor(fit_intercept=entry["intercept"]).fit(X, y), entry


@pytest.mark.parametrize("name", sorted(set(NIST) - {"Wampler1", "Wampler2"}))
def test_nist(name):
    X, y, model, entry = nist(name)
    exact = entry["exact"]["sd"]
    k = len(exact)
    # The design's own rounding costs Filip what it costs its coefficients. Its factor is computed in double
    # precision: to first order Householder's columns are off by sqrt(k) units in the last place (Higham 2002, section
    # 19.3, with independent roundings), where the design's are off by half a unit.
    required = min(10, entry["float64_design_lre_ceiling"] - np.log10(1 + 2 * np.sqrt(k)))
    assert digits(model.standard_errors()[:k], exact) >= required
    assert digits(infer(model, X, y).standard_errors[:k], exact) >= required - 1
    assert model.df_resid_ == entry["n"] - entry["p"]
    residual = float(model.summary().notes[0].split()[3])
    assert residual == pytest.approx(entry["certified"]["resid_sd"], rel=1e-5)
    r2 = infer(model, X, y).header["R2"]
    assert r2 == pytest.approx(entry["certified"]["r2"], rel=1e-9)


@pytest.mark.parametrize("name", ["Wampler1", "Wampler2"])
def test_a_perfect_fit_has_standard_errors_of_zero(name):
    with pytest.warns(PerfectFitWarning):
        X, y, model, _ = nist(name)
    assert (model.standard_errors()[:6] == 0).all()
    with pytest.raises(ValueError, match="The fit was perfect"):
        infer(model, X, y)


def sklearn_data(load, columns=slice(None), classes=None):
    X, y = load(return_X_y=True)
    kept = np.isin(y, np.unique(y) if classes is None else classes)
    return X[kept][:, columns], y[kept]


SETS = {
    "iris_vv": lambda: sklearn_data(load_iris, classes=[1, 2]),
    "breast_cancer6": lambda: sklearn_data(load_breast_cancer, [1, 4, 5, 6, 8, 9]),
    "anes96_vote": lambda: table("logistic", "anes96_vote"),
    "wine3": lambda: sklearn_data(load_wine, [1, 2, 3]),
    "anes96_pid": lambda: table("logistic", "anes96_pid"),
}


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
@pytest.mark.parametrize("name", SETS)
def test_logistic(name, solver):
    X, y = SETS[name]()
    model = MLELogisticClassifier(solver=solver).fit(X, y)
    exact = LOGISTIC[name]["se_text"]
    reference = None if LOGISTIC[name]["kind"] == "binary" else model.classes_[0]
    assert digits(model.standard_errors(reference), exact) >= 10
    with_data = infer(model, X, y)
    with_data = with_data if reference is None else with_data.against(reference)
    assert digits(with_data.standard_errors, exact) >= 10
    assert model.aic() == pytest.approx(2 * len(exact) - 2 * LOGISTIC[name]["loglik"], rel=1e-12)
    assert model.bic() == pytest.approx(np.log(len(y)) * len(exact) - 2 * LOGISTIC[name]["loglik"], rel=1e-12)


def test_null_model_of_the_certificates():
    for name in ("iris_vv", "breast_cancer6", "anes96_vote"):
        X, y = SETS[name]()
        header = infer(MLELogisticClassifier().fit(X, y), X, y).header
        assert header["null log-likelihood"] == pytest.approx(LOGISTIC[name]["loglik_null"], rel=1e-12)
        expected = 1 - LOGISTIC[name]["loglik"] / LOGISTIC[name]["loglik_null"]
        assert header["pseudo-R2 (McFadden)"] == pytest.approx(expected, rel=1e-12)


MODELS = {
    "poisson": MLERegressor("poisson"),
    "gamma_log": MLERegressor("gamma"),
    "negbin_log": MLERegressor("negative_binomial"),
    "student_t4": MLERegressor(StudentT(df=4)),
}


@pytest.mark.parametrize("name", [name for name in GLM if name.split("/")[0] in MODELS])
def test_generalized_linear_models(name):
    kind, data = name.split("/")
    X, y = table("glm", data)
    model = MODELS[kind].fit(X, y)
    entry = GLM[name]
    k = X.shape[1] + 1
    assert digits(model.standard_errors()[:k], entry["se_text"][:k]) >= 8
    assert digits(infer(model, X, y).standard_errors[:k], entry["se_text"][:k]) >= 8
    if "se_expected" in entry:
        expected = infer(model, X, y, covariance="expected").standard_errors[:k]
        np.testing.assert_allclose(expected, floats(entry["se_expected"]), rtol=1e-8)
    if "se_beta_expected" in entry:
        expected = infer(model, X, y, covariance="expected").standard_errors[:k]
        np.testing.assert_allclose(expected, floats(entry["se_beta_expected"]), rtol=1e-8)
    # Delta method: the certificates are in other units of the second parameter.
    second = model.standard_errors()[k:]
    for name, value in (("scale", "scale_mle"), ("shape", "shape_mle"), ("alpha", "alpha_mle")):
        if f"{name}_se" in entry:
            assert second[0] * float(entry[value]) == pytest.approx(float(entry[f"{name}_se"]), rel=1e-7)
    if "dispersion_pearson" in entry:
        glm = infer(model, X, y, dispersion="pearson")
        scale = np.sqrt(float(entry["dispersion_pearson"]) / float(entry["dispersion_mle"]))
        np.testing.assert_allclose(glm.standard_errors[:k], scale * floats(entry["se_expected"]), rtol=1e-8)
        assert np.isnan(glm.standard_errors[k:]).all()
