"""Summaries: what their headers say, how they are exported, side by side; and names of other software."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.base import clone

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import compare_summaries, infer
from sklearn_mle.likelihoods import AsymmetricLaplace, Huber, StudentT, Tweedie

RNG = np.random.default_rng(3)
N = 120
X = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "b_c"])
DESIGN = sm.add_constant(X)
ETA = 0.3 + 0.5 * X["a"]
COUNTS = RNG.poisson(np.exp(ETA))
AMOUNTS = RNG.gamma(2.0, np.exp(ETA) / 2)
LABELS = RNG.uniform(size=N) < 1 / (1 + np.exp(-ETA))
WEIGHT = RNG.integers(0, 4, N).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("model", "y", "family"),
    [
        (MLERegressor("poisson"), COUNTS, sm.families.Poisson()),
        (MLERegressor("gamma"), AMOUNTS, sm.families.Gamma(sm.families.links.Log())),
        (MLERegressor("inverse_gaussian"), AMOUNTS, sm.families.InverseGaussian(sm.families.links.Log())),
        (MLELogisticClassifier(), LABELS, sm.families.Binomial()),
    ],
    ids=["poisson", "gamma", "inverse_gaussian", "logistic"],
)
def test_deviances_are_those_of_statsmodels(model, y, family, weighted):
    weight = WEIGHT if weighted else None
    theirs = sm.GLM(y.astype(float), DESIGN, family=family, freq_weights=weight).fit(tol=1e-12)
    ours = infer(clone(model).fit(X, y, sample_weight=weight), X, y, sample_weight=weight).header
    n = WEIGHT.sum() if weighted else N
    assert ours[f"deviance ({n - 3:g} df)"] == pytest.approx(theirs.deviance, rel=1e-8)
    assert ours[f"null deviance ({n - 1:g} df)"] == pytest.approx(theirs.null_deviance, rel=1e-8)
    assert ours["D2"] == pytest.approx(1 - theirs.deviance / theirs.null_deviance, rel=1e-7)
    if model.__class__.__name__ == "MLELogisticClassifier" or "poisson" in repr(model):
        assert ours["Pearson's dispersion"] == pytest.approx(theirs.pearson_chi2 / (n - 3), rel=1e-7)
    assert ours.get("weights") == ("frequency" if weighted else None)


def test_soft_labels_are_compared_with_their_own_saturated_model():
    share = 0.1 + 0.8 / (1 + np.exp(-ETA.to_numpy()))
    theirs = sm.GLM(share, DESIGN, family=sm.families.Binomial()).fit(tol=1e-12)
    soft = np.column_stack([1 - share, share])
    ours = infer(MLELogisticClassifier().fit(X, soft), X, soft).header
    assert ours[f"deviance ({N - 3} df)"] == pytest.approx(theirs.deviance, rel=1e-7)
    assert ours[f"null deviance ({N - 1} df)"] == pytest.approx(theirs.null_deviance, rel=1e-8)
    # Of what is not certain, the likelihoods are those of each class's copies, weighted by its share.
    copies, labels = pd.concat([X, X]), np.repeat([0, 1], N)
    weight = soft.T.ravel()
    model = MLELogisticClassifier().fit(copies, labels, sample_weight=weight)
    of_copies = infer(model, copies, labels, sample_weight=weight).header
    assert ours["null log-likelihood"] == pytest.approx(of_copies["null log-likelihood"], rel=1e-10)
    assert ours["LR chi2(2)"] == pytest.approx(of_copies["LR chi2(2)"], rel=1e-8)


def test_a_header_says_what_was_modelled():
    assert infer(MLELogisticClassifier().fit(X, LABELS)).header["modelled class"] == "True"
    for likelihood, name in (
        (AsymmetricLaplace(quantile=0.9), "AsymmetricLaplace(quantile=0.9)"),
        (StudentT(df=5), "StudentT(df=5)"),
        (Tweedie(power=1.6), "Tweedie(power=1.6)"),
        (Huber(epsilon=1.2), "Huber(epsilon=1.2)"),
        ("gaussian", "Gaussian"),
    ):
        assert infer(MLERegressor(likelihood).fit(X, AMOUNTS), X, AMOUNTS).header["likelihood"] == name


def test_numbers_show_the_digits_of_the_standard_errors():
    text = repr(GaussianMLERegressor().fit(X, ETA + RNG.normal(size=N)).summary())
    rows = [line.split() for line in text.splitlines() if line.startswith(("intercept", "a ", "b_c"))]
    decimals = {len(row[k].partition(".")[2]) for row in rows for k in (1, 2, 5, 6)}
    assert len(decimals) == 1
    # Numbers of very different sizes have digits each.
    wide = GaussianMLERegressor().fit(X * [1e-9, 1e9], ETA + RNG.normal(size=N)).summary()
    assert "e-" in repr(wide)


def test_a_summary_in_other_formats():
    summary = infer(MLERegressor("poisson").fit(X, COUNTS), X, COUNTS).summary(rate_ratios=True)
    latex = summary.to_latex()
    assert r"b\_c & " in latex and r"\toprule" in latex and latex.count(r"\\") >= 6
    assert latex.count("{") == latex.count("}")
    lines = summary.to_markdown().splitlines()
    assert lines[0].startswith("|  | rate ratio | standard error |") and lines[1].startswith("|---|---:|")
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert "<table>" in summary.to_html() and summary.to_html() == summary._repr_html_()


def test_summaries_side_by_side():
    small, large = (MLERegressor("poisson").fit(X[names], COUNTS) for names in (["a"], ["a", "b_c"]))
    robust = infer(large, X, COUNTS, covariance="HC3")
    found = compare_summaries(small, large, robust, names=["small", "large", "robust"])
    frame = found.to_frame()
    assert list(frame.index) == ["intercept", "a", "b_c"]
    np.testing.assert_allclose(frame["large", "estimate"], large.summary()["estimate"])
    np.testing.assert_allclose(frame["robust", "standard error"], robust.standard_errors)
    assert np.isnan(frame["small", "estimate"]["b_c"])
    text = repr(found)
    assert "HC3" in text and "(" in text and "p < 0.001" in text
    lines = text.splitlines()
    assert max(map(len, lines[:-1])) == len(lines[0])
    assert "***" in text and "*" not in repr(compare_summaries(small, stars=()))
    assert r"b\_c" in found.to_latex() and "| b_c |" in found.to_markdown() and "<td>" in found._repr_html_()
    with pytest.raises(ValueError, match="at least one"):
        compare_summaries()
    with pytest.raises(ValueError, match="one entry for each"):
        compare_summaries(small, names=["a", "b"])
    with pytest.raises(TypeError, match="no summary"):
        compare_summaries(3)


@pytest.mark.parametrize(
    "name",
    [
        "params",
        "bse",
        "pvalues",
        "conf_int",
        "llf",
        "pearson_chi2",
        "compare_f_test",
        "get_prediction",
    ],
)
def test_names_of_statsmodels_say_ours(name):
    model = GaussianMLERegressor().fit(X, COUNTS)
    for owner in (model, model.summary(), infer(model), MLELogisticClassifier()):
        assert not hasattr(owner, name)
        with pytest.raises(AttributeError, match="statsmodels' name. Here it is"):
            getattr(owner, name)
    with pytest.raises(AttributeError, match="'Inference' object has no attribute 'nonsense'$"):
        infer(model).nonsense  # noqa: B018
    for again in (copy.deepcopy(infer(model)), pickle.loads(pickle.dumps(model.summary())), clone(model)):
        assert not hasattr(again, name)


@pytest.mark.parametrize(
    ("text", "R", "r"),
    [
        ("a = b_c", [[0, 1, -1, 0]], 0),
        ("a + 2*b_c = 3", [[0, 1, 2, 0]], 3),
        ("2a - b_c/4 + 1 = 3e0 - intercept", [[1, 2, -0.25, 0]], 2),
        ("a", [[0, 1, 0, 0]], 0),
        ("-a - -b_c", [[0, -1, 1, 0]], 0),
        ("a = b_c = intercept", [[0, 1, -1, 0], [-1, 0, 1, 0]], 0),
        (["a = 1", "b_c"], [[0, 1, 0, 0], [0, 0, 1, 0]], [1, 0]),
        ("2 * 3 * a * 0.5 = .5", [[0, 3, 0, 0]], 0.5),
    ],
)
def test_hypotheses_as_text(text, R, r):
    inference = infer(GaussianMLERegressor().fit(X, COUNTS), X, COUNTS, covariance="HC3")
    found, expected = inference.wald_test(text), inference.wald_test(R, r)
    assert found.df == expected.df and found.statistic == pytest.approx(expected.statistic, rel=1e-12)


def test_names_with_signs_and_spaces_are_names():
    columns = ["x + 1", "C(g)[T.2]", "x"]
    frame = pd.DataFrame(RNG.normal(size=(N, 3)), columns=columns)
    inference = infer(GaussianMLERegressor().fit(frame, COUNTS))
    found = inference.wald_test("x + 1 - 2 C(g)[T.2] + x = 1")
    assert found.statistic == pytest.approx(inference.wald_test([0, 1, -2, 1, 0], 1).statistic, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b_c", "not a linear hypothesis"),
        ("a =", "not a linear hypothesis"),
        ("a * b_c", "not a linear hypothesis"),
        ("2 / a", "not a linear hypothesis"),
        ("a +", "not a linear hypothesis"),
        ("1 = 2", "names no parameter"),
        ("a = a", "names no parameter"),
        ("a = c", "cannot read 'c'"),
        ("a = ab", "cannot read 'ab'"),
        ("", "not a linear hypothesis"),
    ],
)
def test_texts_that_are_no_hypotheses(text, words):
    with pytest.raises(ValueError, match=words):
        infer(GaussianMLERegressor().fit(X, COUNTS)).wald_test(text)
    with pytest.raises(ValueError, match="right-hand sides"):
        infer(GaussianMLERegressor().fit(X, COUNTS)).wald_test("a = b_c", 3)
