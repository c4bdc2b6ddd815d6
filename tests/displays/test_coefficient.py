"""The forest plot draws what inference found, and leaves the right things out."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.displays import CoefficientDisplay
from sklearn_mle.inference import infer

X, Y = load_diabetes(return_X_y=True, as_frame=True)
X_TWO, Y_TWO = load_breast_cancer(return_X_y=True, as_frame=True)
X_TWO = X_TWO.iloc[:, :5]
X_THREE, Y_THREE = load_wine(return_X_y=True, as_frame=True)
X_THREE = X_THREE.iloc[:, [0, 1, 4]]


def segments(display, group=0):
    return np.array(display.intervals_[group].get_segments())[:, :, 0]


def test_points_and_intervals_are_those_of_infer():
    result = infer(GaussianMLERegressor().fit(X, Y))
    display = CoefficientDisplay.from_inference(result, confidence_level=0.8)
    names = list(X.columns)
    assert display.names == names == [text.get_text() for text in display.ax_.get_yticklabels()]
    places = [result.parameters.index(name) for name in names]
    np.testing.assert_array_equal(display.points_[0].get_xdata(), result.estimates[places])
    np.testing.assert_allclose(segments(display), result.confidence_intervals(0.8)[places])
    assert display.ax_.get_xlabel() == "coefficient (80% intervals)"


def test_intercepts_and_second_predictors_are_drawn_where_asked_for():
    model = GaussianMLERegressor(scale="log_linear").fit(X, Y)
    display = CoefficientDisplay.from_estimator(model, predictor="log_scale", intercept=True)
    assert display.names == ["intercept", *X.columns]
    np.testing.assert_allclose(display.estimates[:, 0], [model.scale_intercept_, *model.scale_coef_])
    display = CoefficientDisplay.from_estimator(model)
    np.testing.assert_allclose(display.estimates[:, 0], model.coef_)
    assert display.ax_.get_xlabel() == "coefficient of location (95% intervals)"
    with pytest.raises(ValueError, match=r"predictor must be one of \['location', 'log_scale'\]"):
        CoefficientDisplay.from_estimator(model, predictor="mu")


def test_a_predictor_has_the_columns_that_it_was_given():
    model = MLERegressor("gamma", predictors={"shape": ["bmi", "bp"]}).fit(X, Y)
    display = CoefficientDisplay.from_estimator(model, predictor="log_shape")
    assert display.names == ["bmi", "bp"]
    np.testing.assert_array_equal(display.estimates[:, 0], model.shape_coef_[[2, 3]])
    assert CoefficientDisplay.from_estimator(model).names == list(X.columns)


def test_odds_ratios_are_exponentials_on_a_logarithmic_axis():
    model = MLELogisticClassifier().fit(X_TWO, Y_TWO)
    plain, ratios = (CoefficientDisplay.from_estimator(model, odds_ratios=flag) for flag in (False, True))
    np.testing.assert_allclose(ratios.points_[0].get_xdata(), np.exp(model.coef_[0]))
    np.testing.assert_allclose(segments(ratios), np.exp(segments(plain)))
    assert ratios.ax_.get_xscale() == "log"
    assert ratios.ax_.get_xlabel() == "odds ratio of class 1 (95% intervals)"
    with pytest.raises(ValueError, match="odds_ratios: only a classifier"):
        CoefficientDisplay.from_estimator(GaussianMLERegressor().fit(X, Y), odds_ratios=True)


def test_powers_of_ten_stand_apart_where_odds_ratios_span_many_decades():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    display = CoefficientDisplay.from_estimator(MLELogisticClassifier().fit(X.iloc[:, :8], y), odds_ratios=True)
    display.figure_.canvas.draw()
    low, high = display.ax_.get_xlim()
    labels = [label for label in display.ax_.get_xticklabels() if low <= label.get_position()[0] <= high]
    assert len(labels) >= 4
    for label in labels:  # which powers of ten they are is matplotlib's to choose
        assert float(label.get_text()) == pytest.approx(label.get_position()[0], rel=1e-9)
        assert "+" not in label.get_text()
    boxes = [label.get_window_extent() for label in labels]
    assert min(right.x0 - left.x1 for left, right in pairwise(boxes)) > 5


def test_classes_are_groups_with_colours_and_a_legend():
    y = np.array(["a", "b: c", "intercept"])[Y_THREE]
    model = MLELogisticClassifier().fit(X_THREE, y)
    display = CoefficientDisplay.from_estimator(model)
    assert display.groups == ["a", "b: c", "intercept"] and display.names == list(X_THREE.columns)
    np.testing.assert_allclose(display.estimates, model.coef_.T)
    assert len({line.get_color() for line in display.points_}) == 3
    assert [text.get_text() for text in display.figure_.legends[0].get_texts()] == display.groups
    contrasts = CoefficientDisplay.from_inference(infer(model).against("a"))
    np.testing.assert_allclose(contrasts.estimates, (model.coef_[1:] - model.coef_[0]).T)
    assert contrasts.ax_.get_xlabel() == "log-odds against class 'a', per unit (95% intervals)"


def test_of_many_the_largest_in_standard_errors_are_drawn_in_order():
    model = GaussianMLERegressor().fit(X, Y)
    display = CoefficientDisplay.from_estimator(model, max_coefficients=3)
    assert display.names == ["bmi", "bp", "s5"] and display.note == "3 of 10 features, the largest in standard errors"
    assert display.ax_.get_title(loc="left") == display.note
    model = MLELogisticClassifier().fit(X_THREE, Y_THREE)
    assert len(CoefficientDisplay.from_estimator(model, max_coefficients=4).names) == 1
    with pytest.raises(ValueError, match="max_coefficients must be a whole number of at least 1"):
        CoefficientDisplay.from_estimator(model, max_coefficients=0)


def test_estimators_of_scikit_learn_in_pipelines_with_any_covariance():
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
    display = CoefficientDisplay.from_estimator(model, X, Y, covariance="HC3")
    np.testing.assert_allclose(display.estimates[:, 0], model[-1].coef_)
    result = infer(model, X, Y, covariance="HC3")
    np.testing.assert_allclose(segments(display), result.confidence_intervals()[1:11])


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.RankDeficiencyWarning")
def test_what_is_not_determined_has_a_hollow_marker_and_no_interval():
    frame = X[["age", "bmi"]].assign(twice=2 * X["bmi"])
    display = CoefficientDisplay.from_estimator(GaussianMLERegressor().fit(frame, Y))
    assert len(segments(display)) == 1
    hollow = [line for line in display.ax_.lines if line.get_markerfacecolor() == "white"]
    np.testing.assert_allclose(hollow[0].get_xdata(), display.estimates[1:, 0])


def test_numbers_of_ones_own_and_penalized_fits():
    display = CoefficientDisplay(["a", "b"], [1.0, 2.0], [0.5, 1.0], [1.5, 3.0], confidence_level=0.95).plot()
    assert display.estimates.shape == (2, 1)
    with pytest.raises(ValueError, match="penalized"):
        CoefficientDisplay.from_estimator(MLELogisticClassifier(C=1.0).fit(X_TWO, Y_TWO))


def test_forty_names_are_readable_in_given_axes():
    """In a quarter of a page no name is on another, and long ones are told apart."""
    names = [f"a rather long name of column {k} that ends in {k}" for k in range(40)]
    figure, axes = plt.subplots(2, 2, figsize=(8, 8), layout="constrained")
    display = CoefficientDisplay(names, *np.zeros((3, 40)), confidence_level=0.95).plot(ax=axes[0, 1])
    figure.canvas.draw()
    labels = display.ax_.get_yticklabels()
    assert len({label.get_text() for label in labels}) == 40
    boxes = [label.get_window_extent() for label in labels]
    assert all(below.y1 <= above.y0 + 1 for above, below in pairwise(boxes))
    # Where there is room, names stay as they are.
    few = CoefficientDisplay(["short", names[0]], *np.zeros((3, 2)), confidence_level=0.95).plot(ax=axes[1, 0])
    assert few.ax_.get_yticklabels()[0].get_size() > labels[0].get_size()
    assert "\n" in few.ax_.get_yticklabels()[1].get_text()
