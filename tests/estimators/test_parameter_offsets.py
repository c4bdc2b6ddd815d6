"""An offset of each parameter: which column is whose, and what it is equal to."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from sklearn_mle import MLERegressor
from sklearn_mle.exceptions import NotSupportedError
from sklearn_mle.inference import anova, infer, residuals
from sklearn_mle.likelihoods import StudentT, get_likelihood, likelihood_names

N = 120
rng = np.random.default_rng(0)
X = rng.standard_normal((N, 2))
OFFSET = np.round(rng.normal(0, 0.4, (N, 2)), 2)
WEIGHT = rng.integers(0, 3, N).astype(float)
TWO = [name for name in likelihood_names() if get_likelihood(name).n_predictors == 2 and get_likelihood(name).smooth]


def outcomes(name):
    eta = OFFSET.T + np.stack([0.3 * X[:, 0], np.full(N, 0.2)])
    return get_likelihood(name).distribution(eta).rvs(random_state=1)


@pytest.mark.parametrize("predictors", [None, "linear"])
@pytest.mark.parametrize("name", TWO)
def test_the_gradient_of_the_likelihood_vanishes(name, predictors):
    y, likelihood = outcomes(name), get_likelihood(name)
    model = MLERegressor(name, predictors=predictors).fit(X, y, sample_weight=WEIGHT, offset=OFFSET)
    eta = model._parameters @ np.column_stack([X, np.ones(N)]).T + OFFSET.T
    gradient = (likelihood.gradient(y, eta) * WEIGHT) @ np.column_stack([X, np.ones(N)])
    if predictors is None:
        gradient[1, :-1] = 0  # these are no parameters
    assert np.abs(gradient).max() < 1e-8
    nll = likelihood.nll(y, eta)
    assert model.log_likelihood_ == pytest.approx(-WEIGHT @ nll, rel=1e-12)
    assert model.log_likelihood(X, y, WEIGHT, OFFSET) == pytest.approx(model.log_likelihood_, rel=1e-12)
    for found, expected in zip(model.predict_parameters(X, OFFSET).values(), likelihood.parameters(eta), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    errors = infer(model, X, y, sample_weight=WEIGHT, offset=OFFSET).standard_errors
    np.testing.assert_allclose(model.standard_errors(), errors, rtol=1e-6)


def test_columns_of_a_frame_are_found_by_name():
    y = outcomes("gamma")
    model = MLERegressor("gamma").fit(X, y, offset=OFFSET)
    table = {"shape": OFFSET[:, 1], "mean": OFFSET[:, 0]}
    for frame in (pd.DataFrame(table), pl.DataFrame(table)):
        same = MLERegressor("gamma").fit(X, y, sample_weight=np.ones(N), offset=frame)
        np.testing.assert_array_equal(same._parameters, model._parameters)
        np.testing.assert_array_equal(model.predict(X, offset=frame), model.predict(X, offset=OFFSET))
        assert model.score(X, y, sample_weight=np.ones(N), offset=frame) == model.score(X, y, offset=OFFSET)
        assert model.log_likelihood(X, y, offset=frame) == model.log_likelihood(X, y, offset=OFFSET)
    alone = MLERegressor("gamma").fit(X, y, offset=pd.DataFrame({"shape": OFFSET[:, 1]}))
    zeros = MLERegressor("gamma").fit(X, y, offset=OFFSET * [0, 1])
    np.testing.assert_array_equal(alone._parameters, zeros._parameters)


def test_rows_of_weight_zero_may_have_anything():
    y, holes = outcomes("gamma"), np.where(WEIGHT[:, None] > 0, OFFSET, np.nan)
    with_holes, without = (
        MLERegressor("gamma").fit(X, y, sample_weight=WEIGHT, offset=offset) for offset in (holes, OFFSET)
    )
    np.testing.assert_array_equal(with_holes._parameters, without._parameters)
    frame = pd.DataFrame(holes, columns=["mean", "shape"])
    assert with_holes.score(X, y, WEIGHT, frame) == without.score(X, y, WEIGHT, OFFSET)


def test_a_known_scale_per_row_is_weighted_least_squares():
    y = outcomes("gaussian")
    offset = pd.DataFrame({"scale": OFFSET[:, 1]})
    model = MLERegressor("gaussian", predictors={"scale": 1.0}).fit(X, y, offset=offset)
    weighted = LinearRegression().fit(X, y, sample_weight=np.exp(-2 * OFFSET[:, 1]))
    np.testing.assert_allclose(model.coef_, weighted.coef_, rtol=1e-10)


def test_the_prior_is_relative_to_the_whole_noise():
    y = outcomes("gaussian")
    models = [MLERegressor("gaussian", alpha=5.0).fit(X, y, offset=OFFSET + np.array([0, shift])) for shift in (0, 1)]
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-9)
    assert models[0].scale_ / models[1].scale_ == pytest.approx(np.e, rel=1e-9)


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (np.column_stack([OFFSET, OFFSET]), r"offset must have shape \(120, 2\)"),
        (pd.DataFrame(OFFSET, columns=["mean", "tail"]), r"\['mean', 'tail'\], but the parameters are \['mean', 'sha"),
        (pd.DataFrame(OFFSET, columns=["mean", "mean"]), r"the columns \['mean', 'mean'\]"),
        (np.where(np.arange(N)[:, None] == 3, np.inf, OFFSET), "contains infinity in row 3"),
    ],
)
def test_offsets_that_are_refused(offset, message):
    with pytest.raises(ValueError, match=message):
        MLERegressor("gamma").fit(X, outcomes("gamma"), offset=offset)


def test_predictions_want_as_many_offsets_as_fit():
    y = outcomes("gamma")
    several = MLERegressor("gamma").fit(X, y, offset=OFFSET)
    with pytest.raises(ValueError, match=r"offset has the shape \(120,\), .* with one of shape \(n, 2\), a column for"):
        several.predict(X, offset=OFFSET[:, 0])
    np.testing.assert_array_equal(several.predict(X, offset=0.5), several.predict(X, offset=np.tile([0.5, 0], (N, 1))))
    one = MLERegressor("gamma").fit(X, y, offset=OFFSET[:, 0])
    with pytest.raises(ValueError, match=r"offset has the shape \(120, 2\), .* with one of shape \(n,\)\. Pass"):
        one.predict(X, offset=OFFSET)


def test_parameters_that_take_no_offset():
    y = outcomes("gaussian")
    with pytest.raises(NotSupportedError, match="df of StudentT.* one number for all rows, so it takes no offset"):
        MLERegressor(StudentT(df=None)).fit(X, y, offset=np.column_stack([OFFSET, OFFSET[:, 0]]))
    model = MLERegressor(StudentT(df=None)).fit(X, y, offset=pd.DataFrame(OFFSET, columns=["location", "scale"]))
    assert model.gap_ < 1e-8
    with pytest.raises(NotSupportedError, match="Laplace has a kink, and takes an offset for the location only"):
        MLERegressor("laplace").fit(X, y, offset=OFFSET)


def test_a_single_column_is_the_only_parameter_s():
    counts = np.random.default_rng(3).poisson(np.exp(OFFSET[:, 0]))
    column, flat = (MLERegressor("poisson").fit(X, counts, offset=one) for one in (OFFSET[:, :1], OFFSET[:, 0]))
    np.testing.assert_array_equal(column.coef_, flat.coef_)
    np.testing.assert_array_equal(column.predict(X, offset=OFFSET[:, :1]), flat.predict(X, offset=OFFSET[:, 0]))


def test_inference_with_a_prior_takes_the_offsets_as_the_fit_did():
    y = outcomes("gaussian")
    for predictors in (None, {"scale": 1.3}):
        model = MLERegressor("gaussian", alpha=5.0, predictors=predictors).fit(X, y, offset=OFFSET + np.array([0, 1.0]))
        # It refuses data at which the estimate is not the mode.
        found = infer(model, X, y, offset=OFFSET + np.array([0, 1.0]), penalized="laplace")
        assert np.isfinite(found.standard_errors).all()


@pytest.mark.parametrize("name", ["gaussian", "gamma", "inverse_gaussian", "tweedie", "lognormal"])
def test_an_offset_of_the_dispersion_weighs_rows_as_precisions_do(name):
    likelihood = get_likelihood(name)
    precision = np.random.default_rng(1).gamma(3.0, size=N)
    offset = np.column_stack([OFFSET[:, 0], -np.log(precision) / likelihood.variance_power])
    y = likelihood.distribution(offset.T + np.stack([0.3 * X[:, 0], np.full(N, 0.2)])).rvs(random_state=1)
    given = {"offset": offset}
    model = MLERegressor(name).fit(X, y, **given)
    other = {"offset": OFFSET[:, 0], "sample_weight": precision}
    precise = MLERegressor(name, weight_type="precision").fit(X, y, **other)
    assert model.log_likelihood_ == pytest.approx(precise.log_likelihood_, rel=1e-10)
    # Estimates are within 1e-8 nats of the optimum, where the deviance and the log-likelihood have no slope.
    for ask in ("deviance", "d2_score"):
        expected = getattr(precise, ask)(X, y, **other)
        assert getattr(model, ask)(X, y, **given) == pytest.approx(expected, rel=1e-7)
    assert np.square(residuals(model, X, y, **given)).sum() == pytest.approx(model.deviance(X, y, **given), rel=1e-9)
    headers = infer(model, X, y, **given).header, infer(precise, X, y, **other).header
    named = [key for key in headers[1] if "deviance" in key or key == "D2"]
    assert len(named) == (0 if name in ("gaussian", "lognormal") else 3)
    for key in named:
        assert headers[0][key] == pytest.approx(headers[1][key], rel=1e-7)
    if name != "lognormal":
        table, expected = (
            anova(fit, X, y, dispersion="pearson", **of) for fit, of in ((model, given), (precise, other))
        )
        np.testing.assert_allclose(table.columns["F"], expected.columns["F"], rtol=1e-6)
    # In rows of weight zero an offset may be anything.
    weight = (np.arange(N) > 3).astype(float)
    offset[:4] = 1e9
    model.fit(X, y, sample_weight=weight, **given)
    found = model.deviance(X, y, sample_weight=weight, **given)
    assert found == pytest.approx(model.deviance(X[4:], y[4:], offset=offset[4:]), rel=1e-12)
