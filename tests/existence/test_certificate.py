"""Existence of the MLE: the certificate is a bound and never lies, and fits without a maximum say so."""

import numpy as np
import pytest
from scipy.special import expit

from sklearn_mle._existence import certificates
from sklearn_mle._existence.certificates import CERTIFIED, certificate, certified, curvature_below
from sklearn_mle._existence.limit import SEPARATION_PRIOR
from sklearn_mle._fit import FitOptions, fit, logistic
from sklearn_mle._hessian_factors import hessian_factor
from sklearn_mle._numerics.factors import CholeskyFactor, NotPositiveDefiniteError
from sklearn_mle._penalties import Ridge
from sklearn_mle._solvers import Solution, Status
from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.likelihoods import Bernoulli, Categorical
from tests.separated import SEPARATED, objective_of, overlapping, quasi

# A bound that is attained may fall short of what it bounds by the rounding of either.
AT_LEAST = 1 - 1e-12


def newton(objective, steps):
    """The points of Newton's method, each with the factor and gap there; it ends where there is no factor."""
    theta = np.zeros(objective.predictors.size)
    for _ in range(steps):
        gradient = objective.value_and_gradient(theta)[1]
        try:
            factor = hessian_factor(objective, theta)
        except NotPositiveDefiniteError:
            return
        yield theta, factor, 0.5 * factor.squared_norm(gradient)
        theta = theta - factor.solve(gradient)


def largest(objective):
    return np.abs(objective.data.rows.standardized).max(axis=0)


def exact_s(objective, factor, gap):
    """lambda M by its definition, the range of the classes' changes in M where there are several."""
    X = objective.data.rows.standardized
    augmented = np.column_stack([X, np.ones(len(X))])
    contrast = objective.predictors.contrast
    q = 1 if contrast is None else len(contrast)
    directions = [np.ones(1)] if q == 1 else [contrast[j] - contrast[k] for j in range(q) for k in range(j)]
    vectors = [np.einsum("k,np->nkp", direction, augmented).reshape(len(X), -1) for direction in directions]
    longest = max(np.square(factor.whiten(rows.T)).sum(axis=0).max() for rows in vectors)
    return float(np.sqrt(2 * gap * longest))


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_certificate_is_an_upper_bound_that_regular_data_pass_soon(n_classes, seed):
    objective = objective_of(*overlapping(n_classes, n=400, seed=seed), n_classes)
    bounds = []
    for theta, factor, gap in newton(objective, 8):
        bounds.append(certificate(objective, theta, factor, gap, largest(objective)))
        assert bounds[-1] >= exact_s(objective, factor, gap) * (1 - 1e-9)
    assert min(bounds[:5]) < CERTIFIED
    assert bounds[-1] < 1e-6


@pytest.mark.parametrize("n_classes", [2, 4])
def test_without_a_factor_the_certificate_is_still_an_upper_bound(n_classes):
    objective = objective_of(*overlapping(n_classes, n=400), n_classes)
    points = list(newton(objective, 8))
    for theta, factor, gap in points:
        assert certificate(objective, theta, None, gap, largest(objective)) >= AT_LEAST * exact_s(
            objective, factor, gap
        )
    theta, _, gap = points[-1]
    assert certificate(objective, theta, None, gap, largest(objective)) < CERTIFIED


@pytest.mark.parametrize("n_classes", [2, 4])
def test_rows_of_dummies_need_no_exact_lengths(n_classes):
    """The sum of a row's entries' own lengths is a bound, and tells dummies from columns that are always at work."""
    rng = np.random.default_rng(5)
    level = rng.choice(20, 8000, p=np.linspace(1, 9, 20) / np.linspace(1, 9, 20).sum())
    X = 6.0 * np.eye(20)[level][:, 1:]
    eta = 0.5 * rng.standard_normal((20, n_classes))[level]
    objective = objective_of(X, (eta + rng.gumbel(size=eta.shape)).argmax(axis=1), n_classes)
    theta, factor, _ = list(newton(objective, 6))[-1]
    # A gap so large that the columns' largest entries, all taken at once, prove nothing.
    gap = 2 * np.square(CERTIFIED / factor.inverse_norm / np.linalg.norm(largest(objective)))
    summed = certificate(objective, theta, factor, gap, largest(objective), thorough=False)
    assert AT_LEAST * exact_s(objective, factor, gap) <= summed < CERTIFIED


@pytest.mark.parametrize("kind", SEPARATED)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("with_factor", [True, False])
def test_separated_data_never_pass(kind, n_classes, with_factor):
    """Though the gap falls below any tolerance."""
    objective = objective_of(*SEPARATED[kind](n_classes), n_classes)
    gaps = []
    for theta, factor, gap in newton(objective, 40):
        if gap < 1e-13:
            break  # p - y has lost its digits to rounding, and the gap with them
        gaps.append(gap)
        assert certificate(objective, theta, factor if with_factor else None, gap, largest(objective)) >= CERTIFIED
    assert min(gaps) < 1e-8, "the test must have gone far enough to be fooled"


def ended(objective, now, before):
    """A solution at one of Newton's points with the factor of an earlier one."""
    theta, factor, factor_gap = before
    value, gradient = objective.value_and_gradient(now)
    gap = 0.5 * factor.squared_norm(gradient)
    return Solution(now, value, gradient, gap, factor, factor_gap, Status.CONVERGED, 1, theta)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_factor_from_before_proves_existence_where_its_own_gap_does_not(n_classes, monkeypatch):
    objective = objective_of(*overlapping(n_classes, n=400), n_classes)
    points = list(newton(objective, 8))
    doubtful = [k for k, point in enumerate(points) if certificate(objective, *point, largest(objective)) > CERTIFIED]
    solution = ended(objective, points[-1][0], points[max(doubtful)])
    monkeypatch.setattr(certificates, "hessian_factor", None)
    assert certified(objective, solution, largest(objective), of_rows=True) is solution


@pytest.mark.parametrize("kind", SEPARATED)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_factor_from_before_proves_nothing_on_separated_data(kind, n_classes):
    objective = objective_of(*SEPARATED[kind](n_classes), n_classes)
    points = [point for point in newton(objective, 25) if point[2] > 1e-13]
    for k in range(0, len(points) - 2, 4):
        for now in points[k + 1][0], points[k + 2][0]:
            solution = ended(objective, now, points[k])
            assert certified(objective, solution, largest(objective), of_rows=True) is None


def test_weights_count_in_the_certificate():
    X, y = overlapping(n=200)
    weight = np.random.default_rng(3).exponential(size=200)
    objective = objective_of(X, y, weight=weight)
    for theta, factor, gap in newton(objective, 6):
        assert certificate(objective, theta, factor, gap, largest(objective)) >= AT_LEAST * exact_s(
            objective, factor, gap
        )
        assert certificate(objective, theta, None, gap, largest(objective)) >= AT_LEAST * exact_s(
            objective, factor, gap
        )


def test_a_gap_of_zero_certifies_itself():
    objective = objective_of(*overlapping())
    assert certificate(objective, np.zeros(4), None, 0.0, largest(objective)) == 0.0


def fit_of(X, y, n_classes, *, soft=False, **options):
    if n_classes == 2:
        return fit(Bernoulli(), X, y.astype(float), options=FitOptions(**options))
    return fit(Categorical(n_classes), X, np.eye(n_classes)[y] if soft else y, options=FitOptions(**options))


@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}, {"tol": 1e-3}, {"tol": 1e-14}, {"tol": 1e-30}], ids=str)
@pytest.mark.parametrize("kind", SEPARATED)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_fit_of_separated_data_warns(kind, n_classes, options):
    result = fit_of(*SEPARATED[kind](n_classes), n_classes, **options)
    assert [type(warning) for warning in result.warnings] == [SeparationWarning]
    assert np.isfinite(result.coefficients).all()


@pytest.mark.parametrize("kind", SEPARATED)
@pytest.mark.parametrize(("n_classes", "soft"), [(2, False), (3, False), (3, True)])
def test_and_is_the_posterior_mode_under_the_documented_prior(kind, n_classes, soft):
    """Penalized by hand, in columns of unit standard deviation."""
    X, y = SEPARATED[kind](n_classes)
    result = fit_of(X, y, n_classes, soft=soft)
    deviation = X.std(axis=0)
    by_hand = fit_of(X / deviation, y, n_classes, prior=Ridge((SEPARATION_PRIOR * len(y),)))
    np.testing.assert_allclose(result.coefficients[:, :-1] * deviation, by_hand.coefficients[:, :-1], rtol=1e-6)


@pytest.mark.parametrize("units", [1.3, 1e-3, 1e9])
def test_and_does_not_depend_on_the_units_of_the_columns(units):
    X, y = quasi()
    result, other = fit_of(X, y, 2), fit_of(X * units, y, 2)
    np.testing.assert_allclose(other.coefficients[:, :-1] * units, result.coefficients[:, :-1], rtol=1e-6)


def test_the_warning_names_the_columns():
    X, y = quasi()
    result = fit(Bernoulli(), X, y.astype(float), feature_names=["a", "b", "c", "NV"])
    assert "'NV'" in str(result.warnings[0])
    assert "'a'" not in str(result.warnings[0])


@pytest.mark.parametrize("distance", [0.02, 1e-3, 1e-5])
def test_near_separation_is_finite_and_raises_no_alarm(distance):
    """One row on the wrong side, by less and less: the MLE runs far out, and is found."""
    x = np.concatenate([-np.linspace(0.01, 1, 100), np.linspace(0.01, 1, 100), [-0.01 - distance]])
    y = np.concatenate([np.zeros(100), np.ones(101)])
    result = fit(Bernoulli(), x[:, None], y)
    assert result.warnings == ()
    slope, intercept = result.coefficients[0]
    residual = y - expit(slope * x + intercept)
    assert abs(residual.sum()) < 1e-8 and abs(residual @ x) < 1e-8


@pytest.mark.parametrize("n_classes", [3, 6])
@pytest.mark.parametrize("weighted", [False, True])
def test_curvature_below_is_below_the_hessian_and_attained_where_classes_are_alike(n_classes, weighted):
    objective = objective_of(*overlapping(n_classes, n=300, seed=4), n_classes)
    if weighted:
        objective.data.weight = np.random.default_rng(0).uniform(0.1, 3, 300)
    size = objective.predictors.size
    for theta, close in ((np.zeros(size), True), (np.linspace(-1, 1, size), False)):
        below = curvature_below(objective, theta)
        inner = below.unwhiten(np.eye(size))
        values = np.linalg.eigvalsh(inner.T @ objective.hessian(theta) @ inner)
        assert values.min() >= 1 - 1e-9
        assert (values.max() <= 1 + 1e-9) == close  # all classes equally likely: the two are one


def test_curvature_below_asks_for_the_same_columns_in_all_predictors_and_for_several_classes():
    binary = objective_of(*overlapping(2, n=50, seed=1), 2)
    assert curvature_below(binary, np.zeros(binary.predictors.size)) is None


@pytest.mark.parametrize("kind", SEPARATED)
def test_separated_data_never_pass_by_the_curvature_below(kind):
    objective = objective_of(*SEPARATED[kind](3), 3)
    for theta, factor, gap in newton(objective, 40):
        if gap < 1e-13:
            break  # p - y has lost its digits to rounding, and the gap with them
        gradient = objective.value_and_gradient(theta)[1]
        below = curvature_below(objective, theta)
        if below is None:
            break
        assert below.squared_norm(gradient) >= factor.squared_norm(gradient) * (1 - 1e-9)
        assert certificate(objective, theta, below, 0.5 * below.squared_norm(gradient), largest(objective)) >= CERTIFIED
    assert gap < 1e-8, "the test must have gone far enough to be fooled"


def test_many_classes_are_certified_without_a_linear_program(monkeypatch):
    rng = np.random.default_rng(3)
    y = np.repeat(np.arange(110), 3)
    monkeypatch.setattr(logistic, "find_separation", lambda *args: pytest.fail("a linear program of 110 classes"))
    assert fit(Categorical(110), rng.standard_normal((len(y), 2)), y).warnings == ()


def test_a_factor_of_blocks_proves_what_its_matrix_as_a_whole_does():
    """Its blocks' own inverses are all that is formed: of 30,000 parameters a whole one would take 7 GB."""
    objective = objective_of(*overlapping(4, n=40), n_classes=4)
    theta = np.random.default_rng(0).normal(size=objective.predictors.size)
    below = curvature_below(objective, theta)
    inverse = below.inverse()
    whole = CholeskyFactor(np.linalg.inv(inverse))
    assert below.inverse_norm == pytest.approx(np.sqrt(np.trace(inverse)), rel=1e-9)
    for gap in (1e-4, 1e-2):
        of_blocks, of_whole = (
            certificate(objective, theta, factor, gap, largest(objective), thorough=False) for factor in (below, whole)
        )
        assert of_blocks == pytest.approx(of_whole, rel=1e-6)
