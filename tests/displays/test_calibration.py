"""Reliability, decomposition and PIT displays: the artists hold the numbers of the metrics."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib import pyplot
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.displays import CrossEntropyDecompositionDisplay, PITDisplay, ReliabilityDisplay
from sklearn_mle.metrics import pit_histogram
from sklearn_mle.metrics.decomposition import cross_entropy_decomposition

X_TWO, Y_TWO = load_breast_cancer(return_X_y=True)
X_THREE, Y_THREE = load_iris(return_X_y=True)
X_REAL, Y_REAL = load_diabetes(return_X_y=True)
RNG = np.random.default_rng(0)
TRUTH = np.round(RNG.uniform(size=1000), 2)
HAPPENED = RNG.uniform(size=1000) < TRUTH


class TestReliability:
    def test_the_curve_is_isotonic_regression_with_ties_pooled(self):
        display = ReliabilityDisplay.from_predictions(HAPPENED, TRUTH, n_resamples=10)
        model = IsotonicRegression().fit(TRUTH, HAPPENED)
        np.testing.assert_allclose(display.forecast, np.unique(TRUTH))
        np.testing.assert_allclose(display.recalibrated, model.predict(np.unique(TRUTH)), atol=1e-12)
        x, y = display.line_.get_data()
        np.testing.assert_array_equal(np.stack([x, y]), [display.forecast, display.recalibrated])
        assert display.mass.sum() == pytest.approx(1)

    def test_the_divergence_is_between_the_two_curves(self):
        overconfident = np.clip(2 * TRUTH - 0.5, 0.01, 0.99)
        display = ReliabilityDisplay.from_predictions(HAPPENED, overconfident, n_resamples=50)
        r, q = display.recalibrated, display.forecast
        expected = display.mass @ (scipy.special.rel_entr(r, q) + scipy.special.rel_entr(1 - r, 1 - q))
        assert display.divergence == pytest.approx(expected, rel=1e-9)
        assert display.divergence > 10 * display.chance_divergence
        parts = cross_entropy_decomposition(HAPPENED, overconfident)
        assert display.divergence == pytest.approx(parts.kl_divergence, rel=1e-9)
        assert f"{display.divergence:.3g} nats per row" in display.ax_.get_title(loc="left")

    @pytest.mark.slow
    def test_the_band_holds_calibrated_forecasts(self):
        rng = np.random.default_rng(1)
        inside, below = [], []
        for seed in range(40):
            happened = rng.uniform(size=1000) < TRUTH
            display = ReliabilityDisplay.from_predictions(happened, TRUTH, n_resamples=100, random_state=seed)
            pyplot.close(display.figure_)
            inside.append((display.lower <= display.recalibrated) & (display.recalibrated <= display.upper))
            below.append(display.divergence < display.chance_divergence)
        assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
        assert np.mean(below) > 0.85

    def test_more_forecasts_than_can_be_seen_are_thinned_without_a_change(self):
        rng = np.random.default_rng(0)
        truth = rng.uniform(size=20_000)
        happened = rng.uniform(size=20_000) < truth
        display = ReliabilityDisplay.from_predictions(happened, truth, n_resamples=3)
        assert len(display.forecast) < 5_000 and display.mass.sum() == pytest.approx(1)
        expected = IsotonicRegression().fit(truth, happened)
        np.testing.assert_allclose(display.recalibrated, expected.predict(display.forecast), atol=1e-12)
        anywhere = np.interp(truth, display.forecast, display.recalibrated)
        np.testing.assert_allclose(anywhere, expected.predict(truth), atol=1e-9)
        assert display.divergence == pytest.approx(cross_entropy_decomposition(happened, truth).kl_divergence)

    def test_weights_are_copies(self):
        weight = RNG.integers(0, 3, 1000)
        one = ReliabilityDisplay.from_predictions(HAPPENED, TRUTH, sample_weight=weight, n_resamples=2)
        other = ReliabilityDisplay.from_predictions(
            np.repeat(HAPPENED, weight), np.repeat(TRUTH, weight), n_resamples=2
        )
        np.testing.assert_allclose(one.recalibrated, other.recalibrated, atol=1e-12)
        assert one.divergence == pytest.approx(other.divergence)

    @pytest.mark.parametrize("copies", [4, 25])
    def test_weights_are_copies_in_the_band(self, copies):
        q = np.full(100, 0.3)
        bands = []
        for n, weight in ((100 * copies, None), (100, np.full(100, float(copies)))):
            happened, forecast = np.resize(HAPPENED, n), np.resize(q, n)
            display = ReliabilityDisplay.from_predictions(
                happened, forecast, sample_weight=weight, n_resamples=2000, random_state=1
            )
            bands.append([display.lower[0], display.upper[0], np.sqrt(display.chance_divergence)])
        # Of a quantile at 2.5% of 2,000 draws the standard error is 0.06 standard deviations.
        np.testing.assert_allclose(*bands, atol=5 * 0.06 * np.sqrt(2 * 0.21 / (100 * copies)))

    def test_huge_and_fractional_weights_have_a_band(self):
        for unit in (1e-300, 0.3, 1e300):
            display = ReliabilityDisplay.from_predictions(
                HAPPENED, TRUTH, sample_weight=np.full(1000, unit), n_resamples=20
            )
            assert np.isfinite([display.lower, display.upper]).all()

    def test_only_the_ratios_of_weights_matter(self):
        weight = np.ldexp(1.0, RNG.integers(0, 3, 1000))
        one, other = (
            ReliabilityDisplay.from_predictions(HAPPENED, TRUTH, sample_weight=weight * unit, n_resamples=2)
            for unit in (1.0, 2.0**1020)
        )
        np.testing.assert_array_equal(one.recalibrated, other.recalibrated)
        assert one.divergence == other.divergence

    def test_estimators_of_two_and_more_classes_in_pipelines(self):
        labels = np.array(["benign", "malignant"])[1 - Y_TWO]
        model = make_pipeline(StandardScaler(), MLELogisticClassifier(C=1.0)).fit(X_TWO[::2], labels[::2])
        display = ReliabilityDisplay.from_estimator(model, X_TWO[1::2], labels[1::2], n_resamples=5)
        other = ReliabilityDisplay.from_predictions(
            labels[1::2], model.predict_proba(X_TWO[1::2])[:, 1], pos_label="malignant", n_resamples=5
        )
        np.testing.assert_allclose(display.recalibrated[[0, -1]], other.recalibrated[[0, -1]])
        assert display.pos_label == "malignant" and display.name == "MLELogisticClassifier"
        assert "malignant" in display.ax_.get_xlabel()
        model = GaussianNB().fit(X_THREE[::2], Y_THREE[::2])
        display = ReliabilityDisplay.from_estimator(model, X_THREE[1::2], Y_THREE[1::2], pos_label=1, n_resamples=5)
        expected = IsotonicRegression().fit(model.predict_proba(X_THREE[1::2])[:, 1], Y_THREE[1::2] == 1)
        np.testing.assert_allclose(display.recalibrated, expected.predict(display.forecast), atol=1e-9)
        with pytest.raises(ValueError, match=r"pos_label must be one of the classes \[0, 1, 2\]; got None"):
            ReliabilityDisplay.from_estimator(model, X_THREE, Y_THREE)

    def test_certainty_that_rounds_to_one_keeps_its_finite_divergence(self):
        X = np.array([[-60.0], [60.0], [60.0]])
        model = MLELogisticClassifier(C=1.0).fit([[-1.0], [1.0]], [0, 1])
        model.coef_ = np.array([[1.0]])
        display = ReliabilityDisplay.from_estimator(model, X, [0, 1, 0], n_resamples=2)
        assert display.forecast[-1] == 1.0
        assert display.divergence == pytest.approx((2 * np.log(0.5) + 60) / 3, rel=1e-6)

    @pytest.mark.parametrize(
        ("y", "q", "arguments", "message"),
        [
            ([0, 1], [0.5, 1.5], {}, r"y_prob\[1\] is 1.5"),
            ([0, 1, 1], [0.5, 0.5], {}, "y_true has 3 rows, the forecasts .* 2"),
            ([0, 1], [0.5, 0.5], {"pos_label": "1"}, "pos_label must be one of the labels of y_true"),
            (["0", "1"], [0.5, 0.5], {"pos_label": 1}, "text never matches numbers"),
            ([0, 1], [0.5, 0.5], {"n_resamples": 10**400}, "n_resamples must be at most"),
            ([0, 1], [0.5, 0.5], {"random_state": -1}, "random_state"),
            (["a", "b", "c"], [0.5, 0.5, 0.5], {}, "pos_label must be given"),
            ([0, 1], [0.5, 0.5], {"confidence_level": 1}, "confidence_level"),
            ([0, 1], [0.5, 0.5], {"sample_weight": [1, -1]}, r"sample_weight\[1\]"),
        ],
    )
    def test_what_is_refused(self, y, q, arguments, message):
        with pytest.raises(ValueError, match=message):
            ReliabilityDisplay.from_predictions(y, q, **arguments)

    def test_logarithms_of_probabilities(self):
        with np.errstate(divide="ignore"):
            logs = np.log(np.column_stack([1 - TRUTH, TRUTH]))
        plain = ReliabilityDisplay.from_predictions(HAPPENED, TRUTH, n_resamples=2)
        other = ReliabilityDisplay.from_predictions(HAPPENED, logs, log_proba=True, n_resamples=2)
        assert other.divergence == pytest.approx(plain.divergence)
        for wrong in (np.exp(logs), logs[:, :1], np.full_like(logs, np.nan)):
            with pytest.raises(ValueError, match="y_prob must have two columns of logarithms"):
                ReliabilityDisplay.from_predictions(HAPPENED, wrong, log_proba=True)

    def test_labels_of_one_kind_only(self):
        assert ReliabilityDisplay.from_predictions([1, 1], [0.3, 0.6], n_resamples=2).pos_label == 1
        assert ReliabilityDisplay.from_predictions(["no", "yes"], [0.3, 0.6], n_resamples=2).pos_label == "yes"


class TestDecomposition:
    def test_bars_and_diamonds_are_the_parts(self):
        parts = {
            "right": cross_entropy_decomposition(HAPPENED, TRUTH.clip(0.01, 0.99), base=2, n_resamples=5),
            "wrong": cross_entropy_decomposition(HAPPENED, 1 - TRUTH.clip(0.01, 0.99), base=2),
        }
        display = CrossEntropyDecompositionDisplay(parts, base=2).plot()
        for row, one in enumerate(parts.values()):
            known, cost = display.discrimination_bars_[row], display.miscalibration_bars_[row]
            assert known.get_x() + max(known.get_width(), 0) == pytest.approx(one.uncertainty)
            assert abs(known.get_width()) == pytest.approx(one.discrimination)
            assert cost.get_x() == pytest.approx(one.uncertainty - one.discrimination)
            assert cost.get_width() == pytest.approx(one.miscalibration)
            assert display.totals_.get_xdata()[row] == pytest.approx(one.total)
        assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["right", "wrong"]
        # Of the first alone standard errors are known: of its discrimination, and of its total.
        intervals = [lines.get_segments()[0] for lines in display.ax_.collections[1:]]
        errors = parts["right"].standard_error
        assert [float(np.ptp(line[:, 0])) / (2 * scipy.special.ndtri(0.975)) for line in intervals] == pytest.approx(
            [errors.discrimination, errors.total]
        )
        ends = [parts["right"].uncertainty - parts["right"].discrimination, parts["right"].total]
        assert [float(line[:, 0].mean()) for line in intervals] == pytest.approx(ends)

    def test_estimators_and_soft_labels(self):
        model = GaussianNB().fit(X_THREE[::2], Y_THREE[::2])
        display = CrossEntropyDecompositionDisplay.from_estimator(
            model, X_THREE[1::2], Y_THREE[1::2], strategy="classwise", name="nb"
        )
        expected = cross_entropy_decomposition(
            Y_THREE[1::2], model.predict_log_proba(X_THREE[1::2]), log_proba=True, strategy="classwise"
        )
        assert display.decompositions["nb"].total == pytest.approx(expected.total)
        soft = RNG.dirichlet(np.ones(3), len(X_THREE))
        CrossEntropyDecompositionDisplay.from_estimator(model, X_THREE, soft)

    @pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.InfiniteScoreWarning")
    def test_an_infinite_cost_is_written(self):
        display = CrossEntropyDecompositionDisplay.from_predictions([0, 1, 1], [0.0, 0.0, 1.0])
        assert any(text.get_text().strip() == "+ inf" for text in display.ax_.texts)

    def test_nothing_is_nothing(self):
        with pytest.raises(ValueError, match="decompositions is empty"):
            CrossEntropyDecompositionDisplay({}).plot()


class TestPIT:
    @pytest.mark.parametrize("model", [GaussianMLERegressor(scale="log_linear"), BayesianRidge()])
    def test_bars_are_the_histogram(self, model):
        model = make_pipeline(StandardScaler(), model).fit(X_REAL, Y_REAL)
        display = PITDisplay.from_estimator(model, X_REAL, Y_REAL, n_bins=5)
        std = model.predict(X_REAL, return_std=True)
        heights, _ = pit_histogram(Y_REAL, scipy.stats.norm(*std), n_bins=5)
        np.testing.assert_allclose([bar.get_height() for bar in display.bars_], heights, rtol=1e-10)
        assert display.name == type(model[-1]).__name__ == display.ax_.get_title(loc="left")

    def test_the_band_is_of_a_uniform_histogram(self):
        y = np.random.default_rng(0).normal(size=400)
        display = PITDisplay.from_predictions(y, scipy.stats.norm(0, 1), n_bins=8, confidence_level=0.9)
        low, high = scipy.stats.binom.ppf([0.05, 0.95], 400, 1 / 8) / 50
        assert (display.band_.get_y(), display.band_.get_y() + display.band_.get_height()) == pytest.approx((low, high))
        weighted = PITDisplay.from_predictions(y, scipy.stats.norm(0, 1), sample_weight=np.full(400, 2))
        half = PITDisplay.from_predictions(
            y, scipy.stats.norm(0, 1), sample_weight=np.full(400, 2000, dtype=np.float16)
        )
        assert half.n_rows == 800_000.0  # beyond float16
        assert weighted.n_rows == 800

    @pytest.mark.parametrize("n_rows", [2e9, 1e15, 1e300, np.inf])
    def test_the_band_of_very_many_rows(self, n_rows):
        display = PITDisplay(np.ones(8), np.linspace(0, 1, 9), n_rows, confidence_level=0.9).plot()
        low, high = display.band_.get_y(), display.band_.get_y() + display.band_.get_height()
        half = 1.6448536269514722 * np.sqrt(7 / n_rows)
        assert (low, high) == pytest.approx((1 - half, 1 + half), rel=1e-15)
        if n_rows == 2e9:
            counted = scipy.stats.binom.ppf([0.05, 0.95], n_rows, 1 / 8) * 8 / n_rows
            np.testing.assert_allclose([low, high], counted, rtol=1e-8)

    @pytest.mark.parametrize("n_rows", [0.01, 0.7, 1.0])
    def test_the_band_of_weights_that_sum_to_less_than_one_is_that_of_one_row(self, n_rows):
        display = PITDisplay(np.ones(8), np.linspace(0, 1, 9), n_rows).plot()
        assert (display.band_.get_y(), display.band_.get_height()) == (0, 8)  # a row is in one bin, or in another

    def test_counts_and_offsets(self):
        y = np.random.default_rng(0).poisson(3.0, 500)
        display = PITDisplay.from_predictions(y, scipy.stats.poisson(3.0))
        np.testing.assert_allclose(display.heights, pit_histogram(y, scipy.stats.poisson(3.0))[0])
        offset = np.linspace(-50, 50, len(Y_REAL))
        model = GaussianMLERegressor().fit(X_REAL, Y_REAL + offset, offset=offset)
        plain = PITDisplay.from_estimator(GaussianMLERegressor().fit(X_REAL, Y_REAL), X_REAL, Y_REAL)
        shifted = PITDisplay.from_estimator(model, X_REAL, Y_REAL + offset, offset=offset)
        np.testing.assert_allclose(shifted.heights, plain.heights, rtol=1e-9)

    def test_a_regressor_without_a_distribution_is_refused(self):
        with pytest.raises(TypeError, match="LinearRegression gives no distribution"):
            PITDisplay.from_estimator(LinearRegression().fit(X_REAL, Y_REAL), X_REAL, Y_REAL)
        with pytest.raises(TypeError, match="takes none"):
            PITDisplay.from_estimator(BayesianRidge().fit(X_REAL, Y_REAL), X_REAL, Y_REAL, offset=Y_REAL)


def test_frames_are_fine():
    X = pd.DataFrame(X_TWO)
    model = GaussianNB().fit(X, Y_TWO)
    display = ReliabilityDisplay.from_estimator(model, X, pd.Series(Y_TWO), n_resamples=2)
    same = ReliabilityDisplay.from_estimator(GaussianNB().fit(X_TWO, Y_TWO), X_TWO, Y_TWO, n_resamples=2)
    np.testing.assert_array_equal(display.recalibrated, same.recalibrated)
    assert display.divergence == pytest.approx(same.divergence, rel=1e-12) and same.divergence > 0


def test_soft_labels_of_a_frame_are_found_by_name():
    labels = np.array(["no", "yes"])[Y_TWO]
    model = GaussianNB().fit(X_TWO, labels)
    soft = pd.DataFrame({"yes": 1.0 * Y_TWO, "no": 1.0 - Y_TWO})
    for y in (labels, soft, soft[["no", "yes"]]):
        display = CrossEntropyDecompositionDisplay.from_estimator(model, X_TWO, y)
        assert next(iter(display.decompositions.values())).total == pytest.approx(
            cross_entropy_decomposition(labels, model.predict_proba(X_TWO)).total, rel=1e-6
        )
    with pytest.raises(ValueError, match=r"y has the columns \['a', 'b'\], but the classes are \['no', 'yes'\]"):
        CrossEntropyDecompositionDisplay.from_estimator(model, X_TWO, soft.set_axis(["a", "b"], axis=1))
