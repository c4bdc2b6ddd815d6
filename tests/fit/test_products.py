"""Least squares in one pass: the same answer as in three, a gap that bounds the truth, and the cases that want more."""

import numpy as np
import pytest

from sklearn_mle._fit import FitOptions, fit, least_squares
from sklearn_mle._rows import Data, DenseRows
from sklearn_mle._rows.columns import Columns
from sklearn_mle.likelihoods import Gaussian
from tests.fit.options import ridge, terms_of

rng = np.random.default_rng(0)
N, P = 30_000, 9


@pytest.fixture(autouse=True)
def small_data_count_as_large(monkeypatch):
    monkeypatch.setattr(least_squares, "_LEAST_WORK", 1e6)


def design(far=0.0):
    X = rng.standard_normal((N, P)) * 2.0 ** np.arange(-4, 5)
    X[:, 1:] += X[:, :-1]
    return X + far * X.std(axis=0)


def outcome(X, noise=1.0):
    signal = (X - X.mean(axis=0)) @ (rng.standard_normal(P) / X.std(axis=0))
    return 7.0 + signal + noise * rng.standard_normal(len(X))


def in_three_passes(X, y, **kwargs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(least_squares, "_LEAST_WORK", np.inf)
        return fit(Gaussian(), X, y, **kwargs)


def exact(X, y, weight=None, alpha=0.0, intercept=True):
    """Coefficients in extended precision, by normal equations of centred columns and two refinements."""
    X, y = X.astype(np.longdouble), y.astype(np.longdouble)
    w = np.ones(len(X)) if weight is None else weight
    mean = (w @ X / w.sum(), w @ y / w.sum()) if intercept else (0.0, 0.0)
    centred, target = X - mean[0], y - mean[1]
    gram = (centred.T * w) @ centred + alpha * np.eye(X.shape[1])
    inverse = np.linalg.inv(gram.astype(np.float64))
    coef = np.zeros(X.shape[1], dtype=np.longdouble)
    for _ in range(4):
        coef += inverse @ (centred.T @ (w * (target - centred @ coef)) - alpha * coef)
    return coef.astype(np.float64), float(mean[1] - mean[0] @ coef if intercept else 0.0)


CASES = {
    "plain": {},
    "weights": {"sample_weight": rng.random(N) + 0.01},
    "weights of zero": {"sample_weight": rng.integers(0, 3, N).astype(float)},
    "offset": {"offset": rng.standard_normal(N)},
    "prior": {"options": FitOptions(prior=ridge(50.0))},
    "known scale": {"options": FitOptions(terms=terms_of(2.0))},
    "no intercept": {"options": FitOptions(terms=terms_of(fit_intercept=False))},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_pass_finds_the_exact_coefficients(case, dtype):
    X, kwargs = design().astype(dtype), CASES[case]
    y = outcome(X)
    options = kwargs.get("options", FitOptions())
    result = fit(Gaussian(), X, y, **kwargs)
    assert result.n_passes == 1
    coef, intercept = exact(
        X,
        y - kwargs.get("offset", 0.0),
        kwargs.get("sample_weight"),
        options.prior.precisions[0],
        options.fit_intercept,
    )
    np.testing.assert_allclose(result.coefficients[0, :-1], coef, rtol=1e-10)
    assert result.coefficients[0, -1] == pytest.approx(intercept, rel=1e-10, abs=1e-12)
    usual = in_three_passes(X, y, **kwargs)
    assert usual.n_passes >= 3
    assert result.log_likelihood == pytest.approx(usual.log_likelihood, rel=1e-13)
    assert result.dispersion == pytest.approx(usual.dispersion, rel=1e-13)
    assert result.n_parameters == usual.n_parameters
    if result.curvature is not None:
        np.testing.assert_allclose(result.curvature.covariance(), usual.curvature.covariance(), rtol=1e-10, atol=1e-20)


@pytest.mark.parametrize("far", [0.0, 3.0])
def test_the_gap_bounds_the_distance_from_the_optimum(far):
    X = design(far)
    y = outcome(X)
    result = fit(Gaussian(), X, y)
    assert result.n_passes == 1
    coef, _ = exact(X, y)
    # The objective is quadratic: its excess is half the squared length of what is missing, in the metric of X'X.
    missing = (X - X.mean(axis=0)) @ (result.coefficients[0, :-1] - coef)
    truth = 0.5 * float(missing @ missing) / result.dispersion**2
    assert truth <= result.gap <= 1e-8


def test_the_bound_of_rounding_holds_entry_by_entry():
    X = design(3.0).astype(np.float32).astype(np.float64)
    y = outcome(X)
    data = Data(DenseRows(X), y)
    found, columns = least_squares.CrossProducts.of(data, centre=True, least_scale=0.0)
    coef, unit, middle = rng.standard_normal(P + 1), 2.0, 7.0
    cross, response = found.standardized(columns, middle, unit)
    long = (X.astype(np.longdouble) - columns.shift) / columns.scale
    long = np.column_stack([long, np.ones(N)])
    truth = long.T @ (long @ coef - (y.astype(np.longdouble) - middle) / unit)
    error = np.abs((cross @ coef - response - truth).astype(np.float64))
    bound = found.gradient_error(columns, unit, coef)
    assert (error <= bound).all()
    off = np.linalg.norm((cross - long.T @ long).astype(np.float64), 2)
    assert off <= found.design_error(columns) <= 1e-7 * N * P
    assert (bound <= 1e-7 * np.sqrt(np.square(long).sum(axis=0).astype(float) * N)).all()


def change(X, y, what):
    X, y = X.copy(), y.copy()
    if what == "constant column":
        X[:, 3] = 5.0
    elif what == "dependent columns":
        X[:, 3] = X[:, 2] + X[:, 4]
    elif what == "nearly dependent columns":
        X[:, 3] = X[:, 2] + X[:, 4] + 3e-6 * rng.standard_normal(N)
    elif what == "column far from zero":
        X[:, 3] = 1e7 + rng.standard_normal(N)
    elif what == "squares that overflow":
        X[:, 3] *= 1e200
    elif what == "y far from zero":
        y += 1e9
    elif what == "hardly any noise":
        y = outcome(X, noise=1e-6)
    return X, y


@pytest.mark.parametrize(
    "what",
    [
        "constant column",
        "dependent columns",
        "nearly dependent columns",
        "column far from zero",
        "squares that overflow",
        "y far from zero",
        "hardly any noise",
    ],
)
def test_what_one_pass_does_not_settle_takes_more(what):
    X = design()
    X, y = change(X, outcome(X), what)
    result, usual = fit(Gaussian(), X, y), in_three_passes(X, y)
    assert result.n_passes > 1
    np.testing.assert_allclose(result.coefficients, usual.coefficients, rtol=1e-7, atol=1e-300)
    assert result.log_likelihood == pytest.approx(usual.log_likelihood, rel=1e-12)
    assert [type(warning) for warning in result.warnings] == [type(warning) for warning in usual.warnings]
    assert result.gap <= 1e-8


def test_an_entry_that_is_not_finite_is_named_by_its_row():
    X = design()
    X[123, 4] = np.inf
    with pytest.raises(ValueError, match="row 123"):
        fit(Gaussian(), X, outcome(design()))


def test_the_columns_are_standardized_as_by_their_moments():
    data = Data(DenseRows(design(2.0)), rng.standard_normal(N), rng.random(N) + 0.5)
    _, columns = least_squares.CrossProducts.of(data, centre=True, least_scale=0.0)
    usual = Columns.of(data, centre=True)
    np.testing.assert_array_equal(columns.scale, usual.scale)
    np.testing.assert_array_equal(columns.shift, usual.shift)
    np.testing.assert_allclose(columns.spread, usual.spread, rtol=1e-12)
    assert (columns.largest >= usual.largest).all()


def test_few_rows_keep_the_accurate_way(monkeypatch):
    monkeypatch.undo()
    X = rng.standard_normal((500, 3))
    data = Data(DenseRows(X), X[:, 0])
    assert least_squares.CrossProducts.of(data, centre=True, least_scale=0.0) is None
