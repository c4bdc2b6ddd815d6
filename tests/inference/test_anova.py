"""Tests of terms: R's anova, drop1 and car's Anova on published data, and hard inputs."""

import json
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import special, stats
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, SplineTransformer

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import ConvergenceWarning, NotSupportedError, RankDeficiencyWarning
from sklearn_mle.inference import anova, drop_one, infer, likelihood_ratio_test
from sklearn_mle.likelihoods import StudentT
from tests.inference.published_effects import FOLDER

# R 4.2.2: anova(test = "F" / "Chisq"), drop1, car 3.1.1's Anova(type = 2, 3), confirmed by code with 100 digits.
REFERENCE = json.loads((FOLDER / "anova.json").read_text())
RTOL = 1e-9


def encoded(*levels):
    """Return columns of factors' levels but the first."""
    return OneHotEncoder(categories=[list(each) for each in levels], drop="first", sparse_output=False)


def crossed(first, second):
    """Return columns of two factors and of the products of any of these columns."""
    k = len(first) - 1

    def products(Z):
        return np.hstack([Z, (Z[:, :k, None] * Z[:, None, k:]).reshape(len(Z), -1)])

    return make_pipeline(encoded(first, second), FunctionTransformer(products))


CASES = {
    "lm/moore": lambda: (
        make_column_transformer((crossed(["low", "high"], ["low", "medium", "high"]), ["partner", "fcategory"])),
        LinearRegression(),
        "conformity",
    ),
    "logistic/birthwt": lambda: (
        make_column_transformer(
            ("passthrough", ["age", "lwt"]),
            (crossed(["white", "black", "other"], ["no", "yes"]), ["race", "smoke"]),
            ("passthrough", ["ht"]),
        ),
        MLELogisticClassifier(),
        "low",
    ),
    "poisson/quine": lambda: (
        make_column_transformer(
            (crossed(["A", "N"], ["F", "M"]), ["Eth", "Sex"]),
            (encoded(["F0", "F1", "F2", "F3"], ["AL", "SL"]), ["Age", "Lrn"]),
        ),
        MLERegressor("poisson"),
        "Days",
    ),
    "gamma/airquality": lambda: (
        make_column_transformer(
            (PolynomialFeatures(2, interaction_only=True, include_bias=False), ["Wind", "Temp"]),
            (encoded([5, 6, 7, 8, 9]), ["Month"]),
        ),
        MLERegressor("gamma"),
        "Ozone",
    ),
}


@cache
def fitted(name):
    transformers, model, target = CASES[name]()
    data = pd.read_csv(FOLDER / f"tests_{name.replace('/', '_')}.csv")
    y = data.pop(target)
    terms = next(iter(REFERENCE[name].values())) if name != "lm/moore" else {"partner": 0, "fcategory": 0}
    X = data[[term for term in terms if ":" not in term]]
    return make_pipeline(transformers, model).fit(X, y), X, y


PEARSON = {"dispersion": "pearson"}
# Of what we are asked for each table; gamma's dispersion is Pearson's in all of R's.
ASKED = {
    "anova_chisq": lambda *fit, **of_gamma: anova(*fit, kind="sequential", **of_gamma),
    "anova_F": lambda *fit, **of_gamma: anova(*fit, kind="sequential", **of_gamma),
    "type2_LR": lambda *fit, **of_gamma: anova(*fit, **of_gamma),
    "type2_F": lambda *fit, **of_gamma: anova(*fit, **(of_gamma if "Linear" in repr(fit[0]) else PEARSON)),
    "type2_Wald": lambda *fit, **of_gamma: anova(*fit, test="wald", **of_gamma),
    "type2_F_HC3": lambda *fit, **of_gamma: anova(*fit, test="wald", covariance="HC3"),
    "type3_F_treatment": lambda *fit, **of_gamma: anova(*fit, kind="last"),
    "drop1_chisq": lambda *fit, **of_gamma: drop_one(*fit, **of_gamma),
    "drop1_F": lambda *fit, **of_gamma: drop_one(*fit),
}


# Every table of least squares and of counts, and what the other models are asked for by default.
TABLES = [
    pytest.param(
        name, table, marks=[pytest.mark.slow] * (name not in ("lm/moore", "poisson/quine") and table != "type2_LR")
    )
    for name, tables in REFERENCE.items()
    for table in tables
]


@pytest.mark.parametrize(("name", "table"), TABLES)
def test_terms_are_tested_as_r_does(name, table):
    if table == "drop1_F" and name != "lm/moore":
        pytest.skip(
            "R's drop1(test = 'F') divides by deviance / df, which is no estimate of the dispersion for counts."
        )
    fit, X, y = fitted(name)
    options = PEARSON if name.startswith("gamma") else {}
    found, expected = ASKED[table](fit, X, y, **options), REFERENCE[name][table]
    assert list(found.index) == list(expected)
    statistic = found.columns.get("F", found.columns.get("chi2"))
    for row, entry in enumerate(expected.values()):
        df = found.columns["df"][row]
        assert df == entry["df"]
        value = entry["F"] * (df if "chi2" in found.columns else 1) if "F" in entry else entry["chi2"] / df
        value = entry["chi2"] if "chi2" in found.columns and "chi2" in entry else value
        assert statistic[row] == pytest.approx(value, rel=RTOL)
        if ("F" in found.columns) == ("F" in entry):
            assert found.columns["p"][row] == pytest.approx(entry["p"], rel=1e-7)


def test_a_spline_is_one_term_and_equals_the_likelihood_ratio():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.uniform(size=200), "b": rng.normal(size=200), "unused": rng.normal(size=200)})
    y = rng.poisson(np.exp(np.sin(5 * X["a"])))
    splines = make_column_transformer((SplineTransformer(4, include_bias=False), ["a"]), ("passthrough", ["b"]))
    model = make_pipeline(splines, MLERegressor("poisson")).fit(X, y)
    found = anova(model, X, y)
    assert found.index == ("a", "b")
    without = make_pipeline(make_column_transformer(("passthrough", ["b"])), MLERegressor("poisson")).fit(X, y)
    test = likelihood_ratio_test(without, model, X, y)
    assert found.columns["chi2"][0] == pytest.approx(test.statistic, rel=1e-8)
    assert found.columns["df"][0] == test.df == 5


def test_every_parameter_with_columns_loses_the_term():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(150, 2)), columns=["a", "b"])
    y = X["a"] + np.exp(0.3 * X["b"]) * rng.normal(size=150)
    both = GaussianMLERegressor(scale="log_linear").fit(X, y)
    found = anova(both, X, y)
    for k, name in enumerate("ab"):
        other = GaussianMLERegressor(scale="log_linear").fit(X.drop(columns=name), y)
        ratio = 2 * (both.log_likelihood_ - other.log_likelihood_)
        assert found.columns["chi2"][k] == pytest.approx(ratio, rel=1e-7)
        assert found.columns["df"][k] == 2


def test_a_column_that_no_predictor_has_is_no_term():
    """As a variable that is in no formula: the table is that of the model without it."""
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["a", "b", "c"])
    y = rng.poisson(np.exp(0.3 * X["b"]))
    some = MLERegressor("poisson", predictors={"mean": ["b", "c"]}).fit(X, y)
    own = MLERegressor("poisson").fit(X[["b", "c"]], y)
    for ask in (anova, drop_one, lambda *fit: anova(*fit, test="wald")):
        found, expected = ask(some, X, y), ask(own, X[["b", "c"]], y)
        assert found.index == expected.index == ("b", "c")
        np.testing.assert_allclose(found.columns["chi2"], expected.columns["chi2"], rtol=1e-8)


def test_a_location_without_its_columns_takes_none_of_the_others():
    rng = np.random.default_rng(6)
    X = pd.DataFrame(rng.normal(size=(90, 2)), columns=["a", "b"])
    y = rng.poisson(np.exp(0.3 * X["b"]))
    some = MLERegressor("poisson", predictors={"mean": ["b"]}).fit(X, y)
    with pytest.warns(RankDeficiencyWarning):
        empty = MLERegressor("poisson").fit(X[[]].assign(none=0.0), y)
    ratio = 2 * (some.log_likelihood_ - empty.log_likelihood_)
    assert anova(some, X, y).columns["chi2"] == pytest.approx([ratio], rel=1e-8)
    # The scale has b, the location a: each is tested with the other where it was.
    y = X["a"] + np.exp(0.3 * X["b"]) * rng.normal(size=90)
    both = MLERegressor("gaussian", predictors={"location": ["a"], "scale": ["b"]}).fit(X, y)
    constant = MLERegressor("gaussian", predictors={"location": [], "scale": ["b"]}).fit(X, y)
    found = anova(both, X, y)
    assert found.columns["df"].tolist() == [1, 1]
    ratio = 2 * (both.log_likelihood_ - constant.log_likelihood_)
    assert found.columns["chi2"][0] == pytest.approx(ratio, rel=1e-7)


def test_classes_weights_and_offsets():
    rng = np.random.default_rng(2)
    A = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    labels = np.where(rng.uniform(size=200) < 0.3, "u", np.where(A["a"] + rng.normal(size=200) > 0, "v", "w"))
    model = MLELogisticClassifier().fit(A, labels)
    ratios, wald = anova(model, A, labels), anova(model, A, labels, test="wald", covariance="HC0")
    assert ratios.columns["df"].tolist() == wald.columns["df"].tolist() == [2, 2]
    names = ["v: a", "w: a"]
    test = infer(model, A, labels, covariance="HC0").against("u").wald_test(names)
    assert wald.columns["chi2"][0] == pytest.approx(test.statistic, rel=1e-10)
    weight, offset = rng.integers(0, 3, 200), rng.normal(size=200)
    counts = rng.poisson(np.exp(0.2 * A["a"] + offset))
    offset[weight == 0] = np.nan  # those rows are absent
    copies = np.repeat(np.arange(200), weight)
    one = anova(
        MLERegressor("poisson").fit(A, counts, sample_weight=weight, offset=offset),
        A, counts, sample_weight=weight, offset=offset,
    )  # fmt: skip
    repeated = MLERegressor("poisson").fit(A.iloc[copies], counts[copies], offset=offset[copies])
    other = anova(repeated, A.iloc[copies], counts[copies], offset=offset[copies])
    np.testing.assert_allclose(one.columns["chi2"], other.columns["chi2"], rtol=1e-8)


def test_what_cannot_be_tested_says_so():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    y = X["a"] + rng.normal(size=60)
    with pytest.raises(NotSupportedError, match="anova needs the maximum"):
        anova(GaussianMLERegressor(alpha=1.0).fit(X, y), X, y)
    with pytest.raises(NotSupportedError, match="anova needs the maximum"):
        anova(MLELogisticClassifier(bias_reduction="firth").fit(X, y > 0), X, y > 0)
    shrunken = anova(GaussianMLERegressor(alpha=1.0).fit(X, y), X, y, test="wald", kind="last", penalized="sandwich")
    assert np.isfinite(shrunken.columns["p"]).all()
    model = GaussianMLERegressor().fit(X, y)
    for options, words in (
        ({"kind": "three"}, "kind must be"),
        ({"test": "score"}, "test must be"),
        ({"test": "wald", "kind": "sequential"}, "use likelihood ratios"),
        ({"covariance": "HC3"}, "only test='wald'"),
        ({"dispersion": "deviance"}, "dispersion must be"),
    ):
        with pytest.raises(ValueError, match=words):
            anova(model, X, y, **options)
    twice = X.assign(again=2 * X["a"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dependent = GaussianMLERegressor().fit(twice, y)
        constant = make_pipeline(FunctionTransformer(np.zeros_like), GaussianMLERegressor()).fit(X, y)
    with pytest.raises(ValueError, match="tests nothing"):
        anova(dependent, twice, y)
    with pytest.raises(ValueError, match="depends on none"):
        anova(constant, X, y)


def test_equivalence_and_non_inferiority():
    rng = np.random.default_rng(4)
    X = pd.DataFrame({"treated": rng.integers(0, 2, 80), "age": rng.normal(size=80)})
    y = 0.05 * X["treated"] + rng.normal(size=80)
    given = infer(GaussianMLERegressor().fit(X, y), X, y)
    estimate, error, df = given.estimates[1], given.standard_errors[1], given.df
    found = given.equivalence_test("treated", -0.5, 0.5)
    p = max(stats.t.sf((estimate + 0.5) / error, df), stats.t.cdf((estimate - 0.5) / error, df))
    assert found == pytest.approx(p, rel=1e-10)
    # Two one-sided tests at 5% are the 90% interval within the bounds.
    lower = given.confidence_intervals(0.9)[1, 0]
    assert given.equivalence_test("treated", lower - 1e-9, 10.0) == pytest.approx(0.05, abs=1e-6)
    assert given.equivalence_test("treated", lower=-0.5) == pytest.approx(stats.t.sf((estimate + 0.5) / error, df))
    assert given.equivalence_test("treated - age", upper=0.5) < 1
    from sklearn_mle.inference import average_effects

    effects = average_effects(given, X)
    np.testing.assert_allclose(effects.equivalence_tests(-0.5, 0.5)[0], p, rtol=1e-9)
    for bounds in ((), (0.5, -0.5), (np.nan, 1.0)):
        with pytest.raises(ValueError, match="lower"):
            given.equivalence_test("treated", *bounds)
    with pytest.raises(ValueError, match="one combination"):
        given.equivalence_test(["treated", "age"], -1, 1)


@pytest.mark.parametrize("sparse", [pytest.param(False, marks=pytest.mark.slow), True])
def test_terms_with_levels_of_few_rows_are_whole(sparse):
    # The 256 rows in which columns are changed have neither all the levels nor the products of a rare one.
    rng = np.random.default_rng(0)
    n = 3000
    X = pd.DataFrame({"a": rng.integers(2, size=n), "b": rng.integers(2, size=n), "c": np.arange(n) % 150})
    X.loc[[7, 8, 9], "b"], X.loc[[7, 8], "a"], X.loc[9, "a"] = 2, 1, 0
    X = X.astype(str)
    y = rng.normal(size=n)

    def products(Z):
        first, second = Z[:, :1], Z[:, 1:]
        return sp.hstack([Z, second.multiply(first)]).tocsr() if sparse else np.hstack([Z, first * second])

    crossing = make_pipeline(OneHotEncoder(drop="first", sparse_output=sparse), FunctionTransformer(products))
    transformers = make_column_transformer(
        (crossing, ["a", "b"]), (OneHotEncoder(drop="first", sparse_output=sparse), ["c"])
    )
    model = make_pipeline(transformers, GaussianMLERegressor()).fit(X, y)
    found = anova(model, X, y)
    assert found.index == ("a", "b", "c", "a:b")
    assert found.columns["df"].tolist() == [1, 2, 149, 2]
    additive = make_pipeline(OneHotEncoder(drop="first"), LinearRegression()).fit(X, y)
    test = likelihood_ratio_test(additive, model, X, y)
    assert found.columns["F"][3] == pytest.approx(test.statistic, rel=1e-8)


def test_a_smaller_model_that_fits_better_is_warned_of():
    # A Cauchy likelihood has a maximum at each of two groups of rows.
    rng = np.random.default_rng(0)
    X, group = rng.normal(size=(60, 2)), np.arange(60) < 25
    y = X[:, 0] + 20 * group + 0.3 * rng.normal(size=60)
    model = MLERegressor(StudentT(df=1), predictors={"scale": 1.0}).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        anova(model, X, y)
    # Reweighted least squares from the smaller group stay there.
    Z, weight = np.column_stack([np.ones(60), X]), group.astype(float)
    for _ in range(200):
        other = np.linalg.solve(Z.T @ (weight[:, None] * Z), Z.T @ (weight * y))
        weight = 1 / (1 + (y - Z @ other) ** 2)
    model._parameters[0] = np.append(other[1:], other[0])
    assert model.log_likelihood(X, y) < model.log_likelihood_ - 5
    with pytest.warns(ConvergenceWarning, match=r"The model with '[01]' has a log-likelihood of"):
        table = anova(model, X, y)
    assert table.columns["chi2"][0] == 0
    assert table.columns["p"][0] == 1
    with pytest.warns(ConvergenceWarning, match="The model without columns has a log-likelihood of"):
        assert infer(model, X, y).header["LR chi2(2)"] == 0


@pytest.mark.parametrize("predictors", [{"dispersion": 0.7}, None])
def test_deviances_of_counts_are_compared_at_one_dispersion(predictors):
    """R's anova(glm(y ~ a + b + offset(o), negative.binomial(theta)), test = "F"), theta known or the fitted one."""
    rng = np.random.default_rng(5)
    X, offset, weight = rng.normal(size=(80, 2)), 0.3 * rng.normal(size=80), rng.integers(0, 4, 80).astype(float)
    y = rng.poisson(np.exp(1 + 0.3 * X[:, 0] + offset) * rng.gamma(2, 0.5, 80)).astype(float)
    given = {"sample_weight": weight, "offset": offset}
    model = MLERegressor("negative_binomial", predictors=predictors).fit(X, y, **given)
    a = model.dispersion_

    def deviance_and_pearson(columns):
        at = {"dispersion": a}
        mean = MLERegressor("negative_binomial", predictors=at).fit(X[:, columns], y, **given)
        mean = mean.predict(X[:, columns], offset=offset)
        unit = 2 * (special.xlogy(y, y / mean) - (y + 1 / a) * np.log((1 + a * y) / (1 + a * mean)))
        return weight @ unit, weight @ ((y - mean) ** 2 / (mean + a * mean**2))

    whole, squares = deviance_and_pearson([0, 1])
    expected = [(deviance_and_pearson([k])[0] - whole) / (squares / (weight.sum() - 3)) for k in (1, 0)]
    table = anova(model, X, y, dispersion="pearson", **given)
    np.testing.assert_array_equal(table.columns["df"], 1)
    np.testing.assert_allclose(table.columns["F"], expected, rtol=1e-6)
