"""Effects are drawn as average_predictions finds them, and the labels say what was averaged and held fixed."""

import numpy as np
import pandas as pd
import polars
import pytest
from matplotlib import pyplot
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.displays import EffectsDisplay
from sklearn_mle.inference import Probability, average_predictions, infer

RNG = np.random.default_rng(0)
X = pd.DataFrame({
    "age": RNG.uniform(20, 70, 150),
    "group": RNG.choice(["low", "mid", "high"], 150),
    "dose": RNG.choice([1, 2, 4], 150),
})  # fmt: skip
Y = (X["age"] / 10 - 4.5 + (X["group"] == "mid") + RNG.logistic(size=150)) > 0
TRANSFORMERS = make_column_transformer(
    (SplineTransformer(3, include_bias=False), ["age"]), (OneHotEncoder(drop="first"), ["group", "dose"])
)
MODEL = make_pipeline(TRANSFORMERS, MLELogisticClassifier()).fit(X, Y)


def test_a_curve_is_the_counterfactual_averages_with_their_band_and_a_rug():
    display = EffectsDisplay.from_estimator(MODEL, X, Y, column="age", grid_resolution=7, covariance="HC1")
    grid = np.linspace(X["age"].min(), X["age"].max(), 7)
    wanted = average_predictions(infer(MODEL, X, Y, covariance="HC1"), X, at={"age": grid})
    x, y = display.lines_[0].get_data()
    np.testing.assert_allclose(x, grid)
    np.testing.assert_array_equal(y, wanted.estimates)
    np.testing.assert_array_equal(np.c_[display.lower, display.upper], wanted.confidence_intervals())
    assert [segment[0, 0] for segment in display.rug_.get_segments()] == X["age"].tolist()
    # By definition: predict_proba with the column set.
    by_hand = MODEL.predict_proba(X.assign(age=grid[2]))[:, 1].mean()
    assert y[2] == pytest.approx(by_hand, rel=1e-9)
    assert display.ax_.get_xlabel() == "age (in its own unit)"
    assert display.ax_.get_ylabel() == "probability of class True"
    title = "averages over 150 rows, other columns as they are; 95% intervals"
    assert display.ax_.get_title(loc="left") == title


@pytest.mark.parametrize(("column", "levels"), [("group", ["high", "low", "mid"]), ("dose", [1, 2, 4])])
def test_levels_and_few_numbers_are_points_with_bars(column, levels):
    display = EffectsDisplay.from_estimator(MODEL, X, column=column, confidence_level=0.8)
    wanted = average_predictions(infer(MODEL), X, at={column: levels})
    np.testing.assert_allclose(display.lines_[0].get_xdata(), wanted.estimates)
    ends = [segment[:, 0] for segment in display.intervals_[0].get_segments()]
    np.testing.assert_allclose(ends, wanted.confidence_intervals(0.8))
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == list(map(str, levels))
    assert display.rug_ is None
    assert display.ax_.get_ylabel() == column and "80% intervals" in display.ax_.get_title(loc="left")


def test_categories_and_other_frames_keep_their_order():
    frame = X.assign(group=pd.Categorical(X["group"], ["low", "mid", "high"]))
    assert EffectsDisplay.from_estimator(MODEL, frame, column="group").values == ["low", "mid", "high"]
    numbers = polars.DataFrame({"age": X["age"].to_numpy(), "dose": X["dose"].to_numpy()})
    model = MLELogisticClassifier().fit(numbers, Y)
    display = EffectsDisplay.from_estimator(model, numbers, column="age", grid_resolution=3)
    np.testing.assert_allclose(display.values, np.linspace(X["age"].min(), X["age"].max(), 3))


def test_what_is_held_fixed_is_in_the_title_and_what_varies_in_the_legend():
    display = EffectsDisplay.from_estimator(
        MODEL, X, column="age", at={"dose": 2, "group": ["low", "mid"]}, grid_resolution=3, adjust="simultaneous"
    )
    assert display.curves == ["group low", "group mid"]
    title = "averages over 150 rows, dose = 2; 95% intervals, all at once"
    assert display.ax_.get_title(loc="left") == title
    given = infer(MODEL)
    for k, group in enumerate(["low", "mid"]):
        wanted = average_predictions(given, X, at={"age": display.values, "dose": 2, "group": group})
        np.testing.assert_allclose(display.estimates[:, k], wanted.estimates)
        assert (display.lower[:, k] < wanted.confidence_intervals()[:, 0]).all()


def test_a_single_value_in_a_sequence_is_fixed_as_one_by_itself_is():
    of_one = [pd.Series([2], index=[7]), np.array([2]), [2], 2]
    displays = [EffectsDisplay.from_estimator(MODEL, X, column="age", at={"dose": at}, values=[40]) for at in of_one]
    assert {(*display.curves, display.note) for display in displays} == {
        ("", "averages over 150 rows, dose = 2, other columns as they are; 95% intervals")
    }


def test_groups_and_classes_have_a_curve_each():
    labels = np.where(X["age"] + RNG.normal(0, 20, 150) > 55, "old", np.where(Y, "ill", "well"))
    columns = X[["age", "dose"]]
    model = MLELogisticClassifier(C=10.0).fit(columns, labels)
    given = infer(model, columns, labels, penalized="laplace")
    display = EffectsDisplay.from_inference(given, columns, column="age", by="dose", values=[30, 60])
    assert display.curves[:3] == ["dose 1, class ill", "dose 1, class old", "dose 1, class well"]
    there = columns[columns["dose"] == 2].assign(age=60)
    np.testing.assert_allclose(display.estimates[1, 3:6], model.predict_proba(there).mean(axis=0), rtol=1e-9)
    one = EffectsDisplay.from_inference(given, columns, column="age", of=Probability("old"))
    assert one.curves == [""] and one.ax_.get_ylabel() == "probability of class old"
    _, ax = pyplot.subplots()
    assert len(display.plot(ax=ax).ax_.get_legend().get_texts()) == 9


def test_weights_count_as_copies_and_rows_of_weight_zero_are_absent():
    weight = RNG.integers(0, 3, 150)
    weight[X["age"].argmax()] = 0
    columns, y = X[["age", "dose"]], X["age"] + RNG.normal(size=150)
    weighted = GaussianMLERegressor().fit(columns, y, weight)
    copies = columns.loc[columns.index.repeat(weight)]
    repeated = GaussianMLERegressor().fit(copies, y.loc[copies.index])
    first = EffectsDisplay.from_estimator(weighted, columns, y, column="age", sample_weight=weight)
    second = EffectsDisplay.from_estimator(repeated, copies, y.loc[copies.index], column="age")
    assert first.values == second.values
    np.testing.assert_allclose(first.estimates, second.estimates, rtol=1e-9)
    np.testing.assert_allclose(first.upper, second.upper, rtol=1e-9)
    assert first.ax_.get_ylabel() == "mean of y (in the unit of y)"


def test_arrays_and_models_of_scikit_learn():
    array = X[["age", "dose"]].to_numpy()
    y = X["age"] + RNG.normal(size=150)
    model = LinearRegression().fit(array, y)
    display = EffectsDisplay.from_estimator(model, array, y, column=0, values=[60.0, 30.0])
    np.testing.assert_allclose(display.values, [30, 60])
    expected = [model.predict(np.c_[np.full(150, x), array[:, 1]]).mean() for x in (30, 60)]
    np.testing.assert_allclose(display.estimates[:, 0], expected)
    assert display.ax_.get_xlabel() == "column 0 (in its own unit)"


def test_what_is_not_determined_has_no_bar():
    display = EffectsDisplay(["a", "b"], [0.2, 1.0], [0.1, np.nan], [0.3, np.nan], column="g", confidence_level=0.9)
    assert len(display.plot().intervals_[0].get_segments()) == 1


def test_what_it_refuses():
    given = infer(MODEL)
    many = X.assign(group=[f"g{k}" for k in range(150)])
    for options, words in (
        ({"column": "weight"}, "X has no column 'weight'"),
        ({"column": "age", "grid_resolution": 1}, "grid_resolution"),
        ({"column": "age", "values": [np.nan, 30.0]}, "set to finite numbers"),
        ({"column": "age", "values": []}, "give at least one"),
        ({"column": "dose", "values": [1, 1]}, "values must be different"),
        ({"column": "age", "at": "means"}, "at must be a mapping from other columns"),
        ({"column": "age", "at": {"age": 3}}, "'age' is the column that varies"),
        ({"column": "age", "by": np.arange(150), "grid_resolution": 2}, "150 curves, and at most 10"),
        ({"column": "age", "confidence_level": 2}, "confidence_level"),
        ({"column": "age", "sample_weight": np.ones(3)}, r"sample_weight must have shape \(150,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            EffectsDisplay.from_inference(given, X, **options)
    with pytest.raises(ValueError, match="150 levels, and at most 40"):
        EffectsDisplay.from_inference(given, many, column="group")
    with pytest.raises(TypeError, match="inference must be the result"):
        EffectsDisplay.from_inference(MODEL, X, column="age")
