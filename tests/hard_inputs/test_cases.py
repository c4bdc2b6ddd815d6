"""Hostile inputs through the public estimators: the right finite answer, or a warning or error that names the cause."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier
from sklearn_mle.exceptions import PerfectFitWarning, RankDeficiencyWarning, SeparationWarning

N = 200
LONG = np.longdouble
# Where long double is double, the reference is no better than what it judges.
DIGITS = 1.0 if np.finfo(np.longdouble).eps < 1e-18 else 100.0


def columns(p=4, seed=0):
    return np.random.default_rng(seed).standard_normal((N, p))


def base(kind, seed=0):
    Z = columns(seed=seed)
    rng = np.random.default_rng(seed + 100)
    eta = 0.3 + Z @ [1.0, -1.5, 0.5, 0.25]
    if kind == "regression":
        return Z, eta + 0.7 * rng.standard_normal(N)
    if kind == "binary":
        return Z, (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(int)
    scores = Z @ rng.standard_normal((4, 3)) + rng.gumbel(size=(N, 3))
    return Z, scores.argmax(axis=1)


def estimator(kind, **params):
    return GaussianMLERegressor(**params) if kind == "regression" else MLELogisticClassifier(**params)


KINDS = pytest.mark.parametrize("kind", ["binary", "multinomial", "regression"])


def reference(kind, Z, y, weight=None):
    """The MLE on well-conditioned columns by Newton's method in extended precision: one row a class, intercept last."""
    D = np.column_stack([Z, np.ones(len(y))]).astype(LONG)
    w = np.ones(len(y), LONG) if weight is None else weight.astype(LONG)
    n_classes = 1 if kind == "regression" else int(y.max()) + 1
    B = np.zeros((n_classes, D.shape[1]), LONG)
    for _ in range(60):
        eta = D @ B.T
        if kind == "regression":
            residual, P = y[:, None] - eta, None
        else:
            P = np.exp(eta - eta.max(axis=1, keepdims=True))
            P /= P.sum(axis=1, keepdims=True)
            residual = np.eye(n_classes)[y] - P
        gradient = (residual * w[:, None]).T @ D
        step = solve(curvature(D, w, P), gradient)
        B = B + step
        if np.abs(step).max() < 1e-17 * np.abs(B).max():
            break
    return B[1:] - B[0] if n_classes == 2 else B - B.mean(axis=0) * (n_classes > 1)


def curvature(D, w, P):
    D, w = D.astype(float), w.astype(float)
    if P is None:
        return (D.T * w) @ D
    P = P.astype(float)
    k, p = P.shape[1], D.shape[1]
    blocks = [[(D.T * (w * P[:, i] * ((i == j) - P[:, j]))) @ D for j in range(k)] for i in range(k)]
    # Adding a constant to all classes changes nothing: a ridge in that direction alone makes the system regular.
    return np.block(blocks) + np.kron(np.ones((k, k)), np.eye(p)) * np.trace(blocks[0][0]) / p


def solve(H, gradient):
    return np.linalg.solve(H, gradient.astype(float).ravel()).reshape(gradient.shape)


def matrix_of(model):
    return np.column_stack([np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)]).astype(LONG)


def assert_is_mle(model, kind, Z, y, *, scale=1.0, shift=0.0, weight=None, tol=1e-9):
    """The model was fitted on shift + Z * scale; its coefficients, in the units of Z, are the reference's."""
    expected = reference(kind, Z, y, weight)
    found = matrix_of(model)
    in_z = found.copy()
    in_z[:, :-1] = found[:, :-1] * np.asarray(scale, LONG)
    in_z[:, -1] = found[:, -1] + found[:, :-1] @ np.broadcast_to(np.asarray(shift, LONG), (Z.shape[1],))
    error = np.abs(in_z - expected) / np.maximum(np.abs(expected), 0.1)
    assert float(error.max()) <= tol * DIGITS


@KINDS
def test_ordinary_data_are_no_trouble(kind):
    Z, y = base(kind)
    assert_is_mle(estimator(kind).fit(Z, y), kind, Z, y, tol=1e-12)


@KINDS
@pytest.mark.parametrize(
    "scale",
    [[1, 1e6, 1, 1], [1e-8, 1e-4, 1e4, 1e8], [1e-150, 1e-75, 1e75, 1e150], [1e12] * 4],
    ids=["one large", "16 decades", "300 decades", "all large"],
)
def test_column_scales(kind, scale):
    Z, y = base(kind)
    X = Z * scale
    assert_is_mle(estimator(kind).fit(X, y), kind, X.astype(LONG) / np.asarray(scale, LONG), y, scale=scale)


@KINDS
@pytest.mark.parametrize(("mean", "tol"), [(2e3, 1e-10), (1e4, 1e-10), (1e8, 1e-6)])
def test_column_means(kind, mean, tol):
    """The intercept in float64 is off by eps times the mean times a coefficient: 1e-8 there, at a mean of 1e8."""
    Z, y = base(kind)
    shift = np.array([mean, -mean, 0, 0])
    X = Z + shift
    model = estimator(kind).fit(X, y)
    assert_is_mle(model, kind, X.astype(LONG) - shift, y, shift=shift, tol=tol)


@KINDS
@pytest.mark.parametrize("multiple", [1e12, 1e-12, 1e200, 1e-200])
def test_weights_of_any_unit(kind, multiple):
    Z, y = base(kind)
    model = estimator(kind).fit(Z, y, sample_weight=np.full(N, multiple))
    assert_is_mle(model, kind, Z, y, tol=1e-11)
    plain = estimator(kind).fit(Z, y)
    assert model.log_likelihood_ == pytest.approx(multiple * plain.log_likelihood_, rel=1e-11)


@KINDS
def test_weights_over_many_decades(kind):
    Z, y = base(kind)
    weight = 10.0 ** np.random.default_rng(5).uniform(-6, 2, N)
    model = estimator(kind).fit(Z, y, sample_weight=weight)
    assert_is_mle(model, kind, Z, y, weight=weight / weight.max(), tol=1e-8)


@KINDS
def test_rows_of_weight_zero_are_absent_whatever_they_hold(kind):
    Z, y = base(kind)
    X = Z.copy()
    X[:60] *= 1e100
    model = estimator(kind).fit(X, y, sample_weight=np.repeat([0.0, 1.0], [60, N - 60]))
    assert_is_mle(model, kind, Z[60:], y[60:], tol=1e-11)


def test_an_outlier_of_high_leverage_binary():
    """Undamped Newton steps run away from it."""
    Z, y = base("binary")
    X = Z.copy()
    X[0] *= 1e4 * np.sign(Z[0] @ [1.0, -1.5, 0.5, 0.25]) * (1 if y[0] else -1)
    model = MLELogisticClassifier().fit(X, y)
    residual = y - model.predict_proba(X)[:, 1]
    # The score vanishes, measured by the curvature.
    p = model.predict_proba(X)[:, 1]
    D = np.column_stack([X, np.ones(N)])
    information = (D.T * (p * (1 - p))) @ D
    score = D.T @ residual
    assert score @ np.linalg.solve(information, score) < 1e-10


def test_an_outlier_of_high_leverage_regression():
    Z, y = base("regression")
    Z[0] *= 1e4
    y[0] = 0.3 + Z[0] @ [1.0, -1.5, 0.5, 0.25]
    assert_is_mle(GaussianMLERegressor().fit(Z, y), "regression", Z, y, tol=1e-8)


@KINDS
def test_a_nearly_collinear_column_of_full_rank(kind):
    Z, y = base(kind)
    X = Z.copy()
    X[:, 1] = Z[:, 0] + 1e-7 * Z[:, 1]
    model = estimator(kind).fit(X, y)
    apart = Z.astype(LONG)
    apart[:, 1] = (X[:, 1].astype(LONG) - X[:, 0]) * 1e7
    expected = reference(kind, apart, y)
    found = matrix_of(model)
    in_z = found.copy()
    in_z[:, 0], in_z[:, 1] = found[:, 0] + found[:, 1], found[:, 1] / 1e7
    assert float((np.abs(in_z - expected) / np.maximum(np.abs(expected), 0.1)).max()) <= 1e-7


@KINDS
@pytest.mark.parametrize(
    "extra",
    [lambda Z: Z[:, 0] + Z[:, 1], lambda Z: Z[:, 2], lambda Z: np.full(N, 7.0), lambda Z: np.zeros(N)],
    ids=["sum", "duplicate", "constant", "zero"],
)
def test_collinear_columns_change_no_fitted_value(kind, extra):
    Z, y = base(kind)
    X = np.column_stack([Z, extra(Z)])
    with pytest.warns(RankDeficiencyWarning):
        model = estimator(kind).fit(X, y)
    plain = estimator(kind).fit(Z, y)
    assert model.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-13)
    np.testing.assert_allclose(
        X @ np.atleast_2d(model.coef_).T + model.intercept_,
        Z @ np.atleast_2d(plain.coef_).T + plain.intercept_,
        atol=1e-10,
    )
    assert np.linalg.norm(model.coef_) <= np.linalg.norm(plain.coef_) * (1 + 1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["complete", "dummy", "more columns than rows"])
@pytest.mark.filterwarnings("ignore::sklearn_mle.exceptions.RankDeficiencyWarning")
def test_separation_warns_and_predicts(n_classes, kind):
    rng = np.random.default_rng(3)
    if kind == "more columns than rows":
        X, y = rng.standard_normal((12, 30)), np.arange(12) % n_classes
    else:
        Z, y = base("binary" if n_classes == 2 else "multinomial")
        dummy = np.zeros(N)
        dummy[np.flatnonzero(y == n_classes - 1)[:13]] = 1
        X = Z + 30 * np.eye(4)[y] if kind == "complete" else np.column_stack([Z, dummy])
    with pytest.warns(SeparationWarning, match="no finite maximum likelihood estimate exists"):
        model = MLELogisticClassifier().fit(X, y)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.predict_log_proba(X)).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-14)


def test_near_separation_is_finite_and_silent():
    x = np.concatenate([-np.linspace(0.01, 1, 100), np.linspace(0.01, 1, 100), [-0.02]])
    y = np.concatenate([np.zeros(100, int), np.ones(101, int)])
    model = MLELogisticClassifier().fit(x[:, None], y)
    assert_is_mle_of_one_column(model, x, y)


def assert_is_mle_of_one_column(model, x, y):
    p = model.predict_proba(x[:, None])[:, 1]
    D = np.column_stack([x, np.ones(len(x))])
    score = D.T @ (y - p)
    information = (D.T * (p * (1 - p))) @ D
    assert score @ np.linalg.solve(information, score) < 1e-18


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_class_without_weight_stays_and_is_improbable(n_classes):
    Z, y = base("multinomial")
    y = np.minimum(y, 1) + (np.arange(N) < 20) * (2 - np.minimum(y, 1)) if n_classes == 3 else y
    weight = (y != 2).astype(float)
    with pytest.warns(SeparationWarning, match=r"class 2: every row has weight zero"):
        model = MLELogisticClassifier().fit(Z, y, sample_weight=weight)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert (model.predict_proba(Z)[:, 2] < 1e-3).all()
    kept = weight > 0
    two = MLELogisticClassifier().fit(Z[kept], y[kept])
    log_odds = model.decision_function(Z)[:, 1] - model.decision_function(Z)[:, 0]
    np.testing.assert_allclose(log_odds, two.decision_function(Z), atol=1e-9)


def test_one_class_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="class"):
        MLELogisticClassifier().fit(base("binary")[0], np.zeros(N, int))


def test_one_class_with_weight_is_fitted_and_said():
    """A bagged ensemble gives such weights; the other class stays in classes_."""
    Z, y = base("binary")
    with pytest.warns(SeparationWarning, match="class 1: every row has weight zero"):
        model = MLELogisticClassifier().fit(Z, y, sample_weight=(y == 0).astype(float))
    np.testing.assert_array_equal(model.classes_, [0, 1])
    assert (model.predict_proba(Z)[:, 1] < 1e-3).all()


@KINDS
@pytest.mark.parametrize(
    ("weight", "message"),
    [(-1.0, "negative|nonneg|>= 0"), (np.nan, "NaN"), (np.inf, "inf"), (0.0, "zero|positive")],
    ids=["negative", "nan", "inf", "all zero"],
)
def test_bad_weights_are_named(kind, weight, message):
    Z, y = base(kind)
    weights = np.ones(N)
    weights[slice(None) if weight == 0 else 3] = weight
    with pytest.raises(ValueError, match=f"(?i)weight(.|\n)*({message})|({message})(.|\n)*weight"):
        estimator(kind).fit(Z, y, sample_weight=weights)


@pytest.mark.parametrize("size", [1e-200, 1e-9, 1e9, 1e200])
def test_y_of_any_unit(size):
    Z, y = base("regression")
    model = GaussianMLERegressor().fit(Z, y * size)
    plain = GaussianMLERegressor().fit(Z, y)
    np.testing.assert_allclose(model.coef_ / size, plain.coef_, rtol=1e-12)
    assert model.scale_ / size == pytest.approx(plain.scale_, rel=1e-12)
    assert model.log_likelihood_ == pytest.approx(plain.log_likelihood_ - N * np.log(size), rel=1e-12)


@pytest.mark.parametrize("scale", ["constant", "log_linear"])
def test_y_of_a_large_mean(scale):
    Z, y = base("regression")
    y = np.round(y * 2.0**20) / 2.0**20  # so that the sum is exact
    model, plain = (GaussianMLERegressor(scale=scale).fit(Z, y + shift) for shift in (2.0**30, 0.0))
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9)
    assert model.intercept_ == pytest.approx(plain.intercept_ + 2.0**30, rel=1e-15)
    assert model.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)


@pytest.mark.parametrize(
    "y_of", [lambda Z: np.full(N, 3.7), lambda Z: 0.5 + Z @ [1, 2, 3, 4.0]], ids=["constant", "linear"]
)
def test_a_perfect_fit_warns_and_has_scale_zero(y_of):
    Z = columns()
    with pytest.warns(PerfectFitWarning, match="the estimated scale is zero"):
        model = GaussianMLERegressor().fit(Z, y_of(Z))
    assert model.scale_ == 0 and model.log_likelihood_ == np.inf
    np.testing.assert_allclose(model.predict(Z), y_of(Z), rtol=1e-12)


def test_more_columns_than_rows_interpolate():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((10, 30)), rng.standard_normal(10)
    with pytest.warns() as caught:
        model = GaussianMLERegressor().fit(X, y)
    assert {warning.category for warning in caught} == {RankDeficiencyWarning, PerfectFitWarning}
    np.testing.assert_allclose(model.predict(X), y, atol=1e-12)


def test_hundreds_of_classes():
    rng = np.random.default_rng(5)
    n_classes, n = 300, 1500
    X, y = rng.standard_normal((n, 2)), np.repeat(np.arange(n_classes), n // n_classes)
    model = MLELogisticClassifier().fit(X, y)
    P = model.predict_proba(X)
    D = np.column_stack([np.ones(n), X])
    score, information = (np.eye(n_classes)[y] - P).T @ D, (P * (1 - P)).T @ D**2
    assert np.abs(score / np.sqrt(information)).max() < 1e-4


def test_three_events_in_many_rows():
    rng = np.random.default_rng(6)
    X = np.round(rng.standard_normal((60_000, 2)) * 4) / 4
    X[-3:] = [[0.5, -0.25], [1.5, 0.75], [-0.25, 1.0]]
    y = (np.arange(60_000) >= 60_000 - 3).astype(int)
    model = MLELogisticClassifier().fit(X, y)
    rows, counts = np.unique(np.column_stack([X, y]), axis=0, return_counts=True)
    assert_is_mle(model, "binary", rows[:, :2], rows[:, 2].astype(int), weight=counts.astype(float), tol=1e-9)


@pytest.mark.parametrize("kind", ["binary", "multinomial"])
@pytest.mark.parametrize("multiple", [15.0, 1e3, 1e4, 1e6])
def test_log_probabilities_far_out_are_finite_and_exact(kind, multiple):
    Z, y = base(kind)
    model = MLELogisticClassifier().fit(Z, y)
    X = Z * multiple
    log_proba = model.predict_log_proba(X)
    found = matrix_of(model)
    eta = X.astype(LONG) @ found[:, :-1].T + found[:, -1]
    eta = np.column_stack([np.zeros(N), eta]) if len(found) == 1 else eta
    top = eta.max(axis=1, keepdims=True)
    others = np.exp(eta - top)
    others[np.arange(N), eta.argmax(axis=1)] = 0
    expected = eta - top - np.log1p(others.sum(axis=1, keepdims=True))
    # eta itself is rounded, each of its terms, and a small loss has the relative error of that rounding.
    terms = (np.abs(X) @ np.abs(found[:, :-1]).T.astype(float)).max(axis=1, keepdims=True)
    allowed = 1e-15 * (10 + 5 * terms) * np.abs(expected) + 1e-300
    assert (np.abs(log_proba - expected) <= allowed * DIGITS).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-14)


@KINDS
@pytest.mark.parametrize("form", ["float32", "uint8", "int64", "bool"])
def test_other_types_of_numbers_neither_wrap_round_nor_overflow(kind, form):
    Z, y = base(kind)
    if form == "float32":
        X, scale, shift = Z.astype(np.float32), 1.0, 0.0
    elif form == "uint8":
        X, scale, shift = np.clip(np.round(Z * 40 + 128), 0, 255).astype(np.uint8), 32.0, 128.0
    elif form == "int64":
        X, scale, shift = np.round(Z * 1e10).astype(np.int64), 2.0**33, 0.0
    else:
        X, scale, shift = Z > 0, 1.0, 0.0
    model = estimator(kind).fit(X, y)
    assert_is_mle(model, kind, (X.astype(LONG) - shift) / scale, y, scale=scale, shift=shift, tol=1e-11)


@KINDS
def test_any_sparse_matrix_is_its_dense_form(kind):
    Z, y = base(kind)
    S = np.where(np.abs(Z) > 0.8, Z, 0.0)
    i, j = np.indices(S.shape)
    halves = sp.coo_array((np.tile(S.ravel() / 2, 2), (np.tile(i.ravel(), 2), np.tile(j.ravel(), 2))), shape=S.shape)
    unsorted = sp.csr_array(
        (S[:, ::-1].ravel(), np.tile(np.arange(4)[::-1], N), np.arange(0, 4 * N + 1, 4)), shape=S.shape
    )
    for X in (sp.csr_array(S), sp.csc_matrix(S), halves, unsorted):
        assert_is_mle(estimator(kind).fit(X, y), kind, S, y, tol=1e-11)


@pytest.mark.parametrize("kind", ["binary", "multinomial"])
@pytest.mark.parametrize("size", [30.0, -100.0, 1e6])
def test_an_offset_far_from_zero_moves_only_the_intercept(kind, size):
    Z, y = base(kind)
    shift = np.array([size, 0, -size])
    offset = np.full(N, size) if kind == "binary" else np.tile(shift, (N, 1))
    plain, moved = MLELogisticClassifier().fit(Z, y), MLELogisticClassifier().fit(Z, y, offset=offset)
    assert np.allclose(moved.coef_, plain.coef_, rtol=1e-7)
    expected = plain.intercept_ - (size if kind == "binary" else shift)
    assert np.allclose(moved.intercept_, expected, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("size", [5.0, 20.0, 80.0])
def test_an_offset_that_spans_many_log_odds_has_its_mle(size):
    """The offset b z with z left out of X: the profile likelihood of z's coefficient, far from its maximum."""
    Z, y = base("binary")
    model = MLELogisticClassifier().fit(Z[:, 1:], y, offset=size * (Z[:, 0] + 5))
    assert model.gap_ < 1e-8
    residual = y - model.predict_proba(Z[:, 1:], offset=size * (Z[:, 0] + 5))[:, 1]
    assert np.allclose(np.column_stack([Z[:, 1:], np.ones(N)]).T @ residual, 0, atol=1e-9)
