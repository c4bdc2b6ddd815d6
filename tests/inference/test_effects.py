"""Effects, averages and contrasts: equal to published values, to definitions, and sound on hard inputs."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)
from threadpoolctl import threadpool_limits

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import NotSupportedError, SeparationWarning
from sklearn_mle.inference import (
    Above,
    Probability,
    Quantile,
    anova,
    average_effects,
    average_predictions,
    contrasts,
    infer,
)
from tests.inference.published_effects import LEVELS, MODELS, REFERENCE, errors_of, fitted, frame, inference

# The estimates of a fit are right to about 1e-10 of a standard error, differences of transformers to about 1e-11.
RTOL = 1e-9
KINDS = [(name, kind) for name, (key, _, _) in MODELS.items() for kind in
         REFERENCE["effects"][key]["effects"]["avg_predictions"][0]["se"]]  # fmt: skip


def asked(what, entries, given, X):
    """Return our answer to what a part of the reference has."""
    word, column = what.split()[0], what.split()[-1]
    terms = list(dict.fromkeys(entry["term"] for entry in entries)) if "term" in entries[0] else []
    if what.startswith("avg_predictions counterfactual"):
        return average_predictions(given, X, at={column: LEVELS[column]})
    if word == "avg_predictions":
        return average_predictions(given, X, by=column if "by" in what else None)
    if word == "pairwise":
        return contrasts(given, X, {column: "pairwise"})
    if word in ("lnratioavg", "ratioavg", "lnoravg"):
        compare = {"lnratioavg": "log_ratio", "ratioavg": "ratio", "lnoravg": "log_odds_ratio"}[word]
        return contrasts(given, X, column, compare=compare)
    if word == "plus_one":
        return contrasts(given, X, terms)
    if word == "plus_one_centred":
        return contrasts(given, X, {name: [lambda x: x - 0.5, lambda x: x + 0.5] for name in terms})
    if word == "between":
        high, low = entries[0]["contrast"].split(" - ")
        return contrasts(given, X, {terms[0]: [float(low), float(high)]})
    slope = "eyex" if what.endswith("eyex") else "dydx"
    by = column if " by " in what else None
    return average_effects(given, X, terms, slope=slope, by=by, at="means" if "at mean" in what else None)


@pytest.mark.parametrize(
    ("name", "kind"), [pytest.param(*each, marks=[pytest.mark.slow] * (each[0] == "biochemists")) for each in KINDS]
)
def test_everything_is_what_the_reference_has(name, kind):
    X, given = frame(name)[0], inference(name, kind)
    for what, entries in REFERENCE["effects"][MODELS[name][0]]["effects"].items():
        # Every kind of covariance goes with the same gradients.
        if what == "exp(coef)" or (kind != "model" and not what.startswith(("avg_slopes by", "lnratioavg"))):
            continue
        found = asked(what, entries, given, X)
        estimates, errors = np.array([e["estimate"] for e in entries]), errors_of(name, kind, entries)
        order = np.arange(len(found))
        if "class" in entries[0]:  # ours are in alphabetical order
            classes = [entry["class"] for entry in entries]
            order = np.array([
                start + list(found.labels["class"][:3]).index(label)
                for start, label in zip(np.repeat(np.arange(0, len(entries), 3), 3), classes, strict=True)
            ])  # fmt: skip
            assert [found.labels["class"][k] for k in order] == classes
        scale = np.abs(estimates).max()
        np.testing.assert_allclose(found.estimates[order], estimates, rtol=RTOL, atol=1e-12 * scale, err_msg=what)
        # An exact zero of the reference is one of rounding here.
        np.testing.assert_allclose(found.standard_errors[order], errors, rtol=RTOL, atol=1e-10 * scale, err_msg=what)


@pytest.mark.parametrize("name", ["birthwt", pytest.param("biochemists", marks=pytest.mark.slow), "womenlf"])
def test_effects_on_a_plain_design_are_those_of_get_margeff(name):
    key = MODELS[name][0]
    published, (X, y, _) = REFERENCE["margeff"][key], frame(name)
    design = pd.DataFrame(index=X.index)
    for column in published["names"]:
        factor, _, level = column.partition("=")
        design[column] = (X[factor] == level).astype(float) if level else X[factor]
    model = MODELS[name][2]().fit(design, y)
    classes = published["classes"]
    for kind, word in (("hessian", "se"), ("HC0", "se_HC0")):
        given = infer(model, design, y, covariance=kind)
        for how, values in published["effects"].items():
            options = dict(part.split("=") for part in how.split())
            at = "means" if options["at"] == "mean" else None
            columns = dict.fromkeys(published["names"])
            if options["dummy"] == "True":
                columns |= dict.fromkeys(published["dummies"], (0.0, 1.0))
            found = average_effects(given, design, columns, slope=options["method"], at=at)
            order = np.arange(len(found))
            if classes is not None:
                ours = list(found.labels["class"])
                order = np.array([s + ours[:3].index(c) for s in range(0, len(found), 3) for c in classes])
            np.testing.assert_allclose(found.estimates[order], values["estimate"], rtol=RTOL, atol=1e-12, err_msg=how)
            np.testing.assert_allclose(found.standard_errors[order], values[word], rtol=RTOL, err_msg=how)


@pytest.mark.parametrize("name", ["birthwt", "biochemists"])
def test_marginal_means_on_the_link_are_those_of_emmeans(name):
    # Other factors' levels alike, covariates at their means; ht, of two values, counts as a factor of emmeans'.
    published, X = REFERENCE["emmeans"][MODELS[name][0]], frame(name)[0]
    factor = published["factor"]
    others = {"birthwt": {"smoke": LEVELS["smoke"]}, "biochemists": {"mar": LEVELS["mar"]}}[name]
    rows = []
    for level in LEVELS[factor]:
        for other, values in others.items():
            for value in values:
                row = X.select_dtypes("number").mean().to_frame().T
                row[factor], row[other] = level, value
                if name == "birthwt":
                    row["ht"] = 0.5
                rows.append(row)
    grid = pd.concat(rows, ignore_index=True)
    found = average_predictions(inference(name, "model"), grid, of="predictor", by=factor)
    order = [list(found.labels[factor]).index(entry["level"]) for entry in published["link"]]
    np.testing.assert_allclose(found.values[order], [e["estimate"] for e in published["link"]], rtol=RTOL)
    np.testing.assert_allclose(found.standard_errors[order], [e["se"] for e in published["link"]], rtol=RTOL)
    high, low = (order[LEVELS[factor].index(level)] for level in published["pairs"][0]["contrast"].split(" - "))
    combination = np.zeros(len(found))
    combination[[high, low]] = 1, -1
    difference = found.combine(combination)
    assert difference.estimate == pytest.approx(published["pairs"][0]["estimate"], rel=RTOL)
    assert difference.standard_error == pytest.approx(published["pairs"][0]["se"], rel=RTOL)


RNG = np.random.default_rng(0)
N = 300
DATA = pd.DataFrame(
    {"a": RNG.gamma(3.0, 2.0, N), "b": RNG.normal(100, 15, N), "f": RNG.choice(["p", "q", "r"], N, p=[0.5, 0.3, 0.2])}
)
ETA = 0.2 * DATA["a"] - 0.02 * DATA["b"] + 1.0 + 0.5 * (DATA["f"] == "q")
# Smooth at the boundary knots, which are rows' values.
SPLINES = SplineTransformer(3, include_bias=False, extrapolation="continue")
TRANSFORMERS = make_column_transformer(
    (
        make_pipeline(FunctionTransformer(np.log), SplineTransformer(3, include_bias=False, extrapolation="continue")),
        ["a"],
    ),
    (StandardScaler(), ["b"]),
    (OneHotEncoder(drop="first"), ["f"]),
)
TARGETS = {
    "poisson": RNG.poisson(np.exp(ETA)),
    "gamma": RNG.gamma(2.0, np.exp(ETA) / 2),
    "gaussian": ETA + RNG.normal(0, 1, N),
    "student_t": ETA + RNG.standard_t(5, N),
    "lognormal": np.exp(ETA + RNG.normal(0, 0.5, N)),
    "weibull": np.exp(ETA) * RNG.weibull(1.5, N),
    "gumbel": ETA + RNG.gumbel(0, 1, N),
    "laplace": ETA + RNG.laplace(0, 1, N),
    "beta": np.clip(RNG.beta(5, 5, N), 1e-6, 1 - 1e-6),
}
LABELS = RNG.uniform(size=N) < 1 / (1 + np.exp(-ETA))


def numeric_gradient(ask, given):
    """Return the derivative of estimates in the coefficients, which are moved one by one."""
    matrix, out = given.model.coefficients, []
    for place in given.model.entries:
        size = 1e-5 * max(1.0, abs(matrix.ravel()[place]))
        values = []
        for sign in (1, -1):
            moved = matrix.copy()
            moved.ravel()[place] += sign * size
            values.append(ask(replace(given, model=replace(given.model, coefficients=moved))).values)
        out.append((values[0] - values[1]) / (2 * size))
    return np.stack(out, axis=1)


DERIVATIVES = [
    pytest.param(likelihood, of, marks=[pytest.mark.slow] * (likelihood != "gamma" or of not in ("mean", "last")))
    for likelihood in TARGETS
    for of in ("mean", "last", "quantile", "above", "predictor")
]


@pytest.mark.parametrize(("likelihood", "of"), DERIVATIVES)
def test_standard_errors_are_the_delta_method_of_moved_coefficients(likelihood, of):
    X, y = DATA[["a", "b"]], TARGETS[likelihood]
    options = {} if likelihood in ("laplace", "beta", "poisson") else {"predictors": "linear"}
    given = infer(MLERegressor(likelihood, **options).fit(X, y), X, y)
    last = given.model.likelihood.parameter_names[-1]
    of = {"last": last, "quantile": Quantile(0.8), "above": Above(float(np.quantile(y, 0.7)))}.get(of, of)
    if likelihood == "poisson" and isinstance(of, Quantile):
        with pytest.raises(NotSupportedError, match="whole number"):
            average_predictions(given, X, of=of)
        return
    X = X[:40]  # the rows of averages
    for ask in (
        lambda given: average_effects(given, X, of=of),
        lambda given: average_effects(given, X, of=of, at="means", slope="dyex"),
        lambda given: contrasts(given, X, {"a": [1.0, 9.0]}, of=of, compare=lambda high, low: high**2 - low),
    ):
        found = ask(given)
        gradient = numeric_gradient(ask, given)
        expected = np.sqrt(np.diag(gradient @ given.covariance @ gradient.T))
        # Central differences of steps of 1e-5, and of what is itself a difference; the density of laplace has a kink.
        rtol = 1e-2 if likelihood == "laplace" and isinstance(of, Above) else 1e-5
        np.testing.assert_allclose(found.standard_errors, expected, rtol=rtol, atol=1e-9)


def test_estimates_are_averages_of_what_predict_says():
    y = TARGETS["weibull"]
    model = make_pipeline(TRANSFORMERS, MLERegressor("weibull")).fit(DATA, y)
    given = infer(model, DATA, y)
    weight = RNG.integers(0, 3, N)
    for of, predict in (
        (None, model.predict),
        (Quantile(0.9), lambda X: model[-1].predict_quantile(model[:-1].transform(X), 0.9)),
        (Above(2.0), lambda X: model[-1].predict_distribution(model[:-1].transform(X)).sf(2.0)),
    ):
        found = average_predictions(given, DATA, of=of, by="f", sample_weight=weight).estimates
        each = predict(DATA)
        expected = [np.average(each[DATA["f"] == f], weights=weight[DATA["f"] == f]) for f in "pqr"]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        found = contrasts(given, DATA, {"b": [90, 110]}, of=of, compare=lambda high, low: high / low - 1)
        high, low = (predict(DATA.assign(b=b)).mean() for b in (110, 90))
        assert found.estimates == pytest.approx([high / low - 1], rel=1e-12)


def test_a_weight_is_so_many_rows_and_zero_is_none():
    y = TARGETS["gamma"]
    given = infer(make_pipeline(TRANSFORMERS, MLERegressor("gamma")).fit(DATA, y), DATA, y)
    weight = RNG.integers(0, 3, N)
    copies = np.repeat(np.arange(N), weight)
    for ask in (
        lambda X, **rows: average_effects(given, X, **rows),
        lambda X, **rows: contrasts(given, X, "f", compare="ratio", **rows),
        lambda X, **rows: average_predictions(given, X, by="f", **rows),
    ):
        one = ask(DATA, sample_weight=weight, population="rows")
        other = ask(DATA.iloc[copies], population="rows")
        assert one.labels == other.labels
        np.testing.assert_allclose(one.estimates, other.estimates, rtol=1e-11)
        np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-9, atol=1e-14)
    # Rows without weight are not even looked at.
    wrong = DATA.copy()
    wrong.loc[0, "f"] = "unheard of"
    weight[0] = 0
    assert "unheard of" not in average_effects(given, wrong, sample_weight=weight).index


def test_scikit_learns_models_frames_and_arrays_give_the_same():
    X, y = DATA[["a", "b"]], TARGETS["poisson"]
    ours = MLERegressor("poisson").fit(X, y)
    theirs = PoissonRegressor(alpha=0, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(X, y)
    expected = average_effects(infer(ours, X, y, covariance="HC1"), X)
    found = average_effects(infer(theirs, X, y, covariance="HC1"), X)
    np.testing.assert_allclose(found.estimates, expected.estimates, rtol=1e-8)
    np.testing.assert_allclose(found.standard_errors, expected.standard_errors, rtol=1e-7)
    assert expected.labels["column"] == ("a", "b")
    of_array = MLERegressor("poisson").fit(X.to_numpy(), y)
    given = infer(of_array, X.to_numpy(), y, covariance="HC1")
    for rows in (X.to_numpy(), sparse.csr_array(X.to_numpy()), X.to_numpy(dtype=np.float32)):
        again = average_effects(given, rows)
        assert again.labels["column"] == (0, 1)
        # Single precision of the rows themselves.
        rtol = 1e-6 if rows.dtype == np.float32 else 1e-11
        np.testing.assert_allclose(again.estimates, expected.estimates, rtol=rtol)
        np.testing.assert_allclose(again.standard_errors, expected.standard_errors, rtol=10 * rtol)
    least_squares = LinearRegression().fit(X, TARGETS["gaussian"])
    given = infer(least_squares, X, TARGETS["gaussian"])
    found = average_effects(given, X)
    np.testing.assert_allclose(found.estimates, least_squares.coef_, rtol=1e-12)
    np.testing.assert_allclose(found.standard_errors, given.standard_errors[1:3], rtol=1e-12)
    assert found.df == N - 3
    logistic = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000, solver="newton-cholesky").fit(X, LABELS)
    p = logistic.predict_proba(X)[:, 1]
    expected = logistic.coef_[0] * (p * (1 - p)).mean()
    np.testing.assert_allclose(average_effects(infer(logistic, X, LABELS), X).estimates, expected, rtol=1e-12)


def test_polars_frames_are_frames():
    pl = pytest.importorskip("polars")
    y = TARGETS["gamma"]
    transformers = make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(drop="first"), ["f"]))
    model = make_pipeline(transformers, MLERegressor("gamma")).fit(DATA, y)
    given = infer(model, DATA, y)
    expected = average_effects(given, DATA)
    for kind in (pl.String, pl.Categorical, pl.Enum(["p", "q", "r"])):
        found = average_effects(given, pl.DataFrame(DATA).with_columns(pl.col("f").cast(kind)))
        assert found.index == expected.index
        np.testing.assert_allclose(found.estimates, expected.estimates, rtol=1e-12)
        np.testing.assert_allclose(found.standard_errors, expected.standard_errors, rtol=1e-12)


SINGLE = {
    "array": lambda X: X.to_numpy(),
    "frame": lambda X: X,
    "nullable": lambda X: X.astype("Float32"),
    "arrow": lambda X: X.astype("float[pyarrow]"),
    "sparse": lambda X: X.astype(pd.SparseDtype("float32", 0.0)),
    "polars": lambda X: pytest.importorskip("polars").from_pandas(X),
}


@pytest.mark.parametrize("kind", SINGLE)
def test_columns_of_single_precision_do_not_move_with_a_changed_one(kind):
    # The changed column has double precision, in which scalers would compute all other columns, too. The fit's columns
    # are rounded to 6e-8, and a square and its column are correlated by less than 0.99.
    X = DATA[["a", "b"]].astype(np.float32)
    y = TARGETS["gamma"]
    transformers = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(with_mean=kind != "sparse"))
    double = make_pipeline(transformers, GaussianMLERegressor()).fit(X.astype(float).to_numpy(), y)
    expected = average_effects(infer(double, X.to_numpy(dtype=float), y), X.to_numpy(dtype=float))
    of_terms = anova(double, X.to_numpy(dtype=float), y, kind="marginal")
    given = SINGLE[kind](X)
    single = make_pipeline(transformers, GaussianMLERegressor()).fit(given, y)
    found = average_effects(infer(single, given, y), given)
    tests = anova(single, given, y, kind="marginal")
    np.testing.assert_allclose(found.estimates, expected.estimates, rtol=1e-5)
    np.testing.assert_allclose(found.standard_errors, expected.standard_errors, rtol=1e-5)
    assert [name.count(":") for name in tests.index] == [0, 0, 1]
    np.testing.assert_allclose(tests.columns["F"], of_terms.columns["F"], rtol=1e-5)


def test_blocks_of_rows_add_up(monkeypatch):
    from sklearn_mle.inference import tables

    given = inference("birthwt", "HC0")
    X = frame("birthwt")[0][::3]
    expected = [average_effects(given, X, by="race", population="rows"), contrasts(given, X, "smoke")]
    monkeypatch.setattr(tables, "_BLOCK_ROWS", 17)
    for found, whole in zip(
        [average_effects(given, X, by="race", population="rows"), contrasts(given, X, "smoke")], expected, strict=True
    ):
        np.testing.assert_allclose(found.estimates, whole.estimates, rtol=1e-10)
        np.testing.assert_allclose(found.covariance, whole.covariance, rtol=1e-9, atol=1e-15)


@pytest.mark.alone
def test_the_bits_are_those_of_any_number_of_threads():
    # As many rows as BLAS divides among threads.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, 20))
    given = infer(GaussianMLERegressor().fit(X, X[:, 0] + rng.normal(size=len(X))))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            effects = average_predictions(given, X, at={0: [-1.0, 2.0]})
        found.append(np.concatenate([effects.values, effects.covariance.ravel()]).tobytes())
    assert found[0] == found[1]


def test_offsets_go_with_their_rows():
    exposure = RNG.uniform(1, 5, N)
    y = RNG.poisson(exposure * np.exp(ETA))
    X = DATA[["a", "b"]]
    model = MLERegressor("poisson").fit(X, y, offset=np.log(exposure))
    given = infer(model, X, y, offset=np.log(exposure))
    found = average_effects(given, X, offset=np.log(exposure))
    np.testing.assert_allclose(
        found.estimates, model.coef_ * model.predict(X, offset=np.log(exposure)).mean(), rtol=1e-12
    )
    rates = average_predictions(given, X, offset=0.0, at="means")
    assert rates.estimates == pytest.approx(model.predict(X.mean().to_frame().T, offset=0.0), rel=1e-12)
    with pytest.raises(ValueError, match="offset"):
        average_effects(given, X)


def test_offsets_of_parameters_go_by_their_names():
    X, y = DATA[["a", "b"]], TARGETS["gaussian"]
    offset = pd.DataFrame({"scale": RNG.uniform(-0.3, 0.3, N), "location": RNG.normal(size=N)})
    model = MLERegressor("logistic").fit(X, y, offset=offset)
    given = infer(model, X, y, offset=offset)
    scale = model.predict_parameters(X, offset)["scale"]
    for of, expected in (("mean", model.predict(X, offset=offset)), ("scale", scale)):
        found = average_predictions(given, X, of=of, offset=offset)
        assert found.estimates == pytest.approx(expected.mean(), rel=1e-12)
    # One that has no name here has no offset.
    some = offset[["scale"]]
    expected = model.predict_parameters(X, some)["scale"].mean()
    assert average_predictions(given, X, of="scale", offset=some).estimates == pytest.approx(expected, rel=1e-12)
    weight = np.append(np.ones(N - 1), 0)
    offset.loc[N - 1] = np.nan  # of a row that is absent
    at_means = average_predictions(given, X, offset=offset, sample_weight=weight, at="means")
    mean = X[:-1].mean().to_frame().T
    assert at_means.estimates == pytest.approx(model.predict(mean, offset=offset[:-1].mean().to_frame().T), rel=1e-12)
    # Whether a column matters is seen in a row that is present, which need not be the first.
    backwards = [values[::-1] for values in (X, offset, weight)]
    for at in ("means", None):
        slopes = average_effects(given, backwards[0], offset=backwards[1], sample_weight=backwards[2], at=at)
        expected = average_effects(given, X[:-1], offset=offset[:-1], at=at)
        np.testing.assert_allclose(slopes.estimates, expected.estimates, rtol=1e-10)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_of_offsets_keeps_the_names_of_its_parameters(library):
    X, offset = DATA[["a", "b"]], np.stack([DATA["b"] + 1, DATA["a"] / 4], axis=1)
    model = GaussianMLERegressor(scale="log_linear").fit(X, TARGETS["gaussian"], offset=offset)
    names = model._fitted.likelihood.parameter_names
    swapped = pytest.importorskip(library).DataFrame({name: offset[:, k] for k, name in [(1, names[1]), (0, names[0])]})
    given = infer(model)
    expected = model.predict_parameters(X, offset=offset)
    for name in names:
        found = average_predictions(given, X, of=name, offset=swapped)
        np.testing.assert_allclose(found.estimates, expected[name].mean(), rtol=1e-12)
        mean = offset.mean(axis=0, keepdims=True)
        wanted = model.predict_parameters(X.mean().to_frame().T, offset=mean)[name]
        found = average_predictions(given, X, of=name, offset=swapped, at="means")
        np.testing.assert_allclose(found.estimates, wanted, rtol=1e-12)


def test_a_frame_of_offsets_of_classes_is_read_by_position():
    X, y = DATA[["a", "b"]], np.array(["u", "v", "w"])[RNG.integers(0, 3, N)]
    offset = pd.DataFrame(RNG.normal(size=(N, 3)), columns=["u", "v", "w"])
    model = MLELogisticClassifier().fit(X, y, offset=offset)
    found = average_predictions(infer(model), X, offset=offset)
    np.testing.assert_allclose(found.estimates, model.predict_proba(X, offset=offset).mean(axis=0), rtol=1e-12)


def test_the_mean_offset_is_that_of_rows_with_weight():
    X, y, offset, weight = DATA[["a", "b"]], RNG.poisson(np.exp(ETA)), DATA["a"].to_numpy(copy=True), np.ones(N)
    offset[0], weight[0] = np.nan, 0
    model = MLERegressor("poisson").fit(X, y, sample_weight=weight, offset=offset)
    found = average_predictions(infer(model), X, sample_weight=weight, offset=offset, at="means")
    wanted = model.predict(X[1:].mean().to_frame().T, offset=offset[1:].mean(keepdims=True))
    np.testing.assert_allclose(found.estimates, wanted, rtol=1e-12)


def test_a_population_adds_the_variance_of_the_rows():
    y = TARGETS["gaussian"]
    X = DATA[["a", "b"]]
    model = LinearRegression().fit(X, y)
    given = infer(model, X, y)
    rows, population = (average_predictions(given, X, population=who) for who in (None, "rows"))
    # The mean of y has the variance s^2 / n; the fitted values vary as they do.
    fitted_values = model.predict(X)
    s2 = np.square(y - fitted_values).sum() / (N - 3)
    assert rows.covariance[0, 0] == pytest.approx(s2 / N, rel=1e-10)
    assert population.covariance[0, 0] == pytest.approx(s2 / N + fitted_values.var(ddof=1) / N, rel=1e-10)
    clusters = np.arange(N) // 10
    sums = pd.Series(fitted_values - fitted_values.mean()).groupby(clusters).sum()
    expected = s2 / N + (sums**2).sum() / N**2 * 30 / 29
    assert average_predictions(given, X, population=clusters).covariance[0, 0] == pytest.approx(expected, rel=1e-10)
    with pytest.raises(ValueError, match="at least two"):
        average_predictions(given, X, population=np.zeros(N))


def test_ratios_of_negative_averages_and_of_averages_of_different_signs():
    X = pd.DataFrame({"x": RNG.normal(size=60)})
    y = 3 + 2 * X["x"] + RNG.normal(size=60)
    ratios = [
        contrasts(infer(GaussianMLERegressor().fit(X, sign * y), X, sign * y), X, {"x": [0, 1]}, compare="ratio")
        for sign in (1, -1)
    ]
    np.testing.assert_allclose(ratios[1].estimates, ratios[0].estimates, rtol=1e-9)
    np.testing.assert_allclose(ratios[1].confidence_intervals(), ratios[0].confidence_intervals(), rtol=1e-9)
    around = infer(GaussianMLERegressor().fit(X, y - 4), X, y - 4)
    crossing = contrasts(around, X, {"x": [0, 1]}, compare="ratio")
    assert np.isnan(crossing.estimates).all()
    assert "different signs" in str(crossing.summary())
    assert "dependent columns" not in str(crossing.summary())


def test_ratios_have_the_intervals_of_their_logarithms():
    given, X = inference("birthwt", "HC3"), frame("birthwt")[0]
    for plain, logs in (("ratio", "log_ratio"), ("odds_ratio", "log_odds_ratio")):
        ratio, logarithm = (contrasts(given, X, "race", compare=compare) for compare in (plain, logs))
        np.testing.assert_allclose(ratio.estimates, np.exp(logarithm.estimates), rtol=1e-14)
        np.testing.assert_allclose(ratio.confidence_intervals(), np.exp(logarithm.confidence_intervals()), rtol=1e-12)
        np.testing.assert_allclose(ratio.p_values(), logarithm.p_values(), rtol=1e-12)
        np.testing.assert_allclose(ratio.standard_errors, ratio.estimates * logarithm.standard_errors, rtol=1e-12)


@pytest.mark.parametrize(
    "likelihood",
    ["gumbel", *(pytest.param(each, marks=pytest.mark.slow) for each in ("gaussian", "skew_t", "gaussian_mixture"))],
)
@pytest.mark.parametrize("unit", [1e-6, *(pytest.param(each, marks=pytest.mark.slow) for each in (1e6, 1e12))])
def test_the_unit_of_y_is_that_of_effects_on_its_mean_and_quantiles_and_none_of_probabilities(likelihood, unit):
    # Differences by steps of one size for all locations were none of digits at 1e6, and of no slope at 1e-6.
    X, y = DATA[["a", "b"]], TARGETS["gaussian"]
    found = []
    for c in (1.0, unit):
        given = infer(MLERegressor(likelihood).fit(X, c * y), X, c * y)
        effects = {of: average_effects(given, X, of=of) for of in ("mean", Quantile(0.9))}
        values = [np.append(each.estimates, each.standard_errors) / c for each in effects.values()]
        above = average_effects(given, X, of=Above(c * 0.5))
        found.append(np.concatenate([*values, above.estimates, above.standard_errors]))
    # Fits end within 1e-8 of a standard error of each other.
    np.testing.assert_allclose(found[1], found[0], rtol=1e-7)


@pytest.mark.parametrize("unit", [1e200, 1e-200])
def test_variances_beyond_float64_are_an_error(unit):
    X, y = DATA[["a", "b"]], TARGETS["gamma"] * unit
    given = infer(MLERegressor("gamma").fit(X, y), X, y)
    with pytest.raises(ValueError, match="y, or X, holds numbers so"):
        average_effects(given, X)


@pytest.mark.parametrize("mean", [3.0, 1e4, 1e8])
def test_probabilities_of_counts_have_their_slopes_however_large_the_counts(mean):
    # d/d eta P(y > k) = mu p(k) of a Poisson with mean mu = exp(eta).
    rng = np.random.default_rng(0)
    x = rng.normal(size=200) / np.sqrt(mean)
    y = rng.poisson(mean * np.exp(x)).astype(float)
    model = MLERegressor("poisson").fit(x[:, None], y)
    given = infer(model, x[:, None], y)
    found = average_effects(given, x[:, None], of=Above(mean))
    mu, b = model.predict(x[:, None]), model.coef_[0]
    slope = mu * stats.poisson.pmf(mean, mu)
    turn = slope * (mean + 1 - mu)
    gradient = np.array([(turn * b).mean(), (turn * b * x + slope).mean()])
    assert found.estimates == pytest.approx((slope * b).mean(), rel=1e-6)
    assert found.standard_errors == pytest.approx(np.sqrt(gradient @ given.covariance @ gradient), rel=1e-6)


def test_a_class_by_its_name():
    X, y = DATA[["a", "b"]], LABELS
    given = infer(MLELogisticClassifier().fit(X, y), X, y)
    zero, one = (average_effects(given, X, of=Probability(label)) for label in (False, True))
    np.testing.assert_allclose(zero.estimates, -one.estimates, rtol=1e-12)
    np.testing.assert_allclose(zero.standard_errors, one.standard_errors, rtol=1e-12)
    with pytest.raises(ValueError, match="one of the classes"):
        average_effects(given, X, of=Probability("other"))
    X = frame("womenlf")[0]
    given = inference("womenlf", "HC0")
    every, one = average_effects(given, X), average_effects(given, X, of=Probability("parttime"))
    of_it = np.array(every.labels["class"]) == "parttime"
    np.testing.assert_allclose(every.estimates[of_it], one.estimates, rtol=1e-12)
    # The effects on all probabilities add up to nothing.
    np.testing.assert_allclose(every.estimates.reshape(-1, 3).sum(axis=1), 0, atol=1e-13)


def test_derivatives_of_transformers_that_are_not_linear():
    # mu = exp(b log x) has the elasticity b in each row; near zero the step stays within the logarithm's domain.
    x = np.concatenate([np.geomspace(1e-3, 1, 50), RNG.gamma(1.0, 3.0, 200)])
    X = pd.DataFrame({"x": x})
    y = RNG.poisson(3 * x**0.7)
    pipeline = make_pipeline(FunctionTransformer(np.log), MLERegressor("poisson")).fit(X, y)
    given = infer(pipeline, X, y)
    found = average_effects(given, X, slope="eyex")
    np.testing.assert_allclose(found.estimates, pipeline[-1].coef_, rtol=1e-9)
    np.testing.assert_allclose(found.standard_errors, given.standard_errors[1:], rtol=1e-9)


def test_steps_have_no_slope_and_say_so():
    X, y = pd.DataFrame({"x": RNG.integers(0, 5, N), "z": RNG.normal(size=N)}), LABELS
    bins = KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform")
    for step in (bins, OneHotEncoder(drop="first", handle_unknown="ignore"), OneHotEncoder(drop="first")):
        transformers = make_column_transformer((step, ["x"]), remainder="passthrough")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of dependent bins
            given = infer(make_pipeline(transformers, MLELogisticClassifier()).fit(X, y), X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of unknown values
            with pytest.raises(ValueError, match="reference"):
                average_effects(given, X)
        levels = average_effects(given, X, {"x": "reference", "z": None})
        assert levels.labels["contrast"] == ("1 - 0", "2 - 0", "3 - 0", "4 - 0", "d/dx")


def test_what_the_model_does_not_use_is_left_out_unless_asked_for():
    X = DATA.assign(id=[f"row {k}" for k in range(N)], one=1.0, unused=RNG.normal(size=N))
    transformers = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(drop="first"), ["f"]))
    y = TARGETS["gamma"]
    given = infer(make_pipeline(transformers, MLERegressor("gamma")).fit(X, y), X, y)
    assert average_effects(given, X).labels["column"] == ("a", "f", "f")
    asked_for = average_effects(given, X, ["a", "unused"])
    assert asked_for.estimates[1] == asked_for.standard_errors[1] == 0
    with pytest.raises(ValueError, match="300 levels"):
        average_effects(given, X, "id")


def _product(X):
    return np.asarray(X).prod(axis=1, keepdims=True)


@pytest.mark.parametrize("weighted", [False, True])
def test_no_column_is_left_out_because_a_product_is_zero_in_the_first_row(weighted):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"dose": rng.integers(0, 3, 60) * 1.0, "treated": rng.integers(0, 2, 60) * 1.0})
    X["other"] = rng.normal(size=60)
    X.iloc[:4] = 0.0
    counts = rng.poisson(np.exp(0.3 * X["dose"] * X["treated"]))
    only = make_column_transformer((FunctionTransformer(_product), ["dose", "treated"]))
    model = make_pipeline(only, MLERegressor("poisson")).fit(X, counts)
    weight = {"sample_weight": np.append(np.zeros(2), np.ones(58))} if weighted else {}
    effects = average_effects(infer(model, X, counts), X, **weight)
    assert effects.labels["column"] == ("dose", "treated")
    named = average_effects(infer(model, X, counts), X, ["dose", "treated"], **weight)
    np.testing.assert_array_equal(effects.standard_errors, named.standard_errors)


def test_several_at_once():
    given, X = inference("biochemists", "model"), frame("biochemists")[0]
    found = average_effects(given, X, population="rows")
    p, k = found.p_values(), len(found)
    np.testing.assert_allclose(found.p_values("bonferroni"), np.minimum(k * p, 1))
    order = np.argsort(p)
    holm = np.minimum(np.maximum.accumulate((k - np.arange(k)) * p[order]), 1)
    np.testing.assert_allclose(found.p_values("holm")[order], holm)
    simultaneous = found.p_values("simultaneous")
    assert (simultaneous >= p).all() and (simultaneous <= found.p_values("bonferroni") + 1e-12).all()
    each, joint, bonferroni = (np.ptp(found.confidence_intervals(adjust=how), axis=1)
                               for how in (None, "simultaneous", "bonferroni"))  # fmt: skip
    assert (each < joint).all() and (joint <= bonferroni).all()
    with pytest.raises(ValueError, match="adjusts p-values"):
        found.confidence_intervals(adjust="holm")
    assert "holm" in repr(found.summary(adjust="holm"))


@pytest.mark.parametrize("df", [12, np.inf])
def test_simultaneous_intervals_of_all_pairs_are_tukeys(df):
    from sklearn_mle.inference.effects_result import Effects

    pairs = np.array([[1, -1, 0, 0], [1, 0, -1, 0], [1, 0, 0, -1], [0, 1, -1, 0], [0, 1, 0, -1], [0, 0, 1, -1]])
    effects = Effects("t", {}, {"pair": tuple(range(6))}, np.full(6, 2.0), pairs @ pairs.T / 1.0, df)
    half = np.ptp(effects.confidence_intervals(adjust="simultaneous"), axis=1)[0] / 2 / np.sqrt(2)
    # The level is right to 2e-4, and the density of the largest near its quantile is about a tenth.
    assert half == pytest.approx(stats.studentized_range.ppf(0.95, 4, df) / np.sqrt(2), abs=5e-3)
    p = stats.studentized_range.sf(2.0, 4, df)
    np.testing.assert_allclose(effects.p_values("simultaneous"), p, atol=2e-3)
    one = Effects("t", {}, {"pair": (0,)}, np.ones(1), np.eye(1), df)
    np.testing.assert_allclose(one.confidence_intervals(adjust="simultaneous"), one.confidence_intervals())


def test_penalized_and_separated_fits():
    X, y = DATA[["a", "b"]], LABELS
    ridge = MLELogisticClassifier(C=1.0).fit(X, y)
    with pytest.raises(NotSupportedError, match="penalized="):
        infer(ridge, X, y)
    assert np.isfinite(average_effects(infer(ridge, X, y, penalized="laplace"), X).standard_errors).all()
    firth = MLELogisticClassifier(bias_reduction="firth").fit(X, y)
    assert np.isfinite(average_effects(infer(firth), X).standard_errors).all()
    x = pd.DataFrame({"x": np.arange(12.0), "g": ["u", "v"] * 6})
    outcome = (x["g"] == "v") | (x["x"].isin([2, 6, 10]))
    transformers = make_column_transformer((OneHotEncoder(drop="first"), ["g"]), remainder="passthrough")
    with pytest.warns(SeparationWarning):
        model = make_pipeline(transformers, MLELogisticClassifier()).fit(x, outcome)
    given = infer(model, x, outcome)
    found = average_effects(given, x)
    # The estimates are finite, and what depends on a coefficient that diverges has no standard error.
    assert np.isfinite(found.estimates).all() and np.isnan(found.standard_errors[1])
    assert "nan" in repr(found)


def test_rank_deficient_designs_have_the_effects_of_the_determined():
    X, y = DATA[["a"]].assign(twice=2 * DATA["a"]), TARGETS["gaussian"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = infer(GaussianMLERegressor().fit(X, y), X, y)
    found = average_effects(given, X)
    assert np.isnan(found.standard_errors).all()
    assert np.isfinite(average_predictions(given, X).standard_errors).all()
    total = found.combine([1.0, 2.0])
    # Moving both at once is determined, but of what is not determined by itself no covariance is kept.
    assert np.isnan(total.standard_error)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda i, X: average_effects(i, X, "nothing"), "no column 'nothing'"),
        (lambda i, X: average_effects(i, X, slope="slope"), "slope must be one of"),
        (lambda i, X: average_effects(i, X, at="median"), "at must be"),
        (lambda i, X: average_effects(i, X, at={"a": []}), "at least one value"),
        (lambda i, X: average_effects(i, X.astype({"f": "category"}), at={"f": "s"}), "has the categories"),
        (lambda i, X: average_predictions(i, X.assign(g=np.nan), by="g"), "by: 'g' has missing values"),
        (lambda i, X: average_predictions(i, pd.concat([X, X], axis=1)), "the same name"),
        (lambda i, X: average_effects(i, X, at={"nothing": 1}), "no column 'nothing'"),
        (lambda i, X: average_effects(i, X, at="means", by="f"), "one row"),
        (lambda i, X: average_effects(i, X, of="nonsense"), "is not a quantity"),
        (lambda i, X: average_effects(i, X, of=Quantile(1.5)), "strictly between 0 and 1"),
        (lambda i, X: average_effects(i, X, of=Above(np.nan)), "finite number"),
        (lambda i, X: average_effects(i, X, of=Above("3")), "finite number; got '3'"),
        (lambda i, X: average_effects(i, X, sample_weight=np.zeros(N)), "sample_weight sums to zero"),
        (lambda i, X: average_effects(i, X, sample_weight=[1.0]), "one weight per row"),
        (lambda i, X: average_effects(i, X, population="all"), "population must be"),
        (lambda i, X: average_effects(i, X.iloc[:0]), "with rows"),
        (lambda i, X: contrasts(i, X, "a", compare="sum"), "compare must be"),
        (lambda i, X: contrasts(i, X, "a", compare=lambda high, low: 1.0), "of the shape of its arguments"),
        (lambda i, X: contrasts(i, X, {"f": "all"}), "must be compared by one of"),
        (lambda i, X: contrasts(i, X, {"f": ["p"]}), "a contrast needs two"),
        (lambda i, X: contrasts(i, X, {"a": [1, lambda x: 1.0]}), "a value for each row"),
        (lambda i, X: contrasts(i, X, []), "name at least one"),
        (lambda i, X: average_predictions(i, X).p_values(), "no null hypothesis"),
        (lambda i, X: average_predictions(i, X).confidence_intervals(adjust="scheffe"), "adjust must be one of"),
        (lambda i, X: average_predictions(i, X).combine([1.0, 2.0]), "one column per estimate"),
        (lambda i, X: average_predictions(i, X, by=np.full(N, np.nan)), "by"),
    ],
)
def test_errors_say_what_was_expected(ask, words):
    y = TARGETS["gamma"]
    given = infer(make_pipeline(TRANSFORMERS, MLERegressor("gamma")).fit(DATA, y), DATA, y)
    with pytest.raises(ValueError, match=words):
        ask(given, DATA)


def test_equivalence_of_ratios_is_judged_in_their_own_units():
    y = TARGETS["gamma"]
    given = infer(MLERegressor("gamma").fit(DATA[["a"]], y), DATA[["a"]], y)
    ratios, logarithms = (contrasts(given, DATA[["a"]], "a", compare=how) for how in ("ratio", "log_ratio"))
    np.testing.assert_allclose(
        ratios.equivalence_tests(0.8, 1.25), logarithms.equivalence_tests(np.log(0.8), np.log(1.25)), rtol=1e-9
    )


def test_quantities_that_a_model_does_not_have():
    counts = np.stack([np.arange(N) % 3, 5 - np.arange(N) % 3], axis=1)
    trials = infer(MLERegressor("binomial").fit(DATA[["a"]], counts))
    with pytest.raises(NotSupportedError, match="no single threshold"):
        average_predictions(trials, DATA[["a"]], of=Above(2))
    classes = infer(MLELogisticClassifier().fit(DATA[["a"]], np.arange(N) % 3))
    assert len(average_predictions(classes, DATA[["a"]], of="predictor")) == 3
    with pytest.raises(NotSupportedError, match="not a quantity of the classifier"):
        average_predictions(classes, DATA[["a"]], of="mean")


def test_an_estimator_in_the_place_of_an_inference():
    with pytest.raises(TypeError, match="the result of infer"):
        average_effects(fitted("birthwt"), frame("birthwt")[0])


def test_tables():
    given, X = inference("womenlf", "model"), frame("womenlf")[0]
    found = contrasts(given, X, {"region": "sequential"}, by="children", at={"hincome": [5, 20]})
    table = found.to_frame()
    assert list(table.columns[:5]) == ["column", "contrast", "hincome", "children", "class"]
    assert len(table) == 4 * 2 * 2 * 3
    np.testing.assert_allclose(table["estimate"], found.estimates)
    assert "Contrasts" in repr(found) and "<table" in found._repr_html_()
    one = found.of([1])
    assert len(one) == 1 and one.index == found.index[1:2]
    # A mask would be read as the positions 0 and 1.
    for places in ([True] + [False] * (len(found) - 1), [len(found)], "bmi", [0.5]):
        with pytest.raises(ValueError, match="places must be positions from 0 to"):
            found.of(places)


def test_an_average_of_all_rows_is_a_table_of_one_row():
    """It has no label, no group, setting or class, to be told from others by."""
    given, X = inference("biochemists", "model"), frame("biochemists")[0]
    found = average_predictions(given, X)
    assert found.to_frame().shape == (1, 4) and "average" in repr(found)
    np.testing.assert_array_equal(found.to_frame()["estimate"], found.estimates)
