"""Formulas make the columns that R's grammar says, remember the fit, and are understood by inference."""

import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import patsy
import polars
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_mle import MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import anova, average_effects, average_predictions, contrasts, infer
from sklearn_mle.preprocessing import FormulaTransformer

RNG = np.random.default_rng(0)
N = 200
X = pd.DataFrame({
    "age": RNG.uniform(20, 70, N),
    "bmi": RNG.uniform(18, 35, N),
    "group": RNG.choice(["a", "b", "c"], N),
    "dose": RNG.choice([1, 2, 4], N),
})  # fmt: skip
Y = X["age"] / 10 + (X["group"] == "b") * X["age"] / 20 + RNG.normal(size=N)
FORMULA = "C(group) * age + bs(bmi, 4)"


# patsy is another implementation of the same grammar; its names of contrasts differ.
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (FORMULA, "C(group) * age + bs(bmi, 4)"),
        ("C(group, contr.sum) + C(dose)", "C(group, Sum) + C(dose)"),
        ("C(group, contr.helmert):age + age", "C(group, Helmert):age + age"),
        ('C(group, contr.treatment("b")) - 1', 'C(group, Treatment("b")) - 1'),
        ("y ~ log(age) + center(bmi) + I(bmi**2) + group:dose", "np.log(age) + center(bmi) + I(bmi**2) + group:dose"),
    ],
)  # fmt: skip
def test_the_columns_are_those_of_another_implementation(ours, theirs):
    new = X.iloc[:50].assign(bmi=lambda frame: frame["bmi"].clip(X["bmi"].min(), X["bmi"].max()))
    design = patsy.dmatrix(theirs, X)
    transformer = FormulaTransformer(ours).fit(X)
    for frame in (X, new):
        wanted = np.asarray(patsy.build_design_matrices([design.design_info], frame)[0])
        kept = [name != "Intercept" for name in design.design_info.column_names]
        found = transformer.transform(frame)
        # Both span the same columns; they come in different orders.
        order = np.lexsort(np.round(wanted[:, kept], 9)[:20])
        np.testing.assert_allclose(
            found[:, np.lexsort(np.round(found, 9)[:20])], wanted[:, kept][:, order], rtol=1e-12, atol=1e-12
        )


def test_names_are_what_inference_shows():
    model = make_pipeline(FormulaTransformer(FORMULA), LinearRegression()).fit(X, Y)
    names = model[0].get_feature_names_out().tolist()
    assert names[:3] == ["C(group)[T.b]", "C(group)[T.c]", "age"] and names[-1] == "C(group)[T.c]:age"
    assert "bs(bmi, 4)[4]" in names and "Intercept" not in names
    assert set(names) < set(infer(model, X, Y).parameters)
    frame = FormulaTransformer(FORMULA).set_output(transform="pandas").fit_transform(X)
    assert frame.columns.tolist() == names


class TestEffects:
    MODEL = make_pipeline(FormulaTransformer(FORMULA), LinearRegression()).fit(X, Y)

    def test_tests_are_of_the_columns_of_the_frame(self):
        table = anova(self.MODEL, X, Y)
        assert table.index == ("age", "bmi", "group", "age:group")
        assert table.columns["df"].tolist() == [1, 4, 2, 2]
        # Marginal: the interaction's F is that of the two fits with and without it.
        rss = [
            np.square(Y - make_pipeline(FormulaTransformer(f), LinearRegression()).fit(X, Y).predict(X)).sum()
            for f in (FORMULA, "group + age + bs(bmi, 4)")
        ]
        wanted = (rss[1] - rss[0]) / 2 / (rss[0] / (N - 10))
        assert table.columns["F"][3] == pytest.approx(wanted, rel=1e-8)

    def test_columns_of_one_column_move_together(self):
        effects = average_effects(infer(self.MODEL, X, Y), X)
        assert effects.index == ("age, d/dx", "bmi, d/dx", "group, b - a", "group, c - a")
        moved = [self.MODEL.predict(X.assign(age=X["age"] + step)).mean() for step in (-1, 1)]
        assert effects.estimates[0] == pytest.approx((moved[1] - moved[0]) / 2, rel=1e-9)
        inside = X["bmi"].clip(18.5, 34.5)
        numeric = [self.MODEL.predict(X.assign(bmi=inside + step)).mean() for step in (-1e-5, 1e-5)]
        slope = average_effects(infer(self.MODEL, X, Y), X.assign(bmi=inside), "bmi").estimates[0]
        assert slope == pytest.approx((numeric[1] - numeric[0]) / 2e-5, rel=1e-6)
        levels = [self.MODEL.predict(X.assign(group=level)).mean() for level in "abc"]
        np.testing.assert_allclose(effects.estimates[2:], np.subtract(levels[1:], levels[0]), rtol=1e-9)

    def test_the_coding_does_not_matter(self):
        found = []
        for coding in ("group", "C(group, contr.sum)", "C(group, contr.helmert)"):
            model = make_pipeline(FormulaTransformer(f"{coding} * age + C(dose)"), MLERegressor("gaussian")).fit(X, Y)
            effects = contrasts(infer(model, X, Y), X, {"group": "pairwise", "dose": "reference"})
            found.append([effects.estimates, effects.standard_errors])
        np.testing.assert_allclose(found[1], found[0], rtol=1e-7)
        np.testing.assert_allclose(found[2], found[0], rtol=1e-7)


@pytest.mark.parametrize("dtype", ["object", "category", "string", "polars"])
def test_every_kind_of_factor_gives_the_same(dtype):
    frame = (
        polars.DataFrame({name: X[name].to_numpy() for name in X}) if dtype == "polars" else X.astype({"group": dtype})
    )
    model = make_pipeline(FormulaTransformer(FORMULA), LinearRegression()).fit(frame, Y)
    np.testing.assert_allclose(model.predict(frame), TestEffects.MODEL.predict(X), rtol=1e-9)
    effects = average_predictions(infer(model, frame, Y), frame, at={"group": ["a", "b"]})
    wanted = average_predictions(infer(TestEffects.MODEL, X, Y), X, at={"group": ["a", "b"]})
    np.testing.assert_allclose(effects.standard_errors, wanted.standard_errors, rtol=1e-7)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow", "object"])
def test_numbers_and_texts_are_what_they_hold_whatever_their_type(backend):
    if backend == "pyarrow":
        pytest.importorskip("pyarrow")
    frame = X.astype(object) if backend == "object" else X.convert_dtypes(dtype_backend=backend)
    transformer = FormulaTransformer("group * age + dose + bs(bmi, 4)").fit(X)
    found = FormulaTransformer("group * age + dose + bs(bmi, 4)").fit(frame)
    assert found.get_feature_names_out().tolist() == transformer.get_feature_names_out().tolist()
    np.testing.assert_array_equal(found.transform(frame), transformer.transform(X))
    np.testing.assert_array_equal(transformer.transform(frame[:5]), transformer.transform(X[:5]))
    for name in ("age", "bmi"):
        missing = frame.copy()
        missing.loc[3, name] = None
        with pytest.raises(ValueError, match=rf"X\['{name}'\] has missing values"):
            transformer.transform(missing)
    named = frame.rename(columns={"bmi": "body mass"})
    quoted = FormulaTransformer("group * age + dose + bs(`body mass`, 4)").fit(named)
    np.testing.assert_array_equal(quoted.transform(named), transformer.transform(X))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64", "float16", "float32", "Int8", "uint8[pyarrow]"])
def test_products_and_powers_of_short_numbers_do_not_overflow(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"k": [1, 3, 90, 100, 127, 50], "m": [5, 100, 120, 2, 60, 7]})
    formula = "k:m + I(k**2) + I(k**15) + I(-k) + poly(m, 2) + bs(k, 4)"
    expected = FormulaTransformer(formula).fit_transform(frame.astype(float))
    np.testing.assert_allclose(FormulaTransformer(formula).fit_transform(frame.astype(dtype)), expected, rtol=1e-12)


@pytest.mark.parametrize("formula", ["C(a)", "0 + C(a)", "C(a):x", "C(a, contr.treatment(1)) + a"])
def test_booleans_are_the_levels_zero_and_one(formula):
    x, a = np.arange(6.0), np.array([0, 1, 1, 0, 1, 0])
    kinds = [
        a,
        a.astype(float),
        a.astype(bool),
        pd.array(a.astype(bool), dtype="boolean"),
        a.astype(bool).astype(object),
    ]
    for fitted_to in kinds:
        terms = FormulaTransformer(formula).fit(pd.DataFrame({"a": fitted_to, "x": x}))
        wanted = terms.transform(pd.DataFrame({"a": fitted_to, "x": x}))
        assert wanted.any()
        for given in kinds:
            np.testing.assert_array_equal(terms.transform(pd.DataFrame({"a": given, "x": x})[:4]), wanted[:4])


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "Int8"])
def test_integers_that_are_levels_or_bits_remain_integers(dtype):
    frame = pd.DataFrame({"k": [1, 2, 3, 1, 2, 3, 1], "m": [4, 5, 6, 7, 4, 5, 6]}).astype(dtype)
    transformer = FormulaTransformer("C(k)*m + I(m & 1)").fit(frame)
    assert transformer.get_feature_names_out()[:2].tolist() == ["C(k)[T.2]", "C(k)[T.3]"]
    place = transformer.get_feature_names_out().tolist().index("I(m & 1)")
    np.testing.assert_array_equal(transformer.transform(frame)[:, place], [0, 1, 0, 1, 0, 1, 0])


def test_an_order_of_categories_that_do_not_all_occur_is_kept():
    frame = X.assign(group=pd.Categorical(X["group"], ["c", "z", "b", "a"], ordered=True))
    transformer = FormulaTransformer("group").fit(frame)
    assert transformer.transform(frame).sum(axis=0).tolist() == [(X["group"] == level).sum() for level in "ba"]


def test_categories_keep_their_order_and_those_that_do_not_occur_have_no_column():
    frame = X.assign(group=pd.Categorical(X["group"], ["c", "z", "b", "a"]))
    transformer = FormulaTransformer("group").fit(frame)
    assert transformer.get_feature_names_out().tolist() == ["group[T.b]", "group[T.a]"]
    with pytest.raises(ValueError, match=r"X\['group'\] has levels that did not occur in the fit: 'z'"):
        transformer.transform(frame.assign(group=pd.Categorical(["z"] * N, ["c", "z", "b", "a"])))


class TestWhatItRemembers:
    def test_few_rows_are_transformed_as_among_many(self):
        transformer = FormulaTransformer("group * bs(age, 5) + cr(bmi, 4) + poly(bmi, 2) + scale(age) + C(dose)").fit(X)
        whole = transformer.transform(X)
        for rows in (slice(7, 8), slice(100, 130)):
            np.testing.assert_allclose(transformer.transform(X[rows]), whole[rows], rtol=1e-10, atol=1e-12)

    def test_beyond_the_fit_splines_continue(self):
        transformer = FormulaTransformer("bs(age, 4)").fit(X)
        low, high = X["age"].min(), X["age"].max()
        for end, sign in ((low, -1), (high, 1)):
            grid = end + sign * np.array([-0.4, -0.3, -0.2, -0.1, 0.1, 0.2])
            values = transformer.transform(X.iloc[:6].assign(age=grid))
            # One cubic polynomial on both sides of the end.
            cubic = np.polynomial.Polynomial.fit(grid[:4], values[:4, 3 if sign > 0 else 0], 3)
            np.testing.assert_allclose(values[4:, 3 if sign > 0 else 0], cubic(grid[4:]), rtol=1e-7, atol=1e-9)

    def test_copies(self):
        transformer = FormulaTransformer(FORMULA).fit(X)
        assert clone(transformer).formula == FORMULA
        with pytest.raises(NotFittedError):
            clone(transformer).transform(X)
        again = pickle.loads(pickle.dumps(transformer))
        np.testing.assert_array_equal(again.transform(X[:9]), transformer.transform(X[:9]))

    def test_unknown_levels_are_named(self):
        for formula, column, level in (
            ("group", "group", "new"),
            ("C(dose)", "dose", 3),
            ("C(group):age", "group", "x"),
        ):
            transformer = FormulaTransformer(formula).fit(X)
            values = X[column].astype(object).copy()
            values[3] = level
            with pytest.raises(ValueError, match=rf"X\['{column}'\] has levels .*: '{level}'; known are"):
                transformer.transform(X.assign(**{column: values}))
        derived = FormulaTransformer("C(np.floor(age / 10))").fit(X[X["age"] < 60])
        with pytest.raises(ValueError, match=r"categories outside .*6"):
            derived.transform(X)


def test_arrays_have_columns_x0_x1():
    array = X[["age", "bmi"]].to_numpy()
    found = FormulaTransformer("x0 * x1").fit_transform(array)
    np.testing.assert_allclose(found, np.c_[array, array.prod(axis=1)])


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("age +* bmi", r"cannot be read\. Operator `\+\*` is incorrectly used\.$"),
        ("weight + age", "columns are age, bmi, group, dose.*weight"),
        ("log(y) ~ age", "a left-hand side"),
        ("y + z ~ age", "a left-hand side"),
        ("age | bmi", "several parts"),
        ("1", "no column besides the intercept"),
        ("I(age - np.mean(age))", r"'I\(age - np.mean\(age\)\)' depend on other rows"),
        ("np.log(age - 20.0)", "null values|not finite"),
        ("np.log(0 * age)", "not finite"),
    ],
)  # fmt: skip
def test_formulas_it_refuses(formula, words):
    with pytest.raises(ValueError, match=words):
        FormulaTransformer(formula).fit(X.assign(age=X["age"] - (5 if "20.0" in formula else 0)))


def test_rows_it_refuses():
    transformer = FormulaTransformer("age + group").fit(X)
    with pytest.raises(ValueError, match=r"X\['group'\] has missing values"):
        transformer.transform(X.assign(group=X["group"].where(X["group"] != "b", None)))
    with pytest.raises(ValueError, match=r"X\['age'\] has missing values"):
        FormulaTransformer("age").fit(X.assign(age=np.nan))
    with pytest.raises(ValueError, match="not finite in the formula's columns 'age'"):
        transformer.transform(X.assign(age=np.inf))
    with pytest.raises(TypeError, match="[Ss]parse"):
        FormulaTransformer("x0").fit(sparse.csr_array(np.ones((3, 2))))
    with pytest.raises(ValueError, match="no rows"):
        transformer.transform(X[:0])
    with pytest.raises(TypeError, match="formula must be a string"):
        FormulaTransformer(3).fit(X)
    # What the formula does not name may be missing.
    transformer.transform(X.assign(bmi=np.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transformer.transform(X[:1])


def test_a_dot_is_all_columns_and_a_name_on_the_left_is_none_of_them():
    names = FormulaTransformer("bmi ~ .").fit(X).get_feature_names_out().tolist()
    assert names == ["age", "group[T.b]", "group[T.c]", "dose"]


def test_without_formulaic_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-mle\[formula\]'"):
        FormulaTransformer("age").fit(X)


def test_a_classifier_in_a_search_takes_formulas_as_a_parameter():
    pipeline = make_pipeline(FormulaTransformer("age"), MLELogisticClassifier())
    wide = clone(pipeline).set_params(formulatransformer__formula="age * group").fit(X, Y > 6)
    assert wide[-1].coef_.shape == (1, 5)


@parametrize_with_checks([FormulaTransformer("x0")])
def test_scikit_learns_conventions(estimator, check):
    check(estimator)


def test_rows_that_dask_keeps_are_refused_by_name():
    dd = pytest.importorskip("dask.dataframe")
    rows = dd.from_pandas(X, npartitions=2)
    with pytest.raises(TypeError, match=r"X comes from Dask"):
        FormulaTransformer(FORMULA).fit(rows)
    with pytest.raises(TypeError, match=r"X comes from Dask"):
        FormulaTransformer(FORMULA).fit(X).transform(rows)
