"""Thirty constructed cases, half of them separated: all are told right, by name and direction; and by fit, too."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

import sklearn_mle._existence.separation as separation_search
from sklearn_mle import MLELogisticClassifier
from sklearn_mle.exceptions import RankDeficiencyWarning, SeparationError, SeparationWarning
from sklearn_mle.inference import detect_separation

INF = np.inf


def noise(n, p, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


def coin(n, n_classes=2, seed=1):
    return np.random.default_rng(seed).integers(0, n_classes, n)


def with_dummy(n=200, seed=2, share=0.1):
    return np.column_stack([noise(n, 2, seed), np.random.default_rng(seed).random(n) < share])


def dummy_case(all_in=1):
    X, y = with_dummy(), coin(200)
    return X, np.where(X[:, 2] == 1, all_in, y)


def one_hot(n, levels, seed=3):
    level = np.random.default_rng(seed).integers(0, levels, n)
    columns = sp.csr_array((np.ones(n), (np.arange(n), level)), shape=(n, levels))
    return sp.csr_array(sp.hstack([columns[:, 1:], sp.csr_array(noise(n, 2, seed))])), level


def one_category(n, levels, chosen, sparse=True):
    X, level = one_hot(n, levels)
    y = coin(n)
    y[level == chosen] = 1
    return (X if sparse else X.toarray()), y


def rows_touch():
    """Quasi-complete along a line: rows of both classes on the separating line itself."""
    x = np.concatenate([-np.arange(1, 20.0), np.arange(1, 20.0), np.zeros(4)])
    return x[:, None], np.concatenate([np.zeros(19), np.ones(19), [0, 1, 0, 1]]).astype(int)


def hidden_direction():
    X = noise(300, 5)
    return X, (X @ [1, -2, 3, -4, 5] > 0).astype(int)


def one_class_apart():
    """Three classes, the last one separated from the two others, which overlap."""
    X = noise(300, 2)
    return X, np.where(X[:, 0] > 0.5, 2, coin(300))


def a_class_without_the_dummy():
    X, y = with_dummy(), coin(200, 3)
    y[(y == 1) & (X[:, 2] == 1)] = 0
    return X, y


def two_dummies():
    X = np.column_stack([noise(300, 1), coin(300, seed=4), coin(300, seed=5)]).astype(float)
    y = coin(300, seed=6)
    y[(X[:, 1] == 1) & (X[:, 2] == 0)] = 1  # neither dummy separates alone, their difference does not either
    y[(X[:, 1] == 0) & (X[:, 2] == 1)] = 0
    return X, y


def in_cascade():
    """What is left over by the first direction is separated in turn, by another one."""
    a = np.repeat([1.0, -1.0, 0.0, 0.0, 0.0], 20)
    b = np.concatenate([np.linspace(-1, 1, 40), np.repeat([1.0, -1.0, 0.0], 20)])
    y = np.concatenate([np.ones(20), np.zeros(20), np.ones(20), np.zeros(20), np.tile([0, 1], 10)])
    return np.column_stack([a, b, noise(100, 1)[:, 0] * (np.arange(100) >= 80)]), y.astype(int)


def shifted(case, shift=1e4, scale=1e-3):
    X, y = case
    return X * scale + shift, y


SEPARATED = {
    "complete, one column": ("complete", lambda: (noise(60, 1), (noise(60, 1)[:, 0] > 0).astype(int))),
    "complete, hidden direction": ("complete", hidden_direction),
    "complete, far from zero": ("complete", lambda: shifted(hidden_direction(), 3.0, 10.0)),
    "complete, n < p": ("complete", lambda: (noise(20, 40), coin(20))),
    "complete, three classes": ("complete", lambda: (noise(200, 2), np.digitize(noise(200, 2)[:, 0], [-0.5, 0.5]))),
    "complete, sparse": ("complete", lambda: (sp.csr_array(np.eye(30)), coin(30))),
    "quasi, a dummy without failures": ("quasi-complete", dummy_case),
    "quasi, a dummy without events": ("quasi-complete", lambda: dummy_case(0)),
    "quasi, a dummy in odd units": ("quasi-complete", lambda: shifted(dummy_case(), 0.5, 1e-6)),
    "quasi, rows on the line": ("quasi-complete", rows_touch),
    "quasi, two dummies": ("quasi-complete", two_dummies),
    "quasi, in cascade": ("quasi-complete", in_cascade),
    "quasi, one class apart": ("quasi-complete", one_class_apart),
    "quasi, a class never with the dummy": ("quasi-complete", a_class_without_the_dummy),
    "quasi, a category, n = 1e5 sparse": ("quasi-complete", lambda: one_category(100_000, 300, 7)),
}
OVERLAPPING = {
    "coin": lambda: (noise(100, 3), coin(100)),
    "many columns": lambda: (noise(400, 40), coin(400)),
    "one row in the way": lambda: (np.arange(41.0)[:, None], (np.arange(41) > 20).astype(int) ^ (np.arange(41) == 40)),
    "nearly separated": lambda: (np.append(np.arange(40.0), 21.001)[:, None], np.append(np.arange(40) > 20, 0)),
    "a dummy with one of each": lambda: (
        np.column_stack([noise(50, 1), np.arange(50) < 2]),
        np.append([0, 1], coin(48)),
    ),
    "dependent columns": lambda: (noise(80, 2) @ [[1.0, 2, 1], [0, 1, 1]], coin(80)),
    "a constant column": lambda: (np.column_stack([noise(80, 1), np.full(80, 3.0)]), coin(80)),
    "far from zero": lambda: (noise(100, 2) * 1e-2 + 1e5, coin(100)),
    "three classes": lambda: (noise(150, 2), coin(150, 3)),
    "five classes": lambda: (noise(400, 3), coin(400, 5)),
    "one-hot": lambda: (one_hot(2000, 20)[0], coin(2000)),
    "one-hot, dense": lambda: (one_hot(2000, 20)[0].toarray(), coin(2000)),
    "n = 1e5 sparse": lambda: (one_hot(100_000, 300)[0], coin(100_000)),
    "small counts of a square": lambda: (
        np.array([[a, b] for a in (0, 1) for b in (0, 1)] * 2, dtype=float),
        np.repeat([0, 1], 4),
    ),
    "opposed dummies": lambda: (np.array([[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]]), np.tile([0, 1], 3)),
}


@pytest.mark.parametrize("name", SEPARATED)
def test_separated_cases(name):
    kind, make = SEPARATED[name]
    X, y = make()
    found = detect_separation(X, y)
    assert found.kind == kind and not found.exists
    gains = predictors(X, found.direction)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) == 2:
        margins = gains[0] * (2 * codes - 1)
    else:
        own = gains[codes, np.arange(len(codes))]
        rivals = np.where(np.eye(len(classes), dtype=bool)[:, codes], -INF, gains).max(axis=0)
        margins = own - rivals
    size = np.abs(gains).max()
    assert margins.min() >= -1e-7 * size
    np.testing.assert_array_equal(found.separated, margins > 1e-7 * size)
    assert found.separated.all() == (kind == "complete")
    assert kind in repr(found)


def predictors(X, direction):
    coef, intercept = direction[:, :-1], direction[:, -1:]
    return (X @ coef.T).T + intercept


@pytest.mark.parametrize("name", OVERLAPPING)
def test_overlapping_cases(name):
    X, y = OVERLAPPING[name]()
    found = detect_separation(X, y)
    assert found.exists and found.kind == "none"
    assert not found.direction.any() and not found.coef_limits.any() and not found.separated.any()
    assert "exists" in repr(found)


def test_there_are_thirty_cases_half_of_them_separated():
    assert len(SEPARATED) == len(OVERLAPPING) == 15


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * ("n = 1e5" in name)) for name in (*SEPARATED, *OVERLAPPING)],
)
@pytest.mark.filterwarnings("ignore:X is rank deficient")
def test_fit_tells_the_same(name):
    X, y = SEPARATED[name][1]() if name in SEPARATED else OVERLAPPING[name]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SeparationWarning)
        MLELogisticClassifier().fit(X, y)
    said = [str(warning.message) for warning in caught if issubclass(warning.category, SeparationWarning)]
    assert len(said) == (name in SEPARATED)
    if said:
        kind = SEPARATED[name][0]
        assert f"({kind} separation)" in said[0] and "bias_reduction='firth'" in said[0] and "finite C" in said[0]


def test_the_dummy_goes_to_infinity_and_the_rest_stays():
    found = detect_separation(*dummy_case())
    np.testing.assert_array_equal(found.coef_limits, [[0, 0, INF]])
    assert found.intercept_limits == 0
    found = detect_separation(*dummy_case(0))
    np.testing.assert_array_equal(found.coef_limits, [[0, 0, -INF]])


def test_of_a_category_that_is_the_reference_the_intercept_and_the_others_move():
    X, level = one_hot(500, 4)
    y = coin(500)
    y[level == 0] = 1
    found = detect_separation(X, y)
    np.testing.assert_array_equal(found.coef_limits, [[-INF, -INF, -INF, 0, 0]])
    assert found.intercept_limits == INF
    np.testing.assert_array_equal(found.separated, level == 0)


def test_a_coefficient_that_may_go_either_way_is_nan():
    X = noise(60, 2)
    found = detect_separation(X, (X[:, 0] > 0).astype(int))
    assert found.coef_limits[0, 0] == INF
    assert np.isnan(found.coef_limits[0, 1])
    assert "x1: either way" in repr(found)


def test_classes_have_a_row_each_and_names():
    X, y = a_class_without_the_dummy()
    found = detect_separation(X, np.array(["no", "perhaps", "yes"])[y])
    np.testing.assert_array_equal(found.coef_limits[:, 2], [INF, -INF, INF])
    np.testing.assert_array_equal(found.coef_limits[:, :2], 0)
    assert found.classes == ("no", "perhaps", "yes")
    assert "x2 (class 'perhaps'): -inf" in repr(found)


def test_limits_are_those_of_the_whole_program():
    """Small random cases: the range of each coefficient over all directions, by linear programs over all rows."""
    verdicts = []
    for seed in range(30):
        X, y = np.round(noise(7, 2, seed), 1), coin(7, seed=seed)
        if len(np.unique(y)) < 2:
            continue
        found = detect_separation(X, y)
        A = np.column_stack([X, np.ones(7)]) * np.where(y == 1, 1, -1)[:, None]
        for j in range(3):
            ends = [
                linprog(sign * np.eye(3)[j], A_ub=-A, b_ub=np.zeros(7), bounds=[(-1, 1)] * 3).fun for sign in (1, -1)
            ]
            falls, rises = ends[0] < -1e-6, ends[1] < -1e-6
            expected = np.nan if rises and falls else INF if rises else -INF if falls else 0
            limit = found.coef_limits[0, j] if j < 2 else found.intercept_limits[0]
            np.testing.assert_equal(limit, expected, err_msg=f"seed {seed}, coefficient {j}")
        verdicts.append(found.exists)
    assert 3 < sum(verdicts) < len(verdicts) - 3


def test_rows_of_weight_zero_are_absent():
    x = np.arange(20.0)
    y = (x > 9).astype(int)
    y[15] = 0
    assert detect_separation(x[:, None], y).exists
    weight = np.ones(20)
    weight[15] = 0
    found = detect_separation(x[:, None], y, sample_weight=weight)
    assert found.kind == "complete"
    np.testing.assert_array_equal(found.separated, weight > 0)


def test_without_an_intercept():
    x = np.arange(1.0, 21.0)[:, None]
    y = (np.arange(20) > 9).astype(int)
    assert detect_separation(x, y).kind == "complete"
    assert detect_separation(x, y, fit_intercept=False).exists


def test_soft_labels_are_outcomes_of_every_class_they_name():
    x = np.linspace(-1, 1, 40)[:, None]
    first = np.where(x[:, 0] > 0, 0.9, 0.1)
    assert detect_separation(x, np.column_stack([1 - first, first])).exists
    sure = (x[:, 0] > 0).astype(float)
    assert detect_separation(x, np.column_stack([1 - sure, sure])).kind == "complete"
    three = np.zeros((40, 3))
    three[:, 2] = x[:, 0] > 0
    three[x[:, 0] <= 0, :2] = 0.5
    found = detect_separation(x, three)
    assert found.kind == "quasi-complete"
    np.testing.assert_array_equal(found.coef_limits[:, 0], [-INF, -INF, INF])


COUNTS = ["poisson", "negative_binomial", "tweedie"]


@pytest.mark.parametrize("likelihood", COUNTS)
def test_zeros_of_counts_and_amounts(likelihood):
    X = with_dummy()
    y = np.random.default_rng(0).poisson(1.0, 200).astype(float)
    assert detect_separation(X, y, likelihood=likelihood).exists
    y[X[:, 2] == 1] = 0
    found = detect_separation(X, y, likelihood=likelihood)
    assert found.kind == "quasi-complete"
    np.testing.assert_array_equal(found.coef_limits, [[0, 0, -INF]])
    np.testing.assert_array_equal(found.separated, X[:, 2] == 1)
    assert detect_separation(X, np.zeros(200), likelihood=likelihood).kind == "complete"


def test_a_sum_of_columns_may_separate_zeros_though_none_does_alone():
    """Example of the kind of Correia, Guimaraes and Zylkin: x1 + x2 is zero wherever y > 0, and one sign elsewhere."""
    X = noise(100, 2)
    X[:50, 1] = -X[:50, 0]
    X[50:] = np.abs(X[50:])
    y = np.concatenate([1.0 + coin(50), np.zeros(50)])
    found = detect_separation(X, y, likelihood="poisson", fit_intercept=False)
    np.testing.assert_array_equal(found.coef_limits, [[-INF, -INF]])
    assert found.direction[0, 0] == pytest.approx(found.direction[0, 1])


def test_binomial_counts_are_sides_too():
    X, y = dummy_case()
    counts = np.column_stack([y * 2, (1 - y) * 3])
    found = detect_separation(X, counts, likelihood="binomial")
    np.testing.assert_array_equal(found.coef_limits, [[0, 0, INF]])
    counts[X[:, 2] == 1] += 1
    assert detect_separation(X, counts, likelihood="binomial").exists


def test_names_of_a_frame_are_used():
    pd = pytest.importorskip("pandas")
    X, y = dummy_case()
    found = detect_separation(pd.DataFrame(X, columns=["a", "b", "treated"]), y)
    assert "treated: +inf" in repr(found)


def test_dependent_columns_share_the_direction():
    X, y = dummy_case()
    found = detect_separation(np.column_stack([X, X[:, 2]]), y)
    assert found.direction[0, 2] == pytest.approx(found.direction[0, 3])


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (np.zeros(5), {}, "fewer than two classes"),
        (np.arange(5.0), {"likelihood": "gaussian"}, "cannot diverge"),
        (np.arange(5) % 2, {"sample_weight": [1, 0, 1, 0, 1]}, "fewer than two classes"),
        (-np.ones(5), {"likelihood": "poisson"}, "Poisson"),
        (np.zeros(4), {}, "inconsistent numbers"),
    ],
)
def test_what_is_refused(y, options, message):
    with pytest.raises(ValueError, match=message):
        detect_separation(np.ones((5, 1)), y, **options)


def test_many_classes_need_few_programs(monkeypatch):
    """Twenty classes have 60 coefficients with two ends each: what one program finds tells of the others too."""
    solved = []
    monkeypatch.setattr(separation_search, "linprog", lambda *a, **k: solved.append(1) or linprog(*a, **k))
    rng = np.random.default_rng(0)
    found = detect_separation(rng.standard_normal((30, 2)), np.r_[np.arange(20), rng.integers(0, 20, 10)])
    assert np.isnan(found.coef_limits).all()
    assert len(solved) < 40


def test_on_separation():
    X, y = dummy_case()
    with pytest.warns(SeparationWarning, match=r"column 2 to \+inf"):
        warned = MLELogisticClassifier().fit(X, y)
    ignored = MLELogisticClassifier(on_separation="ignore").fit(X, y)
    np.testing.assert_array_equal(ignored.coef_, warned.coef_)
    refused = MLELogisticClassifier(on_separation="raise")
    with pytest.raises(SeparationError, match=r"column 2 to \+inf") as raised:
        refused.fit(X, y)
    assert not hasattr(refused, "coef_")
    # An error returns no fit, so it does not say that it does.
    assert "is returned" not in str(raised.value) and "what on_separation='warn' returns" in str(raised.value)
    MLELogisticClassifier(on_separation="raise").fit(noise(50, 2), coin(50))


def limiting(X, y, rows):
    """The limiting model, fitted by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankDeficiencyWarning)
        return MLELogisticClassifier().fit(X[rows], y[rows])


def test_standard_errors_are_nan_along_the_direction_and_right_for_the_rest():
    X, y = dummy_case()
    model = MLELogisticClassifier(on_separation="ignore").fit(X, y)
    rest = limiting(X, y, X[:, 2] == 0)
    found, expected = model.standard_errors(), rest.standard_errors()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.isnan(found).sum() == 1
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_in_cascade_the_span_of_all_directions_is_lost():
    X, y = in_cascade()
    model = MLELogisticClassifier(on_separation="ignore").fit(X, y)
    rest = limiting(X, y, np.arange(100) >= 80)
    np.testing.assert_array_equal(np.isnan(model.standard_errors()), np.isnan(rest.standard_errors()))
    np.testing.assert_allclose(model.standard_errors(), rest.standard_errors(), rtol=1e-7)


def test_iterations_of_all_rounds_are_counted(capsys):
    x = np.concatenate([-np.linspace(0.01, 1, 100), np.linspace(0.01, 1, 100), [-0.01 - 1e-5]])
    y = np.concatenate([np.zeros(100), np.ones(101)])
    for most in (200, 400):
        model = MLELogisticClassifier(max_iter=most, verbose=1).fit(x[:, None], y)
        shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("iteration ")]
        assert model.n_iter_ == len(shown) > 9


def test_a_column_of_labels_is_read_as_a_row_of_them_and_masks_are_refused():
    X, y = dummy_case()
    column, row = detect_separation(X, y[:, None]), detect_separation(X, y)
    assert column.kind == row.kind == "quasi-complete"
    np.testing.assert_array_equal(column.coef_limits, row.coef_limits)
    weight = np.ma.masked_array(np.ones(len(y)), y == 0)
    with pytest.raises(ValueError, match="sample_weight is a masked array, but masks are ignored"):
        detect_separation(X, y, sample_weight=weight)
