"""Penalized likelihood ratio tests: against a search of the formula itself, profile intervals, and each other."""

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.sparse as sp
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

from sklearn_mle import MLELogisticClassifier
from sklearn_mle.exceptions import ConvergenceWarning
from sklearn_mle.inference import likelihood_ratio_test, penalized_likelihood_ratio_test, profile_interval

N = 60
X = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 3)) * [1.0, 1e3, 1e-2] + [0.0, 5e3, 1.0], columns=list("abc"))
SEPARATED = (X["a"] > 0.1).to_numpy().astype(int)
CLASSES = np.digitize(X["a"] + 0.5 * np.random.default_rng(1).normal(size=N), [-0.6, 0.7])


def firth(columns, y, **parameters):
    return MLELogisticClassifier(bias_reduction="firth", **parameters).fit(X[columns], y)


def penalized_log_likelihood(B, design, y):
    """log L + log det I / 2 of coefficients (K - 1, p), against class 0, by their definitions."""
    eta = np.column_stack([np.zeros(len(design)), design @ B.T])
    p = np.exp(eta - np.logaddexp.reduce(eta, axis=1)[:, None])
    k = len(B)
    W = np.eye(k) * p[:, 1:, None] - p[:, 1:, None] * p[:, None, 1:]
    information = np.einsum("njk,na,nb->jakb", W, design, design).reshape(k * design.shape[1], -1)
    return float(np.log(p[np.arange(len(y)), y]).sum()) + 0.5 * np.linalg.slogdet(information)[1]


def brute_force(y, zero):
    """Twice the difference of the penalized maxima of all columns, with and without those of ``zero`` held at zero."""
    design = np.column_stack([(X - X.mean()) / X.std(), np.ones(N)])
    k = int(y.max())
    free = np.array([j for j in range(4) if j not in zero])

    def greatest(columns):
        def negative(b):
            B = np.zeros((k, 4))
            B[:, columns] = b.reshape(k, -1)
            return -penalized_log_likelihood(B, design, y)

        start = np.zeros(k * len(columns))
        for _ in range(3):
            start = scipy.optimize.minimize(negative, start, method="BFGS", options={"gtol": 1e-7}).x
        return -negative(start)

    return 2 * (greatest(np.arange(4)) - greatest(free))


@pytest.mark.parametrize(("y", "df"), [(SEPARATED, 1), (CLASSES, 2)], ids=["separated", "three classes"])
@pytest.mark.parametrize("tested", [["a"], ["b", "c"]])
def test_against_the_formula(y, df, tested):
    model = firth(list("abc"), y)
    found = penalized_likelihood_ratio_test(model, X, y, tested)
    assert found.df == df * len(tested)
    assert found.statistic == pytest.approx(brute_force(y, ["abc".index(name) for name in tested]), abs=1e-6)


def test_nothing_but_the_intercept_against_the_formula():
    found = penalized_likelihood_ratio_test(firth(list("abc"), SEPARATED), X, SEPARATED)
    assert found.df == 3
    assert found.statistic == pytest.approx(brute_force(SEPARATED, [0, 1, 2]), abs=1e-6)


@pytest.mark.parametrize("name", ["a", "b", "intercept"])
def test_the_end_of_a_profile_interval_is_where_the_test_rejects(name):
    y = (CLASSES > 0).astype(int)
    model = firth(list("abc"), y)
    p = penalized_likelihood_ratio_test(model, X, y, name).p_value
    lower, upper = profile_interval(model, X, y, name, confidence_level=1 - p).interval
    unit = abs(upper) + abs(lower)
    assert min(abs(lower), abs(upper)) < 1e-6 * unit


def test_two_fits_are_a_test_of_the_larger():
    larger = firth(list("abc"), CLASSES)
    found = penalized_likelihood_ratio_test(larger, X, CLASSES, ["b", "c"])
    smaller = firth(["a"], CLASSES)
    again = likelihood_ratio_test(smaller, larger, X, CLASSES)
    assert again.statistic == pytest.approx(found.statistic, rel=1e-12) and again.df == found.df
    pipe = make_pipeline(
        make_column_transformer(("passthrough", ["a"])), MLELogisticClassifier(bias_reduction="firth")
    ).fit(X, CLASSES)
    assert likelihood_ratio_test(pipe, larger, X, CLASSES).statistic == pytest.approx(found.statistic, rel=1e-12)
    arrays = X.to_numpy()
    fits = [MLELogisticClassifier(bias_reduction="firth").fit(part, CLASSES) for part in (arrays[:, :1], arrays)]
    pair = (sp.csr_array(arrays[:, :1]), sp.csr_array(arrays))
    assert likelihood_ratio_test(*fits, pair, CLASSES).statistic == pytest.approx(found.statistic, rel=1e-9)


def test_an_intercept_may_be_what_the_smaller_lacks():
    found = likelihood_ratio_test(
        firth(["a", "b", "c"], SEPARATED, fit_intercept=False), firth(list("abc"), SEPARATED), X, SEPARATED
    )
    expected = penalized_likelihood_ratio_test(firth(list("abc"), SEPARATED), X, SEPARATED, "intercept")
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-10) and found.df == 1


def test_every_parameter_by_itself_and_by_place():
    model = firth(list("abc"), CLASSES)
    by_name = penalized_likelihood_ratio_test(model, X, CLASSES, "1: b")
    assert by_name.df == 1
    place = list(model.summary().index).index("1: b")
    assert penalized_likelihood_ratio_test(model, X, CLASSES, place) == by_name


def test_all_parameters_at_once_leave_nothing_to_fit():
    model = firth(list("abc"), SEPARATED)
    found = penalized_likelihood_ratio_test(model, X, SEPARATED, [*"abc", "intercept"])
    assert found.df == 4
    assert found.statistic == pytest.approx(brute_force_of_nothing(), abs=1e-6)


def brute_force_of_nothing():
    design = np.column_stack([(X - X.mean()) / X.std(), np.ones(N)])
    at_zero = penalized_log_likelihood(np.zeros((1, 4)), design, SEPARATED)
    at_most = brute_force(SEPARATED, [0, 1, 2])
    intercept = scipy.optimize.minimize_scalar(
        lambda c: -penalized_log_likelihood(np.array([[0.0, 0.0, 0.0, c]]), design, SEPARATED), bracket=(-1, 1)
    )
    return at_most + 2 * (-intercept.fun - at_zero)


def test_weights_are_repeats():
    weight = np.random.default_rng(3).integers(1, 4, N)
    model = MLELogisticClassifier(bias_reduction="firth").fit(X, CLASSES, weight)
    found = penalized_likelihood_ratio_test(model, X, CLASSES, "b", sample_weight=weight)
    rows = np.repeat(np.arange(N), weight)
    again = MLELogisticClassifier(bias_reduction="firth").fit(X.iloc[rows], CLASSES[rows])
    expected = penalized_likelihood_ratio_test(again, X.iloc[rows], CLASSES[rows], "b")
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-8)


def test_what_is_refused():
    model = firth(list("abc"), CLASSES)
    with pytest.raises(ValueError, match="'z' is none of"):
        penalized_likelihood_ratio_test(model, X, CLASSES, "z")
    with pytest.raises(ValueError, match="at least one"):
        penalized_likelihood_ratio_test(model, X, CLASSES, [])
    plain = MLELogisticClassifier().fit(X, CLASSES)
    with pytest.raises(ValueError, match="likelihood_ratio_test"):
        penalized_likelihood_ratio_test(plain, X, CLASSES, "a")
    with pytest.raises(ValueError, match="more restrictions first"):
        likelihood_ratio_test(model, model, X, CLASSES)
    with pytest.raises(ValueError, match="not in the larger model"):
        likelihood_ratio_test(firth(["b"], CLASSES), firth(["a"], CLASSES), X, CLASSES)
    with pytest.raises(ValueError, match="y holds labels that fit did not see"):
        likelihood_ratio_test(firth(["a"], SEPARATED), model, X, CLASSES)
    twice = X.assign(d=X["a"])
    with pytest.warns(UserWarning, match="rank deficient"):
        dependent = MLELogisticClassifier(bias_reduction="firth").fit(twice, CLASSES)
    with pytest.raises(ValueError, match="Drop them first"):
        penalized_likelihood_ratio_test(dependent, twice, CLASSES, "b")


def test_a_restricted_fit_that_ends_short_says_so(monkeypatch):
    model = firth(["a", "b", "c"], SEPARATED)
    monkeypatch.setattr("sklearn_mle.inference.profile_path._STEPS", 2)
    with pytest.warns(ConvergenceWarning, match="The restricted fit ended .* nats short of its"):
        penalized_likelihood_ratio_test(model, X, SEPARATED, "a")
