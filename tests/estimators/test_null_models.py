"""Models without columns: X of shape (n, 0) beside an offset, in every call; null models are what tests need."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from sklearn_mle import GaussianMLERegressor, MLELogisticClassifier, MLERegressor
from sklearn_mle.inference import infer, likelihood_ratio_test, mean_interval, profile_interval, score_test
from tests.estimators.regressions import DATA, LIKELIHOODS, N
from tests.modelled import dispersion_as

pytestmark = pytest.mark.slow

EMPTY = np.empty((N, 0))
SMOOTH = [name for name, likelihood in LIKELIHOODS.items() if likelihood.smooth]
CASES = [(name, "constant") for name in LIKELIHOODS]
CASES += [(n, scale) for n, own in LIKELIHOODS.items() if own.dispersion_parameter for scale in ("log_linear", 0.7)]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("name", "scale"), CASES)
def test_the_null_model_is_the_one_that_inference_compares_with(name, scale, fit_intercept, capfd):
    """As ``infer`` fits it for its header, or with columns whose coefficients are zero; LAPACK has nothing to say."""
    X, y = DATA[name]
    offset = 0.3 * X[:, 0]
    model = MLERegressor(
        LIKELIHOODS[name], predictors=dispersion_as(LIKELIHOODS[name], scale), fit_intercept=fit_intercept
    )
    null = model.fit(EMPTY, y, offset=offset)
    assert null.n_features_in_ == 0
    assert null.coef_.shape == (0,)
    assert null.predict(EMPTY, offset=offset).shape == (N,)
    assert null.predict_interval(EMPTY[:3], offset=offset[:3]).shape == (3, 2)
    assert null.log_likelihood(EMPTY, y, offset=offset) == pytest.approx(null.log_likelihood_, rel=1e-12)
    assert np.isfinite(null.score(EMPTY, y, offset=offset))
    result = infer(null, EMPTY, y, offset=offset)
    assert str(result.summary())
    assert result.header["null log-likelihood"] == pytest.approx(null.log_likelihood_, rel=1e-10)
    larger = MLERegressor(**model.get_params(deep=False)).fit(X, y, offset=offset)
    of_larger = infer(larger, X, y, offset=offset).header["null log-likelihood"]
    assert of_larger == pytest.approx(null.log_likelihood_, rel=1e-10)
    if not LIKELIHOODS[name].smooth:
        return
    ratio = likelihood_ratio_test(null, larger, (EMPTY, X), y, offset=offset, small_sample=False)
    assert ratio.df == (4 if scale == "log_linear" else 2)
    assert ratio.statistic == pytest.approx(2 * (larger.log_likelihood_ - null.log_likelihood_), rel=1e-6)
    assert 0 <= score_test(null, EMPTY, y, X[:, 0], offset=offset).p_value <= 1
    assert mean_interval(result, EMPTY[:3], offset=offset[:3]).shape == (3, 2)
    if name == "gaussian_mixture":
        return  # of its several maxima rounding chooses one, from which not every parameter has a profile
    for profile in profile_interval(null, EMPTY, y, offset=offset, n_points=0):
        assert profile.interval[0] < profile.estimate < profile.interval[1]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["gaussian", "lognormal", "poisson", "gamma", "binomial", "negative_binomial"])
def test_the_intercept_is_the_mean(name):
    """Of a canonical or gamma model: on the scale of the link."""
    y = DATA[name][1]
    model = MLERegressor(LIKELIHOODS[name]).fit(EMPTY, y, offset=0.0)
    mean = np.log(y).mean() if name == "lognormal" else y.mean()
    if name == "binomial":
        mean = np.log(mean / (1 - mean))
    elif name not in ("gaussian", "lognormal"):
        mean = np.log(mean)
    assert model.intercept_ == pytest.approx(mean, rel=1e-9)


def test_exposures_without_columns():
    """The rate is the number of events over the exposure, its error one over the root of the number."""
    y, exposure = np.array([3.0, 0.0, 5.0, 2.0]), np.array([10.0, 1.0, 20.0, 4.0])
    model = MLERegressor("poisson").fit(np.empty((4, 0)), y, offset=np.log(exposure))
    assert model.intercept_ == pytest.approx(np.log(10 / 35), rel=1e-12)
    np.testing.assert_allclose(model.standard_errors(), [1 / np.sqrt(10)], rtol=1e-9)
    t = infer(GaussianMLERegressor().fit(np.empty((4, 0)), y, offset=0.0))
    # R: summary(lm(c(3, 0, 5, 2) ~ 1))
    np.testing.assert_allclose([t.estimates[0], t.standard_errors[0], t.df], [2.5, 1.040833, 3], rtol=1e-6)


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs", "newton-cg"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_without_columns(n_classes, solver):
    y = np.arange(N) % (n_classes + 1) % n_classes
    shares = np.bincount(y) / N
    model = MLELogisticClassifier(solver=solver).fit(EMPTY, y, offset=0.0)
    np.testing.assert_allclose(model.predict_proba(EMPTY[:2], offset=0.0), [shares, shares], rtol=1e-9)
    assert str(model.summary())
    assert infer(model, EMPTY, y, offset=0.0).header["null log-likelihood"] == pytest.approx(model.log_likelihood_)
    assert MLELogisticClassifier(C=1.0).fit(EMPTY, y, offset=0.0).gap_ <= 1e-8
    assert len(MLELogisticClassifier(bias_reduction="firth").fit(EMPTY, y, offset=0.0).coef_) == (n_classes > 2) * 2 + 1
    without = MLELogisticClassifier(fit_intercept=False, solver=solver).fit(EMPTY, y, offset=0.0)
    np.testing.assert_allclose(without.predict_proba(EMPTY, offset=0.0), 1 / n_classes, rtol=1e-15)
    assert str(infer(without, EMPTY, y, offset=0.0).summary())


@pytest.mark.parametrize("make", [sp.csr_matrix, sp.csr_array, np.empty, lambda shape: [[]] * shape[0]])
def test_storage_without_columns(make):
    y = DATA["poisson"][1]
    X = make((N, 0))
    model = MLERegressor("poisson").fit(X, y, offset=0.0)
    np.testing.assert_allclose(model.predict(X, offset=0.0), y.mean(), rtol=1e-9)
    with pytest.raises(
        ValueError, match=r"0 feature\(s\) \(shape=\(200, 0\)\) while a minimum of 1 is required.*offset"
    ):
        MLERegressor("poisson").fit(X, y)


def test_a_frame_without_columns():
    y, X = DATA["poisson"][1], pd.DataFrame(index=range(N))
    model = MLERegressor("poisson").fit(X, y, offset=0.0)
    np.testing.assert_allclose(model.predict(X, offset=0.0), y.mean(), rtol=1e-9)
    with pytest.raises(ValueError, match=r"0 feature\(s\).*offset=0\.0"):
        MLERegressor("poisson").fit(X, y)


def test_columns_that_are_missing_in_predict():
    X, y = DATA["poisson"]
    with pytest.raises(ValueError, match="X has 0 features, but MLERegressor is expecting 2"):
        MLERegressor("poisson").fit(X, y).predict(EMPTY)
    with pytest.raises(ValueError, match="X has 2 features, but MLERegressor is expecting 0"):
        MLERegressor("poisson").fit(EMPTY, y, offset=0.0).predict(X, offset=0.0)


def test_exposures_of_zero():
    """An offset of minus infinity: an error that names rows, cause and remedy; no matter where the weight is zero."""
    X, y = DATA["poisson"]
    offset, weight = np.zeros(N), np.ones(N)
    offset[[3, 7]], weight[[3, 7]] = -np.inf, 0
    kept = weight > 0
    for model, target in ((MLERegressor("poisson"), y), (MLELogisticClassifier(), (y > 1).astype(int))):
        with pytest.raises(
            ValueError, match=r"offset contains infinity in rows 3, 7 .*exposure of zero.*sample_weight 0"
        ):
            model.fit(X, target, offset=offset)
        model.fit(X, target, sample_weight=weight, offset=offset)
        without = type(model)(**model.get_params(deep=False)).fit(X[kept], target[kept], offset=0.0)
        np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-12)
        for call in ("score", "log_likelihood"):
            ours = getattr(model, call)(X, target, weight, offset)
            assert ours == pytest.approx(getattr(without, call)(X[kept], target[kept], offset=0.0), rel=1e-12)
        ours = infer(model, X, target, sample_weight=weight, offset=offset)
        theirs = infer(without, X[kept], target[kept], offset=0.0)
        np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=1e-9)
        with pytest.raises(ValueError, match="offset contains infinity in rows 3, 7"):
            model.predict(X, offset=offset)
    model = MLERegressor("poisson").fit(X, y, sample_weight=weight, offset=offset)
    for call in (model.deviance, model.d2_score):
        assert np.isfinite(call(X, y, weight, offset))


@pytest.mark.parametrize("name", ["gaussian", "gamma", "poisson", "negative_binomial"])
def test_partitions_without_columns(name):
    da = pytest.importorskip("dask.array")
    y = DATA[name][1]
    X, parts = da.zeros((N, 0), chunks=(50, 0)), da.from_array(y, chunks=50)
    model = MLERegressor(name).fit(X, parts, offset=0.0)
    assert model.intercept_ == pytest.approx(MLERegressor(name).fit(EMPTY, y, offset=0.0).intercept_, rel=1e-9)
    assert model.log_likelihood(X, parts, offset=0.0) == pytest.approx(model.log_likelihood_, rel=1e-12)
    mean = model.intercept_ if name == "gaussian" else np.exp(model.intercept_)
    np.testing.assert_allclose(model.predict(X, offset=0.0).compute(), mean, rtol=1e-12)
    with pytest.raises(ValueError, match=r"0 feature\(s\) \(shape=\(200, 0\)\).*offset=0\.0"):
        MLERegressor(name).fit(X, parts)
