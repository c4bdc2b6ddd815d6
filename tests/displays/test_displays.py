"""What all displays promise: scikit-learn's convention, a lazy matplotlib, units, and nothing outside the picture."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot
from scipy.stats import chi2, norm
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.naive_bayes import GaussianNB

import sklearn_mle.displays
from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.displays import (
    CoefficientDisplay,
    ComparisonDisplay,
    ConvergenceDisplay,
    CrossEntropyDecompositionDisplay,
    EffectsDisplay,
    InfluenceDisplay,
    PITDisplay,
    PredictiveDisplay,
    ProfileLikelihoodDisplay,
    ReliabilityDisplay,
    ResidualDisplay,
)
from sklearn_mle.displays._base import Unit, wrapped
from sklearn_mle.inference import ProfileLikelihood, profile_interval

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, :3]
X_REAL, Y_REAL = load_diabetes(return_X_y=True)
CLASSIFIER = GaussianNB().fit(X[::2], Y[::2])
REGRESSOR = GaussianMLERegressor().fit(X_REAL[::2], Y_REAL[::2])


HALF = chi2.ppf(0.95, 1) / 2


def profile():
    grid = np.linspace(-2.0, 3.0, 101)
    return ProfileLikelihood(
        "slope",
        0.5,
        0.4,
        grid,
        norm(0.5, 0.4).logpdf(grid),
        norm(0, 0.4).logpdf(0),
        0.95,
        -0.3,
        1.3,
        chi2.ppf(0.95, 1) / 2,
    )


DISPLAYS = {
    "coefficients": lambda **kw: CoefficientDisplay.from_estimator(REGRESSOR, **kw),
    "comparison": lambda **kw: ComparisonDisplay.from_estimators(
        {"a model": GaussianNB(), "another": MLELogisticClassifier(C=1.0)}, X, Y, cv=3, **kw
    ),
    "convergence": lambda **kw: ConvergenceDisplay.from_estimator(MLELogisticClassifier(C=1.0), X, Y, **kw),
    "decomposition": lambda **kw: CrossEntropyDecompositionDisplay.from_estimator(CLASSIFIER, X, Y, **kw),
    "effects": lambda **kw: EffectsDisplay.from_estimator(REGRESSOR, X_REAL, column=2, **kw),
    "influence": lambda **kw: InfluenceDisplay.from_estimator(REGRESSOR, X_REAL[::2], Y_REAL[::2], n_labels=3, **kw),
    "pit": lambda **kw: PITDisplay.from_estimator(REGRESSOR, X_REAL, Y_REAL, **kw),
    "predictive": lambda **kw: PredictiveDisplay.from_estimator(REGRESSOR, X_REAL, Y_REAL, **kw),
    "profile": lambda ax=None, **kw: ProfileLikelihoodDisplay(profile(), **kw).plot(ax=ax),
    "residuals": lambda **kw: ResidualDisplay.from_estimator(REGRESSOR, X_REAL, Y_REAL, **kw),
    "reliability": lambda **kw: ReliabilityDisplay.from_estimator(CLASSIFIER, X, Y, n_resamples=20, **kw),
}
IN_NATS = ["comparison", "convergence", "decomposition", "profile", "reliability"]


def test_every_display_is_swept():
    assert len(DISPLAYS) == len(sklearn_mle.displays.__all__)


@pytest.mark.parametrize("name", DISPLAYS)
def test_the_convention(name):
    display = DISPLAYS[name]()
    assert display.ax_.figure is display.figure_
    assert display.ax_.get_xlabel() and (display.ax_.get_ylabel() or display.ax_.get_yticklabels())
    assert display.figure_.get_size_inches()[0] * 100 == 600
    figure, ax = pyplot.subplots()
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax and display.figure_ is figure
    _, ax = pyplot.subplots()
    assert DISPLAYS[name](ax=ax).ax_ is ax


@pytest.mark.parametrize("name", DISPLAYS)
def test_nothing_stands_outside_the_picture_or_on_other_words(name):
    display = DISPLAYS[name]()
    figure = display.figure_
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn_texts(figure)]
    for i, (text, box) in enumerate(boxes):
        assert min(box.x0, box.y0) >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text
        for other, second in boxes[:i]:
            assert not box.padded(-1).overlaps(second.padded(-1)), (text, other)


def drawn_texts(figure):
    children = [child for ax in figure.axes for child in ax.child_axes]
    for ax in [*figure.axes, *children]:
        texts = [*ax.texts, ax.title, ax._left_title, ax._right_title, ax.xaxis.label, ax.yaxis.label]
        texts += [tick.label1 for axis in (ax.xaxis, ax.yaxis) for tick in axis._update_ticks()]
        texts += [tick.label2 for axis in (ax.xaxis, ax.yaxis) for tick in axis._update_ticks()]
        texts += ax.get_legend().get_texts() if ax.get_legend() else []
        yield from (text for text in texts if text.get_text().strip() and text.get_visible())


@pytest.mark.parametrize("name", IN_NATS)
def test_numbers_of_information_name_their_unit(name):
    def words(display):
        return " ".join(t.get_text() for t in display.figure_.findobj(pyplot.Text))

    assert "nats" in words(DISPLAYS[name]())
    assert "bits" in words(DISPLAYS[name](base=2)) and "nats" not in words(DISPLAYS[name](base=2))
    with pytest.raises(ValueError, match="base must be None"):
        DISPLAYS[name](base=0.5)


def test_units():
    assert Unit(10).name == "bans" and Unit(4).name == "units of 1.386 nats"


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-mle\[displays\]'"):
        DISPLAYS["profile"]()


def test_long_names_are_wrapped():
    assert wrapped("short") == "short"
    assert wrapped("MLELogisticClassifier(C=0.01), standardized") == "MLELogisticClassifier(C=\n0.01), standardized"
    assert wrapped("HistGradientBoostingClassifier") == "HistGradientBoosting\nClassifier"
    assert wrapped("x" * 80).endswith(" …") and max(map(len, wrapped("x" * 80).splitlines())) <= 28


class TestProfileLikelihood:
    def test_the_curve_is_the_profile_below_its_maximum(self):
        display = ProfileLikelihoodDisplay(profile()).plot()
        np.testing.assert_array_equal(display.line_.get_xdata(), display.profile.grid)
        np.testing.assert_allclose(display.line_.get_ydata(), -0.5 * ((display.profile.grid - 0.5) / 0.4) ** 2)

    def test_the_parabola_is_walds(self):
        display = ProfileLikelihoodDisplay(profile(), base=2).plot()
        x, y = display.wald_line_.get_data()
        np.testing.assert_allclose(y, -0.5 * ((x - 0.5) / 0.4) ** 2 / np.log(2), atol=1e-12)

    def test_the_interval_reaches_the_threshold(self):
        display = ProfileLikelihoodDisplay(profile()).plot()
        assert [line.get_xdata()[0] for line in display.interval_lines_] == [-0.3, 1.3]
        assert display.interval_lines_[0].get_ydata()[1] == pytest.approx(-chi2.ppf(0.95, 1) / 2)
        assert display.ax_.get_title(loc="left") == "95% profile interval [−0.3, 1.3]"

    def test_of_an_estimator_it_is_what_profile_interval_finds(self):
        model = MLELogisticClassifier().fit(X[:, :1], Y)
        display = ProfileLikelihoodDisplay.from_estimator(model, X[:, :1], Y, "x0", confidence_level=0.9, n_points=11)
        found = profile_interval(model, X[:, :1], Y, "x0", confidence_level=0.9, n_points=11)
        assert display.profile.interval == found.interval and display.profile.confidence_level == 0.9
        np.testing.assert_array_equal(display.line_.get_xdata(), found.grid)
        assert display.ax_.get_xlabel() == "x0"
        with pytest.raises(ValueError, match="parameter must be the name or the position of one parameter"):
            ProfileLikelihoodDisplay.from_estimator(model, X[:, :1], Y, ["x0"])

    @pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.SeparationWarning")
    def test_separation_and_dependent_columns_are_drawn_as_far_as_they_go(self):
        x, y = np.arange(20.0)[:, None], np.arange(20) > 9
        separated = MLELogisticClassifier().fit(x, y)
        display = ProfileLikelihoodDisplay.from_estimator(separated, x, y, "x0", n_points=11)
        assert display.wald_line_ is None and np.isinf(display.profile.upper)
        display.figure_.canvas.draw()

    @pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.RankDeficiencyWarning")
    def test_what_the_data_do_not_determine_is_a_flat_line(self):
        twice = np.column_stack([X[:, 0], 2 * X[:, 0]])
        model = MLELogisticClassifier().fit(twice, Y)
        display = ProfileLikelihoodDisplay.from_estimator(model, twice, Y, "x1")
        assert display.interval_lines_ == [] and display.wald_line_ is None
        display.figure_.canvas.draw()

    def test_without_a_finite_estimate_there_is_no_parabola(self):
        endless = replace(profile(), estimate=np.inf, standard_error=np.nan, upper=np.inf)
        display = ProfileLikelihoodDisplay(endless).plot()
        assert display.wald_line_ is None and len(display.interval_lines_) == 1
        assert display.ax_.get_title(loc="left").endswith("inf]")
