"""Offsets and intercepts in everything that reads the data again: published values, and relations that hold exactly."""

import numpy as np
import pytest

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.exceptions import SeparationWarning
from sklearn_mle.inference import infer, likelihood_ratio_test, mean_interval, profile_interval, score_test
from tests.estimators.regressions import DATA, LIKELIHOODS, N
from tests.modelled import dispersion_as

pytestmark = pytest.mark.slow

SMOOTH = [name for name, likelihood in LIKELIHOODS.items() if likelihood.smooth]
WITH_SECOND = [name for name in SMOOTH if LIKELIHOODS[name].dispersion_parameter is not None]
# Estimates of both fits are within sqrt(2e-8) of their standard errors (tol=1e-8, and mostly far nearer); a statistic
# of 200 rows moves by a tenth of that, relative to itself.
RTOL = 2e-5
EXTRA = np.sin(np.arange(N))
# An offset that the model's own columns can express, with a constant.
D, CONSTANT = np.array([0.3, -0.2]), 0.7


# MASS's Insurance: Holders and Claims by District (16 rows each).
HOLDERS = [
    *(197, 264, 246, 1680, 284, 536, 696, 3582, 133, 286, 355, 1640, 24, 71, 99, 452),
    *(85, 139, 151, 931, 149, 313, 419, 2443, 66, 175, 221, 1110, 9, 48, 72, 322),
    *(35, 73, 89, 648, 53, 155, 240, 1635, 24, 78, 121, 692, 7, 29, 43, 245),
    *(20, 33, 40, 316, 31, 81, 122, 724, 18, 39, 68, 344, 3, 16, 25, 114),
]
CLAIMS = [
    *(38, 35, 20, 156, 63, 84, 89, 400, 19, 52, 74, 233, 4, 18, 19, 77),
    *(22, 19, 22, 87, 25, 51, 49, 290, 14, 46, 39, 143, 4, 15, 12, 53),
    *(5, 11, 10, 67, 10, 24, 37, 187, 8, 19, 24, 101, 3, 2, 8, 37),
    *(2, 5, 4, 36, 7, 10, 22, 102, 5, 7, 16, 63, 0, 6, 8, 33),
]
DISTRICTS = np.repeat(np.eye(4)[:, 1:], 16, axis=0)


def test_a_location_offset_is_not_one_of_the_scale():
    """R: sqrt(diag(solve(crossprod(cbind(1, 0:11))))), and summary(lm(y ~ x + offset(o)))."""
    X, y, offset = np.arange(12.0)[:, None], [1, 3, 2, 5, 4, 6, 5, 8, 7, 9, 8, 11], np.linspace(0, 1, 12)
    known = MLERegressor("gaussian", predictors={"scale": 1.0}).fit(X, y, offset=offset)
    expected = [0.5430209893474, 0.0836242010007]
    np.testing.assert_allclose(infer(known, X, y, offset=offset).standard_errors, expected, rtol=1e-12)
    gaussian = GaussianMLERegressor().fit(X, y, offset=offset)
    expected = [0.5360460306361, 0.0825500706067]
    np.testing.assert_allclose(infer(gaussian, X, y, offset=offset).standard_errors[:2], expected, rtol=1e-12)


def test_negative_binomial_rates_of_insurance_claims():
    """R (MASS): m <- glm.nb(Claims ~ District + offset(log(Holders)), Insurance), contrasts of treatment.

    summary(m); logLik(m); predict(m, se.fit=TRUE); and 2 * (logLik(m) - logLik(m0)), m0 without District 4.
    """
    X, y, offset = DISTRICTS, CLAIMS, np.log(HOLDERS)
    model = MLERegressor("negative_binomial").fit(X, y, offset=offset)
    result = infer(model, X, y, offset=offset, covariance="expected")
    estimates = [-1.86765239161570, 0.05906668534329, -0.00439257219099, 0.15910620126190]
    errors = [0.0718500194175, 0.1051949369790, 0.1127058237505, 0.1201099688982]
    # glm.nb alternates until its own tolerance of 1e-8.
    np.testing.assert_allclose(result.estimates[:4], estimates, rtol=1e-6)
    np.testing.assert_allclose(result.standard_errors[:4], errors, rtol=1e-6)
    assert 1 / model.dispersion_ == pytest.approx(17.4315967156, rel=1e-6)
    assert model.log_likelihood_ == pytest.approx(-224.02879248988, abs=1e-8)
    fitted, error = np.array([3.41555133712, 3.70829671153, 3.63767914432]), 0.0718500194175
    ends = np.exp(fitted[:, None] + 1.959963984540054 * error * np.array([-1, 1]))
    np.testing.assert_allclose(mean_interval(result, X[:3], offset=offset[:3]), ends, rtol=1e-6)
    smaller = MLERegressor("negative_binomial").fit(X[:, :2], y, offset=offset)
    ratio = likelihood_ratio_test(smaller, model, (X[:, :2], X), y, offset=offset)
    assert ratio.statistic == pytest.approx(1.683519368, rel=1e-6)


def moved_offset(X):
    return X @ D + CONSTANT


def scale_of(name, kind):
    return {"constant": "constant", "known": 0.8, "log_linear": "log_linear"}[kind]


CASES = [(name, "constant") for name in SMOOTH]
CASES += [(name, kind) for name in WITH_SECOND for kind in ("known", "log_linear")]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_an_offset_in_the_columns_span_moves_the_coefficients_alone(name, kind):
    X, y = DATA[name]
    offset = moved_offset(X)
    plain = MLERegressor(LIKELIHOODS[name], predictors=dispersion_as(LIKELIHOODS[name], scale_of(name, kind))).fit(X, y)
    moved = MLERegressor(LIKELIHOODS[name], predictors=dispersion_as(LIKELIHOODS[name], scale_of(name, kind))).fit(
        X, y, offset=offset
    )
    shift = np.zeros(len(infer(plain).estimates))
    shift[:3] = CONSTANT, *D
    for covariance in ("hessian", "expected", "HC0", "opg"):
        ours = infer(moved, X, y, offset=offset, covariance=covariance)
        theirs = infer(plain, X, y, covariance=covariance)
        size = np.nan_to_num(theirs.standard_errors)
        assert (np.abs(ours.estimates + shift - theirs.estimates) <= RTOL * size + 1e-9).all()
        np.testing.assert_allclose(ours.standard_errors, theirs.standard_errors, rtol=RTOL)
        assert ours.header["log-likelihood"] == pytest.approx(theirs.header["log-likelihood"], rel=1e-10)
    np.testing.assert_allclose(moved.standard_errors(), plain.standard_errors(), rtol=RTOL)
    np.testing.assert_allclose(
        mean_interval(ours, X[:5], offset=offset[:5]), mean_interval(theirs, X[:5]), rtol=RTOL, equal_nan=True
    )
    np.testing.assert_allclose(
        moved.predict_interval(X[:5], offset=offset[:5], include_parameter_uncertainty=True),
        plain.predict_interval(X[:5], include_parameter_uncertainty=True),
        rtol=RTOL,
    )


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_tests_and_profiles_of_a_model_with_an_offset(name, kind):
    X, y = DATA[name]
    offset, wider = moved_offset(X), np.column_stack([X, EXTRA])
    model = MLERegressor(LIKELIHOODS[name], predictors=dispersion_as(LIKELIHOODS[name], scale_of(name, kind)))
    plain, moved = model.fit(X, y), MLERegressor(**model.get_params(deep=False)).fit(X, y, offset=offset)
    ours, theirs = score_test(moved, X, y, EXTRA, offset=offset), score_test(plain, X, y, EXTRA)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-4, abs=1e-7)
    of_more = [MLERegressor(**model.get_params(deep=False)).fit(wider, y, offset=each) for each in (None, offset)]
    ours = likelihood_ratio_test(moved, of_more[1], (X, wider), y, offset=offset)
    theirs = likelihood_ratio_test(plain, of_more[0], (X, wider), y)
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-7)
    ours = profile_interval(moved, X, y, 1, offset=offset, n_points=0)
    theirs = profile_interval(plain, X, y, 1, n_points=0)
    np.testing.assert_allclose(np.add(ours.interval, D[0]), theirs.interval, atol=RTOL * theirs.standard_error)


@pytest.mark.parametrize("name", SMOOTH)
def test_a_constant_offset_moves_the_intercept_alone(name):
    """The null model's, too: what the columns gain is the same."""
    X, y = DATA[name]
    plain = infer(MLERegressor(LIKELIHOODS[name]).fit(X, y), X, y)
    moved = infer(MLERegressor(LIKELIHOODS[name]).fit(X, y, offset=CONSTANT), X, y, offset=CONSTANT)
    assert moved.header.keys() == plain.header.keys()
    assert "null log-likelihood" in plain.header
    for key, value in plain.header.items():
        if isinstance(value, float) and key not in ("gap in nats", "condition number"):
            assert moved.header[key] == pytest.approx(value, rel=1e-6, abs=1e-9), key
    assert moved.estimates[0] + CONSTANT == pytest.approx(plain.estimates[0], abs=1e-7)
    np.testing.assert_allclose(moved.covariance, plain.covariance, rtol=RTOL, atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_offsets_of_classes(n_classes):
    X = DATA["gaussian"][0]
    y = np.digitize(DATA["gaussian"][1] + EXTRA, [0.3, 1.2][: n_classes - 1])
    offset = X @ D + CONSTANT if n_classes == 2 else np.column_stack([X @ D, X @ D[::-1] + CONSTANT, 0 * EXTRA])
    plain, moved = MLELogisticClassifier(C=np.inf).fit(X, y), MLELogisticClassifier(C=np.inf).fit(X, y, offset=offset)
    np.testing.assert_allclose(moved.predict_proba(X, offset=offset), plain.predict_proba(X), rtol=1e-7)
    ours, theirs = infer(moved, X, y, offset=offset), infer(plain, X, y)
    np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=RTOL, atol=1e-9)
    ours, theirs = score_test(moved, X, y, EXTRA, offset=offset), score_test(plain, X, y, EXTRA)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=RTOL)


# A mixture has several maxima, and the guesses that it starts from know an intercept only where there is one.
@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[0] != "gaussian_mixture"])
def test_a_constant_column_is_an_intercept(name, kind):
    """Statsmodels' habit. The second parameter has an intercept of its own, beside which such a column says nothing."""
    X, y = DATA[name]
    wider = np.column_stack([X, np.ones(N)])
    scale = scale_of(name, kind)
    ours = MLERegressor(LIKELIHOODS[name], predictors=dispersion_as(LIKELIHOODS[name], scale), fit_intercept=False).fit(
        wider, y
    )
    theirs = MLERegressor(LIKELIHOODS[name], predictors=dispersion_as(LIKELIHOODS[name], scale)).fit(X, y)
    found, expected = infer(ours, wider, y), infer(theirs, X, y)
    assert ours.intercept_ == 0
    assert ours.log_likelihood_ == pytest.approx(theirs.log_likelihood_, rel=1e-12)
    # Locations: (x0, x1, constant) beside (intercept, x0, x1).
    places = [2, 0, 1, *range(3, len(found.estimates))]
    if kind == "log_linear":
        assert np.isnan(found.standard_errors[[3, 6]]).all()
        assert found.estimates[6] == pytest.approx(0, abs=1e-9)
        places = [2, 0, 1, 4, 5, *range(7, len(found.estimates))]
        expected_places = [0, 1, 2, 4, 5, *range(6, len(expected.estimates))]
    else:
        expected_places = list(range(len(expected.estimates)))
    for of, tolerance in (("estimates", 1e-7), ("standard_errors", RTOL)):
        np.testing.assert_allclose(
            getattr(found, of)[places], getattr(expected, of)[expected_places], rtol=tolerance, atol=1e-9
        )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_constant_column_is_an_intercept_of_classes(n_classes):
    X = DATA["gaussian"][0]
    y = np.digitize(DATA["gaussian"][1] + EXTRA, [0.3, 1.2][: n_classes - 1])
    wider = np.column_stack([X, np.ones(N)])
    ours = MLELogisticClassifier(fit_intercept=False).fit(wider, y)
    theirs = MLELogisticClassifier().fit(X, y)
    np.testing.assert_allclose(ours.coef_[:, :2], theirs.coef_, rtol=1e-7)
    np.testing.assert_allclose(ours.coef_[:, 2], theirs.intercept_, rtol=1e-7)
    assert not ours.intercept_.any()
    found, expected = infer(ours, wider, y), infer(theirs, X, y)
    places = np.concatenate([3 * k + np.array([2, 0, 1]) for k in range(len(ours.coef_))])
    np.testing.assert_allclose(found.standard_errors[places], expected.standard_errors, rtol=RTOL)


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_standard_errors_beside_separation_do_not_depend_on_an_offset_in_the_columns_span(size):
    """What a row that is separated has as its offset is of no concern to the limiting model of the others."""
    X, y = DATA["poisson"]
    X = np.column_stack([X, np.arange(N) < 5])
    y = np.where(X[:, 2] > 0, 0, y)
    offset = size * X[:, 2]
    with pytest.warns(SeparationWarning):
        plain, moved = MLERegressor("poisson").fit(X, y), MLERegressor("poisson").fit(X, y, offset=offset)
    np.testing.assert_allclose(moved.standard_errors(), plain.standard_errors(), rtol=1e-5)
    assert np.isnan(moved.standard_errors()[3])
