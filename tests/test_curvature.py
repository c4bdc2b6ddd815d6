"""What a fit retains: the covariance against explicit formulas, and nan exactly where the data are silent."""

import pickle

import numpy as np
import pytest

from sklearn_mle._fit import FitOptions, fit
from sklearn_mle.exceptions import RankDeficiencyWarning, SeparationWarning, UnboundedLikelihoodWarning
from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian
from tests.fit.options import ridge, terms_of

rng = np.random.default_rng(0)
N, P = 200, 3
X = rng.standard_normal((N, P)) * [1.0, 100.0, 0.01] + [0.0, 5000.0, 1.0]
Z = (X - X.mean(axis=0)) / X.std(axis=0)
LOGIT = 0.3 + Z @ [1.0, -0.5, 0.2]
BINARY = (rng.random(N) < 1 / (1 + np.exp(-LOGIT))).astype(float)
CLASSES = (np.outer(LOGIT, [1, 0, -1]) + rng.gumbel(size=(N, 3))).argmax(axis=1)
REAL = LOGIT + np.exp(0.2 + 0.3 * Z[:, 0]) * rng.standard_normal(N)
WEIGHT = rng.integers(0, 4, N).astype(float)


def augmented(X):
    return np.column_stack([X, np.ones(len(X))])


def standard_errors(result):
    covariance = result.curvature.covariance()
    return np.sqrt(covariance.diagonal()).reshape(result.coefficients.shape)


def logit_information(X, coefficients, weight=1.0):
    A = augmented(X)
    p = 1 / (1 + np.exp(-(A @ coefficients)))
    return (A.T * (weight * p * (1 - p))) @ A


@pytest.mark.parametrize("weight", [None, WEIGHT, 1e6 * WEIGHT], ids=["none", "copies", "large"])
def test_bernoulli(weight):
    result = fit(Bernoulli(), X, BINARY, sample_weight=weight)
    expected = np.linalg.inv(logit_information(X, result.coefficients[0], 1.0 if weight is None else weight))
    np.testing.assert_allclose(result.curvature.covariance(), expected, rtol=1e-7, atol=1e-12 * expected.max())
    np.testing.assert_allclose(standard_errors(result)[0], np.sqrt(expected.diagonal()), rtol=1e-9)
    assert result.curvature.predictors.size == P + 1


def test_categorical_in_the_gauge_that_sums_to_zero():
    result = fit(Categorical(3), X, CLASSES)
    A, B = augmented(Z), result.coefficients
    eta = augmented(X) @ B.T
    q = np.exp(eta - eta.max(axis=1, keepdims=True))
    q /= q.sum(axis=1, keepdims=True)
    hessian = np.einsum("nk,kl,ni,nj->kilj", q, np.eye(3), A, A) - np.einsum("nk,nl,ni,nj->kilj", q, q, A, A)
    # The pseudo-inverse in standardized columns is the covariance in the gauge that sums to zero.
    covariance = np.linalg.pinv(hessian.reshape(12, 12), rcond=1e-12).reshape(3, 4, 3, 4)
    expected = np.sqrt(np.einsum("kiki->ki", covariance)[:, :3]) / X.std(axis=0)
    np.testing.assert_allclose(standard_errors(result)[:, :3], expected, rtol=1e-8)
    assert result.curvature.predictors.size == 8


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["none", "copies"])
def test_gaussian_with_a_constant_scale(weight):
    result = fit(Gaussian(), X, REAL, sample_weight=weight)
    A, w = augmented(X), np.ones(N) if weight is None else weight
    found = standard_errors(result)
    expected = result.dispersion * np.sqrt(np.linalg.inv((A.T * w) @ A).diagonal())
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    np.testing.assert_allclose(found[1], [0, 0, 0, 1 / np.sqrt(2 * w.sum())], rtol=1e-12)
    assert result.curvature.parameters.tolist() == [[True] * 4, [False] * 3 + [True]]
    assert result.curvature.predictors.size == P + 2


def test_a_known_scale_is_no_parameter():
    result = fit(Gaussian(), X, REAL, options=FitOptions(terms=terms_of(2.5, False)))
    expected = 2.5 * np.sqrt(np.linalg.inv(X.T @ X).diagonal())
    np.testing.assert_allclose(standard_errors(result)[0, :3], expected, rtol=1e-9)
    assert result.curvature.parameters.tolist() == [[True] * 3 + [False], [False] * 4]
    assert result.curvature.predictors.size == P


def test_gaussian_with_a_log_linear_scale():
    result = fit(Gaussian(), X, REAL, options=FitOptions(terms=terms_of("log_linear")))
    A = augmented(X)
    location, log_scale = A @ result.coefficients.T[:, 0], A @ result.coefficients.T[:, 1]
    z = (REAL - location) / np.exp(log_scale)
    blocks = [[np.exp(-2 * log_scale), 2 * z * np.exp(-log_scale)], [2 * z * np.exp(-log_scale), 2 * z**2]]
    hessian = np.block([[(A.T * weight) @ A for weight in row] for row in blocks])
    unit = np.sqrt(hessian.diagonal())
    expected = np.sqrt(np.linalg.inv(hessian / unit / unit[:, None]).diagonal()) / unit
    np.testing.assert_allclose(standard_errors(result).ravel(), expected, rtol=1e-7)


DEPENDENT = {
    "sum of two": (np.column_stack([X, X[:, 0] + X[:, 1]]), [True, True, False, True, False]),
    "in another unit": (np.column_stack([X, 1e9 * X[:, 2]]), [False, False, True, True, False]),
    "a constant": (np.column_stack([X, np.full(N, 0.05)]), [False, False, False, True, True]),
    "zeros": (np.column_stack([X, np.zeros(N)]), [False, False, False, True, False]),
    "dummies": (np.column_stack([X, np.eye(2)[np.arange(N) % 2]]), [False] * 3 + [True] * 3),
    "shifted copy": (np.column_stack([X, X[:, 0] + 3]), [True, False, False, True, True]),
}


@pytest.mark.parametrize("model", ["bernoulli", "categorical", "gaussian", "log_linear"])
@pytest.mark.parametrize("name", DEPENDENT)
def test_nan_exactly_where_a_coefficient_is_not_identified(model, name):
    design, lost = DEPENDENT[name]
    likelihood, y, scale = {
        "bernoulli": (Bernoulli(), BINARY, "constant"),
        "categorical": (Categorical(3), CLASSES, "constant"),
        "gaussian": (Gaussian(), REAL, "constant"),
        "log_linear": (Gaussian(), REAL, "log_linear"),
    }[model]
    result = fit(likelihood, design, y, options=FitOptions(terms=terms_of(scale)))
    assert any(isinstance(warning, RankDeficiencyWarning) for warning in result.warnings)
    found = standard_errors(result)
    rows = found[:1] if model == "gaussian" else found
    np.testing.assert_array_equal(np.isnan(rows), np.tile(lost, (len(rows), 1)))
    # The others are those of any full-rank design with the same columns.
    full = standard_errors(fit(likelihood, X, y, options=FitOptions(terms=terms_of(scale))))
    kept = [j for j in range(P) if not lost[j]]
    if "sum" in name or "copy" in name or "unit" in name:
        np.testing.assert_allclose(rows[:, kept], full[: len(rows), kept], rtol=1e-6)


def test_more_columns_than_rows():
    wide = rng.standard_normal((10, 30))
    wide[:, 4] = 0
    result = fit(Gaussian(), wide, REAL[:10], options=FitOptions(terms=terms_of(1.0)))
    assert np.isnan(standard_errors(result)[0]).all()


def test_combinations_are_determined_where_their_parts_are_not():
    design = np.column_stack([X, X[:, 0] + X[:, 1]])
    curvature = fit(Bernoulli(), design, BINARY).curvature
    # b0 x0 + b1 x1 + b3 (x0 + x1): b0 + b3 and b1 + b3 are what the data speak of.
    combinations = np.array([[1.0, 0, 0, 1, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 0]])
    found = np.sqrt(curvature.covariance(combinations).diagonal())
    full = np.sqrt(fit(Bernoulli(), X, BINARY).curvature.covariance().diagonal())
    np.testing.assert_allclose(found[:2], full[:2], rtol=1e-7)
    assert np.isnan(found[2])


def test_separation_takes_what_it_touches_and_nothing_else():
    dummy = (np.arange(N) < 12).astype(float)
    y = np.where(dummy > 0, 1.0, BINARY)
    result = fit(Bernoulli(), np.column_stack([X, dummy]), y)
    assert any(isinstance(warning, SeparationWarning) for warning in result.warnings)
    found = standard_errors(result)[0]
    assert np.isnan(found).tolist() == [False, False, False, True, False]
    # The limiting conditional model: the rows that remain in doubt, without the dummy.
    limit = standard_errors(fit(Bernoulli(), X[12:], y[12:]))[0]
    np.testing.assert_allclose(found[[0, 1, 2, 4]], limit, rtol=1e-4)


@pytest.mark.parametrize("n_present", [2, 3])
def test_a_class_without_weight_has_no_standard_errors_but_contrasts_have(n_present):
    y = np.where(np.isin(CLASSES, range(n_present)), CLASSES, 0)
    y = np.append(y, n_present)
    design, weight = np.vstack([X, X[:1]]), np.append(np.ones(N), 0.0)
    result = fit(Categorical(n_present + 1), design, y, sample_weight=weight)
    assert np.isnan(standard_errors(result)).all()
    width = P + 1
    contrast = np.zeros((width, (n_present + 1) * width))
    contrast[:, :width], contrast[:, width : 2 * width] = -np.eye(width), np.eye(width)
    found = result.curvature.covariance(contrast)
    if n_present == 2:
        expected = fit(Bernoulli(), X, y[:-1].astype(float)).curvature.covariance()
    else:
        expected = fit(Categorical(3), X, y[:-1]).curvature.covariance(contrast[:, : 3 * width])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * expected.max())


def test_a_scale_at_its_floor_has_no_standard_error():
    dummy = (np.arange(N) == 7).astype(float)
    result = fit(Gaussian(), np.column_stack([X, dummy]), REAL, options=FitOptions(terms=terms_of("log_linear")))
    assert any(isinstance(warning, UnboundedLikelihoodWarning) for warning in result.warnings)
    found = standard_errors(result)
    assert np.isnan(found).tolist() == [[False] * 3 + [True, False]] * 2
    others = fit(Gaussian(), np.delete(X, 7, 0), np.delete(REAL, 7), options=FitOptions(terms=terms_of("log_linear")))
    np.testing.assert_allclose(found[:, [0, 1, 2, 4]], standard_errors(others), rtol=1e-3)


def test_nothing_is_kept_under_a_prior_or_for_many_parameters(monkeypatch):
    assert fit(Bernoulli(), X, BINARY, options=FitOptions(prior=ridge(1.0))).curvature is None
    assert fit(Gaussian(), X, REAL, options=FitOptions(prior=ridge(1.0))).curvature is None
    monkeypatch.setattr("sklearn_mle._fit.strategy.MOST_KEPT", P)
    assert fit(Bernoulli(), X, BINARY).curvature is None


def test_pickles_hold_no_data():
    long = np.tile(X, (500, 1)), np.tile(BINARY, 500)
    result = fit(Bernoulli(), *long)
    pickled = pickle.dumps(result.curvature)
    assert len(pickled) < 5000
    np.testing.assert_array_equal(pickle.loads(pickled).covariance(), result.curvature.covariance())
