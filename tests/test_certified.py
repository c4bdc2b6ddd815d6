"""Certified answers through the public estimators: NIST's linear sets, 60-digit logistic fits (see tests/data)."""

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.exceptions import PerfectFitWarning, SeparationWarning

DATA = Path(__file__).parent / "data"
NIST = json.loads((DATA / "nist" / "certified.json").read_text())
LOGISTIC = json.loads((DATA / "logistic" / "reference.json").read_text())
SEPARATED = json.loads((DATA / "logistic" / "separated.json").read_text())
# Correct digits of the worst coefficient, on any processor: the solution is refined in twice the precision, so all that
# is lost is what the rounding of the design to float64 costs any program (the ceilings of certified.json). Less 0.3
# digits, for the last rounding of each coefficient.
REQUIRED = {name: min(entry["float64_design_lre_ceiling"], 15.9) - 0.3 for name, entry in NIST.items()}
PERFECT = {"Wampler1", "Wampler2"}


def correct_digits(found, exact):
    """NIST's log relative error, at most what float64 can show."""
    with mpmath.workdps(40):
        exact, found = mpmath.mpf(exact), mpmath.mpf(float(found))
        error = abs(found - exact) / abs(exact)
        return 15.95 if error == 0 else min(15.95, float(-mpmath.log10(error)))


def nist(name):
    entry = NIST[name]
    table = np.loadtxt(DATA / "nist" / f"{name}.csv", delimiter=",", skiprows=1)
    X = table[:, 1:]
    return X ** np.arange(1, entry["degree"] + 1) if entry["degree"] else X, table[:, 0], entry


def fitted_nist(name, **params):
    X, y, entry = nist(name)
    model = GaussianMLERegressor(fit_intercept=entry["intercept"], **params)
    if name in PERFECT:
        with pytest.warns(PerfectFitWarning):
            model.fit(X, y)
    else:
        model.fit(X, y)
    coefficients = np.append(model.intercept_, model.coef_) if entry["intercept"] else model.coef_
    return model, min(map(correct_digits, coefficients, entry["exact"]["coef"]))


@pytest.mark.parametrize("name", REQUIRED)
def test_nist_coefficients(name):
    _, digits = fitted_nist(name)
    assert digits >= REQUIRED[name]


@pytest.mark.parametrize("name", REQUIRED)
def test_nist_sigma_and_log_likelihood(name):
    model, _ = fitted_nist(name)
    exact = NIST[name]["exact"]
    if name in PERFECT:
        assert model.scale_ == 0 and model.log_likelihood_ == np.inf
        return
    # Rounding the powers of the design costs sigma what it costs the coefficients.
    digits = min(13.0, NIST[name]["float64_design_lre_ceiling"])
    assert correct_digits(model.scale_, exact["sigma_mle"]) >= digits
    assert correct_digits(model.log_likelihood_, exact["loglik_mle"]) >= digits


@pytest.mark.parametrize("name", ["Norris", "Longley", "Wampler5"])
def test_nist_residual_deviation_follows_from_sigma(name):
    model, _ = fitted_nist(name)
    n, p = NIST[name]["n"], NIST[name]["p"]
    assert model.scale_ * np.sqrt(n / (n - p)) == pytest.approx(NIST[name]["certified"]["resid_sd"], rel=1e-13)


@pytest.mark.parametrize("name", ["Norris", "Longley", "Pontius", "Wampler4"])
def test_nist_with_the_scale_known_is_the_same_least_squares(name):
    _, digits = fitted_nist(name, scale=2.0)
    assert digits >= REQUIRED[name]


def anes(name):
    table = np.loadtxt(DATA / "logistic" / f"{name}.csv", delimiter=",", skiprows=1)
    return table[:, 1:], table[:, 0].astype(int)


def of_scikit_learn(load, columns=slice(None), classes=None):
    X, y = load(return_X_y=True)
    if classes is None:
        return X[:, columns], y
    kept = np.isin(y, classes)
    return X[kept][:, columns], np.searchsorted(classes, y[kept])


SETS = {
    "iris_vv": lambda: of_scikit_learn(load_iris, classes=[1, 2]),
    "breast_cancer6": lambda: of_scikit_learn(load_breast_cancer, [1, 4, 5, 6, 8, 9]),
    "anes96_vote": lambda: anes("anes96_vote"),
    "wine3": lambda: of_scikit_learn(load_wine, [1, 2, 3]),
    "anes96_pid": lambda: anes("anes96_pid"),
}
SOLVERS = ["auto", "newton", "lbfgs"]


def test_the_data_are_those_of_the_certificates():
    for name, load in SETS.items():
        X, y = load()
        columns = {text.partition(":")[0] for text in LOGISTIC[name]["names"]} - {"(Intercept)"}
        assert X.shape == (LOGISTIC[name]["n_rows"], len(columns))
        frequencies = np.bincount(y)
        if "loglik_null" in LOGISTIC[name]:
            null = float(frequencies @ np.log(frequencies / len(y)))
            assert null == pytest.approx(LOGISTIC[name]["loglik_null"], rel=1e-13)


def against_class_zero(model):
    """Coefficients as the certificates print them: intercept first, differences from class 0, class after class."""
    matrix = np.column_stack([model.intercept_, model.coef_]).astype(np.longdouble)
    return (matrix if len(matrix) == 1 else matrix[1:] - matrix[0]).ravel()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", SETS)
def test_logistic_coefficients_have_nine_digits_and_more(name, solver):
    model = MLELogisticClassifier(solver=solver).fit(*SETS[name]())
    digits = min(map(correct_digits, against_class_zero(model), LOGISTIC[name]["coef_text"]))
    assert digits >= 11


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", SETS)
def test_logistic_log_likelihood(name, solver):
    X, y = SETS[name]()
    model = MLELogisticClassifier(solver=solver).fit(X, y)
    certified = LOGISTIC[name]["loglik"]
    assert abs(model.log_likelihood_ - certified) <= 1e-12 * len(y)
    assert abs(model.log_likelihood(X, y) - certified) <= 1e-12 * len(y)
    assert model.n_obs_ == LOGISTIC[name]["sum_weights"]


@pytest.mark.parametrize("name", ["wine3", "anes96_pid"])
def test_several_classes_are_reported_in_the_gauge_that_sums_to_zero(name):
    model = MLELogisticClassifier().fit(*SETS[name]())
    certified = np.array(LOGISTIC[name]["coef_sum_to_zero"])
    np.testing.assert_allclose(np.column_stack([model.intercept_, model.coef_]), certified, rtol=1e-10)
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-14)


@pytest.mark.parametrize("name", ["iris_vv", "anes96_vote", "wine3"])
def test_newton_cg_reaches_the_certified_log_likelihood(name):
    """Its coefficients are within tol only; a tighter tol buys their digits."""
    X, y = SETS[name]()
    model = MLELogisticClassifier(solver="newton-cg", tol=1e-14).fit(X, y)
    assert abs(model.log_likelihood_ - LOGISTIC[name]["loglik"]) <= 1e-10 * len(y)
    assert min(map(correct_digits, against_class_zero(model), LOGISTIC[name]["coef_text"])) >= 5


SEPARATED_SETS = {
    "breast_cancer30": lambda: of_scikit_learn(load_breast_cancer),
    "digits38": lambda: of_scikit_learn(load_digits, classes=[3, 8]),
    "iris3": lambda: of_scikit_learn(load_iris),
    "wine13": lambda: of_scikit_learn(load_wine),
}


@pytest.mark.filterwarnings("ignore:X is rank deficient")
@pytest.mark.parametrize("name", SEPARATED)
def test_certified_separation_is_seen(name):
    X, y = SEPARATED_SETS[name]()
    if "direction" in SEPARATED[name]:
        margins = (SEPARATED[name]["direction"][0] + X @ SEPARATED[name]["direction"][1:]) * (2 * y - 1)
        assert margins.min() >= -1e-9 and margins.max() > 0, "the certificate is not of these data"
    with pytest.warns(SeparationWarning, match="The data are separated"):
        model = MLELogisticClassifier().fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.gap_ <= 1e-8
    assert model.score(X, y) >= 0.98
