"""Influence and residuals are drawn as they were computed; contours and bands are where their formulas say."""

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from scipy import stats
from scipy.sparse import coo_matrix
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.displays import InfluenceDisplay, ResidualDisplay
from sklearn_mle.displays.residuals import local_line
from sklearn_mle.exceptions import NotSupportedError, RankDeficiencyWarning
from sklearn_mle.inference import influence, residuals

RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=60), "b": RNG.normal(size=60)}, index=[f"row {k}" for k in range(60)])
X.loc["row 7", "a"] = 6.0
Y = X["a"] + RNG.normal(size=60)
Y["row 7"] = -4.0


class TestInfluenceDisplay:
    def test_it_draws_what_influence_found_and_names_the_largest(self):
        model = GaussianMLERegressor().fit(X, Y)
        display = InfluenceDisplay.from_estimator(model, X, Y, n_labels=2)
        found = influence(model, X, Y)
        points = display.points_.get_offsets()
        np.testing.assert_array_equal(points[:, 0], found.leverage)
        np.testing.assert_array_equal(points[:, 1], found.standardized_pearson_residual)
        assert display.labels_[0].get_text() == "row 7"
        assert len(display.labels_) == 2
        assert display.ax_.get_xlabel() == "leverage (mean 0.05)"
        assert "standard deviations" in display.ax_.get_ylabel()

    def test_contours_are_where_cooks_distance_is_their_level(self):
        display = InfluenceDisplay.from_influence(influence(GaussianMLERegressor().fit(X, Y), X, Y), levels=[2.0, 0.5])
        assert len(display.contours_) == 4
        for line, level in zip(display.contours_, (0.5, 0.5, 2.0, 2.0), strict=True):
            h, r = line.get_data()
            np.testing.assert_allclose(r**2 * h / (1 - h) / 3, level)

    @pytest.mark.parametrize("likelihood", ["gaussian", "gamma"])
    @pytest.mark.parametrize("alpha", [0.0, 30.0])
    def test_contours_go_by_the_coefficients_that_the_data_determine(self, likelihood, alpha):
        Z = X.assign(twice=2 * X["a"])
        y = Y if likelihood == "gaussian" else np.exp(Y / 4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RankDeficiencyWarning)
            found = influence(MLERegressor(likelihood, alpha=alpha).fit(Z, y), Z, y)
        h, r = found.leverage, found.standardized_pearson_residual
        level = float(found.cooks_distance.max() / 2)
        display = InfluenceDisplay.from_influence(found, levels=[level])
        for line in display.contours_:
            where, there = line.get_data()
            np.testing.assert_allclose(there**2 * where / (1 - where) / found.n_coefficients, level)
        np.testing.assert_allclose(r**2 * h / (1 - h) / found.n_coefficients, found.cooks_distance, rtol=1e-6)
        assert len(display.contours_) == 2

    def test_no_contours_where_the_distance_depends_on_more(self):
        model = MLERegressor("student_t").fit(X, Y)
        level = float(influence(model, X, Y).cooks_distance.max() / 2)
        assert not InfluenceDisplay.from_estimator(model, X, Y, levels=[level]).contours_

    def test_the_mean_leverage_is_that_of_the_points(self):
        weight = np.repeat([1.0, 2.0, 0.0], 20)
        display = InfluenceDisplay.from_estimator(GaussianMLERegressor().fit(X, Y, weight), X, Y, sample_weight=weight)
        mean = display.points_.get_offsets()[:, 0].mean()
        assert display.ax_.get_xlabel() == f"leverage (mean {mean:.2g})" != "leverage (mean 0.075)"

    def test_rows_without_weight_or_deletion_are_left_out(self):
        weight = np.ones(60)
        weight[:5] = 0
        model = GaussianMLERegressor().fit(X, Y, weight)
        display = InfluenceDisplay.from_estimator(model, X, Y, sample_weight=weight, n_labels=60)
        assert len(display.points_.get_offsets()) == 55 == len(display.labels_)

    def test_what_it_cannot_draw(self):
        several = GaussianMLERegressor(scale="log_linear").fit(X, Y)
        with pytest.raises(NotSupportedError, match="no single residual per row"):
            InfluenceDisplay.from_estimator(several, X, Y)
        with pytest.raises(TypeError, match="influence must be the result"):
            InfluenceDisplay.from_influence(several)
        found = influence(GaussianMLERegressor().fit(X, Y), X, Y)
        for options, words in (({"levels": [0.0]}, "levels must be positive"), ({"n_labels": -1}, "n_labels must be")):
            with pytest.raises(ValueError, match=words):
                InfluenceDisplay.from_influence(found, **options)
        with pytest.raises(ValueError, match="nothing to draw"):
            InfluenceDisplay(found.leverage, found.leverage, np.full(len(Y), np.nan), 1.0, rows=found.rows).plot()


class TestResidualDisplay:
    def test_fitted_means_of_rows_without_weight_have_their_offset(self):
        weight, offset = np.repeat([1.0, 0.0], 30), np.linspace(-1, 1, 60)
        model = GaussianMLERegressor().fit(X, Y, weight, offset)
        display = ResidualDisplay.from_estimator(model, X, Y, sample_weight=weight, offset=offset)
        np.testing.assert_allclose(display.x, model.predict(X, offset=offset))

    @pytest.mark.parametrize("form", ["list", "coo", "polars", "nullable"])
    def test_columns_of_any_form(self, form):
        given = {
            "list": X.to_numpy().tolist,
            "coo": lambda: coo_matrix(X.to_numpy()),
            "polars": lambda: pytest.importorskip("polars").from_pandas(X),
            "nullable": lambda: X.astype("Float64"),
        }[form]()
        model = GaussianMLERegressor().fit(given, Y)
        display = ResidualDisplay.from_estimator(model, given, Y, against=1)
        np.testing.assert_array_equal(display.x, X["b"])
        assert display.x_name.startswith("b " if hasattr(given, "columns") else "x1 ")

    def test_against_fitted_means_columns_and_quantiles(self):
        model = GaussianMLERegressor().fit(X, Y)
        wanted = residuals(model, X, Y, kind="quantile")
        fitted = ResidualDisplay.from_estimator(model, X, Y)
        points = fitted.points_.get_offsets()
        np.testing.assert_allclose(points, np.column_stack([model.predict(X), wanted]))
        assert fitted.ax_.get_xlabel() == "fitted mean (unit of y)"
        column = ResidualDisplay.from_estimator(model, X, Y, against="b", kind="response")
        np.testing.assert_array_equal(column.points_.get_offsets()[:, 0], X["b"])
        assert column.ax_.get_xlabel() == "b (no column is held fixed)"
        assert column.ax_.get_ylabel() == "y less its mean\n(unit of y)"
        quantiles = ResidualDisplay.from_estimator(model, X, Y, against="quantiles")
        np.testing.assert_array_equal(quantiles.points_.get_offsets()[:, 1], np.sort(wanted))
        # The band of the smallest of n is that of its distribution, 1 - (1 - F)^n.
        level = stats.norm.cdf([quantiles.lower[0], quantiles.upper[0]])
        np.testing.assert_allclose(1 - (1 - level) ** 60, [0.025, 0.975], rtol=1e-9)

    def test_the_band_leaves_zero_where_the_mean_is_wrong_and_seldom_elsewhere(self):
        x = RNG.uniform(-2, 2, 2000)
        noise = RNG.normal(size=2000)
        right = ResidualDisplay.from_predictions(noise, x)
        assert ((right.lower < 0) & (right.upper > 0)).mean() > 0.8
        bent = ResidualDisplay.from_predictions(x**2 - 4 / 3 + noise, x)
        assert bent.lower[0] > 1
        assert bent.upper[len(bent.grid) // 2] < -0.7
        np.testing.assert_allclose(bent.smooth, bent.grid**2 - 4 / 3, atol=0.5)

    def test_a_line_is_its_own_smooth_and_bins_do_not_matter(self):
        x = np.sort(RNG.normal(size=5000))
        grid, smooth, half = local_line(x, 1 + 2 * x, 2.0)
        np.testing.assert_allclose(smooth, 1 + 2 * grid, atol=1e-9)
        assert half.max() < 1e-3
        y = np.sin(x) + RNG.normal(size=5000)
        few = local_line(x[::5], y[::5], 2.0)[2]
        assert (local_line(x, y, 2.0)[2] < few).mean() > 0.9

    def test_classes_pipelines_and_axes_of_ones_own(self):
        labels = (Y > 0).astype(int)
        classifier = MLELogisticClassifier(C=10.0).fit(X, labels)
        _, ax = pyplot.subplots()
        display = ResidualDisplay.from_estimator(classifier, X, labels, ax=ax, name="logistic")
        assert display.ax_ is ax
        assert ax.get_title(loc="left") == "logistic"
        np.testing.assert_allclose(display.x, classifier.predict_proba(X)[:, 1])
        pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
        display = ResidualDisplay.from_estimator(pipeline, X, Y, against="a", kind="deviance")
        np.testing.assert_array_equal(display.x, X["a"])
        assert ResidualDisplay.from_estimator(
            MLERegressor("poisson").fit(X.to_numpy(), labels), X.to_numpy(), labels, against=np.int64(1)
        ).x_name.startswith("x1")

    def test_what_it_cannot_draw(self):
        model = GaussianMLERegressor().fit(X, Y)
        for against, words in (("c", "'fitted', 'quantiles' or a column of"), (2, "X has 2 columns")):
            with pytest.raises(ValueError, match=words):
                ResidualDisplay.from_estimator(model, X, Y, against=against)
        texts = X.assign(word="a")
        of_numbers = make_column_transformer(("passthrough", ["a", "b"]))
        pipeline = make_pipeline(of_numbers, GaussianMLERegressor()).fit(texts, Y)
        with pytest.raises(ValueError, match="column 'word' holds .*, but numbers are needed"):
            ResidualDisplay.from_estimator(pipeline, texts, Y, against="word")
        with pytest.raises(ValueError, match="at least 5 are needed"):
            ResidualDisplay.from_predictions([1.0, 2.0, np.nan, 3.0, 4.0])
        with pytest.raises(ValueError, match="x has 4 rows and residual 5"):
            ResidualDisplay.from_predictions(np.ones(5), np.ones(4))
        constant = ResidualDisplay.from_predictions(RNG.normal(size=30), np.ones(30))
        assert len(constant.grid) == 1
