"""Likelihood ratios of models that are not nested have no known distribution: columns are compared, not their names."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import likelihood_ratio_test

rng = np.random.default_rng(0)
N = 120
X = pd.DataFrame(rng.standard_normal((N, 4)) * [1.0, 100.0, 0.01, 1.0] + [0.0, 1e4, 3.0, 0.0], columns=list("abcd"))
Y = X.to_numpy() @ [1.0, 0.01, 30.0, 0.0] + rng.standard_normal(N)
COUNTS = rng.poisson(np.exp(0.3 * X["a"]))
LABELS = np.digitize(Y, np.quantile(Y, [1 / 3, 2 / 3]))


def gaussian(columns, **parameters):
    return GaussianMLERegressor(**parameters).fit(X[list(columns)], Y)


def test_other_columns_and_more_of_them_are_not_nested():
    small, large = gaussian("ab"), gaussian("acd")
    with pytest.raises(ValueError, match=r"no combination of larger's columns gives in location: 'b'\. They are"):
        likelihood_ratio_test(small, large, X, Y)
    with pytest.raises(ValueError, match=r"'b'\. They are not nested"):
        likelihood_ratio_test(
            LinearRegression().fit(X[["a", "b"]], Y), LinearRegression().fit(X[["a", "c", "d"]], Y), X, Y
        )


def test_equal_names_do_not_make_columns_equal():
    other = X.assign(a=rng.standard_normal(N))
    small, large = gaussian("a"), GaussianMLERegressor().fit(other, Y)
    with pytest.raises(ValueError, match=r"'a'\. They are not nested"):
        likelihood_ratio_test(small, large, (X, other), Y)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, lambda dense: dense.astype(np.float32)])
def test_combinations_of_columns_are_within(kind):
    """a + 2 d is one restriction of a and d; the F of the reference is from both residual sums of squares."""
    combined, free = X[["a"]].to_numpy() + 2 * X[["d"]].to_numpy(), X[["a", "d"]].to_numpy()
    given = kind(combined), kind(free)
    small, large = (GaussianMLERegressor().fit(one, Y) for one in given)
    found = likelihood_ratio_test(small, large, given, Y)
    left = [np.linalg.lstsq(np.column_stack([np.ones(N), one]), Y)[1][0] for one in (combined, free)]
    F = (left[0] - left[1]) / left[1] * (N - 3)
    tolerance = 1e-4 if given[0].dtype == np.float32 else 1e-9
    assert found.statistic == pytest.approx(F, rel=tolerance)
    assert found.p_value == pytest.approx(stats.f.sf(F, 1, N - 3), rel=tolerance)


def test_transformed_columns_are_within_their_space_and_squares_are_not():
    scaled = make_pipeline(StandardScaler(), GaussianMLERegressor()).fit(X[["a", "b"]], Y)
    assert likelihood_ratio_test(scaled, gaussian("abc"), X, Y).df == 1
    squares = make_pipeline(PolynomialFeatures(include_bias=False), GaussianMLERegressor()).fit(X[["a"]], Y)
    with pytest.raises(ValueError, match=r"'a\^2'\. They are not nested"):
        likelihood_ratio_test(squares, gaussian("abcd"), X, Y)
    assert likelihood_ratio_test(gaussian("a"), squares, X, Y).df == 1


def test_intercepts_are_columns_of_ones():
    X1 = X.assign(one=1.0)
    ones = GaussianMLERegressor(fit_intercept=False).fit(X1[["a", "b", "one"]], Y)
    assert likelihood_ratio_test(gaussian("a"), ones, X1, Y).df == 1
    through_zero = GaussianMLERegressor(fit_intercept=False).fit(X[["a", "b", "d"]], Y)
    with pytest.raises(ValueError, match=r"gives in location: 'intercept'\. They are not nested"):
        likelihood_ratio_test(gaussian("a"), through_zero, X, Y)
    assert likelihood_ratio_test(through_zero, gaussian("abd"), X, Y).df == 1


def test_second_parameters_are_compared_too():
    linear = gaussian("ab", scale="log_linear")
    assert likelihood_ratio_test(gaussian("ab"), linear, X, Y).df == 2
    with pytest.raises(ValueError, match=r"gives in log_scale: 'a'"):
        likelihood_ratio_test(gaussian("a", scale="log_linear"), gaussian("abcd"), X, Y)
    known = gaussian("a", scale=1.0)
    assert likelihood_ratio_test(known, gaussian("a"), X, Y).df == 1
    with pytest.raises(ValueError, match="smaller estimates log_scale, which larger holds at a known value"):
        likelihood_ratio_test(gaussian("a"), gaussian("abc", scale=1.0), X, Y)
    with pytest.raises(ValueError, match="have different known values of log_scale"):
        likelihood_ratio_test(known, gaussian("ab", scale=2.0), X, Y)


def test_rows_without_weight_do_not_count():
    weight = (np.arange(N) > 30).astype(float)
    other = X.assign(e=np.where(weight > 0, X["a"], 7.0))
    small = GaussianMLERegressor().fit(other[["e"]], Y, weight)
    large = GaussianMLERegressor().fit(other[["a", "b"]], Y, weight)
    assert likelihood_ratio_test(small, large, other, Y, sample_weight=weight).df == 1
    small, large = (GaussianMLERegressor().fit(other[names], Y) for names in (["e"], ["a", "b"]))
    with pytest.raises(ValueError, match=r"'e'\. They are not nested"):
        likelihood_ratio_test(small, large, other, Y)


def test_classes_and_other_likelihoods():
    small, large = (MLELogisticClassifier().fit(X[columns], LABELS) for columns in (["a"], ["b", "c"]))
    with pytest.raises(ValueError, match=r"gives in the linear predictor: 'a'"):
        likelihood_ratio_test(small, large, X, LABELS)
    poisson = MLERegressor("poisson").fit(X[["a", "b"]], COUNTS)
    wide = MLERegressor("negative_binomial").fit(X[["a", "c"]], COUNTS)
    with pytest.raises(ValueError, match=r"gives in log_mean: 'b'"):
        likelihood_ratio_test(poisson, wide, X, COUNTS)


def test_of_many_rows_some_are_looked_at(monkeypatch):
    from sklearn_mle.inference import comparisons as nesting

    monkeypatch.setattr(nesting, "_ENTRIES", 500)
    monkeypatch.setattr(nesting, "_ENOUGH", 20)
    assert likelihood_ratio_test(gaussian("a"), gaussian("ab"), X, Y).df == 1
    with pytest.raises(ValueError, match=r"'b'\. They are not nested"):
        likelihood_ratio_test(gaussian("ab"), gaussian("acd"), X, Y)
