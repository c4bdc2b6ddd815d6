"""The predictive display: its lines are the model's predictions along one feature."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from sklearn_mle import GaussianMLERegressor, MLERegressor
from sklearn_mle.displays import PredictiveDisplay

X, Y = load_diabetes(return_X_y=True, as_frame=True)


def test_one_feature_is_the_model_itself():
    model = make_pipeline(PolynomialFeatures(2, include_bias=False), GaussianMLERegressor(scale="log_linear"))
    x = X[["bmi"]].to_numpy()
    model.fit(x, Y)
    display = PredictiveDisplay.from_estimator(model, x, Y, coverage=0.5, grid_resolution=20)
    grid = np.linspace(x.min(), x.max(), 20)
    np.testing.assert_array_equal(display.line_.get_xdata(), grid)
    inner, rows = model[-1], model[:-1].transform(grid[:, None])
    np.testing.assert_allclose(display.line_.get_ydata(), inner.predict(rows), rtol=1e-12)
    np.testing.assert_allclose(
        np.stack([display.lower, display.upper], 1), inner.predict_interval(rows, 0.5), rtol=1e-9
    )
    np.testing.assert_array_equal(display.points_.get_offsets(), np.column_stack([x[:, 0], Y]))
    assert display.ax_.get_ylabel() == "target" and not display.ax_.get_title(loc="left")
    path = display.band_.get_paths()[0].vertices
    assert path[:, 1].min() == pytest.approx(display.lower.min())


@pytest.mark.parametrize("feature", ["bp", 3, -7])
def test_other_features_stay_at_their_medians(feature):
    model = GaussianMLERegressor().fit(X, Y)
    display = PredictiveDisplay.from_estimator(model, X, Y, feature=feature, grid_resolution=5)
    rows = pd.DataFrame([X.median()] * 5)
    rows["bp"] = np.linspace(X["bp"].min(), X["bp"].max(), 5)
    np.testing.assert_allclose(display.mean, model.predict(rows), rtol=1e-10)
    assert display.ax_.get_xlabel() == "bp" and "medians" in display.ax_.get_title(loc="left")
    plain = PredictiveDisplay.from_estimator(GaussianMLERegressor().fit(X.to_numpy(), Y), X.to_numpy(), Y, feature=3)
    assert plain.ax_.get_xlabel() == "feature 3"
    np.testing.assert_allclose(plain.mean[[0, -1]], display.mean[[0, -1]], rtol=1e-9)


def test_categories_stay_at_the_most_frequent_and_integers_may_move():
    frame = X[["age", "bmi"]].assign(kind=pd.Categorical(np.where(X["sex"] > 0, "a", "b")), count=np.arange(len(X)) % 5)
    encoder = make_column_transformer((OneHotEncoder(), ["kind"]), ("passthrough", ["age", "bmi", "count"]))
    model = make_pipeline(encoder, BayesianRidge()).fit(frame, Y)
    display = PredictiveDisplay.from_estimator(model, frame, Y, feature="count", grid_resolution=9)
    rows = pd.DataFrame(
        {"age": X["age"].median(), "bmi": X["bmi"].median(), "kind": "b", "count": np.linspace(0, 4, 9)}
    )
    mean, std = model.predict(rows, return_std=True)
    np.testing.assert_allclose(display.mean, mean)
    np.testing.assert_allclose(display.upper, scipy.stats.norm(mean, std).ppf(0.95))


@pytest.mark.parametrize("kind", ["arrow", "polars"])
def test_frames_of_all_kinds_are_drawn_alike(kind):
    frame = X[["age", "bmi"]].assign(kind=np.where(X["sex"] > 0, "a", "b"), count=np.arange(len(X)) % 5)
    other = pl.from_pandas(frame) if kind == "polars" else frame.convert_dtypes(dtype_backend="pyarrow")
    encoder = make_column_transformer((OneHotEncoder(), ["kind"]), (StandardScaler(), ["age", "bmi", "count"]))
    model = make_pipeline(encoder, BayesianRidge())
    for feature in ("bmi", 3):
        plain = PredictiveDisplay.from_estimator(model.fit(frame, Y), frame, Y, feature=feature)
        drawn = PredictiveDisplay.from_estimator(model.fit(other, Y), other, Y, feature=feature)
        np.testing.assert_allclose(drawn.upper, plain.upper, rtol=1e-12)
        assert drawn.feature_name == plain.feature_name


def test_counts_and_offsets():
    y = np.random.default_rng(0).poisson(np.exp(1 + 5 * X["bmi"]))
    offset = np.full(len(y), np.log(2.0))
    model = MLERegressor("poisson").fit(X[["bmi"]], y, offset=offset)
    display = PredictiveDisplay.from_estimator(model, X[["bmi"]], y, offset=np.log(2.0))
    assert set(display.upper) <= set(range(100))
    first = model.predict(X[["bmi"]].nsmallest(1, "bmi"), offset=[np.log(2.0)])
    assert display.mean[0] == pytest.approx(first[0], rel=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"feature": "nothing"}, "feature must be a column of X, or its position; got 'nothing'"),
        ({"feature": 10}, "feature must be a column of X"),
        ({"X": X.to_numpy(), "feature": "bmi"}, "names need a data frame"),
        ({"X": X.to_numpy(), "feature": 10}, "feature must be a column of X, or its position; got 10"),
        ({"feature": [0]}, "feature must be the position of a column of X, or its name"),
        ({"X": X.rename(columns={"s1": "bmi"})}, "two columns have the same name"),
        ({"y": Y[1:]}, "y has 441 rows, X has 442"),
        ({"y": np.append(Y[:-1], np.nan)}, "y contains NaN"),
        ({"coverage": 1.0}, "coverage must be a number strictly between 0 and 1"),
        ({"grid_resolution": 1}, "grid_resolution must be a whole number of at least 2"),
    ],
)
def test_what_is_refused(arguments, message):
    model = GaussianMLERegressor().fit(X.to_numpy(), Y)
    with pytest.raises(ValueError, match=message):
        PredictiveDisplay.from_estimator(**{"estimator": model, "X": X, "y": Y, **arguments})
