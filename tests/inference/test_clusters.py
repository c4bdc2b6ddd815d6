"""Clusters and autocorrelation: R's sandwich and clubSandwich, to the digits of a 77-digit computation.

The references' `NeweyWest` is sandwich::NeweyWest(m, lag, prewhite = FALSE, adjust), `CL` sandwich::vcovCL(m, cluster,
type, cadjust), `club` clubSandwich::vcovCR(m, cluster, type), Satterthwaite's degrees of freedom coef_test's, and HTZ
clubSandwich::Wald_test's.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import IndefiniteCovarianceWarning, NotSupportedError
from sklearn_mle.inference import anova, average_effects, infer, mean_interval

FOLDER = Path(__file__).parents[1] / "data" / "covariance"
REFERENCE = json.loads((FOLDER / "reference.json").read_text(encoding="utf-8"))
MODELS = {
    "investment": GaussianMLERegressor(),
    "grunfeld": GaussianMLERegressor(),
    "seatbelts_poisson": MLERegressor("poisson"),
    "bacteria_logistic": MLELogisticClassifier(),
}


def fitted(name):
    """Return the fit of a case, X, y, and the clusters of each column."""
    with (FOLDER / REFERENCE[name]["data"]).open(encoding="utf-8") as file:
        table = pd.DataFrame(list(csv.DictReader(file)))
    y = table.iloc[:, 0].astype(float)
    names = [column for column in REFERENCE[name]["names"] if column != "(Intercept)"]
    X = table[names].astype(float)
    clusters = {column: table[column] for column in REFERENCE[name].get("cluster", ())}
    return MODELS[name].fit(X, y), X, y, clusters


def wanted(name, kind):
    rows = REFERENCE[name]["vcov"][kind]
    lower = np.zeros((len(rows), len(rows)))
    for k, row in enumerate(rows):
        lower[k, : k + 1] = np.array(row, dtype=float)
    return lower + np.tril(lower, -1).T


def agrees(found, name, kind, tolerance=1e-8):
    matrix = wanted(name, kind)
    k = len(matrix)
    errors = np.sqrt(np.diag(matrix))
    # In units of the standard errors, which the columns' own units do not touch.
    np.testing.assert_allclose(
        found.covariance[:k, :k] / errors / errors[:, None], matrix / errors / errors[:, None], atol=tolerance
    )


@pytest.mark.parametrize(
    ("name", "lag"), [("investment", 1), ("investment", 3), ("seatbelts_poisson", 4), ("seatbelts_poisson", 12)]
)
def test_newey_and_west(name, lag):
    model, X, y, _ = fitted(name)
    options = {"covariance": "HAC", "lags": lag}
    agrees(infer(model, X, y, **options), name, f"NeweyWest lag={lag} adjust=TRUE")
    agrees(infer(model, X, y, small_sample=False, **options), name, f"NeweyWest lag={lag} adjust=FALSE")


def test_without_lags_it_is_hc0_and_blocks_do_not_matter(monkeypatch):
    model, X, y, _ = fitted("seatbelts_poisson")
    agrees(infer(model, X, y, covariance="HAC", lags=0), "seatbelts_poisson", "HC1")
    whole = infer(model, X, y, covariance="HAC", lags=12).covariance
    monkeypatch.setattr("sklearn_mle.inference.covariance.CHUNK", 5)
    np.testing.assert_allclose(infer(model, X, y, covariance="HAC", lags=12).covariance, whole, rtol=1e-10)
    # Newey and West's rule for 192 rows.
    automatic = infer(model, X, y, covariance="HAC").covariance
    np.testing.assert_array_equal(automatic, infer(model, X, y, covariance="HAC", lags=4).covariance)


@pytest.mark.parametrize(
    ("name", "one", "both"), [("grunfeld", "firm", "firm+year"), ("bacteria_logistic", "ID", "ID+week")]
)
def test_clusters_in_one_and_two_ways(name, one, both):
    model, X, y, clusters = fitted(name)
    found = infer(model, X, y, covariance="cluster", groups=clusters[one])
    agrees(found, name, f"CL {one} HC1 cadjust=TRUE")
    plain = infer(model, X, y, covariance="cluster", groups=clusters[one], small_sample=False)
    agrees(plain, name, f"CL {one} HC0 cadjust=FALSE")
    groups = pd.DataFrame(clusters)
    agrees(infer(model, X, y, covariance="cluster", groups=groups), name, f"CL {both} HC1 cadjust=TRUE")
    plain = infer(model, X, y, covariance="cluster", groups=groups, small_sample=False)
    agrees(plain, name, f"CL {both} HC0 cadjust=FALSE")
    if name == "grunfeld":
        assert infer(model, X, y, covariance="cluster", groups=groups).df == 10


def test_a_negative_variance_of_two_ways_is_repaired_with_a_warning():
    rng = np.random.default_rng(2)
    X, groups = rng.normal(size=(40, 3)), np.column_stack([np.arange(40) // 10, np.arange(40) % 4])
    y = X[:, 0] + rng.normal(size=40)
    model = MLERegressor("poisson").fit(X, y := np.round(np.exp(y / 3)))
    with pytest.warns(IndefiniteCovarianceWarning, match="of 4 directions"):
        repaired = infer(model, X, y, covariance="cluster", groups=groups, small_sample=False).covariance
    ways = [groups[:, 0], groups[:, 1], groups[:, 0] * 4 + groups[:, 1]]
    one, two, both = (infer(model, X, y, covariance="cluster", groups=g, small_sample=False).covariance for g in ways)
    formula = one + two - both
    assert np.linalg.eigvalsh(formula)[0] < 0
    assert np.linalg.eigvalsh(repaired)[0] > -1e-12
    assert np.linalg.eigvalsh(repaired - formula)[0] > -1e-9


@pytest.mark.parametrize(
    ("estimator", "fewer"), [(GaussianMLERegressor(), 1), (MLERegressor("poisson"), 1), (MLERegressor("laplace"), 0)]
)
def test_as_many_rows_as_clusters_cannot_be_tested(estimator, fewer):
    # Gradients sum to zero unless there is a kink: a variance in one more direction is rounding, and made F 1e16.
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 4))
    y = rng.poisson(3, size=60).astype(float)
    model, names = estimator.fit(X, y), ["x0", "x1", "x2", "x3"]
    for n_groups in (2, 3, 4):
        most = n_groups - fewer
        groups = np.arange(60) % n_groups
        nested = np.column_stack([groups, np.arange(60) % (2 * n_groups)])
        for found in (infer(model, X, y, covariance="cluster", groups=each) for each in (groups, nested)):
            assert found.wald_test(names[:most]).statistic < 1e6
            if most < 4:
                with pytest.raises(ValueError, match=f"cannot be tested at once.* {most} direction"):
                    found.wald_test(names[: most + 1])


def test_leverages_of_clusters():
    model, X, y, clusters = fitted("grunfeld")
    found = infer(model, X, y, covariance="CR2", groups=clusters["firm"])
    agrees(found, "grunfeld", "club CR2")
    agrees(infer(model, X, y, covariance="CR3", groups=clusters["firm"]), "grunfeld", "club CR3")
    satterthwaite = {
        key: np.array(row, dtype=float) for key, row in REFERENCE["grunfeld"]["satterthwaite"]["CR2"].items()
    }
    np.testing.assert_allclose(found.degrees_of_freedom()[:3], satterthwaite["df"], rtol=1e-7)
    table = found.summary()
    np.testing.assert_allclose(table.columns["t"][:3], satterthwaite["t"], rtol=1e-7)
    np.testing.assert_allclose(table.columns["p"][:3], satterthwaite["p"], rtol=1e-6)
    # One row of R is a coefficient's own test; their joint one is Hotelling's.
    one = found.wald_test("value")
    np.testing.assert_allclose([one.df_resid, one.p_value], [satterthwaite["df"][1], satterthwaite["p"][1]], rtol=1e-6)
    joint = REFERENCE["grunfeld"]["HTZ_all_slopes_CR2_from_clubSandwich_only"]
    test = found.wald_test(["value", "capital"])
    np.testing.assert_allclose(
        [test.statistic, test.df, test.df_resid, test.p_value],
        [joint["Fstat"], joint["df_num"], joint["df_denom"], joint["p_val"]],
        rtol=1e-8,
    )


def test_leverages_of_clusters_beyond_least_squares():
    """CR3 is clubSandwich's; its CR2 is symmetric in the scale of y, ours in that of Pearson's residuals."""
    model, X, y, clusters = fitted("bacteria_logistic")
    found = infer(model, X, y, covariance="CR2", groups=clusters["ID"])
    agrees(infer(model, X, y, covariance="CR3", groups=clusters["ID"]), "bacteria_logistic", "club CR3")
    agrees(found, "bacteria_logistic", "club CR2", tolerance=3e-2)
    design = np.column_stack([np.ones(len(y)), X])
    probability = model.predict_proba(X)[:, 1]
    root = np.sqrt(probability * (1 - probability))
    inverse = np.linalg.inv(design.T @ (design * root[:, None] ** 2))
    middle = np.zeros_like(inverse)
    for cluster in clusters["ID"].unique():
        rows = (clusters["ID"] == cluster).to_numpy()
        own = design[rows] * root[rows, None]
        values, vectors = np.linalg.eigh(np.eye(rows.sum()) - own @ inverse @ own.T)
        score = own.T @ (vectors / np.sqrt(values)) @ vectors.T @ ((y - probability) / root)[rows]
        middle += np.outer(score, score)
    np.testing.assert_allclose(found.covariance, inverse @ middle @ inverse, rtol=1e-9)
    others = [
        np.array(REFERENCE["bacteria_logistic"]["satterthwaite"][kind]["df"], dtype=float)
        for kind in ("CR2", "CR2_working_scale")
    ]
    np.testing.assert_allclose(found.degrees_of_freedom(), np.mean(others, axis=0), rtol=1e-3)


def test_contrasts_have_their_own_degrees_of_freedom():
    model, X, y, clusters = fitted("grunfeld")
    found = infer(model, X, y, covariance="CR2", groups=clusters["firm"])
    row = np.array([1.0, 200.0, 300.0, 0.0])
    mean = found.delta_method(lambda theta: row @ theta)
    assert mean.df == pytest.approx(found.degrees_of_freedom(row)[0])
    np.testing.assert_allclose(
        mean_interval(found, pd.DataFrame([[200.0, 300.0]], columns=X.columns))[0],
        mean.confidence_interval(),
        rtol=1e-6,
    )


def test_tests_of_terms_and_of_equivalence_have_their_own_degrees_of_freedom():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=60), "level": rng.integers(0, 3, 60).astype(str)})
    y, groups = rng.poisson(np.exp(0.3 * X["x"])), np.repeat(np.arange(12), 5)
    transformers = make_column_transformer(("passthrough", ["x"]), (OneHotEncoder(drop="first"), ["level"]))
    model, options = (
        make_pipeline(transformers, MLERegressor("poisson")).fit(X, y),
        {"covariance": "CR2", "groups": groups},
    )
    found = infer(model, X, y, **options)
    one, several = found.parameters[1], list(found.parameters[2:])
    table, tests = anova(model, X, y, test="wald", **options), [found.wald_test(one), found.wald_test(several)]
    np.testing.assert_allclose(table.columns["F"], [test.statistic for test in tests], rtol=1e-12)
    np.testing.assert_allclose(table.columns["p"], [test.p_value for test in tests], rtol=1e-12)
    bound = found.estimates[1] - found.standard_errors[1]
    p = found.equivalence_test(one, lower=bound)
    assert p == pytest.approx(stats.t.sf(1, found.degrees_of_freedom()[1]), rel=1e-9)


def test_effects_have_the_least_degrees_of_freedom_of_theirs():
    model, X, y, clusters = fitted("grunfeld")
    found = infer(model, X, y, covariance="CR2", groups=clusters["firm"])
    slopes = average_effects(found, X)
    np.testing.assert_allclose(slopes.standard_errors, found.standard_errors[1:3], rtol=1e-6)
    assert slopes.df == pytest.approx(found.degrees_of_freedom()[1:3].min(), rel=1e-6)


def test_clusters_of_one_row_are_hc2_and_hc3():
    model, X, y, _ = fitted("bacteria_logistic")
    for cluster, rows in (("CR2", "HC2"), ("CR3", "HC3")):
        np.testing.assert_allclose(
            infer(model, X, y, covariance=cluster, groups=np.arange(len(y))).covariance,
            infer(model, X, y, covariance=rows).covariance,
            rtol=1e-9,
        )


def test_a_cluster_that_alone_determines_a_coefficient_adds_nothing_to_it():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(8), 5)
    X = np.column_stack([rng.normal(size=40), group == 7])
    y = X @ [1.0, 2.0] + rng.normal(size=40)
    found = infer(GaussianMLERegressor().fit(X, y), X, y, covariance="CR2", groups=group)
    assert np.isfinite(found.standard_errors).all()


def test_several_classes_and_weights_as_copies():
    rng = np.random.default_rng(1)
    X, y, group = rng.normal(size=(60, 2)), rng.integers(0, 3, 60), np.repeat(np.arange(12), 5)
    weight = rng.integers(0, 3, 60)
    rows = np.repeat(np.arange(60), weight)
    model = MLELogisticClassifier()
    for kind in ("CR2", "CR3"):
        weighted = infer(model.fit(X, y, weight), X, y, sample_weight=weight, covariance=kind, groups=group)
        copied = infer(model.fit(X[rows], y[rows]), X[rows], y[rows], covariance=kind, groups=group[rows])
        np.testing.assert_allclose(weighted.covariance, copied.covariance, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(weighted.degrees_of_freedom(), copied.degrees_of_freedom(), rtol=1e-4)


def test_what_has_no_answer_says_so():
    X, y = np.arange(12.0)[:, None], np.array([1.0, 3, 2, 5, 4, 6, 5, 8, 7, 9, 8, 11])
    group, model = np.arange(12) // 3, GaussianMLERegressor().fit(X, y)
    with pytest.raises(ValueError, match="groups and covariance='cluster'"):
        infer(model, X, y, covariance="CR2")
    with pytest.raises(ValueError, match="one way"):
        infer(model, X, y, covariance="CR2", groups=np.column_stack([group, group % 2]))
    with pytest.raises(ValueError, match="shape"):
        infer(model, X, y, covariance="cluster", groups=np.zeros((12, 2, 2)))
    with pytest.raises(ValueError, match="lags is for covariance='HAC'"):
        infer(model, X, y, covariance="HC0", lags=2)
    with pytest.raises(ValueError, match="lags=12 must be less than the number of rows, 12"):
        infer(model, X, y, covariance="HAC", lags=12)
    with pytest.raises(ValueError, match="lags must be a whole number"):
        infer(model, X, y, covariance="HAC", lags=-1)
    weight = np.full(12, 2.0)
    with pytest.raises(NotSupportedError, match="order of time"):
        infer(GaussianMLERegressor().fit(X, y, weight), X, y, sample_weight=weight, covariance="HAC")
    with pytest.raises(NotSupportedError, match="leave bread at its default"):
        infer(model, X, y, covariance="CR2", groups=group, bread="observed")
    with pytest.raises(NotSupportedError, match="kinks"):
        infer(MLERegressor("laplace").fit(X, y), X, y, covariance="CR2", groups=group)


def test_too_few_clusters_for_a_joint_test_are_an_error():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), rng.normal(size=40)
    X[36:] *= 20
    groups = np.append(np.zeros(34, dtype=int), np.arange(1, 7))
    found = infer(GaussianMLERegressor().fit(X, y), X, y, covariance="CR2", groups=groups)
    with pytest.raises(ValueError, match="degrees of freedom, too few to test 4 rows at once"):
        found.wald_test(["x0", "x1", "x2", "x3"])


def test_missing_groups_are_named():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 1)), rng.normal(size=40)
    groups = np.repeat(np.array(list("abcdefgh"), dtype=object), 5)
    model = GaussianMLERegressor().fit(X, y)
    whole = infer(model, X, y, covariance="cluster", groups=groups).standard_errors
    for missing in (None, pd.NA, np.nan):
        groups[7] = missing
        with pytest.raises(ValueError, match=r"groups"):
            infer(model, X, y, covariance="cluster", groups=groups)
        with pytest.raises(ValueError, match=r"population"):
            average_effects(infer(model, X, y), X, population=groups)
    groups[7] = None
    with pytest.raises(ValueError, match=r"groups: row 7 has no label \(None\)"):
        infer(model, X, y, covariance="cluster", groups=groups)
    # Rows of weight zero are absent.
    weight = np.ones(40)
    weight[7] = 0
    model.fit(X, y, weight)
    found = infer(model, X, y, sample_weight=weight, covariance="cluster", groups=groups).standard_errors
    groups[7] = "b"
    again = infer(model, X, y, sample_weight=weight, covariance="cluster", groups=groups).standard_errors
    np.testing.assert_array_equal(found, again)
    assert not np.allclose(found, whole)
