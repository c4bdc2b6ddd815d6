"""Influence and deletions: R's influence.measures to the digits of a 77-digit computation, and every refit itself."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import infer, influence

FOLDER = Path(__file__).parents[1] / "data" / "influence"
REFERENCE = json.loads((FOLDER / "reference.json").read_text(encoding="utf-8"))
# The fits stop within 1e-8 nats or so of the maximum, and quantities here are of the first order in the distance.
TOLERANCE = 1e-8


def fitted(name):
    """Return the fit of a case, its rows, and what else goes with them."""
    with (FOLDER / REFERENCE[name]["data"]).open(encoding="utf-8") as file:
        table = pd.DataFrame(list(csv.DictReader(file))).astype(float)
    y = table.pop("y").to_numpy()
    given = {"sample_weight": table.pop("w").to_numpy()} if "w" in table else {}
    given |= {"offset": table.pop("offset").to_numpy()} if "offset" in table else {}
    family = name.split("/", maxsplit=1)[0]
    model = {
        "binomial": MLELogisticClassifier(),
        "lm": GaussianMLERegressor(),
        "lm_weighted": GaussianMLERegressor(weight_type="precision"),
    }.get(family) or MLERegressor(family)
    return model.fit(table, y, **given), table, y, given


def reference(name, quantity):
    return np.array(REFERENCE[name][quantity], dtype=float)


def agrees(found, wanted):
    # Entries that nearly cancel have the digits of the largest.
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE * 1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("name", REFERENCE)
def test_it_is_that_of_r(name):
    model, X, y, given = fitted(name)
    found = influence(model, X, y, **given, deletion_residual="deviance")
    agrees(found.leverage, reference(name, "hat"))
    agrees(found.cooks_distance, reference(name, "cooks"))
    agrees(found.standardized_residual, reference(name, "rstandard"))
    agrees(found.studentized_residual, reference(name, "rstudent"))
    agrees(found.dffits, reference(name, "dffits"))
    agrees(found.relative_scale * found.noise, reference(name, "sigma_deleted"))
    rows = REFERENCE[name]["dfbeta_rows"]
    agrees(found.dfbeta[rows], reference(name, "dfbeta"))
    agrees(found.dfbetas[rows], reference(name, "dfbetas"))
    # R's covratio, from what it is computed of there.
    n, p = len(y), X.shape[1] + 1
    rest = 1 - reference(name, "hat")
    own = reference(name, "dffits") / np.sqrt((1 - rest) / rest)
    agrees(found.covariance_ratio, 1 / (rest * (((n - p - 1) + own**2) / (n - p)) ** p))


@pytest.mark.parametrize("name", [name for name in REFERENCE if "dfbeta_exact_deletion" in REFERENCE[name]])
def test_a_newton_step_is_nearer_to_the_deletion_than_rs_formula(name):
    model, X, y, given = fitted(name)
    rows, exact = REFERENCE[name]["dfbeta_rows"], reference(name, "dfbeta_exact_deletion")
    step, of_r = (influence(model, X, y, **given, deletion_residual=kind) for kind in ("pearson", "deviance"))
    agrees(step.dfbeta[rows], reference(name, "dfbeta_one_step_pearson"))
    agrees(step.standardized_pearson_residual, reference(name, "rstandard_pearson"))
    off = [np.abs((found.dfbeta[rows] - exact) / found.standard_errors).max() for found in (step, of_r)]
    assert off[0] < off[1] / 3


def test_the_observed_information_is_nearer_where_the_link_is_not_canonical():
    name = "gamma/trees"
    model, X, y, _ = fitted(name)
    observed = influence(model, X, y, information="observed")
    agrees(observed.leverage, reference(name, "hat_observed_information"))
    agrees(observed.dfbeta, reference(name, "dfbeta_one_step_observed_information"))


MODELS = {
    "modelled scale": (GaussianMLERegressor(scale="log_linear"), "observed"),
    "classes": (MLELogisticClassifier(), "expected"),
    "two classes with a prior": (MLELogisticClassifier(C=1.0), "expected"),
    "negative binomial": (MLERegressor("negative_binomial", predictors={"dispersion": 0.5}), "observed"),
    "student_t": (MLERegressor("student_t", predictors={"scale": 1.0}), "observed"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_without_a_row_it_is_the_refit_to_the_second_order(kind):
    model, information = MODELS[kind]
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 2))
    if "classes" in kind:
        y = (X @ [1.0, -0.5] + rng.logistic(size=400) > 0).astype(int) + (kind == "classes") * (X[:, 0] > rng.normal())
    elif kind == "negative binomial":
        y = rng.poisson(np.exp(0.5 + X @ [0.3, 0.2]) * rng.gamma(2, 0.5, 400))
    else:
        y = X @ [1.0, 2.0] + rng.normal(size=400) * np.exp(0.3 * X[:, 0])
    model.fit(X, y)
    options = {} if "prior" not in kind else {"penalized": "laplace"}
    estimates = infer(model, X, y, **options)
    found = influence(model, X, y, information=information)
    places = [estimates.parameters.index(name) for name in found.parameters]
    rows = np.argsort(found.cooks_distance)[[-1, -5, -20, 100]]
    for row in rows:
        rest = np.delete(np.arange(400), row)
        without = infer(model.fit(X[rest], y[rest]), X[rest], y[rest], **options)
        change = (estimates.estimates - without.estimates)[places]
        off = (found.dfbeta[row] - change) / found.standard_errors
        # A step of Newton's leaves what is of the second order in the distance, which is that of all coefficients.
        assert np.abs(off).max() < 0.3 * np.linalg.norm(change / found.standard_errors) ** 2 + 1e-3


def test_leverages_sum_to_the_number_of_coefficients():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    assert np.isclose(influence(MLELogisticClassifier().fit(X, y), X, y).leverage.sum(), 8)
    y = rng.gamma(2, size=60)
    weight = rng.integers(0, 4, 60).astype(float)
    found = influence(MLERegressor("gamma").fit(X, y, weight), X, y, sample_weight=weight)
    assert np.isclose(np.nansum(weight * found.leverage), 4)


@pytest.mark.parametrize("likelihood", ["gaussian", "poisson", "student_t", "weibull"])
def test_a_weight_of_k_is_k_copies_of_which_one_is_left_out(likelihood):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(30, 2)), rng.poisson(3, 30) + 1.0
    weight = rng.integers(0, 4, 30)
    model = MLERegressor(likelihood)
    weighted = influence(model.fit(X, y, weight), X, y, sample_weight=weight)
    rows = np.repeat(np.arange(30), weight)
    copied = influence(model.fit(X[rows], y[rows]), X[rows], y[rows])
    for name in ("leverage", "cooks_distance", "covariance_ratio", "dfbetas", "studentized_residual", "dffits"):
        mine, theirs = getattr(weighted, name), getattr(copied, name)
        np.testing.assert_allclose(mine[rows], theirs, rtol=1e-5, atol=1e-7)
        assert np.isnan(mine[weight == 0]).all()


def test_scikit_learns_models_and_pipelines_have_the_names_of_rows_and_columns():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"], index=[f"row {k}" for k in range(40)])
    y = X["a"] + rng.normal(size=40)
    found = influence(make_pipeline(StandardScaler(), LinearRegression()).fit(X, y), X, y)
    plain = influence(GaussianMLERegressor().fit(X, y), X, y)
    np.testing.assert_allclose(found.cooks_distance, plain.cooks_distance, rtol=1e-9)
    frame = found.to_frame()
    assert list(frame.index) == list(X.index)
    assert {"leverage", "cooks_distance", "dffits", "dfbetas: intercept", "dfbetas: a"} <= set(frame)
    logistic = LogisticRegression(C=np.inf, tol=1e-10).fit(X, y > 0)
    assert influence(logistic, X, y > 0).parameters == ("intercept", "a", "b")


def test_a_row_that_alone_determines_a_coefficient_has_leverage_one_and_no_deletion():
    X = np.column_stack([np.arange(8.0), np.arange(8) == 7])
    y = np.array([1.0, 2, 1, 4, 5, 4, 7, 20])
    found = influence(GaussianMLERegressor().fit(X, y), X, y)
    assert found.leverage[7] == pytest.approx(1)
    assert np.isnan(found.cooks_distance[7])
    assert np.isnan(found.dfbeta[7]).all()
    assert np.isfinite(found.cooks_distance[:7]).all()


def test_what_has_no_answer_says_so():
    X, y = np.arange(12.0)[:, None], np.array([1.0, 3, 2, 5, 4, 6, 5, 8, 7, 9, 8, 11])
    with pytest.raises(NotSupportedError, match="kinks"):
        influence(MLERegressor("laplace").fit(X, y), X, y)
    firth = MLELogisticClassifier(bias_reduction="firth").fit(X, y > 5)
    with pytest.raises(NotSupportedError, match="bias reduction"):
        influence(firth, X, y > 5)
    with pytest.raises(NotSupportedError, match="generalized linear model"):
        influence(MLERegressor("student_t").fit(X, y), X, y, deletion_residual="deviance")
    with pytest.raises(ValueError, match="information must be one of"):
        influence(GaussianMLERegressor().fit(X, y), X, y, information="fisher")
    with pytest.raises(ValueError, match="two observations more"):
        influence(GaussianMLERegressor().fit(X[:3], y[:3]), X[:3], y[:3])
    with pytest.raises(ValueError, match="not those of the fit"):
        influence(GaussianMLERegressor().fit(X, y), X[:6], y[:6])


@pytest.mark.parametrize("family", ["gaussian", "poisson", "gamma", "student_t"])
def test_the_unit_of_sampling_weights_does_not_matter(family):
    rng = np.random.default_rng(5)
    X, weight = rng.normal(size=(40, 2)), rng.uniform(0.2, 5, 40)
    y = rng.poisson(np.exp(1 + 0.3 * X[:, 0])) + (family == "gamma")
    found = []
    for unit in (1.0, 1e-3, 40.0 / weight.sum()):
        model = MLERegressor(family, weight_type="sampling").fit(X, y, weight * unit)
        found.append(influence(model, X, y, sample_weight=weight * unit))
    for other in found[:2]:
        for name, values in vars(found[2]).items():
            if isinstance(values, np.ndarray):
                np.testing.assert_allclose(getattr(other, name), values, rtol=1e-4, atol=1e-6, err_msg=name)
    if family == "gaussian":  # of weights with mean one
        scale = np.sqrt(np.average(np.square(y - model.predict(X)), weights=weight) * 40 / 37)
        residual = (y - model.predict(X)) / scale / np.sqrt(1 - found[0].leverage)
        np.testing.assert_allclose(found[0].standardized_residual, residual, rtol=1e-8)
