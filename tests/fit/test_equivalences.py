"""Data that say the same give the same fit: weights and repeats, soft and hard labels, storage, order, offset."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_mle._fit import FitOptions, fit
from sklearn_mle.likelihoods import Bernoulli, Categorical, Gaussian
from tests.fit.options import ridge, terms_of

pytestmark = pytest.mark.slow

rng = np.random.default_rng(0)


def assert_same_fit(found, expected, rtol=1e-12, atol=1e-13):
    scale = np.abs(expected.coefficients).max()
    np.testing.assert_allclose(found.coefficients, expected.coefficients, rtol=rtol, atol=atol * scale)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=rtol)
    if expected.dispersion is not None:
        assert found.dispersion == pytest.approx(expected.dispersion, rel=rtol)


def test_weights_are_repeats(penalized):
    weight = np.random.default_rng(1).integers(0, 4, len(penalized.X)).astype(float)
    times = weight.astype(int)
    repeated = penalized.fit(np.repeat(penalized.X, times, axis=0), np.repeat(penalized.y, times, axis=0))
    weighted = penalized.fit(sample_weight=weight)
    assert_same_fit(weighted, repeated, rtol=1e-11, atol=1e-12)
    assert weighted.n_obs == repeated.n_obs == weight.sum()


def test_rows_of_weight_zero_are_absent(penalized):
    weight = np.ones(len(penalized.X))
    weight[:40] = 0
    X, y = penalized.X.copy(), penalized.y.copy()
    X[:40] *= -1e6
    y[:40] = y[40:80]
    assert_same_fit(penalized.fit(X, y, sample_weight=weight), penalized.fit(penalized.X[40:], penalized.y[40:]))


@pytest.mark.parametrize("multiple", [1e-12, 7.0, 1e12])
def test_the_unit_of_the_weights_changes_totals_only(model, multiple):
    weight = np.random.default_rng(2).exponential(size=len(model.X))
    plain, scaled = model.fit(sample_weight=weight), model.fit(sample_weight=multiple * weight)
    np.testing.assert_allclose(scaled.coefficients, plain.coefficients, rtol=1e-11, atol=1e-12)
    assert scaled.log_likelihood == pytest.approx(multiple * plain.log_likelihood, rel=1e-12)
    assert scaled.n_obs == pytest.approx(multiple * plain.n_obs, rel=1e-14)


def test_a_prior_counts_against_the_total(penalized):
    """Twice the rows and twice the precision: the same coefficients."""
    twice = penalized.with_data(alpha=2 * penalized.alpha)
    once = penalized.fit()
    double = twice.fit(np.tile(penalized.X, (2, 1)), np.concatenate([penalized.y, penalized.y]))
    np.testing.assert_allclose(double.coefficients, once.coefficients, rtol=1e-11, atol=1e-12)


def test_the_order_of_the_rows_does_not_matter(penalized):
    order = np.random.default_rng(3).permutation(len(penalized.X))
    assert_same_fit(penalized.fit(penalized.X[order], penalized.y[order]), penalized.fit(), rtol=1e-11, atol=1e-12)


def test_the_order_of_the_columns_does_not_matter(penalized):
    order = [2, 0, 3, 1]
    found, expected = penalized.fit(np.ascontiguousarray(penalized.X[:, order])), penalized.fit()
    np.testing.assert_allclose(found.coefficients[:, [1, 3, 0, 2, 4]], expected.coefficients, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("unit", [1e-6, 3.0, 1e9])
def test_the_units_of_the_columns_do_not_matter(model, unit):
    found, expected = model.fit(model.X * unit), model.fit()
    np.testing.assert_allclose(found.coefficients[:, :-1] * unit, expected.coefficients[:, :-1], rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(found.coefficients[:, -1], expected.coefficients[:, -1], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("form", ["F order", "strided", "reversed", "read-only"])
def test_the_layout_of_x_does_not_matter(model, form):
    X = model.X
    if form == "F order":
        given = np.asfortranarray(X)
    elif form == "strided":
        given = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]
    elif form == "reversed":
        given = X[::-1].copy()[::-1]
    else:
        given = X.copy()
        given.setflags(write=False)
    assert_same_fit(model.fit(given), model.fit())


def test_float32_is_its_values_in_float64(penalized):
    single = penalized.X.astype(np.float32)
    found, expected = penalized.fit(single), penalized.fit(single.astype(np.float64))
    assert found.coefficients.dtype == np.float64
    assert_same_fit(found, expected)


def test_inputs_are_left_alone(penalized):
    X, y = np.asfortranarray(penalized.X), penalized.y.copy()
    weight = np.random.default_rng(4).random(len(X))
    offset = np.zeros((len(X), 3)) + 0.1 if isinstance(penalized.likelihood, Categorical) else np.full(len(X), 0.1)
    kept = [array.copy() for array in (X, y, weight, offset)]
    penalized.fit(X, y, sample_weight=weight, offset=offset)
    for before, after in zip(kept, (X, y, weight, offset), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [sp.csr_array, sp.csr_matrix])
def test_sparse_is_dense(penalized, container, fit_intercept):
    X = np.where(np.random.default_rng(5).random(penalized.X.shape) < 0.4, penalized.X, 0.0)
    dense = penalized.fit(X, fit_intercept=fit_intercept)
    assert_same_fit(penalized.fit(container(X), fit_intercept=fit_intercept), dense)


@pytest.mark.parametrize(
    ("likelihood", "scale"),
    [(Bernoulli(), "constant"), (Categorical(3), "constant"), (Gaussian(), "constant"), (Gaussian(), "log_linear")],
)
def test_large_sparse_data_stay_sparse_and_are_dense(likelihood, scale):
    """Beyond the size up to which sparse data are made dense."""
    generator = np.random.default_rng(6)
    X = sp.random_array((16_000, 40), density=0.1, random_state=generator, format="csr")
    eta = X @ generator.normal(0, 1, 40)
    if isinstance(likelihood, Categorical):
        y = (np.multiply.outer(eta, [0.0, 1, -1]) + generator.gumbel(size=(16_000, 3))).argmax(axis=1)
    elif isinstance(likelihood, Bernoulli):
        y = (eta + generator.logistic(size=16_000) > 0).astype(float)
    else:
        y = eta + generator.standard_normal(16_000)
    weight = generator.random(16_000)
    options = FitOptions(terms=terms_of(scale))
    sparse = fit(likelihood, X, y, sample_weight=weight, options=options)
    dense = fit(likelihood, X.toarray(), y, sample_weight=weight, options=options)
    assert_same_fit(sparse, dense, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "newton-cg"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_all_solvers_agree(penalized, solver, fit_intercept):
    expected = penalized.fit(fit_intercept=fit_intercept)
    # Newton-CG does not end with an exact step: its gap is asked for instead, and read as standard errors.
    found = penalized.fit(fit_intercept=fit_intercept, solver=solver, tol=1e-16 if solver == "newton-cg" else 1e-8)
    assert found.gap <= 1e-8
    if solver == "newton-cg":
        assert_same_fit(found, expected, rtol=1e-6, atol=1e-7)
    else:
        assert_same_fit(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("noise", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("solver", ["newton", "lbfgs", "newton-cg"])
def test_all_solvers_agree_however_small_the_residuals(solver, noise):
    """The gap is in nats: at a scale of 1e-6 standard deviations of y, least squares must be solved to 1e-20."""
    X = rng.standard_normal((200, 5))
    y = X @ np.arange(1.0, 6) + noise * rng.standard_normal(200)
    expected, found = fit(Gaussian(), X, y), fit(Gaussian(), X, y, options=FitOptions(solver=solver))
    assert found.gap <= 1e-8
    assert expected.log_likelihood - found.log_likelihood <= 2e-8
    # 1.5e-4 standard errors of a coefficient.
    np.testing.assert_allclose(found.coefficients[0], expected.coefficients[0], atol=2e-4 * noise / np.sqrt(100))


def test_one_hot_rows_are_labels(model):
    if not isinstance(model.likelihood, Categorical) or model.y.ndim == 2:
        model = model.with_data(likelihood=Categorical(3), y=rng.integers(0, 3, len(model.X)))
    assert_same_fit(model.fit(y=np.eye(3)[model.y]), model.fit())


@pytest.mark.parametrize("n_classes", [2, 4])
def test_soft_rows_are_rows_of_every_class_with_weights(n_classes):
    X = rng.standard_normal((80, 3))
    soft = rng.dirichlet(np.ones(n_classes), 80)
    weight = rng.random(80)
    likelihood = Bernoulli() if n_classes == 2 else Categorical(n_classes)
    found = fit(likelihood, X, soft[:, 1] if n_classes == 2 else soft, sample_weight=weight)
    labels = np.tile(np.arange(n_classes), 80)
    expanded = fit(
        likelihood,
        np.repeat(X, n_classes, axis=0),
        labels.astype(float) if n_classes == 2 else labels,
        sample_weight=(weight[:, None] * soft).ravel(),
    )
    assert_same_fit(found, expanded, rtol=1e-11, atol=1e-12)


def test_two_classes_are_a_bernoulli():
    X, y = rng.standard_normal((100, 3)), rng.integers(0, 2, 100)
    two, one = fit(Categorical(2), X, y), fit(Bernoulli(), X, y.astype(float))
    np.testing.assert_allclose(two.coefficients[1] - two.coefficients[0], one.coefficients[0], rtol=1e-10)
    np.testing.assert_allclose(two.coefficients.sum(axis=0), 0, atol=1e-14)
    assert two.log_likelihood == pytest.approx(one.log_likelihood, rel=1e-13)


def test_the_names_of_the_classes_do_not_matter():
    X, y = rng.standard_normal((150, 3)), rng.integers(0, 4, 150)
    order = np.array([2, 0, 3, 1])
    plain, renamed = fit(Categorical(4), X, y), fit(Categorical(4), X, order[y])
    np.testing.assert_allclose(renamed.coefficients[order], plain.coefficients, rtol=1e-10, atol=1e-12)


def test_a_linear_offset_is_taken_off_the_coefficients(model):
    q = 3 if isinstance(model.likelihood, Categorical) else 1
    known = np.random.default_rng(7).normal(0, 0.3, (q, 5)) / [1, 10, 0.1, 1, 1]
    offset = model.X @ known[:, :-1].T + known[:, -1]
    found = model.fit(offset=offset if q == 3 else offset[:, 0])
    plain = model.fit()
    taken = known - known.mean(axis=0) if q == 3 else known
    expected = plain.coefficients.copy()
    expected[:q] -= taken
    np.testing.assert_allclose(found.coefficients, expected, rtol=1e-9, atol=1e-10)
    assert found.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-12)


def test_an_offset_of_a_real_outcome_is_taken_off_it():
    X, y = rng.standard_normal((100, 3)), rng.standard_normal(100)
    offset = rng.standard_normal(100) * 5
    for scale in ("constant", 0.5, "log_linear"):
        options = FitOptions(prior=ridge(0.7), terms=terms_of(scale))
        found = fit(Gaussian(), X, y, offset=offset, options=options)
        assert_same_fit(found, fit(Gaussian(), X, y - offset, options=options))


def test_an_offset_with_a_prior_shrinks_towards_it():
    """The penalized problem with an offset, against its stationarity conditions."""
    X, y = rng.standard_normal((100, 3)), rng.integers(0, 2, 100).astype(float)
    offset = rng.standard_normal(100)
    coefficients = fit(Bernoulli(), X, y, offset=offset, options=FitOptions(prior=ridge(2.5))).coefficients[0]
    residual = y - 1 / (1 + np.exp(-(X @ coefficients[:-1] + coefficients[-1] + offset)))
    np.testing.assert_allclose(X.T @ residual, 2.5 * coefficients[:-1], atol=1e-10)
    assert abs(residual.sum()) < 1e-10


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs", "newton-cg"])
@pytest.mark.parametrize("distance", [0.0, 1e-3, 1.0])
def test_a_warm_start_gives_the_same_answer(penalized, distance, solver):
    cold = penalized.fit()
    start = cold.coefficients * (1 + distance)
    warm = penalized.fit(start=start, solver=solver, tol=1e-14)
    assert_same_fit(warm, cold, rtol=1e-5 if solver == "newton-cg" else 1e-9, atol=1e-6)
    assert warm.warnings == ()


@pytest.mark.parametrize("multiple", [1e2, 1e3, 1e6, -1e2, -1e4])
def test_a_warm_start_from_far_away_gives_the_same_answer(model, multiple):
    """As after a fit to columns in other units: the start is then worse than none, and must not be trusted."""
    cold = model.fit()
    warm = model.fit(start=cold.coefficients * multiple)
    assert warm.warnings == ()
    assert_same_fit(warm, cold, rtol=1e-8, atol=1e-8)
