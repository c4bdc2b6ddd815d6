"""Which columns depend on which, and the coefficients of minimum norm: against numpy's pseudo-inverse."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle import GaussianMLERegressor
from sklearn_mle._fit import FitOptions, fit
from sklearn_mle._predictors import Terms
from sklearn_mle._rank import identify
from sklearn_mle._rows import Data, DenseRows, SparseRows
from sklearn_mle._rows.columns import Columns
from sklearn_mle.exceptions import RankDeficiencyWarning
from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian
from tests.fit.options import ridge, terms_of

rng = np.random.default_rng(0)
N = 120
Z = rng.standard_normal((N, 4))
ONE_HOT = np.eye(3)[rng.integers(0, 3, N)]
DEPENDENT = {
    "sum of two": (np.column_stack([Z, Z[:, 0] + Z[:, 1]]), 1),
    "duplicate": (np.column_stack([Z, Z[:, 2]]), 1),
    "duplicate in another unit": (np.column_stack([Z, 1e9 * Z[:, 2]]), 1),
    "constant": (np.column_stack([Z, np.full(N, 7.0)]), 1),
    "zero": (np.column_stack([Z, np.zeros(N)]), 1),
    "dummies": (np.column_stack([Z, ONE_HOT]), 1),
    "several": (np.column_stack([Z, Z @ rng.standard_normal((4, 6)), np.ones(N)]), 7),
    "nearly all": (np.column_stack([Z[:, :1] * k for k in range(1, 9)]), 7),
    "units over sixteen decades": (np.column_stack([Z, Z[:, 0] + Z[:, 1]]) * [1e-8, 1e8, 1, 1e4, 1e-4], 1),
    "more columns than rows": (rng.standard_normal((20, 50)), 31),
}
FULL_RANK = {
    "ordinary": Z,
    "nearly the same": np.column_stack([Z, Z[:, 0] + 1e-8 * rng.standard_normal(N)]),
    "a mean of 1e8": Z + 1e8,
    "years and their squares": np.column_stack([np.arange(N) + 1900.0, (np.arange(N) + 1900.0) ** 2]),
    "units over 300 decades": Z * [1e-150, 1e-75, 1e75, 1e150],
    "rare dummy": np.column_stack([Z, np.arange(N) == 7]),
}


def identification(X, *, intercept=True, weight=None, sparse=False):
    rows = SparseRows(sp.csr_array(X)) if sparse else DenseRows(X)
    raw = Data(rows, np.zeros(len(X)), weight)
    columns = Columns.of(raw, centre=intercept)
    data = raw.standardize(columns.shift if intercept else None, columns.scale)
    return identify(data, columns, Terms(True, intercept)), columns


@pytest.mark.parametrize("name", DEPENDENT)
def test_as_many_columns_are_dependent_as_the_rank_says(name):
    X, n_dependent = DEPENDENT[name]
    found, _ = identification(X)
    p = X.shape[1]
    assert len(found.dependent) == n_dependent
    np.testing.assert_array_equal(np.sort(np.concatenate([found.active, found.dependent])), np.arange(p))
    # What is kept is of full rank beside the intercept.
    kept = X[:, found.active] - X[:, found.active].mean(axis=0)
    assert np.linalg.matrix_rank(kept / np.linalg.norm(kept, axis=0)) == p - n_dependent


@pytest.mark.parametrize("name", FULL_RANK)
def test_no_column_of_full_rank_is_taken_for_dependent(name):
    found, _ = identification(FULL_RANK[name].astype(float))
    assert len(found.dependent) == 0


@pytest.mark.parametrize("name", DEPENDENT)
def test_the_basis_is_that_of_the_null_space(name):
    X, n_dependent = DEPENDENT[name]
    found, _ = identification(X)
    p = X.shape[1]
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(found.basis.shape[1]), atol=1e-12)
    assert found.basis.shape[1] == min(n_dependent, p - n_dependent)
    assert found.is_null_space == (n_dependent <= p - n_dependent)
    if found.is_null_space:
        moved = X @ found.basis  # constant: the intercept gives it back
        sizes = np.abs(X) @ np.abs(found.basis)
        assert np.abs(moved - moved.mean(axis=0)).max() <= 1e-12 * sizes.max()


def least_norm(X, y, weight=None):
    """Coefficients of least norm among the least-squares ones, the intercept free: solved in standardized columns."""
    weight = np.ones(len(y)) if weight is None else weight
    centre = np.average(X, axis=0, weights=weight)
    centred = (X - centre) * np.sqrt(weight)[:, None]
    unit = np.maximum(np.linalg.norm(centred, axis=0), 1e-300)
    unit[unit < 1e-12 * np.abs(X).max(axis=0) + 1e-299] = 1.0
    left, sizes, right = np.linalg.svd(centred / unit)
    rank = int(np.sum(sizes > 1e-10 * sizes[0]))
    target = (y - np.average(y, weights=weight)) * np.sqrt(weight)
    coef = right[:rank].T @ ((left[:, :rank].T @ target) / sizes[:rank]) / unit
    null, _ = np.linalg.qr(right[rank:].T / unit[:, None])
    coef -= null @ (null.T @ coef)
    return coef, np.average(y, weights=weight) - centre @ coef


@pytest.mark.parametrize("name", [name for name in DEPENDENT if name != "more columns than rows"])
@pytest.mark.parametrize("weighted", [False, True])
def test_gaussian_coefficients_have_least_norm(name, weighted):
    X, _ = DEPENDENT[name]
    y = Z @ [1.0, -2, 0.5, 0.3] + rng.standard_normal(N) + 5
    weight = rng.random(N) + 0.1 if weighted else None
    result = fit(Gaussian(), X, y, sample_weight=weight)
    assert [type(warning) for warning in result.warnings] == [RankDeficiencyWarning]
    coef, intercept = least_norm(X, y, weight)
    scale = np.abs(coef).max()
    np.testing.assert_allclose(result.coefficients[0, :-1], coef, atol=1e-8 * scale)
    assert result.coefficients[0, -1] == pytest.approx(intercept, abs=1e-7)


def test_without_an_intercept_numpy_s_lstsq():
    X = np.column_stack([Z, Z[:, 0] - Z[:, 3], np.ones(N)])
    y = rng.standard_normal(N) + 3
    result = fit(Gaussian(), X, y, options=FitOptions(terms=terms_of(fit_intercept=False)))
    np.testing.assert_allclose(result.coefficients[0, :-1], np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-10)
    assert result.coefficients[0, -1] == 0


def test_more_columns_than_rows_interpolate_by_least_norm():
    X, y = rng.standard_normal((15, 40)), rng.standard_normal(15)
    coefficients = fit(Gaussian(), X, y).coefficients[0]
    coef, intercept = least_norm(X, y)
    np.testing.assert_allclose(coefficients, [*coef, intercept], atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_coefficients_have_least_norm_and_the_fitted_values_of_any(n_classes):
    X = np.column_stack([Z, Z[:, 0] + 2 * Z[:, 1], ONE_HOT, np.full(N, 3.0)])
    y = rng.integers(0, n_classes, N)
    likelihood = Bernoulli() if n_classes == 2 else Categorical(n_classes)
    y = y.astype(float) if n_classes == 2 else y
    result = fit(likelihood, X, y)
    kept = fit(likelihood, np.column_stack([Z, ONE_HOT[:, 1:]]), y)
    assert [type(warning) for warning in result.warnings] == [RankDeficiencyWarning]
    assert result.log_likelihood == pytest.approx(kept.log_likelihood, rel=1e-13)
    eta = X @ result.coefficients[:, :-1].T + result.coefficients[:, -1]
    kept_eta = np.column_stack([Z, ONE_HOT[:, 1:]]) @ kept.coefficients[:, :-1].T + kept.coefficients[:, -1]
    np.testing.assert_allclose(eta, kept_eta, atol=1e-9)
    # Of least norm: orthogonal to every combination of columns that is constant.
    centred = X - X.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred)
    null = directions[np.sum(sizes > 1e-10 * sizes[0]) :]
    assert len(null) == 3
    np.testing.assert_allclose(result.coefficients[:, :-1] @ null.T, 0, atol=1e-10)


def test_duplicates_share_their_coefficient():
    y = (Z[:, 0] + rng.logistic(size=N) > 0).astype(float)
    single = fit(Bernoulli(), Z, y).coefficients[0]
    double = fit(Bernoulli(), np.column_stack([Z, Z[:, 0]]), y).coefficients[0]
    np.testing.assert_allclose(double[[0, 4]], single[0] / 2, rtol=1e-9)
    np.testing.assert_allclose(double[[1, 2, 3, 5]], single[1:], rtol=1e-9)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_columns_dependent_up_to_single_precision_are_dependent_there_alone(form):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 2))
    X = np.column_stack([X, X.sum(axis=1)]).astype(np.float32)  # the third is rounded
    y = X[:, 0] + generator.normal(size=200)
    with pytest.warns(RankDeficiencyWarning, match="column [012]\\b"):
        single = GaussianMLERegressor().fit(form(X), y)
    two = GaussianMLERegressor().fit(X[:, :2], y)
    np.testing.assert_allclose(single.predict(form(X)), two.predict(X[:, :2]), rtol=0, atol=1e-5)
    np.testing.assert_allclose(single.coef_[:2] + single.coef_[2], two.coef_, rtol=0, atol=1e-5)
    # Of numbers in double precision the same entries are what they say.
    assert np.abs(GaussianMLERegressor().fit(form(X.astype(np.float64)), y).coef_).max() > 100


def test_columns_nearly_dependent_in_single_precision_are_independent():
    generator = np.random.default_rng(0)
    years, column = np.arange(1950, 2020, 0.25), generator.normal(size=500)
    for X in (
        np.column_stack([years, years**2]),
        np.column_stack([column, column + 1e-4 * generator.normal(size=500)]),
    ):
        y = generator.normal(size=len(X))
        single = GaussianMLERegressor().fit(X.astype(np.float32), y)
        double = GaussianMLERegressor().fit(X.astype(np.float32).astype(np.float64), y)
        np.testing.assert_array_equal(single.coef_, double.coef_)


def test_the_warning_names_a_dependent_column():
    result = fit(
        Gaussian(), np.column_stack([Z, np.ones(N)]), Z[:, 0] + rng.standard_normal(N), feature_names=list("abcde")
    )
    assert "the intercept: 'e'." in str(result.warnings[0])


def test_a_prior_settles_what_the_data_leave_open():
    X = np.column_stack([Z, Z[:, 0]])
    result = fit(Gaussian(), X, Z[:, 0] + rng.standard_normal(N), options=FitOptions(prior=ridge(0.1)))
    assert result.warnings == ()
    assert result.coefficients[0, 0] == pytest.approx(result.coefficients[0, 4], rel=1e-12)


def test_weights_and_storage_do_not_change_what_is_identified():
    X, _ = DEPENDENT["dummies"]
    plain, _ = identification(X)
    for other in (identification(X, weight=rng.random(N))[0], identification(X, sparse=True)[0]):
        assert len(other.dependent) == len(plain.dependent) == 1
        np.testing.assert_allclose(np.abs(other.basis.T @ plain.basis), 1, rtol=1e-9)


def test_columns_that_vary_only_in_rows_of_weight_zero_are_dependent():
    x = np.where(np.arange(N) < 5, rng.standard_normal(N), 1.0)
    weight = (np.arange(N) >= 5).astype(float)
    result = fit(Gaussian(), np.column_stack([Z, x]), Z[:, 0] + rng.standard_normal(N), sample_weight=weight)
    assert [type(warning) for warning in result.warnings] == [RankDeficiencyWarning]
    assert result.coefficients[0, 4] == 0


@pytest.mark.parametrize("intercept", [True, False])
def test_minimum_norm_keeps_the_fitted_values(intercept):
    X, _ = DEPENDENT["dummies"]
    X = np.column_stack([X, X[:, 0] + X[:, 5]])
    found, columns = identification(X, intercept=intercept)
    matrix = np.random.default_rng(1).standard_normal((2, X.shape[1] + 1))
    if not intercept:
        matrix[:, -1] = 0
    least = found.minimum_norm(matrix, columns)
    before, after = columns.to_original(matrix), columns.to_original(least)
    np.testing.assert_allclose(
        X @ after[:, :-1].T + after[:, -1], X @ before[:, :-1].T + before[:, -1], rtol=1e-11, atol=1e-11
    )
    assert np.linalg.norm(after[:, :-1]) < np.linalg.norm(before[:, :-1])
    np.testing.assert_allclose(found.minimum_norm(least, columns), least, rtol=1e-12, atol=1e-13)
