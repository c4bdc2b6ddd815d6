"""What must not matter: order, units, copies against weights, storage; over random and hostile designs."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
SOME = settings(max_examples=12, deadline=None, derandomize=True, database=None)
SEEDS = st.integers(0, 10_000)


def data(kind, seed, n=60, p=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    eta = X @ rng.uniform(-1, 1, p)
    if kind == "binary":
        return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    if kind == "classes":
        return X, np.arange(n) % 3 if n < 9 else (eta[:, None] * [0, 1, -1] + rng.gumbel(size=(n, 3))).argmax(axis=1)
    if kind == "counts":
        return X, rng.poisson(np.exp(0.5 + 0.5 * eta)).astype(float)
    return X, eta + rng.standard_normal(n)


MODELS = {
    "binary": MLELogisticClassifier,
    "classes": lambda: MLELogisticClassifier(C=10.0),
    "gaussian": GaussianMLERegressor,
    "penalized": lambda: GaussianMLERegressor(alpha=1.0),
    "counts": lambda: MLERegressor("poisson"),
    "logistic noise": lambda: MLERegressor("logistic"),
}
EVERY = pytest.mark.parametrize("kind", MODELS)


def fitted(kind, X, y, **given):
    return MODELS[kind]().fit(X, y, **given)


def predictors(model, X):
    """The linear predictors of dense rows, beyond which nothing of a fit matters."""
    return np.atleast_2d(model.coef_) @ X.T + np.atleast_1d(model.intercept_)[:, None]


def assert_same(found, expected, rtol=1e-8):
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * max(1.0, float(np.abs(expected).max())))


@EVERY
@SOME
@given(seed=SEEDS)
def test_order_of_rows_and_columns(kind, seed):
    X, y = data(kind, seed)
    rng = np.random.default_rng(seed + 1)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    plain = fitted(kind, X, y)
    shuffled = fitted(kind, X[rows][:, columns], y[rows])
    assert_same(predictors(shuffled, X[:, columns]), predictors(plain, X))
    assert shuffled.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-10)


@pytest.mark.parametrize("kind", ["binary", "gaussian", "counts", "logistic noise"])
@SOME
@given(seed=SEEDS, exponents=st.lists(st.integers(-150, 150), min_size=3, max_size=3), shift=st.integers(-1000, 1000))
def test_units_and_origins_of_columns(kind, seed, exponents, shift):
    X, y = data(kind, seed)
    X = np.round(X * 1024) / 1024  # so that a shift rounds nothing
    scale = 2.0 ** np.array(exponents)
    plain, moved = fitted(kind, X, y), fitted(kind, (X + shift) * scale, y)
    assert_same(predictors(moved, (X + shift) * scale), predictors(plain, X), 1e-7)


@EVERY
@SOME
@given(seed=SEEDS)
def test_weights_are_copies(kind, seed):
    X, y = data(kind, seed)
    copies = np.random.default_rng(seed + 2).integers(0, 4, len(X))
    weighted = fitted(kind, X, y, sample_weight=copies)
    repeated = fitted(kind, np.repeat(X, copies, axis=0), np.repeat(y, copies))
    assert_same(predictors(weighted, X), predictors(repeated, X), 1e-7)
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-9)


@SOME
@given(seed=SEEDS, n_classes=st.integers(2, 4))
def test_identical_rows_merge_into_soft_labels(seed, n_classes):
    rng = np.random.default_rng(seed)
    places = rng.standard_normal((12, 2))
    at, y = rng.integers(0, 12, 200), rng.integers(0, n_classes, 200)
    counts = np.zeros((12, n_classes))
    np.add.at(counts, (at, y), 1)
    total = counts.sum(axis=1)
    rows = MLELogisticClassifier().fit(places[at], y)
    merged = MLELogisticClassifier().fit(places, counts / np.maximum(total, 1)[:, None], sample_weight=total)
    assert_same(predictors(merged, places), predictors(rows, places))
    assert merged.log_likelihood_ == pytest.approx(rows.log_likelihood_, rel=1e-9)


@EVERY
@SOME
@given(seed=SEEDS)
def test_storage(kind, seed, tmp_path_factory):
    X, y = data(kind, seed)
    X = np.where(np.abs(X) > 0.7, X, 0.0).astype(np.float32).astype(np.float64)
    plain = fitted(kind, X, y)
    path = tmp_path_factory.mktemp("rows") / "X.npy"
    np.save(path, X)
    forms = {
        "float32": X.astype(np.float32),
        "sparse": sp.csr_array(X),
        "columns first": np.asfortranarray(X),
        "read-only, on disk": np.load(path, mmap_mode="r"),
        "strided": np.repeat(X, 2, axis=1)[:, ::2],
    }
    for form in forms.values():
        assert_same(predictors(fitted(kind, form, y), X), predictors(plain, X))


@EVERY
@SOME
@given(seed=SEEDS)
def test_a_second_fit_is_the_first(kind, seed):
    X, y = data(kind, seed)
    model = fitted(kind, X, y)
    first = predictors(model, X)
    np.testing.assert_array_equal(predictors(model.fit(X, y), X), first)


@EVERY
@SOME
@given(seed=SEEDS, n=st.integers(4, 8), spoil=st.sampled_from(["constant", "duplicate", "zero"]))
def test_tiny_and_degenerate_designs_have_finite_coefficients(kind, seed, n, spoil):
    X, y = data(kind, seed, n=n)
    X[:, 2] = {"constant": 7.0, "duplicate": X[:, 1], "zero": 0.0}[spoil]
    y = np.arange(n) % (3 if kind == "classes" else 2) if kind in ("binary", "classes") else y
    model = fitted(kind, X, y)
    assert np.isfinite(predictors(model, X)).all()


@EVERY
@SOME
@given(seed=SEEDS, decades=st.integers(1, 10))
def test_weights_over_twenty_decades(kind, seed, decades):
    """Rows that weigh next to nothing change next to nothing."""
    X, y = data(kind, seed)
    weight = np.ones(len(X))
    light = np.arange(len(X)) % 3 == 0
    weight[light] = 10.0 ** -(10 + decades)
    with_them = fitted(kind, X, y, sample_weight=weight)
    without = fitted(kind, X, y, sample_weight=np.where(light, 0.0, 1.0))
    if kind in ("binary", "classes") and not (np.bincount(y[~light]) > 0).all():
        return
    assert_same(predictors(with_them, X), predictors(without, X), 1e-6)


@SOME
@given(seed=SEEDS)
def test_labels_of_any_type(seed):
    X, y = data("binary", seed)
    plain = MLELogisticClassifier().fit(X, y)
    for labels in (
        y.astype(bool),
        y.astype(np.int8),
        y * 2.0 - 1,
        np.where(y, "yes", "no"),
        np.where(y, "b", "a").astype(object),
    ):
        model = MLELogisticClassifier().fit(X, labels)
        np.testing.assert_array_equal(predictors(model, X), predictors(plain, X))
        assert set(model.predict(X).tolist()) <= set(labels.tolist())
