"""The convergence display evaluates the objective that the fit minimizes."""

import numpy as np
import pytest
from matplotlib import pyplot
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.displays import ConvergenceDisplay

X_TWO, Y_TWO = load_breast_cancer(return_X_y=True)
X_THREE, Y_THREE = load_iris(return_X_y=True)
X_REAL, Y_REAL = load_diabetes(return_X_y=True)
CASES = {
    "binary": (MLELogisticClassifier(C=1.0), X_TWO, Y_TWO),
    "lbfgs": (MLELogisticClassifier(C=1.0, solver="lbfgs"), X_TWO, Y_TWO),
    "balanced": (MLELogisticClassifier(C=0.1, class_weight="balanced"), X_TWO, Y_TWO),
    "multinomial": (MLELogisticClassifier(C=0.5), X_THREE, Y_THREE),
    "gaussian": (GaussianMLERegressor(alpha=3.0), X_REAL, Y_REAL),
    "known scale": (GaussianMLERegressor(alpha=3.0, scale=40.0), X_REAL, Y_REAL),
    "log-linear": (GaussianMLERegressor(alpha=3.0, scale="log_linear"), X_REAL, Y_REAL),
    "poisson": (MLERegressor("poisson", alpha=2.0), X_REAL, Y_REAL),
    "gamma": (MLERegressor("gamma", predictors="linear"), X_REAL, Y_REAL),
    "student": (MLERegressor("student_t", alpha=1.0), X_REAL, Y_REAL),
}


@pytest.mark.parametrize("name", CASES)
def test_the_curve_falls_to_the_certified_gap(name):
    model, X, y = CASES[name]
    display = ConvergenceDisplay.from_estimator(model, X, y)
    fitted = type(model)(**model.get_params()).fit(X, y)
    assert not hasattr(model, "coef_")
    assert display.excess[-1] == fitted.gap_ and display.n_passes >= fitted.n_passes_
    assert (display.excess >= fitted.gap_).all()
    assert (display.excess[:-1] > 0).all()
    np.testing.assert_array_equal(display.line_.get_ydata(), display.excess)
    if len(display.excess) > 1:
        assert display.excess[0] > display.excess[-1]


def objective(fitted, data, coefficients):
    """Return the total penalized NLL, in nats, at coefficients (q, p + 1): stated anew, in the units of X and y."""
    likelihood, matrix = fitted._fitted.likelihood, coefficients.copy()
    for k, term in enumerate(fitted._fitted.terms):
        if term.known is not None:
            matrix[k, :-1], matrix[k, -1] = 0, likelihood.predictor_of(k, term.known)
    eta = matrix[:, :-1] @ data.X.T + matrix[:, -1:]
    weight = np.ones(len(data.y)) if data.sample_weight is None else data.sample_weight
    nll = float(weight @ likelihood.nll(data.y.T, eta))
    location = matrix if likelihood.dispersion_parameter is None else matrix[:1]
    size = 0.5 * fitted._fitted.prior.precisions[0] * float(np.square(location[:, :-1]).sum())
    if likelihood.dispersion_parameter is None or not likelihood.noise_can_vanish:
        return nll + size
    # Relative to the noise: the geometric mean of the scales.
    return nll + size * float(np.exp(-likelihood.variance_power * (weight @ eta[1]) / weight.sum()))


@pytest.mark.parametrize("name", CASES)
def test_the_objective_is_stationary_where_the_fit_ended(name):
    model, X, y = CASES[name]
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    fitted = clone(model).fit(X, y, sample_weight=weight)
    data, matrix = fitted._prepare(X, y, weight, None).rows, fitted._coefficients()
    least = objective(fitted, data, matrix)
    rng = np.random.default_rng(1)
    movable = np.abs(matrix) > 0  # what is zero by the model's shape stays so
    for _ in range(5):
        step = 1e-3 * rng.normal(size=matrix.shape) * np.abs(matrix) * movable
        there, back = (objective(fitted, data, matrix + s) for s in (step, -step))
        assert min(there, back) > least - 1e-7
        assert abs(there - back) < 0.05 * (there + back - 2 * least) + 1e-6


@pytest.mark.parametrize("name", CASES)
def test_the_curve_is_the_objective_below_its_end(name):
    model, X, y = CASES[name]
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    seen = []
    fitted = clone(model)
    fitted._fit(X, y, weight, None, observer=lambda iteration, matrix: seen.append(matrix.copy()))
    data = fitted._prepare(X, y, weight, None).rows
    values = np.array([objective(fitted, data, matrix) for matrix in [*seen, fitted._coefficients()]])
    found = ConvergenceDisplay.from_estimator(model, X, y, sample_weight=weight).excess
    expected = np.maximum(values - values[-1], 0) + fitted.gap_
    np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-6, atol=1e-12 * abs(values[-1]))


def test_the_curve_of_a_firth_fit_has_jeffreys_prior_in_it():
    excess = ConvergenceDisplay.from_estimator(
        MLELogisticClassifier(bias_reduction="firth"), X_TWO[:, :4], Y_TWO
    ).excess
    assert len(excess) > 3 and (np.diff(excess) <= 0).all() and excess[1] < excess[0]


def test_weights_that_are_precisions_are_copies_for_the_solver():
    weight = np.resize([0.5, 1.0, 2.0], len(Y_REAL))
    curves = [
        ConvergenceDisplay.from_estimator(
            MLERegressor("gamma", weight_type=weight_type), X_REAL, Y_REAL, sample_weight=weight
        ).excess
        for weight_type in ("precision", "frequency")
    ]
    np.testing.assert_allclose(curves[0][:-1], curves[1][:-1], rtol=1e-3)


@pytest.mark.parametrize("model", [MLERegressor("laplace"), MLERegressor("laplace", alpha=1.0)], ids=["free", "prior"])
def test_the_scale_of_a_check_loss_is_seen_to_follow_its_location(model):
    excess = ConvergenceDisplay.from_estimator(model, X_REAL, Y_REAL).excess
    assert excess[0] < 1 and (np.diff(excess) < 0).all()
    assert np.median(excess) < 1e-2  # no plateau with a jump at its end


def test_several_curves_share_axes_and_take_other_colours():
    first = ConvergenceDisplay.from_estimator(MLELogisticClassifier(C=1.0), X_TWO, Y_TWO, name="newton")
    second = ConvergenceDisplay.from_estimator(
        MLELogisticClassifier(C=1.0, solver="lbfgs"), X_TWO, Y_TWO, name="lbfgs", ax=first.ax_
    )
    assert first.line_.get_color() != second.line_.get_color()
    legend = [text.get_text() for text in second.ax_.get_legend().get_texts()]
    assert [text.split()[0] for text in legend] == ["newton", "lbfgs"]
    assert second.ax_.get_yscale() == "log"
    np.testing.assert_array_equal(second.tol_line_.get_ydata(), [1e-8, 1e-8])


def test_offsets_are_part_of_the_objective():
    offset = np.linspace(-1, 1, len(Y_TWO))
    display = ConvergenceDisplay.from_estimator(MLELogisticClassifier(C=1.0), X_TWO, Y_TWO, offset=offset)
    assert display.excess[-1] < 1e-8 < display.excess[0]


@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.PerfectFitWarning")
def test_what_cannot_be_watched_is_refused():
    with pytest.raises(TypeError, match="estimator must be one of sklearn_mle, .* got a LogisticRegression"):
        ConvergenceDisplay.from_estimator(LogisticRegression(), X_TWO, Y_TWO)
    with pytest.raises(ValueError, match="The 'C' parameter"):
        ConvergenceDisplay.from_estimator(MLELogisticClassifier(C=-1), X_TWO, Y_TWO)
    with pytest.raises(ValueError, match="y: the fit was perfect"):
        ConvergenceDisplay.from_estimator(GaussianMLERegressor(), X_REAL, X_REAL @ np.ones(10))
    assert not pyplot.get_fignums()
