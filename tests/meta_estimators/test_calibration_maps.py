"""Calibration maps against closed relations: each other, the library's own fits, symmetries, and hard inputs."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit, softmax

from sklearn_mle import MLELogisticClassifier
from sklearn_mle._conditional_predictors import ConditionalPredictors
from sklearn_mle.meta_estimators._calibration_fit import constrained_minimum, grouped_ridge, objective_of
from sklearn_mle.meta_estimators._calibration_methods import METHODS, choose, fit_map
from sklearn_mle.meta_estimators._calibration_rows import CalibrationRows, capped_log
from sklearn_mle.meta_estimators._calibration_spline import SplineMap, _lengths

N = 600


def forecasts(n_classes=3, n=N, seed=0, slope=1.0):
    """Probabilities whose logarithms, times ``slope``, are calibrated; and labels drawn from these."""
    rng = np.random.default_rng(seed)
    eta = rng.normal(0, 1.5, (n, n_classes))
    truth = softmax(slope * eta, axis=1)
    codes = (truth.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=n_classes - 1)
    return softmax(eta, axis=1), codes


def rows_of(n_classes=3, **how):
    return CalibrationRows.of(*forecasts(n_classes, **how))


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


def cross_entropy(fitted, rows):
    logs = fitted.log_probabilities(rows.probability)
    return -float(rows.weight @ (rows.target * logs).sum(axis=1))


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.0])
def test_the_temperature_is_found(slope):
    rows = rows_of(n=4000, slope=slope)
    fitted = fit_map("temperature", rows)
    # Inverse information of the slope: the sum over rows of the variance of log p under the truth.
    truth = softmax(slope * np.log(rows.probability), axis=1)
    logs = np.log(rows.probability)
    variance = (truth * logs**2).sum(axis=1) - (truth * logs).sum(axis=1) ** 2
    # The floor is one of a grid: 1e-2 where probabilities of 1e-3 say nothing, so a percent of bias is allowed for.
    assert abs(fitted.coef[0, 0] - slope) < 4 / np.sqrt(variance.sum()) + 0.02 * slope


def test_the_temperature_keeps_every_ranking():
    rows = rows_of(5, slope=0.5)
    calibrated = fit_map("temperature", rows).log_probabilities(rows.probability)
    np.testing.assert_array_equal(calibrated.argsort(axis=1), rows.probability.argsort(axis=1))


def test_platt_is_a_logistic_regression_on_the_log_odds():
    rows = rows_of(2, slope=0.6)
    fitted = fit_map("sigmoid", rows).classes[0]
    columns = capped_log(rows.probability, fitted.floor)
    # Without the weak prior, whose precision of 1e-4 moves a slope of variance below .01 by less than 1e-6.
    reference = MLELogisticClassifier().fit(columns[:, 1:] - columns[:, :1], rows.target, sample_weight=rows.weight)
    assert [fitted.a, fitted.c] == pytest.approx([reference.coef_[0, 0], reference.intercept_[0]], rel=1e-5)
    assert fitted.a == fitted.b


def test_beta_is_a_logistic_regression_on_both_logarithms():
    rows = rows_of(2, slope=0.6, n=2000)
    fitted = fit_map("beta", rows).classes[0]
    columns = capped_log(rows.probability, fitted.floor)
    reference = MLELogisticClassifier().fit(columns * [-1, 1], rows.target, sample_weight=rows.weight)
    assert reference.coef_.min() > 0
    expected = [*reference.coef_[0, ::-1], reference.intercept_[0]]
    assert [fitted.a, fitted.b, fitted.c] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_beta_s_slopes_are_not_negative():
    p = np.linspace(0.02, 0.98, 400)
    rng = np.random.default_rng(0)
    codes = (rng.random(400) < np.clip(0.9 - 1.2 * np.abs(p - 0.35), 0.02, 1)).astype(int)
    rows = CalibrationRows.of(np.stack([1 - p, p], axis=1), codes)
    fitted = fit_map("beta", rows).classes[0]
    assert min(fitted.a, fitted.b) == 0.0
    assert (np.diff(fitted.log_odds(p)) >= 0).all()


@pytest.mark.parametrize("n_classes", [2, 4])
def test_every_map_is_a_maximum(method, n_classes):
    rows = rows_of(n_classes, slope=0.5)
    fitted = fit_map(method, rows)
    assert 0 <= fitted.gap < 1e-8
    calibrated = fitted.log_probabilities(rows.probability)
    np.testing.assert_allclose(np.exp(calibrated).sum(axis=1), 1, rtol=1e-13)
    # Overconfident by two: every map gains much over the forecasts themselves.
    raw = -float(rows.weight @ (rows.target * np.log(rows.probability)).sum(axis=1))
    assert cross_entropy(fitted, rows) < raw - 0.02 * N


def test_matrices_minimize_what_they_say():
    """The gradient of the penalized cross-entropy, by differences, is zero at the fitted matrix."""
    rows = rows_of(3, slope=0.5)
    fitted = fit_map("matrix", rows)
    z, own = capped_log(rows.probability, fitted.floor), np.eye(3, dtype=bool)

    def penalized(coef, intercept):
        logs = log_softmax(z @ coef.T + intercept, axis=1)
        prior = fitted.precisions[0] * np.square(coef[~own]).sum() + fitted.precisions[1] * np.square(intercept).sum()
        return -float(rows.weight @ (rows.target * logs).sum(axis=1)) + prior / 2

    step = 1e-4
    for j in range(3):
        for k in range(3):
            unit = np.zeros((3, 3))
            unit[j, k] = step
            ends = [penalized(fitted.coef + sign * unit, fitted.intercept) for sign in (1, -1)]
            # Differences of numbers near 500 hold 1e-13 of them, divided by the step: 1e-9; the third derivative 1e-6.
            assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(0, abs=1e-5)


def test_the_spline_is_monotone_and_at_a_constrained_minimum():
    rng = np.random.default_rng(3)
    p = rng.random(900)
    # The truth falls in the middle: slopes there are held at zero.
    truth = np.interp(p, [0, 0.4, 0.6, 1], [0.1, 0.7, 0.3, 0.9])
    codes = (rng.random(900) < truth).astype(int)
    rows = CalibrationRows.of(np.stack([1 - p, p], axis=1), codes)
    fitted = fit_map("spline", rows)
    assert isinstance(fitted, SplineMap) and fitted.slopes.min() >= 0
    odds = fitted.log_probabilities(np.stack([1 - np.sort(p), np.sort(p)], axis=1)) @ [-1, 1]
    assert np.diff(odds).min() >= -1e-12


def test_a_constrained_minimum_has_the_signs_of_karush_kuhn_and_tucker():
    rng = np.random.default_rng(4)
    rows = rows_of(3)
    columns = rng.standard_normal((N, 3, 4))
    columns[..., 1] -= rows.target
    columns = columns.reshape(N, -1)
    penalty = grouped_ridge((), (), 6)
    found = constrained_minimum(rows, columns, 4, penalty, np.append(np.ones(4), np.zeros(2)))
    objective = objective_of(ConditionalPredictors(3, 4), columns, rows, penalty)
    gradient = objective.gradient(found.theta)
    held = ~found.free
    assert held.sum() > 0 and (found.theta[held] == 0).all() and (found.theta[:4] >= 0).all()
    assert np.abs(gradient[found.free]).max() < 1e-8 and gradient[held].min() > -1e-6


def test_lengths_add_up_to_the_logarithm():
    knots = np.array([-3.0, -1.0, 0.0, 0.5])
    z = np.array([[-4.0, -2.0, 0.2, 0.9]])
    np.testing.assert_allclose(_lengths(z, knots).sum(axis=1), z - knots[0])


def test_a_weight_counts_copies(method):
    probability, codes = forecasts(3, n=200)
    weight = np.random.default_rng(5).integers(0, 4, 200)
    copies = np.repeat(np.arange(200), weight)
    one = fit_map(method, CalibrationRows.of(probability, codes, weight.astype(float)))
    other = fit_map(method, CalibrationRows.of(probability[copies], codes[copies]))
    # The evidence is settled within .05 nats, and sums in another order may take it one round further.
    np.testing.assert_allclose(
        one.log_probabilities(probability), other.log_probabilities(probability), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_maps_follow_a_permutation_of_the_classes(method, n_classes):
    probability, codes = forecasts(n_classes, slope=0.5)
    order = np.roll(np.arange(n_classes), 1)
    place = np.argsort(order)
    one = fit_map(method, CalibrationRows.of(probability, codes)).log_probabilities(probability)
    other = fit_map(method, CalibrationRows.of(probability[:, order], place[codes]))
    np.testing.assert_allclose(other.log_probabilities(probability[:, order]), one[:, order], rtol=1e-6, atol=1e-6)


HARD = {
    "certain and right": (np.eye(3)[np.arange(60) % 3], np.arange(60) % 3),
    "certain and sometimes wrong": (np.eye(3)[np.arange(60) % 3], np.where(np.arange(60) < 6, 0, np.arange(60) % 3)),
    "constant": (np.tile([0.2, 0.3, 0.5], (60, 1)), np.arange(60) % 3),
    "all alike": (np.full((60, 3), 1 / 3), np.arange(60) % 3),
    "a class that never comes": (softmax(np.random.default_rng(0).normal(size=(60, 3)), axis=1), np.arange(60) % 2),
    "one row": (np.array([[0.2, 0.3, 0.5]]), np.array([2])),
    "a class never predicted": (np.tile([0.4, 0.6, 0.0], (60, 1)), np.arange(60) % 3),
    "two classes, certain": (np.eye(2)[np.arange(40) % 2], np.arange(40) % 2),
    "two classes, one row of the second": (np.full((40, 2), 0.5), (np.arange(40) == 7).astype(int)),
    "worse than chance": (softmax(-4.0 * np.eye(3)[np.arange(60) % 3], axis=1), np.arange(60) % 3),
}


@pytest.mark.parametrize("case", HARD)
def test_hard_inputs_give_finite_positive_probabilities(method, case):
    probability, codes = HARD[case]
    rows = CalibrationRows.of(probability, codes)
    fitted = fit_map(method, rows)
    calibrated = fitted.log_probabilities(probability)
    assert np.isfinite(calibrated).all() and fitted.gap < 1e-6
    np.testing.assert_allclose(np.exp(calibrated).sum(axis=1), 1, rtol=1e-12)
    assert (
        cross_entropy(fitted, rows) <= -float(rows.weight @ (rows.target * np.log(probability + 1e-12)).sum(axis=1)) + 1
    )


def test_the_prior_is_one_row_of_the_prediction():
    probability, codes = forecasts(3, n=7)
    rows = CalibrationRows.of(probability, codes, np.full(7, 2.0))
    np.testing.assert_allclose(rows.target.sum(axis=1), 1)
    assert rows.weight.sum() == pytest.approx(15)
    expected = 2 * np.eye(3)[codes] + probability * 2 / 14
    np.testing.assert_allclose(rows.weight[:, None] * rows.target, expected, rtol=1e-13)


def test_isotonic_is_monotone_and_never_certain():
    rows = rows_of(2)
    fitted = fit_map("isotonic", rows).classes[0]
    p = np.linspace(0, 1, 301)
    values = expit(fitted.log_odds(p))
    assert (np.diff(values) >= -1e-15).all() and 0 < values.min() < values.max() < 1


def test_the_choice_prefers_what_fits():
    """Where the forecasts need a line in their log-odds, that is chosen or within its error; and the table says all."""
    p, codes = forecasts(2, n=1500, slope=0.3)
    shifted = softmax(np.log(p) + np.array([0.0, 1.0]), axis=1)
    folds = [np.arange(k, 1500, 5) for k in range(5)]
    chosen, table = choose(shifted, codes, None, folds)
    assert set(table["method"]) == {*METHODS, "uncalibrated"}
    assert (np.diff(table["cross_entropy"]) >= 0).all() and table["method"][0] == chosen
    place = {name: k for k, name in enumerate(table["method"])}
    assert place["uncalibrated"] == len(METHODS)
    sigmoid = place["sigmoid"]
    assert table["difference"][sigmoid] <= 2 * table["standard_error"][sigmoid]
    assert table["difference"][0] == 0 and table["standard_error"][0] == 0


def test_many_classes_are_refused_by_matrices_alone():
    rng = np.random.default_rng(6)
    probability = rng.dirichlet(np.ones(41), 120)
    rows = CalibrationRows.of(probability, np.arange(120) % 41)
    for method in ("matrix", "dirichlet"):
        with pytest.raises(ValueError, match="a matrix of 41 classes has 1,681 entries"):
            fit_map(method, rows)
    for method in ("spline_matrix", "average"):
        assert isinstance(fit_map(method, rows), SplineMap)


def test_logit_and_floor_are_what_log_odds_are_made_of():
    fitted = fit_map("sigmoid", rows_of(2)).classes[0]
    p = np.array([0.2, 0.7])
    expected = fitted.a * (np.log(p + fitted.floor) - np.log(1 - p + fitted.floor)) + fitted.c
    np.testing.assert_allclose(fitted.log_odds(p), expected, rtol=1e-14)
    assert fitted.floor > 0.01 or fitted.log_odds(p) == pytest.approx(fitted.a * logit(p) + fitted.c, abs=0.1)
